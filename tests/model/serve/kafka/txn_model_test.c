/* SPDX-License-Identifier: MIT */
/*
 * Transactions under crashes: three transactional producers write to two partitions and commit
 * offsets, while the process is killed, or the power cut, in the middle of requests; an interrupted
 * request is asked again, as clients do. A twin knows what was told to be committed. At the end
 * read_committed shows exactly that: each value once, in the order of its producer, nothing of what
 * was aborted or left open, nothing half; and the committed offsets are those of the last
 * transaction that was committed with one.
 */
#include "base/prng.h"
#include "io/sim.h"
#include "serve/kafka/harness.h"

enum { PRODUCERS = 3, PARTITIONS = 2, VALUES_MAX = 4096, STEPS = 500, SEEDS = 12 };

struct producer {
    char id[8];
    int64_t pid;
    int16_t epoch;
    int32_t sequence[PARTITIONS];
    bool ready, open, offsets;
    uint32_t values[PARTITIONS][256]; /* of the open transaction */
    size_t value_count[PARTITIONS];
    int64_t offset; /* to be committed with it */
};
struct model {
    struct rig rig;
    struct client *client;
    struct prng prng;
    struct producer producers[PRODUCERS];
    uint32_t next_value;
    uint8_t committed[VALUES_MAX]; /* 1 + partition */
    int64_t group_offset;          /* of the group of producer 0 */
    int crashes;
};

static unsigned pick(struct model *m, unsigned below)
{
    return (unsigned)prng_below(&m->prng, below);
}

#define NEW(name) KAFKA_NEW(&m->rig.arena, name, 1)

static void crash(struct model *m)
{
    if (pick(m, 2))
        io_sim_crash(m->rig.io);
    else
        io_sim_kill(m->rig.io);
    client_free(m->client);
    rig_restart(&m->rig, NULL);
    m->client = client_new(&m->rig);
    m->crashes++;
}

/* Sends it until it is answered; now and then the process is killed while it is under way. */
static void *ask(struct model *m, int16_t key, int16_t version, const void *request)
{
    while (pick(m, 12) == 0) {
        client_send(m->client, key, version, request);
        for (unsigned turns = pick(m, 9); turns > 0; turns--)
            rig_turn(&m->rig, 0);
        crash(m);
    }
    return client_call(m->client, key, version, request);
}

static void begin(struct model *m, struct producer *p)
{
    struct kafka_init_producer_id_request *request = NEW(kafka_init_producer_id_request);
    request->transactional_id = str_of(p->id);
    request->transaction_timeout_ms = 3600 * 1000;
    struct kafka_init_producer_id_response *r = ask(m, KAFKA_KEY_INIT_PRODUCER_ID, 4, request);
    assert_int_equal(r->error_code, 0);
    p->pid = r->producer_id;
    p->epoch = r->producer_epoch;
    p->ready = true;
    p->open = p->offsets = false;
    for (int i = 0; i < PARTITIONS; i++) {
        p->sequence[i] = 0;
        p->value_count[i] = 0;
    }
}

static void add(struct model *m, struct producer *p)
{
    static int32_t indexes[PARTITIONS] = {0, 1};
    struct kafka_add_partitions_to_txn_request *request = NEW(kafka_add_partitions_to_txn_request);
    request->v3_and_below_transactional_id = str_of(p->id);
    request->v3_and_below_producer_id = p->pid;
    request->v3_and_below_producer_epoch = p->epoch;
    request->v3_and_below_topics = NEW(kafka_add_partitions_to_txn_request_topic);
    request->v3_and_below_topics_count = 1;
    request->v3_and_below_topics[0].name = STR("t");
    request->v3_and_below_topics[0].partitions = indexes;
    request->v3_and_below_topics[0].partitions_count = PARTITIONS;
    struct kafka_add_partitions_to_txn_response *r =
        ask(m, KAFKA_KEY_ADD_PARTITIONS_TO_TXN, 3, request);
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(
            r->results_by_topic_v3_and_below[0].results_by_partition[i].partition_error_code, 0);
    p->open = true;
}

