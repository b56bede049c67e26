/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_VIEW_H
#define PIPELINE_VIEW_H

#include "io/thread.h"
#include "pipeline/adhoc.h"
#include "pipeline/remote.h"

/*
 * Materialized views: batch queries over tables and topics, whose table becomes their result. In
 * the embedded store it is replaced whole, so that readers see the old rows or the new ones; in a
 * database elsewhere row by row (cassandra_replace.c). They are computed in the order of their use.
 */

/* BLOCKED: tried again by itself. FAILED: when its inputs change. */
enum view_state { VIEW_IDLE, VIEW_BLOCKED, VIEW_FAILED };

struct view {
    struct views *views;
    struct project_table *table;
    struct table *store_table;   /* NULL: elsewhere */
    struct remote_table *remote; /* NULL: in the store */
    int64_t timestamp_us;        /* of the newest run elsewhere */
    /* under the lock of views */
    uint64_t rows; /* of the newest result */
    uint64_t refreshes;
    enum view_state state;
    char detail[256];
};

struct views {
    struct adhoc adhoc;
    struct view *items;
    size_t count;
    bool durable;
    const bool *stopping; /* atomic: the run in hand ends */
    struct io_mutex lock;
};

/* Makes the tables. Views that this release cannot compute have no plan and are no items. */
enum err views_open(struct views *views, const struct adhoc *adhoc, bool durable,
                    const bool *stopping, struct diag *diag) MUST_USE;
void views_close(struct views *views);
/* Computes and stores all, or those that are blocked and what reads them. One that fails keeps its
 * old rows and says why; the others go on. */
enum err views_refresh(struct views *views, bool only_blocked, struct diag *diag) MUST_USE;
bool views_any_is_blocked(struct views *views);

/* Within view*.c */
bool views_are_stopping(const struct views *views);
enum view_state view_get_state(struct view *view);
/* The detail may be NULL. Tells the log what changed. */
void view_set_state(struct view *view, enum view_state state, const char *detail);
enum { VIEW_BYTES_MAX = 512 << 20 }; /* of one result */

/* view_remote.c */
enum err view_remote_open(struct view *view, struct diag *diag) MUST_USE;
/* The rows of the result in *ret_rows. ERR_CANCELLED: the run is stopping. */
enum err view_remote_refresh(struct view *view, struct diag *diag, uint64_t *ret_rows) MUST_USE;

#endif
