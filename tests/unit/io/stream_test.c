/* SPDX-License-Identifier: MIT */
/* Streams over TCP and over the simulated network: the same promises for both. */
#include "test.h"

#include "base/mem.h"
#include "io/loop.h"
#include "io/sim.h"

#include <sys/resource.h>
#include <unistd.h>

enum { MS = 1000000, MEGABYTE = 1 << 20 };

static struct io *io;
static struct io_loop *loop;
static bool is_sim;

/* One end of a connection and what happened to it. */
struct end {
    struct io_stream *stream;
    struct buf got;
    size_t sent;  /* of a long message */
    size_t keep;  /* consume only when this much is there */
    size_t calls; /* of data() */
    size_t drained;
    size_t opened, ended, closed;
    enum err why;
    bool echo;
    bool close_at_end;
    bool shared; /* by many connections */
    bool pause_at_data;
    bool fill; /* writes until the limit, again when drained */
};

static struct end client, server;
static struct io_listener *listener;
static struct io_stream_limits limits;
static bool refuse;

static void on_opened(void *owner, struct io_stream *stream)
{
    ((struct end *)owner)->opened++;
}

static size_t on_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    struct end *end = owner;
    end->calls++;
    if (end->pause_at_data) {
        io_stream_pause(stream, true);
        return 0;
    }
    if (bytes < end->keep)
        return 0;
    if (end->echo) {
        size_t room = limits.out_max - io_stream_out_bytes(stream);
        if (bytes > room) {
            io_stream_pause(stream, true);
            bytes = room;
        }
        assert_ok(io_stream_write(stream, data, bytes));
    }
    buf_append(&end->got, data, bytes);
    return bytes;
}

static void fill(struct end *end)
{
    static uint8_t piece[10000];
    while (end->sent < MEGABYTE) {
        size_t bytes = MEGABYTE - end->sent < sizeof piece ? MEGABYTE - end->sent : sizeof piece;
        for (size_t i = 0; i < bytes; i++)
            piece[i] = (uint8_t)((end->sent + i) * 7 >> 3);
        enum err err = io_stream_write(end->stream, piece, bytes);
        if (err == ERR_LIMIT)
            return;
        assert_ok(err);
        end->sent += bytes;
    }
}

static void on_drained(void *owner, struct io_stream *stream)
{
    struct end *end = owner;
    end->drained++;
    if (end->echo)
        io_stream_pause(stream, false);
    if (end->fill)
        fill(end);
}

static void on_ended(void *owner, struct io_stream *stream)
{
    struct end *end = owner;
    end->ended++;
    if (end->close_at_end)
        io_stream_close(stream);
}

static void on_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct end *end = owner;
    if (!end->shared)
        assert_int_equal(0, end->closed);
    end->closed++;
    end->why = why;
    end->stream = NULL;
}

static const struct io_stream_events events = {on_opened, on_data, on_drained, on_ended, on_closed};
static const struct io_stream_events plain_events = {.data = on_data, .closed = on_closed};

static void *on_accept(void *owner, struct io_stream *stream)
{
    if (refuse)
        return NULL;
    server.stream = stream;
    return &server;
}

static int setup(void **state)
{
    *state = io;
    client = server = (struct end){0};
    client.close_at_end = server.close_at_end = true;
    limits = (struct io_stream_limits){.in_max = 4096, .out_max = 65536, .out_low = 16384};
    refuse = false;
    listener = NULL;
    return io_loop_new(io, &loop) == OK ? 0 : -1;
}

static int kernel_setup(void **state)
{
    is_sim = false;
    io = io_kernel_new();
    return setup(state);
}

static int sim_setup(void **state)
{
    is_sim = true;
    struct io_sim_options options = {.seed = 5, .net_delay_ms_max = 3};
    io = io_sim_new(&options);
    io_sim_faults(io, false); /* calls are counted here; short ones are for tests/sim */
    return setup(state);
}

static int teardown(void **state)
{
    io_listener_close(listener);
    if (client.stream)
        io_stream_abort(client.stream, ERR_CANCELLED);
    if (server.stream)
        io_stream_abort(server.stream, ERR_CANCELLED);
    io_loop_free(loop);
    buf_deinit(&client.got);
    buf_deinit(&server.got);
    io_free(io);
    return 0;
}

