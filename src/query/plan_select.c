/* SPDX-License-Identifier: MIT */
/*
 * SELECT: from -> where -> [generate] -> [aggregate -> having] -> project -> [distinct] -> [sort].
 *
 * All expressions of the select list, HAVING and ORDER BY are bound over the columns of FROM, with
 * aggregates as nodes of their own. When there is an aggregate (or GROUP BY), plan_aggregate()
 * then rewrites them all to its output. Sort keys that are no output column travel behind the
 * output columns up to the sort and are cut off there.
 */
#include "query/plan.h"

struct item {
    const struct ast_node *node; /* without its alias */
    struct expr *expr;
    struct str name;
};

struct selecting {
    struct planner *p;
    const struct ast_node *query, *select; /* query may be NULL */
    struct relation relation;
    struct item *items;
    uint32_t count, room;
    struct bound_alias *aliases;
    struct expr *having;
    struct expr **keys; /* GROUP BY */
    uint32_t key_count;
    struct sort_key *sort;
    uint32_t sort_count;
    const struct ast_node *generator; /* the item that makes rows */
    uint32_t generated_from;          /* its first column */
    bool group_all;                   /* GROUP BY ALL */
};

static void add_item(struct selecting *s, const struct ast_node *node, struct expr *expr,
                     struct str name, bool renamed)
{
    struct arena *arena = s->p->binder.arena;
    if (s->count == s->room) {
        uint32_t room = s->room ? s->room * 2 : 16;
        struct item *items = arena_array(arena, room, sizeof(*items));
        struct bound_alias *aliases = arena_array(arena, room, sizeof(*aliases));
        if (s->count) {
            memcpy(items, s->items, s->count * sizeof(*items));
            memcpy(aliases, s->aliases, s->count * sizeof(*aliases));
        }
        s->items = items;
        s->aliases = aliases;
        s->room = room;
    }
    s->items[s->count] = (struct item){node, expr, name};
    bool lateral = s->p->binder.used_lateral;
    bool is_new = expr->kind != EXPR_COLUMN || renamed;
    s->aliases[s->count] = (struct bound_alias){name, expr, is_new, lateral};
    s->p->binder.used_lateral = false;
    s->count++;
    s->p->binder.aliases = s->aliases;
    s->p->binder.alias_count = s->count;
}

/* ---- the select list ---- */

static const struct ast_node *without_alias(const struct ast_node *node)
{
    return node->kind == AST_ALIAS ? node->kids[0] : node;
}

static enum err plan_generator(struct selecting *s, const struct ast_node *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ast_node *node = without_alias(list->kids[i]);
        if (!is_generator_call(node))
            continue;
        if (s->generator)
            return bind_error(&s->p->binder, node, "UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "42K0E",
                              "a select list may have one function that makes rows");
        s->generator = list->kids[i];
        s->generated_from = s->relation.node->width;
        TRY(plan_generate(s->p, &s->relation, node, false, NULL, STR(""), true));
    }
    return OK;
}

/* The columns that the generator made become items. */
static enum err add_generated(struct selecting *s, const struct ast_node *node)
{
    struct binder *b = &s->p->binder;
    const struct plan_node *made = s->relation.node;
    uint32_t count = made->width - s->generated_from;
    const struct ast_node *call = without_alias(node);
    const struct ast_node *names = node->kind == AST_ALIAS ? ast_kid(node, 1) : NULL;
    bool single = node->kind == AST_ALIAS && node->text.bytes;
    if ((names && names->count != count) || (single && count != 1))
        return bind_error(b, node, "UDTF_ALIAS_NUMBER_MISMATCH", "42802",
                          "%u names for the %u columns of %.*s", names ? names->count : 1, count,
                          STR_ARG(call->text));
    static const char *const map_names[] = {"key", "value"};
    bool with_position = made->with_position;
    for (uint32_t i = 0; i < count; i++) {
        struct expr *expr = expr_new(b->arena, EXPR_COLUMN, made->types[s->generated_from + i],
                                     node->line, node->column);
        expr->index = s->generated_from + i;
        uint32_t value = i - with_position;
        struct str name = single                    ? node->text
                          : names                   ? names->kids[i]->text
                          : with_position && i == 0 ? STR("pos")
                          : made->inlined ? made->exprs[0]->type->fields[0].type->fields[i].name
                          : count - with_position > 1 ? str_of(map_names[value])
                                                      : STR("col");
        add_item(s, call, expr, name, false);
    }
    return OK;
}

