/* SPDX-License-Identifier: MIT */
/*
 * Request heads of HTTP/1.1 (RFC 9112), parsed in place in one pass.
 *
 * A proxy in front and this parser must never disagree about where a message ends: that is how
 * requests are smuggled. So everything that the RFC lets a server repair is refused instead:
 *  1. Lines end with CRLF; a bare CR or LF, a NUL, a folded line or a blank before the colon is an
 *     error.
 *  2. Content-Length stands there once, as digits only; never beside Transfer-Encoding.
 *  3. The only transfer coding is "chunked", once, and not in HTTP/1.0.
 *  4. HTTP/1.1 has exactly one Host.
 *  5. The path holds valid escapes, and no segment that is "." or ".." once decoded: what is routed
 *     is what is meant. Encoded slashes stay inside their segment.
 * Nothing is allocated; every field points into the caller's bytes.
 */
#include "wire/http.h"

static const char reason_version[] = "the HTTP version is not 1.0 or 1.1";
static const char reason_target_long[] = "the request line is too long";

/* tchar of RFC 9110: 1 = may stand in a method or a header name. */
static const uint8_t token_chars[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1};
/* 1 = may stand in a header value: HTAB, visible ASCII, blank, obs-text. */
static const uint8_t value_chars[256] = {['\t'] = 1, [' ' ... '~'] = 1, [0x80 ... 0xFF] = 1};

struct cursor {
    const uint8_t *at, *end;
    const char *reason;
};

static enum err fail(struct cursor *c, enum err err, const char *reason)
{
    c->reason = reason;
    return err;
}

static struct str span(const uint8_t *from, const uint8_t *to)
{
    return str_from(from, (size_t)(to - from));
}

