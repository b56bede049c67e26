/* SPDX-License-Identifier: MIT */
/*
 * Consumer offsets: records of the compacted topic __consumer_offsets, in the form that Kafka gives
 * them there, and a map of the newest in memory.
 *
 *   key    version i16 = 1, group (i16 length, bytes), topic (the same), partition i32
 *   value  version i16 = 3, offset i64, leader epoch i32, metadata (i16 length, bytes), commit
 *          time i64 (ms); no value takes the commit back. Versions 0 and 1 have no leader epoch.
 *
 * Records of other key versions (2: what a group is) share the topic and are passed over.
 *
 * The map follows the topic: a commit enters it when its batch is acknowledged, by whichever way it
 * was appended, and opening reads the topic from its start. So offsets are as durable as every
 * other append, and are one with a group that they are part of.
 *
 * Commits of a transactional batch wait, by producer, for the marker in this topic. A commit enters
 * the map only over one of a lower record offset: what was committed plainly behind a pending one
 * stays, as compaction will have it too. A commit that is taken back takes pending ones of its key
 * along, as in Kafka.
 */
#include "log/remote.h"
#include "log/store.h"

#include "base/mem.h"

#include <stdlib.h>

enum {
    KEY_VERSION = 1,
    VALUE_VERSION = 3,
    NAME_BYTES_MAX = INT16_MAX,
    SEGMENT_BYTES = 16 << 20,
    LOAD_BYTES = 1 << 20,
    INFLATED_MAX = 64 << 20,
};

/* The newest commit of a key; offset -1: taken back, by a record at record_offset. Clients may
 * commit what is below that (-2 for "from the earliest"). */
struct entry {
    int64_t offset, commit_ms, record_offset;
    int32_t leader_epoch;
    uint32_t metadata_bytes;
    char metadata[];
};
/* A commit that waits for its marker. */
struct commit {
    char *key;
    size_t key_bytes;
    struct entry *entry;
};
struct log_offsets_pending {
    int64_t producer_id;
    struct commit *commits;
    size_t count, room;
    struct log_offsets_pending *next;
};
/* How many pending commits a key has. */
struct pending_key {
    size_t count;
};

/* ---- records ------------------------------------------------------------------------------- */

static void put_name(struct buf *out, struct str name)
{
    buf_be16(out, (uint16_t)name.bytes);
    buf_str_append(out, name);
}

static void put_key(struct buf *out, struct str group, struct str topic, int32_t partition)
{
    buf_be16(out, KEY_VERSION);
    put_name(out, group);
    put_name(out, topic);
    buf_be32(out, (uint32_t)partition);
}

static struct str read_name(struct reader *r)
{
    size_t bytes = reader_be16(r);
    return reader_str(r, bytes);
}

static bool read_key(struct str key, struct log_group_offset *ret_offset)
{
    struct reader r = reader_of(key.ptr, key.bytes);
    if (reader_be16(&r) != KEY_VERSION)
        return false;
    ret_offset->group = read_name(&r);
    ret_offset->topic = read_name(&r);
    ret_offset->partition = (int32_t)reader_be32(&r);
    return r.err == OK && r.left == 0;
}

/* A new entry, or NULL when it is of no version that we know. */
static struct entry *read_value(struct str value, int64_t record_offset)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    uint16_t version = reader_be16(&r);
    int64_t offset = (int64_t)reader_be64(&r);
    int32_t leader_epoch = version == VALUE_VERSION ? (int32_t)reader_be32(&r) : -1;
    struct str metadata = read_name(&r);
    int64_t commit_ms = (int64_t)reader_be64(&r);
    if (r.err != OK || version > VALUE_VERSION || version == 2 || offset == -1)
        return NULL;
    struct entry *entry = mem_alloc(sizeof *entry + metadata.bytes);
    *entry = (struct entry){.offset = offset,
                            .commit_ms = commit_ms,
                            .record_offset = record_offset,
                            .leader_epoch = leader_epoch,
                            .metadata_bytes = (uint32_t)metadata.bytes};
    if (metadata.bytes)
        memcpy(entry->metadata, metadata.ptr, metadata.bytes);
    return entry;
}

static struct entry *entry_gone(int64_t record_offset)
{
    struct entry *entry = mem_alloc(sizeof *entry);
    *entry = (struct entry){.offset = -1, .record_offset = record_offset, .leader_epoch = -1};
    return entry;
}

static void put_value(struct buf *out, const struct log_group_offset *o, int64_t commit_ms)
{
    buf_be16(out, VALUE_VERSION);
    buf_be64(out, (uint64_t)o->offset);
    buf_be32(out, (uint32_t)o->leader_epoch);
    put_name(out, o->metadata);
    buf_be64(out, (uint64_t)commit_ms);
}

