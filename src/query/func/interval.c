/* SPDX-License-Identifier: MIT */
/*
 * + - * / over dates, timestamps and intervals.
 *
 *   date + int, int + date, date - int     date
 *   date - date                            INTERVAL DAY
 *   timestamp - timestamp (or a date)      INTERVAL DAY TO SECOND
 *   date + INTERVAL YEAR/MONTH/DAY         date; a finer interval makes it a TIMESTAMP
 *   timestamp + interval                   the same timestamp type
 *   interval + interval, interval * number, interval / number
 *
 * Months move the calendar date in the session's zone and stop at the end of a short month; days
 * and below of an ANSI interval are exact spans, those of a calendar interval move the date.
 */
#include "query/func/arith.h"
#include "query/func/span.h"
#include "query/func/when.h"

#include <math.h>

static const struct type *span_type(struct arena *arena, enum type_kind kind, unsigned from,
                                    unsigned to)
{
    struct type *type = arena_zero(arena, sizeof *type);
    type->kind = kind;
    type->precision = (uint8_t)from;
    type->scale = (uint8_t)to;
    return type;
}

static bool is_span(enum type_kind kind)
{
    return kind == TYPE_INTERVAL_YM || kind == TYPE_INTERVAL_DT || kind == TYPE_INTERVAL;
}

static bool is_time(enum type_kind kind)
{
    return kind == TYPE_DATE || kind_is_instant(kind);
}

static void span_overflow(struct eval *eval, const struct func_binding *binding, uint32_t row)
{
    if (!(binding->info->variant & ARITH_TRY))
        eval_fail(eval, row, "INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", "22015",
                  "%s: the interval overflows", binding->info->name);
}

static void time_overflow(struct eval *eval, const struct func_binding *binding, uint32_t row)
{
    if (!(binding->info->variant & ARITH_TRY))
        eval_fail(eval, row, "DATETIME_OVERFLOW", STATE_DATETIME, "%s: the time overflows",
                  binding->info->name);
}

static int sign_of(const struct func_binding *binding)
{
    return (binding->info->variant & ~ARITH_TRY) == ARITH_SUBTRACT ? -1 : 1;
}

/* ---- kernels ---- */

static enum err date_days(struct eval *eval, const struct func_binding *binding,
                          const struct column *const *args, uint32_t rows,
                          struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    bool date_first = binding->args[0]->kind == TYPE_DATE;
    for (uint32_t i = 0; i < rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        int64_t days = column_i64(args[date_first], i) * sign_of(binding);
        int64_t sum = args[!date_first]->i32[i] + days;
        out->i32[i] = (int32_t)sum;
        if (sum != (int32_t)sum) {
            arith_overflow(eval, binding, i);
            kernel_put_null(out, i);
        }
    }
    return kernel_finish(out, ret_column);
}

static enum err time_minus_time(struct eval *eval, const struct func_binding *binding,
                                const struct column *const *args, uint32_t rows,
                                struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    int64_t unit = binding->args[0]->kind == TYPE_DATE ? US_PER_DAY : 1;
    bool local = binding->args[0]->kind == TYPE_TIMESTAMP; /* the wall clock counts */
    const struct zone *zone = eval_zone(eval);
    for (uint32_t i = 0; i < rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        int64_t a = column_i64(args[0], i), b = column_i64(args[1], i);
        if (local) {
            a += zone_offset_at(zone, a) * US_PER_SECOND;
            b += zone_offset_at(zone, b) * US_PER_SECOND;
        }
        if (__builtin_sub_overflow(a, b, &out->i64[i]) ||
            __builtin_mul_overflow(out->i64[i], unit, &out->i64[i])) {
            arith_overflow(eval, binding, i);
            kernel_put_null(out, i);
        }
    }
    return kernel_finish(out, ret_column);
}

static struct interval span_at(const struct column *column, uint32_t row)
{
    if (column->type->kind == TYPE_INTERVAL)
        return column->intervals[row];
    if (column->type->kind == TYPE_INTERVAL_YM)
        return (struct interval){.months = column->i32[row]};
    return (struct interval){.us = column->i64[row]};
}

