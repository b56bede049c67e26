/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_EXEC_PRIVATE_H
#define SERVE_CQL_EXEC_PRIVATE_H

#include "serve/cql/expr.h"

/* What the files of plan, select and modify share. */

struct write_turn;
struct cql_executor {
    struct io_loop *loop;
    struct io *io;
    struct cql_catalog *catalog;
    struct table_store *store;
    bool sync;
    struct table_reader *reader; /* of the loop's thread */
    struct table_reader *writer; /* of the commit thread */
    struct table_batch *nothing; /* empty: of jobs that wait for those before them */
    struct write_turn *turn;     /* gathers now; NULL = none */
    struct write_turn *spare;
    struct points *points;
    int64_t last_us;    /* newest timestamp given out; atomic */
    uint64_t list_tick; /* newest time of a list's path; atomic */
    uint8_t node[8];    /* clock sequence and node of timeuuids */
    size_t under_way;
};
/* Wall clock in us, never the same twice. Any thread. */
int64_t executor_timestamp(struct cql_executor *executor);
int64_t executor_now_s(const struct cql_executor *executor, const struct cql_parameters *p);
/* A timeuuid of now, never the same twice. Any thread. */
void executor_timeuuid(struct cql_executor *executor, uint8_t ret_uuid[16]);

/* ---- WHERE ---- */
struct where_relation {
    enum cql_operator op;
    bool token, multi, in_marker;
    uint32_t *columns; /* of the table */
    size_t column_count;
    struct expr *key;     /* m[key] = value */
    struct expr **values; /* in_marker: [0] gives a list */
    size_t value_count;
    const struct cql_type *type; /* of one value: the column's, or a tuple of them */
    bool filters;                /* rows are looked at one by one */
    bool behind;                 /* .. since columns before it are not given */
};
struct where {
    struct where_relation *relations;
    size_t count;
    bool key_range;     /* not all of the partition key is given by EQ or IN */
    bool key_tokens;    /* it is, and token relations sift the keys */
    bool key_in;        /* an IN on the partition key */
    bool clustering_in; /* an IN on the clustering key */
    bool filtering;     /* some relation filters */
    bool restricts_clustering, restricts_regular, restricts_static;
    bool clustering_slice;              /* some clustering relation is a range */
    struct where_relation **partition;  /* one a partition column, when not key_range */
    struct where_relation **clustering; /* those that make slices, by first column */
    size_t clustering_count;
    size_t clustering_prefix;      /* columns given by EQ or IN */
    const struct cql_index *index; /* the one that is used */
    struct where_relation *indexed;
};
enum where_statement { WHERE_SELECT, WHERE_INSERT, WHERE_UPDATE, WHERE_DELETE };
struct where_options {
    enum where_statement statement;
    bool only_static; /* selects or changes nothing but static columns */
    bool allow_filtering;
};
enum err where_compile(struct compile *c, const struct cql_relation *relations, size_t count,
                       const struct where_options *options, struct where *ret_where) MUST_USE;
/* The refusal of what only ALLOW FILTERING allows. */
enum err where_refuse_filtering(struct compile *c) MUST_USE;
/* SELECT only: after ORDER BY was looked at. */
enum err where_check_filtering(struct compile *c, const struct where *where,
                               bool allow_filtering) MUST_USE;
bool where_is_equal(const struct where *where, uint32_t column);
enum err compile_column(struct compile *c, struct str name, uint32_t *ret_column) MUST_USE;

/* A slice of a partition as values. */
struct slice {
    struct table_bound from, to;
};
/* The partition keys in the order of their values, as Cassandra gives them; each has a value a
 * partition column. */
enum err where_partitions(struct expr_run *run, const struct where *where,
                          const struct str ***ret_keys, size_t *ret_count) MUST_USE;
/* None of them is empty or too long. A SELECT that cannot have rows does not ask. */
enum err where_check_keys(struct expr_run *run, const struct str *const *keys,
                          size_t count) MUST_USE;
/* Slices in clustering order; one that is everything when nothing is restricted. */
enum err where_slices(struct expr_run *run, const struct where *where, struct slice **ret_slices,
                      size_t *ret_count) MUST_USE;
/* Tokens of a range: *ret_empty when nothing can be inside. */
enum err where_tokens(struct expr_run *run, const struct where *where, int64_t *ret_from,
                      int64_t *ret_to, bool *ret_empty) MUST_USE;
/* The values of a relation, evaluated once a run. */
struct where_filter {
    const struct where_relation *relation;
    struct str *values;
    size_t count;
    struct str key;
};
/* all: of a system table, where nothing is looked up. */
enum err where_filters(struct expr_run *run, const struct where *where, bool all,
                       struct where_filter **ret_filters, size_t *ret_count) MUST_USE;
enum err where_matches(struct expr_run *run, const struct where_filter *filters, size_t count,
                       bool *ret_matches) MUST_USE;
/* Does a value stand in this relation to another? */
bool where_compare(enum cql_operator op, const struct cql_type *type, struct str value,
                   struct str other);
enum err key_check(struct cql_error *error, struct arena *arena, const struct cql_table *table,
                   const struct str *partition) MUST_USE;

/* ---- plans ---- */
enum err select_plan(struct compile *c, struct cql_plan *plan) MUST_USE;
void select_run(struct cql_run *run);
/* A read by the whole key, on any thread (points.h). */
enum err select_point(struct cql_run *run, struct table_reader *reader) MUST_USE;
struct modify_plan;
enum err modify_plan(struct compile *c, const struct cql_modify *modify, struct cql_table *table,
                     struct modify_plan **ret_plan) MUST_USE;
/* What a counter's statement must not say; in a batch when all of them are planned. */
enum err modify_check_counter(struct compile *c, const struct cql_modify *modify,
                              const struct cql_table *table) MUST_USE;
enum err batch_plan(struct compile *c, struct cql_plan *plan) MUST_USE;
void modify_run(struct cql_run *run);
void batch_run(struct cql_run *run);

/* ---- ends of a run ---- */
void run_fail(struct cql_run *run, enum err err);
void run_void(struct cql_run *run);
enum err run_bind(struct cql_run *run, struct expr_run *eval) MUST_USE;
/* The values of one plan in the order of its markers. */
enum err bind_values(struct cql_run *run, const struct cql_plan *plan,
                     const struct cql_value *values, size_t count,
                     const struct cql_value **ret_values) MUST_USE;
enum err consistency_check(struct cql_run *run, bool write, bool conditional) MUST_USE;

/* ---- writing ---- */
/* The batch of this turn; whoever adds to it says so with turn_join(). */
struct table_batch *turn_batch(struct cql_executor *executor);
void turn_join(struct cql_executor *executor, struct cql_run *run);
/* Sends what was gathered, so that a job behind it sees it. */
void turn_flush(struct cql_executor *executor);

#endif
