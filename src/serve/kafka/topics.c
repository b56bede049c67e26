/* SPDX-License-Identifier: MIT */
/*
 * CreateTopics, DeleteTopics, CreatePartitions, DeleteRecords. All run in the broker's worker,
 * since they wait for the disk, and answer when what they did is durable and serves: a producer
 * without retries may follow at once.
 *
 * Checks, their order and their texts are those of Kafka's controller. A name given twice in a
 * request is answered once, with INVALID_REQUEST, and nothing is done for it. Topics of the
 * coordinators are neither deleted nor widened: unlike Kafka's, the broker does not run without.
 */
#include "base/diag.h"
#include "serve/kafka/admin.h"
#include "serve/kafka/config_keys.h"

#include <inttypes.h>

enum { PARTITIONS_PER_REQUEST_MAX = 10000 };

/* What is wrong: a code, and a text in the arena or a literal (NULL = none). */
struct refusal {
    int16_t code;
    const char *text;
};
#define FINE ((struct refusal){KAFKA_NONE, NULL})

static struct refusal refuse(int16_t code, const char *text)
{
    return (struct refusal){code, text};
}

static struct refusal refuse_err(enum err err, const struct diag *diag, struct arena *arena)
{
    const char *text = diag && diag->message[0] ? diag->message : err_text(err);
    return refuse(kafka_code(err), arena_text(arena, str_of(text)));
}

/* ---- assignments: partition i is on these brokers, and there is one ---- */

static struct refusal check_brokers(const struct kafka_call *call, const int32_t *ids,
                                    int32_t count, struct arena *arena)
{
    if (count <= 0)
        return refuse(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      "The manual partition assignment includes an empty replica list.");
    for (int32_t i = 0; i < count; i++)
        if (ids[i] != call->broker->options.node_id)
            return refuse(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          arena_printf(arena,
                                       "The manual partition assignment includes broker %" PRId32
                                       ", but no such broker is registered.",
                                       ids[i]));
    if (count > 1)
        return refuse(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      arena_printf(arena,
                                   "The manual partition assignment includes the broker %" PRId32
                                   " more than once.",
                                   ids[0]));
    return FINE;
}

static struct refusal check_assignments(struct kafka_call *call,
                                        const struct kafka_create_topics_request_topic *topic)
{
    int32_t count = topic->assignments_count;
    if (topic->replication_factor != -1)
        return refuse(KAFKA_INVALID_REQUEST, "A manual partition assignment was specified, but "
                                             "replication factor was not set to -1.");
    if (topic->num_partitions != -1)
        return refuse(KAFKA_INVALID_REQUEST, "A manual partition assignment was specified, but "
                                             "numPartitions was not set to -1.");
    bool *seen = arena_zero(&call->arena, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        const struct kafka_create_topics_request_assignment *part = &topic->assignments[i];
        int32_t index = part->partition_index;
        if (index < 0 || index >= count)
            return refuse(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "partitions should be a consecutive 0-based integer sequence");
        if (seen[index])
            return refuse(
                KAFKA_INVALID_REPLICA_ASSIGNMENT,
                arena_printf(&call->arena,
                             "Found multiple manual partition assignments for partition %" PRId32,
                             index));
        seen[index] = true;
        struct refusal r =
            check_brokers(call, part->broker_ids, part->broker_ids_count, &call->arena);
        if (r.code != KAFKA_NONE)
            return r;
    }
    return FINE;
}

/* ---- CreateTopics ---- */

static struct refusal check_counts(struct kafka_call *call,
                                   const struct kafka_create_topics_request_topic *topic)
{
    int16_t factor = topic->replication_factor;
    if (topic->assignments_count > 0)
        return check_assignments(call, topic);
    if (factor < -1 || factor == 0)
        return refuse(KAFKA_INVALID_REPLICATION_FACTOR,
                      "Replication factor must be larger than 0, or -1 to use the default value.");
    if (topic->num_partitions < -1 || topic->num_partitions == 0)
        return refuse(KAFKA_INVALID_PARTITIONS,
                      "Number of partitions was set to an invalid non-positive value.");
    if (topic->num_partitions > PARTITIONS_PER_REQUEST_MAX)
        return refuse(KAFKA_POLICY_VIOLATION,
                      "Excessively large number of partitions per request.");
    if (factor > 1)
        return refuse(
            KAFKA_INVALID_REPLICATION_FACTOR,
            arena_printf(&call->arena,
                         "Unable to replicate the partition %d time(s): The target replication "
                         "factor of %d cannot be reached because only 1 broker(s) are registered.",
                         factor, factor));
    return FINE;
}

