/* SPDX-License-Identifier: MIT */
/*
 * The thread of worker.h: a list of jobs under a lock; the answer comes back by a post.
 *
 * Invariant: under_way is the loop's alone; it falls when done is called.
 */
#include "io/worker.h"

#include "base/check.h"
#include "base/mem.h"
#include "io/thread.h"

struct io_worker {
    struct io_loop *loop;
    struct io_thread *thread; /* NULL = none to be had */
    struct io_mutex lock;
    struct io_condition wake;
    struct io_job *first;
    struct io_job **end;
    bool stop;
    size_t under_way; /* handed over and not done; the loop's */
};

static void finish(struct io_post *post)
{
    struct io_job *job = post->owner;
    job->worker->under_way--;
    job->done(job);
}

static void run_here(struct io_post *post)
{
    struct io_job *job = post->owner;
    job->run(job);
    finish(post);
}

static void work(void *arg)
{
    struct io_worker *worker = arg;
    io_mutex_lock(&worker->lock);
    for (;;) {
        struct io_job *job = worker->first;
        if (job) {
            worker->first = job->next;
            if (!worker->first)
                worker->end = &worker->first;
            io_mutex_unlock(&worker->lock);
            job->run(job);
            io_loop_post(worker->loop, &job->post);
            io_mutex_lock(&worker->lock);
        } else if (worker->stop) {
            break;
        } else {
            io_condition_wait(&worker->wake, &worker->lock, -1);
        }
    }
    io_mutex_unlock(&worker->lock);
}

void io_worker_do(struct io_worker *worker, struct io_job *job)
{
    check(!worker->stop);
    job->next = NULL;
    job->worker = worker;
    job->post = (struct io_post){.run = worker->thread ? finish : run_here, .owner = job};
    worker->under_way++;
    if (!worker->thread) {
        io_loop_post(worker->loop, &job->post);
        return;
    }
    io_mutex_lock(&worker->lock);
    *worker->end = job;
    worker->end = &job->next;
    io_condition_signal(&worker->wake);
    io_mutex_unlock(&worker->lock);
}

bool io_worker_has_thread(const struct io_worker *worker)
{
    return worker && worker->thread;
}

enum err io_worker_new(struct io_loop *loop, const char *name, struct io_worker **ret_worker)
{
    struct io_worker *worker = mem_zero(sizeof *worker);
    worker->loop = loop;
    worker->end = &worker->first;
    io_mutex_init(&worker->lock);
    io_condition_init(&worker->wake);
    enum err err = io_thread_start(io_loop_io(loop), name, work, worker, &worker->thread);
    if (err != OK && err != ERR_UNSUPPORTED) {
        io_worker_free(worker);
        return err;
    }
    *ret_worker = worker;
    return OK;
}

void io_worker_free(struct io_worker *worker)
{
    if (!worker)
        return;
    io_mutex_lock(&worker->lock);
    worker->stop = true;
    io_condition_signal(&worker->wake);
    io_mutex_unlock(&worker->lock);
    io_thread_join(worker->thread);
    while (worker->under_way)
        io_loop_turn(worker->loop, 0);
    io_condition_deinit(&worker->wake);
    io_mutex_deinit(&worker->lock);
    mem_free(worker);
}
