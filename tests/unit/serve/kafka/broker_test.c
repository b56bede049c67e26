/* SPDX-License-Identifier: MIT */
/* The broker over simulated connections: frames, order, back-pressure, Produce, Fetch, sessions. */
#include "serve/kafka/harness.h"

#include "base/endian.h"

#define FETCH KAFKA_KEY_FETCH
#define PRODUCE KAFKA_KEY_PRODUCE

static struct rig rig;

static int up(void **state)
{
    rig_up(&rig, NULL);
    return 0;
}

static int down(void **state)
{
    rig_down(&rig);
    return 0;
}

static struct kafka_produce_response_partition *produce(struct client *client, int16_t version,
                                                        struct kafka_produce_request *request)
{
    struct kafka_produce_response *r = client_call(client, PRODUCE, version, request);
    assert_int_equal(r->responses_count, 1);
    assert_int_equal(r->responses->partition_responses_count, 1);
    return r->responses->partition_responses;
}

static struct kafka_fetch_response_partition *only(struct kafka_fetch_response *r)
{
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->responses_count, 1);
    assert_int_equal(r->responses->partitions_count, 1);
    return r->responses->partitions;
}

static struct kafka_fetch_response_partition *fetch(struct client *client, int16_t version,
                                                    struct kafka_fetch_request *request)
{
    return only(client_call(client, FETCH, version, request));
}

/* Number of records, and the offset of the first. */
static int count_records(struct str records, int64_t *ret_first)
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

/* ---- frames ---- */

static void test_api_versions(void **state)
{
    struct client *client = client_new(&rig);
    struct kafka_api_versions_request *request =
        KAFKA_NEW(&rig.arena, kafka_api_versions_request, 1);
    request->client_software_name = STR("millrace-test");
    request->client_software_version = STR("1.0");
    for (int16_t version = 0; version <= 5; version++) {
        struct kafka_api_versions_response *r =
            client_call(client, KAFKA_KEY_API_VERSIONS, version, request);
        assert_int_equal(r->error_code, 0);
        assert_true(r->api_keys_count > 4);
        assert_int_equal(r->api_keys[0].api_key, PRODUCE);
        assert_int_equal(r->api_keys[0].min_version, 0);
        assert_int_equal(r->api_keys[0].max_version, 13);
    }
    request->client_software_name = STR("-no");
    struct kafka_api_versions_response *r = client_call(client, KAFKA_KEY_API_VERSIONS, 3, request);
    assert_int_equal(r->error_code, KAFKA_INVALID_REQUEST);
    request->client_software_name = STR("a");
    request->node_id = 77;
    r = client_call(client, KAFKA_KEY_API_VERSIONS, 5, request);
    assert_int_equal(r->error_code, KAFKA_REBOOTSTRAP_REQUIRED);
    client_free(client);
}

static void test_api_versions_too_new(void **state)
{
    struct client *client = client_new(&rig);
    static const uint8_t frame[] = {0, 0, 0, 14, 0, 18, 0, 99, 0, 0, 0, 5, 0, 1, 'x', 0, 1, 1};
    client_send_bytes(client, frame, sizeof frame);
    struct str answer = client_receive_bytes(client, 1000);
    assert_non_null(answer.ptr);
    assert_int_equal(get_be32(answer.ptr), 5);
    struct kafka_api_versions_response r;
    assert_ok(kafka_decode(&kafka_api_versions_response_message, 0,
                           str_slice(answer, 4, answer.bytes), &rig.arena, &r));
    assert_int_equal(r.error_code, KAFKA_UNSUPPORTED_VERSION);
    assert_true(r.api_keys_count > 4);
    /* The connection lives on. */
    struct kafka_api_versions_request *request =
        KAFKA_NEW(&rig.arena, kafka_api_versions_request, 1);
    assert_non_null(client_call(client, KAFKA_KEY_API_VERSIONS, 0, request));
    client_free(client);
}

static void test_hostile_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
    } frames[] = {
        {"\xff\xff\xff\xff", 4},                         /* negative */
        {"\x7f\xff\xff\xff", 4},                         /* 2 GB */
        {"\0\0\0\4abcd", 8},                             /* no header */
        {"\0\0\0\x0e\0\x63\0\0\0\0\0\1\0\1x\0\0\0", 18}, /* no such request */
        {"\0\0\0\x0e\0\1\0\x63\0\0\0\1\0\1x\0\0\0", 18}, /* no such version */
        {"\0\0\0\x0e\0\1\0\4\0\0\0\1\0\1x\0\0\0", 18},   /* a body that ends too early */
        {"\0\0\0\x0a\0\1\0\4\0\0\0\1\x7f\xff", 14},      /* a client id that is not there */
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct client *client = client_new(&rig);
        client_send_bytes(client, frames[i].bytes, frames[i].count);
        struct str answer = client_receive_bytes(client, 5000);
        assert_null(answer.ptr);
        if (!client_is_closed(client))
            fail_msg("frame %zu leaves the connection open", i);
        client_free(client);
    }
}

