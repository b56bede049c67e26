/* SPDX-License-Identifier: MIT */
/*
 * Group commit: everything that is queued becomes durable by one sync, or by few.
 *
 * A group goes one of two ways.
 *   Straight: each run of bytes to its segment, then one fdatasync a segment. For one partition
 *   that is the least there can be: the data once, one sync.
 *   Through the journal: one frame with all runs, one fdatasync, then the segments without a sync.
 *   The data is written twice, and the cost does not grow with the number of partitions.
 * Which is cheaper follows from what a sync and a byte cost: the journal is taken while the group
 * has less than JOURNAL_BYTES_PER_SYNC for each sync it saves. Appends that must not be torn
 * (several batches, log_append_together()) take the journal always, since a frame is all or
 * nothing; whatever is queued behind them goes along. Order within a partition is that of the
 * queue.
 *
 * Invariants:
 *   C1  Nothing is acknowledged (LOG_SYNC) before its bytes are synced in a segment or in a frame.
 *   C2  When a frame is written, all bytes before its runs are synced or in frames.
 *   C3  A straight group that fails is cut off its segments again; a frame that fails is made
 *       invalid before anything else is written.
 *   C4  A group in a synced frame is not undone any more: its segments are written when they can
 * be. C5  After a failed sync, or a failed write for another reason than room, nothing is written.
 */
#include "log/store.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"

enum {
    JOURNAL_BYTES_PER_SYNC = 192 << 10,
    COPY_MAX = 16 << 10, /* smaller batches are gathered in one run of memory */
    BULK_BYTES = 128 << 10,
    PROBE_MS = 100,
    PROBE_BYTES = 256 << 10,
};

void log_group_deinit(struct log_group *group)
{
    mem_free(group->items);
    mem_free(group->placed);
    mem_free(group->slots);
    mem_free(group->pieces);
    mem_free(group->undo);
    buf_deinit(&group->copies);
}

static void *room_for(void *array, size_t count, size_t *room, size_t element_bytes)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 16;
    return mem_realloc_array(array, *room, element_bytes);
}

/* ---- taking from the queue ----------------------------------------------------------------- */

static bool must_be_whole(const struct log_append *append)
{
    return append->group || append->batch_count > 1;
}

/* The appends that belong to the same log_append_together(), or the one. */
static struct log_append *unit_end(struct log_append *first, size_t *ret_bytes, size_t *ret_batches,
                                   bool *ret_deleted)
{
    struct log_append *append = first;
    *ret_bytes = *ret_batches = 0;
    *ret_deleted = false;
    do {
        *ret_bytes += append->bytes;
        *ret_batches += append->batch_count;
        *ret_deleted |= append->partition->topic->deleted;
        append = append->next;
    } while (append && first->group && append->group == first->group);
    return append;
}

static void queue_pop(struct log *log, struct log_append *end)
{
    log->queue_head = end;
    if (!end)
        log->queue_tail = NULL;
}

static void take_unit(struct log_group *group, struct log_append *first, struct log_append *end)
{
    for (struct log_append *append = first; append != end; append = append->next) {
        group->items =
            room_for(group->items, group->item_count, &group->item_room, sizeof *group->items);
        group->items[group->item_count++] = append;
    }
}

/* True when the group has something; topics deleted meanwhile are answered here. */
static bool take(struct log *log, struct log_group *group)
{
    size_t batch_count = 0;
    bool dead = false;
    group->item_count = 0;
    group->bytes = 0;
    group->journal = false;
    io_mutex_lock(&log->lock);
    while (log->queue_head) {
        size_t bytes, batches;
        bool deleted;
        struct log_append *first = log->queue_head;
        struct log_append *end = unit_end(first, &bytes, &batches, &deleted);
        if (group->item_count && (deleted || group->bytes + bytes > LOG_GROUP_BYTES_MAX ||
                                  batch_count + batches > LOG_GROUP_BATCHES_MAX ||
                                  (must_be_whole(first) && !group->journal)))
            break;
        take_unit(group, first, end);
        queue_pop(log, end);
        group->bytes += bytes;
        batch_count += batches;
        group->journal |= must_be_whole(first);
        dead = deleted;
        if (dead)
            break;
    }
    io_mutex_unlock(&log->lock);
    if (dead) {
        log_complete(log, group->items, group->item_count, ERR_CLOSED);
        group->item_count = 0;
    }
    return group->item_count > 0;
}

