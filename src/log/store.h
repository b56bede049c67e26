/* SPDX-License-Identifier: MIT */
#ifndef LOG_STORE_H
#define LOG_STORE_H

#include "base/hash.h"
#include "io/thread.h"
#include "log/log.h"
#include "log/record_batch.h"

/*
 * Inside of the log, private to this folder. Who may touch what:
 *   - Everything that changes files or the list of segments happens in a turn (log_turn_begin()):
 *     the disk thread's, or that of a caller who creates, deletes or trims. One turn at a time.
 *   - What readers see (segments, index, ends, watches, queue, health, offsets) changes only under
 *     log->lock, which is never held during I/O. The owner of the turn may read it without.
 *   - Open files belong to log->files.lock.
 */
enum {
    LOG_DIR_MAX = 512,
    LOG_PATH_MAX = 1024,
    LOG_SEGMENT_BYTES_DEFAULT = 128 << 20,
    LOG_SEGMENT_BYTES_MAX = 1 << 30,
    LOG_MESSAGE_BYTES_DEFAULT = 16 << 20,
    LOG_QUEUE_BYTES_DEFAULT = 64 << 20,
    LOG_CACHE_BYTES_DEFAULT = 4 << 20,
    LOG_PARTITIONS_MAX = 10000, /* of a topic */
    LOG_INDEX_STEP = 4096,      /* log bytes between two entries of an index */
    LOG_INDEX_BYTES_MAX = 16 << 20,
    LOG_FILES_MAX = 256,
    LOG_SYNC_ALL_MIN = 64, /* so many files are synced with all others of the disk at once */
    LOG_GROUP_BYTES_MAX = 8 << 20,
    LOG_GROUP_BATCHES_MAX = 8192,
    LOG_TOPIC_ID = 16,
};
#define LOG_OFFSETS_TOPIC "__consumer_offsets"
#define LOG_TRANSACTIONS_TOPIC "__transaction_state"
#define LOG_TIME_UNKNOWN INT64_MIN

struct log_path {
    char text[LOG_PATH_MAX];
};

/* The first batch that begins at or behind a multiple of LOG_INDEX_STEP. */
struct log_index_entry {
    uint32_t relative_offset;
    uint32_t position;
    int64_t max_timestamp; /* of all batches before this one */
};

struct log_segment {
    struct log_partition *partition;
    int64_t base_offset;
    uint64_t bytes;        /* of acknowledged batches */
    uint64_t allocated;    /* size of the file; 0 = not looked at yet */
    uint64_t paged;        /* pages.c knows what is below */
    int64_t max_timestamp; /* LOG_TIME_UNKNOWN = nobody asked yet */
    int64_t created_ms;    /* wall time of the first append as far as known, for segment_ms */
    /* index: NULL until needed */
    struct log_index_entry *index;
    uint32_t index_count, index_room;
    bool index_loaded;
    struct log_segment *index_newer, *index_older;
    /* file, under files.lock */
    struct io_file *file;
    unsigned file_users;
    struct log_segment *file_newer, *file_older;
    unsigned refs;  /* under log->lock: readers, the dirty list, and the partition itself */
    bool dropped;   /* no longer in the partition */
    bool journaled; /* has bytes that only the journal makes durable */
    bool unsynced;  /* has bytes that nothing makes durable yet */
    bool in_dirty;
};

/* ---- producers (producer.c, transaction.c) ---- */

enum { LOG_PRODUCER_BATCHES = 5 };
#define LOG_OFFSET_TO_COME (-2) /* admitted, not placed yet */

