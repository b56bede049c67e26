/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_WHEN_H
#define QUERY_FUNC_WHEN_H

#include "base/zone.h"
#include "data/type.h"

/* Calendar steps, as Spark makes them. */

/* The same day of another month, or that month's last. */
int64_t when_add_months(int64_t days, int64_t months);
/* us moved by months and days on the wall clock of zone (NULL: us is the wall clock) and by exact
 * microseconds; sign 1 or -1. False on overflow. */
bool when_add_span(int64_t us, struct interval span, int sign, const struct zone *zone,
                   int64_t *ret_us);
int64_t when_local(int64_t us, const struct zone *zone);
int64_t when_instant(int64_t local_us, const struct zone *zone);
static inline int64_t when_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

#endif
