/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic of varint and decimal values: schoolbook, on limbs of 32 bits, lowest first, with the
 * sign apart. Numbers of a table are short; what matters is that none is too long to be right.
 *
 * A decimal is its unscaled number and a scale: sums take the larger scale, products add them, a
 * quotient has at least 32 digits, in all and behind the point, rounded half up, without the zeros
 * at its end.
 *
 * Invariants: 1. no limb above count is looked at; the highest limb is not 0. 2. zero has no sign.
 */
#include "base/endian.h"
#include "serve/cql/expr.h"

enum { LIMBS_MAX = 448, SCALE_MAX = 4096, QUOTIENT_DIGITS = 32, QUOTIENT_SCALE_MAX = 1000 };

struct big {
    bool negative;
    uint32_t count;
    uint32_t limbs[LIMBS_MAX];
};

static void trim(struct big *a)
{
    while (a->count && a->limbs[a->count - 1] == 0)
        a->count--;
    if (a->count == 0)
        a->negative = false;
}

static enum err big_read(struct str value, struct big *ret)
{
    ret->negative = value.bytes && (value.ptr[0] & 0x80);
    ret->count = (uint32_t)((value.bytes + 3) / 4);
    if (ret->count > LIMBS_MAX / 4)
        return ERR_LIMIT;
    memset(ret->limbs, 0, ret->count * sizeof *ret->limbs);
    uint32_t carry = ret->negative;
    for (size_t i = 0; i < value.bytes; i++) {
        uint32_t byte = (uint8_t)value.ptr[value.bytes - 1 - i];
        if (ret->negative) {
            byte = (byte ^ 0xFF) + carry;
            carry = byte >> 8;
            byte &= 0xFF;
        }
        ret->limbs[i / 4] |= byte << 8 * (i % 4);
    }
    trim(ret);
    return OK;
}

/* The shortest two's complement. */
static struct str big_write(struct arena *arena, const struct big *a, size_t head)
{
    size_t bytes = (size_t)a->count * 4 + 1;
    char *out = arena_alloc(arena, head + bytes + 1);
    uint32_t carry = 1;
    for (size_t i = 0; i < bytes; i++) {
        uint32_t byte = i / 4 < a->count ? a->limbs[i / 4] >> 8 * (i % 4) & 0xFF : 0;
        if (a->negative) {
            byte = (byte ^ 0xFF) + carry;
            carry = byte >> 8;
        }
        out[head + bytes - 1 - i] = (char)byte;
    }
    size_t skip = 0;
    while (skip + 1 < bytes) {
        uint8_t first = (uint8_t)out[head + skip], next = (uint8_t)out[head + skip + 1];
        if (!((first == 0 && next < 0x80) || (first == 0xFF && next >= 0x80)))
            break;
        skip++;
    }
    memmove(out + head, out + head + skip, bytes - skip);
    return str_from(out, head + bytes - skip);
}

static int compare(const struct big *a, const struct big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (uint32_t i = a->count; i-- > 0;)
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    return 0;
}

static enum err add(const struct big *a, const struct big *b, bool subtract, struct big *ret)
{
    bool minus_b = b->negative != subtract;
    struct big sum = {0};
    if (a->negative == minus_b) {
        uint64_t carry = 0;
        uint32_t count = a->count > b->count ? a->count : b->count;
        if (count + 1 > LIMBS_MAX)
            return ERR_LIMIT;
        for (uint32_t i = 0; i < count; i++) {
            carry += (i < a->count ? a->limbs[i] : 0);
            carry += (i < b->count ? b->limbs[i] : 0);
            sum.limbs[i] = (uint32_t)carry;
            carry >>= 32;
        }
        sum.limbs[count] = (uint32_t)carry;
        sum.count = count + 1;
        sum.negative = a->negative;
    } else {
        bool swap = compare(a, b) < 0;
        const struct big *large = swap ? b : a, *small = swap ? a : b;
        int64_t borrow = 0;
        for (uint32_t i = 0; i < large->count; i++) {
            borrow += (int64_t)large->limbs[i] - (i < small->count ? small->limbs[i] : 0);
            sum.limbs[i] = (uint32_t)borrow;
            borrow >>= 32;
        }
        sum.count = large->count;
        sum.negative = swap ? minus_b : a->negative;
    }
    trim(&sum);
    *ret = sum;
    return OK;
}

