/* SPDX-License-Identifier: MIT */
/*
 * What producers did, on the disk: in the checkpoint for the end that it tells of, and beside each
 * segment for its beginning ("P-OFFSET.producers", when there was a producer by then). A snapshot
 * is durable before its segment is made, so one that is missing means that there was none. It goes
 * with its segment; the state is kept by the snapshots behind.
 *
 * File:   0 magic "MRP1"   4 crc32c of the rest   8 state
 * State:  producers u32, aborted transactions u32; then
 *   producers, 40 bytes + 24 for each batch: id i64, epoch i16, batches u16, epoch of the
 *     coordinator i32, first offset of its open transaction i64 (-1 none), last timestamp i64, last
 *     seen i64 (wall time, ms); batches, oldest first: first and last sequence i32, base offset
 *     i64, timestamp i64
 *   aborted transactions, 32 bytes: producer i64, first offset i64, offset of the marker i64, last
 *     stable offset after it i64
 *
 * A snapshot tells of the aborted transactions whose marker is in the segment before it; so opening
 * gathers them from all snapshots. One that is damaged is made up for by walking the segments.
 */
#include "log/store.h"

#include "base/crc32c.h"
#include "base/mem.h"

#include <stdlib.h>

enum {
    MAGIC = 0x4D525031,
    HEADER = 8,
    ABORTED_BYTES = 32,
    FILE_BYTES_MAX = 256 << 20,
};
#define SUFFIX ".producers"

/* ---- writing ------------------------------------------------------------------------------- */

static void put_entry(struct buf *out, const struct log_producer_entry *entry)
{
    buf_be64(out, (uint64_t)entry->producer_id);
    buf_be16(out, (uint16_t)entry->epoch);
    buf_be16(out, entry->batch_count);
    buf_be32(out, (uint32_t)entry->coordinator_epoch);
    buf_be64(out, (uint64_t)entry->txn_first_offset);
    buf_be64(out, (uint64_t)entry->last_timestamp_ms);
    buf_be64(out, (uint64_t)entry->seen_ms);
    for (uint32_t i = 0; i < entry->batch_count; i++) {
        const struct log_producer_batch *batch = &entry->batches[i];
        buf_be32(out, (uint32_t)batch->first_sequence);
        buf_be32(out, (uint32_t)batch->last_sequence);
        buf_be64(out, (uint64_t)batch->base_offset);
        buf_be64(out, (uint64_t)batch->timestamp_ms);
    }
}

static void put_aborted(struct buf *out, const struct log_producers *producers, int64_t from,
                        int64_t until)
{
    for (uint32_t i = 0; i < producers->aborted_count; i++) {
        const struct log_aborted_txn *txn = &producers->aborted[i];
        if (txn->last_offset < from || txn->last_offset >= until)
            continue;
        buf_be64(out, (uint64_t)txn->producer_id);
        buf_be64(out, (uint64_t)txn->first_offset);
        buf_be64(out, (uint64_t)txn->last_offset);
        buf_be64(out, (uint64_t)txn->stable_end);
    }
}

void log_producers_put(const struct log_partition *partition, int64_t from, struct buf *out)
{
    const struct log_producers *producers = partition->producers;
    size_t start = out->bytes;
    buf_be32(out, producers->count);
    buf_be32(out, 0);
    for (uint32_t i = 0; i < producers->count; i++)
        put_entry(out, &producers->entries[i]);
    size_t before = out->bytes;
    put_aborted(out, producers, from, INT64_MAX);
    if (buf_error(out) == OK)
        buf_patch_be32(out, start + 4, (uint32_t)((out->bytes - before) / ABORTED_BYTES));
}

static enum err save(struct log_partition *partition, int64_t base_offset, struct buf *out)
{
    struct log_segment named = {.partition = partition, .base_offset = base_offset};
    struct log_path path;
    TRY(buf_error(out));
    buf_patch_be32(out, 4, crc32c(0, out->ptr + HEADER, out->bytes - HEADER));
    log_segment_path(&named, SUFFIX, &path);
    return io_path_replace(partition->log->io, path.text, out->ptr, out->bytes);
}

