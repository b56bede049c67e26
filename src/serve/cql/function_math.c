/* SPDX-License-Identifier: MIT */
/*
 * abs, exp, log, log10 and round: of any number, giving the same type. Whole numbers are rounded
 * half up as Java's Math.round does; varint and decimal keep all their digits in abs and round.
 */
#include "serve/cql/function.h"

#include <math.h>

static enum err call_abs(struct expr_run *run, const struct expr *x, const struct str *args,
                         struct str *ret)
{
    const struct cql_type *type = x->type;
    *ret = args[0];
    if (args[0].bytes == 0)
        return OK;
    if (type->kind == CQL_FLOAT || type->kind == CQL_DOUBLE) {
        *ret = number_of_double(run->arena, type, fabs(number_as_double(type, args[0])));
        return OK;
    }
    size_t sign = type->kind == CQL_DECIMAL ? 4 : 0;
    if (args[0].bytes > sign && args[0].ptr[sign] & 0x80)
        return operation_apply(run, '-', type, number_of_i64(run->arena, type, 0), args[0], ret);
    return OK;
}

static enum err call_real(struct expr_run *run, const struct expr *x, const struct str *args,
                          struct str *ret)
{
    *ret = args[0];
    if (args[0].bytes == 0)
        return OK;
    double value = number_as_double(x->type, args[0]);
    const char *name = x->function->name;
    double result = name[0] == 'e' ? exp(value) : name[3] ? log10(value) : log(value);
    bool real = x->type->kind == CQL_FLOAT || x->type->kind == CQL_DOUBLE;
    if (!real && !isfinite(result) && (x->type->kind == CQL_DECIMAL || x->type->kind == CQL_VARINT))
        return cql_fail(run->error, run->arena, CQL_FUNCTION_FAILURE,
                        "the %s of this value is not a number", name);
    /* Cut, not rounded: a whole number holds what is before the point. */
    *ret = number_of_double(run->arena, x->type,
                            real || x->type->kind == CQL_DECIMAL ? result : trunc(result));
    return OK;
}

static enum err call_round(struct expr_run *run, const struct expr *x, const struct str *args,
                           struct str *ret)
{
    const struct cql_type *type = x->type;
    *ret = args[0];
    if (args[0].bytes == 0)
        return OK;
    if (type->kind == CQL_FLOAT || type->kind == CQL_DOUBLE) {
        *ret = number_of_double(run->arena, type, floor(number_as_double(type, args[0]) + 0.5));
        return OK;
    }
    if (type->kind != CQL_DECIMAL)
        return OK;
    /* Half away from zero: add half with the sign, then cut. */
    const struct cql_type *varint = cql_simple(CQL_VARINT);
    bool negative = args[0].bytes > 4 && (args[0].ptr[4] & 0x80);
    struct str half = number_of_i64(run->arena, type, negative ? -5 : 5), sum, whole;
    ((char *)(uintptr_t)half.ptr)[3] = 1;
    TRY(number_apply(run->arena, NUMBER_ADD, true, args[0], half, &sum));
    TRY(number_convert(run->arena, type, sum, varint, &whole));
    return number_convert(run->arena, varint, whole, type, ret);
}

const struct cql_function functions_math[] = {
    {"abs", NULL, 1, {PATTERN_NUMBER}, RESULT_SAME, false, false, call_abs},
    {"exp", NULL, 1, {PATTERN_NUMBER}, RESULT_SAME, false, false, call_real},
    {"log", NULL, 1, {PATTERN_NUMBER}, RESULT_SAME, false, false, call_real},
    {"log10", NULL, 1, {PATTERN_NUMBER}, RESULT_SAME, false, false, call_real},
    {"round", NULL, 1, {PATTERN_NUMBER}, RESULT_SAME, false, false, call_round},
    {0},
};
