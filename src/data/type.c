/* SPDX-License-Identifier: MIT */
/*
 * Types of values: making, copying, comparing and printing them. Simple types are rows of one
 * constant table, so that a pointer comparison settles most questions; nested ones live in the
 * arena of whoever made them. The reader of DDL text is ddl.c.
 */
#include "data/type.h"

#include "base/check.h"

struct kind_info {
    const char *simple; /* as in "struct<a:int>" */
    const char *sql;    /* as in "STRUCT<a: INT>" */
    uint8_t width;
};

static const struct kind_info kinds[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = {"void", "VOID", 0},
    [TYPE_BOOLEAN] = {"boolean", "BOOLEAN", 0},
    [TYPE_TINYINT] = {"tinyint", "TINYINT", 1},
    [TYPE_SMALLINT] = {"smallint", "SMALLINT", 2},
    [TYPE_INT] = {"int", "INT", 4},
    [TYPE_BIGINT] = {"bigint", "BIGINT", 8},
    [TYPE_FLOAT] = {"float", "FLOAT", 4},
    [TYPE_DOUBLE] = {"double", "DOUBLE", 8},
    [TYPE_DECIMAL] = {"decimal", "DECIMAL", 16},
    [TYPE_STRING] = {"string", "STRING", 0},
    [TYPE_BINARY] = {"binary", "BINARY", 0},
    [TYPE_DATE] = {"date", "DATE", 4},
    [TYPE_TIMESTAMP] = {"timestamp", "TIMESTAMP", 8},
    [TYPE_TIMESTAMP_NTZ] = {"timestamp_ntz", "TIMESTAMP_NTZ", 8},
    [TYPE_INTERVAL_YM] = {"interval", "INTERVAL", 4},
    [TYPE_INTERVAL_DT] = {"interval", "INTERVAL", 8},
    [TYPE_INTERVAL] = {"interval", "INTERVAL", sizeof(struct interval)},
    [TYPE_ARRAY] = {"array", "ARRAY", 0},
    [TYPE_MAP] = {"map", "MAP", 0},
    [TYPE_STRUCT] = {"struct", "STRUCT", 0},
};

static const char *const month_units[] = {"year", "month"};
static const char *const day_units[] = {"day", "hour", "minute", "second"};

const struct type *type_simple(enum type_kind kind)
{
    static const struct type simple[TYPE_ARRAY] = {
        [TYPE_NULL] = {.kind = TYPE_NULL},
        [TYPE_BOOLEAN] = {.kind = TYPE_BOOLEAN},
        [TYPE_TINYINT] = {.kind = TYPE_TINYINT},
        [TYPE_SMALLINT] = {.kind = TYPE_SMALLINT},
        [TYPE_INT] = {.kind = TYPE_INT},
        [TYPE_BIGINT] = {.kind = TYPE_BIGINT},
        [TYPE_FLOAT] = {.kind = TYPE_FLOAT},
        [TYPE_DOUBLE] = {.kind = TYPE_DOUBLE},
        [TYPE_DECIMAL] = {.kind = TYPE_DECIMAL, .precision = 10},
        [TYPE_STRING] = {.kind = TYPE_STRING},
        [TYPE_BINARY] = {.kind = TYPE_BINARY},
        [TYPE_DATE] = {.kind = TYPE_DATE},
        [TYPE_TIMESTAMP] = {.kind = TYPE_TIMESTAMP},
        [TYPE_TIMESTAMP_NTZ] = {.kind = TYPE_TIMESTAMP_NTZ},
        [TYPE_INTERVAL_YM] = {.kind = TYPE_INTERVAL_YM, .scale = 1},
        [TYPE_INTERVAL_DT] = {.kind = TYPE_INTERVAL_DT, .scale = 3},
        [TYPE_INTERVAL] = {.kind = TYPE_INTERVAL},
    };
    check(kind < TYPE_ARRAY);
    return &simple[kind];
}

const struct type *type_decimal(struct arena *arena, unsigned precision, unsigned scale)
{
    check(precision >= 1 && precision <= 38);
    check(scale <= precision);
    struct type *type = arena_zero(arena, sizeof *type);
    type->kind = TYPE_DECIMAL;
    type->precision = (uint8_t)precision;
    type->scale = (uint8_t)scale;
    return type;
}

static const struct type *nested(struct arena *arena, enum type_kind kind,
                                 const struct field *fields, size_t count)
{
    struct type *type = arena_zero(arena, sizeof *type);
    struct field *copy = arena_array(arena, count, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i] = fields[i];
        copy[i].name = arena_str(arena, fields[i].name);
        if (fields[i].comment.ptr)
            copy[i].comment = arena_str(arena, fields[i].comment);
    }
    type->kind = kind;
    type->field_count = (uint32_t)count;
    type->fields = copy;
    return type;
}

