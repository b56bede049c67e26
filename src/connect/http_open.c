/* SPDX-License-Identifier: MIT */
/*
 * The http connector: its keys, the checks that a key table cannot express, opening (the newest
 * position is read from the topic), closing, and the one try of `check --connect`.
 */
#include "connect/http_source.h"

#include "base/base64.h"

#include <stdio.h>

static const struct key_info basic_keys[] = {
    {.name = "user", .type = KEY_TEXT, .required = true, .help = "user name"},
    {.name = "password",
     .type = KEY_TEXT,
     .help = "password, best ${NAME}; none by default, as APIs want that take the key as the user"},
    {.name = NULL}};
static const struct key_info api_key_keys[] = {
    {.name = "header", .type = KEY_TEXT, .help = "name of the header that carries the key"},
    {.name = "param", .type = KEY_TEXT, .help = "name of the query parameter that carries it"},
    {.name = "value", .type = KEY_TEXT, .required = true, .help = "the key, best ${NAME}"},
    {.name = NULL}};
static const struct key_info auth_keys[] = {
    {.name = "bearer", .type = KEY_TEXT, .help = "token of an Authorization: Bearer header"},
    {.name = "basic", .type = KEY_MAP, .members = basic_keys, .help = "user and password"},
    {.name = "api_key", .type = KEY_MAP, .members = api_key_keys, .help = "a key of the API"},
    {.name = NULL}};
static const struct key_info size_keys[] = {
    {.name = "param", .type = KEY_TEXT, .required = true, .help = "query parameter of the size"},
    {.name = "value",
     .type = KEY_INT,
     .required = true,
     .min = 1,
     .max = 1000000,
     .help = "records of a full page; a page with fewer is asked again for the rest"},
    {.name = NULL}};
static const struct key_info page_keys[] = {
    {.name = "param",
     .type = KEY_TEXT,
     .fallback = "page",
     .help = "query parameter of the number"},
    {.name = "start", .type = KEY_INT, .fallback = "1", .max = INT64_MAX, .help = "first number"},
    {.name = "size", .type = KEY_MAP, .members = size_keys, .help = "records a page"},
    {.name = NULL}};
static const struct key_info cursor_keys[] = {
    {.name = "param", .type = KEY_TEXT, .required = true, .help = "query parameter of the cursor"},
    {.name = "from",
     .type = KEY_JSONPATH,
     .required = true,
     .help = "where the next cursor stands in an answer, as $.paging.next"},
    {.name = NULL}};
static const struct key_info until_keys[] = {
    {.name = "param", .type = KEY_TEXT, .required = true, .help = "query parameter of the value"},
    {.name = "from",
     .type = KEY_JSONPATH,
     .required = true,
     .help = "where the value stands in an answer or in each record; the greatest counts"},
    {.name = "start", .type = KEY_TEXT, .help = "value of the first request"},
    {.name = NULL}};
static const struct key_info retry_keys[] = {
    {.name = "attempts",
     .type = KEY_INT,
     .fallback = "8",
     .min = 1,
     .max = 1000000,
     .help = "failures in a row after which an error is logged; it goes on trying"},
    {.name = "backoff",
     .type = KEY_DURATION_RANGE,
     .fallback = "500ms..60s",
     .help = "wait after the first failure .. longest wait; it doubles in between"},
    {.name = "jitter", .type = KEY_BOOL, .fallback = "true", .help = "shorten waits by chance"},
    {.name = NULL}};

