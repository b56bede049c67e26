/* SPDX-License-Identifier: MIT */
/*
 * Batch queries: a catalog over the project, the store and the log; each input of the plan is read
 * batch by batch and pushed; what comes out goes to the caller. Values of a topic that do not fit
 * their schema are left out, as they are in the stream (they are in the dead letters).
 */
#include "pipeline/adhoc.h"

#include "base/check.h"
#include "format/csv.h"
#include "format/json.h"
#include "log/record_batch.h"
#include "pipeline/remote.h"

#include <stdio.h>

enum {
    READ_BYTES = 1 << 20,
    SCAN_ROWS = 2048,
    INFLATED_BYTES_MAX = 256 << 20,
    ARENA_BYTES_MAX = 256 << 20
};
static const size_t MEMORY_DEFAULT = 256u << 20;

enum input_kind { INPUT_TOPIC, INPUT_TABLE, INPUT_REMOTE };

/* What a relation's handle points to. */
struct input_handle {
    enum input_kind kind;
    struct project_source *source; /* a topic with a schema; NULL = Kafka's columns */
    struct log_topic *topic;
    struct table *table;
    const struct project_table *remote; /* a table that lives elsewhere */
};

struct session {
    const struct adhoc *adhoc;
    struct arena *arena;
    const struct adhoc_result *result;
    struct query_session query;
    struct query_run *run;
    struct diag *diag;
    bool stopped; /* enough rows, or the caller has enough */
};

/* ---- the catalog ---- */

static enum err relation_of(struct session *s, struct input_handle handle,
                            const struct type *schema, struct query_relation *ret_relation)
{
    struct input_handle *copy = arena_alloc(s->arena, sizeof *copy);
    *copy = handle;
    *ret_relation = (struct query_relation){.schema = schema, .table = true, .handle = copy};
    return OK;
}

static const struct type *kafka_schema(struct arena *arena)
{
    const struct type *schema;
    enum err err = type_parse_ddl(arena,
                                  STR("key STRING, value STRING, topic STRING, partition INT, "
                                      "offset BIGINT, timestamp TIMESTAMP"),
                                  NULL, &schema);
    check(err == OK);
    return schema;
}

static enum err find_remote(struct session *s, struct str keyspace, struct str name,
                            struct query_relation *ret_relation)
{
    struct project *project = s->adhoc->project;
    for (size_t i = 0; project && project->tables_kind && i < project->table_count; i++) {
        const struct project_table *table = &project->tables[i];
        if (!table->target || !table->plan || !str_equal(table->target->keyspace, keyspace) ||
            !str_equal(table->target->table, name))
            continue;
        return relation_of(s, (struct input_handle){.kind = INPUT_REMOTE, .remote = table},
                           query_plan_schema(table->plan), ret_relation);
    }
    return ERR_NOT_FOUND;
}

static enum err find_stored(struct session *s, struct str keyspace, struct str name,
                            struct query_relation *ret_relation)
{
    if (find_remote(s, keyspace, name, ret_relation) == OK)
        return OK;
    struct table *table = s->adhoc->store ? table_find(s->adhoc->store, keyspace, name) : NULL;
    if (!table)
        return ERR_NOT_FOUND;
    return relation_of(s, (struct input_handle){.kind = INPUT_TABLE, .table = table},
                       table_schema(table), ret_relation);
}

static enum err find_in_project(struct session *s, struct str name,
                                struct query_relation *ret_relation)
{
    struct project *project = s->adhoc->project;
    struct project_source *source = project_source_find(project, name);
    if (source && source->schema && s->adhoc->log) {
        struct log_topic *topic = log_topic_find(s->adhoc->log, source->topic);
        return relation_of(
            s, (struct input_handle){.kind = INPUT_TOPIC, .source = source, .topic = topic},
            source->schema, ret_relation);
    }
    struct project_table *table = project_table_find(project, name);
    if (table && table->kind == PROJECT_VIEW) {
        *ret_relation =
            (struct query_relation){.view = table->statement->query, .table = true, .stream = true};
        return OK;
    }
    return table && table->target
               ? find_stored(s, table->target->keyspace, table->target->table, ret_relation)
               : ERR_NOT_FOUND;
}

