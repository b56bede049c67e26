/* SPDX-License-Identifier: MIT */
/*
 * The cache of rows that were read by key. A hit costs two misses of the processor's cache where
 * the engine takes microseconds, most of them for finding a block and taking it apart.
 *
 * Records stand one behind the other in segments. When all segments are full the oldest is used
 * again: what was hit since stays, packed at its front (up to half of it), the rest is forgotten.
 * So there is no list to keep on a hit, no memory of a record's own and no more of it than was
 * asked for. An index of open addressing says where the record of a hash is. All of this sixteen
 * times, by hash, each with a lock.
 *
 * Never stale: a commit counts its keys as pending and takes their records out before it begins,
 * and when it has ended gives each key a new version. A reader that missed has a ticket with the
 * version it saw, and its record is refused when the key is pending, or when the version is another
 * now. Keys share counters by hash (stripes), so some records are refused without need. A range of
 * keys, which a truncate or a drop deletes, is all keys.
 *
 * Until somebody reads by key for the first time commits are only counted; tickets are given when
 * those that were only counted have ended.
 *
 * Invariants
 * 1. A record that can be hit is what the engine would give: each commit that could change it has
 *    not begun, or had ended before the record was read.
 * 2. Every slot that is used points to an entry with its hash; no entry has two slots.
 */
#include "table/row_cache.h"

#include "base/hash.h"
#include "base/mem.h"
#include "io/thread.h"
#include "table/key.h"
#include "table/ops.h"

enum {
    SHARDS = 16,
    STRIPES = 256,
    SEGMENT_BYTES = 64 << 10,
    ENTRY_BYTES_MAX = 8 << 10,
    SLOTS_MIN = 64,
    PLACE_BYTES = 8, /* entries stand at multiples of it */
};

struct entry {
    uint32_t hash;
    uint32_t record_bytes;
    uint16_t key_bytes;
    uint8_t hit;
    uint8_t dead; /* has no slot */
    char bytes[]; /* key, record */
};

struct slot {
    uint32_t hash;
    uint32_t place; /* 0 = free; else 1 + where the entry is, in PLACE_BYTES */
};

struct stripe {
    uint32_t pending; /* commits that have begun */
    uint32_t version; /* commits that have ended */
};

struct shard {
    _Alignas(64) struct io_mutex lock;
    struct slot *slots;
    uint32_t slot_count, used;
    uint8_t **segments;
    uint32_t segment_count, segments_max;
    uint32_t filling, filled; /* the segment that is filled, and how far */
    uint32_t blocked;         /* commits of ranges that have begun */
    uint64_t generation;
    struct stripe stripes[STRIPES];
};

struct row_cache {
    struct shard shards[SHARDS];
    uint32_t untracked; /* atomic: commits that are only counted */
    bool on;            /* atomic: somebody reads */
};

static struct shard *shard_of(struct row_cache *cache, uint64_t hash)
{
    return &cache->shards[hash >> 60];
}

static struct stripe *stripe_of(struct shard *shard, uint64_t hash)
{
    return &shard->stripes[hash >> 52 & (STRIPES - 1)];
}

/* ---- entries ---- */

static struct entry *entry_at(const struct shard *shard, uint32_t place)
{
    uint64_t at = (uint64_t)(place - 1) * PLACE_BYTES;
    return (struct entry *)(void *)(shard->segments[at / SEGMENT_BYTES] + at % SEGMENT_BYTES);
}

static uint32_t place_of(uint32_t segment, uint32_t at)
{
    return segment * (uint32_t)(SEGMENT_BYTES / PLACE_BYTES) + at / PLACE_BYTES + 1;
}

static uint32_t entry_bytes(size_t key_bytes, size_t record_bytes)
{
    size_t bytes = sizeof(struct entry) + key_bytes + record_bytes;
    return (uint32_t)((bytes + PLACE_BYTES - 1) / PLACE_BYTES * PLACE_BYTES);
}

/* The slot of a key, or SIZE_MAX. */
static size_t find_slot(const struct shard *shard, uint32_t hash, struct str key)
{
    if (!shard->slot_count)
        return SIZE_MAX;
    uint32_t mask = shard->slot_count - 1;
    for (uint32_t i = hash & mask; shard->slots[i].place; i = (i + 1) & mask) {
        if (shard->slots[i].hash != hash)
            continue;
        const struct entry *entry = entry_at(shard, shard->slots[i].place);
        if (entry->key_bytes == key.bytes && !memcmp(entry->bytes, key.ptr, key.bytes))
            return i;
    }
    return SIZE_MAX;
}

static void add_slot(struct slot *slots, uint32_t count, struct slot slot)
{
    uint32_t i = slot.hash & (count - 1);
    while (slots[i].place)
        i = (i + 1) & (count - 1);
    slots[i] = slot;
}

/* Those behind it that came from before the hole move up, so that there are no marks of what was.
 */