static void write_some(struct model *m, struct producer *p)
{
    unsigned partition = pick(m, PARTITIONS), count = 1 + pick(m, 3);
    struct record_batch_builder builder;
    if (p->value_count[partition] + count > 256 || m->next_value + count >= VALUES_MAX)
        return;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    builder.producer_id = p->pid;
    builder.producer_epoch = p->epoch;
    builder.base_sequence = p->sequence[partition];
    builder.attributes = BATCH_TRANSACTIONAL;
    for (unsigned i = 0; i < count; i++) {
        uint32_t value = m->next_value++;
        p->values[partition][p->value_count[partition]++] = value;
        record_batch_builder_add(&builder, 1000, STR_NONE, str_from(&value, sizeof value), NULL, 0);
    }
    p->sequence[partition] += (int32_t)count;
    struct kafka_produce_request *request =
        make_produce(&m->rig, "t", (int32_t)partition, rig_batch_of(&m->rig, &builder));
    request->transactional_id = str_of(p->id);
    struct kafka_produce_response *r = ask(m, KAFKA_KEY_PRODUCE, 9, request);
    assert_int_equal(r->responses[0].partition_responses[0].error_code, 0);
}

static void commit_offset(struct model *m, struct producer *p)
{
    struct kafka_add_offsets_to_txn_request *add = NEW(kafka_add_offsets_to_txn_request);
    add->transactional_id = str_of(p->id);
    add->producer_id = p->pid;
    add->producer_epoch = p->epoch;
    add->group_id = STR("g");
    struct kafka_add_offsets_to_txn_response *a = ask(m, KAFKA_KEY_ADD_OFFSETS_TO_TXN, 3, add);
    assert_int_equal(a->error_code, 0);
    struct kafka_txn_offset_commit_request *request = NEW(kafka_txn_offset_commit_request);
    request->transactional_id = str_of(p->id);
    request->group_id = STR("g");
    request->producer_id = p->pid;
    request->producer_epoch = p->epoch;
    request->topics = NEW(kafka_txn_offset_commit_request_topic);
    request->topics_count = 1;
    request->topics[0].name = STR("t");
    request->topics[0].partitions = NEW(kafka_txn_offset_commit_request_partition);
    request->topics[0].partitions_count = 1;
    p->offset = m->next_value;
    p->offsets = true;
    request->topics[0].partitions[0].committed_offset = p->offset;
    struct kafka_txn_offset_commit_response *r = ask(m, KAFKA_KEY_TXN_OFFSET_COMMIT, 3, request);
    assert_int_equal(r->topics[0].partitions[0].error_code, 0);
}

static void end(struct model *m, struct producer *p)
{
    struct kafka_end_txn_request *request = NEW(kafka_end_txn_request);
    bool commit = pick(m, 4) > 0;
    request->transactional_id = str_of(p->id);
    request->producer_id = p->pid;
    request->producer_epoch = p->epoch;
    request->committed = commit;
    struct kafka_end_txn_response *r = ask(m, KAFKA_KEY_END_TXN, 3, request);
    assert_int_equal(r->error_code, 0);
    for (uint8_t i = 0; i < PARTITIONS; i++) {
        for (size_t k = 0; commit && k < p->value_count[i]; k++)
            m->committed[p->values[i][k]] = (uint8_t)(1 + i);
        p->value_count[i] = 0;
    }
    if (commit && p->offsets)
        m->group_offset = p->offset;
    p->open = p->offsets = false;
}

static void step(struct model *m)
{
    struct producer *p = &m->producers[pick(m, PRODUCERS)];
    unsigned what = pick(m, 20);
    if (!p->ready || what == 0)
        begin(m, p); /* what was open is aborted */
    else if (!p->open)
        add(m, p);
    else if (what < 12)
        write_some(m, p);
    else if (what < 14 && p == &m->producers[0])
        commit_offset(m, p);
    else
        end(m, p);
}

