/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_GROUP_API_H
#define SERVE_KAFKA_GROUP_API_H

#include "serve/kafka/coordinator.h"

/* Between group_api.c, group_admin.c and offsets.c: the registry of groups. */
enum {
    KAFKA_NAME_BYTES_MAX = INT16_MAX, /* of what records hold with a length of 16 bits */
    KAFKA_METADATA_BYTES_MAX = 4096,  /* of a commit */
};

struct kafka_group {
    struct group group;
    struct kafka_groups *groups;
    struct io_timer timer;
    int64_t armed_ms; /* of the timer; INT64_MAX = not */
    bool commits;     /* it has or may have committed offsets */
    uint32_t refs;    /* the registry, and each record being written */
};

struct kafka_groups {
    struct kafka_broker *broker;
    struct map map; /* id -> struct kafka_group */
    struct group_settings settings;
    struct log_partition *partition;
    struct io_timer sweep;
    enum err load_err;
    char load_name[128];
};

struct kafka_group *kafka_group_find(struct kafka_broker *broker, struct str id);
/* Before an event: tells the group what time it is. */
void kafka_group_begin(struct kafka_group *group);
/* After it: actions, timer; the group goes when nothing is left of it. */
void kafka_group_settle(struct kafka_group *group);
/* Out of the registry: who waits is told to look for the coordinator again. */
void kafka_group_drop(struct kafka_group *group);
/* The group, or NULL with the code; a generation below 0 makes it. For commits. */
struct kafka_group *kafka_group_of_commit(struct kafka_broker *broker, struct str id,
                                          int32_t generation, int16_t *ret_code);

/* ---- offsets.c ---- */
/* Takes expired commits away, and groups that are left without anything. */
void kafka_offsets_expire(struct kafka_broker *broker);
/* What one partition of a commit is refused with, in Kafka's order. topic NULL: topic_code says
 * why; group_code: what the group says to the whole. */
int16_t kafka_offset_check(const struct log_topic *topic, int16_t topic_code, int32_t partition,
                           int16_t group_code, struct str metadata);
/* Adds tombstones of all commits of a group to a batch; how many. */
size_t kafka_offsets_forget(struct kafka_broker *broker, struct str group, struct arena *arena,
                            struct buf *out);

#endif
