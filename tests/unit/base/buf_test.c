/* SPDX-License-Identifier: MIT */
/* Buffers and readers: growth, limits, sticky errors, and what one writes the other reads. */
#include "test.h"

#include "base/prng.h"
#include "base/reader.h"

static void test_append(void **state)
{
    struct buf buf = {0};
    buf_text(&buf, "abc");
    buf_printf(&buf, "-%d-", 42);
    buf_char(&buf, 'x');
    assert_str("abc-42-x", buf_str(&buf));
    buf_consume(&buf, 4);
    assert_str("42-x", buf_str(&buf));
    buf_truncate(&buf, 2);
    assert_string_equal("42", buf_c_str(&buf));
    assert_int_equal(2, buf.bytes);
    buf_reset(&buf);
    assert_int_equal(0, buf.bytes);
    buf_deinit(&buf);
}

static void test_limit(void **state)
{
    struct buf buf;
    buf_init(&buf, 10);
    buf_text(&buf, "0123456789");
    assert_ok(buf_error(&buf));
    buf_char(&buf, 'x');
    assert_err(ERR_LIMIT, buf_error(&buf));
    buf_truncate(&buf, 5);
    buf_char(&buf, 'y');
    assert_str("01234", buf_str(&buf));
    assert_null(buf_reserve(&buf, 1));
    buf_reset(&buf);
    buf_printf(&buf, "%s", "0123456789");
    assert_ok(buf_error(&buf));
    assert_str("0123456789", buf_str(&buf));
    buf_deinit(&buf);
}

static void test_numbers(void **state)
{
    struct buf buf = {0};
    buf_u8(&buf, 0xAB);
    buf_be16(&buf, 0x0102);
    buf_be32(&buf, 0x03040506);
    buf_be64(&buf, 0x0708090A0B0C0D0Eu);
    buf_le16(&buf, 0x0102);
    buf_le32(&buf, 0x03040506);
    buf_le64(&buf, 0x0708090A0B0C0D0Eu);
    buf_patch_be32(&buf, 3, 0xFFFEFDFC);
    struct reader r = reader_of(buf.ptr, buf.bytes);
    assert_int_equal(0xAB, reader_u8(&r));
    assert_int_equal(0x0102, reader_be16(&r));
    assert_int_equal(0xFFFEFDFC, reader_be32(&r));
    assert_true(reader_be64(&r) == 0x0708090A0B0C0D0Eu);
    assert_int_equal(0x0201, reader_be16(&r));
    assert_int_equal(0x06050403, reader_be32(&r));
    assert_true(reader_be64(&r) == 0x0E0D0C0B0A090807u);
    assert_int_equal(0, r.left);
    assert_int_equal(0, reader_u8(&r));
    assert_err(ERR_TRUNCATED, r.err);
    assert_int_equal(0, reader_str(&r, 3).bytes);
    buf_deinit(&buf);
}

static void test_varints(void **state)
{
    struct buf buf = {0};
    struct prng prng = {3};
    int64_t values[2000];
    for (size_t i = 0; i < 2000; i++) {
        uint64_t raw = prng_next(&prng) >> prng_below(&prng, 64);
        values[i] = i % 2 ? (int64_t)raw : (int64_t)(0 - raw);
        buf_varint(&buf, values[i]);
        buf_uvarint(&buf, raw);
    }
    buf_varint(&buf, INT64_MIN);
    buf_uvarint(&buf, UINT64_MAX);
    struct reader r = reader_of(buf.ptr, buf.bytes);
    for (size_t i = 0; i < 2000; i++) {
        assert_true(reader_varint(&r, 64) == values[i]);
        assert_true(reader_uvarint(&r, 64) ==
                    (i % 2 ? (uint64_t)values[i] : 0 - (uint64_t)values[i]));
    }
    assert_true(reader_varint(&r, 64) == INT64_MIN);
    assert_true(reader_uvarint(&r, 64) == UINT64_MAX);
    assert_ok(r.err);
    assert_int_equal(0, r.left);
    buf_deinit(&buf);
}

static void bad_varint(const char *bytes, size_t count, unsigned bits, enum err err)
{
    struct reader r = reader_of(bytes, count);
    assert_true(reader_uvarint(&r, bits) == 0);
    assert_err(err, r.err);
}

static void test_bad_varints(void **state)
{
    bad_varint("\xFF\xFF\xFF\xFF\x7F", 5, 32, ERR_CORRUPT);
    bad_varint("\x80\x80\x80\x80\x80\x00", 6, 32, ERR_CORRUPT);
    bad_varint("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10, 64, ERR_CORRUPT);
    bad_varint("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00", 11, 64, ERR_CORRUPT);
    bad_varint("\x80\x80", 2, 64, ERR_TRUNCATED);
    bad_varint("", 0, 64, ERR_TRUNCATED);
    struct reader r = reader_of("\xFF\xFF\xFF\xFF\x0F", 5);
    assert_true(reader_uvarint(&r, 32) == UINT32_MAX);
    assert_ok(r.err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),      cmocka_unit_test(test_limit),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_varints),
        cmocka_unit_test(test_bad_varints),
    };
    return RUN_TESTS(tests);
}
