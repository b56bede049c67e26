/* SPDX-License-Identifier: MIT */
/*
 * Bound expressions: making, comparing, folding and printing them.
 *
 * Constants are columns of one row whose memory lies in the arena of the plan. Such a column starts
 * with one reference that nobody gives back, so all users may ref and unref it like any other and
 * it goes with the arena.
 *
 * Folding runs the kernel on one row. An expression whose kernel reports an error stays as it is:
 * the error belongs to the rows that reach it, and a CASE may keep all rows away.
 */
#include "query/expr.h"

#include "base/check.h"
#include "query/exec/exec.h"

struct expr *expr_new(struct arena *arena, enum expr_kind kind, const struct type *type,
                      uint32_t line, uint32_t column)
{
    struct expr *expr = arena_zero(arena, sizeof(*expr));
    expr->kind = kind;
    expr->type = type;
    expr->line = line;
    expr->column = column;
    expr->size = 1;
    return expr;
}

void expr_set_kids(struct arena *arena, struct expr *expr, struct expr *const *kids, size_t count)
{
    expr->kids = arena_array(arena, count ? count : 1, sizeof(*kids));
    expr->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        expr->kids[i] = kids[i];
        expr->size = expr->size > UINT32_MAX / 2 - kids[i]->size ? UINT32_MAX / 2
                                                                 : expr->size + kids[i]->size;
        expr->is_volatile |= kids[i]->is_volatile;
        expr->has_aggregate |= kids[i]->has_aggregate;
        expr->has_variable |= kids[i]->has_variable;
    }
}

static bool same_head(const struct expr *a, const struct expr *b)
{
    if (a->kind != b->kind || a->count != b->count || a->index != b->index ||
        a->try_cast != b->try_cast || a->distinct != b->distinct || a->params != b->params ||
        a->aggregate != b->aggregate || a->binding.info != b->binding.info || a->name != b->name)
        return false;
    return a->type == b->type || type_equal(a->type, b->type);
}

bool expr_equal(const struct expr *a, const struct expr *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->is_volatile || b->is_volatile || !same_head(a, b))
        return false;
    if (a->kind == EXPR_CONSTANT)
        return column_value_equal(a->constant, 0, b->constant, 0);
    for (uint32_t i = 0; i < a->count; i++) {
        if (!expr_equal(a->kids[i], b->kids[i]))
            return false;
    }
    return a->filter == b->filter || (a->filter && b->filter && expr_equal(a->filter, b->filter));
}

bool expr_can_fail(const struct expr *expr)
{
    static const char *const safe[] = {
        "=",  "==",        "!=", "<>",   "<",     "<=",    ">",     ">=",     "<=>", "isnull",
        "in", "isnotnull", "||", "like", "isnan", "upper", "lower", "length", "trim"};
    bool can = expr->kind == EXPR_CAST || expr->kind == EXPR_CALL || expr->kind == EXPR_LAMBDA_CALL;
    for (size_t i = 0; can && expr->kind == EXPR_CALL && i < sizeof(safe) / sizeof(safe[0]); i++)
        can = strcmp(expr->binding.info->name, safe[i]) != 0;
    for (uint32_t i = 0; !can && i < expr->count; i++)
        can = expr_can_fail(expr->kids[i]);
    return can;
}

/* ---- constants ---- */

static void *keep_bytes(struct arena *arena, const void *from, size_t bytes)
{
    enum { ALIGN = 64, SLACK = 32 };
    char *room = arena_array(arena, bytes + ALIGN + SLACK, 1);
    char *at = room + (ALIGN - (uintptr_t)room % ALIGN) % ALIGN;
    memset(at, 0, bytes + SLACK);
    if (bytes)
        memcpy(at, from, bytes);
    return at;
}

struct column *expr_keep_column(struct arena *arena, const struct column *column)
{
    struct column *copy = arena_zero(arena, sizeof(*copy));
    copy->type = column->type;
    copy->rows = column->rows;
    copy->nulls = column->nulls;
    copy->refs = 1;
    size_t rows = column->rows, width = type_width(column->type);
    if (column->validity)
        copy->validity = keep_bytes(arena, column->validity, bit_words(rows) * 8);
    if (column->type->kind == TYPE_BOOLEAN)
        copy->values = keep_bytes(arena, column->values, bit_words(rows) * 8);
    else if (width && column->values)
        copy->values = keep_bytes(arena, column->values, rows * width);
    if (column->offsets)
        copy->offsets = keep_bytes(arena, column->offsets, (rows + 1) * 4);
    if (column->bytes)
        copy->bytes = keep_bytes(arena, column->bytes, (size_t)column->offsets[rows]);
    copy->child_count = column->child_count;
    if (column->child_count)
        copy->children = arena_array(arena, column->child_count, sizeof(*copy->children));
    for (uint32_t i = 0; i < column->child_count; i++)
        copy->children[i] = expr_keep_column(arena, column->children[i]);
    return copy;
}

