/* SPDX-License-Identifier: MIT */
/*
 * What the commands that speak Kafka's protocol share: a client, its settings, one admin call.
 *
 * A broker is given as HOST:PORT with settings by --property and --command-config, or as the URL
 * that `engines.log` takes, which has them inside. A command ends at once when a broker says that
 * it does not let us in, and soon when it behaves as one that wants other settings.
 */
#include "cli/kafka.h"

#include "base/mem.h"
#include "pipeline/project.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    CALL_MS = 30000,
    AWAY_MS = 10000,
    LIKELY_MS = 2000,
    SLICE_MS = 200,
    CONFIG_BYTES_MAX = 1 << 20
};

/* Of the one Kafka that a command talks to. */
static struct {
    bool begun;
    struct log_kafka_trouble trouble;
    char name[200]; /* of the place, without a login */
    int64_t since_ns;
} the_kafka;

const char *kafka_bootstrap(const struct cli *cli)
{
    const char *given = cli_option(cli, "bootstrap");
    return given ? given : io_env(cli->io, "MILLRACE_BOOTSTRAP");
}

const char *kafka_bootstrap_default(struct cli *cli, struct arena *arena)
{
    const char *given = kafka_bootstrap(cli);
    if (given)
        return given;
    const char *directory = cli_option(cli, "project");
    struct diag_list diags = {0};
    struct project *project = NULL;
    (void)!project_load(cli->io, directory ? directory : ".", &diags, &project);
    diag_list_deinit(&diags);
    const char *address = "127.0.0.1:9092";
    if (project && project->log_url.ptr) {
        address = arena_text(arena, project->log_url);
    } else if (project && project->kafka.count)
        address = arena_text(arena, project->kafka.addresses[0].listen);
    project_free(project);
    return address;
}

/* ---- settings ---- */

static bool set(struct cli *cli, rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[300];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return true;
    if (strstr(name, "truststore") || strstr(name, "keystore"))
        cli_error(cli,
                  "%s: write ssl.ca.location, ssl.certificate.location and ssl.key.location, "
                  "which name PEM files",
                  name);
    else if (diag_is_secret(str_of(name)))
        cli_error(cli, "%s: the value does not fit", name);
    else
        cli_error(cli, "%s", text);
    return false;
}

/* NAME="VALUE" of a Java login module. */
static bool set_jaas(struct cli *cli, rd_kafka_conf_t *conf, struct str text, const char *key,
                     const char *name)
{
    size_t at = str_find(text, str_of(key), 0);
    if (at == SIZE_MAX)
        return true;
    struct str rest = str_slice(text, at + strlen(key), text.bytes);
    char quote = rest.bytes ? rest.ptr[0] : 0;
    struct str value = STR_NONE;
    if (quote == '"' || quote == '\'') {
        rest = str_slice(rest, 1, rest.bytes);
        size_t end = str_find(rest, str_from(&quote, 1), 0);
        value = str_slice(rest, 0, end == SIZE_MAX ? rest.bytes : end);
    } else
        str_cut(&rest, rest.bytes && str_find(rest, STR(" "), 0) != SIZE_MAX ? ' ' : ';', &value);
    CLEAN(mem_free_at) char *copy = str_dup(value);
    return set(cli, conf, name, copy);
}

/* "NAME=VALUE" */
static bool set_pair(struct cli *cli, rd_kafka_conf_t *conf, struct str pair, const char *from)
{
    size_t equals = str_find(pair, STR("="), 0);
    if (equals == SIZE_MAX) {
        cli_error(cli, "%s takes NAME=VALUE", from);
        return false;
    }
    struct str text = str_trim(str_slice(pair, equals + 1, pair.bytes));
    CLEAN(mem_free_at) char *name = str_dup(str_trim(str_slice(pair, 0, equals)));
    CLEAN(mem_free_at) char *value = str_dup(text);
    if (strcmp(name, "sasl.jaas.config") == 0)
        return set_jaas(cli, conf, text, "username=", "sasl.username") &&
               set_jaas(cli, conf, text, "password=", "sasl.password");
    return set(cli, conf, name, value);
}

