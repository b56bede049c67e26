/* SPDX-License-Identifier: MIT */
/*
 * + - * / % div and pmod over integers and floats; decimals and times have files of their own.
 *
 * Integers run twice: a loop without branches computes wrapped results and one bit "something
 * overflowed"; only then a second loop finds the rows. Under ANSI these rows fail, with try_ they
 * become null, without ANSI the wrapped value stays. Division and remainder test each row.
 *
 * int / int is DOUBLE; div is BIGINT whatever the integers are; division by zero fails for floats
 * too. Of text, the other side decides: an integer makes it BIGINT, a fraction DOUBLE.
 */
#include "query/func/arith.h"

#include <math.h>

void arith_overflow(struct eval *eval, const struct func_binding *binding, uint32_t row)
{
    bool small = type_width(binding->result) < 4 && kind_is_integral(binding->result->kind);
    bool span =
        binding->result->kind == TYPE_INTERVAL_YM || binding->result->kind == TYPE_INTERVAL_DT;
    if (span) {
        if (!(binding->info->variant & ARITH_TRY))
            eval_fail(eval, row, "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "22015",
                      "%s: the interval overflows", binding->info->name);
        return;
    }
    if (!arith_is_quiet(eval, binding))
        eval_fail(eval, row, small ? "BINARY_ARITHMETIC_OVERFLOW" : "ARITHMETIC_OVERFLOW",
                  STATE_NUMERIC, "%s: the result does not fit %s; try_%s gives NULL instead",
                  binding->info->name, small ? "its small integer type" : "its type",
                  binding->info->name);
}

void arith_zero_divide(struct eval *eval, const struct func_binding *binding, uint32_t row)
{
    enum arith_op op = (enum arith_op)(binding->info->variant & ~ARITH_TRY);
    bool rest = op == ARITH_REMAINDER || op == ARITH_PMOD;
    if (!arith_is_quiet(eval, binding))
        eval_fail(eval, row, rest ? "REMAINDER_BY_ZERO" : "DIVIDE_BY_ZERO", "22012",
                  "division by zero; %s gives NULL instead", rest ? "try_mod" : "try_divide");
}

/* ---- + - * over integers ---- */

KERNEL_INLINE int64_t load(const struct column *c, enum type_kind kind, uint32_t i)
{
    switch (kind) {
    case TYPE_TINYINT:
        return c->i8[i];
    case TYPE_SMALLINT:
        return c->i16[i];
    case TYPE_INT:
        return c->i32[i];
    default:
        return c->i64[i];
    }
}

KERNEL_INLINE bool store(struct builder *b, enum type_kind kind, uint32_t i, int64_t value)
{
    switch (kind) {
    case TYPE_TINYINT:
        b->i8[i] = (int8_t)value;
        return b->i8[i] != value;
    case TYPE_SMALLINT:
        b->i16[i] = (int16_t)value;
        return b->i16[i] != value;
    case TYPE_INT:
        b->i32[i] = (int32_t)value;
        return b->i32[i] != value;
    default:
        b->i64[i] = value;
        return false;
    }
}

KERNEL_INLINE bool compute(enum arith_op op, int64_t a, int64_t b, int64_t *value)
{
    switch (op) {
    case ARITH_ADD:
        return __builtin_add_overflow(a, b, value);
    case ARITH_SUBTRACT:
        return __builtin_sub_overflow(a, b, value);
    default:
        return __builtin_mul_overflow(a, b, value);
    }
}

KERNEL_INLINE bool integer_loop(enum arith_op op, enum type_kind kind, const struct column *a,
                                const struct column *b, struct builder *out, uint32_t rows)
{
    bool over = false;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t value;
        over |= compute(op, load(a, kind, i), load(b, kind, i), &value);
        over |= store(out, kind, i, value);
    }
    return over;
}

