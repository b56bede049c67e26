/* SPDX-License-Identifier: MIT */
/*
 * Typed literals (DATE '2024-01-01', X'1F') and intervals, checked here because Spark's parser does
 * it too: a wrong one is an error before any name is looked up.
 *
 * An interval is either of years and months (a count of months) or of days to microseconds; the two
 * do not mix. Its type tells the first and last unit that were written:
 *
 *   INTERVAL 3 DAYS 4 HOURS          units one by one
 *   INTERVAL '3 4:05' DAY TO MINUTE  a range: fields of one text
 *   INTERVAL '3 days 4 hours'        the same in a text
 */
#include "base/zone.h"
#include "data/column.h"
#include "query/cast_text.h"
#include "query/parse.h"

#include <stdio.h>

static const struct unit {
    const char *name; /* singular */
    bool months;      /* of the year-month kind */
    uint8_t field;    /* as types count: 0 year 1 month; 0 day 1 hour 2 minute 3 second */
    int64_t scale;    /* months, or nanoseconds */
} units[] = {
    {"year", true, 0, 12},
    {"quarter", true, 1, 3},
    {"month", true, 1, 1},
    {"week", false, 0, 604800000000000LL},
    {"day", false, 0, 86400000000000LL},
    {"hour", false, 1, 3600000000000LL},
    {"minute", false, 2, 60000000000LL},
    {"second", false, 3, 1000000000LL},
    {"millisecond", false, 3, 1000000LL},
    {"microsecond", false, 3, 1000LL},
    {"nanosecond", false, 3, 1LL},
};
enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };

static const struct unit *find_unit(struct str word)
{
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        struct str name = str_of(units[i].name);
        if (str_equal_nocase(word, name))
            return &units[i];
        if (word.bytes == name.bytes + 1 && (word.ptr[name.bytes] | 0x20) == 's' &&
            str_equal_nocase(str_slice(word, 0, name.bytes), name))
            return &units[i];
    }
    return NULL;
}

/* An interval being added up. */
struct sum {
    bool any, months;
    uint8_t first, last;
    int64_t value; /* months or us */
    const char *error;
    char text[64];                      /* of an error that names a number */
    const char *error_class, *sqlstate; /* NULL = INVALID_TYPED_LITERAL */
};

static void sum_fail(struct sum *sum, const char *error, const char *error_class,
                     const char *sqlstate)
{
    sum->error = error;
    sum->error_class = error_class;
    sum->sqlstate = sqlstate;
}

