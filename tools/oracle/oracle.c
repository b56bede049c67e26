/* SPDX-License-Identifier: MIT */
/*
 * millrace-oracle: the engine behind a pipe, for oracle-run.
 *
 * Reads one JSON object a line and answers with one. A session holds settings, tables and views:
 *
 *   {"op":"session","zone":"UTC","ansi":true,"ntz":false}          forgets all
 *   {"op":"table","name":"t","schema":"a INT","rows":[{..},..],"stream":false}
 *   {"op":"parse","kind":"statement|expression|type|schema","sql":".."}
 *   {"op":"run","sql":"..","style":"hive|show"}
 *   {"op":"plan","sql":".."}              the answer's schema without running it
 *   {"op":"stream","sql":".."}        plans a stream; then
 *   {"op":"push","rows":{"source":[{..},..]},"style":".."}
 *
 * Answers: {"ok":true,"schema":"struct<..>","ordered":false,"rows":[["cell",..],..]} or
 * {"error":"name","class":"..","sqlstate":"..","message":"..","line":1,"column":1}.
 *
 * Rows come as JSON and are read by the schema, as from_json would. What the engine refuses it
 * refuses here with its own words; nothing is decided about cases in this program.
 */
#include "format/json.h"
#include "query/query.h"
#include "render.h"

#include <stdio.h>
#include <stdlib.h>

enum { MEMORY_MAX = 1 << 29, TABLES_MAX = 256, LINE_MAX_BYTES = 1 << 28 };

struct table {
    struct str name;
    const struct type *schema;
    struct batch *batch;
    const struct ast_node *view;
    bool stream;
};

struct oracle {
    struct arena arena; /* of the session */
    struct query_session session;
    struct table tables[TABLES_MAX];
    size_t table_count;
    const struct query_plan *stream_plan;
    struct query_run *stream_run;
    bool stream_ordered;
};

/* ---- answers ---- */

static void put_diag(struct buf *out, enum err err, const struct diag *diag)
{
    struct json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "error");
    json_str(&w, str_of(err_info(err)->name));
    json_key(&w, "unsupported");
    json_bool(&w, err == ERR_UNSUPPORTED);
    json_key(&w, "class");
    json_str(&w, str_of(diag->error_class));
    json_key(&w, "sqlstate");
    json_str(&w, str_of(diag->sqlstate));
    json_key(&w, "message");
    json_str(&w, str_of(diag->message));
    json_key(&w, "line");
    json_i64(&w, diag->line);
    json_key(&w, "column");
    json_i64(&w, diag->column);
    json_close(&w, '}');
}

static void put_ok(struct buf *out)
{
    buf_text(out, "{\"ok\":true}");
}

static struct str text_of(struct oracle *oracle, struct str object, const char *name)
{
    struct str raw = json_member(object, name);
    struct buf text = {0};
    if (!raw.ptr || json_kind(raw) == JSON_KIND_NULL)
        return STR_NONE;
    json_text(raw, &text);
    struct str kept = arena_str(&oracle->arena, buf_str(&text));
    if (!kept.ptr)
        kept = STR("");
    buf_deinit(&text);
    return kept;
}

/* ---- catalog ---- */

static struct table *find_table(struct oracle *oracle, struct str name)
{
    for (size_t i = oracle->table_count; i > 0; i--)
        if (str_equal_nocase(oracle->tables[i - 1].name, name))
            return &oracle->tables[i - 1];
    return NULL;
}

static enum err catalog_find(void *owner, const struct str *parts, size_t part_count,
                             struct query_relation *ret_relation)
{
    struct table *table = find_table(owner, parts[part_count - 1]);
    bool known = part_count == 1 || (part_count == 2 && str_equal_nocase(parts[0], STR("default")));
    if (!table || !known)
        return ERR_NOT_FOUND;
    *ret_relation = (struct query_relation){.schema = table->schema,
                                            .stream = table->stream,
                                            .table = !table->stream,
                                            .view = table->view,
                                            .handle = table};
    return OK;
}

static size_t catalog_names(void *owner, struct arena *arena, const char *const **ret_names)
{
    struct oracle *oracle = owner;
    const char **names = arena_array(arena, oracle->table_count + 1, sizeof *names);
    for (size_t i = 0; i < oracle->table_count; i++)
        names[i] = arena_text(arena, oracle->tables[i].name);
    *ret_names = names;
    return oracle->table_count;
}

static void drop_stream(struct oracle *oracle)
{
    query_run_free(oracle->stream_run);
    oracle->stream_run = NULL;
    oracle->stream_plan = NULL;
}

