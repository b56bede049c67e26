/* SPDX-License-Identifier: MIT */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/compress.h"
#include "io/loop.h"

/*
 * Topics on disk. A topic has partitions; a partition is a sequence of Kafka record batches (v2),
 * byte for byte as producers send them, at growing offsets, in segment files with sparse offset
 * and time indexes. Appends of one moment share one fdatasync (group commit). Layouts and
 * invariants: docs/formats/log.md. Sources: Kafka's message format v2.
 *
 * Threads: everything here may be called from any thread unless it says otherwise. Callbacks of
 * appends and watches run in the loop given with them; without a loop, in the disk thread (then
 * they must be short and may not call back into the log).
 */
struct log;
struct log_topic;
struct log_partition;

enum log_durability {
    LOG_SYNC,     /* acknowledged after fdatasync */
    LOG_INTERVAL, /* acknowledged when written; synced at least every interval_ms */
    LOG_OS,       /* acknowledged when written; the operating system syncs when it likes */
};

struct log_options {
    enum log_durability durability;
    int64_t interval_ms;    /* LOG_INTERVAL */
    size_t queue_bytes_max; /* appends waiting for the disk; over it ERR_AGAIN; 0 = 64 MiB */
    size_t cache_bytes_max; /* newest batches kept in memory for reads; 0 = 4 MiB */
    bool own_thread;        /* start the disk thread; without, the owner calls log_step() */
    bool read_only;         /* inspect and CLI on a stopped project */
};

/* Creates dir when missing; recovers every partition: CRC of everything behind the last checkpoint,
 * cut at the first bad batch, indexes rebuilt. ERR_CONFLICT: another process has it open. */
enum err log_open(struct io *io, const char *dir, const struct log_options *options,
                  struct diag *diag, struct log **ret_log) MUST_USE;
/* ---- a log whose records are in a Kafka ----
 * The same functions over the topics of a Kafka elsewhere, named by a URL
 * kafka://HOST:PORT,HOST:PORT[?NAME=VALUE&..] with settings of librdkafka to get in. dir holds the
 * lock and the name of our transactions. What differs:
 *   - Appends of any kind are transactions: there or not. They are answered when committed, also
 *     when brokers were away meanwhile; what would fail again is an error. Batches are made anew.
 *   - All reads are read_committed; offsets have gaps. ERR_AGAIN while brokers do not answer, and
 *     log_health() is ERR_NETWORK then; both pass by themselves.
 *   - A topic that exists keeps its settings: log_topic_configure() adds partitions only.
 *   - log_partition_bytes() is 0; slices, trimming, settings as text, producers, leader epochs,
 *     search by time and all of consumer offsets but log_offset_commit() and log_offset_fetch()
 *     are ERR_UNSUPPORTED or empty.
 */
struct log_kafka_options {
    bool writes;        /* end what a former run left open before anything is looked at */
    int64_t connect_ms; /* how long the brokers are waited for at opening; 0 = 15 s */
};
/* ERR_NETWORK: no broker answers; ERR_DENIED: they do not let us in; ERR_CONFLICT: another process
 * has dir. */
enum err log_open_kafka(struct io *io, const char *dir, struct str url,
                        const struct log_kafka_options *options, struct diag *diag,
                        struct log **ret_log) MUST_USE;
/* Whether the text is such a URL; ERR_INVALID with a hint. */
enum err log_kafka_check(struct str url, struct diag *diag) MUST_USE;
/* Asks once: "Kafka at HOST:PORT, 3 brokers, 12 topics". ERR_NETWORK; ERR_DENIED: it does not let
 * us in. */
enum err log_kafka_probe(struct io *io, struct str url, struct diag *diag,
                         struct buf *out) MUST_USE;
/* HOST:PORT,.. of a remote log; NULL = the records are here. */
const char *log_remote_place(const struct log *log);
/* The newest reason why brokers do not answer; empty when they do. */
void log_trouble(struct log *log, char *text, size_t room);
/* Whoever waits for brokers gets ERR_AGAIN, from now on: before the threads that wait are joined.
 * In a log of files, appends that were begun and wait for room on a full disk are answered; if
 * there are any, no others are taken any more. NULL is fine. */
void log_interrupt(struct log *log);

/* Syncs, writes the clean-shutdown mark, frees. */
void log_close(struct log *log);
/* One turn of the disk thread: writes and syncs what is queued, then retention when due. For runs
 * without the thread. Returns true when it did something. */
bool log_step(struct log *log);
/* OK, or why intake has stopped: ERR_DISK_FULL (resumes by itself), ERR_IO (does not). */
enum err log_health(struct log *log);
/* The directory that it was opened with. */
const char *log_dir(const struct log *log);

/* ---- topics ---- */

