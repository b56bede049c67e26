/* SPDX-License-Identifier: MIT */
/*
 * More of text: searching, padding, translating, comparing.
 */
#include "query/func/kernel.h"
#include "query/func/text.h"

enum { TEXT_MAX = 1 << 28 }; /* what one call may grow a text to */

static bool too_long(struct func_call *call, uint64_t bytes)
{
    if (bytes <= TEXT_MAX)
        return false;
    call_fail(call, "COLLECTION_SIZE_LIMIT_EXCEEDED.FUNCTION", "54000",
              "%s: the result would have over 256 MiB", call->binding->info->name);
    return true;
}

/* ---- searching ---- */

static int64_t find_from(struct str text, struct str what, int64_t from_point)
{
    if (from_point < 1)
        return 0;
    if (what.bytes == 0)
        return 1;
    size_t at = str_find(text, what, text_byte_of(text, (size_t)from_point - 1));
    return at == SIZE_MAX ? 0 : (int64_t)text_points(str_slice(text, 0, at)) + 1;
}

static void instr_row(struct func_call *call)
{
    builder_i64(call->out, find_from(call_str(call, 0), call_str(call, 1), 1));
}

static void locate_row(struct func_call *call)
{
    if (call->count == 3 && call_null(call, 2)) {
        builder_i64(call->out, 0);
        return;
    }
    if (call_null(call, 0) || call_null(call, 1)) {
        builder_null(call->out);
        return;
    }
    builder_i64(call->out, find_from(call_str(call, 1), call_str(call, 0),
                                     call->count == 3 ? call_int(call, 2) : 1));
}

enum { HAS_START, HAS_END, HAS_PART };

static void has_row(struct func_call *call)
{
    struct str text = call_str(call, 0), what = call_str(call, 1);
    switch (call->binding->info->variant) {
    case HAS_START:
        builder_bool(call->out, str_starts(text, what));
        break;
    case HAS_END:
        builder_bool(call->out, str_ends(text, what));
        break;
    default:
        builder_bool(call->out, str_find(text, what, 0) != SIZE_MAX);
        break;
    }
}

static enum err has_bind(struct func_bind *bind)
{
    bool binary = bind_kind(bind, 0) == TYPE_BINARY && bind_kind(bind, 1) == TYPE_BINARY;
    if (!binary)
        return bind_signature(bind);
    bind->out.result = type_simple(TYPE_BOOLEAN);
    return OK;
}

static void find_in_set_row(struct func_call *call)
{
    struct str what = call_str(call, 0), set = call_str(call, 1);
    int64_t at = 1;
    size_t from = 0;
    if (str_find(what, STR(","), 0) != SIZE_MAX) {
        builder_i64(call->out, 0);
        return;
    }
    for (;; at++) {
        size_t to = str_find(set, STR(","), from);
        if (str_equal(str_slice(set, from, to == SIZE_MAX ? set.bytes : to), what)) {
            builder_i64(call->out, at);
            return;
        }
        if (to == SIZE_MAX)
            break;
        from = to + 1;
    }
    builder_i64(call->out, 0);
}

static void substring_index_row(struct func_call *call)
{
    struct str text = call_str(call, 0), by = call_str(call, 1);
    int32_t count = call_int(call, 2);
    size_t cut = count > 0 ? 0 : text.bytes;
    if (by.bytes == 0 || count == 0) {
        builder_str(call->out, STR(""));
        return;
    }
    for (int32_t i = 0; count > 0 && i < count; i++) {
        size_t at = str_find(text, by, i ? cut + by.bytes : 0);
        if (at == SIZE_MAX) {
            cut = text.bytes;
            break;
        }
        cut = at;
    }
    for (int64_t i = 0; count < 0 && i > count; i--) {
        size_t at = i ? cut : text.bytes;
        bool hit = false;
        while (at > 0 && !hit)
            hit = str_starts(str_slice(text, --at, i ? cut : text.bytes), by);
        if (!hit) {
            builder_str(call->out, text);
            return;
        }
        cut = at;
    }
    builder_str(call->out,
                count > 0 ? str_slice(text, 0, cut) : str_slice(text, cut + by.bytes, text.bytes));
}

