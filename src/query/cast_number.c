/* SPDX-License-Identifier: MIT */
/*
 * Casts among BOOLEAN, integers, floats and decimals, and of text to them.
 *
 * Under ANSI (and in try_cast) what does not fit fails with CAST_OVERFLOW, for decimals
 * NUMERIC_VALUE_OUT_OF_RANGE. Without ANSI integers wrap, floats stop at the ends of their type as
 * Java's (int) does, and decimals become NULL. A float becomes a decimal through its shortest
 * text, as Java's BigDecimal.valueOf.
 */
#include "query/cast.h"
#include "query/cast_text.h"

#include <math.h>

static int bits_of(enum type_kind kind)
{
    return kind == TYPE_TINYINT ? 8 : kind == TYPE_SMALLINT ? 16 : kind == TYPE_INT ? 32 : 64;
}

static void put_integer(struct builder *out, uint32_t row, int64_t value)
{
    switch (out->type->kind) {
    case TYPE_TINYINT:
        out->i8[row] = (int8_t)value;
        break;
    case TYPE_SMALLINT:
        out->i16[row] = (int16_t)value;
        break;
    case TYPE_INT:
        out->i32[row] = (int32_t)value;
        break;
    default:
        out->i64[row] = value;
        break;
    }
}

static bool fits(enum type_kind kind, int64_t value)
{
    int shift = 64 - bits_of(kind);
    return (int64_t)((uint64_t)value << shift) >> shift == value;
}

/* False when it does not fit and the cast is strict. */
static bool integer_to_integer(const struct cast *cast, struct builder *out, uint32_t row,
                               int64_t value)
{
    bool strict = cast->try_cast || cast->eval->session->ansi;
    if (strict && !fits(out->type->kind, value))
        return false;
    put_integer(out, row, value);
    return true;
}

static bool double_to_integer(const struct cast *cast, struct builder *out, uint32_t row,
                              double value)
{
    bool strict = cast->try_cast || cast->eval->session->ansi;
    int bits = bits_of(out->type->kind);
    double limit = ldexp(1, bits - 1);
    if (strict) {
        if (!(floor(value) < limit && ceil(value) >= -limit))
            return false;
        put_integer(out, row, (int64_t)value);
        return true;
    }
    double java = ldexp(1, bits == 64 ? 63 : 31); /* small types go through int */
    int64_t cut = value != value  ? 0
                  : value >= java ? (bits == 64 ? INT64_MAX : INT32_MAX)
                  : value < -java ? (bits == 64 ? INT64_MIN : INT32_MIN)
                                  : (int64_t)value;
    put_integer(out, row, cut);
    return true;
}

static bool decimal_to_integer(const struct cast *cast, struct builder *out, uint32_t row,
                               __int128 value)
{
    __int128 whole = value / decimal_power10(cast->from->type->scale);
    bool in_long = whole >= INT64_MIN && whole <= INT64_MAX;
    if ((cast->try_cast || cast->eval->session->ansi) && !in_long)
        return false;
    return integer_to_integer(cast, out, row, (int64_t)whole);
}

static bool double_to_decimal(const struct cast *cast, struct builder *out, uint32_t row,
                              double value, bool *ret_quiet)
{
    char bytes[64];
    struct buf text;
    buf_init(&text, sizeof bytes);
    *ret_quiet = !isfinite(value);
    bool good = !*ret_quiet;
    if (good) {
        if (cast->from->type->kind == TYPE_FLOAT)
            text_of_double((double)(float)value, &text);
        else
            text_of_double(value, &text);
        good = decimal_parse(buf_str(&text), cast->to->precision, cast->to->scale,
                             &out->i128[row]) == OK;
    }
    buf_deinit(&text);
    return good;
}

/* ---- one row of a number as any other ---- */

static bool from_integer(const struct cast *cast, struct builder *out, uint32_t row, int64_t value)
{
    switch (cast->to->kind) {
    case TYPE_BOOLEAN:
        kernel_put_bool(out, row, value != 0);
        return true;
    case TYPE_FLOAT:
        out->f32[row] = (float)value;
        return true;
    case TYPE_DOUBLE:
        out->f64[row] = (double)value;
        return true;
    case TYPE_DECIMAL:
        return decimal_rescale(value, 0, cast->to->precision, cast->to->scale, &out->i128[row]) ==
               OK;
    default:
        return integer_to_integer(cast, out, row, value);
    }
}

