/* SPDX-License-Identifier: MIT */
/*
 * Passing over values of documents that are known to be valid, for paths and small readers.
 *
 * In a valid document the end of an object or array is where its brackets balance, brackets in
 * strings not counted. So nothing is read token by token: 64 bytes at a time become four words with
 * a bit for each quote, backslash, opening and closing bracket. The exclusive or of all quote bits
 * below a place tells whether it is inside a string (done for all 64 in six shifts); brackets there
 * are cleared, and where fewer brackets close in the block than are open at its start, counting
 * them is all there is to do. Only else are they looked at one by one.
 *
 * A quote behind an odd run of backslashes does not count; backslashes are rare, so they are taken
 * one by one, and what they do to the first byte of the next block is carried over.
 *
 * Where the processor has them, AVX2 makes the words, a carry-less multiplication by all ones is
 * the six shifts in one, and brackets are counted by an instruction. Which kernel is chosen
 * together with that of json_scan.c.
 *
 * On text that is not valid the answer is meaningless but inside the bounds.
 */
#include "format/json_scan.h"

struct marks {
    uint64_t quotes, slashes, opens, closes;
};

/* Up to 64 bytes, one by one: the end of the document, and machines without SSE2. */
static void marks_plain(const uint8_t *p, size_t bytes, struct marks *m)
{
    *m = (struct marks){0};
    for (size_t i = 0; i < bytes; i++) {
        m->quotes |= (uint64_t)(p[i] == '"') << i;
        m->slashes |= (uint64_t)(p[i] == '\\') << i;
        m->opens |= (uint64_t)((p[i] | 0x20) == '{') << i;
        m->closes |= (uint64_t)((p[i] | 0x20) == '}') << i;
    }
}

#ifdef JSON_SSE2

static void marks_64(const uint8_t *p, struct marks *m)
{
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}'), fold = _mm_set1_epi8(0x20);
    *m = (struct marks){0};
    for (int i = 0; i < 64; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i folded = _mm_or_si128(v, fold);
        m->quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quote)) << i;
        m->slashes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, slash)) << i;
        m->opens |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, open)) << i;
        m->closes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, close)) << i;
    }
}

#else

static void marks_64(const uint8_t *p, struct marks *m)
{
    marks_plain(p, 64, m);
}

#endif

/* The places that a backslash takes the meaning from. *carry: the first of the next block is one.
 */
static uint64_t escaped(uint64_t slashes, uint64_t *carry)
{
    uint64_t result = *carry;
    slashes &= ~*carry;
    *carry = 0;
    while (slashes) {
        int at = __builtin_ctzll(slashes);
        if (at == 63) {
            *carry = 1;
            break;
        }
        result |= 2ull << at;
        slashes &= ~(3ull << at);
    }
    return result;
}

/* Bit i of the result: an odd number of bits up to and with i. */
static uint64_t inside(uint64_t quotes)
{
    for (int shift = 1; shift < 64; shift *= 2)
        quotes ^= quotes << shift;
    return quotes;
}

/* Both kernels: marks and inside are theirs. */
static inline __attribute__((always_inline)) const uint8_t *
pass_by(const uint8_t *p, const uint8_t *end, void (*marks)(const uint8_t *p, struct marks *m),
        uint64_t (*inside_of)(uint64_t quotes))
{
    uint64_t level = 0, carry = 0, in_string = 0;
    for (; p < end; p += 64) {
        struct marks m;
        if (end - p >= 64)
            marks(p, &m);
        else
            marks_plain(p, (size_t)(end - p), &m);
        if (m.slashes | carry)
            m.quotes &= ~escaped(m.slashes, &carry);
        uint64_t text = inside_of(m.quotes) ^ in_string;
        in_string = 0 - (text >> 63);
        m.opens &= ~text;
        m.closes &= ~text;
        uint64_t closing = (uint64_t)__builtin_popcountll(m.closes);
        if (level > closing) {
            level += (uint64_t)__builtin_popcountll(m.opens) - closing;
            continue;
        }
        for (uint64_t both = m.opens | m.closes; both; both &= both - 1) {
            uint64_t bit = both & (0 - both);
            level += m.opens & bit ? 1 : -1ull;
            if (level == 0)
                return p + __builtin_ctzll(bit) + 1;
        }
    }
    return end;
}

const uint8_t *json_pass_portable(const uint8_t *p, const uint8_t *end)
{
    return pass_by(p, end, marks_64, inside);
}

#if defined(__x86_64__) && defined(JSON_SSE2)

#define WIDE __attribute__((target("avx2,pclmul,popcnt")))

WIDE static inline void marks_wide(const uint8_t *p, struct marks *m)
{
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'),
                  open = _mm256_set1_epi8('{'), close = _mm256_set1_epi8('}'),
                  fold = _mm256_set1_epi8(0x20);
    *m = (struct marks){0};
    for (int i = 0; i < 64; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
        __m256i folded = _mm256_or_si256(v, fold);
        m->quotes |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, quote)) << i;
        m->slashes |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, slash)) << i;
        m->opens |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(folded, open)) << i;
        m->closes |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(folded, close))
                     << i;
    }
}

WIDE static inline uint64_t inside_wide(uint64_t quotes)
{
    __m128i all = _mm_set1_epi8((char)0xFF);
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)quotes), all, 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

WIDE static const uint8_t *pass_wide(const uint8_t *p, const uint8_t *end)
{
    return pass_by(p, end, marks_wide, inside_wide);
}

json_pass_fn *json_pass_best(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
                   __builtin_cpu_supports("popcnt")
               ? pass_wide
               : json_pass_portable;
}

#else

json_pass_fn *json_pass_best(void)
{
    return json_pass_portable;
}

#endif

const uint8_t *json_pass_string(const uint8_t *p, const uint8_t *end)
{
    uint32_t high = 0;
    for (p++; p < end;) {
        p = json_string_stop(p, end, '"', &high);
        if (p == end || *p == '"')
            return p == end ? end : p + 1;
        p += *p == '\\' && end - p > 1 ? 2 : 1;
    }
    return end;
}

static bool ends_word(uint8_t c)
{
    return c <= ' ' || c == ',' || c == ':' || c == ']' || c == '}';
}

const uint8_t *json_pass_value(const uint8_t *p, const uint8_t *end)
{
    if (p == end)
        return end;
    if (*p == '{' || *p == '[')
        return __atomic_load_n(&json_pass_container, __ATOMIC_RELAXED)(p, end);
    if (*p == '"')
        return json_pass_string(p, end);
    do
        p++;
    while (p < end && !ends_word(*p));
    return p;
}