/* A request byte by byte, and many in one piece. */
static void test_pieces(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    struct buf out = {0};
    for (int i = 0; i < 300; i++) {
        size_t at = kafka_request_begin(PRODUCE, 9, 1000 + i, STR("x"), &out);
        assert_ok(kafka_encode(&kafka_produce_request_message, 9,
                               make_produce(&rig, "t", 0, rig_batch(&rig, i, 1)), &out));
        kafka_frame_end(&out, at);
    }
    size_t half = out.bytes / 100;
    for (size_t i = 0; i < half; i++) {
        client_send_bytes(client, out.ptr + i, 1);
        rig_turn(&rig, 0);
    }
    client_send_bytes(client, out.ptr + half, out.bytes - half);
    for (int i = 0; i < 300; i++) {
        struct str answer = client_receive_bytes(client, 5000);
        assert_non_null(answer.ptr);
        assert_int_equal(get_be32(answer.ptr), 1000 + i);
    }
    struct log_partition *p = log_topic_partition(log_topic_find(rig.log, STR("t")), 0);
    assert_int_equal(log_partition_end(p), 300);
    buf_deinit(&out);
    client_free(client);
}

/* Produces overlap, all else is begun when what is before it is answered; answers in order. */
static void test_order(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    struct kafka_fetch_request *wait = make_fetch(&rig, "t", 0, 3);
    wait->max_wait_ms = 10000;
    rig.log_stopped = true;
    for (int i = 0; i < 3; i++)
        client_send(client, PRODUCE, 9, make_produce(&rig, "t", 0, rig_batch(&rig, i, 1)));
    client_send(client, FETCH, 12, wait);
    client_send(client, KAFKA_KEY_LIST_OFFSETS, 5,
                KAFKA_NEW(&rig.arena, kafka_list_offsets_request, 1));
    rig_pass(&rig, 100);
    assert_int_equal(client_waiting(client), 0);
    rig.log_stopped = false;
    rig_pass(&rig, 100);
    assert_int_equal(client_waiting(client), 3);
    for (int i = 0; i < 3; i++) {
        struct kafka_produce_response *r = client_receive(client, 0 + 1);
        assert_int_equal(r->responses->partition_responses->base_offset, i);
    }
    struct client *other = client_new(&rig);
    produce(other, 9, make_produce(&rig, "t", 0, rig_batch(&rig, 3, 1)));
    struct kafka_fetch_response *r = client_receive(client, 1000);
    int64_t first;
    assert_int_equal(count_records(only(r)->records, &first), 1);
    assert_int_equal(first, 3);
    assert_non_null(client_receive(client, 1000));
    client_free(other);
    client_free(client);
}

/* A client that reads nothing is not read from. */
static void test_slow_reader(void **state)
{
    rig_topic(&rig, "t", 1);
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
    char *big = arena_zero(&rig.arena, 500000);
    record_batch_builder_add(&builder, 1000, STR("k"), str_from(big, 500000), NULL, 0);
    rig_append(&rig, "t", 0, rig_batch_of(&rig, &builder));
    struct client *client = client_new(&rig);
    rig_turns(&rig, 5);
    client_pause(client, true);
    for (int i = 0; i < 200; i++)
        client_send(client, FETCH, 4, make_fetch(&rig, "t", 0, 0));
    rig_pass(&rig, 1000);
    struct kafka_broker_status status;
    kafka_broker_status(rig.broker, &status);
    assert_true(status.bytes_out < 20 << 20);
    client_pause(client, false);
    for (int i = 0; i < 200; i++) {
        struct kafka_fetch_response *r = client_receive(client, 5000);
        assert_non_null(r);
        assert_true(only(r)->records.bytes > 500000);
    }
    kafka_broker_status(rig.broker, &status);
    assert_true(status.bytes_out > 200 * 500000);
    client_free(client);
}

