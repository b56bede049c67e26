/* SPDX-License-Identifier: MIT */
/*
 * The catalogue's face: what is there, by name.
 *
 * Tables live in table/, which is also how those that the pipeline makes get here: a look at a name
 * asks table/ and compares what it finds with what the snapshot was made of (pointers, no texts).
 * Everything else that CQL knows of a table, and keyspaces, user types and roles, is a record in
 * the store's state (record.h). catalog_load.c keeps the two together, ddl*.c change them.
 *
 * Invariants: 1. a struct cql_table never changes once it was given out, but for refs and dropped;
 * when its definition changes it is marked dropped and the next look makes another. 2. Keyspaces
 * and user types that were given out live until the catalogue is freed. 3. One mutex guards the
 * maps; a definition statement holds it while it works, but for the building of an index.
 */
#include "serve/cql/catalog_private.h"

#include "base/check.h"

const struct cql_node *cql_catalog_node(const struct cql_catalog *catalog)
{
    return &catalog->node;
}
struct table_store *cql_catalog_store(const struct cql_catalog *catalog)
{
    return catalog->store;
}
struct io *cql_catalog_io(const struct cql_catalog *catalog)
{
    return catalog->io;
}

void cql_catalog_sessions(struct cql_catalog *catalog, const struct cql_sessions *sessions)
{
    catalog->sessions = *sessions;
}

bool cql_table_is_virtual(const struct cql_table *table)
{
    return catalog_is_virtual(table->keyspace);
}

struct cql_traces *cql_catalog_traces(const struct cql_catalog *catalog)
{
    return catalog->traces;
}

struct str catalog_key(struct arena *arena, struct str keyspace, struct str name)
{
    char *key = arena_alloc(arena, keyspace.bytes + 1 + name.bytes + 1);
    memcpy(key, keyspace.ptr ? keyspace.ptr : "", keyspace.bytes);
    key[keyspace.bytes] = 0;
    memcpy(key + keyspace.bytes + 1, name.ptr ? name.ptr : "", name.bytes);
    return str_from(key, keyspace.bytes + 1 + name.bytes);
}

static void *find_two(const struct map *map, struct str keyspace, struct str name)
{
    char room[512];
    if (keyspace.bytes + name.bytes + 1 > sizeof(room))
        return NULL; /* no such name can have been made */
    memcpy(room, keyspace.ptr ? keyspace.ptr : "", keyspace.bytes);
    room[keyspace.bytes] = 0;
    memcpy(room + keyspace.bytes + 1, name.ptr ? name.ptr : "", name.bytes);
    return map_get(map, str_from(room, keyspace.bytes + 1 + name.bytes));
}

struct keyspace_entry *keyspace_entry_find(const struct cql_catalog *catalog, struct str name)
{
    return map_get(&catalog->keyspaces, name);
}

struct type_entry *type_entry_find(const struct cql_catalog *catalog, struct str keyspace,
                                   struct str name)
{
    return find_two(&catalog->types, keyspace, name);
}

struct table_entry *table_entry_find(const struct cql_catalog *catalog, struct str keyspace,
                                     struct str name)
{
    return find_two(&catalog->tables, keyspace, name);
}

const struct cql_keyspace *cql_keyspace_find(const struct cql_catalog *catalog, struct str name)
{
    const struct cql_keyspace *system = system_keyspace_find(catalog, name);
    if (system)
        return system;
    CATALOG_GUARD(catalog);
    struct keyspace_entry *entry = keyspace_entry_find(catalog, name);
    if (!entry) {
        catalog_refresh((struct cql_catalog *)catalog);
        entry = keyspace_entry_find(catalog, name);
    }
    return entry ? &entry->keyspace : NULL;
}

const struct cql_type *cql_udt_find(const struct cql_catalog *catalog, struct str keyspace,
                                    struct str name)
{
    CATALOG_GUARD(catalog);
    const struct type_entry *entry = type_entry_find(catalog, keyspace, name);
    return entry ? entry->type : NULL;
}

enum err catalog_keyspace_of(struct str session_keyspace, const struct cql_name *name,
                             struct arena *arena, struct cql_error *error, struct str *ret_keyspace)
{
    *ret_keyspace = name->keyspace.ptr ? name->keyspace : session_keyspace;
    if (ret_keyspace->ptr && ret_keyspace->bytes)
        return OK;
    return cql_fail(error, arena, CQL_INVALID,
                    "No keyspace has been specified. USE a keyspace, or explicitly specify "
                    "keyspace.tablename");
}

/* ---- tables ---- */

