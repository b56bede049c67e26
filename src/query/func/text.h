/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_TEXT_H
#define QUERY_FUNC_TEXT_H

#include "base/buf.h"
#include "base/mem.h"

/* UTF-8 text: code points and case. */

/* Bytes of the code point at at: 1..4, never behind the end; a stray byte counts as one. */
static inline size_t text_point_bytes(struct str text, size_t at)
{
    uint8_t lead = (uint8_t)text.ptr[at];
    size_t bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return at + bytes > text.bytes ? text.bytes - at : bytes;
}
/* Code points of a text. */
size_t text_points(struct str text);
/* Byte index of the code point number points (or the end). */
size_t text_byte_of(struct str text, size_t points);
void text_upper(struct str text, struct buf *out);
void text_lower(struct str text, struct buf *out);
/* First letter of each word (words are parted by blanks) in title case, the rest in lower case. */
void text_initcap(struct str text, struct buf *out);
int32_t text_decode(struct str text, size_t at);
void text_encode(int32_t point, struct buf *out);
void buf_deinit_at(struct buf *buf);

#endif
