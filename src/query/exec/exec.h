/* SPDX-License-Identifier: MIT */
#ifndef QUERY_EXEC_EXEC_H
#define QUERY_EXEC_EXEC_H

#include "query/plan.h"

/*
 * Running a plan. Rows are pushed from the scans upwards in chunks; each operator hands what it
 * makes to the one above it, the last one to the run's output.
 */

/* Rows on their way. columns[i] is NULL where the column is dead. origins[r] is the input row that
 * row r comes from; NULL = the same number. Whoever is handed a chunk owns it. */
struct chunk {
    uint32_t rows;
    uint32_t width;
    struct column **columns;
    uint32_t *origins;
};
void chunk_init(struct chunk *chunk, uint32_t width, uint32_t rows);
void chunk_deinit(struct chunk *chunk);
/* Only these rows, in this order; columns whose keep is false are dropped. keep NULL = all. */
enum err chunk_take(struct chunk *chunk, const uint32_t *rows, uint32_t count,
                    const bool *keep) MUST_USE;

/* ---- expressions ---- */

/* Expressions as flat steps over slots; made once a run. One thread. */
struct program;
struct program *program_new(const struct query_session *session, struct expr *const *exprs,
                            uint32_t count, uint32_t width, uint32_t variables);
void program_free(struct program *program);
/* ret_columns[i] for each expression (NULL for a NULL expression); the caller owns them. */
enum err program_run(struct program *program, struct eval *eval, const struct chunk *chunk,
                     struct column **ret_columns) MUST_USE;

/* choice[r] names the column that row r comes from, UINT8_MAX or a NULL column: null. */
enum err select_rows(const struct type *type, struct column *const *columns, size_t count,
                     const uint16_t *choice, uint32_t rows, struct column **ret_column) MUST_USE;

/* ---- operators ---- */

struct operator;
struct operator_class {
    void (*free)(struct operator* op);
    enum err (*push)(struct operator* op, struct chunk *chunk) MUST_USE;
    /* No more chunks: emits what was held back, in pieces; then the one above is finished. */
    enum err (*finish)(struct operator* op) MUST_USE;
};
struct operator
{
    const struct operator_class *class;
    const struct plan_node *node;
    struct query_run *run;
    struct operator* above; /* NULL: the output */
    uint32_t kids_open;     /* kids that have not finished */
};

/* Hands a chunk to the one above. Takes the chunk (it is empty after). */
enum err operator_emit(struct operator* op, struct chunk *chunk) MUST_USE;
/* No chunk that is still to come can change the result: the run needs no more input, unless other
 * kids of a UNION do. */
void operator_enough(struct operator* op);
/* The default finish: passes it on once all kids are done. */
enum err operator_finish(struct operator* op) MUST_USE;

struct operator* filter_new(struct query_run *run, const struct plan_node *node);
struct operator* project_new(struct query_run *run, const struct plan_node *node);
struct operator* generate_new(struct query_run *run, const struct plan_node *node);
struct operator* limit_new(struct query_run *run, const struct plan_node *node);
struct operator* union_new(struct query_run *run, const struct plan_node *node);
struct operator* sort_new(struct query_run *run, const struct plan_node *node);
struct operator* aggregate_new(struct query_run *run, const struct plan_node *node);
struct operator* values_new(struct query_run *run, const struct plan_node *node);

/* ---- the run ---- */

struct query_run {
    const struct query_plan *plan;
    struct query_session session; /* a copy: now_us moves */
    struct arena scratch;         /* of one push */
    struct func_memos memos;      /* patterns, compiled once a run */
    bool collect_errors;
    size_t memory_max, memory_used; /* of what operators hold */
    struct operator** operators;    /* kids before those above */
    size_t operator_count;
    struct operator** scans; /* of the inputs */
    bool finished, done;

    /* of the push in progress */
    struct chunk *output;
    size_t output_count, output_room;
    const struct chunk *current; /* whose rows eval->failed speaks of */
    struct query_row_error *errors;
    size_t error_count, error_room;
    uint64_t *errored; /* a bit for each input row */
    uint32_t input_rows;
    struct diag failure; /* the first error when they are not collected */
};

/* An eval for rows of chunk; failed rows are noted in the run. */
struct eval run_eval(struct query_run *run, const struct chunk *chunk);
/* After evaluating: the error that ends the run, when there is one. */
enum err run_check(const struct query_run *run) MUST_USE;
/* Accounts for memory that an operator holds; ERR_LIMIT with the run's failure set. */
enum err run_hold(struct query_run *run, size_t bytes) MUST_USE;
/* Is the row of the chunk one of an input row that failed? */
bool run_row_failed(const struct query_run *run, const struct chunk *chunk, uint32_t row);

#endif
