/* SPDX-License-Identifier: MIT */
#ifndef TABLE_ENCODING_H
#define TABLE_ENCODING_H

#include "data/column.h"

/* The bytes of one value, without its length: CQL's encodings where CQL has one (the table of
 * values in docs/formats/table.md). Null is told outside. */
enum encoding_form {
    FORM_NONE, /* type NULL: never a value */
    FORM_BOOLEAN,
    FORM_I8,
    FORM_I16,
    FORM_I32,
    FORM_I64,
    FORM_MICROS, /* a time of ours, CQL has milliseconds */
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
    FORM_INTERVAL, /* ours, CQL has FORM_DURATION */
    FORM_DURATION,
    FORM_LIST,
    FORM_MAP,
    FORM_ROW,
    FORM_VECTOR, /* a list of known length without counts */
    FORM_COUNT
};

struct encoding {
    enum encoding_form form;
    size_t fixed_bytes; /* 0 = the length varies */
    const struct type *type;
    const struct encoding *children; /* one a field of the type */
    uint32_t dimension;              /* FORM_VECTOR */
    bool foreign;                    /* CQL has other bytes: encoding_to_cql */
    bool wide;                       /* DECIMAL: as a key it has any scale and size */
    bool all_fields;                 /* FORM_ROW: as a key it has all fields and no end */
    bool doubtful;                   /* STRING of an unknown CQL type: may be no text */
    bool lexical;                    /* FORM_BYTES: a uuid in the order of its signed halves */
    bool is_set;                     /* ARRAY whose elements are the paths of its cells */
};

/* The encoding of a type, or of the declared CQL type for it (empty = the type's own); what it
 * needs lives in the arena. A declared type says what is inside too ("list<uuid>"), but for a user
 * type, whose fields tell their CQL types in their comments. ERR_INVALID: the name does not fit the
 * type, or is not known. */
enum err encoding_make(struct arena *arena, const struct type *type, struct str declared,
                       struct diag *diag, struct encoding *ret_encoding) MUST_USE;
/* The CQL type that a column of the type has without a declared name. */
void encoding_cql(const struct type *type, bool frozen, struct buf *out);
/* Appends a value that is not null. ERR_INVALID: the declared type refuses it. */
enum err encoding_append(const struct encoding *encoding, const struct column *column, size_t row,
                         struct buf *out) MUST_USE;
/* Appends the value to a builder of the type; null when the type cannot hold it. Fails with the
 * builder only. */
enum err encoding_read(const struct encoding *encoding, struct str value,
                       struct builder *builder) MUST_USE;
/* Appends the CQL bytes of a stored value, and back. Only where encoding->foreign is set they are
 * others. ERR_INVALID: not a value of the type. */
enum err encoding_to_cql(const struct encoding *encoding, struct str value,
                         struct buf *out) MUST_USE;
enum err encoding_from_cql(const struct encoding *encoding, struct str value,
                           struct buf *out) MUST_USE;

/* The parts that key.c needs. */
int64_t encoding_integer(const struct column *column, size_t row);
void decimal_bytes(__int128 value, struct buf *out);
enum err decimal_from_bytes(struct str bytes, __int128 *ret_value) MUST_USE;

#endif
