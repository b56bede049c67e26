/* SPDX-License-Identifier: MIT */
/*
 * The SQL files: found by the globs of `libraries`, parsed, and planned. A query may read what a
 * later statement creates, so planning starts from each statement and plans what it reads first; a
 * statement met again while it is being planned is a cycle.
 *
 * A streaming table read as a stream stands for its query: rows flow through both at once.
 */
#include "base/check.h"
#include "pipeline/project_private.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILES_MAX = 10000 };

struct sql_file {
    const char *name; /* relative to the project */
    struct str text;
};

struct sql_loading {
    struct loading *loading;
    struct sql_file *files;
    size_t file_count;
};

/* ---- globs: ** any folders, * within a name, ? one character ---- */

static bool glob_match(const char *pattern, const char *path)
{
    for (; *pattern; pattern++, path++) {
        if (pattern[0] == '*' && pattern[1] == '*') {
            pattern += 2;
            if (*pattern == '/')
                pattern++;
            for (;; path++) {
                if (glob_match(pattern, path) || !*pattern)
                    return true;
                if (!*path)
                    return false;
            }
        }
        if (*pattern == '*') {
            for (const char *p = path;; p++) {
                if (glob_match(pattern + 1, p))
                    return true;
                if (!*p || *p == '/')
                    return false;
            }
        }
        if (!*path || (*pattern != *path && (*pattern != '?' || *path == '/')))
            return false;
    }
    return !*path;
}

static void add_file(struct sql_loading *sql, const char *name)
{
    struct loading *loading = sql->loading;
    for (size_t i = 0; i < sql->file_count; i++)
        if (strcmp(sql->files[i].name, name) == 0)
            return;
    if (!str_ends(str_of(name), STR(".sql"))) {
        loading_mistake(loading, name, 0, 0,
                        str_ends(str_of(name), STR(".py"))
                            ? "millrace runs the SQL files; keep Python files outside the glob"
                            : "keep other files outside the folders that `libraries` names",
                        "not an SQL file");
        return;
    }
    struct str text;
    enum err err = loading_read(loading, name, &text);
    if (err != OK) {
        loading_mistake(loading, name, 0, 0, NULL, "cannot be read: %s", err_text(err));
        return;
    }
    if (sql->file_count >= FILES_MAX)
        return;
    struct sql_file *files = arena_array(loading->arena, sql->file_count + 1, sizeof *files);
    if (sql->file_count)
        memcpy(files, sql->files, sql->file_count * sizeof *files);
    files[sql->file_count++] = (struct sql_file){name, text};
    sql->files = files;
}

static void walk(struct sql_loading *sql, const char *folder, const char *pattern, int depth)
{
    struct loading *loading = sql->loading;
    char *path = arena_printf(loading->arena, "%s/%s", loading->project->directory, folder);
    char **names;
    size_t count;
    if (depth > 16 || io_path_list(loading->project->io, path, &names, &count) != OK)
        return;
    for (size_t i = 0; i < count; i++) {
        const char *name = *folder ? arena_printf(loading->arena, "%s/%s", folder, names[i])
                                   : arena_text(loading->arena, str_of(names[i]));
        struct io_stat stat;
        char *full = arena_printf(loading->arena, "%s/%s", loading->project->directory, name);
        if (names[i][0] == '.' || io_path_stat(loading->project->io, full, &stat) != OK)
            continue;
        if (stat.is_directory)
            walk(sql, name, pattern, depth + 1);
        else if (glob_match(pattern, name))
            add_file(sql, name);
    }
    io_names_free(names, count);
}

/* The folder before the first wild card. */
static void add_glob(struct sql_loading *sql, struct str pattern)
{
    struct loading *loading = sql->loading;
    char *text = arena_text(loading->arena, pattern);
    size_t wild = strcspn(text, "*?");
    if (wild == pattern.bytes) {
        char *full = arena_printf(loading->arena, "%s/%s", loading->project->directory, text);
        struct io_stat stat;
        if (io_path_stat(loading->project->io, full, &stat) == OK && !stat.is_directory)
            add_file(sql, text);
        return; /* a glob that matches nothing is fine, as in Spark */
    }
    while (wild && text[wild - 1] != '/')
        wild--;
    char *folder = arena_text(loading->arena, str_slice(pattern, 0, wild ? wild - 1 : 0));
    walk(sql, folder, text, 0);
}

