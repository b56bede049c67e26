/* SPDX-License-Identifier: MIT */
/*
 * What Kafka checks of a batch before it looks at a partition's state, and in what form a topic
 * wants it.
 *
 * The header says nearly all. Records are looked at only where the topic asks for it: when it
 * refuses old ones, when it stores another codec than the producer chose, and to tell which of them
 * a refusal is about. The greatest timestamp is believed (Kafka reads every record for it).
 *
 * compression.type other than "producer": the records are inflated and compressed again, in this
 * thread, at the library's usual level. Records have no word of the codec, so they need not be made
 * anew; the header has, and its sum. A batch that says LogAppendTime of itself is, in a topic
 * of CreateTime, stored without that word, as in Kafka.
 *
 * The texts are those of Kafka 4.3, where they reach the client.
 */
#include "serve/kafka/produce.h"

#include "base/crc32c.h"
#include "base/endian.h"

#include <inttypes.h>

enum {
    RECORDS_BYTES_MAX = 256 << 20,
    RECORD_ERRORS_MAX = 1000,
    SHOWN = 3, /* record errors in the text for the whole batch */
};

#define RESULT struct kafka_produce_response_partition
#define RECORD_ERROR struct kafka_produce_response_record_error

/* ---- the records that a refusal is about ---- */

struct walk {
    struct kafka_call *call;
    struct str topic;
    int32_t partition;
    RECORD_ERROR *errors;
    int32_t count;
    int32_t keyless; /* of them */
};

static void name_record(struct walk *walk, int32_t index, struct str why)
{
    walk->errors[walk->count].batch_index = index;
    walk->errors[walk->count++].batch_index_error_message = why;
}

/* why says what is wrong with a record, or nothing. ERR_CORRUPT: the batch cannot be read. */
static enum err walk_records(struct walk *walk, const struct record_batch *batch,
                             struct str (*why)(struct walk *walk, const struct record *record,
                                               const void *rule),
                             const void *rule)
{
    struct record_iterator it;
    struct record record;
    int32_t room = batch->count < RECORD_ERRORS_MAX ? batch->count : RECORD_ERRORS_MAX;
    TRY(record_iterator_init(&it, batch, RECORDS_BYTES_MAX));
    walk->errors = KAFKA_NEW(&walk->call->arena, kafka_produce_response_record_error, (size_t)room);
    for (int32_t index = 0; walk->count < room && record_iterator_next(&it, &record); index++) {
        struct str text = why(walk, &record, rule);
        if (text.ptr)
            name_record(walk, index, text);
    }
    enum err err = it.reader.err;
    record_iterator_deinit(&it);
    return err;
}

static struct str text_of(struct kafka_call *call, struct buf *text)
{
    struct str s = arena_str(&call->arena, buf_str(text));
    buf_deinit(text);
    return s;
}

/* Versions below 8 have no room for more than the code. */
static void give(const struct walk *walk, struct str text, RESULT *result)
{
    if (walk->count == 0 || walk->call->version < 8)
        return;
    result->record_errors = walk->errors;
    result->record_errors_count = walk->count;
    result->error_message = text;
}

static struct str no_key(struct walk *walk, const struct record *record, const void *rule)
{
    (void)rule;
    if (record->key.ptr)
        return STR_NONE;
    walk->keyless++;
    struct buf text = {0};
    buf_printf(&text,
               "Compacted topic cannot accept message without key in topic partition %.*s-%" PRId32,
               STR_ARG(walk->topic), walk->partition);
    return text_of(walk->call, &text);
}

static void give_keyless(const struct walk *walk, RESULT *result)
{
    struct buf text = {0};
    buf_printf(&text,
               "One or more records have been rejected due to %" PRId32
               " record errors in total, and only showing the first three errors at most: [",
               walk->count);
    for (int32_t i = 0; i < walk->count && i < SHOWN; i++)
        buf_printf(&text, "%sRecordError(batchIndex=%" PRId32 ", message='%.*s')", i ? ", " : "",
                   walk->errors[i].batch_index, STR_ARG(walk->errors[i].batch_index_error_message));
    buf_text(&text, "]");
    give(walk, text_of(walk->call, &text), result);
}

void kafka_produce_name_keyless(struct kafka_call *call, struct str topic, struct str records,
                                RESULT *result)
{
    struct walk walk = {.call = call, .topic = topic, .partition = result->index};
    struct record_batch batch;
    if (record_batch_parse(records.ptr, records.bytes, false, &batch) == OK &&
        walk_records(&walk, &batch, no_key, NULL) == OK)
        give_keyless(&walk, result);
}

/* ---- timestamps ---- */

struct times {
    int64_t now_ms, before_ms, after_ms;
    bool keys; /* a record without a key is told first */
};

