/* SPDX-License-Identifier: MIT */
/*
 * The backend on RocksDB, through its C interface. One database, one column family; all that may
 * differ between tables is in the keys.
 *
 * Settings and why:
 * - universal compaction: a row of a random key is rewritten a few times only, and what TTL and
 *   deletions leave behind goes when the whole is rewritten (filter.c).
 * - one flush and one compaction thread; the machine has other work.
 * - blocks of 4 KiB: a row of a random key is read, copied and checked with its block, which is
 *   most of the work when the cache has it not.
 * - rows that are read by key are kept in a cache of their own (row_cache.c): where they are spread
 *   over the table, each would push a block of fifteen others out of the block cache, which is left
 *   to what reads slices.
 * - small at rest: the block cache fills as it is used, arenas start with 64 KiB blocks, at most
 *   256 files are kept open, one log file of RocksDB's own with warnings only.
 * - quick to open: no statistics from files, no sizes checked, no flush while opening; closing
 *   leaves a small memtable to the log.
 * - the rows of a commit come sorted (batch.c), so each is looked for in the memtable from the
 *   place of the one before, not from the top: a fifth less CPU a row.
 * - log files are used again, which spares a synced write the change of the file's size.
 *
 * A full disk: RocksDB stops taking writes when a flush or its log hits one, and its C interface
 * has no way to resume. So commits are refused while the free space would not hold what is in
 * memory, and when it happened nevertheless the database is closed and opened again as soon as
 * there is room and nobody is inside (users, counted at the gate).
 *
 * Invariants
 * 1. db is only touched by those who entered the gate; it is replaced only while nobody is inside.
 * 2. After an error other than a full disk no commit is taken any more: ERR_IO until the store is
 *    opened again.
 */
#include "table/backend.h"

#include "base/check.h"
#include "base/mem.h"
#include "io/thread.h"
#include "table/cell.h"
#include "table/filter.h"
#include "table/key.h"
#include "table/merge.h"
#include "table/row_cache.h"

#include <rocksdb/c.h>

enum { ROOM_SPARE_BYTES = 4 << 20, ROOM_CHECK_BYTES = 1 << 20, CLOSE_FLUSH_BYTES = 8 << 20 };

struct rocks {
    struct backend base;
    struct backend_options settings;
    char *dir;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write_sync;
    rocksdb_writeoptions_t *write_quick;
    rocksdb_t *db;
    struct row_cache *cache;
    struct io_mutex gate;
    struct io_condition gate_open;
    uint32_t users;     /* atomic */
    bool repairing;     /* atomic; changed with the gate's mutex */
    enum err failed;    /* OK, ERR_DISK_FULL or ERR_IO */
    uint64_t unchecked; /* bytes committed since the free space was looked at */
};

/* RocksDB tells errors as text; the first part that is found decides. */
static const struct {
    const char *part;
    enum err err;
} texts[] = {
    {"No space left", ERR_DISK_FULL},  {"Corruption", ERR_CORRUPT},
    {"lock hold by", ERR_CONFLICT},    {"While lock file", ERR_CONFLICT},
    {"Permission denied", ERR_DENIED}, {"does not exist", ERR_NOT_FOUND},
    {"No such file", ERR_NOT_FOUND},   {"exists", ERR_EXISTS},
    {"Invalid argument", ERR_INVALID},
};

static enum err err_of_text(char *text)
{
    if (!text)
        return OK;
    enum err err = ERR_IO;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && err == ERR_IO; i++)
        if (strstr(text, texts[i].part))
            err = texts[i].err;
    rocksdb_free(text);
    return err;
}

/* ---- the gate ---- */

/* Each read passes here: without the mutex while nobody repairs. One who comes counts itself and
 * then looks whether somebody repairs; one who repairs says so and then looks at the count. */
