/* SPDX-License-Identifier: MIT */
/*
 * The second face of tables, feature by feature, on the disk and in memory; what they do together
 * is tried by tests/model/table.
 */
#include "base/hash.h"
#include "cells.h"
#include "io/thread.h"
#include "table/store.h"
#include "table/vint.h"

static struct stores stores;

static int setup(void **state)
{
    test_now_us = 1000 * 1000000LL;
    stores_init(&stores);
    return 0;
}

static int teardown(void **state)
{
    stores_deinit(&stores);
    arena_reset(&test_arena);
    return 0;
}

static struct table *make(int store, const char *name, const struct table_column *columns,
                          size_t count)
{
    struct table_definition definition = {STR("k"), str_of(name), columns, count, false, 0};
    struct table *table;
    struct diag diag = {0};
    if (table_create(stores.store[store], &definition, &diag, &table))
        fail_msg("%s", diag.message);
    return table;
}

static struct table_column column(const char *name, const struct type *type, const char *declared,
                                  enum table_column_role role, enum table_column_cells cells)
{
    return (struct table_column){str_of(name), type, str_of(declared), role, cells};
}

static void put(struct table *table, int store, const struct table_row_write *write)
{
    struct table_batch *batch = table_batch_new(stores.store[store]);
    assert_ok(table_batch_cells(batch, table, write));
    commit(stores.store[store], batch);
    table_batch_free(batch);
}

/* One cell under the key p = 1. */
static void put_one(struct table *table, int store, uint32_t index, struct str value,
                    int64_t timestamp_us)
{
    struct str partition[1] = {cql_int(1)};
    struct table_cell cell = {.column = index, .value = value, .timestamp_us = timestamp_us};
    put(table, store,
        &(struct table_row_write){.key = {partition, NULL, 0}, .cells = &cell, .cell_count = 1});
}

/* ---- types ---- */

