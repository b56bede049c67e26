/* SPDX-License-Identifier: MIT */
/* What an append is checked for, what is patched into it, and how the queue is bounded. */
#include "tool.h"

#include "base/crc32c.h"
#include "base/endian.h"

static void sum(struct buf *batch)
{
    put_be32(batch->ptr + 17, crc32c(0, batch->ptr + 21, batch->bytes - 21));
}

static void expect(struct log_partition *partition, enum err want, size_t at, uint32_t value,
                   int bytes)
{
    CLEAN(buf_deinit) struct buf batch = {0};
    tool_batch_at(&batch, "k", "x", 2, 1000, CODEC_NONE);
    if (bytes == 1)
        batch.ptr[at] = (uint8_t)value;
    else if (bytes == 2)
        put_be16(batch.ptr + at, (uint16_t)value);
    else if (bytes == 4)
        put_be32(batch.ptr + at, value);
    if (at != 17)
        sum(&batch);
    assert_err(want, log_append_wait(partition, batch.ptr, batch.bytes, NULL));
}

static void what_kafka_refuses_is_refused(void **state)
{
    struct tool *t = *state;
    tool_open(t, NULL);
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    expect(p, OK, 0, 0, 0);
    expect(p, ERR_CORRUPT, 8, 20, 4);      /* length under 49 */
    expect(p, ERR_CORRUPT, 8, 1000, 4);    /* longer than what is there */
    expect(p, ERR_CORRUPT, 16, 1, 1);      /* magic */
    expect(p, ERR_CORRUPT, 17, 12345, 4);  /* sum */
    expect(p, ERR_INVALID, 21, 32, 2);     /* control */
    expect(p, ERR_INVALID, 21, 5, 2);      /* codec */
    expect(p, ERR_INVALID, 23, 2, 4);      /* last delta is not count - 1 */
    expect(p, ERR_INVALID, 57, 0, 4);      /* no records */
    expect(p, ERR_INVALID, 43, 0, 4);      /* a producer id without a sequence */
    expect(p, ERR_INVALID, 35, 0x1000, 4); /* from the far future */
    assert_err(ERR_INVALID, log_append_wait(p, (const uint8_t *)"", 0, NULL));
    assert_int_equal(log_partition_end(p), 2);
}

static void sizes_and_keys_are_checked(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf batch = {0};
    struct log_topic_config config;
    struct log_topic *small, *compact;
    tool_open(t, NULL);
    log_topic_config_default(&config);
    config.message_bytes_max = 200;
    assert_ok(log_topic_create(t->log, STR("small"), &config, NULL, &small));
    config.message_bytes_max = 0;
    config.compact = true;
    assert_ok(log_topic_create(t->log, STR("compact"), &config, NULL, &compact));
    tool_batch_at(&batch, NULL, "some text", 20, 1000, CODEC_NONE);
    assert_err(ERR_LIMIT,
               log_append_wait(log_topic_partition(small, 0), batch.ptr, batch.bytes, NULL));
    assert_err(ERR_INVALID,
               log_append_wait(log_topic_partition(compact, 0), batch.ptr, batch.bytes, NULL));
    buf_reset(&batch);
    tool_batch_at(&batch, "key", "some text", 20, 1000, CODEC_GZIP);
    assert_ok(log_append_wait(log_topic_partition(compact, 0), batch.ptr, batch.bytes, NULL));
}

