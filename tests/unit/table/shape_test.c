/* SPDX-License-Identifier: MIT */
/* Definitions: what is accepted, what a record of the catalogue looks like, values of all types. */
#include "random.h"
#include "table/shape.h"

static enum err check_type(enum type_kind kind, const char *declared, struct diag *diag)
{
    struct encoding encoding;
    return encoding_make(&test_arena, type_simple(kind), str_of(declared), diag, &encoding);
}

static void declared_names(void **state)
{
    struct diag diag = {0};
    assert_ok(check_type(TYPE_STRING, "uuid", NULL));
    assert_ok(check_type(TYPE_STRING, "TEXT", NULL));
    assert_ok(check_type(TYPE_INT, "bigint", NULL));
    assert_ok(check_type(TYPE_FLOAT, "double", NULL));
    assert_err(ERR_INVALID, check_type(TYPE_BIGINT, "int", &diag));
    assert_non_null(strstr(diag.message, "BIGINT"));
    assert_err(ERR_INVALID, check_type(TYPE_DOUBLE, "float", NULL));
    assert_err(ERR_INVALID, check_type(TYPE_INT, "uuid", NULL));
    diag = (struct diag){0};
    assert_ok(check_type(TYPE_BIGINT, "counter", NULL));
    assert_ok(check_type(TYPE_BIGINT, "time", NULL));
    assert_ok(check_type(TYPE_BINARY, "'org.example.Strange'", NULL));
    assert_err(ERR_INVALID, check_type(TYPE_BIGINT, "address", &diag));
    assert_non_null(strstr(diag.message, "address"));
}

static enum err make(const struct table_column *columns, size_t count, bool append_only)
{
    struct table_definition definition = {STR("k"), STR("t"), columns, count, append_only, 0};
    struct shape *shape = NULL;
    struct diag diag = {0};
    enum err err = shape_new(&definition, &diag, &shape);
    assert_int_equal(err, diag.err);
    shape_free(shape);
    return err;
}

