/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server: listeners, connections and what comes in.
 *
 * A connection keeps its exchanges in a list, in the order of the requests; the first has the line
 * and may write, the others keep their answers until they are first (http_answer.c). Requests are
 * parsed in the stream's buffer; head and body are then copied into the exchange, whose buffers are
 * used again by later requests, so that a request costs two small copies and no allocation, and a
 * handler may keep the exchange for as long as it likes.
 *
 * Bounds: heads by the parser, bodies by their route (413 before the body is read where its size is
 * announced), exchanges of a connection by HTTP_PIPELINE_MAX, output by HTTP_OUT_HIGH: beyond the
 * last two no input is taken until answers have left.
 *
 * Time: one sweep looks at all connections a few times a second; no timer is moved for a request. A
 * head must be whole header_ms_max after its first byte, a body must come at 1000 bytes/s after a
 * grace of three times that: 408. An idle connection is closed after idle_ms_max, and so is one
 * whose client does not take its answer for that long.
 *
 * A refusal whose request was not read to its end lingers: closing with unread input would reset
 * the connection and could destroy the answer on its way. Input is thrown away, bounded in time and
 * bytes, until the client closes or is quiet.
 */
#include "serve/http_private.h"

#include "base/check.h"

enum { BODY_BYTES_PER_SECOND_MIN = 1000, LINGER_QUIET_MS_MAX = 300, LINGER_MS_MAX = 5000 };

/* ---- exchanges ---- */

struct http_exchange *http_exchange_new(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = server->spare;
    if (exchange) {
        server->spare = exchange->next;
        server->spare_count--;
    } else {
        exchange = mem_zero(sizeof *exchange);
        exchange->server = server;
    }
    server->exchange_count++;
    exchange->connection = connection;
    exchange->next = NULL;
    if (connection->last)
        connection->last->next = exchange;
    else
        connection->first = exchange;
    connection->last = exchange;
    connection->exchange_count++;
    return exchange;
}

static void buffer_recycle(struct buf *buf)
{
    if (buf->room > HTTP_KEEP_BYTES)
        buf_deinit(buf);
    else
        buf_reset(buf);
}

static void exchange_free(struct http_exchange *exchange)
{
    buf_deinit(&exchange->head);
    buf_deinit(&exchange->body);
    buf_deinit(&exchange->out);
    if (exchange->arena_used)
        arena_deinit(&exchange->arena);
    mem_free(exchange);
}

static void server_free_if_unused(struct http_server *server)
{
    if (!server->dead || server->connection_count || server->exchange_count)
        return;
    while (server->spare) {
        struct http_exchange *next = server->spare->next;
        exchange_free(server->spare);
        server->spare = next;
    }
    http_routes_free(server);
    mem_free(server->listeners);
    buf_deinit(&server->scratch);
    mem_free(server);
}

void http_exchange_release(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    server->exchange_count--;
    io_timer_stop(server->loop, &exchange->gone_timer);
    if (server->spare_count == HTTP_EXCHANGES_KEPT || server->dead) {
        exchange_free(exchange);
        server_free_if_unused(server);
        return;
    }
    buffer_recycle(&exchange->head);
    buffer_recycle(&exchange->body);
    buffer_recycle(&exchange->out);
    if (exchange->arena_used)
        arena_reset(&exchange->arena);
    exchange->connection = NULL;
    exchange->route = NULL;
    exchange->chunks = (struct http_chunks){0};
    exchange->head_only = exchange->answered = exchange->streaming = exchange->broken = false;
    exchange->continue_due = exchange->chunked_out = exchange->handed = false;
    exchange->gone = NULL;
    exchange->next = server->spare;
    server->spare = exchange;
    server->spare_count++;
}

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

struct str http_exchange_body(const struct http_exchange *exchange)
{
    return exchange->body.bytes ? buf_str(&exchange->body) : STR("");
}

bool http_exchange_query(const struct http_exchange *exchange, const char *name, struct buf *out)
{
    return http_query_get(exchange->request.query, name, out);
}

struct arena *http_exchange_arena(struct http_exchange *exchange)
{
    if (!exchange->arena_used) {
        arena_init(&exchange->arena, 64 << 20);
        exchange->arena_used = true;
    }
    return &exchange->arena;
}

