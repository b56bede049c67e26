/* SPDX-License-Identifier: MIT */
#ifndef QUERY_CAST_TEXT_H
#define QUERY_CAST_TEXT_H

#include "base/str.h"

/* Texts as values, by the rules of CAST. Blanks and control characters around them do not count.
 * ERR_SYNTAX when the text is none, ERR_OUT_OF_RANGE. */

/* Without ANSI a fraction is cut off ("1.9" is 1). */
enum err cast_text_integer(struct str text, bool fractions, int64_t *ret_value) MUST_USE;
enum err cast_text_double(struct str text, double *ret_value) MUST_USE;
enum err cast_text_float(struct str text, float *ret_value) MUST_USE;
enum err cast_text_boolean(struct str text, bool *ret_value) MUST_USE;
enum err cast_text_decimal(struct str text, unsigned precision, unsigned scale,
                           __int128 *ret_value) MUST_USE;
struct str cast_text_trim(struct str text);
/* A time of day without a date: "10:11", "T10", "10:11:12.5 UTC"; *ret_time is the text without T
 * and blanks around it, *ret_zone what follows the digits in it. Whether the parts are in range is
 * for the parser of timestamps to say. */
bool cast_text_is_clock(struct str text, struct str *ret_time, struct str *ret_zone);

#endif
