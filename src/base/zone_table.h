/* SPDX-License-Identifier: MIT */
#ifndef BASE_ZONE_TABLE_H
#define BASE_ZONE_TABLE_H

/* Private to base/zone.c: the shape of the tables that tools/gen/zones.py writes. */
#include "base/zone.h"

struct zone_type {
    int32_t offset; /* seconds east */
    char abbreviation[8];
};

/* "Mm.w.d/s" of POSIX: the week-th day (0 Sunday) of the month, 5 = last; month 0 = no rule. */
struct zone_day {
    uint8_t month, week, day;
    int32_t seconds; /* of local time, -167 h to 167 h */
};

/* Offsets of one place. Before the first transition type 0 holds; from the last one on the yearly
 * rule of standard and daylight type, when start has a month. */
struct zone_rules {
    uint32_t first; /* in zone_times and zone_kinds */
    uint32_t count;
    uint32_t types; /* first in zone_types; kinds count from there */
    uint8_t standard, daylight;
    struct zone_day start, end; /* of daylight */
};

struct zone {
    struct str name;
    const struct zone_rules *rules; /* NULL: offset holds always */
    int32_t offset;
};

extern const int64_t zone_times[];
extern const uint8_t zone_kinds[];
extern const struct zone_type zone_types[];
extern const struct zone_rules zone_rules[];
extern const struct zone zone_names[]; /* sorted by the bytes of their names */
extern const size_t zone_count;

#endif
