/* SPDX-License-Identifier: MIT */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include "io/loop.h"
#include "wire/http.h"

/*
 * The HTTP server: listeners, connections, a table of routes. Handlers run in the loop's thread
 * and answer at once or later; answers of pipelined requests leave in the order of the requests.
 */
struct http_server;
struct http_exchange; /* one request and its answer */

struct http_server_options {
    size_t body_max;        /* unless the route says otherwise; 0 = 1 MiB */
    size_t connections_max; /* 0 = 10,000 */
    int64_t header_ms_max;  /* slow heads; 0 = 10 s */
    int64_t idle_ms_max;    /* 0 = 75 s */
};
enum err http_server_new(struct io_loop *loop, const struct http_server_options *options,
                         struct http_server **ret_server) MUST_USE;
/* Before the first route is there every request is answered 503: what listens early is starting. */
enum err http_server_listen(struct http_server *server, const char *address, struct io_tls *tls,
                            uint16_t *ret_port) MUST_USE;
/* Stops accepting, closes idle connections, lets running exchanges end (streaming ones end now,
 * with gone), then calls drained. */
void http_server_drain(struct http_server *server, void (*drained)(void *owner), void *owner);
/* Breaks all connections; streaming exchanges are told gone before it returns. Exchanges not
 * answered yet stay valid until they are. The loop needs a turn afterwards to let go of the
 * sockets. */
void http_server_free(struct http_server *server);

/* path: "/api/topics", "/api/topics/{name}" ({} matches one segment), "/static/..." (a tail,
 * http_exchange_param(.., "...")). GET also answers HEAD; OPTIONS is answered by the server.
 * method "*" = any. body_max 0 = the server's; may be computed per route. Unknown paths get 404, a
 * known path with another method 405. */
void http_server_route(struct http_server *server, const char *method, const char *path,
                       size_t body_max, void (*handle)(struct http_exchange *exchange, void *owner),
                       void *owner);

/* Request, body and parameters live until the exchange is answered. */
const struct http_request *http_exchange_request(const struct http_exchange *exchange);
struct str http_exchange_body(const struct http_exchange *exchange);
/* Value of {name} in the route's path, percent-decoded. */
struct str http_exchange_param(const struct http_exchange *exchange, const char *name);
bool http_exchange_query(const struct http_exchange *exchange, const char *name, struct buf *out);
struct arena *http_exchange_arena(struct http_exchange *exchange);
/* The answer, once; afterwards the exchange belongs to the server. Content is copied. extra: header
 * lines each ended by CRLF, or NULL. */
void http_exchange_answer(struct http_exchange *exchange, int status, const char *content_type,
                          struct str content, const char *extra);
/* {"error":{"code":..,"message":..,"hint":..}} */
void http_exchange_error(struct http_exchange *exchange, int status, const char *message,
                         const char *hint);
/* A streaming answer (chunked; server-sent events): begin, any number of parts, end. ERR_LIMIT:
 * the client is too slow, nothing was taken; ERR_CLOSED: it went away, gone follows. gone is called
 * once when it goes away before the end; the exchange is no more then. */
void http_exchange_begin(struct http_exchange *exchange, int status, const char *content_type,
                         void (*gone)(void *owner), void *owner);
enum err http_exchange_part(struct http_exchange *exchange, struct str part) MUST_USE;
void http_exchange_end(struct http_exchange *exchange);
/* An answer in the middle of which the connection breaks, for tests of clients (mock-api): the head
 * promises twice as much as sent_before; empty = not even a head. */
void http_exchange_break(struct http_exchange *exchange, struct str sent_before);
/* Where the exchange lives, for timers of slow answers. */
struct io_loop *http_exchange_loop(struct http_exchange *exchange);

#endif