static enum err add_star(struct selecting *s, const struct ast_node *star)
{
    struct expr **exprs;
    struct str *names;
    size_t count;
    TRY(bind_star(&s->p->binder, star, &exprs, &names, &count));
    if (count == 0 && !ast_kid(star, 0) && !ast_kid(s->select, 1))
        return bind_error(&s->p->binder, star, "INVALID_USAGE_OF_STAR_OR_REGEX", "42000",
                          "* needs a FROM");
    for (size_t i = 0; i < count; i++)
        add_item(s, star, exprs[i], names[i], false);
    return OK;
}

static enum err bind_items(struct selecting *s, const struct ast_node *list)
{
    struct binder *b = &s->p->binder;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ast_node *node = list->kids[i];
        struct expr *expr;
        if (node == s->generator) {
            TRY(add_generated(s, node));
        } else if (node->kind == AST_STAR) {
            TRY(add_star(s, node));
        } else if (node->kind == AST_ALIAS && ast_kid(node, 1)) {
            return bind_error(b, node, "MULTI_ALIAS_WITHOUT_GENERATOR", "42K0E",
                              "many names are for functions that make many columns");
        } else {
            TRY(bind_expr(b, node, &expr));
            add_item(s, without_alias(node), expr, name_of(b, node), node->kind == AST_ALIAS);
        }
    }
    return OK;
}

/* ---- GROUP BY, HAVING ---- */

/* A literal number names the item at that place. */
static bool is_place(const struct ast_node *node, const struct expr *expr)
{
    return node->kind == AST_NUMBER && expr->kind == EXPR_CONSTANT && expr->type->kind == TYPE_INT;
}

static enum err item_at(struct selecting *s, const struct ast_node *node, const struct expr *place,
                        const char *error_class, struct expr **ret_expr)
{
    int32_t at = place->constant->i32[0];
    if (at < 1 || (uint32_t)at > s->count)
        return bind_error(&s->p->binder, node, error_class, "42805",
                          "position %d is not in the select list of %u", at, s->count);
    *ret_expr = s->items[at - 1].expr;
    return OK;
}

/* GROUP BY 1 may name neither what * stands for nor an aggregate. */
static enum err check_place(struct selecting *s, const struct ast_node *node, int32_t place)
{
    const struct ast_node *list = s->select->kids[0];
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->kids[i]->kind == AST_STAR)
            return bind_error(&s->p->binder, node, "STAR_GROUP_BY_POS", "0A000",
                              "a position in GROUP BY does not go together with *");
    }
    if (s->aliases[place - 1].lateral)
        return bind_lateral_key(&s->p->binder, node);
    if (s->items[place - 1].expr->has_aggregate)
        return bind_error(&s->p->binder, node, "GROUP_BY_POS_AGGREGATE", "42903",
                          "the item at this position of GROUP BY is an aggregate");
    return OK;
}

static enum err group_by_all(struct selecting *s)
{
    s->group_all = true;
    s->keys = arena_array(s->p->binder.arena, s->count + 1u, sizeof(*s->keys));
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->items[i].expr->has_aggregate)
            continue;
        if (s->aliases[i].lateral)
            return bind_lateral_key(&s->p->binder, s->items[i].node);
        s->keys[s->key_count++] = s->items[i].expr;
    }
    return OK;
}

static enum err bind_group_by(struct selecting *s, const struct ast_node *list)
{
    struct binder *b = &s->p->binder;
    bool all = list->count == 1 && list->kids[0]->kind == AST_NAME &&
               str_equal_nocase(list->kids[0]->text, STR("all"));
    for (uint32_t i = 0; i < b->scope->count; i++)
        all = all && !str_equal_nocase(b->scope->items[i].name, STR("all"));
    for (uint32_t i = 0; i < s->count; i++)
        all = all && !str_equal_nocase(s->items[i].name, STR("all"));
    if (all)
        return group_by_all(s);
    s->keys = arena_array(b->arena, list->count + 1u, sizeof(*s->keys));
    b->in_group_by = true;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ast_node *node = list->kids[i];
        struct expr *expr;
        if (node->kind == AST_GROUPING)
            return bind_refuse(b, node, "ROLLUP, CUBE or GROUPING SETS");
        TRY(bind_expr(b, node, &expr));
        if (is_place(node, expr)) {
            int32_t place = expr->constant->i32[0];
            TRY(item_at(s, node, expr, "GROUP_BY_POS_OUT_OF_RANGE", &expr));
            TRY(check_place(s, node, place));
        }
        if (expr->has_aggregate)
            return bind_error(b, node, "GROUP_BY_AGGREGATE", "42903",
                              "an aggregate may not stand in GROUP BY");
        s->keys[s->key_count++] = expr;
    }
    b->in_group_by = false;
    return OK;
}

