/* SPDX-License-Identifier: MIT */
/* Request heads: no read past the end, every field inside the input, and a head that is accepted
 * whole is not accepted when its last byte is missing. */
#include "base/check.h"
#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void inside(struct str s, const uint8_t *data, size_t bytes)
{
    if (s.bytes > 1) /* "/" may be ours */
        check((const uint8_t *)s.ptr >= data && (const uint8_t *)s.ptr + s.bytes <= data + bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct http_request r;
    const char *reason = NULL;
    enum err err = http_request_parse(data, bytes, &r, &reason);
    if (err != OK) {
        check(err == ERR_AGAIN || err == ERR_SYNTAX || err == ERR_LIMIT || err == ERR_UNSUPPORTED);
        check(err == ERR_AGAIN || reason);
        return 0;
    }
    check(r.head_bytes <= bytes);
    check(!(r.chunked && r.has_length));
    inside(r.method, data, r.head_bytes);
    inside(r.target, data, r.head_bytes);
    inside(r.path, data, r.head_bytes);
    inside(r.query, data, r.head_bytes);
    for (size_t i = 0; i < r.header_count; i++) {
        inside(r.headers[i].name, data, r.head_bytes);
        inside(r.headers[i].value, data, r.head_bytes);
    }
    struct buf out = {.bytes_max = 1 << 20};
    check(http_percent_decode(r.path, false, &out) == OK);
    check(!memchr(out.ptr ? (const void *)out.ptr : "", 0, out.bytes));
    http_query_get(r.query, "a", &out);
    buf_deinit(&out);
    size_t whole = r.head_bytes;
    check(http_request_parse(data, whole - 1, &r, NULL) == ERR_AGAIN);
    return 0;
}
