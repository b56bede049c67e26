/* SPDX-License-Identifier: MIT */
/*
 * CQL's types: making and comparing them.
 *
 * A type is an immutable tree in the arena of whoever made it; simple types are shared constants
 * that need no arena. Two types are equal when they would print the same text, so that pointers
 * never matter. Frozen is a property of the outermost layer only: what stands inside another type
 * is frozen by CQL's rules, and the constructors make it so, so that map<text, list<int>> cannot be
 * told from map<text, frozen<list<int>>> once it was made. Tuples and vectors are always frozen.
 */
#include "base/check.h"
#include "wire/cql/private.h"

const struct cql_simple_name cql_simple_names[] = {
    {CQL_ASCII, "ascii", "AsciiType"},
    {CQL_BIGINT, "bigint", "LongType"},
    {CQL_BLOB, "blob", "BytesType"},
    {CQL_BOOLEAN, "boolean", "BooleanType"},
    {CQL_COUNTER, "counter", "CounterColumnType"},
    {CQL_DECIMAL, "decimal", "DecimalType"},
    {CQL_DOUBLE, "double", "DoubleType"},
    {CQL_FLOAT, "float", "FloatType"},
    {CQL_INT, "int", "Int32Type"},
    {CQL_TIMESTAMP, "timestamp", "TimestampType"},
    {CQL_UUID, "uuid", "UUIDType"},
    {CQL_TEXT, "text", "UTF8Type"},
    {CQL_VARINT, "varint", "IntegerType"},
    {CQL_TIMEUUID, "timeuuid", "TimeUUIDType"},
    {CQL_INET, "inet", "InetAddressType"},
    {CQL_DATE, "date", "SimpleDateType"},
    {CQL_TIME, "time", "TimeType"},
    {CQL_SMALLINT, "smallint", "ShortType"},
    {CQL_TINYINT, "tinyint", "ByteType"},
    {CQL_DURATION, "duration", "DurationType"},
    {CQL_EMPTY, "empty", "EmptyType"},
};
const size_t cql_simple_name_count = sizeof cql_simple_names / sizeof cql_simple_names[0];

const struct cql_type *cql_simple(enum cql_kind kind)
{
#define SIMPLE(kind_) [kind_] = {.kind = (kind_) }
    static const struct cql_type simple[] = {
        SIMPLE(CQL_ASCII),    SIMPLE(CQL_BIGINT),   SIMPLE(CQL_BLOB),      SIMPLE(CQL_BOOLEAN),
        SIMPLE(CQL_COUNTER),  SIMPLE(CQL_DECIMAL),  SIMPLE(CQL_DOUBLE),    SIMPLE(CQL_FLOAT),
        SIMPLE(CQL_INT),      SIMPLE(CQL_UUID),     SIMPLE(CQL_TIMESTAMP), SIMPLE(CQL_TEXT),
        SIMPLE(CQL_VARINT),   SIMPLE(CQL_TIMEUUID), SIMPLE(CQL_INET),      SIMPLE(CQL_DATE),
        SIMPLE(CQL_SMALLINT), SIMPLE(CQL_TIME),     SIMPLE(CQL_TINYINT),   SIMPLE(CQL_DURATION),
    };
#undef SIMPLE
    static const struct cql_type empty = {.kind = CQL_EMPTY};
    if (kind == CQL_EMPTY)
        return &empty;
    check((unsigned)kind < sizeof simple / sizeof simple[0]);
    check(simple[kind].kind == kind && kind != CQL_CUSTOM);
    return &simple[kind];
}

static struct cql_type *type_make(struct arena *arena, enum cql_kind kind,
                                  const struct cql_type *const *items, size_t count)
{
    struct cql_type *type = arena_zero(arena, sizeof *type);
    const struct cql_type **copy = arena_array(arena, count ? count : 1, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = items[i];
    type->kind = kind;
    type->items = copy;
    type->count = (uint32_t)count;
    return type;
}

/* What is inside another type is frozen. */
static const struct cql_type *inner(struct arena *arena, const struct cql_type *type)
{
    return cql_type_is_multicell(type) ? cql_type_frozen(arena, type, true) : type;
}

enum err cql_type_list_add(struct cql_type_list *list, struct arena *arena, struct str name,
                           const struct cql_type *type)
{
    if (list->count == CQL_TYPE_ITEMS_MAX)
        return ERR_LIMIT;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        const struct cql_type **items = arena_array(arena, capacity, sizeof *items);
        struct str *names = arena_array(arena, capacity, sizeof *names);
        for (size_t i = 0; i < list->count; i++) {
            items[i] = list->items[i];
            names[i] = list->names[i];
        }
        list->items = items;
        list->names = names;
        list->capacity = capacity;
    }
    list->items[list->count] = type;
    list->names[list->count++] = name;
    return OK;
}

const struct cql_type *cql_list(struct arena *arena, const struct cql_type *item, bool frozen)
{
    const struct cql_type *items[] = {inner(arena, item)};
    struct cql_type *type = type_make(arena, CQL_LIST, items, 1);
    type->frozen = frozen;
    return type;
}

const struct cql_type *cql_set(struct arena *arena, const struct cql_type *item, bool frozen)
{
    const struct cql_type *items[] = {inner(arena, item)};
    struct cql_type *type = type_make(arena, CQL_SET, items, 1);
    type->frozen = frozen;
    return type;
}