struct io_loop *http_exchange_loop(struct http_exchange *exchange)
{
    return exchange->server->loop;
}

/* ---- input ---- */

void http_connection_phase(struct http_connection *connection, enum http_phase phase)
{
    if (connection->phase == PHASE_LINGER)
        return;
    if (connection->phase == phase && phase != PHASE_IDLE)
        return;
    connection->phase = phase;
    connection->phase_since_ns = io_loop_now_ns(connection->server->loop);
    connection->heard_ns = connection->phase_since_ns;
    connection->phase_bytes = 0;
}

static struct str moved(struct str s, const uint8_t *from, size_t bytes, const uint8_t *to)
{
    size_t at = (size_t)((const uint8_t *)s.ptr - from);
    if ((const uint8_t *)s.ptr < from || at > bytes)
        return s; /* a literal */
    return str_from(to + at, s.bytes);
}

/* Copies the head, and points the request there. */
static void exchange_keep_head(struct http_exchange *exchange, const uint8_t *data)
{
    struct http_request *r = &exchange->request;
    size_t bytes = r->head_bytes;
    buf_reset(&exchange->head);
    buf_append(&exchange->head, data, bytes);
    const uint8_t *to = exchange->head.ptr;
    r->method = moved(r->method, data, bytes, to);
    r->target = moved(r->target, data, bytes, to);
    r->path = moved(r->path, data, bytes, to);
    r->query = moved(r->query, data, bytes, to);
    for (size_t i = 0; i < r->header_count; i++) {
        r->headers[i].name = moved(r->headers[i].name, data, bytes, to);
        r->headers[i].value = moved(r->headers[i].value, data, bytes, to);
    }
}

static void exchange_hand_over(struct http_exchange *exchange)
{
    exchange->connection->reading = NULL;
    exchange->handed = true;
    http_connection_phase(exchange->connection, PHASE_BUSY);
    exchange->route->handle(exchange, exchange->route->owner);
}

/* A request that no route takes. Its body is not read: the connection closes when there is one. */
static void exchange_unrouted(struct http_exchange *exchange, int status, struct str allow)
{
    struct http_connection *connection = exchange->connection;
    bool body = exchange->request.chunked || exchange->request.content_length > 0;
    char line[256];
    const char *extra = NULL;
    if (allow.bytes) {
        snprintf(line, sizeof line, "Allow: %.*s\r\n", STR_ARG(allow));
        extra = line;
    }
    if (body) {
        connection->reading = exchange; /* so that it lingers */
        connection->no_more = true;
        exchange->keep_alive = false;
    }
    exchange->handed = true;
    if (status == 204)
        http_exchange_answer(exchange, 204, NULL, STR(""), extra);
    else if (status == 405)
        http_exchange_answer(exchange, 405, "application/json",
                             STR("{\"error\":{\"code\":405,\"message\":\"this path does not offer "
                                 "that method\"}}"),
                             extra);
    else if (!connection->server->route_count) /* it listens, and what it serves is being opened */
        http_exchange_error(exchange, 503, "this server is starting; ask again", NULL);
    else
        http_exchange_error(exchange, 404, "there is nothing at this path", NULL);
}

/* A head is whole: finds the route, takes or refuses the body. */
static void connection_request(struct http_connection *connection, struct http_exchange *exchange)
{
    const struct http_request *r = &exchange->request;
    exchange->head_only = str_equal(r->method, STR("HEAD"));
    exchange->keep_alive = r->keep_alive && !connection->server->draining;
    if (!exchange->keep_alive)
        connection->no_more = true;
    struct buf allow = {.bytes_max = 4096};
    int status = 0;
    exchange->route = http_route_find(connection->server, r, &allow, &status);
    if (!exchange->route) {
        exchange_unrouted(exchange, status, buf_str(&allow));
        buf_deinit(&allow);
        return;
    }
    buf_deinit(&allow);
    exchange->body_max = exchange->route->body_max;
    if (r->content_length > exchange->body_max) {
        connection->reading = exchange;
        connection->no_more = true;
        exchange->keep_alive = false;
        exchange->handed = true;
        http_exchange_error(exchange, 413, "the body is larger than this path takes", NULL);
        return;
    }
    if (!r->chunked && r->content_length == 0) {
        exchange_hand_over(exchange);
        return;
    }
    connection->reading = exchange;
    http_connection_phase(connection, PHASE_BODY);
    exchange->continue_due = r->expect_continue && r->minor_version == 1;
}

