/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_ADMIN_H
#define SERVE_KAFKA_ADMIN_H

#include "serve/kafka/broker.h"

/* Between metadata.c, topics.c, configs.c and describe.c. */

/* Authorized operations as bits: everything is allowed. Topics: read, write, create, delete, alter,
 * describe, describe configs, alter configs. Cluster: create, alter, describe, cluster action,
 * describe configs, alter configs, idempotent write. */
enum { KAFKA_TOPIC_OPERATIONS = 0xDF8, KAFKA_CLUSTER_OPERATIONS = 0x1FA0 };

/* Text made in the call's arena. */
struct str kafka_text(struct kafka_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A list of the one node there is: lives as long as the broker, is not to be changed. */
int32_t *kafka_this_node(struct kafka_call *call);

/* A short request may ask for a long answer: handlers that list go on only while there is room, and
 * answer the rest with KAFKA_INVALID_REQUEST and this text. */
bool kafka_answer_has_room(const struct kafka_call *call);
extern const char kafka_answer_too_long[];

/* Why it is no name of a topic, in Kafka's words; NULL when it is one. */
const char *kafka_topic_name_problem(struct str name, struct arena *arena);
/* A topic that differs only in '.' and '_', which Kafka's metrics cannot tell apart; NULL = none.
 */
struct log_topic *kafka_topic_collision(struct log *log, struct str name);
/* Topics of the coordinators: clients may not delete or widen them. */
bool kafka_topic_is_ours(struct str name);

/* Runs the call in the worker, then after (may be NULL) in the loop, then answers it. */
void kafka_admin_do(struct kafka_call *call, void (*run)(struct kafka_call *call),
                    void (*after)(struct kafka_call *call));

#endif
