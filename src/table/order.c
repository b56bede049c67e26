/* SPDX-License-Identifier: MIT */
/*
 * Values of clustering columns in bytes whose order is that of the values, from the bytes that the
 * value has everywhere else, and back.
 *
 *   boolean 0, 1                 ints, time, timestamps, intervals of one kind  sign bit flipped
 *   date    CQL's u32            DECIMAL(p,s)  16 bytes two's complement, sign bit flipped
 *   float, double  sign flipped when positive, all bits when negative; NaN is one and the last;
 *                  -0 before 0 (as Java compares)
 *   text, bytes, inet  escaped: 00 becomes 00 FF; ended by 00 00
 *   uuid    version first; of version 1 then the time from its high part on; then the rest
 *   timeuuid  time from its high part on, then the rest as signed bytes (Cassandra's order)
 *   varint  of n bytes, as short as it can be: 80 + n when positive, 7F - n when negative, for n
 *           below 7F; else FF and u32 n, or 00 and u32 -1 - n; then the bytes
 *           (BIGINT declared varint: its 8 bytes as above)
 *   decimal (CQL's) 80 for zero; else 81, exponent + 2^31 as 5 bytes, the digits in pairs plus 1,
 *           and 00 as end; when negative all bits of that inverted. The value is 0.digits *
 *           10^exponent, without zeros at either end of the digits
 *   list, set, map  each element, key and value as 01 for null or 02 and the value; then 00
 *   tuple, UDT  the same, without nulls at the end: a type may get fields. (Stores of version 2:
 *           all fields, without the 00.)                          vector  the elements
 *
 * Invariants
 * 1. The encodings of one type are prefix-free.
 * 2. Equal values have equal bytes and the reverse: NaNs are one value, and so are decimals that
 *    differ in their zeros only (they are read back without, but for those before the point).
 */
#include "table/order.h"

#include "base/endian.h"
#include "base/mem.h"
#include "base/reader.h"
#include "table/uuid.h"

enum { NUMBER_BYTES_MAX = 16384, VARINT_SHORT = 0x7F, ZEROS_MAX = 1000 };

bool order_is_defined(const struct encoding *encoding)
{
    if (encoding->form == FORM_NONE || encoding->form == FORM_INTERVAL ||
        encoding->form == FORM_DURATION ||
        (encoding->form == FORM_VECTOR && !encoding->fixed_bytes))
        return false;
    for (uint32_t i = 0; i < encoding->type->field_count; i++)
        if (!order_is_defined(&encoding->children[i]))
            return false;
    return true;
}

/* ---- escaped bytes ---- */

void order_escape(struct str bytes, struct buf *out)
{
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.bytes;
    while (at < end) {
        const char *zero = memchr(at, 0, (size_t)(end - at));
        const char *stop = zero ? zero : end;
        buf_append(out, at, (size_t)(stop - at));
        if (zero)
            buf_append(out, "\0\xFF", 2);
        at = zero ? zero + 1 : end;
    }
    buf_append(out, "\0\0", 2);
}

/* Takes an escaped run off the front; flip is 0xFF for inverted bytes. *ret_bytes points into out,
 * which is appended to, or into the input where nothing had to be changed. */
enum err order_unescape(struct str *rest, uint8_t flip, struct buf *out)
{
    const uint8_t *in = (const uint8_t *)rest->ptr;
    for (size_t i = 0; i + 1 < rest->bytes; i++) {
        uint8_t byte = in[i] ^ flip;
        if (!byte) {
            uint8_t next = in[++i] ^ flip;
            if (!next) {
                *rest = str_slice(*rest, i + 1, rest->bytes);
                return buf_error(out);
            }
            if (next != 0xFF)
                return ERR_CORRUPT;
        }
        buf_u8(out, byte);
    }
    return ERR_CORRUPT;
}

/* ---- simple values ---- */

static void put_flipped(struct buf *out, uint64_t value, size_t bytes)
{
    uint8_t wide[8];
    put_be64(wide, value);
    wide[8 - bytes] ^= 0x80;
    buf_append(out, wide + 8 - bytes, bytes);
}

static uint64_t get_flipped(struct str bytes)
{
    uint8_t wide[8];
    bool negative = !(bytes.ptr[0] & 0x80);
    memset(wide, negative ? 0xFF : 0, sizeof wide);
    memcpy(wide + 8 - bytes.bytes, bytes.ptr, bytes.bytes);
    wide[8 - bytes.bytes] ^= 0x80;
    return get_be64(wide);
}

