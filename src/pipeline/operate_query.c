/* SPDX-License-Identifier: MIT */
/* Tables and queries for commands and the API. Cells travel as text, the form people read. */
#include "format/json.h"
#include "pipeline/operate.h"

static void text_pair(struct json_writer *w, const char *key, struct str value)
{
    json_key(w, key);
    json_str(w, value);
}

static void type_pair(struct json_writer *w, const struct table_column *column)
{
    CLEAN(buf_deinit) struct buf type = {0};
    if (column->declared.bytes)
        buf_str_append(&type, column->declared);
    else
        type_print(column->type, &type);
    text_pair(w, "type", buf_str(&type));
}

static void table_json(struct json_writer *w, struct table *table)
{
    static const char *const roles[] = {"regular", "partition", "clustering", "clustering desc",
                                        "static"};
    const struct table_definition *d = table_definition(table);
    struct table_stats stats;
    table_stats(table, &stats);
    json_open(w, '{');
    text_pair(w, "keyspace", d->keyspace);
    text_pair(w, "name", d->name);
    json_key(w, "append_only");
    json_bool(w, d->append_only);
    json_key(w, "rows_estimated");
    json_i64(w, (int64_t)stats.rows_estimated);
    json_key(w, "bytes_on_disk");
    json_i64(w, (int64_t)stats.bytes_on_disk);
    json_key(w, "columns");
    json_open(w, '[');
    for (size_t i = 0; i < d->column_count; i++) {
        json_open(w, '{');
        text_pair(w, "name", d->columns[i].name);
        type_pair(w, &d->columns[i]);
        text_pair(w, "role", str_of(roles[d->columns[i].role]));
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

enum err operate_tables(const struct operate *op, struct buf *out)
{
    struct json_writer w = {.out = out};
    struct table **tables = NULL;
    size_t count = op->store ? table_list(op->store, &tables) : 0;
    json_open(&w, '[');
    for (size_t i = 0; i < count; i++)
        table_json(&w, tables[i]);
    json_close(&w, ']');
    mem_free(tables);
    return buf_error(out);
}

struct answer {
    struct json_writer w;
    const struct zone *zone;
    uint32_t left;
    bool truncated;
    bool open;
    struct buf text;
};

static void answer_close(struct answer *a)
{
    if (!a->open)
        return;
    json_close(&a->w, ']');
    json_key(&a->w, "truncated");
    json_bool(&a->w, a->truncated);
    json_close(&a->w, '}');
    a->open = false;
}

/* Several statements: the last query's answer is the one that counts. */
static bool answer_schema(void *owner, const struct type *schema)
{
    struct answer *a = owner;
    answer_close(a);
    buf_reset(a->w.out);
    a->w.comma = false;
    json_open(&a->w, '{');
    json_key(&a->w, "columns");
    json_open(&a->w, '[');
    for (size_t i = 0; i < schema->field_count; i++) {
        json_open(&a->w, '{');
        text_pair(&a->w, "name", schema->fields[i].name);
        buf_reset(&a->text);
        type_print(schema->fields[i].type, &a->text);
        text_pair(&a->w, "type", buf_str(&a->text));
        json_close(&a->w, '}');
    }
    json_close(&a->w, ']');
    json_key(&a->w, "rows");
    json_open(&a->w, '[');
    a->open = true;
    return true;
}

static bool answer_rows(void *owner, const struct batch *batch)
{
    struct answer *a = owner;
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (!a->left) {
            a->truncated = true;
            return false;
        }
        a->left--;
        json_open(&a->w, '[');
        for (uint32_t c = 0; c < batch->column_count; c++) {
            if (column_is_null(batch->columns[c], row)) {
                json_null(&a->w);
                continue;
            }
            buf_reset(&a->text);
            text_of_value(batch->columns[c], row, a->zone, &a->text);
            json_str(&a->w, buf_str(&a->text).ptr ? buf_str(&a->text) : STR(""));
        }
        json_close(&a->w, ']');
    }
    return buf_error(a->w.out) == OK;
}

static struct adhoc adhoc_of(const struct operate *op)
{
    return (struct adhoc){.io = op->io, .project = op->project, .log = op->log, .store = op->store};
}

enum err operate_sql(const struct operate *op, struct str text, uint32_t rows_max, struct buf *out,
                     struct diag *diag)
{
    struct answer a = {.w = {.out = out}, .left = rows_max};
    a.zone = op->project ? op->project->zone : zone_utc();
    struct adhoc adhoc = adhoc_of(op);
    struct adhoc_result result = {answer_schema, answer_rows, &a};
    enum err err = adhoc_query(&adhoc, text, &result, diag);
    answer_close(&a);
    buf_deinit(&a.text);
    if (err != OK)
        return diag_set(diag, err, 0, 0, "the query failed: %s", err_text(err));
    if (!out->bytes)
        buf_text(out, "{\"columns\":[],\"rows\":[],\"truncated\":false}");
    return buf_error(out);
}

enum err operate_explain(const struct operate *op, struct str text, struct buf *out,
                         struct diag *diag)
{
    CLEAN(buf_deinit) struct buf plan = {0};
    struct adhoc adhoc = adhoc_of(op);
    struct json_writer w = {.out = out};
    TRY(adhoc_explain(&adhoc, text, &plan, diag));
    json_open(&w, '{');
    text_pair(&w, "plan", buf_str(&plan));
    json_close(&w, '}');
    return buf_error(out);
}
