/* SPDX-License-Identifier: MIT */
/* What stays in the system's cache: the newest, and what a reader comes to. */
#include "tool.h"

#include "io/sim.h"
#include "log/store.h"

enum { STEP = 2 << 20, KEPT_STEPS = LOG_PAGES_KEEP / STEP };

struct world {
    struct tool tool;
    struct log_partition *p;
    struct buf batch;
    int64_t ends[LOG_PAGES_RANGES * 2]; /* offsets behind the steps */
    size_t steps;
};

static void begin(struct world *w, int64_t segment_bytes)
{
    struct io_sim_options sim = {.seed = 1};
    struct log_options options = {.durability = LOG_OS};
    *w = (struct world){.tool = {.io = io_sim_new(&sim), .dir = "d"}};
    tool_open(&w->tool, &options);
    w->p = tool_topic(w->tool.log, "t", 1, segment_bytes);
    struct record_batch_builder b;
    record_batch_builder_init(&b, CODEC_NONE, 0);
    uint8_t *value = mem_zero(STEP);
    record_batch_builder_add(&b, 1000, STR_NONE, str_from(value, STEP), NULL, 0);
    assert_ok(record_batch_builder_finish(&b, &w->batch));
    record_batch_builder_deinit(&b);
    mem_free(value);
}

static void end(struct world *w)
{
    buf_deinit(&w->batch);
    log_close(w->tool.log);
    io_free(w->tool.io);
}

static void write_steps(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_ok(log_append_wait(w->p, w->batch.ptr, w->batch.bytes, &w->ends[w->steps++]));
}

static void read_step(struct world *w, int64_t offset)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_read read;
    assert_ok(log_read(w->p, offset, 1, &out, &read));
    assert_int_equal(read.offset_next, offset + 1);
}

static size_t kept(const struct world *w)
{
    return w->tool.log->pages.count;
}

static void old_ones_go(void **state)
{
    struct world w;
    begin(&w, 16 << 20);
    write_steps(&w, KEPT_STEPS * 2);
    assert_true(kept(&w) <= KEPT_STEPS && kept(&w) >= KEPT_STEPS - 2);
    end(&w);
}

static void what_a_reader_comes_to_stays(void **state)
{
    struct world w;
    begin(&w, 16 << 20);
    write_steps(&w, 10);
    /* It is behind by more than is kept, in another segment than what is written. */
    for (int64_t at = 0; at < 40; at++) {
        read_step(&w, at);
        write_steps(&w, 1 + (at < 20));
    }
    size_t behind = w.steps - 40;
    assert_true(kept(&w) >= behind && kept(&w) <= behind + 2);
    assert_true(behind > KEPT_STEPS);
    /* It goes away: after a while the rest is given back as well. */
    io_sim_advance_ns(w.tool.io, 11LL * 1000 * 1000 * 1000);
    write_steps(&w, 1);
    assert_true(kept(&w) <= KEPT_STEPS);
    end(&w);
}

static void far_readers_keep_nothing(void **state)
{
    struct world w;
    begin(&w, 256 << 20);
    write_steps(&w, KEPT_STEPS * 4);
    for (int64_t at = 0; at < 4; at++) {
        read_step(&w, at);
        write_steps(&w, 4);
    }
    assert_true(kept(&w) <= KEPT_STEPS);
    end(&w);
}

static void segments_that_go_keep_nothing(void **state)
{
    struct world w;
    begin(&w, 16 << 20);
    write_steps(&w, 15);
    read_step(&w, 0);
    /* Two of three segments; the first range of the third is still wanted. */
    assert_ok(log_partition_trim(w.p, 14));
    write_steps(&w, KEPT_STEPS);
    assert_true(kept(&w) <= KEPT_STEPS + 1);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_ones_go),
        cmocka_unit_test(what_a_reader_comes_to_stays),
        cmocka_unit_test(far_readers_keep_nothing),
        cmocka_unit_test(segments_that_go_keep_nothing),
    };
    return RUN_TESTS(tests);
}
