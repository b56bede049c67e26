/* SPDX-License-Identifier: MIT */
/*
 * What goes: whole segments, oldest first, once all their records are older than retention_ms, or
 * as long as what stays is at least retention_bytes. The active segment is ended first when
 * everything in it is too old, by its records and by the clock since it began, so that records that
 * come with old timestamps are not gone before anybody could read them. Trimming moves the start
 * into the middle of a segment; the segment goes when it is wholly below.
 *
 * The start is made durable first, then the files go. After a crash in between, opening finds the
 * segments below the start, in whatever set the disk kept, and removes them.
 *
 * Compacted topics are not cut by age or size, unless they shall be both.
 */
#include "log/store.h"

static enum err move_start(struct log_partition *partition, int64_t start)
{
    struct log *log = partition->log;
    if (start > partition->start) {
        TRY(log_partition_start_save(partition, start));
        io_mutex_lock(&log->lock);
        partition->start = start;
        io_mutex_unlock(&log->lock);
    }
    size_t below = 0;
    while (below + 1 < partition->segment_count &&
           partition->segments[below + 1]->base_offset <= partition->start)
        below++;
    return log_partition_drop(partition, below);
}

static bool too_old(struct log_segment *segment, int64_t before_ms)
{
    if (segment->max_timestamp == LOG_TIME_UNKNOWN && log_index_need(segment) != OK)
        return false;
    return segment->max_timestamp < before_ms;
}

/* How many leading finished segments may go. */
static size_t count_old(struct log_partition *partition, const struct log_topic_config *config,
                        int64_t now_ms)
{
    uint64_t bytes = 0;
    size_t count = 0, finished = partition->segment_count ? partition->segment_count - 1 : 0;
    for (size_t i = 0; i < partition->segment_count; i++)
        bytes += partition->segments[i]->bytes;
    for (; count < finished; count++) {
        struct log_segment *segment = partition->segments[count];
        bool by_size = config->retention_bytes >= 0 &&
                       bytes - segment->bytes >= (uint64_t)config->retention_bytes;
        bool by_time = config->retention_ms >= 0 && too_old(segment, now_ms - config->retention_ms);
        if (!by_size && !by_time)
            break;
        bytes -= segment->bytes;
    }
    return count;
}

static bool active_is_old(struct log_partition *partition, const struct log_topic_config *config,
                          int64_t now_ms)
{
    struct log_segment *active = log_partition_active(partition);
    int64_t before_ms = now_ms - config->retention_ms;
    return active && active->bytes && config->retention_ms >= 0 && active->created_ms < before_ms &&
           too_old(active, before_ms);
}

/* What is in the active segment cannot be compacted there. */
static bool waits_too_long(struct log_partition *partition, const struct log_topic_config *config,
                           int64_t now_ms)
{
    const struct log_segment *active = log_partition_active(partition);
    return config->compaction_lag_max_ms && active->bytes &&
           now_ms - active->created_ms >= config->compaction_lag_max_ms;
}

/* Producers may put anything into a topic that was not compacted when they wrote: what cannot be
 * walked is left alone until the next opening, and does not hold up the others. */
static enum err compact(struct log_partition *partition)
{
    if (partition->not_compactable)
        return OK;
    enum err err = log_compact(partition);
    partition->not_compactable = err == ERR_CORRUPT || err == ERR_LIMIT;
    return err;
}

static enum err retain(struct log_partition *partition, bool *ret_did)
{
    struct log *log = partition->log;
    const struct log_topic_config *config = &partition->topic->config;
    int64_t now_ms = log_wall_ms(log);
    bool may_write = log_health(log) == OK && !log->group.stuck;
    if (config->compact && may_write && partition->segment_count) {
        if (waits_too_long(partition, config, now_ms))
            TRY(log_partition_roll(partition));
        TRY(compact(partition));
    }
    if (config->compact && !config->compact_and_delete)
        return OK;
    size_t count = count_old(partition, config, now_ms);
    if (count + 1 == partition->segment_count && may_write &&
        active_is_old(partition, config, now_ms)) {
        TRY(log_partition_roll(partition));
        count++;
    }
    *ret_did = count > 0;
    return count ? move_start(partition, partition->segments[count]->base_offset) : OK;
}

bool log_retention(struct log *log)
{
    bool did = false;
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        for (int32_t i = 0; !topic->deleted && i < topic->config.partitions; i++) {
            bool some = false;
            enum err err = retain(topic->partitions[i], &some);
            did |= some;
            if (err == ERR_IO)
                log_set_health(log, ERR_IO);
            if (err == ERR_IO || err == ERR_DISK_FULL)
                return did; /* again at the next turn that is due */
        }
    return did;
}

enum err log_partition_trim(struct log_partition *partition, int64_t offset)
{
    struct log *log = partition->log;
    if (log->remote)
        return ERR_UNSUPPORTED;
    if (log->options.read_only)
        return ERR_DENIED;
    log_turn_begin(log);
    enum err err = partition->topic->deleted ? ERR_CLOSED : OK;
    if (err == OK && log_health(log) == ERR_IO)
        err = ERR_IO;
    if (err == OK && (offset < 0 || offset > partition->end))
        err = ERR_OUT_OF_RANGE;
    if (err == OK)
        err = move_start(partition, offset);
    if (err == ERR_IO)
        log_set_health(log, ERR_IO);
    log_turn_end(log);
    return err;
}
