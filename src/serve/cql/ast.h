/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_AST_H
#define SERVE_CQL_AST_H

#include "wire/cql/cql.h"

/*
 * A CQL statement as it was written. Everything lives in the arena that parsing was given; names
 * are folded to lower case unless they were quoted. Nothing is resolved here.
 */

/* ---- terms: what stands for a value, and what a SELECT gives ---- */
enum cql_term_kind {
    TERM_NULL,
    TERM_STRING,   /* text: without quotes */
    TERM_INTEGER,  /* text: digits with a sign */
    TERM_FLOAT,    /* text; also NaN, Infinity */
    TERM_BOOLEAN,  /* text: true, false */
    TERM_UUID,     /* text */
    TERM_HEX,      /* text: without 0x */
    TERM_DURATION, /* text: 1y2mo or ISO form */
    TERM_MARKER,   /* index; name ptr NULL for ? */
    TERM_LIST,     /* items */
    TERM_SET,      /* items; {} is a set without items and may be a map */
    TERM_MAP,      /* items: key, value, key .. */
    TERM_TUPLE,    /* items */
    TERM_UDT,      /* names and items */
    TERM_CALL,     /* keyspace (ptr NULL), name, items: also token, writetime, ttl, count */
    TERM_STAR,     /* of count(*) */
    TERM_TYPED,    /* (type) items[0]: a type hint */
    TERM_CAST,     /* CAST(items[0] AS type) */
    TERM_COLUMN,   /* name */
    TERM_FIELD,    /* items[0].name */
    TERM_ELEMENT,  /* items[0][items[1]] */
    TERM_SLICE,    /* items[0][items[1] .. items[2]]; either may be NULL */
    TERM_BINARY,   /* items[0] op items[1]; op: + - * / % */
    TERM_NEGATE,   /* -items[0] */
};
struct cql_term {
    enum cql_term_kind kind;
    uint32_t line, column; /* for errors, as Cassandra counts: line from 1, column from 0 */
    struct str text;       /* literals */
    struct str keyspace, name;
    uint32_t marker; /* index from 0 in the order of the text */
    char op;
    struct str type; /* TERM_TYPED, TERM_CAST: the type's text */
    size_t count;
    struct cql_term **items;
    struct str *names;
    struct str source; /* as it stands in the statement: names of result columns */
};

struct cql_name {
    struct str keyspace; /* ptr NULL = the session's */
    struct str name;
};

/* ---- SELECT ---- */
struct cql_selector {
    struct cql_term *term;
    struct str alias; /* ptr NULL = none */
};
enum cql_operator {
    CQL_EQ,
    CQL_NE,
    CQL_LT,
    CQL_LE,
    CQL_GT,
    CQL_GE,
    CQL_IN,
    CQL_NOT_IN,
    CQL_CONTAINS,
    CQL_CONTAINS_KEY,
    CQL_IS_NOT_NULL,
    CQL_LIKE,
    CQL_BETWEEN, /* values[0] and values[1] */
    CQL_ANN,     /* ORDER BY v ANN OF */
    CQL_EXPR,    /* expr(index, value): columns[0] is the index, values[0] */
};
struct cql_relation {
    enum cql_operator op;
    bool token; /* token(columns) op value */
    bool multi; /* (a, b) op (..): also of one column in parentheses */
    struct str *columns;
    size_t column_count;
    struct cql_term *element; /* m[element] op value */
    struct cql_term **values; /* IN (..): the list; IN ?: one marker with in_marker */
    size_t value_count;
    bool in_marker;
    uint32_t line, column;
};
struct cql_ordering {
    struct str column;
    bool descending;
    struct cql_term *ann;
};
struct cql_select {
    struct cql_name table;
    bool json, distinct, all_columns; /* SELECT * */
    struct cql_selector *selectors;
    size_t selector_count;
    struct cql_relation *where;
    size_t where_count;
    struct cql_term **group_by; /* columns, or a call over them */
    size_t group_count;
    struct cql_ordering *order_by;
    size_t order_count;
    struct cql_term *limit, *per_partition_limit; /* NULL = none */
    bool allow_filtering;
};

