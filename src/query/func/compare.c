/* SPDX-License-Identifier: MIT */
/*
 * = <> < <= > >= <=> and IN.
 *
 * Both sides are brought to one type first. Numbers, dates and booleans compare in plain loops per
 * width; text by bytes; nested values by column_value_compare. NaN equals NaN and is above all,
 * -0.0 equals 0.0. <=> treats null as a value.
 *
 * x IN (a, b) is true when one equals, else NULL when x or any of them is NULL, else false.
 */
#include "query/func/kernel.h"

enum compare_op {
    COMPARE_EQ,
    COMPARE_NE,
    COMPARE_LT,
    COMPARE_LE,
    COMPARE_GT,
    COMPARE_GE,
    COMPARE_NULL_EQ
};

KERNEL_INLINE bool holds(enum compare_op op, int order)
{
    switch (op) {
    case COMPARE_NE:
        return order != 0;
    case COMPARE_LT:
        return order < 0;
    case COMPARE_LE:
        return order <= 0;
    case COMPARE_GT:
        return order > 0;
    case COMPARE_GE:
        return order >= 0;
    default:
        return order == 0;
    }
}

KERNEL_INLINE int order_f64(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return (a > b) - (a < b);
}

static inline int order_str(struct str a, struct str b)
{
    size_t bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = bytes ? memcmp(a.ptr, b.ptr, bytes) : 0;
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

KERNEL_INLINE int order_at(enum type_kind kind, const struct column *a, const struct column *b,
                           uint32_t i)
{
    switch (kind) {
    case TYPE_TINYINT:
        return a->i8[i] - b->i8[i];
    case TYPE_SMALLINT:
        return a->i16[i] - b->i16[i];
    case TYPE_INT:
        return (a->i32[i] > b->i32[i]) - (a->i32[i] < b->i32[i]);
    case TYPE_BIGINT:
        return (a->i64[i] > b->i64[i]) - (a->i64[i] < b->i64[i]);
    case TYPE_FLOAT:
        return order_f64((double)a->f32[i], (double)b->f32[i]);
    case TYPE_DOUBLE:
        return order_f64(a->f64[i], b->f64[i]);
    case TYPE_DECIMAL:
        return (a->i128[i] > b->i128[i]) - (a->i128[i] < b->i128[i]);
    case TYPE_BOOLEAN:
        return (int)bit_get(a->bits, i) - (int)bit_get(b->bits, i);
    case TYPE_STRING:
        return order_str(column_str(a, i), column_str(b, i));
    default:
        return column_value_compare(a, i, b, i);
    }
}

KERNEL_INLINE void compare_loop(enum compare_op op, enum type_kind kind, const struct column *a,
                                const struct column *b, struct builder *out)
{
    for (uint32_t w = 0; w < bit_words(out->rows); w++) {
        uint32_t from = w * 64, to = out->rows - from < 64 ? out->rows : from + 64;
        uint64_t bits = 0;
        for (uint32_t i = from; i < to; i++)
            bits |= (uint64_t)holds(op, order_at(kind, a, b, i)) << (i - from);
        out->bits[w] = bits;
    }
}

KERNEL_INLINE void compare_kind(enum compare_op op, enum type_kind kind, const struct column *a,
                                const struct column *b, struct builder *out)
{
    switch (kind) {
    case TYPE_TINYINT:
        compare_loop(op, TYPE_TINYINT, a, b, out);
        break;
    case TYPE_SMALLINT:
        compare_loop(op, TYPE_SMALLINT, a, b, out);
        break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YM:
        compare_loop(op, TYPE_INT, a, b, out);
        break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DT:
        compare_loop(op, TYPE_BIGINT, a, b, out);
        break;
    case TYPE_DOUBLE:
        compare_loop(op, TYPE_DOUBLE, a, b, out);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        compare_loop(op, TYPE_STRING, a, b, out);
        break;
    default:
        for (uint32_t i = 0; i < out->rows; i++)
            if (kernel_is_valid(out, i))
                kernel_put_bool(out, i, holds(op, order_at(kind, a, b, i)));
        break;
    }
}

static void compare_columns(enum compare_op op, const struct column *a, const struct column *b,
                            struct builder *out)
{
    enum type_kind kind = a->type->kind;
    switch (op) {
    case COMPARE_NE:
        compare_kind(COMPARE_NE, kind, a, b, out);
        break;
    case COMPARE_LT:
        compare_kind(COMPARE_LT, kind, a, b, out);
        break;
    case COMPARE_LE:
        compare_kind(COMPARE_LE, kind, a, b, out);
        break;
    case COMPARE_GT:
        compare_kind(COMPARE_GT, kind, a, b, out);
        break;
    case COMPARE_GE:
        compare_kind(COMPARE_GE, kind, a, b, out);
        break;
    default:
        compare_kind(COMPARE_EQ, kind, a, b, out);
        break;
    }
}

static enum err compare_eval(struct eval *eval, const struct func_binding *binding,
                             const struct column *const *args, uint32_t rows,
                             struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, args, 2, rows);
    if (args[0]->type->kind != TYPE_NULL && args[1]->type->kind != TYPE_NULL)
        compare_columns((enum compare_op)binding->info->variant, args[0], args[1], out);
    return kernel_finish(out, ret_column);
}

static enum err null_equal_eval(struct eval *eval, const struct func_binding *binding,
                                const struct column *const *args, uint32_t rows,
                                struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, NULL, 0, rows);
    for (uint32_t i = 0; i < rows; i++) {
        bool a = column_is_null(args[0], i), b = column_is_null(args[1], i);
        kernel_put_bool(out, i,
                        a || b ? a == b : order_at(args[0]->type->kind, args[0], args[1], i) == 0);
    }
    return kernel_finish(out, ret_column);
}

