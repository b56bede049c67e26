/* SPDX-License-Identifier: MIT */
/*
 * The compaction filter: takes out of the files what no reader can see any more, which are expired
 * cells and tombstones a day after their time, and what the deletion of a partition covers.
 *
 * Invariants
 * 1. Only compactions of all files purge. There RocksDB shows the filter a row's value only when
 *    no older part of it is elsewhere on disk and no newer part is among the files, so what goes
 *    cannot uncover anything that is stored. What is still in memory is younger than a day but for
 *    its timestamps: as in Cassandra after gc_grace_seconds, a write that comes with a timestamp
 *    older than a purged tombstone stands.
 * 2. Operands of merges are never touched; the row is seen once they are folded, at the next such
 *    compaction.
 * 3. Deletions of partitions and of ranges themselves stay: rows that were operands this time need
 *    them.
 * 4. A scan that lasts longer than the grace may miss rows that expired during it, nothing else.
 */
#include "table/filter.h"

#include "base/endian.h"
#include "base/mem.h"
#include "table/key.h"
#include "table/merge.h"

enum { FILTER_KEEP = 0, FILTER_REMOVE = 1 };

struct factory {
    int64_t (*now_us)(void *owner);
    void *owner;
};

struct filter {
    int64_t purge_before_s;
    bool active;
    struct buf partition; /* of the last head of a partition that was seen */
    struct head head;
    struct buf row;
};

static void filter_free(void *state)
{
    struct filter *filter = state;
    buf_deinit(&filter->partition);
    head_deinit(&filter->head);
    buf_deinit(&filter->row);
    mem_free(filter);
}

/* What is deleted of the row of key. The head of a partition has a key that ends in its kind, and
 * all keys of the partition begin with what is before. */
static struct deletion covering(const struct filter *filter, struct str key)
{
    size_t kind_at = filter->partition.bytes;
    if (!kind_at || key.bytes <= kind_at || memcmp(key.ptr, filter->partition.ptr, kind_at) != 0)
        return DELETION_NONE;
    int64_t timestamp_us = filter->head.deletion.timestamp_us;
    if (key.ptr[kind_at] == KEY_REGULAR_ROW)
        timestamp_us = head_cover(&filter->head, str_slice(key, kind_at + 1, key.bytes));
    return (struct deletion){.timestamp_us = timestamp_us, .time_s = INT64_MAX};
}

static bool note_head(struct filter *filter, struct str key, struct str value)
{
    struct row_reader reader;
    if (row_reader_init(&reader, value) || !reader.deletion.of_partition)
        return false;
    buf_reset(&filter->partition);
    buf_append(&filter->partition, key.ptr, key.bytes - 1);
    if (head_load(&filter->head, value))
        buf_reset(&filter->partition);
    return true;
}

static unsigned char filter_row(void *state, int level, const char *key_ptr, size_t key_bytes,
                                const char *value, size_t value_bytes, char **ret_value,
                                size_t *ret_bytes, unsigned char *ret_changed)
{
    struct filter *filter = state;
    struct str key = str_from(key_ptr, key_bytes), row = str_from(value, value_bytes);
    *ret_changed = 0;
    if (!filter->active || key.bytes <= KEY_PREFIX_BYTES || key.ptr[0] != KEY_ROW)
        return FILTER_KEEP;
    if (note_head(filter, key, row))
        return FILTER_KEEP;
    bool changed = false;
    struct deletion cover = covering(filter, key);
    buf_reset(&filter->row);
    if (row_purge(row, &cover, filter->purge_before_s, &changed, &filter->row) || !changed)
        return FILTER_KEEP;
    if (!filter->row.bytes)
        return FILTER_REMOVE;
    *ret_changed = 1;
    *ret_value = (char *)filter->row.ptr;
    *ret_bytes = filter->row.bytes;
    return FILTER_KEEP;
}

static const char *filter_name(void *state)
{
    return "millrace.purge.1";
}

static rocksdb_compactionfilter_t *filter_create(void *state,
                                                 rocksdb_compactionfiltercontext_t *context)
{
    struct factory *factory = state;
    struct filter *filter = mem_zero(sizeof *filter);
    filter->head.deletion = DELETION_NONE;
    filter->active = rocksdb_compactionfiltercontext_is_full_compaction(context);
    filter->purge_before_s = factory->now_us(factory->owner) / 1000000 - FILTER_GRACE_S;
    return rocksdb_compactionfilter_create(filter, filter_free, filter_row, filter_name);
}

rocksdb_compactionfilterfactory_t *filter_factory_new(int64_t (*now_us)(void *owner), void *owner)
{
    struct factory *factory = mem_zero(sizeof *factory);
    factory->now_us = now_us;
    factory->owner = owner;
    return rocksdb_compactionfilterfactory_create(factory, mem_free, filter_create, filter_name);
}
