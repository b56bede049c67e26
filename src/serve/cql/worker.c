/* SPDX-License-Identifier: MIT */
/*
 * The server's worker: one thread in which definitions are changed, one after another in the order
 * in which they came, so that the loop never waits for a directory. Where there are no threads (the
 * simulator) a job runs in a later turn of the loop.
 *
 * Invariants: 1. done() runs in the loop's thread, never from inside cql_worker_do(). 2. a job
 * belongs to the worker until done() was called.
 */
#include "base/check.h"
#include "serve/cql/net.h"

struct cql_worker {
    struct io_thread *thread; /* NULL = none to be had */
    struct io_mutex lock;
    struct io_condition wake;
    struct cql_job *first, **end;
    bool stop;
    size_t under_way; /* the loop's */
};

static void finish(struct io_post *post)
{
    struct cql_job *job = post->owner;
    job->server->worker->under_way--;
    job->done(job);
}

static void run_here(struct io_post *post)
{
    struct cql_job *job = post->owner;
    job->run(job);
    finish(post);
}

static void work(void *arg)
{
    struct cql_worker *worker = arg;
    io_mutex_lock(&worker->lock);
    for (;;) {
        struct cql_job *job = worker->first;
        if (job) {
            worker->first = job->next;
            if (!worker->first)
                worker->end = &worker->first;
            io_mutex_unlock(&worker->lock);
            job->run(job);
            io_loop_post(job->server->loop, &job->post);
            io_mutex_lock(&worker->lock);
        } else if (worker->stop) {
            break;
        } else {
            io_condition_wait(&worker->wake, &worker->lock, -1);
        }
    }
    io_mutex_unlock(&worker->lock);
}

void cql_worker_do(struct cql_server *server, struct cql_job *job)
{
    struct cql_worker *worker = server->worker;
    job->next = NULL;
    job->server = server;
    job->post = (struct io_post){.run = worker->thread ? finish : run_here, .owner = job};
    worker->under_way++;
    if (!worker->thread) {
        io_loop_post(server->loop, &job->post);
        return;
    }
    io_mutex_lock(&worker->lock);
    *worker->end = job;
    worker->end = &job->next;
    io_condition_signal(&worker->wake);
    io_mutex_unlock(&worker->lock);
}

enum err cql_worker_new(struct cql_server *server)
{
    struct cql_worker *worker = mem_zero(sizeof *worker);
    worker->end = &worker->first;
    io_mutex_init(&worker->lock);
    io_condition_init(&worker->wake);
    server->worker = worker;
    enum err err = io_thread_start(server->io, "cql", work, worker, &worker->thread);
    return err == ERR_UNSUPPORTED ? OK : err;
}

void cql_worker_free(struct cql_server *server)
{
    struct cql_worker *worker = server->worker;
    if (!worker)
        return;
    io_mutex_lock(&worker->lock);
    worker->stop = true;
    io_condition_signal(&worker->wake);
    io_mutex_unlock(&worker->lock);
    io_thread_join(worker->thread);
    while (worker->under_way)
        io_loop_turn(server->loop, 0);
    io_condition_deinit(&worker->wake);
    io_mutex_deinit(&worker->lock);
    mem_free(worker);
    server->worker = NULL;
}
