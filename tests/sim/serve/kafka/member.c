/* SPDX-License-Identifier: MIT */
/*
 * Members of a group: they join, the leader hands out assignments that say for whom and in which
 * generation they are, they beat, commit and read offsets, leave, fall asleep for longer than their
 * session lasts, and come back. Some are static: two share an instance name, so that one replaces
 * the other. Now and then a member uses the generation that it had before: that must be refused.
 */
#include "twin.h"

#include "base/mem.h"

#include <stdio.h>

enum { SESSION_MS = 6000, SLACK_MS = 200, ID_BYTES = 96 };

enum stage { STAGE_OUT, STAGE_JOINED, STAGE_STABLE };

struct member {
    struct actor actor;
    int group;
    char name[8];
    char instance[8]; /* empty = dynamic */
    char id[ID_BYTES];
    uint64_t id_order; /* when it got it */
    bool was_new;      /* when it asked to join */
    enum stage stage;
    bool asking;
    int32_t generation, generation_before;
    int joined_life; /* of the generation */
    bool leads;
    char (*list)[ID_BYTES]; /* the leader's: whom it assigns to */
    char (*keys)[ID_BYTES]; /* instance or id */
    int list_count;
    int64_t alive_ms; /* when the broker heard of it last, for sure, and it was stable; 0 = no */
    int alive_life;
    char protocol[16];
};

struct beat {
    bool stale;       /* with the generation before */
    int64_t quiet_ms; /* since the broker heard of it; 0 = not known */
    int32_t generation;
    char id[ID_BYTES];
    int commit;
};

static struct str instance_of(const struct member *m)
{
    return m->instance[0] ? str_of(m->instance) : STR_NONE;
}

static void out(struct member *m, bool keeps_id)
{
    m->stage = STAGE_OUT;
    m->alive_ms = 0;
    if (!keeps_id)
        m->id[0] = 0;
}

/* ---- joining ------------------------------------------------------------------------------- */

/* Another actor had the same instance before this one asked: its member is replaced. */
static void replace_others(struct member *m, uint64_t asked)
{
    if (!m->instance[0] || !m->was_new)
        return;
    for (struct actor *a = m->actor.w->actors; a; a = a->next) {
        struct member *other = (struct member *)a;
        if (a == &m->actor || a->step != m->actor.step || other->group != m->group ||
            strcmp(other->instance, m->instance) != 0 || !other->id[0] ||
            strcmp(other->id, m->id) == 0 || other->id_order > asked)
            continue;
        twin_member_gone(m->actor.w, str_of(other->id));
        reached(m->actor.w, MARK_STATIC_REPLACED);
    }
}

static void take_list(struct member *m, const struct kafka_join_group_response *response)
{
    size_t count = (size_t)response->members_count;
    m->leads = response->members_count > 0;
    m->list_count = response->members_count;
    m->list = mem_realloc_array(m->list, count + 1, sizeof *m->list);
    m->keys = mem_realloc_array(m->keys, count + 1, sizeof *m->keys);
    for (size_t i = 0; i < count; i++) {
        const struct kafka_join_group_response_member *one = &response->members[i];
        struct str key = twin_member_key(one->member_id);
        snprintf(m->list[i], sizeof *m->list, "%.*s", STR_ARG(one->member_id));
        snprintf(m->keys[i], sizeof *m->keys, "%.*s", STR_ARG(key));
    }
}

