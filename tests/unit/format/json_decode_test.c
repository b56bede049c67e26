/* SPDX-License-Identifier: MIT */
/* Decoding against what Spark recorded, tables by type, shapes of documents, and a second reading
 * of the same rules in the naive style. */
#include "base/mem.h"
#include "base/prng.h"
#include "base/zone.h"
#include "data/column.h"
#include "format/json.h"
#include "format/json_decode.h"
#include "test.h"

struct rig {
    struct arena arena;
    const struct type *schema;
    struct json_decoder *decoder;
};

static void rig_open(struct rig *rig, const char *schema, const char *wanted,
                     const struct json_decode_options *options)
{
    struct diag diag = {0};
    arena_init(&rig->arena, 1 << 20);
    assert_ok(type_parse_ddl(&rig->arena, str_of(schema), &diag, &rig->schema));
    const struct type *part = NULL;
    if (wanted)
        assert_ok(type_parse_ddl(&rig->arena, str_of(wanted), &diag, &part));
    assert_ok(json_decoder_new(rig->schema, part, options, &rig->decoder));
}

static void rig_close(struct rig *rig)
{
    json_decoder_free(rig->decoder);
    arena_deinit(&rig->arena);
}

/* A copy that ends where its memory ends. */
static struct str exact(struct str s)
{
    char *copy = mem_alloc(s.bytes ? s.bytes : 1);
    if (s.bytes)
        memcpy(copy, s.ptr, s.bytes);
    return str_from(copy, s.bytes);
}

static struct json_encode_options encode = {.skip_nulls = true, .micros = true};

static enum json_outcome decode_one(struct rig *rig, struct str document, struct buf *row,
                                    struct json_fault *fault)
{
    struct str copy = exact(document);
    struct batch *batch;
    uint8_t outcome;
    size_t faults = 0;
    assert_ok(json_decode(rig->decoder, &copy, 1, &batch, &outcome, fault, 1, &faults));
    assert_int_equal(faults, outcome == JSON_CORRUPT);
    for (uint32_t i = 0; i < batch->column_count; i++)
        column_check(batch->columns[i]);
    json_encode_row(batch, 0, &encode, row);
    batch_unref(batch);
    mem_free((char *)copy.ptr);
    return outcome;
}

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

#define PERMISSIVE                                                                                 \
    "a INT, b STRING, c DOUBLE, d BOOLEAN, e ARRAY<INT>, f STRUCT<g: STRING>, t TIMESTAMP, "       \
    "m MAP<STRING,INT>, n DECIMAL(10,2), l BIGINT, bin BINARY, day DATE, by TINYINT, fl FLOAT, "   \
    "_corrupt_record STRING"

static void strip(struct str json, struct buf *out)
{
    CLEAN(buf_deinit) struct buf scratch = {0};
    json_rewrite(json, out, &scratch);
}

/* The 89 documents that Spark was asked for one by one. */
static void test_recorded(void **state)
{
    CLEAN(buf_deinit) struct buf file = {0};
    if (!shared_dir())
        skip();
    assert_true(file_read("oracle/pipelines/json_permissive/expected/from_json.ndjson", &file));
    struct rig rig;
    rig_open(&rig, PERMISSIVE, NULL, NULL);
    struct str rest = buf_str(&file), line;
    int count = 0;
    encode.micros = false;
    while (str_cut(&rest, '\n', &line) && line.bytes) {
        CLEAN(buf_deinit) struct buf value = {0}, outcome = {0}, want = {0}, row = {0}, have = {0};
        json_text(json_member(line, "value"), &value);
        json_text(json_member(line, "outcome"), &outcome);
        strip(json_member(line, "row"), &want);
        enum json_outcome got = decode_one(&rig, buf_str(&value), &row, NULL);
        static const char *const names[] = {"ok", "corrupt", "null"};
        if (!str_equal(str_of(names[got]), buf_str(&outcome)))
            fail_msg("%.*s: %s", STR_ARG(buf_str(&value)), names[got]);
        if (got == JSON_CORRUPT) {
            struct str text = json_member(buf_str(&row), "_corrupt_record");
            CLEAN(buf_deinit) struct buf record = {0};
            json_text(text, &record);
            assert_true(str_equal(buf_str(&record), buf_str(&value)));
            row.bytes = (size_t)(text.ptr - (char *)row.ptr) - strlen("\"_corrupt_record\":");
            row.bytes -= row.ptr[row.bytes - 1] == ',';
            buf_char(&row, '}');
        }
        strip(buf_str(&row), &have);
        if (got == JSON_NULL)
            assert_str("{}", buf_str(&have));
        else
            assert_str(buf_c_str(&want), buf_str(&have));
        count++;
    }
    encode.micros = true;
    rig_close(&rig);
    assert_int_equal(count, 89);
}

/* ---- tables by type ---- */

struct type_case {
    const char *type, *value;
    enum json_outcome outcome;
    const char *want; /* the encoded value, NULL = null */
};

#define FITS(type, value, want)                                                                    \
    {                                                                                              \
        type, value, JSON_FITS, want                                                               \
    }
#define BAD(type, value)                                                                           \
    {                                                                                              \
        type, value, JSON_CORRUPT, NULL                                                            \
    }

