/* SPDX-License-Identifier: MIT */
/*
 * Members of a consumer group: who they are, how long they live, who may speak for whom. How they
 * come to a common generation is in group_rebalance.c.
 *
 * Behaviour is that of Kafka's classic coordinator:
 *   - a dynamic member that is not heard of for its session timeout is removed; while its join or
 *     sync waits here it needs no heartbeats, but for one that has never been in a generation: that
 *     one has new_member_ms, since its client may have gone away meanwhile;
 *   - a static member (instance id) keeps its place when it comes back under a new member id; what
 *     still speaks with the old id is fenced;
 *   - ids handed out with MEMBER_ID_REQUIRED count as members to wait for until they expire.
 *
 * Invariants
 *   1. joining_count is the number of members with joining set.
 *   2. supports counts, for each protocol's name, the members that have it.
 *   3. leader is the id of a member, or NULL when there are no members.
 *   4. due_ms is not later than any deadline: setting a deadline lowers it, a tick computes it new.
 *   5. A token is with a member (joining, syncing) or with a store, at one place, until its action.
 */
#include "serve/kafka/group.h"

#include "base/check.h"
#include "base/reader.h"
#include "wire/kafka/kafka.h"

enum { ACTIONS_BYTES_MAX = 1 << 30 };

const char *group_state_name(enum group_state state)
{
    static const char *const names[] = {
        [GROUP_EMPTY] = "Empty",
        [GROUP_PREPARING] = "PreparingRebalance",
        [GROUP_COMPLETING] = "CompletingRebalance",
        [GROUP_STABLE] = "Stable",
        [GROUP_DEAD] = "Dead",
    };
    check(state <= GROUP_DEAD);
    return names[state];
}

/* ---- texts --------------------------------------------------------------------------------- */

struct str group_text(struct str s)
{
    return s.ptr ? str_from(str_dup(s), s.bytes) : STR_NONE;
}

void group_text_set(struct str *text, struct str s)
{
    struct str copy = group_text(s);
    mem_free((char *)text->ptr);
    *text = copy;
}

/* ---- life ---------------------------------------------------------------------------------- */

void group_init(struct group *group, struct str id, const struct group_settings *settings)
{
    *group = (struct group){
        .id = group_text(id),
        .settings = settings,
        .join_due_ms = INT64_MAX,
        .sync_due_ms = INT64_MAX,
        .due_ms = INT64_MAX,
    };
    arena_init(&group->arena, ACTIONS_BYTES_MAX);
}

static void member_free(struct group_member *member)
{
    mem_free((char *)member->id.ptr);
    mem_free((char *)member->instance_id.ptr);
    mem_free((char *)member->client_id.ptr);
    mem_free((char *)member->client_host.ptr);
    mem_free(member->protocols);
    mem_free((char *)member->assignment.ptr);
    mem_free(member);
}

void group_store_deinit(struct group_store *store)
{
    mem_free((char *)store->member_id.ptr);
    mem_free((char *)store->old_leader.ptr);
    mem_free((char *)store->old_id.ptr);
    mem_free(store->old_protocols);
}

void group_deinit(struct group *group)
{
    for (size_t i = 0; i < group->member_count; i++)
        member_free(group->members[i]);
    for (size_t i = 0; i < group->support_count; i++)
        mem_free((char *)group->supports[i].name.ptr);
    for (size_t i = 0; i < group->pending_count; i++)
        mem_free((char *)group->pendings[i].id.ptr);
    for (size_t i = 0; i < group->store_count; i++)
        group_store_deinit(&group->stores[i]);
    mem_free(group->members);
    mem_free(group->supports);
    mem_free(group->pendings);
    mem_free(group->stores);
    map_deinit(&group->by_id);
    mem_free((char *)group->id.ptr);
    mem_free((char *)group->protocol_type.ptr);
    mem_free((char *)group->protocol.ptr);
    mem_free((char *)group->leader.ptr);
    arena_deinit(&group->arena);
}

void group_state_set(struct group *group, enum group_state state)
{
    group->state = state;
    group->state_ms = group->wall_ms;
}

void group_due(struct group *group, int64_t at_ms)
{
    if (at_ms < group->due_ms)
        group->due_ms = at_ms;
}

