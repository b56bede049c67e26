/* SPDX-License-Identifier: MIT */
/*
 * Connections: bytes in, cut into envelopes and calls.
 *
 * Bytes go through at most two layers. In v5, behind the answer to STARTUP, they are segments, each
 * checked whole in the stream's buffer; what segments carry, like everything before and in v3 and
 * v4, is a run of envelopes, put together by take(): nine bytes of head, then the body, copied once
 * into its call. Calls begin when they are whole, in their order; they are answered in any order,
 * by stream id.
 *
 * A connection is not read from while its output is over CQL_OUT_HIGH, CQL_CALLS_MAX of its calls
 * are under way, or it waits for memory (memory.c). With THROW_ON_OVERLOAD the last two are
 * answered OVERLOADED instead. A segment that is left half taken is parsed again later and its
 * front skipped.
 *
 * What is no CQL is answered with an error where the head at least was one, and the connection is
 * closed; a body that is too big is skipped. Versions that are not offered get the text that
 * drivers look for to try a lower one.
 *
 * Invariants: 1. bytes that data() did not count as done come again. 2. after no_more nothing is
 * read. 3. the struct lives until its stream was closed and its last call released.
 */
#include "serve/cql/net.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/logline.h"

enum { BODY_AT_ONCE = 1 << 20 };

/* ---- the end ---- */

void cql_connection_unref(struct cql_connection *connection)
{
    if (--connection->refs > 0)
        return;
    check(!connection->stream);
    check(!connection->calls);
    mem_free((char *)connection->keyspace.ptr);
    mem_free((char *)connection->user.ptr);
    buf_deinit(&connection->options);
    mem_free(connection);
}

static void connection_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct cql_connection *connection = owner;
    struct cql_server *server = connection->server;
    connection->stream = NULL;
    connection->no_more = true;
    if (connection->reading)
        cql_call_release(connection->reading);
    connection->reading = NULL;
    cql_memory_forget(connection);
    if (connection->dirty) {
        struct cql_connection **link = &server->dirty;
        while (*link != connection)
            link = &(*link)->next_dirty;
        *link = connection->next_dirty;
        connection->dirty = false;
    }
    buf_deinit(&connection->out);
    *(connection->previous ? &connection->previous->next : &server->connections) = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    server->connection_count--;
    cql_connection_unref(connection);
}

void cql_connection_finish(struct cql_connection *connection)
{
    connection->no_more = true;
    if (connection->reading) {
        struct cql_call *call = connection->reading;
        connection->reading = NULL;
        cql_call_release(call);
    }
    if (connection->stream && !connection->dirty && !connection->calls)
        io_stream_close(connection->stream);
}

/* ---- in ---- */

static bool may_read(const struct cql_connection *connection)
{
    return !connection->no_more && connection->stream && !connection->waiting &&
           connection->calls < CQL_CALLS_MAX &&
           io_stream_out_bytes(connection->stream) + connection->out.bytes <= CQL_OUT_HIGH;
}

void cql_connection_pump(struct cql_connection *connection)
{
    if (!connection->stream)
        return;
    if (connection->no_more && !connection->calls && !connection->dirty && !connection->in_data) {
        io_stream_close(connection->stream);
        return;
    }
    if (!connection->in_data && !connection->no_more)
        io_stream_pause(connection->stream, !may_read(connection));
}

