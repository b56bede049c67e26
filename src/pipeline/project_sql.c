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

bool project_glob_match(const char *pattern, const char *path)
{
    for (; *pattern; pattern++, path++) {
        bool folders = pattern[0] == '*' && pattern[1] == '*' && pattern[2] == '/';
        bool any = *pattern == '*' && (folders || pattern[1] == '*');
        if (*pattern == '*') {
            /* "**" followed by a slash ends at a folder's end, and may stand for none. */
            pattern += folders ? 3 : any ? 2 : 1;
            for (const char *p = path;; p++) {
                if ((!folders || p == path || p[-1] == '/') && project_glob_match(pattern, p))
                    return true;
                if (!*p || (!any && *p == '/'))
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
    if (!str_is_utf8(text)) {
        loading_mistake(loading, name, 0, 0, "save the file as UTF-8", "not UTF-8 text");
        return;
    }
    if (sql->file_count >= FILES_MAX) {
        if (sql->file_count++ == FILES_MAX)
            loading_mistake(loading, name, 0, 0, "part the project",
                            "a project has at most %d SQL files", FILES_MAX);
        return;
    }
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
        else if (project_glob_match(pattern, name))
            add_file(sql, name);
    }
    io_names_free(names, count);
}

/* The folder before the first wild card. at: where the pattern stands, NULL for that by default. */
static void add_glob(struct sql_loading *sql, struct str pattern, const struct setting *at)
{
    struct loading *loading = sql->loading;
    char *text = arena_text(loading->arena, pattern);
    size_t wild = strcspn(text, "*?");
    if (wild == pattern.bytes) {
        char *full = arena_printf(loading->arena, "%s/%s", loading->project->directory, text);
        struct io_stat stat;
        if (io_path_stat(loading->project->io, full, &stat) == OK && !stat.is_directory)
            add_file(sql, text);
        else if (at)
            loading_mistake(loading, loading->spec_file, at->line, at->column,
                            "name an .sql file, or a folder as transformations/**",
                            "there is no file %s", text);
        return;
    }
    while (wild && text[wild - 1] != '/')
        wild--;
    char *folder = arena_text(loading->arena, str_slice(pattern, 0, wild ? wild - 1 : 0));
    char *path = arena_printf(loading->arena, "%s/%s", loading->project->directory, folder);
    struct io_stat stat;
    /* A glob that matches nothing is fine, as in Spark; a folder that is not there is a slip. */
    if (at && (io_path_stat(loading->project->io, path, &stat) != OK || !stat.is_directory)) {
        loading_mistake(loading, loading->spec_file, at->line, at->column,
                        "the path is relative to the project", "there is no folder %s", folder);
        return;
    }
    walk(sql, folder, text, 0);
}

static void find_files(struct sql_loading *sql)
{
    const struct setting *libraries = setting_get(sql->loading->spec, "libraries");
    if (!libraries) {
        add_glob(sql, STR("transformations/**"), NULL);
        return;
    }
    if (libraries->kind == SETTING_TEXT || libraries->kind == SETTING_MAP) {
        loading_mistake(sql->loading, sql->loading->spec_file, libraries->line, libraries->column,
                        "write `- glob: {include: transformations/**}` below it",
                        "`libraries` is a list");
        return;
    }
    for (size_t i = 0; i < libraries->count; i++) {
        const struct setting *item = &libraries->items[i];
        const struct setting *glob = item->kind == SETTING_MAP ? setting_get(item, "glob") : NULL;
        const struct setting *include =
            glob && glob->kind == SETTING_MAP ? setting_get(glob, "include") : NULL;
        if (include && include->kind == SETTING_TEXT)
            add_glob(sql, include->text, include);
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

/* The column where a statement starts; its text is a part of the file's. */
static uint32_t statement_column(struct str text, const struct query_statement *statement)
{
    uint32_t column = 1;
    for (const char *c = statement->text.ptr; c > text.ptr && c[-1] != '\n'; c--)
        column += ((unsigned char)c[-1] & 0xC0) != 0x80;
    return column;
}

static bool statement_kind(struct loading *loading, const struct sql_file *file,
                           const struct query_statement *statement,
                           enum project_table_kind *ret_kind)
{
    uint32_t column = statement_column(file->text, statement);
    switch (statement->kind) {
    case QUERY_CREATE_STREAMING_TABLE:
        *ret_kind = PROJECT_STREAMING_TABLE;
        return true;
    case QUERY_CREATE_MATERIALIZED_VIEW:
        *ret_kind = PROJECT_MATERIALIZED_VIEW;
        return true;
    case QUERY_CREATE_TEMPORARY_VIEW:
        *ret_kind = PROJECT_VIEW;
        return true;
    case QUERY_SET:
        loading_mistake(loading, file->name, statement->line, column,
                        "settings stand under `configuration:` of spark-pipeline.yml",
                        "SET has no place in a pipeline");
        return false;
    default:
        loading_mistake(loading, file->name, statement->line, column,
                        "a pipeline has CREATE STREAMING TABLE, CREATE MATERIALIZED VIEW and "
                        "CREATE TEMPORARY VIEW",
                        "%s has no place in a pipeline",
                        statement->kind == QUERY_SELECT ? "a query by itself"
                        : statement->word               ? statement->word
                                                        : "this statement");
        return false;
    }
}

static void add_statement(struct loading *loading, const struct sql_file *file,
                          const struct query_statement *statement, size_t room)
{
    struct project *project = loading->project;
    enum project_table_kind kind;
    if (!statement_kind(loading, file, statement, &kind))
        return;
    struct str name = last_part(statement->name);
    uint32_t column = statement_column(file->text, statement);
    const struct project_table *other = project_table_find(project, name);
    const struct project_source *source = project_source_find(project, name);
    if (other)
        loading_mistake(loading, file->name, statement->line, column, "give each its own name",
                        "'%.*s' is created twice, first in %.*s:%u", STR_ARG(name),
                        STR_ARG(other->file), other->statement->line);
    else if (source)
        loading_mistake(loading, file->name, statement->line, column, "give each its own name",
                        "'%.*s' is the name of a source too (millrace.yml:%u)", STR_ARG(name),
                        source->place->key_line);
    if (other || source)
        return;
    check(project->table_count < room);
    project->tables[project->table_count++] = (struct project_table){
        .kind = kind,
        .name = arena_str(loading->arena, name),
        .statement = statement,
        .column = column,
        .file = str_of(file->name),
        .file_text = file->text,
    };
}

/* The parser says what it expected; what people mostly did is said here. */
static const char *syntax_hint(const struct diag *diag)
{
    static const struct {
        const char *part, *hint;
    } words[] = {
        {"expected a statement", "a pipeline has CREATE STREAMING TABLE, CREATE MATERIALIZED VIEW "
                                 "and CREATE TEMPORARY VIEW"},
        {"expected the end of", "in front of it a comma, AS or a semicolon may be missing"},
        {"expected an expression", "is a comma too many in front of it?"},
        {"string is not closed",
         "close it with the quote that it began with; '' is a quote inside"},
        {"comment is not closed", "close it with */"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(diag->message, words[i].part))
            return words[i].hint;
    return NULL;
}

static void parse_file(struct loading *loading, const struct sql_file *file,
                       struct query_script *ret_script)
{
    struct diag_list found = {0};
    (void)!query_parse(loading->arena, file->text, &found, ret_script);
    for (size_t i = 0; i < found.count; i++) {
        const char *hint = syntax_hint(&found.items[i]);
        if (hint)
            diag_hint(&found.items[i], "%s", hint);
        snprintf(found.items[i].file, sizeof found.items[i].file, "%s", file->name);
        diag_list_add(loading->diags, &found.items[i]);
    }
    diag_list_deinit(&found);
}

/* ---- planning ---- */

static void plan_table(struct loading *loading, struct project_table *table);

struct catalog {
    struct project *project;
    struct loading *loading;       /* NULL: for ad-hoc queries, everything is planned */
    struct project_table *planned; /* the table that asks */
    bool broken;                   /* what it asked for has a mistake itself */
};

/* a reads b, b reads a: told once, by the one that closes the circle. */
static void complain_circle(struct catalog *catalog, struct project_table *first)
{
    CLEAN(buf_deinit) struct buf path = {0};
    struct project_table *table = first, *last = catalog->planned;
    size_t steps = 0;
    for (; table && table != last && steps < 20; table = table->reads, steps++)
        buf_printf(&path, "%.*s -> ", STR_ARG(table->name));
    buf_printf(&path, "%s%.*s -> %.*s", steps < 20 ? "" : ".. -> ", STR_ARG(last->name),
               STR_ARG(first->name));
    loading_mistake(catalog->loading, last->file.ptr, last->statement->line, last->column,
                    "one of them has to read something else", "these read each other: %.*s",
                    STR_ARG(buf_str(&path)));
}

static enum err find_table(struct catalog *catalog, struct project_table *table,
                           struct query_relation *ret_relation)
{
    if (catalog->loading) {
        if (table->planning == PLANNING_IN_IT)
            complain_circle(catalog, table);
        else if (catalog->planned) {
            catalog->planned->reads = table;
            plan_table(catalog->loading, table);
        }
    }
    if (table->planning != PLANNING_DONE) {
        catalog->broken = true;
        return ERR_INVALID;
    }
    if (table->kind == PROJECT_VIEW) {
        *ret_relation = (struct query_relation){
            .view = table->statement->query, .stream = true, .table = true, .handle = table};
        return OK;
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
        if (!str_equal_nocase(source->name, name))
            continue;
        if (!source->schema) {
            catalog->broken = true; /* told already */
            return ERR_INVALID;
        }
        *ret_relation = (struct query_relation){.schema = source->schema,
                                                .stream = !source->static_file.ptr,
                                                .table = true,
                                                .handle = source};
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
        loading_mistake(loading, table->file.ptr, table->statement->line, table->column,
                        "read one STREAM with filters, expressions and explode",
                        "the streaming table '%.*s' needs more than this release runs as a stream",
                        STR_ARG(table->name));
}

static void plan_table(struct loading *loading, struct project_table *table)
{
    if (table->planning != PLANNING_NOT_YET)
        return;
    table->planning = PLANNING_IN_IT;
    struct catalog catalog = {.project = loading->project, .loading = loading, .planned = table};
    struct query_catalog found = {catalog_find, catalog_names, &catalog};
    struct diag diag = {0};
    const struct query_plan *plan = NULL;
    enum err err = query_plan(loading->arena, table->statement, &found, &loading->project->session,
                              &diag, &plan);
    table->reads = NULL;
    table->planning = err == OK ? PLANNING_DONE : PLANNING_MISTAKE;
    if (err != OK) {
        /* What it reads has a mistake, and that one is told. */
        bool not_found = strcmp(diag.error_class, "TABLE_OR_VIEW_NOT_FOUND") == 0;
        if ((diag.err == OK && catalog.broken) || (not_found && loading->sources_unknown))
            return;
        if (not_found && loading->project->source_count == 0)
            snprintf(diag.hint, sizeof diag.hint, "name it under `sources:` of millrace.yml");
        diag_set(&diag, err, table->statement->line, table->column, "cannot be planned: %s",
                 err_text(err));
        if (err == ERR_UNSUPPORTED)
            diag_hint(&diag, "%s",
                      !table->statement->query              ? "write AS SELECT .. behind it"
                      : strstr(diag.message, "ORDER BY on") ? "sort where the table is read"
                                                            : "Spark runs this, millrace does not "
                                                              "yet");
        snprintf(diag.file, sizeof diag.file, "%.*s", STR_ARG(table->file));
        diag_list_add(loading->diags, &diag);
        return;
    }
    if (table->kind != PROJECT_VIEW)
        table->plan = plan;
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
        plan_table(loading, &project->tables[i]);
}