static void names_of_types(void **state)
{
    static const struct {
        const char *type, *declared, *want;
    } cases[] = {
        {"STRING", "", "text"},
        {"TIMESTAMP", "", "timestamp"},
        {"TIMESTAMP_NTZ", "", "timestamp"},
        {"ARRAY<STRING>", "", "frozen<list<text>>"},
        {"DECIMAL(10,2)", "", "decimal"},
        {"STRING", "uuid", "uuid"},
        {"STRING", "string", "text"},
        {"ARRAY<FLOAT>", "vector<float, 3>", "vector<float, 3>"},
        {"STRUCT<a: INT>", "address", "address"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct type *type;
        struct buf text = {0};
        assert_ok(type_parse(&test_arena, str_of(cases[i].type), NULL, &type));
        struct table_column one =
            column("x", type, cases[i].declared, TABLE_REGULAR, TABLE_ONE_CELL);
        table_column_cql(&one, &text);
        assert_str(cases[i].want, buf_str(&text));
        buf_deinit(&text);
    }
}

/* Bytes of a clustering value as they come back, and where they stand among the others. */
static void order_of(const char *type_text, const char *declared, const struct str *values,
                     size_t count)
{
    const struct type *type;
    assert_ok(type_parse(&test_arena, str_of(type_text), NULL, &type));
    for (int falling = 0; falling < 2; falling++)
        for (int store = 0; store < 2; store++) {
            struct table_column columns[] = {
                column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
                column("c", type, declared, falling ? TABLE_CLUSTERING_DESC : TABLE_CLUSTERING_ASC,
                       TABLE_ONE_CELL),
            };
            struct table *table = make(store, "ordered", columns, 2);
            struct str partition[1] = {cql_int(1)};
            for (size_t i = count; i-- > 0;)
                put(table, store,
                    &(struct table_row_write){.key = {partition, &values[(i * 11) % count], 1},
                                              .marker = true});
            struct table_read *read;
            const struct table_row *row;
            assert_ok(table_read_open(table, &(struct table_read_options){.partition = partition},
                                      &read));
            for (size_t i = 0; i < count; i++) {
                assert_ok(table_read_next(read, &row));
                assert_non_null(row);
                struct str want = values[falling ? count - 1 - i : i];
                if (!str_equal(want, row->clustering[0]))
                    fail_msg("%s: value %zu of %zu", declared, i, count);
            }
            assert_ok(table_read_next(read, &row));
            assert_null(row);
            table_read_close(read);
            assert_ok(table_drop(stores.store[store], STR("k"), STR("ordered")));
        }
}

#define BYTES(literal) str_from(literal, sizeof(literal) - 1)

static void clustering_of_any_size(void **state)
{
    char big[200], small[200];
    memset(big, 0x7F, sizeof big);
    memset(small, 0x80, sizeof small);
    struct str varints[] = {
        str_from(small, 200), str_from(small, 130), str_from(small, 20), BYTES("\x80\x00"),
        BYTES("\x80"),        BYTES("\xFF"),        BYTES("\x00"),       BYTES("\x01"),
        BYTES("\x7F"),        BYTES("\x00\x80"),    str_from(big, 20),   str_from(big, 130),
        str_from(big, 200),
    };
    order_of("DECIMAL(38,0)", "varint", varints, 13);
    struct str decimals[] = {
        BYTES("\xFF\xFF\xFB\x2E\xFF"), /* -1E1234 */
        BYTES("\0\0\0\0\xFF\x38"),     /* -200 */
        BYTES("\0\0\0\1\x85"),         /* -12.3 */
        BYTES("\0\0\0\2\xFF\x7F"),     /* -1.29 */
        BYTES("\0\0\0\2\x83"),         /* -1.25 */
        BYTES("\0\0\0\x32\xFF"),       /* -1E-50 */
        BYTES("\0\0\0\0\0"),           /* 0 */
        BYTES("\0\0\0\x32\1"),         /* 1E-50 */
        BYTES("\0\0\0\1\1"),           /* 0.1 */
        BYTES("\0\0\0\0\1"),           /* 1 */
        BYTES("\0\0\0\2\x7D"),         /* 1.25 */
        BYTES("\0\0\0\0\1\0"),         /* 256 */
        BYTES("\0\0\0\0\x03\xE8"),     /* 1000 */
        BYTES("\xFF\xFF\xFB\x2E\x01"), /* 1E1234 */
    };
    order_of("DECIMAL(38,18)", "decimal", decimals, 14);
}

static void clustering_of_nested(void **state)
{
    struct str lists[] = {
        BYTES("\0\0\0\0"),
        BYTES("\0\0\0\1\0\0\0\4\xFF\xFF\xFF\xFF"),
        BYTES("\0\0\0\1\0\0\0\4\0\0\0\1"),
        BYTES("\0\0\0\2\0\0\0\4\0\0\0\1\0\0\0\4\0\0\0\0"),
        BYTES("\0\0\0\1\0\0\0\4\0\0\0\2"),
    };
    order_of("ARRAY<INT>", "frozen<list<int>>", lists, 5);
    struct str maps[] = {
        BYTES("\0\0\0\0"),
        BYTES("\0\0\0\1\0\0\0\1a\0\0\0\1a"),
        BYTES("\0\0\0\1\0\0\0\1a\0\0\0\1b"),
        BYTES("\0\0\0\1\0\0\0\1b\0\0\0\0"),
    };
    order_of("MAP<STRING, STRING>", "frozen<map<text, text>>", maps, 4);
    struct str tuples[] = {
        BYTES("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        BYTES("\0\0\0\4\0\0\0\1\xFF\xFF\xFF\xFF"),
        BYTES("\0\0\0\4\0\0\0\1\0\0\0\0"),
        BYTES("\0\0\0\4\0\0\0\2\0\0\0\1x"),
    };
    order_of("STRUCT<a: INT, b: STRING>", "tuple<int, text>", tuples, 4);
    struct str vectors[] = {
        BYTES("\xC0\0\0\0\x3F\x80\0\0"),
        BYTES("\x3F\x80\0\0\xBF\x80\0\0"),
        BYTES("\x3F\x80\0\0\x3F\x80\0\0"),
    };
    order_of("ARRAY<FLOAT>", "vector<float, 2>", vectors, 3);
}

/* What Spark sees of values that CQL wrote; what it cannot hold is null. */
static void scans_of_cql_values(void **state)
{
    struct buf duration = {0};
    interval_append((struct interval){14, -3, 3600000000}, &duration);
    const struct {
        const char *type, *declared, *want;
        struct str value;
    } cases[] = {
        {"BIGINT", "time", "1", BYTES("\0\0\0\0\0\0\0\1")},
        {"DECIMAL(38,0)", "varint", "-128", BYTES("\x80")},
        {"DECIMAL(38,0)", "varint", "null", BYTES("\x7F\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
        {"DECIMAL(38,2)", "decimal", "0.13", BYTES("\0\0\0\3\x7F")},
        {"DECIMAL(10,2)", "decimal", "null", BYTES("\xFF\xFF\xFF\0\x7F")},
        {"INTERVAL", "duration", "1 years 2 months -3 days 1 hours", buf_str(&duration)},
        {"ARRAY<FLOAT>", "vector<float, 2>", "[1.0, -2.0]", BYTES("\x3F\x80\0\0\xC0\0\0\0")},
        {"ARRAY<STRING>", "frozen<list<inet>>", "[127.0.0.1, null]",
         BYTES("\0\0\0\2\0\0\0\4\x7F\0\0\1\xFF\xFF\xFF\xFF")},
        {"STRUCT<a: INT, b: STRING>", "tuple<int, text>", "{7, null}", BYTES("\0\0\0\4\0\0\0\7")},
        {"INT", "int", "null", BYTES("")},
        {"INT", "bigint", "null", BYTES("\0\0\0\1\0\0\0\0")},
        {"SMALLINT", "varint", "-129", BYTES("\xFF\x7F")},
        {"SMALLINT", "varint", "null", BYTES("\1\0\0")},
        {"STRING", "text", "", BYTES("")},
        {"STRUCT<a: STRING>", "some_type", "{null}", BYTES("\0\0\0\2\xC0\x80")},
        {"TIMESTAMP", "timestamp", "null", BYTES("\x7F\0\0\0\0\0\0\0")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int store = 0; store < 2; store++) {
            const struct type *type;
            assert_ok(type_parse(&test_arena, str_of(cases[i].type), NULL, &type));
            struct table_column columns[] = {
                column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
                column("v", type, cases[i].declared, TABLE_REGULAR, TABLE_ONE_CELL),
            };
            struct table *table = make(store, "values", columns, 2);
            struct buf want = {0};
            put_one(table, store, 1, cases[i].value, 5);
            buf_printf(&want, "1|%s\n", cases[i].want);
            assert_scan(table, NULL, buf_c_str(&want));
            buf_deinit(&want);
            assert_ok(table_drop(stores.store[store], STR("k"), STR("values")));
        }
    buf_deinit(&duration);
}

/* Times that are kept to the microsecond are milliseconds here, in keys too. */
static void times_of_ours(void **state)
{
    const struct type *time = type_simple(TYPE_TIMESTAMP_NTZ);
    const struct type *times = type_array(&test_arena, time, true);
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", time, "", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("c", time, "", TABLE_CLUSTERING_DESC, TABLE_ONE_CELL),
            column("v", time, "", TABLE_REGULAR, TABLE_ONE_CELL),
            column("l", times, "", TABLE_REGULAR, TABLE_ONE_CELL),
        };
        struct table *table = make(store, "times", columns, 4);
        struct str partition[1] = {cql_bigint(-2)}, clustering[1] = {cql_bigint(3)};
        struct table_cell cells[] = {
            {.column = 2, .value = cql_bigint(1500), .timestamp_us = 1},
            {.column = 3, .value = BYTES("\0\0\0\1\0\0\0\x8\0\0\0\0\0\0\0\1"), .timestamp_us = 1},
        };
        struct table_row_write write = {{partition, clustering, 1}, cells, 2, true, 1, 0, 0};
        put(table, store, &write);
        assert_scan(table, NULL,
                    "1969-12-31 23:59:59.998|1970-01-01 00:00:00.003|1970-01-01 00:00:01.5|"
                    "[1970-01-01 00:00:00.001]\n");
        struct table_reader *reader = table_reader_new();
        const struct table_row *row;
        assert_ok(table_read_row(reader, table, &write.key, NULL, 0, &row));
        assert_true(str_equal(cells[0].value, row->cells[0].value));
        assert_true(str_equal(cells[1].value, row->cells[1].value));
        assert_int_equal(table_token(table, partition), row->token);
        struct table_read *read;
        assert_ok(
            table_read_open(table, &(struct table_read_options){.partition = partition}, &read));
        assert_ok(table_read_next(read, &row));
        assert_true(str_equal(partition[0], row->partition[0]));
        assert_true(str_equal(clustering[0], row->clustering[0]));
        table_read_close(read);
        clustering[0] = BYTES("\x7F\0\0\0\0\0\0\0"); /* no microseconds for that */
        struct table_batch *batch = table_batch_new(stores.store[store]);
        assert_err(ERR_INVALID, table_batch_cells(batch, table, &write));
        assert_int_equal(0, table_batch_bytes(batch) > 12);
        table_batch_free(batch);
        table_reader_free(reader);
    }
}

static void refused_keys(void **state)
{
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("q", type_simple(TYPE_STRING), "text", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("c", type_simple(TYPE_INT), "int", TABLE_CLUSTERING_ASC, TABLE_ONE_CELL),
        };
        struct table *table = make(store, "keys", columns, 3);
        char *long_text = arena_alloc(&test_arena, 70000);
        memset(long_text, 'x', 70000);
        const struct {
            struct str p, q, c;
            enum err want;
        } cases[] = {
            {cql_int(1), STR("a"), cql_int(1), OK},
            {cql_int(1), STR(""), cql_int(1), OK},
            {STR(""), STR("a"), cql_int(1), ERR_INVALID},
            {cql_bigint(1), STR("a"), cql_int(1), ERR_INVALID},
            {cql_int(1), STR_NONE, cql_int(1), ERR_INVALID},
            {cql_int(1), STR("a"), cql_bigint(1), ERR_INVALID},
            {cql_int(1), STR("a"), STR_NONE, ERR_INVALID},
            {cql_int(1), str_from(long_text, 70000), cql_int(1), ERR_INVALID},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct table_batch *batch = table_batch_new(stores.store[store]);
            struct str partition[2] = {cases[i].p, cases[i].q}, clustering[1] = {cases[i].c};
            struct table_row_write write = {.key = {partition, clustering, 1}, .marker = true};
            assert_err(cases[i].want, table_batch_cells(batch, table, &write));
            table_batch_free(batch);
        }
    }
}

/* Clustering values that are missing at the end: before those that are there, in both directions,
 * and null to every face. A gap between values is refused. */
static void clustering_that_ends(void **state)
{
    const struct {
        struct str c, d;
    } rows[] = {{cql_int(2), cql_int(1)},
                {cql_int(2), STR_NONE},
                {cql_int(1), STR_NONE},
                {cql_int(1), cql_int(5)},
                {cql_int(2), cql_int(-9)}};
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("c", type_simple(TYPE_INT), "int", TABLE_CLUSTERING_ASC, TABLE_ONE_CELL),
            column("d", type_simple(TYPE_INT), "int", TABLE_CLUSTERING_DESC, TABLE_ONE_CELL),
        };
        struct table *table = make(store, "ends", columns, 3);
        struct str partition[1] = {cql_int(1)};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct str values[2] = {rows[i].c, rows[i].d};
            put(table, store,
                &(struct table_row_write){.key = {partition, values, 2}, .marker = true});
        }
        assert_scan(table, NULL, "1|1|null\n1|1|5\n1|2|null\n1|2|1\n1|2|-9\n");
        struct table_read *read;
        const struct table_row *row;
        assert_ok(
            table_read_open(table, &(struct table_read_options){.partition = partition}, &read));
        for (int i = 0; i < 3; i++)
            assert_ok(table_read_next(read, &row));
        assert_true(str_equal(cql_int(2), row->clustering[0]));
        assert_null(row->clustering[1].ptr);
        table_read_close(read);
        struct table_reader *reader = table_reader_new();
        struct str one[2] = {cql_int(1), STR_NONE}, gap[2] = {STR_NONE, cql_int(1)};
        struct table_key key = {partition, one, 2};
        assert_ok(table_read_row(reader, table, &key, NULL, 0, &row));
        assert_null(row->clustering[1].ptr);
        key.clustering = gap;
        assert_err(ERR_INVALID, table_read_row(reader, table, &key, NULL, 0, &row));
        table_reader_free(reader);
    }
}

