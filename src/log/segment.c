/* SPDX-License-Identifier: MIT */
/*
 * Segments: the files of a partition, and the few hundred of them that are open.
 *
 * Files are opened when needed and closed longest unused first, so that ten thousand partitions
 * cost memory but no descriptors. Whoever reads or writes one holds it by log_segment_use().
 *
 * Room is taken ahead in steps that grow with the file (16 KiB up to 16 MiB), so that an idle
 * topic takes little. For small synced groups the zeros are written: a later synced write into
 * written blocks needs no change of the file's metadata. For bulk they are only reserved: writing
 * twice would cost more than the metadata; so they are where the journal does the syncing. The
 * zeros behind the last batch are the normal end of the active segment.
 *
 * Invariants: a segment with a successor is cut to its size, synced, and never written again
 * (compaction replaces the file). A file's directory entry is synced before a batch in it is
 * acknowledged. The start of a partition is durable before the files below it go.
 */
#include "log/store.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    STEP_MIN = 16 << 10,
    ZERO_STEP_MAX = 1 << 20,
    BULK_STEP_MIN = 1 << 20,
    STEP_MAX = 16 << 20,
};

void log_segment_path(const struct log_segment *segment, const char *suffix,
                      struct log_path *ret_path)
{
    char file[64];
    snprintf(file, sizeof file, "%" PRId32 "-%020" PRId64 "%s", segment->partition->index,
             segment->base_offset, suffix);
    log_topic_path(segment->partition->topic, file, ret_path);
}

struct log_segment *log_segment_new(struct log_partition *partition, int64_t base_offset)
{
    struct log_segment *segment = mem_zero(sizeof *segment);
    segment->partition = partition;
    segment->base_offset = base_offset;
    segment->max_timestamp = LOG_TIME_UNKNOWN;
    segment->refs = 1;
    return segment;
}

/* ---- open files ---------------------------------------------------------------------------- */

static void files_unlink(struct log_files *files, struct log_segment *segment)
{
    *(segment->file_newer ? &segment->file_newer->file_older : &files->newest) =
        segment->file_older;
    *(segment->file_older ? &segment->file_older->file_newer : &files->oldest) =
        segment->file_newer;
    segment->file_newer = segment->file_older = NULL;
}

static void files_link(struct log_files *files, struct log_segment *segment)
{
    segment->file_older = files->newest;
    *(files->newest ? &files->newest->file_newer : &files->oldest) = segment;
    files->newest = segment;
}

static void file_close(struct log_files *files, struct log_segment *segment)
{
    files_unlink(files, segment);
    files->count--;
    io_file_close(segment->file);
    segment->file = NULL;
}

enum err log_segment_use(struct log_segment *segment, struct io_file **ret_file)
{
    struct log *log = segment->partition->log;
    struct log_files *files = &log->files;
    enum err err = OK;
    io_mutex_lock(&files->lock);
    if (segment->file) {
        files_unlink(files, segment);
    } else {
        struct log_path path;
        log_segment_path(segment, ".log", &path);
        err = io_file_open(log->io, path.text,
                           log->options.read_only ? IO_READ : IO_READ | IO_WRITE, &segment->file);
        if (err != OK)
            segment->file = NULL;
        else
            files->count++;
    }
    if (err == OK) {
        files_link(files, segment);
        segment->file_users++;
        *ret_file = segment->file;
    }
    for (struct log_segment *old = files->oldest; old && files->count > LOG_FILES_MAX;) {
        struct log_segment *newer = old->file_newer;
        if (old->file_users == 0)
            file_close(files, old);
        old = newer;
    }
    io_mutex_unlock(&files->lock);
    return err;
}

void log_segment_release(struct log_segment *segment)
{
    struct log_files *files = &segment->partition->log->files;
    io_mutex_lock(&files->lock);
    check(segment->file_users > 0);
    segment->file_users--;
    io_mutex_unlock(&files->lock);
}

void log_segment_ref(struct log_segment *segment)
{
    segment->refs++;
}

void log_segment_unref(struct log_segment *segment)
{
    struct log *log = segment->partition->log;
    io_mutex_lock(&log->lock);
    bool last = --segment->refs == 0;
    if (last) {
        log_index_drop(segment);
        log_pages_strike(log, segment);
    }
    io_mutex_unlock(&log->lock);
    if (!last)
        return;
    io_mutex_lock(&log->files.lock);
    if (segment->file)
        file_close(&log->files, segment);
    io_mutex_unlock(&log->files.lock);
    mem_free(segment);
}

/* ---- writing, in a turn -------------------------------------------------------------------- */

