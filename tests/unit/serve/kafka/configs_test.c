/* SPDX-License-Identifier: MIT */
/* Settings of topics and of the broker: read, replaced, changed one by one. What is expected of
 * each request is what Kafka 4.3 answered to the same one. */
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

enum { TOPIC = 2, BROKER = 4, LOGGER = 8, METRICS = 16, GROUP = 32 };
enum { SET, DELETE, APPEND, SUBTRACT };

#define RESULT struct kafka_describe_configs_response_result
#define ROW struct kafka_describe_configs_response_config

static RESULT *describe(int8_t type, const char *name, const char *key, int16_t version)
{
    struct kafka_describe_configs_request *request =
        KAFKA_NEW(&rig.arena, kafka_describe_configs_request, 1);
    request->resources = KAFKA_NEW(&rig.arena, kafka_describe_configs_request_resource, 1);
    request->resources_count = 1;
    request->resources[0].resource_type = type;
    request->resources[0].resource_name = str_of(name);
    request->resources[0].configuration_keys_count = key ? 1 : -1;
    struct str *keys = arena_array(&rig.arena, 1, sizeof *keys);
    keys[0] = str_of(key);
    request->resources[0].configuration_keys = keys;
    request->include_synonyms = true;
    request->include_documentation = version >= 3;
    struct kafka_describe_configs_response *r =
        client_call(client, KAFKA_KEY_DESCRIBE_CONFIGS, version, request);
    assert_int_equal(1, r->results_count);
    return r->results;
}

static void expect_setting(const char *topic, const char *key, const char *value, int source)
{
    RESULT *r = describe(TOPIC, topic, key, 4);
    assert_int_equal(KAFKA_NONE, r->error_code);
    assert_int_equal(1, r->configs_count);
    assert_str(value, r->configs[0].value);
    assert_int_equal(source, r->configs[0].config_source);
}

static void test_describe_topic(void **state)
{
    rig_topic(&rig, "t", 1);
    for (int16_t version = 1; version <= 4; version++) {
        RESULT *r = describe(TOPIC, "t", NULL, version);
        assert_int_equal(33, r->configs_count);
        for (int32_t i = 0; i < r->configs_count; i++) {
            ROW *row = &r->configs[i];
            assert_true(row->value.ptr != NULL && !row->read_only && !row->is_sensitive);
            /* Topics that are made inside take larger batches than those that clients make. */
            bool larger = str_equal(row->name, STR("max.message.bytes"));
            bool insync = str_equal(row->name, STR("min.insync.replicas"));
            assert_int_equal(larger ? 1 : insync ? 3 : 5, row->config_source);
            assert_true(i == 0 || str_compare(r->configs[i - 1].name, row->name) < 0);
            assert_true(version < 3 || (row->config_type > 0 && row->documentation.bytes > 0));
        }
    }
    ROW *policy = describe(TOPIC, "t", "cleanup.policy", 4)->configs;
    assert_int_equal(1, policy->synonyms_count);
    assert_str("log.cleanup.policy", policy->synonyms[0].name);
    assert_int_equal(7, policy->config_type);
    /* Those that Kafka has in hours and minutes too have no synonym that is set. */
    assert_int_equal(0, describe(TOPIC, "t", "retention.ms", 4)->configs[0].synonyms_count);
    assert_int_equal(0, describe(TOPIC, "t", "nope", 4)->configs_count);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                     describe(TOPIC, "nope", NULL, 4)->error_code);
    assert_int_equal(KAFKA_INVALID_TOPIC_EXCEPTION, describe(TOPIC, "a b", NULL, 4)->error_code);
}

static void test_describe_others(void **state)
{
    RESULT *r = describe(BROKER, "1", NULL, 4);
    assert_true(r->configs_count > 300);
    for (int32_t i = 0; i < r->configs_count; i++) {
        assert_true(r->configs[i].read_only && r->configs[i].documentation.bytes > 0);
        assert_true(i == 0 || str_compare(r->configs[i - 1].name, r->configs[i].name) < 0);
    }
    assert_str("1", describe(BROKER, "1", "node.id", 4)->configs[0].value);
    ROW *row = describe(BROKER, "1", "log.segment.bytes", 4)->configs;
    assert_str("134217728", row->value);
    assert_int_equal(4, row->config_source);
    assert_int_equal(2, row->synonyms_count);
    assert_str("1073741824", row->synonyms[1].value);
    assert_true(describe(BROKER, "1", "ssl.keystore.password", 4)->configs[0].is_sensitive);
    assert_int_equal(0, describe(BROKER, "", NULL, 4)->configs_count);
    r = describe(BROKER, "2", NULL, 4);
    assert_int_equal(KAFKA_INVALID_REQUEST, r->error_code);
    assert_str("Unexpected broker id, expected 1 or empty string, but received 2",
               r->error_message);
    assert_str("Broker id must be an integer, but it is: x",
               describe(BROKER, "x", NULL, 4)->error_message);
    assert_str("Broker id must not be empty", describe(LOGGER, "", NULL, 4)->error_message);
    assert_int_equal(KAFKA_NONE, describe(LOGGER, "1", NULL, 4)->error_code);
    assert_int_equal(KAFKA_NONE, describe(GROUP, "g", NULL, 4)->error_code);
    assert_str("Group name must not be empty", describe(GROUP, "", NULL, 4)->error_message);
    assert_int_equal(KAFKA_INVALID_REQUEST, describe(METRICS, "", NULL, 4)->error_code);
    assert_int_equal(KAFKA_INVALID_REQUEST, describe(99, "x", NULL, 4)->error_code);
}

