/* SPDX-License-Identifier: MIT */
/* Transactions: stable end, aborted ones, markers, offsets that wait, and what compaction leaves.
 */
#include "tool.h"

#include "io/sim.h"

struct world {
    struct tool tool;
    struct log_partition *p;
    int32_t next[16]; /* sequence of each producer */
};

static void open_world(struct world *w, const struct log_topic_config *config)
{
    struct log_topic *topic;
    tool_open(&w->tool, NULL);
    topic = log_topic_find(w->tool.log, STR("t"));
    if (!topic)
        assert_ok(log_topic_create(w->tool.log, STR("t"), config, NULL, &topic));
    w->p = log_topic_partition(topic, 0);
}

static void begin(struct world *w, int64_t segment_bytes, bool compact)
{
    struct io_sim_options options = {.seed = 1};
    struct log_topic_config config;
    *w = (struct world){.tool.io = io_sim_new(&options)};
    snprintf(w->tool.dir, sizeof w->tool.dir, "d");
    log_topic_config_default(&config);
    config.retention_ms = -1;
    config.segment_bytes = segment_bytes;
    config.compact = compact;
    config.dirty_ratio_min = 0.01;
    config.delete_retention_ms = 3600 * 1000;
    open_world(w, &config);
}

static void again(struct world *w, bool kill)
{
    if (kill)
        io_sim_kill(w->tool.io);
    log_close(w->tool.log);
    open_world(w, NULL);
}

static void end(struct world *w)
{
    log_close(w->tool.log);
    io_free(w->tool.io);
}

/* One record, in a transaction (id > 0) or plain (id 0). */
static int64_t give(struct world *w, int id, const char *key, const char *value)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct record_batch_builder b;
    int64_t offset = -1;
    record_batch_builder_init(&b, CODEC_NONE, 0);
    if (id > 0) {
        b.producer_id = id;
        b.producer_epoch = 0;
        b.base_sequence = w->next[id]++;
        b.attributes = BATCH_TRANSACTIONAL;
    }
    record_batch_builder_add(&b, io_wall_us(w->tool.io) / 1000, str_of(key), str_of(value), NULL,
                             0);
    assert_ok(record_batch_builder_finish(&b, &out));
    record_batch_builder_deinit(&b);
    assert_ok(log_append_wait(w->p, out.ptr, out.bytes, &offset));
    return offset;
}

static void done(struct log_append *append)
{
    *(bool *)append->owner = true;
}

static enum err mark_at(struct world *w, struct log_partition *p, int id, int16_t epoch,
                        bool commit, int32_t coordinator_epoch)
{
    CLEAN(buf_deinit) struct buf out = {0};
    bool answered = false;
    log_marker_encode(id, epoch, commit, coordinator_epoch, io_wall_us(w->tool.io) / 1000, &out);
    struct log_append append = {
        .batches = out.ptr, .bytes = out.bytes, .done = done, .owner = &answered, .control = true};
    TRY(log_append(p, &append));
    while (!answered)
        log_step(w->tool.log);
    return append.err;
}

static void mark(struct world *w, int id, bool commit)
{
    assert_ok(mark_at(w, w->p, id, 0, commit, 0));
}

static void aborted_are(struct world *w, int64_t from, int64_t to, const char *want)
{
    CLEAN(buf_deinit) struct buf text = {0};
    struct log_aborted *list;
    struct arena arena;
    arena_init(&arena, 0);
    size_t count = log_aborted(w->p, from, to, &arena, &list);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%d:%d-%d ", (int)list[i].producer_id, (int)list[i].first_offset,
                   (int)list[i].last_offset);
    assert_string_equal(want, buf_c_str(&text));
    arena_deinit(&arena);
}

