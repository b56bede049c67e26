/* SPDX-License-Identifier: MIT */
/* Codecs: what goes in comes out, limits hold to the byte, and damage is never more than an error.
 */
#include "test.h"

#include "base/compress.h"
#include "base/prng.h"

enum { CODECS = 5, SIZE_MAX_ = 70000 };

static uint8_t data[SIZE_MAX_];

/* Runs, words and noise in turn. */
static void fill(struct prng *prng, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        size_t kind = prng_below(prng, 3), run = 1 + prng_below(prng, 200);
        uint8_t byte = (uint8_t)prng_next(prng);
        for (size_t k = 0; k < run && i < bytes; k++, i++)
            data[i] = kind == 0   ? byte
                      : kind == 1 ? (uint8_t) "offset\0 "[k % 8]
                                  : (uint8_t)prng_next(prng);
    }
}

static void test_names(void **state)
{
    for (int i = 0; i < CODECS; i++) {
        enum codec codec;
        assert_ok(codec_parse(str_of(codec_name((enum codec)i)), &codec));
        assert_int_equal(i, codec);
    }
    enum codec codec;
    assert_null(codec_name((enum codec)CODECS));
    assert_err(ERR_INVALID, codec_parse(STR("GZIP"), &codec));
}

static void test_round_trip(void **state)
{
    struct prng prng = {51};
    struct buf packed = {0}, out = {0};
    for (int round = 0; round < 200; round++) {
        enum codec codec = (enum codec)(round % CODECS);
        size_t bytes = round < 50 ? prng_below(&prng, 20) : prng_below(&prng, SIZE_MAX_);
        fill(&prng, bytes);
        buf_reset(&packed);
        buf_reset(&out);
        buf_text(&packed, "before");
        buf_text(&out, "before");
        assert_ok(compress_bytes(codec, data, bytes, &packed));
        const uint8_t *from = packed.ptr + 6;
        size_t size = packed.bytes - 6;
        assert_ok(decompress_bytes(codec, from, size, bytes, &out));
        assert_int_equal(6 + bytes, out.bytes);
        assert_memory_equal(out.ptr, "before", 6);
        assert_true(bytes == 0 || memcmp(out.ptr + 6, data, bytes) == 0);
        if (bytes == 0)
            continue;
        buf_truncate(&out, 6);
        assert_err(ERR_LIMIT, decompress_bytes(codec, from, size, bytes - 1, &out));
        assert_str("before", buf_str(&out));
    }
    buf_deinit(&packed);
    buf_deinit(&out);
}

static void test_damage(void **state)
{
    struct prng prng = {52};
    struct buf packed = {0}, out = {0};
    for (int round = 0; round < 2000; round++) {
        enum codec codec = (enum codec)(1 + round % (CODECS - 1));
        size_t bytes = 1 + prng_below(&prng, 3000);
        fill(&prng, bytes);
        buf_reset(&packed);
        buf_reset(&out);
        assert_ok(compress_bytes(codec, data, bytes, &packed));
        size_t size = packed.bytes;
        if (round % 3 == 0)
            size = prng_below(&prng, size);
        else
            packed.ptr[prng_below(&prng, size)] ^= (uint8_t)(1 + prng_below(&prng, 255));
        enum err err = decompress_bytes(codec, packed.ptr, size, 4000, &out);
        assert_true(err == OK || err == ERR_CORRUPT || err == ERR_LIMIT);
        assert_true(out.bytes <= (err == OK ? 4000u : 0u));
        if (round % 3 == 0)
            assert_true(err != OK);
    }
    buf_deinit(&packed);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),
    };
    return RUN_TESTS(tests);
}