static const struct key_info http_keys[] = {
    {.name = "url", .type = KEY_URL, .required = true, .help = "address of the API"},
    {.name = "query", .type = KEY_TEXT_MAP, .help = "query parameters of every request"},
    {.name = "headers", .type = KEY_TEXT_MAP, .help = "headers of every request"},
    {.name = "auth", .type = KEY_MAP, .members = auth_keys, .help = "bearer, basic or api_key"},
    {.name = "every",
     .type = KEY_DURATION,
     .fallback = "1s",
     .min = 1,
     .max = INT64_MAX,
     .help = "from one request to the next; a walk goes on at once without it"},
    {.name = "page", .type = KEY_MAP, .members = page_keys, .help = "walk by page numbers"},
    {.name = "cursor", .type = KEY_MAP, .members = cursor_keys, .help = "walk by cursors"},
    {.name = "until", .type = KEY_MAP, .members = until_keys, .help = "walk by a growing value"},
    {.name = "records",
     .type = KEY_JSONPATH,
     .fallback = "$",
     .help = "one message for each match, as $.results[*]"},
    {.name = "key",
     .type = KEY_JSONPATH,
     .help = "Kafka key of a record, as $.login.uuid; what was fetched before is then left out"},
    {.name = "timeout",
     .type = KEY_DURATION,
     .fallback = "10s",
     .min = 1,
     .max = 3600000,
     .help = "of one request"},
    {.name = "retry", .type = KEY_MAP, .members = retry_keys, .help = "waiting after failures"},
    {.name = "limit", .type = KEY_RATE, .help = "requests at most, as 60/min"},
    {.name = "max_answer",
     .type = KEY_BYTES,
     .fallback = "64MB",
     .min = 1024,
     .max = 1 << 30,
     .help = "larger answers count as failures"},
    {.name = NULL}};

/* ---- the check ---- */

static void complain(const struct setting *at, const char *file, struct diag_list *diags,
                     const char *message, const char *hint)
{
    struct diag diag = {.err = ERR_INVALID, .line = at->key_line, .column = at->key_column};
    if (diag.line == 0) {
        diag.line = at->line;
        diag.column = at->column;
    }
    snprintf(diag.file, sizeof diag.file, "%s", file ? file : "");
    snprintf(diag.message, sizeof diag.message, "%s", message);
    snprintf(diag.hint, sizeof diag.hint, "%s", hint);
    diag_list_add(diags, &diag);
}

static bool has_line_break(struct str text)
{
    return text.bytes && (memchr(text.ptr, '\r', text.bytes) || memchr(text.ptr, '\n', text.bytes));
}

static enum err http_check(const struct setting *settings, const char *file,
                           struct diag_list *diags)
{
    size_t before = diags->count + diags->dropped;
    static const char *const walks[] = {"page", "cursor", "until"};
    const struct setting *walk = NULL;
    for (size_t i = 0; i < 3; i++) {
        const struct setting *one = setting_get(settings, walks[i]);
        if (one && walk)
            complain(one, file, diags, "an API is walked in one way only",
                     "keep one of page, cursor and until");
        walk = one ? one : walk;
    }
    const struct setting *until = setting_get(settings, "until");
    if (until && !setting_get(settings, "key"))
        complain(until, file, diags, "until: needs key: beside it",
                 "records at the border come again and are recognised by their key");
    const struct setting *auth = setting_get(settings, "auth");
    if (auth && auth->kind == SETTING_MAP && auth->count != 1)
        complain(auth, file, diags, "auth: takes one of bearer, basic and api_key",
                 "as auth: {bearer: \"${API_KEY}\"}");
    const struct setting *api_key = setting_get(auth, "api_key");
    if (api_key && !setting_get(api_key, "header") == !setting_get(api_key, "param"))
        complain(api_key, file, diags, "api_key: takes either header: or param:",
                 "as api_key: {header: X-API-Key, value: \"${API_KEY}\"}");
    const struct setting *headers = setting_get(settings, "headers");
    for (size_t i = 0; headers && headers->kind == SETTING_MAP && i < headers->count; i++) {
        if (has_line_break(headers->items[i].text) || has_line_break(headers->items[i].key))
            complain(&headers->items[i], file, diags, "a header cannot hold a line break",
                     "check the value of the variable");
    }
    return diags->count + diags->dropped > before ? ERR_INVALID : OK;
}

/* ---- opening ---- */

static void add_header(struct http_fetch *fetch, struct str name, struct str value)
{
    struct buf line = {0};
    buf_str_append(&line, name);
    buf_text(&line, ": ");
    buf_str_append(&line, value);
    if (!has_line_break(buf_str(&line)))
        http_fetch_header(fetch, buf_c_str(&line));
    buf_deinit(&line);
}

