/* SPDX-License-Identifier: MIT */
/* Leader epochs, ranges of files, the latest record, settings, files of older versions, and syncs
 * of single topics. */
#include "tool.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "io/sim.h"

static struct tool *begin(struct tool *t, const struct log_options *options)
{
    struct io_sim_options sim = {.seed = 1};
    *t = (struct tool){.io = io_sim_new(&sim)};
    snprintf(t->dir, sizeof t->dir, "d");
    tool_open(t, options);
    return t;
}

static void end(struct tool *t)
{
    log_close(t->log);
    io_free(t->io);
}

/* ---- epochs ---- */

static void epoch_ends(struct log_partition *p, int32_t asked, int32_t want, int64_t want_end)
{
    int32_t epoch = -5;
    int64_t offset = -5;
    enum err err = log_epoch_end(p, asked, &epoch, &offset);
    if (want < 0) {
        assert_err(ERR_NOT_FOUND, err);
        return;
    }
    assert_ok(err);
    assert_int_equal(epoch, want);
    assert_int_equal(offset, want_end);
}

static void epochs_tell_of_doubt(void **state)
{
    struct log_options os = {.durability = LOG_OS};
    CLEAN(buf_deinit) struct buf out = {0};
    struct record_batch batch;
    struct log_read read;
    struct tool tool, *t = begin(&tool, &os);
    struct log_partition *p = tool_topic(t->log, "t", 2, 0);
    tool_append(p, "x", 3);
    for (int i = 0; i < 4; i++) {
        /* Orderly ends leave no doubt; a kill does, but only once while nothing comes. */
        if (i > 1)
            io_sim_kill(t->io);
        log_close(t->log);
        tool_open(t, &os);
        p = tool_topic(t->log, "t", 2, 0);
        assert_int_equal(log_partition_epoch(p), i > 1 ? i - 1 : 0);
    }
    tool_append(p, "y", 2);
    assert_ok(log_read(p, 3, 1, &out, &read));
    assert_ok(record_batch_parse(out.ptr, out.bytes, true, &batch));
    assert_int_equal(batch.leader_epoch, 2);
    epoch_ends(p, 0, 0, 3);
    epoch_ends(p, 1, 0, 3);
    epoch_ends(p, 2, 2, 5);
    epoch_ends(p, 3, -1, 0);
    epoch_ends(p, -1, -1, 0);
    log_close(t->log);
    tool_open(t, &os);
    p = tool_topic(t->log, "t", 2, 0);
    epoch_ends(p, 1, 0, 3);
    epoch_ends(p, 2, 2, 5);
    /* What was never written to has no doubt. */
    assert_int_equal(log_partition_epoch(log_topic_partition(log_partition_topic(p), 1)), 0);
    end(t);
}

static void synced_ones_have_none(void **state)
{
    struct log_options os = {.durability = LOG_OS};
    struct log_topic_config config;
    for (int each = 0; each < 2; each++) {
        struct tool tool, *t = begin(&tool, each ? &os : NULL);
        struct log_partition *p = tool_topic(t->log, "t", 1, 0);
        config = log_topic_config(log_partition_topic(p));
        config.sync_each = each;
        assert_ok(log_topic_configure(log_partition_topic(p), &config));
        tool_append(p, "x", 3);
        io_sim_crash(t->io);
        log_close(t->log);
        tool_open(t, each ? &os : NULL);
        p = tool_topic(t->log, "t", 1, 0);
        assert_int_equal(log_partition_end(p), 3);
        assert_int_equal(log_partition_epoch(p), 0);
        end(t);
    }
}

/* ---- slices ---- */

