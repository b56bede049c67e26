/* SPDX-License-Identifier: MIT */
/* Who there is and which topics, and what tools ask about the inside. What is expected of each
 * request is what Kafka 4.3 answered to the same one; where a topic is made, it is there at once.
 */
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

#define ASKED struct kafka_metadata_request_topic
#define RESPONSE struct kafka_metadata_response

static ASKED *named(const char *const *names, int32_t count)
{
    ASKED *topics = KAFKA_NEW(&rig.arena, kafka_metadata_request_topic, (size_t)count);
    for (int32_t i = 0; i < count; i++)
        topics[i].name = str_of(names[i]);
    return topics;
}

static RESPONSE *ask(int16_t version, ASKED *topics, int32_t count, bool make)
{
    struct kafka_metadata_request *request = KAFKA_NEW(&rig.arena, kafka_metadata_request, 1);
    request->topics = topics;
    request->topics_count = count;
    request->allow_auto_topic_creation = version < 4 || make;
    return client_call(client, KAFKA_KEY_METADATA, version, request);
}

static void test_all_versions(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "orders", 2);
    for (int16_t version = 0; version <= 13; version++) {
        RESPONSE *r = ask(version, NULL, version == 0 ? 0 : -1, false);
        assert_int_equal(1, r->brokers_count);
        assert_int_equal(1, r->brokers[0].node_id);
        assert_int_equal(rig.port, r->brokers[0].port);
        assert_true(version < 1 || r->controller_id == 1);
        assert_true(version < 2 || r->cluster_id.bytes == 22);
        bool seen = false, offsets = false;
        for (int32_t i = 0; i < r->topics_count; i++) {
            struct kafka_metadata_response_topic *t = &r->topics[i];
            offsets |= t->is_internal && str_equal(t->name, STR("__consumer_offsets"));
            if (!str_equal(t->name, STR("orders")))
                continue;
            seen = true;
            assert_false(t->is_internal);
            assert_int_equal(2, t->partitions_count);
            assert_int_equal(1, t->partitions[1].partition_index);
            assert_int_equal(1, t->partitions[1].leader_id);
            assert_int_equal(version < 7 ? -1 : 0, t->partitions[1].leader_epoch);
            assert_int_equal(1, t->partitions[1].replica_nodes_count);
            assert_int_equal(1, t->partitions[1].isr_nodes[0]);
            if (version >= 10)
                assert_memory_equal(log_topic_id(topic), t->topic_id, 16);
        }
        assert_true(seen && (version < 1 || offsets));
        if (version > 0)
            assert_int_equal(0, ask(version, NULL, 0, false)->topics_count);
    }
}

static void test_missing(void **state)
{
    static const char *const names[] = {"nope", "a b", "", "nope"};
    RESPONSE *r = ask(9, named(names, 4), 4, false);
    assert_int_equal(3, r->topics_count);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, r->topics[0].error_code);
    assert_int_equal(KAFKA_INVALID_TOPIC_EXCEPTION, r->topics[1].error_code);
    assert_int_equal(KAFKA_INVALID_TOPIC_EXCEPTION, r->topics[2].error_code);
    assert_null(log_topic_find(rig.log, STR("nope")));
}

static void test_made(void **state)
{
    static const char *const names[] = {"x.y", "a b", "x_y", "new"};
    RESPONSE *r = ask(4, named(names, 4), 4, true);
    assert_int_equal(4, r->topics_count);
    assert_int_equal(KAFKA_NONE, r->topics[0].error_code);
    assert_int_equal(1, r->topics[0].partitions_count);
    assert_int_equal(1, r->topics[0].partitions[0].leader_id);
    assert_int_equal(KAFKA_INVALID_TOPIC_EXCEPTION, r->topics[1].error_code);
    assert_int_equal(KAFKA_INVALID_TOPIC_EXCEPTION, r->topics[2].error_code);
    assert_int_equal(KAFKA_NONE, r->topics[3].error_code);
    /* It serves at once. */
    assert_int_equal(0, rig_append(&rig, "new", 0, rig_batch(&rig, 0, 1)));
    client_free(client);
    rig_restart(&rig, &(struct kafka_broker_options){.auto_create_off = true});
    client = client_new(&rig);
    r = ask(9, named((const char *[]){"other"}, 1), 1, true);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, r->topics[0].error_code);
}