/* The last of several values of a key wins, as in Kafka. */
static struct refusal read_settings(struct kafka_call *call,
                                    const struct kafka_create_topics_request_topic *topic,
                                    struct kafka_settings *ret_settings)
{
    struct kafka_settings settings = {0};
    settings.items =
        arena_array(&call->arena, (size_t)topic->configs_count + 1, sizeof *settings.items);
    for (int32_t i = 0; i < topic->configs_count; i++) {
        const struct kafka_create_topics_request_config *config = &topic->configs[i];
        if (!config->value.ptr)
            return refuse(KAFKA_INVALID_CONFIG,
                          arena_printf(&call->arena,
                                       "Null value not supported for topic configs: %.*s",
                                       STR_ARG(config->name)));
        size_t at = 0;
        while (at < settings.count && !str_equal(settings.items[at].name, config->name))
            at++;
        settings.count += at == settings.count;
        settings.items[at] = (struct log_topic_setting){config->name, config->value};
    }
    const char *problem =
        kafka_topic_settings_problem(settings.items, settings.count, &call->arena);
    if (problem)
        return refuse(KAFKA_INVALID_CONFIG, problem);
    *ret_settings = settings;
    return FINE;
}

static struct refusal check_name(struct kafka_call *call, struct str name)
{
    const char *problem = kafka_topic_name_problem(name, &call->arena);
    if (problem)
        return refuse(KAFKA_INVALID_TOPIC_EXCEPTION, problem);
    if (log_topic_find(call->broker->log, name))
        return refuse(KAFKA_TOPIC_ALREADY_EXISTS,
                      arena_printf(&call->arena, "Topic '%.*s' already exists.", STR_ARG(name)));
    struct log_topic *other = kafka_topic_collision(call->broker->log, name);
    if (other)
        return refuse(KAFKA_INVALID_TOPIC_EXCEPTION,
                      arena_printf(&call->arena, "Topic '%.*s' collides with existing topic: %.*s",
                                   STR_ARG(name), STR_ARG(log_topic_name(other))));
    return FINE;
}

/* The topic with its settings, or nothing. */
static struct refusal make(struct kafka_call *call, struct str name,
                           const struct log_topic_config *config,
                           const struct kafka_settings *settings, struct log_topic **ret_topic)
{
    struct log *log = call->broker->log;
    struct diag diag = {0};
    enum err err = log_topic_create(log, name, config, &diag, ret_topic);
    if (err == ERR_EXISTS)
        return refuse(KAFKA_TOPIC_ALREADY_EXISTS,
                      arena_printf(&call->arena, "Topic '%.*s' already exists.", STR_ARG(name)));
    if (err != OK)
        return refuse_err(err, &diag, &call->arena);
    if (settings->count == 0)
        return FINE;
    err = log_topic_settings_set(*ret_topic, settings->items, settings->count);
    if (err == OK)
        return FINE;
    enum err undone = log_topic_delete(log, name);
    return refuse_err(undone == OK ? err : undone, NULL, &call->arena);
}

/* What version 5 and newer are told of the topic that was or would be made. */
static void describe(struct kafka_call *call, const struct log_topic_config *config,
                     const struct log_topic_config *defaults, const struct kafka_settings *settings,
                     struct kafka_create_topics_response_topic *answer)
{
    size_t count = kafka_topic_key_count();
    answer->num_partitions = config->partitions;
    answer->replication_factor = 1;
    if (call->version < 5)
        return;
    answer->configs = KAFKA_NEW(&call->arena, kafka_create_topics_response_config, count);
    answer->configs_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        enum kafka_config_source source;
        struct kafka_create_topics_response_config *row = &answer->configs[i];
        row->name = str_of(kafka_topic_keys[i].name);
        row->value = kafka_topic_value(&kafka_topic_keys[i], config, defaults, settings,
                                       &call->arena, &source);
        row->config_source = (int8_t)source;
    }
}