/* A topic named again and again: the answer ends somewhere, and says so. */
static void test_too_long(void **state)
{
    enum { TIMES = 40000 };
    struct kafka_describe_configs_request *request =
        KAFKA_NEW(&rig.arena, kafka_describe_configs_request, 1);
    rig_topic(&rig, "t", 1);
    request->resources = KAFKA_NEW(&rig.arena, kafka_describe_configs_request_resource, TIMES);
    request->resources_count = TIMES;
    for (int i = 0; i < TIMES; i++) {
        request->resources[i].resource_type = TOPIC;
        request->resources[i].resource_name = STR("t");
        request->resources[i].configuration_keys_count = -1;
    }
    client_send(client, KAFKA_KEY_DESCRIBE_CONFIGS, 1, request);
    struct str bytes = client_receive_bytes(client, 60000);
    assert_true(bytes.bytes > 10000000);
    assert_true(str_find(bytes, STR("more than one answer may hold"), 0) != SIZE_MAX);
}

/* ---- IncrementalAlterConfigs ---- */

#define CHANGED struct kafka_incremental_alter_configs_response_resource

static struct kafka_incremental_alter_configs_request *
change_request(int8_t type, const char *name, const char *key, int op, const char *value)
{
    struct kafka_incremental_alter_configs_request *request =
        KAFKA_NEW(&rig.arena, kafka_incremental_alter_configs_request, 1);
    request->resources = KAFKA_NEW(&rig.arena, kafka_incremental_alter_configs_request_resource, 1);
    request->resources_count = 1;
    request->resources[0].resource_type = type;
    request->resources[0].resource_name = str_of(name);
    request->resources[0].configs =
        KAFKA_NEW(&rig.arena, kafka_incremental_alter_configs_request_config, 2);
    request->resources[0].configs_count = 1;
    request->resources[0].configs[0].name = str_of(key);
    request->resources[0].configs[0].config_operation = (int8_t)op;
    request->resources[0].configs[0].value = str_of(value);
    return request;
}

static CHANGED *change(int8_t type, const char *name, const char *key, int op, const char *value)
{
    struct kafka_incremental_alter_configs_response *r = client_call(
        client, KAFKA_KEY_INCREMENTAL_ALTER_CONFIGS, 1, change_request(type, name, key, op, value));
    assert_int_equal(1, r->responses_count);
    return r->responses;
}

static void expect(CHANGED *r, int16_t code, const char *text)
{
    struct str want = text ? str_of(text) : STR("");
    if (r->error_code != code || !str_equal(r->error_message, want))
        fail_msg("%d '%.*s', not %d '%.*s'", r->error_code, STR_ARG(r->error_message), code,
                 STR_ARG(want));
}

static void test_set_and_delete(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 1);
    expect(change(TOPIC, "t", "retention.ms", SET, "5"), 0, NULL);
    expect_setting("t", "retention.ms", "5", 1);
    assert_int_equal(5, log_topic_config(topic).retention_ms);
    expect(change(TOPIC, "t", "max.message.bytes", SET, "4096"), 0, NULL);
    assert_int_equal(4096, log_topic_config(topic).message_bytes_max);
    assert_int_equal(5, log_topic_config(topic).retention_ms);
    expect(change(TOPIC, "t", "retention.ms", DELETE, NULL), 0, NULL);
    expect_setting("t", "retention.ms", "604800000", 5);
    assert_int_equal(604800000, log_topic_config(topic).retention_ms);
    assert_int_equal(4096, log_topic_config(topic).message_bytes_max);
    expect(change(TOPIC, "t", "nope", DELETE, NULL), 0, NULL);
    expect(change(TOPIC, "t", "min.insync.replicas", SET, "2"), 0, NULL);
    expect_setting("t", "min.insync.replicas", "2", 1);
}

