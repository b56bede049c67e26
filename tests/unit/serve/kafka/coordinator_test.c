/* SPDX-License-Identifier: MIT */
/*
 * Groups, offsets and transactions through a broker in the simulator: every version of every
 * request, restarts, time.
 */
#include "serve/kafka/harness.h"

static struct rig rig;
static struct client *c;

static int up(void **state)
{
    rig_up(&rig, NULL);
    rig_topic(&rig, "t", 2);
    c = client_new(&rig);
    return 0;
}

static int down(void **state)
{
    client_free(c);
    rig_down(&rig);
    return 0;
}

static void restart(void)
{
    client_free(c);
    rig_restart(&rig, NULL);
    c = client_new(&rig);
}

/* Connections do not outlive a long silence. */
static void again(void)
{
    client_free(c);
    c = client_new(&rig);
}

#define NEW(name) KAFKA_NEW(&rig.arena, name, 1)

/* ---- groups -------------------------------------------------------------------------------- */

static struct kafka_join_group_request *make_join(const char *group, const char *member,
                                                  const char *instance)
{
    struct kafka_join_group_request *join = NEW(kafka_join_group_request);
    join->group_id = str_of(group);
    join->session_timeout_ms = 10000;
    join->rebalance_timeout_ms = 60000;
    join->member_id = str_of(member);
    join->group_instance_id = str_of(instance);
    join->protocol_type = STR("consumer");
    join->protocols = NEW(kafka_join_group_request_protocol);
    join->protocols[0].name = STR("range");
    join->protocols[0].metadata = str_from("\0\0\0\0\0\1\0\1t\xff\xff\xff\xff", 13);
    join->protocols_count = 1;
    return join;
}

/* The member's id, in generation 1 of a new group. */
static const char *join_alone(const char *group, const char *instance, int16_t version)
{
    struct kafka_join_group_request *join = make_join(group, "", version >= 5 ? instance : NULL);
    struct kafka_join_group_response *r = client_call(c, KAFKA_KEY_JOIN_GROUP, version, join);
    if (version >= 4 && !join->group_instance_id.ptr) {
        assert_int_equal(r->error_code, KAFKA_MEMBER_ID_REQUIRED);
        join->member_id = r->member_id;
        r = client_call(c, KAFKA_KEY_JOIN_GROUP, version, join);
    }
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->generation_id, 1);
    assert_str("range", r->protocol_name);
    assert_true(str_equal(r->leader, r->member_id));
    assert_int_equal(r->members_count, 1);
    assert_int_equal(r->members[0].metadata.bytes, 13);
    return arena_text(&rig.arena, r->member_id);
}

static void sync_alone(const char *group, const char *member, const char *instance, int16_t version)
{
    struct kafka_sync_group_request *sync = NEW(kafka_sync_group_request);
    sync->group_id = str_of(group);
    sync->generation_id = 1;
    sync->member_id = str_of(member);
    sync->group_instance_id = str_of(version >= 3 ? instance : NULL);
    sync->assignments = NEW(kafka_sync_group_request_assignment);
    sync->assignments[0].member_id = str_of(member);
    sync->assignments[0].assignment = STR("plan");
    sync->assignments_count = 1;
    if (version >= 5) {
        sync->protocol_type = STR("consumer");
        sync->protocol_name = STR("range");
    }
    struct kafka_sync_group_response *r = client_call(c, KAFKA_KEY_SYNC_GROUP, version, sync);
    assert_int_equal(r->error_code, 0);
    assert_str("plan", r->assignment);
    if (version >= 5)
        assert_str("range", r->protocol_name);
}

static int16_t beat(const char *group, const char *member, const char *instance, int16_t version)
{
    struct kafka_heartbeat_request *beat = NEW(kafka_heartbeat_request);
    beat->group_id = str_of(group);
    beat->generation_id = 1;
    beat->member_id = str_of(member);
    beat->group_instance_id = str_of(version >= 3 ? instance : NULL);
    struct kafka_heartbeat_response *r = client_call(c, KAFKA_KEY_HEARTBEAT, version, beat);
    return r->error_code;
}

static int16_t leave(const char *group, const char *member, int16_t version)
{
    struct kafka_leave_group_request *leave = NEW(kafka_leave_group_request);
    leave->group_id = str_of(group);
    if (version < 3) {
        leave->member_id = str_of(member);
    } else {
        leave->members = NEW(kafka_leave_group_request_member);
        leave->members[0].member_id = str_of(member);
        leave->members_count = 1;
    }
    struct kafka_leave_group_response *r = client_call(c, KAFKA_KEY_LEAVE_GROUP, version, leave);
    return version < 3 || r->error_code ? r->error_code : r->members[0].error_code;
}

static const char *state_of(const char *group, int16_t version, struct str *ret_assignment)
{
    struct kafka_describe_groups_request *describe = NEW(kafka_describe_groups_request);
    struct str id = str_of(group);
    describe->groups = &id;
    describe->groups_count = 1;
    struct kafka_describe_groups_response *r =
        client_call(c, KAFKA_KEY_DESCRIBE_GROUPS, version, describe);
    assert_int_equal(r->groups_count, 1);
    if (ret_assignment)
        *ret_assignment =
            r->groups[0].members_count ? r->groups[0].members[0].member_assignment : STR_NONE;
    if (r->groups[0].error_code)
        return kafka_error_name(r->groups[0].error_code);
    return arena_text(&rig.arena, r->groups[0].group_state);
}

