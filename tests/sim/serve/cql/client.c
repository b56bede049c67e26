/* SPDX-License-Identifier: MIT */
/*
 * Clients: versions 3 to 5 of the protocol, with or without lz4; a request is a statement with
 * literals or with markers, prepared or not, or a batch. Answers are matched by stream id. What was
 * under way on a connection that ended is answered with NULL.
 */
#include "world.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- statements ---------------------------------------------------------------------------- */

void statement_add(struct statement *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(s->text + s->bytes, sizeof s->text - s->bytes, format, args);
    va_end(args);
    s->bytes += (size_t)bytes;
}

static void value(struct statement *s, uint64_t bits, size_t bytes)
{
    uint8_t *room = s->room[s->count];
    for (size_t i = 0; i < bytes; i++)
        room[i] = (uint8_t)(bits >> (8 * (bytes - 1 - i)));
    s->values[s->count++] = (struct cql_value){.bytes = str_from(room, bytes)};
    statement_add(s, "?");
}

void statement_int(struct statement *s, int number)
{
    if (s->markers)
        value(s, (uint32_t)number, 4);
    else
        statement_add(s, "%d", number);
}

void statement_bigint(struct statement *s, int64_t number)
{
    if (s->markers)
        value(s, (uint64_t)number, 8);
    else
        statement_add(s, "%lld", (long long)number);
}

void statement_trace(const struct actor *actor, const char *about, const struct statement *s)
{
    char values[500] = "";
    size_t at = 0;
    if (!actor->w->run->trace)
        return;
    for (int i = 0; i < s->count && at < sizeof values; i++) {
        int64_t number = 0;
        for (size_t k = 0; k < s->values[i].bytes.bytes; k++)
            number = number << 8 | s->room[i][k];
        at += (size_t)snprintf(values + at, sizeof values - at, "%s %lld", i ? "," : " with",
                               (long long)number);
    }
    actor_trace(actor, "%s%s%s", about, s->text, values);
}

/* ---- answers ------------------------------------------------------------------------------- */

const struct str *answer_cell(const struct answer *answer, uint32_t row, const char *name)
{
    for (size_t i = 0; i < answer->metadata.column_count; i++)
        if (str_equal(answer->metadata.columns[i].name, str_of(name)))
            return &answer->cells[row * answer->metadata.column_count + i];
    return NULL;
}

int64_t answer_int(const struct answer *answer, uint32_t row, const char *name, int64_t otherwise)
{
    const struct str *cell = answer_cell(answer, row, name);
    if (!cell || !cell->ptr || cell->bytes == 0 || cell->bytes > 8)
        return otherwise;
    int64_t number = (int8_t)cell->ptr[0];
    for (size_t i = 1; i < cell->bytes; i++)
        number = (int64_t)((uint64_t)number << 8 | (uint8_t)cell->ptr[i]);
    return number;
}

static bool read_rows(struct reader *r, uint8_t version, struct arena *arena, struct answer *answer)
{
    answer->has_rows = true;
    if (cql_rows_metadata_read(r, version, arena, &answer->metadata) != OK)
        return false;
    answer->row_count = reader_be32(r);
    size_t count = answer->row_count * answer->metadata.column_count;
    answer->cells = arena_array(arena, count + 1, sizeof *answer->cells);
    for (size_t i = 0; i < count; i++)
        answer->cells[i] = cql_bytes_read(r);
    return r->err == OK;
}

/* False: it does not decode. prepared: it is the answer to PREPARE. */
static bool read_answer(const struct cql_header *header, struct str body, struct arena *arena,
                        struct answer *answer, struct cql_prepared *prepared)
{
    struct reader r = reader_of(body.ptr, body.bytes);
    if (header->flags & CQL_FLAG_WARNINGS)
        for (uint16_t i = reader_be16(&r); i; i--)
            cql_string_read(&r);
    if (header->opcode == CQL_ERROR) {
        answer->is_error = true;
        return cql_error_read(&r, header->version, arena, &answer->error) == OK;
    }
    if (header->opcode != CQL_RESULT)
        return false;
    uint32_t kind = reader_be32(&r);
    if (kind == CQL_RESULT_PREPARED)
        return cql_prepared_read(&r, header->version, arena, prepared) == OK;
    return kind != CQL_RESULT_ROWS || read_rows(&r, header->version, arena, answer);
}

