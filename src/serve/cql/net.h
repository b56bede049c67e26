/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_NET_H
#define SERVE_CQL_NET_H

#include "base/hash.h"
#include "io/worker.h"
#include "serve/cql/cql.h"
#include "serve/cql/exec.h"
#include "serve/cql/trace.h"

/* What the files of the server share: connections, calls, statements that are kept. */

enum {
    CQL_VERSION_MIN = 3,
    CQL_VERSION_MAX = 5,
    CQL_CALLS_MAX = 2048,    /* requests of one connection under way */
    CQL_OUT_HIGH = 1 << 20,  /* over it no request of the connection is begun */
    CQL_OUT_LOW = 256 << 10, /* below it a connection's output is not charged */
    CQL_SPARE_CALLS_MAX = 256,
    CQL_SPARE_BYTES_MAX = 64 << 10, /* of a buffer that is kept with a spare call */
    CQL_SPARE_OUTS_MAX = 16,
    CQL_ARENA_BYTES_MAX = 256 << 20,
};

struct cql_call;
struct cql_statements;

enum cql_phase { PHASE_STARTUP, PHASE_AUTHENTICATE, PHASE_READY };
enum cql_event { EVENT_TOPOLOGY = 1, EVENT_STATUS = 2, EVENT_SCHEMA = 4 };

struct cql_connection {
    struct cql_server *server;
    struct io_stream *stream; /* NULL = ended */
    struct cql_connection *next, *previous;
    struct cql_connection *next_waiting; /* for memory */
    struct cql_connection *next_dirty;   /* with envelopes in out */
    uint32_t refs;                       /* the stream, and each call */
    uint32_t calls;                      /* under way */
    uint8_t version;                     /* 0 = nothing was said yet */
    enum cql_phase phase;
    enum cql_compression compression;
    uint8_t events;     /* registered for */
    uint8_t auth_fails; /* in a row */
    bool framed;        /* v5, behind the answer to STARTUP */
    bool overload_error;
    bool no_more; /* nothing is read; closes when what is queued has left */
    bool waiting, dirty, in_data;
    bool granted;        /* wanted_bytes were taken for it */
    size_t wanted_bytes; /* of memory */
    struct str keyspace; /* USE; owned; ptr NULL = none */
    struct str user;     /* who logged in; owned; ptr NULL = nobody was asked */
    struct buf options;  /* of STARTUP, as system_views.clients has them (sessions.c) */
    uint64_t requests;   /* from the first STARTUP on; 0: it is not told of */
    /* the envelope under way */
    uint8_t head[CQL_HEADER_BYTES];
    uint8_t head_count;
    struct cql_call *reading;
    uint64_t skip_bytes;      /* of a body that is not taken */
    size_t segment_taken;     /* of the segment's payload */
    int64_t reading_since_ns; /* the sweep has seen reading_seen bytes of the body then */
    size_t reading_seen;
    /* out */
    struct buf out; /* v5: envelopes of this turn */
    size_t out_charged;
    int64_t out_since_ns; /* output is over the low mark since */
};

/* One request from its first byte to its answer. */
struct cql_call {
    struct cql_call *next; /* among the spare ones */
    struct cql_connection *connection;
    struct cql_header header;
    struct buf body, plain; /* plain: what was compressed */
    struct arena arena;
    struct cql_request request;
    struct cql_run run;
    struct cql_error error;
    size_t charged;
    struct cql_plan *plan; /* a reference */
    struct cql_plan **batch_plans;
    size_t batch_plan_count;
    struct cql_prepared_entry *prepared; /* EXECUTE: a reference */
    struct cql_trace *trace;             /* NULL = not asked for */
    bool metadata_changed;
    struct io_job job;       /* owner: the server */
    struct table_job behind; /* an index is built behind the writes before it */
    struct cql_change change;
    enum err job_err;
};

struct cql_server {
    struct io_loop *loop;
    struct io *io;
    struct table_store *store;
    struct cql_catalog *catalog;
    struct cql_executor *executor;
    struct io_listener *listener;
    struct io_stream_limits limits;
    struct io_turn_end hook;
    struct io_timer sweep;
    struct io_timer watch; /* of the catalogue, while somebody asked for events */
    bool watching;
    struct cql_connection *connections, *dirty;
    uint32_t connection_count;
    size_t connections_max, request_bytes_max;
    struct cql_call *spares;
    size_t spare_count, call_count;
    struct buf outs[CQL_SPARE_OUTS_MAX];
    size_t out_count;
    struct buf scratch, segment_out, segment_in;
    /* memory of requests and answers */
    size_t memory_bytes, memory_bytes_max;
    struct cql_connection *waiting, **waiting_end;
    struct cql_statements *statements;
    struct io_worker *worker;
    uint64_t bad_segments;
    bool authenticates;
    uint8_t salt[16], secret[32];
    struct cql_server_status status;
};

/* ---- memory (memory.c) ---- */
/* False: used up; the connection waits and will be pumped. */
bool cql_memory_take(struct cql_connection *connection, size_t bytes);
/* Without asking. */
void cql_memory_add(struct cql_server *server, size_t bytes);
void cql_memory_give(struct cql_server *server, size_t bytes);
void cql_memory_forget(struct cql_connection *connection);
/* What waits in the output changed. */
void cql_memory_output(struct cql_connection *connection);
/* Closes whoever holds memory without moving while others wait. */
void cql_memory_sweep(struct cql_server *server);

