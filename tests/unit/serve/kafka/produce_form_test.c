/* SPDX-License-Identifier: MIT */
/* Produce: limits of timestamps, LogAppendTime, and the codec that a topic wants. */
#include "serve/kafka/harness.h"

#include "base/crc32c.h"
#include "base/endian.h"

#define PRODUCED struct kafka_produce_response_partition

static struct rig rig;
static struct client *client;

static int up(void **state)
{
    rig_up(&rig, NULL);
    client = client_new(&rig);
    return 0;
}

static int down(void **state)
{
    client_free(client);
    rig_down(&rig);
    return 0;
}

static int64_t now_ms(void)
{
    return io_wall_us(rig.io) / 1000;
}

/* As a client does it: the settings come with the creation. */
static void create(const char *name, const char *key, const char *value)
{
    struct kafka_create_topics_request_config config = {str_of(key), str_of(value)};
    struct kafka_create_topics_request_topic topic = {
        .name = str_of(name), .num_partitions = 1, .replication_factor = 1, .configs = &config};
    struct kafka_create_topics_request request = {.topics = &topic, .topics_count = 1};
    topic.configs_count = key ? 1 : 0;
    struct kafka_create_topics_response *r =
        client_call(client, KAFKA_KEY_CREATE_TOPICS, 7, &request);
    assert_int_equal(r->topics_count, 1);
    assert_int_equal(r->topics[0].error_code, 0);
}

/* Records at these distances from now. */
static struct str batch_at(enum codec codec, const int64_t *times_ms, size_t count)
{
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, codec, 64 << 20);
    for (size_t i = 0; i < count; i++)
        record_batch_builder_add(&builder, times_ms[i], STR("k"), STR("value value value value"),
                                 NULL, 0);
    return rig_batch_of(&rig, &builder);
}

static PRODUCED *send(const char *topic, int16_t version, struct str batch)
{
    return client_produce(client, version, make_produce(&rig, topic, 0, batch));
}

static struct record_batch stored(const char *topic, int64_t offset)
{
    struct kafka_fetch_response_partition *r =
        client_fetch(client, 12, make_fetch(&rig, topic, 0, offset));
    struct record_batch batch;
    assert_int_equal(r->error_code, 0);
    assert_ok(record_batch_parse(r->records.ptr, r->records.bytes, true, &batch));
    return batch;
}

/* ---- timestamps ---- */

static void test_times_by_default(void **state)
{
    create("t", NULL, NULL);
    int64_t times[] = {now_ms(), now_ms() + 3600 * 1000 + 100, 0, now_ms() + 1000};
    PRODUCED *r = send("t", 9, batch_at(CODEC_NONE, times, 4));
    assert_int_equal(r->error_code, KAFKA_INVALID_TIMESTAMP);
    assert_int_equal(r->record_errors_count, 1);
    assert_int_equal(r->record_errors[0].batch_index, 1);
    assert_str("One or more records have been rejected due to invalid timestamp", r->error_message);
    char want[300];
    snprintf(want, sizeof want,
             "Timestamp %lld of message with offset 1 is out of range. The timestamp should be "
             "within [%lld, %lld]",
             (long long)times[1], (long long)(now_ms() - INT64_MAX),
             (long long)(now_ms() + 3600 * 1000));
    assert_str(want, r->record_errors[0].batch_index_error_message);
    /* Older versions have the code only. */
    assert_int_equal(send("t", 7, batch_at(CODEC_NONE, times, 4))->error_code,
                     KAFKA_INVALID_TIMESTAMP);
    times[1] = -1; /* no timestamp at all */
    assert_int_equal(send("t", 9, batch_at(CODEC_NONE, times, 4))->error_code, 0);
}

static void test_times_ahead(void **state)
{
    create("far", "message.timestamp.after.max.ms", "36000000");
    create("near", "message.timestamp.after.max.ms", "1000");
    create("any", "message.timestamp.after.max.ms", "9223372036854775807");
    int64_t hours = now_ms() + 9 * 3600 * 1000, seconds = now_ms() + 5000, end = INT64_MAX;
    assert_int_equal(send("far", 9, batch_at(CODEC_LZ4, &hours, 1))->error_code, 0);
    assert_int_equal(send("near", 9, batch_at(CODEC_LZ4, &seconds, 1))->error_code,
                     KAFKA_INVALID_TIMESTAMP);
    assert_int_equal(send("any", 9, batch_at(CODEC_LZ4, &end, 1))->error_code, 0);
    /* Kept over a restart. */
    client_free(client);
    rig_restart(&rig, NULL);
    client = client_new(&rig);
    seconds = now_ms() + 5000;
    hours = now_ms() + 9 * 3600 * 1000;
    assert_int_equal(send("near", 9, batch_at(CODEC_LZ4, &seconds, 1))->error_code,
                     KAFKA_INVALID_TIMESTAMP);
    assert_int_equal(send("far", 9, batch_at(CODEC_LZ4, &hours, 1))->error_code, 0);
}

