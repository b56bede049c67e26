/* SPDX-License-Identifier: MIT */
/*
 * Rows to JSON, in the form of Spark's to_json: {"a":1,"b":[..],"c":{..}} without blanks.
 *
 *   integers, BOOLEAN    as they are
 *   FLOAT, DOUBLE        the digits of Java's toString; "NaN", "Infinity", "-Infinity" in quotes
 *   DECIMAL              a plain number with all digits of its scale
 *   STRING               quoted; BINARY quoted Base64 with padding
 *   DATE                 "2024-02-29", a sign before years of more than four digits
 *   TIMESTAMP            "2024-02-29T12:00:00.000Z", in a zone with its offset instead of Z;
 *                        milliseconds (the rest is cut) or, on request, microseconds
 *   TIMESTAMP_NTZ        the same without zone
 *   intervals            the text of CAST
 *   STRUCT               an object; null fields as null or, with skip_nulls, left out
 *   MAP                  an object with the keys as text, null values always written
 */
#include "base/base64.h"
#include "base/zone.h"
#include "data/column.h"
#include "format/json.h"
#include "format/json_scan.h"

#include <math.h>

/* The longest: quotes, a sign, 19 digits of a year, the rest of date and time, an offset. */
enum { TIME_ROOM = 64 };

static char *two(char *to, int value)
{
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
    return to + 2;
}

static char *date(char *to, const struct civil *c)
{
    uint64_t year = (uint64_t)(c->year < 0 ? -c->year : c->year);
    if (c->year < 0 || c->year > 9999)
        *to++ = c->year < 0 ? '-' : '+';
    char digits[20];
    size_t at = sizeof digits;
    for (; year || at > sizeof digits - 4; year /= 10)
        digits[--at] = (char)('0' + year % 10);
    memcpy(to, digits + at, sizeof digits - at);
    to += sizeof digits - at;
    *to++ = '-';
    to = two(to, c->month);
    *to++ = '-';
    return two(to, c->day);
}

static char *wall_clock(char *to, int64_t us, bool micros)
{
    struct civil c;
    civil_from_us(us, &c);
    to = date(to, &c);
    *to++ = 'T';
    to = two(to, c.hour);
    *to++ = ':';
    to = two(to, c.minute);
    *to++ = ':';
    to = two(to, c.second);
    *to++ = '.';
    to = two(to, c.micros / 10000);
    *to++ = (char)('0' + c.micros / 1000 % 10);
    if (micros) {
        *to++ = (char)('0' + c.micros / 100 % 10);
        to = two(to, c.micros % 100);
    }
    return to;
}

static char *offset_text(char *to, int32_t offset)
{
    int32_t seconds = offset < 0 ? -offset : offset;
    if (offset == 0) {
        *to++ = 'Z';
        return to;
    }
    *to++ = offset < 0 ? '-' : '+';
    to = two(to, seconds / 3600);
    *to++ = ':';
    to = two(to, seconds / 60 % 60);
    if (seconds % 60) {
        *to++ = ':';
        to = two(to, seconds % 60);
    }
    return to;
}

static void timestamp(int64_t us, bool zoned, const struct json_encode_options *options,
                      struct buf *out)
{
    char text[TIME_ROOM], *to = text;
    int32_t offset = zoned && options->zone ? zone_offset_at(options->zone, us) : 0;
    *to++ = '"';
    to = wall_clock(to, us + offset * US_PER_SECOND, options->micros);
    if (zoned)
        to = offset_text(to, offset);
    *to++ = '"';
    buf_append(out, text, (size_t)(to - text));
}

static void base64(struct str data, struct buf *out)
{
    buf_char(out, '"');
    base64_encode(data, out);
    buf_char(out, '"');
}

static void float_text(float value, struct buf *out)
{
    if (isfinite(value))
        text_of_float(value, out);
    else
        json_print_f64(value, out);
}

static void quoted_cast(const struct column *column, size_t row,
                        const struct json_encode_options *options, struct buf *out)
{
    CLEAN(buf_deinit) struct buf text = {0};
    text_of_value(column, row, options->zone ? options->zone : zone_utc(), &text);
    json_quote(buf_str(&text), out);
}

