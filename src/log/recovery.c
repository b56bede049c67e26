/* SPDX-License-Identifier: MIT */
/*
 * Opening a partition: which of its segments count, and where its last batch ends.
 *
 * Finished segments are sound by construction (segment.c). The active one is walked from the
 * checkpoint, or from its beginning, with every sum checked and offsets without a gap; it ends
 * before the first batch that does not fit. Zeros behind that are the reserve; anything else is
 * what a crash tore, and is cut off: a whole batch in it would come to life once the gap before it
 * had been filled by new batches.
 *
 * What the walk keeps is written again in place and synced before it counts. A batch may have been
 * read from memory only, its pages given up by the kernel after a failed sync; counting it
 * without having it would lose what is appended behind it.
 */
#include "log/store.h"

#include "base/mem.h"

#include <stdio.h>

static enum err all_zero(struct io_file *file, uint64_t from, uint64_t end, bool *ret_zero)
{
    enum { CHUNK = 64 << 10 };
    CLEAN(mem_free_at) uint8_t *chunk = mem_alloc(CHUNK);
    *ret_zero = true;
    while (from < end && *ret_zero) {
        size_t want = end - from < CHUNK ? (size_t)(end - from) : CHUNK, got;
        TRY(io_file_read(file, from, chunk, want, &got));
        if (got == 0)
            break;
        for (size_t i = 0; i < got && *ret_zero; i++)
            *ret_zero = chunk[i] == 0;
        from += got;
    }
    return OK;
}

/* Walks from segment->bytes; moves bytes, max_timestamp and the partition's end. */
static enum err walk(struct log_segment *segment, struct io_file *file, struct log_scan *scan)
{
    struct log_partition *partition = segment->partition;
    bool rewrite = !partition->log->options.read_only;
    int64_t now_ms = log_wall_ms(partition->log);
    while (log_scan_next(scan)) {
        const struct record_batch *batch = &scan->batch;
        if (batch->base_offset != partition->end || batch->count == 0)
            break;
        if (rewrite)
            TRY(io_file_write(file, segment->bytes, batch->bytes, batch->bytes_count));
        log_index_add(segment, batch->base_offset, segment->bytes);
        if (batch->max_timestamp > segment->max_timestamp)
            segment->max_timestamp = batch->max_timestamp;
        log_producer_replay(partition, batch, now_ms);
        segment->bytes += batch->bytes_count;
        partition->end = batch->base_offset + batch->last_offset_delta + 1;
    }
    return scan->err;
}

static enum err recover_file(struct log_segment *segment, struct io_file *file)
{
    uint64_t size, known = segment->bytes;
    struct log_scan scan;
    bool zero;
    TRY(io_file_size(file, &size));
    log_scan_init(&scan, file, segment->bytes, size, true);
    enum err err = walk(segment, file, &scan);
    log_scan_deinit(&scan);
    TRY(err);
    if (segment->partition->log->options.read_only)
        return OK;
    TRY(all_zero(file, segment->bytes, size, &zero));
    segment->partition->cut = !zero;
    if (!zero)
        TRY(io_file_truncate(file, segment->bytes));
    /* Synced with all others before anything counts (log_recover). */
    if (!zero || segment->bytes != known) {
        segment->unsynced = true;
        log_dirty_add(segment->partition->log, segment);
    }
    return OK;
}

static bool recovery_known(const struct log_partition *partition, const struct log_segment *active)
{
    return partition->recovery_base == active->base_offset && partition->recovery_end > 0;
}

static enum err recover_active(struct log_segment *segment, bool clean)
{
    struct log_partition *partition = segment->partition;
    bool known = recovery_known(partition, segment);
    struct io_file *file;
    segment->created_ms = log_wall_ms(partition->log);
    segment->max_timestamp = known ? partition->recovery_timestamp : -1;
    segment->bytes = known ? partition->recovery_bytes : 0;
    segment->index_loaded = segment->bytes == 0;
    partition->end = known ? partition->recovery_end : segment->base_offset;
    if (clean && known)
        return OK;
    TRY(log_segment_use(segment, &file));
    enum err err = recover_file(segment, file);
    log_segment_release(segment);
    return err;
}

/* Removals are not ordered on the disk: a segment counts when it is not wholly below the start. */
static enum err drop_below_start(struct log_partition *partition, int64_t start)
{
    size_t below = 0;
    while (below + 1 < partition->segment_count &&
           partition->segments[below + 1]->base_offset <= start)
        below++;
    if (!partition->log->options.read_only)
        return log_partition_drop(partition, below);
    for (; below; below--) {
        struct log_segment *segment = partition->segments[0];
        partition->segment_count--;
        memmove(partition->segments, partition->segments + 1,
                partition->segment_count * sizeof *partition->segments);
        log_segment_unref(segment);
    }
    return OK;
}

static enum err recover_partition(struct log_partition *partition, bool clean)
{
    struct log *log = partition->log;
    int64_t start = 0;
    enum err err = partition->start_file ? log_partition_start_load(partition, &start) : OK;
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    if (partition->start_file && !clean && !log->options.read_only)
        TRY(log_partition_start_save(partition, start)); /* it may have been seen only */
    TRY(drop_below_start(partition, start));
    for (size_t i = 0; i + 1 < partition->segment_count; i++) {
        struct log_segment *segment = partition->segments[i];
        struct log_path path;
        struct io_stat stat;
        log_segment_path(segment, ".log", &path);
        TRY(io_path_stat(log->io, path.text, &stat));
        segment->bytes = segment->allocated = stat.bytes;
    }
    struct log_segment *active = log_partition_active(partition);
    if (active) {
        if (partition->segments[0]->base_offset > start)
            start = partition->segments[0]->base_offset;
        TRY(log_snapshots_load(partition, !recovery_known(partition, active)));
        TRY(recover_active(active, clean));
    }
    /* Without syncs (LOG_OS) a power cut may take what was trimmed already: go on at the start. */
    if (partition->end < start) {
        partition->end = start;
        if (active && !log->options.read_only)
            TRY(log_partition_drop(partition, partition->segment_count));
    }
    partition->start = start;
    return OK;
}

/* After an unclean end names may be there that the disk does not surely have. */
static enum err sync_names(struct log *log)
{
    struct log_path path;
    if (log->topics.count >= LOG_SYNC_ALL_MIN)
        return io_file_sync_all(log->lock_file);
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next) {
        log_topic_path(topic, NULL, &path);
        TRY(io_path_sync_directory(log->io, path.text));
    }
    snprintf(path.text, sizeof path.text, "%s/topics", log->dir);
    return io_path_sync_directory(log->io, path.text);
}

enum err log_recover(struct log *log, bool clean, struct diag *diag)
{
    if (!clean && !log->options.read_only)
        TRY(sync_names(log));
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        for (int32_t i = 0; i < topic->config.partitions; i++) {
            enum err err = recover_partition(topic->partitions[i], clean);
            if (err != OK)
                return diag_set(diag, err, 0, 0, "topic %s, partition %d cannot be opened: %s",
                                topic->name, (int)i, err_text(err));
        }
    if (log->options.read_only)
        return OK;
    TRY(log_dirty_sync(log, true));
    return log_epochs_begin(log, clean);
}