static void forget(struct oracle *oracle)
{
    drop_stream(oracle);
    for (size_t i = 0; i < oracle->table_count; i++)
        batch_unref(oracle->tables[i].batch);
    oracle->table_count = 0;
    arena_deinit(&oracle->arena);
    arena_init(&oracle->arena, MEMORY_MAX);
}

/* ---- rows ---- */

static enum err read_rows(const struct type *schema, struct str rows, const struct zone *zone,
                          struct batch **ret_batch)
{
    struct json_decode_options options = {.zone = zone};
    struct json_decoder *decoder;
    struct str key, value;
    size_t count = 0, state = 0, faults;
    while (json_next(rows, &state, &key, &value))
        count++;
    CLEAN(mem_free_at) struct str *documents = mem_array(count + 1, sizeof *documents);
    CLEAN(mem_free_at) uint8_t *outcomes = mem_zero(count + 1);
    state = 0;
    for (size_t i = 0; json_next(rows, &state, &key, &value); i++)
        documents[i] = value;
    TRY(json_decoder_new(schema, NULL, &options, &decoder));
    enum err err = json_decode(decoder, documents, count, ret_batch, outcomes, NULL, 0, &faults);
    json_decoder_free(decoder);
    return err;
}

static struct table *add_table(struct oracle *oracle, struct str name, struct diag *diag)
{
    if (oracle->table_count == TABLES_MAX) {
        diag_set(diag, ERR_LIMIT, 0, 0, "too many tables");
        return NULL;
    }
    struct table *table = &oracle->tables[oracle->table_count++];
    *table = (struct table){.name = arena_str(&oracle->arena, name)};
    return table;
}

static enum err op_table(struct oracle *oracle, struct str request, struct diag *diag)
{
    const struct type *schema;
    struct str ddl = text_of(oracle, request, "schema");
    TRY(type_parse_ddl(&oracle->arena, ddl, diag, &schema));
    struct table *table = add_table(oracle, text_of(oracle, request, "name"), diag);
    if (!table)
        return ERR_LIMIT;
    table->schema = schema;
    table->stream = json_kind(json_member(request, "stream")) == JSON_KIND_BOOL &&
                    str_equal(json_member(request, "stream"), STR("true"));
    if (table->stream)
        return OK;
    return read_rows(schema, json_member(request, "rows"), oracle->session.zone, &table->batch);
}

/* ---- running ---- */

/* Fields of a batch as a plan wants them: by name, at every level. */
static enum err project(const struct column *from, const struct type *wanted,
                        struct column **ret_column)
{
    if (type_equal(from->type, wanted)) {
        *ret_column = column_ref((struct column *)from);
        return OK;
    }
    struct builder *out = builder_new(wanted, from->rows, 0);
    for (uint32_t row = 0; row < from->rows; row++) {
        if (from->type->kind != TYPE_STRUCT || column_is_null(from, row)) {
            if (from->type->kind == TYPE_STRUCT)
                builder_null(out);
            else
                builder_copy(out, from, row);
            continue;
        }
        for (uint32_t i = 0; i < wanted->field_count; i++) {
            size_t at = type_field(from->type, wanted->fields[i].name);
            builder_copy(out->children[i], from->children[at], row);
        }
        builder_valid(out);
    }
    enum err err = builder_finish(out, ret_column);
    builder_free(out);
    return err;
}

static bool can_project(const struct type *from, const struct type *wanted)
{
    if (type_equal(from, wanted))
        return true;
    if (from->kind != TYPE_STRUCT || wanted->kind != TYPE_STRUCT)
        return false;
    for (uint32_t i = 0; i < wanted->field_count; i++) {
        size_t at = type_field(from, wanted->fields[i].name);
        if (at == SIZE_MAX || !type_equal(from->fields[at].type, wanted->fields[i].type))
            return false;
    }
    return true;
}

/* Pruned types below the second level are read anew from the rows' JSON. */
static enum err input_batch(const struct batch *from, const struct type *wanted,
                            struct batch **ret_batch)
{
    CLEAN(mem_free_at)
    struct column **columns = mem_zero((wanted->field_count + 1) * sizeof *columns);
    enum err err = OK;
    for (uint32_t i = 0; i < wanted->field_count && err == OK; i++) {
        size_t at = type_field(from->schema, wanted->fields[i].name);
        const struct type *type = wanted->fields[i].type;
        if (at == SIZE_MAX || !can_project(from->columns[at]->type, type))
            err = ERR_UNSUPPORTED;
        else
            err = project(from->columns[at], type, &columns[i]);
    }
    if (err == OK)
        *ret_batch = batch_new(wanted, from->rows, columns);
    else
        for (uint32_t i = 0; i < wanted->field_count; i++)
            column_unref(columns[i]);
    return err;
}