/* Gives back the items from index on: they go first next time. */
static void put_back(struct log *log, struct log_group *group, size_t index)
{
    io_mutex_lock(&log->lock);
    for (size_t i = group->item_count; i > index; i--) {
        struct log_append *append = group->items[i - 1];
        append->next = log->queue_head;
        log->queue_head = append;
        if (!log->queue_tail)
            log->queue_tail = append;
        group->bytes -= append->bytes;
    }
    io_mutex_unlock(&log->lock);
    group->item_count = index;
}

/* ---- placing ------------------------------------------------------------------------------- */

static bool wants_roll(const struct log_partition *partition, const struct log_segment *segment,
                       size_t bytes, int64_t now_ms)
{
    const struct log_topic_config *config = &partition->topic->config;
    if (segment->bytes == 0)
        return false;
    return segment->bytes + bytes > (uint64_t)config->segment_bytes ||
           now_ms - segment->created_ms >= config->segment_ms ||
           (config->compact && config->compaction_lag_max_ms &&
            now_ms - segment->created_ms >= config->compaction_lag_max_ms) ||
           partition->end - segment->base_offset > INT32_MAX;
}

/* A segment for what the group brings first. A snapshot of producers that is made here knows
 * nothing of the group, since none of it is admitted yet. */
static enum err make_ready(const struct log_group *group, struct log_partition *partition,
                           size_t bytes)
{
    struct log_segment *segment = log_partition_active(partition);
    if (partition->slot)
        return OK;
    if (!segment || wants_roll(partition, segment, bytes, group->append_ms))
        TRY(log_partition_roll(partition));
    return log_index_need(log_partition_active(partition));
}

static void slot_new(struct log *log, struct log_group *group, struct log_partition *partition)
{
    struct log_segment *segment = log_partition_active(partition);
    if (segment->bytes == 0)
        segment->created_ms = group->append_ms;
    group->slots =
        room_for(group->slots, group->slot_count, &group->slot_room, sizeof *group->slots);
    group->slots[group->slot_count++] = (struct log_slot){.partition = partition,
                                                          .segment = segment,
                                                          .position = segment->bytes,
                                                          .next_offset = partition->end};
    struct log_slot *slot = &group->slots[group->slot_count - 1];
    slot->sync = log->options.durability == LOG_SYNC || partition->topic->config.sync_each;
    partition->slot = (uint32_t)group->slot_count;
}

/* Writes the header of the batch as it will lie on the disk. */
static void patch(uint8_t *header, const struct record_batch *batch, const struct log_slot *slot,
                  int64_t append_ms)
{
    memcpy(header, batch->bytes, RECORD_BATCH_HEADER);
    put_be64(header, (uint64_t)slot->next_offset);
    put_be32(header + 12, (uint32_t)log_epoch_now(slot->partition));
    if (append_ms < 0)
        return;
    put_be16(header + 21, (uint16_t)(batch->attributes | BATCH_LOG_APPEND_TIME));
    put_be64(header + 35, (uint64_t)append_ms);
    uint32_t crc = crc32c(0, header + 21, RECORD_BATCH_HEADER - 21);
    crc = crc32c(crc, batch->bytes + RECORD_BATCH_HEADER, batch->bytes_count - RECORD_BATCH_HEADER);
    put_be32(header + 17, crc);
}

