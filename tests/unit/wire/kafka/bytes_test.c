/* SPDX-License-Identifier: MIT */
/* Messages written down byte by byte from the protocol guide: what they mean, and that they are
 * what we send. Then frames, hostile counts, tags and the table of errors. */
#include "test.h"
#include "wire/kafka/kafka.h"

/* "00 0e 'kcat'" as bytes: hexadecimal pairs, blanks, and text between apostrophes. */
static struct str hex(const char *text, struct buf *out)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\'') {
            while (*++at != '\'')
                buf_char(out, *at);
        } else if (*at != ' ') {
            char pair[] = {at[0], at[1], 0};
            buf_u8(out, (uint8_t)strtoul(pair, NULL, 16));
            at++;
        }
    }
    return buf_str(out);
}

static void assert_bytes(const char *want_hex, struct buf *have)
{
    struct buf want = {0};
    struct str bytes = hex(want_hex, &want);
    assert_int_equal(bytes.bytes, have->bytes);
    assert_memory_equal(bytes.ptr, have->ptr, bytes.bytes);
    buf_deinit(&want);
    buf_deinit(have);
}

struct fixture {
    struct arena arena;
    struct buf bytes;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    arena_init(&f->arena, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_deinit(&f->arena);
    buf_deinit(&f->bytes);
    mem_free(f);
    return 0;
}

/* Decodes text and checks that encoding the value gives the same bytes. */
static void take(struct fixture *f, const struct kafka_message *message, int16_t version,
                 const char *text, void *ret_value)
{
    struct buf out = {0};
    buf_reset(&f->bytes);
    assert_ok(kafka_decode(message, version, hex(text, &f->bytes), &f->arena, ret_value));
    assert_ok(kafka_encode(message, version, ret_value, &out));
    assert_bytes(text, &out);
}

static void refuse(struct fixture *f, const struct kafka_message *message, int16_t version,
                   const char *text, enum err want)
{
    void *value = arena_alloc(&f->arena, message->bytes);
    buf_reset(&f->bytes);
    assert_err(want, kafka_decode(message, version, hex(text, &f->bytes), &f->arena, value));
}

static void test_api_versions(void **state)
{
    struct fixture *f = *state;
    struct kafka_api_versions_request request;
    take(f, &kafka_api_versions_request_message, 0, "", &request);
    assert_str("", request.client_software_name);
    take(f, &kafka_api_versions_request_message, 3, "05 'kcat' 04 '1.2' 00", &request);
    assert_str("kcat", request.client_software_name);
    assert_str("1.2", request.client_software_version);
    assert_null(request.cluster_id.ptr);
    assert_int_equal(-1, request.node_id);

    struct kafka_api_versions_response response;
    take(f, &kafka_api_versions_response_message, 0, "0023 00000001 0012 0000 0005", &response);
    assert_int_equal(KAFKA_UNSUPPORTED_VERSION, response.error_code);
    assert_int_equal(5, response.api_keys[0].max_version);
    assert_int_equal(-1, response.finalized_features_epoch);
    /* Tag 0: one supported feature; tag 1: the epoch of the finalized ones. */
    take(f, &kafka_api_versions_response_message, 3,
         "0000 02 0012 0000 0003 00 00000000"
         "02 00 0e 02 08 'group.v' 0000 0001 00 01 08 0000000000000005",
         &response);
    assert_int_equal(1, response.supported_features_count);
    assert_str("group.v", response.supported_features[0].name);
    assert_int_equal(5, response.finalized_features_epoch);
}

static void test_metadata(void **state)
{
    struct fixture *f = *state;
    struct kafka_metadata_request request;
    take(f, &kafka_metadata_request_message, 1, "00000001 0006 'orders'", &request);
    assert_str("orders", request.topics[0].name);
    assert_true(request.allow_auto_topic_creation);
    take(f, &kafka_metadata_request_message, 1, "ffffffff", &request);
    assert_int_equal(-1, request.topics_count);
    refuse(f, &kafka_metadata_request_message, 0, "ffffffff", ERR_CORRUPT);
    take(f, &kafka_metadata_request_message, 12,
         "02 000102030405060708090a0b0c0d0e0f 00 00 00 00 00", &request);
    assert_null(request.topics[0].name.ptr);
    assert_int_equal(15, request.topics[0].topic_id[15]);

    struct kafka_metadata_response response;
    take(f, &kafka_metadata_response_message, 1,
         "00000001 00000001 0009 'localhost' 00002384 ffff 00000001"
         "00000001 0000 0001 't' 00 00000001 0000 00000002 00000001 00000001 00000001"
         "00000001 00000001",
         &response);
    assert_int_equal(9092, response.brokers[0].port);
    assert_null(response.brokers[0].rack.ptr);
    assert_int_equal(1, response.controller_id);
    assert_int_equal(2, response.topics[0].partitions[0].partition_index);
    assert_int_equal(1, response.topics[0].partitions[0].isr_nodes[0]);
    assert_int_equal(-1, response.topics[0].partitions[0].leader_epoch);
    assert_int_equal(INT32_MIN, response.topics[0].topic_authorized_operations);
}

static void test_produce(void **state)
{
    struct fixture *f = *state;
    struct kafka_produce_request request;
    take(f, &kafka_produce_request_message, 3,
         "ffff ffff 000005dc 00000001 0001 't' 00000001 00000000 00000004 deadbeef", &request);
    assert_null(request.transactional_id.ptr);
    assert_int_equal(-1, request.acks);
    assert_int_equal(1500, request.timeout_ms);
    struct kafka_produce_request_partition *partition = request.topic_data[0].partition_data;
    assert_int_equal(4, partition->records.bytes);
    assert_memory_equal("\xde\xad\xbe\xef", partition->records.ptr, 4);
    /* Version 2 has no transactional id. */
    take(f, &kafka_produce_request_message, 2, "0001 000005dc 00000000", &request);
    assert_int_equal(1, request.acks);
    struct kafka_produce_response response;
    take(f, &kafka_produce_response_message, 3,
         "00000001 0001 't' 00000001 00000000 0000 000000000000002a ffffffffffffffff 00000000",
         &response);
    assert_int_equal(42, response.responses[0].partition_responses[0].base_offset);
}

#define FETCH_12                                                                                   \
    "ffffffff 000001f4 00000001 03200000 00 00000000 ffffffff"                                     \
    "02 02 't' 02 00000000 ffffffff 0000000000000007 ffffffff ffffffffffffffff 00100000 00 00"     \
    "01 01"

static void test_fetch(void **state)
{
    struct fixture *f = *state;
    struct kafka_fetch_request request;
    take(f, &kafka_fetch_request_message, 12, FETCH_12 "00", &request);
    assert_int_equal(500, request.max_wait_ms);
    assert_int_equal(7, request.topics[0].partitions[0].fetch_offset);
    assert_int_equal(0, request.forgotten_topics_data_count);
    assert_null(request.cluster_id.ptr);
    take(f, &kafka_fetch_request_message, 12, FETCH_12 "01 00 03 03 'c1'", &request);
    assert_str("c1", request.cluster_id);
    /* A tag that nobody knows is passed. */
    void *value = arena_alloc(&f->arena, sizeof request);
    buf_reset(&f->bytes);
    struct str bytes = hex(FETCH_12 "02 00 03 03 'c1' e707 02 ffff", &f->bytes);
    assert_ok(kafka_decode(&kafka_fetch_request_message, 12, bytes, &f->arena, value));
    /* A tagged field that is shorter or longer than its size says. */
    refuse(f, &kafka_fetch_request_message, 12, FETCH_12 "01 00 04 03 'c1' 00", ERR_CORRUPT);
    refuse(f, &kafka_fetch_request_message, 12, FETCH_12 "01 00 02 03 'c1'", ERR_TRUNCATED);
    struct kafka_fetch_response response;
    take(f, &kafka_fetch_response_message, 12,
         "00000000 0000 00000000 02 02 't' 02 00000000 0000 0000000000000009 0000000000000009"
         "0000000000000000 00 ffffffff 01 01 01 09 00000001 00000003 00 00 00",
         &response);
    struct kafka_fetch_response_partition *partition = response.responses[0].partitions;
    assert_int_equal(-1, partition->aborted_transactions_count);
    assert_int_equal(3, partition->current_leader.leader_epoch);
    assert_int_equal(-1, partition->diverging_epoch.epoch);
    assert_true(partition->records.ptr && partition->records.bytes == 0);
}

/* A struct that may be null: a byte says whether it is there. */
static void test_nullable_struct(void **state)
{
    struct fixture *f = *state;
    struct kafka_describe_topic_partitions_request request;
    take(f, &kafka_describe_topic_partitions_request_message, 0, "01 000007d0 ff 00", &request);
    assert_null(request.cursor);
    take(f, &kafka_describe_topic_partitions_request_message, 0,
         "01 000007d0 01 02 't' 00000005 00 00", &request);
    assert_int_equal(5, request.cursor->partition_index);
}

static void test_hostile(void **state)
{
    struct fixture *f = *state;
    /* More elements than bytes, in both kinds of versions. */
    refuse(f, &kafka_metadata_request_message, 1, "7fffffff 0001 't'", ERR_LIMIT);
    refuse(f, &kafka_metadata_request_message, 9, "ffffffff0f 0001 't'", ERR_LIMIT);
    refuse(f, &kafka_metadata_request_message, 1, "fffffffe", ERR_CORRUPT);
    refuse(f, &kafka_metadata_request_message, 1, "00000001 fffe", ERR_CORRUPT);
    refuse(f, &kafka_metadata_request_message, 1, "00000001 ffff", ERR_CORRUPT);
    /* A varint that never ends, and one of more than 32 bits. */
    refuse(f, &kafka_metadata_request_message, 9, "ffffffffffffff", ERR_CORRUPT);
    refuse(f, &kafka_metadata_request_message, 9, "ffffffff1f", ERR_CORRUPT);
    /* Bytes behind the message are no error: clients are known to send some. */
    struct kafka_metadata_request longer;
    buf_reset(&f->bytes);
    assert_ok(kafka_decode(&kafka_metadata_request_message, 1, hex("00000000 00", &f->bytes),
                           &f->arena, &longer));
    /* More than the arena may take. */
    struct arena small;
    arena_init(&small, 8192);
    struct buf bytes = {0};
    buf_be32(&bytes, 1000);
    for (int i = 0; i < 1000; i++)
        buf_be16(&bytes, 0);
    struct kafka_metadata_request request;
    assert_err(ERR_LIMIT,
               kafka_decode(&kafka_metadata_request_message, 1, buf_str(&bytes), &small, &request));
    assert_ok(
        kafka_decode(&kafka_metadata_request_message, 1, buf_str(&bytes), &f->arena, &request));
    buf_deinit(&bytes);
    arena_deinit(&small);
}

static void test_long_strings(void **state)
{
    struct kafka_metadata_request_topic topic;
    struct kafka_metadata_request request;
    kafka_defaults(&kafka_metadata_request_message, &request);
    kafka_defaults(&kafka_metadata_request_topic_message, &topic);
    static char name[32768];
    request.topics = &topic;
    request.topics_count = 1;
    for (size_t bytes = 32767; bytes <= 32768; bytes++) {
        struct buf out = {0};
        topic.name = str_from(name, bytes);
        assert_err(bytes == 32767 ? OK : ERR_INVALID,
                   kafka_encode(&kafka_metadata_request_message, 1, &request, &out));
        buf_deinit(&out);
    }
}

static void test_request_frames(void **state)
{
    struct fixture *f = *state;
    struct kafka_request_header header;
    struct str frame = hex("0012 0003 00000007 0004 'kcat' 01 05 02 ffff 05 'kcat'", &f->bytes);
    assert_ok(kafka_request_header(frame, &header));
    assert_int_equal(KAFKA_KEY_API_VERSIONS, header.api_key);
    assert_int_equal(3, header.api_version);
    assert_int_equal(7, header.correlation_id);
    assert_str("kcat", header.client_id);
    assert_int_equal(19, header.bytes);
    for (size_t cut = 0; cut < header.bytes; cut++) {
        struct kafka_request_header other;
        assert_err(ERR_TRUNCATED, kafka_request_header(str_slice(frame, 0, cut), &other));
    }
    buf_reset(&f->bytes);
    assert_ok(kafka_request_header(hex("0003 0001 00000001 ffff", &f->bytes), &header));
    assert_null(header.client_id.ptr);
    buf_reset(&f->bytes);
    assert_err(ERR_UNSUPPORTED,
               kafka_request_header(hex("0012 0063 00000009", &f->bytes), &header));
    assert_int_equal(0x63, header.api_version);
    assert_int_equal(9, header.correlation_id);
    buf_reset(&f->bytes);
    assert_err(ERR_UNSUPPORTED,
               kafka_request_header(hex("0005 0000 00000009", &f->bytes), &header));
    buf_reset(&f->bytes);
    assert_err(ERR_CORRUPT,
               kafka_request_header(hex("0003 0001 00000001 fffe", &f->bytes), &header));

    struct buf out = {0};
    size_t at = kafka_request_begin(KAFKA_KEY_API_VERSIONS, 0, 1, STR("kcat"), &out);
    kafka_frame_end(&out, at);
    assert_bytes("0000000e 0012 0000 00000001 0004 'kcat'", &out);
    at = kafka_request_begin(KAFKA_KEY_API_VERSIONS, 3, 1, STR_NONE, &out);
    buf_u8(&out, 0xAA);
    kafka_frame_end(&out, at);
    assert_bytes("0000000c 0012 0003 00000001 ffff 00 aa", &out);
}

static void test_response_frames(void **state)
{
    struct buf out = {0};
    buf_u8(&out, 0xEE);
    size_t at = kafka_response_begin(KAFKA_KEY_METADATA, 8, 5, &out);
    buf_u8(&out, 0xAA);
    kafka_frame_end(&out, at);
    at = kafka_response_begin(KAFKA_KEY_METADATA, 9, 5, &out);
    kafka_frame_end(&out, at);
    at = kafka_response_begin(KAFKA_KEY_API_VERSIONS, 3, 5, &out);
    kafka_frame_end(&out, at);
    assert_bytes("ee 00000005 00000005 aa 00000005 00000005 00 00000004 00000005", &out);
}

static void test_print(void **state)
{
    struct fixture *f = *state;
    struct kafka_fetch_request request;
    struct buf out = {0};
    take(f, &kafka_fetch_request_message, 12, FETCH_12 "00", &request);
    kafka_print(&kafka_fetch_request_message, 12, &request, &out);
    assert_str("ClusterId: null\n"
               "ReplicaId: -1\n"
               "MaxWaitMs: 500\n"
               "MinBytes: 1\n"
               "MaxBytes: 52428800\n"
               "IsolationLevel: 0\n"
               "SessionId: 0\n"
               "SessionEpoch: -1\n"
               "Topics: 1\n"
               "  - Topic: \"t\"\n"
               "    Partitions: 1\n"
               "      - Partition: 0\n"
               "        CurrentLeaderEpoch: -1\n"
               "        FetchOffset: 7\n"
               "        LastFetchedEpoch: -1\n"
               "        LogStartOffset: -1\n"
               "        PartitionMaxBytes: 1048576\n"
               "ForgottenTopicsData: 0\n"
               "RackId: \"\"\n",
               buf_str(&out));
    buf_deinit(&out);
}

static void test_errors(void **state)
{
    assert_string_equal("UNKNOWN_SERVER_ERROR", kafka_error_name(-1));
    assert_string_equal("NONE", kafka_error_name(0));
    assert_string_equal("UNKNOWN_TOPIC_ID", kafka_error_name(KAFKA_UNKNOWN_TOPIC_ID));
    assert_null(kafka_error_name(-2));
    assert_null(kafka_error_name(500));
    for (int16_t code = -1; code <= KAFKA_CONTROLLER_ID_NOT_REGISTERED; code++)
        assert_non_null(kafka_error_name(code));
    for (int16_t code = -3; code < 200; code++)
        assert_non_null(kafka_error_text(code));
}

static void test_find(void **state)
{
    int found = 0;
    for (int key = -2; key < 200; key++) {
        const struct kafka_api *api = kafka_api_find((int16_t)key);
        found += api != NULL;
        assert_true(!api || api->key == key);
    }
    assert_int_equal(KAFKA_APIS, found);
    assert_string_equal("Fetch", kafka_api_find(KAFKA_KEY_FETCH)->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_api_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(test_produce, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fetch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nullable_struct, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test(test_long_strings),
        cmocka_unit_test_setup_teardown(test_request_frames, setup, teardown),
        cmocka_unit_test(test_response_frames),
        cmocka_unit_test_setup_teardown(test_print, setup, teardown),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_find),
    };
    return RUN_TESTS(tests);
}