static void joined(struct request *request, void *answer)
{
    struct member *m = request->owner;
    struct kafka_join_group_response *response = answer;
    struct world *w = m->actor.w;
    m->asking = false;
    actor_pause(&m->actor);
    if (!response)
        return;
    int16_t code = response->error_code;
    actor_trace(&m->actor, "join: %s, generation %d as %.*s", kafka_error_name(code),
                response->generation_id, STR_ARG(response->member_id));
    if (code == KAFKA_NONE || code == KAFKA_MEMBER_ID_REQUIRED) {
        snprintf(m->id, sizeof m->id, "%.*s", STR_ARG(response->member_id));
        m->id_order = w->order;
    }
    if (code == KAFKA_NONE && request->life != w->life)
        return; /* which life of the machine it is from is not known: it joins again */
    if (code == KAFKA_NONE) {
        m->generation_before = m->generation;
        m->generation = response->generation_id;
        m->joined_life = w->life;
        m->stage = STAGE_JOINED;
        m->alive_ms = 0;
        snprintf(m->protocol, sizeof m->protocol, "%.*s", STR_ARG(response->protocol_name));
        take_list(m, response);
        twin_joined(w, m->group, response, w->life);
        replace_others(m, request->order);
        actor_wait(&m->actor, pick(w, 30));
    } else if (code == KAFKA_UNKNOWN_MEMBER_ID || code == KAFKA_FENCED_INSTANCE_ID) {
        m->id[0] = 0;
    } else if (code != KAFKA_MEMBER_ID_REQUIRED && code != KAFKA_REBALANCE_IN_PROGRESS &&
               !code_is_coordinators(w, code, MARK_FULL_GROUP)) {
        actor_fail(&m->actor, "join: %s", kafka_error_name(code));
    }
}

static void join(struct member *m)
{
    struct world *w = m->actor.w;
    struct kafka_join_group_request *request = MESSAGE(w, kafka_join_group_request);
    int protocols = 1 + pick(w, 2);
    request->group_id = text_of(w, "g%d", m->group);
    request->session_timeout_ms = SESSION_MS;
    request->rebalance_timeout_ms = 1000 + pick(w, 3000);
    request->member_id = str_of(m->id);
    request->group_instance_id = instance_of(m);
    request->protocol_type = STR("consumer");
    request->protocols = MESSAGES(w, kafka_join_group_request_protocol, (size_t)protocols);
    request->protocols_count = protocols;
    request->protocols[0].name = STR("range");
    request->protocols[0].metadata = str_from("\0\0\0\0\0\0\0\0\0\0", 10);
    if (protocols == 2) {
        request->protocols[1].name = STR("other");
        request->protocols[1].metadata = str_from("\0\0\0\0\0\0\0\0\0\0", 10);
    }
    m->asking = true;
    m->was_new = !m->id[0];
    m->alive_ms = 0;
    conn_send(m->actor.conn, KAFKA_KEY_JOIN_GROUP,
              (int16_t)(m->instance[0] ? 5 + pick(w, 5) : pick(w, 10)), request, joined, m, NULL);
}

static void synced(struct request *request, void *answer)
{
    struct member *m = request->owner;
    struct kafka_sync_group_response *response = answer;
    struct world *w = m->actor.w;
    m->asking = false;
    actor_pause(&m->actor);
    if (!response)
        return;
    int16_t code = response->error_code;
    actor_trace(&m->actor, "sync of %d: %s \"%.*s\"", m->generation, kafka_error_name(code),
                STR_ARG(response->assignment));
    if (code == KAFKA_NONE) {
        twin_check_generation(w, m->group, m->generation, str_of(m->id), request->order,
                              request->life, "a sync");
        twin_synced(w, m->group, m->generation, m->joined_life, twin_member_key(str_of(m->id)),
                    response->assignment);
        m->stage = STAGE_STABLE;
        m->alive_ms = now_ms(w);
        m->alive_life = w->life;
    } else if (code == KAFKA_REBALANCE_IN_PROGRESS) {
        out(m, true);
    } else if (code == KAFKA_UNKNOWN_MEMBER_ID || code == KAFKA_FENCED_INSTANCE_ID ||
               code == KAFKA_ILLEGAL_GENERATION) {
        out(m, code == KAFKA_ILLEGAL_GENERATION);
    } else if (!code_is_coordinators(w, code, MARK_FULL_GROUP)) {
        actor_fail(&m->actor, "sync: %s", kafka_error_name(code));
    }
}