/* Frames that arrive slowly hold no more memory than allowed, and all of them arrive. */
static void test_memory(void **state)
{
    rig_down(&rig);
    struct kafka_broker_options options = {.memory_bytes_max = 1 << 20};
    rig_up(&rig, &options);
    rig_topic(&rig, "t", 1);
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
    char *big = arena_zero(&rig.arena, 700000);
    record_batch_builder_add(&builder, 1000, STR("k"), str_from(big, 700000), NULL, 0);
    struct str batch = rig_batch_of(&rig, &builder);
    struct buf out = {0};
    size_t at = kafka_request_begin(PRODUCE, 9, 1, STR("x"), &out);
    assert_ok(
        kafka_encode(&kafka_produce_request_message, 9, make_produce(&rig, "t", 0, batch), &out));
    kafka_frame_end(&out, at);
    struct client *clients[5];
    for (int i = 0; i < 5; i++)
        clients[i] = client_new(&rig);
    for (size_t sent = 0; sent < out.bytes; sent += 50000)
        for (int i = 0; i < 5; i++) {
            size_t piece = out.bytes - sent < 50000 ? out.bytes - sent : 50000;
            client_send_bytes(clients[i], out.ptr + sent, piece);
            rig_turn(&rig, 0);
        }
    for (int i = 0; i < 5; i++)
        assert_non_null(client_receive_bytes(clients[i], 10000).ptr);
    for (int i = 0; i < 5; i++)
        client_free(clients[i]);
    buf_deinit(&out);
}

static void test_idle(void **state)
{
    struct client *client = client_new(&rig);
    rig_turns(&rig, 5);
    rig_pass(&rig, 590 * 1000);
    assert_false(client_is_closed(client));
    rig_pass(&rig, 20 * 1000);
    assert_true(client_is_closed(client));
    client_free(client);
}

/* The broker ends with appends and long polls under way. */
static void test_end_in_flight(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig), *other = client_new(&rig);
    client_send(other, FETCH, 12, make_fetch(&rig, "t", 0, 0));
    rig_turns(&rig, 10);
    rig.log_stopped = true;
    for (int i = 0; i < 5; i++)
        client_send(client, PRODUCE, 9, make_produce(&rig, "t", 0, rig_batch(&rig, i, 1)));
    for (int i = 0; i < 10; i++)
        io_loop_turn(rig.loop, 0);
    kafka_broker_free(rig.broker);
    rig.broker = NULL;
    struct log_partition *p = log_topic_partition(log_topic_find(rig.log, STR("t")), 0);
    assert_int_equal(log_partition_end(p), 5);
    client_free(client);
    client_free(other);
    rig.log_stopped = false;
    assert_ok(kafka_broker_new(rig.loop, rig.log, NULL, NULL, &rig.broker));
}

/* A client that goes while its requests wait. */
static void test_gone(void **state)
{
    rig_topic(&rig, "t", 1);
    for (int i = 0; i < 3; i++) {
        struct client *client = client_new(&rig);
        rig.log_stopped = true;
        client_send(client, PRODUCE, 9, make_produce(&rig, "t", 0, rig_batch(&rig, i, 1)));
        struct kafka_fetch_request *wait = make_fetch(&rig, "t", 0, 100 * i);
        wait->max_wait_ms = 60000;
        client_send(client, FETCH, 12, wait);
        for (int j = 0; j < 5; j++)
            io_loop_turn(rig.loop, 0);
        client_free(client);
        rig.log_stopped = false;
        rig_pass(&rig, 50);
    }
    struct kafka_broker_status status;
    kafka_broker_status(rig.broker, &status);
    assert_int_equal(status.connections, 0);
    assert_int_equal(status.fetches_waiting, 0);
}

/* ---- Produce ---- */

static void test_produce_versions(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 2);
    struct client *client = client_new(&rig);
    int64_t next = 0;
    for (int16_t version = 0; version <= 13; version++) {
        struct kafka_produce_request *request = make_produce(&rig, "t", 1, rig_batch(&rig, 0, 2));
        memcpy(request->topic_data->topic_id, log_topic_id(topic), 16);
        struct kafka_produce_response_partition *r = produce(client, version, request);
        assert_int_equal(r->index, 1);
        if (version < 3) {
            assert_int_equal(r->error_code, KAFKA_UNSUPPORTED_VERSION);
            continue;
        }
        assert_int_equal(r->error_code, 0);
        assert_int_equal(r->base_offset, next);
        next += 2;
    }
    struct kafka_produce_request *request = make_produce(&rig, "t", 1, rig_batch(&rig, 0, 2));
    memset(request->topic_data->topic_id, 9, 16);
    assert_int_equal(produce(client, 13, request)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    client_free(client);
}

static int16_t produce_code(struct client *client, int16_t version, struct str batch)
{
    return produce(client, version, make_produce(&rig, "t", 0, batch))->error_code;
}

