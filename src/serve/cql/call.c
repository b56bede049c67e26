/* SPDX-License-Identifier: MIT */
/*
 * Calls: one request from its head to its answer, and the answers.
 *
 * Calls go round with their buffers and the first block of their arena, so that a request of usual
 * size allocates nothing. The body's bytes are charged from head to answer (memory.c). Whatever
 * happens, each call is answered once, with a result or an error under its stream id, and then
 * released; when the connection is gone the answer goes nowhere.
 */
#include "base/check.h"
#include "serve/cql/net.h"

/* ---- life ---- */

struct cql_call *cql_call_new(struct cql_connection *connection, const struct cql_header *header)
{
    struct cql_server *server = connection->server;
    struct cql_call *call = server->spares;
    if (call) {
        server->spares = call->next;
        server->spare_count--;
    } else {
        call = mem_zero(sizeof *call);
        arena_init(&call->arena, CQL_ARENA_BYTES_MAX);
    }
    call->connection = connection;
    call->header = *header;
    connection->refs++;
    connection->calls++;
    server->call_count++;
    return call;
}

static void keep_small(struct buf *buf)
{
    if (buf->room > CQL_SPARE_BYTES_MAX) {
        buf_deinit(buf);
        *buf = (struct buf){0};
    } else {
        buf_reset(buf);
    }
}

static void release_plans(struct cql_call *call)
{
    cql_plan_unref(call->plan);
    call->plan = NULL;
    for (size_t i = 0; i < call->batch_plan_count; i++)
        cql_plan_unref(call->batch_plans[i]);
    call->batch_plans = NULL;
    call->batch_plan_count = 0;
    if (call->prepared)
        cql_prepared_unref(call->prepared);
    call->prepared = NULL;
}

void cql_call_release(struct cql_call *call)
{
    struct cql_connection *connection = call->connection;
    struct cql_server *server = connection->server;
    release_plans(call);
    keep_small(&call->body);
    keep_small(&call->plain);
    keep_small(&call->run.out);
    call->metadata_changed = false;
    cql_trace_end(call->trace);
    call->trace = NULL;
    call->connection = NULL;
    connection->calls--;
    server->call_count--;
    size_t charged = call->charged;
    call->charged = 0;
    if (server->spare_count < CQL_SPARE_CALLS_MAX) {
        arena_reset(&call->arena);
        if (call->arena.bytes_used > CQL_SPARE_BYTES_MAX)
            arena_deinit(&call->arena); /* its first block was a big one */
        call->next = server->spares;
        server->spares = call;
        server->spare_count++;
    } else {
        buf_deinit(&call->body);
        buf_deinit(&call->plain);
        buf_deinit(&call->run.out);
        arena_deinit(&call->arena);
        mem_free(call);
    }
    if (charged)
        cql_memory_give(server, charged);
    cql_connection_pump(connection);
    cql_connection_unref(connection);
}

/* ---- answers ---- */

struct buf *cql_call_out(struct cql_call *call)
{
    buf_reset(&call->run.out);
    return &call->run.out;
}

void cql_answer(struct cql_call *call, uint8_t opcode, struct str body)
{
    struct str id = call->trace ? str_from(cql_trace_id(call->trace), 16) : STR_NONE;
    cql_send(call->connection, call->header.version, call->trace ? CQL_FLAG_TRACING : 0,
             call->header.stream, opcode, id, body);
    cql_call_release(call);
}

void cql_answer_error(struct cql_call *call, const struct cql_error *error)
{
    struct buf *out = cql_call_out(call);
    call->connection->server->status.errors++;
    cql_error_append(out, call->header.version, error);
    cql_answer(call, CQL_ERROR, buf_str(out));
}

void cql_answer_fail(struct cql_call *call, enum cql_error_code code, const char *format, ...)
{
    struct buf text = {.bytes_max = 4096};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    struct cql_error error = {.code = code, .message = buf_str(&text)};
    cql_answer_error(call, &error);
    buf_deinit(&text);
}

void cql_send_error(struct cql_connection *connection, uint8_t version, int16_t stream,
                    enum cql_error_code code, const char *format, ...)
{
    struct buf text = {.bytes_max = 4096}, out = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    struct cql_error error = {.code = code, .message = buf_str(&text)};
    connection->server->status.errors++;
    cql_error_append(&out, version, &error);
    cql_send(connection, version, 0, stream, CQL_ERROR, STR_NONE, buf_str(&out));
    buf_deinit(&text);
    buf_deinit(&out);
}

static void warnings_append(struct buf *out, const struct cql_run *run)
{
    uint16_t count = 0;
    size_t room = sizeof run->warnings / sizeof run->warnings[0];
    for (size_t i = 0; i < room; i++)
        count = (uint16_t)(count + (run->warnings[i].ptr != NULL));
    buf_be16(out, count);
    for (size_t i = 0; i < room; i++)
        if (run->warnings[i].ptr)
            cql_string_append(out, run->warnings[i]);
}

/* The client's metadata is old: the new ones are in the result, and are told to be new. */
static void tell_new_metadata(struct cql_call *call)
{
    struct buf *out = &call->run.out;
    if (out->bytes < 12 || get_be32(out->ptr) != CQL_RESULT_ROWS)
        return;
    uint32_t flags = get_be32(out->ptr + 4);
    size_t at = 12;
    if (flags & 2) {
        uint32_t state_bytes = get_be32(out->ptr + at);
        at += 4 + (state_bytes == UINT32_MAX ? 0 : state_bytes);
    }
    uint8_t *to = buf_reserve(out, 2 + CQL_ID_BYTES);
    if (!to || at > out->bytes)
        return;
    memmove(out->ptr + at + 2 + CQL_ID_BYTES, out->ptr + at, out->bytes - at);
    put_be16(out->ptr + at, CQL_ID_BYTES);
    memcpy(out->ptr + at + 2, call->prepared->result_id, CQL_ID_BYTES);
    buf_advance(out, 2 + CQL_ID_BYTES);
    buf_patch_be32(out, 4, flags | 8);
}

