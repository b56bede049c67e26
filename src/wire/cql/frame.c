/* SPDX-License-Identifier: MIT */
/*
 * Envelopes, and the compression of their bodies in v3 and v4.
 *
 *     u8 version (bit 7: a response) | u8 flags | i16 stream | u8 opcode | i32 bytes of the body
 *
 * "lz4" is the size of the original, big endian, and one LZ4 block; "snappy" is raw snappy, which
 * begins with its own size. Both sizes are believed only up to the caller's maximum. Compression
 * writes behind what it compresses and moves the result forward, so it needs no memory of its own.
 */
#include "base/compress.h"
#include "wire/cql/cql.h"

#include <lz4.h>
#include <snappy-c.h>

enum { COMPRESS_BYTES_MIN = 64 };

enum err cql_header_parse(const uint8_t *data, size_t bytes_max, struct cql_header *ret_header)
{
    uint32_t body_bytes = get_be32(data + 5);
    if (body_bytes > bytes_max)
        return ERR_LIMIT;
    *ret_header = (struct cql_header){
        .version = data[0] & 0x7F,
        .response = data[0] >> 7,
        .flags = data[1],
        .stream = (int16_t)get_be16(data + 2),
        .opcode = data[4],
        .body_bytes = body_bytes,
    };
    return OK;
}

size_t cql_envelope_begin(struct buf *out, uint8_t version, bool response, uint8_t flags,
                          int16_t stream, uint8_t opcode)
{
    size_t at = out->bytes;
    uint8_t *to = buf_reserve(out, CQL_HEADER_BYTES);
    if (!to)
        return at;
    to[0] = (uint8_t)(version | (response ? 0x80 : 0));
    to[1] = flags;
    put_be16(to + 2, (uint16_t)stream);
    to[4] = opcode;
    put_be32(to + 5, 0);
    buf_advance(out, CQL_HEADER_BYTES);
    return at;
}

void cql_envelope_end(struct buf *out, size_t at)
{
    if (buf_error(out) == OK)
        buf_patch_be32(out, at + 5, (uint32_t)(out->bytes - at - CQL_HEADER_BYTES));
}

enum err cql_body_decompress(enum cql_compression compression, struct str body, size_t bytes_max,
                             struct buf *out)
{
    switch (compression) {
    case CQL_UNCOMPRESSED:
        return ERR_INVALID;
    case CQL_SNAPPY:
        return decompress_bytes(CODEC_SNAPPY, body.ptr, body.bytes, bytes_max, out);
    case CQL_LZ4:
        break;
    }
    if (body.bytes < 4)
        return ERR_CORRUPT;
    uint32_t bytes = get_be32(body.ptr);
    if (bytes > bytes_max || bytes > INT32_MAX || body.bytes > INT32_MAX)
        return ERR_LIMIT;
    uint8_t *to = buf_reserve(out, bytes ? bytes : 1);
    if (!to)
        return buf_error(out);
    int made = LZ4_decompress_safe(body.ptr + 4, (char *)to, (int)(body.bytes - 4), (int)bytes);
    if (made < 0 || (uint32_t)made != bytes)
        return ERR_CORRUPT;
    buf_advance(out, bytes);
    return OK;
}

void cql_body_compress(enum cql_compression compression, struct buf *out, size_t at)
{
    if (buf_error(out) != OK || compression == CQL_UNCOMPRESSED)
        return;
    size_t from = at + CQL_HEADER_BYTES, bytes = out->bytes - from, made = 0;
    if (bytes < COMPRESS_BYTES_MIN || bytes > LZ4_MAX_INPUT_SIZE)
        return;
    if (compression == CQL_LZ4) {
        int bound = LZ4_compressBound((int)bytes);
        uint8_t *to = buf_reserve(out, (size_t)bound + 4);
        if (!to)
            return;
        put_be32(to, (uint32_t)bytes);
        int block =
            LZ4_compress_default((char *)out->ptr + from, (char *)to + 4, (int)bytes, bound);
        made = block > 0 ? (size_t)block + 4 : bytes;
    } else {
        made = snappy_max_compressed_length(bytes);
        uint8_t *to = buf_reserve(out, made);
        if (!to || snappy_compress((char *)out->ptr + from, bytes, (char *)to, &made) != SNAPPY_OK)
            return;
    }
    if (made >= bytes)
        return;
    memmove(out->ptr + from, out->ptr + out->bytes, made);
    buf_truncate(out, from + made);
    out->ptr[at + 1] |= CQL_FLAG_COMPRESSED;
    buf_patch_be32(out, at + 5, (uint32_t)made);
}
