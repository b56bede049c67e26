/* SPDX-License-Identifier: MIT */
/*
 * Jobs: their order, what they see of each other, where they are told; with the commit thread, and
 * in a simulated run, where there is none and each run of a seed is the same.
 */
#include "cells.h"
#include "io/loop.h"
#include "io/sim.h"

enum { JOBS = 20 };

struct job {
    struct table_job job;
    struct test *test;
    int number;
    int64_t seen;
};
struct test {
    struct io *io;
    struct io_loop *loop;
    struct table_store *store;
    struct table *table;
    struct job jobs[JOBS];
    int told[JOBS];
    int told_count;
};

static void open_test(struct test *test, bool simulated)
{
    static int number;
    struct io_sim_options sim = {.seed = 3};
    struct table_store_options options = {.memory = simulated};
    char dir[64];
    struct diag diag = {0};
    *test = (struct test){.io = simulated ? io_sim_new(&sim) : io_kernel_new()};
    snprintf(dir, sizeof dir, "/tmp/millrace-table-jobs-%d-%d", (int)getpid(), number++);
    assert_ok(table_store_open(test->io, dir, &options, &diag, &test->store));
    assert_ok(io_loop_new(test->io, &test->loop));
    struct table_column columns[] = {
        {STR("p"), type_simple(TYPE_INT), STR("int"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("n"), type_simple(TYPE_BIGINT), STR("bigint"), TABLE_REGULAR, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("k"), STR("t"), columns, 2, false, 0};
    assert_ok(table_create(test->store, &definition, NULL, &test->table));
}

static void close_test(struct test *test, bool simulated)
{
    for (int i = 0; i < JOBS; i++)
        table_batch_free(test->jobs[i].job.batch);
    /* Its thread may still be in the post that told the last job. */
    table_store_close(test->store);
    io_loop_free(test->loop);
    for (int i = 0; i < 100 && !simulated; i++) {
        char dir[64];
        snprintf(dir, sizeof dir, "/tmp/millrace-table-jobs-%d-%d", (int)getpid(), i);
        struct io_stat stat;
        if (!io_path_stat(test->io, dir, &stat))
            assert_ok(io_path_remove_tree(test->io, dir));
    }
    io_free(test->io);
}

static void put_number(struct job *job, int64_t value, int64_t timestamp_us)
{
    uint8_t bytes[8], one[4] = {0, 0, 0, 1};
    put_be64(bytes, (uint64_t)value);
    struct str partition[1] = {str_from(one, 4)};
    struct table_cell cell = {
        .column = 1, .value = str_from(bytes, 8), .timestamp_us = timestamp_us};
    struct table_row_write write = {.key = {partition, NULL, 0}, .cells = &cell, .cell_count = 1};
    assert_ok(table_batch_cells(job->job.batch, job->test->table, &write));
}

/* What stands, plus one. */
static enum err run_job(struct table_job *table_job)
{
    struct job *job = table_job->owner;
    struct table_reader *reader = table_reader_new();
    const struct table_row *row;
    uint8_t one[4] = {0, 0, 0, 1};
    struct str partition[1] = {str_from(one, 4)};
    struct table_key key = {partition, NULL, 0};
    enum err err = table_read_row(reader, job->test->table, &key, NULL, 0, &row);
    job->seen = err ? 0 : (int64_t)get_be64(row->cells[0].value.ptr);
    put_number(job, job->seen + 1, 1000 + job->number);
    table_reader_free(reader);
    return OK;
}

static void job_done(struct table_job *table_job)
{
    struct job *job = table_job->owner;
    assert_ok(table_job->err);
    job->test->told[job->test->told_count++] = job->number;
}

/* Every third is blind and sets the number to a hundred times its own. */
static void submit_all(struct test *test, struct io_loop *loop)
{
    for (int i = 0; i < JOBS; i++) {
        struct job *job = &test->jobs[i];
        *job = (struct job){.test = test, .number = i};
        job->job = (struct table_job){.batch = table_batch_new(test->store),
                                      .run = i % 3 ? run_job : NULL,
                                      .done = job_done,
                                      .owner = job,
                                      .loop = loop,
                                      .sync = i % 5 == 0};
        if (i % 3 == 0)
            put_number(job, i * 100, 1000 + i);
        table_submit(test->store, &job->job);
    }
}

static void check_all(const struct test *test)
{
    assert_int_equal(JOBS, test->told_count);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(i, test->told[i]);
        if (i % 3)
            assert_int_equal(i / 3 * 300 + i % 3 - 1, test->jobs[i].seen);
    }
}

static void threaded(void **state)
{
    struct test test;
    open_test(&test, false);
    submit_all(&test, test.loop);
    while (test.told_count < JOBS)
        io_loop_turn(test.loop, 1000000000);
    check_all(&test);
    close_test(&test, false);
}

static void simulated(void **state)
{
    struct test test;
    open_test(&test, true);
    submit_all(&test, test.loop);
    assert_int_equal(0, test.told_count); /* never from inside of the call */
    while (test.told_count < JOBS)
        io_loop_turn(test.loop, 1000000);
    check_all(&test);
    close_test(&test, true);
}

/* Nobody waits for a thread that there is not. */
static void simulated_without_a_loop(void **state)
{
    struct test test;
    open_test(&test, true);
    submit_all(&test, NULL);
    check_all(&test);
    close_test(&test, true);
}

/* What waits when the store is closed is written, and told by the loop. */
static void closed_with_jobs(void **state)
{
    struct test test;
    open_test(&test, true);
    submit_all(&test, test.loop);
    table_store_close(test.store);
    while (test.told_count < JOBS)
        io_loop_turn(test.loop, 1000000);
    check_all(&test);
    test.store = NULL;
    close_test(&test, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threaded),
        cmocka_unit_test(simulated),
        cmocka_unit_test(simulated_without_a_loop),
        cmocka_unit_test(closed_with_jobs),
    };
    arena_init(&test_arena, SIZE_MAX);
    int failed = RUN_TESTS(tests);
    arena_deinit(&test_arena);
    return failed;
}