/* ---- collections, through both faces ---- */

static void collections(void **state)
{
    const struct type *text = type_simple(TYPE_STRING), *number = type_simple(TYPE_INT);
    struct field fields[] = {{STR("street"), text, false, STR("text")},
                             {STR("id"), text, false, STR("uuid")}};
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", number, "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("s", type_array(&test_arena, number, true), "set<int>", TABLE_REGULAR,
                   TABLE_MANY_CELLS),
            column("l", type_array(&test_arena, text, true), "list<text>", TABLE_REGULAR,
                   TABLE_MANY_CELLS),
            column("m", type_map(&test_arena, text, number, true), "map<text, int>", TABLE_REGULAR,
                   TABLE_MANY_CELLS),
            column("u", type_struct(&test_arena, fields, 2), "address", TABLE_REGULAR,
                   TABLE_MANY_CELLS),
        };
        struct table *table = make(store, "collections", columns, 5);
        struct str partition[1] = {cql_int(1)};
        struct table_cell cells[] = {
            {.column = 4, .path = BYTES("\0\1"), .value = BYTES("0123456789abcdef")},
            {.column = 3, .path = STR("b"), .value = cql_int(2)},
            {.column = 3, .path = STR("a"), .value = cql_int(1)},
            {.column = 2, .path = STR("0000000000000002"), .value = STR("y")},
            {.column = 2, .path = STR("0000000000000001"), .value = STR("x")},
            {.column = 1, .path = cql_int(5)},
            {.column = 1, .path = cql_int(3)},
        };
        for (size_t i = 0; i < 7; i++)
            cells[i].timestamp_us = 10;
        struct table_row_write write = {
            .key = {partition, NULL, 0}, .cells = cells, .cell_count = 7};
        put(table, store, &write);
        assert_scan(table, NULL,
                    "1|[3, 5]|[x, y]|{a -> 1, b -> 2}|"
                    "{null, 30313233-3435-3637-3839-616263646566}\n");
        /* One element goes, all of another collection do. */
        struct table_cell less[] = {
            {.column = 1, .path = cql_int(3), .element_deleted = true, .timestamp_us = 11},
            {.column = 3, .timestamp_us = 10},
            {.column = 3, .path = STR("c"), .value = cql_int(3), .timestamp_us = 11},
        };
        write.cells = less;
        write.cell_count = 3;
        put(table, store, &write);
        const char *want = "1|[5]|[x, y]|{c -> 3}|{null, 30313233-3435-3637-3839-616263646566}\n";
        assert_scan(table, NULL, want);
        /* The other face replaces whole collections. */
        struct batch *rows;
        struct table_scan *scan;
        assert_ok(table_scan_open(table, NULL, &scan));
        assert_ok(table_scan_next(scan, 10, &rows));
        table_scan_close(scan);
        struct table_cell more = {
            .column = 1, .path = cql_int(9), .timestamp_us = 12, .value = STR("")};
        write.cells = &more;
        write.cell_count = 1;
        put(table, store, &write);
        upsert(table, stores.store[store], rows, &(struct table_write){.timestamp_us = 20});
        assert_scan(table, NULL, want);
        batch_unref(rows);
    }
}