static enum err time_plus_span(struct eval *eval, const struct func_binding *binding,
                               const struct column *const *args, uint32_t rows,
                               struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    bool time_first = is_time(binding->args[0]->kind);
    const struct column *time = args[!time_first], *spans = args[time_first];
    const struct zone *zone = binding->result->kind == TYPE_TIMESTAMP ? eval_zone(eval) : NULL;
    for (uint32_t i = 0; i < rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        struct interval span = span_at(spans, i);
        bool good;
        if (binding->result->kind == TYPE_DATE) {
            int64_t days = when_add_months(time->i32[i], (int64_t)span.months * sign_of(binding)) +
                           (span.days + span.us / US_PER_DAY) * sign_of(binding);
            good = days == (int32_t)days;
            out->i32[i] = (int32_t)days;
        } else {
            good = when_add_span(time->i64[i], span, sign_of(binding), zone, &out->i64[i]);
        }
        if (!good) {
            time_overflow(eval, binding, i);
            kernel_put_null(out, i);
        }
    }
    return kernel_finish(out, ret_column);
}

static bool put_span(struct builder *out, uint32_t row, __int128 value)
{
    if (out->type->kind == TYPE_INTERVAL_YM) {
        out->i32[row] = (int32_t)value;
        return out->i32[row] == value;
    }
    out->i64[row] = (int64_t)value;
    return out->i64[row] == value;
}

static enum err span_plus_span(struct eval *eval, const struct func_binding *binding,
                               const struct column *const *args, uint32_t rows,
                               struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    int sign = sign_of(binding);
    for (uint32_t i = 0; i < rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        bool good;
        if (binding->result->kind == TYPE_INTERVAL) {
            struct interval a = args[0]->intervals[i], b = args[1]->intervals[i];
            int64_t months = a.months + (int64_t)b.months * sign;
            int64_t days = a.days + (int64_t)b.days * sign;
            __int128 us = a.us + (__int128)b.us * sign;
            out->intervals[i] = (struct interval){(int32_t)months, (int32_t)days, (int64_t)us};
            good = months == (int32_t)months && days == (int32_t)days && us == (int64_t)us;
        } else {
            __int128 a = column_i64(args[0], i), b = column_i64(args[1], i);
            good = put_span(out, i, a + b * sign);
        }
        if (!good) {
            span_overflow(eval, binding, i);
            kernel_put_null(out, i);
        }
    }
    return kernel_finish(out, ret_column);
}

/* span * number and span / number; HALF_UP. The number is BIGINT, DOUBLE or DECIMAL(38,18). */
static bool scale_span(const struct func_binding *binding, int64_t span, const struct column *by,
                       uint32_t row, bool divide, __int128 *ret_value)
{
    if (by->type->kind == TYPE_DOUBLE) {
        double value = divide ? (double)span / by->f64[row] : (double)span * by->f64[row];
        if (!(fabs(value) < 0x1p63))
            return false;
        *ret_value = (__int128)(value < 0 ? -floor(-value + 0.5) : floor(value + 0.5));
        return true;
    }
    if (by->type->kind == TYPE_DECIMAL) {
        __int128 power = decimal_power10(by->type->scale), number = by->i128[row], top, low = power;
        if (__builtin_mul_overflow((__int128)span, divide ? power : number, &top))
            return false;
        low = divide ? number : power;
        __int128 quotient = top / low, rest = top % low;
        __int128 twice = rest < 0 ? -rest * 2 : rest * 2, size = low < 0 ? -low : low;
        *ret_value = quotient + (twice >= size ? ((top < 0) == (low < 0) ? 1 : -1) : 0);
        return true;
    }
    int64_t number = by->i64[row];
    if (!divide) {
        *ret_value = (__int128)span * number;
        return true;
    }
    __int128 quotient = (__int128)span / number, rest = (__int128)span % number;
    __int128 twice = rest < 0 ? -rest * 2 : rest * 2,
             size = number < 0 ? -(__int128)number : number;
    *ret_value = quotient + (twice >= size ? ((span < 0) == (number < 0) ? 1 : -1) : 0);
    return true;
}

static bool is_zero(const struct column *by, uint32_t row)
{
    return by->type->kind == TYPE_DOUBLE    ? by->f64[row] == 0
           : by->type->kind == TYPE_DECIMAL ? by->i128[row] == 0
                                            : by->i64[row] == 0;
}

