/* SPDX-License-Identifier: MIT */
/*
 * Values as texts, the way Spark's CAST(.. AS STRING) writes them. Numbers are in text_number.c.
 * Years of more than four digits carry a sign, as Java's formatter writes them.
 */
#include "base/check.h"
#include "base/zone.h"
#include "data/column.h"

static char *put_two(char *to, int value)
{
    *to++ = (char)('0' + value / 10);
    *to++ = (char)('0' + value % 10);
    return to;
}

static void print_year(int64_t year, struct buf *out)
{
    if (year >= 0 && year <= 9999) {
        char text[4];
        put_two(put_two(text, (int)year / 100), (int)year % 100);
        buf_append(out, text, 4);
    } else {
        buf_printf(out, "%c%04lld", year < 0 ? '-' : '+', (long long)(year < 0 ? -year : year));
    }
}

static void print_date(const struct civil *civil, struct buf *out)
{
    char text[6] = "-";
    print_year(civil->year, out);
    char *to = put_two(text + 1, civil->month);
    *to++ = '-';
    put_two(to, civil->day);
    buf_append(out, text, sizeof text);
}

/* ".5" of 500000; nothing of 0. */
static void print_fraction(int64_t micros, struct buf *out)
{
    char text[7] = ".000000";
    size_t bytes = sizeof text;
    if (micros == 0)
        return;
    for (size_t i = 6; i > 0; i--, micros /= 10)
        text[i] = (char)('0' + micros % 10);
    while (text[bytes - 1] == '0')
        bytes--;
    buf_append(out, text, bytes);
}

void text_of_date(int64_t days, struct buf *out)
{
    struct civil civil;
    civil_from_days(days, &civil);
    print_date(&civil, out);
}

void text_of_timestamp(int64_t local_us, struct buf *out)
{
    struct civil civil;
    char text[9] = " ";
    civil_from_us(local_us, &civil);
    print_date(&civil, out);
    char *to = put_two(text + 1, civil.hour);
    *to++ = ':';
    to = put_two(to, civil.minute);
    *to++ = ':';
    put_two(to, civil.second);
    buf_append(out, text, sizeof text);
    print_fraction(civil.micros, out);
}

static void print_years_months(const struct type *type, int64_t months, struct buf *out)
{
    uint64_t size = months < 0 ? 0 - (uint64_t)months : (uint64_t)months;
    if (months < 0)
        buf_char(out, '-');
    if (type->precision == 1)
        buf_printf(out, "%llu", (unsigned long long)size);
    else
        buf_printf(out, "%llu", (unsigned long long)size / 12);
    if (type->precision != type->scale)
        buf_printf(out, "-%llu", (unsigned long long)size % 12);
}

static void print_days_time(const struct type *type, int64_t us, struct buf *out)
{
    static const uint64_t units[] = {(uint64_t)US_PER_DAY, 3600000000u, 60000000u, 1000000u};
    uint64_t rest = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    if (us < 0)
        buf_char(out, '-');
    for (unsigned unit = type->precision; unit <= type->scale; unit++) {
        if (unit > type->precision)
            buf_char(out, unit == 1 ? ' ' : ':');
        buf_printf(out, unit == 0 ? "%llu" : "%02llu", (unsigned long long)(rest / units[unit]));
        rest %= units[unit];
    }
    if (type->scale == 3)
        print_fraction((int64_t)rest, out);
}

void text_of_ansi_interval(const struct type *type, int64_t value, struct buf *out)
{
    static const char *const months[] = {"YEAR", "MONTH"};
    static const char *const days[] = {"DAY", "HOUR", "MINUTE", "SECOND"};
    const char *const *units = type->kind == TYPE_INTERVAL_YM ? months : days;
    buf_text(out, "INTERVAL '");
    if (type->kind == TYPE_INTERVAL_YM)
        print_years_months(type, value, out);
    else
        print_days_time(type, value, out);
    buf_printf(out, "' %s", units[type->precision]);
    if (type->precision != type->scale)
        buf_printf(out, " TO %s", units[type->scale]);
}

/* One part with its unit, when it is not 0. */
static void print_part(int64_t value, const char *unit, bool *some, struct buf *out)
{
    if (value == 0)
        return;
    buf_printf(out, "%s%lld %s", *some ? " " : "", (long long)value, unit);
    *some = true;
}

