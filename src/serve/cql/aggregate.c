/* SPDX-License-Identifier: MIT */
/*
 * count, min, max, sum and avg: one state a call and group.
 *
 * Nulls do not count; without a value count is 0, min and max are null. Sums and means: sum.c.
 */
#include "serve/cql/function.h"

struct aggregate {
    const struct expr *call;
    char kind; /* first letter but one tells them apart: cOunt mIn mAx sUm aVg */
    int64_t count;
    struct number_sum sum;
    struct buf value; /* the best so far */
    bool any;
};

static bool sums(const struct aggregate *aggregate)
{
    return aggregate->kind == 'u' || aggregate->kind == 'v';
}

struct aggregate *fold_new(const struct expr *x)
{
    struct aggregate *aggregate = mem_zero(sizeof *aggregate);
    aggregate->call = x;
    aggregate->kind = x->function->name[1];
    if (sums(aggregate))
        number_sum_init(&aggregate->sum, x->items[0]->type, aggregate->kind == 'v');
    return aggregate;
}

void fold_free(struct aggregate *aggregate)
{
    if (!aggregate)
        return;
    number_sum_deinit(&aggregate->sum);
    buf_deinit(&aggregate->value);
    mem_free(aggregate);
}

void fold_reset(struct aggregate *aggregate)
{
    aggregate->count = 0;
    aggregate->any = false;
    number_sum_reset(&aggregate->sum);
    buf_reset(&aggregate->value);
}

static void keep(struct aggregate *aggregate, struct str value)
{
    buf_reset(&aggregate->value);
    buf_str_append(&aggregate->value, value);
    aggregate->any = true;
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
        return number_sum_add(&aggregate->sum, run, value);
    }
    return buf_error(&aggregate->value);
}

enum err fold_result(struct aggregate *aggregate, struct expr_run *run, struct str *ret)
{
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
        return number_sum_result(&aggregate->sum, run, ret);
    }
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
