/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_CATALOG_H
#define SERVE_CQL_CATALOG_H

#include "serve/cql/ast.h"
#include "table/cells.h"

/*
 * What is defined: keyspaces, tables, user types, indexes, roles, and the system tables. The truth
 * is the store: tables are table/'s own definitions (column texts in `declared`), the rest is state
 * under "cql/". Tables that the pipeline makes appear by themselves. Any change gives a new
 * schema_version. Loop's thread; a snapshot of a table that a plan holds stays valid until unref.
 */
struct cql_catalog;

enum cql_column_kind { CQL_PARTITION_KEY, CQL_CLUSTERING, CQL_STATIC, CQL_REGULAR };
struct cql_table_column {
    struct str name;
    enum cql_column_kind kind;
    uint32_t position; /* among its kind, keys only */
    bool descending;
    const struct cql_type *type;
    uint32_t index; /* in table/'s definition */
};
struct cql_index {
    struct str name;
    struct str column;
    struct str target; /* "values", "keys", "entries", "full" */
    struct str custom_class;
    struct cql_option *options;
    size_t option_count;
    struct table *entries; /* the hidden table that holds it */
    bool built;
};
/* Gives the rows of a system table: one value a column, in the order of the columns. */
struct cql_virtual_rows {
    void (*row)(struct cql_virtual_rows *rows, const struct str *values);
    void *owner;
    struct arena *arena; /* for the values, until the statement ends */
};
struct cql_table {
    unsigned refs;
    struct arena arena; /* of all below */
    struct cql_catalog *catalog;
    struct str keyspace, name;
    uint8_t id[16];
    struct cql_table_column *columns; /* partition, clustering, then static and regular by name */
    uint32_t column_count, partition_count, clustering_count;
    bool has_static, is_counter;
    bool compact; /* WITH COMPACT STORAGE: see compact.h */
    int64_t ttl_default_s;
    struct cql_option *options; /* as given, for DESCRIBE */
    size_t option_count;
    struct cql_index *indexes;
    size_t index_count;
    struct table *table; /* NULL: a system table */
    void (*fill)(struct cql_catalog *catalog, struct cql_virtual_rows *rows); /* system tables */
    bool dropped;
};
struct cql_keyspace {
    struct str name;
    struct cql_option *replication; /* class, replication_factor .. as texts */
    size_t replication_count;
    bool durable_writes;
    bool system; /* cannot be changed */
};

struct cql_traces;
struct cql_node { /* what system.local says */
    struct str cluster_name, data_center, rack, release_version, cql_version;
    struct str address; /* "127.0.0.1" */
    uint16_t port;
    uint8_t host_id[16];
    bool auth;       /* passwords are asked for: roles can be made; else there are none */
    struct str user; /* the superuser's name; ptr NULL = "cassandra" */
};
enum err cql_catalog_open(struct io *io, struct table_store *store, const struct cql_node *node,
                          struct diag *diag, struct cql_catalog **ret_catalog) MUST_USE;
void cql_catalog_free(struct cql_catalog *catalog);
const uint8_t *cql_catalog_version(const struct cql_catalog *catalog); /* 16 bytes */
const struct cql_node *cql_catalog_node(const struct cql_catalog *catalog);
struct table_store *cql_catalog_store(const struct cql_catalog *catalog);
struct io *cql_catalog_io(const struct cql_catalog *catalog);
struct cql_traces *cql_catalog_traces(const struct cql_catalog *catalog);
/* A connection of a client, as system_views.clients tells of it. */
struct cql_session {
    const char *peer;   /* "127.0.0.1:40000" */
    const char *stage;  /* "established", "authenticating", "ready" */
    uint8_t version;    /* of the protocol */
    struct str options; /* of STARTUP: a value of map<text, text>; ptr NULL = none yet */
    struct str keyspace, user;
    uint64_t requests;
};
/* Who knows them: asked by the thread that reads the table, the loop's. */
struct cql_sessions {
    void (*each)(void *owner, void (*one)(void *to, const struct cql_session *session), void *to);
    void *owner;
};
void cql_catalog_sessions(struct cql_catalog *catalog, const struct cql_sessions *sessions);

