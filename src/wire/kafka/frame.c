/* SPDX-License-Identifier: MIT */
/*
 * Headers of requests and answers.
 *
 * A request: key, version, correlation id, client id (16-bit length, never compact, also in
 * flexible versions), and tagged fields where the body is flexible. An answer: correlation id, and
 * tagged fields where the body is flexible; but never for ApiVersions, whose sender does not know
 * yet what the other side understands.
 */
#include "wire/kafka/kafka.h"

/* Key, version and correlation id: there is no header without them. */
enum { HEADER_BYTES_MIN = 8 };

enum err kafka_request_header(struct str frame, struct kafka_request_header *ret_header)
{
    struct reader r = reader_of(frame.ptr, frame.bytes);
    if (frame.bytes < HEADER_BYTES_MIN)
        return ERR_TRUNCATED;
    struct kafka_request_header header = {.api_key = (int16_t)reader_be16(&r)};
    header.api_version = (int16_t)reader_be16(&r);
    header.correlation_id = (int32_t)reader_be32(&r);
    const struct kafka_api *api = kafka_api_find(header.api_key);
    if (!api || header.api_version < api->request->version_min ||
        header.api_version > api->request->version_max) {
        *ret_header = header;
        return ERR_UNSUPPORTED;
    }
    int16_t length = (int16_t)reader_be16(&r);
    if (length < -1)
        return r.err == OK ? ERR_CORRUPT : r.err;
    if (length >= 0)
        header.client_id = reader_str(&r, (size_t)length);
    if (header.api_version >= api->request->flexible_from) {
        uint64_t tags = reader_uvarint(&r, 32);
        for (uint64_t i = 0; i < tags && r.err == OK; i++) {
            (void)reader_uvarint(&r, 32);
            (void)reader_take(&r, (size_t)reader_uvarint(&r, 32));
        }
    }
    TRY(r.err);
    header.bytes = frame.bytes - r.left;
    *ret_header = header;
    return OK;
}

size_t kafka_response_begin(int16_t api_key, int16_t api_version, int32_t correlation_id,
                            struct buf *out)
{
    const struct kafka_api *api = kafka_api_find(api_key);
    size_t at = out->bytes;
    buf_be32(out, 0);
    buf_be32(out, (uint32_t)correlation_id);
    if (api && api_key != KAFKA_KEY_API_VERSIONS && api_version >= api->response->flexible_from)
        buf_uvarint(out, 0);
    return at;
}

size_t kafka_request_begin(int16_t api_key, int16_t api_version, int32_t correlation_id,
                           struct str client_id, struct buf *out)
{
    const struct kafka_api *api = kafka_api_find(api_key);
    size_t at = out->bytes;
    buf_be32(out, 0);
    buf_be16(out, (uint16_t)api_key);
    buf_be16(out, (uint16_t)api_version);
    buf_be32(out, (uint32_t)correlation_id);
    buf_be16(out, (uint16_t)(client_id.ptr ? (int16_t)client_id.bytes : -1));
    buf_str_append(out, client_id);
    if (api && api_version >= api->request->flexible_from)
        buf_uvarint(out, 0);
    return at;
}

void kafka_frame_end(struct buf *out, size_t at)
{
    if (buf_error(out) == OK)
        buf_patch_be32(out, at, (uint32_t)(out->bytes - at - 4));
}
