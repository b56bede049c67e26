/* SPDX-License-Identifier: MIT */
/*
 * Functions over regular expressions: rlike, regexp_*, split.
 *
 * A pattern is compiled once a run and kept while it stays the same text, which it nearly always
 * does. Positions in arguments and results count code points. A pattern that is none fails
 * with INVALID_PARAMETER_VALUE.PATTERN, a group that it lacks with .REGEX_GROUP_INDEX.
 */
#include "query/func/kernel.h"
#include "query/func/regex.h"
#include "query/func/text.h"

struct regex_memo {
    struct regex *regex;
    struct buf pattern;
};

static void memo_free(void *memo)
{
    struct regex_memo *m = memo;
    regex_free(m->regex);
    buf_deinit(&m->pattern);
}

/* NULL after a failure that was reported and gave the row its NULL. */
static struct regex *regex_of(struct func_call *call, struct str pattern)
{
    struct regex_memo *memo = call->memo;
    if (memo && memo->regex && str_equal(buf_str(&memo->pattern), pattern))
        return memo->regex;
    if (!memo) {
        call->memo = memo = mem_zero(sizeof *memo);
        call->memo_free = memo_free;
    }
    regex_free(memo->regex);
    memo->regex = NULL;
    enum err err = regex_new(pattern, &memo->regex);
    if (err != OK) {
        call_fail(call, "INVALID_PARAMETER_VALUE.PATTERN", "22023",
                  err == ERR_UNSUPPORTED
                      ? "%s: the pattern '%.*s' uses a part of Java's syntax that is not supported"
                      : "%s: '%.*s' is no regular expression",
                  call->binding->info->name, STR_ARG(pattern));
        return NULL;
    }
    buf_reset(&memo->pattern);
    buf_str_append(&memo->pattern, pattern);
    return memo->regex;
}

static enum err pattern_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    struct str pattern = bind_text(bind, 1);
    struct regex *regex = NULL;
    if (pattern.ptr && regex_new(pattern, &regex) == ERR_UNSUPPORTED)
        return bind_unsupported(bind,
                                "the regular expression '%.*s' of %s: class intersections and "
                                "unions, (?u) and Java-only properties",
                                STR_ARG(pattern), bind->info->name);
    regex_free(regex);
    if (strchr(bind->info->signature, 'A'))
        bind->out.result = type_array(bind->arena, type_simple(TYPE_STRING), false);
    return OK;
}

/* True for a match; false at the end or after a failure (*ret_failed). */
static bool find(struct func_call *call, struct regex *regex, struct str text, size_t from,
                 bool *ret_failed)
{
    enum err err = regex_find(regex, text, from);
    *ret_failed = err == ERR_LIMIT;
    if (*ret_failed)
        call_fail(call, "REGEX_LIMIT", "54000", "%s: the pattern needs too many steps on this text",
                  call->binding->info->name);
    return err == OK;
}

static void rlike_row(struct func_call *call)
{
    bool failed = false;
    struct regex *regex = regex_of(call, call_str(call, 1));
    if (!regex)
        return;
    bool hit = find(call, regex, call_str(call, 0), 0, &failed);
    if (!failed)
        builder_bool(call->out, hit);
}

/* Checks the group argument, default 1. */
static bool group_of(struct func_call *call, const struct regex *regex, size_t at,
                     size_t *ret_group)
{
    int32_t group = call->count > at ? call_int(call, at) : 1;
    if (group < 0 || (size_t)group > regex_groups(regex)) {
        call_fail(call, "INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", "22023",
                  "%s: the pattern has %zu groups, not %d", call->binding->info->name,
                  regex_groups(regex), group);
        return false;
    }
    *ret_group = (size_t)group;
    return true;
}

static struct str group_text(const struct regex *regex, struct str text, size_t group)
{
    size_t from, to;
    return regex_group(regex, group, &from, &to) ? str_slice(text, from, to) : STR("");
}