struct log_producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t base_offset, timestamp_ms;
};
struct log_producer_entry {
    int64_t producer_id;
    int64_t seen_ms; /* wall time of its last append, as far as known */
    int64_t last_timestamp_ms;
    int64_t txn_first_offset; /* -1 = no open transaction */
    int32_t coordinator_epoch;
    int16_t epoch;
    uint16_t batch_count;
    struct log_producer_batch batches[LOG_PRODUCER_BATCHES]; /* oldest first */
};
struct log_open_txn {
    int64_t producer_id, first_offset;
};
struct log_aborted_txn {
    int64_t producer_id, first_offset, last_offset;
    int64_t stable_end; /* of the partition once it had ended: what ends later begins there */
};
/* Of one partition; there is none before the first batch with a producer id. Entries hold what is
 * written or about to be; open and aborted transactions what is acknowledged. */
struct log_producers {
    struct log_producer_entry *entries; /* in no order */
    uint32_t *places; /* hash table: index of entries + 1; NULL while they are few */
    uint32_t count, room, place_room;
    uint32_t open_count, open_room, aborted_count, aborted_room;
    struct log_open_txn *open;       /* by first offset */
    struct log_aborted_txn *aborted; /* by last offset */
};
/* See expect.c. */
struct log_expected {
    int64_t producer_id, since_ms;
    int32_t sequence;
    int16_t epoch;
};
/* What an entry was before the group that is being written. */
struct log_producer_undo {
    struct log_partition *partition;
    bool existed;
    struct log_producer_entry old;
};

struct log_epoch_start {
    int32_t epoch;
    int64_t start;
};
struct log_epochs {
    uint32_t count;
    struct log_epoch_start starts[];
};

struct log_partition {
    struct log *log;
    struct log_topic *topic;
    int32_t index;
    bool start_file;      /* while opening: there is a file that says the start */
    bool snapshot_files;  /* there are, or may be, snapshots of producers */
    bool not_compactable; /* its records cannot be walked */
    bool cut;             /* opening had to cut off what was no batch */
    struct log_producers *producers;
    struct log_expected *expected; /* oldest first */
    uint32_t expected_count, expected_room;
    struct log_epochs *epochs;     /* NULL: 0 from the beginning */
    struct log_segment **segments; /* oldest first; the last is the active one */
    size_t segment_count, segment_room;
    int64_t start, end;
    struct log_watch *watches;
    struct log_cached *cached_oldest, *cached_newest;
    uint32_t slot;           /* in the group being written, + 1 */
    int64_t compacted_end;   /* compaction has seen everything below */
    int64_t horizon_ms;      /* it has something to do at this wall time; 0 = nothing known */
    uint64_t recovery_bytes; /* from the checkpoint, while opening */
    int64_t recovery_base, recovery_end, recovery_timestamp;
};

struct log_topic {
    struct log *log;
    char *name;
    uint8_t id[LOG_TOPIC_ID];
    struct log_topic_config config;
    struct buf settings; /* pairs: name and value, each with a u32 of its bytes before it */
    struct log_partition **partitions;
    bool deleted;
    bool wanted;          /* of a remote log: somebody uses it, so its ends are kept fresh */
    uint64_t seen;        /* of a remote log: the look that found it last */
    bool offsets;         /* it is the one of consumer offsets */
    bool directory_dirty; /* a file was created and the directory not synced */
    struct log_topic *next;
};

/* ---- the group being written (commit.c) ---- */

/* One batch on its way: its first bytes, patched, are in copies; so is the rest when small. */
struct log_placed {
    uint32_t slot;
    uint32_t next; /* of the same slot, + 1 */
    int64_t base_offset, next_offset, max_timestamp;
    uint64_t position;
    size_t copy_at, copy_bytes;
    const uint8_t *rest;
    size_t rest_bytes;
};
/* What the group adds to one partition: one run of bytes of one segment. */
struct log_slot {
    struct log_partition *partition;
    struct log_segment *segment;
    uint64_t position, bytes;
    int64_t next_offset;
    uint32_t first, last; /* placed, + 1 */
    bool sync;            /* durable before it is acknowledged */
};
struct log_group {
    struct log_append **items;
    size_t item_count, item_room;
    struct log_placed *placed;
    size_t placed_count, placed_room;
    struct log_slot *slots;
    size_t slot_count, slot_room;
    struct str *pieces;
    size_t piece_count, piece_room;
    struct buf copies;
    size_t bytes;
    struct log_producer_undo *undo;
    size_t undo_count, undo_room;
    bool journal;      /* goes through the journal */
    bool stuck;        /* is in the journal, and a segment had no room for it */
    size_t applied;    /* slots written to their segments */
    int64_t append_ms; /* wall time of the group */
};

