/* SPDX-License-Identifier: MIT */
/*
 * The client over its connections: one queue of calls, given to whichever connection has room, so
 * that a slow or lost host takes no more than it answers. Order does not matter to the callers:
 * every write carries its own timestamp.
 *
 * A call is in one place at a time: the queue, the rest (until its pause is over) or a slot of a
 * connection. done is called from the loop only: from data, from a tick, or from a timer.
 */
#include "connect/cql_private.h"

#include <stdio.h>

enum {
    TICK_MS = 50,
    REST_FIRST_MS = 20,
    REST_MAX_MS = 5000,
    FEW_TIMES = 8,
    TURN_CALLS = 64,
    IN_FLIGHT = 1024,
    CONNECT_MS = 10000,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_LAST_MS = 10000,
    NS_PER_MS = 1000000,
};
static const size_t IN_FLIGHT_BYTES = 1 << 20;

/* ---- lists ---- */

void cql_calls_push(struct cql_calls *calls, struct cql_call *call)
{
    call->next = NULL;
    if (!calls->first)
        calls->end = &calls->first;
    *calls->end = call;
    calls->end = &call->next;
    calls->count++;
}

void cql_calls_push_front(struct cql_calls *calls, struct cql_call *call)
{
    if (!calls->first)
        calls->end = &call->next;
    call->next = calls->first;
    calls->first = call;
    calls->count++;
}

struct cql_call *cql_calls_pop(struct cql_calls *calls)
{
    struct cql_call *call = calls->first;
    if (!call)
        return NULL;
    calls->first = call->next;
    calls->count--;
    call->next = NULL;
    return call;
}

/* ---- giving work to connections ---- */

bool cql_error_is_transient(enum cql_error_code code)
{
    switch (code) {
    case CQL_SERVER_ERROR:
    case CQL_UNAVAILABLE:
    case CQL_OVERLOADED:
    case CQL_BOOTSTRAPPING:
    case CQL_TRUNCATE_ERROR:
    case CQL_WRITE_TIMEOUT:
    case CQL_READ_TIMEOUT:
    case CQL_READ_FAILURE:
    case CQL_WRITE_FAILURE:
        return true;
    default:
        return false;
    }
}

static void start_tick(struct cql_client *client)
{
    if (!client->tick.heap_index)
        io_timer_start(client->loop, &client->tick, TICK_MS * (int64_t)NS_PER_MS);
}

static bool pump_some(struct cql_client *client, struct cql_connection *c)
{
    size_t sent = 0;
    for (; sent < TURN_CALLS && client->queue.first; sent++) {
        struct cql_call *call = cql_calls_pop(&client->queue);
        if (cql_connection_send(c, call))
            continue;
        cql_calls_push_front(&client->queue, call);
        break;
    }
    return sent == TURN_CALLS;
}

void cql_client_pump(struct cql_client *client)
{
    if (client->freed || client->pumping)
        return;
    client->pumping = true;
    start_tick(client);
    for (bool more = true; more && client->queue.first;) {
        more = false;
        for (size_t i = 0; i < client->connection_count && client->queue.first; i++)
            more |= pump_some(client,
                              &client->connections[(client->turn + i) % client->connection_count]);
        client->turn++;
    }
    client->pumping = false;
}

void cql_client_requeue(struct cql_client *client, struct cql_call *call)
{
    cql_calls_push_front(&client->queue, call);
}

void cql_client_fail(struct cql_call *call, enum err err, struct str message, const char *host)
{
    struct cql_reply reply = {.err = err, .host = host};
    reply.error.message = message;
    call->done(call, &reply);
}

void cql_client_retry(struct cql_client *client, struct cql_call *call,
                      const struct cql_reply *reply)
{
    enum cql_error_code code = reply->error.code;
    bool few =
        reply->err == ERR_INVALID &&
        (code == CQL_READ_FAILURE || code == CQL_WRITE_FAILURE || code == CQL_TRUNCATE_ERROR);
    if (few && call->attempts >= FEW_TIMES) {
        call->done(call, reply);
        return;
    }
    uint32_t doublings = call->attempts < 10 ? call->attempts : 10;
    int64_t rest_ms = (int64_t)REST_FIRST_MS << doublings;
    if (rest_ms > REST_MAX_MS)
        rest_ms = REST_MAX_MS;
    call->attempts++;
    client->retries++;
    call->due_ns = io_loop_now_ns(client->loop) + rest_ms * NS_PER_MS;
    snprintf(client->trouble, sizeof client->trouble, "%s: %.*s", reply->host,
             STR_ARG(str_slice(reply->error.message, 0, 200)));
    cql_calls_push(&client->resting, call);
    start_tick(client);
}