/* Turns until the condition holds; a run that hangs is ended by the test's timeout. */
#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    io_loop_turn(loop, 20 * MS)

static void listen_with(const struct io_stream_events *with, const char *address)
{
    assert_ok(io_listen(loop, address, NULL, with, &limits, on_accept, NULL, &listener));
    assert_true(io_listener_port(listener) > 0);
}

static void connect_to(const char *host)
{
    char address[64];
    snprintf(address, sizeof address, "%s:%u", host, io_listener_port(listener));
    assert_ok(io_connect(loop, address, NULL, NULL, &events, &limits, &client, &client.stream));
}

static void join(void)
{
    listen_with(&events, "127.0.0.1:0");
    connect_to("127.0.0.1");
    UNTIL(client.opened && server.stream);
}

static void assert_filled(const struct buf *got)
{
    assert_int_equal(MEGABYTE, got->bytes);
    for (size_t i = 0; i < MEGABYTE; i++)
        if (got->ptr[i] != (uint8_t)(i * 7 >> 3))
            fail_msg("byte %zu differs", i);
}

static void test_hello(void **state)
{
    join();
    assert_int_equal(0, server.opened);
    assert_non_null(strstr(io_stream_peer(server.stream), "127.0.0.1:"));
    assert_ok(io_stream_write(client.stream, "hel", 3));
    assert_ok(io_stream_write(client.stream, "", 0));
    assert_ok(io_stream_write(client.stream, "lo", 2));
    assert_int_equal(5, io_stream_out_bytes(client.stream));
    UNTIL(server.got.bytes == 5);
    assert_int_equal(1, server.calls); /* two writes of a turn leave together */
    assert_int_equal(0, io_stream_out_bytes(client.stream));
    io_stream_close(client.stream);
    assert_err(ERR_CLOSED, io_stream_write(client.stream, "x", 1));
    UNTIL(client.closed && server.closed);
    assert_int_equal(1, server.ended);
    assert_int_equal(OK, client.why);
    assert_int_equal(OK, server.why);
}

static void test_echo_megabyte(void **state)
{
    join();
    server.echo = true;
    client.fill = true;
    fill(&client);
    assert_true(client.sent <= 65536); /* out_max holds */
    UNTIL(client.got.bytes == MEGABYTE);
    assert_filled(&client.got);
    assert_filled(&server.got);
    assert_true(client.drained > 1);
}

static void test_close_sends_all(void **state)
{
    limits.out_max = 2 * MEGABYTE;
    join();
    fill(&client);
    assert_int_equal(MEGABYTE, client.sent);
    io_stream_close(client.stream);
    UNTIL(server.closed);
    assert_filled(&server.got);
    assert_int_equal(OK, client.why);
}

static void test_rest_comes_again(void **state)
{
    join();
    server.keep = 10;
    assert_ok(io_stream_write(client.stream, "01234", 5));
    UNTIL(server.calls == 1);
    assert_ok(io_stream_write(client.stream, "5678", 4));
    UNTIL(server.calls == 2);
    assert_int_equal(0, server.got.bytes);
    assert_ok(io_stream_write(client.stream, "9a", 2));
    UNTIL(server.calls == 3);
    assert_str("0123456789a", buf_str(&server.got));
}

static void test_in_max(void **state)
{
    join();
    server.keep = SIZE_MAX;
    static const uint8_t piece[5000];
    assert_ok(io_stream_write(client.stream, piece, sizeof piece));
    UNTIL(server.closed);
    assert_int_equal(ERR_LIMIT, server.why);
}

static void test_out_max(void **state)
{
    join();
    static const uint8_t piece[65536];
    assert_err(ERR_LIMIT, io_stream_write(client.stream, piece, 65537));
    assert_ok(io_stream_write(client.stream, piece, 65536));
    assert_err(ERR_LIMIT, io_stream_write(client.stream, piece, 1));
    UNTIL(client.drained);
    assert_ok(io_stream_write(client.stream, piece, 1));
}

