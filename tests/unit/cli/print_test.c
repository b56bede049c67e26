/* SPDX-License-Identifier: MIT */
/* Tables of text: widths as a terminal shows them, cells that are cut, numbers to the right, CSV
 * quotes. */
#include "cli/cli.h"

#include "test.h"

#include <string.h>
#include <unistd.h>

static struct cli cli;

/* Standard output of one call. */
static const char *printed(void (*call)(struct str text), const char *text)
{
    static char got[20000];
    char path[] = "/tmp/print-test-XXXXXX";
    int file = mkstemp(path), saved = dup(1);
    assert_true(file >= 0 && saved >= 0);
    unlink(path);
    fflush(stdout);
    assert_int_equal(1, dup2(file, 1));
    call(str_of(text));
    fflush(stdout);
    assert_int_equal(1, dup2(saved, 1));
    ssize_t bytes = pread(file, got, sizeof got - 1, 0);
    assert_true(bytes >= 0);
    got[bytes] = 0;
    close(file);
    close(saved);
    return got;
}

static void list(struct str text)
{
    static const struct cli_column columns[] = {
        {"NAME", "name", false}, {"COUNT", "count", true}, {"NOTE", "note", false}};
    cli_table(&cli, text, columns, 3);
}

static void rows(struct str text)
{
    cli_rows(&cli, text);
}

static void test_widths(void **state)
{
    cli.output = "table";
    cli.json = false;
    assert_string_equal(
        "NAME   COUNT  NOTE\n"
        "-----  -----  ----\n"
        "ann        5  x\n"
        "Ünïcö     12  \n"
        "日本    1234  été\n",
        printed(list, "[{\"name\":\"ann\",\"count\":5,\"note\":\"x\"},"
                      "{\"name\":\"Ünïcö\",\"count\":12,\"note\":null},"
                      "{\"name\":\"日本\",\"count\":1234,\"note\":\"\\u00e9t\\u00e9\"}]"));
    assert_string_equal("NAME  COUNT  NOTE\n----  -----  ----\n", printed(list, "[]"));
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

static void test_cut(void **state)
{
    char text[400] = "[{\"name\":\"", want[200] = "";
    for (int i = 0; i < 70; i++)
        strcat(text, "é");
    strcat(text, "\",\"count\":1,\"note\":\"a\\nb\\tc\"}]");
    for (int i = 0; i < 59; i++)
        strcat(want, "é");
    const char *got = printed(list, text), *line = strrchr(strstr(got, "--\n"), '-') + 2;
    assert_int_equal(0, strncmp(line, want, strlen(want)));
    assert_int_equal(0, strncmp(line + strlen(want), "…      1  a b c\n", 20));
    /* Wide ones leave a place free rather than stand over the edge. */
    strcpy(text, "[{\"name\":\"x");
    for (int i = 0; i < 40; i++)
        strcat(text, "日");
    strcat(text, "\",\"count\":1,\"note\":\"e\u0301\"}]");
    got = printed(list, text);
    assert_non_null(strstr(got, "日…      1  e"));
    assert_int_equal(29, count_of(got, "日"));
}

static void test_json(void **state)
{
    cli.json = true;
    assert_string_equal("[{\"name\":1}]\n", printed(list, "[{\"name\":1}]"));
    cli.json = false;
}

static const char *const answer =
    "{\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"},{\"name\":\"text, \\\"q\\\"\","
    "\"type\":\"string\"}],\"rows\":[[\"1\",\"a\"],[\"22\",null],[\"3\",\"x,\\\"y\\\"\\nz\"]]}";

static void test_rows(void **state)
{
    cli.output = "table";
    const char *want = "id  text, \"q\"\n--  ---------\n 1  a\n22  NULL\n 3  x,\"y\" z\n";
    assert_int_equal(0, strncmp(printed(rows, answer), want, strlen(want)));
    cli.output = "csv";
    assert_string_equal("id,\"text, \"\"q\"\"\"\r\n1,a\r\n22,\r\n3,\"x,\"\"y\"\"\nz\"\r\n",
                        printed(rows, answer));
}

int main(void)
{
    cli.io = io_kernel_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_rows),
    };
    int failed = RUN_TESTS(tests);
    io_free(cli.io);
    return failed;
}
