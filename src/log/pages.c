/* SPDX-License-Identifier: MIT */
/*
 * What the system caches of the files that are written.
 *
 * A stream that runs for days would push everything else out of the system's cache, and pay for
 * fresh pages all the time: on a virtual machine that gives unused memory back, the first write to
 * a page costs ten times what the copy costs. So the last LOG_PAGES_KEEP bytes that were written,
 * over all partitions, stay in the cache; what is older is given back, and its pages take what
 * comes next.
 *
 * A consumer that is behind by more would have the disk read what it has just written. So whoever
 * reads a file makes the ranges that it comes to within AHEAD_BYTES wanted for WANTED_NS, and those
 * behind it unwanted (another reader that is there says so again with its next read). The oldest
 * range stays while it is wanted, and with it all that is newer, up to the size of the ring
 * (LOG_PAGES_RANGES steps, a GiB). Whoever reads further behind than that, or begins later, reads
 * from the disk, ahead.
 *
 * Only what is on the disk can be given back. Where nobody waits for syncs the writing out is
 * begun a step at a time, as the kernel would do half a minute later; that also keeps the sync of
 * a full segment short.
 *
 * Ranges are kept in a ring, oldest first, once a segment has a step of them: ten thousand
 * partitions that trickle are left alone. The ring is used under log->lock, files without it.
 */
#include "log/store.h"

enum { STEP_BYTES = 2 << 20, AHEAD_BYTES = 64 << 20 };
static const int64_t WANTED_NS = 10LL * 1000 * 1000 * 1000;

/* Under the lock. Takes the oldest range out of the ring, its segment held; false: it stays. */
static bool take_oldest(struct log *log, uint64_t coming, int64_t now_ns, struct log_paged *ret)
{
    struct log_pages *pages = &log->pages;
    struct log_paged *oldest = &pages->ring[pages->head];
    bool wanted = oldest->segment && !oldest->segment->dropped && oldest->wanted_ns > now_ns;
    if (pages->count == 0 || (pages->count < LOG_PAGES_RANGES &&
                              (wanted || pages->bytes + coming <= (uint64_t)LOG_PAGES_KEEP)))
        return false;
    *ret = *oldest;
    if (ret->segment)
        log_segment_ref(ret->segment);
    pages->bytes -= ret->bytes;
    pages->head = (pages->head + 1) % LOG_PAGES_RANGES;
    pages->count--;
    return true;
}

static void give_back(const struct log_paged *range)
{
    struct io_file *file;
    if (!range->segment)
        return;
    if (!range->segment->dropped && log_segment_use(range->segment, &file) == OK) {
        io_file_forget(file, range->at, range->bytes);
        log_segment_release(range->segment);
    }
    log_segment_unref(range->segment);
}

void log_pages_note(struct log_segment *segment, uint64_t position, uint64_t bytes, bool synced)
{
    struct log *log = segment->partition->log;
    struct log_pages *pages = &log->pages;
    struct io_file *file;
    if (segment->paged == 0 || segment->paged > position)
        segment->paged = position;
    struct log_paged old, range = {.segment = segment,
                                   .at = segment->paged,
                                   .bytes = position + bytes - segment->paged};
    if (range.bytes < STEP_BYTES)
        return;
    segment->paged += range.bytes;
    if (!synced && log_segment_use(segment, &file) == OK) {
        io_file_write_out(file, range.at, range.bytes);
        log_segment_release(segment);
    }
    int64_t now_ns = io_now_ns(log->io);
    io_mutex_lock(&log->lock);
    while (take_oldest(log, range.bytes, now_ns, &old)) {
        io_mutex_unlock(&log->lock);
        give_back(&old);
        io_mutex_lock(&log->lock);
    }
    pages->ring[(pages->head + pages->count++) % LOG_PAGES_RANGES] = range;
    pages->bytes += range.bytes;
    io_mutex_unlock(&log->lock);
}

/* How far the end of the range is ahead of a reader at position; <= 0 = it is past it. The range
 * may be in another segment; those between the two are not counted, as all is new here. */
static int64_t ahead(const struct log_segment *segment, uint64_t position,
                     const struct log_paged *range)
{
    int64_t end = (int64_t)(range->at + range->bytes);
    if (range->segment == segment)
        return end - (int64_t)position;
    if (range->segment->base_offset < segment->base_offset)
        return 0;
    return (int64_t)segment->bytes - (int64_t)position + end;
}

void log_pages_want(struct log_segment *segment, uint64_t position)
{
    struct log *log = segment->partition->log;
    struct log_pages *pages = &log->pages;
    int64_t until_ns = io_now_ns(log->io) + WANTED_NS;
    for (size_t i = 0; i < pages->count; i++) {
        struct log_paged *range = &pages->ring[(pages->head + i) % LOG_PAGES_RANGES];
        if (!range->segment || range->segment->partition != segment->partition)
            continue;
        int64_t bytes = ahead(segment, position, range);
        if (bytes <= AHEAD_BYTES)
            range->wanted_ns = bytes > 0 ? until_ns : 0;
    }
}

void log_pages_strike(struct log *log, const struct log_segment *segment)
{
    for (size_t i = 0; i < LOG_PAGES_RANGES; i++)
        if (log->pages.ring[i].segment == segment)
            log->pages.ring[i].segment = NULL;
}
