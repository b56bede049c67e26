/* SPDX-License-Identifier: MIT */
/*
 * FROM: tables and streams of the catalog, views and common table expressions (planned in place),
 * derived tables, VALUES, lateral views. Joins are known and refused by name.
 */
#include "query/plan.h"

#include <stdio.h>

enum { VIEW_DEPTH_MAX = 32, NAME_PARTS_MAX = 3 };

static enum err plan_relation(struct planner *p, const struct ast_node *node,
                              struct relation *ret_relation);

/* All columns of a relation get a new qualifier. */
static void qualify(struct relation *relation, struct str qualifier, struct str written)
{
    for (uint32_t i = 0; i < relation->scope.count; i++) {
        relation->scope.items[i].qualifier = qualifier;
        relation->scope.items[i].relation = written;
    }
}

/* ---- names of relations ---- */

static enum err not_found(struct planner *p, const struct ast_node *node)
{
    struct binder *b = &p->binder;
    bind_error(b, node, "TABLE_OR_VIEW_NOT_FOUND", "42P01",
               "no table, stream or view is named %.*s", STR_ARG(node->text));
    const char *const *names;
    size_t count = b->catalog->names ? b->catalog->names(b->catalog->owner, b->arena, &names) : 0;
    struct str near =
        count ? str_nearest(node->kids[node->count - 1]->text, names, count) : STR_NONE;
    if (near.ptr) {
        diag_hint(b->diag, "did you mean %.*s?", STR_ARG(near));
    } else if (count) {
        struct buf hint = {0};
        for (size_t i = 0; i < count && i < 8; i++)
            buf_printf(&hint, "%s%s", i ? ", " : "there are: ", names[i]);
        diag_hint(b->diag, "%.*s", STR_ARG(buf_str(&hint)));
        buf_deinit(&hint);
    }
    return ERR_INVALID;
}

static uint32_t add_input(struct planner *p, struct query_input input)
{
    struct query_plan *plan = p->plan;
    if (plan->input_count == p->input_room) {
        p->input_room = p->input_room ? p->input_room * 2 : 4;
        struct query_input *inputs = arena_array(p->binder.arena, p->input_room, sizeof(*inputs));
        if (plan->input_count)
            memcpy(inputs, plan->inputs, plan->input_count * sizeof(*inputs));
        plan->inputs = inputs;
    }
    plan->inputs[plan->input_count] = input;
    return (uint32_t)plan->input_count++;
}

static void plan_scan(struct planner *p, const struct ast_node *node,
                      const struct query_relation *found, struct relation *ret_relation)
{
    const struct type *schema = found->schema;
    struct str last = node->kids[node->count - 1]->text;
    struct plan_node *scan = plan_node_new(p, PLAN_SCAN, NULL, schema->field_count);
    *ret_relation = (struct relation){.node = scan, .scope = {.width = schema->field_count}};
    for (uint32_t i = 0; i < schema->field_count; i++) {
        scan->types[i] = schema->fields[i].type;
        scope_add(p->binder.arena, &ret_relation->scope,
                  (struct scope_column){.qualifier = last,
                                        .relation = node->text,
                                        .name = schema->fields[i].name,
                                        .type = schema->fields[i].type,
                                        .index = i});
    }
    scan->input = add_input(p, (struct query_input){.name = node->text,
                                                    .relation = *found,
                                                    .streaming = node->flags & AST_STREAM,
                                                    .wanted = schema,
                                                    .line = node->line,
                                                    .column = node->column});
}

static enum err plan_view(struct planner *p, const struct ast_node *node,
                          const struct ast_node *view, struct relation *ret_relation)
{
    struct binder *b = &p->binder;
    if (++p->view_depth > VIEW_DEPTH_MAX)
        return bind_error(b, node, "VIEW_EXCEED_MAX_NESTED_DEPTH", "54K00",
                          "views are nested too deeply (does %.*s read itself?)",
                          STR_ARG(node->text));
    struct cte_frame *ctes = p->ctes;
    size_t before = p->plan->input_count;
    p->ctes = NULL;
    TRY(plan_query_node(p, view, ret_relation));
    p->ctes = ctes;
    p->view_depth--;
    bool streams = false;
    for (size_t i = before; i < p->plan->input_count; i++)
        streams |= p->plan->inputs[i].streaming;
    bool stream = node->flags & AST_STREAM;
    if (stream && !streams) {
        bind_error(b, node, "INCOMPATIBLE_BATCH_VIEW_READ", "42000",
                   "the view %.*s reads no stream and cannot be read by STREAM",
                   STR_ARG(node->text));
        diag_hint(b->diag, "leave STREAM away");
        return ERR_INVALID;
    }
    if (!stream && streams) {
        bind_error(b, node, "INCOMPATIBLE_STREAMING_VIEW_READ", "42000",
                   "the view %.*s reads a stream and must be read by STREAM", STR_ARG(node->text));
        diag_hint(b->diag, "write STREAM %.*s", STR_ARG(node->text));
        return ERR_INVALID;
    }
    qualify(ret_relation, node->kids[node->count - 1]->text, node->text);
    return OK;
}

