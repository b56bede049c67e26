/* SPDX-License-Identifier: MIT */
/* Making, widening, emptying and deleting topics. What is expected of each request is what Kafka
 * 4.3 answered to the same one. */
#include "serve/kafka/harness.h"

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

#define TOPIC struct kafka_create_topics_request_topic

static TOPIC *topic_of(const char *name, int32_t partitions, int16_t factor)
{
    TOPIC *topic = KAFKA_NEW(&rig.arena, kafka_create_topics_request_topic, 1);
    topic->name = str_of(name);
    topic->num_partitions = partitions;
    topic->replication_factor = factor;
    return topic;
}

static void config_add(TOPIC *topic, const char *name, const char *value)
{
    if (!topic->configs)
        topic->configs = KAFKA_NEW(&rig.arena, kafka_create_topics_request_config, 8);
    topic->configs[topic->configs_count].name = str_of(name);
    topic->configs[topic->configs_count++].value = str_of(value);
}

static struct kafka_create_topics_response *create_all(TOPIC *topics, int32_t count,
                                                       int16_t version, bool validate)
{
    struct kafka_create_topics_request *request =
        KAFKA_NEW(&rig.arena, kafka_create_topics_request, 1);
    request->topics = topics;
    request->topics_count = count;
    request->validate_only = validate;
    return client_call(client, KAFKA_KEY_CREATE_TOPICS, version, request);
}

static struct kafka_create_topics_response_topic *create(TOPIC *topic, bool validate)
{
    struct kafka_create_topics_response *r = create_all(topic, 1, 7, validate);
    assert_int_equal(1, r->topics_count);
    return r->topics;
}

static void expect(TOPIC *topic, int16_t code, const char *text)
{
    struct kafka_create_topics_response_topic *r = create(topic, true);
    if (r->error_code != code || !str_equal(r->error_message, str_of(text)))
        fail_msg("%.*s: %d '%.*s', not %d '%s'", STR_ARG(topic->name), r->error_code,
                 STR_ARG(r->error_message), code, text ? text : "");
}

static void test_names(void **state)
{
    static const char *const good[] = {"a", "A-b.c_9", "__x"};
    char name[251];
    memset(name, 'a', 250);
    name[249] = 0;
    expect(topic_of(name, 1, 1), KAFKA_NONE, NULL);
    name[249] = 'a';
    name[250] = 0;
    assert_int_equal(KAFKA_INVALID_TOPIC_EXCEPTION, create(topic_of(name, 1, 1), true)->error_code);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        expect(topic_of(good[i], 1, 1), KAFKA_NONE, NULL);
    expect(topic_of("", 1, 1), 17, "Topic name is invalid: the empty string is not allowed");
    expect(topic_of("..", 1, 1), 17, "Topic name is invalid: '..' is not allowed");
    expect(topic_of("a b", 1, 1), 17,
           "Topic name is invalid: 'a b' contains one or more characters other than ASCII "
           "alphanumerics, '.', '_' and '-'");
    assert_int_equal(KAFKA_NONE, create(topic_of("p.q", 1, 1), false)->error_code);
    expect(topic_of("p_q", 1, 1), 17, "Topic 'p_q' collides with existing topic: p.q");
    expect(topic_of("p.q", 1, 1), 36, "Topic 'p.q' already exists.");
    expect(topic_of("__consumer_offsets", 1, 1), 36, "Topic '__consumer_offsets' already exists.");
}

static void test_counts(void **state)
{
    expect(topic_of("t", 0, 1), 37,
           "Number of partitions was set to an invalid non-positive value.");
    expect(topic_of("t", -2, 1), 37,
           "Number of partitions was set to an invalid non-positive value.");
    expect(topic_of("t", 1000000, 1), 44, "Excessively large number of partitions per request.");
    expect(topic_of("t", 1, 0), 38,
           "Replication factor must be larger than 0, or -1 to use the default value.");
    assert_int_equal(38, create(topic_of("t", 1, 3), true)->error_code);
    struct kafka_create_topics_response_topic *r = create(topic_of("t", -1, -1), true);
    assert_int_equal(KAFKA_NONE, r->error_code);
    assert_int_equal(1, r->num_partitions);
    assert_int_equal(1, r->replication_factor);
    assert_null(log_topic_find(rig.log, STR("t")));
}

