/* SPDX-License-Identifier: MIT */
/*
 * The journal: one file through which small groups of many partitions, and all that must not be
 * torn, become durable by a single sync. Frames lie one behind the other from the beginning of the
 * file, numbered without a gap. Big endian:
 *
 *   0 magic "MRJ1"   4 crc32c of everything behind it   8 sequence u64
 *  16 payload bytes u64   24 run count u32   28 zero u32
 *  32 runs, 40 bytes each: topic id 16, partition u32, bytes u32, segment base offset u64,
 *     position in the segment u64;   then the payload: the bytes of the runs
 *
 * When the file is full it grows, up to 64 KiB for each segment that its frames cover and 32 MiB in
 * all; beyond that everything the frames cover is synced in its segments, and the next frame goes
 * to the beginning. What an older round left behind it cannot be taken for the next frame, since
 * its numbers are lower; each opening starts at a number by chance. If the frame at the beginning
 * is lost, the older round is replayed, which writes bytes where they are already.
 *
 * Invariants:
 *   J1  A frame is valid as a whole or not at all.
 *   J2  Before a frame is overwritten, what it describes is synced in the segments.
 *   J3  Before a segment file is replaced (compaction), and at the end of recovery, no valid frame
 *       is left.
 *   J4  A run whose topic or segment is gone belongs to something deleted, and is skipped.
 *   J5  Replay first writes and syncs the frames again: what was read may be in memory only, if the
 *       sync of it had failed.
 */
#include "log/store.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/mem.h"

#include <stdio.h>

enum {
    FRAME_HEADER = 32,
    RUN = 40,
    MAGIC = 0x4D524A31,
    ROOM_MIN = 64 << 10,
    ROOM_MAX = 32 << 20,
    ROOM_PER_SEGMENT = 64 << 10,
    FILE_BYTES_MAX = 1 << 30,
};

static void journal_path(const struct log *log, struct log_path *ret_path)
{
    snprintf(ret_path->text, sizeof ret_path->text, "%s/journal", log->dir);
}

/* Opens the file, creating it durably. */
static enum err need_file(struct log *log)
{
    struct log_journal *journal = &log->journal;
    struct log_path path;
    if (journal->file)
        return OK;
    journal_path(log, &path);
    TRY(io_file_open(log->io, path.text, IO_READ | IO_WRITE | IO_CREATE, &journal->file));
    enum err err = io_file_size(journal->file, &journal->room);
    if (err == OK)
        err = io_path_sync_directory(log->io, log->dir);
    if (err != OK) {
        /* A name whose sync failed is seen and not there: nobody may find it later. */
        io_file_close(journal->file);
        journal->file = NULL;
        enum err removed = journal->room ? OK : io_path_remove(log->io, path.text);
        (void)removed;
    }
    return err;
}

/* The more segments a new beginning would have to sync, the rarer it should be. */
static uint64_t room_wanted(const struct log *log)
{
    uint64_t room = (uint64_t)log->dirty_count * ROOM_PER_SEGMENT;
    return room < ROOM_MIN ? ROOM_MIN : room > ROOM_MAX ? ROOM_MAX : room;
}

/* Room for a frame of that size at used: by growing, or by starting over. */
static enum err need_room(struct log *log, uint64_t bytes)
{
    struct log_journal *journal = &log->journal;
    if (journal->used + bytes <= journal->room)
        return OK;
    if (journal->used && (journal->used + bytes > ROOM_MAX || journal->room >= room_wanted(log))) {
        if (log_dirty_sync(log, false) != OK) /* J2 */
            return ERR_IO;
        journal->used = 0;
    }
    uint64_t room = journal->room ? journal->room : ROOM_MIN;
    while (room < journal->used + bytes)
        room *= 2;
    if (room <= journal->room)
        return OK;
    enum err err = io_file_allocate(journal->file, journal->room, room - journal->room, true);
    if (err == OK)
        journal->room = room;
    if (err != ERR_DISK_FULL || bytes > journal->room)
        return err;
    /* It cannot grow, but it can begin anew. */
    if (log_dirty_sync(log, false) != OK)
        return ERR_IO;
    journal->used = 0;
    return OK;
}

static void put_head(struct log_journal *journal, const struct log_group *group)
{
    struct buf *head = &journal->head;
    uint64_t bytes = 0;
    for (size_t i = 0; i < group->slot_count; i++)
        bytes += group->slots[i].bytes;
    buf_reset(head);
    buf_be32(head, MAGIC);
    buf_be32(head, 0);
    buf_be64(head, journal->sequence);
    buf_be64(head, bytes);
    buf_be32(head, (uint32_t)group->slot_count);
    buf_be32(head, 0);
    for (size_t i = 0; i < group->slot_count; i++) {
        const struct log_slot *slot = &group->slots[i];
        buf_append(head, slot->partition->topic->id, LOG_TOPIC_ID);
        buf_be32(head, (uint32_t)slot->partition->index);
        buf_be32(head, (uint32_t)slot->bytes);
        buf_be64(head, (uint64_t)slot->segment->base_offset);
        buf_be64(head, slot->position);
    }
}

