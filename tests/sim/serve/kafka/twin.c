/* SPDX-License-Identifier: MIT */
/*
 * The naive log: an array of slots a partition. A record says in its value which batch it is of and
 * which of that batch's records it is; so whatever comes back can be laid beside what was sent.
 *
 * Rules: an offset never changes its record. A batch with a producer id is at one offset only, and
 * a plain one at no more than it was sent. What was refused is not there.
 */
#include "twin.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILLER_MAX = 300, FILLER_BIG = 6000, INFLATED_MAX = 1 << 20, KEYS = 6 };

void *twin_grow(void *array, int count, int *room, size_t bytes)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 32;
    return mem_realloc_array(array, (size_t)*room, bytes);
}

struct twin *twin_new(void)
{
    struct twin *twin = mem_zero(sizeof *twin);
    for (int i = 0; i < TXN_IDS; i++)
        twin->ids[i].newest.producer_id = -1;
    return twin;
}

void twin_free(struct twin *twin)
{
    for (int i = 0; i < TOPICS_MAX; i++)
        for (int j = 0; j < PARTS_OF_TOPIC_MAX; j++)
            mem_free(twin->topics[i].parts[j].slots);
    for (int i = 0; i < twin->generation_count; i++) {
        mem_free(twin->generations[i].members);
        mem_free(twin->generations[i].list);
    }
    mem_free(twin->generations);
    mem_free(twin->members);
    mem_free(twin->commits);
    mem_free(twin->txns);
    mem_free(twin->batches);
    mem_free(twin);
}

struct twin_part *twin_part_pick(struct world *w, bool lasting)
{
    struct twin *twin = w->twin;
    struct twin_topic *topic;
    do
        topic = &twin->topics[pick(w, twin->topic_count)];
    while ((lasting && !topic->lasting) || topic->state == TOPIC_GONE);
    return &topic->parts[pick(w, topic->part_count)];
}

const char *part_name(const struct world *w, const struct twin_part *part)
{
    static char text[32];
    snprintf(text, sizeof text, "%s-%d", w->twin->topics[part->topic].name, part->index);
    return text;
}

/* ---- batches ------------------------------------------------------------------------------- */

int twin_batch_add(struct world *w, const struct twin_batch *batch)
{
    struct twin *twin = w->twin;
    twin->batches =
        twin_grow(twin->batches, twin->batch_count, &twin->batch_room, sizeof *twin->batches);
    twin->batches[twin->batch_count] = *batch;
    twin->batches[twin->batch_count].offset = -1;
    return twin->batch_count++;
}

/* Of a record in a compacted topic: what it is about, and whether it takes that away. */
static int key_of(const struct world *w, int number, int record, bool *ret_tombstone)
{
    struct prng prng = {.state = w->run->seed * 1000003 + (uint64_t)number * 64 + (uint64_t)record};
    int key = (int)prng_below(&prng, KEYS);
    *ret_tombstone = prng_below(&prng, 4) == 0;
    return key;
}

