/* SPDX-License-Identifier: MIT */
/*
 * What a topic holds already: the newest position that a source left in it, and the records that
 * need not come again.
 *
 * Positions stand in a header of the last record of each batch. Batches of one flush may lie in
 * several partitions, and a partition may not have got any for a while; so each partition is looked
 * at from its end back, in growing pieces, to its newest position of that source, and the highest
 * sequence number wins. Not every offset has a record.
 *
 * A record is a repetition when its value is the newest one of its key: what an API shows again and
 * again is taken once, and a value that comes back after another one is taken anew. Keys and values
 * are compared by 64-bit hashes of the newest half million keys.
 */
#include "connect/feed_private.h"

#include "base/hash.h"

enum { READ_BYTES = 1 << 20, INFLATE_BYTES_MAX = 256 << 20, STEP_FIRST = 64, STEP_GROWS = 8 };

/* "17 users page=5" when the source fits. */
static bool position_fits(struct str value, struct str source, uint64_t *ret_sequence,
                          struct str *ret_position)
{
    struct str number, name;
    if (!str_cut(&value, ' ', &number) || !str_cut(&value, ' ', &name) || !value.ptr ||
        !str_equal(name, source))
        return false;
    *ret_position = value;
    return str_to_u64(number, ret_sequence) == OK;
}

/* Takes the newest position of the source in a batch, of the records below to. */
static enum err batch_position(const struct record_batch *batch, struct str source, int64_t to,
                               uint64_t *ret_sequence, struct buf *out, bool *ret_found)
{
    struct record_iterator it;
    struct record record = {0};
    TRY(record_iterator_init(&it, batch, INFLATE_BYTES_MAX));
    while (record_iterator_next(&it, &record) && record.offset < to) {
        struct record_header header;
        struct str raw = record.headers_raw, position;
        while (record.header_count && record_header_next(&raw, &header)) {
            uint64_t sequence;
            if (!str_equal(header.key, STR(FEED_POSITION_HEADER)) ||
                !position_fits(header.value, source, &sequence, &position))
                continue;
            *ret_sequence = sequence;
            buf_reset(out);
            buf_str_append(out, position);
            *ret_found = true;
        }
    }
    enum err err = it.reader.err;
    record_iterator_deinit(&it);
    return err;
}

/* The newest position among the offsets from..to: the last that is met. Offsets may have gaps. */
static enum err range_position(struct log_partition *partition, int64_t from, int64_t to,
                               struct str source, uint64_t *ret_sequence, struct buf *out,
                               bool *ret_found)
{
    while (from < to) {
        CLEAN(buf_deinit) struct buf bytes = {0};
        struct log_read read;
        TRY(log_read(partition, from, READ_BYTES, &bytes, &read));
        for (size_t at = 0; at < bytes.bytes;) {
            struct record_batch batch;
            TRY(record_batch_parse(bytes.ptr + at, bytes.bytes - at, false, &batch));
            if (!(batch.attributes & BATCH_CONTROL))
                TRY(batch_position(&batch, source, to, ret_sequence, out, ret_found));
            at += batch.bytes_count;
        }
        if (read.offset_next <= from)
            break;
        from = read.offset_next;
    }
    return OK;
}

static enum err partition_position(struct log_partition *partition, struct str source,
                                   uint64_t *ret_sequence, struct buf *out)
{
    int64_t start = log_partition_start(partition), to = log_partition_end(partition);
    bool found = false;
    for (int64_t step = STEP_FIRST; to > start && !found; step *= STEP_GROWS) {
        int64_t from = to - start > step ? to - step : start;
        TRY(range_position(partition, from, to, source, ret_sequence, out, &found));
        to = from;
    }
    return found ? OK : ERR_NOT_FOUND;
}