static bool plain_name(struct str name)
{
    const uint8_t *end = (const uint8_t *)name.ptr + name.bytes;
    uint32_t high = 0;
    return json_string_stop((const uint8_t *)name.ptr, end, '"', &high) == end && !high;
}

static void struct_fields(struct column *const *columns, const struct type *type, size_t row,
                          const struct json_encode_options *options, struct buf *out)
{
    char before = '{';
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (options->skip_nulls && column_is_null(columns[i], row))
            continue;
        struct str name = type->fields[i].name;
        uint8_t *to = buf_reserve(out, name.bytes + 4);
        if (to && plain_name(name)) {
            to[0] = (uint8_t)before;
            to[1] = '"';
            memcpy(to + 2, name.ptr, name.bytes);
            to[name.bytes + 2] = '"';
            to[name.bytes + 3] = ':';
            buf_advance(out, name.bytes + 4);
        } else {
            buf_char(out, before);
            json_quote(name, out);
            buf_char(out, ':');
        }
        before = ',';
        json_encode_value(columns[i], row, options, out);
    }
    if (before == '{')
        buf_char(out, '{');
    buf_char(out, '}');
}

static void list(const struct column *column, size_t row, const struct json_encode_options *options,
                 struct buf *out)
{
    bool map = column->type->kind == TYPE_MAP;
    const struct column *values = column->children[map];
    buf_char(out, map ? '{' : '[');
    for (int32_t at = column->offsets[row]; at < column->offsets[row + 1]; at++) {
        if (at > column->offsets[row])
            buf_char(out, ',');
        if (map) {
            const struct column *keys = column->children[0];
            if (keys->type->kind == TYPE_STRING)
                json_quote(column_str(keys, (size_t)at), out);
            else
                quoted_cast(keys, (size_t)at, options, out);
            buf_char(out, ':');
        }
        json_encode_value(values, (size_t)at, options, out);
    }
    buf_char(out, map ? '}' : ']');
}

static void day(int32_t days, struct buf *out)
{
    char text[TIME_ROOM], *to = text;
    struct civil c;
    civil_from_days(days, &c);
    *to++ = '"';
    to = date(to, &c);
    *to++ = '"';
    buf_append(out, text, (size_t)(to - text));
}

void json_encode_value(const struct column *column, size_t row,
                       const struct json_encode_options *options, struct buf *out)
{
    static const struct json_encode_options defaults;
    options = options ? options : &defaults;
    if (column_is_null(column, row)) {
        buf_append(out, "null", 4);
        return;
    }
    switch (column->type->kind) {
    case TYPE_BOOLEAN:
        buf_text(out, bit_get(column->bits, row) ? "true" : "false");
        break;
    case TYPE_TINYINT:
        json_print_i64(column->i8[row], out);
        break;
    case TYPE_SMALLINT:
        json_print_i64(column->i16[row], out);
        break;
    case TYPE_INT:
        json_print_i64(column->i32[row], out);
        break;
    case TYPE_BIGINT:
        json_print_i64(column->i64[row], out);
        break;
    case TYPE_FLOAT:
        float_text(column->f32[row], out);
        break;
    case TYPE_DOUBLE:
        json_print_f64(column->f64[row], out);
        break;
    case TYPE_DECIMAL:
        decimal_print(column->i128[row], column->type->scale, out);
        break;
    case TYPE_STRING:
        json_quote(column_str(column, row), out);
        break;
    case TYPE_BINARY:
        base64(column_str(column, row), out);
        break;
    case TYPE_DATE:
        day(column->i32[row], out);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        timestamp(column->i64[row], column->type->kind == TYPE_TIMESTAMP, options, out);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
        list(column, row, options, out);
        break;
    case TYPE_STRUCT:
        struct_fields(column->children, column->type, row, options, out);
        break;
    default:
        quoted_cast(column, row, options, out);
        break;
    }
}

void json_encode_row(const struct batch *batch, size_t row,
                     const struct json_encode_options *options, struct buf *out)
{
    static const struct json_encode_options defaults;
    struct_fields(batch->columns, batch->schema, row, options ? options : &defaults, out);
}
