/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_CQL_PRIVATE_H
#define CONNECT_CQL_PRIVATE_H

#include "base/mem.h"
#include "connect/cql_client.h"

/* Shared by the files of the client. */
enum { CQL_VERSION_SPOKEN = 4, CQL_SLOTS_MAX = 32768 };

struct cql_statement {
    struct str text;
    size_t index;
};

enum cql_preparing { CQL_NOT_PREPARED, CQL_BEING_PREPARED, CQL_IS_PREPARED };
/* A statement on one connection. */
struct cql_known {
    struct cql_connection *connection;
    struct cql_statement *statement;
    enum cql_preparing state;
    uint8_t id[64];
    size_t id_bytes;
    struct cql_call call;
    struct buf body;
};

enum cql_stage {
    CQL_AWAY,       /* no stream: the host's timer runs */
    CQL_CONNECTING, /* and greeting */
    CQL_OPEN,
    CQL_CLOSING, /* aborted: closed() will come */
};

struct cql_connection {
    struct cql_client *client;
    struct cql_host *host;
    struct io_stream *stream;
    enum cql_stage stage;
    struct io_timer again; /* when to connect */
    uint32_t failures;     /* in a row */
    int64_t deadline_ns;   /* of the greeting */
    int64_t heard_ns;      /* 0 = nothing yet */
    bool greeted;          /* the connection stands, TLS and all */
    int64_t paused_until_ns;
    char trouble[300];

    struct cql_call **slots; /* by stream id; NULL = free */
    uint16_t *free;
    uint32_t free_count;
    uint32_t in_flight;
    size_t in_flight_bytes;
    uint32_t window, window_acks;
    uint32_t orphans; /* answers that nobody waits for any more */

    struct cql_known **known;
    size_t known_count;

    struct cql_call greeting;
    struct buf greeting_body;
    char *asked_keyspace; /* of the USE in flight */
};

struct cql_host {
    const char *address;
    char *name; /* without the port, for TLS */
};

struct cql_calls {
    struct cql_call *first, **end;
    size_t count;
};

struct cql_client {
    struct io_loop *loop;
    const struct cql_place *place;
    struct cql_client_options options;
    struct io_tls *tls;
    struct cql_host *hosts;
    struct cql_connection *connections;
    size_t connection_count;
    struct cql_statement **statements;
    size_t statement_count;
    char *keyspace;

    struct cql_calls queue;   /* to be sent */
    struct cql_calls resting; /* to be sent again at due_ns */
    struct io_timer tick;
    struct io_timer give_up_timer;
    size_t turn; /* which connection is asked first */
    bool pumping, freed;
    size_t streams; /* that have not said closed() */
    uint64_t acknowledged, retries, reconnects;
    char trouble[300];
};

void cql_calls_push(struct cql_calls *calls, struct cql_call *call);
void cql_calls_push_front(struct cql_calls *calls, struct cql_call *call);
struct cql_call *cql_calls_pop(struct cql_calls *calls);
/* cql_client.c */
void cql_client_pump(struct cql_client *client);
/* Sends it again after a pause, or gives it the reply. */
void cql_client_retry(struct cql_client *client, struct cql_call *call,
                      const struct cql_reply *reply);
void cql_client_requeue(struct cql_client *client, struct cql_call *call);
void cql_client_fail(struct cql_call *call, enum err err, struct str message, const char *host);
/* All that wait for the statement get this reply. */
void cql_client_fail_statement(struct cql_client *client, struct cql_statement *statement,
                               const struct cql_reply *reply);
bool cql_error_is_transient(enum cql_error_code code);
void cql_client_look_given_up(struct cql_client *client);
/* cql_connection.c */
void cql_connection_start(struct cql_connection *c);
void cql_connection_stop(struct cql_connection *c);
void cql_connection_deinit(struct cql_connection *c);
/* False: it has no room, or the statement is not prepared yet. */
bool cql_connection_send(struct cql_connection *c, struct cql_call *call);
bool cql_connection_has_room(const struct cql_connection *c, const struct cql_call *call);
/* Writes it down and takes a stream id. */
bool cql_connection_put(struct cql_connection *c, struct cql_call *call, struct str id);
void cql_connection_fail(struct cql_connection *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cql_connection_tick(struct cql_connection *c, int64_t now_ns);
void cql_connection_slower(struct cql_connection *c);
/* cql_greeting.c */
void cql_greeting_begin(struct cql_connection *c);

#endif
