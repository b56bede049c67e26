/* SPDX-License-Identifier: MIT */
/*
 * Streams: the input side and the life cycle; the output side is stream_out.c, the bytes are
 * carried by struct io_net_ops. One code for TCP and the simulated network, plain and TLS.
 *
 * Input is read into one buffer of the loop and handed to the owner from there; only what the owner
 * leaves is copied, to stream->in, and comes again in front of what follows. One receive per
 * readiness: the kernel reports again when there is more, so that no call is spent on learning
 * that there is nothing.
 *
 * News that must not be told from inside a call of the owner (opened, drained, closed, input again
 * after a pause) are bits in stream->pending, told once a turn.
 *
 * Life: new -> connected (established) -> TLS greeting -> open -> closing (output leaves) -> closed
 * (carrier gone, PENDING_CLOSED) -> told -> dead -> freed at the end of the turn.
 *
 * Invariants: 1. closed() is the last call, exactly once. 2. After `closed` is set no function of
 * the carrier is called. 3. A paused stream gets no data(); the carrier stops watching for input
 * only when some arrives, since most pauses are shorter than that. 4. An end is told after all data
 * before it.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/core.h"

void io_stream_moved(struct io_stream *stream)
{
    stream->active_ns = stream->loop->now_ns;
}

static void idle_fire(struct io_timer *timer)
{
    struct io_stream *stream = timer->owner;
    int64_t left_ns = stream->active_ns + stream->limits.idle_max_ns - stream->loop->now_ns;
    if (left_ns > 0)
        io_timer_start(stream->loop, timer, left_ns);
    else
        io_stream_fail(stream, ERR_TIMEOUT);
}

struct io_stream *io_stream_new(struct io_loop *loop, const struct io_stream_events *events,
                                const struct io_stream_limits *limits)
{
    check(events->data);
    check(events->closed);
    struct io_stream *stream = mem_zero(sizeof *stream);
    stream->handle.ready = io_stream_ready;
    stream->loop = loop;
    stream->fd = -1;
    stream->events = *events;
    stream->limits = *limits;
    if (stream->limits.in_max == 0)
        stream->limits.in_max = LIMIT_DEFAULT_BYTES;
    if (stream->limits.out_max == 0)
        stream->limits.out_max = LIMIT_DEFAULT_BYTES;
    stream->files_end = &stream->files;
    stream->idle.fire = idle_fire;
    stream->idle.owner = stream;
    stream->active_ns = loop->in_turn ? loop->now_ns : io_now_ns(loop->io);
    if (limits->idle_max_ns > 0)
        io_timer_start(loop, &stream->idle, limits->idle_max_ns);
    loop->stream_count++;
    return stream;
}

void io_stream_pend(struct io_stream *stream, unsigned what)
{
    struct io_loop *loop = stream->loop;
    if (!stream->pending) {
        stream->next_pending = NULL;
        *loop->pending_end = stream;
        loop->pending_end = &stream->next_pending;
    }
    stream->pending |= what;
}

/* The carrier goes, closed() will be told. */
void io_stream_finish(struct io_stream *stream, enum err why, bool orderly)
{
    if (stream->closed)
        return;
    stream->closed = true;
    stream->why = why;
    io_timer_stop(stream->loop, &stream->idle);
    stream->loop->net->close(stream, orderly);
    io_stream_pend(stream, PENDING_CLOSED);
}

void io_stream_fail(struct io_stream *stream, enum err why)
{
    io_stream_finish(stream, why, false);
}

static void arm(struct io_stream *stream, unsigned events)
{
    if (stream->armed != events && !stream->closed && stream->established) {
        stream->armed = events;
        stream->loop->net->arm(stream, events);
    }
}

void io_stream_want_room(struct io_stream *stream, bool on)
{
    arm(stream, on ? stream->armed | IO_WRITABLE : stream->armed & ~(unsigned)IO_WRITABLE);
}

static void want_input(struct io_stream *stream, bool on)
{
    arm(stream, on ? stream->armed | IO_READABLE : stream->armed & ~(unsigned)IO_READABLE);
}

static void bury(struct io_stream *stream)
{
    stream->next_dead = stream->loop->dead;
    stream->loop->dead = stream;
}

