/* SPDX-License-Identifier: MIT */
/*
 * Dates and times from texts and to texts: to_date, to_timestamp, unix_timestamp, date_format,
 * from_unixtime.
 *
 * Without a pattern a text is cast (and fails as a cast does); with one, CANNOT_PARSE_TIMESTAMP.
 * A pattern is compiled once an evaluation and kept while it stays the same.
 */
#include "query/cast.h"
#include "query/func/pattern.h"
#include "query/func/when.h"

struct pattern_memo {
    struct pattern pattern;
    struct buf text;
    enum err err;
};

static void memo_free(void *memo)
{
    buf_deinit(&((struct pattern_memo *)memo)->text);
}

static void bad_pattern(struct func_call *call, enum err err, struct str text)
{
    const char *name = call->binding->info->name;
    if (err == ERR_UNSUPPORTED)
        call_fail(call, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN", "42K0B",
                  "%s: the pattern '%.*s' has week-based letters", name, STR_ARG(text));
    else if (err == ERR_CONFLICT && call->binding->result->kind != TYPE_TIMESTAMP_NTZ)
        call_fail(call, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION", "42K0B",
                  "%s: the pattern '%.*s' is one of older versions only", name, STR_ARG(text));
    else
        call_fail(call, "INVALID_DATETIME_PATTERN.WITH_SUGGESTION", "22007",
                  "%s: '%.*s' is no date and time pattern", name, STR_ARG(text));
}

static const struct pattern *pattern_of(struct func_call *call, struct str text)
{
    struct pattern_memo *memo = call->memo;
    if (!memo) {
        call->memo = memo = mem_zero(sizeof *memo);
        call->memo_free = memo_free;
        memo->err = ERR_NOT_FOUND;
    }
    if (memo->err == ERR_NOT_FOUND || !str_equal(buf_str(&memo->text), text)) {
        buf_reset(&memo->text);
        buf_str_append(&memo->text, text);
        memo->err = pattern_compile(buf_str(&memo->text), &memo->pattern);
    }
    if (memo->err == OK)
        return &memo->pattern;
    bad_pattern(call, memo->err, text);
    return NULL;
}

/* ---- from text ---- */

/* variant of to_*: the result, and whether failures are quiet */
enum { TO_TIMESTAMP, TO_LTZ, TO_NTZ, TO_DATE, TO_SECONDS, TO_QUIET = 8 };

static const struct type *target_of(const struct func_bind *bind)
{
    switch (bind->info->variant & ~TO_QUIET) {
    case TO_TIMESTAMP:
        return type_simple(bind->session->timestamp_ntz ? TYPE_TIMESTAMP_NTZ : TYPE_TIMESTAMP);
    case TO_NTZ:
        return type_simple(TYPE_TIMESTAMP_NTZ);
    case TO_DATE:
        return type_simple(TYPE_DATE);
    case TO_SECONDS:
        return type_simple(TYPE_BIGINT);
    default:
        return type_simple(TYPE_TIMESTAMP);
    }
}

static bool is_text_or_time(enum type_kind kind)
{
    return kind == TYPE_STRING || kind == TYPE_DATE || kind_is_instant(kind) || kind == TYPE_NULL;
}

static enum err to_time_bind(struct func_bind *bind)
{
    bool quiet = bind->info->variant & TO_QUIET;
    enum type_kind kind = bind_kind(bind, 0);
    bind->out.result = target_of(bind);
    if (bind->count == 2) {
        if (!is_text_or_time(kind))
            return bind_bad_input(bind, 0, "STRING, DATE or TIMESTAMP");
        bind->out.args[1] = type_implicit(bind, 1, type_simple(TYPE_STRING));
        return bind->out.args[1] ? OK : bind_bad_input(bind, 1, "STRING");
    }
    if (bind->out.result->kind == TYPE_TIMESTAMP_NTZ && kind_is_numeric(kind)) {
        bind->out.args[0] = type_simple(TYPE_STRING); /* seconds are only those of an instant */
        return OK;
    }
    struct diag diag = {0};
    if (cast_check(bind->args[0].type, bind->out.result, bind->session, quiet, &diag) != OK)
        return bind_fail(bind, "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "42K09", "%s",
                         diag.message);
    if (!quiet)
        bind->out.args[0] = bind->out.result;
    return OK;
}

static bool parse_local(struct func_call *call, const struct pattern *pattern, int64_t *ret_local,
                        const struct zone **ret_zone)
{
    return pattern_parse(pattern, call_str(call, 0), ret_local, ret_zone) == OK;
}

