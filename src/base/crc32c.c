/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C by the SSE4.2 instruction where the machine has it, else by a table of eight rows.
 * The instruction has a latency of three cycles: three streams run side by side over blocks of
 * 3 x LANE bytes and are joined by shifting a CRC over LANE zero bytes (a table of 4 x 256,
 * made at the first call by plain arithmetic on the polynomial).
 */
#include "base/crc32c.h"

#include "base/endian.h"

#include <stdbool.h>

enum { LANE = 1024 };
static uint32_t rows[8][256];
static uint32_t shift_lane[4][256];
static bool has_sse42;

/* The CRC after bytes zero bytes, by squaring the one-bit step matrix. */
static uint32_t times(const uint32_t *matrix, uint32_t vector)
{
    uint32_t sum = 0;
    for (; vector; vector >>= 1, matrix++)
        if (vector & 1)
            sum ^= *matrix;
    return sum;
}

static void square(uint32_t *to, const uint32_t *from)
{
    for (int i = 0; i < 32; i++)
        to[i] = times(from, from[i]);
}

static void make_shift(void)
{
    uint32_t a[32], b[32];
    a[0] = 0x82F63B78u;
    for (int i = 1; i < 32; i++)
        a[i] = 1u << (i - 1);
    /* a moves one bit; LANE * 8 = 2^13 bits: thirteen squarings. */
    for (int i = 0; i < 13; i++) {
        square(b, a);
        __builtin_memcpy(a, b, sizeof a);
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (uint32_t k = 0; k < 4; k++)
            shift_lane[k][byte] = times(a, byte << (8 * k));
}

__attribute__((constructor)) static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? (c >> 1) ^ 0x82F63B78u : c >> 1;
        rows[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            rows[k][i] = (rows[k - 1][i] >> 8) ^ rows[0][rows[k - 1][i] & 255];
    make_shift();
#ifdef __x86_64__
    has_sse42 = __builtin_cpu_supports("sse4.2");
#endif
}

static uint32_t by_table(uint32_t c, const uint8_t *p, size_t bytes)
{
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint32_t low = get_le32(p) ^ c, high = get_le32(p + 4);
        c = rows[7][low & 255] ^ rows[6][low >> 8 & 255] ^ rows[5][low >> 16 & 255] ^
            rows[4][low >> 24] ^ rows[3][high & 255] ^ rows[2][high >> 8 & 255] ^
            rows[1][high >> 16 & 255] ^ rows[0][high >> 24];
    }
    for (; bytes; bytes--, p++)
        c = (c >> 8) ^ rows[0][(c ^ *p) & 255];
    return c;
}

#ifdef __x86_64__
static uint32_t over_lane(uint32_t c)
{
    return shift_lane[0][c & 255] ^ shift_lane[1][c >> 8 & 255] ^ shift_lane[2][c >> 16 & 255] ^
           shift_lane[3][c >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p,
                                                                 size_t bytes)
{
    uint64_t c = crc;
    for (; bytes >= 3 * LANE; bytes -= 3 * LANE, p += 3 * LANE) {
        uint64_t c1 = 0, c2 = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            c = __builtin_ia32_crc32di(c, get_le64(p + i));
            c1 = __builtin_ia32_crc32di(c1, get_le64(p + LANE + i));
            c2 = __builtin_ia32_crc32di(c2, get_le64(p + 2 * LANE + i));
        }
        c = over_lane(over_lane((uint32_t)c) ^ (uint32_t)c1) ^ (uint32_t)c2;
    }
    for (; bytes >= 8; bytes -= 8, p += 8)
        c = __builtin_ia32_crc32di(c, get_le64(p));
    for (; bytes; bytes--, p++)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return (uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
#ifdef __x86_64__
    if (has_sse42)
        return ~by_instruction(~crc, data, bytes);
#endif
    return ~by_table(~crc, data, bytes);
}
