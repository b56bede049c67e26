/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_SERVE_CQL_WORLD_H
#define TESTS_SIM_SERVE_CQL_WORLD_H

/*
 * The world of a simulated run of the CQL door: a server over a store, and clients behind a network
 * that is late and breaks. The server goes and comes back while clients live on; so does, where it
 * is RocksDB, the store.
 */
#include "../actor.h"

#include "io/sim.h"
#include "serve/cql/cql.h"
#include "wire/cql/cql.h"

enum mark {
    MARK_RESTARTED,
    MARK_STORE_REOPENED,
    MARK_CONNECTION_LOST,
    MARK_KNOWN_STATEMENT,
    MARK_VERSION_3,
    MARK_VERSION_5,
    MARK_COMPRESSED,
    MARK_PAGED,
    MARK_REVERSED,
    MARK_SLICE,
    MARK_STATIC_ONLY,
    MARK_DEAD_ROW,
    MARK_LIVE_CELL,
    MARK_EXPIRED,
    MARK_TTL_READ,
    MARK_OLDER_WRITE,
    MARK_ELEMENT,
    MARK_BATCH,
    MARK_COUNTER,
    MARK_CAS_APPLIED,
    MARK_CAS_REFUSED,
    MARK_COLUMN_ADDED,
    MARK_COLUMN_DROPPED,
    MARK_TABLE_DROPPED,
    MARK_TRUNCATED,
    MARK_INDEX_READ,
    MARKS,
};

enum { PREPARED_MAX = 24 };
struct prepared_text {
    char text[1400];
    size_t bytes;
    uint8_t id[16];
};

struct world {
    struct seed_run *run;
    struct prepared_text prepared[PREPARED_MAX];
    int prepared_next;
    struct io *io;
    struct prng prng;
    struct io_loop *clients;
    struct conn *conns;
    struct actor *actors;
    struct twin *twin;
    uint64_t order; /* grows with everything sent and received */
    bool draining;

    /* the machine; loop NULL = it is down */
    struct table_disk *disk; /* NULL: the store is the twin in memory, and stays open */
    struct table_store *store;
    struct io_loop *loop;
    struct cql_server *server;
    int life;
    bool faults;
};

int64_t now_ms(const struct world *w);
int64_t wall_s(const struct world *w);

/* ---- node.c ---- */
void node_up(struct world *w);
/* store: it is closed too, and opened again by node_up(); only where it is on a disk. */
void node_down(struct world *w, bool store);
/* One turn of everything; waits at most until_ns (virtual). */
void world_turn(struct world *w, int64_t until_ns);

/* ---- client.c ---- */

/* A statement: its text and, where it has markers, values. */
struct statement {
    char text[1400];
    size_t bytes;
    bool markers; /* values are sent apart */
    struct cql_value values[24];
    uint16_t count;
    uint8_t room[24][24]; /* of the values */
};
void statement_add(struct statement *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A literal or a marker. */
void statement_int(struct statement *s, int value);
void statement_bigint(struct statement *s, int64_t value);
/* actor_trace() of it and its values. */
void statement_trace(const struct actor *actor, const char *about, const struct statement *s);

/* An answer, taken apart; the arena is the answer's. */
struct answer {
    bool is_error;
    struct cql_error error;
    bool has_rows;
    struct cql_rows_metadata metadata;
    uint32_t row_count;
    struct str *cells; /* row by row; ptr NULL = null */
};
/* A column of a row by its name; NULL = not there. */
const struct str *answer_cell(const struct answer *answer, uint32_t row, const char *name);
/* Decoded; otherwise when null. */
int64_t answer_int(const struct answer *answer, uint32_t row, const char *name, int64_t otherwise);

struct request {
    struct request *next;
    struct conn *conn;
    struct statement *statements;
    int count;
    bool batch;
    int32_t page_size;
    struct buf paging_state;
    int64_t timestamp_us; /* INT64_MIN = none */
    bool execute;         /* prepare it first */
    bool prepared;        /* EXECUTE was sent, or is to be */
    bool forgotten;       /* the server did not know it */
    struct buf id;
    int16_t stream; /* -1 = not sent */
    /* answer NULL: the connection ended; whether it was done is not known. */
    void (*answered)(struct request *request, const struct answer *answer);
    void *owner;
    void *context; /* freed with the request */
    uint64_t order;
    int64_t sent_s;
};
struct conn {
    struct world *w;
    struct io_stream *stream;
    struct conn *next;
    uint8_t version;
    enum cql_compression compression;
    bool started, framed;
    struct buf in;
    struct request *requests;
    int16_t next_stream;
};
struct conn *conn_new(struct world *w);
void conn_cut(struct conn *conn);
void conns_free(struct world *w);
struct request *request_new(struct conn *conn, int statements);
/* Connects and greets when needed; the request is freed after its answer. */
void request_send(struct request *request);

/* ---- actors ---- */
void writer_add(struct world *w, int number);
void reader_add(struct world *w, int number);
void counter_add(struct world *w, int number);
void swapper_add(struct world *w, int number);
void schema_add(struct world *w);
/* Before the traffic: keyspace and tables; false = a failure is noted. */
bool schema_make(struct world *w);
/* Behind it: everything is read once more, with nobody about. */
void final_reads(struct world *w);

#endif
