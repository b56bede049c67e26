/* SPDX-License-Identifier: MIT */
#ifndef DATA_COLUMN_H
#define DATA_COLUMN_H

#include "data/type.h"

/*
 * A column: the values of one type for some rows, in the Arrow memory layout, immutable and
 * counted. Whoever gets a pointer by a ret_ parameter owns one reference. Any thread may read;
 * column_ref/unref are atomic.
 *
 *  validity  one bit a row, least significant first in 64-bit words, 1 = there is a value. NULL
 *            when no row is null.
 *  values    fixed-width values, or bits for BOOLEAN; a null row's value is unspecified but set.
 *  offsets   rows + 1 entries for STRING, BINARY, ARRAY, MAP; offsets[0] = 0; a null row is empty.
 *  bytes     the bytes of STRING and BINARY.
 *  children  ARRAY 1, MAP 2, STRUCT one a field. Children of a STRUCT have the same rows; where the
 *            struct is null, so are they.
 * Buffers are aligned to 64 bytes and may be read (not trusted) up to 32 bytes past their end.
 */
struct column {
    const struct type *type;
    uint32_t rows;
    uint32_t nulls;
    uint64_t *validity;
    union {
        void *values;
        uint64_t *bits;
        int8_t *i8;
        int16_t *i16;
        int32_t *i32;
        int64_t *i64;
        __int128 *i128;
        float *f32;
        double *f64;
        struct interval *intervals;
    };
    int32_t *offsets;
    char *bytes;
    uint32_t child_count;
    struct column **children;
    uint32_t refs; /* atomic */
};

struct column *column_ref(struct column *column);
void column_unref(struct column *column); /* NULL is fine */

static inline bool bit_get(const uint64_t *bits, size_t i)
{
    return bits[i >> 6] >> (i & 63) & 1;
}
static inline void bit_set(uint64_t *bits, size_t i)
{
    bits[i >> 6] |= 1ull << (i & 63);
}
static inline void bit_clear(uint64_t *bits, size_t i)
{
    bits[i >> 6] &= ~(1ull << (i & 63));
}
static inline size_t bit_words(size_t bits)
{
    return (bits + 63) / 64;
}
static inline bool column_is_null(const struct column *column, size_t row)
{
    return column->type->kind == TYPE_NULL || (column->validity && !bit_get(column->validity, row));
}
static inline struct str column_str(const struct column *column, size_t row)
{
    int32_t at = column->offsets[row];
    return str_from(column->bytes + at, (size_t)(column->offsets[row + 1] - at));
}

/* A column for its maker to fill before anybody else sees it: values and offsets are there and
 * not set (but offsets[0] = 0 and bits all 0), validity is there and all 0 when with_validity is
 * set, children and bytes are NULL: the maker puts them in (column_buffer) and sets nulls. */
struct column *column_new(const struct type *type, uint32_t rows, bool with_validity);
/* Memory for values, offsets, bytes or validity, with the alignment and slack that columns have;
 * not cleared. Freed with the column, or by mem_free. */
void *column_buffer(size_t bytes);

/* The rows named by indices, in that order; an index of UINT32_MAX gives a null row. */
enum err column_take(const struct column *column, const uint32_t *indices, size_t count,
                     struct column **ret_column) MUST_USE;
/* rows nulls of the type. */
struct column *column_nulls(const struct type *type, uint32_t rows);
/* One row repeated. */
enum err column_repeat(const struct column *column, uint32_t row, uint32_t rows,
                       struct column **ret_column) MUST_USE;
/* The columns one behind the other; all of the same type. */
enum err column_concat(struct column *const *columns, size_t count,
                       struct column **ret_column) MUST_USE;
/* Deep equality of two values of equal type; null equals null, NaN equals NaN. */
bool column_value_equal(const struct column *a, size_t a_row, const struct column *b, size_t b_row);
/* Spark's order: nulls first, NaN last, false < true, bytes unsigned. <0, 0, >0. */
int column_value_compare(const struct column *a, size_t a_row, const struct column *b,
                         size_t b_row);
