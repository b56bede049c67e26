/* SPDX-License-Identifier: MIT */
#ifndef TABLE_STORE_H
#define TABLE_STORE_H

#include "base/hash.h"
#include "io/thread.h"
#include "table/backend.h"
#include "table/key.h"

struct table_store {
    struct io *io;
    struct backend *backend;
    bool read_only;
    int64_t (*now_us)(void *owner);
    void *now_owner;
    struct io_mutex mutex; /* of what follows */
    struct map by_name;    /* keyspace NUL name -> struct table */
    struct table **tables; /* all that ever were here, dropped ones too */
    size_t table_count;
    uint32_t next_id;
    struct commits *commits; /* jobs.c: the queue of jobs */
};

struct table {
    struct table_store *store;
    uint32_t id;
    struct shape *shape; /* atomic; see table_shape */
    bool dropped;        /* atomic */
    bool has_heads;      /* atomic: some partition may have deletions at its head */
    bool fed;            /* atomic: column batches were written to it */
};

/* Meta record of a table that has had heads of partitions. */
enum { STORE_HEADS_KEY_BYTES = 10 };
void store_heads_key(uint32_t table_id, uint8_t ret_key[STORE_HEADS_KEY_BYTES]);
/* Meta record of a table that column batches were written to. */
void store_fed_key(uint32_t table_id, uint8_t ret_key[STORE_HEADS_KEY_BYTES]);

/* Writes a table's catalogue record, with the store's own records. With the mutex. */
enum err store_save_table(struct table_store *store, uint32_t id, const struct shape *shape,
                          bool has_heads) MUST_USE;

/* jobs.c */
struct commits *commits_new(struct table_store *store);
/* Runs what waits, and ends the thread. NULL is fine. */
void commits_free(struct commits *commits);

static inline const struct shape *table_shape(const struct table *table)
{
    return __atomic_load_n(&table->shape, __ATOMIC_ACQUIRE);
}
static inline bool table_is_dropped(const struct table *table)
{
    return __atomic_load_n(&table->dropped, __ATOMIC_ACQUIRE);
}
static inline bool table_has_heads(const struct table *table)
{
    return __atomic_load_n(&table->has_heads, __ATOMIC_ACQUIRE);
}
static inline int64_t store_now_us(const struct table_store *store)
{
    return store->now_us(store->now_owner);
}

#endif
