/* SPDX-License-Identifier: MIT */
/*
 * Spark's cast of texts to DATE, TIMESTAMP and TIMESTAMP_NTZ:
 *
 *  [+-]yyyy[yy][-[m]m[-[d]d[(T| )[h]h[:[m]m[:[s]s[.[f*]][zone]]]]]]
 *
 * Blanks and control characters at both ends are skipped, fractions are cut to microseconds, and a
 * zone may only follow seconds; it is Z, an offset, or the id of a region, with blanks around. A
 * DATE has up to seven digits of year, and what follows T or a blank after its day is not looked
 * at. A time alone (T12:30), which Spark dates today, is refused: a stream has no today.
 *
 * The decoder of JSON calls this for every record: the form that machines write,
 * yyyy-mm-ddThh:mm:ss with a fraction and Z or nothing, is read eight bytes at a time in front of
 * the general reader. Digits are checked by xor with '0's, which leaves 0..9 of a digit, 0 of the
 * right separator and more of anything else.
 */
#include "data/column.h"

#include "base/endian.h"
#include "base/zone.h"

struct stamp {
    int64_t year;
    int32_t month, day, hour, minute, second, micros;
    struct str zone; /* STR_NONE when the text has none */
};

static bool is_trimmed(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7F;
}

static struct str trim(struct str s)
{
    while (s.bytes && is_trimmed(s.ptr[0]))
        s = str_slice(s, 1, s.bytes);
    while (s.bytes && is_trimmed(s.ptr[s.bytes - 1]))
        s.bytes--;
    return s;
}