/* A batch changed at one place, its sum made right again when it is behind it. */
static struct str changed(size_t at, int bytes, uint64_t value)
{
    struct str batch = rig_batch(&rig, 0, 2);
    uint8_t *ptr = (uint8_t *)arena_str(&rig.arena, batch).ptr;
    for (int i = 0; i < bytes; i++)
        ptr[at + (size_t)i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    return str_from(ptr, batch.bytes);
}

static void test_produce_refusals(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    struct str two = rig_batch(&rig, 0, 1);
    char *twice = arena_alloc(&rig.arena, two.bytes * 2);
    memcpy(twice, two.ptr, two.bytes);
    memcpy(twice + two.bytes, two.ptr, two.bytes);
    assert_int_equal(produce_code(client, 9, str_from(twice, two.bytes * 2)), KAFKA_INVALID_RECORD);
    assert_int_equal(produce_code(client, 9, STR("")), KAFKA_INVALID_RECORD);
    assert_int_equal(produce_code(client, 9, STR_NONE), KAFKA_INVALID_RECORD);
    assert_int_equal(produce_code(client, 9, str_slice(two, 0, two.bytes - 1)),
                     KAFKA_CORRUPT_MESSAGE);
    assert_int_equal(produce_code(client, 9, changed(16, 1, 1)), KAFKA_INVALID_RECORD);
    assert_int_equal(produce_code(client, 9, changed(16, 1, 0)), KAFKA_INVALID_RECORD);
    assert_int_equal(produce_code(client, 9, changed(17, 4, 77)), KAFKA_CORRUPT_MESSAGE);
    assert_int_equal(produce_code(client, 9, changed(21, 2, 32)), KAFKA_INVALID_RECORD);
    assert_int_equal(produce_code(client, 9, changed(21, 2, 5)),
                     KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(produce_code(client, 6, changed(21, 2, 4)),
                     KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(produce_code(client, 9, changed(23, 4, 7)), KAFKA_INVALID_RECORD);
    assert_int_equal(produce_code(client, 9, changed(57, 4, 0)), KAFKA_INVALID_RECORD);
    assert_int_equal(produce_code(client, 9, changed(43, 8, 1000)), KAFKA_INVALID_RECORD);
    /* A transactional batch without a transactional id. */
    assert_int_equal(produce_code(client, 9, changed(21, 2, 16)),
                     KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    struct kafka_produce_request *request = make_produce(&rig, "t", 7, two);
    assert_int_equal(produce(client, 9, request)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    request = make_produce(&rig, "none", 0, two);
    assert_int_equal(produce(client, 9, request)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    request = make_produce(&rig, "__consumer_offsets", 0, two);
    assert_int_equal(produce(client, 9, request)->error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    request = make_produce(&rig, "t", 0, two);
    request->acks = 2;
    assert_int_equal(produce(client, 9, request)->error_code, KAFKA_INVALID_REQUIRED_ACKS);
    /* Nothing of all that is in the log, and the next one is. */
    struct kafka_produce_response_partition *r =
        produce(client, 9, make_produce(&rig, "t", 0, two));
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->base_offset, 0);
    client_free(client);
}

static void test_produce_record_errors(void **state)
{
    struct log_topic_config config;
    log_topic_config_default(&config);
    config.compact = true;
    config.message_bytes_max = 2000;
    assert_ok(log_topic_create(rig.log, STR("t"), &config, NULL, &(struct log_topic *){0}));
    struct client *client = client_new(&rig);
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_GZIP, 64 << 20);
    record_batch_builder_add(&builder, 1000, STR("k"), STR("v"), NULL, 0);
    record_batch_builder_add(&builder, 1000, STR_NONE, STR("v"), NULL, 0);
    struct kafka_produce_response_partition *r =
        produce(client, 9, make_produce(&rig, "t", 0, rig_batch_of(&rig, &builder)));
    assert_int_equal(r->error_code, KAFKA_INVALID_RECORD);
    assert_int_equal(r->record_errors_count, 1);
    assert_int_equal(r->record_errors[0].batch_index, 1);
    assert_true(r->error_message.bytes > 0);
    record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
    record_batch_builder_add(&builder, 1000, STR("k"), STR("v"), NULL, 0);
    record_batch_builder_add(&builder, io_wall_us(rig.io) / 1000 + 7200 * 1000, STR("k"), STR("v"),
                             NULL, 0);
    r = produce(client, 9, make_produce(&rig, "t", 0, rig_batch_of(&rig, &builder)));
    assert_int_equal(r->error_code, KAFKA_INVALID_TIMESTAMP);
    assert_int_equal(r->record_errors_count, 1);
    assert_int_equal(r->record_errors[0].batch_index, 1);
    assert_int_equal(produce_code(client, 9, rig_batch(&rig, 0, 500)), KAFKA_MESSAGE_TOO_LARGE);
    assert_int_equal(produce_code(client, 9, rig_batch(&rig, 0, 5)), 0);
    client_free(client);
}

static void test_acks_0(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    struct kafka_produce_request *request = make_produce(&rig, "t", 0, rig_batch(&rig, 0, 1));
    request->acks = 0;
    struct buf out = {0};
    size_t at = kafka_request_begin(PRODUCE, 9, 1, STR("x"), &out);
    assert_ok(kafka_encode(&kafka_produce_request_message, 9, request, &out));
    kafka_frame_end(&out, at);
    client_send_bytes(client, out.ptr, out.bytes);
    /* The next answer is that of the next request. */
    struct kafka_produce_response_partition *r =
        produce(client, 9, make_produce(&rig, "t", 0, rig_batch(&rig, 1, 1)));
    assert_int_equal(r->base_offset, 1);
    /* A mistake can only be told by ending the connection. */
    out.ptr[out.bytes - 5] ^= 1;
    client_send_bytes(client, out.ptr, out.bytes);
    assert_null(client_receive_bytes(client, 2000).ptr);
    assert_true(client_is_closed(client));
    buf_deinit(&out);
    client_free(client);
}

static void test_produce_timeout(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    struct kafka_produce_request *request = make_produce(&rig, "t", 0, rig_batch(&rig, 0, 1));
    request->timeout_ms = 1000;
    rig.log_stopped = true;
    client_send(client, PRODUCE, 9, request);
    struct kafka_produce_response *r = client_receive(client, 900);
    assert_null(r);
    r = client_receive(client, 5000);
    assert_non_null(r);
    assert_int_equal(r->responses->partition_responses->error_code, KAFKA_REQUEST_TIMED_OUT);
    rig.log_stopped = false;
    rig_pass(&rig, 100);
    assert_int_equal(
        produce(client, 9, make_produce(&rig, "t", 0, rig_batch(&rig, 1, 1)))->base_offset, 1);
    client_free(client);
}

/* More than the log's queue holds: what does not fit waits, in order. */
static void test_queue_full(void **state)
{
    rig_topic(&rig, "t", 2);
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
    char *big = arena_zero(&rig.arena, 10 << 20);
    record_batch_builder_add(&builder, 1000, STR("k"), str_from(big, 10 << 20), NULL, 0);
    struct str batch = rig_batch_of(&rig, &builder);
    struct client *clients[2] = {client_new(&rig), client_new(&rig)};
    rig.log_stopped = true;
    for (int i = 0; i < 10; i++)
        client_send(clients[i % 2], PRODUCE, 9, make_produce(&rig, "t", i % 2, batch));
    rig_pass(&rig, 100);
    rig.log_stopped = false;
    for (int i = 0; i < 10; i++) {
        struct kafka_produce_response *r = client_receive(clients[i % 2], 10000);
        assert_non_null(r);
        assert_int_equal(r->responses->partition_responses->error_code, 0);
        assert_int_equal(r->responses->partition_responses->base_offset, i / 2);
    }
    client_free(clients[0]);
    client_free(clients[1]);
}

/* ---- Fetch ---- */

static void test_fetch_versions(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 1);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 3));
    rig_append(&rig, "t", 0, rig_batch(&rig, 3, 3));
    struct client *client = client_new(&rig);
    for (int16_t version = 4; version <= 18; version++) {
        struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, 4);
        memcpy(request->topics->topic_id, log_topic_id(topic), 16);
        struct kafka_fetch_response_partition *r = fetch(client, version, request);
        int64_t first;
        assert_int_equal(r->error_code, 0);
        assert_int_equal(r->high_watermark, 6);
        assert_int_equal(r->last_stable_offset, 6);
        assert_int_equal(r->aborted_transactions_count, -1);
        /* The batch that contains the offset. */
        assert_int_equal(count_records(r->records, &first), 3);
        assert_int_equal(first, 3);
        request->isolation_level = 1;
        r = fetch(client, version, request);
        assert_int_equal(r->aborted_transactions_count, 0);
        assert_int_equal(count_records(r->records, &first), 3);
    }
    client_free(client);
}

static void test_fetch_errors(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 1);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 3));
    struct client *client = client_new(&rig);
    assert_int_equal(fetch(client, 12, make_fetch(&rig, "none", 0, 0))->error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetch(client, 12, make_fetch(&rig, "t", 9, 0))->error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetch(client, 13, make_fetch(&rig, "t", 0, 0))->error_code,
                     KAFKA_UNKNOWN_TOPIC_ID);
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 9, 0);
    memcpy(request->topics->topic_id, log_topic_id(topic), 16);
    assert_int_equal(fetch(client, 13, request)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetch(client, 12, make_fetch(&rig, "t", 0, 4))->error_code,
                     KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetch(client, 12, make_fetch(&rig, "t", 0, -1))->error_code,
                     KAFKA_OFFSET_OUT_OF_RANGE);
    request = make_fetch(&rig, "t", 0, 0);
    request->topics->partitions->current_leader_epoch = 5;
    struct kafka_fetch_response_partition *r = fetch(client, 12, request);
    assert_int_equal(r->error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(r->current_leader.leader_id, 1);
    request->topics->partitions->current_leader_epoch = 0;
    assert_int_equal(fetch(client, 12, request)->error_code, 0);
    client_free(client);
}

