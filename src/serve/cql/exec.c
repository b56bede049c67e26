/* SPDX-License-Identifier: MIT */
/*
 * The executor: writes of one turn of the loop share a batch and a commit, and every run ends here.
 *
 *   cql_run -> the batch of this turn -> (end of the turn) table_submit -> done -> runs are
 * answered
 *
 * The batch is sent from a post, which the loop runs at the end of the same turn, when all requests
 * that had arrived were looked at. Statements that read before they write (conditions, counters,
 * lists by index) are jobs of their own: the store's commit thread runs them one after another, so
 * that each sees what the one before wrote.
 *
 * Timestamps are the wall clock in us, and one more than the last where the clock stands still or
 * goes back: two writes never have the same.
 *
 * Invariants: 1. done of a run is called exactly once. 2. a write is answered when its commit is
 * done, never before. 3. a turn's batch is sent before a job that was started behind it.
 */
#include "serve/cql/exec_private.h"
#include "serve/cql/points.h"
#include "serve/cql/trace.h"

#include "base/check.h"
#include "base/endian.h"

struct write_turn {
    struct cql_executor *executor;
    struct table_job job;
    struct io_post post;
    struct table_batch *batch;
    struct cql_run **runs;
    size_t count, room;
    bool sent;
    struct write_turn *next_free;
};

enum err cql_executor_new(struct io_loop *loop, struct cql_catalog *catalog, bool sync,
                          struct cql_executor **ret_executor)
{
    struct cql_executor *executor = mem_zero(sizeof *executor);
    executor->loop = loop;
    executor->catalog = catalog;
    executor->io = cql_catalog_io(catalog);
    executor->store = cql_catalog_store(catalog);
    executor->sync = sync;
    executor->reader = table_reader_new();
    executor->writer = table_reader_new();
    executor->nothing = table_batch_new(executor->store);
    executor->points = points_new(executor, select_point);
    io_random(executor->io, executor->node, sizeof executor->node);
    executor->node[0] = (uint8_t)((executor->node[0] & 0x3F) | 0x80);
    executor->node[2] |= 1; /* a node of no network card */
    *ret_executor = executor;
    return OK;
}

static void turn_free(struct write_turn *turn)
{
    if (!turn)
        return;
    table_batch_free(turn->batch);
    mem_free(turn->runs);
    mem_free(turn);
}

void cql_executor_free(struct cql_executor *executor)
{
    if (!executor)
        return;
    while (executor->under_way || executor->turn)
        io_loop_turn(executor->loop, 1000000);
    while (executor->spare) {
        struct write_turn *turn = executor->spare;
        executor->spare = turn->next_free;
        turn_free(turn);
    }
    points_free(executor->points);
    table_reader_free(executor->reader);
    table_reader_free(executor->writer);
    table_batch_free(executor->nothing);
    mem_free(executor);
}

/* ---- time ---- */

