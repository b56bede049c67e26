/* SPDX-License-Identifier: MIT */
#ifndef BASE_ENDIAN_H
#define BASE_ENDIAN_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* Numbers at any address. The program runs on little-endian machines only (checked here). */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little endian");

static inline uint16_t get_be16(const void *at)
{
    uint16_t v;
    memcpy(&v, at, 2);
    return __builtin_bswap16(v);
}
static inline uint32_t get_be32(const void *at)
{
    uint32_t v;
    memcpy(&v, at, 4);
    return __builtin_bswap32(v);
}
static inline uint64_t get_be64(const void *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return __builtin_bswap64(v);
}
static inline uint32_t get_le32(const void *at)
{
    uint32_t v;
    memcpy(&v, at, 4);
    return v;
}
static inline uint64_t get_le64(const void *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return v;
}
static inline void put_be16(void *at, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(at, &v, 2);
}
static inline void put_be32(void *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(at, &v, 4);
}
static inline void put_be64(void *at, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(at, &v, 8);
}
static inline void put_le32(void *at, uint32_t v)
{
    memcpy(at, &v, 4);
}
static inline void put_le64(void *at, uint64_t v)
{
    memcpy(at, &v, 8);
}

#endif
