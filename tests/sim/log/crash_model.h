/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_LOG_CRASH_MODEL_H
#define TESTS_SIM_LOG_CRASH_MODEL_H

/* What a simulated run of the log remembers of its own doing, to judge what a crash left. */
#include "base/mem.h"
#include "io/sim.h"
#include "log/log.h"
#include "log/record_batch.h"

enum { TOPICS_MAX = 4, PARTS_MAX = 10, PARTS_OF_GROUP_MAX = 4, CONSUMERS = 3, KEYS = 6 };

enum fate {
    PENDING, /* not answered */
    ACKED,
    REFUSED, /* answered so that it must never appear */
    MAYBE,   /* the outcome is open until the next opening */
    LOST,    /* it is not there, and must not come back */
};

struct sim_group;
struct sim_append {
    struct log_append append;
    struct sim_run *run;
    int part;
    int number;
    int32_t epoch;
    enum fate fate;
    uint8_t *bytes;
    size_t byte_count;
    int32_t records;
    bool whole; /* several batches or part of a group */
    int64_t base;
    struct sim_group *group;
    struct sim_append *next; /* of the partition, in the order of the queue */
};

struct sim_group {
    struct log_append_group group;
    struct log_append *list[PARTS_OF_GROUP_MAX];
    struct sim_append *parts[PARTS_OF_GROUP_MAX];
    struct sim_group *next;
};

struct sim_part {
    char topic[32];
    int32_t index;
    bool compact, retained; /* retention moves the start */
    struct sim_append *first, *last;
    int64_t start, start_maybe, end;
};

struct sim_run {
    struct io *io;
    struct prng prng;
    struct log *log;
    enum log_durability durability;
    struct sim_part parts[PARTS_MAX];
    int part_count, topic_count;
    struct sim_group *groups;
    int64_t commits[CONSUMERS], commits_tried[CONSUMERS];
    int numbers;
    bool closing;
    bool trace;
    char failure[512];
};

struct log_partition *sim_partition(struct sim_run *run, int part);
/* A new append for that partition, not yet given to the log. */
struct sim_append *sim_append_new(struct sim_run *run, int part);
void sim_answered(struct sim_append *append, enum err err);
/* What is there after opening, against what is remembered. power_cut: without LOG_SYNC the newest
 * may be gone. Remembers what it found. */
void sim_verify(struct sim_run *run, bool power_cut);
void sim_fail(struct sim_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_run_deinit(struct sim_run *run);

#endif
