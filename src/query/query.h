/* SPDX-License-Identifier: MIT */
#ifndef QUERY_QUERY_H
#define QUERY_QUERY_H

#include "base/zone.h"
#include "data/column.h"

/*
 * Spark SQL: text -> statements -> bound and typed plan -> run over column batches. The front half
 * (parse, bind, plan) is pure; a run is handed batches and gives batches, it opens nothing.
 *
 * Errors: ERR_SYNTAX (does not parse), ERR_INVALID (does not bind: unknown column, wrong types),
 * ERR_UNSUPPORTED (Spark has it, this engine not yet: said clearly), each with a diag that has
 * line, column, Spark's error class and SQLSTATE, and a hint.
 */

/* ---- statements ---- */

enum query_statement_kind {
    QUERY_SELECT,                 /* any query expression */
    QUERY_CREATE_STREAMING_TABLE, /* .. AS query */
    QUERY_CREATE_MATERIALIZED_VIEW,
    QUERY_CREATE_TEMPORARY_VIEW,
    QUERY_SET,   /* SET key = value */
    QUERY_OTHER, /* parses, is nothing that this engine runs */
};

struct query_property {
    struct str key, value;
};

struct query_statement {
    enum query_statement_kind kind;
    struct str text; /* of this statement, without the semicolon */
    uint32_t line;   /* where it starts in the script */
    struct str name; /* of the created relation, as written: a, db.a */
    struct str comment;
    const struct query_property *properties; /* TBLPROPERTIES, or the pair of SET */
    size_t property_count;
    const struct ast_node *query; /* query/ast.h; NULL for a streaming table without AS */
    const char *word;             /* QUERY_OTHER: the statement's first words, for messages */
};

struct query_script {
    struct query_statement *statements;
    size_t count;
};

/* All statements of a text; a mistake in one does not hide those behind it (parsing goes on after
 * the next semicolon). Everything lives in the arena; text must outlive it. The error is that of
 * the first mistake; all are added to diags (which may be NULL). */
enum err query_parse(struct arena *arena, struct str text, struct diag_list *diags,
                     struct query_script *ret_script) MUST_USE;

/* ---- planning ---- */

struct query_relation {
    const struct type *schema;          /* STRUCT */
    bool stream;                        /* has a stream to read: FROM STREAM name */
    bool table;                         /* can be read whole: FROM name */
    const struct ast_node *view;        /* a temporary view: its query instead of data */
    const struct ast_node *stream_view; /* read as STREAM it stands for this query (a streaming
                                           table over another); read as a table it is data */
    void *handle;                       /* the caller's */
};
/* Finds what a name stands for: parts = catalog, database, name; ERR_NOT_FOUND. Names of all
 * relations for "did you mean" by each(). */
struct query_catalog {
    enum err (*find)(void *owner, const struct str *parts, size_t part_count,
                     struct query_relation *ret_relation);
    size_t (*names)(void *owner, struct arena *arena, const char *const **ret_names);
    void *owner;
};

struct query_session {
    const struct zone *zone; /* spark.sql.session.timeZone; NULL = UTC */
    bool ansi;               /* spark.sql.ansi.enabled; Spark 4: true */
    bool timestamp_ntz;      /* spark.sql.timestampType = TIMESTAMP_NTZ */
    bool case_sensitive;
    bool legacy_interval; /* spark.sql.legacy.interval.enabled: refused where it matters */
    int64_t now_us;      /* current_timestamp() of this run or epoch */
    struct str database; /* current_database() */
};

struct query_plan;

/* One read of a relation by a plan: what the caller must feed. */
struct query_input {
    struct str name; /* as written */
    struct query_relation relation;
    bool streaming;            /* read by STREAM */
    const struct type *wanted; /* STRUCT: the fields in use, pruned at every level */
    uint32_t line, column;
};

/* What reads a stream runs as one, so what Spark's streaming refuses is refused. All lives in the
 * arena, which must outlive the plan and its runs. The session is copied. */
enum err query_plan(struct arena *arena, const struct query_statement *statement,
                    const struct query_catalog *catalog, const struct query_session *session,
                    struct diag *diag, const struct query_plan **ret_plan) MUST_USE;
/* STRUCT of the result. */
const struct type *query_plan_schema(const struct query_plan *plan);
size_t query_plan_inputs(const struct query_plan *plan, const struct query_input **ret_inputs);
/* True when every output row comes from one input row (no aggregate, sort, join): what a streaming
 * table of this floor needs. */
bool query_plan_is_stateless(const struct query_plan *plan);
/* True when the outermost query has ORDER BY. */
bool query_plan_is_ordered(const struct query_plan *plan);
/* EXPLAIN: one operator a line. */
void query_plan_print(const struct query_plan *plan, struct buf *out);

/* ---- running ---- */

/* A row that could not be computed (a cast under ANSI, an overflow): which input row, and why. In
 * a stateless plan with errors collected, its output rows are left out; the rest goes on. */
struct query_row_error {
    uint32_t input_row;
    struct diag diag;
};

struct query_output {
    struct batch *batch; /* NULL = no rows; the taker unrefs it */
    uint32_t *origins;   /* stateless: input row of each output row, else NULL; mem_free */
    struct query_row_error *errors; /* mem_free */
    size_t error_count;
    bool done; /* the plan needs no more input (LIMIT) */
};
void query_output_deinit(struct query_output *output);

struct query_run;
/* collect_errors: see query_row_error; else the first one ends the run with its diag. memory_max
 * bounds what a sort or aggregate holds: ERR_LIMIT. */
enum err query_run_new(const struct query_plan *plan, bool collect_errors, size_t memory_max,
                       struct query_run **ret_run) MUST_USE;
void query_run_free(struct query_run *run);
/* current_timestamp() of what follows. */
void query_run_set_now(struct query_run *run, int64_t now_us);
/* Rows of input number input_index; the batch's schema is that input's wanted type. Borrows. */
enum err query_run_push(struct query_run *run, size_t input_index, const struct batch *batch,
                        struct diag *diag, struct query_output *ret_output) MUST_USE;
/* No more input: what sorts and aggregates held back. Call until batch is NULL. */
enum err query_run_finish(struct query_run *run, struct diag *diag,
                          struct query_output *ret_output) MUST_USE;

/* All function names, sorted, for completion and hints. */
size_t query_functions(const char *const **ret_names);

#endif
