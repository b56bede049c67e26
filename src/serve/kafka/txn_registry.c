/* SPDX-License-Identifier: MIT */
/*
 * The transactional ids of this broker: read at the start, written when their plans say so, timed
 * out, forgotten; and the producer ids.
 *
 * The end of a transaction is one write: a marker for each of its partitions and the record that
 * says it is complete. They are there together or not at all, so there is no moment at which some
 * partitions show the transaction and others do not, nothing to finish after a crash, and the
 * client that was answered can begin its next transaction at once. Prepared transactions, which
 * other writers of such a log leave, are completed at the start.
 *
 * A write that fails leaves the transaction open: the client asks again, or its timeout does.
 *
 * At the start every partition is asked for transactions that are open there. One of a producer
 * and epoch of ours is open, should its record have been lost (durability below sync), and its
 * client or its timeout will end it; any other has nobody who could, and is aborted, else readers
 * would wait for ever.
 *
 * Producer ids are taken in blocks, and a block is recorded before its first id is given out.
 */
#include "serve/kafka/txn_api.h"

#include "base/check.h"

#include <stdio.h>

#define TXN_TOPIC "__transaction_state"
enum { SEGMENT_BYTES = 16 << 20, ID_BLOCK = 1000, EXPIRE_S = 10, SWEEP_MS = 3600 * 1000 };
static const int64_t SECOND_NS = 1000LL * 1000 * 1000;
static const int64_t IDLE_MS = 7LL * 24 * 3600 * 1000;

struct kafka_txn *kafka_txn_find(struct kafka_broker *broker, struct str id)
{
    return map_get(&broker->txns->map, id);
}

static struct kafka_txn *make(struct kafka_transactions *all, struct str id)
{
    struct kafka_txn *txn = mem_zero(sizeof *txn);
    txn_init(&txn->txn, id, kafka_now_ms(all->broker));
    txn->all = all;
    check(map_set(&all->map, id, txn) == NULL);
    return txn;
}

struct kafka_txn *kafka_txn_make(struct kafka_broker *broker, struct str id)
{
    struct kafka_txn *txn = kafka_txn_find(broker, id);
    return txn ? txn : make(broker->txns, id);
}

static void txn_free(struct kafka_txn *txn)
{
    txn_deinit(&txn->txn);
    mem_free(txn);
}

/* ---- writing ------------------------------------------------------------------------------- */

static int32_t coordinator_epoch(const struct kafka_transactions *all)
{
    return log_partition_epoch(all->partition);
}

/* Has the partition seen a newer epoch of the producer, or of a coordinator? */
static bool refuses(const struct kafka_txn *txn, struct log_partition *partition)
{
    struct log_producer *producers;
    struct arena arena;
    bool refuses = false;
    arena_init(&arena, SIZE_MAX / 2);
    size_t count = log_producers(partition, &arena, &producers);
    for (size_t i = 0; i < count; i++)
        if (producers[i].producer_id == txn->txn.data.producer_id)
            refuses = producers[i].epoch > txn->txn.plan.epoch ||
                      producers[i].coordinator_epoch > coordinator_epoch(txn->all);
    arena_deinit(&arena);
    return refuses;
}

/* Such partitions are let go of: no marker of this transaction can ever be written to them. */
static void forget_refusing(struct kafka_txn *txn)
{
    for (size_t i = txn->txn.partition_count; i-- > 0;) {
        const struct txn_partition *p = &txn->txn.partitions[i];
        int16_t code;
        struct log_partition *partition =
            kafka_partition(txn->all->broker, p->topic, p->partition, &code);
        if (partition && refuses(txn, partition))
            txn_forget_partition(&txn->txn, i);
    }
}

static void written(struct kafka_write *write, enum err err)
{
    struct kafka_txn *txn = write->owner;
    struct kafka_call *call = txn->call;
    if (err == OK) {
        txn_written(&txn->txn);
    } else {
        txn_failed(&txn->txn);
        if (txn->op == TXN_END && err == ERR_FENCED)
            forget_refusing(txn);
    }
    txn->call = NULL;
    if (txn->answer)
        txn->answer(call, txn, err == OK ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE);
}