static const struct type_case type_cases[] = {
    FITS("INT", "0", "0"),
    FITS("INT", "-0", "0"),
    FITS("INT", "12345678", "12345678"),
    FITS("INT", "123456789", "123456789"),
    FITS("INT", "2147483647", "2147483647"),
    FITS("INT", "-2147483648", "-2147483648"),
    FITS("INT", "null", NULL),
    BAD("INT", "2147483648"),
    BAD("INT", "-2147483649"),
    BAD("INT", "\"1\""),
    BAD("INT", "1.0"),
    BAD("INT", "1e0"),
    BAD("INT", "1E2"),
    BAD("INT", "01"),
    BAD("INT", "-01"),
    BAD("INT", "00"),
    BAD("INT", "-"),
    BAD("INT", "+1"),
    BAD("INT", "1x"),
    BAD("INT", "true"),
    BAD("INT", "[]"),
    BAD("INT", "{}"),
    BAD("INT", "NaN"),
    BAD("INT", "-Infinity"),
    BAD("INT", "0x1"),
    BAD("INT", ""),
    BAD("INT", "nul"),
    BAD("INT", "nulll"),
    FITS("TINYINT", "-128", "-128"),
    FITS("TINYINT", "200", "-56"),
    FITS("TINYINT", "255", "-1"),
    BAD("TINYINT", "256"),
    BAD("TINYINT", "-129"),
    FITS("SMALLINT", "32767", "32767"),
    FITS("SMALLINT", "-32768", "-32768"),
    BAD("SMALLINT", "32768"),
    FITS("BIGINT", "9223372036854775807", "9223372036854775807"),
    FITS("BIGINT", "-9223372036854775808", "-9223372036854775808"),
    FITS("BIGINT", "1000000000000000000", "1000000000000000000"),
    FITS("BIGINT", "123456789012345678", "123456789012345678"),
    BAD("BIGINT", "9223372036854775808"),
    BAD("BIGINT", "-9223372036854775809"),
    BAD("BIGINT", "18446744073709551616"),
    BAD("BIGINT", "100000000000000000000000000000000"),
    FITS("DOUBLE", "1", "1.0"),
    FITS("DOUBLE", "-1.5e-3", "-0.0015"),
    FITS("DOUBLE", "-0.0", "-0.0"),
    FITS("DOUBLE", "0.1", "0.1"),
    FITS("DOUBLE", "123456789.123456789", "1.2345678912345679E8"),
    FITS("DOUBLE", "9007199254740993", "9.007199254740992E15"),
    FITS("DOUBLE", "1e22", "1.0E22"),
    FITS("DOUBLE", "1e23", "1.0E23"),
    FITS("DOUBLE", "4.9e-324", "4.9E-324"),
    FITS("DOUBLE", "1.7976931348623157e308", "1.7976931348623157E308"),
    FITS("DOUBLE", "-1e400", "\"-Infinity\""),
    FITS("DOUBLE", "NaN", "\"NaN\""),
    FITS("DOUBLE", "-Infinity", "\"-Infinity\""),
    FITS("DOUBLE", "+INF", "\"Infinity\""),
    FITS("DOUBLE", "\"-INF\"", "\"-Infinity\""),
    FITS("DOUBLE", "'NaN'", "\"NaN\""),
    BAD("DOUBLE", "\"1\""),
    BAD("DOUBLE", "\"INF\""),
    BAD("DOUBLE", "INF"),
    BAD("DOUBLE", "NaNx"),
    BAD("DOUBLE", "\"\""),
    BAD("DOUBLE", "1."),
    BAD("DOUBLE", ".5"),
    BAD("DOUBLE", "1e"),
    BAD("DOUBLE", "1e+"),
    BAD("DOUBLE", "false"),
    FITS("FLOAT", "0.1", "0.1"),
    FITS("FLOAT", "16777217", "1.6777216E7"),
    FITS("FLOAT", "3.4028236e38", "\"Infinity\""),
    FITS("BOOLEAN", "true", "true"),
    FITS("BOOLEAN", "false", "false"),
    FITS("BOOLEAN", "null", NULL),
    BAD("BOOLEAN", "truex"),
    BAD("BOOLEAN", "True"),
    BAD("BOOLEAN", "0"),
    FITS("DECIMAL(5,2)", "1.005", "1.01"),
    FITS("DECIMAL(5,2)", "-1.005", "-1.01"),
    FITS("DECIMAL(5,2)", "999.994", "999.99"),
    BAD("DECIMAL(5,2)", "999.995"),
    FITS("DECIMAL(5,2)", "\"+1,2.5\"", "12.50"),
    FITS("DECIMAL(5,2)", "1e-9", "0.00"),
    FITS("DECIMAL(5,2)", "\".5\"", "0.50"),
    FITS("DECIMAL(5,2)", "\"5.\"", "5.00"),
    FITS("DECIMAL(38,0)", "99999999999999999999999999999999999999",
         "99999999999999999999999999999999999999"),
    BAD("DECIMAL(38,0)", "100000000000000000000000000000000000000"),
    BAD("DECIMAL(5,2)", "\"\""),
    BAD("DECIMAL(5,2)", "\" 1\""),
    BAD("DECIMAL(5,2)", "\"1x\""),
    BAD("DECIMAL(5,2)", "\"NaN\""),
    BAD("DECIMAL(5,2)", "NaN"),
    BAD("DECIMAL(5,2)", "true"),
    FITS("STRING", "\"\"", "\"\""),
    FITS("STRING", "'it\"s'", "\"it\\\"s\""),
    FITS("STRING", "\"\\'\"", "\"'\""),
    FITS("STRING", "\"a\\u0000b\"", "\"a\\u0000b\""),
    FITS("STRING", "\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""),
    FITS("STRING", "\"\\ud83d \\udc00\"", "\"? ?\""),
    FITS("STRING", "\"\xE2\x82\"", "\"\xEF\xBF\xBD\""),
    FITS("STRING", "1.50", "\"1.5\""),
    FITS("STRING", "1e3", "\"1000.0\""),
    FITS("STRING", "-0", "\"0\""),
    FITS("STRING", "123456789012345678901234567890", "\"123456789012345678901234567890\""),
    FITS("STRING", "false", "\"false\""),
    FITS("STRING", "null", NULL),
    FITS("STRING", "NaN", "\"\\\"NaN\\\"\""),
    FITS("STRING", "{ \"a\" : [ 1.0 , null, 'x' ] , \"\\u0062\":{} }",
         "\"{\\\"a\\\":[1.0,null,\\\"x\\\"],\\\"b\\\":{}}\""),
    BAD("STRING", "[1,]"),
    BAD("STRING", "[1"),
    BAD("STRING", "{\"a\"}"),
    BAD("STRING", "\"abc"),
    BAD("STRING", "\"\x1F\""),
    BAD("STRING", "\"\\u12\""),
    FITS("BINARY", "\"\"", "\"\""),
    FITS("BINARY", "\"QQ==\"", "\"QQ==\""),
    FITS("BINARY", "\"QUJD\"", "\"QUJD\""),
    FITS("BINARY", "\"QUJD QUI=\"", "\"QUJDQUI=\""),
    FITS("BINARY", "\"QUJD\\/+8=\"", "\"QUJD/+8=\""),
    BAD("BINARY", "\"QQ\""),
    BAD("BINARY", "\"QQ=\""),
    BAD("BINARY", "\"Q===\""),
    BAD("BINARY", "\"QQ=x\""),
    BAD("BINARY", "1"),
    FITS("DATE", "\"2024-02-29\"", "\"2024-02-29\""),
    FITS("DATE", "\"2024-2-9\"", "\"2024-02-09\""),
    FITS("DATE", "\"1600-01-01\"", "\"1600-01-01\""),
    FITS("DATE", "\"19\"", "\"1970-01-20\""),
    BAD("DATE", "\"2023-02-29\""),
    BAD("DATE", "\"2023-13-01\""),
    BAD("DATE", "\"\""),
    BAD("DATE", "\"x\""),
    BAD("DATE", "20240101"),
    FITS("TIMESTAMP", "\"2024-02-29T12:34:56.789Z\"", "\"2024-02-29T12:34:56.789000Z\""),
    FITS("TIMESTAMP", "\"2024-02-29T12:34:56Z\"", "\"2024-02-29T12:34:56.000000Z\""),
    FITS("TIMESTAMP", "\"2024-02-29T12:34:56\"", "\"2024-02-29T12:34:56.000000Z\""),
    FITS("TIMESTAMP", "\"2024-02-29 12:34:56.1\"", "\"2024-02-29T12:34:56.100000Z\""),
    FITS("TIMESTAMP", "\"2024-02-29T12:34:56.123456789Z\"", "\"2024-02-29T12:34:56.123456Z\""),
    FITS("TIMESTAMP", "\"2024-02-29T12:34:56+02:00\"", "\"2024-02-29T10:34:56.000000Z\""),
    FITS("TIMESTAMP", "\"1969-12-31T23:59:59.999999Z\"", "\"1969-12-31T23:59:59.999999Z\""),
    FITS("TIMESTAMP", "\"2024-02\"", "\"2024-02-01T00:00:00.000000Z\""),
    FITS("TIMESTAMP", "-1", "\"1969-12-31T23:59:59.000000Z\""),
    FITS("TIMESTAMP", "null", NULL),
    BAD("TIMESTAMP", "\"2024-02-30T12:34:56Z\""),
    BAD("TIMESTAMP", "\"2024-02-29T24:00:00Z\""),
    BAD("TIMESTAMP", "\"2024-02-29T12:60:00Z\""),
    BAD("TIMESTAMP", "\"2024-02-29T12:00:60Z\""),
    BAD("TIMESTAMP", "\"2024-02-29T12:00:0xZ\""),
    BAD("TIMESTAMP", "\"2024-02-29T12:00:00Zx\""),
    BAD("TIMESTAMP", "\"\""),
    BAD("TIMESTAMP", "9223372036854775807"),
    BAD("TIMESTAMP", "1.5"),
    BAD("TIMESTAMP", "true"),
    FITS("TIMESTAMP_NTZ", "\"2024-02-29T12:34:56.5\"", "\"2024-02-29T12:34:56.500000\""),
    FITS("TIMESTAMP_NTZ", "\"2024-02-29\"", "\"2024-02-29T00:00:00.000000\""),
    BAD("TIMESTAMP_NTZ", "\"2024-02-29T12:34:56Z\""),
    BAD("TIMESTAMP_NTZ", "\"2024-02-29T12:34:56+01:00\""),
    BAD("TIMESTAMP_NTZ", "1700000000"),
    FITS("ARRAY<INT>", "[]", "[]"),
    FITS("ARRAY<INT>", "[ 1 , null ,2 ]", "[1,null,2]"),
    BAD("ARRAY<INT>", "[1,\"x\",[2,{\"a\":[]}],3]"),
    BAD("ARRAY<INT>", "{}"),
    BAD("ARRAY<INT>", "\"[1]\""),
    BAD("ARRAY<INT>", "[1 2]"),
    BAD("ARRAY<INT>", "[,1]"),
    FITS("ARRAY<ARRAY<STRING>>", "[[\"a\"],[],null,[null]]", "[[\"a\"],[],null,[null]]"),
    BAD("ARRAY<ARRAY<INT>>", "[[1],[\"x\"]]"),
    {"ARRAY<STRUCT<x: INT, y: STRING>>", "[{\"x\":1},{\"x\":\"q\",\"y\":\"k\"},null]", JSON_CORRUPT,
     "[{\"x\":1},{\"y\":\"k\"},null]"},
    BAD("ARRAY<STRUCT<x: INT>>", "[{\"x\":1},2]"),
    FITS("MAP<STRING,INT>", "{\"b\":1,\"a\":null}", "{\"b\":1,\"a\":null}"),
    FITS("MAP<STRING,INT>", "{\"b\":1,\"a\":2,\"b\":3}", "{\"b\":3,\"a\":2}"),
    FITS("MAP<STRING,INT>", "{\"\\u0061\":1,'a':2}", "{\"a\":2}"),
    FITS("MAP<STRING,ARRAY<STRING>>", "{\"k\":[1,2],\"j\":[],\"k\":[3]}",
         "{\"k\":[\"3\"],\"j\":[]}"),
    BAD("MAP<STRING,INT>", "{\"b\":1,\"a\":\"x\",\"c\":2}"),
    BAD("MAP<STRING,INT>", "{b:1}"),
    BAD("MAP<STRING,INT>", "{\"b\" 1}"),
    BAD("MAP<STRING,INT>", "[1]"),
    FITS("STRUCT<x: INT, y: STRING>", "{\"y\":\"b\",\"x\":1}", "{\"x\":1,\"y\":\"b\"}"),
    FITS("STRUCT<x: INT, y: STRING>", "{\"z\":[{}]}", "{}"),
    {"STRUCT<x: INT, y: STRING>", "{\"x\":true,\"y\":\"b\"}", JSON_CORRUPT, "{\"y\":\"b\"}"},
    BAD("STRUCT<x: INT>", "[]"),
};

static void test_types(void **state)
{
    for (size_t i = 0; i < sizeof type_cases / sizeof *type_cases; i++) {
        const struct type_case *c = &type_cases[i];
        struct rig rig;
        CLEAN(buf_deinit) struct buf schema = {0}, doc = {0}, row = {0}, want = {0};
        buf_printf(&schema, "v %s, after INT", c->type);
        rig_open(&rig, buf_c_str(&schema), NULL, NULL);
        /* With much behind it, and at the end of the memory. */
        for (int tail = 0; tail < 2; tail++) {
            buf_reset(&doc);
            buf_reset(&row);
            buf_reset(&want);
            buf_printf(&doc, "{\"v\":%s%s}", c->value,
                       tail ? ",\"after\":7,\"more\":\"0123456789012345678901234567890123456\""
                            : "");
            enum json_outcome outcome = decode_one(&rig, buf_str(&doc), &row, NULL);
            if (c->want)
                buf_printf(&want, "{\"v\":%s%s}", c->want, tail ? ",\"after\":7" : "");
            bool whole = str_find(buf_str(&row), STR("after"), 0) != SIZE_MAX;
            if (!c->want)
                buf_text(&want, tail && whole ? "{\"after\":7}" : "{}");
            if (outcome != c->outcome || !str_equal(buf_str(&row), buf_str(&want)))
                fail_msg("%s %s: outcome %d, %.*s", c->type, buf_c_str(&doc), outcome,
                         STR_ARG(buf_str(&row)));
        }
        rig_close(&rig);
    }
}

/* ---- shapes of documents ---- */

struct shape {
    const char *document, *row;
    enum json_outcome outcome;
    const char *fault;
};

static void shapes(struct rig *rig, const struct shape *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CLEAN(buf_deinit) struct buf row = {0};
        struct json_fault fault = {0};
        enum json_outcome outcome = decode_one(rig, str_of(list[i].document), &row, &fault);
        if (outcome != list[i].outcome || !str_equal(buf_str(&row), str_of(list[i].row)) ||
            (list[i].fault && strcmp(list[i].fault, fault.message) != 0))
            fail_msg("%s: outcome %d, %.*s, %s", list[i].document, outcome, STR_ARG(buf_str(&row)),
                     fault.message);
    }
}

