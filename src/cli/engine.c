/* SPDX-License-Identifier: MIT */
/*
 * Where a command's answers come from. A stopped project's files are opened as a run would open
 * them (with its lock), and the API's own table of routes is called in this process; when another
 * run has the lock, its server is asked instead. So a command has one way of asking.
 */
#include "cli/cli.h"
#include "connect/fetch.h"
#include "format/json.h"
#include "serve/api.h"

#include <stdio.h>
#include <string.h>

struct engine {
    const struct cli *cli;
    char *name; /* for messages */
    char *url;  /* NULL = files */
    struct project *project;
    struct log *log;
    struct table_store *store;
    struct str source; /* what the next error's place refers to */
};

static const char *const URL_DEFAULT = "http://127.0.0.1:8080";

static enum err stopped_status(void *owner, struct arena *arena, struct pipeline_status *ret_status)
{
    struct engine *engine = owner;
    return pipeline_inspect(engine->project, engine->log, engine->store, arena, ret_status);
}

static void use_server(struct engine *engine, const char *url)
{
    size_t bytes = strlen(url);
    while (bytes && url[bytes - 1] == '/')
        bytes--;
    engine->url = str_dup(str_from(url, bytes));
    engine->name = str_dup(str_from(url, bytes));
}

/* ERR_CONFLICT: a run has them. */
static enum err open_files(struct engine *engine, struct diag *diag)
{
    CLEAN(buf_deinit) struct buf path = {0};
    struct io *io = engine->cli->io;
    struct table_store_options table_options = {0};
    struct io_stat stat;
    buf_printf(&path, "%s/log", engine->project->data_directory);
    if (io_path_stat(io, buf_c_str(&path), &stat) != OK) {
        diag_hint(diag, "`millrace run %s` makes it", engine->project->directory);
        return diag_set(diag, ERR_NOT_FOUND, 0, 0, "%s holds no data yet",
                        engine->project->data_directory);
    }
    TRY(project_log_open(engine->project, false, diag, &engine->log));
    buf_reset(&path);
    buf_printf(&path, "%s/tables", engine->project->data_directory);
    return table_store_open(io, buf_c_str(&path), &table_options, diag, &engine->store);
}

static enum err open_project(struct engine *engine, const char *directory)
{
    struct diag_list diags = {0};
    struct diag diag = {0};
    /* Mistakes of the configuration do not lock anybody out of the data. */
    (void)!project_load(engine->cli->io, directory, &diags, &engine->project);
    diag_list_deinit(&diags);
    if (!engine->project)
        return ERR_NOT_FOUND;
    enum err err = open_files(engine, &diag);
    if (err == ERR_CONFLICT) {
        CLEAN(buf_deinit) struct buf url = {0};
        buf_printf(&url, "http://%.*s", STR_ARG(engine->project->listen_http));
        use_server(engine, buf_c_str(&url));
        return OK;
    }
    if (err != OK) {
        diag_set(&diag, err, 0, 0, "cannot open the data of %s: %s", directory, err_text(err));
        cli_diag(engine->cli, NULL, &diag);
        return err;
    }
    engine->name = str_dup(str_of(directory));
    return OK;
}

enum err engine_open(const struct cli *cli, struct engine **ret_engine)
{
    struct engine *engine = mem_zero(sizeof *engine);
    const char *server = cli_option(cli, "server"), *directory = cli_option(cli, "project");
    struct io_stat stat;
    enum err err = OK;
    engine->cli = cli;
    if (!server && !directory)
        server = io_env(cli->io, "MILLRACE_SERVER");
    if (!server && !directory && io_path_stat(cli->io, "millrace.yml", &stat) == OK)
        directory = ".";
    if (server || !directory)
        use_server(engine, server ? server : URL_DEFAULT);
    else {
        CLEAN(buf_deinit) struct buf path = {0};
        buf_printf(&path, "%s/millrace.yml", directory);
        if (io_path_stat(cli->io, buf_c_str(&path), &stat) != OK) {
            cli_error(cli, "%s is not a project: it has no millrace.yml", directory);
            err = ERR_NOT_FOUND;
        } else
            err = open_project(engine, directory);
    }
    if (err != OK) {
        engine_close(engine);
        return err;
    }
    *ret_engine = engine;
    return OK;
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    log_close(engine->log);
    table_store_close(engine->store);
    project_free(engine->project);
    mem_free(engine->url);
    mem_free(engine->name);
    mem_free(engine);
}

