/* SPDX-License-Identifier: MIT */
/*
 * Keys of rows. The engine orders them as bytes, and this order is Cassandra's: by token, then by
 * partition key, then by clustering columns each in its direction.
 *
 *   u8 3, u32 table id
 *   u64 token, sign bit flipped
 *   partition: the routing key (one column: its value; several: each as u16 length, value, 0).
 *              When its length is fixed it stands as it is, else escaped: 00 becomes 00 FF, and
 *              00 00 ends it.
 *   u8 kind: 0 deletion of the partition, 1 static row, 2 row
 *   kind 2: the clustering columns, each in bytes whose order is that of the values (below),
 *           inverted for DESC
 *
 * An append-only table instead: u8 3, u32 table id, u32 partition and u64 offset with the sign
 * bit flipped, u32 index; so its rows stand in the order of the stream.
 *
 *   boolean 0, 1                 ints, timestamps, intervals  big endian, sign bit flipped
 *   date    CQL's u32            decimal  16 bytes two's complement, sign bit flipped
 *   float, double  sign flipped when positive, all bits when negative; NaN is one and the last;
 *                  -0 before 0 (as Java compares)
 *   text, bytes, inet  escaped and ended as above
 *   uuid    version first; of version 1 then the time from its high part on; then the rest
 *   timeuuid  time from its high part on, then the rest as signed bytes (Cassandra's order)
 *   ARRAY   each element: 1 for null or 2 and the value; then 0    STRUCT  the same without the 0
 *
 * Invariants
 * 1. The encodings of one type are prefix-free, so the columns' order decides from the left and
 *    inverting one inverts its order.
 * 2. Equal values have equal bytes and the reverse (NaNs count as equal).
 * 3. key_parse takes apart exactly what the put functions write.
 */
#include "table/key.h"

#include "base/endian.h"
#include "base/hash.h"
#include "base/reader.h"
#include "table/uuid.h"

/* ---- which types ---- */

static bool ordered_type(const struct type *type)
{
    if (type->kind == TYPE_MAP || type->kind == TYPE_INTERVAL || type->kind == TYPE_NULL)
        return false;
    for (uint32_t i = 0; i < type->field_count; i++)
        if (!ordered_type(type->fields[i].type))
            return false;
    return true;
}

bool key_encoding_fits(enum table_column_role role, const struct encoding *encoding)
{
    if (role == TABLE_PARTITION_KEY)
        return encoding->form != FORM_NONE && encoding->form != FORM_MAP &&
               encoding->form != FORM_INTERVAL;
    return ordered_type(encoding->type);
}

/* ---- escaped bytes ---- */

static void escape(struct str bytes, struct buf *out)
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
static enum err unescape(struct str *rest, uint8_t flip, struct buf *out)
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

/* ---- prefix, partition, place ---- */

void key_put_prefix(uint8_t prefix[KEY_PREFIX_BYTES], uint32_t table_id)
{
    prefix[0] = KEY_ROW;
    put_be32(prefix + 1, table_id);
}

void key_put_place(const struct table_place *place, struct buf *out)
{
    buf_be32(out, (uint32_t)place->partition ^ 0x80000000u);
    buf_be64(out, (uint64_t)place->offset ^ 1ull << 63);
    buf_be32(out, place->index);
}

enum err key_put_partition(const struct shape *shape, const struct column *const *columns,
                           size_t row, struct buf *scratch, struct buf *out, size_t *ret_column)
{
    buf_reset(scratch);
    bool composite = shape->partition_count > 1;
    for (size_t i = 0; i < shape->partition_count; i++) {
        *ret_column = i;
        if (column_is_null(columns[i], row))
            return ERR_INVALID;
        size_t at = scratch->bytes;
        if (composite)
            buf_be16(scratch, 0);
        TRY(encoding_append(&shape->encodings[i], columns[i], row, scratch));
        size_t bytes = scratch->bytes - at - (composite ? 2 : 0);
        if (bytes > KEY_ROUTING_MAX || (!composite && !bytes))
            return ERR_INVALID;
        if (composite && !buf_error(scratch)) {
            put_be16(scratch->ptr + at, (uint16_t)bytes);
            buf_u8(scratch, 0);
        }
    }
    TRY(buf_error(scratch));
    if (scratch->bytes > KEY_ROUTING_MAX)
        return ERR_INVALID;
    int64_t token = hash_token(scratch->ptr, scratch->bytes);
    buf_be64(out, (uint64_t)token ^ 1ull << 63);
    if (shape->partition_bytes)
        buf_append(out, scratch->ptr, scratch->bytes);
    else
        escape(buf_str(scratch), out);
    return buf_error(out);
}

enum err key_columns(const struct shape *shape, const struct batch *batch, size_t count,
                     const struct column **ret_columns, struct diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        const struct table_column *column = &shape->definition.columns[i];
        size_t at = type_field(batch->schema, column->name);
        if (at == SIZE_MAX)
            return diag_set(diag, ERR_INVALID, 0, 0, "the key column %.*s is missing",
                            STR_ARG(column->name));
        if (!type_equal(batch->columns[at]->type, column->type))
            return diag_set(diag, ERR_INVALID, 0, 0, "the key column %.*s has another type",
                            STR_ARG(column->name));
        ret_columns[i] = batch->columns[at];
    }
    return OK;
}

