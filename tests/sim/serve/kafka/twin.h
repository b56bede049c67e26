/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_SERVE_KAFKA_TWIN_H
#define TESTS_SIM_SERVE_KAFKA_TWIN_H

/*
 * What the clients know, in arrays: topics, and of each partition every offset with the record that
 * it was acknowledged or seen with; batches with their fate; transactions; commits of groups;
 * generations. Naive on purpose. A rule that is broken fails the seed.
 *
 * "Before" is told by the world's order: what was acknowledged before a request was sent must be in
 * its answer; what was sent later cannot.
 */
#include "world.h"

#include "log/record_batch.h"

enum { SLOT_UNKNOWN = -1, SLOT_COMMIT = -2, SLOT_ABORT = -3 };

/* One offset. batch: its number, or one of the above. */
struct twin_slot {
    int batch, record;
    int audit; /* the last one that found it */
    int64_t producer_id, timestamp_ms;
};

enum topic_state { TOPIC_MAYBE, TOPIC_THERE, TOPIC_MAYBE_GONE, TOPIC_GONE };
struct twin_part {
    int topic, index;
    struct twin_slot *slots;
    int64_t count, room;      /* what is known of it begins at 0 */
    int64_t acked_end;        /* one past the last acknowledged offset */
    int64_t seen_end;         /* the greatest high watermark told */
    int64_t start, start_max; /* acknowledged, tried */
};
struct twin_topic {
    char name[16];
    enum topic_state state;
    bool lasting; /* never deleted */
    bool compacted;
    uint8_t id[16];
    int part_count;
    struct twin_part parts[PARTS_OF_TOPIC_MAX];
};

struct twin_batch {
    struct twin_part *part;
    int64_t producer_id; /* -1 = plain */
    int16_t epoch;
    int32_t sequence;
    int records;
    int txn;      /* -1 = none */
    int sends;    /* how often it may have been done */
    int seen;     /* plain: how often it was found */
    bool refused; /* it must not be there */
    bool acked;
    int64_t offset; /* -1 = not known */
};

enum outcome {
    TXN_OPEN,       /* never asked to be committed: it will not be visible */
    TXN_COMMITTING, /* asked, and not known */
    TXN_COMMITTED,
    TXN_ABORTED,
};
struct twin_txn {
    int id;
    int64_t producer_id;
    int16_t epoch;
    enum outcome outcome;
    uint64_t end_order;    /* when the answer to its end came; 0 = not yet */
    uint64_t commit_order; /* when the commit was sent first */
};

/* A transactional id: its newest owner. */
struct twin_id {
    struct {
        int64_t producer_id;
        int16_t epoch;
        uint64_t order; /* of the answer */
    } newest;
    uint64_t init_end[TRANSACTORS_MAX]; /* when the last InitProducerId of each was over, at the
                                           latest: UINT64_MAX = not known */
};

/* A commit of one partition; its number is its metadata. */
struct twin_commit {
    int group, topic, index;
    int64_t offset;
    int txn;             /* -1 = none */
    uint64_t sent, done; /* done 0 = not known */
    int life;
    bool refused;
};

struct twin_member {
    char id[96];
    uint64_t gone; /* order when it left or was replaced, as that life of the machine knows it */
    int life;
};
struct twin_generation {
    int group, life;
    int32_t number;
    char leader[96];
    char protocol[16];
    uint64_t joined;     /* order of the first answer with it */
    bool synced;         /* some sync was answered */
    bool vague;          /* of a time whose records may be lost */
    bool unsure;         /* may be one of those */
    char (*members)[96]; /* that were told so */
    int member_count;
    char (*list)[96]; /* the leader's */
    int list_count;
    int nonce; /* of the leader's assignments; 0 = not sent */
};

struct twin {
    struct twin_topic topics[TOPICS_MAX];
    int topic_count;
    struct twin_batch *batches;
    int batch_count, batch_room;
    struct twin_txn *txns;
    int txn_count, txn_room;
    struct twin_id ids[TXN_IDS];
    struct twin_commit *commits;
    int commit_count, commit_room;
    int commits_forgiven; /* the first ones may be gone */
    bool forgiving;       /* what is at an offset may be new: a tail was lost */
    struct twin_member *members;
    int member_count, member_room;
    struct twin_generation *generations;
    int generation_count, generation_room;
    int nonces;
    int audits;
};

struct twin *twin_new(void);
void twin_free(struct twin *twin);
void *twin_grow(void *array, int count, int *room, size_t bytes);