static void slices_are_whole_batches(void **state)
{
    CLEAN(buf_deinit) struct buf all = {0};
    struct log_options options = {.cache_bytes_max = 1};
    struct log_read read, of_slice;
    struct log_slice slice;
    struct tool tool, *t = begin(&tool, &options);
    struct log_partition *p = tool_topic(t->log, "t", 1, 20000);
    for (int i = 0; i < 400; i++)
        tool_append(p, "some text that fills a batch", 5);
    for (int64_t at = 0; at < 2000;) {
        uint8_t bytes[9000];
        size_t got;
        buf_reset(&all);
        assert_ok(log_slice_open(p, at, 9000, at % 2, &slice, &of_slice));
        assert_ok(log_read(p, at, slice.bytes, &all, &read));
        assert_true(slice.bytes <= 9000 && slice.bytes > 100);
        assert_ok(io_file_read(slice.file, slice.position, bytes, slice.bytes, &got));
        assert_int_equal(all.bytes, slice.bytes);
        assert_memory_equal(bytes, all.ptr, all.bytes);
        assert_int_equal(of_slice.offset_next, read.offset_next);
        assert_int_equal(of_slice.high_watermark, 2000);
        at = of_slice.offset_next + (of_slice.offset_next % 3 == 0 && of_slice.offset_next < 1999);
        log_slice_release(&slice);
    }
    /* The first batch is given whole; the end has nothing; the file outlives the segment. */
    assert_ok(log_slice_open(p, 3, 1, false, &slice, &of_slice));
    assert_int_equal(of_slice.offset_next, 5);
    assert_ok(log_partition_trim(p, 1900));
    uint8_t byte;
    size_t got;
    assert_ok(io_file_read(slice.file, slice.position + 16, &byte, 1, &got));
    assert_int_equal(byte, RECORD_BATCH_MAGIC);
    log_slice_release(&slice);
    assert_err(ERR_AGAIN, log_slice_open(p, 2000, 100, false, &slice, &of_slice));
    assert_err(ERR_OUT_OF_RANGE, log_slice_open(p, 1899, 100, false, &slice, &of_slice));
    assert_err(ERR_OUT_OF_RANGE, log_slice_open(p, 2001, 100, false, &slice, &of_slice));
    end(t);
}

static void cached_is_not_sliced(void **state)
{
    struct log_slice slice;
    struct log_read read;
    struct tool tool, *t = begin(&tool, NULL);
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    tool_append(p, "x", 1);
    assert_err(ERR_AGAIN, log_slice_open(p, 0, 100, false, &slice, &read));
    end(t);
}

/* ---- times ---- */

static void give_at(struct log_partition *p, int64_t timestamp_ms, int count, enum codec codec,
                    int64_t claimed_ms)
{
    CLEAN(buf_deinit) struct buf out = {0};
    tool_batch_at(&out, NULL, "x", count, timestamp_ms, codec);
    if (claimed_ms >= 0) {
        put_be64(out.ptr + 35, (uint64_t)claimed_ms);
        put_be32(out.ptr + 17, crc32c(0, out.ptr + 21, out.bytes - 21));
    }
    assert_ok(log_append_wait(p, out.ptr, out.bytes, NULL));
}

static void latest_is(struct log_partition *p, int64_t want, int64_t want_ms)
{
    int64_t offset, timestamp_ms;
    assert_ok(log_offset_of_max_time(p, &offset, &timestamp_ms));
    assert_int_equal(offset, want);
    assert_int_equal(timestamp_ms, want_ms);
}

static void the_latest_is_found(void **state)
{
    struct tool tool, *t = begin(&tool, NULL);
    struct log_partition *p = tool_topic(t->log, "t", 1, 400);
    int64_t offset, timestamp_ms;
    latest_is(p, -1, -1);
    give_at(p, 1000, 3, CODEC_ZSTD, -1);
    latest_is(p, 2, 1002);
    give_at(p, 5000, 4, CODEC_LZ4, -1);
    give_at(p, 2000, 9, CODEC_NONE, -1);
    latest_is(p, 6, 5003);
    /* A header that claims more than its records have. */
    give_at(p, 3000, 2, CODEC_GZIP, 9000);
    latest_is(p, 6, 5003);
    assert_ok(log_offset_for_time(p, 5002, &offset, &timestamp_ms));
    assert_int_equal(offset, 5);
    assert_ok(log_offset_for_time(p, 6000, &offset, &timestamp_ms));
    assert_int_equal(offset, -1);
    assert_ok(log_partition_trim(p, 7));
    latest_is(p, 17, 3001);
    end(t);
}

