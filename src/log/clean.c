/* SPDX-License-Identifier: MIT */
/*
 * What compaction keeps of a batch.
 *
 *   - Of each key the newest record, by a hash of 128 bits in a table of bounded size; keys that do
 *     not fit are left alone. Records of aborted transactions and markers do not count.
 *   - Nothing of an aborted transaction.
 *   - A tombstone until its horizon: when it is met first, its batch gets the time until which it
 *     stays (attribute bit 6, the time in the place of the base timestamp).
 *   - A marker while records of its transaction were there when this run began; then it gets a
 *     horizon, and goes after it. So whoever reads from the beginning never misses the marker of
 *     records that it saw. With the marker of an abort goes its entry among the aborted
 *     transactions.
 *   - Without records, as a header with count 0: the last batch of a producer that is known, so
 *     that its sequence can be found in the log, and the last batch of what is compacted, so that a
 *     reader there learns where to go on.
 * Batches that lose nothing stay as they are, byte for byte; others keep base offset, last offset
 * and producer.
 */
#include "log/clean.h"

#include "base/crc32c.h"
#include "base/mem.h"

#include <stdlib.h>

enum {
    KEYS_ROOM_MIN = 1024,
    KEYS_MAX = 2 << 20, /* 48 MiB */
    INFLATED_MAX = 256 << 20,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_COUNT = 57,
};

/* ---- keys ---------------------------------------------------------------------------------- */

static struct log_key *keys_find(const struct log_keys *keys, const uint64_t hash[2])
{
    size_t at = (size_t)hash[0] & (keys->room - 1);
    while (keys->slots[at].offset >= 0 &&
           (keys->slots[at].hash[0] != hash[0] || keys->slots[at].hash[1] != hash[1]))
        at = (at + 1) & (keys->room - 1);
    return &keys->slots[at];
}

static void keys_grow(struct log_keys *keys)
{
    struct log_keys old = *keys;
    keys->room = old.room ? old.room * 2 : KEYS_ROOM_MIN;
    keys->slots = mem_array(keys->room, sizeof *keys->slots);
    for (size_t i = 0; i < keys->room; i++)
        keys->slots[i].offset = -1;
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].offset >= 0)
            *keys_find(keys, old.slots[i].hash) = old.slots[i];
    mem_free(old.slots);
}

static void hash_key(struct str key, uint64_t hash[2])
{
    hash[0] = hash_bytes(key.ptr, key.bytes, 0x6D696C6C);
    hash[1] = hash_bytes(key.ptr, key.bytes, 0x72616365);
}

static void keys_note(struct log_keys *keys, const struct record *record)
{
    uint64_t hash[2];
    if ((keys->count + 1) * 2 > keys->room && keys->room < KEYS_MAX)
        keys_grow(keys);
    hash_key(record->key, hash);
    struct log_key *slot = keys_find(keys, hash);
    if (slot->offset < 0) {
        /* A full table knows no new keys: their records stay. */
        if ((keys->count + 1) * 4 > keys->room * 3)
            return;
        keys->count++;
        *slot = (struct log_key){{hash[0], hash[1]}, 0};
    }
    slot->offset = record->offset;
}

/* ---- transactions -------------------------------------------------------------------------- */

static int by_producer(const void *a, const void *b)
{
    const struct log_aborted_txn *x = a, *y = b;
    if (x->producer_id != y->producer_id)
        return x->producer_id < y->producer_id ? -1 : 1;
    return (x->last_offset > y->last_offset) - (x->last_offset < y->last_offset);
}

static bool is_aborted(const struct log_cleaning *c, const struct record_batch *batch)
{
    size_t from = 0, until = c->aborted_count;
    if (!(batch->attributes & BATCH_TRANSACTIONAL))
        return false;
    const struct log_aborted_txn want = {.producer_id = batch->producer_id,
                                         .last_offset = batch->base_offset};
    while (from < until) {
        size_t middle = from + (until - from) / 2;
        if (by_producer(&c->aborted[middle], &want) < 0)
            from = middle + 1;
        else
            until = middle;
    }
    return from < c->aborted_count && c->aborted[from].producer_id == batch->producer_id &&
           c->aborted[from].first_offset <= batch->base_offset;
}

