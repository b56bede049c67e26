/* SPDX-License-Identifier: MIT */
#ifndef TABLE_KEY_H
#define TABLE_KEY_H

#include "table/cells.h"
#include "table/range.h"
#include "table/shape.h"

enum { TABLE_TTL_MAX_S = 630720000 }; /* 20 years, Cassandra's */
enum { KEY_PREFIX_BYTES = 5, KEY_TOKEN_BYTES = 8, KEY_ROUTING_MAX = 65535 };

/* The first byte of every key of the store. */
enum key_space { KEY_META = 0, KEY_TABLE = 1, KEY_STATE = 2, KEY_ROW = 3, KEY_END = 4 };

/* What a record of a partition is, in the order they stand. The first also has its deleted ranges
 * (range.h). */
enum key_kind { KEY_PARTITION_DELETION = 0, KEY_STATIC_ROW = 1, KEY_REGULAR_ROW = 2 };

/* False: no order of bytes, or no equality, is defined for it. */
bool key_encoding_fits(enum table_column_role role, const struct encoding *encoding, bool declared);

/* All rows of a table have this prefix. */
void key_put_prefix(uint8_t prefix[KEY_PREFIX_BYTES], uint32_t table_id);

/* Appends token and partition of a row; columns are the partition columns in order. scratch is
 * overwritten. ERR_INVALID: null, empty where that is not allowed, over 64 KiB, or refused by the
 * declared type; *ret_column is the one then. */
enum err key_put_partition(const struct shape *shape, const struct column *const *columns,
                           size_t row, struct buf *scratch, struct buf *out,
                           size_t *ret_column) MUST_USE;
/* Appends the clustering columns. */
enum err key_put_clustering(const struct shape *shape, const struct column *const *columns,
                            size_t row, struct buf *scratch, struct buf *out,
                            size_t *ret_column) MUST_USE;
/* The same from CQL bytes, one a column; NULL pointers are null. Clustering values may be null from
 * one on that is not the first: whoever writes such a row has to mean it. */
enum err key_put_partition_values(const struct shape *shape, const struct str *values,
                                  struct buf *scratch, struct buf *out) MUST_USE;
enum err key_put_clustering_values(const struct shape *shape, const struct str *values,
                                   size_t count, struct buf *scratch, struct buf *out) MUST_USE;
/* Appends the routing key, of which the token is the hash. */
enum err key_put_routing(const struct shape *shape, const struct str *values,
                         struct buf *out) MUST_USE;
/* Makes of what key has behind from the first bytes that are behind all that begin with them. False
 * when there are none. */
bool key_after_prefix(struct buf *key, size_t from);
/* Appends the bounds of a slice in clustering order and gives it, in out's memory. *ret_empty: no
 * row can be in it. ERR_INVALID. */
enum err key_put_slice(const struct shape *shape, const struct table_bound *from,
                       const struct table_bound *to, struct buf *scratch, struct buf *out,
                       struct range *ret_range, bool *ret_empty) MUST_USE;
/* The first count key columns among those of batch, by name. ERR_INVALID: one is missing or of
 * another type. */
enum err key_columns(const struct shape *shape, const struct batch *batch, size_t count,
                     const struct column **ret_columns, struct diag *diag) MUST_USE;
/* Appends the place of a row of an append-only table. */
void key_put_place(const struct table_place *place, struct buf *out);

/* A key taken apart. partition is what all records of the partition begin with, prefix included. */
struct key_parts {
    int64_t token;
    struct str partition;
    enum key_kind kind;
    struct str clustering;
};
/* ERR_CORRUPT. */
enum err key_parse(const struct shape *shape, struct str key, struct key_parts *ret_parts) MUST_USE;
/* The bytes of each partition column, by column; the bytes live in scratch or in the key. */
enum err key_partition_values(const struct shape *shape, struct str partition, struct buf *scratch,
                              struct str *ret_values) MUST_USE;
/* Takes clustering column number index off the front of *rest and appends its stored bytes. When
 * *rest is at its end behind the first, that column is null and not to be asked for. */
enum err key_take_clustering(const struct shape *shape, size_t index, struct str *rest,
                             struct buf *out) MUST_USE;
/* Reads clustering column number index off the front of *rest: its value goes to builder, which may
 * be NULL to pass over it. */
enum err key_read_clustering(const struct shape *shape, size_t index, struct str *rest,
                             struct buf *scratch, struct builder *builder) MUST_USE;

#endif