static void extract_row(struct func_call *call)
{
    bool failed = false;
    size_t group;
    struct str text = call_str(call, 0);
    struct regex *regex = regex_of(call, call_str(call, 1));
    if (!regex || !group_of(call, regex, 2, &group))
        return;
    bool hit = find(call, regex, text, 0, &failed);
    if (!failed)
        builder_str(call->out, hit ? group_text(regex, text, group) : STR(""));
}

static void extract_all_row(struct func_call *call)
{
    bool failed = false;
    size_t group;
    struct str text = call_str(call, 0);
    struct regex *regex = regex_of(call, call_str(call, 1));
    if (!regex || !group_of(call, regex, 2, &group))
        return;
    size_t from = 0;
    for (; find(call, regex, text, from, &failed); from = regex_next(regex, text))
        builder_str(call->out->children[0], group_text(regex, text, group));
    if (!failed)
        builder_valid(call->out);
}

static void count_row(struct func_call *call)
{
    bool failed = false;
    struct str text = call_str(call, 0);
    struct regex *regex = regex_of(call, call_str(call, 1));
    if (!regex)
        return;
    int64_t count = 0;
    for (size_t from = 0; find(call, regex, text, from, &failed); from = regex_next(regex, text))
        count++;
    if (!failed)
        builder_i64(call->out, count);
}

static void instr_row(struct func_call *call)
{
    bool failed = false;
    struct str text = call_str(call, 0);
    struct regex *regex = regex_of(call, call_str(call, 1));
    if (!regex)
        return;
    size_t from = 0, to = 0;
    bool hit = find(call, regex, text, 0, &failed) && regex_group(regex, 0, &from, &to);
    if (!failed)
        builder_i64(call->out, hit ? (int64_t)text_points(str_slice(text, 0, from)) + 1 : 0);
}

static void substr_row(struct func_call *call)
{
    bool failed = false;
    struct str text = call_str(call, 0);
    struct regex *regex = regex_of(call, call_str(call, 1));
    if (!regex)
        return;
    bool hit = find(call, regex, text, 0, &failed);
    if (failed)
        return;
    struct str found = hit ? group_text(regex, text, 0) : STR("");
    if (found.bytes == 0)
        builder_null(call->out);
    else
        builder_str(call->out, found);
}

/* Java's replacement text: $1, ${name}, \c. False when it is none. */
static bool replacement(struct buf *out, const struct regex *regex, struct str text,
                        struct str with)
{
    for (size_t i = 0; i < with.bytes; i++) {
        if (with.ptr[i] == '\\') {
            if (++i == with.bytes)
                return false;
            buf_append(out, with.ptr + i, 1);
        } else if (with.ptr[i] != '$') {
            buf_append(out, with.ptr + i, 1);
        } else if (i + 1 < with.bytes && with.ptr[i + 1] == '{') {
            size_t end = str_find(with, STR("}"), i);
            size_t group =
                end == SIZE_MAX ? 0 : regex_group_number(regex, str_slice(with, i + 2, end));
            if (group == 0)
                return false;
            buf_str_append(out, group_text(regex, text, group));
            i = end;
        } else {
            size_t at = i + 1, group = 0, digits = 0;
            for (; at < with.bytes && with.ptr[at] >= '0' && with.ptr[at] <= '9'; at++, digits++) {
                size_t longer = group * 10 + (size_t)(with.ptr[at] - '0');
                if (digits && longer > regex_groups(regex))
                    break;
                group = longer;
            }
            if (digits == 0 || group > regex_groups(regex))
                return false;
            buf_str_append(out, group_text(regex, text, group));
            i = at - 1;
        }
    }
    return true;
}

