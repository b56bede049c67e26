/* SPDX-License-Identifier: MIT */
/*
 * Topics of a Kafka. Those that exist are known by name and partitions; their settings and ends are
 * asked for when somebody uses them (log_topic_find()). A topic that is there keeps its settings:
 * it may belong to others, and configuring it adds partitions only.
 */
#include "log/remote.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 300, WANT_TRIES = 3, THERE_TRIES = 600, THERE_NS = 50 * 1000 * 1000 };

/* ---- settings ---- */

static const char *const policies[] = {"delete", "compact", "compact,delete"};

static void take_setting(struct log_topic_config *config, struct str name, struct str value)
{
    int64_t number = 0;
    bool is_number = str_to_i64(value, &number) == OK;
    if (str_equal(name, STR("cleanup.policy"))) {
        config->compact = str_find(value, STR("compact"), 0) != SIZE_MAX;
        config->compact_and_delete =
            config->compact && str_find(value, STR("delete"), 0) != SIZE_MAX;
    } else if (str_equal(name, STR("message.timestamp.type"))) {
        config->log_append_time = str_equal(value, STR("LogAppendTime"));
    } else if (str_equal(name, STR("compression.type"))) {
        for (int i = CODEC_NONE; codec_name((enum codec)i); i++)
            if (str_equal(value, str_of(codec_name((enum codec)i))))
                config->compression = (enum codec)i;
    } else if (!is_number) {
        return;
    } else if (str_equal(name, STR("retention.ms"))) {
        config->retention_ms = number < 0 ? -1 : number;
    } else if (str_equal(name, STR("retention.bytes"))) {
        config->retention_bytes = number < 0 ? -1 : number;
    } else if (str_equal(name, STR("max.message.bytes"))) {
        config->message_bytes_max = number > INT32_MAX ? INT32_MAX : (int32_t)number;
    }
}

static void put_settings(const struct log_topic_config *config, rd_kafka_NewTopic_t *topic)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)config->retention_ms);
    rd_kafka_NewTopic_set_config(topic, "retention.ms", number);
    if (config->retention_bytes >= 0) {
        snprintf(number, sizeof number, "%lld", (long long)config->retention_bytes);
        rd_kafka_NewTopic_set_config(topic, "retention.bytes", number);
    }
    if (config->message_bytes_max > 0) {
        snprintf(number, sizeof number, "%d", config->message_bytes_max);
        rd_kafka_NewTopic_set_config(topic, "max.message.bytes", number);
    }
    if (config->compact)
        rd_kafka_NewTopic_set_config(topic, "cleanup.policy",
                                     policies[config->compact_and_delete ? 2 : 1]);
    if (config->compression != CODEC_NONE)
        rd_kafka_NewTopic_set_config(topic, "compression.type", codec_name(config->compression));
    if (config->log_append_time)
        rd_kafka_NewTopic_set_config(topic, "message.timestamp.type", "LogAppendTime");
    if (config->sync_each)
        rd_kafka_NewTopic_set_config(topic, "flush.messages", "1");
}

/* ---- one administrative call ---- */

struct call {
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
};

static struct call call_begin(struct log_remote *remote, rd_kafka_admin_op_t operation)
{
    char text[TEXT_MAX];
    struct call call = {.queue = rd_kafka_queue_new(remote->client),
                        .options = rd_kafka_AdminOptions_new(remote->client, operation)};
    rd_kafka_AdminOptions_set_request_timeout(call.options, REMOTE_CALL_MS, text, sizeof text);
    return call;
}

/* NULL: *ret_err says why. */
static rd_kafka_event_t *call_wait(struct call *call, enum err *ret_err, struct diag *diag)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(call->queue, REMOTE_CALL_MS + 2000);
    rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    *ret_err = diag_set(diag, remote_err(code), 0, 0, "Kafka: %s",
                        event ? rd_kafka_event_error_string(event) : rd_kafka_err2str(code));
    if (event)
        rd_kafka_event_destroy(event);
    return NULL;
}

static void call_end(struct call *call)
{
    rd_kafka_AdminOptions_destroy(call->options);
    rd_kafka_queue_destroy(call->queue);
}

static enum err topic_result(const rd_kafka_topic_result_t *const *results, size_t count,
                             struct diag *diag)
{
    rd_kafka_resp_err_t code =
        count ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
    const char *text = count ? rd_kafka_topic_result_error_string(results[0]) : NULL;
    return diag_set(diag, remote_err(code), 0, 0, "Kafka: %s",
                    text ? text : rd_kafka_err2str(code));
}