static void the_stable_end_waits(void **state)
{
    struct world world, *w = &world;
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_read read;
    begin(w, 0, false);
    assert_int_equal(give(w, 0, "k", "plain"), 0);
    assert_int_equal(give(w, 1, "k", "one"), 1);
    assert_int_equal(give(w, 2, "k", "two"), 2);
    assert_int_equal(give(w, 0, "k", "plain"), 3);
    assert_int_equal(log_partition_stable_end(w->p), 1);
    assert_ok(log_read_stable(w->p, 0, 1 << 20, &out, &read));
    assert_int_equal(read.offset_next, 1);
    assert_int_equal(read.stable_end, 1);
    assert_int_equal(read.high_watermark, 4);
    buf_reset(&out);
    assert_ok(log_read_stable(w->p, 1, 1 << 20, &out, &read));
    assert_int_equal(out.bytes, 0);
    assert_ok(log_read_stable(w->p, 4, 1 << 20, &out, &read));
    assert_err(ERR_OUT_OF_RANGE, log_read_stable(w->p, 5, 1 << 20, &out, &read));
    mark(w, 1, false);
    assert_int_equal(log_partition_stable_end(w->p), 2);
    again(w, true);
    assert_int_equal(log_partition_stable_end(w->p), 2);
    aborted_are(w, 0, 100, "1:1-4 ");
    aborted_are(w, 0, 1, "");
    aborted_are(w, 4, 5, "1:1-4 ");
    aborted_are(w, 5, 6, "");
    mark(w, 2, false);
    assert_int_equal(log_partition_stable_end(w->p), 6);
    aborted_are(w, 0, 100, "1:1-4 2:2-5 ");
    give(w, 2, "k", "more");
    give(w, 1, "k", "more");
    mark(w, 1, false);
    mark(w, 2, true);
    aborted_are(w, 5, 100, "2:2-5 1:7-8 ");
    again(w, false);
    aborted_are(w, 0, 100, "1:1-4 2:2-5 1:7-8 ");
    assert_int_equal(log_partition_stable_end(w->p), 10);
    end(w);
}

static void markers_are_checked(void **state)
{
    struct world world, *w = &world;
    begin(w, 0, false);
    give(w, 1, "k", "v");
    assert_err(ERR_INVALID, mark_at(w, w->p, 1, -1, true, 5));
    assert_ok(mark_at(w, w->p, 1, 0, true, 5));
    give(w, 1, "k", "v");
    assert_err(ERR_FENCED, mark_at(w, w->p, 1, 0, true, 4)); /* an older coordinator */
    assert_ok(mark_at(w, w->p, 1, 3, false, 5));             /* a newer epoch fences what follows */
    aborted_are(w, 0, 9, "1:2-3 ");
    struct log_producer *list;
    struct arena arena;
    arena_init(&arena, 0);
    assert_int_equal(log_producers(w->p, &arena, &list), 1);
    assert_int_equal(list[0].epoch, 3);
    assert_int_equal(list[0].coordinator_epoch, 5);
    assert_int_equal(list[0].last_sequence, -1);
    arena_deinit(&arena);
    /* Once more, after a lost answer: harmless. */
    assert_ok(mark_at(w, w->p, 1, 3, false, 5));
    aborted_are(w, 0, 9, "1:2-3 ");
    end(w);
}

static void moved(struct log_watch *watch)
{
    ++*(int *)watch->owner;
}

static void stable_watches_wait(void **state)
{
    struct world world, *w = &world;
    int plain = 0, stable = 0;
    struct log_watch watch = {.moved = moved, .owner = &plain};
    struct log_watch of_stable = {.moved = moved, .owner = &stable, .stable = true};
    begin(w, 0, false);
    log_watch_start(w->p, &watch);
    log_watch_start(w->p, &of_stable);
    give(w, 1, "k", "v");
    assert_int_equal(plain, 1);
    give(w, 0, "k", "v");
    assert_int_equal(stable, 0);
    mark(w, 1, true);
    assert_int_equal(stable, 1);
    end(w);
}

static void it_is_kept_over_segments(void **state)
{
    struct world world, *w = &world;
    begin(w, 400, false);
    for (int i = 0; i < 10; i++) {
        give(w, 1, "k", "aborted");
        mark(w, 1, false);
        give(w, 0, "k", "plain");
    }
    give(w, 3, "k", "open");
    for (int i = 0; i < 10; i++)
        give(w, 0, "k", "plain");
    for (int kill = 0; kill < 4; kill++) {
        struct log_aborted *list;
        struct arena arena;
        again(w, kill % 2);
        arena_init(&arena, 0);
        assert_int_equal(log_partition_stable_end(w->p), 30);
        assert_int_equal(log_aborted(w->p, log_partition_start(w->p), 1000, &arena, &list),
                         kill < 2 ? 10 : 5);
        assert_int_equal(list[9 - (kill < 2 ? 0 : 5)].first_offset, 27);
        arena_deinit(&arena);
        if (kill == 1)
            assert_ok(log_partition_trim(w->p, 15));
        give(w, 0, "k", "plain");
        log_step(w->tool.log);
    }
    mark(w, 3, true);
    assert_int_equal(log_partition_stable_end(w->p), log_partition_end(w->p));
    end(w);
}

