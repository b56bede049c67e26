/* SPDX-License-Identifier: MIT */
/*
 * Sets of partitions to fetch from, and the sessions that keep them (KIP-227).
 *
 * A session's request says only what changed since the last: offsets that moved on, partitions that
 * came or are forgotten; the answer has only partitions with news. Neither is walked as a whole
 * here: parts are found by a hash of topic and index, and what may have news is in the ready list
 * because the client named it or because its watch fired. Ten thousand partitions at rest cost
 * their memory.
 *
 * A part stays ready after it was answered with records, until the client names a further offset:
 * a client that does not is told the same again, as in Kafka. It goes to the end of the list, so
 * that answers that are full do not always begin with the same partition.
 *
 * SESSIONS_MAX sessions; a new one takes the place of the one longest unused, if that is EVICT_NS;
 * else the client is told 0 and sends whole requests. Sessions belong to no connection.
 *
 * Invariants: 1. Between calls a part is ready or its watch is under way. 2. A set has at most one
 * call. 3. Epochs count from 1 and skip 0 and less.
 */
#include "serve/kafka/fetch.h"

#include "base/check.h"
#include "base/hash.h"

static const int64_t EVICT_NS = 120LL * 1000 * 1000 * 1000;
enum {
    SESSIONS_MAX = 1000,
    PARTS_MAX = 200 * 1000, /* of all sessions together */
    SLOTS = sizeof(((struct kafka_fetch_sessions *)0)->slots) / sizeof(struct fetch_set *),
};

/* ---- parts ---- */

void fetch_part_ready(struct fetch_part *part)
{
    struct fetch_set *set = part->set;
    if (part->ready)
        return;
    part->ready = true;
    part->next = NULL;
    part->previous = set->ready_last;
    *(set->ready_last ? &set->ready_last->next : &set->ready) = part;
    set->ready_last = part;
}

void fetch_part_unready(struct fetch_part *part)
{
    struct fetch_set *set = part->set;
    if (!part->ready)
        return;
    part->ready = false;
    *(part->previous ? &part->previous->next : &set->ready) = part->next;
    *(part->next ? &part->next->previous : &set->ready_last) = part->previous;
}

static void part_moved(struct log_watch *watch)
{
    struct fetch_part *part = watch->owner;
    fetch_part_ready(part);
    if (part->set->fetch)
        fetch_wake(part->set->fetch);
}

void fetch_part_leave(struct fetch_part *part)
{
    fetch_part_unready(part);
    log_watch_stop(&part->watch);
}

struct log_topic *fetch_topic_find(const struct fetch_set *set, struct str topic, const uint8_t *id)
{
    return set->by_id ? log_topic_find_id(set->broker->log, id)
                      : log_topic_find(set->broker->log, topic);
}

void fetch_part_place(struct fetch_part *part, struct log_topic *topic)
{
    part->partition = topic && part->index >= 0 ? log_topic_partition(topic, part->index) : NULL;
}

void fetch_part_resolve(struct fetch_part *part)
{
    fetch_part_place(part, fetch_topic_find(part->set, part->topic, part->topic_id));
}

void fetch_part_fill(struct fetch_part *part, const struct kafka_fetch_request_partition *from)
{
    part->leader_epoch = from->current_leader_epoch;
    part->last_fetched_epoch = from->last_fetched_epoch;
    part->offset = from->fetch_offset;
    part->bytes_max = from->partition_max_bytes;
    log_watch_stop(&part->watch);
    part->watch = (struct log_watch){.moved = part_moved,
                                     .owner = part,
                                     .stable = part->set->stable,
                                     .loop = part->set->broker->loop};
}

/* ---- the table of a session ---- */

static uint64_t part_hash(const struct fetch_set *set, struct str topic, const uint8_t *id,
                          int32_t index)
{
    return set->by_id ? hash_bytes(id, 16, (uint64_t)index)
                      : hash_bytes(topic.ptr, topic.bytes, (uint64_t)index);
}

static size_t table_place(const struct fetch_set *set, struct str topic, const uint8_t *id,
                          int32_t index)
{
    size_t at = (size_t)part_hash(set, topic, id, index) & (set->table_room - 1);
    for (;; at = (at + 1) & (set->table_room - 1)) {
        const struct fetch_part *part = set->table[at];
        if (!part)
            return at;
        if (part->index == index &&
            (set->by_id ? memcmp(part->topic_id, id, 16) == 0 : str_equal(part->topic, topic)))
            return at;
    }
}

struct fetch_part *fetch_set_find(const struct fetch_set *set, struct str topic, const uint8_t *id,
                                  int32_t index)
{
    return set->table_room ? set->table[table_place(set, topic, id, index)] : NULL;
}

static void table_put(struct fetch_set *set, struct fetch_part *part)
{
    set->table[table_place(set, part->topic, part->topic_id, part->index)] = part;
}