bool io_stream_accepted(struct io_listener *listener, struct io_stream *stream)
{
    if (listener->tls) {
        enum err err = io_tls_session_new(listener->tls, false, NULL, &stream->tls);
        check(err == OK);
        stream->greeting = true;
    }
    stream->established = true;
    void *owner = listener->accept(listener->owner, stream);
    stream->loop->ran++;
    if (owner) {
        stream->owner = owner;
        return true;
    }
    io_stream_finish(stream, ERR_DENIED, false);
    /* Nobody wants to hear of it. */
    stream->events.closed = NULL;
    return false;
}

void io_stream_connected(struct io_stream *stream)
{
    stream->established = true;
    io_stream_moved(stream);
    if (stream->tls) {
        stream->greeting = true;
        enum err err = io_tls_session_greet(stream->tls);
        if (err != ERR_AGAIN)
            io_stream_fail(stream, err == OK ? ERR_NETWORK : err);
    } else if (stream->events.opened) {
        io_stream_pend(stream, PENDING_OPENED);
    }
    io_stream_mark_dirty(stream);
}

/* Tells the end when everything before it was told; what is kept from before a pause comes first,
 * and run_pending() calls again after it. */
static void give_end(struct io_stream *stream)
{
    if (!stream->end_seen || stream->end_given || stream->paused || stream->closed ||
        stream->closing || (stream->pending & PENDING_DELIVER))
        return;
    stream->end_given = true;
    stream->loop->ran++;
    if (stream->events.ended)
        stream->events.ended(stream->owner, stream);
    else
        io_stream_close(stream);
}

/* Hands out bytes that lie in stream->in or in a buffer of the loop; keeps the rest. */
static void deliver(struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    bool kept = data == stream->in.ptr;
    stream->loop->ran++;
    size_t used = stream->events.data(stream->owner, stream, data, bytes);
    check(used <= bytes);
    if (stream->closed || stream->closing) {
        buf_deinit(&stream->in);
        return;
    }
    if (kept && used == bytes)
        buf_deinit(&stream->in);
    else if (kept && used)
        buf_consume(&stream->in, used);
    else if (!kept && used < bytes)
        buf_append(&stream->in, data + used, bytes - used);
    /* A paused stream holds one receive more at most, and its owner means to go on. */
    if (stream->in.bytes > stream->limits.in_max && !stream->paused)
        io_stream_fail(stream, ERR_LIMIT);
}

/* What the carrier has, into the loop's buffer or behind what is kept. *ret_data = where all of it
 * lies, *ret_bytes how much was new; 0 = the end. */
static enum err receive(struct io_stream *stream, const uint8_t **ret_data, size_t *ret_bytes)
{
    struct io_loop *loop = stream->loop;
    uint8_t *to = loop->in_buffer;
    size_t room = IN_BUFFER_BYTES;
    if (stream->in.bytes && !stream->tls) {
        /* As much again as is there, so that a big message takes few rounds. */
        room = stream->in.bytes < 16384 ? 16384 : stream->in.bytes;
        room = room < IN_BUFFER_BYTES ? room : IN_BUFFER_BYTES;
        to = buf_reserve(&stream->in, room);
        if (!to)
            return ERR_LIMIT;
    }
    size_t got = 0;
    TRY(loop->net->receive(stream, to, room, &got));
    if (got)
        io_stream_moved(stream);
    if (to != loop->in_buffer) {
        buf_advance(&stream->in, got);
        to = stream->in.ptr;
    }
    *ret_data = to;
    *ret_bytes = got;
    return OK;
}

/* Opens what the TLS session has and hands it out, until it has no more or the owner pauses. */
static void deliver_opened(struct io_stream *stream)
{
    enum err err = OK;
    while (!stream->closed && !stream->paused && !stream->closing) {
        size_t got = 0;
        err = io_tls_session_open(stream->tls, stream->loop->plain_buffer, IN_BUFFER_BYTES, &got);
        if (err != OK)
            break;
        if (stream->in.bytes) {
            buf_append(&stream->in, stream->loop->plain_buffer, got);
            deliver(stream, stream->in.ptr, stream->in.bytes);
        } else {
            deliver(stream, stream->loop->plain_buffer, got);
        }
    }
    if (stream->closed)
        return;
    if (io_tls_session_has_output(stream->tls))
        io_stream_mark_dirty(stream);
    if (err == ERR_CLOSED) {
        stream->end_seen = true;
        want_input(stream, false);
        give_end(stream);
    } else if (err != OK && err != ERR_AGAIN) {
        io_stream_fail(stream, err);
    }
}

