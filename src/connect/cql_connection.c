/* SPDX-License-Identifier: MIT */
/*
 * One connection: stream ids, frames out and in, statements prepared when they are first needed.
 *
 * Each request in flight has a slot, whose index is its stream id. A request that took too long
 * leaves an orphan in its slot, for its answer may still come; with too many of those, or when
 * nothing at all was heard for that long, the connection is given up. What was in flight on a lost
 * connection goes back to the client's queue.
 *
 * The window bounds how many are in flight: it is halved when the server says that it is
 * overloaded, and grows by one each time a whole window was acknowledged.
 */
#include "base/check.h"
#include "base/endian.h"
#include "connect/cql_private.h"

#include <stdio.h>

enum { WINDOW_FIRST = 256, WINDOW_MIN = 8, OWN_SLOTS = 16, ID_BYTES_MAX = 64, TLS_ALERT = 0x15 };
static const size_t IN_MAX = (size_t)CQL_BODY_BYTES_MAX + 1024, OUT_MAX = (size_t)3 << 28;

static struct cql_call orphan;

/* ---- slots ---- */

static uint32_t slot_count(const struct cql_connection *c)
{
    return c->client->options.in_flight_max + OWN_SLOTS;
}

static void reset_slots(struct cql_connection *c)
{
    uint32_t count = slot_count(c);
    if (!c->slots) {
        c->slots = mem_array(count, sizeof(struct cql_call *));
        c->free = mem_array(count, sizeof *c->free);
    }
    memset(c->slots, 0, count * sizeof(struct cql_call *));
    for (uint32_t i = 0; i < count; i++)
        c->free[i] = (uint16_t)(count - 1 - i);
    c->free_count = count;
    c->in_flight = c->orphans = c->window_acks = 0;
    c->in_flight_bytes = 0;
    c->window = WINDOW_FIRST < c->client->options.in_flight_max ? WINDOW_FIRST
                                                                : c->client->options.in_flight_max;
}

/* Of the connection itself: the greeting and PREPAREs. */
static bool is_own(const struct cql_connection *c, const struct cql_call *call)
{
    return call == &c->greeting || call->opcode == CQL_PREPARE;
}

/* ---- out ---- */

void cql_connection_slower(struct cql_connection *c)
{
    c->window = c->window / 2 > WINDOW_MIN ? c->window / 2 : WINDOW_MIN;
    if (c->window > c->client->options.in_flight_max)
        c->window = c->client->options.in_flight_max;
    c->window_acks = 0;
}

static void faster(struct cql_connection *c)
{
    if (++c->window_acks < c->window || c->window >= c->client->options.in_flight_max)
        return;
    c->window++;
    c->window_acks = 0;
}

bool cql_connection_put(struct cql_connection *c, struct cql_call *call, struct str id)
{
    uint8_t head[CQL_HEADER_BYTES + 2 + ID_BYTES_MAX];
    size_t bytes = CQL_HEADER_BYTES, body = call->body.bytes + (id.ptr ? 2 + id.bytes : 0);
    if (!c->free_count || body > CQL_BODY_BYTES_MAX)
        return false;
    uint16_t slot = c->free[c->free_count - 1];
    head[0] = CQL_VERSION_SPOKEN;
    head[1] = 0;
    put_be16(head + 2, slot);
    head[4] = call->opcode;
    put_be32(head + 5, (uint32_t)body);
    if (id.ptr) {
        put_be16(head + 9, (uint16_t)id.bytes);
        memcpy(head + 11, id.ptr, id.bytes);
        bytes += 2 + id.bytes;
    }
    if (io_stream_out_bytes(c->stream) + bytes + body > OUT_MAX ||
        io_stream_write(c->stream, head, bytes) != OK ||
        io_stream_write(c->stream, call->body.ptr, call->body.bytes) != OK)
        return false;
    c->free_count--;
    c->slots[slot] = call;
    c->in_flight++;
    call->bytes = (uint32_t)body + CQL_HEADER_BYTES;
    c->in_flight_bytes += call->bytes;
    call->due_ns = io_loop_now_ns(c->client->loop) + c->client->place->timeout_ms * 1000000;
    return true;
}

