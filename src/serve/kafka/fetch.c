/* SPDX-License-Identifier: MIT */
/*
 * Fetch: batches from the log as they lie there.
 *
 * A call runs over the ready parts of its set (fetch_session.c) and reads from each what its limits
 * allow. With enough bytes, an error or no time to wait it is answered at once; else what was read
 * is kept, every part gets a watch behind what was read, and the call sleeps. What moves wakes it
 * at the end of that turn of the loop, once, and it goes on reading where it stopped: min_bytes is
 * exact, and nothing is read twice.
 *
 * Limits: the first batch is given whole, whatever its size (KIP-74); then a partition's limit and
 * that of the whole answer hold, and a batch that does not fit is left for the next call. Memory
 * that is short makes answers smaller.
 *
 * Runs of FILE_BYTES_MIN and more that are in a segment's file go out by sendfile; what is smaller
 * or in the log's memory is copied. What is made of it: fetch_answer.c.
 *
 * Invariants: 1. A part has a result only while a call runs on its set. 2. A waiting call has no
 * ready part that was not read.
 */
#include "serve/kafka/fetch.h"

#include "base/check.h"
#include "log/record_batch.h"

enum {
    FILE_BYTES_MIN = 64 << 10,
    ANSWER_BYTES_MAX = 55 << 20, /* fetch.max.bytes of a broker */
    SMALL_MEMORY = 64 << 10,
    PARTS_BYTES_MAX = 128 << 20,
};

/* ---- reading one part ---- */

static struct fetch_result *result_of(struct kafka_fetch_out *fetch, struct fetch_part *part)
{
    if (part->result)
        return part->result;
    struct fetch_result *result = arena_zero(&fetch->call->arena, sizeof *result);
    result->part = part;
    result->pieces_end = &result->pieces;
    part->result = result;
    *fetch->results_end = result;
    fetch->results_end = &result->next;
    return result;
}

static bool fail(struct kafka_fetch_out *fetch, struct fetch_result *result, int16_t code)
{
    if (result->slice) {
        log_slice_release(&result->slice->slice);
        mem_free(result->slice);
        result->slice = NULL;
    }
    fetch->bytes -= result->bytes;
    result->bytes = 0;
    result->pieces = NULL;
    result->pieces_end = &result->pieces;
    result->code = code;
    fetch->now = true;
    return true;
}

/* Epochs that the client has of us (KIP-320). False: the result is told. */
static bool check_epochs(struct kafka_fetch_out *fetch, struct fetch_part *part,
                         struct fetch_result *result)
{
    int32_t epoch;
    int64_t end;
    int32_t current = log_partition_epoch(part->partition);
    if (part->leader_epoch >= 0 && part->leader_epoch != current)
        return !fail(fetch, result,
                     part->leader_epoch < current ? KAFKA_FENCED_LEADER_EPOCH
                                                  : KAFKA_UNKNOWN_LEADER_EPOCH);
    if (part->last_fetched_epoch < 0)
        return true;
    enum err err = log_epoch_end(part->partition, part->last_fetched_epoch, &epoch, &end);
    if (err == ERR_NOT_FOUND)
        return !fail(fetch, result, KAFKA_OFFSET_OUT_OF_RANGE);
    if (err != OK)
        return !fail(fetch, result, kafka_code(err));
    if (epoch >= part->last_fetched_epoch && end >= part->offset)
        return true;
    result->diverging = true;
    result->diverging_epoch = epoch;
    result->diverging_end = end;
    fetch->now = true;
    return false;
}

/* A run of the file, if it is worth it. */
static bool read_file(struct kafka_fetch_out *fetch, struct fetch_part *part,
                      struct fetch_result *result, size_t limit)
{
    struct log_slice slice;
    struct log_read read;
    if (limit < FILE_BYTES_MIN || result->bytes)
        return false;
    if (log_slice_open(part->partition, part->offset, limit, fetch->set->stable, &slice, &read) !=
        OK)
        return false; /* log_read() says why */
    if (slice.bytes < FILE_BYTES_MIN || (fetch->bytes && slice.bytes > limit)) {
        log_slice_release(&slice);
        return false;
    }
    result->slice = mem_alloc(sizeof *result->slice);
    result->slice->slice = slice;
    result->full = true;
    result->read = read;
    result->read_done = true;
    result->bytes = slice.bytes;
    fetch->bytes += slice.bytes;
    return true;
}