static void commit(const char *group, const char *member, int32_t generation, int16_t version,
                   int64_t offset, int16_t want)
{
    struct kafka_offset_commit_request *commit = NEW(kafka_offset_commit_request);
    struct kafka_offset_commit_request_topic *topic = NEW(kafka_offset_commit_request_topic);
    struct kafka_offset_commit_request_partition *p = NEW(kafka_offset_commit_request_partition);
    commit->group_id = str_of(group);
    commit->member_id = str_of(member);
    commit->generation_id_or_member_epoch = generation;
    commit->topics = topic;
    commit->topics_count = 1;
    if (version < 10)
        topic->name = STR("t");
    else
        memcpy(topic->topic_id, log_topic_id(log_topic_find(rig.log, STR("t"))), 16);
    topic->partitions = p;
    topic->partitions_count = 1;
    p->partition_index = 1;
    p->committed_offset = offset;
    p->committed_leader_epoch = version >= 6 ? 3 : -1;
    p->committed_metadata = STR("meta");
    struct kafka_offset_commit_response *r =
        client_call(c, KAFKA_KEY_OFFSET_COMMIT, version, commit);
    assert_int_equal(r->topics_count, 1);
    assert_int_equal(r->topics[0].partitions[0].error_code, want);
    assert_int_equal(r->topics[0].partitions[0].partition_index, 1);
}

/* The answer to a fetch of t/1 (or of all), in the form of the newest version. */
static struct kafka_offset_fetch_response_group_topic_partition
fetched(const char *group, int16_t version, bool all, bool stable)
{
    struct kafka_offset_fetch_request *fetch = NEW(kafka_offset_fetch_request);
    struct kafka_offset_fetch_response_group_topic_partition out = {.committed_offset = -2};
    int32_t index = 1;
    fetch->require_stable = stable;
    if (version < 8) {
        fetch->group_id = str_of(group);
        fetch->topics = NEW(kafka_offset_fetch_request_topic);
        fetch->topics_count = all ? -1 : 1;
        fetch->topics[0].name = STR("t");
        fetch->topics[0].partition_indexes = &index;
        fetch->topics[0].partition_indexes_count = 1;
        struct kafka_offset_fetch_response *r =
            client_call(c, KAFKA_KEY_OFFSET_FETCH, version, fetch);
        if (r->topics_count == 0)
            return out;
        assert_str("t", r->topics[0].name);
        assert_int_equal(r->topics[0].partitions_count, 1);
        out.partition_index = r->topics[0].partitions[0].partition_index;
        out.committed_offset = r->topics[0].partitions[0].committed_offset;
        out.committed_leader_epoch = r->topics[0].partitions[0].committed_leader_epoch;
        out.metadata = r->topics[0].partitions[0].metadata;
        out.error_code = r->topics[0].partitions[0].error_code;
        return out;
    }
    fetch->groups = NEW(kafka_offset_fetch_request_group);
    fetch->groups_count = 1;
    fetch->groups[0].group_id = str_of(group);
    fetch->groups[0].topics = NEW(kafka_offset_fetch_request_group_topic);
    fetch->groups[0].topics_count = all ? -1 : 1;
    if (version < 10)
        fetch->groups[0].topics[0].name = STR("t");
    else
        memcpy(fetch->groups[0].topics[0].topic_id, log_topic_id(log_topic_find(rig.log, STR("t"))),
               16);
    fetch->groups[0].topics[0].partition_indexes = &index;
    fetch->groups[0].topics[0].partition_indexes_count = 1;
    struct kafka_offset_fetch_response *r = client_call(c, KAFKA_KEY_OFFSET_FETCH, version, fetch);
    assert_int_equal(r->groups_count, 1);
    assert_int_equal(r->groups[0].error_code, 0);
    return r->groups[0].topics_count ? r->groups[0].topics[0].partitions[0] : out;
}

static void coordinator_is_here(void **state)
{
    struct kafka_find_coordinator_request *find = NEW(kafka_find_coordinator_request);
    struct str keys[2] = {STR("g"), STR("h")};
    for (int16_t version = 0; version <= 6; version++) {
        for (int8_t type = 0; type <= (version ? 2 : 0); type++) {
            *find = *NEW(kafka_find_coordinator_request);
            find->key_type = type;
            if (version < 4) {
                find->key = STR("g");
            } else {
                find->coordinator_keys = keys;
                find->coordinator_keys_count = 2;
            }
            struct kafka_find_coordinator_response *r =
                client_call(c, KAFKA_KEY_FIND_COORDINATOR, version, find);
            int16_t code = version < 4 ? r->error_code : r->coordinators[1].error_code;
            int32_t port = version < 4 ? r->port : r->coordinators[1].port;
            assert_int_equal(code, type == 2 ? KAFKA_INVALID_REQUEST : KAFKA_NONE);
            assert_int_equal(port, type == 2 ? -1 : rig.port);
        }
    }
}

