/* SPDX-License-Identifier: MIT */
/*
 * What tools ask about the inside: log directories, producers, access rules, elections,
 * reassignments, quotas, the controllers' quorum.
 *
 * Much of it has one true answer on a single node: there is one directory, each partition is led by
 * its only replica, which needs no election and cannot be moved elsewhere, no quota is set, no
 * authorizer decides. Answers, codes and texts are those that Kafka gives in that state.
 */
#include "serve/kafka/admin.h"

#include <inttypes.h>

static const char NOT_HOSTED[] = "This server does not host this topic-partition.";

/* ---- DescribeLogDirs ---- */

#define DIR struct kafka_describe_log_dirs_response_result
#define DIR_TOPIC struct kafka_describe_log_dirs_response_topic

static void dir_partition(DIR_TOPIC *row, struct log_topic *topic, int32_t index)
{
    struct log_partition *partition = index >= 0 ? log_topic_partition(topic, index) : NULL;
    if (!partition)
        return;
    struct kafka_describe_log_dirs_response_partition *to =
        &row->partitions[row->partitions_count++];
    to->partition_index = index;
    to->partition_size = (int64_t)log_partition_bytes(partition);
}

static void dir_topic(struct kafka_call *call, DIR *dir, struct log_topic *topic,
                      const struct kafka_describe_log_dirs_request_topic *asked)
{
    int32_t count = asked ? asked->partitions_count : log_topic_partitions(topic);
    DIR_TOPIC *row = &dir->topics[dir->topics_count++];
    row->name = log_topic_name(topic);
    row->partitions =
        KAFKA_NEW(&call->arena, kafka_describe_log_dirs_response_partition, (size_t)count);
    for (int32_t i = 0; i < count; i++)
        dir_partition(row, topic, asked ? asked->partitions[i] : i);
    /* Partitions that are not here are left out, and so are topics without any. */
    if (row->partitions_count == 0)
        dir->topics_count--;
}

static void describe_log_dirs(struct kafka_call *call)
{
    const struct kafka_describe_log_dirs_request *request = call->request;
    struct kafka_describe_log_dirs_response *response = call->response;
    struct log_topic **topics = NULL;
    size_t count = request->topics_count < 0 ? log_topics(call->broker->log, &topics)
                                             : (size_t)request->topics_count;
    uint64_t free_bytes;
    DIR *dir = KAFKA_NEW(&call->arena, kafka_describe_log_dirs_response_result, 1);
    response->results = dir;
    response->results_count = 1;
    dir->log_dir = str_of(log_dir(call->broker->log));
    dir->topics = KAFKA_NEW(&call->arena, kafka_describe_log_dirs_response_topic, count);
    for (size_t i = 0; i < count; i++) {
        struct log_topic *topic =
            topics ? topics[i] : log_topic_find(call->broker->log, request->topics[i].topic);
        if (topic)
            dir_topic(call, dir, topic, topics ? NULL : &request->topics[i]);
    }
    mem_free(topics);
    /* How large the disk is nobody asked io for; what is left on it is known. */
    if (io_path_free_bytes(call->broker->io, log_dir(call->broker->log), &free_bytes) == OK)
        dir->usable_bytes = (int64_t)free_bytes;
}

void kafka_handle_describe_log_dirs(struct kafka_call *call)
{
    kafka_admin_do(call, describe_log_dirs, NULL);
}

/* ---- AlterReplicaLogDirs: to the one directory, where it is already ---- */

#define MOVED_TOPIC struct kafka_alter_replica_log_dirs_response_result

/* A topic may be named for several directories: it is answered for each. */
static void move_topic(struct kafka_call *call,
                       const struct kafka_alter_replica_log_dirs_request_dir *dir,
                       const struct kafka_alter_replica_log_dirs_request_topic *asked,
                       MOVED_TOPIC *answer)
{
    bool here = str_equal(dir->path, str_of(log_dir(call->broker->log)));
    answer->topic_name = asked->name;
    answer->partitions_count = asked->partitions_count;
    answer->partitions = KAFKA_NEW(&call->arena, kafka_alter_replica_log_dirs_response_partition,
                                   (size_t)asked->partitions_count);
    for (int32_t i = 0; i < asked->partitions_count; i++) {
        int16_t code = KAFKA_NONE;
        answer->partitions[i].partition_index = asked->partitions[i];
        if (!here)
            code = KAFKA_LOG_DIR_NOT_FOUND;
        else
            (void)kafka_partition(call->broker, asked->name, asked->partitions[i], &code);
        answer->partitions[i].error_code = code;
    }
}

