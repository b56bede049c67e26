/* SPDX-License-Identifier: MIT */
/*
 * Batches: column batches become operations on rows. An upsert is a merge operand that holds the
 * marker and the cells given, a deletion one that holds a row deletion; neither reads. The row of
 * an append-only table is written as a value, for nothing else can have its key.
 *
 * The columns are looked up once a call; then the keys are made and sorted by token, and each row
 * is encoded in one walk over its columns, by rising id. Text and fixed-width values know their
 * length before, all else gets it patched in.
 *
 * Invariants
 * 1. A call that fails leaves the batch as it was.
 * 2. Expiry and the local time of tombstones come from the store's clock once a call, so all rows
 *    of the call expire together.
 */
#include "table/batch.h"
#include "base/endian.h"
#include "base/mem.h"

#include <stdlib.h>

/* One of the columns to write. */
struct written {
    const struct column *column;
    const struct encoding *encoding;
    uint32_t id;
    size_t index; /* in the table */
    bool many;
};

/* What one call writes, resolved. */
struct plan {
    const struct shape *shape;
    const struct column **keys;
    struct written *regular; /* by rising id */
    size_t regular_count;
    struct written *statics;
    size_t static_count;
    const struct table_write *write;
    int64_t now_s;
    int64_t ttl_s; /* 0 = none */
    bool nulls_are_unset;
    bool many; /* some column has many cells */
    struct arena arena;
};

struct table_batch *table_batch_new(struct table_store *store)
{
    struct table_batch *batch = mem_zero(sizeof *batch);
    batch->store = store;
    arena_init(&batch->arena, SIZE_MAX);
    ops_reset(&batch->ops);
    return batch;
}

void table_batch_free(struct table_batch *batch)
{
    if (!batch)
        return;
    buf_deinit(&batch->ops);
    buf_deinit(&batch->key);
    buf_deinit(&batch->keys);
    buf_deinit(&batch->row);
    buf_deinit(&batch->scratch);
    arena_deinit(&batch->arena);
    mem_free(batch->cells);
    mem_free(batch);
}

void table_batch_reset(struct table_batch *batch)
{
    ops_reset(&batch->ops);
    batch->heads_of = 0;
    batch->fed_of = 0;
}

size_t table_batch_bytes(const struct table_batch *batch)
{
    return batch->ops.bytes - OPS_HEAD_BYTES;
}

void table_batch_clear(struct table_batch *batch, struct table *table)
{
    uint8_t from[KEY_PREFIX_BYTES], to[KEY_PREFIX_BYTES];
    key_put_prefix(from, table->id);
    key_put_prefix(to, table->id + 1);
    ops_add(&batch->ops, OP_DELETE_RANGE, str_from(from, sizeof from), str_from(to, sizeof to));
}

void table_batch_state(struct table_batch *batch, struct str key, struct str value)
{
    buf_reset(&batch->key);
    buf_u8(&batch->key, KEY_STATE);
    buf_str_append(&batch->key, key);
    if (value.ptr)
        ops_add(&batch->ops, OP_PUT, buf_str(&batch->key), value);
    else
        ops_add(&batch->ops, OP_DELETE, buf_str(&batch->key), STR_NONE);
}

enum err table_commit(struct table_store *store, struct table_batch *batch, bool sync)
{
    if (store->read_only)
        return ERR_DENIED;
    TRY(buf_error(&batch->ops));
    return store->backend->ops->commit(store->backend, buf_str(&batch->ops), sync);
}

/* ---- the plan of a call ---- */

static enum err plan_column(struct plan *plan, const struct batch *rows, size_t index,
                            struct diag *diag)
{
    const struct table_column *column = &plan->shape->definition.columns[index];
    size_t at = type_field(rows->schema, column->name);
    if (at == SIZE_MAX)
        return OK;
    const struct column *values = rows->columns[at];
    if (values->type->kind != TYPE_NULL && !type_equal(values->type, column->type)) {
        struct buf text = {0};
        type_print_sql(values->type, &text);
        buf_text(&text, ", the table's is ");
        type_print_sql(column->type, &text);
        diag_set(diag, ERR_INVALID, 0, 0, "the column %.*s is of type %.*s", STR_ARG(column->name),
                 STR_ARG(buf_str(&text)));
        buf_deinit(&text);
        return ERR_INVALID;
    }
    if (column->cells == TABLE_COUNTER)
        return diag_set(diag, ERR_INVALID, 0, 0, "the column %.*s is a counter",
                        STR_ARG(column->name));
    struct written written = {values, &plan->shape->encodings[index], plan->shape->ids[index],
                              index, column->cells == TABLE_MANY_CELLS};
    plan->many |= written.many;
    if (column->role == TABLE_STATIC)
        plan->statics[plan->static_count++] = written;
    else
        plan->regular[plan->regular_count++] = written;
    return OK;
}