/* New names for the first columns. */
static enum err rename_columns(struct planner *p, const struct ast_node *names,
                               struct relation *relation)
{
    if (!names)
        return OK;
    if (names->count != relation->scope.count)
        return bind_error(&p->binder, names, "ASSIGNMENT_ARITY_MISMATCH", "42802",
                          "%u names for %u columns", names->count, relation->scope.count);
    for (uint32_t i = 0; i < names->count; i++)
        relation->scope.items[i].name = names->kids[i]->text;
    return OK;
}

static enum err plan_cte(struct planner *p, const struct ast_node *node,
                         const struct cte_frame *frame, struct relation *ret_relation)
{
    struct cte_frame *outer = p->ctes;
    p->ctes = frame->visible;
    TRY(plan_query_node(p, frame->cte->kids[0], ret_relation));
    p->ctes = outer;
    qualify(ret_relation, node->text, STR(""));
    return rename_columns(p, ast_kid(frame->cte, 1), ret_relation);
}

static enum err plan_named(struct planner *p, const struct ast_node *node,
                           struct relation *ret_relation)
{
    struct binder *b = &p->binder;
    bool stream = node->flags & AST_STREAM;
    for (struct cte_frame *frame = p->ctes; !stream && node->count == 1 && frame;
         frame = frame->outer) {
        if (!str_equal_nocase(frame->cte->text, node->kids[0]->text))
            continue;
        frame->used = true;
        return plan_cte(p, node, frame, ret_relation);
    }
    struct str parts[NAME_PARTS_MAX];
    if (node->count > NAME_PARTS_MAX)
        return not_found(p, node);
    for (uint32_t i = 0; i < node->count; i++)
        parts[i] = node->kids[i]->text;
    struct query_relation found = {0};
    enum err err = b->catalog->find(b->catalog->owner, parts, node->count, &found);
    if (err == ERR_NOT_FOUND)
        return not_found(p, node);
    TRY(err);
    if (stream && found.stream_view)
        return plan_view(p, node, found.stream_view, ret_relation);
    if (found.view)
        return plan_view(p, node, found.view, ret_relation);
    if (stream ? !found.stream : !found.table) {
        bind_error(
            b, node, stream ? "INCOMPATIBLE_BATCH_VIEW_READ" : "INCOMPATIBLE_STREAMING_VIEW_READ",
            "42000", stream ? "%.*s is a table without a stream" : "%.*s is a stream, not a table",
            STR_ARG(node->text));
        diag_hint(b->diag, stream ? "leave STREAM away" : "write FROM STREAM %.*s",
                  STR_ARG(node->text));
        return ERR_INVALID;
    }
    plan_scan(p, node, &found, ret_relation);
    return OK;
}

/* ---- WATERMARK ---- */