/* ---- clustering: values to ordered bytes ---- */

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

static enum err put_ordered(const struct encoding *encoding, const struct column *column,
                            size_t row, struct buf *scratch, struct buf *out);

static enum err put_ordered_nested(const struct column *column, size_t row, struct buf *scratch,
                                   struct buf *out)
{
    bool list = column->type->kind == TYPE_ARRAY;
    size_t from = list ? (size_t)column->offsets[row] : row;
    size_t to = list ? (size_t)column->offsets[row + 1] : row + 1;
    for (size_t at = from; at < to; at++)
        for (uint32_t i = 0; i < column->child_count; i++) {
            const struct column *child = column->children[i];
            struct encoding encoding;
            TRY(encoding_of(child->type, STR_NONE, NULL, &encoding));
            buf_u8(out, column_is_null(child, at) ? 1 : 2);
            if (!column_is_null(child, at))
                TRY(put_ordered(&encoding, child, at, scratch, out));
        }
    if (list)
        buf_u8(out, 0);
    return buf_error(out);
}

static enum err put_ordered(const struct encoding *encoding, const struct column *column,
                            size_t row, struct buf *scratch, struct buf *out)
{
    if (encoding->form == FORM_LIST || encoding->form == FORM_ROW)
        return put_ordered_nested(column, row, scratch, out);
    buf_reset(scratch);
    TRY(encoding_append(encoding, column, row, scratch));
    const uint8_t *value = scratch->ptr;
    switch (encoding->form) {
    case FORM_BOOLEAN:
    case FORM_DATE:
        buf_str_append(out, buf_str(scratch));
        break;
    case FORM_I8:
    case FORM_I16:
    case FORM_I32:
    case FORM_I64:
    case FORM_MILLIS:
        buf_u8(out, value[0] ^ 0x80);
        buf_append(out, value + 1, scratch->bytes - 1);
        break;
    case FORM_VARINT:
        put_flipped(out, (uint64_t)encoding_integer(column, row), 8);
        break;
    case FORM_F32:
        buf_be32(out, order_of_float(get_be32(value)));
        break;
    case FORM_F64:
        buf_be64(out, order_of_double(get_be64(value)));
        break;
    case FORM_DECIMAL:
        buf_be64(out, (uint64_t)(column->i128[row] >> 64) ^ 1ull << 63);
        buf_be64(out, (uint64_t)column->i128[row]);
        break;
    case FORM_UUID:
    case FORM_TIMEUUID:
        put_uuid(value, encoding->form == FORM_TIMEUUID, out);
        break;
    default:
        escape(buf_str(scratch), out);
    }
    return buf_error(out);
}

enum err key_put_clustering(const struct shape *shape, const struct column *const *columns,
                            size_t row, struct buf *scratch, struct buf *out, size_t *ret_column)
{
    for (size_t i = 0; i < shape->clustering_count; i++) {
        size_t column = shape->partition_count + i;
        *ret_column = column;
        if (column_is_null(columns[i], row))
            return ERR_INVALID;
        size_t at = out->bytes;
        TRY(put_ordered(&shape->encodings[column], columns[i], row, scratch, out));
        if (out->bytes - at > KEY_ROUTING_MAX)
            return ERR_INVALID;
        if (shape->definition.columns[column].role == TABLE_CLUSTERING_DESC)
            for (size_t byte = at; byte < out->bytes; byte++)
                out->ptr[byte] ^= 0xFF;
    }
    return buf_error(out);
}

/* ---- and back ---- */

enum err key_parse(const struct shape *shape, struct str key, struct key_parts *ret_parts)
{
    size_t at = KEY_PREFIX_BYTES + KEY_TOKEN_BYTES;
    if (key.bytes <= at + shape->partition_bytes)
        return ERR_CORRUPT;
    if (shape->partition_bytes) {
        at += shape->partition_bytes;
    } else {
        const char *zero;
        do {
            zero = at < key.bytes ? memchr(key.ptr + at, 0, key.bytes - at) : NULL;
            if (!zero || zero + 2 >= key.ptr + key.bytes)
                return ERR_CORRUPT;
            at = (size_t)(zero + 2 - key.ptr);
        } while (zero[1]);
    }
    uint8_t kind = (uint8_t)key.ptr[at];
    if (kind > KEY_REGULAR_ROW)
        return ERR_CORRUPT;
    ret_parts->token = (int64_t)(get_be64(key.ptr + KEY_PREFIX_BYTES) ^ 1ull << 63);
    ret_parts->partition = str_from(key.ptr, at);
    ret_parts->kind = (enum key_kind)kind;
    ret_parts->clustering = str_slice(key, at + 1, key.bytes);
    return OK;
}

