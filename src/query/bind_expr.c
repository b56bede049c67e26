/* SPDX-License-Identifier: MIT */
/*
 * Expressions: what each node of the tree becomes. Operators go to functions of the same name,
 * sugar is taken apart here (BETWEEN to two comparisons that share their value, IS TRUE to <=>).
 */
#include "query/bind.h"

#include <stdio.h>

enum err bind_error(struct binder *b, const struct ast_node *node, const char *error_class,
                    const char *sqlstate, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (b->diag && b->diag->err == OK) {
        diag_set(b->diag, ERR_INVALID, node->line, node->column, "%s", message);
        diag_class(b->diag, error_class, sqlstate);
    }
    return ERR_INVALID;
}

enum err bind_refuse(struct binder *b, const struct ast_node *node, const char *what)
{
    if (b->diag && b->diag->err == OK) {
        diag_set(b->diag, ERR_UNSUPPORTED, node->line, node->column, "%s is not supported yet",
                 what);
        diag_class(b->diag, "UNSUPPORTED_FEATURE", "0A000");
    }
    return ERR_UNSUPPORTED;
}

static enum err bind_kids(struct binder *b, const struct ast_node *node, size_t from,
                          struct expr ***ret_kids)
{
    struct expr **kids = arena_array(b->arena, node->count + 1u, sizeof(*kids));
    for (size_t i = from; i < node->count; i++)
        TRY(bind_expr(b, node->kids[i], &kids[i - from]));
    *ret_kids = kids;
    return OK;
}

/* A kid of AND, OR, NOT. */
static enum err as_boolean(struct binder *b, const struct ast_node *node, struct expr *expr,
                           const char *what, struct expr **ret_expr)
{
    if (expr->type->kind == TYPE_BOOLEAN || expr->type->kind == TYPE_NULL) {
        *ret_expr = expr_cast(b->arena, b->session, expr, type_simple(TYPE_BOOLEAN));
        return OK;
    }
    if (expr->type->kind == TYPE_STRING && expr->is_literal) {
        *ret_expr = expr_cast(b->arena, b->session, expr, type_simple(TYPE_BOOLEAN));
        return OK;
    }
    struct buf type = {0};
    type_print_sql(expr->type, &type);
    bind_error(b, node, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
               "%s needs a BOOLEAN, this is %.*s", what, STR_ARG(buf_str(&type)));
    buf_deinit(&type);
    return ERR_INVALID;
}

static struct expr *logical(struct binder *b, enum expr_kind kind, const struct ast_node *node,
                            struct expr *const *kids, size_t count)
{
    struct expr *expr =
        expr_new(b->arena, kind, type_simple(TYPE_BOOLEAN), node->line, node->column);
    expr_set_kids(b->arena, expr, kids, count);
    return expr;
}

static enum err bind_logical(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr **kids;
    const char *what = node->kind == AST_AND ? "AND" : node->kind == AST_OR ? "OR" : "NOT";
    TRY(bind_kids(b, node, 0, &kids));
    for (size_t i = 0; i < node->count; i++)
        TRY(as_boolean(b, node->kids[i], kids[i], what, &kids[i]));
    enum expr_kind kind = node->kind == AST_AND  ? EXPR_AND
                          : node->kind == AST_OR ? EXPR_OR
                                                 : EXPR_NOT;
    *ret_expr = logical(b, kind, node, kids, node->count);
    return OK;
}

static struct expr *negate_if(struct binder *b, const struct ast_node *node, struct expr *expr)
{
    return node->flags & AST_NEGATED ? logical(b, EXPR_NOT, node, &expr, 1) : expr;
}

enum err bind_condition(struct binder *b, const struct ast_node *node, const char *clause,
                        struct expr **ret_expr)
{
    const char *outer = b->clause;
    struct expr *expr;
    b->clause = clause;
    TRY(bind_expr(b, node, &expr));
    b->clause = outer;
    if (expr->type->kind != TYPE_BOOLEAN && expr->type->kind != TYPE_NULL) {
        struct buf type = {0};
        type_print_sql(expr->type, &type);
        bind_error(b, node, "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "42K09",
                   "a filter must be BOOLEAN, this is %.*s", STR_ARG(buf_str(&type)));
        buf_deinit(&type);
        return ERR_INVALID;
    }
    *ret_expr = expr_cast(b->arena, b->session, expr, type_simple(TYPE_BOOLEAN));
    return OK;
}

