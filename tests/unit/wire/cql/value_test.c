/* SPDX-License-Identifier: MIT */
/* Values: bytes from text, text from bytes, JSON, order, what is refused and in which words. */
#include "base/prng.h"
#include "wire/cql/cql.h"

#include "test.h"

static const struct cql_type *type_of(struct arena *arena, const char *text)
{
    const struct cql_type *type = NULL;
    if (cql_type_parse(arena, str_of(text), NULL, NULL, NULL, &type) != OK)
        fail_msg("type %s", text);
    return type;
}

static void unhex(const char *hex, struct buf *out)
{
    buf_reset(out);
    for (; hex[0] && hex[1]; hex += 2) {
        unsigned byte = 0;
        assert_int_equal(1, sscanf(hex, "%2x", &byte));
        buf_u8(out, (uint8_t)byte);
    }
}

static void assert_hex(const char *hex, struct str have, const char *what)
{
    struct buf want = {0};
    unhex(hex, &want);
    if (!str_equal(buf_str(&want), have)) {
        struct buf text = {0};
        cql_value_print(cql_simple(CQL_BLOB), have, &text);
        fail_msg("%s: want %s, have %.*s", what, hex, STR_ARG(buf_str(&text)));
    }
    buf_deinit(&want);
}

/* text -> bytes -> literal and JSON; NULL = not looked at. */
struct value_case {
    const char *type, *text, *hex, *literal, *json;
};
static const struct value_case cases[] = {
    {"ascii", "it's", "69742773", "'it''s'", "\"it's\""},
    {"text", "h\xC3\xA9\n\"", "68c3a90a22", "'h\xC3\xA9\n\"'", "\"h\xC3\xA9\\n\\\"\""},
    {"text", "\x01", "01", NULL, "\"\\u0001\""},
    {"bigint", "-1", "ffffffffffffffff", "-1", "-1"},
    {"'LexicalUUIDType'", "550e8400-e29b-41d4-a716-446655440000",
     "550e8400e29b41d4a716446655440000", "550e8400-e29b-41d4-a716-446655440000",
     "\"550e8400-e29b-41d4-a716-446655440000\""},
    {"bigint", "9223372036854775807", "7fffffffffffffff", NULL, "9223372036854775807"},
    {"counter", "258", "0000000000000102", "258", "258"},
    {"int", "+2147483647", "7fffffff", "2147483647", "2147483647"},
    {"smallint", "-32768", "8000", "-32768", "-32768"},
    {"tinyint", "-1", "ff", "-1", "-1"},
    {"blob", "0xCAFE", "cafe", "0xcafe", "\"0xcafe\""},
    {"blob", "", "", "0x", "\"0x\""},
    {"boolean", "TRUE", "01", "true", "true"},
    {"boolean", "false", "00", "false", "false"},
    {"float", "1.5", "3fc00000", "1.5", "1.5"},
    {"float", "-Infinity", "ff800000", "-Infinity", "null"},
    {"float", "NaN", "7fc00000", "NaN", "null"},
    {"float", "16777217", "4b800000", "1.6777216E7", NULL},
    {"float", "0.1", "3dcccccd", "0.1", "0.1"},
    {"double", "0.1", "3fb999999999999a", "0.1", "0.1"},
    {"double", "1e10", "4202a05f20000000", "1.0E10", "1.0E10"},
    {"double", "-0.0", "8000000000000000", "-0.0", "-0.0"},
    {"double", "123456.75", "40fe240c00000000", "123456.75", NULL},
    {"double", "0.001", "3f50624dd2f1a9fc", "0.001", NULL},
    {"double", "0.0001", "3f1a36e2eb1c432d", "1.0E-4", NULL},
    {"double", "1234567.0", "4132d68700000000", "1234567.0", NULL},
    {"double", "5e-324", "0000000000000001", NULL, NULL},
    {"decimal", "1.50", "000000020096", "1.50", "1.50"},
    {"decimal", "-0.001", "00000003ff", "-0.001", "-0.001"},
    {"decimal", "1e3", "fffffffd01", "1000", "1E+3"},
    {"decimal", "12e-10", "0000000a0c", "0.0000000012", "1.2E-9"},
    {"decimal", ".5", "0000000105", "0.5", "0.5"},
    {"varint", "0", "00", "0", "0"},
    {"varint", "127", "7f", "127", "127"},
    {"varint", "128", "0080", "128", "128"},
    {"varint", "-128", "80", "-128", "-128"},
    {"varint", "-129", "ff7f", "-129", "-129"},
    {"varint", "18446744073709551616", "010000000000000000", "18446744073709551616", NULL},
    {"varint", "-18446744073709551616", "ff0000000000000000", "-18446744073709551616", NULL},
    {"varint", "340282366920938463463374607431768211456", "0100000000000000000000000000000000",
     "340282366920938463463374607431768211456", NULL},
    {"uuid", "550E8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000",
     "550e8400-e29b-41d4-a716-446655440000", "\"550e8400-e29b-41d4-a716-446655440000\""},
    {"timeuuid", "c2b0a1e0-1c2a-11ee-8080-808080808080", "c2b0a1e01c2a11ee8080808080808080", NULL,
     NULL},
    {"inet", "127.0.0.1", "7f000001", "'127.0.0.1'", "\"127.0.0.1\""},
    {"inet", "::1", "00000000000000000000000000000001", "'0:0:0:0:0:0:0:1'", NULL},
    {"inet", "::ffff:1.2.3.4", "01020304", "'1.2.3.4'", NULL},
    {"date", "1970-01-01", "80000000", "'1970-01-01'", "\"1970-01-01\""},
    {"date", "2147483649", "80000001", "'1970-01-02'", NULL},
    {"date", "1969-12-31", "7fffffff", "'1969-12-31'", NULL},
    {"date", "-5877641-06-23", "00000000", "'-5877641-06-23'", NULL},
    {"date", "0001-01-01", "7ff506c6", NULL, "\"0001-01-01\""},
    {"time", "12:34:56.789", "", NULL, NULL},
    {"time", "00:00:00", "0000000000000000", "'00:00:00.000000000'", "\"00:00:00.000000000\""},
    {"time", "86399999999999", "00004e94914effff", "'23:59:59.999999999'", NULL},
    {"timestamp", "0", "0000000000000000", "'1970-01-01T00:00:00.000Z'",
     "\"1970-01-01 00:00:00.000Z\""},
    {"timestamp", "-1", "ffffffffffffffff", "'1969-12-31T23:59:59.999Z'", NULL},
    {"duration", "12h30m", "", NULL, NULL},
    {"duration", "1mo2d3ns", "020406", "1mo2d3ns", "\"1mo2d3ns\""},
    {"duration", "-1y3mo", "1d0000", "-1y3mo", NULL},
    {"duration", "0s", "000000", "0s", "\"\""},
};

