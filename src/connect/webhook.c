/* SPDX-License-Identifier: MIT */
/*
 * The source that is called. A body is one JSON document, an array of them, or one on each line
 * (NDJSON); it is taken whole or not at all:
 *  1. It is validated before its first record is put; a mistake is answered with its line and
 *     column.
 *  2. When the feed takes no more, what was put of this body is discarded: 429.
 *  3. 200 is answered when the records are durable, and 503 when the disk refused them; then none
 *     is there.
 * A body counts as NDJSON when its type says so, or when it is not one document but its first line
 * is.
 */
#include "connect/webhook.h"

#include "base/base64.h"
#include "base/check.h"
#include "base/mem.h"
#include "connect/connect_private.h"
#include "format/json.h"

#include <stdio.h>

static const struct key_info basic_keys[] = {
    {.name = "user", .type = KEY_TEXT, .required = true, .help = "user name"},
    {.name = "password", .type = KEY_TEXT, .required = true, .help = "password, best ${NAME}"},
    {.name = NULL}};
static const struct key_info api_key_keys[] = {
    {.name = "value", .type = KEY_TEXT, .required = true, .help = "wanted in X-API-Key"},
    {.name = NULL}};
static const struct key_info auth_keys[] = {
    {.name = "bearer", .type = KEY_TEXT, .help = "token wanted in Authorization: Bearer"},
    {.name = "basic", .type = KEY_MAP, .members = basic_keys, .help = "user and password wanted"},
    {.name = "api_key", .type = KEY_MAP, .members = api_key_keys, .help = "key wanted"},
    {.name = NULL}};
static const struct key_info webhook_keys[] = {
    {.name = "path",
     .type = KEY_TEXT,
     .required = true,
     .help = "path on the http listener, as /hooks/users"},
    {.name = "auth",
     .type = KEY_MAP,
     .members = auth_keys,
     .help = "what callers must show: bearer, basic or api_key"},
    {.name = "records",
     .type = KEY_JSONPATH,
     .help = "one message for each match; without it an array's elements, or the document"},
    {.name = "key", .type = KEY_JSONPATH, .help = "Kafka key of a record, as $.id"},
    {.name = "max_body",
     .type = KEY_BYTES,
     .fallback = "1MB",
     .min = 1,
     .max = 1 << 30,
     .help = "larger bodies are refused with 413"},
    {.name = NULL}};

struct webhook {
    struct source source;
    struct io_loop *loop;
    struct feed *feed;
    char *path;
    size_t body_max;
    struct json_path *records, *elements, *key;
    struct buf bearer, basic, api_key; /* wanted; empty = not asked */
    struct buf key_text;
    size_t in_flight;
    bool stopping;
    struct io_timer drained_timer;
    void (*drained)(void *owner);
    void *drained_owner;
    struct source_status status;
};

/* ---- who may call ---- */

/* Takes as long for a wrong text as for a right one of the same length. */
static bool secret_equal(struct str wanted, struct str shown)
{
    unsigned difference = wanted.bytes != shown.bytes;
    for (size_t i = 0; i < wanted.bytes; i++)
        difference |= (unsigned)(wanted.ptr[i] ^ (shown.bytes ? shown.ptr[i % shown.bytes] : 0));
    return difference == 0;
}

static bool scheme_cut(struct str *value, struct str scheme)
{
    if (value->bytes <= scheme.bytes ||
        !str_equal_nocase(str_slice(*value, 0, scheme.bytes), scheme) ||
        value->ptr[scheme.bytes] != ' ')
        return false;
    *value = str_trim(str_slice(*value, scheme.bytes, value->bytes));
    return true;
}

