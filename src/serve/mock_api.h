/* SPDX-License-Identifier: MIT */
#ifndef SERVE_MOCK_API_H
#define SERVE_MOCK_API_H

#include "serve/http.h"

/* An offline randomuser.me v1.4: every field with its types and quirks, seeded, deterministic.
 * Faults by chance, from the same seed: rate-limit (429 + Retry-After), 500, slow, empty
 * ("results":[]), truncate (half a document), drop (the connection breaks). */
struct mock_api_options {
    const char *address; /* "127.0.0.1:8090" */
    uint64_t seed;
    const char *faults; /* "rate-limit=0.1,500=0.05,slow=0.02,empty,truncate,drop"; NULL = none */
    uint32_t rate_per_minute; /* 0 = unlimited: then 429 */
    bool never_repeat;        /* without seed= in the query each request gets new users */
};
struct mock_api;
enum err mock_api_new(struct io_loop *loop, const struct mock_api_options *options,
                      struct diag *diag, struct mock_api **ret_api) MUST_USE;
uint16_t mock_api_port(const struct mock_api *api);
/* One user as JSON: index i of seed text; for tests and the generator. */
void mock_api_user(uint64_t seed, uint64_t index, struct buf *out);
void mock_api_free(struct mock_api *api);

#endif
