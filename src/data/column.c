/* SPDX-License-Identifier: MIT */
/*
 * Columns: making, counting, measuring and checking them. A column owns its buffers one by one,
 * because builders and kernels fill them one by one; the slack of 32 bytes behind each lets copies
 * of short texts and vector loops read past the end.
 */
#include "data/column.h"

#include "base/check.h"

enum { ALIGNMENT = 64, SLACK = 32 };

void *column_buffer(size_t bytes)
{
    check(bytes <= SIZE_MAX - ALIGNMENT - SLACK);
    return mem_aligned(ALIGNMENT, bytes + SLACK);
}

static void *cleared(size_t bytes)
{
    return memset(column_buffer(bytes), 0, bytes);
}

static bool has_offsets(const struct type *type)
{
    return type->kind == TYPE_STRING || type->kind == TYPE_BINARY || type->kind == TYPE_ARRAY ||
           type->kind == TYPE_MAP;
}

struct column *column_new(const struct type *type, uint32_t rows, bool with_validity)
{
    struct column *column = mem_zero(sizeof *column);
    column->type = type;
    column->rows = rows;
    column->refs = 1;
    size_t width = type_width(type);
    if (type->kind == TYPE_BOOLEAN)
        column->bits = cleared(bit_words(rows) * 8);
    else if (width)
        column->values = column_buffer(rows * width);
    if (has_offsets(type)) {
        column->offsets = column_buffer(((size_t)rows + 1) * sizeof *column->offsets);
        column->offsets[0] = 0;
    }
    if (type->kind == TYPE_NULL)
        column->nulls = rows;
    else if (with_validity)
        column->validity = cleared(bit_words(rows) * 8);
    column->child_count = type->field_count;
    if (column->child_count)
        column->children = mem_zero(column->child_count * sizeof(struct column *));
    return column;
}

struct column *column_ref(struct column *column)
{
    __atomic_add_fetch(&column->refs, 1, __ATOMIC_RELAXED);
    return column;
}

void column_unref(struct column *column)
{
    if (!column || __atomic_sub_fetch(&column->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (uint32_t i = 0; i < column->child_count; i++)
        column_unref(column->children[i]);
    mem_free(column->children);
    mem_free(column->validity);
    mem_free(column->values);
    mem_free(column->offsets);
    mem_free(column->bytes);
    mem_free(column);
}

struct column *column_nulls(const struct type *type, uint32_t rows)
{
    struct column *column = column_new(type, rows, rows > 0);
    column->nulls = rows;
    if (column->values)
        memset(column->values, 0,
               type->kind == TYPE_BOOLEAN ? bit_words(rows) * 8 : rows * type_width(type));
    if (column->offsets)
        memset(column->offsets, 0, ((size_t)rows + 1) * sizeof *column->offsets);
    if (type->kind == TYPE_STRING || type->kind == TYPE_BINARY)
        column->bytes = column_buffer(0);
    for (uint32_t i = 0; i < column->child_count; i++)
        column->children[i] =
            column_nulls(type->fields[i].type, type->kind == TYPE_STRUCT ? rows : 0);
    return column;
}

size_t column_memory(const struct column *column)
{
    size_t bytes = sizeof *column + column->rows * type_width(column->type);
    if (column->validity)
        bytes += bit_words(column->rows) * 8;
    if (column->type->kind == TYPE_BOOLEAN)
        bytes += bit_words(column->rows) * 8;
    if (column->offsets)
        bytes += ((size_t)column->rows + 1) * sizeof *column->offsets;
    if (column->bytes)
        bytes += (size_t)column->offsets[column->rows];
    for (uint32_t i = 0; i < column->child_count; i++)
        bytes += sizeof(struct column *) + column_memory(column->children[i]);
    return bytes;
}

static void check_offsets(const struct column *column)
{
    check(column->offsets != NULL);
    check(column->offsets[0] == 0);
    for (uint32_t row = 0; row < column->rows; row++) {
        check(column->offsets[row] <= column->offsets[row + 1]);
        if (column_is_null(column, row))
            check(column->offsets[row] == column->offsets[row + 1]);
    }
}

static void check_struct(const struct column *column)
{
    for (uint32_t i = 0; i < column->child_count; i++) {
        const struct column *child = column->children[i];
        check(child->rows == column->rows);
        for (uint32_t row = 0; column->validity && row < column->rows; row++)
            if (column_is_null(column, row))
                check(column_is_null(child, row));
    }
}

void column_check(const struct column *column)
{
    uint32_t nulls = 0;
    for (uint32_t row = 0; row < column->rows; row++)
        nulls += column_is_null(column, row);
    check(nulls == column->nulls);
    check(column->refs > 0);
    check(((uintptr_t)column->values | (uintptr_t)column->offsets | (uintptr_t)column->bytes |
           (uintptr_t)column->validity) %
              ALIGNMENT ==
          0);
    if (has_offsets(column->type))
        check_offsets(column);
    if (column->type->kind == TYPE_STRING || column->type->kind == TYPE_BINARY)
        check(column->bytes != NULL);
    if (column->type->kind == TYPE_BOOLEAN || type_width(column->type))
        check(column->values != NULL);
    check(column->child_count == column->type->field_count);
    for (uint32_t i = 0; i < column->child_count; i++) {
        check(column->children[i] != NULL);
        check(type_equal(column->children[i]->type, column->type->fields[i].type));
        if (column->offsets)
            check(column->children[i]->rows == (uint32_t)column->offsets[column->rows]);
        column_check(column->children[i]);
    }
    if (column->type->kind == TYPE_STRUCT)
        check_struct(column);
}
