/* SPDX-License-Identifier: MIT */
#ifndef WIRE_HTTP_H
#define WIRE_HTTP_H

#include "base/buf.h"

/* HTTP/1.1 messages, byte exact and pure (RFC 9112). Strict where laxness is dangerous: duplicate
 * Content-Length or Content-Length with Transfer-Encoding, obs-fold, bare CR, NUL in a header are
 * errors. */
enum { HTTP_HEADERS_MAX = 64, HTTP_HEAD_BYTES_MAX = 16384 };

struct http_header {
    struct str name;
    struct str value;
};
struct http_request {
    struct str method;
    struct str target; /* as sent */
    struct str path;  /* in front of ?, raw: escapes are valid, no segment is . or .. in any form */
    struct str query; /* behind ?, raw */
    int minor_version; /* HTTP/1.x */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool chunked;
    bool has_length;
    uint64_t content_length;
    bool keep_alive;
    bool expect_continue;
    size_t head_bytes; /* the body starts here */
};
/* Parses the head at data. ERR_AGAIN: not whole yet. ERR_SYNTAX -> 400, ERR_LIMIT -> 431,
 * ERR_UNSUPPORTED -> 501/505. reason (may be NULL) gets a static text. All fields borrow data. */
enum err http_request_parse(const uint8_t *data, size_t bytes, struct http_request *ret_request,
                            const char **ret_reason) MUST_USE;
/* The status that refuses such a request: 400, 414, 431, 501, 505. */
int http_request_error_status(enum err err, const char *reason);
/* STR_NONE when missing. Names are compared without case. */
struct str http_header_get(const struct http_request *request, const char *name);
/* Value of a query parameter, percent-decoded into out; false when missing. */
bool http_query_get(struct str query, const char *name, struct buf *out);
/* Percent-decodes into out. plus: + is a blank. ERR_SYNTAX. */
enum err http_percent_decode(struct str text, bool plus, struct buf *out) MUST_USE;
void http_percent_encode(struct str text, struct buf *out);

/* Chunked bodies, piece by piece. Zeroed = at the start. */
struct http_chunks {
    int state;
    uint64_t left;
    size_t line_bytes;
};
/* Consumes what it can and appends the content to out (up to body_max: ERR_LIMIT). *ret_done at the
 * end of the last chunk and trailers. */
enum err http_chunks_feed(struct http_chunks *chunks, const uint8_t *data, size_t bytes,
                          size_t body_max, struct buf *out, size_t *ret_consumed,
                          bool *ret_done) MUST_USE;

/* "Sun, 06 Nov 1994 08:49:37 GMT" and back (the preferred form only): Date, Last-Modified,
 * Retry-After. ERR_SYNTAX. */
void http_date_print(struct buf *out, int64_t us);
enum err http_date_parse(struct str text, int64_t *ret_us) MUST_USE;

const char *http_status_text(int status);
/* "HTTP/1.1 200 OK\r\n" + Content-Type, Content-Length, Connection and extra header lines (each
 * ended by CRLF, may be NULL) + the empty line. content_length -1: chunked, -2: as
 * long as the connection. */
void http_response_head(struct buf *out, int status, const char *content_type,
                        int64_t content_length, bool keep_alive, const char *extra);

#endif
