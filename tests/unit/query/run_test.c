/* SPDX-License-Identifier: MIT */
/* Runs of plans over batches: what is read, what comes out, whose rows failed. */
#include "query/query.h"
#include "test.h"

static struct arena arena;
static const struct type *schema;

static enum err find(void *owner, const struct str *parts, size_t part_count,
                     struct query_relation *ret_relation)
{
    if (!str_equal(parts[part_count - 1], STR("s")))
        return ERR_NOT_FOUND;
    *ret_relation = (struct query_relation){.schema = schema, .stream = true, .table = true};
    return OK;
}

static size_t names(void *owner, struct arena *a, const char *const **ret_names)
{
    return 0;
}

static const struct query_plan *plan_of(const char *sql)
{
    struct query_script script;
    struct query_catalog catalog = {find, names, NULL};
    struct query_session session = {.ansi = true};
    struct diag diag = {0};
    const struct query_plan *plan = NULL;
    assert_ok(query_parse(&arena, str_of(sql), NULL, &script));
    if (query_plan(&arena, &script.statements[0], &catalog, &session, &diag, &plan) != OK)
        fail_msg("%s: %s", sql, diag.message);
    return plan;
}

static void assert_wanted(const struct query_plan *plan, const char *wanted)
{
    const struct query_input *inputs;
    struct buf text = {0};
    assert_int_equal(query_plan_inputs(plan, &inputs), 1);
    type_print(inputs[0].wanted, &text);
    assert_str(wanted, buf_str(&text));
    buf_deinit(&text);
}

/* One column of strings, "" for null. */
static struct batch *strings(const struct query_plan *plan, const char *const *values,
                             uint32_t rows)
{
    const struct query_input *inputs;
    assert_int_equal(query_plan_inputs(plan, &inputs), 1);
    assert_int_equal(inputs[0].wanted->field_count, 1);
    struct builder *builder = builder_new(type_simple(TYPE_STRING), rows, 0);
    for (uint32_t i = 0; i < rows; i++) {
        if (*values[i])
            builder_str(builder, str_of(values[i]));
        else
            builder_null(builder);
    }
    struct column *column;
    assert_ok(builder_finish(builder, &column));
    builder_free(builder);
    return batch_new(inputs[0].wanted, rows, &column);
}

static void setup_schema(void)
{
    arena_init(&arena, 16 << 20);
    assert_ok(type_parse_ddl(&arena,
                             STR("a STRING, b STRUCT<c: INT, d: STRUCT<e: STRING, f: INT>>, g "
                                 "ARRAY<STRUCT<h: STRING, i: INT>>, j MAP<STRING, INT>"),
                             NULL, &schema));
}

static void test_wanted(void **state)
{
    setup_schema();
    assert_wanted(plan_of("SELECT a FROM s"), "struct<a:string>");
    assert_wanted(plan_of("SELECT b.d.e FROM s WHERE b.c > 1"),
                  "struct<b:struct<c:int,d:struct<e:string>>>");
    assert_wanted(plan_of("SELECT x.f FROM (SELECT b.d AS x, a FROM s)"),
                  "struct<b:struct<d:struct<f:int>>>");
    assert_wanted(plan_of("SELECT y.h FROM s LATERAL VIEW explode(g) v AS y"),
                  "struct<g:array<struct<h:string>>>");
    assert_wanted(plan_of("SELECT g.i FROM s"), "struct<g:array<struct<i:int>>>");
    assert_wanted(plan_of("SELECT b, b.c FROM s"),
                  "struct<b:struct<c:int,d:struct<e:string,f:int>>>");
    assert_wanted(plan_of("SELECT count(*) FROM s"), "struct<>");
    assert_wanted(plan_of("SELECT count(*) FROM (SELECT a, b FROM s WHERE b.c = 1)"),
                  "struct<b:struct<c:int>>");
    arena_deinit(&arena);
}

static void test_errors_are_collected(void **state)
{
    setup_schema();
    const struct query_plan *plan =
        plan_of("SELECT CAST(x AS INT) AS n FROM s LATERAL VIEW explode(split(a, ',')) v AS x "
                "WHERE x <> 'skip'");
    const char *values[] = {"1,2", "3,bad,worse", "", "skip", "4"};
    struct batch *batch = strings(plan, values, 5);
    struct query_run *run;
    struct query_output output;
    struct diag diag = {0};
    assert_true(query_plan_is_stateless(plan));
    assert_ok(query_run_new(plan, true, 0, &run));
    assert_ok(query_run_push(run, 0, batch, &diag, &output));
    /* the whole of row 1 is left out, "3" too */
    assert_int_equal(output.batch->rows, 3);
    assert_int_equal(output.batch->columns[0]->i32[0], 1);
    assert_int_equal(output.batch->columns[0]->i32[2], 4);
    assert_int_equal(output.origins[0], 0);
    assert_int_equal(output.origins[1], 0);
    assert_int_equal(output.origins[2], 4);
    assert_int_equal(output.error_count, 1);
    assert_int_equal(output.errors[0].input_row, 1);
    assert_string_equal(output.errors[0].diag.error_class, "CAST_INVALID_INPUT");
    query_output_deinit(&output);
    query_run_free(run);

    assert_ok(query_run_new(plan, false, 0, &run));
    assert_err(ERR_INVALID, query_run_push(run, 0, batch, &diag, &output));
    assert_string_equal(diag.sqlstate, "22018");
    query_run_free(run);
    batch_unref(batch);
    arena_deinit(&arena);
}

