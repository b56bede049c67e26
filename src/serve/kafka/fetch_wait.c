/* SPDX-License-Identifier: MIT */
/*
 * Long polls that wait for their time: a wheel of slots, each one tick of 2^20 ns (1.05 ms) wide,
 * with one timer of the loop for all of them.
 *
 * A thousand consumers at rest ask twice a second each, and what an answer costs is mostly waking:
 * us by the timer, the client by the send. So an answer without news is late on purpose: its due
 * time is rounded up to a multiple of the biggest power of two of ticks, up to GRID_TICKS_MAX, that
 * is at most 1/16 of max.wait.ms. Polls of all lengths meet on the same grid, many leave in one
 * turn, and their clients come back together. Never early; late by less than 1/16 of the wait and
 * 17 ms. What has news is not touched by this: it leaves at once.
 *
 * The clients that were answered come back one by one, each waking us. So while a hundred polls
 * wait and nothing but polls and heartbeats has come for CALM_NS, the loop rests for REST_NS after
 * a turn that moved polls, and takes what has come by then at once. The first other request after
 * such a silence may be that much later.
 *
 * A poll that waits longer than the wheel is round stays in its slot while the wheel passes it.
 *
 * Invariants: 1. A waiting call is in the list of slot due_tick % SLOTS, whose bit is set; a bit
 * may be set for nothing. 2. The timer is armed for the first due tick or before, while any waits.
 */
#include "serve/kafka/fetch.h"

#include "base/check.h"
#include "base/mem.h"

enum {
    TICK_SHIFT = 20, /* ns */
    SLOTS = 1024,
    WORD_BITS = 64,
    GRID_TICKS_MAX = 16,
    WAIT_SHARE = 16,
    REST_POLLS_MIN = 100,
    REST_NS = 700 * 1000,
    CALM_NS = 20 * 1000 * 1000,
};

struct fetch_waits {
    struct io_loop *loop;
    struct kafka_fetch_out *slots[SLOTS];
    uint64_t occupied[SLOTS / WORD_BITS];
    struct kafka_fetch_out *due; /* taken out of their slots, being answered */
    int64_t seen_tick;           /* what was due up to here has been answered */
    int64_t armed_tick;          /* INT64_MAX = not armed */
    struct io_timer timer;
    uint32_t count;
    bool answered;   /* in this turn */
    int64_t busy_ns; /* the last turn that brought something else than polls */
};

static void link_into(struct kafka_fetch_out **head, struct kafka_fetch_out *fetch)
{
    fetch->next_wait = *head;
    fetch->wait_at = head;
    if (*head)
        (*head)->wait_at = &fetch->next_wait;
    *head = fetch;
}

static void unlink_wait(struct kafka_fetch_out *fetch)
{
    *fetch->wait_at = fetch->next_wait;
    if (fetch->next_wait)
        fetch->next_wait->wait_at = fetch->wait_at;
    fetch->wait_at = NULL;
}

static void arm(struct fetch_waits *waits, int64_t tick)
{
    if (tick >= waits->armed_tick)
        return;
    waits->armed_tick = tick;
    io_timer_start(waits->loop, &waits->timer, (tick << TICK_SHIFT) - io_loop_now_ns(waits->loop));
}

/* The first tick behind seen_tick whose slot is not empty. */
static int64_t next_tick(const struct fetch_waits *waits)
{
    for (int64_t tick = waits->seen_tick + 1; tick <= waits->seen_tick + SLOTS;) {
        size_t slot = (size_t)tick % SLOTS;
        uint64_t bits = waits->occupied[slot / WORD_BITS] >> (slot % WORD_BITS);
        if (bits)
            return tick + __builtin_ctzll(bits);
        tick += WORD_BITS - (int64_t)(slot % WORD_BITS);
    }
    return INT64_MAX;
}

/* Moves what is due out of a slot. */
static void slot_take(struct fetch_waits *waits, size_t slot, int64_t tick)
{
    uint64_t bit = 1ULL << (slot % WORD_BITS), *word = &waits->occupied[slot / WORD_BITS];
    if (!(*word & bit))
        return;
    for (struct kafka_fetch_out *fetch = waits->slots[slot], *next; fetch; fetch = next) {
        next = fetch->next_wait;
        if (fetch->due_tick > tick)
            continue;
        unlink_wait(fetch);
        link_into(&waits->due, fetch);
    }
    if (!waits->slots[slot])
        *word &= ~bit;
}

static void fire(struct io_timer *timer)
{
    struct fetch_waits *waits = timer->owner;
    int64_t now = io_loop_now_ns(waits->loop) >> TICK_SHIFT, from = waits->seen_tick + 1;
    if (from <= now - SLOTS)
        from = now - SLOTS + 1;
    for (int64_t tick = from; tick <= now; tick++)
        slot_take(waits, (size_t)tick % SLOTS, now);
    waits->seen_tick = now;
    waits->armed_tick = INT64_MAX;
    waits->answered |= waits->due != NULL;
    /* An answer may end others, and lets the requests behind it begin. */
    while (waits->due)
        fetch_finish(waits->due);
    if (waits->count)
        arm(waits, next_tick(waits));
}

void fetch_wait_start(struct kafka_fetch_out *fetch, int32_t wait_ms)
{
    struct fetch_waits *waits = fetch->call->broker->sessions->waits;
    int64_t now_ns = io_loop_now_ns(waits->loop), wait_ns = wait_ms * 1000000LL;
    int64_t wait_ticks = wait_ns >> TICK_SHIFT, grid = 1;
    while (grid < GRID_TICKS_MAX && grid * 2 * WAIT_SHARE <= wait_ticks)
        grid *= 2;
    int64_t due = (now_ns + wait_ns + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT;
    fetch->due_tick = (due + grid - 1) & -grid;
    kafka_call_calm(fetch->call);
    /* Nothing was due while nobody waited. */
    if (waits->count++ == 0)
        waits->seen_tick = (now_ns >> TICK_SHIFT);
    size_t slot = (size_t)fetch->due_tick % SLOTS;
    waits->occupied[slot / WORD_BITS] |= 1ULL << (slot % WORD_BITS);
    link_into(&waits->slots[slot], fetch);
    arm(waits, fetch->due_tick);
}

void fetch_wait_stop(struct kafka_fetch_out *fetch)
{
    if (!fetch->wait_at)
        return;
    unlink_wait(fetch);
    fetch->call->broker->sessions->waits->count--;
}

void fetch_wait_rest(struct fetch_waits *waits, struct kafka_net *net)
{
    size_t calm = net->calm_news, news = io_loop_news(waits->loop);
    int64_t now_ns = io_loop_now_ns(waits->loop);
    bool moved = calm > 0 || waits->answered;
    net->calm_news = 0;
    waits->answered = false;
    if (news > calm)
        waits->busy_ns = now_ns;
    if (moved && waits->count >= REST_POLLS_MIN && now_ns - waits->busy_ns >= CALM_NS)
        io_loop_rest(waits->loop, REST_NS);
}

uint32_t kafka_fetches_waiting(const struct kafka_broker *broker)
{
    return broker->sessions->waits->count;
}

struct fetch_waits *fetch_waits_new(struct io_loop *loop)
{
    struct fetch_waits *waits = mem_zero(sizeof *waits);
    waits->loop = loop;
    waits->armed_tick = INT64_MAX;
    waits->timer = (struct io_timer){.fire = fire, .owner = waits};
    return waits;
}

void fetch_waits_free(struct fetch_waits *waits)
{
    check(waits->count == 0);
    io_timer_stop(waits->loop, &waits->timer);
    mem_free(waits);
}
