/* SPDX-License-Identifier: MIT */
/*
 * How the members of a group come to a common generation:
 *
 *   Empty --join--> Preparing --all joined, or time is up--> Completing --leader syncs--> Stable
 *                       ^--------- join, leave, expiry ----------+--------------------------+
 *
 * Preparing ends when every member's join is here and no id that was handed out is outstanding; at
 * the latest after the longest rebalance timeout of the members. Then those who did not come are
 * removed, but for static ones, which have their session timeout. The first preparation of an
 * empty group waits rebalance_delay_ms instead, and that long again whenever somebody came
 * meanwhile, up to the rebalance timeout: a fleet that starts together gets one generation.
 *
 * Completing ends when the leader's assignment is durable. The record is asked for as an action;
 * what happens meanwhile (a new join) makes its answer stale, which the generation tells.
 *
 * A static member that comes back with the same choice of protocol into a stable group takes its
 * old place without a generation: only the record is written anew. To versions that cannot be told
 * to skip the assignment the old id of the leader is given, so that nobody takes itself for the
 * leader and assigns into a group that would not listen.
 */
#include "serve/kafka/group.h"

#include "base/check.h"
#include "wire/kafka/kafka.h"

static bool is_leader(const struct group *group, const struct group_member *member)
{
    return group->leader.ptr && str_equal(group->leader, member->id);
}

/* ---- protocols ----------------------------------------------------------------------------- */

static uint32_t supporters(const struct group *group, struct str name)
{
    for (size_t i = 0; i < group->support_count; i++)
        if (str_equal(group->supports[i].name, name))
            return group->supports[i].members;
    return 0;
}

/* Could one with these protocols be in the group? */
static bool fits(const struct group *group, const struct group_join *join)
{
    if (group->state == GROUP_EMPTY)
        return join->protocol_type.bytes > 0 && join->protocol_count > 0;
    if (!group->protocol_type.ptr || !str_equal(group->protocol_type, join->protocol_type))
        return false;
    for (int32_t i = 0; i < join->protocol_count; i++)
        if (supporters(group, join->protocols[i].name) == group->member_count)
            return true;
    return false;
}

/* Every member votes for the first of its protocols that all have; the most votes win, among
 * equals the one that comes first in the list of the longest-standing member. */
static struct str select_protocol(const struct group *group)
{
    struct str best = STR_NONE;
    size_t best_votes = 0;
    const struct group_member *first = group->members[0];
    for (int32_t c = 0; c < first->protocol_count; c++) {
        struct str candidate = first->protocols[c].name;
        if (supporters(group, candidate) != group->member_count)
            continue;
        size_t votes = 0;
        for (size_t i = 0; i < group->member_count; i++) {
            const struct group_member *member = group->members[i];
            int32_t p = 0;
            while (supporters(group, member->protocols[p].name) != group->member_count)
                p++;
            votes += str_equal(member->protocols[p].name, candidate);
        }
        if (votes > best_votes) {
            best = candidate;
            best_votes = votes;
        }
    }
    return best;
}

