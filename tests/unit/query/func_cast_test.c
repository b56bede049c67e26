/* SPDX-License-Identifier: MIT */
/* Casts: "cast" is called by its target in the first argument's place. */
#include "base/zone.h"
#include "func_cases.h"
#include "query/cast_text.h"
#include "test.h"

struct cast_case {
    const char *from, *text, *to, *want; /* want as in func_cases.h */
};

static const struct cast_case ansi[] = {
    {"STRING", " 12 ", "INT", "12"},
    {"STRING", "1.5", "INT", "!CAST_INVALID_INPUT"},
    {"STRING", "2147483648", "INT", "!CAST_INVALID_INPUT"},
    {"STRING", "-128", "TINYINT", "-128"},
    {"STRING", "", "BIGINT", "!CAST_INVALID_INPUT"},
    {"STRING", "-9223372036854775808", "BIGINT", "-9223372036854775808"},
    {"STRING", "1e3", "DOUBLE", "1000.0"},
    {"STRING", "1.5f", "DOUBLE", "1.5"},
    {"STRING", " -Infinity ", "DOUBLE", "-Infinity"},
    {"STRING", "0x10", "DOUBLE", "!CAST_INVALID_INPUT"},
    {"STRING", "1e400", "DOUBLE", "Infinity"},
    {"STRING", "yes", "BOOLEAN", "true"},
    {"STRING", "maybe", "BOOLEAN", "!CAST_INVALID_INPUT"},
    {"STRING", "1.235", "DECIMAL(5,2)", "1.24"},
    {"STRING", "1234.5", "DECIMAL(5,2)", "!NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION"},
    {"STRING", "x", "DECIMAL(5,2)", "!CAST_INVALID_INPUT"},
    {"STRING", "2024-2-9", "DATE", "2024-02-09"},
    {"STRING", "2024-02-30", "DATE", "!CAST_INVALID_INPUT"},
    {"STRING", "2024-01-01T12:00:00+02:00", "TIMESTAMP", "2024-01-01 10:00:00"},
    {"INT", "300", "TINYINT", "!CAST_OVERFLOW"},
    {"DOUBLE", "1.9", "INT", "1"},
    {"DOUBLE", "NaN", "INT", "!CAST_OVERFLOW"},
    {"DOUBLE", "1e10", "INT", "!CAST_OVERFLOW"},
    {"DOUBLE", "1.15", "DECIMAL(3,1)", "1.2"},
    {"DECIMAL(10,2)", "1234.56", "DECIMAL(5,1)", "1234.6"},
    {"DECIMAL(10,2)", "12345.6", "DECIMAL(4,1)", "!NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION"},
    {"DECIMAL(10,2)", "-1.99", "INT", "-1"},
    {"DECIMAL(20,2)", "123456789012345678.90", "DOUBLE", "1.2345678901234568E17"},
    {"BIGINT", "1700000000", "TIMESTAMP", "2023-11-14 22:13:20"},
    {"TIMESTAMP", "2023-11-14 22:13:20.9", "BIGINT", "1700000000"},
    {"TIMESTAMP", "2023-11-14 22:13:20", "DATE", "2023-11-14"},
    {"DATE", "2024-01-01", "TIMESTAMP_NTZ", "2024-01-01 00:00:00"},
    {"BOOLEAN", "true", "INT", "1"},
    {"INT", "5", "BOOLEAN", "true"},
    {"DOUBLE", "1e7", "STRING", "1.0E7"},
    {"STRING", "1-2", "INTERVAL YEAR TO MONTH", "INTERVAL '1-2' YEAR TO MONTH"},
    {"STRING", "1 02:03:04.5", "INTERVAL DAY TO SECOND", "INTERVAL '1 02:03:04.5' DAY TO SECOND"},
    {"INT", "1", "DATE", "!DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION"},
    {"INT", "1", "BINARY", "!DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION"},
    {"BOOLEAN", "true", "DATE", "!DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION"},
};

static const struct cast_case legacy[] = {
    {"STRING", "1.5", "INT", "1"},      {"STRING", "x", "INT", "NULL"},
    {"INT", "300", "TINYINT", "44"},    {"DOUBLE", "1e10", "INT", "2147483647"},
    {"DOUBLE", "NaN", "BIGINT", "0"},   {"STRING", "1234.5", "DECIMAL(5,2)", "NULL"},
    {"BOOLEAN", "true", "BIGINT", "1"},
};

static struct diag failed;
static size_t wrong;

static void on_failed(struct eval *eval, uint32_t row, const struct diag *diag)
{
    failed = *diag;
}

static struct column *cast_text(struct eval *eval, struct arena *arena, const char *type_name,
                                const char *text)
{
    const struct type *type;
    struct diag diag = {0};
    struct column *column, *cast;
    assert_ok(type_parse(arena, str_of(type_name), &diag, &type));
    struct builder *b = builder_new(type_simple(TYPE_STRING), 1, 0);
    builder_str(b, str_of(text));
    assert_ok(builder_finish(b, &column));
    builder_free(b);
    assert_ok(cast_eval(eval, column, type, false, &cast));
    column_unref(column);
    return cast;
}

static void run(struct eval *eval, struct arena *arena, const struct cast_case *c)
{
    struct column *from = cast_text(eval, arena, c->from, c->text), *to;
    const struct type *type;
    struct diag diag = {0};
    struct buf have = {0};
    failed = (struct diag){0};
    assert_ok(type_parse(arena, str_of(c->to), &diag, &type));
    if (cast_check(from->type, type, eval->session, false, &diag) != OK) {
        assert_string_equal(c->want + 1, diag.error_class);
        column_unref(from);
        return;
    }
    assert_ok(cast_eval(eval, from, type, false, &to));
    column_check(to);
    assert_true(type_equal(to->type, type));
    if (failed.err)
        buf_printf(&have, "!%s", failed.error_class);
    else if (column_is_null(to, 0))
        buf_text(&have, "NULL");
    else
        text_of_value(to, 0, zone_utc(), &have);
    bool equal = str_equal(buf_str(&have), str_of(c->want));
    wrong += !equal;
    if (!equal)
        print_error("# CAST(%s '%s' AS %s): want '%s', have '%.*s'\n", c->from, c->text, c->to,
                    c->want, STR_ARG(buf_str(&have)));
    column_unref(to);
    if (*c->want == '!') { /* try_cast of the same gives NULL and no error */
        failed = (struct diag){0};
        assert_ok(cast_eval(eval, from, type, true, &to));
        assert_true(column_is_null(to, 0) && !failed.err);
        column_unref(to);
    }
    column_unref(from);
    buf_deinit(&have);
}

static void run_all(const struct cast_case *cases, size_t count, bool is_ansi)
{
    struct query_session session = {.ansi = is_ansi};
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct eval eval = {.session = &session, .scratch = &arena, .failed = on_failed};
    for (size_t i = 0; i < count; i++)
        run(&eval, &arena, &cases[i]);
    arena_deinit(&arena);
    assert_int_equal(wrong, 0);
}

static void under_ansi(void **state)
{
    run_all(ansi, sizeof ansi / sizeof *ansi, true);
}

static void without_ansi(void **state)
{
    run_all(legacy, sizeof legacy / sizeof *legacy, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(under_ansi),
                                       cmocka_unit_test(without_ansi)};
    return RUN_TESTS(tests);
}
