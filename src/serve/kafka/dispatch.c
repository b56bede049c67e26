/* SPDX-License-Identifier: MIT */
/*
 * The one table of what is offered, and the way of a call from its frame to its handler.
 *
 * ApiVersions answers from the table, calls are let in by it, docs/kafka-compatibility.md is made
 * of it: what is shown is what is served. Ranges are those of a broker of Kafka 4.4, but for: 1.
 * Produce, whose versions 0-2 are shown since old clients take their absence for the absence of
 * compression, and refused; 2. transactions, which end before the versions that need feature
 * transaction.version 2 (EndTxn 5, TxnOffsetCommit 5; AddPartitionsToTxn 4 is between brokers). No
 * feature is announced, so that no client uses what comes with one. 3. CreateTopics 0 and 1, which
 * simple clients still send.
 *
 * A version of ApiVersions that we do not know is answered in the layout of version 0 with the
 * error UNSUPPORTED_VERSION and the list: the client asks again with what it learnt. Any other
 * request outside of the table ends the connection, as in Kafka: its answer could not be laid out.
 */
#include "base/check.h"
#include "serve/kafka/broker.h"

#include <stdio.h>

#define ROW(key, min, max, name)                                                                   \
    {                                                                                              \
        KAFKA_KEY_##key, .version_min = (min), .version_max = (max), .served_from = (min),         \
                         .handle = kafka_handle_##name                                             \
    }

const struct kafka_handler kafka_handlers[] = {
    {KAFKA_KEY_PRODUCE, .version_min = 0, .version_max = 13, .served_from = 3,
     .handle = kafka_handle_produce},
    ROW(FETCH, 4, 18, fetch),
    ROW(LIST_OFFSETS, 1, 11, list_offsets),
    ROW(API_VERSIONS, 0, 5, api_versions),
    ROW(OFFSET_FOR_LEADER_EPOCH, 2, 4, offset_for_leader_epoch),
    ROW(OFFSET_COMMIT, 2, 10, offset_commit),
    ROW(OFFSET_FETCH, 1, 10, offset_fetch),
    ROW(FIND_COORDINATOR, 0, 6, find_coordinator),
    ROW(JOIN_GROUP, 0, 9, join_group),
    ROW(HEARTBEAT, 0, 4, heartbeat),
    ROW(LEAVE_GROUP, 0, 5, leave_group),
    ROW(SYNC_GROUP, 0, 5, sync_group),
    ROW(DESCRIBE_GROUPS, 0, 6, describe_groups),
    ROW(LIST_GROUPS, 0, 5, list_groups),
    ROW(INIT_PRODUCER_ID, 0, 5, init_producer_id),
    ROW(ADD_PARTITIONS_TO_TXN, 0, 3, add_partitions_to_txn),
    ROW(ADD_OFFSETS_TO_TXN, 0, 4, add_offsets_to_txn),
    ROW(END_TXN, 0, 4, end_txn),
    ROW(WRITE_TXN_MARKERS, 1, 2, write_txn_markers),
    ROW(TXN_OFFSET_COMMIT, 0, 4, txn_offset_commit),
    ROW(DELETE_GROUPS, 0, 3, delete_groups),
    ROW(OFFSET_DELETE, 0, 0, offset_delete),
    ROW(DESCRIBE_TRANSACTIONS, 0, 0, describe_transactions),
    ROW(LIST_TRANSACTIONS, 0, 1, list_transactions),
    ROW(METADATA, 0, 13, metadata),
    ROW(CREATE_TOPICS, 0, 7, create_topics),
    ROW(DELETE_TOPICS, 1, 6, delete_topics),
    ROW(DELETE_RECORDS, 0, 2, delete_records),
    ROW(CREATE_PARTITIONS, 0, 3, create_partitions),
    ROW(DESCRIBE_CONFIGS, 1, 4, describe_configs),
    ROW(ALTER_CONFIGS, 0, 2, alter_configs),
    ROW(INCREMENTAL_ALTER_CONFIGS, 0, 1, incremental_alter_configs),
    ROW(LIST_CONFIG_RESOURCES, 0, 1, list_config_resources),
    ROW(DESCRIBE_LOG_DIRS, 1, 5, describe_log_dirs),
    ROW(DESCRIBE_PRODUCERS, 0, 0, describe_producers),
    ROW(DESCRIBE_ACLS, 1, 3, describe_acls),
    ROW(CREATE_ACLS, 1, 3, create_acls),
    ROW(DELETE_ACLS, 1, 3, delete_acls),
    ROW(ELECT_LEADERS, 0, 2, elect_leaders),
    ROW(ALTER_PARTITION_REASSIGNMENTS, 0, 1, alter_partition_reassignments),
    ROW(LIST_PARTITION_REASSIGNMENTS, 0, 0, list_partition_reassignments),
    ROW(ALTER_REPLICA_LOG_DIRS, 1, 2, alter_replica_log_dirs),
    ROW(DESCRIBE_CLIENT_QUOTAS, 0, 1, describe_client_quotas),
    ROW(DESCRIBE_USER_SCRAM_CREDENTIALS, 0, 0, describe_user_scram_credentials),
    ROW(DESCRIBE_QUORUM, 0, 2, describe_quorum),
    ROW(DESCRIBE_CLUSTER, 0, 2, describe_cluster),
    ROW(DESCRIBE_TOPIC_PARTITIONS, 0, 0, describe_topic_partitions),
    {.handle = NULL},
};

