/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_SELECT_RUN_H
#define SERVE_CQL_SELECT_RUN_H

#include "serve/cql/select.h"

/* A SELECT under way. */
struct select_held { /* a row that waits to be sorted */
    struct str *keys;
    struct str bytes;
};
struct select_run {
    struct cql_run *run;
    const struct select_plan *plan;
    struct expr_run eval;
    struct arena scratch; /* of one row */
    struct where_filter *filters;
    size_t filter_count;
    /* what is read */
    const struct str **keys;
    size_t key_count, key_index;
    struct slice *slices;
    size_t slice_count, slice_index;
    int64_t token_from, token_to;
    struct table_read *read;
    struct index_read *entries;
    bool scans; /* begun before there was the index: goes on as it began */
    struct str resume, resume_partition;
    bool resuming, ended;
    /* system tables */
    struct str **system_rows;
    size_t system_count, system_room, system_index;
    /* limits; -1 = none */
    int64_t limit_left, partition_limit, partition_left, page_left;
    bool begins;                          /* no row of the partition has been taken into a group */
    struct buf partition, partition_next; /* key of the partition that is read */
    struct buf position;                  /* behind the last row that was given out */
    struct buf rows;
    uint32_t row_count;
    struct str *values;
    /* groups */
    struct aggregate **aggregates;
    bool in_group;
    struct buf group;
    struct arena group_arena, held_arena;
    struct str *first_values, *first_items, *results;
    /* sorting */
    struct select_held *held;
    size_t held_count, held_room;
    double ann_worst; /* of those that are held, when there are enough of them */
    bool ann_full;
    struct io_post post;
};

/* The next row into s->values and s->eval.row; *ret_begins: of another partition than the last.
 * *ret_there false: the end. */
enum err select_next(struct select_run *s, bool *ret_there, bool *ret_begins) MUST_USE;
void select_skip_partition(struct select_run *s);
/* The state of paging as it stands. */
enum err select_position(struct select_run *s, struct buf *out) MUST_USE;
/* Puts the limits as they are now into the position that was kept. */
void select_position_limits(struct select_run *s);
enum err select_resume(struct select_run *s, struct str state) MUST_USE;
/* Was the page before read from the table itself, and not by way of an index? */
bool select_state_scans(struct str state);
enum err select_open_system(struct select_run *s) MUST_USE;
void select_close(struct select_run *s);

/* A row as it goes out, items evaluated already. */
enum err select_row_append(struct arena *arena, const struct select_plan *p,
                           const struct str *items, struct buf *out) MUST_USE;
enum err select_eval_items(struct expr_run *eval, const struct select_plan *p,
                           struct str *ret_items) MUST_USE;
/* Groups: *ret_full when a group was finished and given out. */
enum err select_group_add(struct select_run *s, bool begins, bool *ret_finished) MUST_USE;
enum err select_group_finish(struct select_run *s) MUST_USE;
enum err select_group_init(struct select_run *s) MUST_USE;
void select_group_deinit(struct select_run *s);
/* Is the row in s->values the first of another group than the one that is open? */
enum err select_group_changes(struct select_run *s, bool begins, bool *ret_changes) MUST_USE;
enum err select_give(struct select_run *s, const struct str *items) MUST_USE;

void select_sort_held(struct select_run *s);

/* ---- ANN OF (select_ann.c) ---- */
/* The limits are known. */
enum err ann_begin(struct select_run *s) MUST_USE;
/* How near the row in s->values is, and whether it may be among the nearest. */
enum err ann_score(struct select_run *s, bool *ret_wanted, struct str *ret_score) MUST_USE;
/* Cuts off what is not among the nearest. */
void ann_prune(struct select_run *s);
/* The nearer one first. */
int ann_compare(const struct select_run *s, struct str a, struct str b);

#endif
