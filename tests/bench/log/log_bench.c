/* SPDX-License-Identifier: MIT */
/*
 * How near the log comes to the bare disk: bench-log DIRECTORY.
 *
 * In one run, side by side and alternating, medians of five: 1 MiB written and synced into a
 * preallocated file, against appends of 1 KB records in batches of 1 MB, each acknowledged before
 * the next (one sync each), and with several under way; then a small write and sync against a
 * lone record.
 */
#include "base/mem.h"
#include "log/log.h"
#include "log/record_batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, PIECES = 96, LONE = 200, MEBI = 1 << 20, WINDOW = 8, RECORD = 1000 };

static void must(enum err err, const char *what)
{
    if (err == OK)
        return;
    fprintf(stderr, "bench-log: %s: %s\n", what, err_text(err));
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static void batch_of(size_t bytes, struct buf *out)
{
    struct record_batch_builder b;
    char value[RECORD];
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (char)('a' + i * 7 % 26);
    record_batch_builder_init(&b, CODEC_NONE, 0);
    for (size_t done = 0; done + RECORD <= bytes; done += RECORD)
        record_batch_builder_add(&b, 1000, STR_NONE, str_from(value, sizeof value - 20), NULL, 0);
    must(record_batch_builder_finish(&b, out), "batch");
    record_batch_builder_deinit(&b);
}

/* MB/s of bare writes of a MiB with a sync each. */
static double bare_bulk(struct io *io, const char *dir, const struct buf *data, bool zeros)
{
    char path[1024];
    struct io_file *file;
    snprintf(path, sizeof path, "%s/bare", dir);
    must(io_file_open(io, path, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, &file), path);
    must(io_file_allocate(file, 0, (uint64_t)PIECES * MEBI, zeros), "allocate");
    must(io_file_sync(file), "sync");
    int64_t start = io_now_ns(io);
    for (uint64_t i = 0; i < PIECES; i++) {
        must(io_file_write(file, i * MEBI, data->ptr, MEBI), "write");
        must(io_file_sync(file), "sync");
    }
    double ns = (double)(io_now_ns(io) - start);
    io_file_close(file);
    must(io_path_remove(io, path), "remove");
    return (double)PIECES * MEBI / ns * 1e3;
}

static struct log *fresh_log(struct io *io, const char *dir, struct log_partition **ret_partition)
{
    struct log_options options = {.own_thread = true};
    struct log_topic_config config;
    struct log_topic *topic;
    struct log *log;
    struct diag diag = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s/bench-log", dir);
    must(log_open(io, path, &options, &diag, &log), diag.message);
    log_topic_config_default(&config);
    must(log_topic_create(log, STR("bench"), &config, &diag, &topic), diag.message);
    *ret_partition = log_topic_partition(topic, 0);
    return log;
}

static void drop_log(struct io *io, const char *dir, struct log *log)
{
    char path[1024];
    log_close(log);
    snprintf(path, sizeof path, "%s/bench-log", dir);
    must(io_path_remove_tree(io, path), path);
}

static double log_bulk(struct io *io, const char *dir, const struct buf *batch)
{
    struct log_partition *partition;
    struct log *log = fresh_log(io, dir, &partition);
    int64_t start = io_now_ns(io), offset;
    for (int i = 0; i < PIECES; i++)
        must(log_append_wait(partition, batch->ptr, batch->bytes, &offset), "append");
    double ns = (double)(io_now_ns(io) - start);
    drop_log(io, dir, log);
    return (double)batch->bytes * PIECES / ns * 1e3;
}

static void counted(struct log_append *append)
{
    int *left = append->owner;
    must(append->err, "append");
    --*left;
}

static double log_pipelined(struct io *io, const char *dir, const struct buf *batch)
{
    struct log_partition *partition;
    struct log *log = fresh_log(io, dir, &partition);
    struct log_append appends[WINDOW];
    struct io_loop *loop;
    int left[WINDOW] = {0};
    must(io_loop_new(io, &loop), "loop");
    int64_t start = io_now_ns(io);
    for (int i = 0; i < PIECES + WINDOW; i++) {
        int slot = i % WINDOW;
        while (left[slot])
            io_loop_turn(loop, 1000000000);
        if (i >= PIECES)
            continue;
        left[slot] = 1;
        appends[slot] = (struct log_append){.batches = batch->ptr,
                                            .bytes = batch->bytes,
                                            .done = counted,
                                            .owner = &left[slot],
                                            .loop = loop};
        must(log_append(partition, &appends[slot]), "append");
    }
    double ns = (double)(io_now_ns(io) - start);
    drop_log(io, dir, log);
    io_loop_free(loop);
    return (double)batch->bytes * PIECES / ns * 1e3;
}

/* Medians in us of one small write and sync. */
static double bare_lone(struct io *io, const char *dir, const struct buf *data)
{
    static double us[LONE];
    char path[1024];
    struct io_file *file;
    snprintf(path, sizeof path, "%s/bare", dir);
    must(io_file_open(io, path, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, &file), path);
    must(io_file_allocate(file, 0, MEBI, true), "allocate");
    must(io_file_sync(file), "sync");
    for (size_t i = 0; i < LONE; i++) {
        int64_t start = io_now_ns(io);
        must(io_file_write(file, i * data->bytes, data->ptr, data->bytes), "write");
        must(io_file_sync(file), "sync");
        us[i] = (double)(io_now_ns(io) - start) / 1e3;
    }
    io_file_close(file);
    must(io_path_remove(io, path), "remove");
    return median(us, LONE);
}

static double log_lone(struct io *io, const char *dir, const struct buf *batch)
{
    static double us[LONE];
    struct log_partition *partition;
    struct log *log = fresh_log(io, dir, &partition);
    for (int i = 0; i < LONE; i++) {
        int64_t start = io_now_ns(io), offset;
        must(log_append_wait(partition, batch->ptr, batch->bytes, &offset), "append");
        us[i] = (double)(io_now_ns(io) - start) / 1e3;
    }
    drop_log(io, dir, log);
    return median(us, LONE);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/tmp";
    struct io *io = io_kernel_new();
    struct buf megabyte = {0}, kilobyte = {0};
    double bare[ROUNDS], zeroed[ROUNDS], one[ROUNDS], many[ROUNDS], small[ROUNDS], lone[ROUNDS];
    batch_of(MEBI + MEBI / 16, &megabyte);
    batch_of(RECORD, &kilobyte);
    if (megabyte.bytes < MEBI)
        must(ERR_TRUNCATED, "batch");
    for (int i = 0; i < ROUNDS; i++) {
        bare[i] = bare_bulk(io, dir, &megabyte, false);
        one[i] = log_bulk(io, dir, &megabyte);
        many[i] = log_pipelined(io, dir, &megabyte);
        zeroed[i] = bare_bulk(io, dir, &megabyte, true);
        small[i] = bare_lone(io, dir, &kilobyte);
        lone[i] = log_lone(io, dir, &kilobyte);
    }
    double b = median(bare, ROUNDS), z = median(zeroed, ROUNDS), o = median(one, ROUNDS);
    double m = median(many, ROUNDS), s = median(small, ROUNDS), l = median(lone, ROUNDS);
    printf("bare 1 MiB write + fdatasync, reserved     %8.0f MB/s\n", b);
    printf("bare 1 MiB write + fdatasync, zero-written %8.0f MB/s\n", z);
    printf("log, 1 MB batches of 1 KB, one by one      %8.0f MB/s  %3.0f %% of reserved\n", o,
           o / b * 100);
    printf("log, the same, %d under way                 %8.0f MB/s  %3.0f %% of reserved\n", WINDOW,
           m, m / b * 100);
    printf("bare 1 KB write + fdatasync, zero-written  %8.0f us\n", s);
    printf("log, a lone record of 1 KB                 %8.0f us    %.2f times bare\n", l, l / s);
    buf_deinit(&megabyte);
    buf_deinit(&kilobyte);
    io_free(io);
    return 0;
}
