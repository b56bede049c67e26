/* SPDX-License-Identifier: MIT */
/*
 * Functions over the elements of a collection: keys and values of maps, count, smallest, largest,
 * sum and mean; and how alike two vectors are. A sum has the type of its elements and wraps as they
 * do.
 */
#include "base/endian.h"
#include "serve/cql/function.h"

#include <math.h>

static enum err elements_of(struct expr_run *run, const struct cql_type *type, struct str value,
                            struct str **ret_items, size_t *ret_count)
{
    struct cql_elements it;
    TRY(cql_elements_init(&it, type, value));
    struct str *items = arena_array(run->arena, it.count + 1, sizeof *items);
    size_t count = 0;
    while (count < it.count && cql_elements_next(&it, &items[count]))
        count++;
    *ret_items = items;
    *ret_count = count;
    return OK;
}

static enum err call_half(struct expr_run *run, const struct expr *x, const struct str *args,
                          struct str *ret)
{
    struct str *items;
    size_t count, from = x->type->kind == CQL_LIST;
    TRY(elements_of(run, x->items[0]->type, args[0], &items, &count));
    for (size_t i = 0; i < count / 2; i++)
        items[i] = items[i * 2 + from];
    return value_build(run->arena, x->type, items, count / 2, ret);
}

static enum err call_count(struct expr_run *run, const struct expr *x, const struct str *args,
                           struct str *ret)
{
    struct cql_elements it;
    const struct cql_type *type = x->items[0]->type;
    TRY(cql_elements_init(&it, type, args[0]));
    *ret = value_of_i32(run->arena, (int32_t)(it.count / (type->kind == CQL_MAP ? 2 : 1)));
    return OK;
}

static enum err call_best(struct expr_run *run, const struct expr *x, const struct str *args,
                          struct str *ret)
{
    struct str *items;
    size_t count;
    bool max = strcmp(x->function->name, "collection_max") == 0;
    TRY(elements_of(run, x->items[0]->type, args[0], &items, &count));
    *ret = STR_NONE;
    for (size_t i = 0; i < count; i++) {
        int order = i ? cql_value_compare(x->type, items[i], *ret) : 0;
        if (i == 0 || (max ? order > 0 : order < 0))
            *ret = items[i];
    }
    return OK;
}

static enum err call_sum(struct expr_run *run, const struct expr *x, const struct str *args,
                         struct str *ret)
{
    struct str *items;
    size_t count;
    struct number_sum sum;
    TRY(elements_of(run, x->items[0]->type, args[0], &items, &count));
    number_sum_init(&sum, x->type, strcmp(x->function->name, "collection_avg") == 0);
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++)
        err = number_sum_add(&sum, run, items[i]);
    if (err == OK)
        err = number_sum_result(&sum, run, ret);
    number_sum_deinit(&sum);
    return err;
}

/* ---- vectors ---- */

static float float_at(struct str value, uint32_t index)
{
    uint32_t word = get_be32(value.ptr + (size_t)index * 4);
    float number;
    memcpy(&number, &word, 4);
    return number;
}

bool vector_is_zero(struct str vector)
{
    for (uint32_t i = 0; i < vector.bytes / 4; i++)
        if (float_at(vector, i) != 0)
            return false;
    return true;
}

static enum err call_similarity(struct expr_run *run, const struct expr *x, const struct str *args,
                                struct str *ret)
{
    uint32_t count = x->items[0]->type->dimension;
    double dot = 0, square_a = 0, square_b = 0, distance = 0;
    if (x->items[1]->type->dimension != count || args[0].bytes != (size_t)count * 4 ||
        args[1].bytes != args[0].bytes)
        return cql_fail(run->error, run->arena, CQL_INVALID,
                        "All arguments must have the same vector dimensions");
    for (uint32_t i = 0; i < count; i++) {
        double a = float_at(args[0], i), b = float_at(args[1], i);
        dot += a * b;
        square_a += a * a;
        square_b += b * b;
        distance += (a - b) * (a - b);
    }
    const char *kind = x->function->name + strlen("similarity_");
    if (kind[0] == 'c' && (vector_is_zero(args[0]) || vector_is_zero(args[1])))
        return cql_fail(run->error, run->arena, CQL_INVALID,
                        "Function system.%s doesn't support all-zero vectors.", x->function->name);
    /* Squares too small for a float are nothing, and the angle is not a number, as in Cassandra. */
    if ((float)square_a == 0 || (float)square_b == 0)
        square_a = 0;
    double result = kind[0] == 'e'   ? 1 / (1 + distance)
                    : kind[0] == 'd' ? (1 + dot) / 2
                                     : (1 + dot / sqrt(square_a * square_b)) / 2;
    *ret = number_of_double(run->arena, x->type, result);
    return OK;
}

const struct cql_function functions_collection[] = {
    {"map_keys", NULL, 1, {PATTERN_MAP}, RESULT_KEYS, false, false, call_half},
    {"map_values", NULL, 1, {PATTERN_MAP}, RESULT_VALUES, false, false, call_half},
    {"collection_count", NULL, 1, {PATTERN_COLLECTION}, CQL_INT, false, false, call_count},
    {"collection_min", NULL, 1, {PATTERN_LIST_OR_SET}, RESULT_ELEMENT, false, false, call_best},
    {"collection_max", NULL, 1, {PATTERN_LIST_OR_SET}, RESULT_ELEMENT, false, false, call_best},
    {"collection_sum", NULL, 1, {PATTERN_NUMBERS}, RESULT_ELEMENT, false, false, call_sum},
    {"collection_avg", NULL, 1, {PATTERN_NUMBERS}, RESULT_ELEMENT, false, false, call_sum},
    {"similarity_cosine",
     NULL,
     2,
     {PATTERN_FLOATS, PATTERN_FLOATS},
     CQL_FLOAT,
     false,
     false,
     call_similarity},
    {"similarity_euclidean",
     NULL,
     2,
     {PATTERN_FLOATS, PATTERN_FLOATS},
     CQL_FLOAT,
     false,
     false,
     call_similarity},
    {"similarity_dot_product",
     NULL,
     2,
     {PATTERN_FLOATS, PATTERN_FLOATS},
     CQL_FLOAT,
     false,
     false,
     call_similarity},
    {0},
};
