/* SPDX-License-Identifier: MIT */
/*
 * Produce: a batch for each partition goes to the log as it lies in the frame.
 *
 * What Kafka checks before it looks at a partition's state is checked by produce_check.c; the sum,
 * the keys of compacted topics and the producer's sequence are the log's.
 *
 * acks 1 and all mean the same with one replica: the log answers when the batch is as durable as
 * it was told to be. acks 0 is not answered at all; a mistake ends the connection, since there is
 * no other way to say it. The frame is borrowed by the log until it has answered, so the call is
 * pinned by each append under way, also when its time ran out and REQUEST_TIMED_OUT was said.
 *
 * When the log's queue is full, the rest of the request waits for room, and with it everything
 * behind it on the connection: batches of a producer must not overtake one another. A request whose
 * time runs out there is told REQUEST_TIMED_OUT for what the log has not got, and that never goes
 * there. With acks 0 there is nobody to tell: it waits until there is room.
 *
 * Version 13 names topics by id. Versions from 12 on would add partitions to a transaction by
 * themselves; that needs transaction.version 2, which we do not announce, so a transactional batch
 * is checked against the coordinator in every version.
 *
 * Invariants: 1. An answer is given once: by the last append, or by the sweep when time is up;
 * results are not touched after it. 2. The retry list is in the order of arrival.
 */
#include "serve/kafka/produce.h"
#include "base/endian.h"
#include "base/logline.h"
#include "serve/kafka/net.h"

enum {
    SWEEP_NS = 250 * 1000 * 1000,
    RETRY_NS = 1000 * 1000,
};

struct produce_part {
    struct log_append append;
    struct produce *produce;
    struct log_partition *partition;
    struct kafka_produce_response_partition *result;
};

struct produce {
    struct kafka_call *call;
    struct produce *next, *previous; /* of all that wait */
    struct produce *next_retry;
    int64_t due_ns; /* INT64_MAX = never */
    size_t count;
    size_t begun; /* parts that were handed to the log or refused */
    size_t under_way;
    bool held;      /* in the retry list */
    bool abandoned; /* its time ran out there: the log gets no more of it */
    bool answered;
    bool failed;
    struct produce_part *parts;
};

struct kafka_produces {
    struct kafka_broker *broker;
    struct produce *waiting;
    struct produce *retry;
    struct produce **retry_end;
    struct io_timer sweep, again;
    bool sweeping, retrying;
};

/* ---- checks ---- */

static int16_t log_code(enum err err)
{
    return err == ERR_INVALID ? KAFKA_INVALID_RECORD : kafka_code(err);
}

static int16_t check_transaction(struct kafka_call *call, const struct record_batch *batch,
                                 struct str topic, int32_t index)
{
    const struct kafka_produce_request *request = call->request;
    if (!(batch->attributes & BATCH_TRANSACTIONAL))
        return KAFKA_NONE;
    if (!request->transactional_id.ptr)
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    int16_t code = kafka_transaction_check(call->broker, request->transactional_id,
                                           batch->producer_id, batch->producer_epoch, topic, index);
    /* Later clients know a code that says what to do. */
    return code == KAFKA_INVALID_TXN_STATE && call->version > 10 ? KAFKA_TRANSACTION_ABORTABLE
                                                                 : code;
}

/* What a partition itself refuses tells where it starts, but for these, as in Kafka. */
static bool tells_start(int16_t code)
{
    return code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION && code != KAFKA_MESSAGE_TOO_LARGE &&
           code != KAFKA_RECORD_LIST_TOO_LARGE && code != KAFKA_CORRUPT_MESSAGE &&
           code != KAFKA_STORAGE_ERROR;
}

/* Whatever becomes of this batch, none behind it gets ahead of it. */
static void expect(struct log_partition *partition, const struct record_batch *batch)
{
    log_producer_expect(partition, batch->producer_id, batch->producer_epoch, batch->base_sequence);
}

/* Kafka looks at the sum before it looks at times; here the log does, last. */
static bool is_intact(const struct str *records)
{
    struct record_batch batch;
    return record_batch_parse(records->ptr, records->bytes, true, &batch) == OK;
}

static int16_t forget_records(struct kafka_produce_response_partition *result)
{
    result->record_errors_count = 0;
    result->error_message = STR_NONE;
    return KAFKA_CORRUPT_MESSAGE;
}

