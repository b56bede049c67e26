/* SPDX-License-Identifier: MIT */
/* Every message in every version: random values survive the wire, cut ones are refused, and what a
 * version has not is left out or refused as the table says. */
#include "random_message.h"
#include "test.h"

enum { ROUNDS = 6, ARENA_BYTES = 1 << 24 };

typedef void visit(const struct kafka_message *message, int16_t version, struct arena *arena);

static void each(visit *call)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    size_t apis = 0;
    for (const struct kafka_api *api = kafka_apis; api->name; api++, apis++) {
        const struct kafka_message *both[] = {api->request, api->response};
        assert_int_equal(api->request->version_min, api->response->version_min);
        assert_int_equal(api->request->version_max, api->response->version_max);
        assert_int_equal(api->request->flexible_from, api->response->flexible_from);
        for (int i = 0; i < 2; i++)
            for (int16_t v = both[i]->version_min; v <= both[i]->version_max; v++) {
                call(both[i], v, &arena);
                arena_reset(&arena);
            }
    }
    assert_int_equal(KAFKA_APIS, apis);
    arena_deinit(&arena);
}

/* A copy in memory of just that size, so that reading past it is seen. */
static enum err decode_exact(const struct kafka_message *message, int16_t version, struct str bytes,
                             struct arena *arena, void *value)
{
    char *copy = mem_alloc(bytes.bytes);
    memcpy(copy, bytes.ptr ? bytes.ptr : "", bytes.bytes);
    enum err err = kafka_decode(message, version, str_from(copy, bytes.bytes), arena, value);
    mem_free(copy);
    return err;
}

static void there_and_back(const struct kafka_message *message, int16_t version,
                           struct arena *arena)
{
    struct prng prng = {(uint64_t)version * 1000 + message->bytes + strlen(message->name)};
    for (int round = 0; round < ROUNDS; round++) {
        char *value = arena_alloc(arena, message->bytes),
             *other = arena_alloc(arena, message->bytes);
        struct buf out = {0}, again = {0};
        random_struct(message, version, &prng, arena, value);
        if (kafka_encode(message, version, value, &out) != OK)
            fail_msg("%s v%d does not encode", message->name, version);
        if (kafka_decode(message, version, buf_str(&out), arena, other) != OK)
            fail_msg("%s v%d does not decode", message->name, version);
        if (!random_equal(message, value, other))
            fail_msg("%s v%d is another value when it comes back", message->name, version);
        assert_ok(kafka_encode(message, version, other, &again));
        assert_true(str_equal(buf_str(&out), buf_str(&again)));
        size_t step = out.bytes > 400 ? out.bytes / 200 : 1;
        for (size_t cut = 0; cut < out.bytes; cut += step)
            if (decode_exact(message, version, str_from(out.ptr, cut), arena, other) == OK)
                fail_msg("%s v%d is taken with %zu of %zu bytes", message->name, version, cut,
                         out.bytes);
        buf_u8(&out, 0);
        assert_ok(kafka_decode(message, version, buf_str(&out), arena, other));
        assert_true(random_equal(message, value, other));
        buf_deinit(&out);
        buf_deinit(&again);
        arena_reset(arena);
    }
}

static void test_there_and_back(void **state)
{
    each(there_and_back);
}

/* Any byte may be wrong: an answer, and never memory that is not there. */
static void damage(const struct kafka_message *message, int16_t version, struct arena *arena)
{
    struct prng prng = {(uint64_t)version + message->bytes};
    char *value = arena_alloc(arena, message->bytes);
    struct buf out = {0};
    random_struct(message, version, &prng, arena, value);
    assert_ok(kafka_encode(message, version, value, &out));
    for (int i = 0; i < 40 && out.bytes > 0; i++) {
        size_t at = prng_below(&prng, out.bytes);
        uint8_t was = out.ptr[at];
        out.ptr[at] = (uint8_t)(prng_below(&prng, 2) ? 0xFF : prng_next(&prng));
        char *other = arena_alloc(arena, message->bytes);
        enum err err = decode_exact(message, version, buf_str(&out), arena, other);
        assert_true(err == OK || err == ERR_TRUNCATED || err == ERR_CORRUPT || err == ERR_LIMIT);
        out.ptr[at] = was;
    }
    buf_deinit(&out);
}