static void remove_slot(struct shard *shard, size_t index)
{
    uint32_t mask = shard->slot_count - 1, hole = (uint32_t)index;
    entry_at(shard, shard->slots[hole].place)->dead = 1;
    for (uint32_t i = (hole + 1) & mask; shard->slots[i].place; i = (i + 1) & mask) {
        uint32_t home = shard->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            shard->slots[hole] = shard->slots[i];
            hole = i;
        }
    }
    shard->slots[hole].place = 0;
    shard->used--;
}

static size_t slot_of_place(const struct shard *shard, uint32_t hash, uint32_t place)
{
    uint32_t mask = shard->slot_count - 1, i = hash & mask;
    while (shard->slots[i].place != place)
        i = (i + 1) & mask;
    return i;
}

static void grow_slots(struct shard *shard)
{
    if (shard->used * 4 < shard->slot_count * 3)
        return;
    uint32_t count = shard->slot_count ? shard->slot_count * 2 : SLOTS_MIN;
    struct slot *slots = mem_array(count, sizeof *slots);
    memset(slots, 0, count * sizeof *slots);
    for (uint32_t i = 0; i < shard->slot_count; i++)
        if (shard->slots[i].place)
            add_slot(slots, count, shard->slots[i]);
    mem_free(shard->slots);
    shard->slots = slots;
    shard->slot_count = count;
}

/* ---- segments ---- */

/* Makes room in a segment that is full. */
static void recycle(struct shard *shard, uint32_t segment)
{
    uint8_t *bytes = shard->segments[segment];
    uint32_t kept = 0;
    for (uint32_t at = 0, step; at + sizeof(struct entry) <= SEGMENT_BYTES; at += step) {
        struct entry *entry = (struct entry *)(void *)(bytes + at);
        if (!entry->key_bytes)
            break; /* the segment ends before its last byte */
        step = entry_bytes(entry->key_bytes, entry->record_bytes);
        if (entry->dead)
            continue;
        size_t slot = slot_of_place(shard, entry->hash, place_of(segment, at));
        if (!entry->hit || kept + step > SEGMENT_BYTES / 2) {
            remove_slot(shard, slot);
            continue;
        }
        entry->hit = 0;
        shard->slots[slot].place = place_of(segment, kept);
        memmove(bytes + kept, entry, step);
        kept += step;
    }
    shard->filling = segment;
    shard->filled = kept;
}

static void end_segment(struct shard *shard)
{
    if (shard->segment_count && SEGMENT_BYTES - shard->filled >= sizeof(struct entry))
        memset(shard->segments[shard->filling] + shard->filled, 0, sizeof(struct entry));
}

static void next_segment(struct shard *shard)
{
    end_segment(shard);
    if (shard->segment_count == shard->segments_max) {
        recycle(shard, (shard->filling + 1) % shard->segment_count);
        return;
    }
    if (!shard->segments)
        shard->segments = mem_array(shard->segments_max, sizeof *shard->segments);
    shard->segments[shard->segment_count] = mem_alloc(SEGMENT_BYTES);
    shard->filling = shard->segment_count++;
    shard->filled = 0;
}

static void add_entry(struct shard *shard, uint32_t hash, struct str key, struct str record)
{
    uint32_t bytes = entry_bytes(key.bytes, record.bytes);
    while (!shard->segment_count || SEGMENT_BYTES - shard->filled < bytes)
        next_segment(shard);
    grow_slots(shard);
    uint32_t place = place_of(shard->filling, shard->filled);
    shard->filled += bytes;
    struct entry *entry = entry_at(shard, place);
    *entry = (struct entry){
        .hash = hash,
        .record_bytes = (uint32_t)record.bytes,
        .key_bytes = (uint16_t)key.bytes,
    };
    memcpy(entry->bytes, key.ptr, key.bytes);
    memcpy(entry->bytes + key.bytes, record.ptr, record.bytes);
    add_slot(shard->slots, shard->slot_count, (struct slot){hash, place});
    shard->used++;
}

static void forget(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->segment_count; i++)
        mem_free(shard->segments[i]);
    mem_free(shard->segments);
    mem_free(shard->slots);
    shard->segments = NULL;
    shard->slots = NULL;
    shard->segment_count = shard->filling = shard->filled = 0;
    shard->slot_count = shard->used = 0;
    shard->generation++;
}

/* ---- reading ---- */

bool row_cache_get(struct row_cache *cache, struct str key, struct buf *out,
                   struct row_ticket *ret_ticket)
{
    uint64_t hash = hash_bytes(key.ptr, key.bytes, 0);
    struct shard *shard = shard_of(cache, hash);
    if (!__atomic_load_n(&cache->on, __ATOMIC_SEQ_CST))
        __atomic_store_n(&cache->on, true, __ATOMIC_SEQ_CST);
    bool tracked = !__atomic_load_n(&cache->untracked, __ATOMIC_SEQ_CST);
    io_mutex_lock(&shard->lock);
    size_t slot = find_slot(shard, (uint32_t)hash, key);
    if (slot != SIZE_MAX) {
        struct entry *entry = entry_at(shard, shard->slots[slot].place);
        entry->hit = 1;
        buf_append(out, entry->bytes + entry->key_bytes, entry->record_bytes);
    } else {
        const struct stripe *stripe = stripe_of(shard, hash);
        *ret_ticket = (struct row_ticket){
            .hash = hash,
            .generation = shard->generation,
            .version = stripe->version,
            .valid = tracked && !shard->blocked && !stripe->pending,
        };
    }
    io_mutex_unlock(&shard->lock);
    return slot != SIZE_MAX;
}

