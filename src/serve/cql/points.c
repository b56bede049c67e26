/* SPDX-License-Identifier: MIT */
/*
 * Reads by key of one turn, done by two threads.
 *
 * A read by key waits for nothing but takes microseconds of looking through the store, which was
 * most of what the loop's thread did. So a turn's reads are gathered; where there are many the
 * loop's thread and a helper take one after the other off the list until none is left, and then the
 * loop answers them all in their order. Where there are few, one processor or no threads, the loop
 * reads them all. The helper sleeps between; it is started by the first turn that has work for it.
 *
 *   NOTHING -> OFFERED -> (the helper comes) TAKEN -> (no read left) NOTHING
 *           <- (the loop was faster)
 *
 * Invariants
 * 1. From OFFERED until the loop has seen NOTHING again the list does not change; each of its reads
 *    is taken by one thread.
 * 2. Runs are answered by the loop, when no thread reads any more.
 */
#include "serve/cql/points.h"

#include "base/check.h"
#include "base/mem.h"
#include "io/thread.h"
#include "serve/cql/exec_private.h"

enum {
    POINTS_MAX = 1024, /* of a turn, before they are done */
    POINTS_SHARED = 8, /* fewer are done sooner than the helper is awake */
    SPINS = 4000,      /* the helper's last read takes less than a sleep of the loop */
};

enum offer { NOTHING, OFFERED, TAKEN };

struct points {
    struct cql_executor *executor;
    points_read *read;
    struct io_post post;
    bool posted;
    bool running; /* answers come in here again */
    size_t count;
    struct cql_run **gathered; /* one of lists; what is read and answered is the other */
    struct cql_run *lists[2][POINTS_MAX];
    struct cql_run **given;
    size_t given_count;
    enum err errs[POINTS_MAX];
    /* shared with the helper */
    size_t next; /* atomic: the first run that nobody took */
    struct table_reader *reader;
    struct io_thread *thread;
    bool tried; /* to start it */
    struct io_mutex lock;
    struct io_condition wake, idle;
    enum offer offer; /* written with the lock */
    bool stopping;
};

/* ---- reading ---- */

static void read_some(struct points *points, struct table_reader *reader)
{
    for (;;) {
        size_t at = __atomic_fetch_add(&points->next, 1, __ATOMIC_RELAXED);
        if (at >= points->given_count)
            return;
        points->errs[at] = points->read(points->given[at], reader);
    }
}

static void help(void *arg)
{
    struct points *points = arg;
    io_mutex_lock(&points->lock);
    while (!points->stopping) {
        if (points->offer != OFFERED) {
            io_condition_wait(&points->wake, &points->lock, -1);
            continue;
        }
        __atomic_store_n(&points->offer, TAKEN, __ATOMIC_RELAXED);
        io_mutex_unlock(&points->lock);
        read_some(points, points->reader);
        io_mutex_lock(&points->lock);
        __atomic_store_n(&points->offer, NOTHING, __ATOMIC_RELEASE);
        io_condition_signal(&points->idle);
    }
    io_mutex_unlock(&points->lock);
}

static bool has_help(struct points *points)
{
    if (!points->tried) {
        points->tried = true;
        struct io *io = points->executor->io;
        if (io_cpu_count(io) < 2 ||
            io_thread_start(io, "cql-read", help, points, &points->thread) != OK)
            points->thread = NULL;
    }
    return points->thread != NULL;
}

static void read_shared(struct points *points)
{
    io_mutex_lock(&points->lock);
    __atomic_store_n(&points->offer, OFFERED, __ATOMIC_RELAXED);
    io_condition_signal(&points->wake);
    io_mutex_unlock(&points->lock);
    read_some(points, points->executor->reader);
    for (int i = 0; i < SPINS && __atomic_load_n(&points->offer, __ATOMIC_RELAXED) == TAKEN; i++)
        ;
    io_mutex_lock(&points->lock);
    if (points->offer == OFFERED)
        __atomic_store_n(&points->offer, NOTHING, __ATOMIC_RELAXED);
    while (points->offer != NOTHING)
        io_condition_wait(&points->idle, &points->lock, -1);
    io_mutex_unlock(&points->lock);
}

/* ---- the turn ---- */

static void do_all(struct points *points)
{
    if (points->running || !points->count)
        return;
    points->running = true;
    points->given = points->gathered;
    points->given_count = points->count;
    points->gathered = points->lists[points->gathered == points->lists[0]];
    points->count = 0;
    __atomic_store_n(&points->next, 0, __ATOMIC_RELAXED);
    if (points->given_count >= POINTS_SHARED && has_help(points))
        read_shared(points);
    else
        read_some(points, points->executor->reader);
    for (size_t i = 0; i < points->given_count; i++) {
        struct cql_run *run = points->given[i];
        points->executor->under_way--;
        if (points->errs[i] == OK)
            run->done(run);
        else
            run_fail(run, points->errs[i]);
    }
    points->running = false;
}

static void end_turn(struct io_post *post)
{
    struct points *points = post->owner;
    points->posted = false;
    points->executor->under_way--;
    do_all(points);
}

void points_add(struct points *points, struct cql_run *run)
{
    if (points->count == POINTS_MAX)
        do_all(points);
    /* Full again, of what answers began: this one is done at once. */
    if (points->count == POINTS_MAX) {
        enum err err = points->read(run, points->executor->reader);
        if (err == OK)
            run->done(run);
        else
            run_fail(run, err);
        return;
    }
    points->gathered[points->count++] = run;
    points->executor->under_way++;
    if (points->posted)
        return;
    points->posted = true;
    points->executor->under_way++;
    points->post = (struct io_post){.run = end_turn, .owner = points};
    io_loop_post(points->executor->loop, &points->post);
}

/* ---- life ---- */

struct points *points_new(struct cql_executor *executor, points_read *read)
{
    struct points *points = mem_zero(sizeof *points);
    points->executor = executor;
    points->read = read;
    points->gathered = points->lists[0];
    points->reader = table_reader_new();
    io_mutex_init(&points->lock);
    io_condition_init(&points->wake);
    io_condition_init(&points->idle);
    return points;
}

void points_free(struct points *points)
{
    if (!points)
        return;
    check(!points->count && !points->posted);
    io_mutex_lock(&points->lock);
    points->stopping = true;
    io_condition_signal(&points->wake);
    io_mutex_unlock(&points->lock);
    io_thread_join(points->thread);
    table_reader_free(points->reader);
    io_condition_deinit(&points->idle);
    io_condition_deinit(&points->wake);
    io_mutex_deinit(&points->lock);
    mem_free(points);
}
