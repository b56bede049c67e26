/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_SERVE_ACTOR_H
#define TESTS_SIM_SERVE_ACTOR_H

/*
 * Actors: the clients of a simulated door, each with a clock of its own that calls its next step.
 * actors.c is compiled with each door's world.h, whose struct world has run, prng, clients, actors
 * and draining.
 */
#include "seeds.h"

#include "io/loop.h"

struct world;
struct conn;

struct actor {
    struct world *w;
    struct actor *next;
    struct conn *conn;
    struct io_timer timer;
    const char *kind;
    int number;
    void (*step)(struct actor *actor);  /* its time has come */
    void (*reset)(struct actor *actor); /* acknowledged things are lost: begin anew; may be NULL */
    void (*free)(struct actor *actor);
};
/* How a door's actors take their time, in ms and percent; each program has one. */
extern const struct actor_pace {
    int first_ms;
    int short_percent, usual_percent; /* of pauses; the others are long */
    int long_ms;
    int cut_percent; /* of pauses: the connection ends */
} actor_pace;

void actor_add(struct world *w, struct actor *actor, const char *kind, int number);
/* step() is called after that long; again, if it is waiting. */
void actor_wait(struct actor *actor, int64_t delay_ms);
/* A while as people and programs take it: mostly short. */
void actor_pause(struct actor *actor);
void actor_trace(const struct actor *actor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void actor_fail(const struct actor *actor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- of the run ---- */
int pick(struct world *w, int below);
bool chance(struct world *w, int percent);
void reached(struct world *w, int mark);
bool failed(const struct world *w);

#endif