/* A file of lines NAME=VALUE, as kcat and Kafka's own tools take it. */
static bool set_file(struct cli *cli, rd_kafka_conf_t *conf, const char *path)
{
    CLEAN(buf_deinit) struct buf text = {0};
    enum err err = io_path_read(cli->io, path, CONFIG_BYTES_MAX, &text);
    if (err != OK) {
        cli_error(cli, "cannot read %s: %s", path, err_text(err));
        return false;
    }
    struct str rest = buf_str(&text), line;
    while (rest.bytes && str_cut(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.bytes && line.ptr[0] != '#' && !set_pair(cli, conf, line, path))
            return false;
    }
    return true;
}

/* "a=b,c=d" */
static bool set_properties(struct cli *cli, rd_kafka_conf_t *conf)
{
    const char *given = cli_option(cli, "property"), *file = cli_option(cli, "command-config");
    struct str rest = str_of(given ? given : ""), part;
    if (file && !set_file(cli, conf, file))
        return false;
    while (rest.bytes && str_cut(&rest, ',', &part))
        if (!set_pair(cli, conf, part, "--property"))
            return false;
    return true;
}

struct setting_of {
    struct cli *cli;
    rd_kafka_conf_t *conf;
    bool failed;
};

static bool set_of_url(void *owner, const char *name, const char *value)
{
    struct setting_of *to = owner;
    if (strcmp(name, "bootstrap.servers") == 0)
        snprintf(the_kafka.name, sizeof the_kafka.name, "%s", value);
    to->failed = !set(to->cli, to->conf, name, value);
    return !to->failed;
}

/* HOST:PORT,.. or kafka://HOST:PORT,..?NAME=VALUE&.. */
static bool set_place(struct cli *cli, rd_kafka_conf_t *conf, const char *bootstrap)
{
    struct diag diag = {0};
    struct setting_of to = {cli, conf, false};
    if (!str_starts(str_of(bootstrap), STR("kafka://"))) {
        snprintf(the_kafka.name, sizeof the_kafka.name, "%s", bootstrap);
        return set(cli, conf, "bootstrap.servers", bootstrap);
    }
    if (log_kafka_settings(str_of(bootstrap), &diag, set_of_url, &to) == OK)
        return !to.failed;
    cli_diag(cli, NULL, &diag);
    return false;
}

static rd_kafka_conf_t *configuration(struct cli *cli, const char *bootstrap, void *owner)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!the_kafka.begun)
        log_kafka_trouble_init(&the_kafka.trouble, owner);
    the_kafka.begun = true;
    the_kafka.trouble.owner = owner;
    log_kafka_trouble_watch(&the_kafka.trouble, conf);
    if (set(cli, conf, "client.id", "millrace") && set_place(cli, conf, bootstrap))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