static enum err plan_foreign(const struct plan *plan, const struct batch *rows, struct diag *diag)
{
    for (uint32_t i = 0; i < rows->schema->field_count; i++)
        if (shape_column(plan->shape, rows->schema->fields[i].name) == SIZE_MAX)
            return diag_set(diag, ERR_INVALID, 0, 0, "the table %.*s has no column %.*s",
                            STR_ARG(plan->shape->definition.name),
                            STR_ARG(rows->schema->fields[i].name));
    return OK;
}

/* Ids rise with the column's index: they are given in that order. */
static enum err plan_columns(struct plan *plan, const struct batch *rows, struct diag *diag)
{
    size_t count = plan->shape->definition.column_count;
    size_t key_count = plan->shape->partition_count + plan->shape->clustering_count;
    plan->keys = arena_array(&plan->arena, key_count, sizeof(struct column *));
    plan->regular = arena_array(&plan->arena, count, sizeof *plan->regular);
    plan->statics = arena_array(&plan->arena, count, sizeof *plan->statics);
    TRY(key_columns(plan->shape, rows, key_count, plan->keys, diag));
    for (size_t i = key_count; i < count; i++)
        TRY(plan_column(plan, rows, i, diag));
    return plan_foreign(plan, rows, diag);
}

static enum err plan_make(struct plan *plan, const struct table *table, const struct batch *rows,
                          const struct table_write *write, struct diag *diag)
{
    *plan = (struct plan){.shape = table_shape(table), .write = write};
    arena_init(&plan->arena, SIZE_MAX);
    if (table_is_dropped(table))
        return diag_set(diag, ERR_NOT_FOUND, 0, 0, "the table %.*s was dropped",
                        STR_ARG(plan->shape->definition.name));
    plan->now_s = store_now_us(table->store) / 1000000;
    plan->ttl_s = write->ttl_s ? write->ttl_s : plan->shape->definition.ttl_default_s;
    if (plan->ttl_s < 0)
        plan->ttl_s = 0;
    if (plan->ttl_s > TABLE_TTL_MAX_S)
        return diag_set(diag, ERR_INVALID, 0, 0, "a ttl is at most %d seconds", TABLE_TTL_MAX_S);
    plan->nulls_are_unset = write->nulls_are_unset || plan->shape->definition.append_only;
    return plan_columns(plan, rows, diag);
}

/* ---- one row ---- */

static int64_t timestamp_of(const struct plan *plan, uint32_t row)
{
    const int64_t *each = plan->write->row_timestamps_us;
    return each ? each[row] : plan->write->timestamp_us;
}

static bool length_is_known(const struct encoding *encoding)
{
    return encoding->fixed_bytes || encoding->form == FORM_TEXT || encoding->form == FORM_BYTES;
}

static enum err put_value(struct buf *out, const struct row_base *base, const struct cell *like,
                          const struct written *written, uint32_t row)
{
    const struct encoding *encoding = written->encoding;
    size_t bytes = encoding->fixed_bytes;
    if (!length_is_known(encoding)) {
        row_add_open(out, base, like);
        size_t at = out->bytes;
        TRY(encoding_append(encoding, written->column, row, out));
        row_length_patch(out, at);
        return buf_error(out);
    }
    if (!bytes) {
        struct str text = column_str(written->column, row);
        if (like->kind == CELL_LIVE) {
            row_add_live(out, like->id, text);
            return buf_error(out);
        }
        bytes = text.bytes;
    }
    if (like->kind == CELL_LIVE) {
        row_add_head(out, like->id, bytes);
    } else {
        row_add_open(out, base, like);
        buf_uvarint(out, bytes);
    }
    return encoding_append(encoding, written->column, row, out);
}

/* True when some column's null becomes a tombstone in this row. */
static bool has_tombstones(const struct plan *plan, const struct written *columns, size_t count,
                           uint32_t row)
{
    if (plan->nulls_are_unset)
        return false;
    for (size_t i = 0; i < count; i++)
        if (columns[i].column->nulls && column_is_null(columns[i].column, row))
            return true;
    return false;
}