static bool has_index(const struct ast_node *node)
{
    bool has = node->kind == AST_INDEX;
    for (uint32_t i = 0; i < node->count && !has; i++)
        has = node->kids[i] && has_index(node->kids[i]);
    return has;
}

/* A name in HAVING or ORDER BY that is a column and an alias may be either: the one that fits. */
static enum err bind_either(struct selecting *s, const struct ast_node *node, bool aliases_first,
                            struct expr **ret_expr)
{
    struct binder *b = &s->p->binder, saved = *b;
    struct diag first = {0};
    for (int attempt = 0; attempt < 2; attempt++) {
        b->aliases_first = aliases_first == (attempt == 0);
        enum err err = bind_expr(b, node, ret_expr);
        saved.variables = b->variables;
        *b = saved;
        if (err != ERR_INVALID || (attempt == 0 && !aliases_first && has_index(node)))
            return err;
        if (attempt == 0) {
            first = *b->diag;
            *b->diag = (struct diag){0};
        }
    }
    *b->diag = first;
    return ERR_INVALID;
}

/* What is no predicate is cast to BOOLEAN, as Spark's parser does. */
static enum err bind_having(struct selecting *s, const struct ast_node *having)
{
    TRY(bind_either(s, having, false, &s->having));
    if (s->having->type->kind == TYPE_BOOLEAN)
        return OK;
    struct ast_node *kid = (struct ast_node *)having;
    struct ast_node cast = *having;
    cast.kind = AST_CAST;
    cast.flags = 0;
    cast.type = type_simple(TYPE_BOOLEAN);
    cast.kids = &kid;
    cast.count = 1;
    return bind_either(s, &cast, false, &s->having);
}

/* ---- ORDER BY ---- */

/* ALL, unless a column or an item has that name. */
static bool is_all(const struct selecting *s, const struct ast_node *node)
{
    bool all = node->kind == AST_NAME && str_equal_nocase(node->text, STR("all"));
    const struct scope *scope = s->p->binder.scope;
    for (uint32_t i = 0; scope && i < scope->count; i++)
        all = all && !str_equal_nocase(scope->items[i].name, STR("all"));
    for (uint32_t i = 0; i < s->count; i++)
        all = all && !str_equal_nocase(s->items[i].name, STR("all"));
    return all;
}

/* How many columns ORDER BY names that are not selected: Spark's positions count those, too. */
static int32_t count_hidden(const struct selecting *s, const struct ast_node *keys)
{
    int32_t count = 0;
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct ast_node *node = keys->kids[i]->kids[0];
        bool selected = node->kind != AST_NAME;
        for (uint32_t k = 0; k < s->count; k++)
            selected |= str_equal_nocase(s->items[k].name, node->text);
        count += !selected;
    }
    return count;
}

static enum err bind_order(struct selecting *s)
{
    struct binder *b = &s->p->binder;
    const struct ast_node *keys = s->query ? ast_kid(s->query, 2) : NULL;
    if (!keys)
        return OK;
    uint32_t room = keys->count > s->count ? keys->count : s->count;
    s->sort = arena_array(b->arena, room + 1u, sizeof(*s->sort));
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct ast_node *key = keys->kids[i], *node = key->kids[0];
        bool descending = key->flags & AST_DESC;
        struct sort_key sort = {
            .descending = descending,
            .nulls_last =
                (key->flags & AST_NULLS_LAST) || (descending && !(key->flags & AST_NULLS_FIRST)),
        };
        if (keys->count == 1 && is_all(s, node)) {
            for (uint32_t k = 0; k < s->count; k++) {
                sort.expr = s->items[k].expr;
                s->sort[s->sort_count++] = sort;
            }
            return OK;
        }
        TRY(bind_either(s, node, true, &sort.expr));
        if (is_place(node, sort.expr)) {
            int32_t at = sort.expr->constant->i32[0], most = (int32_t)s->count;
            if (at > most && at <= most + count_hidden(s, keys))
                return bind_refuse(b, node, "a position behind the select list in ORDER BY");
            TRY(item_at(s, node, sort.expr, "ORDER_BY_POS_OUT_OF_RANGE", &sort.expr));
        }
        s->sort[s->sort_count++] = sort;
    }
    return OK;
}