static enum err read_memory(struct kafka_fetch_out *fetch, struct fetch_part *part,
                            struct fetch_result *result, size_t limit, size_t *ret_bytes)
{
    struct buf *out = &fetch->records;
    struct log_read read;
    size_t at = out->bytes;
    int64_t from = result->read_done ? result->read.offset_next : part->offset;
    *ret_bytes = 0;
    TRY(fetch->set->stable ? log_read_stable(part->partition, from, limit, out, &read)
                           : log_read(part->partition, from, limit, out, &read));
    size_t bytes = out->bytes - at;
    if (bytes > limit && fetch->bytes) {
        buf_truncate(out, at);
        result->full = true;
        result->unfit = limit > 0 && !result->read_done;
        return OK;
    }
    result->read = read;
    result->read_done = true;
    if (bytes) {
        struct fetch_piece *piece = arena_alloc(&fetch->call->arena, sizeof *piece);
        *piece = (struct fetch_piece){.at = at, .bytes = bytes};
        *result->pieces_end = piece;
        result->pieces_end = &piece->next;
    }
    result->bytes += bytes;
    fetch->bytes += bytes;
    *ret_bytes = bytes;
    return OK;
}

static int16_t read_code(const struct kafka_fetch_out *fetch, enum err err)
{
    if (err == ERR_CLOSED && fetch->set->by_id)
        return KAFKA_UNKNOWN_TOPIC_ID;
    if (err == ERR_LIMIT) /* no memory for a batch of that size now */
        return KAFKA_UNKNOWN_SERVER_ERROR;
    return kafka_code(err);
}

/* True: it told something new and may have more. False: nothing from here on, for now or for this
 * call. */
static bool read_part(struct kafka_fetch_out *fetch, struct fetch_part *part)
{
    struct fetch_result *result = result_of(fetch, part);
    if (result->code || result->diverging || result->full)
        return false;
    if (!part->partition)
        fetch_part_resolve(part);
    if (!part->partition)
        return fail(fetch, result, fetch_missing_code(part));
    if (!result->read_done && !check_epochs(fetch, part, result))
        return true;
    size_t limit = fetch->bytes_max - fetch->bytes, bytes = 0;
    size_t mine = part->bytes_max > 0 ? (size_t)part->bytes_max : 0;
    result->full = result->bytes > 0 && result->bytes >= mine;
    if (result->full)
        return false;
    if (mine - result->bytes < limit)
        limit = mine - result->bytes;
    if (read_file(fetch, part, result, limit))
        return true;
    enum err err = read_memory(fetch, part, result, limit, &bytes);
    if (err == ERR_CLOSED && !fetch->set->by_id && result->bytes == 0) {
        /* Deleted; another topic may have its name now. */
        fetch_part_resolve(part);
        err = part->partition ? read_memory(fetch, part, result, limit, &bytes) : ERR_CLOSED;
    }
    if (err != OK) {
        if (err == ERR_CLOSED)
            part->partition = NULL;
        return fail(fetch, result, read_code(fetch, err));
    }
    return bytes > 0;
}

/* ---- running over the set ---- */

static void watch(struct fetch_part *part)
{
    /* One that is full is ready again when the call is over. */
    if (part->watch.partition || !part->partition || (part->result && part->result->full))
        return;
    part->watch.offset = part->offset;
    if (part->result && part->result->read_done)
        part->watch.offset = part->result->read.offset_next;
    log_watch_start(part->partition, &part->watch);
}

static bool has_enough(const struct kafka_fetch_out *fetch)
{
    return fetch->now || fetch->bytes >= fetch->min_bytes || fetch->bytes >= fetch->bytes_max ||
           fetch->set->count == 0;
}