/* ---- INSERT, UPDATE, DELETE, BATCH ---- */
enum cql_assignment_kind {
    ASSIGN_SET,      /* c = value */
    ASSIGN_ADD,      /* c = c + value, c += value */
    ASSIGN_SUBTRACT, /* c = c - value, c -= value */
    ASSIGN_PREPEND,  /* c = value + c */
    ASSIGN_ELEMENT,  /* c[key] = value */
    ASSIGN_FIELD,    /* c.field = value */
};
struct cql_assignment {
    enum cql_assignment_kind kind;
    struct str column;
    struct cql_term *key;
    struct str field;
    struct cql_term *value;
};
/* What DELETE removes: a column, an element, a field. */
struct cql_deletion {
    struct str column;
    struct cql_term *key;
    struct str field;
};
struct cql_condition {
    struct str column;
    struct cql_term *key; /* c[key] */
    struct str field;     /* c.field */
    enum cql_operator op;
    struct cql_term **values;
    size_t value_count;
    bool in_marker;
};
enum cql_modify_kind { MODIFY_INSERT, MODIFY_INSERT_JSON, MODIFY_UPDATE, MODIFY_DELETE };
struct cql_modify {
    enum cql_modify_kind kind;
    struct cql_name table;
    /* INSERT: assignments are column = value, where there are more of one the others' are missing
     * (column ptr NULL or value NULL); INSERT JSON: json and default_unset */
    struct cql_term *json;
    bool default_unset;
    struct cql_assignment *assignments;
    size_t assignment_count;
    struct cql_deletion *deletions;
    size_t deletion_count;
    struct cql_relation *where;
    size_t where_count;
    struct cql_term *timestamp, *ttl; /* USING; NULL = none */
    bool if_exists, if_not_exists;
    struct cql_condition *conditions;
    size_t condition_count;
};
enum cql_batch_kind { BATCH_IS_LOGGED, BATCH_IS_UNLOGGED, BATCH_IS_COUNTER };
struct cql_batch {
    enum cql_batch_kind kind;
    struct cql_term *timestamp, *ttl;
    struct cql_modify *items;
    size_t count;
};

/* ---- definitions ---- */
struct cql_option { /* name = value, name = {..} */
    struct str name;
    struct cql_term *value; /* literal or map */
};
struct cql_column_definition {
    struct str name;
    struct str type; /* text */
    bool is_static;
    struct str mask; /* MASKED WITH: text, refused or kept by the catalogue */
};
struct cql_create_keyspace { /* ALTER too */
    struct str name;
    bool if_not_exists, if_exists, alter;
    struct cql_option *options;
    size_t option_count;
};
struct cql_create_table {
    struct cql_name name;
    bool if_not_exists;
    struct cql_column_definition *columns;
    size_t column_count;
    struct str *partition_key;
    size_t partition_count;
    struct str *clustering_key;
    size_t clustering_count;
    size_t primary_keys; /* how many PRIMARY KEY were said */
    struct cql_ordering *clustering_order;
    size_t order_count;
    struct cql_option *options;
    size_t option_count;
    bool compact_storage;
};
enum cql_alter_kind { ALTER_ADD, ALTER_DROP, ALTER_RENAME, ALTER_OPTIONS, ALTER_TYPE, ALTER_OTHER };
struct cql_alter_table {
    struct cql_name name;
    bool if_exists, if_column_exists, if_column_not_exists;
    enum cql_alter_kind kind;
    struct cql_column_definition *columns; /* ADD, ALTER_TYPE */
    size_t column_count;
    struct str *names; /* DROP; RENAME: from, to, from .. */
    size_t name_count;
    struct cql_term *timestamp; /* DROP .. USING TIMESTAMP */
    struct cql_option *options;
    size_t option_count;
};
struct cql_create_type { /* ALTER TYPE too: ADD fields, or RENAME names */
    struct cql_name name;
    bool if_not_exists, if_exists;
    bool is_alter;             /* ALTER TYPE */
    enum cql_alter_kind alter; /* ALTER_ADD, ALTER_RENAME, ALTER_TYPE */
    bool if_field_exists;      /* RENAME IF EXISTS; if_not_exists is that of ADD */
    struct cql_column_definition *fields;
    size_t field_count;
    struct str *names;
    size_t name_count;
};
struct cql_create_index {
    struct cql_name name; /* may be without a name */
    struct cql_name table;
    bool if_not_exists;
    struct str column;
    struct str target;   /* "", "keys", "values", "entries", "full" */
    size_t target_count; /* how many columns were named: column is the first */
    bool custom;
    struct str custom_class; /* behind USING; ptr NULL = none */
    struct cql_option *options;
    size_t option_count;
};
struct cql_role {
    struct str name;
    bool if_not_exists, if_exists, is_user;
    struct cql_option *options; /* password, login, superuser .. */
    size_t option_count;
};
struct cql_list_roles { /* LIST ROLES, LIST USERS */
    struct str of;      /* ptr NULL = all */
    bool users, superusers, norecursive;
};
enum cql_grant_verb {
    GRANT_PERMISSIONS,
    REVOKE_PERMISSIONS,
    LIST_PERMISSIONS,
    GRANT_ROLE,
    REVOKE_ROLE
};
struct cql_grant {
    enum cql_grant_verb verb;
    struct str *permissions; /* upper case; none = ALL */
    size_t permission_count;
    struct str resource; /* its text; ptr NULL: LIST of all */
    struct str role;     /* GRANT_ROLE, REVOKE_ROLE: what is given */
    struct str grantee;  /* ptr NULL: LIST of all */
    bool norecursive;
};
/* What is understood and not offered: the catalogue answers as a Cassandra does that has it
 * switched off. */
