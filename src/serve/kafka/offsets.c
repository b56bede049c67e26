/* SPDX-License-Identifier: MIT */
/*
 * Committed offsets: OffsetCommit, OffsetFetch, OffsetDelete, TxnOffsetCommit, and what takes
 * commits away by itself. The log keeps the newest commit of each partition, in memory and in
 * __consumer_offsets; here are the rules of who may commit what.
 *
 * Commits expire RETENTION_MS after their group became empty; of a group that never had members
 * ("simple": generation -1), after the commit itself; and of a group with members, those of topics
 * that no member subscribes any more, after the commit. A retention that old clients send with a
 * commit is not heeded.
 */
#include "serve/kafka/group_api.h"

#include "base/check.h"

static const int64_t RETENTION_MS = 7LL * 24 * 3600 * 1000;

/* ---- OffsetCommit -------------------------------------------------------------------------- */

static void committed(struct kafka_write *write, enum err err)
{
    struct kafka_call *call = write->owner;
    struct kafka_offset_commit_response *response = call->response;
    for (int32_t i = 0; i < response->topics_count; i++) {
        struct kafka_offset_commit_response_partition *partitions = response->topics[i].partitions;
        for (int32_t j = 0; j < response->topics[i].partitions_count; j++)
            if (partitions[j].error_code == KAFKA_NONE)
                partitions[j].error_code = kafka_write_code(err);
    }
    kafka_answer(call);
}

int16_t kafka_offset_check(const struct log_topic *topic, int16_t topic_code, int32_t partition,
                           int16_t group_code, struct str metadata)
{
    if (!topic)
        return topic_code;
    if (partition < 0 || partition >= log_topic_partitions(topic))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (group_code != KAFKA_NONE)
        return group_code;
    return metadata.bytes > KAFKA_METADATA_BYTES_MAX ? KAFKA_OFFSET_METADATA_TOO_LARGE : KAFKA_NONE;
}

/* The group is asked, and made, only where something of the request is there. */
static bool names_any(struct kafka_call *call, const struct kafka_offset_commit_request *request)
{
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_offset_commit_request_topic *asked = &request->topics[i];
        int16_t code;
        const struct log_topic *topic = kafka_topic(
            call->broker, asked->name, call->version >= 10 ? asked->topic_id : NULL, &code);
        for (int32_t j = 0; topic && j < asked->partitions_count; j++)
            if (kafka_offset_check(topic, code, asked->partitions[j].partition_index, KAFKA_NONE,
                                   STR_NONE) == KAFKA_NONE)
                return true;
    }
    return false;
}

static size_t count_partitions(const struct kafka_offset_commit_request *request)
{
    size_t count = 0;
    for (int32_t i = 0; i < request->topics_count; i++)
        count += (size_t)request->topics[i].partitions_count;
    return count;
}

/* Fills one topic of the answer, and the commits that may be. */
static size_t commit_topic(struct kafka_call *call, int32_t at, int16_t group_code,
                           struct log_group_offset *offsets)
{
    const struct kafka_offset_commit_request *request = call->request;
    const struct kafka_offset_commit_request_topic *asked = &request->topics[at];
    struct kafka_offset_commit_response *response = call->response;
    int16_t code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    struct log_topic *topic =
        kafka_topic(call->broker, asked->name, call->version >= 10 ? asked->topic_id : NULL, &code);
    struct kafka_offset_commit_response_partition *partitions = KAFKA_NEW(
        &call->arena, kafka_offset_commit_response_partition, (size_t)asked->partitions_count);
    response->topics[at].name = asked->name;
    memcpy(response->topics[at].topic_id, asked->topic_id, 16);
    response->topics[at].partitions = partitions;
    response->topics[at].partitions_count = asked->partitions_count;
    size_t count = 0;
    for (int32_t j = 0; j < asked->partitions_count; j++) {
        const struct kafka_offset_commit_request_partition *one = &asked->partitions[j];
        partitions[j].partition_index = one->partition_index;
        partitions[j].error_code = kafka_offset_check(topic, code, one->partition_index, group_code,
                                                      one->committed_metadata);
        if (partitions[j].error_code != KAFKA_NONE)
            continue;
        offsets[count++] = (struct log_group_offset){
            .group = request->group_id,
            .topic = arena_str(&call->arena, log_topic_name(topic)),
            .partition = one->partition_index,
            .offset = one->committed_offset,
            .leader_epoch = one->committed_leader_epoch,
            .metadata = one->committed_metadata.ptr ? one->committed_metadata : STR(""),
        };
    }
    return count;
}

