/* SPDX-License-Identifier: MIT */
/* Words -> options and arguments, as the commands see them. */
#include "cli/options.h"

#include "test.h"

#include <string.h>

static char said[1000];

/* What the options say when they are wrong. */
void cli_error(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
}

static const struct cli_option options[] = {
    {"count", 'n', "N", "how many"},
    {"for", 0, "TIME", "how long"},
    {"keys", 'k', NULL, "a flag"},
    {0},
};
static const struct cli_command command = {
    .name = "try",
    .arguments = "A [B]",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 2,
};

/* The words are parted by blanks. */
static enum options_outcome parse(struct cli *cli, const char *line)
{
    static char text[200], *words[20];
    int count = 0;
    *cli = (struct cli){.command = &command, .output = "table"};
    said[0] = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    return options_parse(cli, count, words);
}

static void test_forms(void **state)
{
    static const char *const lines[] = {
        "-n 5 -k x",      "--count 5 --keys x", "--count=5 -k x", "-n5 x -k",
        "x -k --count 5", "-k -n 5 -- x",       "-n 9 -n 5 -k x",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cli cli;
        assert_int_equal(OPTIONS_GOOD, parse(&cli, lines[i]));
        assert_string_equal("5", cli_option(&cli, "count"));
        assert_string_equal("", cli_option(&cli, "keys"));
        assert_null(cli_option(&cli, "for"));
        assert_int_equal(1, cli.argument_count);
        assert_string_equal("x", cli_argument(&cli, 0, NULL));
        assert_string_equal("y", cli_argument(&cli, 1, "y"));
    }
}

static void test_shared(void **state)
{
    struct cli cli;
    assert_int_equal(OPTIONS_GOOD, parse(&cli, "x -o json -s http://a -C dir"));
    assert_true(cli.json);
    assert_string_equal("json", cli.output);
    assert_string_equal("http://a", cli_option(&cli, "server"));
    assert_string_equal("dir", cli_option(&cli, "project"));
    assert_int_equal(OPTIONS_GOOD, parse(&cli, "x -o csv"));
    assert_false(cli.json);
    assert_string_equal("csv", cli.output);
    assert_int_equal(OPTIONS_HELP, parse(&cli, "--help"));
    assert_int_equal(OPTIONS_HELP, parse(&cli, "-n 5 a b c d -h"));
}

static void test_arguments(void **state)
{
    struct cli cli;
    assert_int_equal(OPTIONS_GOOD, parse(&cli, "-- -n --keys"));
    assert_int_equal(2, cli.argument_count);
    assert_string_equal("-n", cli_argument(&cli, 0, NULL));
    assert_string_equal("--keys", cli_argument(&cli, 1, NULL));
    /* A dash alone is an argument: standard input. */
    assert_int_equal(OPTIONS_GOOD, parse(&cli, "-"));
    assert_string_equal("-", cli_argument(&cli, 0, NULL));
    /* A value may look like an option. */
    assert_int_equal(OPTIONS_GOOD, parse(&cli, "x -n -1"));
    assert_string_equal("-1", cli_option(&cli, "count"));
}

static void test_wrong(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"", "an argument is missing; usage: millrace try A [B]"},
        {"a b c", "'c' is too much; usage: millrace try A [B]"},
        {"--cuont 5 x", "try has no option '--cuont'; did you mean --count?"},
        {"--zzzzzz x", "try has no option '--zzzzzz'"},
        {"-z x", "try has no option '-z'"},
        {"x --count", "--count needs a value: N"},
        {"x -n", "--count needs a value: N"},
        {"x --keys=yes", "--keys takes no value"},
        {"x -kn", "--keys takes no value"},
        {"x -o xml", "-o takes table, json or csv, not 'xml'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli cli;
        assert_int_equal(OPTIONS_WRONG, parse(&cli, cases[i].line));
        assert_string_equal(cases[i].says, said);
    }
}

static void test_values(void **state)
{
    struct cli cli;
    int64_t value;
    assert_int_equal(OPTIONS_GOOD, parse(&cli, "x -n 12 --for 1500ms"));
    assert_true(cli_number(&cli, "count", 7, &value));
    assert_int_equal(12, value);
    assert_true(cli_duration_ms(&cli, "for", 7, &value));
    assert_int_equal(1500, value);
    assert_int_equal(OPTIONS_GOOD, parse(&cli, "x"));
    assert_true(cli_number(&cli, "count", 7, &value));
    assert_int_equal(7, value);
    assert_int_equal(OPTIONS_GOOD, parse(&cli, "x -n many --for ever"));
    assert_false(cli_number(&cli, "count", 7, &value));
    assert_string_equal("--count takes a number, not 'many'", said);
    assert_false(cli_duration_ms(&cli, "for", 7, &value));
    assert_string_equal("--for takes a time as 60s, 5m or 500ms, not 'ever'", said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),     cmocka_unit_test(test_shared),
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_values),
    };
    return RUN_TESTS(tests);
}