/* put_row() for columns of which some have many cells. */
static enum err put_row_of_many(struct table_batch *batch, const struct plan *plan,
                                const struct written *columns, size_t count, struct cell cell,
                                bool marker, uint32_t row, size_t *ret_column)
{
    batch_cells_begin(batch, count + 1);
    if (marker)
        batch_cells_add(batch, &cell);
    for (size_t i = 0; i < count; i++) {
        const struct column *column = columns[i].column;
        bool null = column_is_null(column, row);
        cell.id = columns[i].id;
        *ret_column = columns[i].index;
        if (null && plan->nulls_are_unset)
            continue;
        if (columns[i].many) {
            TRY(batch_cells_collection(batch, columns[i].encoding, column, row, &cell,
                                       plan->now_s));
            continue;
        }
        struct cell simple = cell;
        if (null) {
            simple.kind = CELL_TOMBSTONE;
            simple.time_s = plan->now_s;
            simple.ttl_s = 0;
        } else {
            buf_reset(&batch->scratch);
            TRY(encoding_append(columns[i].encoding, column, row, &batch->scratch));
            simple.value = arena_str(&batch->arena, buf_str(&batch->scratch));
        }
        batch_cells_add(batch, &simple);
    }
    if (batch->cell_count)
        batch_cells_write(batch, &batch->row);
    else
        row_begin(&batch->row, &(struct row_base){.timestamp_us = cell.timestamp_us}, false,
                  &DELETION_NONE);
    arena_reset(&batch->arena);
    return buf_error(&batch->row);
}

/* *ret_column is the table's column that was at fault. Into batch->row. */
static enum err put_row(struct table_batch *batch, const struct plan *plan,
                        const struct written *columns, size_t count, bool marker, uint32_t row,
                        size_t *ret_column)
{
    struct row_base base = {
        .timestamp_us = timestamp_of(plan, row),
        .time_s = plan->now_s + plan->ttl_s,
        .ttl_s = plan->ttl_s,
    };
    struct buf *out = &batch->row;
    buf_reset(out);
    struct cell cell = {
        .id = CELL_MARKER,
        .kind = plan->ttl_s ? CELL_EXPIRING : CELL_LIVE,
        .timestamp_us = base.timestamp_us,
        .time_s = base.time_s,
        .ttl_s = base.ttl_s,
    };
    if (plan->many)
        return put_row_of_many(batch, plan, columns, count, cell, marker, row, ret_column);
    bool times = plan->ttl_s || has_tombstones(plan, columns, count, row);
    row_begin(out, &base, times, &DELETION_NONE);
    if (marker)
        row_add(out, &base, &cell);
    for (size_t i = 0; i < count; i++) {
        cell.id = columns[i].id;
        if (column_is_null(columns[i].column, row)) {
            struct cell tombstone = cell;
            tombstone.kind = CELL_TOMBSTONE;
            tombstone.time_s = plan->now_s;
            if (!plan->nulls_are_unset)
                row_add(out, &base, &tombstone);
            continue;
        }
        *ret_column = columns[i].index;
        TRY(put_value(out, &base, &cell, &columns[i], row));
    }
    return buf_error(out);
}

void batch_begin_key(struct table_batch *batch, const struct table *table)
{
    uint8_t prefix[KEY_PREFIX_BYTES];
    key_put_prefix(prefix, table->id);
    buf_reset(&batch->key);
    buf_append(&batch->key, prefix, sizeof prefix);
}

/* A row's key before the row is encoded: prefix, token and partition from offset key_at on in
 * table_batch.keys, of partition_bytes; then kind and clustering, key_bytes in all. */
struct row_key {
    uint64_t order; /* the token as it stands in the key */
    size_t key_at;
    uint32_t partition_bytes;
    uint32_t key_bytes;
    uint32_t row;
};

static int compare_row_keys(const void *a, const void *b)
{
    const struct row_key *one = a, *two = b;
    if (one->order != two->order)
        return one->order < two->order ? -1 : 1;
    return one->row < two->row ? -1 : 1;
}