static void sync_group(struct member *m)
{
    struct world *w = m->actor.w;
    struct kafka_sync_group_request *request = MESSAGE(w, kafka_sync_group_request);
    int16_t version = (int16_t)(m->instance[0] ? 3 + pick(w, 3) : pick(w, 6));
    request->group_id = text_of(w, "g%d", m->group);
    request->generation_id = m->generation;
    request->member_id = str_of(m->id);
    request->group_instance_id = instance_of(m);
    request->protocol_type = STR("consumer");
    request->protocol_name = str_of(m->protocol);
    if (m->leads) {
        int nonce = twin_assigning(w, m->group, m->generation, m->joined_life);
        request->assignments =
            MESSAGES(w, kafka_sync_group_request_assignment, (size_t)m->list_count);
        request->assignments_count = m->list_count;
        for (int i = 0; i < m->list_count; i++) {
            request->assignments[i].member_id = str_of(m->list[i]);
            request->assignments[i].assignment =
                text_of(w, "%d:%d:%s", m->generation, nonce, m->keys[i]);
        }
    }
    m->asking = true;
    conn_send(m->actor.conn, KAFKA_KEY_SYNC_GROUP, version, request, synced, m, NULL);
}

/* ---- being a member ------------------------------------------------------------------------ */

/* What an answer to a member's request says of the member. */
static void judged(struct member *m, const struct request *request, int16_t code, const char *what)
{
    const struct beat *beat = request->context;
    struct world *w = m->actor.w;
    actor_trace(&m->actor, "%s of %d: %s", what, beat->generation, kafka_error_name(code));
    /* A member that must join again is still one. */
    bool in = code == KAFKA_NONE || code == KAFKA_REBALANCE_IN_PROGRESS;
    if (in && code == KAFKA_NONE)
        twin_check_generation(w, m->group, beat->generation, str_of(beat->id), request->order,
                              request->life, what);
    /* One that was to be replaced, which could not be written, begins its session anew. */
    bool again = m->instance[0] && (w->fills || w->fills_by_chance);
    if (in && !again && beat->quiet_ms > SESSION_MS + SLACK_MS && request->life == m->alive_life)
        actor_fail(&m->actor, "was not heard of for %lld ms and is still a member",
                   (long long)beat->quiet_ms);
    if (beat->quiet_ms > SESSION_MS && code == KAFKA_UNKNOWN_MEMBER_ID)
        reached(w, MARK_MEMBER_EXPIRED);
    if (beat->stale) {
        if (code == KAFKA_ILLEGAL_GENERATION)
            reached(w, MARK_OLD_GENERATION);
        return;
    }
    if (code == KAFKA_NONE) {
        if (m->stage == STAGE_STABLE) {
            m->alive_ms = now_ms(w);
            m->alive_life = w->life;
        }
    } else if (code == KAFKA_REBALANCE_IN_PROGRESS) {
        out(m, true);
    } else if (code == KAFKA_UNKNOWN_MEMBER_ID || code == KAFKA_FENCED_INSTANCE_ID ||
               code == KAFKA_ILLEGAL_GENERATION) {
        out(m, code == KAFKA_ILLEGAL_GENERATION);
    } else if (!code_is_coordinators(w, code, MARK_FULL_GROUP)) {
        actor_fail(&m->actor, "%s: %s", what, kafka_error_name(code));
    }
}

static struct beat *beat_new(struct member *m)
{
    struct beat *beat = mem_zero(sizeof *beat);
    struct world *w = m->actor.w;
    beat->stale = m->generation_before > 0 && m->generation_before < m->generation && chance(w, 10);
    beat->generation = beat->stale ? m->generation_before : m->generation;
    beat->quiet_ms = m->alive_ms && m->alive_life == w->life ? now_ms(w) - m->alive_ms : 0;
    beat->commit = -1;
    memcpy(beat->id, m->id, sizeof beat->id);
    /* It counts as heard of from now on, or not: the answer tells. */
    m->alive_ms = 0;
    m->asking = true;
    return beat;
}

static void beaten(struct request *request, void *answer)
{
    struct member *m = request->owner;
    struct kafka_heartbeat_response *response = answer;
    m->asking = false;
    actor_pause(&m->actor);
    if (response)
        judged(m, request, response->error_code, "a heartbeat");
}

static void heartbeat(struct member *m)
{
    struct world *w = m->actor.w;
    struct beat *beat = beat_new(m);
    struct kafka_heartbeat_request *request = MESSAGE(w, kafka_heartbeat_request);
    request->group_id = text_of(w, "g%d", m->group);
    request->generation_id = beat->generation;
    request->member_id = str_of(m->id);
    request->group_instance_id = instance_of(m);
    conn_send(m->actor.conn, KAFKA_KEY_HEARTBEAT,
              (int16_t)(m->instance[0] ? 3 + pick(w, 2) : pick(w, 5)), request, beaten, m, beat);
}