void kafka_handle_alter_replica_log_dirs(struct kafka_call *call)
{
    const struct kafka_alter_replica_log_dirs_request *request = call->request;
    struct kafka_alter_replica_log_dirs_response *response = call->response;
    size_t count = 0;
    for (int32_t i = 0; i < request->dirs_count; i++)
        count += (size_t)request->dirs[i].topics_count;
    response->results =
        KAFKA_NEW(&call->arena, kafka_alter_replica_log_dirs_response_result, count);
    for (int32_t i = 0; i < request->dirs_count; i++)
        for (int32_t j = 0; j < request->dirs[i].topics_count; j++)
            move_topic(call, &request->dirs[i], &request->dirs[i].topics[j],
                       &response->results[response->results_count++]);
    kafka_answer(call);
}

/* ---- DescribeProducers ---- */

static void producers(struct kafka_call *call, struct log_partition *partition,
                      struct kafka_describe_producers_response_partition *row)
{
    struct log_producer *list;
    size_t count = log_producers(partition, &call->arena, &list);
    row->active_producers =
        KAFKA_NEW(&call->arena, kafka_describe_producers_response_active_producer, count);
    row->active_producers_count = (int32_t)count;
    for (size_t i = 0; i < count; i++)
        row->active_producers[i] = (struct kafka_describe_producers_response_active_producer){
            .producer_id = list[i].producer_id,
            .producer_epoch = list[i].epoch,
            .last_sequence = list[i].last_sequence,
            .last_timestamp = list[i].last_timestamp_ms,
            .coordinator_epoch = list[i].coordinator_epoch,
            .current_txn_start_offset = list[i].txn_first_offset,
        };
}

static void producers_partition(struct kafka_call *call, struct log_topic *topic,
                                const char *problem, int32_t index,
                                struct kafka_describe_producers_response_partition *row)
{
    struct log_partition *partition =
        topic && index >= 0 ? log_topic_partition(topic, index) : NULL;
    row->partition_index = index;
    if (partition && !kafka_answer_has_room(call)) {
        row->error_code = KAFKA_INVALID_REQUEST;
        row->error_message = str_of(kafka_answer_too_long);
        return;
    }
    if (partition) {
        producers(call, partition, row);
        return;
    }
    row->error_code = problem ? KAFKA_INVALID_TOPIC_EXCEPTION : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    row->error_message = problem ? str_of(problem) : topic ? STR_NONE : str_of(NOT_HOSTED);
}

