/* SPDX-License-Identifier: MIT */
/*
 * Calls: functions of the table, and the conditionals (CASE, IF, COALESCE and their kin), which are
 * no functions because they must not compute what they do not take.
 */
#include "query/aggregate.h"
#include "query/bind.h"

#include <threads.h>

/* A constant NULL among what a function gives NULL for: then the others are not computed. */
static bool has_null(struct expr *const *kids, size_t count)
{
    bool null = false;
    for (size_t i = 0; i < count; i++) {
        if (kids[i]->has_aggregate)
            return false;
        null |= kids[i]->kind == EXPR_CONSTANT && column_is_null(kids[i]->constant, 0);
    }
    return null;
}

enum err bind_function(struct binder *b, struct str name, struct expr *const *args, size_t count,
                       const struct ast_node *node, struct expr **ret_expr)
{
    const struct func_info *info = func_find(name);
    if (!info && func_is_absent(name))
        return diag_set(b->diag, ERR_UNSUPPORTED, node->line, node->column,
                        "the function %.*s is not supported", STR_ARG(name));
    if (!info) {
        enum err err = bind_error(b, node, "UNRESOLVED_ROUTINE", "42883",
                                  "no function is named %.*s", STR_ARG(name));
        const char *const *names;
        size_t name_count = query_functions(&names);
        struct str near = str_nearest(name, names, name_count);
        if (near.ptr)
            diag_hint(b->diag, "did you mean %.*s?", STR_ARG(near));
        return err;
    }
    struct func_arg *func_args = arena_array(b->arena, count + 1, sizeof(*func_args));
    for (size_t i = 0; i < count; i++) {
        bool constant = args[i]->kind == EXPR_CONSTANT;
        func_args[i] = (struct func_arg){.type = args[i]->type,
                                         .constant = constant ? args[i]->constant : NULL,
                                         .is_literal = args[i]->is_literal};
    }
    struct diag diag = {0};
    struct func_bind bind = {
        .arena = b->arena, .session = b->session, .args = func_args, .count = count, .diag = &diag};
    enum err err = func_call_bind(info, &bind);
    if (err != OK) {
        if (b->diag && b->diag->err == OK) {
            diag_set(b->diag, err, node->line, node->column, "%s",
                     diag.message[0] ? diag.message : err_text(err));
            diag_class(b->diag, diag.error_class, diag.sqlstate);
            if (diag.hint[0] || info->usage)
                diag_hint(b->diag, "%s", diag.hint[0] ? diag.hint : info->usage);
        }
        return err;
    }
    struct expr **kids = arena_array(b->arena, count + 1, sizeof(*kids));
    for (size_t i = 0; i < count; i++)
        kids[i] = expr_cast(b->arena, b->session, args[i], bind.out.args[i]);
    struct expr *expr = expr_new(b->arena, EXPR_CALL, bind.out.result, node->line, node->column);
    expr->binding = bind.out;
    expr->is_volatile = info->volatile_;
    expr_set_kids(b->arena, expr, kids, count);
    *ret_expr = info->nulls_propagate && has_null(kids, count)
                    ? expr_null(b->arena, bind.out.result, node->line, node->column)
                    : expr_fold(b->arena, b->session, expr);
    return OK;
}

/* ---- one type for many ---- */