static void add_markers(struct kafka_txn *txn, struct kafka_write *write)
{
    struct kafka_broker *broker = txn->all->broker;
    for (size_t i = 0; i < txn->txn.partition_count;) {
        const struct txn_partition *p = &txn->txn.partitions[i];
        int16_t code;
        struct log_partition *partition = kafka_partition(broker, p->topic, p->partition, &code);
        if (!partition) {
            txn_forget_partition(&txn->txn, i);
            continue;
        }
        log_marker_encode(txn->txn.plan.producer_id, txn->txn.plan.epoch,
                          txn->txn.plan.state == TXN_COMPLETE_COMMIT, coordinator_epoch(txn->all),
                          txn->txn.plan.update_ms, &write->batches);
        kafka_write_part(write, partition, true);
        i++;
    }
}

void kafka_txn_write(struct kafka_txn *txn, enum txn_op op, struct kafka_call *call,
                     void (*answer)(struct kafka_call *call, struct kafka_txn *txn, int16_t code))
{
    struct kafka_broker *broker = txn->all->broker;
    struct kafka_write *write = kafka_write_new(broker, written, txn);
    CLEAN(buf_deinit) struct buf key = {0}, value = {0};
    check(op != TXN_NOTHING && txn->txn.pending);
    txn->op = op;
    txn->call = call;
    txn->answer = answer;
    if (op == TXN_END)
        add_markers(txn, write);
    txn_key_encode(txn->txn.id, &key);
    txn_value_encode(&txn->txn, &value);
    enum err err = buf_error(&value);
    if (err == OK)
        err = kafka_record_append(buf_str(&key), buf_str(&value), txn->txn.plan.update_ms,
                                  &write->batches);
    if (err != OK)
        write->batches.err = err;
    kafka_write_part(write, txn->all->partition, false);
    kafka_write_send(write);
}

/* ---- producer ids -------------------------------------------------------------------------- */

static void ids_written(struct kafka_write *write, enum err err)
{
    struct kafka_transactions *all = write->broker->txns;
    struct kafka_waiting *list = all->id_waiting;
    all->id_writing = false;
    all->id_waiting = NULL;
    if (err == OK)
        all->id_limit = (int64_t)write->number;
    while (list) {
        struct kafka_call *call = list->call;
        list = list->next;
        if (err == OK) {
            call->handler->handle(call);
            continue;
        }
        struct kafka_init_producer_id_response *response = call->response;
        response->error_code = kafka_write_code(err);
        kafka_answer(call);
    }
}

static void ids_ask(struct kafka_transactions *all)
{
    struct kafka_write *write = kafka_write_new(all->broker, ids_written, NULL);
    CLEAN(buf_deinit) struct buf key = {0}, value = {0};
    write->number = (uint64_t)all->id_limit + ID_BLOCK;
    txn_ids_encode((int64_t)write->number, &key, &value);
    enum err err = kafka_record_append(buf_str(&key), buf_str(&value), kafka_now_ms(all->broker),
                                       &write->batches);
    if (err != OK)
        write->batches.err = err;
    all->id_writing = true;
    kafka_write_part(write, all->partition, false);
    kafka_write_send(write);
}

int64_t kafka_txn_id_take(struct kafka_call *call)
{
    struct kafka_transactions *all = call->broker->txns;
    if (all->id_limit - all->id_next <= ID_BLOCK / 10 && !all->id_writing)
        ids_ask(all);
    if (all->id_next < all->id_limit)
        return all->id_next++;
    struct kafka_waiting *waiting = arena_alloc(&call->arena, sizeof *waiting);
    *waiting = (struct kafka_waiting){call, NULL};
    struct kafka_waiting **end = &all->id_waiting;
    while (*end)
        end = &(*end)->next;
    *end = waiting;
    return -1;
}

/* ---- time ---------------------------------------------------------------------------------- */

static void tombstone_written(struct kafka_write *write, enum err err)
{
    (void)write;
    (void)err; /* read again at the next start, and then forgotten again */
}

static void forget_idle(struct kafka_transactions *all, int64_t now_ms)
{
    struct kafka_txn **idle = mem_array(all->map.count + 1, sizeof(struct kafka_txn *));
    size_t count = 0, at = 0;
    for (struct map_entry *e; (e = map_next(&all->map, &at));)
        if (txn_is_idle(&((struct kafka_txn *)e->value)->txn, now_ms - IDLE_MS))
            idle[count++] = e->value;
    for (size_t i = 0; i < count; i++) {
        struct kafka_write *write = kafka_write_new(all->broker, tombstone_written, NULL);
        CLEAN(buf_deinit) struct buf key = {0};
        txn_key_encode(idle[i]->txn.id, &key);
        enum err err = kafka_record_append(buf_str(&key), STR_NONE, now_ms, &write->batches);
        if (err != OK)
            write->batches.err = err;
        kafka_write_part(write, all->partition, false);
        kafka_write_send(write);
        map_remove(&all->map, idle[i]->txn.id);
        txn_free(idle[i]);
    }
    mem_free(idle);
}