/* In a plan without state a watermark changes nothing but adds the column that it names. */
static enum err plan_watermark(struct planner *p, const struct ast_node *node,
                               struct relation *ret_relation)
{
    struct binder *b = &p->binder;
    const struct ast_node *named = node->kids[1], *delay = node->kids[2];
    const struct scope *outer = b->scope;
    struct expr *expr;
    TRY(plan_relation(p, node->kids[0], ret_relation));
    b->scope = &ret_relation->scope;
    TRY(plan_bind(p, named, "WATERMARK", &expr));
    b->scope = outer;
    if (named->kind != AST_ALIAS && expr->kind != EXPR_COLUMN)
        return bind_error(b, named, "REQUIRES_EXPLICIT_NAME_IN_WATERMARK_CLAUSE", "42000",
                          "the time of WATERMARK needs a name: write AS name behind it");
    if (expr->type->kind != TYPE_TIMESTAMP && expr->type->kind != TYPE_TIMESTAMP_NTZ)
        return bind_error(b, named, "EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE", "42K09",
                          "the time of WATERMARK must be a TIMESTAMP");
    if (delay->value < 0)
        return bind_error(b, delay, "INVALID_DELAY", "42000", "a delay cannot be negative");
    if (named->kind != AST_ALIAS)
        return OK;
    uint32_t width = ret_relation->node->width;
    struct plan_node *project = plan_node_new(p, PLAN_PROJECT, ret_relation->node, width + 1);
    project->exprs = arena_array(b->arena, width + 1u, sizeof(*project->exprs));
    project->expr_count = width + 1;
    for (uint32_t i = 0; i < width; i++) {
        project->exprs[i] =
            expr_new(b->arena, EXPR_COLUMN, project->types[i], node->line, node->column);
        project->exprs[i]->index = i;
    }
    project->exprs[width] = expr;
    project->types[width] = expr->type;
    struct str qualifier =
        ret_relation->scope.count ? ret_relation->scope.items[0].qualifier : STR("");
    scope_add(b->arena, &ret_relation->scope,
              (struct scope_column){
                  .qualifier = qualifier, .name = named->text, .type = expr->type, .index = width});
    ret_relation->scope.width = width + 1;
    ret_relation->node = project;
    return OK;
}

/* ---- the rest ---- */

static struct plan_node *one_row(struct planner *p)
{
    struct plan_node *node = plan_node_new(p, PLAN_VALUES, NULL, 0);
    node->limit = 1;
    return node;
}

/* range(end), range(start, end[, step]): explode(sequence(start, last, step)), column id. */
static enum err plan_range(struct planner *p, const struct ast_node *call,
                           struct relation *ret_relation)
{
    struct binder *b = &p->binder;
    struct scope empty = {0};
    const struct scope *outer = b->scope;
    int64_t bounds[3] = {0, 0, 1};
    if (call->count < 1 || call->count > 3)
        return bind_refuse(b, call, "range() with these arguments");
    b->scope = &empty;
    for (uint32_t i = 0; i < call->count; i++) {
        struct expr *expr;
        TRY(plan_bind(p, call->kids[i], "range()", &expr));
        bool number = expr->type->kind >= TYPE_TINYINT && expr->type->kind <= TYPE_DECIMAL;
        if (!number)
            return bind_error(b, call, "UNEXPECTED_INPUT_TYPE", "42K09", "range() takes numbers");
        expr = expr_cast(b->arena, b->session, expr, type_simple(TYPE_BIGINT));
        if (expr->kind != EXPR_CONSTANT || column_is_null(expr->constant, 0))
            return bind_error(b, call, "UNEXPECTED_INPUT_TYPE", "42K09",
                              "range() takes constant numbers");
        bounds[call->count == 1 ? 1 : i] = expr->constant->i64[0];
    }
    b->scope = outer;
    __int128 span = (__int128)bounds[1] - bounds[0], step = bounds[2];
    if (step == 0)
        return bind_error(b, call, "FAILED_FUNCTION_CALL", "38000",
                          "the step of range() must not be 0");
    __int128 count = span / step + (span % step != 0);
    bool none = (span > 0) != (step > 0) || span == 0;
    int64_t last = none ? bounds[0] : (int64_t)(bounds[0] + (count - 1) * step);
    struct ast_node *sequence =
        ast_new(b->arena, AST_CALL, STR("sequence"), call->line, call->column);
    int64_t parts[3] = {bounds[0], last, none ? 1 : bounds[2]};
    for (int i = 0; i < 3; i++) {
        struct str text = str_of(arena_printf(b->arena, "%lldL", (long long)parts[i]));
        ast_add(b->arena, sequence, ast_new(b->arena, AST_NUMBER, text, call->line, call->column));
    }
    struct ast_node *explode =
        ast_new(b->arena, AST_CALL, STR("explode"), call->line, call->column);
    struct ast_node *names = ast_new(b->arena, AST_LIST, STR_NONE, call->line, call->column);
    ast_add(b->arena, explode, sequence);
    ast_add(b->arena, names, ast_new(b->arena, AST_NAME, STR("id"), call->line, call->column));
    TRY(plan_generate(p, ret_relation, explode, false, names, STR("range"), false));
    if (none) {
        ret_relation->node =
            plan_node_new(p, PLAN_LIMIT, ret_relation->node, ret_relation->node->width);
        ret_relation->node->limit = 0;
    }
    return OK;
}

