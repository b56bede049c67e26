/* SPDX-License-Identifier: MIT */
/*
 * Interval texts.
 *
 * ANSI intervals of months are Y-M, those of time D H:M:S.f cut to the units of the type; both may
 * stand in INTERVAL '..' UNIT [TO UNIT], with a sign outside and one inside. Calendar intervals are
 * pairs of a number and a unit's name; only seconds take a fraction.
 */
#include "query/func/span.h"
#include "base/civil.h"

int64_t span_unit_us(unsigned unit)
{
    static const int64_t us[] = {US_PER_DAY, 3600 * US_PER_SECOND, 60 * US_PER_SECOND,
                                 US_PER_SECOND};
    return us[unit];
}

static bool take_word(struct str *text, const char *word)
{
    size_t bytes = strlen(word);
    if (text->bytes < bytes || !str_equal_nocase(str_slice(*text, 0, bytes), str_of(word)))
        return false;
    *text = str_slice(*text, bytes, text->bytes);
    return true;
}

/* Unwraps INTERVAL [sign] '..' rest; *ret_negative from the outer and inner sign. */
static enum err unwrap(struct str text, struct str *ret_body, bool *ret_negative)
{
    text = str_trim(text);
    bool negative = false;
    if (take_word(&text, "interval")) {
        text = str_trim(text);
        if (text.bytes && (*text.ptr == '-' || *text.ptr == '+')) {
            negative = *text.ptr == '-';
            text = str_trim(str_slice(text, 1, text.bytes));
        }
        size_t end = text.bytes;
        while (end > 0 && text.ptr[end - 1] != '\'')
            end--;
        if (end < 2 || *text.ptr != '\'')
            return ERR_SYNTAX;
        text = str_slice(text, 1, end - 1);
    }
    if (text.bytes && (*text.ptr == '-' || *text.ptr == '+')) {
        negative ^= *text.ptr == '-';
        text = str_slice(text, 1, text.bytes);
    }
    *ret_body = text;
    *ret_negative = negative;
    return OK;
}

static enum err take_number(struct str *text, int64_t *ret_value)
{
    size_t digits = 0;
    while (digits < text->bytes && text->ptr[digits] >= '0' && text->ptr[digits] <= '9')
        digits++;
    TRY(str_to_i64(str_slice(*text, 0, digits), ret_value));
    *text = str_slice(*text, digits, text->bytes);
    return OK;
}

enum err span_parse_months(struct str text, const struct type *type, int32_t *ret_months)
{
    bool negative;
    int64_t first, months = 0;
    TRY(unwrap(text, &text, &negative));
    TRY(take_number(&text, &first));
    if (type->precision == UNIT_YEAR && type->scale == UNIT_MONTH) {
        if (!text.bytes || *text.ptr != '-')
            return ERR_SYNTAX;
        text = str_slice(text, 1, text.bytes);
        TRY(take_number(&text, &months));
        if (months > 11)
            return ERR_OUT_OF_RANGE;
    }
    if (text.bytes)
        return ERR_SYNTAX;
    if (type->precision == UNIT_YEAR && __builtin_mul_overflow(first, (int64_t)12, &first))
        return ERR_OUT_OF_RANGE;
    int64_t total;
    if (__builtin_add_overflow(first, months, &total))
        return ERR_OUT_OF_RANGE;
    total = negative ? -total : total;
    if (total != (int32_t)total)
        return ERR_OUT_OF_RANGE;
    *ret_months = (int32_t)total;
    return OK;
}

/* Up to nine digits behind a point, cut to us. */
static enum err take_fraction(struct str *text, int64_t *ret_us)
{
    *ret_us = 0;
    if (!text->bytes || *text->ptr != '.')
        return OK;
    int64_t unit = US_PER_SECOND;
    size_t i = 1;
    for (; i < text->bytes && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++) {
        unit /= 10;
        *ret_us += (text->ptr[i] - '0') * unit;
    }
    if (i > 10)
        return ERR_SYNTAX;
    *text = str_slice(*text, i, text->bytes);
    return OK;
}