/* The common type of a comparison. Without ANSI text gives way to the other side. */
static const struct type *compare_type(struct func_bind *bind)
{
    const struct type *a = bind->args[0].type, *b = bind->args[1].type;
    bool text = a->kind == TYPE_STRING || b->kind == TYPE_STRING;
    if (text && !bind->session->ansi) {
        const struct type *other = a->kind == TYPE_STRING ? b : a;
        if (other->kind == TYPE_NULL)
            return type_simple(TYPE_STRING);
        if (other->kind == TYPE_DECIMAL)
            return type_simple(TYPE_DOUBLE);
        bool span = other->kind >= TYPE_INTERVAL_YM && other->kind <= TYPE_INTERVAL;
        return type_is_nested(other) || span ? NULL : other;
    }
    return type_common(bind->arena, a, b, bind->session);
}

static bool has_map(const struct type *type)
{
    if (type->kind == TYPE_MAP)
        return true;
    for (uint32_t i = 0; type_is_nested(type) && i < type->field_count; i++)
        if (has_map(type->fields[i].type))
            return true;
    return false;
}

static enum err compare_bind(struct func_bind *bind)
{
    const struct type *common = compare_type(bind);
    if (!common)
        return bind_diff_types(bind);
    bool ordering = bind->info->variant >= COMPARE_LT && bind->info->variant <= COMPARE_GE;
    if (has_map(common) || (ordering && common->kind == TYPE_INTERVAL))
        return bind_fail(bind, "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
                         "%s: values of type %s have no order", bind->info->name,
                         type_text(bind->arena, common));
    bind->out.args[0] = bind->out.args[1] = common;
    bind->out.result = type_simple(TYPE_BOOLEAN);
    return OK;
}

/* ---- IN ---- */

static enum err in_bind(struct func_bind *bind)
{
    TRY(bind_common(bind, 0, type_simple(TYPE_BOOLEAN)));
    if (has_map(bind->out.args[0]))
        return bind_fail(bind, "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
                         "in: values of type %s cannot be compared",
                         type_text(bind->arena, bind->out.args[0]));
    return OK;
}

static enum err in_eval(struct eval *eval, const struct func_binding *binding,
                        const struct column *const *args, uint32_t rows, struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, args, 1, rows);
    for (uint32_t i = 0; i < rows; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        bool found = false, unknown = false;
        for (size_t a = 1; a < binding->count && !found; a++) {
            if (column_is_null(args[a], i))
                unknown = true;
            else
                found = order_at(args[0]->type->kind, args[0], args[a], i) == 0;
        }
        kernel_put_bool(out, i, found);
        if (!found && unknown)
            kernel_put_null(out, i);
    }
    return kernel_finish(out, ret_column);
}

/* ---- IS NULL, IS NAN ---- */

static enum err is_null_bind(struct func_bind *bind)
{
    bind->out.result = type_simple(TYPE_BOOLEAN);
    return OK;
}

static enum err is_null_eval(struct eval *eval, const struct func_binding *binding,
                             const struct column *const *args, uint32_t rows,
                             struct column **ret_column)
{
    struct builder *out = kernel_fixed(binding->result, NULL, 0, rows);
    for (uint32_t i = 0; i < rows; i++)
        kernel_put_bool(out, i, column_is_null(args[0], i) == (bool)binding->info->variant);
    return kernel_finish(out, ret_column);
}

static void is_nan_row(struct func_call *call)
{
    builder_bool(call->out, !call_null(call, 0) && call_double(call, 0) != call_double(call, 0));
}

const struct func_info func_compare[] = {
    {"=", 2, 2, true, false, compare_bind, compare_eval, "a = b", .variant = COMPARE_EQ},
    {"==", 2, 2, true, false, compare_bind, compare_eval, "a == b", .variant = COMPARE_EQ},
    {"<>", 2, 2, true, false, compare_bind, compare_eval, "a <> b", .variant = COMPARE_NE},
    {"!=", 2, 2, true, false, compare_bind, compare_eval, "a != b", .variant = COMPARE_NE},
    {"<", 2, 2, true, false, compare_bind, compare_eval, "a < b", .variant = COMPARE_LT},
    {"<=", 2, 2, true, false, compare_bind, compare_eval, "a <= b", .variant = COMPARE_LE},
    {">", 2, 2, true, false, compare_bind, compare_eval, "a > b", .variant = COMPARE_GT},
    {">=", 2, 2, true, false, compare_bind, compare_eval, "a >= b", .variant = COMPARE_GE},
    {"<=>", 2, 2, false, false, compare_bind, null_equal_eval, "a <=> b",
     .variant = COMPARE_NULL_EQ},
    {"equal_null", 2, 2, false, false, compare_bind, null_equal_eval, "equal_null(a, b)",
     .variant = COMPARE_NULL_EQ},
    {"in", 2, 255, false, false, in_bind, in_eval, "a in (b, ..)", .variant = 0},
    {"isnull", 1, 1, false, false, is_null_bind, is_null_eval, "isnull(expr)", .variant = 1},
    {"isnotnull", 1, 1, false, false, is_null_bind, is_null_eval, "isnotnull(expr)", .variant = 0},
    {"isnan", 1, 1, false, false, bind_signature, kernel_rows, "isnan(expr)", "b(d)",
     .row = is_nan_row},
    {.name = NULL},
};
