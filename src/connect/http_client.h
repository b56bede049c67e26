/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_HTTP_CLIENT_H
#define CONNECT_HTTP_CLIENT_H

#include "io/loop.h"

/* libcurl under our loop: one client holds the connections, a fetch is one GET after the other.
 * libcurl is not touched before the first client. Loop's thread. */
struct http_client;
enum err http_client_new(struct io_loop *loop, struct http_client **ret_client) MUST_USE;
/* Its fetches must be freed before. */
void http_client_free(struct http_client *client);

struct http_fetch;
struct http_fetch_options {
    size_t body_max;
    int64_t timeout_ms;
    void (*done)(void *owner, struct http_fetch *fetch);
    void *owner;
};
struct http_fetch *http_fetch_new(struct http_client *client,
                                  const struct http_fetch_options *options);
/* Also while it runs. */
void http_fetch_free(struct http_fetch *fetch);
/* "Name: value", copied; kept for all requests of this fetch. */
void http_fetch_header(struct http_fetch *fetch, const char *line);
/* The next request. etag and modified (may be empty) make it conditional. */
enum err http_fetch_start(struct http_fetch *fetch, const char *url, struct str etag,
                          struct str modified) MUST_USE;
/* done is not called any more for the request that runs. */
void http_fetch_cancel(struct http_fetch *fetch);

struct http_result {
    int status;        /* 0: there was no answer, see error */
    const char *error; /* of the connection, or that the body is too large */
    struct buf body;   /* taken over by whoever wants it: buf_deinit or keep */
    struct str content_type, etag, modified, retry_after; /* live until the next start */
};
struct http_result *http_fetch_result(struct http_fetch *fetch);

#endif
