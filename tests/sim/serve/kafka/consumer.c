/* SPDX-License-Identifier: MIT */
/*
 * Consumers: each follows some partitions from their start on, plain or read_committed, with single
 * fetches or in a session, by names or ids. What is read is laid into the twin; nothing may be left
 * out, come twice, or come before it is committed.
 */
#include "twin.h"

#include "base/mem.h"

enum { FOLLOWS_MAX = 3, WAIT_MS_MAX = 500 };

struct follow {
    struct twin_part *part;
    int64_t position;
    bool told; /* the session knows it, with the position last_sent */
    int64_t last_sent;
};
struct consumer {
    struct actor actor;
    bool committed, sessions, asking;
    int32_t session_id, session_epoch; /* 0, 0 = none */
    int16_t version;                   /* of the session */
    struct follow follows[FOLLOWS_MAX];
    int count;
};
/* One fetch: what must be in the answer. */
struct fetching {
    struct twin_view views[FOLLOWS_MAX];
    int64_t from[FOLLOWS_MAX];
    bool asked[FOLLOWS_MAX];
    bool session;
    bool whole; /* all partitions have to be answered */
    bool small; /* limits may leave something out */
    int64_t wait_ms;
};

struct kafka_fetch_request *make_fetch(struct world *w, int parts)
{
    struct kafka_fetch_request *request = MESSAGE(w, kafka_fetch_request);
    request->min_bytes = 1;
    request->max_bytes = 1 << 20;
    request->topics = MESSAGES(w, kafka_fetch_request_topic, (size_t)parts);
    request->topics_count = parts;
    for (int i = 0; i < parts; i++) {
        request->topics[i].partitions = MESSAGE(w, kafka_fetch_request_partition);
        request->topics[i].partitions_count = 1;
        request->topics[i].partitions->partition_max_bytes = 1 << 20;
    }
    return request;
}

/* ---- answers ------------------------------------------------------------------------------- */

static int follow_of(struct consumer *c, const struct kafka_fetch_response_topic *topic,
                     const struct kafka_fetch_response_partition *answer, int16_t version)
{
    struct world *w = c->actor.w;
    for (int i = 0; i < c->count; i++) {
        const struct twin_part *part = c->follows[i].part;
        const struct twin_topic *own = &w->twin->topics[part->topic];
        bool same = version >= 13 ? memcmp(own->id, topic->topic_id, 16) == 0
                                  : str_equal(str_of(own->name), topic->topic);
        if (same && part->index == answer->partition_index)
            return i;
    }
    return -1;
}

static void part_failed(struct consumer *c, struct follow *follow, int16_t code)
{
    struct world *w = c->actor.w;
    actor_trace(&c->actor, "%s from %lld: %s", part_name(w, follow->part),
                (long long)follow->position, kafka_error_name(code));
    if (code == KAFKA_OFFSET_OUT_OF_RANGE && follow->position < follow->part->start_max)
        follow->position = follow->part->start_max;
    else if (!code_is_passing(code))
        actor_fail(&c->actor, "%s from %lld: %s", part_name(w, follow->part),
                   (long long)follow->position, kafka_error_name(code));
}

