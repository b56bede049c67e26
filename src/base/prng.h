/* SPDX-License-Identifier: MIT */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

/* SplitMix64: a seeded, repeatable stream of numbers for tests, generators and jitter. Not for
 * secrets. Any seed is good. */
struct prng {
    uint64_t state;
};

static inline uint64_t prng_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static inline uint64_t prng_next(struct prng *prng)
{
    uint64_t value = prng_mix(prng->state);
    prng->state += 0x9E3779B97F4A7C15u;
    return value;
}

/* 0 <= value < below; below > 0. */
static inline uint64_t prng_below(struct prng *prng, uint64_t below)
{
    return (uint64_t)(((unsigned __int128)prng_next(prng) * below) >> 64);
}

/* 0 <= value < 1. */
static inline double prng_real(struct prng *prng)
{
    return (double)(prng_next(prng) >> 11) * 0x1p-53;
}

#endif
