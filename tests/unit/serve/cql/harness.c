/* SPDX-License-Identifier: MIT */
/* The rig of the CQL server's tests: see harness.h. */
#include "serve/cql/harness.h"

#include "io/sim.h"

#include <stdio.h>

/* ---- the rig ---- */

static void up(struct rig *rig, const struct cql_server_options *options)
{
    struct cql_server_options plain = {0};
    struct diag diag = {0};
    if (options)
        plain = *options;
    plain.address = "127.0.0.1:0";
    enum err err = cql_server_new(rig->loop, rig->store, &plain, &diag, &rig->server);
    if (err != OK)
        fail_msg("%s %s", err_text(err), diag.message);
    snprintf(rig->address, sizeof rig->address, "127.0.0.1:%u", cql_server_port(rig->server));
}

void rig_up(struct rig *rig, const struct cql_server_options *options)
{
    struct io_sim_options sim = {.seed = 7};
    struct table_store_options store = {.memory = true};
    struct diag diag = {0};
    *rig = (struct rig){0};
    arena_init(&rig->arena, SIZE_MAX / 2);
    rig->io = io_sim_new(&sim);
    assert_ok(io_loop_new(rig->io, &rig->loop));
    assert_ok(table_store_open(rig->io, "data", &store, &diag, &rig->store));
    up(rig, options);
}

void rig_restart(struct rig *rig, const struct cql_server_options *options)
{
    cql_server_free(rig->server);
    up(rig, options);
}

void rig_down(struct rig *rig)
{
    cql_server_free(rig->server);
    rig_turns(rig, 5);
    table_store_close(rig->store);
    io_loop_free(rig->loop);
    io_free(rig->io);
    arena_deinit(&rig->arena);
}

void rig_turns(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++)
        io_loop_turn(rig->loop, 0);
}

void rig_pass(struct rig *rig, int64_t ms)
{
    int64_t end_ns = io_now_ns(rig->io) + ms * 1000000;
    while (io_now_ns(rig->io) < end_ns)
        io_loop_turn(rig->loop, end_ns - io_now_ns(rig->io));
}

/* ---- clients ---- */

static size_t client_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    struct client *client = owner;
    buf_append(&client->in, data, bytes);
    return bytes;
}

static void client_closed(void *owner, struct io_stream *stream, enum err why)
{
    struct client *client = owner;
    client->closed = true;
    client->stream = NULL;
}

struct client *client_new(struct rig *rig, unsigned version)
{
    static const struct io_stream_events events = {.data = client_data, .closed = client_closed};
    static const struct io_stream_limits limits = {.in_max = 64 << 20, .out_max = 256 << 20};
    struct client *client = mem_zero(sizeof *client);
    client->rig = rig;
    client->version = (uint8_t)version;
    assert_ok(
        io_connect(rig->loop, rig->address, NULL, NULL, &events, &limits, client, &client->stream));
    rig_turns(rig, 4);
    return client;
}

void client_free(struct client *client)
{
    if (client->stream)
        io_stream_abort(client->stream, ERR_CLOSED);
    for (int i = 0; i < 10 && !client->closed; i++)
        rig_pass(client->rig, 5);
    assert_true(client->closed);
    buf_deinit(&client->in);
    buf_deinit(&client->flat);
    mem_free(client);
}

void client_raw(struct client *client, const void *data, size_t bytes)
{
    if (client->stream && io_stream_write(client->stream, data, bytes) != OK)
        fail_msg("the client cannot write");
    io_loop_turn(client->rig->loop, 0);
}

void client_envelopes(struct client *client, struct str envelopes)
{
    if (!client->framed) {
        client_raw(client, envelopes.ptr, envelopes.bytes);
        return;
    }
    struct buf out = {0};
    cql_segments_append(envelopes, client->compression, &out);
    client_raw(client, out.ptr, out.bytes);
    buf_deinit(&out);
}

int16_t client_send(struct client *client, struct cql_request *request)
{
    struct buf out = {0};
    request->header.version = client->version;
    request->header.stream = client->next_stream++;
    cql_request_encode(request, &out);
    assert_ok(buf_error(&out));
    if (!client->framed && request->header.opcode != CQL_STARTUP)
        cql_body_compress(client->compression, &out, 0);
    client_envelopes(client, buf_str(&out));
    buf_deinit(&out);
    return request->header.stream;
}

/* What came, out of its segments. */
static void flatten(struct client *client)
{
    if (!client->framed) {
        buf_str_append(&client->flat, buf_str(&client->in));
        buf_reset(&client->in);
        return;
    }
    struct buf scratch = {0};
    struct cql_segment segment;
    while (client->in.bytes && cql_segment_parse(client->in.ptr, client->in.bytes,
                                                 client->compression, &scratch, &segment) == OK) {
        buf_str_append(&client->flat, segment.payload);
        buf_consume(&client->in, segment.bytes);
        client->segments++;
    }
    buf_deinit(&scratch);
}