/* ---- requests ------------------------------------------------------------------------------ */

struct request *request_new(struct conn *conn, int statements)
{
    struct request *request = mem_zero(sizeof *request);
    request->conn = conn;
    request->statements = mem_zero((size_t)statements * sizeof *request->statements);
    request->count = statements;
    request->stream = -1;
    request->timestamp_us = INT64_MIN;
    return request;
}

static void request_free(struct request *request)
{
    buf_deinit(&request->paging_state);
    buf_deinit(&request->id);
    mem_free(request->statements);
    mem_free(request->context);
    mem_free(request);
}

static void request_unlink(struct request *request)
{
    struct request **at = &request->conn->requests;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
}

static void request_end(struct request *request, const struct answer *answer)
{
    request_unlink(request);
    request->conn->w->order++;
    request->answered(request, answer);
    request_free(request);
}

static void write_envelope(struct conn *conn, struct cql_request *message)
{
    CLEAN(buf_deinit) struct buf out = {0}, wrapped = {0};
    message->header.version = conn->version;
    cql_request_encode(message, &out);
    struct str bytes = buf_str(&out);
    if (conn->framed) {
        cql_segments_append(bytes, conn->compression, &wrapped);
        bytes = buf_str(&wrapped);
    } else if (message->header.opcode != CQL_STARTUP) {
        cql_body_compress(conn->compression, &out, 0);
        bytes = buf_str(&out);
    }
    enum err err = io_stream_write(conn->stream, bytes.ptr, bytes.bytes);
    if (err != OK && err != ERR_CLOSED)
        seed_fail(conn->w->run, "a client cannot send: %s", err_text(err));
}

static void write_batch(struct conn *conn, struct request *request)
{
    struct cql_batch_item items[8] = {0};
    struct cql_request message = {.header = {.opcode = CQL_BATCH, .stream = request->stream},
                                  .items = items,
                                  .item_count = (uint16_t)request->count,
                                  .batch_type = (uint8_t)pick(conn->w, 2)};
    for (int i = 0; i < request->count; i++)
        items[i] = (struct cql_batch_item){
            .query = str_from(request->statements[i].text, request->statements[i].bytes),
            .values = request->statements[i].values,
            .value_count = request->statements[i].count};
    message.parameters = (struct cql_parameters){.consistency = 1, .flags = CQL_QUERY_TIMESTAMP};
    message.parameters.timestamp_us = request->timestamp_us;
    write_envelope(conn, &message);
}

/* Ids of what was prepared before, by anyone. */
static struct prepared_text *prepared_of(struct world *w, const struct statement *s)
{
    for (int i = 0; i < PREPARED_MAX; i++)
        if (w->prepared[i].bytes == s->bytes && memcmp(w->prepared[i].text, s->text, s->bytes) == 0)
            return &w->prepared[i];
    return NULL;
}

static void recall(struct request *request)
{
    struct world *w = request->conn->w;
    const struct prepared_text *known = prepared_of(w, request->statements);
    if (!known || request->forgotten)
        return;
    request->prepared = true;
    reached(w, MARK_KNOWN_STATEMENT);
    buf_reset(&request->id);
    buf_append(&request->id, known->id, sizeof known->id);
}

static void remember(struct request *request, struct str id)
{
    struct world *w = request->conn->w;
    const struct statement *s = request->statements;
    struct prepared_text *known = prepared_of(w, s);
    if (!known)
        known = &w->prepared[w->prepared_next++ % PREPARED_MAX];
    if (id.bytes != sizeof known->id) {
        seed_fail(w->run, "an id of %zu bytes", id.bytes);
        return;
    }
    memcpy(known->text, s->text, s->bytes);
    known->bytes = s->bytes;
    memcpy(known->id, id.ptr, id.bytes);
    request->prepared = true;
    buf_reset(&request->id);
    buf_str_append(&request->id, id);
}

