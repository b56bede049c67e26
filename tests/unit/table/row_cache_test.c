/* SPDX-License-Identifier: MIT */
/*
 * The cache of rows: each order in which a read and a commit can meet, that it stays within its
 * memory and keeps what is hit, and many threads of both kinds against what they know to be there.
 */
#include "base/endian.h"
#include "base/mem.h"
#include "base/prng.h"
#include "io/thread.h"
#include "table/ops.h"
#include "table/row_cache.h"

#include "test.h"

static struct str key_of(uint32_t number)
{
    static __thread uint8_t key[9];
    key[0] = 3;
    put_be64(key + 1, prng_mix(number));
    return str_from(key, sizeof key);
}

static bool has(struct row_cache *cache, uint32_t number, const char *expected)
{
    struct buf out = {0};
    struct row_ticket ticket;
    bool hit = row_cache_get(cache, key_of(number), &out, &ticket);
    if (hit && expected)
        assert_str(expected, buf_str(&out));
    buf_deinit(&out);
    return hit;
}

static struct row_ticket miss(struct row_cache *cache, uint32_t number)
{
    struct buf out = {0};
    struct row_ticket ticket;
    assert_false(row_cache_get(cache, key_of(number), &out, &ticket));
    assert_int_equal(0, out.bytes);
    return ticket;
}

static void put(struct row_cache *cache, uint32_t number, const char *record)
{
    struct row_ticket ticket = miss(cache, number);
    row_cache_put(cache, &ticket, key_of(number), str_of(record));
}

static void add(struct buf *ops, enum op_tag tag, uint32_t number)
{
    ops_add(ops, tag, key_of(number), STR("z"));
}

static void reads_and_commits(void **state)
{
    struct row_cache *cache = row_cache_new(2 << 20);
    struct buf ops = {0};
    ops_reset(&ops);
    add(&ops, OP_MERGE, 1);
    put(cache, 1, "one");
    put(cache, 2, "two");
    assert_true(has(cache, 1, "one"));

    /* A commit takes the record out at once, and what is read during it is not kept. */
    bool tracked = row_cache_begin(cache, buf_str(&ops));
    assert_true(tracked);
    assert_false(has(cache, 1, NULL));
    put(cache, 1, "during");
    assert_false(has(cache, 1, NULL));
    struct row_ticket during = miss(cache, 1);
    row_cache_end(cache, buf_str(&ops), tracked);
    row_cache_put(cache, &during, key_of(1), STR("during"));
    assert_false(has(cache, 1, NULL));
    assert_true(has(cache, 2, "two"));

    /* Read before the commit, put while it is under way, or behind it. */
    struct row_ticket before = miss(cache, 1);
    tracked = row_cache_begin(cache, buf_str(&ops));
    row_cache_put(cache, &before, key_of(1), STR("before"));
    assert_false(has(cache, 1, NULL));
    row_cache_end(cache, buf_str(&ops), tracked);
    row_cache_put(cache, &before, key_of(1), STR("before"));
    assert_false(has(cache, 1, NULL));

    /* Read and put before: the commit takes it out. Read behind: it is kept. */
    put(cache, 1, "old");
    assert_true(has(cache, 1, "old"));
    tracked = row_cache_begin(cache, buf_str(&ops));
    row_cache_end(cache, buf_str(&ops), tracked);
    assert_false(has(cache, 1, NULL));
    put(cache, 1, "new");
    assert_true(has(cache, 1, "new"));
    buf_deinit(&ops);
    row_cache_free(cache);
}

static void two_commits_of_one_key(void **state)
{
    struct row_cache *cache = row_cache_new(2 << 20);
    struct buf ops = {0};
    ops_reset(&ops);
    add(&ops, OP_PUT, 1);
    miss(cache, 1);
    bool one = row_cache_begin(cache, buf_str(&ops)), two = row_cache_begin(cache, buf_str(&ops));
    row_cache_end(cache, buf_str(&ops), one);
    put(cache, 1, "one of two");
    assert_false(has(cache, 1, NULL));
    row_cache_end(cache, buf_str(&ops), two);
    put(cache, 1, "both");
    assert_true(has(cache, 1, "both"));
    buf_deinit(&ops);
    row_cache_free(cache);
}

