/* SPDX-License-Identifier: MIT */
#ifndef WIRE_CQL_TYPE_H
#define WIRE_CQL_TYPE_H

#include "base/buf.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/reader.h"

/*
 * CQL's types and the bytes of their values (native protocol v3-v5, sections 6 of the
 * specifications), pure. Types are immutable and live in an arena; simple ones are shared
 * constants.
 */
enum cql_kind {
    CQL_CUSTOM = 0x00, /* name says the class; cql_type_is_offered() */
    CQL_ASCII = 0x01,
    CQL_BIGINT = 0x02,
    CQL_BLOB = 0x03,
    CQL_BOOLEAN = 0x04,
    CQL_COUNTER = 0x05,
    CQL_DECIMAL = 0x06,
    CQL_DOUBLE = 0x07,
    CQL_FLOAT = 0x08,
    CQL_INT = 0x09,
    CQL_TIMESTAMP = 0x0B,
    CQL_UUID = 0x0C,
    CQL_TEXT = 0x0D,
    CQL_VARINT = 0x0E,
    CQL_TIMEUUID = 0x0F,
    CQL_INET = 0x10,
    CQL_DATE = 0x11,
    CQL_TIME = 0x12,
    CQL_SMALLINT = 0x13,
    CQL_TINYINT = 0x14,
    CQL_DURATION = 0x15,
    CQL_LIST = 0x20,
    CQL_MAP = 0x21,
    CQL_SET = 0x22,
    CQL_UDT = 0x30,
    CQL_TUPLE = 0x31,
    CQL_VECTOR = 0x100, /* custom on the wire; ours */
    CQL_EMPTY = 0x101,  /* the type of the null literal; never on the wire */
};

struct cql_type {
    enum cql_kind kind;
    bool frozen;        /* collections, UDTs; what is inside another is always frozen */
    uint32_t count;     /* of items: 1 list, set, vector; 2 map; tuple, UDT all */
    uint32_t dimension; /* vector */
    const struct cql_type *const *items;
    const struct str *names; /* UDT: of the fields */
    struct str keyspace;     /* UDT */
    struct str name;         /* UDT; custom: the class */
};

const struct cql_type *cql_simple(enum cql_kind kind);
/* False: of a class that is only known by its name. */
bool cql_type_is_offered(const struct cql_type *type);
const struct cql_type *cql_list(struct arena *arena, const struct cql_type *item, bool frozen);
const struct cql_type *cql_set(struct arena *arena, const struct cql_type *item, bool frozen);
const struct cql_type *cql_map(struct arena *arena, const struct cql_type *key,
                               const struct cql_type *value, bool frozen);
const struct cql_type *cql_tuple(struct arena *arena, const struct cql_type *const *items,
                                 size_t count);
const struct cql_type *cql_vector(struct arena *arena, const struct cql_type *item,
                                  uint32_t dimension);
const struct cql_type *cql_udt(struct arena *arena, struct str keyspace, struct str name,
                               const struct str *names, const struct cql_type *const *items,
                               size_t count, bool frozen);
const struct cql_type *cql_type_copy(struct arena *arena, const struct cql_type *type);
const struct cql_type *cql_type_frozen(struct arena *arena, const struct cql_type *type,
                                       bool frozen);
bool cql_type_equal(const struct cql_type *a, const struct cql_type *b);
/* Not frozen and of cells of its own: list, set, map, UDT. */
bool cql_type_is_multicell(const struct cql_type *type);
bool cql_type_is_collection(const struct cql_type *type);
/* A user type or something inside refers to that user type. */
bool cql_type_uses(const struct cql_type *type, struct str keyspace, struct str name);

/* "map<text, frozen<list<int>>>", "frozen<tuple<int, text>>", "my_type": as system_schema.columns
 * and DESCRIBE print it. udt finds a user type by name (quoted names unquoted), NULL = none; its
 * answer is not frozen. ERR_SYNTAX, ERR_NOT_FOUND (unknown type), ERR_INVALID (what CQL forbids
 * inside collections, frozen<int>; Cassandra's words). */
enum err cql_type_parse(struct arena *arena, struct str text,
                        const struct cql_type *(*udt)(void *owner, struct str name), void *owner,
                        struct diag *diag, const struct cql_type **ret_type) MUST_USE;
void cql_type_print(const struct cql_type *type, struct buf *out);
/* "org.apache.cassandra.db.marshal.Int32Type" */
void cql_type_print_class(const struct cql_type *type, struct buf *out);
/* A name, in quotes unless it is of small letters, digits and _ alone; reserved words too are left
 * as they are. */
void cql_name_print(struct str name, struct buf *out);
void cql_name_quote(struct str name, struct buf *out);
/* The [option] of result metadata. version 3 sends newer simple types as custom. */
void cql_type_encode(const struct cql_type *type, unsigned version, struct buf *out);
enum err cql_type_decode(struct reader *r, struct arena *arena,
                         const struct cql_type **ret_type) MUST_USE;

/* ---- values: ptr NULL = null ---- */

/* Are these bytes a value of the type? diag tells why not, in Cassandra's words ("Expected 4 or 0
 * byte int (3)"). Empty bytes are a value of most simple types. */
enum err cql_value_check(const struct cql_type *type, struct str value, struct diag *diag) MUST_USE;
/* The order of values of one type (clustering order, set elements, map keys): <0, 0, >0. Null is
 * the smallest. */
int cql_value_compare(const struct cql_type *type, struct str a, struct str b);
/* As a CQL literal: 'it''s', 0xcafe, {'a': 1}, '2011-02-03T04:05:00.000Z'. */
void cql_value_print(const struct cql_type *type, struct str value, struct buf *out);
/* As JSON in Cassandra's form (toJson). */
void cql_value_print_json(const struct cql_type *type, struct str value, struct buf *out);
/* Text of a simple type as literals and fromJson have it: "2011-02-03", "12:30:00", "1d2h", "::1",
 * "550e8400-...", "1e-3", "true": appends the value's bytes. diag in Cassandra's words. */
enum err cql_value_from_text(const struct cql_type *type, struct str text, struct buf *out,
                             struct diag *diag) MUST_USE;

/* Elements of a list, set, map (keys and values in turn), tuple, UDT or vector value. */
struct cql_elements {
    struct reader reader;
    const struct cql_type *type;
    uint32_t index, count; /* count: elements; 2 an entry of a map */
};
enum err cql_elements_init(struct cql_elements *it, const struct cql_type *type,
                           struct str value) MUST_USE;
/* False at the end. A missing trailing field of a UDT is null. */
bool cql_elements_next(struct cql_elements *it, struct str *ret_element);
/* Writing one: begin (count entries), then each element. Vectors and tuples take no count. */
void cql_collection_begin(struct buf *out, const struct cql_type *type, uint32_t count);
void cql_element_append(struct buf *out, const struct cql_type *type, struct str element);

/* ---- numbers and times in values ---- */
void cql_vint_append(struct buf *out, uint64_t value);
uint64_t cql_vint_read(struct reader *r);
static inline uint64_t cql_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}
static inline int64_t cql_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}
/* Decimal text of a varint's bytes of any length, and back. */
void cql_varint_print(struct str value, struct buf *out);
enum err cql_varint_from_text(struct str text, struct buf *out) MUST_USE;
/* Time of a timeuuid in 100 ns since 1582, and as unix ms. */
int64_t cql_timeuuid_ticks(const uint8_t uuid[16]);
int64_t cql_timeuuid_unix_ms(const uint8_t uuid[16]);

#endif
