/* SPDX-License-Identifier: MIT */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/endian.h"
#include "base/str.h"

/*
 * A bounded cursor over borrowed bytes with a sticky error: read twenty fields, ask r.err once.
 * After an error every read answers 0 or an empty run and the position stays. Big endian.
 */
struct reader {
    const uint8_t *ptr;
    size_t left;
    enum err err;
};

static inline struct reader reader_of(const void *data, size_t bytes)
{
    return (struct reader){data, bytes, OK};
}

static inline void reader_fail(struct reader *r, enum err err)
{
    if (r->err == OK)
        r->err = err;
    r->left = 0;
}

/* The next bytes, or NULL (ERR_TRUNCATED). */
static inline const uint8_t *reader_take(struct reader *r, size_t bytes)
{
    if (bytes > r->left) {
        reader_fail(r, ERR_TRUNCATED);
        return NULL;
    }
    const uint8_t *at = r->ptr;
    r->ptr += bytes;
    r->left -= bytes;
    return at;
}

static inline struct str reader_str(struct reader *r, size_t bytes)
{
    const uint8_t *at = reader_take(r, bytes);
    return at ? str_from(at, bytes) : STR_NONE;
}

static inline uint8_t reader_u8(struct reader *r)
{
    const uint8_t *at = reader_take(r, 1);
    return at ? *at : 0;
}
static inline uint16_t reader_be16(struct reader *r)
{
    const uint8_t *at = reader_take(r, 2);
    return at ? get_be16(at) : 0;
}
static inline uint32_t reader_be32(struct reader *r)
{
    const uint8_t *at = reader_take(r, 4);
    return at ? get_be32(at) : 0;
}
static inline uint64_t reader_be64(struct reader *r)
{
    const uint8_t *at = reader_take(r, 8);
    return at ? get_be64(at) : 0;
}

/* At most bits of value: 32 for Kafka's VARINT, 64 for VARLONG; longer is ERR_CORRUPT. */
static inline uint64_t reader_uvarint(struct reader *r, unsigned bits)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte = reader_u8(r);
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            /* The last byte has more bits than the value has room for. */
            if (r->err == OK && shift + 7 > bits && byte >> (bits - shift))
                break;
            return r->err == OK ? value : 0;
        }
    }
    reader_fail(r, ERR_CORRUPT);
    return 0;
}

static inline int64_t reader_varint(struct reader *r, unsigned bits)
{
    uint64_t value = reader_uvarint(r, bits);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
