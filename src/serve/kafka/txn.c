/* SPDX-License-Identifier: MIT */
/*
 * The states of a transactional id, as Kafka's coordinator has them for clients of its first
 * transaction protocol (an epoch belongs to a producer's session, not to each transaction):
 *
 *   Empty --add--> Ongoing --end--> CompleteCommit | CompleteAbort --add--> Ongoing ...
 *
 * Kafka writes a Prepare record, then the markers, then the Complete record. Here markers and the
 * Complete record are one write that is there as a whole or not at all, so the prepared states are
 * passed in one step; they occur when a log holds such records, and are resumed from there.
 *
 * Fencing: InitProducerId bumps the epoch, and so does a timeout. Whoever speaks with an older
 * epoch is told PRODUCER_FENCED. A bump that aborts an open transaction is never handed out: the
 * caller asks again and gets the one after. Epochs end at 32766 (one is left for the last
 * fencing); then a new producer id begins at 0.
 *
 * KIP-360: a producer may say its id and epoch. The current one is bumped; the one before is the
 * repetition of a request whose answer was lost and gets the current one; others are fenced.
 */
#include "serve/kafka/txn.h"

#include "base/check.h"
#include "wire/kafka/kafka.h"

const char *txn_state_name(enum txn_state state)
{
    static const char *const names[TXN_STATES] = {
        [TXN_EMPTY] = "Empty",
        [TXN_ONGOING] = "Ongoing",
        [TXN_PREPARE_COMMIT] = "PrepareCommit",
        [TXN_PREPARE_ABORT] = "PrepareAbort",
        [TXN_COMPLETE_COMMIT] = "CompleteCommit",
        [TXN_COMPLETE_ABORT] = "CompleteAbort",
        [TXN_DEAD] = "Dead",
    };
    check((unsigned)state < TXN_STATES);
    return names[state];
}

void txn_init(struct txn *txn, struct str id, int64_t now_ms)
{
    *txn = (struct txn){
        .id = str_from(str_dup(id), id.bytes),
        .data = {.producer_id = -1,
                 .epoch = -1,
                 .epoch_last = -1,
                 .producer_id_last = -1,
                 .start_ms = -1,
                 .update_ms = now_ms},
    };
}

static void partitions_cut(struct txn *txn, size_t count)
{
    for (size_t i = count; i < txn->partition_count; i++)
        mem_free((char *)txn->partitions[i].topic.ptr);
    txn->partition_count = count;
}

void txn_deinit(struct txn *txn)
{
    if (txn->pending)
        txn_failed(txn);
    partitions_cut(txn, 0);
    mem_free(txn->partitions);
    mem_free((char *)txn->id.ptr);
}

static bool has_partition(const struct txn *txn, struct str topic, int32_t partition)
{
    for (size_t i = 0; i < txn->partition_count; i++)
        if (txn->partitions[i].partition == partition && str_equal(txn->partitions[i].topic, topic))
            return true;
    return false;
}

static void partition_add(struct txn *txn, struct str topic, int32_t partition)
{
    if (txn->partition_count == txn->partition_room) {
        txn->partition_room = txn->partition_room ? txn->partition_room * 2 : 4;
        txn->partitions =
            mem_realloc_array(txn->partitions, txn->partition_room, sizeof *txn->partitions);
    }
    txn->partitions[txn->partition_count++] =
        (struct txn_partition){str_from(str_dup(topic), topic.bytes), partition};
}

/* ---- plans --------------------------------------------------------------------------------- */

static void plan(struct txn *txn, const struct txn_data *data, size_t partitions, int64_t now_ms)
{
    txn->plan = *data;
    txn->plan.update_ms = now_ms;
    txn->plan_partitions = partitions;
    txn->pending = true;
}

static void plan_end(struct txn *txn, int16_t epoch, bool commit, int64_t now_ms)
{
    struct txn_data next = txn->data;
    if (epoch != next.epoch) {
        next.epoch_last = -1;
        next.epoch = epoch;
    }
    next.state = commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    plan(txn, &next, 0, now_ms);
}

static bool is_used_up(const struct txn *txn)
{
    return txn->data.epoch >= INT16_MAX - 1;
}

static bool is_prepared(const struct txn *txn)
{
    return txn->data.state == TXN_PREPARE_COMMIT || txn->data.state == TXN_PREPARE_ABORT;
}

bool txn_wants_id(const struct txn *txn)
{
    return txn->data.producer_id < 0 || is_used_up(txn);
}

/* ---- InitProducerId ------------------------------------------------------------------------ */