static void write_one(struct conn *conn, struct request *request)
{
    struct statement *s = &request->statements[0];
    struct cql_request message = {.header = {.opcode = CQL_QUERY, .stream = request->stream},
                                  .query = str_from(s->text, s->bytes)};
    struct cql_parameters *p = &message.parameters;
    if (request->execute && !request->prepared)
        recall(request);
    if (request->execute && !request->prepared) {
        message.header.opcode = CQL_PREPARE;
        write_envelope(conn, &message);
        return;
    }
    if (request->execute) {
        message.header.opcode = CQL_EXECUTE;
        message.id = buf_str(&request->id);
        message.result_id = message.id;
    }
    p->consistency = 1;
    p->values = s->values;
    p->value_count = s->count;
    p->page_size = request->page_size;
    p->paging_state = request->paging_state.bytes ? buf_str(&request->paging_state) : STR_NONE;
    p->timestamp_us = request->timestamp_us;
    p->now_s = INT32_MIN;
    p->flags = (s->count ? CQL_QUERY_VALUES : 0u) |
               (request->page_size > 0 ? CQL_QUERY_PAGE_SIZE : 0u) |
               (request->paging_state.bytes ? CQL_QUERY_PAGING_STATE : 0u) |
               (request->timestamp_us != INT64_MIN ? CQL_QUERY_TIMESTAMP : 0u);
    write_envelope(conn, &message);
}

static void request_write(struct request *request)
{
    struct conn *conn = request->conn;
    request->stream = conn->next_stream++;
    if (request->batch)
        write_batch(conn, request);
    else
        write_one(conn, request);
}

static size_t data(void *owner, struct io_stream *stream, const uint8_t *bytes, size_t count);
static void closed(void *owner, struct io_stream *stream, enum err why);

void request_send(struct request *request)
{
    struct conn *conn = request->conn;
    static const struct io_stream_limits limits = {.in_max = 16 << 20, .out_max = 16 << 20};
    static const struct io_stream_events events = {.data = data, .closed = closed};
    request->order = ++conn->w->order;
    request->sent_s = wall_s(conn->w);
    request->next = conn->requests;
    conn->requests = request;
    if (conn->stream && conn->started)
        request_write(request);
    if (conn->stream)
        return;
    if (io_connect(conn->w->clients, "127.0.0.1:9042", NULL, NULL, &events, &limits, conn,
                   &conn->stream) != OK) {
        seed_fail(conn->w->run, "a client cannot connect");
        return;
    }
    conn->started = conn->framed = false;
    struct str options[] = {STR("CQL_VERSION"), STR("3.0.0"), STR("COMPRESSION"), STR("lz4")};
    struct cql_request startup = {.header = {.opcode = CQL_STARTUP, .stream = 0},
                                  .options = options,
                                  .option_count = conn->compression ? 4 : 2};
    conn->next_stream = 1;
    write_envelope(conn, &startup);
}

/* ---- connections --------------------------------------------------------------------------- */

static void greeted(struct conn *conn, const struct cql_header *header)
{
    if (header->opcode != CQL_READY) {
        seed_fail(conn->w->run, "%s instead of READY", cql_opcode_name(header->opcode));
        return;
    }
    conn->started = true;
    conn->framed = conn->version >= 5;
    reached(conn->w, conn->version == 5 ? MARK_VERSION_5 : MARK_VERSION_3);
    if (conn->compression)
        reached(conn->w, MARK_COMPRESSED);
    for (struct request *request = conn->requests; request; request = request->next)
        if (request->stream < 0)
            request_write(request);
}

static void answered(struct conn *conn, struct request *request, const struct cql_header *header,
                     struct str body)
{
    struct world *w = conn->w;
    struct arena arena;
    struct answer answer = {0};
    struct cql_prepared prepared = {0};
    arena_init(&arena, 64 << 20);
    seed_digest(w->run, body.ptr, body.bytes);
    if (!read_answer(header, body, &arena, &answer, &prepared)) {
        seed_fail(w->run, "%s that is not understood", cql_opcode_name(header->opcode));
    } else if (prepared.id.ptr) {
        remember(request, prepared.id);
        request_write(request);
    } else if (answer.is_error && answer.error.code == CQL_UNPREPARED && request->execute) {
        request->prepared = false;
        request->forgotten = true;
        request_write(request);
    } else {
        request_end(request, &answer);
    }
    arena_deinit(&arena);
}

