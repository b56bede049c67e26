/* SPDX-License-Identifier: MIT */
/*
 * Memory of all connections together: bodies of requests from their head to their answer, and
 * output over the low mark.
 *
 * A request's whole body is charged when its head is read, before a byte of it is stored. When the
 * budget is used up the connection waits in a queue and is not read from; what is given back goes
 * to the first of the queue as soon as it is enough for that one. One request always passes when
 * nothing is charged, whatever its size.
 *
 * Whoever holds memory without moving (a body that does not come, output that is not read) could
 * make all others wait for ever. So while somebody waits, a sweep looks once a second: a body must
 * come at BODY_BYTES_PER_SECOND, seen over STALL_NS, output must fall below the mark within
 * STALL_NS; else the connection is closed. Small bodies have a reserve of a RESERVE_SHARE of the
 * budget and do not queue behind big ones.
 */
#include "serve/cql/net.h"

#include "base/check.h"
#include "base/logline.h"

#define STALL_NS 10000000000LL
enum { BODY_BYTES_PER_SECOND = 100000, SMALL_BODY_MAX = 64 << 10, RESERVE_SHARE = 8 };

void cql_memory_add(struct cql_server *server, size_t bytes)
{
    server->memory_bytes += bytes;
}

static bool fits(const struct cql_server *server, size_t bytes)
{
    size_t max = server->memory_bytes_max;
    return server->memory_bytes == 0 || (bytes <= max && server->memory_bytes <= max - bytes);
}

bool cql_memory_take(struct cql_connection *connection, size_t bytes)
{
    struct cql_server *server = connection->server;
    if (connection->granted) {
        /* What it waited for, and nothing else was read since. */
        check(bytes == connection->wanted_bytes);
        connection->granted = false;
        return true;
    }
    if (bytes == 0)
        return true;
    size_t max = server->memory_bytes_max + server->memory_bytes_max / RESERVE_SHARE;
    bool small = bytes <= SMALL_BODY_MAX && bytes <= max && server->memory_bytes <= max - bytes;
    if (small || (!server->waiting && fits(server, bytes))) {
        server->memory_bytes += bytes;
        return true;
    }
    connection->wanted_bytes = bytes;
    connection->waiting = true;
    connection->next_waiting = NULL;
    *server->waiting_end = connection;
    server->waiting_end = &connection->next_waiting;
    if (!server->sweep.heap_index)
        io_timer_start(server->loop, &server->sweep, 1000000000);
    return false;
}

void cql_memory_forget(struct cql_connection *connection)
{
    struct cql_server *server = connection->server;
    size_t bytes = connection->granted ? connection->wanted_bytes : 0;
    connection->granted = false;
    if (connection->waiting) {
        struct cql_connection **link = &server->waiting;
        while (*link != connection)
            link = &(*link)->next_waiting;
        *link = connection->next_waiting;
        if (!*link)
            server->waiting_end = link;
        connection->waiting = false;
    }
    bytes += connection->out_charged;
    connection->out_charged = 0;
    cql_memory_give(server, bytes);
}

void cql_memory_give(struct cql_server *server, size_t bytes)
{
    server->memory_bytes -= bytes;
    while (server->waiting && fits(server, server->waiting->wanted_bytes)) {
        struct cql_connection *connection = server->waiting;
        server->waiting = connection->next_waiting;
        if (!server->waiting)
            server->waiting_end = &server->waiting;
        server->memory_bytes += connection->wanted_bytes;
        connection->waiting = false;
        connection->granted = true;
        connection->reading_since_ns = io_loop_now_ns(server->loop);
        connection->reading_seen = 0;
        cql_connection_pump(connection);
    }
}

void cql_memory_output(struct cql_connection *connection)
{
    struct cql_server *server = connection->server;
    size_t bytes = connection->stream ? io_stream_out_bytes(connection->stream) : 0;
    bytes = bytes + connection->out.bytes > CQL_OUT_LOW ? bytes + connection->out.bytes : 0;
    if (bytes && !connection->out_charged)
        connection->out_since_ns = io_loop_now_ns(server->loop);
    size_t before = connection->out_charged;
    connection->out_charged = bytes;
    if (bytes >= before)
        cql_memory_add(server, bytes - before);
    else
        cql_memory_give(server, before - bytes);
}

/* A body for which there is room comes too slowly. */
static bool body_stalled(struct cql_connection *connection, int64_t now_ns)
{
    const struct cql_call *call = connection->reading;
    int64_t passed_ns = now_ns - connection->reading_since_ns;
    if ((!connection->granted && !(call && call->charged)) || passed_ns < STALL_NS)
        return false;
    size_t have = call ? call->body.bytes : 0;
    size_t moved = have - connection->reading_seen;
    connection->reading_since_ns = now_ns;
    connection->reading_seen = have;
    return (int64_t)(moved / BODY_BYTES_PER_SECOND) < passed_ns / 1000000000;
}

static const char *stalled(struct cql_connection *connection, int64_t now_ns)
{
    if (body_stalled(connection, now_ns))
        return "its request does not come";
    if (connection->out_charged && now_ns - connection->out_since_ns > STALL_NS)
        return "it does not read its answers";
    return NULL;
}

void cql_memory_sweep(struct cql_server *server)
{
    int64_t now_ns = io_loop_now_ns(server->loop);
    for (struct cql_connection *c = server->connections; c && server->waiting; c = c->next) {
        const char *why = c->stream ? stalled(c, now_ns) : NULL;
        if (!why)
            continue;
        log_line(LOG_WARN, "cql", "%s: %s while others wait for memory; the connection is closed",
                 io_stream_peer(c->stream), why);
        io_stream_abort(c->stream, ERR_TIMEOUT);
    }
    cql_memory_give(server, 0);
    if (server->waiting)
        io_timer_start(server->loop, &server->sweep, 1000000000);
}
