/* SPDX-License-Identifier: MIT */
/*
 * Text: joining, cutting, case, length.
 *
 * Positions count code points from 1; negative ones count from the end. Functions of "STRING or
 * BINARY" count bytes for BINARY. concat of nothing but NULL-free texts joins, any NULL gives NULL;
 * concat_ws skips NULLs and takes arrays as lists of texts. concat also joins arrays.
 */
#include "query/func/kernel.h"
#include "query/func/text.h"

/* ---- concat ---- */

static enum err concat_bind(struct func_bind *bind)
{
    bool binary = bind->count > 0, array = false;
    for (size_t i = 0; i < bind->count; i++) {
        binary &= bind_kind(bind, i) == TYPE_BINARY || bind_kind(bind, i) == TYPE_NULL;
        array |= bind_kind(bind, i) == TYPE_ARRAY;
    }
    for (size_t i = 0; array && i < bind->count; i++)
        if (bind_kind(bind, i) == TYPE_NULL)
            return bind_fail(bind, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09",
                             "concat: the arguments should have one type, but one is VOID");
    if (array)
        return bind_common(bind, 0, NULL);
    binary &= bind->count > 0 && bind_kind(bind, 0) == TYPE_BINARY;
    bind->out.result = type_simple(binary ? TYPE_BINARY : TYPE_STRING);
    for (size_t i = 0; i < bind->count; i++) {
        bind->out.args[i] = type_implicit(bind, i, bind->out.result);
        if (!bind->out.args[i] && bind_kind(bind, i) == TYPE_BINARY)
            bind->out.args[i] = bind->out.result;
        if (!bind->out.args[i])
            return bind_bad_input(bind, i, "STRING, BINARY or ARRAY");
    }
    return OK;
}

static void concat_row(struct func_call *call)
{
    if (call->binding->result->kind == TYPE_ARRAY) {
        for (size_t i = 0; i < call->count; i++) {
            const struct column *c = call->args[i];
            for (int32_t at = c->offsets[call->row]; at < c->offsets[call->row + 1]; at++)
                builder_copy(call->out->children[0], c->children[0], (size_t)at);
        }
        builder_valid(call->out);
        return;
    }
    for (size_t i = 0; i < call->count; i++)
        buf_str_append(&call->buf, call_str(call, i));
    builder_str(call->out, buf_str(&call->buf));
}

static enum err concat_ws_bind(struct func_bind *bind)
{
    bind->out.result = type_simple(TYPE_STRING);
    for (size_t i = 0; i < bind->count; i++) {
        const struct type *type = bind->args[i].type;
        bool array = i > 0 && type->kind == TYPE_ARRAY;
        if (array && type->fields[0].type->kind == TYPE_STRING)
            continue;
        bind->out.args[i] =
            array ? type_implicit(bind, i, type_array(bind->arena, type_simple(TYPE_STRING), true))
                  : type_implicit(bind, i, type_simple(TYPE_STRING));
        if (!bind->out.args[i] && type->kind == TYPE_BINARY)
            bind->out.args[i] = type_simple(TYPE_STRING);
        if (!bind->out.args[i])
            return bind_bad_input(bind, i, i ? "STRING or ARRAY<STRING>" : "STRING");
    }
    return OK;
}

static void add_part(struct func_call *call, struct str part, bool *first)
{
    if (!*first)
        buf_str_append(&call->buf, call_str(call, 0));
    *first = false;
    buf_str_append(&call->buf, part);
}

static void concat_ws_row(struct func_call *call)
{
    bool first = true;
    if (call_null(call, 0)) {
        builder_null(call->out);
        return;
    }
    for (size_t i = 1; i < call->count; i++) {
        const struct column *c = call->args[i];
        if (call_null(call, i))
            continue;
        if (c->type->kind != TYPE_ARRAY) {
            add_part(call, call_str(call, i), &first);
            continue;
        }
        for (int32_t at = c->offsets[call->row]; at < c->offsets[call->row + 1]; at++)
            if (!column_is_null(c->children[0], (size_t)at))
                add_part(call, column_str(c->children[0], (size_t)at), &first);
    }
    builder_str(call->out, buf_str(&call->buf));
}

/* ---- case and length ---- */

static void upper_row(struct func_call *call)
{
    text_upper(call_str(call, 0), &call->buf);
    builder_str(call->out, buf_str(&call->buf));
}

static void lower_row(struct func_call *call)
{
    text_lower(call_str(call, 0), &call->buf);
    builder_str(call->out, buf_str(&call->buf));
}

