/* SPDX-License-Identifier: MIT */
/*
 * Reading: from the cache when the offset is among the newest batches, else from the segment that
 * holds it, by its index and one or two reads of the file. Batches go out as they lie on the disk.
 *
 * A reader holds its segment by a reference, not by the lock. Retention and compaction may take the
 * file away meanwhile, or put another in its place: whoever finds its segment dropped after the
 * read looks again.
 */
#include "log/store.h"

#include "base/endian.h"

enum { LOOKS_MAX = 100, INFLATED_MAX = 256 << 20 };

static int64_t next_of(const uint8_t *batch)
{
    return (int64_t)get_be64(batch) + (int32_t)get_be32(batch + 23) + 1;
}

/* ---- from a file --------------------------------------------------------------------------- */

struct span {
    size_t skip;  /* bytes of batches that end before the offset */
    size_t bytes; /* whole batches to give */
    size_t need;  /* when bytes is 0: how much must be read to have one */
    int64_t next_offset;
};

/* Looks at what was read: data begins with a batch. */
static enum err find_span(const uint8_t *data, size_t bytes, int64_t offset, size_t bytes_max,
                          struct span *ret_span)
{
    struct span span = {.next_offset = offset};
    size_t at = 0;
    for (;;) {
        if (bytes - at < RECORD_BATCH_HEADER) {
            span.need = at - span.skip + RECORD_BATCH_HEADER;
            break;
        }
        uint64_t length = (uint64_t)get_be32(data + at + 8) + 12;
        if (length < RECORD_BATCH_HEADER || length > INT32_MAX ||
            data[at + 16] != RECORD_BATCH_MAGIC)
            return ERR_CORRUPT;
        if (length > bytes - at) {
            span.need = at - span.skip + (size_t)length;
            break;
        }
        if (span.bytes && span.bytes + length > bytes_max)
            break;
        if (next_of(data + at) <= offset) {
            span.skip = at + (size_t)length;
        } else {
            span.bytes += (size_t)length;
            span.next_offset = next_of(data + at);
        }
        at += (size_t)length;
        if (at == bytes)
            break;
    }
    *ret_span = span;
    return OK;
}

/* Batches from position on. Nothing is appended when the segment has none at or behind offset. */
static enum err read_file(struct log_segment *segment, struct io_file *file, uint64_t position,
                          uint64_t end, int64_t offset, size_t bytes_max, struct buf *out,
                          int64_t *ret_next)
{
    size_t start = out->bytes, want = bytes_max + LOG_INDEX_STEP;
    while (position < end) {
        struct span span;
        size_t got;
        if (want > end - position)
            want = (size_t)(end - position);
        uint8_t *to = buf_reserve(out, want);
        if (!to)
            return ERR_LIMIT;
        TRY(io_file_read(file, position, to, want, &got));
        if (got < want)
            return ERR_CORRUPT;
        TRY(find_span(to, got, offset, bytes_max, &span));
        if (span.bytes) {
            memmove(to, to + span.skip, span.bytes);
            buf_advance(out, span.bytes);
            *ret_next = span.next_offset;
            return OK;
        }
        if (span.skip == 0 && got == end - position)
            return ERR_CORRUPT;
        position += span.skip;
        want = span.need > bytes_max + LOG_INDEX_STEP ? span.need : bytes_max + LOG_INDEX_STEP;
    }
    buf_truncate(out, start);
    return OK;
}

/* ---- finding ------------------------------------------------------------------------------- */

/* Under log->lock. The index of the last segment that begins at or before offset. */
static size_t segment_at(const struct log_partition *partition, int64_t offset)
{
    size_t from = 0, until = partition->segment_count;
    while (from < until) {
        size_t middle = from + (until - from) / 2;
        if (partition->segments[middle]->base_offset <= offset)
            from = middle + 1;
        else
            until = middle;
    }
    return from ? from - 1 : 0;
}

