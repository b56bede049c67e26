/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_PRODUCE_H
#define SERVE_KAFKA_PRODUCE_H

#include "log/record_batch.h"
#include "serve/kafka/broker.h"

/* Between produce.c and produce_check.c. */

/* One partition of a request, before the log sees it. */
struct produce_check {
    struct kafka_call *call;
    struct log_topic *topic;
    struct str records; /* in: as they came; out: as they are to be stored, maybe in the arena */
    struct record_batch batch;                       /* out of _layout: the header as it came */
    struct kafka_produce_response_partition *result; /* its index is set; gets texts of refusals */
};
/* KAFKA_NONE or the code. First this: exactly one batch, of magic 2. */
int16_t kafka_produce_layout(struct produce_check *check);
/* The sum of a batch that stays as it came is left to the log. */
int16_t kafka_produce_check(struct produce_check *check);
/* The log refused a batch of a compacted topic: the records without a key are named. */
void kafka_produce_name_keyless(struct kafka_call *call, struct str topic, struct str records,
                                struct kafka_produce_response_partition *result);

#endif
