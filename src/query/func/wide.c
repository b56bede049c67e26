/* SPDX-License-Identifier: MIT */
/*
 * Schoolbook arithmetic on sixteen 32-bit limbs; division is Knuth's algorithm D (TAOCP 4.3.1).
 * Only the rare decimal that does not fit 128 bits comes here, so plain loops are enough.
 */
#include "query/func/wide.h"

#include <string.h>

struct wide wide_of(__int128 value)
{
    struct wide w = {.negative = value < 0};
    unsigned __int128 u = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    for (int i = 0; i < 4; i++, u >>= 32)
        w.limbs[i] = (uint32_t)u;
    return w;
}

static void multiply_small(struct wide *w, uint32_t factor)
{
    uint64_t carry = 0;
    for (int i = 0; i < WIDE_LIMBS; i++) {
        carry += (uint64_t)w->limbs[i] * factor;
        w->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

struct wide wide_scaled(__int128 value, unsigned exponent)
{
    struct wide w = wide_of(value);
    for (; exponent >= 9; exponent -= 9)
        multiply_small(&w, 1000000000);
    for (; exponent > 0; exponent--)
        multiply_small(&w, 10);
    return w;
}

bool wide_is_zero(const struct wide *a)
{
    uint32_t any = 0;
    for (int i = 0; i < WIDE_LIMBS; i++)
        any |= a->limbs[i];
    return any == 0;
}

int wide_compare(const struct wide *a, const struct wide *b)
{
    for (int i = WIDE_LIMBS - 1; i >= 0; i--)
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    return 0;
}

struct wide wide_add(const struct wide *a, const struct wide *b)
{
    if (a->negative != b->negative && wide_compare(a, b) < 0)
        return wide_add(b, a);
    struct wide sum = {.negative = a->negative};
    bool subtract = a->negative != b->negative;
    int64_t carry = 0;
    for (int i = 0; i < WIDE_LIMBS; i++) {
        carry += subtract ? (int64_t)a->limbs[i] - b->limbs[i] : (int64_t)a->limbs[i] + b->limbs[i];
        sum.limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (wide_is_zero(&sum))
        sum.negative = false;
    return sum;
}

struct wide wide_multiply(const struct wide *a, const struct wide *b)
{
    struct wide product = {.negative = a->negative != b->negative};
    for (int i = 0; i < WIDE_LIMBS; i++) {
        uint64_t carry = 0;
        for (int j = 0; a->limbs[i] && i + j < WIDE_LIMBS; j++) {
            carry += (uint64_t)a->limbs[i] * b->limbs[j] + product.limbs[i + j];
            product.limbs[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    return product;
}

static int limb_count(const struct wide *w)
{
    int n = WIDE_LIMBS;
    while (n > 0 && w->limbs[n - 1] == 0)
        n--;
    return n;
}

static uint32_t divide_small(const struct wide *a, uint32_t b, struct wide *quotient)
{
    uint64_t rest = 0;
    for (int i = WIDE_LIMBS - 1; i >= 0; i--) {
        rest = rest << 32 | a->limbs[i];
        quotient->limbs[i] = (uint32_t)(rest / b);
        rest %= b;
    }
    return (uint32_t)rest;
}

/* One digit of the quotient: u[j..j+n] -= q * v, with the estimate corrected. */
static uint32_t divide_step(uint32_t *u, const uint32_t *v, int n)
{
    uint64_t top = (uint64_t)u[n] << 32 | u[n - 1];
    uint64_t q = top / v[n - 1], rest = top % v[n - 1];
    while (q >> 32 || q * v[n - 2] > (rest << 32 | u[n - 2])) {
        q--;
        rest += v[n - 1];
        if (rest >> 32)
            break;
    }
    int64_t borrow = 0;
    for (int i = 0; i < n; i++) {
        uint64_t product = q * v[i];
        int64_t t = (int64_t)u[i] - borrow - (int64_t)(product & 0xFFFFFFFF);
        u[i] = (uint32_t)t;
        borrow = (int64_t)(product >> 32) - (t >> 32);
    }
    int64_t t = (int64_t)u[n] - borrow;
    u[n] = (uint32_t)t;
    if (t >= 0)
        return (uint32_t)q;
    uint64_t carry = 0;
    for (int i = 0; i < n; i++) {
        carry += (uint64_t)u[i] + v[i];
        u[i] = (uint32_t)carry;
        carry >>= 32;
    }
    u[n] += (uint32_t)carry;
    return (uint32_t)(q - 1);
}

void wide_divide(const struct wide *a, const struct wide *b, struct wide *ret_quotient,
                 struct wide *ret_remainder)
{
    struct wide quotient = {.negative = a->negative != b->negative};
    struct wide remainder = {.negative = a->negative};
    int n = limb_count(b), m = limb_count(a);
    if (n == 1) {
        remainder.limbs[0] = divide_small(a, b->limbs[0], &quotient);
    } else if (m < n) {
        remainder = *a;
    } else {
        uint32_t u[WIDE_LIMBS + 1] = {0}, v[WIDE_LIMBS] = {0};
        int shift = __builtin_clz(b->limbs[n - 1]);
        for (int i = 0; i < n; i++)
            v[i] = (uint32_t)((uint64_t)b->limbs[i] << shift |
                              (i > 0 ? (uint64_t)b->limbs[i - 1] << shift >> 32 : 0));
        for (int i = 0; i <= m; i++)
            u[i] = (uint32_t)((i < m ? (uint64_t)a->limbs[i] << shift : 0) |
                              (i > 0 ? (uint64_t)a->limbs[i - 1] << shift >> 32 : 0));
        for (int j = m - n; j >= 0; j--)
            quotient.limbs[j] = divide_step(u + j, v, n);
        for (int i = 0; i < n; i++)
            remainder.limbs[i] = (uint32_t)(u[i] >> shift | (uint64_t)u[i + 1] << (32 - shift));
    }
    *ret_quotient = quotient;
    *ret_remainder = remainder;
}

struct wide wide_divide_half_up(const struct wide *a, const struct wide *b)
{
    struct wide quotient, remainder;
    wide_divide(a, b, &quotient, &remainder);
    multiply_small(&remainder, 2);
    if (wide_compare(&remainder, b) >= 0) {
        struct wide one = {.limbs = {1}, .negative = quotient.negative};
        quotient = wide_add(&quotient, &one);
    }
    return quotient;
}

static bool to_i128(const struct wide *a, __int128 *ret_value)
{
    if (limb_count(a) > 4 || a->limbs[3] >> 31)
        return false;
    __int128 value = 0;
    for (int i = 3; i >= 0; i--)
        value = (__int128)((unsigned __int128)value << 32 | a->limbs[i]);
    *ret_value = a->negative ? -value : value;
    return true;
}

enum err wide_to_decimal(const struct wide *a, unsigned from_scale, unsigned precision,
                         unsigned scale, __int128 *ret_value)
{
    struct wide scaled = *a, limit = wide_scaled(1, precision);
    if (from_scale > scale) {
        struct wide power = wide_scaled(1, from_scale - scale);
        scaled = wide_divide_half_up(a, &power);
    } else if (limb_count(&scaled) > 8) {
        return ERR_OUT_OF_RANGE;
    } else {
        struct wide power = wide_scaled(1, scale - from_scale);
        scaled = wide_multiply(a, &power);
    }
    if (wide_compare(&scaled, &limit) >= 0)
        return ERR_OUT_OF_RANGE;
    return to_i128(&scaled, ret_value) ? OK : ERR_OUT_OF_RANGE;
}
