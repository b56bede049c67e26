/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_TXN_API_H
#define SERVE_KAFKA_TXN_API_H

#include "serve/kafka/coordinator.h"

/* Between txn_api.c, txn_registry.c, txn_admin.c and txn_offsets.c. */
struct kafka_txn {
    struct txn txn;
    struct kafka_transactions *all;
    /* of the plan being written */
    enum txn_op op;
    bool commit;
    struct kafka_call *call; /* NULL = nobody waits */
    void (*answer)(struct kafka_call *call, struct kafka_txn *txn, int16_t code);
};

struct kafka_waiting {
    struct kafka_call *call;
    struct kafka_waiting *next;
};

struct kafka_transactions {
    struct kafka_broker *broker;
    struct map map; /* id -> struct kafka_txn */
    struct log_partition *partition;
    struct io_timer expire;
    int64_t swept_ms;          /* when idle ids were looked for last */
    int64_t id_next, id_limit; /* producer ids that are ours to give out */
    bool id_writing;
    struct kafka_waiting *id_waiting;
    enum err load_err;
    char load_name[128];
};

/* ---- txn_registry.c ---- */
struct kafka_txn *kafka_txn_find(struct kafka_broker *broker, struct str id);
struct kafka_txn *kafka_txn_make(struct kafka_broker *broker, struct str id);
/* Writes the plan; answer is called when it is done, also when call is NULL. */
void kafka_txn_write(struct kafka_txn *txn, enum txn_op op, struct kafka_call *call,
                     void (*answer)(struct kafka_call *call, struct kafka_txn *txn, int16_t code));
/* A new producer id, or -1: the call is handed to its handler again when there is one. */
int64_t kafka_txn_id_take(struct kafka_call *call);
/* What older versions know PRODUCER_FENCED by. */
static inline int16_t kafka_txn_code(int16_t code, const struct kafka_call *call, int16_t from)
{
    return code == KAFKA_PRODUCER_FENCED && call->version < from ? KAFKA_INVALID_PRODUCER_EPOCH
                                                                 : code;
}

#endif
