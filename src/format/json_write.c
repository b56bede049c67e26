/* SPDX-License-Identifier: MIT */
/*
 * JSON written by hand: strings with escapes, objects and arrays with their commas.
 *
 * Escapes are those that Spark's writer makes: \" \\ \b \f \n \r \t and \u00XX with upper-case
 * digits for the other control characters; everything else stands as it is, in UTF-8. Numbers that
 * JSON cannot write (NaN, infinities) become the texts "NaN", "Infinity", "-Infinity".
 */
#include "base/base64.h"
#include "data/column.h"
#include "format/json.h"
#include "format/json_scan.h"

static void escape(uint8_t c, struct buf *out)
{
    static const char names[] = "btn?fr";
    static const char digits[] = "0123456789ABCDEF";
    char text[6] = {'\\', (char)c};
    if (c == '"' || c == '\\') {
        buf_append(out, text, 2);
    } else if (c >= '\b' && c <= '\r' && c != '\v') {
        text[1] = names[c - '\b'];
        buf_append(out, text, 2);
    } else {
        memcpy(text, "\\u00", 4);
        text[4] = digits[c >> 4];
        text[5] = digits[c & 0xF];
        buf_append(out, text, 6);
    }
}

static void run(const uint8_t *from, const uint8_t *to, bool high, struct buf *out)
{
    struct str text = str_from(from, (size_t)(to - from));
    if (high && !str_is_utf8(text))
        json_repair(text, out);
    else
        buf_str_append(out, text);
}

void json_quote(struct str text, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.bytes;
    uint32_t high = 0;
    if (json_string_stop(p, end, '"', &high) == end && !high) {
        uint8_t *to = buf_reserve(out, text.bytes + 2);
        if (!to)
            return;
        to[0] = to[text.bytes + 1] = '"';
        if (text.bytes)
            memcpy(to + 1, text.ptr, text.bytes);
        buf_advance(out, text.bytes + 2);
        return;
    }
    buf_char(out, '"');
    while (p < end) {
        high = 0;
        const uint8_t *stop = json_string_stop(p, end, '"', &high);
        run(p, stop, high != 0, out);
        if (stop < end)
            escape(*stop++, out);
        p = stop;
    }
    buf_char(out, '"');
}

static void separate(struct json_writer *w)
{
    if (w->comma)
        buf_char(w->out, ',');
    w->comma = true;
}

void json_open(struct json_writer *w, char bracket)
{
    separate(w);
    buf_char(w->out, bracket);
    w->comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
    buf_char(w->out, bracket);
    w->comma = true;
}

void json_key_str(struct json_writer *w, struct str key)
{
    separate(w);
    json_quote(key, w->out);
    buf_char(w->out, ':');
    w->comma = false;
}

void json_key(struct json_writer *w, const char *key)
{
    json_key_str(w, str_of(key));
}

void json_str(struct json_writer *w, struct str value)
{
    separate(w);
    if (value.ptr)
        json_quote(value, w->out);
    else
        buf_text(w->out, "null");
}

void json_i64(struct json_writer *w, int64_t value)
{
    separate(w);
    json_print_i64(value, w->out);
}

void json_f64(struct json_writer *w, double value)
{
    separate(w);
    json_print_f64(value, w->out);
}

void json_bool(struct json_writer *w, bool value)
{
    separate(w);
    buf_text(w->out, value ? "true" : "false");
}

void json_null(struct json_writer *w)
{
    separate(w);
    buf_text(w->out, "null");
}

void json_raw(struct json_writer *w, struct str json)
{
    separate(w);
    buf_str_append(w->out, json);
}

void json_bytes(struct json_writer *w, struct str bytes)
{
    CLEAN(buf_deinit) struct buf text = {0};
    if (!bytes.ptr || str_is_utf8(bytes)) {
        json_str(w, bytes);
        return;
    }
    base64_encode(bytes, &text);
    json_open(w, '{');
    json_key(w, "base64");
    json_str(w, buf_str(&text));
    json_close(w, '}');
}

enum err json_bytes_read(struct str value, struct buf *out)
{
    size_t state = 0, members = 0;
    struct str key, item, text = STR_NONE;
    if (json_kind(value) == JSON_KIND_OBJECT)
        for (; json_next(value, &state, &key, &item); members++)
            text = str_equal(key, STR("\"base64\"")) ? item : STR_NONE;
    if (members == 1 && json_kind(text) == JSON_KIND_STRING) {
        CLEAN(buf_deinit) struct buf plain = {0};
        json_text(text, &plain);
        return base64_decode(buf_str(&plain), out);
    }
    json_text(value, out);
    return buf_error(out);
}

void json_print_i64(int64_t value, struct buf *out)
{
    static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031"
                                "3233343536373839404142434445464748495051525354555657585960616263"
                                "64656667686970717273747576777879808182838485868788899091929394959"
                                "6979899";
    char text[24];
    size_t at = sizeof text;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    for (; left >= 100; left /= 100) {
        at -= 2;
        memcpy(text + at, pairs + left % 100 * 2, 2);
    }
    at -= 2;
    memcpy(text + at, pairs + left * 2, 2);
    at += left < 10;
    if (value < 0)
        text[--at] = '-';
    buf_append(out, text + at, sizeof text - at);
}

void json_print_f64(double value, struct buf *out)
{
    if (value - value == 0)
        text_of_double(value, out);
    else
        buf_text(out, value > 0 ? "\"Infinity\"" : value < 0 ? "\"-Infinity\"" : "\"NaN\"");
}
