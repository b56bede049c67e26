/* SPDX-License-Identifier: MIT */
/*
 * The record at the head of a partition. It is a row (cell.c) whose own deletion is that of the
 * partition and whose cells are deleted ranges, so that the merge of rows is the merge of heads
 * too: one tombstone with id 1 a range, with its bounds as path:
 *
 *   from    escaped bytes of a clustering prefix, or the first behind all that have the prefix
 *   u8 1, to  the same, not escaped; or u8 2: to the partition's end
 *
 * Ranges that overlap stand beside each other; one that lies in a newer one is dropped by the merge
 * (what stands are the maxima of a partial order, so no order of merges matters). For scans they
 * are turned into segments that do not: each bound begins one, and what is deleted in it is the
 * newest of the ranges around it.
 *
 * Invariant: segments rise; rows before the first are in no range.
 */
#include "table/range.h"

#include "base/mem.h"
#include "table/order.h"

#include <stdlib.h>

enum { RANGE_TO = 1, RANGE_WITHOUT_END = 2, SIMPLIFY_MAX = 256 };

struct segment {
    struct str begin;
    int64_t timestamp_us; /* INT64_MIN = none */
};

void range_put(const struct range *range, struct buf *out)
{
    order_escape(range->from, out);
    buf_u8(out, range->without_end ? RANGE_WITHOUT_END : RANGE_TO);
    if (!range->without_end)
        buf_str_append(out, range->to);
}

enum err range_read(struct str path, struct buf *scratch, struct range *ret_range)
{
    size_t at = scratch->bytes;
    struct range range = {0};
    TRY(order_unescape(&path, 0, scratch));
    range.from = str_slice(buf_str(scratch), at, scratch->bytes);
    if (!path.bytes || (path.ptr[0] != RANGE_TO && path.ptr[0] != RANGE_WITHOUT_END))
        return ERR_CORRUPT;
    range.without_end = path.ptr[0] == RANGE_WITHOUT_END;
    range.to = str_slice(path, 1, path.bytes);
    if (range.without_end && range.to.bytes)
        return ERR_CORRUPT;
    *ret_range = range;
    return OK;
}

static bool range_has(const struct range *range, struct str clustering)
{
    return str_compare(range->from, clustering) <= 0 &&
           (range->without_end || str_compare(clustering, range->to) < 0);
}

enum err head_cover_once(struct str record, struct str clustering, struct buf *scratch,
                         int64_t *ret_timestamp_us)
{
    struct row_reader reader;
    struct cell cell;
    TRY(row_reader_init(&reader, record));
    int64_t newest = reader.deletion.timestamp_us;
    while (row_reader_next(&reader, &cell)) {
        struct range range;
        if (cell.id != CELL_RANGE || cell.timestamp_us <= newest)
            continue;
        buf_reset(scratch);
        TRY(range_read(cell.path, scratch, &range));
        if (range_has(&range, clustering))
            newest = cell.timestamp_us;
    }
    *ret_timestamp_us = newest;
    return reader.bytes.err;
}

/* ---- what lies in newer ranges ---- */

static bool lies_in(const struct range *inner, const struct range *outer)
{
    return inner->timestamp_us <= outer->timestamp_us &&
           str_compare(outer->from, inner->from) <= 0 &&
           (outer->without_end || (!inner->without_end && str_compare(inner->to, outer->to) <= 0));
}

/* Of very many ranges it would take long, and they are right as they are. */
void ranges_simplify(struct cell *cells, size_t *count)
{
    struct range ranges[SIMPLIFY_MAX];
    struct buf scratch = {0};
    size_t bytes = 1, kept = 0;
    if (*count < 2 || *count > SIMPLIFY_MAX)
        return;
    for (size_t i = 0; i < *count; i++)
        bytes += cells[i].path.bytes;
    bool good = buf_reserve(&scratch, bytes) != NULL; /* it does not move from here on */
    for (size_t i = 0; i < *count && good; i++) {
        good = cells[i].id == CELL_RANGE && cells[i].path.ptr &&
               range_read(cells[i].path, &scratch, &ranges[i]) == OK;
        ranges[i].timestamp_us = cells[i].timestamp_us;
    }
    for (size_t i = 0; i < *count && good; i++) {
        bool covered = false;
        for (size_t j = 0; j < *count && !covered; j++)
            covered = i != j && lies_in(&ranges[i], &ranges[j]);
        if (!covered)
            cells[kept++] = cells[i];
    }
    if (good)
        *count = kept;
    buf_deinit(&scratch);
}

