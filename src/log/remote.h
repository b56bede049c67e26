/* SPDX-License-Identifier: MIT */
#ifndef LOG_REMOTE_H
#define LOG_REMOTE_H

#include "log/kafka_trouble.h"
#include "log/store.h"

/*
 * A log whose records are in a Kafka, private to this folder. Topics, partitions, watches and the
 * queue of appends are those of store.h, so what only looks at them needs no second form; of a
 * partition only start and end are used. end is the last stable offset, so all reads are stable.
 *
 *   remote.c         opening, closing, the poll thread: ends, topics, health
 *   kafka_trouble.c  why brokers do not answer, or do not let us in
 *   remote_url.c     kafka://host:port,..?name=value, and clients made from it
 *   remote_topic.c   topics: load, create, grow, delete, settings
 *   remote_append.c  the writer thread: what is queued becomes one transaction
 *   remote_read.c    fetching, and record batches made of what came
 *   remote_offset.c  offsets of consumer groups
 */
enum {
    REMOTE_LANES_MAX = 4,
    REMOTE_CURSORS_MAX = 4096,
    REMOTE_CALL_MS = 10000,
};

struct remote_setting {
    char *name, *value;
};
struct remote_place {
    char *brokers; /* "host1:9092,host2:9092" */
    struct remote_setting *settings;
    size_t setting_count;
};

/* Where one partition is being read by one consumer. */
struct remote_cursor {
    struct log_partition *partition;
    size_t lane;
    rd_kafka_topic_t *topic; /* NULL = not started */
    rd_kafka_queue_t *queue;
    int64_t next; /* offset */
    int64_t used_ns;
    bool busy; /* with a reader; else under log->lock */
};

struct log_remote {
    struct log *log;
    struct remote_place place;
    char *transactional_id;
    rd_kafka_t *client; /* a consumer without a group: metadata, ends, administration */
    struct io_thread *poller;
    uint64_t looks;               /* at the list of topics; in a turn */
    struct io_condition poll_now; /* with log->lock */
    struct io_condition cursor_free;
    struct log_kafka_trouble trouble; /* its owner is the remote */

    /* under log->lock */
    bool giving_up;     /* log_interrupt(): nobody waits for a broker any more */
    int64_t changed_ns; /* some end moved */
    rd_kafka_t *lanes[REMOTE_LANES_MAX];
    size_t lane_count;
    struct remote_cursor **cursors;
    size_t cursor_count;

    /* the writer's */
    rd_kafka_t *producer; /* NULL = none, or lost */
    rd_kafka_resp_err_t send_err;
    size_t undelivered;
};

/* ---- remote_url.c ---- */
enum err remote_place_parse(struct str url, struct diag *diag,
                            struct remote_place *ret_place) MUST_USE;
void remote_place_deinit(struct remote_place *place);
/* With the settings of the place; then name, value, .., NULL. trouble may be NULL. */
enum err remote_client(struct log_kafka_trouble *trouble, const struct remote_place *place,
                       rd_kafka_type_t type, struct diag *diag, rd_kafka_t **ret_client,
                       ...) MUST_USE;
/* OK, ERR_AGAIN (may pass by itself), or what will be the same at the next try. */
enum err remote_err(rd_kafka_resp_err_t err);

/* ---- remote.c ---- */
void remote_close(struct log *log);
/* False when whoever waits for a broker shall give up. Takes log->lock. */
bool remote_may_wait(struct log_remote *remote);
void remote_set_health(struct log_remote *remote, enum err health);
/* Asks for the ends (and starts) of partitions now. */
enum err remote_look(struct log_remote *remote, struct log_partition **partitions, size_t count,
                     bool starts) MUST_USE;
/* Under log->lock: the end has grown to that. */
void remote_end_set(struct log_partition *partition, int64_t end);

/* ---- remote_topic.c ---- */
/* Topics that are there; those that have gone are left as they are. */
enum err remote_topics_load(struct log_remote *remote, int timeout_ms) MUST_USE;
/* Before somebody uses the topic: its settings and ends. */
enum err remote_topic_want(struct log_topic *topic) MUST_USE;
/* For log_topics(): all are looked at. */
void remote_topics_look(struct log_remote *remote);
enum err remote_topic_create(struct log *log, struct str name,
                             const struct log_topic_config *config, struct diag *diag,
                             struct log_topic **ret_topic) MUST_USE;
enum err remote_topic_configure(struct log_topic *topic,
                                const struct log_topic_config *config) MUST_USE;
enum err remote_topic_delete(struct log *log, struct str name) MUST_USE;

/* ---- remote_append.c ---- */
/* Under log->lock: OK, or why nothing more is queued. */
enum err remote_takes(const struct log_remote *remote) MUST_USE;
void remote_write(void *arg); /* the writer thread */
void remote_delivery_set(rd_kafka_conf_t *conf);
/* Makes the producer and ends what a former run left open. ERR_AGAIN. */
enum err remote_producer_open(struct log_remote *remote, struct diag *diag) MUST_USE;

/* ---- remote_read.c ---- */
enum err remote_read(struct log_partition *partition, int64_t offset, size_t bytes_max,
                     struct buf *out, struct log_read *ret_read) MUST_USE;
/* Offset of the first record at or behind offset that is committed, or of the end. */
enum err remote_first_at(struct log_partition *partition, int64_t offset,
                         int64_t *ret_offset) MUST_USE;
/* Closes those that were not used for a while, or all. */
void remote_cursors_trim(struct log_remote *remote, bool all);

/* ---- remote_offset.c ---- */
enum err remote_offset_commit(struct log *log, struct str group, struct str topic,
                              int32_t partition, int64_t offset, struct str metadata) MUST_USE;
int64_t remote_offset_fetch(struct log *log, struct str group, struct str topic, int32_t partition);

#endif
