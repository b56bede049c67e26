/* SPDX-License-Identifier: MIT */
/*
 * The broker's worker: one thread for what waits for a directory (creating, changing and deleting
 * topics), so that the loop never does. Jobs run in the order in which they were handed over; the
 * answer comes back by a post. Where there are no threads (the simulator) a job runs in the loop,
 * in a later turn, so that callers meet the same order of events.
 *
 * Invariants: 1. done() runs in the loop's thread, never from inside kafka_worker_do(). 2. A job
 * belongs to the worker until done() was called.
 */
#include "base/check.h"
#include "io/thread.h"
#include "serve/kafka/broker.h"

struct kafka_worker {
    struct kafka_broker *broker;
    struct io_thread *thread; /* NULL = none to be had */
    struct io_mutex lock;
    struct io_condition wake;
    struct kafka_job *first;
    struct kafka_job **end;
    bool stop;
    size_t under_way; /* handed over and not done; the loop's */
};

static void finish(struct io_post *post)
{
    struct kafka_job *job = post->owner;
    struct kafka_worker *worker = job->broker->worker;
    worker->under_way--;
    job->done(job);
}

static void run_here(struct io_post *post)
{
    struct kafka_job *job = post->owner;
    job->run(job);
    finish(post);
}

static void work(void *arg)
{
    struct kafka_worker *worker = arg;
    io_mutex_lock(&worker->lock);
    for (;;) {
        struct kafka_job *job = worker->first;
        if (job) {
            worker->first = job->next;
            if (!worker->first)
                worker->end = &worker->first;
            io_mutex_unlock(&worker->lock);
            job->run(job);
            io_loop_post(worker->broker->loop, &job->post);
            io_mutex_lock(&worker->lock);
        } else if (worker->stop) {
            break;
        } else {
            io_condition_wait(&worker->wake, &worker->lock, -1);
        }
    }
    io_mutex_unlock(&worker->lock);
}

void kafka_worker_do(struct kafka_broker *broker, struct kafka_job *job)
{
    struct kafka_worker *worker = broker->worker;
    check(!worker->stop);
    job->next = NULL;
    job->broker = broker;
    job->post = (struct io_post){.run = worker->thread ? finish : run_here, .owner = job};
    worker->under_way++;
    if (!worker->thread) {
        io_loop_post(broker->loop, &job->post);
        return;
    }
    io_mutex_lock(&worker->lock);
    *worker->end = job;
    worker->end = &job->next;
    io_condition_signal(&worker->wake);
    io_mutex_unlock(&worker->lock);
}

bool kafka_worker_has_thread(const struct kafka_broker *broker)
{
    return broker->worker && broker->worker->thread;
}

enum err kafka_worker_new(struct kafka_broker *broker)
{
    struct kafka_worker *worker = mem_zero(sizeof *worker);
    worker->broker = broker;
    worker->end = &worker->first;
    io_mutex_init(&worker->lock);
    io_condition_init(&worker->wake);
    broker->worker = worker;
    enum err err = io_thread_start(broker->io, "kafka", work, worker, &worker->thread);
    return err == ERR_UNSUPPORTED ? OK : err;
}

void kafka_worker_free(struct kafka_broker *broker)
{
    struct kafka_worker *worker = broker->worker;
    if (!worker)
        return;
    io_mutex_lock(&worker->lock);
    worker->stop = true;
    io_condition_signal(&worker->wake);
    io_mutex_unlock(&worker->lock);
    io_thread_join(worker->thread);
    while (worker->under_way)
        io_loop_turn(broker->loop, 0);
    io_condition_deinit(&worker->wake);
    io_mutex_deinit(&worker->lock);
    mem_free(worker);
    broker->worker = NULL;
}
