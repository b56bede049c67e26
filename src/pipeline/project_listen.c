/* SPDX-License-Identifier: MIT */
/*
 * `listeners:` of millrace.yml -> addresses. Each is HOST:PORT, `off`, or for Kafka also
 * HOST:PORT=ADVERTISED: brokers tell their clients where to come again, and a client inside a
 * network may know another name for this machine than one outside.
 *
 * Beyond loopback millrace listens only when told so twice (`open: true`), unless the door asks for
 * a password. Doors that nobody named have their usual ports and stay shut, with a word of warning,
 * when another program has them: `given` tells them apart.
 */
#include "pipeline/project_private.h"

static bool is_loopback(struct str host)
{
    if (str_equal(host, STR("localhost")) || str_equal(host, STR("[::1]")))
        return true;
    for (size_t i = 0; i < host.bytes; i++) /* 127.example.com is a name like others */
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9'))
            return false;
    return str_starts(host, STR("127."));
}

/* Splits "host:port"; false when it is not one. */
static bool split_address(struct str text, struct str *ret_host)
{
    size_t colon = text.bytes;
    while (colon && text.ptr[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon < 2 || str_to_u64(str_slice(text, colon, text.bytes), &port) != OK || port > 65535)
        return false;
    *ret_host = str_slice(text, 0, colon - 1);
    return true;
}

static void not_an_address(struct loading *loading, const struct setting *s, struct str text)
{
    loading_mistake(loading, "millrace.yml", s ? s->line : 0, s ? s->column : 0,
                    "write HOST:PORT, as 127.0.0.1:8080, or off",
                    "'%.*s' is not an address to listen on", STR_ARG(text));
}

static void load_address(struct loading *loading, const struct setting *s, struct str text,
                         bool may_be_open, struct project_door *door)
{
    struct str host, advertised = STR_NONE;
    size_t equals = str_find(text, STR("="), 0);
    if (equals != SIZE_MAX) {
        advertised = str_slice(text, equals + 1, text.bytes);
        text = str_slice(text, 0, equals);
        struct str name;
        /* HTTP does not tell its clients where to come again. */
        if (door == &loading->project->http || !split_address(advertised, &name)) {
            not_an_address(loading, s, advertised);
            return;
        }
    }
    if (!split_address(text, &host)) {
        not_an_address(loading, s, text);
        return;
    }
    if (!may_be_open && !is_loopback(host))
        loading_mistake(loading, "millrace.yml", s ? s->line : 0, s ? s->column : 0,
                        "use 127.0.0.1, or write `open: true` under listeners when the network is "
                        "to be trusted",
                        "'%.*s' is open to others: without authentication millrace listens on "
                        "loopback only",
                        STR_ARG(text));
    if (door->count == PROJECT_DOOR_ADDRESSES_MAX) {
        loading_mistake(loading, "millrace.yml", s ? s->line : 0, s ? s->column : 0, NULL,
                        "at most %d addresses", PROJECT_DOOR_ADDRESSES_MAX);
        return;
    }
    door->addresses[door->count++] = (struct project_address){text, advertised};
}

static void load_door(struct loading *loading, const struct setting *listeners, const char *name,
                      const char *const *fallbacks, bool may_be_open, struct project_door *door)
{
    const struct setting *s = setting_get(listeners, name);
    *door = (struct project_door){.given = s != NULL};
    if (!s) {
        for (size_t i = 0; fallbacks[i]; i++)
            load_address(loading, NULL, str_of(fallbacks[i]), true, door);
        return;
    }
    if (s->kind == SETTING_TEXT && str_equal(s->text, STR("off")))
        return;
    if (s->kind == SETTING_TEXT)
        load_address(loading, s, s->text, may_be_open, door);
    for (size_t i = 0; s->kind == SETTING_LIST && i < s->count; i++)
        if (s->items[i].kind == SETTING_TEXT)
            load_address(loading, &s->items[i], s->items[i].text, may_be_open, door);
}

/* "user:password" */
static void load_login(struct loading *loading, const struct setting *listeners)
{
    const struct setting *s = setting_get(listeners, "cql_login");
    if (!s || s->kind != SETTING_TEXT)
        return;
    size_t colon = str_find(s->text, STR(":"), 0);
    if (colon == SIZE_MAX || colon == 0 || colon + 1 == s->text.bytes) {
        loading_mistake(loading, "millrace.yml", s->line, s->column,
                        "write USER:PASSWORD, best as cassandra:${CQL_PASSWORD}",
                        "cql_login needs a user and a password");
        return;
    }
    loading->project->cql_user = str_slice(s->text, 0, colon);
    loading->project->cql_password = str_slice(s->text, colon + 1, s->text.bytes);
}

void load_listeners(struct loading *loading, const struct setting *listeners)
{
    static const char *const http[] = {"127.0.0.1:8080", NULL};
    static const char *const kafka[] = {"127.0.0.1:9092", "127.0.0.1:29092", NULL};
    static const char *const cql[] = {"127.0.0.1:9042", NULL};
    struct project *project = loading->project;
    bool may_be_open = setting_bool(listeners, "open", false);
    project->kafka_partitions = (int32_t)setting_int(listeners, "kafka_partitions", 1);
    project->kafka_auto_create = setting_bool(listeners, "kafka_auto_create", true);
    load_login(loading, listeners);
    load_door(loading, listeners, "http", http, may_be_open, &project->http);
    load_door(loading, listeners, "kafka", kafka, may_be_open, &project->kafka);
    load_door(loading, listeners, "cql", cql, may_be_open || project->cql_password.bytes,
              &project->cql);
    project->listen_http = project->http.count ? project->http.addresses[0].listen : STR_NONE;
}
