/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_LATENCY_H
#define PIPELINE_LATENCY_H

#include <stdint.h>

/* A histogram of times in us with 16 steps a doubling (6 % wide), 1 us to 18 minutes. One thread.
 */
enum { LATENCY_BUCKETS = 16 * 31 };
struct latency {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t count;
};

static inline unsigned latency_bucket(int64_t us)
{
    if (us < 16)
        return us < 0 ? 0 : (unsigned)us;
    unsigned top = 63 - (unsigned)__builtin_clzll((uint64_t)us);
    unsigned bucket = (top - 3) * 16 + (unsigned)((uint64_t)us >> (top - 4) & 15);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static inline void latency_add(struct latency *latency, int64_t us, uint64_t times)
{
    latency->counts[latency_bucket(us)] += times;
    latency->count += times;
}

/* The time that share (0..1) of the values do not exceed; -1 without values. */
static inline int64_t latency_quantile(const struct latency *latency, double share)
{
    if (!latency->count)
        return -1;
    uint64_t rank = (uint64_t)(share * (double)(latency->count - 1)), seen = 0;
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        seen += latency->counts[b];
        if (seen > rank)
            return b < 16 ? (int64_t)b : (int64_t)(16 + b % 16 + 1) << (b / 16 - 1);
    }
    return -1;
}

#endif
