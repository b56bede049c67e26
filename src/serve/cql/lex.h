/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_LEX_H
#define SERVE_CQL_LEX_H

#include "base/diag.h"

/* How a key word may be used beside its own meaning. */
enum cql_word_class {
    WORD_RESERVED, /* never a name */
    WORD_BASIC,    /* any name */
    WORD_TYPE,     /* any name but that of a user type; a native type */
    WORD_COLUMN,   /* a name, but neither of a function nor of a user type */
};

/* KEYWORD(word, class): token CQL_K_word, written in any case. */
#define CQL_KEYWORDS(X)                                                                            \
    X(ACCESS, BASIC)                                                                               \
    X(ADD, RESERVED)                                                                               \
    X(AGGREGATE, BASIC)                                                                            \
    X(AGGREGATES, BASIC)                                                                           \
    X(ALL, BASIC)                                                                                  \
    X(ALLOW, RESERVED)                                                                             \
    X(ALTER, RESERVED)                                                                             \
    X(AND, RESERVED)                                                                               \
    X(ANN, BASIC)                                                                                  \
    X(APPLY, RESERVED)                                                                             \
    X(AS, BASIC)                                                                                   \
    X(ASC, RESERVED)                                                                               \
    X(ASCII, TYPE)                                                                                 \
    X(AUTHORIZE, RESERVED)                                                                         \
    X(BATCH, RESERVED)                                                                             \
    X(BEGIN, RESERVED)                                                                             \
    X(BETWEEN, BASIC)                                                                              \
    X(BIGINT, TYPE)                                                                                \
    X(BLOB, TYPE)                                                                                  \
    X(BOOLEAN, TYPE)                                                                               \
    X(BY, RESERVED)                                                                                \
    X(CALLED, BASIC)                                                                               \
    X(CAST, COLUMN)                                                                                \
    X(CIDRS, BASIC)                                                                                \
    X(CLUSTER, BASIC)                                                                              \
    X(CLUSTERING, BASIC)                                                                           \
    X(COLUMNFAMILY, RESERVED)                                                                      \
    X(COMPACT, BASIC)                                                                              \
    X(CONTAINS, BASIC)                                                                             \
    X(COUNT, COLUMN)                                                                               \
    X(COUNTER, TYPE)                                                                               \
    X(CREATE, RESERVED)                                                                            \
    X(CUSTOM, BASIC)                                                                               \
    X(DATACENTERS, BASIC)                                                                          \
    X(DATE, TYPE)                                                                                  \
    X(DECIMAL, TYPE)                                                                               \
    X(DEFAULT, BASIC)                                                                              \
    X(DELETE, RESERVED)                                                                            \
    X(DESC, RESERVED)                                                                              \
    X(DESCRIBE, RESERVED)                                                                          \
    X(DISTINCT, COLUMN)                                                                            \
    X(DOUBLE, TYPE)                                                                                \
    X(DROP, RESERVED)                                                                              \
    X(DURATION, TYPE)                                                                              \
    X(ENTRIES, RESERVED)                                                                           \
    X(EXECUTE, RESERVED)                                                                           \
    X(EXISTS, BASIC)                                                                               \
    X(FILTERING, BASIC)                                                                            \
    X(FINALFUNC, BASIC)                                                                            \
    X(FLOAT, TYPE)                                                                                 \
    X(FROM, RESERVED)                                                                              \
    X(FROZEN, BASIC)                                                                               \
    X(FULL, RESERVED)                                                                              \
    X(FUNCTION, BASIC)                                                                             \
    X(FUNCTIONS, BASIC)                                                                            \
    X(GENERATED, BASIC)                                                                            \
    X(GRANT, RESERVED)                                                                             \
    X(GROUP, BASIC)                                                                                \
    X(HASHED, BASIC)                                                                               \
    X(IDENTITY, BASIC)                                                                             \
    X(IF, RESERVED)                                                                                \
    X(IN, RESERVED)                                                                                \
    X(INDEX, RESERVED)                                                                             \
    X(INET, TYPE)                                                                                  \
    X(INFINITY, RESERVED)                                                                          \
    X(INITCOND, BASIC)                                                                             \
    X(INPUT, BASIC)                                                                                \
    X(INSERT, RESERVED)                                                                            \
    X(INT, TYPE)                                                                                   \
    X(INTERNALS, BASIC)                                                                            \
    X(INTO, RESERVED)                                                                              \
    X(IS, RESERVED)                                                                                \
    X(JSON, COLUMN)                                                                                \
    X(KEY, COLUMN)                                                                                 \
    X(KEYS, BASIC)                                                                                 \
    X(KEYSPACE, RESERVED)                                                                          \
    X(KEYSPACES, BASIC)                                                                            \
    X(LANGUAGE, BASIC)                                                                             \
    X(LIKE, BASIC)                                                                                 \
    X(LIMIT, RESERVED)                                                                             \
    X(LIST, BASIC)                                                                                 \
    X(LOGIN, BASIC)                                                                                \
    X(MAP, BASIC)                                                                                  \
    X(MASKED, BASIC)                                                                               \
    X(MATERIALIZED, RESERVED)                                                                      \
    X(MAXWRITETIME, COLUMN)                                                                        \
    X(MBEAN, BASIC)                                                                                \
    X(MBEANS, BASIC)                                                                               \
    X(MODIFY, RESERVED)                                                                            \
    X(NAN, RESERVED)                                                                               \
    X(NOLOGIN, BASIC)                                                                              \
    X(NORECURSIVE, RESERVED)                                                                       \
    X(NOSUPERUSER, BASIC)                                                                          \
    X(NOT, RESERVED)                                                                               \
    X(NULL, RESERVED)                                                                              \
    X(OF, RESERVED)                                                                                \
    X(ON, RESERVED)                                                                                \
    X(ONLY, BASIC)                                                                                 \
    X(OPTIONS, BASIC)                                                                              \
    X(OR, RESERVED)                                                                                \
    X(ORDER, RESERVED)                                                                             \
    X(PARTITION, BASIC)                                                                            \
    X(PASSWORD, BASIC)                                                                             \
    X(PER, BASIC)                                                                                  \
    X(PERMISSION, BASIC)                                                                           \
    X(PERMISSIONS, BASIC)                                                                          \
    X(PRIMARY, RESERVED)                                                                           \
    X(RENAME, RESERVED)                                                                            \
    X(REPLACE, BASIC)                                                                              \
    X(RETURNS, BASIC)                                                                              \
    X(REVOKE, RESERVED)                                                                            \
    X(ROLE, BASIC)                                                                                 \
    X(ROLES, BASIC)                                                                                \
    X(SCHEMA, RESERVED)                                                                            \
    X(SELECT, RESERVED)                                                                            \
    X(SELECT_MASKED, BASIC)                                                                        \
    X(SET, RESERVED)                                                                               \
    X(SFUNC, BASIC)                                                                                \
    X(SMALLINT, TYPE)                                                                              \
    X(STATIC, BASIC)                                                                               \
    X(STORAGE, BASIC)                                                                              \
    X(STYPE, BASIC)                                                                                \
    X(SUPERUSER, BASIC)                                                                            \
    X(SUPERUSERS, BASIC)                                                                           \
    X(TABLES, BASIC)                                                                               \
    X(TEXT, TYPE)                                                                                  \
    X(TIME, TYPE)                                                                                  \
    X(TIMESTAMP, TYPE)                                                                             \
    X(TIMEUUID, TYPE)                                                                              \
    X(TINYINT, TYPE)                                                                               \
    X(TO, RESERVED)                                                                                \
    X(TOKEN, RESERVED)                                                                             \
    X(TRIGGER, BASIC)                                                                              \
    X(TRUNCATE, RESERVED)                                                                          \
    X(TTL, COLUMN)                                                                                 \
    X(TUPLE, BASIC)                                                                                \
    X(TYPE, BASIC)                                                                                 \
    X(TYPES, BASIC)                                                                                \
    X(UNLOGGED, RESERVED)                                                                          \
    X(UNMASK, BASIC)                                                                               \
    X(UNSET, BASIC)                                                                                \
    X(UPDATE, RESERVED)                                                                            \
    X(USE, RESERVED)                                                                               \
    X(USER, BASIC)                                                                                 \
    X(USERS, BASIC)                                                                                \
    X(USING, RESERVED)                                                                             \
    X(UUID, TYPE)                                                                                  \
    X(VALUES, BASIC)                                                                               \
    X(VARCHAR, TYPE)                                                                               \
    X(VARINT, TYPE)                                                                                \
    X(VECTOR, BASIC)                                                                               \
    X(VIEW, RESERVED)                                                                              \
    X(WHERE, RESERVED)                                                                             \
    X(WITH, RESERVED)                                                                              \
    X(WRITETIME, COLUMN)