static uint64_t order_of_double(uint64_t bits)
{
    if ((bits & ~(1ull << 63)) > 0x7FF0000000000000ull)
        bits = 0x7FF8000000000000ull;
    return bits >> 63 ? ~bits : bits | 1ull << 63;
}

static uint32_t order_of_float(uint32_t bits)
{
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        bits = 0x7FC00000u;
    return bits >> 31 ? ~bits : bits | 1u << 31;
}

/* The high half of a version 1 uuid by falling weight of its time, and back: the version, then
 * time_hi, time_mid, time_low. */
static uint64_t time_first(uint64_t high)
{
    return (high & 0xF000) << 48 | (high & 0x0FFF) << 48 | (high & 0xFFFF0000) << 16 | high >> 32;
}

static uint64_t time_last(uint64_t order)
{
    return order << 32 | (order >> 16 & 0xFFFF0000) | order >> 48;
}

static void put_uuid(const uint8_t bytes[UUID_BYTES], bool by_time, struct buf *out)
{
    uint64_t high = get_be64(bytes), low = get_be64(bytes + 8);
    if (by_time)
        high = time_first(high), low ^= 0x8080808080808080ull;
    else if (uuid_version(bytes) == 1)
        high = time_first(high);
    else
        high = (high & 0xF000) << 48 | (high >> 4 & 0x0FFFFFFFFFFFF000ull) | (high & 0xFFF);
    buf_be64(out, high);
    buf_be64(out, low);
}

static void get_uuid(struct str order, bool by_time, uint8_t ret_bytes[UUID_BYTES])
{
    uint64_t high = get_be64(order.ptr), low = get_be64(order.ptr + 8);
    if (by_time)
        low ^= 0x8080808080808080ull;
    if (by_time || high >> 60 == 1)
        high = time_last(high);
    else
        high = (high & 0x0FFFFFFFFFFFF000ull) << 4 | (high >> 48 & 0xF000) | (high & 0xFFF);
    put_be64(ret_bytes, high);
    put_be64(ret_bytes + 8, low);
}

/* ---- numbers of any size ---- */

static struct str shortest(struct str bytes)
{
    while (bytes.bytes > 1 && (uint8_t)bytes.ptr[0] == (bytes.ptr[1] & 0x80 ? 0xFF : 0))
        bytes = str_slice(bytes, 1, bytes.bytes);
    return bytes;
}

static enum err put_varint(struct str value, struct buf *out)
{
    value = shortest(value);
    if (!value.bytes)
        return ERR_INVALID;
    bool negative = value.ptr[0] & 0x80;
    uint32_t bytes = (uint32_t)value.bytes;
    if (bytes < VARINT_SHORT) {
        buf_u8(out, (uint8_t)(negative ? 0x7F - bytes : 0x80 + bytes));
    } else {
        buf_u8(out, negative ? 0x00 : 0xFF);
        buf_be32(out, negative ? ~bytes : bytes);
    }
    buf_str_append(out, value);
    return buf_error(out);
}

/* Digits of the magnitude of a two's complement number, most significant first, in base 10^9: the
 * least significant group first in groups. */
static size_t groups_of(struct str value, uint32_t *groups)
{
    bool negative = value.ptr[0] & 0x80;
    size_t count = 0;
    for (size_t i = 0; i < value.bytes; i++) {
        uint64_t carry = (uint8_t)value.ptr[i] ^ (negative ? 0xFF : 0);
        for (size_t j = 0; j < count; j++) {
            uint64_t wide = ((uint64_t)groups[j] << 8) + carry;
            groups[j] = (uint32_t)(wide % 1000000000u);
            carry = wide / 1000000000u;
        }
        if (carry)
            groups[count++] = (uint32_t)carry;
    }
    /* The magnitude of a negative number is one more than its complement. */
    for (size_t j = 0; negative; j++) {
        if (j == count)
            groups[count++] = 0;
        negative = ++groups[j] == 1000000000u;
        if (negative)
            groups[j] = 0;
    }
    return count;
}

/* The decimal digits of the magnitude, one a byte, without leading zeros. */
static void digits_of(struct str value, struct buf *digits)
{
    uint32_t *groups = mem_array(value.bytes / 3 + 2, sizeof *groups);
    size_t count = groups_of(value, groups);
    for (size_t i = count; i-- > 0;)
        for (uint32_t power = 100000000; power; power /= 10) {
            uint8_t digit = (uint8_t)(groups[i] / power % 10);
            if (digit || digits->bytes)
                buf_u8(digits, digit);
        }
    mem_free(groups);
}

