/* SPDX-License-Identifier: MIT */
/*
 * Entries of indexes (index.h): their bytes, and building them over rows that are there.
 *
 * Building reads one snapshot of the table while others write: what they write they index
 * themselves, since an index is maintained from the moment its record is there, so nothing is
 * missed. An entry that is written twice is one.
 */
#include "serve/cql/index.h"

#include "base/check.h"

enum { BUILD_BATCH_BYTES = 1 << 20 };

/* ---- bytes ---- */

void index_partition_pack(const struct str *values, uint32_t count, struct buf *out)
{
    if (count == 1) {
        buf_str_append(out, values[0]);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        buf_be16(out, (uint16_t)values[i].bytes);
        buf_str_append(out, values[i]);
        buf_u8(out, 0);
    }
}

enum err index_partition_unpack(struct str packed, struct str *values, uint32_t count)
{
    if (count == 1) {
        values[0] = packed;
        return OK;
    }
    struct reader r = reader_of(packed.ptr, packed.bytes);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = reader_str(&r, reader_be16(&r));
        if (reader_u8(&r) != 0)
            return ERR_CORRUPT;
    }
    return r.err || r.left ? ERR_CORRUPT : OK;
}

void index_value(struct str value, struct buf *out)
{
    buf_u8(out, 1);
    buf_str_append(out, value);
}

void index_value_of_entry(struct str key, struct str value, struct buf *out)
{
    buf_u8(out, 1);
    buf_be32(out, (uint32_t)key.bytes);
    buf_str_append(out, key);
    buf_be32(out, (uint32_t)value.bytes);
    buf_str_append(out, value);
}

enum err index_key_of_row(const struct table_row *row, struct index_key *ret_key)
{
    if (!row->clustering || row->clustering[0].bytes != 8)
        return ERR_CORRUPT;
    *ret_key = (struct index_key){.value = row->partition[0],
                                  .token = (int64_t)get_be64(row->clustering[0].ptr),
                                  .partition = row->clustering[1],
                                  .clustering = row->clustering[2],
                                  .timestamp_us = row->marker_timestamp_us};
    return OK;
}

/* ---- the values of a row ---- */

/* What an index keeps of one cell: false when nothing. */
static bool value_of(const struct cql_table_column *column, const struct cql_index *index,
                     struct str path, struct str value, struct buf *out)
{
    buf_reset(out);
    bool keys = str_equal(index->target, STR("keys"));
    bool entries = str_equal(index->target, STR("entries"));
    bool cells = cql_type_is_multicell(column->type);
    if (cells && !path.ptr)
        return false;
    if (cells && entries) {
        index_value_of_entry(path, value, out);
        return true;
    }
    struct str indexed = cells && (keys || column->type->kind == CQL_SET) ? path : value;
    if (!indexed.ptr)
        return false;
    index_value(indexed, out);
    return true;
}

bool index_value_is_too_long(struct str value)
{
    return value.bytes - 1 >= INDEX_VALUE_BYTES_MAX; /* without the mark in front */
}

bool index_is_of_vectors(const struct cql_table_column *column, const struct cql_index *index)
{
    return column->type->kind == CQL_VECTOR && index->custom_class.ptr;
}

bool index_value_of_cell(const struct cql_table *table, const struct cql_index *index,
                         const struct table_cell *cell, struct buf *out)
{
    const struct cql_table_column *column = cql_column_find(table, index->column);
    if (!column || column->kind <= CQL_CLUSTERING || column->index != cell->column ||
        index_is_of_vectors(column, index) || !cell->value.ptr || cell->element_deleted)
        return false;
    return value_of(column, index, cell->path, cell->value, out);
}

/* The elements of a collection that is one cell: frozen ones have "full" only, but an index with
 * its own class may stand on one without a target. */
enum err index_values_of_row(const struct cql_table *table, const struct cql_index *index,
                             const struct table_row *row,
                             enum err (*found)(void *owner, struct str value), void *owner)
{
    const struct cql_table_column *column = cql_column_find(table, index->column);
    if (!column || index_is_of_vectors(column, index))
        return OK;
    CLEAN(buf_deinit) struct buf value = {0};
    if (column->kind <= CQL_CLUSTERING) {
        const struct str *keys = column->kind == CQL_CLUSTERING ? row->clustering : row->partition;
        if (!keys)
            return OK;
        index_value(keys[column->position], &value);
        return found(owner, buf_str(&value));
    }
    bool is_static = column->kind == CQL_STATIC;
    const struct table_found *cells = is_static ? row->statics : row->cells;
    uint32_t count = is_static ? row->static_count : row->cell_count;
    for (uint32_t i = 0; i < count; i++)
        if (cells[i].column == column->index &&
            value_of(column, index, cells[i].path, cells[i].value, &value))
            TRY(found(owner, buf_str(&value)));
    return OK;
}

/* ---- entries ---- */

