/* SPDX-License-Identifier: MIT */
/*
 * Steps and differences of dates and times: date_add, add_months, last_day, trunc, date_trunc,
 * months_between, timestampadd, .. and making them from their parts.
 */
#include "query/func/kernel.h"
#include "query/func/pattern.h"
#include "query/func/when.h"

#include <math.h>

/* ---- days ---- */

static void add_days(struct func_call *call, int64_t days)
{
    int64_t sum = call_int(call, 0) + days;
    if (sum == (int32_t)sum)
        builder_i64(call->out, sum);
    else
        call_fail(call, "ARITHMETIC_OVERFLOW", STATE_NUMERIC, "%s: the date overflows",
                  call->binding->info->name);
}

/* Without ANSI a text of days must be a constant whole number. */
static enum err check_days_text(struct func_bind *bind)
{
    int64_t days;
    if (!bind->args[1].constant)
        return bind_bad_input(bind, 1, "INT, SMALLINT or TINYINT");
    struct str text = str_trim(bind_text(bind, 1));
    if (column_is_null(bind->args[1].constant, 0) || str_to_i64(text, &days) == OK)
        return OK;
    return bind_fail(bind, "SECOND_FUNCTION_ARGUMENT_NOT_INTEGER", "22023",
                     "%s: the second argument '%.*s' is no whole number", bind->info->name,
                     STR_ARG(text));
}

static enum err date_add_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 1);
    TRY(bind_signature(bind));
    if (kind == TYPE_STRING && !bind->session->ansi)
        TRY(check_days_text(bind));
    if (kind == TYPE_BIGINT || kind == TYPE_DECIMAL || kind_is_float(kind))
        return bind_bad_input(bind, 1, "INT, SMALLINT or TINYINT");
    return OK;
}

static void date_add_row(struct func_call *call)
{
    add_days(call, (int64_t)call_int(call, 1) * call->binding->info->variant);
}

static void datediff_row(struct func_call *call)
{
    builder_i64(call->out, (int64_t)call_int(call, 0) - call_int(call, 1));
}

static void add_months_row(struct func_call *call)
{
    add_days(call, when_add_months(call_int(call, 0), call_int(call, 1)) - call_int(call, 0));
}

static void last_day_row(struct func_call *call)
{
    struct civil c;
    civil_from_days(call_int(call, 0), &c);
    add_days(call, civil_days_in_month(c.year, c.month) - c.day);
}

/* Java's upper case of a dotless i and of a long s are I and S. */
static struct str plain_letters(struct str name, char *room, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < name.bytes && n < size; i++) {
        struct str pair = str_slice(name, i, i + 2);
        bool dotless = str_equal(pair, STR("\xC4\xB1")), tall = str_equal(pair, STR("\xC5\xBF"));
        room[n++] = dotless ? 'i' : tall ? 's' : name.ptr[i];
        i += dotless || tall;
    }
    return str_from(room, n);
}

static int weekday_named(struct str written)
{
    char room[16];
    struct str name = plain_letters(written, room, sizeof room);
    for (int i = 0; i < 7; i++) {
        struct str full = str_of(pattern_days[i]);
        if (str_equal_nocase(name, full) || str_equal_nocase(name, str_slice(full, 0, 3)) ||
            str_equal_nocase(name, str_slice(full, 0, 2)))
            return i;
    }
    return -1;
}

static void next_day_row(struct func_call *call)
{
    int weekday = weekday_named(call_str(call, 1));
    if (weekday < 0 && call->eval->session->ansi)
        call_fail(call, "ILLEGAL_DAY_OF_WEEK", "22009", "Illegal input for day of week: %.*s",
                  STR_ARG(call_str(call, 1)));
    else if (weekday < 0)
        builder_null(call->out);
    else
        add_days(call, ((weekday - 4 - (int64_t)call_int(call, 0)) % 7 + 7) % 7 + 1);
}

/* ---- trunc, date_trunc ---- */

enum level {
    LEVEL_US,
    LEVEL_MS,
    LEVEL_SECOND,
    LEVEL_MINUTE,
    LEVEL_HOUR,
    LEVEL_DAY,
    LEVEL_WEEK,
    LEVEL_MONTH,
    LEVEL_QUARTER,
    LEVEL_YEAR,
    LEVEL_NONE
};

