/* SPDX-License-Identifier: MIT */
/*
 * spark-pipeline.yml: exactly Spark's fields. The session settings that matter to our engine are
 * read, others under spark.* are left to Spark.
 */
#include "pipeline/project_private.h"

static bool truth(struct loading *loading, const struct setting *item, bool fallback)
{
    bool yes = str_equal_nocase(item->text, STR("true"));
    if (yes || str_equal_nocase(item->text, STR("false")))
        return yes;
    loading_mistake(loading, loading->spec_file, item->line, item->column,
                    "write \"true\" or \"false\"", "%.*s must be true or false, not '%.*s'",
                    STR_ARG(item->key), STR_ARG(str_slice(item->text, 0, 80)));
    return fallback;
}

static void load_session(struct loading *loading, const struct setting *configuration)
{
    struct project *project = loading->project;
    project->session = (struct query_session){.ansi = true, .database = project->database};
    for (size_t i = 0; configuration && i < configuration->count; i++) {
        const struct setting *item = &configuration->items[i];
        if (item->kind != SETTING_TEXT)
            continue;
        if (str_equal(item->key, STR("spark.sql.session.timeZone"))) {
            if (zone_find(item->text, &project->zone) != OK)
                loading_mistake(loading, loading->spec_file, item->line, item->column,
                                "use a name such as Europe/Berlin, or UTC",
                                "there is no time zone '%.*s'", STR_ARG(item->text));
        } else if (str_equal(item->key, STR("spark.sql.ansi.enabled")))
            project->session.ansi = truth(loading, item, true);
        else if (str_equal(item->key, STR("spark.sql.caseSensitive")))
            project->session.case_sensitive = truth(loading, item, false);
        else if (str_equal(item->key, STR("spark.sql.timestampType")))
            project->session.timestamp_ntz = str_equal_nocase(item->text, STR("TIMESTAMP_NTZ"));
    }
    project->session.zone = project->zone;
}

/* Spark takes text only: a bare true or 5 is its error, so it is ours. */
static void check_configuration(struct loading *loading, const struct setting *configuration)
{
    for (size_t i = 0; configuration && i < configuration->count; i++) {
        const struct setting *item = &configuration->items[i];
        double number;
        bool bare = item->kind == SETTING_TEXT && !item->quoted &&
                    (str_equal(item->text, STR("true")) || str_equal(item->text, STR("false")) ||
                     str_to_f64(item->text, &number) == OK);
        if (bare)
            loading_mistake(loading, loading->spec_file, item->line, item->column,
                            "put it in quotes", "Spark takes text here, not %.*s",
                            STR_ARG(item->text));
    }
}

static void check_storage(struct loading *loading)
{
    const struct setting *s = setting_get(loading->spec, "storage");
    if (s && s->kind == SETTING_TEXT && str_find(s->text, STR(":/"), 0) == SIZE_MAX)
        loading_mistake(loading, loading->spec_file, s->line, s->column,
                        "write a URI, as file:///tmp/pipeline/storage", "'%.*s' has no scheme",
                        STR_ARG(s->text));
}

static void check_database(struct loading *loading)
{
    const struct setting *database = setting_get(loading->spec, "database");
    const struct setting *schema = setting_get(loading->spec, "schema");
    if (database && schema)
        loading_mistake(loading, loading->spec_file, schema->key_line, schema->key_column,
                        "keep one of them", "`schema` and `database` are the same thing");
    const struct setting *s = schema ? schema : database;
    if (s && s->kind == SETTING_TEXT && !is_table_name(s->text))
        loading_mistake(loading, loading->spec_file, s->line, s->column,
                        "take letters, digits and _, at most 48",
                        "'%.*s' cannot be the name of a keyspace",
                        STR_ARG(str_slice(s->text, 0, 80)));
}

void load_spec(struct loading *loading)
{
    struct project *project = loading->project;
    project->zone = zone_utc();
    project->database = STR("default");
    project->session =
        (struct query_session){.ansi = true, .zone = project->zone, .database = project->database};
    static const char *const names[] = {"spark-pipeline.yml", "spark-pipeline.yaml"};
    for (size_t i = 0; i < 2 && !loading->spec_file; i++)
        if (loading_read(loading, names[i], &loading->spec_text) == OK)
            loading->spec_file = names[i];
    if (!loading->spec_file) {
        loading_mistake(loading, names[0], 0, 0,
                        "`millrace init DIR --example random-users` writes a project that runs",
                        "there is no spark-pipeline.yml in %s", project->directory);
        return;
    }
    if (yaml_load(loading->arena, loading->spec_text, loading->spec_file, NULL, loading->diags,
                  &loading->spec) != OK)
        return;
    (void)!settings_check(loading->spec, spark_spec_keys, loading->spec_file, loading->diags);
    project->name = setting_text(loading->spec, "name", "");
    const char *key = setting_get(loading->spec, "schema") ? "schema" : "database";
    project->database = setting_text(loading->spec, key, "default");
    check_storage(loading);
    check_database(loading);
    const struct setting *configuration = setting_get(loading->spec, "configuration");
    if (configuration && configuration->kind != SETTING_MAP)
        configuration = NULL;
    check_configuration(loading, configuration);
    load_session(loading, configuration);
}