static void test_pause(void **state)
{
    join();
    server.pause_at_data = true;
    assert_ok(io_stream_write(client.stream, "first", 5));
    UNTIL(server.calls == 1);
    client.fill = true;
    fill(&client);
    for (int i = 0; i < 30; i++)
        io_loop_turn(loop, 5 * MS);
    assert_int_equal(1, server.calls);
    server.pause_at_data = false;
    io_stream_pause(server.stream, false);
    UNTIL(server.got.bytes == MEGABYTE + 5);
    assert_memory_equal("first", server.got.ptr, 5);
}

static void test_pause_keeps_rest(void **state)
{
    join();
    server.pause_at_data = true;
    assert_ok(io_stream_write(client.stream, "all", 3));
    UNTIL(server.calls == 1);
    server.pause_at_data = false;
    io_stream_pause(server.stream, false);
    assert_int_equal(1, server.calls); /* not from inside the call */
    UNTIL(server.got.bytes == 3);
    /* The end waits until the data before it is told. */
    server.pause_at_data = true;
    assert_ok(io_stream_write(client.stream, "x", 1));
    io_stream_close(client.stream);
    UNTIL(client.closed && server.calls == 3);
    for (int i = 0; i < 5; i++)
        io_loop_turn(loop, 5 * MS);
    assert_int_equal(0, server.ended);
    server.pause_at_data = false;
    io_stream_pause(server.stream, false);
    UNTIL(server.ended);
    assert_str("allx", buf_str(&server.got));
}

static void test_half_close(void **state)
{
    /* The server goes on writing after the client's end. */
    join();
    server.close_at_end = false;
    client.close_at_end = true;
    assert_ok(io_stream_write(client.stream, "q", 1));
    io_stream_close(client.stream);
    UNTIL(server.ended);
    assert_str("q", buf_str(&server.got));
    assert_ok(io_stream_write(server.stream, "late", 4));
    io_stream_close(server.stream);
    UNTIL(server.closed && client.closed);
}

static void test_no_ended(void **state)
{
    listen_with(&plain_events, "127.0.0.1:0");
    connect_to("127.0.0.1");
    server.echo = true;
    UNTIL(client.opened);
    assert_ok(io_stream_write(client.stream, "x", 1));
    UNTIL(client.got.bytes == 1);
    io_stream_close(client.stream);
    UNTIL(server.closed);
    assert_int_equal(OK, server.why);
}

static void test_abort(void **state)
{
    join();
    io_stream_abort(client.stream, ERR_CANCELLED);
    assert_int_equal(0, client.closed);
    assert_err(ERR_CLOSED, io_stream_write(client.stream, "x", 1));
    io_stream_abort(client.stream, ERR_IO);
    UNTIL(client.closed && server.closed);
    assert_int_equal(ERR_CANCELLED, client.why);
}

static void test_idle(void **state)
{
    limits.idle_max_ns = 60 * MS;
    join();
    io_stream_set_idle(client.stream, 0);
    assert_ok(io_stream_write(client.stream, "x", 1));
    UNTIL(server.closed);
    assert_int_equal(ERR_TIMEOUT, server.why);
    assert_str("x", buf_str(&server.got));
}

static void test_refused(void **state)
{
    refuse = true;
    listen_with(&events, "127.0.0.1:0");
    connect_to("127.0.0.1");
    UNTIL(client.closed);
    assert_null(server.stream);
}

static void test_nobody_listens(void **state)
{
    listen_with(&events, "127.0.0.1:0");
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", io_listener_port(listener));
    io_listener_close(listener);
    listener = NULL;
    assert_ok(io_connect(loop, address, NULL, NULL, &events, &limits, &client, &client.stream));
    assert_int_equal(0, client.closed);
    UNTIL(client.closed);
    assert_int_equal(ERR_NETWORK, client.why);
    assert_int_equal(0, client.opened);
}

static void test_listener_pause(void **state)
{
    listen_with(&events, "127.0.0.1:0");
    io_listener_pause(listener, true);
    connect_to("127.0.0.1");
    for (int i = 0; i < 5; i++)
        io_loop_turn(loop, 5 * MS);
    assert_null(server.stream);
    io_listener_pause(listener, false);
    UNTIL(server.stream);
}