static int16_t check_part(struct produce_part *part, struct log_topic *topic, struct str *records)
{
    struct produce_check check = {
        .call = part->produce->call, .topic = topic, .records = *records, .result = part->result};
    int16_t code = kafka_produce_layout(&check);
    if (code == KAFKA_NONE && (check.batch.attributes & BATCH_TRANSACTIONAL))
        expect(log_topic_partition(topic, part->result->index), &check.batch);
    if (code == KAFKA_NONE)
        code =
            check_transaction(check.call, &check.batch, log_topic_name(topic), part->result->index);
    int16_t acks = ((const struct kafka_produce_request *)check.call->request)->acks;
    if (code == KAFKA_NONE && (acks < -1 || acks > 1))
        code = KAFKA_INVALID_REQUIRED_ACKS;
    else if (code == KAFKA_NONE) {
        code = kafka_produce_check(&check);
        if (code == KAFKA_INVALID_TIMESTAMP && !is_intact(records))
            code = forget_records(part->result);
        *records = check.records;
        if (code != KAFKA_NONE && tells_start(code))
            part->result->log_start_offset =
                log_partition_start(log_topic_partition(topic, part->result->index));
    }
    return code;
}

/* ---- the answer ---- */

static void unlink_waiting(struct produce *produce)
{
    struct kafka_produces *all = produce->call->broker->produces;
    *(produce->previous ? &produce->previous->next : &all->waiting) = produce->next;
    if (produce->next)
        produce->next->previous = produce->previous;
}

static void answer(struct produce *produce)
{
    if (produce->answered)
        return;
    produce->answered = true;
    unlink_waiting(produce);
    kafka_answer(produce->call);
}

/* acks=0: the only word there is for a mistake. */
static void fail_silent(struct produce *produce, int16_t code)
{
    struct kafka_call *call = produce->call;
    if (!call->no_answer || produce->failed)
        return;
    produce->failed = true;
    log_line(LOG_INFO, "kafka", "%s: Produce with acks=0 failed (%s); the connection is closed",
             call->client_host, kafka_error_name(code));
    kafka_call_abort(call, ERR_INVALID);
}

static void part_refused(struct produce_part *part, int16_t code)
{
    struct kafka_produce_response_partition *result = part->result;
    if (part->produce->answered)
        return;
    result->error_code = code;
    result->base_offset = -1;
    if (part->partition && tells_start(code))
        result->log_start_offset = log_partition_start(part->partition);
    if (code == KAFKA_INVALID_RECORD && part->partition && !result->error_message.ptr &&
        log_topic_config(log_partition_topic(part->partition)).compact)
        kafka_produce_name_keyless(part->produce->call,
                                   log_topic_name(log_partition_topic(part->partition)),
                                   str_from(part->append.batches, part->append.bytes), result);
    fail_silent(part->produce, code);
}

static void part_done(struct log_append *append)
{
    struct produce_part *part = append->owner;
    struct produce *produce = part->produce;
    struct kafka_call *call = produce->call;
    produce->under_way--;
    if (append->err != OK) {
        fail_silent(produce, log_code(append->err));
        part_refused(part, log_code(append->err));
    } else if (!produce->answered) {
        part->result->base_offset = append->base_offset;
        part->result->log_append_time_ms = append->append_time_ms;
        part->result->log_start_offset = append->log_start_offset;
    }
    if (produce->under_way == 0 && (produce->begun == produce->count || produce->abandoned))
        answer(produce);
    kafka_call_unpin(call);
}

/* ---- to the log ---- */

/* False: its queue is full, the rest has to wait. */
static bool hand_over(struct produce *produce)
{
    for (; produce->begun < produce->count; produce->begun++) {
        struct produce_part *part = &produce->parts[produce->begun];
        if (!part->partition)
            continue;
        enum err err = log_append(part->partition, &part->append);
        if (err == ERR_AGAIN)
            return false;
        if (err == OK) {
            produce->under_way++;
            kafka_call_pin(produce->call);
        } else {
            part_refused(part, log_code(err));
        }
    }
    return true;
}

static void settle(struct produce *produce)
{
    if (produce->under_way == 0 || produce->call->no_answer)
        answer(produce);
}

static void retry_later(struct kafka_produces *all, struct produce *produce)
{
    produce->held = true;
    kafka_call_hold(produce->call, true);
    *all->retry_end = produce;
    all->retry_end = &produce->next_retry;
    produce->next_retry = NULL;
    if (!all->retrying)
        io_timer_start(all->broker->loop, &all->again, RETRY_NS);
    all->retrying = true;
}

