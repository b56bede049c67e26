/* SPDX-License-Identifier: MIT */
/* Keys: their byte order is that of the values, they are read back, tokens are Cassandra's. */
#include "base/endian.h"
#include "base/hash.h"
#include "random.h"
#include "table/key.h"
#include "table/uuid.h"

static struct shape *shape_of(const struct type *type, const char *declared,
                              enum table_column_role role)
{
    struct table_column columns[] = {
        {STR("p"), type_simple(TYPE_INT), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("c"), type, str_of(declared), role, TABLE_ONE_CELL},
    };
    struct table_definition definition = {STR("k"), STR("t"), columns, 2, false, 0};
    struct shape *shape;
    struct diag diag = {0};
    if (shape_new(&definition, &diag, &shape))
        fail_msg("%s", diag.message);
    return shape;
}

static void put(const struct shape *shape, const struct column *column, uint32_t row,
                struct buf *out)
{
    struct buf scratch = {0};
    size_t bad;
    buf_reset(out);
    assert_ok(key_put_clustering(shape, &column, row, &scratch, out, &bad));
    buf_deinit(&scratch);
}

static void reads_back(const struct shape *shape, const struct column *column, uint32_t row,
                       const struct buf *key)
{
    struct builder *builder = builder_new(column->type, 1, 0);
    struct buf scratch = {0};
    struct str rest = buf_str(key);
    struct column *read;
    assert_ok(key_read_clustering(shape, 0, &rest, &scratch, builder));
    assert_int_equal(0, rest.bytes);
    assert_ok(builder_finish(builder, &read));
    assert_true(column_value_equal(column, row, read, 0));
    rest = buf_str(key);
    assert_ok(key_read_clustering(shape, 0, &rest, &scratch, NULL));
    assert_int_equal(0, rest.bytes);
    /* Cut short it is an error, never a read past the end. */
    for (size_t bytes = 0; bytes < key->bytes; bytes++) {
        rest = str_from(key->ptr, bytes);
        if (bytes || key->bytes)
            assert_err(ERR_CORRUPT, key_read_clustering(shape, 0, &rest, &scratch, NULL));
    }
    column_unref(read);
    builder_free(builder);
    buf_deinit(&scratch);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* -0.0 and 0.0 are one to Spark and two, in this order, to the key. */
static bool zeros(const struct column *column, uint32_t a, uint32_t b)
{
    return (column->type->kind == TYPE_DOUBLE && column->f64[a] == 0 && column->f64[b] == 0) ||
           (column->type->kind == TYPE_FLOAT && column->f32[a] == 0 && column->f32[b] == 0);
}

static void check_order(const struct type *type, const char *declared, enum table_column_role role,
                        uint64_t seed)
{
    enum { ROWS = 120 };
    struct prng prng = {seed};
    struct shape *shape = shape_of(type, declared, role);
    struct column *column = random_column(type, ROWS, &prng);
    struct buf keys[ROWS] = {0};
    for (uint32_t row = 0; row < ROWS; row++) {
        put(shape, column, row, &keys[row]);
        reads_back(shape, column, row, &keys[row]);
    }
    for (uint32_t a = 0; a < ROWS; a++)
        for (uint32_t b = 0; b < ROWS; b++) {
            if (zeros(column, a, b))
                continue;
            int want = sign(column_value_compare(column, a, column, b));
            if (role == TABLE_CLUSTERING_DESC)
                want = -want;
            assert_int_equal(want, sign(str_compare(buf_str(&keys[a]), buf_str(&keys[b]))));
        }
    for (uint32_t row = 0; row < ROWS; row++)
        buf_deinit(&keys[row]);
    column_unref(column);
    shape_free(shape);
}

static void order_of_every_type(void **state)
{
    static const struct {
        const char *type, *declared;
    } cases[] = {
        {"BOOLEAN", ""},        {"TINYINT", ""},
        {"SMALLINT", ""},       {"INT", ""},
        {"BIGINT", ""},         {"FLOAT", ""},
        {"DOUBLE", ""},         {"DECIMAL(20,3)", ""},
        {"STRING", ""},         {"BINARY", ""},
        {"DATE", ""},           {"TIMESTAMP", ""},
        {"TIMESTAMP_NTZ", ""},  {"INT", "bigint"},
        {"TINYINT", "varint"},  {"BIGINT", "varint"},
        {"FLOAT", "double"},    {"STRING", "text"},
        {"INTERVAL MONTH", ""}, {"INTERVAL DAY", ""},
        {"ARRAY<STRING>", ""},  {"STRUCT<a: INT, b: ARRAY<STRING>>", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct type *type;
        struct diag diag = {0};
        if (type_parse(&test_arena, str_of(cases[i].type), &diag, &type))
            fail_msg("%s: %s", cases[i].type, diag.message);
        check_order(type, cases[i].declared, TABLE_CLUSTERING_ASC, i + 1);
        check_order(type, cases[i].declared, TABLE_CLUSTERING_DESC, i + 100);
    }
}

static void refuses_keys_without_order(void **state)
{
    const char *types[] = {"MAP<STRING, INT>", "INTERVAL", "VOID", "ARRAY<INTERVAL>"};
    for (size_t i = 0; i < 4; i++) {
        const struct type *type;
        struct diag diag = {0};
        if (type_parse(&test_arena, str_of(types[i]), NULL, &type))
            continue;
        struct table_column columns[] = {
            {STR("p"), type_simple(TYPE_INT), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
            {STR("c"), type, STR_NONE, TABLE_CLUSTERING_ASC, TABLE_ONE_CELL},
        };
        struct table_definition definition = {STR("k"), STR("t"), columns, 2, false, 0};
        struct shape *shape;
        assert_err(ERR_INVALID, shape_new(&definition, &diag, &shape));
        assert_true(diag.message[0] != 0);
    }
}

/* In rising order of Cassandra's types. */
static void check_uuids(const char *declared, const char *const *uuids, size_t count)
{
    struct shape *shape = shape_of(type_simple(TYPE_STRING), declared, TABLE_CLUSTERING_ASC);
    struct type schema = {.kind = TYPE_STRUCT, .field_count = 1};
    struct field field = {.name = STR("c"), .type = type_simple(TYPE_STRING)};
    schema.fields = &field;
    struct batch *batch = batch_of(&schema, (uint32_t)count, uuids);
    struct buf keys[8] = {0};
    for (uint32_t i = 0; i < count; i++) {
        put(shape, batch->columns[0], i, &keys[i]);
        reads_back(shape, batch->columns[0], i, &keys[i]);
        if (i)
            assert_true(str_compare(buf_str(&keys[i - 1]), buf_str(&keys[i])) < 0);
    }
    for (size_t i = 0; i < count; i++)
        buf_deinit(&keys[i]);
    batch_unref(batch);
    shape_free(shape);
}

static void order_of_uuids(void **state)
{
    /* By version, of version 1 by time (its high part is last in the text), else by bytes. */
    const char *uuids[] = {
        "ffffffff-0000-1000-8000-000000000000", "00000000-0001-1000-8000-000000000000",
        "00000000-0000-1001-8000-000000000000", "00000000-0000-1001-ff00-000000000000",
        "00000000-0000-4000-8000-000000000000", "00000001-0000-4000-8000-000000000000",
        "10000000-0000-4000-8000-000000000000",
    };
    check_uuids("uuid", uuids, 7);
    /* By time, then by signed bytes. */
    const char *times[] = {
        "ffffffff-0000-1000-8000-000000000000", "00000000-0001-1000-ff00-000000000000",
        "00000000-0001-1000-7f00-000000000000", "00000000-0000-1001-80ff-000000000000",
        "00000000-0000-1001-8000-000000000000",
    };
    check_uuids("timeuuid", times, 5);
}

static void uuid_texts(void **state)
{
    uint8_t bytes[UUID_BYTES];
    char text[UUID_TEXT_BYTES];
    assert_true(uuid_parse(STR("550E8400-e29b-41d4-A716-446655440000"), bytes));
    uuid_print(bytes, text);
    assert_str("550e8400-e29b-41d4-a716-446655440000", str_from(text, sizeof text));
    assert_false(uuid_parse(STR("550e8400-e29b-41d4-a716-44665544000"), bytes));
    assert_false(uuid_parse(STR("550e8400-e29b-41d4-a716-44665544000g"), bytes));
    assert_false(uuid_parse(STR("550e8400ae29b-41d4-a716-446655440000"), bytes));
    char address[INET_TEXT_MAX];
    assert_int_equal(4, inet_parse(STR("10.0.0.1"), bytes));
    assert_int_equal(16, inet_parse(STR("2001:db8:0:0:0:0:0:1"), bytes));
    assert_true(inet_print(str_from(bytes, 16), address));
    assert_str("2001:db8::1", str_of(address));
    assert_int_equal(0, inet_parse(STR("10.0.0.256"), bytes));
    assert_int_equal(0, inet_parse(STR(""), bytes));
}

static struct str partition_key(const struct table_column *columns, size_t count,
                                const char *const *values, struct buf *out)
{
    struct table_definition definition = {STR("k"), STR("t"), columns, count, false, 0};
    struct field fields[4];
    for (size_t i = 0; i < count; i++)
        fields[i] = (struct field){.name = columns[i].name, .type = columns[i].type};
    struct type schema = {.kind = TYPE_STRUCT, .field_count = (uint32_t)count, .fields = fields};
    struct shape *shape;
    assert_ok(shape_new(&definition, NULL, &shape));
    struct batch *batch = batch_of(&schema, 1, values);
    struct buf scratch = {0};
    size_t bad;
    uint8_t prefix[KEY_PREFIX_BYTES];
    key_put_prefix(prefix, 7);
    buf_append(out, prefix, sizeof prefix);
    assert_ok(key_put_partition(shape, (const struct column *const *)batch->columns, 0, &scratch,
                                out, &bad));
    buf_u8(out, KEY_REGULAR_ROW);
    struct key_parts parts;
    struct str read[4];
    assert_ok(key_parse(shape, buf_str(out), &parts));
    assert_int_equal(out->bytes - 1, parts.partition.bytes);
    assert_ok(key_partition_values(shape, parts.partition, &scratch, read));
    for (size_t i = 0; i < count; i++) {
        struct builder *builder = builder_new(columns[i].type, 1, 0);
        struct column *column;
        assert_ok(encoding_read(&shape->encodings[i], read[i], builder));
        assert_ok(builder_finish(builder, &column));
        assert_true(column_value_equal(column, 0, batch->columns[i], 0));
        column_unref(column);
        builder_free(builder);
    }
    buf_deinit(&scratch);
    batch_unref(batch);
    shape_free(shape);
    return str_slice(buf_str(out), KEY_PREFIX_BYTES, out->bytes - 1);
}

static void partition_keys(void **state)
{
    struct table_column columns[] = {
        {STR("a"), type_simple(TYPE_STRING), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
        {STR("b"), type_simple(TYPE_INT), STR_NONE, TABLE_PARTITION_KEY, TABLE_ONE_CELL},
    };
    struct buf out = {0};
    struct str key = partition_key(columns, 1, (const char *[]){"cassandra"}, &out);
    int64_t token = hash_token("cassandra", 9);
    assert_true(get_be64(key.ptr) == ((uint64_t)token ^ 1ull << 63));
    assert_memory_equal("cassandra\0\0", key.ptr + 8, 11);
    buf_reset(&out);
    /* Two columns: length, value, 0 each; the zeros escaped for the text's length varies. */
    key = partition_key(columns, 2, (const char *[]){"ab", "3"}, &out);
    token = hash_token("\0\2ab\0\0\4\0\0\0\3\0", 12);
    assert_true(get_be64(key.ptr) == ((uint64_t)token ^ 1ull << 63));
    assert_memory_equal("\0\xFF\2ab\0\xFF\0\xFF\4\0\xFF\0\xFF\0\xFF\3\0\xFF\0\0", key.ptr + 8,
                        key.bytes - 8);
    buf_reset(&out);
    struct table_column uuid = {STR("id"), type_simple(TYPE_STRING), STR("uuid"),
                                TABLE_PARTITION_KEY, TABLE_ONE_CELL};
    key = partition_key(&uuid, 1, (const char *[]){"550e8400-e29b-41d4-a716-446655440000"}, &out);
    token = hash_token("\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00", 16);
    assert_true(get_be64(key.ptr) == ((uint64_t)token ^ 1ull << 63));
    assert_int_equal(24, key.bytes);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_every_type), cmocka_unit_test(refuses_keys_without_order),
        cmocka_unit_test(order_of_uuids),      cmocka_unit_test(uuid_texts),
        cmocka_unit_test(partition_keys),
    };
    arena_init(&test_arena, SIZE_MAX);
    int failed = RUN_TESTS(tests);
    arena_deinit(&test_arena);
    return failed;
}