static enum err span_by_number(struct eval *eval, const struct func_binding *binding,
                               const struct column *const *args, uint32_t rows,
                               struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    bool span_first = is_span(binding->args[0]->kind);
    bool divide = (binding->info->variant & ~ARITH_TRY) == ARITH_DIVIDE;
    for (uint32_t i = 0; i < rows; i++) {
        __int128 value = 0;
        if (!kernel_is_valid(out, i))
            continue;
        if (divide && is_zero(args[1], i)) {
            if (!(binding->info->variant & ARITH_TRY))
                eval_fail(eval, i, "INTERVAL_DIVIDED_BY_ZERO", "22012", "division by zero");
            kernel_put_null(out, i);
        } else if (!scale_span(binding, column_i64(args[!span_first], i), args[span_first], i,
                               divide, &value) ||
                   !put_span(out, i, value)) {
            span_overflow(eval, binding, i);
            kernel_put_null(out, i);
        }
    }
    return kernel_finish(out, ret_column);
}

/* ---- bind ---- */

/* date + int and its like. */
static bool is_days(const struct type *date, const struct type *days)
{
    bool small =
        days->kind == TYPE_INT || days->kind == TYPE_SMALLINT || days->kind == TYPE_TINYINT;
    return date->kind == TYPE_DATE && small;
}

static enum err bind_difference(struct func_bind *bind, arith_kernel **ret_kernel)
{
    if (bind->session->legacy_interval)
        return bind_unsupported(bind, "%s of times with spark.sql.legacy.interval.enabled",
                                bind->info->name);
    const struct type *a = bind->args[0].type, *b = bind->args[1].type;
    const struct type *common = is_time(a->kind) && is_time(b->kind)
                                    ? type_common(bind->arena, a, b, bind->session)
                                : is_time(a->kind) ? a
                                                   : b;
    bind->out.args[0] = bind->out.args[1] = common;
    bind->out.result = span_type(bind->arena, TYPE_INTERVAL_DT, UNIT_DAY,
                                 common->kind == TYPE_DATE ? UNIT_DAY : UNIT_SECOND);
    *ret_kernel = time_minus_time;
    return OK;
}

static enum err bind_no_sum(struct func_bind *bind, const struct type *time,
                            const struct type *other, enum arith_op op)
{
    if (time->kind == TYPE_DATE || is_span(time->kind))
        return bind_bad_input(bind, 1, "INT or an INTERVAL");
    if (other->kind == TYPE_STRING && !bind->session->ansi)
        return op == ARITH_SUBTRACT ? bind_bad_input(bind, 1, "a TIMESTAMP")
                                    : bind_diff_types(bind);
    if (other->kind == TYPE_STRING || is_time(other->kind))
        return bind_wrong_type(bind);
    return bind_diff_types(bind);
}

static bool is_difference(const struct func_bind *bind, enum arith_op op)
{
    enum type_kind a = bind_kind(bind, 0), b = bind_kind(bind, 1);
    bool ansi = bind->session->ansi;
    bool text_a = a == TYPE_NULL || (a == TYPE_STRING && (ansi || b == TYPE_DATE));
    bool text_b = b == TYPE_NULL || (b == TYPE_STRING && ansi);
    if (op != ARITH_SUBTRACT)
        return false;
    return is_time(a) ? is_time(b) || text_b : text_a;
}

static enum err bind_times(struct func_bind *bind, enum arith_op op, arith_kernel **ret_kernel)
{
    const struct type *a = bind->args[0].type, *b = bind->args[1].type;
    if (is_days(a, b) || (op == ARITH_ADD && is_days(b, a))) {
        bind->out.args[is_days(a, b)] = type_simple(TYPE_INT);
        bind->out.result = type_simple(TYPE_DATE);
        *ret_kernel = date_days;
        return OK;
    }
    if (is_difference(bind, op))
        return bind_difference(bind, ret_kernel);
    const struct type *time = is_time(a->kind) ? a : b, *span = is_time(a->kind) ? b : a;
    bool unknown = span->kind == TYPE_NULL;
    if (span->kind == TYPE_NULL && time == a) {
        span = type_simple(TYPE_INTERVAL);
        bind->out.args[1] = span;
    } else if (span->kind == TYPE_NULL && op == ARITH_ADD) {
        span = type_simple(TYPE_INTERVAL);
        bind->out.args[0] = span;
    }
    if (!is_span(span->kind) || (op == ARITH_SUBTRACT && time == b))
        return bind_no_sum(bind, time, span, op);
    bool whole = span->kind == TYPE_INTERVAL_YM ||
                 (span->kind == TYPE_INTERVAL_DT && span->scale == UNIT_DAY) ||
                 span->kind == TYPE_INTERVAL;
    const struct type *result = time;
    if (time->kind == TYPE_DATE && (!whole || unknown))
        result = type_simple(TYPE_TIMESTAMP);
    bind->out.args[time == a ? 0 : 1] = result;
    bind->out.result = result;
    *ret_kernel = time_plus_span;
    return OK;
}

