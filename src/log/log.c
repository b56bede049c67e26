/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing, the disk thread, and turns.
 *
 * All work on files happens in turns, one at a time: the disk thread takes one for each group, and
 * a caller who creates or deletes a topic takes one in between. Callers go first, since a mutex
 * alone would let a busy disk thread take the next turn again and again.
 *
 * Layout of the directory: lock, checkpoint, journal, topics/NAME/{topic, P-OFFSET.log,
 * P-OFFSET.index, P-OFFSET.producers, P.start}, epochs; see docs/formats/log.md.
 */
#include "log/remote.h"
#include "log/store.h"

#include "base/mem.h"

#include <stdio.h>

enum {
    UPKEEP_MS = 5000,
    EXPIRE_MS = 600 * 1000,
    IDLE_MS = 1000,
    RETRY_MS = 100,
    CHECKPOINT_BYTES = 256 << 20,
    JOURNAL_NUMBER_BITS = 2,
};

int64_t log_wall_ms(struct log *log)
{
    return io_wall_us(log->io) / 1000;
}

bool log_writable(struct log *log)
{
    uint64_t bytes;
    return log->lock_file && io_file_size(log->lock_file, &bytes) == OK;
}

void log_set_health(struct log *log, enum err health)
{
    io_mutex_lock(&log->lock);
    /* A disk that failed once is not trusted again. */
    if (log->health != ERR_IO)
        log->health = health == OK || health == ERR_DISK_FULL ? health : ERR_IO;
    io_mutex_unlock(&log->lock);
}

const char *log_dir(const struct log *log)
{
    return log->dir;
}

enum err log_health(struct log *log)
{
    io_mutex_lock(&log->lock);
    enum err health = log->health;
    io_mutex_unlock(&log->lock);
    return health;
}

/* ---- turns --------------------------------------------------------------------------------- */

void log_turn_begin(struct log *log)
{
    io_mutex_lock(&log->lock);
    log->turn_waiting++;
    while (log->busy)
        io_condition_wait(&log->turn, &log->lock, -1);
    log->turn_waiting--;
    log->busy = true;
    io_mutex_unlock(&log->lock);
}

void log_turn_end(struct log *log)
{
    io_mutex_lock(&log->lock);
    log->busy = false;
    io_condition_broadcast(&log->turn);
    io_mutex_unlock(&log->lock);
}

static void turn_begin_last(struct log *log)
{
    io_mutex_lock(&log->lock);
    while (log->busy || log->turn_waiting)
        io_condition_wait(&log->turn, &log->lock, -1);
    log->busy = true;
    io_mutex_unlock(&log->lock);
}

/* Retention, checkpoint and the syncs of LOG_INTERVAL, when due. */
static bool upkeep(struct log *log)
{
    int64_t now_ns = io_now_ns(log->io);
    bool did = false;
    enum err err = OK;
    if (log_health(log) == ERR_IO)
        return false;
    if (log->options.durability == LOG_INTERVAL && now_ns >= log->sync_ns) {
        log->sync_ns = now_ns + log->options.interval_ms * 1000000LL;
        did = log->dirty_count > 0;
        if (log_dirty_sync(log, true) != OK)
            err = ERR_IO;
    }
    if (err == OK && now_ns >= log->upkeep_ns) {
        log->upkeep_ns = now_ns + UPKEEP_MS * 1000000LL;
        did |= log_retention(log);
    }
    if (now_ns >= log->expire_ns) {
        log->expire_ns = now_ns + EXPIRE_MS * 1000000LL;
        log_producers_expire(log, log_wall_ms(log));
    }
    if (err == OK && log->bytes_since_checkpoint >= CHECKPOINT_BYTES && log_health(log) == OK) {
        err = log_checkpoint_write(log, false);
        did = true;
    }
    if (err != OK)
        log_set_health(log, err);
    return did;
}

