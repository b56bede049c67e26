/* SPDX-License-Identifier: MIT */
#ifndef IO_WORKER_H
#define IO_WORKER_H

#include "io/loop.h"

/*
 * One thread beside a loop for what waits for the disk, so that the loop never does. Jobs run one
 * after another in the order in which they were handed over. Where there are no threads (the
 * simulator) a job runs in a later turn of the loop, so that callers meet the same order of events.
 *
 * Everything is called by the loop's thread; done is never called from inside io_worker_do().
 */
struct io_worker;
struct io_job {
    void (*run)(struct io_job *job);  /* worker's thread */
    void (*done)(struct io_job *job); /* loop's thread; the job is the worker's until then */
    void *owner;
    /* the worker's own */
    struct io_worker *worker;
    struct io_post post;
    struct io_job *next;
};

enum err io_worker_new(struct io_loop *loop, const char *name,
                       struct io_worker **ret_worker) MUST_USE;
/* Runs what waits, then ends the thread; done of all jobs is called before the return, for which
 * the loop is turned. NULL is fine. */
void io_worker_free(struct io_worker *worker);
void io_worker_do(struct io_worker *worker, struct io_job *job);
/* False in the simulator: a caller may wait for the disk by itself there. */
bool io_worker_has_thread(const struct io_worker *worker);

#endif