/* Consumes what belongs to the body. */
static size_t connection_body(struct http_connection *connection, const uint8_t *data, size_t bytes)
{
    struct http_exchange *exchange = connection->reading;
    size_t used = 0;
    bool done = false;
    enum err err = OK;
    exchange->continue_due = false;
    if (exchange->request.chunked) {
        err = http_chunks_feed(&exchange->chunks, data, bytes, exchange->body_max, &exchange->body,
                               &used, &done);
    } else {
        size_t left = (size_t)exchange->request.content_length - exchange->body.bytes;
        used = bytes < left ? bytes : left;
        if (exchange->body.bytes == 0)
            buf_reserve(&exchange->body, used == left ? left : used);
        buf_append(&exchange->body, data, used);
        err = buf_error(&exchange->body);
        done = used == left;
    }
    connection->phase_bytes += used;
    if (err != OK) {
        connection->no_more = true;
        exchange->keep_alive = false;
        exchange->handed = true;
        if (err == ERR_LIMIT)
            http_exchange_error(exchange, 413, "the body is larger than this path takes", NULL);
        else
            http_exchange_error(exchange, 400, "the chunks of the body are malformed", NULL);
        return bytes;
    }
    if (done)
        exchange_hand_over(exchange);
    return used;
}

static bool connection_is_full(const struct http_connection *connection)
{
    return connection->exchange_count >= HTTP_PIPELINE_MAX ||
           io_stream_out_bytes(connection->stream) > HTTP_OUT_HIGH;
}

/* Parses the next head. False: not whole, or refused. */
static bool connection_head(struct http_connection *connection, const uint8_t *data, size_t bytes,
                            size_t *ret_used)
{
    struct http_exchange *exchange = http_exchange_new(connection);
    const char *reason = NULL;
    enum err err = http_request_parse(data, bytes, &exchange->request, &reason);
    if (err == OK) {
        exchange_keep_head(exchange, data);
        *ret_used = exchange->request.head_bytes;
        connection_request(connection, exchange);
        return true;
    }
    /* Takes the exchange off the end again. */
    struct http_exchange **link = &connection->first, *before = NULL;
    for (; *link != exchange; link = &(*link)->next)
        before = *link;
    *link = NULL;
    connection->last = before;
    connection->exchange_count--;
    http_exchange_release(exchange);
    if (err != ERR_AGAIN)
        http_connection_refuse(connection, http_request_error_status(err, reason), reason);
    return false;
}

static size_t connection_data(void *owner, struct io_stream *stream, const uint8_t *data,
                              size_t bytes)
{
    struct http_connection *connection = owner;
    size_t at = 0;
    while (at < bytes) {
        if (connection->phase == PHASE_LINGER || (connection->no_more && !connection->reading)) {
            connection->phase_bytes += bytes - at;
            connection->heard_ns = io_loop_now_ns(connection->server->loop);
            if (connection->phase_bytes > HTTP_LINGER_BYTES_MAX)
                io_stream_abort(stream, ERR_LIMIT);
            return bytes;
        }
        if (connection->reading) {
            if (connection->no_more && connection->reading->answered)
                return bytes;
            at += connection_body(connection, data + at, bytes - at);
            continue;
        }
        if (connection_is_full(connection)) {
            connection->paused = true;
            io_stream_pause(stream, true);
            return at;
        }
        size_t used = 0;
        if (!connection_head(connection, data + at, bytes - at, &used)) {
            if (connection->no_more)
                return bytes;
            if (connection->exchange_count == 0)
                http_connection_phase(connection, PHASE_HEAD);
            return at;
        }
        at += used;
    }
    if (connection->reading && connection->reading->continue_due)
        http_connection_continue(connection->reading);
    return at;
}

