/* SPDX-License-Identifier: MIT */
/*
 * What goes out. The first exchange of a connection has the line: its bytes go to the stream at
 * once. Those behind it write into their own buffer, which follows when the line is theirs. So
 * answers leave in the order of the requests, whatever the order in which they were made.
 *
 * The head and a small content are put together in one scratch buffer of the server and handed to
 * the stream in one piece; the stream sends all pieces of a turn in one call to the kernel.
 */
#include "serve/http_private.h"

#include "base/check.h"
#include "format/json.h"

enum { SMALL_CONTENT_BYTES = 16 << 10 };

static void answer_write(struct http_exchange *exchange, const void *data, size_t bytes)
{
    struct http_connection *connection = exchange->connection;
    if (connection->first != exchange) {
        buf_append(&exchange->out, data, bytes);
        return;
    }
    if (io_stream_write(connection->stream, data, bytes) == ERR_LIMIT)
        io_stream_abort(connection->stream, ERR_LIMIT);
}

/* "Date: ..", made new when the second has changed. */
static const char *server_date(struct http_server *server)
{
    int64_t now_ns = io_loop_now_ns(server->loop);
    if (server->date[0] && now_ns - server->date_ns < 500000000)
        return server->date;
    struct buf text = {0};
    buf_text(&text, "Date: ");
    http_date_print(&text, io_wall_us(io_loop_io(server->loop)));
    snprintf(server->date, sizeof server->date, "%.*s\r\n", STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    server->date_ns = now_ns;
    return server->date;
}

static void head_append(struct http_exchange *exchange, int status, const char *content_type,
                        int64_t content_length, const char *extra, struct buf *out)
{
    http_response_head(out, status, content_type, content_length, exchange->keep_alive, extra);
    buf_truncate(out, out->bytes - 2);
    buf_text(out, server_date(exchange->server));
    buf_str_append(out, STR("\r\n"));
}

/* The last answer has been written. */
static void connection_finish(struct http_connection *connection)
{
    connection->no_more = true;
    if (connection->reading && !connection->ended) {
        http_connection_phase(connection, PHASE_LINGER);
        connection->reading = NULL;
        return;
    }
    io_stream_close(connection->stream);
}

static void connection_resume(struct http_connection *connection)
{
    if (connection->paused && connection->exchange_count < HTTP_PIPELINE_MAX / 2 &&
        io_stream_out_bytes(connection->stream) <= HTTP_OUT_HIGH) {
        connection->paused = false;
        io_stream_pause(connection->stream, false);
    }
}

void http_connection_advance(struct http_connection *connection)
{
    struct http_exchange *exchange;
    while ((exchange = connection->first) != NULL) {
        if (exchange->out.bytes) {
            answer_write(exchange, exchange->out.ptr, exchange->out.bytes);
            buf_reset(&exchange->out);
        }
        if (exchange->continue_due)
            http_connection_continue(exchange);
        if (!exchange->answered)
            break;
        bool keep_alive = exchange->keep_alive, broken = exchange->broken;
        connection->first = exchange->next;
        connection->exchange_count--;
        if (!connection->first)
            connection->last = NULL;
        if (!keep_alive || broken) {
            connection_finish(connection);
            http_exchange_release(exchange);
            return;
        }
        http_exchange_release(exchange);
    }
    if (connection->exchange_count == 0) {
        http_connection_phase(connection, PHASE_IDLE);
        if (connection->ended)
            io_stream_close(connection->stream);
    }
    connection_resume(connection);
}

void http_connection_continue(struct http_exchange *exchange)
{
    if (exchange->connection->first != exchange)
        return;
    exchange->continue_due = false;
    answer_write(exchange, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

void http_exchange_answer(struct http_exchange *exchange, int status, const char *content_type,
                          struct str content, const char *extra)
{
    check(!exchange->answered);
    check(!exchange->streaming);
    exchange->answered = true;
    struct http_connection *connection = exchange->connection;
    if (!connection) {
        http_exchange_release(exchange);
        return;
    }
    if (exchange->server->draining && !exchange->next)
        exchange->keep_alive = false;
    struct buf *scratch = &exchange->server->scratch;
    buf_reset(scratch);
    head_append(exchange, status, content_type, (int64_t)content.bytes, extra, scratch);
    bool send = !exchange->head_only && status != 204 && status != 304 && content.bytes;
    if (send && content.bytes <= SMALL_CONTENT_BYTES)
        buf_str_append(scratch, content);
    answer_write(exchange, scratch->ptr, scratch->bytes);
    if (send && content.bytes > SMALL_CONTENT_BYTES)
        answer_write(exchange, content.ptr, content.bytes);
    if (connection->first == exchange)
        http_connection_advance(connection);
}

void http_exchange_error(struct http_exchange *exchange, int status, const char *message,
                         const char *hint)
{
    struct buf text = {0};
    struct json_writer w = {.out = &text};
    json_open(&w, '{');
    json_key(&w, "error");
    json_open(&w, '{');
    json_key(&w, "code");
    json_i64(&w, status);
    json_key(&w, "message");
    json_str(&w, str_of(message));
    if (hint) {
        json_key(&w, "hint");
        json_str(&w, str_of(hint));
    }
    json_close(&w, '}');
    json_close(&w, '}');
    http_exchange_answer(exchange, status, "application/json", buf_str(&text), NULL);
    buf_deinit(&text);
}

void http_connection_refuse(struct http_connection *connection, int status, const char *message)
{
    struct http_exchange *exchange = http_exchange_new(connection);
    exchange->request = (struct http_request){.minor_version = 1};
    exchange->keep_alive = false;
    exchange->handed = true;
    connection->no_more = true;
    connection->reading = exchange; /* input may follow: it lingers */
    http_connection_phase(connection, PHASE_BUSY);
    http_exchange_error(exchange, status, message, NULL);
}

static void exchange_gone(struct io_timer *timer)
{
    struct http_exchange *exchange = timer->owner;
    if (exchange->gone)
        exchange->gone(exchange->gone_owner);
    http_exchange_release(exchange);
}

void http_exchange_begin(struct http_exchange *exchange, int status, const char *content_type,
                         void (*gone)(void *owner), void *owner)
{
    check(!exchange->answered);
    check(!exchange->streaming);
    exchange->streaming = true;
    exchange->gone = gone;
    exchange->gone_owner = owner;
    if (!exchange->connection) {
        exchange->gone_timer.fire = exchange_gone;
        exchange->gone_timer.owner = exchange;
        io_timer_start(exchange->server->loop, &exchange->gone_timer, 0);
        return;
    }
    exchange->chunked_out = exchange->request.minor_version == 1;
    if (!exchange->chunked_out)
        exchange->keep_alive = false;
    struct buf *scratch = &exchange->server->scratch;
    buf_reset(scratch);
    head_append(exchange, status, content_type, exchange->chunked_out ? -1 : -2,
                "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n", scratch);
    answer_write(exchange, scratch->ptr, scratch->bytes);
}

enum err http_exchange_part(struct http_exchange *exchange, struct str part)
{
    check(exchange->streaming);
    struct http_connection *connection = exchange->connection;
    if (!connection)
        return ERR_CLOSED;
    if (exchange->head_only || part.bytes == 0)
        return OK;
    size_t waiting = connection->first == exchange ? io_stream_out_bytes(connection->stream)
                                                   : exchange->out.bytes;
    if (waiting + part.bytes > HTTP_STREAM_OUT_MAX)
        return ERR_LIMIT;
    if (!exchange->chunked_out) {
        answer_write(exchange, part.ptr, part.bytes);
        return OK;
    }
    struct buf *scratch = &exchange->server->scratch;
    buf_reset(scratch);
    buf_printf(scratch, "%zx\r\n", part.bytes);
    buf_str_append(scratch, part);
    buf_str_append(scratch, STR("\r\n"));
    answer_write(exchange, scratch->ptr, scratch->bytes);
    return OK;
}

void http_exchange_end(struct http_exchange *exchange)
{
    check(exchange->streaming);
    check(!exchange->answered);
    exchange->answered = true;
    struct http_connection *connection = exchange->connection;
    if (!connection) {
        http_exchange_release(exchange);
        return;
    }
    if (exchange->chunked_out && !exchange->head_only)
        answer_write(exchange, "0\r\n\r\n", 5);
    if (connection->first == exchange)
        http_connection_advance(connection);
}

void http_exchange_break(struct http_exchange *exchange, struct str sent_before)
{
    check(!exchange->answered);
    exchange->answered = exchange->broken = true;
    struct http_connection *connection = exchange->connection;
    if (!connection) {
        http_exchange_release(exchange);
        return;
    }
    if (sent_before.bytes) {
        struct buf *scratch = &exchange->server->scratch;
        buf_reset(scratch);
        head_append(exchange, 200, "application/json", 2 * (int64_t)sent_before.bytes, NULL,
                    scratch);
        buf_str_append(scratch, sent_before);
        answer_write(exchange, scratch->ptr, scratch->bytes);
    }
    connection->no_more = true;
    if (connection->first == exchange)
        http_connection_advance(connection);
}
