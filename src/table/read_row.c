/* SPDX-License-Identifier: MIT */
/*
 * Rows as cells.h gives them: the live cells of a row's bytes, and the row of a full key, which is
 * one look into the engine. What stands at the head of the partition and its static row are only
 * asked for where the table may have them and they are wanted; then all looks share a snapshot.
 *
 * Invariants
 * 1. A row is live when its marker or a cell of a column that the table has is live; cells of
 *    dropped columns do not count.
 * 2. A reader allocates nothing once its scratch has grown to the rows it sees.
 */
#include "base/endian.h"
#include "base/mem.h"
#include "table/batch.h"
#include "table/found.h"
#include "table/merge.h"

void found_init(struct found *found)
{
    *found = (struct found){0};
    arena_init(&found->converted, SIZE_MAX);
}

void found_deinit(struct found *found)
{
    mem_free(found->list);
    arena_deinit(&found->converted);
}

void found_reset(struct found *found)
{
    found->count = 0;
    found->live = found->marker = false;
    if (found->converted.bytes_used)
        arena_reset(&found->converted);
}

static enum err add_cell(struct found *found, const struct found_how *how, uint32_t column,
                         const struct cell *cell)
{
    if (found->count == found->room) {
        found->room = found->room * 2 + 16;
        found->list = mem_realloc_array(found->list, found->room, sizeof *found->list);
    }
    struct table_found *to = &found->list[found->count++];
    to->column = column;
    to->path = cell->path;
    to->value = cell->value;
    to->timestamp_us = cell->timestamp_us;
    to->ttl_s = cell->ttl_s;
    to->expires_s = cell->kind == CELL_EXPIRING ? cell->time_s : 0;
    const struct encoding *encoding = &how->shape->encodings[column];
    if (!encoding->foreign || cell->path.ptr)
        return OK;
    struct buf bytes = {0};
    enum err err = encoding_to_cql(encoding, cell->value, &bytes);
    to->value = err ? STR("") : arena_str(&found->converted, buf_str(&bytes));
    buf_deinit(&bytes);
    return err == ERR_INVALID ? OK : err;
}

enum err found_read(struct found *found, const struct found_how *how, int64_t cover_us,
                    struct str row)
{
    const struct shape *shape = how->shape;
    struct row_reader reader;
    struct cell cell;
    found_reset(found);
    TRY(row_reader_init(&reader, row));
    while (row_reader_next(&reader, &cell)) {
        if (!cell_is_live(&cell, how->now_s) ||
            (cover_us != INT64_MIN && cell.timestamp_us <= cover_us))
            continue;
        if (cell.id == CELL_MARKER) {
            found->live = found->marker = true;
            found->marker_cell = cell;
            continue;
        }
        uint32_t column = cell.id < shape->id_limit ? shape->index_of_id[cell.id] : UINT32_MAX;
        if (column == UINT32_MAX || shape_hides(shape, cell.id, cell.timestamp_us))
            continue;
        found->live = true;
        if (!how->columns || how->columns[column])
            TRY(add_cell(found, how, column, &cell));
    }
    return reader.bytes.err;
}

bool found_wants_static(const struct shape *shape, const bool *columns)
{
    bool wanted = shape->has_static && !columns;
    for (size_t i = 0; shape->has_static && !wanted && i < shape->definition.column_count; i++)
        wanted = columns[i] && shape->definition.columns[i].role == TABLE_STATIC;
    return wanted;
}

void found_give(const struct found *cells, const struct found *statics, struct table_row *ret_row)
{
    ret_row->cells = cells->list;
    ret_row->cell_count = cells->count;
    ret_row->statics = statics->list;
    ret_row->static_count = statics->count;
    ret_row->marker = cells->marker;
    const struct cell *marker = &cells->marker_cell;
    ret_row->marker_timestamp_us = cells->marker ? marker->timestamp_us : 0;
    ret_row->marker_ttl_s = cells->marker ? marker->ttl_s : 0;
    ret_row->marker_expires_s = cells->marker && marker->kind == CELL_EXPIRING ? marker->time_s : 0;
}

/* ---- one row ---- */

struct table_reader {
    struct buf key;
    struct buf scratch;
    struct buf record;
    struct buf static_record;
    struct buf head;
    struct found cells;
    struct found statics;
    struct table_row row;
};

