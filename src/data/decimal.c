/* SPDX-License-Identifier: MIT */
/*
 * Decimals of up to 38 digits as unscaled 128-bit integers: reading, printing, changing the scale.
 * 10^38 is under 2^127, so every value in range and every power fit; whatever would leave that
 * range says so. Rounding is HALF_UP (away from zero at the half), as Spark's.
 */
#include "data/column.h"

#include "base/check.h"

enum { DIGITS_MAX = 38, EXPONENT_MAX = 1000000 };

__int128 decimal_power10(unsigned exponent)
{
    static const int64_t powers[] = {
        1,
        10,
        100,
        1000,
        10000,
        100000,
        1000000,
        10000000,
        100000000,
        1000000000,
        10000000000,
        100000000000,
        1000000000000,
        10000000000000,
        100000000000000,
        1000000000000000,
        10000000000000000,
        100000000000000000,
        1000000000000000000,
    };
    check(exponent <= DIGITS_MAX);
    if (exponent <= 18)
        return powers[exponent];
    __int128 power = 1;
    for (; exponent > 18; exponent -= 18)
        power *= powers[18];
    return power * powers[exponent];
}

static bool in_precision(__int128 value, unsigned precision)
{
    __int128 limit = decimal_power10(precision);
    return value < limit && value > -limit;
}

/* A number as written: the run that holds its digits and perhaps a point, and 10^exponent. */
struct literal {
    bool minus;
    struct str digits;      /* without leading zeros; may hold one '.' */
    int64_t digits_integer; /* how many digits are in front of the point, exponent included */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum err parse_exponent(struct str text, int64_t *ret_exponent)
{
    bool minus = text.bytes && text.ptr[0] == '-';
    int64_t value = 0;
    if (text.bytes && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = str_slice(text, 1, text.bytes);
    if (text.bytes == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.bytes; i++) {
        if (!is_digit(text.ptr[i]))
            return ERR_SYNTAX;
        value = value * 10 + (text.ptr[i] - '0');
        if (value > EXPONENT_MAX)
            value = EXPONENT_MAX;
    }
    *ret_exponent = minus ? -value : value;
    return OK;
}

static enum err parse_literal(struct str text, struct literal *ret_literal)
{
    struct literal l = {.minus = text.bytes && text.ptr[0] == '-'};
    if (text.bytes && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = str_slice(text, 1, text.bytes);
    size_t end = 0, points = 0, point = 0;
    for (; end < text.bytes && (is_digit(text.ptr[end]) || text.ptr[end] == '.'); end++)
        if (text.ptr[end] == '.') {
            points++;
            point = end;
        }
    if (points > 1 || end == points)
        return ERR_SYNTAX;
    int64_t exponent = 0;
    if (end < text.bytes) {
        if ((text.ptr[end] | 32) != 'e')
            return ERR_SYNTAX;
        TRY(parse_exponent(str_slice(text, end + 1, text.bytes), &exponent));
    }
    if (!points)
        point = end;
    size_t from = 0;
    while (from < end && (text.ptr[from] == '0' || text.ptr[from] == '.'))
        from++;
    l.digits = str_slice(text, from, end);
    /* Zeros behind the point count down: 0.001 has -2 digits in front of it. */
    l.digits_integer =
        (from <= point ? (int64_t)(point - from) : -(int64_t)(from - point - 1)) + exponent;
    *ret_literal = l;
    return OK;
}

/* Up to eighteen digits with a point among them and none to be cut off, without an exponent. */
static bool parse_short(struct str text, unsigned scale, __int128 *ret_value)
{
    int64_t value = 0;
    size_t at = text.bytes && text.ptr[0] == '-', first = at, point = SIZE_MAX;
    if (text.bytes > 18)
        return false;
    for (; at < text.bytes; at++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[at] - '0';
        if (digit <= 9)
            value = value * 10 + digit;
        else if (text.ptr[at] == '.' && point == SIZE_MAX)
            point = at;
        else
            return false;
    }
    size_t fraction = point == SIZE_MAX ? 0 : text.bytes - point - 1;
    if (text.bytes - first <= (point != SIZE_MAX) || fraction > scale)
        return false;
    if (scale - fraction > DIGITS_MAX - 18)
        return false;
    *ret_value = (first ? -value : value) * decimal_power10(scale - (unsigned)fraction);
    return true;
}

enum err decimal_parse(struct str text, unsigned precision, unsigned scale, __int128 *ret_value)
{
    struct literal l;
    __int128 value = 0;
    if (parse_short(text, scale, &value)) {
        if (!in_precision(value, precision))
            return ERR_OUT_OF_RANGE;
        *ret_value = value;
        return OK;
    }
    TRY(parse_literal(text, &l));
    int64_t keep = l.digits_integer + scale;
    if (l.digits.bytes && keep > DIGITS_MAX)
        return ERR_OUT_OF_RANGE;
    int64_t taken = 0;
    bool up = false;
    for (size_t i = 0; i < l.digits.bytes && taken <= keep; i++) {
        if (l.digits.ptr[i] == '.')
            continue;
        if (taken < keep)
            value = value * 10 + (l.digits.ptr[i] - '0');
        else
            up = l.digits.ptr[i] >= '5';
        taken++;
    }
    if (l.digits.bytes && taken < keep)
        value *= decimal_power10((unsigned)(keep - taken));
    value += up;
    if (!in_precision(value, precision))
        return ERR_OUT_OF_RANGE;
    *ret_value = l.minus ? -value : value;
    return OK;
}

void decimal_print(__int128 value, unsigned scale, struct buf *out)
{
    const uint64_t group = 10000000000000000000u;
    char text[64];
    size_t at = sizeof text;
    unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    size_t point = sizeof text - scale; /* digits from here on are the fraction */
    /* Divisions of 128 bits are slow: nineteen digits each. */
    while (rest) {
        uint64_t low = (uint64_t)(rest % group);
        rest /= group;
        for (unsigned i = 0; i < 19 && (low || rest); i++, low /= 10)
            text[--at] = (char)('0' + low % 10);
    }
    while (at >= point)
        text[--at] = '0';
    if (value < 0)
        buf_char(out, '-');
    buf_append(out, text + at, point - at);
    if (scale) {
        buf_char(out, '.');
        buf_append(out, text + point, scale);
    }
}

enum err decimal_rescale(__int128 value, unsigned from_scale, unsigned to_precision,
                         unsigned to_scale, __int128 *ret_value)
{
    if (to_scale > from_scale) {
        if (__builtin_mul_overflow(value, decimal_power10(to_scale - from_scale), &value))
            return ERR_OUT_OF_RANGE;
    } else if (to_scale < from_scale) {
        __int128 power = decimal_power10(from_scale - to_scale);
        __int128 rest = value % power;
        value /= power;
        if (rest >= power - rest)
            value++;
        else if (-rest >= power + rest)
            value--;
    }
    if (!in_precision(value, to_precision))
        return ERR_OUT_OF_RANGE;
    *ret_value = value;
    return OK;
}
