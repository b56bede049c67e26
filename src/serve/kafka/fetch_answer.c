/* SPDX-License-Identifier: MIT */
/*
 * The answer of a Fetch: which parts it tells, and how their records are sent.
 *
 * Records are in pieces of the call's buffer or in a segment's file, so the answer is encoded
 * without them (kafka_encode_apart), and they are put between while it is sent: pieces are copied
 * to the stream, files go by sendfile.
 *
 * Invariants: 1. An answer lists parts without records only if the whole set was asked for, or if
 * their bounds changed since the client was told. 2. A slice belongs to the result until the stream
 * has it. 3. The buffer for records goes round among the calls.
 */
#include "serve/kafka/fetch.h"

#include "base/check.h"

enum { SPARE_BYTES_MAX = 4 << 20 };

int16_t fetch_missing_code(const struct fetch_part *part)
{
    struct fetch_set *set = part->set;
    return set->by_id && !log_topic_find_id(set->broker->log, part->topic_id)
               ? KAFKA_UNKNOWN_TOPIC_ID
               : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

void fetch_records_give(struct kafka_fetch_out *fetch)
{
    struct buf *spare = &fetch->call->broker->sessions->spare;
    if (!spare->ptr && fetch->records.room <= SPARE_BYTES_MAX) {
        buf_reset(&fetch->records);
        *spare = fetch->records;
        fetch->records = (struct buf){0};
    } else {
        buf_deinit(&fetch->records);
    }
}

static bool is_told(const struct kafka_fetch_out *fetch, const struct fetch_result *result)
{
    const struct fetch_part *part = result->part;
    if (fetch->full || result->bytes || result->code || result->diverging)
        return true;
    return result->read_done && (part->told_end != result->read.high_watermark ||
                                 part->told_start != result->read.log_start);
}

/* Kafka's answer has null for a partition that is refused or whose first batch did not fit, and
 * none for one that is not there or that no room at all was left for. */
static void tell_aborted(struct kafka_fetch_out *fetch, const struct fetch_result *result,
                         struct kafka_fetch_response_partition *to)
{
    struct arena *arena = &fetch->call->arena;
    struct log_aborted *list = NULL;
    bool unread = result->code != KAFKA_NONE || result->unfit;
    if (unread ? result->part->partition != NULL : !fetch->set->stable) {
        to->aborted_transactions_count = -1;
        return;
    }
    size_t count = 0;
    if (result->bytes)
        count = log_aborted(result->part->partition, result->part->offset, result->read.offset_next,
                            arena, &list);
    to->aborted_transactions = KAFKA_NEW(arena, kafka_fetch_response_aborted_transaction, count);
    to->aborted_transactions_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        to->aborted_transactions[i].producer_id = list[i].producer_id;
        to->aborted_transactions[i].first_offset = list[i].first_offset;
    }
}

/* No bytes were left for it; that it asks for what there is not is told all the same. */
static int16_t unread_code(const struct fetch_part *part)
{
    int32_t epoch = log_partition_epoch(part->partition);
    if (part->leader_epoch >= 0 && part->leader_epoch != epoch)
        return part->leader_epoch < epoch ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
    return part->offset < log_partition_start(part->partition) ||
                   part->offset > log_partition_end(part->partition)
               ? KAFKA_OFFSET_OUT_OF_RANGE
               : KAFKA_NONE;
}

static void tell(struct kafka_fetch_out *fetch, struct fetch_result *result,
                 struct kafka_fetch_response_partition *to)
{
    struct fetch_part *part = result->part;
    if (!result->code && !part->partition)
        result->code = fetch_missing_code(part);
    else if (!result->code && !result->read_done && !result->diverging)
        result->code = unread_code(part);
    to->partition_index = part->index;
    to->error_code = result->code;
    tell_aborted(fetch, result, to);
    to->high_watermark = -1;
    if (part->partition && result->code == KAFKA_FENCED_LEADER_EPOCH &&
        fetch->call->version >= 16) {
        to->current_leader.leader_id = fetch->call->broker->options.node_id;
        to->current_leader.leader_epoch = log_partition_epoch(part->partition);
    }
    if (result->code)
        return;
    if (result->read_done) {
        to->high_watermark = result->read.high_watermark;
        to->last_stable_offset = result->read.stable_end;
        to->log_start_offset = result->read.log_start;
    } else {
        to->high_watermark = log_partition_end(part->partition);
        to->last_stable_offset = log_partition_stable_end(part->partition);
        to->log_start_offset = log_partition_start(part->partition);
    }
    part->told_end = to->high_watermark;
    part->told_start = to->log_start_offset;
    if (result->diverging) {
        to->diverging_epoch.epoch = result->diverging_epoch;
        to->diverging_epoch.end_offset = result->diverging_end;
    }
    to->records = (struct str){"", result->bytes};
}

