/* SPDX-License-Identifier: MIT */
/*
 * Numbers in values: vints, integers of any size, decimals, and floats as Java prints them.
 *
 * A vint's first byte has as many leading ones as bytes follow it; the rest is big endian. A varint
 * is two's complement in as few bytes as hold it (not checked on reading: Cassandra takes others
 * too). A decimal is the number of its digits behind the point (i32, may be negative) and a varint.
 *
 * Conversion of large numbers between bases is by schoolbook division, 18 digits a step, quadratic
 * in their length. So text of over VARINT_DIGITS_MAX digits is refused, and a value of over
 * VARINT_BYTES_MAX bytes, which only bytes from a client can make, prints as 0x and hex.
 */
#include "wire/cql/private.h"

#include <math.h>
#include <stdio.h>

enum { VARINT_DIGITS_MAX = 100000, VARINT_BYTES_MAX = 40000, PLAIN_DIGITS_MAX = 1000 };
#define LIMB_BASE 1000000000000000000u /* 18 digits */

void cql_vint_append(struct buf *out, uint64_t value)
{
    unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 1;
    unsigned extra = (bits - 1) / 7;
    if (extra > 8)
        extra = 8;
    uint8_t bytes[9];
    for (unsigned i = 0; i < extra; i++)
        bytes[extra - i] = (uint8_t)(value >> (8 * i));
    uint8_t ones = (uint8_t) ~(0xFFu >> extra);
    bytes[0] = (uint8_t)(extra == 8 ? 0xFF : ones | value >> (8 * extra));
    buf_append(out, bytes, extra + 1);
}

uint64_t cql_vint_read(struct reader *r)
{
    uint8_t first = reader_u8(r);
    unsigned extra = first == 0xFF ? 8 : (unsigned)__builtin_clz((uint8_t)~first) - 24;
    const uint8_t *at = reader_take(r, extra);
    if (!at)
        return 0;
    uint64_t value = extra >= 7 ? 0 : first & (0xFFu >> extra >> 1);
    for (unsigned i = 0; i < extra; i++)
        value = value << 8 | at[i];
    return value;
}

/* ---- integers of any size ---- */

/* The value when it fits, without leading bytes that say nothing. */
static bool varint_small(struct str value, int64_t *ret_value)
{
    size_t at = 0;
    bool negative = value.bytes && (uint8_t)value.ptr[0] >> 7;
    while (value.bytes - at > 8 && (uint8_t)value.ptr[at] == (negative ? 0xFF : 0))
        at++;
    if (value.bytes - at > 8)
        return false;
    if (at && (uint8_t)value.ptr[at] >> 7 != negative)
        return false;
    uint64_t bits = negative ? UINT64_MAX : 0;
    for (; at < value.bytes; at++)
        bits = bits << 8 | (uint8_t)value.ptr[at];
    *ret_value = (int64_t)bits;
    return true;
}

/* The magnitude as big-endian words of 64 bits. False when too long. */
static uint64_t *varint_words(struct str value, size_t *ret_count)
{
    size_t count = value.bytes / 8 + 1;
    uint64_t *words = mem_zero(count * 8);
    bool negative = (uint8_t)value.ptr[0] >> 7;
    uint64_t carry = negative;
    for (size_t i = 0; i < count; i++) { /* from the end */
        uint64_t word = 0;
        for (size_t j = 0; j < 8; j++) {
            size_t back = i * 8 + j;
            uint64_t byte = back < value.bytes ? (uint8_t)value.ptr[value.bytes - 1 - back]
                            : negative         ? 0xFF
                                               : 0;
            word |= byte << (8 * j);
        }
        if (negative) {
            word = ~word + carry;
            carry = carry && word == 0;
        }
        words[count - 1 - i] = word;
    }
    *ret_count = count;
    return words;
}

