/* SPDX-License-Identifier: MIT */
/*
 * A full disk, where this process may mount a small one: commits and jobs answer ERR_DISK_FULL and
 * change nothing, reading goes on, and writing does again once there is room.
 */
#include "base/prng.h"
#include "io/thread.h"
#include "rows.h"
#include "table/cells.h"

#include <sys/mount.h>
#include <sys/stat.h>

struct waiter {
    struct table_job job;
    struct io_mutex lock;
    struct io_condition condition;
    bool done;
};

static void waiter_done(struct table_job *job)
{
    struct waiter *waiter = job->owner;
    io_mutex_lock(&waiter->lock);
    waiter->done = true;
    io_condition_signal(&waiter->condition);
    io_mutex_unlock(&waiter->lock);
}

static enum err submit_and_wait(struct table_store *store, struct table_batch *batch)
{
    struct waiter waiter = {
        .job = {.batch = batch, .done = waiter_done, .owner = &waiter, .sync = true}};
    io_mutex_init(&waiter.lock);
    io_condition_init(&waiter.condition);
    table_submit(store, &waiter.job);
    io_mutex_lock(&waiter.lock);
    while (!waiter.done)
        io_condition_wait(&waiter.condition, &waiter.lock, -1);
    io_mutex_unlock(&waiter.lock);
    io_condition_deinit(&waiter.condition);
    io_mutex_deinit(&waiter.lock);
    return waiter.job.err;
}

/* Every other time as a job. */
static enum err put(struct table_store *store, struct table *table, struct prng *prng, int64_t n)
{
    struct builder *numbers = builder_new(type_simple(TYPE_BIGINT), 0, 0);
    struct builder *texts = builder_new(type_simple(TYPE_STRING), 0, 0);
    struct column *columns[2];
    char text[1000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('!' + prng_below(prng, 90));
    for (int i = 0; i < 100; i++) {
        builder_i64(numbers, n * 100 + i);
        builder_str(texts, str_from(text, sizeof text));
    }
    assert_ok(builder_finish(numbers, &columns[0]));
    assert_ok(builder_finish(texts, &columns[1]));
    builder_free(numbers);
    builder_free(texts);
    struct batch *rows = batch_new(table_schema(table), 100, columns);
    struct table_batch *batch = table_batch_new(store);
    struct table_write write = {.timestamp_us = 1};
    assert_ok(table_batch_upsert(batch, table, rows, 0, 100, &write, NULL, NULL));
    char count[24];
    snprintf(count, sizeof count, "%lld", (long long)n + 1);
    table_batch_state(batch, STR("count"), str_of(count));
    enum err err = n % 2 ? submit_and_wait(store, batch) : table_commit(store, batch, true);
    table_batch_free(batch);
    batch_unref(rows);
    return err;
}

static void check_count(struct table_store *store, struct table *table, int64_t want)
{
    struct buf value = {0};
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)want);
    assert_ok(table_state_get(store, STR("count"), &value));
    assert_str(text, buf_str(&value));
    buf_reset(&value);
    print_scan(table, &(struct table_scan_options){.wanted = ddl("n BIGINT")}, 1000, &value);
    int64_t rows = 0;
    for (size_t i = 0; i < value.bytes; i++)
        rows += value.ptr[i] == '\n';
    assert_int_equal(want * 100, rows);
    buf_deinit(&value);
}

/* A compaction that gives up may have made room again, so writing may be possible or not. */
static void refused(struct table_store *store, struct table *table, struct prng *prng,
                    int64_t *done)
{
    enum err health = table_store_health(store), err = put(store, table, prng, *done);
    assert_true(health == OK || health == ERR_DISK_FULL);
    assert_true(err == OK || err == ERR_DISK_FULL);
    *done += err == OK;
}

static void fill_and_free(struct io *io, const char *dir)
{
    char path[96], store_dir[96];
    snprintf(path, sizeof path, "%s/ballast", dir);
    snprintf(store_dir, sizeof store_dir, "%s/store", dir);
    struct io_file *file;
    assert_ok(io_file_open(io, path, IO_WRITE | IO_CREATE, &file));
    assert_ok(io_file_allocate(file, 0, 64 << 20, true));
    io_file_close(file);
    struct table_store_options options = {.memtable_bytes = 1 << 20};
    struct diag diag = {0};
    struct table_store *store;
    struct table *table;
    if (table_store_open(io, store_dir, &options, &diag, &store))
        fail_msg("%s", diag.message);
    struct table_column columns[] = {
        {STR("n"), type_simple(TYPE_BIGINT), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("text"), type_simple(TYPE_STRING), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("k"), STR("t"), columns, 2, false, 0};
    assert_ok(table_create(store, &definition, &diag, &table));
    struct prng prng = {5};
    int64_t done = 0;
    enum err err;
    while ((err = put(store, table, &prng, done)) == OK)
        assert_true(++done < 2000);
    assert_int_equal(ERR_DISK_FULL, err);
    assert_true(done > 10);
    refused(store, table, &prng, &done);
    check_count(store, table, done);
    assert_ok(io_path_remove(io, path));
    for (int tries = 0; table_store_health(store) && tries < 50; tries++)
        io_sleep_ns(io, 100000000);
    assert_ok(table_store_health(store));
    for (int i = 0; i < 10; i++, done++)
        assert_ok(put(store, table, &prng, done));
    check_count(store, table, done);
    /* Another program takes the last block, so that a flush runs into it; a compaction that gives
     * up meanwhile may free some, so more than once. */
    err = OK;
    for (int tries = 0; !err && tries < 100; tries++) {
        if (tries)
            assert_ok(io_path_remove(io, path));
        assert_ok(put(store, table, &prng, done));
        done++;
        uint64_t left = 0;
        assert_ok(io_file_open(io, path, IO_WRITE | IO_CREATE, &file));
        assert_ok(io_path_free_bytes(io, dir, &left));
        err = io_file_allocate(file, 0, left, true);
        assert_true(err == OK || err == ERR_DISK_FULL);
        io_file_close(file);
        err = table_flush(store);
    }
    assert_int_equal(ERR_DISK_FULL, err);
    refused(store, table, &prng, &done);
    check_count(store, table, done);
    assert_ok(io_path_remove(io, path));
    for (int tries = 0; table_store_health(store) && tries < 50; tries++)
        io_sleep_ns(io, 100000000);
    assert_ok(table_store_health(store));
    for (int i = 0; i < 10; i++, done++)
        assert_ok(put(store, table, &prng, done));
    check_count(store, table, done);
    table_store_close(store);
    if (table_store_open(io, store_dir, &options, &diag, &store))
        fail_msg("%s", diag.message);
    check_count(store, table_find(store, STR("k"), STR("t")), done);
    table_store_close(store);
}

static void full_disk(void **state)
{
    struct io *io = io_kernel_new();
    char dir[64];
    snprintf(dir, sizeof dir, "/tmp/millrace-table-full-%d", (int)getpid());
    assert_ok(io_path_make_directory(io, dir));
    if (mount("tmpfs", dir, "tmpfs", 0, "size=96m")) {
        assert_ok(io_path_remove_tree(io, dir));
        io_free(io);
        skip();
    }
    arena_init(&test_arena, SIZE_MAX);
    fill_and_free(io, dir);
    assert_int_equal(0, umount(dir));
    assert_ok(io_path_remove_tree(io, dir));
    arena_deinit(&test_arena);
    io_free(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disk),
    };
    return RUN_TESTS(tests);
}
