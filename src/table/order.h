/* SPDX-License-Identifier: MIT */
#ifndef TABLE_ORDER_H
#define TABLE_ORDER_H

#include "table/encoding.h"

/* Bytes whose order is that of the values. */

/* False: the values have no order. */
bool order_is_defined(const struct encoding *encoding);
/* Appends the ordered bytes of a value. ERR_INVALID: not a value of the type. */
enum err order_put(const struct encoding *encoding, struct str value, struct buf *out) MUST_USE;
/* Takes a value's ordered bytes off the front of *rest, where all bits are inverted when flip is
 * 0xFF, and appends its bytes. ERR_CORRUPT. */
enum err order_get(const struct encoding *encoding, struct str *rest, uint8_t flip,
                   struct buf *out) MUST_USE;

/* Escaped runs of bytes. */
void order_escape(struct str bytes, struct buf *out);
enum err order_unescape(struct str *rest, uint8_t flip, struct buf *out) MUST_USE;

#endif
