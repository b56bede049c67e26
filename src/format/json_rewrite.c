/* SPDX-License-Identifier: MIT */
/*
 * A checked value as the text that a STRING field gets: Spark parses and writes it again, so blanks
 * go, single quotes become double ones, escapes are resolved and made anew, numbers with a point or
 * an exponent get the digits that Java prints for that double (1.50 -> 1.5, 1e3 -> 1000.0), and
 * bare NaN is quoted. Integers stay as they are but for -0. Names that occur twice stay both.
 *
 * The value is known to be valid, so one loop over its tokens does without a stack.
 */
#include "format/json_decode.h"

static const uint8_t *string(const uint8_t *p, const uint8_t *end, struct buf *out,
                             struct buf *scratch)
{
    const uint8_t quote = *p, *from = p + 1, *q = from;
    uint32_t high = 0;
    bool escaped = false;
    for (;;) {
        q = json_string_stop(q, end, quote, &high);
        if (q == end || *q == quote)
            break;
        escaped = true;
        q += end - q > 1 ? 2 : 1;
    }
    struct str body = str_from(from, (size_t)(q - from));
    if (escaped) {
        buf_reset(scratch);
        json_unescape(body, scratch);
        body = buf_str(scratch);
    }
    json_quote(body, out);
    return q < end ? q + 1 : q;
}

static const uint8_t *number(const uint8_t *p, const uint8_t *end, struct buf *out)
{
    bool is_float;
    double value;
    const uint8_t *bad, *behind = json_number_end(p, end, &is_float, &bad);
    if (!behind) {
        behind = json_odd_number(p, end, &value);
        if (behind)
            json_print_f64(value, out);
        return behind ? behind : end;
    }
    struct str token = str_from(p, (size_t)(behind - p));
    if (is_float)
        json_print_f64(json_number_value(token, false), out);
    else
        buf_str_append(out, str_equal(token, STR("-0")) ? STR("0") : token);
    return behind;
}

void json_rewrite(struct str value, struct buf *out, struct buf *scratch)
{
    const uint8_t *p = (const uint8_t *)value.ptr, *end = p + value.bytes, *from;
    while (p < end) {
        switch (*p) {
        case '"':
        case '\'':
            p = string(p, end, out, scratch);
            break;
        case '-':
        case '+':
        case '0' ... '9':
        case 'N':
        case 'I':
            p = number(p, end, out);
            break;
        case 'a' ... 'z':
            for (from = p; p < end && *p >= 'a' && *p <= 'z';)
                p++;
            buf_append(out, from, (size_t)(p - from));
            break;
        default:
            if (!json_is_blank(*p))
                buf_char(out, (char)*p);
            p++;
            break;
        }
    }
}
