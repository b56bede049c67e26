/* SPDX-License-Identifier: MIT */
/* Idempotent producers: what is new, what comes again, what is refused, and what is kept. */
#include "tool.h"

#include "io/sim.h"

static void put(struct buf *out, int64_t id, int16_t epoch, int32_t sequence, int count,
                int attributes)
{
    struct record_batch_builder b;
    record_batch_builder_init(&b, CODEC_NONE, 0);
    b.producer_id = id;
    b.producer_epoch = epoch;
    b.base_sequence = sequence;
    b.attributes = (int16_t)attributes;
    for (int i = 0; i < count; i++)
        record_batch_builder_add(&b, 1000 + i, STR("key"), STR("value"), NULL, 0);
    assert_ok(record_batch_builder_finish(&b, out));
    record_batch_builder_deinit(&b);
}

static struct log *the_log; /* of the test that runs */

struct given {
    enum err err;
    int64_t offset;
    bool duplicate;
};

static void done(struct log_append *append)
{
    *(bool *)append->owner = true;
}

static struct given give(struct log_partition *p, int64_t id, int16_t epoch, int32_t sequence,
                         int count)
{
    CLEAN(buf_deinit) struct buf batch = {0};
    bool answered = false;
    put(&batch, id, epoch, sequence, count, 0);
    struct log_append append = {
        .batches = batch.ptr, .bytes = batch.bytes, .done = done, .owner = &answered};
    assert_ok(log_append(p, &append));
    while (!answered)
        log_step(the_log);
    return (struct given){append.err, append.base_offset, append.duplicate};
}

static void refused(struct log_partition *p, enum err err, int64_t id, int16_t epoch,
                    int32_t sequence)
{
    int64_t end = log_partition_end(p);
    assert_err(err, give(p, id, epoch, sequence, 1).err);
    assert_int_equal(log_partition_end(p), end);
}

static void taken(struct log_partition *p, int64_t offset, int64_t id, int16_t epoch,
                  int32_t sequence, int count)
{
    struct given given = give(p, id, epoch, sequence, count);
    assert_ok(given.err);
    assert_int_equal(given.offset, offset);
    assert_false(given.duplicate);
}

static void known(struct log_partition *p, int64_t offset, int64_t id, int16_t epoch,
                  int32_t sequence, int count)
{
    struct given given = give(p, id, epoch, sequence, count);
    assert_ok(given.err);
    assert_int_equal(given.offset, offset);
    assert_true(given.duplicate);
}

static void five_are_known(void **state)
{
    struct tool *t = *state;
    tool_open(t, NULL);
    the_log = t->log;
    struct log_partition *p = tool_topic(t->log, "t", 2, 0);
    struct log_partition *q = log_topic_partition(log_partition_topic(p), 1);
    for (int i = 0; i < 7; i++)
        taken(p, 2 * i, 9, 0, 2 * i, 2);
    for (int i = 2; i < 7; i++)
        known(p, 2 * i, 9, 0, 2 * i, 2);
    refused(p, ERR_DISORDER, 9, 0, 2);  /* the sixth back */
    refused(p, ERR_DISORDER, 9, 0, 15); /* one left out */
    refused(p, ERR_DISORDER, 9, 0, 13); /* half of a batch that is there */
    assert_false(give(p, 9, 0, 14, 1).duplicate);
    /* Of each partition its own. */
    taken(q, 0, 9, 0, 77, 1);
    refused(q, ERR_DISORDER, 9, 0, 0);
    /* Plain ones are nobody's. */
    tool_append(p, "plain", 1);
    known(p, 14, 9, 0, 14, 1);
}

static void sequences_wrap(void **state)
{
    struct tool *t = *state;
    tool_open(t, NULL);
    the_log = t->log;
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    taken(p, 0, 1, 0, INT32_MAX - 1, 2);
    taken(p, 2, 1, 0, 0, 1);
    known(p, 0, 1, 0, INT32_MAX - 1, 2);
    taken(p, 3, 2, 0, INT32_MAX, 3); /* over the end within a batch */
    refused(p, ERR_DISORDER, 2, 0, 3);
    taken(p, 6, 2, 0, 2, 1);
    known(p, 3, 2, 0, INT32_MAX, 3);
}