/* ---- actions ------------------------------------------------------------------------------- */

struct group_action *group_emit(struct group *group, enum group_action_kind kind, void *token)
{
    struct group_action *action = arena_zero(&group->arena, sizeof *action);
    action->kind = kind;
    action->token = token;
    action->generation = -1;
    *(group->actions_tail ? &group->actions_tail->next : &group->actions) = action;
    group->actions_tail = action;
    return action;
}

const struct group_action *group_action(struct group *group)
{
    struct group_action *action = group->actions;
    if (!action)
        return NULL;
    group->actions = action->next;
    if (!group->actions)
        group->actions_tail = NULL;
    return action;
}

static void begin(struct group *group)
{
    if (!group->actions)
        arena_reset(&group->arena);
}

void group_join_fail(struct group *group, void *token, int16_t error, struct str member_id)
{
    if (!token)
        return;
    struct group_action *action = group_emit(group, GROUP_JOINED, token);
    action->error = error;
    action->member_id = arena_str(&group->arena, member_id);
}

void group_sync_answer(struct group *group, struct group_member *member, int16_t error)
{
    if (!member->syncing)
        return;
    member->syncing = false;
    if (!member->sync_token)
        return;
    struct group_action *action = group_emit(group, GROUP_SYNCED, member->sync_token);
    action->error = error;
    if (error == KAFKA_NONE) {
        action->assignment = arena_str(&group->arena, member->assignment);
        action->protocol_type = arena_str(&group->arena, group->protocol_type);
        action->protocol = arena_str(&group->arena, group->protocol);
    }
    member->sync_token = NULL;
}

uint64_t group_store_ask(struct group *group, const struct group_store *store)
{
    group->stores = mem_realloc_array(group->stores, group->store_count + 1, sizeof *group->stores);
    group->stores[group->store_count] = *store;
    group->stores[group->store_count++].number = ++group->store_last;
    group_emit(group, GROUP_STORE, NULL)->store = group->store_last;
    return group->store_last;
}

/* ---- members ------------------------------------------------------------------------------- */

struct group_member *group_member(const struct group *group, struct str id)
{
    return map_get(&group->by_id, id);
}

struct group_member *group_static(const struct group *group, struct str instance_id)
{
    for (size_t i = 0; i < group->member_count; i++)
        if (group->members[i]->instance_id.ptr &&
            str_equal(group->members[i]->instance_id, instance_id))
            return group->members[i];
    return NULL;
}

/* The one who calls is the member that it says. */
int16_t group_validate(const struct group *group, struct str member_id, struct str instance_id)
{
    if (instance_id.ptr) {
        const struct group_member *member = group_static(group, instance_id);
        if (!member)
            return KAFKA_UNKNOWN_MEMBER_ID;
        return str_equal(member->id, member_id) ? KAFKA_NONE : KAFKA_FENCED_INSTANCE_ID;
    }
    return group_member(group, member_id) ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
}

static void support(struct group *group, const struct group_member *member, int step)
{
    for (int32_t i = 0; i < member->protocol_count; i++) {
        struct str name = member->protocols[i].name;
        size_t at = 0;
        while (at < group->support_count && !str_equal(group->supports[at].name, name))
            at++;
        if (at == group->support_count) {
            check(step > 0);
            group->supports = mem_realloc_array(group->supports, at + 1, sizeof *group->supports);
            group->supports[group->support_count++] =
                (struct group_support){.name = group_text(name)};
        }
        group->supports[at].members += (uint32_t)step;
        if (group->supports[at].members == 0) {
            mem_free((char *)group->supports[at].name.ptr);
            group->supports[at] = group->supports[--group->support_count];
        }
    }
}

