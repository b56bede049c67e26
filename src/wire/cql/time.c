/* SPDX-License-Identifier: MIT */
/*
 * Times as text: timestamp, date, time of day and duration, in the forms that Cassandra reads.
 *
 *     timestamp  ms since 1970 as a number, or date [(' '|'T') HH:MM[:SS[.fraction]]] [zone]; a
 *                zone is Z, +HH, +HHMM, +HH:MM or a name. Without one it is UTC: Cassandra takes
 * its machine's zone, and ours have none. date       the raw unsigned number of the value (2^31 =
 * 1970-01-01), or yyyy-mm-dd time       ns of the day as a number, or HH:MM:SS[.fraction] duration
 * 12h30m, 1y2mo3w4d5h6m7s8ms9us10ns in that order; ISO 8601: P1Y2M3DT4H5M6S, P4W,
 *                P0001-02-03T04:05:06; a - before each
 *
 * A duration's value is three zigzag vints: months, days, nanoseconds, of one sign.
 */
#include "base/civil.h"
#include "base/zone.h"
#include "wire/cql/private.h"

#define DAY_NANOS 86400000000000LL
#define DATE_EPOCH 2147483648LL

/* ---- digits ---- */

/* Between digits_min and digits_max digits off the front. */
static bool take_number(struct str *text, size_t digits_min, size_t digits_max, int64_t *ret_value)
{
    size_t n = 0;
    int64_t value = 0;
    while (n < text->bytes && n < digits_max && text->ptr[n] >= '0' && text->ptr[n] <= '9')
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text->ptr[n++] - '0', &value))
            value = INT64_MAX / 10; /* stays over whatever is taken */
    if (n < digits_min)
        return false;
    *text = str_slice(*text, n, text->bytes);
    *ret_value = value;
    return true;
}

static bool take_char(struct str *text, char c)
{
    if (!text->bytes || text->ptr[0] != c)
        return false;
    *text = str_slice(*text, 1, text->bytes);
    return true;
}

