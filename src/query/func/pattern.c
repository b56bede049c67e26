/* SPDX-License-Identifier: MIT */
/*
 * Date and time patterns: their letters, and formatting. Parsing is in pattern_parse.c.
 *
 *   G era   y year   D day of year   M L month   d day   Q q quarter   E weekday   F week of month
 *   a am/pm H k K h hours   m minute   s second   S fraction   V zone id   z zone name   O X x Z
 *   offsets   '..' text   [..] optional
 *
 * Other letters are refused as Spark does: e c A n N p always, the week-based Y w W u with an
 * error of their own. How often a letter may stand is a table.
 */
#include "query/func/pattern.h"

const char *const pattern_months[12] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
const char *const pattern_days[7] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                     "Friday", "Saturday", "Sunday"};

/* The longest run of each letter. */
static const uint8_t runs_max[128] = {
    ['G'] = 4, ['y'] = 6, ['D'] = 3, ['M'] = 4, ['L'] = 4, ['d'] = 2, ['Q'] = 4, ['q'] = 4,
    ['E'] = 4, ['F'] = 1, ['a'] = 1, ['H'] = 2, ['k'] = 2, ['K'] = 2, ['h'] = 2, ['m'] = 2,
    ['s'] = 2, ['S'] = 9, ['V'] = 2, ['z'] = 4, ['O'] = 4, ['X'] = 5, ['x'] = 5, ['Z'] = 5,
};

static enum err bad_run(char letter, size_t count)
{
    if (strchr("YwWu", letter))
        return ERR_UNSUPPORTED;
    return strchr("GyMLdDEFaHkKhmsSzZX", letter) && !(letter == 'X' && count > 3) ? ERR_CONFLICT
                                                                                  : ERR_SYNTAX;
}

static enum err add_item(struct pattern *p, struct pattern_item item)
{
    if (p->count == PATTERN_ITEMS_MAX)
        return ERR_LIMIT;
    p->items[p->count++] = item;
    return OK;
}

static enum err add_quoted(struct pattern *p, struct str text, size_t *at)
{
    size_t from = *at + 1, end = from;
    if (from < text.bytes && text.ptr[from] == '\'') {
        *at = from + 1;
        return add_item(p, (struct pattern_item){.text = str_slice(text, from, from + 1)});
    }
    while (end < text.bytes && text.ptr[end] != '\'')
        end++;
    if (end >= text.bytes)
        return ERR_SYNTAX;
    *at = end + 1;
    TRY(add_item(p, (struct pattern_item){.text = str_slice(text, from, end)}));
    if (*at < text.bytes && text.ptr[*at] == '\'')
        return add_item(p, (struct pattern_item){.text = STR("'")});
    return OK;
}

enum err pattern_compile(struct str text, struct pattern *p)
{
    int depth = 0;
    p->count = 0;
    for (size_t at = 0; at < text.bytes;) {
        char c = text.ptr[at];
        size_t run = 1;
        if (c == '\'') {
            TRY(add_quoted(p, text, &at));
            continue;
        }
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            while (at + run < text.bytes && text.ptr[at + run] == c)
                run++;
            if (run > runs_max[(uint8_t)c] || (c == 'V' && run != 2) ||
                (c == 'O' && run != 1 && run != 4))
                return bad_run(c, run);
            TRY(add_item(p, (struct pattern_item){.letter = c, .count = (uint8_t)run}));
        } else if (c == '[' || c == ']') {
            depth += c == '[' ? 1 : -1;
            if (depth < 0)
                return ERR_SYNTAX;
            TRY(add_item(p, (struct pattern_item){.letter = c}));
        } else if (c == '{' || c == '}' || c == '#') {
            return ERR_SYNTAX;
        } else {
            TRY(add_item(p, (struct pattern_item){.text = str_slice(text, at, at + 1)}));
        }
        at += run;
    }
    return OK;
}

/* ---- formatting ---- */

static void put_number(struct buf *out, int64_t value, unsigned width)
{
    buf_printf(out, "%0*lld", (int)width, (long long)value);
}

static void put_year(struct buf *out, int64_t year, unsigned count)
{
    if (count == 2) {
        put_number(out, ((year % 100) + 100) % 100, 2);
        return;
    }
    static const int64_t limits[] = {0, 0, 0, 1000, 10000, 100000, 1000000};
    if (year < 0)
        buf_char(out, '-');
    else if (count >= 4 && year >= limits[count])
        buf_char(out, '+');
    put_number(out, year < 0 ? -year : year, count >= 3 ? count : 1);
}

static void put_name(struct buf *out, const char *name, unsigned count)
{
    buf_append(out, name, count >= 4 ? strlen(name) : 3);
}

