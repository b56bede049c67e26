/* SPDX-License-Identifier: MIT */
/*
 * Columns against a naive twin: a tree of plain values a row. Random types up to three levels deep
 * are filled by builders, taken, repeated, put behind each other, undone and cut; every result is
 * compared with what the twin of the same operation gives, and passes column_check().
 */
#include "test.h"

#include "base/mem.h"
#include "base/prng.h"
#include "base/zone.h"
#include "data/column.h"

/* One value. Nested ones have items: elements, keys and values in turn, or fields. */
struct value {
    bool null;
    __int128 number;
    struct str text;
    struct interval interval;
    struct value *items;
    size_t count;
};

static struct prng prng = {77};

static size_t below(size_t n)
{
    return prng_below(&prng, n);
}

static const struct type *random_type(struct arena *arena, int depth)
{
    static const char names[] = "abcdef";
    size_t kind = below(depth ? TYPE_KIND_COUNT + 3 : TYPE_ARRAY);
    if (kind == TYPE_DECIMAL)
        return type_decimal(arena, 38, 10);
    if (kind < TYPE_ARRAY)
        return type_simple((enum type_kind)kind);
    if (kind == TYPE_ARRAY)
        return type_array(arena, random_type(arena, depth - 1), true);
    if (kind == TYPE_MAP)
        return type_map(arena, random_type(arena, 0), random_type(arena, depth - 1), true);
    struct field fields[4] = {0};
    size_t count = below(5);
    for (size_t i = 0; i < count; i++) {
        fields[i].name = str_from(names + i, 1);
        fields[i].type = random_type(arena, depth - 1);
    }
    return type_struct(arena, fields, count);
}

static struct value random_value(struct arena *arena, const struct type *type)
{
    struct value v = {.null = type->kind == TYPE_NULL || below(5) == 0};
    if (v.null)
        return v;
    v.number = (__int128)prng_next(&prng) >> below(60);
    if (type->kind == TYPE_BOOLEAN)
        v.number &= 1;
    v.interval = (struct interval){(int32_t)below(100), (int32_t)below(100), (int64_t)below(1000)};
    char *text = arena_alloc(arena, 200);
    size_t bytes = below(10) ? below(20) : below(200);
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)('a' + below(26));
    v.text = str_from(text, bytes);
    if (!type_is_nested(type))
        return v;
    v.count = type->kind == TYPE_STRUCT ? type->field_count : below(5) * type->field_count;
    v.items = arena_array(arena, v.count, sizeof *v.items);
    for (size_t i = 0; i < v.count; i++) {
        size_t field = i % type->field_count;
        v.items[i] = random_value(arena, type->fields[field].type);
    }
    return v;
}

static void append(struct builder *b, const struct value *v)
{
    switch (v->null ? TYPE_NULL : b->type->kind) {
    case TYPE_NULL:
        builder_null(b);
        break;
    case TYPE_BOOLEAN:
        builder_bool(b, v->number);
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        builder_f64(b, (double)v->number);
        break;
    case TYPE_DECIMAL:
        builder_i128(b, v->number);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        builder_str(b, v->text);
        break;
    case TYPE_INTERVAL:
        builder_interval(b, v->interval);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT:
        for (size_t i = 0; i < v->count; i++)
            append(b->children[i % b->child_count], &v->items[i]);
        builder_valid(b);
        break;
    default:
        builder_i64(b, (int64_t)v->number);
    }
}

static bool same_simple(const struct column *c, size_t row, const struct value *v)
{
    switch (c->type->kind) {
    case TYPE_BOOLEAN:
        return bit_get(c->bits, row) == (bool)v->number;
    case TYPE_TINYINT:
        return c->i8[row] == (int8_t)v->number;
    case TYPE_SMALLINT:
        return c->i16[row] == (int16_t)v->number;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YM:
        return c->i32[row] == (int32_t)v->number;
    case TYPE_FLOAT:
        return c->f32[row] == (float)(double)v->number;
    case TYPE_DOUBLE:
        return c->f64[row] == (double)v->number;
    case TYPE_DECIMAL:
        return c->i128[row] == v->number;
    case TYPE_STRING:
    case TYPE_BINARY:
        return str_equal(column_str(c, row), v->text);
    case TYPE_INTERVAL:
        return memcmp(&c->intervals[row], &v->interval, sizeof v->interval) == 0;
    default:
        return c->i64[row] == (int64_t)v->number;
    }
}

