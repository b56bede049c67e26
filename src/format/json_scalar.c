/* SPDX-License-Identifier: MIT */
/*
 * Scalars into builders: booleans, numbers, texts, binary.
 *
 * Each function first tries the token that its type expects with code that assumes nothing else,
 * and leaves the rest (null, other tokens, broken text) to json_take_other(), which checks the
 * value with the skipper. So the error messages and the grammar live in one place, and the common
 * case stays short.
 *
 * Which token fits which type (docs/formats/json.md has the table with reasons):
 *   integers    an integer token in range; TINYINT takes -128..255 and cuts to 8 bits
 *   FLOAT ..    any number; the bare words and the texts NaN, [+-]Infinity, [+-]INF
 *   DECIMAL     any number and texts that Java's BigDecimal reads, commas left out; HALF_UP
 *   BOOLEAN     true, false
 *   STRING      any token
 *   BINARY      texts in Base64
 *
 * Integers are read 8 digits at a time in a 64-bit word. Doubles of at most 19 digits whose decimal
 * exponent is within 10^22 are exact in one multiplication (both factors are exact doubles, so the
 * only rounding is the last one); the others go to strtod.
 */
#include "format/json_decode.h"

#include <stdio.h>
#include <stdlib.h>

#define TOPS 0x8080808080808080u

/* ---- what does not fit ---- */

const uint8_t *json_misfit(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                           const uint8_t *behind, const char *what)
{
    if (!d->misfit) {
        d->misfit = node;
        d->misfit_at = p;
        d->misfit_what = what;
    }
    d->fit = JSON_MISFIT;
    return behind;
}

const uint8_t *json_take_other(struct json_decoder *d, struct json_node *node, const uint8_t *p,
                               const char *what)
{
    const uint8_t *behind = json_skip_value(&d->doc, p, d->depth);
    if (!behind)
        return NULL;
    if (*p != 'n')
        return json_misfit(d, node, p, behind, what);
    if (node->builder)
        builder_null(node->builder);
    return behind;
}

const uint8_t *json_take_any(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    p = json_skip_value(&d->doc, p, d->depth);
    if (p && node->builder)
        builder_null(node->builder);
    return p;
}

/* ---- numbers ---- */

const uint8_t *json_take_bool(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    if (*p != 't' && *p != 'f')
        return json_take_other(d, node, p, "true or false was expected");
    const uint8_t *behind = json_skip_value(&d->doc, p, d->depth);
    if (behind && node->builder)
        builder_bool(node->builder, *p == 't');
    return behind;
}

