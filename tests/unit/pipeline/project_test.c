/* SPDX-License-Identifier: MIT */
/* Loading projects: the examples, those recorded from Spark, globs. And the small parts of the
 * room: the histogram of latencies, the check of the books. */
#include "pipeline/latency.h"
#include "pipeline/pipeline_private.h"
#include "pipeline/project_private.h"

#include "test.h"

#include <string.h>

static void test_globs(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {"transformations/**", "transformations/a.sql", true},
        {"transformations/**", "transformations/a/b/c.sql", true},
        {"transformations/**", "other/a.sql", false},
        {"transformations/**/*.sql", "transformations/a.sql", true},
        {"transformations/**/*.sql", "transformations/a/b.sql", true},
        {"transformations/**/*.sql", "transformations/a/b.py", false},
        {"transformations/*.sql", "transformations/a.sql", true},
        {"transformations/*.sql", "transformations/a/b.sql", false},
        {"**/a.sql", "a.sql", true},
        {"**/a.sql", "x/y/a.sql", true},
        {"**/a.sql", "x/y/ba.sql", false},
        {"a?.sql", "ab.sql", true},
        {"a?.sql", "a.sql", false},
        {"a?b", "a/b", false},
        {"*", "a", true},
        {"*", "a/b", false},
        {"a*b*c", "axxbyyc", true},
        {"a*b*c", "axxbyy", false},
        {"a.sql", "a.sql", true},
        {"a.sql", "a.sqlx", false},
        {"", "", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (project_glob_match(cases[i].pattern, cases[i].path) != cases[i].matches)
            fail_msg("%s and %s", cases[i].pattern, cases[i].path);
}

static const char *source_dir(void)
{
    const char *dir = getenv("MILLRACE_SOURCE");
    if (!dir || !*dir)
        skip();
    return dir;
}

static void test_examples(void **state)
{
    static const struct {
        const char *name;
        size_t tables;
    } examples[] = {{"random-users", 1}, {"earthquakes", 2}, {"clickstream", 2}};
    const char *dir = source_dir();
    struct io *io = io_kernel_new();
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char path[300];
        struct diag_list diags = {0};
        struct project *project = NULL;
        snprintf(path, sizeof path, "%s/examples/%s/", dir, examples[i].name);
        assert_ok(project_load(io, path, &diags, &project));
        assert_int_equal(0, diags.count);
        assert_true(project->table_count >= examples[i].tables);
        assert_int_not_equal('/', project->directory[strlen(project->directory) - 1]);
        for (size_t k = 0; k < project->table_count; k++) {
            const struct project_table *table = &project->tables[k];
            assert_non_null(table->plan);
            if (table->kind == PROJECT_STREAMING_TABLE)
                assert_ptr_equal(&project->sources[0], table->source);
            assert_non_null(table->target);
            assert_true(table->target->definition.column_count > 0);
        }
        diag_list_deinit(&diags);
        project_free(project);
    }
    io_free(io);
}

/* Mistakes that this release may have with a project that Spark runs: refusals, said clearly. */
static bool is_refusal(const struct diag *diag)
{
    return strcmp(diag->error_class, "UNSUPPORTED_FEATURE") == 0 ||
           strstr(diag->message, "is not supported") || strstr(diag->message, "has no place in");
}

static size_t load_recorded(struct io *io, const char *path)
{
    struct diag_list diags = {0};
    struct project *project = NULL;
    (void)!project_load(io, path, &diags, &project);
    for (size_t i = 0; i < diags.count; i++) {
        const struct diag *diag = &diags.items[i];
        if (!is_refusal(diag))
            fail_msg("%s: %s:%u:%u: %s", path, diag->file, diag->line, diag->column, diag->message);
        if (!diag->line || !diag->column || !diag->hint[0])
            fail_msg("%s: no place or hint: %s", path, diag->message);
    }
    size_t planned = 0;
    assert_non_null(project);
    for (size_t i = 0; i < project->table_count; i++)
        planned += project->tables[i].plan != NULL;
    diag_list_deinit(&diags);
    project_free(project);
    return planned;
}