enum err log_snapshot_save(struct log_partition *partition)
{
    CLEAN(buf_deinit) struct buf out = {0};
    const struct log_producers *producers = partition->producers;
    const struct log_segment *active = log_partition_active(partition);
    if (!producers || (producers->count == 0 && producers->aborted_count == 0))
        return OK;
    buf_be32(&out, MAGIC);
    buf_be32(&out, 0);
    log_producers_put(partition, active ? active->base_offset : 0, &out);
    return save(partition, partition->end, &out);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void get_entry(struct log_producers *producers, struct reader *r, bool keep)
{
    struct log_producer_entry entry = {0};
    entry.producer_id = (int64_t)reader_be64(r);
    entry.epoch = (int16_t)reader_be16(r);
    entry.batch_count = reader_be16(r);
    entry.coordinator_epoch = (int32_t)reader_be32(r);
    entry.txn_first_offset = (int64_t)reader_be64(r);
    entry.last_timestamp_ms = (int64_t)reader_be64(r);
    entry.seen_ms = (int64_t)reader_be64(r);
    if (entry.batch_count > LOG_PRODUCER_BATCHES || entry.producer_id < 0 || entry.epoch < 0 ||
        entry.txn_first_offset < -1)
        reader_fail(r, ERR_CORRUPT);
    for (uint32_t i = 0; r->err == OK && i < entry.batch_count; i++) {
        entry.batches[i].first_sequence = (int32_t)reader_be32(r);
        entry.batches[i].last_sequence = (int32_t)reader_be32(r);
        entry.batches[i].base_offset = (int64_t)reader_be64(r);
        entry.batches[i].timestamp_ms = (int64_t)reader_be64(r);
    }
    if (r->err == OK && keep && !log_producer_find(producers, entry.producer_id))
        *log_producers_add(producers, entry.producer_id) = entry;
}

static void get_aborted(struct log_producers *producers, struct reader *r, int64_t from)
{
    struct log_aborted_txn txn;
    txn.producer_id = (int64_t)reader_be64(r);
    txn.first_offset = (int64_t)reader_be64(r);
    txn.last_offset = (int64_t)reader_be64(r);
    txn.stable_end = (int64_t)reader_be64(r);
    uint32_t count = producers->aborted_count;
    if (r->err != OK || txn.last_offset < from ||
        (count && producers->aborted[count - 1].last_offset >= txn.last_offset))
        return;
    log_txn_add_aborted(producers, txn);
}

static int by_first_offset(const void *a, const void *b)
{
    const struct log_open_txn *x = a, *y = b;
    return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

/* Open transactions follow from the entries. */
static void find_open(struct log_producers *producers)
{
    producers->open_count = 0;
    for (uint32_t i = 0; i < producers->count; i++)
        if (producers->entries[i].txn_first_offset >= 0)
            log_txn_add_open(producers, producers->entries[i].producer_id,
                             producers->entries[i].txn_first_offset);
    if (producers->open_count)
        qsort(producers->open, producers->open_count, sizeof *producers->open, by_first_offset);
}

enum err log_producers_get(struct log_partition *partition, struct reader *r, int64_t from,
                           bool with_entries)
{
    struct log_producers *producers = log_producers_need(partition);
    uint32_t count = reader_be32(r), aborted = reader_be32(r);
    for (uint32_t i = 0; i < count && r->err == OK; i++)
        get_entry(producers, r, with_entries);
    for (uint32_t i = 0; i < aborted && r->err == OK; i++)
        get_aborted(producers, r, from);
    if (with_entries)
        find_open(producers);
    return r->err;
}

static enum err load(struct log_partition *partition, size_t index, bool with_entries)
{
    const struct log_segment *segment = partition->segments[index];
    int64_t from = partition->segments[index ? index - 1 : 0]->base_offset;
    CLEAN(buf_deinit) struct buf in = {0};
    struct log_path path;
    log_segment_path(segment, SUFFIX, &path);
    TRY(io_path_read(partition->log->io, path.text, FILE_BYTES_MAX, &in));
    if (in.bytes < HEADER || get_be32(in.ptr) != MAGIC ||
        get_be32(in.ptr + 4) != crc32c(0, in.ptr + HEADER, in.bytes - HEADER))
        return ERR_CORRUPT;
    struct reader r = reader_of(in.ptr + HEADER, in.bytes - HEADER);
    return log_producers_get(partition, &r, from, with_entries) == OK && r.left == 0 ? OK
                                                                                     : ERR_CORRUPT;
}

/* A snapshot was damaged: what the finished segments tell. */
static enum err walk(struct log_partition *partition)
{
    int64_t now_ms = log_wall_ms(partition->log);
    for (size_t i = 0; i + 1 < partition->segment_count; i++) {
        struct io_file *file;
        struct log_scan scan;
        TRY(log_segment_use(partition->segments[i], &file));
        log_scan_init(&scan, file, 0, partition->segments[i]->bytes, false);
        while (log_scan_next(&scan))
            log_producer_replay(partition, &scan.batch, now_ms);
        enum err err = scan.err;
        log_scan_deinit(&scan);
        log_segment_release(partition->segments[i]);
        TRY(err);
    }
    return OK;
}

enum err log_snapshots_load(struct log_partition *partition, bool with_entries)
{
    struct log_producers *known = partition->producers;
    bool damaged = false;
    if (!partition->snapshot_files)
        return OK;
    /* Those of the checkpoint come behind those of the segments. */
    partition->producers = NULL;
    for (size_t i = 0; i < partition->segment_count && !damaged; i++) {
        bool last = i + 1 == partition->segment_count;
        enum err err = load(partition, i, last && with_entries);
        if (err != OK && err != ERR_NOT_FOUND && err != ERR_CORRUPT) {
            log_producers_free(known);
            return err;
        }
        damaged = err == ERR_CORRUPT;
    }
    if (damaged) {
        log_producers_free(partition->producers);
        partition->producers = NULL;
        enum err err = walk(partition);
        if (err != OK) {
            log_producers_free(known);
            return err;
        }
    }
    if (with_entries || !known) {
        log_producers_free(known);
        return OK;
    }
    struct log_producers *older = partition->producers;
    partition->producers = known;
    if (older)
        log_txn_put_before(known, older);
    log_producers_free(older);
    return OK;
}

/* ---- compaction ---------------------------------------------------------------------------- */

enum err log_snapshot_prune(struct log_partition *partition, size_t index)
{
    CLEAN(buf_deinit) struct buf out = {0};
    CLEAN(buf_deinit) struct buf in = {0};
    struct log_path path;
    const struct log_segment *next = partition->segments[index + 1];
    int64_t from = partition->segments[index]->base_offset;
    log_segment_path(next, SUFFIX, &path);
    TRY(io_path_read(partition->log->io, path.text, FILE_BYTES_MAX, &in));
    if (in.bytes < HEADER + 8)
        return ERR_CORRUPT;
    /* The producers as they were, the transactions as they are. */
    size_t aborted_bytes = (size_t)get_be32(in.ptr + HEADER + 4) * ABORTED_BYTES;
    if (aborted_bytes > in.bytes - HEADER - 8)
        return ERR_CORRUPT;
    buf_append(&out, in.ptr, in.bytes - aborted_bytes);
    size_t before = out.bytes;
    put_aborted(&out, partition->producers, from, next->base_offset);
    TRY(buf_error(&out));
    buf_patch_be32(&out, HEADER + 4, (uint32_t)((out.bytes - before) / ABORTED_BYTES));
    return save(partition, next->base_offset, &out);
}