/* ---- what is there ---- */

static void topic_id(const char *name, uint8_t *ret_id)
{
    uint64_t halves[2] = {hash_bytes(name, strlen(name), 1), hash_bytes(name, strlen(name), 2)};
    memcpy(ret_id, halves, sizeof halves);
}

static void take_topic(struct log *log, const struct rd_kafka_metadata_topic *found, uint64_t look)
{
    struct log_topic_config config;
    uint8_t id[LOG_TOPIC_ID];
    if (found->err || found->partition_cnt < 1 || found->partition_cnt > LOG_PARTITIONS_MAX)
        return;
    io_mutex_lock(&log->lock);
    struct log_topic *topic = map_get(&log->topics, str_of(found->topic));
    io_mutex_unlock(&log->lock);
    if (topic) {
        log_topic_grow(topic, found->partition_cnt);
    } else {
        log_topic_config_default(&config);
        config.partitions = found->partition_cnt;
        topic_id(found->topic, id);
        topic = log_topic_adopt(log, str_of(found->topic), id, &config);
    }
    topic->seen = look;
}

/* Those that nobody uses and that the look has not found. */
static void forget_gone(struct log *log, uint64_t look)
{
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        if (!topic->deleted && !topic->wanted && topic->seen != look)
            log_topic_forget(log, topic);
}

