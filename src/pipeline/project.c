/* SPDX-License-Identifier: MIT */
/*
 * A project directory becomes a struct project: spark-pipeline.yml, millrace.yml with .env, the SQL
 * files; then names are resolved and queries planned. Mistakes are gathered, never thrown: a person
 * who fixes a project wants to see all of them. Later parts run as far as earlier ones allow.
 */
#include "pipeline/project_private.h"
#include "pipeline/remote.h"

#include <stdio.h>

enum { FILE_BYTES_MAX = 4 << 20, PROJECT_BYTES_MAX = 256 << 20 };

void loading_mistake(struct loading *loading, const char *file, uint32_t line, uint32_t column,
                     const char *hint, const char *format, ...)
{
    struct diag diag = {.err = ERR_INVALID, .line = line, .column = column};
    snprintf(diag.file, sizeof diag.file, "%s", file);
    va_list args;
    va_start(args, format);
    vsnprintf(diag.message, sizeof diag.message, format, args);
    va_end(args);
    if (hint)
        diag_hint(&diag, "%s", hint);
    diag_list_add(loading->diags, &diag);
}

const char *loading_nearest(struct loading *loading, struct str name, const char *const *names,
                            size_t count)
{
    struct str nearest = str_nearest(name, names, count);
    return nearest.ptr ? arena_printf(loading->arena, "did you mean '%.*s'?", STR_ARG(nearest))
                       : NULL;
}

struct str project_file_text(struct io *io, const char *directory, const char *file,
                             struct arena *arena)
{
    CLEAN(buf_deinit) struct buf content = {0};
    char *path = arena_printf(arena, "%s/%s", directory, file);
    if (io_path_read(io, path, FILE_BYTES_MAX, &content) != OK)
        return STR_NONE;
    return arena_str(arena, buf_str(&content));
}

enum err loading_read(struct loading *loading, const char *relative, struct str *ret_text)
{
    CLEAN(buf_deinit) struct buf content = {0};
    char *path = arena_printf(loading->arena, "%s/%s", loading->project->directory, relative);
    TRY(io_path_read(loading->project->io, path, FILE_BYTES_MAX, &content));
    *ret_text = arena_str(loading->arena, buf_str(&content));
    return OK;
}

/* Mistakes of one file in the order of its lines; files stay in the order in which they came. */
static void sort_mistakes(struct diag_list *diags, size_t from)
{
    for (size_t i = from + 1; i < diags->count; i++) {
        struct diag moved = diags->items[i];
        size_t home = i, first = from;
        while (strcmp(diags->items[first].file, moved.file) != 0)
            first++;
        while (home > first) {
            const struct diag *above = &diags->items[home - 1];
            bool same = strcmp(above->file, moved.file) == 0;
            if (same && (above->line < moved.line ||
                         (above->line == moved.line && above->column <= moved.column)))
                break;
            home--;
        }
        memmove(&diags->items[home + 1], &diags->items[home], (i - home) * sizeof moved);
        diags->items[home] = moved;
    }
}

static const char *environment_get(void *owner, struct str name)
{
    struct loading *loading = owner;
    const char *value = io_env(loading->project->io, arena_text(loading->arena, name));
    return value ? value : map_get(&loading->env.values, name);
}

static void load_env(struct loading *loading)
{
    struct str text;
    enum err err = loading_read(loading, ".env", &text);
    if (err != OK && err != ERR_NOT_FOUND)
        loading_mistake(loading, ".env", 0, 0, NULL, "cannot be read: %s", err_text(err));
    if (err == OK && env_load(loading->arena, text, ".env", loading->diags, &loading->env) != OK)
        loading->env = (struct env_file){0};
}

static void load_durability(struct loading *loading, const struct setting *engines)
{
    struct project *project = loading->project;
    const struct setting *s = setting_get(engines, "durability");
    struct str text = setting_text(engines, "durability", "sync");
    project->durability = LOG_SYNC;
    if (str_equal(text, STR("os")))
        project->durability = LOG_OS;
    else if (str_starts(text, STR("interval:")) &&
             duration_parse(str_slice(text, 9, text.bytes), &project->durability_interval_ms) ==
                 OK &&
             project->durability_interval_ms > 0)
        project->durability = LOG_INTERVAL;
    else if (!str_equal(text, STR("sync")))
        loading_mistake(loading, "millrace.yml", s->line, s->column,
                        "write sync, interval:50ms or os", "'%.*s' is not a durability",
                        STR_ARG(text));
}

/* What may be shown of it: not what may be a login. */
static struct str tables_name(struct str text)
{
    size_t at = str_find(text, STR("://"), 0);
    return str_slice(text, 0, at == SIZE_MAX ? 40 : at + 3);
}