static void from_text(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct value_case *c = &cases[i];
        const struct cql_type *type = type_of(&arena, c->type);
        struct buf value = {0}, out = {0};
        struct diag diag = {0};
        if (cql_value_from_text(type, str_of(c->text), &value, &diag) != OK)
            fail_msg("%s '%s': %s", c->type, c->text, diag.message);
        struct str bytes = str_from(value.ptr ? value.ptr : (const uint8_t *)"", value.bytes);
        if (c->literal || c->json)
            assert_hex(c->hex, bytes, c->text);
        assert_ok(cql_value_check(type, bytes, &diag));
        cql_value_print(type, bytes, &out);
        if (c->literal)
            assert_str(c->literal, buf_str(&out));
        /* What is printed reads back as the same bytes, but for what has no such literal. */
        struct str literal = buf_str(&out);
        if (literal.ptr[0] == '\'' && !memchr("'\n", literal.ptr[1], 2))
            literal = str_slice(literal, 1, literal.bytes - 1);
        if (type->kind != CQL_DECIMAL && type->kind != CQL_ASCII && type->kind != CQL_TEXT) {
            struct buf again = {0};
            assert_ok(cql_value_from_text(type, literal, &again, &diag));
            assert_true(str_equal(buf_str(&again), bytes));
            buf_deinit(&again);
        }
        buf_reset(&out);
        cql_value_print_json(type, bytes, &out);
        if (c->json)
            assert_str(c->json, buf_str(&out));
        buf_deinit(&value);
        buf_deinit(&out);
    }
    arena_deinit(&arena);
}

