/* SPDX-License-Identifier: MIT */
#include "script.h"
#include "serve/cql/index.h"

#include "test.h"

static const char *folder;

struct fixture {
    struct io *io;
    struct table_store *store;
    struct cql_catalog *catalog;
};

static void open_catalog(struct fixture *f)
{
    struct cql_node node = {.port = 9042, .auth = false};
    assert_ok(cql_catalog_open(f->io, f->store, &node, NULL, &f->catalog));
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof(*f));
    f->io = io_kernel_new();
    struct table_store_options options = {.memory = true};
    assert_ok(table_store_open(f->io, "", &options, NULL, &f->store));
    open_catalog(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cql_catalog_free(f->catalog);
    table_store_close(f->store);
    io_free(f->io);
    mem_free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    cql_catalog_free(f->catalog);
    open_catalog(f);
}

static void check_script(struct fixture *f, const char *name)
{
    char path[1024];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t differ = script_run(f->catalog, path, &count);
    assert_true(count > 0);
    assert_int_equal(differ, 0);
}

static void test_definitions(void **state)
{
    check_script(*state, "define.txt");
}

static void test_options(void **state)
{
    check_script(*state, "options.txt");
}

static void test_describe(void **state)
{
    check_script(*state, "describe.txt");
}

static void test_shown(void **state)
{
    check_script(*state, "shown.txt");
}

/* ---- what stays ---- */

static void run(struct fixture *f, const char *statement, const char *answer)
{
    CLEAN(buf_deinit) struct buf out = {0};
    script_answer(f->catalog, str_of(statement), &out);
    assert_str(answer, buf_str(&out));
}

static void get(struct fixture *f, const char *statement, struct buf *out)
{
    script_answer(f->catalog, str_of(statement), out);
}

static const char simple_keyspace[] = "CREATE KEYSPACE k WITH replication = {'class': "
                                      "'SimpleStrategy', 'replication_factor': 1}";

static void test_reopen(void **state)
{
    struct fixture *f = *state;
    static const char *const shown[] = {"DESCRIBE KEYSPACE k", "DESCRIBE TABLE k.t WITH INTERNALS"};
    CLEAN(buf_deinit) struct buf before = {0};
    CLEAN(buf_deinit) struct buf after = {0};
    run(f, simple_keyspace, "OK");
    run(f, "CREATE TYPE k.a (x int)", "OK");
    run(f, "CREATE TYPE k.b (a frozen<a>, y list<text>)", "OK");
    run(f,
        "CREATE TABLE k.t (p int, c uuid, s text static, v frozen<b>, u a, m map<int, text>, "
        "n counter, PRIMARY KEY (p, c))",
        "INVALID Cannot mix counter and non counter columns in the same table");
    run(f,
        "CREATE TABLE k.t (p int, c uuid, s text static, v frozen<b>, u a, m map<int, text>, "
        "PRIMARY KEY (p, c)) WITH CLUSTERING ORDER BY (c DESC) AND comment = 'hm' AND "
        "default_time_to_live = 9",
        "OK");
    run(f, "CREATE INDEX ON k.t (keys(m))", "OK");
    run(f, "ALTER TABLE k.t DROP s", "OK");
    run(f, "ALTER TYPE k.a ADD z text", "OK");
    for (int i = 0; i < 2; i++)
        get(f, shown[i], &before);
    uint8_t version[16];
    memcpy(version, cql_catalog_version(f->catalog), 16);
    reopen(f);
    for (int i = 0; i < 2; i++)
        get(f, shown[i], &after);
    assert_str(buf_c_str(&before), buf_str(&after));
    assert_memory_equal(version, cql_catalog_version(f->catalog), 16);
    run(f, "ALTER TABLE k.t ADD q int", "OK");
    assert_memory_not_equal(version, cql_catalog_version(f->catalog), 16);
}

/* ---- tables of others ---- */