static enum err find(void *owner, const struct str *parts, size_t part_count,
                     struct query_relation *ret_relation)
{
    struct session *s = owner;
    struct str name = parts[part_count - 1];
    if (part_count >= 2) {
        enum err err = find_stored(s, parts[part_count - 2], name, ret_relation);
        if (err != ERR_NOT_FOUND)
            return err;
    } else if (s->adhoc->project) {
        enum err err = find_in_project(s, name, ret_relation);
        if (err != ERR_NOT_FOUND)
            return err;
    }
    /* A topic's name may have dots: join what was cut. */
    CLEAN(buf_deinit) struct buf joined = {0};
    for (size_t i = 0; i < part_count; i++)
        buf_printf(&joined, "%s%.*s", i ? "." : "", STR_ARG(parts[i]));
    struct log_topic *topic =
        s->adhoc->log ? log_topic_find(s->adhoc->log, buf_str(&joined)) : NULL;
    if (!topic)
        return ERR_NOT_FOUND;
    return relation_of(s, (struct input_handle){.kind = INPUT_TOPIC, .topic = topic},
                       kafka_schema(s->arena), ret_relation);
}

static size_t names(void *owner, struct arena *arena, const char *const **ret_names)
{
    struct session *s = owner;
    struct project *project = s->adhoc->project;
    struct table **tables = NULL;
    size_t table_count = s->adhoc->store ? table_list(s->adhoc->store, &tables) : 0, count = 0;
    size_t room = table_count + (project ? project->source_count + project->table_count : 0);
    const char **list = arena_array(arena, room + 1, sizeof *list);
    for (size_t i = 0; i < table_count; i++) {
        const struct table_definition *d = table_definition(tables[i]);
        list[count++] = arena_printf(arena, "%.*s.%.*s", STR_ARG(d->keyspace), STR_ARG(d->name));
    }
    mem_free(tables);
    for (size_t i = 0; project && i < project->source_count; i++)
        list[count++] = arena_text(arena, project->sources[i].name);
    for (size_t i = 0; project && i < project->table_count; i++)
        list[count++] = arena_text(arena, project->tables[i].name);
    *ret_names = list;
    return count;
}

/* ---- feeding ---- */

static enum err give(struct session *s, struct query_output *output)
{
    if (output->batch && output->batch->rows && !s->stopped &&
        !s->result->rows(s->result->owner, output->batch))
        s->stopped = true;
    if (output->done)
        s->stopped = true;
    query_output_deinit(output);
    return OK;
}

static enum err push(struct session *s, size_t input, const struct batch *batch)
{
    struct query_output output = {0};
    TRY(query_run_push(s->run, input, batch, s->diag, &output));
    return give(s, &output);
}

static enum err feed_table(struct session *s, size_t index, const struct query_input *input,
                           struct table *table)
{
    struct table_scan_options options = {.wanted = input->wanted};
    struct table_scan *scan;
    TRY(table_scan_open(table, &options, &scan));
    enum err err = OK;
    while (err == OK && !s->stopped) {
        struct batch *batch = NULL;
        err = table_scan_next(scan, SCAN_ROWS, &batch);
        if (err != OK || !batch)
            break;
        err = push(s, index, batch);
        batch_unref(batch);
    }
    table_scan_close(scan);
    return err;
}

struct remote_feed {
    struct session *s;
    size_t index;
    enum err err;
};

static bool push_remote(void *owner, const struct batch *batch)
{
    struct remote_feed *f = owner;
    f->err = push(f->s, f->index, batch);
    return f->err == OK && !f->s->stopped;
}

