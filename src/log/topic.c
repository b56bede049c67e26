/* SPDX-License-Identifier: MIT */
/*
 * Topics: a directory "topics/NAME" with a file "topic" that says what it is, and the files of all
 * its partitions.
 *
 *   0 magic "MRT3"   4 crc32c of everything behind it   8 state u8: 1 there, 2 being deleted
 *   9 compact u8   10 log append time u8   11 compression u8   12 id, 16 bytes
 *  28 partitions i32   32 message bytes max i32   36 retention ms i64   44 retention bytes i64
 *  52 segment bytes i64   60 segment ms i64   68 compact and delete u8   69 sync each u8
 *  70 zero u16   72 delete retention ms i64   80 compaction lag min ms i64   88 the same, max, i64
 *  96 dirty ratio min, u64 as the bits of a double  104 time before max ms i64
 * 112 time after max ms i64   120 recompress u8   121 zero, 3 bytes   124 settings, each: name
 * bytes u32, name, value bytes u32, value; sorted by name
 *
 * Files of the first version, "MRT1", end before 68, those of the second, "MRT2", have their
 * settings at 104. Both are read too.
 *
 * The topic exists from the moment when that file is durable until it says "being deleted". Opening
 * finishes what a crash left half: a directory without the file holds nothing else and goes, one
 * being deleted goes too. Handles live until the log is closed, so a deleted topic's costs its few
 * hundred bytes until then.
 */
#include "log/remote.h"
#include "log/store.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FILE_BYTES_1 = 68,
    FILE_BYTES_2 = 104,
    FILE_BYTES = 124,
    MAGIC_1 = 0x4D525431,
    MAGIC_2 = 0x4D525432,
    MAGIC = 0x4D525433,
    THERE = 1,
    DELETING = 2,
    NAME_MAX_BYTES = 249,
    SETTINGS_BYTES_MAX = 256 << 10,
    HOUR_MS = 3600 * 1000,
    DAY_MS = 24 * 3600 * 1000,
};

void log_topic_config_default(struct log_topic_config *config)
{
    *config = (struct log_topic_config){
        .partitions = 1, .retention_ms = 7 * (int64_t)DAY_MS, .retention_bytes = -1};
}

void log_topic_path(const struct log_topic *topic, const char *file, struct log_path *ret_path)
{
    snprintf(ret_path->text, sizeof ret_path->text, "%s/topics/%s%s%s", topic->log->dir,
             topic->name, file ? "/" : "", file ? file : "");
}

static enum err config_normal(struct log_topic_config *config, struct diag *diag)
{
    if (config->segment_bytes == 0)
        config->segment_bytes = LOG_SEGMENT_BYTES_DEFAULT;
    if (config->segment_ms == 0)
        config->segment_ms = 7 * (int64_t)DAY_MS;
    if (config->message_bytes_max == 0)
        config->message_bytes_max = LOG_MESSAGE_BYTES_DEFAULT;
    if (config->delete_retention_ms == 0)
        config->delete_retention_ms = DAY_MS;
    if (config->dirty_ratio_min <= 0)
        config->dirty_ratio_min = 0.5;
    if (config->time_before_max_ms == 0)
        config->time_before_max_ms = INT64_MAX;
    if (config->time_after_max_ms == 0)
        config->time_after_max_ms = HOUR_MS;
    if (config->partitions < 1 || config->partitions > LOG_PARTITIONS_MAX)
        return diag_set(diag, ERR_INVALID, 0, 0, "a topic has 1 to %d partitions, not %" PRId32,
                        (int)LOG_PARTITIONS_MAX, config->partitions);
    if (config->segment_bytes < 0 || config->segment_bytes > LOG_SEGMENT_BYTES_MAX)
        return diag_set(diag, ERR_INVALID, 0, 0, "segment bytes are 1 to %d",
                        (int)LOG_SEGMENT_BYTES_MAX);
    if (config->segment_ms < 0 || config->message_bytes_max < 0 || config->retention_ms < -1 ||
        config->retention_bytes < -1 || !codec_name(config->compression) ||
        config->delete_retention_ms < 0 || config->compaction_lag_min_ms < 0 ||
        config->compaction_lag_max_ms < 0 || !(config->dirty_ratio_min <= 1) ||
        config->time_before_max_ms < 0 || config->time_after_max_ms < 0)
        return diag_set(diag, ERR_INVALID, 0, 0, "a setting of the topic is out of range");
    return OK;
}

