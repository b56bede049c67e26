/* SPDX-License-Identifier: MIT */
/* The HTTP server over real sockets, seen by a client of raw bytes. */
#include "http_client.h"
#include "serve/http.h"

struct world {
    struct io *io;
    struct io_loop *loop;
    struct http_server *server;
    uint16_t port;
    struct http_exchange *later[8];
    size_t later_count;
    unsigned handled, gone;
    bool drained;
};

static void handle_echo(struct http_exchange *exchange, void *owner)
{
    struct world *w = owner;
    w->handled++;
    http_exchange_answer(exchange, 200, "text/plain", http_exchange_body(exchange),
                         "X-Echo: 1\r\n");
}
static void handle_param(struct http_exchange *exchange, void *owner)
{
    (void)owner;
    http_exchange_answer(exchange, 200, "text/plain", http_exchange_param(exchange, "name"), NULL);
}
static void handle_tail(struct http_exchange *exchange, void *owner)
{
    (void)owner;
    http_exchange_answer(exchange, 200, "text/plain", http_exchange_param(exchange, "..."), NULL);
}
static void handle_later(struct http_exchange *exchange, void *owner)
{
    struct world *w = owner;
    assert_in_range(w->later_count, 0, 7);
    w->later[w->later_count++] = exchange;
}
static void handle_big(struct http_exchange *exchange, void *owner)
{
    (void)owner;
    struct buf big = {0};
    for (int i = 0; i < 3000000; i++)
        buf_char(&big, (char)('a' + i % 26));
    http_exchange_answer(exchange, 200, "text/plain", buf_str(&big), NULL);
    buf_deinit(&big);
}
static void handle_break(struct http_exchange *exchange, void *owner)
{
    (void)owner;
    http_exchange_break(exchange, STR("half"));
}
static void on_gone(void *owner)
{
    ((struct world *)owner)->gone++;
}
static void handle_stream(struct http_exchange *exchange, void *owner)
{
    struct world *w = owner;
    http_exchange_begin(exchange, 200, "text/event-stream", on_gone, w);
    assert_ok(http_exchange_part(exchange, STR("data: 1\n\n")));
    w->later[w->later_count++] = exchange;
}

static void bare_open(struct world *w, const struct http_server_options *options)
{
    memset(w, 0, sizeof *w);
    w->io = io_kernel_new();
    assert_ok(io_loop_new(w->io, &w->loop));
    assert_ok(http_server_new(w->loop, options, &w->server));
    assert_ok(http_server_listen(w->server, "127.0.0.1:0", NULL, &w->port));
}

static void world_open(struct world *w, const struct http_server_options *options)
{
    bare_open(w, options);
    http_server_route(w->server, "POST", "/echo", 1000, handle_echo, w);
    http_server_route(w->server, "GET", "/echo", 0, handle_echo, w);
    http_server_route(w->server, "GET", "/topics/{name}/x", 0, handle_param, w);
    http_server_route(w->server, "GET", "/static/...", 0, handle_tail, w);
    http_server_route(w->server, "GET", "/later", 0, handle_later, w);
    http_server_route(w->server, "GET", "/big", 0, handle_big, w);
    http_server_route(w->server, "GET", "/break", 0, handle_break, w);
    http_server_route(w->server, "GET", "/stream", 0, handle_stream, w);
}

static void world_close(struct world *w)
{
    http_server_free(w->server);
    turn_for(w->loop, 5);
    io_loop_free(w->loop);
    io_free(w->io);
}

#define H "Host: a\r\n"

