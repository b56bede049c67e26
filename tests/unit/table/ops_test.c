/* SPDX-License-Identifier: MIT */
/* Lists of operations sorted by key: random ones against a twin that sorts by insertion. */
#include "base/mem.h"
#include "base/prng.h"
#include "table/ops.h"

#include "test.h"

enum { OPS_MAX = 60 };

static void add(struct buf *ops, const struct op *op)
{
    ops_add(ops, op->tag, op->key, op->value);
}

static void random_lists(void **state)
{
    static const char *const keys[] = {"",
                                       "a",
                                       "ab",
                                       "b",
                                       "aaaaaaaaaaaaaaaa",
                                       "aaaaaaaaaaaaaaaab",
                                       "aaaaaaaa",
                                       "aaaaaaaaa",
                                       "\xff",
                                       "aaaaaaaaaaaaaaaac"};
    static const enum op_tag tags[] = {OP_PUT, OP_MERGE, OP_DELETE};
    struct prng prng = {5};
    struct buf ops = {0}, scratch = {0}, want = {0};
    for (int round = 0; round < 2000; round++) {
        struct op list[OPS_MAX];
        char values[OPS_MAX][8];
        size_t count = prng_below(&prng, OPS_MAX);
        ops_reset(&ops);
        for (size_t i = 0; i < count; i++) {
            struct op op = {.tag = tags[prng_below(&prng, 3)],
                            .key = str_of(keys[prng_below(&prng, 10)])};
            snprintf(values[i], sizeof values[i], "%zu", i);
            if (op.tag != OP_DELETE)
                op.value = str_of(values[i]);
            add(&ops, &op);
            size_t at = i;
            for (; at && str_compare(list[at - 1].key, op.key) > 0; at--)
                list[at] = list[at - 1];
            list[at] = op;
        }
        ops_reset(&want);
        for (size_t i = 0; i < count; i++)
            add(&want, &list[i]);
        ops_sort(&ops, &scratch);
        assert_true(str_equal(buf_str(&want), buf_str(&ops)));
        assert_int_equal(count, ops_count(buf_str(&ops)));
    }
    buf_deinit(&ops);
    buf_deinit(&scratch);
    buf_deinit(&want);
}

static void ranges_stay_where_they_are(void **state)
{
    struct buf ops = {0}, before = {0}, scratch = {0};
    ops_reset(&ops);
    ops_add(&ops, OP_PUT, STR("c"), STR("1"));
    ops_add(&ops, OP_DELETE_RANGE, STR("a"), STR("d"));
    ops_add(&ops, OP_PUT, STR("b"), STR("2"));
    buf_str_append(&before, buf_str(&ops));
    ops_sort(&ops, &scratch);
    assert_true(str_equal(buf_str(&before), buf_str(&ops)));
    buf_deinit(&ops);
    buf_deinit(&before);
    buf_deinit(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lists),
        cmocka_unit_test(ranges_stay_where_they_are),
    };
    return RUN_TESTS(tests);
}
