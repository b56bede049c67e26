/* SPDX-License-Identifier: MIT */
/*
 * Reading: from the cache when the offset is among the newest batches, else from the segment that
 * holds it, by its index and one or two reads of the file. Batches go out as they lie on the disk.
 *
 * Stable reads (read_committed) end at the last stable offset, which is where a batch begins.
 *
 * A reader holds its segment by a reference, not by the lock. Retention and compaction may take the
 * file away meanwhile, or put another in its place: whoever finds its segment dropped after the
 * read looks again.
 */
#include "log/remote.h"
#include "log/store.h"

#include "base/endian.h"

enum { LOOKS_MAX = 100 };

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
    bool ended; /* by the limit */
};

/* Batches from the one with offset on, that begin below limit. */
struct wanted {
    int64_t offset, limit;
    size_t bytes_max;
};

/* Looks at what was read: data begins with a batch. */
static enum err find_span(const uint8_t *data, size_t bytes, const struct wanted *wanted,
                          struct span *ret_span)
{
    struct span span = {.next_offset = wanted->offset};
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
        span.ended = (int64_t)get_be64(data + at) >= wanted->limit;
        if (span.ended)
            break;
        if (length > bytes - at) {
            span.need = at - span.skip + (size_t)length;
            break;
        }
        if (span.bytes && span.bytes + length > wanted->bytes_max)
            break;
        if (next_of(data + at) <= wanted->offset) {
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
static enum err read_file(struct io_file *file, uint64_t position, uint64_t end,
                          const struct wanted *wanted, struct buf *out, int64_t *ret_next)
{
    size_t start = out->bytes, least = wanted->bytes_max + LOG_INDEX_STEP, want = least;
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
        TRY(find_span(to, got, wanted, &span));
        if (span.bytes) {
            memmove(to, to + span.skip, span.bytes);
            buf_advance(out, span.bytes);
            *ret_next = span.next_offset;
            return OK;
        }
        if (span.ended)
            break;
        if (span.skip == 0 && got == end - position)
            return ERR_CORRUPT;
        position += span.skip;
        want = span.need > least ? span.need : least;
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

static bool read_cache(struct log *log, const struct log_partition *partition,
                       const struct wanted *wanted, struct buf *out, int64_t *ret_next)
{
    const struct log_cached *item = log_cache_find(partition, wanted->offset);
    size_t bytes = 0;
    if (!item)
        return false;
    for (; item && (bytes == 0 || bytes + item->bytes <= wanted->bytes_max); item = item->newer) {
        if (item->base_offset >= wanted->limit)
            break;
        buf_append(out, log->cache.ring + item->at, item->bytes);
        bytes += item->bytes;
        *ret_next = item->next_offset;
    }
    return true;
}

static enum err read_segment(struct log_segment *segment, const struct wanted *wanted,
                             struct buf *out, int64_t *ret_next)
{
    struct log *log = segment->partition->log;
    struct io_file *file;
    TRY(log_index_need(segment));
    io_mutex_lock(&log->lock);
    uint64_t position = log_index_position(segment, wanted->offset), end = segment->bytes;
    log_pages_want(segment, position);
    io_mutex_unlock(&log->lock);
    TRY(log_segment_use(segment, &file));
    enum err err = read_file(file, position, end, wanted, out, ret_next);
    log_segment_release(segment);
    return err;
}

/* One segment, held by a reference. again: it was taken away meanwhile. */
static enum err read_held(struct log *log, struct log_segment *segment, const struct wanted *wanted,
                          struct buf *out, int64_t *ret_next, bool *ret_again)
{
    size_t start = out->bytes;
    enum err err = read_segment(segment, wanted, out, ret_next);
    io_mutex_lock(&log->lock);
    *ret_again = segment->dropped || err == ERR_AGAIN;
    io_mutex_unlock(&log->lock);
    log_segment_unref(segment);
    if (*ret_again && out->bytes > start)
        buf_truncate(out, start);
    return err;
}

/* Under log->lock. Where reads end, and what a reader is told. */
static enum err look(const struct log_partition *partition, int64_t offset, bool stable,
                     struct log_read *ret_read, int64_t *ret_limit)
{
    int64_t stable_end = log_txn_stable_end(partition);
    *ret_read = (struct log_read){.offset_next = offset,
                                  .high_watermark = partition->end,
                                  .log_start = partition->start,
                                  .stable_end = stable_end};
    *ret_limit = stable ? stable_end : partition->end;
    if (partition->topic->deleted)
        return ERR_CLOSED;
    return offset < partition->start || offset > partition->end ? ERR_OUT_OF_RANGE : OK;
}

struct log_segment *log_segment_hold(struct log_partition *partition, int64_t offset,
                                     int64_t *ret_following)
{
    size_t index = segment_at(partition, offset);
    struct log_segment *segment = partition->segments[index];
    *ret_following = partition->end;
    if (index + 1 < partition->segment_count)
        *ret_following = partition->segments[index + 1]->base_offset;
    log_segment_ref(segment);
    return segment;
}

static enum err read_from(struct log_partition *partition, int64_t offset, size_t bytes_max,
                          bool stable, struct buf *out, struct log_read *ret_read)
{
    struct log *log = partition->log;
    struct wanted wanted = {.offset = offset};
    if (log->remote)
        return remote_read(partition, offset, bytes_max, out, ret_read);
    wanted.bytes_max = bytes_max > INT32_MAX ? INT32_MAX : bytes_max;
    for (int tries = 0; tries < LOOKS_MAX; tries++) {
        struct log_read read;
        struct log_segment *segment = NULL;
        int64_t next = wanted.offset, following = 0;
        io_mutex_lock(&log->lock);
        enum err err = look(partition, offset, stable, &read, &wanted.limit);
        if (err == OK && wanted.offset < wanted.limit &&
            !read_cache(log, partition, &wanted, out, &next))
            segment = log_segment_hold(partition, wanted.offset, &following);
        io_mutex_unlock(&log->lock);
        if (segment) {
            bool again;
            size_t before = out->bytes;
            err = read_held(log, segment, &wanted, out, &next, &again);
            if (again)
                continue;
            if (err == OK && out->bytes == before) {
                /* Compaction left nothing at the end of the segment. */
                wanted.offset = following;
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

enum err log_read(struct log_partition *partition, int64_t offset, size_t bytes_max,
                  struct buf *out, struct log_read *ret_read)
{
    return read_from(partition, offset, bytes_max, false, out, ret_read);
}

enum err log_read_stable(struct log_partition *partition, int64_t offset, size_t bytes_max,
                         struct buf *out, struct log_read *ret_read)
{
    return read_from(partition, offset, bytes_max, true, out, ret_read);
}

/* ---- as a range of a file ------------------------------------------------------------------ */

/* The batch at position: its bytes and offsets, by its header alone. */
static enum err read_header(struct io_file *file, uint64_t position, uint64_t end,
                            uint64_t *ret_bytes, int64_t *ret_base, int64_t *ret_next)
{
    uint8_t header[RECORD_BATCH_HEADER];
    size_t got;
    TRY(io_file_read(file, position, header, sizeof header, &got));
    if (got < sizeof header || header[16] != RECORD_BATCH_MAGIC)
        return ERR_CORRUPT;
    *ret_bytes = (uint64_t)get_be32(header + 8) + 12;
    *ret_base = (int64_t)get_be64(header);
    *ret_next = next_of(header);
    return *ret_bytes < RECORD_BATCH_HEADER || *ret_bytes > end - position ? ERR_CORRUPT : OK;
}

/* Under log->lock. The furthest batch known by the index that begins at or before the position and
 * below the limit; from when there is none. */
static uint64_t jump(const struct log_segment *segment, uint64_t from, uint64_t until,
                     int64_t limit)
{
    for (uint32_t i = segment->index_count; i > 0; i--) {
        const struct log_index_entry *entry = &segment->index[i - 1];
        if (entry->position <= from)
            break;
        if (entry->position <= until && segment->base_offset + entry->relative_offset < limit)
            return entry->position;
    }
    return from;
}

/* The range of the file: whole batches, at least one, of those below the limit. */
static enum err find_range(struct log_segment *segment, struct io_file *file,
                           const struct wanted *wanted, struct log_slice *slice, int64_t *ret_next)
{
    struct log *log = segment->partition->log;
    io_mutex_lock(&log->lock);
    uint64_t position = log_index_position(segment, wanted->offset), end = segment->bytes;
    log_pages_want(segment, position);
    io_mutex_unlock(&log->lock);
    uint64_t bytes = 0;
    int64_t base, next = wanted->offset;
    for (;; position += bytes) {
        if (position >= end)
            return ERR_AGAIN;
        TRY(read_header(file, position, end, &bytes, &base, &next));
        if (base >= wanted->limit)
            return ERR_AGAIN;
        if (next > wanted->offset)
            break;
    }
    uint64_t until = position + bytes, most = position + wanted->bytes_max;
    io_mutex_lock(&log->lock);
    uint64_t at = until < end ? jump(segment, until, most, wanted->limit) : until;
    io_mutex_unlock(&log->lock);
    *ret_next = next;
    while (at < end && at <= most) {
        TRY(read_header(file, at, end, &bytes, &base, &next));
        *ret_next = base > *ret_next ? base : *ret_next;
        until = at;
        if (base >= wanted->limit || at + bytes > most)
            break;
        at += bytes;
        until = at;
        *ret_next = next;
    }
    slice->position = position;
    slice->bytes = (size_t)(until - position);
    return OK;
}

static enum err open_held(struct log_segment *segment, const struct wanted *wanted,
                          struct log_slice *slice, int64_t *ret_next)
{
    struct io_file *file;
    TRY(log_index_need(segment));
    TRY(log_segment_use(segment, &file));
    enum err err = find_range(segment, file, wanted, slice, ret_next);
    slice->file = file;
    slice->segment = segment;
    if (err != OK)
        log_segment_release(segment);
    return err;
}

enum err log_slice_open(struct log_partition *partition, int64_t offset, size_t bytes_max,
                        bool stable, struct log_slice *ret_slice, struct log_read *ret_read)
{
    struct log *log = partition->log;
    struct wanted wanted = {.offset = offset};
    if (log->remote)
        return ERR_UNSUPPORTED;
    wanted.bytes_max = bytes_max > INT32_MAX ? INT32_MAX : bytes_max;
    for (int tries = 0; tries < LOOKS_MAX; tries++) {
        struct log_slice slice = {0};
        struct log_read read;
        struct log_segment *segment = NULL;
        int64_t next, following;
        io_mutex_lock(&log->lock);
        enum err err = look(partition, offset, stable, &read, &wanted.limit);
        if (err == OK && (offset >= wanted.limit || log_cache_find(partition, offset)))
            err = ERR_AGAIN;
        if (err == OK)
            segment = log_segment_hold(partition, offset, &following);
        io_mutex_unlock(&log->lock);
        TRY(err);
        err = open_held(segment, &wanted, &slice, &next);
        io_mutex_lock(&log->lock);
        bool dropped = segment->dropped;
        io_mutex_unlock(&log->lock);
        if (err == OK && !dropped) {
            read.offset_next = next;
            *ret_slice = slice;
            *ret_read = read;
            return OK;
        }
        if (err == OK)
            log_segment_release(segment);
        log_segment_unref(segment);
        if (!dropped)
            return err;
    }
    return ERR_AGAIN;
}

void log_slice_release(struct log_slice *slice)
{
    if (!slice->segment)
        return;
    log_segment_release(slice->segment);
    log_segment_unref(slice->segment);
    *slice = (struct log_slice){0};
}
