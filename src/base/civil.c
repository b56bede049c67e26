/* SPDX-License-Identifier: MIT */
/* Calendar arithmetic by counting years from March, so that the leap day is a year's last. */
#include "base/civil.h"

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t civil_days(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void civil_from_days(int64_t days, struct civil *ret_civil)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    ret_civil->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    ret_civil->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    ret_civil->year = yoe + era * 400 + (ret_civil->month <= 2);
}

void civil_from_us(int64_t us, struct civil *ret_civil)
{
    int64_t days = floor_div(us, US_PER_DAY);
    int64_t rest = us - days * US_PER_DAY;
    civil_from_days(days, ret_civil);
    ret_civil->micros = (int)(rest % US_PER_SECOND);
    int64_t seconds = rest / US_PER_SECOND;
    ret_civil->second = (int)(seconds % 60);
    ret_civil->minute = (int)(seconds / 60 % 60);
    ret_civil->hour = (int)(seconds / 3600);
}

int64_t civil_to_us(const struct civil *c)
{
    int64_t seconds =
        civil_days(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
    return seconds * US_PER_SECOND + c->micros;
}

int civil_days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

void civil_print_iso(struct buf *out, int64_t us, int fraction_digits)
{
    struct civil c;
    civil_from_us(us, &c);
    buf_printf(out, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)c.year, c.month, c.day, c.hour,
               c.minute, c.second);
    if (fraction_digits == 3)
        buf_printf(out, ".%03d", c.micros / 1000);
    else if (fraction_digits == 6)
        buf_printf(out, ".%06d", c.micros);
    buf_char(out, 'Z');
}

struct unit {
    const char *name;
    int64_t factor;
};

static enum err number_and_unit(struct str text, const struct unit *units, size_t count,
                                int64_t *ret_value)
{
    size_t digits = 0;
    while (digits < text.bytes && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    int64_t number;
    TRY(str_to_i64(str_slice(text, 0, digits), &number));
    struct str name = str_trim(str_slice(text, digits, text.bytes));
    for (size_t i = 0; i < count; i++)
        if (str_equal_nocase(name, str_of(units[i].name)))
            return __builtin_mul_overflow(number, units[i].factor, ret_value) ? ERR_OUT_OF_RANGE
                                                                              : OK;
    return ERR_SYNTAX;
}

enum err duration_parse(struct str text, int64_t *ret_ms)
{
    static const struct unit units[] = {
        {"ms", 1},      {"s", 1000},       {"m", 60000},       {"min", 60000},
        {"h", 3600000}, {"d", 86400000LL}, {"w", 604800000LL},
    };
    return number_and_unit(str_trim(text), units, sizeof units / sizeof *units, ret_ms);
}

void duration_print(struct buf *out, int64_t ms)
{
    if (ms < 1000)
        buf_printf(out, "%lld ms", (long long)ms);
    else if (ms < 120000)
        buf_printf(out, "%.1f s", (double)ms / 1000);
    else if (ms < 7200000)
        buf_printf(out, "%.1f min", (double)ms / 60000);
    else
        buf_printf(out, "%.1f h", (double)ms / 3600000);
}

enum err bytes_parse(struct str text, int64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"", 1},           {"b", 1},         {"kb", 1 << 10},  {"mb", 1 << 20},  {"gb", 1 << 30},
        {"tb", 1LL << 40}, {"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1LL << 40},
    };
    return number_and_unit(str_trim(text), units, sizeof units / sizeof *units, ret_bytes);
}