void cql_client_fail_statement(struct cql_client *client, struct cql_statement *statement,
                               const struct cql_reply *reply)
{
    struct cql_calls failed = {0}, kept = {0};
    struct cql_reply own = *reply;
    own.of_statement = true;
    for (struct cql_call *call; (call = cql_calls_pop(&client->queue));)
        cql_calls_push(call->statement == statement ? &failed : &kept, call);
    client->queue = kept;
    for (struct cql_call *call; (call = cql_calls_pop(&failed));)
        call->done(call, &own);
}

/* ---- time ---- */

static void wake_rested(struct cql_client *client, int64_t now_ns)
{
    struct cql_calls rest = client->resting;
    client->resting = (struct cql_calls){0};
    for (struct cql_call *call; (call = cql_calls_pop(&rest));)
        cql_calls_push(call->due_ns <= now_ns ? &client->queue : &client->resting, call);
}

static void tick(struct io_timer *timer)
{
    struct cql_client *client = timer->owner;
    int64_t now_ns = io_loop_now_ns(client->loop);
    wake_rested(client, now_ns);
    bool busy = client->resting.count > 0 || client->queue.count > 0;
    for (size_t i = 0; i < client->connection_count; i++) {
        struct cql_connection *c = &client->connections[i];
        cql_connection_tick(c, now_ns);
        busy |= c->in_flight > 0 || c->stage == CQL_CONNECTING;
    }
    if (busy)
        start_tick(client);
    cql_client_pump(client);
}

static bool all_away(const struct cql_client *client)
{
    for (size_t i = 0; i < client->connection_count; i++)
        if (client->connections[i].stage != CQL_AWAY || !client->connections[i].failures)
            return false;
    return true;
}

static void give_up(struct io_timer *timer)
{
    struct cql_client *client = timer->owner;
    if (!all_away(client))
        return;
    struct cql_calls failed = {0};
    for (struct cql_call *call; (call = cql_calls_pop(&client->queue));)
        cql_calls_push(&failed, call);
    for (struct cql_call *call; (call = cql_calls_pop(&client->resting));)
        cql_calls_push(&failed, call);
    for (struct cql_call *call; (call = cql_calls_pop(&failed));)
        cql_client_fail(call, ERR_NETWORK, str_of(client->trouble), "");
}

void cql_client_look_given_up(struct cql_client *client)
{
    if (client->options.give_up && all_away(client))
        io_timer_start(client->loop, &client->give_up_timer, 0);
}

/* ---- public ---- */

static void default_options(struct cql_client_options *o)
{
    if (!o->in_flight_max)
        o->in_flight_max = IN_FLIGHT;
    if (o->in_flight_max > CQL_SLOTS_MAX - 64)
        o->in_flight_max = CQL_SLOTS_MAX - 64;
    if (!o->in_flight_bytes_max)
        o->in_flight_bytes_max = IN_FLIGHT_BYTES;
    if (!o->connect_timeout_ms)
        o->connect_timeout_ms = CONNECT_MS;
    if (!o->backoff_min_ms)
        o->backoff_min_ms = BACKOFF_FIRST_MS;
    if (!o->backoff_max_ms)
        o->backoff_max_ms = BACKOFF_LAST_MS;
}

static void make_connections(struct cql_client *client)
{
    const struct cql_place *place = client->place;
    client->hosts = mem_zero(place->host_count * sizeof *client->hosts);
    client->connection_count = place->host_count * place->connections;
    client->connections = mem_zero(client->connection_count * sizeof *client->connections);
    for (size_t i = 0; i < place->host_count; i++) {
        struct str address = str_of(place->hosts[i]), name = address;
        while (name.bytes && name.ptr[name.bytes - 1] != ':')
            name.bytes--;
        name = str_slice(name, 0, name.bytes - 1);
        if (str_starts(name, STR("[")))
            name = str_slice(name, 1, name.bytes - 1);
        client->hosts[i] = (struct cql_host){place->hosts[i], str_dup(name)};
    }
    for (size_t i = 0; i < client->connection_count; i++) {
        struct cql_connection *c = &client->connections[i];
        c->client = client;
        c->host = &client->hosts[i % place->host_count];
        cql_connection_start(c);
    }
}

static enum err tls_new(struct io *io, const struct cql_place *place, struct diag *diag,
                        struct io_tls **ret_tls)
{
    struct io_tls *tls;
    TRY(io_tls_client_new(io, place->ca_path, diag, &tls));
    enum err err = OK;
    if (place->cert_path)
        err = io_tls_client_identify(io, tls, place->cert_path, place->key_path, diag);
    if (err == OK)
        *ret_tls = tls;
    else
        io_tls_free(tls);
    return err;
}