/* ---- predicates ---- */

static enum err call2(struct binder *b, const char *name, struct expr *left, struct expr *right,
                      const struct ast_node *node, struct expr **ret_expr)
{
    struct expr *args[2] = {left, right};
    return bind_function(b, str_of(name), args, 2, node, ret_expr);
}

static enum err bind_between(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr **kids, *parts[2];
    TRY(bind_kids(b, node, 0, &kids));
    TRY(call2(b, ">=", kids[0], kids[1], node, &parts[0]));
    TRY(call2(b, "<=", kids[0], kids[2], node, &parts[1]));
    *ret_expr = negate_if(b, node, logical(b, EXPR_AND, node, parts, 2));
    return OK;
}

/* (a, b) IN ((1, 2)): rows are compared by place, so the fields get the names of the left side. */
static struct expr *rename_fields(struct binder *b, const struct type *names, struct expr *row)
{
    if (names->kind != TYPE_STRUCT || row->type->kind != TYPE_STRUCT ||
        names->field_count != row->type->field_count || type_equal(names, row->type))
        return row;
    struct field *fields = arena_array(b->arena, names->field_count + 1u, sizeof(*fields));
    for (uint32_t i = 0; i < names->field_count; i++) {
        fields[i] = row->type->fields[i];
        fields[i].name = names->fields[i].name;
    }
    return expr_cast(b->arena, b->session, row, type_struct(b->arena, fields, names->field_count));
}

/* IN stops at its first match: where a later value could fail it becomes x = a OR x = b, and not
 * even that when x is NULL. */
static enum err in_order(struct binder *b, const struct ast_node *node, struct expr *in,
                         struct expr **ret_expr)
{
    bool can_fail = false;
    for (uint32_t i = 1; i < in->count; i++)
        can_fail |= expr_can_fail(in->kids[i]);
    *ret_expr = in;
    if (!can_fail || in->kids[0]->is_volatile)
        return OK;
    struct expr **parts = arena_array(b->arena, in->count, sizeof(*parts));
    for (uint32_t i = 1; i < in->count; i++)
        TRY(call2(b, "=", in->kids[0], in->kids[i], node, &parts[i - 1]));
    struct expr *any = in->count == 2 ? parts[0] : logical(b, EXPR_OR, node, parts, in->count - 1);
    struct expr *kids[2] = {NULL, any};
    TRY(bind_function(b, STR("isnotnull"), &in->kids[0], 1, node, &kids[0]));
    *ret_expr = logical(b, EXPR_CASE, node, kids, 2);
    return OK;
}

static enum err bind_in(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr **kids, *expr;
    TRY(bind_kids(b, node, 0, &kids));
    for (size_t i = 1; i < node->count; i++)
        kids[i] = rename_fields(b, kids[0]->type, kids[i]);
    TRY(bind_function(b, STR("in"), kids, node->count, node, &expr));
    if (expr->kind == EXPR_CALL)
        TRY(in_order(b, node, expr, &expr));
    *ret_expr = negate_if(b, node, expr);
    return OK;
}

static enum err bind_like(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr **kids, *expr;
    TRY(bind_kids(b, node, 0, &kids));
    if (node->kind == AST_LIKE) {
        TRY(bind_function(b, node->text, kids, node->count, node, &expr));
        *ret_expr = negate_if(b, node, expr);
        return OK;
    }
    /* NOT LIKE ALL: matches none; NOT LIKE ANY: one that does not match */
    struct expr **parts = arena_array(b->arena, node->count, sizeof(*parts));
    for (uint32_t i = 1; i < node->count; i++) {
        TRY(call2(b, arena_text(b->arena, node->text), kids[0], kids[i], node, &parts[i - 1]));
        parts[i - 1] = negate_if(b, node, parts[i - 1]);
    }
    enum expr_kind kind = node->flags & AST_ALL ? EXPR_AND : EXPR_OR;
    *ret_expr = node->count == 2 ? parts[0] : logical(b, kind, node, parts, node->count - 1);
    return OK;
}

