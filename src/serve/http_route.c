/* SPDX-License-Identifier: MIT */
/*
 * The table of routes. A pattern is matched against the raw path: the parser made sure that no
 * segment is a dot segment in disguise, and an encoded slash stays inside its segment, so matching
 * first and decoding the parameters once afterwards cannot be tricked. Only a tail ("...") spans
 * segments; it does not match when it holds an encoded slash or backslash.
 *
 * The search is a walk over all routes; a comparison of the literal front rules out nearly all of
 * them, so a hundred routes cost well under a microsecond.
 */
#include "serve/http_private.h"

void http_server_route(struct http_server *server, const char *method, const char *path,
                       size_t body_max, void (*handle)(struct http_exchange *exchange, void *owner),
                       void *owner)
{
    struct http_route *route = mem_zero(sizeof *route);
    route->method = str_dup(str_of(method));
    route->path = str_dup(str_of(path));
    const char *tail = strstr(path, "...");
    size_t brace = strcspn(path, "{");
    route->literal_bytes = tail && (size_t)(tail - path) < brace ? (size_t)(tail - path) : brace;
    route->body_max = body_max ? body_max : server->options.body_max;
    route->handle = handle;
    route->owner = owner;
    server->routes =
        mem_realloc_array(server->routes, server->route_count + 1, sizeof *server->routes);
    server->routes[server->route_count++] = route;
}

void http_routes_free(struct http_server *server)
{
    for (size_t i = 0; i < server->route_count; i++) {
        mem_free(server->routes[i]->method);
        mem_free(server->routes[i]->path);
        mem_free(server->routes[i]);
    }
    mem_free(server->routes);
}

static bool tail_is_clean(struct str tail)
{
    for (size_t i = 0; i + 2 < tail.bytes; i++) {
        struct str escape = str_slice(tail, i, i + 3);
        if (str_equal_nocase(escape, STR("%2f")) || str_equal_nocase(escape, STR("%5c")))
            return false;
    }
    return true;
}

/* Whether the pattern fits; with a name, also the raw text that it stands for. */
static bool pattern_match(const char *pattern, struct str path, const char *name,
                          struct str *ret_raw)
{
    size_t at = 0;
    while (*pattern) {
        if (strcmp(pattern, "...") == 0) {
            struct str tail = str_slice(path, at, path.bytes);
            if (name && strcmp(name, "...") == 0)
                *ret_raw = tail;
            return tail_is_clean(tail);
        }
        if (*pattern == '{') {
            size_t name_bytes = strcspn(pattern, "}") - 1, from = at;
            while (at < path.bytes && path.ptr[at] != '/')
                at++;
            if (at == from)
                return false;
            if (name && strlen(name) == name_bytes && memcmp(pattern + 1, name, name_bytes) == 0)
                *ret_raw = str_slice(path, from, at);
            pattern += name_bytes + 2;
            continue;
        }
        if (at == path.bytes || path.ptr[at] != *pattern)
            return false;
        at++;
        pattern++;
    }
    return at == path.bytes;
}

static bool method_match(const char *method, struct str wanted)
{
    struct str have = str_of(method);
    return str_equal(have, STR("*")) || str_equal(have, wanted) ||
           (str_equal(wanted, STR("HEAD")) && str_equal(have, STR("GET")));
}

static void allow_add(struct buf *allow, const char *method)
{
    if (str_find(buf_str(allow), str_of(method), 0) != SIZE_MAX)
        return;
    buf_printf(allow, "%s%s", allow->bytes ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        buf_text(allow, ", HEAD");
}

const struct http_route *http_route_find(const struct http_server *server,
                                         const struct http_request *request, struct buf *allow,
                                         int *ret_status)
{
    bool options = str_equal(request->method, STR("OPTIONS"));
    bool any = options && str_equal(request->path, STR("*"));
    for (size_t i = 0; i < server->route_count; i++) {
        const struct http_route *route = server->routes[i];
        if (!any) {
            if (request->path.bytes < route->literal_bytes ||
                memcmp(request->path.ptr, route->path, route->literal_bytes) != 0 ||
                !pattern_match(route->path, request->path, NULL, NULL))
                continue;
            if (method_match(route->method, request->method))
                return route;
        }
        allow_add(allow, route->method);
    }
    if (options && (any || allow->bytes)) {
        buf_printf(allow, "%sOPTIONS", allow->bytes ? ", " : "");
        *ret_status = 204;
    } else {
        *ret_status = allow->bytes ? 405 : 404;
    }
    return NULL;
}

struct str http_exchange_param(const struct http_exchange *exchange, const char *name)
{
    struct str raw = STR_NONE;
    if (!exchange->route ||
        !pattern_match(exchange->route->path, exchange->request.path, name, &raw) || !raw.ptr)
        return STR_NONE;
    struct buf decoded = {.bytes_max = HTTP_HEAD_BYTES_MAX};
    struct str result = STR_NONE;
    if (http_percent_decode(raw, false, &decoded) == OK)
        result = decoded.bytes
                     ? arena_str(http_exchange_arena((struct http_exchange *)(uintptr_t)exchange),
                                 buf_str(&decoded))
                     : STR("");
    buf_deinit(&decoded);
    return result;
}