/* Memory of the column and its children. */
size_t column_memory(const struct column *column);
/* Aborts when an invariant of the layout does not hold (tests, debug). */
void column_check(const struct column *column);

/* ---- building ---- */

/* Grows a column row by row. Nested types have child builders: for a STRUCT append to each child
 * and then call builder_valid(); for an ARRAY append any number to the child, then
 * builder_valid() closes the row; a null closes the row with builder_null(), which also fills the
 * children of a STRUCT and drops what the row has put into children so far. The error is sticky:
 * ERR_LIMIT over 2 GiB of bytes or bytes_max or over 2^31 - 1 rows; a text that does not fit is
 * appended empty, so that sibling builders keep in step, and builder_finish() fails.
 *
 * Hot loops may write rows themselves: builder_reserve(), then values[rows], bit_set(validity,
 * rows) for a value that is there (bits past rows are 0), nulls++ for one that is not, rows++. */
struct builder {
    const struct type *type;
    uint32_t rows;
    uint32_t rows_room; /* 0 = no buffers yet */
    uint32_t rows_hint; /* first room to take */
    uint32_t nulls;
    uint32_t width;     /* of a value in values */
    uint64_t *validity; /* always there while building */
    union {
        void *values;
        uint64_t *bits;
        int8_t *i8;
        int16_t *i16;
        int32_t *i32;
        int64_t *i64;
        __int128 *i128;
        float *f32;
        double *f64;
        struct interval *intervals;
    };
    int32_t *offsets;
    char *bytes;
    size_t bytes_count;
    size_t bytes_room;
    size_t bytes_hint; /* first room to take */
    size_t bytes_max;
    uint32_t child_count;
    struct builder **children;
    enum err err;
};

/* bytes_max 0 = INT32_MAX. rows_hint rows fit without growing. */
struct builder *builder_new(const struct type *type, uint32_t rows_hint, size_t bytes_max);
void builder_free(struct builder *builder); /* NULL is fine */
/* Room for rows more (and for the bytes of texts: builder_reserve_bytes). False, and the sticky
 * error, over the limit. */
bool builder_reserve(struct builder *builder, uint32_t rows);
bool builder_reserve_bytes(struct builder *builder, size_t bytes);
void builder_null(struct builder *builder);
void builder_valid(struct builder *builder); /* ends a STRUCT, ARRAY or MAP row */
void builder_i128(struct builder *builder, __int128 value);
void builder_interval(struct builder *builder, struct interval value);

static inline void builder_bool(struct builder *builder, bool value)
{
    uint32_t row = builder->rows;
    if (row >= builder->rows_room && !builder_reserve(builder, 1))
        return;
    builder->bits[row >> 6] |= (uint64_t)value << (row & 63);
    bit_set(builder->validity, row);
    builder->rows = row + 1;
}

/* Any integer, date, time or single-number interval type; cut to its width. */
static inline void builder_i64(struct builder *builder, int64_t value)
{
    uint32_t row = builder->rows;
    if (row >= builder->rows_room && !builder_reserve(builder, 1))
        return;
    if (builder->width == 8)
        builder->i64[row] = value;
    else if (builder->width == 4)
        builder->i32[row] = (int32_t)value;
    else if (builder->width == 2)
        builder->i16[row] = (int16_t)value;
    else
        builder->i8[row] = (int8_t)value;
    bit_set(builder->validity, row);
    builder->rows = row + 1;
}

/* FLOAT and DOUBLE */
static inline void builder_f64(struct builder *builder, double value)
{
    uint32_t row = builder->rows;
    if (row >= builder->rows_room && !builder_reserve(builder, 1))
        return;
    if (builder->width == 8)
        builder->f64[row] = value;
    else
        builder->f32[row] = (float)value;
    bit_set(builder->validity, row);
    builder->rows = row + 1;
}

