/* SPDX-License-Identifier: MIT */
/* What all actors share: their clock, their chances and their words. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>

enum { MS = 1000 * 1000, DRAIN_MS = 200 };

/* ---- of the run ---- */

int pick(struct world *w, int below)
{
    return (int)prng_below(&w->prng, (uint64_t)below);
}

bool chance(struct world *w, int percent)
{
    return pick(w, 100) < percent;
}

void reached(struct world *w, int mark)
{
    w->run->reached[mark] = true;
}

bool failed(const struct world *w)
{
    return w->run->failure[0] != 0;
}

/* ---- their time ---- */

static void fire(struct io_timer *timer)
{
    struct actor *actor = timer->owner;
    if (failed(actor->w))
        return;
    if (actor->w->draining)
        actor_wait(actor, DRAIN_MS);
    else
        actor->step(actor);
}

void actor_add(struct world *w, struct actor *actor, const char *kind, int number)
{
    actor->w = w;
    actor->kind = kind;
    actor->number = number;
    actor->conn = conn_new(w);
    actor->timer = (struct io_timer){.fire = fire, .owner = actor};
    actor->next = w->actors;
    w->actors = actor;
    actor_wait(actor, pick(w, actor_pace.first_ms));
}

void actor_wait(struct actor *actor, int64_t delay_ms)
{
    io_timer_start(actor->w->clients, &actor->timer, delay_ms * MS);
}

void actor_pause(struct actor *actor)
{
    struct world *w = actor->w;
    int kind = pick(w, 100);
    if (actor_pace.cut_percent && chance(w, actor_pace.cut_percent))
        conn_cut(actor->conn);
    actor_wait(actor, pick(w, kind < actor_pace.short_percent   ? 20
                              : kind < actor_pace.usual_percent ? 300
                                                                : actor_pace.long_ms));
}

/* ---- their words ---- */

void actor_trace(const struct actor *actor, const char *format, ...)
{
    char text[1000];
    va_list args;
    if (!actor->w->run->trace)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    seed_trace(actor->w->run, "%lld ms: %s %d: %s", (long long)now_ms(actor->w), actor->kind,
               actor->number, text);
}

void actor_fail(const struct actor *actor, const char *format, ...)
{
    char text[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    seed_fail(actor->w->run, "%s %d: %s", actor->kind, actor->number, text);
}
