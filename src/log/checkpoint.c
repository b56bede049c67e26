/* SPDX-License-Identifier: MIT */
/*
 * The checkpoint: how far each active segment is known to be sound, so that opening looks only at
 * what came later. Written now and then, and with the clean mark at an orderly end; then opening
 * looks at nothing. While the log is open the mark is never on the disk.
 *
 *   0 magic "MRC1"   4 crc32c of everything behind it   8 clean u8   9 zero, 3 bytes
 *  12 count u32   16 rows, 52 bytes each: topic id 16, partition i32, segment base offset i64,
 *     bytes u64, end offset i64, max timestamp i64
 *
 * A row is true for ever: sound bytes of a segment stay sound. A row whose segment is not the
 * active one any more is ignored.
 */
#include "log/store.h"

#include "base/crc32c.h"
#include "base/endian.h"

#include <stdio.h>

enum { HEADER = 16, ROW = 52, MAGIC = 0x4D524331, FILE_BYTES_MAX = 256 << 20 };

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
    buf_be32(&out, clean ? 1u << 24 : 0);
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

static void take_row(struct log *log, const uint8_t *row)
{
    struct log_topic *topic = log_topic_by_id(log, row);
    uint32_t index = get_be32(row + 16);
    if (!topic || index >= (uint32_t)topic->config.partitions)
        return;
    struct log_partition *partition = topic->partitions[index];
    partition->recovery_base = (int64_t)get_be64(row + 20);
    partition->recovery_bytes = get_be64(row + 28);
    partition->recovery_end = (int64_t)get_be64(row + 36);
    partition->recovery_timestamp = (int64_t)get_be64(row + 44);
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
    /* Damaged is as good as missing: more is looked at. */
    if (in.bytes < HEADER || get_be32(in.ptr) != MAGIC ||
        get_be32(in.ptr + 4) != crc32c(0, in.ptr + 8, in.bytes - 8))
        return OK;
    size_t count = get_be32(in.ptr + 12);
    if ((in.bytes - HEADER) / ROW != count)
        return OK;
    for (size_t i = 0; i < count; i++)
        take_row(log, in.ptr + HEADER + i * ROW);
    *ret_clean = in.ptr[8] == 1;
    return OK;
}
