/* SPDX-License-Identifier: MIT */
/*
 * What a stream remembers beside its rows, in the same commit. Key "stream/TABLE"; the value:
 *
 *   u8 version = 1 | uvarint epoch, read, stored, filtered, dead, rows
 *   varint last_timestamp_us, dead_letters_end | uvarint partitions, varint offset_next each
 *   with tables elsewhere: varint remote_base_us
 *   uvarint passed, missed (not in states of before)
 *
 * Offsets are those of one log: with topics in a Kafka the key ends in "@kafka", and a project that
 * changes its log begins anew there, into the same tables.
 * With tables elsewhere the key is "stream/TABLE/ENGINE": a project that changes its engine begins
 * anew there.
 */
#include "base/reader.h"
#include "pipeline/stream.h"

enum { STATE_VERSION = 1 };

static void state_key(const struct stream *stream, struct buf *key)
{
    buf_printf(key, "stream/%.*s", STR_ARG(stream->table->name));
    if (stream->engine)
        buf_printf(key, "/%s", stream->engine);
    if (stream->log && log_remote_place(stream->log))
        buf_text(key, "@kafka");
}

void stream_state_put(const struct stream *stream, const struct epoch *epoch,
                      const struct stream_books *books, struct table_batch *batch)
{
    CLEAN(buf_deinit) struct buf key = {0}, value = {0};
    state_key(stream, &key);
    buf_u8(&value, STATE_VERSION);
    buf_uvarint(&value, books->epoch);
    buf_uvarint(&value, books->read);
    buf_uvarint(&value, books->stored);
    buf_uvarint(&value, books->filtered);
    buf_uvarint(&value, books->dead);
    buf_uvarint(&value, books->rows);
    buf_varint(&value, books->last_timestamp_us);
    buf_varint(&value, books->dead_letters_end);
    buf_uvarint(&value, (uint64_t)stream->partition_count);
    for (int32_t i = 0; i < stream->partition_count; i++)
        buf_varint(&value, epoch->offset_next[i]);
    if (stream->engine)
        buf_varint(&value, books->remote_base_us);
    buf_uvarint(&value, books->passed);
    buf_uvarint(&value, books->missed);
    table_batch_state(batch, buf_str(&key), buf_str(&value));
}

enum err stream_state_get(struct stream *stream)
{
    CLEAN(buf_deinit) struct buf key = {0}, value = {0};
    state_key(stream, &key);
    enum err err = table_state_get(stream->store, buf_str(&key), &value);
    if (err == ERR_NOT_FOUND)
        return OK;
    TRY(err);
    struct reader r = reader_of(value.ptr, value.bytes);
    if (reader_u8(&r) != STATE_VERSION)
        return ERR_UNSUPPORTED;
    struct stream_books books = {0};
    books.epoch = reader_uvarint(&r, 64);
    books.read = reader_uvarint(&r, 64);
    books.stored = reader_uvarint(&r, 64);
    books.filtered = reader_uvarint(&r, 64);
    books.dead = reader_uvarint(&r, 64);
    books.rows = reader_uvarint(&r, 64);
    books.last_timestamp_us = reader_varint(&r, 64);
    books.dead_letters_end = reader_varint(&r, 64);
    uint64_t partitions = reader_uvarint(&r, 64);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < partitions && r.err == OK; i++) {
        int64_t offset = reader_varint(&r, 64);
        sum += (uint64_t)offset;
        if (i < (uint64_t)stream->partition_count)
            stream->partitions[i].offset_next = offset;
    }
    if (stream->engine) {
        books.remote_base_us = reader_varint(&r, 64);
        books.remote_spread = (int64_t)partitions;
    }
    if (r.err == OK && r.left) {
        books.passed = reader_uvarint(&r, 64);
        books.missed = reader_uvarint(&r, 64);
    } else if (sum > books.read) {
        books.missed = sum - books.read;
    }
    TRY(r.err);
    stream->books = books;
    return OK;
}
