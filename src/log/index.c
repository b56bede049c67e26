/* SPDX-License-Identifier: MIT */
/*
 * The sparse index of a segment: one entry of 16 bytes for each LOG_INDEX_STEP bytes of log, by
 * which both an offset and a time are found with one binary search and a walk of a few KB.
 *
 * In memory for segments in use, longest unused dropped first beyond LOG_INDEX_BYTES_MAX in all.
 * On disk (".index") for finished segments and after a clean end; it carries its sum and the size
 * of the segment that it was made for, so a stale or torn one is noticed and made again from the
 * batches' headers. So it is never synced and never trusted blindly.
 *
 *   0 magic "MRIX"  4 crc32c of the rest  8 segment bytes u64  16 max timestamp i64
 *  24 count u32  28 zero u32  32 entries: relative offset u32, position u32, max timestamp i64
 */
#include "log/store.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/mem.h"

enum { HEADER = 32, ENTRY = 16, MAGIC = 0x4D524958 };

/* ---- memory, under log->lock --------------------------------------------------------------- */

static void unlink_lru(struct log *log, struct log_segment *segment)
{
    *(segment->index_newer ? &segment->index_newer->index_older : &log->index_newest) =
        segment->index_older;
    *(segment->index_older ? &segment->index_older->index_newer : &log->index_oldest) =
        segment->index_newer;
    segment->index_newer = segment->index_older = NULL;
}

static void link_lru(struct log *log, struct log_segment *segment)
{
    segment->index_older = log->index_newest;
    *(log->index_newest ? &log->index_newest->index_newer : &log->index_oldest) = segment;
    log->index_newest = segment;
}

void log_index_drop(struct log_segment *segment)
{
    struct log *log = segment->partition->log;
    if (segment->index) {
        unlink_lru(log, segment);
        log->index_bytes -= segment->index_room * sizeof *segment->index;
        mem_free(segment->index);
    }
    segment->index = NULL;
    segment->index_count = segment->index_room = 0;
    segment->index_loaded = false;
}

static void grow(struct log_segment *segment, uint32_t room)
{
    struct log *log = segment->partition->log;
    if (segment->index)
        unlink_lru(log, segment);
    log->index_bytes += (room - segment->index_room) * sizeof *segment->index;
    segment->index = mem_realloc_array(segment->index, room, sizeof *segment->index);
    segment->index_room = room;
    link_lru(log, segment);
    while (log->index_bytes > LOG_INDEX_BYTES_MAX && log->index_oldest != segment)
        log_index_drop(log->index_oldest);
}

static void add(struct log_segment *segment, int64_t base_offset, uint64_t position,
                int64_t max_timestamp)
{
    if (segment->index_count == segment->index_room)
        grow(segment, segment->index_room ? segment->index_room * 2 : 4);
    segment->index[segment->index_count++] = (struct log_index_entry){
        (uint32_t)(base_offset - segment->base_offset), (uint32_t)position, max_timestamp};
}

static uint64_t next_due(const struct log_index_entry *entries, uint32_t count)
{
    return count ? entries[count - 1].position / LOG_INDEX_STEP * LOG_INDEX_STEP + LOG_INDEX_STEP
                 : LOG_INDEX_STEP;
}

void log_index_add(struct log_segment *segment, int64_t base_offset, uint64_t position)
{
    if (segment->index_loaded && position >= next_due(segment->index, segment->index_count))
        add(segment, base_offset, position, segment->max_timestamp);
}

uint64_t log_index_position(const struct log_segment *segment, int64_t offset)
{
    uint32_t from = 0, until = segment->index_count;
    while (from < until) {
        uint32_t middle = from + (until - from) / 2;
        if (segment->base_offset + segment->index[middle].relative_offset <= offset)
            from = middle + 1;
        else
            until = middle;
    }
    return from ? segment->index[from - 1].position : 0;
}

uint64_t log_index_position_of_time(const struct log_segment *segment, int64_t timestamp_ms)
{
    uint32_t from = 0, until = segment->index_count;
    while (from < until) {
        uint32_t middle = from + (until - from) / 2;
        if (segment->index[middle].max_timestamp < timestamp_ms)
            from = middle + 1;
        else
            until = middle;
    }
    return from ? segment->index[from - 1].position : 0;
}

/* ---- disk ---------------------------------------------------------------------------------- */

/* A loaded index on its way into a segment. */
struct loading {
    struct log_index_entry *entries;
    uint32_t count, room;
    int64_t max_timestamp;
};

static void loading_free(struct loading *loading)
{
    mem_free(loading->entries);
}