static enum err bind_is(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr **kids, *expr;
    TRY(bind_kids(b, node, 0, &kids));
    bool negated = node->flags & AST_NEGATED;
    if (str_equal(node->text, STR("null"))) {
        return bind_function(b, negated ? STR("isnotnull") : STR("isnull"), kids, 1, node,
                             ret_expr);
    }
    if (str_equal(node->text, STR("distinct"))) {
        TRY(call2(b, "<=>", kids[0], kids[1], node, &expr));
        *ret_expr = negated ? expr : logical(b, EXPR_NOT, node, &expr, 1);
        return OK;
    }
    TRY(as_boolean(b, node, kids[0], "IS TRUE", &kids[0]));
    if (str_equal(node->text, STR("unknown")))
        return bind_function(b, negated ? STR("isnotnull") : STR("isnull"), kids, 1, node,
                             ret_expr);
    struct expr *value =
        expr_bool(b->arena, str_equal(node->text, STR("true")), node->line, node->column);
    TRY(call2(b, "<=>", kids[0], value, node, &expr));
    *ret_expr = negate_if(b, node, expr);
    return OK;
}

/* ---- operators ---- */

static enum err bind_cast(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr *kid;
    TRY(bind_expr(b, node->kids[0], &kid));
    bool try_cast = node->flags & AST_TRY;
    struct diag diag = {0};
    if (cast_check(kid->type, node->type, b->session, try_cast, &diag) != OK) {
        bind_error(b, node,
                   diag.error_class[0] ? diag.error_class
                                       : "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
                   diag.sqlstate[0] ? diag.sqlstate : "42K09", "%s", diag.message);
        if (diag.hint[0])
            diag_hint(b->diag, "%s", diag.hint);
        return ERR_INVALID;
    }
    if (type_equal(kid->type, node->type)) {
        struct expr *same = arena_alloc(b->arena, sizeof(*same));
        *same = *kid;
        same->is_literal = false;
        *ret_expr = same;
        return OK;
    }
    struct expr *cast = expr_new(b->arena, EXPR_CAST, node->type, node->line, node->column);
    cast->try_cast = try_cast;
    expr_set_kids(b->arena, cast, &kid, 1);
    *ret_expr = expr_fold(b->arena, b->session, cast);
    return OK;
}