static enum level level_of(struct str name)
{
    static const struct {
        const char *name;
        enum level level;
    } levels[] = {{"microsecond", LEVEL_US}, {"millisecond", LEVEL_MS}, {"second", LEVEL_SECOND},
                  {"minute", LEVEL_MINUTE},  {"hour", LEVEL_HOUR},      {"day", LEVEL_DAY},
                  {"dd", LEVEL_DAY},         {"week", LEVEL_WEEK},      {"mon", LEVEL_MONTH},
                  {"month", LEVEL_MONTH},    {"mm", LEVEL_MONTH},       {"quarter", LEVEL_QUARTER},
                  {"year", LEVEL_YEAR},      {"yyyy", LEVEL_YEAR},      {"yy", LEVEL_YEAR}};
    for (size_t i = 0; i < LENGTH_OF(levels); i++)
        if (str_equal_nocase(name, str_of(levels[i].name)))
            return levels[i].level;
    return LEVEL_NONE;
}

static int64_t trunc_days(int64_t days, enum level level)
{
    struct civil c;
    civil_from_days(days, &c);
    switch (level) {
    case LEVEL_WEEK:
        return days - ((days + 3) % 7 + 7) % 7;
    case LEVEL_MONTH:
        return days - c.day + 1;
    case LEVEL_QUARTER:
        return civil_days(c.year, (c.month - 1) / 3 * 3 + 1, 1);
    case LEVEL_YEAR:
        return civil_days(c.year, 1, 1);
    default:
        return days;
    }
}

static void trunc_row(struct func_call *call)
{
    enum level level = level_of(call_str(call, 1));
    if (level < LEVEL_WEEK || level == LEVEL_NONE)
        builder_null(call->out);
    else
        builder_i64(call->out, trunc_days(call_int(call, 0), level));
}

static int64_t trunc_local(int64_t local, enum level level)
{
    static const int64_t units[] = {
        1, 1000, US_PER_SECOND, 60 * US_PER_SECOND, 3600 * US_PER_SECOND, US_PER_DAY};
    if (level <= LEVEL_DAY)
        return when_floor(local, units[level]) * units[level];
    return trunc_days(when_floor(local, US_PER_DAY), level) * US_PER_DAY;
}

static void date_trunc_row(struct func_call *call)
{
    enum level level = level_of(call_str(call, 0));
    const struct zone *zone =
        call->binding->args[1]->kind == TYPE_TIMESTAMP ? eval_zone(call->eval) : NULL;
    int64_t us = call_long(call, 1);
    if (level == LEVEL_NONE)
        builder_null(call->out);
    else if (level <= LEVEL_SECOND) /* no zone has offsets finer than that */
        builder_i64(call->out, trunc_local(us, level));
    else if (level <= LEVEL_HOUR) {
        int64_t offset = when_local(us, zone) - us;
        builder_i64(call->out, trunc_local(us + offset, level) - offset);
    } else
        builder_i64(call->out, when_instant(trunc_local(when_local(us, zone), level), zone));
}

/* ---- months_between ---- */

static void months_between_row(struct func_call *call)
{
    const struct zone *zone = eval_zone(call->eval);
    int64_t a = when_local(call_long(call, 0), zone), b = when_local(call_long(call, 1), zone);
    struct civil ca, cb;
    civil_from_us(a, &ca);
    civil_from_us(b, &cb);
    double months = (double)((ca.year - cb.year) * 12 + ca.month - cb.month);
    bool last = ca.day == civil_days_in_month(ca.year, ca.month) &&
                cb.day == civil_days_in_month(cb.year, cb.month);
    if (ca.day != cb.day && !last) {
        int64_t seconds_a = when_floor(a - when_floor(a, US_PER_DAY) * US_PER_DAY, US_PER_SECOND);
        int64_t seconds_b = when_floor(b - when_floor(b, US_PER_DAY) * US_PER_DAY, US_PER_SECOND);
        double seconds = (double)((ca.day - cb.day) * 86400LL + seconds_a - seconds_b);
        months += seconds / (31 * 86400.0);
        if (call->count < 3 || call_bool(call, 2))
            months = (double)llround(months * 1e8) / 1e8;
    }
    builder_f64(call->out, months);
}