static enum err feed_remote(struct session *s, size_t index, const struct query_input *input,
                            const struct project_table *table)
{
    const struct project *project = s->adhoc->project;
    struct remote_feed feed = {s, index, OK};
    struct remote_table *remote;
    TRY(project->tables_kind->open(s->adhoc->io, project->tables_place, &table->target->definition,
                                   0, s->diag, &remote));
    enum err err =
        remote->kind->scan(remote, input->wanted, s->adhoc->wait, push_remote, &feed, s->diag);
    remote->kind->close(remote);
    return err == OK ? feed.err : err;
}

struct topic_feed {
    struct session *s;
    size_t index;
    const struct query_input *input;
    const struct input_handle *handle;
    struct json_decoder *json;
    struct csv_decoder *csv;
    struct str *values;
    struct record *records;
    size_t count, room;
    int32_t partition;
};

static enum err only_good(struct topic_feed *f, struct batch *batch, const uint8_t *outcomes)
{
    uint32_t *indices = mem_array(f->count + 1, sizeof *indices);
    uint32_t good = 0;
    for (size_t i = 0; i < f->count; i++)
        if (outcomes[i] == JSON_FITS || f->handle->source->keeps_corrupt)
            indices[good++] = (uint32_t)i;
    struct batch *rows = NULL;
    enum err err =
        good == f->count ? (rows = batch_ref(batch), OK) : batch_take(batch, indices, good, &rows);
    mem_free(indices);
    if (err == OK)
        err = push(f->s, f->index, rows);
    batch_unref(rows);
    return err;
}

static void kafka_cell(const struct topic_feed *f, const struct record *r, struct str name,
                       struct builder *b)
{
    struct str text = str_equal(name, STR("key")) ? r->key : r->value;
    if (str_equal(name, STR("topic")))
        text = log_topic_name(f->handle->topic);
    if (b->type->kind == TYPE_STRING || b->type->kind == TYPE_BINARY) {
        if (text.ptr)
            builder_str(b, text);
        else
            builder_null(b);
    } else if (str_equal(name, STR("partition")))
        builder_i64(b, f->partition);
    else if (str_equal(name, STR("offset")))
        builder_i64(b, r->offset);
    else if (str_equal(name, STR("timestamp")))
        builder_i64(b, r->timestamp_ms * 1000);
    else
        builder_i64(b, 0);
}

static enum err push_kafka_columns(struct topic_feed *f)
{
    const struct type *wanted = f->input->wanted;
    struct column *columns[8] = {0};
    enum err err = OK;
    check(wanted->field_count <= 8);
    for (size_t c = 0; c < wanted->field_count && err == OK; c++) {
        struct builder *b = builder_new(wanted->fields[c].type, (uint32_t)f->count, 0);
        for (size_t i = 0; i < f->count; i++)
            kafka_cell(f, &f->records[i], wanted->fields[c].name, b);
        err = builder_finish(b, &columns[c]);
        builder_free(b);
    }
    if (err != OK) {
        for (size_t c = 0; c < wanted->field_count; c++)
            column_unref(columns[c]);
        return err;
    }
    struct batch *batch = batch_new(wanted, (uint32_t)f->count, columns);
    err = push(f->s, f->index, batch);
    batch_unref(batch);
    return err;
}

static enum err push_records(struct topic_feed *f)
{
    if (!f->count)
        return OK;
    const struct project_source *source = f->handle->source;
    if (!source || source->value == VALUE_RAW || source->value == VALUE_TEXT)
        return push_kafka_columns(f);
    struct batch *batch = NULL;
    uint8_t *outcomes = mem_alloc(f->count);
    size_t faults = 0;
    enum err err =
        source->value == VALUE_JSON
            ? json_decode(f->json, f->values, f->count, &batch, outcomes, NULL, 0, &faults)
            : csv_decode(f->csv, f->values, f->count, &batch, outcomes, NULL, 0, &faults);
    if (err == OK)
        err = only_good(f, batch, outcomes);
    batch_unref(batch);
    mem_free(outcomes);
    return err;
}

