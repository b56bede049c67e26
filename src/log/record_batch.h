/* SPDX-License-Identifier: MIT */
#ifndef LOG_RECORD_BATCH_H
#define LOG_RECORD_BATCH_H

#include "base/compress.h"
#include "base/reader.h"

/*
 * Kafka record batch v2: the one form of records on disk and on the wire. Big endian.
 *
 *   0 baseOffset i64        8 batchLength i32 (bytes behind it)   12 partitionLeaderEpoch i32
 *  16 magic i8 = 2         17 crc u32 (CRC-32C of 21..end)        21 attributes i16
 *  23 lastOffsetDelta i32  27 baseTimestamp i64 (ms)              35 maxTimestamp i64
 *  43 producerId i64       51 producerEpoch i16                   53 baseSequence i32
 *  57 count i32            61 records (compressed as a whole when the codec says so)
 */
enum { RECORD_BATCH_HEADER = 61, RECORD_BATCH_MAGIC = 2 };
enum record_batch_attributes {
    BATCH_CODEC_MASK = 7,
    BATCH_LOG_APPEND_TIME = 8,
    BATCH_TRANSACTIONAL = 16,
    BATCH_CONTROL = 32,
    BATCH_DELETE_HORIZON = 64,
};

struct record_batch {
    int64_t base_offset;
    int32_t batch_length;
    int32_t leader_epoch;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;
    const uint8_t *bytes; /* the whole batch, borrowed */
    size_t bytes_count;   /* 12 + batch_length */
};

/* Reads the header at data: ERR_TRUNCATED when the batch does not end within bytes, ERR_CORRUPT
 * (magic, lengths). check_crc also sums the content. */
enum err record_batch_parse(const void *data, size_t bytes, bool check_crc,
                            struct record_batch *ret_batch) MUST_USE;
static inline enum codec record_batch_codec(const struct record_batch *batch)
{
    return (enum codec)(batch->attributes & BATCH_CODEC_MASK);
}

struct record_header {
    struct str key;
    struct str value; /* ptr NULL = null */
};
struct record {
    int64_t offset;
    int64_t timestamp_ms;
    struct str key;   /* ptr NULL = null */
    struct str value; /* ptr NULL = null (a tombstone) */
    uint32_t header_count;
    struct str headers_raw; /* record_header_next() */
};

/* Walks the records of a batch. decompress holds the inflated records; borrowed until deinit. */
struct record_iterator {
    struct reader reader;
    struct record_batch batch;
    int32_t index;
    struct buf inflated;
};
/* ERR_CORRUPT, ERR_LIMIT when the records inflate over bytes_max. The batch's bytes are borrowed.
 */
enum err record_iterator_init(struct record_iterator *it, const struct record_batch *batch,
                              size_t bytes_max) MUST_USE;
void record_iterator_deinit(struct record_iterator *it);
/* False at the end or after an error: ask it->reader.err. */
bool record_iterator_next(struct record_iterator *it, struct record *ret_record);
/* raw is what is left; false at the end. */
bool record_header_next(struct str *raw, struct record_header *ret_header);

/* Builds a batch. Zeroed memory + init; add records; finish appends the batch to out. */
struct record_batch_builder {
    struct buf records;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int32_t count;
    enum codec codec;
    int64_t producer_id; /* -1 = none */
    int16_t producer_epoch;
    int32_t base_sequence;
    int16_t attributes;
};
void record_batch_builder_init(struct record_batch_builder *b, enum codec codec, size_t bytes_max);
void record_batch_builder_deinit(struct record_batch_builder *b);
void record_batch_builder_add(struct record_batch_builder *b, int64_t timestamp_ms, struct str key,
                              struct str value, const struct record_header *headers,
                              size_t header_count);
/* ERR_LIMIT. Leaves the builder empty for the next batch. Without records nothing is appended. */
enum err record_batch_builder_finish(struct record_batch_builder *b, struct buf *out) MUST_USE;

#endif
