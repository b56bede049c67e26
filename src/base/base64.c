/* SPDX-License-Identifier: MIT */
/*
 * Base64: three bytes are four letters. Decoding is strict, so that every text stands for one value
 * and every value for one text: no line feeds, full padding, no bits behind the end.
 */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct str bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.bytes; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (i + k < bytes.bytes ? (uint8_t)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_char(out, i + k <= bytes.bytes ? digits[group >> (18 - 6 * k) & 63] : '=');
    }
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err base64_decode(struct str text, struct buf *out)
{
    if (text.bytes % 4)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.bytes; i += 4) {
        size_t letters = 4;
        uint32_t group = 0;
        while (letters > 2 && i + 4 == text.bytes && text.ptr[i + letters - 1] == '=')
            letters--;
        for (size_t k = 0; k < 4; k++) {
            int value = k < letters ? digit_value(text.ptr[i + k]) : 0;
            if (value < 0)
                return ERR_SYNTAX;
            group = group << 6 | (uint32_t)value;
        }
        if (letters < 4 && (group & (letters == 2 ? 0xffff : 0xff)))
            return ERR_SYNTAX;
        for (size_t k = 0; k + 1 < letters; k++)
            buf_char(out, (char)(uint8_t)(group >> (16 - 8 * k)));
    }
    return buf_error(out);
}
