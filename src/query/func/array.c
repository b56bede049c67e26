/* SPDX-License-Identifier: MIT */
/*
 * Arrays: searching, sets, order, cutting, growing.
 *
 * Elements equal as values do (NULL equals NULL, NaN equals NaN). Searching an array that has a
 * NULL and not the value gives NULL, as in IN. Set functions keep the first occurrence, in order.
 */
#include "query/func/kernel.h"
#include "query/func/text.h"

#include <stdlib.h>

static uint32_t begin_of(const struct func_call *call, size_t i)
{
    return (uint32_t)call->args[i]->offsets[call->row];
}
static uint32_t end_of(const struct func_call *call, size_t i)
{
    return (uint32_t)call->args[i]->offsets[call->row + 1];
}
static const struct column *elements_of(const struct func_call *call, size_t i)
{
    return call->args[i]->children[0];
}
static void add(struct func_call *call, const struct column *elements, size_t at)
{
    builder_copy(call->out->children[0], elements, at);
}

/* ---- bind: an array, then values of its element type ---- */

static enum err element_bind(struct func_bind *bind, size_t array, size_t value)
{
    const struct type *type = bind->args[array].type;
    if (type->kind == TYPE_NULL) {
        bind->out.args[array] = type_array(bind->arena, bind->args[value].type, true);
        return OK;
    }
    if (type->kind != TYPE_ARRAY)
        return bind_fail(bind, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                         "%s takes an array, not %s", bind->info->name,
                         type_text(bind->arena, type));
    const struct type *common = type_tightest(bind, type->fields[0].type, bind->args[value].type);
    if (!common)
        return bind_fail(bind, "DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES", "42K09",
                         "%s: the array has elements of %s, the value is %s", bind->info->name,
                         type_text(bind->arena, type->fields[0].type),
                         type_text(bind->arena, bind->args[value].type));
    bind->out.args[array] = type_array(bind->arena, common, true);
    bind->out.args[value] = common;
    return OK;
}

enum { SEARCH_CONTAINS, SEARCH_POSITION, SEARCH_REMOVE, GROW_APPEND, GROW_PREPEND };

static enum err search_bind(struct func_bind *bind)
{
    int what = bind->info->variant;
    TRY(element_bind(bind, 0, 1));
    if (what <= SEARCH_REMOVE && bind_kind(bind, 1) == TYPE_NULL)
        return bind_fail(bind, "DATATYPE_MISMATCH.NULL_TYPE", "42K09",
                         "%s: NULL is no value to search", bind->info->name);
    bind->out.result = what == SEARCH_CONTAINS   ? type_simple(TYPE_BOOLEAN)
                       : what == SEARCH_POSITION ? type_simple(TYPE_BIGINT)
                                                 : bind->out.args[0];
    return OK;
}

static bool equal_at(const struct func_call *call, uint32_t at)
{
    return column_value_equal(elements_of(call, 0), at, call->args[1], call->row);
}

static void search_row(struct func_call *call)
{
    uint32_t from = begin_of(call, 0), end = end_of(call, 0), found = from;
    bool nulls = false;
    if (call->binding->info->variant == SEARCH_REMOVE) {
        for (; from < end; from++)
            if (column_is_null(elements_of(call, 0), from) || !equal_at(call, from))
                add(call, elements_of(call, 0), from);
        builder_valid(call->out);
        return;
    }
    for (; found < end && !equal_at(call, found); found++)
        nulls |= column_is_null(elements_of(call, 0), found);
    if (call->binding->info->variant == SEARCH_POSITION)
        builder_i64(call->out, found < end ? found - from + 1 : 0);
    else if (found == end && nulls)
        builder_null(call->out);
    else
        builder_bool(call->out, found < end);
}

static void grow_row(struct func_call *call)
{
    if (call_null(call, 0)) {
        builder_null(call->out);
        return;
    }
    if (call->binding->info->variant == GROW_PREPEND)
        add(call, call->args[1], call->row);
    for (uint32_t i = begin_of(call, 0); i < end_of(call, 0); i++)
        add(call, elements_of(call, 0), i);
    if (call->binding->info->variant == GROW_APPEND)
        add(call, call->args[1], call->row);
    builder_valid(call->out);
}

