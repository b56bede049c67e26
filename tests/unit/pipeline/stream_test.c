/* SPDX-License-Identifier: MIT */
/* A stream from records to rows, with a real log and real tables: what is stored, filtered and
 * dead, what the books say, and what a crash between two steps leaves. */
#include "lab.h"

#define ORDERS "sources:\n  raw:\n    schema: id BIGINT, name STRING, tags ARRAY<STRING>\n"
#define KEYED "targets:\n  orders: {key: [id]}\n"
#define PLAIN "CREATE STREAMING TABLE orders AS SELECT id, name FROM STREAM raw WHERE id > 0;\n"

static void test_plain(void **state)
{
    struct lab lab;
    size_t records = 7;
    lab_open(&lab, ORDERS, PLAIN);
    assert_ok(stream_epoch(&lab.streams[0], &records));
    assert_int_equal(0, records);
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"a\"}", "{\"id\":-1}", "{\"id\":2}");
    assert_int_equal(3, stream_lag(&lab.streams[0]));
    assert_ok(stream_epoch(&lab.streams[0], &records));
    assert_int_equal(3, records);
    assert_int_equal(0, stream_lag(&lab.streams[0]));
    lab_expect_rows(&lab, "orders", "1|a\n2|NULL\n");
    lab_expect_books(&lab, 0, "3 2 1 0 2");
    LAB_PUT(&lab, "{\"id\":2,\"name\":\"again\"}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|a\n2|NULL\n2|again\n");
    lab_expect_books(&lab, 0, "4 3 1 0 3");
    assert_int_equal(4, lab.streams[0].latency.count);
    lab_expect_letters(&lab, "raw", "");
    lab_close(&lab);
}

static void test_restart(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS, PLAIN);
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"a\"}", "{\"id\":-1}", "no JSON");
    lab_run(&lab);
    struct stream_books before = lab.streams[0].books;
    lab_restart(&lab);
    assert_memory_equal(&before, &lab.streams[0].books, sizeof before);
    assert_int_equal(3, lab.streams[0].partitions[0].offset_next);
    LAB_PUT(&lab, "{\"id\":2,\"name\":\"b\"}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|a\n2|b\n");
    lab_expect_books(&lab, 0, "4 2 1 1 2");
    lab_close(&lab);
}

static void test_last_wins(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS KEYED, PLAIN);
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"old\"}", "{\"id\":2,\"name\":\"x\"}",
            "{\"id\":1,\"name\":\"new\"}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|new\n2|x\n");
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"newer\"}", "{\"id\":2}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|newer\n2|NULL\n");
    lab_restart(&lab);
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"newest\"}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|newest\n2|NULL\n");
    lab_expect_books(&lab, 0, "6 6 0 0 6");
    lab_close(&lab);
}

static void test_corrupt(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS, PLAIN);
    LAB_PUT(&lab, "k1\t{\"id\":1,\"name\":\"a\"}", "k2\t{\"id\":\"x\"}", "k3\t[1", "k4\t",
            "k5\t{\"id\":2}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|a\n2|NULL\n");
    lab_expect_letters(&lab, "raw",
                       "0@1  MALFORMED_RECORD_IN_PARSING 1 {\"id\":\"x\"}\n"
                       "0@2  MALFORMED_RECORD_IN_PARSING 1 [1\n"
                       "0@3  MALFORMED_RECORD_IN_PARSING 1 \n");
    lab_expect_books(&lab, 0, "5 2 0 3 2");
    lab_close(&lab);
}

static void test_fail(void **state)
{
    struct lab lab;
    size_t records;
    lab_open(&lab, ORDERS "    on_error: fail\n", PLAIN);
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"a\"}");
    lab_run(&lab);
    LAB_PUT(&lab, "{\"id\":2}", "no JSON", "{\"id\":3}");
    assert_err(ERR_INVALID, stream_epoch(&lab.streams[0], &records));
    assert_int_equal(STREAM_FAILED, stream_get_state(&lab.streams[0]));
    assert_non_null(strstr(lab.streams[0].detail, "raw-0@2"));
    lab_expect_rows(&lab, "orders", "1|a\n");
    lab_expect_letters(&lab, "raw", "");
    lab_expect_books(&lab, 0, "1 1 0 0 1");
    lab_restart(&lab);
    assert_err(ERR_INVALID, stream_epoch(&lab.streams[0], &records));
    lab_expect_rows(&lab, "orders", "1|a\n");
    lab_close(&lab);
}