struct table_reader *table_reader_new(void)
{
    struct table_reader *reader = mem_zero(sizeof *reader);
    found_init(&reader->cells);
    found_init(&reader->statics);
    return reader;
}

void table_reader_free(struct table_reader *reader)
{
    if (!reader)
        return;
    buf_deinit(&reader->key);
    buf_deinit(&reader->scratch);
    buf_deinit(&reader->record);
    buf_deinit(&reader->static_record);
    buf_deinit(&reader->head);
    found_deinit(&reader->cells);
    found_deinit(&reader->statics);
    mem_free(reader);
}

/* What is looked for, and in which snapshot. */
struct look {
    struct table_reader *reader;
    struct backend *backend;
    void *snapshot; /* NULL = now */
    struct found_how how;
    size_t partition_bytes;  /* of the key */
    bool head, row, statics; /* to be asked for */
};

/* ERR_NOT_FOUND when it is not there. The key is cut back. */
static enum err get_record(struct look *look, enum key_kind kind, struct buf *out)
{
    struct buf *key = &look->reader->key;
    buf_reset(out);
    buf_u8(key, (uint8_t)kind);
    enum err err = look->backend->ops->get(look->backend, look->snapshot, buf_str(key), out);
    buf_truncate(key, look->partition_bytes);
    return err;
}

static enum err get_head(struct look *look)
{
    buf_reset(&look->reader->head);
    if (!look->head)
        return OK;
    enum err err = get_record(look, KEY_PARTITION_DELETION, &look->reader->head);
    return err == ERR_NOT_FOUND ? OK : err;
}

/* What is deleted of the partition as a whole. */
static enum err partition_cover(const struct table_reader *reader, int64_t *ret_cover_us)
{
    struct row_reader head;
    *ret_cover_us = INT64_MIN;
    if (!reader->head.bytes)
        return OK;
    TRY(row_reader_init(&head, buf_str(&reader->head)));
    *ret_cover_us = head.deletion.timestamp_us;
    return OK;
}

static enum err get_statics(struct look *look)
{
    struct table_reader *reader = look->reader;
    found_reset(&reader->statics);
    if (!look->statics)
        return OK;
    enum err err = get_record(look, KEY_STATIC_ROW, &reader->static_record);
    if (err == ERR_NOT_FOUND)
        return OK;
    TRY(err);
    int64_t cover_us;
    TRY(partition_cover(reader, &cover_us));
    return found_read(&reader->statics, &look->how, cover_us, buf_str(&reader->static_record));
}

static enum err get_row(struct look *look, struct str clustering)
{
    struct table_reader *reader = look->reader;
    found_reset(&reader->cells);
    if (!look->row)
        return OK;
    enum err err = look->backend->ops->get(look->backend, look->snapshot, buf_str(&reader->key),
                                           &reader->record);
    if (err == ERR_NOT_FOUND)
        return OK;
    TRY(err);
    int64_t cover_us = INT64_MIN;
    if (reader->head.bytes)
        TRY(head_cover_once(buf_str(&reader->head), clustering, &reader->scratch, &cover_us));
    return found_read(&reader->cells, &look->how, cover_us, buf_str(&reader->record));
}

/* The row's own record last, since it decides whether there is a row; the head before, since it
 * covers the others. */
static enum err look_up(struct look *look, const struct table_key *key)
{
    struct table_reader *reader = look->reader;
    TRY(get_head(look));
    TRY(get_statics(look));
    buf_u8(&reader->key, KEY_REGULAR_ROW);
    if (look->row)
        TRY(key_put_clustering_values(look->how.shape, key->clustering, key->clustering_count,
                                      &reader->scratch, &reader->key));
    buf_reset(&reader->record);
    struct str all = buf_str(&reader->key);
    return get_row(look, str_slice(all, look->partition_bytes + 1, all.bytes));
}

static enum err look_consistently(struct look *look, const struct table_key *key)
{
    if (look->head + look->row + look->statics < 2)
        return look_up(look, key);
    look->snapshot = look->backend->ops->snapshot_new(look->backend);
    if (!look->snapshot)
        return ERR_DISK_FULL;
    enum err err = look_up(look, key);
    look->backend->ops->snapshot_free(look->backend, look->snapshot);
    return err;
}

