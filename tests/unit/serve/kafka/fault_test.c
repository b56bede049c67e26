/* SPDX-License-Identifier: MIT */
/*
 * Idempotent producers and consumers with sessions over a network that is late and breaks: each
 * record arrives once, in its producer's order. A producer keeps five batches under way, as clients
 * do, and sends again what was not answered when its connection broke.
 */
#include "serve/kafka/harness.h"

#include "io/sim.h"

#include <stdlib.h>

enum { PRODUCERS = 3, BATCHES = 40, IN_FLIGHT = 5, RECORDS = 3, SEEDS = 25, TURNS_MAX = 200000 };

struct sender {
    struct client *client;
    int number;
    int64_t id;
    int16_t epoch;
    struct str batches[BATCHES];
    int next, acked;
};

struct receiver {
    struct client *client;
    int64_t offset;
    int32_t session, epoch;
    bool asked;
    int seen[PRODUCERS]; /* records */
};

static struct rig rig;
static int broken; /* connections of all runs */

static void *call_until_answered(int16_t key, int16_t version, const void *request)
{
    for (int i = 0; i < 100; i++) {
        struct client *client = client_new(&rig);
        client_send(client, key, version, request);
        void *response = client_receive(client, 10000);
        client_free(client);
        if (response)
            return response;
    }
    fail_msg("no answer");
    return NULL;
}

static void sender_init(struct sender *sender, int number)
{
    struct kafka_init_producer_id_request *request =
        KAFKA_NEW(&rig.arena, kafka_init_producer_id_request, 1);
    request->transactional_id = STR_NONE;
    request->transaction_timeout_ms = 1000;
    struct kafka_init_producer_id_response *r =
        call_until_answered(KAFKA_KEY_INIT_PRODUCER_ID, 3, request);
    assert_int_equal(r->error_code, 0);
    *sender = (struct sender){.number = number, .id = r->producer_id, .epoch = r->producer_epoch};
    for (int i = 0; i < BATCHES; i++) {
        struct record_batch_builder builder = {0};
        record_batch_builder_init(&builder, i % 3 ? CODEC_NONE : CODEC_LZ4, 1 << 20);
        builder.producer_id = sender->id;
        builder.producer_epoch = sender->epoch;
        builder.base_sequence = i * RECORDS;
        for (int j = 0; j < RECORDS; j++) {
            char value[32];
            snprintf(value, sizeof value, "%d:%d", number, i * RECORDS + j);
            record_batch_builder_add(&builder, 1000, STR("k"), str_of(value), NULL, 0);
        }
        sender->batches[i] = rig_batch_of(&rig, &builder);
    }
    sender->client = client_new(&rig);
}

static void sender_step(struct sender *sender)
{
    while (client_waiting(sender->client)) {
        struct kafka_produce_response *r = client_receive(sender->client, 1);
        assert_non_null(r);
        assert_int_equal(r->responses->partition_responses->error_code, 0);
        assert_true(r->responses->partition_responses->base_offset >= 0);
        sender->acked++;
    }
    if (client_is_closed(sender->client)) {
        broken++;
        client_free(sender->client);
        sender->client = client_new(&rig);
        sender->next = sender->acked;
    }
    while (sender->next < BATCHES && sender->next - sender->acked < IN_FLIGHT) {
        client_send(sender->client, KAFKA_KEY_PRODUCE, 9,
                    make_produce(&rig, "t", 0, sender->batches[sender->next]));
        sender->next++;
    }
}

static void take_records(struct receiver *receiver, struct str records)
{
    for (size_t at = 0; at < records.bytes;) {
        struct record_batch batch;
        struct record_iterator it;
        struct record record;
        assert_ok(record_batch_parse(records.ptr + at, records.bytes - at, true, &batch));
        assert_ok(record_iterator_init(&it, &batch, 1 << 20));
        while (record_iterator_next(&it, &record)) {
            if (record.offset < receiver->offset)
                continue;
            assert_int_equal(record.offset, receiver->offset);
            receiver->offset++;
            char text[32];
            snprintf(text, sizeof text, "%.*s", STR_ARG(record.value));
            int number = atoi(text);
            assert_in_range(number, 0, PRODUCERS - 1);
            assert_int_equal(atoi(strchr(text, ':') + 1), receiver->seen[number]);
            receiver->seen[number]++;
        }
        record_iterator_deinit(&it);
        at += batch.bytes_count;
    }
}

static void receiver_step(struct receiver *receiver)
{
    if (client_is_closed(receiver->client)) {
        broken++;
        client_free(receiver->client);
        receiver->client = client_new(&rig);
        receiver->session = receiver->epoch = 0;
        receiver->asked = false;
    }
    if (receiver->asked && client_waiting(receiver->client)) {
        struct kafka_fetch_response *r = client_receive(receiver->client, 1);
        receiver->asked = false;
        receiver->epoch++;
        if (r->error_code)
            receiver->session = receiver->epoch = 0;
        else
            receiver->session = r->session_id;
        if (r->responses_count)
            take_records(receiver, fetch_only(r)->records);
    }
    if (receiver->asked)
        return;
    struct kafka_fetch_request *request = make_fetch(&rig, "t", 0, receiver->offset);
    request->session_id = receiver->session;
    request->session_epoch = receiver->epoch;
    request->max_bytes = 2000;
    client_send(receiver->client, KAFKA_KEY_FETCH, 12, request);
    receiver->asked = true;
}

static void run(uint64_t seed)
{
    struct io_sim_options sim = {
        .seed = seed, .net_drop = 50000, .net_delay_ms_max = 30, .read_cold = 300000};
    struct sender senders[PRODUCERS];
    struct receiver receivers[2] = {0};
    rig_up_in(&rig, io_sim_new(&sim));
    rig_topic(&rig, "t", 1);
    for (int i = 0; i < PRODUCERS; i++)
        sender_init(&senders[i], i);
    for (int i = 0; i < 2; i++)
        receivers[i].client = client_new(&rig);
    int64_t all = (int64_t)PRODUCERS * BATCHES * RECORDS;
    int turns = 0;
    while (receivers[0].offset < all || receivers[1].offset < all) {
        for (int i = 0; i < PRODUCERS; i++)
            sender_step(&senders[i]);
        for (int i = 0; i < 2; i++)
            receiver_step(&receivers[i]);
        rig_turn(&rig, 5);
        if (++turns > TURNS_MAX)
            fail_msg("seed %d stands still", (int)seed);
    }
    struct log_partition *partition = log_topic_partition(log_topic_find(rig.log, STR("t")), 0);
    assert_int_equal(log_partition_end(partition), all);
    io_sim_faults(rig.io, false);
    for (int i = 0; i < PRODUCERS; i++)
        client_free(senders[i].client);
    for (int i = 0; i < 2; i++)
        client_free(receivers[i].client);
    rig_down(&rig);
}

static void test_faults(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
    print_message("# %d connections broke\n", broken);
    assert_true(broken > SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults)};
    return RUN_TESTS(tests);
}