/* ---- growing ---- */

static void repeat_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    int32_t count = call_int(call, 1);
    if (count > 0 && too_long(call, (uint64_t)count * text.bytes))
        return;
    for (int32_t i = 0; i < count && text.bytes; i++)
        buf_str_append(&call->buf, text);
    builder_str(call->out, buf_str(&call->buf));
}

static void space_row(struct func_call *call)
{
    int32_t count = call_int(call, 0);
    if (count > 0 && too_long(call, (uint64_t)count))
        return;
    for (int32_t i = 0; i < count; i++)
        buf_char(&call->buf, ' ');
    builder_str(call->out, buf_str(&call->buf));
}

static void pad_points(struct func_call *call, struct str pad, size_t points)
{
    size_t in_pad = text_points(pad);
    for (; points >= in_pad && points > 0; points -= in_pad)
        buf_str_append(&call->buf, pad);
    buf_str_append(&call->buf, str_slice(pad, 0, text_byte_of(pad, points)));
}

static enum err pad_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    if (bind_kind(bind, 0) == TYPE_BINARY)
        return bind_unsupported(bind, "%s of BINARY", bind->info->name);
    return OK;
}

/* variant: 1 on the left */
static void pad_row(struct func_call *call)
{
    struct str text = call_str(call, 0), pad = call->count == 3 ? call_str(call, 2) : STR(" ");
    int32_t length = call_int(call, 1);
    size_t points = text_points(text);
    if (length <= 0 || (size_t)length <= points) {
        builder_str(call->out,
                    str_slice(text, 0, length <= 0 ? 0 : text_byte_of(text, (size_t)length)));
        return;
    }
    if (too_long(call, (uint64_t)length * (pad.bytes ? pad.bytes : 1)))
        return;
    bool left = call->binding->info->variant;
    if (!left)
        buf_str_append(&call->buf, text);
    if (pad.bytes)
        pad_points(call, pad, (size_t)length - points);
    if (left)
        buf_str_append(&call->buf, text);
    builder_str(call->out, buf_str(&call->buf));
}

/* ---- changing ---- */

static void translate_row(struct func_call *call)
{
    struct str text = call_str(call, 0), from = call_str(call, 1), to = call_str(call, 2);
    for (size_t at = 0, bytes; at < text.bytes; at += bytes) {
        bytes = text_point_bytes(text, at);
        struct str point = str_slice(text, at, at + bytes);
        size_t index = 0, f = 0;
        while (f < from.bytes && !str_starts(str_slice(from, f, from.bytes), point)) {
            f += text_point_bytes(from, f);
            index++;
        }
        if (f >= from.bytes) {
            buf_str_append(&call->buf, point);
            continue;
        }
        size_t t = text_byte_of(to, index);
        if (t < to.bytes)
            buf_append(&call->buf, to.ptr + t, text_point_bytes(to, t));
    }
    builder_str(call->out, buf_str(&call->buf));
}

static void overlay_row(struct func_call *call)
{
    struct str text = call_str(call, 0), with = call_str(call, 1);
    int64_t pos = call_int(call, 2);
    int64_t length = call->count == 4 ? call_int(call, 3) : -1;
    int64_t points = (int64_t)text_points(text);
    length = length >= 0 ? length : (int64_t)text_points(with);
    int64_t head = pos > 0 ? pos - 1 : pos < 0 ? points + pos : points;
    head = pos == 0 ? 0 : head;
    head = head < 0 ? 0 : head > points ? points : head;
    int64_t tail = (pos > 0 ? pos - 1 : pos < 0 ? points + pos : -1) + length;
    tail = tail < 0 ? 0 : tail > points ? points : tail;
    buf_str_append(&call->buf, str_slice(text, 0, text_byte_of(text, (size_t)head)));
    buf_str_append(&call->buf, with);
    buf_str_append(&call->buf, str_slice(text, text_byte_of(text, (size_t)tail), text.bytes));
    builder_str(call->out, buf_str(&call->buf));
}

