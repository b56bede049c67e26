/* SPDX-License-Identifier: MIT */
/*
 * Groups as administrators see them: DescribeGroups, ListGroups, DeleteGroups.
 *
 * A group that is not known is described as Dead, which older clients expect; from version 6 on as
 * GROUP_ID_NOT_FOUND. Deleting takes the group's record and all its commits away in one write; the
 * group goes, and the answer comes, when that is durable.
 */
#include "serve/kafka/group_api.h"

#include "base/check.h"

/* ---- DescribeGroups ------------------------------------------------------------------------ */

static void describe(struct kafka_call *call, const struct group *group,
                     struct kafka_describe_groups_response_group *out)
{
    struct arena *arena = &call->arena;
    bool stable = group->state == GROUP_STABLE;
    size_t count = group->member_count;
    out->group_state = str_of(group_state_name(group->state));
    out->protocol_type =
        group->protocol_type.ptr ? arena_str(arena, group->protocol_type) : STR("");
    out->protocol_data =
        stable && group->protocol.ptr ? arena_str(arena, group->protocol) : STR("");
    struct kafka_describe_groups_response_member *members =
        KAFKA_NEW(arena, kafka_describe_groups_response_member, count);
    for (size_t i = 0; i < count; i++) {
        const struct group_member *member = group->members[i];
        members[i].member_id = arena_str(arena, member->id);
        if (member->instance_id.ptr)
            members[i].group_instance_id = arena_str(arena, member->instance_id);
        members[i].client_id = arena_str(arena, member->client_id);
        members[i].client_host = arena_str(arena, member->client_host);
        if (stable)
            members[i].member_metadata = arena_str(arena, group_metadata(group, member));
        members[i].member_assignment = arena_str(arena, member->assignment);
    }
    out->members = members;
    out->members_count = (int32_t)count;
}

/* Read, delete, describe, describe and alter configs. */
enum { OPERATIONS_ALL = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11 };

void kafka_handle_describe_groups(struct kafka_call *call)
{
    const struct kafka_describe_groups_request *request = call->request;
    struct kafka_describe_groups_response *response = call->response;
    int32_t count = request->groups_count > 0 ? request->groups_count : 0;
    struct kafka_describe_groups_response_group *groups =
        KAFKA_NEW(&call->arena, kafka_describe_groups_response_group, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        const struct kafka_group *group = kafka_group_find(call->broker, request->groups[i]);
        groups[i].group_id = request->groups[i];
        if (request->include_authorized_operations && (group || call->version < 6))
            groups[i].authorized_operations = OPERATIONS_ALL;
        if (group) {
            describe(call, &group->group, &groups[i]);
            continue;
        }
        groups[i].group_state = str_of(group_state_name(GROUP_DEAD));
        if (call->version >= 6) {
            groups[i].error_code = KAFKA_GROUP_ID_NOT_FOUND;
            groups[i].error_message = str_of(
                arena_printf(&call->arena, "Group %.*s not found.", STR_ARG(request->groups[i])));
        }
    }
    response->groups = groups;
    response->groups_count = count;
    kafka_answer(call);
}

/* ---- ListGroups ---------------------------------------------------------------------------- */

static bool is_among(const struct str *filter, int32_t count, struct str name)
{
    for (int32_t i = 0; i < count; i++)
        if (str_equal_nocase(filter[i], name))
            return true;
    return count <= 0;
}

void kafka_handle_list_groups(struct kafka_call *call)
{
    const struct kafka_list_groups_request *request = call->request;
    struct kafka_list_groups_response *response = call->response;
    const struct map *map = &call->broker->groups->map;
    struct kafka_list_groups_response_group *groups =
        KAFKA_NEW(&call->arena, kafka_list_groups_response_group, map->count);
    int32_t count = 0;
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(map, &at));) {
        const struct group *group = &((struct kafka_group *)e->value)->group;
        struct str state = str_of(group_state_name(group->state));
        if (!is_among(request->states_filter, request->states_filter_count, state) ||
            !is_among(request->types_filter, request->types_filter_count, STR("classic")))
            continue;
        groups[count].group_id = arena_str(&call->arena, group->id);
        groups[count].protocol_type =
            group->protocol_type.ptr ? arena_str(&call->arena, group->protocol_type) : STR("");
        groups[count].group_state = state;
        groups[count].group_type = STR("classic");
        count++;
    }
    response->groups = groups;
    response->groups_count = count;
    kafka_answer(call);
}

/* ---- DeleteGroups -------------------------------------------------------------------------- */

/* Somebody may have joined or committed behind the records that take it away. */
static void forget_group(struct kafka_call *call, struct str id)
{
    struct kafka_group *group = kafka_group_find(call->broker, id);
    struct log_group_offset *offsets;
    if (!group || group->group.state != GROUP_EMPTY || group->group.store_count > 0)
        return;
    if (log_offsets(call->broker->log, id, &call->arena, &offsets) == 0)
        kafka_group_drop(group);
}

static void deleted(struct kafka_write *write, enum err err)
{
    struct kafka_call *call = write->owner;
    struct kafka_delete_groups_response *response = call->response;
    struct kafka_delete_groups_response_result *results = response->results;
    for (int32_t i = 0; i < response->results_count; i++) {
        if (results[i].error_code != KAFKA_NONE)
            continue;
        results[i].error_code = kafka_write_code(err);
        if (err == OK)
            forget_group(call, results[i].group_id);
    }
    kafka_answer(call);
}

static int16_t delete_one(struct kafka_call *call, struct str id, struct kafka_write *write)
{
    const struct kafka_group *group = kafka_group_find(call->broker, id);
    if (!group)
        return KAFKA_GROUP_ID_NOT_FOUND;
    /* Neither one who was only told a member id, nor commits of open transactions, hold it. */
    if (group->group.state != GROUP_EMPTY)
        return KAFKA_NON_EMPTY_GROUP;
    CLEAN(buf_deinit) struct buf key = {0};
    group_key_encode(id, &key);
    enum err err = buf_error(&key);
    if (err == OK)
        err = kafka_record_append(buf_str(&key), STR_NONE, kafka_now_ms(call->broker),
                                  &write->batches);
    if (err != OK)
        return kafka_write_code(err);
    kafka_offsets_forget(call->broker, id, &call->arena, &write->batches);
    return KAFKA_NONE;
}

void kafka_handle_delete_groups(struct kafka_call *call)
{
    const struct kafka_delete_groups_request *request = call->request;
    struct kafka_delete_groups_response *response = call->response;
    int32_t count = request->groups_names_count > 0 ? request->groups_names_count : 0;
    struct kafka_write *write = kafka_write_new(call->broker, deleted, call);
    response->results = KAFKA_NEW(&call->arena, kafka_delete_groups_response_result, (size_t)count);
    response->results_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct kafka_delete_groups_response_result *result =
            (struct kafka_delete_groups_response_result *)&response->results[i];
        result->group_id = request->groups_names[i];
        result->error_code = delete_one(call, request->groups_names[i], write);
    }
    if (write->batches.bytes > 0)
        kafka_write_part(write, kafka_offsets_partition(call->broker), false);
    kafka_write_send(write);
}