static bool same_protocols(const struct group_member *member, const struct group_join *join)
{
    if (member->protocol_count != join->protocol_count)
        return false;
    for (int32_t i = 0; i < join->protocol_count; i++)
        if (!str_equal(member->protocols[i].name, join->protocols[i].name) ||
            !str_equal(member->protocols[i].metadata, join->protocols[i].metadata))
            return false;
    return true;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void joined(struct group *group, void *token, struct str member_id, struct str leader,
                   bool with_members, bool skip_assignment)
{
    if (!token)
        return;
    struct arena *arena = &group->arena;
    struct group_action *action = group_emit(group, GROUP_JOINED, token);
    action->generation = group->generation;
    action->protocol_type = arena_str(arena, group->protocol_type);
    action->protocol = arena_str(arena, group->protocol);
    action->leader = arena_str(arena, leader);
    action->member_id = arena_str(arena, member_id);
    action->skip_assignment = skip_assignment;
    if (!with_members)
        return;
    struct group_joined_member *members =
        arena_array(arena, group->member_count + 1, sizeof *members);
    for (size_t i = 0; i < group->member_count; i++) {
        const struct group_member *member = group->members[i];
        members[i].id = arena_str(arena, member->id);
        members[i].instance_id =
            member->instance_id.ptr ? arena_str(arena, member->instance_id) : STR_NONE;
        members[i].metadata = arena_str(arena, group_metadata(group, member));
    }
    action->members = members;
    action->member_count = group->member_count;
}

static void join_answer(struct group *group, struct group_member *member, int16_t error)
{
    if (!member->joining)
        return;
    member->joining = false;
    group->joining_count--;
    void *token = member->join_token;
    member->join_token = NULL;
    if (error != KAFKA_NONE)
        group_join_fail(group, token, error,
                        error == KAFKA_UNKNOWN_MEMBER_ID ? STR("") : member->id);
    else
        joined(group, token, member->id, group->leader, is_leader(group, member), false);
}

/* A member's join waits from now on; the one that a retry of its client overtook is answered. */
static void join_wait(struct group *group, struct group_member *member, void *token)
{
    join_answer(group, member, KAFKA_REBALANCE_IN_PROGRESS);
    member->joining = true;
    member->join_token = token;
    group->joining_count++;
}

/* ---- preparing ----------------------------------------------------------------------------- */

static int64_t rebalance_timeout(const struct group *group)
{
    int64_t longest = 0;
    for (size_t i = 0; i < group->member_count; i++)
        if (group->members[i]->rebalance_timeout_ms > longest)
            longest = group->members[i]->rebalance_timeout_ms;
    return longest;
}

/* Ends a synchronisation: waiting members go on with error or their assignment; their sessions
 * begin anew, for nobody counted while they waited. */
static void syncs_answer(struct group *group, int16_t error, int64_t now_ms)
{
    for (size_t i = 0; i < group->member_count; i++) {
        struct group_member *member = group->members[i];
        if (error != KAFKA_NONE)
            group_text_set(&member->assignment, STR(""));
        if (member->syncing)
            group_alive(group, member, now_ms);
        group_sync_answer(group, member, error);
    }
}

void group_prepare(struct group *group, int64_t now_ms)
{
    if (group->state != GROUP_STABLE && group->state != GROUP_COMPLETING &&
        group->state != GROUP_EMPTY)
        return;
    if (group->state == GROUP_COMPLETING)
        syncs_answer(group, KAFKA_REBALANCE_IN_PROGRESS, now_ms);
    group->sync_due_ms = INT64_MAX;
    int64_t wait_ms = rebalance_timeout(group);
    group->initial = group->state == GROUP_EMPTY;
    if (group->initial) {
        int64_t delay_ms = group->settings->rebalance_delay_ms;
        group->initial_left_ms = wait_ms > delay_ms ? wait_ms - delay_ms : 0;
        group->initial_grew = false;
        wait_ms = delay_ms;
    }
    group->join_due_ms = now_ms + wait_ms;
    group_due(group, group->join_due_ms);
    group_state_set(group, GROUP_PREPARING);
}

static struct group_member *elect(struct group *group)
{
    struct group_member *leader = group->leader.ptr ? group_member(group, group->leader) : NULL;
    if (leader && leader->joining)
        return leader;
    for (size_t i = 0; i < group->member_count; i++) {
        if (group->members[i]->joining) {
            group_text_set(&group->leader, group->members[i]->id);
            return group->members[i];
        }
    }
    return NULL;
}

static void become_empty(struct group *group)
{
    group->generation++;
    group_text_set(&group->protocol, STR_NONE);
    group_subscriptions_look(group);
    group->join_due_ms = INT64_MAX;
    group_state_set(group, GROUP_EMPTY);
    group_store_ask(group, &(struct group_store){.generation = group->generation});
}

static void complete(struct group *group, int64_t now_ms)
{
    for (size_t i = 0; i < group->member_count;) {
        struct group_member *member = group->members[i];
        if (member->joining || member->instance_id.ptr)
            i++;
        else
            group_remove(group, member);
    }
    group->initial = false;
    if (group->member_count == 0) {
        become_empty(group);
        return;
    }
    int64_t timeout_ms = rebalance_timeout(group);
    if (!elect(group)) {
        /* Only static members that have not come: they have their sessions. */
        group->join_due_ms = now_ms + timeout_ms;
        group_due(group, group->join_due_ms);
        return;
    }
    group->generation++;
    group_text_set(&group->protocol, select_protocol(group));
    group_subscriptions_look(group);
    group->join_due_ms = INT64_MAX;
    group->sync_due_ms = now_ms + timeout_ms;
    group_due(group, group->sync_due_ms);
    group_state_set(group, GROUP_COMPLETING);
    for (size_t i = 0; i < group->member_count; i++) {
        struct group_member *member = group->members[i];
        if (member->joining)
            group_alive(group, member, now_ms);
        member->is_new = false;
        member->sync_due = true;
        join_answer(group, member, KAFKA_NONE);
    }
}

void group_try_complete(struct group *group, int64_t now_ms)
{
    if (group->state == GROUP_PREPARING && !group->initial && group->pending_count == 0 &&
        group->joining_count == group->member_count)
        complete(group, now_ms);
}

void group_join_expired(struct group *group, int64_t now_ms)
{
    if (group->initial && group->initial_grew && group->initial_left_ms > 0 &&
        group->settings->rebalance_delay_ms > 0) {
        int64_t delay_ms = group->settings->rebalance_delay_ms;
        if (delay_ms > group->initial_left_ms)
            delay_ms = group->initial_left_ms;
        group->initial_left_ms -= delay_ms;
        group->initial_grew = false;
        group->join_due_ms = now_ms + delay_ms;
        group_due(group, group->join_due_ms);
        return;
    }
    complete(group, now_ms);
}

/* ---- members go ---------------------------------------------------------------------------- */

void group_member_gone(struct group *group, struct group_member *member, int64_t now_ms)
{
    join_answer(group, member, KAFKA_UNKNOWN_MEMBER_ID);
    group_sync_answer(group, member, KAFKA_UNKNOWN_MEMBER_ID);
    group_remove(group, member);
    if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING)
        group_prepare(group, now_ms);
    group_try_complete(group, now_ms);
}

