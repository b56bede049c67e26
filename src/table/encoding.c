/* SPDX-License-Identifier: MIT */
/*
 * Values as bytes. Simple types use the encodings of CQL's native protocol (section 6 of its v4
 * specification), so that a server of that protocol can hand stored bytes on as they are, and so
 * that tokens of partition keys are Cassandra's. ARRAY, MAP and STRUCT are written as CQL's list,
 * map and user type: counts and lengths of 4 bytes, length -1 for null.
 *
 * Where CQL has no equal the encoding is ours: TIMESTAMP without a declared name keeps its
 * microseconds as 8 bytes (declared "timestamp" cuts them to milliseconds, as Cassandra does), an
 * interval is months, days (4 bytes each) and us (8).
 *
 * Invariants
 * 1. encoding_read(encoding_append(v)) == v, but for what the declared name cuts or spells anew
 *    (milliseconds, lower case of uuids, the shortest spelling of addresses).
 * 2. fixed_bytes is 0 or the length of every value of the encoding.
 */
#include "table/encoding.h"

#include "base/endian.h"
#include "base/reader.h"
#include "table/uuid.h"

/* What a type becomes without a declared name. */
static const enum encoding_form forms_of_kind[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = FORM_NONE,       [TYPE_BOOLEAN] = FORM_BOOLEAN,   [TYPE_TINYINT] = FORM_I8,
    [TYPE_SMALLINT] = FORM_I16,    [TYPE_INT] = FORM_I32,           [TYPE_BIGINT] = FORM_I64,
    [TYPE_FLOAT] = FORM_F32,       [TYPE_DOUBLE] = FORM_F64,        [TYPE_DECIMAL] = FORM_DECIMAL,
    [TYPE_STRING] = FORM_TEXT,     [TYPE_BINARY] = FORM_BYTES,      [TYPE_DATE] = FORM_DATE,
    [TYPE_TIMESTAMP] = FORM_I64,   [TYPE_TIMESTAMP_NTZ] = FORM_I64, [TYPE_INTERVAL_YM] = FORM_I32,
    [TYPE_INTERVAL_DT] = FORM_I64, [TYPE_INTERVAL] = FORM_INTERVAL, [TYPE_ARRAY] = FORM_LIST,
    [TYPE_MAP] = FORM_MAP,         [TYPE_STRUCT] = FORM_ROW,
};

static const uint8_t fixed_bytes_of_form[FORM_COUNT] = {
    [FORM_BOOLEAN] = 1, [FORM_I8] = 1,        [FORM_I16] = 2,    [FORM_I32] = 4,
    [FORM_I64] = 8,     [FORM_F32] = 4,       [FORM_F64] = 8,    [FORM_UUID] = UUID_BYTES,
    [FORM_DATE] = 4,    [FORM_TIMEUUID] = 16, [FORM_MILLIS] = 8, [FORM_INTERVAL] = 16,
};

#define KIND(kind) (1u << TYPE_##kind)
enum { KINDS_I8 = KIND(TINYINT), KINDS_I16 = KINDS_I8 | KIND(SMALLINT) };
enum { KINDS_I32 = KINDS_I16 | KIND(INT), KINDS_I64 = KINDS_I32 | KIND(BIGINT) };

/* The names that say more than the type, and the kinds each can hold without loss. */
static const struct declared_name {
    const char *name;
    enum encoding_form form;
    unsigned kinds;
} declared_names[] = {
    {"text", FORM_TEXT, KIND(STRING)},
    {"varchar", FORM_TEXT, KIND(STRING)},
    {"string", FORM_TEXT, KIND(STRING)},
    {"ascii", FORM_ASCII, KIND(STRING)},
    {"uuid", FORM_UUID, KIND(STRING)},
    {"timeuuid", FORM_TIMEUUID, KIND(STRING)},
    {"inet", FORM_INET, KIND(STRING)},
    {"blob", FORM_BYTES, KIND(BINARY)},
    {"boolean", FORM_BOOLEAN, KIND(BOOLEAN)},
    {"tinyint", FORM_I8, KINDS_I8},
    {"smallint", FORM_I16, KINDS_I16},
    {"int", FORM_I32, KINDS_I32},
    {"bigint", FORM_I64, KINDS_I64},
    {"varint", FORM_VARINT, KINDS_I64},
    {"float", FORM_F32, KIND(FLOAT)},
    {"double", FORM_F64, KIND(FLOAT) | KIND(DOUBLE)},
    {"decimal", FORM_DECIMAL, KIND(DECIMAL)},
    {"date", FORM_DATE, KIND(DATE)},
    {"timestamp", FORM_MILLIS, KIND(TIMESTAMP) | KIND(TIMESTAMP_NTZ)},
};

enum err encoding_of(const struct type *type, struct str declared, struct diag *diag,
                     struct encoding *ret_encoding)
{
    enum encoding_form form = forms_of_kind[type->kind];
    if (declared.bytes) {
        const struct declared_name *found = NULL;
        for (size_t i = 0; i < sizeof declared_names / sizeof *declared_names && !found; i++)
            if (str_equal_nocase(declared, str_of(declared_names[i].name)))
                found = &declared_names[i];
        if (!found)
            return diag_set(diag, ERR_INVALID, 0, 0, "the type \"%.*s\" is not offered by tables",
                            STR_ARG(declared));
        if (!(found->kinds >> type->kind & 1)) {
            struct buf name = {0};
            type_print_sql(type, &name);
            diag_set(diag, ERR_INVALID, 0, 0, "a column of type %.*s cannot be declared \"%s\"",
                     STR_ARG(buf_str(&name)), found->name);
            buf_deinit(&name);
            return ERR_INVALID;
        }
        form = found->form;
    }
    *ret_encoding = (struct encoding){form, fixed_bytes_of_form[form], type};
    return OK;
}

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

