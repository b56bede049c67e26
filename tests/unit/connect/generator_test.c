/* SPDX-License-Identifier: MIT */
/* Generated rows: types, repeatability, going on after a restart, pace. */
#include "connect/connect.h"
#include "format/json.h"
#include "source.h"

static void make(struct bench *b, const char *rows)
{
    bench_open(b, "generator", 1);
    tree_set(&b->settings, "rows", rows);
    tree_set(&b->settings, "seed", "7");
    tree_set(&b->settings, "columns.id", "uuid");
    tree_set(&b->settings, "columns.n", "sequence");
    tree_set(&b->settings, "columns.amount", "decimal(10,2)");
    tree_set(&b->settings, "columns.dice", "int(1..6)");
    tree_set(&b->settings, "columns.kind", "choice(a|b \"c\")");
    tree_set(&b->settings, "columns.name", "string(5)");
    tree_set(&b->settings, "columns.day", "date");
    tree_set(&b->settings, "columns.time", "timestamp");
    tree_set(&b->settings, "columns.flag", "boolean");
    tree_set(&b->settings, "columns.big", "bigint");
    tree_set(&b->settings, "columns.real", "double");
    tree_set(&b->settings, "key", "$.id");
}

static void check_row(void *owner, const struct record *record)
{
    int64_t *row = owner, n = 0;
    assert_ok(json_validate(record->value, 0, NULL));
    assert_ok(str_to_i64(json_member(record->value, "n"), &n));
    assert_int_equal(++*row, n);
    assert_ok(str_to_i64(json_member(record->value, "dice"), &n));
    assert_in_range(n, 1, 6);
    assert_int_equal(36, record->key.bytes);
    assert_int_equal(7, json_member(record->value, "name").bytes);
    assert_int_equal(12, json_member(record->value, "day").bytes);
    assert_int_equal(26, json_member(record->value, "time").bytes);
    assert_int_equal(JSON_KIND_NUMBER, json_kind(json_member(record->value, "amount")));
    assert_int_equal(JSON_KIND_BOOL, json_kind(json_member(record->value, "flag")));
}

static void test_rows(void **state)
{
    struct bench a, b;
    struct buf first = {0}, second = {0};
    int64_t row = 0;
    make(&a, "25000");
    bench_start(&a);
    world_until(&a.w, bench_is_over, &a);
    bench_until_count(&a, 25000);
    world_records(&a.w, 0, check_row, &row);
    bench_collect(&a, &first);
    /* Another run, stopped on the way. */
    make(&b, "25000");
    bench_start(&b);
    for (int i = 0; i < 3; i++) {
        world_turn(&b.w, 1);
        bench_restart(&b);
    }
    world_until(&b.w, bench_is_over, &b);
    bench_restart(&b);
    world_until(&b.w, bench_is_over, &b);
    bench_until_count(&b, 25000);
    bench_collect(&b, &second);
    assert_true(str_equal(buf_str(&first), buf_str(&second)));
    buf_deinit(&first);
    buf_deinit(&second);
    bench_close(&a);
    bench_close(&b);
}

static void test_rate(void **state)
{
    struct bench b;
    bench_open(&b, "generator", 1);
    tree_set(&b.settings, "rate", "1000/s");
    tree_set(&b.settings, "columns.at", "now");
    bench_start(&b);
    int64_t start_ns = io_now_ns(b.w.io);
    struct bench_wait wait = {&b, 100};
    world_until(&b.w, bench_has, &wait);
    assert_true(io_now_ns(b.w.io) - start_ns >= 90000000);
    bench_close(&b);
}

static void test_check(void **state)
{
    static const char *const wrong[] = {"uid",       "int(6..1)", "decimal(0,0)", "decimal(5,6)",
                                        "string(0)", "uuid(3)",   "choice",       "int(1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tree t;
        struct diag_list diags = {0};
        tree_init(&t);
        tree_set(&t, "columns.a", wrong[i]);
        assert_err(ERR_INVALID, connector_find(STR("generator"))->check(&t.root, "m", &diags));
        assert_int_equal(1, diags.count);
        if (i == 0)
            assert_string_equal("did you mean 'uuid'?", diags.items[0].hint);
        diag_list_deinit(&diags);
        tree_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_check),
    };
    return RUN_TESTS(tests);
}
