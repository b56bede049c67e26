/* SPDX-License-Identifier: MIT */
/*
 * Types as Java class names and as the [option] of the native protocol.
 *
 *     class  := name | name '(' argument {',' argument} ')'
 *     ListType(x) SetType(x) MapType(k,v) TupleType(a,b,..) FrozenType(x) ReversedType(x)
 *     UserType(keyspace,hex of name,hex of field:type,..) VectorType(x , dimension)
 *
 * FrozenType stands around frozen collections and user types, and not again inside of one. The
 * prefix org.apache.cassandra.db.marshal. may be missing when read. An [option] is a number with
 * what the type needs; what a version has no number for (date, time, smallint and tinyint in v3,
 * duration before v5, vectors always) goes as custom with its class, and comes back as itself.
 */
#include "base/str.h"
#include "wire/cql/cql.h"
#include "wire/cql/private.h"

/* ---- class names ---- */

static void class_append(const struct cql_type *type, bool thawed, struct buf *out);

static void class_user(const struct cql_type *type, struct buf *out)
{
    buf_text(out, CQL_CLASS_PREFIX "UserType(");
    buf_str_append(out, type->keyspace);
    buf_char(out, ',');
    cql_hex_print(type->name, out);
    for (uint32_t i = 0; i < type->count; i++) {
        buf_char(out, ',');
        cql_hex_print(type->names[i], out);
        buf_char(out, ':');
        class_append(type->items[i], type->frozen, out);
    }
    buf_char(out, ')');
}

/* thawed: no FrozenType here, since what is around it is frozen. */
static void class_append(const struct cql_type *type, bool thawed, struct buf *out)
{
    for (size_t i = 0; i < cql_simple_name_count; i++)
        if (cql_simple_names[i].kind == type->kind) {
            buf_text(out, CQL_CLASS_PREFIX);
            buf_text(out, cql_simple_names[i].class_name);
            return;
        }
    if (type->kind == CQL_CUSTOM) {
        buf_str_append(out, type->name);
        return;
    }
    bool frozen =
        !thawed && type->frozen && (cql_type_is_collection(type) || type->kind == CQL_UDT);
    if (frozen)
        buf_text(out, CQL_CLASS_PREFIX "FrozenType(");
    if (type->kind == CQL_UDT) {
        class_user(type, out);
    } else {
        buf_text(out, CQL_CLASS_PREFIX);
        buf_text(out, type->kind == CQL_LIST     ? "ListType("
                      : type->kind == CQL_SET    ? "SetType("
                      : type->kind == CQL_MAP    ? "MapType("
                      : type->kind == CQL_VECTOR ? "VectorType("
                                                 : "TupleType(");
        for (uint32_t i = 0; i < type->count; i++) {
            if (i)
                buf_char(out, ',');
            class_append(type->items[i], type->frozen, out);
        }
        if (type->kind == CQL_VECTOR)
            buf_printf(out, " , %u", type->dimension);
        buf_char(out, ')');
    }
    if (frozen)
        buf_char(out, ')');
}

void cql_type_print_class(const struct cql_type *type, struct buf *out)
{
    class_append(type, false, out);
}

struct class_parser {
    struct arena *arena;
    struct str text;
    size_t at;
    unsigned depth;
};

static bool class_take(struct class_parser *p, char c)
{
    while (p->at < p->text.bytes && p->text.ptr[p->at] == ' ')
        p->at++;
    if (p->at >= p->text.bytes || p->text.ptr[p->at] != c)
        return false;
    p->at++;
    return true;
}

static struct str class_word(struct class_parser *p)
{
    while (p->at < p->text.bytes && p->text.ptr[p->at] == ' ')
        p->at++;
    size_t from = p->at;
    while (p->at < p->text.bytes && !memchr(" (),:", p->text.ptr[p->at], 5))
        p->at++;
    return str_slice(p->text, from, p->at);
}

