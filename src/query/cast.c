/* SPDX-License-Identifier: MIT */
/*
 * CAST: which exist (cast_check), and the way to the kernel of each (cast_eval).
 *
 * What exists under ANSI is a table of sets: for each target the kinds that may become it. Without
 * ANSI a few more do. Nested types cast element by element.
 */
#include "query/cast.h"

enum {
    BIT_NUMBERS = 1 << TYPE_TINYINT | 1 << TYPE_SMALLINT | 1 << TYPE_INT | 1 << TYPE_BIGINT |
                  1 << TYPE_FLOAT | 1 << TYPE_DOUBLE | 1 << TYPE_DECIMAL,
    BIT_INTEGERS = 1 << TYPE_TINYINT | 1 << TYPE_SMALLINT | 1 << TYPE_INT | 1 << TYPE_BIGINT,
    BIT_TEXT = 1 << TYPE_STRING,
    BIT_TRUTH = 1 << TYPE_BOOLEAN,
    BIT_DATE = 1 << TYPE_DATE,
    BIT_INSTANTS = 1 << TYPE_TIMESTAMP | 1 << TYPE_TIMESTAMP_NTZ,
    BIT_SPANS = 1 << TYPE_INTERVAL_YM | 1 << TYPE_INTERVAL_DT,
    TO_NUMBER = BIT_TEXT | BIT_NUMBERS | BIT_TRUTH | 1 << TYPE_TIMESTAMP | BIT_SPANS,
};

/* [0] under ANSI and in try_cast, [1] more without ANSI. */
static const uint32_t castable[TYPE_KIND_COUNT][2] = {
    [TYPE_BOOLEAN] = {BIT_TEXT | BIT_NUMBERS, BIT_DATE | 1 << TYPE_TIMESTAMP},
    [TYPE_TINYINT] = {TO_NUMBER, BIT_DATE},
    [TYPE_SMALLINT] = {TO_NUMBER, BIT_DATE},
    [TYPE_INT] = {TO_NUMBER, BIT_DATE},
    [TYPE_BIGINT] = {TO_NUMBER, BIT_DATE},
    [TYPE_FLOAT] = {TO_NUMBER & ~BIT_SPANS, BIT_DATE},
    [TYPE_DOUBLE] = {TO_NUMBER & ~BIT_SPANS, BIT_DATE},
    [TYPE_DECIMAL] = {TO_NUMBER, BIT_DATE},
    [TYPE_BINARY] = {BIT_TEXT, BIT_INTEGERS},
    [TYPE_DATE] = {BIT_TEXT | BIT_INSTANTS, 0},
    [TYPE_TIMESTAMP] = {BIT_TEXT | BIT_DATE | BIT_INSTANTS | BIT_NUMBERS, BIT_TRUTH},
    [TYPE_TIMESTAMP_NTZ] = {BIT_TEXT | BIT_DATE | BIT_INSTANTS, 0},
    [TYPE_INTERVAL_YM] = {BIT_TEXT | BIT_INTEGERS | 1 << TYPE_DECIMAL | 1 << TYPE_INTERVAL_YM, 0},
    [TYPE_INTERVAL_DT] = {BIT_TEXT | BIT_INTEGERS | 1 << TYPE_DECIMAL | 1 << TYPE_INTERVAL_DT, 0},
    [TYPE_INTERVAL] = {BIT_TEXT, 0},
};

static bool exists(const struct type *from, const struct type *to, bool ansi)
{
    if (type_equal(from, to) || from->kind == TYPE_NULL || to->kind == TYPE_STRING)
        return true;
    if (type_is_nested(from) || type_is_nested(to)) {
        if (from->kind != to->kind || from->field_count != to->field_count)
            return false;
        for (uint32_t i = 0; i < from->field_count; i++)
            if (!exists(from->fields[i].type, to->fields[i].type, ansi))
                return false;
        return true;
    }
    uint32_t kinds = castable[to->kind][0] | (ansi ? 0 : castable[to->kind][1]);
    return kinds >> from->kind & 1;
}

enum err cast_check(const struct type *from, const struct type *to,
                    const struct query_session *session, bool try_cast, struct diag *diag)
{
    bool ansi = session->ansi || try_cast;
    if (exists(from, to, ansi))
        return OK;
    const char *error_class = "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION";
    bool from_number = 1 << from->kind & BIT_NUMBERS, to_number = 1 << to->kind & BIT_NUMBERS;
    if (ansi && ((from_number && to->kind == TYPE_DATE) || (from->kind == TYPE_DATE && to_number)))
        error_class = "DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION";
    else if (ansi && !try_cast && exists(from, to, false))
        error_class = "DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION";
    struct buf text;
    buf_init(&text, 0);
    type_print_sql(from, &text);
    buf_text(&text, " to ");
    type_print_sql(to, &text);
    diag_set(diag, ERR_INVALID, diag ? diag->line : 0, diag ? diag->column : 0,
             "there is no cast from %.*s", STR_ARG(buf_str(&text)));
    diag_class(diag, error_class, "42K09");
    buf_deinit(&text);
    return ERR_INVALID;
}

