/* SPDX-License-Identifier: MIT */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/civil.h"

/* Time zones: UTC, fixed offsets ("+02:00", "GMT-8", "UTC+1") and the names of the tz database,
 * whose compiled tables are built into the program. Never the process's TZ. Zones are shared,
 * immutable and live as long as the program. */
struct zone;

/* ERR_NOT_FOUND for an unknown name. Any thread. */
enum err zone_find(struct str name, const struct zone **ret_zone) MUST_USE;
const struct zone *zone_utc(void);
struct str zone_name(const struct zone *zone);
/* Seconds east of UTC at that instant. */
int32_t zone_offset_at(const struct zone *zone, int64_t us);
/* The same, and the span [from, until) of instants where it holds, for caching. */
int32_t zone_offset_span(const struct zone *zone, int64_t us, int64_t *ret_from,
                         int64_t *ret_until);
/* Local time to instant as Java does it: in a gap the time moves forward by the gap, in an overlap
 * the earlier offset is taken. */
int64_t zone_local_to_us(const struct zone *zone, int64_t local_us);
/* Abbreviation in use then ("CET", "PST"), or "+02:00" forms. */
struct str zone_abbreviation(const struct zone *zone, int64_t us);

#endif