static enum err place_of_key(const struct table_key *key, struct buf *out)
{
    if (key->partition[0].bytes != 4 || key->clustering_count != 2 ||
        key->clustering[0].bytes != 8 || key->clustering[1].bytes != 4)
        return ERR_INVALID;
    struct table_place place = {(int32_t)get_be32(key->partition[0].ptr),
                                (int64_t)get_be64(key->clustering[0].ptr),
                                get_be32(key->clustering[1].ptr)};
    key_put_place(&place, out);
    return buf_error(out);
}

static enum err begin_key(struct look *look, const struct table *table, const struct table_key *key)
{
    struct table_reader *reader = look->reader;
    uint8_t prefix[KEY_PREFIX_BYTES];
    key_put_prefix(prefix, table->id);
    buf_reset(&reader->key);
    buf_append(&reader->key, prefix, sizeof prefix);
    TRY(key_put_partition_values(look->how.shape, key->partition, &reader->scratch, &reader->key));
    look->partition_bytes = reader->key.bytes;
    return OK;
}

static enum err read_place(struct look *look, const struct table *table,
                           const struct table_key *key)
{
    struct table_reader *reader = look->reader;
    uint8_t prefix[KEY_PREFIX_BYTES];
    key_put_prefix(prefix, table->id);
    buf_reset(&reader->key);
    buf_append(&reader->key, prefix, sizeof prefix);
    TRY(place_of_key(key, &reader->key));
    buf_reset(&reader->record);
    found_reset(&reader->statics);
    look->row = true;
    return get_row(look, STR_NONE);
}

enum err table_read_row(struct table_reader *reader, struct table *table,
                        const struct table_key *key, const bool *columns, int64_t now_s,
                        const struct table_row **ret_row)
{
    static const struct str no_values[1];
    if (table_is_dropped(table))
        return ERR_NOT_FOUND;
    const struct shape *shape = table_shape(table);
    struct look look = {
        .reader = reader,
        .backend = table->store->backend,
        .how = {shape, columns, now_s ? now_s : store_now_us(table->store) / 1000000},
    };
    bool of_static = shape->clustering_count && !key->clustering_count;
    if (shape->definition.append_only) {
        TRY(read_place(&look, table, key));
    } else {
        if (!of_static && key->clustering_count != shape->clustering_count)
            return ERR_INVALID;
        look.row = !of_static;
        look.statics = found_wants_static(shape, columns) || (of_static && shape->has_static);
        look.head = shape->clustering_count && table_has_heads(table);
        TRY(begin_key(&look, table, key));
        TRY(look_consistently(&look, key));
        /* The table's first head came meanwhile: the row may be what is left of before. */
        if (!look.head && shape->clustering_count && table_has_heads(table)) {
            look.head = true;
            TRY(begin_key(&look, table, key));
            TRY(look_consistently(&look, key));
        }
    }
    if (of_static ? !reader->statics.live : !reader->cells.live)
        return ERR_NOT_FOUND;
    struct str all = buf_str(&reader->key);
    reader->row = (struct table_row){
        .partition = key->partition,
        .clustering = of_static         ? NULL
                      : key->clustering ? key->clustering
                                        : no_values,
        .partition_begins = true,
    };
    reader->row.token = shape->definition.append_only
                            ? table_token(table, key->partition)
                            : (int64_t)(get_be64(all.ptr + KEY_PREFIX_BYTES) ^ 1ull << 63);
    found_give(&reader->cells, &reader->statics, &reader->row);
    *ret_row = &reader->row;
    return OK;
}

/* ---- counters ---- */

/* The row's record as it stands with what the batch already has for it. */
static enum err read_counters(struct table_reader *reader, const struct table_batch *batch,
                              struct str key, struct buf *out)
{
    struct str rest = str_slice(buf_str(&batch->ops), OPS_HEAD_BYTES, batch->ops.bytes);
    struct op op;
    while (ops_next(&rest, &op) == OK) {
        if (op.tag != OP_MERGE || !str_equal(op.key, key))
            continue;
        struct str rows[2] = {buf_str(&reader->record), op.value};
        buf_reset(out);
        TRY(row_merge(rows[0].bytes ? rows : rows + 1, rows[0].bytes ? 2 : 1, out));
        buf_reset(&reader->record);
        buf_str_append(&reader->record, buf_str(out));
    }
    return buf_error(&reader->record);
}