static void offset_epoch_and_time_are_patched(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf batch = {0};
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_topic_config config;
    struct log_topic *topic;
    struct log_read read;
    struct record_batch header;
    tool_open(t, NULL);
    log_topic_config_default(&config);
    config.log_append_time = true;
    assert_ok(log_topic_create(t->log, STR("t"), &config, NULL, &topic));
    struct log_partition *p = log_topic_partition(topic, 0);
    tool_batch_at(&batch, NULL, "x", 3, 1000, CODEC_LZ4);
    put_be64(batch.ptr, 99);
    int64_t before = io_wall_us(t->io) / 1000, offset;
    assert_ok(log_append_wait(p, batch.ptr, batch.bytes, &offset));
    assert_ok(log_append_wait(p, batch.ptr, batch.bytes, &offset));
    assert_int_equal(offset, 3);
    assert_ok(log_read(p, 3, 1000, &out, &read));
    assert_ok(record_batch_parse(out.ptr, out.bytes, true, &header));
    assert_int_equal(header.base_offset, 3);
    assert_int_equal(header.leader_epoch, 0);
    assert_true(header.attributes & BATCH_LOG_APPEND_TIME);
    assert_true(header.max_timestamp >= before);
    assert_int_equal(get_be64(batch.ptr), 99);
}

static int answers;
static void answered(struct log_append *append)
{
    assert_ok(append->err);
    answers++;
}

static void the_queue_is_bounded(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf batch = {0};
    enum { COUNT = 10 };
    struct log_append appends[COUNT];
    tool_batch_at(&batch, NULL, "x", 30, 1000, CODEC_NONE);
    tool_open(t, &(struct log_options){.queue_bytes_max = 3 * batch.bytes});
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    answers = 0;
    for (int i = 0; i < COUNT; i++) {
        appends[i] =
            (struct log_append){.batches = batch.ptr, .bytes = batch.bytes, .done = answered};
        assert_err(i < 3 ? OK : ERR_AGAIN, log_append(p, &appends[i]));
    }
    assert_int_equal(log_partition_end(p), 0);
    assert_true(log_step(t->log));
    assert_int_equal(answers, 3);
    assert_int_equal(log_partition_end(p), 90);
    /* One that is bigger than the queue passes alone. */
    buf_reset(&batch);
    tool_batch_at(&batch, NULL, "x", 1000, 1000, CODEC_NONE);
    assert_ok(log_append_wait(p, batch.ptr, batch.bytes, NULL));
}

/* More than stays in the system's cache, over two topics of which one goes meanwhile. */
static void what_the_cache_gives_back_is_still_there(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf batch = {0};
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_read read;
    enum { COUNT = 24, RECORDS = 2000 };
    char value[440];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    tool_open(t, &(struct log_options){.durability = LOG_OS});
    struct log_partition *stays = tool_topic(t->log, "stays", 1, 0);
    struct log_partition *goes = tool_topic(t->log, "goes", 1, 0);
    tool_batch_at(&batch, NULL, value, RECORDS, 1000, CODEC_NONE);
    assert_in_range(batch.bytes, 800000, 1000000);
    for (int i = 0; i < COUNT; i++) {
        assert_ok(log_append_wait(stays, batch.ptr, batch.bytes, NULL));
        assert_ok(log_append_wait(goes, batch.ptr, batch.bytes, NULL));
    }
    assert_ok(log_topic_delete(t->log, STR("goes")));
    for (int i = 0; i < 2 * COUNT; i++)
        assert_ok(log_append_wait(stays, batch.ptr, batch.bytes, NULL));
    for (int i = 0; i < 3 * COUNT; i++) {
        struct record_batch header;
        buf_reset(&out);
        assert_ok(log_read(stays, i * RECORDS, 1000, &out, &read));
        assert_ok(record_batch_parse(out.ptr, out.bytes, true, &header));
        assert_int_equal(header.base_offset, i * RECORDS);
        assert_memory_equal(out.ptr + RECORD_BATCH_HEADER, batch.ptr + RECORD_BATCH_HEADER,
                            batch.bytes - RECORD_BATCH_HEADER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_kafka_refuses_is_refused, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(sizes_and_keys_are_checked, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(offset_epoch_and_time_are_patched, tool_setup,
                                        tool_teardown),
        cmocka_unit_test_setup_teardown(the_queue_is_bounded, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(what_the_cache_gives_back_is_still_there, tool_setup,
                                        tool_teardown),
    };
    return RUN_TESTS(tests);
}