/* Marks: token, as it is written. */
#define CQL_MARKS(X)                                                                               \
    X(EXPR, "expr(")                                                                               \
    X(RANGE, "..")                                                                                 \
    X(PLUS_SET, "+=")                                                                              \
    X(MINUS_SET, "-=")                                                                             \
    X(LE, "<=")                                                                                    \
    X(GE, ">=")                                                                                    \
    X(NE, "!=")                                                                                    \
    X(EQ, "=")                                                                                     \
    X(LT, "<")                                                                                     \
    X(GT, ">")                                                                                     \
    X(OPEN, "(")                                                                                   \
    X(CLOSE, ")")                                                                                  \
    X(SQUARE_OPEN, "[")                                                                            \
    X(SQUARE_CLOSE, "]")                                                                           \
    X(CURLY_OPEN, "{")                                                                             \
    X(CURLY_CLOSE, "}")                                                                            \
    X(COMMA, ",")                                                                                  \
    X(SEMICOLON, ";")                                                                              \
    X(COLON, ":")                                                                                  \
    X(DOT, ".")                                                                                    \
    X(QUESTION, "?")                                                                               \
    X(PLUS, "+")                                                                                   \
    X(MINUS, "-")                                                                                  \
    X(STAR, "*")                                                                                   \
    X(SLASH, "/")                                                                                  \
    X(PERCENT, "%")