static enum err feed_batch(struct topic_feed *f, const struct record_batch *batch, int64_t end)
{
    struct record_iterator it;
    if (batch->attributes & BATCH_CONTROL)
        return OK;
    TRY(record_iterator_init(&it, batch, INFLATED_BYTES_MAX));
    f->count = 0;
    if ((size_t)batch->count > f->room) {
        f->room = (size_t)batch->count;
        f->values = mem_realloc_array(f->values, f->room, sizeof *f->values);
        f->records = mem_realloc_array(f->records, f->room, sizeof *f->records);
    }
    for (struct record r; f->count < f->room && record_iterator_next(&it, &r);) {
        if (r.offset >= end)
            break;
        f->values[f->count] = r.value;
        f->records[f->count++] = r;
    }
    enum err err = it.reader.err;
    if (err == OK)
        err = push_records(f);
    record_iterator_deinit(&it);
    return err;
}

static enum err feed_partition(struct topic_feed *f, int32_t index)
{
    struct log_partition *partition = log_topic_partition(f->handle->topic, index);
    int64_t end = log_partition_end(partition);
    f->partition = index;
    for (int64_t offset = log_partition_start(partition); offset < end && !f->s->stopped;) {
        CLEAN(buf_deinit) struct buf raw = {0};
        struct log_read read;
        TRY(log_read_committed(partition, offset, READ_BYTES, &raw, &read));
        for (size_t at = 0; at < raw.bytes && !f->s->stopped;) {
            struct record_batch batch;
            TRY(record_batch_parse(raw.ptr + at, raw.bytes - at, false, &batch));
            TRY(feed_batch(f, &batch, end));
            at += batch.bytes_count;
        }
        if (read.offset_next <= offset)
            break;
        offset = read.offset_next;
    }
    return OK;
}

static enum err feed_topic(struct session *s, size_t index, const struct query_input *input,
                           const struct input_handle *handle)
{
    struct topic_feed f = {.s = s, .index = index, .input = input, .handle = handle};
    const struct project_source *source = handle->source;
    enum err err = OK;
    if (!handle->topic)
        return OK; /* nothing was ever appended */
    if (source && source->value == VALUE_JSON) {
        struct json_decode_options options = {.zone = source->zone};
        err = json_decoder_new(source->schema, input->wanted, &options, &f.json);
    } else if (source && source->value == VALUE_CSV) {
        struct csv_decode_options options = {.zone = source->zone};
        err = csv_decoder_new(source->schema, input->wanted, &options, &f.csv);
    }
    for (int32_t i = 0; err == OK && i < log_topic_partitions(handle->topic); i++)
        err = feed_partition(&f, i);
    json_decoder_free(f.json);
    csv_decoder_free(f.csv);
    mem_free(f.values);
    mem_free(f.records);
    return err;
}

/* ---- running ---- */

static enum err feed_all(struct session *s, const struct query_plan *plan)
{
    const struct query_input *inputs;
    size_t count = query_plan_inputs(plan, &inputs);
    for (size_t i = 0; i < count && !s->stopped; i++) {
        const struct input_handle *handle = inputs[i].relation.handle;
        if (handle->kind == INPUT_REMOTE)
            TRY(feed_remote(s, i, &inputs[i], handle->remote));
        else
            TRY(handle->kind == INPUT_TABLE ? feed_table(s, i, &inputs[i], handle->table)
                                            : feed_topic(s, i, &inputs[i], handle));
    }
    for (bool more = true; more;) {
        struct query_output output = {0};
        TRY(query_run_finish(s->run, s->diag, &output));
        more = output.batch != NULL && !s->stopped;
        TRY(give(s, &output));
    }
    return OK;
}