static void enter(struct rocks *rocks)
{
    for (;;) {
        __atomic_fetch_add(&rocks->users, 1, __ATOMIC_SEQ_CST);
        if (!__atomic_load_n(&rocks->repairing, __ATOMIC_SEQ_CST))
            return;
        __atomic_fetch_sub(&rocks->users, 1, __ATOMIC_SEQ_CST);
        io_mutex_lock(&rocks->gate);
        while (__atomic_load_n(&rocks->repairing, __ATOMIC_SEQ_CST))
            io_condition_wait(&rocks->gate_open, &rocks->gate, -1);
        io_mutex_unlock(&rocks->gate);
    }
}

static void leave(struct rocks *rocks)
{
    __atomic_fetch_sub(&rocks->users, 1, __ATOMIC_SEQ_CST);
}

/* Nobody is inside, and nobody gets in until open_gate(). With the mutex. */
static bool shut_gate(struct rocks *rocks)
{
    __atomic_store_n(&rocks->repairing, true, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&rocks->users, __ATOMIC_SEQ_CST))
        return true;
    __atomic_store_n(&rocks->repairing, false, __ATOMIC_SEQ_CST);
    io_condition_broadcast(&rocks->gate_open);
    return false;
}

static void open_gate(struct rocks *rocks)
{
    __atomic_store_n(&rocks->repairing, false, __ATOMIC_SEQ_CST);
    io_condition_broadcast(&rocks->gate_open);
}

static void fail(struct rocks *rocks, enum err err)
{
    io_mutex_lock(&rocks->gate);
    if (rocks->failed != ERR_IO)
        rocks->failed = err == ERR_DISK_FULL ? ERR_DISK_FULL : ERR_IO;
    io_mutex_unlock(&rocks->gate);
}

static bool has_failed(struct rocks *rocks)
{
    io_mutex_lock(&rocks->gate);
    bool failed = rocks->failed != OK;
    io_mutex_unlock(&rocks->gate);
    return failed;
}

/* ---- the merge operator ---- */

static char *merge_rows(const char *existing, size_t existing_bytes, const char *const *operands,
                        const size_t *operand_bytes, int count, unsigned char *success,
                        size_t *ret_bytes)
{
    enum { FEW = 16 };
    struct str few[FEW];
    size_t rows_count = (size_t)count + (existing != NULL);
    struct str *rows = rows_count <= FEW ? few : mem_array(rows_count, sizeof *rows);
    size_t at = 0;
    if (existing)
        rows[at++] = str_from(existing, existing_bytes);
    for (int i = 0; i < count; i++)
        rows[at++] = str_from(operands[i], operand_bytes[i]);
    struct buf out = {0};
    if (rows_count == 1)
        buf_str_append(&out, rows[0]);
    else
        *success = row_merge(rows, rows_count, &out) == OK;
    if (rows != few)
        mem_free(rows);
    if (!*success)
        buf_deinit(&out);
    *ret_bytes = out.bytes;
    return (char *)out.ptr;
}

static char *full_merge(void *state, const char *key, size_t key_bytes, const char *existing,
                        size_t existing_bytes, const char *const *operands,
                        const size_t *operand_bytes, int count, unsigned char *success,
                        size_t *ret_bytes)
{
    *success = 1;
    return merge_rows(existing, existing_bytes, operands, operand_bytes, count, success, ret_bytes);
}

static char *partial_merge(void *state, const char *key, size_t key_bytes,
                           const char *const *operands, const size_t *operand_bytes, int count,
                           unsigned char *success, size_t *ret_bytes)
{
    *success = 1;
    return merge_rows(NULL, 0, operands, operand_bytes, count, success, ret_bytes);
}

static void merge_free(void *state, const char *value, size_t bytes)
{
    mem_free((void *)(uintptr_t)value);
}

static void nothing(void *state)
{
}

static const char *merge_name(void *state)
{
    return "millrace.row.1";
}

/* ---- opening ---- */

struct table_disk {
    rocksdb_env_t *env;
};

struct table_disk *table_disk_new(void)
{
    struct table_disk *disk = mem_zero(sizeof *disk);
    disk->env = rocksdb_create_mem_env();
    return disk;
}