/* One block of memory for the table and its texts. A name that comes twice counts once. */
struct group_protocol *group_protocols_copy(const struct group_protocol *protocols, int32_t count,
                                            int32_t *ret_count)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < count; i++)
        bytes += protocols[i].name.bytes + protocols[i].metadata.bytes;
    size_t head = (size_t)count * sizeof *protocols;
    struct group_protocol *copy = mem_alloc(head + bytes + 1);
    char *to = (char *)copy + head;
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++) {
        bool twice = false;
        for (int32_t j = 0; j < kept; j++)
            twice = twice || str_equal(copy[j].name, protocols[i].name);
        if (twice)
            continue;
        struct str parts[2] = {protocols[i].name, protocols[i].metadata};
        for (size_t k = 0; k < 2; k++) {
            if (parts[k].bytes > 0)
                memcpy(to, parts[k].ptr, parts[k].bytes);
            *(k == 0 ? &copy[kept].name : &copy[kept].metadata) = str_from(to, parts[k].bytes);
            to += parts[k].bytes;
        }
        kept++;
    }
    *ret_count = kept;
    return copy;
}

void group_protocols_set(struct group *group, struct group_member *member,
                         const struct group_protocol *protocols, int32_t count)
{
    int32_t kept;
    struct group_protocol *copy = group_protocols_copy(protocols, count, &kept);
    support(group, member, -1);
    mem_free(member->protocols);
    member->protocols = copy;
    member->protocol_count = kept;
    support(group, member, 1);
}

/* The member, and the leader if it is that, has another id from now on. */
void group_rename(struct group *group, struct group_member *member, struct str id)
{
    bool leads = group->leader.ptr && str_equal(group->leader, member->id);
    check(map_remove(&group->by_id, member->id) == member);
    group_text_set(&member->id, id);
    check(map_set(&group->by_id, member->id, member) == NULL);
    if (leads)
        group_text_set(&group->leader, member->id);
}

static struct group_member *member_new(struct group *group, struct str id)
{
    struct group_member *member = mem_zero(sizeof *member);
    member->id = group_text(id);
    if (group->member_count == group->member_room) {
        group->member_room = group->member_room ? group->member_room * 2 : 4;
        group->members =
            mem_realloc_array(group->members, group->member_room, sizeof *group->members);
    }
    group->members[group->member_count++] = member;
    check(map_set(&group->by_id, id, member) == NULL);
    if (!group->leader.ptr)
        group_text_set(&group->leader, id);
    return member;
}

struct group_member *group_add(struct group *group, const struct group_join *join, struct str id)
{
    if (group->member_count == 0)
        group_text_set(&group->protocol_type, join->protocol_type);
    struct group_member *member = member_new(group, id);
    member->instance_id = group_text(join->instance_id);
    member->client_id = group_text(join->client_id.ptr ? join->client_id : STR(""));
    member->client_host = group_text(join->client_host);
    member->rebalance_timeout_ms = join->rebalance_timeout_ms;
    member->session_timeout_ms = join->session_timeout_ms;
    member->assignment = group_text(STR(""));
    member->is_new = true;
    group_protocols_set(group, member, join->protocols, join->protocol_count);
    return member;
}

/* Its waiting calls have been answered. */
void group_remove(struct group *group, struct group_member *member)
{
    check(!member->syncing);
    if (member->joining)
        group->joining_count--;
    support(group, member, -1);
    map_remove(&group->by_id, member->id);
    size_t at = 0;
    while (group->members[at] != member)
        at++;
    group->member_count--;
    memmove(&group->members[at], &group->members[at + 1],
            (group->member_count - at) * sizeof(struct group_member *));
    if (str_equal(group->leader, member->id)) {
        mem_free((char *)group->leader.ptr);
        group->leader = group->member_count > 0 ? group_text(group->members[0]->id) : STR_NONE;
    }
    member_free(member);
}

bool group_pending_remove(struct group *group, struct str id)
{
    for (size_t i = 0; i < group->pending_count; i++) {
        if (str_equal(group->pendings[i].id, id)) {
            mem_free((char *)group->pendings[i].id.ptr);
            group->pendings[i] = group->pendings[--group->pending_count];
            return true;
        }
    }
    return false;
}

void group_pending_add(struct group *group, struct str id, int64_t expires_ms)
{
    group->pendings =
        mem_realloc_array(group->pendings, group->pending_count + 1, sizeof *group->pendings);
    group->pendings[group->pending_count++] = (struct group_pending){group_text(id), expires_ms};
    group_due(group, expires_ms);
}

/* The member was heard of. */
void group_alive(struct group *group, struct group_member *member, int64_t now_ms)
{
    member->expires_ms = now_ms + member->session_timeout_ms;
    group_due(group, member->expires_ms);
}

