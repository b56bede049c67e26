/* SPDX-License-Identifier: MIT */
/*
 * Kafka record batches v2: read, walked and built (Apache Kafka's message format, KIP-98).
 *
 * A record, numbers zigzag varints: length, attributes i8 (0), timestamp delta, offset delta, key
 * length (-1 = null), key, value length (-1 = null), value, header count, then per header: key
 * length, key, value length (-1 = null), value.
 *
 * Parsing looks at the header only: 61 bytes and, when asked, the sum. Walking checks everything
 * that it passes, headers of records too, so that record_header_next() over headers_raw cannot
 * meet damage. Sums of timestamps are modulo 2^64: hostile deltas give odd times, nothing worse.
 */
#include "log/record_batch.h"

#include "base/check.h"
#include "base/crc32c.h"

enum {
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    LENGTH_PREFIX = 12,
    LENGTH_MIN = RECORD_BATCH_HEADER - LENGTH_PREFIX,
};

enum err record_batch_parse(const void *data, size_t bytes, bool check_crc,
                            struct record_batch *ret_batch)
{
    const uint8_t *at = data;
    if (bytes < AT_CRC)
        return ERR_TRUNCATED;
    int32_t length = (int32_t)get_be32(at + 8);
    if (length < LENGTH_MIN || at[16] != RECORD_BATCH_MAGIC)
        return ERR_CORRUPT;
    size_t whole = (size_t)length + LENGTH_PREFIX;
    if (bytes < whole)
        return ERR_TRUNCATED;
    struct record_batch batch = {
        .base_offset = (int64_t)get_be64(at),
        .batch_length = length,
        .leader_epoch = (int32_t)get_be32(at + 12),
        .crc = get_be32(at + AT_CRC),
        .attributes = (int16_t)get_be16(at + AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)get_be32(at + 23),
        .base_timestamp = (int64_t)get_be64(at + 27),
        .max_timestamp = (int64_t)get_be64(at + 35),
        .producer_id = (int64_t)get_be64(at + 43),
        .producer_epoch = (int16_t)get_be16(at + 51),
        .base_sequence = (int32_t)get_be32(at + 53),
        .count = (int32_t)get_be32(at + 57),
        .bytes = at,
        .bytes_count = whole,
    };
    if (batch.count < 0 || batch.last_offset_delta < 0)
        return ERR_CORRUPT;
    if (check_crc && crc32c(0, at + AT_ATTRIBUTES, whole - AT_ATTRIBUTES) != batch.crc)
        return ERR_CORRUPT;
    *ret_batch = batch;
    return OK;
}

/* ---- walking ------------------------------------------------------------------------------ */

enum err record_iterator_init(struct record_iterator *it, const struct record_batch *batch,
                              size_t bytes_max)
{
    *it = (struct record_iterator){.batch = *batch};
    const uint8_t *records = batch->bytes + RECORD_BATCH_HEADER;
    size_t bytes = batch->bytes_count - RECORD_BATCH_HEADER;
    enum codec codec = record_batch_codec(batch);
    if (!codec_name(codec))
        return ERR_CORRUPT;
    if (codec == CODEC_NONE) {
        if (bytes > bytes_max)
            return ERR_LIMIT;
        it->reader = reader_of(records, bytes);
        return OK;
    }
    buf_init(&it->inflated, bytes_max ? bytes_max : 1);
    /* A compacted batch may have nothing left in it. */
    if (bytes == 0 && batch->count == 0)
        return OK;
    enum err err = decompress_bytes(codec, records, bytes, bytes_max, &it->inflated);
    if (err != OK) {
        buf_deinit(&it->inflated);
        return err;
    }
    it->reader = reader_of(it->inflated.ptr, it->inflated.bytes);
    return OK;
}

void record_iterator_deinit(struct record_iterator *it)
{
    buf_deinit(&it->inflated);
}

/* A length of -1 is null; other negative ones are damage. */
static struct str read_bytes(struct reader *r)
{
    int64_t bytes = reader_varint(r, 32);
    if (bytes == -1)
        return STR_NONE;
    if (bytes < 0) {
        reader_fail(r, ERR_CORRUPT);
        return STR_NONE;
    }
    return reader_str(r, (size_t)bytes);
}

static bool read_header(struct reader *r, struct record_header *ret_header)
{
    struct record_header header = {.key = read_bytes(r)};
    if (!header.key.ptr)
        reader_fail(r, ERR_CORRUPT);
    header.value = read_bytes(r);
    if (r->err != OK)
        return false;
    *ret_header = header;
    return true;
}

bool record_header_next(struct str *raw, struct record_header *ret_header)
{
    struct reader r = reader_of(raw->ptr, raw->bytes);
    bool more = raw->bytes > 0 && read_header(&r, ret_header);
    *raw = more ? str_from(r.ptr, r.left) : STR_NONE;
    return more;
}

static void read_record(struct reader *r, const struct record_batch *batch,
                        struct record *ret_record)
{
    reader_u8(r); /* attributes: none are defined */
    int64_t timestamp_delta = reader_varint(r, 64);
    int64_t offset_delta = reader_varint(r, 32);
    struct record record = {.key = read_bytes(r)};
    record.value = read_bytes(r);
    int64_t headers = reader_varint(r, 32);
    if (offset_delta < 0 || offset_delta > batch->last_offset_delta || headers < 0)
        reader_fail(r, ERR_CORRUPT);
    record.headers_raw = str_from(r->ptr, r->left);
    struct record_header header;
    for (int64_t i = 0; i < headers && read_header(r, &header); i++)
        ;
    if (r->err == OK && r->left > 0)
        reader_fail(r, ERR_CORRUPT);
    if (r->err != OK)
        return;
    record.header_count = (uint32_t)headers;
    record.offset = (int64_t)((uint64_t)batch->base_offset + (uint64_t)offset_delta);
    record.timestamp_ms =
        batch->attributes & BATCH_LOG_APPEND_TIME
            ? batch->max_timestamp
            : (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)timestamp_delta);
    *ret_record = record;
}