static void cannot_parse(struct func_call *call)
{
    if (call->binding->info->variant & TO_QUIET || !call->eval->session->ansi)
        builder_null(call->out);
    else
        call_fail(call, "CANNOT_PARSE_TIMESTAMP", "22007",
                  "%s: '%.*s' does not fit the pattern '%.*s'", call->binding->info->name,
                  STR_ARG(call_str(call, 0)), STR_ARG(call_str(call, call->count - 1)));
}

static void to_time_row(struct func_call *call)
{
    int64_t local, us;
    bool is_text = call->args[0]->type->kind == TYPE_STRING;
    if (call_null(call, 0) || (is_text && call->count > 1 && call_null(call, 1))) {
        builder_null(call->out);
        return;
    }
    const struct zone *zone = NULL, *session = eval_zone(call->eval);
    const struct column *c = call->args[0];
    int to = call->binding->info->variant & ~TO_QUIET;
    if (c->type->kind == TYPE_STRING) {
        struct str text = call->count > 1 ? call_str(call, 1) : STR("yyyy-MM-dd HH:mm:ss");
        const struct pattern *pattern = pattern_of(call, text);
        if (!pattern)
            return;
        if (!parse_local(call, pattern, &local, &zone)) {
            cannot_parse(call);
            return;
        }
        us = call->binding->result->kind == TYPE_TIMESTAMP_NTZ
                 ? local
                 : when_instant(local, zone ? zone : session);
        if (to == TO_DATE && !zone)
            us = when_instant(local, session);
    } else if (c->type->kind == TYPE_DATE) {
        local = c->i32[call->row] * US_PER_DAY;
        us = call->binding->result->kind == TYPE_TIMESTAMP_NTZ ? local
                                                               : when_instant(local, session);
    } else {
        us = c->i64[call->row];
        if (c->type->kind == TYPE_TIMESTAMP_NTZ && to != TO_SECONDS &&
            call->binding->result->kind != TYPE_TIMESTAMP_NTZ)
            us = when_instant(us, session);
        if (c->type->kind == TYPE_TIMESTAMP && call->binding->result->kind == TYPE_TIMESTAMP_NTZ)
            us = when_local(us, session);
    }
    if (to == TO_DATE)
        builder_i64(call->out, when_floor(when_local(us, session), US_PER_DAY));
    else
        builder_i64(call->out, to == TO_SECONDS ? when_floor(us, US_PER_SECOND) : us);
}

static enum err to_time_eval(struct eval *eval, const struct func_binding *binding,
                             const struct column *const *args, uint32_t rows,
                             struct column **ret_column)
{
    if (binding->count == 2)
        return kernel_rows(eval, binding, args, rows, ret_column);
    return cast_eval(eval, args[0], binding->result, binding->info->variant & TO_QUIET, ret_column);
}

static enum err seconds_bind(struct func_bind *bind)
{
    bind->out.result = type_simple(TYPE_BIGINT);
    if (bind->count == 0)
        return OK;
    if (!is_text_or_time(bind_kind(bind, 0)))
        return bind_bad_input(bind, 0, "STRING, DATE or TIMESTAMP");
    if (bind->count > 1)
        bind->out.args[1] = bind_kind(bind, 1) == TYPE_STRING || bind_kind(bind, 1) == TYPE_NULL
                                ? type_simple(TYPE_STRING)
                                : NULL;
    return bind->count < 2 || bind->out.args[1] ? OK : bind_bad_input(bind, 1, "STRING");
}

static void seconds_row(struct func_call *call)
{
    if (call->count == 0 && call->eval->session->now_us == EVAL_NO_CLOCK)
        call_fail(call, "UNSUPPORTED_FEATURE", "0A000", "no clock while planning");
    else if (call->count == 0)
        builder_i64(call->out, when_floor(call->eval->session->now_us, US_PER_SECOND));
    else
        to_time_row(call);
}

/* ---- to text ---- */