/* ---- compaction ---- */

/* What lies on the disk: "0:t 2:- 3:a ..": offset and kind of each batch, - when it is empty. */
static void content(struct world *w, struct buf *text)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_read read = {0};
    buf_reset(text);
    while (read.offset_next < log_partition_end(w->p))
        assert_ok(log_read(w->p, read.offset_next, 100, &out, &read));
    for (size_t at = 0; at < out.bytes;) {
        struct record_batch batch;
        assert_ok(record_batch_parse(out.ptr + at, out.bytes - at, true, &batch));
        const char *kind = batch.attributes & BATCH_CONTROL         ? "m"
                           : batch.attributes & BATCH_TRANSACTIONAL ? "t"
                                                                    : "p";
        buf_printf(text, "%d:%s%s ", (int)batch.base_offset, batch.count ? kind : "-",
                   batch.attributes & BATCH_DELETE_HORIZON ? "*" : "");
        at += batch.bytes_count;
    }
}

static void pass(struct world *w, int seconds)
{
    io_sim_advance_ns(w->tool.io, (int64_t)seconds * 1000000000);
    while (log_step(w->tool.log))
        ;
}

/* Ends the segment: what comes is too big for it. */
static void fill(struct world *w, const char *key)
{
    char text[1200];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    give(w, 0, key, text);
}

static void compaction_knows_transactions(void **state)
{
    struct world world, *w = &world;
    CLEAN(buf_deinit) struct buf text = {0};
    begin(w, 1400, true);
    give(w, 0, "a", "1");
    give(w, 1, "a", "aborted");
    mark(w, 1, false);
    give(w, 2, "b", "committed");
    mark(w, 2, true);
    give(w, 0, "c", NULL);
    fill(w, "z");
    fill(w, "y");
    content(w, &text);
    assert_string_equal("0:p 1:t 2:m 3:t 4:m 5:p 6:p 7:p ", buf_c_str(&text));
    pass(w, 10);
    /* Aborted data is an empty batch, for its producer's sequence; the newer record of it did not
     * count; the tombstone has a horizon; markers stay, as their records were there. */
    content(w, &text);
    assert_string_equal("0:p 1:- 2:m 3:t 4:m 5:p* 6:p 7:p ", buf_c_str(&text));
    aborted_are(w, 0, 10, "1:1-2 ");
    fill(w, "x");
    pass(w, 10);
    content(w, &text);
    assert_string_equal("0:p 1:- 2:m* 3:t 4:m 5:p* 6:p 7:p 8:p ", buf_c_str(&text));
    pass(w, 4000);
    fill(w, "w");
    pass(w, 10);
    content(w, &text);
    assert_string_equal("0:p 1:- 3:t 4:m 6:p 7:p 8:p 9:p ", buf_c_str(&text));
    aborted_are(w, 0, 10, "");
    again(w, true);
    aborted_are(w, 0, 10, "");
    assert_int_equal(give(w, 1, "a", "again"), 10);
    end(w);
}

static void the_last_offset_stays(void **state)
{
    struct world world, *w = &world;
    CLEAN(buf_deinit) struct buf text = {0};
    struct log_read read;
    begin(w, 1400, true);
    give(w, 0, "a", "1");
    give(w, 1, "a", "aborted");
    mark(w, 1, false);
    fill(w, "a");
    fill(w, "a");
    pass(w, 10);
    content(w, &text);
    assert_string_equal("1:- 2:m 3:p 4:p ", buf_c_str(&text));
    buf_reset(&text);
    assert_ok(log_read(w->p, 0, 1, &text, &read));
    assert_int_equal(read.offset_next, 2);
    end(w);
}

static void times_live_on_under_a_horizon(void **state)
{
    struct world world, *w = &world;
    int64_t offset, timestamp, before = 0;
    begin(w, 1400, true);
    before = io_wall_us(w->tool.io) / 1000;
    give(w, 0, "a", NULL);
    fill(w, "b");
    pass(w, 20);
    fill(w, "c");
    pass(w, 20);
    assert_ok(log_offset_for_time(w->p, before, &offset, &timestamp));
    assert_int_equal(offset, 0);
    assert_int_equal(timestamp, before);
    end(w);
}

/* ---- offsets ---- */