static void sum_add(struct sum *sum, const struct unit *unit, bool negative, struct str number)
{
    if (strcmp(unit->name, "nanosecond") == 0) {
        sum_fail(sum, "intervals count microseconds, not nanoseconds",
                 "INVALID_INTERVAL_FORMAT.INVALID_UNIT", "22006");
        return;
    }
    if (sum->any && sum->months != unit->months) {
        sum->error = "Cannot mix year-month and day-time fields";
        return;
    }
    if (!sum->any || unit->field < sum->first)
        sum->first = unit->field;
    if (!sum->any || unit->field > sum->last)
        sum->last = unit->field;
    sum->any = true;
    sum->months = unit->months;
    __int128 scaled = 0;
    size_t point = str_find(number, STR("."), 0);
    bool fraction = point != SIZE_MAX;
    if (fraction && strcmp(unit->name, "second") != 0) {
        sum->error = "only seconds may have a fraction";
        return;
    }
    if (number.bytes == 0 || decimal_parse(number, 38, fraction ? 9 : 0, &scaled) != OK ||
        scaled > INT64_MAX || scaled < 0) {
        sum->error = "not a number of units";
        return;
    }
    __int128 value = unit->months ? scaled * unit->scale
                     : fraction   ? scaled / 1000
                                  : scaled * unit->scale / 1000;
    if (negative)
        value = -value;
    value += sum->value;
    int64_t limit = unit->months ? INT32_MAX : INT64_MAX;
    if (value > limit || value < -(__int128)limit - 1)
        sum_fail(sum, "the interval is too long", "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION",
                 "22015");
    else
        sum->value = (int64_t)value;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next run of letters, or of digits and points; skips blanks. */
static struct str cut_part(struct str *rest, bool letters)
{
    while (rest->bytes && is_blank(rest->ptr[0]))
        *rest = str_slice(*rest, 1, rest->bytes);
    size_t n = 0;
    while (n < rest->bytes) {
        char c = (char)(rest->ptr[n] | 0x20), raw = rest->ptr[n];
        bool letter = c >= 'a' && c <= 'z', digit = (raw >= '0' && raw <= '9') || raw == '.';
        if (letters ? !letter : !digit)
            break;
        n++;
    }
    struct str part = str_slice(*rest, 0, n);
    *rest = str_slice(*rest, n, rest->bytes);
    return part;
}

static bool cut_sign(struct str *rest)
{
    *rest = str_trim(*rest);
    bool negative = rest->bytes && rest->ptr[0] == '-';
    if (negative || (rest->bytes && rest->ptr[0] == '+'))
        *rest = str_slice(*rest, 1, rest->bytes);
    return negative;
}

/* '1 day -2 hours' */
static void sum_text(struct sum *sum, struct str text)
{
    struct str rest = str_trim(text);
    if (rest.bytes >= 8 && str_equal_nocase(str_slice(rest, 0, 8), STR("interval")))
        rest = str_trim(str_slice(rest, 8, rest.bytes));
    if (rest.bytes == 0)
        sum->error = "the interval is empty";
    while (rest.bytes && !sum->error) {
        bool negative = cut_sign(&rest);
        struct str number = cut_part(&rest, false), word = cut_part(&rest, true);
        const struct unit *unit = find_unit(word);
        if (!unit || number.bytes == 0)
            sum->error = "the interval does not parse";
        else
            sum_add(sum, unit, negative, number);
        rest = str_trim(rest);
    }
}

/* Behind the first one a field has its bounds: 25 hours are no part of a day. */
static void sum_check(struct sum *sum, const struct unit *unit, struct str number)
{
    static const struct {
        const char *name;
        int most;
    } bounds[] = {{"month", 11}, {"hour", 23}, {"minute", 59}, {"second", 59}};
    int64_t value = 0;
    size_t point = str_find(number, STR("."), 0);
    if (str_to_i64(point == SIZE_MAX ? number : str_slice(number, 0, point), &value) != OK)
        return;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (strcmp(unit->name, bounds[i].name) != 0 || value <= bounds[i].most)
            continue;
        snprintf(sum->text, sizeof(sum->text), "%s %lld outside range [0, %d]", unit->name,
                 (long long)value, bounds[i].most);
        sum_fail(sum, sum->text, "INVALID_INTERVAL_FORMAT.INTERVAL_PARSING", "22006");
    }
}

static void sum_misfit(struct sum *sum, const struct unit *unit)
{
    sum_fail(sum, "the interval does not fit its units",
             unit->months ? "INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING"
                          : "INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING_WITH_NOTICE",
             "22006");
}

static size_t unit_index(const struct unit *unit)
{
    return (size_t)(unit - units);
}

/* '3 4:05:06.5' DAY TO SECOND, '1-2' YEAR TO MONTH: fields from the first unit to the last. */
static void sum_range(struct sum *sum, const struct unit *from, const struct unit *to,
                      bool negative, struct str text)
{
    struct str rest = text;
    negative ^= cut_sign(&rest);
    if (rest.bytes && is_blank(rest.ptr[0]))
        sum_misfit(sum, from);
    for (size_t i = unit_index(from); i <= unit_index(to) && !sum->error; i++) {
        if (strcmp(units[i].name, "quarter") == 0)
            continue;
        struct str number = cut_part(&rest, false);
        if (number.bytes == 0) {
            sum_misfit(sum, from);
            return;
        }
        sum_add(sum, &units[i], negative, number);
        if (sum->error_class)
            sum_fail(sum, sum->error, "INVALID_INTERVAL_FORMAT.INTERVAL_PARSING", "22006");
        else if (sum->error)
            sum_misfit(sum, from);
        if (&units[i] != from && !sum->error)
            sum_check(sum, &units[i], number);
        if (&units[i] == to)
            break;
        char separator = units[i].months ? '-' : units[i].field == 0 ? ' ' : ':';
        if (!sum->error && (rest.bytes == 0 || rest.ptr[0] != separator))
            sum_misfit(sum, from);
        rest = str_slice(rest, 1, rest.bytes);
    }
    if (!sum->error && str_trim(rest).bytes)
        sum_misfit(sum, from);
}

