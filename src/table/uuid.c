/* SPDX-License-Identifier: MIT */
/*
 * Uuids and internet addresses as text and as bytes. A uuid is parsed for every row of the usual
 * table, so by one look into a table a digit, with one test of all digits at the end.
 */
#include "table/uuid.h"

#include <arpa/inet.h>

/* Value of a hex digit, 0x80 for every other byte. */
static uint8_t digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (uint8_t)(c - 'a' + 10) : 0x80;
}

/* Where the 16 bytes stand in the text. */
static const uint8_t places[UUID_BYTES] = {0,  2,  4,  6,  9,  11, 14, 16,
                                           19, 21, 24, 26, 28, 30, 32, 34};

bool uuid_parse(struct str text, uint8_t ret_bytes[UUID_BYTES])
{
    if (text.bytes != UUID_TEXT_BYTES)
        return false;
    const uint8_t *in = (const uint8_t *)text.ptr;
    if (in[8] != '-' || in[13] != '-' || in[18] != '-' || in[23] != '-')
        return false;
    uint8_t bad = 0, bytes[UUID_BYTES];
    for (size_t i = 0; i < UUID_BYTES; i++) {
        uint8_t high = digit(in[places[i]]), low = digit(in[places[i] + 1]);
        bad |= high | low;
        bytes[i] = (uint8_t)(high << 4 | (low & 15));
    }
    if (bad & 0x80)
        return false;
    memcpy(ret_bytes, bytes, UUID_BYTES);
    return true;
}

void uuid_print(const uint8_t bytes[UUID_BYTES], char ret_text[UUID_TEXT_BYTES])
{
    static const char digits[16] = "0123456789abcdef";
    ret_text[8] = ret_text[13] = ret_text[18] = ret_text[23] = '-';
    for (size_t i = 0; i < UUID_BYTES; i++) {
        ret_text[places[i]] = digits[bytes[i] >> 4];
        ret_text[places[i] + 1] = digits[bytes[i] & 15];
    }
}

size_t inet_parse(struct str text, uint8_t ret_bytes[16])
{
    char copy[INET_TEXT_MAX];
    if (text.bytes >= sizeof copy || (text.bytes && memchr(text.ptr, 0, text.bytes)))
        return 0;
    memcpy(copy, text.bytes ? text.ptr : "", text.bytes);
    copy[text.bytes] = 0;
    if (inet_pton(AF_INET, copy, ret_bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, copy, ret_bytes) == 1 ? 16 : 0;
}

bool inet_print(struct str bytes, char ret_text[INET_TEXT_MAX])
{
    if (bytes.bytes != 4 && bytes.bytes != 16)
        return false;
    int family = bytes.bytes == 4 ? AF_INET : AF_INET6;
    return inet_ntop(family, bytes.ptr, ret_text, INET_TEXT_MAX) != NULL;
}