enum cql_refused_kind {
    REFUSED_FUNCTION,
    REFUSED_AGGREGATE,
    REFUSED_VIEW,
    REFUSED_TRIGGER,
    REFUSED_IDENTITY,
};
struct cql_refused {
    enum cql_refused_kind kind;
    bool drop, alter, if_exists;
    struct cql_name name;
    struct cql_name table; /* of a trigger or a view */
    struct str arguments;  /* DROP FUNCTION f(..): as written; ptr NULL = none */
    struct str *types;     /* CREATE AGGREGATE: of its state, then of its arguments */
    size_t type_count;
    struct cql_name function; /* that makes a state of them */
};
enum cql_describe_kind {
    DESCRIBE_KEYSPACES,
    DESCRIBE_KEYSPACE,
    DESCRIBE_TABLES,
    DESCRIBE_TABLE,
    DESCRIBE_TYPES,
    DESCRIBE_TYPE,
    DESCRIBE_FUNCTIONS,
    DESCRIBE_FUNCTION,
    DESCRIBE_AGGREGATES,
    DESCRIBE_AGGREGATE,
    DESCRIBE_INDEX,
    DESCRIBE_VIEW,
    DESCRIBE_SCHEMA,
    DESCRIBE_CLUSTER,
    DESCRIBE_ANY, /* a bare name */
};
struct cql_describe {
    enum cql_describe_kind kind;
    struct cql_name name;
    bool only, full, internals;
};

enum cql_statement_kind {
    CQL_SELECT,
    CQL_MODIFY, /* INSERT, UPDATE, DELETE */
    CQL_BATCH_STATEMENT,
    CQL_TRUNCATE,
    CQL_USE,
    CQL_CREATE_KEYSPACE, /* ALTER KEYSPACE too */
    CQL_DROP_KEYSPACE,
    CQL_CREATE_TABLE,
    CQL_ALTER_TABLE,
    CQL_DROP_TABLE,
    CQL_CREATE_TYPE, /* ALTER TYPE too */
    CQL_DROP_TYPE,
    CQL_CREATE_INDEX,
    CQL_DROP_INDEX,
    CQL_DESCRIBE,
    CQL_CREATE_ROLE, /* CREATE USER, ALTER ROLE too */
    CQL_DROP_ROLE,
    CQL_LIST_ROLES,
    CQL_GRANT,   /* GRANT, REVOKE, LIST PERMISSIONS */
    CQL_REFUSED, /* parses, and is not offered: views, functions, aggregates, triggers:
                  * cql_catalog_apply() gives Cassandra's own error, refused_message its usual one
                  */
};
struct cql_statement {
    enum cql_statement_kind kind;
    union {
        struct cql_select select;
        struct cql_modify modify;
        struct cql_batch batch;
        struct cql_create_keyspace keyspace;
        struct cql_create_table table;
        struct cql_alter_table alter;
        struct cql_create_type type;
        struct cql_create_index index;
        struct cql_role role;
        struct cql_describe describe;
        struct cql_list_roles list_roles;
        struct cql_grant grant;
        struct cql_refused refused;
    };
    struct cql_name name; /* TRUNCATE, USE (keyspace in name), DROP .. */
    bool if_exists;       /* DROP .. */
    bool alter_role;      /* CREATE_ROLE: it is ALTER ROLE */
    struct str refused_message;
    uint32_t marker_count;
    struct str *marker_names; /* ptr NULL = positional */
};

/* One statement, a ; at its end or not. ERR_SYNTAX with Cassandra's words in diag: "line 1:0 no
 * viable alternative at input 'SELEC' ([SELEC]...)". ERR_LIMIT: nested too deep. */
enum err cql_parse(struct arena *arena, struct str text, struct diag *diag,
                   struct cql_statement **ret_statement) MUST_USE;

#endif
