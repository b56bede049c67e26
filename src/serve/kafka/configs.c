/* SPDX-License-Identifier: MIT */
/*
 * DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources.
 *
 * Resources: topics have what topic_keys.c lists, the broker what broker_keys.c lists. Loggers,
 * groups and client metrics exist as kinds and have no keys here. What changes is topics only: the
 * broker's settings are those of its project, all of them read-only; Kafka's own answer for such a
 * key is given.
 *
 * AlterConfigs replaces all settings of a topic, IncrementalAlterConfigs changes the named ones. A
 * resource is changed whole or not at all: the log's own config first, then the text; if the text
 * cannot be written the config goes back. Texts of refusals are Kafka's.
 */
#include "serve/kafka/admin.h"
#include "serve/kafka/config_keys.h"

#include <inttypes.h>

#define ROW struct kafka_describe_configs_response_config
#define SYNONYM struct kafka_describe_configs_response_synonym
#define RESULT struct kafka_describe_configs_response_result

enum { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };

static const char MALFORMED[] =
    "This most likely occurs because of a request being malformed by the client library or the "
    "message was sent to an incompatible broker. See the broker logs for more details.";

static struct str call_text(struct kafka_call *call, struct buf *text)
{
    struct str s = arena_str(&call->arena, buf_str(text));
    buf_deinit(text);
    return s;
}

/* Does the request want this key? Null and empty lists want all. */
static bool wanted(const struct kafka_describe_configs_request_resource *asked, const char *name)
{
    if (asked->configuration_keys_count <= 0)
        return true;
    for (int32_t i = 0; i < asked->configuration_keys_count; i++)
        if (str_equal(asked->configuration_keys[i], str_of(name)))
            return true;
    return false;
}

static void synonym_add(ROW *row, const char *name, struct str value, int source)
{
    SYNONYM *synonym = &row->synonyms[row->synonyms_count++];
    synonym->name = str_of(name);
    synonym->value = value;
    synonym->source = (int8_t)source;
}

/* ---- topics ---- */

static void describe_key(struct kafka_call *call, const struct kafka_topic_key *key,
                         struct log_topic *topic, const struct kafka_settings *settings, ROW *row)
{
    const struct kafka_describe_configs_request *request = call->request;
    struct log_topic_config defaults, config = log_topic_config(topic);
    enum kafka_config_source source;
    kafka_topic_defaults(call->broker, &defaults);
    row->name = str_of(key->name);
    row->value = kafka_topic_value(key, &config, &defaults, settings, &call->arena, &source);
    row->config_source = (int8_t)source;
    row->config_type = (int8_t)key->type;
    row->documentation = request->include_documentation ? str_of(key->doc) : STR_NONE;
    if (!request->include_synonyms)
        return;
    row->synonyms = KAFKA_NEW(&call->arena, kafka_describe_configs_response_synonym, 2);
    if (source != KAFKA_SOURCE_DEFAULT)
        synonym_add(row, key->name, row->value, source);
    if (key->synonym)
        synonym_add(row, key->synonym, kafka_topic_fallback(key, &defaults, &call->arena),
                    KAFKA_SOURCE_DEFAULT);
}

static void describe_topic(struct kafka_call *call,
                           const struct kafka_describe_configs_request_resource *asked,
                           RESULT *result)
{
    const char *problem = kafka_topic_name_problem(asked->resource_name, &call->arena);
    struct log_topic *topic = log_topic_find(call->broker->log, asked->resource_name);
    if (problem || !topic) {
        result->error_code =
            problem ? KAFKA_INVALID_TOPIC_EXCEPTION : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        result->error_message = str_of(problem ? problem : "");
        return;
    }
    struct kafka_settings settings = {0};
    settings.count = log_topic_settings(topic, &call->arena, &settings.items);
    result->configs =
        KAFKA_NEW(&call->arena, kafka_describe_configs_response_config, kafka_topic_key_count());
    for (const struct kafka_topic_key *key = kafka_topic_keys; key->name; key++)
        if (wanted(asked, key->name))
            describe_key(call, key, topic, &settings, &result->configs[result->configs_count++]);
}

/* ---- the broker ---- */