static enum err place_batch(struct log_group *group, struct log_slot *slot,
                            const struct record_batch *batch, int64_t append_ms)
{
    bool whole = batch->bytes_count <= COPY_MAX;
    size_t copied = whole ? batch->bytes_count : RECORD_BATCH_HEADER;
    uint8_t *to = buf_reserve(&group->copies, copied);
    if (!to)
        return ERR_LIMIT;
    patch(to, batch, slot, append_ms);
    memcpy(to + RECORD_BATCH_HEADER, batch->bytes + RECORD_BATCH_HEADER,
           copied - RECORD_BATCH_HEADER);
    group->placed =
        room_for(group->placed, group->placed_count, &group->placed_room, sizeof *group->placed);
    group->placed[group->placed_count++] = (struct log_placed){
        .slot = (uint32_t)(slot - group->slots),
        .base_offset = slot->next_offset,
        .next_offset = slot->next_offset + batch->last_offset_delta + 1,
        .max_timestamp = append_ms < 0 ? batch->max_timestamp : append_ms,
        .position = slot->position + slot->bytes,
        .copy_at = group->copies.bytes,
        .copy_bytes = copied,
        .rest = batch->bytes + copied,
        .rest_bytes = batch->bytes_count - copied,
    };
    buf_advance(&group->copies, copied);
    *(slot->last ? &group->placed[slot->last - 1].next : &slot->first) =
        (uint32_t)group->placed_count;
    slot->last = (uint32_t)group->placed_count;
    slot->bytes += batch->bytes_count;
    slot->next_offset += batch->last_offset_delta + 1;
    return OK;
}

/* ERR_AGAIN: the segment is full and the group has bytes for it: this one waits for the next. */
static enum err place(struct log *log, struct log_group *group, struct log_append *append)
{
    struct log_partition *partition = append->partition;
    const struct log_topic_config *config = &partition->topic->config;
    if (!partition->slot)
        slot_new(log, group, partition);
    struct log_slot *slot = &group->slots[partition->slot - 1];
    uint64_t end = slot->position + slot->bytes + append->bytes;
    if (slot->bytes && !append->group && end > (uint64_t)config->segment_bytes)
        return ERR_AGAIN;
    append->base_offset = slot->next_offset;
    append->append_time_ms = config->log_append_time ? group->append_ms : -1;
    for (size_t at = 0; at < append->bytes;) {
        struct record_batch batch;
        TRY(record_batch_parse(append->batches + at, append->bytes - at, false, &batch));
        int64_t base_offset = slot->next_offset;
        TRY(place_batch(group, slot, &batch, append->append_time_ms));
        if (batch.producer_id >= 0) {
            if (append->append_time_ms >= 0)
                batch.max_timestamp = append->append_time_ms;
            io_mutex_lock(&log->lock);
            log_producer_placed(partition, &batch, base_offset);
            io_mutex_unlock(&log->lock);
        }
        at += batch.bytes_count;
    }
    return OK;
}

/* Checks the batches that have a producer. An append is a duplicate as a whole or not at all. */
static enum err admit(struct log_group *group, struct log_append *append)
{
    uint32_t duplicates = 0;
    struct log_producer_batch old = {0};
    for (size_t at = 0; at < append->bytes;) {
        struct record_batch batch;
        bool duplicate = false;
        TRY(record_batch_parse(append->batches + at, append->bytes - at, false, &batch));
        at += batch.bytes_count;
        if (batch.producer_id >= 0)
            TRY(log_producer_admit(group, append->partition, &batch, group->append_ms, &old,
                                   &duplicate));
        if (duplicate && duplicates++ == 0) {
            append->base_offset = old.base_offset;
            append->append_time_ms =
                append->partition->topic->config.log_append_time ? old.timestamp_ms : -1;
        }
    }
    append->duplicate = duplicates > 0;
    return duplicates == 0 || duplicates == append->batch_count ? OK : ERR_DISORDER;
}

/* All parts of one append or of one log_append_together(), or none. */
static enum err admit_unit(struct log *log, struct log_group *group, size_t from, size_t until)
{
    size_t before = group->undo_count;
    enum err err = OK;
    bool any = false;
    for (size_t i = from; i < until; i++)
        any |= group->items[i]->producers;
    if (!any)
        return OK;
    io_mutex_lock(&log->lock);
    for (size_t i = from; i < until && err == OK; i++)
        if (group->items[i]->producers)
            err = admit(group, group->items[i]);
    io_mutex_unlock(&log->lock);
    if (err != OK)
        log_producers_undo(log, group, before);
    return err;
}

static enum err place_unit(struct log *log, struct log_group *group, size_t from, size_t until)
{
    enum err err = OK;
    for (size_t i = from; i < until && err == OK; i++)
        if (!group->items[i]->duplicate)
            err = place(log, group, group->items[i]);
    return err;
}

