/* SPDX-License-Identifier: MIT */
/* The inputs of the recorded projects against their own schemas: the values that do not fit are
 * those that Spark named, and no others. */
#include "base/mem.h"
#include "data/column.h"
#include "format/json.h"
#include "test.h"

#include <dirent.h>

static bool file_read(const char *name, struct buf *out)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", shared_dir(), name);
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

static struct str schema_of(struct str project, const char *source)
{
    char mark[64];
    snprintf(mark, sizeof mark, "\n  %s:\n", source);
    size_t at = str_find(project, str_of(mark), 0);
    assert_true(at != SIZE_MAX);
    at = str_find(project, STR("schema: >\n"), at) + strlen("schema: >\n");
    return str_trim(str_slice(project, at, str_find(project, STR("\n"), at)));
}

/* Adds "epoch line" of each value that does not fit; the count of values. */
static size_t misfits(struct json_decoder *decoder, struct str text, int epoch, struct buf *out)
{
    struct str line;
    size_t count = 0, corrupt;
    for (; str_cut(&text, '\n', &line) && (line.bytes || text.bytes); count++) {
        struct batch *batch;
        uint8_t outcome;
        struct json_fault fault;
        assert_ok(json_decode(decoder, &line, 1, &batch, &outcome, &fault, 1, &corrupt));
        if (outcome != JSON_FITS)
            buf_printf(out, "%d %d\n", epoch, (int)count);
        batch_unref(batch);
    }
    return count;
}

static void recorded(struct str letters, struct buf *out)
{
    struct str line;
    while (str_cut(&letters, '\n', &line) && line.bytes) {
        struct str epoch = json_member(line, "epoch"), at = json_member(line, "line");
        buf_printf(out, "%.*s %.*s\n", STR_ARG(epoch), STR_ARG(at));
    }
}

static void test_projects(void **state)
{
    static const struct {
        const char *project, *source;
        size_t values;
    } cases[] = {
        {"aircraft_arrays", "states", 1},
        {"coffee_bulk", "buttons", 300},
        {"earthquakes", "quakes", 100},
        {"earthquakes_latest", "quakes", 50},
        {"github_commits", "github", 200},
        {"github_sessions", "github", 100},
        {"github_windows", "github", 100},
        {"market_bars", "trades", 90},
        {"market_bars", "quotes", 100},
        {"random_users", "users_created", 100},
        {"wikimedia_changes", "recentchange", 100},
    };
    if (!shared_dir())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN(buf_deinit) struct buf project = {0}, letters = {0}, want = {0}, have = {0};
        char name[256];
        struct arena arena;
        const struct type *schema;
        struct json_decoder *decoder;
        arena_init(&arena, 1 << 20);
        snprintf(name, sizeof name, "oracle/pipelines/%s/millrace.yml", cases[i].project);
        assert_true(file_read(name, &project));
        struct str ddl = schema_of(buf_str(&project), cases[i].source);
        assert_ok(type_parse_ddl(&arena, ddl, NULL, &schema));
        assert_ok(json_decoder_new(schema, NULL, NULL, &decoder));
        size_t values = 0;
        for (int epoch = 0;; epoch++) {
            CLEAN(buf_deinit) struct buf input = {0};
            snprintf(name, sizeof name, "oracle/pipelines/%s/input/%s/%03d.ndjson",
                     cases[i].project, cases[i].source, epoch);
            if (!file_read(name, &input))
                break;
            values += misfits(decoder, buf_str(&input), epoch, &have);
        }
        snprintf(name, sizeof name, "oracle/pipelines/%s/expected/dead_letters.%s.ndjson",
                 cases[i].project, cases[i].source);
        file_read(name, &letters);
        recorded(buf_str(&letters), &want);
        if (values < cases[i].values || !str_equal(buf_str(&want), buf_str(&have)))
            fail_msg("%s: %d values, want %.*s have %.*s", cases[i].project, (int)values,
                     STR_ARG(buf_str(&want)), STR_ARG(buf_str(&have)));
        json_decoder_free(decoder);
        arena_deinit(&arena);
    }
}

static struct json_decoder *decoder_of(struct arena *arena, const char *ddl)
{
    const struct type *schema;
    struct json_decoder *decoder;
    assert_ok(type_parse_ddl(arena, str_of(ddl), NULL, &schema));
    assert_ok(json_decoder_new(schema, NULL, NULL, &decoder));
    return decoder;
}

static enum json_outcome decode(struct json_decoder *decoder, struct str document)
{
    struct batch *batch;
    uint8_t outcome;
    size_t corrupt;
    assert_ok(json_decode(decoder, &document, 1, &batch, &outcome, NULL, 0, &corrupt));
    for (uint32_t i = 0; i < batch->column_count; i++)
        column_check(batch->columns[i]);
    batch_unref(batch);
    return outcome;
}

/* Files made to break readers, whole and line by line: none does, and what is valid JSON with an
 * object at the root is never broken for us. */
static void test_nasty(void **state)
{
    static const char *const folders[] = {"JSONTestSuite/test_parsing",
                                          "JSONTestSuite/test_transform", "simdjson/jsonchecker",
                                          "duckdb", "simdjson"};
    if (!shared_dir())
        skip();
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct json_decoder *none = decoder_of(&arena, "`no such name` INT");
    struct json_decoder *some = decoder_of(
        &arena, "a STRING, b ARRAY<STRING>, id BIGINT, `0` STRING, min DOUBLE, max FLOAT, "
                "statuses ARRAY<STRUCT<id: BIGINT, text: STRING, user: MAP<STRING,STRING>>>, "
                "title STRING, x ARRAY<STRUCT<id: STRING>>, results STRING");
    size_t files = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/data/nasty_json/%s", shared_dir(), folders[i]);
        DIR *dir = opendir(path);
        assert_non_null(dir);
        for (struct dirent *e; (e = readdir(dir));) {
            CLEAN(buf_deinit) struct buf text = {0};
            char name[1024];
            snprintf(name, sizeof name, "data/nasty_json/%s/%s", folders[i], e->d_name);
            if (e->d_type == DT_DIR || !file_read(name, &text))
                continue;
            struct str whole = buf_str(&text), line;
            bool valid = json_validate(whole, 0, NULL) == OK;
            bool object = str_trim(whole).bytes && str_trim(whole).ptr[0] == '{';
            enum json_outcome outcome = decode(none, whole);
            decode(some, whole);
            if (valid && outcome != (object ? JSON_FITS : JSON_CORRUPT))
                fail_msg("%s: %d", name, outcome);
            while (str_cut(&whole, '\n', &line))
                decode(some, line);
            files++;
        }
        closedir(dir);
    }
    assert_true(files > 380);
    json_decoder_free(none);
    json_decoder_free(some);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_projects),
                                       cmocka_unit_test(test_nasty)};
    return RUN_TESTS(tests);
}
