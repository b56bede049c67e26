/* SPDX-License-Identifier: MIT */
/*
 * Columns row by row. Rooms double; buffers are handed to the column as they are when the builder
 * finishes. Invariants:
 *
 *  1. bits of validity (and of BOOLEAN values) at and past rows are 0, up to rows_room;
 *  2. offsets[rows] is bytes_count, or the rows of the children that belong to closed rows;
 *  3. between two rows the children of a STRUCT have as many rows as itself.
 *
 * A row count of 2^31 - 1 is the end: offsets are 32 bits.
 */
#include "data/column.h"

#include "base/check.h"

enum { ROWS_FIRST = 32, BYTES_FIRST = 256 };

static bool is_text(const struct builder *b)
{
    return b->type->kind == TYPE_STRING || b->type->kind == TYPE_BINARY;
}

static bool is_list(const struct builder *b)
{
    return b->type->kind == TYPE_ARRAY || b->type->kind == TYPE_MAP;
}

struct builder *builder_new(const struct type *type, uint32_t rows_hint, size_t bytes_max)
{
    struct builder *b = mem_zero(sizeof *b);
    b->type = type;
    b->rows_hint = rows_hint;
    b->width = (uint32_t)type_width(type);
    b->bytes_max = bytes_max && bytes_max < INT32_MAX ? bytes_max : INT32_MAX;
    b->child_count = type->field_count;
    if (b->child_count)
        b->children = mem_zero(b->child_count * sizeof(struct builder *));
    for (uint32_t i = 0; i < b->child_count; i++)
        b->children[i] = builder_new(type->fields[i].type, rows_hint, bytes_max);
    return b;
}

static void drop_buffers(struct builder *b)
{
    mem_free(b->validity);
    mem_free(b->values);
    mem_free(b->offsets);
    mem_free(b->bytes);
}

void builder_free(struct builder *b)
{
    if (!b)
        return;
    drop_buffers(b);
    for (uint32_t i = 0; i < b->child_count; i++)
        builder_free(b->children[i]);
    mem_free(b->children);
    mem_free(b);
}

static void *regrow(void *old, size_t used, size_t room)
{
    char *bigger = column_buffer(room);
    if (used)
        memcpy(bigger, old, used);
    mem_free(old);
    return bigger;
}

static uint64_t *regrow_bits(uint64_t *old, size_t used, size_t room)
{
    uint64_t *bigger = regrow(old, bit_words(used) * 8, bit_words(room) * 8);
    memset(bigger + bit_words(used), 0, (bit_words(room) - bit_words(used)) * 8);
    return bigger;
}

bool builder_reserve(struct builder *b, uint32_t rows)
{
    if (b->rows_room && rows <= b->rows_room - b->rows)
        return true;
    if (rows > (uint32_t)INT32_MAX - b->rows) {
        b->err = ERR_LIMIT;
        return false;
    }
    size_t room = b->rows_room ? (size_t)b->rows_room * 2 : b->rows_hint;
    if (room < (size_t)b->rows + rows)
        room = (size_t)b->rows + rows;
    if (room < ROWS_FIRST)
        room = ROWS_FIRST;
    if (room > INT32_MAX)
        room = INT32_MAX;
    b->validity = regrow_bits(b->validity, b->rows, room);
    if (b->type->kind == TYPE_BOOLEAN)
        b->bits = regrow_bits(b->bits, b->rows, room);
    else if (b->width)
        b->values = regrow(b->values, (size_t)b->rows * b->width, room * b->width);
    if (is_text(b) || is_list(b)) {
        size_t used = b->offsets ? (size_t)b->rows + 1 : 0;
        b->offsets = regrow(b->offsets, used * sizeof *b->offsets, (room + 1) * sizeof *b->offsets);
        b->offsets[0] = 0;
    }
    b->rows_room = (uint32_t)room;
    return true;
}

bool builder_reserve_bytes(struct builder *b, size_t bytes)
{
    if (bytes <= b->bytes_room - b->bytes_count)
        return true;
    if (bytes > b->bytes_max - b->bytes_count) {
        b->err = ERR_LIMIT;
        return false;
    }
    size_t room = b->bytes_room * 2;
    if (room < BYTES_FIRST)
        room = b->bytes_hint > BYTES_FIRST ? b->bytes_hint : BYTES_FIRST;
    if (room < b->bytes_count + bytes)
        room = b->bytes_count + bytes;
    if (room > b->bytes_max)
        room = b->bytes_max;
    b->bytes = regrow(b->bytes, b->bytes_count, room);
    b->bytes_room = room;
    return true;
}

/* Rows of the children that belong to closed rows. */
static uint32_t closed_rows(const struct builder *b)
{
    if (is_list(b))
        return b->offsets ? (uint32_t)b->offsets[b->rows] : 0;
    return b->rows;
}

void builder_null(struct builder *b)
{
    uint32_t row = b->rows;
    if (row >= b->rows_room && !builder_reserve(b, 1))
        return;
    for (uint32_t i = 0; i < b->child_count; i++) {
        builder_truncate(b->children[i], closed_rows(b));
        if (b->type->kind == TYPE_STRUCT)
            builder_null(b->children[i]);
    }
    if (b->width == 8)
        b->i64[row] = 0;
    else if (b->width == 4)
        b->i32[row] = 0;
    else if (b->width)
        memset((char *)b->values + (size_t)row * b->width, 0, b->width);
    if (b->offsets)
        b->offsets[row + 1] = b->offsets[row];
    b->nulls++;
    b->rows = row + 1;
}

