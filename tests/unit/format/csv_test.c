/* SPDX-License-Identifier: MIT */
/* CSV records to rows: tokens, values of every type, corrupt records, and recorded trips. */
#include "test.h"

#include "format/csv.h"

struct decoded {
    struct arena arena;
    struct batch *batch;
    uint8_t outcomes[64];
    struct json_fault faults[64];
    size_t fault_count;
    struct buf text;
};

static void decode(struct decoded *d, const char *schema, const char *wanted,
                   const struct str *values, size_t count)
{
    const struct type *type, *wanted_type = NULL;
    struct csv_decoder *decoder;
    *d = (struct decoded){0};
    arena_init(&d->arena, 1 << 20);
    assert_ok(type_parse_ddl(&d->arena, str_of(schema), NULL, &type));
    if (wanted)
        assert_ok(type_parse_ddl(&d->arena, str_of(wanted), NULL, &wanted_type));
    assert_ok(csv_decoder_new(type, wanted_type, NULL, &decoder));
    assert_ok(
        csv_decode(decoder, values, count, &d->batch, d->outcomes, d->faults, 64, &d->fault_count));
    csv_decoder_free(decoder);
    assert_int_equal(count, d->batch->rows);
    for (uint32_t i = 0; i < d->batch->column_count; i++)
        column_check(d->batch->columns[i]);
}

static struct str row_text(struct decoded *d, size_t row)
{
    buf_reset(&d->text);
    for (uint32_t i = 0; i < d->batch->column_count; i++) {
        if (i)
            buf_char(&d->text, '|');
        text_of_value(d->batch->columns[i], row, zone_utc(), &d->text);
    }
    return buf_str(&d->text);
}

static void clean(struct decoded *d)
{
    batch_unref(d->batch);
    buf_deinit(&d->text);
    arena_deinit(&d->arena);
}

/* One record of the schema: its outcome, and its row. */
static void assert_row(const char *schema, const char *record, enum json_outcome outcome,
                       const char *want)
{
    struct decoded d;
    struct str value = str_of(record);
    decode(&d, schema, NULL, &value, 1);
    if (d.outcomes[0] != outcome)
        fail_msg("%s: outcome %d %s", record, d.outcomes[0], d.faults[0].message);
    assert_str(want, row_text(&d, 0));
    assert_int_equal(outcome == JSON_CORRUPT, d.fault_count);
    clean(&d);
}

static void test_tokens(void **state)
{
    const char *three = "a string, b string, c string";
    assert_row(three, "x,y,z", JSON_FITS, "x|y|z");
    assert_row(three, " x , y,z ", JSON_FITS, " x | y|z ");
    assert_row(three, ",,", JSON_FITS, "null|null|null");
    assert_row(three, "\"\",x,\"\"", JSON_FITS, "null|x|null");
    assert_row(three, "\"a,b\",\"c\nd\",e", JSON_FITS, "a,b|c\nd|e");
    assert_row(three, "\"a\\\"b\",\"c\\\\\",\"\\d\"", JSON_FITS, "a\"b|c\\|\\d");
    assert_row(three, "\"a\" ,\"b\"\t,\"c\"", JSON_FITS, "a|b|c");
    assert_row(three, "a\"b,c\\,d", JSON_FITS, "a\"b|c\\|d");
    assert_row(three, "\"a\"b,c,d", JSON_FITS, "\"a\"b|c|d");
    assert_row(three, "\"a\"\"b\",c,d", JSON_FITS, "\"a\"\"b\"|c|d");
    assert_row(three, "x,y,z\nmore,of,it", JSON_FITS, "x|y|z");
    assert_row(three, "\n\nx,y,z\n", JSON_FITS, "x|y|z");
    assert_row(three, "x,y,\"z", JSON_FITS, "x|y|z");
    assert_row(three, "x,y,\xC3\xA4\xFF", JSON_FITS, "x|y|\xC3\xA4\xEF\xBF\xBD");
}

