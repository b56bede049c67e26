/* SPDX-License-Identifier: MIT */
/*
 * Golden tests of the SQL engine: cases/NAME.sql holds statements, cases/NAME.out what came of
 * each: the plan, the schema, the rows of a SELECT, or the error with its place, class and hint.
 * Temporary views of the file are known to the statements behind them; some streams and tables with
 * a schema but no rows are always there. GOLDEN_REWRITE=1 writes the .out files anew.
 *
 * "-- tree" before a statement prints its syntax tree instead.
 */
#include "base/zone.h"
#include "query/ast.h"
#include "query/query.h"
#include "test.h"

#include <dirent.h>

static const char *cases_dir;

/* ---- the catalog ---- */

struct relation {
    struct str name;
    const struct type *schema;
    const struct ast_node *view;
    bool stream;
};

struct catalog {
    struct arena *arena;
    struct relation relations[64];
    size_t count;
};

static const struct {
    const char *name, *ddl;
    bool stream;
} fixtures[] = {
    {"users",
     "gender STRING, name STRUCT<title: STRING, first: STRING, last: STRING>, location "
     "STRUCT<street: STRUCT<number: INT, name: STRING>, city: STRING, postcode: STRING>, email "
     "STRING, login STRUCT<uuid: STRING, username: STRING>, dob STRUCT<date: TIMESTAMP, age: INT>",
     true},
    {"events",
     "id STRING, type STRING, payload STRUCT<ref: STRING, commits: ARRAY<STRUCT<sha: STRING, "
     "message: STRING, author: STRUCT<name: STRING, email: STRING>>>>, tags MAP<STRING, STRING>, "
     "at "
     "TIMESTAMP",
     true},
    {"codes", "code INT, label STRING", false},
    {"t0",
     "i INT, l BIGINT, d DOUBLE, c DECIMAL(10,2), s STRING, b BOOLEAN, ts TIMESTAMP, dt DATE, a "
     "ARRAY<INT>, m MAP<STRING, INT>, st STRUCT<x: INT, y: STRING, z: ARRAY<STRUCT<p: INT, q: "
     "STRING>>>",
     false},
    {"s0", "i INT, l BIGINT, s STRING, ts TIMESTAMP, a ARRAY<INT>", true},
};

static enum err find(void *owner, const struct str *parts, size_t part_count,
                     struct query_relation *ret_relation)
{
    struct catalog *catalog = owner;
    for (size_t i = catalog->count; i-- > 0;) {
        struct relation *r = &catalog->relations[i];
        if (!str_equal_nocase(r->name, parts[part_count - 1]))
            continue;
        *ret_relation = (struct query_relation){
            .schema = r->schema, .stream = r->stream, .table = !r->stream, .view = r->view};
        return OK;
    }
    return ERR_NOT_FOUND;
}

static size_t names(void *owner, struct arena *arena, const char *const **ret_names)
{
    struct catalog *catalog = owner;
    const char **list = arena_array(arena, catalog->count + 1, sizeof(*list));
    for (size_t i = 0; i < catalog->count; i++)
        list[i] = arena_text(arena, catalog->relations[i].name);
    *ret_names = list;
    return catalog->count;
}

static void add_fixtures(struct catalog *catalog)
{
    for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
        struct relation *r = &catalog->relations[catalog->count++];
        *r = (struct relation){.name = str_of(fixtures[i].name), .stream = fixtures[i].stream};
        assert_ok(type_parse_ddl(catalog->arena, str_of(fixtures[i].ddl), NULL, &r->schema));
    }
}

/* ---- one statement ---- */

static void print_diag(const struct diag *diag, struct buf *out)
{
    buf_printf(out, "%u:%u: %s", diag->line, diag->column, diag->message);
    if (diag->error_class[0])
        buf_printf(out, " [%s/%s]", diag->error_class, diag->sqlstate);
    buf_char(out, '\n');
    if (diag->hint[0])
        buf_printf(out, "  hint: %s\n", diag->hint);
}

static void print_batch(const struct batch *batch, struct buf *out)
{
    for (uint32_t r = 0; r < batch->rows; r++) {
        for (uint32_t c = 0; c < batch->column_count; c++) {
            buf_text(out, c ? " | " : "  ");
            if (column_is_null(batch->columns[c], r))
                buf_text(out, "NULL");
            else
                text_of_value(batch->columns[c], r, zone_utc(), out);
        }
        buf_char(out, '\n');
    }
}

static void run_plan(const struct query_plan *plan, struct buf *out)
{
    struct query_run *run;
    struct diag diag = {0};
    struct query_output output = {0};
    assert_ok(query_run_new(plan, false, 64 << 20, &run));
    enum err err;
    for (;;) {
        err = query_run_finish(run, &diag, &output);
        if (err != OK || !output.batch)
            break;
        for (uint32_t i = 0; i < output.batch->column_count; i++)
            column_check(output.batch->columns[i]);
        print_batch(output.batch, out);
        query_output_deinit(&output);
    }
    if (err != OK)
        print_diag(&diag, out);
    else
        query_output_deinit(&output);
    query_run_free(run);
}