/* ---- connections (connection.c) ---- */
extern const struct io_stream_events cql_connection_events;
void *cql_connection_accept(void *owner, struct io_stream *stream);
void cql_connection_unref(struct cql_connection *connection);
/* Reads on where it can. */
void cql_connection_pump(struct cql_connection *connection);
/* Nothing more is read; what is queued leaves. */
void cql_connection_finish(struct cql_connection *connection);

/* ---- output (output.c) ---- */
/* One envelope. prefix is what stands in the body in front of it. */
void cql_send(struct cql_connection *connection, uint8_t version, uint8_t flags, int16_t stream,
              uint8_t opcode, struct str prefix, struct str body);
/* To the stream. */
void cql_connection_flush(struct cql_connection *connection);
void cql_server_flush(struct cql_server *server);

/* ---- calls (call.c) ---- */
struct cql_call *cql_call_new(struct cql_connection *connection, const struct cql_header *header);
void cql_call_release(struct cql_call *call);
/* The body is whole: decodes and does it. */
void cql_call_begin(struct cql_call *call);
/* Each ends the call. */
void cql_answer(struct cql_call *call, uint8_t opcode, struct str body);
void cql_answer_error(struct cql_call *call, const struct cql_error *error);
void cql_answer_fail(struct cql_call *call, enum cql_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The result that stands in run.out, or its error. */
void cql_answer_run(struct cql_call *call);
/* An error without a call: heads that nothing can be made of. */
void cql_send_error(struct cql_connection *connection, uint8_t version, int16_t stream,
                    enum cql_error_code code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* run.out, empty. */
struct buf *cql_call_out(struct cql_call *call);

/* Notes what the request says of itself, where it is one that can be traced. */
void cql_call_trace(struct cql_call *call);
/* What it says once its plan is known. */
void cql_call_trace_plan(struct cql_call *call, const struct cql_plan *plan);

/* ---- handshake (handshake.c, sessions.c) ---- */
void cql_handle_options(struct cql_call *call);
void cql_handle_startup(struct cql_call *call);
void cql_handle_auth(struct cql_call *call);
void cql_handle_register(struct cql_call *call);
/* What STARTUP says of the client. */
void cql_session_options(struct cql_connection *connection, const struct cql_request *request);
void cql_sessions_init(struct cql_server *server);
void cql_auth_init(struct cql_server *server, struct str user, struct str password);

/* ---- statements (statement.c) ---- */
void cql_handle_query(struct cql_call *call);
void cql_handle_prepare(struct cql_call *call);
void cql_handle_execute(struct cql_call *call);
void cql_handle_batch(struct cql_call *call);

/* ---- what the executor does not do (define.c) ---- */
void cql_define(struct cql_call *call);
/* Somebody registered for events of the schema. */
void cql_watch_start(struct cql_server *server);
void cql_watch(struct io_timer *timer);
/* To all connections that registered for it. */
void cql_event_schema(struct cql_server *server, const struct cql_change *change);

/* ---- plans and prepared statements that are kept (prepared.c) ---- */
enum { CQL_ID_BYTES = 16 };
struct cql_prepared_entry {
    uint8_t id[CQL_ID_BYTES];
    uint8_t result_id[CQL_ID_BYTES];
    uint32_t refs;
    struct str keyspace, text;   /* keyspace ptr NULL = none */
    struct cql_plan *plan;       /* NULL = not planned since the start */
    uint8_t about[CQL_ID_BYTES]; /* of all that it was planned by */
    bool known;                  /* it was planned once: result_id and about are there */
    bool moved;                  /* its result's columns changed since it was first prepared */
    bool gone;                   /* its tables changed: it is to be prepared again */
    uint64_t used;
    struct cql_prepared_entry *next; /* of the bucket */
};
struct cql_statements *cql_statements_new(struct cql_server *server);
/* Reads what was prepared before. */
enum err cql_statements_load(struct cql_statements *statements) MUST_USE;
void cql_statements_free(struct cql_statements *statements);
/* What is under way to the store. */
size_t cql_statements_busy(const struct cql_statements *statements);
uint32_t cql_statements_count(const struct cql_statements *statements);
/* A plan of a text, kept when the text comes again. A new reference. */
enum err cql_plan_of(struct cql_server *server, struct str keyspace, struct str text,
                     struct arena *arena, struct cql_error *error,
                     struct cql_plan **ret_plan) MUST_USE;
enum err cql_prepare(struct cql_server *server, struct str keyspace, struct str text,
                     struct arena *arena, struct cql_error *error,
                     struct cql_prepared_entry **ret_entry) MUST_USE;
/* Definitions changed: what was prepared by those is not known any more. */
void cql_prepared_check(struct cql_server *server);
/* A new reference with a plan that is not stale. UNPREPARED. */
enum err cql_prepared_find(struct cql_server *server, struct str id, struct arena *arena,
                           struct cql_error *error, struct cql_prepared_entry **ret_entry) MUST_USE;
void cql_prepared_unref(struct cql_prepared_entry *entry);
/* The session's keyspace, or the one that the request names. */
struct str cql_call_keyspace(const struct cql_call *call);

#endif
