/* SPDX-License-Identifier: MIT */
/* What goes and what stays: by size, by time, by trimming, by compaction; on the simulated disk
 * with its clock. */
#include "tool.h"

#include "io/sim.h"

static int sim_setup(void **state)
{
    struct tool *t = mem_zero(sizeof *t);
    struct io_sim_options options = {.seed = 1};
    t->io = io_sim_new(&options);
    snprintf(t->dir, sizeof t->dir, "d");
    *state = t;
    return 0;
}

static struct log_partition *make(struct tool *t, const struct log_topic_config *config)
{
    struct log_topic *topic;
    tool_open(t, NULL);
    assert_ok(log_topic_create(t->log, STR("t"), config, NULL, &topic));
    return log_topic_partition(topic, 0);
}

static void pass(struct tool *t, int64_t seconds)
{
    io_sim_advance_ns(t->io, seconds * 1000000000);
    log_step(t->log);
}

static void append_now(struct tool *t, struct log_partition *partition, const char *key,
                       const char *text)
{
    CLEAN(buf_deinit) struct buf batch = {0};
    tool_batch_at(&batch, key, text, 1, io_wall_us(t->io) / 1000, CODEC_NONE);
    assert_ok(log_append_wait(partition, batch.ptr, batch.bytes, NULL));
}

static void by_size(void **state)
{
    struct tool *t = *state;
    struct log_topic_config config;
    log_topic_config_default(&config);
    config.retention_bytes = 1000;
    config.segment_bytes = 400;
    struct log_partition *p = make(t, &config);
    for (int i = 0; i < 50; i++)
        append_now(t, p, NULL, "some text");
    pass(t, 10);
    assert_true(log_partition_start(p) > 10);
    assert_true(log_partition_bytes(p) >= 1000);
    assert_true(log_partition_bytes(p) < 1500);
    int64_t start = log_partition_start(p);
    log_close(t->log);
    tool_open(t, NULL);
    assert_int_equal(log_partition_start(tool_topic(t->log, "t", 1, 0)), start);
}

static void by_time(void **state)
{
    struct tool *t = *state;
    struct log_topic_config config;
    log_topic_config_default(&config);
    config.retention_ms = 3600 * 1000;
    config.segment_ms = 600 * 1000;
    struct log_partition *p = make(t, &config);
    for (int i = 0; i < 12; i++) {
        append_now(t, p, NULL, "x");
        pass(t, 610);
    }
    /* 12 segments, 610 s apart; those older than an hour are gone. */
    assert_int_equal(log_partition_start(p), 7);
    pass(t, 7200);
    assert_int_equal(log_partition_start(p), 12);
    assert_int_equal(log_partition_end(p), 12);
    assert_int_equal(log_partition_bytes(p), 0);
    append_now(t, p, NULL, "y");
    assert_int_equal(log_partition_end(p), 13);
}

static void by_trimming(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_topic_config config;
    log_topic_config_default(&config);
    config.segment_bytes = 200;
    struct log_partition *p = make(t, &config);
    for (int i = 0; i < 10; i++)
        append_now(t, p, NULL, "x");
    assert_err(ERR_OUT_OF_RANGE, log_partition_trim(p, 11));
    assert_ok(log_partition_trim(p, 8));
    assert_ok(log_partition_trim(p, 3)); /* never back */
    io_sim_crash(t->io);
    log_close(t->log);
    tool_open(t, NULL);
    p = tool_topic(t->log, "t", 1, 0);
    assert_int_equal(log_partition_start(p), 8);
    tool_dump(p, 8, 100, &out);
    assert_str("8:x 0\n9:x 0\n", buf_str(&out));
    assert_ok(log_partition_trim(p, 10));
    assert_int_equal(log_partition_start(p), 10);
}

static void by_compaction(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_topic_config config;
    log_topic_config_default(&config);
    config.compact = true;
    config.segment_bytes = 800;
    struct log_partition *p = make(t, &config);
    for (int i = 0; i < 40; i++) {
        char key[16], text[16];
        snprintf(key, sizeof key, "k%d", i % 3);
        snprintf(text, sizeof text, "v%d", i);
        append_now(t, p, i == 1 ? "once" : key, text);
    }
    uint64_t before = log_partition_bytes(p);
    pass(t, 10);
    assert_true(log_partition_bytes(p) < before / 2);
    assert_int_equal(log_partition_start(p), 0);
    assert_int_equal(log_partition_end(p), 40);
    tool_dump(p, 0, 1000, &out);
    assert_true(str_starts(buf_str(&out), STR("1:v1 0\n")));
    assert_true(str_ends(buf_str(&out), STR("37:v37 0\n38:v38 0\n39:v39 0\n")));
    assert_int_equal(str_find(buf_str(&out), STR("5:v5 "), 0), SIZE_MAX);
    struct log_read read;
    buf_reset(&out);
    assert_ok(log_read(p, 2, 1, &out, &read));
    assert_true(read.offset_next > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_size, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(by_time, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(by_trimming, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(by_compaction, sim_setup, tool_teardown),
    };
    return RUN_TESTS(tests);
}
