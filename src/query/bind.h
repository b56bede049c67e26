/* SPDX-License-Identifier: MIT */
#ifndef QUERY_BIND_H
#define QUERY_BIND_H

#include "query/ast.h"
#include "query/expr.h"

/*
 * Names and types for syntax trees. A scope is what a clause may name: the columns of its FROM, in
 * the order of the operator's output. Errors are written to the binder's diag.
 */
struct scope_column {
    struct str qualifier; /* alias or last part of the relation's name; may be empty */
    struct str relation;  /* the relation's name as written, empty behind an alias */
    struct str name;
    const struct type *type;
    uint32_t index;
    bool hidden; /* not in *: a key of LATERAL VIEW .. */
};

struct scope {
    struct scope_column *items;
    uint32_t count, room;
    uint32_t width; /* columns of the operator's output */
};

/* An alias of the select list, for later items (lateral column aliases), HAVING and ORDER BY. */
struct bound_alias {
    struct str name;
    struct expr *expr;
    bool is_new;  /* made by this select list: not a column of FROM under its own name */
    bool lateral; /* names an earlier item */
};

struct lambda_frame {
    struct lambda_frame *outer;
    const struct ast_node *lambda;
    const struct type *const *types;
    uint32_t first; /* index of its first variable */
};

struct binder {
    struct arena *arena;
    const struct query_session *session;
    const struct query_catalog *catalog;
    struct diag *diag;
    const struct scope *scope;
    const struct bound_alias *aliases;
    size_t alias_count;
    bool aliases_first; /* ORDER BY: an alias hides a column */
    bool in_items;      /* the select list is being bound: an alias is a lateral one */
    bool in_group_by;   /* GROUP BY: the first alias of the name counts, no lateral one may */
    bool used_lateral;  /* set when an alias of an earlier item was named */
    struct lambda_frame *lambda;
    uint32_t variables;       /* lambda variables in use so far in this plan */
    const char *clause;       /* where aggregates are refused: "WHERE"; NULL = allowed */
    uint32_t aggregate_depth; /* inside the arguments of an aggregate */
};

void scope_add(struct arena *arena, struct scope *scope, struct scope_column column);

enum err bind_expr(struct binder *b, const struct ast_node *node, struct expr **ret_expr) MUST_USE;
/* As BOOLEAN: WHERE, HAVING, ON. */
enum err bind_condition(struct binder *b, const struct ast_node *node, const char *clause,
                        struct expr **ret_expr) MUST_USE;
/* NAME and FIELD chains (scope.c). */
enum err bind_name(struct binder *b, const struct ast_node *node, struct expr **ret_expr) MUST_USE;
/* user, current_date: a column, variable or alias of that name, if there is one; else NULL, and the
 * word is a function. */
enum err bind_bare(struct binder *b, const struct ast_node *node, struct expr **ret_expr) MUST_USE;
/* base.name of a bound base. */
enum err bind_field(struct binder *b, struct expr *base, struct str name,
                    const struct ast_node *node, struct expr **ret_expr) MUST_USE;
/* Literals and intervals (bind_literal.c). */
enum err bind_literal(struct binder *b, const struct ast_node *node,
                      struct expr **ret_expr) MUST_USE;
/* A function or operator by its name with bound arguments (bind_call.c). */
enum err bind_function(struct binder *b, struct str name, struct expr *const *args, size_t count,
                       const struct ast_node *node, struct expr **ret_expr) MUST_USE;
/* int(x), date(x) ..: is name that of a type? */
bool is_cast_name(struct binder *b, struct str name);
enum err bind_call(struct binder *b, const struct ast_node *node, struct expr **ret_expr) MUST_USE;
/* CASE, COALESCE and their kin: NULL in *ret_expr when name is none of them. */
enum err bind_conditional(struct binder *b, const struct ast_node *node,
                          struct expr **ret_expr) MUST_USE;
enum err bind_case(struct binder *b, const struct ast_node *node, struct expr **ret_expr) MUST_USE;
/* transform, filter, ..: NULL when it is none of them (bind_lambda.c). */
enum err bind_lambda_call(struct binder *b, const struct ast_node *node,
                          struct expr **ret_expr) MUST_USE;
/* Aggregate functions (bind_aggregate.c): NULL when it is none. filter may be NULL. */
enum err bind_aggregate(struct binder *b, const struct ast_node *call,
                        const struct ast_node *filter, struct expr **ret_expr) MUST_USE;
bool is_aggregate_name(struct str name);
/* Brings all to one type, by implicit casts. */
enum err bind_to_common(struct binder *b, struct expr **exprs, size_t count, size_t step,
                     const struct ast_node *node, const char *what,
                     const struct type **ret_type) MUST_USE;

enum err bind_refuse(struct binder *b, const struct ast_node *node, const char *what);
enum err bind_error(struct binder *b, const struct ast_node *node, const char *error_class,
                   const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Refuses a key of GROUP BY whose item names an earlier item. */
enum err bind_lateral_key(struct binder *b, const struct ast_node *node);

/* The columns that a STAR stands for. */
enum err bind_star(struct binder *b, const struct ast_node *star, struct expr ***ret_exprs,
                   struct str **ret_names, size_t *ret_count) MUST_USE;

/* The name that Spark gives a column without an alias. */
struct str name_of(struct binder *b, const struct ast_node *node);

#endif
