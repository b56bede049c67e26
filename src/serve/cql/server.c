/* SPDX-License-Identifier: MIT */
/*
 * The CQL server: what it is made of, in the order of its making.
 *
 *   listener -> catalogue (system.local names the port) -> executor -> kept statements -> worker
 *
 * The listener is there first, since it knows the port; nobody is accepted before the loop's next
 * turn. At the end connections are cut, and everything that is under way is waited for before what
 * it stands on goes.
 *
 * The node's id is made once and kept in the store's state: drivers tell nodes apart by it.
 */
#include "base/check.h"
#include "serve/cql/net.h"

#define HOST_ID_KEY STR("cql/host_id")
enum {
    REQUEST_BYTES_MAX = 16 << 20,
    MEMORY_BYTES_MAX = 256 << 20,
    CONNECTIONS_MAX = 10000,
    IN_BYTES_MAX = 1 << 20,
    OUT_BYTES_MAX = 1 << 30,
};

static void turn_end(struct io_turn_end *hook)
{
    cql_server_flush(hook->owner);
}

static void sweep(struct io_timer *timer)
{
    cql_memory_sweep(timer->owner);
}

/* ---- the node ---- */

static enum err host_id(struct cql_server *server, uint8_t ret_id[16])
{
    struct buf value = {0};
    enum err err = table_state_get(server->store, HOST_ID_KEY, &value);
    if (err == OK && value.bytes == 16) {
        memcpy(ret_id, value.ptr, 16);
        buf_deinit(&value);
        return OK;
    }
    buf_deinit(&value);
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    io_random(server->io, ret_id, 16);
    ret_id[6] = (uint8_t)((ret_id[6] & 0x0F) | 0x40);
    ret_id[8] = (uint8_t)((ret_id[8] & 0x3F) | 0x80);
    struct table_batch *batch = table_batch_new(server->store);
    table_batch_state(batch, HOST_ID_KEY, str_from(ret_id, 16));
    err = table_commit(server->store, batch, true);
    table_batch_free(batch);
    return err;
}

/* "127.0.0.1:9042" -> host and port; what listens on all addresses is reached on the loopback. */
static void split_address(struct str address, uint16_t real_port, struct str *ret_host,
                          uint16_t *ret_port)
{
    struct str host = address;
    uint64_t port = 0;
    for (size_t i = address.bytes; i-- > 0;)
        if (address.ptr[i] == ':') {
            host = str_slice(address, 0, i);
            if (str_to_u64(str_slice(address, i + 1, address.bytes), &port) != OK)
                port = 0;
            break;
        }
    if (host.bytes > 2 && host.ptr[0] == '[')
        host = str_slice(host, 1, host.bytes - 1);
    if (!host.bytes || str_equal(host, STR("0.0.0.0")) || str_equal(host, STR("localhost")))
        host = STR("127.0.0.1");
    if (str_equal(host, STR("::")))
        host = STR("::1");
    *ret_host = host;
    *ret_port = port && port <= UINT16_MAX ? (uint16_t)port : real_port;
}

static enum err open_catalog(struct cql_server *server, const struct cql_server_options *options,
                             struct diag *diag)
{
    struct cql_node node = {
        .cluster_name = options->cluster_name.ptr ? options->cluster_name : STR("millrace"),
        .data_center = options->data_center.ptr ? options->data_center : STR("datacenter1"),
        .rack = STR("rack1"),
        .release_version = STR("5.0.9"),
        .cql_version = STR("3.4.7"),
        .auth = options->password.ptr != NULL,
        .user = options->user,
    };
    const char *address = options->advertised ? options->advertised : options->address;
    split_address(str_of(address), cql_server_port(server), &node.address, &node.port);
    TRY(host_id(server, node.host_id));
    return cql_catalog_open(server->io, server->store, &node, diag, &server->catalog);
}

/* ---- life ---- */

