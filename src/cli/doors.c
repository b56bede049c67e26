/* SPDX-License-Identifier: MIT */
/*
 * The data doors of `millrace run`. They stand in the loop of the run and share its log and tables,
 * so that a record produced here is seen by the streams in the same moment.
 */
#include "cli/doors.h"

#include "base/mem.h"

static enum err cannot_listen(struct cli *cli, const char *name, const struct project_door *door,
                              struct str address, enum err err, struct diag *diag)
{
    if (!door->given && err == ERR_CONFLICT) {
        cli_error(
            cli,
            "%.*s is in use: %s stays shut there (`listeners:` of millrace.yml sets another port)",
            STR_ARG(address), name);
        return OK;
    }
    diag_hint(diag, "set `listeners:` in millrace.yml to free ports, or to `off`");
    return diag_set(diag, err, 0, 0, "cannot listen on %.*s for %s: %s", STR_ARG(address), name,
                    err_text(err));
}

static enum err open_kafka(struct cli *cli, struct pipeline *pipeline, struct doors *doors,
                           struct diag *diag)
{
    const struct project *project = pipeline_project(pipeline);
    const struct project_door *door = &project->kafka;
    struct kafka_broker_options options = {.rebalance_delay_ms = 0,
                                           .partitions_default = project->kafka_partitions,
                                           .auto_create_off = !project->kafka_auto_create};
    if (!door->count)
        return OK;
    if (project->log_url.ptr) {
        cli_error(cli,
                  "the Kafka door stays shut: `engines.log` keeps the topics in another Kafka");
        return OK;
    }
    TRY(kafka_broker_new(pipeline_loop(pipeline), pipeline_log(pipeline), &options, diag,
                         &doors->kafka));
    for (size_t i = 0; i < door->count; i++) {
        CLEAN(mem_free_at) char *address = str_dup(door->addresses[i].listen);
        CLEAN(mem_free_at)
        char *advertised =
            door->addresses[i].advertised.ptr ? str_dup(door->addresses[i].advertised) : NULL;
        struct kafka_listener_options listener = {address, advertised};
        uint16_t port;
        enum err err = kafka_broker_listen(doors->kafka, &listener, &port);
        if (err != OK)
            TRY(cannot_listen(cli, "Kafka", door, door->addresses[i].listen, err, diag));
    }
    return OK;
}

static enum err open_cql(struct cli *cli, struct pipeline *pipeline, struct doors *doors,
                         struct diag *diag)
{
    const struct project *project = pipeline_project(pipeline);
    const struct project_door *door = &project->cql;
    if (!door->count)
        return OK;
    CLEAN(mem_free_at) char *address = str_dup(door->addresses[0].listen);
    CLEAN(mem_free_at)
    char *advertised =
        door->addresses[0].advertised.ptr ? str_dup(door->addresses[0].advertised) : NULL;
    struct cql_server_options options = {
        .address = address,
        .advertised = advertised,
        .cluster_name = project->name,
        .user = project->cql_user,
        .password = project->cql_password,
        .sync = project->durability == LOG_SYNC,
    };
    enum err err = cql_server_new(pipeline_loop(pipeline), pipeline_tables(pipeline), &options,
                                  diag, &doors->cql);
    return err == ERR_CONFLICT
               ? cannot_listen(cli, "CQL", door, door->addresses[0].listen, err, diag)
               : err;
}

enum err doors_open(struct cli *cli, struct pipeline *pipeline, struct doors *ret_doors,
                    struct diag *diag)
{
    struct doors doors = {0};
    enum err err = open_kafka(cli, pipeline, &doors, diag);
    if (err == OK)
        err = open_cql(cli, pipeline, &doors, diag);
    if (err != OK)
        doors_close(&doors);
    else
        *ret_doors = doors;
    return err;
}

void doors_close(struct doors *doors)
{
    cql_server_free(doors->cql);
    kafka_broker_free(doors->kafka);
    *doors = (struct doors){0};
}

void doors_print(const struct doors *doors, const struct project *project, struct buf *out)
{
    for (size_t i = 0; doors->kafka && i < project->kafka.count; i++)
        buf_printf(out, "%s%.*s", i ? ", " : " · Kafka ",
                   STR_ARG(project->kafka.addresses[i].listen));
    if (doors->cql)
        buf_printf(out, " · CQL %.*s", STR_ARG(project->cql.addresses[0].listen));
}