/* The first byte says the version; nothing else of a head means anything before. False: closed. */
static bool version_check(struct cql_connection *connection)
{
    uint8_t version = connection->head[0] & 0x7F;
    int16_t stream = version >= CQL_VERSION_MIN ? (int16_t)get_be16(connection->head + 2) : 0;
    if (version < CQL_VERSION_MIN || version > CQL_VERSION_MAX) {
        uint8_t answer = connection->version ? connection->version : CQL_VERSION_MAX;
        cql_send_error(connection, answer, stream, CQL_PROTOCOL_ERROR,
                       "Invalid or unsupported protocol version (%u); supported versions are "
                       "(3/v3, 4/v4, 5/v5)",
                       version);
    } else if (connection->head[0] & 0x80) {
        cql_send_error(connection, version, stream, CQL_PROTOCOL_ERROR,
                       "Wrong protocol direction: expected a request, got a response");
    } else if (connection->version && connection->version != version &&
               connection->phase != PHASE_STARTUP) {
        cql_send_error(connection, connection->version, stream, CQL_PROTOCOL_ERROR,
                       "Invalid message version. Got %u/v%u but previous messages on this "
                       "connection had version %u/v%u",
                       version, version, connection->version, connection->version);
    } else {
        return true;
    }
    cql_connection_finish(connection);
    return false;
}

static bool is_work(uint8_t opcode)
{
    return opcode == CQL_QUERY || opcode == CQL_EXECUTE || opcode == CQL_BATCH ||
           opcode == CQL_PREPARE;
}

static void overloaded(struct cql_connection *connection, const struct cql_header *header)
{
    cql_send_error(connection, header->version, header->stream, CQL_OVERLOADED,
                   "Server is in overloaded state. Cannot accept more requests at this point");
    connection->skip_bytes = header->body_bytes;
    connection->head_count = 0;
}

/* Nine bytes are there. False: it waits for memory, with the head kept. */
static bool head_done(struct cql_connection *connection)
{
    struct cql_server *server = connection->server;
    struct cql_header header;
    if (cql_header_parse(connection->head, SIZE_MAX, &header) != OK)
        check_never("no length is over SIZE_MAX");
    if (header.body_bytes > server->request_bytes_max) {
        cql_send_error(connection, header.version, header.stream, CQL_INVALID,
                       "Request is too big: length %u exceeds maximum allowed length %zu.",
                       header.body_bytes, server->request_bytes_max);
        if (header.body_bytes > CQL_BODY_BYTES_MAX)
            cql_connection_finish(connection);
        connection->skip_bytes = header.body_bytes;
        connection->head_count = 0;
        return true;
    }
    if (!cql_memory_take(connection, header.body_bytes)) {
        if (connection->overload_error && is_work(header.opcode)) {
            cql_memory_forget(connection);
            overloaded(connection, &header);
            return true;
        }
        return false;
    }
    connection->version = header.version;
    connection->reading = cql_call_new(connection, &header);
    connection->reading->charged = header.body_bytes;
    connection->reading_since_ns = io_loop_now_ns(server->loop);
    connection->reading_seen = 0;
    connection->head_count = 0;
    return true;
}

static void body_done(struct cql_connection *connection)
{
    struct cql_call *call = connection->reading;
    connection->reading = NULL;
    connection->server->status.requests++;
    cql_call_begin(call);
}

static size_t take_head(struct cql_connection *connection, const uint8_t *data, size_t bytes)
{
    size_t want = (size_t)CQL_HEADER_BYTES - connection->head_count;
    size_t count = want < bytes ? want : bytes;
    memcpy(connection->head + connection->head_count, data, count);
    connection->head_count = (uint8_t)(connection->head_count + count);
    /* Heads of versions 1 and 2 have eight bytes and may be all that comes. */
    bool old = (connection->head[0] & 0x7F) < CQL_VERSION_MIN;
    if (connection->head_count >= (old ? 1 : 4) && !version_check(connection))
        return count;
    if (connection->head_count == CQL_HEADER_BYTES && head_done(connection) &&
        connection->reading && connection->reading->header.body_bytes == 0)
        body_done(connection);
    return count;
}

