/* SPDX-License-Identifier: MIT */
/*
 * Finding the end of a string, the loop in which a JSON reader spends its time.
 *
 * Three widths do one thing: look for a quote, a backslash or a control character, and note whether
 * a byte above ASCII came before it. The first 32 bytes of a string are done inline with SSE2,
 * which every x86-64 has (json_scan.h); longer ones go through a pointer to the AVX2 kernel where
 * the processor has it, else to the portable one, which works on 8 bytes in a 64-bit word.
 *
 * The wide kernel never reads outside start..end. Its last, partial block is the 32 bytes that end
 * with the document, with the part that was seen already shifted out; that needs 32 bytes before,
 * which the inline part guarantees (it has just passed them).
 *
 * The pointer starts at a function that asks the processor once and then replaces the pointer.
 * Two threads may do that at once; both store the same value.
 */
#include "format/json_scan.h"

#define ONES 0x0101010101010101u
#define TOPS 0x8080808080808080u

/* Top bit of each byte of word that is zero; bytes above the first hit may be wrong. */
static inline uint64_t zero_bytes(uint64_t word)
{
    return (word - ONES) & ~word & TOPS;
}

const uint8_t *json_scan_portable(const uint8_t *p, const uint8_t *end, uint8_t quote,
                                  uint32_t *high)
{
    while (end - p >= 8) {
        uint64_t word = get_le64(p);
        uint64_t stops = zero_bytes(word ^ (ONES * quote)) | zero_bytes(word ^ (ONES * '\\')) |
                         ((word - ONES * 0x20) & ~word & TOPS);
        if (stops) {
            unsigned at = (unsigned)__builtin_ctzll(stops) & ~7u;
            *high |= (word & TOPS & ((1ull << at) - 1)) != 0;
            return p + at / 8;
        }
        *high |= (word & TOPS) != 0;
        p += 8;
    }
    for (; p < end; p++) {
        if (*p == quote || *p == '\\' || *p < 0x20)
            return p;
        *high |= *p >> 7;
    }
    return p;
}

#if defined(__x86_64__) && defined(JSON_SSE2)

__attribute__((target("avx2"))) static const uint8_t *
scan_avx2(const uint8_t *p, const uint8_t *end, uint8_t quote, uint32_t *high)
{
    const __m256i quotes = _mm256_set1_epi8((char)quote), slashes = _mm256_set1_epi8('\\'),
                  controls = _mm256_set1_epi8(0x1F);
    while (p < end) {
        size_t seen = end - p < 32 ? (size_t)(32 - (end - p)) : 0;
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p - seen));
        __m256i stop = _mm256_or_si256(_mm256_cmpeq_epi8(v, quotes), _mm256_cmpeq_epi8(v, slashes));
        stop = _mm256_or_si256(stop, _mm256_cmpeq_epi8(_mm256_min_epu8(v, controls), v));
        uint32_t stops = (uint32_t)_mm256_movemask_epi8(stop) >> seen;
        uint32_t above = (uint32_t)_mm256_movemask_epi8(v) >> seen;
        if (stops) {
            uint32_t at = (uint32_t)__builtin_ctz(stops);
            *high |= above & (uint32_t)((1ull << at) - 1);
            return p + at;
        }
        *high |= above;
        p += 32 - seen;
    }
    return end;
}

static json_scan_fn *best(void)
{
    return __builtin_cpu_supports("avx2") ? scan_avx2 : json_scan_portable;
}

#else

static json_scan_fn *best(void)
{
    return json_scan_portable;
}

#endif

void json_scan_choose(bool wide)
{
    __atomic_store_n(&json_scan_wide, wide ? best() : json_scan_portable, __ATOMIC_RELAXED);
    __atomic_store_n(&json_pass_container, wide ? json_pass_best() : json_pass_portable,
                     __ATOMIC_RELAXED);
}

static const uint8_t *scan_first(const uint8_t *p, const uint8_t *end, uint8_t quote,
                                 uint32_t *high)
{
    json_scan_choose(true);
    return __atomic_load_n(&json_scan_wide, __ATOMIC_RELAXED)(p, end, quote, high);
}

json_scan_fn *json_scan_wide = scan_first;

static const uint8_t *pass_first(const uint8_t *p, const uint8_t *end)
{
    json_scan_choose(true);
    return __atomic_load_n(&json_pass_container, __ATOMIC_RELAXED)(p, end);
}

json_pass_fn *json_pass_container = pass_first;