static void test_ids(void **state)
{
    struct log_topic *topic = rig_topic(&rig, "t", 1);
    ASKED *asked = KAFKA_NEW(&rig.arena, kafka_metadata_request_topic, 2);
    asked[0].name = asked[1].name = STR_NONE;
    memcpy(asked[0].topic_id, log_topic_id(topic), 16);
    asked[1].topic_id[3] = 77;
    RESPONSE *r = ask(12, asked, 2, true);
    assert_str("t", r->topics[0].name);
    assert_int_equal(1, r->topics[0].partitions_count);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_ID, r->topics[1].error_code);
    assert_null(r->topics[1].name.ptr);
    assert_int_equal(77, r->topics[1].topic_id[3]);
    /* Ids came in 12; 10 and 11 have the field only. */
    r = ask(11, asked, 1, true);
    assert_int_equal(0, r->brokers_count);
    assert_int_equal(KAFKA_INVALID_REQUEST, r->topics[0].error_code);
    memset(asked[1].topic_id, 0, 16);
    assert_int_equal(KAFKA_INVALID_REQUEST, ask(12, asked + 1, 1, true)->topics[0].error_code);
}

static void test_operations(void **state)
{
    struct kafka_metadata_request *request = KAFKA_NEW(&rig.arena, kafka_metadata_request, 1);
    rig_topic(&rig, "t", 1);
    request->topics = named((const char *[]){"t"}, 1);
    request->topics_count = 1;
    RESPONSE *r = client_call(client, KAFKA_KEY_METADATA, 8, request);
    assert_int_equal(INT32_MIN, r->topics[0].topic_authorized_operations);
    assert_int_equal(INT32_MIN, r->cluster_authorized_operations);
    request->include_topic_authorized_operations = true;
    request->include_cluster_authorized_operations = true;
    r = client_call(client, KAFKA_KEY_METADATA, 8, request);
    assert_int_equal(3576, r->topics[0].topic_authorized_operations);
    assert_int_equal(8096, r->cluster_authorized_operations);
}

static void test_cluster(void **state)
{
    struct kafka_describe_cluster_request *request =
        KAFKA_NEW(&rig.arena, kafka_describe_cluster_request, 1);
    struct str id = ask(13, NULL, 0, false)->cluster_id;
    for (int16_t version = 0; version <= 2; version++) {
        struct kafka_describe_cluster_response *r =
            client_call(client, KAFKA_KEY_DESCRIBE_CLUSTER, version, request);
        assert_int_equal(KAFKA_NONE, r->error_code);
        assert_true(str_equal(id, r->cluster_id));
        assert_int_equal(1, r->brokers_count);
        assert_int_equal(rig.port, r->brokers[0].port);
        assert_int_equal(1, r->controller_id);
    }
    request->endpoint_type = 2;
    struct kafka_describe_cluster_response *r =
        client_call(client, KAFKA_KEY_DESCRIBE_CLUSTER, 1, request);
    assert_int_equal(KAFKA_MISMATCHED_ENDPOINT_TYPE, r->error_code);
    request->endpoint_type = 3;
    r = client_call(client, KAFKA_KEY_DESCRIBE_CLUSTER, 1, request);
    assert_int_equal(KAFKA_UNSUPPORTED_ENDPOINT_TYPE, r->error_code);
}

/* ---- DescribeTopicPartitions ---- */

#define PAGE struct kafka_describe_topic_partitions_response

static PAGE *page(const char *const *names, int32_t count, int32_t limit, const char *cursor,
                  int32_t index)
{
    struct kafka_describe_topic_partitions_request *request =
        KAFKA_NEW(&rig.arena, kafka_describe_topic_partitions_request, 1);
    request->topics =
        KAFKA_NEW(&rig.arena, kafka_describe_topic_partitions_request_topic, (size_t)count);
    request->topics_count = count;
    for (int32_t i = 0; i < count; i++)
        request->topics[i].name = str_of(names[i]);
    request->response_partition_limit = limit;
    if (cursor) {
        request->cursor = KAFKA_NEW(&rig.arena, kafka_describe_topic_partitions_request_cursor, 1);
        request->cursor->topic_name = str_of(cursor);
        request->cursor->partition_index = index;
    }
    return client_call(client, KAFKA_KEY_DESCRIBE_TOPIC_PARTITIONS, 0, request);
}

