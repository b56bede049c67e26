/* SPDX-License-Identifier: MIT */
/*
 * Time zones. The offsets of a place come as a sorted table of transitions, compiled in by
 * tools/gen/zones.py, and a yearly rule that holds from its last entry on. Both are looked at as
 * segments: a span of instants with one offset. Everything else is walking segments:
 *
 *  - the offset of an instant is that of its segment;
 *  - a local time lies in the first segment (by time) whose local span holds it, which in an
 *    overlap is the earlier offset; when it lies between two segments' local spans it is in a gap,
 *    and the offset of the segment before moves it forward by the gap.
 *
 * Fixed offsets are made at the first use and kept in a table of lists, which only grow (by
 * compare and swap); there are at most 4 forms of 129,601 offsets.
 *
 * Not done: leap seconds, and Java's lower-case names.
 */
#include "base/zone_table.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

enum { OFFSET_MAX = 18 * 3600, OFFSET_FAR = 26 * 3600, LIST_COUNT = 256 };

struct fixed_zone {
    struct zone zone;
    struct fixed_zone *next;
};

static struct fixed_zone *fixed_lists[LIST_COUNT];

/* ---- segments ---- */

struct segment {
    int64_t from, until; /* seconds; INT64_MIN and INT64_MAX where there is no end */
    const struct zone_type *type;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The instant at which a rule's day comes, in the local time of the offset before it. */
static int64_t rule_time(const struct zone_day *day, int64_t year, int32_t offset)
{
    int64_t first = civil_days(year, day->month, 1);
    int64_t weekday = first + 4 - floor_div(first + 4, 7) * 7; /* 1970-01-01 is a Thursday */
    int64_t date = (day->day - weekday + 7) % 7 + (day->week - 1) * 7;
    if (date >= civil_days_in_month(year, day->month))
        date -= 7;
    return (first + date) * 86400 + day->seconds - offset;
}

/* The segment by the yearly rule: among the six changes of three years, those around seconds. */
static struct segment segment_by_rule(const struct zone_rules *rules, int64_t seconds)
{
    const struct zone_type *types = &zone_types[rules->types];
    const struct zone_type *standard = &types[rules->standard], *daylight = &types[rules->daylight];
    struct civil civil;
    civil_from_days(floor_div(seconds, 86400), &civil);
    struct segment segment = {INT64_MIN, INT64_MAX, standard};
    for (int64_t year = civil.year - 1; year <= civil.year + 1; year++) {
        int64_t times[] = {rule_time(&rules->start, year, standard->offset),
                           rule_time(&rules->end, year, daylight->offset)};
        for (int i = 0; i < 2; i++) {
            if (times[i] <= seconds && times[i] >= segment.from)
                segment = (struct segment){times[i], segment.until, i ? standard : daylight};
            else if (times[i] > seconds && times[i] < segment.until)
                segment.until = times[i];
        }
    }
    return segment;
}

/* How many transitions are at or before seconds. */
static uint32_t transitions_until(const struct zone_rules *rules, int64_t seconds)
{
    const int64_t *times = &zone_times[rules->first];
    uint32_t low = 0, high = rules->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (times[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct segment segment_at(const struct zone_rules *rules, int64_t seconds)
{
    const int64_t *times = &zone_times[rules->first];
    uint32_t before = transitions_until(rules, seconds);
    int64_t last = before ? times[before - 1] : INT64_MIN;
    if (before == rules->count && rules->start.month) {
        struct segment segment = segment_by_rule(rules, seconds);
        if (segment.from < last)
            segment.from = last;
        return segment;
    }
    uint8_t kind = before ? zone_kinds[rules->first + before - 1] : 0;
    return (struct segment){
        .from = last,
        .until = before < rules->count ? times[before] : INT64_MAX,
        .type = &zone_types[rules->types + kind],
    };
}

/* ---- finding ---- */

static enum err digits(struct str text, int32_t *ret_value)
{
    uint64_t value;
    if (text.bytes < 1 || text.bytes > 2)
        return ERR_NOT_FOUND;
    if (str_to_u64(text, &value) != OK)
        return ERR_NOT_FOUND;
    *ret_value = (int32_t)value;
    return OK;
}

/* +h, +hh, +hhmm, +hhmmss, +h:m, +hh:mm, +hh:mm:ss, as Java and Spark together take them. */
static enum err parse_offset(struct str text, int32_t *ret_seconds)
{
    int32_t parts[3] = {0};
    struct str rest = str_slice(text, 1, text.bytes), part;
    if (text.bytes < 2 || (text.ptr[0] != '+' && text.ptr[0] != '-'))
        return ERR_NOT_FOUND;
    if (memchr(rest.ptr, ':', rest.bytes)) {
        for (int i = 0; str_cut(&rest, ':', &part); i++) {
            /* Three parts are Java's form, whose parts have two digits. */
            if (i == 3 || (i == 2 && (part.bytes != 2 || text.bytes != 9)))
                return ERR_NOT_FOUND;
            TRY(digits(part, &parts[i]));
        }
    } else {
        if (rest.bytes > 2 && rest.bytes != 4 && rest.bytes != 6)
            return ERR_NOT_FOUND;
        for (size_t i = 0; i < 3 && 2 * i < rest.bytes; i++)
            TRY(digits(str_slice(rest, 2 * i, 2 * i + 2), &parts[i]));
    }
    int32_t seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
    if (parts[1] > 59 || parts[2] > 59 || seconds > OFFSET_MAX)
        return ERR_NOT_FOUND;
    *ret_seconds = text.ptr[0] == '-' ? -seconds : seconds;
    return OK;
}

static size_t two_digits(char *to, int32_t value)
{
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
    return 2;
}

/* "UTC" and "-07:52:58"; an offset of 0 is the prefix alone, or "Z". */
static size_t print_offset(char *to, struct str prefix, int32_t offset)
{
    size_t bytes = prefix.bytes;
    int32_t rest = abs(offset);
    if (bytes)
        memcpy(to, prefix.ptr, bytes);
    if (offset == 0) {
        to[bytes] = 'Z';
        return bytes ? bytes : 1;
    }
    to[bytes++] = offset < 0 ? '-' : '+';
    bytes += two_digits(to + bytes, rest / 3600);
    to[bytes++] = ':';
    bytes += two_digits(to + bytes, rest / 60 % 60);
    if (rest % 60) {
        to[bytes++] = ':';
        bytes += two_digits(to + bytes, rest % 60);
    }
    return bytes;
}

static const struct zone *fixed_zone(struct str prefix, int32_t offset)
{
    char text[16];
    struct str name = str_from(text, print_offset(text, prefix, offset));
    struct fixed_zone **list = &fixed_lists[(uint32_t)(offset / 60 + 2048) % LIST_COUNT];
    struct fixed_zone *made = NULL;
    for (;;) {
        struct fixed_zone *head = __atomic_load_n(list, __ATOMIC_ACQUIRE);
        for (struct fixed_zone *f = head; f; f = f->next)
            if (str_equal(f->zone.name, name)) {
                mem_free(made);
                return &f->zone;
            }
        if (!made) {
            made = mem_zero(sizeof *made + sizeof text);
            memcpy(made + 1, text, name.bytes);
            made->zone.name = str_from(made + 1, name.bytes);
            made->zone.offset = offset;
        }
        made->next = head;
        if (__atomic_compare_exchange_n(list, &head, made, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return &made->zone;
    }
}

static const struct zone *named_zone(struct str name)
{
    size_t low = 0, high = zone_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_compare(zone_names[middle].name, name);
        if (order == 0)
            return &zone_names[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

enum err zone_find(struct str name, const struct zone **ret_zone)
{
    static const struct str prefixes[] = {STR("UTC"), STR("GMT"), STR("UT"), STR("")};
    if (str_equal(name, STR("Z"))) {
        *ret_zone = fixed_zone(STR(""), 0);
        return OK;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct str rest = str_slice(name, prefixes[i].bytes, name.bytes);
        if (!str_starts(name, prefixes[i]) || (rest.bytes == 0 && i == 3))
            continue;
        int32_t offset = 0;
        if (rest.bytes && parse_offset(rest, &offset) != OK)
            continue;
        *ret_zone = i == 0 && offset == 0 ? zone_utc() : fixed_zone(prefixes[i], offset);
        return OK;
    }
    const struct zone *zone = named_zone(name);
    if (!zone)
        return ERR_NOT_FOUND;
    *ret_zone = zone;
    return OK;
}

const struct zone *zone_utc(void)
{
    static const struct zone utc = {.name = STR("UTC")};
    return &utc;
}

struct str zone_name(const struct zone *zone)
{
    return zone->name;
}

/* ---- offsets ---- */

/* The segment looked at last: rows that come together lie in one. */
static _Thread_local struct {
    const struct zone_rules *rules;
    struct segment segment;
} recent;

static const struct segment *recent_segment(const struct zone_rules *rules, int64_t seconds)
{
    if (recent.rules != rules || seconds < recent.segment.from || seconds >= recent.segment.until) {
        recent.segment = segment_at(rules, seconds);
        recent.rules = rules;
    }
    return &recent.segment;
}

int32_t zone_offset_at(const struct zone *zone, int64_t us)
{
    if (!zone->rules)
        return zone->offset;
    return recent_segment(zone->rules, floor_div(us, US_PER_SECOND))->type->offset;
}

static int64_t to_us(int64_t seconds)
{
    int64_t us;
    if (__builtin_mul_overflow(seconds, US_PER_SECOND, &us))
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    return us;
}

int32_t zone_offset_span(const struct zone *zone, int64_t us, int64_t *ret_from, int64_t *ret_until)
{
    struct segment segment = {.from = INT64_MIN, .until = INT64_MAX};
    if (zone->rules)
        segment = segment_at(zone->rules, floor_div(us, US_PER_SECOND));
    *ret_from = to_us(segment.from);
    *ret_until = to_us(segment.until);
    return zone->rules ? segment.type->offset : zone->offset;
}

/* Instants of the far ends may leave the range of 64 bits: they stop there. */
static int64_t minus_offset(int64_t local_us, int32_t offset)
{
    int64_t us;
    if (__builtin_sub_overflow(local_us, offset * US_PER_SECOND, &us))
        return offset > 0 ? INT64_MIN : INT64_MAX;
    return us;
}

int64_t zone_local_to_us(const struct zone *zone, int64_t local_us)
{
    if (!zone->rules)
        return minus_offset(local_us, zone->offset);
    int64_t local = floor_div(local_us, US_PER_SECOND);
    /* No offset is over OFFSET_FAR: the walk starts at or before the segment looked for. */
    struct segment segment = *recent_segment(zone->rules, local - OFFSET_FAR);
    int32_t before = segment.type->offset;
    while (segment.until != INT64_MAX && local >= segment.until + segment.type->offset) {
        before = segment.type->offset;
        segment = segment_at(zone->rules, segment.until);
    }
    bool gap = segment.from != INT64_MIN && local < segment.from + segment.type->offset;
    return minus_offset(local_us, gap ? before : segment.type->offset);
}

struct str zone_abbreviation(const struct zone *zone, int64_t us)
{
    if (!zone->rules)
        return zone->name;
    return str_of(segment_at(zone->rules, floor_div(us, US_PER_SECOND)).type->abbreviation);
}