void cql_varint_print(struct str value, struct buf *out)
{
    int64_t small;
    if (varint_small(value, &small)) {
        buf_printf(out, "%lld", (long long)small);
        return;
    }
    if (value.bytes > VARINT_BYTES_MAX) {
        buf_text(out, "0x");
        cql_hex_print(value, out);
        return;
    }
    size_t count, first = 0, groups = 0;
    uint64_t *words = varint_words(value, &count);
    uint64_t *parts = mem_array(count * 20 / 18 + 2, sizeof *parts);
    while (first < count) {
        uint64_t rest = 0;
        for (size_t i = first; i < count; i++) {
            unsigned __int128 part = (unsigned __int128)rest << 64 | words[i];
            words[i] = (uint64_t)(part / LIMB_BASE);
            rest = (uint64_t)(part % LIMB_BASE);
        }
        parts[groups++] = rest;
        while (first < count && !words[first])
            first++;
    }
    if ((uint8_t)value.ptr[0] >> 7)
        buf_char(out, '-');
    buf_printf(out, "%llu", (unsigned long long)parts[groups - 1]);
    for (size_t i = groups - 1; i-- > 0;)
        buf_printf(out, "%018llu", (unsigned long long)parts[i]);
    mem_free(words);
    mem_free(parts);
}

/* Two's complement of the magnitude (words, least first) in as few bytes as hold it. */
static void varint_append(struct buf *out, uint64_t *words, size_t count, bool negative)
{
    if (negative) {
        uint64_t carry = 1;
        for (size_t i = 0; i < count; i++) {
            words[i] = ~words[i] + carry;
            carry = carry && words[i] == 0;
        }
    }
    size_t bytes = count * 8;
    uint8_t *to = buf_reserve(out, bytes + 1);
    if (!to)
        return;
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(words[(bytes - 1 - i) / 8] >> (8 * ((bytes - 1 - i) % 8)));
    size_t skip = 0;
    while (skip + 1 < bytes &&
           ((to[skip] == 0 && to[skip + 1] < 0x80) || (to[skip] == 0xFF && to[skip + 1] >= 0x80)))
        skip++;
    memmove(to, to + skip, bytes - skip);
    buf_advance(out, bytes - skip);
}

/* Digits (only) to a varint. */
static enum err digits_append(struct str digits, bool negative, struct buf *out)
{
    if (digits.bytes > VARINT_DIGITS_MAX)
        return ERR_LIMIT;
    size_t room = digits.bytes / 18 + 2, count = 1;
    uint64_t *words = mem_zero(room * sizeof *words);
    for (size_t at = 0; at < digits.bytes;) {
        size_t step = digits.bytes - at;
        step = step % 18 ? step % 18 : 18;
        uint64_t part = 0, scale = 1;
        for (size_t i = 0; i < step; i++) {
            part = part * 10 + (uint64_t)(digits.ptr[at + i] - '0');
            scale *= 10;
        }
        unsigned __int128 carry = part;
        for (size_t i = 0; i < count; i++) {
            carry += (unsigned __int128)words[i] * scale;
            words[i] = (uint64_t)carry;
            carry >>= 64;
        }
        if (carry)
            words[count++] = (uint64_t)carry;
        at += step;
    }
    /* A word more, for the sign. */
    varint_append(out, words, count + 1, negative);
    mem_free(words);
    return buf_error(out);
}

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.bytes; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.bytes > 0;
}

static bool take_sign(struct str *text)
{
    if (!text->bytes || (text->ptr[0] != '-' && text->ptr[0] != '+'))
        return false;
    bool negative = text->ptr[0] == '-';
    *text = str_slice(*text, 1, text->bytes);
    return negative;
}

enum err cql_varint_from_text(struct str text, struct buf *out)
{
    bool negative = take_sign(&text);
    if (!all_digits(text))
        return ERR_SYNTAX;
    while (text.bytes > 1 && text.ptr[0] == '0')
        text = str_slice(text, 1, text.bytes);
    return digits_append(text, negative, out);
}

