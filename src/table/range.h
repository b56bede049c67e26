/* SPDX-License-Identifier: MIT */
#ifndef TABLE_RANGE_H
#define TABLE_RANGE_H

#include "table/cell.h"

/*
 * What is deleted at the head of a partition: all of it up to a timestamp, and ranges of its rows.
 * Rows are told by the ordered bytes of their clustering columns.
 */
enum { CELL_RANGE = 1 }; /* the id of the cells of a head's record */

/* A range of rows: from <= row < to; without_end: to the partition's end. */
struct range {
    struct str from;
    struct str to;
    bool without_end;
    int64_t timestamp_us;
};
/* Appends a range as the path of its cell. */
void range_put(const struct range *range, struct buf *out);
/* ERR_CORRUPT. from is appended to scratch and lives there. */
enum err range_read(struct str path, struct buf *scratch, struct range *ret_range) MUST_USE;

/* Takes out of the cells of a head the ranges that lie in newer ones. */
void ranges_simplify(struct cell *cells, size_t *count);

struct segment; /* a run of rows and what is the newest deletion of a range that it is in */
struct head {
    struct deletion deletion; /* of the partition */
    struct segment *segments; /* by where they begin */
    size_t count;
    size_t room;
    struct buf bytes;
};
void head_deinit(struct head *head);
/* Forgets all: nothing is deleted. */
void head_reset(struct head *head);
/* ERR_CORRUPT. */
enum err head_load(struct head *head, struct str record) MUST_USE;
/* Cells of the row up to this timestamp are deleted; INT64_MIN = none. */
int64_t head_cover(const struct head *head, struct str clustering);
/* The same from the record itself, for one row: a deletion of the partition or of ranges. */
enum err head_cover_once(struct str record, struct str clustering, struct buf *scratch,
                         int64_t *ret_timestamp_us) MUST_USE;

#endif