/* A stream without an end is of no use to a client that has gone; what looks like a half-closed
 * connection is a closed one then. */
static bool connection_streams(const struct http_connection *connection)
{
    for (const struct http_exchange *e = connection->first; e; e = e->next) {
        if (e->streaming && !e->answered)
            return true;
    }
    return false;
}

static void connection_ended(void *owner, struct io_stream *stream)
{
    struct http_connection *connection = owner;
    /* A client may send its end and wait for the answers; nothing more will come. */
    connection->ended = connection->no_more = true;
    if (connection->exchange_count == 0 || connection->phase == PHASE_LINGER)
        io_stream_close(stream);
    else if (connection->reading || connection_streams(connection))
        io_stream_abort(stream, ERR_CLOSED);
}

static void connection_drained(void *owner, struct io_stream *stream)
{
    (void)stream;
    http_connection_advance(owner);
}

static void connection_closed(void *owner, struct io_stream *stream, enum err why)
{
    (void)stream;
    (void)why;
    struct http_connection *connection = owner;
    struct http_server *server = connection->server;
    struct http_exchange *exchange = connection->first, *next;
    for (; exchange; exchange = next) {
        next = exchange->next;
        exchange->connection = NULL;
        if (exchange->streaming && !exchange->answered && exchange->gone)
            exchange->gone(exchange->gone_owner);
        if (exchange->answered || exchange->streaming || !exchange->handed)
            http_exchange_release(exchange);
    }
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    mem_free(connection);
    server->connection_count--;
    if (server->draining && server->connection_count == 0 && server->drained && !server->dead)
        io_timer_start(server->loop, &server->drained_timer, 0);
    server_free_if_unused(server);
}

static const struct io_stream_events connection_events = {
    .data = connection_data,
    .drained = connection_drained,
    .ended = connection_ended,
    .closed = connection_closed,
};

static void *connection_accept(void *owner, struct io_stream *stream)
{
    struct http_server *server = owner;
    if (server->draining || server->dead ||
        server->connection_count >= server->options.connections_max)
        return NULL;
    struct http_connection *connection = mem_zero(sizeof *connection);
    connection->server = server;
    connection->stream = stream;
    connection->next = server->connections;
    connection->link = &server->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    server->connections = connection;
    server->connection_count++;
    http_connection_phase(connection, PHASE_IDLE);
    return connection;
}

/* ---- time ---- */

static void connection_sweep(struct http_connection *connection, int64_t now_ns)
{
    const struct http_server_options *o = &connection->server->options;
    int64_t age_ms = (now_ns - connection->phase_since_ns) / 1000000;
    size_t out = io_stream_out_bytes(connection->stream);
    if (out == 0 || out != connection->out_seen) {
        connection->out_seen = out;
        connection->out_since_ns = now_ns;
    } else if ((now_ns - connection->out_since_ns) / 1000000 > o->idle_ms_max) {
        io_stream_abort(connection->stream, ERR_TIMEOUT);
        return;
    }
    switch (connection->phase) {
    case PHASE_IDLE:
        if (age_ms > o->idle_ms_max)
            io_stream_close(connection->stream);
        break;
    case PHASE_HEAD:
        if (age_ms > o->header_ms_max)
            http_connection_refuse(connection, 408, "the request did not come in time");
        break;
    case PHASE_BODY:
        if (age_ms > 3 * o->header_ms_max +
                         (int64_t)connection->phase_bytes * 1000 / BODY_BYTES_PER_SECOND_MIN) {
            struct http_exchange *exchange = connection->reading;
            connection->no_more = true;
            exchange->keep_alive = false;
            exchange->handed = true;
            http_exchange_error(exchange, 408, "the body did not come in time", NULL);
        }
        break;
    case PHASE_BUSY:
        break;
    case PHASE_LINGER:
        if (age_ms > LINGER_MS_MAX ||
            (now_ns - connection->heard_ns) / 1000000 > LINGER_QUIET_MS_MAX)
            io_stream_close(connection->stream);
        break;
    }
}