static int16_t rotate(struct txn *txn, const struct txn_init_request *request, int64_t fresh_id,
                      struct txn_data *next)
{
    if (request->producer_id >= 0 && request->epoch != txn->data.epoch)
        return KAFKA_PRODUCER_FENCED;
    next->producer_id_last = txn->data.producer_id;
    next->epoch_last = request->producer_id >= 0 ? txn->data.epoch : -1;
    next->producer_id = fresh_id;
    next->epoch = 0;
    return KAFKA_NONE;
}

static int16_t bump(struct txn *txn, const struct txn_init_request *request, struct txn_data *next,
                    bool *ret_same)
{
    const struct txn_data *now = &txn->data;
    next->epoch = (int16_t)(now->epoch + 1); /* from -1: the first is 0 */
    next->epoch_last = -1;
    if (request->producer_id < 0)
        return KAFKA_NONE;
    if (now->epoch == -1 || request->epoch == now->epoch) {
        next->epoch_last = now->epoch;
        return KAFKA_NONE;
    }
    if (now->epoch_last < 0 || request->epoch != now->epoch_last)
        return KAFKA_PRODUCER_FENCED;
    next->epoch = now->epoch;
    next->epoch_last = now->epoch_last;
    *ret_same = now->state == TXN_EMPTY;
    return KAFKA_NONE;
}

int16_t txn_begin(struct txn *txn, const struct txn_init_request *request, int64_t fresh_id,
                  int64_t now_ms, enum txn_op *ret_op)
{
    struct txn_data next = txn->data;
    *ret_op = TXN_NOTHING;
    if (txn->pending || is_prepared(txn))
        return KAFKA_CONCURRENT_TRANSACTIONS;
    if (request->producer_id >= 0 && txn->data.epoch != -1 &&
        request->producer_id != txn->data.producer_id &&
        request->producer_id != txn->data.producer_id_last)
        return KAFKA_PRODUCER_FENCED;
    if (txn->data.state == TXN_ONGOING) {
        if (request->producer_id >= 0 && request->epoch != txn->data.epoch)
            return KAFKA_PRODUCER_FENCED;
        plan_end(txn, (int16_t)(txn->data.epoch + 1), false, now_ms);
        /* The same producer asks again once the transaction has ended, with the epoch it knows. */
        if (request->producer_id >= 0)
            txn->plan.epoch_last = request->epoch;
        *ret_op = TXN_END;
        return KAFKA_NONE;
    }
    bool same = false;
    int16_t error = KAFKA_NONE;
    if (txn->data.producer_id < 0)
        next.producer_id = fresh_id;
    if (is_used_up(txn))
        error = rotate(txn, request, fresh_id, &next);
    else
        error = bump(txn, request, &next, &same);
    if (error != KAFKA_NONE || same)
        return error;
    next.timeout_ms = request->timeout_ms;
    next.state = TXN_EMPTY;
    next.start_ms = -1;
    plan(txn, &next, 0, now_ms);
    *ret_op = TXN_WRITE;
    return KAFKA_NONE;
}

/* ---- adding, ending ------------------------------------------------------------------------ */

int16_t txn_add(struct txn *txn, int64_t producer_id, int16_t epoch,
                const struct txn_partition *partitions, size_t count, int64_t now_ms,
                enum txn_op *ret_op)
{
    *ret_op = TXN_NOTHING;
    if (producer_id < 0 || txn->data.producer_id != producer_id)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (txn->data.epoch != epoch)
        return KAFKA_PRODUCER_FENCED;
    if (txn->pending || is_prepared(txn))
        return KAFKA_CONCURRENT_TRANSACTIONS;
    size_t before = txn->data.state == TXN_ONGOING ? txn->partition_count : 0;
    partitions_cut(txn, before);
    for (size_t i = 0; i < count; i++)
        if (!has_partition(txn, partitions[i].topic, partitions[i].partition))
            partition_add(txn, partitions[i].topic, partitions[i].partition);
    if (txn->data.state == TXN_ONGOING && txn->partition_count == before)
        return KAFKA_NONE;
    struct txn_data next = txn->data;
    if (next.state != TXN_ONGOING)
        next.start_ms = now_ms;
    next.state = TXN_ONGOING;
    size_t all = txn->partition_count;
    txn->partition_count = before; /* not before it is written */
    plan(txn, &next, all, now_ms);
    *ret_op = TXN_WRITE;
    return KAFKA_NONE;
}

