/* SPDX-License-Identifier: MIT */
/*
 * What the system caches of the files that are written.
 *
 * A stream that runs for days would push everything else out of the system's cache, and pay for
 * fresh pages all the time: on a virtual machine that gives unused memory back, the first write to
 * a page costs ten times what the copy costs. So the last LOG_PAGES_KEEP bytes that were written,
 * over all partitions, stay in the cache; what is older is given back, and its pages take what
 * comes next. Whoever reads further behind reads from the disk, ahead.
 *
 * Only what is on the disk can be given back. Where nobody waits for syncs the writing out is
 * begun a step at a time, as the kernel would do half a minute later; that also keeps the sync of
 * a full segment short.
 *
 * Ranges are kept in a ring, oldest first, once a segment has a step of them: ten thousand
 * partitions that trickle are left alone. Used in a turn only; a segment that goes strikes itself
 * out under log->lock.
 */
#include "log/store.h"

enum { STEP_BYTES = 2 << 20 };

static void give_back(struct log *log)
{
    struct log_pages *pages = &log->pages;
    struct io_file *file;
    io_mutex_lock(&log->lock);
    struct log_paged range = pages->ring[pages->head];
    if (range.segment)
        log_segment_ref(range.segment);
    io_mutex_unlock(&log->lock);
    pages->bytes -= range.bytes;
    pages->head = (pages->head + 1) % LOG_PAGES_RANGES;
    pages->count--;
    if (!range.segment)
        return;
    if (!range.segment->dropped && log_segment_use(range.segment, &file) == OK) {
        io_file_forget(file, range.at, range.bytes);
        log_segment_release(range.segment);
    }
    log_segment_unref(range.segment);
}

void log_pages_note(struct log_segment *segment, uint64_t position, uint64_t bytes, bool synced)
{
    struct log *log = segment->partition->log;
    struct log_pages *pages = &log->pages;
    struct io_file *file;
    if (segment->paged == 0 || segment->paged > position)
        segment->paged = position;
    struct log_paged range = {
        .segment = segment, .at = segment->paged, .bytes = position + bytes - segment->paged};
    if (range.bytes < STEP_BYTES)
        return;
    segment->paged += range.bytes;
    if (!synced && log_segment_use(segment, &file) == OK) {
        io_file_write_out(file, range.at, range.bytes);
        log_segment_release(segment);
    }
    while (pages->count && (pages->count == LOG_PAGES_RANGES ||
                            pages->bytes + range.bytes > (uint64_t)LOG_PAGES_KEEP))
        give_back(log);
    io_mutex_lock(&log->lock);
    pages->ring[(pages->head + pages->count++) % LOG_PAGES_RANGES] = range;
    io_mutex_unlock(&log->lock);
    pages->bytes += range.bytes;
}

void log_pages_strike(struct log *log, const struct log_segment *segment)
{
    for (size_t i = 0; i < LOG_PAGES_RANGES; i++)
        if (log->pages.ring[i].segment == segment)
            log->pages.ring[i].segment = NULL;
}