/* `embedded`, or the URL of a database that remote.h has. */
static void load_tables(struct loading *loading, const struct setting *engines)
{
    struct project *project = loading->project;
    const struct setting *s = setting_get(engines, "tables");
    if (!s || s->kind != SETTING_TEXT || str_equal(s->text, STR("embedded")))
        return;
    struct diag diag = {0};
    const struct remote_kind *kind = remote_kind_find(s->text);
    if (!kind)
        loading_mistake(loading, "millrace.yml", s->line, s->column,
                        "write embedded, or cassandra://host1,host2:9042?datacenter=dc1",
                        "'tables' cannot be '%.*s'", STR_ARG(tables_name(s->text)));
    else if (kind->parse(loading->arena, project_engine_url(loading, s->text), &diag,
                         &project->tables_place) != OK)
        loading_mistake(loading, "millrace.yml", s->line, s->column,
                        diag.hint[0] ? diag.hint : NULL, "'tables': %s", diag.message);
    else
        project->tables_kind = kind;
}

/* `embedded`, or the URL of a Kafka. */
static void load_log(struct loading *loading, const struct setting *engines)
{
    const struct setting *s = setting_get(engines, "log");
    if (!s || s->kind != SETTING_TEXT || str_equal(s->text, STR("embedded")))
        return;
    struct diag diag = {0};
    if (!str_starts(s->text, STR("kafka://")))
        loading_mistake(loading, "millrace.yml", s->line, s->column,
                        "write embedded, or kafka://host1:9092,host2:9092",
                        "'log' cannot be '%.*s'", STR_ARG(tables_name(s->text)));
    else if (log_kafka_check(s->text, &diag) != OK)
        loading_mistake(loading, "millrace.yml", s->line, s->column,
                        diag.hint[0] ? diag.hint : NULL, "'log': %s", diag.message);
    else
        loading->project->log_url = project_engine_url(loading, s->text);
}

static void load_settings(struct loading *loading)
{
    struct project *project = loading->project;
    struct yaml_environment environment = {environment_get, loading};
    loading->sources_unknown = true;
    const struct setting *root;
    load_listeners(loading, NULL);
    project->data_directory = arena_printf(loading->arena, "%s/data", project->directory);
    enum err err = loading_read(loading, "millrace.yml", &project->settings_text);
    if (err != OK) {
        bool missing = err == ERR_NOT_FOUND;
        loading_mistake(loading, "millrace.yml", 0, 0,
                        missing ? "`millrace init DIR --example random-users` writes a project "
                                  "that runs"
                                : NULL,
                        missing ? "there is no millrace.yml in %s" : "cannot be read in %s: %s",
                        project->directory, err_text(err));
        return;
    }
    if (yaml_load(loading->arena, project->settings_text, "millrace.yml", &environment,
                  loading->diags, &root) != OK)
        return;
    project->settings = root;
    loading->sources_unknown = false;
    (void)!settings_check(root, project_keys, "millrace.yml", loading->diags);
    load_durability(loading, setting_get(root, "engines"));
    load_log(loading, setting_get(root, "engines"));
    load_tables(loading, setting_get(root, "engines"));
    load_listeners(loading, setting_get(root, "listeners"));
    struct str data = setting_text(root, "data_dir", "data");
    const struct setting *data_setting = setting_get(root, "data_dir");
    if (!data.bytes)
        loading_mistake(loading, "millrace.yml", data_setting->line, data_setting->column,
                        "leave it out, or name a folder", "data_dir is empty");
    project->data_directory =
        data.bytes && data.ptr[0] == '/'
            ? arena_text(loading->arena, data)
            : arena_printf(loading->arena, "%s/%.*s", project->directory, STR_ARG(data));
    load_sources(loading, setting_get(root, "sources"));
    load_targets(loading, setting_get(root, "targets"));
}

enum err project_load(struct io *io, const char *directory, struct diag_list *diags,
                      struct project **ret_project)
{
    struct project *project = mem_zero(sizeof *project);
    arena_init(&project->arena, PROJECT_BYTES_MAX);
    size_t before_count = diags->count, before = before_count + diags->dropped,
           bytes = strlen(directory);
    while (bytes > 1 && directory[bytes - 1] == '/')
        bytes--;
    project->io = io;
    project->directory = arena_text(&project->arena, str_from(directory, bytes));
    struct loading loading = {.project = project, .arena = &project->arena, .diags = diags};
    struct io_stat stat;
    if (io_path_stat(io, project->directory, &stat) != OK || !stat.is_directory) {
        loading_mistake(&loading, "", 0, 0, "name the directory that holds millrace.yml",
                        "there is no directory %s", project->directory);
        project_free(project);
        *ret_project = NULL;
        return ERR_NOT_FOUND;
    }
    load_env(&loading);
    load_spec(&loading);
    load_settings(&loading);
    load_sql(&loading);
    link_targets(&loading);
    map_deinit(&loading.env.values);
    sort_mistakes(diags, before_count);
    *ret_project = project;
    return diags->count + diags->dropped == before ? OK : ERR_INVALID;
}

void project_free(struct project *project)
{
    if (!project)
        return;
    arena_deinit(&project->arena);
    mem_free(project);
}

struct project_source *project_source_find(struct project *project, struct str name)
{
    for (size_t i = 0; i < project->source_count; i++)
        if (str_equal(project->sources[i].name, name))
            return &project->sources[i];
    return NULL;
}

struct project_table *project_table_find(struct project *project, struct str name)
{
    for (size_t i = 0; i < project->table_count; i++)
        if (str_equal_nocase(project->tables[i].name, name))
            return &project->tables[i];
    return NULL;
}
