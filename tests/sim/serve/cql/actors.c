/* SPDX-License-Identifier: MIT */
/* What all actors share: their clock and their words. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>

enum { MS = 1000 * 1000, DRAIN_MS = 200 };

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
    actor_wait(actor, pick(w, 50));
}

void actor_wait(struct actor *actor, int64_t delay_ms)
{
    io_timer_start(actor->w->clients, &actor->timer, delay_ms * MS);
}

void actor_pause(struct actor *actor)
{
    struct world *w = actor->w;
    int kind = pick(w, 100);
    if (chance(w, 2))
        conn_cut(actor->conn);
    actor_wait(actor, kind < 80 ? pick(w, 20) : kind < 98 ? pick(w, 300) : pick(w, 8000));
}

void actor_trace(const struct actor *actor, const char *format, ...)
{
    char text[900];
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