/* Is it this broker's id, or (where the kind has one) the empty name of all brokers' defaults? */
static bool check_broker(struct kafka_call *call, struct str name, bool empty_good, RESULT *result)
{
    int64_t id;
    if (name.bytes == 0 && empty_good)
        return true;
    result->error_code = KAFKA_INVALID_REQUEST;
    if (name.bytes == 0)
        result->error_message = STR("Broker id must not be empty");
    else if (str_to_i64(name, &id) != OK)
        result->error_message =
            kafka_text(call, "Broker id must be an integer, but it is: %.*s", STR_ARG(name));
    else if (id != call->broker->options.node_id)
        result->error_message = kafka_text(
            call, "Unexpected broker id, expected %" PRId32 "%s but received %.*s",
            call->broker->options.node_id, empty_good ? " or empty string," : "", STR_ARG(name));
    else
        result->error_code = KAFKA_NONE;
    return result->error_code == KAFKA_NONE;
}

static void describe_broker_key(struct kafka_call *call, const struct kafka_broker_key *key,
                                ROW *row)
{
    const struct kafka_describe_configs_request *request = call->request;
    struct str fallback = str_of(key->fallback);
    row->name = str_of(key->name);
    row->value = fallback;
    row->read_only = true;
    row->is_sensitive = key->type == KAFKA_CONFIG_PASSWORD;
    row->config_source = KAFKA_SOURCE_DEFAULT;
    row->config_type = (int8_t)key->type;
    row->documentation = STR_NONE;
    if (request->include_documentation)
        row->documentation =
            str_of(key->doc ? key->doc : "A key of Kafka that has no effect on this server.");
    if (key->value) {
        struct buf text = {.bytes_max = 4096};
        key->value(call, &text);
        row->value = call_text(call, &text);
    }
    bool own = row->value.ptr && (!fallback.ptr || !str_equal(row->value, fallback));
    if (own)
        row->config_source = KAFKA_SOURCE_STATIC_BROKER;
    if (!request->include_synonyms)
        return;
    row->synonyms = KAFKA_NEW(&call->arena, kafka_describe_configs_response_synonym, 2);
    if (own)
        synonym_add(row, key->name, row->value, KAFKA_SOURCE_STATIC_BROKER);
    if (fallback.ptr)
        synonym_add(row, key->name, fallback, KAFKA_SOURCE_DEFAULT);
}

static void describe_broker(struct kafka_call *call,
                            const struct kafka_describe_configs_request_resource *asked,
                            RESULT *result)
{
    /* Of all brokers together nothing is set. */
    if (!check_broker(call, asked->resource_name, true, result) || asked->resource_name.bytes == 0)
        return;
    result->configs =
        KAFKA_NEW(&call->arena, kafka_describe_configs_response_config, kafka_broker_key_count());
    for (const struct kafka_broker_key *key = kafka_broker_keys; key->name; key++)
        if (wanted(asked, key->name))
            describe_broker_key(call, key, &result->configs[result->configs_count++]);
}

/* ---- DescribeConfigs ---- */

static void describe_resource(struct kafka_call *call,
                              const struct kafka_describe_configs_request_resource *asked,
                              RESULT *result)
{
    result->resource_type = asked->resource_type;
    result->resource_name = asked->resource_name;
    if (!kafka_answer_has_room(call)) {
        result->error_code = KAFKA_INVALID_REQUEST;
        result->error_message = str_of(kafka_answer_too_long);
        return;
    }
    switch (asked->resource_type) {
    case KAFKA_RESOURCE_TOPIC:
        describe_topic(call, asked, result);
        return;
    case KAFKA_RESOURCE_BROKER:
        describe_broker(call, asked, result);
        return;
    case KAFKA_RESOURCE_BROKER_LOGGER:
        (void)check_broker(call, asked->resource_name, false, result);
        return;
    case KAFKA_RESOURCE_CLIENT_METRICS:
    case KAFKA_RESOURCE_GROUP:
        if (asked->resource_name.bytes > 0)
            return;
        result->error_code = KAFKA_INVALID_REQUEST;
        result->error_message = asked->resource_type == KAFKA_RESOURCE_GROUP
                                    ? STR("Group name must not be empty")
                                    : STR("Client metrics subscription name must not be empty");
        return;
    default:
        result->error_code = KAFKA_INVALID_REQUEST;
        result->error_message = str_of(MALFORMED);
    }
}