struct expr *expr_constant(struct arena *arena, const struct column *column, uint32_t line,
                           uint32_t column_number)
{
    check(column->rows == 1);
    struct expr *expr = expr_new(arena, EXPR_CONSTANT, column->type, line, column_number);
    expr->constant = expr_keep_column(arena, column);
    return expr;
}

struct expr *expr_constant_take(struct arena *arena, struct column *column, uint32_t line,
                                uint32_t column_number)
{
    struct expr *expr = expr_constant(arena, column, line, column_number);
    column_unref(column);
    return expr;
}

struct expr *expr_null(struct arena *arena, const struct type *type, uint32_t line, uint32_t column)
{
    return expr_constant_take(arena, column_nulls(type, 1), line, column);
}

static struct expr *finish_constant(struct arena *arena, struct builder *builder, uint32_t line,
                                    uint32_t column_number)
{
    struct column *column;
    enum err err = builder_finish(builder, &column);
    check(err == OK);
    builder_free(builder);
    return expr_constant_take(arena, column, line, column_number);
}

struct expr *expr_bool(struct arena *arena, bool value, uint32_t line, uint32_t column)
{
    struct builder *builder = builder_new(type_simple(TYPE_BOOLEAN), 1, 0);
    builder_bool(builder, value);
    return finish_constant(arena, builder, line, column);
}

struct expr *expr_string(struct arena *arena, struct str value, uint32_t line, uint32_t column)
{
    struct builder *builder = builder_new(type_simple(TYPE_STRING), 1, 0);
    builder_str(builder, value);
    return finish_constant(arena, builder, line, column);
}

/* ---- folding ---- */

static void note_failure(struct eval *eval, uint32_t row, const struct diag *diag)
{
    *(bool *)eval->owner = true;
}

static enum err fold_column(const struct expr *expr, struct eval *eval, struct column **ret_column)
{
    if (expr->kind == EXPR_CAST)
        return cast_eval(eval, expr->kids[0]->constant, expr->type, expr->try_cast, ret_column);
    const struct column **args =
        arena_array(eval->scratch, expr->count ? expr->count : 1, sizeof(*args));
    for (uint32_t i = 0; i < expr->count; i++)
        args[i] = expr->kids[i]->constant;
    return func_call_eval(eval, &expr->binding, args, 1, ret_column);
}

/* CAST('today' AS DATE) and its like; NULL when it is none. */
static struct expr *fold_moment(struct arena *arena, const struct query_session *session,
                                const struct expr *cast)
{
    const struct expr *kid = cast->kids[0];
    int64_t value;
    if (kid->type->kind != TYPE_STRING || column_is_null(kid->constant, 0) ||
        !expr_special_moment(session, column_str(kid->constant, 0), cast->type->kind, &value))
        return NULL;
    struct builder *builder = builder_new(cast->type, 1, 0);
    builder_i64(builder, value);
    return finish_constant(arena, builder, cast->line, cast->column);
}

struct expr *expr_fold(struct arena *arena, const struct query_session *session, struct expr *expr)
{
    enum { FOLD_SCRATCH_MAX = 16 << 20, FOLD_RESULT_MAX = 1 << 20 };
    if ((expr->kind != EXPR_CALL && expr->kind != EXPR_CAST) || expr->is_volatile)
        return expr;
    for (uint32_t i = 0; i < expr->count; i++) {
        if (expr->kids[i]->kind != EXPR_CONSTANT)
            return expr;
    }
    struct expr *moment = expr->kind == EXPR_CAST ? fold_moment(arena, session, expr) : NULL;
    if (moment)
        return moment;
    CLEAN(arena_deinit) struct arena scratch;
    arena_init(&scratch, FOLD_SCRATCH_MAX);
    bool failed = false;
    struct query_session planning = *session;
    planning.now_us = EVAL_NO_CLOCK; /* what needs the clock is left to the run */
    struct eval eval = {.session = &planning,
                        .scratch = &scratch,
                        .failed = note_failure,
                        .owner = &failed,
                        .line = expr->line,
                        .column = expr->column};
    struct column *column;
    if (fold_column(expr, &eval, &column) != OK)
        return expr;
    struct expr *result = expr;
    if (!failed && column_memory(column) <= FOLD_RESULT_MAX) {
        result = expr_constant(arena, column, expr->line, expr->column);
        result->type = expr->type;
    }
    column_unref(column);
    return result;
}