struct str twin_batch_bytes(struct world *w, int number)
{
    const struct twin_batch *batch = &w->twin->batches[number];
    CLEAN(buf_deinit) struct buf out = {0};
    struct record_batch_builder b;
    /* A batch is made anew for each send: what it holds comes from its number alone. */
    struct prng prng = {.state = w->run->seed * 1000003 + (uint64_t)number};
    static const enum codec codecs[] = {CODEC_NONE, CODEC_NONE, CODEC_LZ4, CODEC_GZIP};
    record_batch_builder_init(&b, codecs[prng_below(&prng, 4)], 0);
    b.producer_id = batch->producer_id;
    b.producer_epoch = batch->epoch;
    b.base_sequence = batch->producer_id >= 0 ? batch->sequence : -1;
    b.attributes = batch->txn >= 0 ? BATCH_TRANSACTIONAL : 0;
    char *text = mem_alloc(FILLER_BIG + 64);
    for (int i = 0; i < batch->records; i++) {
        int bytes = snprintf(text, 64, "b%d.%d ", number, i);
        size_t filler =
            prng_below(&prng, prng_below(&prng, 20) ? (uint64_t)FILLER_MAX : (uint64_t)FILLER_BIG);
        memset(text + bytes, 'a' + number % 26, filler);
        int64_t time_ms = 1704067200000 + (int64_t)prng_below(&prng, 40000);
        struct record_header name = {.key = STR("r"), .value = str_from(text, (size_t)bytes)};
        struct str key = STR("k"), value = str_from(text, (size_t)bytes + filler);
        char key_text[8];
        if (twin_is_compacted(w, batch->part)) {
            bool tombstone;
            snprintf(key_text, sizeof key_text, "k%d", key_of(w, number, i, &tombstone));
            key = str_of(key_text);
            if (tombstone)
                value = STR_NONE;
        }
        record_batch_builder_add(&b, time_ms, key, value, &name, value.ptr ? 0 : 1);
    }
    if (record_batch_builder_finish(&b, &out) != OK)
        seed_fail(w->run, "a batch cannot be built");
    record_batch_builder_deinit(&b);
    mem_free(text);
    return arena_str(&w->scratch, buf_str(&out));
}

/* ---- slots --------------------------------------------------------------------------------- */

struct twin_slot *twin_slot_need(struct twin_part *part, int64_t offset)
{
    while (part->room <= offset) {
        part->room = part->room ? part->room * 2 : 64;
        part->slots = mem_realloc_array(part->slots, (size_t)part->room, sizeof *part->slots);
    }
    for (; part->count <= offset; part->count++)
        part->slots[part->count] = (struct twin_slot){.batch = SLOT_UNKNOWN};
    return &part->slots[offset];
}

/* A record of a batch is at that offset. */
static void slot_set(struct world *w, struct twin_part *part, int64_t offset, int number,
                     int record, int64_t timestamp_ms)
{
    struct twin_slot *slot = twin_slot_need(part, offset);
    struct twin_batch *batch = &w->twin->batches[number];
    if (slot->batch != SLOT_UNKNOWN && (slot->batch != number || slot->record != record)) {
        if (w->twin->forgiving) {
            twin_cut(w, part, offset);
            slot_set(w, part, offset, number, record, timestamp_ms);
            return;
        }
        seed_fail(w->run, "%s: offset %lld has record %d.%d, where %d.%d was before",
                  part_name(w, part), (long long)offset, number, record, slot->batch, slot->record);
        return;
    }
    if (timestamp_ms >= 0) {
        if (slot->batch == number && slot->audit && slot->timestamp_ms != timestamp_ms)
            seed_fail(w->run, "%s: offset %lld is of time %lld, and was of %lld",
                      part_name(w, part), (long long)offset, (long long)timestamp_ms,
                      (long long)slot->timestamp_ms);
        slot->timestamp_ms = timestamp_ms;
        slot->audit = w->twin->audits;
    }
    if (slot->batch == number)
        return;
    slot->batch = number;
    slot->record = record;
    slot->producer_id = batch->producer_id;
    int64_t base = offset - record;
    if (batch->refused)
        seed_fail(w->run, "%s: batch %d was refused and is at %lld", part_name(w, part), number,
                  (long long)base);
    if (batch->producer_id >= 0 && batch->offset >= 0 && batch->offset != base)
        seed_fail(w->run, "%s: batch %d is at %lld and at %lld", part_name(w, part), number,
                  (long long)batch->offset, (long long)base);
    if (batch->producer_id < 0 && record == 0 && ++batch->seen > batch->sends)
        seed_fail(w->run, "%s: batch %d was sent %d times and is there more often",
                  part_name(w, part), number, batch->sends);
    batch->offset = base;
}

void twin_acked(struct world *w, int number, int64_t base_offset)
{
    struct twin_batch *batch = &w->twin->batches[number];
    struct twin_part *part = batch->part;
    for (int i = 0; i < batch->records; i++)
        slot_set(w, part, base_offset + i, number, i, -1);
    batch->acked = true;
    if (base_offset + batch->records > part->acked_end)
        part->acked_end = base_offset + batch->records;
}

