/* SPDX-License-Identifier: MIT */
#ifndef TABLE_FOUND_H
#define TABLE_FOUND_H

#include "table/cells.h"
#include "table/range.h"
#include "table/store.h"

/* The live cells of rows, as cells.h gives them. */
struct found {
    struct table_found *list;
    uint32_t count, room;
    bool live; /* some cell or the marker is, wanted or not */
    bool marker;
    struct cell marker_cell;
    struct arena converted; /* values that are kept in other bytes than CQL's */
};
void found_init(struct found *found);
void found_deinit(struct found *found);
void found_reset(struct found *found);

struct found_how {
    const struct shape *shape;
    const bool *columns; /* wanted, by index; NULL = all */
    int64_t now_s;
};
/* Reads a row's bytes, which the cells point into; cover_us: what is deleted from outside. */
enum err found_read(struct found *found, const struct found_how *how, int64_t cover_us,
                    struct str row) MUST_USE;
/* Whether static columns are among the wanted. */
bool found_wants_static(const struct shape *shape, const bool *columns);
/* Puts the cells of row and partition into ret_row. */
void found_give(const struct found *cells, const struct found *statics, struct table_row *ret_row);

#endif
