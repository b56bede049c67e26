/* SPDX-License-Identifier: MIT */
/*
 * URLs: parse_url, url_encode, url_decode.
 *
 * parse_url reads the text as java.net.URI does: [scheme:][//authority][path][?query][#fragment];
 * behind a scheme without a slash all is opaque and has no parts. A host that is no host name makes
 * the whole authority a name of another kind, without host and user. What has other characters than
 * a URI may have is INVALID_URL under ANSI, else NULL.
 */
#include "query/func/kernel.h"
#include "query/func/text.h"

enum { URL_TRY = 1 };

struct url {
    struct str scheme, authority, user, host, path, query, fragment; /* ptr NULL: absent */
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    char low = (char)(c | 32);
    return is_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* Letters, digits, the marks of all parts, escapes, anything beyond ASCII, and the extra ones. */
static bool has_only(struct str text, const char *extra)
{
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (i + 2 >= text.bytes || hex_digit(text.ptr[i + 1]) < 0 ||
                hex_digit(text.ptr[i + 2]) < 0)
                return false;
        } else if (!is_letter(c) && !is_digit(c) && !(c & 0x80) &&
                   (!c || (!strchr("_-!.~'()*,;:$&+=@", c) && !strchr(extra, c)))) {
            return false;
        }
    }
    return true;
}

/* The part up to one of those characters. */
static size_t run_of(struct str text, const char *stops)
{
    size_t n = 0;
    while (n < text.bytes && !(text.ptr[n] && strchr(stops, text.ptr[n])))
        n++;
    return n;
}

/* Labels of letters, digits and inner hyphens; the last one begins with a letter. */
static bool is_host_name(struct str host)
{
    struct str label, last = STR("");
    if (str_ends(host, STR(".")))
        host = str_slice(host, 0, host.bytes - 1);
    if (host.bytes == 0)
        return false;
    for (struct str rest = host; str_cut(&rest, '.', &label); last = label) {
        if (label.bytes == 0 || label.ptr[0] == '-' || label.ptr[label.bytes - 1] == '-')
            return false;
        for (size_t i = 0; i < label.bytes; i++)
            if (!is_letter(label.ptr[i]) && !is_digit(label.ptr[i]) && label.ptr[i] != '-')
                return false;
    }
    return last.bytes > 0 && is_letter(last.ptr[0]);
}

static bool is_address(struct str host)
{
    struct str part, rest = host;
    int parts = 0;
    for (; str_cut(&rest, '.', &part); parts++) {
        int64_t value;
        if (part.bytes == 0 || part.bytes > 3 || !is_digit(part.ptr[0]) ||
            str_to_i64(part, &value) != OK || value > 255)
            return false;
    }
    return parts == 4;
}

static bool is_bracketed(struct str host)
{
    if (host.bytes < 4 || host.ptr[0] != '[' || host.ptr[host.bytes - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < host.bytes; i++)
        if (hex_digit(host.ptr[i]) < 0 && host.ptr[i] != ':' && host.ptr[i] != '.')
            return false;
    return str_find(host, STR(":"), 0) != SIZE_MAX;
}

/* user@host:port, when it is that. */
static void read_authority(struct url *url)
{
    struct str rest = url->authority, user = STR_NONE;
    size_t at = str_find(rest, STR("@"), 0);
    if (at != SIZE_MAX) {
        user = str_slice(rest, 0, at);
        rest = str_slice(rest, at + 1, rest.bytes);
    }
    size_t close = str_find(rest, STR("]"), 0);
    size_t colon = str_find(rest, STR(":"), close == SIZE_MAX ? 0 : close);
    struct str host = str_slice(rest, 0, colon == SIZE_MAX ? rest.bytes : colon);
    for (size_t i = colon; colon != SIZE_MAX && ++i < rest.bytes;)
        if (!is_digit(rest.ptr[i]))
            return;
    if (!is_host_name(host) && !is_address(host) && !is_bracketed(host))
        return;
    url->host = host;
    url->user = user;
}

static bool read_scheme(struct str *rest, struct url *url)
{
    size_t n = run_of(*rest, ":/?#");
    if (n == rest->bytes || rest->ptr[n] != ':')
        return true;
    if (n == 0 || !is_letter(rest->ptr[0]))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_letter(rest->ptr[i]) && !is_digit(rest->ptr[i]) && !strchr("+-.", rest->ptr[i]))
            return false;
    url->scheme = str_slice(*rest, 0, n);
    *rest = str_slice(*rest, n + 1, rest->bytes);
    return run_of(*rest, "#") > 0;
}

