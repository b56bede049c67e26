/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_SERVE_SEEDS_H
#define TESTS_SIM_SERVE_SEEDS_H

/* The frame of a program that plays seeds: arguments, counting, TAP. */
#include "base/prng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One run of a seed: plays it, and tells what it saw. */
struct seed_run {
    uint64_t seed;
    bool trace;        /* print every step */
    uint64_t digest;   /* of everything that clients saw: the same for the same seed */
    char failure[600]; /* empty: all was right */
    bool *reached;     /* of seed_marks[]: what this run or one before it has met */
};

/* What runs must meet between them, or the traffic proves nothing; ended by NULL. */
extern const char *const seed_marks[];
void seed_play(struct seed_run *run);

void seed_fail(struct seed_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
void seed_trace(const struct seed_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Mixes bytes into the digest. */
void seed_digest(struct seed_run *run, const void *data, size_t bytes);

/* --seed N [--trace] | --seeds FROM COUNT; without: SIM_SEED, or SIM_SEEDS runs (100) from SIM_FROM
 * (1). Over 100 runs every mark must be reached; the first seed is played twice and must be the
 * same. */
int seed_main(int argc, char **argv);

#endif