static void marker_set(struct world *w, struct twin_part *part, const struct record_batch *batch,
                       const struct record *record)
{
    struct twin_slot *slot = twin_slot_need(part, batch->base_offset);
    bool commit = record->key.bytes >= 4 && record->key.ptr[3] == 1;
    int kind = commit ? SLOT_COMMIT : SLOT_ABORT;
    bool other = slot->batch != SLOT_UNKNOWN &&
                 (slot->batch != kind || slot->producer_id != batch->producer_id);
    if (other && w->twin->forgiving) {
        twin_cut(w, part, batch->base_offset);
        slot = twin_slot_need(part, batch->base_offset);
    } else if (other)
        seed_fail(w->run, "%s: offset %lld has a marker, where %d.%d was before",
                  part_name(w, part), (long long)batch->base_offset, slot->batch, slot->record);
    *slot = (struct twin_slot){.batch = kind,
                               .audit = w->twin->audits,
                               .producer_id = batch->producer_id,
                               .timestamp_ms = record->timestamp_ms};
}

/* A tombstone has it in a header. */
static struct str name_of(const struct record *record)
{
    struct str rest = record->headers_raw;
    struct record_header header;
    if (record->value.ptr)
        return record->value;
    return record_header_next(&rest, &header) ? header.value : STR_NONE;
}

static void record_seen(struct world *w, struct twin_part *part, const struct record_batch *batch,
                        const struct record *record)
{
    char text[32];
    int number = -1, index = -1;
    bool compacted = twin_is_compacted(w, part);
    struct str name = name_of(record);
    snprintf(text, sizeof text, "%.*s", (int)(name.bytes < 31 ? name.bytes : 31),
             name.ptr ? name.ptr : "");
    if (sscanf(text, "b%d.%d ", &number, &index) != 2 || number < 0 ||
        number >= w->twin->batch_count) {
        seed_fail(w->run, "%s: offset %lld has a record that nobody sent", part_name(w, part),
                  (long long)record->offset);
        return;
    }
    const struct twin_batch *sent = &w->twin->batches[number];
    if (sent->part != part || index >= sent->records || sent->producer_id != batch->producer_id ||
        batch->last_offset_delta != sent->records - 1 ||
        (compacted ? batch->count > sent->records : batch->count != sent->records) ||
        record->offset - index != batch->base_offset ||
        (sent->producer_id >= 0 &&
         (sent->epoch != batch->producer_epoch || sent->sequence != batch->base_sequence)) ||
        (sent->txn >= 0) != ((batch->attributes & BATCH_TRANSACTIONAL) != 0)) {
        seed_fail(w->run, "%s: batch %d came back as another", part_name(w, part), number);
        return;
    }
    slot_set(w, part, record->offset, number, index, record->timestamp_ms);
}

void twin_cut(struct world *w, struct twin_part *part, int64_t end)
{
    seed_trace(w->run, "%s: lost from %lld on, of %lld", part_name(w, part), (long long)end,
               (long long)part->count);
    for (int64_t offset = end; offset < part->count; offset++) {
        const struct twin_slot *slot = &part->slots[offset];
        if (slot->batch < 0)
            continue;
        struct twin_batch *batch = &w->twin->batches[slot->batch];
        if (slot->record == 0 && batch->producer_id < 0) {
            batch->seen--;
            batch->sends--;
        }
        batch->acked = false;
        batch->refused = batch->producer_id >= 0;
        batch->offset = -1;
    }
    if (end < part->count)
        part->count = end;
    part->acked_end = part->acked_end < end ? part->acked_end : end;
    part->seen_end = end;
}

void twin_settle(struct world *w, const struct twin_part *part)
{
    for (int i = 0; i < w->twin->batch_count; i++) {
        struct twin_batch *batch = &w->twin->batches[i];
        if (batch->part != part)
            continue;
        batch->sends = batch->seen;
        batch->refused = batch->refused || (batch->producer_id >= 0 && batch->offset < 0);
    }
}