static void server_sweep(struct io_timer *timer)
{
    struct http_server *server = timer->owner;
    int64_t now_ns = io_loop_now_ns(server->loop);
    struct http_connection *next;
    for (struct http_connection *c = server->connections; c; c = next) {
        next = c->next;
        connection_sweep(c, now_ns);
    }
    int64_t period_ms = server->options.header_ms_max / 4;
    if (server->options.idle_ms_max / 4 < period_ms)
        period_ms = server->options.idle_ms_max / 4;
    period_ms = period_ms < 10 ? 10 : period_ms > 1000 ? 1000 : period_ms;
    io_timer_start(server->loop, timer, period_ms * 1000000);
}

/* ---- the server ---- */

static void server_drained(struct io_timer *timer)
{
    struct http_server *server = timer->owner;
    void (*drained)(void *owner) = server->drained;
    server->drained = NULL;
    if (drained)
        drained(server->drained_owner);
}

enum err http_server_new(struct io_loop *loop, const struct http_server_options *options,
                         struct http_server **ret_server)
{
    struct http_server *server = mem_zero(sizeof *server);
    server->loop = loop;
    if (options)
        server->options = *options;
    if (server->options.body_max == 0)
        server->options.body_max = 1 << 20;
    if (server->options.connections_max == 0)
        server->options.connections_max = 10000;
    if (server->options.header_ms_max == 0)
        server->options.header_ms_max = 10000;
    if (server->options.idle_ms_max == 0)
        server->options.idle_ms_max = 75000;
    server->limits = (struct io_stream_limits){
        .in_max = HTTP_IN_MAX, .out_max = HTTP_OUT_MAX, .out_low = HTTP_OUT_HIGH / 4};
    server->sweep.fire = server_sweep;
    server->sweep.owner = server;
    server->drained_timer.fire = server_drained;
    server->drained_timer.owner = server;
    io_timer_start(loop, &server->sweep, 10000000);
    *ret_server = server;
    return OK;
}

enum err http_server_listen(struct http_server *server, const char *address, struct io_tls *tls,
                            uint16_t *ret_port)
{
    struct io_listener *listener = NULL;
    TRY(io_listen(server->loop, address, tls, &connection_events, &server->limits,
                  connection_accept, server, &listener));
    server->listeners =
        mem_realloc_array(server->listeners, server->listener_count + 1, sizeof listener);
    server->listeners[server->listener_count++] = listener;
    if (ret_port)
        *ret_port = io_listener_port(listener);
    return OK;
}

static void server_stop_listening(struct http_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        io_listener_close(server->listeners[i]);
    server->listener_count = 0;
}

/* Tells the owners of streaming exchanges; they are ended. */
static void connection_end_streams(struct http_connection *connection)
{
    struct http_exchange *next;
    for (struct http_exchange *e = connection->first; e; e = next) {
        next = e->next;
        if (!e->streaming || e->answered)
            continue;
        void (*gone)(void *owner) = e->gone;
        void *gone_owner = e->gone_owner;
        e->gone = NULL;
        e->keep_alive = false;
        http_exchange_end(e);
        if (gone)
            gone(gone_owner);
    }
}

void http_server_drain(struct http_server *server, void (*drained)(void *owner), void *owner)
{
    server->draining = true;
    server->drained = drained;
    server->drained_owner = owner;
    server_stop_listening(server);
    struct http_connection *next;
    for (struct http_connection *c = server->connections; c; c = next) {
        next = c->next;
        connection_end_streams(c);
        if (c->exchange_count == 0 && c->phase != PHASE_LINGER)
            io_stream_close(c->stream);
        for (struct http_exchange *e = c->first; e; e = e->next)
            e->keep_alive = e->keep_alive && e->next;
        c->no_more = true;
    }
    if (server->connection_count == 0)
        io_timer_start(server->loop, &server->drained_timer, 0);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    server_stop_listening(server);
    struct http_connection *next;
    for (struct http_connection *c = server->connections; c; c = next) {
        next = c->next;
        connection_end_streams(c);
        io_stream_abort(c->stream, ERR_CANCELLED);
    }
    io_timer_stop(server->loop, &server->sweep);
    io_timer_stop(server->loop, &server->drained_timer);
    server->dead = true;
    server_free_if_unused(server);
}