static void test_shapes(void **state)
{
    static const struct shape list[] = {
        {"{\"a\":1}", "{\"a\":1}", JSON_FITS, NULL},
        {"\n{ \"a\" : 1 ,\t\"b\":\"x\"\r\n}", "{\"a\":1,\"b\":\"x\"}", JSON_FITS, NULL},
        {"{\"b\":\"x\",\"a\":1}", "{\"a\":1,\"b\":\"x\"}", JSON_FITS, NULL},
        {"{\"\\u0061\":1}", "{\"a\":1}", JSON_FITS, NULL},
        {"{\"a\":1,\"a\":2,\"a\":3}", "{\"a\":3}", JSON_FITS, NULL},
        {"{\"a\":1,\"a\":\"x\"}", "{\"a\":1}", JSON_CORRUPT, "field a: an integer was expected"},
        {"{\"a\":\"x\",\"a\":2}", "{\"a\":2}", JSON_CORRUPT, NULL},
        {"{\"a\":1,\"a\":null}", "{}", JSON_FITS, NULL},
        {"{\"s\":{\"k\":1},\"s\":{\"l\":[1]}}", "{\"s\":{\"l\":[1]}}", JSON_FITS, NULL},
        {"{\"s\":{\"k\":1},\"s\":7}", "{\"s\":{\"k\":1}}", JSON_CORRUPT, NULL},
        {"{\"s\":{\"k\":1},\"s\":{\"k\":\"x\",\"l\":[2]}}", "{\"s\":{\"l\":[2]}}", JSON_CORRUPT,
         "field s.k: an integer was expected"},
        {"{\"s\":{\"l\":[1,true]},\"b\":\"y\"}", "{\"b\":\"y\",\"s\":{}}", JSON_CORRUPT,
         "field s.l[]: an integer was expected"},
        {"{\"s\":{\"k\":1,\"l\":[1,2,", "{}", JSON_CORRUPT,
         "line 1 column 22: the text ends too early"},
        {"{\"s\":{\"k\":1,\"l\":[1,2", "{}", JSON_CORRUPT, NULL},
        {"{\"a\":1,\"u\":{\"x\":[1,2,{}]},\"b\":\"\"}", "{\"a\":1,\"b\":\"\"}", JSON_FITS, NULL},
        {"{\"a\":1,\"u\":{\"x\":[1,2,{]}}", "{}", JSON_CORRUPT, NULL},
        {"{\"a\":1,\"u\":tru}", "{}", JSON_CORRUPT, "line 1 column 12: an unknown word"},
        {"{\"a\":1} trailing", "{\"a\":1}", JSON_FITS, NULL},
        {"{\"a\":1}]", "{\"a\":1}", JSON_FITS, NULL},
        {"{\"a\":1,}", "{}", JSON_CORRUPT, "line 1 column 8: nothing behind the comma"},
        {"{\"a\":1, }", "{}", JSON_CORRUPT, NULL},
        {"{,\"a\":1}", "{}", JSON_CORRUPT, NULL},
        {"{\"a\":1 \"b\":2}", "{}", JSON_CORRUPT, NULL},
        {"{\"a\":1]", "{}", JSON_CORRUPT, NULL},
        {"{\"a\"", "{}", JSON_CORRUPT, NULL},
        {"{\"a\":", "{}", JSON_CORRUPT, NULL},
        {"{\"a\":1", "{}", JSON_CORRUPT, "line 1 column 7: the text ends too early"},
        {"{\"a\":1,", "{}", JSON_CORRUPT, NULL},
        {"{", "{}", JSON_CORRUPT, NULL},
        {"}", "{}", JSON_CORRUPT, NULL},
        {"[", "{}", JSON_CORRUPT, NULL},
        {"\x01", "{}", JSON_CORRUPT, NULL},
        {"7", "{}", JSON_CORRUPT, "line 1 column 1: an object was expected"},
        {"\n[]", "{}", JSON_CORRUPT, "line 2 column 1: an object was expected"},
        {"", "{}", JSON_NULL, NULL},
        {" \n\t\r", "{}", JSON_NULL, NULL},
        {"{}", "{}", JSON_FITS, NULL},
    };
    struct rig rig;
    rig_open(&rig, "a INT, b STRING, s STRUCT<k: INT, l: ARRAY<INT>>", NULL, NULL);
    shapes(&rig, list, sizeof list / sizeof *list);
    /* Again, with what the names have taught. */
    shapes(&rig, list, sizeof list / sizeof *list);
    rig_close(&rig);
}