void engine_source(struct engine *engine, struct str text)
{
    engine->source = text;
}

const char *engine_name(const struct engine *engine)
{
    return engine->name;
}

static enum err call_server(struct engine *engine, const char *method, const char *path,
                            struct str body, struct buf *out, int *ret_status)
{
    CLEAN(buf_deinit) struct buf url = {0};
    struct diag diag = {0};
    buf_printf(&url, "%s%s", engine->url, path);
    struct fetch_request request = {
        .method = method, .url = buf_c_str(&url), .body = body, .timeout_ms = 600000};
    enum err err = fetch(engine->cli->io, &request, out, ret_status, &diag);
    if (err != OK) {
        diag_hint(&diag, "start one with `millrace run DIR`, name it with --server URL, or work on "
                         "a stopped project with --project DIR");
        cli_diag(engine->cli, NULL, &diag);
    }
    return err;
}

enum err engine_call_status(struct engine *engine, const char *method, const char *path,
                            struct str body, struct buf *out, int *ret_status)
{
    if (engine->url)
        return call_server(engine, method, path, body, out, ret_status);
    struct api_engine api = {
        .operate = {engine->cli->io, engine->project, engine->log, engine->store},
        .status = stopped_status,
        .owner = engine,
    };
    struct str whole = str_of(path);
    size_t mark = str_find(whole, STR("?"), 0);
    struct api_request request = {
        .method = str_of(method),
        .path = str_slice(whole, 0, mark),
        .query = mark == SIZE_MAX ? STR_NONE : str_slice(whole, mark + 1, whole.bytes),
        .body = body,
    };
    struct api_answer answer = {.status = 0};
    api_handle(&api, &request, &answer);
    buf_str_append(out, buf_str(&answer.content));
    buf_deinit(&answer.content);
    *ret_status = answer.status;
    return buf_error(out);
}

static enum err code_of(int status)
{
    if (status == 503)
        return ERR_AGAIN; /* later, whatever the reason: exit code 75 */
    for (int i = OK; i < ERR_COUNT_; i++)
        if (err_info((enum err)i)->http == status)
            return (enum err)i;
    return ERR_IO;
}

static void print_error(struct engine *engine, struct str answer, int status)
{
    const struct cli *cli = engine->cli;
    struct str error = json_member(answer, "error");
    CLEAN(buf_deinit) struct buf text = {0};
    struct diag diag = {.err = code_of(status)};
    int64_t number;
    if (!error.ptr) {
        cli_error(cli, "the server answered with HTTP %d", status);
        return;
    }
    const struct {
        const char *member;
        char *to;
        size_t room;
    } texts[] = {
        {"message", diag.message, sizeof diag.message},
        {"hint", diag.hint, sizeof diag.hint},
        {"class", diag.error_class, sizeof diag.error_class},
        {"sqlstate", diag.sqlstate, sizeof diag.sqlstate},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct str value = json_member(error, texts[i].member);
        if (!value.ptr)
            continue;
        buf_reset(&text);
        json_text(value, &text);
        snprintf(texts[i].to, texts[i].room, "%.*s", STR_ARG(buf_str(&text)));
    }
    if (str_to_i64(json_member(error, "line"), &number) == OK)
        diag.line = (uint32_t)number;
    if (str_to_i64(json_member(error, "column"), &number) == OK)
        diag.column = (uint32_t)number;
    cli_diag_text(engine->source, &diag);
}

enum err engine_call(struct engine *engine, const char *method, const char *path, struct str body,
                     struct buf *out)
{
    int status = 0;
    size_t at = out->bytes;
    TRY(engine_call_status(engine, method, path, body, out, &status));
    if (status / 100 == 2)
        return OK;
    print_error(engine, str_slice(buf_str(out), at, out->bytes), status);
    return code_of(status);
}