static bool out_of_range(int64_t timestamp_ms, const struct times *times)
{
    if (timestamp_ms == -1)
        return false; /* it has none */
    if (timestamp_ms > times->now_ms)
        return timestamp_ms - times->now_ms > times->after_ms;
    return (uint64_t)times->now_ms - (uint64_t)timestamp_ms > (uint64_t)times->before_ms;
}

static struct str bad_time(struct walk *walk, const struct record *record, const void *rule)
{
    const struct times *times = rule;
    if (times->keys && !record->key.ptr)
        return no_key(walk, record, NULL);
    if (!out_of_range(record->timestamp_ms, times))
        return STR_NONE;
    struct buf text = {0};
    buf_printf(&text,
               "Timestamp %" PRId64 " of message with offset %" PRId64
               " is out of range. The timestamp should be within [%" PRId64 ", %" PRId64 "]",
               record->timestamp_ms, record->offset, times->now_ms - times->before_ms,
               (int64_t)((uint64_t)times->now_ms + (uint64_t)times->after_ms));
    return text_of(walk->call, &text);
}

static struct str bad_type(struct walk *walk, const struct record *record, const void *rule)
{
    (void)walk, (void)record, (void)rule;
    return STR("Invalid timestamp type in message. Producer should not set timestamp type to "
               "LogAppendTime.");
}

static int16_t check_times(const struct produce_check *check, const struct log_topic_config *config)
{
    const struct record_batch *batch = &check->batch;
    struct walk walk = {.call = check->call,
                        .topic = log_topic_name(check->topic),
                        .partition = check->result->index};
    struct times times = {kafka_now_ms(check->call->broker), config->time_before_max_ms,
                          config->time_after_max_ms, config->compact};
    bool bad = config->log_append_time && batch->attributes & BATCH_LOG_APPEND_TIME;
    if (config->log_append_time && !bad)
        return KAFKA_NONE;
    if (!bad) {
        bad = out_of_range(batch->max_timestamp, &times);
        if (!bad && times.before_ms == INT64_MAX)
            return KAFKA_NONE;
    }
    if (walk_records(&walk, batch, config->log_append_time ? bad_type : bad_time, &times) != OK)
        return KAFKA_INVALID_RECORD;
    if (!bad && walk.count == 0)
        return KAFKA_NONE;
    if (walk.count > 0 && walk.count == walk.keyless) {
        give_keyless(&walk, check->result);
        return KAFKA_INVALID_RECORD;
    }
    give(&walk, STR("One or more records have been rejected due to invalid timestamp"),
         check->result);
    return KAFKA_INVALID_TIMESTAMP;
}

/* ---- the header ---- */

static int16_t reject(RESULT *result, const char *why)
{
    result->error_message = str_of(why);
    return KAFKA_INVALID_RECORD;
}

/* Exactly one batch, of magic 2. */
static int16_t check_layout(struct str batch, RESULT *result, struct record_batch *ret_batch)
{
    if (batch.bytes < 17)
        return reject(result, "Produce requests must have at least one record batch");
    int64_t length = (int32_t)get_be32(batch.ptr + 8);
    if ((uint8_t)batch.ptr[16] > RECORD_BATCH_MAGIC)
        return KAFKA_CORRUPT_MESSAGE;
    if (batch.ptr[16] != RECORD_BATCH_MAGIC)
        return reject(result, "Produce requests are only allowed to contain record batches with "
                              "magic version 2");
    if (length < RECORD_BATCH_HEADER - 12)
        return KAFKA_CORRUPT_MESSAGE;
    if ((uint64_t)length + 12 > batch.bytes)
        return reject(result, "Produce requests must have at least one record batch");
    if ((uint64_t)length + 12 < batch.bytes)
        return reject(result, "Produce requests are only allowed to contain exactly one record "
                              "batch");
    return record_batch_parse(batch.ptr, batch.bytes, false, ret_batch) == OK
               ? KAFKA_NONE
               : reject(result, "Record batch has an inconsistent count of records");
}

static int16_t check_sizes(const struct log_topic_config *config, size_t bytes)
{
    if (config->message_bytes_max > 0 && bytes > (size_t)config->message_bytes_max)
        return KAFKA_MESSAGE_TOO_LARGE;
    if (config->segment_bytes > 0 && (int64_t)bytes > config->segment_bytes)
        return KAFKA_RECORD_LIST_TOO_LARGE;
    return KAFKA_NONE;
}

/* Records that are not compressed are counted by their lengths: one that cannot be read would stop
 * every consumer there. What is in them, and in compressed batches, is the producer's affair. */
