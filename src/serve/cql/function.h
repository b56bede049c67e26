/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_FUNCTION_H
#define SERVE_CQL_FUNCTION_H

#include "serve/cql/exec_private.h"

/* Patterns beside the kinds of wire/cql/type.h, for arguments and results. */
enum function_pattern {
    PATTERN_ANY = 0x200,
    PATTERN_NUMBER,
    PATTERN_MAP,
    PATTERN_COLLECTION,
    PATTERN_LIST_OR_SET,
    PATTERN_NUMBERS,     /* list or set of them */
    PATTERN_FLOATS,      /* vector<float> */
    PATTERN_BINARY,      /* a type that has bytes: any simple one */
    RESULT_SAME = 0x280, /* type of argument 0 */
    RESULT_KEYS,         /* set of the keys of a map */
    RESULT_VALUES,       /* list of the values of a map */
    RESULT_ELEMENT,      /* what a list or set has */
    RESULT_NAMED,        /* blob_as_x: x */
    RESULT_RECEIVER,
};
/* Tables of functions, each ended by a row without a name. */
extern const struct cql_function functions_time[], functions_math[], functions_collection[],
    functions_convert[], functions_aggregate[];

/* The arguments of a function that stands alone under its name and has a pattern for the first of
 * them: their types, or what is wrong. wanted: of what the result is for, NULL = any. */
bool has_pattern(const struct cql_function *function);
enum err infer_args(struct compile *c, const struct cql_function *function,
                    const struct cql_term *call, struct str name, const struct cql_type *wanted,
                    const struct cql_type **ret_args) MUST_USE;
/* The type itself when it fits the pattern, or the pattern's only one; NULL. */
const struct cql_type *pattern_type(uint16_t pattern, const struct cql_type *have);
/* What a term is taken for where any type would do; NULL = cannot be said. */
const struct cql_type *compatible_type(struct compile *c, const struct cql_term *term);
/* Columns that a term without a type names: it has none because one of them does not exist. */
enum err check_names(struct compile *c, const struct cql_term *term) MUST_USE;

bool is_number(const struct cql_type *type);
/* The type of the function's name: "int" of "int_as_blob". NULL. */
const struct cql_type *type_of_name(struct str name);
/* A value of a number type as a double, and back. */
double number_as_double(const struct cql_type *type, struct str value);
struct str number_of_double(struct arena *arena, const struct cql_type *type, double value);
int64_t number_as_i64(const struct cql_type *type, struct str value);
struct str number_of_i64(struct arena *arena, const struct cql_type *type, int64_t value);
bool is_whole_number(const struct cql_type *type); /* fits into 64 bits */
/* A value of one number type as another. */
enum err number_convert(struct arena *arena, const struct cql_type *from, struct str value,
                        const struct cql_type *to, struct str *ret_value) MUST_USE;

/* A sum or a mean of a number type's values (sum.c). Zeroed by init; errors as the arithmetic has
 * them, told in run->error. */
struct number_sum {
    const struct cql_type *type, *kept; /* of the values; of what is kept of them */
    bool mean;
    int64_t count;
    double binary, compensation, plain; /* float, double */
    struct buf value;                   /* the others; empty = 0 */
};
void number_sum_init(struct number_sum *sum, const struct cql_type *type, bool mean);
void number_sum_deinit(struct number_sum *sum);
void number_sum_reset(struct number_sum *sum);
enum err number_sum_add(struct number_sum *sum, struct expr_run *run, struct str value) MUST_USE;
enum err number_sum_result(struct number_sum *sum, struct expr_run *run, struct str *ret) MUST_USE;

bool vector_is_zero(struct str vector); /* of floats: no direction, so no cosine either */
void min_timeuuid(int64_t unix_ms, bool max, uint8_t ret_uuid[16]);

#endif