bool cql_connection_has_room(const struct cql_connection *c, const struct cql_call *call)
{
    size_t bytes = call->body.bytes + CQL_HEADER_BYTES;
    if (c->stage != CQL_OPEN || c->free_count <= OWN_SLOTS / 2 ||
        c->paused_until_ns > io_loop_now_ns(c->client->loop))
        return false;
    return c->in_flight < c->window &&
           (!c->in_flight || c->in_flight_bytes + bytes <= c->client->options.in_flight_bytes_max);
}

/* ---- statements ---- */

static void prepared(struct cql_call *call, const struct cql_reply *reply)
{
    struct cql_known *known = call->owner;
    struct cql_connection *c = known->connection;
    known->state = CQL_NOT_PREPARED;
    if (reply->err != OK && reply->err != ERR_INVALID)
        return;
    if (reply->err == ERR_INVALID && cql_error_is_transient(reply->error.code)) {
        enum { PAUSE_MS = 500 };
        c->paused_until_ns = io_loop_now_ns(c->client->loop) + PAUSE_MS * 1000000LL;
        snprintf(c->client->trouble, sizeof c->client->trouble, "%s: %.*s", c->host->address,
                 STR_ARG(str_slice(reply->error.message, 0, 200)));
        return;
    }
    if (reply->err == ERR_INVALID) {
        cql_client_fail_statement(c->client, known->statement, reply);
        return;
    }
    struct reader r = reader_of(reply->body.ptr, reply->body.bytes);
    struct str id = cql_short_bytes_read(&r);
    if (reply->kind != CQL_RESULT_PREPARED || r.err != OK || id.bytes > sizeof known->id) {
        cql_connection_fail(c, "the answer to PREPARE cannot be read");
        return;
    }
    memcpy(known->id, id.ptr, id.bytes);
    known->id_bytes = id.bytes;
    known->state = CQL_IS_PREPARED;
}

static struct cql_known *known_of(struct cql_connection *c, struct cql_statement *statement)
{
    if (statement->index >= c->known_count) {
        size_t count = c->client->statement_count;
        c->known = mem_realloc_array(c->known, count, sizeof(struct cql_known *));
        memset(c->known + c->known_count, 0, (count - c->known_count) * sizeof(struct cql_known *));
        c->known_count = count;
    }
    struct cql_known **known = &c->known[statement->index];
    if (!*known) {
        *known = mem_zero(sizeof **known);
        **known = (struct cql_known){.connection = c, .statement = statement};
    }
    return *known;
}

static void prepare(struct cql_connection *c, struct cql_known *known)
{
    buf_reset(&known->body);
    cql_long_string_append(&known->body, known->statement->text);
    known->call = (struct cql_call){
        .opcode = CQL_PREPARE, .body = buf_str(&known->body), .done = prepared, .owner = known};
    if (cql_connection_put(c, &known->call, STR_NONE))
        known->state = CQL_BEING_PREPARED;
}

bool cql_connection_send(struct cql_connection *c, struct cql_call *call)
{
    struct str id = STR_NONE;
    if (!cql_connection_has_room(c, call))
        return false;
    if (call->statement) {
        struct cql_known *known = known_of(c, call->statement);
        if (known->state == CQL_NOT_PREPARED)
            prepare(c, known);
        if (known->state != CQL_IS_PREPARED)
            return false;
        id = str_from(known->id, known->id_bytes);
    }
    return cql_connection_put(c, call, id);
}

/* ---- in ---- */

static void skip_prefix(uint8_t flags, struct reader *r, struct cql_reply *reply)
{
    enum { UUID_BYTES = 16 };
    if (flags & CQL_FLAG_TRACING)
        (void)reader_take(r, UUID_BYTES);
    if (flags & CQL_FLAG_WARNINGS) {
        reply->warning_count = reader_be16(r);
        const uint8_t *at = r->ptr;
        for (uint16_t i = 0; i < reply->warning_count && r->err == OK; i++)
            (void)cql_string_read(r);
        reply->warnings = str_from(at, (size_t)(r->ptr - at));
    }
    if (flags & CQL_FLAG_PAYLOAD) {
        uint16_t count = reader_be16(r);
        for (uint16_t i = 0; i < count && r->err == OK; i++) {
            (void)cql_string_read(r);
            (void)cql_bytes_read(r);
        }
    }
}

