/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_KAFKA_H
#define SERVE_KAFKA_KAFKA_H

#include "io/loop.h"
#include "log/log.h"

/*
 * The Kafka door: a broker over log/ for every client of Kafka's protocol. Owns connections, fetch
 * sessions and the group and transaction coordinators; everything durable is in the log (topics,
 * __consumer_offsets, __transaction_state). One loop's thread; what has to wait for a directory
 * (creating and deleting topics) runs in the broker's worker. What is offered: docs/
 * kafka-compatibility.md, made from the table of handlers.
 */
struct kafka_broker;

struct kafka_listener_options {
    const char *address;    /* "127.0.0.1:9092": where it listens */
    const char *advertised; /* "127.0.0.1:9092": what clients of this listener are told; NULL = the
                             * address, with the real port */
};
struct kafka_broker_options {
    int32_t node_id;                    /* 0 = 1 */
    int32_t partitions_default;         /* of auto-created topics; 0 = 1 */
    bool auto_create_off;               /* auto.create.topics.enable=false */
    int64_t rebalance_delay_ms;         /* group.initial.rebalance.delay.ms; < 0 = 3 s */
    int64_t transaction_timeout_ms_max; /* 0 = 1 h: Flink asks for that */
    size_t request_bytes_max;           /* 0 = 100 MiB */
    size_t memory_bytes_max; /* of requests and answers under way together; 0 = 512 MiB */
    size_t connections_max;  /* 0 = 10,000 */
    const struct log_topic_config *topic_defaults; /* NULL = log_topic_config_default() */
};

/* Reads coordinator state from the log; ERR_CORRUPT and the like say which topic in diag. The loop
 * and the log are borrowed. */
enum err kafka_broker_new(struct io_loop *loop, struct log *log,
                          const struct kafka_broker_options *options, struct diag *diag,
                          struct kafka_broker **ret_broker) MUST_USE;
/* Before the log's close; connections are ended. Turns the loop until all that is under way has
 * ended: not from inside one of its callbacks. */
void kafka_broker_free(struct kafka_broker *broker);
/* Any number of listeners. ERR_CONFLICT: in use. */
enum err kafka_broker_listen(struct kafka_broker *broker,
                             const struct kafka_listener_options *options,
                             uint16_t *ret_port) MUST_USE;

struct kafka_broker_status {
    uint32_t connections, groups, transactions_open, fetch_sessions, fetches_waiting;
    uint64_t requests, bytes_in, bytes_out;
    uint64_t cold_reads; /* fetches that had to wait for the disk */
};
void kafka_broker_status(const struct kafka_broker *broker, struct kafka_broker_status *ret_status);
/* One line an API: key, name, versions offered. For docs/kafka-compatibility.md. */
void kafka_broker_document(struct buf *out);

#endif
