/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_PIPELINE_H
#define PIPELINE_PIPELINE_H

#include "connect/webhook.h"
#include "pipeline/project.h"

/*
 * A project brought to life: sources fill topics, streams turn them into tables. One loop (the
 * caller's) runs sources and timers, worker threads run epochs, the log has its disk thread.
 *
 * Life: open -> start -> (status..) -> drain -> close. drain stops the sources, lets the streams
 * take what the topics hold, then calls drained. close at any time is as safe as a crash.
 */
struct pipeline;

/* Opens log and tables under the project's data directory (ERR_CONFLICT: another run has it) and
 * every stream. The project and the loop are borrowed. */
enum err pipeline_open(struct project *project, struct io_loop *loop, struct diag *diag,
                       struct pipeline **ret_pipeline) MUST_USE;
/* Loop's thread. */
void pipeline_start(struct pipeline *pipeline);
void pipeline_drain(struct pipeline *pipeline, void (*drained)(void *owner), void *owner);
/* Waits for running epochs. */
void pipeline_close(struct pipeline *pipeline);

struct project *pipeline_project(struct pipeline *pipeline);
struct log *pipeline_log(struct pipeline *pipeline);
struct table_store *pipeline_tables(struct pipeline *pipeline);
struct io_loop *pipeline_loop(struct pipeline *pipeline);

/* The webhook sources for the HTTP server's routes: index from 0; NULL at the end. */
struct source *pipeline_webhook(struct pipeline *pipeline, size_t index);

/* ---- what it does ---- */

struct pipeline_source_status {
    struct str name, topic;
    const char *connector; /* NULL: producers fill it */
    struct source_status source;
    uint64_t fetched, appended, repeated; /* of this run */
    int64_t topic_records;                /* offsets handed out since the topic was made */
    int64_t topic_removed;                /* of them: no longer there (retention) */
    uint64_t topic_bytes;
};
struct pipeline_table_status {
    struct str name, source, keyspace, table;
    bool view;         /* a materialized view: only rows counts */
    const char *state; /* "idle", "running", "blocked", "failed" */
    char detail[256];
    uint64_t epoch, read, stored, filtered, dead, rows; /* since the beginning */
    uint64_t missed;        /* removed by retention before this table read them */
    uint64_t passed;        /* offsets without a record: markers, aborted, compacted away */
    int64_t lag;            /* offsets of the topic that are not processed yet */
    int64_t p50_us, p99_us; /* from the record's time to the stored row, this run; -1 = none */
};
struct pipeline_status {
    struct pipeline_source_status *sources;
    size_t source_count;
    struct pipeline_table_status *tables;
    size_t table_count;
    enum err log_health, table_health;
    char log_trouble[400]; /* why a log elsewhere does not answer; empty = it does */
    int64_t running_ms;
    struct io_usage usage;
    bool balanced;       /* the books: see books.c */
    char imbalance[256]; /* the first sum that is wrong */
};
/* A copy at this moment; lives in the arena. Loop's thread. */
void pipeline_status(struct pipeline *pipeline, struct arena *arena,
                     struct pipeline_status *ret_status);
/* Everything that was fetched is stored, filtered or a dead letter, and no source will give more
 * soon: sources that end have ended, others gave nothing for quiet_ms. */
bool pipeline_is_idle(struct pipeline *pipeline, int64_t quiet_ms);
/* A stream or source that stopped with an error; false when none. */
bool pipeline_failed(struct pipeline *pipeline, char *ret_text, size_t room);
/* A stream whose rows the database elsewhere does not take; false when none. */
bool pipeline_blocked(struct pipeline *pipeline, char *ret_text, size_t room);

/* ---- a stopped project, for commands ---- */

/* Books of a stopped project from its files: the same rows as a running one's tables. */
enum err pipeline_inspect(struct project *project, struct log *log, struct table_store *store,
                          struct arena *arena, struct pipeline_status *ret_status) MUST_USE;
/* Status as JSON: the API's /api/status and `-o json`. */
void pipeline_status_json(const struct pipeline_status *status, struct buf *out);

#endif
