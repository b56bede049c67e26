/* SPDX-License-Identifier: MIT */
/*
 * Queries: common table expressions, set operations, VALUES, LIMIT. A CTE is planned anew wherever
 * it is named, like a view; it sees those before it.
 */
#include "query/plan.h"

enum { QUERY_DEPTH_MAX = 64 };

static enum err plan_body(struct planner *p, const struct ast_node *query,
                          const struct ast_node *body, struct relation *ret_relation);

/* The relation's columns as one SELECT sees them from outside: no qualifiers, nothing hidden. */
static void strip_scope(struct relation *relation)
{
    for (uint32_t i = 0; i < relation->scope.count; i++) {
        relation->scope.items[i].qualifier = STR("");
        relation->scope.items[i].relation = STR("");
        relation->scope.items[i].hidden = false;
    }
}

/* ---- VALUES ---- */

enum err plan_values(struct planner *p, const struct ast_node *values,
                     struct relation *ret_relation)
{
    struct binder *b = &p->binder;
    bool rows_are_lists = values->kids[0]->kind == AST_ROW;
    uint32_t width = rows_are_lists ? values->kids[0]->count : 1, rows = values->count;
    struct plan_node *node = plan_node_new(p, PLAN_VALUES, NULL, width);
    struct scope empty = {0};
    const struct scope *outer = b->scope;
    const char *clause = b->clause;
    b->scope = &empty;
    b->clause = "VALUES";
    node->exprs = arena_array(b->arena, (size_t)width * rows + 1, sizeof(*node->exprs));
    node->expr_count = width * rows;
    node->limit = rows;
    for (uint32_t r = 0; r < rows; r++) {
        const struct ast_node *row = values->kids[r];
        uint32_t count = row->kind == AST_ROW ? row->count : 1;
        if (count != width)
            return bind_error(b, row, "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "42000",
                              "this row of VALUES has %u columns, the first has %u", count, width);
        for (uint32_t c = 0; c < width; c++)
            TRY(bind_expr(b, row->kind == AST_ROW ? row->kids[c] : row,
                          &node->exprs[r * width + c]));
    }
    *ret_relation = (struct relation){.node = node, .scope = {.width = width}};
    for (uint32_t c = 0; c < width; c++) {
        if (bind_to_common(b, node->exprs + c, (size_t)width * rows - c, width, values, "VALUES",
                           &node->types[c]) != OK) {
            diag_class(b->diag, "INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN_INLINE_TABLE", "42000");
            return ERR_INVALID;
        }
        struct str name = str_of(arena_printf(b->arena, "col%u", c + 1));
        scope_add(b->arena, &ret_relation->scope,
                  (struct scope_column){.name = name, .type = node->types[c], .index = c});
    }
    b->scope = outer;
    b->clause = clause;
    return OK;
}

/* ---- set operations ---- */

static struct expr *column_at(struct planner *p, const struct relation *relation, uint32_t i,
                              const struct ast_node *at)
{
    const struct scope_column *column = &relation->scope.items[i];
    struct expr *expr = expr_new(p->binder.arena, EXPR_COLUMN, column->type, at->line, at->column);
    expr->index = column->index;
    return expr;
}

static struct plan_node *project(struct planner *p, struct plan_node *kid, struct expr **exprs,
                                 uint32_t count)
{
    struct plan_node *node = plan_node_new(p, PLAN_PROJECT, NULL, count);
    node->kids[0] = kid;
    node->kid_count = 1;
    node->exprs = exprs;
    node->expr_count = count;
    for (uint32_t i = 0; i < count; i++)
        node->types[i] = exprs[i]->type;
    return node;
}

/* The place in right of left's column i: the same, or by name. */
static enum err match_column(struct planner *p, const struct ast_node *at,
                             const struct relation *left, const struct relation *right, uint32_t i,
                             uint32_t *ret_place)
{
    *ret_place = i;
    if (!(at->flags & AST_BY_NAME))
        return OK;
    for (uint32_t k = 0; k < right->scope.count; k++) {
        if (str_equal_nocase(left->scope.items[i].name, right->scope.items[k].name)) {
            *ret_place = k;
            return OK;
        }
    }
    return bind_error(&p->binder, at, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
                      "UNION BY NAME: the right side has no column %.*s",
                      STR_ARG(left->scope.items[i].name));
}

