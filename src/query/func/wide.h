/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_WIDE_H
#define QUERY_FUNC_WIDE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Unsigned integers of 512 bits with a sign beside them: what lies between two 38-digit decimals
 * and their exact product, quotient at 39 digits, or sum at another scale. */
enum { WIDE_LIMBS = 16 };
struct wide {
    uint32_t limbs[WIDE_LIMBS]; /* least significant first */
    bool negative;
};

struct wide wide_of(__int128 value);
/* value * 10^exponent; exponent 0..115 for 38-digit values. */
struct wide wide_scaled(__int128 value, unsigned exponent);
struct wide wide_add(const struct wide *a, const struct wide *b);
struct wide wide_multiply(const struct wide *a, const struct wide *b);
/* Quotient towards zero with the sign of the division, remainder with the sign of a. b is not 0. */
void wide_divide(const struct wide *a, const struct wide *b, struct wide *ret_quotient,
                 struct wide *ret_remainder);
bool wide_is_zero(const struct wide *a);
/* Magnitudes: <0, 0, >0. */
int wide_compare(const struct wide *a, const struct wide *b);
/* a / b, HALF_UP. */
struct wide wide_divide_half_up(const struct wide *a, const struct wide *b);
/* A value at from_scale as a decimal(precision, scale), HALF_UP; ERR_OUT_OF_RANGE. */
enum err wide_to_decimal(const struct wide *a, unsigned from_scale, unsigned precision,
                         unsigned scale, __int128 *ret_value) MUST_USE;

#endif