static void test_pages(void **state)
{
    static const char *const names[] = {"c", "a", "nope", "a", "b"};
    rig_topic(&rig, "a", 2);
    rig_topic(&rig, "b", 2);
    rig_topic(&rig, "c", 3);
    PAGE *r = page(names, 5, 2000, NULL, 0);
    assert_int_equal(4, r->topics_count);
    assert_str("a", r->topics[0].name);
    assert_int_equal(3576, r->topics[0].topic_authorized_operations);
    assert_int_equal(3, r->topics[2].partitions_count);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, r->topics[3].error_code);
    assert_null(r->next_cursor);
    /* Page by page, of any size, the same partitions come in the same order. */
    for (int32_t limit = 0; limit <= 8; limit++) {
        const char *at = NULL;
        int32_t from = 0, partitions = 0, pages = 0;
        char name[8];
        do {
            r = page(names, 5, limit, at, from);
            for (int32_t i = 0; i < r->topics_count; i++)
                for (int32_t j = 0; j < r->topics[i].partitions_count; j++, partitions++)
                    assert_int_equal("aabbccc"[partitions], r -> topics[i].name.ptr[0]);
            if (r->next_cursor) {
                snprintf(name, sizeof name, "%.*s", STR_ARG(r->next_cursor->topic_name));
                at = name;
                from = r->next_cursor->partition_index;
            }
            assert_true(++pages < 20);
        } while (r->next_cursor);
        assert_int_equal(7, partitions);
    }
    assert_int_equal(KAFKA_INVALID_REQUEST, page(names, 1, 5, "c", -1)->topics[0].error_code);
    assert_int_equal(KAFKA_INVALID_REQUEST, page(names, 1, 5, "zz", 0)->topics[0].error_code);
    r = page(NULL, 0, 2000, "b", 1);
    assert_int_equal(2, r->topics_count);
    assert_int_equal(1, r->topics[0].partitions_count);
    assert_int_equal(1, r->topics[0].partitions[0].partition_index);
}

/* ---- tools ---- */

static void test_log_dirs(void **state)
{
    struct kafka_describe_log_dirs_request *request =
        KAFKA_NEW(&rig.arena, kafka_describe_log_dirs_request, 1);
    int32_t partitions[] = {1, 7};
    rig_topic(&rig, "t", 2);
    rig_append(&rig, "t", 1, rig_batch(&rig, 0, 5));
    request->topics = KAFKA_NEW(&rig.arena, kafka_describe_log_dirs_request_topic, 2);
    request->topics_count = 2;
    request->topics[0].topic = STR("t");
    request->topics[0].partitions = partitions;
    request->topics[0].partitions_count = 2;
    request->topics[1] = request->topics[0];
    request->topics[1].topic = STR("nope");
    for (int16_t version = 1; version <= 5; version++) {
        struct kafka_describe_log_dirs_response *r =
            client_call(client, KAFKA_KEY_DESCRIBE_LOG_DIRS, version, request);
        assert_int_equal(1, r->results_count);
        assert_true(str_equal(str_of(log_dir(rig.log)), r->results[0].log_dir));
        assert_int_equal(1, r->results[0].topics_count);
        assert_int_equal(1, r->results[0].topics[0].partitions_count);
        assert_int_equal(1, r->results[0].topics[0].partitions[0].partition_index);
        assert_true(r->results[0].topics[0].partitions[0].partition_size > 61);
    }
    request->topics_count = -1;
    struct kafka_describe_log_dirs_response *r =
        client_call(client, KAFKA_KEY_DESCRIBE_LOG_DIRS, 4, request);
    assert_true(r->results[0].topics_count >= 2);
}

