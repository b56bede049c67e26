/* SPDX-License-Identifier: MIT */
/*
 * QUERY, PREPARE, EXECUTE and BATCH over the executor.
 *
 * EXECUTE is the way that must cost little: the id is looked up by its first bytes, the values stay
 * where they were read, and the call carries the run, its arena and its result.
 *
 * v5 clients say which metadata they know: when a statement's result has other columns by now, the
 * rows carry the new ones with their id. A conditional statement's columns depend on what it finds,
 * so that its metadata is always sent.
 */
#include "serve/cql/net.h"

struct str cql_call_keyspace(const struct cql_call *call)
{
    struct str named = call->request.parameters.keyspace;
    return named.ptr ? named : call->connection->keyspace;
}

static void run_done(struct cql_run *run)
{
    cql_answer_run(run->owner);
}

/* The call's own plan or its batch. */
static void run(struct cql_call *call)
{
    struct cql_run *r = &call->run;
    struct buf out = r->out;
    buf_reset(&out);
    *r = (struct cql_run){
        .executor = call->connection->server->executor,
        .plan = call->plan,
        .parameters = &call->request.parameters,
        .version = call->header.version,
        .arena = &call->arena,
        .done = run_done,
        .owner = call,
        .out = out,
        .trace = call->trace,
    };
    if (!call->plan) {
        r->batch_plans = call->batch_plans;
        r->batch_items = call->request.items;
        r->batch_count = call->batch_plan_count;
        r->batch_type = call->request.batch_type;
    }
    cql_run(r);
}

static void run_or_define(struct cql_call *call)
{
    switch (call->plan->statement->kind) {
    case CQL_SELECT:
    case CQL_MODIFY:
    case CQL_BATCH_STATEMENT:
        run(call);
        break;
    default:
        cql_define(call);
    }
}

void cql_handle_query(struct cql_call *call)
{
    call->error = (struct cql_error){0};
    enum err err = cql_plan_of(call->connection->server, cql_call_keyspace(call),
                               call->request.query, &call->arena, &call->error, &call->plan);
    if (err != OK) {
        cql_answer_error(call, &call->error);
        return;
    }
    if (call->trace)
        cql_call_trace_plan(call, call->plan);
    /* The metadata of a text cannot be known. */
    call->request.parameters.flags &= ~(uint32_t)CQL_QUERY_SKIP_METADATA;
    run_or_define(call);
}

void cql_handle_prepare(struct cql_call *call)
{
    struct cql_prepared_entry *entry;
    call->error = (struct cql_error){0};
    enum err err = cql_prepare(call->connection->server, cql_call_keyspace(call),
                               call->request.query, &call->arena, &call->error, &entry);
    if (err != OK) {
        cql_answer_error(call, &call->error);
        return;
    }
    const struct cql_plan *plan = entry->plan;
    if (call->trace)
        cql_call_trace_plan(call, plan);
    struct cql_rows_metadata result = {.columns = plan->results,
                                       .column_count = plan->result_count};
    struct buf *out = cql_call_out(call);
    buf_be32(out, CQL_RESULT_PREPARED);
    cql_prepared_append(out, call->header.version, str_from(entry->id, CQL_ID_BYTES),
                        str_from(entry->result_id, CQL_ID_BYTES), plan->binds, plan->bind_count,
                        plan->partition_binds, plan->partition_bind_count, &result);
    cql_prepared_unref(entry);
    if (buf_error(out) != OK)
        cql_answer_fail(call, CQL_SERVER_ERROR, "The statement's metadata is too big");
    else
        cql_answer(call, CQL_RESULT, buf_str(out));
}

void cql_handle_execute(struct cql_call *call)
{
    struct cql_parameters *parameters = &call->request.parameters;
    call->error = (struct cql_error){0};
    enum err err = cql_prepared_find(call->connection->server, call->request.id, &call->arena,
                                     &call->error, &call->prepared);
    if (err != OK) {
        call->prepared = NULL;
        cql_answer_error(call, &call->error);
        return;
    }
    struct cql_prepared_entry *entry = call->prepared;
    call->plan = cql_plan_ref(entry->plan);
    if (call->trace)
        cql_call_trace_plan(call, call->plan);
    if (entry->plan->statement->kind != CQL_SELECT) {
        parameters->flags &= ~(uint32_t)CQL_QUERY_SKIP_METADATA;
    } else if (call->header.version >= 5) {
        call->metadata_changed =
            !str_equal(call->request.result_id, str_from(entry->result_id, CQL_ID_BYTES));
        if (call->metadata_changed)
            parameters->flags &= ~(uint32_t)CQL_QUERY_SKIP_METADATA;
    } else if (entry->moved) {
        parameters->flags &= ~(uint32_t)CQL_QUERY_SKIP_METADATA;
    }
    run_or_define(call);
}

/* The plan of one statement of a batch. */
static enum err batch_plan_of(struct cql_call *call, const struct cql_batch_item *item,
                              struct cql_plan **ret_plan)
{
    struct cql_server *server = call->connection->server;
    struct cql_plan *plan;
    if (item->query.ptr) {
        TRY(cql_plan_of(server, cql_call_keyspace(call), item->query, &call->arena, &call->error,
                        &plan));
    } else {
        struct cql_prepared_entry *entry;
        TRY(cql_prepared_find(server, item->id, &call->arena, &call->error, &entry));
        plan = cql_plan_ref(entry->plan);
        cql_prepared_unref(entry);
    }
    if (plan->statement->kind != CQL_MODIFY) {
        cql_plan_unref(plan);
        return cql_fail(&call->error, &call->arena, CQL_INVALID,
                        "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are "
                        "allowed.");
    }
    *ret_plan = plan;
    return OK;
}

void cql_handle_batch(struct cql_call *call)
{
    size_t count = call->request.item_count;
    call->error = (struct cql_error){0};
    call->batch_plans = arena_try(&call->arena, (count + 1) * sizeof(struct cql_plan *));
    if (!call->batch_plans) {
        cql_answer_fail(call, CQL_OVERLOADED, "The batch takes too much memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (batch_plan_of(call, &call->request.items[i], &call->batch_plans[i]) != OK) {
            cql_answer_error(call, &call->error);
            return;
        }
        call->batch_plan_count++;
    }
    run(call);
}