static int64_t *room_for(int64_t *array, size_t count, size_t *room)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 16;
    return mem_realloc_array(array, *room, sizeof *array);
}

static void note_ongoing(struct log_cleaning *c, int64_t producer_id)
{
    for (size_t i = 0; i < c->ongoing_count; i++)
        if (c->ongoing[i] == producer_id)
            return;
    c->ongoing = room_for(c->ongoing, c->ongoing_count, &c->ongoing_room);
    c->ongoing[c->ongoing_count++] = producer_id;
}

/* True when there were records for the marker. */
static bool end_ongoing(struct log_cleaning *c, int64_t producer_id)
{
    for (size_t i = 0; i < c->ongoing_count; i++)
        if (c->ongoing[i] == producer_id) {
            c->ongoing[i] = c->ongoing[--c->ongoing_count];
            return true;
        }
    return false;
}

/* ---- a run --------------------------------------------------------------------------------- */

void log_cleaning_init(struct log_cleaning *c, const struct log_partition *partition, int64_t end,
                       int64_t now_ms)
{
    const struct log_producers *producers = partition->producers;
    *c = (struct log_cleaning){
        .partition = partition,
        .end = end,
        .now_ms = now_ms,
        .delete_retention_ms = partition->topic->config.delete_retention_ms,
        .horizon_ms = INT64_MAX,
    };
    keys_grow(&c->keys);
    if (!producers || !producers->aborted_count)
        return;
    c->aborted_count = producers->aborted_count;
    c->aborted = mem_array(c->aborted_count, sizeof *c->aborted);
    memcpy(c->aborted, producers->aborted, c->aborted_count * sizeof *c->aborted);
    qsort(c->aborted, c->aborted_count, sizeof *c->aborted, by_producer);
}

void log_cleaning_deinit(struct log_cleaning *c)
{
    mem_free(c->keys.slots);
    mem_free(c->aborted);
    mem_free(c->ongoing);
    mem_free(c->dropped);
    buf_deinit(&c->records);
}

enum err log_cleaning_note(struct log_cleaning *c, const struct record_batch *batch)
{
    struct record_iterator it;
    struct record record;
    if (batch->attributes & BATCH_CONTROL || is_aborted(c, batch))
        return OK;
    TRY(record_iterator_init(&it, batch, INFLATED_MAX));
    while (record_iterator_next(&it, &record))
        if (record.key.ptr)
            keys_note(&c->keys, &record);
    enum err err = it.reader.err == OK ? OK : ERR_CORRUPT;
    record_iterator_deinit(&it);
    return err;
}

/* ---- writing anew -------------------------------------------------------------------------- */

/* What a batch becomes. */
struct cleaned {
    int32_t count;
    int64_t max_timestamp;
    int64_t base_timestamp; /* the horizon when there is one */
    bool horizon;
};

static enum err put_batch(const struct record_batch *batch, const struct cleaned *as,
                          const struct buf *records, struct buf *out)
{
    size_t start = out->bytes;
    int attributes = batch->attributes;
    buf_append(out, batch->bytes, RECORD_BATCH_HEADER);
    if (as->count)
        TRY(compress_bytes(record_batch_codec(batch), records->ptr, records->bytes, out));
    else
        attributes &= ~BATCH_CODEC_MASK;
    TRY(buf_error(out));
    if (as->horizon)
        attributes |= BATCH_DELETE_HORIZON;
    uint8_t *at = out->ptr + start;
    size_t bytes = out->bytes - start;
    put_be32(at + 8, (uint32_t)(bytes - 12));
    put_be16(at + AT_ATTRIBUTES, (uint16_t)attributes);
    put_be64(at + AT_BASE_TIMESTAMP, (uint64_t)as->base_timestamp);
    put_be64(at + AT_MAX_TIMESTAMP, (uint64_t)as->max_timestamp);
    put_be32(at + AT_COUNT, (uint32_t)as->count);
    put_be32(at + AT_CRC, crc32c(0, at + AT_ATTRIBUTES, bytes - AT_ATTRIBUTES));
    return OK;
}