/* Who joined the generation and never asked for its assignment holds the others up. */
void group_sync_expired(struct group *group, int64_t now_ms)
{
    group->sync_due_ms = INT64_MAX;
    if (group->state != GROUP_COMPLETING && group->state != GROUP_STABLE)
        return;
    bool some = false;
    for (size_t i = 0; i < group->member_count;) {
        struct group_member *member = group->members[i];
        if (!member->sync_due) {
            i++;
            continue;
        }
        some = true;
        group_sync_answer(group, member, KAFKA_UNKNOWN_MEMBER_ID);
        group_remove(group, member);
    }
    if (some) {
        group_prepare(group, now_ms);
        group_try_complete(group, now_ms);
    }
}

/* ---- joining ------------------------------------------------------------------------------- */

static void update(struct group *group, struct group_member *member, const struct group_join *join)
{
    group_protocols_set(group, member, join->protocols, join->protocol_count);
    member->rebalance_timeout_ms = join->rebalance_timeout_ms;
    member->session_timeout_ms = join->session_timeout_ms;
}

static void rejoin(struct group *group, struct group_member *member, const struct group_join *join,
                   int64_t now_ms)
{
    update(group, member, join);
    join_wait(group, member, join->token);
    group_prepare(group, now_ms);
}

static void add_and_prepare(struct group *group, const struct group_join *join, struct str id,
                            int64_t now_ms)
{
    struct group_member *member = group_add(group, join, id);
    member->expires_ms = now_ms + group->settings->new_member_ms;
    group_due(group, member->expires_ms);
    join_wait(group, member, join->token);
    if (group->state == GROUP_PREPARING && group->initial)
        group->initial_grew = true;
    group_prepare(group, now_ms);
}

static void current_generation(struct group *group, const struct group_member *member, void *token)
{
    joined(group, token, member->id, group->leader, is_leader(group, member), false);
}

