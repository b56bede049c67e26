/* SPDX-License-Identifier: MIT */
/*
 * Values of columns as bytes and back; the bytes are in the table of docs/formats/table.md.
 *
 * Invariants
 * 1. encoding_read(encoding_append(v)) == v, but for what the declared name cuts or spells anew
 *    (milliseconds, lower case of uuids, the shortest spelling of addresses).
 * 2. encoding_read() takes any bytes, since servers of CQL write them too: what the type cannot
 *    hold (an empty int, a varint of 50 digits) is read as null.
 */
#include "base/endian.h"
#include "base/reader.h"
#include "table/encoding.h"
#include "table/uuid.h"
#include "table/vint.h"

int64_t encoding_integer(const struct column *column, size_t row)
{
    switch (column->type->kind) {
    case TYPE_TINYINT:
        return column->i8[row];
    case TYPE_SMALLINT:
        return column->i16[row];
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YM:
        return column->i32[row];
    default:
        return column->i64[row];
    }
}

/* Two's complement, big endian, as short as it can be but one byte at least. */
void decimal_bytes(__int128 value, struct buf *out)
{
    uint8_t bytes[16];
    for (size_t i = 0; i < 16; i++)
        bytes[i] = (uint8_t)((unsigned __int128)value >> (120 - 8 * i));
    size_t from = 0;
    uint8_t sign = value < 0 ? 0xFF : 0;
    while (from < 15 && bytes[from] == sign && ((bytes[from + 1] ^ sign) & 0x80) == 0)
        from++;
    buf_append(out, bytes + from, 16 - from);
}

enum err decimal_from_bytes(struct str bytes, __int128 *ret_value)
{
    if (!bytes.bytes || bytes.bytes > 16)
        return ERR_CORRUPT;
    unsigned __int128 value = (int8_t)bytes.ptr[0] < 0 ? ~(unsigned __int128)0 : 0;
    for (size_t i = 0; i < bytes.bytes; i++)
        value = value << 8 | (uint8_t)bytes.ptr[i];
    *ret_value = (__int128)value;
    return OK;
}

/* Rounds down, so that times before 1970 stay in order. */
static int64_t millis_of_us(int64_t us)
{
    return us / 1000 - (us % 1000 < 0);
}

static uint64_t bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double real_of(const struct column *column, size_t row)
{
    return column->type->kind == TYPE_FLOAT ? (double)column->f32[row] : column->f64[row];
}

static enum err uuid_append(const struct encoding *encoding, struct str text, struct buf *out)
{
    uint8_t bytes[UUID_BYTES];
    if (!uuid_parse(text, bytes))
        return ERR_INVALID;
    if (encoding->form == FORM_TIMEUUID && uuid_version(bytes) != 1)
        return ERR_INVALID;
    buf_append(out, bytes, UUID_BYTES);
    return OK;
}

static enum err text_append(const struct encoding *encoding, struct str text, struct buf *out)
{
    uint8_t address[16];
    size_t bytes;
    switch (encoding->form) {
    case FORM_UUID:
    case FORM_TIMEUUID:
        return uuid_append(encoding, text, out);
    case FORM_INET:
        bytes = inet_parse(text, address);
        buf_append(out, address, bytes);
        return bytes ? OK : ERR_INVALID;
    case FORM_ASCII:
        for (size_t i = 0; i < text.bytes; i++)
            if (text.ptr[i] & 0x80)
                return ERR_INVALID;
        break;
    default:
        break;
    }
    buf_append(out, text.ptr, text.bytes);
    return OK;
}

/* A value with its length before it; -1 for null. */
static enum err element_append(const struct encoding *encoding, const struct column *column,
                               size_t row, struct buf *out)
{
    if (column_is_null(column, row)) {
        buf_be32(out, UINT32_MAX);
        return OK;
    }
    size_t at = out->bytes;
    buf_be32(out, 0);
    TRY(encoding_append(encoding, column, row, out));
    if (out->bytes - at - 4 > INT32_MAX)
        return ERR_LIMIT;
    if (!buf_error(out))
        buf_patch_be32(out, at, (uint32_t)(out->bytes - at - 4));
    return buf_error(out);
}

static enum err nested_append(const struct encoding *encoding, const struct column *column,
                              size_t row, struct buf *out)
{
    if (column->type->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < column->child_count; i++)
            TRY(element_append(&encoding->children[i], column->children[i], row, out));
        return buf_error(out);
    }
    int32_t from = column->offsets[row], to = column->offsets[row + 1];
    buf_be32(out, (uint32_t)(to - from));
    for (int32_t at = from; at < to; at++)
        for (uint32_t i = 0; i < column->child_count; i++)
            TRY(element_append(&encoding->children[i], column->children[i], (size_t)at, out));
    return buf_error(out);
}