struct log_topic_config {
    int32_t partitions;          /* 1.. */
    int64_t retention_ms;        /* -1 = for ever */
    int64_t retention_bytes;     /* of a partition; -1 = unlimited */
    int64_t segment_bytes;       /* 0 = 128 MiB */
    int64_t segment_ms;          /* 0 = 7 days */
    int32_t message_bytes_max;   /* of a batch; 0 = 16 MiB */
    enum codec compression;      /* of batches that we build */
    bool compact;                /* cleanup.policy=compact: newest of each key is kept */
    bool log_append_time;        /* message.timestamp.type=LogAppendTime */
    bool compact_and_delete;     /* with compact: retention applies too */
    bool sync_each;              /* flush.messages=1: as LOG_SYNC, whatever the log's durability */
    int64_t delete_retention_ms; /* tombstones and markers stay that long after the first clean;
                                    0 = 24 h */
    int64_t compaction_lag_min_ms; /* newer records are not compacted; 0 = none */
    int64_t compaction_lag_max_ms; /* compacted at the latest; 0 = no limit */
    double dirty_ratio_min;        /* share of not yet compacted bytes; 0 = 0.5 */
    int64_t time_before_max_ms; /* timestamps of producers are not older; 0 = any age. The door that
                                   takes the batch looks, as it means looking at each record */
    int64_t time_after_max_ms;  /* nor further ahead of the clock; 0 = 1 h */
    bool recompress; /* batches of producers too are stored with compression, also none */
};
/* 1 partition, 7 days, unlimited bytes, no compression. */
void log_topic_config_default(struct log_topic_config *config);

/* Durable when it returns. Names: 1..249 of [a-zA-Z0-9._-], not . or ..: ERR_INVALID. ERR_EXISTS.
 */
enum err log_topic_create(struct log *log, struct str name, const struct log_topic_config *config,
                          struct diag *diag, struct log_topic **ret_topic) MUST_USE;
/* NULL when missing, or when a remote log cannot ask about it now. Topics live until deleted; a
 * deleted topic's handle answers ERR_CLOSED. */
struct log_topic *log_topic_find(struct log *log, struct str name);
enum err log_topic_delete(struct log *log, struct str name) MUST_USE;
/* Sorted by name; the array is mem_free'd by the caller, the topics are not. */
size_t log_topics(struct log *log, struct log_topic ***ret_topics);
struct str log_topic_name(const struct log_topic *topic);
const uint8_t *log_topic_id(const struct log_topic *topic); /* 16 bytes */
struct log_topic_config log_topic_config(const struct log_topic *topic);
enum err
log_topic_configure(struct log_topic *topic,
                    const struct log_topic_config *config) MUST_USE; /* may add partitions */
/* Text that a protocol keeps with the topic: the settings that were given, by their own names.
 * Durable when it returns; replaces all. The getter gives a copy in the arena, sorted by name. */
struct log_topic_setting {
    struct str name, value;
};
enum err log_topic_settings_set(struct log_topic *topic, const struct log_topic_setting *settings,
                                size_t count) MUST_USE;
size_t log_topic_settings(const struct log_topic *topic, struct arena *arena,
                          struct log_topic_setting **ret_settings);
/* By its 16 bytes; NULL when missing. */
struct log_topic *log_topic_find_id(struct log *log, const uint8_t *id);
/* __consumer_offsets and __transaction_state: flagged to clients. */
bool log_topic_is_internal(const struct log_topic *topic);
int32_t log_topic_partitions(const struct log_topic *topic);
/* NULL when out of range. */
struct log_partition *log_topic_partition(struct log_topic *topic, int32_t index);
int32_t log_partition_index(const struct log_partition *partition);
struct log_topic *log_partition_topic(const struct log_partition *partition);

/* First offset that is there; grows by retention and log_partition_trim. */
int64_t log_partition_start(const struct log_partition *partition);
/* The high watermark: one past the last acknowledged offset. Reads end here. */
int64_t log_partition_end(const struct log_partition *partition);
uint64_t log_partition_bytes(const struct log_partition *partition);
/* Everything below offset may go (DeleteRecords). */
enum err log_partition_trim(struct log_partition *partition, int64_t offset) MUST_USE;

/* ---- appending ---- */

/* One append: whole record batches for one partition, in one piece. Caller's memory until done is
 * called, exactly once. All batches of one append are there after a crash, or none of them. */