struct log_journal {
    struct io_file *file;
    uint64_t room, used;
    uint64_t sequence; /* of the next frame */
    bool torn;         /* a failed write may have left a frame at used */
    struct buf head;
};

struct log_files {
    struct io_mutex lock;
    struct log_segment *newest, *oldest;
    size_t count;
};

/* Carries fired watches into a loop. */
struct log_port {
    struct io_loop *loop;
    struct io_post post;
    bool posted;
    bool orphan; /* the log is gone */
    struct io_mutex lock;
    struct log_watch *fired;
    struct log_port *next;
};

struct log_cached {
    struct log_partition *partition;
    struct log_cached *older, *newer; /* of the partition */
    int64_t base_offset, next_offset;
    size_t at, bytes;
};
/* A ring of bytes and a ring of what lies in it. */
struct log_cache {
    uint8_t *ring;
    size_t room, head; /* where the next batch goes */
    struct log_cached *items;
    size_t item_room, item_head, item_count;
};

/* Ranges of segments that the system caches, oldest first (pages.c). */
enum { LOG_PAGES_KEEP = 32 << 20, LOG_PAGES_RANGES = 512 };
struct log_paged {
    struct log_segment *segment; /* NULL = it is gone */
    uint64_t at, bytes;
    int64_t wanted_ns; /* io_now_ns() until which a reader that comes near counts */
};
/* Under log->lock. */
struct log_pages {
    struct log_paged ring[LOG_PAGES_RANGES];
    size_t head, count;
    uint64_t bytes;
};

struct log_remote; /* remote.h */

struct log {
    struct io *io;
    struct log_remote *remote; /* NULL: the records are in files here */
    char dir[LOG_DIR_MAX];
    struct log_options options;
    struct io_file *lock_file;
    struct io_mutex lock;
    struct io_bell bell;      /* the disk thread: there is work, or the end */
    struct io_condition wake; /* the same for the thread of a remote log */
    struct io_condition turn; /* a turn ended */
    struct io_thread *thread;
    bool busy;
    unsigned turn_waiting;
    bool stopping;
    enum err health;
    int64_t probe_ns; /* next look for room on the disk */

    struct log_append *queue_head, *queue_tail;
    size_t queue_bytes;

    struct map topics, topic_ids;
    struct log_topic *topic_list; /* deleted ones too */

    struct log_files files;
    struct log_segment *index_newest, *index_oldest;
    size_t index_bytes;
    struct log_segment **dirty;
    size_t dirty_count, dirty_room;
    struct log_journal journal;
    struct log_group group;
    struct log_cache cache;
    struct log_pages pages;
    struct log_port *ports;
    struct map offsets;                          /* key of an offset record -> its newest entry */
    struct log_offsets_pending *offsets_pending; /* of open transactions, by producer */
    struct map offsets_pending_keys;

    uint64_t bytes_since_checkpoint;
    int64_t upkeep_ns;                     /* next retention */
    int64_t expire_ns;                     /* next look for idle producers */
    enum log_durability durability_before; /* of the last opening, when it did not end cleanly */
    int64_t sync_ns;                       /* next sync of LOG_INTERVAL */
};

/* ---- log.c ---- */
struct log *log_new(struct io *io, const char *dir, const struct log_options *options);
void log_free(struct log *log);
void log_turn_begin(struct log *log);
void log_turn_end(struct log *log);
/* True when files may still be written. */
bool log_writable(struct log *log);
void log_set_health(struct log *log, enum err health);
int64_t log_wall_ms(struct log *log);