struct talk {
    const char *send;
    const char *expect[4];
    bool closes;
};
static const struct talk talks[] = {
    {"GET /echo HTTP/1.1\r\n" H "\r\n",
     {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n"
      "Connection: keep-alive\r\nX-Echo: 1\r\nDate: "}, false},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", {"\r\n\r\nhello"}, false},
    {"POST /echo HTTP/1.1\r\n" H
     "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
     {"Content-Length: 5\r\n", "\r\n\r\nhello"}, false},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n", {"HTTP/1.1 413 "}, true},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n500\r\n", {NULL}, false},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
     {"HTTP/1.1 400 "},
     true},
    {"GET /topics/a%20b/x HTTP/1.1\r\n" H "\r\n", {"\r\n\r\na b"}, false},
    {"GET /topics/a%2Fb/x HTTP/1.1\r\n" H "\r\n", {"\r\n\r\na/b"}, false},
    {"GET /topics//x HTTP/1.1\r\n" H "\r\n", {"HTTP/1.1 404 "}, false},
    {"GET /static/a/b.js HTTP/1.1\r\n" H "\r\n", {"\r\n\r\na/b.js"}, false},
    {"GET /static/a%2fb HTTP/1.1\r\n" H "\r\n", {"HTTP/1.1 404 "}, false},
    {"GET /static/../echo HTTP/1.1\r\n" H "\r\n", {"HTTP/1.1 400 "}, true},
    {"GET /nothing HTTP/1.1\r\n" H "\r\n",
     {"HTTP/1.1 404 Not Found\r\n", "{\"error\":{\"code\":404,\"message\":\""}, false},
    {"DELETE /echo HTTP/1.1\r\n" H "\r\n",
     {"HTTP/1.1 405 Method Not Allowed\r\n", "Allow: POST, GET, HEAD\r\n"}, false},
    {"OPTIONS /echo HTTP/1.1\r\n" H "\r\n",
     {"HTTP/1.1 204 No Content\r\n", "Allow: POST, GET, HEAD, OPTIONS\r\n"}, false},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", {"HTTP/1.1 204 No Content\r\n"}, false},
    {"HEAD /big HTTP/1.1\r\n" H "\r\nGET /echo HTTP/1.1\r\n" H "\r\n",
     {"Content-Length: 3000000\r\nConnection: keep-alive\r\nDate: ",
      "\r\n\r\nHTTP/1.1 200 OK\r\n"}, false},
    {"GET /echo HTTP/1.0\r\n\r\n", {"HTTP/1.1 200 OK\r\n", "Connection: close\r\n"}, true},
    {"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {"Connection: keep-alive\r\n"}, false},
    {"GET /echo HTTP/1.1\r\n" H "Connection: close\r\n\r\n", {"Connection: close\r\n"}, true},
    {"GET / HTTP/3.0\r\n" H "\r\n", {"HTTP/1.1 505 "}, true},
    {"GARBAGE\r\n\r\n", {"HTTP/1.1 400 "}, true},
    {"POST /nothing HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", {"HTTP/1.1 404 "}, true},
    {"GET /break HTTP/1.1\r\n" H "\r\n", {"Content-Length: 8\r\n", "\r\n\r\nhalf"}, true},
};

static void test_talks(void **state)
{
    struct world w;
    world_open(&w, NULL);
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        const struct talk *talk = &talks[i];
        /* Whole, then byte by byte. */
        for (int pieces = 0; pieces < 2; pieces++) {
            struct client c;
            client_connect(&c, w.loop, w.port);
            if (pieces == 0) {
                client_send(&c, talk->send);
            } else {
                for (const char *at = talk->send; *at && c.stream; at++) {
                    if (io_stream_write(c.stream, at, 1) != OK)
                        break;
                    io_loop_turn(w.loop, 0);
                    io_loop_turn(w.loop, 0);
                }
            }
            for (int k = 0; k < 4 && talk->expect[k]; k++)
                client_expect(&c, talk->expect[k], 1);
            if (talk->closes)
                client_expect_closed(&c);
            else
                assert_false(c.closed);
            client_end(&c);
        }
    }
    world_close(&w);
}

static void test_pipelining_keeps_order(void **state)
{
    struct world w;
    struct client c;
    world_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    client_send(&c, "GET /later HTTP/1.1\r\n" H "\r\n"
                    "POST /echo HTTP/1.1\r\n" H "Content-Length: 6\r\n\r\nsecond"
                    "GET /later HTTP/1.1\r\n" H "\r\n"
                    "POST /echo HTTP/1.1\r\n" H "Content-Length: 6\r\n\r\nfourth");
    while (w.later_count < 2 || w.handled < 2)
        io_loop_turn(w.loop, 1000000);
    turn_for(w.loop, 20);
    assert_int_equal(0, c.in.bytes);
    http_exchange_answer(w.later[1], 200, NULL, STR("third-"), NULL);
    turn_for(w.loop, 20);
    assert_int_equal(0, c.in.bytes);
    http_exchange_answer(w.later[0], 200, NULL, STR("first-"), NULL);
    client_expect(&c, "fourth", 1);
    struct str in = buf_str(&c.in);
    size_t a = str_find(in, STR("first-"), 0), b = str_find(in, STR("second"), 0);
    size_t d = str_find(in, STR("third-"), 0), e = str_find(in, STR("fourth"), 0);
    assert_true(a < b && b < d && d < e);
    client_end(&c);
    world_close(&w);
}