static bool is_allowed(const struct webhook *w, const struct webhook_request *request)
{
    struct str shown = request->authorization;
    if (w->bearer.bytes)
        return scheme_cut(&shown, STR("Bearer")) && secret_equal(buf_str(&w->bearer), shown);
    if (w->basic.bytes)
        return scheme_cut(&shown, STR("Basic")) && secret_equal(buf_str(&w->basic), shown);
    if (w->api_key.bytes)
        return secret_equal(buf_str(&w->api_key), request->api_key);
    return true;
}

/* ---- bodies ---- */

static bool line_cut(struct str *rest, struct str *ret_line)
{
    if (!str_cut(rest, '\n', ret_line))
        return false;
    *ret_line = str_trim(*ret_line);
    return true;
}

static enum err validate_lines(struct str body, struct diag *diag)
{
    struct str line;
    for (uint32_t number = 1; line_cut(&body, &line); number++) {
        struct diag why = {0};
        if (line.bytes && json_validate(line, 0, &why) != OK)
            return diag_set(diag, ERR_SYNTAX, number, why.column, "%s", why.message);
    }
    return OK;
}

/* Validates the whole body and tells which of the two forms it has. */
static enum err body_validate(const struct webhook_request *request, bool *ret_lines,
                              struct diag *diag)
{
    struct str body = request->body, rest = body, first = STR("");
    if (str_trim(body).bytes == 0)
        return diag_set(diag, ERR_SYNTAX, 1, 1, "the body is empty");
    *ret_lines = request->content_type.bytes &&
                 (str_find(request->content_type, STR("ndjson"), 0) != SIZE_MAX ||
                  str_find(request->content_type, STR("jsonl"), 0) != SIZE_MAX ||
                  str_find(request->content_type, STR("json-seq"), 0) != SIZE_MAX);
    if (*ret_lines)
        return validate_lines(body, diag);
    struct diag whole = {0};
    if (json_validate(body, 0, &whole) == OK)
        return OK;
    while (first.bytes == 0 && line_cut(&rest, &first))
        ;
    if (rest.ptr && json_validate(first, 0, NULL) == OK) {
        *ret_lines = true;
        return validate_lines(body, diag);
    }
    *diag = whole;
    return ERR_SYNTAX;
}

struct putting {
    struct webhook *webhook;
    uint64_t records;
    enum err err;
};

static bool put_one(void *owner, struct str record)
{
    struct putting *p = owner;
    struct webhook *w = p->webhook;
    struct str key = STR_NONE;
    struct str value = w->key ? json_path_first(w->key, record) : STR_NONE;
    if (value.ptr && json_kind(value) != JSON_KIND_NULL) {
        buf_reset(&w->key_text);
        json_text(value, &w->key_text);
        key = w->key_text.bytes ? buf_str(&w->key_text) : STR("");
    }
    p->err = feed_put(w->feed, -1, key, record);
    p->records += p->err == OK;
    return p->err == OK;
}

static void put_document(struct putting *p, struct str document)
{
    const struct webhook *w = p->webhook;
    document = str_trim(document);
    if (w->records)
        json_path_each(w->records, document, put_one, p);
    else if (json_kind(document) == JSON_KIND_ARRAY)
        json_path_each(w->elements, document, put_one, p);
    else
        put_one(p, document);
}

/* ---- answers ---- */

static void answer(struct webhook_request *request, int status, int retry_after_s,
                   const char *message)
{
    struct webhook_answer a = {.status = status, .retry_after_s = retry_after_s};
    a.records = status == 200 ? request->records : 0;
    snprintf(a.message, sizeof a.message, "%s", message);
    request->answered(request, &a);
}

static void refuse(struct webhook *w, struct webhook_request *request, int status,
                   int retry_after_s, const char *message)
{
    w->status.errors++;
    snprintf(w->status.detail, sizeof w->status.detail, "%d: %.180s", status, message);
    answer(request, status, retry_after_s, message);
}

static void webhook_drained(struct io_timer *timer)
{
    struct webhook *w = timer->owner;
    void (*drained)(void *owner) = w->drained;
    w->drained = NULL;
    w->status.state = SOURCE_IDLE;
    if (drained)
        drained(w->drained_owner);
}