int16_t txn_end(struct txn *txn, int64_t producer_id, int16_t epoch, bool commit, int64_t now_ms,
                enum txn_op *ret_op)
{
    *ret_op = TXN_NOTHING;
    if (producer_id < 0 || txn->data.producer_id != producer_id)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (txn->data.epoch != epoch)
        return KAFKA_PRODUCER_FENCED;
    if (txn->pending)
        return KAFKA_CONCURRENT_TRANSACTIONS;
    switch (txn->data.state) {
    case TXN_ONGOING:
        plan_end(txn, epoch, commit, now_ms);
        *ret_op = TXN_END;
        return KAFKA_NONE;
    case TXN_COMPLETE_COMMIT:
        return commit ? KAFKA_NONE : KAFKA_INVALID_TXN_STATE;
    case TXN_COMPLETE_ABORT:
        return commit ? KAFKA_INVALID_TXN_STATE : KAFKA_NONE;
    case TXN_PREPARE_COMMIT:
        return commit ? KAFKA_CONCURRENT_TRANSACTIONS : KAFKA_INVALID_TXN_STATE;
    case TXN_PREPARE_ABORT:
        return commit ? KAFKA_INVALID_TXN_STATE : KAFKA_CONCURRENT_TRANSACTIONS;
    default:
        return KAFKA_INVALID_TXN_STATE;
    }
}

bool txn_expire(struct txn *txn, int64_t now_ms, enum txn_op *ret_op)
{
    if (txn->pending || txn->data.state != TXN_ONGOING ||
        now_ms - txn->data.start_ms <= txn->data.timeout_ms)
        return false;
    plan_end(txn, (int16_t)(txn->data.epoch + 1), false, now_ms);
    *ret_op = TXN_END;
    return true;
}

bool txn_is_idle(const struct txn *txn, int64_t since_ms)
{
    return !txn->pending && txn->data.state != TXN_ONGOING && !is_prepared(txn) &&
           txn->data.update_ms <= since_ms;
}

bool txn_resume(struct txn *txn, int64_t now_ms)
{
    if (txn->pending || !is_prepared(txn))
        return false;
    plan_end(txn, txn->data.epoch, txn->data.state == TXN_PREPARE_COMMIT, now_ms);
    return true;
}

int16_t txn_check(const struct txn *txn, int64_t producer_id, int16_t epoch, struct str topic,
                  int32_t partition)
{
    if (producer_id < 0 || txn->data.producer_id != producer_id)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (txn->data.epoch != epoch)
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (txn->pending || is_prepared(txn))
        return KAFKA_CONCURRENT_TRANSACTIONS;
    if (txn->data.state != TXN_ONGOING || !has_partition(txn, topic, partition))
        return KAFKA_INVALID_TXN_STATE;
    return KAFKA_NONE;
}

/* ---- writing ------------------------------------------------------------------------------- */

void txn_written(struct txn *txn)
{
    check(txn->pending);
    txn->pending = false;
    txn->data = txn->plan;
    if (txn->plan_partitions == 0)
        partitions_cut(txn, 0);
    else
        txn->partition_count = txn->plan_partitions;
}

void txn_failed(struct txn *txn)
{
    check(txn->pending);
    txn->pending = false;
    size_t before = txn->partition_count;
    if (txn->plan_partitions > before) {
        txn->partition_count = txn->plan_partitions;
        partitions_cut(txn, before);
    }
}

void txn_forget_partition(struct txn *txn, size_t index)
{
    check(index < txn->partition_count);
    mem_free((char *)txn->partitions[index].topic.ptr);
    txn->partition_count--;
    memmove(&txn->partitions[index], &txn->partitions[index + 1],
            (txn->partition_count - index) * sizeof *txn->partitions);
}

void txn_adopt(struct txn *txn, struct str topic, int32_t partition, int64_t now_ms)
{
    check(!txn->pending);
    if (txn->data.state != TXN_ONGOING && !is_prepared(txn)) {
        txn->data.state = TXN_ONGOING;
        txn->data.start_ms = txn->data.update_ms = now_ms;
    }
    if (!has_partition(txn, topic, partition))
        partition_add(txn, topic, partition);
}

void txn_adopt_epoch(struct txn *txn, int16_t known)
{
    check(!txn->pending);
    if (known <= txn->data.epoch)
        return;
    txn->data.epoch = known < INT16_MAX - 1 ? (int16_t)(known + 1) : known;
    txn->data.epoch_last = -1;
}

void txn_restore(struct txn *txn, const struct txn_data *data,
                 const struct txn_partition *partitions, size_t count)
{
    partitions_cut(txn, 0);
    txn->data = *data;
    txn->pending = false;
    for (size_t i = 0; i < count; i++)
        if (!has_partition(txn, partitions[i].topic, partitions[i].partition))
            partition_add(txn, partitions[i].topic, partitions[i].partition);
}
