/* SPDX-License-Identifier: MIT */
/*
 * A row as bytes: what its cells have in common once, then the cells by rising column id. A full
 * row of live cells costs two bytes a cell over its values (ids below 16, values below 128).
 *
 *   u8      0x10 (version 1) | 1 times | 2 deletion | 4 head of a partition
 *   u64 le  base timestamp, us
 *   times:     varint base time s, uvarint base ttl s
 *   deletion:  u64 le timestamp us, varint time s
 *   cells to the end:
 *     uvarint  id << 3 | 1 own timestamp | 2 expiring | 4 tombstone
 *     own timestamp: varint timestamp - base
 *     expiring:      varint expiry - base time, varint ttl - base ttl
 *     tombstone:     varint time - base time
 *     not a tombstone and not the marker (id 0): uvarint length, bytes
 *
 * Version 2 (0x20) is for rows that have elements of collections: a cell's head is
 *     uvarint  id << 4 | 1 own timestamp | 2 expiring | 4 tombstone | 8 has a path
 * and a path, as uvarint length and bytes, comes before the value's length. A cell without a path
 * in front of elements of its column hides those up to its timestamp: a collection's tombstone.
 * Records of deleted ranges are such rows too (ranges.c): one tombstone a range, with its bounds
 * as path.
 *
 * Invariants
 * 1. Ids rise; each occurs once, in version 2 each pair of id and path.
 * 2. No cell that is stored has a timestamp up to that of the row's own deletion (readers pass over
 *    such cells, the merge drops them).
 * 3. The bytes are a function of base, deletion and cells; merge.c chooses the base from the cells,
 *    so merged rows of equal content have equal bytes.
 *
 * Differences wrap, so that every pair of 64-bit numbers has one.
 */
#include "table/cell.h"

enum { HEAD_VERSION = 0x10, HEAD_VERSION_PATHS = 0x20 };
enum { HEAD_TIMES = 1, HEAD_DELETION = 2, HEAD_PARTITION = 4 };
enum { CELL_OWN_TIMESTAMP = 1, CELL_EXPIRES = 2, CELL_IS_TOMBSTONE = 4, CELL_HAS_PATH = 8 };
enum { CELL_ID_SHIFT = 3, CELL_ID_SHIFT_PATHS = 4 };

static int64_t minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void begin(struct buf *out, unsigned version, const struct row_base *base, bool with_times,
                  const struct deletion *deletion)
{
    bool deleted = deletion->timestamp_us != INT64_MIN;
    buf_u8(out,
           (uint8_t)(version | (with_times ? HEAD_TIMES : 0u) | (deleted ? HEAD_DELETION : 0u) |
                     (deletion->of_partition ? HEAD_PARTITION : 0u)));
    buf_le64(out, (uint64_t)base->timestamp_us);
    if (with_times) {
        buf_varint(out, base->time_s);
        buf_uvarint(out, (uint64_t)base->ttl_s);
    }
    if (deleted) {
        buf_le64(out, (uint64_t)deletion->timestamp_us);
        buf_varint(out, deletion->time_s);
    }
}

void row_begin(struct buf *out, const struct row_base *base, bool with_times,
               const struct deletion *deletion)
{
    begin(out, HEAD_VERSION, base, with_times, deletion);
}

void row_begin_paths(struct buf *out, const struct row_base *base, bool with_times,
                     const struct deletion *deletion)
{
    begin(out, HEAD_VERSION_PATHS, base, with_times, deletion);
}

void row_add_head(struct buf *out, uint32_t id, size_t bytes)
{
    uint8_t *at = buf_reserve(out, 2);
    if (at && id < 16 && bytes < 128) {
        at[0] = (uint8_t)(id << CELL_ID_SHIFT);
        at[1] = (uint8_t)bytes;
        buf_advance(out, 2);
        return;
    }
    buf_uvarint(out, (uint64_t)id << CELL_ID_SHIFT);
    buf_uvarint(out, bytes);
}

void row_add_live(struct buf *out, uint32_t id, struct str value)
{
    uint8_t *at = id < 16 && value.bytes < 128 ? buf_reserve(out, 2 + value.bytes) : NULL;
    if (!at) {
        row_add_head(out, id, value.bytes);
        buf_str_append(out, value);
        return;
    }
    at[0] = (uint8_t)(id << CELL_ID_SHIFT);
    at[1] = (uint8_t)value.bytes;
    if (value.bytes)
        memcpy(at + 2, value.ptr, value.bytes);
    buf_advance(out, 2 + value.bytes);
}

