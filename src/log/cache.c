/* SPDX-License-Identifier: MIT */
/*
 * The newest small batches of all partitions, in a ring of bytes: readers at the end of a log get
 * them without a system call and without an open file. First in, first out over all partitions,
 * so each partition's batches leave oldest first and what is left of one is always its newest,
 * without a gap. A batch that does not go in breaks that, and the partition starts anew.
 * Under log->lock.
 */
#include "log/store.h"

#include "base/mem.h"

enum { ITEM_BYTES_TYPICAL = 512 };

void log_cache_init(struct log_cache *cache, size_t bytes_max)
{
    cache->room = bytes_max;
    cache->item_room = bytes_max / ITEM_BYTES_TYPICAL + 16;
}

void log_cache_deinit(struct log_cache *cache)
{
    mem_free(cache->ring);
    mem_free(cache->items);
}

static struct log_cached *oldest(struct log_cache *cache)
{
    size_t index = cache->item_head + cache->item_room - cache->item_count;
    return &cache->items[index % cache->item_room];
}

static void drop_oldest(struct log_cache *cache)
{
    struct log_cached *item = oldest(cache);
    cache->item_count--;
    if (!item->partition)
        return;
    item->partition->cached_oldest = item->newer;
    *(item->newer ? &item->newer->older : &item->partition->cached_newest) = NULL;
}

void log_cache_forget(struct log_cache *cache, struct log_partition *partition)
{
    (void)cache;
    for (struct log_cached *item = partition->cached_oldest; item; item = item->newer)
        item->partition = NULL;
    partition->cached_oldest = partition->cached_newest = NULL;
}

/* A place of that many bytes behind the newest, or at the beginning of the ring. */
static size_t make_room(struct log_cache *cache, size_t bytes)
{
    if (cache->room - cache->head < bytes) {
        while (cache->item_count && oldest(cache)->at >= cache->head)
            drop_oldest(cache);
        cache->head = 0;
    }
    while (cache->item_count && oldest(cache)->at >= cache->head &&
           oldest(cache)->at < cache->head + bytes)
        drop_oldest(cache);
    if (cache->item_count == cache->item_room)
        drop_oldest(cache);
    return cache->head;
}

void log_cache_add(struct log_cache *cache, struct log_partition *partition,
                   const struct log_placed *placed, const uint8_t *copy)
{
    if (placed->copy_bytes > cache->room / 4) {
        log_cache_forget(cache, partition);
        return;
    }
    if (!cache->ring) {
        cache->ring = mem_alloc(cache->room);
        cache->items = mem_array(cache->item_room, sizeof *cache->items);
    }
    size_t at = make_room(cache, placed->copy_bytes);
    struct log_cached *item = &cache->items[cache->item_head];
    *item = (struct log_cached){.partition = partition,
                                .older = partition->cached_newest,
                                .base_offset = placed->base_offset,
                                .next_offset = placed->next_offset,
                                .at = at,
                                .bytes = placed->copy_bytes};
    *(item->older ? &item->older->newer : &partition->cached_oldest) = item;
    partition->cached_newest = item;
    memcpy(cache->ring + at, copy, placed->copy_bytes);
    cache->head = at + placed->copy_bytes;
    cache->item_head = (cache->item_head + 1) % cache->item_room;
    cache->item_count++;
}

const struct log_cached *log_cache_find(const struct log_partition *partition, int64_t offset)
{
    const struct log_cached *item = partition->cached_newest;
    if (!partition->cached_oldest || partition->cached_oldest->base_offset > offset)
        return NULL;
    while (item->base_offset > offset)
        item = item->older;
    return item;
}
