/* SPDX-License-Identifier: MIT */
#ifndef TABLE_ENCODING_H
#define TABLE_ENCODING_H

#include "data/column.h"

/* The bytes of one value, without its length: CQL's encodings where CQL has one (table_encodings
 * in docs/formats/table.md). Null is told outside. Only the outermost type can be declared. */
enum encoding_form {
    FORM_NONE, /* type NULL: never a value */
    FORM_BOOLEAN,
    FORM_I8,
    FORM_I16,
    FORM_I32,
    FORM_I64,
    FORM_VARINT,
    FORM_F32,
    FORM_F64,
    FORM_DECIMAL,
    FORM_BYTES,
    FORM_TEXT,
    FORM_ASCII,
    FORM_UUID,
    FORM_TIMEUUID,
    FORM_INET,
    FORM_DATE,
    FORM_MILLIS,
    FORM_INTERVAL,
    FORM_LIST,
    FORM_MAP,
    FORM_ROW,
    FORM_COUNT
};

struct encoding {
    enum encoding_form form;
    size_t fixed_bytes; /* 0 = the length varies */
    const struct type *type;
};

/* The encoding of a type, or of the declared name for it (empty = the type's own). ERR_INVALID:
 * the name does not fit the type, or is not known. */
enum err encoding_of(const struct type *type, struct str declared, struct diag *diag,
                     struct encoding *ret_encoding) MUST_USE;
/* Appends a value that is not null. ERR_INVALID: the declared type refuses it. */
enum err encoding_append(const struct encoding *encoding, const struct column *column, size_t row,
                         struct buf *out) MUST_USE;
/* Appends the value to a builder of the type. ERR_CORRUPT. */
enum err encoding_read(const struct encoding *encoding, struct str value,
                       struct builder *builder) MUST_USE;

/* The parts that key.c needs. */
int64_t encoding_integer(const struct column *column, size_t row);
void decimal_bytes(__int128 value, struct buf *out);
enum err decimal_from_bytes(struct str bytes, __int128 *ret_value) MUST_USE;

#endif