static void test_failed_expression(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS,
             "CREATE STREAMING TABLE orders AS SELECT id, CAST(name AS INT) AS n FROM STREAM raw;");
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"5\"}", "{\"id\":2,\"name\":\"x\"}",
            "{\"id\":3,\"name\":\"6\"}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|5\n3|6\n");
    lab_expect_letters(&lab, "raw", "0@1 orders CAST_INVALID_INPUT 1 {\"id\":2,\"name\":\"x\"}\n");
    lab_expect_books(&lab, 0, "3 2 0 1 2");
    lab_close(&lab);
}

/* A record that explodes into rows of which one is refused: none of them is stored. */
static void test_refused_row(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS "targets:\n  orders: {key: [tag]}\n",
             "CREATE STREAMING TABLE orders AS\n"
             "SELECT tag, id FROM STREAM raw LATERAL VIEW explode(tags) t AS tag;\n");
    LAB_PUT(&lab, "{\"id\":1,\"tags\":[\"a\",\"b\"]}", "{\"id\":2,\"tags\":[\"c\",null,\"d\"]}",
            "{\"id\":3,\"tags\":[]}", "{\"id\":4,\"tags\":[\"e\"]}", "{\"id\":5,\"tags\":[null]}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "a|1\nb|1\ne|4\n");
    lab_expect_books(&lab, 0, "5 2 1 2 3");
    CLEAN(buf_deinit) struct buf letters = {0};
    lab_letters(&lab, "raw", &letters);
    assert_true(str_starts(buf_str(&letters), STR("0@1 orders ")));
    assert_int_not_equal(SIZE_MAX, str_find(buf_str(&letters), STR("0@4 orders "), 0));
    lab_close(&lab);
}

static void test_declared_type(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS "targets:\n  orders: {key: [name], types: {name: uuid}}\n", PLAIN);
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"no uuid\"}",
            "{\"id\":2,\"name\":\"0b0e0a9c-7b4e-4b7e-8d4e-2f1f0c3c5a11\"}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "0b0e0a9c-7b4e-4b7e-8d4e-2f1f0c3c5a11|2\n");
    lab_expect_books(&lab, 0, "2 1 0 1 1");
    lab_close(&lab);
}

/* Two tables read one source: one letter for what does not decode, one a table for the rest. */
static void test_two_tables(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS,
             PLAIN "CREATE STREAMING TABLE numbers AS SELECT CAST(name AS INT) AS n "
                   "FROM STREAM raw;\n");
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"x\"}", "no JSON", "{\"id\":0,\"name\":\"7\"}");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|x\n");
    lab_expect_rows(&lab, "numbers", "7\n");
    lab_expect_letters(&lab, "raw",
                       "0@0 numbers CAST_INVALID_INPUT 1 {\"id\":1,\"name\":\"x\"}\n"
                       "0@1  MALFORMED_RECORD_IN_PARSING 1 no JSON\n");
    lab_expect_books(&lab, 0, "3 1 1 1 1");
    lab_expect_books(&lab, 1, "3 1 0 2 1");
    lab_close(&lab);
}