void kafka_handle_describe_configs(struct kafka_call *call)
{
    const struct kafka_describe_configs_request *request = call->request;
    struct kafka_describe_configs_response *response = call->response;
    size_t count = (size_t)request->resources_count;
    response->results = KAFKA_NEW(&call->arena, kafka_describe_configs_response_result, count);
    response->results_count = request->resources_count;
    for (size_t i = 0; i < count; i++)
        describe_resource(call, &request->resources[i], &response->results[i]);
    kafka_answer(call);
}

/* ---- changing: one form for both requests ---- */

struct change {
    struct str name;
    struct str value;
    int op;
};
struct changes {
    int8_t resource_type;
    struct str resource_name;
    struct change *items;
    size_t count;
    bool all;      /* what is not named goes */
    bool validate; /* and nothing is done */
    int16_t code;  /* the answer */
    struct str text;
};

static bool fail(struct changes *changes, int16_t code, struct str text)
{
    changes->code = code;
    changes->text = text;
    return false;
}

/* APPEND and SUBTRACT: elements of a list. */
static struct str list_change(struct kafka_call *call, struct str list, const struct change *change)
{
    struct buf out = {0};
    struct str part, rest = list, other;
    while (str_cut(&rest, ',', &part)) {
        struct str word = str_trim(part);
        bool named = false;
        for (struct str r = change->value; str_cut(&r, ',', &other);)
            named |= str_equal(word, str_trim(other));
        if (word.bytes == 0 || (change->op == OP_SUBTRACT && named))
            continue;
        buf_text(&out, out.bytes ? "," : "");
        buf_str_append(&out, word);
    }
    for (struct str r = change->value; change->op == OP_APPEND && str_cut(&r, ',', &other);) {
        bool there = false;
        struct str have = buf_str(&out);
        while (str_cut(&have, ',', &part))
            there |= str_equal(part, str_trim(other));
        if (there || str_trim(other).bytes == 0)
            continue;
        buf_text(&out, out.bytes ? "," : "");
        buf_str_append(&out, str_trim(other));
    }
    return call_text(call, &out);
}

static void setting_put(struct kafka_settings *settings, struct str name, struct str value)
{
    size_t at = 0;
    while (at < settings->count && !str_equal(settings->items[at].name, name))
        at++;
    settings->count += at == settings->count;
    settings->items[at] = (struct log_topic_setting){name, value};
}

static void setting_remove(struct kafka_settings *settings, struct str name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (str_equal(settings->items[i].name, name)) {
            memmove(&settings->items[i], &settings->items[i + 1],
                    (settings->count - i - 1) * sizeof *settings->items);
            settings->count--;
            return;
        }
}

static bool is_list(struct kafka_call *call, struct changes *changes, const struct change *change)
{
    const struct kafka_topic_key *key = kafka_topic_key(change->name);
    if (key && key->type == KAFKA_CONFIG_LIST)
        return true;
    return fail(changes, KAFKA_INVALID_CONFIG,
                kafka_text(call, "Can't %s key %.*s because its type is not LIST.",
                           change->op == OP_APPEND ? "APPEND to" : "SUBTRACT from",
                           STR_ARG(change->name)));
}

static bool apply_one(struct kafka_call *call, struct log_topic *topic, struct changes *changes,
                      const struct change *change, struct kafka_settings *settings)
{
    const struct kafka_topic_key *key = kafka_topic_key(change->name);
    struct log_topic_config defaults, config = log_topic_config(topic);
    enum kafka_config_source source;
    switch (change->op) {
    case OP_SET:
        setting_put(settings, change->name, change->value);
        return true;
    case OP_DELETE:
        setting_remove(settings, change->name);
        return true;
    case OP_APPEND:
    case OP_SUBTRACT:
        if (!is_list(call, changes, change))
            return false;
        kafka_topic_defaults(call->broker, &defaults);
        setting_put(
            settings, change->name,
            list_change(call,
                        kafka_topic_value(key, &config, &defaults, settings, &call->arena, &source),
                        change));
        return true;
    default:
        return fail(changes, KAFKA_INVALID_REQUEST, STR("Unknown config operation."));
    }
}