static void drain_if_done(struct webhook *w)
{
    if (w->stopping && w->in_flight == 0 && w->drained)
        io_timer_start(w->loop, &w->drained_timer, 0);
}

static void webhook_flushed(struct feed_flush *flush, enum err err)
{
    struct webhook_request *request =
        (struct webhook_request *)((char *)flush - offsetof(struct webhook_request, flush));
    struct webhook *w = flush->owner;
    w->in_flight--;
    if (err == OK)
        answer(request, 200, 0, "");
    else if (err == ERR_DISK_FULL)
        refuse(w, request, 503, 10, "the disk is full; nothing of this body was taken");
    else
        refuse(w, request, 503, 5, "the records could not be written; none was taken");
    drain_if_done(w);
}

static void webhook_accept(struct source *source, struct webhook_request *request)
{
    struct webhook *w = (struct webhook *)source;
    struct diag diag = {0};
    bool lines = false;
    w->status.requests++;
    w->status.bytes_in += request->body.bytes;
    w->status.last_fetch_us = io_wall_us(io_loop_io(w->loop));
    if (!is_allowed(w, request)) {
        refuse(w, request, 401, 0, "not allowed: the credentials are missing or wrong");
        return;
    }
    if (w->stopping) {
        refuse(w, request, 503, 5, "the source is stopping");
        return;
    }
    if (request->body.bytes > w->body_max) {
        refuse(w, request, 413, 0, "the body is larger than max_body");
        return;
    }
    if (body_validate(request, &lines, &diag) != OK) {
        char message[256];
        snprintf(message, sizeof message, "line %u column %u: %.200s", diag.line, diag.column,
                 diag.message);
        refuse(w, request, 400, 0, message);
        return;
    }
    struct putting p = {.webhook = w};
    struct str rest = request->body, line;
    if (!lines)
        put_document(&p, rest);
    while (lines && p.err == OK && line_cut(&rest, &line)) {
        if (line.bytes)
            put_document(&p, line);
    }
    request->records = p.records;
    request->flush.done = webhook_flushed;
    request->flush.owner = w;
    enum err err = p.err == OK ? feed_flush(w->feed, STR_NONE, &request->flush) : p.err;
    if (err == OK) {
        w->in_flight++;
        return;
    }
    feed_discard(w->feed);
    if (err == ERR_AGAIN)
        refuse(w, request, 429, 1, "too much is waiting for the disk; try again");
    else if (err == ERR_LIMIT)
        refuse(w, request, 413, 0, "a record is larger than the topic takes");
    else
        refuse(w, request, 503, 5, err_text(err));
}

/* ---- the life of a source ---- */

static enum err webhook_check(const struct setting *settings, const char *file,
                              struct diag_list *diags)
{
    size_t before = diags->count + diags->dropped;
    const struct setting *path = setting_get(settings, "path");
    const struct setting *auth = setting_get(settings, "auth");
    struct diag diag = {.err = ERR_INVALID};
    snprintf(diag.file, sizeof diag.file, "%s", file ? file : "");
    if (path && path->kind == SETTING_TEXT &&
        (path->text.bytes < 2 || path->text.ptr[0] != '/' ||
         str_find(path->text, STR("{"), 0) != SIZE_MAX ||
         str_find(path->text, STR("..."), 0) != SIZE_MAX)) {
        diag.line = path->line;
        diag.column = path->column;
        snprintf(diag.message, sizeof diag.message, "'path' must look like /hooks/users");
        diag_list_add(diags, &diag);
    }
    if (auth && auth->kind == SETTING_MAP && auth->count != 1) {
        diag.line = auth->key_line;
        diag.column = auth->key_column;
        snprintf(diag.message, sizeof diag.message, "auth: takes one of bearer, basic and api_key");
        diag_list_add(diags, &diag);
    }
    return diags->count + diags->dropped > before ? ERR_INVALID : OK;
}