struct timestamp_case {
    const char *text;
    int64_t ms;
};
static const struct timestamp_case timestamps[] = {
    {"2011-02-03", 1296691200000},
    {"2011-02-03 04:05", 1296705900000},
    {"2011-02-03 04:05:00", 1296705900000},
    {"2011-02-03T04:05", 1296705900000},
    {"2011-02-03T04:05:00.123", 1296705900123},
    {"2011-02-03 04:05:00.5Z", 1296705900500},
    {"2011-02-03 04:05+0000", 1296705900000},
    {"2011-02-03 04:05:00+0100", 1296702300000},
    {"2011-02-03 04:05:00-01:30", 1296711300000},
    {"2011-02-03 04:05:00 +01", 1296702300000},
    {"2011-02-03 04:05:00 UTC", 1296705900000},
    {"2011-02-03+0100", 1296687600000},
    {"1969-12-31T23:59:59.999Z", -1},
    {"1296705900000", 1296705900000},
    {"-5", -5},
};

static void timestamp_forms(void **state)
{
    for (size_t i = 0; i < sizeof timestamps / sizeof timestamps[0]; i++) {
        struct buf out = {0};
        struct diag diag = {0};
        if (cql_value_from_text(cql_simple(CQL_TIMESTAMP), str_of(timestamps[i].text), &out,
                                &diag) != OK)
            fail_msg("%s", diag.message);
        if ((int64_t)get_be64(out.ptr) != timestamps[i].ms)
            fail_msg("%s: %lld", timestamps[i].text, (long long)get_be64(out.ptr));
        buf_deinit(&out);
    }
}

static void duration_forms(void **state)
{
    static const char *const same[][3] = {
        {"1y2mo3w4d5h6m7s8ms9us10ns", "1Y2MO3W4D5H6M7S8MS9US10NS",
         "1y2mo25d5h6m7s8ms9\xC2\xB5s10ns"},
        {"P1Y2M3DT4H5M6S", "P0001-02-03T04:05:06", "1y2mo3d4h5m6s"},
        {"P4W", "28d", "4w"},
        {"-PT5M", "-5m", "-P0000-00-00T00:05:00"},
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct buf first = {0}, other = {0};
        struct diag diag = {0};
        for (size_t j = 0; j < 3; j++) {
            struct buf *out = j ? &other : &first;
            buf_reset(out);
            if (cql_value_from_text(cql_simple(CQL_DURATION), str_of(same[i][j]), out, &diag) != OK)
                fail_msg("%s", diag.message);
            if (j)
                assert_true(str_equal(buf_str(&first), buf_str(&other)));
        }
        buf_deinit(&first);
        buf_deinit(&other);
    }
}

struct refusal {
    const char *type, *text, *message;
};
static const struct refusal refusals[] = {
    {"int", "2147483648", "Unable to make int from '2147483648'"},
    {"int", "", "Unable to make int from ''"},
    {"tinyint", "128", "Unable to make byte from '128'"},
    {"smallint", "a", "Unable to make short from 'a'"},
    {"bigint", "9223372036854775808", "Unable to make long from '9223372036854775808'"},
    {"float", "1.x", "Unable to make float from '1.x'"},
    {"double", "", "Unable to make double from ''"},
    {"boolean", "yes", "Unable to make boolean from 'yes'"},
    {"decimal", "1e", "unable to make BigDecimal from '1e'"},
    {"decimal", "1e99999999999", NULL},
    {"varint", "1.0", "unable to make int from '1.0'"},
    {"varint", "-", NULL},
    {"blob", "0xabc", "cannot parse '0xabc' as hex bytes"},
    {"blob", "zz", NULL},
    {"uuid", "550e8400-e29b-41d4-a716-44665544000", NULL},
    {"uuid", "550e8400-e29b-41d4-a716-4466554400zz", NULL},
    {"timeuuid", "550e8400-e29b-41d4-a716-446655440000", "TimeUUID supports only version 1 UUIDs"},
    {"inet", "localhost", "Unable to make inet address from 'localhost'"},
    {"inet", "1.2.3", NULL},
    {"ascii", "\xC3\xA9", "Invalid ASCII character in string literal"},
    {"text", "\xFF", "String didn't validate."},
    {"date", "2011-02-29", "Unable to coerce '2011-02-29' to a formatted date (long)"},
    {"date", "4294967296", "Unable to make unsigned int (for date) from: '4294967296'"},
    {"date", "9999999-01-01", "Input out of bounds: 9999999-01-01"},
    {"time", "12:30", "(TimeType) Unable to coerce '12:30' to a formatted time (long)"},
    {"time", "24:00:00", NULL},
    {"time", "86400000000000", "Input long out of bounds: 86400000000000"},
    {"time", "9223372036854775808", "Unable to make long (for time) from: '9223372036854775808'"},
    {"timestamp", "2011-13-01", "Unable to parse a date/time from '2011-13-01'"},
    {"timestamp", "2011-01-01 25:00", NULL},
    {"timestamp", "2011-01-01 12:00 Nowhere", NULL},
    {"timestamp", "999999999-01-01", NULL},
    {"duration", "", "Unable to convert '' to a duration"},
    {"duration", "1x", "Unable to convert '1x' to a duration"},
    {"duration", "1d2y", NULL},
    {"duration", "1d1d", "Invalid duration. The days are set multiple times"},
    {"duration", "P1H", NULL},
    {"duration", "3000000000d", NULL},
};

