/* SPDX-License-Identifier: MIT */
/* Any bytes as what a crash left of a file of the log: the active segment, the journal, the
 * checkpoint, an index, a start, a topic file (the first byte says which). Opening succeeds or
 * refuses; what it lets in can be read whole and appended to, and is there at the next opening. */
#include "base/check.h"
#include "base/mem.h"
#include "io/sim.h"
#include "log/log.h"
#include "log/record_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const names[] = {
    "d/topics/t/0-00000000000000000000.log",   "d/journal",          "d/checkpoint",
    "d/topics/t/0-00000000000000000000.index", "d/topics/t/0.start", "d/topics/t/topic"};
enum { NAMES = 6 };

static void append(struct log_partition *partition)
{
    struct record_batch_builder builder;
    CLEAN(buf_deinit) struct buf batch = {0};
    int64_t offset;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    record_batch_builder_add(&builder, 1, STR("k"), STR("v"), NULL, 0);
    check(record_batch_builder_finish(&builder, &batch) == OK);
    record_batch_builder_deinit(&builder);
    int64_t end = log_partition_end(partition);
    check(log_append_wait(partition, batch.ptr, batch.bytes, &offset) == OK);
    check(offset == end);
}

static void read_all(struct log_partition *partition)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_read read = {.offset_next = log_partition_start(partition)};
    while (read.offset_next < log_partition_end(partition)) {
        int64_t from = read.offset_next;
        buf_reset(&out);
        if (log_read(partition, from, 100, &out, &read) != OK)
            return; /* a checkpoint or a finished file that lies is found by its reader */
        check(read.offset_next > from);
    }
}

static void write_file(struct io *io, const char *path, const uint8_t *data, size_t bytes)
{
    struct io_file *file;
    check(io_file_open(io, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, &file) == OK);
    check(io_file_write(file, 0, data, bytes) == OK);
    io_file_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct io_sim_options sim = {.seed = 1};
    struct log_options options = {.cache_bytes_max = 4096};
    struct log_topic_config config;
    struct log_topic *topic;
    struct log *log;
    if (bytes == 0)
        return 0;
    struct io *io = io_sim_new(&sim);
    check(log_open(io, "d", &options, NULL, &log) == OK);
    log_topic_config_default(&config);
    check(log_topic_create(log, STR("t"), &config, NULL, &topic) == OK);
    append(log_topic_partition(topic, 0));
    append(log_topic_partition(topic, 0));
    io_sim_kill(io);
    log_close(log);
    write_file(io, names[data[0] % NAMES], data + 1, bytes - 1);
    for (int round = 0; round < 2; round++) {
        if (log_open(io, "d", &options, NULL, &log) != OK)
            break;
        topic = log_topic_find(log, STR("t"));
        if (topic) {
            read_all(log_topic_partition(topic, 0));
            append(log_topic_partition(topic, 0));
        }
        log_close(log);
    }
    io_free(io);
    return 0;
}