void table_disk_free(struct table_disk *disk)
{
    if (!disk)
        return;
    rocksdb_env_destroy(disk->env);
    mem_free(disk);
}

static void set_layout(rocksdb_options_t *options, const struct backend_options *settings)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(settings->cache_bytes);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_block_size(table, 4 << 10);
    rocksdb_block_based_options_set_data_block_index_type(
        table, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    rocksdb_block_based_options_set_data_block_hash_ratio(table, 0.75);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    rocksdb_cache_destroy(cache);
    /* The newest files live shortly: compressing them would be work on the way of each row. */
    const int compression[] = {rocksdb_no_compression, rocksdb_lz4_compression};
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_compression_per_level(options, compression, 2);
    rocksdb_options_set_compaction_style(options, rocksdb_universal_compaction);
    rocksdb_universal_compaction_options_t *universal =
        rocksdb_universal_compaction_options_create();
    rocksdb_universal_compaction_options_set_max_size_amplification_percent(universal, 200);
    rocksdb_options_set_universal_compaction_options(options, universal);
    rocksdb_universal_compaction_options_destroy(universal);
    rocksdb_options_set_level0_file_num_compaction_trigger(options, 6);
    rocksdb_options_set_level0_slowdown_writes_trigger(options, 24);
    rocksdb_options_set_level0_stop_writes_trigger(options, 40);
}

static rocksdb_options_t *make_options(const struct backend_options *settings)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, !settings->read_only);
    if (settings->disk)
        rocksdb_options_set_env(options, settings->disk->env);
    rocksdb_options_set_merge_operator(
        options, rocksdb_mergeoperator_create(NULL, nothing, full_merge, partial_merge, merge_free,
                                              merge_name));
    rocksdb_options_set_compaction_filter_factory(
        options, filter_factory_new(settings->now_us, settings->now_owner));
    set_layout(options, settings);
    rocksdb_options_set_write_buffer_size(options, settings->memtable_bytes);
    rocksdb_options_set_max_write_buffer_number(options, 3);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.005);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    rocksdb_options_set_arena_block_size(options, 64 << 10);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_max_open_files(options, 256);
    rocksdb_options_set_max_file_opening_threads(options, 1);
    rocksdb_options_set_table_cache_numshardbits(options, 2);
    rocksdb_options_set_info_log_level(options, 2);
    rocksdb_options_set_max_log_file_size(options, 1 << 20);
    rocksdb_options_set_keep_log_file_num(options, 1);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_skip_checking_sst_file_sizes_on_db_open(options, 1);
    /* Files in memory cannot be used again. */
    rocksdb_options_set_recycle_log_file_num(options, settings->disk ? 0 : 2);
    rocksdb_options_set_wal_recovery_mode(options, rocksdb_point_in_time_recovery);
    rocksdb_options_set_max_manifest_file_size(options, 1 << 20);
    rocksdb_options_set_manifest_preallocation_size(options, 64 << 10);
    rocksdb_options_set_bytes_per_sync(options, 1 << 20);
    /* Has no function of its own. No insert hints (memtable_insert_with_hint_prefix_extractor),
     * though they save a fifth of the CPU: RocksDB 7.8 aborts on them (InlineSkipList::Insert,
     * recompute_height) when rows of two batches interleave. */
    char *text = NULL;
    rocksdb_get_options_from_string(options, "avoid_flush_during_recovery=true;", options, &text);
    check(!text);
    return options;
}

static enum err open_db(struct rocks *rocks, struct diag *diag)
{
    char *text = NULL;
    rocksdb_t *db = rocks->settings.read_only
                        ? rocksdb_open_for_read_only(rocks->options, rocks->dir, 0, &text)
                        : rocksdb_open(rocks->options, rocks->dir, &text);
    if (text) {
        diag_set(diag, ERR_IO, 0, 0, "the table store %s cannot be opened: %s", rocks->dir, text);
        enum err err = err_of_text(text);
        if (diag)
            diag->err = err;
        return err;
    }
    rocks->db = db;
    /* What a commit that failed has left in the log is there from now on. */
    row_cache_clear(rocks->cache);
    return OK;
}