bool log_step(struct log *log)
{
    bool did = false;
    if (log->options.read_only || log->remote)
        return false;
    turn_begin_last(log);
    while (log_commit(log)) {
        did = true;
        io_mutex_lock(&log->lock);
        bool more = log->queue_head && !log->turn_waiting;
        io_mutex_unlock(&log->lock);
        if (!more)
            break;
    }
    did |= upkeep(log);
    log_turn_end(log);
    return did;
}

static int64_t wait_ms(const struct log *log)
{
    int64_t wait = log->health == ERR_DISK_FULL ? RETRY_MS : IDLE_MS;
    if (log->options.durability == LOG_INTERVAL && log->options.interval_ms < wait)
        wait = log->options.interval_ms;
    return wait;
}

static void run(void *arg)
{
    struct log *log = arg;
    for (bool stop = false; !stop;) {
        io_mutex_lock(&log->lock);
        int64_t wait_ns = log->queue_head || log->stopping ? 0 : wait_ms(log) * 1000000LL;
        stop = log->stopping;
        io_mutex_unlock(&log->lock);
        if (wait_ns)
            io_bell_wait(&log->bell, wait_ns);
        if (!stop)
            log_step(log);
    }
}

/* ---- opening ------------------------------------------------------------------------------- */

/* The directory and its entry in its parent. */
static enum err make_directory(struct log *log)
{
    struct log_path path, parent;
    snprintf(path.text, sizeof path.text, "%s/topics", log->dir);
    struct io_stat stat;
    if (io_path_stat(log->io, path.text, &stat) == OK)
        return OK;
    TRY(io_path_make_directory(log->io, path.text));
    enum err err = io_path_sync_directory(log->io, log->dir);
    if (err != OK) {
        /* A name whose sync failed is seen and not there: nobody may find it later. */
        enum err removed = io_path_remove_tree(log->io, path.text);
        (void)removed;
        return err;
    }
    snprintf(parent.text, sizeof parent.text, "%s", log->dir);
    char *slash = strrchr(parent.text, '/');
    if (slash == parent.text)
        slash[1] = 0;
    else if (slash)
        *slash = 0;
    return io_path_sync_directory(log->io, slash ? parent.text : ".");
}

static enum err take_lock(struct log *log, struct diag *diag)
{
    struct log_path path;
    snprintf(path.text, sizeof path.text, "%s/lock", log->dir);
    enum err err = io_file_lock(log->io, path.text, &log->lock_file);
    if (err != OK) {
        log->lock_file = NULL;
        return diag_set(diag, err, 0, 0,
                        err == ERR_CONFLICT ? "%s is open in another process"
                                            : "%s cannot be locked",
                        log->dir);
    }
    return OK;
}

static enum err open_files(struct log *log, struct diag *diag)
{
    bool clean;
    if (!log->options.read_only) {
        enum err err = make_directory(log);
        if (err != OK)
            return diag_set(diag, err, 0, 0, "%s cannot be made: %s", log->dir, err_text(err));
        TRY(take_lock(log, diag));
    }
    TRY(log_topics_load(log, diag));
    enum err err = log_checkpoint_read(log, &clean);
    if (err == OK && !clean && !log->options.read_only)
        err = log_journal_replay(log);
    if (err == OK)
        err = log_epochs_load(log);
    if (err == OK)
        err = log_recover(log, clean, diag);
    if (err == OK && !log->options.read_only) {
        err = log_journal_reset(log);
        /* From here on the clean mark is not on the disk. */
        if (err == OK)
            err = log_checkpoint_write(log, false);
    }
    if (err == OK)
        err = log_offsets_load(log);
    return diag_set(diag, err, 0, 0, "%s cannot be opened: %s", log->dir, err_text(err));
}

