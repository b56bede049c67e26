/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_HTTP_SOURCE_H
#define CONNECT_HTTP_SOURCE_H

/* Shared by http_source.c (the machine) and http_open.c (settings, opening, closing, probing). */
#include "base/mem.h"
#include "base/prng.h"
#include "connect/connect_private.h"
#include "connect/http_client.h"
#include "connect/http_walk.h"

enum page_state { PAGE_READY, PAGE_PUT, PAGE_FLUSHING };
/* An answer whose records are on their way into the topic. */
struct http_page {
    struct buf body;
    struct walk_place after;
    struct buf etag, modified;
    uint64_t skip;               /* taken before */
    uint64_t put;                /* of those behind */
    struct walk_records records; /* in body */
    enum page_state state;
    struct http_page *next;
};

struct http_source {
    struct source source;
    struct io_loop *loop;
    struct feed *feed;
    char *name;
    struct http_client *client;
    struct http_fetch *fetch;
    void (*fetch_done)(void *owner, struct http_fetch *fetch);
    struct http_walk walk;
    struct walk_place place; /* of the next request */
    bool peeking;            /* the page behind it is asked */
    bool peek_found;         /* .. and holds records: the short one is asked a last time */
    bool more;               /* the next request is known without waiting */
    struct json_path *key;
    struct buf key_text, url;
    struct buf etag, modified; /* of the newest durable answer */

    int64_t every_ms;   /* -1 = not given */
    int64_t between_ns; /* limit: from start to start */
    int64_t backoff_min_ms, backoff_max_ms;
    bool jitter;
    int64_t attempts;
    struct prng prng;

    struct http_page *pages, **pages_end;
    size_t page_count;
    struct feed_flush flush;
    bool flushing, fetching, started, stopping;
    int64_t started_ns, due_ns;
    uint32_t empty_in_a_row, append_failures;
    struct io_timer request_timer, append_timer, drained_timer;
    void (*drained)(void *owner);
    void *drained_owner;
    struct source_status status;
};

void http_source_timers(struct http_source *s);
void http_source_start(struct source *source);
void http_source_stop(struct source *source, void (*drained)(void *owner), void *owner);
void http_source_drop_pages(struct http_source *s);

#endif
