/* SPDX-License-Identifier: MIT */
#ifndef QUERY_AST_H
#define QUERY_AST_H

#include "base/buf.h"
#include "base/mem.h"
#include "data/type.h"

/*
 * The tree that the parser makes. One node type for all: a kind, a text, flags and children whose
 * meaning the table gives. A child in [brackets] may be NULL. X(kind, name printed in tests)
 *
 *  expressions                 text             children
 *  NUMBER                      as written       -
 *  STRING                      the value        -
 *  BINARY_LITERAL              the bytes        -
 *  TYPED                       DATE, TIMESTAMP..STRING
 *  TRUE FALSE NULL DEFAULT     -                -
 *  INTERVAL                    as written       -; type and value are set
 *  NAME                        the name         -
 *  FIELD                       field name       base
 *  STAR                        -                [base], [LIST of excepted NAME/FIELD]
 *  INDEX                       -                base, index
 *  CALL                        name             arguments; flags DISTINCT, BRACKETLESS
 *  FILTERED                    -                call, condition
 *  WITHIN                      -                call, LIST of SORT_KEY
 *  OVER                        window name or - call, [WINDOW]; flag IGNORE_NULLS
 *  UNARY                       - + ~            operand
 *  BINARY                      + = <=> || ..    left, right
 *  AND OR                      -                two or more
 *  NOT                         -                operand
 *  CASE                        -                [operand], when, then, .., [else]
 *  CAST                        type as written  operand; flag TRY; type is set
 *  IN                          -                value, items; flag NOT
 *  IN_QUERY                    -                value, query; flag NOT
 *  BETWEEN                     -                value, low, high; flag NOT
 *  LIKE                        like ilike rlike value, pattern, [escape]; flag NOT
 *  LIKE_MANY                   like ilike       value, patterns; flags NOT, ALL
 *  IS                          null true false unknown | distinct: value, other; flag NOT
 *  EXISTS SUBQUERY             -                query
 *  LAMBDA                      -                NAME .., body
 *  ROW                         -                fields
 *  NAMED_ARG                   name             value
 *  ALIAS                       name             expression; or, many names: expression, LIST
 *  PARAMETER                   name or ?        -
 *
 *  queries
 *  QUERY      -        body, [LIST of CTE], [LIST of SORT_KEY], [limit], [offset], [LIST sort by..]
 *  SELECT     -        LIST, [FROM], [where], [LIST group], [having], [LIST of WINDOW_DEF];
 *                      flag DISTINCT
 *  SETOP      union..  left, right; flag ALL
 *  VALUES     -        rows
 *  TABLE      -        RELATION
 *  CTE        name     query, [LIST of names]; flag RECURSIVE
 *  LIST       -        anything
 *  SORT_KEY   -        expression; flags DESC, NULLS_FIRST, NULLS_LAST
 *  GROUPING   rollup cube sets   expressions or LISTs
 *  WINDOW     [base]   [LIST partition], [LIST order], [FRAME]
 *  WINDOW_DEF name     WINDOW
 *  FRAME      rows range  start BOUND, end BOUND
 *  BOUND      unbounded preceding ..  [expression]
 *
 *  relations
 *  FROM       -        relations (cross joined), in order LATERAL_VIEWs
 *  RELATION   name as written    part NAMEs; flag STREAM
 *  WATERMARK  -        RELATION, expression (maybe ALIAS), INTERVAL
 *  DERIVED    -        query or a join in parentheses; flag LATERAL
 *  INLINE     -        VALUES
 *  FUNCTION   name     arguments (a CALL); flag LATERAL
 *  ALIASED    alias    relation, [LIST of names]
 *  JOIN       inner left right full cross semi anti; left, right, [on], [LIST using]; flag NATURAL
 *  LATERAL_VIEW alias  call, [LIST of names]; flag OUTER
 *  PIVOT UNPIVOT SAMPLE TRAVEL  -    relation, ..: known to be there, not planned
 */
