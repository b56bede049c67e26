/* SPDX-License-Identifier: MIT */
/*
 * Records to appends.
 *
 * Each partition gathers records in a batch builder; a flush draws a line under what was put so far
 * in all of them. All flushes of one loop turn leave in one append at the next, so that a thousand
 * small requests of a turn cost one batch and one place in the group commit. Invariants:
 *  1. What lies in front of the last line is flushed and will be appended; what lies behind it can
 *     be discarded. A discard cuts the builders back to the line.
 *  2. No batch crosses the line when the records behind it grow large: the part in front is closed
 *     first (partition_split), so that a discard never has to open a closed batch.
 *  3. A position stands in the last record of every batch, and a batch is only closed at a line or,
 *     within a flush that is larger than a batch, with the position that was durable before. So the
 *     newest position in the topic never promises more than is there.
 *  4. Bytes put and not durable are in flight. feed_put() says ERR_AGAIN over the bound, but never
 *     when nothing was flushed: one flush larger than the bound still goes through.
 */
#include "connect/feed_private.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/reader.h"

#include <stdio.h>

enum {
    BATCH_BYTES = 1 << 20, /* a builder is closed over it */
    RETRY_NS = 2000000,    /* the log's queue is full: again after that long */
};

struct feed_partition {
    struct record_batch_builder builder;
    size_t last_at; /* of the last record in builder.records */
    int64_t last_time_ms;
    struct buf closed; /* whole batches */
    /* at the line */
    size_t mark_bytes;
    int32_t mark_count;
    int64_t mark_base_ms, mark_max_ms;
    size_t mark_last_at;
    int64_t mark_last_ms;
    size_t mark_closed;
};

/* One append on its way. */
struct feed_append {
    struct feed *feed;
    struct log_append_group group;
    struct log_append *parts;
    struct log_append **part_list;
    struct buf *bytes; /* of each part */
    struct feed_flush *flushes;
    size_t in_flight;
    uint64_t records;
};

struct feed {
    struct log *log;
    struct log_topic *topic;
    struct io_loop *loop;
    char *source_name;
    size_t in_flight_max;
    size_t record_max; /* the topic's bound of a batch */
    struct feed_partition *partitions;
    int32_t partition_count;
    uint32_t round_robin;
    struct feed_flush *flushes, **flushes_end;
    uint64_t put_records, flushed_records; /* behind and in front of the line */
    size_t put_bytes, flushed_bytes;
    size_t in_flight; /* flushed and not durable */
    size_t appends;
    struct buf header; /* "SEQUENCE SOURCE POSITION" of the last line; empty = none */
    uint64_t sequence;
    bool sequence_known;
    struct io_timer gather; /* to the next turn */
    struct io_timer retry;
    struct feed_repeats *repeats;
    bool repeats_stale;
    void (*resumed)(void *owner);
    void *resumed_owner;
    bool refused; /* somebody got ERR_AGAIN */
    bool dead;
    struct feed_counters counters;
    struct buf scratch;
};

static size_t batch_bytes_max(const struct feed *feed)
{
    struct log_topic_config config = log_topic_config(feed->topic);
    return config.message_bytes_max ? (size_t)config.message_bytes_max : 16u << 20;
}

enum err feed_new(struct log *log, struct log_topic *topic, struct io_loop *loop,
                  struct str source_name, size_t in_flight_bytes_max, struct feed **ret_feed)
{
    struct feed *feed = mem_zero(sizeof *feed);
    feed->log = log;
    feed->topic = topic;
    feed->loop = loop;
    feed->source_name = str_dup(source_name);
    for (char *c = feed->source_name; *c; c++)
        *c = *c == ' ' ? '_' : *c;
    feed->in_flight_max = in_flight_bytes_max ? in_flight_bytes_max : 32u << 20;
    feed->record_max = batch_bytes_max(feed);
    feed->partition_count = log_topic_partitions(topic);
    feed->partitions = mem_zero((size_t)feed->partition_count * sizeof *feed->partitions);
    struct log_topic_config config = log_topic_config(topic);
    for (int32_t i = 0; i < feed->partition_count; i++)
        record_batch_builder_init(&feed->partitions[i].builder, config.compression, 0);
    feed->flushes_end = &feed->flushes;
    *ret_feed = feed;
    return OK;
}