enum err log_journal_append(struct log *log, struct log_group *group)
{
    struct log_journal *journal = &log->journal;
    put_head(journal, group);
    TRY(buf_error(&journal->head));
    group->piece_count = 0;
    log_group_piece(group, journal->head.ptr, journal->head.bytes);
    for (size_t i = 0; i < group->slot_count; i++)
        log_group_pieces(group, &group->slots[i]);
    uint64_t bytes = 0;
    uint32_t crc = 0;
    for (size_t i = 0; i < group->piece_count; i++) {
        size_t skip = i ? 0 : 8;
        crc = crc32c(crc, group->pieces[i].ptr + skip, group->pieces[i].bytes - skip);
        bytes += group->pieces[i].bytes;
    }
    buf_patch_be32(&journal->head, 4, crc);
    TRY(need_file(log));
    TRY(log_journal_mend(log));
    TRY(need_room(log, bytes));
    journal->torn = true;
    enum err err = io_file_writev(journal->file, journal->used, group->pieces, group->piece_count);
    if (err != OK) {
        enum err mended = log_journal_mend(log);
        return mended == OK || mended == ERR_DISK_FULL ? err : ERR_IO;
    }
    if (io_file_sync(journal->file) != OK)
        return ERR_IO;
    journal->torn = false;
    journal->used += bytes;
    journal->sequence++;
    return OK;
}

enum err log_journal_mend(struct log *log)
{
    struct log_journal *journal = &log->journal;
    static const uint8_t zeros[FRAME_HEADER];
    if (!journal->torn)
        return OK;
    TRY(io_file_write(journal->file, journal->used, zeros, sizeof zeros));
    if (io_file_sync(journal->file) != OK)
        return ERR_IO;
    journal->torn = false;
    return OK;
}

enum err log_journal_reset(struct log *log)
{
    struct log_journal *journal = &log->journal;
    TRY(log_dirty_sync(log, false));
    if (!journal->file)
        return OK;
    journal->used = 0;
    if (journal->room == 0)
        return OK;
    journal->torn = true;
    return log_journal_mend(log);
}

/* ---- replay -------------------------------------------------------------------------------- */

/* The frame at the front, or 0. */
static size_t frame_bytes(const uint8_t *at, size_t left, uint64_t sequence, bool first)
{
    if (left < FRAME_HEADER || get_be32(at) != MAGIC)
        return 0;
    uint64_t payload = get_be64(at + 16);
    uint64_t runs = get_be32(at + 24);
    if (payload > left || FRAME_HEADER + runs * RUN + payload > left)
        return 0;
    size_t bytes = (size_t)(FRAME_HEADER + runs * RUN + payload);
    if ((!first && get_be64(at + 8) != sequence) ||
        get_be32(at + 4) != crc32c(0, at + 8, bytes - 8))
        return 0;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < runs; i++)
        sum += get_be32(at + FRAME_HEADER + i * RUN + 20);
    return sum == payload ? bytes : 0;
}

static struct log_segment *find_segment(struct log *log, const uint8_t *run)
{
    struct log_topic *topic = log_topic_by_id(log, run);
    uint32_t index = get_be32(run + 16);
    if (!topic || index >= (uint32_t)topic->config.partitions)
        return NULL;
    struct log_partition *partition = topic->partitions[index];
    for (size_t i = partition->segment_count; i > 0; i--)
        if (partition->segments[i - 1]->base_offset == (int64_t)get_be64(run + 24))
            return partition->segments[i - 1];
    return NULL;
}

static enum err apply_frame(struct log *log, const uint8_t *frame)
{
    uint32_t runs = get_be32(frame + 24);
    const uint8_t *payload = frame + FRAME_HEADER + (size_t)runs * RUN;
    for (uint32_t i = 0; i < runs; i++) {
        const uint8_t *run = frame + FRAME_HEADER + (size_t)i * RUN;
        uint32_t bytes = get_be32(run + 20);
        struct log_segment *segment = find_segment(log, run);
        if (segment) { /* J4 */
            struct str piece = str_from(payload, bytes);
            TRY(log_segment_write(segment, get_be64(run + 32), &piece, 1));
            segment->journaled = true;
            log_dirty_add(log, segment);
        }
        payload += bytes;
    }
    return OK;
}

enum err log_journal_replay(struct log *log)
{
    struct log_journal *journal = &log->journal;
    CLEAN(buf_deinit) struct buf content = {0};
    struct log_path path;
    journal_path(log, &path);
    enum err err = io_path_read(log->io, path.text, FILE_BYTES_MAX, &content);
    if (err == ERR_NOT_FOUND)
        return OK;
    TRY(err);
    TRY(need_file(log));
    size_t end = 0, bytes;
    while ((bytes = frame_bytes(content.ptr + end, content.bytes - end, journal->sequence,
                                end == 0)) > 0) {
        journal->sequence = get_be64(content.ptr + end + 8) + 1;
        end += bytes;
    }
    if (end == 0)
        return OK;
    TRY(io_file_write(journal->file, 0, content.ptr, end)); /* J5 */
    TRY(io_file_sync(journal->file));
    for (size_t at = 0; at < end;) {
        TRY(apply_frame(log, content.ptr + at));
        uint64_t runs = get_be32(content.ptr + at + 24);
        at += (size_t)(FRAME_HEADER + runs * RUN + get_be64(content.ptr + at + 16));
    }
    return OK;
}
