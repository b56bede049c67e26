/* SPDX-License-Identifier: MIT */
/*
 * Transactions in a partition: markers, which transactions are open, which were aborted.
 *
 * A marker is a control batch of one record:
 *   key    version i16 = 0, type i16 (0 abort, 1 commit)
 *   value  version i16 = 0, epoch of the coordinator i32
 */
#include "log/store.h"

#include "base/check.h"

enum { MARKER_VERSION = 0, MARKER_ABORT = 0, MARKER_COMMIT = 1, MARKER_BYTES_MAX = 1 << 10 };

void log_marker_encode(int64_t producer_id, int16_t producer_epoch, bool commit,
                       int32_t coordinator_epoch, int64_t timestamp_ms, struct buf *out)
{
    struct record_batch_builder builder;
    uint8_t key[4], value[6];
    put_be16(key, MARKER_VERSION);
    put_be16(key + 2, commit ? MARKER_COMMIT : MARKER_ABORT);
    put_be16(value, MARKER_VERSION);
    put_be32(value + 2, (uint32_t)coordinator_epoch);
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    builder.producer_id = producer_id;
    builder.producer_epoch = producer_epoch;
    builder.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    record_batch_builder_add(&builder, timestamp_ms, str_from(key, sizeof key),
                             str_from(value, sizeof value), NULL, 0);
    enum err err = record_batch_builder_finish(&builder, out);
    if (err != OK && out->err == OK)
        out->err = err;
    record_batch_builder_deinit(&builder);
}

enum err log_marker_decode(const struct record_batch *batch, bool *ret_commit,
                           int32_t *ret_coordinator_epoch)
{
    struct record_iterator it;
    struct record record;
    if (!(batch->attributes & BATCH_CONTROL) || batch->producer_id < 0)
        return ERR_CORRUPT;
    TRY(record_iterator_init(&it, batch, MARKER_BYTES_MAX));
    uint16_t type = UINT16_MAX;
    uint32_t epoch = 0;
    enum err err = record_iterator_next(&it, &record) ? OK : ERR_CORRUPT;
    if (err == OK) {
        struct reader key = reader_of(record.key.ptr, record.key.bytes);
        struct reader value = reader_of(record.value.ptr, record.value.bytes);
        reader_be16(&key);
        type = reader_be16(&key);
        reader_be16(&value);
        epoch = reader_be32(&value);
        if (key.err != OK || value.err != OK || type > MARKER_COMMIT)
            err = ERR_CORRUPT;
    }
    record_iterator_deinit(&it);
    TRY(err);
    *ret_commit = type == MARKER_COMMIT;
    if (ret_coordinator_epoch)
        *ret_coordinator_epoch = (int32_t)epoch;
    return OK;
}
