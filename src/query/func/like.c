/* SPDX-License-Identifier: MIT */
/*
 * LIKE and ILIKE.
 *
 * A pattern is cut at its % signs into pieces. The first and the last piece are anchored, those
 * between are found one after the other, leftmost first, which is enough because a later find
 * never needs an earlier piece further right. A piece without _ is compared as bytes; with _ it is
 * a run of code points, where _ (stored as the byte 0xFF, which UTF-8 never has) takes any one.
 *
 * The escape (default \) may only stand before % _ and itself; anything else is
 * INVALID_FORMAT.ESC_IN_THE_MIDDLE, at the end INVALID_FORMAT.ESC_AT_THE_END.
 */
#include "query/func/like.h"
#include "query/func/kernel.h"
#include "query/func/text.h"

enum { LIKE_ANY = 0xFF };

struct piece {
    struct str bytes;
    size_t points; /* code points it takes, when it has a _ */
    bool any;      /* has a _ */
};

struct like {
    char *bytes;
    struct piece *pieces; /* count >= 1; more than one: % between them */
    size_t count;
};

void like_free(struct like *like)
{
    if (!like)
        return;
    mem_free(like->bytes);
    mem_free(like->pieces);
    mem_free(like);
}

static void close_piece(struct like *like, size_t from, size_t to)
{
    struct piece *piece = &like->pieces[like->count++];
    *piece = (struct piece){.bytes = str_from(like->bytes + from, to - from)};
    for (size_t i = from; i < to; i++) {
        uint8_t byte = (uint8_t)like->bytes[i];
        piece->any |= byte == LIKE_ANY;
        piece->points += (byte & 0xC0) != 0x80;
    }
}

enum err like_new(struct str pattern, struct str escape, struct like **ret_like)
{
    size_t percents = 0;
    for (size_t i = 0; i < pattern.bytes; i++)
        percents += pattern.ptr[i] == '%';
    struct like *like = mem_zero(sizeof *like);
    like->bytes = mem_alloc(pattern.bytes + 1);
    like->pieces = mem_array(percents + 1, sizeof *like->pieces);
    size_t used = 0, from = 0;
    for (size_t i = 0; i < pattern.bytes;) {
        if (escape.bytes && str_starts(str_slice(pattern, i, pattern.bytes), escape)) {
            i += escape.bytes;
            struct str rest = str_slice(pattern, i, pattern.bytes);
            size_t step = str_starts(rest, escape) ? escape.bytes : 1;
            if (!rest.bytes ||
                (!str_starts(rest, escape) && *rest.ptr != '%' && *rest.ptr != '_')) {
                like_free(like);
                return rest.bytes ? ERR_SYNTAX : ERR_TRUNCATED;
            }
            memcpy(like->bytes + used, rest.ptr, step);
            used += step;
            i += step;
        } else if (pattern.ptr[i] == '%') {
            close_piece(like, from, used);
            from = used;
            i++;
        } else {
            like->bytes[used++] = pattern.ptr[i] == '_' ? (char)LIKE_ANY : pattern.ptr[i];
            i++;
        }
    }
    close_piece(like, from, used);
    *ret_like = like;
    return OK;
}

/* Bytes that the piece takes at the start of text; SIZE_MAX when it does not match there. */
static size_t piece_at(const struct piece *piece, struct str text)
{
    if (!piece->any)
        return str_starts(text, piece->bytes) ? piece->bytes.bytes : SIZE_MAX;
    size_t at = 0;
    for (size_t i = 0; i < piece->bytes.bytes; i++) {
        if (at >= text.bytes)
            return SIZE_MAX;
        if ((uint8_t)piece->bytes.ptr[i] == LIKE_ANY)
            at += text_point_bytes(text, at);
        else if (piece->bytes.ptr[i] == text.ptr[at])
            at++;
        else
            return SIZE_MAX;
    }
    return at;
}

static size_t piece_find(const struct piece *piece, struct str text, size_t from, size_t *ret_end)
{
    if (!piece->any) {
        size_t at = str_find(text, piece->bytes, from);
        *ret_end = at == SIZE_MAX ? at : at + piece->bytes.bytes;
        return at;
    }
    for (; from <= text.bytes; from += from < text.bytes ? text_point_bytes(text, from) : 1) {
        size_t bytes = piece_at(piece, str_slice(text, from, text.bytes));
        if (bytes != SIZE_MAX) {
            *ret_end = from + bytes;
            return from;
        }
    }
    return SIZE_MAX;
}

/* The last piece: its code points counted from the end. */
static bool piece_ends(const struct piece *piece, struct str text, size_t from)
{
    struct str rest = str_slice(text, from, text.bytes);
    if (!piece->any)
        return str_ends(rest, piece->bytes);
    size_t at = rest.bytes;
    for (size_t i = 0; i < piece->points; i++) {
        if (at == 0)
            return false;
        do
            at--;
        while (at > 0 && ((uint8_t)rest.ptr[at] & 0xC0) == 0x80);
    }
    return piece_at(piece, str_slice(rest, at, rest.bytes)) == rest.bytes - at;
}

