/* SPDX-License-Identifier: MIT */
/* Decimals from and to text, and their change of scale, against a twin on digits. */
#include "test.h"

#include "base/prng.h"
#include "data/column.h"

static void assert_parses(const char *text, unsigned precision, unsigned scale, const char *want)
{
    __int128 value;
    struct buf buf = {0};
    if (decimal_parse(str_of(text), precision, scale, &value) != OK)
        fail_msg("%s", text);
    decimal_print(value, scale, &buf);
    assert_str(want, buf_str(&buf));
    buf_deinit(&buf);
}

static void test_parse(void **state)
{
    assert_parses("12.30", 10, 2, "12.30");
    assert_parses("0", 1, 0, "0");
    assert_parses("-0", 5, 2, "0.00");
    assert_parses("+7", 5, 2, "7.00");
    assert_parses(".5", 5, 0, "1");
    assert_parses("-.5", 5, 0, "-1");
    assert_parses("5.", 5, 1, "5.0");
    assert_parses("2.345", 5, 2, "2.35");
    assert_parses("-2.345", 5, 2, "-2.35");
    assert_parses("2.34499999999", 5, 2, "2.34");
    assert_parses("1.5e3", 10, 2, "1500.00");
    assert_parses("15E-1", 10, 2, "1.50");
    assert_parses("0.0000001", 10, 2, "0.00");
    assert_parses("0.005", 10, 2, "0.01");
    assert_parses("1e-999999999999", 10, 2, "0.00");
    assert_parses("0e999999999999", 10, 2, "0.00");
    assert_parses("99999999999999999999999999999999999999", 38, 0,
                  "99999999999999999999999999999999999999");
    assert_parses("-0.99999999999999999999999999999999999999", 38, 38,
                  "-0.99999999999999999999999999999999999999");
    assert_parses("0.00000000000000000000000000000000000001", 38, 38,
                  "0.00000000000000000000000000000000000001");
}

static void test_refuse(void **state)
{
    static const char *const bad[] = {"",    ".",    "-",  "+",  "1..2", "1.2.3", "e5", "1e",
                                      "1e+", "1e5x", " 1", "1 ", "0x1",  "NaN",   "--1"};
    __int128 value;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_err(ERR_SYNTAX, decimal_parse(str_of(bad[i]), 10, 2, &value));
    assert_err(ERR_OUT_OF_RANGE, decimal_parse(STR("100000000"), 10, 2, &value));
    assert_err(ERR_OUT_OF_RANGE, decimal_parse(STR("99999999.995"), 10, 2, &value));
    assert_ok(decimal_parse(STR("99999999.994"), 10, 2, &value));
    assert_err(ERR_OUT_OF_RANGE, decimal_parse(STR("1e38"), 38, 0, &value));
    assert_err(ERR_OUT_OF_RANGE, decimal_parse(STR("1e999999999999"), 38, 0, &value));
    assert_err(ERR_OUT_OF_RANGE,
               decimal_parse(STR("99999999999999999999999999999999999999.5"), 38, 0, &value));
}

static void test_rescale(void **state)
{
    __int128 value;
    assert_ok(decimal_rescale(1235, 2, 10, 1, &value));
    assert_int_equal(124, (int)value);
    assert_ok(decimal_rescale(-1235, 2, 10, 1, &value));
    assert_int_equal(-124, (int)value);
    assert_ok(decimal_rescale(-1234, 2, 10, 1, &value));
    assert_int_equal(-123, (int)value);
    assert_ok(decimal_rescale(12, 0, 10, 3, &value));
    assert_int_equal(12000, (int)value);
    assert_err(ERR_OUT_OF_RANGE, decimal_rescale(12, 0, 4, 3, &value));
    assert_err(ERR_OUT_OF_RANGE, decimal_rescale(decimal_power10(38) - 1, 0, 38, 38, &value));
    assert_ok(decimal_rescale(decimal_power10(38) - 1, 38, 1, 0, &value));
    assert_int_equal(1, (int)value);
    assert_ok(decimal_rescale(decimal_power10(38) / 2 - 1, 38, 1, 0, &value));
    assert_int_equal(0, (int)value);
}

/* A text with more digits parsed at a scale is that text parsed whole and then rescaled. */
static void test_twins(void **state)
{
    struct prng prng = {21};
    struct buf buf = {0};
    for (int i = 0; i < 50000; i++) {
        unsigned digits = 1 + (unsigned)prng_below(&prng, 38);
        unsigned scale = (unsigned)prng_below(&prng, digits + 1);
        unsigned to = (unsigned)prng_below(&prng, scale + 1);
        __int128 value = 0;
        for (unsigned k = 0; k < digits; k++)
            value = value * 10 + (int)prng_below(&prng, 10);
        value = prng_below(&prng, 2) ? -value : value;
        buf_reset(&buf);
        decimal_print(value, scale, &buf);
        __int128 back, direct, rescaled;
        assert_ok(decimal_parse(buf_str(&buf), 38, scale, &back));
        assert_true(back == value);
        enum err err = decimal_parse(buf_str(&buf), 20, to, &direct);
        assert_err(err, decimal_rescale(value, scale, 20, to, &rescaled));
        assert_true(err != OK || direct == rescaled);
    }
    buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_rescale),
        cmocka_unit_test(test_twins),
    };
    return RUN_TESTS(tests);
}