void builder_valid(struct builder *b)
{
    uint32_t row = b->rows;
    check(b->child_count || b->type->kind == TYPE_STRUCT);
    if (row >= b->rows_room && !builder_reserve(b, 1))
        return;
    uint32_t child_rows = is_list(b) ? b->children[0]->rows : row + 1;
    for (uint32_t i = 0; i < b->child_count; i++)
        check(b->children[i]->rows == child_rows);
    if (b->offsets)
        b->offsets[row + 1] = (int32_t)child_rows;
    bit_set(b->validity, row);
    b->rows = row + 1;
}

void builder_i128(struct builder *b, __int128 value)
{
    uint32_t row = b->rows;
    if (row >= b->rows_room && !builder_reserve(b, 1))
        return;
    b->i128[row] = value;
    bit_set(b->validity, row);
    b->rows = row + 1;
}

void builder_interval(struct builder *b, struct interval value)
{
    uint32_t row = b->rows;
    if (row >= b->rows_room && !builder_reserve(b, 1))
        return;
    b->intervals[row] = value;
    bit_set(b->validity, row);
    b->rows = row + 1;
}

static void copy_fixed(struct builder *b, const struct column *column, size_t row)
{
    uint32_t at = b->rows;
    if (at >= b->rows_room && !builder_reserve(b, 1))
        return;
    memcpy((char *)b->values + (size_t)at * b->width, (char *)column->values + row * b->width,
           b->width);
    bit_set(b->validity, at);
    b->rows = at + 1;
}

void builder_copy(struct builder *b, const struct column *column, size_t row)
{
    if (column_is_null(column, row)) {
        builder_null(b);
    } else if (b->type->kind == TYPE_BOOLEAN) {
        builder_bool(b, bit_get(column->bits, row));
    } else if (is_text(b)) {
        builder_str(b, column_str(column, row));
    } else if (b->width) {
        copy_fixed(b, column, row);
    } else {
        size_t from = is_list(b) ? (size_t)column->offsets[row] : row;
        size_t to = is_list(b) ? (size_t)column->offsets[row + 1] : row + 1;
        for (uint32_t i = 0; i < b->child_count; i++)
            for (size_t at = from; at < to; at++)
                builder_copy(b->children[i], column->children[i], at);
        builder_valid(b);
    }
}

static void clear_bits(uint64_t *bits, uint32_t from, uint32_t to)
{
    if (from & 63 && from < to) {
        bits[from >> 6] &= (1ull << (from & 63)) - 1;
        from = (from | 63) + 1;
    }
    for (size_t word = from >> 6; word < bit_words(to); word++)
        bits[word] = 0;
}

void builder_truncate(struct builder *b, uint32_t rows)
{
    if (rows >= b->rows)
        goto children;
    for (uint32_t row = rows; row < b->rows && b->nulls; row++)
        b->nulls -= !bit_get(b->validity, row);
    clear_bits(b->validity, rows, b->rows);
    if (b->type->kind == TYPE_BOOLEAN)
        clear_bits(b->bits, rows, b->rows);
    b->rows = rows;
    if (is_text(b))
        b->bytes_count = (size_t)b->offsets[rows];
children:
    for (uint32_t i = 0; i < b->child_count; i++)
        builder_truncate(b->children[i], closed_rows(b));
}

void builder_undo(struct builder *b)
{
    check(b->rows > 0);
    builder_truncate(b, b->rows - 1);
}

static enum err any_error(const struct builder *b)
{
    enum err err = b->err;
    for (uint32_t i = 0; i < b->child_count && err == OK; i++)
        err = any_error(b->children[i]);
    return err;
}

static struct column *hand_over(struct builder *b)
{
    struct column *column = mem_zero(sizeof *column);
    if (!b->rows_room)
        builder_reserve(b, 1);
    if (is_text(b) && !b->bytes)
        b->bytes = column_buffer(0);
    column->type = b->type;
    column->rows = b->rows;
    column->nulls = b->nulls;
    column->refs = 1;
    column->values = b->values;
    column->offsets = b->offsets;
    column->bytes = b->bytes;
    if (b->nulls && b->type->kind != TYPE_NULL)
        column->validity = b->validity;
    else
        mem_free(b->validity);
    column->child_count = b->child_count;
    if (b->child_count)
        column->children = mem_zero(b->child_count * sizeof(struct column *));
    for (uint32_t i = 0; i < b->child_count; i++)
        column->children[i] = hand_over(b->children[i]);
    b->validity = NULL;
    b->values = NULL;
    b->offsets = NULL;
    b->bytes = NULL;
    return column;
}

static void reset(struct builder *b)
{
    drop_buffers(b);
    *b = (struct builder){
        .type = b->type,
        .rows_hint = b->rows,
        .bytes_hint = b->bytes_count,
        .width = b->width,
        .bytes_max = b->bytes_max,
        .child_count = b->child_count,
        .children = b->children,
    };
    for (uint32_t i = 0; i < b->child_count; i++)
        reset(b->children[i]);
}

enum err builder_finish(struct builder *b, struct column **ret_column)
{
    for (uint32_t i = 0; i < b->child_count; i++)
        check(b->children[i]->rows == closed_rows(b));
    enum err err = any_error(b);
    if (err == OK)
        *ret_column = hand_over(b);
    reset(b);
    return err;
}