static void test_addresses(void **state)
{
    struct io_listener *other = NULL;
    const char *wrong[] = {"127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536",
                           "::1:80",    "a:b",        ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_err(ERR_INVALID,
                   io_listen(loop, wrong[i], NULL, &events, &limits, on_accept, NULL, &other));
        assert_err(ERR_INVALID, io_connect(loop, wrong[i], NULL, NULL, &events, &limits, &client,
                                           &client.stream));
    }
    listen_with(&events, "127.0.0.1:0");
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", io_listener_port(listener));
    assert_err(ERR_CONFLICT,
               io_listen(loop, address, NULL, &events, &limits, on_accept, NULL, &other));
}

static void test_by_name(void **state)
{
    listen_with(&events, "localhost:0");
    connect_to("localhost");
    UNTIL(client.opened && server.stream);
    io_stream_close(client.stream);
    UNTIL(client.closed && server.closed);
    /* Aborted while the name is looked up. */
    client = (struct end){0};
    connect_to("localhost");
    io_stream_abort(client.stream, ERR_CANCELLED);
    UNTIL(client.closed);
    assert_int_equal(ERR_CANCELLED, client.why);
}

static void test_unknown_name(void **state)
{
    assert_ok(io_connect(loop, "no-such-host.invalid:80", NULL, NULL, &events, &limits, &client,
                         &client.stream));
    UNTIL(client.closed);
    assert_true(client.why == ERR_NOT_FOUND || client.why == ERR_NETWORK);
}

static void file_done(void *owner)
{
    ++*(int *)owner;
}

static void test_send_file(void **state)
{
    char path[64] = "file";
    if (!is_sim) {
        snprintf(path, sizeof path, "/tmp/io-stream-XXXXXX");
        close(mkstemp(path));
    }
    struct io_file *file = NULL;
    assert_ok(io_file_open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file));
    CLEAN(mem_free_at) uint8_t *content = mem_alloc(MEGABYTE);
    for (size_t i = 0; i < MEGABYTE; i++)
        content[i] = (uint8_t)(i * 7 >> 3);
    assert_ok(io_file_write(file, 0, content, MEGABYTE));
    join();
    int done = 0;
    assert_ok(io_stream_write(client.stream, content, 10));
    assert_ok(io_stream_send_file(client.stream, file, 10, MEGABYTE - 30, file_done, &done));
    assert_ok(io_stream_send_file(client.stream, file, 0, 0, file_done, &done));
    assert_ok(io_stream_write(client.stream, content + MEGABYTE - 20, 15));
    assert_ok(io_stream_send_file(client.stream, file, MEGABYTE - 5, 5, file_done, &done));
    assert_int_equal(MEGABYTE, io_stream_out_bytes(client.stream));
    UNTIL(server.got.bytes == MEGABYTE);
    assert_filled(&server.got);
    assert_int_equal(3, done);
    assert_int_equal(0, io_stream_out_bytes(client.stream));
    /* More than the file has: the stream breaks rather than sends something else. */
    assert_ok(io_stream_send_file(client.stream, file, MEGABYTE - 5, 6, file_done, &done));
    UNTIL(client.closed);
    assert_int_equal(ERR_TRUNCATED, client.why);
    assert_int_equal(4, done);
    io_file_close(file);
    assert_ok(io_path_remove(io, path));
}

static void test_many_connections(void **state)
{
    enum { COUNT = 200 };
    static struct end ends[COUNT];
    listen_with(&plain_events, "127.0.0.1:0");
    server.echo = server.shared = true;
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", io_listener_port(listener));
    for (size_t i = 0; i < COUNT; i++) {
        ends[i] = (struct end){0};
        assert_ok(
            io_connect(loop, address, NULL, NULL, &events, &limits, &ends[i], &ends[i].stream));
        assert_ok(io_stream_write(ends[i].stream, "ping", 4)); /* before it is connected */
    }
    for (size_t i = 0; i < COUNT; i++) {
        UNTIL(ends[i].got.bytes == 4);
        io_stream_abort(ends[i].stream, OK);
        UNTIL(ends[i].closed);
        buf_deinit(&ends[i].got);
    }
    UNTIL(server.closed == COUNT);
}