KERNEL_INLINE bool integer_kind(enum arith_op op, const struct column *a, const struct column *b,
                                struct builder *out, uint32_t rows)
{
    switch (out->type->kind) {
    case TYPE_TINYINT:
        return integer_loop(op, TYPE_TINYINT, a, b, out, rows);
    case TYPE_SMALLINT:
        return integer_loop(op, TYPE_SMALLINT, a, b, out, rows);
    case TYPE_INT:
        return integer_loop(op, TYPE_INT, a, b, out, rows);
    default:
        return integer_loop(op, TYPE_BIGINT, a, b, out, rows);
    }
}

static bool integer_op(enum arith_op op, const struct column *a, const struct column *b,
                       struct builder *out, uint32_t rows)
{
    switch (op) {
    case ARITH_ADD:
        return integer_kind(ARITH_ADD, a, b, out, rows);
    case ARITH_SUBTRACT:
        return integer_kind(ARITH_SUBTRACT, a, b, out, rows);
    default:
        return integer_kind(ARITH_MULTIPLY, a, b, out, rows);
    }
}

static void integer_overflows(struct eval *eval, const struct func_binding *binding,
                              const struct column *a, const struct column *b, struct builder *out,
                              enum arith_op op)
{
    enum type_kind kind = out->type->kind;
    for (uint32_t i = 0; i < out->rows; i++) {
        int64_t value;
        if (!kernel_is_valid(out, i))
            continue;
        bool over = compute(op, load(a, kind, i), load(b, kind, i), &value);
        if (!(over | store(out, kind, i, value)))
            continue;
        if (!eval->session->ansi && !(binding->info->variant & ARITH_TRY))
            continue;
        arith_overflow(eval, binding, i);
        kernel_put_null(out, i);
    }
}

static enum err integer_eval(struct eval *eval, const struct func_binding *binding,
                             const struct column *const *args, uint32_t rows,
                             struct column **ret_column)
{
    enum arith_op op = (enum arith_op)(binding->info->variant & ~ARITH_TRY);
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    if (integer_op(op, args[0], args[1], out, rows))
        integer_overflows(eval, binding, args[0], args[1], out, op);
    return kernel_finish(out, ret_column);
}

/* ---- div % pmod over integers ---- */

static int64_t integer_quotient(enum arith_op op, int64_t a, int64_t b)
{
    if (b == -1) /* the lowest value has no positive twin: no trap for % */
        return op == ARITH_DIV ? (int64_t)(0 - (uint64_t)a) : 0;
    if (op == ARITH_DIV)
        return a / b;
    int64_t rest = a % b;
    if (op == ARITH_REMAINDER || rest >= 0)
        return rest;
    return (int64_t)(((__int128)rest + b) % b);
}

static enum err quotient_eval(struct eval *eval, const struct func_binding *binding,
                              const struct column *const *args, uint32_t rows,
                              struct column **ret_column)
{
    enum arith_op op = (enum arith_op)(binding->info->variant & ~ARITH_TRY);
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    enum type_kind kind = binding->args[0]->kind;
    for (uint32_t i = 0; i < rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        int64_t a = load(args[0], kind, i), b = load(args[1], kind, i);
        if (b == 0) {
            arith_zero_divide(eval, binding, i);
            kernel_put_null(out, i);
        } else if (op == ARITH_DIV && b == -1 && a == INT64_MIN && eval->session->ansi) {
            arith_overflow(eval, binding, i);
            kernel_put_null(out, i);
        } else {
            store(out, binding->result->kind, i, integer_quotient(op, a, b));
        }
    }
    return kernel_finish(out, ret_column);
}

/* ---- floats ---- */

KERNEL_INLINE double float_compute(enum arith_op op, double a, double b)
{
    switch (op) {
    case ARITH_ADD:
        return a + b;
    case ARITH_SUBTRACT:
        return a - b;
    case ARITH_MULTIPLY:
        return a * b;
    case ARITH_DIVIDE:
        return a / b;
    case ARITH_REMAINDER:
        return fmod(a, b);
    default: {
        double rest = fmod(a, b);
        return rest < 0 ? fmod(rest + b, b) : rest;
    }
    }
}