static bool take_envelope(struct client *client, bool any, int16_t stream,
                          struct answer *ret_answer)
{
    size_t at = 0;
    struct cql_header header;
    while (client->flat.bytes >= at + CQL_HEADER_BYTES) {
        assert_ok(cql_header_parse(client->flat.ptr + at, SIZE_MAX, &header));
        size_t bytes = CQL_HEADER_BYTES + header.body_bytes;
        if (client->flat.bytes < at + bytes)
            return false;
        if (any || header.stream == stream) {
            struct str body =
                arena_str(&client->rig->arena,
                          str_from(client->flat.ptr + at + CQL_HEADER_BYTES, header.body_bytes));
            memmove(client->flat.ptr + at, client->flat.ptr + at + bytes,
                    client->flat.bytes - at - bytes);
            buf_truncate(&client->flat, client->flat.bytes - bytes);
            assert_true(header.response);
            if (header.flags & CQL_FLAG_COMPRESSED) {
                struct buf plain = {0};
                assert_ok(cql_body_decompress(client->compression, body, 64 << 20, &plain));
                body = arena_str(&client->rig->arena, buf_str(&plain));
                buf_deinit(&plain);
            }
            *ret_answer = (struct answer){header, body};
            return true;
        }
        at += bytes;
    }
    return false;
}

static bool wait_envelope(struct client *client, bool any, int16_t stream,
                          struct answer *ret_answer)
{
    for (int i = 0; i < 600; i++) {
        flatten(client);
        if (take_envelope(client, any, stream, ret_answer))
            return true;
        if (client->closed)
            return false;
        io_loop_turn(client->rig->loop, 100000000);
    }
    return false;
}

bool client_answer(struct client *client, int16_t stream, struct answer *ret_answer)
{
    return wait_envelope(client, false, stream, ret_answer);
}

bool client_next(struct client *client, struct answer *ret_answer)
{
    return wait_envelope(client, true, 0, ret_answer);
}

struct answer client_ask(struct client *client, struct cql_request *request)
{
    struct answer answer = {0};
    int16_t stream = client_send(client, request);
    if (!client_answer(client, stream, &answer))
        fail_msg("no answer to %s", cql_opcode_name(request->header.opcode));
    assert_int_equal(client->version, answer.header.version);
    return answer;
}

struct answer client_query(struct client *client, const char *text)
{
    struct cql_request request = {
        .header = {.opcode = CQL_QUERY}, .query = str_of(text), .parameters = {.consistency = 1}};
    return client_ask(client, &request);
}

void client_startup(struct client *client, const char *compression, uint8_t expected_opcode)
{
    struct str options[] = {STR("CQL_VERSION"), STR("3.0.0"), STR("COMPRESSION"),
                            str_of(compression ? compression : "")};
    struct cql_request request = {
        .header = {.opcode = CQL_STARTUP}, .options = options, .option_count = 4};
    if (!compression)
        request.option_count = 2;
    struct answer answer = client_ask(client, &request);
    assert_int_equal(expected_opcode, answer.header.opcode);
    if (compression)
        client->compression = strcmp(compression, "lz4") == 0 ? CQL_LZ4 : CQL_SNAPPY;
    client->framed = client->version >= 5;
}

void assert_error(struct rig *rig, const struct answer *answer, enum cql_error_code code,
                  const char *words)
{
    struct cql_error error;
    struct reader r = reader_of(answer->body.ptr, answer->body.bytes);
    if (answer->header.opcode != CQL_ERROR)
        fail_msg("no error but %s; '%s' was expected", cql_opcode_name(answer->header.opcode),
                 words);
    assert_ok(cql_error_read(&r, answer->header.version, &rig->arena, &error));
    if (error.code != code || str_find(error.message, str_of(words), 0) == SIZE_MAX)
        fail_msg("error 0x%04x '%.*s', expected 0x%04x '%s'", error.code, STR_ARG(error.message),
                 code, words);
}

struct reader assert_result(const struct answer *answer, enum cql_result_kind kind)
{
    struct reader r = reader_of(answer->body.ptr, answer->body.bytes);
    if (answer->header.opcode != CQL_RESULT) {
        struct buf text = {0};
        for (size_t i = 6; i < answer->body.bytes; i++)
            buf_char(&text, answer->body.ptr[i] >= ' ' ? answer->body.ptr[i] : '.');
        fail_msg("%s instead of a result: %.*s", cql_opcode_name(answer->header.opcode),
                 STR_ARG(buf_str(&text)));
    }
    if (answer->header.flags & CQL_FLAG_WARNINGS)
        for (uint16_t i = reader_be16(&r); i; i--)
            cql_string_read(&r);
    assert_int_equal(kind, reader_be32(&r));
    return r;
}

bool client_is_closed(struct client *client)
{
    for (int i = 0; i < 50 && !client->closed; i++)
        rig_pass(client->rig, 10);
    return client->closed;
}
