/* SPDX-License-Identifier: MIT */
/*
 * The output side of streams. Writes are copied behind each other into one buffer and leave at the
 * end of the turn in one call. Buffers go round among the streams of a loop: a thousand idle
 * connections hold none.
 *
 * A file is a marker "after so many bytes of the buffer", so that bytes and files keep their order
 * without a list of small pieces. With TLS the plain buffer is sealed a piece at a time, and no
 * more is sealed while sealed bytes wait: the output limit stays true.
 *
 * When the carrier takes no more, the stream waits for room (io_stream_want_room) and is marked
 * dirty again by io_stream_ready().
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/core.h"

enum { SEAL_PIECE_BYTES = 64 * 1024, COMPACT_BYTES = 64 * 1024 };

static size_t plain_bytes(const struct io_stream *stream)
{
    return stream->out.bytes - stream->out_start;
}

static size_t sealed_bytes(const struct io_stream *stream)
{
    return stream->sealed.bytes - stream->sealed_start;
}

size_t io_stream_out_bytes(const struct io_stream *stream)
{
    return plain_bytes(stream) + sealed_bytes(stream) + stream->file_bytes;
}

void io_stream_mark_dirty(struct io_stream *stream)
{
    struct io_loop *loop = stream->loop;
    if (stream->in_dirty)
        return;
    stream->in_dirty = true;
    stream->next_dirty = NULL;
    *loop->dirty_end = stream;
    loop->dirty_end = &stream->next_dirty;
}

static void take_spare(struct io_loop *loop, struct buf *buf)
{
    if (!buf->ptr && loop->spare_count)
        *buf = loop->spares[--loop->spare_count];
    /* The limit is asked for before; the buffer's own is only the roof. */
    buf->bytes_max = (size_t)BUF_MAX_DEFAULT * 4;
}

static void give_spare(struct io_loop *loop, struct buf *buf)
{
    if (buf->ptr && loop->spare_count < OUT_SPARES && buf->room <= OUT_SPARE_BYTES_MAX) {
        buf_reset(buf);
        loop->spares[loop->spare_count++] = *buf;
        *buf = (struct buf){0};
    } else {
        buf_deinit(buf);
    }
}

static void note_level(struct io_stream *stream)
{
    if (io_stream_out_bytes(stream) > stream->limits.out_low)
        stream->over_low = true;
}

enum err io_stream_write(struct io_stream *stream, const void *data, size_t bytes)
{
    if (stream->closed || stream->closing)
        return ERR_CLOSED;
    size_t queued = plain_bytes(stream) + sealed_bytes(stream);
    if (bytes > stream->limits.out_max || queued > stream->limits.out_max - bytes)
        return ERR_LIMIT;
    if (bytes == 0)
        return OK;
    take_spare(stream->loop, &stream->out);
    buf_append(&stream->out, data, bytes);
    TRY(buf_error(&stream->out));
    note_level(stream);
    io_stream_mark_dirty(stream);
    return OK;
}

enum err io_stream_send_file(struct io_stream *stream, struct io_file *file, uint64_t offset,
                             size_t bytes, void (*done)(void *owner), void *owner)
{
    if (stream->closed || stream->closing)
        return ERR_CLOSED;
    struct out_file *piece = mem_alloc(sizeof *piece);
    *piece = (struct out_file){
        .file = file,
        .offset = offset,
        .bytes = bytes,
        .position = stream->sent_bytes + plain_bytes(stream),
        .done = done,
        .owner = owner,
    };
    *stream->files_end = piece;
    stream->files_end = &piece->next;
    stream->file_bytes += bytes;
    note_level(stream);
    io_stream_mark_dirty(stream);
    return OK;
}

static void finish_file(struct io_stream *stream)
{
    struct out_file *piece = stream->files;
    stream->files = piece->next;
    if (!stream->files)
        stream->files_end = &stream->files;
    stream->file_bytes -= piece->bytes;
    if (piece->done) {
        stream->loop->ran++;
        piece->done(piece->owner);
    }
    mem_free(piece);
}

void io_stream_drop_output(struct io_stream *stream)
{
    while (stream->files)
        finish_file(stream);
    give_spare(stream->loop, &stream->out);
    give_spare(stream->loop, &stream->sealed);
    stream->out_start = stream->sealed_start = 0;
}

static void consume(struct io_loop *loop, struct buf *buf, size_t *start, size_t bytes)
{
    *start += bytes;
    if (*start == buf->bytes) {
        give_spare(loop, buf);
        *start = 0;
    } else if (*start >= COMPACT_BYTES && *start >= buf->bytes / 2) {
        buf_consume(buf, *start);
        *start = 0;
    }
}

