/* SPDX-License-Identifier: MIT */
/*
 * TxnOffsetCommit: commits that count when the transaction is committed. The log keeps them pending
 * until the marker of their producer is in __consumer_offsets, which AddOffsetsToTxn made a
 * partition of the transaction.
 */
#include "serve/kafka/group_api.h"
#include "serve/kafka/txn_api.h"

static void answer_all(struct kafka_call *call, int16_t code)
{
    struct kafka_txn_offset_commit_response *response = call->response;
    for (int32_t i = 0; i < response->topics_count; i++)
        for (int32_t j = 0; j < response->topics[i].partitions_count; j++)
            if (response->topics[i].partitions[j].error_code == KAFKA_NONE)
                response->topics[i].partitions[j].error_code = code;
    kafka_answer(call);
}

static void committed(struct kafka_write *write, enum err err)
{
    answer_all(write->owner, kafka_write_code(err));
}

/* Whether some partition of the request is there: only then the group is asked, and made. */
static bool names_any(struct kafka_call *call,
                      const struct kafka_txn_offset_commit_request *request)
{
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_txn_offset_commit_request_topic *asked = &request->topics[i];
        int16_t code;
        const struct log_topic *topic = kafka_topic(
            call->broker, asked->name, call->version >= 6 ? asked->topic_id : NULL, &code);
        for (int32_t j = 0; topic && j < asked->partitions_count; j++)
            if (kafka_offset_check(topic, code, asked->partitions[j].partition_index, KAFKA_NONE,
                                   STR_NONE) == KAFKA_NONE)
                return true;
    }
    return false;
}

/* Fills one topic of the answer, and the commits that may be. */
static size_t add_topic(struct kafka_call *call, int32_t at, int16_t group_code,
                        struct log_group_offset *offsets)
{
    const struct kafka_txn_offset_commit_request *request = call->request;
    const struct kafka_txn_offset_commit_request_topic *asked = &request->topics[at];
    struct kafka_txn_offset_commit_response *response = call->response;
    int16_t topic_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    const struct log_topic *topic = kafka_topic(
        call->broker, asked->name, call->version >= 6 ? asked->topic_id : NULL, &topic_code);
    struct kafka_txn_offset_commit_response_partition *partitions = KAFKA_NEW(
        &call->arena, kafka_txn_offset_commit_response_partition, (size_t)asked->partitions_count);
    size_t count = 0;
    for (int32_t j = 0; j < asked->partitions_count; j++) {
        const struct kafka_txn_offset_commit_request_partition *one = &asked->partitions[j];
        partitions[j].partition_index = one->partition_index;
        partitions[j].error_code = kafka_offset_check(topic, topic_code, one->partition_index,
                                                      group_code, one->committed_metadata);
        if (partitions[j].error_code != KAFKA_NONE)
            continue;
        offsets[count++] = (struct log_group_offset){
            .group = request->group_id,
            .topic = arena_str(&call->arena, log_topic_name(topic)),
            .partition = one->partition_index,
            .offset = one->committed_offset,
            .leader_epoch = one->committed_leader_epoch,
            .metadata = one->committed_metadata.ptr ? one->committed_metadata : STR(""),
        };
    }
    response->topics[at].name = asked->name;
    memcpy(response->topics[at].topic_id, asked->topic_id, 16);
    response->topics[at].partitions = partitions;
    response->topics[at].partitions_count = asked->partitions_count;
    return count;
}

static int16_t check_group(struct kafka_call *call)
{
    const struct kafka_txn_offset_commit_request *request = call->request;
    int16_t code = KAFKA_INVALID_GROUP_ID;
    if (request->group_id.bytes == 0 || request->group_id.bytes > KAFKA_NAME_BYTES_MAX)
        return code;
    struct kafka_group *group = kafka_group_of_commit(
        call->broker, request->group_id, request->generation_id_or_member_epoch, &code);
    if (!group)
        return code;
    kafka_group_begin(group);
    code = group_commit(&group->group, request->member_id, request->group_instance_id,
                        request->generation_id_or_member_epoch, true, kafka_clock_ms(call->broker));
    group->commits = group->commits || code == KAFKA_NONE;
    kafka_group_settle(group);
    return code;
}

static int16_t check_txn(struct kafka_call *call)
{
    const struct kafka_txn_offset_commit_request *request = call->request;
    const struct log_partition *to = kafka_offsets_partition(call->broker);
    const struct kafka_txn *txn = kafka_txn_find(call->broker, request->transactional_id);
    if (!txn)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    return txn_check(&txn->txn, request->producer_id, request->producer_epoch,
                     log_topic_name(log_partition_topic(to)), log_partition_index(to));
}

void kafka_handle_txn_offset_commit(struct kafka_call *call)
{
    const struct kafka_txn_offset_commit_request *request = call->request;
    struct kafka_txn_offset_commit_response *response = call->response;
    size_t total = 0, count = 0;
    for (int32_t i = 0; i < request->topics_count; i++)
        total += (size_t)request->topics[i].partitions_count;
    struct log_group_offset *offsets = arena_array(&call->arena, total + 1, sizeof *offsets);
    response->topics = KAFKA_NEW(&call->arena, kafka_txn_offset_commit_response_topic,
                                 (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    int16_t code = KAFKA_NONE;
    if (names_any(call, request)) {
        code = check_txn(call);
        if (code == KAFKA_NONE)
            code = check_group(call);
    }
    for (int32_t i = 0; i < request->topics_count; i++)
        count += add_topic(call, i, code, offsets + count);
    if (count == 0) {
        kafka_answer(call);
        return;
    }
    struct kafka_write *write = kafka_write_new(call->broker, committed, call);
    enum err err = log_offset_encode_txn(call->broker->log, offsets, count, request->producer_id,
                                         request->producer_epoch, &write->batches);
    if (err != OK)
        write->batches.err = err;
    kafka_write_part(write, kafka_offsets_partition(call->broker), false);
    kafka_write_send(write);
}
