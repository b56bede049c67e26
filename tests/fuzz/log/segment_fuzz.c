/* SPDX-License-Identifier: MIT */
/* Any bytes as what a crash left of a file of the log: the active segment, the journal, the
 * checkpoint, an index, a start, a topic file, a snapshot of producers, the epochs (the first byte
 * says which; of the last two it may give the right sum). Opening succeeds or
 * refuses; what it lets in can be read whole and appended to, and is there at the next opening. */
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/sim.h"
#include "log/log.h"
#include "log/record_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const names[] = {"d/topics/t/0-00000000000000000000.log",
                                    "d/journal",
                                    "d/checkpoint",
                                    "d/topics/t/0-00000000000000000000.index",
                                    "d/topics/t/0.start",
                                    "d/topics/t/topic",
                                    "d/topics/t/0-00000000000000000000.producers",
                                    "d/epochs"};
enum { NAMES = 8, WITH_SUM = 6, FIX_SUM = 128 };

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

/* Whatever a snapshot says, looking at it is safe. */
static void look(struct log_partition *partition)
{
    struct log_producer *producers;
    struct log_aborted *aborted;
    struct arena arena;
    int32_t epoch;
    int64_t end;
    arena_init(&arena, 0);
    size_t count = log_producers(partition, &arena, &producers);
    for (size_t i = 1; i < count; i++)
        check(producers[i - 1].producer_id < producers[i].producer_id);
    count = log_aborted(partition, 0, INT64_MAX, &arena, &aborted);
    for (size_t i = 1; i < count; i++)
        check(aborted[i - 1].first_offset <= aborted[i].first_offset);
    check(log_partition_stable_end(partition) >= log_partition_start(partition));
    if (log_epoch_end(partition, INT32_MAX / 2, &epoch, &end) == OK)
        check(epoch <= INT32_MAX / 2);
    arena_deinit(&arena);
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
    CLEAN(buf_deinit) struct buf content = {0};
    int which = (data[0] & ~FIX_SUM) % NAMES;
    buf_append(&content, data + 1, bytes - 1);
    if (which >= WITH_SUM && data[0] & FIX_SUM && content.bytes >= 8)
        buf_patch_be32(&content, 4, crc32c(0, content.ptr + 8, content.bytes - 8));
    write_file(io, names[which], content.ptr, content.bytes);
    for (int round = 0; round < 2; round++) {
        if (log_open(io, "d", &options, NULL, &log) != OK)
            break;
        topic = log_topic_find(log, STR("t"));
        if (topic) {
            read_all(log_topic_partition(topic, 0));
            look(log_topic_partition(topic, 0));
            append(log_topic_partition(topic, 0));
        }
        log_close(log);
    }
    io_free(io);
    return 0;
}