static enum err no_common(struct binder *b, const struct ast_node *node, const char *what,
                          const struct type *a, const struct type *c)
{
    struct buf text = {0};
    type_print_sql(a, &text);
    buf_text(&text, " and ");
    type_print_sql(c, &text);
    bind_error(b, node, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09",
               "the values of %s have types that do not go together: %.*s", what,
               STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    return ERR_INVALID;
}

enum err bind_to_common(struct binder *b, struct expr **exprs, size_t count, size_t step,
                        const struct ast_node *node, const char *what, const struct type **ret_type)
{
    const struct type *type = exprs[0]->type;
    for (size_t i = step; i < count; i += step) {
        if (type_equal(type, exprs[i]->type))
            continue;
        const struct type *wider = type_common(b->arena, type, exprs[i]->type, b->session);
        if (!wider)
            return no_common(b, node, what, type, exprs[i]->type);
        type = wider;
    }
    for (size_t i = 0; i < count; i += step)
        exprs[i] = expr_cast(b->arena, b->session, exprs[i], type);
    *ret_type = type;
    return OK;
}

/* ---- CASE ---- */

static enum err as_condition(struct binder *b, const struct ast_node *node, struct expr *expr,
                             struct expr **ret_expr)
{
    if (expr->type->kind != TYPE_BOOLEAN && expr->type->kind != TYPE_NULL)
        return bind_error(b, node, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                          "a condition must be BOOLEAN");
    *ret_expr = expr_cast(b->arena, b->session, expr, type_simple(TYPE_BOOLEAN));
    return OK;
}

/* kids: when, then, .., [else]; values get one type. */
static enum err make_case(struct binder *b, struct expr **kids, size_t count,
                          const struct ast_node *node, const char *what, struct expr **ret_expr)
{
    struct expr **values = arena_array(b->arena, count, sizeof(*values));
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % 2 == 1 || i + 1 == count)
            values[n++] = kids[i];
    }
    const struct type *type;
    TRY(bind_to_common(b, values, n, 1, node, what, &type));
    n = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % 2 == 1 || i + 1 == count)
            kids[i] = values[n++];
    }
    struct expr *expr = expr_new(b->arena, EXPR_CASE, type, node->line, node->column);
    expr_set_kids(b->arena, expr, kids, count);
    *ret_expr = expr;
    return OK;
}

enum err bind_case(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr *operand = NULL;
    struct expr **kids = arena_array(b->arena, node->count, sizeof(*kids));
    if (node->kids[0])
        TRY(bind_expr(b, node->kids[0], &operand));
    for (uint32_t i = 1; i < node->count; i++) {
        struct expr *kid;
        bool is_else = (node->flags & AST_HAS_ELSE) && i + 1 == node->count;
        TRY(bind_expr(b, node->kids[i], &kid));
        if (i % 2 == 1 && !is_else && operand) {
            struct expr *args[2] = {operand, kid};
            TRY(bind_function(b, STR("="), args, 2, node->kids[i], &kid));
        } else if (i % 2 == 1 && !is_else) {
            TRY(as_condition(b, node->kids[i], kid, &kid));
        }
        kids[i - 1] = kid;
    }
    return make_case(b, kids, node->count - 1u, node, "CASE", ret_expr);
}

/* ---- IF, COALESCE, .. ---- */

enum conditional {
    COND_IF,
    COND_COALESCE,
    COND_NULLIF,
    COND_NVL2,
    COND_NULLIFZERO,
    COND_ZEROIFNULL
};

static const struct {
    const char *name;
    enum conditional kind;
    size_t min, max;
} conditionals[] = {
    {"if", COND_IF, 3, 3},
    {"iff", COND_IF, 3, 3},
    {"coalesce", COND_COALESCE, 1, SIZE_MAX},
    {"nvl", COND_COALESCE, 2, 2},
    {"ifnull", COND_COALESCE, 2, 2},
    {"nullif", COND_NULLIF, 2, 2},
    {"nvl2", COND_NVL2, 3, 3},
    {"nullifzero", COND_NULLIFZERO, 1, 1},
    {"zeroifnull", COND_ZEROIFNULL, 1, 1},
};

static enum err make_coalesce(struct binder *b, struct expr **kids, size_t count,
                              const struct ast_node *node, struct expr **ret_expr)
{
    const struct type *type;
    TRY(bind_to_common(b, kids, count, 1, node, "COALESCE", &type));
    if (count == 1) {
        *ret_expr = kids[0];
        return OK;
    }
    struct expr *expr = expr_new(b->arena, EXPR_COALESCE, type, node->line, node->column);
    expr_set_kids(b->arena, expr, kids, count);
    *ret_expr = expr;
    return OK;
}