/* ---- what is there ------------------------------------------------------------------------- */

static bool is_aborted(const struct log_aborted *aborted, size_t count,
                       const struct record_batch *batch)
{
    for (size_t i = 0; i < count; i++)
        if (aborted[i].producer_id == batch->producer_id &&
            batch->base_offset >= aborted[i].first_offset &&
            batch->base_offset <= aborted[i].last_offset)
            return true;
    return false;
}

static void check_batch(struct model *m, const struct record_batch *batch, int32_t partition,
                        uint8_t *seen, int64_t *last_of)
{
    struct record_iterator it;
    struct record record;
    assert_ok(record_iterator_init(&it, batch, 1 << 20));
    while (record_iterator_next(&it, &record)) {
        uint32_t value;
        assert_int_equal(record.value.bytes, sizeof value);
        memcpy(&value, record.value.ptr, sizeof value);
        assert_true(value < VALUES_MAX);
        assert_int_equal(m->committed[value], 1 + partition);
        assert_false(seen[value]);
        seen[value] = 1;
        assert_true((int64_t)value > last_of[batch->producer_id % 1024]);
        last_of[batch->producer_id % 1024] = value;
    }
    record_iterator_deinit(&it);
}

static void check_partition(struct model *m, int32_t index, uint8_t *seen)
{
    CLEAN(buf_deinit) struct buf bytes = {0};
    struct log_partition *partition =
        log_topic_partition(log_topic_find(m->rig.log, STR("t")), index);
    struct log_read read = {0};
    struct log_aborted *aborted;
    int64_t last_of[1024];
    for (size_t i = 0; i < 1024; i++)
        last_of[i] = -1;
    assert_int_equal(log_partition_stable_end(partition), log_partition_end(partition));
    size_t count = log_aborted(partition, 0, INT64_MAX, &m->rig.arena, &aborted);
    while (read.offset_next < log_partition_end(partition)) {
        buf_reset(&bytes);
        assert_ok(log_read_stable(partition, read.offset_next, 1 << 20, &bytes, &read));
        for (size_t at = 0; at < bytes.bytes;) {
            struct record_batch batch;
            assert_ok(record_batch_parse(bytes.ptr + at, bytes.bytes - at, true, &batch));
            at += batch.bytes_count;
            if (!(batch.attributes & BATCH_CONTROL) && !is_aborted(aborted, count, &batch))
                check_batch(m, &batch, index, seen, last_of);
        }
    }
}

static void run(uint64_t seed)
{
    struct model *m = mem_zero(sizeof *m);
    uint8_t *seen = mem_zero(VALUES_MAX);
    m->prng.state = seed;
    m->group_offset = -1;
    rig_up(&m->rig, NULL);
    rig_topic(&m->rig, "t", PARTITIONS);
    m->client = client_new(&m->rig);
    for (int i = 0; i < PRODUCERS; i++)
        snprintf(m->producers[i].id, sizeof m->producers[i].id, "p%d", i);
    for (int i = 0; i < STEPS; i++)
        step(m);
    for (int i = 0; i < PRODUCERS; i++)
        if (m->producers[i].open)
            end(m, &m->producers[i]);
    assert_true(m->crashes > 10);
    for (int32_t i = 0; i < PARTITIONS; i++)
        check_partition(m, i, seen);
    size_t committed = 0;
    for (size_t i = 0; i < VALUES_MAX; i++) {
        assert_int_equal(seen[i], m->committed[i] > 0);
        committed += seen[i];
    }
    assert_true(committed > 50);
    assert_int_equal(log_offset_fetch(m->rig.log, STR("g"), STR("t"), 0), m->group_offset);
    client_free(m->client);
    rig_down(&m->rig);
    mem_free(seen);
    mem_free(m);
}

static void what_was_committed_is_there(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_committed_is_there)};
    return RUN_TESTS(tests);
}
