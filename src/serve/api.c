/* SPDX-License-Identifier: MIT */
/*
 * The API's routes as one table: method, path, what it answers. A handler appends JSON to the
 * answer or fills a diag, whose code gives the HTTP status.
 */
#include "serve/api.h"

#include "format/json.h"

#include <stdio.h>

enum {
    ROWS_DEFAULT = 1000,
    ROWS_MAX = 1000000,
    RECORDS_DEFAULT = 500,
    RECORDS_MAX = 100000,
    PRODUCE_MAX = 100000
};

struct call {
    const struct api_engine *engine;
    const struct api_request *request;
    struct arena *arena;
    struct str param; /* the {} of the path */
    struct buf *out;
    struct diag *diag;
};

static int64_t query_number(const struct call *call, const char *name, int64_t fallback)
{
    CLEAN(buf_deinit) struct buf text = {0};
    int64_t value;
    if (!http_query_get(call->request->query, name, &text) ||
        str_to_i64(buf_str(&text), &value) != OK)
        return fallback;
    return value;
}

static uint32_t query_count(const struct call *call, const char *name, uint32_t fallback,
                            uint32_t most)
{
    int64_t value = query_number(call, name, fallback);
    return value < 0 ? 0 : value > most ? most : (uint32_t)value;
}

static int64_t body_number(const struct call *call, const char *name, int64_t fallback)
{
    struct str value = json_member(call->request->body, name);
    int64_t number;
    return value.ptr && str_to_i64(value, &number) == OK ? number : fallback;
}

static struct str body_text(const struct call *call, const char *name)
{
    struct str value = json_member(call->request->body, name);
    if (json_kind(value) != JSON_KIND_STRING)
        return STR_NONE;
    CLEAN(buf_deinit) struct buf text = {0};
    json_text(value, &text);
    return arena_str(call->arena, buf_str(&text));
}

static enum err check_body(const struct call *call)
{
    struct diag diag = {0};
    if (json_validate(call->request->body, 0, &diag) != OK)
        return diag_set(call->diag, ERR_SYNTAX, diag.line, diag.column, "the body is not JSON: %s",
                        diag.message);
    if (json_kind(call->request->body) != JSON_KIND_OBJECT)
        return diag_set(call->diag, ERR_INVALID, 0, 0, "the body has to be a JSON object");
    return OK;
}

/* ---- handlers ---- */

static enum err get_status(struct call *call)
{
    struct pipeline_status status;
    TRY(call->engine->status(call->engine->owner, call->arena, &status));
    pipeline_status_json(&status, call->out);
    return OK;
}

static enum err get_doctor(struct call *call)
{
    struct pipeline_status status;
    bool ok;
    TRY(call->engine->status(call->engine->owner, call->arena, &status));
    operate_doctor(&call->engine->operate, &status, call->out, &ok);
    return OK;
}

static enum err get_topics(struct call *call)
{
    return operate_topics(&call->engine->operate, call->out);
}

static enum err get_topic(struct call *call)
{
    return operate_topic(&call->engine->operate, call->param, call->out, call->diag);
}

static enum err post_topic(struct call *call)
{
    TRY(check_body(call));
    struct str name = body_text(call, "name");
    if (!name.ptr)
        return diag_set(call->diag, ERR_INVALID, 0, 0, "the body needs a \"name\"");
    return operate_topic_create(
        &call->engine->operate, name, (int32_t)body_number(call, "partitions", 1),
        body_number(call, "retention_ms", 0),
        str_equal(json_member(call->request->body, "compact"), STR("true")), call->out, call->diag);
}

static enum err delete_topic(struct call *call)
{
    return operate_topic_delete(&call->engine->operate, call->param, call->out, call->diag);
}

static enum err get_records(struct call *call)
{
    CLEAN(buf_deinit) struct buf text = {0};
    int64_t offsets[1024];
    size_t count = 0;
    if (http_query_get(call->request->query, "from", &text)) {
        struct str rest = buf_str(&text), part;
        while (count < 1024 && str_cut(&rest, ',', &part))
            if (str_to_i64(part, &offsets[count++]) != OK)
                return diag_set(call->diag, ERR_INVALID, 0, 0,
                                "from= takes one offset a partition, with commas");
    }
    return operate_consume(&call->engine->operate, call->param, offsets, count,
                           query_count(call, "count", RECORDS_DEFAULT, RECORDS_MAX), call->out,
                           call->diag);
}

