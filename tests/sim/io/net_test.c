/* SPDX-License-Identifier: MIT */
/* The simulated network with delays, short transfers and broken connections: bytes arrive in order
 * or the stream says why not, and the same seed gives the same run to the nanosecond. */
#include "test.h"

#include "base/hash.h"
#include "io/loop.h"
#include "io/sim.h"

enum { MS = 1000000, PAIRS = 8, BYTES = 100000, SEEDS = 60 };

struct end {
    struct io_stream *stream;
    size_t sent;
    size_t got;
    bool closed;
    enum err why;
    bool is_server;
};

static struct io *io;
static struct io_loop *loop;
static struct end clients[PAIRS], servers[PAIRS];
static size_t accepted, open_count;
static uint64_t hash;

static void note(const void *data, size_t bytes)
{
    int64_t now_ns = io_now_ns(io);
    hash = hash_bytes(data, bytes, hash);
    hash = hash_bytes(&now_ns, sizeof now_ns, hash);
}

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 31 >> 2);
}

static void send_some(struct end *end)
{
    uint8_t piece[3000];
    while (end->sent < BYTES) {
        size_t bytes = BYTES - end->sent < sizeof piece ? BYTES - end->sent : sizeof piece;
        for (size_t i = 0; i < bytes; i++)
            piece[i] = byte_at(end->sent + i);
        if (io_stream_write(end->stream, piece, bytes) != OK)
            return;
        end->sent += bytes;
    }
    io_stream_close(end->stream);
}

static void on_opened(void *owner, struct io_stream *stream)
{
    send_some(owner);
}

static size_t on_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    struct end *end = owner;
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(byte_at(end->got + i), data[i]);
    size_t used = bytes - (size_t)prng_below(io_sim_prng(io), bytes > 4 ? 4 : bytes);
    end->got += used;
    note(&bytes, sizeof bytes);
    return used;
}

static void on_drained(void *owner, struct io_stream *stream)
{
    struct end *end = owner;
    if (!end->is_server)
        send_some(end);
}

static void on_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct end *end = owner;
    assert_false(end->closed);
    end->closed = true;
    end->why = why;
    end->stream = NULL;
    open_count--;
    note(&why, sizeof why);
}

static const struct io_stream_events events = {
    .opened = on_opened, .data = on_data, .drained = on_drained, .closed = on_closed};
static const struct io_stream_limits limits = {
    .in_max = 200000, .out_max = 20000, .out_low = 5000, .idle_max_ns = 5000 * (int64_t)MS};

static void *on_accept(void *owner, struct io_stream *stream)
{
    struct end *end = &servers[accepted++];
    end->stream = stream;
    end->is_server = true;
    open_count++;
    return end;
}

/* How many of the connections brought everything. */
static size_t run(uint64_t seed, uint32_t drop, uint64_t *ret_hash)
{
    struct io_sim_options options = {.seed = seed, .net_drop = drop, .net_delay_ms_max = 20};
    struct io_listener *listener = NULL;
    memset(clients, 0, sizeof clients);
    memset(servers, 0, sizeof servers);
    accepted = open_count = 0;
    hash = 0;
    io = io_sim_new(&options);
    assert_ok(io_loop_new(io, &loop));
    assert_ok(io_listen(loop, "0.0.0.0:80", NULL, &events, &limits, on_accept, NULL, &listener));
    for (size_t i = 0; i < PAIRS; i++) {
        assert_ok(io_connect(loop, "server:80", NULL, NULL, &events, &limits, &clients[i],
                             &clients[i].stream));
        open_count++;
    }
    while (open_count || accepted < PAIRS)
        io_loop_turn(loop, -1);
    size_t whole = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        /* What one side did not consume at the end is lost with its owner's consent. */
        if (servers[i].got + 4 >= BYTES && servers[i].why == OK)
            whole++;
        else
            assert_true(servers[i].why != OK);
    }
    io_listener_close(listener);
    io_loop_free(loop);
    io_free(io);
    *ret_hash = hash;
    return whole;
}

static void test_all_arrives(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t first = 0, again = 0, other = 0;
        assert_int_equal(PAIRS, run(seed, 0, &first));
        assert_int_equal(PAIRS, run(seed, 0, &again));
        assert_true(first == again);
        assert_int_equal(PAIRS, run(seed + 1000, 0, &other));
        assert_true(first != other);
    }
}

static void test_drops_are_told(void **state)
{
    size_t whole = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t first = 0, again = 0;
        size_t count = run(seed, 20000, &first);
        assert_int_equal(count, run(seed, 20000, &again));
        assert_true(first == again);
        whole += count;
    }
    assert_in_range(whole, 1, SEEDS * PAIRS - 1);
}

static void test_clock(void **state)
{
    struct io_sim_options options = {.seed = 1};
    io = io_sim_new(&options);
    int64_t wall_us = io_wall_us(io), now_ns = io_now_ns(io);
    io_sleep_ns(io, 3600 * 1000 * (int64_t)MS);
    assert_int_equal(3600 * 1000 * (int64_t)MS, io_now_ns(io) - now_ns);
    assert_int_equal(3600 * (int64_t)1000000, io_wall_us(io) - wall_us);
    io_sim_advance_ns(io, 5000);
    assert_int_equal(5, io_wall_us(io) - wall_us - 3600 * (int64_t)1000000);
    assert_ok(io_loop_new(io, &loop));
    now_ns = io_now_ns(io);
    io_loop_turn(loop, 7 * MS);
    assert_int_equal(7 * MS, io_now_ns(io) - now_ns);
    io_loop_free(loop);
    io_free(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_arrives),
        cmocka_unit_test(test_drops_are_told),
        cmocka_unit_test(test_clock),
    };
    return RUN_TESTS(tests);
}
