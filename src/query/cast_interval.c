/* SPDX-License-Identifier: MIT */
/*
 * Casts of ANSI intervals: to another range of units (what is below the last unit is cut off
 * towards zero), to a number of their only unit, and from such a number.
 */
#include "query/cast.h"
#include "query/func/span.h"

static int64_t unit_of(const struct type *type)
{
    if (type->kind == TYPE_INTERVAL_YM)
        return type->scale == UNIT_YEAR ? 12 : 1;
    return span_unit_us(type->scale);
}

static bool put(struct builder *out, uint32_t row, __int128 value)
{
    switch (type_width(out->type)) {
    case 1:
        out->i8[row] = (int8_t)value;
        return out->i8[row] == value;
    case 2:
        out->i16[row] = (int16_t)value;
        return out->i16[row] == value;
    case 4:
        out->i32[row] = (int32_t)value;
        return out->i32[row] == value;
    default:
        out->i64[row] = (int64_t)value;
        return out->i64[row] == value;
    }
}

/* A decimal of the last unit: seconds keep their fraction, HALF_UP to microseconds; months are
 * rounded HALF_UP, the others cut. */
static bool from_decimal(const struct cast *cast, struct builder *out, uint32_t row)
{
    __int128 value, power = decimal_power10(cast->from->type->scale);
    bool rounds = cast->to->kind == TYPE_INTERVAL_DT ? cast->to->scale == UNIT_SECOND
                                                     : cast->to->scale == UNIT_MONTH;
    if (!rounds)
        return put(out, row, cast->from->i128[row] / power * unit_of(cast->to));
    if (__builtin_mul_overflow(cast->from->i128[row], (__int128)unit_of(cast->to), &value))
        return false;
    __int128 rest = value % power, size = rest < 0 ? -rest : rest;
    return put(out, row, value / power + (size >= power - size ? (value < 0 ? -1 : 1) : 0));
}

static bool interval_row(const struct cast *cast, struct builder *out, uint32_t row)
{
    const struct type *from = cast->from->type, *to = cast->to;
    bool from_span = from->kind == TYPE_INTERVAL_YM || from->kind == TYPE_INTERVAL_DT;
    bool to_span = to->kind == TYPE_INTERVAL_YM || to->kind == TYPE_INTERVAL_DT;
    if (from->kind == TYPE_DECIMAL)
        return from_decimal(cast, out, row);
    int64_t value = column_i64(cast->from, row);
    if (from_span && to_span)
        return put(out, row,
                   to->kind == TYPE_INTERVAL_DT && to->scale == UNIT_SECOND
                       ? value
                       : value - value % unit_of(to));
    if (to_span)
        return put(out, row, (__int128)value * unit_of(to));
    if (to->kind == TYPE_DECIMAL && from->scale == UNIT_SECOND && from->kind == TYPE_INTERVAL_DT)
        return decimal_rescale(value, 6, to->precision, to->scale, &out->i128[row]) == OK;
    if (to->kind == TYPE_DECIMAL)
        return decimal_rescale(value / unit_of(from), 0, to->precision, to->scale,
                               &out->i128[row]) == OK;
    return put(out, row, value / unit_of(from));
}

enum err cast_intervals(const struct cast *cast, struct column **ret_column)
{
    struct builder *out = kernel_fixed(cast->to, &cast->from, 1, cast->from->rows);
    for (uint32_t i = 0; i < out->rows; i++) {
        if (!kernel_is_valid(out, i) || interval_row(cast, out, i))
            continue;
        kernel_put_null(out, i);
        if (cast->to->kind == TYPE_DECIMAL)
            cast_bad_decimal(cast, i);
        else
            cast_overflow(cast, i);
    }
    return kernel_finish(out, ret_column);
}