/* As operate_consume() shows bytes: a string, {"base64":".."}, null; any other JSON is itself. */
static enum err record_bytes(struct call *call, struct str value, struct str *ret_bytes)
{
    CLEAN(buf_deinit) struct buf bytes = {0};
    if (!value.ptr || json_kind(value) == JSON_KIND_NULL)
        return OK;
    enum err err = json_bytes_read(value, &bytes);
    if (err == ERR_SYNTAX)
        return diag_set(call->diag, ERR_INVALID, 0, 0, "\"base64\" does not hold Base64");
    TRY(err);
    *ret_bytes = arena_str(call->arena, buf_str(&bytes));
    return OK;
}

static enum err one_record(struct call *call, struct str item, struct produce_record *record)
{
    struct str key = json_member(item, "key"), value = json_member(item, "value");
    struct str partition = json_member(item, "partition");
    int64_t number = -1;
    *record = (struct produce_record){.key = STR_NONE, .value = STR_NONE, .partition = -1};
    if (json_kind(item) != JSON_KIND_OBJECT || !value.ptr)
        return diag_set(call->diag, ERR_INVALID, 0, 0, "each record is an object with a \"value\"");
    if (partition.ptr && (str_to_i64(partition, &number) != OK || number < 0 || number > INT32_MAX))
        return diag_set(call->diag, ERR_INVALID, 0, 0, "\"partition\" has to be a number");
    record->partition = (int32_t)number;
    TRY(record_bytes(call, key, &record->key));
    return record_bytes(call, value, &record->value);
}

static enum err post_records(struct call *call)
{
    TRY(check_body(call));
    struct str list = json_member(call->request->body, "records"), item, key;
    if (json_kind(list) != JSON_KIND_ARRAY)
        return diag_set(call->diag, ERR_INVALID, 0, 0, "the body needs a list \"records\"");
    size_t state = 0, count = 0, room = 0;
    while (json_next(list, &state, &key, &item))
        room++;
    if (room > PRODUCE_MAX)
        return diag_set(call->diag, ERR_LIMIT, 0, 0, "at most %d records at once", PRODUCE_MAX);
    struct produce_record *records = arena_array(call->arena, room + 1, sizeof *records);
    for (state = 0; json_next(list, &state, &key, &item);)
        TRY(one_record(call, item, &records[count++]));
    return operate_produce(&call->engine->operate, call->param, records, count, call->out,
                           call->diag);
}

static enum err get_tables(struct call *call)
{
    return operate_tables(&call->engine->operate, call->out);
}

static enum err post_sql(struct call *call)
{
    TRY(check_body(call));
    struct str text = body_text(call, "query");
    if (!text.ptr)
        return diag_set(call->diag, ERR_INVALID, 0, 0, "the body needs a \"query\"");
    if (str_equal(json_member(call->request->body, "explain"), STR("true")))
        return operate_explain(&call->engine->operate, text, call->out, call->diag);
    int64_t rows = body_number(call, "rows_max", ROWS_DEFAULT);
    if (rows < 0 || rows > ROWS_MAX)
        rows = ROWS_MAX;
    return operate_sql(&call->engine->operate, text, (uint32_t)rows, call->out, call->diag);
}

static enum err get_node(struct call *call)
{
    struct pipeline_status status;
    TRY(call->engine->status(call->engine->owner, call->arena, &status));
    return operate_node(&call->engine->operate, &status, call->out);
}

static enum err post_flush(struct call *call)
{
    return operate_tables_flush(&call->engine->operate, call->out);
}

static enum err post_compact(struct call *call)
{
    return operate_tables_compact(&call->engine->operate, call->out);
}

static enum err get_dead_letters(struct call *call)
{
    return operate_dead_letters(&call->engine->operate, call->out);
}

static enum err get_dead_letter_list(struct call *call)
{
    return operate_dead_letter_list(
        &call->engine->operate, call->param, query_number(call, "from", 0),
        query_count(call, "count", 100, RECORDS_MAX), call->out, call->diag);
}

static enum err post_replay(struct call *call)
{
    int64_t from = -1, to = -1;
    if (str_trim(call->request->body).bytes) {
        TRY(check_body(call));
        from = body_number(call, "from", -1);
        to = body_number(call, "to", -1);
    }
    return operate_dead_letter_replay(&call->engine->operate, call->param, from, to, call->out,
                                      call->diag);
}