/* ---- putting it together ---- */

static bool needs_aggregate(const struct selecting *s)
{
    bool needs = s->keys || (s->having && ast_kid(s->select, 4));
    for (uint32_t i = 0; i < s->count; i++)
        needs |= s->items[i].expr->has_aggregate;
    for (uint32_t i = 0; i < s->sort_count; i++)
        needs |= s->sort[i].expr->has_aggregate;
    return needs;
}

/* A column of the input that stands outside of all aggregates. */
static bool has_bare_column(const struct expr *expr)
{
    if (expr->kind == EXPR_AGGREGATE)
        return false;
    bool bare = expr->kind == EXPR_COLUMN;
    for (uint32_t i = 0; i < expr->count; i++)
        bare |= has_bare_column(expr->kids[i]);
    return bare;
}

/* Spark tells apart why a column is not grouped by. */
static void classify_missing(struct selecting *s)
{
    struct diag *diag = s->p->binder.diag;
    bool mixed = false;
    for (uint32_t i = 0; i < s->count; i++)
        mixed |= s->items[i].expr->has_aggregate && has_bare_column(s->items[i].expr);
    if (strcmp(diag->error_class, "MISSING_AGGREGATION") != 0)
        return;
    if (s->group_all && mixed)
        diag_class(diag, "UNRESOLVED_ALL_IN_GROUP_BY", "42803");
    else if (s->group_all)
        diag_class(diag, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703");
    else if (!ast_kid(s->select, 3))
        diag_class(diag, "MISSING_GROUP_BY", "42803");
}

static enum err aggregate(struct selecting *s)
{
    struct planner *p = s->p;
    size_t count = 0;
    struct expr **exprs =
        arena_array(p->binder.arena, (size_t)s->count + s->sort_count + 1, sizeof(*exprs));
    for (uint32_t i = 0; i < s->count; i++)
        exprs[count++] = s->items[i].expr;
    for (uint32_t i = 0; i < s->sort_count; i++)
        exprs[count++] = s->sort[i].expr;
    if (s->having)
        exprs[count++] = s->having;
    enum err err = plan_aggregate(p, &s->relation, s->keys, s->key_count, exprs, count, s->select);
    if (err != OK) {
        classify_missing(s);
        return err;
    }
    count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        s->items[i].expr = exprs[count++];
    for (uint32_t i = 0; i < s->sort_count; i++)
        s->sort[i].expr = exprs[count++];
    if (s->having)
        s->having = exprs[count++];
    return OK;
}

static void add_filter(struct planner *p, struct relation *relation, struct expr *condition)
{
    struct plan_node *node = plan_node_new(p, PLAN_FILTER, relation->node, relation->node->width);
    node->exprs = arena_array(p->binder.arena, 1, sizeof(*node->exprs));
    node->exprs[0] = condition;
    node->expr_count = 1;
    relation->node = node;
}

static struct expr *place_expr(struct planner *p, const struct expr *of, uint32_t index)
{
    struct expr *expr = expr_new(p->binder.arena, EXPR_COLUMN, of->type, of->line, of->column);
    expr->index = index;
    return expr;
}

/* Items, then those sort keys that are no item; keys become columns of it. */
static struct plan_node *make_project(struct selecting *s)
{
    struct planner *p = s->p;
    uint32_t room = s->count + s->sort_count, width = s->count;
    struct expr **exprs = arena_array(p->binder.arena, room + 1u, sizeof(*exprs));
    for (uint32_t i = 0; i < s->count; i++)
        exprs[i] = s->items[i].expr;
    for (uint32_t i = 0; i < s->sort_count; i++) {
        uint32_t at = 0;
        while (at < width && !expr_equal(exprs[at], s->sort[i].expr))
            at++;
        if (at == width)
            exprs[width++] = s->sort[i].expr;
        s->sort[i].expr = place_expr(p, exprs[at], at);
    }
    struct plan_node *node = plan_node_new(p, PLAN_PROJECT, NULL, width);
    node->kids[0] = s->relation.node;
    node->kid_count = 1;
    node->exprs = exprs;
    node->expr_count = width;
    for (uint32_t i = 0; i < width; i++)
        node->types[i] = exprs[i]->type;
    return node;
}

static void add_sort(struct selecting *s, struct relation *out)
{
    struct planner *p = s->p;
    struct plan_node *sort = plan_node_new(p, PLAN_SORT, out->node, out->node->width);
    sort->keys = s->sort;
    sort->sort_key_count = s->sort_count;
    out->node = sort;
    if (sort->width == s->count)
        return;
    struct plan_node *cut = plan_node_new(p, PLAN_PROJECT, sort, s->count);
    cut->exprs = arena_array(p->binder.arena, s->count + 1u, sizeof(*cut->exprs));
    cut->expr_count = s->count;
    for (uint32_t i = 0; i < s->count; i++)
        cut->exprs[i] = place_expr(p, s->items[i].expr, i);
    out->node = cut;
}

static enum err finish(struct selecting *s, struct relation *out)
{
    struct planner *p = s->p;
    bool distinct = s->select->flags & AST_DISTINCT;
    *out = (struct relation){.node = make_project(s), .scope = {.width = s->count}};
    for (uint32_t i = 0; i < s->count; i++)
        scope_add(p->binder.arena, &out->scope,
                  (struct scope_column){
                      .name = s->items[i].name, .type = s->items[i].expr->type, .index = i});
    if (distinct && out->node->width != s->count)
        return bind_error(&p->binder, s->select, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
                          "with DISTINCT, ORDER BY may only name what is selected");
    if (distinct) {
        struct expr **keys = arena_array(p->binder.arena, s->count + 1u, sizeof(*keys));
        for (uint32_t i = 0; i < s->count; i++)
            keys[i] = place_expr(p, s->items[i].expr, i);
        TRY(plan_aggregate(p, out, keys, s->count, NULL, 0, s->select));
    }
    if (s->sort_count)
        add_sort(s, out);
    return OK;
}

static enum err bind_all(struct selecting *s)
{
    struct binder *b = &s->p->binder;
    const struct ast_node *where = ast_kid(s->select, 2), *having = ast_kid(s->select, 4);
    const struct ast_node *list = s->select->kids[0];
    b->scope = &s->relation.scope;
    if (where) {
        struct expr *condition;
        TRY(bind_condition(b, where, "WHERE", &condition));
        add_filter(s->p, &s->relation, condition);
    }
    TRY(plan_generator(s, list));
    b->in_items = true;
    TRY(bind_items(s, list));
    b->in_items = false;
    if (ast_kid(s->select, 3))
        TRY(bind_group_by(s, ast_kid(s->select, 3)));
    if (having)
        TRY(bind_having(s, having));
    return bind_order(s);
}

enum err plan_select(struct planner *p, const struct ast_node *query, const struct ast_node *select,
                     struct relation *ret_relation)
{
    struct binder *b = &p->binder;
    struct binder saved = *b;
    struct selecting s = {.p = p, .query = query, .select = select};
    if (ast_kid(select, 5))
        return bind_refuse(b, ast_kid(select, 5), "WINDOW");
    TRY(plan_from(p, ast_kid(select, 1), &s.relation));
    b->aliases = NULL;
    b->alias_count = 0;
    b->clause = NULL;
    b->in_items = b->in_group_by = b->used_lateral = false;
    TRY(bind_all(&s));
    if (needs_aggregate(&s)) {
        if (s.generator)
            return bind_refuse(b, s.generator, "explode together with aggregates");
        TRY(aggregate(&s));
    }
    if (s.having)
        add_filter(p, &s.relation, s.having);
    TRY(finish(&s, ret_relation));
    uint32_t variables = b->variables;
    *b = saved;
    b->variables = variables;
    return OK;
}
