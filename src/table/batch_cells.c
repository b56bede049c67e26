/* SPDX-License-Identifier: MIT */
/*
 * A row of cells in any order, as bytes. Mostly they come in order already, live and of one
 * timestamp: then each is copied once.
 */
#include "base/endian.h"
#include "base/mem.h"
#include "table/batch.h"

#include <stdlib.h>

void batch_cells_begin(struct table_batch *batch, size_t room)
{
    batch->cell_count = 0;
    batch->cells_sorted = true;
    batch->cells_times = batch->cells_paths = false;
    if (batch->cell_room >= room)
        return;
    batch->cell_room = room * 2 + 16;
    batch->cells = mem_realloc_array(batch->cells, batch->cell_room, sizeof *batch->cells);
}

void batch_cells_add(struct table_batch *batch, const struct cell *cell)
{
    size_t count = batch->cell_count;
    if (count == batch->cell_room) {
        batch->cell_room = count * 2 + 16;
        batch->cells = mem_realloc_array(batch->cells, batch->cell_room, sizeof *batch->cells);
    }
    if (count && cell_place_compare(&batch->cells[count - 1], cell) >= 0)
        batch->cells_sorted = false;
    batch->cells_times |= cell->kind != CELL_LIVE;
    batch->cells_paths |= cell->path.ptr != NULL;
    batch->cells[count] = *cell;
    batch->cell_count = count + 1;
}

static int compare_cells(const void *a, const void *b)
{
    int order = cell_place_compare(a, b);
    return order ? order : cell_compare(b, a);
}

/* In order, the strongest of each place. */
static void sort_cells(struct table_batch *batch)
{
    struct cell *cells = batch->cells;
    qsort(cells, batch->cell_count, sizeof *cells, compare_cells);
    size_t count = 1;
    for (size_t i = 1; i < batch->cell_count; i++)
        if (cell_place_compare(&cells[count - 1], &cells[i]))
            cells[count++] = cells[i];
    batch->cell_count = count;
}

void batch_cells_write(struct table_batch *batch, struct buf *out)
{
    const struct cell *cells = batch->cells;
    if (!batch->cells_sorted)
        sort_cells(batch);
    struct row_base base = {.timestamp_us = cells[0].timestamp_us};
    for (size_t i = 0; i < batch->cell_count && batch->cells_times; i++)
        if (cells[i].kind != CELL_LIVE) {
            base.time_s = cells[i].time_s;
            base.ttl_s = cells[i].ttl_s;
            break;
        }
    if (batch->cells_paths) {
        row_begin_paths(out, &base, batch->cells_times, &DELETION_NONE);
        for (size_t i = 0; i < batch->cell_count; i++)
            row_add_path(out, &base, &cells[i]);
        return;
    }
    row_begin(out, &base, batch->cells_times, &DELETION_NONE);
    for (size_t i = 0; i < batch->cell_count; i++) {
        const struct cell *cell = &cells[i];
        if (cell->kind == CELL_LIVE && cell->id && cell->timestamp_us == base.timestamp_us)
            row_add_live(out, cell->id, cell->value);
        else
            row_add(out, &base, cell);
    }
}

/* ---- columns of many cells ---- */

/* The stored bytes of a value, in the batch's arena. */
static enum err value_of(struct table_batch *batch, const struct encoding *encoding,
                         const struct column *column, size_t row, struct str *ret_value)
{
    buf_reset(&batch->scratch);
    TRY(encoding_append(encoding, column, row, &batch->scratch));
    *ret_value = arena_str(&batch->arena, buf_str(&batch->scratch));
    if (!ret_value->ptr)
        *ret_value = STR("");
    return OK;
}

/* An element's place in a list: by the time of the write, then its index. */
static struct str list_path(struct table_batch *batch, int64_t timestamp_us, size_t index)
{
    uint8_t *path = arena_alloc(&batch->arena, 16);
    put_be64(path, (uint64_t)timestamp_us ^ 1ull << 63);
    put_be64(path + 8, index);
    return str_from(path, 16);
}

static enum err add_fields(struct table_batch *batch, const struct encoding *encoding,
                           const struct column *column, size_t row, struct cell cell)
{
    for (uint32_t i = 0; i < column->child_count; i++) {
        if (column_is_null(column->children[i], row))
            continue;
        uint8_t *path = arena_alloc(&batch->arena, 2);
        put_be16(path, (uint16_t)i);
        cell.path = str_from(path, 2);
        TRY(value_of(batch, &encoding->children[i], column->children[i], row, &cell.value));
        batch_cells_add(batch, &cell);
    }
    return OK;
}

static enum err add_elements(struct table_batch *batch, const struct encoding *encoding,
                             const struct column *column, size_t row, struct cell cell)
{
    const struct column *first = column->children[0];
    int32_t from = column->offsets[row], to = column->offsets[row + 1];
    for (int32_t at = from; at < to; at++) {
        struct str value;
        if (column_is_null(first, (size_t)at))
            continue;
        TRY(value_of(batch, &encoding->children[0], first, (size_t)at, &value));
        if (column->child_count > 1) {
            if (column_is_null(column->children[1], (size_t)at))
                continue;
            cell.path = value;
            TRY(value_of(batch, &encoding->children[1], column->children[1], (size_t)at,
                         &cell.value));
        } else if (encoding->is_set) {
            cell.path = value;
            cell.value = STR("");
        } else {
            cell.path = list_path(batch, cell.timestamp_us, (size_t)(at - from));
            cell.value = value;
        }
        batch_cells_add(batch, &cell);
    }
    return OK;
}

enum err batch_cells_collection(struct table_batch *batch, const struct encoding *encoding,
                                const struct column *column, size_t row, const struct cell *like,
                                int64_t now_s)
{
    struct cell tombstone = {.id = like->id,
                             .kind = CELL_TOMBSTONE,
                             .timestamp_us = like->timestamp_us,
                             .time_s = now_s};
    bool null = column_is_null(column, row);
    if (!null && tombstone.timestamp_us > INT64_MIN)
        tombstone.timestamp_us--;
    batch_cells_add(batch, &tombstone);
    if (null)
        return OK;
    return column->type->kind == TYPE_STRUCT ? add_fields(batch, encoding, column, row, *like)
                                             : add_elements(batch, encoding, column, row, *like);
}