/* ---- twin.c: topics and records ---- */
struct twin_part *twin_part_pick(struct world *w, bool lasting);
const char *part_name(const struct world *w, const struct twin_part *part);
static inline struct str part_topic(const struct world *w, const struct twin_part *part)
{
    return str_of(w->twin->topics[part->topic].name);
}
int twin_batch_add(struct world *w, const struct twin_batch *batch);
/* Its bytes, in the world's scratch arena. */
struct str twin_batch_bytes(struct world *w, int number);
void twin_acked(struct world *w, int number, int64_t base_offset);
/* What an answer about a partition must at least say; taken when the request is sent. */
struct twin_view {
    int64_t acked_end, seen_end, start;
};
struct twin_view twin_view(const struct twin_part *part);
void twin_check_ends(struct world *w, struct twin_part *part, const struct twin_view *view,
                     int64_t high_watermark, int64_t stable_end, int64_t start);
/* The records of a fetch from an offset on; the next offset to ask for. committed: as a consumer
 * sees them that filters by the answer's aborted transactions; each visible data record is told. */
struct twin_fetch {
    struct twin_part *part;
    int64_t from;
    bool committed;
    uint64_t order; /* when it was sent */
    const struct kafka_fetch_response_partition *answer;
    void (*visible)(void *owner, int64_t offset, int batch, int record);
    void *owner;
};
int64_t twin_fetched(struct world *w, const struct twin_fetch *fetch);
/* The slot, made when it is not there yet. */
struct twin_slot *twin_slot_need(struct twin_part *part, int64_t offset);
/* Whether the newest audit found the offset; of a topic that is not compacted all are there. */
bool twin_is_there(const struct world *w, const struct twin_part *part, int64_t offset);
static inline bool twin_is_compacted(const struct world *w, const struct twin_part *part)
{
    return w->twin->topics[part->topic].compacted;
}
/* What compaction took away may go: aborted, superseded, or a tombstone in its time. */
void twin_check_compacted(struct world *w, const struct twin_part *part, int64_t start,
                          int64_t end);
/* The disk lost what is behind end, which it may. */
void twin_cut(struct world *w, struct twin_part *part, int64_t end);
/* After a loss was read: what was not found does not come any more. */
void twin_settle(struct world *w, const struct twin_part *part);

/* ---- twin_txn.c ---- */
int twin_txn_begin(struct world *w, int id, int64_t producer_id, int16_t epoch);
/* Somebody became the owner of a transactional id. */
void twin_owner(struct world *w, int id, int64_t producer_id, int16_t epoch, uint64_t sent);
/* A request of an owner was accepted: was it still the owner when it was sent? */
void twin_check_owner(struct world *w, const struct twin_txn *txn, uint64_t sent, const char *what);
/* Records of it were seen by a reader of committed ones, or hidden from it. */
void twin_txn_visible(struct world *w, int txn, const char *where);
void twin_txn_hidden(struct world *w, int txn, uint64_t sent, const char *where);
/* The log lost a tail: what was committed may be open again. */
void twin_txns_forget(struct world *w);
/* What the slots say of a partition whose slots are all known. */
int64_t twin_stable_end(const struct world *w, const struct twin_part *part, int64_t end);
/* Some open transaction may have written what was deleted at the front. */
bool twin_may_be_open(const struct world *w, const struct twin_part *part, int64_t end);
/* The marker that ends the data at an offset: SLOT_COMMIT, SLOT_ABORT, SLOT_UNKNOWN = open. */
int twin_marker_of(const struct world *w, const struct twin_part *part, int64_t offset,
                   int64_t end);
/* Exactly once and in order, transactions whole: the slots of a partition from start to end. */
void twin_check_part(struct world *w, struct twin_part *part, int64_t start, int64_t end);

/* ---- twin_group.c ---- */
int twin_commit_add(struct world *w, const struct twin_commit *commit);
/* The answer to an OffsetFetch of one partition. */
void twin_check_commit(struct world *w, int group, const struct twin_part *part, int64_t offset,
                       struct str metadata, bool unstable, uint64_t sent);
/* Whom an assignment is for: the instance of a static member, which begins its id. */
struct str twin_member_key(struct str id);
void twin_joined(struct world *w, int group, const struct kafka_join_group_response *response,
                 int life);
/* The leader hands assignments out: their nonce. */
int twin_assigning(struct world *w, int group, int32_t generation, int life);
void twin_synced(struct world *w, int group, int32_t generation, int life, struct str who,
                 struct str assignment);
/* A request of a member was accepted: may it be, by what was known when it was sent? */
void twin_check_generation(struct world *w, int group, int32_t generation, struct str member,
                           uint64_t sent, int life, const char *what);
/* The member left, or another took its instance. */
void twin_member_gone(struct world *w, struct str member);
void twin_groups_forget(struct world *w);

#endif
