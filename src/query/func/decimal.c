/* SPDX-License-Identifier: MIT */
/*
 * Decimal arithmetic with Spark's result types:
 *
 *   a + b, a - b  max(p1-s1, p2-s2) + max(s1, s2) + 1,  max(s1, s2)
 *   a * b         p1 + p2 + 1,                          s1 + s2
 *   a / b         p1 - s1 + s2 + max(6, s1+p2+1),       max(6, s1+p2+1)
 *   a % b, pmod   min(p1-s1, p2-s2) + max(s1, s2),      max(s1, s2)
 *   a div b       BIGINT
 *
 * cut to 38 digits by type_decimal_fit. The exact value is computed first (512 bits where 128 do
 * not suffice) and rounded HALF_UP once; the quotient is first rounded at scale 39, as Spark does.
 * What does not fit 38 digits fails with NUMERIC_VALUE_OUT_OF_RANGE.
 */
#include "query/func/arith.h"
#include "query/func/wide.h"

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

/* An integer literal takes its exact digits: 1 is DECIMAL(1,0). */
static const struct type *side_type(struct func_bind *bind, size_t i)
{
    const struct func_arg *arg = &bind->args[i];
    if (arg->type->kind == TYPE_NULL)
        return bind->args[1 - i].type;
    if (!kind_is_integral(arg->type->kind) || !arg->is_literal || !arg->constant ||
        column_is_null(arg->constant, 0))
        return type_decimal_of(bind->arena, arg->type);
    int64_t value = column_i64(arg->constant, 0);
    unsigned digits = 1;
    for (uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value; rest >= 10; rest /= 10)
        digits++;
    return type_decimal(bind->arena, digits, 0);
}

enum err decimal_bind(struct func_bind *bind, enum arith_op op)
{
    const struct type *a = side_type(bind, 0), *b = side_type(bind, 1);
    int p1 = a->precision, s1 = a->scale, p2 = b->precision, s2 = b->scale;
    int scale = max_int(s1, s2);
    bind->out.args[0] = a;
    bind->out.args[1] = b;
    switch (op) {
    case ARITH_ADD:
    case ARITH_SUBTRACT:
        bind->out.result =
            type_decimal_fit(bind->arena, max_int(p1 - s1, p2 - s2) + scale + 1, scale);
        break;
    case ARITH_MULTIPLY:
        bind->out.result = type_decimal_fit(bind->arena, p1 + p2 + 1, s1 + s2);
        break;
    case ARITH_DIVIDE:
        scale = max_int(6, s1 + p2 + 1);
        bind->out.result = type_decimal_fit(bind->arena, p1 - s1 + s2 + scale, scale);
        break;
    case ARITH_DIV:
        bind->out.result = type_simple(TYPE_BIGINT);
        break;
    default:
        bind->out.result =
            type_decimal_fit(bind->arena, (p1 - s1 < p2 - s2 ? p1 - s1 : p2 - s2) + scale, scale);
        break;
    }
    return OK;
}

static enum err sum_of(enum arith_op op, const struct type *result, const struct type *ta,
                       const struct type *tb, __int128 a, __int128 b, __int128 *ret_value)
{
    unsigned scale = ta->scale > tb->scale ? ta->scale : tb->scale;
    if (op == ARITH_SUBTRACT)
        b = -b;
    unsigned digits_a = ta->precision + scale - ta->scale;
    unsigned digits_b = tb->precision + scale - tb->scale;
    if (digits_a < 38 && digits_b < 38 && result->scale == scale) {
        *ret_value =
            a * decimal_power10(scale - ta->scale) + b * decimal_power10(scale - tb->scale);
        return OK; /* fewer than 38 digits each: the sum has at most 38 */
    }
    struct wide wa = wide_scaled(a, scale - ta->scale), wb = wide_scaled(b, scale - tb->scale);
    struct wide sum = wide_add(&wa, &wb);
    return wide_to_decimal(&sum, scale, result->precision, result->scale, ret_value);
}