static struct refusal create_topic(struct kafka_call *call,
                                   const struct kafka_create_topics_request_topic *topic,
                                   struct kafka_create_topics_response_topic *answer)
{
    const struct kafka_create_topics_request *request = call->request;
    struct kafka_settings settings, none = {0};
    struct log_topic_config defaults, config;
    struct log_topic *made;
    struct refusal r = kafka_answer_has_room(call)
                           ? check_name(call, topic->name)
                           : refuse(KAFKA_INVALID_REQUEST, kafka_answer_too_long);
    if (r.code == KAFKA_NONE)
        r = read_settings(call, topic, &settings);
    if (r.code == KAFKA_NONE)
        r = check_counts(call, topic);
    if (r.code != KAFKA_NONE)
        return r;
    kafka_topic_defaults(call->broker, &defaults);
    config = defaults;
    kafka_topic_config_change(&config, &defaults, &none, &settings);
    if (topic->assignments_count > 0)
        config.partitions = topic->assignments_count;
    else if (topic->num_partitions > 0)
        config.partitions = topic->num_partitions;
    if (!request->validate_only) {
        r = make(call, topic->name, &config, &settings, &made);
        if (r.code != KAFKA_NONE)
            return r;
        memcpy(answer->topic_id, log_topic_id(made), sizeof answer->topic_id);
    } else {
        io_random(call->broker->io, answer->topic_id, sizeof answer->topic_id); /* as Kafka does */
    }
    describe(call, &config, &defaults, &settings, answer);
    return FINE;
}

static void create_topics(struct kafka_call *call)
{
    const struct kafka_create_topics_request *request = call->request;
    struct kafka_create_topics_response *response = call->response;
    struct map names = {0};
    size_t count = (size_t)request->topics_count;
    int *twice = arena_zero(&call->arena, count * sizeof *twice + 1);
    response->topics = KAFKA_NEW(&call->arena, kafka_create_topics_response_topic, count);
    for (size_t i = 0; i < count; i++) {
        int *first = map_set(&names, request->topics[i].name, &twice[i]);
        if (!first)
            continue;
        /* The first stands for all; the others are not answered. */
        *first = 1;
        twice[i] = 2;
        map_set(&names, request->topics[i].name, first);
    }
    map_deinit(&names);
    for (size_t i = 0; i < count; i++) {
        if (twice[i] == 2)
            continue;
        struct kafka_create_topics_response_topic *answer =
            &response->topics[response->topics_count++];
        answer->name = request->topics[i].name;
        answer->error_message = STR_NONE;
        struct refusal r = twice[i] ? refuse(KAFKA_INVALID_REQUEST, "Duplicate topic name.")
                                    : create_topic(call, &request->topics[i], answer);
        answer->error_code = r.code;
        answer->error_message = str_of(r.text);
    }
}

void kafka_handle_create_topics(struct kafka_call *call)
{
    kafka_admin_do(call, create_topics, NULL);
}

/* ---- DeleteTopics ---- */

static struct refusal delete_topic(struct kafka_call *call, struct str name, const uint8_t *id,
                                   uint8_t *ret_id)
{
    struct log *log = call->broker->log;
    struct log_topic *topic = name.ptr ? log_topic_find(log, name) : log_topic_find_id(log, id);
    int16_t missing = name.ptr ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
    if (!topic)
        return refuse(missing, kafka_error_text(missing));
    if (kafka_topic_is_ours(log_topic_name(topic)))
        return refuse(KAFKA_INVALID_TOPIC_EXCEPTION,
                      "The server keeps the state of its coordinators in this topic.");
    memcpy(ret_id, log_topic_id(topic), 16);
    enum err err = log_topic_delete(log, log_topic_name(topic));
    if (err == ERR_NOT_FOUND)
        return refuse(missing, kafka_error_text(missing));
    return err == OK ? FINE : refuse_err(err, NULL, &call->arena);
}

static bool id_is_zero(const uint8_t *id)
{
    static const uint8_t zero[16];
    return memcmp(id, zero, sizeof zero) == 0;
}

/* Requests up to version 5 name topics, newer ones have structs: one form for both. */
static size_t deletions(struct kafka_call *call, struct kafka_delete_topics_request_topic **ret)
{
    const struct kafka_delete_topics_request *request = call->request;
    if (call->version >= 6) {
        *ret = request->topics;
        return (size_t)request->topics_count;
    }
    size_t count = (size_t)request->topic_names_count;
    *ret = KAFKA_NEW(&call->arena, kafka_delete_topics_request_topic, count);
    for (size_t i = 0; i < count; i++)
        (*ret)[i].name = request->topic_names[i];
    return count;
}

