/* SPDX-License-Identifier: MIT */
/*
 * Hashes that other systems fix (Kafka's murmur2, Cassandra's murmur3) and those of our own choice
 * (XXH3 by libxxhash), and the map from text to pointer: linear probing, at most 2/3 full.
 */
#include "base/hash.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *data, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, bytes, seed);
}

uint64_t hash_xxh64(const void *data, size_t bytes, uint64_t seed)
{
    return XXH64(data, bytes, seed);
}

uint32_t hash_kafka(const void *data, size_t bytes)
{
    const uint32_t m = 0x5bd1e995;
    const uint8_t *p = data;
    uint32_t h = 0x9747b28c ^ (uint32_t)bytes;
    size_t left = bytes;
    for (; left >= 4; left -= 4, p += 4) {
        uint32_t k = get_le32(p) * m;
        k ^= k >> 24;
        h = (h * m) ^ (k * m);
    }
    if (left >= 3)
        h ^= (uint32_t)p[2] << 16;
    if (left >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (left >= 1)
        h = (h ^ p[0]) * m;
    h = (h ^ (h >> 13)) * m;
    return h ^ (h >> 15);
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t finish(uint64_t h)
{
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
    return h ^ (h >> 33);
}

int64_t hash_token(const void *data, size_t bytes)
{
    const uint64_t c1 = 0x87c37b91114253d5u, c2 = 0x4cf5ad432745937fu;
    const uint8_t *p = data;
    uint64_t h1 = 0, h2 = 0;
    for (size_t blocks = bytes / 16; blocks; blocks--, p += 16) {
        h1 ^= rotate(get_le64(p) * c1, 31) * c2;
        h1 = (rotate(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= rotate(get_le64(p + 8) * c2, 33) * c1;
        h2 = (rotate(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    /* Cassandra reads the tail as signed bytes: a byte over 127 reaches into the higher ones. */
    uint64_t k1 = 0, k2 = 0;
    size_t tail = bytes % 16;
    for (size_t i = tail; i > 8; i--)
        k2 ^= (uint64_t)(int64_t)(int8_t)p[i - 1] << (8 * (i - 9));
    for (size_t i = tail < 8 ? tail : 8; i > 0; i--)
        k1 ^= (uint64_t)(int64_t)(int8_t)p[i - 1] << (8 * (i - 1));
    if (tail > 8)
        h2 ^= rotate(k2 * c2, 33) * c1;
    if (tail > 0)
        h1 ^= rotate(k1 * c1, 31) * c2;
    h1 ^= bytes;
    h2 ^= bytes;
    h1 += h2;
    h2 += h1;
    h1 = finish(h1) + finish(h2);
    int64_t token = (int64_t)h1;
    return token == INT64_MIN ? INT64_MAX : token;
}

void map_deinit(struct map *map)
{
    for (size_t i = 0; i < map->room; i++)
        mem_free(map->entries[i].key);
    mem_free(map->entries);
    *map = (struct map){0};
}

static struct map_entry *slot(const struct map *map, struct str key)
{
    size_t mask = map->room - 1;
    for (size_t i = hash_bytes(key.ptr, key.bytes, 0) & mask;; i = (i + 1) & mask) {
        struct map_entry *e = &map->entries[i];
        if (!e->key || str_equal(str_from(e->key, e->key_bytes), key))
            return e;
    }
}

void *map_get(const struct map *map, struct str key)
{
    return map->room ? slot(map, key)->value : NULL;
}

static void map_grow(struct map *map)
{
    struct map bigger = {.room = map->room ? map->room * 2 : 16, .count = map->count};
    bigger.entries = mem_zero(bigger.room * sizeof *bigger.entries);
    for (size_t i = 0; i < map->room; i++)
        if (map->entries[i].key)
            *slot(&bigger, str_from(map->entries[i].key, map->entries[i].key_bytes)) =
                map->entries[i];
    mem_free(map->entries);
    *map = bigger;
}

void *map_set(struct map *map, struct str key, void *value)
{
    check(value != NULL);
    if (map->count * 3 >= map->room * 2)
        map_grow(map);
    struct map_entry *e = slot(map, key);
    void *before = e->value;
    if (!e->key) {
        e->key = str_dup(key);
        e->key_bytes = key.bytes;
        map->count++;
    }
    e->value = value;
    return before;
}

void *map_remove(struct map *map, struct str key)
{
    struct map_entry *e = map->room ? slot(map, key) : NULL;
    if (!e || !e->key)
        return NULL;
    void *value = e->value;
    mem_free(e->key);
    *e = (struct map_entry){0};
    map->count--;
    /* Whatever probed past the hole moves up. */
    size_t mask = map->room - 1;
    for (size_t i = ((size_t)(e - map->entries) + 1) & mask; map->entries[i].key;
         i = (i + 1) & mask) {
        struct map_entry moved = map->entries[i];
        map->entries[i] = (struct map_entry){0};
        *slot(map, str_from(moved.key, moved.key_bytes)) = moved;
    }
    return value;
}

struct map_entry *map_next(const struct map *map, size_t *index)
{
    while (*index < map->room) {
        struct map_entry *e = &map->entries[(*index)++];
        if (e->key)
            return e;
    }
    return NULL;
}