bool like_matches(const struct like *like, struct str text)
{
    size_t at = piece_at(&like->pieces[0], text);
    if (like->count == 1)
        return at == text.bytes;
    if (at == SIZE_MAX)
        return false;
    for (size_t i = 1; i + 1 < like->count; i++)
        if (piece_find(&like->pieces[i], text, at, &at) == SIZE_MAX)
            return false;
    return piece_ends(&like->pieces[like->count - 1], text, at);
}

/* ---- the operators ---- */

/* The last pattern is kept: patterns are nearly always constant. */
struct like_memo {
    struct like *like;
    struct buf pattern, escape; /* that it was made from */
};

static void memo_free(void *memo)
{
    struct like_memo *m = memo;
    like_free(m->like);
    buf_deinit(&m->pattern);
    buf_deinit(&m->escape);
}

static struct like *like_of(struct func_call *call, struct str pattern, struct str escape)
{
    struct like_memo *memo = call->memo;
    if (memo && memo->like && str_equal(buf_str(&memo->pattern), pattern) &&
        str_equal(buf_str(&memo->escape), escape))
        return memo->like;
    if (!memo) {
        call->memo = memo = mem_zero(sizeof *memo);
        call->memo_free = memo_free;
    }
    like_free(memo->like);
    memo->like = NULL;
    CLEAN(buf_deinit_at) struct buf folded = {0};
    if (call->binding->info->variant) {
        text_lower(pattern, &folded);
        pattern = buf_str(&folded);
    }
    enum err err = like_new(pattern, escape, &memo->like);
    if (err != OK) {
        call_fail(call,
                  err == ERR_TRUNCATED ? "INVALID_FORMAT.ESC_AT_THE_END"
                                       : "INVALID_FORMAT.ESC_IN_THE_MIDDLE",
                  "42601", "the pattern '%.*s' has an escape character that escapes nothing",
                  STR_ARG(pattern));
        return NULL;
    }
    buf_reset(&memo->pattern);
    buf_str_append(&memo->pattern, call_str(call, 1));
    buf_reset(&memo->escape);
    buf_str_append(&memo->escape, escape);
    return memo->like;
}

static void like_row(struct func_call *call)
{
    struct str text = call_str(call, 0), escape = STR("\\");
    if (call->count == 3)
        escape = call_str(call, 2);
    const struct like *like = like_of(call, call_str(call, 1), escape);
    if (!like)
        return;
    if (call->binding->info->variant) {
        text_lower(text, &call->buf);
        text = buf_str(&call->buf);
    }
    builder_bool(call->out, like_matches(like, text));
}

/* like_all(text, pattern..) and its kin: NULL when undecided. variant: 1 all, 0 any; +2 not. */
static void like_many_row(struct func_call *call)
{
    bool all = call->binding->info->variant & 1, negated = call->binding->info->variant & 2;
    bool unknown = call_null(call, 0);
    for (size_t i = 1; i < call->count && !call_null(call, 0); i++) {
        if (call_null(call, i)) {
            unknown = true;
            continue;
        }
        struct like *like;
        if (like_new(call_str(call, i), STR("\\"), &like) != OK) {
            call_fail(call, "INVALID_FORMAT.ESC_IN_THE_MIDDLE", "42601",
                      "the pattern '%.*s' has an escape character that escapes nothing",
                      STR_ARG(call_str(call, i)));
            return;
        }
        bool hit = like_matches(like, call_str(call, 0)) != negated;
        like_free(like);
        if (hit != all) {
            builder_bool(call->out, !all);
            return;
        }
    }
    if (unknown)
        builder_null(call->out);
    else
        builder_bool(call->out, all);
}

const struct func_info func_like[] = {
    {"like", 2, 3, true, false, bind_signature, kernel_rows, "str like pattern [escape char]",
     "b(s,s,s)", like_row, 0},
    {"ilike", 2, 3, true, false, bind_signature, kernel_rows, "str ilike pattern [escape char]",
     "b(s,s,s)", like_row, 1},
    {"like_all", 2, 255, false, false, bind_signature, kernel_rows, "like_all(str, pattern, ..)",
     "b(s,s*", like_many_row, 1},
    {"like_any", 2, 255, false, false, bind_signature, kernel_rows, "like_any(str, pattern, ..)",
     "b(s,s*", like_many_row, 0},
    {"not_like_all", 2, 255, false, false, bind_signature, kernel_rows,
     "not_like_all(str, pattern, ..)", "b(s,s*", like_many_row, 3},
    {"not_like_any", 2, 255, false, false, bind_signature, kernel_rows,
     "not_like_any(str, pattern, ..)", "b(s,s*", like_many_row, 2},
    {.name = NULL},
};
