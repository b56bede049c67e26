/* SPDX-License-Identifier: MIT */
/*
 * Groups as clients meet them: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup. The
 * rules are in group.c; here requests become events, and actions become answers, records and
 * timers. Describing, listing and deleting are in group_admin.c.
 *
 * Every group has one timer, armed for the earliest of its deadlines. A record that an action asks
 * for is encoded at once, while the group is as the action means it, and holds the group until it
 * is written. A call that waits is the token of its member; when its connection ends, the token is
 * taken out and the member lives or dies by its session.
 *
 * A group is known from its first join or commit on. Once nothing is left of it, neither members
 * nor handed-out ids nor commits, the next sweep takes it away, as in Kafka; at once where there
 * are very many.
 */
#include "serve/kafka/group_api.h"

#include "base/check.h"

#include <stdio.h>

enum {
    NEW_MEMBER_MS = 5 * 60 * 1000,
    SESSION_MS_MIN = 6 * 1000,
    SESSION_MS_MAX = 30 * 60 * 1000,
    SWEEP_S = 600,
    EMPTY_MAX = 10000,
};
static const int64_t SECOND_NS = 1000LL * 1000 * 1000;

struct log_partition *kafka_offsets_partition(const struct kafka_broker *broker)
{
    return broker->groups->partition;
}

/* ---- life of groups ------------------------------------------------------------------------ */

static void group_unref(struct kafka_group *group)
{
    if (--group->refs > 0)
        return;
    io_timer_stop(group->groups->broker->loop, &group->timer);
    group_deinit(&group->group);
    mem_free(group);
}

static void tick(struct io_timer *timer)
{
    struct kafka_group *group = timer->owner;
    group->armed_ms = INT64_MAX;
    kafka_group_begin(group);
    group_tick(&group->group, kafka_clock_ms(group->groups->broker));
    kafka_group_settle(group);
}

static struct kafka_group *group_make(struct kafka_groups *groups, struct str id)
{
    struct kafka_group *group = mem_zero(sizeof *group);
    group_init(&group->group, id, &groups->settings);
    group->group.wall_ms = group->group.state_ms = kafka_now_ms(groups->broker);
    group->groups = groups;
    group->timer = (struct io_timer){.fire = tick, .owner = group};
    group->armed_ms = INT64_MAX;
    group->refs = 1;
    check(map_set(&groups->map, id, group) == NULL);
    return group;
}

struct kafka_group *kafka_group_find(struct kafka_broker *broker, struct str id)
{
    return map_get(&broker->groups->map, id);
}

struct kafka_group *kafka_group_of_commit(struct kafka_broker *broker, struct str id,
                                          int32_t generation, int16_t *ret_code)
{
    struct kafka_group *group = kafka_group_find(broker, id);
    if (!group && generation >= 0) {
        *ret_code = KAFKA_ILLEGAL_GENERATION;
        return NULL;
    }
    return group ? group : group_make(broker->groups, id);
}

void kafka_group_drop(struct kafka_group *group)
{
    check(map_remove(&group->groups->map, group->group.id) == group);
    group_close(&group->group, KAFKA_COORDINATOR_NOT_AVAILABLE);
    kafka_group_settle(group);
    group_unref(group);
}

static void stored(struct kafka_write *write, enum err err)
{
    struct kafka_group *group = write->owner;
    int16_t code = KAFKA_NONE;
    if (err != OK)
        code = err == ERR_LIMIT ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_COORDINATOR_NOT_AVAILABLE;
    kafka_group_begin(group);
    group_stored(&group->group, write->number, code, kafka_clock_ms(group->groups->broker));
    kafka_group_settle(group);
    group_unref(group);
}

static void store(struct kafka_group *group, uint64_t number)
{
    struct kafka_broker *broker = group->groups->broker;
    struct kafka_write *write = kafka_write_new(broker, stored, group);
    CLEAN(buf_deinit) struct buf key = {0}, value = {0};
    group->refs++;
    write->number = number;
    group_key_encode(group->group.id, &key);
    group_value_encode(&group->group, &value);
    if (value.err != OK)
        write->batches.err = value.err;
    else if (kafka_record_append(buf_str(&key), buf_str(&value), kafka_now_ms(broker),
                                 &write->batches) != OK)
        write->batches.err = ERR_LIMIT;
    kafka_write_part(write, group->groups->partition, false);
    kafka_write_send(write);
}