/* a[0]: of what has parts. */
static enum err check_base(struct binder *b, const struct ast_node *node, const struct type *type)
{
    if (type_is_nested(type) || type->kind == TYPE_NULL)
        return OK;
    struct buf text = {0};
    type_print_sql(type, &text);
    bind_error(b, node, "INVALID_EXTRACT_BASE_FIELD_TYPE", "42000",
               "cannot take a part of a value of type %.*s", STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    return ERR_INVALID;
}

static enum err bind_operator(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr **kids;
    struct str name = node->text;
    TRY(bind_kids(b, node, 0, &kids));
    if (node->kind == AST_INDEX)
        TRY(check_base(b, node, kids[0]->type));
    if (node->kind == AST_UNARY && str_equal(name, STR("-")))
        name = STR("negative");
    else if (node->kind == AST_UNARY && str_equal(name, STR("+")))
        name = STR("positive");
    else if (node->kind == AST_INDEX)
        name = STR("[]");
    return bind_function(b, name, kids, node->count, node, ret_expr);
}

/* Names and values of a row, one behind the other; a * is its columns. */
static enum err row_parts(struct binder *b, const struct ast_node *node, struct expr ***ret_args,
                          size_t *ret_count)
{
    size_t room = node->count * 2u + 1, count = 0;
    struct expr **args = arena_array(b->arena, room, sizeof(*args));
    for (uint32_t i = 0; i < node->count; i++) {
        const struct ast_node *kid = node->kids[i], *value = kid;
        struct expr **columns;
        struct str *names, name;
        size_t more;
        if (kid->kind == AST_STAR) {
            TRY(bind_star(b, kid, &columns, &names, &more));
            struct expr **wider = arena_array(b->arena, room += 2 * more, sizeof(*wider));
            memcpy(wider, args, count * sizeof(*wider));
            args = wider;
            for (size_t k = 0; k < more; k++) {
                args[count++] = expr_string(b->arena, names[k], kid->line, kid->column);
                args[count++] = columns[k];
            }
            continue;
        }
        if (kid->kind == AST_ALIAS) {
            name = kid->text;
            value = kid->kids[0];
        } else if (kid->kind == AST_NAME || kid->kind == AST_FIELD) {
            name = kid->text;
        } else {
            name = str_of(arena_printf(b->arena, "col%zu", count / 2 + 1));
        }
        args[count++] = expr_string(b->arena, name, kid->line, kid->column);
        TRY(bind_expr(b, value, &args[count++]));
    }
    *ret_args = args;
    *ret_count = count;
    return OK;
}

/* (a, b) and struct(a, b AS c): named_struct with the names that Spark gives. */
static enum err bind_row(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr **args;
    size_t count;
    TRY(row_parts(b, node, &args, &count));
    return bind_function(b, STR("named_struct"), args, count, node, ret_expr);
}

static enum err bind_refused(struct binder *b, const struct ast_node *node)
{
    switch (node->kind) {
    case AST_SUBQUERY:
        return bind_refuse(b, node, "a subquery as a value");
    case AST_EXISTS:
        return bind_refuse(b, node, "EXISTS (query)");
    case AST_IN_QUERY:
        return bind_refuse(b, node, "IN (query)");
    case AST_OVER:
        return bind_refuse(b, node, "a window function (OVER)");
    case AST_WITHIN:
        return bind_refuse(b, node, "WITHIN GROUP");
    case AST_PARAMETER:
        return bind_error(b, node, "UNBOUND_SQL_PARAMETER", "42P02",
                          "the parameter %.*s has no value", STR_ARG(node->text));
    case AST_STAR:
        return bind_error(b, node, "INVALID_USAGE_OF_STAR_OR_REGEX", "42000",
                          "* may not stand here");
    case AST_LAMBDA:
        return bind_error(b, node, "INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION",
                          "42K0D", "a lambda may only stand in a function that takes one");
    case AST_NAMED_ARG:
        return bind_refuse(b, node, "an argument by name (=>)");
    case AST_DEFAULT:
    default:
        return bind_refuse(b, node, "this expression");
    }
}

static enum err bind_node(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    switch (node->kind) {
    case AST_NUMBER:
    case AST_STRING:
    case AST_BINARY_LITERAL:
    case AST_TYPED:
    case AST_TRUE:
    case AST_FALSE:
    case AST_NULL:
    case AST_INTERVAL:
        return bind_literal(b, node, ret_expr);
    case AST_NAME:
    case AST_FIELD:
        return bind_name(b, node, ret_expr);
    case AST_AND:
    case AST_OR:
    case AST_NOT:
        return bind_logical(b, node, ret_expr);
    case AST_UNARY:
    case AST_BINARY:
    case AST_INDEX:
        return bind_operator(b, node, ret_expr);
    case AST_CASE:
        return bind_case(b, node, ret_expr);
    case AST_CAST:
        return bind_cast(b, node, ret_expr);
    case AST_IN:
        return bind_in(b, node, ret_expr);
    case AST_BETWEEN:
        return bind_between(b, node, ret_expr);
    case AST_LIKE:
    case AST_LIKE_MANY:
        return bind_like(b, node, ret_expr);
    case AST_IS:
        return bind_is(b, node, ret_expr);
    case AST_ROW:
        return bind_row(b, node, ret_expr);
    case AST_CALL:
        return bind_call(b, node, ret_expr);
    case AST_FILTERED:
        if (node->kids[0]->kind == AST_CALL && is_aggregate_name(node->kids[0]->text))
            return bind_aggregate(b, node->kids[0], node->kids[1], ret_expr);
        return bind_refuse(b, node, "FILTER behind this function");
    case AST_ALIAS:
        return bind_expr(b, node->kids[0], ret_expr);
    default:
        return bind_refused(b, node);
    }
}

enum err bind_expr(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    enum { SIZE_LIMIT = 1 << 20 };
    struct expr *expr;
    TRY(bind_node(b, node, &expr));
    if (expr->size > SIZE_LIMIT || b->arena->over)
        return diag_set(b->diag, ERR_LIMIT, node->line, node->column, "the expression is too big");
    *ret_expr = expr;
    return OK;
}