static const struct {
    const char *method;
    const char *path;
    enum err (*handle)(struct call *call);
    const char *help;
} routes[] = {
    {"GET", "/api/status", get_status, "Counters, lag and health of every source and table."},
    {"GET", "/api/doctor", get_doctor, "Findings of every health rule."},
    {"GET", "/api/topics", get_topics, "All topics."},
    {"POST", "/api/topics", post_topic,
     "Makes a topic: {\"name\", \"partitions\", \"retention_ms\", \"compact\"}."},
    {"GET", "/api/topics/{}", get_topic, "One topic with the offsets of its partitions."},
    {"DELETE", "/api/topics/{}", delete_topic, "Deletes a topic and its records."},
    {"GET", "/api/topics/{}/records", get_records,
     "Records: ?from=OFFSET,.. (one a partition; -1 start, -2 end) &count=N."},
    {"POST", "/api/topics/{}/records", post_records,
     "Appends: {\"records\": [{\"key\", \"value\", \"partition\"}]}; text, or {\"base64\"} for "
     "other bytes. Answered when durable."},
    {"GET", "/api/tables", get_tables, "All tables with their columns."},
    {"POST", "/api/tables/flush", post_flush, "Writes what tables hold in memory to files."},
    {"POST", "/api/tables/compact", post_compact, "Folds the files of all tables."},
    {"GET", "/api/node", get_node, "This node as nodetool shows it."},
    {"POST", "/api/sql", post_sql, "Runs a query: {\"query\", \"rows_max\", \"explain\"}."},
    {"GET", "/api/dead-letters", get_dead_letters, "Streams that have dead letters."},
    {"GET", "/api/dead-letters/{}", get_dead_letter_list, "Letters: ?from=NUMBER &count=N."},
    {"POST", "/api/dead-letters/{}/replay", post_replay,
     "Sends letters through again: {\"from\", \"to\"}; all that were not yet by default."},
};
enum { ROUTES = sizeof routes / sizeof *routes };

/* {} takes one segment, percent-decoded into the arena. */
static bool path_match(const char *pattern, struct str path, struct arena *arena,
                       struct str *ret_param)
{
    struct str want = str_of(pattern), w, p;
    for (;;) {
        bool more = str_cut(&want, '/', &w), given = str_cut(&path, '/', &p);
        if (!more || !given)
            return more == given;
        if (str_equal(w, STR("{}"))) {
            CLEAN(buf_deinit) struct buf text = {0};
            if (!p.bytes || http_percent_decode(p, false, &text) != OK)
                return false;
            *ret_param = arena_str(arena, buf_str(&text));
        } else if (!str_equal(w, p))
            return false;
    }
}

static void error_json(const struct diag *diag, enum err err, struct api_answer *answer)
{
    struct json_writer w = {.out = &answer->content};
    buf_reset(&answer->content);
    answer->status = err_info(err)->http;
    json_open(&w, '{');
    json_key(&w, "error");
    json_open(&w, '{');
    json_key(&w, "code");
    json_str(&w, str_of(err_info(err)->name));
    json_key(&w, "message");
    json_str(&w, str_of(diag->message[0] ? diag->message : err_text(err)));
    if (diag->hint[0]) {
        json_key(&w, "hint");
        json_str(&w, str_of(diag->hint));
    }
    if (diag->error_class[0]) {
        json_key(&w, "class");
        json_str(&w, str_of(diag->error_class));
        json_key(&w, "sqlstate");
        json_str(&w, str_of(diag->sqlstate));
    }
    if (diag->line) {
        json_key(&w, "line");
        json_i64(&w, diag->line);
        json_key(&w, "column");
        json_i64(&w, diag->column);
    }
    json_close(&w, '}');
    json_close(&w, '}');
}

void api_handle(const struct api_engine *engine, const struct api_request *request,
                struct api_answer *answer)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 256 << 20};
    struct diag diag = {0};
    struct call call = {.engine = engine,
                        .request = request,
                        .arena = &arena,
                        .out = &answer->content,
                        .diag = &diag};
    bool path_known = false;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!path_match(routes[i].path, request->path, &arena, &call.param))
            continue;
        path_known = true;
        if (!str_equal(request->method, str_of(routes[i].method)))
            continue;
        enum err err = routes[i].handle(&call);
        if (err == OK)
            err = buf_error(&answer->content);
        answer->status = 200;
        if (err != OK)
            error_json(&diag, err, answer);
        return;
    }
    diag_set(&diag, ERR_NOT_FOUND, 0, 0, path_known ? "another method is needed" : "no such path");
    error_json(&diag, ERR_NOT_FOUND, answer);
    if (path_known)
        answer->status = 405;
}

void api_document(struct buf *out)
{
    for (size_t i = 0; i < ROUTES; i++)
        buf_printf(out, "| `%s %s` | %s |\n", routes[i].method, routes[i].path, routes[i].help);
}
