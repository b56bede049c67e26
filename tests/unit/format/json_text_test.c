/* SPDX-License-Identifier: MIT */
/* The text side of JSON: validity against the JSONTestSuite, kernels against each other, paths,
 * children, strings, the writer. */
#include "base/mem.h"
#include "base/prng.h"
#include "format/json.h"
#include "format/json_scan.h"
#include "test.h"

#include <dirent.h>

static bool file_read(const char *path, struct buf *out)
{
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

/* A copy that ends where its memory ends, so that the sanitizer sees any byte read behind it. */
static char *exact(struct str s)
{
    char *copy = mem_alloc(s.bytes ? s.bytes : 1);
    memcpy(copy, s.ptr ? s.ptr : "", s.bytes);
    return copy;
}

static enum err validate(struct str text, uint32_t depth, struct diag *diag)
{
    CLEAN(mem_free_at) char *copy = exact(text);
    enum err err = OK;
    for (int wide = 1; wide >= 0; wide--) {
        json_scan_choose(wide);
        enum err now = json_validate(str_from(copy, text.bytes), depth, wide ? diag : NULL);
        if (!wide)
            assert_int_equal(err, now);
        err = now;
    }
    json_scan_choose(true);
    return err;
}

static void suite_folder(const char *folder, int *counts)
{
    char path[512];
    snprintf(path, sizeof path, "%s/data/nasty_json/%s", shared_dir(), folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        CLEAN(buf_deinit) struct buf text = {0};
        char file[1024];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        assert_true(file_read(file, &text));
        enum err err = validate(buf_str(&text), 0, NULL);
        bool pass = e->d_name[0] == 'y' ||
                    (strncmp(e->d_name, "pass", 4) == 0 && !strstr(e->d_name, "ndjson"));
        bool refuse = e->d_name[0] == 'n' && e->d_name[1] == '_';
        if ((pass && err != OK) || (refuse && err == OK))
            fail_msg("%s: %s", e->d_name, err_text(err));
        counts[pass ? 0 : refuse ? 1 : 2]++;
    }
    closedir(dir);
}

static void test_suite(void **state)
{
    if (!shared_dir())
        skip();
    int counts[3] = {0};
    suite_folder("JSONTestSuite/test_parsing", counts);
    assert_int_equal(counts[0], 77);
    assert_int_equal(counts[1], 150);
    suite_folder("JSONTestSuite/test_transform", counts);
    suite_folder("simdjson/jsonchecker", counts);
}

static void test_big_files(void **state)
{
    static const char *const names[] = {"simdjson/twitter.json", "simdjson/twitterescaped.json",
                                        "simdjson/numbers.json", "blns.json",
                                        "simdjson/github_events.json"};
    if (!shared_dir())
        skip();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CLEAN(buf_deinit) struct buf text = {0};
        char file[512];
        snprintf(file, sizeof file, "%s/data/nasty_json/%s", shared_dir(), names[i]);
        assert_true(file_read(file, &text));
        assert_ok(validate(buf_str(&text), 0, NULL));
    }
}

static void test_validate_place(void **state)
{
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *message;
    } cases[] = {
        {"", 1, 1, "a value was expected"},
        {"{\"a\":1,\n \"b\":tru}", 2, 6, "an unknown word"},
        {"[1,2,]", 1, 6, "a value was expected"},
        {"[1 2]", 1, 4, "a comma or the closing bracket was expected"},
        {"[1}", 1, 3, "a comma or the closing bracket was expected"},
        {"{\"a\" 1}", 1, 6, "a colon was expected"},
        {"{a:1}", 1, 2, "a name in quotes was expected"},
        {"{'a':1}", 1, 2, "a name in quotes was expected"},
        {"[\"\\q\"]", 1, 3, "an escape that JSON does not have"},
        {"[\"\\u12g4\"]", 1, 3, "\\u needs four hexadecimal digits"},
        {"[\"a\tb\"]", 1, 4, "a control character in a string"},
        {"[\"ab", 1, 5, "the string does not end"},
        {"[\"ab\\", 1, 6, "the string does not end"},
        {"[01]", 1, 3, "not a number"},
        {"[1.]", 1, 4, "not a number"},
        {"[-]", 1, 2, "not a number"},
        {"[NaN]", 1, 2, "a value was expected"},
        {"[-Infinity]", 1, 2, "not a number"},
        {"{} x", 1, 4, "text behind the value"},
        {"[\"\xC3\xA9\",x]", 1, 6, "a value was expected"},
        {"[\"\xC0\xAF\"]", 1, 3, "the string is not UTF-8"},
        {"[[[1]]]", 1, 3, "too deep"},
        {"\xEF\xBB\xBF{}", 1, 1, "a value was expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct diag diag = {0};
        uint32_t depth = strcmp(cases[i].message, "too deep") == 0 ? 2 : 0;
        assert_err(ERR_SYNTAX, validate(str_of(cases[i].text), depth, &diag));
        if (diag.line != cases[i].line || diag.column != cases[i].column ||
            strcmp(diag.message, cases[i].message) != 0)
            fail_msg("%s: line %u column %u: %s", cases[i].text, diag.line, diag.column,
                     diag.message);
    }
    assert_ok(validate(STR("[[1]]"), 2, NULL));
    assert_ok(
        validate(STR(" {\"a\\u0000\":[true,false,null,-0,1.5E+9,\"\\uD800\"]}\r\n"), 0, NULL));
}

