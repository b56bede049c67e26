/* SPDX-License-Identifier: MIT */
/*
 * Clients: a connection is made when something is to be sent, and answers are matched in their
 * order, which the protocol promises. What was under way on a connection that ended is answered
 * with NULL: the client cannot know whether it was done.
 */
#include "world.h"

#include "base/endian.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { ANSWER_BYTES_MAX = 64 << 20, ASK_MS = 60 * 1000, MS = 1000 * 1000 };

/* ---- connections --------------------------------------------------------------------------- */

static struct request *request_take(struct conn *conn)
{
    struct request *request = conn->requests;
    conn->requests = request->next;
    if (!conn->requests)
        conn->requests_end = &conn->requests;
    conn->count--;
    return request;
}

static void request_end(struct request *request, void *response)
{
    struct world *w = request->conn->w;
    w->order++;
    if (request->answered)
        request->answered(request, response);
    mem_free(request->context);
    mem_free(request);
}

static void answer(struct conn *conn, struct str frame)
{
    struct world *w = conn->w;
    struct request *request = conn->requests;
    struct arena arena;
    if (!request || frame.bytes < 4 || (int32_t)get_be32(frame.ptr) != request->id) {
        seed_fail(w->run, "an answer that nobody asked for, or in the wrong order");
        return;
    }
    const struct kafka_message *message = request->api->response;
    bool tags =
        request->api->key != KAFKA_KEY_API_VERSIONS && request->version >= message->flexible_from;
    seed_digest(w->run, frame.ptr, frame.bytes);
    arena_init(&arena, ANSWER_BYTES_MAX);
    void *response = arena_alloc(&arena, message->bytes);
    enum err err = kafka_decode(message, request->version,
                                str_slice(frame, tags ? 5 : 4, frame.bytes), &arena, response);
    if (err != OK)
        seed_fail(w->run, "an answer to %s v%d does not decode: %s", request->api->name,
                  request->version, err_text(err));
    else
        request_end(request_take(conn), response);
    arena_deinit(&arena);
}

static size_t data(void *owner, struct io_stream *stream, const uint8_t *bytes, size_t count)
{
    struct conn *conn = owner;
    size_t at = 0;
    while (count - at >= 4 && !failed(conn->w) && conn->stream == stream) {
        size_t frame = get_be32(bytes + at);
        if (count - at - 4 < frame)
            break;
        answer(conn, str_from(bytes + at + 4, frame));
        at += 4 + frame;
    }
    return failed(conn->w) ? count : at;
}

static void closed(void *owner, struct io_stream *stream, enum err why)
{
    struct conn *conn = owner;
    if (conn->stream == stream)
        conn->stream = NULL;
    int count = conn->count;
    if (count)
        reached(conn->w, MARK_CONNECTION_LOST);
    /* Those that are sent from inside go to the next connection. */
    for (; count && conn->requests; count--)
        request_end(request_take(conn), NULL);
}

struct conn *conn_new(struct world *w)
{
    struct conn *conn = mem_zero(sizeof *conn);
    conn->w = w;
    conn->requests_end = &conn->requests;
    conn->next = w->conns;
    w->conns = conn;
    return conn;
}

void conn_cut(struct conn *conn)
{
    if (conn->stream)
        io_stream_abort(conn->stream, ERR_CANCELLED);
}

static bool conn_open(struct conn *conn)
{
    static const struct io_stream_events events = {.data = data, .closed = closed};
    static const struct io_stream_limits limits = {.in_max = 64 << 20, .out_max = 64 << 20};
    if (conn->stream)
        return true;
    return io_connect(conn->w->clients, "127.0.0.1:9092", NULL, NULL, &events, &limits, conn,
                      &conn->stream) == OK;
}