static bool same(const struct column *c, size_t row, const struct value *v)
{
    if (column_is_null(c, row) || v->null)
        return column_is_null(c, row) && v->null;
    if (!type_is_nested(c->type))
        return same_simple(c, row, v);
    size_t from = c->offsets ? (size_t)c->offsets[row] : row;
    size_t items = c->offsets ? (size_t)(c->offsets[row + 1] - c->offsets[row]) : 1;
    if (v->count != items * c->child_count)
        return false;
    for (size_t i = 0; i < v->count; i++)
        if (!same(c->children[i % c->child_count], from + i / c->child_count, &v->items[i]))
            return false;
    return true;
}

static void assert_same(const struct column *c, const struct value *values, size_t count)
{
    column_check(c);
    assert_int_equal(count, c->rows);
    for (size_t i = 0; i < count; i++)
        assert_true(same(c, i, &values[i]));
}

/* A column of random values; now and then rows are begun or appended and taken back. */
static struct column *build(struct arena *arena, const struct type *type, size_t rows,
                            struct value **ret_values)
{
    struct builder *b = builder_new(type, (uint32_t)below(100), 0);
    struct value *values = arena_array(arena, rows, sizeof *values);
    struct column *column;
    for (size_t i = 0; i < rows; i++) {
        values[i] = random_value(arena, type);
        if (below(10) == 0) {
            struct value other = random_value(arena, type);
            append(b, &other);
            builder_undo(b);
        }
        if (values[i].null && b->child_count && below(2)) {
            /* A row given up half way. */
            struct value half = random_value(arena, type->fields[0].type);
            append(b->children[0], &half);
        }
        append(b, &values[i]);
    }
    if (rows && below(3) == 0) {
        size_t keep = below(rows + 1), extra = rows - keep;
        builder_truncate(b, (uint32_t)keep);
        for (size_t i = 0; i < extra; i++)
            append(b, &values[keep + i]);
    }
    assert_ok(builder_finish(b, &column));
    assert_int_equal(0, b->rows);
    builder_free(b);
    assert_same(column, values, rows);
    *ret_values = values;
    return column;
}

static void take(struct arena *arena, const struct column *column, const struct value *values)
{
    size_t count = below(200);
    uint32_t *indices = arena_array(arena, count, sizeof *indices);
    struct value *want = arena_array(arena, count, sizeof *want);
    bool missing = below(2) || !column->rows;
    for (size_t i = 0; i < count; i++) {
        bool none = !column->rows || (missing && below(6) == 0);
        indices[i] = none ? UINT32_MAX : (uint32_t)below(column->rows);
        want[i] = none ? (struct value){.null = true} : values[indices[i]];
    }
    struct column *taken, *again;
    assert_ok(column_take(column, indices, count, &taken));
    assert_same(taken, want, count);
    struct builder *b = builder_new(column->type, 0, 0);
    for (size_t i = 0; i < count; i++)
        builder_copy(b, taken, i);
    assert_ok(builder_finish(b, &again));
    assert_same(again, want, count);
    for (size_t i = 0; i < count; i++)
        assert_true(column_value_equal(taken, i, again, i));
    builder_free(b);
    column_unref(again);
    column_unref(taken);
}

static void repeat(struct arena *arena, const struct column *column, const struct value *values)
{
    size_t rows = below(70), row = below(column->rows ? column->rows : 1);
    struct value *want = arena_array(arena, rows, sizeof *want);
    struct column *repeated;
    if (!column->rows)
        return;
    for (size_t i = 0; i < rows; i++)
        want[i] = values[row];
    assert_ok(column_repeat(column, (uint32_t)row, (uint32_t)rows, &repeated));
    assert_same(repeated, want, rows);
    column_unref(repeated);
}

static void concat(struct arena *arena, const struct type *type)
{
    enum { PARTS = 4 };
    struct column *parts[PARTS], *whole;
    struct value *values[PARTS];
    size_t count = 1 + below(PARTS), total = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        if (below(5) == 0) {
            parts[i] = column_nulls(type, (uint32_t)below(80));
            column_check(parts[i]);
            values[i] = arena_array(arena, parts[i]->rows, sizeof *values[i]);
            for (size_t k = 0; k < parts[i]->rows; k++)
                values[i][k].null = true;
        } else {
            parts[i] = build(arena, type, below(150), &values[i]);
        }
        total += parts[i]->rows;
    }
    struct value *want = arena_array(arena, total, sizeof *want);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < parts[i]->rows; k++)
            want[at++] = values[i][k];
    assert_ok(column_concat(parts, count, &whole));
    assert_same(whole, want, total);
    assert_true(column_memory(whole) > 0);
    column_unref(whole);
    for (size_t i = 0; i < count; i++)
        column_unref(parts[i]);
}

