/* SPDX-License-Identifier: MIT */
/*
 * Cassandra's integers of varying length, and the durations made of them (section 6.10 of the
 * native protocol's v5 specification): the number of leading ones in the first byte is that of the
 * bytes that follow, most significant first; what is left of the first byte belongs to the value.
 */
#include "table/vint.h"

#include "base/endian.h"

void vint_append(uint64_t value, struct buf *out)
{
    unsigned more = 0;
    while (more < 8 && value >> (7 + 7 * more))
        more++;
    uint8_t bytes[9];
    put_be64(bytes + 1, value);
    if (more == 8) {
        bytes[0] = 0xFF;
        buf_append(out, bytes, 9);
        return;
    }
    uint8_t *first = bytes + 8 - more;
    *first |= (uint8_t)(0xFF00u >> more);
    buf_append(out, first, more + 1);
}

uint64_t vint_read(struct reader *r)
{
    uint8_t first = reader_u8(r);
    unsigned more = 0;
    while (more < 8 && first & 0x80 >> more)
        more++;
    uint64_t value = more < 8 ? first & 0xFFu >> more : 0;
    for (unsigned i = 0; i < more; i++)
        value = value << 8 | reader_u8(r);
    return r->err ? 0 : value;
}

void vint_length_insert(struct buf *out, size_t at)
{
    size_t bytes = out->bytes - at;
    struct buf head = {0};
    vint_append(bytes, &head);
    if (buf_reserve(out, head.bytes)) {
        memmove(out->ptr + at + head.bytes, out->ptr + at, bytes);
        memcpy(out->ptr + at, head.ptr, head.bytes);
        buf_advance(out, head.bytes);
    }
    buf_deinit(&head);
}

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

void interval_append(struct interval interval, struct buf *out)
{
    int64_t ns;
    if (__builtin_mul_overflow(interval.us, (int64_t)1000, &ns))
        ns = interval.us < 0 ? INT64_MIN : INT64_MAX;
    vint_append(zigzag(interval.months), out);
    vint_append(zigzag(interval.days), out);
    vint_append(zigzag(ns), out);
}

enum err interval_parse(struct str value, struct interval *ret_interval)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    int64_t months = unzigzag(vint_read(&r));
    int64_t days = unzigzag(vint_read(&r));
    int64_t ns = unzigzag(vint_read(&r));
    if (r.err || r.left || months != (int32_t)months || days != (int32_t)days)
        return ERR_CORRUPT;
    *ret_interval = (struct interval){(int32_t)months, (int32_t)days, ns / 1000};
    return OK;
}