static void webhook_close(struct source *source)
{
    struct webhook *w = (struct webhook *)source;
    if (!w)
        return;
    io_timer_stop(w->loop, &w->drained_timer);
    json_path_free(w->records);
    json_path_free(w->elements);
    json_path_free(w->key);
    buf_deinit(&w->bearer);
    buf_deinit(&w->basic);
    buf_deinit(&w->api_key);
    buf_deinit(&w->key_text);
    mem_free(w->path);
    mem_free(w);
}

static void read_auth(struct webhook *w, const struct setting *auth)
{
    const struct setting *basic = setting_get(auth, "basic");
    buf_str_append(&w->bearer, setting_text(auth, "bearer", ""));
    buf_str_append(&w->api_key, setting_text(setting_get(auth, "api_key"), "value", ""));
    if (basic) {
        struct buf pair = {0};
        buf_str_append(&pair, setting_text(basic, "user", ""));
        buf_char(&pair, ':');
        buf_str_append(&pair, setting_text(basic, "password", ""));
        base64_encode(buf_str(&pair), &w->basic);
        buf_deinit(&pair);
    }
}

static enum err open_parts(struct webhook *w, const struct setting *settings, struct diag *diag)
{
    struct str records = setting_text(settings, "records", "");
    struct str key = setting_text(settings, "key", "");
    if (records.bytes)
        TRY(json_path_parse(records, diag, &w->records));
    if (key.bytes)
        TRY(json_path_parse(key, diag, &w->key));
    return json_path_parse(STR("$[*]"), diag, &w->elements);
}

static enum err webhook_open(struct io_loop *loop, const struct setting *settings,
                             const char *directory, struct str source_name, struct feed *feed,
                             struct diag *diag, struct source **ret_source)
{
    (void)directory;
    (void)source_name;
    struct webhook *w = mem_zero(sizeof *w);
    w->source.connector = &connector_webhook;
    w->loop = loop;
    w->feed = feed;
    w->path = str_dup(setting_text(settings, "path", "/"));
    w->body_max = (size_t)setting_bytes(settings, "max_body", 1 << 20);
    w->drained_timer.fire = webhook_drained;
    w->drained_timer.owner = w;
    read_auth(w, setting_get(settings, "auth"));
    enum err err = open_parts(w, settings, diag);
    if (err != OK) {
        webhook_close(&w->source);
        return err;
    }
    *ret_source = &w->source;
    return OK;
}

static void webhook_start(struct source *source)
{
    struct webhook *w = (struct webhook *)source;
    w->status.state = SOURCE_WAITING;
    snprintf(w->status.detail, sizeof w->status.detail, "for POST %.150s", w->path);
}

static void webhook_stop(struct source *source, void (*drained)(void *owner), void *owner)
{
    struct webhook *w = (struct webhook *)source;
    w->stopping = true;
    w->drained = drained;
    w->drained_owner = owner;
    drain_if_done(w);
}

static void webhook_status(const struct source *source, struct source_status *ret_status)
{
    *ret_status = ((const struct webhook *)source)->status;
}

static struct str webhook_path(const struct source *source)
{
    return str_of(((const struct webhook *)source)->path);
}

static size_t webhook_body_max(const struct source *source)
{
    return ((const struct webhook *)source)->body_max;
}

static const struct webhook_methods methods = {
    .path = webhook_path, .body_max = webhook_body_max, .accept = webhook_accept};

const struct connector connector_webhook = {
    .name = "webhook",
    .summary = "takes JSON that others POST to the http listener",
    .keys = webhook_keys,
    .check = webhook_check,
    .open = webhook_open,
    .start = webhook_start,
    .stop = webhook_stop,
    .status = webhook_status,
    .close = webhook_close,
    .webhook = &methods,
};