static enum err send_bytes(struct io_stream *stream, const void *data, size_t bytes, bool more,
                           size_t *ret_bytes)
{
    TRY(stream->loop->net->send(stream, data, bytes, more, ret_bytes));
    io_stream_moved(stream);
    return OK;
}

/* TLS: what is sealed goes first. */
static enum err flush_sealed(struct io_stream *stream)
{
    struct io_loop *loop = stream->loop;
    if (io_tls_session_has_output(stream->tls)) {
        take_spare(loop, &stream->sealed);
        io_tls_session_take(stream->tls, &stream->sealed);
        TRY(buf_error(&stream->sealed));
    }
    while (sealed_bytes(stream)) {
        size_t sent = 0;
        TRY(send_bytes(stream, stream->sealed.ptr + stream->sealed_start, sealed_bytes(stream),
                       false, &sent));
        consume(loop, &stream->sealed, &stream->sealed_start, sent);
    }
    return OK;
}

static enum err flush_plain(struct io_stream *stream, size_t bytes, bool more)
{
    const uint8_t *from = stream->out.ptr + stream->out_start;
    size_t done = bytes;
    if (stream->tls) {
        done = bytes < SEAL_PIECE_BYTES ? bytes : SEAL_PIECE_BYTES;
        TRY(io_tls_session_seal(stream->tls, from, done));
    } else {
        TRY(send_bytes(stream, from, bytes, more, &done));
    }
    stream->sent_bytes += done;
    consume(stream->loop, &stream->out, &stream->out_start, done);
    return OK;
}

/* A piece of the first file; through memory where the carrier cannot send files. */
static enum err flush_file(struct io_stream *stream)
{
    struct out_file *piece = stream->files;
    const struct io_net_ops *net = stream->loop->net;
    size_t done = 0;
    if (piece->bytes == 0) {
        finish_file(stream);
        return OK;
    }
    if (net->send_file && !stream->tls) {
        TRY(net->send_file(stream, piece->file, piece->offset, piece->bytes, &done));
        io_stream_moved(stream);
    } else {
        uint8_t *data = stream->loop->plain_buffer;
        size_t want = piece->bytes < SEAL_PIECE_BYTES ? piece->bytes : SEAL_PIECE_BYTES;
        TRY(io_file_read(piece->file, piece->offset, data, want, &done));
        if (done && stream->tls)
            TRY(io_tls_session_seal(stream->tls, data, done));
        else if (done)
            TRY(send_bytes(stream, data, done, want < piece->bytes, &done));
    }
    if (done == 0)
        return ERR_TRUNCATED; /* the file is shorter than what was promised */
    piece->offset += done;
    piece->bytes -= done;
    stream->file_bytes -= done;
    if (piece->bytes == 0)
        finish_file(stream);
    return OK;
}

/* Sends until all is gone (OK) or the carrier takes no more (ERR_AGAIN). */
static enum err flush_all(struct io_stream *stream)
{
    /* done() of a file may abort the stream. */
    while (!stream->closed) {
        if (stream->tls)
            TRY(flush_sealed(stream));
        if (stream->greeting)
            return OK;
        size_t bytes = plain_bytes(stream);
        if (stream->files)
            bytes = (size_t)(stream->files->position - stream->sent_bytes);
        if (bytes)
            TRY(flush_plain(stream, bytes, stream->files != NULL));
        else if (stream->files)
            TRY(flush_file(stream));
        else if (!stream->tls || !io_tls_session_has_output(stream->tls))
            return OK;
    }
    return OK;
}

void io_stream_flush(struct io_stream *stream)
{
    if (stream->closed || !stream->established || (stream->armed & IO_WRITABLE))
        return;
    enum err err = flush_all(stream);
    if (err == ERR_AGAIN) {
        io_stream_want_room(stream, true);
    } else if (err != OK) {
        io_stream_fail(stream, err);
    }
    if (stream->closed)
        return;
    if (stream->over_low && io_stream_out_bytes(stream) <= stream->limits.out_low) {
        stream->over_low = false;
        if (stream->events.drained)
            io_stream_pend(stream, PENDING_DRAINED);
    }
    if (err != OK || !stream->closing || stream->greeting)
        return;
    if (stream->tls && !stream->end_told) {
        stream->end_told = true;
        io_tls_session_say_end(stream->tls);
        io_stream_flush(stream);
        return;
    }
    io_stream_finish(stream, OK, true);
}

void io_streams_flush_dirty(struct io_loop *loop)
{
    while (loop->dirty) {
        struct io_stream *stream = loop->dirty;
        loop->dirty = stream->next_dirty;
        if (!loop->dirty)
            loop->dirty_end = &loop->dirty;
        stream->in_dirty = false;
        io_stream_flush(stream);
    }
}