static void replace_row(struct func_call *call)
{
    bool failed = false;
    struct str text = call_str(call, 0), with = call_str(call, 2);
    int32_t pos = call->count == 4 ? call_int(call, 3) : 1;
    struct regex *regex = regex_of(call, call_str(call, 1));
    if (!regex)
        return;
    if (pos < 1) {
        call_fail(call, "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
                  "regexp_replace: positions count from 1");
        return;
    }
    size_t from = text_byte_of(text, (size_t)pos - 1), copied = 0, begin, end;
    bool outside = pos > 1 && from >= text.bytes;
    for (; !outside && find(call, regex, text, from, &failed); from = regex_next(regex, text)) {
        if (!regex_group(regex, 0, &begin, &end))
            break;
        buf_str_append(&call->buf, str_slice(text, copied, begin));
        if (!replacement(&call->buf, regex, text, with)) {
            call_fail(call, "INVALID_PARAMETER_VALUE.PATTERN", "22023",
                      "regexp_replace: the replacement '%.*s' names no group", STR_ARG(with));
            return;
        }
        copied = end;
    }
    if (failed)
        return;
    buf_str_append(&call->buf, str_slice(text, copied, text.bytes));
    builder_str(call->out, buf_str(&call->buf));
}

/* An empty pattern cuts between all code points. */
static void split_points(struct func_call *call, struct str text, int32_t limit)
{
    struct builder *parts = call->out->children[0];
    int32_t count = 1;
    size_t at = 0;
    while (at < text.bytes) {
        size_t to = at + text_point_bytes(text, at);
        if (limit > 0 && count == limit)
            to = text.bytes;
        builder_str(parts, str_slice(text, at, to));
        at = to;
        count++;
    }
    if (text.bytes == 0)
        builder_str(parts, text);
    builder_valid(call->out);
}

static void split_row(struct func_call *call)
{
    bool failed = false;
    struct str text = call_str(call, 0), pattern = call_str(call, 1);
    int32_t limit = call->count == 3 ? call_int(call, 2) : -1, count = 1;
    if (pattern.bytes == 0) {
        split_points(call, text, limit);
        return;
    }
    struct regex *regex = regex_of(call, pattern);
    if (!regex)
        return;
    struct builder *parts = call->out->children[0];
    size_t copied = 0, begin, end, from = 0;
    for (; (limit <= 0 || count < limit) && find(call, regex, text, from, &failed);
         from = regex_next(regex, text)) {
        if (!regex_group(regex, 0, &begin, &end))
            break;
        if (end == 0) /* an empty match in front of the text cuts nothing off */
            continue;
        builder_str(parts, str_slice(text, copied, begin));
        copied = end;
        count++;
    }
    if (failed)
        return;
    builder_str(parts, str_slice(text, copied, text.bytes));
    builder_valid(call->out);
}

const struct func_info func_regexp[] = {
    {"rlike", 2, 2, true, false, pattern_bind, kernel_rows, "str rlike regex", "b(s,s)",
     .row = rlike_row},
    {"regexp", 2, 2, true, false, pattern_bind, kernel_rows, "regexp(str, regex)", "b(s,s)",
     .row = rlike_row},
    {"regexp_like", 2, 2, true, false, pattern_bind, kernel_rows, "regexp_like(str, regex)",
     "b(s,s)", .row = rlike_row},
    {"regexp_extract", 2, 3, true, false, pattern_bind, kernel_rows,
     "regexp_extract(str, regex[, group])", "s(s,s,i)", .row = extract_row},
    {"regexp_extract_all", 2, 3, true, false, pattern_bind, kernel_rows,
     "regexp_extract_all(str, regex[, group])", "A(s,s,i)", .row = extract_all_row},
    {"regexp_replace", 3, 4, true, false, pattern_bind, kernel_rows,
     "regexp_replace(str, regex, replacement[, pos])", "s(s,s,s,i)", .row = replace_row},
    {"regexp_count", 2, 2, true, false, pattern_bind, kernel_rows, "regexp_count(str, regex)",
     "i(s,s)", .row = count_row},
    {"regexp_instr", 2, 3, true, false, pattern_bind, kernel_rows, "regexp_instr(str, regex)",
     "i(s,s,i)", .row = instr_row},
    {"regexp_substr", 2, 2, true, false, pattern_bind, kernel_rows, "regexp_substr(str, regex)",
     "s(s,s)", .row = substr_row},
    {"split", 2, 3, true, false, pattern_bind, kernel_rows, "split(str, regex[, limit])",
     "A(s,s,i)", .row = split_row},
    {.name = NULL},
};