static void add_headers(struct http_fetch *fetch, const struct setting *settings)
{
    const struct setting *auth = setting_get(settings, "auth");
    struct buf value = {0};
    if (setting_get(auth, "bearer")) {
        buf_text(&value, "Bearer ");
        buf_str_append(&value, setting_text(auth, "bearer", ""));
        add_header(fetch, STR("Authorization"), buf_str(&value));
    } else if (setting_get(auth, "basic")) {
        const struct setting *basic = setting_get(auth, "basic");
        struct buf pair = {0};
        buf_str_append(&pair, setting_text(basic, "user", ""));
        buf_char(&pair, ':');
        buf_str_append(&pair, setting_text(basic, "password", ""));
        buf_text(&value, "Basic ");
        base64_encode(buf_str(&pair), &value);
        add_header(fetch, STR("Authorization"), buf_str(&value));
        buf_deinit(&pair);
    } else if (setting_get(auth, "api_key")) {
        const struct setting *key = setting_get(auth, "api_key");
        if (setting_get(key, "header"))
            add_header(fetch, setting_text(key, "header", ""), setting_text(key, "value", ""));
    }
    buf_deinit(&value);
    const struct setting *headers = setting_get(settings, "headers");
    bool accept = false;
    for (size_t i = 0; headers && i < headers->count; i++) {
        accept = accept || str_equal_nocase(headers->items[i].key, STR("Accept"));
        add_header(fetch, headers->items[i].key, headers->items[i].text);
    }
    if (!accept)
        add_header(fetch, STR("Accept"), STR("application/json"));
}

static void http_close(struct source *source)
{
    struct http_source *s = (struct http_source *)source;
    if (!s)
        return;
    io_timer_stop(s->loop, &s->request_timer);
    io_timer_stop(s->loop, &s->append_timer);
    io_timer_stop(s->loop, &s->drained_timer);
    if (s->feed)
        feed_on_resume(s->feed, NULL, NULL);
    http_source_drop_pages(s);
    http_fetch_free(s->fetch);
    http_client_free(s->client);
    walk_deinit(&s->walk);
    walk_place_deinit(&s->place);
    json_path_free(s->key);
    buf_deinit(&s->key_text);
    buf_deinit(&s->url);
    buf_deinit(&s->etag);
    buf_deinit(&s->modified);
    mem_free(s->name);
    mem_free(s);
}

static void read_settings(struct http_source *s, const struct setting *settings)
{
    bool walks = s->walk.kind == WALK_PAGE || s->walk.kind == WALK_CURSOR;
    s->every_ms = setting_duration_ms(settings, "every", walks ? -1 : 1000);
    double per_second = 0;
    if (rate_parse(setting_text(settings, "limit", ""), &per_second) == OK)
        s->between_ns = (int64_t)(1e9 / per_second);
    const struct setting *retry = setting_get(settings, "retry");
    s->attempts = setting_int(retry, "attempts", 8);
    s->jitter = setting_bool(retry, "jitter", true);
    s->backoff_min_ms = 500;
    s->backoff_max_ms = 60000;
    if (duration_range_parse(setting_text(retry, "backoff", ""), &s->backoff_min_ms,
                             &s->backoff_max_ms) != OK) {
        s->backoff_min_ms = 500;
        s->backoff_max_ms = 60000;
    }
    if (s->backoff_min_ms == 0)
        s->backoff_min_ms = 1;
}