static void append_time_is_that_of_all(void **state)
{
    struct log_topic_config config;
    struct tool tool, *t = begin(&tool, NULL);
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    int64_t offset, timestamp_ms, now_ms = io_wall_us(t->io) / 1000;
    config = log_topic_config(log_partition_topic(p));
    config.log_append_time = true;
    assert_ok(log_topic_configure(log_partition_topic(p), &config));
    give_at(p, 77, 3, CODEC_SNAPPY, -1);
    latest_is(p, 0, now_ms);
    assert_ok(log_offset_for_time(p, 78, &offset, &timestamp_ms));
    assert_int_equal(offset, 0);
    assert_int_equal(timestamp_ms, now_ms);
    end(t);
}

/* ---- topics ---- */

static void settings_are_kept(void **state)
{
    struct tool tool, *t = begin(&tool, NULL);
    struct log_topic *topic = log_partition_topic(tool_topic(t->log, "t", 1, 0));
    struct log_topic_setting given[] = {{STR("b"), STR("2")}, {STR("a"), STR("")}}, *list;
    struct log_topic_config config = log_topic_config(topic);
    struct arena arena;
    arena_init(&arena, 0);
    assert_int_equal(log_topic_settings(topic, &arena, &list), 0);
    assert_ok(log_topic_settings_set(topic, given, 2));
    config.compact_and_delete = config.compact = config.sync_each = true;
    config.compaction_lag_min_ms = 5;
    config.compaction_lag_max_ms = 6;
    config.delete_retention_ms = 7;
    config.dirty_ratio_min = 0.25;
    assert_ok(log_topic_configure(topic, &config));
    uint8_t id[16];
    memcpy(id, log_topic_id(topic), sizeof id);
    log_close(t->log);
    tool_open(t, NULL);
    topic = log_topic_find_id(t->log, id);
    assert_non_null(topic);
    assert_str("t", log_topic_name(topic));
    assert_int_equal(log_topic_settings(topic, &arena, &list), 2);
    assert_str("a", list[0].name);
    assert_str("2", list[1].value);
    config = log_topic_config(topic);
    assert_true(config.compact_and_delete && config.sync_each && config.dirty_ratio_min < 0.3);
    assert_int_equal(config.compaction_lag_min_ms, 5);
    assert_int_equal(config.compaction_lag_max_ms, 6);
    assert_int_equal(config.delete_retention_ms, 7);
    given[1].name = STR("b");
    assert_err(ERR_INVALID, log_topic_settings_set(topic, given, 2));
    assert_ok(log_topic_settings_set(topic, given, 0));
    assert_int_equal(log_topic_settings(topic, &arena, &list), 0);
    assert_ok(log_topic_delete(t->log, STR("t")));
    assert_null(log_topic_find_id(t->log, id));
    arena_deinit(&arena);
    end(t);
}

static void internal_ones_are_two(void **state)
{
    struct log_partition *offsets;
    struct tool tool, *t = begin(&tool, NULL);
    assert_ok(log_offsets_partition(t->log, &offsets));
    assert_true(log_topic_is_internal(log_partition_topic(offsets)));
    assert_true(log_topic_is_internal(
        log_partition_topic(tool_topic(t->log, "__transaction_state", 1, 0))));
    assert_false(log_topic_is_internal(log_partition_topic(tool_topic(t->log, "__mine", 1, 0))));
    end(t);
}

/* The files as the first version wrote them: the topic ends before byte 68, rows of the checkpoint
 * have 52 bytes. */
static void older_files_are_read(void **state)
{
    struct tool tool, *t = begin(&tool, NULL);
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    CLEAN(buf_deinit) struct buf file = {0};
    tool_append(p, "x", 3);
    log_close(t->log);
    assert_ok(io_path_read(t->io, "d/topics/t/topic", 1 << 20, &file));
    put_be32(file.ptr, 0x4D525431);
    put_be32(file.ptr + 4, crc32c(0, file.ptr + 8, 60));
    assert_ok(io_path_replace(t->io, "d/topics/t/topic", file.ptr, 68));
    buf_reset(&file);
    assert_ok(io_path_read(t->io, "d/checkpoint", 1 << 20, &file));
    assert_int_equal(file.bytes, 16 + 64);
    put_be32(file.ptr, 0x4D524331);
    put_be32(file.ptr + 4, crc32c(0, file.ptr + 8, 60));
    assert_ok(io_path_replace(t->io, "d/checkpoint", file.ptr, 68));
    tool_open(t, NULL);
    p = tool_topic(t->log, "t", 1, 0);
    assert_int_equal(log_partition_end(p), 3);
    assert_int_equal(log_topic_config(log_partition_topic(p)).delete_retention_ms, 86400000);
    assert_int_equal(tool_append(p, "y", 1), 3);
    end(t);
}