static uint64_t flags_of(const struct row_base *base, const struct cell *cell)
{
    return (uint64_t)(cell->timestamp_us != base->timestamp_us ? CELL_OWN_TIMESTAMP : 0) |
           (cell->kind == CELL_EXPIRING ? CELL_EXPIRES : 0) |
           (cell->kind == CELL_TOMBSTONE ? CELL_IS_TOMBSTONE : 0);
}

static void add_times(struct buf *out, const struct row_base *base, const struct cell *cell)
{
    if (cell->timestamp_us != base->timestamp_us)
        buf_varint(out, minus(cell->timestamp_us, base->timestamp_us));
    if (cell->kind != CELL_LIVE)
        buf_varint(out, minus(cell->time_s, base->time_s));
    if (cell->kind == CELL_EXPIRING)
        buf_varint(out, minus(cell->ttl_s, base->ttl_s));
}

void row_add_open(struct buf *out, const struct row_base *base, const struct cell *cell)
{
    buf_uvarint(out, (uint64_t)cell->id << CELL_ID_SHIFT | flags_of(base, cell));
    add_times(out, base, cell);
}

void row_add(struct buf *out, const struct row_base *base, const struct cell *cell)
{
    row_add_open(out, base, cell);
    if (cell->kind == CELL_TOMBSTONE || cell->id == CELL_MARKER)
        return;
    buf_uvarint(out, cell->value.bytes);
    buf_append(out, cell->value.ptr, cell->value.bytes);
}

void row_add_path(struct buf *out, const struct row_base *base, const struct cell *cell)
{
    uint64_t flags = flags_of(base, cell) | (cell->path.ptr ? CELL_HAS_PATH : 0);
    buf_uvarint(out, (uint64_t)cell->id << CELL_ID_SHIFT_PATHS | flags);
    add_times(out, base, cell);
    if (cell->path.ptr) {
        buf_uvarint(out, cell->path.bytes);
        buf_str_append(out, cell->path);
    }
    if (cell->kind == CELL_TOMBSTONE || cell->id == CELL_MARKER)
        return;
    buf_uvarint(out, cell->value.bytes);
    buf_str_append(out, cell->value);
}

void row_length_patch(struct buf *out, size_t at)
{
    size_t bytes = out->bytes - at;
    size_t head = 1;
    for (size_t rest = bytes >> 7; rest; rest >>= 7)
        head++;
    uint8_t *place = buf_reserve(out, head);
    if (!place)
        return;
    memmove(out->ptr + at + head, out->ptr + at, bytes);
    for (size_t i = 0, rest = bytes; i < head; i++, rest >>= 7)
        out->ptr[at + i] = (uint8_t)((rest & 0x7F) | (i + 1 < head ? 0x80 : 0));
    buf_advance(out, head);
}

static int64_t read_le64(struct reader *r)
{
    const uint8_t *at = reader_take(r, 8);
    return at ? (int64_t)get_le64(at) : 0;
}

enum err row_reader_init(struct row_reader *reader, struct str row)
{
    *reader =
        (struct row_reader){.bytes = reader_of(row.ptr, row.bytes), .deletion = DELETION_NONE};
    struct reader *r = &reader->bytes;
    uint8_t head = reader_u8(r);
    int version = head & ~(HEAD_TIMES | HEAD_DELETION | HEAD_PARTITION);
    if (version != HEAD_VERSION && version != HEAD_VERSION_PATHS)
        return ERR_CORRUPT;
    reader->has_paths = version == HEAD_VERSION_PATHS;
    reader->base.timestamp_us = read_le64(r);
    reader->has_times = head & HEAD_TIMES;
    if (head & HEAD_TIMES) {
        reader->base.time_s = reader_varint(r, 64);
        reader->base.ttl_s = (int64_t)reader_uvarint(r, 64);
    }
    if (head & HEAD_DELETION) {
        reader->deletion.timestamp_us = read_le64(r);
        reader->deletion.time_s = reader_varint(r, 64);
    }
    reader->deletion.of_partition = head & HEAD_PARTITION;
    return r->err ? ERR_CORRUPT : OK;
}