static void epochs_fence(void **state)
{
    struct tool *t = *state;
    tool_open(t, NULL);
    the_log = t->log;
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    taken(p, 0, 1, 3, 40, 1);
    refused(p, ERR_FENCED, 1, 2, 41);
    refused(p, ERR_DISORDER, 1, 4, 41); /* a newer one begins at 0 */
    taken(p, 1, 1, 4, 0, 1);
    refused(p, ERR_FENCED, 1, 3, 41);
    known(p, 1, 1, 4, 0, 1);
    /* Nothing of what was refused is remembered. */
    taken(p, 2, 1, 4, 1, 1);
}

static void the_first_is_waited_for(void **state)
{
    struct tool *t = *state;
    tool_open(t, NULL);
    the_log = t->log;
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    log_producer_expect(p, 1, 0, 5);
    log_producer_expect(p, 1, 0, 8);
    refused(p, ERR_DISORDER, 1, 0, 8);
    log_producer_expect(p, 1, 0, 3); /* an earlier one */
    refused(p, ERR_DISORDER, 1, 0, 5);
    taken(p, 0, 2, 0, 8, 1); /* another producer */
    taken(p, 1, 1, 0, 3, 2);
    log_producer_expect(p, 1, 0, 0); /* it is known: says nothing */
    taken(p, 3, 1, 0, 5, 1);
    /* A newer epoch begins anew; an older expectation is void. */
    log_producer_expect(p, 3, 0, 2);
    taken(p, 4, 3, 1, 7, 1);
    log_producer_expect(p, 4, 0, 2);
    log_producer_expect(p, 4, 1, 6);
    refused(p, ERR_DISORDER, 4, 1, 7);
    taken(p, 5, 4, 1, 6, 1);
    /* Only the newest thousand are kept. */
    for (int i = 0; i < 1025; i++)
        log_producer_expect(p, 100 + i, 0, 0);
    taken(p, 6, 100, 0, 1, 1);
    refused(p, ERR_DISORDER, 101, 0, 1);
}

static void what_a_full_disk_refused_is_waited_for(void **state)
{
    struct io *io = io_sim_new(&(struct io_sim_options){.seed = 1});
    struct log_options options = {0};
    struct diag diag = {0};
    assert_ok(log_open(io, "d", &options, &diag, &the_log));
    struct log_partition *p = tool_topic(the_log, "t", 1, 0);
    taken(p, 0, 1, 0, 0, 1);
    io_sim_set_disk_bytes(io, 1);
    CLEAN(buf_deinit) struct buf batch = {0};
    bool answered = false;
    while (!answered) { /* until there is no room any more */
        buf_reset(&batch);
        struct given given = give(p, -1, -1, -1, 100);
        answered = given.err == ERR_DISK_FULL;
    }
    answered = false;
    put(&batch, 7, 0, 0, 1, 0);
    struct log_append append = {
        .batches = batch.ptr, .bytes = batch.bytes, .done = done, .owner = &answered};
    assert_err(ERR_DISK_FULL, log_append(p, &append));
    io_sim_set_disk_bytes(io, 0);
    io_sim_advance_ns(io, 200000000);
    log_step(the_log);
    refused(p, ERR_DISORDER, 7, 0, 1);
    assert_ok(give(p, 7, 0, 0, 1).err);
    assert_ok(give(p, 7, 0, 1, 1).err);
    log_close(the_log);
    io_free(io);
}

static void one_group_is_one_order(void **state)
{
    struct tool *t = *state;
    struct buf batches[4] = {0};
    struct log_append appends[4];
    bool answered[4] = {0};
    static const int32_t sequences[] = {0, 1, 0, 3};
    tool_open(t, NULL);
    the_log = t->log;
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    for (int i = 0; i < 4; i++) {
        put(&batches[i], 5, 0, sequences[i], 1, 0);
        appends[i] = (struct log_append){.batches = batches[i].ptr,
                                         .bytes = batches[i].bytes,
                                         .done = done,
                                         .owner = &answered[i]};
        assert_ok(log_append(p, &appends[i]));
        assert_false(answered[i]);
    }
    log_step(t->log);
    for (int i = 0; i < 4; i++) {
        assert_true(answered[i]);
        buf_deinit(&batches[i]);
    }
    assert_ok(appends[0].err);
    assert_ok(appends[1].err);
    assert_ok(appends[2].err);
    assert_true(appends[2].duplicate);
    assert_int_equal(appends[2].base_offset, 0);
    assert_err(ERR_DISORDER, appends[3].err);
    assert_int_equal(log_partition_end(p), 2);
}