static enum err format_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    bool char_function = bind->info->variant;
    if (char_function && (kind_is_numeric(kind) || kind == TYPE_STRING))
        return number_format_bind(bind);
    if (char_function && (!is_text_or_time(kind) || kind == TYPE_STRING))
        return bind_unsupported(bind, "%s of %s", bind->info->name,
                                type_text(bind->arena, bind->args[0].type));
    struct pattern pattern;
    struct str text = bind_text(bind, 1);
    bool known = text.ptr && pattern_compile(text, &pattern) == OK;
    for (size_t i = 0; known && i < pattern.count; i++) {
        if (pattern.items[i].letter == 'z' && pattern.items[i].count > 3)
            return bind_unsupported(bind, "%s: the long names of time zones (zzzz)",
                                    bind->info->name);
    }
    return bind_signature(bind);
}

static void put_formatted(struct func_call *call, const struct pattern *pattern, int64_t us,
                          const struct zone *zone)
{
    enum err err = pattern_format(pattern, when_local(us, zone), zone, us, &call->buf);
    if (err == ERR_UNSUPPORTED)
        call_fail(call, "UNSUPPORTED_FEATURE", "0A000", "the long names of time zones (zzzz)");
    else if (err != OK)
        call_fail(call, "INVALID_DATETIME_PATTERN.WITH_SUGGESTION", "22007",
                  "%s: the pattern asks for a time zone", call->binding->info->name);
    else
        builder_str(call->out, buf_str(&call->buf));
}

static void format_row(struct func_call *call)
{
    if (call->args[0]->type->kind == TYPE_DECIMAL) {
        number_format_row(call);
        return;
    }
    const struct pattern *pattern = pattern_of(call, call_str(call, 1));
    bool instant = call->args[0]->type->kind == TYPE_TIMESTAMP;
    if (pattern && instant)
        put_formatted(call, pattern, call_long(call, 0), eval_zone(call->eval));
    else if (pattern)
        put_formatted(call, pattern, call_long(call, 0), NULL);
}

static void from_unixtime_row(struct func_call *call)
{
    struct str text = call->count > 1 ? call_str(call, 1) : STR("yyyy-MM-dd HH:mm:ss");
    const struct pattern *pattern = pattern_of(call, text);
    int64_t us;
    if (!pattern)
        return;
    if (__builtin_mul_overflow(call_long(call, 0), US_PER_SECOND, &us))
        us = call_long(call, 0) < 0 ? INT64_MIN / 2 : INT64_MAX / 2;
    put_formatted(call, pattern, us, eval_zone(call->eval));
}

const struct func_info func_dateformat[] = {
    {"to_timestamp", 1, 2, false, false, to_time_bind, to_time_eval, "to_timestamp(str[, pattern])",
     NULL, to_time_row, TO_TIMESTAMP},
    {"to_timestamp_ltz", 1, 2, false, false, to_time_bind, to_time_eval,
     "to_timestamp_ltz(str[, pattern])", NULL, to_time_row, TO_LTZ},
    {"to_timestamp_ntz", 1, 2, false, false, to_time_bind, to_time_eval,
     "to_timestamp_ntz(str[, pattern])", NULL, to_time_row, TO_NTZ},
    {"try_to_timestamp", 1, 2, false, false, to_time_bind, to_time_eval,
     "try_to_timestamp(str[, pattern])", NULL, to_time_row, TO_TIMESTAMP + TO_QUIET},
    {"to_date", 1, 2, false, false, to_time_bind, to_time_eval, "to_date(str[, pattern])", NULL,
     to_time_row, TO_DATE},
    {"try_to_date", 1, 2, false, false, to_time_bind, to_time_eval, "try_to_date(str[, pattern])",
     NULL, to_time_row, TO_DATE + TO_QUIET},
    {"unix_timestamp", 0, 2, false, false, seconds_bind, kernel_rows,
     "unix_timestamp([time[, pattern]])", NULL, seconds_row, TO_SECONDS},
    {"to_unix_timestamp", 1, 2, false, false, seconds_bind, kernel_rows,
     "to_unix_timestamp(time[, pattern])", NULL, seconds_row, TO_SECONDS},
    {"date_format", 2, 2, true, false, format_bind, kernel_rows, "date_format(time, pattern)",
     "s(t,s)", format_row, 0},
    {"to_char", 2, 2, true, false, format_bind, kernel_rows, "to_char(time, pattern)", "s(t,s)",
     format_row, 1},
    {"to_varchar", 2, 2, true, false, format_bind, kernel_rows, "to_varchar(time, pattern)",
     "s(t,s)", format_row, 1},
    {"from_unixtime", 1, 2, true, false, bind_signature, kernel_rows,
     "from_unixtime(seconds[, pattern])", "s(l,s)", .row = from_unixtime_row},
    {.name = NULL},
};