static void test_branches_hide_errors(void **state)
{
    setup_schema();
    const struct query_plan *plan = plan_of(
        "SELECT CASE WHEN a RLIKE '^[0-9]+$' THEN CAST(a AS INT) ELSE -1 END AS x, a IS NOT NULL "
        "AND a <> 'b' AND CAST(a AS INT) > 1 AS y, coalesce(length(a), CAST(concat(a, 'z') AS "
        "INT)) AS z FROM s");
    const char *values[] = {"7", "b", ""};
    struct batch *batch = strings(plan, values, 3);
    struct query_run *run;
    struct query_output output;
    struct diag diag = {0};
    assert_ok(query_run_new(plan, true, 0, &run));
    assert_ok(query_run_push(run, 0, batch, &diag, &output));
    assert_int_equal(output.error_count, 0);
    assert_int_equal(output.batch->rows, 3);
    const int32_t *x = output.batch->columns[0]->i32;
    assert_int_equal(x[0], 7);
    assert_int_equal(x[1], -1);
    assert_int_equal(x[2], -1);
    assert_true(bit_get(output.batch->columns[1]->bits, 0));
    assert_false(column_is_null(output.batch->columns[1], 1));
    assert_false(column_is_null(output.batch->columns[1], 2));
    assert_true(column_is_null(output.batch->columns[2], 2));
    query_output_deinit(&output);
    query_run_free(run);
    batch_unref(batch);
    arena_deinit(&arena);
}

static void test_plain_columns_are_shared(void **state)
{
    setup_schema();
    const struct query_plan *plan = plan_of("SELECT a, a AS again FROM s WHERE a IS NOT NULL");
    const char *values[] = {"x", "y"};
    struct batch *batch = strings(plan, values, 2);
    struct query_run *run;
    struct query_output output;
    assert_ok(query_run_new(plan, false, 0, &run));
    assert_ok(query_run_push(run, 0, batch, NULL, &output));
    assert_ptr_equal(output.batch->columns[0], batch->columns[0]);
    assert_ptr_equal(output.batch->columns[1], batch->columns[0]);
    query_output_deinit(&output);
    query_run_free(run);
    batch_unref(batch);
    arena_deinit(&arena);
}

/* A run keeps its compiled patterns: the batch that they were made with is gone by the next one,
 * and a pattern that comes from a column changes from row to row and from batch to batch. */
static void test_patterns_outlive_batches(void **state)
{
    setup_schema();
    const struct query_plan *plan =
        plan_of("SELECT a LIKE 'a%', a RLIKE '^.b', 'abc' LIKE a, 'abc' RLIKE a, "
                "date_format(TIMESTAMP '2024-05-06 07:08:09', 'yyyy') FROM s");
    const char *const batches[2][2] = {{"ab", "a_c"}, {"%c", "abc"}};
    const bool want[2][2][4] = {{{true, true, false, true}, {true, false, true, false}},
                                {{false, false, true, false}, {true, true, true, true}}};
    struct query_run *run;
    assert_ok(query_run_new(plan, false, 0, &run));
    for (size_t i = 0; i < 2; i++) {
        struct batch *batch = strings(plan, batches[i], 2);
        struct query_output output;
        assert_ok(query_run_push(run, 0, batch, NULL, &output));
        batch_unref(batch);
        for (uint32_t row = 0; row < 2; row++) {
            for (size_t c = 0; c < 4; c++)
                assert_int_equal(bit_get(output.batch->columns[c]->bits, row), want[i][row][c]);
            assert_true(str_equal(column_str(output.batch->columns[4], row), STR("2024")));
        }
        query_output_deinit(&output);
    }
    query_run_free(run);
    arena_deinit(&arena);
}

static void test_limit_ends(void **state)
{
    setup_schema();
    const struct query_plan *plan = plan_of("SELECT a FROM s LIMIT 3");
    const char *values[] = {"x", "y"};
    struct batch *batch = strings(plan, values, 2);
    struct query_run *run;
    struct query_output output;
    assert_ok(query_run_new(plan, false, 0, &run));
    assert_ok(query_run_push(run, 0, batch, NULL, &output));
    assert_false(output.done);
    query_output_deinit(&output);
    assert_ok(query_run_push(run, 0, batch, NULL, &output));
    assert_true(output.done);
    assert_int_equal(output.batch->rows, 1);
    query_output_deinit(&output);
    query_run_free(run);
    batch_unref(batch);
    arena_deinit(&arena);
}

