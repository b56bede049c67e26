/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_CASSANDRA_PRIVATE_H
#define PIPELINE_CASSANDRA_PRIVATE_H

#include "base/mem.h"
#include "connect/cql_client.h"
#include "pipeline/remote.h"
#include "table/codec.h"

/* Shared by the files of the cassandra engine. */
struct cassandra_row {
    size_t from, bytes; /* in bodies */
    size_t key_bytes;   /* of the values at the front that are the primary key */
    uint32_t row;       /* of the batch */
    struct table_place place;
};
/* Requests with values: consistency, flags, count, values, timestamp. */
struct cassandra_rows {
    struct buf bodies;
    struct cassandra_row *items;
    size_t count, room;
};
enum { CASSANDRA_HEAD_BYTES = 5 }; /* before the values */
void cassandra_rows_head(const struct cql_place *place, size_t values, struct buf *out);
void cassandra_rows_push(struct cassandra_rows *rows, const struct cassandra_row *row);
void cassandra_rows_deinit(struct cassandra_rows *rows);

struct cassandra_table {
    struct remote_table base;
    struct io *io;
    const struct cql_place *place;
    const struct table_definition *definition;
    uint32_t options; /* enum remote_option */
    struct io_loop *loop;
    struct cql_client *client;                 /* NULL: not made yet */
    struct cql_statement *insert, *delete_row; /* NULL: of no definition */
    struct table_codec *codec;
    size_t key_columns; /* of the definition, at its front */
    bool is_ready;

    struct cassandra_rows rows;

    struct cql_call *calls;
    size_t call_room;
    size_t outstanding;
    uint32_t *refused; /* of the rows that were sent */
    size_t refused_count, refused_room;
    struct buf refusals; /* their messages, each ended by NUL */
    char trouble[400];   /* an error that is not one row's */
};

/* One statement and its answer. */
struct cassandra_answer {
    struct cql_call call;
    struct cassandra_table *table;
    enum err err;
    enum cql_error_code code;
    char message[300];
    struct buf body; /* behind the kind, when it is rows */
};
void cassandra_answer_deinit(struct cassandra_answer *answer);

/* cassandra.c */
enum err cassandra_connect(struct cassandra_table *t, struct diag *diag) MUST_USE;
/* Turns the loop until nothing is outstanding. */
enum err cassandra_wait(struct cassandra_table *t, const struct remote_wait *wait) MUST_USE;
/* ERR_NETWORK, ERR_CANCELLED, ERR_AGAIN (the server refuses), with a diag. */
enum err cassandra_ask(struct cassandra_table *t, struct str text, int32_t page_size,
                       struct str paging_state, const struct remote_wait *wait, struct diag *diag,
                       struct cassandra_answer *ret_answer) MUST_USE;
/* Sends rows and waits for the answers. OK: what the server refused of single rows is in refused
 * and refusals. ERR_CANCELLED, ERR_AGAIN. */
enum err cassandra_send(struct cassandra_table *t, struct cql_statement *statement,
                        const struct buf *bodies, const struct cassandra_row *rows, size_t count,
                        const struct remote_wait *wait, struct diag *diag) MUST_USE;
/* cassandra_replace.c */
enum err cassandra_replace(struct remote_table *table, int64_t timestamp_us,
                           const struct remote_wait *wait, struct diag *diag) MUST_USE;
/* "DELETE .. WHERE .." of one row. */
void cassandra_delete_text(const struct table_definition *d, struct buf *out);
/* cassandra_table.c */
enum err cassandra_ready(struct remote_table *table, bool create, const struct remote_wait *wait,
                         struct diag *diag) MUST_USE;
void cassandra_name(struct buf *out, struct str name);
void cassandra_table_name(struct buf *out, const struct table_definition *definition);
/* cassandra_scan.c */
enum err cassandra_scan(struct remote_table *table, const struct type *wanted,
                        const struct remote_wait *wait,
                        bool (*rows)(void *owner, const struct batch *batch), void *owner,
                        struct diag *diag) MUST_USE;
enum err cassandra_probe(struct io *io, const void *place, struct diag *diag,
                         struct buf *out) MUST_USE;

#endif