void kafka_handle_describe_producers(struct kafka_call *call)
{
    const struct kafka_describe_producers_request *request = call->request;
    struct kafka_describe_producers_response *response = call->response;
    response->topics = KAFKA_NEW(&call->arena, kafka_describe_producers_response_topic,
                                 (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_describe_producers_request_topic *asked = &request->topics[i];
        struct kafka_describe_producers_response_topic *answer = &response->topics[i];
        const char *problem = kafka_topic_name_problem(asked->name, &call->arena);
        struct log_topic *topic = problem ? NULL : log_topic_find(call->broker->log, asked->name);
        answer->name = asked->name;
        answer->partitions_count = asked->partition_indexes_count;
        answer->partitions = KAFKA_NEW(&call->arena, kafka_describe_producers_response_partition,
                                       (size_t)asked->partition_indexes_count);
        for (int32_t j = 0; j < asked->partition_indexes_count; j++)
            producers_partition(call, topic, problem, asked->partition_indexes[j],
                                &answer->partitions[j]);
    }
    kafka_answer(call);
}

/* ---- access rules: there is no authorizer ---- */

void kafka_handle_describe_acls(struct kafka_call *call)
{
    struct kafka_describe_acls_response *response = call->response;
    response->error_code = KAFKA_SECURITY_DISABLED;
    response->error_message = STR("No Authorizer is configured on the broker");
    kafka_answer(call);
}

void kafka_handle_create_acls(struct kafka_call *call)
{
    const struct kafka_create_acls_request *request = call->request;
    struct kafka_create_acls_response *response = call->response;
    response->results = KAFKA_NEW(&call->arena, kafka_create_acls_response_result,
                                  (size_t)request->creations_count);
    response->results_count = request->creations_count;
    for (int32_t i = 0; i < request->creations_count; i++) {
        response->results[i].error_code = KAFKA_SECURITY_DISABLED;
        response->results[i].error_message = STR("No Authorizer is configured.");
    }
    kafka_answer(call);
}

void kafka_handle_delete_acls(struct kafka_call *call)
{
    const struct kafka_delete_acls_request *request = call->request;
    struct kafka_delete_acls_response *response = call->response;
    response->filter_results = KAFKA_NEW(&call->arena, kafka_delete_acls_response_filter_result,
                                         (size_t)request->filters_count);
    response->filter_results_count = request->filters_count;
    for (int32_t i = 0; i < request->filters_count; i++) {
        response->filter_results[i].error_code = KAFKA_SECURITY_DISABLED;
        response->filter_results[i].error_message = STR("No Authorizer is configured.");
    }
    kafka_answer(call);
}

/* ---- ElectLeaders ---- */

#define ELECTED struct kafka_elect_leaders_response_partition

enum { ELECTION_PREFERRED, ELECTION_UNCLEAN };

static void elect(struct kafka_call *call, struct log_topic *topic, struct str name, int32_t index,
                  int8_t type, ELECTED *row)
{
    row->partition_id = index;
    if (type != ELECTION_PREFERRED && type != ELECTION_UNCLEAN) {
        row->error_code = KAFKA_INVALID_REQUEST;
        row->error_message = kafka_text(call, "Unknown election type %d", type);
    } else if (!topic) {
        row->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        row->error_message = kafka_text(call, "No such topic as %.*s", STR_ARG(name));
    } else if (index < 0 || !log_topic_partition(topic, index)) {
        row->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        row->error_message =
            kafka_text(call, "No such partition as %.*s-%" PRId32, STR_ARG(name), index);
    } else {
        row->error_code = KAFKA_ELECTION_NOT_NEEDED;
        row->error_message = STR("Leader election not needed for topic partition.");
    }
}

void kafka_handle_elect_leaders(struct kafka_call *call)
{
    const struct kafka_elect_leaders_request *request = call->request;
    struct kafka_elect_leaders_response *response = call->response;
    int8_t type = call->version >= 1 ? request->election_type : ELECTION_PREFERRED;
    /* Null is all partitions, of which those that need nothing are not told. */
    size_t count =
        request->topic_partitions_count > 0 ? (size_t)request->topic_partitions_count : 0;
    if (type != ELECTION_PREFERRED && type != ELECTION_UNCLEAN && call->version >= 1)
        response->error_code = KAFKA_INVALID_REQUEST;
    response->replica_election_results =
        KAFKA_NEW(&call->arena, kafka_elect_leaders_response_replica_election_result, count);
    response->replica_election_results_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        const struct kafka_elect_leaders_request_topic_partition *asked =
            &request->topic_partitions[i];
        struct kafka_elect_leaders_response_replica_election_result *answer =
            &response->replica_election_results[i];
        struct log_topic *topic = log_topic_find(call->broker->log, asked->topic);
        answer->topic = asked->topic;
        answer->partition_result_count = asked->partitions_count;
        answer->partition_result = KAFKA_NEW(&call->arena, kafka_elect_leaders_response_partition,
                                             (size_t)asked->partitions_count);
        for (int32_t j = 0; j < asked->partitions_count; j++)
            elect(call, topic, asked->topic, asked->partitions[j], type,
                  &answer->partition_result[j]);
    }
    kafka_answer(call);
}

/* ---- reassignments: to where it is already, or nowhere ---- */