/* The name that a deletion is about, also when an id was given; NULL = no such id. */
static struct str deleted_name(struct kafka_call *call,
                               const struct kafka_delete_topics_request_topic *asked)
{
    if (asked->name.ptr)
        return asked->name;
    struct log_topic *topic = log_topic_find_id(call->broker->log, asked->topic_id);
    return topic ? log_topic_name(topic) : STR_NONE;
}

static bool deleted_before(struct kafka_call *call,
                           const struct kafka_delete_topics_request_topic *list, size_t i,
                           struct map *names)
{
    struct str name = deleted_name(call, &list[i]);
    return name.ptr && map_set(names, name, call) != NULL;
}

static struct refusal check_deletion(const struct kafka_delete_topics_request_topic *asked)
{
    bool zero = id_is_zero(asked->topic_id);
    if (!asked->name.ptr && zero)
        return refuse(KAFKA_INVALID_REQUEST, "Neither topic name nor id were specified.");
    if (asked->name.ptr && !zero)
        return refuse(KAFKA_INVALID_REQUEST, "You may not specify both topic name and topic id.");
    return FINE;
}

static void delete_topics(struct kafka_call *call)
{
    struct kafka_delete_topics_response *response = call->response;
    struct kafka_delete_topics_request_topic *list;
    size_t count = deletions(call, &list);
    struct map seen = {0}, twice = {0};
    response->responses = KAFKA_NEW(&call->arena, kafka_delete_topics_response_topic, count);
    for (size_t i = 0; i < count; i++)
        if (deleted_before(call, list, i, &seen))
            map_set(&twice, deleted_name(call, &list[i]), call);
    for (size_t i = 0; i < count; i++) {
        struct str name = deleted_name(call, &list[i]);
        struct refusal r = check_deletion(&list[i]);
        bool again = name.ptr && map_get(&twice, name) != NULL;
        if (again && !map_remove(&seen, name))
            continue; /* answered already */
        struct kafka_delete_topics_response_topic *answer =
            &response->responses[response->responses_count++];
        answer->name = name;
        if (name.ptr)
            answer->name = arena_str(&call->arena, name);
        memcpy(answer->topic_id, list[i].topic_id, sizeof answer->topic_id);
        if (r.code == KAFKA_NONE)
            r = again ? refuse(KAFKA_INVALID_REQUEST, "Duplicate topic name.")
                      : delete_topic(call, list[i].name, list[i].topic_id, answer->topic_id);
        answer->error_code = r.code;
        answer->error_message = str_of(r.text);
    }
    map_deinit(&seen);
    map_deinit(&twice);
}

/* Commits of the topics that are gone go too. */
static void forget_commits(struct kafka_call *call)
{
    const struct kafka_delete_topics_response *response = call->response;
    for (int32_t i = 0; i < response->responses_count; i++)
        if (response->responses[i].error_code == KAFKA_NONE)
            kafka_groups_topic_deleted(call->broker, response->responses[i].name);
}

void kafka_handle_delete_topics(struct kafka_call *call)
{
    kafka_admin_do(call, delete_topics, forget_commits);
}

/* ---- CreatePartitions ---- */

static struct refusal check_widening(struct kafka_call *call,
                                     const struct kafka_create_partitions_request_topic *asked,
                                     int32_t have)
{
    if (asked->count == have)
        return refuse(
            KAFKA_INVALID_PARTITIONS,
            arena_printf(&call->arena, "Topic already has %" PRId32 " partition(s).", have));
    if (asked->count < have)
        return refuse(KAFKA_INVALID_PARTITIONS,
                      arena_printf(&call->arena,
                                   "The topic %.*s currently has %" PRId32 " partition(s); %" PRId32
                                   " would not be an increase.",
                                   STR_ARG(asked->name), have, asked->count));
    if (asked->count - have > PARTITIONS_PER_REQUEST_MAX)
        return refuse(KAFKA_POLICY_VIOLATION,
                      "Excessively large number of partitions per request.");
    if (asked->assignments_count >= 0 && asked->assignments_count != asked->count - have)
        return refuse(KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      arena_printf(&call->arena,
                                   "Attempted to add %" PRId32
                                   " additional partition(s), but only %" PRId32
                                   " assignment(s) were specified.",
                                   asked->count - have, asked->assignments_count));
    for (int32_t i = 0; i < asked->assignments_count; i++) {
        struct refusal r = check_brokers(call, asked->assignments[i].broker_ids,
                                         asked->assignments[i].broker_ids_count, &call->arena);
        if (r.code != KAFKA_NONE)
            return r;
    }
    return FINE;
}