/* Each part that is ready now is looked at once; true when one had something. */
static bool pass(struct kafka_fetch_out *fetch)
{
    struct fetch_set *set = fetch->set;
    struct fetch_part *last = fetch->warm_last ? fetch->warm_last : set->ready_last;
    bool some = false;
    while (set->ready && (fetch->bytes == 0 || fetch->bytes < fetch->bytes_max)) {
        struct fetch_part *part = set->ready;
        fetch_part_unready(part);
        if (read_part(fetch, part)) {
            fetch_part_ready(part);
            some = true;
        } else if (set->id) {
            watch(part);
        }
        if (part == last)
            break;
    }
    return some;
}

static void let_go(struct kafka_fetch_out *fetch)
{
    struct fetch_set *set = fetch->set;
    fetch_wait_stop(fetch);
    fetch->finished = true;
    set->fetch = NULL;
    for (struct fetch_result *result = fetch->results; result; result = result->next) {
        result->part->result = NULL;
        /* The client may not come for what is behind it: it is told again. */
        if (set->id && (result->bytes || result->full || result->code || result->diverging))
            fetch_part_ready(result->part);
    }
    for (size_t i = 0; fetch->own_parts && i < set->count; i++)
        log_watch_stop(&fetch->own_parts[i].watch);
    if (!fetch->woken)
        return;
    struct kafka_fetch_out **link = &fetch->call->broker->sessions->woken;
    while (*link != fetch)
        link = &(*link)->next_woken;
    *link = fetch->next_woken;
    fetch->woken = false;
}

/* What has no records was looked at when the wait began: the ends are told as they are now. */
static void look_again(struct kafka_fetch_out *fetch)
{
    for (struct fetch_result *result = fetch->results; result; result = result->next) {
        const struct log_partition *partition = result->part->partition;
        if (!partition || !result->read_done || result->bytes || result->code || result->diverging)
            continue;
        result->read.log_start = log_partition_start(partition);
        result->read.stable_end = log_partition_stable_end(partition);
        result->read.high_watermark = log_partition_end(partition);
    }
}

void fetch_finish(struct kafka_fetch_out *fetch)
{
    look_again(fetch);
    let_go(fetch);
    kafka_answer(fetch->call);
}

static void gone(struct kafka_call *call)
{
    fetch_finish(call->fetch_out);
}

/* The buffer for records goes round: a call that sleeps without any holds none. */
static void records_take(struct kafka_fetch_out *fetch)
{
    struct buf *spare = &fetch->call->broker->sessions->spare;
    if (fetch->records.ptr)
        return;
    fetch->records = *spare;
    fetch->records.bytes_max = BUF_MAX_DEFAULT;
    *spare = (struct buf){0};
}

static void records_keep(struct kafka_fetch_out *fetch)
{
    size_t room = fetch->records.room;
    if (fetch->records.bytes == 0) {
        fetch_records_give(fetch);
    } else if (room > fetch->charged) {
        kafka_call_charge(fetch->call, room - fetch->charged);
        fetch->charged = room;
    }
}

void fetch_run(struct kafka_fetch_out *fetch)
{
    const struct kafka_fetch_request *request = fetch->call->request;
    bool more = true;
    if (fetch->warming)
        return;
    records_take(fetch);
    while (more) {
        if (!fetch->warmed && fetch_warm_start(fetch)) {
            records_keep(fetch);
            return;
        }
        fetch->warmed = false;
        more = pass(fetch) || fetch->warm_last;
        more = more && !has_enough(fetch);
    }
    if (has_enough(fetch) || request->max_wait_ms <= 0) {
        fetch_finish(fetch);
        return;
    }
    for (size_t i = 0; fetch->own_parts && i < fetch->set->count; i++)
        watch(&fetch->own_parts[i]);
    records_keep(fetch);
    if (!fetch->wait_at)
        fetch_wait_start(fetch, request->max_wait_ms);
}

