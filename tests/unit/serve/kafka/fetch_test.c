/* SPDX-License-Identifier: MIT */
/* Fetch: limits, waiting, sessions, committed records; ListOffsets. */
#include "serve/kafka/harness.h"

#include "io/sim.h"

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
        struct kafka_fetch_response_partition *r = client_fetch(client, version, request);
        int64_t first;
        assert_int_equal(r->error_code, 0);
        assert_int_equal(r->high_watermark, 6);
        assert_int_equal(r->last_stable_offset, 6);
        assert_int_equal(r->aborted_transactions_count, -1);
        /* The batch that contains the offset. */
        assert_int_equal(count_records(r->records, &first), 3);
        assert_int_equal(first, 3);
        request->isolation_level = 1;
        r = client_fetch(client, version, request);
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
    assert_int_equal(client_fetch(client, 12, make_fetch(&rig, "none", 0, 0))->error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(client_fetch(client, 12, make_fetch(&rig, "t", 9, 0))->error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(client_fetch(client, 13, make_fetch(&rig, "t", 0, 0))->error_code,
                     KAFKA_UNKNOWN_TOPIC_ID);
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 9, 0);
    memcpy(request->topics->topic_id, log_topic_id(topic), 16);
    assert_int_equal(client_fetch(client, 13, request)->error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(client_fetch(client, 12, make_fetch(&rig, "t", 0, 4))->error_code,
                     KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(client_fetch(client, 12, make_fetch(&rig, "t", 0, -1))->error_code,
                     KAFKA_OFFSET_OUT_OF_RANGE);
    request = make_fetch(&rig, "t", 0, 0);
    request->topics->partitions->current_leader_epoch = 5;
    struct kafka_fetch_response_partition *r = client_fetch(client, 12, request);
    assert_int_equal(r->error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    /* Told to those that are behind only. */
    assert_int_equal(r->current_leader.leader_id, -1);
    request->topics->partitions->current_leader_epoch = 0;
    assert_int_equal(client_fetch(client, 12, request)->error_code, 0);
    client_free(client);
}

/* A process that acknowledges before the disk has it, and is killed: the next one cannot know what
 * was lost, and begins an epoch. */
static void killed_before(struct io *io)
{
    struct log_options options = {.durability = LOG_OS};
    struct log_topic_config config;
    struct log_topic *topic;
    struct log *log;
    struct record_batch_builder builder = {0};
    struct buf batch = {0};
    int64_t offset;
    log_topic_config_default(&config);
    assert_ok(log_open(io, "data", &options, NULL, &log));
    assert_ok(log_topic_create(log, STR("t"), &config, NULL, &topic));
    record_batch_builder_init(&builder, CODEC_NONE, 1 << 20);
    for (int i = 0; i < 5; i++)
        record_batch_builder_add(&builder, 1000, STR("k"), STR("v"), NULL, 0);
    assert_ok(record_batch_builder_finish(&builder, &batch));
    assert_ok(log_append_wait(log_topic_partition(topic, 0), batch.ptr, batch.bytes, &offset));
    record_batch_builder_deinit(&builder);
    buf_deinit(&batch);
    io_sim_kill(io);
    log_close(log);
}

static struct kafka_offset_for_leader_epoch_response_partition *epoch_end(struct client *client,
                                                                          int32_t epoch)
{
    struct kafka_offset_for_leader_epoch_request *request =
        KAFKA_NEW(&rig.arena, kafka_offset_for_leader_epoch_request, 1);
    request->topics = KAFKA_NEW(&rig.arena, kafka_offset_for_leader_epoch_request_topic, 1);
    request->topics_count = 1;
    request->topics->topic = STR("t");
    request->topics->partitions =
        KAFKA_NEW(&rig.arena, kafka_offset_for_leader_epoch_request_partition, 1);
    request->topics->partitions_count = 1;
    request->topics->partitions->current_leader_epoch = -1;
    request->topics->partitions->leader_epoch = epoch;
    struct kafka_offset_for_leader_epoch_response *r =
        client_call(client, KAFKA_KEY_OFFSET_FOR_LEADER_EPOCH, 4, request);
    return r->topics->partitions;
}

static void test_epochs(void **state)
{
    rig_down(&rig);
    rig_up_after(&rig, NULL, killed_before);
    struct log_partition *partition = log_topic_partition(log_topic_find(rig.log, STR("t")), 0);
    int32_t epoch = log_partition_epoch(partition);
    int64_t cut = log_partition_end(partition), first;
    assert_true(epoch > 0);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 3));
    struct client *client = client_new(&rig);
    struct kafka_offset_for_leader_epoch_response_partition *end = epoch_end(client, 0);
    assert_int_equal(end->leader_epoch, 0);
    assert_int_equal(end->end_offset, cut);
    assert_int_equal(epoch_end(client, epoch)->end_offset, cut + 3);
    assert_int_equal(epoch_end(client, epoch + 1)->end_offset, -1);
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, cut);
    request->topics->partitions->current_leader_epoch = 0;
    assert_int_equal(client_fetch(client, 12, request)->error_code, KAFKA_FENCED_LEADER_EPOCH);
    request->topics->partitions->current_leader_epoch = epoch;
    request->topics->partitions->last_fetched_epoch = 0;
    struct kafka_fetch_response_partition *p = client_fetch(client, 12, request);
    assert_int_equal(count_records(p->records, &first), 3);
    assert_int_equal(p->diverging_epoch.epoch, -1);
    /* Of epoch 0 the client has what we never had. */
    request->topics->partitions->fetch_offset = cut + 2;
    p = client_fetch(client, 12, request);
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->records.bytes, 0);
    assert_int_equal(p->diverging_epoch.epoch, 0);
    assert_int_equal(p->diverging_epoch.end_offset, cut);
    client_free(client);
}

