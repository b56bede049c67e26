/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_SERVE_CQL_OTHER_H
#define TESTS_SIM_SERVE_CQL_OTHER_H

/* What counters and swaps remember: see counter.c and swapper.c. */
#include "twin.h"

enum { COUNTS_MAX = 400, SWAPS_MAX = 400, PLACES = 4, UNKNOWN_MAX = 8 };

struct tally {
    struct count {
        int place;
        int64_t delta;
        uint64_t sent, done; /* done 0 = not known */
    } counts[COUNTS_MAX];
    int count;
    int unknown; /* whose answers were lost */
};

struct chain {
    struct swap {
        int place;
        int from, to; /* 0 = absent */
        uint64_t sent, done;
        enum { SWAP_UNKNOWN, SWAP_APPLIED, SWAP_REFUSED } fate;
    } swaps[SWAPS_MAX];
    int count;
};

#endif