/* The client takes the configuration over. */
static rd_kafka_t *client_of(struct cli *cli, rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[300] = "";
    rd_kafka_t *client =
        set_properties(cli, conf) ? rd_kafka_new(type, conf, text, sizeof text) : NULL;
    if (client)
        return client;
    struct diag diag = {0};
    (void)!log_kafka_new_failed(text, &diag);
    if (text[0])
        cli_diag(cli, NULL, &diag);
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_t *kafka_client(struct cli *cli, rd_kafka_type_t type, const char *bootstrap, ...)
{
    rd_kafka_conf_t *conf = configuration(cli, bootstrap, NULL);
    va_list args;
    va_start(args, bootstrap);
    for (const char *name; conf && (name = va_arg(args, const char *));)
        if (!set(cli, conf, name, va_arg(args, const char *))) {
            rd_kafka_conf_destroy(conf);
            conf = NULL;
        }
    va_end(args);
    return conf ? client_of(cli, type, conf) : NULL;
}

rd_kafka_t *kafka_producer(struct cli *cli, const char *bootstrap,
                           void (*delivered)(rd_kafka_t *client, const rd_kafka_message_t *message,
                                             void *owner),
                           void *owner)
{
    rd_kafka_conf_t *conf = configuration(cli, bootstrap, owner);
    if (!conf || !set(cli, conf, "enable.idempotence", "true") ||
        !set(cli, conf, "linger.ms", "5")) {
        if (conf)
            rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    return client_of(cli, RD_KAFKA_PRODUCER, conf);
}

/* ---- what went wrong ---- */

static enum err trouble_of(char *text, size_t text_room, char *hint, size_t hint_room)
{
    text[0] = hint[0] = 0;
    return the_kafka.begun
               ? log_kafka_trouble_get(&the_kafka.trouble, text, text_room, hint, hint_room)
               : OK;
}

bool kafka_gives_up(struct cli *cli, rd_kafka_t *client, bool worked)
{
    char text[300], hint[200];
    rd_kafka_poll(client, 0);
    enum err err = trouble_of(text, sizeof text, hint, sizeof hint);
    if (err != ERR_INVALID)
        the_kafka.since_ns = 0;
    else if (!the_kafka.since_ns)
        the_kafka.since_ns = io_now_ns(cli->io);
    bool long_enough = io_now_ns(cli->io) - the_kafka.since_ns > (int64_t)LIKELY_MS * 1000000;
    return err == ERR_DENIED || (err == ERR_INVALID && !worked && long_enough);
}

static bool is_no_answer(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
           err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || err == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           err == RD_KAFKA_RESP_ERR__SSL || err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

int kafka_failed(struct cli *cli, const char *what, rd_kafka_resp_err_t err, const char *text)
{
    char trouble[300], hint[200];
    enum err why = trouble_of(trouble, sizeof trouble, hint, sizeof hint);
    if (!is_no_answer(err) || why == OK) {
        cli_error(cli, "%s: %s (%s)", what, text && *text ? text : rd_kafka_err2str(err),
                  rd_kafka_err2name(err));
        return is_no_answer(err) ? EXIT_LATER : EXIT_FAILED;
    }
    struct diag diag = {0};
    if (hint[0])
        diag_hint(&diag, "%s (--property, --command-config)", hint);
    CLEAN(buf_deinit) struct buf said = {0};
    log_kafka_trouble_print(the_kafka.name, why, trouble, &said);
    diag_set(&diag, ERR_NETWORK, 0, 0, "%s: %s", what, buf_c_str(&said));
    cli_diag(cli, NULL, &diag);
    return why == ERR_DENIED ? EXIT_FAILED : EXIT_LATER;
}

rd_kafka_resp_err_t kafka_metadata(struct cli *cli, rd_kafka_t *client, rd_kafka_topic_t *topic,
                                   const rd_kafka_metadata_t **ret_metadata)
{
    int64_t end_ns = io_now_ns(cli->io) + (int64_t)AWAY_MS * 1000000;
    for (int slice_ms = SLICE_MS;; slice_ms *= 2) {
        rd_kafka_resp_err_t err = rd_kafka_metadata(client, !topic, topic, ret_metadata, slice_ms);
        if (!is_no_answer(err) || kafka_gives_up(cli, client, false) || io_now_ns(cli->io) > end_ns)
            return err;
    }
}

/* ---- admin calls ---- */

bool kafka_admin_open(struct cli *cli, const char *bootstrap, rd_kafka_admin_op_t operation,
                      struct kafka_admin *ret_admin)
{
    rd_kafka_t *client = kafka_client(cli, RD_KAFKA_PRODUCER, bootstrap, NULL);
    if (!client)
        return false;
    *ret_admin = (struct kafka_admin){
        .cli = cli,
        .client = client,
        .queue = rd_kafka_queue_new(client),
        .options = rd_kafka_AdminOptions_new(client, operation),
    };
    char text[200];
    rd_kafka_AdminOptions_set_request_timeout(ret_admin->options, CALL_MS, text, sizeof text);
    return true;
}

void kafka_admin_close(struct kafka_admin *admin)
{
    rd_kafka_AdminOptions_destroy(admin->options);
    rd_kafka_queue_destroy(admin->queue);
    rd_kafka_destroy(admin->client);
}

rd_kafka_event_t *kafka_admin_wait(struct kafka_admin *admin, const char *what)
{
    rd_kafka_event_t *event = NULL;
    for (int waited_ms = 0; !event && waited_ms < CALL_MS + 5000; waited_ms += SLICE_MS) {
        event = rd_kafka_queue_poll(admin->queue, SLICE_MS);
        if (!event && kafka_gives_up(admin->cli, admin->client, false))
            break;
    }
    if (event && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    kafka_failed(admin->cli, what,
                 event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT,
                 event ? rd_kafka_event_error_string(event) : NULL);
    if (event)
        rd_kafka_event_destroy(event);
    return NULL;
}
