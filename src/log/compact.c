/* SPDX-License-Identifier: MIT */
/*
 * Compaction: of each key the newest record stays, at its offset.
 *
 * One walk over the whole partition notes the newest offset of each key, by a hash of 128 bits,
 * in a table of bounded size; keys that do not fit are left alone. A second walk writes each
 * finished segment anew where records fall away: batches that lose nothing as they are, others
 * with the same header but for count and sum, empty ones not at all. Offsets never change, so
 * there are gaps then. A record without a value (a tombstone) stays for a day after it was written,
 * for readers that come late. The active segment is never touched.
 *
 * The new file is written beside the old one, synced, and renamed over it. The journal is emptied
 * first: a frame that lives could be replayed into the new file (J3).
 *
 * It runs when half of what is finished has come since it ran last (or since opening).
 */
#include "log/store.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/mem.h"

#include <stdio.h>

enum {
    KEYS_ROOM_MIN = 1024,
    KEYS_MAX = 2 << 20, /* 48 MiB */
    INFLATED_MAX = 256 << 20,
    TOMBSTONE_MS = 24 * 3600 * 1000,
};

struct key_slot {
    uint64_t hash[2];
    int64_t offset; /* -1 = free */
};
struct keys {
    struct key_slot *slots;
    size_t room, count;
};

static void keys_deinit(struct keys *keys)
{
    mem_free(keys->slots);
}

static struct key_slot *keys_find(const struct keys *keys, const uint64_t hash[2])
{
    size_t at = (size_t)hash[0] & (keys->room - 1);
    while (keys->slots[at].offset >= 0 &&
           (keys->slots[at].hash[0] != hash[0] || keys->slots[at].hash[1] != hash[1]))
        at = (at + 1) & (keys->room - 1);
    return &keys->slots[at];
}

