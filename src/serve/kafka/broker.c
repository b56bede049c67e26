/* SPDX-License-Identifier: MIT */
/*
 * The broker: its parts in the order of their life, its listeners, its status, and the small things
 * that every handler needs.
 *
 * The cluster id is made of the id of the topic __consumer_offsets, which is as old as the log and
 * never made twice: stable without a file of its own.
 *
 * The end: connections are closed, then the loop is turned until every call under way has ended.
 * Appends borrow the bytes of their call, so nothing is freed before the log has given them back.
 */
#include "base/base64.h"
#include "base/check.h"
#include "base/logline.h"
#include "serve/kafka/net.h"

#include <stdio.h>

static const int64_t IDLE_NS = 600LL * 1000 * 1000 * 1000;
enum { TURN_NS = 10 * 1000 * 1000 };

/* ---- for every handler ---- */

int16_t kafka_code(enum err err)
{
    switch (err) {
    case ERR_CLOSED: /* of the log: the topic was deleted */
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    case ERR_AGAIN: /* the log's queue is full */
        return KAFKA_REQUEST_TIMED_OUT;
    default:
        return (int16_t)err_info(err)->kafka;
    }
}

int64_t kafka_now_ms(struct kafka_broker *broker)
{
    return io_wall_us(broker->io) / 1000;
}

struct log_topic *kafka_topic(struct kafka_broker *broker, struct str name, const uint8_t *id,
                              int16_t *ret_code)
{
    struct log_topic *topic;
    if (name.bytes == 0 && id) {
        topic = log_topic_find_id(broker->log, id);
        if (!topic)
            *ret_code = KAFKA_UNKNOWN_TOPIC_ID;
        return topic;
    }
    topic = log_topic_find(broker->log, name);
    if (!topic)
        *ret_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return topic;
}

struct log_partition *kafka_partition(struct kafka_broker *broker, struct str topic, int32_t index,
                                      int16_t *ret_code)
{
    struct log_topic *found = log_topic_find(broker->log, topic);
    struct log_partition *partition =
        found && index >= 0 ? log_topic_partition(found, index) : NULL;
    if (!partition)
        *ret_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return partition;
}

/* ---- life ---- */

static void options_fill(struct kafka_broker_options *options)
{
    if (options->node_id == 0)
        options->node_id = 1;
    if (options->partitions_default == 0)
        options->partitions_default = 1;
    if (options->rebalance_delay_ms < 0)
        options->rebalance_delay_ms = 3000;
    if (options->transaction_timeout_ms_max == 0)
        options->transaction_timeout_ms_max = 3600 * 1000;
    if (options->request_bytes_max == 0)
        options->request_bytes_max = 100 << 20;
    if (options->memory_bytes_max == 0)
        options->memory_bytes_max = 512 << 20;
    if (options->connections_max == 0)
        options->connections_max = 10000;
}

static enum err cluster_id_make(struct kafka_broker *broker, struct diag *diag)
{
    struct log_partition *partition;
    enum err err = log_offsets_partition(broker->log, &partition);
    if (err != OK)
        return diag_set(diag, err, 0, 0, "the topic __consumer_offsets cannot be made: %s",
                        err_text(err));
    struct buf text = {.bytes_max = 64};
    base64_encode(str_from(log_topic_id(log_partition_topic(partition)), 16), &text);
    check(text.bytes >= 22);
    for (size_t i = 0; i < 22; i++) {
        char c = (char)text.ptr[i];
        broker->cluster_id[i] = c;
        if (c == '+')
            broker->cluster_id[i] = '-';
        if (c == '/')
            broker->cluster_id[i] = '_';
    }
    buf_deinit(&text);
    return OK;
}

static enum err parts_new(struct kafka_broker *broker, struct diag *diag)
{
    TRY(cluster_id_make(broker, diag));
    TRY(io_worker_new(broker->loop, "kafka", &broker->worker));
    TRY(kafka_groups_new(broker, diag));
    return kafka_transactions_new(broker, diag);
}

enum err kafka_broker_new(struct io_loop *loop, struct log *log,
                          const struct kafka_broker_options *options, struct diag *diag,
                          struct kafka_broker **ret_broker)
{
    struct kafka_broker *broker = mem_zero(sizeof *broker);
    broker->loop = loop;
    broker->io = io_loop_io(loop);
    broker->log = log;
    if (options)
        broker->options = *options;
    options_fill(&broker->options);
    kafka_dispatch_init(broker);
    kafka_net_new(broker);
    kafka_produces_new(broker);
    kafka_fetch_sessions_new(broker);
    enum err err = parts_new(broker, diag);
    if (err != OK) {
        if (diag && diag->err == OK)
            diag_set(diag, err, 0, 0, "the Kafka broker cannot start: %s", err_text(err));
        kafka_broker_free(broker);
        return err;
    }
    *ret_broker = broker;
    return OK;
}

