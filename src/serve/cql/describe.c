/* SPDX-License-Identifier: MIT */
/*
 * DESCRIBE: lists of names, or elements with the statements that make them. All rows are made at
 * once; who pages cuts them.
 */
#include "serve/cql/describe.h"
#include "serve/cql/lex.h"

#include "base/check.h"

#include <stdlib.h>

struct describe {
    struct cql_catalog *catalog;
    struct str session_keyspace;
    const struct cql_describe *st;
    struct arena *arena;
    struct cql_error *error;
    struct cql_described *out;
    size_t room;
};

#define FAIL(d, ...) cql_fail((d)->error, (d)->arena, CQL_INVALID, __VA_ARGS__)

/* ---- rows ---- */

static struct str name_text(struct describe *d, struct str name)
{
    CLEAN(buf_deinit) struct buf out = {0};
    cql_identifier_print(name, &out);
    return arena_str(d->arena, buf_str(&out));
}

/* text ptr NULL: a row of a list. */
static void add_row(struct describe *d, struct str keyspace, const char *kind, struct str name,
                    struct str text)
{
    struct cql_described *out = d->out;
    if (out->row_count == d->room) {
        size_t room = d->room ? d->room * 2 : 16;
        struct str **rows = arena_array(d->arena, room, sizeof(*rows));
        if (out->row_count)
            memcpy(rows, out->rows, out->row_count * sizeof(*rows));
        out->rows = rows;
        d->room = room;
    }
    struct str *row = arena_array(d->arena, 4, sizeof(*row));
    row[0] = name_text(d, keyspace);
    row[1] = str_of(kind);
    row[2] = name_text(d, name);
    row[3] = text.ptr ? arena_str(d->arena, text) : STR_NONE;
    out->rows[out->row_count++] = row;
}

static void set_columns(struct describe *d, bool elements)
{
    static const struct str names[] = {
        {"keyspace_name", 13}, {"type", 4}, {"name", 4}, {"create_statement", 16}};
    struct cql_column *columns = arena_array(d->arena, 4, sizeof(*columns));
    for (int i = 0; i < 4; i++)
        columns[i] =
            (struct cql_column){STR("system"), STR("describe"), names[i], cql_simple(CQL_TEXT)};
    d->out->columns = columns;
    d->out->column_count = elements ? 4 : 3;
}

/* Names in the order of Cassandra: case does not count. */
static int compare_names(struct str a, struct str b)
{
    for (size_t i = 0; i < a.bytes && i < b.bytes; i++) {
        int x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        x = x >= 'A' && x <= 'Z' ? x + 32 : x;
        y = y >= 'A' && y <= 'Z' ? y + 32 : y;
        if (x != y)
            return x - y;
    }
    return a.bytes < b.bytes ? -1 : a.bytes > b.bytes;
}

static int compare_keyspaces(const void *a, const void *b)
{
    return compare_names((*(const struct cql_keyspace *const *)a)->name,
                         (*(const struct cql_keyspace *const *)b)->name);
}
static int compare_tables(const void *a, const void *b)
{
    return compare_names((*(const struct cql_table *const *)a)->name,
                         (*(const struct cql_table *const *)b)->name);
}
static int compare_indexes(const void *a, const void *b)
{
    return compare_names((*(const struct cql_index *const *)a)->name,
                         (*(const struct cql_index *const *)b)->name);
}

/* ---- what there is ---- */

static const struct cql_keyspace **all_keyspaces(struct describe *d, size_t *ret_count)
{
    size_t own, system;
    struct keyspace_entry **entries = catalog_keyspaces(d->catalog, d->arena, &own);
    const struct system_keyspace *names = system_keyspaces(&system);
    const struct cql_keyspace **list = arena_array(d->arena, own + system + 1, sizeof(*list));
    for (size_t i = 0; i < own; i++)
        list[i] = &entries[i]->keyspace;
    for (size_t i = 0; i < system; i++)
        list[own + i] = system_keyspace_find(d->catalog, str_of(names[i].name));
    qsort(list, own + system, sizeof(*list), compare_keyspaces);
    *ret_count = own + system;
    return list;
}

static const struct cql_keyspace *find_keyspace(struct describe *d, struct str name)
{
    const struct cql_keyspace *system = system_keyspace_find(d->catalog, name);
    struct keyspace_entry *entry = system ? NULL : keyspace_entry_find(d->catalog, name);
    return system ? system : entry ? &entry->keyspace : NULL;
}