/* ---- timestampadd, timestampdiff ---- */

struct unit {
    const char *name;
    int32_t months;
    int64_t days, us;
};
static const struct unit units[] = {
    {"microsecond", 0, 0, 1},
    {"millisecond", 0, 0, 1000},
    {"second", 0, 0, US_PER_SECOND},
    {"minute", 0, 0, 60 * US_PER_SECOND},
    {"hour", 0, 0, 3600 * US_PER_SECOND},
    {"day", 0, 1, 0},
    {"dayofyear", 0, 1, 0},
    {"week", 0, 7, 0},
    {"month", 1, 0, 0},
    {"quarter", 3, 0, 0},
    {"year", 12, 0, 0},
};

static enum err unit_bind(struct func_bind *bind)
{
    struct str name = bind_text(bind, 0);
    TRY(bind_signature(bind));
    if (bind->info->variant == 0)
        bind->out.result = bind->out.args[2];
    bool wall =
        bind_kind(bind, 1) == TYPE_TIMESTAMP_NTZ || bind_kind(bind, 2) == TYPE_TIMESTAMP_NTZ;
    bool instant = bind_kind(bind, 1) == TYPE_TIMESTAMP || bind_kind(bind, 2) == TYPE_TIMESTAMP;
    if (bind->info->variant == 1 && wall)
        bind->out.args[1] = bind->out.args[2] =
            type_simple(instant ? TYPE_TIMESTAMP : TYPE_TIMESTAMP_NTZ);
    for (size_t i = 0; i < LENGTH_OF(units); i++)
        if (str_equal_nocase(name, str_of(units[i].name)))
            bind->out.state = (void *)(uintptr_t)&units[i];
    if (bind->out.state)
        return OK;
    return bind_fail(bind, "INVALID_PARAMETER_VALUE.DATETIME_UNIT", "22023",
                     "%s: '%.*s' is no unit of time", bind->info->name, STR_ARG(name));
}

static void timestampadd_row(struct func_call *call)
{
    const struct unit *unit = call->binding->state;
    const struct zone *zone =
        call->binding->result->kind == TYPE_TIMESTAMP ? eval_zone(call->eval) : NULL;
    int64_t number = call_long(call, 1), months, days, us, sum;
    bool over = __builtin_mul_overflow(number, (int64_t)unit->months, &months) ||
                __builtin_mul_overflow(number, unit->days, &days) ||
                __builtin_mul_overflow(number, unit->us, &us);
    struct interval span = {0};
    if (!over) {
        over = months != (int32_t)months || days != (int32_t)days;
        span = (struct interval){(int32_t)months, (int32_t)days, us};
    }
    if (over || !when_add_span(call_long(call, 2), span, 1, zone, &sum))
        call_fail(call, "DATETIME_OVERFLOW", STATE_DATETIME, "timestampadd: the time overflows");
    else
        builder_i64(call->out, sum);
}

/* Whole months from a to b on the wall clock, towards zero. */
static int64_t whole_months(int64_t a, int64_t b)
{
    int64_t day_a = when_floor(a, US_PER_DAY), day_b = when_floor(b, US_PER_DAY);
    struct civil ca, cb;
    civil_from_days(day_a, &ca);
    civil_from_days(day_b, &cb);
    int64_t months = (cb.year - ca.year) * 12 + cb.month - ca.month;
    int64_t in_a = (ca.day - 1) * US_PER_DAY + a - day_a * US_PER_DAY;
    int64_t in_b = (cb.day - 1) * US_PER_DAY + b - day_b * US_PER_DAY;
    if (months > 0 && in_b < in_a)
        months--;
    else if (months < 0 && in_b > in_a)
        months++;
    return months;
}

static void timestampdiff_row(struct func_call *call)
{
    const struct unit *unit = call->binding->state;
    const struct zone *zone =
        call->binding->args[1]->kind == TYPE_TIMESTAMP ? eval_zone(call->eval) : NULL;
    int64_t a = call_long(call, 1), b = call_long(call, 2);
    if (unit->months)
        builder_i64(call->out,
                    whole_months(when_local(a, zone), when_local(b, zone)) / unit->months);
    else if (unit->days)
        builder_i64(call->out,
                    (when_local(b, zone) - when_local(a, zone)) / (unit->days * US_PER_DAY));
    else
        builder_i64(call->out, (b - a) / unit->us);
}

