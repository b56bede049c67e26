/* SPDX-License-Identifier: MIT */
/*
 * The bounded queue between threads: a ring of pointers under one lock. What travels is a batch or
 * a task, thousands a second and not millions, so that a lock costs nothing that matters and full,
 * empty and closed stay easy to reason about.
 *
 * Invariants: 1. count <= room. 2. Once closed nothing is added; what is inside can still be taken.
 */
#include "io/thread.h"

#include "base/check.h"
#include "base/mem.h"

#include <time.h>

struct io_queue {
    struct io_mutex mutex;
    struct io_condition not_empty;
    struct io_condition not_full;
    size_t room;
    size_t first;
    size_t count;
    bool closed;
    void *items[];
};

struct io_queue *io_queue_new(size_t items_max)
{
    check(items_max > 0);
    check(items_max < SIZE_MAX / 16);
    struct io_queue *queue = mem_zero(sizeof *queue + items_max * sizeof queue->items[0]);
    queue->room = items_max;
    io_mutex_init(&queue->mutex);
    io_condition_init(&queue->not_empty);
    io_condition_init(&queue->not_full);
    return queue;
}

void io_queue_free(struct io_queue *queue)
{
    if (!queue)
        return;
    io_condition_deinit(&queue->not_full);
    io_condition_deinit(&queue->not_empty);
    io_mutex_deinit(&queue->mutex);
    mem_free(queue);
}

static enum err push(struct io_queue *queue, void *item, bool wait)
{
    enum err err = OK;
    io_mutex_lock(&queue->mutex);
    while (wait && !queue->closed && queue->count == queue->room)
        io_condition_wait(&queue->not_full, &queue->mutex, -1);
    if (queue->closed) {
        err = ERR_CLOSED;
    } else if (queue->count == queue->room) {
        err = ERR_AGAIN;
    } else {
        queue->items[(queue->first + queue->count++) % queue->room] = item;
        io_condition_signal(&queue->not_empty);
    }
    io_mutex_unlock(&queue->mutex);
    return err;
}

enum err io_queue_push(struct io_queue *queue, void *item)
{
    return push(queue, item, true);
}

enum err io_queue_try_push(struct io_queue *queue, void *item)
{
    return push(queue, item, false);
}

static int64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Waits, with the lock, until there is something, the queue is closed or the time is over. */
static void wait_for_item(struct io_queue *queue, int64_t timeout_ns)
{
    int64_t until_ns = timeout_ns > 0 ? clock_ns() + timeout_ns : 0;
    while (queue->count == 0 && !queue->closed) {
        int64_t left_ns = timeout_ns < 0 ? -1 : until_ns - clock_ns();
        if (timeout_ns >= 0 && left_ns <= 0)
            return;
        io_condition_wait(&queue->not_empty, &queue->mutex, left_ns);
    }
}

enum err io_queue_pop(struct io_queue *queue, int64_t timeout_ns, void **ret_item)
{
    enum err err = OK;
    io_mutex_lock(&queue->mutex);
    if (timeout_ns != 0)
        wait_for_item(queue, timeout_ns);
    if (queue->count > 0) {
        *ret_item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->room;
        queue->count--;
        io_condition_signal(&queue->not_full);
    } else {
        err = queue->closed ? ERR_CLOSED : ERR_TIMEOUT;
    }
    io_mutex_unlock(&queue->mutex);
    return err;
}

void io_queue_close(struct io_queue *queue)
{
    io_mutex_lock(&queue->mutex);
    queue->closed = true;
    io_condition_broadcast(&queue->not_empty);
    io_condition_broadcast(&queue->not_full);
    io_mutex_unlock(&queue->mutex);
}