static enum err vector_append(const struct encoding *encoding, const struct column *column,
                              size_t row, struct buf *out)
{
    const struct encoding *child = &encoding->children[0];
    const struct column *elements = column->children[0];
    int32_t from = column->offsets[row], to = column->offsets[row + 1];
    if ((uint32_t)(to - from) != encoding->dimension)
        return ERR_INVALID;
    for (int32_t at = from; at < to; at++) {
        if (column_is_null(elements, (size_t)at))
            return ERR_INVALID;
        size_t begin = out->bytes;
        TRY(encoding_append(child, elements, (size_t)at, out));
        if (!child->fixed_bytes)
            vint_length_insert(out, begin);
    }
    return buf_error(out);
}

enum err encoding_append(const struct encoding *encoding, const struct column *column, size_t row,
                         struct buf *out)
{
    switch (encoding->form) {
    case FORM_BOOLEAN:
        buf_u8(out, bit_get(column->bits, row));
        break;
    case FORM_I8:
        buf_u8(out, (uint8_t)encoding_integer(column, row));
        break;
    case FORM_I16:
        buf_be16(out, (uint16_t)encoding_integer(column, row));
        break;
    case FORM_I32:
        buf_be32(out, (uint32_t)encoding_integer(column, row));
        break;
    case FORM_I64:
    case FORM_MICROS:
        buf_be64(out, (uint64_t)encoding_integer(column, row));
        break;
    case FORM_VARINT:
        decimal_bytes(encoding->type->kind == TYPE_DECIMAL ? column->i128[row]
                                                           : encoding_integer(column, row),
                      out);
        break;
    case FORM_F32:
        buf_be32(out, bits_of_float(column->f32[row]));
        break;
    case FORM_F64:
        buf_be64(out, bits_of_double(real_of(column, row)));
        break;
    case FORM_DECIMAL:
        buf_be32(out, column->type->scale);
        decimal_bytes(column->i128[row], out);
        break;
    case FORM_DATE:
        buf_be32(out, (uint32_t)column->i32[row] ^ 0x80000000u);
        break;
    case FORM_MILLIS:
        buf_be64(out, (uint64_t)millis_of_us(column->i64[row]));
        break;
    case FORM_INTERVAL:
        buf_be32(out, (uint32_t)column->intervals[row].months);
        buf_be32(out, (uint32_t)column->intervals[row].days);
        buf_be64(out, (uint64_t)column->intervals[row].us);
        break;
    case FORM_DURATION:
        interval_append(column->intervals[row], out);
        break;
    case FORM_LIST:
    case FORM_MAP:
    case FORM_ROW:
        return nested_append(encoding, column, row, out);
    case FORM_VECTOR:
        return vector_append(encoding, column, row, out);
    case FORM_NONE:
        return ERR_INVALID;
    default:
        TRY(text_append(encoding, column_str(column, row), out));
    }
    return buf_error(out);
}

/* ---- and back ---- */

static enum err element_read(const struct encoding *encoding, struct reader *r,
                             struct builder *builder)
{
    uint32_t bytes = reader_be32(r);
    if (r->err)
        return ERR_CORRUPT;
    if (bytes > INT32_MAX) {
        builder_null(builder);
        return OK;
    }
    struct str value = reader_str(r, bytes);
    return r->err ? ERR_CORRUPT : encoding_read(encoding, value, builder);
}

/* Fields at the end may be missing. */
static enum err row_read(const struct encoding *encoding, struct str value, struct builder *builder)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    for (uint32_t i = 0; i < builder->child_count; i++) {
        if (r.left)
            TRY(element_read(&encoding->children[i], &r, builder->children[i]));
        else
            builder_null(builder->children[i]);
    }
    if (r.left)
        return ERR_CORRUPT;
    builder_valid(builder);
    return builder->err;
}

static enum err vector_read(const struct encoding *encoding, struct str value,
                            struct builder *builder)
{
    const struct encoding *child = &encoding->children[0];
    struct reader r = reader_of(value.ptr, value.bytes);
    for (uint32_t i = 0; i < encoding->dimension; i++) {
        struct str element =
            reader_str(&r, child->fixed_bytes ? child->fixed_bytes : vint_read(&r));
        if (r.err)
            return ERR_CORRUPT;
        TRY(encoding_read(child, element, builder->children[0]));
    }
    if (r.left)
        return ERR_CORRUPT;
    builder_valid(builder);
    return builder->err;
}

static enum err nested_read(const struct encoding *encoding, struct str value,
                            struct builder *builder)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    uint32_t count = reader_be32(&r);
    /* Every element takes four bytes at least: a count that lies is found at once. */
    if (r.err || count > r.left / 4)
        return ERR_CORRUPT;
    for (uint32_t at = 0; at < count; at++)
        for (uint32_t i = 0; i < builder->child_count; i++)
            TRY(element_read(&encoding->children[i], &r, builder->children[i]));
    if (r.left)
        return ERR_CORRUPT;
    builder_valid(builder);
    return builder->err;
}