static enum err line_end(struct cursor *c)
{
    if (c->at == c->end)
        return ERR_AGAIN;
    if (c->at[0] != '\r')
        return fail(c, ERR_SYNTAX, "a character that may not stand there");
    if (c->end - c->at < 2)
        return ERR_AGAIN;
    if (c->at[1] != '\n')
        return fail(c, ERR_SYNTAX, "a carriage return without a line feed");
    c->at += 2;
    return OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Invariant 5. */
static bool path_is_clean(struct str path)
{
    size_t dots = 0, others = 0;
    for (size_t i = 0; i <= path.bytes; i++) {
        int c = i < path.bytes ? (uint8_t)path.ptr[i] : '/';
        if (c == '/') {
            if (others == 0 && (dots == 1 || dots == 2))
                return false;
            dots = others = 0;
            continue;
        }
        if (c == '%') {
            int high = i + 2 < path.bytes ? hex_digit((uint8_t)path.ptr[i + 1]) : -1;
            int low = i + 2 < path.bytes ? hex_digit((uint8_t)path.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            if (c == 0)
                return false;
            i += 2;
        }
        if (c == '.')
            dots++;
        else
            others++;
    }
    return true;
}

static enum err target_split(struct cursor *c, struct http_request *r)
{
    struct str rest = r->target;
    if (str_equal(rest, STR("*")) && str_equal(r->method, STR("OPTIONS"))) {
        r->path = rest;
        return OK;
    }
    if (rest.ptr[0] != '/') {
        size_t scheme = str_starts(rest, STR("http://"))    ? 7
                        : str_starts(rest, STR("https://")) ? 8
                                                            : 0;
        if (scheme == 0)
            return fail(c, ERR_SYNTAX, "the target is neither a path nor a http address");
        size_t slash = scheme;
        while (slash < rest.bytes && rest.ptr[slash] != '/' && rest.ptr[slash] != '?')
            slash++;
        if (slash == scheme)
            return fail(c, ERR_SYNTAX, "the target has no host");
        rest = slash < rest.bytes ? str_slice(rest, slash, rest.bytes) : STR("/");
    }
    const char *mark = memchr(rest.ptr, '?', rest.bytes);
    r->path = mark ? str_from(rest.ptr, (size_t)(mark - rest.ptr)) : rest;
    r->query = mark ? str_from(mark + 1, rest.bytes - r->path.bytes - 1) : STR("");
    if (r->path.bytes == 0)
        r->path = STR("/");
    if (!path_is_clean(r->path))
        return fail(c, ERR_SYNTAX, "the path holds a bad escape or a dot segment");
    return OK;
}

static enum err request_line(struct cursor *c, struct http_request *r)
{
    const uint8_t *from = c->at;
    while (c->at < c->end && token_chars[*c->at])
        c->at++;
    if (c->at == c->end)
        return c->at - from > 32 ? fail(c, ERR_SYNTAX, "the method is too long") : ERR_AGAIN;
    if (*c->at != ' ' || c->at == from)
        return fail(c, ERR_SYNTAX, "the request does not begin with a method");
    r->method = span(from, c->at);
    from = ++c->at;
    while (c->at<c->end && * c->at> ' ' && *c->at < 0x7F)
        c->at++;
    if (c->at == c->end)
        return ERR_AGAIN;
    if (*c->at != ' ' || c->at == from)
        return fail(c, ERR_SYNTAX, "the target holds a character that must be escaped");
    r->target = span(from, c->at);
    from = ++c->at;
    if (c->end - from < 8)
        return ERR_AGAIN;
    if (memcmp(from, "HTTP/", 5) != 0 || from[6] != '.' || from[7] < '0' || from[7] > '9')
        return fail(c, ERR_SYNTAX, "the request line does not end with the HTTP version");
    if (from[5] != '1')
        return fail(c, ERR_UNSUPPORTED, reason_version);
    r->minor_version = from[7] == '0' ? 0 : 1;
    c->at += 8;
    TRY(line_end(c));
    if (str_equal(r->method, STR("CONNECT")))
        return fail(c, ERR_UNSUPPORTED, "CONNECT is not offered");
    return target_split(c, r);
}

static enum err header_line(struct cursor *c, struct http_header *header)
{
    const uint8_t *from = c->at;
    if (*from == ' ' || *from == '\t')
        return fail(c, ERR_SYNTAX, "a folded header line");
    while (c->at < c->end && token_chars[*c->at])
        c->at++;
    if (c->at == c->end)
        return ERR_AGAIN;
    if (*c->at != ':' || c->at == from)
        return fail(c, ERR_SYNTAX, "a header line without a name and a colon");
    header->name = span(from, c->at++);
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
    from = c->at;
    while (c->at < c->end && value_chars[*c->at])
        c->at++;
    const uint8_t *to = c->at;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    header->value = span(from, to);
    return line_end(c);
}

struct framing {
    unsigned hosts, lengths, codings;
    bool close, keep;
};

static void connection_options(struct str value, struct framing *framing)
{
    struct str part;
    while (str_cut(&value, ',', &part)) {
        part = str_trim(part);
        if (str_equal_nocase(part, STR("close")))
            framing->close = true;
        else if (str_equal_nocase(part, STR("keep-alive")))
            framing->keep = true;
    }
}

/* Looks at the few headers that decide about the message itself. */
static enum err header_meaning(struct cursor *c, const struct http_header *h,
                               struct http_request *r, struct framing *framing)
{
    switch (h->name.bytes) {
    case 4:
        if (str_equal_nocase(h->name, STR("host")) && framing->hosts++)
            return fail(c, ERR_SYNTAX, "Host stands there twice");
        break;
    case 6:
        if (str_equal_nocase(h->name, STR("expect")))
            r->expect_continue = str_equal_nocase(h->value, STR("100-continue"));
        break;
    case 10:
        if (str_equal_nocase(h->name, STR("connection")))
            connection_options(h->value, framing);
        break;
    case 14:
        if (str_equal_nocase(h->name, STR("content-length"))) {
            if (framing->lengths++)
                return fail(c, ERR_SYNTAX, "Content-Length stands there twice");
            if (h->value.bytes == 0 || h->value.bytes > 18)
                return fail(c, ERR_SYNTAX, "Content-Length is not a number");
            for (size_t i = 0; i < h->value.bytes; i++) {
                if (h->value.ptr[i] < '0' || h->value.ptr[i] > '9')
                    return fail(c, ERR_SYNTAX, "Content-Length is not a number");
                r->content_length = r->content_length * 10 + (uint64_t)(h->value.ptr[i] - '0');
            }
            r->has_length = true;
        }
        break;
    case 17:
        if (str_equal_nocase(h->name, STR("transfer-encoding"))) {
            if (framing->codings++)
                return fail(c, ERR_SYNTAX, "Transfer-Encoding stands there twice");
            if (!str_equal_nocase(h->value, STR("chunked")))
                return fail(c, ERR_UNSUPPORTED, "the only transfer coding is chunked");
            r->chunked = true;
        }
        break;
    default:
        break;
    }
    return OK;
}

static enum err headers_parse(struct cursor *c, struct http_request *r)
{
    struct framing framing = {0};
    for (;;) {
        if (c->at == c->end)
            return ERR_AGAIN;
        if (*c->at == '\r') {
            TRY(line_end(c));
            break;
        }
        if (r->header_count == HTTP_HEADERS_MAX)
            return fail(c, ERR_LIMIT, "too many header lines");
        struct http_header *header = &r->headers[r->header_count];
        TRY(header_line(c, header));
        TRY(header_meaning(c, header, r, &framing));
        r->header_count++;
    }
    if (r->chunked && r->has_length)
        return fail(c, ERR_SYNTAX, "Content-Length and Transfer-Encoding in one request");
    if (r->chunked && r->minor_version == 0)
        return fail(c, ERR_SYNTAX, "Transfer-Encoding in HTTP/1.0");
    if (r->minor_version == 1 && framing.hosts == 0)
        return fail(c, ERR_SYNTAX, "Host is missing");
    r->keep_alive = !framing.close && (r->minor_version == 1 || framing.keep);
    return OK;
}

enum err http_request_parse(const uint8_t *data, size_t bytes, struct http_request *ret_request,
                            const char **ret_reason)
{
    struct cursor c = {data, data + (bytes < HTTP_HEAD_BYTES_MAX ? bytes : HTTP_HEAD_BYTES_MAX),
                       NULL};
    struct http_request *r = ret_request;
    /* All but the table of headers, which is 2 KiB. */
    r->method = r->target = r->path = r->query = STR("");
    r->minor_version = 0;
    r->header_count = r->head_bytes = 0;
    r->chunked = r->has_length = r->keep_alive = r->expect_continue = false;
    r->content_length = 0;
    /* RFC 9112 2.2: one empty line in front is left over from an old client. */
    if (c.end - c.at >= 2 && c.at[0] == '\r' && c.at[1] == '\n')
        c.at += 2;
    enum err err = bytes == 1 && data[0] == '\r' ? ERR_AGAIN : request_line(&c, r);
    bool in_line = err == ERR_AGAIN;
    if (err == OK)
        err = headers_parse(&c, r);
    if (err == ERR_AGAIN && bytes >= HTTP_HEAD_BYTES_MAX)
        err = fail(&c, ERR_LIMIT, in_line ? reason_target_long : "the header is too long");
    if (err == OK)
        r->head_bytes = (size_t)(c.at - data);
    if (ret_reason)
        *ret_reason = c.reason;
    return err;
}

int http_request_error_status(enum err err, const char *reason)
{
    if (err == ERR_LIMIT)
        return reason == reason_target_long ? 414 : 431;
    if (err == ERR_UNSUPPORTED)
        return reason == reason_version ? 505 : 501;
    return 400;
}

struct str http_header_get(const struct http_request *request, const char *name)
{
    struct str wanted = str_of(name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (request->headers[i].name.bytes == wanted.bytes &&
            str_equal_nocase(request->headers[i].name, wanted))
            return request->headers[i].value;
    }
    return STR_NONE;
}