static void test_pipeline_tables(void **state)
{
    struct fixture *f = *state;
    const struct table_column columns[] = {
        {STR("id"), type_simple(TYPE_STRING), STR("uuid"), TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("Name"), type_simple(TYPE_STRING), STR(""), TABLE_REGULAR, TABLE_ONE_CELL},
        {STR("at"), type_simple(TYPE_TIMESTAMP), STR(""), TABLE_REGULAR, TABLE_ONE_CELL},
    };
    struct table_definition definition = {
        .keyspace = STR("pipe"), .name = STR("users"), .columns = columns, .column_count = 3};
    struct table *table = NULL;
    CLEAN(buf_deinit) struct buf out = {0};
    uint8_t version[16];
    memcpy(version, cql_catalog_version(f->catalog), 16);
    assert_ok(table_create(f->store, &definition, NULL, &table));
    assert_memory_not_equal(version, cql_catalog_version(f->catalog), 16);
    get(f, "DESCRIBE pipe.users", &out);
    assert_true(str_starts(buf_str(&out),
                           STR("|pipe|table|users|CREATE TABLE pipe.users (\\n    id uuid PRIMARY "
                               "KEY,\\n    \"Name\" text,\\n    at timestamp\\n) WITH ")));
    struct table_column log_columns[] = {columns[1], columns[2]};
    struct table_definition log = {.keyspace = STR("pipe"),
                                   .name = STR("log"),
                                   .columns = log_columns,
                                   .column_count = 2,
                                   .append_only = true};
    assert_ok(table_create(f->store, &log, NULL, &table));
    buf_reset(&out);
    get(f, "DESCRIBE TABLE pipe.log", &out);
    assert_true(str_find(buf_str(&out),
                         STR("PRIMARY KEY (\"_partition\", \"_offset\", \"_index\")"),
                         0) != SIZE_MAX);
    run(f, "CREATE INDEX ON pipe.log (at)",
        "INVALID Secondary indexes on tables that a pipeline appends to are not supported");
    assert_ok(table_drop(f->store, STR("pipe"), STR("log")));
    assert_ok(table_drop(f->store, STR("pipe"), STR("users")));
    assert_null(cql_keyspace_find(f->catalog, STR("nope")));
    run(f, "DESCRIBE pipe.users", "INVALID 'pipe' not found in keyspaces");
}

/* ---- crashes between steps ---- */

static void test_orphans(void **state)
{
    struct fixture *f = *state;
    run(f, simple_keyspace, "OK");
    run(f, "CREATE TABLE k.t (p int PRIMARY KEY, v int) WITH comment = 'old'", "OK");
    run(f, "CREATE INDEX ON k.t (v)", "OK");
    /* The table goes, its record and its index's entries stay. */
    assert_ok(table_drop(f->store, STR("k"), STR("t")));
    assert_non_null(table_find(f->store, STR("cql/index"), STR("k.t.t_v_idx")));
    reopen(f);
    assert_null(table_find(f->store, STR("cql/index"), STR("k.t.t_v_idx")));
    CLEAN(buf_deinit) struct buf value = {0};
    assert_err(ERR_NOT_FOUND, table_state_get(f->store, STR("cql/table/k\0t"), &value));
    run(f, "CREATE TABLE k.t (p int PRIMARY KEY, v int)", "OK");
    run(f, "CREATE INDEX ON k.t (v)", "OK");
    /* The entries go: they are made again. */
    assert_ok(table_drop(f->store, STR("cql/index"), STR("k.t.t_v_idx")));
    reopen(f);
    assert_non_null(table_find(f->store, STR("cql/index"), STR("k.t.t_v_idx")));
}

/* ---- building an index over rows ---- */

static struct cql_table *find(struct fixture *f, const char *name);

static void put_row(struct fixture *f, struct table *table, int32_t key, struct str text)
{
    struct table_batch *batch = table_batch_new(f->store);
    uint8_t bytes[4] = {0, 0, 0, (uint8_t)key};
    struct str p = str_from(bytes, 4);
    struct table_cell cell = {.column = 1, .value = text, .timestamp_us = 5};
    struct table_row_write write = {.key = {&p, NULL, 0},
                                    .cells = &cell,
                                    .cell_count = 1,
                                    .marker = true,
                                    .marker_timestamp_us = 5};
    assert_ok(table_batch_cells(batch, table, &write));
    assert_ok(table_commit(f->store, batch, false));
    table_batch_free(batch);
}

static size_t count_entries(struct table *entries, const char *value)
{
    CLEAN(buf_deinit) struct buf packed = {0};
    index_value(str_of(value), &packed);
    struct str partition = buf_str(&packed);
    struct table_read_options options = {.partition = &partition};
    struct table_read *read = NULL;
    const struct table_row *row = NULL;
    size_t count = 0;
    assert_ok(table_read_open(entries, &options, &read));
    for (;;) {
        assert_ok(table_read_next(read, &row));
        if (!row)
            break;
        struct index_key key;
        struct str p[1];
        assert_ok(index_key_of_row(row, &key));
        assert_ok(index_partition_unpack(key.partition, p, 1));
        assert_int_equal(p[0].bytes, 4);
        assert_int_equal(key.clustering.bytes, 0);
        count++;
    }
    table_read_close(read);
    return count;
}