static void feed_destroy(struct feed *feed)
{
    for (int32_t i = 0; i < feed->partition_count; i++) {
        record_batch_builder_deinit(&feed->partitions[i].builder);
        buf_deinit(&feed->partitions[i].closed);
    }
    mem_free(feed->partitions);
    feed_repeats_free(feed->repeats);
    buf_deinit(&feed->header);
    buf_deinit(&feed->scratch);
    mem_free(feed->source_name);
    mem_free(feed);
}

static void feed_append_all(struct feed *feed);

void feed_free(struct feed *feed)
{
    if (!feed)
        return;
    feed_discard(feed);
    feed->dead = true;
    if (feed->appends == 0 && !feed->flushes)
        feed_destroy(feed);
}

/* ---- batches ---- */

/* Encodes the last record again, with the position of the line. */
static void partition_add_position(struct feed *feed, struct feed_partition *p)
{
    struct record_batch_builder *b = &p->builder;
    buf_reset(&feed->scratch);
    buf_append(&feed->scratch, b->records.ptr + p->last_at, b->records.bytes - p->last_at);
    struct reader r = reader_of(feed->scratch.ptr, feed->scratch.bytes);
    (void)reader_varint(&r, 32); /* length */
    (void)reader_u8(&r);
    (void)reader_varint(&r, 64); /* time */
    (void)reader_varint(&r, 32); /* offset */
    int64_t key_bytes = reader_varint(&r, 32);
    struct str key = key_bytes < 0 ? STR_NONE : reader_str(&r, (size_t)key_bytes);
    int64_t value_bytes = reader_varint(&r, 32);
    struct str value = value_bytes < 0 ? STR_NONE : reader_str(&r, (size_t)value_bytes);
    check(r.err == OK);
    buf_truncate(&b->records, p->last_at);
    b->count--;
    struct record_header header = {STR(FEED_POSITION_HEADER), buf_str(&feed->header)};
    record_batch_builder_add(b, p->last_time_ms, key, value, &header, 1);
}

/* Closes the batch at the end of what the builder holds. */
static void partition_close(struct feed *feed, struct feed_partition *p)
{
    if (p->builder.count == 0)
        return;
    if (feed->header.bytes)
        partition_add_position(feed, p);
    /* Only a size over 2 GiB can fail, and feed_put() keeps builders small. */
    check(record_batch_builder_finish(&p->builder, &p->closed) == OK);
}

static void partition_mark(struct feed_partition *p)
{
    p->mark_bytes = p->builder.records.bytes;
    p->mark_count = p->builder.count;
    p->mark_base_ms = p->builder.base_timestamp;
    p->mark_max_ms = p->builder.max_timestamp;
    p->mark_last_at = p->last_at;
    p->mark_last_ms = p->last_time_ms;
    p->mark_closed = p->closed.bytes;
}

static void partition_back_to_mark(struct feed_partition *p)
{
    buf_truncate(&p->closed, p->mark_closed);
    buf_truncate(&p->builder.records, p->mark_bytes);
    p->builder.count = p->mark_count;
    p->builder.base_timestamp = p->mark_base_ms;
    p->builder.max_timestamp = p->mark_max_ms;
    p->last_at = p->mark_last_at;
    p->last_time_ms = p->mark_last_ms;
}

