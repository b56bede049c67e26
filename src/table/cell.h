/* SPDX-License-Identifier: MIT */
#ifndef TABLE_CELL_H
#define TABLE_CELL_H

#include "base/buf.h"
#include "base/reader.h"

/* The order is that of Cassandra's rule for equal timestamps: the later kind wins. */
enum cell_kind { CELL_LIVE, CELL_EXPIRING, CELL_TOMBSTONE };

enum { CELL_MARKER = 0 }; /* the id of the row marker; columns count from 1 */

struct cell {
    uint32_t id;
    enum cell_kind kind;
    int64_t timestamp_us;
    int64_t time_s; /* expiring: when; tombstone: when it was written */
    int64_t ttl_s;  /* expiring only */
    struct str value;
    struct str path; /* of an element of a collection; ptr NULL = none */
};

/* A row deletion: hides cells with a timestamp up to its own. */
struct deletion {
    int64_t timestamp_us; /* INT64_MIN = none */
    int64_t time_s;
    bool of_partition; /* the record stands at the head of a partition, whose rows it is about;
                        * also when only ranges of them are deleted */
};
#define DELETION_NONE ((struct deletion){INT64_MIN, 0, false})

/* What the cells of a row mostly have in common: what is equal costs no byte. */
struct row_base {
    int64_t timestamp_us;
    int64_t time_s;
    int64_t ttl_s;
};

/* Appends a row to a buf: begin, then cells by rising id. with_times: some cell is not CELL_LIVE.
 */
void row_begin(struct buf *out, const struct row_base *base, bool with_times,
               const struct deletion *deletion);
void row_add(struct buf *out, const struct row_base *base, const struct cell *cell);
/* The same for a row that has cells with paths: by rising (id, path), no path first. */
void row_begin_paths(struct buf *out, const struct row_base *base, bool with_times,
                     const struct deletion *deletion);
void row_add_path(struct buf *out, const struct row_base *base, const struct cell *cell);
/* The head of a live cell with the base's timestamp, whose value the caller appends: bytes are
 * those of the value. */
void row_add_head(struct buf *out, uint32_t id, size_t bytes);
/* The same with the value. */
void row_add_live(struct buf *out, uint32_t id, struct str value);
/* The head without the length, for a value whose length is known late: see row_length_patch. */
void row_add_open(struct buf *out, const struct row_base *base, const struct cell *cell);
/* Puts the length of what was appended since at in front of it. */
void row_length_patch(struct buf *out, size_t at);

struct row_reader {
    struct reader bytes;
    struct row_base base;
    struct deletion deletion;
    bool has_times; /* false: all cells are live */
    bool has_paths;
    uint32_t next_id_min;
    /* of the last cell, in rows with paths */
    bool any;
    uint32_t last_id;
    struct str last_path;
    uint32_t hidden_id; /* elements of this column up to hidden_us are deleted */
    int64_t hidden_us;
};
/* ERR_CORRUPT. */
enum err row_reader_init(struct row_reader *reader, struct str row) MUST_USE;
/* False at the end or on an error, which reader->bytes.err tells. Cells that the row's own deletion
 * hides are passed over, and elements that their column's cell without a path hides. */
bool row_reader_next(struct row_reader *reader, struct cell *ret_cell);

/* Order of (id, path) within a row. */
static inline int cell_place_compare(const struct cell *a, const struct cell *b)
{
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    if (!a->path.ptr || !b->path.ptr)
        return (a->path.ptr != NULL) - (b->path.ptr != NULL);
    return str_compare(a->path, b->path);
}
/* Which of two cells of one place stands: <0, 0, >0, a total order of timestamp, kind, time,
 * value, ttl. */
int cell_compare(const struct cell *a, const struct cell *b);
/* Neither a tombstone nor expired. */
static inline bool cell_is_live(const struct cell *cell, int64_t now_s)
{
    return cell->kind == CELL_LIVE || (cell->kind == CELL_EXPIRING && cell->time_s > now_s);
}

#endif