static void greet(struct io_stream *stream)
{
    enum err err = io_tls_session_greet(stream->tls);
    if (err == ERR_AGAIN) {
        io_stream_mark_dirty(stream);
        return;
    }
    if (err != OK) {
        /* The other side should learn why. */
        io_stream_flush(stream);
        io_stream_finish(stream, err, true);
        return;
    }
    stream->greeting = false;
    if (stream->is_client && stream->events.opened)
        io_stream_pend(stream, PENDING_OPENED | PENDING_DELIVER);
    else
        deliver_opened(stream);
    io_stream_mark_dirty(stream);
}

static void take_sealed(struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    if (bytes == 0) {
        /* No orderly end inside TLS: somebody may have cut the stream short. */
        if (!stream->end_seen)
            io_stream_fail(stream, stream->closing ? OK : ERR_NETWORK);
        return;
    }
    io_tls_session_feed(stream->tls, data, bytes);
    if (stream->greeting)
        greet(stream);
    else
        deliver_opened(stream);
}

static void take_input(struct io_stream *stream)
{
    const uint8_t *data = NULL;
    size_t bytes = 0;
    enum err err = receive(stream, &data, &bytes);
    if (err == ERR_AGAIN)
        return;
    if (err != OK) {
        io_stream_fail(stream, err);
        return;
    }
    if (stream->closing && !stream->greeting) {
        /* Nobody reads any more; it is taken so that the other side is not stuck. */
        if (bytes == 0)
            want_input(stream, false);
        return;
    }
    if (stream->tls) {
        take_sealed(stream, data, bytes);
        return;
    }
    if (bytes == 0) {
        stream->end_seen = true;
        want_input(stream, false);
        give_end(stream);
        return;
    }
    bool kept = data == stream->in.ptr;
    deliver(stream, data, kept ? stream->in.bytes : bytes);
}

void io_stream_ready(struct io_handle *handle, unsigned events)
{
    struct io_stream *stream = (struct io_stream *)handle;
    if (stream->closed)
        return;
    if (events & IO_WRITABLE) {
        io_stream_want_room(stream, false);
        io_stream_mark_dirty(stream);
    }
    bool reads =
        (stream->armed & IO_READABLE) && (!stream->paused || stream->closing || stream->greeting);
    if (reads && (events & (IO_READABLE | IO_ERROR)))
        take_input(stream);
    else if (events & IO_ERROR)
        io_stream_fail(stream, ERR_NETWORK);
    else if (events & IO_READABLE)
        want_input(stream, false);
}

static void run_pending(struct io_stream *stream)
{
    struct io_loop *loop = stream->loop;
    unsigned what = stream->pending;
    stream->pending = 0;
    if ((what & PENDING_OPENED) && !stream->closed) {
        loop->ran++;
        stream->events.opened(stream->owner, stream);
    }
    if ((what & PENDING_DELIVER) && !stream->closed && !stream->closing && !stream->paused) {
        if (stream->in.bytes)
            deliver(stream, stream->in.ptr, stream->in.bytes);
        if (stream->tls && !stream->greeting && !stream->closed)
            deliver_opened(stream);
        give_end(stream);
    }
    if ((what & PENDING_DRAINED) && !stream->closed && !stream->closing) {
        loop->ran++;
        stream->events.drained(stream->owner, stream);
    }
    if (!(what & PENDING_CLOSED))
        return;
    io_stream_drop_output(stream);
    if (stream->events.closed) {
        loop->ran++;
        stream->events.closed(stream->owner, stream, stream->why);
    }
    bury(stream);
}

void io_streams_run_pending(struct io_loop *loop)
{
    struct io_stream *list = loop->pending;
    loop->pending = NULL;
    loop->pending_end = &loop->pending;
    while (list) {
        struct io_stream *stream = list;
        list = stream->next_pending;
        run_pending(stream);
    }
}

void io_streams_free_dead(struct io_loop *loop)
{
    if (loop->dead && loop->dirty)
        io_streams_flush_dirty(loop);
    while (loop->dead) {
        struct io_stream *stream = loop->dead;
        loop->dead = stream->next_dead;
        check(!stream->pending);
        io_tls_session_free(stream->tls);
        buf_deinit(&stream->in);
        buf_deinit(&stream->out);
        buf_deinit(&stream->sealed);
        mem_free(stream);
        loop->stream_count--;
    }
    while (loop->dead_listeners) {
        struct io_listener *listener = loop->dead_listeners;
        loop->dead_listeners = listener->next_dead;
        mem_free(listener);
    }
}