struct log *log_new(struct io *io, const char *dir, const struct log_options *options)
{
    struct log *log = mem_zero(sizeof *log);
    log->io = io;
    snprintf(log->dir, sizeof log->dir, "%s", dir);
    log->options = *options;
    if (log->options.queue_bytes_max == 0)
        log->options.queue_bytes_max = LOG_QUEUE_BYTES_DEFAULT;
    if (log->options.cache_bytes_max == 0)
        log->options.cache_bytes_max = LOG_CACHE_BYTES_DEFAULT;
    if (log->options.interval_ms <= 0)
        log->options.interval_ms = 1;
    io_mutex_init(&log->lock);
    io_mutex_init(&log->files.lock);
    io_condition_init(&log->wake);
    io_condition_init(&log->turn);
    log_cache_init(&log->cache, log->options.cache_bytes_max);
    buf_init(&log->group.copies, 0);
    int64_t now_ns = io_now_ns(io);
    log->upkeep_ns = now_ns + UPKEEP_MS * 1000000LL;
    log->expire_ns = now_ns + EXPIRE_MS * 1000000LL;
    log->sync_ns = now_ns + log->options.interval_ms * 1000000LL;
    return log;
}

void log_free(struct log *log)
{
    while (log->dirty_count)
        log_segment_unref(log->dirty[--log->dirty_count]);
    mem_free(log->dirty);
    log_offsets_free(log);
    log_ports_free(log);
    log_cache_deinit(&log->cache);
    log_topics_free(log);
    log_group_deinit(&log->group);
    buf_deinit(&log->journal.head);
    io_file_close(log->journal.file);
    io_file_close(log->lock_file);
    io_condition_deinit(&log->turn);
    io_condition_deinit(&log->wake);
    io_mutex_deinit(&log->files.lock);
    io_mutex_deinit(&log->lock);
    mem_free(log);
}

enum err log_open(struct io *io, const char *dir, const struct log_options *options,
                  struct diag *diag, struct log **ret_log)
{
    if (strlen(dir) >= LOG_DIR_MAX)
        return diag_set(diag, ERR_LIMIT, 0, 0, "the path of the log is longer than %d bytes",
                        LOG_DIR_MAX - 1);
    struct log *log = log_new(io, dir, options);
    enum err err = open_files(log, diag);
    if (err == OK) {
        /* Frames of other openings must never look like the next one of this. */
        io_random(io, &log->journal.sequence, sizeof log->journal.sequence);
        log->journal.sequence >>= JOURNAL_NUMBER_BITS;
        if (log->options.own_thread && !log->options.read_only)
            err = io_thread_start(io, "log", run, log, &log->thread);
        if (err != OK) {
            log->thread = NULL;
            diag_set(diag, err, 0, 0, "the disk thread cannot be started");
        }
    }
    if (err != OK) {
        log_free(log);
        return err;
    }
    *ret_log = log;
    return OK;
}

/* ---- closing ------------------------------------------------------------------------------- */

static enum err end_cleanly(struct log *log)
{
    struct log_path path;
    TRY(log_journal_reset(log));
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next) {
        log_topic_path(topic, NULL, &path);
        if (topic->directory_dirty && !topic->deleted)
            TRY(io_path_sync_directory(log->io, path.text));
        for (int32_t i = 0; !topic->deleted && i < topic->config.partitions; i++) {
            struct log_segment *active = log_partition_active(topic->partitions[i]);
            if (active && active->index_count)
                TRY(log_index_save(active));
        }
    }
    return log_checkpoint_write(log, true);
}

void log_close(struct log *log)
{
    if (!log)
        return;
    if (log->remote) {
        remote_close(log);
        return;
    }
    io_mutex_lock(&log->lock);
    log->stopping = true;
    io_mutex_unlock(&log->lock);
    io_bell_ring(&log->bell);
    io_thread_join(log->thread);
    /* A simulated crash takes the lock away: nothing may be written to that disk any more. */
    bool writable = log_writable(log);
    while (writable && log_commit(log))
        ;
    log_queue_fail(log, ERR_CLOSED);
    struct log_group *group = &log->group;
    if (group->stuck)
        log_complete(log, group->items, group->item_count, ERR_DISK_FULL);
    if (writable && !group->stuck && !log->journal.torn && log->health != ERR_IO) {
        enum err err = end_cleanly(log);
        (void)err; /* without the mark the next opening looks at more */
    }
    log_free(log);
}
