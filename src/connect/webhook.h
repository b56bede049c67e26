/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_WEBHOOK_H
#define CONNECT_WEBHOOK_H

#include "connect/connect.h"

/* The source that is called: serve/http routes POST requests on its path to accept(). */
struct webhook_answer {
    int status;        /* 200, 400 (with the position of the mistake), 401, 413, 429, 503 */
    int retry_after_s; /* with 429 and 503 */
    uint64_t records;  /* taken */
    char message[256];
};
struct webhook_request {
    struct str body;
    struct str content_type;
    struct str authorization; /* STR_NONE = no header */
    struct str api_key;       /* X-API-Key */
    /* Once, in the loop; maybe before accept() returns (for refusals). 2xx only when durable. */
    void (*answered)(struct webhook_request *request, const struct webhook_answer *answer);
    void *owner;
    struct feed_flush flush; /* the source's own until answered */
    uint64_t records;
};
struct webhook_methods {
    struct str (*path)(const struct source *source);
    size_t (*body_max)(const struct source *source);
    void (*accept)(struct source *source, struct webhook_request *request);
};

#endif
