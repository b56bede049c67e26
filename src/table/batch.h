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
    struct cell *cells;
    size_t cell_room;
    struct arena arena;
    uint32_t heads_of; /* the last table whose mark of partition heads the batch has; 0 = none */
};

/* The key of a record of the table begins. */
void batch_begin_key(struct table_batch *batch, const struct table *table);
/* The batch gets a record at the head of a partition: says so durably, and to readers. */
void batch_note_head(struct table_batch *batch, struct table *table);

#endif