/* ---- counters and jobs ---- */

struct counting {
    struct table_job job;
    struct table *table;
    struct io_mutex lock;
    struct io_condition condition;
    int64_t delta;
    bool done;
};

static enum err count_run(struct table_job *job)
{
    struct counting *counting = job->owner;
    struct table_reader *reader = table_reader_new();
    static const char one[4] = {0, 0, 0, 1};
    struct str partition[1] = {str_from(one, 4)};
    uint8_t delta[8];
    put_be64(delta, (uint64_t)counting->delta);
    struct table_cell cell = {.column = 1, .value = str_from(delta, 8), .timestamp_us = 5};
    struct table_row_write write = {.key = {partition, NULL, 0}, .cells = &cell, .cell_count = 1};
    enum err err = OK;
    /* Twice, to be seen by itself. */
    for (int i = 0; i < 2 && !err; i++)
        err = table_counter_add(reader, job->batch, counting->table, &write);
    table_reader_free(reader);
    return counting->delta == 13 ? ERR_CONFLICT : err;
}

static void count_done(struct table_job *job)
{
    struct counting *counting = job->owner;
    io_mutex_lock(&counting->lock);
    counting->done = true;
    io_condition_signal(&counting->condition);
    io_mutex_unlock(&counting->lock);
}

static void counters(void **state)
{
    enum { JOBS = 30 };
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("n", type_simple(TYPE_BIGINT), "counter", TABLE_REGULAR, TABLE_COUNTER),
        };
        struct table *table = make(store, "counters", columns, 2);
        struct counting jobs[JOBS];
        int64_t sum = 0;
        for (int i = 0; i < JOBS; i++) {
            jobs[i] = (struct counting){.table = table, .delta = i};
            jobs[i].job = (struct table_job){.batch = table_batch_new(stores.store[store]),
                                             .run = count_run,
                                             .done = count_done,
                                             .owner = &jobs[i],
                                             .sync = i % 3 == 0};
            io_mutex_init(&jobs[i].lock);
            io_condition_init(&jobs[i].condition);
        }
        for (int i = 0; i < JOBS; i++)
            table_submit(stores.store[store], &jobs[i].job);
        for (int i = 0; i < JOBS; i++) {
            io_mutex_lock(&jobs[i].lock);
            while (!jobs[i].done)
                io_condition_wait(&jobs[i].condition, &jobs[i].lock, -1);
            io_mutex_unlock(&jobs[i].lock);
            assert_err(i == 13 ? ERR_CONFLICT : OK, jobs[i].job.err);
            sum += i == 13 ? 0 : 2 * i;
            table_batch_free(jobs[i].job.batch);
            io_mutex_deinit(&jobs[i].lock);
            io_condition_deinit(&jobs[i].condition);
        }
        char want[64];
        snprintf(want, sizeof want, "1|%lld\n", (long long)sum);
        assert_scan(table, NULL, want);
        put_one(table, store, 1, STR_NONE, 1000000);
        assert_scan(table, NULL, "");
    }
}

