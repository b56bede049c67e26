/* SPDX-License-Identifier: MIT */
#ifndef TABLE_SHAPE_H
#define TABLE_SHAPE_H

#include "base/mem.h"
#include "table/encoding.h"
#include "table/table.h"

/* What a table looks like at one time: a checked deep copy of its definition and what follows from
 * it. Immutable; a table that gets columns gets a new shape, the older ones live on behind it. */
struct shape_dropped { /* a column that was dropped and may come again */
    struct str name;
    uint32_t id;
    enum table_column_cells cells;
    int64_t until_us; /* its cells up to then are gone */
};
struct shape {
    struct arena arena;
    struct table_definition definition;
    const struct type *schema;
    struct encoding *encodings; /* one a column */
    uint32_t *ids;           /* one a column: 0 for key columns, else 1.. and never again another */
    uint32_t id_limit;       /* above every id */
    size_t partition_count;  /* columns 0.. */
    size_t clustering_count; /* the columns behind them */
    size_t partition_bytes;  /* of the routing key when every column is fixed, else 0 */
    bool has_static;
    bool has_many;         /* some column is TABLE_MANY_CELLS */
    bool narrow_decimals;  /* declared decimals of keys are as older stores have them */
    bool all_fields;       /* tuples of keys are as older stores have them */
    bool from_version_1;   /* of the record: nothing is known about heads of partitions */
    uint32_t *index_of_id; /* column of an id, UINT32_MAX: dropped or never given */
    struct shape_dropped *dropped;
    size_t dropped_count;
    int64_t *until_us; /* of an id: cells up to then are gone; NULL = no id has any */
    struct shape *older;
};
/* The cell was there before its column was dropped and added again. */
static inline bool shape_hides(const struct shape *shape, uint32_t id, int64_t timestamp_us)
{
    return shape->until_us && id < shape->id_limit && timestamp_us <= shape->until_us[id];
}
/* Takes a copy of the list; before the shape is given out. */
void shape_set_dropped(struct shape *shape, const struct shape_dropped *dropped, size_t count);
/* NULL when there is none of the name. */
const struct shape_dropped *shape_find_dropped(const struct shape *shape, struct str name);

/* ERR_INVALID with a diag. */
enum err shape_new(const struct table_definition *definition, struct diag *diag,
                   struct shape **ret_shape) MUST_USE;
/* old with the new regular columns of definition behind its own; *ret_shape is NULL when there are
 * none. ERR_EXISTS: they differ, the diag says in what. */
enum err shape_extend(const struct shape *old, const struct table_definition *definition,
                      struct diag *diag, struct shape **ret_shape) MUST_USE;
/* old with other columns: where ids are 0 new ones are given; its dropped columns are those of old.
 * ERR_INVALID with a diag. */
enum err shape_change(const struct shape *old, const struct table_definition *definition,
                      const uint32_t *ids, struct diag *diag, struct shape **ret_shape) MUST_USE;
/* With all older ones. NULL is fine. */
void shape_free(struct shape *shape);

/* As the catalogue keeps it. */
void shape_encode(const struct shape *shape, struct buf *out);
enum err shape_decode(struct str bytes, struct shape **ret_shape) MUST_USE;

/* Index of the column (exact case first, then ASCII case folded), SIZE_MAX when missing. */
size_t shape_column(const struct shape *shape, struct str name);

#endif