static void groups_in_all_versions(void **state)
{
    for (int16_t v = 0; v <= 9; v++) {
        char *group = arena_printf(&rig.arena, "versions%d", v);
        const char *instance = v == 6 ? "i6" : NULL;
        const char *member = join_alone(group, instance, v);
        int16_t small = v > 5 ? 5 : v;
        sync_alone(group, member, instance, v > 5 ? 5 : v);
        assert_int_equal(beat(group, member, instance, v > 4 ? 4 : v), KAFKA_NONE);
        commit(group, member, 1, (int16_t)(v < 2 ? 2 : v + 1), 40 + v, KAFKA_NONE);
        commit(group, member, 2, 9, 1, KAFKA_ILLEGAL_GENERATION);
        commit(group, "", -1, 9, 1, KAFKA_UNKNOWN_MEMBER_ID);
        assert_int_equal(fetched(group, (int16_t)(v + 1), false, false).committed_offset, 40 + v);
        struct str assignment;
        assert_string_equal(state_of(group, v > 6 ? 6 : v, &assignment), "Stable");
        assert_str("plan", assignment);
        assert_int_equal(leave(group, "nobody", small), KAFKA_UNKNOWN_MEMBER_ID);
        assert_int_equal(leave(group, member, small), KAFKA_NONE);
        assert_string_equal(state_of(group, v > 6 ? 6 : v, NULL), "Empty");
        commit(group, "", -1, 9, 99, KAFKA_NONE);
    }
    assert_string_equal(state_of("none", 5, NULL), "Dead");
    assert_string_equal(state_of("none", 6, NULL), "GROUP_ID_NOT_FOUND");
}

