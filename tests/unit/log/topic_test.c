/* SPDX-License-Identifier: MIT */
/* Topics: names, settings, deletion, many partitions; opening for reading only, locks. */
#include "tool.h"

static void names_and_settings_are_checked(void **state)
{
    struct tool *t = *state;
    struct log_topic_config config;
    struct log_topic *topic = NULL;
    struct diag diag = {0};
    char long_name[252];
    tool_open(t, NULL);
    memset(long_name, 'a', 251);
    long_name[250] = 0;
    static const char *const bad[] = {"", ".", "..", "a/b", "a b", "\xc3\xa4", "+a"};
    log_topic_config_default(&config);
    assert_int_equal(config.partitions, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_err(ERR_INVALID, log_topic_create(t->log, str_of(bad[i]), &config, NULL, &topic));
    assert_err(ERR_INVALID, log_topic_create(t->log, str_of(long_name), &config, &diag, &topic));
    assert_true(diag.message[0] != 0);
    long_name[249] = 0;
    assert_ok(log_topic_create(t->log, str_of(long_name), &config, NULL, &topic));
    assert_ok(log_topic_create(t->log, STR("a.B_-9"), &config, NULL, &topic));
    assert_err(ERR_EXISTS, log_topic_create(t->log, STR("a.B_-9"), &config, NULL, &topic));
    config.partitions = 0;
    assert_err(ERR_INVALID, log_topic_create(t->log, STR("x"), &config, NULL, &topic));
    config.partitions = 1;
    config.segment_bytes = (int64_t)4 << 30;
    assert_err(ERR_INVALID, log_topic_create(t->log, STR("x"), &config, NULL, &topic));
    assert_null(log_topic_find(t->log, STR("x")));
    struct log_topic **topics;
    assert_int_equal(log_topics(t->log, &topics), 2);
    assert_str("a.B_-9", log_topic_name(topics[0]));
    mem_free(topics);
}

static void settings_survive_and_partitions_grow(void **state)
{
    struct tool *t = *state;
    struct log_topic_config config;
    struct log_topic *topic;
    uint8_t id[16];
    tool_open(t, NULL);
    log_topic_config_default(&config);
    config.partitions = 2;
    config.retention_ms = 12345;
    config.retention_bytes = 6789;
    config.segment_bytes = 100000;
    config.compression = CODEC_ZSTD;
    config.log_append_time = true;
    assert_ok(log_topic_create(t->log, STR("t"), &config, NULL, &topic));
    memcpy(id, log_topic_id(topic), 16);
    struct log_partition *first = log_topic_partition(topic, 0);
    config.partitions = 1;
    assert_err(ERR_INVALID, log_topic_configure(topic, &config));
    config.partitions = 5;
    assert_ok(log_topic_configure(topic, &config));
    assert_ptr_equal(first, log_topic_partition(topic, 0));
    tool_append(log_topic_partition(topic, 4), "x", 1);
    log_close(t->log);
    tool_open(t, NULL);
    topic = log_topic_find(t->log, STR("t"));
    struct log_topic_config found = log_topic_config(topic);
    assert_int_equal(found.partitions, 5);
    assert_int_equal(found.retention_ms, 12345);
    assert_int_equal(found.retention_bytes, 6789);
    assert_int_equal(found.segment_bytes, 100000);
    assert_int_equal(found.message_bytes_max, 16 << 20);
    assert_int_equal(found.compression, CODEC_ZSTD);
    assert_true(found.log_append_time);
    assert_memory_equal(id, log_topic_id(topic), 16);
    assert_int_equal(log_partition_end(log_topic_partition(topic, 4)), 1);
    assert_null(log_topic_partition(topic, 5));
    assert_int_equal(log_partition_index(log_topic_partition(topic, 4)), 4);
}

static void deleted_is_gone_and_the_name_is_free(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_read read;
    tool_open(t, NULL);
    struct log_partition *old = tool_topic(t->log, "t", 1, 0);
    tool_append(old, "old", 3);
    assert_ok(log_topic_delete(t->log, STR("t")));
    assert_err(ERR_NOT_FOUND, log_topic_delete(t->log, STR("t")));
    tool_batch_at(&out, NULL, "x", 1, 0, CODEC_NONE);
    assert_err(ERR_CLOSED, log_append_wait(old, out.ptr, out.bytes, NULL));
    buf_reset(&out);
    assert_err(ERR_CLOSED, log_read(old, 0, 100, &out, &read));
    struct log_partition *fresh = tool_topic(t->log, "t", 1, 0);
    assert_int_equal(log_partition_end(fresh), 0);
    tool_append(fresh, "new", 1);
    log_close(t->log);
    tool_open(t, NULL);
    tool_dump(tool_topic(t->log, "t", 1, 0), 0, 100, &out);
    assert_str("0:new 0\n", buf_str(&out));
}

static void many_partitions_need_few_files(void **state)
{
    struct tool *t = *state;
    enum { PARTITIONS = 600 };
    tool_open(t, &(struct log_options){.durability = LOG_OS});
    struct log_topic *topic = log_partition_topic(tool_topic(t->log, "wide", PARTITIONS, 0));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < PARTITIONS; i++)
            assert_int_equal(tool_append(log_topic_partition(topic, i), "x", 1), round);
    log_close(t->log);
    tool_open(t, NULL);
    topic = log_topic_find(t->log, STR("wide"));
    for (int i = 0; i < PARTITIONS; i++) {
        CLEAN(buf_deinit) struct buf out = {0};
        tool_dump(log_topic_partition(topic, i), 0, 100, &out);
        assert_str("0:x 0\n1:x 0\n", buf_str(&out));
    }
}

static void one_writes_others_may_read(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_options read_only = {.read_only = true};
    struct diag diag = {0};
    struct log *second;
    struct log_topic *topic;
    struct log_topic_config config;
    tool_open(t, NULL);
    tool_append(tool_topic(t->log, "t", 1, 0), "a", 2);
    assert_ok(log_offset_commit(t->log, STR("g"), STR("t"), 0, 1, STR("")));
    assert_err(ERR_CONFLICT, log_open(t->io, t->dir, &(struct log_options){0}, &diag, &second));
    for (int closed = 0; closed < 2; closed++) {
        assert_ok(log_open(t->io, t->dir, &read_only, NULL, &second));
        buf_reset(&out);
        tool_dump(tool_topic(second, "t", 1, 0), 0, 100, &out);
        assert_str("0:a 0\n1:a 1\n", buf_str(&out));
        assert_int_equal(log_offset_fetch(second, STR("g"), STR("t"), 0), 1);
        buf_reset(&out);
        tool_batch_at(&out, NULL, "x", 1, 0, CODEC_NONE);
        assert_err(ERR_DENIED,
                   log_append_wait(tool_topic(second, "t", 1, 0), out.ptr, out.bytes, NULL));
        log_topic_config_default(&config);
        assert_err(ERR_DENIED, log_topic_create(second, STR("u"), &config, NULL, &topic));
        assert_false(log_step(second));
        log_close(second);
        log_close(t->log);
        t->log = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_and_settings_are_checked, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(settings_survive_and_partitions_grow, tool_setup,
                                        tool_teardown),
        cmocka_unit_test_setup_teardown(deleted_is_gone_and_the_name_is_free, tool_setup,
                                        tool_teardown),
        cmocka_unit_test_setup_teardown(many_partitions_need_few_files, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(one_writes_others_may_read, tool_setup, tool_teardown),
    };
    return RUN_TESTS(tests);
}
