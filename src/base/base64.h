/* SPDX-License-Identifier: MIT */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

/* Base64 with + and / and padding (RFC 4648, section 4). */
void base64_encode(struct str bytes, struct buf *out);
/* ERR_SYNTAX for other letters, missing padding and bits behind the end; out is then of no use. */
enum err base64_decode(struct str text, struct buf *out) MUST_USE;

#endif