struct request *conn_send(struct conn *conn, int16_t key, int16_t version, const void *message,
                          void (*answered)(struct request *request, void *response), void *owner,
                          void *context)
{
    struct world *w = conn->w;
    CLEAN(buf_deinit) struct buf out = {0};
    struct request *request = mem_zero(sizeof *request);
    *request = (struct request){.conn = conn,
                                .api = kafka_api_find(key),
                                .version = version,
                                .id = conn->next_id++,
                                .answered = answered,
                                .owner = owner,
                                .context = context,
                                .order = ++w->order,
                                .sent_ms = now_ms(w),
                                .life = w->life};
    size_t at = kafka_request_begin(key, version, request->id, STR("sim"), &out);
    if (kafka_encode(request->api->request, version, message, &out) != OK)
        seed_fail(w->run, "a request %s v%d does not encode", request->api->name, version);
    kafka_frame_end(&out, at);
    arena_reset(&w->scratch);
    *conn->requests_end = request;
    conn->requests_end = &request->next;
    conn->count++;
    enum err err = conn_open(conn) ? OK : ERR_NETWORK;
    if (err == OK)
        err = io_stream_write(conn->stream, out.ptr, out.bytes);
    /* ERR_CLOSED: it is ending, and closed() comes. */
    if (err != OK && err != ERR_CLOSED)
        seed_fail(w->run, "a client cannot send: %s", err_text(err));
    return request;
}

void conn_forget(struct request *request)
{
    struct conn *conn = request->conn;
    struct request **at = &conn->requests;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    if (!*at)
        conn->requests_end = at;
    conn->count--;
    mem_free(request->context);
    mem_free(request);
}

void conns_free(struct world *w)
{
    for (struct conn *conn = w->conns; conn; conn = conn->next)
        conn_cut(conn);
    for (int i = 0; i < 5; i++)
        io_loop_turn(w->clients, 0);
    while (w->conns) {
        struct conn *conn = w->conns;
        w->conns = conn->next;
        while (conn->requests) {
            struct request *request = request_take(conn);
            mem_free(request->context);
            mem_free(request);
        }
        buf_deinit(&conn->in);
        mem_free(conn);
    }
}

struct str text_of(struct world *w, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return arena_str(&w->scratch, str_of(text));
}

/* ---- audits -------------------------------------------------------------------------------- */

static void copy_answer(struct request *request, void *response)
{
    struct world *w = request->conn->w;
    w->asked = true;
    w->answer = NULL;
    if (!response)
        return;
    /* The answer is borrowed from the stream: once more through the codec. */
    CLEAN(buf_deinit) struct buf bytes = {0};
    const struct kafka_message *message = request->api->response;
    arena_reset(&w->answers);
    if (kafka_encode(message, request->version, response, &bytes) != OK)
        return;
    struct str kept = arena_str(&w->answers, buf_str(&bytes));
    w->answer = arena_alloc(&w->answers, message->bytes);
    if (kafka_decode(message, request->version, kept, &w->answers, w->answer) != OK)
        w->answer = NULL;
}

void *ask(struct world *w, int16_t key, int16_t version, const void *message)
{
    int64_t until_ns = io_now_ns(w->io) + (int64_t)ASK_MS * MS;
    w->asked = false;
    conn_send(w->asking, key, version, message, copy_answer, NULL, NULL);
    while (!w->asked && !failed(w) && io_now_ns(w->io) < until_ns)
        if (!world_turn(w, until_ns))
            seed_fail(w->run, "the disk failed without a fault");
    if (!w->asked || !w->answer) {
        seed_fail(w->run, "no answer to %s v%d", kafka_api_find(key)->name, version);
        return NULL;
    }
    return w->answer;
}

/* ---- codes ---- */

bool code_is_passing(int16_t code)
{
    return code == KAFKA_REQUEST_TIMED_OUT || code == KAFKA_STORAGE_ERROR;
}

bool code_is_coordinators(struct world *w, int16_t code, int mark)
{
    bool away = code == KAFKA_COORDINATOR_NOT_AVAILABLE || code == KAFKA_NOT_COORDINATOR;
    if (away && w->full)
        reached(w, mark);
    return away || code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
}