/* More requests than a connection may have open: all are answered, none is lost. */
static void test_many_pipelined(void **state)
{
    struct world w;
    struct client c;
    struct buf all = {0};
    world_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    for (int i = 0; i < 5000; i++)
        buf_text(&all, "GET /echo HTTP/1.1\r\n" H "\r\n");
    assert_ok(io_stream_write(c.stream, all.ptr, all.bytes));
    client_expect(&c, "HTTP/1.1 200 OK", 5000);
    assert_int_equal(5000, w.handled);
    /* One that waits holds all behind it, and the input too. */
    client_send(&c, "GET /later HTTP/1.1\r\n" H "\r\n");
    assert_ok(io_stream_write(c.stream, all.ptr, all.bytes));
    turn_for(w.loop, 50);
    assert_in_range(w.handled, 5000, 5000 + 64);
    http_exchange_answer(w.later[0], 200, NULL, STR(""), NULL);
    client_expect(&c, "HTTP/1.1 200 OK", 10001);
    buf_deinit(&all);
    client_end(&c);
    world_close(&w);
}

static void test_expect_continue(void **state)
{
    struct world w;
    struct client c;
    world_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    client_send(&c,
                "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    client_expect(&c, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    client_send(&c, "hello");
    client_expect(&c, "\r\n\r\nhello", 1);
    client_send(&c,
                "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n");
    client_expect(&c, "HTTP/1.1 413 ", 1);
    client_expect(&c, "HTTP/1.1 100 ", 1);
    client_end(&c);
    world_close(&w);
}

/* The whole body is on its way while the refusal is sent: the client still gets to read it. */
static void test_refusal_arrives(void **state)
{
    struct world w;
    struct client c;
    world_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    struct buf body = {0};
    buf_text(&body, "POST /echo HTTP/1.1\r\n" H "Content-Length: 4000000\r\n\r\n");
    for (int i = 0; i < 4000000; i++)
        buf_char(&body, 'x');
    assert_ok(io_stream_write(c.stream, body.ptr, body.bytes));
    client_expect(&c, "HTTP/1.1 413 ", 1);
    client_expect_closed(&c);
    assert_int_equal(0, w.handled);
    buf_deinit(&body);
    client_end(&c);
    world_close(&w);
}

/* It listens before what it serves is open: that is no 404. */
static void test_starting(void **state)
{
    struct world w;
    struct client c;
    bare_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    client_send(&c, "GET /echo HTTP/1.1\r\n" H "\r\n");
    client_expect(&c, "HTTP/1.1 503 ", 1);
    client_expect(&c, "starting", 1);
    http_server_route(w.server, "GET", "/echo", 0, handle_echo, &w);
    client_send(&c, "GET /echo HTTP/1.1\r\n" H "\r\n");
    client_expect(&c, "HTTP/1.1 200 ", 1);
    client_end(&c);
    world_close(&w);
}

static void test_big_answers(void **state)
{
    struct world w;
    struct client c;
    world_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    for (int i = 0; i < 8; i++)
        client_send(&c, "GET /big HTTP/1.1\r\n" H "\r\n");
    struct io *io = w.io;
    int64_t end = io_now_ns(io) + 20000000000;
    while (c.in.bytes < 8 * 3000000ull && io_now_ns(io) < end)
        io_loop_turn(w.loop, 1000000);
    client_expect(&c, "HTTP/1.1 200 OK", 8);
    assert_true(c.in.bytes > 24000000 && c.in.bytes < 24010000);
    client_end(&c);
    world_close(&w);
}

static void test_slow_heads_and_bodies(void **state)
{
    const struct http_server_options options = {.header_ms_max = 40, .idle_ms_max = 300};
    struct world w;
    struct client head, body, idle;
    world_open(&w, &options);
    client_connect(&head, w.loop, w.port);
    client_connect(&body, w.loop, w.port);
    client_connect(&idle, w.loop, w.port);
    client_send(&head, "GET /echo HT");
    client_send(&body, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhel");
    client_expect(&head, "HTTP/1.1 408 ", 1);
    client_expect(&body, "HTTP/1.1 408 ", 1);
    client_expect_closed(&head);
    client_expect_closed(&body);
    client_expect_closed(&idle);
    assert_int_equal(0, idle.in.bytes);
    client_end(&head);
    client_end(&body);
    client_end(&idle);
    world_close(&w);
}

static void test_streaming(void **state)
{
    struct world w;
    struct client c, old;
    world_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    client_send(&c, "GET /stream HTTP/1.1\r\n" H "\r\nGET /echo HTTP/1.1\r\n" H "\r\n");
    client_expect(&c, "Transfer-Encoding: chunked\r\n", 1);
    client_expect(&c, "\r\n\r\n9\r\ndata: 1\n\n\r\n", 1);
    assert_ok(http_exchange_part(w.later[0], STR("data: 2\n\n")));
    client_expect(&c, "9\r\ndata: 2\n\n\r\n", 1);
    http_exchange_end(w.later[0]);
    client_expect(&c, "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", 1);
    assert_int_equal(0, w.gone);
    /* The client leaves. */
    w.later_count = 0;
    client_send(&c, "GET /stream HTTP/1.1\r\n" H "\r\n");
    client_expect(&c, "data: 1", 2);
    client_end(&c);
    while (w.gone == 0)
        io_loop_turn(w.loop, 1000000);
    assert_int_equal(1, w.gone);
    /* HTTP/1.0 knows no chunks: the end is the end of the connection. */
    w.later_count = 0;
    client_connect(&old, w.loop, w.port);
    client_send(&old, "GET /stream HTTP/1.0\r\n\r\n");
    client_expect(&old, "\r\n\r\ndata: 1\n\n", 1);
    http_exchange_end(w.later[0]);
    client_expect_closed(&old);
    client_end(&old);
    world_close(&w);
}

/* A client that does not read: the stream says so instead of growing. */
static void test_slow_stream_client(void **state)
{
    struct world w;
    struct client c;
    world_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    client_send(&c, "GET /stream HTTP/1.1\r\n" H "\r\n");
    client_expect(&c, "data: 1", 1);
    io_stream_pause(c.stream, true);
    struct buf part = {0};
    for (int i = 0; i < 100000; i++)
        buf_char(&part, 'x');
    enum err err = OK;
    for (int i = 0; i < 1000 && err == OK; i++) {
        err = http_exchange_part(w.later[0], buf_str(&part));
        io_loop_turn(w.loop, 0);
    }
    assert_err(ERR_LIMIT, err);
    buf_deinit(&part);
    client_end(&c);
    while (w.gone == 0)
        io_loop_turn(w.loop, 1000000);
    world_close(&w);
}

static void on_drained(void *owner)
{
    ((struct world *)owner)->drained = true;
}

static void test_drain(void **state)
{
    struct world w;
    struct client idle, busy, stream;
    world_open(&w, NULL);
    client_connect(&idle, w.loop, w.port);
    client_connect(&busy, w.loop, w.port);
    client_connect(&stream, w.loop, w.port);
    client_send(&busy, "GET /later HTTP/1.1\r\n" H "\r\n");
    while (w.later_count < 1)
        io_loop_turn(w.loop, 1000000);
    client_send(&stream, "GET /stream HTTP/1.1\r\n" H "\r\n");
    client_expect(&stream, "data: 1", 1);
    http_server_drain(w.server, on_drained, &w);
    client_expect_closed(&idle);
    client_expect_closed(&stream);
    client_expect(&stream, "\r\n0\r\n\r\n", 1);
    assert_int_equal(1, w.gone);
    assert_false(w.drained);
    http_exchange_answer(w.later[0], 200, NULL, STR("done"), NULL);
    client_expect(&busy, "Connection: close\r\n", 1);
    client_expect(&busy, "\r\n\r\ndone", 1);
    client_expect_closed(&busy);
    while (!w.drained)
        io_loop_turn(w.loop, 1000000);
    client_end(&idle);
    client_end(&busy);
    client_end(&stream);
    world_close(&w);
}

/* Answers after the client or the server went away. */
static void test_late_answers(void **state)
{
    struct world w;
    struct client c;
    world_open(&w, NULL);
    client_connect(&c, w.loop, w.port);
    client_send(&c, "GET /later HTTP/1.1\r\n" H "\r\nGET /later HTTP/1.1\r\n" H "\r\n"
                    "GET /later HTTP/1.1\r\n" H "\r\n");
    while (w.later_count < 3)
        io_loop_turn(w.loop, 1000000);
    client_end(&c);
    turn_for(w.loop, 20);
    assert_str("/later", http_exchange_request(w.later[0])->path);
    /* The client's end alone says nothing; that nobody takes the answer does. */
    http_exchange_answer(w.later[0], 200, NULL, STR("x"), NULL);
    turn_for(w.loop, 20);
    http_exchange_begin(w.later[1], 200, NULL, on_gone, &w);
    assert_err(ERR_CLOSED, http_exchange_part(w.later[1], STR("x")));
    turn_for(w.loop, 5);
    assert_int_equal(1, w.gone);
    http_server_free(w.server);
    turn_for(w.loop, 5);
    http_exchange_answer(w.later[2], 200, NULL, STR("x"), NULL);
    io_loop_free(w.loop);
    io_free(w.io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talks),
        cmocka_unit_test(test_pipelining_keeps_order),
        cmocka_unit_test(test_many_pipelined),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_refusal_arrives),
        cmocka_unit_test(test_starting),
        cmocka_unit_test(test_big_answers),
        cmocka_unit_test(test_slow_heads_and_bodies),
        cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_slow_stream_client),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_late_answers),
    };
    return RUN_TESTS(tests);
}
