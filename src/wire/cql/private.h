/* SPDX-License-Identifier: MIT */
#ifndef WIRE_CQL_PRIVATE_H
#define WIRE_CQL_PRIVATE_H

#include "wire/cql/type.h"

/* What the files of this folder share. */
enum { CQL_TYPE_DEPTH_MAX = 512, CQL_TYPE_ITEMS_MAX = 4096 };

/* The types of a tuple, or the fields of a user's type, while they are read. */
struct cql_type_list {
    const struct cql_type **items;
    struct str *names;
    size_t count, capacity;
};
/* ERR_LIMIT: over CQL_TYPE_ITEMS_MAX. */
enum err cql_type_list_add(struct cql_type_list *list, struct arena *arena, struct str name,
                           const struct cql_type *type) MUST_USE;

struct cql_simple_name {
    enum cql_kind kind;
    const char *name;       /* of CQL */
    const char *class_name; /* behind org.apache.cassandra.db.marshal. */
};
extern const struct cql_simple_name cql_simple_names[];
extern const size_t cql_simple_name_count;
#define CQL_CLASS_PREFIX "org.apache.cassandra.db.marshal."

/* Bytes of each element of a vector of this type; 0 = each carries its length. */
size_t cql_type_fixed_bytes(const struct cql_type *type);
/* A type of the text of a Java class. */
enum err cql_type_parse_class(struct arena *arena, struct str text,
                              const struct cql_type **ret_type) MUST_USE;

/* ---- classes without a CQL name (custom.c) ---- */
bool cql_type_is_lexical_uuid(const struct cql_type *type);
bool cql_type_is_composite(const struct cql_type *type); /* items: its components */
enum err cql_composite_check(const struct cql_type *type, struct str value,
                             struct diag *diag) MUST_USE;
enum err cql_composite_from_text(const struct cql_type *type, struct str text, struct buf *out,
                                 struct diag *diag) MUST_USE;
int cql_lexical_uuid_compare(struct str a, struct str b); /* 16 bytes each */

/* ---- numbers (number.c) ---- */
struct cql_decimal {
    int32_t scale;
    struct str unscaled; /* a varint */
};
/* False when there are not even the bytes of the scale. */
bool cql_decimal_split(struct str value, struct cql_decimal *ret_decimal);
int cql_varint_compare(struct str a, struct str b);
int cql_decimal_compare(struct str a, struct str b);
/* As Java's BigDecimal.toString(), or toPlainString() while that is short. */
void cql_decimal_print(struct str value, bool plain, struct buf *out);
enum err cql_decimal_from_text(struct str text, struct buf *out) MUST_USE;
/* As Java's Double.toString() and Float.toString(). */
void cql_double_print(double value, bool single, struct buf *out);

/* ---- times (time.c) ---- */
struct cql_duration {
    int32_t months, days;
    int64_t nanos;
};
bool cql_duration_read(struct str value, int64_t ret_parts[3]);
void cql_duration_append(const struct cql_duration *duration, struct buf *out);
void cql_duration_print(const int64_t parts[3], struct buf *out);
enum err cql_duration_parse(struct str text, struct cql_duration *ret_duration,
                            struct diag *diag) MUST_USE;
enum err cql_timestamp_parse(struct str text, int64_t *ret_ms) MUST_USE;
enum err cql_date_parse(struct str text, uint32_t *ret_days) MUST_USE;
enum err cql_time_parse(struct str text, int64_t *ret_nanos) MUST_USE;
/* "2011-02-03 04:05:00.000Z", the separator given. */
void cql_timestamp_print(int64_t ms, char separator, struct buf *out);
void cql_date_print(uint32_t days, struct buf *out);
void cql_time_print(int64_t nanos, struct buf *out);

/* ---- addresses and uuids (value_text.c, value_print.c) ---- */
bool cql_uuid_parse(struct str text, uint8_t ret_bytes[16]);
void cql_uuid_print(const uint8_t *bytes, struct buf *out);
void cql_inet_print(struct str value, struct buf *out);
void cql_hex_print(struct str bytes, struct buf *out);

#endif