enum err log_index_save(struct log_segment *segment)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log *log = segment->partition->log;
    struct log_path path;
    struct io_file *file;
    io_mutex_lock(&log->lock);
    bool loaded = segment->index_loaded;
    buf_be32(&out, MAGIC);
    buf_be32(&out, 0);
    buf_be64(&out, segment->bytes);
    buf_be64(&out, (uint64_t)segment->max_timestamp);
    buf_be32(&out, segment->index_count);
    buf_be32(&out, 0);
    for (uint32_t i = 0; i < segment->index_count; i++) {
        buf_be32(&out, segment->index[i].relative_offset);
        buf_be32(&out, segment->index[i].position);
        buf_be64(&out, (uint64_t)segment->index[i].max_timestamp);
    }
    io_mutex_unlock(&log->lock);
    TRY(buf_error(&out));
    if (!loaded)
        return OK;
    buf_patch_be32(&out, 4, crc32c(0, out.ptr + 8, out.bytes - 8));
    log_segment_path(segment, ".index", &path);
    TRY(io_file_open(log->io, path.text, IO_WRITE | IO_CREATE | IO_TRUNCATE, &file));
    enum err err = io_file_write(file, 0, out.ptr, out.bytes);
    io_file_close(file);
    return err;
}

static enum err load_file(struct log_segment *segment, uint64_t bytes, struct loading *loading)
{
    CLEAN(buf_deinit) struct buf in = {0};
    struct log_path path;
    log_segment_path(segment, ".index", &path);
    size_t bytes_max = HEADER + (size_t)(bytes / LOG_INDEX_STEP + 1) * ENTRY;
    TRY(io_path_read(segment->partition->log->io, path.text, bytes_max, &in));
    if (in.bytes < HEADER || get_be32(in.ptr) != MAGIC ||
        get_be32(in.ptr + 4) != crc32c(0, in.ptr + 8, in.bytes - 8) ||
        get_be64(in.ptr + 8) != bytes)
        return ERR_CORRUPT;
    uint32_t count = get_be32(in.ptr + 24);
    if ((in.bytes - HEADER) / ENTRY != count || (in.bytes - HEADER) % ENTRY)
        return ERR_CORRUPT;
    loading->max_timestamp = (int64_t)get_be64(in.ptr + 16);
    loading->entries = mem_array(count ? count : 1, sizeof *loading->entries);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = in.ptr + HEADER + (size_t)i * ENTRY;
        loading->entries[i] =
            (struct log_index_entry){get_be32(at), get_be32(at + 4), (int64_t)get_be64(at + 8)};
    }
    loading->count = count;
    loading->room = count ? count : 1;
    return OK;
}

static enum err rebuild(struct log_segment *segment, uint64_t bytes, struct loading *loading)
{
    struct io_file *file;
    struct log_scan scan;
    TRY(log_segment_use(segment, &file));
    log_scan_init(&scan, file, 0, bytes, false);
    loading->max_timestamp = -1;
    for (uint64_t position = 0; log_scan_next(&scan); position = scan.position) {
        if (position >= next_due(loading->entries, loading->count)) {
            if (loading->count == loading->room) {
                loading->room = loading->room ? loading->room * 2 : 16;
                loading->entries =
                    mem_realloc_array(loading->entries, loading->room, sizeof *loading->entries);
            }
            loading->entries[loading->count++] =
                (struct log_index_entry){(uint32_t)(scan.batch.base_offset - segment->base_offset),
                                         (uint32_t)position, loading->max_timestamp};
        }
        if (scan.batch.max_timestamp > loading->max_timestamp)
            loading->max_timestamp = scan.batch.max_timestamp;
    }
    enum err err = scan.err == OK && scan.position != bytes ? ERR_CORRUPT : scan.err;
    log_scan_deinit(&scan);
    log_segment_release(segment);
    return err;
}

enum err log_index_need(struct log_segment *segment)
{
    struct log *log = segment->partition->log;
    CLEAN(loading_free) struct loading loading = {0};
    io_mutex_lock(&log->lock);
    bool loaded = segment->index_loaded;
    uint64_t bytes = segment->bytes;
    io_mutex_unlock(&log->lock);
    if (loaded)
        return OK;
    if (load_file(segment, bytes, &loading) != OK)
        TRY(rebuild(segment, bytes, &loading));
    io_mutex_lock(&log->lock);
    /* Another reader may have been faster, or the segment may have grown: then again. */
    if (!segment->index_loaded && segment->bytes == bytes) {
        segment->index_loaded = true;
        if (loading.count) {
            grow(segment, loading.room);
            memcpy(segment->index, loading.entries, loading.count * sizeof *loading.entries);
            segment->index_count = loading.count;
        }
        if (segment->max_timestamp == LOG_TIME_UNKNOWN)
            segment->max_timestamp = loading.max_timestamp;
    }
    loaded = segment->index_loaded;
    io_mutex_unlock(&log->lock);
    return loaded ? OK : ERR_AGAIN;
}