static void test_no_security(void **state)
{
    struct kafka_describe_acls_response *r = client_call(
        client, KAFKA_KEY_DESCRIBE_ACLS, 2, KAFKA_NEW(&rig.arena, kafka_describe_acls_request, 1));
    assert_int_equal(KAFKA_SECURITY_DISABLED, r->error_code);
    struct kafka_create_acls_request *create = KAFKA_NEW(&rig.arena, kafka_create_acls_request, 1);
    create->creations = KAFKA_NEW(&rig.arena, kafka_create_acls_request_creation, 2);
    create->creations_count = 2;
    struct kafka_create_acls_response *made = client_call(client, KAFKA_KEY_CREATE_ACLS, 3, create);
    assert_int_equal(2, made->results_count);
    assert_int_equal(KAFKA_SECURITY_DISABLED, made->results[1].error_code);
    struct kafka_delete_acls_request *delete = KAFKA_NEW(&rig.arena, kafka_delete_acls_request, 1);
    delete->filters = KAFKA_NEW(&rig.arena, kafka_delete_acls_request_filter, 1);
    delete->filters_count = 1;
    struct kafka_delete_acls_response *gone = client_call(client, KAFKA_KEY_DELETE_ACLS, 1, delete);
    assert_int_equal(KAFKA_SECURITY_DISABLED, gone->filter_results[0].error_code);
    struct kafka_describe_user_scram_credentials_response *users =
        client_call(client, KAFKA_KEY_DESCRIBE_USER_SCRAM_CREDENTIALS, 0,
                    KAFKA_NEW(&rig.arena, kafka_describe_user_scram_credentials_request, 1));
    assert_int_equal(0, users->results_count);
}

static void test_leaders(void **state)
{
    struct kafka_elect_leaders_request *request =
        KAFKA_NEW(&rig.arena, kafka_elect_leaders_request, 1);
    int32_t partitions[] = {0, 7};
    rig_topic(&rig, "t", 1);
    request->topic_partitions =
        KAFKA_NEW(&rig.arena, kafka_elect_leaders_request_topic_partition, 1);
    request->topic_partitions_count = 1;
    request->topic_partitions[0].topic = STR("t");
    request->topic_partitions[0].partitions = partitions;
    request->topic_partitions[0].partitions_count = 2;
    struct kafka_elect_leaders_response *r =
        client_call(client, KAFKA_KEY_ELECT_LEADERS, 2, request);
    struct kafka_elect_leaders_response_partition *p =
        r->replica_election_results[0].partition_result;
    assert_int_equal(KAFKA_ELECTION_NOT_NEEDED, p[0].error_code);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, p[1].error_code);
    request->election_type = 5;
    r = client_call(client, KAFKA_KEY_ELECT_LEADERS, 2, request);
    assert_int_equal(KAFKA_INVALID_REQUEST, r->error_code);
}

static void test_reassignments(void **state)
{
    static const struct {
        int32_t brokers[2], count;
        int16_t code;
    } cases[] = {
        {{1, 0}, 1, 0}, {{2, 0}, 1, 39}, {{1, 1}, 2, 39}, {{0, 0}, -1, 85}, {{0, 0}, 0, 39}};
    rig_topic(&rig, "t", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kafka_alter_partition_reassignments_request *request =
            KAFKA_NEW(&rig.arena, kafka_alter_partition_reassignments_request, 1);
        request->topics =
            KAFKA_NEW(&rig.arena, kafka_alter_partition_reassignments_request_topic, 1);
        request->topics_count = 1;
        request->topics[0].name = STR("t");
        request->topics[0].partitions =
            KAFKA_NEW(&rig.arena, kafka_alter_partition_reassignments_request_partition, 2);
        request->topics[0].partitions_count = 2;
        for (int j = 0; j < 2; j++) {
            request->topics[0].partitions[j].partition_index = j * 5;
            request->topics[0].partitions[j].replicas = (int32_t *)cases[i].brokers;
            request->topics[0].partitions[j].replicas_count = cases[i].count;
        }
        struct kafka_alter_partition_reassignments_response *r =
            client_call(client, KAFKA_KEY_ALTER_PARTITION_REASSIGNMENTS, 1, request);
        assert_int_equal(cases[i].code, r->responses[0].partitions[0].error_code);
        assert_int_equal(3, r->responses[0].partitions[1].error_code);
    }
    struct kafka_list_partition_reassignments_response *list =
        client_call(client, KAFKA_KEY_LIST_PARTITION_REASSIGNMENTS, 0,
                    KAFKA_NEW(&rig.arena, kafka_list_partition_reassignments_request, 1));
    assert_int_equal(0, list->topics_count);
}