/* Closes what lies in front of the line; what lies behind it goes on in a new batch. */
static void partition_split(struct feed *feed, struct feed_partition *p)
{
    struct buf tail = {0};
    int64_t base_ms = p->builder.base_timestamp;
    buf_append(&tail, p->builder.records.ptr + p->mark_bytes,
               p->builder.records.bytes - p->mark_bytes);
    partition_back_to_mark(p);
    partition_close(feed, p);
    partition_mark(p);
    p->mark_bytes = p->mark_last_at = 0;
    p->mark_count = 0;
    struct reader r = reader_of(tail.ptr, tail.bytes);
    while (r.left) {
        (void)reader_varint(&r, 32);
        (void)reader_u8(&r);
        int64_t time_ms = base_ms + reader_varint(&r, 64);
        (void)reader_varint(&r, 32);
        int64_t key_bytes = reader_varint(&r, 32);
        struct str key = key_bytes < 0 ? STR_NONE : reader_str(&r, (size_t)key_bytes);
        int64_t value_bytes = reader_varint(&r, 32);
        struct str value = value_bytes < 0 ? STR_NONE : reader_str(&r, (size_t)value_bytes);
        (void)reader_varint(&r, 32); /* no headers */
        check(r.err == OK);
        p->last_at = p->builder.records.bytes;
        p->last_time_ms = time_ms;
        record_batch_builder_add(&p->builder, time_ms, key, value, NULL, 0);
    }
    buf_deinit(&tail);
}

/* ---- putting ---- */

static struct feed_partition *partition_for(struct feed *feed, struct str key)
{
    uint32_t number = key.ptr ? hash_kafka(key.ptr, key.bytes) & 0x7FFFFFFF : feed->round_robin++;
    return &feed->partitions[number % (uint32_t)feed->partition_count];
}

/* After a failed append the set holds records that are not in the topic. */
static enum err repeats_renew(struct feed *feed)
{
    if (!feed->repeats_stale || feed->in_flight || feed->put_records || feed->flushed_records)
        return OK;
    feed_repeats_free(feed->repeats);
    feed->repeats = feed_repeats_new();
    feed->repeats_stale = false;
    return feed_repeats_load(feed->repeats, feed->topic);
}

enum err feed_leave_out_repeated(struct feed *feed)
{
    if (!feed->repeats)
        feed->repeats = feed_repeats_new();
    return feed_repeats_load(feed->repeats, feed->topic);
}

enum err feed_put(struct feed *feed, int64_t timestamp_ms, struct str key, struct str value)
{
    size_t bytes = key.bytes + value.bytes + 32;
    size_t record_max = feed->record_max;
    if (bytes + RECORD_BATCH_HEADER + feed->header.bytes + 512 > record_max)
        return ERR_LIMIT;
    if ((feed->in_flight || feed->flushed_bytes) &&
        feed->in_flight + feed->flushed_bytes + feed->put_bytes + bytes > feed->in_flight_max) {
        feed->refused = true;
        return ERR_AGAIN;
    }
    if (feed->repeats && key.ptr) {
        TRY(repeats_renew(feed));
        if (!feed->repeats_stale && feed_repeats_seen(feed->repeats, key, value)) {
            feed->counters.fetched++;
            feed->counters.repeated++;
            return OK;
        }
    }
    struct feed_partition *p = partition_for(feed, key);
    size_t limit = record_max / 2 < BATCH_BYTES ? record_max / 2 : BATCH_BYTES;
    if (p->builder.count && p->builder.records.bytes + bytes > limit) {
        if (p->mark_count)
            partition_split(feed, p);
        if (p->builder.count && p->builder.records.bytes + bytes > limit)
            partition_close(feed, p);
    }
    if (timestamp_ms < 0)
        timestamp_ms = io_wall_us(io_loop_io(feed->loop)) / 1000;
    p->last_at = p->builder.records.bytes;
    p->last_time_ms = timestamp_ms;
    record_batch_builder_add(&p->builder, timestamp_ms, key, value, NULL, 0);
    feed->put_bytes += bytes;
    feed->put_records++;
    feed->counters.fetched++;
    feed->counters.bytes += key.bytes + value.bytes;
    return OK;
}