static void rocks_free(struct rocks *rocks)
{
    rocksdb_readoptions_destroy(rocks->read);
    rocksdb_writeoptions_destroy(rocks->write_sync);
    rocksdb_writeoptions_destroy(rocks->write_quick);
    rocksdb_options_destroy(rocks->options);
    row_cache_free(rocks->cache);
    io_mutex_deinit(&rocks->gate);
    io_condition_deinit(&rocks->gate_open);
    mem_free(rocks->dir);
    mem_free(rocks);
}

static void close_db(struct rocks *rocks)
{
    char *text = NULL;
    int flush = 0;
    uint64_t bytes = 0;
    if (!rocks->settings.read_only && !rocks->failed &&
        !rocksdb_property_int(rocks->db, "rocksdb.cur-size-all-mem-tables", &bytes))
        flush = bytes > CLOSE_FLUSH_BYTES;
    if (flush) {
        rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
        rocksdb_flush(rocks->db, options, &text);
        rocksdb_flushoptions_destroy(options);
        rocksdb_free(text); /* the log still has it */
    }
    rocksdb_close(rocks->db);
    rocks->db = NULL;
}

static void rocks_close(struct backend *backend)
{
    struct rocks *rocks = (struct rocks *)backend;
    if (rocks->db)
        close_db(rocks);
    rocks_free(rocks);
}

/* ---- full disks and failures ---- */

/* Whether the disk holds what is in memory, a batch of bytes, and some more. */
static bool has_room(struct rocks *rocks, size_t bytes)
{
    uint64_t memory = 0, free_bytes = 0;
    if (rocks->db)
        rocksdb_property_int(rocks->db, "rocksdb.cur-size-all-mem-tables", &memory);
    if (io_path_free_bytes(rocks->settings.io, rocks->dir, &free_bytes))
        return true;
    return free_bytes > memory + 2 * bytes + ROOM_SPARE_BYTES;
}

/* Opens the database anew after a full disk. Called outside of the gate. */
static enum err repair(struct rocks *rocks)
{
    io_mutex_lock(&rocks->gate);
    enum err err = rocks->failed;
    if (err == ERR_DISK_FULL && !rocks->repairing && has_room(rocks, 0) && shut_gate(rocks)) {
        io_mutex_unlock(&rocks->gate);
        if (rocks->db)
            close_db(rocks);
        err = open_db(rocks, NULL);
        io_mutex_lock(&rocks->gate);
        rocks->failed = err == OK || err == ERR_DISK_FULL ? err : ERR_IO;
        err = rocks->failed;
        open_gate(rocks);
    }
    io_mutex_unlock(&rocks->gate);
    return err;
}

static enum err rocks_health(struct backend *backend)
{
    struct rocks *rocks = (struct rocks *)backend;
    TRY(repair(rocks));
    enter(rocks);
    bool room = has_room(rocks, 0);
    leave(rocks);
    return room ? OK : ERR_DISK_FULL;
}

/* ---- writing ---- */

static enum err commit_inside(struct rocks *rocks, struct str ops, bool sync)
{
    if (!rocks->db)
        return ERR_DISK_FULL;
    uint64_t unchecked = __atomic_add_fetch(&rocks->unchecked, ops.bytes, __ATOMIC_RELAXED);
    if (unchecked > ROOM_CHECK_BYTES || ops.bytes > ROOM_CHECK_BYTES) {
        if (!has_room(rocks, ops.bytes))
            return ERR_DISK_FULL;
        __atomic_store_n(&rocks->unchecked, 0, __ATOMIC_RELAXED);
    }
    char *text = NULL;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create_from(ops.ptr, ops.bytes);
    rocksdb_write(rocks->db, sync ? rocks->write_sync : rocks->write_quick, batch, &text);
    rocksdb_writebatch_destroy(batch);
    enum err err = err_of_text(text);
    if (err)
        fail(rocks, err);
    return err == OK || err == ERR_DISK_FULL ? err : ERR_IO;
}

