/* SPDX-License-Identifier: MIT */
/* The native protocol: requests of every version there and back, segments, results, errors; each
 * cut at every byte and with bits turned over. */
#include "base/prng.h"
#include "wire/cql/cql.h"

#include "test.h"

static struct cql_value some_values[] = {
    {.bytes = {"\0\0\0\1", 4}}, {.bytes = {NULL, 0}}, {.unset = true}, {.bytes = {"", 0}}};
static struct cql_value named_values[] = {{.name = {"id", 2}, .bytes = {"x", 1}},
                                          {.name = {"v", 1}, .bytes = {NULL, 0}}};
static struct cql_batch_item some_items[] = {
    {.query = {"INSERT", 6}, .values = some_values, .value_count = 4},
    {.id = {"0123456789abcdef", 16}, .values = some_values, .value_count = 1},
};
static struct str startup[] = {{"CQL_VERSION", 11}, {"3.0.0", 5}, {"COMPRESSION", 11}, {"lz4", 3}};
static struct str events[] = {{"SCHEMA_CHANGE", 13}, {"STATUS_CHANGE", 13}};

/* One request of each shape. */
static size_t requests(unsigned version, struct cql_request *out)
{
    uint32_t all = CQL_QUERY_VALUES | CQL_QUERY_SKIP_METADATA | CQL_QUERY_PAGE_SIZE |
                   CQL_QUERY_PAGING_STATE | CQL_QUERY_SERIAL | CQL_QUERY_TIMESTAMP;
    struct cql_parameters full = {.consistency = 6,
                                  .flags = all,
                                  .values = some_values,
                                  .value_count = 4,
                                  .page_size = 5000,
                                  .paging_state = STR("page"),
                                  .serial_consistency = 9,
                                  .timestamp_us = 1234567890123456,
                                  .now_s = INT32_MIN};
    if (version >= 5) {
        full.flags |= CQL_QUERY_KEYSPACE | CQL_QUERY_NOW;
        full.keyspace = STR("ks");
        full.now_s = 77;
    }
    struct cql_parameters bare = {
        .consistency = 1, .serial_consistency = 8, .timestamp_us = INT64_MIN, .now_s = INT32_MIN};
    struct cql_parameters named = bare;
    named.flags = CQL_QUERY_VALUES | CQL_QUERY_NAMES;
    named.values = named_values;
    named.value_count = 2;
    struct cql_parameters batch = bare;
    batch.flags = CQL_QUERY_SERIAL | CQL_QUERY_TIMESTAMP;
    batch.timestamp_us = -5;
    struct cql_request made[] = {
        {.header = {.opcode = CQL_OPTIONS}},
        {.header = {.opcode = CQL_STARTUP}, .options = startup, .option_count = 4},
        {.header = {.opcode = CQL_REGISTER}, .options = events, .option_count = 2},
        {.header = {.opcode = CQL_QUERY}, .query = STR("SELECT 1"), .parameters = bare},
        {.header = {.opcode = CQL_QUERY}, .query = STR(""), .parameters = full},
        {.header = {.opcode = CQL_QUERY}, .query = STR("Q"), .parameters = named},
        {.header = {.opcode = CQL_PREPARE}, .query = STR("SELECT ?"), .parameters = bare},
        {.header = {.opcode = CQL_EXECUTE}, .id = STR("idididid"), .parameters = full},
        {.header = {.opcode = CQL_BATCH},
         .batch_type = 1,
         .items = some_items,
         .item_count = 2,
         .parameters = batch},
        {.header = {.opcode = CQL_AUTH_RESPONSE}, .token = {"\0u\0p", 4}},
    };
    size_t count = sizeof made / sizeof made[0];
    for (size_t i = 0; i < count; i++) {
        made[i].header.version = (uint8_t)version;
        made[i].header.stream = (int16_t)(i * 1000);
        if (version >= 5 && made[i].header.opcode == CQL_EXECUTE)
            made[i].result_id = STR("rrrr");
        if (version >= 5 && made[i].header.opcode == CQL_PREPARE)
            made[i].parameters.keyspace = STR("ks");
        out[i] = made[i];
    }
    return count;
}

static void assert_value(const struct cql_value *a, const struct cql_value *b)
{
    assert_true(str_equal(a->name, b->name) && str_equal(a->bytes, b->bytes));
    assert_true(a->unset == b->unset && !a->bytes.ptr == !b->bytes.ptr);
}