/* STRING, BINARY */
static inline void builder_str(struct builder *builder, struct str value)
{
    uint32_t row = builder->rows;
    if (row >= builder->rows_room && !builder_reserve(builder, 1))
        return;
    if (value.bytes > builder->bytes_room - builder->bytes_count &&
        !builder_reserve_bytes(builder, value.bytes))
        value = STR_NONE;
    if (value.bytes)
        memcpy(builder->bytes + builder->bytes_count, value.ptr, value.bytes);
    builder->bytes_count += value.bytes;
    builder->offsets[row + 1] = (int32_t)builder->bytes_count;
    bit_set(builder->validity, row);
    builder->rows = row + 1;
}

/* Copies a value of an equal type. */
void builder_copy(struct builder *builder, const struct column *column, size_t row);
/* Takes back the last row (and what it added to children). */
void builder_undo(struct builder *builder);
/* Cuts to rows (and children to what those rows have). */
void builder_truncate(struct builder *builder, uint32_t rows);
/* Turns the builder into a column and resets it for the next. */
enum err builder_finish(struct builder *builder, struct column **ret_column) MUST_USE;

/* ---- batches: columns of the same rows ---- */

struct batch {
    const struct type *schema; /* STRUCT */
    uint32_t rows;
    uint32_t column_count;
    uint32_t refs; /* atomic */
    struct column *columns[];
};

/* Takes one reference of each column. column_count is that of the schema. */
struct batch *batch_new(const struct type *schema, uint32_t rows, struct column *const *columns);
struct batch *batch_ref(struct batch *batch);
void batch_unref(struct batch *batch);
enum err batch_take(const struct batch *batch, const uint32_t *indices, size_t count,
                    struct batch **ret_batch) MUST_USE;

/* ---- decimals ---- */

/* "12.30" -> 1230 at scale 2, HALF_UP; ERR_SYNTAX, ERR_OUT_OF_RANGE over the precision. Accepts an
 * exponent, no blanks. */
enum err decimal_parse(struct str text, unsigned precision, unsigned scale,
                       __int128 *ret_value) MUST_USE;
void decimal_print(__int128 value, unsigned scale, struct buf *out); /* plain, "-0.05" */
/* To another scale, HALF_UP; ERR_OUT_OF_RANGE. */
enum err decimal_rescale(__int128 value, unsigned from_scale, unsigned to_precision,
                         unsigned to_scale, __int128 *ret_value) MUST_USE;
__int128 decimal_power10(unsigned exponent); /* 0..38 */

/* ---- text of single values, as Spark prints them ---- */

/* Java's Double.toString / Float.toString with the shortest digits: "1.0E10", "0.001". */
void text_of_double(double value, struct buf *out);
void text_of_float(float value, struct buf *out);
/* The parts of text_of_value: "2024-01-01", years over 9999 with a +; and with a time of day,
 * whose fraction has no zeros at its end. */
void text_of_date(int64_t days, struct buf *out);
void text_of_timestamp(int64_t local_us, struct buf *out);
/* Spark's ANSI form of an INTERVAL_YM or INTERVAL_DT of the type: "INTERVAL '1-2' YEAR TO MONTH".*/
void text_of_ansi_interval(const struct type *type, int64_t value, struct buf *out);
/* "1 years 2 months 3 days 4.5 seconds" */
void text_of_interval(const struct interval *value, struct buf *out);
/* CAST(value AS STRING): dates as 2024-01-01, timestamps as 2024-01-01 12:00:00.5 in the zone,
 * binary as its bytes, nested values as {a, 1}, [1, 2], {k -> v}. A null, nested or not, is null.
 */
struct zone;
void text_of_value(const struct column *column, size_t row, const struct zone *zone,
                   struct buf *out);
/* Spark's CAST(text AS DATE / TIMESTAMP): all its forms; ERR_SYNTAX. A timestamp without a zone is
 * read in zone. */
enum err date_parse(struct str text, int32_t *ret_days) MUST_USE;
enum err timestamp_parse(struct str text, const struct zone *zone, int64_t *ret_us) MUST_USE;
/* Without a zone: TIMESTAMP_NTZ. A zone in the text is ignored (as Spark does). */
enum err timestamp_ntz_parse(struct str text, int64_t *ret_us) MUST_USE;

#endif
