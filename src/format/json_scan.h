/* SPDX-License-Identifier: MIT */
#ifndef FORMAT_JSON_SCAN_H
#define FORMAT_JSON_SCAN_H

#include "base/buf.h"
#include "base/endian.h"

/* -DJSON_PORTABLE builds what machines without SSE2 run. */
#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#include <immintrin.h>
#define JSON_SSE2
#endif

/*
 * The lowest layer of the JSON readers: find the end of a string, of blanks, of a number. All
 * functions stay inside start..end; a pointer equal to end means "ran out".
 */

/* Deeper nesting than this is refused whatever the caller asks for: the skipper keeps one bit a
 * level on its stack. */
enum { JSON_DEPTH_LIMIT = 8192, JSON_DEPTH_DEFAULT = 1000 };

/* The document under the cursor, and the first thing found wrong with it. */
struct json_doc {
    const uint8_t *start;
    const uint8_t *end;
    uint32_t depth_max;
    bool strict; /* RFC 8259 and UTF-8, else what Spark's reader takes */
    const uint8_t *fault_at;
    const char *fault;
};

/* First byte at or after p that is the quote, a backslash or below 0x20, or end. Bit 7 of any byte
 * before it is ored into *high. The run so far must be at least 32 bytes behind start for the wide
 * kernel, which json_string_stop() sees to. */
typedef const uint8_t *json_scan_fn(const uint8_t *p, const uint8_t *end, uint8_t quote,
                                    uint32_t *high);
json_scan_fn json_scan_portable;
/* The best kernel of this machine. */
extern json_scan_fn *json_scan_wide;
/* The place behind the object or array that begins at p: json_pass.c. */
typedef const uint8_t *json_pass_fn(const uint8_t *p, const uint8_t *end);
json_pass_fn json_pass_portable;
json_pass_fn *json_pass_best(void);
extern json_pass_fn *json_pass_container;
/* For tests: false = the portable kernels, true = what the machine offers. */
void json_scan_choose(bool wide);

#ifdef JSON_SSE2
/* Bits of the 16 bytes at p: stops, and those above ASCII. */
static inline uint32_t json_block(const uint8_t *p, uint8_t quote, uint32_t *ret_high)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)quote)),
                                _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v));
    *ret_high = (uint32_t)_mm_movemask_epi8(v);
    return (uint32_t)_mm_movemask_epi8(stop);
}
#endif

static inline const uint8_t *json_string_stop(const uint8_t *p, const uint8_t *end, uint8_t quote,
                                              uint32_t *high)
{
#ifdef JSON_SSE2
    if (end - p < 32)
        return json_scan_portable(p, end, quote, high);
    for (int block = 0; block < 2; block++) {
        uint32_t above, stops = json_block(p, quote, &above);
        if (stops) {
            uint32_t at = (uint32_t)__builtin_ctz(stops);
            *high |= above & ((1u << at) - 1);
            return p + at;
        }
        *high |= above;
        p += 16;
    }
#endif
    return __atomic_load_n(&json_scan_wide, __ATOMIC_RELAXED)(p, end, quote, high);
}

static inline bool json_is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const uint8_t *json_blanks(const uint8_t *p, const uint8_t *end)
{
    while (p < end && json_is_blank(*p))
        p++;
    return p;
}

static inline const uint8_t *json_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (uint8_t)(*p - '0') <= 9)
        p++;
    return p;
}

/* Behind the number at p (a minus or a digit), NULL with *ret_bad when it breaks the grammar. */
static inline const uint8_t *json_number_end(const uint8_t *p, const uint8_t *end, bool *ret_float,
                                             const uint8_t **ret_bad)
{
    const uint8_t *digits = p + (*p == '-'), *q = digits;
    *ret_bad = q;
    if (q == end || (uint8_t)(*q - '0') > 9)
        return NULL;
    q = json_digits(q, end);
    *ret_bad = digits + 1;
    if (*digits == '0' && q > digits + 1)
        return NULL;
    *ret_float = false;
    if (q < end && *q == '.') {
        const uint8_t *fraction = q + 1;
        q = json_digits(fraction, end);
        *ret_bad = q;
        if (q == fraction)
            return NULL;
        *ret_float = true;
    }
    if (q < end && (*q | 0x20) == 'e') {
        q++;
        if (q < end && (*q == '+' || *q == '-'))
            q++;
        const uint8_t *exponent = q;
        q = json_digits(q, end);
        *ret_bad = q;
        if (q == exponent)
            return NULL;
        *ret_float = true;
    }
    return q;
}

/* ---- json_skip.c ---- */

/* Remembers the first fault; returns NULL. */
const uint8_t *json_fault(struct json_doc *doc, const uint8_t *at, const char *what);
/* Behind the string whose opening quote is at p. *ret_plain: no escape and ASCII only, so that the
 * bytes between the quotes are the text. */
const uint8_t *json_skip_string(struct json_doc *doc, const uint8_t *p, bool *ret_plain);
/* Behind the value that starts at p (blanks before it are passed over), depth levels down. The
 * whole of it is checked. NULL after a fault. */
const uint8_t *json_skip_value(struct json_doc *doc, const uint8_t *p, uint32_t depth);
/* Behind the bare word at p when it is one of those that Spark reads as a number, else NULL:
 * NaN, Infinity, +-Infinity, +-INF. */
const uint8_t *json_odd_number(const uint8_t *p, const uint8_t *end, double *ret_value);

/* ---- json_pass.c: documents that are known to be valid, no checks but the bounds ---- */

/* Behind the value, or the string, that starts at p. */
const uint8_t *json_pass_value(const uint8_t *p, const uint8_t *end);
const uint8_t *json_pass_string(const uint8_t *p, const uint8_t *end);

/* ---- json_text.c ---- */

/* The text between two quotes, escapes resolved; a lone surrogate becomes '?', bytes that are not
 * UTF-8 U+FFFD. */
void json_unescape(struct str body, struct buf *out);
/* The same bytes with what is not UTF-8 replaced by U+FFFD as Java's decoder does it. */
void json_repair(struct str text, struct buf *out);
/* The first direct member of that name; STR_NONE when missing. */
struct str json_member_str(struct str object, struct str name);

/* ---- json_write.c ---- */

void json_print_i64(int64_t value, struct buf *out);
/* NaN and infinities in quotes. */
void json_print_f64(double value, struct buf *out);

#endif
