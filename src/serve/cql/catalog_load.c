/* SPDX-License-Identifier: MIT */
/*
 * Loading the catalogue from the store and keeping it true.
 *
 * Order of steps, so that a crash between two of them leaves something sound: the record of a table
 * is written before the table is made and removed after it is gone, and opening removes records
 * without a table. The hidden table of an index is made before the record names it and dropped
 * after, and opening drops hidden tables that no record names. A user type is changed before the
 * columns of that type are, and opening changes those that were left behind.
 */
#include "serve/cql/catalog_private.h"

#include <stdlib.h>

#include "base/check.h"

/* ---- snapshots ---- */

static int kind_rank(const struct table_column *column)
{
    switch (column->role) {
    case TABLE_PARTITION_KEY:
        return CQL_PARTITION_KEY;
    case TABLE_CLUSTERING_ASC:
    case TABLE_CLUSTERING_DESC:
        return CQL_CLUSTERING;
    case TABLE_STATIC:
        return CQL_STATIC;
    default:
        return CQL_REGULAR;
    }
}

/* The CQL type of a column. What makes no sense here, a user type of somebody else's, is taken as
 * what its storage says. */
static const struct cql_type *column_type(struct cql_catalog *catalog, struct arena *arena,
                                          struct str keyspace, const struct table_column *column)
{
    struct table_column plain = *column;
    const struct cql_type *type = NULL;
    for (int i = 0; i < 2 && !type; i++) {
        CLEAN(buf_deinit) struct buf text = {0};
        struct cql_error error;
        table_column_cql(&plain, &text);
        struct str copy = arena_str(arena, buf_str(&text));
        if (catalog_type_locked(catalog, keyspace, copy, arena, &error, &type) != OK)
            type = NULL;
        plain.declared = STR_NONE;
    }
    if (!type)
        return cql_simple(CQL_BLOB);
    /* The type may point into a user type that goes away. */
    type = cql_type_copy(arena, type);
    return column->cells == TABLE_MANY_CELLS ? type : cql_type_frozen(arena, type, true);
}

static int compare_columns(const void *left, const void *right)
{
    const struct cql_table_column *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind <= CQL_CLUSTERING)
        return a->position < b->position ? -1 : a->position > b->position;
    return str_compare(a->name, b->name);
}

static void add_column(struct cql_table *t, struct str name, enum cql_column_kind kind,
                       const struct cql_type *type, uint32_t index)
{
    uint32_t *count = kind == CQL_PARTITION_KEY ? &t->partition_count : &t->clustering_count;
    struct cql_table_column *column = &t->columns[t->column_count++];
    *column = (struct cql_table_column){.name = name, .kind = kind, .type = type, .index = index};
    if (kind <= CQL_CLUSTERING)
        column->position = (*count)++;
    t->has_static |= kind == CQL_STATIC;
    t->is_counter |= type->kind == CQL_COUNTER;
}

static void add_columns(struct cql_catalog *catalog, struct cql_table *t,
                        const struct table_definition *definition)
{
    t->columns = arena_array(&t->arena, definition->column_count + 3, sizeof(*t->columns));
    if (definition->append_only) {
        add_column(t, STR("_partition"), CQL_PARTITION_KEY, cql_simple(CQL_INT), UINT32_MAX);
        add_column(t, STR("_offset"), CQL_CLUSTERING, cql_simple(CQL_BIGINT), UINT32_MAX);
        add_column(t, STR("_index"), CQL_CLUSTERING, cql_simple(CQL_INT), UINT32_MAX);
    }
    for (size_t i = 0; i < definition->column_count; i++) {
        const struct table_column *from = &definition->columns[i];
        add_column(t, arena_str(&t->arena, from->name), (enum cql_column_kind)kind_rank(from),
                   column_type(catalog, &t->arena, t->keyspace, from), (uint32_t)i);
        t->columns[t->column_count - 1].descending = from->role == TABLE_CLUSTERING_DESC;
    }
    qsort(t->columns, t->column_count, sizeof(*t->columns), compare_columns);
}

static struct str copy_or_none(struct arena *arena, struct str s)
{
    return s.ptr ? arena_str(arena, s) : STR_NONE;
}

