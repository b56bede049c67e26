/* SPDX-License-Identifier: MIT */
#ifndef TABLE_BACKEND_H
#define TABLE_BACKEND_H

#include "table/ops.h"
#include "table/table.h"

/*
 * What keeps the keys in order: RocksDB (rocks.c) or the twin in memory (memory.c). Keys and
 * values are bytes; values written by merges are rows (table/cell.h). Any thread, but a cursor
 * belongs to one.
 */
struct backend;

struct cursor {
    struct backend *backend;
    bool valid; /* key and value are there, until the next cursor call */
    struct str key;
    struct str value;
    enum err err; /* why it ended, OK at the end of the range */
};

enum { CURSOR_REVERSE = 1, CURSOR_CACHE = 2 /* a short range, that may be asked for again */ };

struct backend_ops {
    void (*close)(struct backend *backend);
    enum err (*health)(struct backend *backend);
    /* All operations of a batch in the format of table/ops.h, or none. */
    enum err (*commit)(struct backend *backend, struct str ops, bool sync);
    /* A point in time that get and cursors can look at. NULL: the backend is closed for repair. */
    void *(*snapshot_new)(struct backend *backend);
    void (*snapshot_free)(struct backend *backend, void *snapshot);
    /* Appends the value; ERR_NOT_FOUND. */
    enum err (*get)(struct backend *backend, void *snapshot, struct str key, struct buf *out);
    /* What was committed without sync is on disk when it returns. */
    enum err (*sync)(struct backend *backend);
    /* At the first key of from <= key < to, or at the last when reverse. Never NULL. */
    struct cursor *(*cursor_open)(struct backend *backend, void *snapshot, struct str from,
                                  struct str to, unsigned flags);
    /* To the first key that is not below key, or to the last below it when reverse. */
    void (*cursor_seek)(struct cursor *cursor, struct str key);
    void (*cursor_next)(struct cursor *cursor);
    void (*cursor_close)(struct cursor *cursor);
    void (*range_stats)(struct backend *backend, struct str from, struct str to,
                        struct table_stats *ret_stats);
    enum err (*checkpoint)(struct backend *backend, const char *dir);
    enum err (*flush)(struct backend *backend);
    enum err (*compact)(struct backend *backend);
};

struct backend {
    const struct backend_ops *ops;
};

struct backend_options {
    struct io *io;
    const char *dir;
    const struct table_disk *disk; /* NULL = the real one */
    bool read_only;
    size_t cache_bytes;
    size_t row_cache_bytes;
    size_t memtable_bytes;
    int64_t (*now_us)(void *owner);
    void *now_owner;
};

enum err rocks_open(const struct backend_options *options, struct diag *diag,
                    struct backend **ret_backend) MUST_USE;
struct backend *memory_open(void);

#endif