#define AST_KINDS(X)                                                                               \
    X(NUMBER, "number")                                                                            \
    X(STRING, "string")                                                                            \
    X(BINARY_LITERAL, "binary")                                                                    \
    X(TYPED, "typed")                                                                              \
    X(TRUE, "true")                                                                                \
    X(FALSE, "false")                                                                              \
    X(NULL, "null")                                                                                \
    X(DEFAULT, "default")                                                                          \
    X(INTERVAL, "interval")                                                                        \
    X(NAME, "name")                                                                                \
    X(FIELD, "field")                                                                              \
    X(STAR, "star")                                                                                \
    X(INDEX, "index")                                                                              \
    X(CALL, "call")                                                                                \
    X(FILTERED, "filtered")                                                                        \
    X(WITHIN, "within")                                                                            \
    X(OVER, "over")                                                                                \
    X(UNARY, "unary")                                                                              \
    X(BINARY, "op")                                                                                \
    X(AND, "and")                                                                                  \
    X(OR, "or")                                                                                    \
    X(NOT, "not")                                                                                  \
    X(CASE, "case")                                                                                \
    X(CAST, "cast")                                                                                \
    X(IN, "in")                                                                                    \
    X(IN_QUERY, "in-query")                                                                        \
    X(BETWEEN, "between")                                                                          \
    X(LIKE, "like")                                                                                \
    X(LIKE_MANY, "like-many")                                                                      \
    X(IS, "is")                                                                                    \
    X(EXISTS, "exists")                                                                            \
    X(SUBQUERY, "subquery")                                                                        \
    X(LAMBDA, "lambda")                                                                            \
    X(ROW, "row")                                                                                  \
    X(NAMED_ARG, "named")                                                                          \
    X(ALIAS, "as")                                                                                 \
    X(PARAMETER, "parameter")                                                                      \
    X(QUERY, "query")                                                                              \
    X(SELECT, "select")                                                                            \
    X(SETOP, "setop")                                                                              \
    X(VALUES, "values")                                                                            \
    X(TABLE, "table")                                                                              \
    X(CTE, "cte")                                                                                  \
    X(LIST, "list")                                                                                \
    X(SORT_KEY, "key")                                                                             \
    X(GROUPING, "grouping")                                                                        \
    X(WINDOW, "window")                                                                            \
    X(WINDOW_DEF, "window-def")                                                                    \
    X(FRAME, "frame")                                                                              \
    X(BOUND, "bound")                                                                              \
    X(FROM, "from")                                                                                \
    X(RELATION, "relation")                                                                        \
    X(WATERMARK, "watermark")                                                                      \
    X(DERIVED, "derived")                                                                          \
    X(INLINE, "inline")                                                                            \
    X(FUNCTION, "function")                                                                        \
    X(ALIASED, "aliased")                                                                          \
    X(JOIN, "join")                                                                                \
    X(LATERAL_VIEW, "lateral-view")                                                                \
    X(PIVOT, "pivot")                                                                              \
    X(UNPIVOT, "unpivot")                                                                          \
    X(SAMPLE, "sample")                                                                            \
    X(TRAVEL, "travel")

enum ast_kind {
#define X(kind, name) AST_##kind,
    AST_KINDS(X)
#undef X
};

enum ast_flag {
    AST_NEGATED = 1 << 0,
    AST_DISTINCT = 1 << 1,
    AST_ALL = 1 << 2,
    AST_TRY = 1 << 3,
    AST_IGNORE_NULLS = 1 << 4,
    AST_DESC = 1 << 5,
    AST_NULLS_FIRST = 1 << 6,
    AST_NULLS_LAST = 1 << 7,
    AST_STREAM = 1 << 8,
    AST_LATERAL = 1 << 9,
    AST_OUTER = 1 << 10,
    AST_NATURAL = 1 << 11,
    AST_RECURSIVE = 1 << 12,
    AST_BARE = 1 << 13, /* a function called without brackets: current_date */
    AST_HAS_ELSE = 1 << 14,
    AST_BY_NAME = 1 << 15, /* UNION BY NAME */
};

struct ast_node {
    enum ast_kind kind;
    uint32_t flags;
    uint32_t line, column;
    uint32_t height; /* 1 + the tallest child: bounds recursion */
    uint32_t count;
    struct ast_node **kids;
    struct str text;
    struct str source; /* as written: of a query, an expression with odd syntax; may be empty */
    const struct type *type; /* CAST, INTERVAL */
    int64_t value;           /* INTERVAL: months or us, as its type says */
};

/* Trees are at most this high; the parser refuses more, so walkers may recurse. */
enum { AST_HEIGHT_MAX = 600 };

struct ast_node *ast_new(struct arena *arena, enum ast_kind kind, struct str text, uint32_t line,
                         uint32_t column);
void ast_add(struct arena *arena, struct ast_node *node, struct ast_node *kid);
/* The child or NULL. */
static inline struct ast_node *ast_kid(const struct ast_node *node, size_t i)
{
    return i < node->count ? node->kids[i] : NULL;
}
/* (kind text flags children..), one line. */
void ast_print(const struct ast_node *node, struct buf *out);

#endif