static bool is_number(struct str s)
{
    if (s.bytes && s.ptr[0] == '-')
        s = str_slice(s, 1, s.bytes);
    for (size_t i = 0; i < s.bytes; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.bytes > 0;
}

static bool take_date(struct str *text, int64_t *ret_days)
{
    bool negative = take_char(text, '-');
    int64_t year, month, day;
    if (!negative)
        take_char(text, '+');
    if (!take_number(text, 4, 9, &year) || !take_char(text, '-') ||
        !take_number(text, 1, 2, &month) || !take_char(text, '-') || !take_number(text, 1, 2, &day))
        return false;
    year = negative ? -year : year;
    if (month < 1 || month > 12 || day < 1 || day > civil_days_in_month(year, (int)month))
        return false;
    *ret_days = civil_days(year, (int)month, (int)day);
    return true;
}

/* HH:MM, then seconds (which must be there for a time of day) and up to nine digits of fraction. */
static bool take_clock(struct str *text, bool seconds_must, int64_t *ret_nanos)
{
    int64_t hour, minute, second = 0, nanos = 0;
    if (!take_number(text, 1, 2, &hour) || !take_char(text, ':') ||
        !take_number(text, 1, 2, &minute))
        return false;
    if (take_char(text, ':')) {
        if (!take_number(text, 1, 2, &second))
            return false;
        if (take_char(text, '.')) {
            size_t before = text->bytes;
            if (!take_number(text, 1, 9, &nanos))
                return false;
            for (size_t digits = before - text->bytes; digits < 9; digits++)
                nanos *= 10;
        }
    } else if (seconds_must) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *ret_nanos = ((hour * 60 + minute) * 60 + second) * 1000000000 + nanos;
    return true;
}

/* ---- timestamp, date, time ---- */

/* What is behind the date and the time; whole text. */
static bool zone_apply(struct str text, int64_t *local_us)
{
    text = str_trim(text);
    if (!text.bytes || str_equal_nocase(text, STR("Z")))
        return true;
    bool negative = text.ptr[0] == '-';
    if (negative || text.ptr[0] == '+') {
        int64_t hours, minutes = 0;
        text = str_slice(text, 1, text.bytes);
        if (!take_number(&text, 2, 2, &hours))
            return false;
        bool colon = take_char(&text, ':');
        if ((text.bytes || colon) && (!take_number(&text, 2, 2, &minutes) || text.bytes))
            return false;
        if (hours > 18 || minutes > 59)
            return false;
        int64_t offset_us = (hours * 60 + minutes) * 60 * US_PER_SECOND;
        *local_us += negative ? offset_us : -offset_us;
        return true;
    }
    const struct zone *zone;
    if (zone_find(text, &zone) != OK)
        return false;
    *local_us = zone_local_to_us(zone, *local_us);
    return true;
}

enum err cql_timestamp_parse(struct str text, int64_t *ret_ms)
{
    if (is_number(text))
        return str_to_i64(text, ret_ms);
    int64_t days, nanos = 0;
    if (!take_date(&text, &days))
        return ERR_SYNTAX;
    if (text.bytes > 1 && (text.ptr[0] == ' ' || text.ptr[0] == 'T') && text.ptr[1] >= '0' &&
        text.ptr[1] <= '9') {
        text = str_slice(text, 1, text.bytes);
        if (!take_clock(&text, false, &nanos))
            return ERR_SYNTAX;
    }
    /* Years of nine digits are beyond microseconds: whole days are added behind the zone. */
    int64_t far = days > 100000000 || days < -100000000 ? days : 0;
    int64_t us = (days - far) * US_PER_DAY + nanos / 1000;
    if (!zone_apply(text, &us))
        return ERR_SYNTAX;
    int64_t ms = us >= 0 ? us / 1000 : -((-us + 999) / 1000);
    if (__builtin_mul_overflow(far, US_PER_DAY / 1000, &far) ||
        __builtin_add_overflow(ms, far, &ms))
        return ERR_OUT_OF_RANGE;
    *ret_ms = ms;
    return OK;
}

enum err cql_date_parse(struct str text, uint32_t *ret_days)
{
    int64_t days;
    if (is_number(text)) {
        TRY(str_to_i64(text, &days));
        if (days < 0 || days > UINT32_MAX)
            return ERR_OUT_OF_RANGE;
        *ret_days = (uint32_t)days;
        return OK;
    }
    if (!take_date(&text, &days) || text.bytes)
        return ERR_SYNTAX;
    if (days < INT32_MIN || days > INT32_MAX)
        return ERR_OUT_OF_RANGE;
    *ret_days = (uint32_t)(days + DATE_EPOCH);
    return OK;
}

enum err cql_time_parse(struct str text, int64_t *ret_nanos)
{
    int64_t nanos;
    if (is_number(text)) {
        TRY(str_to_i64(text, &nanos));
        if (nanos < 0 || nanos >= DAY_NANOS)
            return ERR_OUT_OF_RANGE;
        *ret_nanos = nanos;
        return OK;
    }
    if (!take_clock(&text, true, &nanos) || text.bytes)
        return ERR_SYNTAX;
    *ret_nanos = nanos;
    return OK;
}

static void days_print(int64_t days, struct buf *out)
{
    struct civil civil;
    civil_from_days(days, &civil);
    if (civil.year > 9999)
        buf_char(out, '+');
    long long year = civil.year;
    buf_printf(out, "%s%04lld-%02d-%02d", year < 0 ? "-" : "", year < 0 ? -year : year, civil.month,
               civil.day);
}

void cql_timestamp_print(int64_t ms, char separator, struct buf *out)
{
    int64_t days = ms / 86400000, rest = ms % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    days_print(days, out);
    buf_printf(out, "%c%02d:%02d:%02d.%03dZ", separator, (int)(rest / 3600000),
               (int)(rest / 60000 % 60), (int)(rest / 1000 % 60), (int)(rest % 1000));
}

void cql_date_print(uint32_t days, struct buf *out)
{
    days_print((int64_t)days - DATE_EPOCH, out);
}

void cql_time_print(int64_t nanos, struct buf *out)
{
    int64_t seconds = nanos / 1000000000;
    buf_printf(out, "%02lld:%02d:%02d.%09d", (long long)(seconds / 3600), (int)(seconds / 60 % 60),
               (int)(seconds % 60), (int)(nanos % 1000000000));
}

/* ---- durations ---- */

enum { PART_MONTHS, PART_DAYS, PART_NANOS };
struct duration_unit {
    const char *name;   /* as written, lower case */
    const char *plural; /* as error texts have it */
    int part;
    int64_t scale;
};
/* Largest first; the order in which they must come. */
static const struct duration_unit units[] = {
    {"y", "years", PART_MONTHS, 12},
    {"mo", "months", PART_MONTHS, 1},
    {"w", "weeks", PART_DAYS, 7},
    {"d", "days", PART_DAYS, 1},
    {"h", "hours", PART_NANOS, 3600000000000},
    {"m", "minutes", PART_NANOS, 60000000000},
    {"s", "seconds", PART_NANOS, 1000000000},
    {"ms", "milliseconds", PART_NANOS, 1000000},
    {"us", "microseconds", PART_NANOS, 1000},
    {"ns", "nanoseconds", PART_NANOS, 1},
};
enum { UNIT_COUNT = sizeof units / sizeof units[0] };
enum { UNIT_YEAR, UNIT_MONTH, UNIT_WEEK, UNIT_DAY, UNIT_HOUR, UNIT_MINUTE, UNIT_SECOND };

struct duration_parser {
    struct str whole, text;
    int64_t parts[3];
    int last; /* unit that came last, or -1 */
    struct diag *diag;
};

static enum err duration_wrong(struct duration_parser *p)
{
    return diag_set(p->diag, ERR_SYNTAX, 0, 0, "Unable to convert '%.*s' to a duration",
                    STR_ARG(p->whole));
}

static enum err duration_add(struct duration_parser *p, int unit, int64_t value)
{
    const struct duration_unit *u = &units[unit];
    if (unit == p->last)
        return diag_set(p->diag, ERR_SYNTAX, 0, 0,
                        "Invalid duration. The %s are set multiple times", u->plural);
    if (unit < p->last)
        return diag_set(p->diag, ERR_SYNTAX, 0, 0, "Invalid duration. The %s should be after %s",
                        units[p->last].plural, u->plural);
    p->last = unit;
    int64_t max = u->part == PART_NANOS ? INT64_MAX : INT32_MAX, sum;
    if (__builtin_mul_overflow(value, u->scale, &sum) ||
        __builtin_add_overflow(sum, p->parts[u->part], &sum) || sum > max)
        return diag_set(p->diag, ERR_OUT_OF_RANGE, 0, 0,
                        "Invalid duration. The total number of %s must be less or equal to %lld",
                        u->part == PART_NANOS  ? "nanoseconds"
                        : u->part == PART_DAYS ? "days"
                                               : "months",
                        (long long)max);
    p->parts[u->part] = sum;
    return OK;
}

static enum err duration_standard(struct duration_parser *p)
{
    if (!p->text.bytes)
        return duration_wrong(p);
    while (p->text.bytes) {
        int64_t value;
        if (!take_number(&p->text, 1, 19, &value))
            return duration_wrong(p);
        if (str_starts(p->text, STR("\xC2\xB5")))
            p->text = str_slice(p->text, 1, p->text.bytes); /* µs: as us, behind one byte */
        size_t letters = 0;
        while (letters < p->text.bytes &&
               !(p->text.ptr[letters] >= '0' && p->text.ptr[letters] <= '9'))
            letters++;
        struct str name = str_slice(p->text, 0, letters);
        int unit = 0;
        while (unit < UNIT_COUNT && !str_equal_nocase(name, str_of(units[unit].name)))
            unit++;
        if (str_equal_nocase(name, STR("\xB5s")))
            unit = UNIT_COUNT - 2;
        if (unit == UNIT_COUNT)
            return duration_wrong(p);
        p->text = str_slice(p->text, letters, p->text.bytes);
        TRY(duration_add(p, unit, value));
    }
    return OK;
}

/* P1Y2M3DT4H5M6S and P4W, behind the P. */
static enum err duration_iso(struct duration_parser *p)
{
    static const char letters[] = "YM?DHMS";
    bool clock = false, weeks = str_ends(p->text, STR("W"));
    while (p->text.bytes) {
        if (!clock && take_char(&p->text, 'T')) {
            clock = true;
            continue;
        }
        int64_t value;
        if (!take_number(&p->text, 1, 18, &value) || !p->text.bytes)
            return duration_wrong(p);
        char letter = p->text.ptr[0];
        p->text = str_slice(p->text, 1, p->text.bytes);
        int unit = -1;
        if (weeks)
            unit = letter == 'W' && !clock && p->last < 0 ? UNIT_WEEK : -1;
        else
            for (int i = clock ? UNIT_HOUR : UNIT_YEAR; i <= (clock ? UNIT_SECOND : UNIT_DAY); i++)
                if (letters[i] == letter)
                    unit = i;
        if (unit <= p->last)
            return duration_wrong(p);
        TRY(duration_add(p, unit, value));
    }
    return OK;
}

/* 0001-02-03T04:05:06, behind the P. */
static enum err duration_iso_alternative(struct duration_parser *p)
{
    static const struct {
        size_t digits;
        int unit;
        char behind;
    } fields[] = {{4, UNIT_YEAR, '-'}, {2, UNIT_MONTH, '-'},  {2, UNIT_DAY, 'T'},
                  {2, UNIT_HOUR, ':'}, {2, UNIT_MINUTE, ':'}, {2, UNIT_SECOND, 0}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        int64_t value;
        if (!take_number(&p->text, fields[i].digits, fields[i].digits, &value))
            return duration_wrong(p);
        if (fields[i].behind && !take_char(&p->text, fields[i].behind))
            return duration_wrong(p);
        TRY(duration_add(p, fields[i].unit, value));
    }
    return p->text.bytes ? duration_wrong(p) : OK;
}

enum err cql_duration_parse(struct str text, struct cql_duration *ret_duration, struct diag *diag)
{
    struct duration_parser p = {.whole = text, .text = text, .last = -1, .diag = diag};
    bool negative = take_char(&p.text, '-');
    if (take_char(&p.text, 'P')) {
        if (str_find(p.text, STR("-"), 0) != SIZE_MAX)
            TRY(duration_iso_alternative(&p));
        else
            TRY(duration_iso(&p));
    } else {
        TRY(duration_standard(&p));
    }
    int sign = negative ? -1 : 1;
    *ret_duration =
        (struct cql_duration){(int32_t)p.parts[PART_MONTHS] * sign,
                              (int32_t)p.parts[PART_DAYS] * sign, p.parts[PART_NANOS] * sign};
    return OK;
}

bool cql_duration_read(struct str value, int64_t ret_parts[3])
{
    struct reader r = reader_of(value.ptr, value.bytes);
    for (int i = 0; i < 3; i++)
        ret_parts[i] = cql_unzigzag(cql_vint_read(&r));
    return r.err == OK && !r.left;
}

void cql_duration_append(const struct cql_duration *duration, struct buf *out)
{
    cql_vint_append(out, cql_zigzag(duration->months));
    cql_vint_append(out, cql_zigzag(duration->days));
    cql_vint_append(out, cql_zigzag(duration->nanos));
}

void cql_duration_print(const int64_t parts[3], struct buf *out)
{
    if (parts[0] < 0 || parts[1] < 0 || parts[2] < 0)
        buf_char(out, '-');
    uint64_t rest[3];
    for (int i = 0; i < 3; i++)
        rest[i] = parts[i] < 0 ? -(uint64_t)parts[i] : (uint64_t)parts[i];
    for (int i = 0; i < UNIT_COUNT; i++) {
        if (i == UNIT_WEEK)
            continue;
        uint64_t scale = (uint64_t)units[i].scale, *part = &rest[units[i].part];
        if (*part >= scale)
            buf_printf(out, "%llu%s", (unsigned long long)(*part / scale), units[i].name);
        *part %= scale;
    }
}