const struct type *type_array(struct arena *arena, const struct type *element, bool has_nulls)
{
    struct field field = {.name = STR("element"), .type = element, .not_null = !has_nulls};
    return nested(arena, TYPE_ARRAY, &field, 1);
}

const struct type *type_map(struct arena *arena, const struct type *key, const struct type *value,
                            bool has_nulls)
{
    struct field fields[] = {
        {.name = STR("key"), .type = key, .not_null = true},
        {.name = STR("value"), .type = value, .not_null = !has_nulls},
    };
    return nested(arena, TYPE_MAP, fields, 2);
}

const struct type *type_struct(struct arena *arena, const struct field *fields, size_t count)
{
    check(count <= UINT32_MAX);
    return nested(arena, TYPE_STRUCT, fields, count);
}

const struct type *type_copy(struct arena *arena, const struct type *type)
{
    if (!type_is_nested(type)) {
        if (type->kind != TYPE_DECIMAL && type_equal(type, type_simple(type->kind)))
            return type_simple(type->kind);
        struct type *copy = arena_alloc(arena, sizeof *copy);
        *copy = *type;
        return copy;
    }
    const struct type *copy = nested(arena, type->kind, type->fields, type->field_count);
    /* The fields are this arena's own and seen by nobody else yet. */
    struct field *fields = (struct field *)copy->fields;
    for (uint32_t i = 0; i < copy->field_count; i++)
        fields[i].type = type_copy(arena, fields[i].type);
    return copy;
}

bool type_equal(const struct type *a, const struct type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->precision != b->precision || a->scale != b->scale ||
        a->field_count != b->field_count)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (a->kind == TYPE_STRUCT && !str_equal(a->fields[i].name, b->fields[i].name))
            return false;
        if (!type_equal(a->fields[i].type, b->fields[i].type))
            return false;
    }
    return true;
}

size_t type_field(const struct type *type, struct str name)
{
    for (uint32_t i = 0; i < type->field_count; i++)
        if (str_equal(type->fields[i].name, name))
            return i;
    for (uint32_t i = 0; i < type->field_count; i++)
        if (str_equal_nocase(type->fields[i].name, name))
            return i;
    return SIZE_MAX;
}

bool type_is_nested(const struct type *type)
{
    return type->kind >= TYPE_ARRAY;
}

size_t type_width(const struct type *type)
{
    return kinds[type->kind].width;
}

static void print_upper(const char *text, struct buf *out)
{
    for (; *text; text++)
        buf_char(out, *text >= 'a' && *text <= 'z' ? (char)(*text - 32) : *text);
}

/* " year to month", " day" */
static void print_units(const struct type *type, bool sql, struct buf *out)
{
    const char *const *units = type->kind == TYPE_INTERVAL_YM ? month_units : day_units;
    const char *parts[] = {" ", units[type->precision], " to ", units[type->scale]};
    for (size_t i = 0; i < (type->precision == type->scale ? 2 : 4); i++) {
        if (sql)
            print_upper(parts[i], out);
        else
            buf_text(out, parts[i]);
    }
}

/* Names that are not plain words are quoted in SQL; a back-tick is doubled. */
static void print_name(struct str name, bool sql, struct buf *out)
{
    bool plain = name.bytes > 0;
    for (size_t i = 0; i < name.bytes; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        plain =
            plain && (c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'));
    }
    if (plain || !sql) {
        buf_str_append(out, name);
        return;
    }
    buf_char(out, '`');
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.ptr[i] == '`')
            buf_char(out, '`');
        buf_char(out, name.ptr[i]);
    }
    buf_char(out, '`');
}

static void print(const struct type *type, bool sql, struct buf *out)
{
    buf_text(out, sql ? kinds[type->kind].sql : kinds[type->kind].simple);
    if (type->kind == TYPE_DECIMAL)
        buf_printf(out, "(%u,%u)", type->precision, type->scale);
    if (type->kind == TYPE_INTERVAL_YM || type->kind == TYPE_INTERVAL_DT)
        print_units(type, sql, out);
    if (!type_is_nested(type))
        return;
    buf_char(out, '<');
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (i)
            buf_text(out, sql ? ", " : ",");
        if (type->kind == TYPE_STRUCT) {
            print_name(field->name, sql, out);
            buf_text(out, sql ? ": " : ":");
        }
        print(field->type, sql, out);
        if (sql && type->kind == TYPE_STRUCT && field->not_null)
            buf_text(out, " NOT NULL");
    }
    buf_char(out, '>');
}

void type_print(const struct type *type, struct buf *out)
{
    print(type, false, out);
}

void type_print_sql(const struct type *type, struct buf *out)
{
    print(type, true, out);
}