static void ranges(void **state)
{
    struct row_cache *cache = row_cache_new(2 << 20);
    struct buf ops = {0};
    ops_reset(&ops);
    add(&ops, OP_MERGE, 7);
    ops_add(&ops, OP_DELETE_RANGE, STR("\3\0"), STR("\3\1"));
    for (uint32_t i = 0; i < 100; i++)
        put(cache, i, "row");
    struct row_ticket before = miss(cache, 1000);
    bool tracked = row_cache_begin(cache, buf_str(&ops));
    for (uint32_t i = 0; i < 100; i++) {
        assert_false(has(cache, i, NULL));
        put(cache, i, "during");
        assert_false(has(cache, i, NULL));
    }
    row_cache_put(cache, &before, key_of(1000), STR("before"));
    struct row_ticket during = miss(cache, 1001);
    row_cache_end(cache, buf_str(&ops), tracked);
    row_cache_put(cache, &before, key_of(1000), STR("before"));
    row_cache_put(cache, &during, key_of(1001), STR("during"));
    assert_false(has(cache, 1000, NULL));
    assert_false(has(cache, 1001, NULL));
    put(cache, 1, "behind");
    assert_true(has(cache, 1, "behind"));

    struct row_ticket cleared = miss(cache, 2);
    row_cache_clear(cache);
    row_cache_put(cache, &cleared, key_of(2), STR("cleared"));
    assert_false(has(cache, 1, NULL));
    assert_false(has(cache, 2, NULL));
    buf_deinit(&ops);
    row_cache_free(cache);
}

/* A commit that began before anybody read knows nothing of readers. */
static void commits_before_the_first_read(void **state)
{
    struct row_cache *cache = row_cache_new(2 << 20);
    struct buf ops = {0};
    ops_reset(&ops);
    add(&ops, OP_MERGE, 1);
    bool early = row_cache_begin(cache, buf_str(&ops));
    assert_false(early);
    struct row_ticket ticket = miss(cache, 1);
    bool late = row_cache_begin(cache, buf_str(&ops));
    assert_true(late);
    row_cache_end(cache, buf_str(&ops), late);
    row_cache_put(cache, &ticket, key_of(1), STR("early"));
    put(cache, 1, "early");
    assert_false(has(cache, 1, NULL));
    row_cache_end(cache, buf_str(&ops), early);
    row_cache_put(cache, &ticket, key_of(1), STR("early"));
    assert_false(has(cache, 1, NULL));
    put(cache, 1, "late");
    assert_true(has(cache, 1, "late"));
    buf_deinit(&ops);
    row_cache_free(cache);
}

/* State and catalogue are not rows: nothing is counted for them. */
static void other_keys(void **state)
{
    struct row_cache *cache = row_cache_new(2 << 20);
    struct buf ops = {0};
    ops_reset(&ops);
    ops_add(&ops, OP_PUT, STR("\2state"), STR("value"));
    ops_add(&ops, OP_DELETE, STR("\2other"), STR_NONE);
    put(cache, 1, "row");
    bool tracked = row_cache_begin(cache, buf_str(&ops));
    assert_true(has(cache, 1, "row"));
    put(cache, 2, "row");
    assert_true(has(cache, 2, "row"));
    row_cache_end(cache, buf_str(&ops), tracked);
    buf_deinit(&ops);
    row_cache_free(cache);
}

static void memory(void **state)
{
    enum { BYTES = 4 << 20, ROWS = 40000, RECORD = 500, HOT = 50 };
    struct row_cache *cache = row_cache_new(BYTES);
    char *record = mem_alloc(RECORD + 1);
    size_t hot_hits = 0, rounds = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(record, RECORD + 1, "%0*u", RECORD - (int)(i % 97), i);
        if (!has(cache, HOT + i, record))
            put(cache, HOT + i, record);
        if (i % 20)
            continue;
        for (uint32_t hot = 0; hot < HOT; hot++, rounds++) {
            if (has(cache, hot, "hot"))
                hot_hits++;
            else
                put(cache, hot, "hot");
        }
    }
    size_t kept = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(record, RECORD + 1, "%0*u", RECORD - (int)(i % 97), i);
        kept += has(cache, HOT + i, record);
    }
    assert_in_range(row_cache_bytes(cache), BYTES / 2, BYTES + BYTES / 4);
    assert_in_range(kept, BYTES / RECORD / 3, BYTES / (RECORD - 97));
    assert_true(hot_hits > rounds * 9 / 10);

    char *big = mem_alloc(1 << 20);
    memset(big, 'b', 1 << 20);
    struct row_ticket ticket = miss(cache, ROWS * 2);
    row_cache_put(cache, &ticket, key_of(ROWS * 2), str_from(big, 1 << 20));
    assert_false(has(cache, ROWS * 2, NULL));
    row_cache_clear(cache);
    assert_int_equal(0, row_cache_bytes(cache));
    mem_free(big);
    mem_free(record);
    row_cache_free(cache);
    cache = row_cache_new(0);
    put(cache, 1, "nowhere");
    assert_false(has(cache, 1, NULL));
    row_cache_free(cache);
}