static enum err zero(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct ast_node literal = {
        .kind = AST_NUMBER, .text = STR("0"), .line = node->line, .column = node->column};
    return bind_literal(b, &literal, ret_expr);
}

static enum err make_conditional(struct binder *b, enum conditional kind, struct expr **kids,
                                 size_t count, const struct ast_node *node, struct expr **ret_expr)
{
    struct expr *args[3];
    switch (kind) {
    case COND_IF:
        TRY(as_condition(b, node, kids[0], &kids[0]));
        return make_case(b, kids, 3, node, "IF", ret_expr);
    case COND_COALESCE:
        return make_coalesce(b, kids, count, node, ret_expr);
    case COND_NULLIFZERO:
        TRY(zero(b, node, &kids[1]));
        __attribute__((fallthrough));
    case COND_NULLIF:
        args[0] = kids[0];
        args[1] = kids[1];
        TRY(bind_function(b, STR("="), args, 2, node, &args[0]));
        args[1] = expr_null(b->arena, kids[0]->type, node->line, node->column);
        args[2] = kids[0];
        return make_case(b, args, 3, node, "NULLIF", ret_expr);
    case COND_NVL2:
        TRY(bind_function(b, STR("isnotnull"), kids, 1, node, &kids[0]));
        return make_case(b, kids, 3, node, "NVL2", ret_expr);
    case COND_ZEROIFNULL:
        TRY(zero(b, node, &kids[1]));
        return make_coalesce(b, kids, 2, node, ret_expr);
    }
    return ERR_INVALID;
}

/* The arguments; a * among them is its columns. */
static enum err bind_args(struct binder *b, const struct ast_node *node, struct expr ***ret_args,
                          size_t *ret_count)
{
    size_t room = node->count + 2u, count = 0;
    struct expr **args = arena_array(b->arena, room, sizeof(*args));
    for (uint32_t i = 0; i < node->count; i++) {
        struct expr **columns;
        struct str *names;
        size_t more;
        if (node->kids[i]->kind != AST_STAR) {
            TRY(bind_expr(b, node->kids[i], &args[count++]));
            continue;
        }
        TRY(bind_star(b, node->kids[i], &columns, &names, &more));
        room += more;
        struct expr **wider = arena_array(b->arena, room, sizeof(*wider));
        if (count)
            memcpy(wider, args, count * sizeof(*wider));
        args = wider;
        for (size_t k = 0; k < more; k++)
            args[count++] = columns[k];
    }
    *ret_args = args;
    *ret_count = count;
    return OK;
}

enum err bind_conditional(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    *ret_expr = NULL;
    for (size_t i = 0; i < sizeof(conditionals) / sizeof(conditionals[0]); i++) {
        if (!str_equal_nocase(node->text, str_of(conditionals[i].name)))
            continue;
        struct expr **kids;
        size_t count;
        TRY(bind_args(b, node, &kids, &count));
        if (count < conditionals[i].min || count > conditionals[i].max)
            return bind_error(b, node, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                              "%s does not take %zu arguments", conditionals[i].name, count);
        return make_conditional(b, conditionals[i].kind, kids, count, node, ret_expr);
    }
    return OK;
}

/* ---- any call ---- */

static bool is_generator(struct str name)
{
    static const char *const names[] = {
        "explode", "explode_outer", "posexplode", "posexplode_outer",
        "inline",  "inline_outer",  "stack"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_equal_nocase(name, str_of(names[i])))
            return true;
    }
    return false;
}

/* int(x), date(x) ..: casts that are written as calls. NULL when name is none. */
static const struct type *cast_name(struct binder *b, struct str name)
{
    static const char *const names[] = {"boolean", "tinyint", "smallint",  "int",
                                        "bigint",  "float",   "double",    "decimal",
                                        "date",    "binary",  "timestamp", "string"};
    const struct type *type = NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_equal_nocase(name, str_of(names[i])) &&
            type_parse(b->arena, str_of(names[i]), NULL, &type) != OK)
            return NULL;
    }
    return type;
}