/* A value with its length before it; -1 for null. The child's type has no declared name. */
static enum err element_append(const struct column *column, size_t row, struct buf *out)
{
    if (column_is_null(column, row)) {
        buf_be32(out, UINT32_MAX);
        return OK;
    }
    struct encoding encoding;
    TRY(encoding_of(column->type, STR_NONE, NULL, &encoding));
    size_t at = out->bytes;
    buf_be32(out, 0);
    TRY(encoding_append(&encoding, column, row, out));
    if (out->bytes - at - 4 > INT32_MAX)
        return ERR_LIMIT;
    if (!buf_error(out))
        buf_patch_be32(out, at, (uint32_t)(out->bytes - at - 4));
    return buf_error(out);
}

static enum err nested_append(const struct column *column, size_t row, struct buf *out)
{
    if (column->type->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < column->child_count; i++)
            TRY(element_append(column->children[i], row, out));
        return buf_error(out);
    }
    int32_t from = column->offsets[row], to = column->offsets[row + 1];
    buf_be32(out, (uint32_t)(to - from));
    for (int32_t at = from; at < to; at++)
        for (uint32_t i = 0; i < column->child_count; i++)
            TRY(element_append(column->children[i], (size_t)at, out));
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
        buf_be64(out, (uint64_t)encoding_integer(column, row));
        break;
    case FORM_VARINT:
        decimal_bytes(encoding_integer(column, row), out);
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
    case FORM_LIST:
    case FORM_MAP:
    case FORM_ROW:
        return nested_append(column, row, out);
    case FORM_NONE:
        return ERR_INVALID;
    default:
        TRY(text_append(encoding, column_str(column, row), out));
    }
    return buf_error(out);
}

/* ---- and back ---- */

static enum err element_read(struct reader *r, struct builder *builder)
{
    uint32_t bytes = reader_be32(r);
    if (r->err)
        return ERR_CORRUPT;
    if (bytes == UINT32_MAX) {
        builder_null(builder);
        return OK;
    }
    struct str value = reader_str(r, bytes);
    struct encoding encoding;
    if (r->err || encoding_of(builder->type, STR_NONE, NULL, &encoding))
        return ERR_CORRUPT;
    return encoding_read(&encoding, value, builder);
}

static enum err nested_read(const struct encoding *encoding, struct str value,
                            struct builder *builder)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    uint32_t count = encoding->form == FORM_ROW ? 1 : reader_be32(&r);
    /* Every element takes four bytes at least: a count that lies is found at once. */
    if (r.err || (encoding->form != FORM_ROW && count > r.left / 4))
        return ERR_CORRUPT;
    for (uint32_t at = 0; at < count; at++)
        for (uint32_t i = 0; i < builder->child_count; i++)
            TRY(element_read(&r, builder->children[i]));
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
    builder_str(builder, value);
    return builder->err;
}

static enum err decimal_read(const struct encoding *encoding, struct str value,
                             struct builder *builder)
{
    bool scaled = encoding->form == FORM_DECIMAL;
    __int128 number;
    if (scaled && (value.bytes < 5 || get_be32(value.ptr) != encoding->type->scale))
        return ERR_CORRUPT;
    TRY(decimal_from_bytes(scaled ? str_slice(value, 4, value.bytes) : value, &number));
    if (!scaled && (number < INT64_MIN || number > INT64_MAX))
        return ERR_CORRUPT;
    if (scaled)
        builder_i128(builder, number);
    else
        builder_i64(builder, (int64_t)number);
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

enum err encoding_read(const struct encoding *encoding, struct str value, struct builder *builder)
{
    if (encoding->fixed_bytes && encoding->fixed_bytes != value.bytes)
        return ERR_CORRUPT;
    const char *at = value.ptr;
    switch (encoding->form) {
    case FORM_BOOLEAN:
        builder_bool(builder, *at != 0);
        break;
    case FORM_I8:
        builder_i64(builder, (int8_t)*at);
        break;
    case FORM_I16:
        builder_i64(builder, (int16_t)get_be16(at));
        break;
    case FORM_I32:
        builder_i64(builder, (int32_t)get_be32(at));
        break;
    case FORM_I64:
        builder_i64(builder, (int64_t)get_be64(at));
        break;
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
        builder_i64(builder, (int64_t)(get_be64(at) * 1000));
        break;
    case FORM_INTERVAL:
        builder_interval(builder,
                         (struct interval){(int32_t)get_be32(at), (int32_t)get_be32(at + 4),
                                           (int64_t)get_be64(at + 8)});
        break;
    case FORM_LIST:
    case FORM_MAP:
    case FORM_ROW:
        return nested_read(encoding, value, builder);
    case FORM_NONE:
        return ERR_CORRUPT;
    default:
        return text_read(encoding, value, builder);
    }
    return builder->err;
}