static enum err plan_function(struct planner *p, const struct ast_node *node,
                              struct relation *ret_relation)
{
    *ret_relation = (struct relation){.node = one_row(p)};
    if (!(node->flags & AST_LATERAL) && node->kids[0]->kind == AST_CALL &&
        str_equal_nocase(node->text, STR("range")))
        return plan_range(p, node->kids[0], ret_relation);
    if (node->flags & AST_LATERAL || !is_generator_call(node->kids[0]))
        return bind_refuse(&p->binder, node, "this function in FROM");
    return plan_generate(p, ret_relation, node->kids[0], false, NULL, node->text, false);
}

static enum err refuse_join(struct planner *p, const struct ast_node *node)
{
    char what[64];
    snprintf(what, sizeof(what), "a join (%.*s)", STR_ARG(node->text));
    return bind_refuse(&p->binder, node, what);
}

static enum err plan_aliased(struct planner *p, const struct ast_node *node,
                             struct relation *ret_relation)
{
    TRY(plan_relation(p, node->kids[0], ret_relation));
    if (node->text.bytes)
        qualify(ret_relation, node->text, STR(""));
    const struct ast_node *names = ast_kid(node, 1);
    if (names && names->count != ret_relation->scope.count && node->kids[0]->kind == AST_INLINE)
        return bind_error(&p->binder, names, "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "42000",
                          "%u names for the %u columns of VALUES", names->count,
                          ret_relation->scope.count);
    if (names && names->count != ret_relation->scope.count && node->kids[0]->kind == AST_FUNCTION)
        return bind_error(&p->binder, names, "NUM_TABLE_VALUE_ALIASES_MISMATCH", "42826",
                          "%u names for the %u columns of %.*s", names->count,
                          ret_relation->scope.count, STR_ARG(node->kids[0]->text));
    return rename_columns(p, names, ret_relation);
}

static enum err plan_relation(struct planner *p, const struct ast_node *node,
                              struct relation *ret_relation)
{
    switch (node->kind) {
    case AST_RELATION:
        return plan_named(p, node, ret_relation);
    case AST_WATERMARK:
        return plan_watermark(p, node, ret_relation);
    case AST_ALIASED:
        return plan_aliased(p, node, ret_relation);
    case AST_DERIVED:
        if (node->flags & AST_LATERAL)
            return bind_refuse(&p->binder, node, "a LATERAL subquery");
        if (node->kids[0]->kind == AST_QUERY)
            return plan_query_node(p, node->kids[0], ret_relation);
        return plan_relation(p, node->kids[0], ret_relation);
    case AST_INLINE:
        return plan_values(p, node->kids[0], ret_relation);
    case AST_FUNCTION:
        return plan_function(p, node, ret_relation);
    case AST_JOIN:
        return refuse_join(p, node);
    case AST_PIVOT:
        return bind_refuse(&p->binder, node, "PIVOT");
    case AST_UNPIVOT:
        return bind_refuse(&p->binder, node, "UNPIVOT");
    case AST_SAMPLE:
        return bind_refuse(&p->binder, node, "TABLESAMPLE");
    case AST_TRAVEL:
        return bind_refuse(&p->binder, node, "reading an older version of a table");
    default:
        return bind_refuse(&p->binder, node, "this relation");
    }
}

enum err plan_from(struct planner *p, const struct ast_node *from, struct relation *ret_relation)
{
    struct binder *b = &p->binder;
    if (!from) {
        *ret_relation = (struct relation){.node = one_row(p)};
        return OK;
    }
    TRY(plan_relation(p, from->kids[0], ret_relation));
    for (uint32_t i = 1; i < from->count; i++) {
        const struct ast_node *kid = from->kids[i];
        if (kid->kind != AST_LATERAL_VIEW)
            return bind_refuse(b, kid, "more than one table in FROM (a cross join)");
        if (!is_generator_call(kid->kids[0]))
            return bind_refuse(b, kid, "this function in LATERAL VIEW");
        TRY(plan_generate(p, ret_relation, kid->kids[0], kid->flags & AST_OUTER, ast_kid(kid, 1),
                          kid->text, false));
    }
    return OK;
}