static void test_times_behind(void **state)
{
    create("t", "message.timestamp.before.max.ms", "60000");
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        int64_t times[] = {now_ms(), now_ms() - 59000, -1, now_ms() - 61000, now_ms() - 3600000};
        PRODUCED *r = send("t", 9, batch_at((enum codec)codec, times, 5));
        assert_int_equal(r->error_code, KAFKA_INVALID_TIMESTAMP);
        assert_int_equal(r->record_errors_count, 2);
        assert_int_equal(r->record_errors[0].batch_index, 3);
        assert_int_equal(r->record_errors[1].batch_index, 4);
        r = send("t", 9, batch_at((enum codec)codec, times, 3));
        assert_int_equal(r->error_code, 0);
        assert_int_equal(r->base_offset, codec * 3);
    }
}

/* Of a record that has both mistakes the key is told, and the time counts when any is left. */
static void test_times_and_keys(void **state)
{
    create("t", "cleanup.policy", "compact");
    for (int keyed_late = 0; keyed_late < 2; keyed_late++) {
        struct record_batch_builder builder = {0};
        int64_t late = now_ms() + 9 * 3600 * 1000;
        record_batch_builder_init(&builder, CODEC_NONE, 1 << 20);
        record_batch_builder_add(&builder, now_ms(), STR("k"), STR("v"), NULL, 0);
        record_batch_builder_add(&builder, late, STR_NONE, STR("v"), NULL, 0);
        record_batch_builder_add(&builder, now_ms(), STR_NONE, STR("v"), NULL, 0);
        if (keyed_late)
            record_batch_builder_add(&builder, late, STR("k"), STR("v"), NULL, 0);
        PRODUCED *r = send("t", 9, rig_batch_of(&rig, &builder));
        assert_int_equal(r->error_code,
                         keyed_late ? KAFKA_INVALID_TIMESTAMP : KAFKA_INVALID_RECORD);
        assert_int_equal(r->record_errors_count, 2 + keyed_late);
        assert_int_equal(r->record_errors[0].batch_index, 1);
        assert_str("Compacted topic cannot accept message without key in topic partition t-0",
                   r->record_errors[0].batch_index_error_message);
        assert_int_equal(r->record_errors[1].batch_index, 2);
    }
}

/* ---- LogAppendTime ---- */

static struct str claims_append_time(struct str batch)
{
    char *ptr = (char *)arena_str(&rig.arena, batch).ptr;
    put_be16(ptr + 21, (uint16_t)(get_be16(ptr + 21) | BATCH_LOG_APPEND_TIME));
    put_be32(ptr + 17, crc32c(0, ptr + 21, batch.bytes - 21));
    return str_from(ptr, batch.bytes);
}

static void test_append_time(void **state)
{
    create("t", "message.timestamp.type", "LogAppendTime");
    int64_t times[] = {1, now_ms() + 48LL * 3600 * 1000};
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        PRODUCED *r = send("t", 9, batch_at((enum codec)codec, times, 2));
        assert_int_equal(r->error_code, 0);
        assert_true(r->log_append_time_ms >= now_ms() - 1000 && r->log_append_time_ms <= now_ms());
        struct record_batch batch = stored("t", r->base_offset);
        assert_true(batch.attributes & BATCH_LOG_APPEND_TIME);
        assert_int_equal(batch.max_timestamp, r->log_append_time_ms);
    }
    PRODUCED *r = send("t", 9, claims_append_time(batch_at(CODEC_NONE, times, 2)));
    assert_int_equal(r->error_code, KAFKA_INVALID_TIMESTAMP);
    assert_int_equal(r->record_errors_count, 2);
}

/* The word of a producer about that is not kept in a topic of CreateTime. */
static void test_claimed_append_time(void **state)
{
    create("t", NULL, NULL);
    int64_t times[] = {now_ms() - 5000, now_ms() - 7000};
    PRODUCED *r = send("t", 9, claims_append_time(batch_at(CODEC_SNAPPY, times, 2)));
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->log_append_time_ms, -1);
    struct record_batch batch = stored("t", 0);
    assert_int_equal(batch.attributes, CODEC_SNAPPY);
    assert_int_equal(batch.max_timestamp, times[0]);
}

/* ---- compression.type ---- */

static const char *const words[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};

static void check_records(const struct record_batch *batch, const int64_t *times_ms, int count)
{
    struct record_iterator it;
    struct record record;
    int seen = 0;
    assert_ok(record_iterator_init(&it, batch, 1 << 20));
    for (; record_iterator_next(&it, &record); seen++) {
        assert_int_equal(record.timestamp_ms, times_ms[seen]);
        assert_str("k", record.key);
        assert_str("value value value value", record.value);
    }
    assert_ok(it.reader.err);
    assert_int_equal(seen, count);
    record_iterator_deinit(&it);
}