/* max_wait is kept, min_bytes too, and what comes meanwhile wakes. */
static void test_long_poll(void **state)
{
    rig_topic(&rig, "t", 2);
    struct client *client = client_new(&rig);
    rig_turns(&rig, 5);
    int64_t before = io_now_ns(rig.io);
    struct kafka_fetch_response_partition *r =
        client_fetch(client, 12, make_fetch(&rig, "t", 0, 0));
    assert_int_equal(r->records.bytes, 0);
    assert_non_null(r->records.ptr);
    assert_in_range((io_now_ns(rig.io) - before) / 1000000, 500, 500 + 17);
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
    assert_true(fetch_only(client_receive(client, 1))->records.bytes > 0);
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
    assert_int_equal(count_records(fetch_only(client_receive(client, 1))->records, &first), 3);
    assert_int_equal(first, 0);
    client_free(client);
}

/* Polls without news are answered together, never early, late by 1/16 and 17 ms at most; short ones
 * by a tick of 1.05 ms; those that outlast the wheel are right too. */
static void test_poll_grid(void **state)
{
    static const int32_t waits_ms[] = {1, 15, 100, 500, 1000, 1100, 5000};
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    for (size_t i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++) {
        struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, 0);
        request->max_wait_ms = waits_ms[i];
        int64_t before = io_now_ns(rig.io);
        (void)client_fetch(client, 12, request);
        int64_t late_ns = io_now_ns(rig.io) - before - waits_ms[i] * 1000000LL;
        int64_t share_ns = waits_ms[i] * 1000000LL / 16;
        assert_true(late_ns >= 0);
        assert_true(late_ns <= 1100000 + (share_ns < 17000000 ? share_ns : 17000000));
    }
    /* Begun at ten moments, answered in two turns at most. */
    enum { CLIENTS = 10 };
    struct client *clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_new(&rig);
    rig_turns(&rig, 5);
    for (int i = 0; i < CLIENTS; i++) {
        client_send(clients[i], FETCH, 12, make_fetch(&rig, "t", 0, 0));
        rig_pass(&rig, 1);
    }
    int arrivals = 0;
    size_t answered = 0;
    for (int ms = 0; ms < 600; ms++) {
        size_t now = 0;
        rig_pass(&rig, 1);
        for (int i = 0; i < CLIENTS; i++)
            now += client_waiting(clients[i]);
        arrivals += now > answered;
        answered = now;
    }
    assert_int_equal(answered, CLIENTS);
    assert_in_range(arrivals, 1, 2);
    for (int i = 0; i < CLIENTS; i++)
        client_free(clients[i]);
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
    assert_int_equal(count_records(client_fetch(client, 12, request)->records, &first), 10);
    request->topics->partitions->partition_max_bytes = one * 3 + 1;
    assert_int_equal(count_records(client_fetch(client, 12, request)->records, &first), 30);
    request->topics->partitions->partition_max_bytes = 1 << 20;
    request->max_bytes = one * 2 + 10;
    assert_int_equal(count_records(client_fetch(client, 12, request)->records, &first), 20);
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
    request->max_bytes = one + 10;
    r = client_call(client, FETCH, 12, request);
    assert_int_equal(count_records(r->responses->partitions[0].records, &first), 10);
    assert_int_equal(r->responses->partitions[1].records.bytes, 0);
    /* Also when that is not enough for the client: it waits, and gets what there was. */
    request->min_bytes = one + 10;
    r = client_call(client, FETCH, 12, request);
    assert_int_equal(count_records(r->responses->partitions[0].records, &first), 10);
    request->min_bytes = 1;
    request->max_bytes = 1;
    r = client_call(client, FETCH, 12, request);
    assert_int_equal(count_records(r->responses->partitions[0].records, &first), 10);
    assert_int_equal(r->responses->partitions[1].records.bytes, 0);
    assert_int_equal(r->responses->partitions[1].high_watermark, 100);
    client_free(client);
}