static enum err multiply(const struct big *a, const struct big *b, struct big *ret)
{
    struct big product = {.negative = a->negative != b->negative, .count = a->count + b->count};
    if (product.count > LIMBS_MAX)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < a->count; i++) {
        uint64_t carry = 0;
        for (uint32_t j = 0; j < b->count; j++) {
            carry += (uint64_t)a->limbs[i] * b->limbs[j] + product.limbs[i + j];
            product.limbs[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        product.limbs[i + b->count] = (uint32_t)carry;
    }
    trim(&product);
    *ret = product;
    return OK;
}

static uint32_t divide_small(struct big *a, uint32_t by)
{
    uint64_t rest = 0;
    for (uint32_t i = a->count; i-- > 0;) {
        rest = rest << 32 | a->limbs[i];
        a->limbs[i] = (uint32_t)(rest / by);
        rest %= by;
    }
    trim(a);
    return (uint32_t)rest;
}

static void shift_in(struct big *a, uint32_t bit)
{
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t out = a->limbs[i] >> 31;
        a->limbs[i] = a->limbs[i] << 1 | bit;
        bit = out;
    }
    if (bit)
        a->limbs[a->count++] = bit;
}

/* Towards zero, bit by bit: numbers are short. */
static enum err divide(const struct big *a, const struct big *b, struct big *ret_quotient,
                       struct big *ret_rest)
{
    struct big rest = {0}, quotient = {.count = a->count}, size = *b;
    if (b->count == 0)
        return ERR_OUT_OF_RANGE;
    if (a->count + 1 > LIMBS_MAX)
        return ERR_LIMIT;
    size.negative = false;
    for (uint32_t i = a->count * 32; i-- > 0;) {
        shift_in(&rest, a->limbs[i / 32] >> i % 32 & 1);
        if (compare(&rest, &size) < 0)
            continue;
        TRY(add(&rest, &size, true, &rest));
        quotient.limbs[i / 32] |= 1u << i % 32;
    }
    quotient.negative = a->negative != b->negative;
    rest.negative = a->negative;
    trim(&quotient);
    trim(&rest);
    *ret_quotient = quotient;
    *ret_rest = rest;
    return OK;
}

static enum err times_ten(struct big *a, int64_t power)
{
    const struct big ten9 = {.count = 1, .limbs = {1000000000}};
    const struct big ten = {.count = 1, .limbs = {10}};
    if (power > SCALE_MAX)
        return ERR_LIMIT;
    for (; power >= 9; power -= 9)
        TRY(multiply(a, &ten9, a));
    for (; power > 0; power--)
        TRY(multiply(a, &ten, a));
    return OK;
}

/* ---- decimals ---- */

static int64_t digits_of(const struct big *a)
{
    struct big rest = *a;
    int64_t digits = 0;
    for (; rest.count; digits++)
        divide_small(&rest, 10);
    return digits ? digits : 1;
}

static enum err decimal_divide(struct big *a, int64_t scale_a, struct big *b, int64_t scale_b,
                               struct big *ret, int64_t *ret_scale)
{
    int64_t first = (digits_of(a) - scale_a) - (digits_of(b) - scale_b);
    int64_t scale = QUOTIENT_DIGITS - first;
    if (scale < scale_a)
        scale = scale_a;
    if (scale < scale_b)
        scale = scale_b;
    if (scale < QUOTIENT_DIGITS)
        scale = QUOTIENT_DIGITS;
    if (scale > QUOTIENT_SCALE_MAX)
        scale = QUOTIENT_SCALE_MAX;
    int64_t shift = scale + scale_b - scale_a;
    struct big rest;
    TRY(times_ten(shift >= 0 ? a : b, shift >= 0 ? shift : -shift));
    TRY(divide(a, b, ret, &rest));
    /* Half up: twice the rest against the divisor. */
    shift_in(&rest, 0);
    rest.negative = false;
    struct big size = *b;
    size.negative = false;
    if (compare(&rest, &size) >= 0) {
        struct big one = {.negative = a->negative != b->negative, .count = 1, .limbs = {1}};
        TRY(add(ret, &one, false, ret));
    }
    while (ret->count) {
        struct big shorter = *ret;
        if (divide_small(&shorter, 10) != 0)
            break;
        *ret = shorter;
        scale--;
    }
    *ret_scale = ret->count ? scale : 0;
    return OK;
}