static void unreadable(struct cql_connection *c, struct cql_call *call)
{
    cql_connection_fail(c, "an answer of the server cannot be read");
    if (is_own(c, call))
        return;
    if (call->once)
        cql_client_fail(call, ERR_CORRUPT, str_of(c->trouble), c->host->address);
    else
        cql_client_requeue(c->client, call);
}

static void give_error(struct cql_connection *c, struct cql_call *call, struct reader *r,
                       struct cql_reply *reply)
{
    CLEAN(arena_deinit) struct arena arena = {.bytes_max = 1 << 20};
    struct cql_client *client = c->client;
    if (cql_error_read(r, CQL_VERSION_SPOKEN, &arena, &reply->error) != OK) {
        unreadable(c, call);
        return;
    }
    enum cql_error_code code = reply->error.code;
    reply->err = ERR_INVALID;
    if (is_own(c, call)) {
        call->done(call, reply);
    } else if (code == CQL_UNPREPARED && call->statement) {
        known_of(c, call->statement)->state = CQL_NOT_PREPARED;
        client->retries++;
        cql_calls_push_front(&client->queue, call);
    } else if (!call->once && cql_error_is_transient(code)) {
        if (code == CQL_OVERLOADED || code == CQL_WRITE_TIMEOUT || code == CQL_READ_TIMEOUT)
            cql_connection_slower(c);
        cql_client_retry(client, call, reply);
    } else {
        call->done(call, reply);
    }
}

static void note_keyspace(struct cql_connection *c, const struct cql_reply *reply)
{
    struct reader r = reader_of(reply->body.ptr, reply->body.bytes);
    struct str name = cql_string_read(&r);
    if (r.err != OK)
        return;
    mem_free(c->client->keyspace);
    c->client->keyspace = str_dup(name);
}

static void give(struct cql_connection *c, struct cql_call *call, const struct cql_header *header,
                 const uint8_t *body)
{
    struct reader r = reader_of(body, header->body_bytes);
    struct cql_reply reply = {.host = c->host->address};
    if (header->flags)
        skip_prefix(header->flags, &r, &reply);
    if (header->opcode == CQL_ERROR && r.err == OK) {
        give_error(c, call, &r, &reply);
        return;
    }
    reply.kind = (enum cql_result_kind)(header->opcode == CQL_RESULT ? reader_be32(&r)
                                                                     : 0x100u | header->opcode);
    if (r.err != OK || (header->opcode != CQL_RESULT && call != &c->greeting)) {
        unreadable(c, call);
        return;
    }
    reply.body = str_from(r.ptr, r.left);
    if (reply.kind == CQL_RESULT_SET_KEYSPACE && header->opcode == CQL_RESULT)
        note_keyspace(c, &reply);
    if (!is_own(c, call)) {
        c->client->acknowledged++;
        faster(c);
    }
    call->done(call, &reply);
}

static void receive(struct cql_connection *c, const struct cql_header *header, const uint8_t *body)
{
    if (header->stream < 0)
        return; /* an event, which was not asked for */
    if (!header->response || (uint32_t)header->stream >= slot_count(c) ||
        !c->slots[header->stream]) {
        cql_connection_fail(c, "the server answers what was not asked");
        return;
    }
    struct cql_call *call = c->slots[header->stream];
    c->slots[header->stream] = NULL;
    c->free[c->free_count++] = (uint16_t)header->stream;
    if (call == &orphan) {
        c->orphans--;
        return;
    }
    c->in_flight--;
    c->in_flight_bytes -= call->bytes;
    give(c, call, header, body);
}