static void refused_texts(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct buf out = {0};
        struct diag diag = {0};
        buf_u8(&out, 7);
        if (cql_value_from_text(type_of(&arena, refusals[i].type), str_of(refusals[i].text), &out,
                                &diag) == OK)
            fail_msg("%s '%s' was taken", refusals[i].type, refusals[i].text);
        if (refusals[i].message)
            assert_string_equal(refusals[i].message, diag.message);
        assert_int_equal(1, out.bytes);
        buf_deinit(&out);
    }
    arena_deinit(&arena);
}

struct check_case {
    const char *type, *hex, *message; /* NULL: is a value */
};
static const struct check_case checks[] = {
    {"int", "000001", "Expected 4 or 0 byte int (3)"},
    {"int", "", NULL},
    {"bigint", "00", "Expected 8 or 0 byte long (1)"},
    {"smallint", "", "Expected 2 bytes for a smallint (0)"},
    {"tinyint", "0001", "Expected 1 byte for a tinyint (2)"},
    {"boolean", "0001", "Expected 1 or 0 byte value (2)"},
    {"float", "00", "Expected 4 or 0 byte value for a float (1)"},
    {"double", "00", "Expected 8 or 0 byte value for a double (1)"},
    {"timestamp", "00", "Expected 8 or 0 byte long for date (1)"},
    {"date", "00", "Expected 4 byte long for date (1)"},
    {"time", "00", "Expected 8 byte long for time (1)"},
    {"uuid", "00", "UUID should be 16 or 0 bytes (1)"},
    {"timeuuid", "550e8400e29b41d4a716446655440000", "Invalid version for TimeUUID type."},
    {"'LexicalUUIDType'", "00", "UUID should be 16 or 0 bytes (1)"},
    {"'CompositeType(AsciiType, Int32Type)'", "000161000004",
     "Not enough bytes to read value of component 1"},
    {"'CompositeType(AsciiType, Int32Type)'", "00016100000100",
     "Not enough bytes to read value of component 1"},
    {"'CompositeType(AsciiType, Int32Type)'", "0001610000010000", "Expected 4 or 0 byte int (1)"},
    {"'CompositeType(AsciiType)'", "00016100000000",
     "Too many bytes for "
     "org.apache.cassandra.db.marshal.CompositeType(org.apache.cassandra.db.marshal.AsciiType)"},
    {"'DynamicCompositeType(a=>AsciiType)'", "ff", NULL},
    {"inet", "010203", "Expected 4 or 16 byte inetaddress; got 010203"},
    {"decimal", "0102", "Expected 0 or at least 4 bytes (2)"},
    {"duration", "0000", "Expected at least 3 bytes for a duration (2)"},
    {"duration", "020100",
     "The duration months, days and nanoseconds must be all of the same sign (1, -1, 0)"},
    {"duration", "f1000000000000",
     "The duration months must be a 32 bits integer but was: "
     "2147483648"},
    {"list<int>", "00000001", "Not enough bytes to read a list"},
    {"list<int>", "000000010000000400000001", NULL},
    {"list<int>", "00000001000000040000000100", "Unexpected extraneous bytes after list value"},
    {"list<int>", "00000001ffffffff", "Null value read when not allowed"},
    {"list<int>", "7fffffff0000000400000001", "Not enough bytes to read a list"},
    {"set<int>", "0000000100000003000001", "Expected 4 or 0 byte int (3)"},
    {"map<text, int>", "00000001000000016100000004000000ff", NULL},
    {"map<text, int>", "0000000100000001610000000400000", "Not enough bytes to read a map"},
    {"tuple<int, text>", "0000000400000001ffffffff", NULL},
    {"tuple<int, text>", "0000000400000001", NULL},
    {"tuple<int, text>", "00000004000000010000000161ff",
     "Invalid remaining data after end of tuple value"},
    {"vector<float, 2>", "3f8000003f800000", NULL},
    {"vector<float, 2>", "3f8000003f80", "Not enough bytes to read a vector"},
    {"vector<text, 2>", "01610162", NULL},
    {"vector<tinyint, 2>", "01010102", NULL},
};

