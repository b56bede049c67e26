/* SPDX-License-Identifier: MIT */
/* The rig of the broker's tests: see harness.h. */
#include "serve/kafka/harness.h"

#include "base/endian.h"
#include "io/sim.h"

enum { SENT_MAX = 1024 };

struct sent {
    int16_t key, version;
    int32_t correlation_id;
};

struct client {
    struct rig *rig;
    struct io_stream *stream;
    struct buf in;
    bool closed, freed;
    int32_t next_id;
    struct sent sent[SENT_MAX]; /* not answered, oldest first */
    size_t sent_count;
};

/* ---- the rig ---- */

static void up(struct rig *rig, const struct kafka_broker_options *options)
{
    struct log_options log_options = {.durability = LOG_SYNC};
    struct kafka_broker_options plain = {0};
    struct kafka_listener_options listen = {.address = "127.0.0.1:0"};
    struct diag diag = {0};
    assert_ok(io_loop_new(rig->io, &rig->loop));
    assert_ok(log_open(rig->io, "data", &log_options, NULL, &rig->log));
    enum err err =
        kafka_broker_new(rig->loop, rig->log, options ? options : &plain, &diag, &rig->broker);
    if (err != OK)
        fail_msg("%s", diag.message);
    assert_ok(kafka_broker_listen(rig->broker, &listen, &rig->port));
}

static void down(struct rig *rig)
{
    kafka_broker_free(rig->broker);
    log_close(rig->log);
    rig_turns(rig, 3);
    io_loop_free(rig->loop);
}

void rig_up_in(struct rig *rig, struct io *io)
{
    *rig = (struct rig){.io = io};
    arena_init(&rig->arena, SIZE_MAX / 2);
    io_sim_faults(io, false);
    up(rig, NULL);
    io_sim_faults(io, true);
}

void rig_up_after(struct rig *rig, const struct kafka_broker_options *options,
                  void (*prepare)(struct io *io))
{
    struct io_sim_options sim = {.seed = 7};
    *rig = (struct rig){0};
    arena_init(&rig->arena, SIZE_MAX / 2);
    rig->io = io_sim_new(&sim);
    if (prepare)
        prepare(rig->io);
    up(rig, options);
}

void rig_up(struct rig *rig, const struct kafka_broker_options *options)
{
    rig_up_after(rig, options, NULL);
}

void rig_down(struct rig *rig)
{
    down(rig);
    io_free(rig->io);
    arena_deinit(&rig->arena);
}

void rig_restart(struct rig *rig, const struct kafka_broker_options *options)
{
    down(rig);
    up(rig, options);
}

void rig_turn(struct rig *rig, int64_t wait_ms)
{
    bool did = rig->broker && !rig->log_stopped && log_step(rig->log);
    io_loop_turn(rig->loop, did ? 0 : wait_ms * 1000000);
}

void rig_turns(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++)
        io_loop_turn(rig->loop, 0);
}

void rig_pass(struct rig *rig, int64_t ms)
{
    int64_t end_ns = io_now_ns(rig->io) + ms * 1000000;
    while (io_now_ns(rig->io) < end_ns)
        rig_turn(rig, (end_ns - io_now_ns(rig->io) + 999999) / 1000000);
}

struct log_topic *rig_topic(struct rig *rig, const char *name, int32_t partitions)
{
    struct log_topic_config config;
    struct log_topic *topic;
    log_topic_config_default(&config);
    config.partitions = partitions;
    assert_ok(log_topic_create(rig->log, str_of(name), &config, NULL, &topic));
    return topic;
}

struct str rig_batch_of(struct rig *rig, struct record_batch_builder *builder)
{
    struct buf out = {0};
    assert_ok(record_batch_builder_finish(builder, &out));
    struct str batch = arena_str(&rig->arena, buf_str(&out));
    buf_deinit(&out);
    record_batch_builder_deinit(builder);
    return batch;
}