/* ---- threads ---- */

enum { KEYS = 64, WRITERS = 2, READERS = 2, COMMITS = 20000 };

/* The engine: a value a key, that only rises. */
static struct {
    struct row_cache *cache;
    uint32_t values[KEYS]; /* atomic */
    uint32_t acked[KEYS];  /* atomic: commits that ended */
    bool stop;             /* atomic */
    uint64_t seed;         /* atomic */
    size_t stale, hits;    /* atomic */
} engine;

static void write_on(void *arg)
{
    struct prng prng = {__atomic_add_fetch(&engine.seed, 1, __ATOMIC_RELAXED)};
    uint32_t of = (uint32_t)(uintptr_t)arg;
    struct buf ops = {0};
    for (uint32_t n = 1; n <= COMMITS; n++) {
        uint32_t keys[3];
        size_t count = 1 + prng_below(&prng, 3);
        ops_reset(&ops);
        for (size_t i = 0; i < count; i++) {
            keys[i] = (uint32_t)(prng_below(&prng, KEYS / WRITERS) * WRITERS + of);
            add(&ops, OP_MERGE, keys[i]);
        }
        if (n % 500 == 0)
            ops_add(&ops, OP_DELETE_RANGE, STR("\3\0"), STR("\3\1"));
        bool tracked = row_cache_begin(engine.cache, buf_str(&ops));
        for (size_t i = 0; i < count; i++)
            __atomic_store_n(&engine.values[keys[i]], n, __ATOMIC_SEQ_CST);
        row_cache_end(engine.cache, buf_str(&ops), tracked);
        for (size_t i = 0; i < count; i++)
            __atomic_store_n(&engine.acked[keys[i]], n, __ATOMIC_SEQ_CST);
    }
    buf_deinit(&ops);
}

static void read_on(void *arg)
{
    struct prng prng = {__atomic_add_fetch(&engine.seed, 1, __ATOMIC_RELAXED)};
    uint32_t seen[KEYS] = {0};
    while (!__atomic_load_n(&engine.stop, __ATOMIC_SEQ_CST)) {
        uint32_t key = (uint32_t)prng_below(&prng, KEYS);
        uint32_t acked = __atomic_load_n(&engine.acked[key], __ATOMIC_SEQ_CST), value;
        struct buf out = {0};
        struct row_ticket ticket;
        if (row_cache_get(engine.cache, key_of(key), &out, &ticket)) {
            value = get_be32(out.ptr);
            __atomic_fetch_add(&engine.hits, 1, __ATOMIC_RELAXED);
        } else {
            uint8_t record[4];
            value = __atomic_load_n(&engine.values[key], __ATOMIC_SEQ_CST);
            put_be32(record, value);
            row_cache_put(engine.cache, &ticket, key_of(key), str_from(record, sizeof record));
        }
        buf_deinit(&out);
        if (value < acked || value < seen[key])
            __atomic_fetch_add(&engine.stale, 1, __ATOMIC_RELAXED);
        seen[key] = value;
    }
}

static void threads(void **state)
{
    struct io *io = io_kernel_new();
    struct io_thread *writers[WRITERS], *readers[READERS];
    engine.cache = row_cache_new(1 << 20);
    for (uintptr_t i = 0; i < READERS; i++)
        assert_ok(io_thread_start(io, "read", read_on, (void *)i, &readers[i]));
    for (uintptr_t i = 0; i < WRITERS; i++)
        assert_ok(io_thread_start(io, "write", write_on, (void *)i, &writers[i]));
    for (size_t i = 0; i < WRITERS; i++)
        io_thread_join(writers[i]);
    __atomic_store_n(&engine.stop, true, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < READERS; i++)
        io_thread_join(readers[i]);
    assert_int_equal(0, engine.stale);
    assert_true(engine.hits > 0);
    row_cache_free(engine.cache);
    io_free(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_commits),
        cmocka_unit_test(two_commits_of_one_key),
        cmocka_unit_test(ranges),
        cmocka_unit_test(commits_before_the_first_read),
        cmocka_unit_test(other_keys),
        cmocka_unit_test(memory),
        cmocka_unit_test(threads),
    };
    return RUN_TESTS(tests);
}
