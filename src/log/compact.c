/* SPDX-License-Identifier: MIT */
/*
 * Compaction: of each key the newest record stays, at its offset (clean.c).
 *
 * One walk over the segments that may be compacted notes the newest offset of each key; a second
 * one writes each of them anew where something falls away. Offsets never change, so there are gaps
 * then. May be compacted: finished segments below the last stable offset whose records are older
 * than the smallest lag; the active segment never, and it does not count either, since what it has
 * may be lost still where nothing is synced.
 *
 * Segments that nothing is left of go, but for the first, which says where the partition begins.
 *
 * The new file is written beside the old one, synced, and renamed over it. The journal is emptied
 * first: a frame that lives could be replayed into the new file (J3). Markers of aborts that went
 * are taken from the snapshot before, since an abort without its marker would hide what its
 * producer wrote later; the records of it went in an earlier run.
 *
 * It runs when the share of bytes that came since it ran last is big enough, when the oldest of
 * them waited for the greatest lag, or when a horizon that it set has come.
 */
#include "log/clean.h"

#include "base/mem.h"

static enum err note_segment(struct log_cleaning *c, struct log_segment *segment)
{
    struct io_file *file;
    struct log_scan scan;
    TRY(log_segment_use(segment, &file));
    log_scan_init(&scan, file, 0, segment->bytes, true);
    enum err err = OK;
    while (err == OK && log_scan_next(&scan))
        err = log_cleaning_note(c, &scan.batch);
    if (err == OK)
        err = scan.err;
    if (err == OK && scan.position != segment->bytes)
        err = ERR_CORRUPT;
    log_scan_deinit(&scan);
    log_segment_release(segment);
    return err;
}

/* Writes what stays to the new file; its size. */
static enum err write_rest(struct log_cleaning *c, struct log_segment *segment, struct io_file *to,
                           uint64_t *ret_bytes, bool *ret_changed)
{
    enum { WRITE_BYTES = 1 << 20 };
    CLEAN(buf_deinit) struct buf out = {0};
    struct io_file *from;
    struct log_scan scan;
    uint64_t bytes = 0;
    TRY(log_segment_use(segment, &from));
    log_scan_init(&scan, from, 0, segment->bytes, true);
    enum err err = OK;
    bool more = true, changed = false;
    while (err == OK && more) {
        more = log_scan_next(&scan);
        if (more)
            err = log_cleaning_copy(c, &scan.batch, &out, &changed);
        *ret_changed |= changed;
        if (err == OK && out.bytes && (!more || out.bytes >= WRITE_BYTES)) {
            err = io_file_write(to, bytes, out.ptr, out.bytes);
            bytes += out.bytes;
            buf_reset(&out);
        }
    }
    if (err == OK)
        err = scan.err;
    if (err == OK && scan.position != segment->bytes)
        err = ERR_CORRUPT;
    log_scan_deinit(&scan);
    log_segment_release(segment);
    if (err == OK)
        *ret_bytes = bytes;
    return err;
}

/* The file is in place: readers find the new one from now on. */
static void replace_segment(struct log_partition *partition, size_t index, uint64_t bytes)
{
    struct log *log = partition->log;
    struct log_segment *old = partition->segments[index];
    struct log_segment *segment = log_segment_new(partition, old->base_offset);
    segment->bytes = segment->allocated = bytes;
    segment->created_ms = old->created_ms;
    io_mutex_lock(&log->lock);
    partition->segments[index] = segment;
    old->dropped = true;
    log_cache_forget(&log->cache, partition);
    io_mutex_unlock(&log->lock);
    log_segment_unref(old);
}

static enum err write_new(struct log_cleaning *c, struct log_segment *segment, const char *path,
                          uint64_t *ret_bytes, bool *ret_changed)
{
    struct io_file *to;
    TRY(io_file_open(segment->partition->log->io, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, &to));
    enum err err = write_rest(c, segment, to, ret_bytes, ret_changed);
    if (err == OK && *ret_changed && io_file_sync(to) != OK)
        err = ERR_IO;
    io_file_close(to);
    return err;
}