static void ascii_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    int32_t point = text.bytes ? text_decode(text, 0) : 0;
    builder_i64(call->out, point < 0 ? (uint8_t)*text.ptr : point);
}

static void chr_row(struct func_call *call)
{
    int64_t value = call_long(call, 0);
    if (value >= 0)
        text_encode((int32_t)(value & 0xFF), &call->buf);
    builder_str(call->out, buf_str(&call->buf));
}

static void elt_row(struct func_call *call)
{
    int64_t at = call_null(call, 0) ? -1 : call_int(call, 0);
    bool null = call_null(call, 0);
    if (!null && (at < 1 || at >= (int64_t)call->count)) {
        if (call->eval->session->ansi)
            call_fail(call, "INVALID_ARRAY_INDEX", STATE_NUMERIC,
                      "The index %lld is out of bounds. The array has %zu elements.", (long long)at,
                      call->count - 1);
        else
            builder_null(call->out);
        return;
    }
    if (null || call_null(call, (size_t)at))
        builder_null(call->out);
    else
        builder_str(call->out, call_str(call, (size_t)at));
}

/* ---- comparing ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One row of the edit matrix at a time. */
/* A constant NULL as the most makes NULL, one in a column counts as 0. */
static enum err levenshtein_bind(struct func_bind *bind)
{
    const struct column *most = bind->count == 3 ? bind->args[2].constant : NULL;
    if (most && column_is_null(most, 0))
        bind->out.state = (void *)bind->info;
    return bind_signature(bind);
}

static void levenshtein_row(struct func_call *call)
{
    if (call_null(call, 0) || call_null(call, 1) || call->binding->state) {
        builder_null(call->out);
        return;
    }
    struct str a = call_str(call, 0), b = call_str(call, 1);
    size_t columns = text_points(b) + 1;
    uint32_t *costs = (uint32_t *)(void *)buf_reserve(&call->buf, columns * sizeof *costs);
    if (!costs) {
        builder_null(call->out);
        return;
    }
    for (size_t i = 0; i < columns; i++)
        costs[i] = (uint32_t)i;
    uint32_t line = 0;
    for (size_t i = 0; i < a.bytes; i += text_point_bytes(a, i)) {
        uint32_t diagonal = line++;
        struct str point = str_slice(a, i, i + text_point_bytes(a, i));
        costs[0] = line;
        size_t column = 1;
        for (size_t k = 0; k < b.bytes; k += text_point_bytes(b, k), column++) {
            bool same = str_equal(point, str_slice(b, k, k + text_point_bytes(b, k)));
            uint32_t above = costs[column];
            costs[column] = (uint32_t)least(least(above, costs[column - 1]) + 1, diagonal + !same);
            diagonal = above;
        }
    }
    int64_t distance = costs[columns - 1];
    if (call->count == 3 && distance > (call_null(call, 2) ? 0 : call_int(call, 2)))
        distance = -1;
    builder_i64(call->out, distance);
}

static void soundex_row(struct func_call *call)
{
    static const char codes[] = "01230127022455012623017202"; /* 7: H and W do not part */
    struct str text = call_str(call, 0);
    char code[5] = "0000";
    if (text.bytes == 0 || !((text.ptr[0] | 32) >= 'a' && (text.ptr[0] | 32) <= 'z')) {
        builder_str(call->out, text);
        return;
    }
    code[0] = (char)(text.ptr[0] & ~32);
    char last = codes[code[0] - 'A'];
    size_t count = 1;
    for (size_t i = 1; i < text.bytes && count < 4; i++) {
        char letter = (char)(text.ptr[i] & ~32);
        if (letter < 'A' || letter > 'Z') {
            last = '0';
            continue;
        }
        char now = codes[letter - 'A'];
        if (now == '7')
            continue;
        if (now != '0' && now != last)
            code[count++] = now;
        last = now;
    }
    builder_str(call->out, str_from(code, 4));
}