static bool same_topic(const struct fetch_part *a, const struct fetch_part *b)
{
    return a->set->by_id ? memcmp(a->topic_id, b->topic_id, 16) == 0
                         : str_equal(a->topic, b->topic);
}

/* Drops results that are not told, and lays the others out: neighbours of one topic together. */
static void lay_out(struct kafka_fetch_out *fetch)
{
    struct kafka_fetch_response *response = fetch->call->response;
    struct fetch_result **link = &fetch->results, *before = NULL;
    size_t topics = 0, parts = 0;
    while (*link) {
        if (!is_told(fetch, *link)) {
            *link = (*link)->next;
            continue;
        }
        topics += !before || !same_topic(before->part, (*link)->part);
        parts++;
        before = *link;
        link = &before->next;
    }
    struct kafka_fetch_response_topic *topic =
        KAFKA_NEW(&fetch->call->arena, kafka_fetch_response_topic, topics);
    struct kafka_fetch_response_partition *part =
        KAFKA_NEW(&fetch->call->arena, kafka_fetch_response_partition, parts);
    response->session_id = fetch->session_id;
    response->responses = topic;
    response->responses_count = (int32_t)topics;
    before = NULL;
    for (struct fetch_result *result = fetch->results; result; result = result->next) {
        if (!before || !same_topic(before->part, result->part)) {
            topic += before != NULL;
            topic->topic = result->part->topic;
            memcpy(topic->topic_id, result->part->topic_id, sizeof topic->topic_id);
            topic->partitions = part;
        }
        tell(fetch, result, part++);
        topic->partitions_count++;
        before = result;
    }
}

static void slice_sent(void *owner)
{
    struct fetch_slice *slice = owner;
    log_slice_release(&slice->slice);
    mem_free(slice);
}

static enum err send_records(struct kafka_fetch_out *fetch, struct fetch_result *result,
                             struct io_stream *stream)
{
    for (const struct fetch_piece *piece = result->pieces; piece; piece = piece->next)
        TRY(io_stream_write(stream, fetch->records.ptr + piece->at, piece->bytes));
    struct fetch_slice *slice = result->slice;
    if (!slice)
        return OK;
    TRY(io_stream_send_file(stream, slice->slice.file, slice->slice.position, slice->slice.bytes,
                            slice_sent, slice));
    result->slice = NULL;
    return OK;
}

/* Parts of a session may be gone or told otherwise later: so this runs while the answer is given,
 * which is at once, since a Fetch has its connection for itself. */
enum err kafka_fetch_send(struct kafka_call *call, struct io_stream *stream, struct buf *scratch)
{
    struct kafka_fetch_out *fetch = call->fetch_out;
    size_t count = 0, places_count = 0, from = 0;
    lay_out(fetch);
    for (struct fetch_result *result = fetch->results; result; result = result->next)
        count++;
    size_t *places = arena_array(&call->arena, count, sizeof *places);
    size_t at = kafka_response_begin(call->api->key, call->version, call->correlation_id, scratch);
    TRY(kafka_encode_apart(call->api->response, call->version, call->response, scratch, places,
                           count, &places_count));
    check(places_count == count);
    TRY(buf_error(scratch));
    size_t bytes = scratch->bytes - at - 4 + fetch->bytes;
    if (bytes > INT32_MAX)
        return ERR_LIMIT;
    buf_patch_be32(scratch, at, (uint32_t)bytes);
    call->broker->net->bytes_out += scratch->bytes + fetch->bytes;
    size_t index = 0;
    for (struct fetch_result *result = fetch->results; result; result = result->next, index++) {
        if (result->bytes == 0)
            continue;
        TRY(io_stream_write(stream, scratch->ptr + from, places[index] - from));
        from = places[index];
        TRY(send_records(fetch, result, stream));
    }
    return io_stream_write(stream, scratch->ptr + from, scratch->bytes - from);
}

void fetch_release(struct kafka_call *call)
{
    struct kafka_fetch_out *fetch = call->fetch_out;
    for (struct fetch_result *result = fetch->results; result; result = result->next)
        if (result->slice)
            slice_sent(result->slice);
    fetch_records_give(fetch);
}