/* What replay writes: only the table that refused it takes it, and the attempts count up. */
static void test_replay_marks(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS,
             PLAIN "CREATE STREAMING TABLE numbers AS SELECT CAST(name AS INT) AS n "
                   "FROM STREAM raw;\n");
    struct dead_letter letter = {.table = STR("numbers"), .attempt = 1};
    struct record_header headers[2];
    CLEAN(buf_deinit) struct buf text = {0};
    size_t count = replay_mark_headers(&letter, &text, headers);
    assert_int_equal(2, count);
    lab_put_with(
        &lab, 0, CODEC_NONE,
        (const char *const[]){"{\"id\":1,\"name\":\"x\"}", "{\"id\":2,\"name\":\"8\"}", NULL},
        headers, count);
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "");
    lab_expect_rows(&lab, "numbers", "8\n");
    lab_expect_letters(&lab, "raw", "0@0 numbers CAST_INVALID_INPUT 2 {\"id\":1,\"name\":\"x\"}\n");
    lab_expect_books(&lab, 0, "2 0 2 0 0");
    lab_expect_books(&lab, 1, "2 1 0 1 1");
    lab_close(&lab);
}

/* The letters of an epoch are on disk, its commit is not: nothing is there twice afterwards. */
static void test_crash_before_commit(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS,
             PLAIN "CREATE STREAMING TABLE numbers AS SELECT CAST(name AS INT) AS n "
                   "FROM STREAM raw;\n");
    LAB_PUT(&lab, "{\"id\":1,\"name\":\"1\"}", "early");
    lab_run(&lab);
    lab_save(&lab);
    LAB_PUT(&lab, "{\"id\":2,\"name\":\"x\"}", "late", "{\"id\":3,\"name\":\"3\"}");
    lab_run(&lab);
    lab_crash(&lab);
    lab_expect_books(&lab, 0, "2 1 0 1 1");
    assert_int_equal(3, stream_lag(&lab.streams[0]));
    LAB_PUT(&lab, "after");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|1\n2|x\n3|3\n");
    lab_expect_rows(&lab, "numbers", "1\n3\n");
    lab_expect_letters(&lab, "raw",
                       "0@1  MALFORMED_RECORD_IN_PARSING 1 early\n"
                       "0@2 numbers CAST_INVALID_INPUT 1 {\"id\":2,\"name\":\"x\"}\n"
                       "0@3  MALFORMED_RECORD_IN_PARSING 1 late\n"
                       "0@5  MALFORMED_RECORD_IN_PARSING 1 after\n");
    lab_expect_books(&lab, 0, "6 3 0 3 3");
    lab_expect_books(&lab, 1, "6 2 0 4 2");
    lab_close(&lab);
}

static struct dead_letter some_letter(int64_t offset)
{
    return (struct dead_letter){.value = STR("v"),
                                .table = STR("orders"),
                                .topic = STR("raw"),
                                .offset = offset,
                                .error = STR("no"),
                                .error_class = STR("C"),
                                .attempt = 1};
}

/* An epoch whose commit failed (a full disk) is run again by the same process. */
static void test_flush_again(void **state)
{
    struct lab lab;
    int64_t end = -1;
    struct dead_letter a = some_letter(5), b = some_letter(6);
    lab_open(&lab, ORDERS, PLAIN);
    struct dead_letters *letters = lab.streams[0].dead_letters;
    dead_letters_add(letters, &a);
    assert_ok(dead_letters_flush(letters, &end));
    assert_int_equal(1, end);
    dead_letters_reset(letters);
    dead_letters_add(letters, &a);
    dead_letters_add(letters, &b);
    assert_ok(dead_letters_flush(letters, &end));
    assert_int_equal(2, end);
    /* What was put for an epoch that never came to its flush is forgotten. */
    struct dead_letter c = some_letter(7);
    dead_letters_add(letters, &c);
    dead_letters_reset(letters);
    assert_ok(dead_letters_flush(letters, &end));
    assert_int_equal(2, end);
    dead_letters_add(letters, &c);
    assert_ok(dead_letters_flush(letters, &end));
    lab_expect_letters(&lab, "raw", "0@5 orders C 1 v\n0@6 orders C 1 v\n0@7 orders C 1 v\n");
    lab_close(&lab);
}