static void add_indexes(struct cql_catalog *catalog, struct cql_table *t,
                        const struct table_record *record)
{
    t->index_count = record->index_count;
    t->indexes = arena_array(&t->arena, record->index_count + 1, sizeof(*t->indexes));
    for (size_t i = 0; i < record->index_count; i++) {
        const struct index_record *from = &record->indexes[i];
        struct str hidden = catalog_index_table(&t->arena, t->keyspace, t->name, from->name);
        t->indexes[i] = (struct cql_index){
            .name = arena_str(&t->arena, from->name),
            .column = arena_str(&t->arena, from->column),
            .target = arena_str(&t->arena, from->target),
            .custom_class = copy_or_none(&t->arena, from->custom_class),
            .options = options_copy(&t->arena, from->options, from->option_count),
            .option_count = from->option_count,
            .entries = table_find(catalog->store, CATALOG_INDEX_KEYSPACE, hidden),
            .built = from->built,
        };
    }
}

struct cql_table *table_entry_snapshot(struct cql_catalog *catalog, struct table_entry *entry)
{
    if (entry->snapshot)
        return entry->snapshot;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct cql_table *t = arena_zero(&arena, sizeof(*t));
    t->arena = arena;
    t->refs = 1;
    t->catalog = catalog;
    t->keyspace = arena_str(&t->arena, entry->record.keyspace);
    t->name = arena_str(&t->arena, entry->record.name);
    memcpy(t->id, entry->record.id, sizeof(t->id));
    t->compact = entry->record.compact;
    t->table = entry->table;
    t->ttl_default_s = entry->definition->ttl_default_s;
    add_columns(catalog, t, entry->definition);
    t->options = options_copy(&t->arena, entry->record.options, entry->record.option_count);
    t->option_count = entry->record.option_count;
    add_indexes(catalog, t, &entry->record);
    entry->snapshot = t;
    return t;
}

void table_entry_stale(struct cql_catalog *catalog, struct table_entry *entry)
{
    catalog->version_known = false;
    if (!entry->snapshot)
        return;
    __atomic_store_n(&entry->snapshot->dropped, true, __ATOMIC_RELEASE);
    cql_table_unref(entry->snapshot);
    entry->snapshot = NULL;
}

/* ---- what changed without a statement ---- */

static void notice_free(struct notice *notice)
{
    mem_free(notice->keyspace);
    mem_free(notice->name);
}

static void note(struct cql_catalog *catalog, const char *change, const char *target,
                 struct str keyspace, struct str name)
{
    if (!catalog->notices)
        catalog->notices = mem_array(NOTICES_MAX, sizeof(*catalog->notices));
    if (catalog->notice_count == NOTICES_MAX) {
        /* Nobody asks: the oldest goes. */
        notice_free(&catalog->notices[0]);
        memmove(catalog->notices, catalog->notices + 1,
                (NOTICES_MAX - 1) * sizeof(*catalog->notices));
        catalog->notice_count--;
    }
    catalog->notices[catalog->notice_count++] =
        (struct notice){change, target, str_dup(keyspace), name.ptr ? str_dup(name) : NULL};
}

void catalog_forget_notices(struct cql_catalog *catalog, size_t from, struct str keyspace)
{
    size_t left = from;
    for (size_t i = from; i < catalog->notice_count; i++)
        if (keyspace.ptr && !str_equal(str_of(catalog->notices[i].keyspace), keyspace))
            catalog->notices[left++] = catalog->notices[i];
        else
            notice_free(&catalog->notices[i]);
    catalog->notice_count = left < catalog->notice_count ? left : catalog->notice_count;
}

size_t cql_catalog_take_changes(struct cql_catalog *catalog, struct arena *arena,
                                struct cql_change **ret_changes)
{
    CATALOG_GUARD(catalog);
    catalog_refresh(catalog);
    size_t count = catalog->notice_count;
    struct cql_change *changes = arena_array(arena, count + 1, sizeof(*changes));
    for (size_t i = 0; i < count; i++) {
        const struct notice *notice = &catalog->notices[i];
        changes[i] = (struct cql_change){
            .change = notice->change,
            .target = notice->target,
            .keyspace = arena_str(arena, str_of(notice->keyspace)),
            .name = notice->name ? arena_str(arena, str_of(notice->name)) : STR_NONE};
    }
    catalog_forget_notices(catalog, 0, STR_NONE);
    *ret_changes = changes;
    return count;
}

