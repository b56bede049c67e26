/* SPDX-License-Identifier: MIT */
#ifndef QUERY_EXPR_H
#define QUERY_EXPR_H

#include "query/func.h"

/*
 * Bound expressions: every name is an input column, every operator a kernel, every type known and
 * every implicit cast written out. Immutable once a plan is made; all in the plan's arena.
 */
enum expr_kind {
    EXPR_COLUMN,      /* index: of the operator's input */
    EXPR_CONSTANT,    /* constant: one row, in the arena */
    EXPR_FIELD,       /* kid's field index; of an ARRAY of STRUCT: the array of that field */
    EXPR_CALL,        /* binding of a function to kids */
    EXPR_CAST,        /* kid to type */
    EXPR_AND,         /* two or more kids; so OR */
    EXPR_OR,          /* */
    EXPR_NOT,         /* */
    EXPR_CASE,        /* when, then, .., [else]: an odd count has an else */
    EXPR_COALESCE,    /* the first that is not null */
    EXPR_LAMBDA_CALL, /* higher-order function `name`: kids are values, then lambdas (EXPR_LAMBDA)
                       */
    EXPR_LAMBDA,      /* kids[0]: body; its variables have index .. index + params - 1 */
    EXPR_VARIABLE,    /* index: of the lambda variable */
    EXPR_AGGREGATE,   /* only while binding a SELECT: aggregate over kids */
};

struct aggregate_info;

struct expr {
    enum expr_kind kind;
    const struct type *type;
    uint32_t line, column;
    uint32_t index;
    uint32_t count;
    struct expr **kids;
    struct column *constant;
    struct func_binding binding;
    const struct aggregate_info *aggregate;
    struct expr *filter; /* AGGREGATE: FILTER (WHERE ..) or NULL */
    bool distinct;       /* AGGREGATE */
    bool try_cast;       /* CAST */
    bool is_literal;     /* CONSTANT: was written as one */
    bool is_volatile;    /* it or a kid: neither folded nor shared */
    bool has_aggregate;  /* it or a kid is an AGGREGATE */
    bool has_variable;   /* it or a kid is a VARIABLE */
    uint32_t size;       /* nodes, counted as a tree: bounds what shared parts can multiply to */
    uint32_t params;     /* LAMBDA */
    const char *name;    /* LAMBDA_CALL: of the function, lower case */
    struct str field;    /* FIELD: its name, from which index is found again after pruning */
};

struct expr *expr_new(struct arena *arena, enum expr_kind kind, const struct type *type,
                      uint32_t line, uint32_t column);
void expr_set_kids(struct arena *arena, struct expr *expr, struct expr *const *kids, size_t count);
/* The same value for the same row: kinds, functions, constants and columns are equal. */
bool expr_equal(const struct expr *a, const struct expr *b);
/* False when no row can make it fail: then branches need no masks. */
bool expr_can_fail(const struct expr *expr);
/* A deep copy into the arena that nobody frees: a reference count that never ends. */
struct column *expr_keep_column(struct arena *arena, const struct column *column);
struct expr *expr_constant(struct arena *arena, const struct column *column, uint32_t line,
                           uint32_t column_number);
/* The same, and unrefs the column. */
struct expr *expr_constant_take(struct arena *arena, struct column *column, uint32_t line,
                                uint32_t column_number);
struct expr *expr_null(struct arena *arena, const struct type *type, uint32_t line,
                       uint32_t column);
struct expr *expr_bool(struct arena *arena, bool value, uint32_t line, uint32_t column);
struct expr *expr_string(struct arena *arena, struct str value, uint32_t line, uint32_t column);
/* The value when it is a constant without columns, evaluated; else the expression itself. */
struct expr *expr_fold(struct arena *arena, const struct query_session *session, struct expr *expr);
/* 'now', 'today', 'epoch' ..: a constant text of that kind is such a moment when it is cast. */
bool expr_special_moment(const struct query_session *session, struct str text, enum type_kind kind,
                         int64_t *ret_value);
/* kid as that type, by an implicit cast when it is another. */
struct expr *expr_cast(struct arena *arena, const struct query_session *session, struct expr *kid,
                       const struct type *type);
/* For EXPLAIN: a + col#3 .. */
void expr_print(const struct expr *expr, struct buf *out);

#endif