static void test_codecs(void **state)
{
    int64_t times[] = {now_ms() - 100, now_ms() - 300, now_ms()};
    for (int want = CODEC_NONE; want <= CODEC_ZSTD; want++) {
        create(words[want], "compression.type", words[want]);
        for (int sent = CODEC_NONE; sent <= CODEC_ZSTD; sent++) {
            struct str one = batch_at((enum codec)sent, times, 3);
            PRODUCED *r = send(words[want], 9, one);
            assert_int_equal(r->error_code, 0);
            assert_int_equal(r->base_offset, 3 * sent);
            struct record_batch batch = stored(words[want], r->base_offset);
            assert_int_equal(batch.attributes, want);
            assert_int_equal(batch.count, 3);
            check_records(&batch, times, 3);
            if (want == sent) /* as it came, but for the offset */
                assert_memory_equal(batch.bytes + 17, one.ptr + 17, one.bytes - 17);
        }
    }
}

/* What cannot be read is refused as such, and what grows over the limit as too large. */
static void test_codec_refusals(void **state)
{
    int64_t now = now_ms(), *times = arena_array(&rig.arena, 1000, sizeof *times);
    for (int i = 0; i < 1000; i++)
        times[i] = now;
    create("t", "compression.type", "uncompressed");
    struct str batch = batch_at(CODEC_ZSTD, times, 1000);
    struct log_topic *topic = log_topic_find(rig.log, STR("t"));
    struct log_topic_config config = log_topic_config(topic);
    config.message_bytes_max = (int32_t)batch.bytes + 1000;
    assert_ok(log_topic_configure(topic, &config));
    assert_int_equal(send("t", 9, batch)->error_code, KAFKA_MESSAGE_TOO_LARGE);
    batch = batch_at(CODEC_ZSTD, times, 3);
    char *ptr = (char *)arena_str(&rig.arena, batch).ptr;
    ptr[batch.bytes - 9] ^= 1;
    assert_int_equal(send("t", 9, str_from(ptr, batch.bytes))->error_code, KAFKA_CORRUPT_MESSAGE);
    put_be32(ptr + 17, crc32c(0, ptr + 21, batch.bytes - 21)); /* the sum agrees, the records not */
    memset(ptr + 65, 7, 8);
    put_be32(ptr + 17, crc32c(0, ptr + 21, batch.bytes - 21));
    assert_int_equal(send("t", 9, str_from(ptr, batch.bytes))->error_code, KAFKA_INVALID_RECORD);
    assert_int_equal(send("t", 9, batch)->error_code, 0);
    assert_int_equal(stored("t", 0).attributes, CODEC_NONE);
}

/* Records that are not as many as the header says, or not as long as they say themselves. */
static void test_uncountable(void **state)
{
    static const struct {
        size_t at;
        int change;
    } lies[] = {{60, 1}, {60, -1}, {61, 2}, {61, -2}, {61, 1}};
    int64_t times[] = {now_ms(), now_ms()};
    create("t", NULL, NULL);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct str batch = batch_at(CODEC_NONE, times, 2);
        char *ptr = (char *)arena_str(&rig.arena, batch).ptr;
        ptr[lies[i].at] = (char)(ptr[lies[i].at] + lies[i].change);
        put_be32(ptr + 23, get_be32(ptr + 57) - 1);
        put_be32(ptr + 17, crc32c(0, ptr + 21, batch.bytes - 21));
        assert_int_equal(send("t", 9, str_from(ptr, batch.bytes))->error_code,
                         KAFKA_INVALID_RECORD);
    }
    assert_int_equal(send("t", 9, batch_at(CODEC_NONE, times, 2))->base_offset, 0);
}

/* A batch that is sent again is known again, whatever became of it. */
static void test_codec_and_producers(void **state)
{
    create("t", "compression.type", "lz4");
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_GZIP, 64 << 20);
    builder.producer_id = 9;
    builder.producer_epoch = 0;
    builder.base_sequence = 0;
    record_batch_builder_add(&builder, now_ms(), STR_NONE, STR("v"), NULL, 0);
    struct str batch = rig_batch_of(&rig, &builder);
    assert_int_equal(send("t", 9, batch)->base_offset, 0);
    assert_int_equal(send("t", 9, batch)->base_offset, 0);
    assert_int_equal(log_partition_end(log_topic_partition(log_topic_find(rig.log, STR("t")), 0)),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_times_by_default, up, down),
        cmocka_unit_test_setup_teardown(test_times_ahead, up, down),
        cmocka_unit_test_setup_teardown(test_times_behind, up, down),
        cmocka_unit_test_setup_teardown(test_times_and_keys, up, down),
        cmocka_unit_test_setup_teardown(test_append_time, up, down),
        cmocka_unit_test_setup_teardown(test_claimed_append_time, up, down),
        cmocka_unit_test_setup_teardown(test_codecs, up, down),
        cmocka_unit_test_setup_teardown(test_codec_refusals, up, down),
        cmocka_unit_test_setup_teardown(test_uncountable, up, down),
        cmocka_unit_test_setup_teardown(test_codec_and_producers, up, down),
    };
    return RUN_TESTS(tests);
}