/* ---- topic.c ---- */
/* For a remote log, in a turn: a topic that is there; one that has more partitions than before; one
 * that has gone. */
struct log_topic *log_topic_adopt(struct log *log, struct str name, const uint8_t *id,
                                  const struct log_topic_config *config);
void log_topic_grow(struct log_topic *topic, int32_t partitions);
void log_topic_forget(struct log *log, struct log_topic *topic);
struct log_topic *log_topic_by_id(struct log *log, const uint8_t *id);
enum err log_topics_load(struct log *log, struct diag *diag) MUST_USE;
void log_topics_free(struct log *log);
void log_topic_path(const struct log_topic *topic, const char *file, struct log_path *ret_path);

/* ---- segment.c ---- */
void log_segment_path(const struct log_segment *segment, const char *suffix,
                      struct log_path *ret_path);
struct log_segment *log_segment_new(struct log_partition *partition, int64_t base_offset);
/* Under log->lock. The segment that holds offset, with a reference, and where the next begins. */
struct log_segment *log_segment_hold(struct log_partition *partition, int64_t offset,
                                     int64_t *ret_following);
void log_segment_ref(struct log_segment *segment);   /* under log->lock */
void log_segment_unref(struct log_segment *segment); /* takes log->lock */
/* The open file, until released. */
enum err log_segment_use(struct log_segment *segment, struct io_file **ret_file) MUST_USE;
void log_segment_release(struct log_segment *segment);
/* In a turn: */
enum err log_segment_create(struct log_partition *partition, int64_t base_offset) MUST_USE;
enum err log_segment_reserve(struct log_segment *segment, uint64_t end, bool bulk,
                             bool zeros) MUST_USE;
enum err log_segment_write(struct log_segment *segment, uint64_t position, const struct str *pieces,
                           size_t count) MUST_USE;
enum err log_segment_sync(struct log_segment *segment) MUST_USE;
enum err log_segment_truncate(struct log_segment *segment, uint64_t bytes) MUST_USE;
/* Ends the active segment and begins a new one at the end. */
enum err log_partition_roll(struct log_partition *partition) MUST_USE;
/* Removes the first count segments and their files; the start has been made durable. */
enum err log_partition_drop(struct log_partition *partition, size_t count) MUST_USE;
/* Removes one that has no batches, and is neither the first nor the active one. */
enum err log_partition_drop_empty(struct log_partition *partition, size_t index) MUST_USE;
struct log_segment *log_partition_active(struct log_partition *partition); /* NULL = none yet */
void log_dirty_add(struct log *log, struct log_segment *segment);
/* Syncs every segment of the dirty list (only_unsynced: not those the journal covers). */
enum err log_dirty_sync(struct log *log, bool only_unsynced) MUST_USE;
enum err log_partition_start_save(struct log_partition *partition, int64_t start) MUST_USE;
enum err log_partition_start_load(struct log_partition *partition, int64_t *ret_start) MUST_USE;

/* ---- index.c ---- */
/* Under log->lock, in the turn, for the next batch at position. */
void log_index_add(struct log_segment *segment, int64_t base_offset, uint64_t position);
/* Makes sure that it is in memory, reading or rebuilding it. Takes log->lock. */
enum err log_index_need(struct log_segment *segment) MUST_USE;
void log_index_drop(struct log_segment *segment); /* under log->lock */
/* Writes it beside the segment; without a sync, since it carries its sum. */
enum err log_index_save(struct log_segment *segment) MUST_USE;
/* Under log->lock, loaded: the last position known to be at or before offset / before which all
 * timestamps are smaller. */
uint64_t log_index_position(const struct log_segment *segment, int64_t offset);
uint64_t log_index_position_of_time(const struct log_segment *segment, int64_t timestamp_ms);