/* A flush may have met a full disk long ago, when there is room now: repaired, the commit is tried
 * once more. Should the first try have left it in the log, the second changes nothing. */
static enum err rocks_commit(struct backend *backend, struct str ops, bool sync)
{
    struct rocks *rocks = (struct rocks *)backend;
    if (rocks->settings.read_only)
        return ERR_DENIED;
    bool tracked = row_cache_begin(rocks->cache, ops);
    enum err err = OK;
    for (int tries = 0; tries < 2; tries++) {
        err = repair(rocks);
        if (err)
            break;
        enter(rocks);
        err = commit_inside(rocks, ops, sync);
        leave(rocks);
        if (err != ERR_DISK_FULL || !has_failed(rocks))
            break;
    }
    row_cache_end(rocks->cache, ops, tracked);
    return err;
}

static enum err rocks_sync(struct backend *backend)
{
    struct rocks *rocks = (struct rocks *)backend;
    enter(rocks);
    char *text = NULL;
    enum err err = rocks->db && !has_failed(rocks) ? OK : ERR_IO;
    if (!err) {
        rocksdb_flush_wal(rocks->db, !rocks->settings.disk, &text);
        err = err_of_text(text);
        if (err)
            fail(rocks, err);
    }
    leave(rocks);
    return err == OK || err == ERR_DISK_FULL ? err : ERR_IO;
}

/* ---- reading ---- */

struct rocks_snapshot {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read;
};

static void *rocks_snapshot_new(struct backend *backend)
{
    struct rocks *rocks = (struct rocks *)backend;
    enter(rocks);
    if (!rocks->db) {
        leave(rocks);
        return NULL;
    }
    struct rocks_snapshot *snapshot = mem_zero(sizeof *snapshot);
    snapshot->snapshot = rocksdb_create_snapshot(rocks->db);
    snapshot->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(snapshot->read, snapshot->snapshot);
    return snapshot;
}

static void rocks_snapshot_free(struct backend *backend, void *opaque)
{
    struct rocks *rocks = (struct rocks *)backend;
    struct rocks_snapshot *snapshot = opaque;
    rocksdb_readoptions_destroy(snapshot->read);
    rocksdb_release_snapshot(rocks->db, snapshot->snapshot);
    mem_free(snapshot);
    leave(rocks);
}

static enum err rocks_get(struct backend *backend, void *opaque, struct str key, struct buf *out)
{
    struct rocks *rocks = (struct rocks *)backend;
    struct rocks_snapshot *snapshot = opaque;
    enter(rocks);
    enum err err = rocks->db ? OK : ERR_DISK_FULL;
    struct row_ticket ticket = {0};
    bool cached = !snapshot && key.bytes && key.ptr[0] == KEY_ROW;
    bool hit = !err && cached && row_cache_get(rocks->cache, key, out, &ticket);
    if (hit)
        err = buf_error(out);
    if (!err && !hit) {
        char *text = NULL;
        rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(
            rocks->db, snapshot ? snapshot->read : rocks->read, key.ptr, key.bytes, &text);
        err = text ? err_of_text(text) : slice ? OK : ERR_NOT_FOUND;
        if (slice) {
            size_t bytes;
            const char *value = rocksdb_pinnableslice_value(slice, &bytes);
            buf_append(out, value, bytes);
            row_cache_put(rocks->cache, &ticket, key, str_from(value, bytes));
            rocksdb_pinnableslice_destroy(slice);
            err = buf_error(out);
        }
    }
    leave(rocks);
    return err;
}

struct rocks_cursor {
    struct cursor base;
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *read;
    char *bounds; /* from and to, which RocksDB borrows */
    bool reverse;
};