void row_cache_put(struct row_cache *cache, const struct row_ticket *ticket, struct str key,
                   struct str record)
{
    if (!ticket->valid || entry_bytes(key.bytes, record.bytes) > ENTRY_BYTES_MAX)
        return;
    struct shard *shard = shard_of(cache, ticket->hash);
    uint32_t hash = (uint32_t)ticket->hash;
    io_mutex_lock(&shard->lock);
    const struct stripe *stripe = stripe_of(shard, ticket->hash);
    if (shard->segments_max && shard->generation == ticket->generation && !shard->blocked &&
        stripe->version == ticket->version && !stripe->pending &&
        find_slot(shard, hash, key) == SIZE_MAX)
        add_entry(shard, hash, key, record);
    io_mutex_unlock(&shard->lock);
}

/* ---- commits ---- */

static void begin_all(struct row_cache *cache)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        io_mutex_lock(&shard->lock);
        shard->blocked++;
        forget(shard);
        io_mutex_unlock(&shard->lock);
    }
}

static void end_all(struct row_cache *cache)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        io_mutex_lock(&shard->lock);
        shard->blocked--;
        shard->generation++;
        io_mutex_unlock(&shard->lock);
    }
}

static bool next_row(struct str *rest, struct op *op)
{
    do {
        if (ops_next(rest, op))
            return false;
    } while (!op->key.bytes || op->key.ptr[0] != KEY_ROW);
    return true;
}

bool row_cache_begin(struct row_cache *cache, struct str ops)
{
    __atomic_fetch_add(&cache->untracked, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&cache->on, __ATOMIC_SEQ_CST))
        return false;
    struct str rest = str_slice(ops, OPS_HEAD_BYTES, ops.bytes);
    struct op op;
    while (next_row(&rest, &op)) {
        if (op.tag == OP_DELETE_RANGE) {
            begin_all(cache);
            continue;
        }
        uint64_t hash = hash_bytes(op.key.ptr, op.key.bytes, 0);
        struct shard *shard = shard_of(cache, hash);
        io_mutex_lock(&shard->lock);
        stripe_of(shard, hash)->pending++;
        size_t slot = find_slot(shard, (uint32_t)hash, op.key);
        if (slot != SIZE_MAX)
            remove_slot(shard, slot);
        io_mutex_unlock(&shard->lock);
    }
    /* Only now: until here it is known by its count, from here on by its keys. */
    __atomic_fetch_sub(&cache->untracked, 1, __ATOMIC_SEQ_CST);
    return true;
}

void row_cache_end(struct row_cache *cache, struct str ops, bool tracked)
{
    if (!tracked) {
        __atomic_fetch_sub(&cache->untracked, 1, __ATOMIC_SEQ_CST);
        return;
    }
    struct str rest = str_slice(ops, OPS_HEAD_BYTES, ops.bytes);
    struct op op;
    while (next_row(&rest, &op)) {
        if (op.tag == OP_DELETE_RANGE) {
            end_all(cache);
            continue;
        }
        uint64_t hash = hash_bytes(op.key.ptr, op.key.bytes, 0);
        struct shard *shard = shard_of(cache, hash);
        struct stripe *stripe = stripe_of(shard, hash);
        io_mutex_lock(&shard->lock);
        stripe->pending--;
        stripe->version++;
        io_mutex_unlock(&shard->lock);
    }
}

/* ---- life ---- */

void row_cache_clear(struct row_cache *cache)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        io_mutex_lock(&shard->lock);
        forget(shard);
        io_mutex_unlock(&shard->lock);
    }
}

size_t row_cache_bytes(struct row_cache *cache)
{
    size_t bytes = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        io_mutex_lock(&shard->lock);
        bytes += (size_t)shard->segment_count * SEGMENT_BYTES +
                 (size_t)shard->slot_count * sizeof(struct slot);
        io_mutex_unlock(&shard->lock);
    }
    return bytes;
}

struct row_cache *row_cache_new(size_t bytes_max)
{
    struct row_cache *cache = mem_aligned(64, sizeof *cache);
    memset(cache, 0, sizeof *cache);
    for (size_t i = 0; i < SHARDS; i++) {
        io_mutex_init(&cache->shards[i].lock);
        cache->shards[i].segments_max = (uint32_t)(bytes_max / SHARDS / SEGMENT_BYTES);
    }
    return cache;
}

void row_cache_free(struct row_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        forget(&cache->shards[i]);
        io_mutex_deinit(&cache->shards[i].lock);
    }
    mem_free(cache);
}
