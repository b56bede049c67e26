/* SPDX-License-Identifier: MIT */
/*
 * The checkpoint: how far each active segment is known to be sound and what producers had done by
 * then, so that opening looks only at what came later. Written now and then, and with the clean
 * mark at an orderly end; then opening looks at nothing. While the log is open the mark is never
 * on the disk.
 *
 *   0 magic "MRC2"   4 crc32c of everything behind it   8 clean u8   9 durability u8   10 zero u16
 *  12 count u32   16 rows: topic id 16, partition i32, segment base offset i64, bytes u64, end
 *     offset i64, max timestamp i64, compacted end i64, state bytes u32, state of producers
 *     (snapshot.c) with the aborted transactions that ended in the segment
 *
 * A row is true for ever: sound bytes of a segment stay sound. A row whose segment is not the
 * active one any more is ignored. Files of the first version ("MRC1": rows of 52 bytes, without
 * what follows the max timestamp) are read too.
 */
#include "log/store.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/mem.h"

#include <stdio.h>

enum { HEADER = 16, MAGIC_1 = 0x4D524331, MAGIC = 0x4D524332, FILE_BYTES_MAX = 1 << 30 };

static void checkpoint_path(const struct log *log, struct log_path *ret_path)
{
    snprintf(ret_path->text, sizeof ret_path->text, "%s/checkpoint", log->dir);
}

static void put_row(struct buf *out, const struct log_partition *partition,
                    const struct log_segment *segment)
{
    buf_append(out, partition->topic->id, LOG_TOPIC_ID);
    buf_be32(out, (uint32_t)partition->index);
    buf_be64(out, (uint64_t)segment->base_offset);
    buf_be64(out, segment->bytes);
    buf_be64(out, (uint64_t)partition->end);
    buf_be64(out, (uint64_t)segment->max_timestamp);
    buf_be64(out, (uint64_t)partition->compacted_end);
    size_t at = out->bytes;
    buf_be32(out, 0);
    if (!partition->producers)
        return;
    log_producers_put(partition, segment->base_offset, out);
    if (buf_error(out) == OK)
        buf_patch_be32(out, at, (uint32_t)(out->bytes - at - 4));
}

enum err log_checkpoint_write(struct log *log, bool clean)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_path path;
    uint32_t count = 0;
    if (log_dirty_sync(log, true) != OK)
        return ERR_IO;
    buf_be32(&out, MAGIC);
    buf_be32(&out, 0);
    buf_be32(&out, (clean ? 1u << 24 : 0) | (uint32_t)log->options.durability << 16);
    buf_be32(&out, 0);
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        for (int32_t i = 0; !topic->deleted && i < topic->config.partitions; i++) {
            struct log_segment *active = log_partition_active(topic->partitions[i]);
            if (!active)
                continue;
            put_row(&out, topic->partitions[i], active);
            count++;
        }
    TRY(buf_error(&out));
    buf_patch_be32(&out, 12, count);
    buf_patch_be32(&out, 4, crc32c(0, out.ptr + 8, out.bytes - 8));
    checkpoint_path(log, &path);
    TRY(io_path_replace(log->io, path.text, out.ptr, out.bytes));
    log->bytes_since_checkpoint = 0;
    return OK;
}

static void take_row(struct log *log, struct reader *r, bool first_version)
{
    static const uint8_t nothing[LOG_TOPIC_ID];
    struct str id = reader_str(r, LOG_TOPIC_ID);
    uint32_t index = reader_be32(r);
    int64_t base = (int64_t)reader_be64(r);
    uint64_t bytes = reader_be64(r);
    int64_t end = (int64_t)reader_be64(r), timestamp = (int64_t)reader_be64(r);
    int64_t compacted = first_version ? 0 : (int64_t)reader_be64(r);
    uint32_t state_bytes = first_version ? 0 : reader_be32(r);
    struct str state = reader_str(r, state_bytes);
    struct log_topic *topic =
        log_topic_by_id(log, r->err == OK ? (const uint8_t *)id.ptr : nothing);
    if (r->err != OK || !topic || index >= (uint32_t)topic->config.partitions)
        return;
    struct log_partition *partition = topic->partitions[index];
    const struct log_segment *active = log_partition_active(partition);
    partition->compacted_end = compacted;
    if (!active || active->base_offset != base)
        return;
    struct reader of_state = reader_of(state.ptr, state.bytes);
    if (state_bytes && log_producers_get(partition, &of_state, base, true) != OK) {
        log_producers_free(partition->producers);
        partition->producers = NULL;
        return;
    }
    partition->recovery_base = base;
    partition->recovery_bytes = bytes;
    partition->recovery_end = end;
    partition->recovery_timestamp = timestamp;
}

enum err log_checkpoint_read(struct log *log, bool *ret_clean)
{
    CLEAN(buf_deinit) struct buf in = {0};
    struct log_path path;
    checkpoint_path(log, &path);
    *ret_clean = false;
    enum err err = io_path_read(log->io, path.text, FILE_BYTES_MAX, &in);
    if (err == ERR_NOT_FOUND)
        return OK;
    TRY(err);
    /* Damaged is as good as missing: more is looked at, and nobody knows how it was written. */
    log->durability_before = LOG_OS;
    bool first = in.bytes >= HEADER && get_be32(in.ptr) == MAGIC_1;
    if (in.bytes < HEADER || (!first && get_be32(in.ptr) != MAGIC) ||
        get_be32(in.ptr + 4) != crc32c(0, in.ptr + 8, in.bytes - 8))
        return OK;
    uint32_t count = get_be32(in.ptr + 12);
    struct reader r = reader_of(in.ptr + HEADER, in.bytes - HEADER);
    for (uint32_t i = 0; i < count && r.err == OK; i++)
        take_row(log, &r, first);
    *ret_clean = in.ptr[8] == 1 && r.err == OK && r.left == 0;
    log->durability_before = in.ptr[9] <= LOG_OS ? (enum log_durability)in.ptr[9] : LOG_OS;
    return OK;
}
