/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing the catalogue, and its records: read whole when it opens, written through
 * when they change.
 *
 * What a crash left behind is put right at the opening: records without a table go, hidden tables
 * without an index go, columns of a user type that grew get its fields, and an index that was not
 * built to its end is built again.
 */
#include "base/check.h"
#include "serve/cql/ddl.h"
#include "serve/cql/trace.h"

/* ---- records in memory ---- */

void catalog_set_keyspace(struct cql_catalog *catalog, struct str record)
{
    struct keyspace_entry *entry = mem_zero(sizeof(*entry));
    arena_init(&entry->arena, SIZE_MAX);
    entry->stored = true;
    if (keyspace_record_decode(&entry->arena, record, &entry->keyspace) != OK) {
        arena_deinit(&entry->arena);
        mem_free(entry);
        return;
    }
    struct keyspace_entry *old = map_set(&catalog->keyspaces, entry->keyspace.name, entry);
    if (old) {
        old->retired = catalog->retired_keyspaces;
        catalog->retired_keyspaces = old;
    }
    catalog->version_known = false;
}

void catalog_forget_keyspace(struct cql_catalog *catalog, struct str name)
{
    struct keyspace_entry *old = map_remove(&catalog->keyspaces, name);
    if (old) {
        old->retired = catalog->retired_keyspaces;
        catalog->retired_keyspaces = old;
    }
    catalog->version_known = false;
}

static void retire_type(struct cql_catalog *catalog, struct type_entry *old)
{
    if (!old)
        return;
    old->retired = catalog->retired_types;
    catalog->retired_types = old;
}

static void set_type_record(struct cql_catalog *catalog, struct str record)
{
    struct type_entry *entry = mem_zero(sizeof(*entry));
    arena_init(&entry->arena, SIZE_MAX);
    if (type_record_decode(&entry->arena, record, &entry->record) != OK) {
        arena_deinit(&entry->arena);
        mem_free(entry);
        return;
    }
    struct str key = catalog_key(&entry->arena, entry->record.keyspace, entry->record.name);
    retire_type(catalog, map_set(&catalog->types, key, entry));
    catalog->version_known = false;
}

/* All fields' types, or NULL when one of them is not known yet. */
static const struct cql_type *make_type(struct cql_catalog *catalog, struct type_entry *entry)
{
    const struct type_record *record = &entry->record;
    const struct cql_type **items = arena_array(&entry->arena, record->count + 1, sizeof(*items));
    struct cql_error error;
    for (size_t i = 0; i < record->count; i++)
        if (catalog_type_locked(catalog, record->keyspace, record->field_types[i], &entry->arena,
                                &error, &items[i]) != OK)
            return NULL;
    return cql_udt(&entry->arena, record->keyspace, record->name, record->field_names, items,
                   record->count, false);
}

void catalog_resolve_types(struct cql_catalog *catalog, struct str keyspace)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    size_t count;
    struct type_entry **list = catalog_types(catalog, &arena, &count);
    /* New entries, so that types that were given out stay; each again until all are known. */
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(list[i]->record.keyspace, keyspace) || !list[i]->type)
            continue;
        CLEAN(buf_deinit) struct buf out = {0};
        type_record_encode(&list[i]->record, &out);
        set_type_record(catalog, buf_str(&out));
    }
    list = catalog_types(catalog, &arena, &count);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            if (list[i]->type || !str_equal(list[i]->record.keyspace, keyspace))
                continue;
            list[i]->type = make_type(catalog, list[i]);
            more |= list[i]->type != NULL;
        }
    }
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&catalog->tables, &i));) {
        struct table_entry *table = e->value;
        if (str_equal(table->record.keyspace, keyspace))
            table_entry_stale(catalog, table);
    }
    arena_deinit(&arena);
}

void catalog_set_type(struct cql_catalog *catalog, struct str record)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct type_record decoded;
    set_type_record(catalog, record);
    if (type_record_decode(&arena, record, &decoded) == OK)
        catalog_resolve_types(catalog, decoded.keyspace);
    arena_deinit(&arena);
}

void catalog_forget_type(struct cql_catalog *catalog, struct str keyspace, struct str name)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    retire_type(catalog, map_remove(&catalog->types, catalog_key(&arena, keyspace, name)));
    catalog->version_known = false;
    arena_deinit(&arena);
}

void catalog_set_table(struct cql_catalog *catalog, struct table_entry *entry, struct str record)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct table_record decoded;
    if (table_record_decode(&arena, record, &decoded) != OK) {
        arena_deinit(&arena);
        return;
    }
    table_entry_stale(catalog, entry);
    arena_deinit(&entry->arena);
    entry->arena = arena;
    entry->record = decoded;
    entry->stored = true;
}

