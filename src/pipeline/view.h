/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_VIEW_H
#define PIPELINE_VIEW_H

#include "pipeline/adhoc.h"

/*
 * Materialized views: batch queries over tables and topics, whose table is replaced whole, so that
 * readers see the old rows or the new ones. They are computed in the order of their use.
 */
struct view {
    struct project_table *table;
    struct table *store_table;
    uint64_t rows; /* of the newest result */
    uint64_t refreshes;
    bool failed;
    char detail[256];
};

struct views {
    struct adhoc adhoc;
    struct view *items;
    size_t count;
    bool durable;
};

/* Makes the tables. Views that this release cannot compute have no plan and are no items. */
enum err views_open(struct views *views, const struct adhoc *adhoc, bool durable,
                    struct diag *diag) MUST_USE;
void views_close(struct views *views);
/* Computes and replaces all. One that fails keeps its old rows and says why; the others go on. */
enum err views_refresh(struct views *views, struct diag *diag) MUST_USE;

#endif