static void test_validate_deep(void **state)
{
    CLEAN(buf_deinit) struct buf text = {0};
    for (int i = 0; i < 100000; i++)
        buf_char(&text, '[');
    assert_err(ERR_SYNTAX, validate(buf_str(&text), UINT32_MAX, NULL));
    buf_reset(&text);
    for (int i = 0; i < 1000; i++)
        buf_text(&text, i % 2 ? "[" : "{\"a\":");
    buf_char(&text, '1');
    for (int i = 999; i >= 0; i--)
        buf_char(&text, i % 2 ? ']' : '}');
    assert_ok(validate(buf_str(&text), 0, NULL));
    assert_err(ERR_SYNTAX, validate(buf_str(&text), 999, NULL));
    text.ptr[text.bytes - 1] = ']';
    assert_err(ERR_SYNTAX, validate(buf_str(&text), 0, NULL));
}

/* Both kernels and a byte loop agree on random runs at every alignment and length. */
static void test_kernels(void **state)
{
    struct prng prng = {.state = 7};
    for (int round = 0; round < 20000; round++) {
        size_t bytes = prng_below(&prng, 130);
        CLEAN(mem_free_at) uint8_t *text = mem_alloc(bytes + 1);
        uint64_t kind = prng_below(&prng, 4);
        for (size_t i = 0; i < bytes; i++)
            text[i] = (uint8_t)(kind == 0 ? prng_next(&prng) : 0x20 + prng_below(&prng, 0xE0));
        CLEAN(mem_free_at) uint8_t *copy = (uint8_t *)exact(str_from(text, bytes));
        uint8_t quote = kind & 1 ? '"' : '\'';
        size_t want = 0;
        bool high = false;
        while (want < bytes && copy[want] != quote && copy[want] != '\\' && copy[want] >= 0x20)
            high |= copy[want++] >= 0x80;
        for (int wide = 0; wide < 2; wide++) {
            json_scan_choose(wide);
            uint32_t seen = 0;
            const uint8_t *at = json_string_stop(copy, copy + bytes, quote, &seen);
            assert_int_equal(at - copy, want);
            assert_int_equal(seen != 0, high);
        }
    }
    json_scan_choose(true);
}

/* ---- strings ---- */

static void test_text(void **state)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"\"a b\"", "a b"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u00e9\\ud83d\\ude00\"", "\xC3\xA9\xF0\x9F\x98\x80"},
        {"\"\\ud800\"", "?"},
        {"\"\\ud83d\\ud83d\\ude00x\"", "?\xF0\x9F\x98\x80x"},
        {"\"\\ude00\\ud83d\"", "??"},
        {"\"a\xE2\x82(\"", "a\xEF\xBF\xBD("},
        {"\"\xED\xA0\x80\"", "\xEF\xBF\xBD"},
        {"\"\xE0\x80\x80\"", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\"\xF0\x9F\x98\"", "\xEF\xBF\xBD"},
        {"\"\xFF\xFE\"", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"12.50", "12.50"},
        {"null", "null"},
        {"{\"a\": 1}", "{\"a\": 1}"},
        {"\"\"", ""},
    };
    CLEAN(buf_deinit) struct buf out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_reset(&out);
        json_text(str_of(cases[i].json), &out);
        assert_str(cases[i].text, buf_str(&out));
    }
    buf_reset(&out);
    json_text(STR("\"a\\u0000b\""), &out);
    assert_int_equal(out.bytes, 3);
    assert_memory_equal(out.ptr, "a\0b", 3);
}