static void test_set_owner(void **state)
{
    join();
    struct end other = {.stream = server.stream};
    io_stream_set_owner(server.stream, &other);
    assert_ok(io_stream_write(client.stream, "x", 1));
    UNTIL(other.got.bytes == 1);
    assert_int_equal(0, server.calls);
    buf_deinit(&other.got);
    io_stream_set_owner(server.stream, &server);
}

static void test_set_idle(void **state)
{
    join();
    io_stream_set_idle(client.stream, 10 * MS);
    io_stream_set_idle(client.stream, 0);
    for (int i = 0; i < 3; i++)
        io_loop_turn(loop, 20 * MS);
    assert_int_equal(0, client.closed);
    io_stream_set_idle(client.stream, 10 * MS);
    UNTIL(client.closed);
    assert_int_equal(ERR_TIMEOUT, client.why);
}

static void abort_now(struct io_timer *timer)
{
    io_stream_abort(timer->owner, ERR_CANCELLED);
}

/* All that is queued with a stream is given back when it breaks. */
static void test_abort_with_output(void **state)
{
    int done = 0;
    const char *path = is_sim ? "f" : "/dev/zero";
    struct io_file *file = NULL;
    assert_ok(io_file_open(io, path, is_sim ? IO_READ | IO_WRITE | IO_CREATE : IO_READ, &file));
    join();
    server.pause_at_data = true;
    fill(&client);
    assert_ok(io_stream_send_file(client.stream, file, 0, MEGABYTE, file_done, &done));
    struct io_timer timer = {.fire = abort_now, .owner = client.stream};
    io_timer_start(loop, &timer, 0);
    UNTIL(client.closed && server.closed);
    assert_int_equal(1, done);
    assert_int_equal(ERR_CANCELLED, client.why);
    assert_err(ERR_NETWORK, server.why);
    io_file_close(file);
}

static void test_ipv6(void **state)
{
    struct io_listener *six = NULL;
    if (io_listen(loop, "[::1]:0", NULL, &events, &limits, on_accept, NULL, &six) != OK)
        skip();
    listener = six;
    connect_to("[::1]");
    UNTIL(client.opened && server.stream);
    assert_memory_equal("[::1]:", io_stream_peer(server.stream), 6);
}

/* Out of descriptors the listener rests, and goes on when there are some again. */
static void test_out_of_descriptors(void **state)
{
    listen_with(&events, "127.0.0.1:0");
    connect_to("127.0.0.1");
    struct rlimit before, low;
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
    int next = dup(0);
    close(next);
    low = before;
    low.rlim_cur = (rlim_t)next;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &low));
    for (int i = 0; i < 6; i++)
        io_loop_turn(loop, 10 * MS);
    bool accepted = server.stream != NULL;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
    assert_false(accepted);
    UNTIL(server.stream);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, kernel_setup, teardown),                                 \
        cmocka_unit_test_setup_teardown(test, sim_setup, teardown)
#define KERNEL(test) cmocka_unit_test_setup_teardown(test, kernel_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_hello),
        BOTH(test_echo_megabyte),
        BOTH(test_close_sends_all),
        BOTH(test_rest_comes_again),
        BOTH(test_in_max),
        BOTH(test_out_max),
        BOTH(test_pause),
        BOTH(test_pause_keeps_rest),
        BOTH(test_half_close),
        BOTH(test_no_ended),
        BOTH(test_abort),
        BOTH(test_idle),
        BOTH(test_refused),
        BOTH(test_nobody_listens),
        BOTH(test_listener_pause),
        BOTH(test_addresses),
        BOTH(test_send_file),
        BOTH(test_by_name),
        BOTH(test_set_owner),
        BOTH(test_set_idle),
        BOTH(test_abort_with_output),
        KERNEL(test_ipv6),
        KERNEL(test_out_of_descriptors),
        KERNEL(test_unknown_name),
        KERNEL(test_many_connections),
    };
    return RUN_TESTS(tests);
}