static void assert_same(const struct cql_request *a, const struct cql_request *b)
{
    const struct cql_parameters *p = &a->parameters, *q = &b->parameters;
    assert_int_equal(a->header.stream, b->header.stream);
    assert_true(str_equal(a->query, b->query) && str_equal(a->id, b->id));
    assert_true(str_equal(a->result_id, b->result_id) && str_equal(a->token, b->token));
    assert_int_equal(a->option_count, b->option_count);
    for (size_t i = 0; i < a->option_count; i++)
        assert_true(str_equal(a->options[i], b->options[i]));
    assert_int_equal(a->item_count, b->item_count);
    for (size_t i = 0; i < a->item_count; i++) {
        assert_true(str_equal(a->items[i].query, b->items[i].query));
        assert_true(str_equal(a->items[i].id, b->items[i].id));
        assert_int_equal(a->items[i].value_count, b->items[i].value_count);
        for (size_t v = 0; v < a->items[i].value_count; v++)
            assert_value(&a->items[i].values[v], &b->items[i].values[v]);
    }
    if (a->header.opcode != CQL_QUERY && a->header.opcode != CQL_EXECUTE &&
        a->header.opcode != CQL_BATCH)
        return;
    assert_int_equal(p->consistency, q->consistency);
    assert_int_equal(p->flags, q->flags);
    assert_int_equal(p->value_count, q->value_count);
    for (size_t v = 0; v < p->value_count; v++)
        assert_value(&p->values[v], &q->values[v]);
    assert_int_equal(p->page_size, q->page_size);
    assert_true(str_equal(p->paging_state, q->paging_state) && str_equal(p->keyspace, q->keyspace));
    assert_int_equal(p->serial_consistency, q->serial_consistency);
    assert_true(p->timestamp_us == q->timestamp_us && p->now_s == q->now_s);
}

static void request_round_trips(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct prng prng = {5};
    for (unsigned version = 3; version <= 5; version++) {
        struct cql_request made[16];
        size_t count = requests(version, made);
        for (size_t i = 0; i < count; i++) {
            struct buf out = {0};
            cql_request_encode(&made[i], &out);
            assert_ok(buf_error(&out));
            struct cql_header header;
            assert_ok(cql_header_parse(out.ptr, out.bytes, &header));
            assert_int_equal(out.bytes - CQL_HEADER_BYTES, header.body_bytes);
            struct str body = str_slice(buf_str(&out), CQL_HEADER_BYTES, out.bytes);
            struct cql_request back;
            struct diag diag = {0};
            assert_ok(cql_request_decode(&header, body, &arena, &diag, &back));
            assert_same(&made[i], &back);
            /* Cut anywhere it is refused (no field of these may be missing). */
            for (size_t cut = 0; cut < body.bytes; cut++) {
                uint8_t *copy = mem_alloc(cut ? cut : 1);
                memcpy(copy, body.ptr, cut);
                diag = (struct diag){0};
                assert_int_equal(ERR_CORRUPT, cql_request_decode(&header, str_from(copy, cut),
                                                                 &arena, &diag, &back));
                assert_true(diag.message[0]);
                mem_free(copy);
            }
            /* Damaged it is taken or refused, without reading outside. */
            for (int turn = 0; body.bytes && turn < 300; turn++) {
                uint8_t *copy = mem_alloc(body.bytes);
                memcpy(copy, body.ptr, body.bytes);
                for (int j = 0; j < 3; j++)
                    copy[prng_below(&prng, body.bytes)] = (uint8_t)prng_next(&prng);
                enum err err =
                    cql_request_decode(&header, str_from(copy, body.bytes), &arena, NULL, &back);
                assert_true(err == OK || err == ERR_CORRUPT || err == ERR_LIMIT);
                mem_free(copy);
                arena_reset(&arena);
            }
            struct buf text = {0};
            cql_envelope_print(buf_str(&out), &text);
            assert_true(text.bytes > 10 && text.ptr[text.bytes - 1] == '\n');
            buf_deinit(&text);
            buf_deinit(&out);
        }
    }
    arena_deinit(&arena);
}