static void joins_are_checked(void **state)
{
    struct kafka_join_group_request *join = make_join("", "", NULL);
    struct kafka_join_group_response *r = client_call(c, KAFKA_KEY_JOIN_GROUP, 3, join);
    assert_int_equal(r->error_code, KAFKA_INVALID_GROUP_ID);
    join = make_join("g", "", NULL);
    join->session_timeout_ms = 5999;
    r = client_call(c, KAFKA_KEY_JOIN_GROUP, 9, join);
    assert_int_equal(r->error_code, KAFKA_INVALID_SESSION_TIMEOUT);
    join->session_timeout_ms = 1800001;
    r = client_call(c, KAFKA_KEY_JOIN_GROUP, 0, join);
    assert_int_equal(r->error_code, KAFKA_INVALID_SESSION_TIMEOUT);
    r = client_call(c, KAFKA_KEY_JOIN_GROUP, 9, make_join("g", "who", NULL));
    assert_int_equal(r->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    join = make_join("g", "", NULL);
    join->protocols_count = 0;
    r = client_call(c, KAFKA_KEY_JOIN_GROUP, 9, join);
    assert_int_equal(r->error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(beat("g", "who", NULL, 4), KAFKA_UNKNOWN_MEMBER_ID);
    assert_string_equal(state_of("g", 5, NULL), "Empty"); /* until the next sweep */
}

static void a_restart_is_not_noticed(void **state)
{
    const char *member = join_alone("lasting", "i", 9);
    sync_alone("lasting", member, "i", 5);
    commit("lasting", "", -1, 9, 5, KAFKA_UNKNOWN_MEMBER_ID);
    rig_pass(&rig, 9000);
    restart();
    rig_pass(&rig, 9000); /* the session began anew */
    assert_int_equal(beat("lasting", member, "i", 4), KAFKA_NONE);
    struct str assignment;
    assert_string_equal(state_of("lasting", 6, &assignment), "Stable");
    assert_str("plan", assignment);
    rig_pass(&rig, 10001);
    rig_pass(&rig, 1);
    assert_string_equal(state_of("lasting", 6, NULL), "Empty");
    restart();
    assert_string_equal(state_of("lasting", 6, NULL), "Empty");
    assert_int_equal(beat("lasting", member, "i", 4), KAFKA_UNKNOWN_MEMBER_ID);
}

static void who_goes_while_it_waits(void **state)
{
    /* One waits in the first rebalance's delay, and its connection ends. */
    struct kafka_broker_options options = {.rebalance_delay_ms = 3000};
    client_free(c);
    rig_restart(&rig, &options);
    c = client_new(&rig);
    struct client *other = client_new(&rig);
    client_send(other, KAFKA_KEY_JOIN_GROUP, 0, make_join("g", "", NULL));
    rig_pass(&rig, 1000);
    client_free(other);
    client_send(c, KAFKA_KEY_JOIN_GROUP, 0, make_join("g", "", NULL));
    struct kafka_join_group_response *r = client_receive(c, 20000);
    assert_non_null(r);
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->generation_id, 1);
    /* And one whose connection ends together with the broker. */
    client_send(c, KAFKA_KEY_JOIN_GROUP, 0, make_join("h", "", NULL));
    rig_turns(&rig, 5);
    restart();
}

/* ---- offsets ------------------------------------------------------------------------------- */

static void offsets_in_all_versions(void **state)
{
    for (int16_t v = 2; v <= 10; v++) {
        char *group = arena_printf(&rig.arena, "simple%d", v);
        commit(group, "", -1, v, 10 + v, KAFKA_NONE);
        for (int16_t f = 1; f <= 10; f++) {
            for (int all = 0; all <= (f >= 2); all++) {
                struct kafka_offset_fetch_response_group_topic_partition p =
                    fetched(group, f, all, f >= 7);
                assert_int_equal(p.error_code, 0);
                assert_int_equal(p.committed_offset, 10 + v);
                assert_int_equal(p.partition_index, 1);
                assert_int_equal(p.committed_leader_epoch, v >= 6 && f >= 5 ? 3 : -1);
                assert_str("meta", p.metadata);
            }
        }
    }
    struct kafka_offset_fetch_response_group_topic_partition none =
        fetched("unheard", 8, false, false);
    assert_int_equal(none.committed_offset, -1);
    assert_int_equal(none.error_code, 0);
    assert_int_equal(fetched("unheard", 8, true, false).committed_offset, -2);
    commit("simple2", "", 3, 9, 1, KAFKA_UNKNOWN_MEMBER_ID);
    commit("unheard", "", 3, 9, 1, KAFKA_ILLEGAL_GENERATION);
}

static void commits_are_checked(void **state)
{
    struct kafka_offset_commit_request *commit = NEW(kafka_offset_commit_request);
    struct kafka_offset_commit_request_topic *topics =
        KAFKA_NEW(&rig.arena, kafka_offset_commit_request_topic, 2);
    struct kafka_offset_commit_request_partition *p =
        KAFKA_NEW(&rig.arena, kafka_offset_commit_request_partition, 3);
    char *longest = arena_zero(&rig.arena, 5000);
    memset(longest, 'x', 5000);
    commit->group_id = STR("checked");
    commit->generation_id_or_member_epoch = -1;
    commit->topics = topics;
    commit->topics_count = 2;
    topics[0].name = STR("t");
    topics[0].partitions = p;
    topics[0].partitions_count = 3;
    p[0].committed_metadata = str_from(longest, 4097);
    p[1].partition_index = 1;
    p[1].committed_metadata = str_from(longest, 4096);
    p[2].partition_index = 2;
    topics[1].name = STR("none");
    topics[1].partitions = p;
    topics[1].partitions_count = 1;
    struct kafka_offset_commit_response *r = client_call(c, KAFKA_KEY_OFFSET_COMMIT, 9, commit);
    assert_int_equal(r->topics[0].partitions[0].error_code, KAFKA_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(r->topics[0].partitions[1].error_code, KAFKA_NONE);
    assert_int_equal(r->topics[0].partitions[2].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(r->topics[1].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetched("checked", 9, false, false).metadata.bytes, 4096);
    /* The group's word comes before that about a partition's metadata, behind what is not there. */
    commit->generation_id_or_member_epoch = 7;
    r = client_call(c, KAFKA_KEY_OFFSET_COMMIT, 9, commit);
    assert_int_equal(r->topics[0].partitions[0].error_code, KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(r->topics[0].partitions[2].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    commit->generation_id_or_member_epoch = -1;
    commit->group_id = STR("not made");
    topics[0].partitions = &p[2];
    topics[0].partitions_count = 1;
    topics[1].partitions = &p[2];
    client_call(c, KAFKA_KEY_OFFSET_COMMIT, 9, commit);
    assert_string_equal(state_of("not made", 5, NULL), "Dead");
    commit->group_id = STR("checked");
    topics[0].partitions = p;
    topics[0].partitions_count = 3;
    memset(topics[0].topic_id, 7, 16);
    r = client_call(c, KAFKA_KEY_OFFSET_COMMIT, 10, commit);
    assert_int_equal(r->topics[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
}

static int16_t delete_offset(const char *group, const char *topic, int16_t *ret_partition)
{
    struct kafka_offset_delete_request *request = NEW(kafka_offset_delete_request);
    request->group_id = str_of(group);
    request->topics = NEW(kafka_offset_delete_request_topic);
    request->topics_count = 1;
    request->topics[0].name = str_of(topic);
    request->topics[0].partitions = NEW(kafka_offset_delete_request_partition);
    request->topics[0].partitions_count = 1;
    request->topics[0].partitions[0].partition_index = 1;
    struct kafka_offset_delete_response *r = client_call(c, KAFKA_KEY_OFFSET_DELETE, 0, request);
    *ret_partition = r->topics_count ? r->topics[0].partitions[0].error_code : -99;
    return r->error_code;
}

static void offsets_are_deleted(void **state)
{
    int16_t partition;
    assert_int_equal(delete_offset("del", "t", &partition), KAFKA_GROUP_ID_NOT_FOUND);
    const char *member = join_alone("del", NULL, 3);
    sync_alone("del", member, NULL, 3);
    commit("del", member, 1, 9, 4, KAFKA_NONE);
    assert_int_equal(delete_offset("del", "t", &partition), KAFKA_NONE);
    assert_int_equal(partition, KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(leave("del", member, 3), KAFKA_NONE);
    assert_int_equal(delete_offset("del", "t", &partition), KAFKA_NONE);
    assert_int_equal(partition, KAFKA_NONE);
    assert_int_equal(fetched("del", 8, false, false).committed_offset, -1);
}

static int16_t delete_group(const char *group, int16_t version)
{
    struct kafka_delete_groups_request *request = NEW(kafka_delete_groups_request);
    struct str id = str_of(group);
    request->groups_names = &id;
    request->groups_names_count = 1;
    struct kafka_delete_groups_response *r =
        client_call(c, KAFKA_KEY_DELETE_GROUPS, version, request);
    return r->results[0].error_code;
}

static void groups_are_deleted(void **state)
{
    const char *member = join_alone("gone", NULL, 3);
    sync_alone("gone", member, NULL, 3);
    commit("gone", member, 1, 9, 4, KAFKA_NONE);
    assert_int_equal(delete_group("gone", 2), KAFKA_NON_EMPTY_GROUP);
    leave("gone", member, 3);
    for (int16_t v = 0; v <= 3; v++)
        assert_int_equal(delete_group("gone", v), v ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_NONE);
    assert_int_equal(fetched("gone", 8, false, false).committed_offset, -1);
    restart();
    assert_string_equal(state_of("gone", 5, NULL), "Dead");
    assert_int_equal(fetched("gone", 8, true, false).committed_offset, -2);
}

static int32_t count_groups(const char *state, const char *type)
{
    struct kafka_list_groups_request *list = NEW(kafka_list_groups_request);
    struct str states = str_of(state), types = str_of(type);
    list->states_filter = &states;
    list->states_filter_count = state ? 1 : 0;
    list->types_filter = &types;
    list->types_filter_count = type ? 1 : 0;
    struct kafka_list_groups_response *r = client_call(c, KAFKA_KEY_LIST_GROUPS, 5, list);
    return r->groups_count;
}

static void groups_are_listed(void **state)
{
    join_alone("one", NULL, 3);
    commit("two", "", -1, 9, 4, KAFKA_NONE);
    for (int16_t v = 0; v <= 5; v++) {
        struct kafka_list_groups_response *r =
            client_call(c, KAFKA_KEY_LIST_GROUPS, v, NEW(kafka_list_groups_request));
        assert_int_equal(r->groups_count, 2);
    }
    assert_int_equal(count_groups("Empty", NULL), 1);
    assert_int_equal(count_groups("completingrebalance", "classic"), 1);
    assert_int_equal(count_groups("Stable", NULL), 0);
    assert_int_equal(count_groups(NULL, "consumer"), 0);
}

static void commits_expire(void **state)
{
    static const int64_t DAY_MS = 24 * 3600 * 1000;
    const char *member = join_alone("members", NULL, 3);
    sync_alone("members", member, NULL, 3);
    commit("members", member, 1, 9, 4, KAFKA_NONE);
    commit("simple", "", -1, 9, 4, KAFKA_NONE);
    rig_pass(&rig, 4 * DAY_MS); /* the session ends soon after the commit */
    again();
    commit("fresh", "", -1, 9, 4, KAFKA_NONE);
    rig_pass(&rig, 3 * DAY_MS + 3600 * 1000);
    again();
    assert_int_equal(fetched("simple", 8, false, false).committed_offset, -1);
    assert_int_equal(fetched("members", 8, false, false).committed_offset, -1);
    assert_int_equal(fetched("fresh", 8, false, false).committed_offset, 4);
    assert_string_equal(state_of("members", 5, NULL), "Dead");
    restart();
    assert_string_equal(state_of("members", 5, NULL), "Dead");
    assert_string_equal(state_of("fresh", 5, NULL), "Empty");
}

/* ---- transactions -------------------------------------------------------------------------- */

struct session {
    const char *id;
    int64_t pid;
    int16_t epoch;
    int32_t sequence;
};

static int16_t init_pid(struct session *s, int16_t version, bool resume)
{
    struct kafka_init_producer_id_request *request = NEW(kafka_init_producer_id_request);
    request->transactional_id = str_of(s->id);
    request->transaction_timeout_ms = 60000;
    if (resume) {
        request->producer_id = s->pid;
        request->producer_epoch = s->epoch;
    }
    struct kafka_init_producer_id_response *r =
        client_call(c, KAFKA_KEY_INIT_PRODUCER_ID, version, request);
    if (r->error_code == KAFKA_NONE) {
        s->pid = r->producer_id;
        s->epoch = r->producer_epoch;
        s->sequence = 0;
    }
    return r->error_code;
}

static int16_t add(const struct session *s, int16_t version)
{
    struct kafka_add_partitions_to_txn_request *request = NEW(kafka_add_partitions_to_txn_request);
    static int32_t index;
    request->v3_and_below_transactional_id = str_of(s->id);
    request->v3_and_below_producer_id = s->pid;
    request->v3_and_below_producer_epoch = s->epoch;
    request->v3_and_below_topics = NEW(kafka_add_partitions_to_txn_request_topic);
    request->v3_and_below_topics_count = 1;
    request->v3_and_below_topics[0].name = STR("t");
    request->v3_and_below_topics[0].partitions = &index;
    request->v3_and_below_topics[0].partitions_count = 1;
    struct kafka_add_partitions_to_txn_response *r =
        client_call(c, KAFKA_KEY_ADD_PARTITIONS_TO_TXN, version, request);
    return r->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
}

static int16_t end(const struct session *s, bool commit, int16_t version)
{
    struct kafka_end_txn_request *request = NEW(kafka_end_txn_request);
    request->transactional_id = str_of(s->id);
    request->producer_id = s->pid;
    request->producer_epoch = s->epoch;
    request->committed = commit;
    struct kafka_end_txn_response *r = client_call(c, KAFKA_KEY_END_TXN, version, request);
    return r->error_code;
}

static int16_t produce(struct session *s, int count)
{
    struct record_batch_builder builder;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    builder.producer_id = s->pid;
    builder.producer_epoch = s->epoch;
    builder.base_sequence = s->sequence;
    builder.attributes = BATCH_TRANSACTIONAL;
    for (int i = 0; i < count; i++)
        record_batch_builder_add(&builder, 1000, STR_NONE, STR("v"), NULL, 0);
    struct kafka_produce_request *request =
        make_produce(&rig, "t", 0, rig_batch_of(&rig, &builder));
    request->transactional_id = str_of(s->id);
    struct kafka_produce_response *r = client_call(c, KAFKA_KEY_PRODUCE, 9, request);
    int16_t code = r->responses[0].partition_responses[0].error_code;
    if (code == KAFKA_NONE)
        s->sequence += count;
    return code;
}

static int64_t stable_end(void)
{
    struct log_topic *topic = log_topic_find(rig.log, STR("t"));
    return log_partition_stable_end(log_topic_partition(topic, 0));
}

static int64_t high_end(void)
{
    struct log_topic *topic = log_topic_find(rig.log, STR("t"));
    return log_partition_end(log_topic_partition(topic, 0));
}

static void plain_producers_get_ids(void **state)
{
    int64_t last = -1;
    for (int i = 0; i < 2100; i++) {
        struct session s = {.id = NULL};
        assert_int_equal(init_pid(&s, (int16_t)(i % 6), false), KAFKA_NONE);
        assert_true(s.pid > last);
        assert_int_equal(s.epoch, 0);
        last = s.pid;
    }
    restart();
    struct session s = {.id = NULL};
    assert_int_equal(init_pid(&s, 4, false), KAFKA_NONE);
    assert_true(s.pid > last);
}

static void a_transaction(void **state)
{
    struct session s = {.id = "tx"};
    for (int16_t v = 0; v <= 5; v++) {
        assert_int_equal(init_pid(&s, v, false), KAFKA_NONE);
        assert_int_equal(s.epoch, v);
        assert_int_equal(end(&s, true, 0), KAFKA_INVALID_TXN_STATE);
        assert_int_equal(produce(&s, 1), KAFKA_INVALID_TXN_STATE); /* nothing was added */
        assert_int_equal(add(&s, v > 3 ? 3 : v), KAFKA_NONE);
        int64_t before = high_end();
        assert_int_equal(produce(&s, 3), KAFKA_NONE);
        assert_int_equal(stable_end(), before);
        assert_int_equal(end(&s, v % 2, v > 4 ? 4 : v), KAFKA_NONE);
        assert_int_equal(stable_end(), before + 4); /* the marker too */
        assert_int_equal(high_end(), before + 4);
        assert_int_equal(end(&s, v % 2, v > 4 ? 4 : v), KAFKA_NONE); /* said twice */
        assert_int_equal(end(&s, !(v % 2), v > 4 ? 4 : v), KAFKA_INVALID_TXN_STATE);
        /* The next one may begin at once. */
        assert_int_equal(add(&s, 3), KAFKA_NONE);
        assert_int_equal(end(&s, true, 3), KAFKA_NONE);
    }
    struct log_aborted *aborted;
    struct log_partition *partition = log_topic_partition(log_topic_find(rig.log, STR("t")), 0);
    assert_int_equal(log_aborted(partition, 0, high_end(), &rig.arena, &aborted), 3);
}

/* A transactional batch that is refused holds up those behind it, where the producer is new. */
static void a_refused_batch_is_waited_for(void **state)
{
    struct session s = {.id = "waits"};
    assert_int_equal(init_pid(&s, 4, false), KAFKA_NONE);
    assert_int_equal(produce(&s, 1), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(add(&s, 1), KAFKA_NONE);
    s.sequence = 1;
    assert_int_equal(produce(&s, 1), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    s.sequence = 0;
    assert_int_equal(produce(&s, 1), KAFKA_NONE);
    assert_int_equal(produce(&s, 1), KAFKA_NONE);
    assert_int_equal(end(&s, true, 1), KAFKA_NONE);
}

static void errors_by_version(void **state)
{
    struct session s = {.id = "tx"}, old;
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    old = s;
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    assert_int_equal(add(&old, 1), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(add(&old, 2), KAFKA_PRODUCER_FENCED);
    assert_int_equal(end(&old, true, 1), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end(&old, true, 2), KAFKA_PRODUCER_FENCED);
    assert_int_equal(init_pid(&old, 3, true), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(init_pid(&old, 4, true), KAFKA_PRODUCER_FENCED);
    struct session none = {.id = "none", .pid = 5, .epoch = 0};
    assert_int_equal(add(&none, 3), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(end(&none, true, 3), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    none.id = "";
    assert_int_equal(add(&none, 3), KAFKA_INVALID_REQUEST);
    assert_int_equal(end(&none, true, 3), KAFKA_INVALID_REQUEST);
    assert_int_equal(init_pid(&none, 3, false), KAFKA_INVALID_REQUEST);
    struct kafka_init_producer_id_request *request = NEW(kafka_init_producer_id_request);
    request->transactional_id = STR("long");
    request->transaction_timeout_ms = 3600 * 1000 + 1;
    struct kafka_init_producer_id_response *r =
        client_call(c, KAFKA_KEY_INIT_PRODUCER_ID, 4, request);
    assert_int_equal(r->error_code, KAFKA_INVALID_TRANSACTION_TIMEOUT);
}

static void an_open_transaction_is_fenced(void **state)
{
    struct session s = {.id = "tx"}, old;
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    assert_int_equal(add(&s, 3), KAFKA_NONE);
    assert_int_equal(produce(&s, 2), KAFKA_NONE);
    old = s;
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE); /* aborts, and goes on */
    assert_int_equal(s.epoch, old.epoch + 2);
    assert_int_equal(stable_end(), high_end());
    assert_int_equal(produce(&old, 1), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end(&old, true, 3), KAFKA_PRODUCER_FENCED);
    assert_int_equal(add(&s, 3), KAFKA_NONE);
    assert_int_equal(produce(&s, 2), KAFKA_NONE);
    assert_int_equal(end(&s, true, 3), KAFKA_NONE);
}

static void a_restart_keeps_transactions(void **state)
{
    struct session s = {.id = "tx"};
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    assert_int_equal(add(&s, 3), KAFKA_NONE);
    assert_int_equal(produce(&s, 2), KAFKA_NONE);
    restart();
    assert_int_equal(stable_end(), 0);
    assert_int_equal(produce(&s, 1), KAFKA_NONE);
    assert_int_equal(end(&s, true, 3), KAFKA_NONE);
    assert_int_equal(stable_end(), 4);
    restart();
    assert_int_equal(end(&s, true, 3), KAFKA_NONE);
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    assert_int_equal(s.epoch, 1);
}

static void a_transaction_times_out(void **state)
{
    struct session s = {.id = "tx"};
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    assert_int_equal(add(&s, 3), KAFKA_NONE);
    assert_int_equal(produce(&s, 2), KAFKA_NONE);
    rig_pass(&rig, 50000);
    restart();
    assert_int_equal(stable_end(), 0);
    rig_pass(&rig, 21000);
    assert_int_equal(stable_end(), 3);
    assert_int_equal(end(&s, true, 3), KAFKA_PRODUCER_FENCED);
    struct kafka_broker_status status;
    kafka_broker_status(rig.broker, &status);
    assert_int_equal(status.transactions_open, 0);
}

/* A transaction in a partition that no coordinator knows of. */
static void orphans_are_aborted(void **state)
{
    struct record_batch_builder builder;
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    builder.producer_id = 4711;
    builder.producer_epoch = 3;
    builder.base_sequence = 0;
    builder.attributes = BATCH_TRANSACTIONAL;
    record_batch_builder_add(&builder, 1000, STR_NONE, STR("v"), NULL, 0);
    rig_append(&rig, "t", 0, rig_batch_of(&rig, &builder));
    assert_int_equal(stable_end(), 0);
    restart();
    rig_pass(&rig, 100);
    assert_int_equal(stable_end(), 2);
}

static int16_t commit_in_txn(const struct session *s, const char *group, int16_t version,
                             int64_t offset)
{
    struct kafka_txn_offset_commit_request *request = NEW(kafka_txn_offset_commit_request);
    request->transactional_id = str_of(s->id);
    request->group_id = str_of(group);
    request->producer_id = s->pid;
    request->producer_epoch = s->epoch;
    request->topics = NEW(kafka_txn_offset_commit_request_topic);
    request->topics_count = 1;
    request->topics[0].name = STR("t");
    request->topics[0].partitions = NEW(kafka_txn_offset_commit_request_partition);
    request->topics[0].partitions_count = 1;
    request->topics[0].partitions[0].partition_index = 1;
    request->topics[0].partitions[0].committed_offset = offset;
    struct kafka_txn_offset_commit_response *r =
        client_call(c, KAFKA_KEY_TXN_OFFSET_COMMIT, version, request);
    return r->topics[0].partitions[0].error_code;
}

static int16_t add_offsets(const struct session *s, const char *group, int16_t version)
{
    struct kafka_add_offsets_to_txn_request *request = NEW(kafka_add_offsets_to_txn_request);
    request->transactional_id = str_of(s->id);
    request->producer_id = s->pid;
    request->producer_epoch = s->epoch;
    request->group_id = str_of(group);
    struct kafka_add_offsets_to_txn_response *r =
        client_call(c, KAFKA_KEY_ADD_OFFSETS_TO_TXN, version, request);
    return r->error_code;
}

static void offsets_in_transactions(void **state)
{
    struct session s = {.id = "tx"};
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    for (int16_t v = 0; v <= 4; v++) {
        bool commit = v % 2 == 0;
        int64_t before = fetched("etl", 8, false, false).committed_offset;
        assert_int_equal(commit_in_txn(&s, "etl", v, 9), KAFKA_INVALID_TXN_STATE);
        assert_int_equal(add_offsets(&s, "etl", v), KAFKA_NONE);
        assert_int_equal(commit_in_txn(&s, "etl", v, 100 + v), KAFKA_NONE);
        assert_int_equal(fetched("etl", 8, false, false).committed_offset, before);
        assert_int_equal(fetched("etl", 8, false, true).error_code, KAFKA_UNSTABLE_OFFSET_COMMIT);
        if (v == 2)
            restart();
        assert_int_equal(fetched("etl", 8, false, true).error_code, KAFKA_UNSTABLE_OFFSET_COMMIT);
        assert_int_equal(end(&s, commit, 3), KAFKA_NONE);
        assert_int_equal(fetched("etl", 8, false, true).committed_offset,
                         commit ? 100 + v : before);
    }
    assert_int_equal(commit_in_txn(&(struct session){.id = "none"}, "etl", 3, 1),
                     KAFKA_INVALID_PRODUCER_ID_MAPPING);
}

/* Deleting is not held up by what an open transaction has committed, and takes that along. */
static void deletions_reach_into_transactions(void **state)
{
    struct session s = {.id = "tx"};
    int16_t partition;
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    for (int i = 0; i < 6; i++) {
        commit("etl", "", -1, 9, 5, KAFKA_NONE);
        assert_int_equal(add_offsets(&s, "etl", 3), KAFKA_NONE);
        assert_int_equal(commit_in_txn(&s, "etl", 3, 100), KAFKA_NONE);
        if (i % 3 == 0)
            assert_int_equal(delete_group("etl", 2), KAFKA_NONE);
        else if (i % 3 == 1)
            assert_int_equal(delete_offset("etl", "t", &partition), KAFKA_NONE);
        if (i > 2)
            restart();
        assert_int_equal(fetched("etl", 8, false, true).error_code,
                         i % 3 == 2 ? KAFKA_UNSTABLE_OFFSET_COMMIT : KAFKA_NONE);
        assert_int_equal(fetched("etl", 8, false, false).committed_offset, i % 3 == 2 ? 5 : -1);
        assert_int_equal(end(&s, true, 3), KAFKA_NONE);
        assert_int_equal(fetched("etl", 8, false, true).committed_offset, i % 3 == 2 ? 100 : -1);
    }
    /* One that has nothing but such commits is there, and goes too. */
    assert_int_equal(add_offsets(&s, "new", 3), KAFKA_NONE);
    assert_int_equal(commit_in_txn(&s, "new", 3, 7), KAFKA_NONE);
    assert_int_equal(delete_group("new", 2), KAFKA_NONE);
    assert_int_equal(end(&s, true, 3), KAFKA_NONE);
    assert_int_equal(fetched("new", 8, false, true).committed_offset, -1);
}

static void transactions_are_described(void **state)
{
    struct session s = {.id = "tx"}, other = {.id = "idle"};
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    assert_int_equal(init_pid(&other, 5, false), KAFKA_NONE);
    assert_int_equal(add(&s, 3), KAFKA_NONE);
    assert_int_equal(produce(&s, 1), KAFKA_NONE);
    struct kafka_describe_transactions_request *describe = NEW(kafka_describe_transactions_request);
    struct str ids[2] = {STR("tx"), STR("none")};
    describe->transactional_ids = ids;
    describe->transactional_ids_count = 2;
    struct kafka_describe_transactions_response *d =
        client_call(c, KAFKA_KEY_DESCRIBE_TRANSACTIONS, 0, describe);
    assert_str("Ongoing", d->transaction_states[0].transaction_state);
    assert_int_equal(d->transaction_states[0].topics_count, 1);
    assert_str("t", d->transaction_states[0].topics[0].topic);
    assert_int_equal(d->transaction_states[1].error_code, KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
    struct kafka_list_transactions_request *list = NEW(kafka_list_transactions_request);
    struct kafka_list_transactions_response *l =
        client_call(c, KAFKA_KEY_LIST_TRANSACTIONS, 0, list);
    assert_int_equal(l->transaction_states_count, 2);
    struct str states[2] = {STR("Ongoing"), STR("Odd")};
    list->state_filters = states;
    list->state_filters_count = 2;
    l = client_call(c, KAFKA_KEY_LIST_TRANSACTIONS, 1, list);
    assert_int_equal(l->transaction_states_count, 1);
    assert_int_equal(l->transaction_states[0].producer_id, s.pid);
    assert_str("Odd", l->unknown_state_filters[0]);
    rig_pass(&rig, 2000);
    list->duration_filter = 3000;
    l = client_call(c, KAFKA_KEY_LIST_TRANSACTIONS, 1, list);
    assert_int_equal(l->transaction_states_count, 0);
}

static void markers_by_hand(void **state)
{
    struct session s = {.id = "tx"};
    int32_t indexes[2] = {0, 7};
    assert_int_equal(init_pid(&s, 5, false), KAFKA_NONE);
    assert_int_equal(add(&s, 3), KAFKA_NONE);
    assert_int_equal(produce(&s, 1), KAFKA_NONE);
    struct kafka_write_txn_markers_request *request = NEW(kafka_write_txn_markers_request);
    request->markers = NEW(kafka_write_txn_markers_request_marker);
    request->markers_count = 1;
    request->markers[0].producer_id = s.pid;
    request->markers[0].producer_epoch = (int16_t)(s.epoch + 5);
    request->markers[0].topics = NEW(kafka_write_txn_markers_request_topic);
    request->markers[0].topics_count = 1;
    request->markers[0].topics[0].name = STR("t");
    request->markers[0].topics[0].partition_indexes = indexes;
    request->markers[0].topics[0].partition_indexes_count = 2;
    struct kafka_write_txn_markers_response *r =
        client_call(c, KAFKA_KEY_WRITE_TXN_MARKERS, 1, request);
    assert_int_equal(r->markers[0].topics[0].partitions[0].error_code, KAFKA_NONE);
    assert_int_equal(r->markers[0].topics[0].partitions[1].error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(stable_end(), high_end());
    /* The partition cannot take the coordinator's own marker any more: the client's next try ends
     * the transaction without it. */
    assert_int_equal(end(&s, true, 3), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(end(&s, true, 3), KAFKA_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(coordinator_is_here),
        TEST(groups_in_all_versions),
        TEST(joins_are_checked),
        TEST(a_restart_is_not_noticed),
        TEST(who_goes_while_it_waits),
        TEST(offsets_in_all_versions),
        TEST(commits_are_checked),
        TEST(offsets_are_deleted),
        TEST(groups_are_deleted),
        TEST(groups_are_listed),
        TEST(commits_expire),
        TEST(plain_producers_get_ids),
        TEST(a_transaction),
        TEST(a_refused_batch_is_waited_for),
        TEST(errors_by_version),
        TEST(an_open_transaction_is_fenced),
        TEST(a_restart_keeps_transactions),
        TEST(a_transaction_times_out),
        TEST(orphans_are_aborted),
        TEST(offsets_in_transactions),
        TEST(deletions_reach_into_transactions),
        TEST(transactions_are_described),
        TEST(markers_by_hand),
    };
    return RUN_TESTS(tests);
}