struct log_segment *log_partition_active(struct log_partition *partition)
{
    size_t count = partition->segment_count;
    return count ? partition->segments[count - 1] : NULL;
}

static void partition_add(struct log_partition *partition, struct log_segment *segment)
{
    struct log *log = partition->log;
    io_mutex_lock(&log->lock);
    if (partition->segment_count == partition->segment_room) {
        partition->segment_room = partition->segment_room ? partition->segment_room * 2 : 2;
        partition->segments = mem_realloc_array(partition->segments, partition->segment_room,
                                                sizeof(struct log_segment *));
    }
    partition->segments[partition->segment_count++] = segment;
    io_mutex_unlock(&log->lock);
}

enum err log_segment_create(struct log_partition *partition, int64_t base_offset)
{
    struct log_segment *segment = log_segment_new(partition, base_offset);
    struct log_path path;
    struct io_file *file;
    log_segment_path(segment, ".log", &path);
    enum err err = io_file_open(partition->log->io, path.text,
                                IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, &file);
    if (err != OK) {
        mem_free(segment);
        return err;
    }
    io_file_close(file);
    segment->created_ms = log_wall_ms(partition->log);
    segment->max_timestamp = -1;
    segment->index_loaded = true;
    partition->topic->directory_dirty = true;
    partition_add(partition, segment);
    return OK;
}

/* How much to take at once behind what is there. */
static uint64_t step_after(uint64_t have, bool bulk)
{
    uint64_t step = have < STEP_MIN ? STEP_MIN : have;
    uint64_t step_max = bulk ? STEP_MAX : ZERO_STEP_MAX;
    if (bulk && step < BULK_STEP_MIN)
        step = BULK_STEP_MIN;
    return step > step_max ? step_max : step;
}

enum err log_segment_reserve(struct log_segment *segment, uint64_t end, bool bulk, bool zeros)
{
    struct io_file *file;
    TRY(log_segment_use(segment, &file));
    enum err err = OK;
    if (segment->allocated == 0)
        err = io_file_size(file, &segment->allocated);
    if (err == OK && segment->allocated < end) {
        uint64_t have = segment->allocated, step = step_after(have, bulk);
        if (have + step < end)
            step = end - have;
        err = io_file_allocate(file, have, step, zeros);
        if (err == ERR_DISK_FULL && have + step > end) {
            step = end - have;
            err = io_file_allocate(file, have, step, zeros);
        }
        segment->allocated = err == OK ? have + step : 0;
    }
    log_segment_release(segment);
    return err;
}

enum err log_segment_write(struct log_segment *segment, uint64_t position, const struct str *pieces,
                           size_t count)
{
    struct io_file *file;
    TRY(log_segment_use(segment, &file));
    enum err err = io_file_writev(file, position, pieces, count);
    log_segment_release(segment);
    return err;
}

enum err log_segment_sync(struct log_segment *segment)
{
    struct io_file *file;
    TRY(log_segment_use(segment, &file));
    enum err err = io_file_sync(file);
    log_segment_release(segment);
    if (err == OK)
        segment->journaled = segment->unsynced = false;
    return err;
}

enum err log_segment_truncate(struct log_segment *segment, uint64_t bytes)
{
    struct io_file *file;
    TRY(log_segment_use(segment, &file));
    enum err err = io_file_truncate(file, bytes);
    log_segment_release(segment);
    segment->allocated = err == OK ? bytes : 0;
    return err;
}

static enum err finish_segment(struct log_segment *segment)
{
    TRY(log_index_need(segment));
    TRY(log_segment_truncate(segment, segment->bytes));
    TRY(log_segment_sync(segment));
    /* The index can be made again from the segment: without it things are slower, not wrong. */
    enum err ignored = log_index_save(segment);
    (void)ignored;
    return OK;
}

enum err log_partition_roll(struct log_partition *partition)
{
    struct log_segment *active = log_partition_active(partition);
    if (active)
        TRY(finish_segment(active));
    TRY(log_snapshot_save(partition));
    return log_segment_create(partition, partition->end);
}

static enum err remove_files(struct log_segment *segment)
{
    struct io *io = segment->partition->log->io;
    static const char *const suffixes[] = {".index", ".producers", ".log"};
    struct log_path path;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        log_segment_path(segment, suffixes[i], &path);
        enum err err = io_path_remove(io, path.text);
        if (err != OK && err != ERR_NOT_FOUND)
            return err;
    }
    return OK;
}

