/* SPDX-License-Identifier: MIT */
/*
 * Casts between dates, timestamps and numbers.
 *
 * A TIMESTAMP is an instant: as a date or TIMESTAMP_NTZ it is read on the wall clock of the
 * session's zone. As a number it is seconds; integers are cut down (floor). Numbers become
 * timestamps as seconds, with what passes int64_t stopping at its ends.
 */
#include "query/cast.h"

#include <math.h>

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t local_of(const struct cast *cast, int64_t us)
{
    return us + zone_offset_at(eval_zone(cast->eval), us) * US_PER_SECOND;
}

static int64_t time_of(const struct cast *cast, uint32_t row)
{
    const struct column *from = cast->from;
    const struct zone *zone = eval_zone(cast->eval);
    bool to_instant = cast->to->kind == TYPE_TIMESTAMP;
    int64_t local;
    if (from->type->kind == TYPE_TIMESTAMP) {
        int64_t us = from->i64[row];
        return to_instant ? us : local_of(cast, us);
    }
    local = from->type->kind == TYPE_DATE ? from->i32[row] * US_PER_DAY : from->i64[row];
    return to_instant ? zone_local_to_us(zone, local) : local;
}

static bool seconds_of_double(double seconds, int64_t *ret_us)
{
    double us = seconds * 1e6;
    if (!isfinite(seconds))
        return false;
    *ret_us = us >= 0x1p63 ? INT64_MAX : us < -0x1p63 ? INT64_MIN : (int64_t)us;
    return true;
}

static bool number_to_instant(const struct cast *cast, uint32_t row, int64_t *ret_us)
{
    const struct column *from = cast->from;
    int64_t seconds;
    switch (from->type->kind) {
    case TYPE_FLOAT:
        return seconds_of_double((double)from->f32[row], ret_us);
    case TYPE_DOUBLE:
        return seconds_of_double(from->f64[row], ret_us);
    case TYPE_DECIMAL:
        if (from->type->scale <= 6)
            *ret_us = (int64_t)(from->i128[row] * decimal_power10(6u - from->type->scale));
        else
            *ret_us = (int64_t)(from->i128[row] / decimal_power10(from->type->scale - 6u));
        return true;
    case TYPE_BOOLEAN:
        *ret_us = bit_get(from->bits, row);
        return true;
    default:
        seconds = column_i64(from, row);
        if (__builtin_mul_overflow(seconds, US_PER_SECOND, ret_us))
            *ret_us = seconds < 0 ? INT64_MIN : INT64_MAX;
        return true;
    }
}

/* TIMESTAMP as seconds in any number type. */
static bool instant_to_number(const struct cast *cast, struct builder *out, uint32_t row)
{
    int64_t us = cast->from->i64[row], seconds = floor_div(us, US_PER_SECOND);
    bool strict = cast->eval->session->ansi || cast->try_cast;
    switch (cast->to->kind) {
    case TYPE_BOOLEAN:
        kernel_put_bool(out, row, us != 0);
        return true;
    case TYPE_FLOAT:
        out->f32[row] = (float)((double)us / 1e6);
        return true;
    case TYPE_DOUBLE:
        out->f64[row] = (double)us / 1e6;
        return true;
    case TYPE_DECIMAL:
        return decimal_rescale(us, 6, cast->to->precision, cast->to->scale, &out->i128[row]) == OK;
    case TYPE_TINYINT:
        out->i8[row] = (int8_t)seconds;
        return !strict || out->i8[row] == seconds;
    case TYPE_SMALLINT:
        out->i16[row] = (int16_t)seconds;
        return !strict || out->i16[row] == seconds;
    case TYPE_INT:
        out->i32[row] = (int32_t)seconds;
        return !strict || out->i32[row] == seconds;
    default:
        out->i64[row] = seconds;
        return true;
    }
}

static void time_row(const struct cast *cast, struct builder *out, uint32_t row)
{
    enum type_kind from = cast->from->type->kind, to = cast->to->kind;
    if (to == TYPE_TIMESTAMP && from != TYPE_DATE && !kind_is_instant(from)) {
        if (!number_to_instant(cast, row, &out->i64[row])) {
            cast_bad_input(cast, row);
            kernel_put_null(out, row);
        }
    } else if (to == TYPE_DATE) {
        out->i32[row] = (int32_t)floor_div(time_of(cast, row), US_PER_DAY);
    } else if (kind_is_instant(to)) {
        out->i64[row] = time_of(cast, row);
    } else if (from == TYPE_DATE) { /* a number or BOOLEAN: always NULL, not under ANSI */
        kernel_put_null(out, row);
    } else if (!instant_to_number(cast, out, row)) {
        kernel_put_null(out, row);
        if (to == TYPE_DECIMAL)
            cast_bad_decimal(cast, row);
        else
            cast_overflow(cast, row);
    }
}

enum err cast_times(const struct cast *cast, struct column **ret_column)
{
    struct builder *out = kernel_fixed(cast->to, &cast->from, 1, cast->from->rows);
    for (uint32_t i = 0; i < out->rows; i++)
        if (kernel_is_valid(out, i))
            time_row(cast, out, i);
    return kernel_finish(out, ret_column);
}