static void is_valid_utf8_row(struct func_call *call)
{
    builder_bool(call->out, str_is_utf8(call_str(call, 0)));
}

const struct func_info func_strings[] = {
    {"instr", 2, 2, true, false, bind_signature, kernel_rows, "instr(str, part)", "i(s,s)",
     .row = instr_row},
    {"locate", 2, 3, false, false, bind_signature, kernel_rows, "locate(part, str[, pos])",
     "i(s,s,i)", .row = locate_row},
    {"position", 2, 3, false, false, bind_signature, kernel_rows, "position(part, str[, pos])",
     "i(s,s,i)", .row = locate_row},
    {"charindex", 2, 3, false, false, bind_signature, kernel_rows, "charindex(part, str[, pos])",
     "i(s,s,i)", .row = locate_row},
    {"startswith", 2, 2, true, false, has_bind, kernel_rows, "startswith(str, part)", "b(s,s)",
     has_row, HAS_START},
    {"endswith", 2, 2, true, false, has_bind, kernel_rows, "endswith(str, part)", "b(s,s)", has_row,
     HAS_END},
    {"contains", 2, 2, true, false, has_bind, kernel_rows, "contains(str, part)", "b(s,s)", has_row,
     HAS_PART},
    {"find_in_set", 2, 2, true, false, bind_signature, kernel_rows, "find_in_set(str, list)",
     "i(s,s)", .row = find_in_set_row},
    {"substring_index", 3, 3, true, false, bind_signature, kernel_rows,
     "substring_index(str, delimiter, count)", "s(s,s,i)", .row = substring_index_row},
    {"repeat", 2, 2, true, false, bind_signature, kernel_rows, "repeat(str, times)", "s(s,i)",
     .row = repeat_row},
    {"space", 1, 1, true, false, bind_signature, kernel_rows, "space(count)", "s(i)",
     .row = space_row},
    {"lpad", 2, 3, true, false, pad_bind, kernel_rows, "lpad(str, length[, pad])", "s(u,i,u)",
     pad_row, 1},
    {"rpad", 2, 3, true, false, pad_bind, kernel_rows, "rpad(str, length[, pad])", "s(u,i,u)",
     pad_row, 0},
    {"translate", 3, 3, true, false, bind_signature, kernel_rows, "translate(str, from, to)",
     "s(s,s,s)", .row = translate_row},
    {"overlay", 3, 4, true, false, bind_signature, kernel_rows, "overlay(str, with, pos[, length])",
     "s(s,s,i,i)", .row = overlay_row},
    {"ascii", 1, 1, true, false, bind_signature, kernel_rows, "ascii(str)", "i(s)",
     .row = ascii_row},
    {"chr", 1, 1, true, false, bind_signature, kernel_rows, "chr(code)", "s(l)", .row = chr_row},
    {"char", 1, 1, true, false, bind_signature, kernel_rows, "char(code)", "s(l)", .row = chr_row},
    {"elt", 2, 255, false, false, bind_signature, kernel_rows, "elt(n, str, ..)", "s(i,s*",
     .row = elt_row},
    {"levenshtein", 2, 3, false, false, levenshtein_bind, kernel_rows, "levenshtein(a, b[, most])",
     "i(s,s,i)", .row = levenshtein_row},
    {"soundex", 1, 1, true, false, bind_signature, kernel_rows, "soundex(str)", "s(s)",
     .row = soundex_row},
    {"is_valid_utf8", 1, 1, true, false, bind_signature, kernel_rows, "is_valid_utf8(str)", "b(s)",
     .row = is_valid_utf8_row},
    {.name = NULL},
};