static void find_files(struct sql_loading *sql)
{
    const struct setting *libraries = setting_get(sql->loading->spec, "libraries");
    if (!libraries) {
        add_glob(sql, STR("transformations/**"));
        return;
    }
    for (size_t i = 0; i < libraries->count; i++) {
        const struct setting *item = &libraries->items[i];
        const struct setting *glob = item->kind == SETTING_MAP ? setting_get(item, "glob") : NULL;
        const struct setting *include =
            glob && glob->kind == SETTING_MAP ? setting_get(glob, "include") : NULL;
        if (include && include->kind == SETTING_TEXT)
            add_glob(sql, include->text);
        else
            loading_mistake(sql->loading, sql->loading->spec_file, item->line, item->column,
                            "write `- glob: {include: transformations/**}`",
                            "not an entry of `libraries`");
    }
}

/* ---- statements ---- */

static struct str last_part(struct str name)
{
    size_t at = name.bytes;
    while (at && name.ptr[at - 1] != '.')
        at--;
    name = str_slice(name, at, name.bytes);
    if (name.bytes > 1 && name.ptr[0] == '`' && name.ptr[name.bytes - 1] == '`')
        name = str_slice(name, 1, name.bytes - 1);
    return name;
}

static void add_statement(struct loading *loading, const struct sql_file *file,
                          const struct query_statement *statement, size_t room)
{
    struct project *project = loading->project;
    enum project_table_kind kind;
    switch (statement->kind) {
    case QUERY_CREATE_STREAMING_TABLE:
        kind = PROJECT_STREAMING_TABLE;
        break;
    case QUERY_CREATE_MATERIALIZED_VIEW:
        kind = PROJECT_MATERIALIZED_VIEW;
        break;
    case QUERY_CREATE_TEMPORARY_VIEW:
        kind = PROJECT_VIEW;
        break;
    default:
        loading_mistake(loading, file->name, statement->line, 1,
                        "a pipeline has CREATE STREAMING TABLE, CREATE MATERIALIZED VIEW and "
                        "CREATE TEMPORARY VIEW",
                        "this statement has no place in a pipeline");
        return;
    }
    struct str name = last_part(statement->name);
    struct project_table *other = project_table_find(project, name);
    if (other || project_source_find(project, name)) {
        loading_mistake(loading, file->name, statement->line, 1, NULL,
                        "'%.*s' is defined twice%s%s", STR_ARG(name),
                        other ? ", first in " : ", it is a source too",
                        other ? other->file.ptr : "");
        return;
    }
    check(project->table_count < room);
    project->tables[project->table_count++] = (struct project_table){
        .kind = kind,
        .name = arena_str(loading->arena, name),
        .statement = statement,
        .file = str_of(file->name),
        .file_text = file->text,
    };
}

static void parse_file(struct loading *loading, const struct sql_file *file,
                       struct query_script *ret_script)
{
    struct diag_list found = {0};
    (void)!query_parse(loading->arena, file->text, &found, ret_script);
    for (size_t i = 0; i < found.count; i++) {
        snprintf(found.items[i].file, sizeof found.items[i].file, "%s", file->name);
        diag_list_add(loading->diags, &found.items[i]);
    }
    diag_list_deinit(&found);
}

/* ---- planning ---- */

static void plan_table(struct loading *loading, struct project_table *table);

struct catalog {
    struct project *project;
    struct loading *loading;             /* NULL: for ad-hoc queries, everything is planned */
    const struct project_table *missing; /* asked for, and has no plan */
};

static enum err find_table(struct catalog *catalog, struct project_table *table,
                           struct query_relation *ret_relation)
{
    if (table->kind == PROJECT_VIEW) {
        *ret_relation = (struct query_relation){
            .view = table->statement->query, .stream = true, .table = true, .handle = table};
        return OK;
    }
    if (catalog->loading)
        plan_table(catalog->loading, table);
    if (!table->plan) {
        catalog->missing = table;
        return ERR_INVALID;
    }
    *ret_relation = (struct query_relation){
        .schema = query_plan_schema(table->plan),
        .stream = table->kind == PROJECT_STREAMING_TABLE,
        .stream_view = table->kind == PROJECT_STREAMING_TABLE ? table->statement->query : NULL,
        .table = true,
        .handle = table,
    };
    return OK;
}