static void test_recorded(void **state)
{
    const char *shared = shared_dir();
    if (!shared)
        skip();
    struct io *io = io_kernel_new();
    char root[300], path[600];
    char **names;
    size_t count, loaded = 0, planned = 0;
    snprintf(root, sizeof root, "%s/oracle/pipelines", shared);
    assert_ok(io_path_list(io, root, &names, &count));
    for (size_t i = 0; i < count; i++) {
        struct io_stat stat;
        snprintf(path, sizeof path, "%s/%s", root, names[i]);
        if (io_path_stat(io, path, &stat) != OK || !stat.is_directory)
            continue;
        planned += load_recorded(io, path);
        loaded++;
    }
    io_names_free(names, count);
    assert_true(loaded >= 13);
    if (planned < 12)
        fail_msg("%zu tables planned", planned);
    io_free(io);
}

static void test_missing(void **state)
{
    struct io *io = io_kernel_new();
    struct diag_list diags = {0};
    struct project *project = (struct project *)state;
    assert_err(ERR_NOT_FOUND, project_load(io, "/tmp/there-is-no-project", &diags, &project));
    assert_null(project);
    assert_int_equal(1, diags.count);
    diag_list_deinit(&diags);
    io_free(io);
}

/* ---- latencies ---- */

static void test_latency(void **state)
{
    struct latency latency = {0};
    assert_int_equal(-1, latency_quantile(&latency, 0.5));
    /* Buckets grow and do not overlap. */
    for (int64_t us = 0; us < 5000; us++) {
        assert_true(latency_bucket(us) <= latency_bucket(us + 1));
        assert_true(latency_bucket(us + 1) - latency_bucket(us) <= 1);
    }
    assert_int_equal(0, latency_bucket(-5));
    assert_true(latency_bucket(INT64_MAX) < LATENCY_BUCKETS);
    /* A quantile is at most 1/16 above the value. */
    for (int64_t us = 1; us < 1000000000; us = us * 3 + 1) {
        struct latency one = {0};
        latency_add(&one, us, 1);
        int64_t found = latency_quantile(&one, 0.5);
        if (found < us || found > us + us / 16 + 1)
            fail_msg("%lld gives %lld", (long long)us, (long long)found);
    }
    latency_add(&latency, 10, 98);
    latency_add(&latency, 5000, 2);
    assert_int_equal(100, latency.count);
    assert_int_equal(10, latency_quantile(&latency, 0.5));
    assert_int_equal(10, latency_quantile(&latency, 0.97));
    assert_true(latency_quantile(&latency, 0.99) >= 5000);
    assert_true(latency_quantile(&latency, 1.0) < 5400);
}

/* ---- books ---- */

static void check_books(bool balanced, const char *says, struct pipeline_source_status source,
                        struct pipeline_table_status table)
{
    source.name = source.topic = table.source = STR("raw");
    table.name = STR("orders");
    struct pipeline_status status = {
        .sources = &source, .source_count = 1, .tables = &table, .table_count = 1};
    books_check(&status);
    if (status.balanced != balanced || (says && !strstr(status.imbalance, says)))
        fail_msg("balanced %d: %s", status.balanced, status.imbalance);
}

static void test_books(void **state)
{
    const struct pipeline_source_status six = {.topic_records = 6};
    check_books(
        true, NULL, six,
        (struct pipeline_table_status){.read = 5, .stored = 2, .filtered = 2, .dead = 1, .lag = 1});
    check_books(false, "orders: read 5", six,
                (struct pipeline_table_status){.read = 5, .stored = 2, .filtered = 2, .lag = 1});
    check_books(false, "the topic gave 6", six,
                (struct pipeline_table_status){.read = 5, .stored = 5});
    check_books(false, "missed 1", six,
                (struct pipeline_table_status){.read = 5, .stored = 5, .missed = 1});
    check_books(true, NULL, (struct pipeline_source_status){.topic_records = 6, .topic_removed = 1},
                (struct pipeline_table_status){.read = 5, .stored = 5, .missed = 1});
    check_books(
        true, NULL,
        (struct pipeline_source_status){
            .connector = "http", .fetched = 9, .appended = 6, .repeated = 2, .topic_records = 6},
        (struct pipeline_table_status){.read = 6, .stored = 6});
    check_books(
        false, "raw: fetched 7",
        (struct pipeline_source_status){
            .connector = "http", .fetched = 7, .appended = 6, .repeated = 2, .topic_records = 6},
        (struct pipeline_table_status){.read = 6, .stored = 6});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_globs),    cmocka_unit_test(test_examples),
        cmocka_unit_test(test_recorded), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_latency),  cmocka_unit_test(test_books),
    };
    return RUN_TESTS(tests);
}