static void test_index_build(void **state)
{
    struct fixture *f = *state;
    run(f, simple_keyspace, "OK");
    run(f, "CREATE TABLE k.t (p int PRIMARY KEY, v text)", "OK");
    struct cql_table *table = find(f, "t");
    for (int32_t i = 0; i < 10; i++)
        put_row(f, table->table, i, i % 3 ? STR("b") : STR("a"));
    cql_table_unref(table);
    run(f, "CREATE INDEX ON k.t (v)", "OK");
    table = find(f, "t");
    assert_int_equal(table->index_count, 1);
    assert_true(table->indexes[0].built);
    assert_int_equal(count_entries(table->indexes[0].entries, "a"), 4);
    assert_int_equal(count_entries(table->indexes[0].entries, "b"), 6);
    assert_int_equal(count_entries(table->indexes[0].entries, "c"), 0);
    cql_table_unref(table);
    run(f, "TRUNCATE k.t", "OK");
    table = find(f, "t");
    assert_int_equal(count_entries(table->indexes[0].entries, "a"), 0);
    cql_table_unref(table);
}

static void test_packing(void **state)
{
    const struct str values[] = {STR("ab"), STR(""), STR("c\0d")};
    struct str back[3];
    CLEAN(buf_deinit) struct buf out = {0};
    index_partition_pack(values, 3, &out);
    assert_ok(index_partition_unpack(buf_str(&out), back, 3));
    for (int i = 0; i < 3; i++)
        assert_true(str_equal(values[i], back[i]));
    assert_err(ERR_CORRUPT, index_partition_unpack(buf_str(&out), back, 2));
}

/* ---- snapshots ---- */

static struct cql_table *find(struct fixture *f, const char *name)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct cql_error error;
    struct cql_name full = {STR("k"), str_of(name)};
    struct cql_table *table = cql_table_find(f->catalog, STR_NONE, &full, &error, &arena);
    arena_deinit(&arena);
    return table;
}

static void test_snapshots(void **state)
{
    struct fixture *f = *state;
    run(f, simple_keyspace, "OK");
    run(f, "CREATE TABLE k.t (p int PRIMARY KEY, b int, a list<int>)", "OK");
    struct cql_table *old = find(f, "t");
    assert_int_equal(old->column_count, 3);
    assert_str("a", old->columns[1].name);
    assert_int_equal(old->columns[1].index, 2);
    struct cql_table *same = find(f, "t");
    assert_ptr_equal(old, same);
    cql_table_unref(same);
    run(f, "ALTER TABLE k.t ADD c text", "OK");
    struct cql_table *new = find(f, "t");
    assert_true(old->dropped);
    assert_int_equal(old->column_count, 3);
    assert_int_equal(new->column_count, 4);
    run(f, "DROP TABLE k.t", "OK");
    assert_true(new->dropped);
    assert_null(find(f, "t"));
    cql_table_unref(old);
    cql_table_unref(new);
}

/* ---- system tables ---- */

struct rows {
    struct cql_virtual_rows virtual;
    const struct cql_table *table;
    size_t count;
    struct buf *out;
};

static void take_row(struct cql_virtual_rows *virtual, const struct str *values)
{
    struct rows *rows = (struct rows *)virtual;
    for (uint32_t i = 0; i < rows->table->column_count; i++) {
        const struct cql_type *type = rows->table->columns[i].type;
        if (values[i].ptr)
            assert_ok(cql_value_check(type, values[i], NULL));
        buf_text(rows->out, i ? "|" : "");
        if (values[i].ptr)
            cql_value_print(type, values[i], rows->out);
        else
            buf_text(rows->out, "null");
    }
    buf_text(rows->out, "\n");
    rows->count++;
}

static size_t fill(struct fixture *f, const char *keyspace, const char *name, struct buf *out)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct cql_error error;
    struct cql_name full = {str_of(keyspace), str_of(name)};
    struct cql_table *table = cql_table_find(f->catalog, STR_NONE, &full, &error, &arena);
    assert_non_null(table);
    struct rows rows = {{take_row, NULL, &arena}, table, 0, out};
    table->fill(f->catalog, &rows.virtual);
    cql_table_unref(table);
    arena_deinit(&arena);
    return rows.count;
}