static enum err put_decimal(struct str value, struct buf *out)
{
    if (value.bytes < 5 || value.bytes > NUMBER_BYTES_MAX)
        return ERR_INVALID;
    int32_t scale = (int32_t)get_be32(value.ptr);
    value = str_slice(value, 4, value.bytes);
    struct buf digits = {0};
    digits_of(value, &digits);
    int64_t exponent = (int64_t)digits.bytes - scale;
    while (digits.bytes && !digits.ptr[digits.bytes - 1])
        buf_truncate(&digits, digits.bytes - 1);
    size_t at = out->bytes;
    buf_u8(out, digits.bytes ? 0x81 : 0x80);
    if (digits.bytes) {
        uint64_t shifted = (uint64_t)(exponent + (1ll << 31));
        buf_u8(out, (uint8_t)(shifted >> 32));
        buf_be32(out, (uint32_t)shifted);
        for (size_t i = 0; i < digits.bytes; i += 2)
            buf_u8(out, (uint8_t)(digits.ptr[i] * 10 +
                                  (i + 1 < digits.bytes ? digits.ptr[i + 1] : 0) + 1));
        buf_u8(out, 0);
    }
    if (digits.bytes && value.ptr[0] & 0x80)
        for (; at < out->bytes; at++)
            out->ptr[at] ^= 0xFF;
    buf_deinit(&digits);
    return buf_error(out);
}

/* Appends the two's complement of the digits. */
static void put_number(const struct buf *digits, bool negative, struct buf *out)
{
    size_t room = digits->bytes / 2 + 2;
    uint8_t *bytes = mem_zero(room); /* least significant first */
    size_t count = 1;
    for (size_t i = 0; i < digits->bytes; i++) {
        unsigned carry = digits->ptr[i];
        for (size_t j = 0; j < count; j++) {
            carry += bytes[j] * 10u;
            bytes[j] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry)
            bytes[count++] = (uint8_t)carry;
    }
    if (bytes[count - 1] & 0x80)
        count++;
    unsigned carry = 1;
    for (size_t j = 0; negative && j < count; j++) {
        carry += (uint8_t)~bytes[j];
        bytes[j] = (uint8_t)carry;
        carry >>= 8;
    }
    struct buf number = {0};
    for (size_t j = count; j-- > 0;)
        buf_u8(&number, bytes[j]);
    buf_str_append(out, shortest(buf_str(&number)));
    buf_deinit(&number);
    mem_free(bytes);
}

static enum err take(struct str *rest, uint8_t flip, size_t bytes, struct buf *out)
{
    if (rest->bytes < bytes)
        return ERR_CORRUPT;
    for (size_t i = 0; i < bytes; i++)
        buf_u8(out, (uint8_t)((uint8_t)rest->ptr[i] ^ flip));
    *rest = str_slice(*rest, bytes, rest->bytes);
    return buf_error(out);
}

static enum err get_varint(struct str *rest, uint8_t flip, struct buf *out)
{
    if (!rest->bytes)
        return ERR_CORRUPT;
    uint8_t head = (uint8_t)rest->ptr[0] ^ flip;
    *rest = str_slice(*rest, 1, rest->bytes);
    uint32_t bytes = head & 0x80 ? head - 0x80u : 0x7Fu - head;
    if (head == 0 || head == 0xFF) {
        if (rest->bytes < 4)
            return ERR_CORRUPT;
        bytes = get_be32(rest->ptr) ^ (flip ? UINT32_MAX : 0);
        bytes = head ? bytes : ~bytes;
        *rest = str_slice(*rest, 4, rest->bytes);
    }
    return bytes ? take(rest, flip, bytes, out) : ERR_CORRUPT;
}

/* The digits as they were put, to their end; they are appended one a byte. */
static enum err get_digits(struct str *rest, uint8_t flip, struct buf *digits)
{
    for (size_t i = 0; i < rest->bytes; i++) {
        uint8_t pair = (uint8_t)rest->ptr[i] ^ flip;
        if (!pair) {
            *rest = str_slice(*rest, i + 1, rest->bytes);
            return digits->bytes ? buf_error(digits) : ERR_CORRUPT;
        }
        if (pair > 100)
            return ERR_CORRUPT;
        buf_u8(digits, (uint8_t)((pair - 1) / 10));
        buf_u8(digits, (uint8_t)((pair - 1) % 10));
    }
    return ERR_CORRUPT;
}

