/* SPDX-License-Identifier: MIT */
/*
 * Idempotent producers: of each partition and producer id the last five batches, so that one that
 * comes again is answered with its old offset and one that left another out is refused.
 *
 * Batches are checked by the owner of the turn, in the order of the queue, and taken into the state
 * at once, so that what follows in the same group is checked against them; their offsets are filled
 * in when they are placed. When the group fails, or refuses a part, the entries get back what they
 * were (undo). A batch that comes again while the first is in the same group is answered with the
 * group, never before.
 *
 * Rules, those of Kafka:
 *   - older epoch: ERR_FENCED. Newer epoch: the sequence must begin at 0.
 *   - unknown producer: any sequence, since retention or time may have taken what was known, but
 *     none behind one that was refused (expect.c).
 *   - same epoch: one of the five: a duplicate; the next sequence (2^31 - 1 is followed by 0): new;
 *     else ERR_DISORDER. A sequence of -1 has no order: the coordinator's own batches.
 *   - a plain batch inside the producer's open transaction, or a transactional one without a
 *     producer: ERR_STATE. Markers of an older coordinator: ERR_FENCED.
 *
 * Entries lie in one flat array, found by walking it while they are few and by a table of indices
 * when they are many; nothing is allocated for a batch. Producers that were not seen for a day of
 * wall time go, unless they have an open transaction. Timestamps of records do not matter for that.
 */
#include "log/store.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

enum { FEW = 8, IDLE_MS = 24 * 3600 * 1000 };

/* ---- the table ----------------------------------------------------------------------------- */

static uint32_t place_of(const struct log_producers *producers, int64_t producer_id)
{
    uint64_t hash = (uint64_t)producer_id * 0x9E3779B97F4A7C15u;
    return (uint32_t)(hash >> 32) & (producers->place_room - 1);
}

static void places_add(struct log_producers *producers, uint32_t index)
{
    uint32_t at = place_of(producers, producers->entries[index].producer_id);
    while (producers->places[at])
        at = (at + 1) & (producers->place_room - 1);
    producers->places[at] = index + 1;
}

static void places_make(struct log_producers *producers)
{
    mem_free(producers->places);
    producers->places = NULL;
    producers->place_room = 0;
    if (producers->count <= FEW)
        return;
    producers->place_room = 32;
    while (producers->place_room < producers->count * 3)
        producers->place_room *= 2;
    producers->places = mem_zero(producers->place_room * sizeof *producers->places);
    for (uint32_t i = 0; i < producers->count; i++)
        places_add(producers, i);
}

static struct log_producer_entry *find(const struct log_producers *producers, int64_t producer_id)
{
    if (!producers)
        return NULL;
    if (!producers->places) {
        for (uint32_t i = 0; i < producers->count; i++)
            if (producers->entries[i].producer_id == producer_id)
                return &producers->entries[i];
        return NULL;
    }
    uint32_t at = place_of(producers, producer_id);
    for (; producers->places[at]; at = (at + 1) & (producers->place_room - 1)) {
        struct log_producer_entry *entry = &producers->entries[producers->places[at] - 1];
        if (entry->producer_id == producer_id)
            return entry;
    }
    return NULL;
}

const struct log_producer_entry *log_producer_find(const struct log_producers *producers,
                                                   int64_t producer_id)
{
    return find(producers, producer_id);
}

struct log_producer_entry *log_producers_add(struct log_producers *producers, int64_t producer_id)
{
    if (producers->count == producers->room) {
        producers->room = producers->room ? producers->room * 2 : 1;
        producers->entries =
            mem_realloc_array(producers->entries, producers->room, sizeof *producers->entries);
    }
    struct log_producer_entry *entry = &producers->entries[producers->count++];
    *entry = (struct log_producer_entry){.producer_id = producer_id,
                                         .txn_first_offset = -1,
                                         .last_timestamp_ms = -1,
                                         .coordinator_epoch = -1,
                                         .epoch = -1};
    if (producers->count > FEW && producers->count * 2 > producers->place_room)
        places_make(producers);
    else if (producers->places)
        places_add(producers, producers->count - 1);
    return entry;
}

static void remove_entry(struct log_producers *producers, struct log_producer_entry *entry)
{
    *entry = producers->entries[--producers->count];
    places_make(producers);
}

struct log_producers *log_producers_need(struct log_partition *partition)
{
    if (!partition->producers)
        partition->producers = mem_zero(sizeof *partition->producers);
    return partition->producers;
}

void log_producers_free(struct log_producers *producers)
{
    if (!producers)
        return;
    mem_free(producers->entries);
    mem_free(producers->places);
    mem_free(producers->open);
    mem_free(producers->aborted);
    mem_free(producers);
}

/* ---- checks -------------------------------------------------------------------------------- */

