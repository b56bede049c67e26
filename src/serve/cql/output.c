/* SPDX-License-Identifier: MIT */
/*
 * Answers on their way out.
 *
 * v3, v4: an envelope is copied to the stream at once, compressed before where the client asked for
 * it; the stream sends all of a turn in one call. v5: envelopes of a turn gather in the connection
 * and are wrapped at its end, so that small answers share a segment and its sums. The buffers that
 * they gather in go round among connections: an idle one holds none.
 */
#include "serve/cql/net.h"

#include "base/endian.h"
#include "base/logline.h"

enum { GATHER_BYTES_MAX = 256 << 10, SPARE_OUT_BYTES_MAX = 512 << 10, PLAIN_HEAD_MAX = 512 };

static void stream_write(struct cql_connection *connection, const void *data, size_t bytes)
{
    connection->server->status.bytes_out += bytes;
    enum err err = io_stream_write(connection->stream, data, bytes);
    if (err != OK && err != ERR_CLOSED) {
        log_line(LOG_ERROR, "cql", "%s: an answer cannot be sent: %s",
                 io_stream_peer(connection->stream), err_text(err));
        io_stream_abort(connection->stream, err);
    }
}

static void head_write(uint8_t *to, uint8_t version, uint8_t flags, int16_t stream, uint8_t opcode,
                       size_t bytes)
{
    to[0] = version | 0x80;
    to[1] = flags;
    put_be16(to + 2, (uint16_t)stream);
    to[4] = opcode;
    put_be32(to + 5, (uint32_t)bytes);
}

static void gather(struct cql_connection *connection, const uint8_t *head, struct str prefix,
                   struct str body)
{
    struct cql_server *server = connection->server;
    if (!connection->dirty) {
        connection->dirty = true;
        connection->next_dirty = server->dirty;
        server->dirty = connection;
    }
    if (!connection->out.ptr && server->out_count)
        connection->out = server->outs[--server->out_count];
    buf_append(&connection->out, head, CQL_HEADER_BYTES);
    buf_str_append(&connection->out, prefix);
    buf_str_append(&connection->out, body);
    if (connection->out.bytes > GATHER_BYTES_MAX)
        cql_connection_flush(connection);
}

void cql_send(struct cql_connection *connection, uint8_t version, uint8_t flags, int16_t stream,
              uint8_t opcode, struct str prefix, struct str body)
{
    struct cql_server *server = connection->server;
    uint8_t head[PLAIN_HEAD_MAX];
    if (!connection->stream)
        return;
    head_write(head, version, flags, stream, opcode, prefix.bytes + body.bytes);
    if (connection->framed) {
        gather(connection, head, prefix, body);
        return;
    }
    if (connection->compression != CQL_UNCOMPRESSED && connection->phase != PHASE_STARTUP) {
        struct buf *out = &server->scratch;
        buf_reset(out);
        buf_append(out, head, CQL_HEADER_BYTES);
        buf_str_append(out, prefix);
        buf_str_append(out, body);
        cql_body_compress(connection->compression, out, 0);
        stream_write(connection, out->ptr, out->bytes);
        if (out->room > SPARE_OUT_BYTES_MAX)
            buf_deinit(out);
        return;
    }
    size_t bytes = CQL_HEADER_BYTES;
    bool small = prefix.bytes + body.bytes <= sizeof head - CQL_HEADER_BYTES;
    if (small && prefix.bytes) {
        memcpy(head + bytes, prefix.ptr, prefix.bytes);
        bytes += prefix.bytes;
    }
    if (small && body.bytes) {
        memcpy(head + bytes, body.ptr, body.bytes);
        bytes += body.bytes;
    }
    stream_write(connection, head, bytes);
    if (!small && prefix.bytes)
        stream_write(connection, prefix.ptr, prefix.bytes);
    if (!small)
        stream_write(connection, body.ptr, body.bytes);
}

void cql_connection_flush(struct cql_connection *connection)
{
    struct cql_server *server = connection->server;
    struct buf *out = &connection->out;
    if (out->bytes && connection->stream) {
        buf_reset(&server->segment_out);
        cql_segments_append(buf_str(out), connection->compression, &server->segment_out);
        stream_write(connection, server->segment_out.ptr, server->segment_out.bytes);
        if (server->segment_out.room > SPARE_OUT_BYTES_MAX)
            buf_deinit(&server->segment_out);
    }
    if (out->ptr && out->room <= SPARE_OUT_BYTES_MAX && server->out_count < CQL_SPARE_OUTS_MAX) {
        buf_reset(out);
        server->outs[server->out_count++] = *out;
        *out = (struct buf){0};
    } else {
        buf_deinit(out);
        *out = (struct buf){0};
    }
}

void cql_server_flush(struct cql_server *server)
{
    while (server->dirty) {
        struct cql_connection *connection = server->dirty;
        server->dirty = connection->next_dirty;
        connection->dirty = false;
        cql_connection_flush(connection);
        if (!connection->stream)
            continue;
        cql_memory_output(connection);
        if (connection->no_more && !connection->calls)
            io_stream_close(connection->stream);
    }
}