/* style: X and x letters of ISO offsets; Z: zero_text NULL */
static void put_offset(struct buf *out, int32_t offset, unsigned count, const char *zero)
{
    if (offset == 0 && zero) {
        buf_text(out, zero);
        return;
    }
    int32_t size = offset < 0 ? -offset : offset;
    buf_printf(out, "%c%02d", offset < 0 ? '-' : '+', size / 3600);
    bool colon = count == 3 || count == 5;
    if (count > 1 || size / 60 % 60)
        buf_printf(out, "%s%02d", colon ? ":" : "", size / 60 % 60);
    if (count >= 4 && size % 60)
        buf_printf(out, "%s%02d", colon ? ":" : "", size % 60);
}

static void put_gmt(struct buf *out, int32_t offset, bool full)
{
    int32_t size = offset < 0 ? -offset : offset;
    buf_text(out, "GMT");
    if (offset == 0)
        return;
    buf_printf(out, full ? "%c%02d" : "%c%d", offset < 0 ? '-' : '+', size / 3600);
    if (full || size % 3600)
        buf_printf(out, ":%02d", size / 60 % 60);
    if (size % 60)
        buf_printf(out, ":%02d", size % 60);
}

static enum err put_zone(const struct pattern_item *item, const struct zone *zone, int64_t us,
                         struct buf *out)
{
    if (!zone)
        return ERR_INVALID;
    int32_t offset = zone_offset_at(zone, us);
    switch (item->letter) {
    case 'V':
        buf_str_append(out, zone_name(zone));
        break;
    case 'z':
        if (item->count == 4)
            return ERR_UNSUPPORTED;
        buf_str_append(out, zone_abbreviation(zone, us));
        break;
    case 'O':
        put_gmt(out, offset, item->count == 4);
        break;
    case 'X':
        put_offset(out, offset, item->count, "Z");
        break;
    case 'x':
        put_offset(out, offset, item->count, NULL);
        break;
    default:
        if (item->count == 4)
            put_gmt(out, offset, true);
        else
            put_offset(out, offset, item->count == 5 ? 5 : 2, item->count == 5 ? "Z" : NULL);
        break;
    }
    return OK;
}

static void put_date(const struct pattern_item *item, const struct civil *c, int64_t days,
                     struct buf *out)
{
    int quarter = (c->month + 2) / 3;
    switch (item->letter) {
    case 'G':
        buf_text(out, item->count == 4 ? (c->year > 0 ? "Anno Domini" : "Before Christ")
                                       : (c->year > 0 ? "AD" : "BC"));
        break;
    case 'M':
    case 'L':
        if (item->count <= 2)
            put_number(out, c->month, item->count);
        else
            put_name(out, pattern_months[c->month - 1], item->count);
        break;
    case 'd':
        put_number(out, c->day, item->count);
        break;
    case 'D':
        put_number(out, days - civil_days(c->year, 1, 1) + 1, item->count);
        break;
    case 'E':
        put_name(out, pattern_days[(days % 7 + 10) % 7], item->count);
        break;
    case 'F':
        put_number(out, (c->day - 1) % 7 + 1, 1);
        break;
    default:
        if (item->count <= 2)
            put_number(out, quarter, item->count);
        else if (item->count == 3)
            buf_printf(out, "Q%d", quarter);
        else
            buf_printf(out, "%d%s quarter", quarter,
                       (const char *[]){"st", "nd", "rd", "th"}[quarter - 1]);
        break;
    }
}

static void put_time(const struct pattern_item *item, const struct civil *c, struct buf *out)
{
    int64_t nanos = c->micros * 1000LL;
    switch (item->letter) {
    case 'a':
        buf_text(out, c->hour < 12 ? "AM" : "PM");
        break;
    case 'H':
        put_number(out, c->hour, item->count);
        break;
    case 'k':
        put_number(out, c->hour ? c->hour : 24, item->count);
        break;
    case 'K':
        put_number(out, c->hour % 12, item->count);
        break;
    case 'h':
        put_number(out, c->hour % 12 ? c->hour % 12 : 12, item->count);
        break;
    case 'm':
        put_number(out, c->minute, item->count);
        break;
    case 's':
        put_number(out, c->second, item->count);
        break;
    default:
        for (unsigned i = item->count; i < 9; i++)
            nanos /= 10;
        put_number(out, nanos, item->count);
        break;
    }
}

enum err pattern_format(const struct pattern *pattern, int64_t local_us, const struct zone *zone,
                        int64_t us, struct buf *out)
{
    struct civil c;
    civil_from_us(local_us, &c);
    int64_t days = civil_days(c.year, c.month, c.day);
    bool era = false;
    for (size_t i = 0; i < pattern->count; i++)
        era |= pattern->items[i].letter == 'G';
    for (size_t i = 0; i < pattern->count; i++) {
        const struct pattern_item *item = &pattern->items[i];
        if (!item->letter)
            buf_str_append(out, item->text);
        else if (item->letter == 'y')
            put_year(out, era && c.year <= 0 ? 1 - c.year : c.year, item->count);
        else if (strchr("GMLdDEFQq", item->letter))
            put_date(item, &c, days, out);
        else if (strchr("aHkKhmsS", item->letter))
            put_time(item, &c, out);
        else if (strchr("VzOXxZ", item->letter))
            TRY(put_zone(item, zone, us, out));
    }
    return buf_error(out);
}