void kafka_dispatch_init(struct kafka_broker *broker)
{
    for (const struct kafka_handler *handler = kafka_handlers; handler->handle; handler++) {
        const struct kafka_api *api = kafka_api_find(handler->api_key);
        check(api && handler->api_key < KAFKA_API_KEYS);
        check(!broker->index[handler->api_key].handler);
        check(handler->version_min >= api->request->version_min);
        check(handler->version_max <= api->request->version_max);
        broker->index[handler->api_key] = (struct kafka_api_index){handler, api};
    }
}

void kafka_broker_document(struct buf *out)
{
    for (const struct kafka_handler *handler = kafka_handlers; handler->handle; handler++) {
        const struct kafka_api *api = kafka_api_find(handler->api_key);
        buf_printf(out, "%d %s %d-%d", handler->api_key, api->name, handler->version_min,
                   handler->version_max);
        if (handler->served_from > handler->version_min)
            buf_printf(out, " (served from %d)", handler->served_from);
        buf_char(out, '\n');
    }
}

/* ---- from the frame to the handler ---- */

static enum err refuse(struct kafka_call *call, const struct kafka_request_header *header,
                       const char **ret_why)
{
    const struct kafka_api *api = kafka_api_find(header->api_key);
    char *why = arena_printf(&call->arena, "request %d (%s) version %d is not offered",
                             header->api_key, api ? api->name : "unknown", header->api_version);
    *ret_why = why;
    return ERR_UNSUPPORTED;
}

enum err kafka_call_open(struct kafka_call *call, const char **ret_why)
{
    struct kafka_broker *broker = call->broker;
    struct kafka_request_header header = {0};
    enum err err = kafka_request_header(buf_str(&call->frame), &header);
    if (err != OK && err != ERR_UNSUPPORTED) {
        *ret_why = "a request whose header cannot be read";
        return err;
    }
    if (header.api_key < 0 || header.api_key >= KAFKA_API_KEYS ||
        !broker->index[header.api_key].handler)
        return refuse(call, &header, ret_why);
    const struct kafka_api_index *entry = &broker->index[header.api_key];
    call->handler = entry->handler;
    call->api = entry->api;
    call->correlation_id = header.correlation_id;
    call->version = header.api_version;
    call->client_id = header.client_id;
    call->body_at = header.bytes;
    if (err == OK && header.api_version >= entry->handler->version_min &&
        header.api_version <= entry->handler->version_max)
        return OK;
    if (header.api_key != KAFKA_KEY_API_VERSIONS)
        return refuse(call, &header, ret_why);
    call->version = 0;
    call->body_at = SIZE_MAX;
    return OK;
}

enum err kafka_call_begin(struct kafka_call *call, const char **ret_why)
{
    const struct kafka_message *message = call->api->request;
    size_t used = call->arena.bytes_used;
    call->response = arena_alloc(&call->arena, call->api->response->bytes);
    kafka_defaults(call->api->response, call->response);
    if (call->body_at != SIZE_MAX) {
        void *request = arena_alloc(&call->arena, message->bytes);
        struct str body = str_slice(buf_str(&call->frame), call->body_at, call->frame.bytes);
        enum err err = kafka_decode(message, call->version, body, &call->arena, request);
        if (err != OK) {
            *ret_why = arena_printf(&call->arena, "%s version %d: %s", call->api->name,
                                    call->version, err_text(err));
            return err;
        }
        call->request = request;
    }
    if (call->arena.bytes_used > used)
        kafka_call_charge(call, call->arena.bytes_used - used);
    call->handler->handle(call);
    return OK;
}

/* ---- ApiVersions ---- */

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool is_software(struct str s)
{
    for (size_t i = 0; i < s.bytes; i++) {
        char c = s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && ((c != '-' && c != '.') || i == 0 || i + 1 == s.bytes))
            return false;
    }
    return s.bytes > 0;
}

static int16_t check_api_versions(const struct kafka_call *call)
{
    const struct kafka_api_versions_request *request = call->request;
    if (!request)
        return KAFKA_UNSUPPORTED_VERSION;
    if (call->version >= 3 && (!is_software(request->client_software_name) ||
                               !is_software(request->client_software_version)))
        return KAFKA_INVALID_REQUEST;
    if (request->cluster_id.ptr &&
        !str_equal(request->cluster_id, str_of(call->broker->cluster_id)))
        return KAFKA_REBOOTSTRAP_REQUIRED;
    if (request->node_id >= 0 && request->node_id != call->broker->options.node_id)
        return KAFKA_REBOOTSTRAP_REQUIRED;
    return KAFKA_NONE;
}

void kafka_handle_api_versions(struct kafka_call *call)
{
    struct kafka_api_versions_response *response = call->response;
    response->error_code = check_api_versions(call);
    if (response->error_code == KAFKA_NONE || response->error_code == KAFKA_UNSUPPORTED_VERSION) {
        int32_t count = 0;
        while (kafka_handlers[count].handle)
            count++;
        response->api_keys = kafka_structs(&kafka_api_versions_response_api_key_message,
                                           &call->arena, (size_t)count);
        response->api_keys_count = count;
        for (int32_t i = 0; i < count; i++) {
            response->api_keys[i].api_key = kafka_handlers[i].api_key;
            response->api_keys[i].min_version = kafka_handlers[i].version_min;
            response->api_keys[i].max_version = kafka_handlers[i].version_max;
        }
    }
    kafka_answer(call);
}