static void test_damage(void **state)
{
    each(damage);
}

/* A value that is not the default in a field that the version has not. */
static void absent(const struct kafka_message *message, int16_t version, struct arena *arena)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        if (random_has(field, version) || random_pointer(field) || field->type == KAFKA_STRUCT)
            continue;
        char *value = arena_alloc(arena, message->bytes), *at = value + field->offset;
        struct buf out = {0}, plain = {0};
        random_struct(message, version, &(struct prng){i}, arena, value);
        assert_ok(kafka_encode(message, version, value, &plain));
        if (field->array) {
            int32_t count = 1;
            char *element = arena_zero(arena, 64);
            memcpy(at, &element, sizeof element);
            memcpy(value + field->count_offset, &count, sizeof count);
        } else if (field->type >= KAFKA_STRING) {
            memcpy(at, &STR("x"), sizeof(struct str));
        } else {
            at[0] = at[0] ? 0 : 1;
        }
        enum err want = field->ignorable ? OK : ERR_INVALID;
        enum err have = kafka_encode(message, version, value, &out);
        if (want != have)
            fail_msg("%s v%d %s: %s", message->name, version, field->name, err_text(have));
        if (field->ignorable)
            assert_true(str_equal(buf_str(&plain), buf_str(&out)));
        buf_deinit(&out);
        buf_deinit(&plain);
    }
}

static void test_absent(void **state)
{
    each(absent);
}

/* Null where the version has no null. */
static void null(const struct kafka_message *message, int16_t version, struct arena *arena)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        if (!random_has(field, version) || field->tag >= 0 || field->type < KAFKA_STRING ||
            (field->type == KAFKA_STRUCT && !field->array))
            continue;
        char *value = arena_alloc(arena, message->bytes),
             *other = arena_alloc(arena, message->bytes);
        struct buf out = {0};
        kafka_defaults(message, value);
        for (size_t j = 0; j < message->field_count; j++)
            if (message->fields[j].array && message->fields[j].nullable_from > version)
                memset(value + message->fields[j].count_offset, 0, sizeof(int32_t));
        if (field->array)
            memset(value + field->count_offset, 0xFF, sizeof(int32_t));
        else
            memset(value + field->offset, 0, sizeof(struct str));
        enum err want = version >= field->nullable_from ? OK : ERR_INVALID;
        enum err have = kafka_encode(message, version, value, &out);
        if (want != have)
            fail_msg("%s v%d %s null: %s", message->name, version, field->name, err_text(have));
        if (want == OK)
            assert_ok(kafka_decode(message, version, buf_str(&out), arena, other));
        else
            assert_true(kafka_decode(message, version, buf_str(&out), arena, other) != OK);
        buf_deinit(&out);
    }
}

static void test_null(void **state)
{
    each(null);
}

static void print(const struct kafka_message *message, int16_t version, struct arena *arena)
{
    struct prng prng = {(uint64_t)version};
    char *value = arena_alloc(arena, message->bytes);
    struct buf out = {0};
    random_struct(message, version, &prng, arena, value);
    kafka_print(message, version, value, &out);
    for (size_t i = 0; i < message->field_count; i++)
        if (random_has(&message->fields[i], version))
            assert_true(str_find(buf_str(&out), str_of(message->fields[i].name), 0) != SIZE_MAX);
    buf_deinit(&out);
}

static void test_print(void **state)
{
    each(print);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_absent),         cmocka_unit_test(test_null),
        cmocka_unit_test(test_print),
    };
    return RUN_TESTS(tests);
}