static void test_quotas(void **state)
{
    static const struct {
        const char *type, *match;
        int8_t kind;
        int16_t code;
    } cases[] = {{"user", NULL, 2, 0},
                 {"zz", "a", 0, 35},
                 {"user", "a", 7, 42},
                 {"user", NULL, 0, 42},
                 {"client-id", "x", 1, 42}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kafka_describe_client_quotas_request *request =
            KAFKA_NEW(&rig.arena, kafka_describe_client_quotas_request, 1);
        request->components =
            KAFKA_NEW(&rig.arena, kafka_describe_client_quotas_request_component, 1);
        request->components_count = 1;
        request->components[0].entity_type = str_of(cases[i].type);
        request->components[0].match = str_of(cases[i].match);
        request->components[0].match_type = cases[i].kind;
        struct kafka_describe_client_quotas_response *r =
            client_call(client, KAFKA_KEY_DESCRIBE_CLIENT_QUOTAS, 1, request);
        assert_int_equal(cases[i].code, r->error_code);
        assert_int_equal(cases[i].code ? -1 : 0, r->entries_count);
    }
}

static void test_quorum(void **state)
{
    struct kafka_describe_quorum_request *request =
        KAFKA_NEW(&rig.arena, kafka_describe_quorum_request, 1);
    request->topics = KAFKA_NEW(&rig.arena, kafka_describe_quorum_request_topic, 1);
    request->topics_count = 1;
    request->topics[0].topic_name = STR("__cluster_metadata");
    request->topics[0].partitions =
        KAFKA_NEW(&rig.arena, kafka_describe_quorum_request_partition, 1);
    request->topics[0].partitions_count = 1;
    for (int16_t version = 0; version <= 2; version++) {
        struct kafka_describe_quorum_response *r =
            client_call(client, KAFKA_KEY_DESCRIBE_QUORUM, version, request);
        assert_int_equal(1, r->topics[0].partitions[0].leader_id);
        assert_int_equal(1, r->topics[0].partitions[0].current_voters_count);
        assert_int_equal(version == 2, r->nodes_count);
    }
    request->topics[0].partitions[0].partition_index = 1;
    struct kafka_describe_quorum_response *r =
        client_call(client, KAFKA_KEY_DESCRIBE_QUORUM, 2, request);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, r->topics[0].partitions[0].error_code);
}

static void test_producers(void **state)
{
    struct kafka_describe_producers_request *request =
        KAFKA_NEW(&rig.arena, kafka_describe_producers_request, 1);
    int32_t partitions[] = {0, 7};
    rig_topic(&rig, "t", 1);
    request->topics = KAFKA_NEW(&rig.arena, kafka_describe_producers_request_topic, 2);
    request->topics_count = 2;
    request->topics[0].name = STR("t");
    request->topics[0].partition_indexes = partitions;
    request->topics[0].partition_indexes_count = 2;
    request->topics[1] = request->topics[0];
    request->topics[1].name = STR("a b");
    struct kafka_describe_producers_response *r =
        client_call(client, KAFKA_KEY_DESCRIBE_PRODUCERS, 0, request);
    assert_int_equal(0, r->topics[0].partitions[0].active_producers_count);
    assert_int_equal(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, r->topics[0].partitions[1].error_code);
    assert_int_equal(KAFKA_INVALID_TOPIC_EXCEPTION, r->topics[1].partitions[0].error_code);
    struct record_batch_builder builder = {0};
    record_batch_builder_init(&builder, CODEC_NONE, 1 << 20);
    builder.producer_id = 4711;
    builder.producer_epoch = 3;
    builder.base_sequence = 0;
    for (int i = 0; i < 2; i++)
        record_batch_builder_add(&builder, io_wall_us(rig.io) / 1000, STR("k"), STR("v"), NULL, 0);
    rig_append(&rig, "t", 0, rig_batch_of(&rig, &builder));
    r = client_call(client, KAFKA_KEY_DESCRIBE_PRODUCERS, 0, request);
    assert_int_equal(1, r->topics[0].partitions[0].active_producers_count);
    struct kafka_describe_producers_response_active_producer *producer =
        r->topics[0].partitions[0].active_producers;
    assert_int_equal(4711, producer->producer_id);
    assert_int_equal(3, producer->producer_epoch);
    assert_int_equal(1, producer->last_sequence);
    assert_int_equal(-1, producer->current_txn_start_offset);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_versions), TEST(test_missing),       TEST(test_made),
        TEST(test_ids),          TEST(test_operations),    TEST(test_cluster),
        TEST(test_pages),        TEST(test_log_dirs),      TEST(test_no_security),
        TEST(test_leaders),      TEST(test_reassignments), TEST(test_quotas),
        TEST(test_quorum),       TEST(test_producers),
    };
    return RUN_TESTS(tests);
}
