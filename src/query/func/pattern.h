/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_PATTERN_H
#define QUERY_FUNC_PATTERN_H

#include "base/buf.h"
#include "base/zone.h"

/* java.time.format.DateTimeFormatter patterns, as Spark 3 and later take them. */
struct pattern_item {
    char letter; /* 0 = text, '[' ']' optional part */
    uint8_t count;
    struct str text;
};
enum { PATTERN_ITEMS_MAX = 128 };
struct pattern {
    struct pattern_item items[PATTERN_ITEMS_MAX];
    size_t count;
};

/* ERR_SYNTAX: no pattern; ERR_CONFLICT: one that older Sparks took and this one refuses;
 * ERR_UNSUPPORTED: week-based letters. Texts point into pattern. formatting: the optional
 * brackets are only for parsing. */
enum err pattern_compile(struct str pattern, struct pattern *ret_pattern) MUST_USE;

/* local_us is the wall clock; zone and us (the instant) are for zone letters: ERR_INVALID when one
 * is met and zone is NULL. */
enum err pattern_format(const struct pattern *pattern, int64_t local_us, const struct zone *zone,
                        int64_t us, struct buf *out) MUST_USE;
/* The whole text. Wall clock, and the zone that the text names (NULL: none). ERR_SYNTAX. */
enum err pattern_parse(const struct pattern *pattern, struct str text, int64_t *ret_local_us,
                       const struct zone **ret_zone) MUST_USE;

extern const char *const pattern_months[12], *const pattern_days[7]; /* Monday first */

#endif
