/* SPDX-License-Identifier: MIT */
/* Text slices: searching, numbers, nearest names, UTF-8. */
#include "base/str.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

int str_compare(struct str a, struct str b)
{
    size_t shared = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = shared ? memcmp(a.ptr, b.ptr, shared) : 0;
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_equal_nocase(struct str a, struct str b)
{
    if (a.bytes != b.bytes)
        return false;
    for (size_t i = 0; i < a.bytes; i++)
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return false;
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.bytes >= prefix.bytes && str_equal(str_slice(s, 0, prefix.bytes), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.bytes >= suffix.bytes &&
           str_equal(str_slice(s, s.bytes - suffix.bytes, s.bytes), suffix);
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    if (to > s.bytes)
        to = s.bytes;
    if (from > to)
        from = to;
    return (struct str){s.ptr ? s.ptr + from : NULL, to - from};
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.bytes && is_blank(s.ptr[0]))
        s.ptr++, s.bytes--;
    while (s.bytes && is_blank(s.ptr[s.bytes - 1]))
        s.bytes--;
    return s;
}

size_t str_find(struct str s, struct str needle, size_t from)
{
    if (from > s.bytes)
        return SIZE_MAX;
    if (needle.bytes == 0)
        return from;
    const char *hit =
        s.bytes > from ? memmem(s.ptr + from, s.bytes - from, needle.ptr, needle.bytes) : NULL;
    return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

bool str_cut(struct str *rest, char separator, struct str *ret_part)
{
    if (!rest->ptr)
        return false;
    const char *hit = rest->bytes ? memchr(rest->ptr, separator, rest->bytes) : NULL;
    if (!hit) {
        *ret_part = *rest;
        *rest = STR_NONE;
        return true;
    }
    size_t bytes = (size_t)(hit - rest->ptr);
    *ret_part = (struct str){rest->ptr, bytes};
    *rest = (struct str){hit + 1, rest->bytes - bytes - 1};
    return true;
}

enum err str_to_u64(struct str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.bytes == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < s.bytes; i++) {
        unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (digit > 9)
            return ERR_SYNTAX;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return ERR_OUT_OF_RANGE;
    }
    *ret_value = value;
    return OK;
}

enum err str_to_i64(struct str s, int64_t *ret_value)
{
    bool minus = s.bytes && s.ptr[0] == '-';
    uint64_t value;
    if (s.bytes && (s.ptr[0] == '-' || s.ptr[0] == '+'))
        s.ptr++, s.bytes--;
    TRY(str_to_u64(s, &value));
    if (value > (uint64_t)INT64_MAX + minus)
        return ERR_OUT_OF_RANGE;
    *ret_value = minus ? (int64_t)(0 - value) : (int64_t)value;
    return OK;
}

enum err str_to_f64(struct str s, double *ret_value)
{
    char text[512];
    if (s.bytes == 0 || s.bytes >= sizeof text)
        return ERR_SYNTAX;
    /* strtod() would also take blanks, hexadecimal numbers, nan and infinity. */
    for (size_t i = 0; i < s.bytes; i++)
        if (!memchr("0123456789+-.eE", s.ptr[i], 15))
            return ERR_SYNTAX;
    memcpy(text, s.ptr, s.bytes);
    text[s.bytes] = 0;
    char *end;
    double value = strtod(text, &end);
    if (end != text + s.bytes)
        return ERR_SYNTAX;
    *ret_value = value;
    return OK;
}

char *str_dup(struct str s)
{
    char *copy = mem_alloc(s.bytes + 1);
    if (s.bytes)
        memcpy(copy, s.ptr, s.bytes);
    copy[s.bytes] = 0;
    return copy;
}

/* Edit distance with swaps of neighbours, for short names only. */
static size_t distance(struct str a, struct str b)
{
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    if (a.bytes > LONGEST || b.bytes > LONGEST)
        return SIZE_MAX;
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    memset(before, 0, sizeof rows[0]);
    for (size_t j = 0; j <= b.bytes; j++)
        previous[j] = j;
    for (size_t i = 1; i <= a.bytes; i++) {
        current[0] = i;
        for (size_t j = 1; j <= b.bytes; j++) {
            bool same = fold(a.ptr[i - 1]) == fold(b.ptr[j - 1]);
            size_t best = previous[j - 1] + !same;
            if (previous[j] + 1 < best)
                best = previous[j] + 1;
            if (current[j - 1] + 1 < best)
                best = current[j - 1] + 1;
            if (i > 1 && j > 1 && fold(a.ptr[i - 1]) == fold(b.ptr[j - 2]) &&
                fold(a.ptr[i - 2]) == fold(b.ptr[j - 1]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            current[j] = best;
        }
        size_t *oldest = before;
        before = previous;
        previous = current;
        current = oldest;
    }
    return previous[b.bytes];
}

struct str str_nearest(struct str name, const char *const *candidates, size_t count)
{
    struct str best = STR_NONE;
    size_t best_distance = name.bytes / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        struct str candidate = str_of(candidates[i]);
        size_t d = distance(name, candidate);
        if (d < best_distance || (d == best_distance && !best.ptr)) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

/* Bytes of the valid sequence at p, 0 when there is none. Table 3-7 of the Unicode Standard. */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned c = p[0];
    if (c < 0x80)
        return 1;
    size_t bytes = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || left < bytes)
        return 0;
    unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    unsigned high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return bytes;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t left = s.bytes;
    while (left) {
        uint64_t word;
        if (left >= 8 && (memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0)) {
            p += 8;
            left -= 8;
            continue;
        }
        size_t bytes = sequence(p, left);
        if (!bytes)
            return false;
        p += bytes;
        left -= bytes;
    }
    return true;
}