/* ---- answers ------------------------------------------------------------------------------- */

static struct str text_of(struct arena *arena, struct str s)
{
    return s.ptr ? arena_str(arena, s) : STR_NONE;
}

static void answer_joined(const struct group_action *action)
{
    struct kafka_call *call = action->token;
    struct kafka_join_group_response *response = call->response;
    struct arena *arena = &call->arena;
    response->error_code = action->error;
    response->generation_id = action->generation;
    response->protocol_type = text_of(arena, action->protocol_type);
    response->protocol_name = text_of(arena, action->protocol);
    if (!response->protocol_name.ptr && call->version < 7)
        response->protocol_name = STR("");
    response->leader = arena_str(arena, action->leader);
    response->member_id = arena_str(arena, action->member_id);
    response->skip_assignment = action->skip_assignment;
    size_t count = action->member_count;
    struct kafka_join_group_response_member *members =
        KAFKA_NEW(arena, kafka_join_group_response_member, count);
    for (size_t i = 0; i < count; i++) {
        members[i].member_id = arena_str(arena, action->members[i].id);
        members[i].group_instance_id = text_of(arena, action->members[i].instance_id);
        members[i].metadata = arena_str(arena, action->members[i].metadata);
    }
    response->members = members;
    response->members_count = (int32_t)count;
    call->gone = NULL;
    kafka_answer(call);
}

static void answer_synced(const struct group_action *action)
{
    struct kafka_call *call = action->token;
    struct kafka_sync_group_response *response = call->response;
    response->error_code = action->error;
    response->protocol_type = text_of(&call->arena, action->protocol_type);
    response->protocol_name = text_of(&call->arena, action->protocol);
    response->assignment = arena_str(&call->arena, action->assignment);
    call->gone = NULL;
    kafka_answer(call);
}

/* Nothing is left that a restart would bring back, or that somebody could ask for. */
static bool is_nothing(const struct kafka_group *group)
{
    const struct group *g = &group->group;
    return g->state == GROUP_EMPTY && g->generation == 0 && g->member_count == 0 &&
           g->pending_count == 0 && g->store_count == 0 && !group->commits;
}

void kafka_group_begin(struct kafka_group *group)
{
    group->group.wall_ms = kafka_now_ms(group->groups->broker);
}

void kafka_group_settle(struct kafka_group *group)
{
    group->refs++;
    for (const struct group_action *action; (action = group_action(&group->group));) {
        if (action->kind == GROUP_JOINED)
            answer_joined(action);
        else if (action->kind == GROUP_SYNCED)
            answer_synced(action);
        else
            store(group, action->store);
    }
    struct io_loop *loop = group->groups->broker->loop;
    int64_t due_ms = group_due_ms(&group->group);
    if (due_ms == INT64_MAX) {
        io_timer_stop(loop, &group->timer);
    } else if (due_ms != group->armed_ms) {
        int64_t left_ms = due_ms - kafka_clock_ms(group->groups->broker);
        io_timer_start(loop, &group->timer, left_ms > 0 ? left_ms * (SECOND_NS / 1000) : 0);
    }
    group->armed_ms = due_ms;
    if (group->groups->map.count > EMPTY_MAX && is_nothing(group))
        kafka_group_drop(group);
    group_unref(group);
}

/* The connection of a call that waits ended. */
static void gone(struct kafka_call *call)
{
    struct kafka_group *group = call->state;
    group_detach(&group->group, call);
    call->gone = NULL;
    kafka_answer(call);
}

/* ---- FindCoordinator ----------------------------------------------------------------------- */

enum { COORDINATOR_GROUP = 0, COORDINATOR_TXN = 1 };

