/* SPDX-License-Identifier: MIT */
/* Produce: what is refused and how, acks, time, a full queue. */
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

/* ---- Produce ---- */

static void test_produce_versions(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 2);
    struct client *client = client_new(&rig);
    int64_t next = 0;
    for (int16_t version = 0; version <= 13; version++) {
        struct kafka_produce_request *request = make_produce(&rig, "t", 1, rig_batch(&rig, 0, 2));
        memcpy(request->topic_data->topic_id, log_topic_id(topic), 16);
        struct kafka_produce_response_partition *r = client_produce(client, version, request);
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
    assert_int_equal(client_produce(client, 13, request)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    client_free(client);
}

static int16_t produce_code(struct client *client, int16_t version, struct str batch)
{
    return client_produce(client, version, make_produce(&rig, "t", 0, batch))->error_code;
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
                     KAFKA_INVALID_RECORD);
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
    assert_int_equal(client_produce(client, 9, request)->error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    request = make_produce(&rig, "none", 0, two);
    assert_int_equal(client_produce(client, 9, request)->error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    request = make_produce(&rig, "__consumer_offsets", 0, two);
    assert_int_equal(client_produce(client, 9, request)->error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    request = make_produce(&rig, "t", 0, two);
    request->acks = 2;
    assert_int_equal(client_produce(client, 9, request)->error_code, KAFKA_INVALID_REQUIRED_ACKS);
    /* The first of two mistakes, in Kafka's order: no name, no batch, no such acks. */
    request = make_produce(&rig, "none", 0, changed(21, 2, 16));
    assert_int_equal(client_produce(client, 9, request)->error_code,
                     KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    request = make_produce(&rig, "t", 0, changed(16, 1, 1));
    request->acks = 2;
    assert_int_equal(client_produce(client, 9, request)->error_code, KAFKA_INVALID_RECORD);
    /* Nothing of all that is in the log, and the next one is. */
    struct kafka_produce_response_partition *r =
        client_produce(client, 9, make_produce(&rig, "t", 0, two));
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
        client_produce(client, 9, make_produce(&rig, "t", 0, rig_batch_of(&rig, &builder)));
    assert_int_equal(r->error_code, KAFKA_INVALID_RECORD);
    assert_int_equal(r->record_errors_count, 1);
    assert_int_equal(r->record_errors[0].batch_index, 1);
    assert_true(r->error_message.bytes > 0);
    record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
    record_batch_builder_add(&builder, 1000, STR("k"), STR("v"), NULL, 0);
    record_batch_builder_add(&builder, io_wall_us(rig.io) / 1000 + 7200 * 1000, STR("k"), STR("v"),
                             NULL, 0);
    r = client_produce(client, 9, make_produce(&rig, "t", 0, rig_batch_of(&rig, &builder)));
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
        client_produce(client, 9, make_produce(&rig, "t", 0, rig_batch(&rig, 1, 1)));
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
        client_produce(client, 9, make_produce(&rig, "t", 0, rig_batch(&rig, 1, 1)))->base_offset,
        1);
    client_free(client);
}

static struct str big_batch(void)
{
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
    char *big = arena_zero(&rig.arena, 10 << 20);
    record_batch_builder_add(&builder, 1000, STR("k"), str_from(big, 10 << 20), NULL, 0);
    return rig_batch_of(&rig, &builder);
}

/* What waits for room in the log's queue until its time is up is told so and never written; what is
 * behind it goes on. */
static void test_queue_timeout(void **state)
{
    rig_topic(&rig, "t", 2);
    struct str batch = big_batch();
    struct client *filler = client_new(&rig), *client = client_new(&rig);
    rig.log_stopped = true;
    for (int i = 0; i < 6; i++)
        client_send(filler, PRODUCE, 9, make_produce(&rig, "t", 0, batch));
    rig_pass(&rig, 10);
    struct kafka_produce_request *request = make_produce(&rig, "t", 1, batch);
    request->timeout_ms = 1000;
    client_send(client, PRODUCE, 9, request);
    client_send(client, PRODUCE, 9, make_produce(&rig, "t", 1, rig_batch(&rig, 0, 1)));
    assert_null(client_receive(client, 900));
    struct kafka_produce_response *r = client_receive(client, 5000);
    assert_non_null(r);
    assert_int_equal(r->responses->partition_responses->error_code, KAFKA_REQUEST_TIMED_OUT);
    assert_int_equal(r->responses->partition_responses->base_offset, -1);
    rig_pass(&rig, 100);
    assert_int_equal(client_waiting(client), 0);
    rig.log_stopped = false;
    r = client_receive(client, 5000);
    assert_non_null(r);
    assert_int_equal(r->responses->partition_responses->error_code, 0);
    assert_int_equal(r->responses->partition_responses->base_offset, 0);
    for (int i = 0; i < 6; i++) {
        r = client_receive(filler, 10000);
        assert_non_null(r);
        assert_int_equal(r->responses->partition_responses->base_offset, i);
    }
    client_free(filler);
    client_free(client);
}

/* More than the log's queue holds: what does not fit waits, in order. */
static void test_queue_full(void **state)
{
    rig_topic(&rig, "t", 2);
    struct str batch = big_batch();
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_produce_versions), TEST(test_produce_refusals), TEST(test_produce_record_errors),
        TEST(test_acks_0),           TEST(test_produce_timeout),  TEST(test_queue_full),
        TEST(test_queue_timeout),
    };
    return RUN_TESTS(tests);
}