static void retry_fire(struct io_timer *timer)
{
    struct kafka_produces *all = timer->owner;
    all->retrying = false;
    while (all->retry) {
        struct produce *produce = all->retry;
        if (!produce->answered && !hand_over(produce)) {
            all->retrying = true;
            io_timer_start(all->broker->loop, timer, RETRY_NS);
            return;
        }
        all->retry = produce->next_retry;
        if (!all->retry)
            all->retry_end = &all->retry;
        produce->held = false;
        struct kafka_call *call = produce->call;
        /* Both may free the call but for the pin. */
        kafka_call_pin(call);
        settle(produce);
        kafka_call_hold(call, false);
        kafka_call_unpin(call);
    }
}

/* Time is up: what has no result yet gets one. The pins keep what the log still borrows. */
static void time_out(struct produce *produce)
{
    for (size_t i = 0; i < produce->count; i++) {
        struct kafka_produce_response_partition *result = produce->parts[i].result;
        if (result->error_code == KAFKA_NONE && result->base_offset < 0)
            result->error_code = KAFKA_REQUEST_TIMED_OUT;
    }
    answer(produce);
}

static void expect_rest(struct produce *produce)
{
    for (size_t i = produce->begun; i < produce->count; i++) {
        const struct produce_part *part = &produce->parts[i];
        struct record_batch batch;
        if (part->partition &&
            record_batch_parse(part->append.batches, part->append.bytes, false, &batch) == OK)
            expect(part->partition, &batch);
    }
}

/* The same for one in the retry list: what is behind it on the connection may go on. */
static void time_out_held(struct kafka_produces *all, struct produce *produce)
{
    struct kafka_call *call = produce->call;
    struct produce **link = &all->retry;
    while (*link != produce)
        link = &(*link)->next_retry;
    *link = produce->next_retry;
    if (!*link)
        all->retry_end = link;
    produce->held = false;
    produce->abandoned = true;
    expect_rest(produce);
    /* The answer may free the call but for the pin. */
    kafka_call_pin(call);
    time_out(produce);
    kafka_call_hold(call, false);
    kafka_call_unpin(call);
}

static void sweep_fire(struct io_timer *timer)
{
    struct kafka_produces *all = timer->owner;
    int64_t now_ns = io_loop_now_ns(all->broker->loop);
    struct produce *next;
    for (struct produce *produce = all->waiting; produce; produce = next) {
        next = produce->next;
        if (produce->due_ns > now_ns)
            continue;
        if (produce->held)
            time_out_held(all, produce);
        else
            time_out(produce);
    }
    all->sweeping = all->waiting != NULL;
    if (all->sweeping)
        io_timer_start(all->broker->loop, timer, SWEEP_NS);
}

/* ---- the request ---- */

static void part_init(struct produce_part *part, struct produce *produce, struct log_topic *topic,
                      int16_t topic_code, const struct kafka_produce_request_partition *from,
                      struct kafka_produce_response_partition *result)
{
    int16_t code = topic_code;
    struct log_partition *partition = NULL;
    struct str records = from->records;
    part->produce = produce;
    part->result = result;
    result->index = from->index;
    result->base_offset = -1;
    if (topic) {
        partition = from->index >= 0 ? log_topic_partition(topic, from->index) : NULL;
        if (!partition)
            code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        else
            code = check_part(part, topic, &records);
    }
    if (code != KAFKA_NONE) {
        part_refused(part, code);
        return;
    }
    part->partition = partition;
    part->append = (struct log_append){.batches = (const uint8_t *)records.ptr,
                                       .bytes = records.bytes,
                                       .done = part_done,
                                       .owner = part,
                                       .loop = produce->call->broker->loop};
}

static bool is_coordinators(struct str topic)
{
    return str_equal(topic, STR("__consumer_offsets")) ||
           str_equal(topic, STR("__transaction_state"));
}