static bool read_cache(struct log *log, const struct log_partition *partition, int64_t offset,
                       size_t bytes_max, struct buf *out, int64_t *ret_next)
{
    const struct log_cached *item = log_cache_find(partition, offset);
    size_t bytes = 0;
    if (!item)
        return false;
    for (; item && (bytes == 0 || bytes + item->bytes <= bytes_max); item = item->newer) {
        buf_append(out, log->cache.ring + item->at, item->bytes);
        bytes += item->bytes;
        *ret_next = item->next_offset;
    }
    return true;
}

static enum err read_segment(struct log_segment *segment, int64_t offset, size_t bytes_max,
                             struct buf *out, int64_t *ret_next)
{
    struct log *log = segment->partition->log;
    struct io_file *file;
    TRY(log_index_need(segment));
    io_mutex_lock(&log->lock);
    uint64_t position = log_index_position(segment, offset), end = segment->bytes;
    io_mutex_unlock(&log->lock);
    TRY(log_segment_use(segment, &file));
    enum err err = read_file(segment, file, position, end, offset, bytes_max, out, ret_next);
    log_segment_release(segment);
    return err;
}

/* One segment, held by a reference. again: it was taken away meanwhile. */
static enum err read_held(struct log *log, struct log_segment *segment, int64_t offset,
                          size_t bytes_max, struct buf *out, int64_t *ret_next, bool *ret_again)
{
    size_t start = out->bytes;
    enum err err = read_segment(segment, offset, bytes_max, out, ret_next);
    io_mutex_lock(&log->lock);
    *ret_again = segment->dropped || err == ERR_AGAIN;
    io_mutex_unlock(&log->lock);
    log_segment_unref(segment);
    if (*ret_again && out->bytes > start)
        buf_truncate(out, start);
    return err;
}

enum err log_read(struct log_partition *partition, int64_t offset, size_t bytes_max,
                  struct buf *out, struct log_read *ret_read)
{
    struct log *log = partition->log;
    int64_t from = offset, next = offset;
    if (bytes_max > INT32_MAX)
        bytes_max = INT32_MAX;
    for (int look = 0; look < LOOKS_MAX; look++) {
        io_mutex_lock(&log->lock);
        struct log_read read = {offset, partition->end, partition->start, partition->end};
        enum err err = OK;
        if (partition->topic->deleted)
            err = ERR_CLOSED;
        else if (offset < partition->start || offset > partition->end)
            err = ERR_OUT_OF_RANGE;
        bool done = err != OK || from >= partition->end;
        if (done)
            next = from;
        else
            done = read_cache(log, partition, from, bytes_max, out, &next);
        struct log_segment *segment = NULL;
        int64_t following = partition->end;
        if (!done) {
            size_t index = segment_at(partition, from);
            segment = partition->segments[index];
            if (index + 1 < partition->segment_count)
                following = partition->segments[index + 1]->base_offset;
            log_segment_ref(segment);
        }
        io_mutex_unlock(&log->lock);
        if (!done) {
            bool again;
            size_t before = out->bytes;
            err = read_held(log, segment, from, bytes_max, out, &next, &again);
            if (again)
                continue;
            if (err == OK && out->bytes == before) {
                /* Compaction left nothing at the end of the segment. */
                from = following;
                continue;
            }
        }
        if (err == OK)
            err = buf_error(out);
        TRY(err);
        read.offset_next = next > offset ? next : offset;
        *ret_read = read;
        return OK;
    }
    return ERR_AGAIN;
}

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

enum err log_offset_for_time(struct log_partition *partition, int64_t timestamp_ms,
                             int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct log *log = partition->log;
    int64_t from = -1;
    for (int look = 0;; look++) {
        io_mutex_lock(&log->lock);
        enum err err = partition->topic->deleted ? ERR_CLOSED : OK;
        int64_t start = partition->start;
        struct log_segment *segment = NULL;
        for (size_t i = 0; i < partition->segment_count && !segment; i++)
            if (partition->segments[i]->base_offset > from)
                segment = partition->segments[i];
        if (segment)
            log_segment_ref(segment);
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