/* ---- sets ---- */

enum { SET_DISTINCT, SET_UNION, SET_INTERSECT, SET_EXCEPT, SET_OVERLAP };

static enum err set_bind(struct func_bind *bind)
{
    for (size_t i = 0; i < bind->count; i++)
        if (bind_kind(bind, i) != TYPE_ARRAY)
            return bind_fail(bind,
                             bind->count == 1 ? "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"
                                              : "DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES",
                             "42K09", "%s takes arrays", bind->info->name);
    if (bind_common(bind, 0, NULL) != OK) {
        diag_class(bind->diag, "DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES", "42K09");
        return ERR_INVALID;
    }
    if (bind->info->variant == SET_OVERLAP)
        bind->out.result = type_simple(TYPE_BOOLEAN);
    return OK;
}

static bool occurs(const struct column *in, uint32_t from, uint32_t to, const struct column *what,
                   uint32_t at)
{
    for (uint32_t i = from; i < to; i++)
        if (column_value_equal(in, i, what, at))
            return true;
    return false;
}

static void set_row(struct func_call *call)
{
    int what = call->binding->info->variant;
    const struct column *a = elements_of(call, 0), *b = NULL;
    uint32_t a_from = begin_of(call, 0), a_to = end_of(call, 0), b_from = 0, b_to = 0;
    if (call->count == 2) {
        b = elements_of(call, 1);
        b_from = begin_of(call, 1);
        b_to = end_of(call, 1);
    }
    for (uint32_t i = a_from; i < a_to; i++) {
        if (occurs(a, a_from, i, a, i))
            continue;
        bool in_b = (what == SET_INTERSECT || what == SET_EXCEPT) && occurs(b, b_from, b_to, a, i);
        if (what <= SET_UNION || in_b == (what == SET_INTERSECT))
            add(call, a, i);
    }
    for (uint32_t i = b_from; what == SET_UNION && i < b_to; i++)
        if (!occurs(a, a_from, a_to, b, i) && !occurs(b, b_from, i, b, i))
            add(call, b, i);
    builder_valid(call->out);
}

static void overlap_row(struct func_call *call)
{
    const struct column *a = elements_of(call, 0), *b = elements_of(call, 1);
    bool nulls = false;
    uint32_t b_from = begin_of(call, 1), b_to = end_of(call, 1);
    for (uint32_t i = begin_of(call, 0); i < end_of(call, 0); i++) {
        if (column_is_null(a, i)) {
            nulls = true;
        } else if (occurs(b, b_from, b_to, a, i)) {
            builder_bool(call->out, true);
            return;
        }
    }
    for (uint32_t i = b_from; i < b_to; i++)
        nulls |= column_is_null(b, i);
    if (nulls && begin_of(call, 0) < end_of(call, 0) && b_from < b_to)
        builder_null(call->out);
    else
        builder_bool(call->out, false);
}

/* ---- order ---- */

enum { ORDER_ARRAY_SORT, ORDER_SORT_ARRAY };

static bool is_ordered_type(const struct type *type)
{
    if (type->kind == TYPE_MAP || type->kind == TYPE_INTERVAL)
        return false;
    for (uint32_t i = 0; type_is_nested(type) && i < type->field_count; i++)
        if (!is_ordered_type(type->fields[i].type))
            return false;
    return true;
}

static enum err order_bind(struct func_bind *bind)
{
    const struct type *type = bind->args[0].type;
    if (type->kind != TYPE_ARRAY)
        return bind_bad_input(bind, 0, "ARRAY");
    if (!is_ordered_type(type->fields[0].type))
        return bind_fail(bind, "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
                         "%s: elements of %s have no order", bind->info->name,
                         type_text(bind->arena, type->fields[0].type));
    bind->out.result = type;
    if (bind->count == 2 && bind_kind(bind, 1) != TYPE_BOOLEAN)
        return bind_bad_input(bind, 1, "BOOLEAN");
    return OK;
}

struct order {
    const struct column *elements;
    int sign;
    int null_sign; /* -1: nulls first */
};

static int order_compare(const void *a, const void *b, void *context)
{
    const struct order *order = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    bool null_i = column_is_null(order->elements, i), null_k = column_is_null(order->elements, k);
    if (null_i || null_k)
        return (null_i - null_k) * order->null_sign;
    int compared = column_value_compare(order->elements, i, order->elements, k) * order->sign;
    return compared ? compared : (i > k) - (i < k);
}

