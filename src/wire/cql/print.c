/* SPDX-License-Identifier: MIT */
/*
 * Envelopes as text, one line each with the rows of a result below: for inspect and logs. Never
 * fails; bytes that do not parse are said to be so.
 */
#include "wire/cql/cql.h"
#include "wire/cql/private.h"

const char *cql_opcode_name(uint8_t opcode)
{
    static const char *const names[] = {
        "ERROR",     "STARTUP", "READY",          "AUTHENTICATE",  NULL,          "OPTIONS",
        "SUPPORTED", "QUERY",   "RESULT",         "PREPARE",       "EXECUTE",     "REGISTER",
        "EVENT",     "BATCH",   "AUTH_CHALLENGE", "AUTH_RESPONSE", "AUTH_SUCCESS"};
    return opcode < sizeof names / sizeof names[0] && names[opcode] ? names[opcode] : "UNKNOWN";
}

enum { PRINT_ROWS_MAX = 100, PRINT_ARENA_BYTES = 16 << 20 };

static void values_print(const struct cql_value *values, uint16_t count, struct buf *out)
{
    for (uint16_t i = 0; i < count; i++) {
        buf_text(out, i ? ", " : " [");
        if (values[i].name.ptr)
            buf_printf(out, "%.*s: ", STR_ARG(values[i].name));
        if (values[i].unset)
            buf_text(out, "unset");
        else
            cql_value_print(cql_simple(CQL_BLOB), values[i].bytes, out);
    }
    if (count)
        buf_char(out, ']');
}

static void request_print(const struct cql_header *header, struct str body, struct arena *arena,
                          struct buf *out)
{
    struct cql_request request;
    struct diag diag = {0};
    if (cql_request_decode(header, body, arena, &diag, &request) != OK) {
        buf_printf(out, ": %s", diag.message);
        return;
    }
    if (request.query.ptr)
        buf_printf(out, " %.*s", STR_ARG(request.query));
    if (request.id.ptr) {
        buf_char(out, ' ');
        cql_hex_print(request.id, out);
    }
    for (uint16_t i = 0; i < request.option_count; i++)
        buf_printf(out, " %.*s", STR_ARG(request.options[i]));
    values_print(request.parameters.values, request.parameters.value_count, out);
    for (uint16_t i = 0; i < request.item_count; i++) {
        buf_text(out, "\n  ");
        if (request.items[i].query.ptr)
            buf_str_append(out, request.items[i].query);
        else
            cql_hex_print(request.items[i].id, out);
        values_print(request.items[i].values, request.items[i].value_count, out);
    }
}

static void rows_print(struct reader *r, unsigned version, struct arena *arena, struct buf *out)
{
    struct cql_rows_metadata metadata;
    if (cql_rows_metadata_read(r, version, arena, &metadata) != OK) {
        buf_text(out, ": metadata does not parse");
        return;
    }
    uint32_t rows = reader_be32(r);
    buf_printf(out, " %u rows of %zu columns%s", rows, metadata.column_count,
               metadata.paging_state.ptr ? ", more follow" : "");
    for (uint32_t i = 0; i < rows && i < PRINT_ROWS_MAX && r->err == OK; i++) {
        buf_text(out, "\n ");
        for (size_t c = 0; c < metadata.column_count && r->err == OK; c++) {
            struct str value = cql_bytes_read(r);
            buf_char(out, ' ');
            cql_value_print(metadata.no_metadata ? cql_simple(CQL_BLOB) : metadata.columns[c].type,
                            value, out);
        }
    }
    if (r->err != OK)
        buf_text(out, ": cut short");
}

static void texts_print(struct reader *r, struct buf *out)
{
    while (r->left >= 2 && r->err == OK) {
        struct str text = cql_string_read(r);
        if (r->err == OK)
            buf_printf(out, " %.*s", STR_ARG(text));
    }
}

static void response_print(const struct cql_header *header, struct str body, struct arena *arena,
                           struct buf *out)
{
    struct reader r = reader_of(body.ptr, body.bytes);
    if (header->flags & CQL_FLAG_TRACING)
        reader_take(&r, 16);
    for (uint16_t i = header->flags & CQL_FLAG_WARNINGS ? reader_be16(&r) : 0; i && r.err == OK;
         i--)
        buf_printf(out, " (%.*s)", STR_ARG(cql_string_read(&r)));
    for (uint16_t i = header->flags & CQL_FLAG_PAYLOAD ? reader_be16(&r) : 0; i && r.err == OK;
         i--) {
        cql_string_read(&r);
        cql_bytes_read(&r);
    }
    if (header->opcode == CQL_ERROR) {
        struct cql_error error;
        if (cql_error_read(&r, header->version, arena, &error) == OK)
            buf_printf(out, " 0x%04x %.*s", error.code, STR_ARG(error.message));
        return;
    }
    if (header->opcode != CQL_RESULT) {
        if (header->opcode == CQL_EVENT || header->opcode == CQL_AUTHENTICATE)
            texts_print(&r, out);
        return;
    }
    static const char *const kinds[] = {"",         "void",     "rows",
                                        "keyspace", "prepared", "schema change"};
    uint32_t kind = reader_be32(&r);
    if (kind < 1 || kind > 5) {
        buf_text(out, ": of no known kind");
        return;
    }
    buf_printf(out, " %s", kinds[kind]);
    if (kind == CQL_RESULT_ROWS) {
        rows_print(&r, header->version, arena, out);
    } else if (kind == CQL_RESULT_PREPARED) {
        buf_char(out, ' ');
        cql_hex_print(cql_short_bytes_read(&r), out);
    } else {
        texts_print(&r, out);
    }
}

void cql_envelope_print(struct str envelope, struct buf *out)
{
    struct cql_header header;
    if (envelope.bytes < CQL_HEADER_BYTES ||
        cql_header_parse((const uint8_t *)envelope.ptr, envelope.bytes - CQL_HEADER_BYTES,
                         &header) != OK) {
        buf_text(out, "an envelope that is cut short\n");
        return;
    }
    struct str body = str_slice(envelope, CQL_HEADER_BYTES, CQL_HEADER_BYTES + header.body_bytes);
    buf_printf(out, "%s v%u stream %d, %u bytes", cql_opcode_name(header.opcode), header.version,
               header.stream, header.body_bytes);
    if (header.flags & CQL_FLAG_COMPRESSED) {
        buf_text(out, ", compressed\n");
        return;
    }
    struct arena arena;
    arena_init(&arena, PRINT_ARENA_BYTES);
    if (header.response)
        response_print(&header, body, &arena, out);
    else
        request_print(&header, body, &arena, out);
    arena_deinit(&arena);
    buf_char(out, '\n');
}
