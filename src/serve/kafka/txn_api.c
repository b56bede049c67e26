/* SPDX-License-Identifier: MIT */
/*
 * What transactional producers ask: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn.
 * The rules are in txn.c, the registry and its writes in txn_registry.c, TxnOffsetCommit in
 * txn_offsets.c.
 *
 * InitProducerId on an open transaction aborts it first. Kafka then says CONCURRENT_TRANSACTIONS
 * and lets the client ask again; since the abort is one write here, the request simply goes on when
 * that is done.
 */
#include "serve/kafka/txn_api.h"

#include "base/check.h"

enum {
    FENCED_INIT = 4, /* from this version on clients know PRODUCER_FENCED */
    FENCED_ADD = 2,
    FENCED_OFFSETS = 2,
    FENCED_END = 2,
};

/* ---- InitProducerId ------------------------------------------------------------------------ */

static void init_answer(struct kafka_call *call, struct kafka_txn *txn, int16_t code)
{
    struct kafka_init_producer_id_response *response = call->response;
    response->error_code = kafka_txn_code(code, call, FENCED_INIT);
    response->producer_id = code == KAFKA_NONE ? txn->txn.data.producer_id : -1;
    response->producer_epoch = code == KAFKA_NONE ? txn->txn.data.epoch : -1;
    kafka_answer(call);
}

static void init_again(struct kafka_call *call, struct kafka_txn *txn, int16_t code)
{
    if (code == KAFKA_NONE)
        kafka_handle_init_producer_id(call);
    else
        init_answer(call, txn, code);
}

static int16_t init_check(const struct kafka_call *call,
                          const struct kafka_init_producer_id_request *request)
{
    if ((request->producer_id < 0) != (request->producer_epoch < 0))
        return KAFKA_INVALID_REQUEST;
    if (!request->transactional_id.ptr)
        return KAFKA_NONE;
    if (request->transactional_id.bytes == 0 || request->transactional_id.bytes > INT16_MAX)
        return KAFKA_INVALID_REQUEST;
    if (request->transaction_timeout_ms <= 0 ||
        request->transaction_timeout_ms > call->broker->options.transaction_timeout_ms_max)
        return KAFKA_INVALID_TRANSACTION_TIMEOUT;
    return KAFKA_NONE;
}

static void init_transactional(struct kafka_call *call,
                               const struct kafka_init_producer_id_request *request)
{
    struct kafka_txn *txn = kafka_txn_make(call->broker, request->transactional_id);
    struct txn_init_request init = {.timeout_ms = request->transaction_timeout_ms,
                                    .producer_id = request->producer_id,
                                    .epoch = request->producer_epoch};
    int64_t fresh_id = -1;
    if (txn_wants_id(&txn->txn) && !txn->txn.pending) {
        fresh_id = kafka_txn_id_take(call);
        if (fresh_id < 0)
            return;
    }
    enum txn_op op;
    int16_t code = txn_begin(&txn->txn, &init, fresh_id, kafka_now_ms(call->broker), &op);
    if (op == TXN_END)
        kafka_txn_write(txn, op, call, init_again);
    else if (op == TXN_WRITE)
        kafka_txn_write(txn, op, call, init_answer);
    else
        init_answer(call, txn, code);
}

void kafka_handle_init_producer_id(struct kafka_call *call)
{
    const struct kafka_init_producer_id_request *request = call->request;
    struct kafka_init_producer_id_response *response = call->response;
    int16_t code = init_check(call, request);
    if (code == KAFKA_NONE && request->transactional_id.ptr) {
        init_transactional(call, request);
        return;
    }
    if (code == KAFKA_NONE) {
        int64_t id = kafka_txn_id_take(call);
        if (id < 0)
            return;
        response->producer_id = id;
        response->producer_epoch = 0;
    } else {
        response->error_code = code;
        response->producer_epoch = -1;
    }
    kafka_answer(call);
}

/* ---- AddPartitionsToTxn -------------------------------------------------------------------- */

static size_t add_count(const struct kafka_add_partitions_to_txn_request *request)
{
    size_t count = 0;
    for (int32_t i = 0; i < request->v3_and_below_topics_count; i++)
        count += (size_t)request->v3_and_below_topics[i].partitions_count;
    return count;
}

/* Each partition gets code, or what stands against it there already. */
static void add_answer(struct kafka_call *call, struct kafka_txn *txn, int16_t code)
{
    struct kafka_add_partitions_to_txn_response *response = call->response;
    (void)txn;
    code = kafka_txn_code(code, call, FENCED_ADD);
    for (int32_t i = 0; i < response->results_by_topic_v3_and_below_count; i++) {
        struct kafka_add_partitions_to_txn_response_topic_result *topic =
            &response->results_by_topic_v3_and_below[i];
        for (int32_t j = 0; j < topic->results_by_partition_count; j++)
            if (topic->results_by_partition[j].partition_error_code == KAFKA_NONE)
                topic->results_by_partition[j].partition_error_code = code;
    }
    kafka_answer(call);
}

