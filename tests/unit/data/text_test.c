/* SPDX-License-Identifier: MIT */
/* Values as Spark prints them: numbers in Java's notation, times, intervals, nested values. */
#include "test.h"

#include "base/prng.h"
#include "base/zone.h"
#include "data/column.h"

#include <float.h>
#include <math.h>

static void test_doubles(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {1e7, "1.0E7"},
        {9999999, "9999999.0"},
        {12345678.9, "1.23456789E7"},
        {0.001, "0.001"},
        {1e-4, "1.0E-4"},
        {0.00099, "9.9E-4"},
        {DBL_TRUE_MIN, "4.9E-324"},
        {1e-323, "9.9E-324"},
        {DBL_MIN, "2.2250738585072014E-308"},
        {DBL_MAX, "1.7976931348623157E308"},
        {1e23, "1.0E23"},
        {2e23, "2.0E23"},
        {2e-3, "0.002"},
        {9007199254740993.0, "9.007199254740992E15"},
        {4.6116860184273879E18, "4.611686018427388E18"},
        {0x1p-44, "5.684341886080802E-14"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100, "100.0"},
        {-1.5, "-1.5"},
        {NAN, "NaN"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
        {-0.0, "-0.0"},
        {0, "0.0"},
    };
    struct buf buf = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_reset(&buf);
        text_of_double(cases[i].value, &buf);
        assert_str(cases[i].text, buf_str(&buf));
    }
    buf_deinit(&buf);
}

static void test_floats(void **state)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0.1f, "0.1"},
        {16777216, "1.6777216E7"},
        {3.4028235e38f, "3.4028235E38"},
        {1e-45f, "1.4E-45"},
        {1.17549435e-38f, "1.1754944E-38"},
        {123456.7f, "123456.7"},
        {1e10f, "1.0E10"},
        {-0.0f, "-0.0"},
        {0x1p-96f, "1.2621775E-29"},
        {3.3554432e7f, "3.3554432E7"},
    };
    struct buf buf = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_reset(&buf);
        text_of_float(cases[i].value, &buf);
        assert_str(cases[i].text, buf_str(&buf));
    }
    buf_deinit(&buf);
}

/* What is printed reads back, and no text of fewer digits does. */
static void test_round_trip(void **state)
{
    struct prng prng = {31};
    struct buf buf = {0};
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = prng_next(&prng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (i % 2)
            value = (double)(int64_t)(bits >> 20) / 1000;
        if (!isfinite(value))
            continue;
        buf_reset(&buf);
        text_of_double(value, &buf);
        assert_true(strtod(buf_c_str(&buf), NULL) == value);
        /* Digits from the first to the last that is not zero. */
        int digits = 0, zeros = 0;
        for (size_t k = 0; k < buf.bytes && buf.ptr[k] != 'E'; k++) {
            if (buf.ptr[k] == '0')
                zeros += digits > 0;
            else if (buf.ptr[k] > '0' && buf.ptr[k] <= '9') {
                digits += zeros + 1;
                zeros = 0;
            }
        }
        char shorter[40];
        snprintf(shorter, sizeof shorter, "%.*e", digits < 2 ? 0 : digits - 2, value);
        if (digits > 2 && strtod(shorter, NULL) == value)
            fail_msg("%s is not the shortest", buf_c_str(&buf));
    }
    buf_deinit(&buf);
}

static void test_times(void **state)
{
    struct buf buf = {0};
    text_of_date(0, &buf);
    buf_char(&buf, ' ');
    text_of_date(2932897, &buf);
    buf_char(&buf, ' ');
    text_of_date(-719529, &buf);
    assert_str("1970-01-01 +10000-01-01 -0001-12-31", buf_str(&buf));
    buf_reset(&buf);
    text_of_timestamp(1704110400500000, &buf);
    buf_char(&buf, '|');
    text_of_timestamp(-1, &buf);
    buf_char(&buf, '|');
    text_of_timestamp(0, &buf);
    assert_str("2024-01-01 12:00:00.5|1969-12-31 23:59:59.999999|1970-01-01 00:00:00",
               buf_str(&buf));
    buf_deinit(&buf);
}

