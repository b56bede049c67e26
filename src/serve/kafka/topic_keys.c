/* SPDX-License-Identifier: MIT */
/*
 * The configuration keys of topics: one table says of each its type, its default, what it may be,
 * what it means to the log and its description. The names, types, defaults, limits and the texts of
 * refusals are Kafka's (4.4); tools show the texts to people.
 *
 * Keys without get and set are kept and shown and have no effect: they are about replication,
 * tiered storage, or tunings of Kafka's own files. Where the log's number for "default" or "none"
 * is not Kafka's, get and set translate.
 *
 * cleanup.policy may be an empty list: neither compacted nor deleted. The log has no such flag; it
 * is retention without end, set by kafka_topic_config_change() after all other keys.
 */
#include "serve/kafka/config_keys.h"

#include <inttypes.h>
#include <math.h>

#define HOUR_MS (3600LL * 1000)
#define DAY_MS (24 * HOUR_MS)
#define MESSAGE_BYTES 1048588 /* Kafka's default: a MiB, and the overhead of a batch */

/* ---- numbers ---- */

static int64_t number_of(struct str value)
{
    int64_t number = 0;
    struct str text = str_trim(value);
    if (text.bytes > 1 && text.ptr[0] == '+')
        text = str_slice(text, 1, text.bytes);
    return str_to_i64(text, &number) == OK ? number : 0;
}

static void number_put(int64_t number, struct buf *out)
{
    buf_printf(out, "%" PRId64, number);
}

#define NUMBER(key, field, type, from_log, to_log)                                                 \
    static void get_##key(const struct log_topic_config *config, struct buf *out)                  \
    {                                                                                              \
        int64_t number = (int64_t)config->field;                                                   \
        number_put((from_log), out);                                                               \
    }                                                                                              \
    static void set_##key(struct log_topic_config *config, struct str value)                       \
    {                                                                                              \
        int64_t number = number_of(value);                                                         \
        config->field = (type)(to_log);                                                            \
    }

NUMBER(retention_ms, retention_ms, int64_t, number, number)
NUMBER(retention_bytes, retention_bytes, int64_t, number, number < 0 ? -1 : number)
NUMBER(segment_bytes, segment_bytes, int64_t, number ? number : 128 << 20,
       number > 1 << 30 ? 1 << 30 : number)
NUMBER(segment_ms, segment_ms, int64_t, number ? number : 7 * DAY_MS, number)
NUMBER(message_bytes, message_bytes_max, int32_t, number ? number : 16 << 20, number ? number : 1)
NUMBER(time_before, time_before_max_ms, int64_t, number ? number : INT64_MAX, number ? number : 1)
NUMBER(time_after, time_after_max_ms, int64_t, number ? number : HOUR_MS, number ? number : 1)
NUMBER(delete_retention, delete_retention_ms, int64_t, number ? number : DAY_MS,
       number ? number : 1)
NUMBER(lag_min, compaction_lag_min_ms, int64_t, number, number)
NUMBER(lag_max, compaction_lag_max_ms, int64_t, number ? number : INT64_MAX,
       number == INT64_MAX ? 0 : number)
NUMBER(flush_messages, sync_each, bool, number ? 1 : INT64_MAX, number == 1)

static void get_dirty_ratio(const struct log_topic_config *config, struct buf *out)
{
    buf_printf(out, "%.12g", config->dirty_ratio_min > 0 ? config->dirty_ratio_min : 0.5);
}

static void set_dirty_ratio(struct log_topic_config *config, struct str value)
{
    double ratio = 0;
    if (str_to_f64(str_trim(value), &ratio) == OK)
        config->dirty_ratio_min = ratio > 0 ? ratio : 1e-12;
}

/* ---- words ---- */

static bool list_has(struct str list, struct str word)
{
    struct str part;
    while (str_cut(&list, ',', &part))
        if (str_equal(str_trim(part), word))
            return true;
    return false;
}

static void get_policy(const struct log_topic_config *config, struct buf *out)
{
    buf_text(out, !config->compact             ? "delete"
                  : config->compact_and_delete ? "compact,delete"
                                               : "compact");
}

static void set_policy(struct log_topic_config *config, struct str value)
{
    config->compact = list_has(value, STR("compact"));
    config->compact_and_delete = config->compact && list_has(value, STR("delete"));
}

static void get_time_type(const struct log_topic_config *config, struct buf *out)
{
    buf_text(out, config->log_append_time ? "LogAppendTime" : "CreateTime");
}