static void part_answered(struct consumer *c, struct request *request, int at,
                          const struct kafka_fetch_response_partition *answer)
{
    const struct fetching *fetching = request->context;
    struct follow *follow = &c->follows[at];
    struct world *w = c->actor.w;
    if (answer->error_code != KAFKA_NONE) {
        part_failed(c, follow, answer->error_code);
        return;
    }
    int64_t start = request->version >= 5 ? answer->log_start_offset : -1;
    twin_check_ends(w, follow->part, &fetching->views[at], answer->high_watermark,
                    answer->last_stable_offset, start);
    struct twin_fetch fetch = {.part = follow->part,
                               .from = fetching->from[at],
                               .committed = c->committed,
                               .order = request->order,
                               .answer = answer};
    int64_t next = twin_fetched(w, &fetch);
    if (answer->records.bytes && next == fetching->from[at])
        actor_fail(&c->actor, "%s from %lld: records, and none of them is new",
                   part_name(w, follow->part), (long long)next);
    if (next > follow->position)
        follow->position = next;
    actor_trace(&c->actor, "%s from %lld: to %lld of %lld", part_name(w, follow->part),
                (long long)fetching->from[at], (long long)next, (long long)answer->high_watermark);
    /* A reader of everything that is behind what was acknowledged gets some of it. */
    bool behind = !c->committed && fetching->from[at] < fetching->views[at].acked_end;
    if (behind && next == fetching->from[at] && !fetching->small && request->life == w->life)
        actor_fail(&c->actor, "%s from %lld: nothing, and there is something",
                   part_name(w, follow->part), (long long)next);
}

static void forget_session(struct consumer *c)
{
    c->session_id = c->session_epoch = 0;
    for (int i = 0; i < c->count; i++)
        c->follows[i].told = false;
}

static void session_answered(struct consumer *c, const struct request *request,
                             const struct kafka_fetch_response *response)
{
    const struct fetching *fetching = request->context;
    if (!fetching->session)
        return;
    if (c->session_id && response->session_id != c->session_id)
        actor_fail(&c->actor, "session %d answers as %d", c->session_id, response->session_id);
    c->session_id = response->session_id;
    c->session_epoch++;
    if (c->session_id)
        reached(c->actor.w, MARK_SESSION);
    else
        forget_session(c);
}

static void answered(struct request *request, void *answer)
{
    struct consumer *c = request->owner;
    struct fetching *fetching = request->context;
    struct kafka_fetch_response *response = answer;
    bool seen[FOLLOWS_MAX] = {false};
    c->asking = false;
    actor_pause(&c->actor);
    if (!response) {
        forget_session(c);
        return;
    }
    if (response->error_code != KAFKA_NONE) {
        actor_trace(&c->actor, "fetch: %s", kafka_error_name(response->error_code));
        if (!fetching->session || (response->error_code != KAFKA_FETCH_SESSION_ID_NOT_FOUND &&
                                   response->error_code != KAFKA_INVALID_FETCH_SESSION_EPOCH))
            actor_fail(&c->actor, "fetch: %s", kafka_error_name(response->error_code));
        else if (request->life == c->actor.w->life && !fetching->whole &&
                 response->error_code == KAFKA_INVALID_FETCH_SESSION_EPOCH)
            actor_fail(&c->actor, "its session is out of step");
        forget_session(c);
        return;
    }
    session_answered(c, request, response);
    for (int32_t i = 0; i < response->responses_count; i++)
        for (int32_t j = 0; j < response->responses[i].partitions_count; j++) {
            const struct kafka_fetch_response_topic *topic = &response->responses[i];
            int at = follow_of(c, topic, &topic->partitions[j], request->version);
            if (at < 0 || seen[at]) {
                actor_fail(&c->actor, "a partition is answered that was not asked for");
                return;
            }
            seen[at] = true;
            part_answered(c, request, at, &topic->partitions[j]);
        }
    bool small = fetching->small, any = response->responses_count > 0;
    for (int i = 0; i < c->count; i++) {
        if (!seen[i] && fetching->whole && fetching->asked[i])
            actor_fail(&c->actor, "%s is not answered", part_name(c->actor.w, c->follows[i].part));
        if (!seen[i] && !fetching->whole) {
            reached(c->actor.w, MARK_SESSION_OMITS);
            bool behind = !c->committed && fetching->from[i] < fetching->views[i].acked_end;
            if (behind && !small && !any && request->life == c->actor.w->life)
                actor_fail(&c->actor, "%s is left out, and there is something",
                           part_name(c->actor.w, c->follows[i].part));
        }
    }
}

/* ---- asking -------------------------------------------------------------------------------- */