/* Texts of composites are not their literals, which are hexadecimal. */
static void texts_of_composites(void **state)
{
    static const char *const texts[][2] = {{"a\\:b:5", "0003613a620000040000000500"},
                                           {"ab", "0002616200"},
                                           {":1", "00000000040000000100"},
                                           {"", ""},
                                           {"a:b", NULL},
                                           {"a:1:2", NULL}};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct cql_type *type = type_of(&arena, "'CompositeType(AsciiType, Int32Type)'");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CLEAN(buf_deinit) struct buf value = {0};
        CLEAN(buf_deinit) struct buf want = {0};
        struct diag diag = {0};
        enum err err = cql_value_from_text(type, str_of(texts[i][0]), &value, &diag);
        assert_int_equal(texts[i][1] == NULL, err != OK);
        if (!texts[i][1])
            continue;
        unhex(texts[i][1], &want);
        assert_true(str_equal(buf_str(&want), buf_str(&value)));
    }
    arena_deinit(&arena);
}

static void checked(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct buf bytes = {0};
        struct diag diag = {0};
        unhex(checks[i].hex, &bytes);
        struct str value = str_from(bytes.ptr ? bytes.ptr : (const uint8_t *)"", bytes.bytes);
        enum err err = cql_value_check(type_of(&arena, checks[i].type), value, &diag);
        if ((err == OK) != !checks[i].message)
            fail_msg("%s %s: %s", checks[i].type, checks[i].hex, diag.message);
        if (checks[i].message)
            assert_string_equal(checks[i].message, diag.message);
        /* Printing never fails. */
        struct buf out = {0};
        cql_value_print(type_of(&arena, checks[i].type), value, &out);
        cql_value_print_json(type_of(&arena, checks[i].type), value, &out);
        assert_true(out.bytes > 0);
        buf_deinit(&out);
        buf_deinit(&bytes);
    }
    arena_deinit(&arena);
}

/* In rising order, as literals of the type. */
static const char *const orders[][8] = {
    {"int", "", "-2147483648", "-1", "0", "1", "2147483647", NULL},
    {"tinyint", "-128", "-1", "0", "127", NULL},
    {"double", "-Infinity", "-1.5", "-0.0", "0.0", "1e300", "Infinity", "NaN"},
    {"float", "-3.5", "-0.0", "0.0", "2.5", "NaN", NULL},
    {"varint", "-18446744073709551617", "-256", "-1", "0", "255", "18446744073709551616", NULL},
    {"decimal", "-10", "-9.99", "0", "1e-5", "1.0000001", "1e100000", NULL},
    {"date", "-0001-01-01", "1969-12-31", "1970-01-01", "2011-02-03", NULL},
    {"text", "", "a", "aa", "b", "\xC3\xA9", NULL},
    {"boolean", "false", "true", NULL},
    {"uuid", "00000000-0000-1000-8000-000000000001", "00000001-0000-1000-8000-000000000000",
     "00000000-0001-1000-8000-000000000000", "00000000-0000-4000-8000-000000000000",
     "f0000000-0000-4000-8000-000000000000", NULL},
    {"'LexicalUUIDType'", "", "f0000000-0000-4000-8000-000000000000",
     "00000000-0000-1000-f000-000000000000", "00000000-0000-1000-0000-000000000000",
     "7f000000-0000-1000-0000-000000000000", NULL},
    {"timeuuid", "00000000-0000-1000-8000-000000000000", "00000000-0000-1000-ff00-000000000000",
     "00000000-0000-1000-0000-000000000000", "00000001-0000-1000-8000-000000000000", NULL},
};