static void set_time_type(struct log_topic_config *config, struct str value)
{
    config->log_append_time = str_equal(str_trim(value), STR("LogAppendTime"));
}

static void get_compression(const struct log_topic_config *config, struct buf *out)
{
    buf_text(out, !config->recompress                 ? "producer"
                  : config->compression == CODEC_NONE ? "uncompressed"
                                                      : codec_name(config->compression));
}

static void set_compression(struct log_topic_config *config, struct str value)
{
    enum codec codec;
    config->recompress = !str_equal(str_trim(value), STR("producer"));
    config->compression = codec_parse(str_trim(value), &codec) == OK ? codec : CODEC_NONE;
}

/* ---- the table ---- */

#define LOW INT64_MIN
#define HIGH INT64_MAX
#define MAPPED(name) .get = get_##name, .set = set_##name
#define CODECS "uncompressed, zstd, lz4, snappy, gzip, producer"

const struct kafka_topic_key kafka_topic_keys[] = {
    {"cleanup.policy", "log.cleanup.policy", KAFKA_CONFIG_LIST, .choices = "compact, delete",
     MAPPED(policy),
     .doc = "What happens to old segments: delete removes them by age and size, compact keeps the "
            "newest record of each key. Both may be given."},
    {"compression.gzip.level", "compression.gzip.level", KAFKA_CONFIG_INT, "-1", -1, 9,
     .doc = "Kept without effect: the server compresses at the library's usual level."},
    {"compression.lz4.level", "compression.lz4.level", KAFKA_CONFIG_INT, "9", 1, 17,
     .doc = "Kept without effect: the server compresses at the library's usual level."},
    {"compression.type", "compression.type", KAFKA_CONFIG_STRING, .choices = CODECS,
     MAPPED(compression),
     .doc = "How batches are stored: producer is as they were sent; with any other word the server "
            "compresses again those that came otherwise."},
    {"compression.zstd.level", "compression.zstd.level", KAFKA_CONFIG_INT, "3", -131072, 22,
     .doc = "Kept without effect: the server compresses at the library's usual level."},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms", KAFKA_CONFIG_LONG, .min = 0,
     .max = HIGH, MAPPED(delete_retention),
     .doc = "How long a compacted topic keeps the marks of deleted keys."},
    {"file.delete.delay.ms", "log.segment.delete.delay.ms", KAFKA_CONFIG_LONG, "60000", 0, HIGH,
     .doc = "Kept without effect: a removed segment's file lives as long as somebody reads it."},
    {"flush.messages", "log.flush.interval.messages", KAFKA_CONFIG_LONG, .min = 1, .max = HIGH,
     MAPPED(flush_messages),
     .doc = "1: every batch is on the disk before it is acknowledged. Other numbers leave that to "
            "the server's durability."},
    {"flush.ms", NULL, KAFKA_CONFIG_LONG, "9223372036854775807", 0, HIGH,
     .doc = "Kept without effect: see the server's durability."},
    {"follower.replication.throttled.replicas", NULL, KAFKA_CONFIG_LIST, "",
     .doc = "Kept without effect: there is one replica."},
    {"index.interval.bytes", "log.index.interval.bytes", KAFKA_CONFIG_INT, "4096", 0, INT32_MAX,
     .doc = "Kept without effect: how dense the offset index is, is the log's own matter."},
    {"leader.replication.throttled.replicas", NULL, KAFKA_CONFIG_LIST, "",
     .doc = "Kept without effect: there is one replica."},
    {"local.retention.bytes", "log.local.retention.bytes", KAFKA_CONFIG_LONG, "-2", -2, HIGH,
     .doc = "Kept without effect: there is no tiered storage."},
    {"local.retention.ms", "log.local.retention.ms", KAFKA_CONFIG_LONG, "-2", -2, HIGH,
     .doc = "Kept without effect: there is no tiered storage."},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", KAFKA_CONFIG_LONG, .min = 1,
     .max = HIGH, MAPPED(lag_max), .doc = "A record is compacted at the latest after this time."},
    {"max.message.bytes", "message.max.bytes", KAFKA_CONFIG_INT, .min = 0, .max = INT32_MAX,
     MAPPED(message_bytes), .doc = "The largest batch that is accepted, after compression."},
    {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", KAFKA_CONFIG_LONG,
     .min = 0, .max = HIGH, MAPPED(time_after),
     .doc = "How far ahead of the server's clock a producer's timestamp may be."},
    {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", KAFKA_CONFIG_LONG,
     .min = 0, .max = HIGH, MAPPED(time_before),
     .doc =
         "How old a producer's timestamp may be. Below the greatest number each record is looked "
         "at."},
    {"message.timestamp.type", "log.message.timestamp.type", KAFKA_CONFIG_STRING,
     .choices = "CreateTime, LogAppendTime", MAPPED(time_type),
     .doc = "Whether records keep the producer's timestamp or get that of the append."},
    {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", KAFKA_CONFIG_DOUBLE, .min = 0,
     .max = 1, MAPPED(dirty_ratio),
     .doc = "Share of bytes not yet compacted from which on a compacted topic is compacted."},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", KAFKA_CONFIG_LONG, .min = 0,
     .max = HIGH, MAPPED(lag_min), .doc = "A record is not compacted before this time."},
    {"min.insync.replicas", "min.insync.replicas", KAFKA_CONFIG_INT, "1", 1, INT32_MAX,
     .doc = "Counts as 1, as with Kafka where a partition has one replica."},
    {"preallocate", "log.preallocate", KAFKA_CONFIG_BOOLEAN, "false",
     .doc = "Kept without effect: reserving space is the log's own matter."},
    {"remote.log.copy.disable", NULL, KAFKA_CONFIG_BOOLEAN, "false",
     .doc = "Kept without effect: there is no tiered storage."},
    {"remote.log.delete.on.disable", NULL, KAFKA_CONFIG_BOOLEAN, "false",
     .doc = "Kept without effect: there is no tiered storage."},
    {"remote.storage.enable", NULL, KAFKA_CONFIG_BOOLEAN, "false",
     .doc = "There is no tiered storage: only false is accepted."},
    {"retention.bytes", "log.retention.bytes", KAFKA_CONFIG_LONG, .min = LOW, .max = HIGH,
     MAPPED(retention_bytes),
     .doc = "Bytes of a partition over which the oldest segments are removed; -1 is no limit."},
    {"retention.ms", NULL, KAFKA_CONFIG_LONG, .min = -1, .max = HIGH, MAPPED(retention_ms),
     .doc = "Age after which segments are removed; -1 is for ever."},
    {"segment.bytes", "log.segment.bytes", KAFKA_CONFIG_INT, .min = 1 << 20, .max = INT32_MAX,
     MAPPED(segment_bytes), .doc = "Size at which a new segment is begun."},
    {"segment.index.bytes", "log.index.size.max.bytes", KAFKA_CONFIG_INT, "10485760", 4, INT32_MAX,
     .doc = "Kept without effect: indexes grow with their segment."},
    {"segment.jitter.ms", NULL, KAFKA_CONFIG_LONG, "0", 0, HIGH,
     .doc = "Kept without effect: segments are not begun all at once."},
    {"segment.ms", NULL, KAFKA_CONFIG_LONG, .min = 1, .max = HIGH, MAPPED(segment_ms),
     .doc = "Age at which a new segment is begun."},
    {"unclean.leader.election.enable", "unclean.leader.election.enable", KAFKA_CONFIG_BOOLEAN,
     "false", .doc = "Kept without effect: there is one replica."},
    {.name = NULL},
};

