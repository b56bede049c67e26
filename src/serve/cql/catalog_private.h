/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_CATALOG_PRIVATE_H
#define SERVE_CQL_CATALOG_PRIVATE_H

#include "base/hash.h"
#include "io/thread.h"
#include "serve/cql/catalog.h"
#include "serve/cql/record.h"

/* What the files of the catalogue share. All but the structs that were given out is under the
 * mutex. */

enum { VERSIONS_KEPT = 16, NOTICES_MAX = 1024 };

/* What changed without a statement: a pipeline made a table, or dropped one. */
struct notice {
    const char *change, *target;
    char *keyspace, *name; /* name NULL = of the keyspace itself */
};

struct keyspace_entry {
    struct arena arena;
    struct cql_keyspace keyspace;
    bool stored;                    /* has a record; else it is there because of its tables */
    struct keyspace_entry *retired; /* next */
};

struct type_entry {
    struct arena arena;
    struct type_record record;
    const struct cql_type *type;
    struct type_entry *retired;
};

struct table_entry {
    struct arena arena; /* of the record */
    struct table_record record;
    bool stored;
    struct table *table;
    const struct table_definition *definition; /* what the snapshot was made of */
    struct cql_table *snapshot;                /* NULL: not yet made */
    bool seen;                                 /* mark of refresh */
};

struct cql_catalog {
    struct io *io;
    struct table_store *store;
    struct arena arena; /* of node and of the system tables */
    struct cql_node node;
    struct cql_traces *traces;
    struct cql_sessions sessions; /* each NULL = none */
    struct notice *notices;
    size_t notice_count;
    struct io_mutex mutex;
    struct map keyspaces; /* name -> keyspace_entry */
    struct map types;     /* keyspace NUL name -> type_entry */
    struct map tables;    /* likewise -> table_entry */
    struct keyspace_entry *retired_keyspaces;
    struct type_entry *retired_types;
    struct cql_keyspace *system_keyspaces; /* in the order of system_keyspaces() */
    struct cql_table **system_tables;
    size_t system_table_count;
    /* The last versions in turn: a pointer to one that was given out is good for some changes. */
    uint8_t versions[VERSIONS_KEPT][16];
    unsigned version_at;
    bool version_known;
};

static inline void catalog_lock(const struct cql_catalog *catalog)
{
    io_mutex_lock(&((struct cql_catalog *)catalog)->mutex);
}
static inline void catalog_unlock(const struct cql_catalog *catalog)
{
    io_mutex_unlock(&((struct cql_catalog *)catalog)->mutex);
}
static inline void catalog_unlock_at(const struct cql_catalog **catalog)
{
    catalog_unlock(*catalog);
}
/* Holds the mutex to the end of the block. */
#define CATALOG_GUARD(catalog)                                                                     \
    catalog_lock(catalog);                                                                         \
    CLEAN(catalog_unlock_at) __attribute__((unused)) const struct cql_catalog *guard_ = (catalog)

/* "keyspace NUL name" in the arena. */
struct str catalog_key(struct arena *arena, struct str keyspace, struct str name);

/* ---- under the mutex ---- */
struct keyspace_entry *keyspace_entry_find(const struct cql_catalog *catalog, struct str name);
struct type_entry *type_entry_find(const struct cql_catalog *catalog, struct str keyspace,
                                   struct str name);
struct table_entry *table_entry_find(const struct cql_catalog *catalog, struct str keyspace,
                                     struct str name);
/* Looks what the store has by now: tables that came, went or changed. */
void catalog_refresh(struct cql_catalog *catalog);
/* Notices of the keyspace from that one on are a statement's own doing, which tells of it itself.
 */
void catalog_forget_notices(struct cql_catalog *catalog, size_t from, struct str keyspace);
/* The snapshot, made when it is not there. Borrowed. NULL: its types make no sense here. */
struct cql_table *table_entry_snapshot(struct cql_catalog *catalog, struct table_entry *entry);
/* The next look makes a new one. */
void table_entry_stale(struct cql_catalog *catalog, struct table_entry *entry);
/* Entries sorted by key; the array is in the arena. */
struct keyspace_entry **catalog_keyspaces(const struct cql_catalog *catalog, struct arena *arena,
                                          size_t *ret_count);
struct type_entry **catalog_types(const struct cql_catalog *catalog, struct arena *arena,
                                  size_t *ret_count);
struct table_entry **catalog_tables(const struct cql_catalog *catalog, struct arena *arena,
                                    size_t *ret_count);
/* Types of a keyspace, each behind those that it uses. */
struct type_entry **catalog_types_ordered(const struct cql_catalog *catalog, struct str keyspace,
                                          struct arena *arena, size_t *ret_count);

/* ---- hidden tables of indexes ---- */
#define CATALOG_INDEX_KEYSPACE STR("cql/index")
/* "keyspace.table.index" */
struct str catalog_index_table(struct arena *arena, struct str keyspace, struct str table,
                               struct str index);

/* What an index stands on, as Cassandra writes it: v, values(l), keys(m). */
struct str index_target_text(struct arena *arena, const struct cql_table *table, struct str column,
                             struct str target);

/* ---- types (catalog_type.c) ---- */
/* Under the mutex. */
enum err catalog_type_locked(const struct cql_catalog *catalog, struct str keyspace,
                             struct str text, struct arena *arena, struct cql_error *error,
                             const struct cql_type **ret_type) MUST_USE;
/* What table/ keeps for a CQL type. */
const struct type *catalog_storage_type(struct arena *arena, const struct cql_type *type);
struct str catalog_type_text(struct arena *arena, const struct cql_type *type);
/* The type has a duration somewhere inside. */
bool catalog_type_has(const struct cql_type *type, enum cql_kind kind);

/* The role of the configuration. */
struct str catalog_superuser(const struct cql_catalog *catalog);

/* ---- names and keyspaces ---- */
/* The keyspace of a name, or the session's. INVALID "No keyspace has been specified .." */
enum err catalog_keyspace_of(struct str session_keyspace, const struct cql_name *name,
                             struct arena *arena, struct cql_error *error,
                             struct str *ret_keyspace) MUST_USE;
bool catalog_is_system(struct str keyspace);
/* Its tables are told from memory: nothing of them is anybody's to change. */
bool catalog_is_virtual(struct str keyspace);

/* ---- system tables (system_tables.c) ---- */
void system_tables_make(struct cql_catalog *catalog);
struct cql_table *system_table_find(const struct cql_catalog *catalog, struct str keyspace,
                                    struct str name);
struct system_keyspace {
    const char *name;
    const char *strategy; /* NULL: virtual */
    const char *factor;   /* or NULL */
};
/* Every keyspace of the system, by name. */
const struct system_keyspace *system_keyspaces(size_t *ret_count);
const struct cql_keyspace *system_keyspace_find(const struct cql_catalog *catalog, struct str name);

#endif
