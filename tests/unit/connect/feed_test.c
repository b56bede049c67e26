/* SPDX-License-Identifier: MIT */
/* The feed against a real log: partitions, positions, bounds, discards, repetitions. */
#include "base/hash.h"
#include "connect/connect.h"
#include "world.h"

struct done {
    struct feed_flush flush;
    int count;
    enum err err;
};
static void on_done(struct feed_flush *flush, enum err err)
{
    struct done *d = flush->owner;
    d->count++;
    d->err = err;
}
static bool is_done(void *owner)
{
    return ((struct done *)owner)->count > 0;
}
static void flush_wait(struct world *w, struct str position)
{
    struct done d = {.flush.done = on_done};
    d.flush.owner = &d;
    assert_ok(feed_flush(w->feed, position, &d.flush));
    assert_int_equal(0, d.count);
    world_until(w, is_done, &d);
    assert_ok(d.err);
}
static void put(struct world *w, const char *key, const char *value)
{
    assert_ok(feed_put(w->feed, -1, key ? str_of(key) : STR_NONE, str_of(value)));
}

static void check_partition(void *owner, const struct record *record)
{
    int32_t partition = *(int32_t *)owner;
    assert_int_equal(partition, (hash_kafka(record->key.ptr, record->key.bytes) & 0x7fffffff) % 3);
}

static void test_partitions(void **state)
{
    struct world w;
    char key[32];
    world_open(&w, 3, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        put(&w, key, "{}");
    }
    flush_wait(&w, STR_NONE);
    size_t count = 0;
    for (int32_t i = 0; i < 3; i++)
        count += world_records(&w, i, check_partition, &i);
    assert_int_equal(1000, count);
    /* Without a key they go round. */
    for (int i = 0; i < 300; i++)
        put(&w, NULL, "{}");
    flush_wait(&w, STR_NONE);
    struct feed_counters counters;
    feed_counters(w.feed, &counters);
    assert_int_equal(1300, counters.fetched);
    assert_int_equal(1300, counters.appended);
    assert_int_equal(1300, world_count(&w));
    world_close(&w);
}

static void test_position_survives(void **state)
{
    struct world w;
    struct buf position = {0};
    world_open(&w, 2, 0);
    assert_err(ERR_NOT_FOUND, feed_position(w.feed, &position));
    for (int i = 0; i < 20; i++) {
        char text[32], key[2] = {(char)('a' + i), 0};
        snprintf(text, sizeof text, "page=%d and more", i);
        put(&w, key, "{}");
        flush_wait(&w, str_of(text));
    }
    put(&w, "x", "{\"flushed\":false}");
    world_restart(&w);
    assert_ok(feed_position(w.feed, &position));
    assert_str("page=19 and more", buf_str(&position));
    /* Another source's position is not ours. */
    struct feed *other = NULL;
    assert_ok(feed_new(w.log, w.topic, w.loop, STR("other"), 0, &other));
    assert_err(ERR_NOT_FOUND, feed_position(other, &position));
    feed_free(other);
    /* Records without a position behind it do not hide it; the sequence goes on. */
    put(&w, "b", "{}");
    flush_wait(&w, STR_NONE);
    world_restart(&w);
    put(&w, "c", "{}");
    flush_wait(&w, STR("newer"));
    world_restart(&w);
    buf_reset(&position);
    assert_ok(feed_position(w.feed, &position));
    assert_str("newer", buf_str(&position));
    assert_int_equal(22, world_count(&w));
    buf_deinit(&position);
    world_close(&w);
}

static void collect(void *owner, const struct record *record)
{
    buf_str_append(owner, record->value);
}

static void test_discard(void **state)
{
    struct world w;
    struct buf all = {0};
    struct done d = {.flush.done = on_done};
    d.flush.owner = &d;
    world_open(&w, 1, 0);
    put(&w, NULL, "a");
    put(&w, NULL, "b");
    assert_ok(feed_flush(w.feed, STR("p1"), &d.flush));
    /* Behind the line, in the same turn. */
    put(&w, NULL, "X");
    put(&w, NULL, "Y");
    feed_discard(w.feed);
    put(&w, NULL, "c");
    world_until(&w, is_done, &d);
    put(&w, NULL, "d");
    flush_wait(&w, STR("p2"));
    put(&w, NULL, "Z");
    feed_discard(w.feed);
    flush_wait(&w, STR_NONE);
    world_records(&w, 0, collect, &all);
    assert_str("abcd", buf_str(&all));
    buf_deinit(&all);
    world_close(&w);
}

