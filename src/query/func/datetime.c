/* SPDX-License-Identifier: MIT */
/*
 * Parts of dates and times, and numbers that stand for them.
 *
 * A part of a date takes a DATE (timestamps are cast to it in the session's zone), a part of a time
 * takes the wall clock of a timestamp. dayofweek counts from Sunday = 1, weekday from Monday = 0,
 * weekofyear is ISO 8601's.
 */
#include "query/func/kernel.h"
#include "query/func/pattern.h"
#include "query/func/when.h"

enum part {
    PART_YEAR,
    PART_QUARTER,
    PART_MONTH,
    PART_DAY,
    PART_DAYOFWEEK,
    PART_WEEKDAY,
    PART_DAYOFYEAR,
    PART_WEEK,
    PART_YEAROFWEEK,
    PART_DAYOFWEEK_ISO,
    PART_HOUR,
    PART_MINUTE,
    PART_SECOND,
    PART_FRACTION, /* seconds with six digits */
};

static int64_t weekday_of(int64_t days)
{
    return ((days + 3) % 7 + 7) % 7;
}

static int64_t date_part(enum part part, int64_t days)
{
    struct civil c;
    civil_from_days(days, &c);
    switch (part) {
    case PART_YEAR:
        return c.year;
    case PART_QUARTER:
        return (c.month + 2) / 3;
    case PART_MONTH:
        return c.month;
    case PART_DAY:
        return c.day;
    case PART_DAYOFWEEK:
        return (weekday_of(days) + 1) % 7 + 1;
    case PART_WEEKDAY:
        return weekday_of(days);
    case PART_DAYOFWEEK_ISO:
        return weekday_of(days) + 1;
    case PART_DAYOFYEAR:
        return days - civil_days(c.year, 1, 1) + 1;
    default: {
        int64_t thursday = days - weekday_of(days) + 3; /* its year is the week's */
        civil_from_days(thursday, &c);
        return part == PART_YEAROFWEEK ? c.year : (thursday - civil_days(c.year, 1, 1)) / 7 + 1;
    }
    }
}

static int64_t time_part(enum part part, int64_t local)
{
    int64_t us = local - when_floor(local, US_PER_DAY) * US_PER_DAY;
    switch (part) {
    case PART_HOUR:
        return us / (3600 * US_PER_SECOND);
    case PART_MINUTE:
        return us / (60 * US_PER_SECOND) % 60;
    case PART_SECOND:
        return us / US_PER_SECOND % 60;
    default:
        return us % (60 * US_PER_SECOND);
    }
}

static void date_part_row(struct func_call *call)
{
    builder_i64(call->out, date_part((enum part)call->binding->info->variant, call_int(call, 0)));
}

static int64_t local_of(const struct func_call *call, size_t i)
{
    const struct column *c = call->args[i];
    if (c->type->kind == TYPE_DATE)
        return c->i32[call->row] * US_PER_DAY;
    return when_local(c->i64[call->row],
                      c->type->kind == TYPE_TIMESTAMP ? eval_zone(call->eval) : NULL);
}

static void time_part_row(struct func_call *call)
{
    builder_i64(call->out, time_part((enum part)call->binding->info->variant, local_of(call, 0)));
}

/* ---- extract(field FROM x), date_part('field', x) ---- */

struct part_name {
    const char *names; /* parted by blanks */
    enum part part;
};
static const struct part_name part_names[] = {
    {"year y years yr yrs", PART_YEAR},
    {"yearofweek", PART_YEAROFWEEK},
    {"quarter qtr", PART_QUARTER},
    {"month mon mons months", PART_MONTH},
    {"week w weeks", PART_WEEK},
    {"day d days", PART_DAY},
    {"dayofweek dow", PART_DAYOFWEEK},
    {"dayofweek_iso dow_iso", PART_DAYOFWEEK_ISO},
    {"doy", PART_DAYOFYEAR},
    {"hour h hours hr hrs", PART_HOUR},
    {"minute m min mins minutes", PART_MINUTE},
    {"second s sec seconds secs", PART_FRACTION},
};

static bool word_in(struct str words, struct str word)
{
    struct str one;
    while (str_cut(&words, ' ', &one))
        if (str_equal_nocase(one, word))
            return true;
    return false;
}