/* The answer with UNKNOWN_TOPIC_OR_PARTITION where that is so; false when there is any. */
static bool add_prepare(struct kafka_call *call, struct txn_partition *partitions)
{
    const struct kafka_add_partitions_to_txn_request *request = call->request;
    struct kafka_add_partitions_to_txn_response *response = call->response;
    int32_t topics = request->v3_and_below_topics_count;
    size_t count = 0;
    bool all = true;
    response->results_by_topic_v3_and_below =
        KAFKA_NEW(&call->arena, kafka_add_partitions_to_txn_response_topic_result, (size_t)topics);
    response->results_by_topic_v3_and_below_count = topics;
    for (int32_t i = 0; i < topics; i++) {
        const struct kafka_add_partitions_to_txn_request_topic *asked =
            &request->v3_and_below_topics[i];
        struct kafka_add_partitions_to_txn_response_partition_result *results =
            KAFKA_NEW(&call->arena, kafka_add_partitions_to_txn_response_partition_result,
                      (size_t)asked->partitions_count);
        for (int32_t j = 0; j < asked->partitions_count; j++) {
            int16_t code = KAFKA_NONE;
            results[j].partition_index = asked->partitions[j];
            kafka_partition(call->broker, asked->name, asked->partitions[j], &code);
            results[j].partition_error_code = code;
            all = all && code == KAFKA_NONE;
            partitions[count++] = (struct txn_partition){asked->name, asked->partitions[j]};
        }
        response->results_by_topic_v3_and_below[i].name = asked->name;
        response->results_by_topic_v3_and_below[i].results_by_partition = results;
        response->results_by_topic_v3_and_below[i].results_by_partition_count =
            asked->partitions_count;
    }
    return all;
}

void kafka_handle_add_partitions_to_txn(struct kafka_call *call)
{
    const struct kafka_add_partitions_to_txn_request *request = call->request;
    size_t count = add_count(request);
    struct txn_partition *partitions = arena_array(&call->arena, count + 1, sizeof *partitions);
    if (!add_prepare(call, partitions)) {
        add_answer(call, NULL, KAFKA_OPERATION_NOT_ATTEMPTED);
        return;
    }
    struct str id = request->v3_and_below_transactional_id;
    struct kafka_txn *txn = kafka_txn_find(call->broker, id);
    enum txn_op op = TXN_NOTHING;
    int16_t code = id.bytes == 0 ? KAFKA_INVALID_REQUEST : KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (txn)
        code = txn_add(&txn->txn, request->v3_and_below_producer_id,
                       request->v3_and_below_producer_epoch, partitions, count,
                       kafka_now_ms(call->broker), &op);
    if (op == TXN_WRITE)
        kafka_txn_write(txn, op, call, add_answer);
    else
        add_answer(call, txn, code);
}

/* ---- AddOffsetsToTxn ----------------------------------------------------------------------- */

static void offsets_answer(struct kafka_call *call, struct kafka_txn *txn, int16_t code)
{
    struct kafka_add_offsets_to_txn_response *response = call->response;
    (void)txn;
    response->error_code = kafka_txn_code(code, call, FENCED_OFFSETS);
    kafka_answer(call);
}

void kafka_handle_add_offsets_to_txn(struct kafka_call *call)
{
    const struct kafka_add_offsets_to_txn_request *request = call->request;
    const struct log_partition *offsets = kafka_offsets_partition(call->broker);
    struct txn_partition partition = {log_topic_name(log_partition_topic(offsets)),
                                      log_partition_index(offsets)};
    struct kafka_txn *txn = kafka_txn_find(call->broker, request->transactional_id);
    enum txn_op op = TXN_NOTHING;
    int16_t code = request->transactional_id.bytes == 0 ? KAFKA_INVALID_REQUEST
                                                        : KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (txn)
        code = txn_add(&txn->txn, request->producer_id, request->producer_epoch, &partition, 1,
                       kafka_now_ms(call->broker), &op);
    if (op == TXN_WRITE)
        kafka_txn_write(txn, op, call, offsets_answer);
    else
        offsets_answer(call, txn, code);
}

/* ---- EndTxn -------------------------------------------------------------------------------- */

static void end_answer(struct kafka_call *call, struct kafka_txn *txn, int16_t code)
{
    struct kafka_end_txn_response *response = call->response;
    (void)txn;
    response->error_code = kafka_txn_code(code, call, FENCED_END);
    kafka_answer(call);
}

void kafka_handle_end_txn(struct kafka_call *call)
{
    const struct kafka_end_txn_request *request = call->request;
    struct kafka_txn *txn = kafka_txn_find(call->broker, request->transactional_id);
    enum txn_op op = TXN_NOTHING;
    int16_t code = request->transactional_id.bytes == 0 ? KAFKA_INVALID_REQUEST
                                                        : KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (txn)
        code = txn_end(&txn->txn, request->producer_id, request->producer_epoch, request->committed,
                       kafka_now_ms(call->broker), &op);
    if (op == TXN_END)
        kafka_txn_write(txn, op, call, end_answer);
    else
        end_answer(call, txn, code);
}
