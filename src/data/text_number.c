/* SPDX-License-Identifier: MIT */
/*
 * Doubles and floats as Java prints them since JDK 19: of the decimals that read back as the same
 * number the shortest, of those the nearest; but where one digit would do, the nearest of two
 * digits (4.9E-324). Plain from 0.001 up to under 10,000,000, with an exponent elsewhere, and with
 * a digit behind the point always.
 *
 * Most numbers in data have few digits: m / 10^k with m and 10^k exact in the format rounds right
 * by the division of the machine, so the first k whose quotient is the number gives its shortest
 * digits; up to 15 (6 for floats) digits no two decimals are the same number, so it is the only
 * one. Longer ones are scaled to an integer (see scaled_digits). The rest goes through printf with
 * 15, 16, 17 digits (from 2 on where numbers are subnormal), each of which is the nearest decimal
 * of that length. It misses one case: below a power of two numbers are twice as dense, and a
 * decimal above it may read back where the nearer one below does not; the next decimal up is
 * therefore tried as well.
 */
#include "data/column.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_MAX = 17 };

/* 0.d1d2d3.. times 10^point */
struct digits {
    char text[DIGITS_MAX + 8];
    size_t count;
    int point;
};

static void set_digits(struct digits *d, uint64_t number, int decimals)
{
    char reversed[20];
    size_t count = 0;
    int point = -decimals;
    for (; number; number /= 10)
        reversed[count++] = (char)('0' + number % 10);
    d->point = point + (int)count;
    d->count = count;
    for (size_t i = 0; i < count; i++)
        d->text[i] = reversed[count - 1 - i];
    while (d->count > 1 && d->text[d->count - 1] == '0')
        d->count--;
}

static bool short_double(double value, struct digits *ret_digits)
{
    static const double powers[] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                    1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};
    for (int k = 0; k < (int)(sizeof powers / sizeof *powers); k++) {
        double scaled = value * powers[k];
        if (scaled >= 1e15)
            return false;
        double rounded = (double)(int64_t)(scaled + 0.5);
        if (rounded / powers[k] == value) {
            set_digits(ret_digits, (uint64_t)rounded, k);
            return true;
        }
    }
    return false;
}

static bool short_float(float value, struct digits *ret_digits)
{
    static const float powers[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f};
    for (int k = 0; k < (int)(sizeof powers / sizeof *powers); k++) {
        float scaled = value * powers[k];
        if (scaled >= 1e6f)
            return false;
        float rounded = (float)(int32_t)(scaled + 0.5f);
        if (rounded / powers[k] == value) {
            set_digits(ret_digits, (uint64_t)rounded, k);
            return true;
        }
    }
    return false;
}

/*
 * Numbers of many digits, without printf: the value times a power of ten that makes it an integer
 * of all digits (17 or 9) and a fraction, in an arithmetic of 64 bits or more, which is off by
 * less than EPSILON. A decimal reads back when it is nearer than half the distance to the next
 * number. Where EPSILON could decide, and at powers of two, whose distances differ, printf does.
 */
static_assert(LDBL_MANT_DIG >= 64, "a long double holds 17 digits and some");
static const long double EPSILON = 0.02L;

/* 10^exponent, exact; exponent is 0..27. */
static long double power10(int exponent)
{
    static const long double powers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                         1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                         1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                         1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    return powers[exponent];
}

/* digits: 17 or 9; unit: 10^(digits - those that are always told apart); half: half the distance
 * to the next number. */
static bool scaled_digits(double value, int digits, uint64_t unit, double half,
                          struct digits *ret_digits)
{
    int decimals = digits - 1 - (int)floor(log10(value));
    if (decimals < -27 || decimals > 27)
        return false;
    long double power = power10(abs(decimals));
    long double scaled = decimals < 0 ? (long double)value / power : (long double)value * power;
    long double reach = decimals < 0 ? (long double)half / power : (long double)half * power;
    uint64_t whole = (uint64_t)scaled;
    long double fraction = scaled - (long double)whole;
    for (; unit; unit /= 10) {
        /* The two decimals around, of which the nearer one counts. */
        long double below = (long double)(whole % unit) + fraction;
        long double above = (long double)unit - below;
        long double nearer = below < above ? below : above;
        if (fabsl(nearer - reach) < EPSILON)
            return false;
        if (nearer > reach)
            continue;
        if (fabsl(below - above) < EPSILON)
            return false;
        set_digits(ret_digits, whole - whole % unit + (below < above ? 0 : unit), decimals);
        return true;
    }
    return false;
}

