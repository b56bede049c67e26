/* SPDX-License-Identifier: MIT */
/*
 * Finding records by their time: the first that is late enough, and the latest of all.
 *
 * Segments and indexes know the greatest timestamp that producers gave their batches; the records
 * themselves, also compressed ones, are looked at only in batches that may hold the answer. Where a
 * header says more than its records hold, the search goes on.
 */
#include "log/store.h"

enum { LOOKS_MAX = 100, INFLATED_MAX = 256 << 20 };

/* ---- by time ------------------------------------------------------------------------------- */

/* The first record of the batch that is late enough. */
static enum err find_record(const struct record_batch *batch, int64_t start, int64_t timestamp_ms,
                            bool *ret_found, int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct record_iterator it;
    struct record record;
    TRY(record_iterator_init(&it, batch, INFLATED_MAX));
    while (!*ret_found && record_iterator_next(&it, &record))
        if (record.timestamp_ms >= timestamp_ms && record.offset >= start) {
            *ret_found = true;
            *ret_offset = record.offset;
            *ret_timestamp_ms = record.timestamp_ms;
        }
    enum err err = it.reader.err == OK ? OK : ERR_CORRUPT;
    record_iterator_deinit(&it);
    return err;
}

static enum err search_segment(struct log_segment *segment, int64_t start, int64_t timestamp_ms,
                               bool *ret_found, int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct log *log = segment->partition->log;
    struct io_file *file;
    struct log_scan scan;
    TRY(log_index_need(segment));
    io_mutex_lock(&log->lock);
    uint64_t position = log_index_position_of_time(segment, timestamp_ms), end = segment->bytes;
    bool late = segment->max_timestamp >= timestamp_ms;
    io_mutex_unlock(&log->lock);
    if (!late)
        return OK;
    TRY(log_segment_use(segment, &file));
    log_scan_init(&scan, file, position, end, false);
    enum err err = OK;
    while (err == OK && !*ret_found && log_scan_next(&scan))
        if (scan.batch.max_timestamp >= timestamp_ms)
            err = find_record(&scan.batch, start, timestamp_ms, ret_found, ret_offset,
                              ret_timestamp_ms);
    if (err == OK)
        err = scan.err;
    log_scan_deinit(&scan);
    log_segment_release(segment);
    return err;
}

/* The first segment behind base, held. */
static struct log_segment *hold_behind(struct log_partition *partition, int64_t base)
{
    struct log_segment *segment = NULL;
    for (size_t i = 0; i < partition->segment_count && !segment; i++)
        if (partition->segments[i]->base_offset > base)
            segment = partition->segments[i];
    if (segment)
        log_segment_ref(segment);
    return segment;
}

enum err log_offset_for_time(struct log_partition *partition, int64_t timestamp_ms,
                             int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct log *log = partition->log;
    int64_t from = -1;
    for (int look = 0;; look++) {
        io_mutex_lock(&log->lock);
        enum err err = partition->topic->deleted ? ERR_CLOSED : OK;
        int64_t start = partition->start;
        struct log_segment *segment = hold_behind(partition, from);
        io_mutex_unlock(&log->lock);
        if (err != OK || !segment) {
            if (segment)
                log_segment_unref(segment);
            TRY(err);
            *ret_offset = -1;
            *ret_timestamp_ms = -1;
            return OK;
        }
        bool found = false;
        int64_t base = segment->base_offset, offset = -1, timestamp = -1;
        err = search_segment(segment, start, timestamp_ms, &found, &offset, &timestamp);
        io_mutex_lock(&log->lock);
        bool again = segment->dropped || err == ERR_AGAIN;
        io_mutex_unlock(&log->lock);
        log_segment_unref(segment);
        if (again && look < LOOKS_MAX)
            continue;
        TRY(err);
        if (found) {
            *ret_offset = offset;
            *ret_timestamp_ms = timestamp;
            return OK;
        }
        from = base;
    }
}

/* ---- the greatest time --------------------------------------------------------------------- */

struct newest {
    int64_t start, offset, timestamp_ms;
};

static enum err take_newest(const struct record_batch *batch, struct newest *newest)
{
    struct record_iterator it;
    struct record record;
    TRY(record_iterator_init(&it, batch, INFLATED_MAX));
    while (record_iterator_next(&it, &record))
        if (record.timestamp_ms > newest->timestamp_ms && record.offset >= newest->start) {
            newest->timestamp_ms = record.timestamp_ms;
            newest->offset = record.offset;
        }
    enum err err = it.reader.err == OK ? OK : ERR_CORRUPT;
    record_iterator_deinit(&it);
    return err;
}

/* What producers say of their batches bounds what is in them. So the batch that the index names is
 * tried first, and the others only when they say more than was found. */
static enum err newest_of_segment(struct log_segment *segment, struct newest *newest)
{
    struct log *log = segment->partition->log;
    struct io_file *file;
    struct log_scan scan;
    bool found = false;
    TRY(log_index_need(segment));
    io_mutex_lock(&log->lock);
    int64_t most = segment->max_timestamp;
    uint64_t end = segment->bytes;
    io_mutex_unlock(&log->lock);
    if (most <= newest->timestamp_ms || end == 0)
        return OK;
    struct newest best = *newest;
    TRY(search_segment(segment, newest->start, most, &found, &best.offset, &best.timestamp_ms));
    if (found) {
        *newest = best;
        return OK;
    }
    TRY(log_segment_use(segment, &file));
    log_scan_init(&scan, file, 0, end, false);
    enum err err = OK;
    while (err == OK && log_scan_next(&scan))
        if (scan.batch.max_timestamp > newest->timestamp_ms)
            err = take_newest(&scan.batch, newest);
    if (err == OK)
        err = scan.err;
    log_scan_deinit(&scan);
    log_segment_release(segment);
    return err;
}

enum err log_offset_of_max_time(struct log_partition *partition, int64_t *ret_offset,
                                int64_t *ret_timestamp_ms)
{
    struct log *log = partition->log;
    struct newest newest = {.offset = -1, .timestamp_ms = -1};
    int64_t base = -1;
    for (int tries = 0;;) {
        io_mutex_lock(&log->lock);
        enum err err = partition->topic->deleted ? ERR_CLOSED : OK;
        newest.start = partition->start;
        struct log_segment *segment = err == OK ? hold_behind(partition, base) : NULL;
        io_mutex_unlock(&log->lock);
        TRY(err);
        if (!segment)
            break;
        int64_t this_base = segment->base_offset;
        struct newest more = newest;
        err = newest_of_segment(segment, &more);
        io_mutex_lock(&log->lock);
        bool again = segment->dropped || err == ERR_AGAIN;
        io_mutex_unlock(&log->lock);
        log_segment_unref(segment);
        if (again && tries++ < LOOKS_MAX)
            continue;
        TRY(err);
        newest = more;
        base = this_base;
    }
    *ret_offset = newest.offset;
    *ret_timestamp_ms = newest.timestamp_ms;
    return OK;
}