size_t kafka_topic_key_count(void)
{
    return sizeof kafka_topic_keys / sizeof *kafka_topic_keys - 1;
}

const struct kafka_topic_key *kafka_topic_key(struct str name)
{
    for (const struct kafka_topic_key *key = kafka_topic_keys; key->name; key++)
        if (str_equal(name, str_of(key->name)))
            return key;
    return NULL;
}

/* ---- what a value may be ---- */

static const char *number_problem(const struct kafka_topic_key *key, struct str value,
                                  struct arena *arena)
{
    bool small = key->type == KAFKA_CONFIG_INT;
    struct str text = str_trim(value);
    int64_t number = 0;
    if (text.bytes > 1 && text.ptr[0] == '+')
        text = str_slice(text, 1, text.bytes);
    if (str_to_i64(text, &number) != OK || (small && (number < INT32_MIN || number > INT32_MAX)))
        return arena_printf(arena, "Not a number of type %s", small ? "INT" : "LONG");
    /* gzip's levels are 1 to 9, and -1 is the library's own. */
    if (str_equal(str_of(key->name), STR("compression.gzip.level")))
        return (number < 1 && number != -1) || number > 9
                   ? "Value must be between 1 and 9 or equal to -1"
                   : NULL;
    if (number < key->min)
        return arena_printf(arena, "Value must be at least %" PRId64, key->min);
    if (number > key->max)
        return arena_printf(arena, "Value must be no more than %" PRId64, key->max);
    return NULL;
}

