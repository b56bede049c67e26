/* SPDX-License-Identifier: MIT */
/* Chunked bodies: cut at any place they give the same content, the same end and the same error. */
#include "base/check.h"
#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { BODY_MAX = 4096 };

static enum err run(const uint8_t *data, size_t bytes, size_t step, struct buf *out, size_t *ret_at,
                    bool *ret_done)
{
    struct http_chunks chunks = {0};
    *ret_at = 0;
    *ret_done = false;
    while (*ret_at < bytes && !*ret_done) {
        size_t part = bytes - *ret_at < step ? bytes - *ret_at : step, used = 0;
        TRY(http_chunks_feed(&chunks, data + *ret_at, part, BODY_MAX, out, &used, ret_done));
        check(used <= part && (used == part || *ret_done));
        *ret_at += used;
    }
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buf whole = {0}, cut = {0};
    size_t whole_at, cut_at;
    bool whole_done, cut_done;
    enum err a = run(data, bytes, bytes ? bytes : 1, &whole, &whole_at, &whole_done);
    enum err b = run(data, bytes, 1, &cut, &cut_at, &cut_done);
    check(a == b);
    check(whole.bytes <= BODY_MAX);
    if (a == OK) {
        check(whole_done == cut_done && whole_at == cut_at);
        check(str_equal(buf_str(&whole), buf_str(&cut)));
    }
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
