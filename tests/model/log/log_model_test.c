/* SPDX-License-Identifier: MIT */
/*
 * The log against an array in memory: random appends of all codecs, reads from any offset with any
 * size, lookups by time, trims, rolls by small segments, restarts with and without a clean end. The
 * disk is the simulated one without faults; crashes are tests/sim/log's business.
 */
#include "base/prng.h"
#include "io/sim.h"
#include "log/log.h"
#include "log/record_batch.h"
#include "test.h"

#include "base/mem.h"

enum { RECORDS_MAX = 4000, SEEDS = 30, OPS = 250 };

struct twin {
    struct io *io;
    struct log *log;
    struct log_partition *partition;
    struct prng prng;
    int64_t timestamps[RECORDS_MAX];
    uint32_t values[RECORDS_MAX];
    int64_t batch_base[RECORDS_MAX];
    int64_t start, end;
};

static int pick(struct twin *t, int below)
{
    return (int)prng_below(&t->prng, (uint64_t)below);
}

static void open_twin(struct twin *t)
{
    struct log_options options = {.cache_bytes_max = (size_t)(1 + pick(t, 20000))};
    struct diag diag = {0};
    if (log_open(t->io, "d", &options, &diag, &t->log) != OK)
        fail_msg("%s", diag.message);
    struct log_topic *topic = log_topic_find(t->log, STR("t"));
    if (!topic) {
        struct log_topic_config config;
        log_topic_config_default(&config);
        config.retention_ms = -1;
        config.segment_bytes = 30000 + pick(t, 40000);
        assert_ok(log_topic_create(t->log, STR("t"), &config, NULL, &topic));
    }
    t->partition = log_topic_partition(topic, 0);
}

static void do_append(struct twin *t)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct record_batch_builder b;
    int64_t end = t->end, base;
    for (int batches = 1 + pick(t, 3); batches; batches--) {
        int64_t first = end;
        record_batch_builder_init(&b, (enum codec)pick(t, 5), 0);
        for (int records = 1 + pick(t, 8); records && end < RECORDS_MAX; records--) {
            size_t bytes = pick(t, 20) ? 4 + (size_t)pick(t, 300) : 4 + (size_t)pick(t, 9000);
            uint8_t *value = mem_zero(bytes);
            t->values[end] = (uint32_t)prng_next(&t->prng);
            t->timestamps[end] = 1000 + 10 * end - pick(t, 200);
            t->batch_base[end] = first;
            put_le32(value, t->values[end]);
            record_batch_builder_add(&b, t->timestamps[end], STR_NONE, str_from(value, bytes), NULL,
                                     0);
            mem_free(value);
            end++;
        }
        assert_ok(record_batch_builder_finish(&b, &out));
        record_batch_builder_deinit(&b);
    }
    if (end == t->end)
        return;
    assert_ok(log_append_wait(t->partition, out.ptr, out.bytes, &base));
    assert_int_equal(base, t->end);
    t->end = end;
}

static void check_batch(struct twin *t, const struct record_batch *batch, int64_t *offset)
{
    struct record_iterator it;
    struct record record;
    assert_int_equal(batch->base_offset, t->batch_base[batch->base_offset]);
    assert_ok(record_iterator_init(&it, batch, 1 << 20));
    while (record_iterator_next(&it, &record)) {
        assert_int_equal(record.timestamp_ms, t->timestamps[record.offset]);
        assert_int_equal(get_le32(record.value.ptr), t->values[record.offset]);
        *offset = record.offset + 1;
    }
    assert_ok(it.reader.err);
    record_iterator_deinit(&it);
}

static void do_read(struct twin *t)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_read read = {0};
    int64_t offset = t->start + pick(t, (int)(t->end - t->start) + 1), reached = -1;
    size_t bytes_max = (size_t)pick(t, 20000), at = 0;
    assert_ok(log_read(t->partition, offset, bytes_max, &out, &read));
    assert_int_equal(read.high_watermark, t->end);
    assert_int_equal(read.log_start, t->start);
    assert_err(ERR_OUT_OF_RANGE, log_read(t->partition, t->end + 1, 1, &out, &read));
    if (t->start)
        assert_err(ERR_OUT_OF_RANGE, log_read(t->partition, t->start - 1, 1, &out, &read));
    if (offset == t->end) {
        assert_int_equal(out.bytes, 0);
        return;
    }
    while (at < out.bytes) {
        struct record_batch batch;
        assert_ok(record_batch_parse(out.ptr + at, out.bytes - at, true, &batch));
        assert_int_equal(batch.base_offset, at ? reached : t->batch_base[offset]);
        if (at)
            assert_true(at + batch.bytes_count <= bytes_max);
        check_batch(t, &batch, &reached);
        at += batch.bytes_count;
    }
    assert_int_equal(read.offset_next, reached);
    assert_true(reached > offset);
}

static void do_time(struct twin *t)
{
    int64_t when = 700 + pick(t, (int)t->end * 10 + 400), want = -1, offset, timestamp;
    for (int64_t i = t->end - 1; i >= t->start; i--)
        if (t->timestamps[i] >= when)
            want = i;
    assert_ok(log_offset_for_time(t->partition, when, &offset, &timestamp));
    assert_int_equal(offset, want);
    if (want >= 0)
        assert_int_equal(timestamp, t->timestamps[want]);
}

static void do_trim(struct twin *t)
{
    t->start += pick(t, (int)(t->end - t->start) / 3 + 1);
    assert_ok(log_partition_trim(t->partition, t->start));
}

static void do_restart(struct twin *t)
{
    if (pick(t, 2))
        io_sim_kill(t->io);
    log_close(t->log);
    open_twin(t);
    assert_int_equal(log_partition_start(t->partition), t->start);
    assert_int_equal(log_partition_end(t->partition), t->end);
}

static void log_is_an_array(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct twin *t = mem_zero(sizeof *t);
        struct io_sim_options options = {.seed = seed};
        t->io = io_sim_new(&options);
        t->prng.state = seed;
        open_twin(t);
        for (int i = 0; i < OPS; i++) {
            int what = pick(t, 100);
            if (what < 45)
                do_append(t);
            else if (what < 75)
                do_read(t);
            else if (what < 90)
                do_time(t);
            else if (what < 93)
                do_trim(t);
            else
                do_restart(t);
        }
        log_close(t->log);
        io_free(t->io);
        mem_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(log_is_an_array)};
    return RUN_TESTS(tests);
}