const struct cql_keyspace *cql_keyspace_find(const struct cql_catalog *catalog, struct str name);
/* A new reference, or NULL with INVALID and Cassandra's words in the error: "keyspace x does not
 * exist", "table x does not exist", "No keyspace has been specified. .." */
struct cql_table *cql_table_find(struct cql_catalog *catalog, struct str session_keyspace,
                                 const struct cql_name *name, struct cql_error *error,
                                 struct arena *arena);
struct cql_table *cql_table_ref(struct cql_table *table);
void cql_table_unref(struct cql_table *table);
/* Of a keyspace that is told from memory: rows are read, and are nobody's to change. */
bool cql_table_is_virtual(const struct cql_table *table);
/* NULL when missing. */
const struct cql_table_column *cql_column_find(const struct cql_table *table, struct str name);
/* A user type, not frozen; NULL. Lives as long as the catalogue's version. */
const struct cql_type *cql_udt_find(const struct cql_catalog *catalog, struct str keyspace,
                                    struct str name);
/* The type of a text like "frozen<list<address>>" seen from a keyspace. */
enum err cql_catalog_type(const struct cql_catalog *catalog, struct str keyspace, struct str text,
                          struct arena *arena, struct cql_error *error,
                          const struct cql_type **ret_type) MUST_USE;

/* ---- changes: durable when it returns OK (worker's or loop's thread; one at a time) ---- */
struct cql_change {
    const char *change; /* "CREATED", "UPDATED", "DROPPED"; NULL = nothing was changed */
    const char *target; /* "KEYSPACE", "TABLE", "TYPE" */
    struct str keyspace, name;
    struct str index; /* of that table, made and not built yet; ptr NULL = none */
};
/* What changed since the last call other than by statements: tables that a pipeline made, changed
 * or dropped, and keyspaces that came or went with them. In the arena. */
size_t cql_catalog_take_changes(struct cql_catalog *catalog, struct arena *arena,
                                struct cql_change **ret_changes);
/* Any statement of kinds CREATE_ .. DROP_INDEX, roles, TRUNCATE. On an error *error is filled, in
 * the arena. */
enum err cql_catalog_apply(struct cql_catalog *catalog, struct str session_keyspace,
                           const struct cql_statement *statement, struct arena *arena,
                           struct cql_error *error, struct cql_change *ret_change) MUST_USE;
/* Asked for by that role; the other one is the superuser's, and builds the index that it makes:
 * nothing may be written meanwhile. With this one cql_catalog_build_index() is called when all that
 * was planned before the change is committed: it knew nothing of the index, and what comes later
 * adds its entries itself. The next start builds it when that did not happen. */
enum err cql_catalog_apply_as(struct cql_catalog *catalog, struct str user,
                              struct str session_keyspace, const struct cql_statement *statement,
                              struct arena *arena, struct cql_error *error,
                              struct cql_change *ret_change) MUST_USE;
enum err cql_catalog_build_index(struct cql_catalog *catalog, const struct cql_change *change,
                                 struct arena *arena, struct cql_error *error) MUST_USE;
/* May the role log in with the password? ERR_DENIED with Cassandra's words. Not for the role of the
 * configuration, whose password is not kept here; takes a while: any thread but the loop's. */
enum err cql_catalog_login(struct cql_catalog *catalog, struct str user, struct str password,
                           struct arena *arena, struct cql_error *error) MUST_USE;

/* ---- DESCRIBE ---- */
/* Columns and all rows (the caller pages). */
struct cql_described {
    const struct cql_column *columns;
    size_t column_count;
    struct str **rows; /* row -> values, in the arena */
    size_t row_count;
};
enum err cql_catalog_describe(struct cql_catalog *catalog, struct str session_keyspace,
                              const struct cql_describe *describe, struct arena *arena,
                              struct cql_error *error, struct cql_described *ret) MUST_USE;

/* LIST ROLES, LIST USERS: cql_catalog_apply() is not asked for them. */
enum err cql_catalog_list_roles(struct cql_catalog *catalog, const struct cql_list_roles *list,
                                struct arena *arena, struct cql_error *error,
                                struct cql_described *ret) MUST_USE;

/* Fills error with printf words; gives back ERR_INVALID or what fits the code. */
enum err cql_fail(struct cql_error *error, struct arena *arena, enum cql_error_code code,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