/* ---- scan.c: walking the batches of a segment file ---- */
struct log_scan {
    struct io_file *file;
    uint64_t position, end; /* of the next batch; of what may be read */
    struct buf window;
    uint64_t window_at;
    bool check_crc;
    struct record_batch batch;
    enum err err; /* of the last step: OK, or ERR_IO and the like */
};
void log_scan_init(struct log_scan *scan, struct io_file *file, uint64_t position, uint64_t end,
                   bool check_crc);
void log_scan_deinit(struct log_scan *scan);
/* False at the end or the first thing that is not a whole sound batch. */
bool log_scan_next(struct log_scan *scan);

/* ---- journal.c ---- */
/* Writes one frame for the group and syncs it. */
enum err log_journal_append(struct log *log, struct log_group *group) MUST_USE;
/* Makes the frame of a failed write invalid. */
enum err log_journal_mend(struct log *log) MUST_USE;
/* Syncs what it covers, and makes it empty on the disk too. */
enum err log_journal_reset(struct log *log) MUST_USE;
/* While opening, after an unclean end: makes whole what frames describe. */
enum err log_journal_replay(struct log *log) MUST_USE;

/* ---- checkpoint.c ---- */
enum err log_checkpoint_write(struct log *log, bool clean) MUST_USE;
enum err log_checkpoint_read(struct log *log, bool *ret_clean) MUST_USE;

/* ---- recovery.c ---- */
enum err log_recover(struct log *log, bool clean, struct diag *diag) MUST_USE;

/* ---- commit.c ---- */
/* In a turn. True when it did something. */
bool log_commit(struct log *log);
/* The group that waits for room gets no more of it: it is answered, and nothing is written from
 * here on. The next opening finds it in the journal. */
void log_commit_give_up(struct log *log);
void log_group_deinit(struct log_group *group);
/* Appends one run of bytes, or those of a slot, to group->pieces. */
void log_group_piece(struct log_group *group, const void *ptr, size_t bytes);
void log_group_pieces(struct log_group *group, const struct log_slot *slot);

/* ---- append.c ---- */
void log_complete(struct log *log, struct log_append **items, size_t count, enum err err);
/* Answers everything queued with err. */
void log_queue_fail(struct log *log, enum err err);

/* ---- pages.c ---- */
/* In the turn. Those bytes were written; synced or not, they are acknowledged. */
void log_pages_note(struct log_segment *segment, uint64_t position, uint64_t bytes, bool synced);
/* Under log->lock. Somebody reads the file from position on. */
void log_pages_want(struct log_segment *segment, uint64_t position);
/* Under log->lock: it is about to be freed. */
void log_pages_strike(struct log *log, const struct log_segment *segment);

/* ---- cache.c: under log->lock ---- */
void log_cache_init(struct log_cache *cache, size_t bytes_max);
void log_cache_deinit(struct log_cache *cache);
void log_cache_add(struct log_cache *cache, struct log_partition *partition,
                   const struct log_placed *placed, const uint8_t *copy);
void log_cache_forget(struct log_cache *cache, struct log_partition *partition);
/* The batch that holds offset, or NULL. */
const struct log_cached *log_cache_find(const struct log_partition *partition, int64_t offset);

/* ---- watch.c: under log->lock ---- */
void log_watches_fire(struct log_partition *partition);
void log_ports_free(struct log *log);

/* ---- retention.c, compact.c: in a turn ---- */
bool log_retention(struct log *log);
enum err log_compact(struct log_partition *partition) MUST_USE;

/* ---- producer.c ---- */
/* In the turn, under log->lock. Checks one batch against the state of its producer, and takes it
 * into that state; the group remembers what was before. ERR_DISORDER, ERR_FENCED, ERR_STATE;
 * *ret_duplicate: it is there already, and is *ret_old. */
enum err log_producer_admit(struct log_group *group, struct log_partition *partition,
                            const struct record_batch *batch, int64_t now_ms,
                            struct log_producer_batch *ret_old, bool *ret_duplicate) MUST_USE;