void fetch_wake(struct kafka_fetch_out *fetch)
{
    struct kafka_fetch_sessions *sessions = fetch->call->broker->sessions;
    if (!fetch->wait_at || fetch->woken)
        return;
    fetch->woken = true;
    fetch->next_woken = sessions->woken;
    sessions->woken = fetch;
}

void fetch_run_woken(struct kafka_fetch_sessions *sessions)
{
    while (sessions->woken) {
        struct kafka_fetch_out *fetch = sessions->woken;
        sessions->woken = fetch->next_woken;
        fetch->woken = false;
        fetch_run(fetch);
    }
}

/* ---- the request ---- */

static bool own_set(struct kafka_fetch_out *fetch)
{
    struct kafka_call *call = fetch->call;
    const struct kafka_fetch_request *request = call->request;
    struct fetch_set *set = &fetch->own;
    set->broker = call->broker;
    set->by_id = call->version >= 13;
    set->stable = request->isolation_level == 1;
    for (int32_t i = 0; i < request->topics_count; i++)
        set->count += (size_t)request->topics[i].partitions_count;
    if (set->count > PARTS_BYTES_MAX / sizeof(struct fetch_part))
        return false;
    fetch->set = set;
    fetch->own_parts = arena_array(&call->arena, set->count, sizeof *fetch->own_parts);
    struct fetch_part *part = fetch->own_parts;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_fetch_request_topic *topic = &request->topics[i];
        struct log_topic *found = fetch_topic_find(set, topic->topic, topic->topic_id);
        for (int32_t j = 0; j < topic->partitions_count; j++, part++) {
            part->set = set;
            part->topic = topic->topic;
            memcpy(part->topic_id, topic->topic_id, sizeof part->topic_id);
            part->index = topic->partitions[j].partition;
            fetch_part_place(part, found);
            fetch_part_fill(part, &topic->partitions[j]);
            fetch_part_ready(part);
        }
    }
    return true;
}

static void refuse(struct kafka_call *call, int16_t code)
{
    struct kafka_fetch_response *response = call->response;
    response->error_code = code;
    /* Versions before 7 have no word for it. */
    call->close_after = call->version < 7;
    kafka_answer(call);
}

/* All that was asked for is told, in the order of the ready list, which is that of the request. */
static void results_of_all(struct kafka_fetch_out *fetch)
{
    for (struct fetch_part *part = fetch->set->ready; part; part = part->next)
        (void)result_of(fetch, part);
}

void kafka_handle_fetch(struct kafka_call *call)
{
    const struct kafka_fetch_request *request = call->request;
    struct kafka_fetch_out *fetch = arena_zero(&call->arena, sizeof *fetch);
    fetch->call = call;
    fetch->results_end = &fetch->results;
    int16_t code = fetch_session_of(call, &fetch->set, &fetch->full);
    if (code == KAFKA_NONE && !fetch->set && !own_set(fetch))
        code = KAFKA_INVALID_REQUEST;
    if (code != KAFKA_NONE) {
        refuse(call, code);
        return;
    }
    size_t left = kafka_memory_left(call->broker);
    fetch->session_id = fetch->set->id;
    fetch->set->fetch = fetch;
    fetch->min_bytes = request->min_bytes > 0 ? (size_t)request->min_bytes : 0;
    fetch->bytes_max = request->max_bytes > 0 ? (size_t)request->max_bytes : 0;
    if (fetch->bytes_max > ANSWER_BYTES_MAX)
        fetch->bytes_max = ANSWER_BYTES_MAX;
    if (fetch->bytes_max > left)
        fetch->bytes_max = left > SMALL_MEMORY ? left : SMALL_MEMORY;
    if (fetch->min_bytes > fetch->bytes_max)
        fetch->min_bytes = fetch->bytes_max;
    call->fetch_out = fetch;
    call->gone = gone;
    call->release = fetch_release;
    if (fetch->full)
        results_of_all(fetch);
    fetch_run(fetch);
}
