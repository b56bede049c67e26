/* SPDX-License-Identifier: MIT */
/* millrace check: every mistake of a project at once; --connect tries the outside too. */
#include "cli/commands.h"
#include "format/json.h"
#include "pipeline/project.h"

#include <string.h>

static void diag_json(struct json_writer *w, const struct diag *diag)
{
    json_open(w, '{');
    json_key(w, "file");
    json_str(w, str_of(diag->file));
    json_key(w, "line");
    json_i64(w, diag->line);
    json_key(w, "column");
    json_i64(w, diag->column);
    json_key(w, "message");
    json_str(w, str_of(diag->message));
    json_key(w, "class");
    json_str(w, diag->error_class[0] ? str_of(diag->error_class) : STR_NONE);
    json_key(w, "hint");
    json_str(w, diag->hint[0] ? str_of(diag->hint) : STR_NONE);
    json_close(w, '}');
}

static void print_json(struct cli *cli, const struct diag_list *diags)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct json_writer w = {.out = &out};
    json_open(&w, '{');
    json_key(&w, "ok");
    json_bool(&w, diags->count == 0);
    json_key(&w, "mistakes");
    json_open(&w, '[');
    for (size_t i = 0; i < diags->count; i++)
        diag_json(&w, &diags->items[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    buf_char(&out, '\n');
    cli_write(cli, buf_str(&out));
}

/* Asks each source's connector to reach its outside once. */
static void probe_sources(struct cli *cli, struct project *project, struct diag_list *diags)
{
    for (size_t i = 0; i < project->source_count; i++) {
        const struct project_source *source = &project->sources[i];
        struct diag diag = {.line = 0};
        if (!source->connector || !source->connector->probe)
            continue;
        enum err err = source->connector->probe(cli->io, source->from, project->directory, &diag);
        if (err == OK) {
            if (!cli->json)
                cli_print(cli, "source %.*s: reached\n", STR_ARG(source->name));
            continue;
        }
        diag_set(&diag, err, 0, 0, "source %.*s: %s", STR_ARG(source->name), err_text(err));
        if (!diag.line) {
            diag.line = source->from->key_line;
            diag.column = source->from->key_column;
        }
        memcpy(diag.file, "millrace.yml", sizeof "millrace.yml");
        diag_list_add(diags, &diag);
    }
}

/* Asks what holds the topics or the tables, when they are not embedded. */
static void probe_engine(struct cli *cli, struct project *project, const char *name,
                         enum err (*probe)(struct project *project, struct diag *diag,
                                           struct buf *out),
                         struct diag_list *diags)
{
    CLEAN(buf_deinit) struct buf found = {0};
    struct diag diag = {.line = 0};
    const struct setting *place = setting_get(setting_get(project->settings, "engines"), name);
    enum err err = probe(project, &diag, &found);
    if (err == OK) {
        if (!cli->json && found.bytes)
            cli_print(cli, "%s: %.*s\n", name, STR_ARG(buf_str(&found)));
        return;
    }
    diag_set(&diag, err, 0, 0, "%s: %s", name, err_text(err));
    if (place) {
        diag.line = place->line;
        diag.column = place->column;
    }
    memcpy(diag.file, "millrace.yml", sizeof "millrace.yml");
    diag_list_add(diags, &diag);
}

static int run_check(struct cli *cli)
{
    const char *directory = cli_argument(cli, 0, cli_option(cli, "project"));
    struct diag_list diags = {0};
    struct project *project = NULL;
    directory = directory ? directory : ".";
    enum err err = project_load(cli->io, directory, &diags, &project);
    if (err == OK && cli_option(cli, "connect")) {
        probe_sources(cli, project, &diags);
        probe_engine(cli, project, "log", project_log_probe, &diags);
        probe_engine(cli, project, "tables", project_tables_probe, &diags);
    }
    if (cli->json)
        print_json(cli, &diags);
    else {
        for (size_t i = 0; i < diags.count; i++)
            cli_diag(cli, directory, &diags.items[i]);
        if (diags.count)
            cli_error(cli, "%zu mistake%s in %s", diags.count + diags.dropped,
                      diags.count + diags.dropped == 1 ? "" : "s", directory);
        else
            cli_print(cli, "%s is fine: %zu source%s, %zu table%s\n", directory,
                      project->source_count, project->source_count == 1 ? "" : "s",
                      project->table_count, project->table_count == 1 ? "" : "s");
    }
    int code = diags.count ? EXIT_FAILED : EXIT_DONE;
    diag_list_deinit(&diags);
    project_free(project);
    return code;
}

static const struct cli_option options[] = {
    {"connect", 0, NULL, "also try sources and engines: addresses, keys, files"},
    {0},
};

const struct cli_command command_check = {
    .name = "check",
    .arguments = "[DIR]",
    .summary = "shows every mistake of a project at once",
    .text =
        "Loads spark-pipeline.yml, millrace.yml and the SQL files, and prints each mistake with\n"
        "file, line, column and a hint. Nothing is started or written.",
    .examples = "  millrace check users\n  millrace check users --connect -o json",
    .options = options,
    .arguments_max = 1,
    .run = run_check,
};
