/* SPDX-License-Identifier: MIT */
/*
 * Consumer offsets: records of the compacted topic __consumer_offsets, in the form that Kafka gives
 * them there, and a map of the newest in memory.
 *
 *   key    version i16 = 1, group (i16 length, bytes), topic (the same), partition i32
 *   value  version i16 = 3, offset i64, leader epoch i32 = -1, metadata (i16 length, bytes),
 *          commit time i64 (ms); no value takes the commit back
 *
 * The map follows the topic: a commit enters it when its batch is acknowledged, by whichever way it
 * was appended, and opening reads the topic from its start. So offsets are as durable as every
 * other append, and are one with a group that they are part of.
 */
#include "log/store.h"

#include "base/mem.h"

#include <stdlib.h>

enum {
    KEY_VERSION = 1,
    VALUE_VERSION = 3,
    NAME_BYTES_MAX = INT16_MAX,
    SEGMENT_BYTES = 16 << 20,
    LOAD_BYTES = 1 << 20,
    INFLATED_MAX = 64 << 20,
};

/* ---- records ------------------------------------------------------------------------------- */

static void put_name(struct buf *out, struct str name)
{
    buf_be16(out, (uint16_t)name.bytes);
    buf_str_append(out, name);
}

static void put_key(struct buf *out, struct str group, struct str topic, int32_t partition)
{
    buf_be16(out, KEY_VERSION);
    put_name(out, group);
    put_name(out, topic);
    buf_be32(out, (uint32_t)partition);
}

static struct str read_name(struct reader *r)
{
    size_t bytes = reader_be16(r);
    return reader_str(r, bytes);
}

static bool read_key(struct str key, struct log_group_offset *ret_offset)
{
    struct reader r = reader_of(key.ptr, key.bytes);
    if (reader_be16(&r) != KEY_VERSION)
        return false;
    ret_offset->group = read_name(&r);
    ret_offset->topic = read_name(&r);
    ret_offset->partition = (int32_t)reader_be32(&r);
    return r.err == OK && r.left == 0;
}

enum err log_offset_encode(struct log *log, const struct log_group_offset *offsets, size_t count,
                           struct str metadata, struct buf *out)
{
    struct record_batch_builder builder;
    CLEAN(buf_deinit) struct buf text = {0};
    int64_t now_ms = log_wall_ms(log);
    if (metadata.bytes > NAME_BYTES_MAX || count == 0)
        return ERR_INVALID;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        const struct log_group_offset *o = &offsets[i];
        if (o->group.bytes > NAME_BYTES_MAX || o->topic.bytes > NAME_BYTES_MAX || o->offset < -1)
            err = ERR_INVALID;
        buf_reset(&text);
        put_key(&text, o->group, o->topic, o->partition);
        size_t key_bytes = text.bytes;
        buf_be16(&text, VALUE_VERSION);
        buf_be64(&text, (uint64_t)o->offset);
        buf_be32(&text, UINT32_MAX);
        put_name(&text, metadata);
        buf_be64(&text, (uint64_t)now_ms);
        if (err == OK)
            err = buf_error(&text);
        if (err == OK)
            record_batch_builder_add(
                &builder, now_ms, str_from(text.ptr, key_bytes),
                o->offset < 0 ? STR_NONE : str_from(text.ptr + key_bytes, text.bytes - key_bytes),
                NULL, 0);
    }
    if (err == OK)
        err = record_batch_builder_finish(&builder, out);
    record_batch_builder_deinit(&builder);
    return err;
}

/* ---- the map ------------------------------------------------------------------------------- */

static void apply_record(struct log *log, const struct record *record)
{
    struct log_group_offset o;
    if (!record->key.ptr || !read_key(record->key, &o))
        return; /* records of other kinds may share the topic */
    if (!record->value.ptr) {
        mem_free(map_remove(&log->offsets, record->key));
        return;
    }
    struct reader r = reader_of(record->value.ptr, record->value.bytes);
    uint16_t version = reader_be16(&r);
    int64_t offset = (int64_t)reader_be64(&r);
    if (r.err != OK || version != VALUE_VERSION)
        return;
    int64_t *value = map_get(&log->offsets, record->key);
    if (!value) {
        value = mem_alloc(sizeof *value);
        map_set(&log->offsets, record->key, value);
    }
    *value = offset;
}

