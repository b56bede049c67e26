/* SPDX-License-Identifier: MIT */
#ifndef SERVE_KAFKA_CONFIG_KEYS_H
#define SERVE_KAFKA_CONFIG_KEYS_H

#include "serve/kafka/broker.h"

/*
 * Kafka's configuration keys: topic_keys.c those of topics, broker_keys.c those of a broker.
 * Values are text. Of a topic two things are kept: the text that was given, by key
 * (log_topic_settings_set), and what it means to the log (struct log_topic_config).
 */
enum kafka_config_type {
    KAFKA_CONFIG_BOOLEAN = 1,
    KAFKA_CONFIG_STRING = 2,
    KAFKA_CONFIG_INT = 3,
    KAFKA_CONFIG_SHORT = 4,
    KAFKA_CONFIG_LONG = 5,
    KAFKA_CONFIG_DOUBLE = 6,
    KAFKA_CONFIG_LIST = 7,
    KAFKA_CONFIG_CLASS = 8,
    KAFKA_CONFIG_PASSWORD = 9,
};
enum kafka_config_source {
    KAFKA_SOURCE_TOPIC = 1,
    KAFKA_SOURCE_DYNAMIC_DEFAULT = 3,
    KAFKA_SOURCE_STATIC_BROKER = 4,
    KAFKA_SOURCE_DEFAULT = 5,
};
enum kafka_resource_type {
    KAFKA_RESOURCE_TOPIC = 2,
    KAFKA_RESOURCE_BROKER = 4,
    KAFKA_RESOURCE_BROKER_LOGGER = 8,
    KAFKA_RESOURCE_CLIENT_METRICS = 16,
    KAFKA_RESOURCE_GROUP = 32,
};

/* ---- topic_keys.c ---- */

struct kafka_topic_key {
    const char *name;
    const char *synonym; /* the broker's key that gives the default; NULL = not shown */
    enum kafka_config_type type;
    const char *fallback; /* the default; NULL = that of the log */
    int64_t min, max;     /* numbers */
    const char *choices;  /* "a, b": strings and elements of lists; NULL = any */
    /* What it means to the log; NULL = it is only kept. */
    void (*get)(const struct log_topic_config *config, struct buf *out);
    void (*set)(struct log_topic_config *config, struct str value);
    const char *doc;
};
extern const struct kafka_topic_key kafka_topic_keys[]; /* by name; ended by name NULL */
size_t kafka_topic_key_count(void);
const struct kafka_topic_key *kafka_topic_key(struct str name);

/* The settings are allowed, each and together; else the reason (INVALID_CONFIG), in the arena. */
const char *kafka_topic_settings_problem(const struct log_topic_setting *settings, size_t count,
                                         struct arena *arena);
/* The config of a topic whose settings change from old to new: what was given and is not any more
 * goes back to the defaults, as do keys named in reset; what never was given stays. */
struct kafka_settings {
    struct log_topic_setting *items;
    size_t count;
};
void kafka_topic_config_change(struct log_topic_config *config,
                               const struct log_topic_config *defaults,
                               const struct kafka_settings *old, const struct kafka_settings *new);
const struct log_topic_setting *kafka_setting(const struct kafka_settings *settings,
                                              struct str name);
/* Value and source of a key, of a topic with this config and these settings. */
struct str kafka_topic_value(const struct kafka_topic_key *key,
                             const struct log_topic_config *config,
                             const struct log_topic_config *defaults,
                             const struct kafka_settings *settings, struct arena *arena,
                             enum kafka_config_source *ret_source);
/* The default of a key. */
struct str kafka_topic_fallback(const struct kafka_topic_key *key,
                                const struct log_topic_config *defaults, struct arena *arena);
/* Of topics that clients make. */
void kafka_topic_defaults(const struct kafka_broker *broker, struct log_topic_config *ret_config);

/* ---- broker_keys.c ---- */

struct kafka_broker_key {
    const char *name;
    enum kafka_config_type type;
    const char *fallback; /* Kafka's default; NULL = null */
    const char *doc;      /* NULL = a key that has no effect here */
    /* The value when it is not the default. */
    void (*value)(const struct kafka_call *call, struct buf *out);
};
extern const struct kafka_broker_key kafka_broker_keys[]; /* by name; ended by name NULL */
size_t kafka_broker_key_count(void);

#endif
