/* SPDX-License-Identifier: MIT */
#ifndef BASE_CIVIL_H
#define BASE_CIVIL_H

#include "base/buf.h"

/* Time arithmetic without a clock: proleptic Gregorian calendar, UTC, microseconds since
 * 1970-01-01T00:00:00Z (us) and days since 1970-01-01 (days). */
#define US_PER_SECOND 1000000LL
#define US_PER_DAY 86400000000LL

struct civil {
    int64_t year;
    int month, day;           /* 1..12, 1..31 */
    int hour, minute, second; /* 0..23, 0..59, 0..59 */
    int micros;               /* 0..999999 */
};

int64_t civil_days(int64_t year, int month, int day);
void civil_from_days(int64_t days, struct civil *ret_civil); /* date part only */
void civil_from_us(int64_t us, struct civil *ret_civil);
int64_t civil_to_us(const struct civil *civil);
int civil_days_in_month(int64_t year, int month);

/* "2024-01-01T00:00:00.000Z": digits of fraction 0, 3 or 6. */
void civil_print_iso(struct buf *out, int64_t us, int fraction_digits);
/* "250ms", "10s", "5m", "2h", "7d" to milliseconds. ERR_SYNTAX. A bare number is not accepted. */
enum err duration_parse(struct str text, int64_t *ret_ms) MUST_USE;
/* "1.2 s", "15 ms", "3 min": for people. */
void duration_print(struct buf *out, int64_t ms);
/* "64KB", "1MB", "2GiB" or a bare number of bytes; KB means 1024 as Kafka users expect. */
enum err bytes_parse(struct str text, int64_t *ret_bytes) MUST_USE;

#endif