static struct refusal widen(struct kafka_call *call,
                            const struct kafka_create_partitions_request_topic *asked)
{
    const struct kafka_create_partitions_request *request = call->request;
    struct log_topic *topic = log_topic_find(call->broker->log, asked->name);
    if (!topic)
        return refuse(KAFKA_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    if (kafka_topic_is_ours(asked->name))
        return refuse(KAFKA_INVALID_TOPIC_EXCEPTION,
                      "The server keeps the state of its coordinators in this topic.");
    struct refusal r = check_widening(call, asked, log_topic_partitions(topic));
    if (r.code != KAFKA_NONE || request->validate_only)
        return r;
    struct log_topic_config config = log_topic_config(topic);
    config.partitions = asked->count;
    enum err err = log_topic_configure(topic, &config);
    if (err == ERR_INVALID)
        return refuse(KAFKA_INVALID_PARTITIONS, "more partitions than a topic may have");
    return err == OK ? FINE : refuse_err(err, NULL, &call->arena);
}

static void create_partitions(struct kafka_call *call)
{
    const struct kafka_create_partitions_request *request = call->request;
    struct kafka_create_partitions_response *response = call->response;
    size_t count = (size_t)request->topics_count;
    struct map seen = {0}, twice = {0};
    response->results = KAFKA_NEW(&call->arena, kafka_create_partitions_response_result, count);
    for (size_t i = 0; i < count; i++)
        if (map_set(&seen, request->topics[i].name, call))
            map_set(&twice, request->topics[i].name, call);
    for (size_t i = 0; i < count; i++) {
        struct str name = request->topics[i].name;
        bool again = map_get(&twice, name) != NULL;
        if (again && !map_remove(&seen, name))
            continue; /* answered already */
        struct refusal r = again ? refuse(KAFKA_INVALID_REQUEST, "Duplicate topic name.")
                                 : widen(call, &request->topics[i]);
        struct kafka_create_partitions_response_result *answer =
            &response->results[response->results_count++];
        answer->name = name;
        answer->error_code = r.code;
        answer->error_message = str_of(r.text);
    }
    map_deinit(&seen);
    map_deinit(&twice);
}

void kafka_handle_create_partitions(struct kafka_call *call)
{
    kafka_admin_do(call, create_partitions, NULL);
}

/* ---- DeleteRecords ---- */

static int16_t trim(struct kafka_call *call, struct log_topic *topic, int32_t index, int64_t offset,
                    int64_t *ret_low)
{
    struct log_partition *partition =
        topic && index >= 0 ? log_topic_partition(topic, index) : NULL;
    if (!partition)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    struct log_topic_config config = log_topic_config(topic);
    if (log_topic_is_internal(topic))
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    if (config.compact && !config.compact_and_delete)
        return KAFKA_POLICY_VIOLATION;
    int64_t end = log_partition_end(partition);
    if (offset == -1)
        offset = end;
    if (offset < 0 || offset > end)
        return KAFKA_OFFSET_OUT_OF_RANGE;
    if (offset > log_partition_start(partition)) {
        enum err err = log_partition_trim(partition, offset);
        if (err != OK)
            return kafka_code(err);
    }
    *ret_low = log_partition_start(partition);
    return KAFKA_NONE;
}

static void delete_records(struct kafka_call *call)
{
    const struct kafka_delete_records_request *request = call->request;
    struct kafka_delete_records_response *response = call->response;
    response->topics =
        KAFKA_NEW(&call->arena, kafka_delete_records_response_topic, (size_t)request->topics_count);
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_delete_records_request_topic *asked = &request->topics[i];
        struct kafka_delete_records_response_topic *answer = &response->topics[i];
        struct log_topic *topic = log_topic_find(call->broker->log, asked->name);
        answer->name = asked->name;
        answer->partitions_count = asked->partitions_count;
        answer->partitions = KAFKA_NEW(&call->arena, kafka_delete_records_response_partition,
                                       (size_t)asked->partitions_count);
        for (int32_t j = 0; j < asked->partitions_count; j++) {
            struct kafka_delete_records_response_partition *row = &answer->partitions[j];
            row->partition_index = asked->partitions[j].partition_index;
            row->low_watermark = -1;
            row->error_code = trim(call, topic, row->partition_index, asked->partitions[j].offset,
                                   &row->low_watermark);
        }
    }
}

void kafka_handle_delete_records(struct kafka_call *call)
{
    kafka_admin_do(call, delete_records, NULL);
}
