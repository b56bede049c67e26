/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_PIPELINE_PRIVATE_H
#define PIPELINE_PIPELINE_PRIVATE_H

#include "pipeline/pipeline.h"
#include "pipeline/stream.h"
#include "pipeline/view.h"

struct running_source {
    struct project_source *source;
    struct log_topic *topic;
    struct feed *feed; /* NULL: producers fill it */
    struct source *connector;
    bool draining;
    char detail[200]; /* why it could not be opened again, .. */
};

enum { WORKERS_MAX = 16 };

struct pipeline {
    struct project *project;
    struct io *io;
    struct io_loop *loop;
    struct log *log;
    struct table_store *store;
    struct running_source *sources;
    size_t source_count;
    struct stream *streams;
    size_t stream_count;

    struct io_queue *ready; /* streams with records to take */
    struct io_thread *workers[WORKERS_MAX];
    size_t worker_count;
    bool stopping; /* atomic: workers leave after the epoch in hand */

    int64_t started_ns;
    bool draining;
    size_t sources_open; /* not drained yet */
    void (*drained)(void *owner);
    void *drained_owner;
    struct io_timer drain_timer;
    struct io_timer view_timer;

    struct views views;
    struct io_thread *view_thread; /* NULL: there are no views */
    struct io_queue *view_work;    /* one token: refresh them */
    bool view_busy;                /* the loop's: the thread has the token */
    uint64_t view_sum;             /* the loop's: what the newest refresh has seen */
    uint64_t view_sum_asked;
    bool view_only_blocked; /* goes with the token */
    int64_t view_changed_ns;
    int64_t view_again_ns; /* when blocked views are tried again; 0 = none is */
    struct io_post view_done;

    /* pipeline_is_idle */
    uint64_t idle_sum;
    int64_t idle_since_ns;
};

/* work.c */
enum err work_start(struct pipeline *pipeline) MUST_USE;
void work_stop(struct pipeline *pipeline);
/* Loop's thread: the stream is given to a worker, if it is not with one already. */
void work_schedule(struct stream *stream);
bool work_is_done(const struct pipeline *pipeline);
/* What is not done waits for a database elsewhere: a drain does not wait for that. Nothing is lost;
 * the log has the records. */
bool work_is_held_up(const struct pipeline *pipeline);

/* view_work.c: refreshes views when streams have come to rest, and every few seconds while not. */
enum err view_work_start(struct pipeline *pipeline) MUST_USE;
void view_work_stop(struct pipeline *pipeline);
/* Loop's thread: true when the views show all that is stored; else a refresh is on its way. */
bool view_work_is_done(struct pipeline *pipeline);
/* A view waits for what is away or full: a drain does not wait for that. The next start computes
 * it. */
bool view_work_is_held_up(struct pipeline *pipeline);

/* books.c */
void books_check(struct pipeline_status *status);

#endif