static enum err make_key(struct table_batch *batch, const uint8_t prefix[KEY_PREFIX_BYTES],
                         const struct plan *plan, uint32_t row, struct row_key *ret_key,
                         size_t *ret_column)
{
    struct buf *keys = &batch->keys;
    size_t at = keys->bytes;
    buf_append(keys, prefix, KEY_PREFIX_BYTES);
    TRY(key_put_partition(plan->shape, plan->keys, row, &batch->scratch, keys, ret_column));
    uint32_t partition_bytes = (uint32_t)(keys->bytes - at);
    buf_u8(keys, KEY_REGULAR_ROW);
    TRY(key_put_clustering(plan->shape, plan->keys + plan->shape->partition_count, row,
                           &batch->scratch, keys, ret_column));
    uint64_t order = get_be64(keys->ptr + at + KEY_PREFIX_BYTES);
    *ret_key = (struct row_key){order, at, partition_bytes, (uint32_t)(keys->bytes - at), row};
    return OK;
}

static enum err add_row(struct table_batch *batch, const struct plan *plan,
                        const struct row_key *key, size_t *ret_column)
{
    uint8_t *at = batch->keys.ptr + key->key_at;
    if (plan->static_count) {
        TRY(put_row(batch, plan, plan->statics, plan->static_count, false, key->row, ret_column));
        at[key->partition_bytes] = KEY_STATIC_ROW;
        ops_add(&batch->ops, OP_MERGE, str_from(at, key->partition_bytes + 1),
                buf_str(&batch->row));
        at[key->partition_bytes] = KEY_REGULAR_ROW;
    }
    TRY(put_row(batch, plan, plan->regular, plan->regular_count, true, key->row, ret_column));
    ops_add(&batch->ops, OP_MERGE, str_from(at, key->key_bytes), buf_str(&batch->row));
    return buf_error(&batch->ops);
}

static enum err bad_row(const struct plan *plan, enum err err, uint32_t row, size_t column,
                        uint32_t *ret_bad_row, struct diag *diag)
{
    if (ret_bad_row)
        *ret_bad_row = row;
    const struct table_column *at = &plan->shape->definition.columns[column];
    if (err != ERR_INVALID)
        return err;
    return diag_set(diag, err, 0, 0,
                    at->declared.bytes
                        ? "row %u: column %.*s does not take this value, it is declared %.*s"
                        : "row %u: column %.*s is a key and does not take this value%.*s",
                    row, STR_ARG(at->name), STR_ARG(at->declared));
}

/* Keys first, then the rows by token: the places of neighbours in the engine's memtable are near
 * each other, so the way to the next is in the cache. (RocksDB's insert hints would start from the
 * one before, but fail its own assertion in 7.8.) */
static enum err add_rows(struct table_batch *batch, const struct table *table,
                         const struct plan *plan, uint32_t from, uint32_t to, uint32_t *ret_bad_row,
                         struct diag *diag)
{
    uint8_t prefix[KEY_PREFIX_BYTES];
    key_put_prefix(prefix, table->id);
    buf_reset(&batch->keys);
    struct row_key *keys = mem_array((size_t)(to - from) + 1, sizeof *keys);
    size_t count = 0, column = 0;
    uint32_t row = from;
    enum err err = OK;
    for (; row < to && !err; row++)
        err = make_key(batch, prefix, plan, row, &keys[count++], &column);
    if (!err && count > 1)
        qsort(keys, count, sizeof *keys, compare_row_keys);
    for (size_t i = 0; i < count && !err; i++) {
        row = keys[i].row + 1;
        err = add_row(batch, plan, &keys[i], &column);
    }
    mem_free(keys);
    return err ? bad_row(plan, err, row - 1, column, ret_bad_row, diag) : OK;
}

/* One small record a batch: whoever keeps something beside the rows has not seen these. */
static void note_fed(struct table_batch *batch, struct table *table)
{
    if (batch->fed_of == table->id)
        return;
    uint8_t key[STORE_HEADS_KEY_BYTES], one = 1;
    store_fed_key(table->id, key);
    ops_add(&batch->ops, OP_PUT, str_from(key, sizeof key), str_from(&one, 1));
    batch->fed_of = table->id;
    __atomic_store_n(&table->fed, true, __ATOMIC_RELEASE);
}

enum err table_batch_upsert(struct table_batch *batch, struct table *table,
                            const struct batch *rows, uint32_t from, uint32_t to,
                            const struct table_write *write, uint32_t *ret_bad_row,
                            struct diag *diag)
{
    if (ret_bad_row)
        *ret_bad_row = UINT32_MAX;
    struct ops_mark mark = ops_mark(&batch->ops);
    struct plan plan;
    enum err err = plan_make(&plan, table, rows, write, diag);
    if (!err && plan.shape->definition.append_only)
        err = diag_set(diag, ERR_INVALID, 0, 0, "the table %.*s is append-only",
                       STR_ARG(plan.shape->definition.name));
    if (!err) {
        note_fed(batch, table);
        err = add_rows(batch, table, &plan, from, to, ret_bad_row, diag);
    }
    if (err) {
        batch->fed_of = 0;
        ops_back(&batch->ops, mark);
    }
    arena_deinit(&plan.arena);
    return err;
}