static enum err plan_union(struct planner *p, const struct ast_node *at, struct relation *left,
                           struct relation *right, struct relation *ret_relation)
{
    struct binder *b = &p->binder;
    uint32_t width = left->scope.count;
    if (width != right->scope.count)
        return bind_error(b, at, "NUM_COLUMNS_MISMATCH", "42826",
                          "UNION of %u columns with %u columns", width, right->scope.count);
    struct expr **a = arena_array(b->arena, width + 1u, sizeof(*a));
    struct expr **c = arena_array(b->arena, width + 1u, sizeof(*c));
    *ret_relation = (struct relation){.scope = {.width = width}};
    for (uint32_t i = 0; i < width; i++) {
        uint32_t place;
        TRY(match_column(p, at, left, right, i, &place));
        struct expr *pair[2] = {column_at(p, left, i, at), column_at(p, right, place, at)};
        const struct type *type;
        TRY(bind_to_common(b, pair, 2, 1, at, "UNION", &type));
        a[i] = pair[0];
        c[i] = pair[1];
        scope_add(
            b->arena, &ret_relation->scope,
            (struct scope_column){.name = left->scope.items[i].name, .type = type, .index = i});
    }
    struct plan_node *node = plan_node_new(p, PLAN_UNION, project(p, left->node, a, width), width);
    struct plan_node *first = node->kids[0];
    node->kids = arena_array(b->arena, 2, sizeof(*node->kids));
    node->kids[0] = first;
    node->kids[1] = project(p, right->node, c, width);
    node->kid_count = 2;
    ret_relation->node = node;
    return OK;
}

static enum err plan_setop(struct planner *p, const struct ast_node *node,
                           struct relation *ret_relation)
{
    struct relation left, right;
    if (!str_equal(node->text, STR("union")))
        return bind_refuse(&p->binder, node,
                           str_equal(node->text, STR("except")) ? "EXCEPT" : "INTERSECT");
    TRY(plan_body(p, NULL, node->kids[0], &left));
    TRY(plan_body(p, NULL, node->kids[1], &right));
    TRY(plan_union(p, node, &left, &right, ret_relation));
    if (node->flags & AST_ALL)
        return OK;
    uint32_t width = ret_relation->scope.count;
    struct expr **keys = arena_array(p->binder.arena, width + 1u, sizeof(*keys));
    for (uint32_t i = 0; i < width; i++)
        keys[i] = column_at(p, ret_relation, i, node);
    return plan_aggregate(p, ret_relation, keys, width, NULL, 0, node);
}

/* ---- queries ---- */

enum err plan_bind(struct planner *p, const struct ast_node *node, const char *clause,
                   struct expr **ret_expr)
{
    const char *outer = p->binder.clause;
    p->binder.clause = clause;
    TRY(bind_expr(&p->binder, node, ret_expr));
    p->binder.clause = outer;
    return OK;
}

static enum err limit_of(struct planner *p, const struct ast_node *node, const char *what,
                         uint64_t *ret_value)
{
    struct binder *b = &p->binder;
    struct scope empty = {0};
    const struct scope *outer = b->scope;
    struct expr *expr;
    if (node->kind == AST_NAME && str_equal_nocase(node->text, STR("all")))
        return OK;
    b->scope = &empty;
    TRY(plan_bind(p, node, what, &expr));
    b->scope = outer;
    if (expr->type->kind < TYPE_TINYINT || expr->type->kind > TYPE_BIGINT)
        return bind_error(b, node, "INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", "42K0E",
                          "%s must be a whole number", what);
    expr = expr_cast(b->arena, b->session, expr, type_simple(TYPE_BIGINT));
    if (expr->kind != EXPR_CONSTANT || column_is_null(expr->constant, 0))
        return bind_error(b, node, "INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", "42K0E",
                          "%s must be a constant number", what);
    if (expr->constant->i64[0] < 0)
        return bind_error(b, node, "INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", "42K0E",
                          "%s must not be negative", what);
    *ret_value = (uint64_t)expr->constant->i64[0];
    return OK;
}

enum err plan_limit(struct planner *p, const struct ast_node *query, struct relation *relation)
{
    const struct ast_node *limit = ast_kid(query, 3), *offset = ast_kid(query, 4);
    if (!limit && !offset)
        return OK;
    struct plan_node *node = plan_node_new(p, PLAN_LIMIT, relation->node, relation->node->width);
    if (limit)
        TRY(limit_of(p, limit, "LIMIT", &node->limit));
    if (offset)
        TRY(limit_of(p, offset, "OFFSET", &node->offset));
    relation->node = node;
    return OK;
}

static struct sort_key sort_key_of(const struct ast_node *key, struct expr *expr)
{
    bool descending = key->flags & AST_DESC;
    return (struct sort_key){
        .expr = expr,
        .descending = descending,
        .nulls_last =
            key->flags & AST_NULLS_LAST || (descending && !(key->flags & AST_NULLS_FIRST)),
    };
}

/* ORDER BY ALL, unless a column has that name. */
static bool is_all(const struct ast_node *keys, const struct relation *relation)
{
    const struct ast_node *node = keys->kids[0]->kids[0];
    bool all =
        keys->count == 1 && node->kind == AST_NAME && str_equal_nocase(node->text, STR("all"));
    for (uint32_t i = 0; i < relation->scope.count; i++)
        all = all && !str_equal_nocase(relation->scope.items[i].name, STR("all"));
    return all;
}