static void ask_for(struct consumer *c, struct kafka_fetch_request_topic *to, int at, bool small)
{
    struct world *w = c->actor.w;
    struct follow *follow = &c->follows[at];
    to->topic = part_topic(w, follow->part);
    memcpy(to->topic_id, w->twin->topics[follow->part->topic].id, 16);
    to->partitions->partition = follow->part->index;
    to->partitions->fetch_offset = follow->position;
    to->partitions->partition_max_bytes = small ? 1 + pick(w, 2000) : 1 << 20;
    follow->told = true;
    follow->last_sent = follow->position;
}

static void step(struct actor *actor)
{
    struct consumer *c = (struct consumer *)actor;
    struct world *w = actor->w;
    if (c->asking)
        return;
    struct fetching *fetching = mem_zero(sizeof *fetching);
    bool session = c->sessions && chance(w, 90);
    if (session && c->session_id && chance(w, 5))
        forget_session(c); /* a new one; the old one is left behind */
    bool first = !session || !c->session_id;
    int wanted[FOLLOWS_MAX], count = 0;
    for (int i = 0; i < c->count; i++) {
        bool changed = !c->follows[i].told || c->follows[i].last_sent != c->follows[i].position;
        fetching->views[i] = twin_view(c->follows[i].part);
        fetching->from[i] = c->follows[i].position;
        if (first || changed)
            wanted[count++] = i;
        fetching->asked[i] = first || changed;
    }
    fetching->small = chance(w, 30);
    fetching->session = session;
    fetching->whole = first;
    struct kafka_fetch_request *request = make_fetch(w, count);
    int16_t version = (int16_t)(chance(w, 40) ? 13 + pick(w, 5)
                                : session     ? 7 + pick(w, 6)
                                              : 4 + pick(w, 9));
    if (session && !first)
        version = c->version;
    else if (session)
        c->version = version;
    for (int i = 0; i < count; i++)
        ask_for(c, &request->topics[i], wanted[i], fetching->small);
    request->isolation_level = c->committed;
    request->max_wait_ms = pick(w, WAIT_MS_MAX);
    request->min_bytes = chance(w, 80) ? 1 : pick(w, 3000);
    request->max_bytes = fetching->small ? 1 + pick(w, 4000) : 1 << 20;
    if (request->min_bytes != 1)
        fetching->small = true;
    request->session_id = session ? c->session_id : 0;
    request->session_epoch = session ? c->session_epoch : -1;
    if (!session)
        for (int i = 0; i < c->count; i++)
            c->follows[i].told = c->session_id != 0 && !first;
    c->asking = true;
    conn_send(actor->conn, KAFKA_KEY_FETCH, version, request, answered, c, fetching);
    if (chance(w, 2))
        conn_cut(actor->conn);
}

static void reset(struct actor *actor)
{
    struct consumer *c = (struct consumer *)actor;
    forget_session(c);
    c->asking = false;
    for (int i = 0; i < c->count; i++)
        c->follows[i].position = c->follows[i].part->start;
    actor_wait(actor, 0);
}

static void free_consumer(struct actor *actor)
{
    mem_free(actor);
}

void consumer_add(struct world *w, int number)
{
    struct consumer *c = mem_zero(sizeof *c);
    c->committed = chance(w, 50);
    c->sessions = chance(w, 50);
    int want = 1 + pick(w, FOLLOWS_MAX);
    for (int tries = 0; tries < 10 && c->count < want; tries++) {
        struct twin_part *part = twin_part_pick(w, true);
        bool there = false;
        for (int i = 0; i < c->count; i++)
            there = there || c->follows[i].part == part;
        if (!there)
            c->follows[c->count++].part = part;
    }
    c->actor.step = step;
    c->actor.reset = reset;
    c->actor.free = free_consumer;
    actor_add(w, &c->actor, c->committed ? "committed consumer" : "consumer", number);
}
