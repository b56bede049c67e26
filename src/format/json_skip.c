/* SPDX-License-Identifier: MIT */
/*
 * Passing over JSON values.
 *
 * json_skip_value() checks everything that it passes: quotes, escapes, nesting, commas and colons,
 * the grammar of numbers and, in strict mode, UTF-8. It is what makes a document valid; the decoder
 * uses it for each value that nobody asked for, json_validate() for the whole text. It does not
 * recurse: one bit a level (object or array) on its own stack, JSON_DEPTH_LIMIT levels, so that a
 * document of a hundred thousand brackets is refused and not a crash.
 *
 * Two dialects. Strict is RFC 8259. The other is what Spark's reader takes besides: strings and
 * names in single quotes, \' in any string, the bare words NaN, Infinity, INF with signs, bytes
 * that are not UTF-8 (they become U+FFFD where somebody looks at them); there a number may have at
 * most NUMBER_BYTES_MAX characters, as in Jackson.
 */
#include "format/json_scan.h"

enum { NUMBER_BYTES_MAX = 1000 };

const uint8_t *json_fault(struct json_doc *doc, const uint8_t *at, const char *what)
{
    if (!doc->fault) {
        doc->fault = what;
        doc->fault_at = at;
    }
    return NULL;
}

static bool is_hex(uint8_t c)
{
    return (uint8_t)(c - '0') <= 9 || (uint8_t)((c | 0x20) - 'a') <= 5;
}

/* Behind the escape whose backslash is at p. */
static const uint8_t *escape(struct json_doc *doc, const uint8_t *p)
{
    if (doc->end - p < 2)
        return json_fault(doc, doc->end, "the string does not end");
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case '\'':
        if (!doc->strict)
            return p + 2;
        break;
    case 'u':
        for (int i = 2; i < 6; i++)
            if (doc->end - p <= i || !is_hex(p[i]))
                return json_fault(doc, p, "\\u needs four hexadecimal digits");
        return p + 6;
    default:
        break;
    }
    return json_fault(doc, p, "an escape that JSON does not have");
}

const uint8_t *json_skip_string(struct json_doc *doc, const uint8_t *p, bool *ret_plain)
{
    const uint8_t quote = *p, *body = p + 1;
    uint32_t high = 0;
    bool escaped = false;
    for (const uint8_t *q = body;;) {
        q = json_string_stop(q, doc->end, quote, &high);
        if (q == doc->end)
            return json_fault(doc, q, "the string does not end");
        if (*q == quote) {
            if (high && doc->strict && !str_is_utf8(str_from(body, (size_t)(q - body))))
                return json_fault(doc, body, "the string is not UTF-8");
            *ret_plain = !escaped && !high;
            return q + 1;
        }
        if (*q != '\\')
            return json_fault(doc, q, "a control character in a string");
        escaped = true;
        q = escape(doc, q);
        if (!q)
            return NULL;
    }
}

static bool is_word(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') <= 25 || (uint8_t)(c - '0') <= 9 || c == '_' || c == '$' ||
           c >= 0x80;
}

/* Behind the literal at p, or NULL. A letter behind it makes it another word. */
static const uint8_t *word(const uint8_t *p, const uint8_t *end, const char *text, size_t bytes)
{
    if ((size_t)(end - p) < bytes || memcmp(p, text, bytes) != 0)
        return NULL;
    return p + bytes < end && is_word(p[bytes]) ? NULL : p + bytes;
}

const uint8_t *json_odd_number(const uint8_t *p, const uint8_t *end, double *ret_value)
{
    static const struct {
        struct str text;
        double value;
    } words[] = {
        {STR("NaN"), __builtin_nan("")},      {STR("Infinity"), __builtin_inf()},
        {STR("-Infinity"), -__builtin_inf()}, {STR("+Infinity"), __builtin_inf()},
        {STR("-INF"), -__builtin_inf()},      {STR("+INF"), __builtin_inf()},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const uint8_t *behind = word(p, end, words[i].text.ptr, words[i].text.bytes);
        if (behind) {
            *ret_value = words[i].value;
            return behind;
        }
    }
    return NULL;
}