static void test_lists(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 1);
    expect(change(TOPIC, "t", "cleanup.policy", APPEND, "compact"), 0, NULL);
    expect_setting("t", "cleanup.policy", "delete,compact", 1);
    assert_true(log_topic_config(topic).compact_and_delete);
    expect(change(TOPIC, "t", "cleanup.policy", APPEND, "compact"), 0, NULL);
    expect_setting("t", "cleanup.policy", "delete,compact", 1);
    expect(change(TOPIC, "t", "cleanup.policy", SUBTRACT, "delete"), 0, NULL);
    expect_setting("t", "cleanup.policy", "compact", 1);
    assert_true(log_topic_config(topic).compact);
    expect(change(TOPIC, "t", "cleanup.policy", SUBTRACT, "delete,zzz"), 0, NULL);
    /* Neither: nothing is compacted, and nothing removed. */
    expect(change(TOPIC, "t", "cleanup.policy", SUBTRACT, "compact"), 0, NULL);
    expect_setting("t", "cleanup.policy", "", 1);
    expect_setting("t", "retention.ms", "604800000", 5);
    assert_false(log_topic_config(topic).compact);
    assert_int_equal(-1, log_topic_config(topic).retention_ms);
    expect(change(TOPIC, "t", "retention.ms", SET, "9"), 0, NULL);
    expect_setting("t", "retention.ms", "9", 1);
    assert_int_equal(-1, log_topic_config(topic).retention_ms);
    expect(change(TOPIC, "t", "cleanup.policy", SET, "delete"), 0, NULL);
    assert_int_equal(9, log_topic_config(topic).retention_ms);
    expect(change(TOPIC, "t", "retention.ms", APPEND, "5"), 40,
           "Can't APPEND to key retention.ms because its type is not LIST.");
    expect(change(TOPIC, "t", "nope", APPEND, "5"), 40,
           "Can't APPEND to key nope because its type is not LIST.");
}

static void test_refused(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 1);
    expect(change(TOPIC, "t", "nope", SET, "5"), 40, "Unknown topic config name: nope");
    expect(change(TOPIC, "t", "retention.ms", SET, "x"), 40,
           "Invalid value x for configuration retention.ms: Not a number of type LONG");
    expect(change(TOPIC, "t", "retention.ms", SET, NULL), 42,
           "Null value not supported for : retention.ms");
    expect(change(TOPIC, "nope", "retention.ms", SET, "1"), 3, "The topic 'nope' does not exist.");
    expect(change(TOPIC, "", "retention.ms", SET, "1"), 42,
           "Default topic resources are not allowed.");
    expect(change(BROKER, "1", "broker.id", SET, "7"), 42,
           "Cannot update these configs dynamically: [broker.id]");
    expect(change(BROKER, "2", "broker.id", SET, "7"), 42,
           "Unexpected broker id, expected 1, but received 2");
    expect(change(LOGGER, "1", "no.such", SET, "INFO"), 40, "Logger no.such does not exist!");
    expect(change(GROUP, "g", "nope", SET, "1"), 40, "Unknown group config name: nope");
    expect(change(9, "g", "nope", SET, "1"), 42, "Unknown resource type 9");
    assert_int_equal(KAFKA_INVALID_REQUEST, change(TOPIC, "t", "retention.ms", 9, "1")->error_code);
    /* One bad key, and the good one beside it is not set either. */
    struct kafka_incremental_alter_configs_request *request =
        change_request(TOPIC, "t", "retention.ms", SET, "77");
    request->resources[0].configs_count = 2;
    request->resources[0].configs[1].name = STR("nope");
    request->resources[0].configs[1].value = STR("1");
    struct kafka_incremental_alter_configs_response *r =
        client_call(client, KAFKA_KEY_INCREMENTAL_ALTER_CONFIGS, 0, request);
    expect(r->responses, 40, "Unknown topic config name: nope");
    request->resources[0].configs[1].name = STR("retention.ms");
    r = client_call(client, KAFKA_KEY_INCREMENTAL_ALTER_CONFIGS, 0, request);
    expect(r->responses, 42, "Error due to duplicate config keys");
    request = change_request(TOPIC, "t", "retention.ms", SET, "77");
    request->validate_only = true;
    r = client_call(client, KAFKA_KEY_INCREMENTAL_ALTER_CONFIGS, 1, request);
    expect(r->responses, 0, NULL);
    assert_int_equal(604800000, log_topic_config(topic).retention_ms);
    expect_setting("t", "retention.ms", "604800000", 5);
}

/* ---- AlterConfigs: replaces all ---- */