void kafka_handle_find_coordinator(struct kafka_call *call)
{
    const struct kafka_find_coordinator_request *request = call->request;
    struct kafka_find_coordinator_response *response = call->response;
    bool known = request->key_type == COORDINATOR_GROUP || request->key_type == COORDINATOR_TXN;
    int16_t code = known ? KAFKA_NONE : KAFKA_INVALID_REQUEST;
    struct str message = known ? STR_NONE : STR("there is no coordinator of this type of key");
    struct str host = known ? str_of(call->endpoint->host) : STR("");
    int32_t port = known ? call->endpoint->port : -1;
    int32_t node = known ? call->broker->options.node_id : -1;
    if (call->version < 4) {
        response->error_code = code;
        response->error_message = message;
        response->node_id = node;
        response->host = host;
        response->port = port;
        kafka_answer(call);
        return;
    }
    int32_t count = request->coordinator_keys_count;
    struct kafka_find_coordinator_response_coordinator *coordinators =
        KAFKA_NEW(&call->arena, kafka_find_coordinator_response_coordinator, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        coordinators[i].key = request->coordinator_keys[i];
        coordinators[i].node_id = node;
        coordinators[i].host = host;
        coordinators[i].port = port;
        coordinators[i].error_code = code;
        coordinators[i].error_message = message;
    }
    response->coordinators = coordinators;
    response->coordinators_count = count;
    kafka_answer(call);
}

/* ---- JoinGroup ----------------------------------------------------------------------------- */

/* PREFIX-xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx */
static struct str fresh_id(struct kafka_call *call, struct str prefix)
{
    uint8_t u[16];
    char text[40];
    io_random(call->broker->io, u, sizeof u);
    u[6] = (uint8_t)((u[6] & 0x0F) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3F) | 0x80);
    snprintf(text, sizeof text,
             "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    size_t bytes = prefix.bytes + strlen(text);
    char *id = arena_alloc(&call->arena, bytes + 1);
    if (prefix.bytes > 0)
        memcpy(id, prefix.ptr, prefix.bytes);
    memcpy(id + prefix.bytes, text, strlen(text));
    return str_from(id, bytes);
}

static void join_refuse(struct kafka_call *call, int16_t code)
{
    const struct kafka_join_group_request *request = call->request;
    struct kafka_join_group_response *response = call->response;
    response->error_code = code;
    response->member_id = request->member_id;
    response->protocol_name = call->version < 7 ? STR("") : STR_NONE;
    kafka_answer(call);
}

static bool name_is_long(struct str name)
{
    return name.bytes > KAFKA_NAME_BYTES_MAX;
}

static int16_t join_check(const struct kafka_call *call,
                          const struct kafka_join_group_request *request)
{
    if (request->group_id.bytes == 0)
        return KAFKA_INVALID_GROUP_ID;
    if (request->session_timeout_ms < SESSION_MS_MIN ||
        request->session_timeout_ms > SESSION_MS_MAX)
        return KAFKA_INVALID_SESSION_TIMEOUT;
    bool too_long = name_is_long(request->group_id) || name_is_long(request->member_id) ||
                    name_is_long(request->group_instance_id) || name_is_long(call->client_id) ||
                    name_is_long(request->protocol_type);
    for (int32_t i = 0; i < request->protocols_count; i++)
        too_long = too_long || name_is_long(request->protocols[i].name);
    if (too_long || (request->group_instance_id.ptr && request->group_instance_id.bytes == 0))
        return KAFKA_INVALID_REQUEST;
    return KAFKA_NONE;
}

void kafka_handle_join_group(struct kafka_call *call)
{
    const struct kafka_join_group_request *request = call->request;
    int16_t code = join_check(call, request);
    struct kafka_group *group = kafka_group_find(call->broker, request->group_id);
    if (code == KAFKA_NONE && !group && request->member_id.bytes > 0)
        code = KAFKA_UNKNOWN_MEMBER_ID;
    if (code != KAFKA_NONE) {
        join_refuse(call, code);
        return;
    }
    if (!group)
        group = group_make(call->broker->groups, request->group_id);
    size_t count = request->protocols_count > 0 ? (size_t)request->protocols_count : 0;
    struct group_protocol *protocols = arena_array(&call->arena, count + 1, sizeof *protocols);
    for (size_t i = 0; i < count; i++)
        protocols[i] =
            (struct group_protocol){request->protocols[i].name, request->protocols[i].metadata};
    bool is_static = request->group_instance_id.ptr != NULL;
    struct group_join join = {
        .member_id = request->member_id,
        .instance_id = request->group_instance_id,
        .fresh_id = fresh_id(call, is_static ? request->group_instance_id : call->client_id),
        .client_id = call->client_id,
        .client_host = str_of(call->client_host),
        .rebalance_timeout_ms =
            call->version == 0 ? request->session_timeout_ms : request->rebalance_timeout_ms,
        .session_timeout_ms = request->session_timeout_ms,
        .protocol_type = request->protocol_type,
        .protocols = protocols,
        .protocol_count = (int32_t)count,
        .id_required = call->version >= 4,
        .skip_assignment = call->version >= 9,
        .token = call,
    };
    call->state = group;
    call->gone = gone;
    kafka_group_begin(group);
    group_join(&group->group, &join, kafka_clock_ms(call->broker));
    kafka_group_settle(group);
}