static void envelope(struct conn *conn, const struct cql_header *header, struct str body)
{
    CLEAN(buf_deinit) struct buf plain = {0};
    struct request *request = conn->requests;
    if ((header->flags & CQL_FLAG_COMPRESSED) &&
        cql_body_decompress(conn->compression, body, 64 << 20, &plain) != OK) {
        seed_fail(conn->w->run, "a body does not decompress");
        return;
    }
    if (header->flags & CQL_FLAG_COMPRESSED)
        body = buf_str(&plain);
    if (!conn->started) {
        greeted(conn, header);
        return;
    }
    while (request && request->stream != header->stream)
        request = request->next;
    if (request)
        answered(conn, request, header, body);
    else
        seed_fail(conn->w->run, "an answer that nobody asked for");
}

/* Whole envelopes of what is there; how many bytes are done with. */
static size_t envelopes(struct conn *conn, const uint8_t *bytes, size_t count)
{
    size_t at = 0;
    struct cql_header header;
    while (count - at >= CQL_HEADER_BYTES && !failed(conn->w)) {
        bool was_framed = conn->framed;
        if (cql_header_parse(bytes + at, SIZE_MAX, &header) != OK || !header.response) {
            seed_fail(conn->w->run, "no header of an answer");
            break;
        }
        size_t whole = CQL_HEADER_BYTES + header.body_bytes;
        if (count - at < whole)
            break;
        envelope(conn, &header, str_from(bytes + at + CQL_HEADER_BYTES, header.body_bytes));
        at += whole;
        if (was_framed != conn->framed)
            break;
    }
    return at;
}

static size_t data(void *owner, struct io_stream *stream, const uint8_t *bytes, size_t count)
{
    struct conn *conn = owner;
    size_t at = 0;
    if (!conn->framed)
        at = envelopes(conn, bytes, count);
    CLEAN(buf_deinit) struct buf scratch = {0};
    while (conn->framed && at < count && !failed(conn->w)) {
        struct cql_segment segment;
        enum err err =
            cql_segment_parse(bytes + at, count - at, conn->compression, &scratch, &segment);
        if (err == ERR_TRUNCATED)
            break;
        if (err != OK) {
            seed_fail(conn->w->run, "a segment is damaged");
            break;
        }
        at += segment.bytes;
        buf_str_append(&conn->in, segment.payload);
        buf_consume(&conn->in, envelopes(conn, conn->in.ptr, conn->in.bytes));
    }
    return failed(conn->w) ? count : at;
}

static void closed(void *owner, struct io_stream *stream, enum err why)
{
    struct conn *conn = owner;
    struct request *list = conn->requests;
    conn->stream = NULL;
    conn->started = false;
    buf_reset(&conn->in);
    conn->requests = NULL;
    if (list)
        reached(conn->w, MARK_CONNECTION_LOST);
    while (list) {
        struct request *next = list->next;
        list->next = conn->requests;
        conn->requests = list;
        request_end(list, NULL);
        list = next;
    }
}

struct conn *conn_new(struct world *w)
{
    struct conn *conn = mem_zero(sizeof *conn);
    conn->w = w;
    conn->version = (uint8_t)(3 + pick(w, 3));
    conn->compression = chance(w, 30) ? CQL_LZ4 : CQL_UNCOMPRESSED;
    conn->next = w->conns;
    w->conns = conn;
    return conn;
}

void conn_cut(struct conn *conn)
{
    if (conn->stream)
        io_stream_abort(conn->stream, ERR_CANCELLED);
}

void conns_free(struct world *w)
{
    for (struct conn *conn = w->conns; conn; conn = conn->next)
        conn_cut(conn);
    for (int i = 0; i < 5; i++)
        io_loop_turn(w->clients, 0);
    while (w->conns) {
        struct conn *conn = w->conns;
        w->conns = conn->next;
        while (conn->requests) {
            struct request *request = conn->requests;
            conn->requests = request->next;
            request_free(request);
        }
        buf_deinit(&conn->in);
        mem_free(conn);
    }
}