/* ---- refresh ---- */

static void set_keyspace(struct cql_catalog *catalog, struct keyspace_entry *entry)
{
    struct keyspace_entry *old = map_set(&catalog->keyspaces, entry->keyspace.name, entry);
    if (old) {
        old->retired = catalog->retired_keyspaces;
        catalog->retired_keyspaces = old;
    }
    catalog->version_known = false;
}

/* A keyspace that no statement made: some table is in it. */
static void add_implicit_keyspace(struct cql_catalog *catalog, struct str name)
{
    struct keyspace_entry *entry = mem_zero(sizeof(*entry));
    arena_init(&entry->arena, SIZE_MAX);
    struct cql_term *class = arena_zero(&entry->arena, sizeof(*class));
    struct cql_term *factor = arena_zero(&entry->arena, sizeof(*factor));
    class->kind = factor->kind = TERM_STRING;
    class->text = STR("org.apache.cassandra.locator.SimpleStrategy");
    factor->text = STR("1");
    struct cql_option *options = arena_array(&entry->arena, 2, sizeof(*options));
    options[0] = (struct cql_option){STR("class"), class};
    options[1] = (struct cql_option){STR("replication_factor"), factor};
    entry->keyspace = (struct cql_keyspace){.name = arena_str(&entry->arena, name),
                                            .replication = options,
                                            .replication_count = 2,
                                            .durable_writes = true};
    set_keyspace(catalog, entry);
}

/* An id for a table that no statement made: always the same for its name. */
static void name_id(struct str key, uint8_t id[16])
{
    uint64_t high = hash_bytes(key.ptr, key.bytes, 3), low = hash_bytes(key.ptr, key.bytes, 4);
    for (int i = 0; i < 8; i++) {
        id[i] = (uint8_t)(high >> (56 - 8 * i));
        id[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    id[6] = (uint8_t)((id[6] & 0x0F) | 0x30);
    id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
}

static struct table_entry *add_table(struct cql_catalog *catalog, struct table *table)
{
    const struct table_definition *definition = table_definition(table);
    struct table_entry *entry = mem_zero(sizeof(*entry));
    arena_init(&entry->arena, SIZE_MAX);
    entry->record.keyspace = arena_str(&entry->arena, definition->keyspace);
    entry->record.name = arena_str(&entry->arena, definition->name);
    struct str key = catalog_key(&entry->arena, definition->keyspace, definition->name);
    name_id(key, entry->record.id);
    void *old = map_set(&catalog->tables, key, entry);
    check(!old);
    catalog->version_known = false;
    return entry;
}

static void free_table(struct cql_catalog *catalog, struct table_entry *entry)
{
    table_entry_stale(catalog, entry);
    arena_deinit(&entry->arena);
    mem_free(entry);
}

/* Entries of tables that are gone. */
static void remove_unseen(struct cql_catalog *catalog)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&catalog->tables, &i));) {
        struct table_entry *entry = e->value;
        if (entry->seen)
            continue;
        struct arena arena;
        arena_init(&arena, SIZE_MAX);
        struct str key = catalog_key(&arena, entry->record.keyspace, entry->record.name);
        map_remove(&catalog->tables, key);
        arena_deinit(&arena);
        note(catalog, "DROPPED", "TABLE", entry->record.keyspace, entry->record.name);
        free_table(catalog, entry);
        i = 0; /* the map moved */
    }
}

