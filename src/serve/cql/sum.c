/* SPDX-License-Identifier: MIT */
/*
 * Sums and means as Cassandra makes them, of rows (aggregate.c) and of collections.
 *
 * - Whole numbers: the sum wraps as the column's type does; the mean is an exact sum over the
 * count, cut towards zero.
 * - Decimals: the sum is exact, with the largest scale, at least 0. The mean is moved by each
 * value, by its distance over the count so far, rounded half to even at the scale of that distance:
 * so it has no more digits behind the point than the values have.
 * - float and double: in double, with Kahan's compensation.
 *
 * Nothing has the sum and the mean 0.
 */
#include "serve/cql/function.h"

#include <math.h>

static bool is_binary(const struct cql_type *type)
{
    return type->kind == CQL_FLOAT || type->kind == CQL_DOUBLE;
}

void number_sum_init(struct number_sum *sum, const struct cql_type *type, bool mean)
{
    *sum = (struct number_sum){.type = type, .mean = mean};
    sum->kept = mean && is_whole_number(type) ? cql_simple(CQL_VARINT) : type;
}

void number_sum_deinit(struct number_sum *sum)
{
    buf_deinit(&sum->value);
}

void number_sum_reset(struct number_sum *sum)
{
    sum->count = 0;
    sum->binary = sum->compensation = sum->plain = 0;
    buf_reset(&sum->value);
}

static struct str value_so_far(struct number_sum *sum, struct expr_run *run)
{
    return sum->value.bytes ? buf_str(&sum->value) : number_of_i64(run->arena, sum->kept, 0);
}

static void add_binary(struct number_sum *sum, double number)
{
    double corrected = number - sum->compensation, next = sum->binary + corrected;
    sum->plain += number;
    sum->compensation = (next - sum->binary) - corrected;
    sum->binary = next;
}

/* The step of a mean of decimals towards the value. */
static enum err add_to_mean(struct number_sum *sum, struct expr_run *run, struct str value,
                            struct str *ret)
{
    const struct cql_type *type = sum->kept;
    struct str mean = value_so_far(sum, run), step;
    TRY(operation_apply(run, '-', type, value, mean, &step));
    TRY(number_share(run->arena, step, sum->count, &step));
    return operation_apply(run, '+', type, mean, step, ret);
}

enum err number_sum_add(struct number_sum *sum, struct expr_run *run, struct str value)
{
    struct str next;
    sum->count++;
    if (value.bytes == 0)
        return OK;
    if (is_binary(sum->type)) {
        add_binary(sum, number_as_double(sum->type, value));
        return OK;
    }
    if (sum->mean && sum->type->kind == CQL_DECIMAL) {
        TRY(add_to_mean(sum, run, value, &next));
    } else {
        TRY(number_convert(run->arena, sum->type, value, sum->kept, &next));
        TRY(operation_apply(run, '+', sum->kept, value_so_far(sum, run), next, &next));
    }
    buf_reset(&sum->value);
    buf_str_append(&sum->value, next);
    return buf_error(&sum->value);
}

enum err number_sum_result(struct number_sum *sum, struct expr_run *run, struct str *ret)
{
    if (is_binary(sum->type)) {
        double total = isnan(sum->binary) && isinf(sum->plain) ? sum->plain : sum->binary;
        if (sum->mean && sum->count)
            total /= (double)sum->count;
        *ret = number_of_double(run->arena, sum->type, total);
        return OK;
    }
    struct str value = value_so_far(sum, run);
    if (sum->mean && sum->count && sum->type->kind != CQL_DECIMAL)
        TRY(operation_apply(run, '/', sum->kept, value,
                            number_of_i64(run->arena, sum->kept, sum->count), &value));
    TRY(number_convert(run->arena, sum->kept, value, sum->type, ret));
    *ret = arena_str(run->arena, *ret);
    return OK;
}