/* As Kafka 4 does: whoever asks in an old version may know zstd all the same. */
static void test_zstd_for_old(void **state)
{
    rig_topic(&rig, "t", 1);
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_ZSTD, 64 << 20);
    record_batch_builder_add(&builder, 1000, STR("k"), STR("v"), NULL, 0);
    rig_append(&rig, "t", 0, rig_batch_of(&rig, &builder));
    struct client *client = client_new(&rig);
    assert_int_equal(client_fetch(client, 9, make_fetch(&rig, "t", 0, 0))->error_code, 0);
    struct log_topic *topic = log_topic_find(rig.log, STR("t"));
    struct log_topic_config config = log_topic_config(topic);
    config.compression = CODEC_ZSTD;
    assert_ok(log_topic_configure(topic, &config));
    struct kafka_fetch_response_partition *r = client_fetch(client, 9, make_fetch(&rig, "t", 0, 0));
    assert_int_equal(r->error_code, 0);
    assert_true(r->records.bytes > 0);
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
            client_fetch(client, 12, make_fetch(&rig, "t", 0, next));
        assert_int_equal(r->error_code, 0);
        int count = count_records(r->records, &first);
        assert_true(count > 0);
        assert_int_equal(first, next);
        next += count;
    }
    client_free(client);
}

/* All parts of the topic from their offsets on. */
static struct kafka_fetch_request *fetch_parts(const int64_t *offsets, int32_t count)
{
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, 0);
    struct kafka_fetch_request_partition *parts =
        KAFKA_NEW(&rig.arena, kafka_fetch_request_partition, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        parts[i] = *request->topics->partitions;
        parts[i].partition = i;
        parts[i].fetch_offset = offsets[i];
        parts[i].partition_max_bytes = 1 << 20;
    }
    request->topics->partitions = parts;
    request->topics->partitions_count = count;
    request->max_bytes = 50 << 20;
    return request;
}

static uint64_t cold_reads(void)
{
    struct kafka_broker_status status;
    kafka_broker_status(rig.broker, &status);
    return status.cold_reads;
}

/* A disk that is never in memory: answers come after the worker, are whole and of bounded size, and
 * a client that goes meanwhile harms nothing. What is in the log's memory waits for nothing. */