/* ---- records on disk ---- */

enum err ddl_store(struct ddl *ddl, enum err err)
{
    return err == OK ? OK : cql_fail(ddl->error, ddl->arena, CQL_SERVER_ERROR, "%s", err_text(err));
}

/* value ptr NULL removes. */
static enum err write_state(struct table_store *store, const char *prefix, struct str key,
                            struct str value)
{
    CLEAN(buf_deinit) struct buf name = {0};
    buf_text(&name, prefix);
    buf_str_append(&name, key);
    struct table_batch *batch = table_batch_new(store);
    table_batch_state(batch, buf_str(&name), value);
    enum err err = table_commit(store, batch, true);
    table_batch_free(batch);
    return err;
}

enum err ddl_put(struct ddl *ddl, const char *prefix, struct str key, struct str value)
{
    return ddl_store(ddl, write_state(ddl->catalog->store, prefix, key, value));
}

enum err ddl_remove(struct ddl *ddl, const char *prefix, struct str key)
{
    return ddl_put(ddl, prefix, key, STR_NONE);
}

enum err ddl_put_keyspace(struct ddl *ddl, const struct cql_keyspace *keyspace)
{
    CLEAN(buf_deinit) struct buf out = {0};
    keyspace_record_encode(keyspace, &out);
    TRY(ddl_put(ddl, "cql/keyspace/", keyspace->name, buf_str(&out)));
    catalog_set_keyspace(ddl->catalog, buf_str(&out));
    return OK;
}

enum err ddl_put_type(struct ddl *ddl, const struct type_record *record)
{
    CLEAN(buf_deinit) struct buf out = {0};
    type_record_encode(record, &out);
    struct str key = catalog_key(ddl->arena, record->keyspace, record->name);
    TRY(ddl_put(ddl, "cql/type/", key, buf_str(&out)));
    catalog_set_type(ddl->catalog, buf_str(&out));
    return OK;
}

enum err ddl_put_table(struct ddl *ddl, const struct table_record *record)
{
    CLEAN(buf_deinit) struct buf out = {0};
    table_record_encode(record, &out);
    struct str key = catalog_key(ddl->arena, record->keyspace, record->name);
    TRY(ddl_put(ddl, "cql/table/", key, buf_str(&out)));
    struct table_entry *entry = table_entry_find(ddl->catalog, record->keyspace, record->name);
    if (entry)
        catalog_set_table(ddl->catalog, entry, buf_str(&out));
    return OK;
}

/* ---- opening ---- */

struct loader {
    struct cql_catalog *catalog;
    struct arena arena; /* keys of records that are to go */
    struct str *orphans;
    size_t orphan_count, orphan_room;
    enum err err;
};

static bool load_keyspace(void *owner, struct str key, struct str value)
{
    catalog_set_keyspace(((struct loader *)owner)->catalog, value);
    return true;
}

static bool load_type(void *owner, struct str key, struct str value)
{
    set_type_record(((struct loader *)owner)->catalog, value);
    return true;
}

static bool load_table(void *owner, struct str key, struct str value)
{
    struct loader *loader = owner;
    struct str name = str_slice(key, sizeof("cql/table/") - 1, key.bytes);
    struct table_entry *entry = map_get(&loader->catalog->tables, name);
    if (entry) {
        catalog_set_table(loader->catalog, entry, value);
        return true;
    }
    if (loader->orphan_count == loader->orphan_room) {
        loader->orphan_room = loader->orphan_room ? loader->orphan_room * 2 : 16;
        loader->orphans =
            mem_realloc_array(loader->orphans, loader->orphan_room, sizeof(*loader->orphans));
    }
    loader->orphans[loader->orphan_count++] = arena_str(&loader->arena, name);
    return true;
}

/* Hidden tables that no record names. */
static enum err drop_hidden(struct cql_catalog *catalog, struct arena *arena)
{
    struct table **tables = NULL;
    size_t count = table_list(catalog->store, &tables);
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        const struct table_definition *definition = table_definition(tables[i]);
        bool named = !str_equal(definition->keyspace, CATALOG_INDEX_KEYSPACE);
        struct map_entry *e;
        for (size_t k = 0; !named && (e = map_next(&catalog->tables, &k));) {
            const struct table_record *record = &((struct table_entry *)e->value)->record;
            for (size_t n = 0; n < record->index_count && !named; n++)
                named = str_equal(definition->name,
                                  catalog_index_table(arena, record->keyspace, record->name,
                                                      record->indexes[n].name));
        }
        if (!named)
            err = table_drop(catalog->store, definition->keyspace, definition->name);
    }
    mem_free(tables);
    return err;
}