static enum err get_decimal(struct str *rest, uint8_t flip, struct buf *out)
{
    if (!rest->bytes)
        return ERR_CORRUPT;
    uint8_t head = (uint8_t)rest->ptr[0] ^ flip;
    if (head == 0x80) {
        *rest = str_slice(*rest, 1, rest->bytes);
        buf_append(out, "\0\0\0\0", 5);
        return buf_error(out);
    }
    bool negative = head == 0x7E;
    if ((!negative && head != 0x81) || rest->bytes < 6)
        return ERR_CORRUPT;
    flip ^= negative ? 0xFF : 0;
    uint64_t shifted = 0;
    for (size_t i = 1; i < 6; i++)
        shifted = shifted << 8 | ((uint8_t)rest->ptr[i] ^ flip);
    *rest = str_slice(*rest, 6, rest->bytes);
    struct buf digits = {0};
    enum err err = get_digits(rest, flip, &digits);
    while (!err && digits.bytes && !digits.ptr[digits.bytes - 1])
        buf_truncate(&digits, digits.bytes - 1);
    int64_t scale = (int64_t)digits.bytes - ((int64_t)shifted - (1ll << 31));
    for (int zeros = 0; !err && scale < 0 && scale >= -ZEROS_MAX && zeros < ZEROS_MAX; zeros++) {
        buf_u8(&digits, 0);
        scale++;
    }
    if (!err && scale != (int32_t)scale)
        err = ERR_CORRUPT;
    if (!err) {
        buf_be32(out, (uint32_t)scale);
        put_number(&digits, negative, out);
    }
    buf_deinit(&digits);
    return err ? err : buf_error(out);
}

/* ---- nested values ---- */

static enum err put_element(const struct encoding *child, struct reader *r, struct buf *out)
{
    uint32_t bytes = r->left ? reader_be32(r) : UINT32_MAX;
    if (r->err)
        return ERR_INVALID;
    buf_u8(out, bytes > INT32_MAX ? 1 : 2);
    if (bytes > INT32_MAX)
        return buf_error(out);
    struct str value = reader_str(r, bytes);
    return r->err ? ERR_INVALID : order_put(child, value, out);
}

static enum err put_nested(const struct encoding *encoding, struct str value, struct buf *out)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    uint32_t fields = encoding->type->field_count;
    bool row = encoding->form == FORM_ROW;
    uint32_t count = row ? 1 : reader_be32(&r);
    if (r.err || (!row && count > r.left / 4))
        return ERR_INVALID;
    size_t end = out->bytes;
    for (uint32_t at = 0; at < count; at++)
        for (uint32_t i = 0; i < fields; i++) {
            if (!row && !r.left)
                return ERR_INVALID;
            size_t begin = out->bytes;
            TRY(put_element(&encoding->children[i], &r, out));
            if (!row || out->bytes - begin > 1)
                end = out->bytes;
        }
    if (!encoding->all_fields) {
        if (!buf_error(out))
            buf_truncate(out, end);
        buf_u8(out, 0);
    }
    return r.left ? ERR_INVALID : buf_error(out);
}

static enum err put_vector(const struct encoding *encoding, struct str value, struct buf *out)
{
    const struct encoding *child = &encoding->children[0];
    if (!encoding->fixed_bytes || value.bytes != encoding->fixed_bytes)
        return ERR_INVALID;
    for (size_t at = 0; at < value.bytes; at += child->fixed_bytes)
        TRY(order_put(child, str_slice(value, at, at + child->fixed_bytes), out));
    return buf_error(out);
}

/* *ret_end: the end of a list. */
static enum err get_element(const struct encoding *child, struct str *rest, uint8_t flip,
                            struct buf *out, bool *ret_end)
{
    if (!rest->bytes)
        return ERR_CORRUPT;
    uint8_t mark = (uint8_t)(rest->ptr[0] ^ flip);
    *rest = str_slice(*rest, 1, rest->bytes);
    *ret_end = mark == 0;
    if (mark == 0)
        return OK;
    size_t at = out->bytes;
    buf_be32(out, UINT32_MAX);
    if (mark == 1)
        return buf_error(out);
    TRY(order_get(child, rest, flip, out));
    if (!buf_error(out))
        buf_patch_be32(out, at, (uint32_t)(out->bytes - at - 4));
    return buf_error(out);
}

