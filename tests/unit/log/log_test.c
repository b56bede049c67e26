/* SPDX-License-Identifier: MIT */
/* The log from outside: create, append, read, close, open again; the disk thread and loops. */
#include "tool.h"

#include "io/thread.h"

static void appended_is_read_and_survives(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf first = {0};
    CLEAN(buf_deinit) struct buf second = {0};
    for (int thread = 0; thread < 2; thread++) {
        buf_reset(&first);
        buf_reset(&second);
        tool_open(t, &(struct log_options){.own_thread = thread});
        struct log_partition *p = tool_topic(t->log, "words", 3, 0);
        int64_t end = log_partition_end(p);
        static const int before[] = {0, 1, 3};
        for (int i = 0; i < 20; i++)
            assert_int_equal(tool_append(p, "word", 1 + i % 3), end + i / 3 * 6 + before[i % 3]);
        tool_dump(p, 0, 100, &first);
        log_close(t->log);
        tool_open(t, NULL);
        p = tool_topic(t->log, "words", 3, 0);
        tool_dump(p, 0, 1 << 20, &second);
        assert_true(first.bytes > 100);
        assert_true(str_equal(buf_str(&first), buf_str(&second)));
        assert_int_equal(log_partition_end(p), end + 39);
        log_close(t->log);
        t->log = NULL;
    }
}

static void segments_roll(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf first = {0};
    CLEAN(buf_deinit) struct buf second = {0};
    tool_open(t, NULL);
    struct log_partition *p = tool_topic(t->log, "small", 1, 1000);
    for (int i = 0; i < 100; i++)
        tool_append(p, "some text of some length", 3);
    tool_dump(p, 0, 5000, &first);
    log_close(t->log);
    tool_open(t, NULL);
    p = tool_topic(t->log, "small", 1, 1000);
    tool_dump(p, 0, 1, &second);
    assert_true(str_equal(buf_str(&first), buf_str(&second)));
    assert_int_equal(log_partition_end(p), 300);
}

struct seen {
    int done, moved;
};

static void append_done(struct log_append *append)
{
    struct seen *seen = append->owner;
    assert_ok(append->err);
    seen->done++;
}

static void group_done(struct log_append_group *group)
{
    struct seen *seen = group->owner;
    assert_ok(group->err);
    seen->done++;
}

static void watch_moved(struct log_watch *watch)
{
    struct seen *seen = watch->owner;
    seen->moved++;
}

