/* SPDX-License-Identifier: MIT */
/*
 * Requests, both ways.
 *
 *     QUERY    [long string], parameters
 *     PREPARE  [long string]; v5: [int] flags, [string] keyspace if 0x01
 *     EXECUTE  [short bytes] id; v5: [short bytes] id of the result's metadata; parameters
 *     BATCH    u8 type, u16 n, n x (u8 kind, [long string] or [short bytes], u16 n, values),
 *              parameters without values
 *     parameters  u16 consistency, flags (u8; v5 i32), then what the flags say in the order of
 *              their bits: values (named with 0x40), page size, paging state, serial consistency,
 *              timestamp, keyspace, now in seconds
 *
 * Nothing is sized by a count before the bytes that it needs are known to be there. A request's
 * custom payload is read over. What stands behind the last field is ignored, as Cassandra does.
 */
#include "wire/cql/cql.h"

struct request_reader {
    struct reader r;
    struct arena *arena;
    struct diag *diag;
    unsigned version;
};

static enum err protocol_error(struct request_reader *q, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static enum err protocol_error(struct request_reader *q, const char *format, ...)
{
    char text[300];
    struct buf out = {.bytes_max = sizeof text};
    va_list args;
    va_start(args, format);
    buf_vprintf(&out, format, args);
    va_end(args);
    enum err err = diag_set(q->diag, ERR_CORRUPT, 0, 0, "%.*s", STR_ARG(buf_str(&out)));
    buf_deinit(&out);
    return err;
}

/* The reader's sticky error in words. */
static enum err read_whole(struct request_reader *q, const char *what)
{
    if (q->r.err == OK)
        return OK;
    return protocol_error(q, "Not enough bytes to read %s", what);
}

static enum err read_text(struct request_reader *q, bool is_long, struct str *ret_text)
{
    struct str text = is_long ? cql_long_string_read(&q->r) : cql_string_read(&q->r);
    TRY(read_whole(q, is_long ? "an UTF8 serialized string preceded by its 4 bytes length"
                              : "an UTF8 serialized string preceded by its 2 bytes length"));
    if (!str_is_utf8(text))
        return protocol_error(q, "Cannot decode string as UTF8");
    *ret_text = text;
    return OK;
}

static enum err read_consistency(struct request_reader *q, uint16_t *ret_consistency)
{
    uint16_t code = reader_be16(&q->r);
    TRY(read_whole(q, "a consistency level"));
    if (code > 0x0A)
        return protocol_error(q, "Unknown code %u for a consistency level", code);
    *ret_consistency = code;
    return OK;
}

static enum err read_values(struct request_reader *q, bool named, struct cql_value **ret_values,
                            uint16_t *ret_count)
{
    uint16_t count = reader_be16(&q->r);
    TRY(read_whole(q, "the number of values"));
    if (count > q->r.left / 4) {
        reader_fail(&q->r, ERR_TRUNCATED);
        return read_whole(q, "the values");
    }
    struct cql_value *values = arena_try(q->arena, (size_t)count * sizeof *values + 1);
    if (!values)
        return ERR_LIMIT;
    for (uint16_t i = 0; i < count; i++) {
        struct cql_value *value = &values[i];
        *value = (struct cql_value){0};
        if (named)
            TRY(read_text(q, false, &value->name));
        int32_t bytes = (int32_t)reader_be32(&q->r);
        if (bytes >= 0)
            value->bytes = reader_str(&q->r, (size_t)bytes);
        else if (bytes == -2)
            value->unset = true;
        else if (bytes != -1)
            return protocol_error(q, "Invalid ByteBuf length %d", bytes);
        TRY(read_whole(q, "a value"));
    }
    *ret_values = values;
    *ret_count = count;
    return OK;
}

static enum err read_flags(struct request_reader *q, struct cql_parameters *p)
{
    if (p->flags & CQL_QUERY_PAGE_SIZE)
        p->page_size = (int32_t)reader_be32(&q->r);
    if (p->flags & CQL_QUERY_PAGING_STATE)
        p->paging_state = cql_bytes_read(&q->r);
    TRY(read_whole(q, "the page size and the paging state"));
    if (p->flags & CQL_QUERY_SERIAL)
        TRY(read_consistency(q, &p->serial_consistency));
    if (p->flags & CQL_QUERY_TIMESTAMP) {
        p->timestamp_us = (int64_t)reader_be64(&q->r);
        TRY(read_whole(q, "the timestamp"));
        if (p->timestamp_us == INT64_MIN)
            return protocol_error(q, "Out of bound timestamp, must be in [%lld, %lld] (got %lld)",
                                  (long long)INT64_MIN + 1, (long long)INT64_MAX,
                                  (long long)INT64_MIN);
    }
    if (p->flags & CQL_QUERY_KEYSPACE)
        TRY(read_text(q, false, &p->keyspace));
    if (p->flags & CQL_QUERY_NOW)
        p->now_s = (int32_t)reader_be32(&q->r);
    return read_whole(q, "the query's options");
}

static void parameters_init(struct cql_parameters *p)
{
    *p = (struct cql_parameters){
        .serial_consistency = 8, .timestamp_us = INT64_MIN, .now_s = INT32_MIN};
}

static enum err read_parameters(struct request_reader *q, bool batch, struct cql_parameters *p)
{
    TRY(read_consistency(q, &p->consistency));
    p->flags = q->version >= 5 ? reader_be32(&q->r) : reader_u8(&q->r);
    TRY(read_whole(q, "the query's flags"));
    if (batch)
        p->flags &= ~(uint32_t)(CQL_QUERY_VALUES | CQL_QUERY_NAMES);
    if (p->flags & CQL_QUERY_VALUES)
        TRY(read_values(q, p->flags & CQL_QUERY_NAMES, &p->values, &p->value_count));
    return read_flags(q, p);
}

static enum err read_batch(struct request_reader *q, struct cql_request *request)
{
    request->batch_type = reader_u8(&q->r);
    uint16_t count = reader_be16(&q->r);
    TRY(read_whole(q, "the batch"));
    if (request->batch_type > 2)
        return protocol_error(q, "Invalid BATCH message type %u", request->batch_type);
    if (count > q->r.left / 5) {
        reader_fail(&q->r, ERR_TRUNCATED);
        return read_whole(q, "the statements of the batch");
    }
    request->items = arena_try(q->arena, (size_t)count * sizeof *request->items + 1);
    if (!request->items)
        return ERR_LIMIT;
    for (uint16_t i = 0; i < count; i++) {
        struct cql_batch_item *item = &request->items[i];
        *item = (struct cql_batch_item){0};
        uint8_t kind = reader_u8(&q->r);
        TRY(read_whole(q, "a statement of the batch"));
        if (kind > 1)
            return protocol_error(
                q, "Invalid query kind in BATCH messages. Must be 0 or 1 but got %u", kind);
        if (kind == 0)
            TRY(read_text(q, true, &item->query));
        else
            item->id = cql_short_bytes_read(&q->r);
        TRY(read_whole(q, "the id of a statement"));
        TRY(read_values(q, false, &item->values, &item->value_count));
    }
    request->item_count = count;
    return read_parameters(q, true, &request->parameters);
}

/* STARTUP has pairs, REGISTER single texts. */
static enum err read_options(struct request_reader *q, unsigned each, struct cql_request *request)
{
    uint16_t count = reader_be16(&q->r);
    TRY(read_whole(q, "the number of options"));
    if ((size_t)count * each > q->r.left / 2) {
        reader_fail(&q->r, ERR_TRUNCATED);
        return read_whole(q, "the options");
    }
    request->options = arena_try(q->arena, (size_t)count * each * sizeof(struct str) + 1);
    if (!request->options)
        return ERR_LIMIT;
    for (size_t i = 0; i < (size_t)count * each; i++)
        TRY(read_text(q, false, &request->options[i]));
    if ((size_t)count * each > UINT16_MAX)
        return protocol_error(q, "Too many options");
    request->option_count = (uint16_t)(count * each);
    return OK;
}

static enum err read_payload(struct request_reader *q)
{
    uint16_t count = reader_be16(&q->r);
    for (uint16_t i = 0; i < count && q->r.err == OK; i++) {
        cql_string_read(&q->r);
        cql_bytes_read(&q->r);
    }
    return read_whole(q, "the custom payload");
}

static enum err read_prepare(struct request_reader *q, struct cql_request *request)
{
    TRY(read_text(q, true, &request->query));
    if (q->version < 5)
        return OK;
    uint32_t flags = reader_be32(&q->r);
    TRY(read_whole(q, "the flags of PREPARE"));
    return flags & 1 ? read_text(q, false, &request->parameters.keyspace) : OK;
}

enum err cql_request_decode(const struct cql_header *header, struct str body, struct arena *arena,
                            struct diag *diag, struct cql_request *ret_request)
{
    struct request_reader q = {reader_of(body.ptr, body.bytes), arena, diag, header->version};
    struct cql_request *request = ret_request;
    *request = (struct cql_request){.header = *header};
    parameters_init(&request->parameters);
    if (header->version >= 4 && header->flags & CQL_FLAG_PAYLOAD)
        TRY(read_payload(&q));
    switch (header->opcode) {
    case CQL_STARTUP:
        return read_options(&q, 2, request);
    case CQL_OPTIONS:
        return OK;
    case CQL_QUERY:
        TRY(read_text(&q, true, &request->query));
        return read_parameters(&q, false, &request->parameters);
    case CQL_PREPARE:
        return read_prepare(&q, request);
    case CQL_EXECUTE:
        request->id = cql_short_bytes_read(&q.r);
        if (q.version >= 5)
            request->result_id = cql_short_bytes_read(&q.r);
        TRY(read_whole(&q, "the id of the statement"));
        return read_parameters(&q, false, &request->parameters);
    case CQL_REGISTER:
        return read_options(&q, 1, request);
    case CQL_BATCH:
        return read_batch(&q, request);
    case CQL_AUTH_RESPONSE:
        request->token = cql_bytes_read(&q.r);
        return read_whole(&q, "the token");
    default:
        return protocol_error(&q, "Unknown opcode %u", header->opcode);
    }
}

/* ---- encoding, the client's side ---- */

static void values_append(struct buf *out, const struct cql_value *values, uint16_t count,
                          bool named)
{
    buf_be16(out, count);
    for (uint16_t i = 0; i < count; i++) {
        if (named)
            cql_string_append(out, values[i].name);
        if (values[i].unset)
            buf_be32(out, (uint32_t)-2);
        else
            cql_bytes_append(out, values[i].bytes);
    }
}

static void parameters_append(struct buf *out, unsigned version, const struct cql_parameters *p)
{
    buf_be16(out, p->consistency);
    if (version >= 5)
        buf_be32(out, p->flags);
    else
        buf_u8(out, (uint8_t)p->flags);
    if (p->flags & CQL_QUERY_VALUES)
        values_append(out, p->values, p->value_count, p->flags & CQL_QUERY_NAMES);
    if (p->flags & CQL_QUERY_PAGE_SIZE)
        buf_be32(out, (uint32_t)p->page_size);
    if (p->flags & CQL_QUERY_PAGING_STATE)
        cql_bytes_append(out, p->paging_state);
    if (p->flags & CQL_QUERY_SERIAL)
        buf_be16(out, p->serial_consistency);
    if (p->flags & CQL_QUERY_TIMESTAMP)
        buf_be64(out, (uint64_t)p->timestamp_us);
    if (p->flags & CQL_QUERY_KEYSPACE)
        cql_string_append(out, p->keyspace);
    if (p->flags & CQL_QUERY_NOW)
        buf_be32(out, (uint32_t)p->now_s);
}

static void batch_append(struct buf *out, unsigned version, const struct cql_request *request)
{
    buf_u8(out, request->batch_type);
    buf_be16(out, request->item_count);
    for (uint16_t i = 0; i < request->item_count; i++) {
        const struct cql_batch_item *item = &request->items[i];
        buf_u8(out, item->query.ptr ? 0 : 1);
        if (item->query.ptr)
            cql_long_string_append(out, item->query);
        else
            cql_short_bytes_append(out, item->id);
        values_append(out, item->values, item->value_count, false);
    }
    parameters_append(out, version, &request->parameters);
}

static void options_append(struct buf *out, unsigned each, const struct cql_request *request)
{
    buf_be16(out, (uint16_t)(request->option_count / each));
    for (uint16_t i = 0; i < request->option_count; i++)
        cql_string_append(out, request->options[i]);
}

void cql_request_encode(const struct cql_request *request, struct buf *out)
{
    const struct cql_header *h = &request->header;
    size_t at = cql_envelope_begin(out, h->version, false, h->flags, h->stream, h->opcode);
    switch (h->opcode) {
    case CQL_STARTUP:
        options_append(out, 2, request);
        break;
    case CQL_QUERY:
        cql_long_string_append(out, request->query);
        parameters_append(out, h->version, &request->parameters);
        break;
    case CQL_PREPARE:
        cql_long_string_append(out, request->query);
        if (h->version >= 5) {
            buf_be32(out, request->parameters.keyspace.ptr ? 1 : 0);
            if (request->parameters.keyspace.ptr)
                cql_string_append(out, request->parameters.keyspace);
        }
        break;
    case CQL_EXECUTE:
        cql_short_bytes_append(out, request->id);
        if (h->version >= 5)
            cql_short_bytes_append(out, request->result_id);
        parameters_append(out, h->version, &request->parameters);
        break;
    case CQL_REGISTER:
        options_append(out, 1, request);
        break;
    case CQL_BATCH:
        batch_append(out, h->version, request);
        break;
    case CQL_AUTH_RESPONSE:
        cql_bytes_append(out, request->token);
        break;
    default: /* OPTIONS has no body */
        break;
    }
    cql_envelope_end(out, at);
}