static void known_bytes(void **state)
{
    /* QUERY of v4: "S", ONE, page size 100 and a timestamp, as drivers send it. */
    static const uint8_t query[] = {4, 0,    0, 1, 7, 0,   0, 0, 20, 0, 0, 0, 1, 'S', 0,
                                    1, 0x24, 0, 0, 0, 100, 0, 0, 0,  0, 0, 0, 1, 0};
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct cql_header header;
    assert_ok(cql_header_parse(query, 100, &header));
    assert_err(ERR_LIMIT, cql_header_parse(query, 19, &header));
    struct cql_request request;
    assert_ok(cql_request_decode(&header, str_from(query + 9, 20), &arena, NULL, &request));
    assert_str("S", request.query);
    assert_int_equal(100, request.parameters.page_size);
    assert_int_equal(256, request.parameters.timestamp_us);
    struct buf out = {0};
    cql_request_encode(&request, &out);
    assert_true(str_equal(str_from(query, sizeof query), buf_str(&out)));
    /* The message must be in Cassandra's words, the opcode known. */
    struct diag diag = {0};
    header.opcode = 0x55;
    assert_err(ERR_CORRUPT, cql_request_decode(&header, STR(""), &arena, &diag, &request));
    assert_string_equal("Unknown opcode 85", diag.message);
    /* A count of values that no body could hold costs no memory. */
    header.opcode = CQL_QUERY;
    assert_err(ERR_CORRUPT, cql_request_decode(&header, str_from("\0\0\0\1S\0\1\1\xFF\xFF\0\0", 12),
                                               &arena, NULL, &request));
    buf_deinit(&out);
    arena_deinit(&arena);
}

/* ---- compression ---- */

static void bodies(void **state)
{
    for (int how = CQL_LZ4; how <= CQL_SNAPPY; how++)
        for (size_t bytes = 0; bytes < 100000; bytes = bytes * 3 + 7) {
            struct buf out = {0}, back = {0};
            buf_text(&out, "before");
            size_t at = cql_envelope_begin(&out, 4, true, 0, 1, CQL_RESULT);
            for (size_t i = 0; i < bytes; i++)
                buf_u8(&out, (uint8_t)(i % 50));
            cql_envelope_end(&out, at);
            cql_body_compress((enum cql_compression)how, &out, at);
            struct cql_header header;
            assert_ok(cql_header_parse(out.ptr + at, out.bytes, &header));
            struct str body = str_slice(buf_str(&out), at + 9, out.bytes);
            assert_int_equal(body.bytes, header.body_bytes);
            if (bytes < 200) {
                buf_deinit(&out);
                continue;
            }
            assert_int_equal(CQL_FLAG_COMPRESSED, header.flags);
            assert_ok(cql_body_decompress((enum cql_compression)how, body, bytes, &back));
            assert_int_equal(bytes, back.bytes);
            for (size_t i = 0; i < bytes; i++)
                assert_int_equal(i % 50, back.ptr[i]);
            buf_reset(&back);
            assert_err(ERR_LIMIT,
                       cql_body_decompress((enum cql_compression)how, body, bytes - 1, &back));
            for (size_t cut = 0; cut < body.bytes; cut += 1 + body.bytes / 50) {
                uint8_t *copy = mem_alloc(cut ? cut : 1);
                memcpy(copy, body.ptr, cut);
                buf_reset(&back);
                assert_true(cql_body_decompress((enum cql_compression)how, str_from(copy, cut),
                                                bytes, &back) != OK);
                mem_free(copy);
            }
            buf_deinit(&out);
            buf_deinit(&back);
        }
}

/* ---- segments ---- */

static void envelope(struct buf *out, size_t body_bytes, uint8_t fill, bool noise)
{
    struct prng prng = {body_bytes};
    size_t at = cql_envelope_begin(out, 5, true, 0, 3, CQL_RESULT);
    for (size_t i = 0; i < body_bytes; i++)
        buf_u8(out, noise ? (uint8_t)prng_next(&prng) : fill);
    cql_envelope_end(out, at);
}

/* Parses all segments; the payloads joined. Counts them. */
static void segments_read(struct str data, enum cql_compression how, struct buf *out,
                          size_t *ret_contained, size_t *ret_parts)
{
    struct buf scratch = {0};
    *ret_contained = *ret_parts = 0;
    while (data.bytes) {
        struct cql_segment segment;
        assert_ok(
            cql_segment_parse((const uint8_t *)data.ptr, data.bytes, how, &scratch, &segment));
        assert_true(segment.payload.bytes <= CQL_SEGMENT_PAYLOAD_MAX);
        if (segment.self_contained)
            ++*ret_contained;
        else
            ++*ret_parts;
        buf_str_append(out, segment.payload);
        data = str_slice(data, segment.bytes, data.bytes);
    }
    buf_deinit(&scratch);
}

