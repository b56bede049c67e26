/* SPDX-License-Identifier: MIT */
/*
 * Grouping: the expressions of a SELECT are rewritten from the columns of FROM to the output of the
 * AGGREGATE node, from the top down: what equals a key becomes that key's column, an aggregate
 * becomes its column (equal ones share it), anything else is taken apart; a column of FROM that is
 * left is one that is neither grouped nor aggregated.
 */
#include "query/plan.h"

struct rewriter {
    struct planner *p;
    struct plan_node *node;
    struct expr **keys;
    uint32_t key_count;
    uint32_t room;
    const struct scope *scope; /* of FROM, for names */
};

static struct expr *output_column(struct rewriter *w, const struct expr *of, uint32_t index)
{
    struct expr *expr = expr_new(w->p->binder.arena, EXPR_COLUMN, of->type, of->line, of->column);
    expr->index = index;
    return expr;
}

/* The place of an aggregate in the node's expressions; new ones are added. */
static uint32_t place_aggregate(struct rewriter *w, struct expr *expr)
{
    struct plan_node *node = w->node;
    for (uint32_t i = w->key_count; i < node->expr_count; i++) {
        if (expr_equal(node->exprs[i], expr))
            return i;
    }
    if (node->expr_count == w->room) {
        uint32_t room = w->room * 2;
        struct expr **exprs = arena_array(w->p->binder.arena, room, sizeof(*exprs));
        memcpy(exprs, node->exprs, node->expr_count * sizeof(*exprs));
        node->exprs = exprs;
        w->room = room;
    }
    node->exprs[node->expr_count] = expr;
    return node->expr_count++;
}

static enum err not_grouped(struct rewriter *w, const struct expr *expr)
{
    struct ast_node at = {.line = expr->line, .column = expr->column};
    struct str name = STR("a column");
    for (uint32_t i = 0; i < w->scope->count; i++) {
        if (w->scope->items[i].index == expr->index)
            name = w->scope->items[i].name;
    }
    bind_error(&w->p->binder, &at, "MISSING_AGGREGATION", "42803",
               "%.*s is neither in GROUP BY nor inside an aggregate", STR_ARG(name));
    if (w->p->binder.diag)
        diag_hint(w->p->binder.diag, "add it to GROUP BY, or take any_value(%.*s)", STR_ARG(name));
    return ERR_INVALID;
}

static enum err rewrite(struct rewriter *w, struct expr *expr, struct expr **ret_expr)
{
    for (uint32_t i = 0; i < w->key_count && expr->kind != EXPR_CONSTANT; i++) {
        if (expr_equal(w->keys[i], expr)) {
            *ret_expr = output_column(w, expr, i);
            return OK;
        }
    }
    if (expr->kind == EXPR_AGGREGATE) {
        *ret_expr = output_column(w, expr, place_aggregate(w, expr));
        return OK;
    }
    if (expr->kind == EXPR_COLUMN)
        return not_grouped(w, expr);
    if (expr->count == 0) {
        *ret_expr = expr;
        return OK;
    }
    struct expr **kids = arena_array(w->p->binder.arena, expr->count, sizeof(*kids));
    for (uint32_t i = 0; i < expr->count; i++)
        TRY(rewrite(w, expr->kids[i], &kids[i]));
    struct expr *copy = arena_alloc(w->p->binder.arena, sizeof(*copy));
    *copy = *expr;
    copy->has_aggregate = false;
    copy->size = 1;
    expr_set_kids(w->p->binder.arena, copy, kids, expr->count);
    *ret_expr = copy;
    return OK;
}

static bool can_group(const struct type *type)
{
    if (type->kind == TYPE_MAP)
        return false;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (!can_group(type->fields[i].type))
            return false;
    }
    return true;
}

enum err plan_aggregate(struct planner *p, struct relation *relation, struct expr **keys,
                        size_t key_count, struct expr **exprs, size_t expr_count,
                        const struct ast_node *at)
{
    struct plan_node *node = plan_node_new(p, PLAN_AGGREGATE, relation->node, 0);
    struct rewriter w = {.p = p,
                         .node = node,
                         .keys = keys,
                         .key_count = (uint32_t)key_count,
                         .room = (uint32_t)key_count + 8,
                         .scope = &relation->scope};
    node->exprs = arena_array(p->binder.arena, w.room, sizeof(*node->exprs));
    node->expr_count = node->key_count = (uint32_t)key_count;
    for (size_t i = 0; i < key_count; i++) {
        if (!can_group(keys[i]->type))
            return bind_refuse(&p->binder, at, "grouping by a MAP");
        node->exprs[i] = keys[i];
    }
    for (size_t i = 0; i < expr_count; i++)
        TRY(rewrite(&w, exprs[i], &exprs[i]));
    node->width = node->expr_count;
    node->types = arena_array(p->binder.arena, node->width + 1u, sizeof(*node->types));
    for (uint32_t i = 0; i < node->width; i++)
        node->types[i] = node->exprs[i]->type;
    relation->node = node;
    return OK;
}