static enum err product_of(const struct type *result, const struct type *ta, const struct type *tb,
                           __int128 a, __int128 b, __int128 *ret_value)
{
    if (ta->precision + tb->precision <= 38 && result->scale == ta->scale + tb->scale) {
        *ret_value = a * b;
        return OK;
    }
    struct wide wa = wide_of(a), wb = wide_of(b);
    struct wide product = wide_multiply(&wa, &wb);
    return wide_to_decimal(&product, ta->scale + tb->scale, result->precision, result->scale,
                           ret_value);
}

/* a / b at scale 39, then at that of the result. */
static enum err quotient_of(const struct type *result, const struct type *ta, const struct type *tb,
                            __int128 a, __int128 b, __int128 *ret_value)
{
    struct wide wa = wide_scaled(a, 39u + tb->scale), wb = wide_scaled(b, ta->scale);
    struct wide quotient = wide_divide_half_up(&wa, &wb);
    return wide_to_decimal(&quotient, 39, result->precision, result->scale, ret_value);
}

static enum err rest_of(enum arith_op op, const struct type *result, const struct type *ta,
                        const struct type *tb, __int128 a, __int128 b, __int128 *ret_value)
{
    unsigned scale = ta->scale > tb->scale ? ta->scale : tb->scale;
    struct wide wa = wide_scaled(a, scale - ta->scale), wb = wide_scaled(b, scale - tb->scale);
    struct wide quotient, rest;
    wide_divide(&wa, &wb, &quotient, &rest);
    if (op == ARITH_DIV)
        return wide_to_decimal(&quotient, 0, 38, 0, ret_value);
    if (op == ARITH_PMOD && rest.negative && !wide_is_zero(&rest)) {
        struct wide sum = wide_add(&rest, &wb);
        wide_divide(&sum, &wb, &quotient, &rest);
    }
    return wide_to_decimal(&rest, scale, result->precision, result->scale, ret_value);
}

static enum err compute(enum arith_op op, const struct func_binding *binding, __int128 a,
                        __int128 b, __int128 *ret_value)
{
    const struct type *result = binding->result, *ta = binding->args[0], *tb = binding->args[1];
    switch (op) {
    case ARITH_ADD:
    case ARITH_SUBTRACT:
        return sum_of(op, result, ta, tb, a, b, ret_value);
    case ARITH_MULTIPLY:
        return product_of(result, ta, tb, a, b, ret_value);
    case ARITH_DIVIDE:
        return quotient_of(result, ta, tb, a, b, ret_value);
    default:
        return rest_of(op, result, ta, tb, a, b, ret_value);
    }
}

static void fail(struct eval *eval, const struct func_binding *binding, uint32_t row)
{
    if (arith_is_quiet(eval, binding))
        return;
    if (binding->result->kind == TYPE_BIGINT)
        arith_overflow(eval, binding, row);
    else
        eval_fail(eval, row, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", STATE_NUMERIC,
                  "%s: the result does not fit DECIMAL(%u,%u)", binding->info->name,
                  binding->result->precision, binding->result->scale);
}

enum err decimal_eval(struct eval *eval, const struct func_binding *binding,
                      const struct column *const *args, uint32_t rows, struct column **ret_column)
{
    enum arith_op op = (enum arith_op)(binding->info->variant & ~ARITH_TRY);
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    for (uint32_t i = 0; i < rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        __int128 a = args[0]->i128[i], b = args[1]->i128[i], value = 0;
        bool good = op < ARITH_DIVIDE || b != 0;
        if (!good) {
            arith_zero_divide(eval, binding, i);
        } else {
            good = compute(op, binding, a, b, &value) == OK;
            bool whole = binding->result->kind == TYPE_BIGINT;
            good = good && (!whole || (value >= INT64_MIN && value <= INT64_MAX));
            if (!good)
                fail(eval, binding, i);
            else if (whole)
                out->i64[i] = (int64_t)value;
            else
                out->i128[i] = value;
        }
        if (!good)
            kernel_put_null(out, i);
    }
    return kernel_finish(out, ret_column);
}