static void test_partitions_and_codecs(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS "    topic: {partitions: 3}\n", PLAIN);
    static const enum codec codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4,
                                        CODEC_ZSTD};
    char value[64];
    for (int i = 0; i < 15; i++) {
        snprintf(value, sizeof value, "{\"id\":%d,\"name\":\"p%d\"}", i + 1, i % 3);
        lab_put_with(&lab, i % 3, codecs[i % 5],
                     (const char *const[]){value, "key\t{\"id\":0}", NULL}, NULL, 0);
    }
    struct stream *stream = &lab.streams[0];
    struct epoch epoch = {0};
    assert_ok(epoch_gather(&epoch, stream, 1 << 20));
    assert_int_equal(30, epoch.count);
    for (size_t i = 0; i < epoch.count; i++) {
        assert_int_equal(i / 10, epoch.partitions[i]);
        assert_int_equal(i % 10, epoch.offsets[i]);
        assert_true(str_starts(epoch.values[i], STR("{\"id\":")));
        assert_int_equal(i % 2, epoch.keys[i].ptr != NULL);
        assert_int_equal(1700000000000, epoch.timestamps_ms[i]);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(10, epoch.offset_next[i]);
    epoch_deinit(&epoch);
    /* From the middle of a batch. */
    for (int i = 0; i < 3; i++)
        stream->partitions[i].offset_next = 7;
    assert_ok(epoch_gather(&epoch, stream, 1 << 20));
    assert_int_equal(9, epoch.count);
    assert_int_equal(7, epoch.offsets[0]);
    epoch_deinit(&epoch);
    /* At least one batch of each partition comes, however small the budget. */
    assert_ok(epoch_gather(&epoch, stream, 1));
    assert_int_equal(3, epoch.count);
    assert_int_equal(8, epoch.offset_next[0]);
    epoch_deinit(&epoch);
    for (int i = 0; i < 3; i++)
        stream->partitions[i].offset_next = 0;
    lab_run(&lab);
    lab_expect_books(&lab, 0, "30 15 15 0 15");
    lab_close(&lab);
}

static void test_retention(void **state)
{
    struct lab lab;
    lab_open(&lab, ORDERS, PLAIN);
    LAB_PUT(&lab, "{\"id\":1}");
    LAB_PUT(&lab, "{\"id\":2}");
    assert_ok(log_partition_trim(lab.streams[0].partitions[0].partition, 1));
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "2|NULL\n");
    assert_int_equal(0, stream_lag(&lab.streams[0]));
    lab_expect_books(&lab, 0, "1 1 0 0 1");
    assert_int_equal(1, lab.streams[0].books.missed);
    assert_int_equal(0, lab.streams[0].books.passed);
    lab_close(&lab);
}

static void marked(struct log_append *append)
{
    __atomic_store_n((bool *)append->owner, true, __ATOMIC_RELEASE);
}

static void mark(struct lab *lab, bool commit)
{
    CLEAN(buf_deinit) struct buf out = {0};
    bool answered = false;
    log_marker_encode(7, 0, commit, 0, 1700000000000, &out);
    struct log_append append = {.batches = out.ptr,
                                .bytes = out.bytes,
                                .done = marked,
                                .owner = &answered,
                                .control = true};
    assert_ok(log_append(lab->streams[0].partitions[0].partition, &append));
    while (!__atomic_load_n(&answered, __ATOMIC_ACQUIRE))
        io_sleep_ns(lab->io, 1000000);
    assert_ok(append.err);
}

static void put_in_transaction(struct lab *lab, int32_t sequence, const char *value)
{
    CLEAN(buf_deinit) struct buf out = {0};
    struct record_batch_builder b;
    record_batch_builder_init(&b, CODEC_NONE, 0);
    b.producer_id = 7;
    b.producer_epoch = 0;
    b.base_sequence = sequence;
    b.attributes = BATCH_TRANSACTIONAL;
    record_batch_builder_add(&b, 1700000000000, STR_NONE, str_of(value), NULL, 0);
    assert_ok(record_batch_builder_finish(&b, &out));
    record_batch_builder_deinit(&b);
    assert_ok(log_append_wait(lab->streams[0].partitions[0].partition, out.ptr, out.bytes, NULL));
}