/* What is wanted is a part of what is checked. */
static void test_wanted(void **state)
{
    static const struct shape list[] = {
        {"{\"a\":1,\"b\":\"x\",\"s\":{\"k\":1,\"l\":2}}", "{\"s\":{\"l\":2},\"b\":\"x\"}",
         JSON_FITS, NULL},
        {"{\"a\":\"q\",\"b\":\"x\"}", "{\"b\":\"x\"}", JSON_CORRUPT, NULL},
        {"{\"s\":{\"k\":\"q\",\"l\":2},\"m\":{\"x\":1}}", "{\"s\":{\"l\":2}}", JSON_CORRUPT,
         "field s.k: an integer was expected"},
        {"{\"m\":{\"x\":[]}}", "{}", JSON_CORRUPT, "field m[]: an integer was expected"},
        {"{\"e\":[{\"p\":1,\"q\":2},{\"q\":3},{}]}", "{\"e\":[{\"q\":2},{\"q\":3},{}]}", JSON_FITS,
         NULL},
        {"{\"e\":[{\"p\":true}]}", "{\"e\":[{}]}", JSON_CORRUPT,
         "field e[].p: an integer was expected"},
        {"{\"z\":[1,\"\"]}", "{}", JSON_CORRUPT, NULL},
    };
    struct rig rig;
    rig_open(&rig,
             "a INT, b STRING, s STRUCT<k: INT, l: INT>, m MAP<STRING,INT>, z ARRAY<INT>, "
             "e ARRAY<STRUCT<p: INT, q: INT>>",
             "s STRUCT<l: INT>, e ARRAY<STRUCT<q: INT>>, b STRING", NULL);
    shapes(&rig, list, 1);
    shapes(&rig, list, sizeof list / sizeof *list);
    rig_close(&rig);
}

