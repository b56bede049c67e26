/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_GROUP_H
#define SERVE_KAFKA_GROUP_H

#include "base/hash.h"
#include "base/mem.h"

/*
 * One consumer group of the classic protocol as a pure state machine: events come in with a time,
 * actions come out; no socket, no clock, no disk. Error codes are Kafka's.
 *
 * A join or a sync may have to wait; its token comes back in exactly one action, unless
 * group_detach() took it out before. After every event the owner drains the actions, and calls
 * group_tick() when group_due_ms() has come.
 *
 * Times are of any clock that only grows; wall_ms is the wall clock's, set by the owner.
 */
enum group_state {
    GROUP_EMPTY,      /* no members; it may hold offsets */
    GROUP_PREPARING,  /* members are joining */
    GROUP_COMPLETING, /* joined; the leader's assignment is awaited */
    GROUP_STABLE,
    GROUP_DEAD,
};
const char *group_state_name(enum group_state state); /* "PreparingRebalance" */

struct group_settings {
    int64_t rebalance_delay_ms; /* how long the first members wait for others */
    int64_t new_member_ms;      /* how long one who joins may be unheard of until it has joined */
    size_t members_max;         /* 0 = no limit */
};

struct group_protocol {
    struct str name, metadata;
};

/* Strings are the member's own. */
struct group_member {
    struct str id;
    struct str instance_id; /* ptr NULL: dynamic */
    struct str client_id, client_host;
    int32_t rebalance_timeout_ms, session_timeout_ms;
    struct group_protocol *protocols; /* by its preference */
    int32_t protocol_count;
    struct str assignment;
    bool joining, syncing; /* it waits for an answer; its token may be gone */
    void *join_token, *sync_token;
    bool is_new;   /* has not been in any generation yet */
    bool sync_due; /* joined the generation and has not asked for its assignment */
    int64_t expires_ms;
};

struct group_support {
    struct str name;
    uint32_t members;
};
struct group_pending {
    struct str id;
    int64_t expires_ms;
};
/* A record asked for and not answered yet. */
struct group_store {
    uint64_t number;
    int32_t generation;
    struct str member_id; /* whose join waits for it; ptr NULL = the syncs do, or nobody */
    struct str old_leader;
    void *token;
    bool skip_assignment;
    /* What that member was before: it is so again when the record cannot be written. */
    struct str old_id;
    struct group_protocol *old_protocols;
    int32_t old_protocol_count, old_rebalance_ms, old_session_ms;
};

struct group {
    struct str id;
    const struct group_settings *settings;
    enum group_state state;
    int64_t wall_ms;  /* set by the owner before an event */
    int64_t state_ms; /* wall time of the last change of state */
    int32_t generation;
    struct str protocol_type;      /* ptr NULL = none yet */
    struct str protocol;           /* ptr NULL = none selected */
    struct str leader;             /* id; ptr NULL = none */
    struct group_member **members; /* in the order of their first join */
    size_t member_count, member_room;
    struct map by_id;
    size_t joining_count;
    struct group_support *supports;
    size_t support_count;
    struct group_pending *pendings; /* ids handed out with MEMBER_ID_REQUIRED */
    size_t pending_count;
    bool subscriptions_known; /* as of this generation */
    bool initial;             /* this preparation is the first: it waits for more members */
    bool initial_grew;
    int64_t initial_left_ms;
    int64_t join_due_ms, sync_due_ms; /* INT64_MAX = none */
    int64_t due_ms;                   /* no deadline is earlier */
    struct group_store *stores;
    size_t store_count;
    uint64_t store_last;
    struct group_action *actions, *actions_tail;
    struct arena arena; /* of the actions */
};

void group_init(struct group *group, struct str id, const struct group_settings *settings);
/* Waiting tokens are dropped: drain group_close() first. */
void group_deinit(struct group *group);

/* ---- actions ---- */
enum group_action_kind {
    GROUP_JOINED,
    GROUP_SYNCED,
    GROUP_STORE, /* write group_record() now, then call group_stored() with the number */
};
struct group_joined_member {
    struct str id, instance_id, metadata;
};
/* Everything lives until the next event. */
struct group_action {
    enum group_action_kind kind;
    void *token;
    int16_t error;
    int32_t generation;
    struct str protocol_type, protocol, leader, member_id;
    bool skip_assignment;
    const struct group_joined_member *members; /* the leader's */
    size_t member_count;
    struct str assignment;
    uint64_t store;
    struct group_action *next;
};
/* The next one, or NULL when there is none. */
const struct group_action *group_action(struct group *group);

