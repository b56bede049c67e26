/* SPDX-License-Identifier: MIT */
/* The broker over simulated connections: frames, order, back-pressure, the end. */
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
    client_produce(other, 9, make_produce(&rig, "t", 0, rig_batch(&rig, 3, 1)));
    struct kafka_fetch_response *r = client_receive(client, 1000);
    int64_t first;
    assert_int_equal(count_records(fetch_only(r)->records, &first), 1);
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
        assert_true(fetch_only(r)->records.bytes > 500000);
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

/* Who begins big requests and says no more does not hold up the others: small ones not at all, big
 * ones until it is closed. */
static void test_memory_not_held(void **state)
{
    rig_down(&rig);
    struct kafka_broker_options options = {.memory_bytes_max = 1 << 20};
    rig_up(&rig, &options);
    rig_topic(&rig, "t", 1);
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
    char *big = arena_zero(&rig.arena, 700000);
    record_batch_builder_add(&builder, 1000, STR("k"), str_from(big, 700000), NULL, 0);
    struct kafka_produce_request *request =
        make_produce(&rig, "t", 0, rig_batch_of(&rig, &builder));
    struct buf out = {0};
    size_t at = kafka_request_begin(PRODUCE, 9, 1, STR("x"), &out);
    assert_ok(kafka_encode(&kafka_produce_request_message, 9, request, &out));
    kafka_frame_end(&out, at);
    struct client *slow[4], *client = client_new(&rig), *small = client_new(&rig);
    for (int i = 0; i < 4; i++) {
        slow[i] = client_new(&rig);
        client_send_bytes(slow[i], out.ptr, 600000);
        rig_turns(&rig, 3);
    }
    client_send(client, PRODUCE, 9, request);
    rig_turns(&rig, 5);
    assert_int_equal(0, client_waiting(client));
    client_send(small, PRODUCE, 9, make_produce(&rig, "t", 0, rig_batch(&rig, 0, 1)));
    struct kafka_produce_response *r = client_receive(small, 500);
    assert_non_null(r); /* at once */
    assert_int_equal(KAFKA_NONE, r->responses[0].partition_responses[0].error_code);
    rig_pass(&rig, 12 * 1000);
    assert_true(client_is_closed(slow[0])); /* it had its room */
    rig_pass(&rig, 60 * 1000);
    int closed = 0;
    for (int i = 0; i < 4; i++) {
        closed += client_is_closed(slow[i]);
        client_free(slow[i]);
    }
    assert_int_equal(3, closed); /* nobody waits for the last */
    r = client_receive(client, 1000);
    assert_non_null(r);
    assert_int_equal(KAFKA_NONE, r->responses[0].partition_responses[0].error_code);
    client_free(client);
    client_free(small);
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

static void test_connections_max(void **state)
{
    rig_down(&rig);
    struct kafka_broker_options options = {.connections_max = 2};
    rig_up(&rig, &options);
    struct client *clients[3];
    for (int i = 0; i < 3; i++) {
        clients[i] = client_new(&rig);
        rig_turns(&rig, 5);
    }
    assert_false(client_is_closed(clients[1]));
    assert_true(client_is_closed(clients[2]));
    client_free(clients[2]);
    client_free(clients[0]);
    clients[0] = client_new(&rig);
    rig_turns(&rig, 5);
    /* Half a frame when it goes. */
    client_send_bytes(clients[0], "\0\0\1\0abc", 7);
    rig_turns(&rig, 5);
    assert_false(client_is_closed(clients[0]));
    client_free(clients[0]);
    client_free(clients[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_api_versions),   TEST(test_api_versions_too_new),
        TEST(test_hostile_frames), TEST(test_pieces),
        TEST(test_order),          TEST(test_slow_reader),
        TEST(test_memory),         TEST(test_memory_not_held),
        TEST(test_idle),           TEST(test_end_in_flight),
        TEST(test_gone),           TEST(test_connections_max),
    };
    return RUN_TESTS(tests);
}