static enum err decimal_apply(enum number_op op, struct big *a, int64_t scale_a, struct big *b,
                              int64_t scale_b, struct big *ret, int64_t *ret_scale)
{
    if (op == NUMBER_MULTIPLY) {
        *ret_scale = scale_a + scale_b;
        return multiply(a, b, ret);
    }
    if (op == NUMBER_DIVIDE)
        return b->count ? decimal_divide(a, scale_a, b, scale_b, ret, ret_scale) : ERR_OUT_OF_RANGE;
    int64_t scale = scale_a > scale_b ? scale_a : scale_b;
    TRY(times_ten(a, scale - scale_a));
    TRY(times_ten(b, scale - scale_b));
    *ret_scale = scale;
    if (op == NUMBER_REMAINDER) {
        struct big quotient;
        return divide(a, b, &quotient, ret);
    }
    return add(a, b, op == NUMBER_SUBTRACT, ret);
}

enum err number_apply(struct arena *arena, enum number_op op, bool decimal, struct str a,
                      struct str b, struct str *ret_value)
{
    struct big left, right, result;
    size_t head = decimal ? 4 : 0;
    if (a.bytes < head || b.bytes < head)
        return ERR_INVALID;
    TRY(big_read(str_slice(a, head, a.bytes), &left));
    TRY(big_read(str_slice(b, head, b.bytes), &right));
    int64_t scale = 0;
    if (decimal) {
        TRY(decimal_apply(op, &left, (int32_t)get_be32(a.ptr), &right, (int32_t)get_be32(b.ptr),
                          &result, &scale));
    } else if (op == NUMBER_MULTIPLY) {
        TRY(multiply(&left, &right, &result));
    } else if (op == NUMBER_DIVIDE || op == NUMBER_REMAINDER) {
        struct big other;
        TRY(op == NUMBER_DIVIDE ? divide(&left, &right, &result, &other)
                                : divide(&left, &right, &other, &result));
    } else {
        TRY(add(&left, &right, op == NUMBER_SUBTRACT, &result));
    }
    if (scale > INT32_MAX || scale < INT32_MIN)
        return ERR_LIMIT;
    struct str value = big_write(arena, &result, head);
    if (decimal)
        put_be32((char *)(uintptr_t)value.ptr, (uint32_t)scale);
    *ret_value = value;
    return OK;
}

enum err number_share(struct arena *arena, struct str decimal, int64_t count, struct str *ret_value)
{
    struct big whole, share, rest;
    struct big by = {.count = 2, .limbs = {(uint32_t)count, (uint32_t)((uint64_t)count >> 32)}};
    if (decimal.bytes < 4)
        return ERR_INVALID;
    trim(&by);
    TRY(big_read(str_slice(decimal, 4, decimal.bytes), &whole));
    TRY(divide(&whole, &by, &share, &rest));
    shift_in(&rest, 0);
    rest.negative = false;
    int half = compare(&rest, &by);
    if (half > 0 || (half == 0 && share.count && (share.limbs[0] & 1))) {
        struct big one = {.negative = whole.negative, .count = 1, .limbs = {1}};
        TRY(add(&share, &one, false, &share));
    }
    struct str value = big_write(arena, &share, 4);
    memcpy((char *)(uintptr_t)value.ptr, decimal.ptr, 4);
    *ret_value = value;
    return OK;
}