static void segments(void **state)
{
    for (int how = CQL_UNCOMPRESSED; how <= CQL_LZ4; how++)
        for (int noise = 0; noise < 2; noise++) {
            struct buf in = {0}, out = {0}, back = {0};
            size_t contained, parts;
            for (int i = 0; i < 1000; i++)
                envelope(&in, (size_t)i, (uint8_t)i, noise);
            envelope(&in, CQL_SEGMENT_PAYLOAD_MAX - 9, 1, noise);
            envelope(&in, CQL_SEGMENT_PAYLOAD_MAX - 8, 2, noise);
            envelope(&in, 500000, 3, noise);
            envelope(&in, 4, 4, noise);
            cql_segments_append(buf_str(&in), (enum cql_compression)how, &out);
            assert_ok(buf_error(&out));
            segments_read(buf_str(&out), (enum cql_compression)how, &back, &contained, &parts);
            assert_true(str_equal(buf_str(&in), buf_str(&back)));
            /* 508 KB of small ones in 4 or 5, one full, and the last. */
            assert_in_range(contained, 6, 7);
            assert_int_equal(2 + 4, parts);
            if (how == CQL_LZ4 && !noise)
                assert_true(out.bytes < in.bytes / 5);
            buf_deinit(&in);
            buf_deinit(&out);
            buf_deinit(&back);
        }
}