static bool name_good(struct str name)
{
    if (name.bytes == 0 || name.bytes > NAME_MAX_BYTES || str_equal(name, STR(".")) ||
        str_equal(name, STR("..")))
        return false;
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!good)
            return false;
    }
    return true;
}

/* ---- the file ------------------------------------------------------------------------------ */

static enum err save(struct log_topic *topic, const struct log_topic_config *config,
                     struct str settings, int state)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct log_path path;
    uint64_t ratio;
    memcpy(&ratio, &config->dirty_ratio_min, sizeof ratio);
    buf_be32(&out, MAGIC);
    buf_be32(&out, 0);
    buf_u8(&out, (uint8_t)state);
    buf_u8(&out, config->compact);
    buf_u8(&out, config->log_append_time);
    buf_u8(&out, (uint8_t)config->compression);
    buf_append(&out, topic->id, LOG_TOPIC_ID);
    buf_be32(&out, (uint32_t)config->partitions);
    buf_be32(&out, (uint32_t)config->message_bytes_max);
    buf_be64(&out, (uint64_t)config->retention_ms);
    buf_be64(&out, (uint64_t)config->retention_bytes);
    buf_be64(&out, (uint64_t)config->segment_bytes);
    buf_be64(&out, (uint64_t)config->segment_ms);
    buf_u8(&out, config->compact_and_delete);
    buf_u8(&out, config->sync_each);
    buf_be16(&out, 0);
    buf_be64(&out, (uint64_t)config->delete_retention_ms);
    buf_be64(&out, (uint64_t)config->compaction_lag_min_ms);
    buf_be64(&out, (uint64_t)config->compaction_lag_max_ms);
    buf_be64(&out, ratio);
    buf_be64(&out, (uint64_t)config->time_before_max_ms);
    buf_be64(&out, (uint64_t)config->time_after_max_ms);
    buf_be32(&out, (uint32_t)config->recompress << 24);
    buf_str_append(&out, settings);
    TRY(buf_error(&out));
    buf_patch_be32(&out, 4, crc32c(0, out.ptr + 8, out.bytes - 8));
    log_topic_path(topic, "topic", &path);
    return io_path_replace(topic->log->io, path.text, out.ptr, out.bytes);
}

static bool settings_good(struct str settings)
{
    struct reader r = reader_of(settings.ptr, settings.bytes);
    while (r.err == OK && r.left) {
        reader_str(&r, reader_be32(&r));
        reader_str(&r, reader_be32(&r));
    }
    return r.err == OK;
}

static void read_config(struct reader *r, struct log_topic_config *config, uint32_t magic)
{
    config->partitions = (int32_t)reader_be32(r);
    config->message_bytes_max = (int32_t)reader_be32(r);
    config->retention_ms = (int64_t)reader_be64(r);
    config->retention_bytes = (int64_t)reader_be64(r);
    config->segment_bytes = (int64_t)reader_be64(r);
    config->segment_ms = (int64_t)reader_be64(r);
    if (magic == MAGIC_1)
        return;
    config->compact_and_delete = reader_u8(r);
    config->sync_each = reader_u8(r);
    reader_be16(r);
    config->delete_retention_ms = (int64_t)reader_be64(r);
    config->compaction_lag_min_ms = (int64_t)reader_be64(r);
    config->compaction_lag_max_ms = (int64_t)reader_be64(r);
    uint64_t ratio = reader_be64(r);
    memcpy(&config->dirty_ratio_min, &ratio, sizeof ratio);
    if (magic == MAGIC_2)
        return;
    config->time_before_max_ms = (int64_t)reader_be64(r);
    config->time_after_max_ms = (int64_t)reader_be64(r);
    config->recompress = reader_be32(r) >> 24;
}

