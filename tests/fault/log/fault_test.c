/* SPDX-License-Identifier: MIT */
/* Disks that fail at a known moment: syncs, writes, room. What was acked stays, what was refused
 * does not appear, intake stops for ever or until there is room. */
#include "base/mem.h"
#include "io/sim.h"
#include "log/log.h"
#include "log/record_batch.h"
#include "test.h"

enum { ALWAYS = 1000000, MEGABYTE = 1 << 20 };

struct bench {
    struct io *io;
    struct log *log;
    struct log_partition *p, *q;
};

static void open_bench(struct bench *b)
{
    struct log_options options = {0};
    struct diag diag = {0};
    struct log_topic *topic;
    io_sim_faults(b->io, false);
    if (log_open(b->io, "d", &options, &diag, &b->log) != OK)
        fail_msg("%s", diag.message);
    topic = log_topic_find(b->log, STR("t"));
    if (!topic) {
        struct log_topic_config config;
        log_topic_config_default(&config);
        config.partitions = 2;
        assert_ok(log_topic_create(b->log, STR("t"), &config, NULL, &topic));
    }
    b->p = log_topic_partition(topic, 0);
    b->q = log_topic_partition(topic, 1);
}

static void batch_of(struct buf *out, size_t bytes)
{
    struct record_batch_builder builder;
    char *text = mem_zero(bytes);
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    record_batch_builder_add(&builder, 1, STR("k"), str_from(text, bytes), NULL, 0);
    assert_ok(record_batch_builder_finish(&builder, out));
    record_batch_builder_deinit(&builder);
    mem_free(text);
}

static enum err append(struct log_partition *partition, size_t bytes)
{
    CLEAN(buf_deinit) struct buf batch = {0};
    int64_t offset;
    batch_of(&batch, bytes);
    return log_append_wait(partition, batch.ptr, batch.bytes, &offset);
}

static void group_done(struct log_append_group *group)
{
    *(bool *)group->owner = true;
}

static enum err append_both(struct bench *b, size_t bytes)
{
    CLEAN(buf_deinit) struct buf batch = {0};
    bool done = false;
    batch_of(&batch, bytes);
    struct log_append parts[] = {{.batches = batch.ptr, .bytes = batch.bytes, .partition = b->p},
                                 {.batches = batch.ptr, .bytes = batch.bytes, .partition = b->q}};
    struct log_append *list[] = {&parts[0], &parts[1]};
    struct log_append_group group = {.parts = list, .count = 2, .done = group_done, .owner = &done};
    TRY(log_append_together(b->log, &group));
    log_step(b->log);
    assert_true(done);
    return group.err;
}

static void after_power_cut(struct bench *b, int64_t p, int64_t q)
{
    io_sim_crash(b->io);
    log_close(b->log);
    open_bench(b);
    assert_int_equal(log_partition_end(b->p), p);
    assert_int_equal(log_partition_end(b->q), q);
    assert_ok(append(b->p, 10));
    log_close(b->log);
    io_free(b->io);
}

static void a_failed_sync_is_final(void **state)
{
    for (int together = 0; together < 2; together++)
        for (uint64_t seed = 1; seed < 20; seed++) {
            struct io_sim_options sim = {.seed = seed, .sync_fails = ALWAYS};
            struct bench b = {.io = io_sim_new(&sim)};
            open_bench(&b);
            assert_ok(append(b.p, 100));
            assert_ok(append_both(&b, 100));
            io_sim_faults(b.io, true);
            assert_err(ERR_IO, together ? append_both(&b, 100) : append(b.p, 100));
            io_sim_faults(b.io, false);
            assert_err(ERR_IO, append(b.p, 100));
            assert_err(ERR_IO, append_both(&b, 100));
            assert_err(ERR_IO, log_health(b.log));
            assert_int_equal(log_partition_end(b.p), 2);
            io_sim_advance_ns(b.io, 10000000000);
            log_step(b.log);
            assert_err(ERR_IO, log_health(b.log));
            /* Opening again sees pages that the disk may not have; it has to make them durable. */
            log_close(b.log);
            open_bench(&b);
            int64_t p = log_partition_end(b.p), q = log_partition_end(b.q);
            assert_true(p == 2 || p == 3);
            assert_int_equal(q, together ? p - 1 : 1);
            after_power_cut(&b, p, q);
        }
}

