/* SPDX-License-Identifier: MIT */
/* Code points and case. Runs of ASCII take a byte loop; what is behind them goes through utf8proc,
 * one code point at a time, with the few mappings that grow (ß, ligatures) from Unicode's
 * SpecialCasing, as ICU has them. The final sigma follows a letter and precedes none. */
#include "query/func/text.h"

#include <utf8proc.h>

void buf_deinit_at(struct buf *buf)
{
    buf_deinit(buf);
}

size_t text_points(struct str text)
{
    size_t points = 0;
    for (size_t i = 0; i < text.bytes; i++)
        points += ((uint8_t)text.ptr[i] & 0xC0) != 0x80;
    return points;
}

size_t text_byte_of(struct str text, size_t points)
{
    size_t at = 0;
    for (; points > 0 && at < text.bytes; points--)
        at += text_point_bytes(text, at);
    return at;
}

int32_t text_decode(struct str text, size_t at)
{
    utf8proc_int32_t point;
    utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text.ptr + at,
                                              (utf8proc_ssize_t)(text.bytes - at), &point);
    return bytes > 0 ? point : -1;
}

void text_encode(int32_t point, struct buf *out)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t count = utf8proc_encode_char(point, bytes);
    buf_append(out, bytes, (size_t)count);
}

struct growing {
    int32_t point;
    const char *upper, *title;
};
static const struct growing growing_letters[] = {
    {0xDF, "SS", "Ss"},     {0x149, "ʼN", "ʼN"},  {0x1F0, "J̌", "J̌"},    {0x587, "ԵՒ", "Եւ"},
    {0xFB00, "FF", "Ff"},   {0xFB01, "FI", "Fi"}, {0xFB02, "FL", "Fl"}, {0xFB03, "FFI", "Ffi"},
    {0xFB04, "FFL", "Ffl"}, {0xFB05, "ST", "St"}, {0xFB06, "ST", "St"},
};

static const struct growing *growing_of(int32_t point)
{
    for (size_t i = 0; i < sizeof growing_letters / sizeof *growing_letters; i++)
        if (growing_letters[i].point == point)
            return &growing_letters[i];
    return NULL;
}

static bool is_letter(struct str text, size_t at)
{
    int32_t point = text_decode(text, at);
    if (point < 0)
        return false;
    utf8proc_category_t category = utf8proc_category(point);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

static bool letter_before(struct str text, size_t at)
{
    if (at == 0)
        return false;
    do
        at--;
    while (at > 0 && ((uint8_t)text.ptr[at] & 0xC0) == 0x80);
    return is_letter(text, at);
}

enum text_case { CASE_UPPER, CASE_LOWER, CASE_TITLE };

static void point_case(struct str text, size_t at, enum text_case to, struct buf *out)
{
    size_t bytes = text_point_bytes(text, at);
    int32_t point = text_decode(text, at);
    const struct growing *grows = to == CASE_LOWER ? NULL : growing_of(point);
    if (point < 0)
        buf_append(out, text.ptr + at, bytes);
    else if (grows)
        buf_text(out, to == CASE_UPPER ? grows->upper : grows->title);
    else if (to == CASE_LOWER && point == 0x130)
        buf_text(out, "i̇");
    else if (to == CASE_LOWER && point == 0x3A3 && letter_before(text, at) &&
             (at + bytes >= text.bytes || !is_letter(text, at + bytes)))
        buf_text(out, "ς");
    else
        text_encode(to == CASE_UPPER   ? utf8proc_toupper(point)
                    : to == CASE_LOWER ? utf8proc_tolower(point)
                                       : utf8proc_totitle(point),
                    out);
}

static void text_case(struct str text, enum text_case to, struct buf *out)
{
    char low = to == CASE_UPPER ? 'a' : 'A', high = to == CASE_UPPER ? 'z' : 'Z';
    size_t at = 0;
    while (at < text.bytes) {
        size_t from = at;
        char *to_bytes = (char *)buf_reserve(out, text.bytes - from);
        if (!to_bytes)
            return;
        for (; at < text.bytes && (int8_t)text.ptr[at] >= 0; at++) {
            char c = text.ptr[at];
            to_bytes[at - from] = (char)(c ^ (c >= low && c <= high ? 0x20 : 0));
        }
        buf_advance(out, at - from);
        for (; at < text.bytes && (int8_t)text.ptr[at] < 0; at += text_point_bytes(text, at))
            point_case(text, at, to, out);
    }
}

void text_upper(struct str text, struct buf *out)
{
    text_case(text, CASE_UPPER, out);
}

void text_lower(struct str text, struct buf *out)
{
    text_case(text, CASE_LOWER, out);
}

void text_initcap(struct str text, struct buf *out)
{
    bool start = true;
    for (size_t at = 0; at < text.bytes; at += text_point_bytes(text, at)) {
        point_case(text, at, start ? CASE_TITLE : CASE_LOWER, out);
        start = text.ptr[at] == ' ';
    }
}