static void refusals(void **state)
{
    const struct type *text = type_simple(TYPE_STRING);
    struct table_column columns[] = {
        {STR("a"), text, STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("b"), text, STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("b"), text, STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
    };
    assert_ok(make(columns, 2, false));
    assert_err(ERR_INVALID, make(columns, 3, false));     /* a name twice */
    assert_err(ERR_INVALID, make(columns, 2, true));      /* a key in an append-only table */
    assert_err(ERR_INVALID, make(columns + 1, 1, false)); /* no key */
    columns[1].role = TABLE_STATIC;
    assert_err(ERR_INVALID, make(columns, 2, false)); /* static without clustering */
    columns[0].role = TABLE_REGULAR;
    columns[1].role = TABLE_PARTITION_KEY;
    assert_err(ERR_INVALID, make(columns, 2, false)); /* the key not first */
    columns[0].name = STR_NONE;
    assert_err(ERR_INVALID, make(columns, 1, true)); /* no name */
}

/* The bytes are on disks: this record may never change. */
static void record(void **state)
{
    struct table_column columns[] = {
        {STR("id"), type_simple(TYPE_STRING), STR("uuid"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("n"), type_decimal(&test_arena, 10, 2), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("l"), ddl("x ARRAY<INT>")->fields[0].type, STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("ks"), STR("t"), columns, 3, false, 60};
    struct shape *shape, *read;
    struct buf bytes = {0}, again = {0};
    assert_ok(shape_new(&definition, NULL, &shape));
    shape_encode(shape, &bytes);
    static const uint8_t want[] = "\3\0\x78\2ks\1t\3\3"
                                  "\2id\4uuid\1\0\0\x9\0\0\0"
                                  "\1n\0\0\0\1\x8\xA\2\0"
                                  "\1l\0\0\0\2\x11\0\0\1";
    assert_memory_equal(want, bytes.ptr, sizeof want - 1);
    /* What stores of before have. */
    static const uint8_t old[] = "\1\0\x78\2ks\1t\3"
                                 "\2id\4uuid\1\0\x9\0\0\0"
                                 "\1n\0\0\1\x8\xA\2\0"
                                 "\1l\0\0\2\x11\0\0\1"
                                 "\7element\0\4\0\0\0";
    assert_ok(shape_decode(str_from(old, sizeof old - 1), &read));
    assert_true(type_equal(shape->schema, read->schema));
    assert_true(read->from_version_1 && read->narrow_decimals && read->all_fields);
    shape_free(read);
    assert_ok(shape_decode(buf_str(&bytes), &read));
    shape_encode(read, &again);
    assert_true(str_equal(buf_str(&bytes), buf_str(&again)));
    assert_true(type_equal(shape->schema, read->schema));
    assert_int_equal(3, read->id_limit);
    assert_false(read->all_fields);
    shape_free(read);
    /* Cut anywhere or with a bit changed: an error or some other shape, no crash. */
    struct prng prng = {3};
    for (int round = 0; round < 3000; round++) {
        size_t count = prng_below(&prng, 2) ? bytes.bytes : (size_t)prng_below(&prng, bytes.bytes);
        char *copy = mem_alloc(count + 1);
        memcpy(copy, bytes.ptr, count);
        if (count)
            copy[prng_below(&prng, count)] ^= (char)(1 << prng_below(&prng, 8));
        read = NULL;
        if (!shape_decode(str_from(copy, count), &read))
            shape_free(read);
        mem_free(copy);
    }
    shape_free(shape);
    buf_deinit(&bytes);
    buf_deinit(&again);
}

/* A table with one column of every type gives back what was put in. */
static void all_types(void **state)
{
    const struct type *schema =
        ddl("a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(20,3),"
            "i STRING, j BINARY, k DATE, l TIMESTAMP, m TIMESTAMP_NTZ, n INTERVAL MONTH,"
            "o INTERVAL DAY, q ARRAY<STRUCT<a: STRING, b: ARRAY<BIGINT>>>, r MAP<STRING, DOUBLE>,"
            "s STRUCT<x: INT, y: STRUCT<z: DECIMAL(5,1), w: BOOLEAN>>");
    enum { ROWS = 200 };
    struct stores stores;
    stores_init(&stores);
    struct prng prng = {11};
    struct table_column columns[20];
    struct column *values[20];
    struct table_place places[ROWS];
    uint32_t count = schema->field_count;
    for (uint32_t i = 0; i < count; i++) {
        columns[i] = (struct table_column){schema->fields[i].name, schema->fields[i].type, STR_NONE,
                                           TABLE_REGULAR, TABLE_ONE_CELL};
        values[i] = random_column(schema->fields[i].type, ROWS, &prng);
    }
    for (int i = 0; i < ROWS; i++)
        places[i] = (struct table_place){0, i, 0};
    struct batch *rows = batch_new(schema, ROWS, values), *read;
    for (int i = 0; i < 2; i++) {
        struct table_definition definition = {STR("k"), STR("t"), columns, count, true, 0};
        struct table *table;
        assert_ok(table_create(stores.store[i], &definition, NULL, &table));
        struct table_batch *batch = table_batch_new(stores.store[i]);
        struct table_write write = {.timestamp_us = 1};
        assert_ok(table_batch_append(batch, table, rows, 0, ROWS, places, &write, NULL, NULL));
        commit(stores.store[i], batch);
        table_batch_free(batch);
        struct table_scan *scan;
        assert_ok(table_scan_open(table, NULL, &scan));
        assert_ok(table_scan_next(scan, ROWS, &read));
        assert_int_equal(ROWS, read->rows);
        for (uint32_t at = 0; at < count; at++)
            for (uint32_t row = 0; row < ROWS; row++)
                assert_true(column_value_equal(rows->columns[at], row, read->columns[at], row));
        batch_unref(read);
        table_scan_close(scan);
    }
    batch_unref(rows);
    stores_deinit(&stores);
}

/* What a declared name does to a value. */
static void declared_values(void **state)
{
    struct table_column columns[] = {
        {STR("k"), type_simple(TYPE_INT), STR("bigint"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("at"), type_simple(TYPE_TIMESTAMP_NTZ), STR("timestamp"), TABLE_REGULAR,
         TABLE_ONE_CELL},
        {STR("ip"), type_simple(TYPE_STRING), STR("inet"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("id"), type_simple(TYPE_STRING), STR("timeuuid"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("word"), type_simple(TYPE_STRING), STR("ascii"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("big"), type_simple(TYPE_BIGINT), STR("varint"), TABLE_REGULAR, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("k"), STR("t"), columns, 6, false, 0};
    struct stores stores;
    stores_init(&stores);
    for (int i = 0; i < 2; i++) {
        struct table *table;
        assert_ok(table_create(stores.store[i], &definition, NULL, &table));
        struct table_write write = {.timestamp_us = 1};
        const char *cells[] = {
            "-7",  "-1",  "2001:DB8:0:0:0:0:0:1", "E23F1E02-7D1B-11EE-B962-0242AC120002",
            "abc", "-129"};
        struct batch *rows = batch_of(table_schema(table), 1, cells);
        upsert(table, stores.store[i], rows, &write);
        batch_unref(rows);
        assert_scan(table, NULL,
                    "-7|1969-12-31 23:59:59.999|2001:db8::1|"
                    "e23f1e02-7d1b-11ee-b962-0242ac120002|abc|-129\n");
        const char *bad[] = {NULL, NULL, "no address", "550e8400-e29b-41d4-a716-446655440000",
                             "\xC3\xA9"};
        for (size_t at = 2; at < 5; at++) {
            const char *good = cells[at];
            cells[at] = bad[at];
            rows = batch_of(table_schema(table), 1, cells);
            struct table_batch *batch = table_batch_new(stores.store[i]);
            uint32_t row = 9;
            assert_err(ERR_INVALID,
                       table_batch_upsert(batch, table, rows, 0, 1, &write, &row, NULL));
            assert_int_equal(0, row);
            table_batch_free(batch);
            batch_unref(rows);
            cells[at] = good;
        }
    }
    stores_deinit(&stores);
}

static void read_only(void **state)
{
    struct stores stores;
    stores_init(&stores);
    struct table_column column = {STR("a"), type_simple(TYPE_INT), STR_NONE, TABLE_PARTITION_KEY,
                                  TABLE_ONE_CELL};
    struct table_definition definition = {STR("k"), STR("t"), &column, 1, false, 0};
    struct table *table;
    assert_ok(table_create(stores.store[0], &definition, NULL, &table));
    struct batch *rows = batch_of(table_schema(table), 1, (const char *[]){"5"});
    upsert(table, stores.store[0], rows, &(struct table_write){.timestamp_us = 1});
    char copy[96];
    snprintf(copy, sizeof copy, "%s-copy", stores.dir);
    assert_ok(table_checkpoint(stores.store[0], copy));
    assert_err(ERR_EXISTS, table_checkpoint(stores.store[0], copy));
    struct table_store *store;
    struct diag diag = {0};
    struct table_store_options options = {.read_only = true};
    if (table_store_open(stores.io, copy, &options, &diag, &store))
        fail_msg("%s", diag.message);
    table = table_find(store, STR("k"), STR("t"));
    assert_scan(table, NULL, "5\n");
    struct table_batch *batch = table_batch_new(store);
    assert_ok(table_batch_upsert(batch, table, rows, 0, 1, &(struct table_write){0}, NULL, NULL));
    assert_err(ERR_DENIED, table_commit(store, batch, true));
    table_batch_free(batch);
    table_store_close(store);
    batch_unref(rows);
    assert_ok(io_path_remove_tree(stores.io, copy));
    stores_deinit(&stores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_names),  cmocka_unit_test(refusals),
        cmocka_unit_test(record),          cmocka_unit_test(all_types),
        cmocka_unit_test(declared_values), cmocka_unit_test(read_only),
    };
    arena_init(&test_arena, SIZE_MAX);
    int failed = RUN_TESTS(tests);
    arena_deinit(&test_arena);
    return failed;
}