static int32_t last_sequence(const struct record_batch *batch)
{
    uint32_t last = (uint32_t)batch->base_sequence + (uint32_t)batch->last_offset_delta;
    return (int32_t)(last & INT32_MAX);
}

static const struct log_producer_batch *find_batch(const struct log_producer_entry *entry,
                                                   const struct record_batch *batch)
{
    for (uint32_t i = 0; i < entry->batch_count; i++)
        if (entry->batches[i].first_sequence == batch->base_sequence &&
            entry->batches[i].last_sequence == last_sequence(batch))
            return &entry->batches[i];
    return NULL;
}

static enum err check_marker(const struct log_producer_entry *entry,
                             const struct record_batch *batch)
{
    int32_t coordinator_epoch;
    bool commit;
    if (log_marker_decode(batch, &commit, &coordinator_epoch) != OK)
        return ERR_INVALID;
    if (entry &&
        (batch->producer_epoch < entry->epoch || coordinator_epoch < entry->coordinator_epoch))
        return ERR_FENCED;
    return OK;
}

static enum err check_sequence(const struct log_producer_entry *entry,
                               const struct record_batch *batch)
{
    if (batch->base_sequence < 0)
        return OK;
    if (batch->producer_epoch != entry->epoch)
        return batch->base_sequence == 0 || entry->epoch < 0 ? OK : ERR_DISORDER;
    int32_t last = entry->batch_count ? entry->batches[entry->batch_count - 1].last_sequence : -1;
    int32_t next = last == INT32_MAX ? 0 : last + 1;
    return batch->base_sequence == next ? OK : ERR_DISORDER;
}

static enum err check_batch(const struct log_producer_entry *entry,
                            const struct record_batch *batch)
{
    if (batch->attributes & BATCH_CONTROL)
        return check_marker(entry, batch);
    if (!entry)
        return OK;
    if (batch->producer_epoch < entry->epoch)
        return ERR_FENCED;
    TRY(check_sequence(entry, batch));
    if (entry->txn_first_offset != -1 && !(batch->attributes & BATCH_TRANSACTIONAL))
        return ERR_STATE;
    return OK;
}

/* ---- taking -------------------------------------------------------------------------------- */

static void take_marker(struct log_producer_entry *entry, const struct record_batch *batch)
{
    int32_t coordinator_epoch;
    bool commit;
    entry->txn_first_offset = -1;
    if (log_marker_decode(batch, &commit, &coordinator_epoch) == OK)
        entry->coordinator_epoch = coordinator_epoch;
}

static void take_batch(struct log_producer_entry *entry, const struct record_batch *batch,
                       int64_t base_offset)
{
    if ((batch->attributes & BATCH_TRANSACTIONAL) && entry->txn_first_offset == -1)
        entry->txn_first_offset = base_offset;
    if (batch->base_sequence < 0)
        return;
    if (entry->batch_count == LOG_PRODUCER_BATCHES)
        memmove(entry->batches, entry->batches + 1, --entry->batch_count * sizeof *entry->batches);
    entry->batches[entry->batch_count++] =
        (struct log_producer_batch){.first_sequence = batch->base_sequence,
                                    .last_sequence = last_sequence(batch),
                                    .base_offset = base_offset,
                                    .timestamp_ms = batch->max_timestamp};
}

static void take(struct log_producer_entry *entry, const struct record_batch *batch,
                 int64_t base_offset, int64_t now_ms)
{
    if (entry->epoch != batch->producer_epoch)
        entry->batch_count = 0;
    entry->epoch = batch->producer_epoch;
    entry->seen_ms = now_ms;
    entry->last_timestamp_ms = batch->max_timestamp;
    if (batch->attributes & BATCH_CONTROL)
        take_marker(entry, batch);
    else
        take_batch(entry, batch, base_offset);
}

static void remember(struct log_group *group, struct log_partition *partition,
                     const struct log_producer_entry *entry, int64_t producer_id)
{
    if (group->undo_count == group->undo_room) {
        group->undo_room = group->undo_room ? group->undo_room * 2 : 16;
        group->undo = mem_realloc_array(group->undo, group->undo_room, sizeof *group->undo);
    }
    struct log_producer_undo *undo = &group->undo[group->undo_count++];
    undo->partition = partition;
    undo->existed = entry != NULL;
    if (entry)
        undo->old = *entry;
    else
        undo->old.producer_id = producer_id;
}

