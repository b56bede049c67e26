/* SPDX-License-Identifier: MIT */
/*
 * Connections: frames in, calls in order, answers out.
 *
 * A frame is copied once, from the loop's buffer into its call; after that everything borrows from
 * there until the call is freed. What one read brings is cut into as many calls as it holds.
 *
 * Requests of a connection are begun one after the other, as Kafka does it: the next when the one
 * before is answered. Produces alone overlap: they are begun in their order while others wait for
 * the disk, which is what fills the log's groups. Answers leave in the order of the requests in any
 * case.
 *
 * A client that does not read its answers is not read from: over KAFKA_OUT_HIGH bytes of output no
 * request is begun or taken, so that a connection holds at most that and one answer. The same holds
 * over KAFKA_CALLS_MAX requests.
 *
 * Invariants: 1. The list is: answered and begun calls in any mix, then, from `begin` on, those not
 * begun. 2. `running` counts begun and unanswered ones. 3. Nothing is begun from inside
 * kafka_answer() while pump() is on the stack: it loops. 4. The struct lives until its stream was
 * closed and its last call freed.
 */
#include "serve/kafka/net.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/logline.h"

#include <stdio.h>

enum { FRAME_MIN = 8, FRAME_AT_ONCE = 1 << 20, FRAME_STEP = 64 << 10 };

/* ---- the end ---- */

void kafka_connection_unref(struct kafka_connection *connection)
{
    if (--connection->refs > 0)
        return;
    check(!connection->first);
    check(!connection->stream);
    mem_free(connection);
}

static void drop_from(struct kafka_connection *connection, struct kafka_call **link)
{
    struct kafka_call *call = *link, *next;
    *link = NULL;
    for (; call; call = next) {
        next = call->next;
        connection->call_count--;
        kafka_call_release(call);
    }
}

/* Requests that were not begun never will be. */
static void drop_waiting(struct kafka_connection *connection)
{
    struct kafka_call **link = &connection->first, *last = NULL;
    while (*link != connection->begin) {
        last = *link;
        link = &last->next;
    }
    connection->begin = NULL;
    connection->last = last;
    drop_from(connection, link);
}

static void close_for(struct kafka_connection *connection, const char *why)
{
    log_line(LOG_WARN, "kafka", "%s: %s; the connection is closed",
             io_stream_peer(connection->stream), why);
    connection->no_more = true;
}

static void connection_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct kafka_connection *connection = owner;
    struct kafka_net *net = connection->broker->net;
    connection->stream = NULL;
    kafka_memory_forget(connection);
    *(connection->previous ? &connection->previous->next : &net->connections) = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    net->connection_count--;
    if (connection->reading)
        kafka_call_release(connection->reading);
    connection->reading = NULL;
    drop_waiting(connection);
    for (struct kafka_call *call = connection->first; call;) {
        if (call->answered || call->gone_told || !call->gone) {
            call = call->next;
            continue;
        }
        call->gone_told = true;
        call->gone(call);
        call = connection->first; /* any of them may be gone now */
    }
    kafka_connection_pump(connection);
    kafka_connection_unref(connection);
}

void kafka_call_calm(struct kafka_call *call)
{
    call->broker->net->calm++;
}

void kafka_call_abort(struct kafka_call *call, enum err why)
{
    if (call->connection->stream)
        io_stream_abort(call->connection->stream, why);
}

/* ---- out ---- */

static enum err send_answer(struct kafka_connection *connection, struct kafka_call *call)
{
    struct kafka_net *net = connection->broker->net;
    struct buf *scratch = &net->scratch;
    buf_reset(scratch);
    if (call->fetch_out)
        return kafka_fetch_send(call, connection->stream, scratch);
    size_t at = kafka_response_begin(call->api->key, call->version, call->correlation_id, scratch);
    TRY(kafka_encode(call->api->response, call->version, call->response, scratch));
    kafka_frame_end(scratch, at);
    TRY(buf_error(scratch));
    net->bytes_out += scratch->bytes;
    enum err err = io_stream_write(connection->stream, scratch->ptr, scratch->bytes);
    if (scratch->room > FRAME_AT_ONCE)
        buf_deinit(scratch);
    return err;
}