KERNEL_INLINE void float_loop(enum arith_op op, const struct column *a, const struct column *b,
                              struct builder *out, uint32_t rows)
{
    if (out->type->kind == TYPE_DOUBLE)
        for (uint32_t i = 0; i < rows; i++)
            out->f64[i] = float_compute(op, a->f64[i], b->f64[i]);
    else
        for (uint32_t i = 0; i < rows; i++)
            out->f32[i] = (float)float_compute(op, (double)a->f32[i], (double)b->f32[i]);
}

static void float_op(enum arith_op op, const struct column *a, const struct column *b,
                     struct builder *out, uint32_t rows)
{
    switch (op) {
    case ARITH_ADD:
        float_loop(ARITH_ADD, a, b, out, rows);
        break;
    case ARITH_SUBTRACT:
        float_loop(ARITH_SUBTRACT, a, b, out, rows);
        break;
    case ARITH_MULTIPLY:
        float_loop(ARITH_MULTIPLY, a, b, out, rows);
        break;
    case ARITH_DIVIDE:
        float_loop(ARITH_DIVIDE, a, b, out, rows);
        break;
    case ARITH_REMAINDER:
        float_loop(ARITH_REMAINDER, a, b, out, rows);
        break;
    default:
        float_loop(ARITH_PMOD, a, b, out, rows);
        break;
    }
}

static enum err float_eval(struct eval *eval, const struct func_binding *binding,
                           const struct column *const *args, uint32_t rows,
                           struct column **ret_column)
{
    enum arith_op op = (enum arith_op)(binding->info->variant & ~ARITH_TRY);
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    if (args[0]->type->kind == TYPE_NULL || args[1]->type->kind == TYPE_NULL)
        return kernel_finish(out, ret_column);
    float_op(op, args[0], args[1], out, rows);
    bool divides = op == ARITH_DIVIDE || op == ARITH_REMAINDER || op == ARITH_PMOD;
    for (uint32_t i = 0; divides && i < rows; i++) {
        bool zero = out->type->kind == TYPE_DOUBLE ? args[1]->f64[i] == 0 : args[1]->f32[i] == 0;
        if (zero && kernel_is_valid(out, i)) {
            arith_zero_divide(eval, binding, i);
            kernel_put_null(out, i);
        }
    }
    return kernel_finish(out, ret_column);
}

/* ---- bind ---- */

enum err bind_wrong_type(struct func_bind *bind)
{
    return bind_fail(bind, "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE", "42K09",
                     "%s takes numbers, not %s", bind->info->name,
                     type_text(bind->arena, bind->args[0].type));
}

enum err bind_diff_types(struct func_bind *bind)
{
    return bind_fail(bind, "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09",
                     "the sides of %s differ in type: %s and %s", bind->info->name,
                     type_text(bind->arena, bind->args[0].type),
                     type_text(bind->arena, bind->args[1].type));
}

/* The numeric type that both sides work in. */
static enum err numeric_sides(struct func_bind *bind, const struct type **ret_common)
{
    const struct type *a = bind->args[0].type, *b = bind->args[1].type;
    if (a->kind == TYPE_STRING && b->kind == TYPE_STRING && bind->session->ansi)
        return bind_wrong_type(bind);
    const struct type *common = type_common(bind->arena, a, b, bind->session);
    if (!bind->session->ansi && (a->kind == TYPE_STRING || b->kind == TYPE_STRING))
        common = type_simple(TYPE_DOUBLE);
    if (common && common->kind == TYPE_NULL)
        common = type_simple(TYPE_DOUBLE);
    if (!common)
        return bind_diff_types(bind);
    if (!kind_is_numeric(common->kind))
        return bind_wrong_type(bind);
    *ret_common = common;
    return OK;
}

