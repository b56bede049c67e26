/* SPDX-License-Identifier: MIT */
/*
 * What system_views.clients tells of connections. As in Cassandra one is told of from its first
 * STARTUP on, whatever came of that, and its requests are counted from there.
 *
 * Options of STARTUP are kept as a value of map<text, text>: sorted, the last of equal names. What
 * a client can have kept is limited: options behind OPTIONS_MAX, and those that are too long, are
 * left out.
 */
#include "serve/cql/net.h"

enum { OPTIONS_MAX = 64, OPTION_BYTES_MAX = 256 };

struct option {
    struct str name, value;
};

/* The place of the name among those before; *ret_there when one is the same. */
static size_t place_of(const struct option *options, size_t count, struct str name, bool *ret_there)
{
    size_t at = 0;
    while (at < count && str_compare(options[at].name, name) < 0)
        at++;
    *ret_there = at < count && str_equal(options[at].name, name);
    return at;
}

static void text_append(struct buf *out, struct str text)
{
    buf_be32(out, (uint32_t)text.bytes);
    buf_str_append(out, text);
}

void cql_session_options(struct cql_connection *connection, const struct cql_request *request)
{
    struct option options[OPTIONS_MAX];
    size_t count = 0;
    for (uint16_t i = 0; i + 1 < request->option_count; i += 2) {
        struct option one = {request->options[i], request->options[i + 1]};
        bool there;
        size_t at = place_of(options, count, one.name, &there);
        if (one.name.bytes > OPTION_BYTES_MAX || one.value.bytes > OPTION_BYTES_MAX)
            continue;
        if (!there && count == OPTIONS_MAX)
            break;
        if (!there)
            memmove(options + at + 1, options + at, (count++ - at) * sizeof *options);
        options[at] = one;
    }
    struct buf *out = &connection->options;
    buf_reset(out);
    buf_be32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        text_append(out, options[i].name);
        text_append(out, options[i].value);
    }
}

static const char *stage_of(const struct cql_connection *connection)
{
    static const char *const stages[] = {[PHASE_STARTUP] = "established",
                                         [PHASE_AUTHENTICATE] = "authenticating",
                                         [PHASE_READY] = "ready"};
    return stages[connection->phase];
}

static void each_session(void *owner, void (*one)(void *to, const struct cql_session *session),
                         void *to)
{
    const struct cql_server *server = owner;
    for (const struct cql_connection *c = server->connections; c; c = c->next) {
        if (!c->requests || !c->stream)
            continue;
        struct cql_session session = {.peer = io_stream_peer(c->stream),
                                      .stage = stage_of(c),
                                      .version = c->version,
                                      .options = c->options.bytes ? buf_str(&c->options) : STR_NONE,
                                      .keyspace = c->keyspace,
                                      .user = c->user,
                                      .requests = c->requests};
        if (!server->authenticates)
            session.user = STR("anonymous");
        one(to, &session);
    }
}

void cql_sessions_init(struct cql_server *server)
{
    struct cql_sessions sessions = {.each = each_session, .owner = server};
    cql_catalog_sessions(server->catalog, &sessions);
}