/* ---- zones ---- */

static const struct zone *zone_arg(struct func_call *call, size_t i)
{
    const struct zone *zone;
    if (zone_find(call_str(call, i), &zone) == OK)
        return zone;
    call_fail(call, "INVALID_TIMEZONE", "22009", "%s: there is no time zone '%.*s'",
              call->binding->info->name, STR_ARG(call_str(call, i)));
    return NULL;
}

/* from_utc_timestamp (variant 1): the wall clock there, shown as if it were here. */
static void utc_shift_row(struct func_call *call)
{
    const struct zone *zone = zone_arg(call, 1), *utc = zone_utc();
    if (!zone)
        return;
    bool from = call->binding->info->variant;
    int64_t local = when_local(call_long(call, 0), from ? zone : utc);
    builder_i64(call->out, when_instant(local, from ? utc : zone));
}

static enum err convert_bind(struct func_bind *bind)
{
    static const char *const signatures[] = {"N(s,N)", "N(s,s,N)"};
    struct func_info info = *bind->info;
    const struct func_info *kept = bind->info;
    info.signature = signatures[bind->count - 2];
    bind->info = &info;
    enum err err = bind_signature(bind);
    bind->info = kept;
    return err;
}

static void convert_row(struct func_call *call)
{
    const struct zone *to = zone_arg(call, call->count - 2);
    const struct zone *from = !to                ? NULL
                              : call->count == 3 ? zone_arg(call, 0)
                                                 : eval_zone(call->eval);
    if (!to || !from)
        return;
    int64_t us = when_instant(call_long(call, call->count - 1), from);
    builder_i64(call->out, when_local(us, to));
}

/* ---- making ---- */

static bool make_days(int64_t year, int32_t month, int32_t day, int64_t *ret_days)
{
    if (month < 1 || month > 12 || day < 1 || day > civil_days_in_month(year, month))
        return false;
    *ret_days = civil_days(year, month, day);
    return *ret_days == (int32_t)*ret_days;
}

static void bad_parts(struct func_call *call)
{
    bool quiet = call->binding->info->variant & 8 || !call->eval->session->ansi;
    if (quiet)
        builder_null(call->out);
    else
        call_fail(call, "DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", "22023",
                  "%s: there is no such day or time", call->binding->info->name);
}

static void make_date_row(struct func_call *call)
{
    int64_t days;
    if (make_days(call_int(call, 0), call_int(call, 1), call_int(call, 2), &days))
        builder_i64(call->out, days);
    else
        bad_parts(call);
}

static enum err make_timestamp_bind(struct func_bind *bind)
{
    if (bind->count < 6)
        return bind_unsupported(bind, "%s of a date and a time", bind->info->name);
    TRY(bind_signature(bind));
    bind->out.args[5] = type_decimal(bind->arena, 16, 6);
    bool ntz = (bind->info->variant & 3) == 1 ||
               ((bind->info->variant & 3) == 0 && bind->session->timestamp_ntz);
    bind->out.result = type_simple(ntz ? TYPE_TIMESTAMP_NTZ : TYPE_TIMESTAMP);
    return OK;
}

static void make_timestamp_row(struct func_call *call)
{
    int64_t days, us = (int64_t)call->args[5]->i128[call->row];
    int32_t hour = call_int(call, 3), minute = call_int(call, 4);
    bool good = make_days(call_int(call, 0), call_int(call, 1), call_int(call, 2), &days);
    if (us == 60 * US_PER_SECOND) { /* PostgreSQL's leap second */
        if (minute >= 0)
            minute++;
        us = 0;
        good &= minute <= 60;
    } else if (us > 60 * US_PER_SECOND && us < 61 * US_PER_SECOND && call->eval->session->ansi &&
               !(call->binding->info->variant & 8)) {
        call_fail(call, "INVALID_FRACTION_OF_SECOND", "22023",
                  "make_timestamp: with 60 seconds the fraction must be zero");
        return;
    } else {
        good &= minute <= 59;
    }
    good &= us >= 0 && us < 60 * US_PER_SECOND && hour >= 0 && hour <= 23 && minute >= 0;
    if (!good) {
        bad_parts(call);
        return;
    }
    const struct zone *zone =
        call->binding->result->kind == TYPE_TIMESTAMP ? eval_zone(call->eval) : NULL;
    if (call->count == 7 && zone && !(zone = zone_arg(call, 6)))
        return;
    int64_t local =
        days * US_PER_DAY + hour * 3600 * US_PER_SECOND + minute * 60 * US_PER_SECOND + us;
    builder_i64(call->out, when_instant(local, zone));
}