static void initcap_row(struct func_call *call)
{
    text_initcap(call_str(call, 0), &call->buf);
    builder_str(call->out, buf_str(&call->buf));
}

static bool is_bytes(const struct func_call *call)
{
    return call->args[0]->type->kind == TYPE_BINARY;
}

/* variant: 0 code points, 1 bytes, 8 bits */
static void length_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    int unit = call->binding->info->variant;
    if (unit == 0 && !is_bytes(call))
        builder_i64(call->out, (int64_t)text_points(text));
    else
        builder_i64(call->out, (int64_t)text.bytes * (unit == 8 ? 8 : 1));
}

/* ---- cutting ---- */

static struct str slice_points(struct func_call *call, struct str text, int64_t from, int64_t to)
{
    if (to <= from)
        return STR("");
    if (is_bytes(call))
        return str_slice(text, (size_t)from, (size_t)to);
    size_t begin = text_byte_of(text, (size_t)from);
    struct str rest = str_slice(text, begin, text.bytes);
    return str_slice(rest, 0, text_byte_of(rest, (size_t)(to - from)));
}

/* substring(text, pos[, len]): a position before the text shortens the piece. */
static void substring_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    int64_t pos = call_int(call, 1), length = call->count == 3 ? call_int(call, 2) : INT32_MAX;
    int64_t points = 0;
    if (pos < 0)
        points = is_bytes(call) ? (int64_t)text.bytes : (int64_t)text_points(text);
    int64_t from = pos > 0 ? pos - 1 : pos < 0 ? points + pos : 0;
    int64_t to = length > INT32_MAX - 1 ? INT64_MAX : from + length;
    builder_str(call->out, slice_points(call, text, from < 0 ? 0 : from, to < 0 ? 0 : to));
}

static void left_row(struct func_call *call)
{
    int64_t length = call_int(call, 1);
    builder_str(call->out, slice_points(call, call_str(call, 0), 0, length < 0 ? 0 : length));
}

static void right_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    int64_t length = call_int(call, 1);
    int64_t points = is_bytes(call) ? (int64_t)text.bytes : (int64_t)text_points(text);
    int64_t from = length >= points ? 0 : points - length;
    builder_str(call->out, length <= 0 ? STR("") : slice_points(call, text, from, points));
}

enum trim_ends { TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM_BOTH = 3 };

static bool has_point(struct str set, struct str text, size_t at)
{
    struct str point = str_slice(text, at, at + text_point_bytes(text, at));
    for (size_t i = 0; i < set.bytes; i += text_point_bytes(set, i))
        if (str_starts(str_slice(set, i, set.bytes), point))
            return true;
    return false;
}

static struct str trim_points(struct str text, struct str set, int ends)
{
    size_t from = 0, to = text.bytes;
    while (ends & TRIM_LEFT && from < to && has_point(set, text, from))
        from += text_point_bytes(text, from);
    while (ends & TRIM_RIGHT && to > from) {
        size_t at = to - 1;
        while (at > from && ((uint8_t)text.ptr[at] & 0xC0) == 0x80)
            at--;
        if (!has_point(set, text, at))
            break;
        to = at;
    }
    return str_slice(text, from, to);
}

/* trim(text): blanks. btrim(text, set), but trim, ltrim and rtrim(set, text) as Spark has it;
 * variant + 4: the set comes first. */
static void trim_row(struct func_call *call)
{
    int variant = call->binding->info->variant;
    bool set_first = variant & 4 && call->count == 2;
    struct str text = call_str(call, set_first ? 1 : 0);
    struct str set = call->count == 2 ? call_str(call, set_first ? 0 : 1) : STR(" ");
    builder_str(call->out, trim_points(text, set, variant & TRIM_BOTH));
}

static void split_part_row(struct func_call *call)
{
    struct str text = call_str(call, 0), by = call_str(call, 1);
    int64_t part = call_int(call, 2), parts = 1;
    if (part == 0) {
        call_fail(call, "INVALID_INDEX_OF_ZERO", STATE_NUMERIC,
                  "split_part: parts count from 1, or from the end from -1");
        return;
    }
    for (size_t at = 0; by.bytes && (at = str_find(text, by, at)) != SIZE_MAX; at += by.bytes)
        parts++;
    part = part < 0 ? parts + part : part - 1;
    if (part < 0 || part >= parts) {
        builder_str(call->out, STR(""));
        return;
    }
    size_t from = 0;
    for (; part > 0; part--)
        from = str_find(text, by, from) + by.bytes;
    size_t to = by.bytes ? str_find(text, by, from) : SIZE_MAX;
    builder_str(call->out, str_slice(text, from, to == SIZE_MAX ? text.bytes : to));
}