static void test_cold(void **state)
{
    enum { PARTS = 12, BATCHES = 15, BATCH = 90000 };
    struct io_sim_options sim = {.seed = 11, .read_cold = 1000000};
    rig_down(&rig);
    rig_up_in(&rig, io_sim_new(&sim));
    rig_topic(&rig, "t", PARTS);
    char *big = arena_zero(&rig.arena, BATCH);
    for (int i = 0; i < PARTS * BATCHES; i++) {
        struct record_batch_builder builder = {0};
        record_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
        record_batch_builder_add(&builder, 1000, STR("k"), str_from(big, BATCH), NULL, 0);
        rig_append(&rig, "t", i % PARTS, rig_batch_of(&rig, &builder));
    }
    struct client *client = client_new(&rig), *leaver = client_new(&rig);
    int64_t offsets[PARTS] = {0}, first;
    int calls = 0, records = 0;
    for (; records < PARTS * BATCHES; calls++) {
        struct kafka_fetch_response *r =
            client_call(client, FETCH, 12, fetch_parts(offsets, PARTS));
        size_t bytes = 0;
        for (int i = 0; i < PARTS; i++) {
            struct str got = r->responses->partitions[i].records;
            int count = count_records(got, &first);
            assert_true(count == 0 || first == offsets[i]);
            offsets[i] += count;
            records += count;
            bytes += got.bytes;
        }
        assert_in_range(bytes, 1, (8 << 20) + (1 << 20));
    }
    assert_int_equal(records, PARTS * BATCHES);
    assert_true(cold_reads() >= (uint64_t)calls);
    int64_t none[PARTS] = {0};
    uint64_t before = cold_reads();
    client_send(leaver, FETCH, 12, fetch_parts(none, PARTS));
    for (int i = 0; cold_reads() == before && i < 100; i++)
        rig_turn(&rig, 1);
    assert_int_equal(cold_reads(), before + 1);
    client_free(leaver);
    rig_turns(&rig, 10);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 3));
    before = cold_reads();
    assert_int_equal(
        count_records(client_fetch(client, 12, make_fetch(&rig, "t", 0, offsets[0]))->records,
                      &first),
        3);
    assert_int_equal(cold_reads(), before);
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
    assert_int_equal(fetch_only(r)->partition_index, 7);
    /* Not asked further: told again; asked further: no more. */
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 3));
    assert_int_equal(fetch_only(r)->partition_index, 7);
    client_send(client, FETCH, 12, session(make_fetch(&rig, "t", 7, 2), id, 4));
    rig_pass(&rig, 20);
    assert_int_equal(client_waiting(client), 0);
    rig_append(&rig, "t", 3, rig_batch(&rig, 0, 2));
    r = client_receive(client, 20);
    assert_int_equal(fetch_only(r)->partition_index, 3);
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
    assert_int_equal(fetch_only(client_receive(client, 50))->partition_index, 4);
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
    assert_int_equal(fetch_only(r)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    rig_topic(&rig, "t", 1);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 2));
    r = client_call(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 2));
    assert_int_equal(fetch_only(r)->error_code, 0);
    assert_true(fetch_only(r)->records.bytes > 0);
    client_free(client);
}

/* The client comes back on another connection while its old one still waits. */
static void test_session_moves(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *old = client_new(&rig), *client = client_new(&rig);
    struct kafka_fetch_response *r =
        client_call(old, FETCH, 12, session(make_fetch(&rig, "t", 0, 0), 0, 0));
    int32_t id = r->session_id;
    struct kafka_fetch_request *wait = session(make_fetch(&rig, NULL, 0, 0), id, 1);
    wait->max_wait_ms = 60000;
    client_send(old, FETCH, 12, wait);
    /* Behind it waits one that would take the session again. */
    client_send(old, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 2));
    rig_pass(&rig, 50);
    client_send(client, FETCH, 12, session(make_fetch(&rig, NULL, 0, 0), id, 2));
    for (int i = 0; i < 2; i++) {
        r = client_receive(old, 1000);
        assert_non_null(r);
    }
    struct kafka_fetch_response *other = client_receive(client, 1000);
    assert_non_null(other);
    /* One of the two had epoch 2, the other came too late. */
    assert_int_equal(r->error_code + other->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    /* Another isolation: the watches are of the other kind. */
    wait = session(make_fetch(&rig, NULL, 0, 0), id, 3);
    wait->isolation_level = 1;
    wait->max_wait_ms = 1000;
    client_send(client, FETCH, 12, wait);
    rig_pass(&rig, 50);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 1));
    r = client_receive(client, 100);
    assert_non_null(r);
    assert_int_equal(fetch_only(r)->aborted_transactions_count, 0);
    /* All forgotten: the session ends. */
    struct kafka_fetch_request *request = session(make_fetch(&rig, NULL, 0, 0), id, 4);
    request->forgotten_topics_data = KAFKA_NEW(&rig.arena, kafka_fetch_request_forgotten_topic, 1);
    request->forgotten_topics_data_count = 1;
    request->forgotten_topics_data->topic = STR("t");
    request->forgotten_topics_data->partitions = arena_zero(&rig.arena, sizeof(int32_t));
    request->forgotten_topics_data->partitions_count = 1;
    r = client_call(client, FETCH, 12, request);
    assert_int_equal(r->session_id, 0);
    client_free(old);
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

