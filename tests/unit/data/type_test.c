/* SPDX-License-Identifier: MIT */
/* Types and their DDL: every form printed back, every refusal with its place. */
#include "test.h"

#include "data/type.h"

static struct arena arena;

static int setup(void **state)
{
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(&arena);
    return 0;
}

static void assert_prints(const char *want, const struct type *type)
{
    struct buf buf = {0};
    type_print(type, &buf);
    assert_str(want, buf_str(&buf));
    buf_deinit(&buf);
}

static const struct type *ddl(const char *text)
{
    const struct type *type;
    struct diag diag = {0};
    if (type_parse_ddl(&arena, str_of(text), &diag, &type) != OK)
        fail_msg("%s: %u:%u: %s", text, diag.line, diag.column, diag.message);
    return type;
}

static void test_names(void **state)
{
    static const char *const pairs[][2] = {
        {"boolean", "boolean"},
        {"TinyInt", "tinyint"},
        {"byte", "tinyint"},
        {"short", "smallint"},
        {"INTEGER", "int"},
        {"long", "bigint"},
        {"real", "float"},
        {"double", "double"},
        {"dec", "decimal(10,0)"},
        {"NUMERIC(5)", "decimal(5,0)"},
        {"decimal( 38 , 38 )", "decimal(38,38)"},
        {"char(3)", "string"},
        {"character(3)", "string"},
        {"VARCHAR(10)", "string"},
        {"binary", "binary"},
        {"date", "date"},
        {"timestamp", "timestamp"},
        {"timestamp_ltz", "timestamp"},
        {"timestamp_ntz", "timestamp_ntz"},
        {"timestamp with local time zone", "timestamp"},
        {"timestamp without time zone", "timestamp_ntz"},
        {"void", "void"},
        {"interval", "interval"},
        {"interval year to month", "interval year to month"},
        {"interval month", "interval month"},
        {"INTERVAL DAY TO SECOND", "interval day to second"},
        {"interval hour to minute", "interval hour to minute"},
        {"array<array<int>>", "array<array<int>>"},
        {"map<string,array<int>>", "map<string,array<int>>"},
        {"struct<>", "struct<>"},
        {"struct<a int, b: struct<c:date>>", "struct<a:int,b:struct<c:date>>"},
        {" \n array /* of */ < -- elements\n int > ", "array<int>"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct type *type;
        struct diag diag = {0};
        if (type_parse(&arena, str_of(pairs[i][0]), &diag, &type) != OK)
            fail_msg("%s: %s", pairs[i][0], diag.message);
        assert_prints(pairs[i][1], type);
        assert_true(type_equal(type, type_copy(&arena, type)));
    }
}

static void test_schema(void **state)
{
    const struct type *type = ddl("\n id BIGINT NOT NULL COMMENT 'the \\'key\\'',\r\n"
                                  "\t`q ``x`: ARRAY<STRUCT<`a b`: DECIMAL(10,2), c: MAP<STRING,"
                                  " ARRAY<INT>>>>,\n struct int, NOT string not null ");
    assert_int_equal(4, type->field_count);
    assert_prints("struct<id:bigint,q `x:array<struct<a b:decimal(10,2),c:map<string,array<int>>>>,"
                  "struct:int,NOT:string>",
                  type);
    assert_true(type->fields[0].not_null);
    assert_str("the 'key'", type->fields[0].comment);
    assert_false(type->fields[1].not_null);
    assert_null(type->fields[1].comment.ptr);
    assert_true(type->fields[3].not_null);
    struct buf buf = {0};
    type_print_sql(type, &buf);
    assert_str("STRUCT<id: BIGINT NOT NULL, `q ``x`: ARRAY<STRUCT<`a b`: DECIMAL(10,2), c: "
               "MAP<STRING, ARRAY<INT>>>>, struct: INT, NOT: STRING NOT NULL>",
               buf_str(&buf));
    assert_true(type_equal(type, ddl((buf_char(&buf, ' '), buf_c_str(&buf)))));
    buf_deinit(&buf);
    assert_prints("struct<a:int>", ddl("struct<a:int>"));
    assert_prints("struct<struct:struct<a:int>>", ddl("struct struct<a int>"));
    assert_prints("struct<1a:int>", ddl("1a int"));
}

struct refusal {
    const char *text;
    enum err err;
    uint32_t line, column;
    const char *message; /* a part of it */
    const char *hint;    /* or NULL */
};

static void test_refusals(void **state)
{
    static const struct refusal refusals[] = {
        {"", ERR_SYNTAX, 1, 1, "no type", NULL},
        {" \n ", ERR_SYNTAX, 1, 1, "no type", NULL},
        {"a", ERR_SYNTAX, 1, 2, "a type is expected", NULL},
        {"a INT b long", ERR_SYNTAX, 1, 7, "','", NULL},
        {"a INT, b long, c int,", ERR_SYNTAX, 1, 22, "column name", NULL},
        {"a INT,, b long", ERR_SYNTAX, 1, 7, "column name", NULL},
        {"a INT,\n b strnig", ERR_SYNTAX, 2, 4, "strnig", "did you mean STRING?"},
        {"\xC3\xA4 intt", ERR_SYNTAX, 1, 3, "intt", "did you mean INT?"},
        {"a array<int", ERR_SYNTAX, 1, 12, "'>'", NULL},
        {"a array int", ERR_SYNTAX, 1, 9, "'<'", NULL},
        {"a map<int>", ERR_SYNTAX, 1, 10, "','", NULL},
        {"a decimal(39,2)", ERR_SYNTAX, 1, 11, "1 to 38", NULL},
        {"a decimal(3,4)", ERR_SYNTAX, 1, 11, "scale", NULL},
        {"a decimal(x)", ERR_SYNTAX, 1, 11, "number", NULL},
        {"a varchar", ERR_SYNTAX, 1, 10, "length", "STRING has no maximum length"},
        {"a int not", ERR_SYNTAX, 1, 10, "NULL", NULL},
        {"a int comment x", ERR_SYNTAX, 1, 15, "quotes", NULL},
        {"a int comment 'x", ERR_SYNTAX, 1, 15, "not closed", NULL},
        {"`a int", ERR_SYNTAX, 1, 1, "not closed", NULL},
        {"`` int", ERR_SYNTAX, 1, 1, "empty", NULL},
        {"a int /* x", ERR_SYNTAX, 1, 7, "not closed", NULL},
        {"a-b int", ERR_SYNTAX, 1, 2, "type",
         "put names with other characters than letters, digits and _ in back-ticks"},
        {"a interval month to year", ERR_SYNTAX, 1, 21, "smaller", NULL},
        {"a interval year to day", ERR_SYNTAX, 1, 20, "smaller", NULL},
        {"a time(6)", ERR_UNSUPPORTED, 1, 3, "time", NULL},
        {"a variant", ERR_UNSUPPORTED, 1, 3, "variant", NULL},
        {"a int)", ERR_SYNTAX, 1, 6, "','", NULL},
        {"struct<a:int> x", ERR_SYNTAX, 1, 15, "end", NULL},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        const struct type *type;
        struct diag diag = {0};
        assert_err(r->err, type_parse_ddl(&arena, str_of(r->text), &diag, &type));
        if (diag.line != r->line || diag.column != r->column || !strstr(diag.message, r->message))
            fail_msg("%s: %u:%u: %s", r->text, diag.line, diag.column, diag.message);
        if (strcmp(r->hint ? r->hint : "", diag.hint) != 0)
            fail_msg("%s: hint %s", r->text, diag.hint);
        assert_err(r->err, type_parse_ddl(&arena, str_of(r->text), NULL, &type));
    }
}

static void test_depth(void **state)
{
    struct buf buf = {0};
    const struct type *type;
    for (int depth = 99; depth <= 100; depth++) {
        struct diag diag = {0};
        buf_reset(&buf);
        for (int i = 0; i < depth; i++)
            buf_text(&buf, "array<");
        buf_text(&buf, "int");
        for (int i = 0; i < depth; i++)
            buf_char(&buf, '>');
        assert_err(depth == 99 ? OK : ERR_LIMIT, type_parse(&arena, buf_str(&buf), &diag, &type));
    }
    buf_deinit(&buf);
}

static void test_fields(void **state)
{
    const struct type *type = ddl("Name int, name string, other int");
    assert_int_equal(1, type_field(type, STR("name")));
    assert_int_equal(0, type_field(type, STR("NAME")));
    assert_int_equal(2, type_field(type, STR("OTHER")));
    assert_true(type_field(type, STR("x")) == SIZE_MAX);
    assert_false(type_equal(type, ddl("Name int, Name string, other int")));
    assert_false(type_equal(type, ddl("Name int, name string")));
    assert_true(type_equal(type, ddl("Name int not null, name varchar(3), other int comment 'x'")));
    assert_false(type_equal(ddl("a interval day"), ddl("a interval hour")));
    assert_int_equal(16, type_width(ddl("a decimal(3,2)")->fields[0].type));
    assert_int_equal(0, type_width(type));
    assert_true(type_is_nested(type));
    assert_false(type_is_nested(type_simple(TYPE_STRING)));
    const struct type *map = type_map(&arena, type_simple(TYPE_INT), type, true);
    assert_true(map->fields[0].not_null);
    assert_false(map->fields[1].not_null);
}

/* Spark's verdicts: one JSON object a line, whose "sql" has no escapes. */
static void test_oracle(void **state)
{
    static const char *const files[] = {"type", "schema"};
    char path[512], line[4096];
    if (!shared_dir())
        skip();
    size_t seen = 0;
    for (size_t f = 0; f < 2; f++) {
        snprintf(path, sizeof path, "%s/oracle/spark-parse/%s.jsonl", shared_dir(), files[f]);
        FILE *file = fopen(path, "r");
        if (!file)
            skip();
        for (; fgets(line, sizeof line, file); seen++) {
            char *sql = strstr(line, "\"sql\": \"") + 8;
            char *end = strstr(sql, "\", \"accepted\": ");
            assert_null(memchr(sql, '\\', (size_t)(end - sql)));
            bool accepted = strncmp(end + 15, "true", 4) == 0;
            const struct type *type;
            struct diag diag = {0};
            struct str text = str_from(sql, (size_t)(end - sql));
            enum err err = f ? type_parse_ddl(&arena, text, &diag, &type)
                             : type_parse(&arena, text, &diag, &type);
            if (accepted ? err != OK && err != ERR_UNSUPPORTED : err == OK)
                fail_msg("%.*s: %s", STR_ARG(text), diag.message);
        }
        fclose(file);
    }
    assert_true(seen >= 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_schema),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_oracle),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