static enum err add_commit(struct record_batch_builder *builder, struct buf *text,
                           const struct log_group_offset *o, int64_t now_ms)
{
    if (o->group.bytes > NAME_BYTES_MAX || o->topic.bytes > NAME_BYTES_MAX ||
        o->metadata.bytes > NAME_BYTES_MAX)
        return ERR_INVALID;
    buf_reset(text);
    put_key(text, o->group, o->topic, o->partition);
    size_t key_bytes = text->bytes;
    put_value(text, o, o->commit_ms ? o->commit_ms : now_ms);
    TRY(buf_error(text));
    struct str value = str_from(text->ptr + key_bytes, text->bytes - key_bytes);
    record_batch_builder_add(builder, now_ms, str_from(text->ptr, key_bytes),
                             o->offset == -1 ? STR_NONE : value, NULL, 0);
    return OK;
}

static enum err encode(struct log *log, struct record_batch_builder *builder,
                       const struct log_group_offset *offsets, size_t count, struct buf *out)
{
    CLEAN(buf_deinit) struct buf text = {0};
    int64_t now_ms = log_wall_ms(log);
    enum err err = count ? OK : ERR_INVALID;
    for (size_t i = 0; i < count && err == OK; i++)
        err = add_commit(builder, &text, &offsets[i], now_ms);
    if (err == OK)
        err = record_batch_builder_finish(builder, out);
    record_batch_builder_deinit(builder);
    return err;
}

enum err log_offset_encode(struct log *log, const struct log_group_offset *offsets, size_t count,
                           struct buf *out)
{
    struct record_batch_builder builder;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    return encode(log, &builder, offsets, count, out);
}

enum err log_offset_encode_txn(struct log *log, const struct log_group_offset *offsets,
                               size_t count, int64_t producer_id, int16_t producer_epoch,
                               struct buf *out)
{
    struct record_batch_builder builder;
    if (producer_id < 0 || producer_epoch < 0)
        return ERR_INVALID;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    /* No sequence: the coordinator appends these, not the producer. */
    builder.producer_id = producer_id;
    builder.producer_epoch = producer_epoch;
    builder.attributes = BATCH_TRANSACTIONAL;
    return encode(log, &builder, offsets, count, out);
}

/* ---- the map ------------------------------------------------------------------------------- */

/* Takes the entry. A commit taken back stays in the map only while older ones may still come. */
static void set_entry(struct log *log, struct str key, struct entry *entry)
{
    const struct entry *old = map_get(&log->offsets, key);
    if (old && old->record_offset > entry->record_offset)
        mem_free(entry);
    else if (entry->offset == -1 && !log->offsets_pending) {
        mem_free(map_remove(&log->offsets, key));
        mem_free(entry);
    } else {
        mem_free(map_set(&log->offsets, key, entry));
    }
}

static struct log_offsets_pending **find_pending(struct log *log, int64_t producer_id)
{
    struct log_offsets_pending **at = &log->offsets_pending;
    while (*at && (*at)->producer_id != producer_id)
        at = &(*at)->next;
    return at;
}

static void add_pending(struct log *log, int64_t producer_id, struct str key, struct entry *entry)
{
    struct log_offsets_pending **at = find_pending(log, producer_id), *pending = *at;
    if (!pending) {
        pending = *at = mem_zero(sizeof *pending);
        pending->producer_id = producer_id;
    }
    if (pending->count == pending->room) {
        pending->room = pending->room ? pending->room * 2 : 8;
        pending->commits =
            mem_realloc_array(pending->commits, pending->room, sizeof *pending->commits);
    }
    pending->commits[pending->count++] = (struct commit){str_dup(key), key.bytes, entry};
    struct pending_key *of_key = map_get(&log->offsets_pending_keys, key);
    if (!of_key) {
        of_key = mem_zero(sizeof *of_key);
        map_set(&log->offsets_pending_keys, key, of_key);
    }
    of_key->count++;
}

static void uncount_pending(struct log *log, struct str key)
{
    struct pending_key *of_key = map_get(&log->offsets_pending_keys, key);
    if (of_key && --of_key->count == 0)
        mem_free(map_remove(&log->offsets_pending_keys, key));
}

/* The key was taken back: what waits for a marker is not to come any more. */
static void drop_pending(struct log *log, struct str key)
{
    for (struct log_offsets_pending *p = log->offsets_pending; p; p = p->next) {
        size_t kept = 0;
        for (size_t i = 0; i < p->count; i++) {
            struct commit *one = &p->commits[i];
            if (!str_equal(str_from(one->key, one->key_bytes), key)) {
                p->commits[kept++] = *one;
                continue;
            }
            uncount_pending(log, key);
            mem_free(one->entry);
            mem_free(one->key);
        }
        p->count = kept;
    }
}

