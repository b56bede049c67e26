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
 *   u8 kind: 0 deletions of the partition and of ranges in it, 1 static row, 2 row
 *   kind 2: the clustering columns, each in bytes whose order is that of the values (order.c),
 *           inverted for DESC. Values that are missing at the end are left out: such a row stands
 *           before those that have them
 *
 * An append-only table instead: u8 3, u32 table id, u32 partition and u64 offset with the sign
 * bit flipped, u32 index; so its rows stand in the order of the stream.
 *
 * Invariants
 * 1. The encodings of one type are prefix-free, so the columns' order decides from the left and
 *    inverting one inverts its order.
 * 2. key_parse takes apart exactly what the put functions write.
 */
#include "table/key.h"

#include "base/endian.h"
#include "base/hash.h"
#include "base/reader.h"
#include "table/order.h"

/* Of one clustering column in its order; far over the 64 KiB that a key's value may have. */
enum { CLUSTERING_BYTES_MAX = 4 << 20 };

bool key_encoding_fits(enum table_column_role role, const struct encoding *encoding, bool declared)
{
    if (role == TABLE_PARTITION_KEY)
        return encoding->form != FORM_NONE && encoding->form != FORM_INTERVAL &&
               (declared || encoding->form != FORM_MAP);
    return order_is_defined(encoding) && (declared || encoding->form != FORM_MAP);
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

/* The values of a routing key, one after the other. */
struct routing {
    struct buf *bytes;
    bool composite;
    size_t at; /* where the value that is being put begins */
};

static void routing_begin(struct routing *routing)
{
    routing->at = routing->bytes->bytes;
    if (routing->composite)
        buf_be16(routing->bytes, 0);
}

static enum err routing_end(struct routing *routing)
{
    struct buf *out = routing->bytes;
    size_t bytes = out->bytes - routing->at - (routing->composite ? 2 : 0);
    if (bytes > KEY_ROUTING_MAX || (!routing->composite && !bytes))
        return ERR_INVALID;
    if (routing->composite && !buf_error(out)) {
        put_be16(out->ptr + routing->at, (uint16_t)bytes);
        buf_u8(out, 0);
    }
    return buf_error(out);
}

/* Token and partition of a routing key. */
static enum err put_routing(const struct shape *shape, struct str routing, struct buf *out)
{
    if (routing.bytes > KEY_ROUTING_MAX)
        return ERR_INVALID;
    int64_t token = hash_token(routing.ptr, routing.bytes);
    buf_be64(out, (uint64_t)token ^ 1ull << 63);
    if (shape->partition_bytes)
        buf_str_append(out, routing);
    else
        order_escape(routing, out);
    return buf_error(out);
}

enum err key_put_partition(const struct shape *shape, const struct column *const *columns,
                           size_t row, struct buf *scratch, struct buf *out, size_t *ret_column)
{
    buf_reset(scratch);
    struct routing routing = {scratch, shape->partition_count > 1, 0};
    for (size_t i = 0; i < shape->partition_count; i++) {
        *ret_column = i;
        if (column_is_null(columns[i], row))
            return ERR_INVALID;
        routing_begin(&routing);
        TRY(encoding_append(&shape->encodings[i], columns[i], row, scratch));
        TRY(routing_end(&routing));
    }
    return put_routing(shape, buf_str(scratch), out);
}

enum err key_put_routing(const struct shape *shape, const struct str *values, struct buf *out)
{
    struct routing routing = {out, shape->partition_count > 1, 0};
    for (size_t i = 0; i < shape->partition_count; i++) {
        const struct encoding *encoding = &shape->encodings[i];
        if (!values[i].ptr)
            return ERR_INVALID;
        routing_begin(&routing);
        size_t at = out->bytes;
        if (encoding_from_cql(encoding, values[i], out) ||
            (encoding->fixed_bytes && out->bytes - at != encoding->fixed_bytes))
            return ERR_INVALID;
        TRY(routing_end(&routing));
    }
    return buf_error(out);
}

enum err key_put_partition_values(const struct shape *shape, const struct str *values,
                                  struct buf *scratch, struct buf *out)
{
    if (shape->partition_count == 1 && !shape->encodings[0].foreign) {
        const struct encoding *encoding = &shape->encodings[0];
        if (!values[0].bytes || (encoding->fixed_bytes && values[0].bytes != encoding->fixed_bytes))
            return ERR_INVALID;
        return put_routing(shape, values[0], out);
    }
    buf_reset(scratch);
    TRY(key_put_routing(shape, values, scratch));
    return put_routing(shape, buf_str(scratch), out);
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

/* ---- clustering ---- */

/* Appends the stored bytes of clustering column number index in order. */
static enum err put_clustering(const struct shape *shape, size_t index, struct str value,
                               struct buf *out)
{
    size_t column = shape->partition_count + index;
    size_t at = out->bytes;
    TRY(order_put(&shape->encodings[column], value, out));
    if (out->bytes - at > CLUSTERING_BYTES_MAX)
        return ERR_INVALID;
    if (shape->definition.columns[column].role == TABLE_CLUSTERING_DESC)
        for (size_t byte = at; byte < out->bytes; byte++)
            out->ptr[byte] ^= 0xFF;
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
        buf_reset(scratch);
        TRY(encoding_append(&shape->encodings[column], columns[i], row, scratch));
        TRY(put_clustering(shape, i, buf_str(scratch), out));
    }
    return buf_error(out);
}

static bool ends_here(const struct str *values, size_t count)
{
    while (count && !values[count - 1].ptr)
        count--;
    return count == 0;
}

enum err key_put_clustering_values(const struct shape *shape, const struct str *values,
                                   size_t count, struct buf *scratch, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct encoding *encoding = &shape->encodings[shape->partition_count + i];
        struct str value = values[i];
        if (!value.ptr)
            return i && ends_here(values + i, count - i) ? buf_error(out) : ERR_INVALID;
        if (encoding->foreign) {
            buf_reset(scratch);
            TRY(encoding_from_cql(encoding, value, scratch));
            value = buf_str(scratch);
        }
        TRY(put_clustering(shape, i, value, out));
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
        TRY(order_unescape(&routing, 0, scratch));
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

enum err key_take_clustering(const struct shape *shape, size_t index, struct str *rest,
                             struct buf *out)
{
    size_t column = shape->partition_count + index;
    uint8_t flip = shape->definition.columns[column].role == TABLE_CLUSTERING_DESC ? 0xFF : 0;
    return order_get(&shape->encodings[column], rest, flip, out);
}

enum err key_read_clustering(const struct shape *shape, size_t index, struct str *rest,
                             struct buf *scratch, struct builder *builder)
{
    buf_reset(scratch);
    if (!rest->bytes && index) {
        if (builder)
            builder_null(builder);
        return OK;
    }
    TRY(key_take_clustering(shape, index, rest, scratch));
    const struct encoding *encoding = &shape->encodings[shape->partition_count + index];
    return builder ? encoding_read(encoding, buf_str(scratch), builder) : OK;
}

bool key_after_prefix(struct buf *key, size_t from)
{
    while (key->bytes > from && key->ptr[key->bytes - 1] == 0xFF)
        buf_truncate(key, key->bytes - 1);
    if (key->bytes == from)
        return false;
    key->ptr[key->bytes - 1]++;
    return true;
}