static const uint8_t *skip_odd(struct json_doc *doc, const uint8_t *p, const char *what)
{
    double value;
    const uint8_t *behind = doc->strict ? NULL : json_odd_number(p, doc->end, &value);
    return behind ? behind : json_fault(doc, p, what);
}

static const uint8_t *skip_number(struct json_doc *doc, const uint8_t *p)
{
    bool is_float;
    const uint8_t *bad, *q = json_number_end(p, doc->end, &is_float, &bad);
    if (!q)
        return *p == '-' ? skip_odd(doc, p, "not a number") : json_fault(doc, bad, "not a number");
    if (!doc->strict && q - p > NUMBER_BYTES_MAX)
        return json_fault(doc, p, "a number of more than 1000 characters");
    return q;
}

static const uint8_t *skip_scalar(struct json_doc *doc, const uint8_t *p)
{
    const uint8_t *q;
    bool plain;
    switch (*p) {
    case '"':
        return json_skip_string(doc, p, &plain);
    case '-':
    case '0' ... '9':
        return skip_number(doc, p);
    case 't':
        q = word(p, doc->end, "true", 4);
        break;
    case 'f':
        q = word(p, doc->end, "false", 5);
        break;
    case 'n':
        q = word(p, doc->end, "null", 4);
        break;
    case '\'':
        if (!doc->strict)
            return json_skip_string(doc, p, &plain);
        return json_fault(doc, p, "a value was expected");
    default:
        return skip_odd(doc, p, "a value was expected");
    }
    return q ? q : json_fault(doc, p, "an unknown word");
}

/* At the name of a member; returns where its value starts. */
static const uint8_t *skip_name(struct json_doc *doc, const uint8_t *p)
{
    bool plain;
    if (p == doc->end || (*p != '"' && (doc->strict || *p != '\'')))
        return json_fault(doc, p, "a name in quotes was expected");
    p = json_skip_string(doc, p, &plain);
    if (!p)
        return NULL;
    if (p == doc->end || *p != ':') {
        p = json_blanks(p, doc->end);
        if (p == doc->end || *p != ':')
            return json_fault(doc, p, "a colon was expected");
    }
    return json_blanks(p + 1, doc->end);
}

/* p at the opening bracket. */
static const uint8_t *skip_container(struct json_doc *doc, const uint8_t *p, uint32_t depth)
{
    uint64_t objects[JSON_DEPTH_LIMIT / 64];
    const uint8_t *end = doc->end;
    uint32_t level = 0;
    bool object = false;
    for (;;) {
        if (p == end)
            return json_fault(doc, p, "the text ends too early");
        if (*p == '{' || *p == '[') {
            if (depth + level >= doc->depth_max)
                return json_fault(doc, p, "too deep");
            object = *p == '{';
            uint64_t bit = 1ull << (level & 63);
            objects[level >> 6] =
                (level & 63 ? objects[level >> 6] & ~bit : 0) | (object ? bit : 0);
            level++;
            p = json_blanks(p + 1, end);
            if (p == end || *p != (object ? '}' : ']')) {
                p = object ? skip_name(doc, p) : p;
                if (!p)
                    return NULL;
                continue;
            }
        } else {
            p = skip_scalar(doc, p);
            if (!p)
                return NULL;
        }
        /* Behind a value, or at the bracket that ends an empty container. */
        for (;;) {
            if (p == end || *p <= ' ')
                p = json_blanks(p, end);
            if (p == end)
                return json_fault(doc, p, "the text ends too early");
            if (*p == ',') {
                p = json_blanks(p + 1, end);
                p = object ? skip_name(doc, p) : p;
                if (!p)
                    return NULL;
                break;
            }
            if (*p != (object ? '}' : ']'))
                return json_fault(doc, p, "a comma or the closing bracket was expected");
            p++;
            if (--level == 0)
                return p;
            object = objects[(level - 1) >> 6] >> ((level - 1) & 63) & 1;
        }
    }
}

const uint8_t *json_skip_value(struct json_doc *doc, const uint8_t *p, uint32_t depth)
{
    p = json_blanks(p, doc->end);
    if (p == doc->end)
        return json_fault(doc, p, "a value was expected");
    return *p == '{' || *p == '[' ? skip_container(doc, p, depth) : skip_scalar(doc, p);
}