static struct log_topic *topic_of(struct kafka_call *call,
                                  const struct kafka_produce_request_topic *from, int16_t *ret_code)
{
    const uint8_t *id = call->version >= 13 ? from->topic_id : NULL;
    if (call->version < call->handler->served_from)
        *ret_code = KAFKA_UNSUPPORTED_VERSION;
    else if (!id && is_coordinators(from->name))
        *ret_code = KAFKA_INVALID_TOPIC_EXCEPTION;
    else {
        struct log_topic *topic = kafka_topic(call->broker, from->name, id, ret_code);
        if (!topic || !id || !is_coordinators(log_topic_name(topic)))
            return topic;
        *ret_code = KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    return NULL;
}

/* Transactional records without the name of a transaction: all of the request is refused, as in
 * Kafka, whatever else is wrong. */
static bool lacks_name(const struct kafka_produce_request *request)
{
    enum { AT_MAGIC = 16, AT_ATTRIBUTES = 21, MAGIC = 2 };
    for (int32_t i = 0; i < request->topic_data_count && !request->transactional_id.ptr; i++)
        for (int32_t j = 0; j < request->topic_data[i].partition_data_count; j++) {
            struct str records = request->topic_data[i].partition_data[j].records;
            if (records.bytes >= RECORD_BATCH_HEADER && records.ptr[AT_MAGIC] == MAGIC &&
                (get_be16(records.ptr + AT_ATTRIBUTES) & BATCH_TRANSACTIONAL))
                return true;
        }
    return false;
}

static void parts_init(struct produce *produce)
{
    struct kafka_call *call = produce->call;
    const struct kafka_produce_request *request = call->request;
    struct kafka_produce_response *response = call->response;
    size_t at = 0;
    bool nameless = lacks_name(request);
    response->responses =
        KAFKA_NEW(&call->arena, kafka_produce_response_topic, (size_t)request->topic_data_count);
    response->responses_count = request->topic_data_count;
    for (int32_t i = 0; i < request->topic_data_count; i++) {
        const struct kafka_produce_request_topic *from = &request->topic_data[i];
        struct kafka_produce_response_topic *to = &response->responses[i];
        size_t count = (size_t)from->partition_data_count;
        int16_t code = KAFKA_NONE;
        struct log_topic *topic = topic_of(call, from, &code);
        if (nameless && code != KAFKA_UNSUPPORTED_VERSION) {
            topic = NULL;
            code = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        }
        to->name = from->name;
        memcpy(to->topic_id, from->topic_id, sizeof to->topic_id);
        to->partition_responses = KAFKA_NEW(&call->arena, kafka_produce_response_partition, count);
        to->partition_responses_count = from->partition_data_count;
        for (size_t j = 0; j < count; j++)
            part_init(&produce->parts[at++], produce, topic, code, &from->partition_data[j],
                      &to->partition_responses[j]);
    }
}

void kafka_handle_produce(struct kafka_call *call)
{
    const struct kafka_produce_request *request = call->request;
    struct kafka_produces *all = call->broker->produces;
    struct produce *produce = arena_zero(&call->arena, sizeof *produce);
    for (int32_t i = 0; i < request->topic_data_count; i++)
        produce->count += (size_t)request->topic_data[i].partition_data_count;
    produce->call = call;
    produce->parts = arena_array(&call->arena, produce->count, sizeof *produce->parts);
    produce->due_ns = INT64_MAX;
    if (request->timeout_ms > 0 && request->acks != 0)
        produce->due_ns = io_loop_now_ns(all->broker->loop) + request->timeout_ms * 1000000LL;
    call->no_answer = request->acks == 0;
    call->state = produce;
    produce->next = all->waiting;
    if (produce->next)
        produce->next->previous = produce;
    all->waiting = produce;
    parts_init(produce);
    if (!all->sweeping)
        io_timer_start(all->broker->loop, &all->sweep, SWEEP_NS);
    all->sweeping = true;
    if (all->retry || !hand_over(produce))
        retry_later(all, produce);
    else
        settle(produce);
}

void kafka_produces_new(struct kafka_broker *broker)
{
    struct kafka_produces *all = mem_zero(sizeof *all);
    all->broker = broker;
    all->retry_end = &all->retry;
    all->sweep = (struct io_timer){.fire = sweep_fire, .owner = all};
    all->again = (struct io_timer){.fire = retry_fire, .owner = all};
    broker->produces = all;
}

void kafka_produces_free(struct kafka_broker *broker)
{
    if (!broker->produces)
        return;
    io_timer_stop(broker->loop, &broker->produces->sweep);
    io_timer_stop(broker->loop, &broker->produces->again);
    mem_free(broker->produces);
    broker->produces = NULL;
}
