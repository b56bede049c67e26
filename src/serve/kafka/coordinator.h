/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_COORDINATOR_H
#define SERVE_KAFKA_COORDINATOR_H

#include "log/record_batch.h"
#include "serve/kafka/broker.h"
#include "serve/kafka/group.h"
#include "serve/kafka/txn.h"

/* What group_api.c, offsets.c, txn_api.c and their records share. All in the loop's thread. */

/* ---- coordinator.c: writing, and waiting for it ---- */

/* Batches for any partitions that become durable together. */
struct kafka_write {
    struct kafka_broker *broker;
    struct buf batches; /* append one batch, then kafka_write_part() */
    struct kafka_write_part *parts;
    size_t part_count;
    void (*done)(struct kafka_write *write, enum err err);
    void *owner, *owner2;
    uint64_t number;
    /* its own */
    size_t part_at;
    struct log_append_group group;
    struct log_append **appends;
    struct io_post post;
    enum err err;
};
struct kafka_write_part {
    struct log_append append;
    size_t at, bytes;
};
struct kafka_write *kafka_write_new(struct kafka_broker *broker,
                                    void (*done)(struct kafka_write *write, enum err err),
                                    void *owner);
/* What was appended to batches since the last part goes to that partition. */
void kafka_write_part(struct kafka_write *write, struct log_partition *partition, bool control);
/* done is called once, from the loop, never from inside this; then the write is freed. Without
 * parts it is done at the next turn. */
void kafka_write_send(struct kafka_write *write);
/* Turns the loop until nothing is being written. */
void kafka_writes_wait(struct kafka_broker *broker);
/* The code that tells clients of a coordinator what became of a write. */
int16_t kafka_write_code(enum err err);
/* Calls each for the records of the newest state of a partition, oldest first. Control batches are
 * left out. */
enum err kafka_records_read(struct log_partition *partition,
                            void (*each)(void *owner, const struct record *record), void *owner,
                            struct diag *diag) MUST_USE;
/* Appends a batch of one record. value.ptr NULL = a tombstone. */
enum err kafka_record_append(struct str key, struct str value, int64_t now_ms,
                             struct buf *out) MUST_USE;
/* Monotonic. */
static inline int64_t kafka_clock_ms(const struct kafka_broker *broker)
{
    return io_loop_now_ns(broker->loop) / 1000000;
}
/* A wire string with its length as i16; ptr NULL = -1. */
void kafka_put_name(struct buf *out, struct str name);
struct str kafka_take_name(struct reader *r);

/* Where commits and groups are kept: group_api.c. */
struct log_partition *kafka_offsets_partition(const struct kafka_broker *broker);

/* ---- group_log.c: key version 2, value version 3 ---- */
void group_key_encode(struct str group, struct buf *out);
bool group_key_decode(struct str key, struct str *ret_group);
void group_value_encode(const struct group *group, struct buf *out);
/* Into an initialised group. */
enum err group_value_decode(struct str value, struct group *group, int64_t now_ms) MUST_USE;

/* ---- txn_log.c: key and value version 0 ---- */
void txn_key_encode(struct str id, struct buf *out);
bool txn_key_decode(struct str key, struct str *ret_id);
/* The plan when one is pending, else the data. */
void txn_value_encode(const struct txn *txn, struct buf *out);
enum err txn_value_decode(struct str value, struct txn *txn) MUST_USE;
/* Producer ids below next are given out, or may be. */
void txn_ids_encode(int64_t next, struct buf *key, struct buf *value);
bool txn_ids_decode(const struct record *record, int64_t *ret_next);

#endif
