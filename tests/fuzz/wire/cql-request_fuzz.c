/* SPDX-License-Identifier: MIT */
/* CQL requests: whatever decodes is the same after it was encoded and decoded again, and printing
 * any envelope ends. */
#include "base/check.h"
#include "wire/cql/cql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buf text = {.bytes_max = 64 << 20}, first = {0}, second = {0};
    cql_envelope_print(str_from(data, bytes), &text);
    buf_deinit(&text);
    struct cql_header header;
    if (bytes < CQL_HEADER_BYTES || cql_header_parse(data, bytes - CQL_HEADER_BYTES, &header) != OK)
        return 0;
    struct arena arena;
    arena_init(&arena, 16 << 20);
    struct cql_request request, again;
    struct diag diag = {0};
    struct str body = str_from(data + CQL_HEADER_BYTES, header.body_bytes);
    enum err err = cql_request_decode(&header, body, &arena, &diag, &request);
    if (err == OK) {
        cql_request_encode(&request, &first);
        struct cql_header same = header;
        same.flags = request.header.flags &= (uint8_t)~CQL_FLAG_PAYLOAD;
        buf_reset(&first);
        cql_request_encode(&request, &first);
        check(buf_error(&first) == OK);
        body = str_slice(buf_str(&first), CQL_HEADER_BYTES, first.bytes);
        check(cql_request_decode(&same, body, &arena, &diag, &again) == OK);
        cql_request_encode(&again, &second);
        check(str_equal(buf_str(&first), buf_str(&second)));
    } else {
        check(err == ERR_CORRUPT || err == ERR_LIMIT);
        check(err == ERR_LIMIT || diag.message[0]);
    }
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&arena);
    return 0;
}
