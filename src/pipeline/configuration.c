/* SPDX-License-Identifier: MIT */
/* docs/configuration.md, made from the key tables, so that it cannot fall behind them. */
#include "pipeline/project.h"

static const char *type_word(const struct key_info *key)
{
    static const char *const words[] = {
        [KEY_TEXT] = "text",
        [KEY_BOOL] = "true or false",
        [KEY_INT] = "number",
        [KEY_DURATION] = "time (500ms, 10s, 7d)",
        [KEY_BYTES] = "bytes (64KB, 1MB)",
        [KEY_RATE] = "rate (60/min, 5000/s)",
        [KEY_URL] = "URL",
        [KEY_JSONPATH] = "JSONPath",
        [KEY_PATH] = "path",
        [KEY_CHOICE] = "choice",
        [KEY_DDL] = "Spark DDL",
        [KEY_TEXT_MAP] = "map of texts",
        [KEY_TEXT_LIST] = "list of texts",
        [KEY_TEXT_OR_LIST] = "text or list of texts",
        [KEY_KEY_LIST] = "list of columns",
        [KEY_DURATION_RANGE] = "times (500ms..60s)",
        [KEY_MAP] = "map",
        [KEY_ANY] = "see below",
    };
    return words[key->type];
}

static void choices(struct buf *out, const char *text)
{
    struct str rest = str_of(text), part;
    for (bool first = true; str_cut(&rest, '|', &part); first = false)
        buf_printf(out, "%s`%.*s`", first ? "" : ", ", STR_ARG(part));
}

/* A sentence of a table: a bar would end the cell, and outside `code` stars and < are Markdown. */
static void sentence(struct buf *out, const char *text)
{
    bool code = false;
    for (const char *c = text; *c; c++) {
        code ^= *c == '`';
        if (*c == '|' || (!code && (*c == '*' || *c == '<')))
            buf_char(out, '\\');
        buf_char(out, c == text && *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c);
    }
    size_t bytes = strlen(text);
    if (bytes && text[bytes - 1] != '.')
        buf_char(out, '.');
}

static void value_word(struct buf *out, const struct key_info *key)
{
    if (key->type == KEY_CHOICE && key->choices)
        choices(out, key->choices);
    else
        buf_text(out, type_word(key));
    if (key->type == KEY_INT && key->max == INT64_MAX)
        buf_printf(out, " from %lld", (long long)key->min);
    else if (key->type == KEY_INT && key->max)
        buf_printf(out, " from %lld to %lld", (long long)key->min, (long long)key->max);
}

static void rows(struct buf *out, const struct key_info *keys, const char *prefix)
{
    for (const struct key_info *key = keys; key->name; key++) {
        buf_printf(out, "| `%s%s` | ", prefix, key->name);
        value_word(out, key);
        buf_text(out, " | ");
        if (key->required)
            buf_text(out, "required");
        else if (key->fallback)
            buf_printf(out, "`%s`", key->fallback);
        buf_text(out, " | ");
        sentence(out, key->help);
        buf_text(out, " |\n");
        if (key->members && key->type == KEY_MAP) {
            CLEAN(buf_deinit) struct buf inner = {0};
            buf_printf(&inner, "%s%s.", prefix, key->name);
            rows(out, key->members, buf_c_str(&inner));
        }
    }
}

static void table(struct buf *out, const struct key_info *keys)
{
    buf_text(out, "| key | value | default | meaning |\n|---|---|---|---|\n");
    rows(out, keys, "");
}

static const char *const spec_text =
    "# Configuration\n\n"
    "Made from the program's own key tables (`make docs`). What is not here is refused with its "
    "line, column and the nearest known key; `millrace check DIR` shows all mistakes of a project "
    "at once.\n\n"
    "A project is a folder with `spark-pipeline.yml` (what Spark knows too), `millrace.yml` (what "
    "fills the streams and where tables go) and SQL files under `transformations/`.\n\n"
    "## spark-pipeline.yml\n\nSpark's own fields, and no others.\n\n"
    "```yaml\nname: users\nstorage: file:///tmp/millrace/users\nlibraries:\n"
    "  - glob: {include: transformations/**}\ndatabase: spark_streams\nconfiguration:\n"
    "  spark.sql.session.timeZone: UTC\n```\n\n";

static const char *const project_text =
    "\n## millrace.yml\n\n"
    "Values may hold `${NAME}` and `${NAME:-fallback}`: from the environment, else from the file "
    "`.env` beside millrace.yml. `$$` is a dollar. A dot in the tables below is one level: "
    "`topic.name` is `topic: {name: ..}`.\n\n"
    "```yaml\nsources:\n  users_created:\n    schema: >\n      email STRING,\n"
    "      login STRUCT<uuid: STRING, username: STRING>\n    from:\n      http:\n"
    "        url: ${DATASOURCE_URL:-https://randomuser.me/api/}\n        every: 1s\n"
    "        records: $.results[*]\n\ntargets:\n  created_users:\n"
    "    table: spark_streams.created_users\n    key: [id]\n    types: {id: uuid}\n```\n\n";

void configuration_document(struct buf *out)
{
    buf_text(out, spec_text);
    table(out, spark_spec_keys);
    buf_text(out, project_text);
    table(out, project_keys);
    buf_text(out,
             "\n### A source: `sources.NAME`\n\nNAME is what SQL reads: `FROM STREAM NAME`.\n\n");
    table(out, source_keys);
    buf_text(
        out,
        "\n### A target: `targets.NAME`\n\nNAME is a table that an SQL file creates. A table "
        "without a target is append-only and has its own name in the pipeline's database.\n\n");
    table(out, target_keys);
    buf_text(out, "\n## What can stand under `from:`\n");
    for (const struct connector *const *c = connectors(); *c; c++) {
        buf_printf(out, "\n### `%s`\n\n", (*c)->name);
        sentence(out, (*c)->summary);
        buf_text(out, "\n\n");
        table(out, (*c)->keys);
    }
}