/* The admitted batch has its offset. */
void log_producer_placed(struct log_partition *partition, const struct record_batch *batch,
                         int64_t base_offset);
/* Everything admitted since the group had that many undos was not. Takes log->lock. */
void log_producers_undo(struct log *log, struct log_group *group, size_t count);
/* A batch that is there, while opening. */
void log_producer_replay(struct log_partition *partition, const struct record_batch *batch,
                         int64_t now_ms);
/* ---- expect.c ---- */
/* An append that was refused comes again. */
void log_expect_again(const struct log_append *append);
/* Is one with a lower sequence waited for, which this batch must not overtake? */
bool log_expects_another(const struct log_partition *partition, const struct record_batch *batch);
void log_expected_came(struct log_partition *partition, int64_t producer_id);
void log_expected_expire(struct log_partition *partition, int64_t before_ms);

const struct log_producer_entry *log_producer_find(const struct log_producers *producers,
                                                   int64_t producer_id);
/* Takes log->lock. */
void log_producers_expire(struct log *log, int64_t now_ms);
struct log_producers *log_producers_need(struct log_partition *partition);
void log_producers_free(struct log_producers *producers);
struct log_producer_entry *log_producers_add(struct log_producers *producers, int64_t producer_id);

/* ---- snapshot.c: producers on the disk ---- */
/* The state up to the end, with the transactions whose marker is at or behind from. */
void log_producers_put(const struct log_partition *partition, int64_t from, struct buf *out);
/* Adds to the state the aborted transactions that ended at or behind from, and with_entries the
 * producers; ERR_CORRUPT. */
enum err log_producers_get(struct log_partition *partition, struct reader *r, int64_t from,
                           bool with_entries) MUST_USE;
/* Beside the segment that is about to begin at the end. */
enum err log_snapshot_save(struct log_partition *partition) MUST_USE;
/* While opening: of the finished segments the aborted transactions, of the active one the producers
 * too, unless the checkpoint knew them. */
enum err log_snapshots_load(struct log_partition *partition, bool with_entries) MUST_USE;
/* Writes the snapshot behind a segment anew: aborted transactions are gone. */
enum err log_snapshot_prune(struct log_partition *partition, size_t index) MUST_USE;

/* ---- epoch.c ---- */
enum err log_epochs_load(struct log *log) MUST_USE;
/* After recovery: begins a new epoch where it must be, durably. */
enum err log_epochs_begin(struct log *log, bool clean) MUST_USE;
int32_t log_epoch_now(const struct log_partition *partition);

/* ---- transaction.c ---- */
/* Under log->lock: an acknowledged transactional batch. */
void log_txn_note(struct log_partition *partition, const struct record_batch *batch);
/* Under log->lock: where stable reads end. */
int64_t log_txn_stable_end(const struct log_partition *partition);
void log_txn_add_open(struct log_producers *producers, int64_t producer_id, int64_t first_offset);
void log_txn_add_aborted(struct log_producers *producers, struct log_aborted_txn txn);
/* Older aborted transactions before those that are known. */
void log_txn_put_before(struct log_producers *producers, const struct log_producers *older);
/* Under log->lock: aborted transactions that ended below offset are gone with their segments. */
void log_txn_drop_below(struct log_partition *partition, int64_t offset);
/* Forgets aborted transactions whose marker is at that offset. Takes log->lock. */
void log_txn_forget(struct log_partition *partition, int64_t last_offset);
/* What a marker says; ERR_CORRUPT when it is none. ret_coordinator_epoch may be NULL. */
enum err log_marker_decode(const struct record_batch *batch, bool *ret_commit,
                           int32_t *ret_coordinator_epoch) MUST_USE;

/* ---- offsets.c ---- */
enum err log_offsets_load(struct log *log) MUST_USE;
/* Under log->lock: the records of one batch of the offsets topic. */
void log_offsets_apply(struct log *log, const struct record_batch *batch);
void log_offsets_free(struct log *log);

#endif