enum err table_batch_append(struct table_batch *batch, struct table *table,
                            const struct batch *rows, uint32_t from, uint32_t to,
                            const struct table_place *places, const struct table_write *write,
                            uint32_t *ret_bad_row, struct diag *diag)
{
    if (ret_bad_row)
        *ret_bad_row = UINT32_MAX;
    struct ops_mark mark = ops_mark(&batch->ops);
    struct plan plan;
    enum err err = plan_make(&plan, table, rows, write, diag);
    if (!err && !plan.shape->definition.append_only)
        err = diag_set(diag, ERR_INVALID, 0, 0, "the table %.*s has a key, it is not append-only",
                       STR_ARG(plan.shape->definition.name));
    size_t column = 0;
    for (uint32_t row = from; row < to && !err; row++) {
        batch_begin_key(batch, table);
        key_put_place(&places[row], &batch->key);
        err = put_row(batch, &plan, plan.regular, plan.regular_count, true, row, &column);
        if (!err) {
            ops_add(&batch->ops, OP_PUT, buf_str(&batch->key), buf_str(&batch->row));
            err = buf_error(&batch->ops);
        }
        if (err)
            err = bad_row(&plan, err, row, column, ret_bad_row, diag);
    }
    if (err)
        ops_back(&batch->ops, mark);
    arena_deinit(&plan.arena);
    return err;
}

/* ---- deletions ---- */

void batch_note_head(struct table_batch *batch, struct table *table)
{
    __atomic_store_n(&table->has_heads, true, __ATOMIC_RELEASE);
    if (batch->heads_of == table->id)
        return;
    batch->heads_of = table->id;
    uint8_t key[STORE_HEADS_KEY_BYTES], one = 1;
    store_heads_key(table->id, key);
    ops_add(&batch->ops, OP_PUT, str_from(key, sizeof key), str_from(&one, 1));
}

static enum err add_deletion(struct table_batch *batch, struct table *table,
                             const struct shape *shape, const struct column *const *keys,
                             bool partition_only, uint32_t row, int64_t timestamp_us)
{
    size_t column;
    bool of_partition = partition_only && shape->clustering_count;
    batch_begin_key(batch, table);
    TRY(key_put_partition(shape, keys, row, &batch->scratch, &batch->key, &column));
    buf_u8(&batch->key, of_partition ? KEY_PARTITION_DELETION : KEY_REGULAR_ROW);
    if (of_partition)
        batch_note_head(batch, table);
    if (!of_partition)
        TRY(key_put_clustering(shape, keys + shape->partition_count, row, &batch->scratch,
                               &batch->key, &column));
    struct row_base base = {.timestamp_us = timestamp_us};
    struct deletion deletion = {timestamp_us, store_now_us(table->store) / 1000000, of_partition};
    buf_reset(&batch->row);
    row_begin(&batch->row, &base, false, &deletion);
    ops_add(&batch->ops, OP_MERGE, buf_str(&batch->key), buf_str(&batch->row));
    return buf_error(&batch->ops);
}

enum err table_batch_delete(struct table_batch *batch, struct table *table,
                            const struct batch *keys, uint32_t from, uint32_t to,
                            int64_t timestamp_us)
{
    const struct shape *shape = table_shape(table);
    if (table_is_dropped(table))
        return ERR_NOT_FOUND;
    size_t all = shape->partition_count + shape->clustering_count;
    bool partition_only = keys->column_count == shape->partition_count;
    if (shape->definition.append_only)
        return ERR_UNSUPPORTED;
    if ((!partition_only && keys->column_count != all) || timestamp_us == INT64_MIN)
        return ERR_INVALID;
    const struct column **columns = mem_array(all, sizeof *columns);
    struct ops_mark mark = ops_mark(&batch->ops);
    enum err err = key_columns(shape, keys, keys->column_count, columns, NULL);
    for (uint32_t row = from; row < to && !err; row++)
        err = add_deletion(batch, table, shape, columns, partition_only, row, timestamp_us);
    if (err) {
        ops_back(&batch->ops, mark);
        batch->heads_of = 0;
    }
    mem_free(columns);
    return err;
}
