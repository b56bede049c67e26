/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 heads and chunks: what is accepted, and above all what is refused. */
#include "wire/http.h"

#include "base/mem.h"
#include "test.h"

struct refusal {
    const char *head;
    int status; /* 0 = accepted */
};

/* Each is given whole and then byte by byte: before the last byte the answer may only be "not whole
 * yet" or the same refusal. */
static const struct refusal refusals[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"GET http://a:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000000000000000010\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 0},
    {"GET /a..b/.c/...%2e HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"GET /%D0%B6/%2f HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost:\r\nX:\t b\tc \r\n\r\n", 0},
    /* smuggling */
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
     "\r\n",
     400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1,1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    /* lines */
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHo st: a\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / FTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    /* paths */
    {"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /.%2e HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /./ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
};

static void test_refusals(void **state)
{
    struct http_request request;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *row = &refusals[i];
        size_t bytes = strlen(row->head);
        for (size_t n = 0; n <= bytes; n++) {
            uint8_t *copy = mem_alloc(n);
            memcpy(copy, row->head, n);
            const char *reason = NULL;
            enum err err = http_request_parse(copy, n, &request, &reason);
            if (n < bytes && err == OK)
                fail_msg("row %zu: accepted after %zu bytes", i, n);
            if (err != OK && err != ERR_AGAIN &&
                http_request_error_status(err, reason) != row->status)
                fail_msg("row %zu: %d after %zu bytes", i, http_request_error_status(err, reason),
                         n);
            if (n == bytes && (err == OK) != (row->status == 0))
                fail_msg("row %zu (%s): %s", i, row->head, err_text(err));
            mem_free(copy);
        }
    }
}

static void test_nul(void **state)
{
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    struct http_request request;
    assert_err(ERR_SYNTAX,
               http_request_parse((const uint8_t *)head, sizeof head - 1, &request, NULL));
}

static void test_fields(void **state)
{
    struct str head = STR("POST /api/x%20y?a=1&b=%C3%A4+c&=&d HTTP/1.1\r\nHost: h\r\n"
                          "Content-Length: 5\r\nEXPECT: 100-continue\r\n"
                          "Connection: foo, Close\r\nX-Y:  z \r\n\r\nhello");
    struct http_request r;
    assert_ok(http_request_parse((const uint8_t *)head.ptr, head.bytes, &r, NULL));
    assert_str("POST", r.method);
    assert_str("/api/x%20y", r.path);
    assert_str("a=1&b=%C3%A4+c&=&d", r.query);
    assert_int_equal(head.bytes - 5, r.head_bytes);
    assert_true(r.has_length && r.content_length == 5 && r.expect_continue && !r.keep_alive);
    assert_str("z", http_header_get(&r, "x-y"));
    assert_null(http_header_get(&r, "z").ptr);
    struct buf out = {0};
    assert_true(http_query_get(r.query, "b", &out));
    assert_str("\xc3\xa4 c", buf_str(&out));
    buf_reset(&out);
    assert_true(http_query_get(r.query, "d", &out));
    assert_int_equal(0, out.bytes);
    assert_false(http_query_get(r.query, "e", &out));
    http_percent_encode(STR("a b/\xc3\xa4~"), &out);
    assert_str("a%20b%2F%C3%A4~", buf_str(&out));
    buf_deinit(&out);
}

static void test_limits(void **state)
{
    struct http_request r;
    struct buf b = {0};
    const char *reason;
    buf_text(&b, "GET /");
    while (b.bytes < HTTP_HEAD_BYTES_MAX)
        buf_char(&b, 'a');
    assert_err(ERR_LIMIT, http_request_parse(b.ptr, b.bytes, &r, &reason));
    assert_int_equal(414, http_request_error_status(ERR_LIMIT, reason));
    buf_reset(&b);
    buf_text(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while (b.bytes < HTTP_HEAD_BYTES_MAX)
        buf_char(&b, 'a');
    assert_err(ERR_LIMIT, http_request_parse(b.ptr, b.bytes, &r, &reason));
    assert_int_equal(431, http_request_error_status(ERR_LIMIT, reason));
    buf_reset(&b);
    buf_text(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        buf_text(&b, "X: y\r\n");
    buf_text(&b, "\r\n");
    assert_err(ERR_LIMIT, http_request_parse(b.ptr, b.bytes, &r, &reason));
    buf_deinit(&b);
}

struct chunked {
    const char *text;
    const char *content; /* NULL = refused */
    const char *rest;
};
static const struct chunked chunked_rows[] = {
    {"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
    {"5;a=b\r\nhello\r\n00001\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET", "hello!", "GET"},
    {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""},
    {"0\r\n\r\n", "", ""},
    {"\r\n", NULL, NULL},
    {"5\nhello\r\n0\r\n\r\n", NULL, NULL},
    {"5\r\nhelloX", NULL, NULL},
    {"5\r\nhello\n", NULL, NULL},
    {"-1\r\n", NULL, NULL},
    {"0x5\r\n", NULL, NULL},
    {"5 \r\nhello", NULL, NULL},
    {"1000000000000000\r\n", NULL, NULL},
    {"FFFFFFFFFFFFFFF\r\na", NULL, NULL},
    {"20\r\na", NULL, NULL},
    {"0\r\nA: b\n\r\n", NULL, NULL},
};

static void test_chunks(void **state)
{
    for (size_t i = 0; i < sizeof chunked_rows / sizeof *chunked_rows; i++) {
        const struct chunked *row = &chunked_rows[i];
        size_t bytes = strlen(row->text);
        for (size_t step = 1; step <= bytes; step++) {
            struct http_chunks chunks = {0};
            struct buf out = {0};
            bool done = false;
            enum err err = OK;
            size_t at = 0;
            while (at < bytes && !done && err == OK) {
                size_t part = bytes - at < step ? bytes - at : step, used = 0;
                err = http_chunks_feed(&chunks, (const uint8_t *)row->text + at, part, 25, &out,
                                       &used, &done);
                if (err == OK)
                    at += used;
            }
            if (!row->content) {
                assert_true(err != OK);
            } else {
                assert_ok(err);
                assert_true(done);
                assert_str(row->content, buf_str(&out));
                assert_string_equal(row->rest, row->text + at);
            }
            buf_deinit(&out);
        }
    }
}

static void test_dates(void **state)
{
    struct buf out = {0};
    int64_t us = 0;
    http_date_print(&out, 784111777000000);
    assert_str("Sun, 06 Nov 1994 08:49:37 GMT", buf_str(&out));
    assert_ok(http_date_parse(buf_str(&out), &us));
    assert_int_equal(784111777000000, us);
    assert_err(ERR_SYNTAX, http_date_parse(STR("Sun, 31 Feb 1994 08:49:37 GMT"), &us));
    assert_err(ERR_SYNTAX, http_date_parse(STR("120"), &us));
    buf_deinit(&out);
}

static void test_response(void **state)
{
    struct buf out = {0};
    http_response_head(&out, 429, "text/plain", 10, false, "Retry-After: 3\r\n");
    assert_str(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n"
        "Connection: close\r\nRetry-After: 3\r\n\r\n",
        buf_str(&out));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_nul),
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_chunks),   cmocka_unit_test(test_dates),
        cmocka_unit_test(test_response),
    };
    return RUN_TESTS(tests);
}
