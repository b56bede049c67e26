/* SPDX-License-Identifier: MIT */
/*
 * How a connection begins: OPTIONS, STARTUP, a login when the server asks for one, the server's
 * datacenter when one is wanted, USE of the keyspace. One request at a time; each answer decides
 * the next.
 */
#include "connect/cql_private.h"

static void answered(struct cql_call *call, const struct cql_reply *reply);

static void ask(struct cql_connection *c, uint8_t opcode)
{
    c->greeting.opcode = opcode;
    c->greeting.body = buf_str(&c->greeting_body);
    c->greeting.done = answered;
    c->greeting.owner = c;
    c->greeting.statement = NULL;
    if (!cql_connection_put(c, &c->greeting, STR_NONE))
        cql_connection_fail(c, "the greeting does not fit");
}

static void ask_query(struct cql_connection *c, struct str text)
{
    enum { ONE = 1 };
    buf_reset(&c->greeting_body);
    cql_query_body(&c->greeting_body, text, ONE, 0, STR_NONE);
    ask(c, CQL_QUERY);
}

static void send_startup(struct cql_connection *c)
{
    static const char *const options[] = {"CQL_VERSION", "3.0.0",          "DRIVER_NAME",
                                          "millrace",    "DRIVER_VERSION", "1"};
    enum { COUNT = sizeof options / sizeof *options };
    buf_reset(&c->greeting_body);
    buf_be16(&c->greeting_body, COUNT / 2);
    for (size_t i = 0; i < COUNT; i++)
        cql_string_append(&c->greeting_body, str_of(options[i]));
    ask(c, CQL_STARTUP);
}

static void send_login(struct cql_connection *c)
{
    const struct cql_place *place = c->client->place;
    CLEAN(buf_deinit) struct buf token = {0};
    if (!place->user) {
        cql_connection_fail(c, "the server asks for a login (`user`, `password`)");
        return;
    }
    buf_u8(&token, 0);
    buf_text(&token, place->user);
    buf_u8(&token, 0);
    buf_text(&token, place->password);
    buf_reset(&c->greeting_body);
    cql_bytes_append(&c->greeting_body, buf_str(&token));
    ask(c, CQL_AUTH_RESPONSE);
}

static void open_up(struct cql_connection *c)
{
    c->stage = CQL_OPEN;
    c->failures = 0;
    c->trouble[0] = 0;
    cql_client_pump(c->client);
}

static void send_use(struct cql_connection *c)
{
    if (!c->client->keyspace) {
        open_up(c);
        return;
    }
    CLEAN(buf_deinit) struct buf text = {0};
    buf_text(&text, "USE \"");
    for (const char *at = c->client->keyspace; *at; at++)
        buf_printf(&text, *at == '"' ? "\"\"" : "%c", *at);
    buf_char(&text, '"');
    mem_free(c->asked_keyspace);
    c->asked_keyspace = str_dup(str_of(c->client->keyspace));
    ask_query(c, buf_str(&text));
}

static void logged_in(struct cql_connection *c)
{
    if (c->client->place->datacenter)
        ask_query(c, STR("SELECT data_center FROM system.local WHERE key='local'"));
    else
        send_use(c);
}

static void judge_datacenter(struct cql_connection *c, const struct cql_reply *reply)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 1 << 20};
    struct reader r = reader_of(reply->body.ptr, reply->body.bytes);
    struct cql_rows_metadata metadata;
    const char *wanted = c->client->place->datacenter;
    struct str have = STR_NONE;
    if (cql_rows_metadata_read(&r, CQL_VERSION_SPOKEN, &arena, &metadata) == OK &&
        reader_be32(&r) > 0)
        have = cql_bytes_read(&r);
    if (r.err != OK || !have.ptr)
        cql_connection_fail(c, "the server does not say its datacenter");
    else if (!str_equal(have, str_of(wanted)))
        cql_connection_fail(c, "it is in the datacenter '%.*s', not in '%s'",
                            STR_ARG(str_slice(have, 0, 60)), wanted);
    else
        send_use(c);
}

static void answered(struct cql_call *call, const struct cql_reply *reply)
{
    struct cql_connection *c = call->owner;
    if (reply->err == ERR_INVALID) {
        cql_connection_fail(c, "%.*s", STR_ARG(str_slice(reply->error.message, 0, 200)));
        return;
    }
    if (reply->err != OK || c->stage != CQL_CONNECTING)
        return;
    /* What is not a RESULT comes with its opcode as the kind. */
    unsigned kind = (unsigned)reply->kind;
    if (call->opcode == CQL_OPTIONS && kind == (0x100u | CQL_SUPPORTED))
        send_startup(c);
    else if (kind == (0x100u | CQL_AUTHENTICATE) && call->opcode == CQL_STARTUP)
        send_login(c);
    else if ((kind == (0x100u | CQL_READY) && call->opcode == CQL_STARTUP) ||
             (kind == (0x100u | CQL_AUTH_SUCCESS) && call->opcode == CQL_AUTH_RESPONSE))
        logged_in(c);
    else if (kind == CQL_RESULT_ROWS && call->opcode == CQL_QUERY)
        judge_datacenter(c, reply);
    else if (kind == CQL_RESULT_SET_KEYSPACE && call->opcode == CQL_QUERY)
        open_up(c);
    else if (kind == (0x100u | CQL_AUTH_CHALLENGE))
        cql_connection_fail(c, "the server's way of login is not offered");
    else
        cql_connection_fail(c, "the server answers out of order");
}

void cql_greeting_begin(struct cql_connection *c)
{
    buf_reset(&c->greeting_body);
    ask(c, CQL_OPTIONS);
}
