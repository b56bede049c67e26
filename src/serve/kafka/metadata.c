/* SPDX-License-Identifier: MIT */
/*
 * Metadata, DescribeCluster, DescribeTopicPartitions: who there is and which topics. There is one
 * node, which leads every partition; it is told under the name of the listener that was asked.
 *
 * Metadata makes topics that it is asked for by name, where the server and the request allow it.
 * Kafka answers such a request with UNKNOWN_TOPIC_OR_PARTITION and the client asks again until the
 * topic is there; here the call waits in the worker and answers with the topic.
 *
 * Ranges: version 0 has no null list, an empty one stands for all topics; from 1 on null is all and
 * empty is none. Names may be null and ids set from 12 on; 10 and 11 have the fields but no such
 * requests, and the whole request is refused for them. A topic named twice is answered once.
 */
#include "serve/kafka/admin.h"
#include "serve/kafka/config_keys.h"

#include <stdlib.h>

#define TOPIC struct kafka_metadata_response_topic

/* ---- parts of answers ---- */

static void describe_partition(struct kafka_call *call, const struct log_partition *partition,
                               struct kafka_metadata_response_partition *ret_partition)
{
    ret_partition->partition_index = log_partition_index(partition);
    ret_partition->leader_id = call->broker->options.node_id;
    ret_partition->leader_epoch = log_partition_epoch(partition);
    ret_partition->replica_nodes = kafka_this_node(call);
    ret_partition->replica_nodes_count = 1;
    ret_partition->isr_nodes = ret_partition->replica_nodes;
    ret_partition->isr_nodes_count = 1;
}

static void describe(struct kafka_call *call, struct log_topic *topic, bool operations,
                     TOPIC *ret_topic)
{
    ret_topic->error_code = KAFKA_NONE;
    ret_topic->name = log_topic_name(topic);
    memcpy(ret_topic->topic_id, log_topic_id(topic), 16);
    ret_topic->is_internal = log_topic_is_internal(topic);
    int32_t count = log_topic_partitions(topic);
    ret_topic->partitions =
        KAFKA_NEW(&call->arena, kafka_metadata_response_partition, (size_t)count);
    ret_topic->partitions_count = count;
    for (int32_t i = 0; i < count; i++)
        describe_partition(call, log_topic_partition(topic, i), &ret_topic->partitions[i]);
    if (operations && call->version >= 8)
        ret_topic->topic_authorized_operations = KAFKA_TOPIC_OPERATIONS;
}

/* ---- Metadata ---- */

static bool is_zero(const uint8_t *id)
{
    static const uint8_t zero[16];
    return memcmp(id, zero, sizeof zero) == 0;
}

static void metadata_all(struct kafka_call *call)
{
    const struct kafka_metadata_request *request = call->request;
    struct kafka_metadata_response *response = call->response;
    struct log_topic **topics;
    size_t count = log_topics(call->broker->log, &topics);
    response->topics = KAFKA_NEW(&call->arena, kafka_metadata_response_topic, count);
    response->topics_count = (int32_t)count;
    for (size_t i = 0; i < count; i++)
        describe(call, topics[i], request->include_topic_authorized_operations,
                 &response->topics[i]);
    mem_free(topics);
}