/* ---- answers ------------------------------------------------------------------------------- */

struct twin_view twin_view(const struct twin_part *part)
{
    return (struct twin_view){part->acked_end, part->seen_end, part->start};
}

void twin_check_ends(struct world *w, struct twin_part *part, const struct twin_view *view,
                     int64_t high_watermark, int64_t stable_end, int64_t start)
{
    if (high_watermark < view->acked_end || high_watermark < view->seen_end)
        seed_fail(w->run, "%s: the high watermark is %lld; %lld was acknowledged, %lld told",
                  part_name(w, part), (long long)high_watermark, (long long)view->acked_end,
                  (long long)view->seen_end);
    if (stable_end > high_watermark || (stable_end >= 0 && stable_end < start))
        seed_fail(w->run, "%s: the last stable offset %lld is not in %lld to %lld",
                  part_name(w, part), (long long)stable_end, (long long)start,
                  (long long)high_watermark);
    if (start >= 0 && (start < view->start || start > part->start_max))
        seed_fail(w->run, "%s: starts at %lld, not at %lld to %lld", part_name(w, part),
                  (long long)start, (long long)view->start, (long long)part->start_max);
    if (high_watermark > part->seen_end)
        part->seen_end = high_watermark;
}

struct aborted {
    int64_t producer_id, first_offset;
    bool active;
};

/* What a client does with the list: from its first offset on a producer's records are dropped,
 * until its marker. */
static bool is_dropped(struct aborted *aborted, int count, const struct record_batch *batch,
                       bool *ret_marker)
{
    bool dropped = false;
    for (int i = 0; i < count; i++) {
        struct aborted *a = &aborted[i];
        if (a->producer_id != batch->producer_id)
            continue;
        if (a->first_offset <= batch->base_offset && a->first_offset >= 0)
            a->active = true;
        if (a->active && (batch->attributes & BATCH_CONTROL) && !*ret_marker) {
            a->active = false;
            a->first_offset = -1;
            *ret_marker = true;
        }
        dropped = dropped || a->active;
    }
    return dropped && (batch->attributes & BATCH_TRANSACTIONAL);
}

static void batch_seen(struct world *w, const struct twin_fetch *fetch,
                       const struct record_batch *batch, bool dropped, int64_t *next)
{
    struct record_iterator it;
    struct record record;
    if (record_iterator_init(&it, batch, INFLATED_MAX) != OK) {
        seed_fail(w->run, "%s: a batch does not decode", part_name(w, fetch->part));
        return;
    }
    while (record_iterator_next(&it, &record) && !failed(w)) {
        if (batch->attributes & BATCH_CONTROL)
            marker_set(w, fetch->part, batch, &record);
        else
            record_seen(w, fetch->part, batch, &record);
        if (record.offset < *next || failed(w))
            continue;
        if (record.offset != *next && !twin_is_compacted(w, fetch->part))
            seed_fail(w->run, "%s: after offset %lld comes %lld", part_name(w, fetch->part),
                      (long long)*next - 1, (long long)record.offset);
        *next = record.offset + 1;
        const struct twin_slot *slot = &fetch->part->slots[record.offset];
        if (slot->batch < 0)
            continue;
        int txn = w->twin->batches[slot->batch].txn;
        if (fetch->committed && txn >= 0 && dropped)
            twin_txn_hidden(w, txn, fetch->order, part_name(w, fetch->part));
        if (fetch->committed && txn >= 0 && !dropped)
            twin_txn_visible(w, txn, part_name(w, fetch->part));
        if (!dropped && fetch->visible)
            fetch->visible(fetch->owner, record.offset, slot->batch, slot->record);
    }
    record_iterator_deinit(&it);
    int64_t behind = batch->base_offset + batch->last_offset_delta + 1;
    if (twin_is_compacted(w, fetch->part) && behind > *next)
        *next = behind;
}