static void test_system_tables(void **state)
{
    struct fixture *f = *state;
    CLEAN(buf_deinit) struct buf out = {0};
    run(f, simple_keyspace, "OK");
    run(f,
        "CREATE TABLE k.t (p int, c text, v list<int>, PRIMARY KEY (p, c)) WITH CLUSTERING "
        "ORDER BY (c DESC)",
        "OK");
    run(f, "CREATE INDEX ON k.t (v)", "OK");
    run(f, "ALTER TABLE k.t ADD gone int", "OK");
    run(f, "ALTER TABLE k.t DROP gone", "OK");
    assert_int_equal(fill(f, "system", "local", &out), 1);
    assert_true(str_starts(buf_str(&out), STR("'local'|'COMPLETED'|'127.0.0.1'|7000|'Test "
                                              "Cluster'|'3.4.7'|'datacenter1'|1|")));
    buf_reset(&out);
    assert_int_equal(fill(f, "system", "peers", &out), 0);
    assert_int_equal(fill(f, "system_schema", "keyspaces", &out), 6);
    buf_reset(&out);
    assert_true(fill(f, "system_schema", "columns", &out) > 100);
    assert_true(
        str_starts(buf_str(&out), STR("'k'|'t'|'c'|'desc'|0x63|'clustering'|0|'text'\n"
                                      "'k'|'t'|'p'|'none'|0x70|'partition_key'|0|'int'\n"
                                      "'k'|'t'|'v'|'none'|0x76|'regular'|-1|'list<int>'\n")));
    buf_reset(&out);
    assert_true(fill(f, "system_schema", "tables", &out) > 20);
    assert_true(str_starts(buf_str(&out), STR("'k'|'t'|'99p'|null|0.01|{'keys': 'ALL', "
                                              "'rows_per_partition': 'NONE'}|null|''|")));
    buf_reset(&out);
    assert_int_equal(fill(f, "system_schema", "indexes", &out), 1);
    assert_str("'k'|'t'|'t_v_idx'|'COMPOSITES'|{'target': 'values(v)'}\n", buf_str(&out));
    buf_reset(&out);
    assert_int_equal(fill(f, "system_schema", "dropped_columns", &out), 1);
    assert_int_equal(fill(f, "system", "size_estimates", &out), 1);
    assert_int_equal(fill(f, "system", "table_estimates", &out), 2);
    assert_int_equal(fill(f, "system_virtual_schema", "tables", &out), 4);
    assert_int_equal(fill(f, "system_virtual_schema", "keyspaces", &out), 2);
    assert_int_equal(fill(f, "system_virtual_schema", "columns", &out), 26);
    assert_int_equal(fill(f, "system_schema", "views", &out), 0);
}

/* ---- roles ---- */

static void test_roles(void **state)
{
    struct fixture *f = *state;
    cql_catalog_free(f->catalog);
    struct cql_node node = {.port = 9042, .auth = true, .user = STR("boss")};
    assert_ok(cql_catalog_open(f->io, f->store, &node, NULL, &f->catalog));
    run(f, "CREATE ROLE a", "OK");
    run(f, "CREATE ROLE a", "INVALID a already exists");
    run(f, "CREATE ROLE IF NOT EXISTS a", "OK");
    run(f, "CREATE USER b SUPERUSER", "OK");
    run(f, "GRANT a TO b", "OK");
    run(f, "GRANT a TO b", "INVALID b is a member of a");
    run(f, "GRANT nope TO b", "INVALID nope doesn't exist");
    CLEAN(buf_deinit) struct buf out = {0};
    get(f, "LIST ROLES", &out);
    assert_int_equal(out.ptr[1], 'a');
    buf_reset(&out);
    get(f, "LIST ROLES OF b", &out);
    assert_true(str_starts(buf_str(&out), STR("|a|")));
    run(f, "REVOKE a FROM b", "OK");
    run(f, "REVOKE a FROM b", "INVALID b is not a member of a");
    run(f, "DROP ROLE boss", "INVALID Cannot DROP primary role for current login");
    run(f, "DROP ROLE a", "OK");
    run(f, "DROP ROLE a", "INVALID a doesn't exist");
    run(f, "DROP ROLE IF EXISTS a", "OK");
    run(f, "GRANT SELECT ON KEYSPACE k TO b",
        "INVALID GRANT operation is not supported by AllowAllAuthorizer");
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_definitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_describe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipeline_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_index_build, setup, teardown),
        cmocka_unit_test(test_packing),
        cmocka_unit_test_setup_teardown(test_snapshots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_system_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_roles, setup, teardown),
    };
    return RUN_TESTS(tests);
}