static size_t data(void *owner, struct io_stream *stream, const uint8_t *bytes, size_t count)
{
    struct cql_connection *c = owner;
    struct cql_client *client = c->client;
    size_t at = 0;
    c->heard_ns = io_loop_now_ns(client->loop);
    while (c->stage != CQL_CLOSING && count - at >= CQL_HEADER_BYTES) {
        struct cql_header header;
        if (bytes[at] == TLS_ALERT && !client->tls && c->stage == CQL_CONNECTING) {
            cql_connection_fail(c, "it speaks TLS on this port (`tls`)");
            break;
        }
        if (cql_header_parse(bytes + at, CQL_BODY_BYTES_MAX, &header) != OK) {
            cql_connection_fail(c, "this is not a server of CQL");
            break;
        }
        /* An error before the greeting comes in the server's own version. */
        if ((header.version != CQL_VERSION_SPOKEN && header.opcode != CQL_ERROR) ||
            !header.response) {
            cql_connection_fail(c, "this is not a server of CQL v4");
            break;
        }
        if (count - at - CQL_HEADER_BYTES < header.body_bytes)
            break;
        receive(c, &header, bytes + at + CQL_HEADER_BYTES);
        at += CQL_HEADER_BYTES + header.body_bytes;
    }
    if (c->stage == CQL_CLOSING)
        at = count;
    cql_client_pump(client);
    return at;
}

/* ---- life ---- */

static void opened(void *owner, struct io_stream *stream)
{
    struct cql_connection *c = owner;
    c->greeted = true;
    if (c->stage == CQL_CONNECTING)
        cql_greeting_begin(c);
}

static void note_trouble(struct cql_connection *c, const char *text)
{
    struct cql_client *client = c->client;
    if (!c->trouble[0])
        snprintf(c->trouble, sizeof c->trouble, "%s: %.200s", c->host->address, text);
    memcpy(client->trouble, c->trouble, sizeof client->trouble);
}

static void again_later(struct cql_connection *c)
{
    const struct cql_client_options *o = &c->client->options;
    uint32_t chance;
    uint32_t doublings = c->failures < 16 ? c->failures : 16;
    int64_t wait_ms = o->backoff_min_ms << doublings;
    if (wait_ms > o->backoff_max_ms)
        wait_ms = o->backoff_max_ms;
    io_random(io_loop_io(c->client->loop), &chance, sizeof chance);
    int64_t wait_ns = wait_ms * 1000000;
    wait_ns -= wait_ns / 4 * (chance & 0xFFFF) / 0xFFFF;
    c->failures++;
    io_timer_start(c->client->loop, &c->again, wait_ns);
    cql_client_look_given_up(c->client);
}

/* What was in flight waits again, or fails when it may not be sent twice. */
static void take_back(struct cql_connection *c)
{
    struct cql_calls lost = {0};
    for (uint32_t i = 0; i < slot_count(c); i++) {
        struct cql_call *call = c->slots[i];
        c->slots[i] = NULL;
        if (!call || call == &orphan || is_own(c, call))
            continue;
        if (call->once) {
            cql_calls_push(&lost, call);
            continue;
        }
        c->client->retries++;
        cql_client_requeue(c->client, call);
    }
    reset_slots(c);
    for (size_t i = 0; i < c->known_count; i++)
        if (c->known[i])
            c->known[i]->state = CQL_NOT_PREPARED;
    for (struct cql_call *call; (call = cql_calls_pop(&lost));)
        cql_client_fail(call, ERR_CLOSED, str_of(c->trouble), c->host->address);
}

/* Why it ended, and which setting that points at. */
static void note_end(struct cql_connection *c, struct io_stream *stream, enum err why)
{
    const char *tls = io_stream_tls_trouble(stream);
    char text[240];
    if (tls[0] && strstr(tls, "trusted here"))
        snprintf(text, sizeof text, "%s: `ca` names a file of those that are", tls);
    else if (tls[0] && strstr(tls, "of ours"))
        snprintf(text, sizeof text, "%s: `cert` and `key` name its files", tls);
    else if (tls[0] && strstr(tls, " alert ") && c->client->place->cert_path)
        snprintf(text, sizeof text, "%s: it may not take our certificate (`cert`)", tls);
    else if (tls[0])
        snprintf(text, sizeof text, "%s", tls);
    else if (!c->heard_ns && c->greeted && !c->client->tls)
        snprintf(text, sizeof text, "it hangs up at once, as a port does that speaks TLS (`tls`)");
    else if (!c->heard_ns && c->greeted) /* what it said of that may be lost with a reset */
        snprintf(text, sizeof text, "it hangs up behind the greeting of TLS, as one that %s",
                 c->client->place->cert_path ? "does not take our certificate"
                                             : "wants a certificate of ours (`cert`, `key`)");
    else
        snprintf(text, sizeof text, "%s",
                 why == OK ? "the server closed the connection" : err_text(why));
    note_trouble(c, text);
}