static TOPIC *assigned(int32_t partitions, int16_t factor, int32_t index_a, int32_t index_b,
                       int32_t broker, int32_t brokers)
{
    TOPIC *topic = topic_of("t", partitions, factor);
    topic->assignments = KAFKA_NEW(&rig.arena, kafka_create_topics_request_assignment, 2);
    topic->assignments_count = index_b < 0 ? 1 : 2;
    int32_t *ids = arena_array(&rig.arena, 2, sizeof *ids);
    ids[0] = ids[1] = broker;
    for (int i = 0; i < 2; i++) {
        topic->assignments[i].partition_index = i ? index_b : index_a;
        topic->assignments[i].broker_ids = ids;
        topic->assignments[i].broker_ids_count = brokers;
    }
    return topic;
}

static void test_assignments(void **state)
{
    expect(assigned(2, -1, 0, 1, 1, 1), 42,
           "A manual partition assignment was specified, but numPartitions was not set to -1.");
    expect(assigned(-1, 1, 0, 1, 1, 1), 42,
           "A manual partition assignment was specified, but replication factor was not set to "
           "-1.");
    expect(assigned(-1, -1, 0, 1, 2, 1), 39,
           "The manual partition assignment includes broker 2, but no such broker is registered.");
    expect(assigned(-1, -1, 0, 1, 1, 2), 39,
           "The manual partition assignment includes the broker 1 more than once.");
    expect(assigned(-1, -1, 0, 1, 1, 0), 39,
           "The manual partition assignment includes an empty replica list.");
    expect(assigned(-1, -1, 1, -1, 1, 1), 39,
           "partitions should be a consecutive 0-based integer sequence");
    expect(assigned(-1, -1, 0, 0, 1, 1), 39,
           "Found multiple manual partition assignments for partition 0");
    assert_int_equal(KAFKA_NONE, create(assigned(-1, -1, 1, 0, 1, 1), false)->error_code);
    assert_int_equal(2, log_topic_partitions(log_topic_find(rig.log, STR("t"))));
}

/* ---- settings ---- */