static enum err catalog_find(void *owner, const struct str *parts, size_t part_count,
                             struct query_relation *ret_relation)
{
    struct catalog *catalog = owner;
    struct project *project = catalog->project;
    struct str name = parts[part_count - 1];
    for (size_t i = 0; i < project->source_count; i++) {
        struct project_source *source = &project->sources[i];
        if (!str_equal_nocase(source->name, name) || !source->schema)
            continue;
        *ret_relation = (struct query_relation){
            .schema = source->schema, .stream = true, .table = true, .handle = source};
        return OK;
    }
    struct project_table *table = project_table_find(project, name);
    return table ? find_table(catalog, table, ret_relation) : ERR_NOT_FOUND;
}

static size_t catalog_names(void *owner, struct arena *arena, const char *const **ret_names)
{
    struct project *project = ((struct catalog *)owner)->project;
    size_t count = 0;
    const char **names =
        arena_array(arena, project->source_count + project->table_count + 1, sizeof *names);
    for (size_t i = 0; i < project->source_count; i++)
        names[count++] = arena_text(arena, project->sources[i].name);
    for (size_t i = 0; i < project->table_count; i++)
        names[count++] = arena_text(arena, project->tables[i].name);
    *ret_names = names;
    return count;
}

void project_catalog(struct project *project, struct query_catalog *ret_catalog)
{
    struct catalog *catalog = arena_zero(&project->arena, sizeof *catalog);
    catalog->project = project;
    *ret_catalog = (struct query_catalog){catalog_find, catalog_names, catalog};
}

/* The source at the root of a streaming table. Plans of this release read one stream. */
static void find_source(struct loading *loading, struct project_table *table)
{
    const struct query_input *inputs;
    size_t count = query_plan_inputs(table->plan, &inputs);
    for (size_t i = 0; i < count; i++) {
        if (!inputs[i].streaming)
            continue;
        struct project_source *source = inputs[i].relation.handle;
        bool known = source >= loading->project->sources &&
                     source < loading->project->sources + loading->project->source_count;
        if (known && !table->source)
            table->source = source;
    }
    if (count != 1 || !table->source || !query_plan_is_stateless(table->plan))
        loading_mistake(loading, table->file.ptr, table->statement->line, 1,
                        "read one STREAM with filters, expressions and explode",
                        "the streaming table '%.*s' needs more than this release runs as a stream",
                        STR_ARG(table->name));
}

static void plan_table(struct loading *loading, struct project_table *table)
{
    if (table->planning)
        return;
    table->planning = 1;
    struct catalog catalog = {.project = loading->project, .loading = loading};
    struct query_catalog found = {catalog_find, catalog_names, &catalog};
    struct diag diag = {0};
    enum err err = query_plan(loading->arena, table->statement, &found, &loading->project->session,
                              &diag, &table->plan);
    table->planning = 2;
    if (err != OK) {
        table->plan = NULL;
        snprintf(diag.file, sizeof diag.file, "%.*s", STR_ARG(table->file));
        if (diag.err == OK && catalog.missing)
            diag_set(&diag, err, table->statement->line, 1, "'%.*s' reads from '%.*s', which %s",
                     STR_ARG(table->name), STR_ARG(catalog.missing->name),
                     catalog.missing->planning == 1 ? "reads from it" : "has a mistake");
        else if (diag.err == OK)
            diag_set(&diag, err, table->statement->line, 1, "cannot be planned: %s", err_text(err));
        diag_list_add(loading->diags, &diag);
        return;
    }
    if (table->kind == PROJECT_STREAMING_TABLE)
        find_source(loading, table);
}

void load_sql(struct loading *loading)
{
    struct project *project = loading->project;
    struct sql_loading sql = {.loading = loading};
    find_files(&sql);
    struct query_script *scripts = arena_array(loading->arena, sql.file_count + 1, sizeof *scripts);
    size_t room = 0;
    for (size_t i = 0; i < sql.file_count; i++) {
        parse_file(loading, &sql.files[i], &scripts[i]);
        room += scripts[i].count;
    }
    project->tables = arena_array(loading->arena, room + 1, sizeof *project->tables);
    for (size_t i = 0; i < sql.file_count; i++)
        for (size_t k = 0; k < scripts[i].count; k++)
            add_statement(loading, &sql.files[i], &scripts[i].statements[k], room);
    for (size_t i = 0; i < project->table_count; i++)
        if (project->tables[i].kind != PROJECT_VIEW)
            plan_table(loading, &project->tables[i]);
}
