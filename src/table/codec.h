/* SPDX-License-Identifier: MIT */
#ifndef TABLE_CODEC_H
#define TABLE_CODEC_H

#include "table/table.h"

/* Between columns and the bytes of CQL values, without a store: for tables that live elsewhere. The
 * types and what they are declared mean what they mean in a definition. One thread at a time. */
struct table_codec;
/* The columns are borrowed. ERR_INVALID: a declared type does not fit, told in diag. */
enum err table_codec_new(const struct table_column *columns, size_t count, struct diag *diag,
                         struct table_codec **ret_codec) MUST_USE;
void table_codec_free(struct table_codec *codec);
/* Appends a value that is not null, without its length. ERR_INVALID: the declared type refuses it.
 */
enum err table_codec_append(struct table_codec *codec, size_t column, const struct column *values,
                            size_t row, struct buf *out) MUST_USE;
/* Appends it to a builder of the column's type; ptr NULL and what the type cannot hold give null.
 * Fails with the builder only. */
enum err table_codec_read(struct table_codec *codec, size_t column, struct str value,
                          struct builder *builder) MUST_USE;

#endif