/* Many partitions at rest: those that move are told, whichever they are, and no others. */
static void test_session_big(void **state)
{
    enum { PARTS = 3000 };
    rig_topic(&rig, "t", PARTS);
    struct client *client = client_new(&rig);
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, 0);
    struct kafka_fetch_request_partition *parts =
        KAFKA_NEW(&rig.arena, kafka_fetch_request_partition, PARTS);
    for (int32_t i = 0; i < PARTS; i++) {
        parts[i] = request->topics->partitions[0];
        parts[i].partition = i;
    }
    request->topics->partitions = parts;
    request->topics->partitions_count = PARTS;
    struct kafka_fetch_response *r = client_call(client, FETCH, 12, session(request, 0, 0));
    assert_int_equal(r->responses->partitions_count, PARTS);
    int32_t id = r->session_id, moved = -1, forgotten;
    for (int32_t epoch = 1; epoch < 50; epoch++) {
        request = session(make_fetch(&rig, moved < 0 ? NULL : "t", moved, 1), id, epoch);
        forgotten = (moved + 1) % PARTS;
        if (moved >= 0) {
            request->forgotten_topics_data =
                KAFKA_NEW(&rig.arena, kafka_fetch_request_forgotten_topic, 1);
            request->forgotten_topics_data_count = 1;
            request->forgotten_topics_data->topic = STR("t");
            request->forgotten_topics_data->partitions = &forgotten;
            request->forgotten_topics_data->partitions_count = 1;
        }
        moved = epoch * 61 % PARTS;
        rig_append(&rig, "t", moved, rig_batch(&rig, 0, 1));
        r = client_call(client, FETCH, 12, request);
        assert_int_equal(fetch_only(r)->partition_index, moved);
    }
    client_free(client);
}

/* ---- transactions ---- */

struct producer {
    struct client *client;
    int64_t id;
    int16_t epoch;
    int32_t sequence;
};

static struct producer producer_new(const char *name)
{
    struct producer producer = {.client = client_new(&rig)};
    struct kafka_init_producer_id_request *request =
        KAFKA_NEW(&rig.arena, kafka_init_producer_id_request, 1);
    request->transactional_id = str_of(name);
    request->transaction_timeout_ms = 60000;
    struct kafka_init_producer_id_response *r =
        client_call(producer.client, KAFKA_KEY_INIT_PRODUCER_ID, 3, request);
    assert_int_equal(r->error_code, 0);
    producer.id = r->producer_id;
    producer.epoch = r->producer_epoch;
    return producer;
}

static int16_t producer_send(struct producer *producer, const char *name)
{
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_NONE, 1 << 20);
    builder.producer_id = producer->id;
    builder.producer_epoch = producer->epoch;
    builder.base_sequence = producer->sequence;
    builder.attributes = BATCH_TRANSACTIONAL;
    record_batch_builder_add(&builder, 1000, STR("k"), str_of(name), NULL, 0);
    record_batch_builder_add(&builder, 1000, STR("k"), str_of(name), NULL, 0);
    struct kafka_produce_request *request =
        make_produce(&rig, "t", 0, rig_batch_of(&rig, &builder));
    request->transactional_id = str_of(name);
    int16_t code = client_produce(producer->client, 9, request)->error_code;
    producer->sequence += code == 0 ? 2 : 0;
    return code;
}

static void producer_begin(struct producer *producer, const char *name)
{
    struct kafka_add_partitions_to_txn_request *request =
        KAFKA_NEW(&rig.arena, kafka_add_partitions_to_txn_request, 1);
    request->v3_and_below_transactional_id = str_of(name);
    request->v3_and_below_producer_id = producer->id;
    request->v3_and_below_producer_epoch = producer->epoch;
    request->v3_and_below_topics =
        KAFKA_NEW(&rig.arena, kafka_add_partitions_to_txn_request_topic, 1);
    request->v3_and_below_topics_count = 1;
    request->v3_and_below_topics->name = STR("t");
    request->v3_and_below_topics->partitions = arena_zero(&rig.arena, sizeof(int32_t));
    request->v3_and_below_topics->partitions_count = 1;
    for (int i = 0; i < 50; i++) {
        struct kafka_add_partitions_to_txn_response *r =
            client_call(producer->client, KAFKA_KEY_ADD_PARTITIONS_TO_TXN, 3, request);
        int16_t code = r->results_by_topic_v3_and_below->results_by_partition->partition_error_code;
        if (code == 0)
            return;
        assert_int_equal(code, KAFKA_CONCURRENT_TRANSACTIONS);
        rig_pass(&rig, 20);
    }
    fail_msg("the transaction does not begin");
}