static bool is_countable(const struct record_batch *batch)
{
    struct reader r =
        reader_of(batch->bytes + RECORD_BATCH_HEADER, batch->bytes_count - RECORD_BATCH_HEADER);
    if (record_batch_codec(batch) != CODEC_NONE)
        return true;
    for (int32_t i = 0; i < batch->count && r.err == OK; i++) {
        int64_t bytes = reader_varint(&r, 32);
        if (bytes < 0)
            return false;
        (void)reader_take(&r, (size_t)bytes);
    }
    return r.err == OK && r.left == 0;
}

static int16_t check_header(const struct produce_check *check,
                            const struct log_topic_config *config)
{
    const struct record_batch *batch = &check->batch;
    unsigned codec = (unsigned)batch->attributes & BATCH_CODEC_MASK;
    if (codec > CODEC_ZSTD || (codec == CODEC_ZSTD && check->call->version < 7))
        return KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    if (batch->base_offset != 0)
        return reject(check->result, "The base offset of a produced record batch should be 0");
    if (batch->attributes & BATCH_CONTROL)
        return reject(check->result, "Clients are not allowed to write control records");
    if (batch->count < 1 || batch->last_offset_delta != batch->count - 1)
        return reject(check->result, "Record batch has an inconsistent count of records");
    if (batch->producer_id >= 0 && (batch->base_sequence < 0 || batch->producer_epoch < 0))
        return reject(check->result, "Invalid sequence number in record batch with producerId");
    int16_t code = check_sizes(config, batch->bytes_count);
    return code == KAFKA_NONE && !is_countable(batch) ? KAFKA_INVALID_RECORD : code;
}

/* ---- the form that the topic wants ---- */

/* The batch once more, with the records as they are to be stored. */
static enum err build(struct kafka_call *call, const struct record_batch *batch, int16_t attributes,
                      struct str records, struct str *ret_batch)
{
    CLEAN(buf_deinit) struct buf out = {0};
    buf_append(&out, batch->bytes, RECORD_BATCH_HEADER);
    TRY(compress_bytes((enum codec)(attributes & BATCH_CODEC_MASK), records.ptr, records.bytes,
                       &out));
    TRY(buf_error(&out));
    if (out.bytes > INT32_MAX || out.bytes > kafka_memory_left(call->broker))
        return ERR_LIMIT;
    put_be32(out.ptr + 8, (uint32_t)out.bytes - 12);
    put_be16(out.ptr + 21, (uint16_t)attributes);
    put_be32(out.ptr + 17, crc32c(0, out.ptr + 21, out.bytes - 21));
    kafka_call_charge(call, out.bytes);
    *ret_batch = arena_str(&call->arena, buf_str(&out));
    return OK;
}

static enum err store_as(struct kafka_call *call, const struct record_batch *batch,
                         int16_t attributes, struct str *ret_batch)
{
    struct record_batch checked;
    struct record_iterator it;
    struct record record;
    TRY(record_batch_parse(batch->bytes, batch->bytes_count, true, &checked));
    enum err err = record_iterator_init(&it, batch, RECORDS_BYTES_MAX);
    if (err != OK)
        return err == ERR_LIMIT ? err : ERR_INVALID;
    struct str records = str_from(it.reader.ptr, it.reader.left);
    while (record_iterator_next(&it, &record))
        ;
    err = it.reader.err == OK ? OK : ERR_INVALID;
    if (err == OK)
        err = build(call, batch, attributes, records, ret_batch);
    record_iterator_deinit(&it);
    return err;
}

static int16_t check_form(struct produce_check *check, const struct log_topic_config *config)
{
    const struct record_batch *batch = &check->batch;
    int attributes = batch->attributes;
    if (config->recompress)
        attributes = (attributes & ~BATCH_CODEC_MASK) | (int)config->compression;
    if (!config->log_append_time)
        attributes &= ~BATCH_LOG_APPEND_TIME;
    if (attributes == batch->attributes)
        return KAFKA_NONE;
    enum err err = store_as(check->call, batch, (int16_t)attributes, &check->records);
    if (err == ERR_LIMIT)
        return KAFKA_MESSAGE_TOO_LARGE;
    if (err == ERR_INVALID)
        return KAFKA_INVALID_RECORD;
    return err == OK ? check_sizes(config, check->records.bytes) : KAFKA_CORRUPT_MESSAGE;
}

int16_t kafka_produce_layout(struct produce_check *check)
{
    return check_layout(check->records, check->result, &check->batch);
}

int16_t kafka_produce_check(struct produce_check *check)
{
    struct log_topic_config config = log_topic_config(check->topic);
    int16_t code = check_header(check, &config);
    if (code == KAFKA_NONE)
        code = check_times(check, &config);
    return code == KAFKA_NONE ? check_form(check, &config) : code;
}
