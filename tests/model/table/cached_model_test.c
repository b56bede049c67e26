/* SPDX-License-Identifier: MIT */
/*
 * Rows read by key, again and again, while everything that can change them happens: on the disk,
 * where they come out of the cache of rows (so small that it forgets all the time), as in memory,
 * where there is none. Writes through both faces, with TTLs and a clock that jumps, deletions of
 * rows, ranges and partitions, counters, truncates, tables that are replaced whole, dropped and
 * made anew, columns that come and go, flushes, compactions, reopenings; and jobs, whose commits
 * share a group. A cache that missed one of them gives an old row sooner or later.
 *
 * Then threads: one that writes rising numbers, and those who read never see less than what was
 * committed before they asked, nor less than what they saw before.
 */
#include "../../unit/table/cells.h"
#include "base/prng.h"
#include "io/thread.h"

enum { KEYS = 60, ROWS = 3, STEPS = 6000, CACHE_BYTES = 1 << 20, TEXT_MAX = 3000 };

struct run {
    struct prng prng;
    struct stores stores;
    struct table *plain[2], *wide[2], *counts[2];
    struct table_reader *reader[2];
    int64_t timestamp_us;
    size_t found;
};

/* ---- tables ---- */

static void open_disk(struct run *run)
{
    struct diag diag = {0};
    struct table_store_options options = {.now_us = test_clock, .row_cache_bytes = CACHE_BYTES};
    table_store_close(run->stores.store[0]);
    if (table_store_open(run->stores.io, run->stores.dir, &options, &diag, &run->stores.store[0]))
        fail_msg("%s", diag.message);
}

