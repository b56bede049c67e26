/* SPDX-License-Identifier: MIT */
/*
 * Pruning: what nobody needs is not read. A need is a tree along a type: the whole value, or some
 * fields of a struct (for an array: of its elements). Two walks:
 *
 *  1. down, from the root, where all is needed: each node turns the needs of its output into those
 *     of its kids; a chain a.b.c needs only c of b of a.
 *  2. up: scans get the narrowed type, and every node and field access above is typed again. A
 * field is found by its name in the narrowed struct.
 *
 * A column keeps its place in its row all the way; dead ones are not made.
 */
#include "query/plan.h"

#include "base/check.h"

struct need {
    bool whole;
    struct need **kids; /* fields of a STRUCT, the element of an ARRAY; NULL = not needed */
};

static struct need whole_need = {.whole = true};

static void merge(struct arena *arena, struct need **slot, const struct type *type,
                  struct need *want)
{
    if (!want || (*slot && (*slot)->whole))
        return;
    if (want->whole || (type->kind != TYPE_STRUCT && type->kind != TYPE_ARRAY)) {
        *slot = &whole_need;
        return;
    }
    uint32_t count = type->field_count;
    if (!*slot) {
        *slot = arena_zero(arena, sizeof(**slot));
        (*slot)->kids = arena_array(arena, count + 1u, sizeof(struct need *));
        memset((*slot)->kids, 0, (count + 1u) * sizeof(struct need *));
    }
    for (uint32_t i = 0; i < count; i++)
        merge(arena, &(*slot)->kids[i], type->fields[i].type, want->kids[i]);
}

/* A need of one child of a type. */
static struct need *need_of_kid(struct arena *arena, const struct type *type, uint32_t index,
                                struct need *want)
{
    struct need *need = arena_zero(arena, sizeof(*need));
    need->kids = arena_array(arena, type->field_count + 1u, sizeof(struct need *));
    memset(need->kids, 0, (type->field_count + 1u) * sizeof(struct need *));
    need->kids[index] = want;
    return need;
}

/* ---- down ---- */

static void need_expr(struct arena *arena, const struct expr *expr, struct need *want,
                      struct need **columns)
{
    if (expr->kind == EXPR_COLUMN) {
        merge(arena, &columns[expr->index], expr->type, want);
        return;
    }
    if (expr->kind == EXPR_FIELD) {
        const struct type *type = expr->kids[0]->type;
        struct need *need;
        if (type->kind == TYPE_ARRAY) {
            /* want is a need of the array of the field's values */
            struct need *of_field = want->whole ? want : want->kids[0];
            need = need_of_kid(arena, type->fields[0].type, expr->index,
                               of_field ? of_field : &whole_need);
            need = need_of_kid(arena, type, 0, need);
        } else {
            need = need_of_kid(arena, type, expr->index, want);
        }
        need_expr(arena, expr->kids[0], need, columns);
        return;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        need_expr(arena, expr->kids[i], &whole_need, columns);
    if (expr->filter)
        need_expr(arena, expr->filter, &whole_need, columns);
}

static void need_plan(struct query_plan *plan, struct plan_node *node, struct need **needs);

static struct need **no_needs(struct arena *arena, uint32_t width)
{
    struct need **needs = arena_array(arena, width + 1u, sizeof(*needs));
    memset(needs, 0, (width + 1u) * sizeof(*needs));
    return needs;
}

/* The collection of a GENERATE: what is needed of its elements. */
static struct need *need_of_collection(struct arena *arena, const struct plan_node *node,
                                       struct need **needs)
{
    const struct type *type = node->exprs[0]->type;
    struct need **made = needs + node->kids[0]->width + node->with_position;
    if (type->kind != TYPE_ARRAY)
        return &whole_need;
    const struct type *element = type->fields[0].type;
    struct need *need = NULL;
    if (!node->inlined) {
        need = made[0];
    } else {
        need = arena_zero(arena, sizeof(*need));
        need->kids = made;
    }
    if (!need || (need->kids && element->kind != TYPE_STRUCT && element->kind != TYPE_ARRAY))
        need = &whole_need;
    return need->whole ? &whole_need : need_of_kid(arena, type, 0, need);
}

static void need_scan(struct query_plan *plan, struct plan_node *node, struct need **needs);

static void need_kid(struct query_plan *plan, struct plan_node *node, struct need **needs)
{
    struct arena *arena = plan->arena;
    struct plan_node *kid = node->kids[0];
    bool passes = node->kind != PLAN_PROJECT && node->kind != PLAN_AGGREGATE;
    struct need **below = no_needs(arena, kid->width);
    for (uint32_t i = 0; passes && i < kid->width; i++)
        merge(arena, &below[i], kid->types[i], needs[i]);
    for (uint32_t i = 0; i < node->expr_count; i++) {
        if (node->kind == PLAN_PROJECT && needs[i])
            need_expr(arena, node->exprs[i], needs[i], below);
        else if (node->kind == PLAN_GENERATE)
            need_expr(arena, node->exprs[i], need_of_collection(arena, node, needs), below);
        else if (node->kind != PLAN_PROJECT)
            need_expr(arena, node->exprs[i], &whole_need, below);
    }
    for (size_t i = 0; i < node->sort_key_count; i++)
        need_expr(arena, node->keys[i].expr, &whole_need, below);
    need_plan(plan, kid, below);
}

static void need_plan(struct query_plan *plan, struct plan_node *node, struct need **needs)
{
    struct arena *arena = plan->arena;
    if (node->kind == PLAN_AGGREGATE || node->kind == PLAN_VALUES) {
        for (uint32_t i = 0; i < node->width; i++)
            needs[i] = &whole_need;
    }
    node->live = arena_array(arena, node->width + 1u, sizeof(*node->live));
    for (uint32_t i = 0; i < node->width; i++)
        node->live[i] = needs[i] != NULL;
    if (node->kind == PLAN_SCAN) {
        need_scan(plan, node, needs);
    } else if (node->kind == PLAN_UNION) {
        for (uint32_t k = 0; k < node->kid_count; k++) {
            struct need **below = no_needs(arena, node->width);
            for (uint32_t i = 0; i < node->width; i++)
                below[i] = needs[i] ? &whole_need : NULL;
            need_plan(plan, node->kids[k], below);
        }
    } else if (node->kid_count) {
        need_kid(plan, node, needs);
    }
}

/* ---- up: types ---- */

static const struct type *narrow(struct arena *arena, const struct type *type,
                                 const struct need *need)
{
    if (need->whole)
        return type;
    if (type->kind == TYPE_ARRAY) {
        const struct type *element = need->kids[0]
                                         ? narrow(arena, type->fields[0].type, need->kids[0])
                                         : type->fields[0].type;
        return type_array(arena, element, !type->fields[0].not_null);
    }
    struct field *fields = arena_array(arena, type->field_count + 1u, sizeof(*fields));
    size_t count = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (!need->kids[i])
            continue;
        fields[count] = type->fields[i];
        fields[count++].type = narrow(arena, type->fields[i].type, need->kids[i]);
    }
    return type_struct(arena, fields, count);
}