/* A discard cuts through batches that were closed because they were large. */
static void test_large_discard(void **state)
{
    struct world w;
    struct done d = {.flush.done = on_done};
    d.flush.owner = &d;
    char *big = mem_alloc(300001);
    memset(big, 'x', 300000);
    big[300000] = 0;
    world_open(&w, 1, 0);
    put(&w, NULL, "first");
    assert_ok(feed_flush(w.feed, STR("p1"), &d.flush));
    for (int i = 0; i < 20; i++)
        put(&w, NULL, big);
    feed_discard(w.feed);
    for (int i = 0; i < 7; i++)
        put(&w, NULL, big);
    world_until(&w, is_done, &d);
    assert_int_equal(1, world_count(&w));
    for (int i = 0; i < 7; i++)
        put(&w, NULL, big);
    flush_wait(&w, STR("p2"));
    assert_int_equal(15, world_count(&w));
    struct buf position = {0};
    assert_ok(feed_position(w.feed, &position));
    assert_str("p2", buf_str(&position));
    buf_deinit(&position);
    mem_free(big);
    world_close(&w);
}

static bool resumed_flag;
static void on_resumed(void *owner)
{
    (void)owner;
    resumed_flag = true;
}
static bool is_resumed(void *owner)
{
    (void)owner;
    return resumed_flag;
}

static void test_bound(void **state)
{
    struct world w;
    struct done d = {.flush.done = on_done};
    d.flush.owner = &d;
    world_open(&w, 1, 10000);
    feed_on_resume(w.feed, on_resumed, NULL);
    char value[1001] = {0};
    memset(value, 'x', 1000);
    /* One flush over the bound goes through. */
    for (int i = 0; i < 50; i++)
        put(&w, NULL, value);
    assert_ok(feed_flush(w.feed, STR_NONE, &d.flush));
    assert_err(ERR_AGAIN, feed_put(w.feed, -1, STR_NONE, str_of(value)));
    world_until(&w, is_resumed, NULL);
    put(&w, NULL, value);
    flush_wait(&w, STR_NONE);
    assert_int_equal(51, world_count(&w));
    /* A record that no batch can hold. */
    char *huge = mem_alloc(17 << 20);
    memset(huge, 'x', 17 << 20);
    assert_err(ERR_LIMIT, feed_put(w.feed, -1, STR_NONE, str_from(huge, 17 << 20)));
    mem_free(huge);
    world_close(&w);
}

static void test_repeated(void **state)
{
    struct world w;
    struct feed_counters counters;
    world_open(&w, 2, 0);
    put(&w, "a", "1");
    put(&w, "b", "1");
    flush_wait(&w, STR_NONE);
    world_restart(&w);
    assert_ok(feed_leave_out_repeated(w.feed));
    put(&w, "a", "1"); /* known */
    put(&w, "a", "2"); /* changed */
    put(&w, "c", "1");
    put(&w, "c", "1"); /* twice in one flush */
    put(&w, NULL, "1");
    put(&w, NULL, "1"); /* nothing to tell them apart */
    flush_wait(&w, STR_NONE);
    feed_counters(w.feed, &counters);
    assert_int_equal(2, counters.repeated);
    assert_int_equal(6, world_count(&w));
    /* What was discarded comes again. */
    put(&w, "d", "1");
    feed_discard(w.feed);
    put(&w, "d", "1");
    put(&w, "c", "1");
    flush_wait(&w, STR_NONE);
    assert_int_equal(7, world_count(&w));
    world_close(&w);
}

/* A value that comes back after another one is news: the table must not stay at the other. */
static void test_value_returns(void **state)
{
    struct world w;
    struct feed_counters counters;
    world_open(&w, 1, 0);
    assert_ok(feed_leave_out_repeated(w.feed));
    const char *const values[] = {"A", "A", "B", "B", "A", "A"};
    for (size_t i = 0; i < 6; i++) {
        put(&w, "key", values[i]);
        flush_wait(&w, STR_NONE);
    }
    feed_counters(w.feed, &counters);
    assert_int_equal(3, counters.repeated);
    assert_int_equal(3, world_count(&w));
    world_restart(&w);
    assert_ok(feed_leave_out_repeated(w.feed));
    put(&w, "key", "A");
    put(&w, "key", "B");
    flush_wait(&w, STR_NONE);
    assert_int_equal(4, world_count(&w));
    world_close(&w);
}

/* Freed with a flush under way: the records still arrive. */
static void test_free_in_flight(void **state)
{
    struct world w;
    struct done d = {.flush.done = on_done};
    d.flush.owner = &d;
    world_open(&w, 1, 0);
    put(&w, NULL, "a");
    assert_ok(feed_flush(w.feed, STR_NONE, &d.flush));
    world_restart(&w);
    assert_int_equal(0, d.count);
    assert_int_equal(1, world_count(&w));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_partitions),    cmocka_unit_test(test_position_survives),
        cmocka_unit_test(test_discard),       cmocka_unit_test(test_large_discard),
        cmocka_unit_test(test_bound),         cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_value_returns), cmocka_unit_test(test_free_in_flight),
    };
    return RUN_TESTS(tests);
}
