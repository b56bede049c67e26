/* SPDX-License-Identifier: MIT */
/*
 * The `targets:` of millrace.yml, and the table definitions that follow from them and the queries.
 * A table of the SQL files that no target names is stored too: append-only, under its own name in
 * the pipeline's database.
 */
#include "pipeline/project_private.h"

static const char *const FILE_NAME = "millrace.yml";

bool is_table_name(struct str name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_')
            return false;
    }
    return name.bytes > 0 && name.bytes <= 48;
}

static void split_table(struct loading *loading, const struct setting *map,
                        struct project_target *target)
{
    const struct setting *s = setting_get(map, "table");
    bool named = s && s->kind == SETTING_TEXT;
    struct str text = named ? s->text : map->key;
    size_t dot = str_find(text, STR("."), 0);
    target->keyspace = dot == SIZE_MAX ? loading->project->database : str_slice(text, 0, dot);
    target->table = dot == SIZE_MAX ? text : str_slice(text, dot + 1, text.bytes);
    bool good =
        is_table_name(target->table) && (dot == SIZE_MAX || is_table_name(target->keyspace));
    if (!good)
        loading_mistake(loading, FILE_NAME, named ? s->line : map->key_line,
                        named ? s->column : map->key_column,
                        "write `table: keyspace.table` in letters, digits and _, at most 48 each",
                        "'%.*s' is not the name of a table", STR_ARG(str_slice(text, 0, 80)));
}

static void load_target(struct loading *loading, const struct setting *map,
                        struct project_target *target)
{
    target->name = map->key;
    target->place = map;
    bool good = map->kind == SETTING_MAP || map->kind == SETTING_NONE;
    if (!good)
        loading_mistake(loading, FILE_NAME, map->line, map->column,
                        "as `{table: keyspace.table, key: [id]}`",
                        "the target '%.*s' takes a map of settings", STR_ARG(map->key));
    else
        good = settings_check(map, target_keys, FILE_NAME, loading->diags) == OK;
    split_table(loading, map, target);
    target->ttl_s = good ? setting_duration_ms(map, "ttl", 0) / 1000 : 0;
    target->broken = !good;
}

void load_targets(struct loading *loading, const struct setting *targets)
{
    struct project *project = loading->project;
    if (!targets || targets->kind == SETTING_NONE)
        return;
    if (targets->kind != SETTING_MAP) {
        loading_mistake(loading, FILE_NAME, targets->line, targets->column,
                        "as `created_users: {table: keyspace.table, key: [id]}`",
                        "`targets:` is a map of names");
        return;
    }
    project->targets = arena_array(loading->arena, targets->count + 1, sizeof *project->targets);
    for (size_t i = 0; i < targets->count; i++)
        load_target(loading, &targets->items[i], &project->targets[project->target_count++]);
}

/* ---- definitions ---- */

static const char *const *field_names(struct loading *loading, const struct type *schema)
{
    const char **names = arena_array(loading->arena, schema->field_count + 1, sizeof *names);
    for (size_t i = 0; i < schema->field_count; i++)
        names[i] = arena_text(loading->arena, schema->fields[i].name);
    return names;
}

struct defining {
    struct loading *loading;
    const struct type *schema;
    struct table_column *columns;
    size_t count;
    bool *used;
};

static const char *type_text(struct loading *loading, const struct type *type)
{
    CLEAN(buf_deinit) struct buf text = {0};
    type_print_sql(type, &text);
    return arena_text(loading->arena, str_slice(buf_str(&text), 0, 80));
}

static const char *column_hint(const struct defining *d, struct str name)
{
    size_t count = d->schema->field_count;
    const char *const *names = field_names(d->loading, d->schema);
    const char *hint = loading_nearest(d->loading, name, names, count);
    if (hint)
        return hint;
    CLEAN(buf_deinit) struct buf list = {0};
    for (size_t i = 0; i < count && list.bytes < 150; i++)
        buf_printf(&list, "%s%s", i ? ", " : "it gives ", names[i]);
    if (list.bytes >= 150)
        buf_text(&list, ", ..");
    return arena_text(d->loading->arena, buf_str(&list));
}

