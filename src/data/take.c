/* SPDX-License-Identifier: MIT */
/*
 * New columns out of old ones: chosen rows, one row repeated, columns behind each other. One pass
 * over the indices says whether any names a null row and that none is out of bounds; the loops
 * after it are plain leaf functions over arrays, one for each width, without or with nulls.
 *
 * Texts are copied 32 bytes at a time where they are short: the slack behind buffers makes reading
 * and writing past the end of one text harmless, as the next one overwrites it.
 */
#include "data/column.h"

#include "base/check.h"

static const uint32_t NO_ROW = UINT32_MAX;

static bool scan(const uint32_t *indices, size_t count, uint32_t rows)
{
    uint32_t biggest = 0, missing = 0;
    for (size_t i = 0; i < count; i++) {
        /* NO_ROW + 1 is 0: the biggest index that is not NO_ROW, plus one. */
        uint32_t next = indices[i] + 1;
        biggest = next > biggest ? next : biggest;
        missing |= next == 0;
    }
    check(biggest <= rows);
    return missing;
}

#define GATHER(name, type)                                                                         \
    static void name(type *restrict to, const type *restrict from, const uint32_t *indices,        \
                     size_t count)                                                                 \
    {                                                                                              \
        for (size_t i = 0; i < count; i++)                                                         \
            to[i] = from[indices[i]];                                                              \
    }                                                                                              \
    static void name##_or_zero(type *restrict to, const type *restrict from,                       \
                               const uint32_t *indices, size_t count)                              \
    {                                                                                              \
        for (size_t i = 0; i < count; i++)                                                         \
            to[i] = indices[i] == NO_ROW ? (type){0} : from[indices[i]];                           \
    }                                                                                              \
    static void name##_any(void *to, const void *from, const uint32_t *indices, size_t count,      \
                           bool missing)                                                           \
    {                                                                                              \
        if (missing)                                                                               \
            name##_or_zero(to, from, indices, count);                                              \
        else                                                                                       \
            name(to, from, indices, count);                                                        \
    }

GATHER(gather_8, uint8_t)
GATHER(gather_16, uint16_t)
GATHER(gather_32, uint32_t)
GATHER(gather_64, uint64_t)
GATHER(gather_128, unsigned __int128)

static void gather_values(const struct column *from, const uint32_t *indices, size_t count,
                          bool missing, void *to)
{
    switch (type_width(from->type)) {
    case 1:
        gather_8_any(to, from->values, indices, count, missing);
        break;
    case 2:
        gather_16_any(to, from->values, indices, count, missing);
        break;
    case 4:
        gather_32_any(to, from->values, indices, count, missing);
        break;
    case 8:
        gather_64_any(to, from->values, indices, count, missing);
        break;
    default:
        check(type_width(from->type) == 16);
        gather_128_any(to, from->values, indices, count, missing);
    }
}

/* Bits by rows; an index without a row gives 0. Returns how many are 0. */
static uint32_t gather_bits(uint64_t *restrict to, const uint64_t *restrict from,
                            const uint32_t *indices, size_t count)
{
    size_t ones = 0;
    for (size_t i = 0; i < count; i += 64) {
        uint64_t word = 0;
        size_t end = count - i < 64 ? count - i : 64;
        for (size_t k = 0; k < end; k++) {
            uint32_t at = indices[i + k];
            word |= (uint64_t)(at != NO_ROW && bit_get(from, at)) << k;
        }
        to[i >> 6] = word;
        ones += (size_t)__builtin_popcountll(word);
    }
    return (uint32_t)(count - ones);
}

/* 1 for each index that has a row. */
static uint32_t gather_present(uint64_t *to, const uint32_t *indices, size_t count)
{
    uint32_t nulls = 0;
    for (size_t i = 0; i < count; i++) {
        to[i >> 6] |= (uint64_t)(indices[i] != NO_ROW) << (i & 63);
        nulls += indices[i] == NO_ROW;
    }
    return nulls;
}

static enum err gather_offsets(int32_t *restrict to, const int32_t *restrict from,
                               const uint32_t *indices, size_t count)
{
    uint64_t sum = 0;
    to[0] = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = indices[i];
        if (at != NO_ROW)
            sum += (uint32_t)(from[at + 1] - from[at]);
        to[i + 1] = (int32_t)sum;
    }
    return sum > INT32_MAX ? ERR_LIMIT : OK;
}

static void gather_bytes(const struct column *from, const uint32_t *indices, size_t count,
                         char *restrict to)
{
    const int32_t *offsets = from->offsets;
    const char *bytes = from->bytes;
    for (size_t i = 0; i < count; i++) {
        if (indices[i] == NO_ROW)
            continue;
        int32_t at = offsets[indices[i]];
        size_t length = (size_t)(offsets[indices[i] + 1] - at);
        if (length <= 32)
            memcpy(to, bytes + at, 32);
        else
            memcpy(to, bytes + at, length);
        to += length;
    }
}