/* Markers of aborts that the new file has not. */
static enum err forget_aborts(struct log_cleaning *c, struct log_partition *partition, size_t index)
{
    if (!c->dropped_count)
        return OK;
    for (size_t i = 0; i < c->dropped_count; i++)
        log_txn_forget(partition, c->dropped[i]);
    enum err err = log_snapshot_prune(partition, index);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err compact_segment(struct log_cleaning *c, struct log_partition *partition,
                                size_t index)
{
    struct log *log = partition->log;
    struct log_segment *segment = partition->segments[index];
    struct log_path path, final;
    uint64_t bytes = 0;
    bool changed = false;
    log_segment_path(segment, ".compacting", &path);
    log_segment_path(segment, ".log", &final);
    c->dropped_count = 0;
    enum err err = write_new(c, segment, path.text, &bytes, &changed);
    if (err == OK && changed)
        err = forget_aborts(c, partition, index);
    if (err != OK || !changed) {
        enum err removed = io_path_remove(log->io, path.text);
        return err != OK ? err : removed;
    }
    TRY(log_journal_reset(log));
    TRY(io_path_rename(log->io, path.text, final.text));
    replace_segment(partition, index, bytes);
    log_topic_path(partition->topic, NULL, &path);
    return io_path_sync_directory(log->io, path.text) == OK ? OK : ERR_IO;
}

/* ---- when ---------------------------------------------------------------------------------- */

static int64_t greatest_time(struct log_segment *segment)
{
    if (segment->max_timestamp == LOG_TIME_UNKNOWN && log_index_need(segment) != OK)
        return INT64_MAX;
    return segment->max_timestamp;
}

/* How many leading segments may be compacted. */
static size_t count_ready(struct log_partition *partition, int64_t now_ms)
{
    int64_t stable_end = log_txn_stable_end(partition);
    int64_t lag_ms = partition->topic->config.compaction_lag_min_ms;
    size_t count = 0;
    while (count + 1 < partition->segment_count &&
           partition->segments[count + 1]->base_offset <= stable_end &&
           (!lag_ms || greatest_time(partition->segments[count]) < now_ms - lag_ms))
        count++;
    return count;
}

static bool is_due(struct log_partition *partition, size_t count, int64_t now_ms)
{
    const struct log_topic_config *config = &partition->topic->config;
    uint64_t bytes = 0, fresh = 0;
    bool late = partition->horizon_ms && now_ms >= partition->horizon_ms;
    for (size_t i = 0; i < count; i++) {
        struct log_segment *segment = partition->segments[i];
        bytes += segment->bytes;
        if (segment->base_offset < partition->compacted_end)
            continue;
        fresh += segment->bytes;
        late |= config->compaction_lag_max_ms &&
                greatest_time(segment) < now_ms - config->compaction_lag_max_ms;
    }
    return late || (fresh && (double)fresh >= config->dirty_ratio_min * (double)bytes);
}

static enum err run(struct log_cleaning *c, struct log_partition *partition, size_t count)
{
    for (size_t i = 0; i < count; i++)
        TRY(note_segment(c, partition->segments[i]));
    for (size_t i = 0; i < count; i++)
        TRY(compact_segment(c, partition, i));
    for (size_t i = count; i-- > 1;)
        if (partition->segments[i]->bytes == 0)
            TRY(log_partition_drop_empty(partition, i));
    partition->compacted_end = c->end;
    partition->horizon_ms = c->horizon_ms == INT64_MAX ? 0 : c->horizon_ms;
    return OK;
}

enum err log_compact(struct log_partition *partition)
{
    struct log_cleaning cleaning;
    int64_t now_ms = log_wall_ms(partition->log);
    size_t count = partition->segment_count < 2 ? 0 : count_ready(partition, now_ms);
    if (count == 0 || !is_due(partition, count, now_ms))
        return OK;
    log_cleaning_init(&cleaning, partition, partition->segments[count]->base_offset, now_ms);
    enum err err = run(&cleaning, partition, count);
    log_cleaning_deinit(&cleaning);
    return err;
}