static void test_memory_is_bounded(void **state)
{
    setup_schema();
    const char *const queries[] = {"SELECT a FROM s ORDER BY a",
                                   "SELECT a, count(*) FROM s GROUP BY a",
                                   "SELECT collect_list(a) FROM s"};
    for (size_t q = 0; q < 3; q++) {
        const struct query_plan *plan = plan_of(queries[q]);
        struct query_run *run;
        struct query_output output;
        struct diag diag = {0};
        enum err err = OK;
        assert_ok(query_run_new(plan, false, 64 << 10, &run));
        for (int i = 0; i < 100000 && err == OK; i++) {
            char first[32], second[32];
            snprintf(first, sizeof(first), "value %d", i);
            snprintf(second, sizeof(second), "other %d", i);
            const char *values[] = {first, second};
            struct batch *batch = strings(plan, values, 2);
            err = query_run_push(run, 0, batch, &diag, &output);
            if (err == OK)
                query_output_deinit(&output);
            batch_unref(batch);
        }
        assert_int_equal(err, ERR_LIMIT);
        assert_int_equal(diag.err, ERR_LIMIT);
        query_run_free(run);
    }
    arena_deinit(&arena);
}

static void test_groups_over_batches(void **state)
{
    setup_schema();
    const struct query_plan *plan =
        plan_of("SELECT a, count(*) AS n, count(a) AS v FROM s GROUP BY a ORDER BY n DESC, a");
    const char *values[] = {"x", "y", "x", ""};
    struct batch *batch = strings(plan, values, 4);
    struct query_run *run;
    struct query_output output;
    assert_ok(query_run_new(plan, true, 0, &run));
    for (int i = 0; i < 3; i++) {
        assert_ok(query_run_push(run, 0, batch, NULL, &output));
        assert_null(output.batch);
        query_output_deinit(&output);
    }
    assert_ok(query_run_finish(run, NULL, &output));
    assert_int_equal(output.batch->rows, 3);
    assert_null(output.origins);
    assert_str("x", column_str(output.batch->columns[0], 0));
    assert_int_equal(output.batch->columns[1]->i64[0], 6);
    assert_true(column_is_null(output.batch->columns[0], 1));
    assert_int_equal(output.batch->columns[1]->i64[1], 3);
    assert_int_equal(output.batch->columns[2]->i64[1], 0);
    query_output_deinit(&output);
    assert_ok(query_run_finish(run, NULL, &output));
    assert_null(output.batch);
    query_output_deinit(&output);
    query_run_free(run);
    batch_unref(batch);
    arena_deinit(&arena);
}

static void test_a_script_survives_mistakes(void **state)
{
    arena_init(&arena, 1 << 20);
    struct query_script script;
    struct diag_list diags = {0};
    assert_err(ERR_SYNTAX,
               query_parse(&arena,
                           STR("SELECT 1;\nSELEC 2;\nSELECT 3 FROM;\n;CREATE STREAMING TABLE db.x "
                               "TBLPROPERTIES ('k' = 'v', n = 3) AS SELECT * FROM STREAM s"),
                           &diags, &script));
    assert_int_equal(diags.count, 2);
    assert_int_equal(diags.items[0].line, 2);
    assert_int_equal(diags.items[0].column, 1);
    assert_int_equal(diags.items[1].line, 3);
    assert_string_equal(diags.items[1].error_class, "PARSE_SYNTAX_ERROR");
    assert_int_equal(script.count, 2);
    assert_str("SELECT 1", script.statements[0].text);
    assert_int_equal(script.statements[1].kind, QUERY_CREATE_STREAMING_TABLE);
    assert_str("db.x", script.statements[1].name);
    assert_int_equal(script.statements[1].line, 4);
    assert_int_equal(script.statements[1].property_count, 2);
    assert_str("3", script.statements[1].properties[1].value);
    diag_list_deinit(&diags);
    arena_deinit(&arena);
}

static void test_deep_texts_are_refused(void **state)
{
    static const char *const parts[] = {"(", "NOT ", "- ", "CASE WHEN ", "a[", "f(", "(SELECT "};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct buf text = {0};
        struct query_script script;
        arena_init(&arena, 64 << 20);
        buf_text(&text, "SELECT ");
        for (int k = 0; k < 20000; k++)
            buf_text(&text, parts[i]);
        buf_text(&text, "1");
        enum err err = query_parse(&arena, buf_str(&text), NULL, &script);
        assert_true(err == ERR_LIMIT || err == ERR_SYNTAX);
        buf_deinit(&text);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_errors_are_collected),
        cmocka_unit_test(test_branches_hide_errors),
        cmocka_unit_test(test_plain_columns_are_shared),
        cmocka_unit_test(test_patterns_outlive_batches),
        cmocka_unit_test(test_limit_ends),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_groups_over_batches),
        cmocka_unit_test(test_a_script_survives_mistakes),
        cmocka_unit_test(test_deep_texts_are_refused),
    };
    return RUN_TESTS(tests);
}
