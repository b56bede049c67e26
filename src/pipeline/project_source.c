/* SPDX-License-Identifier: MIT */
/* The `sources:` of millrace.yml: topics, schemas, and what fills them. */
#include "pipeline/project_private.h"

static const char *const FILE_NAME = "millrace.yml";

/* The byte of a line and column (of code points) of a text. */
static size_t offset_of(struct str text, uint32_t line, uint32_t column)
{
    size_t at = 0;
    for (uint32_t l = 1; l < line && at < text.bytes; at++)
        l += text.ptr[at] == '\n';
    for (uint32_t c = 1; c < column && at < text.bytes; c++)
        for (at++; at < text.bytes && ((unsigned char)text.ptr[at] & 0xC0) == 0x80;)
            at++;
    return at;
}

/* Places inside the DDL text are places inside the YAML value. */
static void schema_mistake(struct loading *loading, const struct setting *schema, struct str ddl,
                           const char *file, const struct diag *diag)
{
    uint32_t line = diag->line, column = diag->column;
    if (file == FILE_NAME)
        yaml_place(loading->project->settings_text, schema, offset_of(ddl, line, column), &line,
                   &column);
    loading_mistake(loading, file, line, column,
                    diag->hint[0]
                        ? diag->hint
                        : "a schema is Spark DDL: id BIGINT, name STRUCT<first: STRING>, ..",
                    "schema: %s", diag->message);
}

static void load_schema(struct loading *loading, const struct setting *map,
                        struct project_source *source)
{
    const struct setting *s = setting_get(map, "schema");
    if (source->value == VALUE_TEXT || source->value == VALUE_RAW) {
        if (s)
            loading_mistake(loading, FILE_NAME, s->key_line, s->key_column, "leave it out",
                            "value: text and raw have a schema of their own");
        const char *ddl = source->value == VALUE_TEXT
                              ? "value STRING"
                              : "key BINARY, value BINARY, topic STRING, partition INT, "
                                "offset BIGINT, timestamp TIMESTAMP, timestampType INT";
        struct diag diag = {0};
        (void)!type_parse_ddl(loading->arena, str_of(ddl), &diag, &source->schema);
        return;
    }
    if (s && s->kind != SETTING_TEXT)
        return; /* the key table has complained */
    if (!s) {
        loading_mistake(loading, FILE_NAME, map->key_line, map->key_column,
                        "add `schema: id BIGINT, name STRING, ..`",
                        "the source '%.*s' needs a schema", STR_ARG(source->name));
        return;
    }
    struct str ddl = s->text;
    const char *file = FILE_NAME;
    if (str_starts(str_trim(ddl), STR("schemas/"))) {
        file = arena_text(loading->arena, str_trim(ddl));
        if (loading_read(loading, file, &ddl) != OK) {
            loading_mistake(loading, FILE_NAME, s->line, s->column,
                            "the path is relative to the project", "there is no file %s to read",
                            file);
            return;
        }
    }
    struct diag diag = {0};
    if (type_parse_ddl(loading->arena, ddl, &diag, &source->schema) != OK) {
        source->schema = NULL;
        schema_mistake(loading, s, ddl, file, &diag);
        return;
    }
    size_t corrupt = type_field(source->schema, STR("_corrupt_record"));
    source->keeps_corrupt = corrupt != SIZE_MAX;
    if (source->keeps_corrupt && source->schema->fields[corrupt].type->kind != TYPE_STRING)
        loading_mistake(loading, FILE_NAME, s->line, s->column, "write _corrupt_record STRING",
                        "_corrupt_record has to be STRING");
}

/* What Kafka takes as a topic's name, with room for ".dead_letters". */
static void check_topic_name(struct loading *loading, struct str name, uint32_t line,
                             uint32_t column)
{
    bool good = name.bytes && name.bytes <= 200 && !str_equal(name, STR(".")) &&
                !str_equal(name, STR(".."));
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.ptr[i];
        good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.');
    }
    if (!good)
        loading_mistake(loading, FILE_NAME, line, column,
                        "take letters, digits, '_', '-' and '.', at most 200",
                        "'%.*s' cannot be the name of a topic", STR_ARG(str_slice(name, 0, 80)));
}

static void load_topic(struct loading *loading, const struct setting *map,
                       struct project_source *source)
{
    const struct setting *topic = setting_get(map, "topic");
    const struct setting *name = setting_get(topic, "name");
    struct log_topic_config *config = &source->topic_config;
    log_topic_config_default(config);
    source->topic = source->name;
    if (name && name->kind == SETTING_TEXT) {
        source->topic = name->text;
        check_topic_name(loading, name->text, name->line, name->column);
    } else
        check_topic_name(loading, source->name, map->key_line, map->key_column);
    if (!topic || topic->kind != SETTING_MAP)
        return;
    config->partitions = (int32_t)setting_int(topic, "partitions", 1);
    config->retention_ms = str_equal(setting_text(topic, "retention", "7d"), STR("forever"))
                               ? -1
                               : setting_duration_ms(topic, "retention", 7 * 86400000LL);
    config->retention_bytes = setting_bytes(topic, "retention_bytes", -1);
    config->segment_bytes = setting_bytes(topic, "segment_bytes", 0);
    config->message_bytes_max = (int32_t)setting_bytes(topic, "max_message_bytes", 0);
    (void)!codec_parse(setting_text(topic, "compression", "none"), &config->compression);
}