static int16_t missing_code(struct kafka_call *call, struct str name)
{
    return kafka_topic_name_problem(name, &call->arena) ? KAFKA_INVALID_TOPIC_EXCEPTION
                                                        : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

/* One asked topic. False: it is not there, by name. */
static bool metadata_topic(struct kafka_call *call,
                           const struct kafka_metadata_request_topic *asked, TOPIC *ret_topic)
{
    const struct kafka_metadata_request *request = call->request;
    bool by_id = call->version >= 12 && !is_zero(asked->topic_id);
    struct log_topic *topic = by_id ? log_topic_find_id(call->broker->log, asked->topic_id)
                                    : log_topic_find(call->broker->log, asked->name);
    if (topic) {
        describe(call, topic, request->include_topic_authorized_operations, ret_topic);
        return true;
    }
    if (by_id) {
        ret_topic->error_code = KAFKA_UNKNOWN_TOPIC_ID;
        ret_topic->name = STR_NONE;
        memcpy(ret_topic->topic_id, asked->topic_id, 16);
        return true;
    }
    ret_topic->error_code = missing_code(call, asked->name);
    ret_topic->name = asked->name;
    if (request->include_topic_authorized_operations && call->version >= 8)
        ret_topic->topic_authorized_operations = KAFKA_TOPIC_OPERATIONS;
    return false;
}

static void create(struct kafka_call *call, TOPIC *topic)
{
    struct log_topic_config config;
    struct log_topic *made;
    if (topic->error_code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION || !topic->name.ptr)
        return;
    if (kafka_topic_collision(call->broker->log, topic->name)) {
        topic->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
        return;
    }
    kafka_topic_defaults(call->broker, &config);
    enum err err = log_topic_create(call->broker->log, topic->name, &config, NULL, &made);
    /* Another request made it meanwhile. */
    if (err == ERR_EXISTS)
        made = log_topic_find(call->broker->log, topic->name);
    if ((err == OK || err == ERR_EXISTS) && made) {
        const struct kafka_metadata_request *request = call->request;
        describe(call, made, request->include_topic_authorized_operations, topic);
    } else {
        topic->error_code = err == ERR_EXISTS ? KAFKA_LEADER_NOT_AVAILABLE : kafka_code(err);
    }
}

static void create_missing(struct kafka_call *call)
{
    struct kafka_metadata_response *response = call->response;
    for (int32_t i = 0; i < response->topics_count; i++)
        create(call, &response->topics[i]);
}

/* The asked topics, each once. True: some are missing and may be made. */
static bool metadata_asked(struct kafka_call *call)
{
    const struct kafka_metadata_request *request = call->request;
    struct kafka_metadata_response *response = call->response;
    struct map seen = {0};
    bool missing = false;
    response->topics =
        KAFKA_NEW(&call->arena, kafka_metadata_response_topic, (size_t)request->topics_count);
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_metadata_request_topic *asked = &request->topics[i];
        struct str key = asked->name.ptr && is_zero(asked->topic_id)
                             ? asked->name
                             : str_from(asked->topic_id, sizeof asked->topic_id);
        if (map_set(&seen, key, call))
            continue;
        TOPIC *topic = &response->topics[response->topics_count++];
        if (!metadata_topic(call, asked, topic))
            missing |= topic->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    map_deinit(&seen);
    return missing && request->allow_auto_topic_creation && !call->broker->options.auto_create_off;
}

/* Ids before version 12, and topics without either. */
static bool metadata_refused(struct kafka_call *call)
{
    const struct kafka_metadata_request *request = call->request;
    struct kafka_metadata_response *response = call->response;
    bool bad = false;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_metadata_request_topic *asked = &request->topics[i];
        bad |= call->version < 12 && (!asked->name.ptr || !is_zero(asked->topic_id));
        bad |= !asked->name.ptr && is_zero(asked->topic_id);
    }
    if (!bad)
        return false;
    response->topics =
        KAFKA_NEW(&call->arena, kafka_metadata_response_topic, (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        response->topics[i].error_code = KAFKA_INVALID_REQUEST;
        if (request->topics[i].name.ptr)
            response->topics[i].name = request->topics[i].name;
        memcpy(response->topics[i].topic_id, request->topics[i].topic_id, 16);
    }
    return true;
}

void kafka_handle_metadata(struct kafka_call *call)
{
    const struct kafka_metadata_request *request = call->request;
    struct kafka_metadata_response *response = call->response;
    if (metadata_refused(call)) {
        kafka_answer(call);
        return;
    }
    response->brokers = KAFKA_NEW(&call->arena, kafka_metadata_response_broker, 1);
    response->brokers_count = 1;
    response->brokers[0].node_id = call->broker->options.node_id;
    response->brokers[0].host = str_of(call->endpoint->host);
    response->brokers[0].port = call->endpoint->port;
    response->cluster_id = str_of(call->broker->cluster_id);
    response->controller_id = call->broker->options.node_id;
    if (request->include_cluster_authorized_operations)
        response->cluster_authorized_operations = KAFKA_CLUSTER_OPERATIONS;
    if (request->topics_count < 0 || (call->version == 0 && request->topics_count == 0)) {
        metadata_all(call);
        kafka_answer(call);
    } else if (metadata_asked(call)) {
        kafka_admin_do(call, create_missing, NULL);
    } else {
        kafka_answer(call);
    }
}

/* ---- DescribeCluster ---- */

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

void kafka_handle_describe_cluster(struct kafka_call *call)
{
    const struct kafka_describe_cluster_request *request = call->request;
    struct kafka_describe_cluster_response *response = call->response;
    if (request->endpoint_type == ENDPOINT_CONTROLLERS) {
        response->error_code = KAFKA_MISMATCHED_ENDPOINT_TYPE;
        response->error_message = STR("The request was sent to an endpoint of type BROKER, but we "
                                      "wanted an endpoint of type CONTROLLER");
        kafka_answer(call);
        return;
    }
    if (request->endpoint_type != ENDPOINT_BROKERS) {
        response->error_code = KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        response->error_message =
            kafka_text(call, "Unsupported endpoint type %d", request->endpoint_type);
        kafka_answer(call);
        return;
    }
    response->cluster_id = str_of(call->broker->cluster_id);
    response->controller_id = call->broker->options.node_id;
    response->brokers = KAFKA_NEW(&call->arena, kafka_describe_cluster_response_broker, 1);
    response->brokers_count = 1;
    response->brokers[0].broker_id = call->broker->options.node_id;
    response->brokers[0].host = str_of(call->endpoint->host);
    response->brokers[0].port = call->endpoint->port;
    if (request->include_cluster_authorized_operations)
        response->cluster_authorized_operations = KAFKA_CLUSTER_OPERATIONS;
    kafka_answer(call);
}

/* ---- DescribeTopicPartitions: topics by name, in pages ---- */

enum { PAGE_PARTITIONS_MAX = 2000 };

static int compare_names(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* The names that the answer is about, sorted, each once. */
static size_t page_names(struct kafka_call *call, struct str **ret_names)
{
    const struct kafka_describe_topic_partitions_request *request = call->request;
    size_t count = (size_t)request->topics_count, kept = 0;
    struct log_topic **topics = NULL;
    if (count == 0)
        count = log_topics(call->broker->log, &topics);
    struct str *names = arena_array(&call->arena, count ? count : 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = topics ? log_topic_name(topics[i]) : request->topics[i].name;
    mem_free(topics);
    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        bool before = request->cursor && str_compare(names[i], request->cursor->topic_name) < 0;
        if (!before && (kept == 0 || !str_equal(names[kept - 1], names[i])))
            names[kept++] = names[i];
    }
    *ret_names = names;
    return kept;
}

static void page_refuse(struct kafka_call *call)
{
    const struct kafka_describe_topic_partitions_request *request = call->request;
    struct kafka_describe_topic_partitions_response *response = call->response;
    response->topics = KAFKA_NEW(&call->arena, kafka_describe_topic_partitions_response_topic,
                                 (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        response->topics[i].error_code = KAFKA_INVALID_REQUEST;
        response->topics[i].name = request->topics[i].name;
    }
}

static void page_topic(struct kafka_call *call, struct log_topic *topic, int32_t from,
                       int32_t count,
                       struct kafka_describe_topic_partitions_response_topic *ret_topic)
{
    memcpy(ret_topic->topic_id, log_topic_id(topic), 16);
    ret_topic->is_internal = log_topic_is_internal(topic);
    ret_topic->partitions =
        KAFKA_NEW(&call->arena, kafka_describe_topic_partitions_response_partition, (size_t)count);
    ret_topic->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct kafka_describe_topic_partitions_response_partition *partition =
            &ret_topic->partitions[i];
        partition->partition_index = from + i;
        partition->leader_id = call->broker->options.node_id;
        partition->leader_epoch = log_partition_epoch(log_topic_partition(topic, from + i));
        partition->replica_nodes = kafka_this_node(call);
        partition->replica_nodes_count = 1;
        partition->isr_nodes = partition->replica_nodes;
        partition->isr_nodes_count = 1;
        partition->eligible_leader_replicas_count = 0;
        partition->last_known_elr_count = 0;
    }
}

static void page_next(struct kafka_call *call, struct str name, int32_t partition)
{
    struct kafka_describe_topic_partitions_response *response = call->response;
    response->next_cursor =
        KAFKA_NEW(&call->arena, kafka_describe_topic_partitions_response_next_cursor, 1);
    response->next_cursor->topic_name = name;
    response->next_cursor->partition_index = partition;
}

static void page_fill(struct kafka_call *call, const struct str *names, size_t count)
{
    const struct kafka_describe_topic_partitions_request *request = call->request;
    struct kafka_describe_topic_partitions_response *response = call->response;
    int32_t left = request->response_partition_limit;
    left = left < 1 ? 1 : left > PAGE_PARTITIONS_MAX ? PAGE_PARTITIONS_MAX : left;
    response->topics =
        KAFKA_NEW(&call->arena, kafka_describe_topic_partitions_response_topic, count);
    for (size_t i = 0; i < count; i++) {
        if (left == 0) {
            page_next(call, names[i], 0);
            return;
        }
        struct kafka_describe_topic_partitions_response_topic *topic =
            &response->topics[response->topics_count++];
        struct log_topic *found = log_topic_find(call->broker->log, names[i]);
        topic->name = names[i];
        topic->topic_authorized_operations = KAFKA_TOPIC_OPERATIONS;
        if (!found) {
            topic->error_code = missing_code(call, names[i]);
            continue;
        }
        bool resumed = request->cursor && str_equal(names[i], request->cursor->topic_name);
        int32_t from = resumed ? request->cursor->partition_index : 0;
        int32_t partitions = log_topic_partitions(found);
        int32_t rest = from < partitions ? partitions - from : 0;
        int32_t shown = rest < left ? rest : left;
        page_topic(call, found, from, shown, topic);
        left -= shown;
        if (shown < rest) {
            page_next(call, names[i], from + shown);
            return;
        }
    }
}

void kafka_handle_describe_topic_partitions(struct kafka_call *call)
{
    const struct kafka_describe_topic_partitions_request *request = call->request;
    struct str *names;
    size_t count = page_names(call, &names);
    /* A cursor is one that we gave: its topic is among those asked for. */
    bool bad =
        request->cursor && (request->cursor->partition_index < 0 ||
                            (request->topics_count > 0 &&
                             (count == 0 || !str_equal(names[0], request->cursor->topic_name))));
    if (bad)
        page_refuse(call);
    else
        page_fill(call, names, count);
    kafka_answer(call);
}
