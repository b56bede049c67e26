/* SPDX-License-Identifier: MIT */
/*
 * A child commits rows and a counter together and is killed at any moment, over and over: whenever
 * the store is opened again the counter is the number of rows, and no less than what the child said
 * was done. Small memtables, so that flushes and compactions are hit too.
 *
 * The same with jobs, many at once and each of one row that reads the one before: what was told is
 * there, and there are no rows behind one that is missing.
 */
#include "../../unit/table/rows.h"
#include "base/endian.h"
#include "base/prng.h"
#include "io/thread.h"
#include "table/cells.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 25, ROWS_A_COMMIT = 37 };

static const struct table_store_options options = {.memtable_bytes = 256 << 10};

static struct table *open_table(struct io *io, const char *dir, struct table_store **ret_store)
{
    struct table_column columns[] = {
        {STR("n"), type_simple(TYPE_BIGINT), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("text"), type_simple(TYPE_STRING), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("k"), STR("t"), columns, 2, false, 0};
    struct diag diag = {0};
    struct table *table = NULL;
    if (table_store_open(io, dir, &options, &diag, ret_store))
        fail_msg("%s", diag.message);
    assert_ok(table_create(*ret_store, &definition, &diag, &table));
    return table;
}

static uint64_t counter(struct table_store *store)
{
    struct buf value = {0};
    uint64_t count = 0;
    if (!table_state_get(store, STR("count"), &value))
        count = get_be64(value.ptr);
    buf_deinit(&value);
    return count;
}

static uint64_t count_rows(struct table *table)
{
    struct table_scan *scan;
    struct batch *batch;
    uint64_t rows = 0;
    assert_ok(table_scan_open(table, NULL, &scan));
    do {
        assert_ok(table_scan_next(scan, 1000, &batch));
        rows += batch ? batch->rows : 0;
        batch_unref(batch);
    } while (batch);
    table_scan_close(scan);
    return rows;
}

/* Commits until it is killed; tells each count that is on disk. */
static void child(const char *dir, int out)
{
    struct io *io = io_kernel_new();
    struct table_store *store;
    struct table *table = open_table(io, dir, &store);
    struct table_batch *batch = table_batch_new(store);
    uint64_t count = counter(store);
    for (;;) {
        struct builder *numbers = builder_new(type_simple(TYPE_BIGINT), 0, 0);
        struct builder *texts = builder_new(type_simple(TYPE_STRING), 0, 0);
        struct column *columns[2];
        char text[200];
        memset(text, 'x', sizeof text);
        for (int i = 0; i < ROWS_A_COMMIT; i++) {
            builder_i64(numbers, (int64_t)count++);
            builder_str(texts, str_from(text, sizeof text));
        }
        assert_ok(builder_finish(numbers, &columns[0]));
        assert_ok(builder_finish(texts, &columns[1]));
        builder_free(numbers);
        builder_free(texts);
        struct batch *rows = batch_new(table_schema(table), ROWS_A_COMMIT, columns);
        struct table_write how = {.timestamp_us = 1};
        assert_ok(table_batch_upsert(batch, table, rows, 0, rows->rows, &how, NULL, NULL));
        batch_unref(rows);
        uint8_t value[8];
        put_be64(value, count);
        table_batch_state(batch, STR("count"), str_from(value, 8));
        bool sync = count % 2;
        assert_ok(table_commit(store, batch, sync));
        table_batch_reset(batch);
        /* Killed, not unplugged: what was committed is there, synced or not. */
        if (write(out, &count, sizeof count) != sizeof count)
            _exit(1);
    }
}

/* ---- jobs ---- */

enum { JOBS = 64 };

struct line {
    struct table_job job;
    struct table *table;
    struct table_reader *reader;
    int out;
    uint64_t number;
    uint32_t *left;
    struct io_mutex *lock;
    struct io_condition *condition;
};

static enum err put_line(struct line *line)
{
    uint8_t key[8];
    char text[100];
    put_be64(key, line->number);
    memset(text, 'x', sizeof text);
    struct str partition[1] = {str_from(key, 8)};
    struct table_cell cell = {.column = 1, .value = str_from(text, sizeof text), .timestamp_us = 1};
    struct table_row_write write = {.key = {partition, NULL, 0}, .cells = &cell, .cell_count = 1};
    return table_batch_cells(line->job.batch, line->table, &write);
}

/* Only behind the line before. */
static enum err line_run(struct table_job *job)
{
    struct line *line = job->owner;
    uint8_t key[8];
    put_be64(key, line->number - 1);
    struct str partition[1] = {str_from(key, 8)};
    struct table_key before = {partition, NULL, 0};
    const struct table_row *row;
    if (line->number)
        TRY(table_read_row(line->reader, line->table, &before, NULL, 0, &row));
    return put_line(line);
}

static void line_done(struct table_job *job)
{
    struct line *line = job->owner;
    uint64_t count = line->number + 1;
    if (job->err || write(line->out, &count, sizeof count) != sizeof count)
        _exit(1);
    io_mutex_lock(line->lock);
    if (!--*line->left)
        io_condition_signal(line->condition);
    io_mutex_unlock(line->lock);
}

static void child_of_jobs(const char *dir, int out)
{
    struct io *io = io_kernel_new();
    struct table_store *store;
    struct table *table = open_table(io, dir, &store);
    struct line *lines = mem_zero(JOBS * sizeof *lines);
    struct io_mutex lock;
    struct io_condition condition;
    io_mutex_init(&lock);
    io_condition_init(&condition);
    uint64_t number = count_rows(table);
    for (;;) {
        uint32_t left = JOBS;
        for (int i = 0; i < JOBS; i++, number++) {
            struct line *line = &lines[i];
            struct table_batch *batch = line->job.batch;
            struct table_reader *reader = line->reader;
            *line = (struct line){.table = table,
                                  .reader = reader ? reader : table_reader_new(),
                                  .out = out,
                                  .number = number,
                                  .left = &left,
                                  .lock = &lock,
                                  .condition = &condition};
            line->job = (struct table_job){.batch = batch ? batch : table_batch_new(store),
                                           .run = number % 4 ? NULL : line_run,
                                           .done = line_done,
                                           .owner = line,
                                           .sync = number % 3 == 0};
            table_batch_reset(line->job.batch);
            if (!line->job.run && put_line(line))
                _exit(1);
            table_submit(store, &line->job);
        }
        io_mutex_lock(&lock);
        while (left)
            io_condition_wait(&condition, &lock, -1);
        io_mutex_unlock(&lock);
    }
}

/* Rows are numbered without a gap. */
static uint64_t check_lines(struct table *table)
{
    struct table_scan *scan;
    struct batch *batch;
    uint64_t rows = 0, next = 0;
    assert_ok(table_scan_open(table, NULL, &scan));
    do {
        assert_ok(table_scan_next(scan, 1000, &batch));
        rows += batch ? batch->rows : 0;
        for (uint32_t row = 0; batch && row < batch->rows; row++)
            if ((uint64_t)batch->columns[0]->i64[row] >= next)
                next = (uint64_t)batch->columns[0]->i64[row] + 1;
        batch_unref(batch);
    } while (batch);
    table_scan_close(scan);
    assert_int_equal(next, rows);
    return rows;
}

static void kill_rounds(bool jobs)
{
    struct prng prng = {99};
    char dir[64];
    arena_init(&test_arena, SIZE_MAX);
    snprintf(dir, sizeof dir, "/tmp/millrace-table-kill-%d-%d", (int)getpid(), jobs);
    uint64_t before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int ends[2];
        assert_int_equal(0, pipe(ends));
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            /* A program of its own: RocksDB's threads of the rounds before do not live in a fork.
             */
            char end[16];
            snprintf(end, sizeof end, "%d", ends[1]);
            close(ends[0]);
            execl("/proc/self/exe", "test-table-kill", dir, end, jobs ? "jobs" : "commits",
                  (char *)NULL);
            _exit(1);
        }
        close(ends[1]);
        uint64_t told = before, next;
        for (uint64_t left = 1 + prng_below(&prng, 60);
             left && read(ends[0], &next, sizeof next) == sizeof next; left--)
            told = next;
        usleep((unsigned)prng_below(&prng, 3000));
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(pid, waitpid(pid, &status, 0));
        assert_true(WIFSIGNALED(status));
        while (read(ends[0], &next, sizeof next) == sizeof next)
            told = next;
        close(ends[0]);
        struct io *io = io_kernel_new();
        struct table_store *store;
        struct table *table = open_table(io, dir, &store);
        uint64_t count = jobs ? check_lines(table) : counter(store);
        assert_true(count >= told);
        assert_true(count > before);
        assert_true(count_rows(table) == count);
        before = count;
        table_store_close(store);
        io_free(io);
    }
    struct io *io = io_kernel_new();
    assert_ok(io_path_remove_tree(io, dir));
    io_free(io);
    arena_deinit(&test_arena);
}

static void killed_again_and_again(void **state)
{
    kill_rounds(false);
}

static void killed_among_jobs(void **state)
{
    kill_rounds(true);
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        int out = (int)strtol(argv[2], NULL, 10);
        arena_init(&test_arena, SIZE_MAX);
        if (argv[3][0] == 'j')
            child_of_jobs(argv[1], out);
        child(argv[1], out);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_again_and_again),
        cmocka_unit_test(killed_among_jobs),
    };
    return RUN_TESTS(tests);
}