enum err cql_client_new(struct io_loop *loop, const struct cql_client_options *options,
                        struct diag *diag, struct cql_client **ret_client)
{
    struct io_tls *tls = NULL;
    if (options->place->tls)
        TRY(tls_new(io_loop_io(loop), options->place, diag, &tls));
    struct cql_client *client = mem_zero(sizeof *client);
    *client =
        (struct cql_client){.loop = loop, .place = options->place, .options = *options, .tls = tls};
    default_options(&client->options);
    client->keyspace = options->keyspace ? str_dup(str_of(options->keyspace)) : NULL;
    client->tick = (struct io_timer){.fire = tick, .owner = client};
    client->give_up_timer = (struct io_timer){.fire = give_up, .owner = client};
    make_connections(client);
    *ret_client = client;
    return OK;
}

static void release(struct cql_client *client)
{
    for (size_t i = 0; i < client->connection_count; i++)
        cql_connection_deinit(&client->connections[i]);
    for (size_t i = 0; i < client->place->host_count; i++)
        mem_free(client->hosts[i].name);
    for (size_t i = 0; i < client->statement_count; i++) {
        mem_free((void *)client->statements[i]->text.ptr);
        mem_free(client->statements[i]);
    }
    mem_free(client->statements);
    mem_free(client->connections);
    mem_free(client->hosts);
    mem_free(client->keyspace);
    io_tls_free(client->tls);
    mem_free(client);
}

/* The last stream's closed() calls it again. */
void cql_client_free(struct cql_client *client)
{
    if (!client)
        return;
    if (!client->freed) {
        client->freed = true;
        io_timer_stop(client->loop, &client->tick);
        io_timer_stop(client->loop, &client->give_up_timer);
        for (size_t i = 0; i < client->connection_count; i++)
            cql_connection_stop(&client->connections[i]);
    }
    if (!client->streams)
        release(client);
}

struct cql_statement *cql_client_statement(struct cql_client *client, struct str text)
{
    for (size_t i = 0; i < client->statement_count; i++)
        if (str_equal(client->statements[i]->text, text))
            return client->statements[i];
    client->statements = mem_realloc_array(client->statements, client->statement_count + 1,
                                           sizeof(struct cql_statement *));
    struct cql_statement *statement = mem_zero(sizeof *statement);
    statement->text = str_from(str_dup(text), text.bytes);
    statement->index = client->statement_count;
    client->statements[client->statement_count++] = statement;
    return statement;
}

void cql_client_submit(struct cql_client *client, struct cql_call *call)
{
    call->attempts = 0;
    cql_calls_push(&client->queue, call);
    if (client->options.give_up && all_away(client))
        for (size_t i = 0; i < client->connection_count; i++) {
            client->connections[i].failures = 0;
            io_timer_start(client->loop, &client->connections[i].again, 0);
        }
    cql_client_pump(client);
}

void cql_query_body(struct buf *out, struct str text, uint16_t consistency, int32_t page_size,
                    struct str paging_state)
{
    cql_long_string_append(out, text);
    buf_be16(out, consistency);
    buf_u8(out, (uint8_t)((page_size > 0 ? CQL_QUERY_PAGE_SIZE : 0) |
                          (paging_state.ptr ? CQL_QUERY_PAGING_STATE : 0)));
    if (page_size > 0)
        buf_be32(out, (uint32_t)page_size);
    if (paging_state.ptr)
        cql_bytes_append(out, paging_state);
}

void cql_client_status(const struct cql_client *client, struct cql_client_status *ret_status)
{
    struct cql_client_status status = {
        .hosts = client->place->host_count,
        .waiting = client->queue.count + client->resting.count,
        .acknowledged = client->acknowledged,
        .retries = client->retries,
        .reconnects = client->reconnects,
        .next_try_ms = -1,
    };
    int64_t now_ns = io_loop_now_ns(client->loop);
    for (size_t i = 0; i < client->connection_count; i++) {
        const struct cql_connection *c = &client->connections[i];
        status.connections += c->stage == CQL_OPEN;
        status.in_flight += c->in_flight;
        if (c->stage != CQL_AWAY)
            continue;
        int64_t wait_ms = (c->again.due_ns - now_ns) / NS_PER_MS;
        wait_ms = wait_ms > 0 ? wait_ms : 0;
        if (status.next_try_ms < 0 || wait_ms < status.next_try_ms)
            status.next_try_ms = wait_ms;
    }
    if (!status.connections || client->resting.count)
        memcpy(status.trouble, client->trouble, sizeof status.trouble);
    *ret_status = status;
}
