/* SPDX-License-Identifier: MIT */
/*
 * Calls and the memory that they take.
 *
 * A call is used again: its frame's buffer and the first block of its arena stay with it, so that a
 * small request costs no allocation. A few are kept for all connections together; an idle
 * connection holds none.
 *
 * Memory of all calls has one bound. A connection that would pass it while its frame arrives waits,
 * paused, until calls are freed. Since frames that are half there hold memory too, one connection
 * at a time is granted to read on beyond the bound: it will become a whole request, which ends. So
 * the bound is passed by one request at most, and it cannot come to a standstill; a granted
 * connection that says nothing for GRANT_IDLE_NS is closed.
 *
 * Whoever holds memory without moving could still make the others wait: so while somebody waits, a
 * sweep looks once a second and closes connections whose frame, for which there is room, came in
 * slower than FRAME_BYTES_PER_SECOND for STALL_NS. And small requests pass a little over the bound,
 * so that they are not held up by big ones at all.
 */
#include "serve/kafka/net.h"

#include "base/check.h"
#include "base/logline.h"

static const int64_t GRANT_IDLE_NS = 30LL * 1000 * 1000 * 1000;
static const int64_t STALL_NS = 10LL * 1000 * 1000 * 1000, SWEEP_NS = 1000 * 1000 * 1000;
enum { ARENA_BYTES_MAX = 256 << 20, FRAME_BYTES_PER_SECOND = 100000, RESERVE_SHARE = 8 };

struct kafka_call *kafka_call_new(struct kafka_connection *connection)
{
    struct kafka_net *net = connection->broker->net;
    struct kafka_call *call = net->spares;
    if (call) {
        net->spares = call->next;
        net->spare_count--;
        net->spare_bytes -= call->frame.room;
    } else {
        call = mem_zero(sizeof *call);
        arena_init(&call->arena, ARENA_BYTES_MAX);
    }
    call->broker = connection->broker;
    call->connection = connection;
    call->client_host = connection->host;
    call->endpoint = connection->endpoint;
    call->next = NULL;
    connection->refs++;
    net->call_count++;
    return call;
}

static void call_free(struct kafka_call *call)
{
    struct kafka_connection *connection = call->connection;
    struct kafka_net *net = call->broker->net;
    if (call->release)
        call->release(call);
    net->call_count--;
    net->memory_bytes -= call->charged_bytes;
    if (net->spare_count < KAFKA_SPARES_MAX && call->frame.room <= KAFKA_SPARE_FRAME_MAX &&
        net->spare_bytes + call->frame.room <= KAFKA_SPARE_BYTES_MAX) {
        struct buf frame = call->frame;
        struct arena arena = call->arena;
        buf_reset(&frame);
        arena_reset(&arena);
        *call = (struct kafka_call){.frame = frame, .arena = arena, .next = net->spares};
        net->spares = call;
        net->spare_count++;
        net->spare_bytes += frame.room;
    } else {
        buf_deinit(&call->frame);
        arena_deinit(&call->arena);
        mem_free(call);
    }
    if (net->waiting && net->memory_bytes < net->broker->options.memory_bytes_max)
        kafka_memory_wake(net);
    kafka_connection_unref(connection);
}

void kafka_call_release(struct kafka_call *call)
{
    call->released = true;
    if (call->pins == 0)
        call_free(call);
}

void kafka_call_pin(struct kafka_call *call)
{
    call->pins++;
}

void kafka_call_unpin(struct kafka_call *call)
{
    check(call->pins > 0);
    if (--call->pins == 0 && call->released)
        call_free(call);
}

void kafka_spares_free(struct kafka_net *net)
{
    while (net->spares) {
        struct kafka_call *call = net->spares;
        net->spares = call->next;
        buf_deinit(&call->frame);
        arena_deinit(&call->arena);
        mem_free(call);
    }
    net->spare_count = 0;
    net->spare_bytes = 0;
}

/* ---- memory ---- */

void kafka_call_charge(struct kafka_call *call, size_t bytes)
{
    call->charged_bytes += bytes;
    call->broker->net->memory_bytes += bytes;
}