/* What producers abort is no row, what is open waits, and the books count markers as passed. */
static void test_transactions(void **state)
{
    struct lab lab;
    size_t records;
    lab_open(&lab, ORDERS, PLAIN);
    LAB_PUT(&lab, "{\"id\":1}");
    put_in_transaction(&lab, 0, "{\"id\":2,\"name\":\"aborted\"}");
    LAB_PUT(&lab, "{\"id\":3}");
    assert_int_equal(1, stream_lag(&lab.streams[0]));
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|NULL\n");
    assert_int_equal(0, stream_lag(&lab.streams[0]));
    mark(&lab, false);
    assert_int_equal(3, stream_lag(&lab.streams[0]));
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|NULL\n3|NULL\n");
    assert_int_equal(2, lab.streams[0].books.passed);
    put_in_transaction(&lab, 1, "{\"id\":4,\"name\":\"committed\"}");
    mark(&lab, true);
    lab_run(&lab);
    mark(&lab, true); /* a marker alone moves the offset too */
    assert_ok(stream_epoch(&lab.streams[0], &records));
    assert_int_equal(0, records);
    lab_expect_rows(&lab, "orders", "1|NULL\n3|NULL\n4|committed\n");
    lab_expect_books(&lab, 0, "3 3 0 0 3");
    assert_int_equal(4, lab.streams[0].books.passed);
    assert_int_equal(7, lab.streams[0].partitions[0].offset_next);
    lab_restart(&lab);
    assert_int_equal(4, lab.streams[0].books.passed);
    assert_int_equal(0, lab.streams[0].books.missed);
    assert_int_equal(0, stream_lag(&lab.streams[0]));
    lab_close(&lab);
}

static void test_kinds_of_value(void **state)
{
    struct lab lab;
    lab_open(&lab, "sources:\n  raw: {value: text}\n",
             "CREATE STREAMING TABLE orders AS SELECT upper(value) AS v FROM STREAM raw;");
    LAB_PUT(&lab, "a b", "");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "A B\n"); /* and an empty one, which is no line here */
    assert_int_equal(2, lab.streams[0].books.rows);
    lab_close(&lab);
    lab_open(&lab, "sources:\n  raw: {value: csv, schema: \"id INT, name STRING\"}\n",
             "CREATE STREAMING TABLE orders AS SELECT name, id FROM STREAM raw;");
    LAB_PUT(&lab, "1,a", "x,b", "2,\"c,d\"");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "a|1\nc,d|2\n");
    lab_expect_books(&lab, 0, "3 2 0 1 2");
    lab_close(&lab);
    lab_open(&lab, "sources:\n  raw: {value: raw}\n",
             "CREATE STREAMING TABLE orders AS SELECT CAST(key AS STRING) AS k, "
             "CAST(value AS STRING) AS v, topic, partition, offset FROM STREAM raw;");
    LAB_PUT(&lab, "k0\tv0", "v1");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "NULL|v1|raw|0|1\nk0|v0|raw|0|0\n");
    lab_close(&lab);
    lab_open(&lab, "sources:\n  raw: {schema: \"id INT, _corrupt_record STRING\"}\n",
             "CREATE STREAMING TABLE orders AS SELECT id, _corrupt_record AS c FROM STREAM raw;");
    LAB_PUT(&lab, "{\"id\":1}", "no JSON");
    lab_run(&lab);
    lab_expect_rows(&lab, "orders", "1|NULL\nNULL|no JSON\n");
    lab_expect_books(&lab, 0, "2 2 0 0 2");
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_last_wins),
        cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_failed_expression),
        cmocka_unit_test(test_refused_row),
        cmocka_unit_test(test_declared_type),
        cmocka_unit_test(test_two_tables),
        cmocka_unit_test(test_replay_marks),
        cmocka_unit_test(test_crash_before_commit),
        cmocka_unit_test(test_flush_again),
        cmocka_unit_test(test_partitions_and_codecs),
        cmocka_unit_test(test_retention),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_kinds_of_value),
    };
    return RUN_TESTS(tests);
}
