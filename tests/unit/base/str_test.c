/* SPDX-License-Identifier: MIT */
/* Slices of text: searching, cutting, numbers, nearest names, UTF-8. */
#include "test.h"

#include "base/mem.h"
#include "base/prng.h"

#include <math.h>

static void test_compare(void **state)
{
    assert_true(str_compare(STR("a"), STR("b")) < 0);
    assert_true(str_compare(STR("a"), STR("aa")) < 0);
    assert_true(str_compare(STR("\xC3"), STR("a")) > 0);
    assert_int_equal(0, str_compare(STR_NONE, STR("")));
    assert_true(str_equal(STR_NONE, STR("")));
    assert_true(str_equal_nocase(STR("AbZ[`"), STR("aBz[`")));
    assert_false(str_equal_nocase(STR("@"), STR("`")));
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_true(str_ends(STR("abc"), STR("")));
}

static void test_slice(void **state)
{
    assert_str("bc", str_slice(STR("abc"), 1, 9));
    assert_str("", str_slice(STR("abc"), 7, 9));
    assert_str("", str_slice(STR("abc"), 2, 1));
    assert_str("a b", str_trim(STR(" \t\r\na b\v\f ")));
    assert_str("", str_trim(STR("   ")));
    assert_int_equal(3, str_find(STR("abcabc"), STR("ab"), 1));
    assert_true(str_find(STR("abc"), STR("x"), 0) == SIZE_MAX);
    assert_int_equal(3, str_find(STR("abc"), STR(""), 3));
    assert_true(str_find(STR("abc"), STR(""), 4) == SIZE_MAX);
}

static void test_cut(void **state)
{
    struct str rest = STR("a,,b,"), part;
    assert_true(str_cut(&rest, ',', &part));
    assert_str("a", part);
    assert_true(str_cut(&rest, ',', &part));
    assert_str("", part);
    assert_true(str_cut(&rest, ',', &part));
    assert_str("b", part);
    assert_true(str_cut(&rest, ',', &part));
    assert_str("", part);
    assert_false(str_cut(&rest, ',', &part));
}

static void test_numbers(void **state)
{
    int64_t i;
    uint64_t u;
    double d;
    assert_ok(str_to_i64(STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_ok(str_to_i64(STR("+9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_err(ERR_OUT_OF_RANGE, str_to_i64(STR("9223372036854775808"), &i));
    assert_err(ERR_OUT_OF_RANGE, str_to_i64(STR("-9223372036854775809"), &i));
    assert_ok(str_to_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_err(ERR_OUT_OF_RANGE, str_to_u64(STR("18446744073709551616"), &u));
    static const char *const bad[] = {"", "-", "+", "1 ", " 1", "0x1", "1.0", "--1", "1e3"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_err(ERR_SYNTAX, str_to_i64(str_of(bad[k]), &i));
    assert_ok(str_to_f64(STR("-1.5e3"), &d));
    assert_true(d == -1500);
    assert_ok(str_to_f64(STR(".5"), &d));
    assert_true(d == 0.5);
    static const char *const not_f64[] = {"",    " 1",       "1 ", "0x10", "nan",
                                          "inf", "infinity", "1e", "-"};
    for (size_t k = 0; k < sizeof not_f64 / sizeof *not_f64; k++)
        assert_err(ERR_SYNTAX, str_to_f64(str_of(not_f64[k]), &d));
}

static void test_nearest(void **state)
{
    static const char *const names[] = {"STRING", "STRUCT", "INT", "TIMESTAMP"};
    assert_str("STRING", str_nearest(STR("strnig"), names, 4));
    assert_str("TIMESTAMP", str_nearest(STR("TIMESTMAP"), names, 4));
    assert_null(str_nearest(STR("geography"), names, 4).ptr);
    char long_name[100];
    memset(long_name, 'x', sizeof long_name);
    assert_null(str_nearest(str_from(long_name, sizeof long_name), names, 4).ptr);
}

/* By the definition: decode to a number, encode again, compare. */
static bool naive_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.bytes;) {
        size_t bytes = p[i] < 0x80             ? 1
                       : (p[i] & 0xE0) == 0xC0 ? 2
                       : (p[i] & 0xF0) == 0xE0 ? 3
                       : (p[i] & 0xF8) == 0xF0 ? 4
                                               : 0;
        if (!bytes || i + bytes > s.bytes)
            return false;
        uint32_t c = bytes == 1 ? p[i] : p[i] & (0x7Fu >> bytes);
        for (size_t k = 1; k < bytes; k++) {
            if ((p[i + k] & 0xC0) != 0x80)
                return false;
            c = c << 6 | (p[i + k] & 0x3F);
        }
        uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (c < least[bytes] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
            return false;
        i += bytes;
    }
    return true;
}

static void test_utf8(void **state)
{
    assert_true(
        str_is_utf8(STR("plain ascii text of some length, \xE2\x82\xAC, \xF0\x9F\x98\x80")));
    assert_false(str_is_utf8(STR("\xED\xA0\x80")));
    assert_false(str_is_utf8(STR("\xC0\x80")));
    assert_false(str_is_utf8(STR("\xF4\x90\x80\x80")));
    static const unsigned char alphabet[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                             0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5};
    struct prng prng = {1};
    size_t valid = 0;
    for (int round = 0; round < 200000; round++) {
        char text[24];
        size_t bytes = prng_below(&prng, 5);
        for (size_t i = 0; i < bytes; i++)
            text[i] = (char)alphabet[prng_below(&prng, sizeof alphabet)];
        struct str s = str_from(text, bytes);
        assert_int_equal(naive_utf8(s), str_is_utf8(s));
        valid += str_is_utf8(s);
    }
    assert_true(valid > 1000);
}

static void test_dup(void **state)
{
    CLEAN(mem_free_at) char *copy = str_dup(STR("abc"));
    assert_string_equal("abc", copy);
    CLEAN(mem_free_at) char *none = str_dup(STR_NONE);
    assert_string_equal("", none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_slice),   cmocka_unit_test(test_cut),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_nearest), cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_dup),
    };
    return RUN_TESTS(tests);
}