static const struct cql_table **tables_of(struct describe *d, struct str keyspace,
                                          size_t *ret_count)
{
    struct cql_catalog *catalog = d->catalog;
    size_t count, n = 0;
    struct table_entry **entries = catalog_tables(catalog, d->arena, &count);
    const struct cql_table **list =
        arena_array(d->arena, count + catalog->system_table_count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++)
        if (str_equal(entries[i]->record.keyspace, keyspace))
            list[n++] = table_entry_snapshot(catalog, entries[i]);
    for (size_t i = 0; i < catalog->system_table_count; i++)
        if (str_equal(catalog->system_tables[i]->keyspace, keyspace))
            list[n++] = catalog->system_tables[i];
    qsort(list, n, sizeof(*list), compare_tables);
    *ret_count = n;
    return list;
}

static const struct cql_table *find_table(struct describe *d, struct str keyspace, struct str name)
{
    const struct cql_table *system = system_table_find(d->catalog, keyspace, name);
    struct table_entry *entry = system ? NULL : table_entry_find(d->catalog, keyspace, name);
    return entry ? table_entry_snapshot(d->catalog, entry) : system;
}

/* ---- elements ---- */

static void put_keyspace(struct describe *d, const struct cql_keyspace *keyspace)
{
    CLEAN(buf_deinit) struct buf out = {0};
    describe_keyspace(keyspace, &out);
    add_row(d, keyspace->name, "keyspace", keyspace->name, buf_str(&out));
}

static void put_type(struct describe *d, const struct type_record *type)
{
    CLEAN(buf_deinit) struct buf out = {0};
    describe_type(type, &out);
    add_row(d, type->keyspace, "type", type->name, buf_str(&out));
}

static void put_index(struct describe *d, const struct cql_table *table,
                      const struct cql_index *index)
{
    CLEAN(buf_deinit) struct buf out = {0};
    describe_index(table, index, &out);
    add_row(d, table->keyspace, "index", index->name, buf_str(&out));
}

static void put_table(struct describe *d, const struct cql_table *table)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct table_entry *entry = table_entry_find(d->catalog, table->keyspace, table->name);
    describe_table(table, entry ? &entry->record : NULL, d->st->internals, d->arena, &out);
    add_row(d, table->keyspace, "table", table->name, buf_str(&out));
    const struct cql_index **list = arena_array(d->arena, table->index_count + 1, sizeof(*list));
    for (size_t i = 0; i < table->index_count; i++)
        list[i] = &table->indexes[i];
    qsort(list, table->index_count, sizeof(*list), compare_indexes);
    for (size_t i = 0; i < table->index_count; i++)
        put_index(d, table, list[i]);
}

/* Each type behind those that it uses, else by name. */
struct type_entry **catalog_types_ordered(const struct cql_catalog *catalog, struct str keyspace,
                                          struct arena *arena, size_t *ret_count)
{
    size_t all, count = 0, n = 0;
    struct type_entry **types = catalog_types(catalog, arena, &all);
    struct type_entry **list = arena_array(arena, all + 1, sizeof(*list));
    for (size_t i = 0; i < all; i++)
        if (str_equal(types[i]->record.keyspace, keyspace))
            types[count++] = types[i];
    bool *done = arena_zero(arena, count + 1);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            bool ready = !done[i];
            for (size_t k = 0; ready && k < count; k++)
                for (uint32_t f = 0; ready && types[i]->type && f < types[i]->type->count; f++)
                    ready =
                        done[k] || k == i ||
                        !cql_type_uses(types[i]->type->items[f], keyspace, types[k]->record.name);
            if (!ready)
                continue;
            done[i] = more = true;
            list[n++] = types[i];
        }
    }
    *ret_count = n;
    return list;
}

static void put_keyspace_whole(struct describe *d, const struct cql_keyspace *keyspace)
{
    size_t count;
    put_keyspace(d, keyspace);
    if (d->st->only)
        return;
    struct type_entry **types = catalog_types_ordered(d->catalog, keyspace->name, d->arena, &count);
    for (size_t i = 0; i < count; i++)
        put_type(d, &types[i]->record);
    const struct cql_table **tables = tables_of(d, keyspace->name, &count);
    for (size_t i = 0; i < count; i++)
        put_table(d, tables[i]);
}

/* ---- forms ---- */

