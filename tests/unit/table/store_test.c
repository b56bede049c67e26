/* SPDX-License-Identifier: MIT */
/* Tables from end to end, the same on both backends: create, write, read, state. */
#include "rows.h"

#define UUID1 "550e8400-e29b-41d4-a716-446655440000"
#define UUID2 "550e8400-e29b-41d4-a716-446655440001"
#define UUID3 "123e4567-e89b-12d3-a456-426614174000"

static struct table *create(struct table_store *store, const char *name,
                            const struct table_column *columns, size_t count, bool append_only)
{
    struct table_definition definition = {
        .keyspace = STR("ks"),
        .name = str_of(name),
        .columns = columns,
        .column_count = count,
        .append_only = append_only,
    };
    struct table *table = NULL;
    struct diag diag = {0};
    if (table_create(store, &definition, &diag, &table))
        fail_msg("%s %s", diag.message, diag.hint);
    return table;
}

static struct table *users(struct table_store *store)
{
    struct table_column columns[] = {
        {STR("id"), type_simple(TYPE_STRING), STR("uuid"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("name"), type_simple(TYPE_STRING), STR("text"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("age"), type_simple(TYPE_INT), STR("bigint"), TABLE_REGULAR, TABLE_ONE_CELL},
    };
    return create(store, "users", columns, 3, false);
}

static struct table *events(struct table_store *store)
{
    struct table_column columns[] = {
        {STR("device"), type_simple(TYPE_STRING), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("at"), type_simple(TYPE_INT), STR_NONE, TABLE_CLUSTERING_DESC, TABLE_ONE_CELL},
        {STR("owner"), type_simple(TYPE_STRING), STR_NONE, TABLE_STATIC, TABLE_ONE_CELL},
        {STR("value"), type_simple(TYPE_DOUBLE), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
    };
    return create(store, "events", columns, 4, false);
}

static void upsert_and_scan(void **state)
{
    struct stores stores;
    stores_init(&stores);
    const struct type *schema = ddl("id STRING, name STRING, age INT");
    const struct type *part = ddl("id STRING, age INT");
    for (int i = 0; i < 2; i++) {
        struct table *table = users(stores.store[i]);
        struct batch *rows = batch_of(
            schema, 3,
            (const char *[]){UUID1, "ann", "1", UUID2, "bob", NULL, UUID3, "\xC3\xA9", "-5"});
        struct table_write write = {.timestamp_us = 100};
        upsert(table, stores.store[i], rows, &write);
        batch_unref(rows);
        assert_scan(table, NULL, UUID2 "|bob|null\n" UUID3 "|\xC3\xA9|-5\n" UUID1 "|ann|1\n");
        /* A part of the columns, newer and older. */
        rows = batch_of(part, 2, (const char *[]){UUID1, "2", UUID2, "7"});
        write.timestamp_us = 101;
        upsert(table, stores.store[i], rows, &write);
        write.timestamp_us = 99;
        upsert(table, stores.store[i], rows, &write);
        batch_unref(rows);
        assert_scan(table, NULL, UUID2 "|bob|7\n" UUID3 "|\xC3\xA9|-5\n" UUID1 "|ann|2\n");
        assert_scan(table, &(struct table_scan_options){.wanted = ddl("age INT"), .reverse = true},
                    "2\n-5\n7\n");
        /* A null deletes, or is left out. */
        rows = batch_of(part, 2, (const char *[]){UUID1, NULL, UUID3, NULL});
        write = (struct table_write){.timestamp_us = 102, .nulls_are_unset = true};
        upsert(table, stores.store[i], rows, &write);
        assert_scan(table, NULL, UUID2 "|bob|7\n" UUID3 "|\xC3\xA9|-5\n" UUID1 "|ann|2\n");
        write.nulls_are_unset = false;
        upsert(table, stores.store[i], rows, &write);
        batch_unref(rows);
        assert_scan(table, NULL, UUID2 "|bob|7\n" UUID3 "|\xC3\xA9|null\n" UUID1 "|ann|null\n");
    }
    stores_deinit(&stores);
}

static void refuses_bad_rows(void **state)
{
    struct stores stores;
    stores_init(&stores);
    const struct type *schema = ddl("id STRING, name STRING, age INT");
    for (int i = 0; i < 2; i++) {
        struct table *table = users(stores.store[i]);
        struct table_batch *batch = table_batch_new(stores.store[i]);
        struct batch *rows =
            batch_of(schema, 2, (const char *[]){UUID1, "a", "1", "no uuid", "b", "2"});
        struct table_write write = {.timestamp_us = 1};
        uint32_t bad = 0;
        struct diag diag = {0};
        assert_err(ERR_INVALID, table_batch_upsert(batch, table, rows, 0, 2, &write, &bad, &diag));
        assert_int_equal(1, bad);
        assert_non_null(strstr(diag.message, "column id"));
        assert_int_equal(0, table_batch_bytes(batch));
        assert_ok(table_batch_upsert(batch, table, rows, 0, 1, &write, &bad, NULL));
        batch_unref(rows);
        rows = batch_of(schema, 1, (const char *[]){NULL, "a", "1"});
        assert_err(ERR_INVALID, table_batch_upsert(batch, table, rows, 0, 1, &write, &bad, NULL));
        assert_int_equal(0, bad);
        batch_unref(rows);
        rows = batch_of(ddl("id STRING, age STRING"), 1, (const char *[]){UUID1, "1"});
        assert_err(ERR_INVALID, table_batch_upsert(batch, table, rows, 0, 1, &write, &bad, NULL));
        assert_int_equal(UINT32_MAX, bad);
        batch_unref(rows);
        commit(stores.store[i], batch);
        table_batch_free(batch);
        assert_scan(table, NULL, UUID1 "|a|1\n");
    }
    stores_deinit(&stores);
}

static void clustering_and_statics(void **state)
{
    struct stores stores;
    stores_init(&stores);
    const struct type *schema = ddl("device STRING, at INT, owner STRING, value DOUBLE");
    for (int i = 0; i < 2; i++) {
        struct table *table = events(stores.store[i]);
        struct table_write write = {.timestamp_us = 10, .nulls_are_unset = true};
        struct batch *rows =
            batch_of(schema, 5, (const char *[]){"a",   "-1",  "zoe", "1.5", "a",  "300", NULL,
                                                 "2.5", "b",   "7",   NULL,  NULL, "a",   "2",
                                                 NULL,  "3.5", "b",   "8",   NULL, "0.5"});
        upsert(table, stores.store[i], rows, &write);
        batch_unref(rows);
        const char *forward = "a|300|zoe|2.5\na|2|zoe|3.5\na|-1|zoe|1.5\n"
                              "b|8|null|0.5\nb|7|null|null\n";
        assert_scan(table, NULL, forward);
        assert_scan(table, &(struct table_scan_options){.reverse = true},
                    "b|7|null|null\nb|8|null|0.5\n"
                    "a|-1|zoe|1.5\na|2|zoe|3.5\na|300|zoe|2.5\n");
        struct batch *key = batch_of(ddl("device STRING"), 1, (const char *[]){"b"});
        assert_scan(table, &(struct table_scan_options){.partition = key, .wanted = ddl("at INT")},
                    "8\n7\n");
        batch_unref(key);
        key = batch_of(ddl("device STRING, at INT"), 1, (const char *[]){"a", "2"});
        struct batch *row;
        struct buf out = {0};
        assert_ok(table_get(table, key, NULL, &row));
        print_batch(row, &out);
        assert_str("a|2|zoe|3.5\n", buf_str(&out));
        batch_unref(row);
        buf_deinit(&out);
        /* One row goes, at its timestamp and not before. */
        struct table_batch *batch = table_batch_new(stores.store[i]);
        assert_ok(table_batch_delete(batch, table, key, 0, 1, 9));
        commit(stores.store[i], batch);
        assert_scan(table, NULL, forward);
        assert_ok(table_batch_delete(batch, table, key, 0, 1, 10));
        commit(stores.store[i], batch);
        assert_err(ERR_NOT_FOUND, table_get(table, key, NULL, &row));
        batch_unref(key);
        assert_scan(table, NULL, "a|300|zoe|2.5\na|-1|zoe|1.5\nb|8|null|0.5\nb|7|null|null\n");
        /* Then the rows of a partition but for a newer one. */
        rows = batch_of(ddl("device STRING, at INT"), 1, (const char *[]){"a", "50"});
        upsert(table, stores.store[i], rows, &(struct table_write){.timestamp_us = 20});
        batch_unref(rows);
        key = batch_of(ddl("device STRING"), 2, (const char *[]){"a", "b"});
        assert_ok(table_batch_delete(batch, table, key, 0, 1, 15));
        commit(stores.store[i], batch);
        table_batch_free(batch);
        batch_unref(key);
        for (int pass = 0; pass < 2; pass++) {
            assert_scan(table, NULL, "a|50|null|null\nb|8|null|0.5\nb|7|null|null\n");
            assert_scan(table, &(struct table_scan_options){.reverse = true},
                        "b|7|null|null\nb|8|null|0.5\na|50|null|null\n");
            assert_ok(table_compact(stores.store[i]));
        }
    }
    stores_deinit(&stores);
}

static void statics_without_rows(void **state)
{
    struct stores stores;
    stores_init(&stores);
    for (int i = 0; i < 2; i++) {
        struct table *table = events(stores.store[i]);
        struct batch *rows = batch_of(ddl("device STRING, at INT, owner STRING"), 2,
                                      (const char *[]){"a", "1", "zoe", "b", "2", "ann"});
        upsert(table, stores.store[i], rows, &(struct table_write){.timestamp_us = 5});
        batch_unref(rows);
        struct batch *key =
            batch_of(ddl("device STRING, at INT"), 2, (const char *[]){"a", "1", "b", "2"});
        struct table_batch *batch = table_batch_new(stores.store[i]);
        assert_ok(table_batch_delete(batch, table, key, 0, 2, 6));
        commit(stores.store[i], batch);
        table_batch_free(batch);
        batch_unref(key);
        assert_scan(table, NULL, "a|null|zoe|null\nb|null|ann|null\n");
        assert_scan(table, &(struct table_scan_options){.reverse = true},
                    "b|null|ann|null\na|null|zoe|null\n");
    }
    stores_deinit(&stores);
}

static void append_only(void **state)
{
    struct stores stores;
    stores_init(&stores);
    struct table_column columns[] = {
        {STR("text"), type_simple(TYPE_STRING), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("n"), type_simple(TYPE_BIGINT), STR_NONE, TABLE_REGULAR, TABLE_ONE_CELL},
    };
    for (int i = 0; i < 2; i++) {
        struct table *table = create(stores.store[i], "lines", columns, 2, true);
        struct batch *rows = batch_of(table_schema(table), 4,
                                      (const char *[]){"c", "3", NULL, NULL, "a", "1", "b", NULL});
        struct table_place places[] = {{1, 5, 0}, {1, 5, 1}, {0, 700, 0}, {0, 701, 0}};
        struct table_batch *batch = table_batch_new(stores.store[i]);
        struct table_write write = {.timestamp_us = 1};
        uint32_t bad;
        assert_ok(table_batch_append(batch, table, rows, 2, 4, places, &write, &bad, NULL));
        assert_ok(table_batch_append(batch, table, rows, 0, 2, places, &write, &bad, NULL));
        assert_err(ERR_INVALID, table_batch_upsert(batch, table, rows, 0, 1, &write, &bad, NULL));
        commit(stores.store[i], batch);
        /* The same again changes nothing. */
        assert_ok(table_batch_append(batch, table, rows, 0, 4, places, &write, &bad, NULL));
        commit(stores.store[i], batch);
        table_batch_free(batch);
        batch_unref(rows);
        assert_scan(table, NULL, "a|1\nb|null\nc|3\nnull|null\n");
        assert_ok(table_truncate(stores.store[i], table));
        assert_scan(table, NULL, "");
    }
    stores_deinit(&stores);
}

static bool note_state(void *owner, struct str key, struct str value)
{
    buf_printf(owner, "%.*s=%.*s;", STR_ARG(key), STR_ARG(value));
    return true;
}

static void state_beside_rows(void **state)
{
    struct stores stores;
    stores_init(&stores);
    for (int i = 0; i < 2; i++) {
        struct table_store *store = stores.store[i];
        struct table_batch *batch = table_batch_new(store);
        struct buf out = {0};
        assert_err(ERR_NOT_FOUND, table_state_get(store, STR("p/a"), &out));
        table_batch_state(batch, STR("p/a"), STR("1"));
        table_batch_state(batch, STR("p/b"), STR(""));
        table_batch_state(batch, STR("q"), STR("3"));
        table_batch_state(batch, STR("p\xFF"), STR("4"));
        assert_ok(table_commit(store, batch, true));
        table_batch_reset(batch);
        assert_ok(table_state_get(store, STR("p/a"), &out));
        assert_str("1", buf_str(&out));
        buf_reset(&out);
        assert_ok(table_state_each(store, STR("p/"), note_state, &out));
        assert_str("p/a=1;p/b=;", buf_str(&out));
        buf_reset(&out);
        assert_ok(table_state_each(store, STR("p\xFF"), note_state, &out));
        assert_str("p\xFF=4;", buf_str(&out));
        table_batch_state(batch, STR("p/a"), STR_NONE);
        commit(store, batch);
        assert_err(ERR_NOT_FOUND, table_state_get(store, STR("p/a"), &out));
        table_batch_free(batch);
        buf_deinit(&out);
    }
    stores_deinit(&stores);
}

static void ttl(void **state)
{
    struct stores stores;
    stores_init(&stores);
    test_now_us = 1000 * 1000000LL;
    const struct type *schema = ddl("id STRING, name STRING, age INT");
    struct table *tables[2];
    for (int i = 0; i < 2; i++) {
        tables[i] = users(stores.store[i]);
        struct batch *rows =
            batch_of(schema, 2, (const char *[]){UUID1, "ann", "1", UUID2, "bob", NULL});
        upsert(tables[i], stores.store[i], rows,
               &(struct table_write){.timestamp_us = 1, .ttl_s = 10});
        batch_unref(rows);
        rows = batch_of(ddl("id STRING, age INT"), 1, (const char *[]){UUID1, "5"});
        upsert(tables[i], stores.store[i], rows,
               &(struct table_write){.timestamp_us = 2, .ttl_s = 20});
        batch_unref(rows);
    }
    for (int i = 0; i < 2; i++) {
        test_now_us = 1009 * 1000000LL;
        assert_scan(tables[i], NULL, UUID2 "|bob|null\n" UUID1 "|ann|5\n");
        test_now_us = 1010 * 1000000LL;
        assert_scan(tables[i], NULL, UUID1 "|null|5\n");
        test_now_us = 1020 * 1000000LL;
        assert_scan(tables[i], NULL, "");
        test_now_us += 100000 * 1000000LL;
        assert_ok(table_compact(stores.store[i]));
        struct table_stats stats;
        table_stats(tables[i], &stats);
        if (i == 0) /* on disk they are purged */
            assert_int_equal(0, stats.bytes_on_disk);
    }
    test_now_us = 0;
    stores_deinit(&stores);
}

static void tokens_and_ranges(void **state)
{
    struct stores stores;
    stores_init(&stores);
    const struct type *schema = ddl("id STRING, name STRING, age INT");
    for (int i = 0; i < 2; i++) {
        struct table *table = users(stores.store[i]);
        struct batch *rows = batch_of(
            schema, 3, (const char *[]){UUID1, "1", "1", UUID2, "2", NULL, UUID3, "3", "-5"});
        upsert(table, stores.store[i], rows, &(struct table_write){.timestamp_us = 1});
        batch_unref(rows);
        struct buf low = {0}, high = {0};
        const struct type *name = ddl("name STRING");
        print_scan(table, &(struct table_scan_options){name, INT64_MIN, 0, NULL, false}, 10, &low);
        print_scan(table, &(struct table_scan_options){name, 1, INT64_MAX, NULL, false}, 10, &high);
        buf_str_append(&low, buf_str(&high));
        assert_str("2\n3\n1\n", buf_str(&low));
        assert_int_not_equal(0, high.bytes);
        buf_deinit(&low);
        buf_deinit(&high);
        assert_scan(table, &(struct table_scan_options){name, 5, 4, NULL, false}, "");
    }
    stores_deinit(&stores);
}

static void snapshots_stay(void **state)
{
    struct stores stores;
    stores_init(&stores);
    const struct type *schema = ddl("id STRING, name STRING, age INT");
    for (int i = 0; i < 2; i++) {
        struct table *table = users(stores.store[i]);
        struct batch *rows = batch_of(schema, 1, (const char *[]){UUID1, "old", "1"});
        upsert(table, stores.store[i], rows, &(struct table_write){.timestamp_us = 1});
        batch_unref(rows);
        struct table_scan *scan;
        assert_ok(table_scan_open(table, NULL, &scan));
        rows = batch_of(schema, 2, (const char *[]){UUID1, "new", "1", UUID2, "x", "1"});
        upsert(table, stores.store[i], rows, &(struct table_write){.timestamp_us = 2});
        batch_unref(rows);
        assert_ok(table_truncate(stores.store[i], table));
        struct batch *seen;
        struct buf out = {0};
        assert_ok(table_scan_next(scan, 10, &seen));
        print_batch(seen, &out);
        assert_str(UUID1 "|old|1\n", buf_str(&out));
        batch_unref(seen);
        assert_ok(table_scan_next(scan, 10, &seen));
        assert_null(seen);
        table_scan_close(scan);
        buf_deinit(&out);
        assert_scan(table, NULL, "");
    }
    stores_deinit(&stores);
}

static void catalogue(void **state)
{
    struct stores stores;
    stores_init(&stores);
    struct table *table = users(stores.store[0]);
    assert_ptr_equal(table, users(stores.store[0]));
    events(stores.store[0]);
    struct table_column more[] = {
        {STR("id"), type_simple(TYPE_STRING), STR("uuid"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("name"), type_simple(TYPE_STRING), STR("text"), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("tags"), ddl("t ARRAY<STRING>")->fields[0].type, STR_NONE, TABLE_REGULAR,
         TABLE_ONE_CELL},
        {STR("age"), type_simple(TYPE_INT), STR("bigint"), TABLE_REGULAR, TABLE_ONE_CELL},
    };
    assert_ptr_equal(table, create(stores.store[0], "users", more, 4, false));
    assert_int_equal(4, table_definition(table)->column_count);
    stores_reopen(&stores);
    struct table **list;
    assert_int_equal(2, table_list(stores.store[0], &list));
    assert_str("events", table_definition(list[0])->name);
    mem_free(list);
    table = table_find(stores.store[0], STR("ks"), STR("users"));
    struct buf text = {0};
    type_print(table_schema(table), &text);
    assert_str("struct<id:string,name:string,age:int,tags:array<string>>", buf_str(&text));
    buf_deinit(&text);
    more[3].type = type_simple(TYPE_BIGINT);
    struct table_definition definition = {STR("ks"), STR("users"), more, 4, false, 0};
    struct diag diag = {0};
    assert_err(ERR_EXISTS, table_create(stores.store[0], &definition, &diag, &table));
    assert_non_null(strstr(diag.message, "type of column age"));
    assert_ok(table_drop(stores.store[0], STR("ks"), STR("users")));
    assert_err(ERR_NOT_FOUND, table_drop(stores.store[0], STR("ks"), STR("users")));
    assert_null(table_find(stores.store[0], STR("ks"), STR("users")));
    stores_reopen(&stores);
    assert_int_equal(1, table_list(stores.store[0], &list));
    mem_free(list);
    struct table_store *second;
    diag = (struct diag){0};
    assert_err(ERR_CONFLICT, table_store_open(stores.io, stores.dir, NULL, &diag, &second));
    stores_deinit(&stores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upsert_and_scan),
        cmocka_unit_test(refuses_bad_rows),
        cmocka_unit_test(clustering_and_statics),
        cmocka_unit_test(statics_without_rows),
        cmocka_unit_test(append_only),
        cmocka_unit_test(state_beside_rows),
        cmocka_unit_test(ttl),
        cmocka_unit_test(tokens_and_ranges),
        cmocka_unit_test(snapshots_stay),
        cmocka_unit_test(catalogue),
    };
    int failed = RUN_TESTS(tests);
    arena_deinit(&test_arena);
    return failed;
}