/* Of intervals: YEAR and MONTH of months, the others of us (SECOND with its fraction). */
static int64_t span_part(enum part part, const struct column *c, uint32_t row)
{
    struct interval span = {0};
    if (c->type->kind == TYPE_INTERVAL)
        span = c->intervals[row];
    else if (c->type->kind == TYPE_INTERVAL_YM)
        span.months = c->i32[row];
    else
        span.us = c->i64[row];
    switch (part) {
    case PART_YEAR:
        return span.months / 12;
    case PART_QUARTER:
        return span.months % 12 / 3 + 1;
    case PART_MONTH:
        return span.months % 12;
    case PART_DAY:
        return c->type->kind == TYPE_INTERVAL ? span.days : span.us / US_PER_DAY;
    case PART_HOUR:
        return c->type->kind == TYPE_INTERVAL ? span.us / (3600 * US_PER_SECOND)
                                              : span.us / (3600 * US_PER_SECOND) % 24;
    case PART_MINUTE:
        return span.us / (60 * US_PER_SECOND) % 60;
    default:
        return span.us % (60 * US_PER_SECOND);
    }
}

static bool span_has(enum type_kind kind, enum part part)
{
    if (kind == TYPE_INTERVAL_YM)
        return part == PART_YEAR || part == PART_MONTH;
    if (kind == TYPE_INTERVAL_DT)
        return part == PART_DAY || part >= PART_HOUR;
    return part == PART_YEAR || part == PART_MONTH || part == PART_DAY || part == PART_QUARTER ||
           part >= PART_HOUR;
}

static enum err extract_bind(struct func_bind *bind)
{
    struct str field = bind_text(bind, 0);
    const struct part_name *found = NULL;
    enum type_kind kind = bind_kind(bind, 1);
    bool span = kind == TYPE_INTERVAL || kind == TYPE_INTERVAL_YM || kind == TYPE_INTERVAL_DT;
    if (bind_kind(bind, 0) == TYPE_NULL || (!field.ptr && bind->args[0].constant)) {
        bind->out.result = type_simple(TYPE_DOUBLE);
        return OK;
    }
    if (!field.ptr)
        return bind_fail(bind, "NON_FOLDABLE_ARGUMENT", "42K08",
                         "%s: the field must be a constant text", bind->info->name);
    for (size_t i = 0; i < LENGTH_OF(part_names) && !found; i++)
        if (word_in(str_of(part_names[i].names), field))
            found = &part_names[i];
    if (!found || (span && !span_has(kind, found->part)))
        return bind_fail(bind, "INVALID_EXTRACT_FIELD", "42601", "%s: there is no field %.*s of %s",
                         bind->info->name, STR_ARG(field),
                         type_text(bind->arena, bind->args[1].type));
    const struct type *to = bind->args[1].type;
    if (!span && !kind_is_instant(kind))
        to = found->part < PART_HOUR || kind == TYPE_DATE ? type_simple(TYPE_DATE)
                                                          : type_simple(TYPE_TIMESTAMP);
    if (kind == TYPE_DATE && found->part >= PART_HOUR)
        to = type_simple(TYPE_TIMESTAMP);
    bind->out.args[1] = span ? to : type_implicit(bind, 1, to);
    if (!bind->out.args[1])
        return bind_fail(bind, "INVALID_EXTRACT_BASE_FIELD_TYPE", "42000",
                         "%s takes dates, times and intervals, not %s", bind->info->name,
                         type_text(bind->arena, bind->args[1].type));
    enum part *state = arena_alloc(bind->arena, sizeof *state);
    *state = found->part;
    bind->out.state = state;
    bool wide =
        span && kind != TYPE_INTERVAL_YM && (found->part == PART_DAY || found->part == PART_HOUR);
    bind->out.result = found->part == PART_FRACTION ? type_decimal(bind->arena, 8, 6)
                       : span && (found->part == PART_MONTH || found->part == PART_QUARTER ||
                                  found->part == PART_MINUTE ||
                                  (found->part == PART_HOUR && kind == TYPE_INTERVAL_DT))
                           ? type_simple(TYPE_TINYINT)
                       : wide && (kind == TYPE_INTERVAL && found->part == PART_HOUR)
                           ? type_simple(TYPE_BIGINT)
                           : type_simple(TYPE_INT);
    return OK;
}