static void group_done(struct log_append_group *group)
{
    *(bool *)group->owner = true;
}

static enum err together(struct tool *t, struct log_partition *p, struct log_partition *q,
                         int32_t second)
{
    CLEAN(buf_deinit) struct buf one = {0};
    CLEAN(buf_deinit) struct buf two = {0};
    bool answered = false;
    put(&one, 5, 0, 0, 1, 0);
    put(&two, 5, 0, second, 1, 0);
    struct log_append parts[] = {{.batches = one.ptr, .bytes = one.bytes, .partition = p},
                                 {.batches = two.ptr, .bytes = two.bytes, .partition = q}};
    struct log_append *list[] = {&parts[0], &parts[1]};
    struct log_append_group group = {
        .parts = list, .count = 2, .done = group_done, .owner = &answered};
    assert_ok(log_append_together(t->log, &group));
    while (!answered)
        log_step(t->log);
    return group.err;
}

static void groups_are_refused_whole(void **state)
{
    struct tool *t = *state;
    tool_open(t, NULL);
    the_log = t->log;
    struct log_partition *p = tool_topic(t->log, "t", 2, 0);
    struct log_partition *q = log_topic_partition(log_partition_topic(p), 1);
    taken(q, 0, 5, 0, 7, 1);
    assert_err(ERR_DISORDER, together(t, p, q, 10));
    assert_int_equal(log_partition_end(p), 0);
    assert_int_equal(log_partition_end(q), 1);
    assert_ok(together(t, p, q, 8));
    assert_int_equal(log_partition_end(p), 1);
    assert_int_equal(log_partition_end(q), 2);
}

static void bad_ones_are_refused_at_once(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf batch = {0};
    struct log_append append = {.done = done};
    tool_open(t, NULL);
    the_log = t->log;
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    static const struct {
        int64_t id;
        int16_t epoch;
        int32_t sequence;
        int attributes;
        enum err err;
    } bad[] = {
        {1, 0, -1, 0, ERR_INVALID},
        {1, -1, 0, 0, ERR_INVALID},
        {-1, -1, -1, BATCH_TRANSACTIONAL, ERR_STATE},
        {1, 0, 0, BATCH_TRANSACTIONAL | BATCH_CONTROL, ERR_INVALID},
        {1, 0, 0, BATCH_DELETE_HORIZON, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_reset(&batch);
        put(&batch, bad[i].id, bad[i].epoch, bad[i].sequence, 1, bad[i].attributes);
        append.batches = batch.ptr;
        append.bytes = batch.bytes;
        assert_err(bad[i].err, log_append(p, &append));
    }
    /* A marker is not made of any batch. */
    buf_reset(&batch);
    put(&batch, 1, 0, 0, 1, BATCH_TRANSACTIONAL);
    append = (struct log_append){.batches = batch.ptr, .bytes = batch.bytes, .control = true};
    assert_err(ERR_INVALID, log_append(p, &append));
}

/* ---- kept ---- */

static void restart(struct tool *t, bool kill)
{
    if (kill)
        io_sim_kill(t->io);
    log_close(t->log);
    tool_open(t, NULL);
    the_log = t->log;
}

static struct tool *sim_tool(struct tool *t)
{
    struct io_sim_options options = {.seed = 1};
    *t = (struct tool){.io = io_sim_new(&options)};
    snprintf(t->dir, sizeof t->dir, "d");
    tool_open(t, NULL);
    the_log = t->log;
    return t;
}

static void sim_tool_end(struct tool *t)
{
    log_close(t->log);
    io_free(t->io);
}

static void it_is_kept(void **state)
{
    struct tool sim, *t = sim_tool(&sim);
    struct log_partition *p = tool_topic(t->log, "t", 1, 600);
    int32_t sequence = 0;
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < round % 5; i++, sequence += 2)
            taken(p, sequence, 1, 0, sequence, 2);
        restart(t, round % 3);
        p = tool_topic(t->log, "t", 1, 600);
        if (sequence) {
            known(p, sequence - 2, 1, 0, sequence - 2, 2);
            refused(p, ERR_DISORDER, 1, 0, sequence + 1);
        }
    }
    /* Also when the segments are gone that the batches were in. */
    assert_ok(log_partition_trim(p, sequence));
    for (int kill = 0; kill < 2; kill++) {
        restart(t, kill);
        p = tool_topic(t->log, "t", 1, 600);
        assert_int_equal(log_partition_start(p), sequence);
        known(p, sequence - 2, 1, 0, sequence - 2, 2);
    }
    taken(p, sequence, 1, 0, sequence, 2);
    sim_tool_end(t);
}