static void test_operations(void **state)
{
    for (int round = 0; round < 600; round++) {
        struct arena arena;
        struct value *values;
        arena_init(&arena, 1 << 28);
        const struct type *type = random_type(&arena, 3);
        struct column *column = build(&arena, type, below(4) ? below(200) : below(3), &values);
        take(&arena, column, values);
        repeat(&arena, column, values);
        concat(&arena, type);
        column_unref(column);
        arena_deinit(&arena);
    }
}

/* The order is total: antisymmetric, transitive, and equal only to equals. */
static void test_order(void **state)
{
    for (int round = 0; round < 200; round++) {
        struct arena arena;
        struct value *values;
        arena_init(&arena, 1 << 28);
        const struct type *type = random_type(&arena, 2);
        struct column *c = build(&arena, type, 12, &values);
        for (size_t i = 0; i < 12; i++)
            for (size_t j = 0; j < 12; j++) {
                int order = column_value_compare(c, i, c, j);
                assert_int_equal(order<0, column_value_compare(c, j, c, i)> 0);
                assert_int_equal(order == 0, column_value_equal(c, i, c, j));
                assert_true(i != j || order == 0);
                for (size_t k = 0; k < 12; k++)
                    if (order <= 0 && column_value_compare(c, j, c, k) <= 0)
                        assert_true(column_value_compare(c, i, c, k) <= 0);
            }
        column_unref(c);
        arena_deinit(&arena);
    }
}

static void test_numbers_order(void **state)
{
    static const double rising[] = {-__builtin_inf(), -1.5, 0, 1e-300, 2, __builtin_inf(),
                                    __builtin_nan("")};
    struct column *c;
    struct builder *b = builder_new(type_simple(TYPE_DOUBLE), 0, 0);
    builder_null(b);
    for (size_t i = 0; i < 7; i++)
        builder_f64(b, rising[i]);
    builder_f64(b, -0.0);
    assert_ok(builder_finish(b, &c));
    builder_free(b);
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 8; j++)
            assert_int_equal(i < j, column_value_compare(c, i, c, j) < 0);
    assert_true(column_value_equal(c, 3, c, 8));
    column_unref(c);
}

static void test_limits(void **state)
{
    struct builder *b = builder_new(type_simple(TYPE_STRING), 0, 10);
    struct column *c;
    builder_str(b, STR("0123456789"));
    builder_str(b, STR(""));
    assert_ok(builder_finish(b, &c));
    assert_int_equal(2, c->rows);
    column_unref(c);
    builder_str(b, STR("01234567890"));
    builder_str(b, STR("x"));
    assert_int_equal(2, b->rows);
    assert_err(ERR_LIMIT, builder_finish(b, &c));
    builder_str(b, STR("x"));
    assert_ok(builder_finish(b, &c));
    assert_str("x", column_str(c, 0));
    column_unref(c);
    builder_free(b);
}

static void test_batch(void **state)
{
    struct arena arena;
    const struct type *schema;
    struct value *values[2];
    arena_init(&arena, 1 << 24);
    assert_ok(type_parse_ddl(&arena, STR("a int, b array<string>"), NULL, &schema));
    struct column *columns[] = {build(&arena, schema->fields[0].type, 50, &values[0]),
                                build(&arena, schema->fields[1].type, 50, &values[1])};
    struct batch *batch = batch_new(schema, 50, columns), *taken;
    uint32_t indices[] = {49, 3, 3, UINT32_MAX};
    assert_ok(batch_take(batch_ref(batch), indices, 4, &taken));
    batch_unref(batch);
    batch_unref(batch);
    for (size_t i = 0; i < 2; i++) {
        struct value want[] = {values[i][49], values[i][3], values[i][3], {.null = true}};
        assert_same(taken->columns[i], want, 4);
    }
    batch_unref(taken);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),    cmocka_unit_test(test_order),
        cmocka_unit_test(test_numbers_order), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_batch),
    };
    return RUN_TESTS(tests);
}
