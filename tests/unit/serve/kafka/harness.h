/* SPDX-License-Identifier: MIT */
#ifndef TESTS_KAFKA_HARNESS_H
#define TESTS_KAFKA_HARNESS_H

#include "log/record_batch.h"
#include "serve/kafka/kafka.h"
#include "test.h"
#include "wire/kafka/kafka.h"

/*
 * A broker in the simulator, and clients made of the wire's own encoder. One thread: the log does
 * its work when the rig is turned. Structs that are answered live in the rig's arena.
 */
struct rig {
    struct io *io;
    struct io_loop *loop;
    struct log *log;
    struct kafka_broker *broker;
    struct arena arena;
    uint16_t port;
    bool log_stopped; /* the disk does nothing while it is set */
};

/* options may be NULL. */
void rig_up(struct rig *rig, const struct kafka_broker_options *options);
/* The same on a disk where another process was before: prepare() plays it. */
void rig_up_after(struct rig *rig, const struct kafka_broker_options *options,
                  void (*prepare)(struct io *io));
/* In a simulator with faults, which are off while it comes up. */
void rig_up_in(struct rig *rig, struct io *io);
void rig_down(struct rig *rig);
/* The broker and the log end and begin again on the same disk. */
void rig_restart(struct rig *rig, const struct kafka_broker_options *options);
/* One turn of the log and of the loop; waits at most that long (virtual time). */
void rig_turn(struct rig *rig, int64_t wait_ms);
void rig_turns(struct rig *rig, int count);
/* Virtual time passes, with everything that is due. */
void rig_pass(struct rig *rig, int64_t ms);
struct log_topic *rig_topic(struct rig *rig, const char *name, int32_t partitions);
/* A batch of records "value-N", N from first on, in the rig's arena. */
struct str rig_batch(struct rig *rig, int first, int count);
struct str rig_batch_of(struct rig *rig, struct record_batch_builder *builder);
/* Straight to the log; the base offset. */
int64_t rig_append(struct rig *rig, const char *topic, int32_t index, struct str batch);

struct client;
struct client *client_new(struct rig *rig);
void client_free(struct client *client);
bool client_is_closed(const struct client *client);
/* Reads nothing any more, or again. */
void client_pause(struct client *client, bool paused);
/* The correlation id. */
int32_t client_send(struct client *client, int16_t key, int16_t version, const void *request);
void client_send_bytes(struct client *client, const void *data, size_t bytes);
/* Turns until an answer is there; it must be the one to the oldest request that is not answered.
 * NULL: the connection ended, or wait_ms passed. */
void *client_receive(struct client *client, int64_t wait_ms);
/* Both, for at most a minute; fails the test without an answer. */
void *client_call(struct client *client, int16_t key, int16_t version, const void *request);
/* How many answers lie there unread. */
size_t client_waiting(struct client *client);
/* The next answer as it came, without its size, in the arena; ptr NULL = none. */
struct str client_receive_bytes(struct client *client, int64_t wait_ms);

/* Requests with one partition. */
struct kafka_produce_request *make_produce(struct rig *rig, const char *topic, int32_t index,
                                           struct str batch);
struct kafka_fetch_request *make_fetch(struct rig *rig, const char *topic, int32_t index,
                                       int64_t offset);

/* The answer's only partition. */
struct kafka_produce_response_partition *client_produce(struct client *client, int16_t version,
                                                        struct kafka_produce_request *request);
struct kafka_fetch_response_partition *client_fetch(struct client *client, int16_t version,
                                                    struct kafka_fetch_request *request);
struct kafka_fetch_response_partition *fetch_only(struct kafka_fetch_response *r);
/* Number of records; the first one's offset, -1 = none. Checks every sum. */
int count_records(struct str records, int64_t *ret_first);

#endif
