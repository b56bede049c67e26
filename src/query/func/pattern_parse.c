/* SPDX-License-Identifier: MIT */
/*
 * Parsing texts by a date and time pattern, as java.time does in its strict style.
 *
 * Numbers: a letter alone takes 1..19 digits, a pair exactly two, yyyy at least four; a number that
 * may be long and is followed by numbers of fixed width leaves them their digits (yyyyMMdd). A
 * fraction takes up to as many digits as letters. Names are read in any case. What the text does
 * not say is 1970-01-01 00:00; a weekday must be that of the date.
 */
#include "query/func/pattern.h"

enum { NONE = INT32_MIN };

struct parsed {
    int64_t year;
    int32_t era, month, day, day_of_year, weekday, quarter;
    int32_t hour, hour12, half, minute, second, nanos; /* half: 0 am, 1 pm */
    bool has_year, year_of_two;
    const struct zone *zone;
};

static size_t digits_at(struct str text)
{
    size_t n = 0;
    while (n < text.bytes && text.ptr[n] >= '0' && text.ptr[n] <= '9')
        n++;
    return n;
}

static bool is_number(const struct pattern_item *item)
{
    if (!item->letter)
        return false;
    if (strchr("MLQq", item->letter))
        return item->count <= 2;
    return strchr("yDdFHkKhms", item->letter) != NULL;
}

/* Digits that the numbers of fixed width directly behind item i need. */
static size_t reserved(const struct pattern *p, size_t i)
{
    size_t sum = 0;
    for (i++; i < p->count; i++) {
        bool tenths = p->items[i].letter == 'S' && p->items[i].count == 1;
        if (!tenths && !is_number(&p->items[i]))
            break;
        if ((p->items[i].count == 1 && !tenths) ||
            (p->items[i].letter == 'y' && p->items[i].count != 2))
            return 0;
        sum += p->items[i].count;
    }
    return sum;
}

static enum err take_number(const struct pattern *p, size_t i, struct str *text, int64_t *ret_value)
{
    const struct pattern_item *item = &p->items[i];
    bool year = item->letter == 'y', negative = false, plus = false;
    struct str rest = *text;
    if (rest.bytes && (*rest.ptr == '-' || *rest.ptr == '+') && (year || item->count == 1)) {
        negative = *rest.ptr == '-';
        plus = !negative;
        rest = str_slice(rest, 1, rest.bytes);
    }
    size_t digits = digits_at(rest), least = item->count, most = item->count;
    if (item->count == 1 || (year && item->count > 2) || (item->letter == 'D' && item->count == 2))
        most = item->letter == 'D' ? 3 : 19;
    size_t keep = most > least || item->count == 1 ? reserved(p, i) : 0;
    size_t take = digits > keep ? digits - keep : 0;
    take = take > most ? most : take;
    if (take < least || take == 0 || take > 18)
        return ERR_SYNTAX;
    if (year && item->count > 3 && keep == 0 && (take > item->count) != plus && !negative)
        return ERR_SYNTAX;
    TRY(str_to_i64(str_slice(rest, 0, take), ret_value));
    *ret_value = negative ? -*ret_value : *ret_value;
    *text = str_slice(rest, take, rest.bytes);
    return OK;
}

static bool take_text(struct str *text, struct str want)
{
    if (!str_equal_nocase(str_slice(*text, 0, want.bytes), want))
        return false;
    *text = str_slice(*text, want.bytes, text->bytes);
    return true;
}

static enum err take_name(struct str *text, const char *const *names, size_t count,
                          unsigned letters, int32_t *ret_index)
{
    for (size_t i = 0; i < count; i++) {
        struct str name = str_of(names[i]);
        if (letters < 4)
            name = str_slice(name, 0, 3);
        if (take_text(text, name)) {
            *ret_index = (int32_t)i;
            return OK;
        }
    }
    return ERR_SYNTAX;
}