/* max_wait is kept, min_bytes too, and what comes meanwhile wakes. */
static void test_long_poll(void **state)
{
    rig_topic(&rig, "t", 2);
    struct client *client = client_new(&rig);
    rig_turns(&rig, 5);
    int64_t before = io_now_ns(rig.io);
    struct kafka_fetch_response_partition *r = fetch(client, 12, make_fetch(&rig, "t", 0, 0));
    assert_int_equal(r->records.bytes, 0);
    assert_non_null(r->records.ptr);
    assert_int_equal((io_now_ns(rig.io) - before) / 1000000, 500);
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, 0);
    request->max_wait_ms = 10000;
    client_send(client, FETCH, 12, request);
    rig_pass(&rig, 50);
    struct kafka_broker_status status;
    kafka_broker_status(rig.broker, &status);
    assert_int_equal(status.fetches_waiting, 1);
    rig_append(&rig, "t", 1, rig_batch(&rig, 0, 1));
    rig_pass(&rig, 50);
    assert_int_equal(client_waiting(client), 0);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 1));
    rig_pass(&rig, 1);
    assert_int_equal(client_waiting(client), 1);
    assert_true(only(client_receive(client, 1))->records.bytes > 0);
    /* min_bytes: one batch is not enough, three are. */
    request = make_fetch(&rig, "t", 0, 0);
    request->max_wait_ms = 10000;
    request->min_bytes = (int32_t)(rig_batch(&rig, 0, 1).bytes * 3);
    client_send(client, FETCH, 12, request);
    rig_pass(&rig, 10);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 1));
    rig_pass(&rig, 10);
    assert_int_equal(client_waiting(client), 0);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 1));
    rig_pass(&rig, 10);
    int64_t first;
    assert_int_equal(count_records(only(client_receive(client, 1))->records, &first), 3);
    assert_int_equal(first, 0);
    client_free(client);
}