/* Names once, values where they are needed. */
static bool check_changes(struct kafka_call *call, struct changes *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        for (size_t j = 0; j < i; j++)
            if (str_equal(changes->items[i].name, changes->items[j].name))
                return fail(changes, KAFKA_INVALID_REQUEST,
                            STR("Error due to duplicate config keys"));
    for (size_t i = 0; i < changes->count; i++)
        if (!changes->items[i].value.ptr && changes->items[i].op != OP_DELETE)
            return fail(changes, KAFKA_INVALID_REQUEST,
                        kafka_text(call, "Null value not supported for : %.*s",
                                   STR_ARG(changes->items[i].name)));
    return true;
}

static void store(struct log_topic *topic, struct changes *changes,
                  const struct log_topic_config *was, const struct log_topic_config *config,
                  const struct kafka_settings *settings)
{
    enum err err = log_topic_configure(topic, config);
    if (err == OK) {
        err = log_topic_settings_set(topic, settings->items, settings->count);
        if (err != OK && log_topic_configure(topic, was) != OK)
            err = ERR_IO;
    }
    if (err != OK)
        fail(changes, kafka_code(err), str_of(err_text(err)));
}

/* No such topic; values that none may have are told first. */
static void change_nothing(struct kafka_call *call, struct changes *changes)
{
    struct kafka_settings new = {0};
    new.items = arena_array(&call->arena, changes->count + 1, sizeof *new.items);
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->items[i].op == OP_SET)
            setting_put(&new, changes->items[i].name, changes->items[i].value);
        else if (changes->items[i].op != OP_DELETE && !is_list(call, changes, &changes->items[i]))
            return;
    }
    const char *problem = kafka_topic_settings_problem(new.items, new.count, &call->arena);
    if (problem)
        fail(changes, KAFKA_INVALID_CONFIG, str_of(problem));
    else
        fail(changes, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
             kafka_text(call, "The topic '%.*s' does not exist.", STR_ARG(changes->resource_name)));
}

static void change_topic(struct kafka_call *call, struct changes *changes)
{
    struct str name = changes->resource_name;
    struct log_topic *topic = log_topic_find(call->broker->log, name);
    struct kafka_settings old = {0}, new = {0}, named = {0};
    if (name.bytes == 0) {
        fail(changes, KAFKA_INVALID_REQUEST, STR("Default topic resources are not allowed."));
        return;
    }
    if (!check_changes(call, changes))
        return;
    if (!topic) {
        change_nothing(call, changes);
        return;
    }
    old.count = log_topic_settings(topic, &call->arena, &old.items);
    size_t room = old.count + changes->count + 1;
    new.items = arena_array(&call->arena, room, sizeof *new.items);
    named.items = arena_array(&call->arena, room, sizeof *named.items);
    for (size_t i = 0; i < old.count; i++) {
        setting_put(&named, old.items[i].name, old.items[i].value);
        if (!changes->all)
            setting_put(&new, old.items[i].name, old.items[i].value);
    }
    for (size_t i = 0; i < changes->count; i++) {
        /* A deleted key goes back to its default also when another door had set it. */
        if (changes->items[i].op == OP_DELETE && !kafka_setting(&named, changes->items[i].name))
            setting_put(&named, changes->items[i].name, STR("0"));
        if (!apply_one(call, topic, changes, &changes->items[i], &new))
            return;
    }
    const char *problem = kafka_topic_settings_problem(new.items, new.count, &call->arena);
    if (problem) {
        fail(changes, KAFKA_INVALID_CONFIG, str_of(problem));
        return;
    }
    struct log_topic_config defaults, was = log_topic_config(topic), config = was;
    kafka_topic_defaults(call->broker, &defaults);
    kafka_topic_config_change(&config, &defaults, &named, &new);
    if (!changes->validate)
        store(topic, changes, &was, &config, &new);
}

static const struct kafka_broker_key *broker_key(struct str name)
{
    for (const struct kafka_broker_key *key = kafka_broker_keys; key->name; key++)
        if (str_equal(str_of(key->name), name))
            return key;
    return NULL;
}