static enum err load_all(struct cql_catalog *catalog, struct loader *loader)
{
    struct table_store *store = catalog->store;
    TRY(table_state_each(store, STR("cql/keyspace/"), load_keyspace, loader));
    TRY(table_state_each(store, STR("cql/type/"), load_type, loader));
    catalog_refresh(catalog);
    TRY(table_state_each(store, STR("cql/table/"), load_table, loader));
    for (size_t i = 0; i < loader->orphan_count; i++)
        TRY(write_state(store, "cql/table/", loader->orphans[i], STR_NONE));
    size_t count;
    struct keyspace_entry **keyspaces = catalog_keyspaces(catalog, &loader->arena, &count);
    for (size_t i = 0; i < count; i++) {
        catalog_resolve_types(catalog, keyspaces[i]->keyspace.name);
        TRY(catalog_retype(catalog, keyspaces[i]->keyspace.name));
    }
    TRY(drop_hidden(catalog, &loader->arena));
    return catalog_build_indexes(catalog);
}

static struct str copy(struct cql_catalog *catalog, struct str s, struct str otherwise)
{
    return arena_str(&catalog->arena, s.ptr ? s : otherwise);
}

enum err cql_catalog_open(struct io *io, struct table_store *store, const struct cql_node *node,
                          struct diag *diag, struct cql_catalog **ret_catalog)
{
    struct cql_catalog *catalog = mem_zero(sizeof(*catalog));
    catalog->io = io;
    catalog->store = store;
    arena_init(&catalog->arena, SIZE_MAX);
    io_mutex_init(&catalog->mutex);
    catalog->node = *node;
    catalog->node.cluster_name = copy(catalog, node->cluster_name, STR("Test Cluster"));
    catalog->node.data_center = copy(catalog, node->data_center, STR("datacenter1"));
    catalog->node.rack = copy(catalog, node->rack, STR("rack1"));
    catalog->node.release_version = copy(catalog, node->release_version, STR("5.0.9"));
    catalog->node.cql_version = copy(catalog, node->cql_version, STR("3.4.7"));
    catalog->node.address = copy(catalog, node->address, STR("127.0.0.1"));
    catalog->node.user = node->user.ptr ? arena_str(&catalog->arena, node->user) : STR_NONE;
    catalog->traces = cql_traces_new(io, &catalog->node);
    system_tables_make(catalog);
    struct loader loader = {.catalog = catalog};
    arena_init(&loader.arena, SIZE_MAX);
    enum err err = load_all(catalog, &loader);
    mem_free(loader.orphans);
    arena_deinit(&loader.arena);
    if (err != OK) {
        cql_catalog_free(catalog);
        return diag_set(diag, err, 0, 0, "the CQL catalogue cannot be read: %s", err_text(err));
    }
    catalog_forget_notices(catalog, 0, STR_NONE);
    *ret_catalog = catalog;
    return OK;
}

static void free_keyspaces(struct keyspace_entry *entry)
{
    while (entry) {
        struct keyspace_entry *next = entry->retired;
        arena_deinit(&entry->arena);
        mem_free(entry);
        entry = next;
    }
}

static void free_types(struct type_entry *entry)
{
    while (entry) {
        struct type_entry *next = entry->retired;
        arena_deinit(&entry->arena);
        mem_free(entry);
        entry = next;
    }
}

void cql_catalog_free(struct cql_catalog *catalog)
{
    if (!catalog)
        return;
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&catalog->tables, &i));) {
        struct table_entry *entry = e->value;
        table_entry_stale(catalog, entry);
        arena_deinit(&entry->arena);
        mem_free(entry);
    }
    for (size_t i = 0; (e = map_next(&catalog->types, &i));)
        retire_type(catalog, e->value);
    for (size_t i = 0; (e = map_next(&catalog->keyspaces, &i));) {
        struct keyspace_entry *entry = e->value;
        entry->retired = catalog->retired_keyspaces;
        catalog->retired_keyspaces = entry;
    }
    free_types(catalog->retired_types);
    free_keyspaces(catalog->retired_keyspaces);
    map_deinit(&catalog->tables);
    map_deinit(&catalog->types);
    map_deinit(&catalog->keyspaces);
    for (size_t i = 0; i < catalog->system_table_count; i++)
        cql_table_unref(catalog->system_tables[i]);
    catalog_forget_notices(catalog, 0, STR_NONE);
    mem_free(catalog->notices);
    cql_traces_free(catalog->traces);
    io_mutex_deinit(&catalog->mutex);
    arena_deinit(&catalog->arena);
    mem_free(catalog);
}
