/* SPDX-License-Identifier: MIT */
/* Batches built and walked again with every codec; a batch recorded byte by byte from the
 * specification; damage of every kind is found; inflating is bounded. */
#include "log/record_batch.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/prng.h"
#include "test.h"

static void build(enum codec codec, int count, struct buf *out)
{
    struct record_batch_builder b;
    record_batch_builder_init(&b, codec, 0);
    struct record_header headers[] = {{STR("h1"), STR("v1")}, {STR("h2"), STR_NONE}};
    for (int i = 0; i < count; i++) {
        char value[64];
        snprintf(value, sizeof value, "value number %d %d %d", i, i, i);
        record_batch_builder_add(&b, 1000 + 7 * (i % 5), i % 3 ? STR("key") : STR_NONE,
                                 i % 4 ? str_of(value) : STR_NONE, headers, (size_t)(i % 3));
    }
    assert_ok(record_batch_builder_finish(&b, out));
    record_batch_builder_deinit(&b);
}

static void codecs_round_trip(void **state)
{
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct buf out = {0};
        build((enum codec)codec, 100, &out);
        put_be64(out.ptr, 5000);
        struct record_batch batch;
        assert_ok(record_batch_parse(out.ptr, out.bytes, true, &batch));
        assert_int_equal(batch.count, 100);
        assert_int_equal(batch.last_offset_delta, 99);
        assert_int_equal(batch.max_timestamp, 1028);
        assert_int_equal(batch.bytes_count, out.bytes);
        struct record_iterator it;
        assert_ok(record_iterator_init(&it, &batch, 1 << 20));
        struct record record;
        for (int i = 0; i < 100; i++) {
            assert_true(record_iterator_next(&it, &record));
            assert_int_equal(record.offset, 5000 + i);
            assert_int_equal(record.timestamp_ms, 1000 + 7 * (i % 5));
            assert_int_equal(record.key.ptr != NULL, i % 3 != 0);
            assert_int_equal(record.value.ptr != NULL, i % 4 != 0);
            assert_int_equal(record.header_count, i % 3);
            struct record_header header;
            for (int h = 0; h < i % 3; h++) {
                assert_true(record_header_next(&record.headers_raw, &header));
                assert_str(h ? "h2" : "h1", header.key);
                assert_int_equal(header.value.ptr == NULL, h == 1);
            }
            assert_false(record_header_next(&record.headers_raw, &header));
        }
        assert_false(record_iterator_next(&it, &record));
        assert_ok(it.reader.err);
        record_iterator_deinit(&it);
        buf_deinit(&out);
    }
}

static void bytes_are_those_of_the_specification(void **state)
{
    struct record_batch_builder b;
    record_batch_builder_init(&b, CODEC_NONE, 0);
    record_batch_builder_add(&b, 0x0102030405060708, STR("k"), STR("vv"), NULL, 0);
    struct buf out = {0};
    assert_ok(record_batch_builder_finish(&b, &out));
    static const uint8_t want[] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 59, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, /* crc below */
        0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1,
        /* length 9: attributes, timestamp, offset, key length 1, k, value length 2, vv, headers */
        18, 0, 0, 0, 2, 'k', 4, 'v', 'v', 0};
    assert_int_equal(out.bytes, sizeof want);
    assert_int_equal(get_be32(out.ptr + 17), crc32c(0, want + 21, sizeof want - 21));
    put_be32(out.ptr + 17, 0);
    assert_memory_equal(out.ptr, want, sizeof want);
    assert_ok(record_batch_builder_finish(&b, &out));
    assert_int_equal(out.bytes, sizeof want);
    record_batch_builder_deinit(&b);
    buf_deinit(&out);
}

static void every_flipped_bit_is_found(void **state)
{
    struct buf out = {0};
    build(CODEC_LZ4, 20, &out);
    struct record_batch batch;
    for (size_t cut = 0; cut < out.bytes; cut++)
        assert_err(ERR_TRUNCATED, record_batch_parse(out.ptr, cut, true, &batch));
    for (size_t at = 8; at < out.bytes; at++) {
        if (at >= 12 && at < 16)
            continue; /* the leader epoch and the offset are outside the sum */
        for (int bit = 0; bit < 8; bit++) {
            out.ptr[at] ^= (uint8_t)(1 << bit);
            assert_true(record_batch_parse(out.ptr, out.bytes, true, &batch) != OK);
            out.ptr[at] ^= (uint8_t)(1 << bit);
        }
    }
    buf_deinit(&out);
}

