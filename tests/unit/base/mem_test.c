/* SPDX-License-Identifier: MIT */
/* Arenas with their limits, and diagnostics as people see them. */
#include "test.h"

#include "base/diag.h"

static void test_arena(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    char *first = arena_alloc(&arena, 1);
    for (size_t i = 0; i < 5000; i++) {
        char *ptr = arena_alloc(&arena, i % 100);
        assert_int_equal(0, (uintptr_t)ptr % 16);
        memset(ptr, 1, i % 100);
    }
    assert_false(arena.over);
    int *zeros = arena_array(&arena, 100, sizeof *zeros);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(0, zeros[i]);
    assert_string_equal("a-7", arena_printf(&arena, "%s-%d", "a", 7));
    assert_string_equal("", arena_text(&arena, STR_NONE));
    assert_str("xyz", arena_str(&arena, STR("xyz")));
    arena_reset(&arena);
    assert_ptr_equal(first, arena_alloc(&arena, 1));
    arena_deinit(&arena);
}

static void test_arena_limit(void **state)
{
    struct arena arena;
    arena_init(&arena, 10000);
    assert_non_null(arena_try(&arena, 4000));
    assert_null(arena_try(&arena, 9000));
    assert_true(arena.over);
    arena_reset(&arena);
    assert_false(arena.over);
    assert_null(arena_try(&arena, SIZE_MAX / 2));
    arena_reset(&arena);
    memset(arena_alloc(&arena, 50000), 0, 50000);
    assert_true(arena.over);
    assert_null(arena_try(&arena, 50000));
    arena_deinit(&arena);
}

static void test_diag(void **state)
{
    struct diag diag = {0};
    assert_err(ERR_SYNTAX, diag_set(&diag, ERR_SYNTAX, 2, 4, "no %s here", "comma"));
    assert_err(ERR_LIMIT, diag_set(&diag, ERR_LIMIT, 9, 9, "a later one"));
    assert_err(ERR_LIMIT, diag_set(NULL, ERR_LIMIT, 9, 9, "nobody asks"));
    diag_hint(&diag, "put one");
    diag_class(&diag, "PARSE_SYNTAX_ERROR", "42601");
    snprintf(diag.file, sizeof diag.file, "a.sql");
    struct buf buf = {0};
    diag_print(&diag, STR("SELECT\r\n\t\xC3\xA4 x y\r\n"), &buf);
    assert_str("a.sql:2:4: no comma here [PARSE_SYNTAX_ERROR/42601]\n"
               "  \t\xC3\xA4 x y\n"
               "  \t  ^\n"
               "  hint: put one\n",
               buf_str(&buf));
    buf_deinit(&buf);
}

static void test_diag_plain(void **state)
{
    struct diag diag = {0};
    struct buf buf = {0};
    (void)diag_set(&diag, ERR_INVALID, 0, 0, "nothing to run");
    diag_print(&diag, STR_NONE, &buf);
    assert_str("nothing to run\n", buf_str(&buf));
    /* What the buffer held before is none of its business. */
    buf_reset(&buf);
    buf_text(&buf, "error:");
    diag_print(&diag, STR_NONE, &buf);
    assert_str("error:nothing to run\n", buf_str(&buf));
    buf_deinit(&buf);
}

/* Passwords of a configuration are not printed with the line that is wrong. */
static void test_diag_secrets(void **state)
{
    static const struct {
        const char *line, *printed;
    } cases[] = {
        {"engines: {log: \"kafka://h:1?sasl.password=ab%26c&foo=bar\"}",
         "engines: {log: \"kafka://h:1?sasl.password=******&foo=bar\"}"},
        {"engines: {tables: 'cassandra://ada:pa/ss@db1,db2?tls=true'}",
         "engines: {tables: 'cassandra://ada:*****@db1,db2?tls=true'}"},
        {"  cql_login: cassandra:geheim", "  cql_login: cassandra:******"},
        {"  headers: {Authorization: \"Bearer abc\", a: b}",
         "  headers: {Authorization: \"**********\", a: b}"},
        {"  \"password\": 'x y', b: c", "  \"password\": '***', b: c"},
        {"  log: kafka://h:1?sasl.password=${PW}&a=b",
         "  log: kafka://h:1?sasl.password=${PW}&a=b"},
        {"  cql_login: \"ada:${PW}\"", "  cql_login: \"ada:${PW}\""},
        {"  a: {password: ${PW:-abc}, b: c}", "  a: {password: ${PW*****}, b: c}"},
        {"  auth: {basic: {user: a, password: b}}", "  auth: {basic: {user: a, password: *}}"},
        {"  auth: {api_key: {header: x, value: abc}}",
         "  auth: {api_key: {header: x, value: ***}}"},
        {"  auth: {bearer: abc}", "  auth: {bearer: ***}"},
        {"  password: a, b", "  password: ****"},
        {"  key: $.login.uuid", "  key: $.login.uuid"},
        {"  url: http://h/a@b", "  url: http://h/a@b"},
        {"password=", "password="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct diag diag = {.file = "millrace.yml"};
        CLEAN(buf_deinit) struct buf buf = {0}, want = {0};
        (void)diag_set(&diag, ERR_INVALID, 1, 1, "no");
        diag_print(&diag, str_of(cases[i].line), &buf);
        buf_printf(&want, "millrace.yml:1:1: no\n  %s\n  ^\n", cases[i].printed);
        assert_str(buf_c_str(&want), buf_str(&buf));
    }
}

static void test_diag_list(void **state)
{
    struct diag_list list = {.count_max = 3};
    for (uint32_t i = 0; i < 5; i++) {
        struct diag diag = {0};
        (void)diag_set(&diag, ERR_SYNTAX, i + 1, 1, "number %u", i);
        diag_list_add(&list, &diag);
    }
    assert_int_equal(3, list.count);
    assert_int_equal(2, list.dropped);
    assert_string_equal("number 2", list.items[2].message);
    diag_list_deinit(&list);
}

static void test_err_table(void **state)
{
    for (enum err err = OK; err < ERR_COUNT_; err++) {
        const struct err_info *info = err_info(err);
        assert_non_null(info->name);
        assert_true(strlen(info->text) > 0 || err == OK);
        assert_true(err == OK || strlen(info->sqlstate) == 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena),        cmocka_unit_test(test_arena_limit),
        cmocka_unit_test(test_diag),         cmocka_unit_test(test_diag_plain),
        cmocka_unit_test(test_diag_secrets), cmocka_unit_test(test_diag_list),
        cmocka_unit_test(test_err_table),
    };
    return RUN_TESTS(tests);
}