static void test_fetch_limits(void **state)
{
    rig_topic(&rig, "t", 2);
    for (int i = 0; i < 10; i++)
        for (int index = 0; index < 2; index++)
            rig_append(&rig, "t", index, rig_batch(&rig, 10, 10));
    int32_t one = (int32_t)rig_batch(&rig, 10, 10).bytes;
    struct client *client = client_new(&rig);
    int64_t first;
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, 0);
    request->topics->partitions->partition_max_bytes = 1;
    assert_int_equal(count_records(fetch(client, 12, request)->records, &first), 10);
    request->topics->partitions->partition_max_bytes = one * 3 + 1;
    assert_int_equal(count_records(fetch(client, 12, request)->records, &first), 30);
    request->topics->partitions->partition_max_bytes = 1 << 20;
    request->max_bytes = one * 2 + 10;
    assert_int_equal(count_records(fetch(client, 12, request)->records, &first), 20);
    /* Two partitions: the second gets what is left, and nothing that does not fit. */
    struct kafka_fetch_request_partition *two =
        KAFKA_NEW(&rig.arena, kafka_fetch_request_partition, 2);
    two[0] = two[1] = request->topics->partitions[0];
    two[1].partition = 1;
    request->topics->partitions = two;
    request->topics->partitions_count = 2;
    request->max_bytes = one * 12 - 1;
    struct kafka_fetch_response *r = client_call(client, FETCH, 12, request);
    assert_int_equal(r->responses->partitions_count, 2);
    assert_int_equal(count_records(r->responses->partitions[0].records, &first), 100);
    assert_int_equal(count_records(r->responses->partitions[1].records, &first), 10);
    request->max_bytes = 1;
    r = client_call(client, FETCH, 12, request);
    assert_int_equal(count_records(r->responses->partitions[0].records, &first), 10);
    assert_int_equal(r->responses->partitions[1].records.bytes, 0);
    assert_int_equal(r->responses->partitions[1].high_watermark, 100);
    client_free(client);
}

static void test_zstd_for_old(void **state)
{
    rig_topic(&rig, "t", 1);
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_ZSTD, 64 << 20);
    record_batch_builder_add(&builder, 1000, STR("k"), STR("v"), NULL, 0);
    rig_append(&rig, "t", 0, rig_batch_of(&rig, &builder));
    struct client *client = client_new(&rig);
    assert_int_equal(fetch(client, 9, make_fetch(&rig, "t", 0, 0))->error_code,
                     KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(fetch(client, 10, make_fetch(&rig, "t", 0, 0))->error_code, 0);
    client_free(client);
}