struct log_append {
    const uint8_t *batches; /* offsets and leader epoch are patched in a copy */
    size_t bytes;
    void (*done)(struct log_append *append);
    void *owner;
    struct io_loop *loop; /* where done runs; NULL = the disk thread */
    /* results */
    enum err err;
    int64_t base_offset;
    int64_t append_time_ms; /* -1 unless LogAppendTime */
    int64_t log_start_offset;
    bool duplicate; /* an idempotent producer sent it before: base_offset is the old one */
    /* the log's own */
    struct io_post post;
    struct log_append *next;
    struct log_append_group *group;
    uint32_t batch_count;
    struct log_partition *partition; /* set by the caller for log_append_together() only */
    bool control;   /* set by the caller: the batches are markers made by log_marker_encode() */
    bool producers; /* the log's own: some batch has a producer id */
};
/* Checks (Kafka's own set, reference: produce checks): ERR_CORRUPT, ERR_TOO_LARGE = ERR_LIMIT,
 * ERR_INVALID; ERR_AGAIN when the queue is full; ERR_DISK_FULL, ERR_IO while intake is stopped.
 * When it answers an error at once, done is not called. */
enum err log_append(struct log_partition *partition, struct log_append *append) MUST_USE;
/* Batches with a producer id are checked in the order of the queue, when their turn comes, against
 * all that was taken before them: ERR_DISORDER (sequence), ERR_FENCED (older epoch, or a marker of
 * an older coordinator), ERR_STATE (plain, inside of its producer's transaction) are then the
 * result of that append, or of its log_append_together(), alone. A transactional batch without a
 * producer is ERR_STATE at once. What is queued behind a group that the disk failed fails with it.
 */
/* The same, waiting for the disk; not from a loop's thread. */
enum err log_append_wait(struct log_partition *partition, const uint8_t *batches, size_t bytes,
                         int64_t *ret_base_offset) MUST_USE;

/* Several appends to any partitions of this log that become durable and visible together, or not
 * at all: the outputs of an epoch. parts are as for log_append but for done, which is the
 * group's. */
struct log_append_group {
    struct log_append **parts;
    size_t count;
    void (*done)(struct log_append_group *group);
    void *owner;
    struct io_loop *loop;
    enum err err;
    struct io_post post;
    size_t waiting; /* the log's own */
};
enum err log_append_together(struct log *log, struct log_append_group *group) MUST_USE;

/* ---- producers and transactions (Kafka's KIP-98) ----
 * Of each partition and producer id: epoch, the last five batches, the first offset of an open
 * transaction. Rebuilt from snapshots beside finished segments and the headers behind them; idle
 * producers are forgotten after 24 h of wall time. */
struct log_producer {
    int64_t producer_id;
    int16_t epoch;
    int32_t last_sequence; /* -1 = none */
    int64_t last_timestamp_ms;
    int32_t coordinator_epoch;
    int64_t txn_first_offset; /* -1 = no open transaction */
};
/* A batch of that producer with that first sequence is on its way, or was refused before the log
 * got it: where the partition does not know the producer, none behind it is taken before it
 * (ERR_DISORDER). The log itself does so with what it refuses for a full disk. */
void log_producer_expect(struct log_partition *partition, int64_t producer_id, int16_t epoch,
                         int32_t sequence);
/* Sorted by id; lives in the arena. */
size_t log_producers(struct log_partition *partition, struct arena *arena,
                     struct log_producer **ret_producers);
/* Appends the control batch that ends a transaction in a partition: for an append with control. */
void log_marker_encode(int64_t producer_id, int16_t producer_epoch, bool commit,
                       int32_t coordinator_epoch, int64_t timestamp_ms, struct buf *out);
/* The last stable offset: the first of any open transaction, else the high watermark. */
int64_t log_partition_stable_end(const struct log_partition *partition);
struct log_aborted {
    int64_t producer_id;
    int64_t first_offset, last_offset; /* last is that of the marker */
};
/* Aborted transactions that have offsets in from..to (to is not included), by first offset. */
size_t log_aborted(struct log_partition *partition, int64_t from, int64_t to, struct arena *arena,
                   struct log_aborted **ret_aborted);

/* ---- leader epochs: 0, and one more after each opening that had to cut acknowledged-looking bytes
 * or could not know (unclean end in a durability other than LOG_SYNC). Batches carry the epoch that
 * they were appended in. ---- */
int32_t log_partition_epoch(const struct log_partition *partition);
/* The largest epoch <= epoch that the partition has, and where it ends (the first offset of the
 * next one, or the end). ERR_NOT_FOUND: epoch is below all, or above the current one. */
enum err log_epoch_end(struct log_partition *partition, int32_t epoch, int32_t *ret_epoch,
                       int64_t *ret_end_offset) MUST_USE;

/* ---- reading ---- */

struct log_read {
    int64_t offset_next; /* where to go on */
    int64_t high_watermark;
    int64_t log_start;
    int64_t stable_end;
};
/* Appends whole batches to out, beginning with the one that contains offset, up to bytes_max (the
 * first is always given whole), ending at the high watermark. offset == end gives nothing.
 * ERR_OUT_OF_RANGE below the start or above the end. */
enum err log_read(struct log_partition *partition, int64_t offset, size_t bytes_max,
                  struct buf *out, struct log_read *ret_read) MUST_USE;