static void reassign(struct kafka_call *call, struct log_topic *topic, struct str name,
                     const struct kafka_alter_partition_reassignments_request_partition *asked,
                     struct kafka_alter_partition_reassignments_response_partition *row)
{
    int32_t count = asked->replicas_count, node = call->broker->options.node_id;
    row->partition_index = asked->partition_index;
    row->error_message = STR_NONE;
    if (!topic) {
        row->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        row->error_message = kafka_text(call, "Unable to find a topic named %.*s.", STR_ARG(name));
        return;
    }
    if (asked->partition_index < 0 || !log_topic_partition(topic, asked->partition_index)) {
        row->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        row->error_message = kafka_text(call, "Unable to find partition %.*s:%" PRId32 ".",
                                        STR_ARG(name), asked->partition_index);
        return;
    }
    /* Null ends a reassignment under way: there never is one. */
    if (count < 0) {
        row->error_code = KAFKA_NO_REASSIGNMENT_IN_PROGRESS;
        return;
    }
    if (count == 1 && asked->replicas[0] == node)
        return;
    row->error_code = KAFKA_INVALID_REPLICA_ASSIGNMENT;
    row->error_message = STR("The manual partition assignment includes an empty replica list.");
    for (int32_t i = 0; i < count; i++) {
        if (asked->replicas[i] != node) {
            row->error_message = kafka_text(call,
                                            "The manual partition assignment includes broker "
                                            "%" PRId32 ", but no such broker is registered.",
                                            asked->replicas[i]);
            return;
        }
        row->error_message = kafka_text(
            call, "The manual partition assignment includes the broker %" PRId32 " more than once.",
            node);
    }
}

void kafka_handle_alter_partition_reassignments(struct kafka_call *call)
{
    const struct kafka_alter_partition_reassignments_request *request = call->request;
    struct kafka_alter_partition_reassignments_response *response = call->response;
    size_t count = (size_t)request->topics_count;
    response->error_message = STR_NONE;
    response->allow_replication_factor_change = request->allow_replication_factor_change;
    response->responses =
        KAFKA_NEW(&call->arena, kafka_alter_partition_reassignments_response_topic, count);
    response->responses_count = request->topics_count;
    for (size_t i = 0; i < count; i++) {
        const struct kafka_alter_partition_reassignments_request_topic *asked = &request->topics[i];
        struct kafka_alter_partition_reassignments_response_topic *answer = &response->responses[i];
        struct log_topic *topic = log_topic_find(call->broker->log, asked->name);
        answer->name = asked->name;
        answer->partitions_count = asked->partitions_count;
        answer->partitions =
            KAFKA_NEW(&call->arena, kafka_alter_partition_reassignments_response_partition,
                      (size_t)asked->partitions_count);
        for (int32_t j = 0; j < asked->partitions_count; j++)
            reassign(call, topic, asked->name, &asked->partitions[j], &answer->partitions[j]);
    }
    kafka_answer(call);
}

void kafka_handle_list_partition_reassignments(struct kafka_call *call)
{
    struct kafka_list_partition_reassignments_response *response = call->response;
    response->error_message = STR_NONE;
    kafka_answer(call);
}

/* ---- quotas: none are set ---- */

enum { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY };

