/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_CQL_CLIENT_H
#define CONNECT_CQL_CLIENT_H

#include "io/loop.h"
#include "wire/cql/cql.h"

/*
 * A client of Cassandra's protocol (v4) under our loop: hundreds of requests in flight on each
 * connection, written once a turn, prepared once a connection. It keeps trying: a lost connection
 * is made again, and what was not answered is sent again with the same bytes, so with the same
 * timestamp. Loop's thread.
 */

/* ---- where the servers are: cassandra://[USER:PASSWORD@]HOST[:PORT],..?key=value&.. ---- */
struct cql_place {
    char **hosts; /* "db1:9042", "[::1]:9042" */
    size_t host_count;
    char *user, *password; /* NULL = no login */
    char *datacenter;      /* NULL = any; hosts of another are not used */
    bool tls;
    char *ca_path;              /* NULL = the system's store */
    char *cert_path, *key_path; /* NULL = no certificate of our own */
    uint16_t consistency;
    int64_t timeout_ms;   /* of one request */
    uint32_t connections; /* to each host */
    uint32_t replicas;    /* of keyspaces that are created */
};
/* In the arena. ERR_INVALID with what is wrong and a hint; the password is not shown. */
enum err cql_place_parse(struct arena *arena, struct str url, struct diag *diag,
                         struct cql_place *ret_place) MUST_USE;
/* One address without a scheme, as commands take it: HOST[:PORT]. */
enum err cql_place_of_host(struct arena *arena, struct str host, struct diag *diag,
                           struct cql_place *ret_place) MUST_USE;
/* "cassandra://db1:9042,db2:9042", without the login. */
void cql_place_print(const struct cql_place *place, struct buf *out);
/* "LOCAL_QUORUM" in any case; ERR_NOT_FOUND. */
enum err cql_consistency_parse(struct str name, uint16_t *ret_consistency) MUST_USE;

struct cql_client_options {
    const struct cql_place *place; /* borrowed for the client's life */
    const char *keyspace;          /* of every connection; NULL = none */
    bool give_up; /* requests fail when no host can be reached, instead of waiting for ever */
    uint32_t in_flight_max;                 /* requests of a connection; 0 = 1024 */
    size_t in_flight_bytes_max;             /* and their bytes; 0 = 1 MiB */
    int64_t connect_timeout_ms;             /* 0 = 10 s */
    int64_t backoff_min_ms, backoff_max_ms; /* 0 = 100 ms, 10 s */
};
struct cql_client;
/* Connects at once. diag: TLS settings. */
enum err cql_client_new(struct io_loop *loop, const struct cql_client_options *options,
                        struct diag *diag, struct cql_client **ret_client) MUST_USE;
/* Calls that wait are dropped, their done is not called. The loop needs turns afterwards until
 * nothing runs, before it is freed. */
void cql_client_free(struct cql_client *client);

/* ---- requests ---- */

/* A statement that connections prepare when they first need it; lives as long as the client. */
struct cql_statement;
struct cql_statement *cql_client_statement(struct cql_client *client, struct str text);

struct cql_reply {
    enum err err; /* OK: body is a RESULT; ERR_INVALID: error is the server's; others: no answer */
    struct cql_error error; /* message also says why there was no answer */
    enum cql_result_kind kind;
    struct str body;     /* behind the kind */
    struct str warnings; /* a [string list] without its count; ptr NULL = none */
    uint16_t warning_count;
    const char *host;
    bool of_statement; /* the error is the answer to PREPARE */
};
/* Caller's memory from submit until done. */
struct cql_call {
    uint8_t opcode;                  /* CQL_QUERY or CQL_EXECUTE */
    struct cql_statement *statement; /* EXECUTE: its id goes before the body */
    struct str body;                 /* all that follows; lives until done */
    bool once; /* not sent again when a server may have seen it: for what is not an upsert */
    void (*done)(struct cql_call *call, const struct cql_reply *reply);
    void *owner;
    /* the client's own */
    struct cql_call *next;
    int64_t due_ns;
    uint32_t attempts;
    uint32_t bytes;
};
/* Sends it as soon as there is room. done runs in the loop, never from inside this call. Transient
 * errors (0000, 1000, 1001, 1002, 1100, 1200, timeouts, lost connections) are tried again for ever
 * with growing pauses, 1300 and 1500 a few times, unless it is once. */
void cql_client_submit(struct cql_client *client, struct cql_call *call);
/* Body of a QUERY without values: text, consistency, page size (0 = all) and where to go on. */
void cql_query_body(struct buf *out, struct str text, uint16_t consistency, int32_t page_size,
                    struct str paging_state);

struct cql_client_status {
    size_t hosts, connections; /* connections that are ready */
    size_t in_flight, waiting; /* requests sent; requests not sent yet, or to be sent again */
    uint64_t acknowledged, retries, reconnects;
    int64_t next_try_ms; /* of the first host that is away */
    char trouble[300];   /* the newest, empty when all is well */
};
void cql_client_status(const struct cql_client *client, struct cql_client_status *ret_status);

#endif
