/* SPDX-License-Identifier: MIT */
/*
 * Order and equality of single values, nested ones too, as Spark sorts them: nulls first, NaN
 * behind every number, -0.0 equal to 0.0, bytes unsigned, lists by their first difference, structs
 * field by field. Maps, which Spark does not compare, go by their entries in order. Sorting and
 * joining of whole columns have loops of their own elsewhere; this is the reference for them.
 */
#include "data/column.h"

#include "base/check.h"

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int order_f64(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return ORDER(a, b);
}

static int order_interval(const struct interval *a, const struct interval *b)
{
    if (a->months != b->months)
        return ORDER(a->months, b->months);
    return a->days != b->days ? ORDER(a->days, b->days) : ORDER(a->us, b->us);
}

static int order_fixed(const struct column *a, size_t i, const struct column *b, size_t j)
{
    switch (a->type->kind) {
    case TYPE_BOOLEAN:
        return (int)bit_get(a->bits, i) - (int)bit_get(b->bits, j);
    case TYPE_TINYINT:
        return ORDER(a->i8[i], b->i8[j]);
    case TYPE_SMALLINT:
        return ORDER(a->i16[i], b->i16[j]);
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YM:
        return ORDER(a->i32[i], b->i32[j]);
    case TYPE_FLOAT:
        return order_f64((double)a->f32[i], (double)b->f32[j]);
    case TYPE_DOUBLE:
        return order_f64(a->f64[i], b->f64[j]);
    case TYPE_DECIMAL:
        return ORDER(a->i128[i], b->i128[j]);
    case TYPE_INTERVAL:
        return order_interval(&a->intervals[i], &b->intervals[j]);
    default:
        check(type_width(a->type) == 8);
        return ORDER(a->i64[i], b->i64[j]);
    }
}

static int order_lists(const struct column *a, size_t i, const struct column *b, size_t j)
{
    size_t a_at = (size_t)a->offsets[i], a_end = (size_t)a->offsets[i + 1];
    size_t b_at = (size_t)b->offsets[j], b_end = (size_t)b->offsets[j + 1];
    for (; a_at < a_end && b_at < b_end; a_at++, b_at++)
        for (uint32_t k = 0; k < a->child_count; k++) {
            int order = column_value_compare(a->children[k], a_at, b->children[k], b_at);
            if (order)
                return order;
        }
    return (a_at < a_end) - (b_at < b_end);
}

int column_value_compare(const struct column *a, size_t i, const struct column *b, size_t j)
{
    bool a_null = column_is_null(a, i), b_null = column_is_null(b, j);
    if (a_null || b_null)
        return b_null - a_null;
    switch (a->type->kind) {
    case TYPE_STRING:
    case TYPE_BINARY:
        return str_compare(column_str(a, i), column_str(b, j));
    case TYPE_ARRAY:
    case TYPE_MAP:
        return order_lists(a, i, b, j);
    case TYPE_STRUCT:
        for (uint32_t k = 0; k < a->child_count; k++) {
            int order = column_value_compare(a->children[k], i, b->children[k], j);
            if (order)
                return order;
        }
        return 0;
    default:
        return order_fixed(a, i, b, j);
    }
}

bool column_value_equal(const struct column *a, size_t i, const struct column *b, size_t j)
{
    return column_value_compare(a, i, b, j) == 0;
}