static void loops_are_told(void **state)
{
    struct tool *t = *state;
    CLEAN(buf_deinit) struct buf batch = {0};
    struct io_loop *loop;
    assert_ok(io_loop_new(t->io, &loop));
    tool_open(t, &(struct log_options){.own_thread = true});
    struct log_partition *p = tool_topic(t->log, "a", 2, 0);
    struct log_partition *q = log_topic_partition(log_partition_topic(p), 1);
    tool_batch_at(&batch, NULL, "x", 2, 1000, CODEC_LZ4);
    struct seen seen = {0};
    struct log_append appends[10], parts[2];
    struct log_watch watch = {.offset = 19, .moved = watch_moved, .owner = &seen, .loop = loop};
    struct log_watch stopped = {.offset = 0, .moved = watch_moved, .owner = &seen, .loop = loop};
    log_watch_start(p, &watch);
    log_watch_start(p, &stopped);
    for (int i = 0; i < 10; i++) {
        appends[i] = (struct log_append){.batches = batch.ptr,
                                         .bytes = batch.bytes,
                                         .loop = loop,
                                         .done = append_done,
                                         .owner = &seen};
        assert_ok(log_append(p, &appends[i]));
    }
    log_watch_stop(&stopped);
    while (seen.done < 10)
        io_loop_turn(loop, 1000000000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(appends[i].base_offset, 2 * i);
    while (!seen.moved)
        io_loop_turn(loop, 1000000000);
    assert_int_equal(seen.moved, 1);
    for (int i = 0; i < 2; i++)
        parts[i] =
            (struct log_append){.batches = batch.ptr, .bytes = batch.bytes, .partition = i ? q : p};
    struct log_append *list[] = {&parts[0], &parts[1]};
    struct log_append_group group = {
        .parts = list, .count = 2, .done = group_done, .owner = &seen, .loop = loop};
    assert_ok(log_append_together(t->log, &group));
    while (seen.done < 11)
        io_loop_turn(loop, 1000000000);
    assert_int_equal(parts[0].base_offset, 20);
    assert_int_equal(parts[1].base_offset, 0);
    assert_int_equal(log_partition_end(q), 2);
    log_close(t->log);
    t->log = NULL;
    io_loop_turn(loop, 0);
    io_loop_free(loop);
}

static void offsets_are_kept(void **state)
{
    struct tool *t = *state;
    tool_open(t, NULL);
    assert_int_equal(log_offset_fetch(t->log, STR("g"), STR("t"), 0), -1);
    assert_ok(log_offset_commit(t->log, STR("g"), STR("t"), 0, 17, STR("meta")));
    assert_ok(log_offset_commit(t->log, STR("g"), STR("t"), 1, 5, STR("")));
    assert_ok(log_offset_commit(t->log, STR("g"), STR("t"), 0, 18, STR("")));
    assert_ok(log_offset_commit(t->log, STR("a"), STR("z"), 3, 1, STR("")));
    assert_ok(log_offset_commit(t->log, STR("g"), STR("t"), 1, -1, STR("")));
    for (int round = 0; round < 2; round++) {
        struct arena arena;
        struct log_group_offset *offsets;
        assert_int_equal(log_offset_fetch(t->log, STR("g"), STR("t"), 0), 18);
        assert_int_equal(log_offset_fetch(t->log, STR("g"), STR("t"), 1), -1);
        arena_init(&arena, 1 << 20);
        assert_int_equal(log_offsets(t->log, STR_NONE, &arena, &offsets), 2);
        assert_str("a", offsets[0].group);
        assert_int_equal(offsets[1].offset, 18);
        arena_deinit(&arena);
        log_close(t->log);
        tool_open(t, NULL);
    }
}

/* ---- threads ---- */

enum { WRITERS = 3, APPENDS = 60 };
struct worker {
    struct tool *t;
    int number;
    bool reads;
    int failed;
};

static enum err write_some(struct worker *worker)
{
    struct log *log = worker->t->log;
    struct log_topic_config config;
    struct log_topic *topic;
    char name[16];
    snprintf(name, sizeof name, "own%d", worker->number);
    log_topic_config_default(&config);
    config.segment_bytes = 2000;
    TRY(log_topic_create(log, str_of(name), &config, NULL, &topic));
    struct log_partition *own = log_topic_partition(topic, 0);
    struct log_partition *shared =
        log_topic_partition(log_topic_find(log, STR("shared")), worker->number % 2);
    struct buf batch = {0};
    tool_batch_at(&batch, "k", "text", 2, 1000, CODEC_NONE);
    enum err err = OK;
    for (int i = 0; i < APPENDS && err == OK; i++) {
        err = log_append_wait(i % 2 ? own : shared, batch.ptr, batch.bytes, NULL);
        if (err == OK && i % 10 == 0)
            err = log_offset_commit(log, str_of(name), STR("shared"), 0, i, STR(""));
        if (err == OK && i % 15 == 0)
            err = log_partition_trim(own, log_partition_end(own) / 2);
    }
    buf_deinit(&batch);
    return err == OK ? log_topic_delete(log, str_of(name)) : err;
}

static enum err read_some(struct worker *worker)
{
    struct log_topic *topic = log_topic_find(worker->t->log, STR("shared"));
    CLEAN(buf_deinit) struct buf out = {0};
    for (int64_t next = 0; next < WRITERS / 2 * APPENDS;) {
        struct log_read read;
        int64_t offset, timestamp;
        buf_reset(&out);
        TRY(log_read(log_topic_partition(topic, 0), next, 500, &out, &read));
        TRY(log_offset_for_time(log_topic_partition(topic, 0), 1001, &offset, &timestamp));
        next = read.offset_next;
    }
    return OK;
}

static void work(void *arg)
{
    struct worker *worker = arg;
    worker->failed = (worker->reads ? read_some : write_some)(worker);
}

static void threads_share_it(void **state)
{
    struct tool *t = *state;
    struct io_thread *threads[WRITERS + 1];
    struct worker workers[WRITERS + 1];
    tool_open(t, &(struct log_options){.own_thread = true, .cache_bytes_max = 2000});
    tool_topic(t->log, "shared", 2, 3000);
    for (int i = 0; i <= WRITERS; i++) {
        workers[i] = (struct worker){.t = t, .number = i, .reads = i == WRITERS};
        assert_ok(io_thread_start(t->io, "worker", work, &workers[i], &threads[i]));
    }
    for (int i = 0; i <= WRITERS; i++)
        io_thread_join(threads[i]);
    for (int i = 0; i <= WRITERS; i++)
        assert_int_equal(workers[i].failed, OK);
    struct log_topic *shared = log_topic_find(t->log, STR("shared"));
    assert_int_equal(log_partition_end(log_topic_partition(shared, 0)) +
                         log_partition_end(log_topic_partition(shared, 1)),
                     WRITERS * APPENDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appended_is_read_and_survives, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(segments_roll, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(loops_are_told, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(offsets_are_kept, tool_setup, tool_teardown),
        cmocka_unit_test_setup_teardown(threads_share_it, tool_setup, tool_teardown),
    };
    return RUN_TESTS(tests);
}