/* One byte is the rule. */
static inline uint64_t read_uvarint(struct reader *r)
{
    if (r->left && !(*r->ptr & 0x80)) {
        r->left--;
        return *r->ptr++;
    }
    return reader_uvarint(r, 64);
}

static void read_times(struct row_reader *reader, uint64_t head, struct cell *cell)
{
    struct reader *r = &reader->bytes;
    cell->timestamp_us = reader->base.timestamp_us;
    if (head & CELL_OWN_TIMESTAMP)
        cell->timestamp_us = plus(cell->timestamp_us, reader_varint(r, 64));
    if (head & (CELL_EXPIRES | CELL_IS_TOMBSTONE)) {
        cell->kind = head & CELL_EXPIRES ? CELL_EXPIRING : CELL_TOMBSTONE;
        cell->time_s = plus(reader->base.time_s, reader_varint(r, 64));
        if (head & CELL_EXPIRES)
            cell->ttl_s = plus(reader->base.ttl_s, reader_varint(r, 64));
    }
}

static bool read_cell(struct row_reader *reader, struct cell *cell)
{
    struct reader *r = &reader->bytes;
    uint64_t head = read_uvarint(r);
    uint64_t id = head >> CELL_ID_SHIFT;
    if (id < reader->next_id_min || id >= UINT32_MAX ||
        (head & CELL_EXPIRES && head & CELL_IS_TOMBSTONE)) {
        reader_fail(r, ERR_CORRUPT);
        return false;
    }
    reader->next_id_min = (uint32_t)id + 1;
    *cell = (struct cell){.id = (uint32_t)id};
    read_times(reader, head, cell);
    if (cell->kind != CELL_TOMBSTONE && id != CELL_MARKER)
        cell->value = reader_str(r, read_uvarint(r));
    return r->err == OK;
}

static bool read_path_cell(struct row_reader *reader, struct cell *cell)
{
    struct reader *r = &reader->bytes;
    uint64_t head = read_uvarint(r);
    uint64_t id = head >> CELL_ID_SHIFT_PATHS;
    bool bad = id >= UINT32_MAX || (head & CELL_EXPIRES && head & CELL_IS_TOMBSTONE) ||
               (id == CELL_MARKER && head & CELL_HAS_PATH);
    *cell = (struct cell){.id = (uint32_t)id};
    read_times(reader, head, cell);
    if (head & CELL_HAS_PATH)
        cell->path = reader_str(r, read_uvarint(r));
    struct cell last = {.id = reader->last_id, .path = reader->last_path};
    if (bad || r->err || (reader->any && cell_place_compare(cell, &last) <= 0)) {
        reader_fail(r, ERR_CORRUPT);
        return false;
    }
    reader->any = true;
    reader->last_id = cell->id;
    reader->last_path = cell->path;
    if (cell->kind != CELL_TOMBSTONE && id != CELL_MARKER)
        cell->value = reader_str(r, read_uvarint(r));
    if (!cell->path.ptr) {
        reader->hidden_id = cell->id;
        reader->hidden_us = cell->timestamp_us;
    }
    return r->err == OK;
}

static bool is_hidden(const struct row_reader *reader, const struct cell *cell)
{
    /* INT64_MIN stands for "none": a cell of that timestamp is not hidden by it. */
    if (reader->deletion.timestamp_us != INT64_MIN &&
        cell->timestamp_us <= reader->deletion.timestamp_us)
        return true;
    return cell->path.ptr && cell->id == reader->hidden_id &&
           cell->timestamp_us <= reader->hidden_us;
}

bool row_reader_next(struct row_reader *reader, struct cell *ret_cell)
{
    while (reader->bytes.left) {
        bool there =
            reader->has_paths ? read_path_cell(reader, ret_cell) : read_cell(reader, ret_cell);
        if (!there) {
            reader->bytes.err = ERR_CORRUPT;
            return false;
        }
        if (!is_hidden(reader, ret_cell))
            return true;
    }
    return false;
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int cell_compare(const struct cell *a, const struct cell *b)
{
    int order = compare_i64(a->timestamp_us, b->timestamp_us);
    if (!order)
        order = compare_i64((int64_t)a->kind, (int64_t)b->kind);
    if (!order)
        order = compare_i64(a->time_s, b->time_s);
    if (!order)
        order = str_compare(a->value, b->value);
    /* Equal expiry: the shorter ttl was written later. */
    return order ? order : compare_i64(b->ttl_s, a->ttl_s);
}