/* ---- SyncGroup, Heartbeat ------------------------------------------------------------------ */

void kafka_handle_sync_group(struct kafka_call *call)
{
    const struct kafka_sync_group_request *request = call->request;
    struct kafka_sync_group_response *response = call->response;
    struct kafka_group *group = kafka_group_find(call->broker, request->group_id);
    bool unnamed =
        call->version >= 5 && (!request->protocol_type.ptr || !request->protocol_name.ptr);
    if (!group || unnamed) {
        response->error_code = KAFKA_UNKNOWN_MEMBER_ID;
        if (unnamed)
            response->error_code = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
        else if (request->group_id.bytes == 0)
            response->error_code = KAFKA_INVALID_GROUP_ID;
        response->assignment = STR("");
        kafka_answer(call);
        return;
    }
    size_t count = request->assignments_count > 0 ? (size_t)request->assignments_count : 0;
    struct group_protocol *assignments = arena_array(&call->arena, count + 1, sizeof *assignments);
    for (size_t i = 0; i < count; i++)
        assignments[i] = (struct group_protocol){request->assignments[i].member_id,
                                                 request->assignments[i].assignment};
    struct group_sync sync = {
        .member_id = request->member_id,
        .instance_id = request->group_instance_id,
        .generation = request->generation_id,
        .protocol_type = request->protocol_type,
        .protocol = request->protocol_name,
        .assignments = assignments,
        .assignment_count = (int32_t)count,
        .token = call,
    };
    call->state = group;
    call->gone = gone;
    kafka_group_begin(group);
    group_sync(&group->group, &sync, kafka_clock_ms(call->broker));
    kafka_group_settle(group);
}

void kafka_handle_heartbeat(struct kafka_call *call)
{
    const struct kafka_heartbeat_request *request = call->request;
    struct kafka_heartbeat_response *response = call->response;
    struct kafka_group *group = kafka_group_find(call->broker, request->group_id);
    if (!group) {
        response->error_code =
            request->group_id.bytes == 0 ? KAFKA_INVALID_GROUP_ID : KAFKA_UNKNOWN_MEMBER_ID;
    } else {
        kafka_group_begin(group);
        response->error_code =
            group_heartbeat(&group->group, request->member_id, request->group_instance_id,
                            request->generation_id, kafka_clock_ms(call->broker));
        kafka_group_settle(group);
    }
    kafka_answer(call);
}

/* ---- LeaveGroup ---------------------------------------------------------------------------- */

static int16_t leave(struct kafka_call *call, struct str group_id, struct str member_id,
                     struct str instance_id)
{
    struct kafka_group *group = kafka_group_find(call->broker, group_id);
    if (!group)
        return KAFKA_UNKNOWN_MEMBER_ID;
    kafka_group_begin(group);
    int16_t code = group_leave(&group->group, member_id, instance_id, kafka_clock_ms(call->broker));
    kafka_group_settle(group);
    return code;
}

void kafka_handle_leave_group(struct kafka_call *call)
{
    const struct kafka_leave_group_request *request = call->request;
    struct kafka_leave_group_response *response = call->response;
    if (request->group_id.bytes == 0) {
        response->error_code = KAFKA_INVALID_GROUP_ID;
    } else if (call->version < 3) {
        response->error_code = leave(call, request->group_id, request->member_id, STR_NONE);
    } else {
        int32_t count = request->members_count > 0 ? request->members_count : 0;
        struct kafka_leave_group_response_member *members =
            KAFKA_NEW(&call->arena, kafka_leave_group_response_member, (size_t)count);
        for (int32_t i = 0; i < count; i++) {
            members[i].member_id = request->members[i].member_id;
            members[i].group_instance_id = request->members[i].group_instance_id;
            members[i].error_code = leave(call, request->group_id, request->members[i].member_id,
                                          request->members[i].group_instance_id);
        }
        response->members = members;
        response->members_count = count;
    }
    kafka_answer(call);
}

