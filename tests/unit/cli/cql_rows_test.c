/* SPDX-License-Identifier: MIT */
/* Where CQL statements end, and how rows and errors look. */
#include "cli/cql.h"
#include "test.h"

static void test_ends(void **state)
{
    static const struct {
        const char *text;
        int end; /* -1 = none */
    } cases[] = {
        {"SELECT 1;", 9},
        {"SELECT 1", -1},
        {"", -1},
        {"a ';' b; c", 8},
        {"a 'it''s;' b;", 13},
        {"a \"x;\" b;", 9},
        {"a $$;'$$ b;", 11},
        {"a -- ; '\n b;", 12},
        {"a // ;\n b;", 10},
        {"a /* ;' */ b;", 13},
        {"a 'open ;", -1},
        {"a /* open ;", -1},
        {"BEGIN BATCH a; b; APPLY BATCH; c;", 30},
        {"begin unlogged batch a; apply batch ;", 37},
        {"BEGIN BATCH a;", -1},
        {"SELECT apply FROM batch; x", 24},
        {";", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t end = cql_statement_end(str_of(cases[i].text), 0);
        if (end != (cases[i].end < 0 ? SIZE_MAX : (size_t)cases[i].end))
            fail_msg("'%s': %zu", cases[i].text, end);
    }
    assert_int_equal(4, cql_statement_end(STR("a;b;"), 2));
}

static void test_blank(void **state)
{
    assert_true(cql_is_blank(STR("")));
    assert_true(cql_is_blank(STR(" -- a\n /* b */ ; \t")));
    assert_false(cql_is_blank(STR("-- a\n b")));
    assert_false(cql_is_blank(STR("'a'")));
    assert_false(cql_is_blank(STR("/* a")));
}

static void add_cell(struct buf *body, const void *bytes, size_t count)
{
    cql_bytes_append(body, str_from(bytes, count));
}

static void make_rows(struct buf *body, struct str paging)
{
    const struct cql_column columns[] = {
        {STR("k"), STR("t"), STR("id"), cql_simple(CQL_INT)},
        {STR("k"), STR("t"), STR("name"), cql_simple(CQL_TEXT)},
        {STR("k"), STR("t"), STR("day"), cql_simple(CQL_DATE)},
    };
    const struct cql_rows_metadata metadata = {
        .columns = columns, .column_count = 3, .paging_state = paging};
    buf_reset(body);
    cql_rows_metadata_append(body, 4, &metadata);
    buf_be32(body, 2);
    add_cell(body, "\0\0\0\7", 4);
    add_cell(body, "Zo\xC3\xAB's\n", 7);
    add_cell(body, "\x80\0\0\0", 4);
    add_cell(body, "\0\0\1\0", 4);
    add_cell(body, "", 0);
    add_cell(body, NULL, 0);
}

static void test_rows(void **state)
{
    CLEAN(buf_deinit) struct buf body = {0}, out = {0};
    struct cql_page page = {.output = "table"};
    struct cli cli = {.output = "table"};
    make_rows(&body, STR("next"));
    assert_ok(cql_print_page(&page, buf_str(&body), &out));
    assert_true(page.more);
    assert_str("next", buf_str(&page.paging));
    assert_str("\n id  | name    | day\n"
               "-----+---------+------------\n"
               "   7 | Zo\xC3\xAB's\\n | 1970-01-01\n"
               " 256 |         |       null\n",
               buf_str(&out));
    make_rows(&body, STR_NONE);
    assert_ok(cql_print_page(&page, buf_str(&body), &out));
    assert_false(page.more);
    buf_reset(&out);
    cql_print_end(&cli, &page, &out);
    assert_str("\n(4 rows)\n", buf_str(&out));
    cql_page_deinit(&page);
}

static void test_damaged_rows(void **state)
{
    CLEAN(buf_deinit) struct buf body = {0}, out = {0};
    make_rows(&body, STR_NONE);
    for (size_t bytes = 0; bytes < body.bytes; bytes++) {
        struct cql_page page = {.output = "table"};
        assert_true(cql_print_page(&page, str_from(body.ptr, bytes), &out) != OK);
        cql_page_deinit(&page);
    }
}

static void test_errors(void **state)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct cql_error error = {.code = CQL_INVALID, .message = STR("table x does not exist")};
    cql_print_error(&error, &out);
    assert_str(
        "InvalidRequest: Error from server: code=2200 [Invalid query] message=\"table x does "
        "not exist\"\n",
        buf_str(&out));
    buf_reset(&out);
    error = (struct cql_error){.code = CQL_SYNTAX_ERROR, .message = STR("line 1:0 no")};
    cql_print_error(&error, &out);
    assert_str("SyntaxException: line 1:0 no\n", buf_str(&out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),   cmocka_unit_test(test_blank),
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_damaged_rows),
        cmocka_unit_test(test_errors),
    };
    return RUN_TESTS(tests);
}
