/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_REMOTE_H
#define PIPELINE_REMOTE_H

#include "table/table.h"

/*
 * Tables that live in a database elsewhere: `engines.tables: cassandra://..`. One remote_kind a
 * scheme. State (offsets, epochs, books) stays in the embedded store; an epoch's rows are written
 * and acknowledged before its state is committed, under keys and timestamps that depend on the
 * records' places only, so that an epoch that runs again writes the same rows again. A view's table
 * is replaced row by row; see cassandra_replace.c.
 *
 * Threads: a remote_table and what it waits for belong to one thread at a time; there is no thread
 * or loop of others behind it. Private to the room.
 */

/* Whom a call that may wait for long asks and tells. Any may be NULL. */
struct remote_wait {
    bool (*stopping)(void *owner);                     /* then the call ends with ERR_CANCELLED */
    void (*waiting)(void *owner, const char *trouble); /* now and then, NULL = all is well */
    void *owner;
};

/* Where a row comes from and its timestamp. */
struct remote_row {
    struct table_place place;
    int64_t timestamp_us;
};

struct remote_table {
    const struct remote_kind *kind;
};

struct remote_refusals {
    void (*refused)(void *owner, uint32_t row, struct str message); /* row of the batch */
    void *owner;
};

enum remote_option {
    REMOTE_PATIENT = 1,  /* waits for ever */
    REMOTE_REPLACED = 2, /* written by replace: NULLs delete in append-only tables too */
};

struct remote_kind {
    const char *scheme; /* "cassandra" */
    /* Reads the URL into the arena. ERR_INVALID. */
    enum err (*parse)(struct arena *arena, struct str url, struct diag *diag,
                      const void **ret_place);
    /* The URL without secrets, for messages. */
    void (*print)(const void *place, struct buf *out);
    /* Nothing is asked yet. place and definition are borrowed. */
    enum err (*open)(struct io *io, const void *place, const struct table_definition *definition,
                     uint32_t options, struct diag *diag, struct remote_table **ret_table);
    /* The table is there and fits. create: it is made where it is missing, and gets the columns
     * that it has not; else ERR_NOT_FOUND. ERR_EXISTS: it is there and differs. ERR_NETWORK only
     * when not patient; ERR_AGAIN: the other side refuses, which somebody may mend. */
    enum err (*ready)(struct remote_table *table, bool create, const struct remote_wait *wait,
                      struct diag *diag);
    /* Gathers rows from..to of a batch whose columns are named like the definition's. places has
     * one entry for each row of the batch. Refuses as table_batch_upsert does. */
    enum err (*add)(struct remote_table *table, const struct batch *rows, uint32_t from,
                    uint32_t to, const struct remote_row *places, uint32_t *ret_bad_row,
                    struct diag *diag);
    /* Bytes of memory that what was gathered takes. */
    size_t (*gathered)(const struct remote_table *table);
    /* Writes what was gathered. OK: each row is stored, or was told to refusals. */
    enum err (*flush)(struct remote_table *table, const struct remote_wait *wait,
                      const struct remote_refusals *refusals, struct diag *diag);
    /* The table becomes what was gathered, whose rows have this timestamp: they are written, then
     * all rows of other keys are deleted. Of rows with the same key the last counts. Of an error in
     * the middle the next replacement makes good. ERR_INVALID: some rows are refused, all
     * else is done; others as flush. */
    enum err (*replace)(struct remote_table *table, int64_t timestamp_us,
                        const struct remote_wait *wait, struct diag *diag);
    /* Forgets what was gathered. */
    void (*reset)(struct remote_table *table);
    /* All rows, columns as wanted (STRUCT, by name); rows() may end it with false. A table that is
     * not there yet has no rows. */
    enum err (*scan)(struct remote_table *table, const struct type *wanted,
                     const struct remote_wait *wait,
                     bool (*rows)(void *owner, const struct batch *batch), void *owner,
                     struct diag *diag);
    /* Asks once: what is there, as "Cassandra 4.1.8, datacenter1". Not patient. */
    enum err (*probe)(struct io *io, const void *place, struct diag *diag, struct buf *out);
    void (*close)(struct remote_table *table);
};

/* By the URL's scheme, NULL when there is none such. */
const struct remote_kind *remote_kind_find(struct str url);
extern const struct remote_kind remote_cassandra;

#endif