static void damaged_records_are_found(void **state)
{
    struct buf out = {0};
    build(CODEC_NONE, 10, &out);
    struct prng prng = {7};
    uint8_t *copy = mem_alloc(out.bytes);
    int damaged = 0;
    for (int run = 0; run < 2000; run++) {
        memcpy(copy, out.ptr, out.bytes);
        size_t at = RECORD_BATCH_HEADER + prng_below(&prng, out.bytes - RECORD_BATCH_HEADER);
        copy[at] ^= (uint8_t)(1 + prng_below(&prng, 255));
        struct record_batch batch;
        assert_ok(record_batch_parse(copy, out.bytes, false, &batch));
        struct record_iterator it;
        assert_ok(record_iterator_init(&it, &batch, 1 << 20));
        struct record record;
        while (record_iterator_next(&it, &record))
            ;
        damaged += it.reader.err != OK;
        record_iterator_deinit(&it);
    }
    assert_true(damaged > 100);
    mem_free(copy);
    buf_deinit(&out);
}

static void inflating_is_bounded(void **state)
{
    struct buf zeros = {0};
    memset(buf_reserve(&zeros, 1 << 20), 0, 1 << 20);
    buf_advance(&zeros, 1 << 20);
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct buf small = {0}, out = {0};
        buf_text(&out, "before");
        assert_ok(compress_bytes((enum codec)codec, zeros.ptr, zeros.bytes, &small));
        assert_err(ERR_LIMIT, decompress_bytes((enum codec)codec, small.ptr, small.bytes,
                                               zeros.bytes - 1, &out));
        assert_str("before", buf_str(&out));
        assert_true(out.room < 3 << 20);
        assert_ok(decompress_bytes((enum codec)codec, small.ptr, small.bytes, zeros.bytes, &out));
        assert_int_equal(out.bytes, zeros.bytes + 6);
        assert_memory_equal(out.ptr + 6, zeros.ptr, zeros.bytes);
        if (codec != CODEC_NONE) {
            buf_reset(&out);
            assert_err(ERR_CORRUPT, decompress_bytes((enum codec)codec, small.ptr, small.bytes / 2,
                                                     zeros.bytes, &out));
            assert_err(ERR_CORRUPT,
                       decompress_bytes((enum codec)codec, "garbage here", 12, zeros.bytes, &out));
        }
        buf_deinit(&small);
        buf_deinit(&out);
    }
    buf_deinit(&zeros);
}

static void snappy_with_java_framing_is_read(void **state)
{
    struct buf framed = {0}, block = {0}, out = {0};
    buf_append(&framed, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    for (int i = 0; i < 3; i++) {
        buf_reset(&block);
        assert_ok(compress_bytes(CODEC_SNAPPY, "hello hello hello ", 18, &block));
        buf_be32(&framed, (uint32_t)block.bytes);
        buf_append(&framed, block.ptr, block.bytes);
    }
    assert_ok(decompress_bytes(CODEC_SNAPPY, framed.ptr, framed.bytes, 54, &out));
    assert_str("hello hello hello hello hello hello hello hello hello ", buf_str(&out));
    assert_err(ERR_LIMIT, decompress_bytes(CODEC_SNAPPY, framed.ptr, framed.bytes, 53, &out));
    assert_err(ERR_CORRUPT,
               decompress_bytes(CODEC_SNAPPY, framed.ptr, framed.bytes - 1, 100, &out));
    buf_deinit(&framed);
    buf_deinit(&block);
    buf_deinit(&out);
}

static void names_of_codecs(void **state)
{
    enum codec codec = CODEC_NONE;
    assert_ok(codec_parse(STR("zstd"), &codec));
    assert_int_equal(codec, CODEC_ZSTD);
    assert_string_equal(codec_name(CODEC_SNAPPY), "snappy");
    assert_null(codec_name((enum codec)5));
    assert_err(ERR_INVALID, codec_parse(STR("ZSTD"), &codec));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codecs_round_trip),
        cmocka_unit_test(bytes_are_those_of_the_specification),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(damaged_records_are_found),
        cmocka_unit_test(inflating_is_bounded),
        cmocka_unit_test(snappy_with_java_framing_is_read),
        cmocka_unit_test(names_of_codecs),
    };
    return RUN_TESTS(tests);
}