static void ordered(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        const struct cql_type *type = type_of(&arena, orders[i][0]);
        for (size_t a = 1; a < 8 && orders[i][a]; a++)
            for (size_t b = 1; b < 8 && orders[i][b]; b++) {
                struct buf x = {0}, y = {0};
                if (orders[i][a][0])
                    assert_ok(cql_value_from_text(type, str_of(orders[i][a]), &x, NULL));
                if (orders[i][b][0])
                    assert_ok(cql_value_from_text(type, str_of(orders[i][b]), &y, NULL));
                struct str p = str_from(x.ptr ? (void *)x.ptr : "", x.bytes);
                struct str q = str_from(y.ptr ? (void *)y.ptr : "", y.bytes);
                int order = cql_value_compare(type, p, q);
                if ((order > 0) - (order < 0) != (a > b) - (a < b))
                    fail_msg("%s: %s and %s: %d", orders[i][0], orders[i][a], orders[i][b], order);
                assert_true(cql_value_compare(type, STR_NONE, p) < 0);
                buf_deinit(&x);
                buf_deinit(&y);
            }
    }
    /* 1.0 and 1.00 are one number. */
    assert_int_equal(0, cql_value_compare(cql_simple(CQL_DECIMAL), str_from("\0\0\0\1\12", 5),
                                          str_from("\0\0\0\2\144", 5)));
    const struct cql_type *list = type_of(&arena, "list<int>");
    assert_true(cql_value_compare(list, str_from("\0\0\0\1\0\0\0\4\377\377\377\377", 12),
                                  str_from("\0\0\0\1\0\0\0\4\0\0\0\0", 12)) < 0);
    assert_true(cql_value_compare(list, str_from("\0\0\0\0", 4),
                                  str_from("\0\0\0\1\0\0\0\4\0\0\0\0", 12)) < 0);
    arena_deinit(&arena);
}

static void composites(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct cql_type *map = type_of(&arena, "map<int, frozen<list<text>>>");
    struct buf list = {0}, value = {0}, out = {0};
    cql_collection_begin(&list, map->items[1], 2);
    cql_element_append(&list, map->items[1], STR("a"));
    cql_element_append(&list, map->items[1], STR("it's"));
    cql_collection_begin(&value, map, 1);
    cql_element_append(&value, map, str_from("\0\0\0\7", 4));
    cql_element_append(&value, map, buf_str(&list));
    assert_ok(cql_value_check(map, buf_str(&value), NULL));
    cql_value_print(map, buf_str(&value), &out);
    assert_str("{7: ['a', 'it''s']}", buf_str(&out));
    buf_reset(&out);
    cql_value_print_json(map, buf_str(&value), &out);
    assert_str("{\"7\": [\"a\", \"it's\"]}", buf_str(&out));
    static const struct str names[] = {{"street", 6}, {"Zip", 3}};
    const struct cql_type *items[] = {cql_simple(CQL_TEXT), cql_simple(CQL_INT)};
    const struct cql_type *udt = cql_udt(&arena, STR("k"), STR("a"), names, items, 2, true);
    buf_reset(&value);
    cql_element_append(&value, udt, STR("x"));
    buf_reset(&out);
    cql_value_print(udt, buf_str(&value), &out);
    assert_str("{street: 'x', \"Zip\": null}", buf_str(&out));
    buf_reset(&out);
    cql_value_print_json(udt, buf_str(&value), &out);
    assert_str("{\"street\": \"x\", \"\\\"Zip\\\"\": null}", buf_str(&out));
    buf_deinit(&list);
    buf_deinit(&value);
    buf_deinit(&out);
    arena_deinit(&arena);
}