static void test_refused_schemas(void **state)
{
    static const struct {
        const char *schema, *wanted;
        enum err err;
    } cases[] = {
        {"a MAP<INT,INT>", NULL, ERR_UNSUPPORTED},
        {"a INTERVAL DAY", NULL, ERR_UNSUPPORTED},
        {"a INT", "b INT", ERR_INVALID},
        {"a INT", "a BIGINT", ERR_INVALID},
        {"a INT", "A INT", ERR_INVALID},
        {"s STRUCT<a: INT>", "s STRUCT<b: INT>", ERR_INVALID},
        {"d DECIMAL(10,2)", "d DECIMAL(9,2)", ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        const struct type *schema, *wanted = NULL;
        struct json_decoder *decoder;
        arena_init(&arena, 1 << 16);
        assert_ok(type_parse_ddl(&arena, str_of(cases[i].schema), NULL, &schema));
        if (cases[i].wanted)
            assert_ok(type_parse_ddl(&arena, str_of(cases[i].wanted), NULL, &wanted));
        assert_err(cases[i].err, json_decoder_new(schema, wanted, NULL, &decoder));
        arena_deinit(&arena);
    }
}

static void test_options(void **state)
{
    const struct zone *zone;
    assert_ok(zone_find(STR("+03:00"), &zone));
    struct json_decode_options options = {.zone = zone, .depth_max = 3, .value_bytes_max = 4};
    static const struct shape list[] = {
        {"{\"t\":\"2024-01-01T12:00:00\",\"x\":\"0123456789\"}",
         "{\"t\":\"2024-01-01T09:00:00.000000Z\"}", JSON_CORRUPT, "field x: the text is too long"},
        {"{\"t\":\"2024-01-01T12:00:00Z\",\"x\":\"0123\"}",
         "{\"t\":\"2024-01-01T12:00:00.000000Z\",\"x\":\"0123\"}", JSON_FITS, NULL},
        {"{\"u\":[[1]]}", "{}", JSON_FITS, NULL},
        {"{\"u\":[[[]]]}", "{}", JSON_CORRUPT, "line 1 column 8: too deep"},
        {"{\"y\":[[[]]]}", "{}", JSON_CORRUPT, "line 1 column 8: too deep"},
        {"{\"x\":12345}", "{}", JSON_CORRUPT, "field x: the value is too long"},
    };
    struct rig rig;
    rig_open(&rig, "t TIMESTAMP, x STRING, y ARRAY<ARRAY<ARRAY<INT>>>", NULL, &options);
    shapes(&rig, list, sizeof list / sizeof *list);
    rig_close(&rig);
}

/* ---- many rows ---- */

/* Broken rows between good ones leave no trace, in nested columns either; the second batch starts
 * clean; faults are counted past their room. */
static void test_batches(void **state)
{
    static const char *const texts[] = {
        "{\"a\":1,\"l\":[1,2],\"s\":{\"x\":\"one\"},\"m\":{\"k\":1}}",
        "{\"a\":2,\"l\":[3,4,5],\"s\":{\"x\":\"two\"},\"m\":{\"k\":2,\"j\":",
        "{\"a\":3,\"l\":[6],\"s\":{\"x\":\"three\"}}",
        "{\"a\":4,\"l\":[7,[8],9],\"s\":{\"x\":\"four\"}}",
        "nonsense",
        "",
        "{\"a\":5,\"l\":null,\"s\":null,\"m\":{}}",
    };
    static const char *const rows[] = {
        "{\"a\":1,\"l\":[1,2],\"s\":{\"x\":\"one\"},\"m\":{\"k\":1}}",
        "{}",
        "{\"a\":3,\"l\":[6],\"s\":{\"x\":\"three\"}}",
        "{\"a\":4,\"s\":{\"x\":\"four\"}}",
        "{}",
        "{}",
        "{\"a\":5,\"m\":{}}",
    };
    enum { KINDS = 7, COUNT = 7 * 300 };
    struct rig rig;
    rig_open(&rig, "a INT, l ARRAY<INT>, s STRUCT<x: STRING>, m MAP<STRING,INT>", NULL, NULL);
    CLEAN(mem_free_at) struct str *docs = mem_array(COUNT, sizeof *docs);
    CLEAN(mem_free_at) uint8_t *outcomes = mem_array(COUNT, 1);
    for (int round = 0; round < 3; round++) {
        struct prng prng = {.state = (uint64_t)round};
        CLEAN(mem_free_at) uint8_t *kinds = mem_array(COUNT, 1);
        size_t corrupt = 0, faults;
        for (size_t i = 0; i < COUNT; i++) {
            kinds[i] = (uint8_t)prng_below(&prng, KINDS);
            docs[i] = str_of(texts[kinds[i]]);
            corrupt += kinds[i] == 1 || kinds[i] == 3 || kinds[i] == 4;
        }
        docs[COUNT / 2] = STR_NONE;
        corrupt -= kinds[COUNT / 2] == 1 || kinds[COUNT / 2] == 3 || kinds[COUNT / 2] == 4;
        kinds[COUNT / 2] = 5;
        struct json_fault fault[2];
        struct batch *batch;
        assert_ok(json_decode(rig.decoder, docs, COUNT, &batch, outcomes, fault, 2, &faults));
        assert_int_equal(faults, corrupt);
        assert_true(fault[0].row < fault[1].row);
        for (uint32_t i = 0; i < batch->column_count; i++)
            column_check(batch->columns[i]);
        for (size_t i = 0; i < COUNT; i++) {
            CLEAN(buf_deinit) struct buf row = {0};
            json_encode_row(batch, i, &encode, &row);
            assert_str(rows[kinds[i]], buf_str(&row));
        }
        batch_unref(batch);
    }
    rig_close(&rig);
}

/* Ten zero bytes are no date, even for a decoder that has met none. */
static void test_first_date(void **state)
{
    static const char *const types[] = {"v TIMESTAMP", "v TIMESTAMP_NTZ", "v DATE"};
    for (int i = 0; i < 3; i++) {
        char text[] = "{\"v\":\"..........T00:00:00\",\"w\":\"0123456789012345678901234567890\"}";
        memset(text + 6, 0, 10);
        if (i == 2)
            memcpy(text + 16, "\" ,\"x\":\"", 8);
        struct rig rig;
        CLEAN(buf_deinit) struct buf row = {0};
        rig_open(&rig, types[i], NULL, NULL);
        assert_int_equal(decode_one(&rig, str_from(text, sizeof text - 1), &row, NULL),
                         JSON_CORRUPT);
        assert_str("{}", buf_str(&row));
        rig_close(&rig);
    }
}

static void test_no_rows(void **state)
{
    struct rig rig;
    struct batch *batch;
    size_t faults = 7;
    rig_open(&rig, "a INT, b ARRAY<STRING>", NULL, NULL);
    for (int round = 0; round < 2; round++) {
        assert_ok(json_decode(rig.decoder, NULL, 0, &batch, NULL, NULL, 0, &faults));
        assert_int_equal(batch->rows, 0);
        assert_int_equal(faults, 0);
        batch_unref(batch);
    }
    rig_close(&rig);
}

static void test_corrupt_record(void **state)
{
    static const struct shape list[] = {
        {"{\"_corrupt_record\":\"no\",\"a\":1}", "{\"a\":1}", JSON_FITS, NULL},
        {"{\"a\":true}", "{\"_corrupt_record\":\"{\\\"a\\\":true}\"}", JSON_CORRUPT, NULL},
        {"x\xFF", "{\"_corrupt_record\":\"x\xEF\xBF\xBD\"}", JSON_CORRUPT, NULL},
        {"  ", "{}", JSON_NULL, NULL},
    };
    struct rig rig;
    rig_open(&rig, "_corrupt_record STRING, a INT", NULL, NULL);
    shapes(&rig, list, sizeof list / sizeof *list);
    rig_close(&rig);
    rig_open(&rig, "_corrupt_record STRING, a INT", "a INT", NULL);
    shapes(&rig, list, 1);
    rig_close(&rig);
}

/* ---- big ones ---- */

static void test_deep(void **state)
{
    CLEAN(buf_deinit) struct buf doc = {0}, row = {0};
    struct rig rig;
    rig_open(&rig, "a STRING, b INT", NULL, NULL);
    for (int known = 0; known < 2; known++)
        for (int depth = 999; depth <= 100000; depth += depth == 999 ? 1 : 99000) {
            buf_reset(&doc);
            buf_reset(&row);
            buf_printf(&doc, "{\"%c\":", known ? 'a' : 'u');
            for (int i = 0; i < depth; i++)
                buf_char(&doc, '[');
            for (int i = 0; i < depth; i++)
                buf_char(&doc, ']');
            buf_text(&doc, ",\"b\":1}");
            enum json_outcome outcome = decode_one(&rig, buf_str(&doc), &row, NULL);
            assert_int_equal(outcome, depth == 999 ? JSON_FITS : JSON_CORRUPT);
        }
    rig_close(&rig);
}

static void test_big(void **state)
{
    CLEAN(buf_deinit) struct buf doc = {0};
    struct rig rig;
    rig_open(&rig, "a STRING, m MAP<STRING,INT>, l ARRAY<BIGINT>", NULL, NULL);
    buf_text(&doc, "{\"a\":\"");
    for (int i = 0; i < 10 * 1024 * 1024; i++)
        buf_char(&doc, (char)('a' + i % 26));
    buf_text(&doc, "\",\"m\":{");
    for (int i = 0; i < 20000; i++)
        buf_printf(&doc, "\"k%d\":%d,", i % 10000, i);
    buf_text(&doc, "\"z\":0},\"l\":[0");
    for (int i = 1; i < 100000; i++)
        buf_printf(&doc, ",%d", i);
    buf_text(&doc, "]}");
    struct str text = buf_str(&doc);
    struct batch *batch;
    uint8_t outcome;
    assert_ok(json_decode(rig.decoder, &text, 1, &batch, &outcome, NULL, 0, NULL));
    assert_int_equal(outcome, JSON_FITS);
    assert_int_equal(column_str(batch->columns[0], 0).bytes, 10 * 1024 * 1024);
    const struct column *keys = batch->columns[1]->children[0],
                        *values = batch->columns[1]->children[1];
    assert_int_equal(keys->rows, 10001);
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(values->i32[i], i + 10000);
    assert_str("k77", column_str(keys, 77));
    assert_int_equal(batch->columns[2]->children[0]->i64[99999], 99999);
    batch_unref(batch);
    rig_close(&rig);
}

/* Names: many, long, in changing order, more than are remembered. */
static void test_names(void **state)
{
    enum { FIELDS = 100 };
    CLEAN(buf_deinit) struct buf schema = {0};
    for (int i = 0; i < FIELDS; i++)
        buf_printf(&schema, "%sf%d%s INT", i ? ", " : "", i,
                   i % 7 ? "" : "_with_a_name_longer_than_what_is_remembered");
    struct rig rig;
    rig_open(&rig, buf_c_str(&schema), NULL, NULL);
    struct prng prng = {.state = 11};
    for (int round = 0; round < 60; round++) {
        CLEAN(buf_deinit) struct buf doc = {0}, row = {0}, want = {0};
        bool used[FIELDS];
        for (int i = 0; i < FIELDS; i++)
            used[i] = prng_below(&prng, 4) > 0;
        uint64_t from = round % 3 ? 0 : prng_below(&prng, FIELDS);
        buf_text(&doc, "{\"u\":0");
        for (uint64_t i = from; i < from + FIELDS; i++) {
            uint64_t f = i % FIELDS;
            if (used[f])
                buf_printf(&doc, ",%s\"f%d%s\"%s:%d", i % 5 ? "" : " ", (int)f,
                           f % 7 ? "" : "_with_a_name_longer_than_what_is_remembered",
                           round % 5 ? "" : " ", (int)f + round);
        }
        buf_char(&doc, '}');
        buf_char(&want, '{');
        for (int i = 0; i < FIELDS; i++)
            if (used[i])
                buf_printf(&want, "%s\"f%d%s\":%d", want.bytes > 1 ? "," : "", i,
                           i % 7 ? "" : "_with_a_name_longer_than_what_is_remembered", i + round);
        buf_char(&want, '}');
        assert_int_equal(decode_one(&rig, buf_str(&doc), &row, NULL), JSON_FITS);
        assert_str(buf_c_str(&want), buf_str(&row));
    }
    rig_close(&rig);
}

/* Long numbers: the digits past those that strtod gets count, and 1000 characters are the end. */
static void test_long_numbers(void **state)
{
    struct rig rig;
    rig_open(&rig, "v DOUBLE", NULL, NULL);
    for (int zeros = 0; zeros <= 990; zeros += 90) {
        CLEAN(buf_deinit) struct buf doc = {0}, row = {0};
        buf_text(&doc, "{\"v\":0.");
        for (int i = 0; i < zeros; i++)
            buf_char(&doc, '0');
        buf_printf(&doc, "15e%d}", zeros);
        assert_int_equal(decode_one(&rig, buf_str(&doc), &row, NULL), JSON_FITS);
        assert_str("{\"v\":0.15}", buf_str(&row));
        buf_reset(&doc);
        buf_reset(&row);
        buf_text(&doc, "{\"v\":15");
        for (int i = 0; i < zeros; i++)
            buf_char(&doc, '0');
        buf_printf(&doc, "e-%d}", zeros);
        assert_int_equal(decode_one(&rig, buf_str(&doc), &row, NULL), JSON_FITS);
        assert_str("{\"v\":15.0}", buf_str(&row));
    }
    CLEAN(buf_deinit) struct buf doc = {0}, row = {0};
    buf_text(&doc, "{\"v\":0.");
    for (int i = 0; i < 999; i++)
        buf_char(&doc, '1');
    buf_char(&doc, '}');
    assert_int_equal(decode_one(&rig, buf_str(&doc), &row, NULL), JSON_CORRUPT);
    rig_close(&rig);
}

/* ---- real data ---- */

static void test_users(void **state)
{
    CLEAN(buf_deinit) struct buf file = {0}, row = {0};
    if (!shared_dir())
        skip();
    assert_true(file_read("data/randomuser/v1.4-mixed-111.json", &file));
    struct rig rig;
    rig_open(&rig,
             "gender STRING, name STRUCT<first: STRING, last: STRING>, location STRUCT<street: "
             "STRUCT<number: INT, name: STRING>, postcode: STRING, coordinates: STRUCT<latitude: "
             "STRING>>, email STRING, dob STRUCT<date: TIMESTAMP, age: INT>",
             NULL, NULL);
    struct str list = json_member(buf_str(&file), "results"), user;
    size_t state_at = 0, count = 0;
    while (json_next(list, &state_at, NULL, &user)) {
        buf_reset(&row);
        assert_int_equal(decode_one(&rig, user, &row, NULL), JSON_FITS);
        CLEAN(buf_deinit) struct buf want = {0}, have = {0};
        struct str name = json_member(json_member(user, "name"), "last");
        json_text(name, &want);
        json_text(json_member(json_member(buf_str(&row), "name"), "last"), &have);
        assert_true(str_equal(buf_str(&want), buf_str(&have)));
        assert_true(str_equal(json_member(json_member(user, "dob"), "age"),
                              json_member(json_member(buf_str(&row), "dob"), "age")));
        count++;
    }
    assert_int_equal(count, 111);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_refused_schemas),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_corrupt_record),
        cmocka_unit_test(test_first_date),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_big),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_users),
    };
    return RUN_TESTS(tests);
}
