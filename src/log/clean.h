/* SPDX-License-Identifier: MIT */
#ifndef LOG_CLEAN_H
#define LOG_CLEAN_H

#include "log/store.h"

/* One run of compaction over a partition: which records are the newest of their key, which batches
 * belong to aborted transactions, and what becomes of each batch. Private to compact.c. */
struct log_key {
    uint64_t hash[2];
    int64_t offset; /* -1 = free */
};
struct log_keys {
    struct log_key *slots;
    size_t room, count;
};
/* A producer whose transaction still has records before the marker that comes. */
struct log_cleaning {
    const struct log_partition *partition;
    struct log_keys keys;
    struct log_aborted_txn *aborted; /* by producer, then by last offset */
    size_t aborted_count;
    int64_t *ongoing; /* producers with transactional records since their last marker */
    size_t ongoing_count, ongoing_room;
    int64_t end; /* of what is compacted */
    int64_t now_ms, delete_retention_ms;
    int64_t horizon_ms; /* the earliest that is still to come; INT64_MAX = none */
    int64_t *dropped;   /* markers of aborts that went, of the segment being cleaned */
    size_t dropped_count, dropped_room;
    struct buf records;
};
void log_cleaning_init(struct log_cleaning *c, const struct log_partition *partition, int64_t end,
                       int64_t now_ms);
void log_cleaning_deinit(struct log_cleaning *c);
/* First walk. */
enum err log_cleaning_note(struct log_cleaning *c, const struct record_batch *batch) MUST_USE;
/* Second walk: appends what stays of the batch to out; *ret_changed when that is not all of it. */
enum err log_cleaning_copy(struct log_cleaning *c, const struct record_batch *batch,
                           struct buf *out, bool *ret_changed) MUST_USE;

#endif