static enum err take_list(const struct column *from, const uint32_t *indices, size_t count,
                          struct column *to)
{
    size_t total = (size_t)to->offsets[count], n = 0;
    uint32_t *rows = mem_array(total, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        if (indices[i] != NO_ROW)
            for (int32_t at = from->offsets[indices[i]]; at < from->offsets[indices[i] + 1]; at++)
                rows[n++] = (uint32_t)at;
    enum err err = OK;
    for (uint32_t i = 0; i < from->child_count && err == OK; i++)
        err = column_take(from->children[i], rows, total, &to->children[i]);
    mem_free(rows);
    return err;
}

static enum err take_into(const struct column *from, const uint32_t *indices, size_t count,
                          bool missing, struct column *to)
{
    if (to->validity)
        to->nulls = from->validity ? gather_bits(to->validity, from->validity, indices, count)
                                   : gather_present(to->validity, indices, count);
    if (from->type->kind == TYPE_BOOLEAN)
        gather_bits(to->bits, from->bits, indices, count);
    else if (type_width(from->type))
        gather_values(from, indices, count, missing, to->values);
    if (from->offsets)
        TRY(gather_offsets(to->offsets, from->offsets, indices, count));
    if (from->bytes) {
        to->bytes = column_buffer((size_t)to->offsets[count]);
        gather_bytes(from, indices, count, to->bytes);
        return OK;
    }
    if (from->offsets)
        return take_list(from, indices, count, to);
    for (uint32_t i = 0; i < from->child_count; i++)
        TRY(column_take(from->children[i], indices, count, &to->children[i]));
    return OK;
}

enum err column_take(const struct column *column, const uint32_t *indices, size_t count,
                     struct column **ret_column)
{
    if (count > INT32_MAX)
        return ERR_LIMIT;
    bool missing = scan(indices, count, column->rows);
    struct column *to =
        column_new(column->type, (uint32_t)count, missing || column->validity != NULL);
    enum err err = take_into(column, indices, count, missing, to);
    if (err != OK) {
        column_unref(to);
        return err;
    }
    if (to->nulls == 0) {
        mem_free(to->validity);
        to->validity = NULL;
    }
    *ret_column = to;
    return OK;
}

enum err column_repeat(const struct column *column, uint32_t row, uint32_t rows,
                       struct column **ret_column)
{
    check(row < column->rows);
    if (rows > INT32_MAX)
        return ERR_LIMIT;
    uint32_t *indices = mem_array(rows, sizeof *indices);
    for (uint32_t i = 0; i < rows; i++)
        indices[i] = row;
    enum err err = column_take(column, indices, rows, ret_column);
    mem_free(indices);
    return err;
}

/* Puts count bits behind the first at bits of to, whose words past at are 0. from may be NULL: all
 * are 1. */
static void append_bits(uint64_t *to, size_t at, const uint64_t *from, size_t count)
{
    unsigned shift = at & 63;
    for (size_t i = 0; i < count; i += 64) {
        uint64_t word = from ? from[i >> 6] : ~0ull;
        if (count - i < 64)
            word &= (1ull << (count - i)) - 1;
        to[(at + i) >> 6] |= word << shift;
        if (shift && word >> (64 - shift))
            to[((at + i) >> 6) + 1] |= word >> (64 - shift);
    }
}

static void append_offsets(int32_t *to, int32_t base, const int32_t *from, size_t count)
{
    for (size_t i = 1; i <= count; i++)
        to[i] = base + from[i];
}

static void append_rows(struct column *to, size_t at, const struct column *from)
{
    size_t width = type_width(to->type);
    if (to->validity)
        append_bits(to->validity, at, from->validity, from->rows);
    if (to->type->kind == TYPE_BOOLEAN)
        append_bits(to->bits, at, from->bits, from->rows);
    else if (width && from->rows)
        memcpy((char *)to->values + at * width, from->values, from->rows * width);
    if (to->offsets) {
        int32_t base = to->offsets[at];
        if (to->bytes && from->offsets[from->rows])
            memcpy(to->bytes + base, from->bytes, (size_t)from->offsets[from->rows]);
        append_offsets(to->offsets + at, base, from->offsets, from->rows);
    }
}

static enum err concat_children(struct column *const *columns, size_t count, struct column *to)
{
    const struct column **parts = mem_array(count, sizeof(struct column *));
    enum err err = OK;
    for (uint32_t i = 0; i < to->child_count && err == OK; i++) {
        for (size_t k = 0; k < count; k++)
            parts[k] = columns[k]->children[i];
        err = column_concat((struct column *const *)parts, count, &to->children[i]);
    }
    mem_free(parts);
    return err;
}

enum err column_concat(struct column *const *columns, size_t count, struct column **ret_column)
{
    check(count > 0);
    const struct type *type = columns[0]->type;
    uint64_t rows = 0, nulls = 0, items = 0;
    for (size_t i = 0; i < count; i++) {
        check(type_equal(type, columns[i]->type));
        rows += columns[i]->rows;
        nulls += columns[i]->nulls;
        items += columns[i]->offsets ? (uint64_t)columns[i]->offsets[columns[i]->rows] : 0;
    }
    if (rows > INT32_MAX || items > INT32_MAX)
        return ERR_LIMIT;
    if (count == 1) {
        *ret_column = column_ref(columns[0]);
        return OK;
    }
    struct column *to = column_new(type, (uint32_t)rows, nulls > 0);
    to->nulls = (uint32_t)nulls;
    if (columns[0]->bytes)
        to->bytes = column_buffer(items);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        append_rows(to, at, columns[i]);
        at += columns[i]->rows;
    }
    enum err err = concat_children(columns, count, to);
    if (err != OK) {
        column_unref(to);
        return err;
    }
    *ret_column = to;
    return OK;
}