int cql_varint_compare(struct str a, struct str b)
{
    int64_t x, y;
    if (varint_small(a, &x) && varint_small(b, &y))
        return (x > y) - (x < y);
    bool negative_a = a.bytes && (uint8_t)a.ptr[0] >> 7,
         negative_b = b.bytes && (uint8_t)b.ptr[0] >> 7;
    if (negative_a != negative_b)
        return negative_a ? -1 : 1;
    /* Same sign: bytes that only repeat it say nothing; then the longer is farther from zero. */
    uint8_t fill = negative_a ? 0xFF : 0;
    while (a.bytes && (uint8_t)a.ptr[0] == fill)
        a = str_slice(a, 1, a.bytes);
    while (b.bytes && (uint8_t)b.ptr[0] == fill)
        b = str_slice(b, 1, b.bytes);
    if (a.bytes != b.bytes)
        return (a.bytes > b.bytes) != negative_a ? 1 : -1;
    int order = a.bytes ? memcmp(a.ptr, b.ptr, a.bytes) : 0;
    return (order > 0) - (order < 0);
}

/* ---- decimals ---- */

bool cql_decimal_split(struct str value, struct cql_decimal *ret_decimal)
{
    if (value.bytes < 4)
        return false;
    ret_decimal->scale = (int32_t)get_be32(value.ptr);
    ret_decimal->unscaled = str_slice(value, 4, value.bytes);
    return true;
}

int cql_decimal_compare(struct str a, struct str b)
{
    struct cql_decimal x, y;
    bool is_a = cql_decimal_split(a, &x), is_b = cql_decimal_split(b, &y);
    if (!is_a || !is_b)
        return (int)is_a - (int)is_b;
    if (x.scale == y.scale)
        return cql_varint_compare(x.unscaled, y.unscaled);
    struct buf digits_a = {0}, digits_b = {0};
    cql_varint_print(x.unscaled, &digits_a);
    cql_varint_print(y.unscaled, &digits_b);
    struct str p = buf_str(&digits_a), q = buf_str(&digits_b);
    bool zero_a = str_equal(p, STR("0")), zero_b = str_equal(q, STR("0"));
    int sign_a = zero_a            ? 0
                 : p.ptr[0] == '-' ? -1
                                   : 1,
        sign_b = zero_b            ? 0
                 : q.ptr[0] == '-' ? -1
                                   : 1;
    int order = (sign_a > sign_b) - (sign_a < sign_b);
    if (!order && sign_a) {
        take_sign(&p);
        take_sign(&q);
        /* Digits before the point, then digit by digit. */
        int64_t whole_a = (int64_t)p.bytes - x.scale, whole_b = (int64_t)q.bytes - y.scale;
        order = (whole_a > whole_b) - (whole_a < whole_b);
        for (size_t i = 0; !order && (i < p.bytes || i < q.bytes); i++) {
            char c = i < p.bytes ? p.ptr[i] : '0', d = i < q.bytes ? q.ptr[i] : '0';
            order = (c > d) - (c < d);
        }
        order *= sign_a;
    }
    buf_deinit(&digits_a);
    buf_deinit(&digits_b);
    return order;
}

static void zeros(struct buf *out, int64_t count)
{
    for (; count > 0; count--)
        buf_char(out, '0');
}

void cql_decimal_print(struct str value, bool plain, struct buf *out)
{
    struct cql_decimal d;
    if (!cql_decimal_split(value, &d))
        return;
    struct buf text = {0};
    cql_varint_print(d.unscaled, &text);
    struct str digits = buf_str(&text);
    if (take_sign(&digits))
        buf_char(out, '-');
    int64_t count = (int64_t)digits.bytes, scale = d.scale, exponent = count - 1 - scale;
    if (plain && (scale > PLAIN_DIGITS_MAX + count || scale < -PLAIN_DIGITS_MAX))
        plain = false;
    if (!plain && (scale < 0 || exponent < -6)) {
        buf_str_append(out, str_slice(digits, 0, 1));
        if (count > 1) {
            buf_char(out, '.');
            buf_str_append(out, str_slice(digits, 1, digits.bytes));
        }
        if (exponent)
            buf_printf(out, "E%+lld", (long long)exponent);
    } else if (scale <= 0) {
        buf_str_append(out, digits);
        if (!str_equal(digits, STR("0")))
            zeros(out, -scale);
    } else if (count > scale) {
        buf_str_append(out, str_slice(digits, 0, (size_t)(count - scale)));
        buf_char(out, '.');
        buf_str_append(out, str_slice(digits, (size_t)(count - scale), digits.bytes));
    } else {
        buf_text(out, "0.");
        zeros(out, scale - count);
        buf_str_append(out, digits);
    }
    buf_deinit(&text);
}

