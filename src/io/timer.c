/* SPDX-License-Identifier: MIT */
/*
 * Timers: a binary heap ordered by due time, then by the order of starting, so that a run is
 * repeatable. Index 0 is not used: heap_index 0 in a timer means "not started".
 *
 * A timer that is started while timers fire belongs to the next turn, even with no delay: the heap
 * order puts it behind all that were there before at the same due time, and firing stops at the
 * first entry whose number is newer than the turn.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/core.h"

static bool before(const struct io_timer_entry *a, const struct io_timer_entry *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void place(struct io_loop *loop, size_t index, struct io_timer_entry entry)
{
    loop->timers[index] = entry;
    entry.timer->heap_index = index;
}

static void sift_up(struct io_loop *loop, size_t index, struct io_timer_entry entry)
{
    for (; index > 1 && before(&entry, &loop->timers[index / 2]); index /= 2)
        place(loop, index, loop->timers[index / 2]);
    place(loop, index, entry);
}

static void sift_down(struct io_loop *loop, size_t index, struct io_timer_entry entry)
{
    for (size_t child; (child = index * 2) <= loop->timer_count; index = child) {
        if (child < loop->timer_count && before(&loop->timers[child + 1], &loop->timers[child]))
            child++;
        if (!before(&loop->timers[child], &entry))
            break;
        place(loop, index, loop->timers[child]);
    }
    place(loop, index, entry);
}

static void settle(struct io_loop *loop, size_t index, struct io_timer_entry entry)
{
    if (index > 1 && before(&entry, &loop->timers[index / 2]))
        sift_up(loop, index, entry);
    else
        sift_down(loop, index, entry);
}

void io_timer_start(struct io_loop *loop, struct io_timer *timer, int64_t delay_ns)
{
    check(timer->fire);
    int64_t now_ns = loop->in_turn ? loop->now_ns : io_now_ns(loop->io);
    delay_ns = delay_ns > 0 ? delay_ns : 0;
    timer->due_ns = delay_ns < INT64_MAX - now_ns ? now_ns + delay_ns : INT64_MAX - 1;
    struct io_timer_entry entry = {timer->due_ns, loop->timer_number++, timer};
    if (timer->heap_index) {
        check(loop->timers[timer->heap_index].timer == timer);
        settle(loop, timer->heap_index, entry);
        return;
    }
    if (loop->timer_count + 1 >= loop->timer_room) {
        loop->timer_room = loop->timer_room ? loop->timer_room * 2 : 64;
        loop->timers = mem_realloc_array(loop->timers, loop->timer_room, sizeof *loop->timers);
    }
    sift_up(loop, ++loop->timer_count, entry);
}

void io_timer_stop(struct io_loop *loop, struct io_timer *timer)
{
    size_t index = timer->heap_index;
    if (!index)
        return;
    check(index <= loop->timer_count);
    check(loop->timers[index].timer == timer);
    timer->heap_index = 0;
    struct io_timer_entry last = loop->timers[loop->timer_count--];
    if (last.timer != timer)
        settle(loop, index, last);
}

int64_t io_timer_next_ns(const struct io_loop *loop)
{
    return loop->timer_count ? loop->timers[1].due_ns : INT64_MAX;
}

void io_timers_fire(struct io_loop *loop)
{
    uint64_t fresh = loop->timer_number;
    while (loop->timer_count && loop->timers[1].due_ns <= loop->now_ns &&
           loop->timers[1].number < fresh) {
        struct io_timer *timer = loop->timers[1].timer;
        io_timer_stop(loop, timer);
        loop->ran++;
        loop->fired++;
        timer->fire(timer);
    }
}
