/* SPDX-License-Identifier: MIT */
/*
 * The API on a server. Calls that may wait for the disk go to one thread through a bounded queue;
 * when it is full the caller gets 503. Status is gathered in the loop, where it belongs, before a
 * call goes over. Webhooks are answered by their source, in the loop.
 */
#include "serve/api.h"

#include "format/json.h"
#include "io/thread.h"

#include <stdio.h>

enum { CALLS_MAX = 64, BODY_MAX = 32 << 20 };

struct api {
    struct http_server *server;
    struct pipeline *pipeline;
    struct io_queue *calls;
    struct io_thread *thread;
};

struct waiting_call {
    struct api *api;
    struct http_exchange *exchange;
    struct api_request request;
    struct api_answer answer;
    struct arena arena;
    struct pipeline_status status;
    struct io_post post;
};

static enum err status_of_call(void *owner, struct arena *arena, struct pipeline_status *ret_status)
{
    *ret_status = ((struct waiting_call *)owner)->status;
    return OK;
}

/* Loop's thread. */
static void answer(struct io_post *post)
{
    struct waiting_call *call = post->owner;
    http_exchange_answer(call->exchange, call->answer.status, "application/json",
                         buf_str(&call->answer.content), NULL);
    buf_deinit(&call->answer.content);
    arena_deinit(&call->arena);
    mem_free(call);
}

static void run_calls(void *arg)
{
    struct api *api = arg;
    void *item;
    while (io_queue_pop(api->calls, -1, &item) == OK) {
        struct waiting_call *call = item;
        struct api_engine engine = {
            .operate = {.io = io_loop_io(pipeline_loop(api->pipeline)),
                        .project = pipeline_project(api->pipeline),
                        .log = pipeline_log(api->pipeline),
                        .store = pipeline_tables(api->pipeline)},
            .status = status_of_call,
            .owner = call,
        };
        api_handle(&engine, &call->request, &call->answer);
        call->post = (struct io_post){.run = answer, .owner = call};
        io_loop_post(pipeline_loop(api->pipeline), &call->post);
    }
}

static void handle_api(struct http_exchange *exchange, void *owner)
{
    struct api *api = owner;
    const struct http_request *request = http_exchange_request(exchange);
    struct waiting_call *call = mem_zero(sizeof *call);
    call->api = api;
    call->exchange = exchange;
    arena_init(&call->arena, 64 << 20);
    /* The exchange's bytes belong to the loop: the thread gets copies. */
    call->request = (struct api_request){
        .method = arena_str(&call->arena, request->method),
        .path = arena_str(&call->arena, request->path),
        .query = arena_str(&call->arena, request->query),
        .body = arena_str(&call->arena, http_exchange_body(exchange)),
    };
    pipeline_status(api->pipeline, &call->arena, &call->status);
    if (io_queue_try_push(api->calls, call) == OK)
        return;
    arena_deinit(&call->arena);
    mem_free(call);
    http_exchange_error(exchange, 503, "too many calls wait", "try again in a moment");
}

static void handle_health(struct http_exchange *exchange, void *owner)
{
    struct api *api = owner;
    char text[300] = "ok\n";
    bool failed = pipeline_failed(api->pipeline, text, sizeof text);
    enum err log = log_health(pipeline_log(api->pipeline));
    enum err tables = table_store_health(pipeline_tables(api->pipeline));
    if (!failed && (log != OK || tables != OK)) {
        char trouble[240] = "";
        log_trouble(pipeline_log(api->pipeline), trouble, sizeof trouble);
        snprintf(text, sizeof text,
                 log != OK ? "intake has stopped: %s\n" : "storing has stopped: %s\n",
                 log != OK && trouble[0] ? trouble : err_text(log != OK ? log : tables));
        failed = true;
    }
    char blocked[280];
    if (!failed && pipeline_blocked(api->pipeline, blocked, sizeof blocked)) {
        snprintf(text, sizeof text, "storing has stopped: %s\n", blocked);
        failed = true;
    }
    http_exchange_answer(exchange, failed ? 503 : 200, "text/plain; charset=utf-8", str_of(text),
                         NULL);
}

/* ---- webhooks ---- */

struct hook_call {
    struct webhook_request request;
    struct http_exchange *exchange;
};

static void hook_answered(struct webhook_request *request, const struct webhook_answer *a)
{
    struct hook_call *call = request->owner;
    char extra[64] = "", content[64];
    if (a->retry_after_s > 0)
        snprintf(extra, sizeof extra, "Retry-After: %d\r\n", a->retry_after_s);
    if (a->status / 100 == 2) {
        int bytes =
            snprintf(content, sizeof content, "{\"records\":%llu}", (unsigned long long)a->records);
        http_exchange_answer(call->exchange, a->status, "application/json",
                             str_from(content, (size_t)bytes), extra[0] ? extra : NULL);
    } else {
        struct arena *arena = http_exchange_arena(call->exchange);
        struct buf text = {0};
        buf_text(&text, "{\"error\":{\"message\":");
        json_quote(str_of(a->message), &text);
        buf_text(&text, "}}");
        struct str copy = arena_str(arena, buf_str(&text));
        buf_deinit(&text);
        http_exchange_answer(call->exchange, a->status, "application/json", copy,
                             extra[0] ? extra : NULL);
    }
}

static void handle_hook(struct http_exchange *exchange, void *owner)
{
    struct source *source = owner;
    const struct http_request *request = http_exchange_request(exchange);
    struct hook_call *call = arena_zero(http_exchange_arena(exchange), sizeof *call);
    call->exchange = exchange;
    call->request = (struct webhook_request){
        .body = http_exchange_body(exchange),
        .content_type = http_header_get(request, "Content-Type"),
        .authorization = http_header_get(request, "Authorization"),
        .api_key = http_header_get(request, "X-API-Key"),
        .answered = hook_answered,
        .owner = call,
    };
    source->connector->webhook->accept(source, &call->request);
}

enum err api_new(struct http_server *server, struct pipeline *pipeline, struct api **ret_api)
{
    struct api *api = mem_zero(sizeof *api);
    api->server = server;
    api->pipeline = pipeline;
    api->calls = io_queue_new(CALLS_MAX);
    enum err err =
        io_thread_start(io_loop_io(pipeline_loop(pipeline)), "api", run_calls, api, &api->thread);
    if (err != OK) {
        io_queue_free(api->calls);
        mem_free(api);
        return err;
    }
    http_server_route(server, "*", "/api/...", BODY_MAX, handle_api, api);
    http_server_route(server, "GET", "/health", 0, handle_health, api);
    struct source *hook;
    for (size_t i = 0; (hook = pipeline_webhook(pipeline, i)); i++) {
        const struct webhook_methods *methods = hook->connector->webhook;
        CLEAN(mem_free_at) char *path = str_dup(methods->path(hook));
        http_server_route(server, "POST", path, methods->body_max(hook), handle_hook, hook);
    }
    *ret_api = api;
    return OK;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    io_queue_close(api->calls);
    io_thread_join(api->thread);
    io_queue_free(api->calls);
    mem_free(api);
}