static void test_quote(void **state)
{
    CLEAN(buf_deinit) struct buf out = {0};
    json_quote(STR("a\"b\\c/\b\f\n\r\t\v\x01\x1F\x7F\xC3\xA9"), &out);
    assert_str("\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u000B\\u0001\\u001F\x7F\xC3\xA9\"", buf_str(&out));
    buf_reset(&out);
    json_quote(STR("x\xC0y\\\xE2\x82"), &out);
    assert_str("\"x\xEF\xBF\xBDy\\\\\xEF\xBF\xBD\"", buf_str(&out));
    struct prng prng = {.state = 3};
    for (int round = 0; round < 2000; round++) {
        char text[100];
        size_t bytes = prng_below(&prng, sizeof text);
        for (size_t i = 0; i < bytes; i++)
            text[i] = (char)prng_below(&prng, 0x80);
        CLEAN(buf_deinit) struct buf quoted = {0}, back = {0};
        json_quote(str_from(text, bytes), &quoted);
        assert_ok(json_validate(buf_str(&quoted), 0, NULL));
        json_text(buf_str(&quoted), &back);
        assert_true(str_equal(buf_str(&back), str_from(text, bytes)));
    }
}

static void test_writer(void **state)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct json_writer w = {.out = &out};
    json_open(&w, '{');
    json_key(&w, "a");
    json_i64(&w, INT64_MIN);
    json_key_str(&w, STR("b\n"));
    json_open(&w, '[');
    json_bool(&w, true);
    json_null(&w);
    json_str(&w, STR_NONE);
    json_str(&w, STR("x"));
    json_open(&w, '{');
    json_close(&w, '}');
    json_open(&w, '[');
    json_close(&w, ']');
    json_f64(&w, 1.5);
    json_f64(&w, -__builtin_inf());
    json_close(&w, ']');
    json_key(&w, "c");
    json_raw(&w, STR("{\"d\":0}"));
    json_close(&w, '}');
    assert_str("{\"a\":-9223372036854775808,\"b\\n\":[true,null,null,\"x\",{},[],1.5,"
               "\"-Infinity\"],\"c\":{\"d\":0}}",
               buf_str(&out));
}

/* ---- children and paths ---- */

static void test_children(void **state)
{
    struct str doc =
        STR(" { \"a\" : [1, \"x,]\" , {\"b\":null}] , \"\\u0063\":-1.5e3 ,\"d\":{} } ");
    assert_str("[1, \"x,]\" , {\"b\":null}]", json_member(doc, "a"));
    assert_str("-1.5e3", json_member(doc, "c"));
    assert_str("{}", json_member(doc, "d"));
    assert_null(json_member(doc, "e").ptr);
    assert_null(json_member(STR("[1]"), "a").ptr);
    size_t at = 0;
    struct str key, value, list = json_member(doc, "a");
    static const char *const want[] = {"1", "\"x,]\"", "{\"b\":null}"};
    static const enum json_kind kinds[] = {JSON_KIND_NUMBER, JSON_KIND_STRING, JSON_KIND_OBJECT};
    for (size_t i = 0; i < 3; i++) {
        assert_true(json_next(list, &at, &key, &value));
        assert_null(key.ptr);
        assert_str(want[i], value);
        assert_int_equal(json_kind(value), kinds[i]);
    }
    assert_false(json_next(list, &at, &key, &value));
    at = 0;
    assert_false(json_next(STR("{}"), &at, &key, &value));
    assert_false(json_next(STR("7"), &at, &key, &value));
    assert_int_equal(json_kind(STR("")), JSON_KIND_NONE);
    assert_int_equal(json_kind(STR("true")), JSON_KIND_BOOL);
    assert_int_equal(json_kind(STR("null")), JSON_KIND_NULL);
    assert_int_equal(json_kind(STR("[")), JSON_KIND_ARRAY);
}

static bool join(void *owner, struct str value)
{
    struct buf *out = owner;
    buf_str_append(out, value);
    buf_char(out, ';');
    return out->bytes < 60;
}