static bool is_leap(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool is_date(int64_t year, int32_t month, int32_t day)
{
    static const uint8_t days[16] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    if (day <= days[month])
        return true;
    return month == 2 && day == 29 && civil_days_in_month(year, 2) == 29;
}

/* ---- the fast path ---- */

/* Days since 1970 of a date with a year of 0..9999. */
static int32_t days_of(uint32_t year, uint32_t month, uint32_t day)
{
    static const uint16_t before[16] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint32_t past = year + 3; /* leap days of the years before, year 0 among them */
    uint32_t leaps = past / 4 - (year + 99) / 100 + (year + 399) / 400;
    uint32_t days = year * 365 + leaps + before[month] + (month > 2 && is_leap(year)) + day - 1;
    return (int32_t)days - 719528;
}

/* Nonzero when a byte of the xored text is over 9 (digit) or over 0 (separator): add is 0x76 for
 * digits and 0x7F for separators. */
static uint64_t over(uint64_t xored, uint64_t add)
{
    return (xored | (xored + add)) & 0x8080808080808080u;
}

static uint32_t two(uint64_t xored, unsigned at)
{
    return (uint32_t)(xored >> (8 * at) & 15) * 10 + (uint32_t)(xored >> (8 * at + 8) & 15);
}

/* yyyy-mm-dd in ten bytes. */
static bool fast_date(const char *text, int32_t *ret_days)
{
    uint64_t head = get_le64(text) ^ 0x2D30302D30303030u; /* "0000-00-" */
    uint32_t d1 = (uint32_t)(unsigned char)text[8] - '0',
             d2 = (uint32_t)(unsigned char)text[9] - '0';
    if (over(head, 0x7F76767F76767676u) || d1 > 9 || d2 > 9)
        return false;
    uint32_t year = two(head, 0) * 100 + two(head, 2), month = two(head, 5), day = d1 * 10 + d2;
    if (!is_date(year, (int32_t)month, (int32_t)day))
        return false;
    *ret_days = days_of(year, month, day);
    return true;
}

/* yyyy-mm-ddThh:mm:ss[.f+][Z]; ret_local is set to whether there is no Z. */
static bool fast_timestamp(struct str s, int64_t *ret_us, bool *ret_local)
{
    int32_t days;
    if (s.bytes < 19 || (s.ptr[10] != 'T' && s.ptr[10] != ' ') || !fast_date(s.ptr, &days))
        return false;
    uint64_t time = get_le64(s.ptr + 11) ^ 0x30303A30303A3030u; /* "00:00:00" */
    if (over(time, 0x76767F76767F7676u))
        return false;
    uint32_t hour = two(time, 0), minute = two(time, 3), second = two(time, 6);
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    size_t at = 19;
    uint32_t micros = 0, unit = 1000000;
    if (at < s.bytes && s.ptr[at] == '.')
        for (at++; at < s.bytes; at++) {
            uint32_t digit = (uint32_t)(unsigned char)s.ptr[at] - '0';
            if (digit > 9)
                break;
            unit /= 10;
            micros += digit * unit;
        }
    *ret_local = at == s.bytes;
    if (!*ret_local && !(at + 1 == s.bytes && s.ptr[at] == 'Z'))
        return false;
    int64_t seconds = (int64_t)days * 86400 + hour * 3600 + minute * 60 + second;
    *ret_us = seconds * US_PER_SECOND + micros;
    return true;
}

/* ---- the general reader ---- */

/* Cuts a run of digits off the front of *rest; false when it has fewer than min or more than max.
 */
static bool cut_digits(struct str *rest, size_t min, size_t max, int64_t *ret_value)
{
    size_t count = 0;
    int64_t value = 0;
    while (count < rest->bytes && count <= max && rest->ptr[count] >= '0' &&
           rest->ptr[count] <= '9')
        value = value * 10 + (rest->ptr[count++] - '0');
    *rest = str_slice(*rest, count, rest->bytes);
    *ret_value = value;
    return count >= min && count <= max;
}

static bool cut_part(struct str *rest, int32_t *ret_value)
{
    int64_t value;
    bool good = cut_digits(rest, 1, 2, &value);
    *ret_value = (int32_t)value;
    return good;
}

static bool cut_char(struct str *rest, char c)
{
    if (!rest->bytes || rest->ptr[0] != c)
        return false;
    *rest = str_slice(*rest, 1, rest->bytes);
    return true;
}

static bool cut_year(struct str *rest, size_t digits_max, int64_t *ret_year)
{
    bool minus = cut_char(rest, '-');
    if (!minus)
        cut_char(rest, '+');
    if (!cut_digits(rest, 4, digits_max, ret_year))
        return false;
    if (minus)
        *ret_year = -*ret_year;
    return true;
}

static void cut_fraction(struct str *rest, int32_t *ret_micros)
{
    int32_t micros = 0, unit = 1000000;
    while (rest->bytes && rest->ptr[0] >= '0' && rest->ptr[0] <= '9') {
        unit /= 10;
        micros += (rest->ptr[0] - '0') * unit;
        *rest = str_slice(*rest, 1, rest->bytes);
    }
    *ret_micros = micros;
}

/* What follows T or the blank: the text may end behind each number. */
static bool parse_time(struct str rest, struct stamp *s)
{
    if (!cut_part(&rest, &s->hour))
        return false;
    if (!rest.bytes)
        return true;
    if (!cut_char(&rest, ':') || !cut_part(&rest, &s->minute))
        return false;
    if (!rest.bytes)
        return true;
    if (!cut_char(&rest, ':') || !cut_part(&rest, &s->second))
        return false;
    if (cut_char(&rest, '.'))
        cut_fraction(&rest, &s->micros);
    if (rest.bytes)
        s->zone = trim(rest);
    return true;
}

static bool parse_stamp(struct str text, struct stamp *ret_stamp)
{
    struct stamp s = {.month = 1, .day = 1, .zone = STR_NONE};
    struct str rest = trim(text);
    bool good = cut_year(&rest, 6, &s.year);
    if (good && rest.bytes)
        good = cut_char(&rest, '-') && cut_part(&rest, &s.month);
    if (good && rest.bytes)
        good = cut_char(&rest, '-') && cut_part(&rest, &s.day);
    if (good && rest.bytes)
        good = (cut_char(&rest, 'T') || cut_char(&rest, ' ')) && parse_time(rest, &s);
    *ret_stamp = s;
    return good && is_date(s.year, s.month, s.day) && s.hour < 24 && s.minute < 60 && s.second < 60;
}

/* Microseconds of the wall clock. */
static enum err stamp_us(const struct stamp *s, int64_t *ret_us)
{
    int64_t seconds =
        civil_days(s->year, s->month, s->day) * 86400 + s->hour * 3600 + s->minute * 60 + s->second;
    int64_t us;
    if (__builtin_mul_overflow(seconds, US_PER_SECOND, &us) ||
        __builtin_add_overflow(us, s->micros, &us))
        return ERR_SYNTAX;
    *ret_us = us;
    return OK;
}

/* +hh:mm without the detour over a zone. */
static bool fast_offset(struct str s, int64_t *ret_offset)
{
    if (s.bytes != 6 || (s.ptr[0] != '+' && s.ptr[0] != '-') || s.ptr[3] != ':')
        return false;
    unsigned digits[4] = {(unsigned)(s.ptr[1] - '0'), (unsigned)(s.ptr[2] - '0'),
                          (unsigned)(s.ptr[4] - '0'), (unsigned)(s.ptr[5] - '0')};
    if (digits[0] > 9 || digits[1] > 9 || digits[2] > 5 || digits[3] > 9)
        return false;
    int64_t seconds = (digits[0] * 10 + digits[1]) * 3600 + (digits[2] * 10 + digits[3]) * 60;
    *ret_offset = s.ptr[0] == '-' ? -seconds : seconds;
    return seconds <= 18 * 3600;
}

enum err timestamp_parse(struct str text, const struct zone *zone, int64_t *ret_us)
{
    int64_t us, offset;
    bool local;
    if (fast_timestamp(text, &us, &local)) {
        *ret_us = local ? zone_local_to_us(zone, us) : us;
        return OK;
    }
    struct stamp stamp;
    if (!parse_stamp(text, &stamp))
        return ERR_SYNTAX;
    TRY(stamp_us(&stamp, &us));
    if (stamp.zone.ptr && fast_offset(stamp.zone, &offset)) {
        *ret_us = us - offset * US_PER_SECOND;
        return OK;
    }
    if (stamp.zone.ptr && zone_find(stamp.zone, &zone) != OK)
        return ERR_SYNTAX;
    *ret_us = zone_local_to_us(zone, us);
    return OK;
}

enum err timestamp_ntz_parse(struct str text, int64_t *ret_us)
{
    bool local;
    if (fast_timestamp(text, ret_us, &local))
        return OK;
    struct stamp stamp;
    const struct zone *zone;
    if (!parse_stamp(text, &stamp))
        return ERR_SYNTAX;
    /* The zone counts for nothing, but it must be one. */
    if (stamp.zone.ptr && zone_find(stamp.zone, &zone) != OK)
        return ERR_SYNTAX;
    return stamp_us(&stamp, ret_us);
}

enum err date_parse(struct str text, int32_t *ret_days)
{
    if (text.bytes == 10 && fast_date(text.ptr, ret_days))
        return OK;
    int64_t year;
    int32_t month = 1, day = 1;
    struct str rest = trim(text);
    bool good = cut_year(&rest, 7, &year);
    if (good && rest.bytes)
        good = cut_char(&rest, '-') && cut_part(&rest, &month);
    if (good && rest.bytes)
        good = cut_char(&rest, '-') && cut_part(&rest, &day) &&
               (!rest.bytes || rest.ptr[0] == 'T' || rest.ptr[0] == ' ');
    if (!good || !is_date(year, month, day))
        return ERR_SYNTAX;
    int64_t days = civil_days(year, month, day);
    if (days < INT32_MIN || days > INT32_MAX)
        return ERR_SYNTAX;
    *ret_days = (int32_t)days;
    return OK;
}
