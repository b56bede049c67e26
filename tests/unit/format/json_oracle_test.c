/* SPDX-License-Identifier: MIT */
/* The inputs of the recorded projects against their own schemas: the values that do not fit are
 * those that Spark named, and no others. */
#include "base/mem.h"
#include "data/column.h"
#include "format/json.h"
#include "test.h"

static bool file_read(const char *name, struct buf *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/oracle/pipelines/%s", shared_dir(), name);
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
        snprintf(name, sizeof name, "%s/millrace.yml", cases[i].project);
        assert_true(file_read(name, &project));
        struct str ddl = schema_of(buf_str(&project), cases[i].source);
        assert_ok(type_parse_ddl(&arena, ddl, NULL, &schema));
        assert_ok(json_decoder_new(schema, NULL, NULL, &decoder));
        size_t values = 0;
        for (int epoch = 0;; epoch++) {
            CLEAN(buf_deinit) struct buf input = {0};
            snprintf(name, sizeof name, "%s/input/%s/%03d.ndjson", cases[i].project,
                     cases[i].source, epoch);
            if (!file_read(name, &input))
                break;
            values += misfits(decoder, buf_str(&input), epoch, &have);
        }
        snprintf(name, sizeof name, "%s/expected/dead_letters.%s.ndjson", cases[i].project,
                 cases[i].source);
        file_read(name, &letters);
        recorded(buf_str(&letters), &want);
        if (values < cases[i].values || !str_equal(buf_str(&want), buf_str(&have)))
            fail_msg("%s: %d values, want %.*s have %.*s", cases[i].project, (int)values,
                     STR_ARG(buf_str(&want)), STR_ARG(buf_str(&have)));
        json_decoder_free(decoder);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_projects)};
    return RUN_TESTS(tests);
}
