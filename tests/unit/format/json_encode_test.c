/* SPDX-License-Identifier: MIT */
/* Rows to JSON: Spark's recorded rows byte for byte, a table by type, options, and there and back.
 */
#include "base/mem.h"
#include "base/prng.h"
#include "base/zone.h"
#include "data/column.h"
#include "format/json.h"
#include "test.h"

static bool file_read(const char *name, struct buf *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", shared_dir(), name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    char block[65536];
    size_t n;
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        buf_append(out, block, n);
    fclose(f);
    return true;
}

static struct batch *decode(struct arena *arena, const char *schema, const struct str *docs,
                            size_t count)
{
    const struct type *type;
    struct json_decoder *decoder;
    struct batch *batch;
    CLEAN(mem_free_at) uint8_t *outcomes = mem_alloc(count);
    assert_ok(type_parse_ddl(arena, str_of(schema), NULL, &type));
    assert_ok(json_decoder_new(type, NULL, NULL, &decoder));
    assert_ok(json_decode(decoder, docs, count, &batch, outcomes, NULL, 0, NULL));
    json_decoder_free(decoder);
    return batch;
}

static int by_text(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static size_t lines(struct str text, struct str *out, size_t out_max)
{
    size_t count = 0;
    struct str line;
    while (str_cut(&text, '\n', &line) && count < out_max)
        if (line.bytes || text.bytes)
            out[count++] = line;
    return count;
}

/* The table that Spark made of the odd documents; its lines are sorted as text. */
static void test_recorded(void **state)
{
    enum { MAX = 200 };
    CLEAN(buf_deinit) struct buf input = {0}, expected = {0}, out = {0};
    struct str docs[MAX], want[MAX], have[MAX];
    struct arena arena;
    if (!shared_dir())
        skip();
    arena_init(&arena, 1 << 20);
    assert_true(file_read("oracle/pipelines/json_permissive/input/docs/000.ndjson", &input));
    assert_true(file_read("oracle/pipelines/json_permissive/input/docs/001.ndjson", &input));
    assert_true(file_read("oracle/pipelines/json_permissive/expected/parsed.ndjson", &expected));
    size_t count = lines(buf_str(&input), docs, MAX);
    assert_int_equal(count, 89);
    assert_int_equal(lines(buf_str(&expected), want, MAX), count);
    struct batch *batch = decode(
        &arena,
        "a INT, b STRING, c DOUBLE, d BOOLEAN, e ARRAY<INT>, f STRUCT<g: STRING>, t TIMESTAMP, m "
        "MAP<STRING,INT>, n DECIMAL(10,2), l BIGINT, bin BINARY, day DATE, by TINYINT, fl FLOAT, "
        "_corrupt_record STRING",
        docs, count);
    for (size_t i = 0; i < count; i++) {
        json_encode_row(batch, i, NULL, &out);
        buf_char(&out, '\n');
    }
    assert_int_equal(lines(buf_str(&out), have, MAX), count);
    qsort(have, count, sizeof *have, by_text);
    qsort(want, count, sizeof *want, by_text);
    for (size_t i = 0; i < count; i++)
        if (!str_equal(have[i], want[i]))
            fail_msg("want %.*s\nhave %.*s", STR_ARG(want[i]), STR_ARG(have[i]));
    batch_unref(batch);
    arena_deinit(&arena);
}

static void check_row(const char *schema, const char *document, const char *want,
                      const struct json_encode_options *options)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    CLEAN(buf_deinit) struct buf out = {0};
    struct str doc = str_of(document);
    struct batch *batch = decode(&arena, schema, &doc, 1);
    json_encode_row(batch, 0, options, &out);
    if (!str_equal(buf_str(&out), str_of(want)))
        fail_msg("%s: %.*s", document, STR_ARG(buf_str(&out)));
    assert_ok(json_validate(buf_str(&out), 0, NULL));
    batch_unref(batch);
    arena_deinit(&arena);
}