/* ---- definitions that change ---- */

static void changed_definitions(void **state)
{
    const struct type *text = type_simple(TYPE_STRING);
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("a", text, "text", TABLE_REGULAR, TABLE_ONE_CELL),
            column("b", text, "text", TABLE_REGULAR, TABLE_ONE_CELL),
        };
        struct table_store *in = stores.store[store];
        struct table *table = make(store, "changed", columns, 3);
        put_one(table, store, 1, STR("old"), 100);
        assert_err(ERR_NOT_FOUND, table_drop_column(in, table, STR("x")));
        assert_err(ERR_INVALID, table_drop_column(in, table, STR("p")));
        assert_ok(table_drop_column(in, table, STR("a")));
        /* Its cells make no row live any more, to neither face. */
        assert_read(table, NULL, "");
        assert_scan(table, NULL, "");
        put_one(table, store, 1, STR("B"), 1);
        assert_read(table, NULL, "1 b=B@1\n");
        assert_err(ERR_EXISTS, table_add_columns(in, table, &columns[2], 1));
        assert_err(ERR_INVALID, table_add_columns(in, table, &columns[0], 1));
        assert_ok(table_add_columns(in, table, &columns[1], 1));
        assert_read(table, NULL, "1 b=B@1\n");
        put_one(table, store, 2, STR("new"), 2);
        assert_ok(table_rename_column(in, table, STR("b"), STR("c")));
        assert_err(ERR_EXISTS, table_rename_column(in, table, STR("a"), STR("c")));
        assert_ok(table_rename_column(in, table, STR("p"), STR("id")));
        assert_ok(table_set_ttl_default(in, table, 60));
        if (!store) {
            stores_reopen(&stores);
            in = stores.store[0];
            table = table_find(in, STR("k"), STR("changed"));
        }
        assert_read(table, NULL, "1 c=B@1 a=new@2\n");
        assert_int_equal(60, table_definition(table)->ttl_default_s);
        assert_str("id", table_definition(table)->columns[0].name);
        assert_ok(table_drop_column(in, table, STR("a")));
        assert_ok(table_add_columns(in, table, &columns[1], 1));
        assert_read(table, NULL, "1 c=B@1\n");
    }
}

