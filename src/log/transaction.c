/* SPDX-License-Identifier: MIT */
/*
 * Transactions in a partition: markers, which transactions are open, which were aborted.
 *
 * A marker is a control batch of one record:
 *   key    version i16 = 0, type i16 (0 abort, 1 commit)
 *   value  version i16 = 0, epoch of the coordinator i32
 */
#include "log/store.h"

#include "base/mem.h"

#include <stdlib.h>

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

/* ---- open and aborted ---------------------------------------------------------------------- */

int64_t log_txn_stable_end(const struct log_partition *partition)
{
    const struct log_producers *producers = partition->producers;
    if (!producers || !producers->open_count)
        return partition->end;
    int64_t first = producers->open[0].first_offset;
    if (first < partition->start)
        return partition->start;
    return first < partition->end ? first : partition->end;
}

static bool is_open(const struct log_producers *producers, int64_t producer_id)
{
    for (uint32_t i = 0; i < producers->open_count; i++)
        if (producers->open[i].producer_id == producer_id)
            return true;
    return false;
}

void log_txn_add_open(struct log_producers *producers, int64_t producer_id, int64_t first_offset)
{
    if (producers->open_count == producers->open_room) {
        producers->open_room = producers->open_room ? producers->open_room * 2 : 2;
        producers->open =
            mem_realloc_array(producers->open, producers->open_room, sizeof *producers->open);
    }
    producers->open[producers->open_count++] = (struct log_open_txn){producer_id, first_offset};
}

void log_txn_add_aborted(struct log_producers *producers, struct log_aborted_txn txn)
{
    if (producers->aborted_count == producers->aborted_room) {
        producers->aborted_room = producers->aborted_room ? producers->aborted_room * 2 : 4;
        producers->aborted = mem_realloc_array(producers->aborted, producers->aborted_room,
                                               sizeof *producers->aborted);
    }
    producers->aborted[producers->aborted_count++] = txn;
}

static void end(struct log_producers *producers, const struct record_batch *marker, bool commit)
{
    uint32_t i = 0;
    while (i < producers->open_count && producers->open[i].producer_id != marker->producer_id)
        i++;
    if (i == producers->open_count)
        return;
    int64_t first = producers->open[i].first_offset;
    producers->open_count--;
    memmove(&producers->open[i], &producers->open[i + 1],
            (producers->open_count - i) * sizeof *producers->open);
    if (commit)
        return;
    int64_t last = marker->base_offset + marker->last_offset_delta;
    int64_t stable = producers->open_count ? producers->open[0].first_offset : last + 1;
    log_txn_add_aborted(producers,
                        (struct log_aborted_txn){marker->producer_id, first, last, stable});
}

void log_txn_note(struct log_partition *partition, const struct record_batch *batch)
{
    struct log_producers *producers = log_producers_need(partition);
    bool commit;
    if (!(batch->attributes & BATCH_CONTROL)) {
        if (!is_open(producers, batch->producer_id))
            log_txn_add_open(producers, batch->producer_id, batch->base_offset);
    } else if (log_marker_decode(batch, &commit, NULL) == OK) {
        end(producers, batch, commit);
    }
}

void log_txn_put_before(struct log_producers *producers, const struct log_producers *older)
{
    struct log_aborted_txn *newer = producers->aborted;
    uint32_t count = producers->aborted_count;
    producers->aborted = NULL;
    producers->aborted_count = producers->aborted_room = 0;
    for (uint32_t i = 0; i < older->aborted_count; i++)
        if (count == 0 || older->aborted[i].last_offset < newer[0].last_offset)
            log_txn_add_aborted(producers, older->aborted[i]);
    for (uint32_t i = 0; i < count; i++)
        log_txn_add_aborted(producers, newer[i]);
    mem_free(newer);
}

void log_txn_drop_below(struct log_partition *partition, int64_t offset)
{
    struct log_producers *producers = partition->producers;
    uint32_t gone = 0;
    while (producers && gone < producers->aborted_count &&
           producers->aborted[gone].last_offset < offset)
        gone++;
    if (!gone)
        return;
    producers->aborted_count -= gone;
    memmove(producers->aborted, producers->aborted + gone,
            producers->aborted_count * sizeof *producers->aborted);
}

void log_txn_forget(struct log_partition *partition, int64_t last_offset)
{
    struct log_producers *producers = partition->producers;
    uint32_t kept = 0;
    io_mutex_lock(&partition->log->lock);
    for (uint32_t i = 0; producers && i < producers->aborted_count; i++)
        if (producers->aborted[i].last_offset != last_offset)
            producers->aborted[kept++] = producers->aborted[i];
    if (producers)
        producers->aborted_count = kept;
    io_mutex_unlock(&partition->log->lock);
}

/* ---- for callers --------------------------------------------------------------------------- */

int64_t log_partition_stable_end(const struct log_partition *partition)
{
    io_mutex_lock(&partition->log->lock);
    int64_t stable = log_txn_stable_end(partition);
    io_mutex_unlock(&partition->log->lock);
    return stable;
}

static int by_first(const void *a, const void *b)
{
    const struct log_aborted *x = a, *y = b;
    return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

/* The first whose marker is at or behind the offset. */
static uint32_t aborted_from(const struct log_producers *producers, int64_t offset)
{
    uint32_t from = 0, until = producers->aborted_count;
    while (from < until) {
        uint32_t middle = from + (until - from) / 2;
        if (producers->aborted[middle].last_offset < offset)
            from = middle + 1;
        else
            until = middle;
    }
    return from;
}

size_t log_aborted(struct log_partition *partition, int64_t from, int64_t to, struct arena *arena,
                   struct log_aborted **ret_aborted)
{
    struct log *log = partition->log;
    struct log_aborted *list = NULL;
    size_t count = 0, room = 0;
    io_mutex_lock(&log->lock);
    const struct log_producers *producers = partition->producers;
    uint32_t i = producers ? aborted_from(producers, from) : 0;
    for (; producers && i < producers->aborted_count; i++) {
        const struct log_aborted_txn *txn = &producers->aborted[i];
        if (txn->first_offset < to) {
            if (count == room) {
                room = room ? room * 2 : 8;
                struct log_aborted *more = arena_array(arena, room, sizeof *more);
                if (count)
                    memcpy(more, list, count * sizeof *more);
                list = more;
            }
            list[count++] =
                (struct log_aborted){txn->producer_id, txn->first_offset, txn->last_offset};
        }
        if (txn->stable_end >= to)
            break; /* what ended later began behind */
    }
    io_mutex_unlock(&log->lock);
    if (count)
        qsort(list, count, sizeof *list, by_first);
    *ret_aborted = list;
    return count;
}