static void test_paths(void **state)
{
    struct str doc = STR("\n{\"a\":{\"b\":[{\"c d\":[10,11]},{\"c d\":[20,21]},{\"e\":1}]},"
                         "\"x.y\":{\"it's\":true},\"n\":null,\"s\":\"t\"}\n");
    static const struct {
        const char *path, *found;
    } cases[] = {
        {"$.a.b[*]['c d'][0]", "10;20;"},
        {"$.a.b[1]['c d'][1]", "21;"},
        {"$['a'].b[2].e", "1;"},
        {"$[\"x.y\"]['it\\'s']", "true;"},
        {"$.a.b[3]", ""},
        {"$.a.b.c", ""},
        {"$.a[0]", ""},
        {"$.n", "null;"},
        {"$.s", "\"t\";"},
        {"$.a.b[*].*[*]", "10;11;20;21;"},
        {"$.*.b[2]", "{\"e\":1};"},
        {"$.a.b[0]", "{\"c d\":[10,11]};"},
        {"$.a.*", "[{\"c d\":[10,11]},{\"c d\":[20,21]},{\"e\":1}];"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_path *path;
        assert_ok(json_path_parse(str_of(cases[i].path), NULL, &path));
        CLEAN(buf_deinit) struct buf out = {0};
        json_path_each(path, doc, join, &out);
        assert_str(cases[i].found, buf_str(&out));
        assert_int_equal(json_path_is_many(path), strchr(cases[i].path, '*') != NULL);
        struct str first = json_path_first(path, doc);
        assert_int_equal(first.ptr == NULL, *cases[i].found == 0);
        assert_memory_equal(first.ptr ? first.ptr : "", cases[i].found, first.bytes);
        json_path_free(path);
    }
}

static bool two(void *owner, struct str value)
{
    return ++*(int *)owner < 2;
}

static void test_path_stop(void **state)
{
    struct json_path *path;
    int count = 0;
    assert_ok(json_path_parse(STR("$[*]"), NULL, &path));
    assert_int_equal(json_path_each(path, STR("[1,2,3]"), two, &count), 2);
    assert_int_equal(json_path_each(path, STR(""), two, &count), 0);
    json_path_free(path);
    assert_ok(json_path_parse(STR("$"), NULL, &path));
    assert_str("[1]", json_path_first(path, STR(" [1] ")));
    json_path_free(path);
}

static void test_path_errors(void **state)
{
    static const struct {
        const char *path;
        uint32_t column;
    } cases[] = {
        {"", 1},      {"a", 1},    {"$a", 2},     {"$.", 3},     {"$..a", 3},
        {"$[", 3},    {"$[a]", 3}, {"$[1", 4},    {"$['a", 5},   {"$['a'", 6},
        {"$[-1]", 3}, {"$[*", 4},  {"$.a..b", 5}, {"$['a\\", 6}, {"$[99999999999999999999]", 23},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct diag diag = {0};
        struct json_path *path = NULL;
        assert_err(ERR_SYNTAX, json_path_parse(str_of(cases[i].path), &diag, &path));
        if (diag.column != cases[i].column)
            fail_msg("%s: column %u: %s", cases[i].path, diag.column, diag.message);
    }
    CLEAN(buf_deinit) struct buf text = {0};
    buf_char(&text, '$');
    for (int i = 0; i < 65; i++)
        buf_text(&text, "[0]");
    struct json_path *path;
    assert_err(ERR_SYNTAX, json_path_parse(buf_str(&text), NULL, &path));
}

static bool count_users(void *owner, struct str value)
{
    ++*(size_t *)owner;
    return json_validate(value, 0, NULL) == OK;
}

static void test_path_users(void **state)
{
    if (!shared_dir())
        skip();
    CLEAN(buf_deinit) struct buf text = {0};
    char file[512];
    snprintf(file, sizeof file, "%s/data/randomuser/v1.4-mixed-111.json", shared_dir());
    assert_true(file_read(file, &text));
    struct json_path *path;
    size_t count = 0;
    assert_ok(json_path_parse(STR("$.results[*]"), NULL, &path));
    assert_int_equal(json_path_each(path, buf_str(&text), count_users, &count), 111);
    assert_int_equal(count, 111);
    json_path_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite),          cmocka_unit_test(test_big_files),
        cmocka_unit_test(test_validate_place), cmocka_unit_test(test_validate_deep),
        cmocka_unit_test(test_kernels),        cmocka_unit_test(test_text),
        cmocka_unit_test(test_quote),          cmocka_unit_test(test_writer),
        cmocka_unit_test(test_children),       cmocka_unit_test(test_paths),
        cmocka_unit_test(test_path_stop),      cmocka_unit_test(test_path_errors),
        cmocka_unit_test(test_path_users),
    };
    return RUN_TESTS(tests);
}