enum err cql_decimal_from_text(struct str text, struct buf *out)
{
    bool negative = take_sign(&text);
    int64_t exponent = 0;
    size_t e = 0;
    while (e < text.bytes && (text.ptr[e] | 0x20) != 'e')
        e++;
    if (e < text.bytes) {
        struct str tail = str_slice(text, e + 1, text.bytes);
        bool below = take_sign(&tail);
        if (!all_digits(tail) || str_to_i64(tail, &exponent) != OK ||
            exponent > 2 * (int64_t)INT32_MAX)
            return ERR_SYNTAX;
        exponent = below ? -exponent : exponent;
    }
    struct str mantissa = str_slice(text, 0, e);
    size_t point = str_find(mantissa, STR("."), 0);
    struct str whole = point == SIZE_MAX ? mantissa : str_slice(mantissa, 0, point);
    struct str part = point == SIZE_MAX ? STR("") : str_slice(mantissa, point + 1, mantissa.bytes);
    if ((whole.bytes && !all_digits(whole)) || (part.bytes && !all_digits(part)) ||
        (!whole.bytes && !part.bytes))
        return ERR_SYNTAX;
    if (whole.bytes + part.bytes > VARINT_DIGITS_MAX)
        return ERR_LIMIT;
    int64_t scale = (int64_t)part.bytes - exponent;
    if (scale < INT32_MIN || scale > INT32_MAX)
        return ERR_OUT_OF_RANGE;
    struct buf digits = {0};
    buf_str_append(&digits, whole);
    buf_str_append(&digits, part);
    buf_be32(out, (uint32_t)(int32_t)scale);
    enum err err = digits_append(buf_str(&digits), negative, out);
    buf_deinit(&digits);
    return err;
}

/* ---- floats ---- */

void cql_double_print(double value, bool single, struct buf *out)
{
    if (isnan(value)) {
        buf_text(out, "NaN");
        return;
    }
    if (isinf(value)) {
        buf_text(out, value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    if (value == 0) {
        buf_text(out, signbit(value) ? "-0.0" : "0.0");
        return;
    }
    /* The fewest digits that read back as the same number: d.ddde+xx */
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        double back = 0;
        if (str_to_f64(str_of(text), &back) == OK &&
            (single ? (float)back == (float)value : back == value))
            break;
    }
    struct str s = str_of(text);
    size_t e = str_find(s, STR("e"), 0);
    int64_t exponent = 0;
    struct str power = str_slice(s, e + 1, s.bytes);
    bool below = take_sign(&power);
    if (str_to_i64(power, &exponent) != OK)
        return;
    exponent = below ? -exponent : exponent;
    if (take_sign(&s)) {
        buf_char(out, '-');
        e--;
    }
    char digits[24];
    size_t count = 0;
    for (size_t i = 0; i < e; i++)
        if (s.ptr[i] != '.')
            digits[count++] = s.ptr[i];
    if (exponent >= 7 || exponent < -3) {
        buf_printf(out, "%c.%.*s", digits[0], count > 1 ? (int)count - 1 : 1,
                   count > 1 ? digits + 1 : "0");
        buf_printf(out, "E%lld", (long long)exponent);
        return;
    }
    if (exponent < 0) {
        buf_text(out, "0.");
        zeros(out, -exponent - 1);
        buf_append(out, digits, count);
        return;
    }
    size_t whole = (size_t)exponent + 1;
    for (size_t i = 0; i < whole; i++)
        buf_char(out, i < count ? digits[i] : '0');
    buf_char(out, '.');
    if (count > whole)
        buf_append(out, digits + whole, count - whole);
    else
        buf_char(out, '0');
}