/* Answers the items from..until with err, and takes them out of the group. */
static void refuse(struct log *log, struct log_group *group, size_t from, size_t until,
                   enum err err)
{
    for (size_t i = from; i < until; i++)
        group->bytes -= group->items[i]->bytes;
    log_complete(log, group->items + from, until - from, err);
    memmove(group->items + from, group->items + until,
            (group->item_count - until) * sizeof *group->items);
    group->item_count -= until - from;
}

static enum err place_all(struct log *log, struct log_group *group)
{
    for (size_t i = 0; i < group->item_count;) {
        size_t until = i + 1, before = group->undo_count;
        const struct log_append_group *of = group->items[i]->group;
        while (of && until < group->item_count && group->items[until]->group == of)
            until++;
        for (size_t k = i; k < until; k++)
            TRY(make_ready(group, group->items[k]->partition, group->items[k]->bytes));
        enum err err = admit_unit(log, group, i, until);
        if (err != OK) {
            refuse(log, group, i, until, err);
            continue;
        }
        err = place_unit(log, group, i, until);
        if (err == ERR_AGAIN) {
            log_producers_undo(log, group, before);
            put_back(log, group, i);
            break;
        }
        TRY(err);
        i = until;
    }
    return OK;
}

/* Names whose sync failed are seen and may not be there: the files, still empty, go again, lest the
 * next opening rely on them. */
static void remove_fresh(struct log *log, struct log_group *group)
{
    for (size_t i = 0; i < group->slot_count; i++) {
        struct log_segment *segment = group->slots[i].segment;
        struct log_path path;
        if (segment->bytes || !segment->partition->topic->directory_dirty)
            continue;
        log_segment_path(segment, ".log", &path);
        enum err removed = io_path_remove(log->io, path.text);
        (void)removed;
    }
}

static enum err sync_directory(struct log *log, struct log_topic *topic, bool done)
{
    struct log_path path;
    log_topic_path(topic, NULL, &path);
    if (!done && io_path_sync_directory(log->io, path.text) != OK)
        return ERR_IO;
    topic->directory_dirty = false;
    return OK;
}

static enum err sync_directories(struct log *log, struct log_group *group)
{
    const struct log_topic *last = NULL;
    size_t count = 0;
    for (size_t i = 0; i < group->slot_count; i++) {
        const struct log_topic *topic = group->slots[i].partition->topic;
        count += topic->directory_dirty && topic != last;
        last = topic;
    }
    if (count == 0)
        return OK;
    bool all = count >= LOG_SYNC_ALL_MIN;
    enum err err = all ? io_file_sync_all(log->lock_file) : OK;
    for (size_t i = 0; i < group->slot_count && err == OK; i++)
        if (group->slots[i].partition->topic->directory_dirty)
            err = sync_directory(log, group->slots[i].partition->topic, all);
    if (err == OK)
        return OK;
    remove_fresh(log, group);
    return ERR_IO;
}

/* True when a frame costs less than the syncs that it saves. */
static bool journal_pays(const struct log_group *group)
{
    size_t syncs = 0;
    for (size_t i = 0; i < group->slot_count; i++)
        syncs += group->slots[i].sync;
    return syncs > 1 && syncs == group->slot_count &&
           group->bytes < (syncs - 1) * JOURNAL_BYTES_PER_SYNC;
}

/* Everything that can fail for want of room, before a byte is written. */
static enum err prepare(struct log *log, struct log_group *group)
{
    group->placed_count = group->slot_count = group->applied = 0;
    group->undo_count = 0;
    group->append_ms = log_wall_ms(log);
    buf_reset(&group->copies);
    TRY(place_all(log, group));
    group->journal |= journal_pays(group);
    for (size_t i = 0; i < group->slot_count; i++) {
        struct log_slot *slot = &group->slots[i];
        bool bulk = slot->bytes >= BULK_BYTES;
        TRY(log_segment_reserve(slot->segment, slot->position + slot->bytes, bulk,
                                slot->sync && !bulk && !group->journal));
    }
    return sync_directories(log, group);
}

/* ---- writing ------------------------------------------------------------------------------- */