/* ---- errors of rows ---- */

static void report(const struct cast *cast, uint32_t row, const char *error_class,
                   const char *sqlstate, const char *why)
{
    bool span = 1 << cast->from->type->kind & BIT_SPANS ||
                (1 << cast->to->kind & BIT_SPANS && 1 << cast->from->type->kind & BIT_NUMBERS);
    bool strict = cast->eval->session->ansi || span; /* intervals always fail loudly */
    if (cast->try_cast || !strict || !eval_active(cast->eval, row))
        return;
    struct buf text;
    buf_init(&text, 0);
    text_of_value(cast->from, row, eval_zone(cast->eval), &text);
    size_t shown = text.bytes < 80 ? text.bytes : 80;
    struct buf types;
    buf_init(&types, 0);
    type_print_sql(cast->from->type, &types);
    buf_text(&types, "\" cannot be cast to \"");
    type_print_sql(cast->to, &types);
    eval_fail(cast->eval, row, error_class, sqlstate,
              "The value '%.*s' of the type \"%.*s\" because %s; try_cast gives NULL instead",
              (int)shown, (const char *)text.ptr, STR_ARG(buf_str(&types)), why);
    buf_deinit(&types);
    buf_deinit(&text);
}

void cast_bad_input(const struct cast *cast, uint32_t row)
{
    report(cast, row, "CAST_INVALID_INPUT", "22018", "it is malformed");
}

void cast_overflow(const struct cast *cast, uint32_t row)
{
    report(cast, row, "CAST_OVERFLOW", STATE_NUMERIC, "it overflows");
}

void cast_bad_decimal(const struct cast *cast, uint32_t row)
{
    report(cast, row, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", STATE_NUMERIC,
           "it has too many digits");
}

/* ---- text from anything, binary ---- */

enum err cast_to_text(const struct cast *cast, struct column **ret_column)
{
    const struct column *from = cast->from;
    struct builder *out = builder_new(cast->to, from->rows, 0);
    struct buf text;
    buf_init(&text, 0);
    for (uint32_t i = 0; i < from->rows; i++) {
        if (column_is_null(from, i)) {
            builder_null(out);
            continue;
        }
        buf_reset(&text);
        text_of_value(from, i, eval_zone(cast->eval), &text);
        builder_str(out, buf_str(&text));
    }
    buf_deinit(&text);
    return kernel_built(out, ret_column);
}

static enum err copy_bytes(const struct cast *cast, struct column **ret_column)
{
    const struct column *from = cast->from;
    struct builder *out = builder_new(cast->to, from->rows, 0);
    for (uint32_t i = 0; i < from->rows; i++) {
        if (column_is_null(from, i))
            builder_null(out);
        else
            builder_str(out, column_str(from, i));
    }
    return kernel_built(out, ret_column);
}

/* Integers as big-endian bytes, as wide as the type. */
static enum err integer_bytes(const struct cast *cast, struct column **ret_column)
{
    const struct column *from = cast->from;
    struct builder *out = builder_new(cast->to, from->rows, 0);
    size_t width = type_width(from->type);
    for (uint32_t i = 0; i < from->rows; i++) {
        if (column_is_null(from, i)) {
            builder_null(out);
            continue;
        }
        uint64_t big = __builtin_bswap64((uint64_t)column_i64(from, i));
        builder_str(out, str_from((const char *)&big + 8 - width, width));
    }
    return kernel_built(out, ret_column);
}

enum err cast_eval(struct eval *eval, const struct column *column, const struct type *to,
                   bool try_cast, struct column **ret_column)
{
    struct cast cast = {eval, column, to, try_cast};
    if (!exists(column->type, to, false))
        return ERR_INVALID;
    enum type_kind from = column->type->kind;
    if (from == TYPE_NULL) {
        *ret_column = column_nulls(to, column->rows);
        return OK;
    }
    if (type_equal(column->type, to)) {
        *ret_column = column_ref((struct column *)column);
        return OK;
    }
    if (to->kind == TYPE_BINARY && from != TYPE_STRING)
        return integer_bytes(&cast, ret_column);
    if (to->kind == TYPE_BINARY || (to->kind == TYPE_STRING && from == TYPE_BINARY))
        return copy_bytes(&cast, ret_column);
    if (to->kind == TYPE_STRING)
        return cast_to_text(&cast, ret_column);
    if (from == TYPE_STRING)
        return cast_from_text(&cast, ret_column);
    if (type_is_nested(to))
        return cast_nested(&cast, ret_column);
    uint32_t kinds = 1u << from | 1u << to->kind;
    if (kinds & BIT_SPANS)
        return cast_intervals(&cast, ret_column);
    if (kinds & (BIT_DATE | BIT_INSTANTS))
        return cast_times(&cast, ret_column);
    return cast_numbers(&cast, ret_column);
}