/* A static member is back under a new id. */
static void replace(struct group *group, struct group_member *member, const struct group_join *join,
                    int64_t now_ms)
{
    struct group_store store = {.generation = group->generation,
                                .old_leader = group_text(group->leader),
                                .token = join->token,
                                .skip_assignment = join->skip_assignment,
                                .old_id = group_text(member->id),
                                .old_rebalance_ms = member->rebalance_timeout_ms,
                                .old_session_ms = member->session_timeout_ms};
    store.old_protocols =
        group_protocols_copy(member->protocols, member->protocol_count, &store.old_protocol_count);
    join_answer(group, member, KAFKA_FENCED_INSTANCE_ID);
    group_sync_answer(group, member, KAFKA_FENCED_INSTANCE_ID);
    group_rename(group, member, join->fresh_id);
    group_text_set(&member->client_id, join->client_id.ptr ? join->client_id : STR(""));
    group_text_set(&member->client_host, join->client_host);
    update(group, member, join);
    group_alive(group, member, now_ms);
    if (group->state == GROUP_STABLE && str_equal(select_protocol(group), group->protocol)) {
        store.member_id = group_text(member->id);
        group_store_ask(group, &store);
        return;
    }
    group_store_deinit(&store);
    join_wait(group, member, join->token);
    group_prepare(group, now_ms);
}

static void join_new(struct group *group, const struct group_join *join, int64_t now_ms)
{
    struct group_member *member =
        join->instance_id.ptr ? group_static(group, join->instance_id) : NULL;
    if (member) {
        replace(group, member, join, now_ms);
    } else if (join->id_required && !join->instance_id.ptr) {
        group_pending_add(group, join->fresh_id, now_ms + join->session_timeout_ms);
        group_join_fail(group, join->token, KAFKA_MEMBER_ID_REQUIRED, join->fresh_id);
    } else {
        add_and_prepare(group, join, join->fresh_id, now_ms);
    }
}

static void join_known(struct group *group, const struct group_join *join, int64_t now_ms)
{
    if (!join->instance_id.ptr && group_pending_remove(group, join->member_id)) {
        add_and_prepare(group, join, join->member_id, now_ms);
        return;
    }
    int16_t error = group_validate(group, join->member_id, join->instance_id);
    if (error != KAFKA_NONE) {
        group_join_fail(group, join->token, error, join->member_id);
        return;
    }
    struct group_member *member = group_member(group, join->member_id);
    bool same = same_protocols(member, join);
    if (group->state == GROUP_COMPLETING && same)
        current_generation(group, member, join->token);
    else if (group->state == GROUP_STABLE && same && !is_leader(group, member))
        current_generation(group, member, join->token);
    else if (group->state == GROUP_EMPTY)
        group_join_fail(group, join->token, KAFKA_UNKNOWN_MEMBER_ID, join->member_id);
    else
        rejoin(group, member, join, now_ms);
}

static bool is_full(const struct group *group, const struct group_join *join)
{
    if (group->settings->members_max == 0 || group->state == GROUP_EMPTY)
        return false;
    const struct group_member *member = group_member(group, join->member_id);
    if (group->state == GROUP_PREPARING)
        return !(member && member->joining) && group->joining_count >= group->settings->members_max;
    return !member && group->member_count >= group->settings->members_max;
}

void group_join(struct group *group, const struct group_join *join, int64_t now_ms)
{
    if (!group->actions)
        arena_reset(&group->arena);
    if (group->state == GROUP_DEAD) {
        group_join_fail(group, join->token, KAFKA_COORDINATOR_NOT_AVAILABLE, join->member_id);
    } else if (is_full(group, join)) {
        struct group_member *member = group_member(group, join->member_id);
        if (member)
            group_member_gone(group, member, now_ms);
        group_pending_remove(group, join->member_id);
        group_join_fail(group, join->token, KAFKA_GROUP_MAX_SIZE_REACHED, STR(""));
    } else if (!fits(group, join)) {
        group_join_fail(group, join->token, KAFKA_INCONSISTENT_GROUP_PROTOCOL, join->member_id);
    } else if (join->member_id.bytes == 0) {
        join_new(group, join, now_ms);
    } else {
        join_known(group, join, now_ms);
    }
    group_try_complete(group, now_ms);
}

/* ---- synchronising ------------------------------------------------------------------------- */

