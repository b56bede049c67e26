/* SPDX-License-Identifier: MIT */
/*
 * Transactions as administrators see them: DescribeTransactions, ListTransactions, and
 * WriteTxnMarkers, by which a transaction that hangs in a partition is ended by hand.
 */
#include "serve/kafka/txn_api.h"

#include "base/check.h"

/* ---- DescribeTransactions ------------------------------------------------------------------ */

static void describe(struct kafka_call *call, const struct txn *txn,
                     struct kafka_describe_transactions_response_transaction_state *out)
{
    size_t count = txn->partition_count;
    out->transaction_state = str_of(txn_state_name(txn->data.state));
    out->transaction_timeout_ms = txn->data.timeout_ms;
    out->transaction_start_time_ms = txn->data.start_ms;
    out->producer_id = txn->data.producer_id;
    out->producer_epoch = txn->data.epoch;
    struct kafka_describe_transactions_response_topic *topics =
        KAFKA_NEW(&call->arena, kafka_describe_transactions_response_topic, count);
    int32_t *indexes = arena_array(&call->arena, count + 1, sizeof *indexes);
    int32_t topic_count = 0;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        struct str name = txn->partitions[i].topic;
        bool seen = false;
        for (int32_t t = 0; t < topic_count; t++)
            seen = seen || str_equal(topics[t].topic, name);
        if (seen)
            continue;
        topics[topic_count].topic = arena_str(&call->arena, name);
        topics[topic_count].partitions = indexes + used;
        for (size_t j = i; j < count; j++)
            if (str_equal(txn->partitions[j].topic, name)) {
                indexes[used++] = txn->partitions[j].partition;
                topics[topic_count].partitions_count++;
            }
        topic_count++;
    }
    out->topics = topics;
    out->topics_count = topic_count;
}

void kafka_handle_describe_transactions(struct kafka_call *call)
{
    const struct kafka_describe_transactions_request *request = call->request;
    struct kafka_describe_transactions_response *response = call->response;
    int32_t count = request->transactional_ids_count;
    struct kafka_describe_transactions_response_transaction_state *states = KAFKA_NEW(
        &call->arena, kafka_describe_transactions_response_transaction_state, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        struct str id = request->transactional_ids[i];
        const struct kafka_txn *txn = kafka_txn_find(call->broker, id);
        states[i].transactional_id = id;
        if (txn)
            describe(call, &txn->txn, &states[i]);
        else
            states[i].error_code =
                id.bytes == 0 ? KAFKA_INVALID_REQUEST : KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
    }
    response->transaction_states = states;
    response->transaction_states_count = count;
    kafka_answer(call);
}

/* ---- ListTransactions ---------------------------------------------------------------------- */

static bool state_is_known(struct str name)
{
    for (int state = 0; state < TXN_STATES; state++)
        if (str_equal(name, str_of(txn_state_name((enum txn_state)state))))
            return true;
    return str_equal(name, STR("PrepareEpochFence"));
}

static bool is_asked_for(const struct kafka_list_transactions_request *request,
                         const struct txn *txn, int64_t now_ms)
{
    bool state = request->state_filters_count <= 0, id = request->producer_id_filters_count <= 0;
    for (int32_t i = 0; i < request->state_filters_count; i++)
        state =
            state || str_equal(request->state_filters[i], str_of(txn_state_name(txn->data.state)));
    for (int32_t i = 0; i < request->producer_id_filters_count; i++)
        id = id || request->producer_id_filters[i] == txn->data.producer_id;
    bool duration =
        request->duration_filter < 0 ||
        (txn->data.start_ms >= 0 && now_ms - txn->data.start_ms > request->duration_filter);
    return state && id && duration && txn->data.epoch >= 0;
}

