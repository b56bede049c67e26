/* SPDX-License-Identifier: MIT */
#ifndef SERVE_HTTP_PRIVATE_H
#define SERVE_HTTP_PRIVATE_H

/* Shared by http_server.c (connections and input), http_answer.c (output) and http_route.c. */
#include "base/mem.h"
#include "serve/http.h"

#include <stdio.h>

enum {
    HTTP_PIPELINE_MAX = 64,           /* exchanges of one connection at once */
    HTTP_OUT_HIGH = 1 << 20,          /* over it no further requests are read */
    HTTP_STREAM_OUT_MAX = 4 << 20,    /* over it a streaming client is too slow */
    HTTP_OUT_MAX = 512 << 20,         /* one answer */
    HTTP_IN_MAX = 1 << 20,            /* unconsumed input */
    HTTP_KEEP_BYTES = 64 << 10,       /* a buffer larger than that is not kept for the next */
    HTTP_EXCHANGES_KEPT = 1024,       /* spare exchanges of a server */
    HTTP_LINGER_BYTES_MAX = 16 << 20, /* thrown away behind a refusal */
};

struct http_route {
    char *method;
    char *path;
    size_t literal_bytes; /* of path in front of the first { or ... */
    size_t body_max;
    void (*handle)(struct http_exchange *exchange, void *owner);
    void *owner;
};

enum http_phase {
    PHASE_IDLE,   /* between requests */
    PHASE_HEAD,   /* a part of a head is there */
    PHASE_BODY,   /* a part of a body is there */
    PHASE_BUSY,   /* an answer is being made or sent */
    PHASE_LINGER, /* the last answer is out, input is thrown away */
};

struct http_connection {
    struct http_server *server;
    struct io_stream *stream;
    struct http_connection *next, **link;
    struct http_exchange *first, *last; /* in the order of the requests */
    size_t exchange_count;
    struct http_exchange *reading; /* whose body is not whole; also the last of the list */
    enum http_phase phase;
    int64_t phase_since_ns;
    int64_t heard_ns;     /* lingering: the newest input */
    size_t phase_bytes;   /* of the body, or thrown away */
    size_t out_seen;      /* at the last sweep */
    int64_t out_since_ns; /* it has not moved since */
    bool no_more;         /* no further request is read */
    bool paused;
    bool ended;
};

struct http_exchange {
    struct http_server *server;
    struct http_connection *connection; /* NULL: it went away */
    struct http_exchange *next;
    struct http_request request; /* points into head */
    struct buf head;
    struct buf body;
    struct buf out; /* while an earlier exchange has the line */
    struct http_chunks chunks;
    const struct http_route *route;
    size_t body_max;
    struct arena arena;
    bool arena_used;
    bool head_only; /* HEAD */
    bool keep_alive;
    bool answered; /* completely; also: broken */
    bool handed;   /* the handler has it */
    bool streaming;
    bool chunked_out;
    bool broken;
    bool continue_due;
    void (*gone)(void *owner);
    void *gone_owner;
    struct io_timer gone_timer;
};

struct http_server {
    struct io_loop *loop;
    struct http_server_options options;
    struct io_stream_limits limits;
    struct io_listener **listeners;
    size_t listener_count;
    struct http_route **routes;
    size_t route_count;
    struct http_connection *connections;
    size_t connection_count;
    struct http_exchange *spare;
    size_t spare_count;
    size_t exchange_count; /* in use */
    struct io_timer sweep;
    struct io_timer drained_timer;
    struct buf scratch; /* head and content of one answer */
    char date[40];      /* "Date: ..\r\n" */
    int64_t date_ns;    /* made then */
    bool draining, dead;
    void (*drained)(void *owner);
    void *drained_owner;
};

/* http_route.c. NULL: ret_status is 404, 405 or 204 (OPTIONS) and allow has the methods. */
const struct http_route *http_route_find(const struct http_server *server,
                                         const struct http_request *request, struct buf *allow,
                                         int *ret_status);
void http_routes_free(struct http_server *server);

/* http_answer.c */
/* Sends what may go out now, in order; then reads on or closes. */
void http_connection_advance(struct http_connection *connection);
/* An answer of the server itself; the connection closes behind it. */
void http_connection_refuse(struct http_connection *connection, int status, const char *message);
void http_connection_continue(struct http_exchange *exchange);

/* http_server.c */
struct http_exchange *http_exchange_new(struct http_connection *connection);
void http_exchange_release(struct http_exchange *exchange);
void http_connection_phase(struct http_connection *connection, enum http_phase phase);

#endif
