/* SPDX-License-Identifier: MIT */
/* The machine: a store, a server over it, and their going and coming back. */
#include "world.h"

enum { MS = 1000 * 1000 };

int64_t now_ms(const struct world *w)
{
    return io_now_ns(w->io) / MS;
}

int64_t wall_s(const struct world *w)
{
    return io_wall_us(w->io) / 1000000;
}

static void store_open(struct world *w)
{
    struct table_store_options options = {.memory = !w->disk, .disk = w->disk};
    struct diag diag = {0};
    if (table_store_open(w->io, "/sim", &options, &diag, &w->store) != OK)
        seed_fail(w->run, "the store does not open: %s", diag.message);
}

void node_up(struct world *w)
{
    struct cql_server_options options = {.address = "127.0.0.1:9042", .sync = true};
    struct diag diag = {0};
    if (!w->store)
        store_open(w);
    if (!w->store || io_loop_new(w->io, &w->loop) != OK)
        return;
    if (cql_server_new(w->loop, w->store, &options, &diag, &w->server) != OK)
        seed_fail(w->run, "the server does not start: %s", diag.message);
    w->life++;
    seed_trace(w->run, "%lld ms: the server is up", (long long)now_ms(w));
}

void node_down(struct world *w, bool store)
{
    if (!w->loop)
        return;
    seed_trace(w->run, "%lld ms: the server ends", (long long)now_ms(w));
    cql_server_free(w->server);
    w->server = NULL;
    for (int i = 0; i < 5; i++)
        io_loop_turn(w->loop, 0);
    if (store && w->disk) {
        table_store_close(w->store);
        w->store = NULL;
        reached(w, MARK_STORE_REOPENED);
    }
    io_loop_free(w->loop);
    w->loop = NULL;
    reached(w, MARK_RESTARTED);
}

void world_turn(struct world *w, int64_t until_ns)
{
    bool did = w->loop && io_loop_turn(w->loop, 0);
    did = io_loop_turn(w->clients, 0) || did;
    if (did)
        return;
    int64_t wait_ns = until_ns - io_now_ns(w->io);
    io_loop_turn(w->clients, wait_ns > 0 ? wait_ns : 0);
}