static void damaged_snapshots_are_made_up_for(void **state)
{
    struct tool sim, *t = sim_tool(&sim);
    struct log_partition *p = tool_topic(t->log, "t", 1, 600);
    char **names;
    size_t count, snapshots = 0;
    for (int i = 0; i < 20; i++)
        taken(p, i, 1, 0, i, 1);
    log_close(t->log);
    assert_ok(io_path_list(t->io, "d/topics/t", &names, &count));
    for (size_t i = 0; i < count; i++) {
        char path[300];
        if (!str_ends(str_of(names[i]), STR(".producers")))
            continue;
        snprintf(path, sizeof path, "d/topics/t/%s", names[i]);
        assert_ok(io_path_replace(t->io, path, "nonsense", 8));
        snapshots++;
    }
    io_names_free(names, count);
    assert_true(snapshots > 1);
    assert_ok(io_path_remove(t->io, "d/checkpoint"));
    tool_open(t, NULL);
    the_log = t->log;
    p = tool_topic(t->log, "t", 1, 600);
    known(p, 19, 1, 0, 19, 1);
    known(p, 15, 1, 0, 15, 1);
    sim_tool_end(t);
}

static void idle_ones_are_forgotten(void **state)
{
    struct tool sim, *t = sim_tool(&sim);
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    taken(p, 0, 1, 0, 0, 1);
    taken(p, 1, 2, 0, 0, 1);
    for (int hour = 0; hour < 30; hour++) { /* the timestamps of the records are of 1970 */
        io_sim_advance_ns(t->io, (int64_t)3600 * 1000000000);
        log_step(t->log);
        taken(p, 2 + hour, 2, 0, 1 + hour, 1);
    }
    refused(p, ERR_DISORDER, 2, 0, 60);
    taken(p, 32, 1, 0, 60, 1); /* it is unknown */
    sim_tool_end(t);
}

static void many_are_found(void **state)
{
    struct tool sim, *t = sim_tool(&sim);
    struct log_partition *p = tool_topic(t->log, "t", 1, 0);
    struct log_producer *list;
    struct arena arena;
    enum { MANY = 300 };
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++)
            taken(p, round * MANY + i, 1000003LL * i, 0, round, 1);
    restart(t, true);
    p = tool_topic(t->log, "t", 1, 0);
    for (int i = 0; i < MANY; i++)
        known(p, MANY + i, 1000003LL * i, 0, 1, 1);
    arena_init(&arena, 0);
    assert_int_equal(log_producers(p, &arena, &list), MANY);
    assert_int_equal(list[7].producer_id, 7 * 1000003LL);
    assert_int_equal(list[7].last_sequence, 1);
    assert_int_equal(list[7].txn_first_offset, -1);
    arena_deinit(&arena);
    sim_tool_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(five_are_known, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(sequences_wrap, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(epochs_fence, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(the_first_is_waited_for, tool_setup, tool_teardown),
        cmocka_unit_test(what_a_full_disk_refused_is_waited_for),
        cmocka_unit_test_setup_teardown(one_group_is_one_order, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(groups_are_refused_whole, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(bad_ones_are_refused_at_once, tool_setup, tool_teardown),
        cmocka_unit_test(it_is_kept),
        cmocka_unit_test(damaged_snapshots_are_made_up_for),
        cmocka_unit_test(idle_ones_are_forgotten),
        cmocka_unit_test(many_are_found),
    };
    return RUN_TESTS(tests);
}