struct answer {
    struct buf *out;
    const struct zone *zone;
    bool show;
    size_t rows;
};

static void put_rows(struct answer *answer, const struct batch *batch)
{
    struct buf cell = {0};
    for (uint32_t row = 0; batch && row < batch->rows; row++) {
        buf_text(answer->out, answer->rows++ ? ",[" : "[");
        for (uint32_t i = 0; i < batch->column_count; i++) {
            buf_reset(&cell);
            if (answer->show)
                render_show(batch->columns[i], row, answer->zone, &cell);
            else
                render_hive(batch->columns[i], row, answer->zone, &cell);
            if (i)
                buf_char(answer->out, ',');
            json_quote(buf_str(&cell), answer->out);
        }
        buf_char(answer->out, ']');
    }
    buf_deinit(&cell);
}

static enum err take_output(struct answer *answer, enum err err, struct query_output *output,
                            bool *ret_more)
{
    *ret_more = err == OK && output->batch;
    if (err == OK)
        put_rows(answer, output->batch);
    query_output_deinit(output);
    return err;
}

static enum err push_batch(struct query_run *run, size_t input, const struct batch *batch,
                           const struct query_input *wanted, struct answer *answer,
                           struct diag *diag)
{
    struct batch *pruned;
    struct query_output output = {0};
    bool more;
    TRY(input_batch(batch, wanted->wanted, &pruned));
    enum err err = query_run_push(run, input, pruned, diag, &output);
    batch_unref(pruned);
    return take_output(answer, err, &output, &more);
}

static enum err finish(struct query_run *run, struct answer *answer, struct diag *diag)
{
    bool more = true;
    while (more) {
        struct query_output output = {0};
        TRY(take_output(answer, query_run_finish(run, diag, &output), &output, &more));
    }
    return OK;
}

static enum err run_plan(const struct query_plan *plan, struct answer *answer, struct diag *diag)
{
    struct query_run *run;
    const struct query_input *inputs;
    size_t count = query_plan_inputs(plan, &inputs);
    TRY(query_run_new(plan, false, MEMORY_MAX, &run));
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        const struct table *table = inputs[i].relation.handle;
        if (table && table->batch)
            err = push_batch(run, i, table->batch, &inputs[i], answer, diag);
    }
    if (err == OK)
        err = finish(run, answer, diag);
    query_run_free(run);
    return err;
}

static enum err one_statement(struct oracle *oracle, struct str sql, struct diag *diag,
                              const struct query_statement **ret_statement)
{
    struct query_script script;
    struct diag_list diags = {0};
    enum err err = query_parse(&oracle->arena, sql, &diags, &script);
    if (err != OK && diags.count)
        *diag = diags.items[0];
    diag_list_deinit(&diags);
    TRY(err);
    if (script.count != 1)
        return diag_set(diag, ERR_UNSUPPORTED, 0, 0, "%zu statements at once", script.count);
    *ret_statement = &script.statements[0];
    return OK;
}

static enum err plan_of(struct oracle *oracle, const struct query_statement *statement,
                        struct diag *diag, const struct query_plan **ret_plan)
{
    struct query_catalog catalog = {catalog_find, catalog_names, oracle};
    return query_plan(&oracle->arena, statement, &catalog, &oracle->session, diag, ret_plan);
}

static void put_head(struct oracle *oracle, const struct query_plan *plan, struct buf *out)
{
    struct buf schema = {0};
    type_print(query_plan_schema(plan), &schema);
    buf_text(out, "{\"ok\":true,\"schema\":");
    json_quote(buf_str(&schema), out);
    buf_text(out, ",\"names\":[");
    for (uint32_t i = 0; i < query_plan_schema(plan)->field_count; i++) {
        buf_text(out, i ? "," : "");
        json_quote(query_plan_schema(plan)->fields[i].name, out);
    }
    buf_printf(out, "],\"ordered\":%s,\"rows\":[", query_plan_is_ordered(plan) ? "true" : "false");
    buf_deinit(&schema);
}

static enum err run_select(struct oracle *oracle, const struct query_statement *statement,
                           bool show, struct diag *diag, struct buf *out)
{
    const struct query_plan *plan;
    struct answer answer = {out, oracle->session.zone, show, 0};
    TRY(plan_of(oracle, statement, diag, &plan));
    put_head(oracle, plan, out);
    TRY(run_plan(plan, &answer, diag));
    buf_text(out, "]}");
    return OK;
}