static void vints(void **state)
{
    struct prng prng = {7};
    for (int i = 0; i < 20000; i++) {
        uint64_t value = prng_next(&prng) >> prng_below(&prng, 64);
        struct buf out = {0};
        cql_vint_append(&out, value);
        struct reader r = reader_of(out.ptr, out.bytes);
        assert_true(cql_vint_read(&r) == value && r.err == OK && !r.left);
        for (size_t cut = 0; cut < out.bytes; cut++) {
            r = reader_of(out.ptr, cut);
            cql_vint_read(&r);
            assert_int_equal(ERR_TRUNCATED, r.err);
        }
        buf_deinit(&out);
    }
    struct buf out = {0};
    cql_vint_append(&out, UINT64_MAX);
    assert_hex("ffffffffffffffffff", buf_str(&out), "vint");
    buf_reset(&out);
    cql_vint_append(&out, 128);
    assert_hex("8080", buf_str(&out), "vint");
    buf_reset(&out);
    cql_vint_append(&out, 127);
    assert_hex("7f", buf_str(&out), "vint");
    buf_deinit(&out);
}

/* Random integers of up to 2,000 digits survive, and so does random text of digits. */
static void varints(void **state)
{
    struct prng prng = {11};
    for (int i = 0; i < 300; i++) {
        struct buf text = {0}, value = {0}, again = {0};
        size_t digits = 1 + prng_below(&prng, i % 10 ? 60 : 2000);
        if (prng_below(&prng, 2))
            buf_char(&text, '-');
        buf_char(&text, (char)('1' + prng_below(&prng, 9)));
        while (text.bytes < digits)
            buf_char(&text, (char)('0' + (prng_below(&prng, 3) ? prng_below(&prng, 10) : 0)));
        assert_ok(cql_varint_from_text(buf_str(&text), &value));
        cql_varint_print(buf_str(&value), &again);
        assert_true(str_equal(buf_str(&text), buf_str(&again)));
        /* No byte too many. */
        if (value.bytes > 1)
            assert_false((value.ptr[0] == 0 && value.ptr[1] < 0x80) ||
                         (value.ptr[0] == 0xFF && value.ptr[1] >= 0x80));
        buf_deinit(&text);
        buf_deinit(&value);
        buf_deinit(&again);
    }
}

/* Random bytes as values of every type: checked, printed and compared without reading outside. */
static void random_bytes(void **state)
{
    static const char *const types[] = {"int",
                                        "decimal",
                                        "varint",
                                        "duration",
                                        "list<int>",
                                        "map<text, frozen<set<uuid>>>",
                                        "tuple<int, duration, text>",
                                        "vector<text, 3>",
                                        "vector<int, 2>",
                                        "double",
                                        "timestamp",
                                        "date",
                                        "time",
                                        "inet",
                                        "timeuuid",
                                        "frozen<list<vector<tinyint, 2>>>"};
    struct prng prng = {3};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 20000; i++) {
        const struct cql_type *type = type_of(&arena, types[prng_below(&prng, 16)]);
        size_t bytes[2];
        uint8_t *data[2];
        for (int j = 0; j < 2; j++) {
            bytes[j] = prng_below(&prng, 40);
            data[j] = mem_alloc(bytes[j] ? bytes[j] : 1);
            for (size_t k = 0; k < bytes[j]; k++)
                data[j][k] = prng_below(&prng, 3) ? (uint8_t)prng_below(&prng, 6)
                                                  : (uint8_t)prng_next(&prng);
        }
        struct str a = str_from(data[0], bytes[0]), b = str_from(data[1], bytes[1]);
        struct buf out = {0};
        if (cql_value_check(type, a, NULL) == OK) {
            cql_value_print(type, a, &out);
            cql_value_print_json(type, a, &out);
        }
        int order = cql_value_compare(type, a, b), back = cql_value_compare(type, b, a);
        assert_int_equal((order > 0) - (order < 0), (back < 0) - (back > 0));
        assert_int_equal(0, cql_value_compare(type, a, a));
        buf_deinit(&out);
        mem_free(data[0]);
        mem_free(data[1]);
        if (i % 100 == 0)
            arena_reset(&arena);
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_text),      cmocka_unit_test(timestamp_forms),
        cmocka_unit_test(duration_forms), cmocka_unit_test(refused_texts),
        cmocka_unit_test(composites),     cmocka_unit_test(texts_of_composites),
        cmocka_unit_test(checked),        cmocka_unit_test(ordered),
        cmocka_unit_test(composites),     cmocka_unit_test(vints),
        cmocka_unit_test(varints),        cmocka_unit_test(random_bytes),
    };
    return RUN_TESTS(tests);
}