static enum err load(struct log_topic *topic, int *ret_state)
{
    CLEAN(buf_deinit) struct buf in = {0};
    struct log_path path;
    log_topic_path(topic, "topic", &path);
    TRY(io_path_read(topic->log->io, path.text, FILE_BYTES + SETTINGS_BYTES_MAX, &in));
    if (in.bytes < FILE_BYTES_1 || get_be32(in.ptr + 4) != crc32c(0, in.ptr + 8, in.bytes - 8))
        return ERR_CORRUPT;
    uint32_t magic = get_be32(in.ptr);
    if (magic == MAGIC_1 ? in.bytes != FILE_BYTES_1
                         : (magic != MAGIC_2 || in.bytes < FILE_BYTES_2) &&
                               (magic != MAGIC || in.bytes < FILE_BYTES))
        return ERR_CORRUPT;
    struct log_topic_config *config = &topic->config;
    struct reader r = reader_of(in.ptr + 8, in.bytes - 8);
    *ret_state = reader_u8(&r);
    config->compact = reader_u8(&r);
    config->log_append_time = reader_u8(&r);
    config->compression = (enum codec)reader_u8(&r);
    memcpy(topic->id, reader_str(&r, LOG_TOPIC_ID).ptr, LOG_TOPIC_ID);
    read_config(&r, config, magic);
    if (!settings_good(str_from(r.ptr, r.left)))
        return ERR_CORRUPT;
    buf_append(&topic->settings, r.ptr, r.left);
    return config_normal(config, NULL) == OK ? OK : ERR_CORRUPT;
}

/* ---- memory -------------------------------------------------------------------------------- */

static struct log_topic *topic_new(struct log *log, struct str name)
{
    struct log_topic *topic = mem_zero(sizeof *topic);
    topic->log = log;
    topic->name = str_dup(name);
    topic->offsets = str_equal(name, STR(LOG_OFFSETS_TOPIC));
    return topic;
}

static struct log_partition **partitions_new(struct log_topic *topic, int32_t from, int32_t count,
                                             struct log_partition **old)
{
    struct log_partition **partitions = mem_array((size_t)count, sizeof(struct log_partition *));
    if (from)
        memcpy(partitions, old, (size_t)from * sizeof *partitions);
    for (int32_t i = from; i < count; i++) {
        partitions[i] = mem_zero(sizeof **partitions);
        partitions[i]->log = topic->log;
        partitions[i]->topic = topic;
        partitions[i]->index = i;
        partitions[i]->recovery_base = -1;
    }
    return partitions;
}

static void topic_free(struct log_topic *topic)
{
    for (int32_t i = 0; topic->partitions && i < topic->config.partitions; i++) {
        struct log_partition *partition = topic->partitions[i];
        for (size_t k = 0; k < partition->segment_count; k++)
            log_segment_unref(partition->segments[k]);
        mem_free(partition->segments);
        log_producers_free(partition->producers);
        mem_free(partition->expected);
        mem_free(partition->epochs);
        mem_free(partition);
    }
    mem_free(topic->partitions);
    buf_deinit(&topic->settings);
    mem_free(topic->name);
    mem_free(topic);
}

void log_topics_free(struct log *log)
{
    for (struct log_topic *topic = log->topic_list; topic;) {
        struct log_topic *next = topic->next;
        topic_free(topic);
        topic = next;
    }
    map_deinit(&log->topics);
    map_deinit(&log->topic_ids);
}

static void topic_add(struct log *log, struct log_topic *topic)
{
    io_mutex_lock(&log->lock);
    topic->next = log->topic_list;
    log->topic_list = topic;
    map_set(&log->topics, str_of(topic->name), topic);
    map_set(&log->topic_ids, str_from(topic->id, LOG_TOPIC_ID), topic);
    io_mutex_unlock(&log->lock);
}

struct log_topic *log_topic_by_id(struct log *log, const uint8_t *id)
{
    return map_get(&log->topic_ids, str_from(id, LOG_TOPIC_ID));
}

/* ---- opening ------------------------------------------------------------------------------- */

/* "12-00000000000000000345.log" */
static bool segment_name(struct str name, int64_t *ret_partition, int64_t *ret_base)
{
    struct str rest = name, part;
    if (!str_ends(name, STR(".log")))
        return false;
    rest.bytes -= 4;
    return str_cut(&rest, '-', &part) && rest.bytes == 20 &&
           str_to_i64(part, ret_partition) == OK && str_to_i64(rest, ret_base) == OK &&
           *ret_partition >= 0 && *ret_base >= 0;
}