static void expire(struct io_timer *timer)
{
    struct kafka_transactions *all = timer->owner;
    int64_t now_ms = kafka_now_ms(all->broker);
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&all->map, &at));) {
        struct kafka_txn *txn = e->value;
        enum txn_op op;
        if (txn_expire(&txn->txn, now_ms, &op))
            kafka_txn_write(txn, op, NULL, NULL);
        else if (txn_resume(&txn->txn, now_ms))
            kafka_txn_write(txn, TXN_END, NULL, NULL);
    }
    if (now_ms - all->swept_ms >= SWEEP_MS) {
        all->swept_ms = now_ms;
        forget_idle(all, now_ms);
    }
    io_timer_start(all->broker->loop, &all->expire, EXPIRE_S * SECOND_NS);
}

/* ---- the start ----------------------------------------------------------------------------- */

static void read_record(void *owner, const struct record *record)
{
    struct kafka_transactions *all = owner;
    struct str id;
    int64_t next;
    if (!record->key.ptr)
        return;
    if (txn_ids_decode(record, &next)) {
        if (next > all->id_limit)
            all->id_limit = next;
        return;
    }
    if (!txn_key_decode(record->key, &id))
        return;
    if (!record->value.ptr) {
        struct kafka_txn *gone = map_remove(&all->map, id);
        if (gone)
            txn_free(gone);
        return;
    }
    struct kafka_txn *txn = kafka_txn_make(all->broker, id);
    enum err err = txn_value_decode(record->value, &txn->txn);
    if (err == OK && txn->txn.data.producer_id >= all->id_limit)
        all->id_limit = txn->txn.data.producer_id + 1; /* of another writer */
    if (err != OK && all->load_err == OK) {
        all->load_err = err;
        snprintf(all->load_name, sizeof all->load_name, "%.*s", STR_ARG(id));
    }
}

static struct kafka_txn *txn_of_producer(struct kafka_transactions *all,
                                         const struct log_producer *producer)
{
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&all->map, &at));) {
        struct kafka_txn *txn = e->value;
        if (txn->txn.data.producer_id == producer->producer_id &&
            txn->txn.data.epoch == producer->epoch)
            return txn;
    }
    return NULL;
}

static void marker_written(struct kafka_write *write, enum err err)
{
    (void)write;
    (void)err; /* found again at the next start */
}

static void adopt(struct kafka_transactions *all, struct log_partition *partition,
                  const struct log_producer *producer)
{
    struct kafka_txn *txn = txn_of_producer(all, producer);
    if (txn) {
        txn_adopt(&txn->txn, log_topic_name(log_partition_topic(partition)),
                  log_partition_index(partition), kafka_now_ms(all->broker));
        return;
    }
    struct kafka_write *write = kafka_write_new(all->broker, marker_written, NULL);
    log_marker_encode(producer->producer_id, producer->epoch, false, coordinator_epoch(all),
                      kafka_now_ms(all->broker), &write->batches);
    kafka_write_part(write, partition, true);
    kafka_write_send(write);
}

/* The newest epoch that partitions know of a transactional id's producer. */
struct known_epoch {
    struct kafka_txn *txn;
    int16_t epoch;
};

static struct str id_key(const int64_t *producer_id)
{
    return str_from((const char *)producer_id, sizeof *producer_id);
}

static void known_of_all(struct kafka_transactions *all, struct arena *arena, struct map *ret_known)
{
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&all->map, &at));) {
        struct known_epoch *known = arena_zero(arena, sizeof *known);
        *known = (struct known_epoch){e->value, -1};
        map_set(ret_known, id_key(&known->txn->txn.data.producer_id), known);
    }
}

static void note_epoch(struct map *known, const struct log_producer *producer)
{
    struct known_epoch *one = map_get(known, id_key(&producer->producer_id));
    if (one && producer->epoch > one->epoch)
        one->epoch = producer->epoch;
}