/* The hint for a word that is no connector. */
static const char *connector_hint(struct loading *loading, struct str word)
{
    const char *names[32];
    size_t count = 0;
    for (const struct connector *const *c = connectors(); *c && count < 32; c++)
        names[count++] = (*c)->name;
    const char *hint = loading_nearest(loading, word, names, count);
    if (hint)
        return hint;
    CLEAN(buf_deinit) struct buf list = {0};
    for (size_t i = 0; i < count; i++)
        buf_printf(&list, "%s%s", i ? ", " : "there are: ", names[i]);
    return arena_text(loading->arena, buf_str(&list));
}

static void load_from(struct loading *loading, const struct setting *map,
                      struct project_source *source)
{
    const struct setting *from = setting_get(map, "from");
    if (!from)
        return;
    if (source->static_file.ptr) {
        loading_mistake(loading, FILE_NAME, from->key_line, from->key_column,
                        "leave one of them out", "a source has either `file:` or `from:`");
        return;
    }
    if (from->kind != SETTING_MAP || from->count != 1) {
        bool two = from->kind == SETTING_MAP && from->count > 1;
        loading_mistake(loading, FILE_NAME, two ? from->items[1].key_line : from->line,
                        two ? from->items[1].key_column : from->column,
                        "as `from: {http: {url: ..}}`; leave `from:` out when producers fill it",
                        "`from:` takes exactly one connector");
        return;
    }
    const struct setting *settings = &from->items[0];
    const struct connector *connector = connector_find(settings->key);
    if (!connector) {
        loading_mistake(loading, FILE_NAME, settings->key_line, settings->key_column,
                        connector_hint(loading, settings->key), "there is no connector '%.*s'",
                        STR_ARG(settings->key));
        return;
    }
    if (settings->kind != SETTING_MAP) {
        loading_mistake(loading, FILE_NAME, settings->line, settings->column,
                        arena_printf(loading->arena, "as `%s: {%s: ..}`", connector->name,
                                     connector->keys[0].name),
                        "'%s' takes a map of settings", connector->name);
        return;
    }
    enum err err = settings_check(settings, connector->keys, FILE_NAME, loading->diags);
    if (err == OK && connector->check)
        err = connector->check(settings, FILE_NAME, loading->diags);
    if (err == OK) {
        source->connector = connector;
        source->from = settings;
    }
}

static void load_static(struct loading *loading, const struct setting *file,
                        struct project_source *source)
{
    struct io_stat stat;
    char *path =
        arena_printf(loading->arena, "%s/%.*s", loading->project->directory, STR_ARG(file->text));
    source->static_file = file->text;
    if (io_path_stat(loading->project->io, path, &stat) != OK || stat.is_directory)
        loading_mistake(loading, FILE_NAME, file->line, file->column,
                        "the path is relative to the project", "there is no file %.*s to read",
                        STR_ARG(str_slice(file->text, 0, 80)));
}

static void load_source(struct loading *loading, const struct setting *map,
                        struct project_source *source)
{
    static const char *const kinds[] = {"json", "csv", "text", "raw"};
    source->name = map->key;
    source->place = map;
    source->zone = loading->project->zone;
    (void)!settings_check(map, source_keys, FILE_NAME, loading->diags);
    struct str kind = setting_text(map, "value", "json");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_equal(kind, str_of(kinds[i])))
            source->value = (enum value_kind)i;
    source->fail_on_error = str_equal(setting_text(map, "on_error", "dead_letter"), STR("fail"));
    const struct setting *file = setting_get(map, "file");
    if (file && file->kind == SETTING_TEXT)
        load_static(loading, file, source);
    load_topic(loading, map, source);
    load_schema(loading, map, source);
    load_from(loading, map, source);
}

/* Two sources that get in each other's way. */
static void compare_sources(struct loading *loading, const struct project_source *first,
                            const struct project_source *second)
{
    if (!first->connector || !second->connector)
        return;
    if (str_equal(first->topic, second->topic))
        loading_mistake(loading, FILE_NAME, second->place->key_line, second->place->key_column,
                        "give each its own topic", "'%.*s' and '%.*s' fill the same topic",
                        STR_ARG(first->name), STR_ARG(second->name));
    const struct setting *path = setting_get(second->from, "path");
    if (first->connector->webhook && second->connector->webhook && path &&
        str_equal(setting_text(first->from, "path", ""), path->text))
        loading_mistake(loading, FILE_NAME, path->line, path->column, "give each its own path",
                        "'%.*s' listens on %.*s already", STR_ARG(first->name),
                        STR_ARG(path->text));
}

void load_sources(struct loading *loading, const struct setting *sources)
{
    struct project *project = loading->project;
    if (!sources || sources->kind == SETTING_NONE)
        return;
    if (sources->kind != SETTING_MAP) {
        loading_mistake(loading, FILE_NAME, sources->line, sources->column,
                        "as `users_created: {schema: .., from: ..}`",
                        "`sources:` is a map of names");
        loading->sources_unknown = true;
        return;
    }
    project->sources = arena_array(loading->arena, sources->count + 1, sizeof *project->sources);
    for (size_t i = 0; i < sources->count; i++) {
        const struct setting *map = &sources->items[i];
        if (map->kind != SETTING_MAP) {
            loading_mistake(loading, FILE_NAME, map->key_line, map->key_column,
                            "as `{schema: .., from: ..}`",
                            "the source '%.*s' takes a map of settings", STR_ARG(map->key));
            loading->sources_unknown = true;
            continue;
        }
        load_source(loading, map, &project->sources[project->source_count++]);
    }
    for (size_t i = 0; i < project->source_count; i++)
        for (size_t k = 0; k < i; k++)
            compare_sources(loading, &project->sources[k], &project->sources[i]);
}