/* "12.start" and "12-00000000000000000345.producers": what opening need not look for elsewhere. */
static void take_other_name(struct log_topic *topic, struct str name)
{
    struct str rest = name, part;
    int64_t index;
    bool start = str_ends(name, STR(".start")), snapshot = str_ends(name, STR(".producers"));
    if ((!start && !snapshot) || !str_cut(&rest, start ? '.' : '-', &part) ||
        str_to_i64(part, &index) != OK || index < 0 || index >= topic->config.partitions)
        return;
    topic->partitions[index]->start_file |= start;
    topic->partitions[index]->snapshot_files |= snapshot;
}

/* Names come sorted, so each partition's segments are in the order of their offsets. What a
 * compaction left half goes. */
static void take_names(struct log_topic *topic, char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t index, base;
        if (!segment_name(str_of(names[i]), &index, &base) || index >= topic->config.partitions) {
            struct log_path path;
            take_other_name(topic, str_of(names[i]));
            log_topic_path(topic, names[i], &path);
            if (str_ends(str_of(names[i]), STR(".compacting")) && !topic->log->options.read_only &&
                io_path_remove(topic->log->io, path.text) != OK)
                continue; /* it is in nobody's way */
            continue;
        }
        struct log_partition *partition = topic->partitions[index];
        if (partition->segment_count == partition->segment_room) {
            partition->segment_room = partition->segment_room ? partition->segment_room * 2 : 2;
            partition->segments = mem_realloc_array(partition->segments, partition->segment_room,
                                                    sizeof(struct log_segment *));
        }
        partition->segments[partition->segment_count++] = log_segment_new(partition, base);
    }
}

/* Removals are not ordered on the disk: the file that says what the others are goes last, when
 * they are gone for sure. */
static enum err remove_files(struct log *log, const char *directory)
{
    char **names;
    size_t count;
    TRY(io_path_list(log->io, directory, &names, &count));
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        struct log_path path;
        if (strcmp(names[i], "topic") == 0)
            continue;
        if ((size_t)snprintf(path.text, sizeof path.text, "%s/%s", directory, names[i]) <
            sizeof path.text)
            err = io_path_remove_tree(log->io, path.text);
    }
    if (err == OK && count > 1)
        err = io_path_sync_directory(log->io, directory);
    io_names_free(names, count);
    return err == OK ? io_path_remove_tree(log->io, directory) : err;
}

/* A directory that is not a topic: gone when a crash explains it. */
static enum err clear_remains(struct log *log, const char *path, bool deleting, size_t names)
{
    if (!deleting && names > 1)
        return ERR_CORRUPT;
    return log->options.read_only ? OK : remove_files(log, path);
}

static enum err load_topic(struct log *log, struct str name)
{
    struct log_topic *topic = topic_new(log, name);
    struct log_path path;
    char **names = NULL;
    size_t count = 0;
    int state = 0;
    log_topic_path(topic, NULL, &path);
    enum err err = io_path_list(log->io, path.text, &names, &count);
    if (err == OK)
        err = load(topic, &state);
    if (err == ERR_NOT_FOUND || (err == OK && state != THERE)) {
        err = clear_remains(log, path.text, err == OK && state == DELETING, count);
        topic_free(topic);
    } else if (err == OK) {
        topic->partitions = partitions_new(topic, 0, topic->config.partitions, NULL);
        take_names(topic, names, count);
        topic_add(log, topic);
    } else {
        topic_free(topic);
    }
    if (names)
        io_names_free(names, count);
    return err;
}

enum err log_topics_load(struct log *log, struct diag *diag)
{
    struct log_path path;
    char **names;
    size_t count;
    snprintf(path.text, sizeof path.text, "%s/topics", log->dir);
    TRY(io_path_list(log->io, path.text, &names, &count));
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        if (!name_good(str_of(names[i])))
            continue;
        err = load_topic(log, str_of(names[i]));
        if (err != OK)
            diag_set(diag, err, 0, 0, "topic %s cannot be opened: %s", names[i], err_text(err));
    }
    io_names_free(names, count);
    return err;
}

/* ---- create, change, delete ---------------------------------------------------------------- */

