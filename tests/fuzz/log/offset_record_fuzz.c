/* SPDX-License-Identifier: MIT */
/* Any bytes as key and value of a record in __consumer_offsets (the first byte says how long the
 * key is): never more than a commit that is ignored or taken, the same after opening again. */
#include "base/check.h"
#include "base/mem.h"
#include "io/sim.h"
#include "log/log.h"
#include "log/record_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static size_t count_commits(struct log *log, int64_t *ret_sum)
{
    struct arena arena;
    struct log_group_offset *offsets;
    arena_init(&arena, 1 << 20);
    size_t count = log_offsets(log, STR_NONE, &arena, &offsets);
    *ret_sum = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t offset =
            log_offset_fetch(log, offsets[i].group, offsets[i].topic, offsets[i].partition);
        check(offset == offsets[i].offset);
        *ret_sum ^= offset;
    }
    arena_deinit(&arena);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct io_sim_options sim = {.seed = 1};
    struct log_options options = {.cache_bytes_max = 4096};
    struct log_partition *partition;
    struct record_batch_builder builder;
    CLEAN(buf_deinit) struct buf batch = {0};
    struct log *log;
    int64_t offset, before, after;
    if (bytes == 0)
        return 0;
    struct io *io = io_sim_new(&sim);
    check(log_open(io, "d", &options, NULL, &log) == OK);
    check(log_offset_commit(log, STR("g"), STR("t"), 0, 5, STR("m")) == OK);
    check(log_offsets_partition(log, &partition) == OK);
    size_t key_bytes = data[0] < bytes - 1 ? data[0] : bytes - 1;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    record_batch_builder_add(&builder, 1, str_from(data + 1, key_bytes),
                             str_from(data + 1 + key_bytes, bytes - 1 - key_bytes), NULL, 0);
    check(record_batch_builder_finish(&builder, &batch) == OK);
    record_batch_builder_deinit(&builder);
    check(log_append_wait(partition, batch.ptr, batch.bytes, &offset) == OK);
    size_t count = count_commits(log, &before);
    check(count >= 1 && count <= 2);
    log_close(log);
    check(log_open(io, "d", &options, NULL, &log) == OK);
    check(count_commits(log, &after) == count && after == before);
    log_close(log);
    io_free(io);
    return 0;
}
