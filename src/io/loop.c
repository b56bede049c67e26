/* SPDX-License-Identifier: MIT */
/*
 * The turn of the loop, the same for kernel and simulator:
 *
 *   wait -> what is ready -> timers -> posts -> news of streams -> hooks -> output -> free the dead
 *
 * Output is sent last and once per stream, so that all answers of a turn leave in one call. Streams
 * that end stay in memory until the very end of the turn: whatever list still holds one may look at
 * its flags.
 *
 * Posts come over a list that threads push to with compare-and-swap; the loop takes it whole and
 * turns it round. The thread is woken only when nobody woke it since it last looked, and not at all
 * from inside the loop itself.
 *
 * Invariants: 1. No callback runs inside the call that registered it. 2. A turn with nothing to do
 * waits in the kernel until the next timer: an idle loop costs nothing.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/core.h"

/* The loop whose turn this thread is in: a post to it needs no waking. */
static _Thread_local struct io_loop *running;

enum err io_loop_new(struct io *io, struct io_loop **ret_loop)
{
    struct io_loop *loop = mem_zero(sizeof *loop);
    loop->io = io;
    loop->net = io->ops->net;
    loop->now_ns = io_now_ns(io);
    loop->hooks_end = &loop->hooks;
    loop->dirty_end = &loop->dirty;
    loop->pending_end = &loop->pending;
    enum err err = loop->net->loop_init(loop);
    if (err != OK) {
        mem_free(loop);
        return err;
    }
    loop->in_buffer = mem_alloc(IN_BUFFER_BYTES);
    loop->plain_buffer = mem_alloc(IN_BUFFER_BYTES);
    *ret_loop = loop;
    return OK;
}

void io_loop_free(struct io_loop *loop)
{
    if (!loop)
        return;
    check(!loop->in_turn);
    /* Streams that were aborted after the last turn still get their last call. */
    while (loop->pending)
        io_streams_run_pending(loop);
    io_streams_free_dead(loop);
    check(loop->stream_count == 0);
    check(loop->listener_count == 0);
    loop->net->loop_deinit(loop);
    check(loop->timer_count == 0);
    for (size_t i = 0; i < loop->spare_count; i++)
        buf_deinit(&loop->spares[i]);
    mem_free(loop->timers);
    mem_free(loop->in_buffer);
    mem_free(loop->plain_buffer);
    mem_free(loop);
}

struct io *io_loop_io(struct io_loop *loop)
{
    return loop->io;
}

int64_t io_loop_now_ns(struct io_loop *loop)
{
    return loop->now_ns;
}

static void run_posts(struct io_loop *loop)
{
    if (!atomic_load_explicit(&loop->posts, memory_order_relaxed))
        return;
    struct io_post *newest = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire);
    struct io_post *oldest = NULL;
    while (newest) {
        struct io_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        /* The post may be gone once it ran. */
        struct io_post *next = oldest->next;
        loop->ran++;
        oldest->run(oldest);
        oldest = next;
    }
}

/* How long the kernel may hold us, < 0 = for ever. */
static int64_t wait_bound_ns(struct io_loop *loop, int64_t wait_max_ns)
{
    if (wait_max_ns == 0 || loop->pending || loop->dirty || atomic_load(&loop->stop) ||
        atomic_load_explicit(&loop->posts, memory_order_relaxed))
        return 0;
    int64_t next_ns = io_timer_next_ns(loop);
    int64_t bound_ns = wait_max_ns < 0 ? INT64_MAX : wait_max_ns;
    if (next_ns != INT64_MAX) {
        int64_t until_ns = next_ns - io_now_ns(loop->io);
        bound_ns = until_ns < bound_ns ? until_ns : bound_ns;
    }
    if (bound_ns == INT64_MAX)
        return -1;
    return bound_ns > 0 ? bound_ns : 0;
}

static int64_t rest(struct io_loop *loop, int64_t bound_ns, int64_t wait_max_ns)
{
    int64_t rest_ns = loop->rest_ns;
    loop->rest_ns = 0;
    if (!rest_ns || !loop->net->rest || bound_ns == 0 || wait_max_ns >= 0)
        return bound_ns;
    loop->net->rest(loop, bound_ns < 0 || rest_ns < bound_ns ? rest_ns : bound_ns);
    return wait_bound_ns(loop, wait_max_ns);
}

size_t io_loop_turn(struct io_loop *loop, int64_t wait_max_ns)
{
    check(!loop->in_turn);
    struct io_loop *outer = running;
    running = loop;
    int64_t bound_ns = rest(loop, wait_bound_ns(loop, wait_max_ns), wait_max_ns);
    loop->in_turn = true;
    loop->ran = loop->fired = 0;
    loop->net->wait(loop, bound_ns);
    io_timers_fire(loop);
    run_posts(loop);
    io_streams_run_pending(loop);
    for (struct io_turn_end *hook = loop->hooks, *next; hook; hook = next) {
        next = hook->next;
        hook->run(hook);
    }
    io_streams_flush_dirty(loop);
    io_streams_free_dead(loop);
    loop->in_turn = false;
    running = outer;
    return loop->ran;
}

size_t io_loop_news(const struct io_loop *loop)
{
    return loop->ran - loop->fired;
}

void io_loop_rest(struct io_loop *loop, int64_t rest_ns)
{
    loop->rest_ns = rest_ns;
}

void io_loop_run(struct io_loop *loop)
{
    while (!atomic_load(&loop->stop))
        io_loop_turn(loop, -1);
    atomic_store(&loop->stop, false);
}

static void wake(struct io_loop *loop)
{
    if (running != loop && !atomic_exchange(&loop->woken, true))
        loop->net->wake(loop);
}

void io_loop_stop(struct io_loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}

void io_loop_post(struct io_loop *loop, struct io_post *post)
{
    struct io_post *head = atomic_load_explicit(&loop->posts, memory_order_relaxed);
    do
        post->next = head;
    while (!atomic_compare_exchange_weak_explicit(&loop->posts, &head, post, memory_order_release,
                                                  memory_order_relaxed));
    wake(loop);
}

void io_loop_turn_end(struct io_loop *loop, struct io_turn_end *hook)
{
    hook->next = NULL;
    *loop->hooks_end = hook;
    loop->hooks_end = &hook->next;
}

void io_loop_turn_end_stop(struct io_loop *loop, struct io_turn_end *hook)
{
    struct io_turn_end **link = &loop->hooks;
    while (*link != hook)
        link = &(*link)->next;
    *link = hook->next;
    if (!*link)
        loop->hooks_end = link;
}

enum err io_watch_set(struct io_loop *loop, struct io_watch *watch, unsigned events)
{
    return loop->net->watch_set(loop, watch, events);
}

enum err io_signals_watch(struct io_loop *loop, void (*arrived)(void *owner, int number),
                          void *owner)
{
    TRY(loop->net->signals_watch(loop));
    loop->signal_arrived = arrived;
    loop->signal_owner = owner;
    return OK;
}