static void commit(struct world *w, int id, int64_t offset)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_partition *to;
    struct log_group_offset o = {.group = STR("g"),
                                 .topic = STR("t"),
                                 .offset = offset,
                                 .leader_epoch = 7,
                                 .metadata = STR("note"),
                                 .commit_ms = 1234};
    assert_ok(log_offsets_partition(w->tool.log, &to));
    if (id)
        assert_ok(log_offset_encode_txn(w->tool.log, &o, 1, id, 0, &out));
    else
        assert_ok(log_offset_encode(w->tool.log, &o, 1, &out));
    assert_ok(log_append_wait(to, out.ptr, out.bytes, NULL));
}

static void offset_is(struct world *w, int64_t want, bool want_pending)
{
    struct log_group_offset o;
    struct arena arena;
    bool pending = !want_pending;
    arena_init(&arena, 0);
    enum err err = log_offset_get(w->tool.log, STR("g"), STR("t"), 0, &arena, &o, &pending);
    assert_int_equal(pending, want_pending);
    assert_int_equal(log_offset_fetch(w->tool.log, STR("g"), STR("t"), 0), want);
    if (want < 0) {
        assert_err(ERR_NOT_FOUND, err);
    } else {
        assert_ok(err);
        assert_int_equal(o.offset, want);
        assert_int_equal(o.leader_epoch, 7);
        assert_int_equal(o.commit_ms, 1234);
        assert_str("note", o.metadata);
    }
    arena_deinit(&arena);
}

static void offsets_wait_for_the_marker(void **state)
{
    struct world world, *w = &world;
    struct log_partition *offsets;
    begin(w, 0, false);
    commit(w, 1, 5);
    for (int kill = 0; kill < 3; kill++) {
        offset_is(w, -1, true);
        again(w, kill % 2);
    }
    assert_ok(log_offsets_partition(w->tool.log, &offsets));
    assert_ok(mark_at(w, offsets, 1, 0, true, 0));
    offset_is(w, 5, false);
    commit(w, 1, 6);
    offset_is(w, 5, true);
    assert_ok(mark_at(w, offsets, 1, 0, false, 0));
    offset_is(w, 5, false);
    commit(w, 2, 8);
    commit(w, 0, 9); /* plain, and later: it stays */
    assert_ok(mark_at(w, offsets, 2, 0, true, 0));
    offset_is(w, 9, false);
    commit(w, 0, -2); /* some clients say "from the earliest" that way */
    again(w, true);
    struct log_group_offset *list;
    struct arena arena;
    arena_init(&arena, 0);
    assert_int_equal(log_offsets(w->tool.log, STR("g"), &arena, &list), 1);
    assert_int_equal(list[0].offset, -2);
    arena_deinit(&arena);
    commit(w, 0, -1);
    offset_is(w, -1, false);
    again(w, true);
    offset_is(w, -1, false);
    end(w);
}

static void other_records_share_the_topic(void **state)
{
    struct world world, *w = &world;
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_partition *offsets;
    struct log_group_offset *list;
    struct record_batch_builder b;
    struct arena arena;
    begin(w, 0, false);
    commit(w, 0, 3);
    assert_ok(log_offsets_partition(w->tool.log, &offsets));
    record_batch_builder_init(&b, CODEC_NONE, 0);
    record_batch_builder_add(&b, 1, str_from("\0\2\0\1g", 5), STR("a group"), NULL, 0);
    assert_ok(record_batch_builder_finish(&b, &out));
    record_batch_builder_deinit(&b);
    assert_ok(log_append_wait(offsets, out.ptr, out.bytes, NULL));
    again(w, false);
    offset_is(w, 3, false);
    arena_init(&arena, 0);
    assert_int_equal(log_offsets(w->tool.log, STR_NONE, &arena, &list), 1);
    assert_int_equal(log_offsets(w->tool.log, STR("h"), &arena, &list), 0);
    assert_int_equal(log_offsets(w->tool.log, STR("g"), &arena, &list), 1);
    assert_str("note", list[0].metadata);
    arena_deinit(&arena);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stable_end_waits),
        cmocka_unit_test(markers_are_checked),
        cmocka_unit_test(stable_watches_wait),
        cmocka_unit_test(it_is_kept_over_segments),
        cmocka_unit_test(compaction_knows_transactions),
        cmocka_unit_test(the_last_offset_stays),
        cmocka_unit_test(times_live_on_under_a_horizon),
        cmocka_unit_test(offsets_wait_for_the_marker),
        cmocka_unit_test(other_records_share_the_topic),
    };
    return RUN_TESTS(tests);
}