static int16_t sync_check(const struct group *group, const struct group_sync *sync)
{
    if (group->state == GROUP_DEAD)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    int16_t error = group_validate(group, sync->member_id, sync->instance_id);
    if (error != KAFKA_NONE)
        return error;
    if (sync->generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if ((sync->protocol_type.ptr && !str_equal(sync->protocol_type, group->protocol_type)) ||
        (sync->protocol.ptr && group->protocol.ptr && !str_equal(sync->protocol, group->protocol)))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (group->state == GROUP_EMPTY)
        return KAFKA_UNKNOWN_MEMBER_ID;
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

static void assign(struct group *group, const struct group_sync *sync)
{
    for (size_t i = 0; i < group->member_count; i++)
        group_text_set(&group->members[i]->assignment, STR(""));
    for (int32_t i = 0; i < sync->assignment_count; i++) {
        struct group_member *member = group_member(group, sync->assignments[i].name);
        struct str bytes = sync->assignments[i].metadata;
        if (member)
            group_text_set(&member->assignment, bytes.ptr ? bytes : STR(""));
    }
    group_store_ask(group, &(struct group_store){.generation = group->generation});
}

static bool assignment_is_under_way(const struct group *group)
{
    for (size_t i = 0; i < group->store_count; i++)
        if (group->stores[i].generation == group->generation)
            return true;
    return false;
}

void group_sync(struct group *group, const struct group_sync *sync, int64_t now_ms)
{
    if (!group->actions)
        arena_reset(&group->arena);
    int16_t error = sync_check(group, sync);
    if (error != KAFKA_NONE) {
        if (sync->token)
            group_emit(group, GROUP_SYNCED, sync->token)->error = error;
        return;
    }
    struct group_member *member = group_member(group, sync->member_id);
    group_sync_answer(group, member, KAFKA_REBALANCE_IN_PROGRESS); /* overtaken by its retry */
    member->syncing = true;
    member->sync_token = sync->token;
    member->sync_due = false;
    if (group->state == GROUP_STABLE) {
        group_alive(group, member, now_ms);
        group_sync_answer(group, member, KAFKA_NONE);
    } else if (is_leader(group, member) && !assignment_is_under_way(group)) {
        assign(group, sync);
    }
}

/* ---- records ------------------------------------------------------------------------------- */

static void assignment_stored(struct group *group, int16_t error, int64_t now_ms)
{
    syncs_answer(group, error, now_ms);
    if (error == KAFKA_NONE) {
        group_state_set(group, GROUP_STABLE);
    } else {
        group_prepare(group, now_ms);
        group_try_complete(group, now_ms);
    }
}

/* The old client goes on, and the new one asks again: the record says so too. */
static void replace_back(struct group *group, struct group_member *member,
                         const struct group_store *store, int64_t now_ms)
{
    group_rename(group, member, store->old_id);
    group_protocols_set(group, member, store->old_protocols, store->old_protocol_count);
    member->rebalance_timeout_ms = store->old_rebalance_ms;
    member->session_timeout_ms = store->old_session_ms;
    group_alive(group, member, now_ms);
}

static void replacement_stored(struct group *group, const struct group_store *store, int16_t error,
                               int64_t now_ms)
{
    struct group_member *member = group_member(group, store->member_id);
    if (error != KAFKA_NONE) {
        if (member && !member->joining && !member->syncing)
            replace_back(group, member, store, now_ms);
        group_join_fail(group, store->token, error, STR(""));
    } else if (!member) {
        group_join_fail(group, store->token, KAFKA_UNKNOWN_MEMBER_ID, store->member_id);
    } else if (group->generation != store->generation || !group->protocol.ptr) {
        group_join_fail(group, store->token, KAFKA_REBALANCE_IN_PROGRESS, store->member_id);
    } else if (store->skip_assignment) {
        bool leads = is_leader(group, member);
        joined(group, store->token, member->id, group->leader, leads, leads);
    } else {
        joined(group, store->token, member->id, store->old_leader, false, false);
    }
}

void group_stored(struct group *group, uint64_t number, int16_t error, int64_t now_ms)
{
    if (!group->actions)
        arena_reset(&group->arena);
    size_t at = 0;
    while (at < group->store_count && group->stores[at].number != number)
        at++;
    check(at < group->store_count);
    struct group_store store = group->stores[at];
    group->store_count--;
    memmove(&group->stores[at], &group->stores[at + 1],
            (group->store_count - at) * sizeof *group->stores);
    if (store.member_id.ptr)
        replacement_stored(group, &store, error, now_ms);
    else if (group->state == GROUP_COMPLETING && store.generation == group->generation)
        assignment_stored(group, error, now_ms);
    group_store_deinit(&store);
}