/* Answers at the head of the order leave. */
static void flush(struct kafka_connection *connection)
{
    while (connection->first && connection->first->answered) {
        struct kafka_call *call = connection->first;
        if (connection->stream && !call->no_answer) {
            enum err err = send_answer(connection, call);
            if (err != OK && err != ERR_CLOSED) {
                log_line(LOG_ERROR, "kafka", "%s: the answer to %s v%d cannot be sent: %s",
                         io_stream_peer(connection->stream), call->api->name, call->version,
                         err_text(err));
                io_stream_abort(connection->stream, err);
            }
        }
        connection->first = call->next;
        if (!connection->first)
            connection->last = NULL;
        connection->call_count--;
        if (call->close_after) {
            connection->no_more = true;
            drop_waiting(connection);
        }
        kafka_call_release(call);
    }
    if (connection->no_more && !connection->first && connection->stream)
        io_stream_close(connection->stream);
}

void kafka_answer(struct kafka_call *call)
{
    struct kafka_connection *connection = call->connection;
    check(!call->answered);
    call->answered = true;
    connection->running--;
    kafka_connection_pump(connection);
}

void kafka_call_hold(struct kafka_call *call, bool hold)
{
    struct kafka_connection *connection = call->connection;
    connection->holds += hold ? 1U : -1U;
    if (!hold)
        kafka_connection_pump(connection);
}

/* ---- begin ---- */

static bool may_begin(const struct kafka_connection *connection, const struct kafka_call *call)
{
    if (connection->holds || io_stream_out_bytes(connection->stream) > KAFKA_OUT_HIGH)
        return false;
    return connection->running == 0 ||
           (connection->overlap && call->handler->handle == kafka_handle_produce);
}

bool kafka_connection_may_read(const struct kafka_connection *connection)
{
    return !connection->no_more && !connection->waiting &&
           connection->call_count < KAFKA_CALLS_MAX &&
           io_stream_out_bytes(connection->stream) <= KAFKA_OUT_HIGH;
}

static void begin(struct kafka_connection *connection, struct kafka_call *call)
{
    const char *why = NULL;
    connection->begin = call->next;
    if (connection->running == 0)
        connection->overlap = call->handler->handle == kafka_handle_produce;
    connection->running++;
    call->begun = true;
    connection->broker->net->requests++;
    if (call->handler->handle == kafka_handle_heartbeat)
        kafka_call_calm(call);
    if (kafka_call_begin(call, &why) == OK)
        return;
    close_for(connection, why);
    call->no_answer = true;
    drop_waiting(connection);
    kafka_answer(call);
}

void kafka_connection_pump(struct kafka_connection *connection)
{
    if (connection->pumping)
        return;
    connection->pumping = true;
    connection->refs++;
    for (;;) {
        flush(connection);
        if (!connection->stream)
            break;
        struct kafka_call *call = connection->begin;
        if (!call || !may_begin(connection, call))
            break;
        begin(connection, call);
    }
    connection->pumping = false;
    if (connection->stream)
        io_stream_pause(connection->stream, !kafka_connection_may_read(connection));
    kafka_connection_unref(connection);
}

static void connection_drained(void *owner, struct io_stream *stream)
{
    kafka_connection_pump(owner);
}

/* ---- in ---- */

/* Room for what arrived, and for more of the frame so that it is not moved often. A frame that only
 * announces its size costs nothing. */
static bool make_room(struct kafka_connection *connection, struct kafka_call *call, size_t bytes)
{
    struct buf *frame = &call->frame;
    size_t left = connection->frame_bytes - frame->bytes;
    size_t want = left;
    if (connection->frame_bytes > FRAME_AT_ONCE) {
        want = frame->bytes > FRAME_STEP ? frame->bytes : FRAME_STEP;
        want = want > bytes ? want : bytes;
        want = want < left ? want : left;
    }
    frame->bytes_max = connection->frame_bytes;
    if (frame->room < frame->bytes + bytes) {
        size_t room = frame->bytes + want;
        if (room > call->charged_bytes &&
            !kafka_memory_take(connection, call, room - call->charged_bytes))
            return false;
        return buf_reserve(frame, want) != NULL;
    }
    if (frame->bytes == 0 && call->charged_bytes == 0)
        return kafka_memory_take(connection, call, frame->room);
    return true;
}