static void replace_row(struct func_call *call)
{
    struct str text = call_str(call, 0), what = call_str(call, 1);
    struct str with = call->count == 3 ? call_str(call, 2) : STR("");
    size_t from = 0, at;
    while (what.bytes && (at = str_find(text, what, from)) != SIZE_MAX) {
        buf_str_append(&call->buf, str_slice(text, from, at));
        buf_str_append(&call->buf, with);
        from = at + what.bytes;
    }
    buf_str_append(&call->buf, str_slice(text, from, text.bytes));
    builder_str(call->out, buf_str(&call->buf));
}

const struct func_info func_string[] = {
    {"concat", 0, 255, true, false, concat_bind, kernel_rows, "concat(a, ..)", .row = concat_row},
    {"||", 2, 2, true, false, concat_bind, kernel_rows, "a || b", .row = concat_row},
    {"concat_ws", 1, 255, false, false, concat_ws_bind, kernel_rows, "concat_ws(sep, ..)", NULL,
     .row = concat_ws_row},
    {"upper", 1, 1, true, false, bind_signature, kernel_rows, "upper(str)", "s(s)",
     .row = upper_row},
    {"ucase", 1, 1, true, false, bind_signature, kernel_rows, "ucase(str)", "s(s)",
     .row = upper_row},
    {"lower", 1, 1, true, false, bind_signature, kernel_rows, "lower(str)", "s(s)",
     .row = lower_row},
    {"lcase", 1, 1, true, false, bind_signature, kernel_rows, "lcase(str)", "s(s)",
     .row = lower_row},
    {"initcap", 1, 1, true, false, bind_signature, kernel_rows, "initcap(str)", "s(s)",
     .row = initcap_row},
    {"length", 1, 1, true, false, bind_signature, kernel_rows, "length(str)", "i(u)",
     .row = length_row},
    {"len", 1, 1, true, false, bind_signature, kernel_rows, "len(str)", "i(u)", .row = length_row},
    {"char_length", 1, 1, true, false, bind_signature, kernel_rows, "char_length(str)", "i(u)",
     .row = length_row},
    {"character_length", 1, 1, true, false, bind_signature, kernel_rows, "character_length(str)",
     "i(u)", .row = length_row},
    {"octet_length", 1, 1, true, false, bind_signature, kernel_rows, "octet_length(str)", "i(u)",
     length_row, 1},
    {"bit_length", 1, 1, true, false, bind_signature, kernel_rows, "bit_length(str)", "i(u)",
     length_row, 8},
    {"substring", 2, 3, true, false, bind_signature, kernel_rows, "substring(str, pos[, len])",
     "0(u,i,i)", .row = substring_row},
    {"substr", 2, 3, true, false, bind_signature, kernel_rows, "substr(str, pos[, len])",
     "0(u,i,i)", .row = substring_row},
    {"left", 2, 2, true, false, bind_signature, kernel_rows, "left(str, len)", "0(u,i)",
     .row = left_row},
    {"right", 2, 2, true, false, bind_signature, kernel_rows, "right(str, len)", "s(s,i)",
     .row = right_row},
    {"trim", 1, 2, true, false, bind_signature, kernel_rows, "trim([chars,] str)", "s(s,s)",
     trim_row, TRIM_BOTH + 4},
    {"btrim", 1, 2, true, false, bind_signature, kernel_rows, "btrim(str[, chars])", "s(s,s)",
     trim_row, TRIM_BOTH},
    {"ltrim", 1, 2, true, false, bind_signature, kernel_rows, "ltrim([chars,] str)", "s(s,s)",
     trim_row, TRIM_LEFT + 4},
    {"rtrim", 1, 2, true, false, bind_signature, kernel_rows, "rtrim([chars,] str)", "s(s,s)",
     trim_row, TRIM_RIGHT + 4},
    {"split_part", 3, 3, true, false, bind_signature, kernel_rows,
     "split_part(str, delimiter, part)", "s(s,s,i)", .row = split_part_row},
    {"replace", 2, 3, true, false, bind_signature, kernel_rows, "replace(str, search[, replace])",
     "s(s,s,s)", .row = replace_row},
    {.name = NULL},
};