static enum err bind_scaled(struct func_bind *bind, enum arith_op op, arith_kernel **ret_kernel)
{
    size_t number = is_span(bind_kind(bind, 0)) ? 1 : 0;
    const struct type *type = bind->args[number].type, *span = bind->args[1 - number].type;
    if (op == ARITH_DIVIDE && number == 0)
        return bind_diff_types(bind);
    if (span->kind == TYPE_INTERVAL)
        return bind_unsupported(bind, "%s over calendar intervals", bind->info->name);
    if (kind_is_integral(type->kind))
        type = type_simple(TYPE_BIGINT);
    else if (kind_is_float(type->kind) || type->kind == TYPE_STRING || type->kind == TYPE_NULL)
        type = type_simple(TYPE_DOUBLE);
    else if (type->kind != TYPE_DECIMAL)
        return bind_diff_types(bind);
    bind->out.args[number] = type;
    bind->out.result = span->kind == TYPE_INTERVAL_YM
                           ? span_type(bind->arena, TYPE_INTERVAL_YM, UNIT_YEAR, UNIT_MONTH)
                           : span_type(bind->arena, TYPE_INTERVAL_DT, UNIT_DAY, UNIT_SECOND);
    *ret_kernel = span_by_number;
    return OK;
}

static enum err span_div(struct eval *eval, const struct func_binding *binding,
                         const struct column *const *args, uint32_t rows,
                         struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    for (uint32_t i = 0; i < rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        int64_t a = column_i64(args[0], i), b = column_i64(args[1], i);
        if (b == 0) {
            eval_fail(eval, i, "INTERVAL_DIVIDED_BY_ZERO", "22012", "division by zero");
            kernel_put_null(out, i);
        } else if (b == -1 && a == INT64_MIN) {
            arith_overflow(eval, binding, i);
            kernel_put_null(out, i);
        } else {
            out->i64[i] = a / b;
        }
    }
    return kernel_finish(out, ret_column);
}

/* A span that meets something else: what has days to seconds is taken for a step of a time. */
static enum err bind_mixed_spans(struct func_bind *bind, enum arith_op op)
{
    if (bind_kind(bind, 1) == TYPE_INTERVAL_DT ||
        (op == ARITH_ADD && bind_kind(bind, 0) == TYPE_INTERVAL_DT))
        return bind_bad_input(bind, 1, "an INTERVAL of the same kind");
    return bind_diff_types(bind);
}

enum err interval_bind(struct func_bind *bind, enum arith_op op)
{
    enum type_kind a = bind_kind(bind, 0), b = bind_kind(bind, 1);
    if (!is_span(a) && !is_time(a) && !is_span(b) && !is_time(b))
        return ERR_NOT_FOUND;
    struct arith *arith = bind->out.state;
    bool sum = op == ARITH_ADD || op == ARITH_SUBTRACT;
    if (op == ARITH_DIV && a == b && (a == TYPE_INTERVAL_YM || a == TYPE_INTERVAL_DT)) {
        bind->out.result = type_simple(TYPE_BIGINT);
        arith->eval = span_div;
        return OK;
    }
    if (!sum && (is_time(a) || is_time(b) || (op != ARITH_MULTIPLY && op != ARITH_DIVIDE))) {
        bool text = bind->session->ansi && (a == TYPE_STRING || b == TYPE_STRING);
        bool common = text || type_equal(bind->args[0].type, bind->args[1].type);
        return common ? bind_wrong_type(bind) : bind_diff_types(bind);
    }
    if (is_time(a) || is_time(b))
        return bind_times(bind, op, &arith->eval);
    if (!sum)
        return bind_scaled(bind, op, &arith->eval);
    if (a == TYPE_STRING || b == TYPE_STRING)
        return bind_unsupported(bind, "%s of a text and an interval", bind->info->name);
    if (a != b && a != TYPE_NULL && b != TYPE_NULL)
        return bind_mixed_spans(bind, op);
    TRY(bind_common(bind, 0, NULL));
    arith->eval = span_plus_span;
    return OK;
}
