/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_TXN_H
#define SERVE_KAFKA_TXN_H

#include "base/mem.h"

/*
 * One transactional id as a pure state machine: requests come in with a time, and the answer is an
 * error code, or what to write; no disk, no clock. Error codes are Kafka's newest; older versions
 * of a request are told INVALID_PRODUCER_EPOCH where this says PRODUCER_FENCED.
 *
 * A request that changes something makes a plan: the state as it shall be. The owner writes it
 * (txn_log.c) and says txn_written() or txn_failed(); meanwhile every other request is told
 * CONCURRENT_TRANSACTIONS. Nothing is visible before it is durable.
 */
enum txn_state { /* the numbers are those of Kafka's records */
                 TXN_EMPTY = 0,
                 TXN_ONGOING = 1,
                 TXN_PREPARE_COMMIT = 2,
                 TXN_PREPARE_ABORT = 3,
                 TXN_COMPLETE_COMMIT = 4,
                 TXN_COMPLETE_ABORT = 5,
                 TXN_DEAD = 6,
};
enum { TXN_STATES = 7 };
const char *txn_state_name(enum txn_state state); /* "CompleteCommit" */

struct txn_partition {
    struct str topic; /* the transaction's own */
    int32_t partition;
};
/* What a record holds. */
struct txn_data {
    int64_t producer_id;
    int16_t epoch;            /* -1: none handed out yet */
    int16_t epoch_last;       /* the one before, for a repeated InitProducerId; -1 = none */
    int64_t producer_id_last; /* before the epochs were used up; -1 = none */
    int32_t timeout_ms;
    enum txn_state state;
    int64_t start_ms, update_ms; /* wall time; start -1 = none */
};
enum txn_op {
    TXN_NOTHING, /* the answer is known: no writing */
    TXN_WRITE,   /* write the plan */
    TXN_END,     /* write markers to all partitions with the plan's epoch, and the plan */
};
struct txn {
    struct str id;
    struct txn_data data;
    struct txn_partition *partitions; /* of the open transaction */
    size_t partition_count, partition_room;
    bool pending; /* a plan is being written */
    struct txn_data plan;
    size_t plan_partitions; /* how many of partitions are there when it is written; 0 = all go */
};

void txn_init(struct txn *txn, struct str id, int64_t now_ms);
void txn_deinit(struct txn *txn);

/* ---- requests ---- */

struct txn_init_request {
    int32_t timeout_ms;
    int64_t producer_id; /* what the caller has; -1 = nothing */
    int16_t epoch;
};
/* Does the next InitProducerId need a producer id? */
bool txn_wants_id(const struct txn *txn);
/* fresh_id is used when txn_wants_id(). TXN_NOTHING with NONE: data says the answer. TXN_END: the
 * open transaction is aborted first; the caller is told CONCURRENT_TRANSACTIONS. */
int16_t txn_begin(struct txn *txn, const struct txn_init_request *request, int64_t fresh_id,
                  int64_t now_ms, enum txn_op *ret_op);
int16_t txn_add(struct txn *txn, int64_t producer_id, int16_t epoch,
                const struct txn_partition *partitions, size_t count, int64_t now_ms,
                enum txn_op *ret_op);
int16_t txn_end(struct txn *txn, int64_t producer_id, int16_t epoch, bool commit, int64_t now_ms,
                enum txn_op *ret_op);
/* Aborts it when it is open for longer than its timeout. */
bool txn_expire(struct txn *txn, int64_t now_ms, enum txn_op *ret_op);
/* Was it not in use since? */
bool txn_is_idle(const struct txn *txn, int64_t since_ms);
/* A prepared transaction that was read from its record: the plan that completes it. */
bool txn_resume(struct txn *txn, int64_t now_ms);
/* May that producer write to the partition now? */
int16_t txn_check(const struct txn *txn, int64_t producer_id, int16_t epoch, struct str topic,
                  int32_t partition);

/* ---- writing ---- */
void txn_written(struct txn *txn);
/* It is as it was before. */
void txn_failed(struct txn *txn);
/* A partition that does not exist any more needs no marker. */
void txn_forget_partition(struct txn *txn, size_t index);
/* A partition that turns out to hold a part of an open transaction of this producer and epoch. */
void txn_adopt(struct txn *txn, struct str topic, int32_t partition, int64_t now_ms);
/* A partition knows that epoch of it: when it is newer than its own, whose record was lost then, it
 * takes one that nobody was given. Who has the lost one is fenced. */
void txn_adopt_epoch(struct txn *txn, int16_t known);
/* The whole as it was in a record. partitions are copied. */
void txn_restore(struct txn *txn, const struct txn_data *data,
                 const struct txn_partition *partitions, size_t count);

#endif
