/* SPDX-License-Identifier: MIT */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

/* A real log in a directory under /tmp, a loop, and what a source needs. */
#include "base/mem.h"
#include "connect/connect.h"
#include "io/loop.h"
#include "log/log.h"
#include "test.h"

#include <unistd.h>

struct world {
    struct io *io;
    struct io_loop *loop;
    char dir[64];
    struct log *log;
    struct log_topic *topic;
    struct feed *feed;
    int32_t partitions;
    size_t in_flight_max;
};

static inline void world_log_open(struct world *w)
{
    struct diag diag = {0};
    struct log_options options = {.durability = LOG_SYNC, .own_thread = true};
    if (log_open(w->io, w->dir, &options, &diag, &w->log) != OK)
        fail_msg("log: %s", diag.message);
    w->topic = log_topic_find(w->log, STR("t"));
    if (!w->topic) {
        struct log_topic_config config;
        log_topic_config_default(&config);
        config.partitions = w->partitions;
        assert_ok(log_topic_create(w->log, STR("t"), &config, NULL, &w->topic));
    }
    assert_ok(feed_new(w->log, w->topic, w->loop, STR("src"), w->in_flight_max, &w->feed));
}

static inline void world_open(struct world *w, int32_t partitions, size_t in_flight_max)
{
    memset(w, 0, sizeof *w);
    w->io = io_kernel_new();
    assert_ok(io_loop_new(w->io, &w->loop));
    uint64_t random;
    io_random(w->io, &random, sizeof random);
    snprintf(w->dir, sizeof w->dir, "/tmp/connect-test-%016llx", (unsigned long long)random);
    w->partitions = partitions;
    w->in_flight_max = in_flight_max;
    world_log_open(w);
}

static inline void world_turn(struct world *w, int64_t ms)
{
    int64_t end = io_now_ns(w->io) + ms * 1000000;
    while (io_now_ns(w->io) < end)
        io_loop_turn(w->loop, 1000000);
}

static inline void world_log_close(struct world *w)
{
    feed_free(w->feed);
    world_turn(w, 20);
    log_close(w->log);
    w->feed = NULL;
    w->log = NULL;
    world_turn(w, 2);
}

static inline void world_restart(struct world *w)
{
    world_log_close(w);
    world_log_open(w);
}

static inline void world_close(struct world *w)
{
    world_log_close(w);
    io_loop_free(w->loop);
    assert_ok(io_path_remove_tree(w->io, w->dir));
    io_free(w->io);
}

/* Turns until what() answers true; fails after ten seconds. */
static inline void world_until(struct world *w, bool (*what)(void *owner), void *owner)
{
    int64_t end = io_now_ns(w->io) + 10000000000;
    while (!what(owner)) {
        if (io_now_ns(w->io) > end)
            fail_msg("waited in vain");
        io_loop_turn(w->loop, 2000000);
    }
}

/* Calls each with every record of a partition, in order; the count. */
static inline size_t world_records(struct world *w, int32_t partition,
                                   void (*each)(void *owner, const struct record *record),
                                   void *owner)
{
    struct log_partition *p = log_topic_partition(w->topic, partition);
    struct buf bytes = {0};
    size_t count = 0;
    for (int64_t offset = log_partition_start(p); offset < log_partition_end(p);) {
        struct log_read read;
        buf_reset(&bytes);
        assert_ok(log_read(p, offset, 1 << 20, &bytes, &read));
        for (size_t at = 0; at < bytes.bytes;) {
            struct record_batch batch;
            struct record_iterator it;
            struct record record;
            assert_ok(record_batch_parse(bytes.ptr + at, bytes.bytes - at, true, &batch));
            at += batch.bytes_count;
            assert_ok(record_iterator_init(&it, &batch, 64 << 20));
            while (record_iterator_next(&it, &record)) {
                if (each)
                    each(owner, &record);
                count++;
            }
            assert_ok(it.reader.err);
            record_iterator_deinit(&it);
        }
        assert_true(read.offset_next > offset);
        offset = read.offset_next;
    }
    buf_deinit(&bytes);
    return count;
}

static inline size_t world_count(struct world *w)
{
    size_t count = 0;
    for (int32_t i = 0; i < w->partitions; i++)
        count += world_records(w, i, NULL, NULL);
    return count;
}

#endif
