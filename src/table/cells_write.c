/* SPDX-License-Identifier: MIT */
/*
 * Writing through cells.h: one row with its cells, from CQL bytes, into a merge operand. The way of
 * an INSERT of a few simple columns is short: key and row are put together in the batch's own
 * scratch, the cells are taken in the order in which they come when that rises, which it does when
 * a plan gives them by column.
 *
 * Invariants
 * 1. A call that fails leaves the batch as it was.
 * 2. What is written is a valid row (cell.c): cells rise by (id, path), each once; of two that name
 *    the same place the one stands that would have won as two writes.
 */
#include "base/endian.h"
#include "base/mem.h"
#include "table/batch.h"
#include "table/cells.h"
#include "table/range.h"

/* ---- keys ---- */

static enum err check_table(const struct table *table)
{
    if (table_is_dropped(table))
        return ERR_NOT_FOUND;
    return table_shape(table)->definition.append_only ? ERR_UNSUPPORTED : OK;
}

/* Prefix, token and partition in batch->key. */
static enum err begin_partition(struct table_batch *batch, const struct table *table,
                                const struct str *partition)
{
    batch_begin_key(batch, table);
    return key_put_partition_values(table_shape(table), partition, &batch->scratch, &batch->key);
}

static enum err put_row_key(struct table_batch *batch, const struct table *table,
                            const struct table_key *key, bool of_static)
{
    const struct shape *shape = table_shape(table);
    TRY(begin_partition(batch, table, key->partition));
    buf_u8(&batch->key, of_static ? KEY_STATIC_ROW : KEY_REGULAR_ROW);
    if (of_static)
        return buf_error(&batch->key);
    if (key->clustering_count != shape->clustering_count)
        return ERR_INVALID;
    return key_put_clustering_values(shape, key->clustering, key->clustering_count, &batch->scratch,
                                     &batch->key);
}

/* ---- cells ---- */

struct row_plan {
    struct table_batch *batch;
    const struct shape *shape;
    const struct table_row_write *write;
    int64_t now_s; /* 0 = not asked yet */
};

static int64_t now_s(struct row_plan *plan)
{
    if (!plan->now_s)
        plan->now_s = store_now_us(plan->batch->store) / 1000000;
    return plan->now_s;
}

static enum err set_expiry(struct row_plan *plan, struct cell *cell, int64_t ttl_s,
                           int64_t expires_s)
{
    if (ttl_s <= 0)
        return OK;
    if (ttl_s > TABLE_TTL_MAX_S)
        return ERR_INVALID;
    cell->kind = CELL_EXPIRING;
    cell->ttl_s = ttl_s;
    cell->time_s = expires_s ? expires_s : now_s(plan) + ttl_s;
    return OK;
}

/* Values that we keep in other bytes live in the batch's arena until the row is written. */
static enum err convert(struct row_plan *plan, const struct encoding *encoding, struct str *value)
{
    struct buf *scratch = &plan->batch->scratch;
    buf_reset(scratch);
    TRY(encoding_from_cql(encoding, *value, scratch));
    *value = arena_str(&plan->batch->arena, buf_str(scratch));
    return OK;
}

static enum err plan_cell(struct row_plan *plan, const struct table_cell *from)
{
    const struct shape *shape = plan->shape;
    if (from->column >= shape->definition.column_count || !shape->ids[from->column])
        return ERR_INVALID;
    const struct table_column *column = &shape->definition.columns[from->column];
    const struct encoding *encoding = &shape->encodings[from->column];
    bool many = column->cells == TABLE_MANY_CELLS;
    struct cell cell = {.id = shape->ids[from->column],
                        .timestamp_us = from->timestamp_us,
                        .value = from->value,
                        .path = from->path};
    if (!many && from->path.ptr)
        return ERR_INVALID;
    if (many && !from->path.ptr && from->value.ptr)
        return ERR_INVALID;
    bool dead = from->path.ptr ? from->element_deleted || (!from->value.ptr && !encoding->is_set)
                               : !from->value.ptr;
    if (dead) {
        cell.kind = CELL_TOMBSTONE;
        cell.time_s = now_s(plan);
        cell.value = STR_NONE;
    } else {
        TRY(set_expiry(plan, &cell, from->ttl_s, from->expires_s));
        if (encoding->foreign && !many)
            TRY(convert(plan, encoding, &cell.value));
    }
    batch_cells_add(plan->batch, &cell);
    return OK;
}