enum err key_partition_values(const struct shape *shape, struct str partition, struct buf *scratch,
                              struct str *ret_values)
{
    struct str routing = str_slice(partition, KEY_PREFIX_BYTES + KEY_TOKEN_BYTES, partition.bytes);
    if (!shape->partition_bytes) {
        buf_reset(scratch);
        TRY(unescape(&routing, 0, scratch));
        routing = buf_str(scratch);
    }
    if (shape->partition_count == 1) {
        ret_values[0] = routing;
        return OK;
    }
    struct reader r = reader_of(routing.ptr, routing.bytes);
    for (size_t i = 0; i < shape->partition_count; i++) {
        ret_values[i] = reader_str(&r, reader_be16(&r));
        reader_u8(&r);
    }
    return r.err || r.left ? ERR_CORRUPT : OK;
}

/* The fixed size of the ordered bytes; 0 = escaped or nested. */
static size_t ordered_bytes(const struct encoding *encoding)
{
    if (encoding->form == FORM_VARINT)
        return 8;
    return encoding->form == FORM_DECIMAL ? 16 : encoding->fixed_bytes;
}

static enum err read_fixed(const struct encoding *encoding, struct str order,
                           struct builder *builder)
{
    uint8_t value[16];
    uint64_t high = order.bytes >= 8 ? get_be64(order.ptr) : 0;
    memcpy(value, order.ptr, order.bytes);
    switch (encoding->form) {
    case FORM_I8:
    case FORM_I16:
    case FORM_I32:
    case FORM_I64:
    case FORM_MILLIS:
        value[0] ^= 0x80;
        break;
    case FORM_VARINT:
        builder_i64(builder, (int64_t)get_flipped(order));
        return builder->err;
    case FORM_F32:
        put_be32(value, value[0] & 0x80 ? get_be32(value) ^ 1u << 31 : ~get_be32(value));
        break;
    case FORM_F64:
        put_be64(value, high >> 63 ? high ^ 1ull << 63 : ~high);
        break;
    case FORM_DECIMAL:
        builder_i128(builder, (__int128)((unsigned __int128)(high ^ 1ull << 63) << 64 |
                                         get_be64(order.ptr + 8)));
        return builder->err;
    case FORM_UUID:
    case FORM_TIMEUUID:
        get_uuid(order, encoding->form == FORM_TIMEUUID, value);
        break;
    default:
        break;
    }
    return encoding_read(encoding, str_from(value, order.bytes), builder);
}

static enum err read_ordered(const struct encoding *encoding, struct str *rest, uint8_t flip,
                             struct buf *scratch, struct builder *builder);

/* One element of a nested value: its null byte and what follows. False at the end of a list. */
static enum err read_element(const struct type *type, struct str *rest, uint8_t flip,
                             struct buf *scratch, struct builder *builder, bool *ret_end)
{
    if (!rest->bytes)
        return ERR_CORRUPT;
    uint8_t mark = (uint8_t)(rest->ptr[0] ^ flip);
    *rest = str_slice(*rest, 1, rest->bytes);
    *ret_end = mark == 0;
    struct encoding encoding;
    if (mark == 1 && builder)
        builder_null(builder);
    if (mark < 2)
        return OK;
    TRY(encoding_of(type, STR_NONE, NULL, &encoding));
    return read_ordered(&encoding, rest, flip, scratch, builder);
}

static enum err read_nested(const struct encoding *encoding, struct str *rest, uint8_t flip,
                            struct buf *scratch, struct builder *builder)
{
    const struct type *type = encoding->type;
    bool list = type->kind == TYPE_ARRAY, end = false;
    for (uint32_t i = 0; list ? !end : i < type->field_count; i++) {
        size_t field = list ? 0 : i;
        TRY(read_element(type->fields[field].type, rest, flip, scratch,
                         builder ? builder->children[field] : NULL, &end));
        if (end && !list)
            return ERR_CORRUPT;
    }
    if (builder)
        builder_valid(builder);
    return builder ? builder->err : OK;
}

static enum err read_ordered(const struct encoding *encoding, struct str *rest, uint8_t flip,
                             struct buf *scratch, struct builder *builder)
{
    if (encoding->form == FORM_LIST || encoding->form == FORM_ROW)
        return read_nested(encoding, rest, flip, scratch, builder);
    size_t fixed = ordered_bytes(encoding);
    buf_reset(scratch);
    if (!fixed) {
        TRY(unescape(rest, flip, scratch));
        return builder ? encoding_read(encoding, buf_str(scratch), builder) : OK;
    }
    if (rest->bytes < fixed)
        return ERR_CORRUPT;
    uint8_t order[16];
    for (size_t i = 0; i < fixed; i++)
        order[i] = (uint8_t)rest->ptr[i] ^ flip;
    *rest = str_slice(*rest, fixed, rest->bytes);
    return builder ? read_fixed(encoding, str_from(order, fixed), builder) : OK;
}

enum err key_read_clustering(const struct shape *shape, size_t index, struct str *rest,
                             struct buf *scratch, struct builder *builder)
{
    size_t column = shape->partition_count + index;
    uint8_t flip = shape->definition.columns[column].role == TABLE_CLUSTERING_DESC ? 0xFF : 0;
    return read_ordered(&shape->encodings[column], rest, flip, scratch, builder);
}