/* What stands of a counter, and the timestamp that beats it. */
static void counter_of(const struct found *found, uint32_t column, int64_t *value,
                       int64_t *timestamp_us)
{
    for (uint32_t i = 0; i < found->count; i++) {
        const struct table_found *cell = &found->list[i];
        if (cell->column != column)
            continue;
        if (cell->value.bytes == 8)
            *value = (int64_t)get_be64(cell->value.ptr);
        if (cell->timestamp_us >= *timestamp_us)
            *timestamp_us = cell->timestamp_us + (cell->timestamp_us < INT64_MAX);
    }
}

static enum err check_deltas(const struct shape *shape, const struct table_row_write *write)
{
    for (uint32_t i = 0; i < write->cell_count; i++) {
        const struct table_cell *cell = &write->cells[i];
        if (cell->column >= shape->definition.column_count ||
            shape->definition.columns[cell->column].cells != TABLE_COUNTER ||
            cell->value.bytes != 8)
            return ERR_INVALID;
    }
    return write->marker ? ERR_INVALID : OK;
}

/* Reads the record that write is about. */
static enum err look_for_counters(struct look *look, struct table *table,
                                  const struct table_batch *batch,
                                  const struct table_row_write *write, bool of_static,
                                  struct buf *merged)
{
    struct table_reader *reader = look->reader;
    const struct table_key *key = &write->key;
    TRY(begin_key(look, table, key));
    TRY(get_head(look));
    buf_u8(&reader->key, of_static ? KEY_STATIC_ROW : KEY_REGULAR_ROW);
    if (!of_static)
        TRY(key_put_clustering_values(look->how.shape, key->clustering, key->clustering_count,
                                      &reader->scratch, &reader->key));
    buf_reset(&reader->record);
    found_reset(&reader->cells);
    enum err err =
        look->backend->ops->get(look->backend, NULL, buf_str(&reader->key), &reader->record);
    if (err && err != ERR_NOT_FOUND)
        return err;
    TRY(read_counters(reader, batch, buf_str(&reader->key), merged));
    if (!reader->record.bytes)
        return OK;
    int64_t cover_us;
    struct str all = buf_str(&reader->key);
    TRY(partition_cover(reader, &cover_us));
    if (reader->head.bytes && !of_static)
        TRY(head_cover_once(buf_str(&reader->head),
                            str_slice(all, look->partition_bytes + 1, all.bytes), &reader->scratch,
                            &cover_us));
    return found_read(&reader->cells, &look->how, cover_us, buf_str(&reader->record));
}

enum err table_counter_add(struct table_reader *reader, struct table_batch *batch,
                           struct table *table, const struct table_row_write *write)
{
    const struct shape *shape = table_shape(table);
    if (table_is_dropped(table))
        return ERR_NOT_FOUND;
    if (shape->definition.append_only)
        return ERR_UNSUPPORTED;
    TRY(check_deltas(shape, write));
    struct look look = {
        .reader = reader,
        .backend = table->store->backend,
        .how = {shape, NULL, store_now_us(table->store) / 1000000},
        .head = shape->clustering_count && table_has_heads(table),
    };
    if (!write->cell_count)
        return OK;
    bool of_static = shape->definition.columns[write->cells[0].column].role == TABLE_STATIC;
    CLEAN(buf_deinit) struct buf merged = {0};
    TRY(look_for_counters(&look, table, batch, write, of_static, &merged));
    for (uint32_t i = 0; i < write->cell_count; i++) {
        struct table_cell cell = write->cells[i];
        int64_t value = 0;
        uint8_t sum[8];
        counter_of(&reader->cells, cell.column, &value, &cell.timestamp_us);
        put_be64(sum, (uint64_t)value + get_be64(cell.value.ptr));
        cell.value = str_from(sum, sizeof sum);
        cell.ttl_s = 0;
        struct table_row_write one = {.key = write->key, .cells = &cell, .cell_count = 1};
        TRY(table_batch_cells(batch, table, &one));
    }
    return OK;
}