/* Keyspaces that a list is of: the session's, or all. */
static enum err list_keyspaces(struct describe *d, const struct cql_keyspace ***ret_list,
                               size_t *ret_count)
{
    if (!d->session_keyspace.bytes) {
        *ret_list = all_keyspaces(d, ret_count);
        return OK;
    }
    const struct cql_keyspace *keyspace = find_keyspace(d, d->session_keyspace);
    if (!keyspace)
        return FAIL(d, "'%.*s' not found in keyspaces", STR_ARG(d->session_keyspace));
    *ret_list = arena_array(d->arena, 1, sizeof(**ret_list));
    (*ret_list)[0] = keyspace;
    *ret_count = 1;
    return OK;
}

static enum err describe_list(struct describe *d)
{
    const struct cql_keyspace **list = NULL;
    size_t count = 0, inner;
    set_columns(d, false);
    if (d->st->kind == DESCRIBE_KEYSPACES)
        list = all_keyspaces(d, &count);
    else
        TRY(list_keyspaces(d, &list, &count));
    for (size_t i = 0; i < count; i++) {
        struct str name = list[i]->name;
        if (d->st->kind == DESCRIBE_KEYSPACES)
            add_row(d, name, "keyspace", name, STR_NONE);
        if (d->st->kind == DESCRIBE_TABLES) {
            const struct cql_table **tables = tables_of(d, name, &inner);
            for (size_t k = 0; k < inner; k++)
                add_row(d, name, "table", tables[k]->name, STR_NONE);
        }
        if (d->st->kind == DESCRIBE_TYPES) {
            struct type_entry **types = catalog_types(d->catalog, d->arena, &inner);
            for (size_t k = 0; k < inner; k++)
                if (str_equal(types[k]->record.keyspace, name))
                    add_row(d, name, "type", types[k]->record.name, STR_NONE);
        }
    }
    return OK;
}

static enum err describe_schema(struct describe *d)
{
    size_t count;
    const struct cql_keyspace **list = all_keyspaces(d, &count);
    set_columns(d, true);
    for (size_t i = 0; i < count; i++)
        if (d->st->full || !list[i]->system)
            put_keyspace_whole(d, list[i]);
    return OK;
}

static enum err describe_cluster(struct describe *d)
{
    static const struct str names[] = {{"cluster", 7}, {"partitioner", 11}, {"snitch", 6}};
    struct cql_column *columns = arena_array(d->arena, 4, sizeof(*columns));
    for (int i = 0; i < 3; i++)
        columns[i] =
            (struct cql_column){STR("system"), STR("describe"), names[i], cql_simple(CQL_TEXT)};
    struct str *row = arena_array(d->arena, 4, sizeof(*row));
    row[0] = d->catalog->node.cluster_name;
    row[1] = STR("Murmur3Partitioner");
    row[2] = STR("DynamicEndpointSnitch");
    d->out->columns = columns;
    d->out->column_count = 3;
    if (d->session_keyspace.bytes && !catalog_is_system(d->session_keyspace)) {
        /* The ring of the session's keyspace: one range, and who has it. */
        const struct cql_type *text = cql_simple(CQL_TEXT);
        columns[3] =
            (struct cql_column){STR("system"), STR("describe"), STR("range_ownership"),
                                cql_map(d->arena, text, cql_list(d->arena, text, true), false)};
        d->out->column_count = 4;
        CLEAN(buf_deinit) struct buf map = {0};
        CLEAN(buf_deinit) struct buf owners = {0};
        struct str token = STR("-9223372036854775808");
        const char *named = arena_printf(d->arena, "/%.*s:7000", STR_ARG(d->catalog->node.address));
        struct str address = str_of(named);
        buf_be32(&owners, 1);
        buf_be32(&owners, (uint32_t)address.bytes);
        buf_str_append(&owners, address);
        buf_be32(&map, 1);
        buf_be32(&map, (uint32_t)token.bytes);
        buf_str_append(&map, token);
        buf_be32(&map, (uint32_t)owners.bytes);
        buf_str_append(&map, buf_str(&owners));
        row[3] = arena_str(d->arena, buf_str(&map));
    }
    d->out->rows = arena_array(d->arena, 1, sizeof(*d->out->rows));
    d->out->rows[0] = row;
    d->out->row_count = 1;
    return OK;
}

static enum err put_index_named(struct describe *d, struct str keyspace, struct str name,
                                bool *ret_found)
{
    size_t count;
    const struct cql_table **tables = tables_of(d, keyspace, &count);
    *ret_found = false;
    for (size_t i = 0; i < count && !*ret_found; i++)
        for (size_t k = 0; k < tables[i]->index_count && !*ret_found; k++)
            if (str_equal(tables[i]->indexes[k].name, name)) {
                put_index(d, tables[i], &tables[i]->indexes[k]);
                *ret_found = true;
            }
    return OK;
}

