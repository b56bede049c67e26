/* SPDX-License-Identifier: MIT */
/* What goes and what stays: by size, by time, by trimming, by compaction; on the simulated disk
 * with its clock. */
#include "tool.h"

#include "base/crc32c.h"
#include "base/endian.h"
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

/* ---- compaction, when ---- */

/* Which offsets are there: "0 2 3 ". */
static void offsets_are(struct log_partition *p, const char *want)
{
    CLEAN(buf_deinit) struct buf out = {0};
    CLEAN(buf_deinit) struct buf text = {0};
    tool_dump(p, log_partition_start(p), 100, &out);
    struct str rest = buf_str(&out), line, number;
    while (str_cut(&rest, '\n', &line))
        if (line.bytes && str_cut(&line, ':', &number))
            buf_printf(&text, "%.*s ", STR_ARG(number));
    assert_string_equal(want, buf_c_str(&text));
}

static void lags_bound_compaction(void **state)
{
    struct tool *t = *state;
    struct log_topic_config config;
    log_topic_config_default(&config);
    config.compact = true;
    config.segment_bytes = 100; /* a batch each */
    config.dirty_ratio_min = 0.01;
    config.compaction_lag_min_ms = 100 * 1000;
    struct log_partition *p = make(t, &config);
    for (int i = 0; i < 4; i++)
        append_now(t, p, "a", "x");
    pass(t, 60);
    offsets_are(p, "0 1 2 3 ");
    append_now(t, p, "a", "x");
    pass(t, 60);
    offsets_are(p, "3 4 "); /* 3 was the newest of what is old enough */
    config.compaction_lag_min_ms = 0;
    config.dirty_ratio_min = 1;
    config.segment_bytes = 10000;
    config.compaction_lag_max_ms = 3600 * 1000;
    assert_ok(log_topic_configure(log_partition_topic(p), &config));
    append_now(t, p, "a", "x");
    append_now(t, p, "a", "x");
    pass(t, 600);
    offsets_are(p, "3 4 5 6 ");
    pass(t, 3600); /* even the active segment is ended for it */
    offsets_are(p, "6 ");
}

static void compacted_and_deleted(void **state)
{
    struct tool *t = *state;
    struct log_topic_config config;
    log_topic_config_default(&config);
    config.compact = config.compact_and_delete = true;
    config.segment_bytes = 100;
    config.dirty_ratio_min = 0.01;
    config.retention_ms = 1000 * 1000;
    struct log_partition *p = make(t, &config);
    append_now(t, p, "a", "x");
    append_now(t, p, "b", "x");
    append_now(t, p, "a", "x");
    append_now(t, p, "c", "x");
    pass(t, 10);
    offsets_are(p, "1 2 3 ");
    pass(t, 2000);
    assert_int_equal(log_partition_start(p), 4);
}

static void rubbish_holds_up_nobody(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf batch = {0};
    struct log_topic_config config;
    struct log_topic *topic;
    log_topic_config_default(&config);
    config.segment_bytes = 100;
    config.retention_bytes = 0;
    struct log_partition *p = make(t, &config), *q;
    config.retention_bytes = -1;
    assert_ok(log_topic_create(t->log, STR("rubbish"), &config, NULL, &topic));
    q = log_topic_partition(topic, 0);
    tool_batch_at(&batch, "k", "x", 1, 1000, CODEC_NONE);
    memset(batch.ptr + RECORD_BATCH_HEADER, 0xff, batch.bytes - RECORD_BATCH_HEADER);
    put_be32(batch.ptr + 17, crc32c(0, batch.ptr + 21, batch.bytes - 21));
    for (int i = 0; i < 3; i++)
        assert_ok(log_append_wait(q, batch.ptr, batch.bytes, NULL));
    config.compact = true;
    assert_ok(log_topic_configure(topic, &config));
    append_now(t, p, NULL, "x");
    append_now(t, p, NULL, "y");
    pass(t, 10);
    pass(t, 10);
    assert_int_equal(log_partition_start(p), 1);
    assert_int_equal(log_partition_end(q), 3);
    assert_ok(log_health(t->log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_size, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(by_time, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(by_trimming, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(by_compaction, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(lags_bound_compaction, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(compacted_and_deleted, sim_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(rubbish_holds_up_nobody, sim_setup, tool_teardown),
    };
    return RUN_TESTS(tests);
}
