/* SPDX-License-Identifier: MIT */
/*
 * The parser against recorded verdicts of Spark's parser: every text that Spark rejects must be
 * rejected or be a statement that this engine does not run anyway; of those that it accepts, the
 * number must not fall. Prints the disagreements with VERBOSE=1 in the environment.
 */
#include "query/query.h"
#include "test.h"

struct tally {
    size_t accepted, accepted_both, rejected, rejected_both, unsupported, other;
};

static void put_escape(const char **at, struct buf *out)
{
    char c = *++*at;
    static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
    const char *known = strchr(from, c);
    if (c == 'u') {
        unsigned code =
            (unsigned)strtoul((char[]){(*at)[1], (*at)[2], (*at)[3], (*at)[4], 0}, NULL, 16);
        if (code < 0x80) {
            buf_char(out, (char)code);
        } else if (code < 0x800) {
            buf_char(out, (char)(0xC0 | code >> 6));
            buf_char(out, (char)(0x80 | (code & 0x3F)));
        } else {
            buf_char(out, (char)(0xE0 | code >> 12));
            buf_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
            buf_char(out, (char)(0x80 | (code & 0x3F)));
        }
        *at += 4;
    } else {
        buf_char(out, known ? to[known - from] : c);
    }
}

/* The text of a string member of a flat JSON object. */
static void json_member(const char *line, const char *name, struct buf *out)
{
    char key[64];
    snprintf(key, sizeof(key), "\"%s\": \"", name);
    const char *at = strstr(line, key);
    for (at = at ? at + strlen(key) : "\""; *at && *at != '"'; at++) {
        if (*at == '\\')
            put_escape(&at, out);
        else
            buf_char(out, *at);
    }
}

static void judge(const char *line, const char *wrap, struct tally *tally)
{
    struct buf sql = {0}, text = {0};
    struct arena arena;
    struct query_script script;
    struct diag_list diags = {0};
    json_member(line, "sql", &sql);
    buf_printf(&text, wrap, (int)sql.bytes, sql.ptr ? (const char *)sql.ptr : "");
    arena_init(&arena, 64 << 20);
    bool want = strstr(line, "\"accepted\": true") != NULL;
    enum err err = query_parse(&arena, buf_str(&text), &diags, &script);
    bool other = err == OK && script.count > 0 && script.statements[0].kind == QUERY_OTHER;
    tally->accepted += want;
    tally->accepted_both += want && err == OK;
    tally->unsupported += want && err == ERR_UNSUPPORTED;
    tally->rejected += !want;
    tally->rejected_both += !want && err != OK;
    tally->other += !want && other;
    if (want != (err == OK) && !other && getenv("VERBOSE"))
        print_message("# spark %s: %.*s\n#   %s\n", want ? "accepts" : "rejects", (int)text.bytes,
                      (const char *)text.ptr, diags.count ? diags.items[0].message : "");
    diag_list_deinit(&diags);
    arena_deinit(&arena);
    buf_deinit(&sql);
    buf_deinit(&text);
}

static struct tally run(const char *file, const char *wrap)
{
    struct tally tally = {0};
    char path[512], *line = NULL;
    size_t room = 0;
    snprintf(path, sizeof(path), "%s/oracle/spark-parse/%s", shared_dir(), file);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (getline(&line, &room, in) > 0)
        judge(line, wrap, &tally);
    free(line);
    fclose(in);
    print_message("# %s: of %zu accepted texts %zu (%zu said to be unsupported); of %zu rejected "
                  "%zu, %zu are statements given by name only\n",
                  file, tally.accepted, tally.accepted_both, tally.unsupported, tally.rejected,
                  tally.rejected_both, tally.other);
    return tally;
}

static void test_statements(void **state)
{
    if (!shared_dir())
        skip();
    struct tally tally = run("statement.jsonl", "%.*s");
    assert_in_range(tally.accepted_both + tally.unsupported, tally.accepted * 97 / 100,
                    tally.accepted);
    assert_in_range(tally.rejected_both + tally.other, tally.rejected * 85 / 100, tally.rejected);
}

static void test_expressions(void **state)
{
    if (!shared_dir())
        skip();
    struct tally tally = run("expression.jsonl", "SELECT %.*s");
    assert_in_range(tally.accepted_both + tally.unsupported, tally.accepted * 97 / 100,
                    tally.accepted);
    assert_in_range(tally.rejected_both, tally.rejected * 85 / 100, tally.rejected);
}

static void test_types(void **state)
{
    if (!shared_dir())
        skip();
    struct tally tally = run("type.jsonl", "SELECT CAST(a AS %.*s)");
    assert_in_range(tally.accepted_both + tally.unsupported, tally.accepted * 80 / 100,
                    tally.accepted);
    assert_in_range(tally.rejected_both, tally.rejected * 85 / 100, tally.rejected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_types),
    };
    return RUN_TESTS(tests);
}
