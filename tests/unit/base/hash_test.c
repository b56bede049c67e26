/* SPDX-License-Identifier: MIT */
/* Hashes against the vectors of the systems that fix them; CRC-32C and the map against twins. */
#include "test.h"

#include "base/crc32c.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/prng.h"

static int32_t kafka(const char *key)
{
    return (int32_t)hash_kafka(key, strlen(key));
}

/* The first six are in the tests of Apache Kafka's Utils. */
static void test_kafka(void **state)
{
    assert_int_equal(-973932308, kafka("21"));
    assert_int_equal(-790332482, kafka("foobar"));
    assert_int_equal(-985981536, kafka("a-little-bit-long-string"));
    assert_int_equal(-1486304829, kafka("a-little-bit-longer-string"));
    assert_int_equal(-58897971, kafka("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"));
    assert_int_equal(479470107, kafka("abc"));
    assert_int_equal(275646681, kafka(""));
}

static int64_t token(struct str key)
{
    return hash_token(key.ptr, key.bytes);
}

/* Tokens that a Cassandra driver computes. Bytes over 127 show the sign in the tail. */
static void test_token(void **state)
{
    assert_true(token(STR("")) == 0);
    assert_true(token(STR("1")) == 8213365047359667313);
    assert_true(token(STR("123")) == -7468325962851647638);
    assert_true(token(STR("hello")) == -3758069500696749310);
    assert_true(token(STR("0123456789abcdef")) == 5467490433528156583);
    assert_true(token(STR("0123456789abcdefXYZ")) == -7362412312553418723);
    assert_true(token(STR("\x00\xff\xfe\x10")) == 4066995266062094862);
    assert_true(token(STR("\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe")) == -3785429502202721442);
    char high[64];
    for (size_t i = 0; i < sizeof high; i++)
        high[i] = (char)(0x60 + i);
    assert_true(token(str_from(high, sizeof high)) == 2030385868566298740);
    memset(high, 0x80, sizeof high);
    assert_true(token(str_from(high, 15)) == -5979218241483680930);
}

static void test_xxh64(void **state)
{
    assert_true(hash_xxh64("", 0, 0) == 0xEF46DB3751D8E999u);
    assert_true(hash_xxh64("abc", 3, 0) == 0x44BC2CF5AD770999u);
    assert_true(hash_bytes("a", 1, 0) != hash_bytes("a", 1, 1));
}

static uint32_t naive_crc(uint32_t crc, const uint8_t *p, size_t bytes)
{
    crc = ~crc;
    while (bytes--) {
        crc ^= *p++;
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

static void test_crc(void **state)
{
    assert_int_equal(0xE3069283, crc32c(0, "123456789", 9));
    assert_int_equal(0, crc32c(0, "", 0));
    uint8_t zeros[32] = {0};
    assert_int_equal(0x8A9136AA, crc32c(0, zeros, 32)); /* RFC 3720 B.4 */
    static uint8_t data[20000];
    struct prng prng = {7};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)prng_next(&prng);
    for (int round = 0; round < 300; round++) {
        size_t from = prng_below(&prng, 20), bytes = prng_below(&prng, sizeof data - 20);
        if (round % 2)
            bytes %= 64;
        size_t half = prng_below(&prng, bytes + 1);
        uint32_t want = naive_crc(0, data + from, bytes);
        assert_int_equal(want, crc32c(0, data + from, bytes));
        uint32_t first = crc32c(0, data + from, half);
        assert_int_equal(want, crc32c(first, data + from + half, bytes - half));
    }
}

/* The twin is an array over all possible keys. */
static void test_map(void **state)
{
    enum { KEYS = 500 };
    static int values[KEYS];
    static void *twin[KEYS];
    struct map map = {0};
    struct prng prng = {11};
    char key[32];
    size_t count = 0, index = 0, seen = 0;
    for (int round = 0; round < 50000; round++) {
        size_t k = prng_below(&prng, KEYS);
        snprintf(key, sizeof key, "key-%zu", k % 3 ? k : k << 20);
        void *value = &values[prng_below(&prng, KEYS)];
        switch (prng_below(&prng, 3)) {
        case 0:
            assert_ptr_equal(twin[k], map_set(&map, str_of(key), value));
            count += !twin[k];
            twin[k] = value;
            break;
        case 1:
            assert_ptr_equal(twin[k], map_remove(&map, str_of(key)));
            count -= twin[k] != NULL;
            twin[k] = NULL;
            break;
        default:
            assert_ptr_equal(twin[k], map_get(&map, str_of(key)));
        }
        assert_int_equal(count, map.count);
    }
    for (struct map_entry *e; (e = map_next(&map, &index)); seen++)
        assert_ptr_equal(e->value, map_get(&map, str_from(e->key, e->key_bytes)));
    assert_int_equal(count, seen);
    map_deinit(&map);
    assert_null(map_get(&map, STR("x")));
    assert_null(map_remove(&map, STR("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafka), cmocka_unit_test(test_token), cmocka_unit_test(test_xxh64),
        cmocka_unit_test(test_crc),   cmocka_unit_test(test_map),
    };
    return RUN_TESTS(tests);
}