void text_of_interval(const struct interval *value, struct buf *out)
{
    bool some = false;
    int64_t rest = value->us % 60000000;
    print_part(value->months / 12, "years", &some, out);
    print_part(value->months % 12, "months", &some, out);
    print_part(value->days, "days", &some, out);
    print_part(value->us / 3600000000, "hours", &some, out);
    print_part(value->us / 60000000 % 60, "minutes", &some, out);
    if (rest == 0 && some)
        return;
    int64_t size = rest < 0 ? -rest : rest;
    buf_printf(out, "%s%s%lld", some ? " " : "", rest < 0 ? "-" : "",
               (long long)(size / US_PER_SECOND));
    print_fraction(size % US_PER_SECOND, out);
    buf_text(out, " seconds");
}

static void print_map(const struct column *column, size_t row, const struct zone *zone,
                      struct buf *out)
{
    int32_t from = column->offsets[row], to = column->offsets[row + 1];
    buf_char(out, '{');
    for (int32_t i = from; i < to; i++) {
        if (i > from)
            buf_text(out, ", ");
        text_of_value(column->children[0], (size_t)i, zone, out);
        buf_text(out, " -> ");
        text_of_value(column->children[1], (size_t)i, zone, out);
    }
    buf_char(out, '}');
}

static void print_array(const struct column *column, size_t row, const struct zone *zone,
                        struct buf *out)
{
    int32_t from = column->offsets[row], to = column->offsets[row + 1];
    buf_char(out, '[');
    for (int32_t i = from; i < to; i++) {
        if (i > from)
            buf_text(out, ", ");
        text_of_value(column->children[0], (size_t)i, zone, out);
    }
    buf_char(out, ']');
}

static void print_struct(const struct column *column, size_t row, const struct zone *zone,
                         struct buf *out)
{
    buf_char(out, '{');
    for (uint32_t i = 0; i < column->child_count; i++) {
        if (i)
            buf_text(out, ", ");
        text_of_value(column->children[i], row, zone, out);
    }
    buf_char(out, '}');
}

static void print_i64(int64_t value, struct buf *out)
{
    char text[20];
    size_t at = sizeof text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        text[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        text[--at] = '-';
    buf_append(out, text + at, sizeof text - at);
}

static void print_nested(const struct column *column, size_t row, const struct zone *zone,
                         struct buf *out)
{
    if (column->type->kind == TYPE_ARRAY)
        print_array(column, row, zone, out);
    else if (column->type->kind == TYPE_MAP)
        print_map(column, row, zone, out);
    else
        print_struct(column, row, zone, out);
}

static void print_time(const struct column *column, size_t row, const struct zone *zone,
                       struct buf *out)
{
    int64_t value = column->type->kind == TYPE_DATE || column->type->kind == TYPE_INTERVAL_YM
                        ? column->i32[row]
                        : column->i64[row];
    if (column->type->kind == TYPE_DATE)
        text_of_date(value, out);
    else if (column->type->kind == TYPE_TIMESTAMP)
        text_of_timestamp(value + zone_offset_at(zone, value) * US_PER_SECOND, out);
    else if (column->type->kind == TYPE_TIMESTAMP_NTZ)
        text_of_timestamp(value, out);
    else
        text_of_ansi_interval(column->type, value, out);
}

void text_of_value(const struct column *column, size_t row, const struct zone *zone,
                   struct buf *out)
{
    if (column_is_null(column, row)) {
        buf_text(out, "null");
        return;
    }
    switch (column->type->kind) {
    case TYPE_BOOLEAN:
        buf_text(out, bit_get(column->bits, row) ? "true" : "false");
        break;
    case TYPE_TINYINT:
        print_i64(column->i8[row], out);
        break;
    case TYPE_SMALLINT:
        print_i64(column->i16[row], out);
        break;
    case TYPE_INT:
        print_i64(column->i32[row], out);
        break;
    case TYPE_BIGINT:
        print_i64(column->i64[row], out);
        break;
    case TYPE_FLOAT:
        text_of_float(column->f32[row], out);
        break;
    case TYPE_DOUBLE:
        text_of_double(column->f64[row], out);
        break;
    case TYPE_DECIMAL:
        decimal_print(column->i128[row], column->type->scale, out);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        buf_str_append(out, column_str(column, row));
        break;
    case TYPE_INTERVAL:
        text_of_interval(&column->intervals[row], out);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT:
        print_nested(column, row, zone, out);
        break;
    default:
        print_time(column, row, zone, out);
    }
}