void log_group_piece(struct log_group *group, const void *ptr, size_t bytes)
{
    struct str *last = group->piece_count ? &group->pieces[group->piece_count - 1] : NULL;
    if (last && last->ptr + last->bytes == (const char *)ptr) {
        last->bytes += bytes;
        return;
    }
    group->pieces =
        room_for(group->pieces, group->piece_count, &group->piece_room, sizeof *group->pieces);
    group->pieces[group->piece_count++] = str_from(ptr, bytes);
}

void log_group_pieces(struct log_group *group, const struct log_slot *slot)
{
    for (uint32_t i = slot->first; i; i = group->placed[i - 1].next) {
        const struct log_placed *placed = &group->placed[i - 1];
        log_group_piece(group, group->copies.ptr + placed->copy_at, placed->copy_bytes);
        if (placed->rest_bytes)
            log_group_piece(group, placed->rest, placed->rest_bytes);
    }
}

static enum err write_slots(struct log_group *group)
{
    for (; group->applied < group->slot_count; group->applied++) {
        const struct log_slot *slot = &group->slots[group->applied];
        group->piece_count = 0;
        log_group_pieces(group, slot);
        TRY(log_segment_write(slot->segment, slot->position, group->pieces, group->piece_count));
    }
    return OK;
}

static void note_pages(const struct log_group *group)
{
    for (size_t i = 0; i < group->slot_count; i++) {
        const struct log_slot *slot = &group->slots[i];
        log_pages_note(slot->segment, slot->position, slot->bytes, slot->sync && !group->journal);
    }
}

static void note_dirty(struct log *log, struct log_group *group)
{
    for (size_t i = 0; i < group->slot_count; i++) {
        struct log_segment *segment = group->slots[i].segment;
        if (!group->journal && group->slots[i].sync)
            continue;
        *(group->journal ? &segment->journaled : &segment->unsynced) = true;
        log_dirty_add(log, segment);
    }
}

/* C3. Synced, lest a power cut bring back what was refused. What cannot be cut off stops the log.
 */
static enum err undo(struct log_group *group, enum err why)
{
    for (size_t i = 0; i <= group->applied && i < group->slot_count; i++) {
        struct log_slot *slot = &group->slots[i];
        if (log_segment_truncate(slot->segment, slot->position) != OK ||
            log_segment_sync(slot->segment) != OK)
            return ERR_IO;
    }
    return why;
}

static enum err write_straight(struct log *log, struct log_group *group)
{
    enum err err = write_slots(group);
    if (err != OK)
        return err == ERR_DISK_FULL ? undo(group, err) : err;
    note_dirty(log, group);
    for (size_t i = 0; i < group->slot_count; i++)
        if (group->slots[i].sync && log_segment_sync(group->slots[i].segment) != OK)
            return ERR_IO;
    note_pages(group);
    return OK;
}

static enum err write_by_journal(struct log *log, struct log_group *group)
{
    for (size_t i = 0; i < group->slot_count; i++) /* C2 */
        if (group->slots[i].segment->unsynced && log_segment_sync(group->slots[i].segment) != OK)
            return ERR_IO;
    TRY(log_journal_append(log, group));
    note_dirty(log, group);
    enum err err = write_slots(group);
    group->stuck = err == ERR_DISK_FULL; /* C4 */
    if (err == OK)
        note_pages(group);
    return err;
}

/* ---- after it is durable ------------------------------------------------------------------- */

static void apply_offsets(struct log *log, const struct log_append *append)
{
    int64_t offset = append->base_offset;
    if (!append->partition->topic->offsets || append->duplicate)
        return;
    for (size_t at = 0; at < append->bytes;) {
        struct record_batch batch;
        if (record_batch_parse(append->batches + at, append->bytes - at, false, &batch) != OK)
            return;
        batch.base_offset = offset;
        log_offsets_apply(log, &batch);
        offset += batch.last_offset_delta + 1;
        at += batch.bytes_count;
    }
}