static void change_broker(struct kafka_call *call, struct changes *changes)
{
    int64_t id;
    struct str name = changes->resource_name;
    if (name.bytes > 0 && (str_to_i64(name, &id) != OK || id != call->broker->options.node_id)) {
        fail(changes, KAFKA_INVALID_REQUEST,
             kafka_text(call, "Unexpected broker id, expected %" PRId32 ", but received %.*s",
                        call->broker->options.node_id, STR_ARG(name)));
        return;
    }
    struct buf list = {0};
    for (size_t i = 0; i < changes->count; i++) {
        if (!broker_key(changes->items[i].name)) {
            buf_deinit(&list);
            fail(changes, KAFKA_INVALID_CONFIG,
                 kafka_text(call, "Unknown broker config name: %.*s",
                            STR_ARG(changes->items[i].name)));
            return;
        }
        buf_text(&list, i ? ", " : "");
        buf_str_append(&list, changes->items[i].name);
    }
    struct str names = call_text(call, &list);
    if (changes->count > 0)
        fail(changes, KAFKA_INVALID_REQUEST,
             kafka_text(call, "Cannot update these configs dynamically: [%.*s]", STR_ARG(names)));
}

static void change_logger(struct kafka_call *call, struct changes *changes)
{
    RESULT result = {0};
    if (changes->all)
        fail(changes, KAFKA_INVALID_REQUEST, STR("Unknown resource type 8"));
    else if (!check_broker(call, changes->resource_name, false, &result))
        fail(changes, result.error_code, result.error_message);
    else if (changes->count > 0)
        fail(changes, KAFKA_INVALID_CONFIG,
             kafka_text(call, "Logger %.*s does not exist!", STR_ARG(changes->items[0].name)));
}

static void change(struct kafka_call *call, struct changes *changes)
{
    switch (changes->resource_type) {
    case KAFKA_RESOURCE_TOPIC:
        change_topic(call, changes);
        return;
    case KAFKA_RESOURCE_BROKER:
        change_broker(call, changes);
        return;
    case KAFKA_RESOURCE_BROKER_LOGGER:
        change_logger(call, changes);
        return;
    case KAFKA_RESOURCE_CLIENT_METRICS:
    case KAFKA_RESOURCE_GROUP:
        /* No keys, and so no key that could be set. */
        if (changes->count > 0)
            fail(changes, KAFKA_INVALID_CONFIG,
                 kafka_text(call, "Unknown %s config name: %.*s",
                            changes->resource_type == KAFKA_RESOURCE_GROUP ? "group"
                                                                           : "client metrics",
                            STR_ARG(changes->items[0].name)));
        return;
    default:
        fail(changes, KAFKA_INVALID_REQUEST,
             kafka_text(call, "Unknown resource type %d", changes->resource_type));
    }
}

/* A resource that is named twice is refused each time, and nothing of it is done. */
static void change_all(struct kafka_call *call, struct changes *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool twice = false;
        for (size_t j = 0; j < count && !twice; j++)
            twice = j != i && list[j].resource_type == list[i].resource_type &&
                    str_equal(list[j].resource_name, list[i].resource_name);
        if (twice)
            fail(&list[i], KAFKA_INVALID_REQUEST, STR("Each resource must appear at most once."));
        else
            change(call, &list[i]);
    }
}

static void alter_configs(struct kafka_call *call)
{
    const struct kafka_alter_configs_request *request = call->request;
    struct kafka_alter_configs_response *response = call->response;
    size_t count = (size_t)request->resources_count;
    struct changes *list = arena_zero(&call->arena, count * sizeof *list + 1);
    for (size_t i = 0; i < count; i++) {
        const struct kafka_alter_configs_request_resource *asked = &request->resources[i];
        list[i] = (struct changes){asked->resource_type, asked->resource_name, .all = true,
                                   .validate = request->validate_only};
        list[i].count = (size_t)asked->configs_count;
        list[i].items = arena_array(&call->arena, list[i].count + 1, sizeof *list[i].items);
        for (size_t j = 0; j < list[i].count; j++)
            list[i].items[j] =
                (struct change){asked->configs[j].name, asked->configs[j].value, OP_SET};
    }
    change_all(call, list, count);
    response->responses = KAFKA_NEW(&call->arena, kafka_alter_configs_response_resource, count);
    response->responses_count = (int32_t)count;
    for (size_t i = 0; i < count; i++)
        response->responses[i] = (struct kafka_alter_configs_response_resource){
            .error_code = list[i].code,
            .error_message = list[i].text,
            .resource_type = list[i].resource_type,
            .resource_name = list[i].resource_name,
        };
}