static void damaged_segments(void **state)
{
    for (int how = CQL_UNCOMPRESSED; how <= CQL_LZ4; how++) {
        struct buf in = {0}, out = {0}, scratch = {0};
        envelope(&in, 300, 7, false);
        cql_segments_append(buf_str(&in), (enum cql_compression)how, &out);
        struct cql_segment segment;
        for (size_t cut = 0; cut < out.bytes; cut++) {
            uint8_t *copy = mem_alloc(cut ? cut : 1);
            memcpy(copy, out.ptr, cut);
            assert_err(ERR_TRUNCATED,
                       cql_segment_parse(copy, cut, (enum cql_compression)how, &scratch, &segment));
            mem_free(copy);
        }
        /* Any bit turned over is found. */
        for (size_t bit = 0; bit < out.bytes * 8; bit++) {
            out.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_err(ERR_CORRUPT, cql_segment_parse(out.ptr, out.bytes, (enum cql_compression)how,
                                                      &scratch, &segment));
            out.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_ok(
            cql_segment_parse(out.ptr, out.bytes, (enum cql_compression)how, &scratch, &segment));
        buf_deinit(&in);
        buf_deinit(&out);
        buf_deinit(&scratch);
    }
    /* As the Python driver writes it: OPTIONS in one segment. */
    static const uint8_t known[] = {0x09, 0x00, 0x02, 0xa4, 0xc8, 0xc1, 0x05, 0x00, 0x00, 0x00,
                                    0x05, 0x00, 0x00, 0x00, 0x00, 0x10, 0x86, 0x28, 0x4d};
    struct buf out = {0};
    cql_segments_append(str_from("\5\0\0\0\5\0\0\0\0", 9), CQL_UNCOMPRESSED, &out);
    assert_int_equal(sizeof known, out.bytes);
    assert_memory_equal(known, out.ptr, sizeof known);
    buf_deinit(&out);
}

/* ---- results ---- */

static void results(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct cql_column columns[] = {
        {STR("k"), STR("t"), STR("a"), cql_simple(CQL_INT)},
        {STR("k"), STR("t"), STR("b"), cql_list(&arena, cql_simple(CQL_DURATION), false)},
    };
    const struct cql_column two_tables[] = {
        {STR("k"), STR("t"), STR("a"), cql_simple(CQL_INT)},
        {STR("k"), STR("u"), STR("b"), cql_simple(CQL_TIME)},
    };
    const uint16_t pk[] = {1, 0};
    for (unsigned version = 3; version <= 5; version++)
        for (int shape = 0; shape < 4; shape++) {
            struct cql_rows_metadata made = {.columns = shape == 1 ? two_tables : columns,
                                             .column_count = 2,
                                             .no_metadata = shape == 2};
            if (shape == 3) {
                made.paging_state = STR("more");
                made.new_id = STR("new");
            }
            struct buf out = {0};
            cql_rows_metadata_append(&out, version, &made);
            struct reader r = reader_of(out.ptr, out.bytes);
            struct cql_rows_metadata back;
            assert_ok(cql_rows_metadata_read(&r, version, &arena, &back));
            assert_int_equal(0, r.left);
            assert_int_equal(2, back.column_count);
            assert_true(back.no_metadata == made.no_metadata);
            assert_true(str_equal(back.paging_state, made.paging_state));
            assert_true(str_equal(back.new_id, version >= 5 ? made.new_id : STR_NONE));
            for (size_t i = 0; i < 2 && !back.no_metadata; i++) {
                assert_true(str_equal(back.columns[i].table, made.columns[i].table));
                assert_true(str_equal(back.columns[i].name, made.columns[i].name));
                assert_true(cql_type_equal(back.columns[i].type, made.columns[i].type));
            }
            for (size_t cut = 0; cut < out.bytes; cut++) {
                r = reader_of(out.ptr, cut);
                assert_true(cql_rows_metadata_read(&r, version, &arena, &back) != OK);
            }
            buf_reset(&out);
            cql_prepared_append(&out, version, STR("id"), STR("rid"), columns, 2, pk, 2, &made);
            r = reader_of(out.ptr, out.bytes);
            struct cql_prepared prepared;
            assert_ok(cql_prepared_read(&r, version, &arena, &prepared));
            assert_str("id", prepared.id);
            assert_int_equal(2, prepared.bind_count);
            assert_int_equal(version >= 4 ? 2 : 0, prepared.pk_count);
            if (version >= 4)
                assert_int_equal(1, prepared.pk[0]);
            for (size_t cut = 0; cut < out.bytes; cut++) {
                r = reader_of(out.ptr, cut);
                assert_true(cql_prepared_read(&r, version, &arena, &prepared) != OK);
            }
            buf_deinit(&out);
        }
    arena_deinit(&arena);
}

static void errors(void **state)
{
    static const enum cql_error_code codes[] = {
        CQL_SERVER_ERROR, CQL_PROTOCOL_ERROR, CQL_UNAVAILABLE,   CQL_WRITE_TIMEOUT,
        CQL_READ_TIMEOUT, CQL_READ_FAILURE,   CQL_WRITE_FAILURE, CQL_FUNCTION_FAILURE,
        CQL_INVALID,      CQL_ALREADY_EXISTS, CQL_UNPREPARED};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (unsigned version = 3; version <= 5; version++)
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
            struct cql_error made = {.code = codes[i],
                                     .message = STR("why"),
                                     .keyspace = STR("k"),
                                     .table = STR("t"),
                                     .id = STR("id"),
                                     .consistency = 4,
                                     .received = 1,
                                     .required = 2,
                                     .data_present = true,
                                     .write_type = "CAS"};
            struct buf out = {0};
            cql_error_append(&out, version, &made);
            struct reader r = reader_of(out.ptr, out.bytes);
            struct cql_error back;
            assert_ok(cql_error_read(&r, version, &arena, &back));
            assert_str("why", back.message);
            if (version >= 4)
                assert_int_equal(codes[i], back.code);
            if (codes[i] == CQL_ALREADY_EXISTS)
                assert_str("t", back.table);
            if (codes[i] == CQL_UNPREPARED)
                assert_str("id", back.id);
            if (codes[i] == CQL_WRITE_TIMEOUT)
                assert_string_equal("CAS", back.write_type);
            if (codes[i] == CQL_UNAVAILABLE || codes[i] == CQL_READ_FAILURE)
                assert_true(back.received == 1 && back.required == 2 && back.consistency == 4);
            buf_deinit(&out);
        }
    struct buf out = {0};
    cql_schema_change_append(&out, "CREATED", "KEYSPACE", STR("k"), STR_NONE, NULL, 0);
    assert_true(str_equal(buf_str(&out), str_from("\0\7CREATED\0\10KEYSPACE\0\1k", 22)));
    buf_reset(&out);
    cql_schema_change_append(&out, "DROPPED", "TABLE", STR("k"), STR("t"), NULL, 0);
    assert_true(str_equal(buf_str(&out), str_from("\0\7DROPPED\0\5TABLE\0\1k\0\1t", 22)));
    buf_deinit(&out);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_round_trips),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(bodies),
        cmocka_unit_test(segments),
        cmocka_unit_test(damaged_segments),
        cmocka_unit_test(results),
        cmocka_unit_test(errors),
    };
    return RUN_TESTS(tests);
}