int64_t executor_timestamp(struct cql_executor *executor)
{
    int64_t now = io_wall_us(executor->io);
    int64_t last = __atomic_load_n(&executor->last_us, __ATOMIC_RELAXED), next;
    do {
        next = now > last ? now : last + 1;
    } while (!__atomic_compare_exchange_n(&executor->last_us, &last, next, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return next;
}

int64_t executor_now_s(const struct cql_executor *executor, const struct cql_parameters *p)
{
    if (p && p->now_s != INT32_MIN)
        return p->now_s;
    return io_wall_us(executor->io) / 1000000;
}

/* 100 ns between 1582-10-15 and 1970. */
#define TICKS_OF_1970 0x01B21DD213814000LL

static void uuid_of_ticks(const struct cql_executor *executor, uint64_t ticks, uint8_t *uuid)
{
    put_be32(uuid, (uint32_t)ticks);
    put_be16(uuid + 4, (uint16_t)(ticks >> 32));
    put_be16(uuid + 6, (uint16_t)((ticks >> 48 & 0x0FFF) | 0x1000));
    memcpy(uuid + 8, executor->node, 8);
}

void executor_timeuuid(struct cql_executor *executor, uint8_t ret_uuid[16])
{
    uint64_t now = (uint64_t)(io_wall_us(executor->io) * 10 + TICKS_OF_1970);
    uint64_t last = __atomic_load_n(&executor->list_tick, __ATOMIC_RELAXED), next;
    do {
        next = now > last ? now : last + 1;
    } while (!__atomic_compare_exchange_n(&executor->list_tick, &last, next, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    uuid_of_ticks(executor, next, ret_uuid);
}

/* ---- ends of a run ---- */

static void run_end(struct cql_run *run)
{
    run->done(run);
}

void run_fail(struct cql_run *run, enum err err)
{
    run->failed = true;
    buf_reset(&run->out);
    if (!run->error.message.ptr) {
        run->error.code = err == OK ? CQL_SERVER_ERROR : (enum cql_error_code)err_info(err)->cql;
        run->error.message =
            str_of(arena_printf(run->arena, "%s", err_text(err == OK ? ERR_STATE : err)));
    }
    run_end(run);
}

void run_void(struct cql_run *run)
{
    if (run->trace)
        cql_trace_event(run->trace, "The commit is %s",
                        run->executor->sync ? "on disk" : "in the log");
    buf_be32(&run->out, CQL_RESULT_VOID);
    run_end(run);
}

/* ---- the turn's batch ---- */

static void turn_spare(struct write_turn *turn)
{
    turn->count = 0;
    turn->next_free = turn->executor->spare;
    turn->executor->spare = turn;
}

static void turn_done(struct table_job *job)
{
    struct write_turn *turn = job->owner;
    struct cql_executor *executor = turn->executor;
    enum err err = job->err;
    size_t count = turn->count;
    for (size_t i = 0; i < count; i++) {
        executor->under_way--;
        if (err == OK)
            run_void(turn->runs[i]);
        else
            run_fail(turn->runs[i], err);
    }
    turn_spare(turn);
}

void turn_flush(struct cql_executor *executor)
{
    struct write_turn *turn = executor->turn;
    if (!turn)
        return;
    executor->turn = NULL;
    turn->sent = true;
    if (turn->count == 0) { /* all that would have written failed, and nobody waits */
        turn_spare(turn);
        return;
    }
    turn->job = (struct table_job){.batch = turn->batch,
                                   .done = turn_done,
                                   .owner = turn,
                                   .loop = executor->loop,
                                   .sync = executor->sync};
    table_submit(executor->store, &turn->job);
}

/* Each turn has a post of its own, which may run when the turn was sent already. */
static void turn_post(struct io_post *post)
{
    struct write_turn *turn = post->owner;
    struct cql_executor *executor = turn->executor;
    executor->under_way--;
    if (executor->turn == turn)
        turn_flush(executor);
    mem_free(post);
}

struct table_batch *turn_batch(struct cql_executor *executor)
{
    if (executor->turn)
        return executor->turn->batch;
    struct write_turn *turn = executor->spare;
    if (turn) {
        executor->spare = turn->next_free;
        table_batch_reset(turn->batch);
    } else {
        turn = mem_zero(sizeof *turn);
        turn->executor = executor;
        turn->batch = table_batch_new(executor->store);
    }
    turn->sent = false;
    executor->turn = turn;
    struct io_post *post = mem_zero(sizeof *post);
    post->run = turn_post;
    post->owner = turn;
    executor->under_way++;
    io_loop_post(executor->loop, post);
    return turn->batch;
}

enum { TURN_BYTES_MAX = 4 << 20, TURN_RUNS_MAX = 4096 };

void turn_join(struct cql_executor *executor, struct cql_run *run)
{
    struct write_turn *turn = executor->turn;
    check(turn);
    if (turn->count == turn->room) {
        turn->room = turn->room ? turn->room * 2 : 64;
        turn->runs = mem_realloc_array(turn->runs, turn->room, sizeof(struct cql_run *));
    }
    turn->runs[turn->count++] = run;
    executor->under_way++;
    if (turn->count >= TURN_RUNS_MAX || table_batch_bytes(turn->batch) > TURN_BYTES_MAX)
        turn_flush(executor);
}

void cql_behind_writes(struct cql_executor *executor, struct table_job *job)
{
    turn_flush(executor);
    job->run = NULL;
    job->batch = executor->nothing;
    job->loop = executor->loop;
    job->sync = false;
    table_submit(executor->store, job);
}

/* ---- binding ---- */

static bool named(const struct cql_value *values, size_t count)
{
    return count > 0 && values[0].name.ptr;
}

enum err bind_values(struct cql_run *run, const struct cql_plan *plan,
                     const struct cql_value *values, size_t count,
                     const struct cql_value **ret_values)
{
    if (named(values, count)) {
        struct cql_value *ordered = arena_array(run->arena, plan->bind_count + 1, sizeof *ordered);
        for (size_t i = 0; i < plan->bind_count; i++) {
            struct str name = plan->binds[i].name;
            size_t at = 0;
            while (at < count && !str_equal(values[at].name, name))
                at++;
            if (at == count)
                return cql_fail(&run->error, run->arena, CQL_INVALID,
                                "Invalid amount of bind variables");
            ordered[i] = values[at];
        }
        *ret_values = ordered;
        return OK;
    }
    if (count != plan->bind_count) {
        if (count == 0 || plan->bind_count == 0)
            return cql_fail(&run->error, run->arena, CQL_INVALID,
                            "Invalid amount of bind variables");
        return cql_fail(&run->error, run->arena, CQL_INVALID,
                        "there were %zu markers(?) in CQL but %zu bound variables",
                        plan->bind_count, count);
    }
    *ret_values = values;
    return OK;
}

enum err run_bind(struct cql_run *run, struct expr_run *eval)
{
    *eval = (struct expr_run){.executor = run->executor,
                              .arena = run->arena,
                              .error = &run->error,
                              .bind_count = run->plan->bind_count,
                              .bind_specs = run->plan->binds,
                              .table = run->plan->table};
    eval->now_us = run->parameters->now_s != INT32_MIN ? (int64_t)run->parameters->now_s * 1000000
                                                       : io_wall_us(run->executor->io);
    return bind_values(run, run->plan, run->parameters->values, run->parameters->value_count,
                       &eval->binds);
}

/* ---- consistency levels ---- */

enum {
    LEVEL_ANY = 0,
    LEVEL_TWO = 2,
    LEVEL_THREE = 3,
    LEVEL_SERIAL = 8,
    LEVEL_LOCAL_SERIAL = 9,
    LEVEL_LAST = 10
};

enum err consistency_check(struct cql_run *run, bool write, bool conditional)
{
    uint16_t level = run->parameters->consistency;
    bool serial = level == LEVEL_SERIAL || level == LEVEL_LOCAL_SERIAL;
    if (level > LEVEL_LAST)
        return cql_fail(&run->error, run->arena, CQL_PROTOCOL_ERROR,
                        "Unknown code %u for a consistency level", level);
    if (write && serial)
        return cql_fail(&run->error, run->arena, CQL_INVALID,
                        "You must use conditional updates for serializable writes");
    if (!write && level == LEVEL_ANY)
        return cql_fail(&run->error, run->arena, CQL_INVALID,
                        "ANY ConsistencyLevel is only supported for writes");
    if (conditional) {
        uint16_t second = run->parameters->serial_consistency;
        if (run->parameters->flags & CQL_QUERY_SERIAL && second != LEVEL_SERIAL &&
            second != LEVEL_LOCAL_SERIAL)
            return cql_fail(&run->error, run->arena, CQL_INVALID,
                            "Invalid consistency for conditional update. Must be one of SERIAL or "
                            "LOCAL_SERIAL");
    }
    if (level != LEVEL_TWO && level != LEVEL_THREE)
        return OK;
    cql_fail(&run->error, run->arena, CQL_UNAVAILABLE, "Cannot achieve consistency level %s",
             level == LEVEL_TWO ? "TWO" : "THREE");
    run->error.consistency = level;
    run->error.required = level;
    run->error.received = 1;
    return ERR_AGAIN;
}

/* ---- running ---- */

void cql_run(struct cql_run *run)
{
    run->failed = false;
    if (!run->plan) {
        batch_run(run);
        return;
    }
    switch (run->plan->statement->kind) {
    case CQL_SELECT:
        select_run(run);
        break;
    case CQL_MODIFY:
        modify_run(run);
        break;
    case CQL_BATCH_STATEMENT:
        batch_run(run);
        break;
    default:
        check_never("the server runs other statements itself");
    }
}
