/* SPDX-License-Identifier: MIT */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

/* XXH3, 64 bits: for tables in memory and files of our own. */
uint64_t hash_bytes(const void *data, size_t bytes, uint64_t seed);
/* XXH64, the classic one: Spark's xxhash64() and HyperLogLog (seed 42). */
uint64_t hash_xxh64(const void *data, size_t bytes, uint64_t seed);
/* Kafka's default partitioner: murmur2 of the key, seed 0x9747b28c. The partition of a key is
 * (hash & 0x7fffffff) % partitions. */
uint32_t hash_kafka(const void *data, size_t bytes);
/* Cassandra's Murmur3Partitioner: the first 64 bits of its x64_128 variant (with its sign bug). */
int64_t hash_token(const void *data, size_t bytes);

/* A map from text to pointer, for catalogues (hundreds of entries). Copies its keys. */
struct map {
    struct map_entry *entries;
    size_t room;
    size_t count;
};
struct map_entry {
    char *key; /* NUL-ended, NULL = free */
    size_t key_bytes;
    void *value;
};
void map_deinit(struct map *map);
/* The value or NULL. */
void *map_get(const struct map *map, struct str key);
/* Sets and returns the value that was there before, or NULL. value may not be NULL. */
void *map_set(struct map *map, struct str key, void *value);
/* Removes and returns the value, or NULL. */
void *map_remove(struct map *map, struct str key);
/* for (size_t i = 0; (e = map_next(map, &i));) in no particular order; no changes meanwhile. */
struct map_entry *map_next(const struct map *map, size_t *index);

#endif
