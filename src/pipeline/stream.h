/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_STREAM_H
#define PIPELINE_STREAM_H

#include "format/csv.h"
#include "format/json.h"
#include "io/thread.h"
#include "pipeline/latency.h"
#include "pipeline/project.h"
#include "pipeline/remote.h"

/*
 * A stream at work: one streaming table, reading the topic of its source by epochs: gather, decode,
 * run the query, store, commit. Private to the room.
 *
 * Invariants
 *  1. An epoch's rows, its books and the next offsets are one table commit.
 *  2. Dead letters of an epoch are durable before that commit. Those whose place is at or past the
 *     committed offsets are found again at the start and not written twice.
 *  3. Every offset below the next one is counted once: read, passed or missed; read = processed +
 *     dead, processed = stored + filtered; dead are records that could not be decoded, computed or
 *     stored.
 *  4. With tables elsewhere (remote.h) the rows are acknowledged before that commit. Their
 * timestamps are base + (offset - next offset) * partitions + partition, of the books that the
 * epoch began with: whoever runs it again gives the same row the same timestamp.
 *  5. Of all tables that read a source, the first (its primary) writes the dead letters of values
 *     that cannot be decoded, so that there is one letter a value.
 */

struct stream_partition {
    struct log_partition *partition;
    int64_t offset_next;
    struct log_watch watch; /* the loop's thread */
};

/* Books that survive: see stream_state.c. */
struct stream_books {
    uint64_t epoch;
    uint64_t read;     /* records taken from the topic */
    uint64_t stored;   /* of them: gave at least one row */
    uint64_t filtered; /* gave no row */
    uint64_t dead;     /* are in the dead letters */
    uint64_t rows;     /* stored rows */
    uint64_t passed;   /* offsets without a record: markers, aborted, compacted away */
    uint64_t missed;   /* offsets that retention had removed before they were read */
    int64_t last_timestamp_us;
    int64_t dead_letters_end; /* end of the dead-letter topic at the commit */
    int64_t remote_base_us;   /* see invariant 4; 0 = not set yet */
    int64_t remote_spread;    /* partitions at that time */
};

enum stream_state { STREAM_IDLE, STREAM_RUNNING, STREAM_BLOCKED, STREAM_FAILED };

struct dead_letters; /* dead_letter.h */

struct stream {
    struct pipeline *pipeline;
    struct project_source *source;
    struct project_table *table;
    bool primary;
    struct io *io;
    struct log *log;
    struct table_store *store;
    struct table *store_table;   /* NULL: remote */
    struct remote_table *remote; /* NULL: the rows go to the store */
    const char *engine;          /* the remote one's name in keys of state; NULL = embedded */
    struct log_topic *topic;
    struct stream_partition *partitions;
    int32_t partition_count;
    bool durable_commits; /* durability: sync */

    /* the worker's */
    struct arena scratch;
    struct table_batch *batch;
    struct dead_letters *dead_letters;
    struct query_run *run;
    struct json_decoder *json;
    struct csv_decoder *csv;
    const struct type *wanted;

    /* under the lock: what status reads */
    struct io_mutex lock;
    struct stream_books books;
    enum stream_state state;
    char detail[256];
    char trouble[256]; /* the worker's: why the remote takes nothing; empty = it does */
    struct latency latency;

    /* the loop's */
    bool queued;
    struct io_post rearm;
};

/* What became of a record. */
enum fate { FATE_FILTERED, FATE_STORED, FATE_CORRUPT, FATE_FAILED, FATE_NOT_OURS };

/* The records of one epoch, borrowed from its buffers. */
struct epoch {
    struct stream *stream;
    struct arena *arena;
    struct buf *raw;      /* one a partition */
    struct buf *inflated; /* those of compressed batches */
    size_t inflated_count;
    size_t count;
    uint64_t passed, missed; /* offsets without a record, as in the books */
    size_t room;
    struct str *values;
    struct str *keys;
    struct str *headers;
    uint32_t *header_counts;
    int32_t *partitions;
    int64_t *offsets;
    int64_t *timestamps_ms;
    int64_t *offset_next; /* one a partition */
    uint8_t *fates;       /* enum fate, one a record */
    struct json_fault *faults;
    size_t fault_count;
};

/* stream.c */
enum err stream_open(struct stream *stream, struct diag *diag) MUST_USE;
void stream_close(struct stream *stream);
/* One epoch. OK and *ret_records = 0 when there was nothing. Worker's thread. */
enum err stream_epoch(struct stream *stream, size_t *ret_records) MUST_USE;
/* Offsets that can be taken now: up to the last stable one. */
int64_t stream_lag(struct stream *stream);
enum stream_state stream_get_state(struct stream *stream);
void stream_set_state(struct stream *stream, enum stream_state state, const char *detail);

/* epoch.c: gathers the next records of all partitions. */
enum err epoch_gather(struct epoch *epoch, struct stream *stream, size_t bytes_max) MUST_USE;
void epoch_deinit(struct epoch *epoch);
/* decode.c: the values as rows of the wanted type; those that do not fit get FATE_CORRUPT. */
enum err epoch_decode(struct epoch *epoch, struct batch **ret_batch) MUST_USE;
/* Makes the decoder of the stream's source. */
enum err stream_decoder_open(struct stream *stream) MUST_USE;

/* stream_remote.c: all rows are told what they are by place. */
enum err stream_remote_open(struct stream *stream, struct diag *diag) MUST_USE;
/* Before the rows of an epoch are numbered: the table is there, and there is a base for them. */
enum err stream_remote_begin(struct stream *stream) MUST_USE;
int64_t stream_remote_timestamp(const struct stream *stream, int32_t partition, int64_t offset);
/* Above every timestamp of the epoch: the base of the next. */
int64_t stream_remote_base_after(const struct stream *stream, const struct epoch *epoch);
enum err stream_remote_flush(struct stream *stream,
                             const struct remote_refusals *refusals) MUST_USE;

/* stream_state.c */
void stream_state_put(const struct stream *stream, const struct epoch *epoch,
                      const struct stream_books *books, struct table_batch *batch);
enum err stream_state_get(struct stream *stream) MUST_USE;

#endif
