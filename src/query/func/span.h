/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_SPAN_H
#define QUERY_FUNC_SPAN_H

#include "data/type.h"

/* Texts of intervals. ERR_SYNTAX, ERR_OUT_OF_RANGE. */

/* "1-2", "INTERVAL '1-2' YEAR TO MONTH" for the units of type. */
enum err span_parse_months(struct str text, const struct type *type, int32_t *ret_months) MUST_USE;
/* "1 02:03:04.5", "INTERVAL '1 02' DAY TO HOUR" for the units of type. */
enum err span_parse_us(struct str text, const struct type *type, int64_t *ret_us) MUST_USE;
/* "1 year 2 days -3.5 seconds", "interval 10 minutes". */
enum err span_parse(struct str text, struct interval *ret_interval) MUST_USE;

enum { UNIT_DAY, UNIT_HOUR, UNIT_MINUTE, UNIT_SECOND };
enum { UNIT_YEAR, UNIT_MONTH };
int64_t span_unit_us(unsigned unit); /* of UNIT_DAY .. UNIT_SECOND */

#endif