static void need_scan(struct query_plan *plan, struct plan_node *node, struct need **needs)
{
    struct arena *arena = plan->arena;
    struct query_input *input = &plan->inputs[node->input];
    struct field *fields = arena_array(arena, node->width + 1u, sizeof(*fields));
    uint32_t count = 0;
    node->positions = arena_array(arena, node->width + 1u, sizeof(*node->positions));
    for (uint32_t i = 0; i < node->width; i++) {
        node->positions[i] = needs[i] ? count : UINT32_MAX;
        if (!needs[i])
            continue;
        fields[count] = input->relation.schema->fields[i];
        fields[count].type = narrow(arena, node->types[i], needs[i]);
        node->types[i] = fields[count++].type;
    }
    input->wanted = type_struct(arena, fields, count);
    for (uint32_t i = 0; i < node->width; i++) {
        if (needs[i])
            node->types[i] = input->wanted->fields[node->positions[i]].type;
    }
}

static uint32_t find_field(const struct type *type, const struct expr *expr)
{
    if (expr->index < type->field_count && str_equal(type->fields[expr->index].name, expr->field))
        return expr->index;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (str_equal(type->fields[i].name, expr->field))
            return i;
    }
    check_never("a field in use was pruned");
    return 0;
}

static void retype_expr(struct arena *arena, struct expr *expr, const struct plan_node *kid)
{
    for (uint32_t i = 0; i < expr->count; i++)
        retype_expr(arena, expr->kids[i], kid);
    if (expr->filter)
        retype_expr(arena, expr->filter, kid);
    if (expr->kind == EXPR_COLUMN) {
        expr->type = kid->types[expr->index];
        return;
    }
    if (expr->kind != EXPR_FIELD)
        return;
    const struct type *type = expr->kids[0]->type;
    bool array = type->kind == TYPE_ARRAY;
    const struct type *record = array ? type->fields[0].type : type;
    expr->index = find_field(record, expr);
    const struct type *result = record->fields[expr->index].type;
    expr->type = array ? type_array(arena, result, true) : result;
}

static void retype_generated(struct plan_node *node)
{
    const struct type *type = node->exprs[0]->type;
    uint32_t at = node->kids[0]->width + node->with_position;
    if (node->inlined) {
        const struct type *record = type->fields[0].type;
        /* a dead column keeps its old type; live ones are found by their order */
        uint32_t next = 0;
        for (uint32_t i = at; i < node->width; i++) {
            bool kept = record->field_count == node->width - at || node->live[i];
            if (kept)
                node->types[i] = record->fields[next++].type;
        }
        return;
    }
    node->types[at] = type->fields[0].type;
    if (type->kind == TYPE_MAP)
        node->types[at + 1] = type->fields[1].type;
}

static void retype_plan(struct arena *arena, struct plan_node *node)
{
    for (uint32_t i = 0; i < node->kid_count; i++)
        retype_plan(arena, node->kids[i]);
    if (!node->kid_count)
        return;
    const struct plan_node *kid = node->kids[0];
    for (uint32_t i = 0; i < node->expr_count; i++) {
        if (node->kind == PLAN_PROJECT && !node->live[i])
            node->exprs[i] = NULL;
        else
            retype_expr(arena, node->exprs[i], kid);
    }
    for (size_t i = 0; i < node->sort_key_count; i++)
        retype_expr(arena, node->keys[i].expr, kid);
    for (uint32_t i = 0; i < node->width; i++) {
        if (node->kind == PLAN_PROJECT)
            node->types[i] = node->exprs[i] ? node->exprs[i]->type : node->types[i];
        else if (node->kind == PLAN_AGGREGATE)
            node->types[i] = node->exprs[i]->type;
        else if (i < kid->width)
            node->types[i] = kid->types[i];
    }
    if (node->kind == PLAN_GENERATE)
        retype_generated(node);
}

void plan_prune(struct query_plan *plan)
{
    struct need **needs = no_needs(plan->arena, plan->root->width);
    for (uint32_t i = 0; i < plan->root->width; i++)
        needs[i] = &whole_need;
    need_plan(plan, plan->root, needs);
    retype_plan(plan->arena, plan->root);
}
