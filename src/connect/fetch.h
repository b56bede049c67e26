/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_FETCH_H
#define CONNECT_FETCH_H

#include "base/diag.h"
#include "io/io.h"

/* One HTTP request that is waited for: commands that talk to a running server, probes. */
struct fetch_request {
    const char *method;
    const char *url;
    struct str body;            /* STR_NONE = none */
    const char *content_type;   /* of the body */
    const char *const *headers; /* "Name: value", ended by NULL; may be NULL */
    int64_t timeout_ms;         /* 0 = 30 s */
    size_t answer_max;          /* 0 = 256 MiB */
};
/* Appends the answer's body to out. ERR_NETWORK (with the reason in diag), ERR_TIMEOUT, ERR_LIMIT.
 */
enum err fetch(struct io *io, const struct fetch_request *request, struct buf *out, int *ret_status,
               struct diag *diag) MUST_USE;

#endif