static bool read_url(struct str text, struct url *url)
{
    struct str rest = text;
    *url = (struct url){0};
    if (!read_scheme(&rest, url))
        return false;
    size_t hash = str_find(rest, STR("#"), 0);
    if (hash != SIZE_MAX) {
        url->fragment = str_slice(rest, hash + 1, rest.bytes);
        rest = str_slice(rest, 0, hash);
        if (!has_only(url->fragment, "/?[]"))
            return false;
    }
    if (url->scheme.ptr && !str_starts(rest, STR("/")))
        return has_only(rest, "/?[]");
    size_t mark = str_find(rest, STR("?"), 0);
    if (mark != SIZE_MAX) {
        url->query = str_slice(rest, mark + 1, rest.bytes);
        rest = str_slice(rest, 0, mark);
        if (!has_only(url->query, "/?[]"))
            return false;
    }
    if (str_starts(rest, STR("//"))) {
        rest = str_slice(rest, 2, rest.bytes);
        size_t n = run_of(rest, "/");
        if (n == 0 && rest.bytes == 0)
            return false;
        url->authority = n ? str_slice(rest, 0, n) : STR_NONE;
        rest = str_slice(rest, n, rest.bytes);
        if (!has_only(url->authority, "[]"))
            return false;
        if (url->authority.ptr)
            read_authority(url);
    }
    url->path = rest.ptr ? rest : STR("");
    return has_only(url->path, "/");
}

/* The value of a key in a=1&b=2. */
static struct str value_of(struct str query, struct str key)
{
    struct str pair;
    while (str_cut(&query, '&', &pair))
        if (pair.bytes > key.bytes && str_starts(pair, key) && pair.ptr[key.bytes] == '=')
            return str_slice(pair, key.bytes + 1, pair.bytes);
    return STR_NONE;
}

static struct str part_of(struct func_call *call, const struct url *url, struct str part)
{
    const struct {
        const char *name;
        struct str value;
    } parts[] = {
        {"HOST", url->host},     {"PATH", url->path},       {"QUERY", url->query},
        {"REF", url->fragment},  {"PROTOCOL", url->scheme}, {"AUTHORITY", url->authority},
        {"USERINFO", url->user},
    };
    if (str_equal(part, STR("FILE")) && url->path.ptr) {
        buf_str_append(&call->buf, url->path);
        if (url->query.ptr)
            buf_printf(&call->buf, "?%.*s", STR_ARG(url->query));
        return call->buf.bytes ? buf_str(&call->buf) : STR("");
    }
    for (size_t i = 0; i < LENGTH_OF(parts); i++)
        if (str_equal(part, str_of(parts[i].name)))
            return parts[i].value;
    return STR_NONE;
}

static void parse_url_row(struct func_call *call)
{
    struct url url;
    struct str part = call_str(call, 1), found;
    bool keyed = call->count == 3;
    if (!read_url(call_str(call, 0), &url)) {
        if (call->eval->session->ansi && !(call->binding->info->variant & URL_TRY))
            call_fail(call, "INVALID_URL", "22P02", "The url is invalid: %.*s",
                      STR_ARG(call_str(call, 0)));
        else
            builder_null(call->out);
        return;
    }
    found = part_of(call, &url, part);
    if (keyed && !str_equal(part, STR("QUERY")))
        found = STR_NONE;
    if (keyed && found.ptr) {
        struct str key = call_str(call, 2);
        if (run_of(key, "\\^$.|?*+()[]{}") < key.bytes) {
            call_fail(call, "UNSUPPORTED_FEATURE", "0A000",
                      "%s: a key that is a regular expression is not supported",
                      call->binding->info->name);
            return;
        }
        found = value_of(found, key);
    }
    if (found.ptr)
        builder_str(call->out, found);
    else
        builder_null(call->out);
}

static void encode_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.ptr[i];
        if (is_letter(c) || is_digit(c) || (c && strchr(".-*_", c)))
            buf_char(&call->buf, c);
        else if (c == ' ')
            buf_char(&call->buf, '+');
        else
            buf_printf(&call->buf, "%%%02X", (unsigned char)c);
    }
    builder_str(call->out, buf_str(&call->buf));
}

static void decode_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.ptr[i];
        int high = c == '%' && i + 2 < text.bytes ? hex_digit(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
        if (c == '%' && low < 0) {
            if (call->binding->info->variant & URL_TRY)
                builder_null(call->out);
            else
                call_fail(call, "CANNOT_DECODE_URL", "22546",
                          "The provided URL cannot be decoded: %.*s", STR_ARG(text));
            return;
        }
        if (c == '%')
            c = (char)(high << 4 | low);
        else if (c == '+')
            c = ' ';
        buf_char(&call->buf, c);
        i += high >= 0 ? 2 : 0;
    }
    if (str_is_utf8(buf_str(&call->buf)))
        builder_str(call->out, buf_str(&call->buf));
    else
        call_fail(call, "UNSUPPORTED_FEATURE", "0A000", "%s: the decoded text is no UTF-8",
                  call->binding->info->name);
}

const struct func_info func_url[] = {
    {"parse_url", 2, 3, true, false, bind_signature, kernel_rows, "parse_url(url, part[, key])",
     "s(s,s,s)", parse_url_row, 0},
    {"try_parse_url", 2, 3, true, false, bind_signature, kernel_rows,
     "try_parse_url(url, part[, key])", "s(s,s,s)", parse_url_row, URL_TRY},
    {"url_encode", 1, 1, true, false, bind_signature, kernel_rows, "url_encode(str)", "s(s)",
     encode_row, 0},
    {"url_decode", 1, 1, true, false, bind_signature, kernel_rows, "url_decode(str)", "s(s)",
     decode_row, 0},
    {"try_url_decode", 1, 1, true, false, bind_signature, kernel_rows, "try_url_decode(str)",
     "s(s)", decode_row, URL_TRY},
    {.name = NULL},
};