static void committed(struct request *request, void *answer)
{
    struct member *m = request->owner;
    struct kafka_offset_commit_response *response = answer;
    const struct beat *beat = request->context;
    struct world *w = m->actor.w;
    struct twin_commit *commit = &w->twin->commits[beat->commit];
    m->asking = false;
    actor_pause(&m->actor);
    if (!response)
        return;
    int16_t code = response->topics->partitions->error_code;
    if (code == KAFKA_NONE)
        commit->done = w->order;
    else if (!code_is_coordinators(w, code, MARK_FULL_GROUP))
        commit->refused = true;
    judged(m, request, code, "a commit");
}

static void commit(struct member *m)
{
    struct world *w = m->actor.w;
    struct beat *beat = beat_new(m);
    struct twin_part *part = twin_part_pick(w, true);
    struct twin_commit commit = {.group = m->group,
                                 .topic = part->topic,
                                 .index = part->index,
                                 .offset = pick(w, 1000),
                                 .txn = -1,
                                 .sent = w->order,
                                 .life = w->life};
    struct kafka_offset_commit_request *request = MESSAGE(w, kafka_offset_commit_request);
    beat->commit = twin_commit_add(w, &commit);
    request->group_id = text_of(w, "g%d", m->group);
    request->generation_id_or_member_epoch = beat->generation;
    request->member_id = str_of(m->id);
    request->group_instance_id = instance_of(m);
    request->topics = MESSAGE(w, kafka_offset_commit_request_topic);
    request->topics_count = 1;
    request->topics->name = part_topic(w, part);
    memcpy(request->topics->topic_id, w->twin->topics[part->topic].id, 16);
    request->topics->partitions = MESSAGE(w, kafka_offset_commit_request_partition);
    request->topics->partitions_count = 1;
    request->topics->partitions->partition_index = part->index;
    request->topics->partitions->committed_offset = commit.offset;
    request->topics->partitions->committed_metadata = text_of(w, "c%d", beat->commit);
    conn_send(m->actor.conn, KAFKA_KEY_OFFSET_COMMIT,
              (int16_t)(m->instance[0] ? 7 + pick(w, 4) : 2 + pick(w, 9)), request, committed, m,
              beat);
}

struct asked {
    struct twin_part *part;
};

static void offset_read(struct request *request, void *answer)
{
    struct member *m = request->owner;
    struct kafka_offset_fetch_response *response = answer;
    const struct asked *asked = request->context;
    m->asking = false;
    actor_pause(&m->actor);
    if (!response)
        return;
    struct kafka_offset_fetch_response_partition one;
    if (request->version >= 8) {
        const struct kafka_offset_fetch_response_group_topic_partition *p =
            response->groups->topics->partitions;
        one =
            (struct kafka_offset_fetch_response_partition){.committed_offset = p->committed_offset,
                                                           .metadata = p->metadata,
                                                           .error_code = p->error_code};
    } else {
        one = *response->topics->partitions;
    }
    actor_trace(&m->actor, "%s is at %lld, \"%.*s\"", part_name(m->actor.w, asked->part),
                (long long)one.committed_offset, STR_ARG(one.metadata));
    twin_check_commit(m->actor.w, m->group, asked->part, one.committed_offset, one.metadata,
                      one.error_code == KAFKA_UNSTABLE_OFFSET_COMMIT, request->order);
}