static void frame_begin(struct kafka_connection *connection)
{
    int32_t size = (int32_t)get_be32(connection->size);
    connection->size_count = 0;
    if (size < FRAME_MIN || (size_t)size > connection->broker->options.request_bytes_max) {
        char why[96];
        snprintf(why, sizeof why, "a request of %d bytes", size);
        close_for(connection, why);
        return;
    }
    connection->reading = kafka_call_new(connection);
    connection->frame_bytes = (size_t)size;
    connection->moved_ns = io_loop_now_ns(connection->broker->loop);
    connection->moved_bytes = 0;
}

static void frame_done(struct kafka_connection *connection)
{
    struct kafka_call *call = connection->reading;
    const char *why = NULL;
    connection->reading = NULL;
    kafka_memory_ungrant(connection);
    if (kafka_call_open(call, &why) != OK) {
        close_for(connection, why);
        kafka_call_release(call);
        return;
    }
    *(connection->last ? &connection->last->next : &connection->first) = call;
    connection->last = call;
    if (!connection->begin)
        connection->begin = call;
    connection->call_count++;
    kafka_connection_pump(connection);
}

/* How many of the bytes were taken; 0 = it has to wait for memory. */
static size_t take(struct kafka_connection *connection, const uint8_t *data, size_t bytes)
{
    struct kafka_call *call = connection->reading;
    if (!call) {
        size_t want = 4U - connection->size_count;
        want = want < bytes ? want : bytes;
        memcpy(connection->size + connection->size_count, data, want);
        connection->size_count = (uint8_t)(connection->size_count + want);
        if (connection->size_count == 4)
            frame_begin(connection);
        return want;
    }
    size_t left = connection->frame_bytes - call->frame.bytes;
    size_t count = bytes < left ? bytes : left;
    if (!make_room(connection, call, count))
        return 0;
    buf_append(&call->frame, data, count);
    if (count == left)
        frame_done(connection);
    return count;
}

static size_t connection_data(void *owner, struct io_stream *stream, const uint8_t *data,
                              size_t bytes)
{
    struct kafka_connection *connection = owner;
    struct kafka_net *net = connection->broker->net;
    uint64_t requests = net->requests, calm = net->calm;
    size_t at = 0;
    while (at < bytes && kafka_connection_may_read(connection))
        at += take(connection, data + at, bytes - at);
    net->bytes_in += at;
    kafka_connection_pump(connection);
    net->calm_news += net->requests > requests && net->requests - requests == net->calm - calm;
    return connection->no_more ? bytes : at;
}

void *kafka_connection_accept(void *owner, struct io_stream *stream)
{
    struct kafka_listener *listener = owner;
    struct kafka_broker *broker = listener->broker;
    struct kafka_net *net = broker->net;
    if (net->connection_count >= broker->options.connections_max) {
        if (net->refused++ % 1000 == 0)
            log_line(LOG_WARN, "kafka", "%s: refused, there are %u connections",
                     io_stream_peer(stream), net->connection_count);
        return NULL;
    }
    struct kafka_connection *connection = mem_zero(sizeof *connection);
    connection->broker = broker;
    connection->stream = stream;
    connection->endpoint = &listener->endpoint;
    connection->refs = 1;
    const char *peer = io_stream_peer(stream), *colon = strrchr(peer, ':');
    snprintf(connection->host, sizeof connection->host, "/%.*s",
             (int)(colon ? colon - peer : (ptrdiff_t)strlen(peer)), peer);
    connection->next = net->connections;
    if (connection->next)
        connection->next->previous = connection;
    net->connections = connection;
    net->connection_count++;
    return connection;
}

const struct io_stream_events kafka_connection_events = {
    .data = connection_data,
    .drained = connection_drained,
    .closed = connection_closed,
};