void log_offsets_apply(struct log *log, const struct record_batch *batch)
{
    struct record_iterator it;
    struct record record;
    if (record_iterator_init(&it, batch, INFLATED_MAX) != OK)
        return;
    while (record_iterator_next(&it, &record))
        apply_record(log, &record);
    record_iterator_deinit(&it);
}

enum err log_offsets_load(struct log *log)
{
    CLEAN(buf_deinit) struct buf batches = {0};
    struct log_topic *topic = log_topic_find(log, STR(LOG_OFFSETS_TOPIC));
    if (!topic)
        return OK;
    struct log_partition *partition = log_topic_partition(topic, 0);
    struct log_read read = {.offset_next = log_partition_start(partition)};
    while (read.offset_next < log_partition_end(partition)) {
        buf_reset(&batches);
        TRY(log_read(partition, read.offset_next, LOAD_BYTES, &batches, &read));
        for (size_t at = 0; at < batches.bytes;) {
            struct record_batch batch;
            TRY(record_batch_parse(batches.ptr + at, batches.bytes - at, true, &batch));
            io_mutex_lock(&log->lock);
            log_offsets_apply(log, &batch);
            io_mutex_unlock(&log->lock);
            at += batch.bytes_count;
        }
    }
    return OK;
}

void log_offsets_free(struct log *log)
{
    size_t i = 0;
    for (struct map_entry *e; (e = map_next(&log->offsets, &i));)
        mem_free(e->value);
    map_deinit(&log->offsets);
}

/* ---- what callers use ---------------------------------------------------------------------- */

enum err log_offsets_partition(struct log *log, struct log_partition **ret_partition)
{
    struct log_topic *topic = log_topic_find(log, STR(LOG_OFFSETS_TOPIC));
    if (!topic) {
        struct log_topic_config config;
        log_topic_config_default(&config);
        config.retention_ms = -1;
        config.segment_bytes = SEGMENT_BYTES;
        config.compact = true;
        enum err err = log_topic_create(log, STR(LOG_OFFSETS_TOPIC), &config, NULL, &topic);
        if (err == ERR_EXISTS) /* somebody was faster */
            topic = log_topic_find(log, STR(LOG_OFFSETS_TOPIC));
        else
            TRY(err);
        if (!topic)
            return ERR_CLOSED;
    }
    *ret_partition = log_topic_partition(topic, 0);
    return OK;
}

enum err log_offset_commit(struct log *log, struct str group, struct str topic, int32_t partition,
                           int64_t offset, struct str metadata)
{
    CLEAN(buf_deinit) struct buf batch = {0};
    struct log_group_offset o = {group, topic, partition, offset};
    struct log_partition *to;
    TRY(log_offset_encode(log, &o, 1, metadata, &batch));
    TRY(log_offsets_partition(log, &to));
    return log_append_wait(to, batch.ptr, batch.bytes, NULL);
}

int64_t log_offset_fetch(struct log *log, struct str group, struct str topic, int32_t partition)
{
    CLEAN(buf_deinit) struct buf key = {0};
    if (group.bytes > NAME_BYTES_MAX || topic.bytes > NAME_BYTES_MAX)
        return -1;
    put_key(&key, group, topic, partition);
    io_mutex_lock(&log->lock);
    const int64_t *value = map_get(&log->offsets, buf_str(&key));
    int64_t offset = value ? *value : -1;
    io_mutex_unlock(&log->lock);
    return offset;
}

static int by_names(const void *a, const void *b)
{
    const struct log_group_offset *x = a, *y = b;
    int order = str_compare(x->group, y->group);
    if (order == 0)
        order = str_compare(x->topic, y->topic);
    if (order == 0)
        order = (x->partition > y->partition) - (x->partition < y->partition);
    return order;
}

size_t log_offsets(struct log *log, struct arena *arena, struct log_group_offset **ret_offsets)
{
    size_t count = 0, i = 0;
    io_mutex_lock(&log->lock);
    struct log_group_offset *offsets = arena_array(arena, log->offsets.count + 1, sizeof *offsets);
    for (struct map_entry *e; (e = map_next(&log->offsets, &i));) {
        struct log_group_offset o;
        if (!read_key(str_from(e->key, e->key_bytes), &o))
            continue;
        o.group = arena_str(arena, o.group);
        o.topic = arena_str(arena, o.topic);
        o.offset = *(const int64_t *)e->value;
        offsets[count++] = o;
    }
    io_mutex_unlock(&log->lock);
    qsort(offsets, count, sizeof *offsets, by_names);
    *ret_offsets = offsets;
    return count;
}