static struct ast_node *finish_interval(struct parser *p, struct sum *sum, struct ast_node *node,
                                        size_t start)
{
    node->text = parse_source(p, start);
    if (sum->error)
        parse_fail_at(p, ERR_SYNTAX, node->line, node->column,
                      sum->error_class ? sum->error_class : "INVALID_TYPED_LITERAL",
                      sum->error_class ? sum->sqlstate : "42604", "%s: %.*s", sum->error,
                      STR_ARG(node->text));
    struct type *type = arena_zero(p->arena, sizeof(*type));
    type->kind = sum->months ? TYPE_INTERVAL_YM : TYPE_INTERVAL_DT;
    type->precision = sum->first;
    type->scale = sum->last;
    node->type = type;
    node->value = sum->value;
    return node;
}

/* A number or string with a sign, and where the unit stands; 0 when none is there. */
static size_t interval_value(struct parser *p, size_t ahead, bool *ret_negative,
                             struct str *ret_text)
{
    size_t i = ahead;
    *ret_negative = parse_is_symbol(p, i, "-");
    if (*ret_negative || parse_is_symbol(p, i, "+"))
        i++;
    const struct token *token = parse_peek(p, i);
    if (p->failed || p->at + i >= p->end)
        return 0;
    if (token->kind == TOKEN_STRING)
        *ret_text = lex_string(p->arena, token->text);
    else if (token->kind == TOKEN_NUMBER)
        *ret_text = token->text;
    else
        return 0;
    return i + 1;
}

/* INTERVAL and what follows; NULL when INTERVAL is a name here. */
struct ast_node *parse_interval(struct parser *p)
{
    bool negative;
    struct str text;
    size_t unit_at = interval_value(p, 1, &negative, &text);
    if (!parse_is(p, 0, "INTERVAL") || unit_at == 0)
        return NULL;
    struct ast_node *node = parse_node(p, AST_INTERVAL, STR_NONE);
    struct sum sum = {0};
    size_t start = p->at;
    const struct unit *unit =
        parse_at_name(p, unit_at) ? find_unit(parse_peek(p, unit_at)->text) : NULL;
    if (!unit) {
        if (parse_peek(p, 1)->kind != TOKEN_STRING) {
            p->at += unit_at;
            parse_fail(p, "a unit of time");
        }
        p->at += p->failed ? 0 : unit_at;
        sum_text(&sum, text);
        return finish_interval(p, &sum, node, start);
    }
    const struct unit *to =
        parse_is(p, unit_at + 1, "TO") ? find_unit(parse_peek(p, unit_at + 2)->text) : NULL;
    if (to) {
        p->at += unit_at + 3;
        if (unit->months != to->months || unit->field >= to->field)
            parse_fail_at(p, ERR_SYNTAX, node->line, node->column,
                          "INVALID_INTERVAL_FORMAT.UNSUPPORTED_FROM_TO_EXPRESSION", "22006",
                          "an interval cannot go from %s to %s", unit->name, to->name);
        else
            sum_range(&sum, unit, to, negative, text);
        return finish_interval(p, &sum, node, start);
    }
    p->at++;
    while ((unit_at = interval_value(p, 0, &negative, &text)) && parse_at_name(p, unit_at) &&
           (unit = find_unit(parse_peek(p, unit_at)->text))) {
        negative ^= cut_sign(&text);
        sum_add(&sum, unit, negative, str_trim(text));
        p->at += unit_at + 1;
    }
    return finish_interval(p, &sum, node, start);
}

