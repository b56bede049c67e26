/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_BROKER_H
#define SERVE_KAFKA_BROKER_H

#include "base/hash.h"
#include "io/worker.h"
#include "serve/kafka/kafka.h"
#include "wire/kafka/kafka.h"

/*
 * Inside of the Kafka door. A frame becomes a kafka_call: the decoded request, an answer filled
 * with defaults, an arena. The API's handler answers at once or later with kafka_answer(); answers
 * of one connection leave in the order of their requests. All in the loop's thread.
 *
 * Rooms of this folder: connection.c (frames, order, back-pressure), dispatch.c (the table of
 * handlers; ApiVersions comes from it), produce.c, fetch.c, fetch_session.c, list_offsets.c;
 * metadata.c, topics.c, configs.c, describe.c; group.c and below (the pure state machine of a
 * group), group_api.c, offsets.c; txn.c (pure), txn_api.c, txn_log.c.
 */
struct kafka_connection;

struct kafka_call {
    struct kafka_broker *broker;
    struct kafka_connection *connection;
    const struct kafka_handler *handler;
    int16_t version;
    int32_t correlation_id;
    struct str client_id;                  /* borrowed from the frame */
    const char *client_host;               /* "/127.0.0.1" */
    const struct kafka_endpoint *endpoint; /* the listener that it came through */
    struct arena arena;  /* of the request, the answer and whatever the handler needs */
    const void *request; /* struct kafka_X_request, borrowed from the frame, alive until answered */
    void *response;      /* struct kafka_X_response with defaults, to be filled */
    bool no_answer;      /* acks=0: nothing is sent */
    bool close_after;    /* the connection ends after this answer */
    void *state;         /* the handler's own, while it waits */
    /* The connection ended while the handler waits: it shall let go and call kafka_answer() soon
     * (nothing is sent). NULL: it answers by itself shortly. */
    void (*gone)(struct kafka_call *call);
    /* The call is freed: what the handler holds outside of the arena goes. NULL: nothing. */
    void (*release)(struct kafka_call *call);
    /* Bytes behind what the encoder writes, for Fetch: see fetch.c. */
    struct kafka_fetch_out *fetch_out;
    /* connection.c's own */
    struct kafka_call *next;
    const struct kafka_api *api;
    uint32_t pins;
    bool begun, answered, gone_told, released;
    size_t charged_bytes; /* of the broker's memory */
    size_t body_at;       /* in the frame */
    struct buf frame;     /* the request's bytes */
};
/* Encodes and sends when its turn in the connection's order comes; frees the call, unless it is
 * pinned. no_answer only leaves the order. */
void kafka_answer(struct kafka_call *call);
/* A pinned call and its frame stay after the answer (an append under way borrows them). */
void kafka_call_pin(struct kafka_call *call);
void kafka_call_unpin(struct kafka_call *call);
/* Requests behind this one are not begun meanwhile, also those that otherwise may overlap. */
void kafka_call_hold(struct kafka_call *call, bool hold);
/* The request is of those that say only that somebody is there. */
void kafka_call_calm(struct kafka_call *call);
/* Ends the connection now: an error that acks=0 cannot be told otherwise. */
void kafka_call_abort(struct kafka_call *call, enum err why);
/* How much more memory calls may take: a handler asks before it fills big answers. */
size_t kafka_memory_left(const struct kafka_broker *broker);
/* Charges the call for bytes that its handler keeps until it is freed. */
void kafka_call_charge(struct kafka_call *call, size_t bytes);

struct kafka_handler {
    int16_t api_key;
    int16_t version_min, version_max; /* offered; within the message table */
    int16_t served_from; /* lower ones are shown but refused with UNSUPPORTED_VERSION */
    void (*handle)(struct kafka_call *call);
};
extern const struct kafka_handler kafka_handlers[]; /* dispatch.c; ended by handle NULL */
/* Fills the broker's index of it. */
void kafka_dispatch_init(struct kafka_broker *broker);
/* Reads the header of call->frame. OK: the call can be begun. ERR_UNSUPPORTED, ERR_CORRUPT: the
 * connection has to end, *ret_why says why. */
enum err kafka_call_open(struct kafka_call *call, const char **ret_why) MUST_USE;
/* Decodes and hands over. An error is as above, and nothing was handed over. */
enum err kafka_call_begin(struct kafka_call *call, const char **ret_why) MUST_USE;

struct kafka_endpoint {
    char host[256];
    uint16_t port;
};

enum { KAFKA_API_KEYS = 128 };

struct kafka_broker {
    /* By API key; NULL = not offered. */
    struct kafka_api_index {
        const struct kafka_handler *handler;
        const struct kafka_api *api;
    } index[KAFKA_API_KEYS];
    struct io_loop *loop;
    struct io *io;
    struct log *log;
    struct kafka_broker_options options;
    char cluster_id[23];                   /* 22 characters, stable */
    struct kafka_groups *groups;           /* group_api.c */
    struct kafka_transactions *txns;       /* txn_api.c */
    struct kafka_fetch_sessions *sessions; /* fetch_session.c */
    struct kafka_produces *produces;       /* produce.c */
    struct io_worker *worker;              /* for calls that wait for the disk */
    struct io_worker *reader;              /* fetch_warm.c; NULL = not needed so far */
    struct kafka_net *net;                 /* connection.c: listeners, connections, counters */
    size_t writes_under_way;               /* coordinator.c */
};