static enum err get_end(struct str *rest, uint8_t flip)
{
    if (!rest->bytes || ((uint8_t)rest->ptr[0] ^ flip) != 0)
        return ERR_CORRUPT;
    *rest = str_slice(*rest, 1, rest->bytes);
    return OK;
}

static enum err get_nested(const struct encoding *encoding, struct str *rest, uint8_t flip,
                           struct buf *out)
{
    uint32_t fields = encoding->type->field_count, count = 0;
    size_t at = out->bytes;
    bool row = encoding->form == FORM_ROW, end = false;
    if (!row)
        buf_be32(out, 0);
    for (; row ? !count : !end; count++)
        for (uint32_t i = 0; i < fields && !end; i++) {
            TRY(get_element(&encoding->children[i], rest, flip, out, &end));
            if (end && (row ? encoding->all_fields : i > 0))
                return ERR_CORRUPT;
            for (uint32_t j = i; row && end && j < fields; j++)
                buf_be32(out, UINT32_MAX);
        }
    if (row && !end && !encoding->all_fields)
        TRY(get_end(rest, flip));
    if (!row && !buf_error(out))
        buf_patch_be32(out, at, count - 1);
    return buf_error(out);
}

/* ---- any value ---- */

/* The fixed size of the ordered bytes; 0 = none. */
static size_t ordered_bytes(const struct encoding *encoding)
{
    if (encoding->form == FORM_VARINT)
        return encoding->wide ? 0 : 8;
    if (encoding->form == FORM_DECIMAL)
        return encoding->wide ? 0 : 16;
    return encoding->form == FORM_VECTOR ? 0 : encoding->fixed_bytes;
}

/* DECIMAL(p,s) and BIGINT as integers of a fixed width. A decimal of another scale is taken when
 * that changes nothing. */
static enum err put_narrow(const struct encoding *encoding, struct str value, struct buf *out)
{
    __int128 number;
    int32_t scale = 0;
    bool decimal = encoding->form == FORM_DECIMAL;
    if (decimal && value.bytes < 5)
        return ERR_INVALID;
    if (decimal)
        scale = (int32_t)get_be32(value.ptr);
    if (decimal_from_bytes(shortest(str_slice(value, decimal ? 4 : 0, value.bytes)), &number))
        return ERR_INVALID;
    if (!decimal) {
        if (number < INT64_MIN || number > INT64_MAX)
            return ERR_INVALID;
        put_flipped(out, (uint64_t)number, 8);
        return buf_error(out);
    }
    for (; scale > encoding->type->scale && number % 10 == 0 && number; scale--)
        number /= 10;
    if (!number)
        scale = encoding->type->scale;
    if (scale < -38 || scale > encoding->type->scale)
        return ERR_INVALID;
    for (; scale < encoding->type->scale; scale++)
        if (__builtin_mul_overflow(number, (__int128)10, &number))
            return ERR_INVALID;
    buf_be64(out, (uint64_t)(number >> 64) ^ 1ull << 63);
    buf_be64(out, (uint64_t)number);
    return buf_error(out);
}

static enum err put_simple(const struct encoding *encoding, struct str value, struct buf *out)
{
    const uint8_t *at = (const uint8_t *)value.ptr;
    switch (encoding->form) {
    case FORM_BOOLEAN:
        buf_u8(out, at[0] != 0);
        break;
    case FORM_DATE:
        buf_str_append(out, value);
        break;
    case FORM_I8:
    case FORM_I16:
    case FORM_I32:
    case FORM_I64:
    case FORM_MICROS:
    case FORM_MILLIS:
        buf_u8(out, at[0] ^ 0x80);
        buf_append(out, at + 1, value.bytes - 1);
        break;
    case FORM_F32:
        buf_be32(out, order_of_float(get_be32(at)));
        break;
    case FORM_F64:
        buf_be64(out, order_of_double(get_be64(at)));
        break;
    case FORM_UUID:
    case FORM_TIMEUUID:
        put_uuid(at, encoding->form == FORM_TIMEUUID, out);
        break;
    default:
        return ERR_INVALID;
    }
    return buf_error(out);
}

/* The sign bits of both halves of a uuid, so that its bytes order as two signed numbers do. */
static void flip_signs(uint8_t uuid[16])
{
    uuid[0] ^= 0x80;
    uuid[8] ^= 0x80;
}