static enum err create_view(struct oracle *oracle, const struct query_statement *statement,
                            struct diag *diag, struct buf *out)
{
    const struct query_plan *plan;
    struct query_statement select = *statement;
    select.kind = QUERY_SELECT;
    TRY(plan_of(oracle, &select, diag, &plan));
    struct table *table = add_table(oracle, statement->name, diag);
    if (!table)
        return ERR_LIMIT;
    table->view = statement->query;
    table->schema = query_plan_schema(plan);
    put_ok(out);
    return OK;
}

static enum err set_setting(struct oracle *oracle, const struct query_statement *statement,
                            struct diag *diag, struct buf *out)
{
    const struct query_property *p = statement->properties;
    if (statement->property_count == 1 &&
        str_equal_nocase(p->key, STR("spark.sql.session.timeZone")) &&
        zone_find(p->value, &oracle->session.zone) != OK)
        return diag_set(diag, ERR_INVALID, 0, 0, "no time zone");
    if (statement->property_count == 1 && str_equal_nocase(p->key, STR("spark.sql.ansi.enabled")))
        oracle->session.ansi = str_equal_nocase(str_trim(p->value), STR("true"));
    else if (statement->property_count == 1 &&
             str_equal_nocase(p->key, STR("spark.sql.timestampType")))
        oracle->session.timestamp_ntz = str_equal_nocase(p->value, STR("TIMESTAMP_NTZ"));
    else if (statement->property_count != 1 ||
             !str_equal_nocase(p->key, STR("spark.sql.session.timeZone")))
        return diag_set(diag, ERR_UNSUPPORTED, 0, 0, "this setting");
    put_ok(out);
    return OK;
}

static enum err op_run(struct oracle *oracle, struct str request, struct diag *diag,
                       struct buf *out)
{
    const struct query_statement *statement;
    bool show = str_equal(text_of(oracle, request, "style"), STR("show"));
    TRY(one_statement(oracle, text_of(oracle, request, "sql"), diag, &statement));
    switch (statement->kind) {
    case QUERY_SELECT:
        return run_select(oracle, statement, show, diag, out);
    case QUERY_CREATE_TEMPORARY_VIEW:
        return create_view(oracle, statement, diag, out);
    case QUERY_SET:
        return set_setting(oracle, statement, diag, out);
    default:
        return diag_set(diag, ERR_UNSUPPORTED, statement->line, 1, "the statement %s",
                        statement->word ? statement->word : "");
    }
}

/* What a case says of the schema alone holds even where a row could not be computed. */
static enum err op_plan(struct oracle *oracle, struct str request, struct diag *diag,
                        struct buf *out)
{
    const struct query_statement *statement;
    const struct query_plan *plan;
    TRY(one_statement(oracle, text_of(oracle, request, "sql"), diag, &statement));
    if (statement->kind != QUERY_SELECT)
        return diag_set(diag, ERR_UNSUPPORTED, statement->line, 1, "the plan of this statement");
    TRY(plan_of(oracle, statement, diag, &plan));
    put_head(oracle, plan, out);
    buf_text(out, "]}");
    return OK;
}

static enum err op_stream(struct oracle *oracle, struct str request, struct diag *diag,
                          struct buf *out)
{
    const struct query_statement *statement;
    drop_stream(oracle);
    TRY(one_statement(oracle, text_of(oracle, request, "sql"), diag, &statement));
    TRY(plan_of(oracle, statement, diag, &oracle->stream_plan));
    if (!query_plan_is_stateless(oracle->stream_plan))
        return diag_set(diag, ERR_UNSUPPORTED, 0, 0, "a stream with state");
    TRY(query_run_new(oracle->stream_plan, false, MEMORY_MAX, &oracle->stream_run));
    put_ok(out);
    return OK;
}

static enum err op_push(struct oracle *oracle, struct str request, struct diag *diag,
                        struct buf *out)
{
    const struct query_input *inputs;
    struct answer answer = {out, oracle->session.zone,
                            str_equal(text_of(oracle, request, "style"), STR("show")), 0};
    struct str sources = json_member(request, "rows");
    if (!oracle->stream_run)
        return diag_set(diag, ERR_INVALID, 0, 0, "no stream was planned");
    size_t count = query_plan_inputs(oracle->stream_plan, &inputs);
    put_head(oracle, oracle->stream_plan, out);
    for (size_t i = 0; i < count; i++) {
        const struct table *table = inputs[i].relation.handle;
        struct str rows = json_member(sources, arena_text(&oracle->arena, table->name));
        struct batch *batch;
        if (!rows.ptr)
            continue;
        TRY(read_rows(table->schema, rows, oracle->session.zone, &batch));
        enum err err = push_batch(oracle->stream_run, i, batch, &inputs[i], &answer, diag);
        batch_unref(batch);
        TRY(err);
    }
    buf_text(out, "]}");
    return OK;
}