static void test_types(void **state)
{
    static const struct {
        const char *type, *in, *out;
    } cases[] = {
        {"BOOLEAN", "true", "true"},
        {"TINYINT", "-128", "-128"},
        {"SMALLINT", "99", "99"},
        {"SMALLINT", "100", "100"},
        {"INT", "-2147483648", "-2147483648"},
        {"BIGINT", "-9223372036854775808", "-9223372036854775808"},
        {"BIGINT", "9", "9"},
        {"BIGINT", "1000000007", "1000000007"},
        {"FLOAT", "0.1", "0.1"},
        {"FLOAT", "NaN", "\"NaN\""},
        {"FLOAT", "1e10", "1.0E10"},
        {"DOUBLE", "-Infinity", "\"-Infinity\""},
        {"DOUBLE", "1e-5", "1.0E-5"},
        {"DECIMAL(10,4)", "-0.5", "-0.5000"},
        {"DECIMAL(38,0)", "12345678901234567890123456789", "12345678901234567890123456789"},
        {"STRING", "\"\\u001f\\u00e9/\\\\\"", "\"\\u001F\xC3\xA9/\\\\\""},
        {"BINARY", "\"AAEC/w==\"", "\"AAEC/w==\""},
        {"DATE", "\"0001-01-01\"", "\"0001-01-01\""},
        {"DATE", "\"1969-12-31\"", "\"1969-12-31\""},
        {"DATE", "\"19999-12-31\"", "\"+19999-12-31\""},
        {"TIMESTAMP", "\"2024-02-29T23:59:59.999999Z\"", "\"2024-02-29T23:59:59.999Z\""},
        {"TIMESTAMP", "-1", "\"1969-12-31T23:59:59.000Z\""},
        {"TIMESTAMP_NTZ", "\"2024-02-29T01:02:03.045\"", "\"2024-02-29T01:02:03.045\""},
        {"ARRAY<ARRAY<INT>>", "[[1],[],null,[null,2]]", "[[1],[],null,[null,2]]"},
        {"MAP<STRING,STRING>", "{\"a\\n\":null,\"b\":\"c\"}", "{\"a\\n\":null,\"b\":\"c\"}"},
        {"STRUCT<a: INT, b: STRUCT<c: INT>>", "{\"b\":{}}", "{\"a\":null,\"b\":{\"c\":null}}"},
        {"INT", "null", "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN(buf_deinit) struct buf schema = {0}, in = {0}, out = {0};
        buf_printf(&schema, "`v\"\xC3\xA9` %s", cases[i].type);
        buf_printf(&in, "{\"v\\\"\xC3\xA9\":%s}", cases[i].in);
        buf_printf(&out, "{\"v\\\"\xC3\xA9\":%s}", cases[i].out);
        check_row(buf_c_str(&schema), buf_c_str(&in), buf_c_str(&out), NULL);
    }
}

static void test_options(void **state)
{
    struct json_encode_options options = {.skip_nulls = true};
    check_row("a INT, b STRUCT<c: INT, d: INT>, e MAP<STRING,INT>, f ARRAY<INT>",
              "{\"b\":{\"d\":1},\"e\":{\"k\":null},\"f\":[null]}",
              "{\"b\":{\"d\":1},\"e\":{\"k\":null},\"f\":[null]}", &options);
    check_row("a INT", "{}", "{}", &options);
    options.micros = true;
    check_row("t TIMESTAMP", "{\"t\":\"2024-01-01T00:00:00.000007Z\"}",
              "{\"t\":\"2024-01-01T00:00:00.000007Z\"}", &options);
    static const struct {
        const char *zone, *text;
    } zones[] = {
        {"+02:30", "2024-01-01T02:30:00.000+02:30"},
        {"-00:30", "2023-12-31T23:30:00.000-00:30"},
        {"America/New_York", "2023-12-31T19:00:00.000-05:00"},
        {"UTC", "2024-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        struct json_encode_options in_zone = {0};
        CLEAN(buf_deinit) struct buf want = {0};
        assert_ok(zone_find(str_of(zones[i].zone), &in_zone.zone));
        buf_printf(&want, "{\"t\":\"%s\",\"w\":\"2024-01-01T00:00:00.000\"}", zones[i].text);
        check_row("t TIMESTAMP, w TIMESTAMP_NTZ",
                  "{\"t\":\"2024-01-01T00:00:00Z\",\"w\":\"2024-01-01\"}", buf_c_str(&want),
                  &in_zone);
    }
}

/* Keys that are no texts cannot come from JSON; they are built here. */
static void test_map_keys(void **state)
{
    struct arena arena;
    const struct type *type;
    struct column *column;
    arena_init(&arena, 1 << 16);
    assert_ok(type_parse(&arena, STR("map<int,boolean>"), NULL, &type));
    struct builder *b = builder_new(type, 0, 0);
    builder_i64(b->children[0], -7);
    builder_bool(b->children[1], true);
    builder_i64(b->children[0], 8);
    builder_null(b->children[1]);
    builder_valid(b);
    assert_ok(builder_finish(b, &column));
    CLEAN(buf_deinit) struct buf out = {0};
    json_encode_value(column, 0, NULL, &out);
    assert_str("{\"-7\":true,\"8\":null}", buf_str(&out));
    column_unref(column);
    builder_free(b);
    arena_deinit(&arena);
}

static void random_row(struct prng *prng, struct buf *out)
{
    buf_printf(out, "{\"a\":%d", (int)(int32_t)prng_next(prng));
    if (prng_below(prng, 3))
        buf_printf(out, ",\"c\":%.17g", (double)(int64_t)prng_next(prng) / 1e9);
    if (prng_below(prng, 3)) {
        char text[40];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)prng_below(prng, 128);
        buf_text(out, ",\"b\":");
        json_quote(str_from(text, prng_below(prng, sizeof text)), out);
    }
    if (prng_below(prng, 3))
        buf_printf(out, ",\"t\":%lld,\"day\":\"%d\"", (long long)prng_below(prng, 4000000000u),
                   (int)prng_below(prng, 999));
    buf_printf(out, ",\"n\":%d.%02d,\"e\":[", (int)prng_below(prng, 99999),
               (int)prng_below(prng, 100));
    for (uint64_t n = prng_below(prng, 4), i = 0; i < n; i++)
        buf_printf(out, "%s{\"k%d\":{\"x\":%d}}", i ? "," : "", (int)i, (int)prng_below(prng, 9));
    buf_text(out, "]}");
}

/* What was written reads back as the same columns. */
static void test_round_trip(void **state)
{
    enum { ROWS = 3000 };
    static const char schema[] =
        "a INT, b STRING, c DOUBLE, t TIMESTAMP, day DATE, n DECIMAL(9,2), "
        "e ARRAY<MAP<STRING,STRUCT<x: INT>>>";
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct prng prng = {.state = 99};
    CLEAN(mem_free_at) struct str *docs = mem_array(ROWS, sizeof *docs);
    CLEAN(buf_deinit) struct buf text = {0}, out = {0};
    for (int i = 0; i < ROWS; i++) {
        random_row(&prng, &text);
        buf_char(&text, '\n');
    }
    assert_int_equal(lines(buf_str(&text), docs, ROWS), ROWS);
    struct batch *first = decode(&arena, schema, docs, ROWS);
    struct json_encode_options options = {.micros = true};
    for (size_t i = 0; i < ROWS; i++) {
        options.skip_nulls = i % 2;
        json_encode_row(first, i, &options, &out);
        buf_char(&out, '\n');
    }
    assert_int_equal(lines(buf_str(&out), docs, ROWS), ROWS);
    struct batch *second = decode(&arena, schema, docs, ROWS);
    for (uint32_t c = 0; c < first->column_count; c++)
        for (uint32_t i = 0; i < ROWS; i++)
            if (!column_value_equal(first->columns[c], i, second->columns[c], i))
                fail_msg("%.*s", STR_ARG(docs[i]));
    batch_unref(first);
    batch_unref(second);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),   cmocka_unit_test(test_types),
        cmocka_unit_test(test_options),    cmocka_unit_test(test_map_keys),
        cmocka_unit_test(test_round_trip),
    };
    return RUN_TESTS(tests);
}