enum err span_parse_us(struct str text, const struct type *type, int64_t *ret_us)
{
    static const int64_t limits[] = {INT64_MAX, 24, 60, 60};
    bool negative;
    int64_t total = 0;
    TRY(unwrap(text, &text, &negative));
    for (unsigned unit = type->precision; unit <= type->scale; unit++) {
        int64_t value, fraction = 0;
        TRY(take_number(&text, &value));
        if (unit == UNIT_SECOND)
            TRY(take_fraction(&text, &fraction));
        if (unit > type->precision && value >= limits[unit])
            return ERR_OUT_OF_RANGE;
        if (__builtin_mul_overflow(value, span_unit_us(unit), &value) ||
            __builtin_add_overflow(total, value, &total) ||
            __builtin_add_overflow(total, fraction, &total))
            return ERR_OUT_OF_RANGE;
        if (unit == type->scale)
            break;
        char separator = unit == UNIT_DAY ? ' ' : ':';
        if (!text.bytes || *text.ptr != separator)
            return ERR_SYNTAX;
        text = str_slice(text, 1, text.bytes);
    }
    if (text.bytes)
        return ERR_SYNTAX;
    *ret_us = negative ? -total : total;
    return OK;
}

struct calendar_unit {
    const char *name;
    int32_t months, days;
    int64_t us;
};
static const struct calendar_unit calendar_units[] = {
    {"year", 12, 0, 0},        {"month", 1, 0, 0},          {"week", 0, 7, 0},
    {"day", 0, 1, 0},          {"hour", 0, 0, 3600000000},  {"minute", 0, 0, 60000000},
    {"second", 0, 0, 1000000}, {"millisecond", 0, 0, 1000}, {"microsecond", 0, 0, 1},
};

static const struct calendar_unit *unit_of(struct str word)
{
    if (word.bytes > 1 && (word.ptr[word.bytes - 1] | 32) == 's')
        word.bytes--;
    for (size_t i = 0; i < sizeof calendar_units / sizeof *calendar_units; i++)
        if (str_equal_nocase(word, str_of(calendar_units[i].name)))
            return &calendar_units[i];
    return NULL;
}

static enum err add_unit(struct interval *sum, const struct calendar_unit *unit, int64_t value,
                         int64_t fraction_us)
{
    int64_t months, days, us;
    if (fraction_us && unit->us != US_PER_SECOND)
        return ERR_SYNTAX;
    if (__builtin_mul_overflow(value, (int64_t)unit->months, &months) ||
        __builtin_mul_overflow(value, (int64_t)unit->days, &days) ||
        __builtin_mul_overflow(value, unit->us, &us) ||
        __builtin_add_overflow(us, fraction_us, &us) ||
        __builtin_add_overflow((int64_t)sum->months, months, &months) ||
        __builtin_add_overflow((int64_t)sum->days, days, &days) ||
        __builtin_add_overflow(sum->us, us, &us) || months != (int32_t)months ||
        days != (int32_t)days)
        return ERR_OUT_OF_RANGE;
    *sum = (struct interval){(int32_t)months, (int32_t)days, us};
    return OK;
}

enum err span_parse(struct str text, struct interval *ret_interval)
{
    struct interval sum = {0};
    text = str_trim(text);
    take_word(&text, "interval");
    text = str_trim(text);
    if (text.bytes == 0)
        return ERR_SYNTAX;
    while (text.bytes) {
        bool negative = *text.ptr == '-';
        if (negative || *text.ptr == '+')
            text = str_trim(str_slice(text, 1, text.bytes));
        int64_t value = 0, fraction;
        if (text.bytes && *text.ptr != '.')
            TRY(take_number(&text, &value));
        TRY(take_fraction(&text, &fraction));
        size_t word = 0;
        text = str_trim(text);
        while (word < text.bytes && (text.ptr[word] | 32) >= 'a' && (text.ptr[word] | 32) <= 'z')
            word++;
        const struct calendar_unit *unit = unit_of(str_slice(text, 0, word));
        if (!unit)
            return ERR_SYNTAX;
        TRY(add_unit(&sum, unit, negative ? -value : value, negative ? -fraction : fraction));
        text = str_trim(str_slice(text, word, text.bytes));
    }
    *ret_interval = sum;
    return OK;
}