/* ---- parsing only ---- */

static enum err op_parse(struct oracle *oracle, struct str request, struct diag *diag,
                         struct buf *out)
{
    struct str sql = text_of(oracle, request, "sql"), kind = text_of(oracle, request, "kind");
    const struct query_statement *statement;
    const struct type *type;
    if (str_equal(kind, STR("type"))) {
        TRY(type_parse(&oracle->arena, sql, diag, &type));
    } else if (str_equal(kind, STR("schema"))) {
        TRY(type_parse_ddl(&oracle->arena, sql, diag, &type));
    } else if (str_equal(kind, STR("expression"))) {
        struct str select = str_of(arena_printf(&oracle->arena, "SELECT %.*s", STR_ARG(sql)));
        TRY(one_statement(oracle, select, diag, &statement));
    } else {
        TRY(one_statement(oracle, sql, diag, &statement));
    }
    put_ok(out);
    return OK;
}

static enum err op_session(struct oracle *oracle, struct str request, struct diag *diag)
{
    forget(oracle);
    oracle->session = (struct query_session){
        .ansi = !str_equal(json_member(request, "ansi"), STR("false")),
        .timestamp_ntz = str_equal(json_member(request, "ntz"), STR("true")),
        .legacy_interval = str_equal(json_member(request, "legacy_interval"), STR("true")),
        .now_us = 1790000000LL * US_PER_SECOND,
        .database = STR("default"),
    };
    struct str zone = text_of(oracle, request, "zone");
    if (zone_find(zone, &oracle->session.zone) != OK)
        return diag_set(diag, ERR_INVALID, 0, 0, "there is no time zone %.*s", STR_ARG(zone));
    return OK;
}

static void answer_line(struct oracle *oracle, struct str line, struct buf *out)
{
    struct diag diag = {0};
    enum err err = json_validate(line, 1000, &diag);
    struct str op = err == OK ? text_of(oracle, line, "op") : STR_NONE;
    if (str_equal(op, STR("session")))
        err = op_session(oracle, line, &diag);
    else if (str_equal(op, STR("table")))
        err = op_table(oracle, line, &diag);
    else if (str_equal(op, STR("run")))
        err = op_run(oracle, line, &diag, out);
    else if (str_equal(op, STR("plan")))
        err = op_plan(oracle, line, &diag, out);
    else if (str_equal(op, STR("stream")))
        err = op_stream(oracle, line, &diag, out);
    else if (str_equal(op, STR("push")))
        err = op_push(oracle, line, &diag, out);
    else if (str_equal(op, STR("parse")))
        err = op_parse(oracle, line, &diag, out);
    else if (err == OK)
        err = diag_set(&diag, ERR_INVALID, 0, 0, "unknown op");
    if (err != OK) {
        buf_reset(out);
        if (!*diag.message)
            diag_set(&diag, err, 0, 0, "%s", err_text(err));
        put_diag(out, err, &diag);
    } else if (out->bytes == 0) {
        put_ok(out);
    }
    buf_char(out, '\n');
}

static bool read_line(struct buf *line)
{
    buf_reset(line);
    for (;;) {
        char *room = (char *)buf_reserve(line, 1 << 16);
        if (!room || !fgets(room, 1 << 16, stdin))
            return false;
        buf_advance(line, strlen(room));
        if (line->bytes && line->ptr[line->bytes - 1] == '\n')
            return true;
    }
}

int main(void)
{
    static struct oracle oracle;
    struct buf line, out = {0};
    buf_init(&line, LINE_MAX_BYTES);
    arena_init(&oracle.arena, MEMORY_MAX);
    oracle.session = (struct query_session){.ansi = true, .zone = zone_utc()};
    while (read_line(&line)) {
        buf_reset(&out);
        answer_line(&oracle, str_trim(buf_str(&line)), &out);
        fwrite(out.ptr, 1, out.bytes, stdout);
        fflush(stdout);
    }
    forget(&oracle);
    arena_deinit(&oracle.arena);
    buf_deinit(&line);
    buf_deinit(&out);
    return 0;
}