static const char *real_problem(const struct kafka_topic_key *key, struct str value,
                                struct arena *arena)
{
    double real = 0;
    if (str_to_f64(str_trim(value), &real) != OK || isnan(real))
        return "Not a number of type DOUBLE";
    if (real < (double)key->min)
        return arena_printf(arena, "Value must be at least %" PRId64, key->min);
    if (real > (double)key->max)
        return arena_printf(arena, "Value must be no more than %" PRId64, key->max);
    return NULL;
}

static const char *word_problem(const struct kafka_topic_key *key, struct str word,
                                struct arena *arena)
{
    if (!key->choices || list_has(str_of(key->choices), word))
        return NULL;
    return arena_printf(arena, "String must be one of: %s", key->choices);
}

static const char *list_problem(const struct kafka_topic_key *key, struct str value,
                                struct arena *arena)
{
    struct str part, rest = value;
    if (str_trim(value).bytes == 0)
        return NULL;
    while (key->choices && str_cut(&rest, ',', &part)) {
        const char *problem = word_problem(key, str_trim(part), arena);
        if (problem)
            return problem;
    }
    return NULL;
}

/* '*', or "0:1,1:1": replicas that are slowed down. */
static bool throttled_good(struct str value)
{
    struct str part, rest = str_trim(value);
    if (rest.bytes == 0 || str_equal(rest, STR("*")))
        return true;
    while (str_cut(&rest, ',', &part)) {
        struct str pair = str_trim(part), left;
        uint64_t number;
        if (!str_cut(&pair, ':', &left) || str_to_u64(left, &number) != OK ||
            str_to_u64(pair, &number) != OK)
            return false;
    }
    return true;
}

static const char *value_problem(const struct kafka_topic_key *key, struct str value,
                                 struct arena *arena)
{
    const char *problem = NULL;
    struct str word = str_trim(value);
    switch (key->type) {
    case KAFKA_CONFIG_INT:
    case KAFKA_CONFIG_LONG:
        problem = number_problem(key, value, arena);
        break;
    case KAFKA_CONFIG_DOUBLE:
        problem = real_problem(key, value, arena);
        break;
    case KAFKA_CONFIG_BOOLEAN:
        if (!str_equal_nocase(word, STR("true")) && !str_equal_nocase(word, STR("false")))
            problem = "Expected value to be either true or false";
        break;
    case KAFKA_CONFIG_LIST:
        problem = list_problem(key, value, arena);
        if (!key->choices && !throttled_good(value))
            return arena_printf(arena,
                                "Invalid value [%.*s] for configuration %s: %s must be the literal "
                                "'*' or a list of replicas in the following format: "
                                "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
                                STR_ARG(value), key->name, key->name);
        break;
    default:
        problem = word_problem(key, word, arena);
    }
    if (problem)
        return arena_printf(arena, "Invalid value %.*s for configuration %s: %s", STR_ARG(value),
                            key->name, problem);
    return NULL;
}

const struct log_topic_setting *kafka_setting(const struct kafka_settings *settings,
                                              struct str name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (str_equal(settings->items[i].name, name))
            return &settings->items[i];
    return NULL;
}

const char *kafka_topic_settings_problem(const struct log_topic_setting *settings, size_t count,
                                         struct arena *arena)
{
    const struct kafka_settings all = {(struct log_topic_setting *)settings, count};
    for (size_t i = 0; i < count; i++) {
        const struct kafka_topic_key *key = kafka_topic_key(settings[i].name);
        if (!key)
            return arena_printf(arena, "Unknown topic config name: %.*s",
                                STR_ARG(settings[i].name));
        const char *problem = value_problem(key, settings[i].value, arena);
        if (problem)
            return problem;
    }
    const struct log_topic_setting *min = kafka_setting(&all, STR("min.compaction.lag.ms"));
    const struct log_topic_setting *max = kafka_setting(&all, STR("max.compaction.lag.ms"));
    if (min && max && number_of(min->value) > number_of(max->value))
        return arena_printf(arena,
                            "conflict topic config setting min.compaction.lag.ms (%" PRId64
                            ") > max.compaction.lag.ms (%" PRId64 ")",
                            number_of(min->value), number_of(max->value));
    const struct log_topic_setting *remote = kafka_setting(&all, STR("remote.storage.enable"));
    if (remote && str_equal_nocase(str_trim(remote->value), STR("true")))
        return "Tiered Storage functionality is disabled in the broker. Topic cannot be configured "
               "with remote log storage.";
    return NULL;
}