static struct sort_key *keys_of_all(struct planner *p, const struct ast_node *key,
                                    const struct relation *relation)
{
    struct sort_key *keys = arena_array(p->binder.arena, relation->scope.count + 1u, sizeof(*keys));
    for (uint32_t i = 0; i < relation->scope.count; i++)
        keys[i] = sort_key_of(key, column_at(p, relation, i, key));
    return keys;
}

/* ORDER BY behind a set operation or VALUES: its keys name the output. */
static enum err plan_order(struct planner *p, const struct ast_node *keys,
                           struct relation *relation)
{
    if (!keys)
        return OK;
    struct binder *b = &p->binder;
    const struct scope *outer = b->scope;
    struct plan_node *node = plan_node_new(p, PLAN_SORT, relation->node, relation->node->width);
    if (is_all(keys, relation)) {
        node->keys = keys_of_all(p, keys->kids[0], relation);
        node->sort_key_count = relation->scope.count;
        relation->node = node;
        return OK;
    }
    node->keys = arena_array(b->arena, keys->count, sizeof(*node->keys));
    node->sort_key_count = keys->count;
    b->scope = &relation->scope;
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct ast_node *key = keys->kids[i];
        struct expr *expr;
        TRY(plan_bind(p, key->kids[0], "ORDER BY of this query", &expr));
        if (key->kids[0]->kind == AST_NUMBER && expr->kind == EXPR_CONSTANT &&
            expr->type->kind == TYPE_INT) {
            int32_t place = expr->constant->i32[0];
            if (place < 1 || (uint32_t)place > relation->scope.count)
                return bind_error(b, key, "ORDER_BY_POS_OUT_OF_RANGE", "42805",
                                  "ORDER BY %d: there are %u columns", place,
                                  relation->scope.count);
            expr = column_at(p, relation, (uint32_t)place - 1, key);
        }
        node->keys[i] = sort_key_of(key, expr);
    }
    b->scope = outer;
    relation->node = node;
    return OK;
}

static enum err plan_body(struct planner *p, const struct ast_node *query,
                          const struct ast_node *body, struct relation *ret_relation)
{
    switch (body->kind) {
    case AST_SELECT:
        return plan_select(p, query, body, ret_relation);
    case AST_QUERY:
        TRY(plan_query_node(p, body, ret_relation));
        break;
    case AST_SETOP:
        TRY(plan_setop(p, body, ret_relation));
        break;
    case AST_VALUES:
        TRY(plan_values(p, body, ret_relation));
        break;
    default: {
        struct ast_node *from =
            ast_new(p->binder.arena, AST_FROM, STR_NONE, body->line, body->column);
        ast_add(p->binder.arena, from, body->kids[0]);
        TRY(plan_from(p, from, ret_relation));
        strip_scope(ret_relation);
    }
    }
    return query ? plan_order(p, ast_kid(query, 2), ret_relation) : OK;
}

/* A common table expression that nobody names must be right, too. It reads nothing. */
static enum err check_unused(struct planner *p, const struct cte_frame *outer)
{
    struct relation unused;
    for (struct cte_frame *frame = p->ctes; frame != outer; frame = frame->outer) {
        struct cte_frame *saved = p->ctes;
        size_t inputs = p->plan->input_count;
        if (frame->used)
            continue;
        p->ctes = frame->visible;
        TRY(plan_query_node(p, frame->cte->kids[0], &unused));
        p->ctes = saved;
        p->plan->input_count = inputs;
    }
    return OK;
}

enum err plan_query_node(struct planner *p, const struct ast_node *query,
                         struct relation *ret_relation)
{
    struct cte_frame *outer = p->ctes;
    const struct ast_node *with = ast_kid(query, 1), *sort = ast_kid(query, 5);
    if (++p->depth > QUERY_DEPTH_MAX)
        return bind_error(&p->binder, query, "", "54001", "queries are nested too deeply");
    for (uint32_t i = 0; with && i < with->count; i++) {
        const struct ast_node *cte = with->kids[i];
        if (cte->flags & AST_RECURSIVE)
            return bind_refuse(&p->binder, cte, "WITH RECURSIVE");
        struct cte_frame *frame = arena_zero(p->binder.arena, sizeof(*frame));
        *frame = (struct cte_frame){.outer = p->ctes, .cte = cte, .visible = p->ctes};
        p->ctes = frame;
    }
    if (sort && sort->count)
        return bind_refuse(&p->binder, sort, "SORT BY");
    const struct scope *scope = p->binder.scope;
    p->binder.scope = NULL;
    TRY(plan_body(p, query, query->kids[0], ret_relation));
    TRY(plan_limit(p, query, ret_relation));
    p->binder.scope = scope;
    TRY(check_unused(p, outer));
    p->ctes = outer;
    p->depth--;
    return OK;
}
