/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_KERNEL_H
#define QUERY_FUNC_KERNEL_H

#include "query/func.h"

/* What kernels are made of; private to func/ and the casts. */

#define KERNEL_INLINE static inline __attribute__((always_inline))
#define LENGTH_OF(array) (sizeof(array) / sizeof *(array))

/* ---- whole columns of fixed-width values ---- */

/* A builder that holds rows rows already: validity is the AND of the arguments' (a TYPE_NULL
 * argument makes all rows null); the values are unset. Only types without offsets and children. */
struct builder *kernel_fixed(const struct type *type, const struct column *const *args,
                             size_t count, uint32_t rows);
static inline bool kernel_is_valid(const struct builder *out, uint32_t row)
{
    return bit_get(out->validity, row);
}
static inline void kernel_put_null(struct builder *out, uint32_t row)
{
    bit_clear(out->validity, row);
}
static inline void kernel_put_bool(struct builder *out, uint32_t row, bool value)
{
    if (value)
        bit_set(out->bits, row);
    else
        bit_clear(out->bits, row);
}
/* Counts the nulls, gives the column and frees the builder. */
enum err kernel_finish(struct builder *out, struct column **ret_column) MUST_USE;
/* The same rows with a caller's builder filled row by row. */
enum err kernel_built(struct builder *out, struct column **ret_column) MUST_USE;

/* ---- row by row ---- */

struct func_call {
    struct eval *eval;
    const struct func_binding *binding;
    const struct column *const *args;
    size_t count;
    uint32_t row;
    struct builder *out; /* the row function adds exactly one row */
    struct buf buf;      /* empty at each row */
    void *memo;          /* NULL at first; from mem_alloc; may come from the batch before */
    void (*memo_free)(void *memo);
};

/* Calls binding->info->row for each row; with info->nulls_propagate only for rows without a null.
 * Rows that are not active become null. */
enum err kernel_rows(struct eval *eval, const struct func_binding *binding,
                     const struct column *const *args, uint32_t rows,
                     struct column **ret_column) MUST_USE;
/* For row functions: reports the error and adds a null. */
void call_fail(struct func_call *call, const char *error_class, const char *sqlstate,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

static inline bool call_null(const struct func_call *call, size_t i)
{
    return column_is_null(call->args[i], call->row);
}
static inline struct str call_str(const struct func_call *call, size_t i)
{
    return column_str(call->args[i], call->row);
}
static inline int32_t call_int(const struct func_call *call, size_t i)
{
    return call->args[i]->i32[call->row];
}
static inline int64_t call_long(const struct func_call *call, size_t i)
{
    return call->args[i]->i64[call->row];
}
static inline double call_double(const struct func_call *call, size_t i)
{
    return call->args[i]->f64[call->row];
}
static inline bool call_bool(const struct func_call *call, size_t i)
{
    return bit_get(call->args[i]->bits, call->row);
}

/* Any integer, date or timestamp. */
static inline int64_t column_i64(const struct column *column, size_t row)
{
    switch (type_width(column->type)) {
    case 1:
        return column->i8[row];
    case 2:
        return column->i16[row];
    case 4:
        return column->i32[row];
    default:
        return column->i64[row];
    }
}

/* ---- bind ---- */

/* Mismatches and their like: sets the diag and gives ERR_INVALID. */
enum err bind_fail(struct func_bind *bind, const char *error_class, const char *sqlstate,
                   const char *format, ...) __attribute__((format(printf, 4, 5))) MUST_USE;
enum err bind_unsupported(struct func_bind *bind, const char *format, ...)
    __attribute__((format(printf, 2, 3))) MUST_USE;
/* DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE of argument i. */
enum err bind_bad_input(struct func_bind *bind, size_t i, const char *required) MUST_USE;
/* All arguments to one common type, which becomes the result if result is NULL. */
enum err bind_common(struct func_bind *bind, size_t from, const struct type *result) MUST_USE;
/* DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES. */
enum err bind_diff_types(struct func_bind *bind) MUST_USE;
/* By the signature of the info: see bind.c. */
enum err bind_signature(struct func_bind *bind) MUST_USE;
/* The type that an argument is brought to for a parameter of that type; NULL when it cannot. */
const struct type *type_implicit(struct func_bind *bind, size_t i, const struct type *to);
/* The common type without turning texts into something else. */
const struct type *type_tightest(struct func_bind *bind, const struct type *a,
                                 const struct type *b);
/* The argument's constant text; STR_NONE when it is no constant or null. */
struct str bind_text(const struct func_bind *bind, size_t i);
static inline enum type_kind bind_kind(const struct func_bind *bind, size_t i)
{
    return bind->args[i].type->kind;
}

static inline bool kind_is_integral(enum type_kind kind)
{
    return kind >= TYPE_TINYINT && kind <= TYPE_BIGINT;
}
static inline bool kind_is_float(enum type_kind kind)
{
    return kind == TYPE_FLOAT || kind == TYPE_DOUBLE;
}
static inline bool kind_is_numeric(enum type_kind kind)
{
    return kind >= TYPE_TINYINT && kind <= TYPE_DECIMAL;
}
static inline bool kind_is_instant(enum type_kind kind)
{
    return kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_NTZ;
}
/* Text of a type for messages, in the arena: "DECIMAL(10,2)". */
const char *type_text(struct arena *arena, const struct type *type);
/* DECIMAL that holds every value of the integer type. */
const struct type *type_decimal_of(struct arena *arena, const struct type *type);
/* precision and scale cut to 38 digits, at least 6 behind the point kept. */
const struct type *type_decimal_fit(struct arena *arena, int precision, int scale);
/* Zone of the session. */
static inline const struct zone *eval_zone(const struct eval *eval)
{
    return eval->session->zone ? eval->session->zone : zone_utc();
}
/* Spark's names of fields of errors: "CAST_OVERFLOW", .. with their states. */
#define STATE_NUMERIC "22003"
#define STATE_DATETIME "22008"

/* to_char of numbers (func/numberformat.c). */
enum err number_format_bind(struct func_bind *bind) MUST_USE;
void number_format_row(struct func_call *call);

/* ---- families: func/table.c gathers them ---- */

extern const struct func_info func_arith[], func_compare[], func_like[], func_string[], func_cond[],
    func_regexp[], func_datetime[], func_datestep[], func_dateformat[], func_math[], func_nested[],
    func_array[], func_hash[], func_json[], func_strings[], func_sequence[], func_typecast[],
    func_url[], func_numberformat[];

#endif