/* What the partitions know of producers: open transactions, ids and epochs that were given out. The
 * records of those may have been lost with the power where the durability is not sync, and the
 * batches of another producer with the same id and epoch would be taken for repetitions, or for
 * going on in the wrong place. */
static void adopt_all(struct kafka_transactions *all)
{
    struct arena kept;
    struct map known_epochs = {0};
    arena_init(&kept, SIZE_MAX / 2);
    known_of_all(all, &kept, &known_epochs);
    struct log_topic **topics;
    struct arena arena;
    size_t count = log_topics(all->broker->log, &topics);
    arena_init(&arena, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        for (int32_t p = 0; p < log_topic_partitions(topics[i]); p++) {
            struct log_partition *partition = log_topic_partition(topics[i], p);
            struct log_producer *producers;
            arena_reset(&arena);
            size_t known = partition ? log_producers(partition, &arena, &producers) : 0;
            for (size_t k = 0; k < known; k++) {
                if (producers[k].producer_id >= all->id_limit)
                    all->id_limit = producers[k].producer_id + 1;
                note_epoch(&known_epochs, &producers[k]);
                if (producers[k].txn_first_offset >= 0)
                    adopt(all, partition, &producers[k]);
            }
        }
    }
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&known_epochs, &at));) {
        const struct known_epoch *known = e->value;
        txn_adopt_epoch(&known->txn->txn, known->epoch);
    }
    map_deinit(&known_epochs);
    arena_deinit(&kept);
    arena_deinit(&arena);
    mem_free(topics);
}

static enum err topic_open(struct kafka_transactions *all, struct diag *diag)
{
    struct log *log = all->broker->log;
    struct log_topic *topic = log_topic_find(log, STR(TXN_TOPIC));
    if (!topic) {
        struct log_topic_config config;
        log_topic_config_default(&config);
        config.retention_ms = -1;
        config.segment_bytes = SEGMENT_BYTES;
        config.compact = true;
        TRY(log_topic_create(log, STR(TXN_TOPIC), &config, diag, &topic));
    }
    all->partition = log_topic_partition(topic, 0);
    return OK;
}

enum err kafka_transactions_new(struct kafka_broker *broker, struct diag *diag)
{
    struct kafka_transactions *all = mem_zero(sizeof *all);
    all->broker = broker;
    all->expire = (struct io_timer){.fire = expire, .owner = all};
    all->swept_ms = kafka_now_ms(broker);
    broker->txns = all;
    TRY(topic_open(all, diag));
    TRY(kafka_records_read(all->partition, read_record, all, diag));
    if (all->load_err != OK)
        return diag_set(diag, all->load_err, 0, 0,
                        "the topic " TXN_TOPIC " has a record of the transactional id %s that is "
                        "not understood: %s",
                        all->load_name, err_text(all->load_err));
    adopt_all(all);
    all->id_next = all->id_limit; /* what was left of the last block is not known */
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&all->map, &at));) {
        struct kafka_txn *txn = e->value;
        if (txn_resume(&txn->txn, kafka_now_ms(broker)))
            kafka_txn_write(txn, TXN_END, NULL, NULL);
    }
    io_timer_start(broker->loop, &all->expire, EXPIRE_S * SECOND_NS);
    return OK;
}

void kafka_transactions_free(struct kafka_broker *broker)
{
    struct kafka_transactions *all = broker->txns;
    if (!all)
        return;
    kafka_writes_wait(broker);
    io_timer_stop(broker->loop, &all->expire);
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&all->map, &at));)
        txn_free(e->value);
    map_deinit(&all->map);
    mem_free(all);
    broker->txns = NULL;
}

uint32_t kafka_transactions_open(const struct kafka_broker *broker)
{
    uint32_t open = 0;
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&broker->txns->map, &at));)
        open += ((struct kafka_txn *)e->value)->txn.data.state == TXN_ONGOING;
    return open;
}

int16_t kafka_transaction_check(struct kafka_broker *broker, struct str transactional_id,
                                int64_t producer_id, int16_t producer_epoch, struct str topic,
                                int32_t partition)
{
    const struct kafka_txn *txn = kafka_txn_find(broker, transactional_id);
    if (!txn)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    int16_t code = txn_check(&txn->txn, producer_id, producer_epoch, topic, partition);
    /* Produce knows no CONCURRENT_TRANSACTIONS; this one clients try again. */
    return code == KAFKA_CONCURRENT_TRANSACTIONS ? KAFKA_NOT_ENOUGH_REPLICAS : code;
}