/* A column that comes again shows what was written after the time of its drop. */
static void column_again(void **state)
{
    const struct type *text = type_simple(TYPE_STRING);
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("a", text, "text", TABLE_REGULAR, TABLE_ONE_CELL),
            column("b", text, "text", TABLE_REGULAR, TABLE_ONE_CELL),
        };
        struct table_store *in = stores.store[store];
        struct table *table = make(store, "again", columns, 3);
        put_one(table, store, 1, STR("A"), 100);
        put_one(table, store, 2, STR("B"), 5);
        assert_ok(table_drop_column_at(in, table, STR("a"), 99));
        assert_read(table, NULL, "1 b=B@5\n");
        if (!store) {
            stores_reopen(&stores);
            in = stores.store[0];
            table = table_find(in, STR("k"), STR("again"));
        }
        assert_ok(table_add_columns(in, table, &columns[1], 1));
        assert_str("a", table_definition(table)->columns[1].name);
        assert_read(table, NULL, "1 a=A@100 b=B@5\n");
        /* Dropped again, at an earlier time: what was gone stays gone. */
        assert_ok(table_drop_column_at(in, table, STR("a"), 10));
        assert_ok(table_add_columns(in, table, &columns[1], 1));
        assert_read(table, NULL, "1 a=A@100 b=B@5\n");
        assert_ok(table_drop_column_at(in, table, STR("a"), 100));
        assert_ok(table_drop_column_at(in, table, STR("b"), 4));
        assert_read(table, NULL, "");
        assert_ok(table_add_columns(in, table, &columns[1], 2));
        assert_read(table, NULL, "1 b=B@5\n");
        put_one(table, store, 1, STR("early"), 50);
        assert_read(table, NULL, "1 b=B@5\n");
        if (!store) {
            stores_reopen(&stores);
            in = stores.store[0];
            table = table_find(in, STR("k"), STR("again"));
        }
        assert_read(table, NULL, "1 b=B@5\n");
        put_one(table, store, 1, STR("new"), 101);
        assert_read(table, NULL, "1 a=new@101 b=B@5\n");
    }
}

static void grown_user_type(void **state)
{
    const struct type *text = type_simple(TYPE_STRING);
    struct field fields[] = {{STR("a"), text, false, STR("text")},
                             {STR("b"), text, false, STR("uuid")}};
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("u", type_struct(&test_arena, fields, 1), "frozen<t>", TABLE_REGULAR,
                   TABLE_ONE_CELL),
        };
        struct table_store *in = stores.store[store];
        struct table *table = make(store, "grown", columns, 2);
        put_one(table, store, 1, BYTES("\0\0\0\1x"), 1);
        assert_ok(table_retype_column(in, table, STR("u"), type_struct(&test_arena, fields, 2),
                                      STR("frozen<t>")));
        assert_scan(table, NULL, "1|{x, null}\n");
        if (!store) {
            stores_reopen(&stores);
            table = table_find(stores.store[0], STR("k"), STR("grown"));
        }
        put_one(table, store, 1,
                BYTES("\0\0\0\1x\0\0\0\x10"
                      "0123456789abcdef"),
                2);
        assert_scan(table, NULL, "1|{x, 30313233-3435-3637-3839-616263646566}\n");
    }
}