/* The same up to the last stable offset only. */
enum err log_read_stable(struct log_partition *partition, int64_t offset, size_t bytes_max,
                         struct buf *out, struct log_read *ret_read) MUST_USE;
/* The same without markers and without records of aborted transactions: what streams, queries and
 * commands see. offset_next may be past offset although nothing is given. */
enum err log_read_committed(struct log_partition *partition, int64_t offset, size_t bytes_max,
                            struct buf *out, struct log_read *ret_read) MUST_USE;
/* The same as a range of an open file, for sendfile: whole batches of one segment. stable as above.
 * ERR_AGAIN: there is nothing from offset on, or it is in memory (log_read gives it cheaper). The
 * slice holds the file until released, also when the segment is removed meanwhile; any thread, but
 * before log_close(). */
struct log_slice {
    struct io_file *file;
    uint64_t position;
    size_t bytes;
    struct log_segment *segment; /* the log's own */
};
enum err log_slice_open(struct log_partition *partition, int64_t offset, size_t bytes_max,
                        bool stable, struct log_slice *ret_slice,
                        struct log_read *ret_read) MUST_USE;
void log_slice_release(struct log_slice *slice);
/* True: a read from there would wait for the disk, as far as can be told without waiting;
 * log_read_warm() waits instead, in another thread. Nothing is lost by reading all the same. */
bool log_read_waits(struct log_partition *partition, int64_t offset, size_t bytes_max);
void log_read_warm(struct log_partition *partition, int64_t offset, size_t bytes_max);
/* Of all records the one with the greatest timestamp; -1, -1 when there is none. */
enum err log_offset_of_max_time(struct log_partition *partition, int64_t *ret_offset,
                                int64_t *ret_timestamp_ms) MUST_USE;
/* First offset whose record has at least that timestamp; -1 when there is none. */
enum err log_offset_for_time(struct log_partition *partition, int64_t timestamp_ms,
                             int64_t *ret_offset, int64_t *ret_timestamp_ms) MUST_USE;

/* Calls moved once, in the loop, when the end is past offset or the topic is deleted. Caller's
 * memory until it was called or stopped (by the loop's thread), or until log_close(), which forgets
 * it uncalled. A loop given here lives until log_close(). */
struct log_watch {
    int64_t offset;
    bool stable; /* the end is the last stable offset */
    void (*moved)(struct log_watch *watch);
    void *owner;
    struct io_loop *loop;
    struct io_post post;
    struct log_watch *next, *previous;
    struct log_partition *partition; /* NULL = not watching */
};
void log_watch_start(struct log_partition *partition, struct log_watch *watch);
void log_watch_stop(struct log_watch *watch);

/* ---- consumer offsets: durable with the log's level; kept in the compacted topic
 *      __consumer_offsets, in Kafka's own record format ---- */

struct log_group_offset {
    struct str group, topic;
    int32_t partition;
    int64_t offset; /* -1 takes the commit back, and those of open transactions; others below 0
                       mean what the client means */
    int32_t leader_epoch; /* -1 = not given */
    struct str metadata;
    int64_t commit_ms; /* wall time; 0 = now */
};
enum err log_offset_commit(struct log *log, struct str group, struct str topic, int32_t partition,
                           int64_t offset, struct str metadata) MUST_USE;
/* The same in two steps, for a commit that shall be one with other appends or not wait: the batch
 * that says it, for log_append() or a part of log_append_together(), and where it goes. */
enum err log_offset_encode(struct log *log, const struct log_group_offset *offsets, size_t count,
                           struct buf *out) MUST_USE;
/* Inside a transaction: pending until the marker of that producer is in the offsets topic. */
enum err log_offset_encode_txn(struct log *log, const struct log_group_offset *offsets,
                               size_t count, int64_t producer_id, int16_t producer_epoch,
                               struct buf *out) MUST_USE;
/* Makes the topic when it is not there yet. */
enum err log_offsets_partition(struct log *log, struct log_partition **ret_partition) MUST_USE;
/* -1 when there is none. */
int64_t log_offset_fetch(struct log *log, struct str group, struct str topic, int32_t partition);
/* The whole entry in the arena; ERR_NOT_FOUND. *ret_pending: an open transaction may change it. */
enum err log_offset_get(struct log *log, struct str group, struct str topic, int32_t partition,
                        struct arena *arena, struct log_group_offset *ret_offset,
                        bool *ret_pending) MUST_USE;
/* All commits, or those of one group (ptr NULL = all), sorted; lives in the arena. */
size_t log_offsets(struct log *log, struct str group, struct arena *arena,
                   struct log_group_offset **ret_offsets);
/* The same of the keys for which an open transaction has commits; offsets are -1. */
size_t log_offsets_pending(struct log *log, struct str group, struct arena *arena,
                           struct log_group_offset **ret_offsets);

#endif