static void table_grow(struct fetch_set *set)
{
    struct fetch_part **old = set->table;
    size_t room = set->table_room;
    set->table_room = room ? room * 2 : 16;
    set->table = mem_zero(set->table_room * sizeof(struct fetch_part *));
    for (size_t i = 0; i < room; i++)
        if (old[i])
            table_put(set, old[i]);
    mem_free(old);
}

static void part_free(struct fetch_part *part)
{
    fetch_part_leave(part);
    mem_free(part->own_topic);
    mem_free(part);
}

static void set_remove(struct fetch_set *set, struct fetch_part *part)
{
    size_t mask = set->table_room - 1;
    size_t at = table_place(set, part->topic, part->topic_id, part->index);
    set->table[at] = NULL;
    /* What is behind it in the run may belong further to the front. */
    for (size_t i = (at + 1) & mask; set->table[i]; i = (i + 1) & mask) {
        struct fetch_part *moved = set->table[i];
        set->table[i] = NULL;
        table_put(set, moved);
    }
    set->count--;
    set->broker->sessions->part_count--;
    part_free(part);
}

static void set_add(struct fetch_set *set, const struct kafka_fetch_request_topic *topic,
                    struct log_topic *found, const struct kafka_fetch_request_partition *from)
{
    struct fetch_part *part = fetch_set_find(set, topic->topic, topic->topic_id, from->partition);
    if (!part) {
        part = mem_zero(sizeof *part);
        part->set = set;
        part->index = from->partition;
        part->topic = topic->topic;
        part->told_end = part->told_start = -1;
        memcpy(part->topic_id, topic->topic_id, sizeof part->topic_id);
        fetch_part_place(part, found);
        if (part->partition && !set->by_id) {
            part->topic = log_topic_name(found);
        } else {
            part->own_topic = str_dup(topic->topic);
            part->topic.ptr = part->own_topic;
        }
        if ((set->count + 1) * 2 > set->table_room)
            table_grow(set);
        table_put(set, part);
        set->count++;
        set->broker->sessions->part_count++;
    }
    fetch_part_fill(part, from);
    fetch_part_ready(part);
}

/* ---- sessions ---- */

static void session_unlink_age(struct kafka_fetch_sessions *all, struct fetch_set *set)
{
    *(set->older ? &set->older->newer : &all->oldest) = set->newer;
    *(set->newer ? &set->newer->older : &all->newest) = set->older;
}

static void session_use(struct kafka_fetch_sessions *all, struct fetch_set *set)
{
    set->used_ns = io_loop_now_ns(all->broker->loop);
    set->older = all->newest;
    set->newer = NULL;
    *(all->newest ? &all->newest->newer : &all->oldest) = set;
    all->newest = set;
}

static struct fetch_set *session_find(const struct kafka_fetch_sessions *all, int32_t id)
{
    struct fetch_set *set = all->slots[(uint32_t)id % SLOTS];
    while (set && set->id != id)
        set = set->next_same;
    return set;
}

static void session_free(struct kafka_fetch_sessions *all, struct fetch_set *set)
{
    struct fetch_set **link = &all->slots[(uint32_t)set->id % SLOTS];
    while (*link != set)
        link = &(*link)->next_same;
    *link = set->next_same;
    session_unlink_age(all, set);
    /* Nobody finds it any more, also not the request that is begun behind this answer. */
    if (set->fetch)
        fetch_finish(set->fetch);
    all->count--;
    all->part_count -= set->count;
    for (size_t i = 0; i < set->table_room; i++)
        if (set->table[i])
            part_free(set->table[i]);
    mem_free(set->table);
    mem_free(set);
}

static size_t parts_asked(const struct kafka_fetch_request *request)
{
    size_t count = 0;
    for (int32_t i = 0; i < request->topics_count; i++)
        count += (size_t)request->topics[i].partitions_count;
    return count;
}

/* NULL: there is no place for one. */
static struct fetch_set *session_new(struct kafka_call *call)
{
    struct kafka_fetch_sessions *all = call->broker->sessions;
    const struct kafka_fetch_request *request = call->request;
    int64_t now_ns = io_loop_now_ns(call->broker->loop);
    size_t count = parts_asked(request);
    while (all->oldest && now_ns - all->oldest->used_ns >= EVICT_NS &&
           (all->count >= SESSIONS_MAX || all->part_count + count > PARTS_MAX))
        session_free(all, all->oldest);
    if (count == 0 || all->count >= SESSIONS_MAX || all->part_count + count > PARTS_MAX)
        return NULL;
    struct fetch_set *set = mem_zero(sizeof *set);
    set->broker = call->broker;
    set->by_id = call->version >= 13;
    set->stable = request->isolation_level == 1;
    set->epoch = 1;
    do {
        io_random(call->broker->io, &set->id, sizeof set->id);
        set->id &= INT32_MAX;
    } while (set->id == 0 || session_find(all, set->id));
    set->next_same = all->slots[(uint32_t)set->id % SLOTS];
    all->slots[(uint32_t)set->id % SLOTS] = set;
    session_use(all, set);
    all->count++;
    return set;
}