static enum err create_files(struct log *log, struct log_topic *topic)
{
    struct log_path path, parent;
    log_topic_path(topic, NULL, &path);
    snprintf(parent.text, sizeof parent.text, "%s/topics", log->dir);
    /* Remains of a deletion that failed halfway must not become part of the new one. */
    struct io_stat stat;
    if (io_path_stat(log->io, path.text, &stat) == OK) {
        TRY(remove_files(log, path.text));
        TRY(io_path_sync_directory(log->io, parent.text));
    }
    TRY(io_path_make_directory(log->io, path.text));
    TRY(io_path_sync_directory(log->io, parent.text));
    return save(topic, &topic->config, STR_NONE, THERE);
}

enum err log_topic_create(struct log *log, struct str name, const struct log_topic_config *config,
                          struct diag *diag, struct log_topic **ret_topic)
{
    struct log_topic_config normal = *config;
    if (!name_good(name))
        return diag_set(diag, ERR_INVALID, 0, 0,
                        "a topic's name is 1 to %d of a-z A-Z 0-9 . _ - and not . or ..",
                        (int)NAME_MAX_BYTES);
    TRY(config_normal(&normal, diag));
    if (log->remote)
        return remote_topic_create(log, name, config, diag, ret_topic);
    if (log->options.read_only)
        return diag_set(diag, ERR_DENIED, 0, 0, "the log is open for reading only");
    log_turn_begin(log);
    enum err err = log_health(log);
    if (log_topic_find(log, name))
        err = diag_set(diag, ERR_EXISTS, 0, 0, "topic %.*s exists already", STR_ARG(name));
    if (err == OK) {
        struct log_topic *topic = topic_new(log, name);
        topic->config = normal;
        io_random(log->io, topic->id, sizeof topic->id);
        err = create_files(log, topic);
        if (err == OK) {
            topic->partitions = partitions_new(topic, 0, normal.partitions, NULL);
            topic_add(log, topic);
            *ret_topic = topic;
        } else {
            /* What was not made durable may not be found at the next opening either. */
            struct log_path path;
            log_topic_path(topic, NULL, &path);
            enum err removed = io_path_remove_tree(log->io, path.text);
            (void)removed;
            diag_set(diag, err, 0, 0, "topic %s cannot be made: %s", topic->name, err_text(err));
            topic_free(topic);
        }
    }
    log_turn_end(log);
    return err;
}

void log_topic_grow(struct log_topic *topic, int32_t partitions)
{
    int32_t before = topic->config.partitions;
    struct log_partition **old = topic->partitions, **grown;
    if (partitions <= before)
        return;
    grown = partitions_new(topic, before, partitions, old);
    io_mutex_lock(&topic->log->lock);
    topic->partitions = grown;
    topic->config.partitions = partitions;
    io_mutex_unlock(&topic->log->lock);
    mem_free(old);
}

struct log_topic *log_topic_adopt(struct log *log, struct str name, const uint8_t *id,
                                  const struct log_topic_config *config)
{
    struct log_topic *topic = topic_new(log, name);
    topic->config = *config;
    memcpy(topic->id, id, sizeof topic->id);
    topic->partitions = partitions_new(topic, 0, config->partitions, NULL);
    topic_add(log, topic);
    return topic;
}

static bool same_config(const struct log_topic_config *a, const struct log_topic_config *b)
{
    return a->partitions == b->partitions && a->retention_ms == b->retention_ms &&
           a->retention_bytes == b->retention_bytes && a->segment_bytes == b->segment_bytes &&
           a->segment_ms == b->segment_ms && a->message_bytes_max == b->message_bytes_max &&
           a->compression == b->compression && a->compact == b->compact &&
           a->log_append_time == b->log_append_time &&
           a->compact_and_delete == b->compact_and_delete && a->sync_each == b->sync_each &&
           a->delete_retention_ms == b->delete_retention_ms &&
           a->compaction_lag_min_ms == b->compaction_lag_min_ms &&
           a->compaction_lag_max_ms == b->compaction_lag_max_ms &&
           a->time_before_max_ms == b->time_before_max_ms &&
           a->time_after_max_ms == b->time_after_max_ms && a->recompress == b->recompress &&
           !(a->dirty_ratio_min < b->dirty_ratio_min) && !(a->dirty_ratio_min > b->dirty_ratio_min);
}