static enum err put_lexical(struct str value, struct buf *out)
{
    uint8_t uuid[16];
    if (value.bytes != sizeof uuid && value.bytes)
        return ERR_INVALID;
    if (value.bytes) {
        memcpy(uuid, value.ptr, sizeof uuid);
        flip_signs(uuid);
        value = str_from(uuid, sizeof uuid);
    }
    order_escape(value, out);
    return buf_error(out);
}

static enum err get_lexical(struct str *rest, uint8_t flip, struct buf *out)
{
    size_t at = out->bytes;
    TRY(order_unescape(rest, flip, out));
    if (out->bytes - at == 16)
        flip_signs(out->ptr + at);
    return out->bytes == at || out->bytes - at == 16 ? OK : ERR_CORRUPT;
}

enum err order_put(const struct encoding *encoding, struct str value, struct buf *out)
{
    if (encoding->fixed_bytes && encoding->fixed_bytes != value.bytes)
        return ERR_INVALID;
    if (encoding->lexical)
        return put_lexical(value, out);
    switch (encoding->form) {
    case FORM_BYTES:
    case FORM_TEXT:
    case FORM_ASCII:
    case FORM_INET:
        order_escape(value, out);
        return buf_error(out);
    case FORM_VARINT:
        return encoding->wide ? put_varint(value, out) : put_narrow(encoding, value, out);
    case FORM_DECIMAL:
        return encoding->wide ? put_decimal(value, out) : put_narrow(encoding, value, out);
    case FORM_LIST:
    case FORM_MAP:
    case FORM_ROW:
        return put_nested(encoding, value, out);
    case FORM_VECTOR:
        return put_vector(encoding, value, out);
    default:
        return put_simple(encoding, value, out);
    }
}

static void get_simple(const struct encoding *encoding, struct str order, struct buf *out)
{
    uint8_t value[16];
    uint64_t high = order.bytes >= 8 ? get_be64(order.ptr) : 0;
    memcpy(value, order.ptr, order.bytes);
    switch (encoding->form) {
    case FORM_I8:
    case FORM_I16:
    case FORM_I32:
    case FORM_I64:
    case FORM_MICROS:
    case FORM_MILLIS:
        value[0] ^= 0x80;
        break;
    case FORM_VARINT:
        decimal_bytes((int64_t)get_flipped(order), out);
        return;
    case FORM_F32:
        put_be32(value, value[0] & 0x80 ? get_be32(value) ^ 1u << 31 : ~get_be32(value));
        break;
    case FORM_F64:
        put_be64(value, high >> 63 ? high ^ 1ull << 63 : ~high);
        break;
    case FORM_DECIMAL:
        buf_be32(out, encoding->type->scale);
        decimal_bytes(
            (__int128)((unsigned __int128)(high ^ 1ull << 63) << 64 | get_be64(order.ptr + 8)),
            out);
        return;
    case FORM_UUID:
    case FORM_TIMEUUID:
        get_uuid(order, encoding->form == FORM_TIMEUUID, value);
        break;
    default:
        break;
    }
    buf_append(out, value, order.bytes);
}

enum err order_get(const struct encoding *encoding, struct str *rest, uint8_t flip, struct buf *out)
{
    size_t fixed = ordered_bytes(encoding);
    if (fixed) {
        if (rest->bytes < fixed)
            return ERR_CORRUPT;
        uint8_t order[16];
        for (size_t i = 0; i < fixed; i++)
            order[i] = (uint8_t)rest->ptr[i] ^ flip;
        *rest = str_slice(*rest, fixed, rest->bytes);
        get_simple(encoding, str_from(order, fixed), out);
        return buf_error(out);
    }
    if (encoding->lexical)
        return get_lexical(rest, flip, out);
    switch (encoding->form) {
    case FORM_VARINT:
        return get_varint(rest, flip, out);
    case FORM_DECIMAL:
        return get_decimal(rest, flip, out);
    case FORM_LIST:
    case FORM_MAP:
    case FORM_ROW:
        return get_nested(encoding, rest, flip, out);
    case FORM_VECTOR:
        for (uint32_t i = 0; i < encoding->dimension; i++)
            TRY(order_get(&encoding->children[0], rest, flip, out));
        return buf_error(out);
    default:
        return order_unescape(rest, flip, out);
    }
}