enum err log_partition_drop(struct log_partition *partition, size_t count)
{
    struct log *log = partition->log;
    enum err err = OK;
    for (; count > 0 && err == OK; count--) {
        struct log_segment *segment = partition->segments[0];
        err = remove_files(segment);
        if (err != OK)
            break;
        io_mutex_lock(&log->lock);
        partition->segment_count--;
        memmove(partition->segments, partition->segments + 1,
                partition->segment_count * sizeof *partition->segments);
        segment->dropped = true;
        if (partition->segment_count)
            log_txn_drop_below(partition, partition->segments[0]->base_offset);
        io_mutex_unlock(&log->lock);
        log_segment_unref(segment);
    }
    return err;
}

/* Its snapshot goes last but one: what that tells is told by the next one then. */
enum err log_partition_drop_empty(struct log_partition *partition, size_t index)
{
    struct log *log = partition->log;
    struct log_segment *segment = partition->segments[index];
    check(index > 0 && index + 1 < partition->segment_count && segment->bytes == 0);
    io_mutex_lock(&log->lock);
    partition->segment_count--;
    memmove(partition->segments + index, partition->segments + index + 1,
            (partition->segment_count - index) * sizeof *partition->segments);
    segment->dropped = true;
    io_mutex_unlock(&log->lock);
    enum err err = partition->producers ? log_snapshot_prune(partition, index - 1) : OK;
    if (err == OK || err == ERR_NOT_FOUND)
        err = remove_files(segment);
    log_segment_unref(segment);
    return err;
}

/* ---- what a sync is owed to ---------------------------------------------------------------- */

void log_dirty_add(struct log *log, struct log_segment *segment)
{
    if (segment->in_dirty)
        return;
    if (log->dirty_count == log->dirty_room) {
        log->dirty_room = log->dirty_room ? log->dirty_room * 2 : 16;
        log->dirty = mem_realloc_array(log->dirty, log->dirty_room, sizeof *log->dirty);
    }
    io_mutex_lock(&log->lock);
    log_segment_ref(segment);
    io_mutex_unlock(&log->lock);
    segment->in_dirty = true;
    log->dirty[log->dirty_count++] = segment;
}

static bool owed(const struct log_segment *segment, bool only_unsynced)
{
    return (segment->unsynced || (segment->journaled && !only_unsynced)) && !segment->dropped &&
           !segment->partition->topic->deleted;
}

/* One call for all of them is cheaper than one each once they are many. */
static enum err sync_many(struct log *log, bool only_unsynced)
{
    size_t count = 0;
    for (size_t i = 0; i < log->dirty_count; i++)
        count += owed(log->dirty[i], only_unsynced);
    if (count < LOG_SYNC_ALL_MIN)
        return OK;
    TRY(io_file_sync_all(log->lock_file));
    for (size_t i = 0; i < log->dirty_count; i++)
        log->dirty[i]->unsynced = log->dirty[i]->journaled = false;
    return OK;
}

enum err log_dirty_sync(struct log *log, bool only_unsynced)
{
    size_t kept = 0;
    enum err err = sync_many(log, only_unsynced);
    for (size_t i = 0; i < log->dirty_count; i++) {
        struct log_segment *segment = log->dirty[i];
        if (err == OK && owed(segment, only_unsynced))
            err = log_segment_sync(segment);
        bool still = (segment->unsynced || segment->journaled) && !segment->dropped &&
                     !segment->partition->topic->deleted;
        if (still) {
            log->dirty[kept++] = segment;
        } else {
            segment->in_dirty = false;
            log_segment_unref(segment);
        }
    }
    log->dirty_count = kept;
    return err;
}

/* ---- the start of a partition: "P.start" = offset, then the sum of it ----------------------- */

enum { START_BYTES = 12 };

static void start_path(const struct log_partition *partition, struct log_path *ret_path)
{
    char file[32];
    snprintf(file, sizeof file, "%" PRId32 ".start", partition->index);
    log_topic_path(partition->topic, file, ret_path);
}

enum err log_partition_start_save(struct log_partition *partition, int64_t start)
{
    uint8_t bytes[START_BYTES];
    struct log_path path;
    put_be64(bytes, (uint64_t)start);
    put_be32(bytes + 8, crc32c(0, bytes, 8));
    start_path(partition, &path);
    return io_path_replace(partition->log->io, path.text, bytes, sizeof bytes);
}

enum err log_partition_start_load(struct log_partition *partition, int64_t *ret_start)
{
    struct log_path path;
    CLEAN(buf_deinit) struct buf content = {0};
    start_path(partition, &path);
    TRY(io_path_read(partition->log->io, path.text, START_BYTES, &content));
    if (content.bytes != START_BYTES || get_be32(content.ptr + 8) != crc32c(0, content.ptr, 8))
        return ERR_CORRUPT;
    *ret_start = (int64_t)get_be64(content.ptr);
    return OK;
}