static size_t varint_bytes(int64_t value)
{
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    size_t bytes = 1;
    for (; zigzag >= 128; zigzag >>= 7)
        bytes++;
    return bytes;
}

/* A record in its own bytes, but for the time, which counts from another base. raw is what stands
 * behind the length of the record: attributes, time delta, and the rest. */
static void put_record(struct buf *out, struct str raw, int64_t shift)
{
    struct reader r = reader_of(raw.ptr, raw.bytes);
    uint8_t attributes = reader_u8(&r);
    int64_t delta = (int64_t)((uint64_t)reader_varint(&r, 64) - (uint64_t)shift);
    buf_varint(out, (int64_t)(1 + varint_bytes(delta) + r.left));
    buf_u8(out, attributes);
    buf_varint(out, delta);
    buf_append(out, r.ptr, r.left);
}

/* The bytes of a record behind its length. */
static struct str body_of(const uint8_t *from, const uint8_t *to)
{
    struct reader r = reader_of(from, (size_t)(to - from));
    reader_varint(&r, 32);
    return str_from(r.ptr, r.left);
}

/* ---- what becomes of a batch --------------------------------------------------------------- */

static bool has_horizon(const struct record_batch *batch)
{
    return batch->attributes & BATCH_DELETE_HORIZON;
}

static void note_horizon(struct log_cleaning *c, int64_t horizon_ms)
{
    if (horizon_ms < c->horizon_ms)
        c->horizon_ms = horizon_ms;
}

static bool is_newest(const struct log_cleaning *c, const struct record *record)
{
    uint64_t hash[2];
    if (!record->key.ptr)
        return true;
    hash_key(record->key, hash);
    const struct log_key *slot = keys_find(&c->keys, hash);
    return slot->offset < 0 || slot->offset == record->offset;
}

static bool stays(const struct log_cleaning *c, const struct record_batch *batch,
                  const struct record *record)
{
    if (!is_newest(c, record))
        return false;
    bool over = has_horizon(batch) && c->now_ms >= batch->base_timestamp;
    return record->value.ptr || !record->key.ptr || !over;
}

/* As a header alone, when something needs it. */
static bool stays_empty(const struct log_cleaning *c, const struct record_batch *batch)
{
    if (batch->base_offset + batch->last_offset_delta + 1 == c->end)
        return true;
    if (batch->producer_id < 0 || batch->attributes & BATCH_CONTROL)
        return false;
    const struct log_producer_entry *entry =
        log_producer_find(c->partition->producers, batch->producer_id);
    return entry && entry->batch_count &&
           entry->batches[entry->batch_count - 1].base_offset == batch->base_offset;
}

static enum err put_empty(const struct log_cleaning *c, const struct record_batch *batch,
                          struct buf *out, bool *ret_changed)
{
    struct cleaned as = {.max_timestamp = batch->max_timestamp,
                         .base_timestamp = batch->base_timestamp};
    bool keep = stays_empty(c, batch);
    *ret_changed = !keep || batch->count > 0;
    if (!keep)
        return OK;
    if (batch->count > 0)
        return put_batch(batch, &as, NULL, out);
    buf_append(out, batch->bytes, batch->bytes_count);
    return buf_error(out);
}

/* The records that stay: how many, their greatest time, whether a tombstone is among them. */
static enum err choose(const struct log_cleaning *c, const struct record_batch *batch,
                       int64_t *ret_max, int32_t *ret_count, bool *ret_tombstone)
{
    struct record_iterator it;
    struct record record;
    TRY(record_iterator_init(&it, batch, INFLATED_MAX));
    *ret_count = 0;
    *ret_max = INT64_MIN;
    *ret_tombstone = false;
    while (record_iterator_next(&it, &record)) {
        if (!stays(c, batch, &record))
            continue;
        ++*ret_count;
        *ret_tombstone |= !record.value.ptr && record.key.ptr;
        if (record.timestamp_ms > *ret_max)
            *ret_max = record.timestamp_ms;
    }
    enum err err = it.reader.err == OK ? OK : ERR_CORRUPT;
    record_iterator_deinit(&it);
    return err;
}