/* ---- make_interval and kin ---- */

static enum err make_ym_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    struct type *type = arena_zero(bind->arena, sizeof *type);
    type->kind = TYPE_INTERVAL_YM;
    type->scale = 1;
    bind->out.result = type;
    return OK;
}

static void make_ym_row(struct func_call *call)
{
    int64_t months = (call->count > 0 ? call_int(call, 0) * 12LL : 0) +
                     (call->count > 1 ? call_int(call, 1) : 0);
    if (months == (int32_t)months)
        builder_i64(call->out, months);
    else
        call_fail(call, "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "22015",
                  "make_ym_interval: the interval overflows");
}

static enum err make_dt_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    if (bind->count > 3)
        bind->out.args[3] = type_decimal(bind->arena, 18, 6);
    struct type *type = arena_zero(bind->arena, sizeof *type);
    type->kind = TYPE_INTERVAL_DT;
    type->scale = 3;
    bind->out.result = type;
    return OK;
}

static void make_dt_row(struct func_call *call)
{
    static const int64_t sizes[] = {US_PER_DAY, 3600 * US_PER_SECOND, 60 * US_PER_SECOND};
    __int128 us = 0;
    for (size_t i = 0; i < call->count && i < 3; i++)
        us += (__int128)call_int(call, i) * sizes[i];
    if (call->count > 3)
        us += call->args[3]->i128[call->row];
    if (us == (int64_t)us)
        builder_i64(call->out, (int64_t)us);
    else
        call_fail(call, "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "22015",
                  "make_dt_interval: the interval overflows");
}

static enum err make_interval_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    if (bind->count > 6)
        bind->out.args[6] = type_decimal(bind->arena, 18, 6);
    bind->out.result = type_simple(TYPE_INTERVAL);
    return OK;
}

static void make_interval_row(struct func_call *call)
{
    int64_t parts[6] = {0}; /* years months weeks days hours minutes */
    for (size_t i = 0; i < call->count && i < 6; i++)
        parts[i] = call_int(call, i);
    int64_t months = parts[0] * 12 + parts[1], days = parts[2] * 7 + parts[3];
    __int128 us = ((__int128)parts[4] * 3600 + parts[5] * 60) * US_PER_SECOND;
    if (call->count > 6)
        us += call->args[6]->i128[call->row];
    if (months == (int32_t)months && days == (int32_t)days && us == (int64_t)us)
        builder_interval(call->out, (struct interval){(int32_t)months, (int32_t)days, (int64_t)us});
    else if (!call->eval->session->ansi || call->binding->info->variant & 8)
        builder_null(call->out);
    else
        call_fail(call, "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "22015",
                  "make_interval: the interval overflows");
}

