/* SPDX-License-Identifier: MIT */
/* What the commands that speak Kafka's protocol share: a client, its settings, one admin call. */
#include "cli/kafka.h"

#include "base/mem.h"
#include "pipeline/project.h"

#include <stdarg.h>
#include <string.h>

enum { ADMIN_MS = 30000 };

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
        struct str scheme = STR("kafka://"), url = project->log_url;
        size_t mark = str_find(url, STR("?"), 0);
        address =
            arena_text(arena, str_slice(url, scheme.bytes, mark == SIZE_MAX ? url.bytes : mark));
    } else if (project && project->kafka.count)
        address = arena_text(arena, project->kafka.addresses[0].listen);
    project_free(project);
    return address;
}

static bool set(struct cli *cli, rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[300];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return true;
    cli_error(cli, "%s", text);
    return false;
}

/* "a=b,c=d" */
static bool set_properties(struct cli *cli, rd_kafka_conf_t *conf)
{
    const char *given = cli_option(cli, "property");
    struct str rest = str_of(given ? given : ""), part;
    while (rest.bytes && str_cut(&rest, ',', &part)) {
        size_t equals = str_find(part, STR("="), 0);
        if (equals == SIZE_MAX) {
            cli_error(cli, "--property takes NAME=VALUE, not '%.*s'", STR_ARG(part));
            return false;
        }
        CLEAN(mem_free_at) char *name = str_dup(str_slice(part, 0, equals));
        CLEAN(mem_free_at) char *value = str_dup(str_slice(part, equals + 1, part.bytes));
        if (!set(cli, conf, name, value))
            return false;
    }
    return true;
}

/* The library's own lines would come between ours: errors are told by the calls. */
static void quiet(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
}

static rd_kafka_conf_t *configuration(struct cli *cli, const char *bootstrap)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, quiet);
    if (set(cli, conf, "bootstrap.servers", bootstrap) && set(cli, conf, "client.id", "millrace"))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

/* The client takes the configuration over. */
static rd_kafka_t *client_of(struct cli *cli, rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[300] = "the client was not made";
    rd_kafka_t *client =
        set_properties(cli, conf) ? rd_kafka_new(type, conf, text, sizeof text) : NULL;
    if (client)
        return client;
    cli_error(cli, "%s", text);
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_t *kafka_client(struct cli *cli, rd_kafka_type_t type, const char *bootstrap, ...)
{
    rd_kafka_conf_t *conf = configuration(cli, bootstrap);
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
    rd_kafka_conf_t *conf = configuration(cli, bootstrap);
    if (!conf || !set(cli, conf, "enable.idempotence", "true") ||
        !set(cli, conf, "linger.ms", "5")) {
        if (conf)
            rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, owner);
    return client_of(cli, RD_KAFKA_PRODUCER, conf);
}

int kafka_failed(struct cli *cli, const char *what, rd_kafka_resp_err_t err, const char *text)
{
    cli_error(cli, "%s: %s (%s)", what, text && *text ? text : rd_kafka_err2str(err),
              rd_kafka_err2name(err));
    bool later = err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                 err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    return later ? EXIT_LATER : EXIT_FAILED;
}

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
    rd_kafka_AdminOptions_set_request_timeout(ret_admin->options, ADMIN_MS, text, sizeof text);
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
    rd_kafka_event_t *event = rd_kafka_queue_poll(admin->queue, ADMIN_MS + 5000);
    if (event && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    kafka_failed(admin->cli, what,
                 event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT,
                 event ? rd_kafka_event_error_string(event) : NULL);
    if (event)
        rd_kafka_event_destroy(event);
    return NULL;
}