static void order_row(struct func_call *call)
{
    bool descending = call->count == 2 && !call_bool(call, 1);
    struct order order = {elements_of(call, 0), descending ? -1 : 1,
                          call->binding->info->variant == ORDER_ARRAY_SORT || descending ? 1 : -1};
    uint32_t from = begin_of(call, 0), count = end_of(call, 0) - from;
    uint32_t *indices = (uint32_t *)(void *)buf_reserve(&call->buf, count * sizeof *indices + 8);
    if (!indices) {
        builder_null(call->out);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        indices[i] = from + i;
    qsort_r(indices, count, sizeof *indices, order_compare, &order);
    for (uint32_t i = 0; i < count; i++)
        add(call, order.elements, indices[i]);
    builder_valid(call->out);
}

static enum err extreme_bind(struct func_bind *bind)
{
    TRY(order_bind(bind));
    bind->out.result = bind->args[0].type->fields[0].type;
    return OK;
}

static void extreme_row(struct func_call *call)
{
    const struct column *c = elements_of(call, 0);
    uint32_t best = UINT32_MAX;
    for (uint32_t i = begin_of(call, 0); i < end_of(call, 0); i++)
        if (!column_is_null(c, i) &&
            (best == UINT32_MAX ||
             column_value_compare(c, i, c, best) * call->binding->info->variant > 0))
            best = i;
    if (best == UINT32_MAX)
        builder_null(call->out);
    else
        builder_copy(call->out, c, best);
}

/* ---- text ---- */

static void join_row(struct func_call *call)
{
    const struct column *c = elements_of(call, 0);
    bool first = true;
    for (uint32_t i = begin_of(call, 0); i < end_of(call, 0); i++) {
        bool null = column_is_null(c, i);
        if (null && call->count < 3)
            continue;
        if (!first)
            buf_str_append(&call->buf, call_str(call, 1));
        first = false;
        buf_str_append(&call->buf, null ? call_str(call, 2) : column_str(c, i));
    }
    builder_str(call->out, buf_str(&call->buf));
}

/* ---- cutting and growing ---- */

static enum err array_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    if (bind_kind(bind, 0) != TYPE_ARRAY && bind_kind(bind, 0) != TYPE_NULL)
        return bind_bad_input(bind, 0, "ARRAY");
    return OK;
}

static void slice_row(struct func_call *call)
{
    int64_t start = call_int(call, 1), length = call_int(call, 2);
    int64_t count = end_of(call, 0) - begin_of(call, 0);
    if (start == 0 || length < 0) {
        call_fail(
            call, start == 0 ? "INVALID_PARAMETER_VALUE.START" : "INVALID_PARAMETER_VALUE.LENGTH",
            "22023", start == 0 ? "slice: elements count from 1" : "slice: a negative length");
        return;
    }
    int64_t from = start > 0 ? start - 1 : count + start;
    for (int64_t i = from; from >= 0 && i < count && i < from + length; i++)
        add(call, elements_of(call, 0), begin_of(call, 0) + (size_t)i);
    builder_valid(call->out);
}

static enum err reverse_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    bind->out.args[0] =
        kind == TYPE_ARRAY ? bind->args[0].type : type_implicit(bind, 0, type_simple(TYPE_STRING));
    bind->out.result = bind->out.args[0];
    return bind->out.result ? OK : bind_bad_input(bind, 0, "STRING or ARRAY");
}

static void reverse_row(struct func_call *call)
{
    if (call->args[0]->type->kind == TYPE_ARRAY) {
        for (uint32_t i = end_of(call, 0); i > begin_of(call, 0); i--)
            add(call, elements_of(call, 0), i - 1);
        builder_valid(call->out);
        return;
    }
    struct str text = call_str(call, 0);
    for (size_t at = text.bytes; at > 0;) {
        size_t end = at;
        do
            at--;
        while (at > 0 && ((uint8_t)text.ptr[at] & 0xC0) == 0x80);
        buf_append(&call->buf, text.ptr + at, end - at);
    }
    builder_str(call->out, buf_str(&call->buf));
}