static void writes_fail(void **state)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct io_sim_options sim = {.seed = seed, .write_fails = ALWAYS};
        struct bench b = {.io = io_sim_new(&sim)};
        open_bench(&b);
        assert_ok(append(b.p, 100));
        io_sim_faults(b.io, true);
        assert_err(ERR_IO, append(b.p, 100));
        io_sim_faults(b.io, false);
        assert_err(ERR_IO, append(b.p, 100));
        int64_t end = log_partition_end(b.p);
        assert_int_equal(end, 1);
        log_close(b.log);
        open_bench(&b);
        end = log_partition_end(b.p);
        assert_true(end == 1 || end == 2);
        after_power_cut(&b, end, 0);
    }
}

static void a_full_disk_is_waited_for(void **state)
{
    for (int together = 0; together < 2; together++)
        for (uint64_t seed = 1; seed < 20; seed++) {
            struct io_sim_options sim = {.seed = seed};
            struct bench b = {.io = io_sim_new(&sim)};
            int64_t acked = 0;
            enum err err;
            open_bench(&b);
            assert_ok(append_both(&b, 10));
            io_sim_set_disk_bytes(b.io, 2 * MEGABYTE);
            while ((err = together ? append_both(&b, 60000) : append(b.p, 60000)) == OK)
                acked++;
            assert_err(ERR_DISK_FULL, err);
            assert_err(ERR_DISK_FULL, log_health(b.log));
            assert_err(ERR_DISK_FULL, append(b.p, 10));
            assert_true(acked > 3);
            assert_int_equal(log_partition_end(b.p), acked + 1);
            io_sim_advance_ns(b.io, 200000000);
            log_step(b.log);
            assert_err(ERR_DISK_FULL, log_health(b.log));
            io_sim_set_disk_bytes(b.io, 0);
            io_sim_advance_ns(b.io, 200000000);
            log_step(b.log);
            assert_ok(log_health(b.log));
            assert_ok(append(b.p, 60000));
            after_power_cut(&b, acked + 2, together ? acked + 1 : 1);
        }
}

static void refused_never_appears(void **state)
{
    for (uint64_t seed = 1; seed < 60; seed++) {
        struct io_sim_options sim = {.seed = seed, .write_full = ALWAYS};
        struct bench b = {.io = io_sim_new(&sim)};
        open_bench(&b);
        assert_ok(append(b.p, 100));
        io_sim_faults(b.io, true);
        enum err err = seed % 2 ? append(b.p, 100) : append_both(&b, 100);
        assert_err(ERR_DISK_FULL, err);
        after_power_cut(&b, 1, 0);
    }
}

/* Two appends that are in the journal, while their segments have no room: who stops does not wait
 * for it. */
static void an_end_does_not_wait_for_room(void **state)
{
    int stuck = 0;
    for (uint64_t seed = 1; seed < 200; seed++) {
        struct io_sim_options sim = {.seed = seed, .write_full = ALWAYS / 3};
        struct bench b = {.io = io_sim_new(&sim)};
        CLEAN(buf_deinit) struct buf batch = {0};
        bool done = false;
        open_bench(&b);
        assert_ok(append_both(&b, 100));
        batch_of(&batch, 100);
        struct log_append parts[] = {
            {.batches = batch.ptr, .bytes = batch.bytes, .partition = b.p},
            {.batches = batch.ptr, .bytes = batch.bytes, .partition = b.q}};
        struct log_append *list[] = {&parts[0], &parts[1]};
        struct log_append_group group = {
            .parts = list, .count = 2, .done = group_done, .owner = &done};
        io_sim_faults(b.io, true);
        assert_ok(log_append_together(b.log, &group));
        log_step(b.log);
        bool waits = !done;
        stuck += waits;
        log_interrupt(b.log);
        assert_true(done);
        assert_err(waits ? ERR_IO : OK,
                   log_health(b.log) == ERR_DISK_FULL ? OK : log_health(b.log));
        if (waits)
            assert_err(ERR_IO, append(b.p, 10));
        io_sim_faults(b.io, false);
        log_close(b.log);
        open_bench(&b);
        int64_t end = log_partition_end(b.p);
        assert_true(waits || group.err == OK ? end == 2 : end == 1);
        after_power_cut(&b, end, end);
    }
    assert_true(stuck > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_sync_is_final),        cmocka_unit_test(writes_fail),
        cmocka_unit_test(a_full_disk_is_waited_for),     cmocka_unit_test(refused_never_appears),
        cmocka_unit_test(an_end_does_not_wait_for_room),
    };
    return RUN_TESTS(tests);
}