/* Big runs come from the segment's file: all records, in order, none twice. */
static void test_big_reads(void **state)
{
    rig_topic(&rig, "t", 1);
    char *big = arena_zero(&rig.arena, 90000);
    for (int i = 0; i < 100; i++) {
        struct record_batch_builder builder = {0};
        record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
        record_batch_builder_add(&builder, 1000, STR("k"), str_from(big, 90000), NULL, 0);
        rig_append(&rig, "t", 0, rig_batch_of(&rig, &builder));
    }
    struct client *client = client_new(&rig);
    int64_t next = 0, first;
    while (next < 100) {
        struct kafka_fetch_response_partition *r =
            fetch(client, 12, make_fetch(&rig, "t", 0, next));
        assert_int_equal(r->error_code, 0);
        int count = count_records(r->records, &first);
        assert_true(count > 0);
        assert_int_equal(first, next);
        next += count;
    }
    client_free(client);
}

/* ---- sessions ---- */

static struct kafka_fetch_request *session(struct kafka_fetch_request *request, int32_t id,
                                           int32_t epoch)
{
    request->session_id = id;
    request->session_epoch = epoch;
    request->max_wait_ms = 100;
    return request;
}

static void test_session(void **state)
{
    rig_topic(&rig, "t", 10);
    struct client *client = client_new(&rig);
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, 0);
    struct kafka_fetch_request_partition *parts =
        KAFKA_NEW(&rig.arena, kafka_fetch_request_partition, 10);
    for (int32_t i = 0; i < 10; i++) {
        parts[i] = request->topics->partitions[0];
        parts[i].partition = i;
    }
    request->topics->partitions = parts;
    request->topics->partitions_count = 10;
    struct kafka_fetch_response *r = client_call(client, FETCH, 12, session(request, 0, 0));
    int32_t id = r->session_id;
    assert_true(id > 0);
    assert_int_equal(r->responses->partitions_count, 10);
    for (int32_t i = 0; i < 10; i++)
        assert_int_equal(r->responses->partitions[i].partition_index, i);
    /* Nothing new. */
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 1));
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->session_id, id);
    assert_int_equal(r->responses_count, 0);
    /* One moves while the session sleeps, one while it waits. */
    rig_append(&rig, "t", 7, rig_batch(&rig, 0, 2));
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 2));
    assert_int_equal(only(r)->partition_index, 7);
    /* Not asked further: told again; asked further: no more. */
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 3));
    assert_int_equal(only(r)->partition_index, 7);
    client_send(client, FETCH, 12, session(make_fetch(&rig, "t", 7, 2), id, 4));
    rig_pass(&rig, 20);
    assert_int_equal(client_waiting(client), 0);
    rig_append(&rig, "t", 3, rig_batch(&rig, 0, 2));
    r = client_receive(client, 20);
    assert_int_equal(only(r)->partition_index, 3);
    /* Forgotten ones are not told of. */
    request = session(make_fetch(&rig, "t", 3, 2), id, 5);
    request->forgotten_topics_data = KAFKA_NEW(&rig.arena, kafka_fetch_request_forgotten_topic, 1);
    request->forgotten_topics_data_count = 1;
    request->forgotten_topics_data->topic = STR("t");
    request->forgotten_topics_data->partitions = (int32_t[]){5, 6};
    request->forgotten_topics_data->partitions_count = 2;
    client_send(client, FETCH, 12, request);
    rig_pass(&rig, 10);
    rig_append(&rig, "t", 5, rig_batch(&rig, 0, 2));
    rig_append(&rig, "t", 4, rig_batch(&rig, 0, 2));
    assert_int_equal(only(client_receive(client, 50))->partition_index, 4);
    /* Epochs and ids. */
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 9));
    assert_int_equal(r->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id + 1, 1));
    assert_int_equal(r->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    r = client_call(client, FETCH, 13, session(make_fetch(&rig, NULL, 0, 0), id, 6));
    assert_int_equal(r->error_code, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    struct kafka_broker_status status;
    kafka_broker_status(rig.broker, &status);
    assert_int_equal(status.fetch_sessions, 1);
    client_call(client, FETCH, 12, session(make_fetch(&rig, "t", 0, 0), id, -1));
    kafka_broker_status(rig.broker, &status);
    assert_int_equal(status.fetch_sessions, 0);
    client_free(client);
}

/* A session's topic is deleted, and made again. */
static void test_session_deleted(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    struct kafka_fetch_response *r =
        client_call(client, FETCH, 12, session(make_fetch(&rig, "t", 0, 0), 0, 0));
    int32_t id = r->session_id;
    struct kafka_fetch_request *request = session(make_fetch(&rig, NULL, 0, 0), id, 1);
    request->max_wait_ms = 10000;
    client_send(client, FETCH, 12, request);
    rig_pass(&rig, 10);
    assert_ok(log_topic_delete(rig.log, STR("t")));
    r = client_receive(client, 1000);
    assert_non_null(r);
    assert_int_equal(only(r)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    rig_topic(&rig, "t", 1);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 2));
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 2));
    assert_int_equal(only(r)->error_code, 0);
    assert_true(only(r)->records.bytes > 0);
    client_free(client);
}

