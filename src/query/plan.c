/* SPDX-License-Identifier: MIT */
/*
 * Statement to plan: bind and plan the query, check it against what streams cannot do, prune.
 *
 * Invariants:
 *  1. Every expression of a node names columns of its kid's output by place.
 *  2. After pruning, a column that is not live is named by no expression.
 */
#include "query/plan.h"

struct plan_node *plan_node_new(struct planner *p, enum plan_kind kind, struct plan_node *kid,
                                uint32_t width)
{
    struct plan_node *node = arena_zero(p->binder.arena, sizeof(*node));
    node->kind = kind;
    node->width = width;
    node->limit = UINT64_MAX;
    node->types = arena_array(p->binder.arena, width + 1u, sizeof(*node->types));
    node->kids = arena_array(p->binder.arena, 1, sizeof(*node->kids));
    if (kid) {
        node->kids[0] = kid;
        node->kid_count = 1;
        for (uint32_t i = 0; i < width && i < kid->width; i++)
            node->types[i] = kid->types[i];
    }
    return node;
}

/* ---- what streams cannot do ---- */

static enum err refuse(struct planner *p, const struct ast_node *at, const char *what)
{
    struct diag *diag = p->binder.diag;
    if (diag && diag->err == OK) {
        diag_set(diag, ERR_UNSUPPORTED, at->line, at->column, "%s", what);
        diag_class(diag, "UNSUPPORTED_FEATURE", "0A000");
    }
    return ERR_UNSUPPORTED;
}

static bool reads_stream(const struct query_plan *plan, const struct plan_node *node)
{
    if (node->kind == PLAN_SCAN)
        return plan->inputs[node->input].streaming;
    for (uint32_t i = 0; i < node->kid_count; i++) {
        if (reads_stream(plan, node->kids[i]))
            return true;
    }
    return false;
}

static enum err check_streaming(struct planner *p, const struct plan_node *node,
                                const struct ast_node *at)
{
    if (!reads_stream(p->plan, node))
        return OK;
    if (node->kind == PLAN_SORT)
        return refuse(p, at,
                      "ORDER BY on a stream: rows come for ever, there is no last one to "
                      "wait for");
    if (node->kind == PLAN_AGGREGATE)
        return refuse(p, at, "aggregates over a stream are not supported yet");
    if (node->kind == PLAN_LIMIT)
        return refuse(p, at,
                      node->offset ? "OFFSET on a stream is not supported"
                                   : "LIMIT on a stream is not supported yet: the count would "
                                     "begin anew at each start");
    for (uint32_t i = 0; i < node->kid_count; i++) {
        if (node->kind == PLAN_UNION && !reads_stream(p->plan, node->kids[i]))
            return refuse(p, at, "UNION of a stream and a table is not supported");
        TRY(check_streaming(p, node->kids[i], at));
    }
    return OK;
}

static enum err check_flow(struct planner *p, const struct query_statement *statement)
{
    bool stream = reads_stream(p->plan, p->plan->root);
    const struct ast_node *query = statement->query;
    struct binder *b = &p->binder;
    if (statement->kind == QUERY_CREATE_STREAMING_TABLE && !stream) {
        bind_error(b, query, "INVALID_FLOW_QUERY_TYPE.BATCH_RELATION_FOR_STREAMING_TABLE", "42000",
                   "the streaming table %.*s reads no stream", STR_ARG(statement->name));
        diag_hint(b->diag, "write FROM STREAM name, or make it a MATERIALIZED VIEW");
        return ERR_INVALID;
    }
    if (statement->kind == QUERY_CREATE_MATERIALIZED_VIEW && stream) {
        bind_error(b, query, "INVALID_FLOW_QUERY_TYPE.STREAMING_RELATION_FOR_MATERIALIZED_VIEW",
                   "42000", "the materialized view %.*s reads a stream", STR_ARG(statement->name));
        diag_hint(b->diag, "leave STREAM away, or make it a STREAMING TABLE");
        return ERR_INVALID;
    }
    return check_streaming(p, p->plan->root, query);
}

/* ---- the plan ---- */

static bool is_stateless(const struct plan_node *node)
{
    if (node->kind == PLAN_SORT || node->kind == PLAN_AGGREGATE || node->kind == PLAN_VALUES)
        return false;
    for (uint32_t i = 0; i < node->kid_count; i++) {
        if (!is_stateless(node->kids[i]))
            return false;
    }
    return true;
}

static const struct type *schema_of(struct arena *arena, const struct relation *relation)
{
    struct field *fields = arena_array(arena, relation->scope.count + 1u, sizeof(*fields));
    for (uint32_t i = 0; i < relation->scope.count; i++)
        fields[i] = (struct field){.name = relation->scope.items[i].name,
                                   .type = relation->scope.items[i].type};
    return type_struct(arena, fields, relation->scope.count);
}

enum err query_plan(struct arena *arena, const struct query_statement *statement,
                    const struct query_catalog *catalog, const struct query_session *session,
                    struct diag *diag, const struct query_plan **ret_plan)
{
    struct diag own = {0};
    if (!diag)
        diag = &own;
    if (!statement->query) {
        diag_set(diag, ERR_UNSUPPORTED, statement->line, 1, "this statement has no query to run");
        diag_class(diag, "UNSUPPORTED_FEATURE", "0A000");
        return ERR_UNSUPPORTED;
    }
    struct query_plan *plan = arena_zero(arena, sizeof(*plan));
    plan->arena = arena;
    plan->session = *session;
    struct planner planner = {
        .binder = {.arena = arena, .session = &plan->session, .catalog = catalog, .diag = diag},
        .plan = plan,
        .streaming = statement->kind == QUERY_CREATE_STREAMING_TABLE,
    };
    struct relation relation;
    TRY(plan_query_node(&planner, statement->query, &relation));
    plan->root = relation.node;
    plan->variables = planner.binder.variables;
    plan->schema = schema_of(arena, &relation);
    plan->ordered = ast_kid(statement->query, 2) != NULL;
    TRY(check_flow(&planner, statement));
    plan->stateless = is_stateless(plan->root);
    plan_prune(plan);
    if (arena->over)
        return diag_set(diag, ERR_LIMIT, statement->line, 1, "the plan takes too much memory");
    *ret_plan = plan;
    return OK;
}

const struct type *query_plan_schema(const struct query_plan *plan)
{
    return plan->schema;
}

size_t query_plan_inputs(const struct query_plan *plan, const struct query_input **ret_inputs)
{
    *ret_inputs = plan->inputs;
    return plan->input_count;
}

bool query_plan_is_stateless(const struct query_plan *plan)
{
    return plan->stateless;
}

bool query_plan_is_ordered(const struct query_plan *plan)
{
    return plan->ordered;
}