static enum err server_open(struct cql_server *server, const struct cql_server_options *options,
                            struct diag *diag)
{
    enum err err = io_listen(server->loop, options->address, NULL, &cql_connection_events,
                             &server->limits, cql_connection_accept, server, &server->listener);
    if (err != OK)
        return diag_set(diag, err, 0, 0, "CQL cannot listen on %s: %s", options->address,
                        err_text(err));
    TRY(open_catalog(server, options, diag));
    cql_sessions_init(server);
    TRY(cql_executor_new(server->loop, server->catalog, options->sync, &server->executor));
    server->statements = cql_statements_new(server);
    TRY(cql_statements_load(server->statements));
    cql_auth_init(server, options->user, options->password);
    return io_worker_new(server->loop, "cql", &server->worker);
}

enum err cql_server_new(struct io_loop *loop, struct table_store *store,
                        const struct cql_server_options *options, struct diag *diag,
                        struct cql_server **ret_server)
{
    struct cql_server *server = mem_zero(sizeof *server);
    server->loop = loop;
    server->io = io_loop_io(loop);
    server->store = store;
    server->request_bytes_max =
        options->request_bytes_max ? options->request_bytes_max : REQUEST_BYTES_MAX;
    server->memory_bytes_max =
        options->memory_bytes_max ? options->memory_bytes_max : MEMORY_BYTES_MAX;
    server->connections_max = options->connections_max ? options->connections_max : CONNECTIONS_MAX;
    server->limits = (struct io_stream_limits){
        .in_max = IN_BYTES_MAX, .out_max = OUT_BYTES_MAX, .out_low = CQL_OUT_LOW};
    server->waiting_end = &server->waiting;
    server->hook = (struct io_turn_end){.run = turn_end, .owner = server};
    server->sweep = (struct io_timer){.fire = sweep, .owner = server};
    server->watch = (struct io_timer){.fire = cql_watch, .owner = server};
    io_loop_turn_end(loop, &server->hook);
    enum err err = server_open(server, options, diag);
    if (err != OK) {
        diag_set(diag, err, 0, 0, "CQL cannot start: %s", err_text(err));
        cql_server_free(server);
        return err;
    }
    *ret_server = server;
    return OK;
}

static void spares_free(struct cql_server *server)
{
    while (server->spares) {
        struct cql_call *call = server->spares;
        server->spares = call->next;
        buf_deinit(&call->body);
        buf_deinit(&call->plain);
        buf_deinit(&call->run.out);
        arena_deinit(&call->arena);
        mem_free(call);
    }
    for (size_t i = 0; i < server->out_count; i++)
        buf_deinit(&server->outs[i]);
    buf_deinit(&server->scratch);
    buf_deinit(&server->segment_out);
    buf_deinit(&server->segment_in);
}

void cql_server_free(struct cql_server *server)
{
    if (!server)
        return;
    if (server->listener)
        io_listener_close(server->listener);
    for (struct cql_connection *c = server->connections; c; c = c->next)
        io_stream_abort(c->stream, ERR_CLOSED);
    while (server->connections || server->call_count || cql_statements_busy(server->statements))
        io_loop_turn(server->loop, 1000000);
    io_worker_free(server->worker);
    server->worker = NULL;
    cql_statements_free(server->statements);
    cql_executor_free(server->executor);
    cql_catalog_free(server->catalog);
    io_timer_stop(server->loop, &server->sweep);
    io_timer_stop(server->loop, &server->watch);
    io_loop_turn_end_stop(server->loop, &server->hook);
    spares_free(server);
    mem_free(server);
}

uint16_t cql_server_port(const struct cql_server *server)
{
    return io_listener_port(server->listener);
}

void cql_server_status(const struct cql_server *server, struct cql_server_status *ret_status)
{
    *ret_status = server->status;
    ret_status->connections = server->connection_count;
    ret_status->prepared = cql_statements_count(server->statements);
}