static enum err take_fraction(struct str *text, unsigned most, int32_t *ret_nanos)
{
    size_t digits = digits_at(*text);
    digits = digits > most ? most : digits;
    if (digits == 0)
        return ERR_SYNTAX;
    int32_t nanos = 0;
    for (size_t i = 0; i < 9; i++)
        nanos = nanos * 10 + (i < digits ? text->ptr[i] - '0' : 0);
    if (*ret_nanos != NONE && *ret_nanos != nanos)
        return ERR_SYNTAX;
    *ret_nanos = nanos;
    *text = str_slice(*text, digits, text->bytes);
    return OK;
}

/* Characters of a zone: the longest run that is one. */
static enum err take_zone(char letter, struct str *text, struct parsed *parsed)
{
    size_t end = 0;
    while (end < text->bytes && end < 64) {
        char c = text->ptr[end];
        bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_';
        bool offset = (c >= '0' && c <= '9') || c == ':' || c == '+' || c == '-';
        if (!offset && !(name && (strchr("VzOZ", letter) || c == 'Z')))
            break;
        end++;
    }
    for (; end > 0; end--) {
        struct str name = str_slice(*text, 0, end);
        if (zone_find(name, &parsed->zone) == OK) {
            *text = str_slice(*text, end, text->bytes);
            return OK;
        }
    }
    return ERR_SYNTAX;
}

static enum err in_range(int64_t value, int64_t low, int64_t high, int32_t *field)
{
    if (value < low || value > high || (*field != NONE && *field != value))
        return ERR_SYNTAX;
    *field = (int32_t)value;
    return OK;
}

static enum err set_number(struct parsed *parsed, const struct pattern_item *item, int64_t value)
{
    switch (item->letter) {
    case 'y':
        parsed->year = item->count == 2 ? 2000 + value : value;
        parsed->has_year = true;
        return OK;
    case 'M':
    case 'L':
        return in_range(value, 1, 12, &parsed->month);
    case 'd':
        return in_range(value, 1, 31, &parsed->day);
    case 'D':
        return in_range(value, 1, 366, &parsed->day_of_year);
    case 'Q':
    case 'q':
        return in_range(value, 1, 4, &parsed->quarter);
    case 'F': {
        int32_t week = NONE;
        return in_range(value, 1, 5, &week);
    }
    case 'H':
        return in_range(value, 0, 23, &parsed->hour);
    case 'k':
        TRY(value < 1 ? ERR_SYNTAX : OK);
        return in_range(value == 24 ? 0 : value, 0, 23, &parsed->hour);
    case 'K':
        return in_range(value, 0, 11, &parsed->hour12);
    case 'h':
        TRY(value < 1 ? ERR_SYNTAX : OK);
        return in_range(value == 12 ? 0 : value, 0, 11, &parsed->hour12);
    case 'm':
        return in_range(value, 0, 59, &parsed->minute);
    default:
        return in_range(value, 0, 59, &parsed->second);
    }
}

static enum err take_item(const struct pattern *p, size_t i, struct str *text,
                          struct parsed *parsed)
{
    static const char *const eras[] = {"BC", "AD"}, *const halves[] = {"AM", "PM"};
    static const char *const long_eras[] = {"Before Christ", "Anno Domini"};
    static const char *const quarters[] = {"Q1", "Q2", "Q3", "Q4"};
    const struct pattern_item *item = &p->items[i];
    int64_t value;
    int32_t index;
    if (!item->letter)
        return take_text(text, item->text) ? OK : ERR_SYNTAX;
    if (is_number(item)) {
        TRY(take_number(p, i, text, &value));
        return set_number(parsed, item, value);
    }
    switch (item->letter) {
    case 'G':
        return take_name(text, item->count == 4 ? long_eras : eras, 2, 4, &parsed->era);
    case 'M':
    case 'L':
        TRY(take_name(text, pattern_months, 12, item->count, &index));
        return in_range(index + 1, 1, 12, &parsed->month);
    case 'E':
        return take_name(text, pattern_days, 7, item->count, &parsed->weekday);
    case 'a':
        return take_name(text, halves, 2, 4, &parsed->half);
    case 'Q':
    case 'q':
        TRY(take_name(text, quarters, 4, 4, &index));
        return in_range(index + 1, 1, 4, &parsed->quarter);
    case 'S':
        return take_fraction(text, item->count, &parsed->nanos);
    default:
        return take_zone(item->letter, text, parsed);
    }
}