void kafka_handle_alter_configs(struct kafka_call *call)
{
    kafka_admin_do(call, alter_configs, NULL);
}

static void incremental_alter_configs(struct kafka_call *call)
{
    const struct kafka_incremental_alter_configs_request *request = call->request;
    struct kafka_incremental_alter_configs_response *response = call->response;
    size_t count = (size_t)request->resources_count;
    struct changes *list = arena_zero(&call->arena, count * sizeof *list + 1);
    for (size_t i = 0; i < count; i++) {
        const struct kafka_incremental_alter_configs_request_resource *asked =
            &request->resources[i];
        list[i] = (struct changes){asked->resource_type, asked->resource_name,
                                   .validate = request->validate_only};
        list[i].count = (size_t)asked->configs_count;
        list[i].items = arena_array(&call->arena, list[i].count + 1, sizeof *list[i].items);
        for (size_t j = 0; j < list[i].count; j++)
            list[i].items[j] = (struct change){asked->configs[j].name, asked->configs[j].value,
                                               asked->configs[j].config_operation};
    }
    change_all(call, list, count);
    response->responses =
        KAFKA_NEW(&call->arena, kafka_incremental_alter_configs_response_resource, count);
    response->responses_count = (int32_t)count;
    for (size_t i = 0; i < count; i++)
        response->responses[i] = (struct kafka_incremental_alter_configs_response_resource){
            .error_code = list[i].code,
            .error_message = list[i].text,
            .resource_type = list[i].resource_type,
            .resource_name = list[i].resource_name,
        };
}

void kafka_handle_incremental_alter_configs(struct kafka_call *call)
{
    kafka_admin_do(call, incremental_alter_configs, NULL);
}

/* ---- ListConfigResources ---- */

static bool listed(const struct kafka_call *call, int8_t type)
{
    const struct kafka_list_config_resources_request *request = call->request;
    /* Version 0 was ListClientMetricsResources. */
    if (call->version == 0)
        return type == KAFKA_RESOURCE_CLIENT_METRICS;
    for (int32_t i = 0; i < request->resource_types_count; i++)
        if (request->resource_types[i] == type)
            return true;
    return request->resource_types_count == 0;
}

static void list_add(struct kafka_call *call, struct str name, int8_t type)
{
    struct kafka_list_config_resources_response *response = call->response;
    struct kafka_list_config_resources_response_config_resource *row =
        &response->config_resources[response->config_resources_count++];
    row->resource_name = name;
    row->resource_type = type;
}

void kafka_handle_list_config_resources(struct kafka_call *call)
{
    const struct kafka_list_config_resources_request *request = call->request;
    struct kafka_list_config_resources_response *response = call->response;
    for (int32_t i = 0; i < request->resource_types_count; i++) {
        int8_t type = request->resource_types[i];
        if (type != KAFKA_RESOURCE_TOPIC && type != KAFKA_RESOURCE_BROKER &&
            type != KAFKA_RESOURCE_BROKER_LOGGER && type != KAFKA_RESOURCE_CLIENT_METRICS &&
            type != KAFKA_RESOURCE_GROUP) {
            response->error_code = KAFKA_UNSUPPORTED_VERSION;
            kafka_answer(call);
            return;
        }
    }
    struct log_topic **topics;
    size_t count = log_topics(call->broker->log, &topics);
    struct str id = kafka_text(call, "%" PRId32, call->broker->options.node_id);
    response->config_resources =
        KAFKA_NEW(&call->arena, kafka_list_config_resources_response_config_resource, count + 2);
    if (listed(call, KAFKA_RESOURCE_BROKER_LOGGER))
        list_add(call, id, KAFKA_RESOURCE_BROKER_LOGGER);
    if (listed(call, KAFKA_RESOURCE_BROKER))
        list_add(call, id, KAFKA_RESOURCE_BROKER);
    for (size_t i = 0; i < count && listed(call, KAFKA_RESOURCE_TOPIC); i++)
        list_add(call, log_topic_name(topics[i]), KAFKA_RESOURCE_TOPIC);
    mem_free(topics);
    kafka_answer(call);
}
