/* SPDX-License-Identifier: MIT */
/*
 * The `targets:` of millrace.yml, and the table definitions that follow from them and the queries.
 * A table of the SQL files that no target names is stored too: append-only, under its own name in
 * the pipeline's database.
 */
#include "pipeline/project_private.h"

static const char *const FILE_NAME = "millrace.yml";

static void split_table(struct loading *loading, const struct setting *s, struct str text,
                        struct project_target *target)
{
    size_t dot = str_find(text, STR("."), 0);
    target->keyspace = dot == SIZE_MAX ? loading->project->database : str_slice(text, 0, dot);
    target->table = dot == SIZE_MAX ? text : str_slice(text, dot + 1, text.bytes);
    struct str parts[] = {target->keyspace, target->table};
    for (size_t i = 0; i < 2; i++) {
        bool good = parts[i].bytes > 0 && parts[i].bytes <= 48;
        for (size_t k = 0; k < parts[i].bytes; k++) {
            char c = parts[i].ptr[k];
            good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                            (c >= '0' && c <= '9'));
        }
        if (!good && s) {
            loading_mistake(loading, FILE_NAME, s->line, s->column,
                            "write keyspace.table in letters, digits and _, at most 48 each",
                            "'%.*s' is not the name of a table", STR_ARG(text));
            return;
        }
    }
}

static void load_target(struct loading *loading, const struct setting *map,
                        struct project_target *target)
{
    target->name = map->key;
    target->place = map;
    (void)!settings_check(map, target_keys, FILE_NAME, loading->diags);
    const struct setting *table = setting_get(map, "table");
    split_table(loading, table ? table : map,
                setting_text(map, "table", arena_text(loading->arena, map->key)), target);
    target->ttl_s = setting_duration_ms(map, "ttl", 0) / 1000;
}

void load_targets(struct loading *loading, const struct setting *targets)
{
    struct project *project = loading->project;
    if (!targets || targets->kind == SETTING_NONE)
        return;
    if (targets->kind != SETTING_MAP) {
        loading_mistake(loading, FILE_NAME, targets->line, targets->column, NULL,
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

static void add_key(struct defining *d, const struct setting *name, enum table_column_role role)
{
    size_t field = type_field(d->schema, name->text);
    if (field == SIZE_MAX) {
        loading_mistake(d->loading, FILE_NAME, name->line, name->column,
                        loading_nearest(d->loading, name->text, field_names(d->loading, d->schema),
                                        d->schema->field_count),
                        "the query gives no column '%.*s'", STR_ARG(name->text));
        return;
    }
    const struct field *f = &d->schema->fields[field];
    if (d->used[field])
        loading_mistake(d->loading, FILE_NAME, name->line, name->column, NULL,
                        "'%.*s' stands twice in the key", STR_ARG(name->text));
    else if (type_is_nested(f->type) || f->type->kind == TYPE_NULL)
        loading_mistake(d->loading, FILE_NAME, name->line, name->column, NULL,
                        "'%.*s' has a type that cannot be a key", STR_ARG(name->text));
    else
        d->columns[d->count++] =
            (struct table_column){.name = f->name, .type = f->type, .role = role};
    d->used[field] = true;
}

/* [id] or [[a, b], [c, d]]: partition key, then clustering. */
static void add_keys(struct defining *d, const struct setting *key)
{
    for (size_t i = 0; key && i < key->count; i++) {
        const struct setting *item = &key->items[i];
        enum table_column_role role = i == 0 ? TABLE_PARTITION_KEY : TABLE_CLUSTERING_ASC;
        if (item->kind == SETTING_LIST)
            for (size_t k = 0; k < item->count; k++)
                add_key(d, &item->items[k], role);
        else if (item->kind == SETTING_TEXT)
            add_key(d, item, role);
    }
}

static void declare_types(struct defining *d, const struct setting *types)
{
    for (size_t i = 0; types && types->kind == SETTING_MAP && i < types->count; i++) {
        const struct setting *item = &types->items[i];
        struct table_column *column = NULL;
        for (size_t k = 0; k < d->count; k++)
            if (str_equal_nocase(d->columns[k].name, item->key))
                column = &d->columns[k];
        if (column)
            column->declared = item->text;
        else
            loading_mistake(d->loading, FILE_NAME, item->key_line, item->key_column,
                            loading_nearest(d->loading, item->key,
                                            field_names(d->loading, d->schema),
                                            d->schema->field_count),
                            "the query gives no column '%.*s'", STR_ARG(item->key));
    }
}

static void define(struct loading *loading, struct project_table *table)
{
    struct project_target *target = table->target;
    const struct setting *place = target->place;
    struct defining d = {.loading = loading, .schema = query_plan_schema(table->plan)};
    d.columns = arena_array(loading->arena, d.schema->field_count + 1, sizeof *d.columns);
    d.used = arena_array(loading->arena, d.schema->field_count + 1, sizeof *d.used);
    const struct setting *key = place ? setting_get(place, "key") : NULL;
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
}

static void check_unused(struct loading *loading)
{
    struct project *project = loading->project;
    const char **names = arena_array(loading->arena, project->table_count + 1, sizeof *names);
    for (size_t i = 0; i < project->table_count; i++)
        names[i] = arena_text(loading->arena, project->tables[i].name);
    for (size_t i = 0; i < project->target_count; i++) {
        struct project_target *target = &project->targets[i];
        if (target->place && !project_table_find(project, target->name))
            loading_mistake(loading, FILE_NAME, target->place->key_line, target->place->key_column,
                            loading_nearest(loading, target->name, names, project->table_count),
                            "no SQL file creates '%.*s'", STR_ARG(target->name));
    }
}

void link_targets(struct loading *loading)
{
    struct project *project = loading->project;
    check_unused(loading);
    for (size_t i = 0; i < project->table_count; i++) {
        struct project_table *table = &project->tables[i];
        if (table->kind == PROJECT_VIEW)
            continue;
        for (size_t k = 0; k < project->target_count; k++)
            if (str_equal_nocase(project->targets[k].name, table->name))
                table->target = &project->targets[k];
        if (!table->target) {
            table->target = arena_zero(loading->arena, sizeof *table->target);
            table->target->name = table->name;
            table->target->keyspace = project->database;
            table->target->table = table->name;
        }
        check_properties(loading, table);
        if (table->plan)
            define(loading, table);
    }
}
