/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_EXEC_H
#define SERVE_CQL_EXEC_H

#include "serve/cql/catalog.h"

/*
 * Statements prepared and run. cql_plan() resolves a parsed statement against the catalogue once;
 * cql_run() binds values and runs it, at once or later. Loop's thread.
 */
struct cql_executor; /* the store's side: batches of a loop turn, worker for long scans */

enum err cql_executor_new(struct io_loop *loop, struct cql_catalog *catalog, bool sync,
                          struct cql_executor **ret_executor) MUST_USE;
/* Waits for what is under way. */
void cql_executor_free(struct cql_executor *executor);

/* A statement that was planned: immutable, counted, shared by all connections. Becomes stale when a
 * table that it uses changes: cql_plan_is_stale. */
struct cql_plan {
    unsigned refs;
    struct arena arena;
    struct str text, keyspace; /* the session's when it was prepared */
    struct cql_statement *statement;
    struct cql_column *binds; /* one a marker: keyspace, table, name, type */
    size_t bind_count;
    uint16_t *partition_binds; /* markers of the whole partition key in order, or none */
    size_t partition_bind_count;
    struct cql_column *results; /* what SELECT and conditional statements give */
    size_t result_count;
    struct cql_table *table; /* the table, or NULL */
    void *private;           /* select's or modify's own */
    void (*release)(struct cql_plan *plan);
};
/* ERR_SYNTAX, ERR_INVALID ..: *error is filled, in the arena. SELECT, INSERT, UPDATE, DELETE,
 * BATCH; other kinds are given back with neither binds nor table: the server does them itself. */
enum err cql_plan_new(struct cql_executor *executor, struct str keyspace, struct str text,
                      struct arena *arena, struct cql_error *error,
                      struct cql_plan **ret_plan) MUST_USE;
struct cql_plan *cql_plan_ref(struct cql_plan *plan);
void cql_plan_unref(struct cql_plan *plan);
bool cql_plan_is_stale(const struct cql_plan *plan);
/* The tables that it was planned by; some may be NULL. */
struct cql_table *const *cql_plan_tables(const struct cql_plan *plan, size_t *ret_count);

/* One run of one plan, or of a batch of plans. Caller's memory until done was called, exactly once,
 * from cql_run() or later from the loop. */
enum { RUN_WARNINGS_MAX = 4 };
struct cql_run {
    struct cql_executor *executor;
    struct cql_plan *plan;                   /* NULL: a BATCH message */
    const struct cql_parameters *parameters; /* values, page size .. */
    struct cql_plan *const *batch_plans;     /* BATCH message: */
    const struct cql_batch_item *batch_items;
    size_t batch_count;
    uint8_t batch_type;
    unsigned version;    /* of the protocol: form of the result */
    struct arena *arena; /* caller's, alive until done */
    void (*done)(struct cql_run *run);
    void *owner;
    struct cql_trace *trace; /* NULL = it is not traced */
    /* results: error.code used when failed; else out holds the body of RESULT from its kind on */
    bool failed;
    struct cql_error error;
    struct buf out;
    struct str warnings[RUN_WARNINGS_MAX]; /* ptr NULL = none; the first ones */
    void *private;                         /* the executor's own */
};
void cql_run(struct cql_run *run);
/* Calls done in the loop when all that was run before is committed, or has failed. The job is the
 * caller's again then; done and owner are set by it. */
void cql_behind_writes(struct cql_executor *executor, struct table_job *job);

#endif