static enum err unhex(struct arena *arena, struct str hex, struct str *ret_text)
{
    char *to = arena_try(arena, hex.bytes / 2 + 1);
    if (!to || hex.bytes % 2)
        return to ? ERR_SYNTAX : ERR_LIMIT;
    for (size_t i = 0; i < hex.bytes; i++) {
        char c = (char)(hex.ptr[i] | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return ERR_SYNTAX;
        to[i / 2] = (char)(i % 2 ? to[i / 2] | digit : digit << 4);
    }
    *ret_text = str_from(to, hex.bytes / 2);
    return OK;
}

static enum err class_parse(struct class_parser *p, bool frozen, const struct cql_type **ret_type);

static enum err class_parse_user(struct class_parser *p, bool frozen,
                                 const struct cql_type **ret_type)
{
    struct cql_type_list list = {0};
    struct str keyspace = class_word(p), name, field;
    const struct cql_type *item;
    if (!class_take(p, ','))
        return ERR_SYNTAX;
    TRY(unhex(p->arena, class_word(p), &name));
    if (name.bytes == 0)
        return ERR_SYNTAX;
    while (class_take(p, ',')) {
        TRY(unhex(p->arena, class_word(p), &field));
        if (!class_take(p, ':'))
            return ERR_SYNTAX;
        TRY(class_parse(p, frozen, &item));
        TRY(cql_type_list_add(&list, p->arena, field, item));
    }
    *ret_type = cql_udt(p->arena, keyspace, name, list.names, list.items, list.count, frozen);
    return OK;
}

static enum err class_parse_tuple(struct class_parser *p, const struct cql_type **ret_type)
{
    struct cql_type_list list = {0};
    const struct cql_type *item;
    do {
        TRY(class_parse(p, true, &item));
        TRY(cql_type_list_add(&list, p->arena, STR_NONE, item));
    } while (class_take(p, ','));
    *ret_type = cql_tuple(p->arena, list.items, list.count);
    return OK;
}

/* What stands between the ( ) of a class that takes arguments. */
static enum err class_arguments(struct class_parser *p, struct str name, bool frozen,
                                const struct cql_type **ret_type)
{
    const struct cql_type *a, *b;
    if (str_equal(name, STR("UserType")))
        return class_parse_user(p, frozen, ret_type);
    if (str_equal(name, STR("TupleType")))
        return class_parse_tuple(p, ret_type);
    if (str_equal(name, STR("FrozenType")))
        return class_parse(p, true, ret_type);
    if (str_equal(name, STR("ReversedType")))
        return class_parse(p, frozen, ret_type);
    bool vector = str_equal(name, STR("VectorType")), map = str_equal(name, STR("MapType"));
    bool list = str_equal(name, STR("ListType"));
    if (!vector && !map && !list && !str_equal(name, STR("SetType")))
        return ERR_SYNTAX;
    TRY(class_parse(p, frozen || vector, &a));
    if (list || (!vector && !map)) {
        *ret_type = list ? cql_list(p->arena, a, frozen) : cql_set(p->arena, a, frozen);
        return OK;
    }
    if (!class_take(p, ','))
        return ERR_SYNTAX;
    if (vector) {
        uint64_t dimension;
        TRY(str_to_u64(class_word(p), &dimension));
        if (dimension < 1 || dimension > INT32_MAX)
            return ERR_LIMIT;
        *ret_type = cql_vector(p->arena, a, (uint32_t)dimension);
        return OK;
    }
    TRY(class_parse(p, frozen, &b));
    *ret_type = cql_map(p->arena, a, b, frozen);
    return OK;
}

static enum err class_parse(struct class_parser *p, bool frozen, const struct cql_type **ret_type)
{
    if (++p->depth > CQL_TYPE_DEPTH_MAX)
        return ERR_LIMIT;
    struct str name = class_word(p);
    if (str_starts(name, STR(CQL_CLASS_PREFIX)))
        name = str_slice(name, sizeof CQL_CLASS_PREFIX - 1, name.bytes);
    if (class_take(p, '(')) {
        TRY(class_arguments(p, name, frozen, ret_type));
        p->depth--;
        return class_take(p, ')') ? OK : ERR_SYNTAX;
    }
    p->depth--;
    for (size_t i = 0; i < cql_simple_name_count; i++)
        if (str_equal(name, str_of(cql_simple_names[i].class_name))) {
            *ret_type = cql_simple(cql_simple_names[i].kind);
            return OK;
        }
    return ERR_NOT_FOUND;
}

/* One letter and an arrow. */
static bool class_alias(struct class_parser *p, char *ret_alias)
{
    while (p->at < p->text.bytes && p->text.ptr[p->at] == ' ')
        p->at++;
    if (p->at == p->text.bytes)
        return false;
    *ret_alias = p->text.ptr[p->at++];
    return class_take(p, '=') && class_take(p, '>');
}

/* CompositeType(a, b), DynamicCompositeType(x => a, y => b): the class in full, and what is inside.
 */
static enum err class_composite(struct class_parser *p, struct buf *full,
                                struct cql_type_list *list)
{
    struct str name = class_word(p);
    if (str_starts(name, STR(CQL_CLASS_PREFIX)))
        name = str_slice(name, sizeof CQL_CLASS_PREFIX - 1, name.bytes);
    buf_printf(full, CQL_CLASS_PREFIX "%.*s", STR_ARG(name));
    if (str_equal(name, STR("LexicalUUIDType")))
        return OK;
    bool dynamic = str_equal(name, STR("DynamicCompositeType"));
    if ((!dynamic && !str_equal(name, STR("CompositeType"))) || !class_take(p, '('))
        return ERR_NOT_FOUND;
    do {
        const struct cql_type *item;
        buf_text(full, list->count ? "," : "(");
        if (dynamic) {
            char alias;
            if (!class_alias(p, &alias))
                return ERR_SYNTAX;
            buf_printf(full, "%c=>", alias);
        }
        TRY(class_parse(p, true, &item));
        cql_type_print_class(item, full);
        TRY(cql_type_list_add(list, p->arena, STR_NONE, item));
    } while (class_take(p, ','));
    buf_char(full, ')');
    return class_take(p, ')') ? OK : ERR_SYNTAX;
}

static const struct cql_type *class_custom(struct arena *arena, struct str text)
{
    struct class_parser p = {arena, text, 0, 0};
    struct cql_type *custom = arena_zero(arena, sizeof *custom);
    struct cql_type_list list = {0};
    CLEAN(buf_deinit) struct buf full = {0};
    bool known = class_composite(&p, &full, &list) == OK && p.at == text.bytes;
    custom->kind = CQL_CUSTOM;
    custom->name = arena_str(arena, known ? buf_str(&full) : text);
    if (known && list.count) {
        custom->items = list.items;
        custom->count = (uint32_t)list.count;
    }
    return custom;
}

enum err cql_type_parse_class(struct arena *arena, struct str text,
                              const struct cql_type **ret_type)
{
    struct class_parser p = {arena, text, 0, 0};
    const struct cql_type *type;
    enum err err = class_parse(&p, false, &type);
    if (err == ERR_LIMIT)
        return err;
    if (err != OK || p.at != text.bytes)
        type = class_custom(arena, text);
    *ret_type = type;
    return OK;
}

/* ---- [option] ---- */

static bool has_number(const struct cql_type *type, unsigned version)
{
    switch (type->kind) {
    case CQL_DATE:
    case CQL_TIME:
    case CQL_SMALLINT:
    case CQL_TINYINT:
        return version >= 4;
    case CQL_DURATION:
        return version >= 5;
    case CQL_CUSTOM:
    case CQL_VECTOR:
    case CQL_EMPTY:
        return false;
    default:
        return true;
    }
}

void cql_type_encode(const struct cql_type *type, unsigned version, struct buf *out)
{
    if (!has_number(type, version)) {
        buf_be16(out, CQL_CUSTOM);
        size_t at = out->bytes;
        buf_be16(out, 0);
        cql_type_print_class(type, out);
        size_t bytes = out->bytes - at - 2;
        if (buf_error(out) != OK)
            return;
        if (bytes > UINT16_MAX) {
            out->err = ERR_LIMIT;
            return;
        }
        put_be16(out->ptr + at, (uint16_t)bytes);
        return;
    }
    buf_be16(out, (uint16_t)type->kind);
    if (type->kind == CQL_UDT) {
        cql_string_append(out, type->keyspace);
        cql_string_append(out, type->name);
    }
    if (type->kind == CQL_UDT || type->kind == CQL_TUPLE)
        buf_be16(out, (uint16_t)type->count);
    for (uint32_t i = 0; i < type->count; i++) {
        if (type->kind == CQL_UDT)
            cql_string_append(out, type->names[i]);
        cql_type_encode(type->items[i], version, out);
    }
}

static enum err option_decode(struct reader *r, struct arena *arena, unsigned depth,
                              const struct cql_type **ret_type);

/* The items of a tuple or, with names, of a user type. */
static enum err option_items(struct reader *r, struct arena *arena, unsigned depth, bool user,
                             const struct cql_type **ret_type)
{
    struct str keyspace = user ? cql_string_read(r) : STR_NONE;
    struct str name = user ? cql_string_read(r) : STR_NONE;
    uint16_t count = reader_be16(r);
    TRY(r->err);
    if (count > r->left / 2)
        return ERR_TRUNCATED;
    const struct cql_type **items = arena_try(arena, (count + 1) * sizeof *items);
    struct str *names = arena_try(arena, (count + 1) * sizeof *names);
    if (!items || !names)
        return ERR_LIMIT;
    for (uint16_t i = 0; i < count; i++) {
        names[i] = user ? cql_string_read(r) : STR_NONE;
        TRY(option_decode(r, arena, depth + 1, &items[i]));
    }
    *ret_type = user ? cql_udt(arena, keyspace, name, names, items, count, false)
                     : cql_tuple(arena, items, count);
    return OK;
}

static enum err option_decode(struct reader *r, struct arena *arena, unsigned depth,
                              const struct cql_type **ret_type)
{
    if (depth > CQL_TYPE_DEPTH_MAX)
        return ERR_LIMIT;
    uint16_t id = reader_be16(r);
    TRY(r->err);
    const struct cql_type *a, *b;
    switch (id) {
    case CQL_CUSTOM: {
        struct str name = cql_string_read(r);
        TRY(r->err);
        return cql_type_parse_class(arena, name, ret_type);
    }
    case CQL_LIST:
    case CQL_SET:
        TRY(option_decode(r, arena, depth + 1, &a));
        *ret_type = id == CQL_LIST ? cql_list(arena, a, false) : cql_set(arena, a, false);
        return OK;
    case CQL_MAP:
        TRY(option_decode(r, arena, depth + 1, &a));
        TRY(option_decode(r, arena, depth + 1, &b));
        *ret_type = cql_map(arena, a, b, false);
        return OK;
    case CQL_UDT:
    case CQL_TUPLE:
        return option_items(r, arena, depth, id == CQL_UDT, ret_type);
    default:
        for (size_t i = 0; i < cql_simple_name_count; i++)
            if (cql_simple_names[i].kind == id) {
                *ret_type = cql_simple((enum cql_kind)id);
                return OK;
            }
        /* 0x0A: text of old versions. */
        if (id != 0x0A)
            return ERR_CORRUPT;
        *ret_type = cql_simple(CQL_TEXT);
        return OK;
    }
}

enum err cql_type_decode(struct reader *r, struct arena *arena, const struct cql_type **ret_type)
{
    return option_decode(r, arena, 0, ret_type);
}