enum err remote_topics_load(struct log_remote *remote, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(remote->client, 1, NULL, &metadata, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return ERR_AGAIN;
    log_turn_begin(remote->log);
    uint64_t look = ++remote->looks;
    for (int i = 0; i < metadata->topic_cnt; i++)
        take_topic(remote->log, &metadata->topics[i], look);
    if (metadata->topic_cnt)
        forget_gone(remote->log, look);
    log_turn_end(remote->log);
    rd_kafka_metadata_destroy(metadata);
    return OK;
}

static enum err describe(struct log_topic *topic, struct log_topic_config *config)
{
    struct log_remote *remote = topic->log->remote;
    struct call call = call_begin(remote, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic->name);
    enum err err = OK;
    size_t count = 0;
    rd_kafka_DescribeConfigs(remote->client, &resource, 1, call.options, call.queue);
    rd_kafka_event_t *event = call_wait(&call, &err, NULL);
    if (event) {
        const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
        size_t entries = 0;
        const rd_kafka_ConfigEntry_t **all =
            count ? rd_kafka_ConfigResource_configs(found[0], &entries) : NULL;
        for (size_t i = 0; i < entries; i++) {
            const char *value = rd_kafka_ConfigEntry_value(all[i]);
            if (value)
                take_setting(config, str_of(rd_kafka_ConfigEntry_name(all[i])), str_of(value));
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_ConfigResource_destroy(resource);
    call_end(&call);
    return err;
}

static enum err look_at(struct log_topic *topic)
{
    struct log *log = topic->log;
    io_mutex_lock(&log->lock);
    size_t count = (size_t)topic->config.partitions;
    struct log_partition **partitions = mem_array(count, sizeof(struct log_partition *));
    memcpy(partitions, topic->partitions, count * sizeof *partitions);
    io_mutex_unlock(&log->lock);
    enum err err = remote_look(log->remote, partitions, count, true);
    mem_free(partitions);
    return err;
}

/* Whoever may not see the settings may still read: the defaults stand for them. ERR_AGAIN. */
static enum err look_settings(struct log_topic *topic)
{
    struct log *log = topic->log;
    struct log_topic_config config = log_topic_config(topic);
    if (describe(topic, &config) == ERR_AGAIN)
        return ERR_AGAIN;
    io_mutex_lock(&log->lock);
    config.partitions = topic->config.partitions;
    topic->config = config;
    io_mutex_unlock(&log->lock);
    return OK;
}

enum err remote_topic_want(struct log_topic *topic)
{
    struct log *log = topic->log;
    io_mutex_lock(&log->lock);
    bool wanted = topic->wanted;
    io_mutex_unlock(&log->lock);
    if (wanted)
        return OK;
    enum err err = ERR_AGAIN;
    for (int i = 0; i < WANT_TRIES && err == ERR_AGAIN && remote_may_wait(log->remote); i++) {
        err = look_settings(topic);
        if (err == OK)
            err = look_at(topic);
    }
    TRY(err);
    io_mutex_lock(&log->lock);
    topic->wanted = true;
    io_mutex_unlock(&log->lock);
    return OK;
}

void remote_topics_look(struct log_remote *remote)
{
    struct log *log = remote->log;
    size_t count = 0;
    if (remote_topics_load(remote, REMOTE_CALL_MS / 3) != OK)
        return;
    io_mutex_lock(&log->lock);
    struct log_topic **topics = mem_array(log->topics.count + 1, sizeof(struct log_topic *));
    for (struct log_topic *topic = log->topic_list; topic; topic = topic->next)
        if (!topic->deleted)
            topics[count++] = topic;
    io_mutex_unlock(&log->lock);
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        err = look_settings(topics[i]);
        if (err == OK)
            err = look_at(topics[i]);
    }
    mem_free(topics);
}

/* ---- changing ---- */

/* The leaders of a new topic take a moment. */
static enum err wait_there(struct log_remote *remote, struct str name, int32_t partitions)
{
    struct log *log = remote->log;
    for (int i = 0; i < THERE_TRIES && remote_may_wait(remote); i++) {
        enum err err = remote_topics_load(remote, REMOTE_CALL_MS / 3);
        io_mutex_lock(&log->lock);
        struct log_topic *topic = map_get(&log->topics, name);
        bool there = topic && topic->config.partitions >= partitions;
        io_mutex_unlock(&log->lock);
        if (err == OK && there && look_at(topic) == OK)
            return remote_topic_want(topic);
        io_sleep_ns(log->io, THERE_NS);
    }
    return ERR_AGAIN;
}

enum err remote_topic_create(struct log *log, struct str name,
                             const struct log_topic_config *config, struct diag *diag,
                             struct log_topic **ret_topic)
{
    struct log_remote *remote = log->remote;
    char text[TEXT_MAX];
    CLEAN(mem_free_at) char *copy = str_dup(name);
    if (log_topic_find(log, name))
        return diag_set(diag, ERR_EXISTS, 0, 0, "topic %s exists already", copy);
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(copy, config->partitions, -1, text, sizeof text);
    if (!topic)
        return diag_set(diag, ERR_INVALID, 0, 0, "Kafka: %s", text);
    put_settings(config, topic);
    struct call call = call_begin(remote, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(remote->client, &topic, 1, call.options, call.queue);
    enum err err = OK;
    size_t count;
    rd_kafka_event_t *event = call_wait(&call, &err, diag);
    if (event) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        err = topic_result(results, count, diag);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_NewTopic_destroy(topic);
    call_end(&call);
    if (err == OK || err == ERR_EXISTS) {
        enum err there = wait_there(remote, name, 1);
        err = there == OK ? err : there;
    }
    if (err == OK)
        *ret_topic = log_topic_find(log, name);
    return err;
}

enum err remote_topic_configure(struct log_topic *topic, const struct log_topic_config *config)
{
    struct log_remote *remote = topic->log->remote;
    char text[TEXT_MAX];
    struct log_topic_config now = log_topic_config(topic);
    if (topic->deleted)
        return ERR_CLOSED;
    if (config->partitions <= now.partitions)
        return config->partitions < now.partitions ? ERR_INVALID : OK;
    rd_kafka_NewPartitions_t *more =
        rd_kafka_NewPartitions_new(topic->name, (size_t)config->partitions, text, sizeof text);
    if (!more)
        return ERR_INVALID;
    struct call call = call_begin(remote, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_CreatePartitions(remote->client, &more, 1, call.options, call.queue);
    enum err err = OK;
    size_t count;
    rd_kafka_event_t *event = call_wait(&call, &err, NULL);
    if (event) {
        const rd_kafka_topic_result_t **results = rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(event), &count);
        err = topic_result(results, count, NULL);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_NewPartitions_destroy(more);
    call_end(&call);
    return err == OK ? wait_there(remote, str_of(topic->name), config->partitions) : err;
}

enum err remote_topic_delete(struct log *log, struct str name)
{
    struct log_remote *remote = log->remote;
    struct log_topic *topic = log_topic_find(log, name);
    if (!topic)
        return ERR_NOT_FOUND;
    rd_kafka_DeleteTopic_t *gone = rd_kafka_DeleteTopic_new(topic->name);
    struct call call = call_begin(remote, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_DeleteTopics(remote->client, &gone, 1, call.options, call.queue);
    enum err err = OK;
    size_t count;
    rd_kafka_event_t *event = call_wait(&call, &err, NULL);
    if (event) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
        err = topic_result(results, count, NULL);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_DeleteTopic_destroy(gone);
    call_end(&call);
    if (err == OK) {
        log_turn_begin(log);
        log_topic_forget(log, topic);
        log_turn_end(log);
    }
    return err;
}
