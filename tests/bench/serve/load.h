/* SPDX-License-Identifier: MIT */
#ifndef TESTS_BENCH_SERVE_LOAD_H
#define TESTS_BENCH_SERVE_LOAD_H

/* What the load clients share. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Or the end, with errno's words. */
static inline void must(bool fine, const char *what)
{
    if (fine)
        return;
    perror(what);
    exit(1);
}

#endif