const struct func_info func_datestep[] = {
    {"date_add", 2, 2, true, false, date_add_bind, kernel_rows, "date_add(date, days)", "D(D,i)",
     date_add_row, 1},
    {"dateadd", 2, 2, true, false, date_add_bind, kernel_rows, "dateadd(date, days)", "D(D,i)",
     date_add_row, 1},
    {"date_sub", 2, 2, true, false, date_add_bind, kernel_rows, "date_sub(date, days)", "D(D,i)",
     date_add_row, -1},
    {"datediff", 2, 2, true, false, bind_signature, kernel_rows, "datediff(end, start)", "i(D,D)",
     .row = datediff_row},
    {"date_diff", 2, 2, true, false, bind_signature, kernel_rows, "date_diff(end, start)", "i(D,D)",
     .row = datediff_row},
    {"add_months", 2, 2, true, false, bind_signature, kernel_rows, "add_months(date, months)",
     "D(D,i)", .row = add_months_row},
    {"last_day", 1, 1, true, false, bind_signature, kernel_rows, "last_day(date)", "D(D)",
     .row = last_day_row},
    {"next_day", 2, 2, true, false, bind_signature, kernel_rows, "next_day(date, weekday)",
     "D(D,s)", .row = next_day_row},
    {"trunc", 2, 2, true, false, bind_signature, kernel_rows, "trunc(date, unit)", "D(D,s)",
     .row = trunc_row},
    {"date_trunc", 2, 2, true, false, bind_signature, kernel_rows, "date_trunc(unit, timestamp)",
     "1(s,t)", .row = date_trunc_row},
    {"months_between", 2, 3, true, false, bind_signature, kernel_rows,
     "months_between(a, b[, round_off])", "d(T,T,b)", .row = months_between_row},
    {"timestampadd", 3, 3, true, false, unit_bind, kernel_rows,
     "timestampadd(unit, number, timestamp)", "2(s,l,t)", timestampadd_row, 0},
    {"timestampdiff", 3, 3, true, false, unit_bind, kernel_rows, "timestampdiff(unit, start, end)",
     "l(s,t,t)", timestampdiff_row, 1},
    {"from_utc_timestamp", 2, 2, true, false, bind_signature, kernel_rows,
     "from_utc_timestamp(timestamp, zone)", "T(T,s)", utc_shift_row, 1},
    {"to_utc_timestamp", 2, 2, true, false, bind_signature, kernel_rows,
     "to_utc_timestamp(timestamp, zone)", "T(T,s)", utc_shift_row, 0},
    {"convert_timezone", 2, 3, true, false, convert_bind, kernel_rows,
     "convert_timezone([from,] to, timestamp_ntz)", .row = convert_row},
    {"make_date", 3, 3, true, false, bind_signature, kernel_rows, "make_date(year, month, day)",
     "D(i,i,i)", make_date_row, 0},
    {"make_timestamp", 1, 7, true, false, make_timestamp_bind, kernel_rows,
     "make_timestamp(year, month, day, hour, minute, second[, zone])", "T(i,i,i,i,i,.,s)",
     make_timestamp_row, 0},
    {"make_timestamp_ntz", 1, 6, true, false, make_timestamp_bind, kernel_rows,
     "make_timestamp_ntz(year, month, day, hour, minute, second)", "N(i,i,i,i,i,.)",
     make_timestamp_row, 1},
    {"make_timestamp_ltz", 1, 7, true, false, make_timestamp_bind, kernel_rows,
     "make_timestamp_ltz(year, month, day, hour, minute, second[, zone])", "T(i,i,i,i,i,.,s)",
     make_timestamp_row, 2},
    {"try_make_timestamp", 1, 7, true, false, make_timestamp_bind, kernel_rows,
     "try_make_timestamp(year, month, day, hour, minute, second[, zone])", "T(i,i,i,i,i,.,s)",
     make_timestamp_row, 8},
    {"try_make_timestamp_ntz", 1, 6, true, false, make_timestamp_bind, kernel_rows,
     "try_make_timestamp_ntz(year, month, day, hour, minute, second)", "N(i,i,i,i,i,.)",
     make_timestamp_row, 9},
    {"try_make_timestamp_ltz", 1, 7, true, false, make_timestamp_bind, kernel_rows,
     "try_make_timestamp_ltz(year, month, day, hour, minute, second[, zone])", "T(i,i,i,i,i,.,s)",
     make_timestamp_row, 10},
    {"make_ym_interval", 0, 2, true, false, make_ym_bind, kernel_rows,
     "make_ym_interval([years[, months]])", "i(i,i)", .row = make_ym_row},
    {"make_dt_interval", 0, 4, true, false, make_dt_bind, kernel_rows,
     "make_dt_interval([days[, hours[, minutes[, seconds]]]])", "i(i,i,i,.)", .row = make_dt_row},
    {"make_interval", 0, 7, true, false, make_interval_bind, kernel_rows,
     "make_interval([years[, months[, weeks[, days[, hours[, minutes[, seconds]]]]]]])",
     "i(i,i,i,i,i,i,.)", make_interval_row, 0},
    {"try_make_interval", 0, 7, true, false, make_interval_bind, kernel_rows,
     "try_make_interval([years[, months[, weeks[, days[, hours[, minutes[, seconds]]]]]]])",
     "i(i,i,i,i,i,i,.)", make_interval_row, 8},
    {.name = NULL},
};