struct expr *expr_cast(struct arena *arena, const struct query_session *session, struct expr *kid,
                       const struct type *type)
{
    if (type_equal(kid->type, type))
        return kid;
    if (kid->type->kind == TYPE_NULL && kid->kind == EXPR_CONSTANT)
        return expr_null(arena, type, kid->line, kid->column);
    struct expr *cast = expr_new(arena, EXPR_CAST, type, kid->line, kid->column);
    expr_set_kids(arena, cast, &kid, 1);
    struct expr *folded = expr_fold(arena, session, cast);
    folded->is_literal = kid->is_literal && folded->kind == EXPR_CONSTANT;
    return folded;
}

/* ---- printing ---- */

static void print_kids(const struct expr *expr, const char *between, struct buf *out)
{
    for (uint32_t i = 0; i < expr->count; i++) {
        if (i)
            buf_text(out, between);
        expr_print(expr->kids[i], out);
    }
}

static void print_call(const char *name, const struct expr *expr, struct buf *out)
{
    bool letters = (name[0] >= 'a' && name[0] <= 'z') || expr->count != 2;
    if (!letters) {
        buf_char(out, '(');
        expr_print(expr->kids[0], out);
        buf_printf(out, " %s ", name);
        expr_print(expr->kids[1], out);
    } else {
        buf_printf(out, "%s(", name);
        print_kids(expr, ", ", out);
    }
    buf_char(out, ')');
}

static void print_value(const struct expr *expr, struct buf *out)
{
    bool quoted = expr->type->kind == TYPE_STRING && !column_is_null(expr->constant, 0);
    buf_text(out, quoted ? "'" : "");
    if (column_is_null(expr->constant, 0))
        buf_text(out, "NULL");
    else
        text_of_value(expr->constant, 0, zone_utc(), out);
    buf_text(out, quoted ? "'" : "");
}

static void print_field(const struct expr *expr, struct buf *out)
{
    const struct type *type = expr->kids[0]->type;
    expr_print(expr->kids[0], out);
    if (type->kind == TYPE_ARRAY)
        type = type->fields[0].type;
    buf_printf(out, ".%.*s", STR_ARG(type->fields[expr->index].name));
}

void expr_print(const struct expr *expr, struct buf *out)
{
    switch (expr->kind) {
    case EXPR_COLUMN:
        buf_printf(out, "#%u", expr->index);
        return;
    case EXPR_VARIABLE:
        buf_printf(out, "$%u", expr->index);
        return;
    case EXPR_CONSTANT:
        print_value(expr, out);
        return;
    case EXPR_FIELD:
        print_field(expr, out);
        return;
    case EXPR_CALL:
        print_call(expr->binding.info->name, expr, out);
        return;
    case EXPR_CAST:
        buf_text(out, expr->try_cast ? "try_cast(" : "cast(");
        expr_print(expr->kids[0], out);
        buf_text(out, " as ");
        type_print(expr->type, out);
        buf_char(out, ')');
        return;
    case EXPR_AND:
    case EXPR_OR:
        buf_char(out, '(');
        print_kids(expr, expr->kind == EXPR_AND ? " and " : " or ", out);
        buf_char(out, ')');
        return;
    case EXPR_NOT:
    case EXPR_CASE:
    case EXPR_COALESCE:
    case EXPR_LAMBDA:
    case EXPR_LAMBDA_CALL:
    case EXPR_AGGREGATE:
        break;
    }
    const char *name = expr->kind == EXPR_NOT        ? "not"
                       : expr->kind == EXPR_CASE     ? "case"
                       : expr->kind == EXPR_COALESCE ? "coalesce"
                       : expr->kind == EXPR_LAMBDA   ? "lambda"
                       : expr->name                  ? expr->name
                                                     : "aggregate";
    buf_printf(out, "%s(", name);
    print_kids(expr, ", ", out);
    buf_char(out, ')');
}
