/* SPDX-License-Identifier: MIT */
/*
 * Offsets of consumer groups in a Kafka, for the few that the program itself keeps (how far dead
 * letters were replayed): each call is a consumer of that group for a moment, which joins nothing.
 */
#include "log/remote.h"

#include "base/mem.h"

/* A consumer of the group and a list of the one partition. */
static enum err open_group(struct log *log, struct str group, struct str topic, int32_t partition,
                           rd_kafka_t **ret_client, rd_kafka_topic_partition_list_t **ret_list)
{
    CLEAN(mem_free_at) char *group_text = str_dup(group);
    CLEAN(mem_free_at) char *topic_text = str_dup(topic);
    TRY(remote_client(NULL, &log->remote->place, RD_KAFKA_CONSUMER, NULL, ret_client,
                      "group.id", group_text, "enable.auto.commit", "false", NULL));
    *ret_list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(*ret_list, topic_text, partition);
    return OK;
}

static void close_group(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
}

enum err remote_offset_commit(struct log *log, struct str group, struct str topic,
                              int32_t partition, int64_t offset, struct str metadata)
{
    rd_kafka_t *client;
    rd_kafka_topic_partition_list_t *list;
    (void)metadata; /* the library frees it by its own rules, and nobody here writes one */
    TRY(open_group(log, group, topic, partition, &client, &list));
    list->elems[0].offset = offset;
    rd_kafka_resp_err_t code = rd_kafka_commit(client, list, 0);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    close_group(client, list);
    return remote_err(code);
}

int64_t remote_offset_fetch(struct log *log, struct str group, struct str topic, int32_t partition)
{
    rd_kafka_t *client;
    rd_kafka_topic_partition_list_t *list;
    int64_t offset = -1;
    if (open_group(log, group, topic, partition, &client, &list) != OK)
        return -1;
    rd_kafka_resp_err_t code = rd_kafka_committed(client, list, REMOTE_CALL_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && !list->elems[0].err && list->elems[0].offset >= 0)
        offset = list->elems[0].offset;
    close_group(client, list);
    return offset;
}