/* How many of the bytes were taken; 0 = it has to wait. */
static size_t take(struct cql_connection *connection, const uint8_t *data, size_t bytes)
{
    if (connection->skip_bytes) {
        size_t count = connection->skip_bytes < bytes ? (size_t)connection->skip_bytes : bytes;
        connection->skip_bytes -= count;
        return count;
    }
    struct cql_call *call = connection->reading;
    if (!call && connection->head_count < CQL_HEADER_BYTES)
        return take_head(connection, data, bytes);
    if (!call) {
        /* Memory was waited for with the head read. */
        if (!head_done(connection))
            return 0;
        call = connection->reading;
        if (!call)
            return take(connection, data, bytes);
    }
    size_t left = call->header.body_bytes - call->body.bytes;
    size_t count = bytes < left ? bytes : left;
    if (call->body.bytes == 0 && call->header.body_bytes <= BODY_AT_ONCE &&
        !buf_reserve(&call->body, call->header.body_bytes)) {
        cql_connection_finish(connection);
        return count;
    }
    buf_append(&call->body, data, count);
    if (count == left)
        body_done(connection);
    return count;
}

static void bad_segment(struct cql_connection *connection, const char *why)
{
    /* A flood of them is worth a line now and then. */
    if (connection->server->bad_segments++ % 1000 == 0)
        log_line(LOG_WARN, "cql", "%s: %s; the connection is closed",
                 io_stream_peer(connection->stream), why);
    cql_send_error(connection, connection->version, 0, CQL_PROTOCOL_ERROR, "%s", why);
    cql_connection_finish(connection);
}

/* One segment, or as much of it as may be taken now. How many bytes are done with; 0 = none. */
static size_t take_segment(struct cql_connection *connection, const uint8_t *data, size_t bytes)
{
    struct cql_segment segment;
    enum err err = cql_segment_parse(data, bytes, connection->compression,
                                     &connection->server->segment_in, &segment);
    if (err == ERR_TRUNCATED)
        return 0;
    if (err != OK) {
        bad_segment(connection, "a segment's checksum does not match");
        return 0;
    }
    const uint8_t *payload = (const uint8_t *)segment.payload.ptr;
    bool begins = !connection->reading && !connection->head_count && !connection->skip_bytes;
    if (connection->segment_taken == 0 && segment.self_contained && !begins) {
        bad_segment(connection, "a segment begins inside of an envelope");
        return 0;
    }
    while (connection->segment_taken < segment.payload.bytes && may_read(connection)) {
        size_t count = take(connection, payload + connection->segment_taken,
                            segment.payload.bytes - connection->segment_taken);
        if (!count)
            return 0;
        connection->segment_taken += count;
    }
    if (connection->segment_taken < segment.payload.bytes)
        return 0;
    connection->segment_taken = 0;
    bool whole = !connection->reading && !connection->head_count && !connection->skip_bytes;
    if (segment.self_contained && !whole && !connection->waiting && !connection->no_more)
        bad_segment(connection, "an envelope does not end with its segment");
    return segment.bytes;
}

static size_t connection_data(void *owner, struct io_stream *stream, const uint8_t *data,
                              size_t bytes)
{
    struct cql_connection *connection = owner;
    size_t at = 0;
    connection->refs++;
    connection->in_data = true;
    while (at < bytes && may_read(connection)) {
        size_t count = connection->framed ? take_segment(connection, data + at, bytes - at)
                                          : take(connection, data + at, bytes - at);
        if (!count)
            break;
        at += count;
    }
    connection->in_data = false;
    connection->server->status.bytes_in += at;
    if (connection->stream && !connection->framed)
        cql_memory_output(connection);
    bool ended = connection->no_more;
    cql_connection_pump(connection);
    cql_connection_unref(connection);
    return ended ? bytes : at;
}

static void connection_drained(void *owner, struct io_stream *stream)
{
    struct cql_connection *connection = owner;
    cql_memory_output(connection);
    cql_connection_pump(connection);
}

void *cql_connection_accept(void *owner, struct io_stream *stream)
{
    struct cql_server *server = owner;
    if (server->connection_count >= server->connections_max)
        return NULL;
    struct cql_connection *connection = mem_zero(sizeof *connection);
    connection->server = server;
    connection->stream = stream;
    connection->refs = 1;
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
    return connection;
}

const struct io_stream_events cql_connection_events = {
    .data = connection_data,
    .drained = connection_drained,
    .closed = connection_closed,
};
