/* SPDX-License-Identifier: MIT */
/*
 * Dates and timestamps into builders.
 *
 * Nearly all timestamps in JSON are 2024-01-01T00:00:00.123Z. That form (a blank for the T, 0 to 9
 * digits of fraction, with or without Z) is read at fixed positions, the time of day as one 64-bit
 * word, and the date is compared with the last one met: events of one batch share it. Every other
 * form goes to timestamp_parse() and date_parse(), which know all that CAST knows.
 *
 * TIMESTAMP takes an integer as seconds since 1970, as Spark does; where Spark would silently wrap
 * around (beyond year 294247) the value does not fit here. DATE takes the text of an integer as
 * days, as Spark still does, where the text is no date (a year has at least four digits).
 * TIMESTAMP_NTZ refuses a zone.
 */
#include "base/civil.h"
#include "base/zone.h"
#include "format/json_decode.h"

#define TOPS 0x8080808080808080u

/* The day at p, 10 bytes, in us; false when it has another form or does not exist. */
static bool date_us(struct json_decoder *d, const uint8_t *p, int64_t *ret_us)
{
    if (memcmp(p, d->date_text, sizeof d->date_text) != 0) {
        int part[3] = {0};
        static const uint8_t places[] = {0, 0, 0, 0, 9, 1, 1, 9, 2, 2};
        for (int i = 0; i < 10; i++) {
            if (places[i] == 9) {
                if (p[i] != '-')
                    return false;
                continue;
            }
            if ((uint8_t)(p[i] - '0') > 9)
                return false;
            part[places[i]] = part[places[i]] * 10 + (p[i] - '0');
        }
        if (part[1] < 1 || part[1] > 12 || part[2] < 1 ||
            part[2] > civil_days_in_month(part[0], part[1]))
            return false;
        memcpy(d->date_text, p, sizeof d->date_text);
        d->date_us = civil_days(part[0], part[1], part[2]) * US_PER_DAY;
    }
    *ret_us = d->date_us;
    return true;
}

/* hh:mm:ss */
static bool clock_us(const uint8_t *p, int64_t *ret_us)
{
    uint64_t word = get_le64(p) ^ 0x30303A30303A3030u;
    if ((((word + 0x7676767676767676u) | word) & TOPS) || word & 0x0000FF0000FF0000u)
        return false;
    int64_t hour = p[0] * 10 + p[1] - '0' * 11, minute = p[3] * 10 + p[4] - '0' * 11,
            second = p[6] * 10 + p[7] - '0' * 11;
    *ret_us = (hour * 3600 + minute * 60 + second) * US_PER_SECOND;
    return hour < 24 && minute < 60 && second < 60;
}

/* The common form at p, the first byte behind the quote; NULL when it is another. *ret_zoned: a Z
 * stands behind it. */
static const uint8_t *common_form(struct json_decoder *d, const uint8_t *p, int64_t *ret_us,
                                  bool *ret_zoned)
{
    int64_t day, clock, fraction = 0, unit = 100000;
    if (d->doc.end - p < 32 || (p[10] != 'T' && p[10] != ' ') || !date_us(d, p, &day) ||
        !clock_us(p + 11, &clock))
        return NULL;
    p += 19;
    if (*p == '.') {
        const uint8_t *first = ++p;
        for (; p < first + 9 && (uint8_t)(*p - '0') <= 9; p++, unit /= 10)
            fraction += (*p - '0') * unit;
        if (p == first)
            return NULL;
    }
    *ret_zoned = *p == 'Z';
    *ret_us = day + clock + fraction;
    return p + *ret_zoned;
}

static const uint8_t *take_seconds(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    const uint8_t *behind = json_skip_value(&d->doc, p, d->depth);
    int64_t value;
    if (!behind)
        return NULL;
    if (str_to_i64(str_from(p, (size_t)(behind - p)), &value) != OK ||
        __builtin_mul_overflow(value, US_PER_SECOND, &value))
        return json_misfit(d, node, p, behind, "a timestamp was expected");
    if (node->builder)
        builder_i64(node->builder, value);
    return behind;
}

const uint8_t *json_take_timestamp(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    if (!json_is_quote(*p))
        return json_is_number(*p) ? take_seconds(d, node, p)
                                  : json_take_other(d, node, p, "a timestamp was expected");
    int64_t us;
    bool zoned;
    const uint8_t *behind = common_form(d, p + 1, &us, &zoned);
    if (behind && *behind == *p && (zoned || d->zone_is_utc)) {
        behind++;
    } else {
        struct str text;
        behind = json_take_text(d, p, &text);
        if (!behind)
            return NULL;
        if (timestamp_parse(text, d->zone, &us) != OK)
            return json_misfit(d, node, p, behind, "a timestamp was expected");
    }
    if (node->builder)
        builder_i64(node->builder, us);
    return behind;
}

/* True when a zone stands behind the time of day. */
static bool has_zone(struct str text)
{
    size_t colon = str_find(text, STR(":"), 0);
    for (size_t i = colon; i < text.bytes; i++)
        if (text.ptr[i] == '+' || text.ptr[i] == '-' || (uint8_t)((text.ptr[i] | 0x20) - 'a') <= 25)
            return true;
    return false;
}

const uint8_t *json_take_timestamp_ntz(struct json_decoder *d, struct json_node *node,
                                       const uint8_t *p)
{
    if (!json_is_quote(*p))
        return json_take_other(d, node, p, "a timestamp without zone was expected");
    int64_t us;
    bool zoned;
    const uint8_t *behind = common_form(d, p + 1, &us, &zoned);
    if (behind && *behind == *p && !zoned) {
        behind++;
    } else {
        struct str text;
        behind = json_take_text(d, p, &text);
        if (!behind)
            return NULL;
        if (has_zone(text) || timestamp_ntz_parse(text, &us) != OK)
            return json_misfit(d, node, p, behind, "a timestamp without zone was expected");
    }
    if (node->builder)
        builder_i64(node->builder, us);
    return behind;
}

static bool days_text(struct str text, int32_t *ret_days)
{
    int64_t value;
    if (str_to_i64(text, &value) != OK || value < INT32_MIN || value > INT32_MAX)
        return false;
    *ret_days = (int32_t)value;
    return true;
}

const uint8_t *json_take_date(struct json_decoder *d, struct json_node *node, const uint8_t *p)
{
    if (!json_is_quote(*p))
        return json_take_other(d, node, p, "a date was expected");
    int64_t us;
    const uint8_t *behind;
    int32_t days;
    if (d->doc.end - p >= 12 && p[11] == *p && date_us(d, p + 1, &us)) {
        behind = p + 12;
        days = (int32_t)(us / US_PER_DAY);
    } else {
        struct str text;
        behind = json_take_text(d, p, &text);
        if (!behind)
            return NULL;
        if (date_parse(text, &days) != OK && !days_text(text, &days))
            return json_misfit(d, node, p, behind, "a date was expected");
    }
    if (node->builder)
        builder_i64(node->builder, days);
    return behind;
}