/* The value of eight ASCII digits in a little-endian word, less '0' each. */
static inline uint64_t eight_digits(uint64_t word)
{
    word = (word & 0x0F0F0F0F0F0F0F0Fu) * 2561 >> 8;
    word = (word & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
    return (word & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
}

/* Digits at p, at least one, as a number; *ret_count over 18 means that *ret_value is not set. */
static inline const uint8_t *read_digits(const uint8_t *p, const uint8_t *end, uint64_t *ret_value,
                                         size_t *ret_count)
{
    const uint8_t *from = p;
    uint64_t value = 0;
    if (end - p >= 8) {
        uint64_t word = get_le64(p) ^ 0x3030303030303030u;
        uint64_t others = ((word + 0x7676767676767676u) | word) & TOPS;
        unsigned bits = others ? (unsigned)__builtin_ctzll(others) & ~7u : 64;
        if (bits == 0)
            goto done;
        value = eight_digits(word << (64 - bits));
        p += bits / 8;
        if (bits < 64)
            goto done;
    }
    for (; p < end && (uint8_t)(*p - '0') <= 9; p++)
        value = value * 10 + (uint64_t)(*p - '0');
done:
    *ret_value = value;
    *ret_count = (size_t)(p - from);
    return p;
}

const uint8_t *json_take_integer(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    if (!json_is_number(*p))
        return json_take_other(d, node, p, "an integer was expected");
    const uint8_t *digits = p + (*p == '-'), *end = d->doc.end, *behind;
    uint64_t value;
    size_t count;
    behind = read_digits(digits, end, &value, &count);
    bool clean = behind < end && *behind != '.' && (*behind | 0x20) != 'e' && count - 1 < 18 &&
                 (*digits != '0' || count == 1);
    int64_t number = (int64_t)(*p == '-' ? 0 - value : value);
    if (!clean) {
        /* Broken, a float, or 19 digits and more: one of these may still be a BIGINT. */
        behind = json_skip_value(&d->doc, p, d->depth);
        if (!behind)
            return NULL;
        if (str_to_i64(str_from(p, (size_t)(behind - p)), &number) != OK)
            return json_misfit(d, node, p, behind, "an integer of the type was expected");
    }
    if (number < node->low || number > node->high)
        return json_misfit(d, node, p, behind, "the number is out of range");
    if (node->builder)
        builder_i64(node->builder, number);
    return behind;
}

/* strtod over tokens of any length: digits past the first 400 count only as "more than that". */
static double convert(struct str token, bool to_float)
{
    char text[512];
    if (token.bytes >= sizeof text) {
        size_t used = 0, digits = 0, i = 0;
        int64_t exponent = 0, shift = 0, sign = 1;
        bool point = false;
        if (token.ptr[0] == '-')
            text[used++] = token.ptr[i++];
        for (; i < token.bytes && (token.ptr[i] | 0x20) != 'e'; i++) {
            if (token.ptr[i] == '.') {
                point = true;
            } else if (digits < 400 && (digits || token.ptr[i] != '0')) {
                text[used++] = token.ptr[i];
                digits++;
                shift -= point;
            } else {
                shift += digits ? !point : -(int64_t)point;
            }
        }
        if (i < token.bytes && token.ptr[i + 1] == '-')
            sign = -1;
        for (; i < token.bytes; i++)
            if ((uint8_t)(token.ptr[i] - '0') <= 9 && exponent < 1000000)
                exponent = exponent * 10 + (token.ptr[i] - '0');
        snprintf(text + used, sizeof text - used, "%se%lld", digits ? "1" : "0",
                 (long long)(sign * exponent + shift - (digits > 0)));
    } else {
        memcpy(text, token.ptr, token.bytes);
        text[token.bytes] = 0;
    }
    return to_float ? (double)strtof(text, NULL) : strtod(text, NULL);
}

double json_number_value(struct str token, bool to_float)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *p = token.ptr, *end = p + token.bytes;
    bool negative = *p == '-';
    uint64_t value = 0;
    int64_t exponent = 0;
    int digits = 0;
    bool point = false;
    for (p += negative; p < end && (*p | 0x20) != 'e' && digits < 19; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        value = value * 10 + (uint64_t)(*p - '0');
        digits += value != 0;
        exponent -= point;
    }
    if (p < end && (*p | 0x20) == 'e') {
        int64_t sign = p[1] == '-' ? -1 : 1, written = 0;
        for (p++; p < end && written < 100000; p++)
            if (*p >= '0')
                written = written * 10 + (*p - '0');
        exponent += sign * written;
    }
    if (p < end || to_float || value >> 53 || exponent < -22 || exponent > 22)
        return convert(token, to_float);
    double result = (double)value;
    result = exponent < 0 ? result / powers[-exponent] : result * powers[exponent];
    return negative ? -result : result;
}

/* The texts that stand for numbers that JSON cannot write. */
static bool special_text(struct str text, double *ret_value)
{
    static const struct {
        struct str text;
        double value;
    } words[] = {
        {STR("NaN"), __builtin_nan("")},      {STR("Infinity"), __builtin_inf()},
        {STR("+Infinity"), __builtin_inf()},  {STR("+INF"), __builtin_inf()},
        {STR("-Infinity"), -__builtin_inf()}, {STR("-INF"), -__builtin_inf()},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_equal(text, words[i].text)) {
            *ret_value = words[i].value;
            return true;
        }
    return false;
}

const uint8_t *json_take_float(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    double value;
    const uint8_t *behind;
    if (json_is_quote(*p)) {
        struct str text;
        behind = json_take_text(d, p, &text);
        if (!behind)
            return NULL;
        if (!special_text(text, &value))
            return json_misfit(d, node, p, behind, "a number was expected");
    } else {
        if (*p == '{' || *p == '[' || *p == 't' || *p == 'f' || *p == 'n')
            return json_take_other(d, node, p, "a number was expected");
        behind = json_skip_value(&d->doc, p, d->depth);
        if (!behind)
            return NULL;
        if (!json_odd_number(p, d->doc.end, &value) && node->builder)
            value = json_number_value(str_from(p, (size_t)(behind - p)),
                                      node->type->kind == TYPE_FLOAT);
    }
    if (node->builder)
        builder_f64(node->builder, value);
    return behind;
}

/* What Java's BigDecimal takes: [+-] digits with at most one point, an exponent. */
static bool is_decimal(struct str s)
{
    size_t i = s.bytes && (s.ptr[0] == '+' || s.ptr[0] == '-'), digits = 0;
    bool point = false;
    for (; i < s.bytes; i++) {
        if (s.ptr[i] == '.' && !point)
            point = true;
        else if ((uint8_t)(s.ptr[i] - '0') <= 9)
            digits++;
        else
            break;
    }
    if (!digits || i == s.bytes)
        return digits > 0;
    if ((s.ptr[i] | 0x20) != 'e')
        return false;
    i++;
    i += i < s.bytes && (s.ptr[i] == '+' || s.ptr[i] == '-');
    size_t from = i;
    while (i < s.bytes && (uint8_t)(s.ptr[i] - '0') <= 9)
        i++;
    return i == s.bytes && i > from;
}

const uint8_t *json_take_decimal(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    struct str text;
    const uint8_t *behind;
    char plain[256];
    if (json_is_quote(*p)) {
        behind = json_take_text(d, p, &text);
        if (!behind)
            return NULL;
        size_t bytes = 0;
        for (size_t i = 0; i < text.bytes && bytes < sizeof plain; i++)
            if (text.ptr[i] != ',')
                plain[bytes++] = text.ptr[i];
        text = bytes < sizeof plain ? str_from(plain, bytes) : STR_NONE;
    } else if (json_is_number(*p)) {
        behind = json_skip_value(&d->doc, p, d->depth);
        if (!behind)
            return NULL;
        text = str_from(p, (size_t)(behind - p));
    } else {
        return json_take_other(d, node, p, "a number was expected");
    }
    __int128 value;
    if (!is_decimal(text) ||
        decimal_parse(text, node->type->precision, node->type->scale, &value) != OK)
        return json_misfit(d, node, p, behind, "a decimal of the type was expected");
    if (node->builder)
        builder_i128(node->builder, value);
    return behind;
}

/* ---- texts ---- */

const uint8_t *json_take_text(struct json_decoder *d, const uint8_t *p, struct str *ret_text)
{
    bool plain;
    const uint8_t *behind = json_skip_string(&d->doc, p, &plain);
    if (!behind)
        return NULL;
    struct str body = str_from(p + 1, (size_t)(behind - p) - 2);
    if (!plain && (memchr(body.ptr, '\\', body.bytes) || !str_is_utf8(body))) {
        buf_reset(&d->scratch);
        json_unescape(body, &d->scratch);
        if (buf_error(&d->scratch) != OK)
            return json_fault(&d->doc, p, "the string is too long");
        body = buf_str(&d->scratch);
    }
    *ret_text = body;
    return behind;
}

/* Any token that is no string: as text. */
static const uint8_t *take_rewritten(struct json_decoder *d, struct json_node *node,
                                     const uint8_t *p)
{
    const uint8_t *behind = json_skip_value(&d->doc, p, d->depth);
    if (!behind)
        return NULL;
    if (*p == 'n') {
        if (node->builder)
            builder_null(node->builder);
        return behind;
    }
    if ((size_t)(behind - p) > d->value_bytes_max)
        return json_misfit(d, node, p, behind, "the value is too long");
    if (!node->builder)
        return behind;
    CLEAN(buf_deinit) struct buf inner = {0};
    buf_reset(&d->scratch);
    json_rewrite(str_from(p, (size_t)(behind - p)), &d->scratch, &inner);
    builder_str(node->builder, buf_str(&d->scratch));
    return behind;
}

const uint8_t *json_take_string(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    if (!json_is_quote(*p))
        return take_rewritten(d, node, p);
    uint32_t high = 0;
    const uint8_t *stop = json_string_stop(p + 1, d->doc.end, *p, &high), *behind = stop + 1;
    struct str text = str_from(p + 1, (size_t)(stop - p) - 1);
    if (stop == d->doc.end || *stop != *p || high) {
        behind = json_take_text(d, p, &text);
        if (!behind)
            return NULL;
    }
    if (text.bytes > d->value_bytes_max)
        return json_misfit(d, node, p, behind, "the text is too long");
    if (node->builder)
        builder_str(node->builder, text);
    return behind;
}

static int base64_digit(uint8_t c)
{
    if ((uint8_t)(c - 'A') <= 25)
        return c - 'A';
    if ((uint8_t)(c - 'a') <= 25)
        return c - 'a' + 26;
    if ((uint8_t)(c - '0') <= 9)
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* In place; padding is required, blanks may stand before a group of four. */
static bool base64_decode(char *text, size_t *bytes)
{
    size_t to = 0, at = 0, left;
    while ((left = *bytes - at) > 0) {
        if ((uint8_t)text[at] <= ' ' && left > 1) {
            at++;
            continue;
        }
        const uint8_t *c = (const uint8_t *)text + at;
        if (left < 4 || base64_digit(c[0]) < 0 || base64_digit(c[1]) < 0)
            return false;
        uint32_t bits = (uint32_t)base64_digit(c[0]) << 18 | (uint32_t)base64_digit(c[1]) << 12;
        size_t count = 3;
        if (c[2] == '=' && c[3] == '=')
            count = 1;
        else if (c[3] == '=' && base64_digit(c[2]) >= 0)
            count = 2;
        else if (base64_digit(c[2]) < 0 || base64_digit(c[3]) < 0)
            return false;
        if (count > 1)
            bits |= (uint32_t)base64_digit(c[2]) << 6;
        if (count > 2)
            bits |= (uint32_t)base64_digit(c[3]);
        for (size_t i = 0; i < count; i++)
            text[to++] = (char)(bits >> (16 - 8 * i));
        at += 4;
    }
    *bytes = to;
    return true;
}

const uint8_t *json_take_binary(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    if (!json_is_quote(*p))
        return json_take_other(d, node, p, "Base64 was expected");
    struct str text;
    const uint8_t *behind = json_take_text(d, p, &text);
    if (!behind)
        return NULL;
    struct buf *scratch = &d->scratch;
    if (text.ptr != (const char *)scratch->ptr) {
        buf_reset(scratch);
        buf_str_append(scratch, text);
    }
    size_t bytes = scratch->bytes;
    if (bytes > d->value_bytes_max)
        return json_misfit(d, node, p, behind, "the value is too long");
    if (!base64_decode((char *)scratch->ptr, &bytes))
        return json_misfit(d, node, p, behind, "Base64 was expected");
    if (node->builder)
        builder_str(node->builder, str_from(scratch->ptr, bytes));
    return behind;
}