struct str rig_batch(struct rig *rig, int first, int count)
{
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
    for (int i = 0; i < count; i++) {
        char value[32];
        snprintf(value, sizeof value, "value-%d", first + i);
        record_batch_builder_add(&builder, io_wall_us(rig->io) / 1000, STR("key"), str_of(value),
                                 NULL, 0);
    }
    return rig_batch_of(rig, &builder);
}

int64_t rig_append(struct rig *rig, const char *topic, int32_t index, struct str batch)
{
    int64_t offset = -1;
    struct log_partition *partition =
        log_topic_partition(log_topic_find(rig->log, str_of(topic)), index);
    assert_ok(log_append_wait(partition, (const uint8_t *)batch.ptr, batch.bytes, &offset));
    return offset;
}

/* ---- clients ---- */

static size_t client_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    struct client *client = owner;
    buf_append(&client->in, data, bytes);
    return bytes;
}

static void client_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct client *client = owner;
    client->closed = true;
    client->stream = NULL;
}

struct client *client_new(struct rig *rig)
{
    static const struct io_stream_events events = {.data = client_data, .closed = client_closed};
    static const struct io_stream_limits limits = {.in_max = 1 << 30, .out_max = 1 << 30};
    struct client *client = mem_zero(sizeof *client);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", rig->port);
    client->rig = rig;
    client->next_id = 100;
    assert_ok(
        io_connect(rig->loop, address, NULL, NULL, &events, &limits, client, &client->stream));
    return client;
}

void client_free(struct client *client)
{
    if (client->stream)
        io_stream_abort(client->stream, OK);
    for (int i = 0; i < 1000 && !client->closed; i++)
        io_loop_turn(client->rig->loop, 0);
    assert_true(client->closed);
    io_loop_turn(client->rig->loop, 0);
    buf_deinit(&client->in);
    mem_free(client);
}

bool client_is_closed(const struct client *client)
{
    return client->closed;
}

void client_pause(struct client *client, bool paused)
{
    io_stream_pause(client->stream, paused);
}

void client_send_bytes(struct client *client, const void *data, size_t bytes)
{
    enum err err = client->stream ? io_stream_write(client->stream, data, bytes) : OK;
    /* It broke, and is told so next. */
    if (err != ERR_CLOSED)
        assert_ok(err);
}

int32_t client_send(struct client *client, int16_t key, int16_t version, const void *request)
{
    struct buf out = {0};
    int32_t id = client->next_id++;
    size_t at = kafka_request_begin(key, version, id, STR("test"), &out);
    assert_ok(kafka_encode(kafka_api_find(key)->request, version, request, &out));
    kafka_frame_end(&out, at);
    client_send_bytes(client, out.ptr, out.bytes);
    buf_deinit(&out);
    assert_true(client->sent_count < SENT_MAX);
    client->sent[client->sent_count++] = (struct sent){key, version, id};
    return id;
}

size_t client_waiting(struct client *client)
{
    size_t count = 0, at = 0;
    while (client->in.bytes >= at + 4) {
        at += 4 + get_be32(client->in.ptr + at);
        count += at <= client->in.bytes;
    }
    return count;
}

struct str client_receive_bytes(struct client *client, int64_t wait_ms)
{
    struct rig *rig = client->rig;
    int64_t end_ns = io_now_ns(rig->io) + wait_ms * 1000000;
    while (client_waiting(client) == 0) {
        int64_t left_ns = end_ns - io_now_ns(rig->io);
        if (client->closed || left_ns <= 0)
            return STR_NONE;
        rig_turn(rig, (left_ns + 999999) / 1000000);
    }
    size_t bytes = get_be32(client->in.ptr);
    struct str frame = arena_str(&rig->arena, str_from(client->in.ptr + 4, bytes));
    buf_consume(&client->in, 4 + bytes);
    return frame;
}

