/* SPDX-License-Identifier: MIT */
/*
 * The segments around the envelopes of v5; little endian.
 *
 *     plain  3 bytes: bytes of payload (17 bits), self-contained (1 bit)
 *     LZ4    5 bytes: bytes as sent (17), bytes of the original (17, 0 = sent raw), self-contained
 *     then   CRC24 of those bytes (3), payload (at most 131,071), CRC32 of the payload as sent (4)
 *
 * CRC24 has the polynomial 0x1974F0B and starts at 0x875060; CRC32 is zlib's, fed FA 2D 55 CA
 * first. A self-contained segment holds whole envelopes, as many as fit; a larger envelope is cut
 * over segments that hold nothing else. Nothing of a header is believed before its sum was checked.
 */
#include "wire/cql/cql.h"

#include <lz4.h>
#include <zlib.h>

enum { PLAIN_HEADER = 3, LZ4_HEADER = 5, CRC24_BYTES = 3, CRC32_BYTES = 4, COMPRESS_MIN = 64 };

static uint32_t crc24(uint64_t header, unsigned bytes)
{
    uint32_t crc = 0x875060;
    for (unsigned i = 0; i < bytes; i++) {
        crc ^= (uint32_t)(header & 0xFF) << 16;
        header >>= 8;
        for (int bit = 0; bit < 8; bit++) {
            crc <<= 1;
            if (crc & 0x1000000)
                crc ^= 0x1974F0B;
        }
    }
    return crc;
}

static uint32_t crc32_of(const void *data, size_t bytes)
{
    static const uint8_t first[] = {0xFA, 0x2D, 0x55, 0xCA};
    uLong crc = crc32(0, first, sizeof first);
    return (uint32_t)crc32(crc, data, (uInt)bytes);
}

static uint64_t get_le(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void put_le(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

enum err cql_segment_parse(const uint8_t *data, size_t bytes, enum cql_compression compression,
                           struct buf *scratch, struct cql_segment *ret_segment)
{
    bool lz4 = compression == CQL_LZ4;
    unsigned header_bytes = lz4 ? LZ4_HEADER : PLAIN_HEADER;
    if (bytes < header_bytes + CRC24_BYTES)
        return ERR_TRUNCATED;
    uint64_t header = get_le(data, header_bytes);
    if (crc24(header, header_bytes) != get_le(data + header_bytes, CRC24_BYTES))
        return ERR_CORRUPT;
    size_t sent = header & CQL_SEGMENT_PAYLOAD_MAX;
    size_t original = lz4 ? header >> 17 & CQL_SEGMENT_PAYLOAD_MAX : 0;
    const uint8_t *payload = data + header_bytes + CRC24_BYTES;
    size_t whole = header_bytes + CRC24_BYTES + sent + CRC32_BYTES;
    if (bytes < whole)
        return ERR_TRUNCATED;
    if (crc32_of(payload, sent) != get_le32(payload + sent))
        return ERR_CORRUPT;
    struct str content = str_from(payload, sent);
    if (original) {
        buf_reset(scratch);
        uint8_t *to = buf_reserve(scratch, original);
        if (!to)
            return buf_error(scratch);
        int made = LZ4_decompress_safe((const char *)payload, (char *)to, (int)sent, (int)original);
        if (made < 0 || (size_t)made != original)
            return ERR_CORRUPT;
        buf_advance(scratch, original);
        content = buf_str(scratch);
    }
    *ret_segment = (struct cql_segment){
        .self_contained = header >> (lz4 ? 34 : 17) & 1,
        .payload = content,
        .bytes = whole,
    };
    return OK;
}

static void segment_append(struct str payload, bool self_contained,
                           enum cql_compression compression, struct buf *out)
{
    bool lz4 = compression == CQL_LZ4;
    unsigned header_bytes = lz4 ? LZ4_HEADER : PLAIN_HEADER;
    size_t bound = lz4 ? (size_t)LZ4_compressBound((int)payload.bytes) : payload.bytes;
    uint8_t *to = buf_reserve(out, header_bytes + CRC24_BYTES + bound + CRC32_BYTES);
    if (!to)
        return;
    uint8_t *body = to + header_bytes + CRC24_BYTES;
    size_t sent = payload.bytes, original = 0;
    if (lz4 && payload.bytes >= COMPRESS_MIN) {
        int made = LZ4_compress_default(payload.ptr, (char *)body, (int)payload.bytes, (int)bound);
        if (made > 0 && (size_t)made < payload.bytes) {
            sent = (size_t)made;
            original = payload.bytes;
        }
    }
    if (!original && sent)
        memcpy(body, payload.ptr, sent);
    uint64_t header = lz4 ? sent | original << 17 | (uint64_t)self_contained << 34
                          : sent | (uint64_t)self_contained << 17;
    put_le(to, header, header_bytes);
    put_le(to + header_bytes, crc24(header, header_bytes), CRC24_BYTES);
    put_le32(body + sent, crc32_of(body, sent));
    buf_advance(out, header_bytes + CRC24_BYTES + sent + CRC32_BYTES);
}

/* Bytes of the envelope at the front; all when it is cut short. */
static size_t envelope_bytes(struct str envelopes)
{
    if (envelopes.bytes < CQL_HEADER_BYTES)
        return envelopes.bytes;
    uint64_t bytes = CQL_HEADER_BYTES + (uint64_t)get_be32(envelopes.ptr + 5);
    return bytes < envelopes.bytes ? (size_t)bytes : envelopes.bytes;
}

void cql_segments_append(struct str envelopes, enum cql_compression compression, struct buf *out)
{
    while (envelopes.bytes) {
        size_t take = envelope_bytes(envelopes);
        if (take > CQL_SEGMENT_PAYLOAD_MAX) {
            struct str rest = str_slice(envelopes, 0, take);
            while (rest.bytes) {
                struct str part = str_slice(rest, 0, CQL_SEGMENT_PAYLOAD_MAX);
                segment_append(part, false, compression, out);
                rest = str_slice(rest, part.bytes, rest.bytes);
            }
        } else {
            while (take < envelopes.bytes) {
                size_t next = envelope_bytes(str_slice(envelopes, take, envelopes.bytes));
                if (take + next > CQL_SEGMENT_PAYLOAD_MAX)
                    break;
                take += next;
            }
            segment_append(str_slice(envelopes, 0, take), true, compression, out);
        }
        envelopes = str_slice(envelopes, take, envelopes.bytes);
    }
}
