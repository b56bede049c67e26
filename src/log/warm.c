/* SPDX-License-Identifier: MIT */
/*
 * Reads that would wait for the disk, told beforehand.
 *
 * The loop must not wait for a disk on behalf of one reader that is far behind. What is in the
 * log's cache or in that of the system never waits. Else a worker warms the range: it loads the
 * segment's index, which may mean walking the segment, and has the system read the bytes. The loop
 * then reads as ever. Both are guesses, and a wrong one costs a wait at worst: the system may drop
 * a page in between, and the first batch may be longer than bytes_max.
 */
#include "log/store.h"

struct range {
    struct log_segment *segment; /* held; NULL = nothing to read there */
    struct io_file *file;        /* in use */
    uint64_t position, bytes;
};

/* Under log->lock. Held; NULL: there is nothing at offset, or it is in memory. */
static struct log_segment *segment_of(struct log_partition *partition, int64_t offset)
{
    if (partition->topic->deleted || offset < partition->start || offset >= partition->end ||
        log_cache_find(partition, offset))
        return NULL;
    int64_t following;
    return log_segment_hold(partition, offset, &following);
}

/* True when the segment's index is there, or was loaded because load says so. */
static bool range_open(struct log_segment *segment, int64_t offset, size_t bytes_max, bool load,
                       struct range *ret_range)
{
    struct log *log = segment->partition->log;
    struct range range = {.segment = segment};
    if (load && log_index_need(segment) != OK)
        return false;
    io_mutex_lock(&log->lock);
    bool loaded = segment->index_loaded;
    uint64_t end = segment->bytes;
    if (loaded)
        range.position = log_index_position(segment, offset);
    if (loaded && load)
        log_pages_want(segment, range.position);
    io_mutex_unlock(&log->lock);
    if (!loaded || range.position >= end || log_segment_use(segment, &range.file) != OK)
        return false;
    /* The batch itself begins within a step of the index, and the one behind the range is looked
     * at. */
    bytes_max = bytes_max > INT32_MAX ? INT32_MAX : bytes_max;
    range.bytes = (uint64_t)bytes_max + 2 * LOG_INDEX_STEP;
    if (range.bytes > end - range.position)
        range.bytes = end - range.position;
    *ret_range = range;
    return true;
}

bool log_read_waits(struct log_partition *partition, int64_t offset, size_t bytes_max)
{
    struct log *log = partition->log;
    struct range range;
    if (log->remote)
        return false;
    io_mutex_lock(&log->lock);
    struct log_segment *segment = segment_of(partition, offset);
    bool loaded = segment && segment->index_loaded;
    io_mutex_unlock(&log->lock);
    if (!segment)
        return false;
    bool waits = !loaded;
    if (loaded && range_open(segment, offset, bytes_max, false, &range)) {
        waits = !io_file_is_ready(range.file, range.position, range.bytes);
        log_segment_release(segment);
    }
    log_segment_unref(segment);
    return waits;
}

void log_read_warm(struct log_partition *partition, int64_t offset, size_t bytes_max)
{
    struct log *log = partition->log;
    struct range range;
    if (log->remote)
        return;
    io_mutex_lock(&log->lock);
    struct log_segment *segment = segment_of(partition, offset);
    io_mutex_unlock(&log->lock);
    if (!segment)
        return;
    if (range_open(segment, offset, bytes_max, true, &range)) {
        io_file_warm(range.file, range.position, range.bytes);
        log_segment_release(segment);
    }
    log_segment_unref(segment);
}