/* ---- DATE '..', X'..' ---- */

static bool hex_bytes(struct parser *p, struct str text, struct str *ret_bytes)
{
    char *out = arena_array(p->arena, text.bytes / 2 + 1, 1);
    size_t n = 0;
    unsigned half = 0;
    bool odd = text.bytes % 2;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = (char)(text.ptr[i] | 0x20);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 16;
        if (digit == 16 || (text.ptr[i] < '0'))
            return false;
        half = half << 4 | digit;
        if ((i + odd) % 2 == 1) {
            out[n++] = (char)half;
            half = 0;
        }
    }
    *ret_bytes = str_from(out, n);
    return true;
}

static bool special_moment(struct str text)
{
    static const char *const words[] = {"epoch", "now", "today", "tomorrow", "yesterday"};
    struct str word = str_trim(text);
    for (size_t i = 0; i < 5; i++) {
        if (str_equal_nocase(word, str_of(words[i])))
            return true;
    }
    return false;
}

static bool moment_is_valid(const char *type, struct str text)
{
    int32_t days;
    int64_t us;
    if (special_moment(text))
        return true;
    if (strcmp(type, "DATE") == 0)
        return date_parse(text, &days) == OK;
    if (strcmp(type, "TIMESTAMP_NTZ") == 0)
        return timestamp_ntz_parse(text, &us) == OK;
    return timestamp_parse(text, zone_utc(), &us) == OK;
}

/* "10:11:12": a time of today, which only a cast knows. */
static bool is_clock(struct parser *p, struct str text)
{
    struct str time, zone;
    int64_t us;
    return cast_text_is_clock(text, &time, &zone) &&
           timestamp_parse(str_of(arena_printf(p->arena, "2000-01-01T%.*s", STR_ARG(time))),
                           zone_utc(), &us) == OK;
}

struct ast_node *parse_typed_literal(struct parser *p)
{
    static const char *const types[] = {"DATE", "TIMESTAMP", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ"};
    if (parse_is(p, 0, "INTERVAL"))
        return parse_interval(p);
    const struct token *token = parse_peek(p, 0), *string = parse_peek(p, 1);
    if (p->failed || p->at + 1 >= p->end || string->kind != TOKEN_STRING)
        return NULL;
    struct str text = lex_string(p->arena, string->text), bytes;
    if (parse_is(p, 0, "TIME")) {
        parse_fail_at(p, ERR_UNSUPPORTED, token->line, token->column, "UNSUPPORTED_FEATURE",
                      "0A000", "the type TIME is not supported yet");
        return p->nothing;
    }
    if (parse_is(p, 0, "X")) {
        if (!hex_bytes(p, text, &bytes))
            parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "INVALID_TYPED_LITERAL",
                          "42604", "the value of the typed literal X is not hexadecimal");
        p->at += 2;
        return parse_node_at(p, AST_BINARY_LITERAL, bytes, token);
    }
    for (size_t i = 0; i < 4; i++) {
        if (!parse_is(p, 0, types[i]))
            continue;
        struct ast_node *node = parse_node_at(p, AST_TYPED, str_of(types[i]), token);
        if (i % 2 && is_clock(p, text))
            parse_fail_at(p, ERR_UNSUPPORTED, token->line, token->column, "UNSUPPORTED_FEATURE",
                          "0A000", "a %s literal without a date is not supported yet", types[i]);
        else if (!moment_is_valid(types[i], text))
            parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "INVALID_TYPED_LITERAL",
                          "42604", "the value of the typed literal %s is invalid: '%.*s'", types[i],
                          STR_ARG(text));
        parse_add(p, node, parse_node_at(p, AST_STRING, text, string));
        p->at += 2;
        return node;
    }
    return NULL;
}