static void cursor_look(struct rocks_cursor *cursor)
{
    cursor->base.valid = rocksdb_iter_valid(cursor->iterator);
    if (cursor->base.valid) {
        cursor->base.key.ptr = rocksdb_iter_key(cursor->iterator, &cursor->base.key.bytes);
        cursor->base.value.ptr = rocksdb_iter_value(cursor->iterator, &cursor->base.value.bytes);
        return;
    }
    char *text = NULL;
    rocksdb_iter_get_error(cursor->iterator, &text);
    cursor->base.err = err_of_text(text);
}

static struct cursor *rocks_cursor_open(struct backend *backend, void *opaque, struct str from,
                                        struct str to, unsigned flags)
{
    struct rocks *rocks = (struct rocks *)backend;
    struct rocks_snapshot *snapshot = opaque;
    struct rocks_cursor *cursor = mem_zero(sizeof *cursor);
    cursor->base.backend = backend;
    bool reverse = flags & CURSOR_REVERSE;
    cursor->reverse = reverse;
    cursor->bounds = mem_alloc(from.bytes + to.bytes + 1);
    memcpy(cursor->bounds, from.ptr, from.bytes);
    memcpy(cursor->bounds + from.bytes, to.ptr, to.bytes);
    cursor->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(cursor->read, snapshot->snapshot);
    rocksdb_readoptions_set_iterate_lower_bound(cursor->read, cursor->bounds, from.bytes);
    rocksdb_readoptions_set_iterate_upper_bound(cursor->read, cursor->bounds + from.bytes,
                                                to.bytes);
    rocksdb_readoptions_set_fill_cache(cursor->read, flags & CURSOR_CACHE ? 1 : 0);
    enter(rocks); /* the snapshot is inside already, so this cannot wait for a repair */
    cursor->iterator = rocksdb_create_iterator(rocks->db, cursor->read);
    if (reverse)
        rocksdb_iter_seek_to_last(cursor->iterator);
    else
        rocksdb_iter_seek_to_first(cursor->iterator);
    cursor_look(cursor);
    return &cursor->base;
}

static void rocks_cursor_next(struct cursor *base)
{
    struct rocks_cursor *cursor = (struct rocks_cursor *)base;
    if (cursor->reverse)
        rocksdb_iter_prev(cursor->iterator);
    else
        rocksdb_iter_next(cursor->iterator);
    cursor_look(cursor);
}

static void rocks_cursor_seek(struct cursor *base, struct str key)
{
    struct rocks_cursor *cursor = (struct rocks_cursor *)base;
    rocksdb_iter_seek(cursor->iterator, key.ptr, key.bytes);
    if (cursor->reverse) {
        /* The last below key: one before the first that is not, or the last of all. */
        if (rocksdb_iter_valid(cursor->iterator))
            rocksdb_iter_prev(cursor->iterator);
        else
            rocksdb_iter_seek_to_last(cursor->iterator);
    }
    cursor_look(cursor);
}

static void rocks_cursor_close(struct cursor *base)
{
    struct rocks_cursor *cursor = (struct rocks_cursor *)base;
    struct rocks *rocks = (struct rocks *)base->backend;
    rocksdb_iter_destroy(cursor->iterator);
    rocksdb_readoptions_destroy(cursor->read);
    mem_free(cursor->bounds);
    mem_free(cursor);
    leave(rocks);
}

/* ---- care ---- */

static uint64_t property(struct rocks *rocks, const char *name)
{
    uint64_t value = 0;
    return rocksdb_property_int(rocks->db, name, &value) ? 0 : value;
}

