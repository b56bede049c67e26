/* SPDX-License-Identifier: MIT */
/* The check of settings: every mistake is found, at its place, with a hint. */
#include "connect/connect.h"
#include "test.h"
#include "tree.h"

static const struct key_info inner_keys[] = {
    {.name = "param", .type = KEY_TEXT, .required = true, .help = "a name"},
    {.name = "start", .type = KEY_INT, .min = 1, .max = 9, .help = "a number"},
    {.name = NULL}};
static const struct key_info keys[] = {
    {.name = "url", .type = KEY_URL, .required = true, .help = "address"},
    {.name = "every", .type = KEY_DURATION, .min = 1, .max = INT64_MAX, .help = "pace"},
    {.name = "keep", .type = KEY_DURATION, .choices = "forever", .help = "time or a word"},
    {.name = "limit", .type = KEY_RATE, .help = "rate"},
    {.name = "size", .type = KEY_BYTES, .min = 10, .max = 1000, .help = "size"},
    {.name = "follow", .type = KEY_BOOL, .help = "flag"},
    {.name = "records", .type = KEY_JSONPATH, .help = "path"},
    {.name = "format", .type = KEY_CHOICE, .choices = "ndjson|csv", .help = "format"},
    {.name = "backoff", .type = KEY_DURATION_RANGE, .help = "range"},
    {.name = "query", .type = KEY_TEXT_MAP, .help = "parameters"},
    {.name = "names", .type = KEY_TEXT_LIST, .help = "names"},
    {.name = "page", .type = KEY_MAP, .members = inner_keys, .help = "walk"},
    {.name = NULL}};

struct row {
    const char *path, *text;
    bool quoted;
    const char *message; /* NULL = fine */
    const char *hint;
};
static const struct row rows[] = {
    {"url", "https://a.b/c?d", false, NULL, NULL},
    {"url", "ftp://a", false, "'url' must be an address", NULL},
    {"url", "http://", false, "'url' must be an address", NULL},
    {"url", "http://a b", false, "'url' must be an address", NULL},
    {"every", "250ms", false, NULL, NULL},
    {"every", "5", false, "'every' must be a duration like", NULL},
    {"every", "forever", false, "'every' must be a duration like", NULL},
    {"keep", "forever", false, NULL, NULL},
    {"keep", "7d", false, NULL, NULL},
    {"keep", "ever", false, "'keep' must be a duration like", NULL},
    {"every", "0s", false, "'every' must be at least 1 ms", NULL},
    {"limit", "60/min", false, NULL, NULL},
    {"limit", "60 / hour", false, NULL, NULL},
    {"limit", "60", false, "'limit' must be a rate like 60/min", NULL},
    {"limit", "0/s", false, "'limit' must be a rate", NULL},
    {"limit", "5/week", false, "'limit' must be a rate", NULL},
    {"size", "1KB", false, "'size' must be from 10 to 1000 bytes", NULL},
    {"size", "100", false, NULL, NULL},
    {"follow", "true", false, NULL, NULL},
    {"follow", "true", true, "'follow' must be true or false", NULL},
    {"follow", "yes", false, "'follow' must be true or false", NULL},
    {"records", "$.results[*]", false, NULL, NULL},
    {"records", "results", false, "'records' is not a JSON path", "a path looks like"},
    {"format", "csv", false, NULL, NULL},
    {"format", "ndjsno", false, "'format' cannot be 'ndjsno'", "did you mean 'ndjson'?"},
    {"format", "xml", false, "'format' cannot be 'xml'", "one of: ndjson|csv"},
    {"backoff", "500ms..60s", false, NULL, NULL},
    {"backoff", "60s..500ms", false, "'backoff' must be a range", NULL},
    {"backoff", "5s", false, "'backoff' must be a range", NULL},
    {"query", "x", false, "'query' must be a map of names and texts", NULL},
    {"query.results", "500", false, NULL, NULL},
    {"query.a.b", "500", false, "'query.a' must be a text", NULL},
    {"names", "x", false, "'names' must be a list like [id]", NULL},
    {"page", "x", false, "'page' must be a map of settings", NULL},
    {"page.param", "page", false, NULL, NULL},
    {"page.start", "10", false, "'start' must be from 1 to 9", NULL},
    {"page.strat", "1", false, "unknown key 'strat'", "did you mean 'start'?"},
    {"evrey", "1s", false, "unknown key 'evrey'", "did you mean 'every'?"},
    {"zzzzzzzz", "1s", false, "unknown key 'zzzzzzzz'", "known keys: url, every, keep"},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tree t;
        struct diag_list diags = {0};
        tree_init(&t);
        if (strcmp(rows[i].path, "url") != 0)
            tree_set(&t, "url", "http://x");
        if (strncmp(rows[i].path, "page.s", 6) == 0)
            tree_set(&t, "page.param", "p");
        struct setting *s = tree_set(&t, rows[i].path, rows[i].text);
        s->quoted = rows[i].quoted;
        uint32_t line = s->line;
        enum err err = settings_check(&t.root, keys, "millrace.yml", &diags);
        if (!rows[i].message) {
            if (err != OK)
                fail_msg("row %zu: %s", i, diags.items[0].message);
        } else {
            if (err != ERR_INVALID || diags.count != 1)
                fail_msg("row %zu: %d, %zu mistakes", i, err, diags.count);
            if (!strstr(diags.items[0].message, rows[i].message))
                fail_msg("row %zu: %s", i, diags.items[0].message);
            if (rows[i].hint && !strstr(diags.items[0].hint, rows[i].hint))
                fail_msg("row %zu: hint %s", i, diags.items[0].hint);
            if (strcmp(rows[i].path, "query.a.b") != 0)
                assert_int_equal(line, diags.items[0].line);
            assert_string_equal("millrace.yml", diags.items[0].file);
        }
        diag_list_deinit(&diags);
        tree_free(&t);
    }
}