static struct kafka_alter_configs_response *alter(int32_t resources, const char *key,
                                                  const char *value)
{
    struct kafka_alter_configs_request *request =
        KAFKA_NEW(&rig.arena, kafka_alter_configs_request, 1);
    request->resources =
        KAFKA_NEW(&rig.arena, kafka_alter_configs_request_resource, (size_t)resources);
    request->resources_count = resources;
    for (int32_t i = 0; i < resources; i++) {
        request->resources[i].resource_type = TOPIC;
        request->resources[i].resource_name = STR("t");
        request->resources[i].configs_count = key ? 1 : 0;
        request->resources[i].configs =
            KAFKA_NEW(&rig.arena, kafka_alter_configs_request_config, 1);
        request->resources[i].configs[0].name = str_of(key ? key : "");
        request->resources[i].configs[0].value = str_of(value);
    }
    return client_call(client, KAFKA_KEY_ALTER_CONFIGS, 2, request);
}

static void test_alter(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 2);
    expect(change(TOPIC, "t", "retention.ms", SET, "5"), 0, NULL);
    assert_int_equal(KAFKA_NONE, alter(1, "retention.bytes", "9")->responses[0].error_code);
    expect_setting("t", "retention.ms", "604800000", 5);
    expect_setting("t", "retention.bytes", "9", 1);
    assert_int_equal(9, log_topic_config(topic).retention_bytes);
    assert_int_equal(2, log_topic_config(topic).partitions);
    assert_int_equal(KAFKA_NONE, alter(1, NULL, NULL)->responses[0].error_code);
    expect_setting("t", "retention.bytes", "-1", 5);
    struct kafka_alter_configs_response *r = alter(1, "retention.ms", NULL);
    assert_int_equal(KAFKA_INVALID_REQUEST, r->responses[0].error_code);
    r = alter(2, NULL, NULL);
    assert_int_equal(2, r->responses_count);
    assert_str("Each resource must appear at most once.", r->responses[1].error_message);
}

/* A topic that the log has with settings of its own: shown, kept, and put back by DELETE. */
static void test_other_door(void **state)
{
    struct log_topic_config config;
    struct log_topic *topic;
    log_topic_config_default(&config);
    config.retention_ms = 1234;
    config.compact = true;
    assert_ok(log_topic_create(rig.log, STR("own"), &config, NULL, &topic));
    expect_setting("own", "retention.ms", "1234", 1);
    expect_setting("own", "cleanup.policy", "compact", 1);
    expect(change(TOPIC, "own", "segment.ms", SET, "60000"), 0, NULL);
    assert_int_equal(1234, log_topic_config(topic).retention_ms);
    expect(change(TOPIC, "own", "retention.ms", DELETE, NULL), 0, NULL);
    assert_int_equal(604800000, log_topic_config(topic).retention_ms);
    /* The log is changed behind what was given: the log is right. */
    config = log_topic_config(topic);
    config.segment_ms = 70000;
    assert_ok(log_topic_configure(topic, &config));
    expect_setting("own", "segment.ms", "70000", 1);
    client_free(client);
    rig_restart(&rig, NULL);
    client = client_new(&rig);
    expect_setting("own", "segment.ms", "70000", 1);
    expect_setting("own", "cleanup.policy", "compact", 1);
}

static void test_list_resources(void **state)
{
    struct kafka_list_config_resources_request *request =
        KAFKA_NEW(&rig.arena, kafka_list_config_resources_request, 1);
    rig_topic(&rig, "t", 1);
    struct kafka_list_config_resources_response *r =
        client_call(client, KAFKA_KEY_LIST_CONFIG_RESOURCES, 0, request);
    assert_int_equal(0, r->config_resources_count);
    r = client_call(client, KAFKA_KEY_LIST_CONFIG_RESOURCES, 1, request);
    assert_true(r->config_resources_count >= 3);
    int8_t types[] = {TOPIC, BROKER};
    request->resource_types = types;
    request->resource_types_count = 2;
    r = client_call(client, KAFKA_KEY_LIST_CONFIG_RESOURCES, 1, request);
    assert_str("1", r->config_resources[0].resource_name);
    assert_str("t", r->config_resources[r->config_resources_count - 1].resource_name);
    types[1] = 1;
    r = client_call(client, KAFKA_KEY_LIST_CONFIG_RESOURCES, 1, request);
    assert_int_equal(KAFKA_UNSUPPORTED_VERSION, r->error_code);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_describe_topic), TEST(test_describe_others), TEST(test_too_long),
        TEST(test_set_and_delete), TEST(test_lists),           TEST(test_refused),
        TEST(test_alter),          TEST(test_other_door),      TEST(test_list_resources),
    };
    return RUN_TESTS(tests);
}