bool record_iterator_next(struct record_iterator *it, struct record *ret_record)
{
    struct reader *r = &it->reader;
    if (it->index >= it->batch.count) {
        if (r->err == OK && r->left > 0)
            reader_fail(r, ERR_CORRUPT);
        return false;
    }
    int64_t bytes = reader_varint(r, 32);
    if (bytes < 0)
        reader_fail(r, ERR_CORRUPT);
    struct str body = reader_str(r, bytes < 0 ? 0 : (size_t)bytes);
    if (r->err != OK)
        return false;
    struct reader inner = reader_of(body.ptr, body.bytes);
    read_record(&inner, &it->batch, ret_record);
    if (inner.err != OK) {
        reader_fail(r, ERR_CORRUPT);
        return false;
    }
    it->index++;
    return true;
}

/* ---- building ----------------------------------------------------------------------------- */

void record_batch_builder_init(struct record_batch_builder *b, enum codec codec, size_t bytes_max)
{
    *b = (struct record_batch_builder){
        .codec = codec, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    buf_init(&b->records, bytes_max);
}

void record_batch_builder_deinit(struct record_batch_builder *b)
{
    buf_deinit(&b->records);
}

static size_t varint_bytes(int64_t value)
{
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    size_t bytes = 1;
    for (; zigzag >= 128; zigzag >>= 7)
        bytes++;
    return bytes;
}

static size_t str_size(struct str s)
{
    return s.ptr ? varint_bytes((int64_t)s.bytes) + s.bytes : 1;
}

static void put_str(struct buf *out, struct str s)
{
    buf_varint(out, s.ptr ? (int64_t)s.bytes : -1);
    buf_str_append(out, s);
}

void record_batch_builder_add(struct record_batch_builder *b, int64_t timestamp_ms, struct str key,
                              struct str value, const struct record_header *headers,
                              size_t header_count)
{
    struct buf *out = &b->records;
    if (key.bytes > INT32_MAX || value.bytes > INT32_MAX || b->count == INT32_MAX) {
        out->err = ERR_LIMIT;
        return;
    }
    if (b->count == 0)
        b->base_timestamp = b->max_timestamp = timestamp_ms;
    int64_t delta = (int64_t)((uint64_t)timestamp_ms - (uint64_t)b->base_timestamp);
    size_t bytes = 1 + varint_bytes(delta) + varint_bytes(b->count) + str_size(key) +
                   str_size(value) + varint_bytes((int64_t)header_count);
    for (size_t i = 0; i < header_count; i++)
        bytes += str_size(headers[i].key) + str_size(headers[i].value);
    buf_varint(out, (int64_t)bytes);
    buf_u8(out, 0);
    buf_varint(out, delta);
    buf_varint(out, b->count);
    put_str(out, key);
    put_str(out, value);
    buf_varint(out, (int64_t)header_count);
    for (size_t i = 0; i < header_count; i++) {
        put_str(out, headers[i].key.ptr ? headers[i].key : STR(""));
        put_str(out, headers[i].value);
    }
    if (timestamp_ms > b->max_timestamp)
        b->max_timestamp = timestamp_ms;
    b->count++;
}

static void put_batch_header(const struct record_batch_builder *b, struct buf *out)
{
    buf_be64(out, 0); /* the log gives the offset */
    buf_be32(out, 0); /* length: patched */
    buf_be32(out, (uint32_t)-1);
    buf_u8(out, RECORD_BATCH_MAGIC);
    buf_be32(out, 0); /* sum: patched */
    buf_be16(out, (uint16_t)((b->attributes & ~BATCH_CODEC_MASK) | (int)b->codec));
    buf_be32(out, (uint32_t)(b->count - 1));
    buf_be64(out, (uint64_t)b->base_timestamp);
    buf_be64(out, (uint64_t)b->max_timestamp);
    buf_be64(out, (uint64_t)b->producer_id);
    buf_be16(out, (uint16_t)b->producer_epoch);
    buf_be32(out, (uint32_t)b->base_sequence);
    buf_be32(out, (uint32_t)b->count);
}

enum err record_batch_builder_finish(struct record_batch_builder *b, struct buf *out)
{
    size_t start = out->bytes;
    enum err err = buf_error(&b->records);
    if (err == OK && b->count > 0) {
        put_batch_header(b, out);
        err = compress_bytes(b->codec, b->records.ptr, b->records.bytes, out);
        if (err == OK)
            err = buf_error(out);
        size_t bytes = out->bytes - start;
        if (err == OK && bytes > INT32_MAX)
            err = ERR_LIMIT;
        if (err == OK) {
            buf_patch_be32(out, start + 8, (uint32_t)(bytes - LENGTH_PREFIX));
            uint32_t crc = crc32c(0, out->ptr + start + AT_ATTRIBUTES, bytes - AT_ATTRIBUTES);
            buf_patch_be32(out, start + AT_CRC, crc);
        } else {
            buf_truncate(out, start);
        }
    }
    buf_reset(&b->records);
    b->count = 0;
    return err;
}