static enum err plan_cells(struct row_plan *plan)
{
    const struct table_row_write *write = plan->write;
    struct table_batch *batch = plan->batch;
    batch_cells_begin(batch, write->cell_count + 1u);
    if (write->marker) {
        struct cell cell = {.id = CELL_MARKER, .timestamp_us = write->marker_timestamp_us};
        TRY(set_expiry(plan, &cell, write->marker_ttl_s, write->marker_expires_s));
        batch_cells_add(plan->batch, &cell);
    }
    for (uint32_t i = 0; i < write->cell_count; i++)
        TRY(plan_cell(plan, &write->cells[i]));
    return OK;
}

/* Whether the cells are of the static row; one row has either kind. */
static enum err find_kind(const struct shape *shape, const struct table_row_write *write,
                          bool *ret_static)
{
    size_t count = shape->definition.column_count, statics = 0;
    for (uint32_t i = 0; i < write->cell_count && shape->has_static; i++)
        statics += write->cells[i].column < count &&
                   shape->definition.columns[write->cells[i].column].role == TABLE_STATIC;
    if (statics && (statics != write->cell_count || write->marker))
        return ERR_INVALID;
    *ret_static = statics != 0;
    return OK;
}

enum err table_batch_cells(struct table_batch *batch, struct table *table,
                           const struct table_row_write *write)
{
    TRY(check_table(table));
    struct row_plan plan = {.batch = batch, .shape = table_shape(table), .write = write};
    bool of_static;
    TRY(find_kind(plan.shape, write, &of_static));
    enum err err = put_row_key(batch, table, &write->key, of_static);
    if (!err)
        err = plan_cells(&plan);
    if (!err && batch->cell_count) {
        buf_reset(&batch->row);
        batch_cells_write(batch, &batch->row);
        err = buf_error(&batch->row);
    }
    if (!err && batch->cell_count) {
        ops_add(&batch->ops, OP_MERGE, buf_str(&batch->key), buf_str(&batch->row));
        err = buf_error(&batch->ops);
    }
    if (batch->arena.bytes_used)
        arena_reset(&batch->arena);
    return err;
}

/* ---- deletions ---- */

/* The record of a deletion under batch->key. */
static enum err add_deletion(struct table_batch *batch, int64_t timestamp_us, bool of_partition)
{
    struct row_base base = {.timestamp_us = timestamp_us};
    struct deletion deletion = {timestamp_us, store_now_us(batch->store) / 1000000, of_partition};
    buf_reset(&batch->row);
    row_begin(&batch->row, &base, false, &deletion);
    ops_add(&batch->ops, OP_MERGE, buf_str(&batch->key), buf_str(&batch->row));
    return buf_error(&batch->ops);
}

enum err table_batch_delete_row(struct table_batch *batch, struct table *table,
                                const struct table_key *key, int64_t timestamp_us)
{
    TRY(check_table(table));
    const struct shape *shape = table_shape(table);
    if (timestamp_us == INT64_MIN)
        return ERR_INVALID;
    bool of_static = shape->clustering_count && !key->clustering_count;
    if (of_static && !shape->has_static)
        return ERR_INVALID;
    TRY(put_row_key(batch, table, key, of_static));
    return add_deletion(batch, timestamp_us, false);
}

enum err table_batch_delete_partition(struct table_batch *batch, struct table *table,
                                      const struct str *partition, int64_t timestamp_us)
{
    TRY(check_table(table));
    if (timestamp_us == INT64_MIN)
        return ERR_INVALID;
    bool has_rows = table_shape(table)->clustering_count;
    TRY(begin_partition(batch, table, partition));
    buf_u8(&batch->key, has_rows ? KEY_PARTITION_DELETION : KEY_REGULAR_ROW);
    if (has_rows)
        batch_note_head(batch, table);
    return add_deletion(batch, timestamp_us, has_rows);
}