static void extract_row(struct func_call *call)
{
    if (!call->binding->state) {
        builder_null(call->out);
        return;
    }
    enum part part = *(enum part *)call->binding->state;
    const struct column *c = call->args[1];
    int64_t value;
    if (c->type->kind != TYPE_DATE && !kind_is_instant(c->type->kind))
        value = span_part(part, c, call->row);
    else if (part < PART_HOUR)
        value = date_part(part, when_floor(local_of(call, 1), US_PER_DAY));
    else
        value = time_part(part, local_of(call, 1));
    if (part == PART_FRACTION)
        builder_i128(call->out, value);
    else
        builder_i64(call->out, value);
}

/* ---- names ---- */

static void name_row(struct func_call *call)
{
    struct civil c;
    civil_from_days(call_int(call, 0), &c);
    const char *name = call->binding->info->variant ? pattern_months[c.month - 1]
                                                    : pattern_days[weekday_of(call_int(call, 0))];
    builder_str(call->out, str_from(name, 3));
}

/* ---- numbers to times and back ---- */

/* variant: microseconds of one */
static void from_number_row(struct func_call *call)
{
    int64_t unit = call->binding->info->variant, us = 0;
    const struct column *c = call->args[0];
    bool good = true;
    if (c->type->kind == TYPE_DOUBLE || c->type->kind == TYPE_FLOAT) {
        double value =
            (c->type->kind == TYPE_FLOAT ? (double)c->f32[call->row] : c->f64[call->row]) * 1e6;
        if (value != value || value - value != 0) {
            builder_null(call->out);
            return;
        }
        us = value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
    } else if (c->type->kind == TYPE_DECIMAL) {
        __int128 value = c->i128[call->row];
        unsigned scale = c->type->scale;
        bool exact = scale <= 6 || value % decimal_power10(scale - 6) == 0;
        if (!exact) {
            call_fail(call, "ROUNDING_NECESSARY", "22003",
                      "%s: the number has more than six digits of a second",
                      call->binding->info->name);
            return;
        }
        value =
            scale <= 6 ? value * decimal_power10(6 - scale) : value / decimal_power10(scale - 6);
        us = (int64_t)value;
        good = us == value;
    } else {
        good = !__builtin_mul_overflow(column_i64(c, call->row), unit, &us);
    }
    if (good)
        builder_i64(call->out, us);
    else
        call_fail(call, "ARITHMETIC_OVERFLOW", STATE_NUMERIC, "%s: the timestamp overflows",
                  call->binding->info->name);
}

static enum err from_number_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    bind->out.result = type_simple(TYPE_TIMESTAMP);
    if (kind == TYPE_NULL || kind_is_integral(kind))
        return OK;
    if (bind->info->variant == 1000000 && kind_is_numeric(kind))
        return OK;
    if (kind == TYPE_STRING && bind->args[0].constant) {
        bind->out.args[0] = type_simple(bind->info->variant == 1000000 ? TYPE_DOUBLE : TYPE_BIGINT);
        return OK;
    }
    return bind_bad_input(bind, 0, bind->info->variant == 1000000 ? "NUMERIC" : "INTEGRAL");
}

static void to_number_row(struct func_call *call)
{
    builder_i64(call->out, when_floor(call_long(call, 0), call->binding->info->variant));
}

static void days_row(struct func_call *call)
{
    builder_i64(call->out, call_int(call, 0));
}

/* ---- now ---- */

static void now_row(struct func_call *call)
{
    int64_t now = call->eval->session->now_us;
    int64_t local = when_local(now, eval_zone(call->eval));
    switch (call->binding->result->kind) {
    case TYPE_DATE:
        builder_i64(call->out, when_floor(local, US_PER_DAY));
        break;
    case TYPE_TIMESTAMP_NTZ:
        builder_i64(call->out, local);
        break;
    case TYPE_STRING:
        builder_str(call->out, zone_name(eval_zone(call->eval)));
        break;
    default:
        builder_i64(call->out, now);
        break;
    }
}

