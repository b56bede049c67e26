/* SPDX-License-Identifier: MIT */
/*
 * The log that a project's millrace.yml names: files in its data directory, or a Kafka. Files that
 * the URL of an engine names (certificates, keys) are looked for from the project, not from where
 * the command was started.
 */
#include "pipeline/project_private.h"
#include "wire/http.h"

static bool names_file(struct str key)
{
    return str_equal(key, STR("ca")) || str_equal(key, STR("cert")) || str_equal(key, STR("key")) ||
           str_ends(key, STR(".location"));
}

static bool is_absolute(struct str value)
{
    return str_starts(value, STR("/")) || str_equal_nocase(str_slice(value, 0, 3), STR("%2f"));
}

struct str project_engine_url(struct loading *loading, struct str url)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct str directory = str_of(loading->project->directory), part;
    size_t mark = str_find(url, STR("?"), 0);
    if (mark == SIZE_MAX)
        return url;
    buf_str_append(&out, str_slice(url, 0, mark));
    char before = '?';
    for (struct str rest = str_slice(url, mark + 1, url.bytes); str_cut(&rest, '&', &part);) {
        size_t equals = str_find(part, STR("="), 0);
        buf_char(&out, before);
        before = '&';
        if (equals == SIZE_MAX || equals + 1 == part.bytes ||
            !names_file(str_slice(part, 0, equals)) ||
            is_absolute(str_slice(part, equals + 1, part.bytes))) {
            buf_str_append(&out, part);
            continue;
        }
        buf_str_append(&out, str_slice(part, 0, equals + 1));
        http_percent_encode(directory, &out);
        buf_char(&out, '/');
        buf_str_append(&out, str_slice(part, equals + 1, part.bytes));
    }
    return str_of(arena_text(loading->arena, buf_str(&out)));
}

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
