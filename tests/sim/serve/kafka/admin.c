/* SPDX-License-Identifier: MIT */
/*
 * The administrator: makes and deletes topics while others write to them, takes records away from
 * the front of partitions, and asks where partitions begin and end.
 */
#include "twin.h"

#include "base/mem.h"

#include <stdio.h>

struct admin {
    struct actor actor;
    bool asking;
};
struct doing {
    int topic;
    struct twin_part *part;
    int64_t offset;
    struct twin_view view;
    bool committed;
};

/* ---- topics -------------------------------------------------------------------------------- */

static void created(struct request *request, void *answer)
{
    struct admin *admin = request->owner;
    struct kafka_create_topics_response *response = answer;
    const struct doing *doing = request->context;
    struct twin_topic *topic = &admin->actor.w->twin->topics[doing->topic];
    admin->asking = false;
    actor_pause(&admin->actor);
    if (!response)
        return;
    int16_t code = response->topics->error_code;
    actor_trace(&admin->actor, "creates %s: %s", topic->name, kafka_error_name(code));
    if (code == KAFKA_NONE) {
        topic->state = TOPIC_THERE;
        if (request->version >= 7)
            memcpy(topic->id, response->topics->topic_id, 16);
    } else if (code == KAFKA_TOPIC_ALREADY_EXISTS) {
        if (topic->state != TOPIC_MAYBE)
            actor_fail(&admin->actor, "%s exists already", topic->name);
        topic->state = TOPIC_THERE;
    } else if (!code_is_passing(code)) {
        actor_fail(&admin->actor, "creating %s: %s, %.*s", topic->name, kafka_error_name(code),
                   STR_ARG(response->topics->error_message));
    }
}

static void create(struct admin *admin, int at)
{
    struct world *w = admin->actor.w;
    struct twin *twin = w->twin;
    struct doing *doing = mem_zero(sizeof *doing);
    struct kafka_create_topics_request *request = MESSAGE(w, kafka_create_topics_request);
    if (at == twin->topic_count) {
        struct twin_topic *topic = &twin->topics[twin->topic_count++];
        snprintf(topic->name, sizeof topic->name, "v%d", at);
        topic->part_count = 1 + pick(w, PARTS_OF_TOPIC_MAX);
        for (int i = 0; i < topic->part_count; i++)
            topic->parts[i] = (struct twin_part){.topic = at, .index = i};
    }
    doing->topic = at;
    request->topics = MESSAGE(w, kafka_create_topics_request_topic);
    request->topics_count = 1;
    request->topics->name = str_of(twin->topics[at].name);
    request->topics->num_partitions = twin->topics[at].part_count;
    request->topics->replication_factor = 1;
    conn_send(admin->actor.conn, KAFKA_KEY_CREATE_TOPICS, (int16_t)pick(w, 8), request, created,
              admin, doing);
}

static void deleted(struct request *request, void *answer)
{
    struct admin *admin = request->owner;
    struct kafka_delete_topics_response *response = answer;
    const struct doing *doing = request->context;
    struct twin_topic *topic = &admin->actor.w->twin->topics[doing->topic];
    admin->asking = false;
    actor_pause(&admin->actor);
    if (!response)
        return;
    int16_t code = response->responses->error_code;
    actor_trace(&admin->actor, "deletes %s: %s", topic->name, kafka_error_name(code));
    /* Not there: a try before this one did it, or it never was. */
    if (code == KAFKA_NONE || code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
        topic->state = TOPIC_GONE;
        reached(admin->actor.w, MARK_TOPIC_DELETED);
    } else if (!code_is_passing(code)) {
        actor_fail(&admin->actor, "deleting %s: %s", topic->name, kafka_error_name(code));
    }
}

static void remove_topic(struct admin *admin, int at)
{
    struct world *w = admin->actor.w;
    struct doing *doing = mem_zero(sizeof *doing);
    struct kafka_delete_topics_request *request = MESSAGE(w, kafka_delete_topics_request);
    struct str *names = arena_alloc(&w->scratch, sizeof *names);
    doing->topic = at;
    w->twin->topics[at].state = TOPIC_MAYBE_GONE;
    names[0] = str_of(w->twin->topics[at].name);
    request->topic_names = names;
    request->topic_names_count = 1;
    request->timeout_ms = 10000;
    conn_send(admin->actor.conn, KAFKA_KEY_DELETE_TOPICS, (int16_t)(1 + pick(w, 5)), request,
              deleted, admin, doing);
}

/* Makes one, ends one, or goes on with one whose fate is open. False: there is nothing to do. */
static bool do_topic(struct admin *admin)
{
    struct world *w = admin->actor.w;
    for (int i = 0; i < w->twin->topic_count; i++)
        if (w->twin->topics[i].state == TOPIC_MAYBE_GONE) {
            remove_topic(admin, i);
            return true;
        } else if (w->twin->topics[i].state == TOPIC_MAYBE) {
            create(admin, i);
            return true;
        }
    int at = pick(w, TOPICS_MAX);
    if (at >= w->twin->topic_count)
        create(admin, w->twin->topic_count);
    else if (!w->twin->topics[at].lasting && w->twin->topics[at].state == TOPIC_THERE)
        remove_topic(admin, at);
    else
        return false;
    return true;
}