/* ---- for every handler ---- */

/* log's enum err as Kafka's code. */
int16_t kafka_code(enum err err);
int64_t kafka_now_ms(struct kafka_broker *broker); /* wall clock */
/* By name, or by id when the name is empty. NULL and *ret_code when missing. */
struct log_topic *kafka_topic(struct kafka_broker *broker, struct str name, const uint8_t *id,
                              int16_t *ret_code);
/* The partition, or NULL with UNKNOWN_TOPIC_OR_PARTITION in *ret_code. */
struct log_partition *kafka_partition(struct kafka_broker *broker, struct str topic, int32_t index,
                                      int16_t *ret_code);

/* ---- life of the parts ---- */
void kafka_net_new(struct kafka_broker *broker);
/* Ends all connections; returns when every call is freed. Turns the loop. */
void kafka_net_end(struct kafka_broker *broker);
void kafka_net_free(struct kafka_broker *broker);
void kafka_produces_new(struct kafka_broker *broker);
void kafka_produces_free(struct kafka_broker *broker);
void kafka_fetch_sessions_new(struct kafka_broker *broker);
void kafka_fetch_sessions_free(struct kafka_broker *broker);
uint32_t kafka_fetch_sessions_count(const struct kafka_broker *broker);
uint32_t kafka_fetches_waiting(const struct kafka_broker *broker);
uint64_t kafka_cold_reads(const struct kafka_broker *broker);
enum err kafka_groups_new(struct kafka_broker *broker, struct diag *diag) MUST_USE;
void kafka_groups_free(struct kafka_broker *broker);
uint32_t kafka_groups_count(const struct kafka_broker *broker);
enum err kafka_transactions_new(struct kafka_broker *broker, struct diag *diag) MUST_USE;
void kafka_transactions_free(struct kafka_broker *broker);
uint32_t kafka_transactions_open(const struct kafka_broker *broker);

/* Is this transaction allowed to write there: producer id and epoch are those of the coordinator's
 * open transaction with that partition added (transactional Produce). KAFKA_NONE or a code. */
int16_t kafka_transaction_check(struct kafka_broker *broker, struct str transactional_id,
                                int64_t producer_id, int16_t producer_epoch, struct str topic,
                                int32_t partition);
/* Is a topic subscribed by a live member of the group (OffsetDelete)? Deleting a topic takes its
 * commits away. */
void kafka_groups_topic_deleted(struct kafka_broker *broker, struct str topic);

/* ---- handlers, by file ---- */
#define KAFKA_HANDLER(name) void kafka_handle_##name(struct kafka_call *call)
/* dispatch.c */ KAFKA_HANDLER(api_versions);
/* produce.c */ KAFKA_HANDLER(produce);
/* fetch.c */ KAFKA_HANDLER(fetch);
/* list_offsets.c */ KAFKA_HANDLER(list_offsets);
KAFKA_HANDLER(offset_for_leader_epoch);
/* metadata.c */ KAFKA_HANDLER(metadata);
KAFKA_HANDLER(describe_cluster);
KAFKA_HANDLER(describe_topic_partitions);
/* topics.c */ KAFKA_HANDLER(create_topics);
KAFKA_HANDLER(delete_topics);
KAFKA_HANDLER(create_partitions);
KAFKA_HANDLER(delete_records);
/* configs.c */ KAFKA_HANDLER(describe_configs);
KAFKA_HANDLER(alter_configs);
KAFKA_HANDLER(incremental_alter_configs);
KAFKA_HANDLER(list_config_resources);
/* describe.c */ KAFKA_HANDLER(describe_log_dirs);
KAFKA_HANDLER(describe_producers);
KAFKA_HANDLER(describe_acls);
KAFKA_HANDLER(create_acls);
KAFKA_HANDLER(delete_acls);
KAFKA_HANDLER(elect_leaders);
KAFKA_HANDLER(alter_partition_reassignments);
KAFKA_HANDLER(list_partition_reassignments);
KAFKA_HANDLER(describe_client_quotas);
KAFKA_HANDLER(describe_quorum);
KAFKA_HANDLER(alter_replica_log_dirs);
KAFKA_HANDLER(describe_user_scram_credentials);
/* group_api.c */ KAFKA_HANDLER(find_coordinator);
KAFKA_HANDLER(join_group);
KAFKA_HANDLER(sync_group);
KAFKA_HANDLER(heartbeat);
KAFKA_HANDLER(leave_group);
KAFKA_HANDLER(describe_groups);
KAFKA_HANDLER(list_groups);
KAFKA_HANDLER(delete_groups);
/* offsets.c */ KAFKA_HANDLER(offset_commit);
KAFKA_HANDLER(offset_fetch);
KAFKA_HANDLER(offset_delete);
/* txn_api.c */ KAFKA_HANDLER(init_producer_id);
KAFKA_HANDLER(add_partitions_to_txn);
KAFKA_HANDLER(add_offsets_to_txn);
KAFKA_HANDLER(end_txn);
KAFKA_HANDLER(txn_offset_commit);
KAFKA_HANDLER(write_txn_markers);
KAFKA_HANDLER(describe_transactions);
KAFKA_HANDLER(list_transactions);

#endif
