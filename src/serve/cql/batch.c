/* SPDX-License-Identifier: MIT */
/*
 * BATCH, as a statement and as a message: all of its statements in one commit with one timestamp.
 * Logged and unlogged are the same here, because one commit spans partitions and tables; the rules
 * of what may stand in which batch are Cassandra's.
 */
#include "serve/cql/modify.h"

struct batch_plan {
    struct modify_plan **items;
    struct cql_table **tables;
    size_t count;
    enum cql_batch_kind kind;
    struct expr *timestamp;
};

void batch_plan_release(struct cql_plan *plan)
{
    struct batch_plan *p = plan->private;
    for (size_t i = 0; i < p->count; i++)
        cql_table_unref(p->tables[i]);
}

bool batch_plan_is_stale(const struct cql_plan *plan)
{
    const struct batch_plan *p = plan->private;
    for (size_t i = 0; i < p->count; i++)
        if (p->tables[i] && p->tables[i]->dropped)
            return true;
    return false;
}

struct cql_table *const *batch_plan_tables(const struct cql_plan *plan, size_t *ret_count)
{
    const struct batch_plan *p = plan->private;
    *ret_count = p->count;
    return p->tables;
}

/* ---- rules ---- */

struct batch_facts {
    enum cql_batch_kind kind;
    bool timestamp;
    struct modify_plan *const *items;
    size_t count;
};

static enum err check_counters(const struct batch_facts *b, struct cql_error *error,
                               struct arena *arena)
{
    bool counter = false, other = false;
    for (size_t i = 0; i < b->count; i++) {
        counter = counter || b->items[i]->counter;
        other = other || !b->items[i]->counter;
        if (b->timestamp && b->items[i]->timestamp)
            return cql_fail(error, arena, CQL_INVALID,
                            "Timestamp must be set either on BATCH or individual statements");
    }
    if (b->timestamp && counter)
        return cql_fail(error, arena, CQL_INVALID,
                        "Cannot provide custom timestamp for a BATCH containing counters");
    if (b->kind == BATCH_IS_COUNTER && other)
        return cql_fail(error, arena, CQL_INVALID,
                        "Cannot include non-counter statement in a counter batch");
    if (counter && other)
        return cql_fail(error, arena, CQL_INVALID,
                        "Counter and non-counter mutations cannot exist in the same batch");
    return b->kind == BATCH_IS_LOGGED && counter
               ? cql_fail(error, arena, CQL_INVALID,
                          "Cannot include a counter statement in a logged batch")
               : OK;
}

static bool is_conditional(const struct batch_facts *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i]->conditional)
            return true;
    return false;
}

static enum err check_virtual(const struct batch_facts *b, struct cql_error *error,
                              struct arena *arena)
{
    bool virtual = false, other = false;
    for (size_t i = 0; i < b->count; i++) {
        virtual = virtual || !b->items[i]->table->table;
        other = other || b->items[i]->table->table;
    }
    if (virtual && b->kind == BATCH_IS_LOGGED)
        return cql_fail(error, arena, CQL_INVALID,
                        "Cannot include a virtual table statement in a logged batch");
    return virtual && other
               ? cql_fail(error, arena, CQL_INVALID,
                          "Mutations for virtual and regular tables cannot exist in the same batch")
               : OK;
}

static enum err check_rules(const struct batch_facts *b, struct cql_error *error,
                            struct arena *arena)
{
    bool conditional = is_conditional(b);
    if (b->timestamp && conditional)
        return cql_fail(error, arena, CQL_INVALID,
                        "Cannot provide custom timestamp for conditional BATCH");
    if (b->timestamp && b->kind == BATCH_IS_COUNTER)
        return cql_fail(error, arena, CQL_INVALID,
                        "Cannot provide custom timestamp for counter BATCH");
    TRY(check_counters(b, error, arena));
    TRY(check_virtual(b, error, arena));
    for (size_t i = 1; conditional && i < b->count; i++)
        if (b->items[i]->table->table != b->items[0]->table->table)
            return cql_fail(error, arena, CQL_INVALID,
                            "Batch with conditions cannot span multiple tables");
    return OK;
}

/* ---- the statement ---- */

