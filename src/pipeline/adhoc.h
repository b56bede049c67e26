/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_ADHOC_H
#define PIPELINE_ADHOC_H

#include "pipeline/project.h"

/*
 * Batch queries over what is there: topics from their start to their end of now, tables as a
 * snapshot. Names: sources and tables of the project, keyspace.table of the store, and any other
 * topic (with Kafka's columns key, value, topic, partition, offset, timestamp).
 */
struct remote_wait; /* remote.h */
struct adhoc {
    struct io *io;
    struct project *project;        /* may be NULL */
    struct log *log;                /* may be NULL */
    struct table_store *store;      /* may be NULL */
    size_t memory_max;              /* 0 = 256 MiB */
    const struct remote_wait *wait; /* whom tables elsewhere tell; may be NULL */
};

struct adhoc_result {
    /* Once before rows. May end the query with false. */
    bool (*schema)(void *owner, const struct type *schema);
    bool (*rows)(void *owner, const struct batch *batch);
    void *owner;
};

/* Runs the statements of text one after the other (SELECT and SET). Errors have line and column.
 * Not from a loop's thread that must stay quick. */
enum err adhoc_query(const struct adhoc *adhoc, struct str text, const struct adhoc_result *result,
                     struct diag *diag) MUST_USE;
/* EXPLAIN of the first statement. */
enum err adhoc_explain(const struct adhoc *adhoc, struct str text, struct buf *out,
                       struct diag *diag) MUST_USE;
/* Runs one statement that was parsed elsewhere (the query of a materialized view). */
enum err adhoc_statement(const struct adhoc *adhoc, const struct query_statement *statement,
                         const struct adhoc_result *result, struct diag *diag) MUST_USE;

#endif
