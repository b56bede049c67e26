/* SPDX-License-Identifier: MIT */
/*
 * The value that a token of CSV stands for, by its type. Integers, booleans, decimals and texts are
 * taken as they are (a blank beside a number spoils it); floating numbers the way Java's parser
 * takes them, blanks around and a letter of their type behind included; times by Spark's casts,
 * but for a TIMESTAMP_NTZ a zone is an error.
 */
#include "format/csv_value.h"

#include "format/json_decode.h"

#include <math.h>

bool csv_takes(const struct type *type)
{
    return type->kind != TYPE_NULL && type->kind <= TYPE_TIMESTAMP_NTZ;
}

struct range {
    int64_t low, high;
    const char *wanted;
};

static const struct range ranges[] = {
    [TYPE_TINYINT] = {INT8_MIN, INT8_MAX, "an integer of the type was expected"},
    [TYPE_SMALLINT] = {INT16_MIN, INT16_MAX, "an integer of the type was expected"},
    [TYPE_INT] = {INT32_MIN, INT32_MAX, "an integer of the type was expected"},
    [TYPE_BIGINT] = {INT64_MIN, INT64_MAX, "an integer of the type was expected"},
};

static bool take_integer(const struct range *range, struct str text, struct builder *b,
                         const char **ret_wanted)
{
    int64_t value;
    *ret_wanted = range->wanted;
    if (str_to_i64(text, &value) != OK || value < range->low || value > range->high)
        return false;
    if (b)
        builder_i64(b, value);
    return true;
}

/* [digits][.digits][e[+-]digits] with a digit in front of the exponent. */
static bool is_number(struct str text)
{
    size_t i = 0, digits = 0, points = 0;
    for (; i < text.bytes && ((unsigned)(text.ptr[i] - '0') <= 9 || text.ptr[i] == '.'); i++) {
        points += text.ptr[i] == '.';
        digits += text.ptr[i] != '.';
    }
    if (digits == 0 || points > 1)
        return false;
    if (i == text.bytes)
        return true;
    if ((text.ptr[i++] | 32) != 'e')
        return false;
    if (i < text.bytes && (text.ptr[i] == '+' || text.ptr[i] == '-'))
        i++;
    size_t first = i;
    while (i < text.bytes && (unsigned)(text.ptr[i] - '0') <= 9)
        i++;
    return i == text.bytes && i > first;
}

static struct str trim_java(struct str text)
{
    while (text.bytes && (unsigned char)text.ptr[0] <= ' ')
        text = str_slice(text, 1, text.bytes);
    while (text.bytes && (unsigned char)text.ptr[text.bytes - 1] <= ' ')
        text.bytes--;
    return text;
}

static bool take_real(const struct type *type, struct str text, struct builder *b)
{
    double value;
    text = trim_java(text);
    bool sign = text.bytes && (text.ptr[0] == '-' || text.ptr[0] == '+');
    bool minus = sign && text.ptr[0] == '-';
    struct str size = str_slice(text, sign, text.bytes);
    if (str_equal(size, STR("NaN"))) {
        value = NAN;
    } else if (str_equal(size, STR("Infinity")) || str_equal(size, STR("Inf"))) {
        value = INFINITY;
    } else {
        size_t bytes = size.bytes;
        if (bytes && strchr("fFdD", size.ptr[bytes - 1]))
            size.bytes--;
        if (!is_number(size))
            return false;
        value = json_number_value(size, type->kind == TYPE_FLOAT);
    }
    if (b)
        builder_f64(b, minus ? -value : value);
    return true;
}

static bool take_bool(struct str text, struct builder *b)
{
    bool value = str_equal_nocase(text, STR("true"));
    if (!value && !str_equal_nocase(text, STR("false")))
        return false;
    if (b)
        builder_bool(b, value);
    return true;
}

static bool take_decimal(const struct type *type, struct str text, struct builder *b)
{
    __int128 value;
    if (decimal_parse(text, type->precision, type->scale, &value) != OK)
        return false;
    if (b)
        builder_i128(b, value);
    return true;
}

static bool take_text(const struct type *type, struct str text, struct builder *b)
{
    if (!b)
        return true;
    if (type->kind == TYPE_BINARY || str_is_utf8(text)) {
        builder_str(b, text);
        return true;
    }
    CLEAN(buf_deinit) struct buf repaired = {0};
    json_repair(text, &repaired);
    builder_str(b, buf_str(&repaired));
    return true;
}

/* True when a zone follows the time: nothing else has a letter or a sign there. */
static bool has_zone(struct str text)
{
    text = trim_java(text);
    size_t colon = str_find(text, STR(":"), 0);
    for (size_t i = colon == SIZE_MAX ? text.bytes : colon; i < text.bytes; i++)
        if (!strchr("0123456789:.", text.ptr[i]))
            return true;
    return false;
}

static bool take_time(const struct type *type, struct str text, const struct zone *zone,
                      struct builder *b)
{
    int64_t value;
    int32_t days;
    if (type->kind == TYPE_DATE) {
        if (date_parse(text, &days) != OK)
            return false;
        value = days;
    } else if (type->kind == TYPE_TIMESTAMP) {
        if (timestamp_parse(text, zone, &value) != OK)
            return false;
    } else if (has_zone(text) || timestamp_ntz_parse(text, &value) != OK) {
        return false;
    }
    if (b)
        builder_i64(b, value);
    return true;
}

bool csv_value(const struct type *type, struct str text, const struct zone *zone, struct builder *b,
               const char **ret_wanted)
{
    switch (type->kind) {
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
        return take_integer(&ranges[type->kind], text, b, ret_wanted);
    case TYPE_BOOLEAN:
        *ret_wanted = "true or false was expected";
        return take_bool(text, b);
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        *ret_wanted = "a number was expected";
        return take_real(type, text, b);
    case TYPE_DECIMAL:
        *ret_wanted = "a number within the type's precision was expected";
        return take_decimal(type, text, b);
    case TYPE_STRING:
    case TYPE_BINARY:
        return take_text(type, text, b);
    default:
        *ret_wanted = type->kind == TYPE_DATE ? "a date was expected" : "a timestamp was expected";
        return take_time(type, text, zone, b);
    }
}