enum err log_topic_configure(struct log_topic *topic, const struct log_topic_config *config)
{
    struct log *log = topic->log;
    struct log_topic_config normal = *config;
    TRY(config_normal(&normal, NULL));
    if (log->remote)
        return remote_topic_configure(topic, config);
    if (log->options.read_only)
        return ERR_DENIED;
    log_turn_begin(log);
    enum err err = topic->deleted ? ERR_CLOSED : OK;
    if (err == OK && normal.partitions < topic->config.partitions)
        err = ERR_INVALID;
    bool same = err == OK && same_config(&normal, &topic->config);
    if (err == OK && !same)
        err = save(topic, &normal, buf_str(&topic->settings), THERE);
    if (err == OK && !same) {
        int32_t partitions = normal.partitions;
        io_mutex_lock(&log->lock);
        normal.partitions = topic->config.partitions;
        topic->config = normal;
        io_mutex_unlock(&log->lock);
        log_topic_grow(topic, partitions);
    }
    log_turn_end(log);
    return err;
}

/* Nobody finds it, waits for it or reads from it any more. */
void log_topic_forget(struct log *log, struct log_topic *topic)
{
    io_mutex_lock(&log->lock);
    topic->deleted = true;
    map_remove(&log->topics, str_of(topic->name));
    map_remove(&log->topic_ids, str_from(topic->id, LOG_TOPIC_ID));
    for (int32_t i = 0; i < topic->config.partitions; i++) {
        struct log_partition *partition = topic->partitions[i];
        log_cache_forget(&log->cache, partition);
        log_watches_fire(partition);
        log_producers_free(partition->producers);
        partition->producers = NULL;
        partition->expected_count = 0;
        for (size_t k = 0; k < partition->segment_count; k++)
            partition->segments[k]->dropped = true;
    }
    io_mutex_unlock(&log->lock);
}

enum err log_topic_delete(struct log *log, struct str name)
{
    struct log_path path, parent;
    if (log->remote)
        return remote_topic_delete(log, name);
    if (log->options.read_only)
        return ERR_DENIED;
    log_turn_begin(log);
    struct log_topic *topic = log_topic_find(log, name);
    enum err err = topic ? OK : ERR_NOT_FOUND;
    if (topic && log->group.stuck)
        err = ERR_DISK_FULL;
    if (err == OK)
        err = save(topic, &topic->config, STR_NONE, DELETING);
    if (err == OK) {
        log_topic_forget(log, topic);
        log_topic_path(topic, NULL, &path);
        snprintf(parent.text, sizeof parent.text, "%s/topics", log->dir);
        /* It is deleted whatever comes now; what stays behind goes at the next opening. But the
         * name may be used again at once, so nothing may be left of the old in the directory. */
        err = remove_files(log, path.text);
        if (err == OK)
            err = io_path_sync_directory(log->io, parent.text);
    }
    log_turn_end(log);
    return err;
}

/* ---- settings ------------------------------------------------------------------------------ */

static int by_setting(const void *a, const void *b)
{
    const struct log_topic_setting *x = a, *y = b;
    return str_compare(x->name, y->name);
}

static void put_setting(struct buf *out, struct str s)
{
    buf_be32(out, (uint32_t)s.bytes);
    buf_str_append(out, s);
}

enum err log_topic_settings_set(struct log_topic *topic, const struct log_topic_setting *settings,
                                size_t count)
{
    struct log *log = topic->log;
    CLEAN(buf_deinit) struct buf out = {0};
    if (log->remote)
        return ERR_UNSUPPORTED;
    if (log->options.read_only)
        return ERR_DENIED;
    CLEAN(mem_free_at) struct log_topic_setting *sorted = mem_array(count + 1, sizeof *sorted);
    if (count)
        memcpy(sorted, settings, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_setting);
    for (size_t i = 0; i < count; i++) {
        if (i && str_equal(sorted[i - 1].name, sorted[i].name))
            return ERR_INVALID;
        put_setting(&out, sorted[i].name);
        put_setting(&out, sorted[i].value);
        if (out.bytes > SETTINGS_BYTES_MAX)
            return ERR_LIMIT;
    }
    TRY(buf_error(&out));
    log_turn_begin(log);
    enum err err = topic->deleted ? ERR_CLOSED : log_health(log);
    if (err == OK && !str_equal(buf_str(&out), buf_str(&topic->settings)))
        err = save(topic, &topic->config, buf_str(&out), THERE);
    if (err == OK) {
        io_mutex_lock(&log->lock);
        struct buf old = topic->settings;
        topic->settings = out;
        out = old;
        io_mutex_unlock(&log->lock);
    }
    log_turn_end(log);
    return err;
}

