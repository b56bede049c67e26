/* SPDX-License-Identifier: MIT */
#ifndef QUERY_PLAN_H
#define QUERY_PLAN_H

#include "query/bind.h"

/*
 * A plan: a tree of operators, each with the types of its output columns. Columns are known by
 * their place. A column that nobody above needs is "dead": it keeps its place, is not computed and
 * is a NULL pointer in a run.
 */
enum plan_kind {
    PLAN_SCAN,     /* input: index of the query_input */
    PLAN_VALUES,   /* exprs: rows x columns, without input columns */
    PLAN_FILTER,   /* exprs[0] */
    PLAN_PROJECT,  /* exprs: one a column; NULL where dead */
    PLAN_GENERATE, /* the child's columns, then those that exprs[0] makes, a row for each element */
    PLAN_LIMIT,    /* limit, offset; UINT64_MAX = none */
    PLAN_UNION,    /* all rows of the kids */
    PLAN_SORT,     /* keys over the child's columns */
    PLAN_AGGREGATE, /* exprs: keys, then aggregates (EXPR_AGGREGATE) */
};

struct sort_key {
    struct expr *expr;
    bool descending, nulls_last;
};

struct plan_node {
    enum plan_kind kind;
    struct plan_node **kids;
    uint32_t kid_count;
    const struct type **types; /* of the output columns */
    uint32_t width;
    bool *live; /* of the output columns; filled by plan_prune() */
    struct expr **exprs;
    uint32_t expr_count;
    uint32_t key_count;  /* AGGREGATE */
    uint32_t input;      /* SCAN */
    uint32_t *positions; /* SCAN: column -> field of the wanted type, UINT32_MAX when dead */
    bool outer, with_position, inlined; /* GENERATE */
    uint64_t limit, offset;
    struct sort_key *keys;
    size_t sort_key_count;
};

struct query_plan {
    struct arena *arena;
    struct query_session session;
    struct plan_node *root;
    const struct type *schema;
    struct query_input *inputs;
    size_t input_count;
    uint32_t variables; /* lambda variables */
    bool stateless, ordered;
};

/* ---- making ---- */

struct cte_frame {
    struct cte_frame *outer;
    const struct ast_node *cte;
    struct cte_frame *visible; /* what its own query may name */
    bool used;
};

/* A relation while it is planned: operators and what they may be called by. */
struct relation {
    struct plan_node *node;
    struct scope scope;
};

struct planner {
    struct binder binder;
    struct query_plan *plan;
    size_t input_room;
    struct cte_frame *ctes;
    uint32_t view_depth;
    uint32_t view_streams; /* inside FROM STREAM view */
    bool streaming;        /* the statement is a streaming table */
    uint32_t depth;        /* nesting of queries */
};

struct plan_node *plan_node_new(struct planner *p, enum plan_kind kind, struct plan_node *kid,
                                uint32_t width);
/* bind_expr() where no aggregate may stand; clause is its name for the error. */
enum err plan_bind(struct planner *p, const struct ast_node *node, const char *clause,
                   struct expr **ret_expr) MUST_USE;
/* A query: its columns get the scope's names. */
enum err plan_query_node(struct planner *p, const struct ast_node *query,
                         struct relation *ret_relation) MUST_USE;
enum err plan_select(struct planner *p, const struct ast_node *query, const struct ast_node *select,
                     struct relation *ret_relation) MUST_USE;
enum err plan_from(struct planner *p, const struct ast_node *from,
                   struct relation *ret_relation) MUST_USE;
enum err plan_values(struct planner *p, const struct ast_node *values,
                     struct relation *ret_relation) MUST_USE;
/* GENERATE over relation for a call of explode and its kin; the new columns' names go to names
 * (from the LATERAL VIEW, or Spark's own). ERR_NOT_FOUND when the call is no generator. */
enum err plan_generate(struct planner *p, struct relation *relation, const struct ast_node *call,
                       bool outer, const struct ast_node *names, struct str qualifier,
                       bool hidden) MUST_USE;
bool is_generator_call(const struct ast_node *node);
/* ORDER BY, LIMIT and OFFSET of a query over its relation. */
enum err plan_limit(struct planner *p, const struct ast_node *query,
                    struct relation *relation) MUST_USE;
/* Aggregates in exprs become columns of an AGGREGATE node over relation, whose keys are given;
 * exprs are rewritten to its output. */
enum err plan_aggregate(struct planner *p, struct relation *relation, struct expr **keys,
                        size_t key_count, struct expr **exprs, size_t expr_count,
                        const struct ast_node *node) MUST_USE;
/* What nobody needs is not read. */
void plan_prune(struct query_plan *plan);

#endif