static void make_tables(struct run *run)
{
    const struct type *integer = type_simple(TYPE_INT), *text = type_simple(TYPE_STRING),
                      *bigint = type_simple(TYPE_BIGINT);
    const struct table_column plain[] = {
        {STR("k"), integer, STR("int"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("v"), text, STR("text"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("w"), integer, STR("int"), TABLE_REGULAR, TABLE_ONE_CELL}};
    const struct table_column wide[] = {
        {STR("k"), integer, STR("int"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("c"), integer, STR("int"), TABLE_CLUSTERING_ASC, TABLE_ONE_CELL},
        {STR("v"), text, STR("text"), TABLE_REGULAR, TABLE_ONE_CELL}};
    const struct table_column counts[] = {
        {STR("k"), integer, STR("int"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("n"), bigint, STR("counter"), TABLE_REGULAR, TABLE_COUNTER}};
    const struct table_definition definitions[] = {{STR("m"), STR("plain"), plain, 3, false, 0},
                                                   {STR("m"), STR("wide"), wide, 3, false, 0},
                                                   {STR("m"), STR("counts"), counts, 2, false, 0}};
    for (int i = 0; i < 2; i++) {
        struct table **tables[] = {&run->plain[i], &run->wide[i], &run->counts[i]};
        for (size_t t = 0; t < 3; t++) {
            struct diag diag = {0};
            *tables[t] = table_find(run->stores.store[i], STR("m"), definitions[t].name);
            if (!*tables[t] &&
                table_create(run->stores.store[i], &definitions[t], &diag, tables[t]))
                fail_msg("%s", diag.message);
        }
    }
}

/* ---- writing the same to both ---- */

static struct str random_text(struct run *run)
{
    size_t bytes =
        prng_below(&run->prng, 4) ? prng_below(&run->prng, 40) : prng_below(&run->prng, TEXT_MAX);
    char *text = arena_alloc(&test_arena, bytes + 1);
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)('a' + prng_below(&run->prng, 26));
    return str_from(text, bytes);
}

static struct table_key random_key(struct run *run, bool wide)
{
    struct str *values = arena_array(&test_arena, 2, sizeof *values);
    values[0] = cql_int((int32_t)prng_below(&run->prng, KEYS));
    values[1] = cql_int((int32_t)prng_below(&run->prng, ROWS));
    return (struct table_key){values, wide ? values + 1 : NULL, wide};
}

static void add_cells(struct run *run, bool wide, struct table_batch *const batches[2])
{
    struct table_cell cell = {.column = wide ? 2 : 1, .timestamp_us = run->timestamp_us};
    if (prng_below(&run->prng, 6))
        cell.value = random_text(run);
    if (!prng_below(&run->prng, 4))
        cell.ttl_s = 1 + (int64_t)prng_below(&run->prng, 100);
    struct table_row_write write = {.key = random_key(run, wide),
                                    .cells = &cell,
                                    .cell_count = 1,
                                    .marker = prng_below(&run->prng, 2),
                                    .marker_timestamp_us = run->timestamp_us,
                                    .marker_ttl_s = cell.ttl_s};
    for (int i = 0; i < 2; i++)
        assert_ok(table_batch_cells(batches[i], wide ? run->wide[i] : run->plain[i], &write));
}

static void delete_some(struct run *run, struct table_batch *const batches[2])
{
    bool wide = prng_below(&run->prng, 2);
    uint64_t what = prng_below(&run->prng, 3);
    struct table_key key = random_key(run, wide);
    struct table_bound from = {key.clustering, 1, true}, to = {0};
    for (int i = 0; i < 2; i++) {
        struct table *table = wide ? run->wide[i] : run->plain[i];
        if (what == 0 || (what == 2 && !wide))
            assert_ok(table_batch_delete_row(batches[i], table, &key, run->timestamp_us));
        else if (what == 1)
            assert_ok(
                table_batch_delete_partition(batches[i], table, key.partition, run->timestamp_us));
        else
            assert_ok(table_batch_delete_range(batches[i], table, key.partition, &from, &to,
                                               run->timestamp_us));
    }
}

/* As a pipeline does. */
static void upsert_some(struct run *run, bool clears, struct table_batch *const batches[2])
{
    enum { COUNT = 10 };
    const char *cells[COUNT * 2];
    for (size_t row = 0; row < COUNT; row++) {
        cells[2 * row] = arena_printf(&test_arena, "%d", (int)prng_below(&run->prng, KEYS));
        cells[2 * row + 1] = arena_printf(&test_arena, "%.*s", STR_ARG(random_text(run)));
    }
    struct batch *rows = batch_of(ddl("k INT, v STRING"), COUNT, cells);
    struct table_write write = {.timestamp_us = run->timestamp_us};
    for (int i = 0; i < 2; i++) {
        struct diag diag = {0};
        uint32_t bad;
        if (clears)
            table_batch_clear(batches[i], run->plain[i]);
        if (table_batch_upsert(batches[i], run->plain[i], rows, 0, COUNT, &write, &bad, &diag))
            fail_msg("%s", diag.message);
    }
    batch_unref(rows);
}

struct count_job {
    struct table_job job;
    struct run *run;
    int which;
    struct table_row_write write;
    struct io_mutex *lock;
    struct io_condition *told;
    int *left;
};

static enum err run_count(struct table_job *job)
{
    struct count_job *count = job->owner;
    struct table_reader *reader = table_reader_new();
    enum err err =
        table_counter_add(reader, job->batch, count->run->counts[count->which], &count->write);
    table_reader_free(reader);
    return err;
}

static void told(struct table_job *job)
{
    struct count_job *count = job->owner;
    io_mutex_lock(count->lock);
    (*count->left)--;
    io_condition_signal(count->told);
    io_mutex_unlock(count->lock);
}

/* Counters: jobs of one group, that read what the one before wrote. */
static void count_some(struct run *run)
{
    enum { JOBS = 6 };
    struct io_mutex lock;
    struct io_condition condition;
    struct count_job jobs[2 * JOBS];
    struct table_cell cells[JOBS];
    int left = 2 * JOBS;
    io_mutex_init(&lock);
    io_condition_init(&condition);
    for (size_t n = 0; n < JOBS; n++) {
        struct table_key key = random_key(run, false);
        cells[n] = (struct table_cell){
            .column = 1, .value = cql_bigint(1), .timestamp_us = run->timestamp_us};
        for (int i = 0; i < 2; i++) {
            struct count_job *count = &jobs[2 * n + (size_t)i];
            *count = (struct count_job){.run = run,
                                        .which = i,
                                        .write = {.key = key, .cells = &cells[n], .cell_count = 1},
                                        .lock = &lock,
                                        .told = &condition,
                                        .left = &left};
            count->job = (struct table_job){.batch = table_batch_new(run->stores.store[i]),
                                            .run = run_count,
                                            .done = told,
                                            .owner = count};
            table_submit(run->stores.store[i], &count->job);
        }
    }
    io_mutex_lock(&lock);
    while (left)
        io_condition_wait(&condition, &lock, -1);
    io_mutex_unlock(&lock);
    for (size_t n = 0; n < 2 * JOBS; n++) {
        assert_ok(jobs[n].job.err);
        table_batch_free(jobs[n].job.batch);
    }
    io_condition_deinit(&condition);
    io_mutex_deinit(&lock);
}

/* Rare ones. */
static void change_all(struct run *run)
{
    uint64_t what = prng_below(&run->prng, 8);
    struct table_column column = {STR("x"), type_simple(TYPE_INT), STR("int"), TABLE_REGULAR,
                                  TABLE_ONE_CELL};
    for (int i = 0; i < 2; i++) {
        struct table_store *store = run->stores.store[i];
        if (what == 0)
            assert_ok(table_truncate(store, run->plain[i]));
        else if (what == 1)
            assert_ok(table_truncate(store, run->wide[i]));
        else if (what == 2)
            assert_ok(table_drop(store, STR("m"), STR("plain")));
        else if (what == 3)
            assert_ok(table_flush(store));
        else if (what == 4)
            assert_ok(table_compact(store));
        else if (what == 5)
            assert_ok(table_add_columns(store, run->wide[i], &column, 1));
        else if (what == 6 && i == 0)
            open_disk(run);
        if (what == 5)
            assert_ok(table_drop_column(store, run->wide[i], STR("x")));
    }
    if (what == 7)
        test_now_us += 200 * 1000000LL;
    make_tables(run);
}

/* ---- reading ---- */

static void print_one(struct run *run, int which, int of, const struct table_key *key,
                      struct buf *out)
{
    struct table *tables[] = {run->plain[which], run->wide[which], run->counts[which]};
    const struct table_row *row;
    enum err err = table_read_row(run->reader[which], tables[of], key, NULL, 0, &row);
    if (err == ERR_NOT_FOUND)
        return;
    assert_ok(err);
    print_row(tables[of], row, out);
}

static void read_some(struct run *run)
{
    for (int n = 0; n < 12; n++) {
        int of = (int)prng_below(&run->prng, 3);
        struct table_key key = random_key(run, of == 1);
        struct buf have = {0}, want = {0};
        print_one(run, 0, of, &key, &have);
        print_one(run, 1, of, &key, &want);
        if (!str_equal(buf_str(&want), buf_str(&have)))
            fail_msg("table %d: want '%.*s', have '%.*s'", of, STR_ARG(buf_str(&want)),
                     STR_ARG(buf_str(&have)));
        run->found += want.bytes > 0;
        buf_deinit(&have);
        buf_deinit(&want);
    }
}

static void step(struct run *run)
{
    struct table_batch *batches[2];
    uint64_t what = prng_below(&run->prng, 100);
    run->timestamp_us++;
    test_now_us += 1000000LL * (int64_t)prng_below(&run->prng, 3);
    for (int i = 0; i < 2; i++)
        batches[i] = table_batch_new(run->stores.store[i]);
    for (uint64_t n = prng_below(&run->prng, 3); what < 70 && n < 3; n++)
        add_cells(run, prng_below(&run->prng, 2), batches);
    if (what >= 70 && what < 85)
        delete_some(run, batches);
    else if (what >= 85 && what < 92)
        upsert_some(run, what == 85, batches);
    for (int i = 0; i < 2; i++) {
        assert_ok(table_commit(run->stores.store[i], batches[i], what == 0));
        table_batch_free(batches[i]);
    }
    if (what >= 92 && what < 98)
        count_some(run);
    else if (what >= 98)
        change_all(run);
    read_some(run);
}

static void any_change(void **state)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct run run = {.prng = {seed}, .timestamp_us = 1};
        test_now_us = 1700000000LL * 1000000;
        stores_init(&run.stores);
        open_disk(&run);
        make_tables(&run);
        for (int i = 0; i < 2; i++)
            run.reader[i] = table_reader_new();
        for (int i = 0; i < STEPS / 3; i++) {
            step(&run);
            arena_reset(&test_arena);
        }
        assert_true(run.found > STEPS);
        for (int i = 0; i < 2; i++)
            table_reader_free(run.reader[i]);
        stores_deinit(&run.stores);
    }
}

/* ---- threads ---- */

enum { THREAD_KEYS = 16, COMMITS = 4000, READERS = 2 };
static struct {
    struct table *table;
    int64_t acked[THREAD_KEYS]; /* atomic */
    bool stop;                  /* atomic */
    size_t reads, stale;        /* atomic */
} shared;

static void read_on(void *arg)
{
    struct prng prng = {(uint64_t)(uintptr_t)arg + 77};
    struct table_reader *reader = table_reader_new();
    int64_t seen[THREAD_KEYS] = {0};
    while (!__atomic_load_n(&shared.stop, __ATOMIC_SEQ_CST)) {
        size_t at = prng_below(&prng, THREAD_KEYS);
        uint8_t bytes[4];
        put_be32(bytes, (uint32_t)at);
        struct str value = str_from(bytes, sizeof bytes);
        struct table_key key = {.partition = &value};
        const struct table_row *row;
        int64_t acked = __atomic_load_n(&shared.acked[at], __ATOMIC_SEQ_CST), have = 0;
        enum err err = table_read_row(reader, shared.table, &key, NULL, 0, &row);
        if (err == OK && row->cell_count == 1)
            have = (int64_t)get_be64(row->cells[0].value.ptr);
        if (have < acked || have < seen[at] || (err != OK && err != ERR_NOT_FOUND))
            __atomic_fetch_add(&shared.stale, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&shared.reads, 1, __ATOMIC_RELAXED);
        seen[at] = have;
    }
    table_reader_free(reader);
}

static void readers_beside_a_writer(void **state)
{
    struct stores stores;
    struct io_thread *readers[READERS];
    struct diag diag = {0};
    test_now_us = 1700000000LL * 1000000;
    stores_init(&stores);
    const struct table_column columns[] = {
        {STR("k"), type_simple(TYPE_INT), STR("int"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("n"), type_simple(TYPE_BIGINT), STR("bigint"), TABLE_REGULAR, TABLE_ONE_CELL}};
    const struct table_definition definition = {STR("m"), STR("t"), columns, 2, false, 0};
    assert_ok(table_create(stores.store[0], &definition, &diag, &shared.table));
    for (uintptr_t i = 0; i < READERS; i++)
        assert_ok(io_thread_start(stores.io, "read", read_on, (void *)i, &readers[i]));
    struct table_batch *batch = table_batch_new(stores.store[0]);
    for (int64_t n = 1; n <= COMMITS; n++) {
        size_t at = (size_t)n * 7 % THREAD_KEYS;
        struct str value = cql_int((int32_t)at);
        struct table_cell cell = {.column = 1, .value = cql_bigint(n), .timestamp_us = n};
        struct table_row_write write = {
            .key = {.partition = &value}, .cells = &cell, .cell_count = 1};
        assert_ok(table_batch_cells(batch, shared.table, &write));
        commit(stores.store[0], batch);
        __atomic_store_n(&shared.acked[at], n, __ATOMIC_SEQ_CST);
        if (n % 1000 == 0)
            assert_ok(table_flush(stores.store[0]));
        arena_reset(&test_arena);
    }
    __atomic_store_n(&shared.stop, true, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < READERS; i++)
        io_thread_join(readers[i]);
    table_batch_free(batch);
    assert_true(shared.reads > 0);
    assert_int_equal(0, shared.stale);
    stores_deinit(&stores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_change),
        cmocka_unit_test(readers_beside_a_writer),
    };
    int failed = RUN_TESTS(tests);
    arena_deinit(&test_arena);
    return failed;
}