static enum err flatten_bind(struct func_bind *bind)
{
    const struct type *type = bind->args[0].type;
    if (type->kind != TYPE_ARRAY || type->fields[0].type->kind != TYPE_ARRAY)
        return bind_bad_input(bind, 0, "ARRAY of ARRAY");
    bind->out.result = type->fields[0].type;
    return OK;
}

static void flatten_row(struct func_call *call)
{
    const struct column *arrays = elements_of(call, 0);
    for (uint32_t i = begin_of(call, 0); i < end_of(call, 0); i++) {
        if (column_is_null(arrays, i)) {
            builder_null(call->out);
            return;
        }
        for (int32_t k = arrays->offsets[i]; k < arrays->offsets[i + 1]; k++)
            add(call, arrays->children[0], (size_t)k);
    }
    builder_valid(call->out);
}

static enum err repeat_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    bind->out.result = type_array(bind->arena, bind->args[0].type, true);
    return OK;
}

enum { REPEAT_MAX = 1 << 26 };

static void repeat_row(struct func_call *call)
{
    if (call_null(call, 1)) {
        builder_null(call->out);
        return;
    }
    int32_t count = call_int(call, 1);
    if (count > REPEAT_MAX) {
        call_fail(call, "COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", "54000",
                  "array_repeat: %d elements are too many", count);
        return;
    }
    for (int32_t i = 0; i < count; i++)
        add(call, call->args[0], call->row);
    builder_valid(call->out);
}

static void compact_row(struct func_call *call)
{
    for (uint32_t i = begin_of(call, 0); i < end_of(call, 0); i++)
        if (!column_is_null(elements_of(call, 0), i))
            add(call, elements_of(call, 0), i);
    builder_valid(call->out);
}

/* ---- array_insert ---- */

static enum err insert_bind(struct func_bind *bind)
{
    TRY(element_bind(bind, 0, 2));
    bind->out.args[1] = type_implicit(bind, 1, type_simple(TYPE_INT));
    bind->out.result = bind->out.args[0];
    return bind->out.args[1] ? OK : bind_bad_input(bind, 1, "INT");
}

static void insert_row(struct func_call *call)
{
    if (call_null(call, 0) || call_null(call, 1)) {
        builder_null(call->out);
        return;
    }
    int64_t pos = call_int(call, 1), count = end_of(call, 0) - begin_of(call, 0);
    if (pos == 0 || pos > REPEAT_MAX || pos < -REPEAT_MAX) {
        call_fail(call, "INVALID_INDEX_OF_ZERO", STATE_NUMERIC,
                  "array_insert: elements count from 1");
        return;
    }
    int64_t at = pos > 0 ? pos - 1 : count + pos + 1;
    at = at < 0 ? 0 : at; /* in front of the front: the value, then NULLs */
    int64_t before = pos < 0 && count + pos + 1 < 0 ? -(count + pos + 1) : 0;
    for (int64_t i = 0; i < at && i < count; i++)
        add(call, elements_of(call, 0), begin_of(call, 0) + (size_t)i);
    for (int64_t i = count; i < at; i++)
        builder_null(call->out->children[0]);
    add(call, call->args[2], call->row);
    for (int64_t i = 0; i < before; i++)
        builder_null(call->out->children[0]);
    for (int64_t i = at; i < count; i++)
        add(call, elements_of(call, 0), begin_of(call, 0) + (size_t)i);
    builder_valid(call->out);
}

/* ---- arrays_zip ---- */

static enum err zip_bind(struct func_bind *bind)
{
    struct field *fields = arena_array(bind->arena, bind->count + 1, sizeof *fields);
    for (size_t i = 0; i < bind->count; i++) {
        const struct type *type = bind->args[i].type;
        if (type->kind != TYPE_ARRAY && type->kind != TYPE_NULL)
            return bind_bad_input(bind, i, "ARRAY");
        if (type->kind == TYPE_NULL)
            bind->out.args[i] = type_array(bind->arena, type, true);
        fields[i] = (struct field){.name = str_of(arena_printf(bind->arena, "%zu", i)),
                                   .type = bind->out.args[i]->fields[0].type};
    }
    const struct type *entry = type_struct(bind->arena, fields, bind->count);
    bind->out.result = type_array(bind->arena, entry, false);
    return OK;
}