static void keys_grow(struct keys *keys)
{
    struct keys old = *keys;
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

static void keys_note(struct keys *keys, const struct record *record)
{
    uint64_t hash[2];
    if ((keys->count + 1) * 2 > keys->room && keys->room < KEYS_MAX)
        keys_grow(keys);
    hash_key(record->key, hash);
    struct key_slot *slot = keys_find(keys, hash);
    if (slot->offset < 0) {
        /* A full table knows no new keys: their records stay. */
        if ((keys->count + 1) * 4 > keys->room * 3)
            return;
        keys->count++;
        *slot = (struct key_slot){{hash[0], hash[1]}, 0};
    }
    slot->offset = record->offset;
}

/* ---- first walk ---------------------------------------------------------------------------- */

static enum err note_batch(struct keys *keys, const struct record_batch *batch)
{
    struct record_iterator it;
    struct record record;
    TRY(record_iterator_init(&it, batch, INFLATED_MAX));
    while (record_iterator_next(&it, &record))
        if (record.key.ptr)
            keys_note(keys, &record);
    enum err err = it.reader.err == OK ? OK : ERR_CORRUPT;
    record_iterator_deinit(&it);
    return err;
}

static enum err note_segment(struct keys *keys, struct log_segment *segment)
{
    struct io_file *file;
    struct log_scan scan;
    TRY(log_segment_use(segment, &file));
    log_scan_init(&scan, file, 0, segment->bytes, true);
    enum err err = OK;
    while (err == OK && log_scan_next(&scan))
        err = note_batch(keys, &scan.batch);
    if (err == OK)
        err = scan.err;
    if (err == OK && scan.position != segment->bytes)
        err = ERR_CORRUPT;
    log_scan_deinit(&scan);
    log_segment_release(segment);
    return err;
}

/* ---- second walk --------------------------------------------------------------------------- */

static bool stays(const struct keys *keys, const struct record *record, int64_t now_ms)
{
    uint64_t hash[2];
    if (!record->key.ptr)
        return true;
    hash_key(record->key, hash);
    const struct key_slot *slot = keys_find(keys, hash);
    if (slot->offset >= 0 && slot->offset != record->offset)
        return false;
    return record->value.ptr || slot->offset < 0 || record->timestamp_ms > now_ms - TOMBSTONE_MS;
}

/* The batch with the records that stay, in their own bytes. */
static enum err put_batch(const struct record_batch *batch, const struct buf *records,
                          int32_t count, struct buf *out)
{
    size_t start = out->bytes;
    buf_append(out, batch->bytes, RECORD_BATCH_HEADER);
    TRY(compress_bytes(record_batch_codec(batch), records->ptr, records->bytes, out));
    TRY(buf_error(out));
    uint8_t *at = out->ptr + start;
    size_t bytes = out->bytes - start;
    put_be32(at + 8, (uint32_t)(bytes - 12));
    put_be32(at + 57, (uint32_t)count);
    put_be32(at + 17, crc32c(0, at + 21, bytes - 21));
    return OK;
}

static enum err copy_batch(const struct keys *keys, const struct record_batch *batch,
                           int64_t now_ms, struct buf *records, struct buf *out)
{
    struct record_iterator it;
    struct record record;
    int32_t count = 0;
    TRY(record_iterator_init(&it, batch, INFLATED_MAX));
    buf_reset(records);
    for (;;) {
        const uint8_t *from = it.reader.ptr;
        if (!record_iterator_next(&it, &record))
            break;
        if (!stays(keys, &record, now_ms))
            continue;
        buf_append(records, from, (size_t)(it.reader.ptr - from));
        count++;
    }
    enum err err = it.reader.err == OK ? buf_error(records) : ERR_CORRUPT;
    record_iterator_deinit(&it);
    TRY(err);
    if (count == batch->count)
        buf_append(out, batch->bytes, batch->bytes_count);
    else if (count)
        TRY(put_batch(batch, records, count, out));
    return buf_error(out);
}

/* Writes what stays to the new file; its size. */
static enum err write_rest(const struct keys *keys, struct log_segment *segment, struct io_file *to,
                           uint64_t *ret_bytes)
{
    enum { WRITE_BYTES = 1 << 20 };
    CLEAN(buf_deinit) struct buf out = {0};
    CLEAN(buf_deinit) struct buf records = {0};
    int64_t now_ms = log_wall_ms(segment->partition->log);
    struct io_file *from;
    struct log_scan scan;
    uint64_t bytes = 0;
    TRY(log_segment_use(segment, &from));
    log_scan_init(&scan, from, 0, segment->bytes, true);
    enum err err = OK;
    bool more = true;
    while (err == OK && more) {
        more = log_scan_next(&scan);
        if (more)
            err = copy_batch(keys, &scan.batch, now_ms, &records, &out);
        if (err == OK && out.bytes && (!more || out.bytes >= WRITE_BYTES)) {
            err = io_file_write(to, bytes, out.ptr, out.bytes);
            bytes += out.bytes;
            buf_reset(&out);
        }
    }
    if (err == OK)
        err = scan.err;
    if (err == OK && scan.position != segment->bytes)
        err = ERR_CORRUPT;
    log_scan_deinit(&scan);
    log_segment_release(segment);
    if (err == OK)
        *ret_bytes = bytes;
    return err;
}

/* The file is in place: readers find the new one from now on. */
static void replace_segment(struct log_partition *partition, size_t index, uint64_t bytes)
{
    struct log *log = partition->log;
    struct log_segment *old = partition->segments[index];
    struct log_segment *segment = log_segment_new(partition, old->base_offset);
    segment->bytes = segment->allocated = bytes;
    segment->created_ms = old->created_ms;
    io_mutex_lock(&log->lock);
    partition->segments[index] = segment;
    old->dropped = true;
    log_cache_forget(&log->cache, partition);
    io_mutex_unlock(&log->lock);
    log_segment_unref(old);
}

static enum err write_new(const struct keys *keys, struct log_segment *segment, const char *path,
                          uint64_t *ret_bytes)
{
    struct io_file *to;
    TRY(io_file_open(segment->partition->log->io, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, &to));
    enum err err = write_rest(keys, segment, to, ret_bytes);
    if (err == OK && *ret_bytes < segment->bytes && io_file_sync(to) != OK)
        err = ERR_IO;
    io_file_close(to);
    return err;
}

static enum err compact_segment(const struct keys *keys, struct log_partition *partition,
                                size_t index)
{
    struct log *log = partition->log;
    struct log_segment *segment = partition->segments[index];
    struct log_path path, final;
    uint64_t bytes = 0;
    log_segment_path(segment, ".compacting", &path);
    log_segment_path(segment, ".log", &final);
    enum err err = write_new(keys, segment, path.text, &bytes);
    if (err != OK || bytes >= segment->bytes) {
        enum err removed = io_path_remove(log->io, path.text);
        return err != OK ? err : removed;
    }
    TRY(log_journal_reset(log));
    TRY(io_path_rename(log->io, path.text, final.text));
    replace_segment(partition, index, bytes);
    log_topic_path(partition->topic, NULL, &path);
    return io_path_sync_directory(log->io, path.text) == OK ? OK : ERR_IO;
}

enum err log_compact(struct log_partition *partition)
{
    CLEAN(keys_deinit) struct keys keys = {0};
    uint64_t bytes = 0, fresh = 0;
    if (partition->segment_count < 2)
        return OK;
    size_t finished = partition->segment_count - 1;
    for (size_t i = 0; i < finished; i++) {
        bytes += partition->segments[i]->bytes;
        if (partition->segments[i]->base_offset >= partition->compacted_end)
            fresh += partition->segments[i]->bytes;
    }
    if (fresh == 0 || fresh * 2 < bytes)
        return OK;
    keys_grow(&keys);
    for (size_t i = 0; i <= finished; i++)
        TRY(note_segment(&keys, partition->segments[i]));
    for (size_t i = 0; i < finished; i++)
        TRY(compact_segment(&keys, partition, i));
    partition->compacted_end = partition->segments[finished]->base_offset;
    return OK;
}