static enum err describe_one(struct describe *d, const struct cql_keyspace *keyspace)
{
    struct str name = d->st->name.name, in = keyspace->name;
    const struct cql_table *table = NULL;
    const struct type_entry *type = NULL;
    bool found = false;
    switch (d->st->kind) {
    case DESCRIBE_TABLE:
        table = find_table(d, in, name);
        if (!table)
            return FAIL(d, "Table '%.*s' not found in keyspace '%.*s'", STR_ARG(name), STR_ARG(in));
        put_table(d, table);
        return OK;
    case DESCRIBE_TYPE:
        type = type_entry_find(d->catalog, in, name);
        if (!type)
            return FAIL(d, "User defined type '%.*s' not found in '%.*s'", STR_ARG(name),
                        STR_ARG(in));
        put_type(d, &type->record);
        return OK;
    case DESCRIBE_INDEX:
        TRY(put_index_named(d, in, name, &found));
        return found ? OK
                     : FAIL(d, "Table for existing index '%.*s' not found in '%.*s'", STR_ARG(name),
                            STR_ARG(in));
    case DESCRIBE_FUNCTION:
        return FAIL(d, "User defined function '%.*s' not found in '%.*s'", STR_ARG(name),
                    STR_ARG(in));
    case DESCRIBE_AGGREGATE:
        return FAIL(d, "User defined aggregate '%.*s' not found in '%.*s'", STR_ARG(name),
                    STR_ARG(in));
    default:
        return FAIL(d, "Materialized view '%.*s' not found in '%.*s'", STR_ARG(name), STR_ARG(in));
    }
}

/* A bare name: a keyspace, a table, or an index, in this order. */
static enum err describe_any(struct describe *d)
{
    const struct cql_name *name = &d->st->name;
    const struct cql_keyspace *keyspace = name->keyspace.ptr ? NULL : find_keyspace(d, name->name);
    if (keyspace) {
        put_keyspace_whole(d, keyspace);
        return OK;
    }
    struct str in = name->keyspace.ptr          ? name->keyspace
                    : d->session_keyspace.bytes ? d->session_keyspace
                                                : name->name;
    keyspace = find_keyspace(d, in);
    if (!keyspace)
        return FAIL(d, "'%.*s' not found in keyspaces", STR_ARG(in));
    const struct cql_table *table = find_table(d, in, name->name);
    if (table) {
        put_table(d, table);
        return OK;
    }
    bool found = false;
    TRY(put_index_named(d, in, name->name, &found));
    return found ? OK
                 : FAIL(d, "'%.*s' not found in keyspace '%.*s'", STR_ARG(name->name), STR_ARG(in));
}

static enum err describe_elements(struct describe *d)
{
    bool whole = d->st->kind == DESCRIBE_KEYSPACE;
    set_columns(d, true);
    if (d->st->kind == DESCRIBE_ANY)
        return describe_any(d);
    struct str in = whole ? d->st->name.name : d->st->name.keyspace;
    in = in.ptr ? in : d->session_keyspace;
    if (!in.bytes)
        return FAIL(d, "No keyspace specified and no current keyspace");
    const struct cql_keyspace *keyspace = find_keyspace(d, in);
    if (!keyspace)
        return FAIL(d, "'%.*s' not found in keyspaces", STR_ARG(in));
    if (!whole)
        return describe_one(d, keyspace);
    put_keyspace_whole(d, keyspace);
    return OK;
}

enum err cql_catalog_describe(struct cql_catalog *catalog, struct str session_keyspace,
                              const struct cql_describe *describe, struct arena *arena,
                              struct cql_error *error, struct cql_described *ret)
{
    struct cql_described out = {.row_count = 0};
    struct describe d = {catalog, session_keyspace, describe, arena, error, &out, 0};
    CATALOG_GUARD(catalog);
    catalog_refresh(catalog);
    switch (describe->kind) {
    case DESCRIBE_KEYSPACES:
    case DESCRIBE_TABLES:
    case DESCRIBE_TYPES:
    case DESCRIBE_FUNCTIONS:
    case DESCRIBE_AGGREGATES:
        TRY(describe_list(&d));
        break;
    case DESCRIBE_SCHEMA:
        TRY(describe_schema(&d));
        break;
    case DESCRIBE_CLUSTER:
        TRY(describe_cluster(&d));
        break;
    default:
        TRY(describe_elements(&d));
    }
    *ret = out;
    return OK;
}