static enum err gather(struct log_cleaning *c, const struct record_batch *batch, int64_t shift)
{
    struct record_iterator it;
    struct record record;
    TRY(record_iterator_init(&it, batch, INFLATED_MAX));
    buf_reset(&c->records);
    for (const uint8_t *from = it.reader.ptr; record_iterator_next(&it, &record);
         from = it.reader.ptr)
        if (stays(c, batch, &record))
            put_record(&c->records, body_of(from, it.reader.ptr), shift);
    enum err err = it.reader.err == OK ? buf_error(&c->records) : ERR_CORRUPT;
    record_iterator_deinit(&it);
    return err;
}

static enum err copy_data(struct log_cleaning *c, const struct record_batch *batch, struct buf *out,
                          bool *ret_changed)
{
    struct cleaned as;
    bool tombstone;
    TRY(choose(c, batch, &as.max_timestamp, &as.count, &tombstone));
    if (as.count == 0)
        return put_empty(c, batch, out, ret_changed);
    bool first = tombstone && !has_horizon(batch);
    as.horizon = first || has_horizon(batch);
    as.base_timestamp = first ? c->now_ms + c->delete_retention_ms : batch->base_timestamp;
    if (batch->attributes & BATCH_LOG_APPEND_TIME)
        as.max_timestamp = batch->max_timestamp;
    if (tombstone)
        note_horizon(c, as.base_timestamp);
    *ret_changed = first || as.count != batch->count;
    if (!*ret_changed) {
        buf_append(out, batch->bytes, batch->bytes_count);
        return buf_error(out);
    }
    TRY(gather(c, batch, (int64_t)((uint64_t)as.base_timestamp - (uint64_t)batch->base_timestamp)));
    return put_batch(batch, &as, &c->records, out);
}

static enum err copy_marker(struct log_cleaning *c, const struct record_batch *batch,
                            struct buf *out, bool *ret_changed)
{
    bool commit = true, needed = end_ongoing(c, batch->producer_id);
    struct cleaned as = {.count = batch->count,
                         .max_timestamp = batch->max_timestamp,
                         .base_timestamp = c->now_ms + c->delete_retention_ms,
                         .horizon = true};
    if (batch->count == 0)
        return put_empty(c, batch, out, ret_changed);
    *ret_changed = !needed && !has_horizon(batch);
    if (*ret_changed) {
        note_horizon(c, as.base_timestamp);
        buf_reset(&c->records);
        const uint8_t *records = batch->bytes + RECORD_BATCH_HEADER;
        put_record(&c->records, body_of(records, batch->bytes + batch->bytes_count),
                   (int64_t)((uint64_t)as.base_timestamp - (uint64_t)batch->base_timestamp));
        TRY(buf_error(&c->records));
        return put_batch(batch, &as, &c->records, out);
    }
    if (needed || c->now_ms < batch->base_timestamp) {
        if (!needed)
            note_horizon(c, batch->base_timestamp);
        buf_append(out, batch->bytes, batch->bytes_count);
        return buf_error(out);
    }
    if (log_marker_decode(batch, &commit, NULL) == OK && !commit) {
        c->dropped = room_for(c->dropped, c->dropped_count, &c->dropped_room);
        c->dropped[c->dropped_count++] = batch->base_offset + batch->last_offset_delta;
    }
    return put_empty(c, batch, out, ret_changed);
}

enum err log_cleaning_copy(struct log_cleaning *c, const struct record_batch *batch,
                           struct buf *out, bool *ret_changed)
{
    if (batch->attributes & BATCH_CONTROL)
        return copy_marker(c, batch, out, ret_changed);
    if (batch->attributes & BATCH_TRANSACTIONAL && batch->count > 0)
        note_ongoing(c, batch->producer_id);
    if (batch->count == 0 || is_aborted(c, batch))
        return put_empty(c, batch, out, ret_changed);
    return copy_data(c, batch, out, ret_changed);
}