/* Keyspaces that were there for their tables only. */
static void remove_empty_keyspaces(struct cql_catalog *catalog)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&catalog->keyspaces, &i));) {
        struct keyspace_entry *keyspace = e->value;
        bool used = keyspace->stored;
        struct map_entry *t;
        for (size_t k = 0; !used && (t = map_next(&catalog->tables, &k));)
            used = str_equal(((struct table_entry *)t->value)->record.keyspace,
                             keyspace->keyspace.name);
        for (size_t k = 0; !used && (t = map_next(&catalog->types, &k));)
            used = str_equal(((struct type_entry *)t->value)->record.keyspace,
                             keyspace->keyspace.name);
        if (used)
            continue;
        map_remove(&catalog->keyspaces, keyspace->keyspace.name);
        note(catalog, "DROPPED", "KEYSPACE", keyspace->keyspace.name, STR_NONE);
        keyspace->retired = catalog->retired_keyspaces;
        catalog->retired_keyspaces = keyspace;
        catalog->version_known = false;
        i = 0;
    }
}

void catalog_refresh(struct cql_catalog *catalog)
{
    struct table **tables = NULL;
    size_t count = table_list(catalog->store, &tables), seen = 0;
    for (size_t i = 0; i < count; i++) {
        const struct table_definition *definition = table_definition(tables[i]);
        if (str_equal(definition->keyspace, CATALOG_INDEX_KEYSPACE) ||
            system_keyspace_find(catalog, definition->keyspace))
            continue;
        struct table_entry *entry =
            table_entry_find(catalog, definition->keyspace, definition->name);
        if (!keyspace_entry_find(catalog, definition->keyspace)) {
            add_implicit_keyspace(catalog, definition->keyspace);
            note(catalog, "CREATED", "KEYSPACE", definition->keyspace, STR_NONE);
        }
        bool known = entry;
        if (!entry)
            entry = add_table(catalog, tables[i]);
        if (entry->table != tables[i] || entry->definition != definition) {
            table_entry_stale(catalog, entry);
            note(catalog, known ? "UPDATED" : "CREATED", "TABLE", definition->keyspace,
                 definition->name);
        }
        entry->table = tables[i];
        entry->definition = definition;
        entry->seen = true;
        seen++;
    }
    mem_free(tables);
    if (seen != catalog->tables.count)
        remove_unseen(catalog);
    remove_empty_keyspaces(catalog);
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&catalog->tables, &i));)
        ((struct table_entry *)e->value)->seen = false;
}

/* ---- lists ---- */

static int compare_keyspaces(const void *a, const void *b)
{
    return str_compare((*(struct keyspace_entry *const *)a)->keyspace.name,
                       (*(struct keyspace_entry *const *)b)->keyspace.name);
}
static int compare_names(struct str keyspace_a, struct str a, struct str keyspace_b, struct str b)
{
    int order = str_compare(keyspace_a, keyspace_b);
    return order ? order : str_compare(a, b);
}
static int compare_types(const void *left, const void *right)
{
    const struct type_record *a = &(*(struct type_entry *const *)left)->record;
    const struct type_record *b = &(*(struct type_entry *const *)right)->record;
    return compare_names(a->keyspace, a->name, b->keyspace, b->name);
}
static int compare_tables(const void *left, const void *right)
{
    const struct table_record *a = &(*(struct table_entry *const *)left)->record;
    const struct table_record *b = &(*(struct table_entry *const *)right)->record;
    return compare_names(a->keyspace, a->name, b->keyspace, b->name);
}

static void **sorted(const struct map *map, struct arena *arena, size_t *ret_count,
                     int (*compare)(const void *, const void *))
{
    void **list = arena_array(arena, map->count + 1, sizeof(*list));
    size_t count = 0;
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(map, &i));)
        list[count++] = e->value;
    qsort(list, count, sizeof(*list), compare);
    *ret_count = count;
    return list;
}

struct keyspace_entry **catalog_keyspaces(const struct cql_catalog *catalog, struct arena *arena,
                                          size_t *ret_count)
{
    return (struct keyspace_entry **)sorted(&catalog->keyspaces, arena, ret_count,
                                            compare_keyspaces);
}
struct type_entry **catalog_types(const struct cql_catalog *catalog, struct arena *arena,
                                  size_t *ret_count)
{
    return (struct type_entry **)sorted(&catalog->types, arena, ret_count, compare_types);
}
struct table_entry **catalog_tables(const struct cql_catalog *catalog, struct arena *arena,
                                    size_t *ret_count)
{
    return (struct table_entry **)sorted(&catalog->tables, arena, ret_count, compare_tables);
}