/* Where the walk stood; a place of another kind of walk begins anew. */
static enum err read_position(struct http_source *s)
{
    struct buf position = {0};
    walk_place_start(&s->walk, &s->place);
    if (s->walk.kind == WALK_POLL)
        return OK;
    enum err err = feed_position(s->feed, &position);
    if (err == OK && walk_place_parse(&s->walk, buf_str(&position), &s->place) != OK)
        walk_place_start(&s->walk, &s->place);
    buf_deinit(&position);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err open_parts(struct http_source *s, const struct setting *settings, struct diag *diag)
{
    TRY(walk_init(&s->walk, settings, diag));
    struct str key = setting_text(settings, "key", "");
    if (key.bytes)
        TRY(json_path_parse(key, diag, &s->key));
    read_settings(s, settings);
    TRY(http_client_new(s->loop, &s->client));
    struct http_fetch_options options = {
        .body_max = (size_t)setting_bytes(settings, "max_answer", 64 << 20),
        .timeout_ms = setting_duration_ms(settings, "timeout", 10000),
        .done = s->fetch_done,
        .owner = s,
    };
    s->fetch = http_fetch_new(s->client, &options);
    add_headers(s->fetch, settings);
    TRY(read_position(s));
    if (s->key && (s->walk.kind == WALK_POLL || s->walk.kind == WALK_UNTIL))
        TRY(feed_leave_out_repeated(s->feed));
    return OK;
}

static enum err http_open(struct io_loop *loop, const struct setting *settings,
                          const char *directory, struct str source_name, struct feed *feed,
                          struct diag *diag, struct source **ret_source)
{
    (void)directory;
    struct http_source *s = mem_zero(sizeof *s);
    s->source.connector = &connector_http;
    s->loop = loop;
    s->feed = feed;
    s->name = str_dup(source_name);
    s->pages_end = &s->pages;
    io_random(io_loop_io(loop), &s->prng.state, sizeof s->prng.state);
    http_source_timers(s);
    enum err err = open_parts(s, settings, diag);
    if (err != OK) {
        diag_set(diag, err, settings->line, settings->column, "source %s cannot be opened: %s",
                 s->name, err_text(err));
        http_close(&s->source);
        return err;
    }
    *ret_source = &s->source;
    return OK;
}

static void http_status(const struct source *source, struct source_status *ret_status)
{
    const struct http_source *s = (const struct http_source *)source;
    *ret_status = s->status;
    int64_t left_ns = s->due_ns - io_loop_now_ns(s->loop);
    ret_status->wait_ms = !s->fetching && left_ns > 0 ? left_ns / 1000000 : 0;
}

/* ---- one try ---- */

struct probe {
    struct io_loop *loop;
    bool done;
};

static void probe_done(void *owner, struct http_fetch *fetch)
{
    (void)fetch;
    ((struct probe *)owner)->done = true;
}

static enum err probe_result(const struct setting *settings, const char *url,
                             struct http_result *result, struct diag *diag)
{
    const struct setting *at = setting_get(settings, "url");
    struct diag why = {0};
    if (result->status == 0)
        return diag_set(diag, ERR_NETWORK, at->line, at->column, "%s: %s", url, result->error);
    if (result->status < 200 || result->status > 299)
        return diag_set(diag, ERR_NETWORK, at->line, at->column, "%s answers HTTP %d", url,
                        result->status);
    if (json_validate(result->body.bytes ? buf_str(&result->body) : STR(""), 0, &why) != OK)
        return diag_set(diag, ERR_SYNTAX, at->line, at->column,
                        "%s does not answer JSON: line %u column %u: %s", url, why.line, why.column,
                        why.message);
    return OK;
}

static enum err http_probe(struct io *io, const struct setting *settings, const char *directory,
                           struct diag *diag)
{
    (void)directory;
    struct probe probe = {0};
    struct http_walk walk;
    struct walk_place place = {0};
    struct http_client *client = NULL;
    struct http_fetch *fetch = NULL;
    struct buf url = {0};
    TRY(walk_init(&walk, settings, diag));
    enum err err = io_loop_new(io, &probe.loop);
    if (err == OK)
        err = http_client_new(probe.loop, &client);
    if (err == OK) {
        struct http_fetch_options options = {
            .body_max = (size_t)setting_bytes(settings, "max_answer", 64 << 20),
            .timeout_ms = setting_duration_ms(settings, "timeout", 10000),
            .done = probe_done,
            .owner = &probe,
        };
        fetch = http_fetch_new(client, &options);
        add_headers(fetch, settings);
        walk_place_start(&walk, &place);
        walk_url(&walk, &place, &url);
        err = http_fetch_start(fetch, buf_c_str(&url), STR(""), STR(""));
        while (err == OK && !probe.done)
            io_loop_turn(probe.loop, 100000000);
        if (err == OK)
            err = probe_result(settings, buf_c_str(&url), http_fetch_result(fetch), diag);
    }
    http_fetch_free(fetch);
    http_client_free(client);
    if (probe.loop)
        io_loop_free(probe.loop);
    walk_place_deinit(&place);
    walk_deinit(&walk);
    buf_deinit(&url);
    return err;
}

const struct connector connector_http = {
    .name = "http",
    .summary = "asks a JSON API over HTTP: polling, pages, cursors or a growing value",
    .keys = http_keys,
    .check = http_check,
    .probe = http_probe,
    .open = http_open,
    .start = http_source_start,
    .stop = http_source_stop,
    .status = http_status,
    .close = http_close,
};