enum err batch_plan(struct compile *c, struct cql_plan *plan)
{
    const struct cql_batch *b = &plan->statement->batch;
    struct batch_plan *p = arena_zero(c->arena, sizeof *p);
    p->items = arena_zero(c->arena, (b->count + 1) * sizeof(struct modify_plan *));
    p->tables = arena_zero(c->arena, (b->count + 1) * sizeof(struct cql_table *));
    plan->private = p;
    p->kind = b->kind;
    if (b->ttl)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Global TTL on the BATCH statement is not supported.");
    for (size_t i = 0; i < b->count; i++) {
        struct cql_table *table = cql_table_find(c->executor->catalog, plan->keyspace,
                                                 &b->items[i].table, c->error, c->arena);
        if (!table)
            return ERR_NOT_FOUND;
        p->tables[p->count++] = table;
        TRY(modify_plan(c, &b->items[i], table, &p->items[i]));
    }
    if (b->timestamp) {
        struct cql_column spec = {.name = STR("[timestamp]"), .type = cql_simple(CQL_BIGINT)};
        TRY(compile_term(c, b->timestamp, &spec, &p->timestamp));
    }
    struct batch_facts facts = {b->kind, b->timestamp != NULL, p->items, p->count};
    TRY(check_rules(&facts, c->error, c->arena));
    for (size_t i = 0; i < b->count; i++)
        TRY(modify_check_counter(c, &b->items[i], p->tables[i]));
    return OK;
}

static enum err statement_request(struct modify_request *request, struct cql_run *run)
{
    struct batch_plan *p = run->plan->private;
    const struct cql_value *binds;
    TRY(bind_values(run, run->plan, run->parameters->values, run->parameters->value_count, &binds));
    if (p->timestamp) {
        struct expr_run eval;
        struct str value;
        TRY(run_bind(run, &eval));
        TRY(expr_eval(&eval, p->timestamp, &value));
        if (!value.ptr)
            return cql_fail(&run->error, run->arena, CQL_INVALID,
                            "Invalid null value of timestamp");
        if (!expr_is_unset(value) && value.bytes == 8) {
            uint64_t us = 0;
            for (size_t i = 0; i < 8; i++)
                us = us << 8 | (uint8_t)value.ptr[i];
            request->fallback_us = (int64_t)us;
        }
    }
    request->items = arena_zero(run->arena, (p->count + 1) * sizeof *request->items);
    request->count = p->count;
    for (size_t i = 0; i < p->count; i++)
        TRY(modify_item_init(request, &request->items[i], p->items[i], binds,
                             run->plan->bind_count));
    return OK;
}

/* ---- the message ---- */

static const enum cql_batch_kind kinds[] = {BATCH_IS_LOGGED, BATCH_IS_UNLOGGED, BATCH_IS_COUNTER};

static enum err message_request(struct modify_request *request, struct cql_run *run)
{
    struct modify_plan **plans = arena_array(run->arena, run->batch_count + 1, sizeof(void *));
    request->items = arena_zero(run->arena, (run->batch_count + 1) * sizeof *request->items);
    request->count = run->batch_count;
    if (run->batch_type > 2)
        return cql_fail(&run->error, run->arena, CQL_PROTOCOL_ERROR,
                        "Invalid BATCH message type %u", run->batch_type);
    for (size_t i = 0; i < run->batch_count; i++) {
        const struct cql_plan *plan = run->batch_plans[i];
        if (plan->statement->kind != CQL_MODIFY)
            return cql_fail(&run->error, run->arena, CQL_INVALID,
                            "Invalid statement in batch: only UPDATE, INSERT and DELETE statements "
                            "are allowed.");
        plans[i] = plan->private;
    }
    struct batch_facts facts = {kinds[run->batch_type], false, plans, run->batch_count};
    TRY(check_rules(&facts, &run->error, run->arena));
    for (size_t i = 0; i < run->batch_count; i++) {
        const struct cql_batch_item *from = &run->batch_items[i];
        const struct cql_value *binds;
        const struct cql_plan *plan = run->batch_plans[i];
        TRY(bind_values(run, plan, from->values, from->value_count, &binds));
        TRY(modify_item_init(request, &request->items[i], plans[i], binds, plan->bind_count));
    }
    return OK;
}

static void decide_time(struct modify_request *request, bool set)
{
    bool counter = false;
    for (size_t i = 0; i < request->count; i++) {
        request->conditional = request->conditional || request->items[i].plan->conditional;
        counter = counter || request->items[i].plan->counter;
    }
    if (!set && (request->conditional || counter))
        request->fallback_us = INT64_MIN;
}

void batch_run(struct cql_run *run)
{
    struct modify_request *request = arena_zero(run->arena, sizeof *request);
    request->run = run;
    request->is_batch = true;
    request->fallback_us = run->parameters->timestamp_us;
    enum err err = run->plan ? statement_request(request, run) : message_request(request, run);
    if (err == OK) {
        decide_time(request, run->plan && ((struct batch_plan *)run->plan->private)->timestamp);
        err = consistency_check(run, true, request->conditional);
    }
    if (err == OK && !request->conditional) {
        request->weight = arena_zero(run->arena, sizeof *request->weight);
        request->weight->kind =
            run->plan ? ((struct batch_plan *)run->plan->private)->kind : kinds[run->batch_type];
    }
    if (err != OK) {
        run_fail(run, err);
        return;
    }
    if (request->count == 0)
        run_void(run);
    else
        modify_start(request);
}