/* ---- what a topic has ---- */

void kafka_topic_defaults(const struct kafka_broker *broker, struct log_topic_config *ret_config)
{
    if (broker->options.topic_defaults)
        *ret_config = *broker->options.topic_defaults;
    else
        log_topic_config_default(ret_config);
    if (ret_config->message_bytes_max == 0)
        ret_config->message_bytes_max = MESSAGE_BYTES;
    ret_config->partitions = broker->options.partitions_default;
}

struct str kafka_topic_fallback(const struct kafka_topic_key *key,
                                const struct log_topic_config *defaults, struct arena *arena)
{
    CLEAN(buf_deinit) struct buf text = {.bytes_max = 256};
    if (!key->get)
        return str_of(key->fallback);
    key->get(defaults, &text);
    return arena_str(arena, buf_str(&text));
}

static bool keeps_all(const struct kafka_settings *settings)
{
    const struct log_topic_setting *policy = kafka_setting(settings, STR("cleanup.policy"));
    return policy && str_trim(policy->value).bytes == 0;
}

static void reset(struct log_topic_config *config, const struct log_topic_config *defaults,
                  const char *name)
{
    const struct kafka_topic_key *key = kafka_topic_key(str_of(name));
    CLEAN(buf_deinit) struct buf text = {.bytes_max = 256};
    if (!key || !key->set)
        return;
    key->get(defaults, &text);
    key->set(config, buf_str(&text));
}

void kafka_topic_config_change(struct log_topic_config *config,
                               const struct log_topic_config *defaults,
                               const struct kafka_settings *old, const struct kafka_settings *new)
{
    for (const struct kafka_topic_key *key = kafka_topic_keys; key->name; key++)
        if (kafka_setting(old, str_of(key->name)) && !kafka_setting(new, str_of(key->name)))
            reset(config, defaults, key->name);
    if (keeps_all(old)) {
        reset(config, defaults, "retention.ms");
        reset(config, defaults, "retention.bytes");
    }
    for (size_t i = 0; i < new->count; i++) {
        const struct kafka_topic_key *key = kafka_topic_key(new->items[i].name);
        if (key && key->set)
            key->set(config, new->items[i].value);
    }
    if (keeps_all(new)) {
        config->retention_ms = -1;
        config->retention_bytes = -1;
    }
}

/* What was given, unless the topic was changed by another door since; else what the log has. */
struct str kafka_topic_value(const struct kafka_topic_key *key,
                             const struct log_topic_config *config,
                             const struct log_topic_config *defaults,
                             const struct kafka_settings *settings, struct arena *arena,
                             enum kafka_config_source *ret_source)
{
    const struct log_topic_setting *given = kafka_setting(settings, str_of(key->name));
    struct str fallback = kafka_topic_fallback(key, defaults, arena);
    *ret_source = given ? KAFKA_SOURCE_TOPIC : KAFKA_SOURCE_DEFAULT;
    /* Kafka since 4.1 sets this one for the whole cluster by itself, and tests look at that. */
    if (!given && str_equal(str_of(key->name), STR("min.insync.replicas")))
        *ret_source = KAFKA_SOURCE_DYNAMIC_DEFAULT;
    if (!key->get)
        return given ? given->value : fallback;
    struct log_topic_config other = *config;
    CLEAN(buf_deinit) struct buf have = {.bytes_max = 256}, told = {.bytes_max = 256};
    key->get(config, &have);
    if (given) {
        key->set(&other, given->value);
        key->get(&other, &told);
        bool endless = keeps_all(settings) && str_starts(str_of(key->name), STR("retention."));
        if (endless || str_equal(buf_str(&have), buf_str(&told)))
            return given->value;
    } else if (str_equal(buf_str(&have), fallback) || keeps_all(settings)) {
        return fallback;
    }
    *ret_source = KAFKA_SOURCE_TOPIC;
    return arena_str(arena, buf_str(&have));
}