void cql_answer_run(struct cql_call *call)
{
    struct cql_run *run = &call->run;
    if (!run->failed && buf_error(&run->out) != OK) {
        cql_answer_fail(call, CQL_SERVER_ERROR, "The result is too big");
        return;
    }
    if (run->failed) {
        /* The error's texts are in the call's arena; out is free for use. */
        struct cql_error error = run->error;
        cql_answer_error(call, &error);
        return;
    }
    if (call->metadata_changed)
        tell_new_metadata(call);
    struct buf prefix = {0};
    uint8_t flags = 0;
    if (call->trace) {
        flags = CQL_FLAG_TRACING;
        buf_append(&prefix, cql_trace_id(call->trace), 16);
    }
    if (run->warnings[0].ptr && call->header.version >= 4) {
        flags |= CQL_FLAG_WARNINGS;
        warnings_append(&prefix, run);
    }
    cql_send(call->connection, call->header.version, flags, call->header.stream, CQL_RESULT,
             prefix.bytes ? buf_str(&prefix) : STR_NONE, buf_str(&run->out));
    buf_deinit(&prefix);
    cql_call_release(call);
}

/* ---- begin ---- */

/* The body as it was before it was compressed. False: answered. */
static bool decompress(struct cql_call *call, struct str *body)
{
    struct cql_connection *connection = call->connection;
    if (!(call->header.flags & CQL_FLAG_COMPRESSED) || connection->framed || !body->bytes)
        return true;
    if (connection->compression == CQL_UNCOMPRESSED) {
        cql_answer_fail(call, CQL_PROTOCOL_ERROR,
                        "Received a compressed frame, and no compression was negotiated");
        return false;
    }
    enum err err = cql_body_decompress(connection->compression, *body,
                                       connection->server->request_bytes_max, &call->plain);
    if (err == OK && call->plain.bytes > call->charged) {
        cql_memory_add(connection->server, call->plain.bytes - call->charged);
        call->charged = call->plain.bytes;
    }
    if (err == ERR_LIMIT)
        cql_answer_fail(call, CQL_INVALID,
                        "Request is too big: it exceeds maximum allowed length %zu.",
                        connection->server->request_bytes_max);
    else if (err != OK)
        cql_answer_fail(call, CQL_PROTOCOL_ERROR, "The frame does not decompress");
    *body = buf_str(&call->plain);
    return err == OK;
}

/* May this come in this phase? False: answered. */
static bool phase_check(struct cql_call *call)
{
    uint8_t opcode = call->header.opcode;
    const char *name = cql_opcode_name(opcode);
    switch (call->connection->phase) {
    case PHASE_STARTUP:
        if (opcode == CQL_STARTUP || opcode == CQL_OPTIONS)
            return true;
        cql_answer_fail(call, CQL_PROTOCOL_ERROR,
                        "Unexpected message %s, expecting STARTUP or OPTIONS", name);
        return false;
    case PHASE_AUTHENTICATE:
        if (opcode == CQL_AUTH_RESPONSE)
            return true;
        cql_answer_fail(call, CQL_PROTOCOL_ERROR, "Unexpected message %s, expecting SASL_RESPONSE",
                        name);
        return false;
    case PHASE_READY:
        if (opcode != CQL_STARTUP && opcode != CQL_AUTH_RESPONSE)
            return true;
        cql_answer_fail(call, CQL_PROTOCOL_ERROR,
                        "Unexpected message %s, the connection is already initialized", name);
        return false;
    }
    return false;
}

void cql_call_begin(struct cql_call *call)
{
    struct diag diag;
    struct str body =
        str_from(call->body.ptr ? call->body.ptr : (const uint8_t *)"", call->body.bytes);
    if (!decompress(call, &body))
        return;
    diag.err = OK;
    diag.message[0] = 0;
    enum err err = cql_request_decode(&call->header, body, &call->arena, &diag, &call->request);
    if (err != OK) {
        cql_answer_fail(call, CQL_PROTOCOL_ERROR, "%s",
                        diag.message[0] ? diag.message : "The request takes too much memory");
        return;
    }
    if (!phase_check(call))
        return;
    if (call->connection->requests || call->header.opcode == CQL_STARTUP)
        call->connection->requests++;
    if (call->header.flags & CQL_FLAG_TRACING)
        cql_call_trace(call);
    switch (call->header.opcode) {
    case CQL_EXECUTE:
        cql_handle_execute(call);
        break;
    case CQL_QUERY:
        cql_handle_query(call);
        break;
    case CQL_BATCH:
        cql_handle_batch(call);
        break;
    case CQL_PREPARE:
        cql_handle_prepare(call);
        break;
    case CQL_OPTIONS:
        cql_handle_options(call);
        break;
    case CQL_STARTUP:
        cql_handle_startup(call);
        break;
    case CQL_REGISTER:
        cql_handle_register(call);
        break;
    case CQL_AUTH_RESPONSE:
        cql_handle_auth(call);
        break;
    default:
        check_never("the decoder knows no other request");
    }
}
