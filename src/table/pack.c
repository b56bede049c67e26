/* SPDX-License-Identifier: MIT */
/*
 * Clustering keys as one text of bytes whose order is that of the rows in their partition: what
 * stands in the keys of the store (key.c), for tables that point to rows of others.
 */
#include "table/cells.h"
#include "table/key.h"
#include "table/store.h"

enum err table_clustering_pack(const struct table *table, const struct str *values, uint32_t count,
                               struct buf *out)
{
    const struct shape *shape = table_shape(table);
    if (count != shape->clustering_count)
        return ERR_INVALID;
    CLEAN(buf_deinit) struct buf scratch = {0};
    TRY(key_put_clustering_values(shape, values, count, &scratch, out));
    return buf_error(out);
}

enum err table_clustering_unpack(const struct table *table, struct str packed, struct buf *room,
                                 struct str *ret_values)
{
    const struct shape *shape = table_shape(table);
    CLEAN(buf_deinit) struct buf stored = {0};
    struct str rest = packed;
    buf_reset(room);
    buf_reserve(room, 1); /* so that empty values have a place */
    for (size_t i = 0; i < shape->clustering_count; i++) {
        const struct encoding *encoding = &shape->encodings[shape->partition_count + i];
        size_t from = room->bytes;
        if (encoding->foreign) {
            buf_reset(&stored);
            TRY(key_take_clustering(shape, i, &rest, &stored));
            TRY(encoding_to_cql(encoding, buf_str(&stored), room));
        } else {
            TRY(key_take_clustering(shape, i, &rest, room));
        }
        ret_values[i] = (struct str){NULL, room->bytes - from};
    }
    TRY(buf_error(room));
    if (rest.bytes)
        return ERR_CORRUPT;
    size_t at = 0; /* the room does not move any more */
    for (size_t i = 0; i < shape->clustering_count; i++) {
        ret_values[i].ptr = (const char *)room->ptr + at;
        at += ret_values[i].bytes;
    }
    return OK;
}