void kafka_handle_list_transactions(struct kafka_call *call)
{
    const struct kafka_list_transactions_request *request = call->request;
    struct kafka_list_transactions_response *response = call->response;
    const struct map *map = &call->broker->txns->map;
    int64_t now_ms = kafka_now_ms(call->broker);
    struct str *unknown =
        arena_array(&call->arena, (size_t)request->state_filters_count + 1, sizeof *unknown);
    int32_t unknown_count = 0, count = 0;
    for (int32_t i = 0; i < request->state_filters_count; i++)
        if (!state_is_known(request->state_filters[i]))
            unknown[unknown_count++] = request->state_filters[i];
    struct kafka_list_transactions_response_transaction_state *states =
        KAFKA_NEW(&call->arena, kafka_list_transactions_response_transaction_state, map->count);
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(map, &at));) {
        const struct txn *txn = &((struct kafka_txn *)e->value)->txn;
        if (!is_asked_for(request, txn, now_ms))
            continue;
        states[count].transactional_id = arena_str(&call->arena, txn->id);
        states[count].producer_id = txn->data.producer_id;
        states[count].transaction_state = str_of(txn_state_name(txn->data.state));
        count++;
    }
    response->unknown_state_filters = unknown;
    response->unknown_state_filters_count = unknown_count;
    response->transaction_states = states;
    response->transaction_states_count = count;
    kafka_answer(call);
}

/* ---- WriteTxnMarkers ----------------------------------------------------------------------- */

/* While markers are being written; in the call's arena. */
struct marking {
    struct kafka_call *call;
    size_t waiting;
};
struct marking_one {
    struct marking *marking;
    int16_t *code;
};

static void marking_less(struct marking *marking)
{
    if (--marking->waiting == 0)
        kafka_answer(marking->call);
}

static void marked(struct kafka_write *write, enum err err)
{
    struct marking_one *one = write->owner;
    *one->code = err == OK ? KAFKA_NONE : kafka_code(err);
    marking_less(one->marking);
}

static void mark_partition(struct marking *marking,
                           const struct kafka_write_txn_markers_request_marker *marker,
                           struct str topic, int32_t index, int16_t *ret_code)
{
    struct kafka_call *call = marking->call;
    struct log_partition *partition = kafka_partition(call->broker, topic, index, ret_code);
    if (!partition)
        return;
    struct marking_one *one = arena_alloc(&call->arena, sizeof *one);
    *one = (struct marking_one){marking, ret_code};
    struct kafka_write *write = kafka_write_new(call->broker, marked, one);
    log_marker_encode(marker->producer_id, marker->producer_epoch, marker->transaction_result,
                      marker->coordinator_epoch, kafka_now_ms(call->broker), &write->batches);
    kafka_write_part(write, partition, true);
    marking->waiting++;
    kafka_write_send(write);
}

void kafka_handle_write_txn_markers(struct kafka_call *call)
{
    const struct kafka_write_txn_markers_request *request = call->request;
    struct kafka_write_txn_markers_response *response = call->response;
    struct marking *marking = arena_alloc(&call->arena, sizeof *marking);
    *marking = (struct marking){.call = call, .waiting = 1};
    response->markers = KAFKA_NEW(&call->arena, kafka_write_txn_markers_response_marker,
                                  (size_t)request->markers_count);
    response->markers_count = request->markers_count;
    for (int32_t m = 0; m < request->markers_count; m++) {
        const struct kafka_write_txn_markers_request_marker *marker = &request->markers[m];
        struct kafka_write_txn_markers_response_topic *topics = KAFKA_NEW(
            &call->arena, kafka_write_txn_markers_response_topic, (size_t)marker->topics_count);
        for (int32_t t = 0; t < marker->topics_count; t++) {
            const struct kafka_write_txn_markers_request_topic *topic = &marker->topics[t];
            struct kafka_write_txn_markers_response_partition *partitions =
                KAFKA_NEW(&call->arena, kafka_write_txn_markers_response_partition,
                          (size_t)topic->partition_indexes_count);
            for (int32_t p = 0; p < topic->partition_indexes_count; p++) {
                partitions[p].partition_index = topic->partition_indexes[p];
                mark_partition(marking, marker, topic->name, topic->partition_indexes[p],
                               &partitions[p].error_code);
            }
            topics[t].name = topic->name;
            topics[t].partitions = partitions;
            topics[t].partitions_count = topic->partition_indexes_count;
        }
        response->markers[m].producer_id = marker->producer_id;
        response->markers[m].topics = topics;
        response->markers[m].topics_count = marker->topics_count;
    }
    marking_less(marking);
}