void kafka_handle_offset_commit(struct kafka_call *call)
{
    const struct kafka_offset_commit_request *request = call->request;
    struct kafka_offset_commit_response *response = call->response;
    int32_t generation = request->generation_id_or_member_epoch;
    int16_t code = KAFKA_NONE;
    struct kafka_group *group = NULL;
    if (request->group_id.bytes > KAFKA_NAME_BYTES_MAX)
        code = KAFKA_INVALID_GROUP_ID;
    else if (names_any(call, request))
        group = kafka_group_of_commit(call->broker, request->group_id, generation, &code);
    if (group) {
        kafka_group_begin(group);
        code = group_commit(&group->group, request->member_id, request->group_instance_id,
                            generation, false, kafka_clock_ms(call->broker));
    }
    response->topics =
        KAFKA_NEW(&call->arena, kafka_offset_commit_response_topic, (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    struct log_group_offset *offsets =
        arena_array(&call->arena, count_partitions(request) + 1, sizeof *offsets);
    size_t count = 0;
    for (int32_t i = 0; i < request->topics_count; i++)
        count += commit_topic(call, i, code, offsets + count);
    if (group) {
        group->commits = group->commits || count > 0;
        kafka_group_settle(group);
    }
    struct kafka_write *write = kafka_write_new(call->broker, committed, call);
    if (count > 0) {
        enum err err = log_offset_encode(call->broker->log, offsets, count, &write->batches);
        if (err != OK)
            write->batches.err = err;
        kafka_write_part(write, kafka_offsets_partition(call->broker), false);
    }
    kafka_write_send(write);
}

/* ---- OffsetFetch --------------------------------------------------------------------------- */

/* One partition's commit in the form that all versions share. */
struct fetched {
    int64_t offset;
    int32_t leader_epoch;
    struct str metadata;
    int16_t code;
};

static struct fetched fetch_one(struct kafka_call *call, struct str group, struct str topic,
                                int32_t partition, bool require_stable)
{
    struct fetched out = {.offset = -1, .leader_epoch = -1, .metadata = STR("")};
    struct log_group_offset o;
    bool pending = false;
    enum err err =
        log_offset_get(call->broker->log, group, topic, partition, &call->arena, &o, &pending);
    if (require_stable && pending) {
        out.code = KAFKA_UNSTABLE_OFFSET_COMMIT;
    } else if (err == OK) {
        out.offset = o.offset;
        out.leader_epoch = o.leader_epoch;
        if (o.metadata.ptr)
            out.metadata = o.metadata;
    }
    return out;
}

static void fetch_old(struct kafka_call *call, const struct kafka_offset_fetch_request *request)
{
    struct kafka_offset_fetch_response *response = call->response;
    int32_t count = request->topics_count;
    struct kafka_offset_fetch_response_topic *topics =
        KAFKA_NEW(&call->arena, kafka_offset_fetch_response_topic, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        const struct kafka_offset_fetch_request_topic *asked = &request->topics[i];
        struct kafka_offset_fetch_response_partition *partitions =
            KAFKA_NEW(&call->arena, kafka_offset_fetch_response_partition,
                      (size_t)asked->partition_indexes_count);
        for (int32_t j = 0; j < asked->partition_indexes_count; j++) {
            struct fetched f = fetch_one(call, request->group_id, asked->name,
                                         asked->partition_indexes[j], request->require_stable);
            partitions[j].partition_index = asked->partition_indexes[j];
            partitions[j].committed_offset = f.offset;
            partitions[j].committed_leader_epoch = f.leader_epoch;
            partitions[j].metadata = f.metadata;
            partitions[j].error_code = f.code;
        }
        topics[i].name = asked->name;
        topics[i].partitions = partitions;
        topics[i].partitions_count = asked->partition_indexes_count;
    }
    response->topics = topics;
    response->topics_count = count;
}

/* A request for all commits becomes one that names them. */
static void name_all(struct kafka_call *call, struct str group,
                     struct kafka_offset_fetch_request_group_topic **ret_topics, int32_t *ret_count)
{
    struct log_group_offset *offsets;
    size_t total = log_offsets(call->broker->log, group, &call->arena, &offsets);
    struct kafka_offset_fetch_request_group_topic *topics =
        arena_array(&call->arena, total + 1, sizeof *topics);
    int32_t *partitions = arena_array(&call->arena, total + 1, sizeof *partitions);
    int32_t count = 0;
    for (size_t i = 0; i < total; i++) {
        partitions[i] = offsets[i].partition;
        if (count > 0 && str_equal(topics[count - 1].name, offsets[i].topic)) {
            topics[count - 1].partition_indexes_count++;
            continue;
        }
        struct log_topic *topic = log_topic_find(call->broker->log, offsets[i].topic);
        if (!topic && call->version >= 10)
            continue; /* there is no id to give */
        topics[count] = (struct kafka_offset_fetch_request_group_topic){
            .name = offsets[i].topic,
            .partition_indexes = &partitions[i],
            .partition_indexes_count = 1,
        };
        if (topic)
            memcpy(topics[count].topic_id, log_topic_id(topic), 16);
        count++;
    }
    *ret_topics = topics;
    *ret_count = count;
}

static void fetch_topic(struct kafka_call *call, struct str group,
                        const struct kafka_offset_fetch_request_group_topic *asked,
                        struct kafka_offset_fetch_response_group_topic *out)
{
    const struct kafka_offset_fetch_request *request = call->request;
    struct str name = asked->name;
    int16_t code = KAFKA_NONE;
    if (call->version >= 10 && name.bytes == 0) {
        const struct log_topic *topic = kafka_topic(call->broker, STR(""), asked->topic_id, &code);
        name = topic ? arena_str(&call->arena, log_topic_name(topic)) : STR("");
    }
    struct kafka_offset_fetch_response_group_topic_partition *partitions =
        KAFKA_NEW(&call->arena, kafka_offset_fetch_response_group_topic_partition,
                  (size_t)asked->partition_indexes_count);
    for (int32_t j = 0; j < asked->partition_indexes_count; j++) {
        struct fetched f = {.offset = -1, .leader_epoch = -1, .metadata = STR(""), .code = code};
        if (code == KAFKA_NONE)
            f = fetch_one(call, group, name, asked->partition_indexes[j], request->require_stable);
        partitions[j].partition_index = asked->partition_indexes[j];
        partitions[j].committed_offset = f.offset;
        partitions[j].committed_leader_epoch = f.leader_epoch;
        partitions[j].metadata = f.metadata;
        partitions[j].error_code = f.code;
    }
    out->name = name;
    memcpy(out->topic_id, asked->topic_id, 16);
    out->partitions = partitions;
    out->partitions_count = asked->partition_indexes_count;
}

static void fetch_groups(struct kafka_call *call, const struct kafka_offset_fetch_request *request)
{
    struct kafka_offset_fetch_response *response = call->response;
    int32_t count = request->groups_count;
    struct kafka_offset_fetch_response_group *groups =
        KAFKA_NEW(&call->arena, kafka_offset_fetch_response_group, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        struct kafka_offset_fetch_request_group_topic *asked = request->groups[i].topics;
        int32_t asked_count = request->groups[i].topics_count;
        if (asked_count < 0)
            name_all(call, request->groups[i].group_id, &asked, &asked_count);
        struct kafka_offset_fetch_response_group_topic *topics =
            KAFKA_NEW(&call->arena, kafka_offset_fetch_response_group_topic, (size_t)asked_count);
        for (int32_t j = 0; j < asked_count; j++)
            fetch_topic(call, request->groups[i].group_id, &asked[j], &topics[j]);
        groups[i].group_id = request->groups[i].group_id;
        groups[i].topics = topics;
        groups[i].topics_count = asked_count;
    }
    response->groups = groups;
    response->groups_count = count;
}

void kafka_handle_offset_fetch(struct kafka_call *call)
{
    const struct kafka_offset_fetch_request *request = call->request;
    if (call->version >= 8) {
        fetch_groups(call, request);
    } else if (request->topics_count >= 0) {
        fetch_old(call, request);
    } else {
        struct kafka_offset_fetch_request all = *request;
        struct kafka_offset_fetch_request_group_topic *named;
        int32_t count;
        name_all(call, request->group_id, &named, &count);
        all.topics = KAFKA_NEW(&call->arena, kafka_offset_fetch_request_topic, (size_t)count);
        all.topics_count = count;
        for (int32_t i = 0; i < count; i++) {
            all.topics[i].name = named[i].name;
            all.topics[i].partition_indexes = named[i].partition_indexes;
            all.topics[i].partition_indexes_count = named[i].partition_indexes_count;
        }
        fetch_old(call, &all);
    }
    kafka_answer(call);
}

/* ---- OffsetDelete -------------------------------------------------------------------------- */

static void forgotten(struct kafka_write *write, enum err err)
{
    struct kafka_call *call = write->owner;
    struct kafka_offset_delete_response *response = call->response;
    if (err != OK) {
        response->error_code = kafka_write_code(err);
        response->topics_count = 0;
    }
    kafka_answer(call);
}

static int16_t delete_check(const struct kafka_group *group)
{
    if (!group)
        return KAFKA_GROUP_ID_NOT_FOUND;
    if (group->group.state != GROUP_EMPTY && !group_is_consumer(&group->group))
        return KAFKA_NON_EMPTY_GROUP;
    return KAFKA_NONE;
}

static bool has_commit(struct kafka_call *call, struct str topic, int32_t index)
{
    const struct kafka_offset_delete_request *request = call->request;
    struct log_group_offset offset;
    bool pending = false;
    return log_offset_get(call->broker->log, request->group_id, topic, index, &call->arena, &offset,
                          &pending) == OK ||
           pending;
}

static size_t delete_topic(struct kafka_call *call, const struct group *group, int32_t at,
                           struct log_group_offset *offsets)
{
    const struct kafka_offset_delete_request *request = call->request;
    const struct kafka_offset_delete_request_topic *asked = &request->topics[at];
    struct kafka_offset_delete_response *response = call->response;
    struct kafka_offset_delete_response_partition *partitions = KAFKA_NEW(
        &call->arena, kafka_offset_delete_response_partition, (size_t)asked->partitions_count);
    response->topics[at].name = asked->name;
    response->topics[at].partitions = partitions;
    response->topics[at].partitions_count = asked->partitions_count;
    bool subscribed = group_subscribes(group, asked->name);
    size_t count = 0;
    for (int32_t j = 0; j < asked->partitions_count; j++) {
        int32_t index = asked->partitions[j].partition_index;
        partitions[j].partition_index = index;
        int16_t code = KAFKA_NONE;
        kafka_partition(call->broker, asked->name, index, &code);
        if (code == KAFKA_NONE && subscribed)
            code = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
        partitions[j].error_code = code;
        if (code == KAFKA_NONE && has_commit(call, asked->name, index))
            offsets[count++] = (struct log_group_offset){.group = request->group_id,
                                                         .topic = asked->name,
                                                         .partition = index,
                                                         .offset = -1,
                                                         .leader_epoch = -1,
                                                         .metadata = STR("")};
    }
    return count;
}

void kafka_handle_offset_delete(struct kafka_call *call)
{
    const struct kafka_offset_delete_request *request = call->request;
    struct kafka_offset_delete_response *response = call->response;
    const struct kafka_group *group = kafka_group_find(call->broker, request->group_id);
    response->error_code = delete_check(group);
    if (response->error_code != KAFKA_NONE) {
        kafka_answer(call);
        return;
    }
    size_t total = 0, count = 0;
    for (int32_t i = 0; i < request->topics_count; i++)
        total += (size_t)request->topics[i].partitions_count;
    struct log_group_offset *offsets = arena_array(&call->arena, total + 1, sizeof *offsets);
    response->topics =
        KAFKA_NEW(&call->arena, kafka_offset_delete_response_topic, (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++)
        count += delete_topic(call, &group->group, i, offsets + count);
    struct kafka_write *write = kafka_write_new(call->broker, forgotten, call);
    if (count > 0) {
        enum err err = log_offset_encode(call->broker->log, offsets, count, &write->batches);
        if (err != OK)
            write->batches.err = err;
        kafka_write_part(write, kafka_offsets_partition(call->broker), false);
    }
    kafka_write_send(write);
}

/* ---- what goes by itself ------------------------------------------------------------------- */

static void written(struct kafka_write *write, enum err err)
{
    (void)write;
    (void)err; /* what was not taken away is found again by the next sweep */
}

static void take_back(struct kafka_broker *broker, struct log_group_offset *offsets, size_t count,
                      struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        offsets[i].offset = -1;
    if (count == 0)
        return;
    enum err err = log_offset_encode(broker->log, offsets, count, out);
    if (err != OK)
        out->err = err;
}

size_t kafka_offsets_forget(struct kafka_broker *broker, struct str group, struct arena *arena,
                            struct buf *out)
{
    struct log_group_offset *offsets, *pending;
    size_t count = log_offsets(broker->log, group, arena, &offsets);
    size_t more = log_offsets_pending(broker->log, group, arena, &pending);
    take_back(broker, offsets, count, out);
    take_back(broker, pending, more, out);
    return count + more;
}

static bool is_expired(const struct kafka_group *group, const struct log_group_offset *offset,
                       int64_t now_ms)
{
    const struct group *g = &group->group;
    int64_t since_ms = offset->commit_ms;
    if (g->protocol_type.ptr && g->state == GROUP_EMPTY) {
        if (g->state_ms > since_ms)
            since_ms = g->state_ms;
    } else if (g->state != GROUP_EMPTY) {
        if (g->state != GROUP_STABLE || !group_is_consumer(g) || group_subscribes(g, offset->topic))
            return false;
    }
    return now_ms - since_ms >= RETENTION_MS;
}

/* A group that is empty, and has no commits, goes. */
static void drop_empty(struct kafka_broker *broker, struct kafka_write *write, int64_t now_ms)
{
    struct map *map = &broker->groups->map;
    struct kafka_group **gone = mem_array(map->count + 1, sizeof(struct kafka_group *));
    size_t count = 0, at = 0;
    for (struct map_entry *e; (e = map_next(map, &at));) {
        struct kafka_group *group = e->value;
        const struct group *g = &group->group;
        if (g->state == GROUP_EMPTY && g->pending_count == 0 && g->store_count == 0 &&
            !group->commits)
            gone[count++] = group;
    }
    for (size_t i = 0; i < count; i++) {
        CLEAN(buf_deinit) struct buf key = {0};
        group_key_encode(gone[i]->group.id, &key);
        enum err err = buf_error(&key);
        if (err == OK)
            err = kafka_record_append(buf_str(&key), STR_NONE, now_ms, &write->batches);
        if (err == OK)
            kafka_group_drop(gone[i]);
    }
    mem_free(gone);
}

void kafka_offsets_expire(struct kafka_broker *broker)
{
    struct arena arena;
    struct log_group_offset *offsets;
    arena_init(&arena, SIZE_MAX / 2);
    size_t total = log_offsets(broker->log, STR_NONE, &arena, &offsets), count = 0, at = 0;
    int64_t now_ms = kafka_now_ms(broker);
    struct kafka_write *write = kafka_write_new(broker, written, NULL);
    for (struct map_entry *e; (e = map_next(&broker->groups->map, &at));)
        ((struct kafka_group *)e->value)->commits = false;
    for (size_t i = 0; i < total; i++) {
        struct kafka_group *group = kafka_group_find(broker, offsets[i].group);
        if (!group)
            continue; /* others of this house commit here too */
        if (is_expired(group, &offsets[i], now_ms))
            offsets[count++] = offsets[i];
        else
            group->commits = true;
    }
    take_back(broker, offsets, count, &write->batches);
    drop_empty(broker, write, now_ms);
    if (write->batches.bytes > 0)
        kafka_write_part(write, kafka_offsets_partition(broker), false);
    kafka_write_send(write);
    arena_deinit(&arena);
}

static size_t only_of(struct str topic, struct log_group_offset *offsets, size_t total)
{
    size_t count = 0;
    for (size_t i = 0; i < total; i++)
        if (str_equal(offsets[i].topic, topic))
            offsets[count++] = offsets[i];
    return count;
}

void kafka_groups_topic_deleted(struct kafka_broker *broker, struct str topic)
{
    struct arena arena;
    struct log_group_offset *offsets, *pending;
    arena_init(&arena, SIZE_MAX / 2);
    size_t count = log_offsets(broker->log, STR_NONE, &arena, &offsets);
    size_t more = log_offsets_pending(broker->log, STR_NONE, &arena, &pending);
    count = only_of(topic, offsets, count);
    more = only_of(topic, pending, more);
    if (count + more > 0) {
        struct kafka_write *write = kafka_write_new(broker, written, NULL);
        take_back(broker, offsets, count, &write->batches);
        take_back(broker, pending, more, &write->batches);
        kafka_write_part(write, kafka_offsets_partition(broker), false);
        kafka_write_send(write);
    }
    arena_deinit(&arena);
}