const char *io_stream_tls_trouble(const struct io_stream *stream)
{
    return stream->tls ? io_tls_session_reason(stream->tls) : "";
}

void io_stream_pause(struct io_stream *stream, bool paused)
{
    if (stream->paused == paused)
        return;
    stream->paused = paused;
    if (paused || stream->closed)
        return;
    if (!stream->end_seen)
        want_input(stream, true);
    if (stream->in.bytes || stream->tls || stream->end_seen)
        io_stream_pend(stream, PENDING_DELIVER);
}

void io_stream_close(struct io_stream *stream)
{
    if (stream->closed || stream->closing)
        return;
    if (!stream->established && io_stream_out_bytes(stream) == 0) {
        io_stream_finish(stream, OK, false);
        return;
    }
    stream->closing = true;
    if (!stream->end_seen)
        want_input(stream, true);
    io_stream_mark_dirty(stream);
}

void io_stream_abort(struct io_stream *stream, enum err why)
{
    io_stream_finish(stream, why, false);
}

const char *io_stream_peer(const struct io_stream *stream)
{
    return stream->peer;
}

void io_stream_set_owner(struct io_stream *stream, void *owner)
{
    stream->owner = owner;
}

void io_stream_set_idle(struct io_stream *stream, int64_t idle_max_ns)
{
    stream->limits.idle_max_ns = idle_max_ns;
    if (stream->closed)
        return;
    io_stream_moved(stream);
    if (idle_max_ns > 0)
        io_timer_start(stream->loop, &stream->idle, idle_max_ns);
    else
        io_timer_stop(stream->loop, &stream->idle);
}

enum err io_listen(struct io_loop *loop, const char *address, struct io_tls *tls,
                   const struct io_stream_events *events, const struct io_stream_limits *limits,
                   void *(*accept)(void *owner, struct io_stream *stream), void *owner,
                   struct io_listener **ret_listener)
{
    struct io_listener *listener = mem_zero(sizeof *listener);
    *listener = (struct io_listener){.loop = loop,
                                     .tls = tls,
                                     .events = events,
                                     .limits = limits,
                                     .accept = accept,
                                     .owner = owner,
                                     .fd = -1};
    enum err err = loop->net->listen(listener, address);
    if (err != OK) {
        mem_free(listener);
        return err;
    }
    loop->listener_count++;
    *ret_listener = listener;
    return OK;
}

uint16_t io_listener_port(const struct io_listener *listener)
{
    return listener->port;
}

void io_listener_close(struct io_listener *listener)
{
    if (!listener)
        return;
    check(!listener->closed);
    struct io_loop *loop = listener->loop;
    listener->closed = true;
    io_timer_stop(loop, &listener->rest);
    loop->net->listener_close(listener);
    loop->listener_count--;
    /* An event of this turn may still name it. */
    listener->next_dead = loop->dead_listeners;
    loop->dead_listeners = listener;
}

void io_listener_pause(struct io_listener *listener, bool paused)
{
    if (listener->paused == paused)
        return;
    listener->paused = paused;
    if (!listener->resting)
        listener->loop->net->listener_arm(listener, !paused);
}

enum err io_connect(struct io_loop *loop, const char *address, struct io_tls *tls,
                    const char *host_name, const struct io_stream_events *events,
                    const struct io_stream_limits *limits, void *owner,
                    struct io_stream **ret_stream)
{
    struct address parts;
    TRY(io_address_split(address, &parts));
    struct tls_session *session = NULL;
    if (tls)
        TRY(io_tls_session_new(tls, true, host_name ? host_name : parts.host, &session));
    struct io_stream *stream = io_stream_new(loop, events, limits);
    stream->owner = owner;
    stream->tls = session;
    stream->is_client = true;
    size_t bytes = strlen(address);
    memcpy(stream->peer, address, bytes < sizeof stream->peer ? bytes : sizeof stream->peer - 1);
    enum err err = loop->net->connect(stream, address);
    if (err != OK) {
        io_timer_stop(loop, &stream->idle);
        bury(stream);
        return err;
    }
    *ret_stream = stream;
    return OK;
}
