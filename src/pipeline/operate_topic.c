/* SPDX-License-Identifier: MIT */
/* Topics for commands and the API: list, create, delete, consume, produce. */
#include "pipeline/operate.h"

#include "base/hash.h"
#include "format/json.h"
#include "log/record_batch.h"

#include <stdio.h>

enum { CONSUME_BYTES = 4 << 20, INFLATED_BYTES_MAX = 256 << 20, PRODUCE_BYTES_MAX = 64 << 20 };

static void pair(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_i64(w, value);
}

static void topic_json(struct json_writer *w, struct log_topic *topic, bool detail)
{
    struct log_topic_config config = log_topic_config(topic);
    int64_t records = 0, bytes = 0;
    char id[40] = "";
    for (size_t i = 0; i < 16; i++)
        snprintf(id + 2 * i, 3, "%02x", log_topic_id(topic)[i]);
    for (int32_t i = 0; i < config.partitions; i++) {
        struct log_partition *p = log_topic_partition(topic, i);
        records += log_partition_end(p) - log_partition_start(p);
        bytes += (int64_t)log_partition_bytes(p);
    }
    json_open(w, '{');
    json_key(w, "name");
    json_str(w, log_topic_name(topic));
    json_key(w, "id");
    json_str(w, str_of(id));
    pair(w, "partitions", config.partitions);
    pair(w, "records", records);
    pair(w, "bytes", bytes);
    pair(w, "retention_ms", config.retention_ms);
    pair(w, "retention_bytes", config.retention_bytes);
    json_key(w, "compact");
    json_bool(w, config.compact);
    json_key(w, "compression");
    json_str(w, str_of(codec_name(config.compression)));
    json_key(w, "offsets");
    json_open(w, '[');
    for (int32_t i = 0; detail && i < config.partitions; i++) {
        struct log_partition *p = log_topic_partition(topic, i);
        json_open(w, '{');
        pair(w, "partition", i);
        pair(w, "start", log_partition_start(p));
        pair(w, "end", log_partition_end(p));
        pair(w, "bytes", (int64_t)log_partition_bytes(p));
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

enum err operate_topics(const struct operate *op, struct buf *out)
{
    struct json_writer w = {.out = out};
    struct log_topic **topics;
    size_t count = log_topics(op->log, &topics);
    json_open(&w, '[');
    for (size_t i = 0; i < count; i++)
        topic_json(&w, topics[i], false);
    json_close(&w, ']');
    mem_free(topics);
    return buf_error(out);
}

static enum err find_topic(const struct operate *op, struct str name, struct diag *diag,
                           struct log_topic **ret_topic)
{
    struct log_topic *topic = log_topic_find(op->log, name);
    if (topic) {
        *ret_topic = topic;
        return OK;
    }
    struct log_topic **topics;
    size_t count = log_topics(op->log, &topics);
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 1 << 24};
    const char **names = arena_array(&arena, count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = arena_text(&arena, log_topic_name(topics[i]));
    mem_free(topics);
    struct str nearest = str_nearest(name, names, count);
    if (nearest.ptr)
        diag_hint(diag, "did you mean '%.*s'?", STR_ARG(nearest));
    return diag_set(diag, ERR_NOT_FOUND, 0, 0, "there is no topic '%.*s'", STR_ARG(name));
}

enum err operate_topic(const struct operate *op, struct str name, struct buf *out,
                       struct diag *diag)
{
    struct log_topic *topic;
    struct json_writer w = {.out = out};
    TRY(find_topic(op, name, diag, &topic));
    topic_json(&w, topic, true);
    return buf_error(out);
}

enum err operate_topic_create(const struct operate *op, struct str name, int32_t partitions,
                              int64_t retention_ms, bool compact, struct buf *out,
                              struct diag *diag)
{
    struct log_topic_config config;
    struct log_topic *topic;
    struct json_writer w = {.out = out};
    log_topic_config_default(&config);
    config.partitions = partitions > 0 ? partitions : 1;
    config.compact = compact;
    if (retention_ms)
        config.retention_ms = retention_ms;
    enum err err = log_topic_create(op->log, name, &config, diag, &topic);
    if (err != OK)
        return diag_set(diag, err, 0, 0, "topic '%.*s': %s", STR_ARG(name), err_text(err));
    topic_json(&w, topic, true);
    return buf_error(out);
}

enum err operate_topic_delete(const struct operate *op, struct str name, struct buf *out,
                              struct diag *diag)
{
    struct log_topic *topic;
    TRY(find_topic(op, name, diag, &topic));
    for (size_t i = 0; op->project && i < op->project->source_count; i++)
        if (str_equal(op->project->sources[i].topic, name)) {
            diag_hint(diag, "remove the source from millrace.yml first");
            return diag_set(diag, ERR_CONFLICT, 0, 0,
                            "the topic '%.*s' belongs to the source '%.*s'", STR_ARG(name),
                            STR_ARG(op->project->sources[i].name));
        }
    enum err err = log_topic_delete(op->log, name);
    if (err != OK)
        return diag_set(diag, err, 0, 0, "topic '%.*s': %s", STR_ARG(name), err_text(err));
    buf_text(out, "{\"deleted\":true}");
    return buf_error(out);
}

/* ---- consume ---- */

static void record_json(struct json_writer *w, int32_t partition, const struct record *record)
{
    json_open(w, '{');
    pair(w, "partition", partition);
    pair(w, "offset", record->offset);
    pair(w, "timestamp_ms", record->timestamp_ms);
    json_key(w, "key");
    json_bytes(w, record->key);
    json_key(w, "value");
    json_bytes(w, record->value);
    json_key(w, "headers");
    json_open(w, '{');
    struct str raw = record->headers_raw;
    for (struct record_header h; record_header_next(&raw, &h);) {
        json_key_str(w, h.key);
        json_bytes(w, h.value);
    }
    json_close(w, '}');
    json_close(w, '}');
}

struct consuming {
    struct json_writer *w;
    uint32_t left;
    int64_t next;
};

static enum err consume_partition(struct consuming *c, struct log_partition *partition)
{
    CLEAN(buf_deinit) struct buf raw = {0};
    struct log_read read;
    int64_t start = log_partition_start(partition), end = log_partition_end(partition);
    if (c->next == -2)
        c->next = end;
    if (c->next < start)
        c->next = start;
    if (c->next >= end || !c->left)
        return OK;
    TRY(log_read_committed(partition, c->next, CONSUME_BYTES, &raw, &read));
    for (size_t at = 0; at < raw.bytes && c->left;) {
        struct record_batch batch;
        struct record_iterator it;
        TRY(record_batch_parse(raw.ptr + at, raw.bytes - at, false, &batch));
        TRY(record_iterator_init(&it, &batch, INFLATED_BYTES_MAX));
        for (struct record r; c->left && record_iterator_next(&it, &r);) {
            if (r.offset < c->next)
                continue;
            record_json(c->w, log_partition_index(partition), &r);
            c->next = r.offset + 1;
            c->left--;
        }
        record_iterator_deinit(&it);
        at += batch.bytes_count;
    }
    if (c->left && read.offset_next > c->next)
        c->next = read.offset_next;
    return OK;
}

enum err operate_consume(const struct operate *op, struct str name, const int64_t *offsets,
                         size_t offset_count, uint32_t records_max, struct buf *out,
                         struct diag *diag)
{
    struct log_topic *topic;
    struct json_writer w = {.out = out};
    TRY(find_topic(op, name, diag, &topic));
    int32_t partitions = log_topic_partitions(topic);
    CLEAN(mem_free_at) int64_t *next = mem_array((size_t)partitions, sizeof *next);
    uint32_t left = records_max;
    json_open(&w, '{');
    json_key(&w, "records");
    json_open(&w, '[');
    for (int32_t i = 0; i < partitions; i++) {
        struct consuming c = {&w, left, (size_t)i < offset_count ? offsets[i] : -1};
        TRY(consume_partition(&c, log_topic_partition(topic, i)));
        left = c.left;
        next[i] = c.next;
    }
    json_close(&w, ']');
    json_key(&w, "next");
    json_open(&w, '[');
    for (int32_t i = 0; i < partitions; i++)
        json_i64(&w, next[i]);
    json_close(&w, ']');
    json_key(&w, "end");
    json_open(&w, '[');
    for (int32_t i = 0; i < partitions; i++)
        json_i64(&w, log_partition_end(log_topic_partition(topic, i)));
    json_close(&w, ']');
    json_close(&w, '}');
    return buf_error(out);
}

/* ---- produce ---- */

static int32_t choose_partition(const struct produce_record *record, int32_t partitions,
                                size_t index)
{
    if (record->partition >= 0)
        return record->partition;
    if (record->key.ptr)
        return (int32_t)((hash_kafka(record->key.ptr, record->key.bytes) & 0x7fffffff) %
                         (uint32_t)partitions);
    return (int32_t)(index % (size_t)partitions);
}

static enum err produce_partition(const struct operate *op, struct log_topic *topic,
                                  int32_t partition, const struct produce_record *records,
                                  size_t count, struct json_writer *w)
{
    struct record_batch_builder builder;
    CLEAN(buf_deinit) struct buf batch = {0};
    int64_t base, now_ms = io_wall_us(op->io) / 1000;
    record_batch_builder_init(&builder, log_topic_config(topic).compression, PRODUCE_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        if (choose_partition(&records[i], log_topic_partitions(topic), i) == partition)
            record_batch_builder_add(&builder, now_ms, records[i].key, records[i].value, NULL, 0);
    enum err err = builder.count ? record_batch_builder_finish(&builder, &batch) : OK;
    record_batch_builder_deinit(&builder);
    TRY(err);
    if (!batch.bytes)
        return OK;
    TRY(log_append_wait(log_topic_partition(topic, partition), batch.ptr, batch.bytes, &base));
    json_open(w, '{');
    pair(w, "partition", partition);
    pair(w, "offset", base);
    json_close(w, '}');
    return OK;
}

enum err operate_produce(const struct operate *op, struct str name,
                         const struct produce_record *records, size_t count, struct buf *out,
                         struct diag *diag)
{
    struct log_topic *topic;
    struct json_writer w = {.out = out};
    TRY(find_topic(op, name, diag, &topic));
    for (size_t i = 0; i < count; i++)
        if (records[i].partition >= log_topic_partitions(topic))
            return diag_set(diag, ERR_OUT_OF_RANGE, 0, 0, "'%.*s' has no partition %d",
                            STR_ARG(name), records[i].partition);
    json_open(&w, '{');
    pair(&w, "records", (int64_t)count);
    json_key(&w, "offsets");
    json_open(&w, '[');
    for (int32_t i = 0; i < log_topic_partitions(topic); i++) {
        enum err err = produce_partition(op, topic, i, records, count, &w);
        if (err != OK)
            return diag_set(diag, err, 0, 0, "%.*s-%d: %s", STR_ARG(name), i, err_text(err));
    }
    json_close(&w, ']');
    json_close(&w, '}');
    return buf_error(out);
}
