/* SPDX-License-Identifier: MIT */
#ifndef QUERY_PARSE_H
#define QUERY_PARSE_H

#include "query/ast.h"
#include "query/lex.h"
#include "query/query.h"

/*
 * The parser's hands. Errors are sticky: after the first one every token reads as the end of the
 * text, so that all loops stop; functions always give a node. Ask failed once at the end.
 */
struct parser {
    struct arena *arena;
    struct str text;
    const struct token *tokens; /* of the whole script */
    size_t end;                 /* index of the token that ends this statement */
    size_t at;
    struct diag diag; /* of the first mistake */
    bool failed;
    uint32_t depth;
    struct ast_node *nothing; /* given after an error */
};

/* ---- tokens (parse_token.c) ---- */

const struct token *parse_peek(const struct parser *p, size_t ahead);
const struct token *parse_next(struct parser *p);
/* Is the token that far ahead this key word (any case)? / this symbol? */
bool parse_is(const struct parser *p, size_t ahead, const char *word);
bool parse_is_symbol(const struct parser *p, size_t ahead, const char *symbol);
/* Takes it when it is there. */
bool parse_word(struct parser *p, const char *word);
bool parse_symbol(struct parser *p, const char *symbol);
/* Takes all of "IF NOT EXISTS" or nothing. */
bool parse_words(struct parser *p, const char *words);
/* Takes it or fails. */
void parse_expect(struct parser *p, const char *word);
void parse_expect_symbol(struct parser *p, const char *symbol);
/* Is the word of that token in a list that ends with NULL? */
bool parse_is_any(const struct parser *p, size_t ahead, const char *const *words);

/* Syntax error at the current token: "expected WHAT". */
void parse_fail(struct parser *p, const char *expected);
void parse_fail_at(struct parser *p, enum err err, uint32_t line, uint32_t column,
                   const char *error_class, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

/* A name: a word or one in back-ticks. Fails with INVALID_IDENTIFIER for a-b. */
struct str parse_name(struct parser *p, const char *what);
bool parse_at_name(const struct parser *p, size_t ahead);
/* a.b.c as NAME children of a RELATION. */
struct ast_node *parse_relation_name(struct parser *p);
/* (a, b): LIST of NAME. */
struct ast_node *parse_name_list(struct parser *p);
/* A string, adjacent ones joined. */
struct str parse_string(struct parser *p);
/* Bounds recursion: false (and failed) when too deep. Pair with parse_leave(). */
bool parse_enter(struct parser *p);
void parse_leave(struct parser *p);

struct ast_node *parse_node(struct parser *p, enum ast_kind kind, struct str text);
struct ast_node *parse_node_at(struct parser *p, enum ast_kind kind, struct str text,
                               const struct token *token);
void parse_add(struct parser *p, struct ast_node *node, struct ast_node *kid);
/* From the token at start to the last one taken. */
struct str parse_source(const struct parser *p, size_t start);
/* Skips a bracketed run "( .. )" that stands at the cursor; gives its text. */
struct str parse_skip_brackets(struct parser *p);

/* ---- grammar ---- */

struct ast_node *parse_expr(struct parser *p);               /* with AND, OR, predicates */
struct ast_node *parse_value(struct parser *p, int binding); /* up to comparisons */
struct ast_node *parse_primary(struct parser *p);
struct ast_node *parse_named_expr(struct parser *p); /* expr [AS name | AS (a, b)] */
struct ast_node *parse_exprs(struct parser *p);      /* LIST */
struct ast_node *parse_sort_keys(struct parser *p);  /* LIST of SORT_KEY */
struct ast_node *parse_call(struct parser *p, struct str name, const struct token *token);
/* NULL when name has no syntax of its own: TRIM(BOTH ..), EXTRACT(.. FROM ..); at the bracket. */
struct ast_node *parse_special_call(struct parser *p, struct str name, const struct token *token);
struct ast_node *parse_window(struct parser *p);
struct ast_node *parse_case(struct parser *p, const struct token *token);
/* A type at the cursor; its text. */
const struct type *parse_type(struct parser *p, struct str *ret_text);
/* NULL when no interval or typed literal stands at the cursor. */
struct ast_node *parse_typed_literal(struct parser *p);
struct ast_node *parse_interval(struct parser *p);
struct ast_node *parse_query(struct parser *p);
bool parse_at_query(const struct parser *p, size_t ahead);
struct ast_node *parse_from(struct parser *p);

/* ---- what is read and not planned (parse_unplanned.c) ---- */

/* The relation, wrapped when such a suffix stands behind it. */
struct ast_node *parse_travel(struct parser *p, struct ast_node *relation);
struct ast_node *parse_sample(struct parser *p, struct ast_node *relation);
bool parse_at_pivot(const struct parser *p);
struct ast_node *parse_pivot(struct parser *p, struct ast_node *relation);
void parse_pivot_behind(struct parser *p);
void parse_nearest(struct parser *p, struct ast_node *join);
/* Behind SELECT. */
void parse_hints(struct parser *p);
void parse_check_number(struct parser *p, const struct token *token);
/* Does it name a column, outside of queries in it? */
bool parse_names_columns(const struct ast_node *node);
/* VALUES .. with its alias, when it has one: INLINE or ALIASED. */
struct ast_node *parse_inline_table(struct parser *p);

#endif
