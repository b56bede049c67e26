/* SPDX-License-Identifier: MIT */
#ifndef TABLE_ROW_CACHE_H
#define TABLE_ROW_CACHE_H

#include "base/buf.h"

/*
 * Records that were read by key, as the engine gave them: bounded, any thread, and never older than
 * the last commit that has begun. Who commits says so before and behind it; who reads on a miss
 * gets a ticket, with which what was read is kept unless the record changed meanwhile.
 */
struct row_cache;
struct row_cache *row_cache_new(size_t bytes_max);
void row_cache_free(struct row_cache *cache);

struct row_ticket {
    uint64_t hash;
    uint64_t generation;
    uint32_t version;
    bool valid;
};
/* Appends the record; false: it is not here, and may be put with the ticket. */
bool row_cache_get(struct row_cache *cache, struct str key, struct buf *out,
                   struct row_ticket *ret_ticket);
void row_cache_put(struct row_cache *cache, const struct row_ticket *ticket, struct str key,
                   struct str record);

/* Around a commit of a list of table/ops.h, whatever becomes of it; end gets what begin gave. */
bool row_cache_begin(struct row_cache *cache, struct str ops) MUST_USE;
void row_cache_end(struct row_cache *cache, struct str ops, bool tracked);

/* Forgets all, and all tickets. */
void row_cache_clear(struct row_cache *cache);
/* What it holds of memory now. */
size_t row_cache_bytes(struct row_cache *cache);

#endif