void kafka_broker_free(struct kafka_broker *broker)
{
    if (!broker)
        return;
    kafka_net_end(broker);
    kafka_transactions_free(broker);
    kafka_groups_free(broker);
    io_worker_free(broker->worker);
    io_worker_free(broker->reader);
    broker->worker = broker->reader = NULL;
    kafka_fetch_sessions_free(broker);
    kafka_produces_free(broker);
    kafka_net_free(broker);
    mem_free(broker);
}

/* ---- net ---- */

static void sweep(struct io_timer *timer)
{
    kafka_memory_sweep(timer->owner);
}

void kafka_net_new(struct kafka_broker *broker)
{
    struct kafka_net *net = mem_zero(sizeof *net);
    net->broker = broker;
    net->waiting_end = &net->waiting;
    net->sweep = (struct io_timer){.fire = sweep, .owner = net};
    net->limits = (struct io_stream_limits){
        .in_max = 1 << 20,
        /* What is queued is bounded before a request is begun; one answer may be of any size. */
        .out_max = SIZE_MAX / 2,
        .out_low = KAFKA_OUT_LOW,
        .idle_max_ns = IDLE_NS,
    };
    broker->net = net;
}

void kafka_net_end(struct kafka_broker *broker)
{
    struct kafka_net *net = broker->net;
    for (struct kafka_listener *l = net->listeners; l; l = l->next) {
        io_listener_close(l->listener);
        l->listener = NULL;
    }
    for (struct kafka_connection *c = net->connections; c; c = c->next)
        io_stream_abort(c->stream, ERR_CANCELLED);
    while (net->connection_count || net->call_count) {
        /* Without threads the log waits for us. */
        if (!io_worker_has_thread(broker->worker))
            log_step(broker->log);
        io_loop_turn(broker->loop, TURN_NS);
        if (log_health(broker->log) == ERR_DISK_FULL)
            log_interrupt(broker->log); /* there may never be room again */
    }
}

void kafka_net_free(struct kafka_broker *broker)
{
    struct kafka_net *net = broker->net;
    while (net->listeners) {
        struct kafka_listener *next = net->listeners->next;
        mem_free(net->listeners);
        net->listeners = next;
    }
    io_timer_stop(broker->loop, &net->sweep);
    kafka_spares_free(net);
    buf_deinit(&net->scratch);
    mem_free(net);
    broker->net = NULL;
}

/* "host:port", "[v6]:port"; a port of 0 is the one that the listener got. */
static enum err endpoint_parse(const char *text, uint16_t port, struct kafka_endpoint *ret_endpoint)
{
    const char *colon = strrchr(text, ':');
    int64_t number;
    if (!colon || str_to_i64(str_of(colon + 1), &number) != OK || number < 0 || number > 65535)
        return ERR_INVALID;
    struct str host = str_from(text, (size_t)(colon - text));
    if (host.bytes > 1 && host.ptr[0] == '[' && host.ptr[host.bytes - 1] == ']')
        host = str_slice(host, 1, host.bytes - 1);
    if (host.bytes == 0 || host.bytes >= sizeof ret_endpoint->host)
        return ERR_INVALID;
    snprintf(ret_endpoint->host, sizeof ret_endpoint->host, "%.*s", STR_ARG(host));
    ret_endpoint->port = number ? (uint16_t)number : port;
    return OK;
}

enum err kafka_broker_listen(struct kafka_broker *broker,
                             const struct kafka_listener_options *options, uint16_t *ret_port)
{
    struct kafka_net *net = broker->net;
    const char *told = options->advertised ? options->advertised : options->address;
    struct kafka_listener *listener = mem_zero(sizeof *listener);
    listener->broker = broker;
    enum err err = endpoint_parse(told, 0, &listener->endpoint);
    if (err == OK)
        err = io_listen(broker->loop, options->address, NULL, &kafka_connection_events,
                        &net->limits, kafka_connection_accept, listener, &listener->listener);
    if (err != OK) {
        mem_free(listener);
        return err;
    }
    uint16_t port = io_listener_port(listener->listener);
    if (listener->endpoint.port == 0)
        listener->endpoint.port = port;
    listener->next = net->listeners;
    net->listeners = listener;
    if (ret_port)
        *ret_port = port;
    return OK;
}

void kafka_broker_status(const struct kafka_broker *broker, struct kafka_broker_status *ret_status)
{
    const struct kafka_net *net = broker->net;
    *ret_status = (struct kafka_broker_status){
        .connections = net->connection_count,
        .groups = kafka_groups_count(broker),
        .transactions_open = kafka_transactions_open(broker),
        .fetch_sessions = kafka_fetch_sessions_count(broker),
        .fetches_waiting = kafka_fetches_waiting(broker),
        .cold_reads = kafka_cold_reads(broker),
        .requests = net->requests,
        .bytes_in = net->bytes_in,
        .bytes_out = net->bytes_out,
    };
}