struct setting_case {
    const char *name, *value, *problem; /* NULL = accepted */
};
static const struct setting_case setting_cases[] = {
    {"nope", "1", "Unknown topic config name: nope"},
    {"retention.ms", "x",
     "Invalid value x for configuration retention.ms: Not a number of type LONG"},
    {"retention.ms", "-2",
     "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
    {"retention.ms", "99999999999999999999",
     "Invalid value 99999999999999999999 for configuration retention.ms: Not a number of type "
     "LONG"},
    {"retention.ms", " 5 ", NULL},
    {"retention.bytes", "-3", NULL},
    {"segment.bytes", "3000000000",
     "Invalid value 3000000000 for configuration segment.bytes: Not a number of type INT"},
    {"segment.bytes", "1",
     "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576"},
    {"cleanup.policy", "foo",
     "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
    {"cleanup.policy", "compact, delete", NULL},
    {"cleanup.policy", "", NULL},
    {"compression.type", "ZSTD",
     "Invalid value ZSTD for configuration compression.type: String must be one of: uncompressed, "
     "zstd, lz4, snappy, gzip, producer"},
    {"compression.gzip.level", "0",
     "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or "
     "equal to -1"},
    {"compression.gzip.level", "-1", NULL},
    {"compression.lz4.level", "99",
     "Invalid value 99 for configuration compression.lz4.level: Value must be no more than 17"},
    {"preallocate", "maybe",
     "Invalid value maybe for configuration preallocate: Expected value to be either true or "
     "false"},
    {"preallocate", "TRUE", NULL},
    {"min.cleanable.dirty.ratio", "1.5",
     "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
    {"message.timestamp.type", "x",
     "Invalid value x for configuration message.timestamp.type: String must be one of: CreateTime, "
     "LogAppendTime"},
    {"leader.replication.throttled.replicas", "0:1,1:1", NULL},
    {"leader.replication.throttled.replicas", "q",
     "Invalid value [q] for configuration leader.replication.throttled.replicas: "
     "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the "
     "following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
    {"remote.storage.enable", "true",
     "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
     "remote log storage."},
};

static void test_settings(void **state)
{
    for (size_t i = 0; i < sizeof setting_cases / sizeof *setting_cases; i++) {
        TOPIC *topic = topic_of("t", 1, 1);
        config_add(topic, setting_cases[i].name, setting_cases[i].value);
        expect(topic, setting_cases[i].problem ? 40 : 0, setting_cases[i].problem);
    }
    TOPIC *topic = topic_of("t", 1, 1);
    config_add(topic, "retention.ms", NULL);
    expect(topic, 40, "Null value not supported for topic configs: retention.ms");
    topic = topic_of("t", 1, 1);
    config_add(topic, "min.compaction.lag.ms", "5");
    config_add(topic, "max.compaction.lag.ms", "3");
    expect(topic, 40,
           "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (3)");
}

static struct kafka_create_topics_response_config *
config_find(struct kafka_create_topics_response_topic *topic, const char *name)
{
    for (int32_t i = 0; i < topic->configs_count; i++)
        if (str_equal(topic->configs[i].name, str_of(name)))
            return &topic->configs[i];
    fail_msg("no %s in the answer", name);
    return NULL;
}

/* What a setting means reaches the log, and stays there. */
static void test_settings_meaning(void **state)
{
    TOPIC *topic = topic_of("t", 3, -1);
    config_add(topic, "retention.ms", "7");
    config_add(topic, "retention.ms", "77");
    config_add(topic, "cleanup.policy", "compact,delete");
    config_add(topic, "flush.messages", "1");
    config_add(topic, "min.insync.replicas", "2");
    struct kafka_create_topics_response_topic *r = create(topic, false);
    assert_int_equal(KAFKA_NONE, r->error_code);
    assert_int_equal(33, r->configs_count);
    assert_str("77", config_find(r, "retention.ms")->value);
    assert_int_equal(1, config_find(r, "retention.ms")->config_source);
    assert_str("134217728", config_find(r, "segment.bytes")->value);
    assert_int_equal(5, config_find(r, "segment.bytes")->config_source);
    assert_str("delete", config_find(create(topic_of("u", 1, 1), true), "cleanup.policy")->value);
    assert_memory_equal(log_topic_id(log_topic_find(rig.log, STR("t"))), r->topic_id, 16);
    client_free(client);
    rig_restart(&rig, NULL);
    client = client_new(&rig);
    struct log_topic *made = log_topic_find(rig.log, STR("t"));
    struct log_topic_config config = log_topic_config(made);
    assert_int_equal(77, config.retention_ms);
    assert_true(config.compact && config.compact_and_delete && config.sync_each);
    assert_int_equal(3, config.partitions);
    struct log_topic_setting *settings;
    assert_int_equal(4, log_topic_settings(made, &rig.arena, &settings));
    assert_str("min.insync.replicas", settings[2].name);
    assert_str("2", settings[2].value);
}

static void test_duplicates(void **state)
{
    TOPIC *topics = KAFKA_NEW(&rig.arena, kafka_create_topics_request_topic, 4);
    static const char *const names[] = {"d1", "d2", "d1", "d1"};
    for (int i = 0; i < 4; i++)
        topics[i] = *topic_of(names[i], 1, 1);
    for (int16_t version = 0; version <= 7; version++) {
        struct kafka_create_topics_response *r = create_all(topics, 4, version, version > 0);
        assert_int_equal(2, r->topics_count);
        assert_str("d1", r->topics[0].name);
        assert_int_equal(KAFKA_INVALID_REQUEST, r->topics[0].error_code);
        assert_int_equal(version ? KAFKA_TOPIC_ALREADY_EXISTS : 0, r->topics[1].error_code);
    }
    assert_null(log_topic_find(rig.log, STR("d1")));
    assert_non_null(log_topic_find(rig.log, STR("d2")));
}

/* ---- DeleteTopics ---- */

static struct kafka_delete_topics_response *delete_ids(const char *const *names,
                                                       const uint8_t *const *ids, int32_t count)
{
    struct kafka_delete_topics_request *request =
        KAFKA_NEW(&rig.arena, kafka_delete_topics_request, 1);
    request->topics = KAFKA_NEW(&rig.arena, kafka_delete_topics_request_topic, (size_t)count);
    request->topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        request->topics[i].name = str_of(names[i]);
        if (ids[i])
            memcpy(request->topics[i].topic_id, ids[i], 16);
    }
    return client_call(client, KAFKA_KEY_DELETE_TOPICS, 6, request);
}

static void test_delete(void **state)
{
    rig_topic(&rig, "a", 1);
    uint8_t id[16], unknown[16] = {5};
    memcpy(id, log_topic_id(rig_topic(&rig, "b", 2)), 16);
    rig_topic(&rig, "c", 1);
    struct kafka_delete_topics_request *old = KAFKA_NEW(&rig.arena, kafka_delete_topics_request, 1);
    struct str names[] = {STR("a"), STR("nope"), STR(""),
                          STR("c"), STR("c"),    STR("__consumer_offsets")};
    old->topic_names = names;
    old->topic_names_count = 6;
    struct kafka_delete_topics_response *r = client_call(client, KAFKA_KEY_DELETE_TOPICS, 1, old);
    static const int16_t codes[] = {0, 3, 3, 42, 17};
    assert_int_equal(5, r->responses_count);
    for (int i = 0; i < 5; i++)
        assert_int_equal(codes[i], r->responses[i].error_code);
    assert_null(log_topic_find(rig.log, STR("a")));
    assert_non_null(log_topic_find(rig.log, STR("c")));
    r = delete_ids((const char *[]){NULL, NULL, "b", NULL},
                   (const uint8_t *[]){unknown, NULL, id, id}, 4);
    /* b is named by name and id and once by id: twice, so nothing is done. */
    assert_int_equal(3, r->responses_count);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_ID, r->responses[0].error_code);
    assert_int_equal(KAFKA_INVALID_REQUEST, r->responses[1].error_code);
    assert_int_equal(KAFKA_INVALID_REQUEST, r->responses[2].error_code);
    r = delete_ids((const char *[]){NULL}, (const uint8_t *[]){id}, 1);
    assert_int_equal(KAFKA_NONE, r->responses[0].error_code);
    assert_str("b", r->responses[0].name);
    assert_memory_equal(id, r->responses[0].topic_id, 16);
    assert_null(log_topic_find(rig.log, STR("b")));
    /* The same name again is another topic. */
    assert_memory_not_equal(id, create(topic_of("b", 1, 1), false)->topic_id, 16);
}

/* ---- CreatePartitions ---- */

static struct kafka_create_partitions_response_result *
widen(const char *name, int32_t count, int32_t assignments, int32_t broker, bool validate)
{
    struct kafka_create_partitions_request *request =
        KAFKA_NEW(&rig.arena, kafka_create_partitions_request, 1);
    request->topics = KAFKA_NEW(&rig.arena, kafka_create_partitions_request_topic, 1);
    request->topics_count = 1;
    request->validate_only = validate;
    request->topics[0].name = str_of(name);
    request->topics[0].count = count;
    request->topics[0].assignments_count = assignments;
    if (assignments > 0)
        request->topics[0].assignments =
            KAFKA_NEW(&rig.arena, kafka_create_partitions_request_assignment, (size_t)assignments);
    int32_t *ids = arena_array(&rig.arena, 1, sizeof *ids);
    *ids = broker;
    for (int32_t i = 0; i < assignments; i++) {
        request->topics[0].assignments[i].broker_ids = ids;
        request->topics[0].assignments[i].broker_ids_count = 1;
    }
    struct kafka_create_partitions_response *r =
        client_call(client, KAFKA_KEY_CREATE_PARTITIONS, 3, request);
    assert_int_equal(1, r->results_count);
    return r->results;
}

static void test_widen(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 2);
    assert_int_equal(KAFKA_NONE, widen("t", 3, -1, 1, true)->error_code);
    assert_int_equal(2, log_topic_partitions(topic));
    assert_int_equal(KAFKA_NONE, widen("t", 3, -1, 1, false)->error_code);
    assert_int_equal(3, log_topic_partitions(topic));
    assert_str("Topic already has 3 partition(s).", widen("t", 3, -1, 1, false)->error_message);
    struct kafka_create_partitions_response_result *r = widen("t", -1, -1, 1, false);
    assert_int_equal(KAFKA_INVALID_PARTITIONS, r->error_code);
    assert_str("The topic t currently has 3 partition(s); -1 would not be an increase.",
               r->error_message);
    assert_int_equal(KAFKA_NONE, widen("t", 4, 1, 1, false)->error_code);
    r = widen("t", 6, 1, 1, false);
    assert_int_equal(KAFKA_INVALID_REPLICA_ASSIGNMENT, r->error_code);
    assert_str("Attempted to add 2 additional partition(s), but only 1 assignment(s) were "
               "specified.",
               r->error_message);
    assert_int_equal(39, widen("t", 5, 1, 9, false)->error_code);
    assert_int_equal(3, widen("nope", 5, -1, 1, false)->error_code);
    assert_int_equal(17, widen("__consumer_offsets", 5, -1, 1, false)->error_code);
    /* What is new serves at once. */
    assert_int_equal(0, rig_append(&rig, "t", 3, rig_batch(&rig, 0, 2)));
}

/* ---- DeleteRecords ---- */

static struct kafka_delete_records_response_partition *empty(const char *name, int32_t index,
                                                             int64_t offset)
{
    struct kafka_delete_records_request *request =
        KAFKA_NEW(&rig.arena, kafka_delete_records_request, 1);
    request->topics = KAFKA_NEW(&rig.arena, kafka_delete_records_request_topic, 1);
    request->topics_count = 1;
    request->topics[0].name = str_of(name);
    request->topics[0].partitions =
        KAFKA_NEW(&rig.arena, kafka_delete_records_request_partition, 1);
    request->topics[0].partitions_count = 1;
    request->topics[0].partitions[0].partition_index = index;
    request->topics[0].partitions[0].offset = offset;
    struct kafka_delete_records_response *r =
        client_call(client, KAFKA_KEY_DELETE_RECORDS, 2, request);
    return r->topics[0].partitions;
}

static void test_delete_records(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 1);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 5));
    rig_append(&rig, "t", 0, rig_batch(&rig, 5, 5));
    struct kafka_delete_records_response_partition *r = empty("t", 0, 7);
    assert_int_equal(KAFKA_NONE, r->error_code);
    assert_int_equal(7, r->low_watermark);
    assert_int_equal(7, log_partition_start(log_topic_partition(topic, 0)));
    assert_int_equal(7, empty("t", 0, 3)->low_watermark);
    r = empty("t", 0, 11);
    assert_int_equal(KAFKA_OFFSET_OUT_OF_RANGE, r->error_code);
    assert_int_equal(-1, r->low_watermark);
    assert_int_equal(KAFKA_OFFSET_OUT_OF_RANGE, empty("t", 0, -2)->error_code);
    assert_int_equal(10, empty("t", 0, -1)->low_watermark);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, empty("t", 1, 0)->error_code);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, empty("t", -1, 0)->error_code);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, empty("nope", 0, 0)->error_code);
    assert_int_equal(KAFKA_INVALID_TOPIC_EXCEPTION, empty("__consumer_offsets", 0, 0)->error_code);
    TOPIC *compacted = topic_of("k", 1, 1);
    config_add(compacted, "cleanup.policy", "compact");
    assert_int_equal(KAFKA_NONE, create(compacted, false)->error_code);
    assert_int_equal(KAFKA_POLICY_VIOLATION, empty("k", 0, 0)->error_code);
}

/* A client that goes while the worker is at it. */
static void test_gone_meanwhile(void **state)
{
    struct client *other = client_new(&rig);
    struct kafka_create_topics_request *request =
        KAFKA_NEW(&rig.arena, kafka_create_topics_request, 1);
    request->topics = topic_of("later", 1, 1);
    request->topics_count = 1;
    client_send(other, KAFKA_KEY_CREATE_TOPICS, 5, request);
    client_free(other);
    rig_turns(&rig, 20);
    expect(topic_of("t", 1, 1), KAFKA_NONE, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_counts),
        TEST(test_assignments),
        TEST(test_settings),
        TEST(test_settings_meaning),
        TEST(test_duplicates),
        TEST(test_delete),
        TEST(test_widen),
        TEST(test_delete_records),
        TEST(test_gone_meanwhile),
    };
    return RUN_TESTS(tests);
}