static void run_statement(struct catalog *catalog, const struct query_statement *s, bool tree,
                          struct buf *out)
{
    buf_printf(out, "> %.*s\n", STR_ARG(s->text));
    if (s->kind == QUERY_OTHER || s->kind == QUERY_SET) {
        buf_printf(out, "%s\n", s->kind == QUERY_SET ? "set" : s->word);
        for (size_t i = 0; i < s->property_count; i++)
            buf_printf(out, "  '%.*s' = '%.*s'\n", STR_ARG(s->properties[i].key),
                       STR_ARG(s->properties[i].value));
        return;
    }
    if (tree) {
        ast_print(s->query, out);
        buf_char(out, '\n');
        return;
    }
    if (s->kind == QUERY_CREATE_TEMPORARY_VIEW) {
        assert_in_range(catalog->count, 0, 63);
        catalog->relations[catalog->count++] = (struct relation){.name = s->name, .view = s->query};
        return;
    }
    struct query_catalog functions = {find, names, catalog};
    struct query_session session = {.ansi = true, .now_us = 1700000000000000};
    struct diag diag = {0};
    const struct query_plan *plan;
    if (query_plan(catalog->arena, s, &functions, &session, &diag, &plan) != OK) {
        print_diag(&diag, out);
        return;
    }
    const struct query_input *inputs;
    query_plan_print(plan, out);
    type_print(query_plan_schema(plan), out);
    buf_printf(out, "%s\n", query_plan_is_stateless(plan) ? " stateless" : "");
    if (query_plan_inputs(plan, &inputs) == 0)
        run_plan(plan, out);
}

static void run_script(struct str text, struct buf *out)
{
    struct arena arena;
    arena_init(&arena, 256 << 20);
    struct catalog catalog = {.arena = &arena};
    struct diag_list diags = {0};
    struct query_script script;
    add_fixtures(&catalog);
    enum err err = query_parse(&arena, text, &diags, &script);
    for (size_t i = 0; i < script.count; i++) {
        struct query_statement *s = &script.statements[i];
        size_t at = (size_t)(s->text.ptr - text.ptr);
        bool tree = at >= 8 && memcmp(s->text.ptr - 8, "-- tree\n", 8) == 0;
        run_statement(&catalog, s, tree, out);
        buf_char(out, '\n');
    }
    for (size_t i = 0; i < diags.count; i++)
        print_diag(&diags.items[i], out);
    assert_true((err == OK) == (diags.count == 0));
    diag_list_deinit(&diags);
    arena_deinit(&arena);
}

/* ---- files ---- */

static bool read_file(const char *path, struct buf *out)
{
    FILE *in = fopen(path, "r");
    char room[4096];
    size_t n;
    if (!in)
        return false;
    while ((n = fread(room, 1, sizeof(room), in)) > 0)
        buf_append(out, room, n);
    fclose(in);
    return true;
}

static void report_difference(const char *name, struct str want, struct str have)
{
    uint32_t line = 1;
    struct str a, b;
    while (true) {
        bool more_a = str_cut(&want, '\n', &a), more_b = str_cut(&have, '\n', &b);
        if (!more_a || !more_b || !str_equal(a, b))
            fail_msg("%s.out line %u\n  want: %.*s\n  have: %.*s", name, line,
                     more_a ? (int)a.bytes : 0, more_a ? a.ptr : "", more_b ? (int)b.bytes : 0,
                     more_b ? b.ptr : "");
        line++;
    }
}

static void check_case(const char *name)
{
    char sql_path[512], out_path[512];
    struct buf sql = {0}, want = {0}, have = {0};
    snprintf(sql_path, sizeof(sql_path), "%s/%s.sql", cases_dir, name);
    snprintf(out_path, sizeof(out_path), "%s/%s.out", cases_dir, name);
    assert_true(read_file(sql_path, &sql));
    run_script(buf_str(&sql), &have);
    if (getenv("GOLDEN_REWRITE")) {
        FILE *out = fopen(out_path, "w");
        assert_non_null(out);
        assert_int_equal(fwrite(have.ptr, 1, have.bytes, out), have.bytes);
        fclose(out);
    } else {
        assert_true(read_file(out_path, &want));
        if (!str_equal(buf_str(&want), buf_str(&have)))
            report_difference(name, buf_str(&want), buf_str(&have));
    }
    buf_deinit(&sql);
    buf_deinit(&want);
    buf_deinit(&have);
}

static void test_cases(void **state)
{
    DIR *dir = opendir(cases_dir);
    struct dirent *entry;
    size_t count = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        struct str name = str_of(entry->d_name);
        if (!str_ends(name, STR(".sql")))
            continue;
        entry->d_name[name.bytes - 4] = '\0';
        check_case(entry->d_name);
        count++;
    }
    closedir(dir);
    assert_in_range(count, 1, 10000);
}

int main(int argc, char **argv)
{
    cases_dir = argc > 1 ? argv[1] : "tests/golden/query/cases";
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return RUN_TESTS(tests);
}
