/* SPDX-License-Identifier: MIT */
/*
 * Small readers over JSON text: is it valid, what is in this string, what are the children here.
 *
 * json_validate() is the strict grammar over a whole text. json_next() and json_member() walk over
 * the direct children of a value that is known to be valid; nothing is kept between calls but an
 * index into the text, so there is no tree to free.
 *
 * Text in strings: escapes are resolved, a \u escape of half a surrogate pair becomes '?' (as Spark
 * stores it), and bytes that are not UTF-8 become U+FFFD, one for each run that Java's decoder
 * would give up on: what comes out is always UTF-8.
 */
#include "format/json.h"
#include "format/json_scan.h"

/* ---- text ---- */

static const char replacement[] = "\xEF\xBF\xBD";

static bool continues(const uint8_t *p, size_t left, size_t at)
{
    return at < left && (p[at] & 0xC0) == 0x80;
}

/* Bytes that Java's UTF-8 decoder takes for one malformed unit; 0 when p starts a good sequence,
 * whose length is then in *ret_bytes. */
static size_t malformed(const uint8_t *p, size_t left, size_t *ret_bytes)
{
    uint8_t a = p[0], b = left > 1 ? p[1] : 0;
    *ret_bytes = a < 0x80 ? 1 : a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
    if (a < 0x80)
        return 0;
    if (a < 0xC2 || a > 0xF4 || !continues(p, left, 1))
        return 1;
    if (a < 0xE0)
        return 0;
    if (a < 0xF0) {
        if (a == 0xE0 && b < 0xA0)
            return 1;
        if (!continues(p, left, 2))
            return 2;
        return a == 0xED && b >= 0xA0 ? 3 : 0;
    }
    if ((a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F))
        return 1;
    return !continues(p, left, 2) ? 2 : !continues(p, left, 3) ? 3 : 0;
}

void json_repair(struct str text, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.bytes, *from = p;
    while (p < end) {
        size_t bytes, bad = malformed(p, (size_t)(end - p), &bytes);
        if (!bad) {
            p += bytes;
            continue;
        }
        buf_append(out, from, (size_t)(p - from));
        buf_append(out, replacement, 3);
        p += bad;
        from = p;
    }
    buf_append(out, from, (size_t)(p - from));
}

static uint32_t hex4(const uint8_t *p)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | (((p[i] & 0xF) + (p[i] >> 6) * 9u) & 0xF);
    return value;
}

static void code_point(uint32_t c, struct buf *out)
{
    uint8_t *to = buf_reserve(out, 4);
    if (!to)
        return;
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        buf_advance(out, 1);
    } else if (c < 0x800) {
        to[0] = (uint8_t)(0xC0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3F));
        buf_advance(out, 2);
    } else if (c < 0x10000) {
        to[0] = (uint8_t)(0xE0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        to[2] = (uint8_t)(0x80 | (c & 0x3F));
        buf_advance(out, 3);
    } else {
        to[0] = (uint8_t)(0xF0 | c >> 18);
        to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
        to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        to[3] = (uint8_t)(0x80 | (c & 0x3F));
        buf_advance(out, 4);
    }
}

/* Behind the escape at p; a broken one is copied as it stands. */
static const uint8_t *unescape_one(const uint8_t *p, const uint8_t *end, struct buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    if (end - p < 2) {
        buf_append(out, p, (size_t)(end - p));
        return end;
    }
    if (p[1] != 'u') {
        const char *known = p[1] ? strchr(from, p[1]) : NULL;
        buf_char(out, known ? to[known - from] : (char)p[1]);
        return p + 2;
    }
    if (end - p < 6)
        return end;
    uint32_t c = hex4(p + 2);
    p += 6;
    if (c < 0xD800 || c > 0xDFFF) {
        code_point(c, out);
        return p;
    }
    if (c < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        uint32_t low = hex4(p + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            code_point(0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00), out);
            return p + 6;
        }
    }
    buf_char(out, '?');
    return p;
}

void json_unescape(struct str body, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)body.ptr, *end = p + body.bytes;
    while (p < end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        struct str run = str_from(p, (size_t)((slash ? slash : end) - p));
        if (str_is_utf8(run))
            buf_str_append(out, run);
        else
            json_repair(run, out);
        if (!slash)
            return;
        p = unescape_one(slash, end, out);
    }
}

