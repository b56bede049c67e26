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

static void rows(struct buf *out, const struct key_info *keys, const char *prefix)
{
    for (const struct key_info *key = keys; key->name; key++) {
        buf_printf(out, "| `%s%s` | ", prefix, key->name);
        if (key->type == KEY_CHOICE && key->choices)
            choices(out, key->choices);
        else
            buf_text(out, type_word(key));
        buf_text(out, " | ");
        if (key->required)
            buf_text(out, "required");
        else if (key->fallback)
            buf_printf(out, "`%s`", key->fallback);
        /* A bar would end the cell. */
        buf_text(out, " | ");
        for (const char *c = key->help; *c; c++)
            buf_printf(out, *c == '|' ? "\\%c" : "%c", *c);
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

void configuration_document(struct buf *out)
{
    buf_text(
        out,
        "# Configuration\n\nMade from the program's own key tables (`make docs`); what is not "
        "here is refused with its line, column and the nearest known key. `millrace check DIR` "
        "shows all mistakes of a project at once.\n\nValues may hold `${NAME}`, "
        "`${NAME:-fallback}` (`$$` is a dollar): from the environment, else from `.env` beside "
        "millrace.yml.\n\n## spark-pipeline.yml\n\nSpark's own fields, and no others.\n\n");
    table(out, spark_spec_keys);
    buf_text(out, "\n## millrace.yml\n\n");
    table(out, project_keys);
    buf_text(out, "\n### A source: `sources.NAME`\n\n");
    table(out, source_keys);
    buf_text(out,
             "\n### A target: `targets.NAME`\n\nNAME is a table that an SQL file creates.\n\n");
    table(out, target_keys);
    buf_text(out, "\n## What can stand under `from:`\n");
    for (const struct connector *const *c = connectors(); *c; c++) {
        buf_printf(out, "\n### `%s`\n\n%s\n\n", (*c)->name, (*c)->summary);
        table(out, (*c)->keys);
    }
}
