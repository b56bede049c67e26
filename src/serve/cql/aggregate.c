/* SPDX-License-Identifier: MIT */
/*
 * count, min, max, sum and avg: one state a call and group.
 *
 * Sums have the type of their column and wrap as it does; means are exact sums over a count: whole
 * numbers are summed as varint, so that a mean never overflows on the way, and cut towards zero.
 * Nulls do not count; without a value count and sum are 0, avg is 0, min and max are null.
 */
#include "serve/cql/function.h"

struct aggregate {
    const struct expr *call;
    char kind; /* first letter but one tells them apart: cOunt mIn mAx sUm aVg */
    int64_t count;
    const struct cql_type *sum_type;
    struct buf value; /* the best so far, or the sum */
    bool any;
};

struct aggregate *fold_new(const struct expr *x)
{
    struct aggregate *aggregate = mem_zero(sizeof *aggregate);
    aggregate->call = x;
    aggregate->kind = x->function->name[1];
    aggregate->sum_type = x->count ? x->items[0]->type : NULL;
    if (aggregate->kind == 'v' && aggregate->sum_type && is_whole_number(aggregate->sum_type))
        aggregate->sum_type = cql_simple(CQL_VARINT);
    return aggregate;
}

void fold_free(struct aggregate *aggregate)
{
    if (!aggregate)
        return;
    buf_deinit(&aggregate->value);
    mem_free(aggregate);
}

void fold_reset(struct aggregate *aggregate)
{
    aggregate->count = 0;
    aggregate->any = false;
    buf_reset(&aggregate->value);
}

static void keep(struct aggregate *aggregate, struct str value)
{
    buf_reset(&aggregate->value);
    buf_str_append(&aggregate->value, value);
    aggregate->any = true;
}

static enum err add_sum(struct aggregate *aggregate, struct expr_run *run, struct str value)
{
    const struct cql_type *from = aggregate->call->items[0]->type, *type = aggregate->sum_type;
    struct str sum, item;
    if (value.bytes == 0)
        return OK;
    TRY(number_convert(run->arena, from, value, type, &item));
    if (aggregate->any)
        TRY(operation_apply(run, '+', type, buf_str(&aggregate->value), item, &sum));
    else
        sum = item;
    keep(aggregate, sum);
    return buf_error(&aggregate->value);
}

enum err fold_add(struct aggregate *aggregate, struct expr_run *run)
{
    const struct expr *call = aggregate->call;
    if (call->count == 0) {
        aggregate->count++;
        return OK;
    }
    struct str value;
    TRY(expr_eval(run, call->items[0], &value));
    if (!value.ptr || expr_is_unset(value))
        return OK;
    aggregate->count++;
    const struct cql_type *type = call->items[0]->type;
    switch (aggregate->kind) {
    case 'i':
        if (!aggregate->any || cql_value_compare(type, value, buf_str(&aggregate->value)) < 0)
            keep(aggregate, value);
        break;
    case 'a':
        if (!aggregate->any || cql_value_compare(type, value, buf_str(&aggregate->value)) > 0)
            keep(aggregate, value);
        break;
    case 'o':
        break;
    default:
        return add_sum(aggregate, run, value);
    }
    return buf_error(&aggregate->value);
}

enum err fold_result(struct aggregate *aggregate, struct expr_run *run, struct str *ret)
{
    const struct expr *call = aggregate->call;
    struct str value = aggregate->any ? value_of_buf(run->arena, &aggregate->value) : STR_NONE;
    switch (aggregate->kind) {
    case 'o':
        *ret = value_of_i64(run->arena, aggregate->count);
        return OK;
    case 'i':
    case 'a':
        *ret = value;
        return OK;
    default:
        break;
    }
    const struct cql_type *type = aggregate->sum_type;
    if (!aggregate->any)
        value = number_of_i64(run->arena, type, 0);
    else if (aggregate->kind == 'v')
        TRY(operation_apply(run, '/', type, value,
                            number_of_i64(run->arena, type, aggregate->count), &value));
    return number_convert(run->arena, type, value, call->type, ret);
}

static enum err call_never(struct expr_run *run, const struct expr *x, const struct str *args,
                           struct str *ret)
{
    (void)run;
    (void)x;
    (void)args;
    (void)ret;
    return ERR_STATE;
}

const struct cql_function functions_aggregate[] = {
    {"count", NULL, 1, {PATTERN_ANY}, CQL_BIGINT, true, true, call_never},
    {"min", NULL, 1, {PATTERN_ANY}, RESULT_SAME, true, true, call_never},
    {"max", NULL, 1, {PATTERN_ANY}, RESULT_SAME, true, true, call_never},
    {"sum", NULL, 1, {PATTERN_NUMBER}, RESULT_SAME, true, true, call_never},
    {"avg", NULL, 1, {PATTERN_NUMBER}, RESULT_SAME, true, true, call_never},
    {0},
};
