/* SPDX-License-Identifier: MIT */
/*
 * Plans: a statement's text parsed and resolved once, shared by everybody who runs it.
 *
 * A plan holds its tables. When one of them changes the plan is stale and whoever kept it plans
 * again; those that are running go on with what they have.
 *
 * Invariants: 1. a plan is never changed after cql_plan_new(), but for its count of users. 2. what
 * an error says lives in the caller's arena, also when the plan is gone.
 */
#include "serve/cql/modify.h"
#include "serve/cql/select.h"

/* A collection of some hundred thousand elements, written out. */
enum { PLAN_BYTES_MAX = 256 << 20 };

static void plan_release(struct cql_plan *plan)
{
    if (plan->statement && plan->statement->kind == CQL_BATCH_STATEMENT && plan->private)
        batch_plan_release(plan);
    cql_table_unref(plan->table);
    arena_deinit(&plan->arena);
    mem_free(plan);
}

struct cql_plan *cql_plan_ref(struct cql_plan *plan)
{
    plan->refs++;
    return plan;
}

void cql_plan_unref(struct cql_plan *plan)
{
    if (plan && --plan->refs == 0)
        plan->release(plan);
}

bool cql_plan_is_stale(const struct cql_plan *plan)
{
    if (plan->table && plan->table->dropped)
        return true;
    return plan->statement->kind == CQL_BATCH_STATEMENT && batch_plan_is_stale(plan);
}

struct cql_table *const *cql_plan_tables(const struct cql_plan *plan, size_t *ret_count)
{
    if (plan->statement->kind == CQL_BATCH_STATEMENT)
        return batch_plan_tables(plan, ret_count);
    *ret_count = 1;
    return &plan->table;
}

/* Errors were written into the plan's arena, which goes. */
static void keep_error(struct cql_error *error, struct arena *arena)
{
    error->message = arena_str(arena, error->message);
    if (error->keyspace.ptr)
        error->keyspace = arena_str(arena, error->keyspace);
    if (error->table.ptr)
        error->table = arena_str(arena, error->table);
}

static const struct expr *bound_key(const struct where *where, uint32_t column)
{
    const struct where_relation *r = where->partition ? where->partition[column] : NULL;
    if (!r || r->op != CQL_EQ || r->in_marker || r->token || r->value_count != 1 ||
        r->values[0]->kind != EXPR_BIND)
        return NULL;
    return r->values[0];
}

static void find_partition_binds(struct cql_plan *plan, const struct where *where)
{
    uint32_t count = plan->table->partition_count;
    uint16_t *binds = arena_array(&plan->arena, count + 1, sizeof *binds);
    if (where->key_range)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct expr *key = bound_key(where, i);
        if (!key)
            return;
        binds[i] = (uint16_t)key->index;
    }
    plan->partition_binds = binds;
    plan->partition_bind_count = count;
}

static enum err find_table(struct compile *c, struct cql_plan *plan, const struct cql_name *name)
{
    plan->table = cql_table_find(c->executor->catalog, plan->keyspace, name, c->error, c->arena);
    c->table = plan->table;
    return plan->table ? OK : ERR_NOT_FOUND;
}

static enum err plan_statement(struct compile *c, struct cql_plan *plan)
{
    const struct cql_statement *statement = plan->statement;
    switch (statement->kind) {
    case CQL_SELECT:
        TRY(find_table(c, plan, &statement->select.table));
        TRY(select_plan(c, plan));
        find_partition_binds(plan, &((struct select_plan *)plan->private)->where);
        return OK;
    case CQL_MODIFY: {
        struct modify_plan *modify;
        TRY(find_table(c, plan, &statement->modify.table));
        TRY(modify_plan(c, &statement->modify, plan->table, &modify));
        TRY(modify_check_counter(c, &statement->modify, plan->table));
        plan->private = modify;
        find_partition_binds(plan, &modify->where);
        return OK;
    }
    case CQL_BATCH_STATEMENT:
        return batch_plan(c, plan);
    default:
        return OK;
    }
}

static enum err plan_parse(struct cql_plan *plan, struct cql_error *error, struct arena *arena)
{
    struct diag diag = {0};
    enum err err = cql_parse(&plan->arena, plan->text, &diag, &plan->statement);
    if (err == OK)
        return OK;
    return cql_fail(error, arena, CQL_SYNTAX_ERROR, "%s",
                    diag.message[0] ? diag.message : err_text(err));
}

enum err cql_plan_new(struct cql_executor *executor, struct str keyspace, struct str text,
                      struct arena *arena, struct cql_error *error, struct cql_plan **ret_plan)
{
    struct cql_plan *plan = mem_zero(sizeof *plan);
    plan->refs = 1;
    plan->release = plan_release;
    arena_init(&plan->arena, PLAN_BYTES_MAX);
    plan->text = arena_str(&plan->arena, text);
    plan->keyspace = keyspace.ptr ? arena_str(&plan->arena, keyspace) : STR_NONE;
    enum err err = plan_parse(plan, error, arena);
    if (err == OK) {
        uint32_t count = plan->statement->marker_count;
        struct compile c = {
            .executor = executor, .arena = &plan->arena, .error = error, .bind_count = count};
        c.binds = plan->binds = arena_zero(&plan->arena, (count + 1) * sizeof *plan->binds);
        plan->bind_count = count;
        err = plan_statement(&c, plan);
        for (uint32_t i = 0; err == OK && i < count; i++) {
            if (!plan->binds[i].type)
                plan->binds[i].type = cql_simple(CQL_BLOB);
            if (plan->statement->marker_names && plan->statement->marker_names[i].ptr)
                plan->binds[i].name = plan->statement->marker_names[i];
        }
        if (err == OK && plan->arena.over)
            err = ERR_LIMIT;
    }
    if (err != OK) {
        if (!error->message.ptr)
            cql_fail(error, arena, CQL_SERVER_ERROR, "%s", err_text(err));
        keep_error(error, arena);
        plan_release(plan);
        return err;
    }
    *ret_plan = plan;
    return OK;
}