const struct func_info func_datetime[] = {
    {"year", 1, 1, true, false, bind_signature, kernel_rows, "year(date)", "i(D)", date_part_row,
     PART_YEAR},
    {"quarter", 1, 1, true, false, bind_signature, kernel_rows, "quarter(date)", "i(D)",
     date_part_row, PART_QUARTER},
    {"month", 1, 1, true, false, bind_signature, kernel_rows, "month(date)", "i(D)", date_part_row,
     PART_MONTH},
    {"day", 1, 1, true, false, bind_signature, kernel_rows, "day(date)", "i(D)", date_part_row,
     PART_DAY},
    {"dayofmonth", 1, 1, true, false, bind_signature, kernel_rows, "dayofmonth(date)", "i(D)",
     date_part_row, PART_DAY},
    {"dayofweek", 1, 1, true, false, bind_signature, kernel_rows, "dayofweek(date)", "i(D)",
     date_part_row, PART_DAYOFWEEK},
    {"weekday", 1, 1, true, false, bind_signature, kernel_rows, "weekday(date)", "i(D)",
     date_part_row, PART_WEEKDAY},
    {"dayofyear", 1, 1, true, false, bind_signature, kernel_rows, "dayofyear(date)", "i(D)",
     date_part_row, PART_DAYOFYEAR},
    {"weekofyear", 1, 1, true, false, bind_signature, kernel_rows, "weekofyear(date)", "i(D)",
     date_part_row, PART_WEEK},
    {"hour", 1, 1, true, false, bind_signature, kernel_rows, "hour(timestamp)", "i(t)",
     time_part_row, PART_HOUR},
    {"minute", 1, 1, true, false, bind_signature, kernel_rows, "minute(timestamp)", "i(t)",
     time_part_row, PART_MINUTE},
    {"second", 1, 1, true, false, bind_signature, kernel_rows, "second(timestamp)", "i(t)",
     time_part_row, PART_SECOND},
    {"extract", 2, 2, true, false, extract_bind, kernel_rows, "extract(field FROM source)",
     .row = extract_row},
    {"date_part", 2, 2, true, false, extract_bind, kernel_rows, "date_part(field, source)",
     .row = extract_row},
    {"datepart", 2, 2, true, false, extract_bind, kernel_rows, "datepart(field, source)",
     .row = extract_row},
    {"dayname", 1, 1, true, false, bind_signature, kernel_rows, "dayname(date)", "s(D)", name_row,
     0},
    {"monthname", 1, 1, true, false, bind_signature, kernel_rows, "monthname(date)", "s(D)",
     name_row, 1},
    {"timestamp_seconds", 1, 1, true, false, from_number_bind, kernel_rows,
     "timestamp_seconds(number)", NULL, from_number_row, 1000000},
    {"timestamp_millis", 1, 1, true, false, from_number_bind, kernel_rows,
     "timestamp_millis(number)", NULL, from_number_row, 1000},
    {"timestamp_micros", 1, 1, true, false, from_number_bind, kernel_rows,
     "timestamp_micros(number)", NULL, from_number_row, 1},
    {"unix_seconds", 1, 1, true, false, bind_signature, kernel_rows, "unix_seconds(timestamp)",
     "l(T)", to_number_row, 1000000},
    {"unix_millis", 1, 1, true, false, bind_signature, kernel_rows, "unix_millis(timestamp)",
     "l(T)", to_number_row, 1000},
    {"unix_micros", 1, 1, true, false, bind_signature, kernel_rows, "unix_micros(timestamp)",
     "l(T)", to_number_row, 1},
    {"unix_date", 1, 1, true, false, bind_signature, kernel_rows, "unix_date(date)", "i(D)",
     .row = days_row},
    {"date_from_unix_date", 1, 1, true, false, bind_signature, kernel_rows,
     "date_from_unix_date(days)", "D(i)", .row = days_row},
    {"current_timestamp", 0, 0, false, true, bind_signature, kernel_rows, "current_timestamp()",
     "T()", .row = now_row},
    {"now", 0, 0, false, true, bind_signature, kernel_rows, "now()", "T()", .row = now_row},
    {"localtimestamp", 0, 0, false, true, bind_signature, kernel_rows, "localtimestamp()", "N()",
     .row = now_row},
    {"current_date", 0, 0, false, true, bind_signature, kernel_rows, "current_date()", "D()",
     .row = now_row},
    {"curdate", 0, 0, false, true, bind_signature, kernel_rows, "curdate()", "D()", .row = now_row},
    {"current_timezone", 0, 0, false, false, bind_signature, kernel_rows, "current_timezone()",
     "s()", .row = now_row},
    {.name = NULL},
};