static void add_key(struct defining *d, const struct setting *name, enum table_column_role role)
{
    size_t field = type_field(d->schema, name->text);
    if (field == SIZE_MAX) {
        loading_mistake(d->loading, FILE_NAME, name->line, name->column, column_hint(d, name->text),
                        "the query gives no column '%.*s'", STR_ARG(name->text));
        return;
    }
    const struct field *f = &d->schema->fields[field];
    if (d->used[field])
        loading_mistake(d->loading, FILE_NAME, name->line, name->column, "keep one of them",
                        "'%.*s' stands twice in the key", STR_ARG(name->text));
    else if (type_is_nested(f->type) || f->type->kind == TYPE_NULL)
        loading_mistake(d->loading, FILE_NAME, name->line, name->column,
                        "take numbers, texts, dates or times, or CAST it in the query",
                        "'%.*s' is %s and cannot be a key", STR_ARG(name->text),
                        type_text(d->loading, f->type));
    else
        d->columns[d->count++] =
            (struct table_column){.name = f->name, .type = f->type, .role = role};
    d->used[field] = true;
}

/* [id] or [[a, b], [c, d]]: partition key, then clustering. */
static void add_keys(struct defining *d, const struct setting *key)
{
    if (key && key->kind == SETTING_LIST && key->count == 0)
        loading_mistake(d->loading, FILE_NAME, key->line, key->column,
                        "leave it out for an append-only table", "the key is empty");
    if (key && key->count > 2 && key->items[0].kind == SETTING_LIST)
        loading_mistake(d->loading, FILE_NAME, key->items[2].line, key->items[2].column,
                        "write [[partition columns], [clustering columns]]",
                        "a key has at most two lists");
    for (size_t i = 0; key && i < key->count; i++) {
        const struct setting *item = &key->items[i];
        enum table_column_role role = i == 0 ? TABLE_PARTITION_KEY : TABLE_CLUSTERING_ASC;
        if (item->kind == SETTING_LIST)
            for (size_t k = 0; k < item->count; k++) {
                if (item->items[k].text.bytes)
                    add_key(d, &item->items[k], role);
            }
        else if (item->text.bytes)
            add_key(d, item, role);
    }
}

/* A definition that the store would not take, found here rather than when the project runs: a store
 * without a disk is asked. */
static bool is_refused(struct loading *loading, const struct table_definition *definition,
                       struct diag *ret_diag)
{
    struct table_store_options options = {.memory = true};
    struct table_store *store;
    struct table *table;
    if (table_store_open(loading->project->io, "", &options, ret_diag, &store) != OK)
        return false;
    enum err err = table_create(store, definition, ret_diag, &table);
    table_store_close(store);
    return err != OK;
}

static void declare_type(struct defining *d, const struct setting *item)
{
    struct table_column *column = NULL;
    for (size_t k = 0; k < d->count; k++)
        if (str_equal_nocase(d->columns[k].name, item->key))
            column = &d->columns[k];
    if (!column) {
        loading_mistake(d->loading, FILE_NAME, item->key_line, item->key_column,
                        column_hint(d, item->key), "the query gives no column '%.*s'",
                        STR_ARG(item->key));
        return;
    }
    if (item->kind != SETTING_TEXT)
        return;
    struct table_column alone = {
        .name = column->name, .type = column->type, .declared = item->text};
    struct table_definition definition = {.keyspace = STR("a"),
                                          .name = STR("a"),
                                          .columns = &alone,
                                          .column_count = 1,
                                          .append_only = true};
    struct diag diag = {0};
    if (is_refused(d->loading, &definition, &diag))
        loading_mistake(d->loading, FILE_NAME, item->line, item->column,
                        arena_printf(d->loading->arena, "the query gives %s",
                                     type_text(d->loading, column->type)),
                        "%s", diag.message);
    else
        column->declared = item->text;
}

static void declare_types(struct defining *d, const struct setting *types)
{
    for (size_t i = 0; types && types->kind == SETTING_MAP && i < types->count; i++)
        declare_type(d, &types->items[i]);
}

/* At the target, or at the statement where there is none. */
static void complain_table(struct loading *loading, const struct project_table *table,
                           const char *message, const char *hint)
{
    const struct setting *place = table->target->place;
    if (place)
        loading_mistake(loading, FILE_NAME, place->key_line, place->key_column, hint, "%s",
                        message);
    else
        loading_mistake(loading, table->file.ptr, table->statement->line, table->column, hint, "%s",
                        message);
}