static enum err write_entry(struct table_batch *batch, const struct cql_index *index,
                            const struct index_key *entry, int64_t timestamp_us, bool remove)
{
    CLEAN(buf_deinit) struct buf token = {0};
    buf_be64(&token, (uint64_t)entry->token);
    const struct str clustering[] = {buf_str(&token), entry->partition, entry->clustering};
    struct table_key key = {&entry->value, clustering, 3};
    if (remove)
        return table_batch_delete_row(batch, index->entries, &key, timestamp_us);
    struct table_row_write write = {
        .key = key, .marker = true, .marker_timestamp_us = timestamp_us};
    return table_batch_cells(batch, index->entries, &write);
}

enum err index_entry_add(struct table_batch *batch, const struct cql_table *table,
                         const struct cql_index *index, struct str value, int64_t token,
                         const struct str *partition, const struct str *clustering,
                         int64_t timestamp_us)
{
    CLEAN(buf_deinit) struct buf p = {0};
    CLEAN(buf_deinit) struct buf c = {0};
    index_partition_pack(partition, table->partition_count, &p);
    if (clustering && table->clustering_count)
        TRY(table_clustering_pack(table->table, clustering, table->clustering_count, &c));
    /* Of a static row: empty, which is not null. */
    struct index_key key = {value, token, buf_str(&p), c.bytes ? buf_str(&c) : STR(""), 0};
    return write_entry(batch, index, &key, timestamp_us, false);
}

enum err index_entry_remove(struct table_batch *batch, const struct cql_index *index,
                            const struct index_key *key, int64_t timestamp_us)
{
    return write_entry(batch, index, key, timestamp_us, true);
}

/* The name of its last column tells how old it is: before, clustering keys were not in order. */
#define ENTRY_PLACE STR("place")

bool index_table_is_current(const struct table *table)
{
    const struct table_definition *definition = table_definition(table);
    return str_equal(definition->columns[definition->column_count - 1].name, ENTRY_PLACE);
}

enum err index_table_make(struct table_store *store, struct str name, struct diag *diag,
                          struct table **ret_table)
{
    const struct type *bytes = type_simple(TYPE_BINARY);
    const struct table_column columns[] = {
        {STR("value"), bytes, STR("blob"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("token"), type_simple(TYPE_BIGINT), STR("bigint"), TABLE_CLUSTERING_ASC,
         TABLE_ONE_CELL},
        {STR("partition"), bytes, STR("blob"), TABLE_CLUSTERING_ASC, TABLE_ONE_CELL},
        {ENTRY_PLACE, bytes, STR("blob"), TABLE_CLUSTERING_ASC, TABLE_ONE_CELL},
    };
    struct table_definition definition = {
        .keyspace = STR("cql/index"), .name = name, .columns = columns, .column_count = 4};
    const struct table *there = table_find(store, definition.keyspace, name);
    if (there && !index_table_is_current(there))
        TRY(table_drop(store, definition.keyspace, name));
    return table_create(store, &definition, diag, ret_table);
}

/* ---- building ---- */

struct build {
    struct table_batch *batch;
    const struct cql_table *table;
    const struct cql_index *index;
    const struct table_row *row;
    bool is_static;
};

static enum err build_entry(void *owner, struct str value)
{
    struct build *build = owner;
    const struct table_row *row = build->row;
    bool bare = build->is_static || !row->clustering;
    if (index_value_is_too_long(value))
        return OK;
    /* The oldest time there is: a later removal of the entry counts. */
    return index_entry_add(build->batch, build->table, build->index, value, row->token,
                           row->partition, bare ? NULL : row->clustering, 1);
}

static enum err build_rows(struct table_store *store, struct build *build, struct table_read *read)
{
    const struct cql_table_column *column = cql_column_find(build->table, build->index->column);
    build->is_static = column && column->kind == CQL_STATIC;
    for (;;) {
        TRY(table_read_next(read, &build->row));
        if (!build->row)
            return table_commit(store, build->batch, true);
        if (build->is_static && !build->row->partition_begins)
            continue;
        TRY(index_values_of_row(build->table, build->index, build->row, build_entry, build));
        if (table_batch_bytes(build->batch) < BUILD_BATCH_BYTES)
            continue;
        TRY(table_commit(store, build->batch, false));
        table_batch_reset(build->batch);
    }
}

enum err index_build(struct table_store *store, const struct cql_table *table,
                     const struct cql_index *index)
{
    struct table_read_options options = {
        .token_from = INT64_MIN, .token_to = INT64_MAX, .statics_alone = true};
    struct table_read *read = NULL;
    if (!index->entries || !table->table)
        return OK;
    TRY(table_read_open(table->table, &options, &read));
    struct build build = {table_batch_new(store), table, index, NULL, false};
    enum err err = build_rows(store, &build, read);
    table_batch_free(build.batch);
    table_read_close(read);
    return err;
}
