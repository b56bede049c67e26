/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_MODIFY_H
#define SERVE_CQL_MODIFY_H

#include "serve/cql/exec_private.h"

/* What INSERT, UPDATE and DELETE do, told once while planning. */
enum modify_op_kind {
    OP_SET,
    OP_ADD,      /* counters, numbers and texts under IF; sets, maps; lists: at the end */
    OP_SUBTRACT, /* counters, elements */
    OP_PREPEND,
    OP_ELEMENT, /* c[key] = value */
    OP_FIELD,   /* c.field = value */
    OP_DELETE,
    OP_DELETE_ELEMENT,
    OP_DELETE_FIELD,
};
struct modify_op {
    enum modify_op_kind kind;
    uint32_t column; /* of the table */
    uint32_t field;
    struct expr *key, *value;
    bool reads;
};
struct condition {
    uint32_t column;
    enum cql_operator op;
    struct expr *key; /* c[key] */
    bool has_field, in_marker;
    uint32_t field;
    struct expr **values;
    size_t value_count;
    const struct cql_type *type; /* of what is compared */
};
struct modify_plan {
    struct cql_table *table; /* borrowed from the plan */
    enum where_statement statement;
    struct where where;
    struct modify_op *ops;
    size_t op_count;
    struct expr *timestamp, *ttl, *json;
    bool default_unset;
    bool counter, reads, conditional;
    bool regular, statics; /* which rows are written */
    bool columns_of_range; /* a DELETE of columns that names no row: refused where there are any */
    bool if_exists, if_not_exists;
    struct condition *conditions;
    size_t condition_count;
    uint32_t *by_storage;
    uint32_t storage_count;
};

/* One statement of a request: bound. */
struct modify_request;
struct modify_item {
    const struct modify_plan *plan;
    struct modify_request *request;
    struct expr_run eval;
    int64_t timestamp_us, ttl_s;
    bool custom_timestamp;
    /* conditional: the one row that it is about, and what it has now */
    const struct str *partition, *clustering;
    struct str *current;
    bool row_exists, static_exists;
};
/* Cells of one row while they are gathered. */
struct cell_list {
    struct table_cell *cells;
    uint32_t count, room;
};
struct modify_row {
    struct modify_item *item;
    struct cell_list lists[2]; /* regular, static */
    const struct table_key *key;
    const struct table_row *row, *static_row; /* as found, when the plan reads; NULL = none */
};
enum err modify_compile_ops(struct compile *c, const struct cql_modify *m,
                            struct modify_plan *p) MUST_USE;
/* Binds USING TTL and TIMESTAMP; fallback_us is of the request. */
enum err modify_bind(struct modify_item *item, int64_t fallback_us) MUST_USE;
/* Writes all rows of a statement to a batch. reader: NULL when nothing is read. */
enum err modify_apply(struct modify_item *item, struct table_batch *batch,
                      struct table_reader *reader) MUST_USE;
/* The clustering values of the one row that a slice is: all of them, or with NULLs to the end. */
const struct str *modify_clustering(const struct modify_item *item, const struct slice *slice);
enum err modify_op_cells(struct modify_row *m, const struct modify_op *op) MUST_USE;
/* INSERT JSON: the columns' values. */
enum err modify_json(struct modify_item *item) MUST_USE;

/* ---- conditions ---- */
enum err condition_compile(struct compile *c, const struct cql_modify *m,
                           struct modify_plan *p) MUST_USE;
enum err conditions_bind(struct modify_item *item) MUST_USE;
enum err condition_holds(struct modify_item *item, const struct condition *condition,
                         bool *ret_holds) MUST_USE;

/* ---- requests ---- */
/* A counter that the same request has added to already. */
struct counter_sum {
    const struct cql_table *table;
    uint32_t column;
    struct str key;
    int64_t value, timestamp_us;
    struct counter_sum *next;
};
/* What the statements of a batch weigh (batch_weight.c). */
struct batch_weight {
    enum cql_batch_kind kind;
    uint64_t bytes;       /* of rows */
    uint64_t *partitions; /* hashes, one a row */
    size_t count, room;
};
struct modify_request {
    struct counter_sum *sums;
    struct cql_run *run;
    struct modify_item *items;
    size_t count;
    bool is_batch, conditional;
    int64_t fallback_us;         /* INT64_MIN: given out when it is written */
    struct batch_weight *weight; /* NULL: it is not weighed */
    struct table_job job;
};
/* Sends a request that reads before it writes to the commit thread. */
void modify_submit(struct modify_request *request);
/* Fills in items whose timestamp is the request's, applies all. */
enum err modify_apply_all(struct modify_request *request, struct table_batch *batch,
                          struct table_reader *reader) MUST_USE;
/* Conditions of all items, then all of them or the answer why not. */
enum err modify_cas(struct modify_request *request, struct table_batch *batch,
                    struct table_reader *reader) MUST_USE;
/* "[applied]", and what stood against it where it is false (cas_answer.c). */
enum err modify_cas_answer(struct modify_request *request, bool applied) MUST_USE;
enum err modify_item_init(struct modify_request *request, struct modify_item *item,
                          const struct modify_plan *plan, const struct cql_value *binds,
                          size_t bind_count) MUST_USE;
void modify_start(struct modify_request *request);

/* ---- batches ---- */
void batch_plan_release(struct cql_plan *plan);
bool batch_plan_is_stale(const struct cql_plan *plan);
struct cql_table *const *batch_plan_tables(const struct cql_plan *plan, size_t *ret_count);
void batch_weigh_row(struct modify_item *item, const struct table_key *key,
                     const struct cell_list *cells);
void batch_weigh_deletion(struct modify_item *item, const struct str *partition,
                          const struct slice *slice);
/* Warns of what is heavy. INVALID "Batch too large". */
enum err batch_weigh(struct modify_request *request) MUST_USE;

/* ---- indexes ---- */
/* Entries for what a row gets. */
enum err index_write(struct modify_item *item, struct table_batch *batch,
                     const struct str *partition, const struct str *clustering,
                     const struct cell_list *cells) MUST_USE;

#endif
