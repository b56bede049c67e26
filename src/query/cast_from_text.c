/* SPDX-License-Identifier: MIT */
/* Casts of STRING columns: one parse a row, CAST_INVALID_INPUT when it fails under ANSI. A decimal
 * of too many digits is NUMERIC_VALUE_OUT_OF_RANGE, what is no calendar interval is NULL always.
 *
 * A time of day alone ("10:11:12", "T10", "10:11:12 UTC") is that time today, in its zone: the
 * moment of the run decides, so a plan does not fold it. Not as TIMESTAMP_NTZ, as in Spark. */
#include "query/cast.h"
#include "query/cast_text.h"
#include "query/func/span.h"

static enum err integer_text(const struct cast *cast, struct builder *out, uint32_t row,
                             struct str text)
{
    int64_t value;
    TRY(cast_text_integer(text, !cast->eval->session->ansi && !cast->try_cast, &value));
    switch (cast->to->kind) {
    case TYPE_TINYINT:
        out->i8[row] = (int8_t)value;
        return out->i8[row] == value ? OK : ERR_OUT_OF_RANGE;
    case TYPE_SMALLINT:
        out->i16[row] = (int16_t)value;
        return out->i16[row] == value ? OK : ERR_OUT_OF_RANGE;
    case TYPE_INT:
        out->i32[row] = (int32_t)value;
        return out->i32[row] == value ? OK : ERR_OUT_OF_RANGE;
    default:
        out->i64[row] = value;
        return OK;
    }
}

static enum err clock_row(const struct cast *cast, struct builder *out, uint32_t row,
                          struct str text)
{
    const struct zone *session = eval_zone(cast->eval), *zone = session;
    struct str rest;
    if (!cast_text_is_clock(text, &text, &rest) || text.bytes > 100 ||
        (rest.bytes && zone_find(rest, &zone) != OK))
        return ERR_SYNTAX;
    int64_t now = cast->eval->session->now_us;
    bool planning = now == EVAL_NO_CLOCK;
    if (planning)
        now = 0;
    int64_t local = now + zone_offset_at(zone, now) * US_PER_SECOND;
    int64_t day = local / US_PER_DAY - (local % US_PER_DAY < 0);
    struct buf stamp;
    buf_init(&stamp, 0);
    text_of_date((int32_t)day, &stamp);
    buf_printf(&stamp, "T%.*s", STR_ARG(text));
    enum err err = timestamp_parse(buf_str(&stamp), session, &out->i64[row]);
    buf_deinit(&stamp);
    if (err == OK && planning)
        eval_fail(cast->eval, row, "UNSUPPORTED_FEATURE", "0A000", "no clock while planning");
    return err;
}

static enum err text_row(const struct cast *cast, struct builder *out, uint32_t row,
                         struct str text)
{
    bool truth;
    switch (cast->to->kind) {
    case TYPE_BOOLEAN:
        TRY(cast_text_boolean(text, &truth));
        kernel_put_bool(out, row, truth);
        return OK;
    case TYPE_FLOAT:
        return cast_text_float(text, &out->f32[row]);
    case TYPE_DOUBLE:
        return cast_text_double(text, &out->f64[row]);
    case TYPE_DECIMAL:
        return cast_text_decimal(text, cast->to->precision, cast->to->scale, &out->i128[row]);
    case TYPE_DATE:
        return date_parse(text, &out->i32[row]);
    case TYPE_TIMESTAMP:
        if (timestamp_parse(text, eval_zone(cast->eval), &out->i64[row]) == OK)
            return OK;
        return clock_row(cast, out, row, text);
    case TYPE_TIMESTAMP_NTZ:
        return timestamp_ntz_parse(text, &out->i64[row]);
    case TYPE_INTERVAL_YM:
        return span_parse_months(text, cast->to, &out->i32[row]);
    case TYPE_INTERVAL_DT:
        return span_parse_us(text, cast->to, &out->i64[row]);
    case TYPE_INTERVAL:
        return span_parse(text, &out->intervals[row]);
    default:
        return integer_text(cast, out, row, text);
    }
}

enum err cast_from_text(const struct cast *cast, struct column **ret_column)
{
    if (type_is_nested(cast->to))
        return ERR_UNSUPPORTED;
    struct builder *out = kernel_fixed(cast->to, &cast->from, 1, cast->from->rows);
    for (uint32_t i = 0; i < out->rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        enum err err = text_row(cast, out, i, column_str(cast->from, i));
        if (err == OK)
            continue;
        kernel_put_null(out, i);
        if (cast->to->kind == TYPE_DECIMAL && err == ERR_OUT_OF_RANGE)
            cast_bad_decimal(cast, i);
        else if (cast->to->kind != TYPE_INTERVAL)
            cast_bad_input(cast, i);
    }
    return kernel_finish(out, ret_column);
}