/* ---- life of the part ---------------------------------------------------------------------- */

static void sweep(struct io_timer *timer)
{
    struct kafka_groups *groups = timer->owner;
    kafka_offsets_expire(groups->broker);
    io_timer_start(groups->broker->loop, &groups->sweep, SWEEP_S * SECOND_NS);
}

/* The newest record of each group counts. */
static void read_record(void *owner, const struct record *record)
{
    struct kafka_groups *groups = owner;
    struct str id;
    if (!record->key.ptr || !group_key_decode(record->key, &id))
        return;
    struct kafka_group *old = map_remove(&groups->map, id);
    if (old)
        group_unref(old);
    if (!record->value.ptr)
        return;
    struct kafka_group *group = group_make(groups, id);
    enum err err = group_value_decode(record->value, &group->group, kafka_clock_ms(groups->broker));
    if (err == OK || groups->load_err != OK)
        return;
    groups->load_err = err;
    snprintf(groups->load_name, sizeof groups->load_name, "%.*s", STR_ARG(id));
}

static void add_groups_of_commits(struct kafka_groups *groups)
{
    struct arena arena;
    struct log_group_offset *offsets;
    arena_init(&arena, SIZE_MAX / 2);
    size_t count = log_offsets(groups->broker->log, STR_NONE, &arena, &offsets);
    for (size_t i = 0; i < count; i++) {
        struct kafka_group *group = map_get(&groups->map, offsets[i].group);
        if (!group)
            group = group_make(groups, offsets[i].group);
        group->commits = true;
    }
    arena_deinit(&arena);
}

enum err kafka_groups_new(struct kafka_broker *broker, struct diag *diag)
{
    struct kafka_groups *groups = mem_zero(sizeof *groups);
    groups->broker = broker;
    groups->settings.rebalance_delay_ms = broker->options.rebalance_delay_ms;
    groups->settings.new_member_ms = NEW_MEMBER_MS;
    groups->sweep = (struct io_timer){.fire = sweep, .owner = groups};
    broker->groups = groups;
    enum err err = log_offsets_partition(broker->log, &groups->partition);
    if (err != OK)
        return diag_set(diag, err, 0, 0, "the topic __consumer_offsets cannot be made: %s",
                        err_text(err));
    TRY(kafka_records_read(groups->partition, read_record, groups, diag));
    if (groups->load_err != OK)
        return diag_set(diag, groups->load_err, 0, 0,
                        "the topic __consumer_offsets has a record of the group %s that is not "
                        "understood: %s",
                        groups->load_name, err_text(groups->load_err));
    add_groups_of_commits(groups);
    size_t i = 0;
    for (struct map_entry *e; (e = map_next(&groups->map, &i));) {
        struct kafka_group *group = e->value;
        int64_t due_ms = group_due_ms(&group->group);
        int64_t left_ms = due_ms - kafka_clock_ms(broker);
        if (due_ms == INT64_MAX)
            continue;
        group->armed_ms = due_ms;
        io_timer_start(broker->loop, &group->timer, left_ms > 0 ? left_ms * (SECOND_NS / 1000) : 0);
    }
    io_timer_start(broker->loop, &groups->sweep, SWEEP_S * SECOND_NS);
    return OK;
}

void kafka_groups_free(struct kafka_broker *broker)
{
    struct kafka_groups *groups = broker->groups;
    if (!groups)
        return;
    kafka_writes_wait(broker);
    io_timer_stop(broker->loop, &groups->sweep);
    size_t i = 0;
    for (struct map_entry *e; (e = map_next(&groups->map, &i));)
        group_unref(e->value);
    map_deinit(&groups->map);
    mem_free(groups);
    broker->groups = NULL;
}

uint32_t kafka_groups_count(const struct kafka_broker *broker)
{
    return (uint32_t)broker->groups->map.count;
}