static void read_offset(struct member *m)
{
    struct world *w = m->actor.w;
    struct asked *asked = mem_zero(sizeof *asked);
    struct kafka_offset_fetch_request *request = MESSAGE(w, kafka_offset_fetch_request);
    int16_t version = (int16_t)(1 + pick(w, 9));
    asked->part = twin_part_pick(w, true);
    request->require_stable = version >= 7 && chance(w, 50);
    if (version >= 8) {
        request->groups = MESSAGE(w, kafka_offset_fetch_request_group);
        request->groups_count = 1;
        request->groups->group_id = text_of(w, "g%d", m->group);
        request->groups->topics = MESSAGE(w, kafka_offset_fetch_request_group_topic);
        request->groups->topics_count = 1;
        request->groups->topics->name = part_topic(w, asked->part);
        request->groups->topics->partition_indexes = &asked->part->index;
        request->groups->topics->partition_indexes_count = 1;
    } else {
        request->group_id = text_of(w, "g%d", m->group);
        request->topics = MESSAGE(w, kafka_offset_fetch_request_topic);
        request->topics_count = 1;
        request->topics->name = part_topic(w, asked->part);
        request->topics->partition_indexes = &asked->part->index;
        request->topics->partition_indexes_count = 1;
    }
    m->asking = true;
    conn_send(m->actor.conn, KAFKA_KEY_OFFSET_FETCH, version, request, offset_read, m, asked);
}

static void left(struct request *request, void *answer)
{
    struct member *m = request->owner;
    struct kafka_leave_group_response *response = answer;
    const struct beat *beat = request->context;
    m->asking = false;
    actor_pause(&m->actor);
    out(m, false);
    if (!response)
        return;
    int16_t code = response->members_count ? response->members->error_code : response->error_code;
    actor_trace(&m->actor, "leaves: %s", kafka_error_name(code));
    if (code == KAFKA_NONE)
        twin_member_gone(m->actor.w, str_of(beat->id));
}

static void leave(struct member *m)
{
    struct world *w = m->actor.w;
    struct beat *beat = beat_new(m);
    struct kafka_leave_group_request *request = MESSAGE(w, kafka_leave_group_request);
    int16_t version = (int16_t)pick(w, 6);
    request->group_id = text_of(w, "g%d", m->group);
    if (version >= 3) {
        request->members = MESSAGE(w, kafka_leave_group_request_member);
        request->members_count = 1;
        request->members->member_id = str_of(m->id);
        request->members->group_instance_id = instance_of(m);
    } else {
        request->member_id = str_of(m->id);
    }
    conn_send(m->actor.conn, KAFKA_KEY_LEAVE_GROUP, version, request, left, m, beat);
}

static void step(struct actor *actor)
{
    struct member *m = (struct member *)actor;
    struct world *w = actor->w;
    int what = pick(w, 100);
    if (m->asking)
        return;
    if (chance(w, 1))
        conn_cut(actor->conn);
    if (m->stage == STAGE_OUT) {
        if (what < 15)
            read_offset(m);
        else
            join(m);
    } else if (m->stage == STAGE_JOINED) {
        if (what < 92)
            sync_group(m);
        else
            actor_wait(actor, pick(w, 4000));
        if (what >= 98)
            out(m, true);
    } else if (what < 35) {
        heartbeat(m);
    } else if (what < 65) {
        commit(m);
    } else if (what < 88) {
        read_offset(m);
    } else if (what < 91) {
        out(m, true); /* joins again by its own will */
        actor_wait(actor, 0);
    } else if (what < 94) {
        leave(m);
    } else if (what < 96) {
        m->asking = false;
        actor_wait(actor, SESSION_MS + 2 * SLACK_MS + pick(w, 1000)); /* sleeps too long */
    } else if (what < 97 && m->instance[0]) {
        out(m, false); /* starts anew, under its instance name */
        actor_wait(actor, 0);
    } else {
        actor_wait(actor, pick(w, 2500));
    }
}

static void reset(struct actor *actor)
{
    struct member *m = (struct member *)actor;
    out(m, false);
    m->asking = false;
    m->generation = m->generation_before = 0;
    actor_wait(actor, 0);
}

static void free_member(struct actor *actor)
{
    struct member *m = (struct member *)actor;
    mem_free(m->list);
    mem_free(m->keys);
    mem_free(m);
}

void member_add(struct world *w, int number, int group)
{
    struct member *m = mem_zero(sizeof *m);
    m->group = group;
    if (chance(w, 40))
        snprintf(m->instance, sizeof m->instance, "i%d", pick(w, 2));
    m->actor.step = step;
    m->actor.reset = reset;
    m->actor.free = free_member;
    actor_add(w, &m->actor, "member", number);
}
