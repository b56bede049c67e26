/* SPDX-License-Identifier: MIT */
#ifndef TABLE_UUID_H
#define TABLE_UUID_H

#include "base/str.h"

enum { UUID_BYTES = 16, UUID_TEXT_BYTES = 36, INET_TEXT_MAX = 46 };

/* "550e8400-e29b-41d4-a716-446655440000" in either case. */
bool uuid_parse(struct str text, uint8_t ret_bytes[UUID_BYTES]);
/* Lower case. */
void uuid_print(const uint8_t bytes[UUID_BYTES], char ret_text[UUID_TEXT_BYTES]);
static inline int uuid_version(const uint8_t bytes[UUID_BYTES])
{
    return bytes[6] >> 4;
}
/* 4 or 16 bytes written, 0 when the text is no address. */
size_t inet_parse(struct str text, uint8_t ret_bytes[16]);
/* The shortest form (RFC 5952). False when bytes are neither 4 nor 16. */
bool inet_print(struct str bytes, char ret_text[INET_TEXT_MAX]);

#endif
