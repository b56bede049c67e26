/* SPDX-License-Identifier: MIT */
/*
 * Batches that are waited for. Of a producer that a partition does not know, any sequence is taken;
 * so when its first batch was refused (a full disk, a transaction that was not checked yet) and the
 * second one is on its way already, the second would be taken and the first, when it comes again,
 * would be out of order for ever. Therefore the lowest sequence that was refused, or is about to
 * come, is kept: until a batch from there on is taken, none behind it is. Kafka does the same for
 * transactional batches while it asks the coordinator ("verification state"); there one that is
 * refused for having no sequence, -1, holds up all others until a newer epoch comes.
 *
 * Kept in memory only, as the requests under way do not outlive the process either; a newer epoch
 * makes it void, and so does time. There are few: the oldest go when there are too many.
 *
 * All functions but the first are called with the lock held.
 */
#include "log/store.h"

#include "base/mem.h"

enum { EXPECTED_MAX = 1024 };

static struct log_expected *find(const struct log_partition *partition, int64_t producer_id)
{
    for (uint32_t i = 0; i < partition->expected_count; i++)
        if (partition->expected[i].producer_id == producer_id)
            return &partition->expected[i];
    return NULL;
}

static void remove_at(struct log_partition *partition, uint32_t at)
{
    partition->expected_count--;
    memmove(&partition->expected[at], &partition->expected[at + 1],
            (partition->expected_count - at) * sizeof *partition->expected);
}

static struct log_expected *add(struct log_partition *partition)
{
    if (partition->expected_count == EXPECTED_MAX)
        remove_at(partition, 0);
    if (partition->expected_count == partition->expected_room) {
        partition->expected_room = partition->expected_room ? partition->expected_room * 2 : 4;
        partition->expected = mem_realloc_array(partition->expected, partition->expected_room,
                                                sizeof *partition->expected);
    }
    return &partition->expected[partition->expected_count++];
}

static void expect(struct log_partition *partition, int64_t producer_id, int16_t epoch,
                   int32_t sequence)
{
    if (producer_id < 0 || partition->topic->deleted ||
        log_producer_find(partition->producers, producer_id))
        return;
    struct log_expected *one = find(partition, producer_id);
    if (one && (epoch < one->epoch || (epoch == one->epoch && sequence >= one->sequence)))
        return;
    if (!one)
        one = add(partition);
    *one = (struct log_expected){.producer_id = producer_id,
                                 .epoch = epoch,
                                 .sequence = sequence,
                                 .since_ms = log_wall_ms(partition->log)};
}

void log_producer_expect(struct log_partition *partition, int64_t producer_id, int16_t epoch,
                         int32_t sequence)
{
    struct log *log = partition->log;
    if (log->remote)
        return;
    io_mutex_lock(&log->lock);
    expect(partition, producer_id, epoch, sequence);
    io_mutex_unlock(&log->lock);
}

void log_expect_again(const struct log_append *append)
{
    if (!append->producers || append->control)
        return;
    for (size_t at = 0; at < append->bytes;) {
        struct record_batch batch;
        if (record_batch_parse(append->batches + at, append->bytes - at, false, &batch) != OK)
            return;
        if (batch.base_sequence >= 0)
            expect(append->partition, batch.producer_id, batch.producer_epoch, batch.base_sequence);
        at += batch.bytes_count;
    }
}

bool log_expects_another(const struct log_partition *partition, const struct record_batch *batch)
{
    const struct log_expected *one = find(partition, batch->producer_id);
    return one && batch->producer_epoch <= one->epoch && batch->base_sequence > one->sequence;
}

void log_expected_came(struct log_partition *partition, int64_t producer_id)
{
    const struct log_expected *one = find(partition, producer_id);
    if (one)
        remove_at(partition, (uint32_t)(one - partition->expected));
}

void log_expected_expire(struct log_partition *partition, int64_t before_ms)
{
    while (partition->expected_count && partition->expected[0].since_ms <= before_ms)
        remove_at(partition, 0);
}