enum cql_token_kind {
    CQL_T_END,
    CQL_T_ERROR, /* text is Cassandra's message */
    CQL_T_HIDDEN,
    CQL_T_IDENT,
    CQL_T_QUOTED, /* text without quotes; may be empty */
    CQL_T_STRING,
    CQL_T_INTEGER,
    CQL_T_FLOAT,
    CQL_T_BOOLEAN,
    CQL_T_DURATION,
    CQL_T_UUID,
    CQL_T_HEX,
    CQL_T_MINUS_NAN,
    CQL_T_MINUS_INFINITY,
#define CQL_MARK_KIND(name, text) CQL_M_##name,
    CQL_MARKS(CQL_MARK_KIND)
#undef CQL_MARK_KIND
#define CQL_WORD_KIND(name, class) CQL_K_##name,
        CQL_KEYWORDS(CQL_WORD_KIND)
#undef CQL_WORD_KIND
            CQL_T_COUNT
};

struct cql_token {
    enum cql_token_kind kind;
    uint32_t line, column; /* from 1, from 0 in UTF-16 units; the end has neither */
    uint32_t start, end;   /* bytes */
    struct str text;       /* without quotes, doubled ones halved */
};
struct cql_tokens {
    struct cql_token *items; /* hidden ones too; ends with CQL_T_END */
    size_t count;
};

enum { CQL_TEXT_BYTES_MAX = 256 << 20 };
/* All tokens, in the arena. A mistake is a CQL_T_ERROR token, the last but the end. ERR_LIMIT. */
enum err cql_lex(struct arena *arena, struct str text, struct cql_tokens *ret_tokens) MUST_USE;
/* As Cassandra's errors call it: K_FROM, ')', IDENT, EOF. */
const char *cql_token_name(enum cql_token_kind kind);
enum cql_word_class cql_word_class(enum cql_token_kind kind);
static inline bool cql_is_word(enum cql_token_kind kind)
{
    return kind >= CQL_K_ACCESS && kind < CQL_T_COUNT;
}
/* The key word that a text is (any case), CQL_T_IDENT when none. */
enum cql_token_kind cql_word_find(struct str text);
/* Must a name be quoted to be read as it is? Printed so. */
bool cql_name_needs_quotes(struct str name);
void cql_identifier_print(struct str name, struct buf *out);

#endif
