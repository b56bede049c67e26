/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

/* A client of raw bytes in the server's own loop: what is sent and what came back, to the letter.
 */
#include "base/mem.h"
#include "io/loop.h"
#include "test.h"

struct client {
    struct io_loop *loop;
    struct io_stream *stream;
    struct buf in;
    bool open, closed;
};

static void client_opened(void *owner, struct io_stream *stream)
{
    (void)stream;
    ((struct client *)owner)->open = true;
}
static size_t client_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)stream;
    buf_append(&((struct client *)owner)->in, data, bytes);
    return bytes;
}
static void client_closed(void *owner, struct io_stream *stream, enum err why)
{
    (void)stream;
    (void)why;
    struct client *client = owner;
    client->closed = true;
    client->stream = NULL;
}

static const struct io_stream_events client_events = {
    .opened = client_opened, .data = client_data, .closed = client_closed};
static const struct io_stream_limits client_limits = {
    .in_max = 1 << 20, .out_max = 64 << 20, .out_low = 1 << 16};

/* Turns the loop until done answers true, at most ten seconds. */
static inline bool turn_until(struct io_loop *loop, bool (*done)(void *owner), void *owner)
{
    struct io *io = io_loop_io(loop);
    int64_t end = io_now_ns(io) + 10000000000;
    while (!done(owner)) {
        if (io_now_ns(io) > end)
            return false;
        io_loop_turn(loop, 10000000);
    }
    return true;
}

static inline void turn_for(struct io_loop *loop, int64_t ms)
{
    int64_t end = io_now_ns(io_loop_io(loop)) + ms * 1000000;
    while (io_now_ns(io_loop_io(loop)) < end)
        io_loop_turn(loop, 1000000);
}

static inline bool client_is_open(void *owner)
{
    return ((struct client *)owner)->open || ((struct client *)owner)->closed;
}
static inline bool client_is_closed(void *owner)
{
    return ((struct client *)owner)->closed;
}

static inline void client_connect(struct client *client, struct io_loop *loop, uint16_t port)
{
    char address[32];
    memset(client, 0, sizeof *client);
    client->loop = loop;
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    assert_ok(io_connect(loop, address, NULL, NULL, &client_events, &client_limits, client,
                         &client->stream));
    assert_true(turn_until(loop, client_is_open, client));
    assert_true(client->open);
}

static inline void client_send(struct client *client, const char *text)
{
    assert_ok(io_stream_write(client->stream, text, strlen(text)));
}

struct client_wait {
    struct client *client;
    const char *text;
    size_t count;
};
static inline bool client_has(void *owner)
{
    struct client_wait *wait = owner;
    size_t count = 0, at = 0;
    struct str in = buf_str(&wait->client->in);
    while ((at = in.bytes ? str_find(in, str_of(wait->text), at) : SIZE_MAX) != SIZE_MAX) {
        count++;
        at++;
    }
    return count >= wait->count;
}
/* Until text came count times. */
static inline void client_expect(struct client *client, const char *text, size_t count)
{
    struct client_wait wait = {client, text, count};
    if (!turn_until(client->loop, client_has, &wait))
        fail_msg("'%s' did not come %zu times; have '%.*s'", text, count,
                 STR_ARG(buf_str(&client->in)));
}
static inline void client_expect_closed(struct client *client)
{
    if (!turn_until(client->loop, client_is_closed, client))
        fail_msg("not closed; have '%.*s'", STR_ARG(buf_str(&client->in)));
}

static inline void client_end(struct client *client)
{
    if (client->stream) {
        io_stream_abort(client->stream, ERR_CANCELLED);
        assert_true(turn_until(client->loop, client_is_closed, client));
    }
    buf_deinit(&client->in);
}

#endif