static enum err run_plan(struct session *s, const struct query_plan *plan)
{
    size_t memory = s->adhoc->memory_max ? s->adhoc->memory_max : MEMORY_DEFAULT;
    if (!s->result->schema(s->result->owner, query_plan_schema(plan)))
        return ERR_CANCELLED;
    TRY(query_run_new(plan, false, memory, &s->run));
    query_run_set_now(s->run, s->query.now_us);
    s->stopped = false;
    enum err err = feed_all(s, plan);
    query_run_free(s->run);
    s->run = NULL;
    return err;
}

static enum err apply_set(struct session *s, const struct query_statement *statement)
{
    if (!statement->property_count)
        return OK;
    struct str key = statement->properties[0].key, value = statement->properties[0].value;
    if (str_equal_nocase(key, STR("spark.sql.session.timeZone")) &&
        zone_find(value, &s->query.zone) != OK)
        return diag_set(s->diag, ERR_INVALID, statement->line, 1, "there is no time zone '%.*s'",
                        STR_ARG(value));
    if (str_equal_nocase(key, STR("spark.sql.ansi.enabled")))
        s->query.ansi = !str_equal_nocase(value, STR("false"));
    return OK;
}

static void session_init(struct session *s, const struct adhoc *adhoc, struct arena *arena,
                         const struct adhoc_result *result, struct diag *diag)
{
    *s = (struct session){.adhoc = adhoc, .arena = arena, .result = result, .diag = diag};
    s->query =
        adhoc->project
            ? adhoc->project->session
            : (struct query_session){.ansi = true, .zone = zone_utc(), .database = STR("default")};
    s->query.now_us = io_wall_us(adhoc->io);
}

static enum err parse(struct session *s, struct str text, struct query_script *ret_script)
{
    struct diag_list diags = {0};
    enum err err = query_parse(s->arena, text, &diags, ret_script);
    if (err != OK && diags.count)
        *s->diag = diags.items[0];
    diag_list_deinit(&diags);
    return err;
}

enum err adhoc_query(const struct adhoc *adhoc, struct str text, const struct adhoc_result *result,
                     struct diag *diag)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = ARENA_BYTES_MAX};
    struct session s;
    struct query_script script;
    session_init(&s, adhoc, &arena, result, diag);
    TRY(parse(&s, text, &script));
    struct query_catalog catalog = {find, names, &s};
    for (size_t i = 0; i < script.count; i++) {
        const struct query_statement *statement = &script.statements[i];
        const struct query_plan *plan;
        if (statement->kind == QUERY_SET) {
            TRY(apply_set(&s, statement));
            continue;
        }
        if (statement->kind != QUERY_SELECT) {
            diag_hint(diag, "put CREATE statements into transformations/*.sql of a project");
            return diag_set(diag, ERR_UNSUPPORTED, statement->line, 1,
                            "the shell runs queries and SET only");
        }
        TRY(query_plan(&arena, statement, &catalog, &s.query, diag, &plan));
        TRY(run_plan(&s, plan));
    }
    return OK;
}

enum err adhoc_explain(const struct adhoc *adhoc, struct str text, struct buf *out,
                       struct diag *diag)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = ARENA_BYTES_MAX};
    struct session s;
    struct query_script script;
    const struct query_plan *plan;
    session_init(&s, adhoc, &arena, NULL, diag);
    TRY(parse(&s, text, &script));
    if (!script.count)
        return OK;
    struct query_catalog catalog = {find, names, &s};
    TRY(query_plan(&arena, &script.statements[0], &catalog, &s.query, diag, &plan));
    query_plan_print(plan, out);
    return OK;
}

enum err adhoc_statement(const struct adhoc *adhoc, const struct query_statement *statement,
                         const struct adhoc_result *result, struct diag *diag)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = ARENA_BYTES_MAX};
    struct session s;
    const struct query_plan *plan;
    session_init(&s, adhoc, &arena, result, diag);
    struct query_catalog catalog = {find, names, &s};
    TRY(query_plan(&arena, statement, &catalog, &s.query, diag, &plan));
    return run_plan(&s, plan);
}