static enum err numeric_bind(struct func_bind *bind, enum arith_op op, struct arith *arith)
{
    const struct type *common;
    TRY(numeric_sides(bind, &common));
    if (op == ARITH_DIVIDE && common->kind != TYPE_DECIMAL)
        common = type_simple(TYPE_DOUBLE);
    if (op == ARITH_DIV && kind_is_integral(common->kind))
        common = type_simple(TYPE_BIGINT);
    if (op == ARITH_DIV && kind_is_float(common->kind))
        return bind_wrong_type(bind);
    bool quotient = op == ARITH_DIV || op == ARITH_REMAINDER || op == ARITH_PMOD;
    arith->eval = kind_is_float(common->kind) ? float_eval
                  : quotient                  ? quotient_eval
                                              : integer_eval;
    bind->out.args[0] = bind->out.args[1] = bind->out.result = common;
    return OK;
}

static bool is_decimal(const struct func_bind *bind)
{
    enum type_kind a = bind_kind(bind, 0), b = bind_kind(bind, 1);
    if (a == TYPE_DECIMAL)
        return kind_is_integral(b) || b == TYPE_DECIMAL || b == TYPE_NULL;
    return b == TYPE_DECIMAL && (kind_is_integral(a) || a == TYPE_NULL);
}

static enum err arith_bind(struct func_bind *bind)
{
    enum arith_op op = (enum arith_op)(bind->info->variant & ~ARITH_TRY);
    struct arith *arith = arena_zero(bind->arena, sizeof *arith);
    bind->out.state = arith;
    enum err err = interval_bind(bind, op);
    if (err != ERR_NOT_FOUND)
        return err;
    if (is_decimal(bind)) {
        arith->eval = decimal_eval;
        return decimal_bind(bind, op);
    }
    return numeric_bind(bind, op, arith);
}

static enum err arith_eval(struct eval *eval, const struct func_binding *binding,
                           const struct column *const *args, uint32_t rows,
                           struct column **ret_column)
{
    const struct arith *arith = binding->state;
    return arith->eval(eval, binding, args, rows, ret_column);
}

const struct func_info func_arith[] = {
    {"+", 2, 2, true, false, arith_bind, arith_eval, "a + b", .variant = ARITH_ADD},
    {"-", 2, 2, true, false, arith_bind, arith_eval, "a - b", .variant = ARITH_SUBTRACT},
    {"*", 2, 2, true, false, arith_bind, arith_eval, "a * b", .variant = ARITH_MULTIPLY},
    {"/", 2, 2, true, false, arith_bind, arith_eval, "a / b", .variant = ARITH_DIVIDE},
    {"%", 2, 2, true, false, arith_bind, arith_eval, "a % b", .variant = ARITH_REMAINDER},
    {"mod", 2, 2, true, false, arith_bind, arith_eval, "mod(a, b)", .variant = ARITH_REMAINDER},
    {"div", 2, 2, true, false, arith_bind, arith_eval, "a div b", .variant = ARITH_DIV},
    {"pmod", 2, 2, true, false, arith_bind, arith_eval, "pmod(a, b)", .variant = ARITH_PMOD},
    {"try_add", 2, 2, true, false, arith_bind, arith_eval, "try_add(a, b)",
     .variant = ARITH_ADD + ARITH_TRY},
    {"try_subtract", 2, 2, true, false, arith_bind, arith_eval, "try_subtract(a, b)",
     .variant = ARITH_SUBTRACT + ARITH_TRY},
    {"try_multiply", 2, 2, true, false, arith_bind, arith_eval, "try_multiply(a, b)",
     .variant = ARITH_MULTIPLY + ARITH_TRY},
    {"try_divide", 2, 2, true, false, arith_bind, arith_eval, "try_divide(a, b)",
     .variant = ARITH_DIVIDE + ARITH_TRY},
    {"try_mod", 2, 2, true, false, arith_bind, arith_eval, "try_mod(a, b)",
     .variant = ARITH_REMAINDER + ARITH_TRY},
    {.name = NULL},
};