static struct str
quota_problem(struct kafka_call *call,
              const struct kafka_describe_client_quotas_request_component *component,
              int16_t *ret_code)
{
    struct str type = component->entity_type;
    *ret_code = KAFKA_UNSUPPORTED_VERSION;
    if (!str_equal(type, STR("user")) && !str_equal(type, STR("client-id")) &&
        !str_equal(type, STR("ip")))
        return kafka_text(call, "Unsupported entity type %.*s", STR_ARG(type));
    *ret_code = KAFKA_INVALID_REQUEST;
    if (component->match_type == MATCH_EXACT && !component->match.ptr)
        return STR("Request specified MATCH_TYPE_EXACT, but set match string to null.");
    if (component->match_type == MATCH_DEFAULT && component->match.ptr)
        return STR("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
    if (component->match_type == MATCH_ANY && component->match.ptr)
        return STR("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
    if (component->match_type < MATCH_EXACT || component->match_type > MATCH_ANY)
        return kafka_text(call, "Unknown match type %d", component->match_type);
    *ret_code = KAFKA_NONE;
    return STR_NONE;
}

void kafka_handle_describe_client_quotas(struct kafka_call *call)
{
    const struct kafka_describe_client_quotas_request *request = call->request;
    struct kafka_describe_client_quotas_response *response = call->response;
    for (int32_t i = 0; i < request->components_count && response->error_code == 0; i++) {
        const struct kafka_describe_client_quotas_request_component *component =
            &request->components[i];
        struct str problem = quota_problem(call, component, &response->error_code);
        for (int32_t j = 0; j < i && response->error_code == 0; j++) {
            if (!str_equal(component->entity_type, request->components[j].entity_type))
                continue;
            response->error_code = KAFKA_INVALID_REQUEST;
            problem =
                kafka_text(call, "Entity type %.*s cannot appear more than once in the filter.",
                           STR_ARG(component->entity_type));
        }
        if (response->error_code != KAFKA_NONE) {
            response->error_message = problem;
            response->entries_count = -1;
        }
    }
    kafka_answer(call);
}

/* ---- SCRAM users: there are none ---- */

void kafka_handle_describe_user_scram_credentials(struct kafka_call *call)
{
    const struct kafka_describe_user_scram_credentials_request *request = call->request;
    struct kafka_describe_user_scram_credentials_response *response = call->response;
    size_t count = request->users_count > 0 ? (size_t)request->users_count : 0;
    response->error_message = STR_NONE;
    response->results =
        KAFKA_NEW(&call->arena, kafka_describe_user_scram_credentials_response_result, count);
    response->results_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        response->results[i].user = request->users[i].name;
        response->results[i].error_code = KAFKA_RESOURCE_NOT_FOUND;
        response->results[i].error_message =
            kafka_text(call, "Attempt to describe a user credential that does not exist: %.*s",
                       STR_ARG(request->users[i].name));
    }
    kafka_answer(call);
}

/* ---- DescribeQuorum: one controller, which is this node ---- */

#define QUORUM_ROW struct kafka_describe_quorum_response_partition

static void quorum_partition(struct kafka_call *call, bool metadata, int32_t index, QUORUM_ROW *row)
{
    row->partition_index = index;
    if (!metadata || index != 0) {
        row->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        row->error_message = str_of(NOT_HOSTED);
        return;
    }
    row->leader_id = call->broker->options.node_id;
    row->leader_epoch = 1;
    row->current_voters = KAFKA_NEW(&call->arena, kafka_describe_quorum_response_replica_state, 1);
    row->current_voters_count = 1;
    row->current_voters[0].replica_id = row->leader_id;
    row->current_voters[0].last_fetch_timestamp = kafka_now_ms(call->broker);
    row->current_voters[0].last_caught_up_timestamp = row->current_voters[0].last_fetch_timestamp;
}

static void quorum_node(struct kafka_call *call)
{
    struct kafka_describe_quorum_response *response = call->response;
    struct kafka_describe_quorum_response_node *node =
        KAFKA_NEW(&call->arena, kafka_describe_quorum_response_node, 1);
    node->node_id = call->broker->options.node_id;
    node->listeners = KAFKA_NEW(&call->arena, kafka_describe_quorum_response_listener, 1);
    node->listeners_count = 1;
    node->listeners[0].name = STR("PLAINTEXT");
    node->listeners[0].host = str_of(call->endpoint->host);
    node->listeners[0].port = call->endpoint->port;
    response->nodes = node;
    response->nodes_count = 1;
}

void kafka_handle_describe_quorum(struct kafka_call *call)
{
    const struct kafka_describe_quorum_request *request = call->request;
    struct kafka_describe_quorum_response *response = call->response;
    size_t count = (size_t)request->topics_count;
    response->topics = KAFKA_NEW(&call->arena, kafka_describe_quorum_response_topic, count);
    response->topics_count = request->topics_count;
    for (size_t i = 0; i < count; i++) {
        const struct kafka_describe_quorum_request_topic *asked = &request->topics[i];
        struct kafka_describe_quorum_response_topic *answer = &response->topics[i];
        bool metadata = str_equal(asked->topic_name, STR("__cluster_metadata"));
        answer->topic_name = asked->topic_name;
        answer->partitions_count = asked->partitions_count;
        answer->partitions = KAFKA_NEW(&call->arena, kafka_describe_quorum_response_partition,
                                       (size_t)asked->partitions_count);
        for (int32_t j = 0; j < asked->partitions_count; j++) {
            int32_t index = asked->partitions[j].partition_index;
            quorum_partition(call, metadata, index, &answer->partitions[j]);
            if (answer->partitions[j].error_code == KAFKA_NONE && call->version >= 2)
                quorum_node(call);
        }
    }
    kafka_answer(call);
}
