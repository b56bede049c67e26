/* SPDX-License-Identifier: MIT */
/*
 * sequence(start, stop[, step]) over integers, dates and timestamps; both ends belong to it.
 *
 * The step is 1 or -1 by default, for times one day; dates and timestamps step by an interval, by
 * multiples from the start, so that months keep their day where they can.
 */
#include "query/func/kernel.h"
#include "query/func/when.h"

#include <inttypes.h>

enum { SEQUENCE_MAX = 1 << 26 };

static bool is_span(enum type_kind kind)
{
    return kind == TYPE_INTERVAL || kind == TYPE_INTERVAL_DT || kind == TYPE_INTERVAL_YM;
}

/* What NULL ends are taken for: the other end, or what the step counts. */
static const struct type *ends_of(struct func_bind *bind)
{
    const struct type *common =
        type_common(bind->arena, bind->args[0].type, bind->args[1].type, bind->session);
    if (!common || common->kind != TYPE_NULL)
        return common;
    bool step = bind->count == 3 && kind_is_integral(bind_kind(bind, 2));
    return step ? bind->args[2].type : common;
}

static enum err sequence_bind(struct func_bind *bind)
{
    const struct type *common = ends_of(bind);
    bool time = common && (common->kind == TYPE_DATE || kind_is_instant(common->kind));
    bool whole = common && kind_is_integral(common->kind);
    bool step = bind->count == 3;
    bool any_step = step && bind_kind(bind, 2) == TYPE_NULL;
    if (whole && step && (kind_is_integral(bind_kind(bind, 2)) || any_step))
        common = type_common(bind->arena, common, bind->args[2].type, bind->session);
    else if (whole && step)
        whole = false;
    if (!(whole || time) || (time && step && !any_step && !is_span(bind_kind(bind, 2))))
        return bind_fail(bind, "DATATYPE_MISMATCH.SEQUENCE_WRONG_INPUT_TYPES", "42K09",
                         "sequence takes two integers, or two times and an interval");
    bind->out.args[0] = bind->out.args[1] = common;
    if (whole && step)
        bind->out.args[2] = common;
    bind->out.result = type_array(bind->arena, common, false);
    return OK;
}

static struct interval step_of(const struct func_call *call)
{
    bool back = column_i64(call->args[0], call->row) > column_i64(call->args[1], call->row);
    if (call->count < 3)
        return (struct interval){.days = back ? -1 : 1};
    const struct column *c = call->args[2];
    if (c->type->kind == TYPE_INTERVAL)
        return c->intervals[call->row];
    if (c->type->kind == TYPE_INTERVAL_YM)
        return (struct interval){.months = c->i32[call->row]};
    int64_t us = c->i64[call->row];
    return (struct interval){.days = (int32_t)(us / US_PER_DAY), .us = us % US_PER_DAY};
}

static void bad_bounds(struct func_call *call, int64_t from, int64_t to, int64_t step)
{
    call_fail(call, "ILLEGAL_SEQUENCE_BOUNDARIES", "22023",
              "Illegal sequence boundaries: %" PRId64 " to %" PRId64 " by %" PRId64, from, to,
              step);
}

static bool too_many(struct func_call *call, __int128 count)
{
    enum { ARRAY_MAX = 2147483632 }; /* of Spark */
    if (count <= SEQUENCE_MAX)
        return false;
    decimal_print(count, 0, &call->buf);
    call_fail(call, "COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", "54000",
              "Can't create array with %.*s elements which exceeding the array size limit %d, the "
              "value of parameter(s) `count` in the function `sequence` is invalid.",
              STR_ARG(buf_str(&call->buf)), count > ARRAY_MAX ? ARRAY_MAX : SEQUENCE_MAX);
    return true;
}

static void integer_sequence(struct func_call *call)
{
    int64_t from = column_i64(call->args[0], call->row), to = column_i64(call->args[1], call->row);
    int64_t step = call->count == 3 ? column_i64(call->args[2], call->row) : from <= to ? 1 : -1;
    if ((step > 0 && from > to) || (step < 0 && from < to) || (step == 0 && from != to)) {
        bad_bounds(call, from, to, step);
        return;
    }
    __int128 count = step == 0 ? 1 : ((__int128)to - from) / step + 1;
    if (too_many(call, count))
        return;
    for (int64_t i = 0; i < (int64_t)count; i++)
        builder_i64(call->out->children[0], from + i * step);
    builder_valid(call->out);
}

static void time_sequence(struct func_call *call)
{
    enum type_kind kind = call->args[0]->type->kind;
    const struct zone *zone = kind == TYPE_TIMESTAMP ? eval_zone(call->eval) : NULL;
    int64_t unit = kind == TYPE_DATE ? US_PER_DAY : 1, at;
    int64_t from = column_i64(call->args[0], call->row) * unit;
    int64_t to = column_i64(call->args[1], call->row) * unit;
    struct interval step = step_of(call);
    __int128 rough = (__int128)step.months * 28 * US_PER_DAY + step.days * US_PER_DAY + step.us;
    if (kind == TYPE_DATE && call->count == 3 && step.months == 0 && step.days == 0) {
        bool span = call->args[2]->type->kind == TYPE_INTERVAL;
        call_fail(call, "INTERNAL_ERROR", "XX000",
                  "sequence step must be an interval%s of day granularity if start and end values "
                  "are dates",
                  span ? "" : " day to second");
        return;
    }
    if ((rough > 0 && from > to) || (rough < 0 && from < to) || (rough == 0 && from != to)) {
        bad_bounds(call, from, to, (int64_t)rough);
        return;
    }
    if (rough && too_many(call, ((__int128)to - from) / rough + 1))
        return;
    /* a step backwards may pass the end by one microsecond, as in Spark */
    for (int32_t i = 0; i <= SEQUENCE_MAX; i++) {
        struct interval span;
        if (__builtin_mul_overflow(step.months, i, &span.months) ||
            __builtin_mul_overflow(step.days, i, &span.days) ||
            __builtin_mul_overflow(step.us, (int64_t)i, &span.us)) {
            call_fail(call, "ARITHMETIC_OVERFLOW", STATE_DATETIME, "sequence: long overflow");
            return;
        }
        if (!when_add_span(from, span, 1, zone, &at) || (rough > 0 ? at > to : at < to - 1))
            break;
        builder_i64(call->out->children[0], at / unit);
        if (rough == 0)
            break;
    }
    builder_valid(call->out);
}

static void sequence_row(struct func_call *call)
{
    if (kind_is_integral(call->args[0]->type->kind))
        integer_sequence(call);
    else
        time_sequence(call);
}

const struct func_info func_sequence[] = {
    {"sequence", 2, 3, true, false, sequence_bind, kernel_rows, "sequence(start, stop[, step])",
     .row = sequence_row},
    {.name = NULL},
};
