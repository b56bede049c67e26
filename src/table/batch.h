/* SPDX-License-Identifier: MIT */
#ifndef TABLE_BATCH_H
#define TABLE_BATCH_H

#include "table/cell.h"
#include "table/ops.h"
#include "table/store.h"

struct table_batch {
    struct table_store *store;
    struct buf ops;
    /* scratch of one call */
    struct buf key;
    struct buf keys;
    struct buf row;
    struct buf scratch;
    struct cell *cells; /* of the row that is being made */
    size_t cell_count, cell_room;
    bool cells_sorted, cells_times, cells_paths;
    struct arena arena;
    uint32_t fed_of;   /* the same of the mark of column batches */
    uint32_t heads_of; /* the last table whose mark of partition heads the batch has; 0 = none */
};

/* The key of a record of the table begins. */
void batch_begin_key(struct table_batch *batch, const struct table *table);
/* The batch gets a record at the head of a partition: says so durably, and to readers. */
void batch_note_head(struct table_batch *batch, struct table *table);

/* A row is made of cells in any order: begin, add, write (one cell at least). */
void batch_cells_begin(struct table_batch *batch, size_t room);
void batch_cells_add(struct table_batch *batch, const struct cell *cell);
void batch_cells_write(struct table_batch *batch, struct buf *out);
/* Adds what replaces a collection of many cells: its tombstone, just older than like, and an
 * element like it for each that is there; a null is a tombstone alone. Values live in the arena. */
enum err batch_cells_collection(struct table_batch *batch, const struct encoding *encoding,
                                const struct column *column, size_t row, const struct cell *like,
                                int64_t now_s) MUST_USE;

#endif
