/* SPDX-License-Identifier: MIT */
/*
 * Walks the batches of a segment file through a window of memory: 64 KiB at first, doubling to
 * 1 MiB while the walk goes on, more only for a batch that is bigger and whose length fits the
 * file. So looking at an empty tail is cheap and reading a whole segment is fast.
 */
#include "log/store.h"

enum { WINDOW_MIN = 64 << 10, WINDOW_MAX = 1 << 20 };

void log_scan_init(struct log_scan *scan, struct io_file *file, uint64_t position, uint64_t end,
                   bool check_crc)
{
    *scan = (struct log_scan){.file = file,
                              .position = position,
                              .end = end,
                              .window_at = position,
                              .check_crc = check_crc};
}

void log_scan_deinit(struct log_scan *scan)
{
    buf_deinit(&scan->window);
}

/* Fills the window from position with at least bytes, or up to the end. */
static bool fill(struct log_scan *scan, size_t bytes)
{
    size_t want = scan->window.room < WINDOW_MIN ? WINDOW_MIN : scan->window.room;
    if (scan->window.room >= WINDOW_MIN && want < WINDOW_MAX)
        want *= 2;
    if (want > WINDOW_MAX)
        want = WINDOW_MAX;
    if (want < bytes)
        want = bytes;
    if (want > scan->end - scan->position)
        want = (size_t)(scan->end - scan->position);
    buf_reset(&scan->window);
    scan->window_at = scan->position;
    uint8_t *to = buf_reserve(&scan->window, want);
    size_t got;
    if (!to) {
        scan->err = ERR_LIMIT;
        return false;
    }
    scan->err = io_file_read(scan->file, scan->position, to, want, &got);
    if (scan->err != OK)
        return false;
    buf_advance(&scan->window, got);
    return true;
}

bool log_scan_next(struct log_scan *scan)
{
    if (scan->err != OK || scan->position >= scan->end)
        return false;
    for (int round = 0; round < 3; round++) {
        size_t skip = (size_t)(scan->position - scan->window_at);
        size_t have = skip < scan->window.bytes ? scan->window.bytes - skip : 0;
        const uint8_t *at = scan->window.ptr + (have ? skip : 0);
        enum err err = ERR_TRUNCATED;
        if (have > 0)
            err = record_batch_parse(at, have, scan->check_crc, &scan->batch);
        if (err == OK) {
            scan->position += scan->batch.bytes_count;
            return true;
        }
        if (err != ERR_TRUNCATED)
            return false;
        /* The header says how much is needed; what cannot fit the file is no batch. */
        size_t need = RECORD_BATCH_HEADER;
        if (have >= RECORD_BATCH_HEADER)
            need = (size_t)get_be32(at + 8) + 12;
        if (need > scan->end - scan->position || have >= need || !fill(scan, need))
            return false;
    }
    return false;
}