static void rocks_range_stats(struct backend *backend, struct str from, struct str to,
                              struct table_stats *ret_stats)
{
    struct rocks *rocks = (struct rocks *)backend;
    *ret_stats = (struct table_stats){0};
    enter(rocks);
    if (rocks->db) {
        uint64_t bytes = 0;
        char *text = NULL;
        rocksdb_approximate_sizes(rocks->db, 1, &from.ptr, &from.bytes, &to.ptr, &to.bytes, &bytes,
                                  &text);
        rocksdb_free(text);
        uint64_t keys = property(rocks, "rocksdb.estimate-num-keys");
        uint64_t all = property(rocks, "rocksdb.live-sst-files-size") +
                       property(rocks, "rocksdb.cur-size-all-mem-tables");
        ret_stats->bytes_on_disk = bytes;
        ret_stats->rows_estimated =
            all ? (uint64_t)((double)keys * ((double)bytes / (double)all)) : 0;
    }
    leave(rocks);
}

static enum err rocks_checkpoint(struct backend *backend, const char *dir)
{
    struct rocks *rocks = (struct rocks *)backend;
    enter(rocks);
    char *text = NULL;
    enum err err = rocks->db ? OK : ERR_DISK_FULL;
    rocksdb_checkpoint_t *checkpoint =
        rocks->db ? rocksdb_checkpoint_object_create(rocks->db, &text) : NULL;
    if (checkpoint && !text)
        rocksdb_checkpoint_create(checkpoint, dir, 0, &text);
    if (!err)
        err = err_of_text(text);
    if (checkpoint)
        rocksdb_checkpoint_object_destroy(checkpoint);
    leave(rocks);
    return err;
}

static enum err rocks_flush(struct backend *backend)
{
    struct rocks *rocks = (struct rocks *)backend;
    TRY(repair(rocks));
    enter(rocks);
    char *text = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    if (rocks->db)
        rocksdb_flush(rocks->db, options, &text);
    rocksdb_flushoptions_destroy(options);
    enum err err = rocks->db ? err_of_text(text) : ERR_DISK_FULL;
    if (err)
        fail(rocks, err);
    leave(rocks);
    return err == OK || err == ERR_DISK_FULL ? err : ERR_IO;
}

/* Twice: the first pass folds the operands of each row into one value, which alone the filter
 * gets to see in the second. */
static enum err rocks_compact(struct backend *backend)
{
    TRY(rocks_flush(backend));
    struct rocks *rocks = (struct rocks *)backend;
    enter(rocks);
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(options, 2);
    for (int pass = 0; pass < 2 && rocks->db; pass++)
        rocksdb_compact_range_opt(rocks->db, options, NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(options);
    leave(rocks);
    return OK;
}

static const struct backend_ops rocks_ops = {
    .close = rocks_close,
    .health = rocks_health,
    .commit = rocks_commit,
    .snapshot_new = rocks_snapshot_new,
    .snapshot_free = rocks_snapshot_free,
    .get = rocks_get,
    .cursor_open = rocks_cursor_open,
    .sync = rocks_sync,
    .cursor_next = rocks_cursor_next,
    .cursor_seek = rocks_cursor_seek,
    .cursor_close = rocks_cursor_close,
    .range_stats = rocks_range_stats,
    .checkpoint = rocks_checkpoint,
    .flush = rocks_flush,
    .compact = rocks_compact,
};

enum err rocks_open(const struct backend_options *options, struct diag *diag,
                    struct backend **ret_backend)
{
    if (!options->read_only && !options->disk)
        TRY(io_path_make_directory(options->io, options->dir));
    struct rocks *rocks = mem_zero(sizeof *rocks);
    rocks->base.ops = &rocks_ops;
    rocks->settings = *options;
    rocks->dir = str_dup(str_of(options->dir));
    rocks->options = make_options(options);
    rocks->cache = row_cache_new(options->row_cache_bytes);
    rocks->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(rocks->read, 0);
    rocks->write_quick = rocksdb_writeoptions_create();
    rocks->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->write_sync, 1);
    io_mutex_init(&rocks->gate);
    io_condition_init(&rocks->gate_open);
    enum err err = open_db(rocks, diag);
    if (err) {
        rocks_free(rocks);
        return err;
    }
    *ret_backend = &rocks->base;
    return OK;
}