static void session_update(struct fetch_set *set, const struct kafka_fetch_request *request)
{
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_fetch_request_topic *topic = &request->topics[i];
        struct log_topic *found = fetch_topic_find(set, topic->topic, topic->topic_id);
        for (int32_t j = 0; j < topic->partitions_count; j++)
            set_add(set, topic, found, &topic->partitions[j]);
    }
    for (int32_t i = 0; i < request->forgotten_topics_data_count; i++) {
        const struct kafka_fetch_request_forgotten_topic *topic =
            &request->forgotten_topics_data[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct fetch_part *part =
                fetch_set_find(set, topic->topic, topic->topic_id, topic->partitions[j]);
            if (part)
                set_remove(set, part);
        }
    }
}

/* A read_committed consumer does not change its mind, but nothing forbids it: the watches of all
 * parts are of the other kind then. */
static void session_isolation(struct fetch_set *set, bool stable)
{
    if (set->stable == stable)
        return;
    set->stable = stable;
    for (size_t i = 0; i < set->table_room; i++) {
        struct fetch_part *part = set->table[i];
        if (!part)
            continue;
        log_watch_stop(&part->watch);
        part->watch.stable = stable;
        fetch_part_ready(part);
    }
}

static int16_t session_check(struct kafka_call *call, struct fetch_set **ret_set)
{
    struct kafka_fetch_sessions *all = call->broker->sessions;
    const struct kafka_fetch_request *request = call->request;
    struct fetch_set *set = session_find(all, request->session_id);
    if (!set || all->part_count + parts_asked(request) > (size_t)PARTS_MAX * 2)
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (set->epoch != request->session_epoch)
        return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    if (set->by_id != (call->version >= 13))
        return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    *ret_set = set;
    return KAFKA_NONE;
}

static int16_t session_continue(struct kafka_call *call, struct fetch_set **ret_set)
{
    struct kafka_fetch_sessions *all = call->broker->sessions;
    const struct kafka_fetch_request *request = call->request;
    struct fetch_set *set = NULL;
    int16_t code = session_check(call, &set);
    if (code == KAFKA_NONE && set->fetch) {
        /* The client came back on another connection before its old call was done. The answer may
         * begin another request of the old one: so all is checked again. */
        fetch_finish(set->fetch);
        code = session_check(call, &set);
        if (code == KAFKA_NONE && set->fetch)
            code = KAFKA_INVALID_FETCH_SESSION_EPOCH;
    }
    if (code != KAFKA_NONE)
        return code;
    set->epoch = set->epoch == INT32_MAX ? 1 : set->epoch + 1;
    session_unlink_age(all, set);
    session_use(all, set);
    session_isolation(set, request->isolation_level == 1);
    session_update(set, request);
    if (set->count == 0) {
        session_free(all, set);
        return KAFKA_NONE;
    }
    *ret_set = set;
    return KAFKA_NONE;
}

int16_t fetch_session_of(struct kafka_call *call, struct fetch_set **ret_set, bool *ret_full)
{
    struct kafka_fetch_sessions *all = call->broker->sessions;
    const struct kafka_fetch_request *request = call->request;
    *ret_full = call->version < 7 || request->session_epoch <= 0;
    *ret_set = NULL;
    if (call->version < 7)
        return KAFKA_NONE;
    if (!*ret_full)
        return session_continue(call, ret_set);
    struct fetch_set *old = request->session_id ? session_find(all, request->session_id) : NULL;
    if (old)
        session_free(all, old);
    if (request->session_epoch != 0)
        return KAFKA_NONE;
    *ret_set = session_new(call);
    if (*ret_set)
        session_update(*ret_set, request);
    return KAFKA_NONE;
}

/* ---- life ---- */

static void turn_ended(struct io_turn_end *hook)
{
    struct kafka_fetch_sessions *all = hook->owner;
    fetch_run_woken(all);
    fetch_wait_rest(all->waits, all->broker->net);
}

void kafka_fetch_sessions_new(struct kafka_broker *broker)
{
    struct kafka_fetch_sessions *all = mem_zero(sizeof *all);
    all->broker = broker;
    all->waits = fetch_waits_new(broker->loop);
    all->turn_end = (struct io_turn_end){.run = turn_ended, .owner = all};
    io_loop_turn_end(broker->loop, &all->turn_end);
    broker->sessions = all;
}

void kafka_fetch_sessions_free(struct kafka_broker *broker)
{
    struct kafka_fetch_sessions *all = broker->sessions;
    if (!all)
        return;
    while (all->oldest)
        session_free(all, all->oldest);
    io_loop_turn_end_stop(broker->loop, &all->turn_end);
    fetch_waits_free(all->waits);
    buf_deinit(&all->spare);
    mem_free(all);
    broker->sessions = NULL;
}

uint32_t kafka_fetch_sessions_count(const struct kafka_broker *broker)
{
    return broker->sessions->count;
}