/* The second version has neither limits of time nor the word on producers' codecs, and what was
 * told of the topic stands in their place. */
static void the_second_version_is_read(void **state)
{
    struct tool tool, *t = begin(&tool, NULL);
    struct log_topic *topic = log_partition_topic(tool_topic(t->log, "t", 1, 0));
    struct log_topic_setting setting = {STR("a"), STR("b")}, *settings;
    struct log_topic_config config = log_topic_config(topic);
    CLEAN(buf_deinit) struct buf file = {0};
    struct arena arena;
    config.dirty_ratio_min = 0.25;
    config.time_after_max_ms = 7;
    config.time_before_max_ms = 8;
    config.recompress = true;
    assert_ok(log_topic_configure(topic, &config));
    assert_ok(log_topic_settings_set(topic, &setting, 1));
    log_close(t->log);
    assert_ok(io_path_read(t->io, "d/topics/t/topic", 1 << 20, &file));
    assert_int_equal(file.bytes, 124 + 10);
    put_be32(file.ptr, 0x4D525432);
    memmove(file.ptr + 104, file.ptr + 124, 10);
    put_be32(file.ptr + 4, crc32c(0, file.ptr + 8, 106));
    tool_open(t, NULL);
    config = log_topic_config(log_topic_find(t->log, STR("t")));
    assert_int_equal(config.time_after_max_ms, 7);
    assert_int_equal(config.time_before_max_ms, 8);
    assert_true(config.recompress);
    log_close(t->log);
    assert_ok(io_path_replace(t->io, "d/topics/t/topic", file.ptr, 114));
    tool_open(t, NULL);
    topic = log_topic_find(t->log, STR("t"));
    config = log_topic_config(topic);
    assert_true(config.dirty_ratio_min > 0.2 && config.dirty_ratio_min < 0.3);
    assert_int_equal(config.time_after_max_ms, 3600000);
    assert_int_equal(config.time_before_max_ms, INT64_MAX);
    assert_false(config.recompress);
    arena_init(&arena, 1 << 20);
    assert_int_equal(log_topic_settings(topic, &arena, &settings), 1);
    assert_str("b", settings[0].value);
    arena_deinit(&arena);
    end(t);
}

/* More files than are synced one by one: written, and durable after the interval; written once
 * more by recovery, and durable when that is done. */
static void many_are_synced_at_once(void **state)
{
    struct log_options options = {.durability = LOG_INTERVAL, .interval_ms = 10};
    struct tool tool, *t = begin(&tool, &options);
    struct log_partition *p = tool_topic(t->log, "t", 200, 0);
    struct log_topic *topic = log_partition_topic(p);
    for (int round = 0; round < 4; round++) {
        for (int32_t i = 0; i < 200; i++)
            assert_int_equal(tool_append(log_topic_partition(topic, i), "x", 2), 2 * round);
        if (round % 2) {
            io_sim_kill(t->io);
            log_close(t->log);
            tool_open(t, &options);
        } else {
            io_sim_advance_ns(t->io, 1000000000);
            assert_true(log_step(t->log));
        }
        io_sim_crash(t->io);
        log_close(t->log);
        tool_open(t, &options);
        topic = log_topic_find(t->log, STR("t"));
        for (int32_t i = 0; i < 200; i++)
            assert_int_equal(log_partition_end(log_topic_partition(topic, i)), 2 * round + 2);
    }
    end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_tell_of_doubt),     cmocka_unit_test(synced_ones_have_none),
        cmocka_unit_test(slices_are_whole_batches), cmocka_unit_test(cached_is_not_sliced),
        cmocka_unit_test(the_latest_is_found),      cmocka_unit_test(append_time_is_that_of_all),
        cmocka_unit_test(settings_are_kept),        cmocka_unit_test(internal_ones_are_two),
        cmocka_unit_test(older_files_are_read),     cmocka_unit_test(the_second_version_is_read),
        cmocka_unit_test(many_are_synced_at_once),
    };
    return RUN_TESTS(tests);
}
