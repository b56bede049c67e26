/* SPDX-License-Identifier: MIT */
#ifndef SERVE_API_H
#define SERVE_API_H

#include "pipeline/operate.h"
#include "serve/http.h"

/*
 * The HTTP API: one table of routes over the operations of pipeline/operate.h. Commands use the
 * same table on a stopped project, without a server. docs/api.md is made from it.
 */
struct api_request {
    struct str method;
    struct str path; /* normalised, still percent-encoded inside segments */
    struct str query;
    struct str body;
};
struct api_answer {
    int status;
    struct buf content; /* JSON; the caller's buf, appended to */
};

/* Answers one request. status gives the pipeline's at this moment (thread of the caller). May wait
 * for the disk. */
struct api_engine {
    struct operate operate;
    enum err (*status)(void *owner, struct arena *arena, struct pipeline_status *ret_status);
    void *owner;
};
void api_handle(const struct api_engine *engine, const struct api_request *request,
                struct api_answer *answer);
/* "GET /api/topics  ..": one line a route, for docs and help. */
void api_document(struct buf *out);

/* The API of a running pipeline: routes on the server, a thread for calls that may wait, and the
 * webhooks of the pipeline's sources. */
struct api;
enum err api_new(struct http_server *server, struct pipeline *pipeline,
                 struct api **ret_api) MUST_USE;
void api_free(struct api *api);

#endif