static void test_session_eviction(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    struct kafka_fetch_request *request = session(make_fetch(&rig, "t", 0, 0), 0, 0);
    request->max_wait_ms = 0;
    int32_t first = 0;
    for (int i = 0; i < 1001; i++) {
        struct kafka_fetch_response *r = client_call(client, FETCH, 12, request);
        assert_int_equal(r->session_id == 0, i == 1000);
        first = i == 0 ? r->session_id : first;
    }
    rig_pass(&rig, 121 * 1000);
    struct kafka_fetch_response *r = client_call(client, FETCH, 12, request);
    assert_true(r->session_id != 0);
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), first, 1));
    assert_int_equal(r->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    client_free(client);
}

/* ---- ListOffsets ---- */

static struct kafka_list_offsets_response_partition *list(struct client *client, int16_t version,
                                                          int64_t time)
{
    struct kafka_list_offsets_request *request =
        KAFKA_NEW(&rig.arena, kafka_list_offsets_request, 1);
    request->replica_id = -1;
    request->topics = KAFKA_NEW(&rig.arena, kafka_list_offsets_request_topic, 1);
    request->topics_count = 1;
    request->topics->name = STR("t");
    request->topics->partitions = KAFKA_NEW(&rig.arena, kafka_list_offsets_request_partition, 1);
    request->topics->partitions_count = 1;
    request->topics->partitions->timestamp = time;
    struct kafka_list_offsets_response *r =
        client_call(client, KAFKA_KEY_LIST_OFFSETS, version, request);
    return r->topics->partitions;
}

static void test_list_offsets(void **state)
{
    rig_topic(&rig, "t", 1);
    for (int i = 0; i < 5; i++) {
        struct record_batch_builder builder = {0};
        record_batch_builder_init(&builder, CODEC_LZ4, 1 << 20);
        record_batch_builder_add(&builder, 1000 + i * 100, STR("k"), STR("v"), NULL, 0);
        record_batch_builder_add(&builder, 1050 + i * 100, STR("k"), STR("v"), NULL, 0);
        rig_append(&rig, "t", 0, rig_batch_of(&rig, &builder));
    }
    struct client *client = client_new(&rig);
    for (int16_t version = 1; version <= 11; version++) {
        assert_int_equal(list(client, version, -1)->offset, 10);
        assert_int_equal(list(client, version, -2)->offset, 0);
        struct kafka_list_offsets_response_partition *r = list(client, version, 1101);
        assert_int_equal(r->offset, 3);
        assert_int_equal(r->timestamp, 1150);
        r = list(client, version, 5000);
        assert_int_equal(r->offset, -1);
        assert_int_equal(r->timestamp, -1);
        r = list(client, version, -3);
        assert_int_equal(r->error_code, version < 7 ? KAFKA_UNSUPPORTED_VERSION : 0);
        assert_int_equal(r->offset, version < 7 ? -1 : 9);
        r = list(client, version, -4);
        assert_int_equal(r->offset, version < 8 ? -1 : 0);
        assert_int_equal(list(client, version, -5)->offset, -1);
        r = list(client, version, -6);
        assert_int_equal(r->error_code, version < 11 ? KAFKA_UNSUPPORTED_VERSION : 0);
    }
    client_free(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_api_versions),
        TEST(test_api_versions_too_new),
        TEST(test_hostile_frames),
        TEST(test_pieces),
        TEST(test_order),
        TEST(test_slow_reader),
        TEST(test_memory),
        TEST(test_idle),
        TEST(test_end_in_flight),
        TEST(test_gone),
        TEST(test_produce_versions),
        TEST(test_produce_refusals),
        TEST(test_produce_record_errors),
        TEST(test_acks_0),
        TEST(test_produce_timeout),
        TEST(test_queue_full),
        TEST(test_fetch_versions),
        TEST(test_fetch_errors),
        TEST(test_long_poll),
        TEST(test_fetch_limits),
        TEST(test_zstd_for_old),
        TEST(test_big_reads),
        TEST(test_session),
        TEST(test_session_deleted),
        TEST(test_session_eviction),
        TEST(test_list_offsets),
    };
    return RUN_TESTS(tests);
}