void feed_discard(struct feed *feed)
{
    if (feed->put_records == 0)
        return;
    for (int32_t i = 0; i < feed->partition_count; i++)
        partition_back_to_mark(&feed->partitions[i]);
    feed->counters.fetched -= feed->put_records;
    feed->put_records = 0;
    feed->put_bytes = 0;
    feed->repeats_stale = feed->repeats != NULL;
}

/* ---- appending ---- */

static void append_free(struct feed_append *a)
{
    for (size_t i = 0; i < a->group.count; i++)
        buf_deinit(&a->bytes[i]);
    mem_free(a->bytes);
    mem_free(a->parts);
    mem_free(a->part_list);
    mem_free(a);
}

static void append_finish(struct feed_append *a, enum err err)
{
    struct feed *feed = a->feed;
    feed->in_flight -= a->in_flight;
    feed->appends--;
    if (err == OK)
        feed->counters.appended += a->records;
    else
        feed->repeats_stale = feed->repeats != NULL;
    struct feed_flush *flush = a->flushes, *next;
    append_free(a);
    /* Of a freed feed the flushes may be gone too. */
    for (; flush && !feed->dead; flush = next) {
        next = flush->next;
        flush->done(flush, err);
    }
    if (feed->dead) {
        if (feed->appends == 0 && !feed->flushes)
            feed_destroy(feed);
        return;
    }
    if (feed->refused && feed->in_flight <= feed->in_flight_max / 2) {
        feed->refused = false;
        if (feed->resumed)
            feed->resumed(feed->resumed_owner);
    }
}

static void append_done(struct log_append_group *group)
{
    append_finish(group->owner, group->err);
}

static void append_failed(struct io_post *post)
{
    struct feed_append *a = post->owner;
    append_finish(a, a->group.err);
}

/* Hands the closed batches of all partitions to the log. */
static enum err append_start(struct feed *feed, struct feed_append *a)
{
    size_t count = 0;
    a->parts = mem_zero((size_t)feed->partition_count * sizeof *a->parts);
    a->part_list = mem_zero((size_t)feed->partition_count * sizeof *a->part_list);
    a->bytes = mem_zero((size_t)feed->partition_count * sizeof *a->bytes);
    for (int32_t i = 0; i < feed->partition_count; i++) {
        struct feed_partition *p = &feed->partitions[i];
        if (p->closed.bytes == 0)
            continue;
        a->bytes[count] = p->closed; /* taken over; given back when the log is full */
        a->parts[count].batches = p->closed.ptr;
        a->parts[count].bytes = p->closed.bytes;
        a->parts[count].partition = log_topic_partition(feed->topic, i);
        a->part_list[count] = &a->parts[count];
        count++;
    }
    a->group.parts = a->part_list;
    a->group.count = count;
    a->group.done = append_done;
    a->group.owner = a;
    a->group.loop = feed->loop;
    enum err err = count ? log_append_together(feed->log, &a->group) : OK;
    if (err == ERR_AGAIN) {
        a->group.count = 0; /* the buffers stay with the partitions */
        return err;
    }
    for (int32_t i = 0; i < feed->partition_count; i++) {
        if (feed->partitions[i].closed.bytes)
            feed->partitions[i].closed = (struct buf){0};
    }
    if (err != OK || count == 0) {
        /* Told in a later turn, like every other end. */
        a->group.err = err;
        a->group.post.run = append_failed;
        a->group.post.owner = a;
        io_loop_post(feed->loop, &a->group.post);
    }
    return OK;
}

static void feed_retry(struct io_timer *timer)
{
    feed_append_all(timer->owner);
}

