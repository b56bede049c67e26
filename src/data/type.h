/* SPDX-License-Identifier: MIT */
#ifndef DATA_TYPE_H
#define DATA_TYPE_H

#include "base/diag.h"

/*
 * The types of values: Spark SQL's. A struct type is immutable, lives in an arena and must outlive
 * every column of it. Simple types are shared constants (type_simple).
 *
 *  kind            in memory (Arrow layout, see data/column.h)
 *  NULL            nothing; every row is null
 *  BOOLEAN         1 bit
 *  TINYINT..BIGINT int8_t, int16_t, int32_t, int64_t
 *  FLOAT, DOUBLE   float, double
 *  DECIMAL(p,s)    __int128, the unscaled value; p <= 38
 *  STRING, BINARY  int32_t offsets + bytes; STRING is UTF-8
 *  DATE            int32_t days since 1970-01-01
 *  TIMESTAMP       int64_t us since 1970-01-01T00:00:00Z, an instant
 *  TIMESTAMP_NTZ   int64_t us since 1970-01-01 00:00:00 of the wall clock
 *  INTERVAL_YM     int32_t months
 *  INTERVAL_DT     int64_t us
 *  INTERVAL        struct interval (months, days, us)
 *  ARRAY           int32_t offsets + one child
 *  MAP             int32_t offsets + two children (keys, values)
 *  STRUCT          one child a field
 */
enum type_kind {
    TYPE_NULL,
    TYPE_BOOLEAN,
    TYPE_TINYINT,
    TYPE_SMALLINT,
    TYPE_INT,
    TYPE_BIGINT,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_DECIMAL,
    TYPE_STRING,
    TYPE_BINARY,
    TYPE_DATE,
    TYPE_TIMESTAMP,
    TYPE_TIMESTAMP_NTZ,
    TYPE_INTERVAL_YM,
    TYPE_INTERVAL_DT,
    TYPE_INTERVAL,
    TYPE_ARRAY,
    TYPE_MAP,
    TYPE_STRUCT,
    TYPE_KIND_COUNT
};

struct interval {
    int32_t months;
    int32_t days;
    int64_t us;
};

struct type;

struct field {
    struct str name;
    const struct type *type;
    bool not_null;
    struct str comment; /* STR_NONE when there is none */
};

/* ARRAY: fields[0] is the element. MAP: fields[0] the key, fields[1] the value. STRUCT: all. */
struct type {
    enum type_kind kind;
    uint8_t precision; /* DECIMAL: 1..38; INTERVAL_YM, _DT: first unit (0 year 1 month; 0 day ..) */
    uint8_t scale;     /* DECIMAL: 0..precision; intervals: last unit */
    uint32_t field_count;
    const struct field *fields;
};

const struct type *type_simple(enum type_kind kind);
const struct type *type_decimal(struct arena *arena, unsigned precision, unsigned scale);
const struct type *type_array(struct arena *arena, const struct type *element, bool has_nulls);
const struct type *type_map(struct arena *arena, const struct type *key, const struct type *value,
                            bool has_nulls);
/* Copies the fields and their names. */
const struct type *type_struct(struct arena *arena, const struct field *fields, size_t count);
/* A deep copy into another arena. */
const struct type *type_copy(struct arena *arena, const struct type *type);

/* Same kind, parameters, field names (exact case) and nested types; nullability and comments do
 * not count. */
bool type_equal(const struct type *a, const struct type *b);
/* Index of the field, exact case first, then ASCII case-insensitive; SIZE_MAX when missing. */
size_t type_field(const struct type *type, struct str name);
bool type_is_nested(const struct type *type);
/* Bytes of one value in the values buffer: 0 for NULL, BOOLEAN (bits) and types with offsets. */
size_t type_width(const struct type *type);

/* Spark DDL: "a INT, b STRUCT<c: STRING, `d e`: ARRAY<DECIMAL(10,2)>> NOT NULL COMMENT 'x'", also
 * "struct<a:int>". Line and column in diag are relative to text. Gives a STRUCT. */
enum err type_parse_ddl(struct arena *arena, struct str text, struct diag *diag,
                        const struct type **ret_type) MUST_USE;
/* One type: "array<int>", "DECIMAL(10,2)". */
enum err type_parse(struct arena *arena, struct str text, struct diag *diag,
                    const struct type **ret_type) MUST_USE;
/* Spark's simple string: "struct<a:int,b:decimal(10,2)>". */
void type_print(const struct type *type, struct buf *out);
/* SQL form: "STRUCT<a: INT, b: DECIMAL(10,2)>" as Spark's error messages and DDL print it. */
void type_print_sql(const struct type *type, struct buf *out);

#endif