static void test_intervals(void **state)
{
    static const struct {
        const char *type;
        int64_t value;
        const char *text;
    } cases[] = {
        {"interval year to month", 14, "INTERVAL '1-2' YEAR TO MONTH"},
        {"interval year to month", INT32_MIN, "INTERVAL '-178956970-8' YEAR TO MONTH"},
        {"interval year to month", -11, "INTERVAL '-0-11' YEAR TO MONTH"},
        {"interval month", INT32_MAX, "INTERVAL '2147483647' MONTH"},
        {"interval year", 24, "INTERVAL '2' YEAR"},
        {"interval day to second", INT64_MIN,
         "INTERVAL '-106751991 04:00:54.775808' DAY TO SECOND"},
        {"interval day to second", 93784001000, "INTERVAL '1 02:03:04.001' DAY TO SECOND"},
        {"interval second", -2000000, "INTERVAL '-02' SECOND"},
        {"interval hour", 7200000000, "INTERVAL '02' HOUR"},
        {"interval minute", 4200000000, "INTERVAL '70' MINUTE"},
        {"interval day", 1728000000000, "INTERVAL '20' DAY"},
        {"interval day to hour", 129600000000, "INTERVAL '1 12' DAY TO HOUR"},
        {"interval hour to second", 43932123456, "INTERVAL '12:12:12.123456' HOUR TO SECOND"},
    };
    struct arena arena;
    struct buf buf = {0};
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct type *type;
        assert_ok(type_parse(&arena, str_of(cases[i].type), NULL, &type));
        buf_reset(&buf);
        text_of_ansi_interval(type, cases[i].value, &buf);
        assert_str(cases[i].text, buf_str(&buf));
    }
    buf_reset(&buf);
    text_of_interval(&(struct interval){.months = 14, .days = 3, .us = 14706789000}, &buf);
    buf_char(&buf, '|');
    text_of_interval(&(struct interval){0}, &buf);
    buf_char(&buf, '|');
    text_of_interval(&(struct interval){.months = -1, .us = -1500000}, &buf);
    assert_str("1 years 2 months 3 days 4 hours 5 minutes 6.789 seconds|0 seconds|"
               "-1 months -1.5 seconds",
               buf_str(&buf));
    buf_deinit(&buf);
    arena_deinit(&arena);
}

static void test_nested(void **state)
{
    struct arena arena;
    struct buf buf = {0};
    struct column *column;
    const struct type *type;
    const struct zone *zone;
    arena_init(&arena, 1 << 20);
    assert_ok(zone_find(STR("America/Los_Angeles"), &zone));
    assert_ok(type_parse(&arena,
                         STR("struct<a:string,b:array<int>,c:map<string,timestamp>,d:boolean,"
                             "e:decimal(5,2),f:float,g:tinyint,h:void>"),
                         NULL, &type));
    struct builder *b = builder_new(type, 0, 0);
    builder_str(b->children[0], STR("x"));
    builder_i64(b->children[1]->children[0], 1);
    builder_null(b->children[1]->children[0]);
    builder_valid(b->children[1]);
    builder_str(b->children[2]->children[0], STR("k"));
    builder_i64(b->children[2]->children[1], 1720000000000000);
    builder_valid(b->children[2]);
    builder_bool(b->children[3], true);
    builder_i128(b->children[4], -5);
    builder_f64(b->children[5], 0.5);
    builder_i64(b->children[6], -128);
    builder_null(b->children[7]);
    builder_valid(b);
    builder_null(b);
    assert_ok(builder_finish(b, &column));
    column_check(column);
    text_of_value(column, 0, zone, &buf);
    buf_char(&buf, '|');
    text_of_value(column, 1, zone, &buf);
    assert_str("{x, [1, null], {k -> 2024-07-03 02:46:40}, true, -0.05, 0.5, -128, null}|null",
               buf_str(&buf));
    column_unref(column);
    builder_free(b);
    buf_deinit(&buf);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles),    cmocka_unit_test(test_floats),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_times),
        cmocka_unit_test(test_intervals),  cmocka_unit_test(test_nested),
    };
    return RUN_TESTS(tests);
}
