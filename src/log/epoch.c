/* SPDX-License-Identifier: MIT */
/*
 * Leader epochs. There is one leader, so an epoch tells when the end of a partition may have gone
 * back: a new one begins at an opening that cut off what was no batch, or that follows an unclean
 * end without syncs, after which nobody knows what had been acknowledged. Batches carry the epoch
 * in which they were appended.
 *
 * All epochs are in one file, "epochs", written anew when one begins; a partition that has none
 * there has epoch 0 from its beginning. So an opening with ten thousand partitions writes once.
 *
 *   0 magic "MRE1"   4 crc32c of the rest   8 count u32   12 rows, 32 bytes each: topic id 16,
 *     partition u32, epoch i32, first offset i64; of a partition in order
 *
 * Of epochs that hold no batch, or only such as are below the start, the newest is kept.
 */
#include "log/store.h"

#include "base/crc32c.h"
#include "base/mem.h"

#include <stdio.h>

enum { MAGIC = 0x4D524531, HEADER = 12, ROW = 32, FILE_BYTES_MAX = 256 << 20 };

static void epochs_path(const struct log *log, struct log_path *ret_path)
{
    snprintf(ret_path->text, sizeof ret_path->text, "%s/epochs", log->dir);
}

int32_t log_epoch_now(const struct log_partition *partition)
{
    const struct log_epochs *epochs = partition->epochs;
    return epochs ? epochs->starts[epochs->count - 1].epoch : 0;
}

static void add(struct log_partition *partition, struct log_epoch_start start)
{
    struct log_epochs *epochs = partition->epochs;
    uint32_t count = epochs ? epochs->count : 0;
    epochs = mem_realloc(epochs, sizeof *epochs + (count + 1) * sizeof epochs->starts[0]);
    epochs->starts[count] = start;
    epochs->count = count + 1;
    partition->epochs = epochs;
}

/* ---- the file ------------------------------------------------------------------------------ */

static void take_row(struct log *log, const uint8_t *row)
{
    struct log_topic *topic = log_topic_by_id(log, row);
    uint32_t index = get_be32(row + 16);
    struct log_epoch_start start = {(int32_t)get_be32(row + 20), (int64_t)get_be64(row + 24)};
    if (!topic || index >= (uint32_t)topic->config.partitions)
        return;
    struct log_partition *partition = topic->partitions[index];
    if (start.epoch < 0 || start.start < 0 ||
        (partition->epochs && start.epoch <= log_epoch_now(partition)))
        return;
    add(partition, start);
}

enum err log_epochs_load(struct log *log)
{
    CLEAN(buf_deinit) struct buf in = {0};
    struct log_path path;
    epochs_path(log, &path);
    enum err err = io_path_read(log->io, path.text, FILE_BYTES_MAX, &in);
    if (err == ERR_NOT_FOUND)
        return OK;
    TRY(err);
    if (in.bytes < HEADER || get_be32(in.ptr) != MAGIC ||
        get_be32(in.ptr + 4) != crc32c(0, in.ptr + 8, in.bytes - 8))
        return ERR_CORRUPT;
    size_t count = get_be32(in.ptr + 8);
    if ((in.bytes - HEADER) / ROW != count)
        return ERR_CORRUPT;
    for (size_t i = 0; i < count; i++)
        take_row(log, in.ptr + HEADER + i * ROW);
    return OK;
}

static uint32_t put_rows(struct buf *out, const struct log_partition *partition)
{
    const struct log_epochs *epochs = partition->epochs;
    for (uint32_t i = 0; epochs && i < epochs->count; i++) {
        buf_append(out, partition->topic->id, LOG_TOPIC_ID);
        buf_be32(out, (uint32_t)partition->index);
        buf_be32(out, (uint32_t)epochs->starts[i].epoch);
        buf_be64(out, (uint64_t)epochs->starts[i].start);
    }
    return epochs ? epochs->count : 0;
}

static enum err save(struct log *log)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_path path;
    uint32_t count = 0;
    buf_be32(&out, MAGIC);
    buf_be32(&out, 0);
    buf_be32(&out, 0);
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        for (int32_t i = 0; !topic->deleted && i < topic->config.partitions; i++)
            count += put_rows(&out, topic->partitions[i]);
    TRY(buf_error(&out));
    buf_patch_be32(&out, 8, count);
    buf_patch_be32(&out, 4, crc32c(0, out.ptr + 8, out.bytes - 8));
    epochs_path(log, &path);
    return io_path_replace(log->io, path.text, out.ptr, out.bytes);
}

/* ---- a new one ----------------------------------------------------------------------------- */

/* Without the epochs that hold nothing any more. */
static void prune(struct log_partition *partition)
{
    struct log_epochs *epochs = partition->epochs;
    uint32_t from = 0;
    while (from + 1 < epochs->count && epochs->starts[from + 1].start <= partition->start)
        from++;
    epochs->count -= from;
    memmove(epochs->starts, epochs->starts + from, epochs->count * sizeof epochs->starts[0]);
    while (epochs->count && epochs->starts[epochs->count - 1].start >= partition->end)
        epochs->count--;
}

static void begin(struct log_partition *partition)
{
    int32_t now = log_epoch_now(partition);
    if (!partition->epochs)
        add(partition, (struct log_epoch_start){0, 0});
    prune(partition);
    add(partition, (struct log_epoch_start){now + 1, partition->end});
}

/* A partition without a file never acknowledged anything: names are synced before. */
static bool must_begin(const struct log *log, const struct log_partition *partition, bool clean)
{
    if (partition->cut)
        return true;
    return !clean && log->durability_before != LOG_SYNC && !partition->topic->config.sync_each &&
           (partition->segment_count || partition->end > 0);
}

enum err log_epochs_begin(struct log *log, bool clean)
{
    bool any = false;
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        for (int32_t i = 0; i < topic->config.partitions; i++)
            if (must_begin(log, topic->partitions[i], clean)) {
                begin(topic->partitions[i]);
                any = true;
            }
    return any ? save(log) : OK;
}

/* ---- for callers --------------------------------------------------------------------------- */

int32_t log_partition_epoch(const struct log_partition *partition)
{
    return log_epoch_now(partition); /* changes only while opening */
}

enum err log_epoch_end(struct log_partition *partition, int32_t epoch, int32_t *ret_epoch,
                       int64_t *ret_end_offset)
{
    const struct log_epochs *epochs = partition->epochs;
    static const struct log_epoch_start only = {0, 0};
    const struct log_epoch_start *starts = epochs ? epochs->starts : &only;
    uint32_t count = epochs ? epochs->count : 1, i = count;
    if (epoch > starts[count - 1].epoch)
        return ERR_NOT_FOUND;
    while (i > 0 && starts[i - 1].epoch > epoch)
        i--;
    if (i == 0)
        return ERR_NOT_FOUND;
    *ret_epoch = starts[i - 1].epoch;
    *ret_end_offset = i < count ? starts[i].start : log_partition_end(partition);
    return OK;
}