static enum err text_read(const struct encoding *encoding, struct str value,
                          struct builder *builder)
{
    char text[INET_TEXT_MAX];
    if (encoding->form == FORM_UUID || encoding->form == FORM_TIMEUUID) {
        uuid_print((const uint8_t *)value.ptr, text);
        value = str_from(text, UUID_TEXT_BYTES);
    } else if (encoding->form == FORM_INET) {
        if (!inet_print(value, text))
            return ERR_CORRUPT;
        value = str_of(text);
    }
    if (encoding->doubtful && !str_is_utf8(value))
        return ERR_CORRUPT;
    builder_str(builder, value);
    return builder->err;
}

/* A declared type may be wider than the column's. */
static enum err whole_read(int64_t value, struct builder *builder)
{
    unsigned spare = builder->width < 8 ? 64 - 8 * builder->width : 0;
    if ((int64_t)((uint64_t)value << spare) >> spare != value)
        return ERR_CORRUPT;
    builder_i64(builder, value);
    return builder->err;
}

/* An integer of any length whose value fits. */
static enum err integer_of(struct str bytes, __int128 *ret_value)
{
    while (bytes.bytes > 16 && (uint8_t)bytes.ptr[0] == (bytes.ptr[1] & 0x80 ? 0xFF : 0))
        bytes = str_slice(bytes, 1, bytes.bytes);
    return decimal_from_bytes(bytes, ret_value);
}

static enum err decimal_read(const struct encoding *encoding, struct str value,
                             struct builder *builder)
{
    const struct type *type = encoding->type;
    __int128 number;
    int32_t scale = 0;
    if (encoding->form == FORM_DECIMAL) {
        if (value.bytes < 5)
            return ERR_CORRUPT;
        scale = (int32_t)get_be32(value.ptr);
        value = str_slice(value, 4, value.bytes);
    }
    TRY(integer_of(value, &number));
    if (type->kind != TYPE_DECIMAL) {
        if (number < INT64_MIN || number > INT64_MAX)
            return ERR_CORRUPT;
        return whole_read((int64_t)number, builder);
    }
    for (; scale < 0 && number > -decimal_power10(37) && number < decimal_power10(37); scale++)
        number *= 10;
    bool fits = scale >= 0 && (scale <= 38 || number == 0);
    if (!fits ||
        (scale == type->scale ? number <= -decimal_power10(type->precision) ||
                                    number >= decimal_power10(type->precision)
                              : decimal_rescale(number, number ? (unsigned)scale : 0,
                                                type->precision, type->scale, &number) != OK))
        return ERR_CORRUPT;
    builder_i128(builder, number);
    return builder->err;
}

static double double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static enum err millis_read(int64_t millis, struct builder *builder)
{
    int64_t us;
    if (__builtin_mul_overflow(millis, (int64_t)1000, &us))
        return ERR_CORRUPT;
    builder_i64(builder, us);
    return builder->err;
}

static enum err duration_read(struct str value, struct builder *builder)
{
    struct interval interval;
    TRY(interval_parse(value, &interval));
    builder_interval(builder, interval);
    return builder->err;
}

static enum err value_read(const struct encoding *encoding, struct str value,
                           struct builder *builder)
{
    if (encoding->fixed_bytes && encoding->fixed_bytes != value.bytes)
        return ERR_CORRUPT;
    const char *at = value.ptr;
    switch (encoding->form) {
    case FORM_BOOLEAN:
        builder_bool(builder, *at != 0);
        break;
    case FORM_I8:
        return whole_read((int8_t)*at, builder);
    case FORM_I16:
        return whole_read((int16_t)get_be16(at), builder);
    case FORM_I32:
        return whole_read((int32_t)get_be32(at), builder);
    case FORM_I64:
    case FORM_MICROS:
        return whole_read((int64_t)get_be64(at), builder);
    case FORM_F32:
        builder_f64(builder, (double)float_of_bits(get_be32(at)));
        break;
    case FORM_F64:
        builder_f64(builder, double_of_bits(get_be64(at)));
        break;
    case FORM_VARINT:
    case FORM_DECIMAL:
        return decimal_read(encoding, value, builder);
    case FORM_DATE:
        builder_i64(builder, (int32_t)(get_be32(at) ^ 0x80000000u));
        break;
    case FORM_MILLIS:
        return millis_read((int64_t)get_be64(at), builder);
    case FORM_INTERVAL:
        builder_interval(builder,
                         (struct interval){(int32_t)get_be32(at), (int32_t)get_be32(at + 4),
                                           (int64_t)get_be64(at + 8)});
        break;
    case FORM_DURATION:
        return duration_read(value, builder);
    case FORM_LIST:
    case FORM_MAP:
        return nested_read(encoding, value, builder);
    case FORM_ROW:
        return row_read(encoding, value, builder);
    case FORM_VECTOR:
        return vector_read(encoding, value, builder);
    case FORM_NONE:
        return ERR_CORRUPT;
    default:
        return text_read(encoding, value, builder);
    }
    return builder->err;
}

enum err encoding_read(const struct encoding *encoding, struct str value, struct builder *builder)
{
    enum err err = value_read(encoding, value, builder);
    if (err != ERR_CORRUPT)
        return err;
    builder_null(builder);
    return builder->err;
}