/* Appends where a bound stands among the rows. *ret_edge: at the partition's edge, or behind all
 * that there can be. */
static enum err put_bound(const struct shape *shape, const struct table_bound *bound, bool is_to,
                          struct buf *scratch, struct buf *out, bool *ret_edge)
{
    *ret_edge = !bound->count;
    if (bound->count > shape->clustering_count)
        return ERR_INVALID;
    size_t at = out->bytes;
    TRY(key_put_clustering_values(shape, bound->values, bound->count, scratch, out));
    if (bound->count && bound->inclusive == is_to)
        *ret_edge = !key_after_prefix(out, at);
    return buf_error(out);
}

enum err key_put_slice(const struct shape *shape, const struct table_bound *from,
                       const struct table_bound *to, struct buf *scratch, struct buf *out,
                       struct range *ret_range, bool *ret_empty)
{
    bool from_edge, to_edge;
    size_t at = out->bytes;
    TRY(put_bound(shape, from, false, scratch, out, &from_edge));
    size_t middle = out->bytes;
    TRY(put_bound(shape, to, true, scratch, out, &to_edge));
    struct str all = buf_str(out);
    *ret_range = (struct range){.from = str_slice(all, at, middle),
                                .to = str_slice(all, middle, all.bytes),
                                .without_end = to_edge};
    *ret_empty = (from_edge && from->count) ||
                 (!to_edge && str_compare(ret_range->from, ret_range->to) >= 0);
    return OK;
}

enum err table_batch_delete_range(struct table_batch *batch, struct table *table,
                                  const struct str *partition, const struct table_bound *from,
                                  const struct table_bound *to, int64_t timestamp_us)
{
    TRY(check_table(table));
    const struct shape *shape = table_shape(table);
    struct range range;
    bool empty;
    if (timestamp_us == INT64_MIN || !shape->clustering_count)
        return ERR_INVALID;
    TRY(begin_partition(batch, table, partition));
    buf_u8(&batch->key, KEY_PARTITION_DELETION);
    buf_reset(&batch->keys);
    TRY(key_put_slice(shape, from, to, &batch->scratch, &batch->keys, &range, &empty));
    if (empty)
        return OK;
    struct buf path = {0};
    range_put(&range, &path);
    struct cell cell = {.id = CELL_RANGE,
                        .kind = CELL_TOMBSTONE,
                        .timestamp_us = timestamp_us,
                        .time_s = store_now_us(batch->store) / 1000000,
                        .path = buf_str(&path)};
    struct row_base base = {.timestamp_us = timestamp_us, .time_s = cell.time_s};
    buf_reset(&batch->row);
    struct deletion none = {.timestamp_us = INT64_MIN, .of_partition = true};
    row_begin_paths(&batch->row, &base, true, &none);
    row_add_path(&batch->row, &base, &cell);
    buf_deinit(&path);
    batch_note_head(batch, table);
    ops_add(&batch->ops, OP_MERGE, buf_str(&batch->key), buf_str(&batch->row));
    return buf_error(&batch->ops);
}

void table_batch_merge(struct table_batch *batch, const struct table_batch *other)
{
    ops_append(&batch->ops, buf_str(&other->ops));
}

int64_t table_token(const struct table *table, const struct str *partition_values)
{
    const struct shape *shape = table_shape(table);
    struct buf routing = {0};
    int64_t token = 0;
    if (shape->definition.append_only)
        return hash_token(partition_values[0].ptr, partition_values[0].bytes);
    /* No row has an empty key; its token is the smallest one, as in Cassandra. */
    if (shape->partition_count == 1 && !partition_values[0].bytes)
        return INT64_MIN;
    if (shape->partition_count == 1 && !shape->encodings[0].foreign)
        return hash_token(partition_values[0].ptr, partition_values[0].bytes);
    if (!key_put_routing(shape, partition_values, &routing))
        token = hash_token(routing.ptr, routing.bytes);
    buf_deinit(&routing);
    return token;
}