static struct cql_table *user_table(struct cql_catalog *catalog, struct str keyspace,
                                    struct str name)
{
    struct table_entry *entry = table_entry_find(catalog, keyspace, name);
    struct table *table = table_find(catalog->store, keyspace, name);
    bool same =
        entry && table && entry->table == table && entry->definition == table_definition(table);
    if (!same && (entry || table)) {
        catalog_refresh(catalog);
        entry = table_entry_find(catalog, keyspace, name);
    }
    struct cql_table *found = entry ? table_entry_snapshot(catalog, entry) : NULL;
    return found ? cql_table_ref(found) : NULL;
}

struct cql_table *cql_table_find(struct cql_catalog *catalog, struct str session_keyspace,
                                 const struct cql_name *name, struct cql_error *error,
                                 struct arena *arena)
{
    struct str keyspace;
    if (catalog_keyspace_of(session_keyspace, name, arena, error, &keyspace) != OK)
        return NULL;
    struct cql_table *table = system_table_find(catalog, keyspace, name->name);
    if (table)
        return cql_table_ref(table);
    if (!system_keyspace_find(catalog, keyspace) && !str_equal(keyspace, CATALOG_INDEX_KEYSPACE)) {
        CATALOG_GUARD(catalog);
        table = user_table(catalog, keyspace, name->name);
        if (table)
            return table;
    }
    bool there = cql_keyspace_find(catalog, keyspace);
    struct str missing = there ? name->name : keyspace;
    enum err err = cql_fail(error, arena, CQL_INVALID, "%s %.*s does not exist",
                            there ? "table" : "keyspace", STR_ARG(missing));
    check(err == ERR_INVALID);
    return NULL;
}

struct cql_table *cql_table_ref(struct cql_table *table)
{
    __atomic_add_fetch(&table->refs, 1, __ATOMIC_RELAXED);
    return table;
}

void cql_table_unref(struct cql_table *table)
{
    if (!table || __atomic_sub_fetch(&table->refs, 1, __ATOMIC_ACQ_REL))
        return;
    struct arena arena = table->arena; /* the table itself lives in it */
    arena_deinit(&arena);
}

const struct cql_table_column *cql_column_find(const struct cql_table *table, struct str name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (str_equal(table->columns[i].name, name))
            return &table->columns[i];
    return NULL;
}

/* ---- the version ---- */

static void print_table(struct cql_catalog *catalog, struct table_entry *entry, struct buf *out)
{
    const struct table_definition *definition = entry->definition;
    table_record_encode(&entry->record, out);
    buf_varint(out, definition->ttl_default_s);
    for (size_t i = 0; i < definition->column_count; i++) {
        const struct table_column *column = &definition->columns[i];
        buf_str_append(out, column->name);
        buf_u8(out, (uint8_t)column->role);
        table_column_cql(column, out);
        buf_u8(out, 0);
    }
}

/* The parts of the schema in order, hashed as they come: two times 64 bits make a uuid of version
 * 3, "name-based". */
static void make_version(struct cql_catalog *catalog)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    CLEAN(buf_deinit) struct buf out = {0};
    uint64_t high = 1, low = 2;
    size_t keyspaces, types, tables;
    struct keyspace_entry **k = catalog_keyspaces(catalog, &arena, &keyspaces);
    struct type_entry **y = catalog_types(catalog, &arena, &types);
    struct table_entry **t = catalog_tables(catalog, &arena, &tables);
    for (size_t i = 0; i < keyspaces + types + tables; i++) {
        buf_reset(&out);
        if (i < keyspaces)
            keyspace_record_encode(&k[i]->keyspace, &out);
        else if (i < keyspaces + types)
            type_record_encode(&y[i - keyspaces]->record, &out);
        else
            print_table(catalog, t[i - keyspaces - types], &out);
        high = hash_bytes(out.ptr, out.bytes, high);
        low = hash_bytes(out.ptr, out.bytes, low ^ high);
    }
    arena_deinit(&arena);
    catalog->version_at = (catalog->version_at + 1) % VERSIONS_KEPT;
    uint8_t *version = catalog->versions[catalog->version_at];
    for (int i = 0; i < 8; i++) {
        version[i] = (uint8_t)(high >> (56 - 8 * i));
        version[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    version[6] = (uint8_t)((version[6] & 0x0F) | 0x30);
    version[8] = (uint8_t)((version[8] & 0x3F) | 0x80);
    catalog->version_known = true;
}

const uint8_t *cql_catalog_version(const struct cql_catalog *catalog)
{
    struct cql_catalog *own = (struct cql_catalog *)catalog;
    CATALOG_GUARD(catalog);
    catalog_refresh(own);
    if (!own->version_known)
        make_version(own);
    return own->versions[own->version_at];
}