/* ---- events -------------------------------------------------------------------------------- */

int16_t group_heartbeat(struct group *group, struct str member_id, struct str instance_id,
                        int32_t generation, int64_t now_ms)
{
    begin(group);
    if (group->state == GROUP_DEAD)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    int16_t error = group_validate(group, member_id, instance_id);
    if (error != KAFKA_NONE)
        return error;
    if (generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (group->state == GROUP_EMPTY)
        return KAFKA_UNKNOWN_MEMBER_ID;
    group_alive(group, group_member(group, member_id), now_ms);
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

int16_t group_leave(struct group *group, struct str member_id, struct str instance_id,
                    int64_t now_ms)
{
    begin(group);
    if (group->state == GROUP_DEAD)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    struct group_member *member;
    if (instance_id.ptr) {
        member = group_static(group, instance_id);
        if (!member)
            return KAFKA_UNKNOWN_MEMBER_ID;
        if (member_id.bytes > 0 && !str_equal(member->id, member_id))
            return KAFKA_FENCED_INSTANCE_ID;
    } else {
        if (group_pending_remove(group, member_id)) {
            group_try_complete(group, now_ms);
            return KAFKA_NONE;
        }
        member = group_member(group, member_id);
        if (!member)
            return KAFKA_UNKNOWN_MEMBER_ID;
    }
    group_member_gone(group, member, now_ms);
    return KAFKA_NONE;
}

int16_t group_commit(struct group *group, struct str member_id, struct str instance_id,
                     int32_t generation, bool transactional, int64_t now_ms)
{
    begin(group);
    if (group->state == GROUP_DEAD)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (generation < 0 && group->state == GROUP_EMPTY)
        return KAFKA_NONE;
    if (generation >= 0 || member_id.bytes > 0 || instance_id.ptr) {
        int16_t error = group_validate(group, member_id, instance_id);
        if (error != KAFKA_NONE)
            return error;
        if (generation != group->generation)
            return KAFKA_ILLEGAL_GENERATION;
    } else if (!transactional && group->state != GROUP_EMPTY) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    if (transactional)
        return KAFKA_NONE;
    if (group->state == GROUP_COMPLETING)
        return KAFKA_REBALANCE_IN_PROGRESS;
    struct group_member *member = group_member(group, member_id);
    if (member)
        group_alive(group, member, now_ms);
    return KAFKA_NONE;
}

void group_detach(struct group *group, const void *token)
{
    for (size_t i = 0; i < group->member_count; i++) {
        struct group_member *member = group->members[i];
        if (member->join_token == token)
            member->join_token = NULL;
        if (member->sync_token == token)
            member->sync_token = NULL;
    }
    for (size_t i = 0; i < group->store_count; i++)
        if (group->stores[i].token == token)
            group->stores[i].token = NULL;
}

/* Removing members may move others on: the walk begins anew after each. */
static bool expire_one(struct group *group, int64_t now_ms)
{
    for (size_t i = 0; i < group->pending_count; i++) {
        if (group->pendings[i].expires_ms <= now_ms) {
            group_pending_remove(group, group->pendings[i].id);
            group_try_complete(group, now_ms);
            return true;
        }
    }
    for (size_t i = 0; i < group->member_count; i++) {
        struct group_member *member = group->members[i];
        bool waits = (member->joining || member->syncing) && !member->is_new;
        if (member->expires_ms <= now_ms && !waits) {
            group_member_gone(group, member, now_ms);
            return true;
        }
    }
    return false;
}

void group_tick(struct group *group, int64_t now_ms)
{
    begin(group);
    if (now_ms < group->due_ms || group->state == GROUP_DEAD)
        return;
    while (expire_one(group, now_ms))
        ;
    if (group->state == GROUP_PREPARING && group->join_due_ms <= now_ms)
        group_join_expired(group, now_ms);
    if (group->sync_due_ms <= now_ms)
        group_sync_expired(group, now_ms);
    int64_t due_ms =
        group->join_due_ms < group->sync_due_ms ? group->join_due_ms : group->sync_due_ms;
    for (size_t i = 0; i < group->pending_count; i++)
        if (group->pendings[i].expires_ms < due_ms)
            due_ms = group->pendings[i].expires_ms;
    for (size_t i = 0; i < group->member_count; i++) {
        const struct group_member *member = group->members[i];
        bool waits = (member->joining || member->syncing) && !member->is_new;
        if (!waits && member->expires_ms < due_ms)
            due_ms = member->expires_ms;
    }
    group->due_ms = due_ms;
}

void group_close(struct group *group, int16_t error)
{
    begin(group);
    for (size_t i = 0; i < group->member_count; i++) {
        struct group_member *member = group->members[i];
        if (member->joining) {
            member->joining = false;
            group->joining_count--;
            group_join_fail(group, member->join_token, error, STR(""));
            member->join_token = NULL;
        }
        group_sync_answer(group, member, error);
    }
    for (size_t i = 0; i < group->store_count; i++) {
        group_join_fail(group, group->stores[i].token, error, STR(""));
        group->stores[i].token = NULL;
    }
    group_state_set(group, GROUP_DEAD);
    group->due_ms = INT64_MAX;
}

/* ---- what it knows ------------------------------------------------------------------------- */

struct str group_metadata(const struct group *group, const struct group_member *member)
{
    for (int32_t i = 0; group->protocol.ptr && i < member->protocol_count; i++)
        if (str_equal(member->protocols[i].name, group->protocol))
            return member->protocols[i].metadata;
    return STR("");
}

bool group_is_consumer(const struct group *group)
{
    return group->protocol_type.ptr && str_equal(group->protocol_type, STR("consumer"));
}

/* Subscriptions of the consumer protocol: version i16, topics (i32 count; i16 length, bytes).
 * Whether the topic is among them; ret_good: they could be read. */
static bool subscription_has(struct str metadata, struct str topic, bool *ret_good)
{
    struct reader r = reader_of(metadata.ptr, metadata.bytes);
    bool has = false;
    reader_be16(&r);
    for (int32_t left = (int32_t)reader_be32(&r); left > 0 && r.err == OK; left--) {
        struct str name = reader_str(&r, reader_be16(&r));
        has = has || (r.err == OK && str_equal(name, topic));
    }
    *ret_good = r.err == OK;
    return has;
}

void group_subscriptions_look(struct group *group)
{
    bool good = group_is_consumer(group);
    for (size_t i = 0; i < group->member_count && good; i++)
        subscription_has(group_metadata(group, group->members[i]), STR(""), &good);
    group->subscriptions_known = good;
}

bool group_subscribes(const struct group *group, struct str topic)
{
    bool has = false, good;
    if (!group_is_consumer(group))
        return false;
    if (!group->subscriptions_known)
        return true;
    for (size_t i = 0; i < group->member_count && !has; i++) {
        const struct group_member *member = group->members[i];
        struct str metadata = group_metadata(group, member);
        if (metadata.bytes == 0 && member->protocol_count > 0)
            metadata = member->protocols[0].metadata;
        has = subscription_has(metadata, topic, &good);
    }
    return has;
}

/* ---- from records -------------------------------------------------------------------------- */

void group_restore(struct group *group, const struct group_member *from, int64_t now_ms)
{
    if (group_member(group, from->id))
        return;
    struct group_member *member = member_new(group, from->id);
    member->instance_id = group_text(from->instance_id);
    member->client_id = group_text(from->client_id);
    member->client_host = group_text(from->client_host);
    member->rebalance_timeout_ms = from->rebalance_timeout_ms;
    member->session_timeout_ms = from->session_timeout_ms;
    member->assignment = group_text(from->assignment);
    group_protocols_set(group, member, from->protocols, from->protocol_count);
    group_alive(group, member, now_ms);
}

void group_restored(struct group *group, int32_t generation, struct str protocol_type,
                    struct str protocol, struct str leader, int64_t state_ms)
{
    group->generation = generation;
    group_text_set(&group->protocol_type, protocol_type);
    group_text_set(&group->protocol, group->member_count > 0 ? protocol : STR_NONE);
    if (leader.ptr && group_member(group, leader))
        group_text_set(&group->leader, leader);
    group_subscriptions_look(group);
    group->state = group->member_count > 0 ? GROUP_STABLE : GROUP_EMPTY;
    group->state_ms = state_ms;
}