size_t log_topic_settings(const struct log_topic *topic, struct arena *arena,
                          struct log_topic_setting **ret_settings)
{
    size_t count = 0, i = 0;
    io_mutex_lock(&topic->log->lock);
    struct str all = arena_str(arena, buf_str(&topic->settings));
    io_mutex_unlock(&topic->log->lock);
    for (struct reader r = reader_of(all.ptr, all.bytes); r.left; count++) {
        reader_str(&r, reader_be32(&r));
        reader_str(&r, reader_be32(&r));
    }
    struct log_topic_setting *settings = arena_array(arena, count + 1, sizeof *settings);
    for (struct reader r = reader_of(all.ptr, all.bytes); r.left; i++) {
        settings[i].name = reader_str(&r, reader_be32(&r));
        settings[i].value = reader_str(&r, reader_be32(&r));
    }
    *ret_settings = settings;
    return count;
}

/* ---- looking ------------------------------------------------------------------------------- */

struct log_topic *log_topic_find(struct log *log, struct str name)
{
    io_mutex_lock(&log->lock);
    struct log_topic *topic = map_get(&log->topics, name);
    io_mutex_unlock(&log->lock);
    /* One whose ends are not known would look empty. */
    return topic && log->remote && remote_topic_want(topic) != OK ? NULL : topic;
}

struct log_topic *log_topic_find_id(struct log *log, const uint8_t *id)
{
    io_mutex_lock(&log->lock);
    struct log_topic *topic = log_topic_by_id(log, id);
    io_mutex_unlock(&log->lock);
    return topic;
}

bool log_topic_is_internal(const struct log_topic *topic)
{
    return topic->offsets || str_equal(str_of(topic->name), STR(LOG_TRANSACTIONS_TOPIC));
}

static int by_name(const void *a, const void *b)
{
    const struct log_topic *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

size_t log_topics(struct log *log, struct log_topic ***ret_topics)
{
    size_t count = 0;
    if (log->remote)
        remote_topics_look(log->remote);
    io_mutex_lock(&log->lock);
    struct log_topic **topics = mem_array(log->topics.count + 1, sizeof(struct log_topic *));
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        if (!topic->deleted)
            topics[count++] = topic;
    io_mutex_unlock(&log->lock);
    qsort(topics, count, sizeof *topics, by_name);
    *ret_topics = topics;
    return count;
}

struct str log_topic_name(const struct log_topic *topic)
{
    return str_of(topic->name);
}

const uint8_t *log_topic_id(const struct log_topic *topic)
{
    return topic->id;
}

struct log_topic_config log_topic_config(const struct log_topic *topic)
{
    io_mutex_lock(&topic->log->lock);
    struct log_topic_config config = topic->config;
    io_mutex_unlock(&topic->log->lock);
    return config;
}

int32_t log_topic_partitions(const struct log_topic *topic)
{
    return log_topic_config(topic).partitions;
}

struct log_partition *log_topic_partition(struct log_topic *topic, int32_t index)
{
    io_mutex_lock(&topic->log->lock);
    struct log_partition *partition =
        index >= 0 && index < topic->config.partitions ? topic->partitions[index] : NULL;
    io_mutex_unlock(&topic->log->lock);
    return partition;
}

int32_t log_partition_index(const struct log_partition *partition)
{
    return partition->index;
}

struct log_topic *log_partition_topic(const struct log_partition *partition)
{
    return partition->topic;
}

int64_t log_partition_start(const struct log_partition *partition)
{
    io_mutex_lock(&partition->log->lock);
    int64_t start = partition->start;
    io_mutex_unlock(&partition->log->lock);
    return start;
}

int64_t log_partition_end(const struct log_partition *partition)
{
    io_mutex_lock(&partition->log->lock);
    int64_t end = partition->end;
    io_mutex_unlock(&partition->log->lock);
    return end;
}

uint64_t log_partition_bytes(const struct log_partition *partition)
{
    uint64_t bytes = 0;
    io_mutex_lock(&partition->log->lock);
    for (size_t i = 0; i < partition->segment_count; i++)
        bytes += partition->segments[i]->bytes;
    io_mutex_unlock(&partition->log->lock);
    return bytes;
}
