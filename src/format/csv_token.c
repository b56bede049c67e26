/* SPDX-License-Identifier: MIT */
/*
 * One record of CSV cut into tokens, as Spark's reader cuts it by default. A token that starts with
 * a quote goes to the next quote that is not escaped; inside, \" is a quote and \\ a backslash, any
 * other backslash stands for itself, and commas and line feeds are text. Blanks between the closing
 * quote and the comma are passed over. When anything else follows the closing quote (also a second
 * quote: doubling is not the default), the token was none in quotes after all and is taken as it is
 * up to the next comma. Outside of quotes nothing is special but the comma and the line feed, and
 * blanks are kept. What follows the first record is not looked at.
 */
#include "format/csv_value.h"

struct csv_cursor csv_cursor_of(struct str text, struct buf *scratch)
{
    struct csv_cursor cursor = {.text = text, .scratch = scratch};
    while (cursor.at < text.bytes && text.ptr[cursor.at] == '\n')
        cursor.at++;
    cursor.done = cursor.at == text.bytes;
    return cursor;
}

static size_t token_end(struct str text, size_t at)
{
    while (at < text.bytes && text.ptr[at] != ',' && text.ptr[at] != '\n')
        at++;
    return at;
}

/* The closing quote of the token at at, or the end of the text. */
static size_t closing_quote(struct str text, size_t at, bool *ret_escapes)
{
    bool escapes = false;
    size_t i = at + 1;
    for (; i < text.bytes && text.ptr[i] != '"'; i++)
        if (text.ptr[i] == '\\' && i + 1 < text.bytes &&
            (text.ptr[i + 1] == '"' || text.ptr[i + 1] == '\\')) {
            escapes = true;
            i++;
        }
    *ret_escapes = escapes;
    return i;
}

static struct str unescape(struct str raw, struct buf *scratch)
{
    buf_reset(scratch);
    for (size_t i = 0; i < raw.bytes; i++) {
        if (raw.ptr[i] == '\\' && i + 1 < raw.bytes &&
            (raw.ptr[i + 1] == '"' || raw.ptr[i + 1] == '\\'))
            i++;
        buf_char(scratch, raw.ptr[i]);
    }
    return buf_str(scratch);
}

struct str csv_token(struct csv_cursor *cursor, size_t *ret_at)
{
    struct str text = cursor->text, token;
    size_t at = cursor->at, end = SIZE_MAX;
    bool escapes = false;
    if (at < text.bytes && text.ptr[at] == '"') {
        size_t close = closing_quote(text, at, &escapes);
        token = str_slice(text, at + 1, close);
        end = close < text.bytes ? close + 1 : close;
        while (end < text.bytes && (unsigned char)text.ptr[end] <= ' ' && text.ptr[end] != '\n')
            end++;
        if (end < text.bytes && text.ptr[end] != ',' && text.ptr[end] != '\n')
            end = SIZE_MAX;
    }
    if (end == SIZE_MAX) {
        end = token_end(text, at);
        token = str_slice(text, at, end);
        escapes = false;
    }
    *ret_at = at;
    cursor->done = end == text.bytes || text.ptr[end] == '\n';
    cursor->at = end + !cursor->done;
    return escapes ? unescape(token, cursor->scratch) : token;
}