enum err feed_past_position(struct log_topic *topic, struct str source, uint64_t *ret_sequence,
                            struct buf *out)
{
    struct buf found = {0};
    uint64_t newest = 0;
    enum err result = ERR_NOT_FOUND;
    for (int32_t i = 0; i < log_topic_partitions(topic); i++) {
        uint64_t sequence = 0;
        enum err err = partition_position(log_topic_partition(topic, i), source, &sequence, &found);
        if (err != OK && err != ERR_NOT_FOUND) {
            result = err;
            break;
        }
        if (err == OK && (result != OK || sequence > newest)) {
            newest = sequence;
            buf_reset(out);
            buf_str_append(out, buf_str(&found));
            result = OK;
        }
    }
    if (result == OK)
        *ret_sequence = newest;
    buf_deinit(&found);
    return result;
}

/* ---- repetitions ---- */

enum { TABLE_PLACES = 2 * REPEATS_GENERATION };

struct feed_repeats *feed_repeats_new(void)
{
    struct feed_repeats *repeats = mem_zero(sizeof *repeats);
    repeats->young = mem_zero(TABLE_PLACES * sizeof *repeats->young);
    repeats->old = mem_zero(TABLE_PLACES * sizeof *repeats->old);
    return repeats;
}

void feed_repeats_free(struct feed_repeats *repeats)
{
    if (!repeats)
        return;
    mem_free(repeats->young);
    mem_free(repeats->old);
    mem_free(repeats);
}

/* The place of the key, or the free place where it belongs. */
static struct feed_repeat *place_of(struct feed_repeat *table, uint64_t key)
{
    size_t at = (size_t)(key % TABLE_PLACES);
    while (table[at].key && table[at].key != key)
        at = (at + 1) % TABLE_PLACES;
    return &table[at];
}

bool feed_repeats_seen(struct feed_repeats *repeats, struct str key, struct str value)
{
    struct feed_repeat now = {.key = hash_bytes(key.ptr, key.bytes, 0) | 1,
                              .value = hash_bytes(value.ptr, value.bytes, 1)};
    struct feed_repeat *young = place_of(repeats->young, now.key);
    const struct feed_repeat *newest = young->key ? young : place_of(repeats->old, now.key);
    if (newest->key && newest->value == now.value)
        return true;
    if (!young->key && repeats->young_count == REPEATS_GENERATION) {
        struct feed_repeat *forgotten = repeats->old;
        repeats->old = repeats->young;
        repeats->young = forgotten;
        memset(forgotten, 0, TABLE_PLACES * sizeof *forgotten);
        repeats->young_count = 0;
        young = place_of(repeats->young, now.key);
    }
    repeats->young_count += !young->key;
    *young = now;
    return false;
}

static enum err batches_load(struct feed_repeats *repeats, const struct buf *bytes)
{
    for (size_t at = 0; at < bytes->bytes;) {
        struct record_batch batch;
        struct record_iterator it;
        struct record record;
        TRY(record_batch_parse(bytes->ptr + at, bytes->bytes - at, false, &batch));
        at += batch.bytes_count;
        if (batch.attributes & BATCH_CONTROL)
            continue;
        TRY(record_iterator_init(&it, &batch, INFLATE_BYTES_MAX));
        while (record_iterator_next(&it, &record)) {
            if (record.key.ptr && record.value.ptr)
                (void)feed_repeats_seen(repeats, record.key, record.value);
        }
        enum err err = it.reader.err;
        record_iterator_deinit(&it);
        TRY(err);
    }
    return OK;
}

enum err feed_repeats_load(struct feed_repeats *repeats, struct log_topic *topic)
{
    struct buf bytes = {0};
    enum err err = OK;
    int32_t partitions = log_topic_partitions(topic);
    for (int32_t i = 0; i < partitions && err == OK; i++) {
        struct log_partition *partition = log_topic_partition(topic, i);
        int64_t end = log_partition_end(partition), start = log_partition_start(partition);
        int64_t offset = end - 2 * REPEATS_GENERATION / partitions;
        if (offset < start)
            offset = start;
        while (err == OK && offset < end) {
            struct log_read read;
            buf_reset(&bytes);
            err = log_read(partition, offset, READ_BYTES, &bytes, &read);
            if (err == OK)
                err = batches_load(repeats, &bytes);
            if (err != OK || read.offset_next <= offset)
                break;
            offset = read.offset_next;
        }
    }
    buf_deinit(&bytes);
    return err;
}