/* ---- append-only tables ---- */

static void append_only(void **state)
{
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("n", type_simple(TYPE_INT), "", TABLE_REGULAR, TABLE_ONE_CELL),
        };
        struct table_definition definition = {STR("k"), STR("lines"), columns, 1, true, 0};
        struct table *table;
        assert_ok(table_create(stores.store[store], &definition, NULL, &table));
        struct table_batch *batch = table_batch_new(stores.store[store]);
        struct batch *rows =
            batch_of(ddl("n INT"), 5, (const char *[]){"10", "11", "12", "13", "14"});
        struct table_place places[] = {{0, 5, 0}, {0, 5, 1}, {1, 0, 0}, {2, 7, 0}, {2, 9, 0}};
        struct table_write how = {.timestamp_us = 3};
        assert_ok(table_batch_append(batch, table, rows, 0, 5, places, &how, NULL, NULL));
        commit(stores.store[store], batch);
        batch_unref(rows);
        struct str partition[1] = {cql_int(2)};
        struct str values[2] = {cql_bigint(7), cql_int(0)};
        struct table_row_write write = {.key = {partition, values, 2}, .marker = true};
        assert_err(ERR_UNSUPPORTED, table_batch_cells(batch, table, &write));
        assert_err(ERR_UNSUPPORTED, table_batch_delete_row(batch, table, &write.key, 5));
        table_batch_free(batch);
        /* In the order of tokens, on behind each row, both ways. */
        for (int reverse = 0; reverse < 2; reverse++) {
            struct table_read_options options = {
                .token_from = INT64_MIN, .token_to = INT64_MAX, .reverse = reverse};
            struct buf position = {0};
            int64_t last = reverse ? INT64_MAX : INT64_MIN;
            int count = 0, sum = 0;
            for (;; count++) {
                struct table_read *read;
                const struct table_row *row;
                options.resume = buf_str(&position);
                assert_ok(table_read_open(table, &options, &read));
                assert_ok(table_read_next(read, &row));
                if (!row) {
                    table_read_close(read);
                    break;
                }
                assert_true(reverse ? row->token <= last : row->token >= last);
                assert_int_equal(table_token(table, row->partition), row->token);
                last = row->token;
                sum += (int)get_be32(row->cells[0].value.ptr);
                buf_reset(&position);
                table_read_position(read, &position);
                table_read_close(read);
            }
            assert_int_equal(5, count);
            assert_int_equal(60, sum);
            buf_deinit(&position);
        }
        struct table_read_options slice = {.partition = partition, .from = {values, 1, false}};
        struct table_read *read;
        const struct table_row *row;
        assert_ok(table_read_open(table, &slice, &read));
        assert_ok(table_read_next(read, &row));
        assert_int_equal(9, get_be64(row->clustering[0].ptr));
        assert_ok(table_read_next(read, &row));
        assert_null(row);
        table_read_close(read);
        struct table_reader *reader = table_reader_new();
        assert_ok(table_read_row(reader, table, &write.key, NULL, 0, &row));
        assert_int_equal(13, get_be32(row->cells[0].value.ptr));
        table_reader_free(reader);
    }
}

/* Passing over partitions, also over a stop in between. */
static void skipped_partitions(void **state)
{
    for (int store = 0; store < 2; store++) {
        struct table_column columns[] = {
            column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
            column("c", type_simple(TYPE_INT), "int", TABLE_CLUSTERING_ASC, TABLE_ONE_CELL),
        };
        struct table *table = make(store, "skipped", columns, 2);
        for (int i = 0; i < 12; i++) {
            struct str partition[1] = {cql_int(i / 3)}, clustering[1] = {cql_int(i % 3)};
            put(table, store,
                &(struct table_row_write){.key = {partition, clustering, 1}, .marker = true});
        }
        for (int reverse = 0; reverse < 2; reverse++)
            for (int stop = 0; stop < 2; stop++) {
                struct table_read_options options = {
                    .token_from = INT64_MIN, .token_to = INT64_MAX, .reverse = reverse};
                struct table_read *read;
                const struct table_row *row;
                struct buf position = {0};
                int count = 0;
                assert_ok(table_read_open(table, &options, &read));
                for (;; count++) {
                    assert_ok(table_read_next(read, &row));
                    if (!row)
                        break;
                    assert_true(row->partition_begins);
                    table_read_skip_partition(read);
                    if (!stop)
                        continue;
                    buf_reset(&position);
                    table_read_position(read, &position);
                    table_read_close(read);
                    options.resume = buf_str(&position);
                    assert_ok(table_read_open(table, &options, &read));
                }
                assert_int_equal(4, count);
                table_read_close(read);
                buf_deinit(&position);
            }
    }
}

