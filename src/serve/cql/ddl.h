/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_DDL_H
#define SERVE_CQL_DDL_H

#include "serve/cql/catalog_private.h"

/* One definition statement under way; the mutex is held but for the building of an index. */
struct ddl {
    struct cql_catalog *catalog;
    struct str session_keyspace;
    const struct cql_statement *statement;
    struct arena *arena;
    struct cql_error *error;
    struct cql_change *change;
    struct str user; /* who asks */
};
#define DDL_INVALID(ddl, ...) cql_fail((ddl)->error, (ddl)->arena, CQL_INVALID, __VA_ARGS__)
#define DDL_SYNTAX(ddl, ...) cql_fail((ddl)->error, (ddl)->arena, CQL_SYNTAX_ERROR, __VA_ARGS__)
#define DDL_CONFIG(ddl, ...) cql_fail((ddl)->error, (ddl)->arena, CQL_CONFIG_ERROR, __VA_ARGS__)

/* What was changed, for the client. */
void ddl_changed(struct ddl *ddl, const char *change, const char *target, struct str keyspace,
                 struct str name);
/* An error of the store as a server error; OK stays OK. */
enum err ddl_store(struct ddl *ddl, enum err err) MUST_USE;
/* ERR_EXISTS with the keyspace and the table (or none) that are there already. */
enum err ddl_exists(struct ddl *ddl, struct str keyspace, struct str table) MUST_USE;
/* The keyspace of a name: there, and not the system's. */
enum err ddl_keyspace(struct ddl *ddl, const struct cql_name *name,
                      struct str *ret_keyspace) MUST_USE;
/* "System keyspace 'x' is not user-modifiable". */
enum err ddl_check_system(struct ddl *ddl, struct str keyspace) MUST_USE;
/* "'x' is not a valid keyspace name": [a-zA-Z0-9_]+ of at most 48 characters. */
bool ddl_name_is_valid(struct str name);

/* ---- records, durable when they return ---- */
enum err ddl_put_keyspace(struct ddl *ddl, const struct cql_keyspace *keyspace) MUST_USE;
enum err ddl_put_type(struct ddl *ddl, const struct type_record *record) MUST_USE;
enum err ddl_put_table(struct ddl *ddl, const struct table_record *record) MUST_USE;
enum err ddl_remove(struct ddl *ddl, const char *prefix, struct str key) MUST_USE;
enum err ddl_put(struct ddl *ddl, const char *prefix, struct str key, struct str value) MUST_USE;
/* Reads records again that were changed. */
void catalog_set_keyspace(struct cql_catalog *catalog, struct str record);
void catalog_set_type(struct cql_catalog *catalog, struct str record);
void catalog_set_table(struct cql_catalog *catalog, struct table_entry *entry, struct str record);
void catalog_forget_keyspace(struct cql_catalog *catalog, struct str name);
void catalog_forget_type(struct cql_catalog *catalog, struct str keyspace, struct str name);
/* Types of the keyspace are looked up anew; tables of it become stale. */
void catalog_resolve_types(struct cql_catalog *catalog, struct str keyspace);
/* Columns whose user type has other fields by now get the new type. */
enum err catalog_retype(struct cql_catalog *catalog, struct str keyspace) MUST_USE;
/* Drops a table, its indexes and its record. */
enum err ddl_drop_table_entry(struct ddl *ddl, struct table_entry *entry) MUST_USE;

/* ---- options of tables (ddl_option.c) ---- */
/* What Cassandra looks at before it looks whether the table is there: values of another form. */
enum err ddl_check_option_forms(struct ddl *ddl, const struct cql_option *options,
                                size_t count) MUST_USE;
/* Unknown names, values that make no sense. */
enum err ddl_check_table_options(struct ddl *ddl, const struct cql_option *options,
                                 size_t count) MUST_USE;
/* old with those of new over it. */
struct cql_option *ddl_merge_options(struct arena *arena, const struct cql_option *old,
                                     size_t old_count, const struct cql_option *new,
                                     size_t new_count, size_t *ret_count);
int64_t ddl_ttl_default(const struct cql_option *options, size_t count);

/* ---- statements ---- */
enum err ddl_keyspace_create(struct ddl *ddl) MUST_USE; /* ALTER too */
enum err ddl_keyspace_drop(struct ddl *ddl) MUST_USE;
enum err ddl_table_create(struct ddl *ddl) MUST_USE;
enum err ddl_table_alter(struct ddl *ddl) MUST_USE;
enum err ddl_table_drop(struct ddl *ddl) MUST_USE;
enum err ddl_table_truncate(struct ddl *ddl) MUST_USE;
enum err ddl_type_create(struct ddl *ddl) MUST_USE; /* ALTER too */
enum err ddl_type_drop(struct ddl *ddl) MUST_USE;
enum err ddl_index_create(struct ddl *ddl) MUST_USE;
enum err ddl_index_drop(struct ddl *ddl) MUST_USE;
enum err ddl_role(struct ddl *ddl) MUST_USE;
enum err ddl_refused(struct ddl *ddl) MUST_USE;
/* Makes the hidden tables of indexes that the catalogue was stopped at, and fills them. */
enum err catalog_build_indexes(struct cql_catalog *catalog) MUST_USE;

#endif