/* The commits go into the map, or away. */
static void end_pending(struct log *log, int64_t producer_id, bool commit)
{
    struct log_offsets_pending **at = find_pending(log, producer_id), *pending = *at;
    if (!pending)
        return;
    for (size_t i = 0; i < pending->count; i++) {
        struct commit *one = &pending->commits[i];
        struct str key = str_from(one->key, one->key_bytes);
        uncount_pending(log, key);
        if (commit)
            set_entry(log, key, one->entry);
        else
            mem_free(one->entry);
        mem_free(one->key);
    }
    *at = pending->next;
    mem_free(pending->commits);
    mem_free(pending);
}

static void apply_record(struct log *log, const struct record_batch *batch,
                         const struct record *record)
{
    struct log_group_offset o;
    if (!record->key.ptr || !read_key(record->key, &o))
        return; /* records of other kinds share the topic */
    struct entry *entry =
        record->value.ptr ? read_value(record->value, record->offset) : entry_gone(record->offset);
    if (!entry)
        return;
    if (batch->attributes & BATCH_TRANSACTIONAL) {
        add_pending(log, batch->producer_id, record->key, entry);
        return;
    }
    if (entry->offset == -1 && map_get(&log->offsets_pending_keys, record->key))
        drop_pending(log, record->key);
    set_entry(log, record->key, entry);
}

void log_offsets_apply(struct log *log, const struct record_batch *batch)
{
    struct record_iterator it;
    struct record record;
    bool commit;
    if (batch->attributes & BATCH_CONTROL) {
        if (log_marker_decode(batch, &commit, NULL) == OK)
            end_pending(log, batch->producer_id, commit);
        return;
    }
    if (record_iterator_init(&it, batch, INFLATED_MAX) != OK)
        return;
    while (record_iterator_next(&it, &record))
        apply_record(log, batch, &record);
    record_iterator_deinit(&it);
}

enum err log_offsets_load(struct log *log)
{
    CLEAN(buf_deinit) struct buf batches = {0};
    struct log_topic *topic = log_topic_find(log, STR(LOG_OFFSETS_TOPIC));
    if (!topic)
        return OK;
    struct log_partition *partition = log_topic_partition(topic, 0);
    struct log_read read = {.offset_next = log_partition_start(partition)};
    while (read.offset_next < log_partition_end(partition)) {
        buf_reset(&batches);
        TRY(log_read(partition, read.offset_next, LOAD_BYTES, &batches, &read));
        for (size_t at = 0; at < batches.bytes;) {
            struct record_batch batch;
            TRY(record_batch_parse(batches.ptr + at, batches.bytes - at, true, &batch));
            io_mutex_lock(&log->lock);
            log_offsets_apply(log, &batch);
            io_mutex_unlock(&log->lock);
            at += batch.bytes_count;
        }
    }
    return OK;
}

void log_offsets_free(struct log *log)
{
    size_t i = 0;
    while (log->offsets_pending)
        end_pending(log, log->offsets_pending->producer_id, false);
    map_deinit(&log->offsets_pending_keys);
    for (struct map_entry *e; (e = map_next(&log->offsets, &i));)
        mem_free(e->value);
    map_deinit(&log->offsets);
}

/* ---- what callers use ---------------------------------------------------------------------- */

enum err log_offsets_partition(struct log *log, struct log_partition **ret_partition)
{
    if (log->remote)
        return ERR_UNSUPPORTED;
    struct log_topic *topic = log_topic_find(log, STR(LOG_OFFSETS_TOPIC));
    if (!topic) {
        struct log_topic_config config;
        log_topic_config_default(&config);
        config.retention_ms = -1;
        config.segment_bytes = SEGMENT_BYTES;
        config.compact = true;
        enum err err = log_topic_create(log, STR(LOG_OFFSETS_TOPIC), &config, NULL, &topic);
        if (err == ERR_EXISTS) /* somebody was faster */
            topic = log_topic_find(log, STR(LOG_OFFSETS_TOPIC));
        else
            TRY(err);
        if (!topic)
            return ERR_CLOSED;
    }
    *ret_partition = log_topic_partition(topic, 0);
    return OK;
}

enum err log_offset_commit(struct log *log, struct str group, struct str topic, int32_t partition,
                           int64_t offset, struct str metadata)
{
    CLEAN(buf_deinit) struct buf batch = {0};
    struct log_group_offset o = {.group = group,
                                 .topic = topic,
                                 .partition = partition,
                                 .offset = offset,
                                 .leader_epoch = -1,
                                 .metadata = metadata};
    struct log_partition *to;
    if (log->remote)
        return remote_offset_commit(log, group, topic, partition, offset, metadata);
    TRY(log_offset_encode(log, &o, 1, &batch));
    TRY(log_offsets_partition(log, &to));
    return log_append_wait(to, batch.ptr, batch.bytes, NULL);
}

