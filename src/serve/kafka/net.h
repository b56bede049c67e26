/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_NET_H
#define SERVE_KAFKA_NET_H

#include "serve/kafka/broker.h"

/* Between broker.c, connection.c, call.c and fetch.c: what a connection is made of. */

enum {
    KAFKA_CALLS_MAX = 64,     /* unanswered requests of one connection */
    KAFKA_OUT_HIGH = 1 << 20, /* over it no request is begun or read */
    KAFKA_OUT_LOW = 256 << 10,
    KAFKA_SPARES_MAX = 512,          /* calls kept for later requests */
    KAFKA_SPARE_BYTES_MAX = 8 << 20, /* of their frames together */
    KAFKA_SPARE_FRAME_MAX = 2 << 20,
    KAFKA_SMALL_FRAME_MAX = 64 << 10, /* has a reserve of memory to itself */
};

struct kafka_listener {
    struct kafka_broker *broker;
    struct io_listener *listener;
    struct kafka_endpoint endpoint;
    struct kafka_listener *next;
};

struct kafka_connection {
    struct kafka_broker *broker;
    struct io_stream *stream; /* NULL = ended */
    const struct kafka_endpoint *endpoint;
    struct kafka_connection *next, *previous;
    struct kafka_connection *next_waiting;
    bool waiting;             /* for memory */
    struct kafka_call *first; /* in the order of requests: begun ones, then those that wait */
    struct kafka_call *last;
    struct kafka_call *begin; /* the first that was not begun */
    uint32_t call_count;      /* in the list */
    uint32_t running;         /* begun and not answered */
    uint32_t holds;
    uint32_t refs; /* the stream, and each call */
    bool overlap;  /* what runs are Produces: the next one need not wait */
    bool pumping;
    bool no_more; /* nothing is read any more; closes when the list is empty */
    /* the frame under way */
    struct kafka_call *reading;
    size_t frame_bytes;
    int64_t moved_ns; /* kafka_memory_sweep() has seen moved_bytes of it then */
    size_t moved_bytes;
    uint8_t size[4];
    uint8_t size_count;
    char host[64];
};

struct kafka_net {
    struct kafka_broker *broker;
    struct kafka_listener *listeners;
    struct kafka_connection *connections;
    struct io_stream_limits limits;
    struct kafka_call *spares;
    size_t spare_count, spare_bytes;
    size_t memory_bytes;              /* charged to calls */
    struct kafka_connection *granted; /* reads on although memory is used up */
    struct kafka_connection *waiting, **waiting_end;
    struct io_timer sweep; /* runs while somebody waits */
    struct buf scratch;
    uint32_t connection_count;
    size_t call_count;
    uint64_t requests, bytes_in, bytes_out;
    uint64_t refused; /* connections over the maximum */
    uint64_t calm;    /* of the requests: polls that wait, heartbeats */
    size_t calm_news; /* this turn brought nothing else so often: fetch_wait.c */
};

/* ---- call.c: calls and what they cost ---- */
struct kafka_call *kafka_call_new(struct kafka_connection *connection);
/* It left the order; freed when it is not pinned. */
void kafka_call_release(struct kafka_call *call);
/* False: memory is used up, and the connection has to wait. */
bool kafka_memory_take(struct kafka_connection *connection, struct kafka_call *call, size_t bytes);
/* The frame of the connection that was granted more is whole. */
void kafka_memory_ungrant(struct kafka_connection *connection);
/* The connection is gone. */
void kafka_memory_forget(struct kafka_connection *connection);
void kafka_memory_wake(struct kafka_net *net);
/* Closes whoever holds memory without moving while others wait. */
void kafka_memory_sweep(struct kafka_net *net);
void kafka_spares_free(struct kafka_net *net);

/* ---- connection.c ---- */
extern const struct io_stream_events kafka_connection_events;
void *kafka_connection_accept(void *owner, struct io_stream *stream);
/* The next byte of a request would be taken. */
bool kafka_connection_may_read(const struct kafka_connection *connection);
/* Begins what may begin, sends what is due, reads on or stops reading. */
void kafka_connection_pump(struct kafka_connection *connection);
void kafka_connection_unref(struct kafka_connection *connection);

/* ---- fetch.c: sends the answer of a Fetch, whose records are not in its struct ---- */
enum err kafka_fetch_send(struct kafka_call *call, struct io_stream *stream,
                          struct buf *scratch) MUST_USE;

#endif