static void test_all_at_once(void **state)
{
    struct tree t;
    struct diag_list diags = {0};
    tree_init(&t);
    tree_set(&t, "evry", "1s");
    tree_set(&t, "limit", "x");
    tree_set(&t, "page.start", "0");
    assert_err(ERR_INVALID, settings_check(&t.root, keys, "f", &diags));
    /* unknown key, rate, range, page.param missing, url missing */
    assert_int_equal(5, diags.count);
    assert_int_equal(1, diags.items[0].line);
    assert_int_equal(3, diags.items[0].column);
    assert_int_equal(2, diags.items[1].line);
    assert_int_equal(10, diags.items[1].column);
    diag_list_deinit(&diags);
    tree_free(&t);
}

static void test_values(void **state)
{
    struct tree t;
    double rate = 0;
    int64_t a = 0, b = 0;
    tree_init(&t);
    tree_set(&t, "every", "2m");
    tree_set(&t, "size", "64KB");
    tree_set(&t, "n", "-7");
    tree_set(&t, "on", "true");
    assert_int_equal(120000, setting_duration_ms(&t.root, "every", 1));
    assert_int_equal(65536, setting_bytes(&t.root, "size", 1));
    assert_int_equal(-7, setting_int(&t.root, "n", 1));
    assert_true(setting_bool(&t.root, "on", false));
    assert_int_equal(9, setting_int(&t.root, "missing", 9));
    assert_int_equal(9, setting_int(NULL, "missing", 9));
    assert_str("x", setting_text(&t.root, "missing", "x"));
    assert_ok(rate_parse(STR("90/min"), &rate));
    assert_true(rate == 1.5);
    assert_ok(duration_range_parse(STR("1s .. 2m"), &a, &b));
    assert_true(a == 1000 && b == 120000);
    tree_free(&t);
}

/* The tables of the real connectors: each key documents itself. */
static void test_connector_tables(void **state)
{
    size_t count = 0;
    for (const struct connector *const *c = connectors(); *c; c++, count++) {
        assert_non_null((*c)->summary);
        assert_ptr_equal(*c, connector_find(str_of((*c)->name)));
        for (const struct key_info *k = (*c)->keys; k->name; k++) {
            assert_non_null(k->help);
            assert_true(k->type != KEY_CHOICE || k->choices);
        }
    }
    assert_true(count > 0);
    assert_null(connector_find(STR("nothing")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_connector_tables),
    };
    return RUN_TESTS(tests);
}