static size_t closing(const struct pattern *p, size_t open)
{
    int depth = 0;
    size_t i = open;
    for (; i < p->count; i++) {
        depth += p->items[i].letter == '[';
        depth -= p->items[i].letter == ']';
        if (depth == 0)
            break;
    }
    return i;
}

static enum err take_items(const struct pattern *p, size_t from, size_t to, struct str *text,
                           struct parsed *parsed)
{
    for (size_t i = from; i < to; i++) {
        if (p->items[i].letter == ']')
            continue;
        if (p->items[i].letter != '[') {
            TRY(take_item(p, i, text, parsed));
            continue;
        }
        size_t end = closing(p, i);
        struct str trial = *text;
        struct parsed kept = *parsed;
        if (take_items(p, i + 1, end, &trial, parsed) == OK)
            *text = trial;
        else
            *parsed = kept;
        i = end;
    }
    return OK;
}

static int32_t or_else(int32_t value, int32_t other)
{
    return value == NONE ? other : value;
}

static enum err resolve_days(const struct parsed *parsed, int64_t *ret_days)
{
    int64_t year = parsed->has_year ? parsed->year : 1970;
    if (parsed->era != NONE && year < 1)
        return ERR_SYNTAX;
    if (parsed->era == 0)
        year = 1 - year;
    int32_t month = or_else(parsed->month, 1), day = or_else(parsed->day, 1);
    if (year < -999999 || year > 999999 || day > civil_days_in_month(year, month))
        return ERR_SYNTAX;
    *ret_days = civil_days(year, month, day);
    if (parsed->day_of_year != NONE) { /* it decides; month and day must agree where they stand */
        *ret_days = civil_days(year, 1, 1) + parsed->day_of_year - 1;
        struct civil c;
        civil_from_days(*ret_days, &c);
        if (c.year != year || or_else(parsed->month, c.month) != c.month ||
            or_else(parsed->day, c.day) != c.day)
            return ERR_SYNTAX;
        month = c.month;
    }
    if (parsed->weekday != NONE && (*ret_days % 7 + 10) % 7 != parsed->weekday)
        return ERR_SYNTAX;
    if (parsed->quarter != NONE && parsed->month != NONE && (month + 2) / 3 != parsed->quarter)
        return ERR_SYNTAX;
    return OK;
}

static int32_t resolve_hour(const struct parsed *parsed)
{
    if (parsed->hour != NONE)
        return parsed->hour;
    return or_else(parsed->hour12, 0) + (parsed->half == 1 ? 12 : 0);
}

enum err pattern_parse(const struct pattern *pattern, struct str text, int64_t *ret_local_us,
                       const struct zone **ret_zone)
{
    struct parsed parsed = {.era = NONE,
                            .month = NONE,
                            .day = NONE,
                            .day_of_year = NONE,
                            .weekday = NONE,
                            .quarter = NONE,
                            .hour = NONE,
                            .hour12 = NONE,
                            .half = NONE,
                            .minute = NONE,
                            .second = NONE,
                            .nanos = NONE};
    int64_t days;
    TRY(take_items(pattern, 0, pattern->count, &text, &parsed));
    if (text.bytes)
        return ERR_SYNTAX;
    TRY(resolve_days(&parsed, &days));
    if (parsed.hour != NONE && parsed.half != NONE && parsed.hour / 12 != parsed.half)
        return ERR_SYNTAX;
    int64_t seconds = resolve_hour(&parsed) * 3600LL + or_else(parsed.minute, 0) * 60LL +
                      or_else(parsed.second, 0);
    if (__builtin_mul_overflow(days, US_PER_DAY, ret_local_us))
        return ERR_SYNTAX;
    *ret_local_us += seconds * US_PER_SECOND + or_else(parsed.nanos, 0) / 1000;
    *ret_zone = parsed.zone;
    return OK;
}