const struct cql_type *cql_map(struct arena *arena, const struct cql_type *key,
                               const struct cql_type *value, bool frozen)
{
    const struct cql_type *items[] = {inner(arena, key), inner(arena, value)};
    struct cql_type *type = type_make(arena, CQL_MAP, items, 2);
    type->frozen = frozen;
    return type;
}

const struct cql_type *cql_tuple(struct arena *arena, const struct cql_type *const *items,
                                 size_t count)
{
    struct cql_type *type = type_make(arena, CQL_TUPLE, items, count);
    const struct cql_type **own = arena_array(arena, count ? count : 1, sizeof *own);
    for (size_t i = 0; i < count; i++)
        own[i] = inner(arena, items[i]);
    type->items = own;
    type->frozen = true;
    return type;
}

const struct cql_type *cql_vector(struct arena *arena, const struct cql_type *item,
                                  uint32_t dimension)
{
    const struct cql_type *items[] = {inner(arena, item)};
    struct cql_type *type = type_make(arena, CQL_VECTOR, items, 1);
    type->frozen = true;
    type->dimension = dimension;
    return type;
}

const struct cql_type *cql_udt(struct arena *arena, struct str keyspace, struct str name,
                               const struct str *names, const struct cql_type *const *items,
                               size_t count, bool frozen)
{
    struct cql_type *type = type_make(arena, CQL_UDT, items, count);
    struct str *copy = arena_array(arena, count ? count : 1, sizeof *copy);
    const struct cql_type **own = arena_array(arena, count ? count : 1, sizeof *own);
    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_str(arena, names[i]);
        own[i] = frozen ? inner(arena, items[i]) : items[i];
    }
    type->items = own;
    type->names = copy;
    type->keyspace = arena_str(arena, keyspace);
    type->name = arena_str(arena, name);
    type->frozen = frozen;
    return type;
}

const struct cql_type *cql_type_copy(struct arena *arena, const struct cql_type *type)
{
    if (!type->items && type->kind != CQL_CUSTOM)
        return cql_simple(type->kind);
    struct cql_type *copy = arena_zero(arena, sizeof *copy);
    *copy = *type;
    copy->keyspace = type->keyspace.ptr ? arena_str(arena, type->keyspace) : STR_NONE;
    copy->name = type->name.ptr ? arena_str(arena, type->name) : STR_NONE;
    if (!type->items)
        return copy;
    const struct cql_type **items =
        arena_array(arena, type->count ? type->count : 1, sizeof *items);
    struct str *names = NULL;
    if (type->names)
        names = arena_array(arena, type->count ? type->count : 1, sizeof *names);
    for (uint32_t i = 0; i < type->count; i++) {
        items[i] = cql_type_copy(arena, type->items[i]);
        if (names)
            names[i] = arena_str(arena, type->names[i]);
    }
    copy->items = items;
    copy->names = names;
    return copy;
}

const struct cql_type *cql_type_frozen(struct arena *arena, const struct cql_type *type,
                                       bool frozen)
{
    bool may = type->kind == CQL_UDT || cql_type_is_collection(type);
    if (!may || type->frozen == frozen)
        return type;
    struct cql_type *copy = arena_alloc(arena, sizeof *copy);
    *copy = *type;
    copy->frozen = frozen;
    if (frozen && type->kind == CQL_UDT) {
        const struct cql_type **items =
            arena_array(arena, type->count ? type->count : 1, sizeof *items);
        for (uint32_t i = 0; i < type->count; i++)
            items[i] = inner(arena, type->items[i]);
        copy->items = items;
    }
    return copy;
}

bool cql_type_equal(const struct cql_type *a, const struct cql_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->frozen != b->frozen || a->count != b->count ||
        a->dimension != b->dimension || !str_equal(a->name, b->name) ||
        !str_equal(a->keyspace, b->keyspace))
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!cql_type_equal(a->items[i], b->items[i]))
            return false;
        if (a->names && b->names && !str_equal(a->names[i], b->names[i]))
            return false;
    }
    return true;
}

bool cql_type_is_multicell(const struct cql_type *type)
{
    return !type->frozen && (cql_type_is_collection(type) || type->kind == CQL_UDT);
}

bool cql_type_is_collection(const struct cql_type *type)
{
    return type->kind == CQL_LIST || type->kind == CQL_SET || type->kind == CQL_MAP;
}

bool cql_type_uses(const struct cql_type *type, struct str keyspace, struct str name)
{
    if (type->kind == CQL_UDT && str_equal(type->keyspace, keyspace) && str_equal(type->name, name))
        return true;
    for (uint32_t i = 0; i < type->count; i++)
        if (cql_type_uses(type->items[i], keyspace, name))
            return true;
    return false;
}

size_t cql_type_fixed_bytes(const struct cql_type *type)
{
    switch (type->kind) {
    case CQL_BOOLEAN:
        return 1;
    case CQL_INT:
    case CQL_FLOAT:
        return 4;
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_DOUBLE:
    case CQL_TIMESTAMP:
        return 8;
    case CQL_UUID:
    case CQL_TIMEUUID:
        return 16;
    case CQL_VECTOR: {
        /* Vectors of vectors could pass what a size_t holds; no value is that long. */
        size_t bytes = cql_type_fixed_bytes(type->items[0]);
        return bytes > UINT32_MAX ? bytes : bytes * type->dimension;
    }
    default:
        /* Not even smallint, tinyint, date and time: Cassandra gives each of them a length. */
        return 0;
    }
}