/* ---- stores of before ---- */

/* What a store of format 1 has: a table, two rows and the deletion of a partition up to 5. */
static void write_version_1(struct table_store *store)
{
    static const char definition[] = "\0\0\0\1\1\0\0\1k\3old\3"
                                     "\1p\0\1\0\4\0\0\0\1c\0\2\0\4\0\0\0\1v\0\0\1\4\0\0";
    static const char old_row[] = "\x10\4\0\0\0\0\0\0\0\x8\4\0\0\0\x9";
    static const char new_row[] = "\x10\6\0\0\0\0\0\0\0\x8\4\0\0\0\x9";
    static const char deletion[] = "\x16\0\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0";
    uint8_t partition[17] = {3, 0, 0, 0, 1};
    put_be64(partition + 5, (uint64_t)hash_token("\0\0\0\1", 4) ^ 1ull << 63);
    partition[16] = 1;
    struct buf ops = {0}, key = {0};
    ops_reset(&ops);
    ops_add(&ops, OP_PUT, STR("\0version"), STR("\1"));
    ops_add(&ops, OP_PUT, STR("\0next"), BYTES("\0\0\0\2"));
    /* The literal's own end is the last byte of the definition. */
    ops_add(&ops, OP_PUT, STR("\1k\0old"), str_from(definition, sizeof definition));
    const struct {
        const char *tail, *value;
        size_t tail_bytes, bytes;
    } records[] = {{"\2\x80\0\0\1", old_row, 5, sizeof old_row - 1},
                   {"\2\x80\0\0\2", new_row, 5, sizeof new_row - 1},
                   {"\0", deletion, 1, sizeof deletion - 1}};
    for (size_t i = 0; i < 3; i++) {
        buf_reset(&key);
        buf_append(&key, partition, sizeof partition);
        buf_append(&key, records[i].tail, records[i].tail_bytes);
        ops_add(&ops, OP_MERGE, buf_str(&key), str_from(records[i].value, records[i].bytes));
    }
    assert_ok(store->backend->ops->commit(store->backend, buf_str(&ops), true));
    buf_deinit(&ops);
    buf_deinit(&key);
}

static void store_of_version_1(void **state)
{
    struct table_column more =
        column("w", type_simple(TYPE_INT), "int", TABLE_REGULAR, TABLE_ONE_CELL);
    write_version_1(stores.store[0]);
    for (int round = 0; round < 3; round++) {
        stores_reopen(&stores);
        struct table *table = table_find(stores.store[0], STR("k"), STR("old"));
        assert_non_null(table);
        assert_read(table, NULL, "1/2 v=9@6\n");
        struct str partition[1] = {cql_int(1)}, clustering[1] = {cql_int(1)};
        struct table_key key = {partition, clustering, 1};
        struct table_reader *reader = table_reader_new();
        const struct table_row *row;
        assert_err(ERR_NOT_FOUND, table_read_row(reader, table, &key, NULL, 0, &row));
        table_reader_free(reader);
        if (round == 1)
            assert_ok(table_add_columns(stores.store[0], table, &more, 1));
    }
}

/* They come from outside. */
static void bad_positions(void **state)
{
    struct table_column columns[] = {
        column("p", type_simple(TYPE_INT), "int", TABLE_PARTITION_KEY, TABLE_ONE_CELL),
        column("c", type_simple(TYPE_INT), "int", TABLE_CLUSTERING_ASC, TABLE_ONE_CELL),
    };
    struct table *table = make(1, "positions", columns, 2);
    struct str partition[1] = {cql_int(1)};
    const struct str bad[] = {STR("x"), BYTES("\1"), BYTES("\1\0\0"),
                              BYTES("\1\0\0\0\0\0\0\0\0\0\0\0\2\2\0\0\0\0"),
                              BYTES("\3\0\0\0\0\0\0\0\0\0\0\0\1\2\0\0\0\0")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct table_read_options options = {.partition = partition, .resume = bad[i]};
        struct table_read *read;
        assert_err(ERR_CORRUPT, table_read_open(table, &options, &read));
    }
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(names_of_types),
        EACH(clustering_of_any_size),
        EACH(clustering_of_nested),
        EACH(scans_of_cql_values),
        EACH(times_of_ours),
        EACH(refused_keys),
        EACH(clustering_that_ends),
        EACH(collections),
        EACH(counters),
        EACH(changed_definitions),
        EACH(column_again),
        EACH(grown_user_type),
        EACH(append_only),
        EACH(skipped_partitions),
        EACH(bad_positions),
        EACH(store_of_version_1),
    };
    int failed = RUN_TESTS(tests);
    arena_deinit(&test_arena);
    return failed;
}