static bool scaled_double(double value, struct digits *ret_digits)
{
    int exponent;
    if (value < DBL_MIN || frexp(value, &exponent) == 0.5)
        return false;
    return scaled_digits(value, 17, 100, ldexp(1, exponent - 54), ret_digits);
}

static bool scaled_float(float value, struct digits *ret_digits)
{
    int exponent;
    if (value < FLT_MIN || frexpf(value, &exponent) == 0.5f)
        return false;
    return scaled_digits((double)value, 9, 1000, ldexp(1, exponent - 25), ret_digits);
}

static bool reads_back(const char *text, double value, bool single)
{
    return single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* The digits of "d.ddde+xx" plus one in the last place; false when that carries to a new digit. */
static bool next_up(char *text)
{
    char *last = strchr(text, 'e') - 1;
    for (; last >= text; last--) {
        if (*last == '.')
            continue;
        if (*last != '9') {
            (*last)++;
            return true;
        }
        *last = '0';
    }
    return false;
}

static void long_digits(double value, bool single, struct digits *ret_digits)
{
    char text[40], up[40];
    /* Of normal numbers 15 (6) digits are always told apart: a shorter text ends in zeros there. */
    bool normal = single ? value >= (double)FLT_MIN : value >= DBL_MIN;
    for (int precision = !normal  ? 2
                         : single ? FLT_DIG
                                  : DBL_DIG;
         precision <= DIGITS_MAX; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        if (reads_back(text, value, single))
            break;
        memcpy(up, text, sizeof up);
        if (next_up(up) && reads_back(up, value, single)) {
            memcpy(text, up, sizeof text);
            break;
        }
    }
    char *exponent = strchr(text, 'e');
    ret_digits->count = 0;
    for (char *c = text; c < exponent; c++)
        if (*c != '.')
            ret_digits->text[ret_digits->count++] = *c;
    ret_digits->point = (int)strtol(exponent + 1, NULL, 10) + 1;
    while (ret_digits->count > 1 && ret_digits->text[ret_digits->count - 1] == '0')
        ret_digits->count--;
}

static void print_plain(const struct digits *d, struct buf *out)
{
    int count = (int)d->count;
    if (d->point <= 0)
        buf_text(out, "0");
    for (int i = 0; i < d->point; i++)
        buf_char(out, i < count ? d->text[i] : '0');
    buf_char(out, '.');
    for (int i = d->point; i < 0; i++)
        buf_char(out, '0');
    if (count > d->point) {
        int from = d->point > 0 ? d->point : 0;
        buf_append(out, d->text + from, (size_t)(count - from));
    } else {
        buf_char(out, '0');
    }
}

static void print_exponent(const struct digits *d, struct buf *out)
{
    buf_char(out, d->text[0]);
    buf_char(out, '.');
    if (d->count > 1)
        buf_append(out, d->text + 1, d->count - 1);
    else
        buf_char(out, '0');
    buf_printf(out, "E%d", d->point - 1);
}

/* True when the value is done with: not a number, infinite, zero. */
static bool print_special(double value, struct buf *out)
{
    if (isnan(value))
        buf_text(out, "NaN");
    else if (isinf(value))
        buf_text(out, value < 0 ? "-Infinity" : "Infinity");
    else if (value == 0)
        buf_text(out, signbit(value) ? "-0.0" : "0.0");
    else
        return false;
    return true;
}

static void print(const struct digits *d, bool minus, struct buf *out)
{
    if (minus)
        buf_char(out, '-');
    if (d->point > -3 && d->point <= 7)
        print_plain(d, out);
    else
        print_exponent(d, out);
}

void text_of_double(double value, struct buf *out)
{
    struct digits digits;
    if (print_special(value, out))
        return;
    double size = fabs(value);
    if (!(size >= 1e-3 && size < 1e15 && short_double(size, &digits)) &&
        !scaled_double(size, &digits))
        long_digits(size, false, &digits);
    print(&digits, value < 0, out);
}

void text_of_float(float value, struct buf *out)
{
    struct digits digits;
    if (print_special((double)value, out))
        return;
    float size = fabsf(value);
    if (!(size >= 1e-3f && size < 1e6f && short_float(size, &digits)) &&
        !scaled_float(size, &digits))
        long_digits((double)size, true, &digits);
    print(&digits, value < 0, out);
}
