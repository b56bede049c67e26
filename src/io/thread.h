/* SPDX-License-Identifier: MIT */
#ifndef IO_THREAD_H
#define IO_THREAD_H

#include "io/io.h"

#include <stdatomic.h>

/* Threads meet through bounded queues; a lock is for a room that must share more. In the simulator
 * there is one thread: io_thread_start() answers ERR_UNSUPPORTED, and whoever runs a thread offers
 * a step function that a simulated run calls instead. */
struct io_thread;
enum err io_thread_start(struct io *io, const char *name, void (*run)(void *arg), void *arg,
                         struct io_thread **ret_thread) MUST_USE;
/* Waits for its end and frees it. NULL is fine. */
void io_thread_join(struct io_thread *thread);

struct io_mutex {
    _Alignas(8) unsigned char opaque[48];
};
struct io_condition {
    _Alignas(8) unsigned char opaque[48];
};
void io_mutex_init(struct io_mutex *mutex);
void io_mutex_deinit(struct io_mutex *mutex);
void io_mutex_lock(struct io_mutex *mutex);
void io_mutex_unlock(struct io_mutex *mutex);
void io_condition_init(struct io_condition *condition);
void io_condition_deinit(struct io_condition *condition);
void io_condition_signal(struct io_condition *condition);
void io_condition_broadcast(struct io_condition *condition);
/* timeout_ns < 0 = for ever. False when the time ran out. */
bool io_condition_wait(struct io_condition *condition, struct io_mutex *mutex, int64_t timeout_ns);

/* Wakes the one thread that waits for it. A ring while nobody waits is kept, several as one.
 * Cheaper than a condition: no lock to take again, and no call to the kernel when nobody sleeps.
 * All zero to begin with. */
struct io_bell {
    atomic_uint state;
};
void io_bell_ring(struct io_bell *bell);
/* Forgets a ring that nobody waited for. */
void io_bell_hush(struct io_bell *bell);
/* timeout_ns < 0 = for ever. False when the time ran out. */
bool io_bell_wait(struct io_bell *bell, int64_t timeout_ns);

/* A bounded queue of pointers between any threads. */
struct io_queue;
struct io_queue *io_queue_new(size_t items_max);
void io_queue_free(struct io_queue *queue);
/* Waits while it is full. ERR_CLOSED after io_queue_close(). */
enum err io_queue_push(struct io_queue *queue, void *item) MUST_USE;
/* ERR_AGAIN when full. */
enum err io_queue_try_push(struct io_queue *queue, void *item) MUST_USE;
/* Waits at most timeout_ns (< 0 = for ever, 0 = not at all): ERR_TIMEOUT. ERR_CLOSED when closed
 * and empty. */
enum err io_queue_pop(struct io_queue *queue, int64_t timeout_ns, void **ret_item) MUST_USE;
void io_queue_close(struct io_queue *queue);

#endif