/* ---- for many rows ---- */

void head_deinit(struct head *head)
{
    mem_free(head->segments);
    buf_deinit(&head->bytes);
    *head = (struct head){.deletion = DELETION_NONE};
}

void head_reset(struct head *head)
{
    head->deletion = DELETION_NONE;
    head->count = 0;
}

struct ranges {
    struct range *list;
    size_t count, room;
    size_t *active;
};

static enum err read_ranges(struct head *head, struct str record, struct ranges *ranges)
{
    struct row_reader reader;
    struct cell cell;
    TRY(row_reader_init(&reader, record));
    head->deletion = reader.deletion;
    /* All that the ranges point into is copied first, and does not move any more then. */
    buf_reset(&head->bytes);
    if (!buf_reserve(&head->bytes, 2 * record.bytes + 1))
        return buf_error(&head->bytes);
    buf_str_append(&head->bytes, record);
    TRY(row_reader_init(&reader, buf_str(&head->bytes)));
    while (row_reader_next(&reader, &cell)) {
        if (cell.id != CELL_RANGE)
            continue;
        if (ranges->count == ranges->room) {
            ranges->room = ranges->room * 2 + 8;
            ranges->list = mem_realloc_array(ranges->list, ranges->room, sizeof *ranges->list);
        }
        struct range *range = &ranges->list[ranges->count];
        TRY(range_read(cell.path, &head->bytes, range));
        range->timestamp_us = cell.timestamp_us;
        ranges->count++;
    }
    return reader.bytes.err;
}

static int compare_segments(const void *a, const void *b)
{
    return str_compare(((const struct segment *)a)->begin, ((const struct segment *)b)->begin);
}

static int compare_ranges(const void *a, const void *b)
{
    return str_compare(((const struct range *)a)->from, ((const struct range *)b)->from);
}

/* A segment for each bound, by rising order, each once. */
static void list_bounds(struct head *head, const struct ranges *ranges)
{
    if (head->room < 2 * ranges->count) {
        head->room = 2 * ranges->count;
        head->segments = mem_realloc_array(head->segments, head->room, sizeof *head->segments);
    }
    size_t count = 0;
    for (size_t i = 0; i < ranges->count; i++) {
        head->segments[count++] = (struct segment){ranges->list[i].from, INT64_MIN};
        if (!ranges->list[i].without_end)
            head->segments[count++] = (struct segment){ranges->list[i].to, INT64_MIN};
    }
    if (count)
        qsort(head->segments, count, sizeof *head->segments, compare_segments);
    head->count = 0;
    for (size_t i = 0; i < count; i++)
        if (!i || compare_segments(&head->segments[head->count - 1], &head->segments[i]))
            head->segments[head->count++] = head->segments[i];
}

static void cover_segments(struct head *head, struct ranges *ranges)
{
    size_t next = 0, active_count = 0;
    for (size_t at = 0; at < head->count; at++) {
        struct segment *segment = &head->segments[at];
        for (; next < ranges->count && str_compare(ranges->list[next].from, segment->begin) <= 0;
             next++)
            ranges->active[active_count++] = next;
        for (size_t i = 0; i < active_count;) {
            const struct range *range = &ranges->list[ranges->active[i]];
            if (!range_has(range, segment->begin)) {
                ranges->active[i] = ranges->active[--active_count];
                continue;
            }
            if (range->timestamp_us > segment->timestamp_us)
                segment->timestamp_us = range->timestamp_us;
            i++;
        }
    }
}

enum err head_load(struct head *head, struct str record)
{
    struct ranges ranges = {0};
    head_reset(head);
    enum err err = read_ranges(head, record, &ranges);
    if (!err && ranges.count) {
        ranges.active = mem_array(ranges.count, sizeof *ranges.active);
        qsort(ranges.list, ranges.count, sizeof *ranges.list, compare_ranges);
        list_bounds(head, &ranges);
        cover_segments(head, &ranges);
    }
    mem_free(ranges.active);
    mem_free(ranges.list);
    if (err)
        head_reset(head);
    return err;
}

int64_t head_cover(const struct head *head, struct str clustering)
{
    int64_t newest = head->deletion.timestamp_us;
    size_t low = 0, high = head->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (str_compare(head->segments[middle].begin, clustering) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low && head->segments[low - 1].timestamp_us > newest)
        newest = head->segments[low - 1].timestamp_us;
    return newest;
}
