/* SPDX-License-Identifier: MIT */
/* The calendar counted day by day over twenty thousand years; durations and sizes. */
#include "test.h"

#include "base/civil.h"
#include "base/prng.h"

static void test_every_day(void **state)
{
    int64_t days = civil_days(-10000, 1, 1);
    for (int64_t year = -10000; year <= 10000; year++)
        for (int month = 1; month <= 12; month++) {
            int last = civil_days_in_month(year, month);
            for (int day = 1; day <= last; day++, days++) {
                struct civil c;
                civil_from_days(days, &c);
                if (civil_days(year, month, day) != days || c.year != year || c.month != month ||
                    c.day != day)
                    fail_msg("%lld-%d-%d", (long long)year, month, day);
            }
        }
    assert_int_equal(0, civil_days(1970, 1, 1));
    assert_int_equal(19782, civil_days(2024, 2, 29));
    assert_int_equal(-719528, civil_days(0, 1, 1));
    assert_int_equal(29, civil_days_in_month(2000, 2));
    assert_int_equal(28, civil_days_in_month(1900, 2));
}

static void test_us(void **state)
{
    struct prng prng = {5};
    for (int i = 0; i < 100000; i++) {
        int64_t us = (int64_t)prng_next(&prng) >> prng_below(&prng, 20);
        struct civil c;
        civil_from_us(us, &c);
        assert_true(civil_to_us(&c) == us);
        assert_in_range(c.hour, 0, 23);
        assert_in_range(c.micros, 0, 999999);
    }
    struct civil c;
    civil_from_us(-1, &c);
    assert_int_equal(1969, c.year);
    assert_int_equal(999999, c.micros);
    assert_int_equal(59, c.second);
}

static void test_iso(void **state)
{
    struct buf buf = {0};
    civil_print_iso(&buf, 1718000000123456, 0);
    buf_char(&buf, ' ');
    civil_print_iso(&buf, 1718000000123456, 3);
    buf_char(&buf, ' ');
    civil_print_iso(&buf, 1718000000123456, 6);
    assert_str("2024-06-10T06:13:20Z 2024-06-10T06:13:20.123Z 2024-06-10T06:13:20.123456Z",
               buf_str(&buf));
    buf_deinit(&buf);
}

static void test_duration(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"250ms", 250},    {"10s", 10000},    {"5m", 300000},  {"2h", 7200000},
        {"7d", 604800000}, {" 10 s ", 10000}, {"1MIN", 60000},
    };
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(duration_parse(str_of(good[i].text), &ms));
        assert_true(ms == good[i].ms);
    }
    static const char *const bad[] = {"", "10", "s", "-5s", "1.5s", "5x", "5ss"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_err(ERR_SYNTAX, duration_parse(str_of(bad[i]), &ms));
    assert_err(ERR_OUT_OF_RANGE, duration_parse(STR("9223372036854775807d"), &ms));
    struct buf buf = {0};
    duration_print(&buf, 15);
    duration_print(&buf, 1200);
    duration_print(&buf, 180000);
    assert_str("15 ms1.2 s3.0 min", buf_str(&buf));
    buf_deinit(&buf);
}

static void test_bytes(void **state)
{
    int64_t bytes;
    assert_ok(bytes_parse(STR("64KB"), &bytes));
    assert_int_equal(65536, bytes);
    assert_ok(bytes_parse(STR("2 GiB"), &bytes));
    assert_true(bytes == 2LL << 30);
    assert_ok(bytes_parse(STR("1234"), &bytes));
    assert_int_equal(1234, bytes);
    assert_err(ERR_SYNTAX, bytes_parse(STR("KB"), &bytes));
    assert_err(ERR_SYNTAX, bytes_parse(STR("1PB"), &bytes));
    assert_err(ERR_OUT_OF_RANGE, bytes_parse(STR("9999999999TB"), &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day), cmocka_unit_test(test_us),    cmocka_unit_test(test_iso),
        cmocka_unit_test(test_duration),  cmocka_unit_test(test_bytes),
    };
    return RUN_TESTS(tests);
}