static void closed(void *owner, struct io_stream *stream, enum err why)
{
    struct cql_connection *c = owner;
    struct cql_client *client = c->client;
    c->stream = NULL;
    client->streams--;
    if (client->freed) {
        if (!client->streams)
            cql_client_free(client);
        return;
    }
    c->stage = CQL_AWAY;
    note_end(c, stream, why);
    take_back(c);
    again_later(c);
    cql_client_pump(client);
}

static const struct io_stream_events events = {.opened = opened, .data = data, .closed = closed};

static void start(struct io_timer *timer)
{
    struct cql_connection *c = timer->owner;
    struct cql_client *client = c->client;
    const struct io_stream_limits limits = {.in_max = IN_MAX, .out_max = OUT_MAX};
    c->trouble[0] = 0;
    c->heard_ns = 0;
    c->greeted = false;
    reset_slots(c);
    if (c->failures)
        client->reconnects++;
    enum err err = io_connect(client->loop, c->host->address, client->tls, c->host->name, &events,
                              &limits, c, &c->stream);
    if (err != OK) {
        note_trouble(c, err_text(err));
        again_later(c);
        return;
    }
    client->streams++;
    c->stage = CQL_CONNECTING;
    c->deadline_ns = io_loop_now_ns(client->loop) + client->options.connect_timeout_ms * 1000000;
    cql_client_pump(client);
}

void cql_connection_start(struct cql_connection *c)
{
    c->again.fire = start;
    c->again.owner = c;
    io_timer_start(c->client->loop, &c->again, 0);
}

void cql_connection_fail(struct cql_connection *c, const char *format, ...)
{
    char text[240];
    if (!c->stream || c->stage == CQL_CLOSING)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->trouble[0] = 0;
    note_trouble(c, text);
    c->stage = CQL_CLOSING;
    io_stream_abort(c->stream, ERR_CANCELLED);
}

void cql_connection_stop(struct cql_connection *c)
{
    io_timer_stop(c->client->loop, &c->again);
    if (c->stream && c->stage != CQL_CLOSING) {
        c->stage = CQL_CLOSING;
        io_stream_abort(c->stream, ERR_CANCELLED);
    }
}

void cql_connection_deinit(struct cql_connection *c)
{
    for (size_t i = 0; i < c->known_count; i++)
        if (c->known[i]) {
            buf_deinit(&c->known[i]->body);
            mem_free(c->known[i]);
        }
    mem_free(c->known);
    mem_free(c->slots);
    mem_free(c->free);
    mem_free(c->asked_keyspace);
    buf_deinit(&c->greeting_body);
}

void cql_connection_tick(struct cql_connection *c, int64_t now_ns)
{
    struct cql_client *client = c->client;
    struct cql_calls late = {0};
    bool own_late = false;
    if (c->stage == CQL_CONNECTING && now_ns >= c->deadline_ns)
        cql_connection_fail(c, "no greeting within %lld ms",
                            (long long)client->options.connect_timeout_ms);
    if (c->stage != CQL_OPEN)
        return;
    for (uint32_t i = 0; c->in_flight && i < slot_count(c); i++) {
        struct cql_call *call = c->slots[i];
        if (!call || call == &orphan || call->due_ns > now_ns)
            continue;
        own_late |= is_own(c, call);
        if (own_late)
            break;
        c->slots[i] = &orphan;
        c->orphans++;
        c->in_flight--;
        c->in_flight_bytes -= call->bytes;
        cql_calls_push(&late, call);
    }
    if (!late.count && !own_late)
        return;
    cql_connection_slower(c);
    struct cql_reply reply = {.err = ERR_TIMEOUT, .host = c->host->address};
    char text[120];
    snprintf(text, sizeof text, "no answer within %lld ms", (long long)client->place->timeout_ms);
    reply.error.message = str_of(text);
    for (struct cql_call *call; (call = cql_calls_pop(&late));) {
        if (call->once)
            call->done(call, &reply);
        else
            cql_client_retry(client, call, &reply);
    }
    bool silent = now_ns - c->heard_ns >= client->place->timeout_ms * 1000000;
    if (own_late || silent || c->orphans > slot_count(c) / 4)
        cql_connection_fail(c, "%s", text);
}
