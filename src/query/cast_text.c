/* SPDX-License-Identifier: MIT */
/*
 * Texts as numbers and truth values.
 *
 *  integers  [+-]digits; without ANSI also a fraction, which is cut off
 *  floats    what Java's Double.parseDouble takes ("1.", ".5", "1e3", "2.5d", "0x1p4") and inf,
 *            infinity, nan in any case
 *  boolean   t true y yes 1, f false n no 0 in any case
 *  decimal   digits, point, exponent, rounded HALF_UP to the scale
 */
#include "query/cast_text.h"
#include "data/column.h"

#include <math.h>
#include <stdlib.h>

struct str cast_text_trim(struct str text)
{
    while (text.bytes && ((uint8_t)*text.ptr <= ' ' || *text.ptr == 0x7F))
        text = str_slice(text, 1, text.bytes);
    while (text.bytes &&
           ((uint8_t)text.ptr[text.bytes - 1] <= ' ' || text.ptr[text.bytes - 1] == 0x7F))
        text.bytes--;
    return text;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_at(struct str text, size_t at)
{
    size_t from = at;
    while (at < text.bytes && is_digit(text.ptr[at]))
        at++;
    return at - from;
}

enum err cast_text_integer(struct str text, bool fractions, int64_t *ret_value)
{
    text = cast_text_trim(text);
    if (text.bytes == 0)
        return ERR_SYNTAX;
    bool negative = *text.ptr == '-';
    size_t at = negative || *text.ptr == '+';
    size_t digits = digits_at(text, at);
    size_t end = at + digits, behind = 0;
    if (fractions && end < text.bytes && text.ptr[end] == '.') {
        behind = digits_at(text, end + 1);
        if (end + 1 + behind != text.bytes || (digits == 0 && behind == 0))
            return ERR_SYNTAX;
    } else if (digits == 0 || end != text.bytes) {
        return ERR_SYNTAX;
    }
    int64_t value = 0;
    for (; at < end; at++) {
        int digit = text.ptr[at] - '0';
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_sub_overflow(value, (int64_t)digit, &value))
            return ERR_OUT_OF_RANGE;
    }
    if (!negative && value == INT64_MIN)
        return ERR_OUT_OF_RANGE;
    *ret_value = negative ? value : -value;
    return OK;
}

static bool special_double(struct str text, double *ret_value)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"nan", NAN},
                 {"inf", INFINITY},
                 {"+inf", INFINITY},
                 {"-inf", -INFINITY},
                 {"infinity", INFINITY},
                 {"+infinity", INFINITY},
                 {"-infinity", -INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_equal_nocase(text, str_of(words[i].word))) {
            *ret_value = words[i].value;
            return true;
        }
    }
    if (str_equal(text, STR("-NaN")) || str_equal(text, STR("+NaN"))) {
        *ret_value = NAN;
        return true;
    }
    return false;
}

/* Java's grammar of a decimal or hexadecimal floating-point text, without the suffix. */
static bool is_float_text(struct str text)
{
    size_t at = text.bytes && (*text.ptr == '-' || *text.ptr == '+');
    if (at + 1 < text.bytes && text.ptr[at] == '0' && (text.ptr[at + 1] | 32) == 'x') {
        size_t p = at;
        while (p < text.bytes && (text.ptr[p] | 32) != 'p')
            p++;
        return p < text.bytes && p > at + 2;
    }
    size_t whole = digits_at(text, at), behind = 0;
    at += whole;
    if (at < text.bytes && text.ptr[at] == '.') {
        behind = digits_at(text, at + 1);
        at += 1 + behind;
    }
    if (whole + behind == 0)
        return false;
    if (at < text.bytes && (text.ptr[at] | 32) == 'e') {
        at++;
        at += at < text.bytes && (text.ptr[at] == '-' || text.ptr[at] == '+');
        size_t digits = digits_at(text, at);
        if (digits == 0)
            return false;
        at += digits;
    }
    return at == text.bytes;
}

enum { NUMBER_BYTES_MAX = 4096 };

static enum err float_text(struct str text, char *ret_number)
{
    if (text.bytes && strchr("dDfF", text.ptr[text.bytes - 1]) && text.bytes > 1 &&
        !(text.bytes > 2 && (text.ptr[1] | 32) == 'x'))
        text.bytes--;
    if (text.bytes == 0 || text.bytes >= NUMBER_BYTES_MAX || !is_float_text(text))
        return ERR_SYNTAX;
    memcpy(ret_number, text.ptr, text.bytes);
    ret_number[text.bytes] = 0;
    return OK;
}

enum err cast_text_double(struct str text, double *ret_value)
{
    text = cast_text_trim(text);
    if (special_double(text, ret_value))
        return OK;
    char number[NUMBER_BYTES_MAX];
    TRY(float_text(text, number));
    char *end;
    double value = strtod(number, &end);
    if (*end)
        return ERR_SYNTAX;
    *ret_value = value;
    return OK;
}

enum err cast_text_float(struct str text, float *ret_value)
{
    double special;
    text = cast_text_trim(text);
    if (special_double(text, &special)) {
        *ret_value = (float)special;
        return OK;
    }
    char number[NUMBER_BYTES_MAX];
    TRY(float_text(text, number));
    char *end;
    float value = strtof(number, &end);
    if (*end)
        return ERR_SYNTAX;
    *ret_value = value;
    return OK;
}

enum err cast_text_boolean(struct str text, bool *ret_value)
{
    static const char *const words[] = {"f", "false", "n", "no", "0", "t", "true", "y", "yes", "1"};
    text = cast_text_trim(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_equal_nocase(text, str_of(words[i]))) {
            *ret_value = i >= 5;
            return OK;
        }
    }
    return ERR_SYNTAX;
}

enum err cast_text_decimal(struct str text, unsigned precision, unsigned scale, __int128 *ret_value)
{
    return decimal_parse(cast_text_trim(text), precision, scale, ret_value);
}

bool cast_text_is_clock(struct str text, struct str *ret_time, struct str *ret_zone)
{
    text = cast_text_trim(text);
    bool marked = text.bytes && text.ptr[0] == 'T';
    if (marked)
        text = str_slice(text, 1, text.bytes);
    size_t digits = 0, end;
    while (digits < text.bytes && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    bool colon = digits < text.bytes && text.ptr[digits] == ':';
    if (digits < 1 || digits > 2 || (!marked && !colon))
        return false;
    for (end = digits; end < text.bytes; end++) {
        char c = text.ptr[end];
        if ((c < '0' || c > '9') && c != ':' && c != '.')
            break;
    }
    *ret_time = text;
    *ret_zone = cast_text_trim(str_slice(text, end, text.bytes));
    return true;
}
