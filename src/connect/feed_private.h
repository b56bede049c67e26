/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_FEED_PRIVATE_H
#define CONNECT_FEED_PRIVATE_H

/* Shared by feed.c (records to appends) and feed_past.c (what the topic holds already). */
#include "base/mem.h"
#include "connect/connect.h"

/* The header that keeps a position: "SEQUENCE SOURCE POSITION". */
#define FEED_POSITION_HEADER "millrace.position"

/* Hashes of (key, value), two generations: when the young one is full, the old one is forgotten. */
enum { REPEATS_GENERATION = 1 << 18 };
struct feed_repeat {
    uint64_t key;   /* hash; 0 = free */
    uint64_t value; /* hash of the newest value of that key */
};
struct feed_repeats {
    struct feed_repeat *young, *old; /* tables of twice that many places */
    size_t young_count;
};
struct feed_repeats *feed_repeats_new(void);
void feed_repeats_free(struct feed_repeats *repeats);
/* True when the value is the newest of its key; else it becomes that. */
bool feed_repeats_seen(struct feed_repeats *repeats, struct str key, struct str value);
/* Adds the newest records of the topic. */
enum err feed_repeats_load(struct feed_repeats *repeats, struct log_topic *topic);

/* The newest position that the source wrote, and its sequence number. ERR_NOT_FOUND. */
enum err feed_past_position(struct log_topic *topic, struct str source, uint64_t *ret_sequence,
                            struct buf *out);

#endif