static void producer_end(struct producer *producer, const char *name, bool commit)
{
    struct kafka_end_txn_request *request = KAFKA_NEW(&rig.arena, kafka_end_txn_request, 1);
    request->transactional_id = str_of(name);
    request->producer_id = producer->id;
    request->producer_epoch = producer->epoch;
    request->committed = commit;
    struct kafka_end_txn_response *r = client_call(producer->client, KAFKA_KEY_END_TXN, 3, request);
    assert_int_equal(r->error_code, 0);
}

/* Readers of committed records stop at the open transaction, wake when it ends, and are told what
 * was aborted. */
static void test_committed(void **state)
{
    rig_topic(&rig, "t", 1);
    struct client *client = client_new(&rig);
    struct producer a = producer_new("a"), b = producer_new("b");
    assert_int_not_equal(producer_send(&a, "a"), 0); /* the partition is not part of it yet */
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 1));
    producer_begin(&a, "a");
    assert_int_equal(producer_send(&a, "a"), 0); /* 1, 2 */
    producer_begin(&b, "b");
    assert_int_equal(producer_send(&b, "b"), 0); /* 3, 4 */
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, 0);
    int64_t first;
    assert_int_equal(count_records(client_fetch(client, 12, request)->records, &first), 5);
    request->isolation_level = 1;
    struct kafka_fetch_response_partition *p = client_fetch(client, 12, request);
    assert_int_equal(count_records(p->records, &first), 1);
    assert_int_equal(p->last_stable_offset, 1);
    assert_int_equal(p->high_watermark, 5);
    struct kafka_fetch_request *wait = make_fetch(&rig, "t", 0, 1);
    wait->isolation_level = 1;
    wait->max_wait_ms = 10000;
    /* What cannot be read yet is told of when the time is up. */
    wait->max_wait_ms = 500;
    client_send(client, FETCH, 12, wait);
    rig_pass(&rig, 100);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 1)); /* 5 */
    struct kafka_fetch_response *in_time = client_receive(client, 1000);
    assert_non_null(in_time);
    p = fetch_only(in_time);
    assert_int_equal(p->records.bytes, 0);
    assert_int_equal(p->high_watermark, 6);
    assert_int_equal(p->last_stable_offset, 1);
    wait->max_wait_ms = 10000;
    client_send(client, FETCH, 12, wait);
    rig_pass(&rig, 100);
    assert_int_equal(client_waiting(client), 0);
    producer_end(&b, "b", true); /* 6: a is still the first */
    rig_pass(&rig, 100);
    assert_int_equal(client_waiting(client), 0);
    producer_end(&a, "a", false); /* 7 */
    struct kafka_fetch_response *r = client_receive(client, 1000);
    assert_non_null(r);
    p = fetch_only(r);
    assert_int_equal(count_records(p->records, &first), 7);
    assert_int_equal(first, 1);
    assert_int_equal(p->aborted_transactions_count, 1);
    assert_int_equal(p->aborted_transactions->producer_id, a.id);
    assert_int_equal(p->aborted_transactions->first_offset, 1);
    client_free(a.client);
    client_free(b.client);
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
        TEST(test_fetch_versions),   TEST(test_fetch_errors),    TEST(test_epochs),
        TEST(test_long_poll),        TEST(test_poll_grid),       TEST(test_cold),
        TEST(test_fetch_limits),     TEST(test_zstd_for_old),    TEST(test_big_reads),
        TEST(test_session),          TEST(test_session_deleted), TEST(test_session_moves),
        TEST(test_session_eviction), TEST(test_session_big),     TEST(test_committed),
        TEST(test_list_offsets),
    };
    return RUN_TESTS(tests);
}
