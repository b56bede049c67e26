/* SPDX-License-Identifier: MIT */
/* Base64 by the RFC's examples, there and back for all lengths, and what is refused. */
#include "test.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/prng.h"

static void test_examples(void **state)
{
    static const struct {
        const char *plain, *text;
    } rows[] = {{"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"fooba", "Zm9vYmE="},
                {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CLEAN(buf_deinit) struct buf text = {0}, plain = {0};
        base64_encode(str_of(rows[i].plain), &text);
        assert_string_equal(rows[i].text, buf_c_str(&text));
        assert_ok(base64_decode(buf_str(&text), &plain));
        assert_string_equal(rows[i].plain, buf_c_str(&plain));
    }
}

static void test_there_and_back(void **state)
{
    struct prng prng = {1};
    char bytes[200];
    for (size_t length = 0; length < sizeof bytes; length++) {
        CLEAN(buf_deinit) struct buf text = {0}, plain = {0};
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)(uint8_t)prng_next(&prng);
        base64_encode(str_from(bytes, length), &text);
        assert_ok(base64_decode(buf_str(&text), &plain));
        assert_true(str_equal(str_from(bytes, length), buf_str(&plain)));
    }
}

static void test_refused(void **state)
{
    static const char *const texts[] = {"Z",    "Zg",   "Zg=",    "Zh==", "Zm9=",     "====",
                                        "Z===", "Zg= ", "Zm9v\n", "Zm-_", "Zg==Zg==", "=Zg="};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CLEAN(buf_deinit) struct buf plain = {0};
        assert_err(ERR_SYNTAX, base64_decode(str_of(texts[i]), &plain));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refused),
    };
    return RUN_TESTS(tests);
}
