/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LOG_TOOL_H
#define TESTS_LOG_TOOL_H

/* What the tests of the log share: a folder of their own, and batches from a line of text. */
#include "base/mem.h"
#include "log/log.h"
#include "log/record_batch.h"
#include "test.h"

struct tool {
    struct io *io;
    char dir[256];
    struct log *log;
};

static inline void tool_open(struct tool *t, const struct log_options *options)
{
    struct diag diag = {0};
    struct log_options none = {0};
    if (log_open(t->io, t->dir, options ? options : &none, &diag, &t->log) != OK)
        fail_msg("log_open: %s", diag.message);
}

static inline int tool_setup(void **state)
{
    struct tool *t = mem_zero(sizeof *t);
    uint64_t number;
    t->io = io_kernel_new();
    io_random(t->io, &number, sizeof number);
    snprintf(t->dir, sizeof t->dir, "/tmp/millrace-log-%016llx", (unsigned long long)number);
    *state = t;
    return 0;
}

static inline int tool_teardown(void **state)
{
    struct tool *t = *state;
    log_close(t->log);
    enum err err = io_path_remove_tree(t->io, t->dir);
    (void)err;
    io_free(t->io);
    mem_free(t);
    return 0;
}

/* A batch of count records "text 0", "text 1", .. with the key given (NULL = none). */
static inline void tool_batch_at(struct buf *out, const char *key, const char *text, int count,
                                 int64_t timestamp_ms, enum codec codec)
{
    struct record_batch_builder b;
    record_batch_builder_init(&b, codec, 0);
    for (int i = 0; i < count; i++) {
        char value[512];
        snprintf(value, sizeof value, "%s %d", text, i);
        record_batch_builder_add(&b, timestamp_ms + i, str_of(key), str_of(value), NULL, 0);
    }
    assert_ok(record_batch_builder_finish(&b, out));
    record_batch_builder_deinit(&b);
}

static inline int64_t tool_append(struct log_partition *partition, const char *text, int count)
{
    CLEAN(buf_deinit) struct buf batch = {0};
    int64_t offset = -1;
    tool_batch_at(&batch, NULL, text, count, 1000, CODEC_NONE);
    assert_ok(log_append_wait(partition, batch.ptr, batch.bytes, &offset));
    return offset;
}

static inline struct log_partition *tool_topic(struct log *log, const char *name,
                                               int32_t partitions, int64_t segment_bytes)
{
    struct log_topic_config config;
    struct log_topic *topic = log_topic_find(log, str_of(name));
    if (!topic) {
        log_topic_config_default(&config);
        config.partitions = partitions;
        config.segment_bytes = segment_bytes;
        config.retention_ms = -1;
        assert_ok(log_topic_create(log, str_of(name), &config, NULL, &topic));
    }
    return log_topic_partition(topic, 0);
}

/* All values of a partition from offset on, each with its offset before it: "3:text 0\n". */
static inline void tool_dump(struct log_partition *partition, int64_t offset, size_t bytes_max,
                             struct buf *out)
{
    CLEAN(buf_deinit) struct buf batches = {0};
    struct log_read read = {.offset_next = offset};
    while (read.offset_next < log_partition_end(partition)) {
        int64_t from = read.offset_next;
        buf_reset(&batches);
        assert_ok(log_read(partition, from, bytes_max, &batches, &read));
        assert_true(read.offset_next > from);
        for (size_t at = 0; at < batches.bytes;) {
            struct record_batch batch;
            struct record_iterator it;
            struct record record;
            assert_ok(record_batch_parse(batches.ptr + at, batches.bytes - at, true, &batch));
            at += batch.bytes_count;
            assert_ok(record_iterator_init(&it, &batch, 1 << 24));
            while (record_iterator_next(&it, &record))
                if (record.offset >= offset)
                    buf_printf(out, "%lld:%.*s\n", (long long)record.offset, STR_ARG(record.value));
            assert_ok(it.reader.err);
            record_iterator_deinit(&it);
        }
    }
}

#endif