/* All that lies in front of the line. */
static void feed_append_all(struct feed *feed)
{
    if (!feed->flushes)
        return;
    for (int32_t i = 0; i < feed->partition_count; i++) {
        struct feed_partition *p = &feed->partitions[i];
        if (p->mark_count && p->builder.count > p->mark_count)
            partition_split(feed, p);
        else if (p->mark_count)
            partition_close(feed, p);
    }
    struct feed_append *a = mem_zero(sizeof *a);
    a->feed = feed;
    /* Batches closed behind the line stay here. */
    struct buf *behind = mem_zero((size_t)feed->partition_count * sizeof *behind);
    for (int32_t i = 0; i < feed->partition_count; i++) {
        struct feed_partition *p = &feed->partitions[i];
        if (p->mark_count)
            p->mark_closed = p->closed.bytes;
        if (p->closed.bytes > p->mark_closed) {
            buf_append(&behind[i], p->closed.ptr + p->mark_closed,
                       p->closed.bytes - p->mark_closed);
            buf_truncate(&p->closed, p->mark_closed);
        }
    }
    enum err err = append_start(feed, a);
    for (int32_t i = 0; i < feed->partition_count; i++) {
        struct feed_partition *p = &feed->partitions[i];
        if (err == OK)
            p->mark_closed = 0;
        if (!p->closed.ptr) { /* handed over: what lies behind takes its place */
            p->closed = behind[i];
            behind[i] = (struct buf){0};
        } else if (behind[i].bytes)
            buf_str_append(&p->closed, buf_str(&behind[i]));
        buf_deinit(&behind[i]);
        if (p->mark_count && p->builder.count <= p->mark_count) {
            p->mark_bytes = p->mark_last_at = 0;
            p->mark_count = 0;
        }
    }
    mem_free(behind);
    if (err == ERR_AGAIN) {
        append_free(a);
        feed->retry.fire = feed_retry;
        feed->retry.owner = feed;
        io_timer_start(feed->loop, &feed->retry, RETRY_NS);
        return;
    }
    a->flushes = feed->flushes;
    a->in_flight = feed->flushed_bytes;
    a->records = feed->flushed_records;
    feed->in_flight += a->in_flight;
    feed->appends++;
    feed->flushes = NULL;
    feed->flushes_end = &feed->flushes;
    feed->flushed_bytes = 0;
    feed->flushed_records = 0;
}

static void feed_gathered(struct io_timer *timer)
{
    feed_append_all(timer->owner);
}

static enum err sequence_next(struct feed *feed)
{
    if (!feed->sequence_known) {
        struct buf position = {0};
        enum err err =
            feed_past_position(feed->topic, str_of(feed->source_name), &feed->sequence, &position);
        buf_deinit(&position);
        if (err != OK && err != ERR_NOT_FOUND)
            return err;
        feed->sequence_known = true;
    }
    feed->sequence++;
    return OK;
}

enum err feed_flush(struct feed *feed, struct str position, struct feed_flush *flush)
{
    if (position.ptr) {
        TRY(sequence_next(feed));
        buf_reset(&feed->header);
        buf_printf(&feed->header, "%llu %s ", (unsigned long long)feed->sequence,
                   feed->source_name);
        buf_str_append(&feed->header, position);
    }
    feed->record_max = batch_bytes_max(feed); /* it may be changed meanwhile */
    for (int32_t i = 0; i < feed->partition_count; i++)
        partition_mark(&feed->partitions[i]);
    feed->flushed_records += feed->put_records;
    feed->flushed_bytes += feed->put_bytes;
    feed->put_records = 0;
    feed->put_bytes = 0;
    flush->next = NULL;
    *feed->flushes_end = flush;
    feed->flushes_end = &flush->next;
    if (feed->gather.heap_index == 0 && feed->retry.heap_index == 0) {
        feed->gather.fire = feed_gathered;
        feed->gather.owner = feed;
        io_timer_start(feed->loop, &feed->gather, 0);
    }
    return OK;
}

enum err feed_position(struct feed *feed, struct buf *out)
{
    TRY(feed_past_position(feed->topic, str_of(feed->source_name), &feed->sequence, out));
    feed->sequence_known = true;
    return OK;
}

void feed_on_resume(struct feed *feed, void (*resumed)(void *owner), void *owner)
{
    feed->resumed = resumed;
    feed->resumed_owner = owner;
}

void feed_counters(const struct feed *feed, struct feed_counters *ret_counters)
{
    *ret_counters = feed->counters;
}
