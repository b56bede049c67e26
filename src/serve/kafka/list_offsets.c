/* SPDX-License-Identifier: MIT */
/*
 * ListOffsets and OffsetForLeaderEpoch: where a partition begins and ends, and which offset a time
 * or an epoch stands for.
 *
 * Special times: -1 the end (read_committed: the last stable offset), -2 the start, -3 the record
 * with the greatest timestamp (version 7), -4 the start of what is on this disk (8), -5 the end of
 * what is in other storage (9): there is none, so unknown; -6 the first offset that is not there
 * yet uploaded (11): all is here, so the start. A time answers the first record at or after it, or
 * unknown (-1, -1), also when that record lies behind the last stable offset of a reader of
 * committed records.
 */
#include "serve/kafka/broker.h"

enum special_time {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX = -3,
    TIME_EARLIEST_LOCAL = -4,
    TIME_LATEST_TIERED = -5,
    TIME_EARLIEST_PENDING = -6,
};

/* The lowest version that knows the time; INT16_MAX = none does. */
static int16_t version_of_time(int64_t time)
{
    switch (time) {
    case TIME_MAX:
        return 7;
    case TIME_EARLIEST_LOCAL:
        return 8;
    case TIME_LATEST_TIERED:
        return 9;
    case TIME_EARLIEST_PENDING:
        return 11;
    default:
        return time < TIME_EARLIEST_PENDING ? INT16_MAX : 0;
    }
}

static int16_t check_epoch(struct log_partition *partition, int32_t epoch)
{
    int32_t current = log_partition_epoch(partition);
    if (epoch < 0 || epoch == current)
        return KAFKA_NONE;
    return epoch < current ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}

static enum err by_time(struct log_partition *partition, int64_t time, bool stable,
                        struct kafka_list_offsets_response_partition *to)
{
    int64_t offset = -1, timestamp = -1;
    enum err err = time == TIME_MAX ? log_offset_of_max_time(partition, &offset, &timestamp)
                                    : log_offset_for_time(partition, time, &offset, &timestamp);
    TRY(err);
    if (offset >= 0 && stable && offset >= log_partition_stable_end(partition))
        return OK;
    to->offset = offset;
    to->timestamp = timestamp;
    return OK;
}

static int16_t look_up(struct kafka_call *call, struct str topic,
                       const struct kafka_list_offsets_request_partition *from,
                       struct kafka_list_offsets_response_partition *to)
{
    const struct kafka_list_offsets_request *request = call->request;
    bool stable = request->isolation_level == 1;
    int16_t code = KAFKA_NONE;
    if (call->version < version_of_time(from->timestamp))
        return KAFKA_UNSUPPORTED_VERSION;
    struct log_partition *partition =
        kafka_partition(call->broker, topic, from->partition_index, &code);
    if (!partition)
        return code;
    code = check_epoch(partition, from->current_leader_epoch);
    if (code != KAFKA_NONE)
        return code;
    enum err err = OK;
    switch (from->timestamp) {
    case TIME_LATEST:
        to->offset = stable ? log_partition_stable_end(partition) : log_partition_end(partition);
        break;
    case TIME_EARLIEST:
    case TIME_EARLIEST_LOCAL:
    case TIME_EARLIEST_PENDING:
        to->offset = log_partition_start(partition);
        break;
    case TIME_LATEST_TIERED:
        break;
    default:
        err = by_time(partition, from->timestamp, stable, to);
        break;
    }
    if (err != OK)
        return kafka_code(err);
    if (to->offset >= 0 && call->version >= 4)
        to->leader_epoch = log_partition_epoch(partition);
    return KAFKA_NONE;
}

void kafka_handle_list_offsets(struct kafka_call *call)
{
    const struct kafka_list_offsets_request *request = call->request;
    struct kafka_list_offsets_response *response = call->response;
    struct arena *arena = &call->arena;
    response->topics =
        KAFKA_NEW(arena, kafka_list_offsets_response_topic, (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_list_offsets_request_topic *from = &request->topics[i];
        struct kafka_list_offsets_response_topic *to = &response->topics[i];
        to->name = from->name;
        to->partitions =
            KAFKA_NEW(arena, kafka_list_offsets_response_partition, (size_t)from->partitions_count);
        to->partitions_count = from->partitions_count;
        for (int32_t j = 0; j < from->partitions_count; j++) {
            to->partitions[j].partition_index = from->partitions[j].partition_index;
            to->partitions[j].error_code =
                look_up(call, from->name, &from->partitions[j], &to->partitions[j]);
        }
    }
    kafka_answer(call);
}

/* ---- OffsetForLeaderEpoch ---- */

static int16_t look_up_epoch(struct kafka_call *call, struct str topic,
                             const struct kafka_offset_for_leader_epoch_request_partition *from,
                             struct kafka_offset_for_leader_epoch_response_partition *to)
{
    int16_t code = KAFKA_NONE;
    struct log_partition *partition = kafka_partition(call->broker, topic, from->partition, &code);
    if (!partition)
        return code;
    code = check_epoch(partition, from->current_leader_epoch);
    if (code != KAFKA_NONE)
        return code;
    int32_t epoch;
    int64_t end;
    enum err err = log_epoch_end(partition, from->leader_epoch, &epoch, &end);
    if (err == ERR_NOT_FOUND)
        return KAFKA_NONE; /* -1, -1: we know nothing of it */
    if (err != OK)
        return kafka_code(err);
    to->leader_epoch = epoch;
    to->end_offset = end;
    return KAFKA_NONE;
}

void kafka_handle_offset_for_leader_epoch(struct kafka_call *call)
{
    const struct kafka_offset_for_leader_epoch_request *request = call->request;
    struct kafka_offset_for_leader_epoch_response *response = call->response;
    struct arena *arena = &call->arena;
    response->topics = KAFKA_NEW(arena, kafka_offset_for_leader_epoch_response_topic,
                                 (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_offset_for_leader_epoch_request_topic *from = &request->topics[i];
        struct kafka_offset_for_leader_epoch_response_topic *to = &response->topics[i];
        to->topic = from->topic;
        to->partitions = KAFKA_NEW(arena, kafka_offset_for_leader_epoch_response_partition,
                                   (size_t)from->partitions_count);
        to->partitions_count = from->partitions_count;
        for (int32_t j = 0; j < from->partitions_count; j++) {
            to->partitions[j].partition = from->partitions[j].partition;
            to->partitions[j].error_code =
                look_up_epoch(call, from->topic, &from->partitions[j], &to->partitions[j]);
        }
    }
    kafka_answer(call);
}
