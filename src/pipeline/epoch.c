/* SPDX-License-Identifier: MIT */
/*
 * Gathering: whole record batches of every partition are read, as far as they are committed, up to
 * a byte budget and walked into flat arrays, one entry a record. Offsets that have none (markers,
 * aborted transactions, what was compacted away) are passed over and counted; so are those that
 * retention took first. Values are borrowed from the batches (or from their inflated
 * copies), which live as long as the epoch.
 */
#include "base/logline.h"
#include "pipeline/stream.h"

enum { INFLATED_BYTES_MAX = 256 << 20 };

static void make_room(struct epoch *epoch, size_t more)
{
    if (epoch->count + more <= epoch->room)
        return;
    size_t room = epoch->room ? epoch->room * 2 : 1024;
    while (room < epoch->count + more)
        room *= 2;
    epoch->values = mem_realloc_array(epoch->values, room, sizeof *epoch->values);
    epoch->keys = mem_realloc_array(epoch->keys, room, sizeof *epoch->keys);
    epoch->headers = mem_realloc_array(epoch->headers, room, sizeof *epoch->headers);
    epoch->header_counts =
        mem_realloc_array(epoch->header_counts, room, sizeof *epoch->header_counts);
    epoch->partitions = mem_realloc_array(epoch->partitions, room, sizeof *epoch->partitions);
    epoch->offsets = mem_realloc_array(epoch->offsets, room, sizeof *epoch->offsets);
    epoch->timestamps_ms =
        mem_realloc_array(epoch->timestamps_ms, room, sizeof *epoch->timestamps_ms);
    epoch->room = room;
}

static enum err gather_batch(struct epoch *epoch, const struct record_batch *batch,
                             int32_t partition, int64_t from)
{
    struct record_iterator it;
    TRY(record_iterator_init(&it, batch, INFLATED_BYTES_MAX));
    make_room(epoch, (size_t)batch->count);
    struct record record;
    while (record_iterator_next(&it, &record)) {
        if (record.offset < from)
            continue;
        make_room(epoch, 1);
        size_t i = epoch->count++;
        epoch->values[i] = record.value;
        epoch->keys[i] = record.key;
        epoch->headers[i] = record.headers_raw;
        epoch->header_counts[i] = record.header_count;
        epoch->partitions[i] = partition;
        epoch->offsets[i] = record.offset;
        epoch->timestamps_ms[i] = record.timestamp_ms;
    }
    enum err err = it.reader.err;
    if (it.inflated.bytes) {
        /* The records point into it: it moves to the epoch. */
        epoch->inflated =
            mem_realloc_array(epoch->inflated, epoch->inflated_count + 1, sizeof *epoch->inflated);
        epoch->inflated[epoch->inflated_count++] = it.inflated;
        it.inflated = (struct buf){0};
    }
    record_iterator_deinit(&it);
    return err;
}

static enum err gather_partition(struct epoch *epoch, int32_t index, size_t bytes_max)
{
    struct stream_partition *p = &epoch->stream->partitions[index];
    struct buf *raw = &epoch->raw[index];
    struct log_read read;
    int64_t from = p->offset_next;
    size_t before = epoch->count;
    epoch->offset_next[index] = from;
    if (from >= log_partition_stable_end(p->partition))
        return OK;
    enum err err = log_read_committed(p->partition, from, bytes_max, raw, &read);
    if (err == ERR_OUT_OF_RANGE && from < log_partition_start(p->partition)) {
        /* Retention was faster than this stream: what is gone cannot be read. */
        log_line(LOG_ERROR, "stream", "%.*s-%d: records %lld..%lld were removed by retention",
                 STR_ARG(epoch->stream->source->topic), index, (long long)from,
                 (long long)log_partition_start(p->partition) - 1);
        from = log_partition_start(p->partition);
        epoch->missed += (uint64_t)(from - p->offset_next);
        err = log_read_committed(p->partition, from, bytes_max, raw, &read);
    }
    TRY(err);
    for (size_t at = 0; at < raw->bytes;) {
        struct record_batch batch;
        TRY(record_batch_parse(raw->ptr + at, raw->bytes - at, false, &batch));
        TRY(gather_batch(epoch, &batch, index, from));
        at += batch.bytes_count;
    }
    epoch->passed += (uint64_t)(read.offset_next - from) - (epoch->count - before);
    epoch->offset_next[index] = read.offset_next;
    return OK;
}

enum err epoch_gather(struct epoch *epoch, struct stream *stream, size_t bytes_max)
{
    size_t partitions = (size_t)stream->partition_count;
    *epoch = (struct epoch){.stream = stream, .arena = &stream->scratch};
    arena_reset(&stream->scratch);
    epoch->raw = mem_zero(partitions * sizeof *epoch->raw);
    epoch->offset_next = mem_zero(partitions * sizeof *epoch->offset_next);
    for (int32_t i = 0; i < stream->partition_count; i++)
        TRY(gather_partition(epoch, i, bytes_max / partitions + 1));
    epoch->fates = mem_zero(epoch->count);
    return OK;
}

void epoch_deinit(struct epoch *epoch)
{
    for (int32_t i = 0; epoch->raw && i < epoch->stream->partition_count; i++)
        buf_deinit(&epoch->raw[i]);
    for (size_t i = 0; i < epoch->inflated_count; i++)
        buf_deinit(&epoch->inflated[i]);
    mem_free(epoch->raw);
    mem_free(epoch->inflated);
    mem_free(epoch->offset_next);
    mem_free(epoch->values);
    mem_free(epoch->keys);
    mem_free(epoch->headers);
    mem_free(epoch->header_counts);
    mem_free(epoch->partitions);
    mem_free(epoch->offsets);
    mem_free(epoch->timestamps_ms);
    mem_free(epoch->fates);
    mem_free(epoch->faults);
    *epoch = (struct epoch){0};
}