/* ---- records ------------------------------------------------------------------------------- */

static void trimmed(struct request *request, void *answer)
{
    struct admin *admin = request->owner;
    struct kafka_delete_records_response *response = answer;
    const struct doing *doing = request->context;
    struct world *w = admin->actor.w;
    admin->asking = false;
    actor_pause(&admin->actor);
    if (!response)
        return;
    const struct kafka_delete_records_response_partition *result = response->topics->partitions;
    actor_trace(&admin->actor, "trims %s to %lld: %s", part_name(w, doing->part),
                (long long)doing->offset, kafka_error_name(result->error_code));
    if (result->error_code == KAFKA_NONE) {
        if (result->low_watermark < doing->offset)
            actor_fail(&admin->actor, "%s was trimmed to %lld and begins at %lld",
                       part_name(w, doing->part), (long long)doing->offset,
                       (long long)result->low_watermark);
        if (result->low_watermark > doing->part->start)
            doing->part->start = result->low_watermark;
        reached(w, MARK_TRIMMED);
    } else if (!code_is_passing(result->error_code)) {
        actor_fail(&admin->actor, "trimming %s to %lld: %s", part_name(w, doing->part),
                   (long long)doing->offset, kafka_error_name(result->error_code));
    }
}

static void trim(struct admin *admin)
{
    struct world *w = admin->actor.w;
    struct doing *doing = mem_zero(sizeof *doing);
    struct twin_part *part;
    do
        part = twin_part_pick(w, true);
    while (twin_is_compacted(w, part)); /* refused by policy */
    struct kafka_delete_records_request *request = MESSAGE(w, kafka_delete_records_request);
    int64_t room = part->acked_end - part->start_max;
    doing->part = part;
    doing->offset = part->start_max + (room > 0 ? pick(w, (int)room / 2 + 1) : 0);
    if (doing->offset > part->start_max)
        part->start_max = doing->offset;
    request->topics = MESSAGE(w, kafka_delete_records_request_topic);
    request->topics_count = 1;
    request->topics->name = part_topic(w, part);
    request->topics->partitions = MESSAGE(w, kafka_delete_records_request_partition);
    request->topics->partitions_count = 1;
    request->topics->partitions->partition_index = part->index;
    request->topics->partitions->offset = doing->offset;
    request->timeout_ms = 10000;
    conn_send(admin->actor.conn, KAFKA_KEY_DELETE_RECORDS, (int16_t)pick(w, 3), request, trimmed,
              admin, doing);
}

static void listed(struct request *request, void *answer)
{
    struct admin *admin = request->owner;
    struct kafka_list_offsets_response *response = answer;
    const struct doing *doing = request->context;
    struct world *w = admin->actor.w;
    admin->asking = false;
    actor_pause(&admin->actor);
    if (!response)
        return;
    const struct kafka_list_offsets_response_partition *result = response->topics->partitions;
    actor_trace(&admin->actor, "%s ends at %lld", part_name(w, doing->part),
                (long long)result->offset);
    if (result->error_code != KAFKA_NONE)
        actor_fail(&admin->actor, "ListOffsets of %s: %s", part_name(w, doing->part),
                   kafka_error_name(result->error_code));
    else if (!doing->committed)
        twin_check_ends(w, doing->part, &doing->view, result->offset, -1, -1);
}

static void list(struct admin *admin)
{
    struct world *w = admin->actor.w;
    struct doing *doing = mem_zero(sizeof *doing);
    struct kafka_list_offsets_request *request = MESSAGE(w, kafka_list_offsets_request);
    doing->part = twin_part_pick(w, true);
    doing->view = twin_view(doing->part);
    doing->committed = chance(w, 30);
    request->replica_id = -1;
    request->isolation_level = doing->committed;
    request->topics = MESSAGE(w, kafka_list_offsets_request_topic);
    request->topics_count = 1;
    request->topics->name = part_topic(w, doing->part);
    request->topics->partitions = MESSAGE(w, kafka_list_offsets_request_partition);
    request->topics->partitions_count = 1;
    request->topics->partitions->partition_index = doing->part->index;
    request->topics->partitions->timestamp = -1;
    conn_send(admin->actor.conn, KAFKA_KEY_LIST_OFFSETS, (int16_t)(2 + pick(w, 9)), request, listed,
              admin, doing);
}

static void step(struct actor *actor)
{
    struct admin *admin = (struct admin *)actor;
    struct world *w = actor->w;
    int what = pick(w, 100);
    if (admin->asking)
        return;
    admin->asking = true;
    if (what < 35 && do_topic(admin))
        return;
    if (what < 70)
        list(admin);
    else
        trim(admin);
}

static void reset(struct actor *actor)
{
    ((struct admin *)actor)->asking = false;
    actor_wait(actor, 0);
}

static void free_admin(struct actor *actor)
{
    mem_free(actor);
}

void admin_add(struct world *w)
{
    struct admin *admin = mem_zero(sizeof *admin);
    admin->actor.step = step;
    admin->actor.reset = reset;
    admin->actor.free = free_admin;
    actor_add(w, &admin->actor, "admin", 0);
}