static bool from_double(const struct cast *cast, struct builder *out, uint32_t row, double value,
                        bool *ret_quiet)
{
    switch (cast->to->kind) {
    case TYPE_BOOLEAN:
        kernel_put_bool(out, row, value != 0);
        return true;
    case TYPE_FLOAT:
        out->f32[row] = (float)value;
        return true;
    case TYPE_DOUBLE:
        out->f64[row] = value;
        return true;
    case TYPE_DECIMAL:
        return double_to_decimal(cast, out, row, value, ret_quiet);
    default:
        return double_to_integer(cast, out, row, value);
    }
}

/* The nearest double of a decimal: through its text, as dividing would round twice. */
static double decimal_to_double(__int128 value, unsigned scale)
{
    if (value > -(1LL << 53) && value < (1LL << 53) && scale <= 22)
        return (double)(int64_t)value / (double)decimal_power10(scale);
    struct buf text;
    buf_init(&text, 128);
    decimal_print(value, scale, &text);
    double result = 0;
    if (cast_text_double(buf_str(&text), &result) != OK)
        result = NAN;
    buf_deinit(&text);
    return result;
}

static bool from_decimal(const struct cast *cast, struct builder *out, uint32_t row, __int128 value)
{
    const struct type *from = cast->from->type;
    switch (cast->to->kind) {
    case TYPE_BOOLEAN:
        kernel_put_bool(out, row, value != 0);
        return true;
    case TYPE_FLOAT:
        out->f32[row] = (float)decimal_to_double(value, from->scale);
        return true;
    case TYPE_DOUBLE:
        out->f64[row] = decimal_to_double(value, from->scale);
        return true;
    case TYPE_DECIMAL:
        return decimal_rescale(value, from->scale, cast->to->precision, cast->to->scale,
                               &out->i128[row]) == OK;
    default:
        return decimal_to_integer(cast, out, row, value);
    }
}

static bool number_row(const struct cast *cast, struct builder *out, uint32_t row, bool *ret_quiet)
{
    const struct column *from = cast->from;
    switch (from->type->kind) {
    case TYPE_BOOLEAN:
        return from_integer(cast, out, row, bit_get(from->bits, row));
    case TYPE_FLOAT:
        return from_double(cast, out, row, (double)from->f32[row], ret_quiet);
    case TYPE_DOUBLE:
        return from_double(cast, out, row, from->f64[row], ret_quiet);
    case TYPE_DECIMAL:
        return from_decimal(cast, out, row, from->i128[row]);
    default:
        return from_integer(cast, out, row, column_i64(from, row));
    }
}

/* The casts that every expression of mixed integers does: no row can fail. */
static bool widen(const struct column *from, struct builder *out)
{
    enum type_kind a = from->type->kind, b = out->type->kind;
    if (a == TYPE_INT && b == TYPE_BIGINT)
        for (uint32_t i = 0; i < out->rows; i++)
            out->i64[i] = from->i32[i];
    else if (a == TYPE_INT && b == TYPE_DOUBLE)
        for (uint32_t i = 0; i < out->rows; i++)
            out->f64[i] = from->i32[i];
    else if (a == TYPE_BIGINT && b == TYPE_DOUBLE)
        for (uint32_t i = 0; i < out->rows; i++)
            out->f64[i] = (double)from->i64[i];
    else if (a == TYPE_FLOAT && b == TYPE_DOUBLE)
        for (uint32_t i = 0; i < out->rows; i++)
            out->f64[i] = (double)from->f32[i];
    else
        return false;
    return true;
}

enum err cast_numbers(const struct cast *cast, struct column **ret_column)
{
    struct builder *out = kernel_fixed(cast->to, &cast->from, 1, cast->from->rows);
    bool done = widen(cast->from, out);
    for (uint32_t i = 0; !done && i < out->rows; i++) {
        bool quiet = false;
        if (!kernel_is_valid(out, i) || number_row(cast, out, i, &quiet))
            continue;
        kernel_put_null(out, i);
        if (cast->to->kind != TYPE_DECIMAL)
            cast_overflow(cast, i);
        else if (!quiet)
            cast_bad_decimal(cast, i);
    }
    return kernel_finish(out, ret_column);
}