int64_t twin_fetched(struct world *w, const struct twin_fetch *fetch)
{
    const struct kafka_fetch_response_partition *answer = fetch->answer;
    struct str records = answer->records;
    int count = answer->aborted_transactions_count > 0 ? answer->aborted_transactions_count : 0;
    struct aborted *aborted = mem_array((size_t)count + 1, sizeof *aborted);
    int64_t next = fetch->from;
    int64_t limit = fetch->committed ? answer->last_stable_offset : answer->high_watermark;
    for (int i = 0; i < count; i++)
        aborted[i] = (struct aborted){answer->aborted_transactions[i].producer_id,
                                      answer->aborted_transactions[i].first_offset, false};
    for (size_t at = 0; at < records.bytes && !failed(w);) {
        struct record_batch batch;
        enum err err = record_batch_parse(records.ptr + at, records.bytes - at, true, &batch);
        if (err == ERR_TRUNCATED && at > 0)
            break;
        if (err != OK) {
            seed_fail(w->run, "%s: a fetched batch is damaged: %s", part_name(w, fetch->part),
                      err_text(err));
            break;
        }
        if (batch.base_offset + batch.last_offset_delta >= limit)
            seed_fail(w->run, "%s: offset %lld is given, at or above %lld",
                      part_name(w, fetch->part), (long long)batch.base_offset, (long long)limit);
        bool marker = false;
        bool dropped = fetch->committed && is_dropped(aborted, count, &batch, &marker);
        batch_seen(w, fetch, &batch, dropped, &next);
        at += batch.bytes_count;
    }
    mem_free(aborted);
    return next;
}

/* ---- compaction ---------------------------------------------------------------------------- */

bool twin_is_there(const struct world *w, const struct twin_part *part, int64_t offset)
{
    return !twin_is_compacted(w, part) || part->slots[offset].audit == w->twin->audits;
}

static bool counts(const struct world *w, const struct twin_slot *slot)
{
    int txn = slot->batch >= 0 ? w->twin->batches[slot->batch].txn : -1;
    return slot->batch >= 0 && (txn < 0 || w->twin->txns[txn].outcome != TXN_ABORTED);
}

/* unknown: something is not known that may have been of that key. */
static bool is_superseded(const struct world *w, const struct twin_part *part, int64_t offset,
                          int64_t end, bool *ret_unknown)
{
    const struct twin_slot *slot = &part->slots[offset];
    bool tombstone;
    int key = key_of(w, slot->batch, slot->record, &tombstone);
    *ret_unknown = false;
    for (int64_t at = offset + 1; at < end; at++) {
        const struct twin_slot *later = &part->slots[at];
        *ret_unknown = *ret_unknown || later->batch == SLOT_UNKNOWN;
        if (counts(w, later) && key_of(w, later->batch, later->record, &tombstone) == key)
            return true;
    }
    return false;
}

void twin_check_compacted(struct world *w, const struct twin_part *part, int64_t start, int64_t end)
{
    bool late = now_ms(w) >= w->tombstones_ms;
    for (int64_t at = start; at < end && !failed(w); at++) {
        const struct twin_slot *slot = &part->slots[at];
        bool unknown, tombstone;
        if (twin_is_there(w, part, at) || slot->batch == SLOT_UNKNOWN)
            continue;
        if (slot->batch < 0)
            reached(w, MARK_MARKER_GONE);
        int txn = slot->batch >= 0 ? w->twin->batches[slot->batch].txn : -1;
        bool undecided = txn >= 0 && w->twin->txns[txn].outcome != TXN_COMMITTED;
        if (!counts(w, slot) || undecided) /* it was aborted, then */
            continue;
        reached(w, MARK_COMPACTED);
        if (is_superseded(w, part, at, end, &unknown) || (unknown && late))
            continue;
        int key = key_of(w, slot->batch, slot->record, &tombstone);
        if (tombstone && late)
            reached(w, MARK_TOMBSTONE_GONE);
        else
            seed_fail(w->run, "%s: offset %lld is gone, and is the newest of key k%d",
                      part_name(w, part), (long long)at, key);
    }
}