static void zip_row(struct func_call *call)
{
    struct builder *entry = call->out->children[0];
    uint32_t longest = 0;
    for (size_t a = 0; a < call->count; a++)
        if (end_of(call, a) - begin_of(call, a) > longest)
            longest = end_of(call, a) - begin_of(call, a);
    for (uint32_t i = 0; i < longest; i++) {
        for (size_t a = 0; a < call->count; a++) {
            if (begin_of(call, a) + i < end_of(call, a))
                builder_copy(entry->children[a], elements_of(call, a), begin_of(call, a) + i);
            else
                builder_null(entry->children[a]);
        }
        builder_valid(entry);
    }
    builder_valid(call->out);
}

const struct func_info func_array[] = {
    {"array_contains", 2, 2, true, false, search_bind, kernel_rows, "array_contains(array, value)",
     NULL, search_row, SEARCH_CONTAINS},
    {"array_position", 2, 2, true, false, search_bind, kernel_rows, "array_position(array, value)",
     NULL, search_row, SEARCH_POSITION},
    {"array_remove", 2, 2, true, false, search_bind, kernel_rows, "array_remove(array, value)",
     NULL, search_row, SEARCH_REMOVE},
    {"array_append", 2, 2, false, false, search_bind, kernel_rows, "array_append(array, value)",
     NULL, grow_row, GROW_APPEND},
    {"array_prepend", 2, 2, false, false, search_bind, kernel_rows, "array_prepend(array, value)",
     NULL, grow_row, GROW_PREPEND},
    {"array_distinct", 1, 1, true, false, set_bind, kernel_rows, "array_distinct(array)", NULL,
     set_row, SET_DISTINCT},
    {"array_union", 2, 2, true, false, set_bind, kernel_rows, "array_union(a, b)", NULL, set_row,
     SET_UNION},
    {"array_intersect", 2, 2, true, false, set_bind, kernel_rows, "array_intersect(a, b)", NULL,
     set_row, SET_INTERSECT},
    {"array_except", 2, 2, true, false, set_bind, kernel_rows, "array_except(a, b)", NULL, set_row,
     SET_EXCEPT},
    {"arrays_overlap", 2, 2, true, false, set_bind, kernel_rows, "arrays_overlap(a, b)", NULL,
     overlap_row, SET_OVERLAP},
    {"array_sort", 1, 1, true, false, order_bind, kernel_rows, "array_sort(array)", NULL, order_row,
     ORDER_ARRAY_SORT},
    {"sort_array", 1, 2, true, false, order_bind, kernel_rows, "sort_array(array[, ascending])",
     NULL, order_row, ORDER_SORT_ARRAY},
    {"array_max", 1, 1, true, false, extreme_bind, kernel_rows, "array_max(array)", NULL,
     extreme_row, 1},
    {"array_min", 1, 1, true, false, extreme_bind, kernel_rows, "array_min(array)", NULL,
     extreme_row, -1},
    {"array_join", 2, 3, true, false, bind_signature, kernel_rows,
     "array_join(array, delimiter[, for nulls])", "s(S,s,s)", .row = join_row},
    {"slice", 3, 3, true, false, array_bind, kernel_rows, "slice(array, start, length)", "0(.,i,i)",
     .row = slice_row},
    {"reverse", 1, 1, true, false, reverse_bind, kernel_rows, "reverse(text or array)",
     .row = reverse_row},
    {"flatten", 1, 1, true, false, flatten_bind, kernel_rows, "flatten(array of arrays)",
     .row = flatten_row},
    {"array_repeat", 2, 2, false, false, repeat_bind, kernel_rows, "array_repeat(value, count)",
     "0(.,i)", .row = repeat_row},
    {"array_compact", 1, 1, true, false, array_bind, kernel_rows, "array_compact(array)", "0(.)",
     .row = compact_row},
    {"array_insert", 3, 3, false, false, insert_bind, kernel_rows,
     "array_insert(array, pos, value)", .row = insert_row},
    {"arrays_zip", 0, 255, true, false, zip_bind, kernel_rows, "arrays_zip(array, ..)",
     .row = zip_row},
    {.name = NULL},
};