bool is_cast_name(struct binder *b, struct str name)
{
    return cast_name(b, name) != NULL;
}

static enum err bind_typeof(struct binder *b, const struct expr *arg, const struct ast_node *node,
                            struct expr **ret_expr)
{
    struct buf name = {0};
    type_print(arg->type, &name);
    *ret_expr = expr_string(b->arena, buf_str(&name), node->line, node->column);
    buf_deinit(&name);
    return OK;
}

enum err bind_call(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    if (node->flags & AST_BARE) {
        TRY(bind_bare(b, node, ret_expr));
        if (*ret_expr)
            return OK;
    }
    if (str_equal_nocase(node->text, STR("struct")) ||
        str_equal_nocase(node->text, STR("named_struct"))) {
        struct ast_node row = *node;
        row.kind = AST_ROW;
        if (str_equal_nocase(node->text, STR("struct")))
            return bind_expr(b, &row, ret_expr);
    }
    if (is_aggregate_name(node->text))
        return bind_aggregate(b, node, NULL, ret_expr);
    TRY(bind_conditional(b, node, ret_expr));
    if (*ret_expr)
        return OK;
    TRY(bind_lambda_call(b, node, ret_expr));
    if (*ret_expr)
        return OK;
    if (is_generator(node->text))
        return bind_error(b, node, "UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS", "42K0E",
                          "%.*s may only stand alone in a select list or in LATERAL VIEW",
                          STR_ARG(node->text));
    if (node->flags & AST_DISTINCT)
        return bind_error(b, node, "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", "42000",
                          "%.*s does not take DISTINCT", STR_ARG(node->text));
    const struct type *type =
        node->count == 1 && !func_find(node->text) ? cast_name(b, node->text) : NULL;
    if (type) {
        struct ast_node cast = *node;
        cast.kind = AST_CAST;
        cast.flags = 0;
        cast.type = type;
        return bind_expr(b, &cast, ret_expr);
    }
    if (node->count == 2 && str_equal_nocase(node->text, STR("array_sort")))
        return bind_refuse(b, node, "array_sort by a lambda");
    struct expr **args;
    size_t count;
    if (!func_find(node->text) && !func_is_absent(node->text) &&
        !str_equal_nocase(node->text, STR("typeof")))
        return bind_function(b, node->text, NULL, 0, node, ret_expr); /* says that there is none */
    TRY(bind_args(b, node, &args, &count));
    if (count == 1 && str_equal_nocase(node->text, STR("typeof")) && !func_find(node->text))
        return bind_typeof(b, args[0], node, ret_expr);
    return bind_function(b, node->text, args, count, node, ret_expr);
}

enum { NAMES_MAX = 2048 };
static const char *function_names[NAMES_MAX];
static size_t function_name_count;

static void add_name(const char *name)
{
    size_t at = function_name_count;
    if (name[0] < 'a' || name[0] > 'z' || at == NAMES_MAX)
        return;
    for (size_t i = 0; i < at; i++) {
        if (strcmp(function_names[i], name) == 0)
            return;
    }
    function_name_count++;
    for (; at > 0 && strcmp(function_names[at - 1], name) > 0; at--)
        function_names[at] = function_names[at - 1];
    function_names[at] = name;
}

static void gather_names(void)
{
    const struct func_info *const *infos;
    const struct aggregate_info *aggregates;
    size_t functions = func_list(&infos), count = aggregate_list(&aggregates);
    for (size_t i = 0; i < functions; i++)
        add_name(infos[i]->name);
    for (size_t i = 0; i < count; i++)
        add_name(aggregates[i].name);
    for (size_t i = 0; i < sizeof(conditionals) / sizeof(conditionals[0]); i++)
        add_name(conditionals[i].name);
}

size_t query_functions(const char *const **ret_names)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, gather_names);
    *ret_names = function_names;
    return function_name_count;
}