/* ---- events ---- */
struct group_join {
    struct str member_id;   /* empty = new */
    struct str instance_id; /* ptr NULL = dynamic */
    struct str fresh_id;    /* the id of one who is new */
    struct str client_id, client_host;
    int32_t rebalance_timeout_ms, session_timeout_ms;
    struct str protocol_type;
    const struct group_protocol *protocols;
    int32_t protocol_count;
    bool id_required;     /* the version knows MEMBER_ID_REQUIRED */
    bool skip_assignment; /* the version knows a leader that does not assign */
    void *token;
};
void group_join(struct group *group, const struct group_join *join, int64_t now_ms);

struct group_sync {
    struct str member_id, instance_id;
    int32_t generation;
    struct str protocol_type, protocol;       /* ptr NULL = not said */
    const struct group_protocol *assignments; /* name = member */
    int32_t assignment_count;
    void *token;
};
void group_sync(struct group *group, const struct group_sync *sync, int64_t now_ms);

int16_t group_heartbeat(struct group *group, struct str member_id, struct str instance_id,
                        int32_t generation, int64_t now_ms);
int16_t group_leave(struct group *group, struct str member_id, struct str instance_id,
                    int64_t now_ms);
/* May these coordinates commit offsets? A member's commit counts as a heartbeat. */
int16_t group_commit(struct group *group, struct str member_id, struct str instance_id,
                     int32_t generation, bool transactional, int64_t now_ms);
/* The record of that number is durable, or could not be written (error). */
void group_stored(struct group *group, uint64_t store, int16_t error, int64_t now_ms);
/* Nobody listens for this token any more. */
void group_detach(struct group *group, const void *token);
void group_tick(struct group *group, int64_t now_ms);
/* All waiting are answered with error; the group is dead. */
void group_close(struct group *group, int16_t error);

/* ---- what it knows ---- */
static inline int64_t group_due_ms(const struct group *group)
{
    return group->due_ms;
}
struct group_member *group_member(const struct group *group, struct str id);
/* What the member gave with the selected protocol; empty when none is selected. */
struct str group_metadata(const struct group *group, const struct group_member *member);
/* Has a live member of the consumer protocol subscribed to the topic, or may it have? Before the
 * first generation, and when a subscription cannot be read, that is not known. */
bool group_subscribes(const struct group *group, struct str topic);
bool group_is_consumer(const struct group *group);

/* ---- records: see group_log.c ---- */
/* For a group read from its record: adds a member as it was. */
void group_restore(struct group *group, const struct group_member *member, int64_t now_ms);
/* Ends it: stable when there are members, else empty. */
void group_restored(struct group *group, int32_t generation, struct str protocol_type,
                    struct str protocol, struct str leader, int64_t state_ms);

/* ---- inside: group.c for group_rebalance.c ---- */
struct str group_text(struct str s);
void group_text_set(struct str *text, struct str s);
void group_due(struct group *group, int64_t at_ms);
int16_t group_validate(const struct group *group, struct str member_id, struct str instance_id);
struct group_member *group_static(const struct group *group, struct str instance_id);
struct group_member *group_add(struct group *group, const struct group_join *join, struct str id);
void group_remove(struct group *group, struct group_member *member);
struct group_protocol *group_protocols_copy(const struct group_protocol *protocols, int32_t count,
                                            int32_t *ret_count);
void group_store_deinit(struct group_store *store);
void group_rename(struct group *group, struct group_member *member, struct str id);
void group_protocols_set(struct group *group, struct group_member *member,
                         const struct group_protocol *protocols, int32_t count);
bool group_pending_remove(struct group *group, struct str id);
void group_pending_add(struct group *group, struct str id, int64_t expires_ms);
void group_alive(struct group *group, struct group_member *member, int64_t now_ms);
struct group_action *group_emit(struct group *group, enum group_action_kind kind, void *token);
void group_join_fail(struct group *group, void *token, int16_t error, struct str member_id);
void group_sync_answer(struct group *group, struct group_member *member, int16_t error);
/* group_rebalance.c for group.c */
void group_prepare(struct group *group, int64_t now_ms);
void group_try_complete(struct group *group, int64_t now_ms);
void group_join_expired(struct group *group, int64_t now_ms);
void group_sync_expired(struct group *group, int64_t now_ms);
void group_member_gone(struct group *group, struct group_member *member, int64_t now_ms);
void group_state_set(struct group *group, enum group_state state);
void group_subscriptions_look(struct group *group);
uint64_t group_store_ask(struct group *group, const struct group_store *store);

#endif