static void define(struct loading *loading, struct project_table *table)
{
    struct project_target *target = table->target;
    const struct setting *place = target->place;
    struct defining d = {.loading = loading, .schema = query_plan_schema(table->plan)};
    d.columns = arena_array(loading->arena, d.schema->field_count + 1, sizeof *d.columns);
    d.used = arena_array(loading->arena, d.schema->field_count + 1, sizeof *d.used);
    const struct setting *key = place ? setting_get(place, "key") : NULL;
    key = key && key->kind == SETTING_LIST ? key : NULL;
    size_t mistakes = loading->diags->count;
    add_keys(&d, key);
    for (size_t i = 0; i < d.schema->field_count; i++)
        if (!d.used[i])
            d.columns[d.count++] = (struct table_column){.name = d.schema->fields[i].name,
                                                         .type = d.schema->fields[i].type};
    if (place)
        declare_types(&d, setting_get(place, "types"));
    target->definition = (struct table_definition){
        .keyspace = target->keyspace,
        .name = target->table,
        .columns = d.columns,
        .column_count = d.count,
        .append_only = !key || key->count == 0,
        .ttl_default_s = target->ttl_s,
    };
    struct diag diag = {0};
    bool told = target->broken || loading->diags->count != mistakes;
    if (!told && is_refused(loading, &target->definition, &diag))
        complain_table(loading, table, diag.message,
                       strstr(diag.message, "two columns")
                           ? "give each column of the query its own name, by AS"
                           : NULL);
}

/* Targets that nothing fills. */
static void check_unused(struct loading *loading)
{
    struct project *project = loading->project;
    const char **names = arena_array(loading->arena, project->table_count + 1, sizeof *names);
    for (size_t i = 0; i < project->table_count; i++)
        names[i] = arena_text(loading->arena, project->tables[i].name);
    for (size_t i = 0; i < project->target_count; i++) {
        const struct project_target *target = &project->targets[i];
        const struct project_table *table = project_table_find(project, target->name);
        const char *hint = loading_nearest(loading, target->name, names, project->table_count);
        if (!table)
            loading_mistake(loading, FILE_NAME, target->place->key_line, target->place->key_column,
                            hint ? hint : "a target has the name of a table that SQL creates",
                            "no SQL file creates '%.*s'", STR_ARG(target->name));
        else if (table->kind == PROJECT_VIEW)
            loading_mistake(loading, FILE_NAME, target->place->key_line, target->place->key_column,
                            "take the target away, or make it a MATERIALIZED VIEW",
                            "'%.*s' is a temporary view, which is not stored",
                            STR_ARG(target->name));
    }
}

static void check_same_table(struct loading *loading, const struct project_table *table)
{
    const struct project *project = loading->project;
    for (const struct project_table *other = project->tables; other < table; other++) {
        if (!other->target || !str_equal(other->target->table, table->target->table) ||
            !str_equal(other->target->keyspace, table->target->keyspace))
            continue;
        char *message = arena_printf(
            loading->arena, "'%.*s' and '%.*s' are both stored in %.*s.%.*s", STR_ARG(other->name),
            STR_ARG(table->name), STR_ARG(table->target->keyspace), STR_ARG(table->target->table));
        complain_table(loading, table, message, "give each its own table");
    }
}

static void find_target(struct loading *loading, struct project_table *table)
{
    struct project *project = loading->project;
    for (size_t k = 0; k < project->target_count; k++)
        if (str_equal_nocase(project->targets[k].name, table->name))
            table->target = &project->targets[k];
    if (table->target)
        return;
    table->target = arena_zero(loading->arena, sizeof *table->target);
    table->target->name = table->name;
    table->target->keyspace = project->database;
    table->target->table = table->name;
    if (!is_table_name(table->name))
        complain_table(loading, table,
                       arena_printf(loading->arena, "'%.*s' is not the name of a stored table",
                                    STR_ARG(str_slice(table->name, 0, 80))),
                       "take letters, digits and _, or name its table under targets: of "
                       "millrace.yml");
}

void link_targets(struct loading *loading)
{
    struct project *project = loading->project;
    check_unused(loading);
    for (size_t i = 0; i < project->table_count; i++) {
        struct project_table *table = &project->tables[i];
        if (table->kind == PROJECT_VIEW)
            continue;
        find_target(loading, table);
        check_same_table(loading, table);
        check_properties(loading, table);
        if (table->plan)
            define(loading, table);
    }
}