/* The header as it was written; of a marker all of it is in the copy. */
static void note_transaction(struct log_group *group, const struct log_placed *placed)
{
    const uint8_t *copy = group->copies.ptr + placed->copy_at;
    struct record_batch batch;
    if (!(get_be16(copy + 21) & BATCH_TRANSACTIONAL))
        return;
    if (get_be16(copy + 21) & BATCH_CONTROL) {
        if (record_batch_parse(copy, placed->copy_bytes, false, &batch) != OK)
            return;
    } else {
        batch = (struct record_batch){.base_offset = placed->base_offset,
                                      .producer_id = (int64_t)get_be64(copy + 43)};
    }
    log_txn_note(group->slots[placed->slot].partition, &batch);
}

static void publish(struct log *log, struct log_group *group)
{
    io_mutex_lock(&log->lock);
    for (size_t i = 0; i < group->placed_count; i++) {
        const struct log_placed *placed = &group->placed[i];
        struct log_slot *slot = &group->slots[placed->slot];
        struct log_segment *segment = slot->segment;
        log_index_add(segment, placed->base_offset, placed->position);
        if (placed->max_timestamp > segment->max_timestamp)
            segment->max_timestamp = placed->max_timestamp;
        segment->bytes = placed->position + placed->copy_bytes + placed->rest_bytes;
        note_transaction(group, placed);
        if (placed->rest_bytes == 0)
            log_cache_add(&log->cache, slot->partition, placed,
                          group->copies.ptr + placed->copy_at);
        else
            log_cache_forget(&log->cache, slot->partition);
    }
    for (size_t i = 0; i < group->slot_count; i++) {
        struct log_partition *partition = group->slots[i].partition;
        partition->end = group->slots[i].next_offset;
        log_watches_fire(partition);
    }
    for (size_t i = 0; i < group->item_count; i++)
        apply_offsets(log, group->items[i]);
    io_mutex_unlock(&log->lock);
    log->bytes_since_checkpoint += group->bytes;
}

static void finish(struct log *log, struct log_group *group, enum err err)
{
    if (err == OK)
        publish(log, group);
    else
        log_set_health(log, err);
    for (size_t i = 0; i < group->slot_count; i++)
        group->slots[i].partition->slot = 0;
    if (group->stuck)
        return;
    if (err != OK)
        log_producers_undo(log, group, 0);
    size_t count = group->item_count;
    group->item_count = 0;
    log_complete(log, group->items, count, err == OK ? OK : log_health(log));
    /* What was queued behind counts on what failed: a producer's next batch must not come first. */
    if (err != OK)
        log_queue_fail(log, log_health(log));
    if (group->copies.room > 2 * LOG_GROUP_BYTES_MAX)
        buf_deinit(&group->copies);
}

/* Finishes what waits for room: it may have its room already. */
static enum err go_on(struct log *log)
{
    TRY(log_journal_mend(log));
    if (!log->group.stuck)
        return OK;
    enum err err = write_slots(&log->group);
    log->group.stuck = err == ERR_DISK_FULL;
    if (!log->group.stuck)
        finish(log, &log->group, err);
    return err;
}

/* Looks whether there is room again. True when intake goes on. */
static bool probe(struct log *log)
{
    uint64_t bytes;
    int64_t now_ns = io_now_ns(log->io);
    if (now_ns < log->probe_ns)
        return false;
    log->probe_ns = now_ns + PROBE_MS * 1000000LL;
    enum err err = go_on(log);
    if (err != OK && err != ERR_DISK_FULL)
        log_set_health(log, ERR_IO);
    if (err != OK || io_path_free_bytes(log->io, log->dir, &bytes) != OK || bytes < PROBE_BYTES)
        return false;
    log_set_health(log, OK);
    return true;
}

void log_commit_give_up(struct log *log)
{
    struct log_group *group = &log->group;
    if (!group->stuck)
        return;
    group->stuck = false;
    finish(log, group, ERR_IO);
}

bool log_commit(struct log *log)
{
    struct log_group *group = &log->group;
    enum err health = log_health(log);
    if (health == ERR_IO)
        log_commit_give_up(log);
    if (health == ERR_IO || (health == ERR_DISK_FULL && !probe(log))) {
        log_queue_fail(log, health);
        return false;
    }
    if (!take(log, group))
        return false;
    enum err err = prepare(log, group);
    if (err == OK && group->slot_count)
        err = group->journal ? write_by_journal(log, group) : write_straight(log, group);
    finish(log, group, err);
    return true;
}
