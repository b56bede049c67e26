/* SPDX-License-Identifier: MIT */
/*
 * Reading what counts as said (Kafka's read_committed): up to the last stable offset, without
 * markers and without the records of transactions that were aborted. Streams, queries and commands
 * read so; the Kafka door gives clients the raw batches and the list of what was aborted.
 */
#include "log/store.h"

#include "base/mem.h"

enum { ABORTED_BYTES_MAX = 64 << 20 };

static bool is_aborted(const struct log_aborted *aborted, size_t count,
                       const struct record_batch *batch)
{
    if (!(batch->attributes & BATCH_TRANSACTIONAL))
        return false;
    for (size_t i = 0; i < count; i++)
        if (aborted[i].producer_id == batch->producer_id &&
            aborted[i].first_offset <= batch->base_offset &&
            batch->base_offset <= aborted[i].last_offset)
            return true;
    return false;
}

/* Moves the batches that stay together. */
static enum err leave_out(struct log_partition *partition, int64_t from, int64_t to, size_t start,
                          struct buf *out)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = ABORTED_BYTES_MAX};
    struct log_aborted *aborted = NULL;
    size_t kept = start, count = 0;
    bool asked = false;
    for (size_t at = start; at < out->bytes;) {
        struct record_batch batch;
        TRY(record_batch_parse(out->ptr + at, out->bytes - at, false, &batch));
        bool leave = batch.attributes & BATCH_CONTROL;
        if (!leave && batch.attributes & BATCH_TRANSACTIONAL && !asked) {
            /* The first batch may begin in front of from. */
            int64_t first = batch.base_offset < from ? batch.base_offset : from;
            count = log_aborted(partition, first, to, &arena, &aborted);
            asked = true;
        }
        if (!leave && !is_aborted(aborted, count, &batch)) {
            if (kept != at)
                memmove(out->ptr + kept, out->ptr + at, batch.bytes_count);
            kept += batch.bytes_count;
        }
        at += batch.bytes_count;
    }
    buf_truncate(out, kept);
    return OK;
}

enum err log_read_committed(struct log_partition *partition, int64_t offset, size_t bytes_max,
                            struct buf *out, struct log_read *ret_read)
{
    size_t start = out->bytes;
    struct log_read read;
    TRY(log_read_stable(partition, offset, bytes_max, out, &read));
    enum err err =
        partition->log->remote ? OK : leave_out(partition, offset, read.offset_next, start, out);
    if (err != OK) {
        buf_truncate(out, start);
        return err;
    }
    *ret_read = read;
    return OK;
}