void json_text(struct str value, struct buf *out)
{
    if (value.bytes >= 2 && value.ptr[0] == '"')
        json_unescape(str_from(value.ptr + 1, value.bytes - 2), out);
    else
        buf_str_append(out, value);
}

/* ---- validity ---- */

static void place(const struct json_doc *doc, uint32_t *ret_line, uint32_t *ret_column)
{
    uint32_t line = 1, column = 1;
    for (const uint8_t *p = doc->start; p < doc->fault_at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if ((*p & 0xC0) != 0x80) {
            column++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

enum err json_validate(struct str text, uint32_t depth_max, struct diag *diag)
{
    const uint8_t *start = (const uint8_t *)text.ptr;
    struct json_doc doc = {
        .start = start,
        .end = start + text.bytes,
        .depth_max = depth_max == 0                 ? JSON_DEPTH_DEFAULT
                     : depth_max < JSON_DEPTH_LIMIT ? depth_max
                                                    : JSON_DEPTH_LIMIT,
        .strict = true,
    };
    const uint8_t *p = json_skip_value(&doc, start, 0);
    if (p) {
        p = json_blanks(p, doc.end);
        if (p == doc.end)
            return OK;
        json_fault(&doc, p, "text behind the value");
    }
    uint32_t line, column;
    place(&doc, &line, &column);
    return diag_set(diag, ERR_SYNTAX, line, column, "%s", doc.fault);
}

/* ---- children ---- */

enum json_kind json_kind(struct str value)
{
    if (value.bytes == 0)
        return JSON_KIND_NONE;
    switch (value.ptr[0]) {
    case 'n':
        return JSON_KIND_NULL;
    case 't':
    case 'f':
        return JSON_KIND_BOOL;
    case '"':
        return JSON_KIND_STRING;
    case '[':
        return JSON_KIND_ARRAY;
    case '{':
        return JSON_KIND_OBJECT;
    default:
        return JSON_KIND_NUMBER;
    }
}

static const uint8_t *past(const uint8_t *p, const uint8_t *end, uint8_t mark)
{
    p = json_blanks(p, end);
    return p < end && *p == mark ? json_blanks(p + 1, end) : p;
}

bool json_next(struct str container, size_t *state, struct str *ret_key, struct str *ret_value)
{
    const uint8_t *start = (const uint8_t *)container.ptr, *end = start + container.bytes, *p;
    if (*state == 0) {
        p = json_blanks(start, end);
        if (p == end || (*p != '{' && *p != '['))
            return false;
        p = json_blanks(p + 1, end);
    } else {
        p = past(start + *state, end, ',');
    }
    if (p == end || *p == '}' || *p == ']')
        return false;
    struct str key = STR_NONE;
    if (*json_blanks(start, end) == '{') {
        const uint8_t *name = p;
        p = *p == '"' ? json_pass_string(p, end) : end;
        key = str_from(name, (size_t)(p - name));
        p = past(p, end, ':');
        if (p == end)
            return false;
    }
    const uint8_t *behind = json_pass_value(p, end);
    *state = (size_t)(behind - start);
    if (ret_key)
        *ret_key = key;
    *ret_value = str_from(p, (size_t)(behind - p));
    return true;
}

/* key: with its quotes. */
static bool key_is(struct str key, struct str name)
{
    if (key.bytes < 2)
        return false;
    struct str body = str_slice(key, 1, key.bytes - 1);
    if (!memchr(body.ptr, '\\', body.bytes))
        return str_equal(body, name);
    CLEAN(buf_deinit) struct buf text = {0};
    json_unescape(body, &text);
    return str_equal(buf_str(&text), name);
}

struct str json_member_str(struct str object, struct str name)
{
    size_t state = 0;
    struct str key, value;
    while (json_next(object, &state, &key, &value))
        if (key.ptr && key_is(key, name))
            return value;
    return STR_NONE;
}

struct str json_member(struct str object, const char *name)
{
    return json_member_str(object, str_of(name));
}