static void test_values(void **state)
{
    assert_row("a tinyint, b smallint, c int, d bigint", "-128,32767,+5,-9223372036854775808",
               JSON_FITS, "-128|32767|5|-9223372036854775808");
    assert_row("a int, f float", "1, 3.14", JSON_FITS, "1|3.14");
    assert_row("a double, b double, c double, d double", "1e400,NaN,-Inf,1.5d", JSON_FITS,
               "Infinity|NaN|-Infinity|1.5");
    assert_row("a double, b double, c double", ".5,5.,-1E-3", JSON_FITS, "0.5|5.0|-0.001");
    assert_row("a boolean, b boolean", "TRUE,false", JSON_FITS, "true|false");
    assert_row("a decimal(5,2), b decimal(5,2)", "1.005,-12e1", JSON_FITS, "1.01|-120.00");
    assert_row("a date, b timestamp, c timestamp_ntz",
               "2024-2-9,2024-02-09T01:02:03.5+01:00,2024-02-09 1:2:3", JSON_FITS,
               "2024-02-09|2024-02-09 00:02:03.5|2024-02-09 01:02:03");
    assert_row("a binary", "x\xFF", JSON_FITS, "x\xFF");
    static const char *const bad[][2] = {
        {"a int, b int", " 1 ,"},         {"a int, b int", "1.0,"},
        {"a int, b int", "2147483648,"},  {"a tinyint, b int", "128,"},
        {"a double, b int", "1e,"},       {"a double, b int", "0x10,"},
        {"a double, b int", "x,"},        {"a float, b int", ".,"},
        {"a boolean, b int", "1,"},       {"a decimal(3,2), b int", "10,"},
        {"a decimal(3,2), b int", "1 ,"}, {"a date, b int", "x,"},
        {"a timestamp, b int", "12:30,"}, {"a timestamp_ntz, b int", "2024-02-09T01:02:03Z,"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_row(bad[i][0], bad[i][1], JSON_CORRUPT, "null|null");
}

static void test_corrupt(void **state)
{
    struct decoded d;
    struct str values[] = {STR("1,2"), STR("garbage,2"), STR("1,2,3"), STR("1"),
                           STR(""),    STR("\n\n"),      STR_NONE,     STR("7,8")};
    decode(&d, "a INT, _corrupt_record STRING, b INT", NULL, values, 8);
    static const char *const rows[] = {"1|null|2",       "null|garbage,2|2", "1|1,2,3|2",
                                       "1|1|null",       "null|null|null",   "null|null|null",
                                       "null|null|null", "7|null|8"};
    static const uint8_t outcomes[] = {JSON_FITS, JSON_CORRUPT, JSON_CORRUPT, JSON_CORRUPT,
                                       JSON_FITS, JSON_FITS,    JSON_NULL,    JSON_FITS};
    for (size_t i = 0; i < 8; i++) {
        assert_str(rows[i], row_text(&d, i));
        assert_int_equal(outcomes[i], d.outcomes[i]);
    }
    assert_int_equal(3, d.fault_count);
    assert_int_equal(1, d.faults[0].row);
    assert_int_equal(0, d.faults[0].byte);
    assert_string_equal("field a: an integer of the type was expected", d.faults[0].message);
    assert_int_equal(4, d.faults[1].byte);
    clean(&d);
}

static void test_wanted(void **state)
{
    struct decoded d;
    struct str values[] = {STR("1,x,2.5"), STR("bad,y,3.5")};
    decode(&d, "a INT, b STRING, c DOUBLE", "c DOUBLE, b STRING", values, 2);
    assert_str("2.5|x", row_text(&d, 0));
    assert_str("3.5|y", row_text(&d, 1));
    /* A field that nobody wants spoils the record all the same. */
    assert_int_equal(JSON_CORRUPT, d.outcomes[1]);
    clean(&d);
}

static void test_refused(void **state)
{
    struct arena arena;
    const struct type *type, *other;
    struct csv_decoder *decoder;
    arena_init(&arena, 1 << 20);
    assert_ok(type_parse_ddl(&arena, STR("a ARRAY<INT>"), NULL, &type));
    assert_err(ERR_UNSUPPORTED, csv_decoder_new(type, NULL, NULL, &decoder));
    assert_ok(type_parse_ddl(&arena, STR("a INT"), NULL, &type));
    assert_ok(type_parse_ddl(&arena, STR("a STRING"), NULL, &other));
    assert_err(ERR_INVALID, csv_decoder_new(type, other, NULL, &decoder));
    assert_ok(type_parse_ddl(&arena, STR("b INT"), NULL, &other));
    assert_err(ERR_INVALID, csv_decoder_new(type, other, NULL, &decoder));
    arena_deinit(&arena);
}

/* The recorded trips: all fit but the two records that Spark refused. */
static void test_trips(void **state)
{
    static const char *const schema =
        "vendor_id INT, pickup TIMESTAMP, dropoff TIMESTAMP, passengers INT, distance DOUBLE,"
        "rate_code INT, flag STRING, pu INT, do INT, payment INT, fare DECIMAL(10,2),"
        "extra DECIMAL(10,2), mta_tax DECIMAL(10,2), tip DECIMAL(10,2), tolls DECIMAL(10,2),"
        "surcharge DECIMAL(10,2), total DECIMAL(10,2), congestion DECIMAL(10,2)";
    char path[512], line[4096];
    size_t rows = 0, corrupt = 0;
    if (!shared_dir())
        skip();
    for (int file = 0; file < 3; file++) {
        snprintf(path, sizeof path, "%s/oracle/pipelines/taxi_csv/input/trips/%03d.csv",
                 shared_dir(), file);
        FILE *stream = fopen(path, "r");
        if (!stream)
            skip();
        for (size_t number = 0; fgets(line, sizeof line, stream); number++) {
            struct str value = str_trim(str_of(line));
            struct decoded d;
            decode(&d, schema, NULL, &value, 1);
            bool refused = file == 0 && (number == 5 || number == 50);
            if (d.outcomes[0] != (refused ? JSON_CORRUPT : JSON_FITS))
                fail_msg("%d:%zu: %s: %s", file, number, line, d.faults[0].message);
            corrupt += d.fault_count;
            rows++;
            clean(&d);
        }
        fclose(stream);
    }
    assert_int_equal(2, corrupt);
    assert_true(rows > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),  cmocka_unit_test(test_values),
        cmocka_unit_test(test_corrupt), cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_trips),
    };
    return RUN_TESTS(tests);
}