int64_t log_offset_fetch(struct log *log, struct str group, struct str topic, int32_t partition)
{
    CLEAN(buf_deinit) struct buf key = {0};
    if (log->remote)
        return remote_offset_fetch(log, group, topic, partition);
    if (group.bytes > NAME_BYTES_MAX || topic.bytes > NAME_BYTES_MAX)
        return -1;
    put_key(&key, group, topic, partition);
    io_mutex_lock(&log->lock);
    const struct entry *entry = map_get(&log->offsets, buf_str(&key));
    int64_t offset = entry ? entry->offset : -1;
    io_mutex_unlock(&log->lock);
    return offset;
}

/* Under log->lock. */
static void take_entry(struct arena *arena, const struct entry *entry, struct log_group_offset *o)
{
    o->offset = entry->offset;
    o->leader_epoch = entry->leader_epoch;
    o->commit_ms = entry->commit_ms;
    o->metadata = arena_str(arena, str_from(entry->metadata, entry->metadata_bytes));
}

enum err log_offset_get(struct log *log, struct str group, struct str topic, int32_t partition,
                        struct arena *arena, struct log_group_offset *ret_offset, bool *ret_pending)
{
    CLEAN(buf_deinit) struct buf key = {0};
    struct log_group_offset o = {.partition = partition};
    if (group.bytes > NAME_BYTES_MAX || topic.bytes > NAME_BYTES_MAX)
        return ERR_NOT_FOUND;
    put_key(&key, group, topic, partition);
    io_mutex_lock(&log->lock);
    const struct entry *entry = map_get(&log->offsets, buf_str(&key));
    bool there = entry && entry->offset != -1;
    if (there)
        take_entry(arena, entry, &o);
    if (ret_pending)
        *ret_pending = map_get(&log->offsets_pending_keys, buf_str(&key)) != NULL;
    io_mutex_unlock(&log->lock);
    if (!there)
        return ERR_NOT_FOUND;
    o.group = arena_str(arena, group);
    o.topic = arena_str(arena, topic);
    *ret_offset = o;
    return OK;
}

static int by_names(const void *a, const void *b)
{
    const struct log_group_offset *x = a, *y = b;
    int order = str_compare(x->group, y->group);
    if (order == 0)
        order = str_compare(x->topic, y->topic);
    if (order == 0)
        order = (x->partition > y->partition) - (x->partition < y->partition);
    return order;
}

struct listing {
    struct arena *arena;
    struct log_group_offset *offsets;
    size_t count, room;
};

/* Under log->lock. */
static void list_add(struct listing *list, struct log_group_offset o, const struct entry *entry)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        struct log_group_offset *more = arena_array(list->arena, list->room, sizeof *more);
        if (list->count)
            memcpy(more, list->offsets, list->count * sizeof *more);
        list->offsets = more;
    }
    o.group = arena_str(list->arena, o.group);
    o.topic = arena_str(list->arena, o.topic);
    if (entry)
        take_entry(list->arena, entry, &o);
    list->offsets[list->count++] = o;
}

static size_t list_end(struct log *log, struct listing *list, struct log_group_offset **ret_offsets)
{
    io_mutex_unlock(&log->lock);
    if (list->count)
        qsort(list->offsets, list->count, sizeof *list->offsets, by_names);
    *ret_offsets = list->offsets;
    return list->count;
}

static bool of_group(const struct map_entry *e, struct str group, struct log_group_offset *ret)
{
    return read_key(str_from(e->key, e->key_bytes), ret) &&
           (!group.ptr || str_equal(group, ret->group));
}

size_t log_offsets(struct log *log, struct str group, struct arena *arena,
                   struct log_group_offset **ret_offsets)
{
    struct listing list = {.arena = arena};
    struct log_group_offset o;
    size_t i = 0;
    io_mutex_lock(&log->lock);
    for (struct map_entry *e; (e = map_next(&log->offsets, &i));) {
        const struct entry *entry = e->value;
        if (entry->offset != -1 && of_group(e, group, &o))
            list_add(&list, o, entry);
    }
    return list_end(log, &list, ret_offsets);
}

size_t log_offsets_pending(struct log *log, struct str group, struct arena *arena,
                           struct log_group_offset **ret_offsets)
{
    struct listing list = {.arena = arena};
    struct log_group_offset o = {.offset = -1, .leader_epoch = -1, .metadata = STR("")};
    size_t i = 0;
    io_mutex_lock(&log->lock);
    for (struct map_entry *e; (e = map_next(&log->offsets_pending_keys, &i));)
        if (of_group(e, group, &o))
            list_add(&list, o, NULL);
    return list_end(log, &list, ret_offsets);
}
