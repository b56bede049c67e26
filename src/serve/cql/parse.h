/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_PARSE_H
#define SERVE_CQL_PARSE_H

#include "serve/cql/ast.h"
#include "serve/cql/lex.h"

/* The parser's own: one function a rule of the grammar. Each answers OK or ERR_SYNTAX, ERR_LIMIT
 * with the diag filled. */
struct cql_parser {
    struct arena *arena;
    struct diag *diag;
    struct str text;
    struct cql_tokens tokens;
    uint32_t *visible; /* indexes of tokens that are not hidden; behind the end the end again */
    uint32_t visible_count;
    uint32_t at;   /* in visible */
    uint32_t seen; /* the last one of visible that was looked at */
    unsigned depth;
    unsigned quiet; /* a try: errors are not told */
    struct str *markers;
    uint32_t marker_count;
};

enum { CQL_DEPTH_MAX = 512 };

/* Room for one more element of an array of the arena that doubles. */
void *cql_grow(struct cql_parser *p, void *items, size_t count, size_t bytes);
#define PUSH(p, items, count)                                                                      \
    ((items) = cql_grow((p), (items), (count), sizeof(*(items))), &(items)[(count)++])

/* ---- tokens ---- */
const struct cql_token *cql_peek(struct cql_parser *p, uint32_t ahead);
static inline enum cql_token_kind cql_kind(struct cql_parser *p, uint32_t ahead)
{
    return cql_peek(p, ahead)->kind;
}
/* Takes the token when it is of that kind. */
bool cql_take(struct cql_parser *p, enum cql_token_kind kind);
/* "mismatched input". */
enum err cql_expect(struct cql_parser *p, enum cql_token_kind kind) MUST_USE;
/* Text of the statement from a token (index in visible) to the one before this. */
struct str cql_source(const struct cql_parser *p, uint32_t from);

/* ---- errors ---- */
/* "no viable alternative" at the token ahead of this. */
enum err cql_no_way(struct cql_parser *p, uint32_t ahead) MUST_USE;
enum err cql_mismatch(struct cql_parser *p, const char *expected) MUST_USE;
/* Cassandra's words without a place. */
enum err cql_refuse(struct cql_parser *p, const char *format, ...) MUST_USE
    __attribute__((format(printf, 2, 3)));
enum err cql_enter(struct cql_parser *p) MUST_USE; /* ERR_LIMIT: nested too deep */
static inline void cql_leave(struct cql_parser *p)
{
    p->depth--;
}

/* ---- names ---- */
bool cql_is_name(enum cql_token_kind kind); /* an identifier, quoted, or an unreserved key word */
enum err cql_name_take(struct cql_parser *p, struct str *ret_name) MUST_USE;
/* The same, "" allowed: a column. */
enum err cql_column_take(struct cql_parser *p, struct str *ret_name) MUST_USE;
/* [keyspace.]name of a table: what names it in errors of ? */
enum err cql_table_name(struct cql_parser *p, const char *what, struct cql_name *ret_name) MUST_USE;
enum err cql_keyspace_name(struct cql_parser *p, struct str *ret_name) MUST_USE;
enum err cql_type_name(struct cql_parser *p, struct cql_name *ret_name) MUST_USE;
enum err cql_function_name(struct cql_parser *p, struct cql_name *ret_name) MUST_USE;
/* IF NOT EXISTS, IF EXISTS. */
enum err cql_if_not_exists(struct cql_parser *p, bool *ret_said) MUST_USE;
enum err cql_if_exists(struct cql_parser *p, bool *ret_said) MUST_USE;

/* ---- parts ---- */
enum err cql_type_text(struct cql_parser *p, struct str *ret_text) MUST_USE;
enum err cql_native_type(struct cql_parser *p, struct str *ret_text) MUST_USE;
enum err cql_term_parse(struct cql_parser *p, struct cql_term **ret_term) MUST_USE;
/* A term that may have columns in it: what SELECT gives. */
enum err cql_selectable(struct cql_parser *p, struct cql_term **ret_term) MUST_USE;
enum err cql_int_value(struct cql_parser *p, struct cql_term **ret_term) MUST_USE;
bool cql_is_constant(enum cql_token_kind kind);
struct cql_term *cql_term_new(struct cql_parser *p, enum cql_term_kind kind);
enum err cql_constant(struct cql_parser *p, struct cql_term **ret_term) MUST_USE;
enum err cql_marker(struct cql_parser *p, struct cql_term **ret_term) MUST_USE;
bool cql_is_marker(enum cql_token_kind kind);
enum err cql_map_literal(struct cql_parser *p, struct cql_term **ret_term) MUST_USE;
enum err cql_where(struct cql_parser *p, struct cql_relation **ret_items,
                   size_t *ret_count) MUST_USE;
/* = < <= > >= !=; false: another token. */
bool cql_relation_operator(enum cql_token_kind kind, enum cql_operator *ret_op);
/* (term, ..) or a marker. */
enum err cql_in_values(struct cql_parser *p, struct cql_term ***ret_values, size_t *ret_count,
                       bool *ret_marker) MUST_USE;
enum err cql_options(struct cql_parser *p, struct cql_option **ret_items,
                     size_t *ret_count) MUST_USE;
enum err cql_option_one(struct cql_parser *p, struct cql_option **items, size_t *count) MUST_USE;

/* ---- statements: the first word was looked at, not taken ---- */
enum err cql_parse_select(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_insert(struct cql_parser *p, struct cql_modify *modify) MUST_USE;
enum err cql_parse_update(struct cql_parser *p, struct cql_modify *modify) MUST_USE;
enum err cql_parse_delete(struct cql_parser *p, struct cql_modify *modify) MUST_USE;
enum err cql_parse_batch(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_create(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_alter(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_drop(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_describe(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_role(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_user(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_list(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_grant(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_parse_identity(struct cql_parser *p, struct cql_statement *st) MUST_USE;
enum err cql_role_name(struct cql_parser *p, struct str *ret_name) MUST_USE;
enum err cql_user_name(struct cql_parser *p, struct str *ret_name) MUST_USE;
/* CREATE, with OR REPLACE or not, of what is not offered: the word for it comes next. */
enum err cql_parse_refused(struct cql_parser *p, struct cql_statement *st) MUST_USE;

#endif