size_t kafka_memory_left(const struct kafka_broker *broker)
{
    size_t max = broker->options.memory_bytes_max, used = broker->net->memory_bytes;
    return used < max ? max - used : 0;
}

static bool fits(const struct kafka_connection *connection, size_t bytes)
{
    const struct kafka_net *net = connection->broker->net;
    size_t max = connection->broker->options.memory_bytes_max;
    if (connection->frame_bytes <= KAFKA_SMALL_FRAME_MAX) {
        max += max / RESERVE_SHARE;
        if (net->granted && net->granted->reading)
            max += net->granted->reading->charged_bytes;
    }
    return bytes <= max && net->memory_bytes <= max - bytes;
}

bool kafka_memory_take(struct kafka_connection *connection, struct kafka_call *call, size_t bytes)
{
    struct kafka_net *net = connection->broker->net;
    if (!fits(connection, bytes) && net->granted != connection) {
        if (net->granted) {
            connection->waiting = true;
            connection->next_waiting = NULL;
            *net->waiting_end = connection;
            net->waiting_end = &connection->next_waiting;
            if (!net->sweep.heap_index)
                io_timer_start(connection->broker->loop, &net->sweep, SWEEP_NS);
            return false;
        }
        net->granted = connection;
        io_stream_set_idle(connection->stream, GRANT_IDLE_NS);
    }
    kafka_call_charge(call, bytes);
    return true;
}

void kafka_memory_ungrant(struct kafka_connection *connection)
{
    struct kafka_net *net = connection->broker->net;
    if (net->granted != connection)
        return;
    net->granted = NULL;
    if (connection->stream)
        io_stream_set_idle(connection->stream, net->limits.idle_max_ns);
    if (net->waiting)
        kafka_memory_wake(net);
}

void kafka_memory_wake(struct kafka_net *net)
{
    struct kafka_connection *list = net->waiting;
    net->waiting = NULL;
    net->waiting_end = &net->waiting;
    while (list) {
        struct kafka_connection *connection = list;
        list = connection->next_waiting;
        connection->waiting = false;
        connection->moved_ns = io_loop_now_ns(net->broker->loop);
        connection->moved_bytes = connection->reading ? connection->reading->frame.bytes : 0;
        /* Its data comes again in the next turn; nothing is read from inside here. */
        if (connection->stream)
            io_stream_pause(connection->stream, false);
    }
}

void kafka_memory_forget(struct kafka_connection *connection)
{
    struct kafka_net *net = connection->broker->net;
    struct kafka_connection **link = &net->waiting;
    kafka_memory_ungrant(connection);
    while (connection->waiting && *link != connection)
        link = &(*link)->next_waiting;
    if (!connection->waiting)
        return;
    *link = connection->next_waiting;
    if (!*link)
        net->waiting_end = link;
    connection->waiting = false;
}

static bool is_stalled(struct kafka_connection *connection, int64_t now_ns)
{
    const struct kafka_call *call = connection->reading;
    if (!connection->stream || !call || !call->charged_bytes)
        return false;
    int64_t passed_ns = now_ns - connection->moved_ns;
    uint64_t moved = call->frame.bytes - connection->moved_bytes;
    bool may_move = kafka_connection_may_read(connection);
    if (may_move && passed_ns < STALL_NS)
        return false;
    connection->moved_ns = now_ns;
    connection->moved_bytes = call->frame.bytes;
    return may_move && moved / FRAME_BYTES_PER_SECOND < (uint64_t)(passed_ns / 1000000000);
}

void kafka_memory_sweep(struct kafka_net *net)
{
    struct io_loop *loop = net->broker->loop;
    for (struct kafka_connection *c = net->connections; c && net->waiting; c = c->next) {
        if (!is_stalled(c, io_loop_now_ns(loop)))
            continue;
        log_line(LOG_WARN, "kafka",
                 "%s: its request does not come while others wait for memory; the connection is "
                 "closed",
                 io_stream_peer(c->stream));
        io_stream_abort(c->stream, ERR_TIMEOUT);
    }
    if (net->waiting)
        io_timer_start(loop, &net->sweep, SWEEP_NS);
}
