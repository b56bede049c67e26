/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_PROJECT_H
#define PIPELINE_PROJECT_H

#include "connect/connect.h"
#include "query/query.h"
#include "table/table.h"

/*
 * A project directory, loaded and checked: what a person wrote in spark-pipeline.yml, millrace.yml
 * and transformations/, with every name resolved and every query planned. Read-only afterwards.
 */

enum value_kind { VALUE_JSON, VALUE_CSV, VALUE_TEXT, VALUE_RAW };

struct project_source {
    struct str name;
    struct str topic;
    struct log_topic_config topic_config;
    enum value_kind value;
    const struct type *schema;         /* of a decoded value */
    bool keeps_corrupt;                /* the schema names _corrupt_record: every value is a row */
    struct str static_file;            /* `file:`: a static table; STR_NONE = a topic */
    const struct connector *connector; /* NULL: producers fill the topic */
    const struct setting *from;        /* its settings */
    bool fail_on_error;                /* on_error: fail */
    const struct zone *zone;           /* of timestamps without one */
    const struct setting *place;       /* where it stands in millrace.yml */
};

struct project_target {
    struct str name;
    struct str keyspace, table;
    struct table_definition definition; /* made from the query's schema */
    int64_t ttl_s;
    bool broken; /* its settings have a mistake */
    const struct setting *place;
};

enum project_table_kind { PROJECT_STREAMING_TABLE, PROJECT_MATERIALIZED_VIEW, PROJECT_VIEW };

/* IN_IT shows circles: a statement that is met again while it is being planned. */
enum project_planning { PLANNING_NOT_YET, PLANNING_IN_IT, PLANNING_DONE, PLANNING_MISTAKE };

/* One CREATE statement. */
struct project_table {
    enum project_table_kind kind;
    struct str name; /* last part of the created name */
    const struct query_statement *statement;
    uint32_t column; /* where the statement starts, in its line */
    struct str file; /* relative path of the .sql file */
    struct str file_text;
    const struct query_plan *plan; /* NULL for views, and after a mistake */
    struct project_target *target; /* NULL: none is named; the default is used */
    struct project_source *source; /* the source that a streaming table's rows come from */
    enum project_planning planning;
    struct project_table *reads; /* while it is planned: the table that it is reading */
};

/* Where a protocol is served. */
enum { PROJECT_DOOR_ADDRESSES_MAX = 8 };
struct project_address {
    struct str listen;     /* "127.0.0.1:9092" */
    struct str advertised; /* what clients are told; ptr NULL = the same */
};
struct project_door {
    bool given;   /* in millrace.yml: not to have the port is a mistake then */
    size_t count; /* 0 = off */
    struct project_address addresses[PROJECT_DOOR_ADDRESSES_MAX];
};

struct project {
    struct arena arena;
    struct io *io;
    char *directory; /* without a slash at the end */
    struct str name;
    struct str database;
    struct query_session session;
    const struct zone *zone;

    const struct remote_kind *tables_kind; /* remote.h; NULL = embedded tables */
    const void *tables_place;              /* what its URL says */
    struct str log_url; /* kafka://..; ptr NULL = embedded */
    enum log_durability durability;
    int64_t durability_interval_ms;
    struct project_door http, kafka, cql;
    int32_t kafka_partitions; /* of topics that clients make without a number */
    bool kafka_auto_create;   /* by first use */
    struct str listen_http;            /* that of http; ptr NULL = off */
    struct str cql_user, cql_password; /* ptr NULL = any are let in */
    char *data_directory;              /* absolute or relative to the working directory */

    struct project_source *sources;
    size_t source_count;
    struct project_target *targets;
    size_t target_count;
    struct project_table *tables;
    size_t table_count;

    const struct setting *settings; /* the root of millrace.yml */
    struct str settings_text;
};

/* Loads directory. Every mistake of every file is added to diags, with its place; then the error is
 * that of the first one. The project is given back even then, as far as it goes, when it can be
 * (for check's summary); *ret_project may be NULL after an error. */
enum err project_load(struct io *io, const char *directory, struct diag_list *diags,
                      struct project **ret_project) MUST_USE;
void project_free(struct project *project);
/* The text of a file of the project for diag_print(): "transformations/a.sql" -> content, STR_NONE
 * when it cannot be read. Lives in the project or in the arena. */
struct str project_file_text(struct io *io, const char *directory, const char *file,
                             struct arena *arena);

struct project_source *project_source_find(struct project *project, struct str name);
struct project_table *project_table_find(struct project *project, struct str name);
/* Opens the log of the project, wherever it is, with its lock in the data directory. writes: the
 * caller appends what sources give. ERR_CONFLICT: another process has it. */
enum err project_log_open(struct project *project, bool writes, struct diag *diag,
                          struct log **ret_log) MUST_USE;
/* Asks the engine that holds the topics, for check --connect; appends who answered to out. Nothing
 * is asked when they are embedded. */
enum err project_log_probe(struct project *project, struct diag *diag, struct buf *out) MUST_USE;
/* Asks the engine that holds the tables, and compares those that are there: for check --connect.
 * Appends who answered to out. Nothing is asked when they are embedded. */
enum err project_tables_probe(struct project *project, struct diag *diag, struct buf *out) MUST_USE;
/* The tables that ad-hoc queries see too: sources by topic, streaming tables, views. */
void project_catalog(struct project *project, struct query_catalog *ret_catalog);

/* The key tables: for check, help, docs/configuration.md. Ended by name NULL. */
extern const struct key_info spark_spec_keys[];
extern const struct key_info project_keys[]; /* millrace.yml */
extern const struct key_info engine_keys[];
extern const struct key_info source_keys[];
extern const struct key_info topic_keys[];
extern const struct key_info target_keys[];
extern const struct key_info listener_keys[];
/* docs/configuration.md from the tables above and those of the connectors. */
void configuration_document(struct buf *out);

#endif
