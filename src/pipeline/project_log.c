/* SPDX-License-Identifier: MIT */
/* The log that a project's millrace.yml names: files in its data directory, or a Kafka. */
#include "pipeline/project.h"

enum err project_log_open(struct project *project, bool writes, struct diag *diag,
                          struct log **ret_log)
{
    CLEAN(buf_deinit) struct buf path = {0};
    buf_printf(&path, "%s/log", project->data_directory);
    if (project->log_url.ptr) {
        struct log_kafka_options options = {.writes = writes};
        return log_open_kafka(project->io, buf_c_str(&path), project->log_url, &options, diag,
                              ret_log);
    }
    struct log_options options = {
        .durability = project->durability,
        .interval_ms = project->durability_interval_ms,
        .own_thread = true,
    };
    return log_open(project->io, buf_c_str(&path), &options, diag, ret_log);
}

enum err project_log_probe(struct project *project, struct diag *diag, struct buf *out)
{
    return project->log_url.ptr ? log_kafka_probe(project->io, project->log_url, diag, out) : OK;
}