void *client_receive(struct client *client, int64_t wait_ms)
{
    struct rig *rig = client->rig;
    struct str frame = client_receive_bytes(client, wait_ms);
    if (!frame.ptr)
        return NULL;
    assert_true(client->sent_count > 0);
    struct sent sent = client->sent[0];
    client->sent_count--;
    memmove(client->sent, client->sent + 1, client->sent_count * sizeof sent);
    const struct kafka_api *api = kafka_api_find(sent.key);
    assert_int_equal((int32_t)get_be32(frame.ptr), sent.correlation_id);
    bool tags = sent.key != KAFKA_KEY_API_VERSIONS && sent.version >= api->response->flexible_from;
    struct str body = str_slice(frame, tags ? 5 : 4, frame.bytes);
    void *response = arena_alloc(&rig->arena, api->response->bytes);
    assert_ok(kafka_decode(api->response, sent.version, body, &rig->arena, response));
    return response;
}

void *client_call(struct client *client, int16_t key, int16_t version, const void *request)
{
    client_send(client, key, version, request);
    void *response = client_receive(client, 60 * 1000);
    if (!response)
        fail_msg("no answer to %s v%d", kafka_api_find(key)->name, version);
    return response;
}

/* ---- requests ---- */

struct kafka_produce_request *make_produce(struct rig *rig, const char *topic, int32_t index,
                                           struct str batch)
{
    struct kafka_produce_request *request = KAFKA_NEW(&rig->arena, kafka_produce_request, 1);
    request->acks = -1;
    request->timeout_ms = 30000;
    request->topic_data = KAFKA_NEW(&rig->arena, kafka_produce_request_topic, 1);
    request->topic_data_count = 1;
    request->topic_data->name = str_of(topic);
    request->topic_data->partition_data =
        KAFKA_NEW(&rig->arena, kafka_produce_request_partition, 1);
    request->topic_data->partition_data_count = 1;
    request->topic_data->partition_data->index = index;
    request->topic_data->partition_data->records = batch;
    return request;
}

struct kafka_fetch_request *make_fetch(struct rig *rig, const char *topic, int32_t index,
                                       int64_t offset)
{
    struct kafka_fetch_request *request = KAFKA_NEW(&rig->arena, kafka_fetch_request, 1);
    request->max_wait_ms = 500;
    request->min_bytes = 1;
    request->max_bytes = 50 << 20;
    if (!topic)
        return request;
    request->topics = KAFKA_NEW(&rig->arena, kafka_fetch_request_topic, 1);
    request->topics_count = 1;
    request->topics->topic = str_of(topic);
    request->topics->partitions = KAFKA_NEW(&rig->arena, kafka_fetch_request_partition, 1);
    request->topics->partitions_count = 1;
    request->topics->partitions->partition = index;
    request->topics->partitions->fetch_offset = offset;
    request->topics->partitions->current_leader_epoch = -1;
    request->topics->partitions->last_fetched_epoch = -1;
    request->topics->partitions->partition_max_bytes = 1 << 20;
    return request;
}

/* ---- what comes back ---- */

struct kafka_produce_response_partition *client_produce(struct client *client, int16_t version,
                                                        struct kafka_produce_request *request)
{
    struct kafka_produce_response *r = client_call(client, KAFKA_KEY_PRODUCE, version, request);
    assert_int_equal(r->responses_count, 1);
    assert_int_equal(r->responses->partition_responses_count, 1);
    return r->responses->partition_responses;
}

struct kafka_fetch_response_partition *fetch_only(struct kafka_fetch_response *r)
{
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->responses_count, 1);
    assert_int_equal(r->responses->partitions_count, 1);
    return r->responses->partitions;
}

struct kafka_fetch_response_partition *client_fetch(struct client *client, int16_t version,
                                                    struct kafka_fetch_request *request)
{
    return fetch_only(client_call(client, KAFKA_KEY_FETCH, version, request));
}

/* Number of records, and the offset of the first. */
int count_records(struct str records, int64_t *ret_first)
{
    int count = 0;
    *ret_first = -1;
    for (size_t at = 0; at < records.bytes;) {
        struct record_batch batch;
        assert_ok(record_batch_parse(records.ptr + at, records.bytes - at, true, &batch));
        if (*ret_first < 0)
            *ret_first = batch.base_offset;
        count += batch.count;
        at += batch.bytes_count;
    }
    return count;
}