enum err log_producer_admit(struct log_group *group, struct log_partition *partition,
                            const struct record_batch *batch, int64_t now_ms,
                            struct log_producer_batch *ret_old, bool *ret_duplicate)
{
    struct log_producer_entry *entry = find(partition->producers, batch->producer_id);
    *ret_duplicate = false;
    if (entry && !(batch->attributes & BATCH_CONTROL) && batch->base_sequence >= 0 &&
        batch->producer_epoch == entry->epoch) {
        const struct log_producer_batch *old = find_batch(entry, batch);
        if (old) {
            *ret_old = *old;
            *ret_duplicate = true;
            return OK;
        }
    }
    TRY(check_batch(entry, batch));
    if (!(batch->attributes & BATCH_CONTROL)) {
        if (log_expects_another(partition, batch))
            return ERR_DISORDER;
        log_expected_came(partition, batch->producer_id);
    }
    remember(group, partition, entry, batch->producer_id);
    if (!entry)
        entry = log_producers_add(log_producers_need(partition), batch->producer_id);
    take(entry, batch, LOG_OFFSET_TO_COME, now_ms);
    return OK;
}

void log_producer_placed(struct log_partition *partition, const struct record_batch *batch,
                         int64_t base_offset)
{
    struct log_producer_entry *entry = find(partition->producers, batch->producer_id);
    check(entry);
    if (batch->attributes & BATCH_CONTROL)
        return;
    if ((batch->attributes & BATCH_TRANSACTIONAL) && entry->txn_first_offset == LOG_OFFSET_TO_COME)
        entry->txn_first_offset = base_offset;
    for (uint32_t i = 0; i < entry->batch_count; i++) {
        struct log_producer_batch *one = &entry->batches[i];
        if (one->base_offset == LOG_OFFSET_TO_COME && one->first_sequence == batch->base_sequence) {
            one->base_offset = base_offset;
            one->timestamp_ms = batch->max_timestamp;
        }
    }
}

void log_producers_undo(struct log *log, struct log_group *group, size_t count)
{
    if (group->undo_count <= count)
        return;
    io_mutex_lock(&log->lock);
    while (group->undo_count > count) {
        const struct log_producer_undo *undo = &group->undo[--group->undo_count];
        struct log_producers *producers = undo->partition->producers;
        struct log_producer_entry *entry = find(producers, undo->old.producer_id);
        if (entry && undo->existed)
            *entry = undo->old;
        else if (entry)
            remove_entry(producers, entry);
    }
    io_mutex_unlock(&log->lock);
}

void log_producer_replay(struct log_partition *partition, const struct record_batch *batch,
                         int64_t now_ms)
{
    if (batch->producer_id < 0)
        return;
    struct log_producer_entry *entry = find(partition->producers, batch->producer_id);
    if (!entry)
        entry = log_producers_add(log_producers_need(partition), batch->producer_id);
    take(entry, batch, batch->base_offset, now_ms);
    if (batch->attributes & BATCH_TRANSACTIONAL)
        log_txn_note(partition, batch);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void expire(struct log_producers *producers, int64_t before_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < producers->count; i++) {
        const struct log_producer_entry *entry = &producers->entries[i];
        if (entry->txn_first_offset != -1 || entry->seen_ms > before_ms)
            producers->entries[kept++] = *entry;
    }
    if (kept == producers->count)
        return;
    producers->count = kept;
    places_make(producers);
}

void log_producers_expire(struct log *log, int64_t now_ms)
{
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        for (int32_t i = 0; i < topic->config.partitions; i++) {
            struct log_partition *partition = topic->partitions[i];
            struct log_producers *producers = partition->producers;
            if (!partition->expected_count && (!producers || !producers->count))
                continue;
            io_mutex_lock(&log->lock);
            log_expected_expire(partition, now_ms - IDLE_MS);
            if (producers)
                expire(producers, now_ms - IDLE_MS);
            io_mutex_unlock(&log->lock);
        }
}

/* ---- for callers --------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const struct log_producer *x = a, *y = b;
    return (x->producer_id > y->producer_id) - (x->producer_id < y->producer_id);
}

size_t log_producers(struct log_partition *partition, struct arena *arena,
                     struct log_producer **ret_producers)
{
    struct log *log = partition->log;
    io_mutex_lock(&log->lock);
    const struct log_producers *from = partition->producers;
    size_t count = from ? from->count : 0;
    struct log_producer *list = arena_array(arena, count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        const struct log_producer_entry *entry = &from->entries[i];
        list[i] = (struct log_producer){
            .producer_id = entry->producer_id,
            .epoch = entry->epoch,
            .last_sequence =
                entry->batch_count ? entry->batches[entry->batch_count - 1].last_sequence : -1,
            .last_timestamp_ms = entry->last_timestamp_ms,
            .coordinator_epoch = entry->coordinator_epoch,
            .txn_first_offset = entry->txn_first_offset,
        };
    }
    io_mutex_unlock(&log->lock);
    qsort(list, count, sizeof *list, by_id);
    *ret_producers = list;
    return count;
}
