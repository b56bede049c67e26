/* SPDX-License-Identifier: MIT */
/*
 * Types: from their texts with the user types of a keyspace, and to what table/ keeps.
 *
 * table/ knows Spark's types and a declared text beside each; the text is the CQL type, so that
 * nothing is lost where Spark has no equal: a uuid is a STRING there, a varint a DECIMAL(38,0), a
 * counter a BIGINT. The fields of a user type carry their CQL types in their comments.
 */
#include "base/check.h"
#include "serve/cql/catalog_private.h"

#include <stdarg.h>

enum err cql_fail(struct cql_error *error, struct arena *arena, enum cql_error_code code,
                  const char *format, ...)
{
    CLEAN(buf_deinit) struct buf out = {.bytes_max = 1 << 20};
    va_list args;
    va_start(args, format);
    buf_vprintf(&out, format, args);
    va_end(args);
    *error = (struct cql_error){.code = code, .message = arena_str(arena, buf_str(&out))};
    switch (code) {
    case CQL_SYNTAX_ERROR:
        return ERR_SYNTAX;
    case CQL_ALREADY_EXISTS:
        return ERR_EXISTS;
    case CQL_UNAUTHORIZED:
        return ERR_DENIED;
    case CQL_SERVER_ERROR:
        return ERR_IO;
    default:
        return ERR_INVALID;
    }
}

struct lookup {
    const struct cql_catalog *catalog;
    struct str keyspace;
};

static const struct cql_type *find_type(void *owner, struct str name)
{
    const struct lookup *lookup = owner;
    const struct type_entry *entry = type_entry_find(lookup->catalog, lookup->keyspace, name);
    return entry ? entry->type : NULL;
}

/* A name in front of a dot is a keyspace, and must be this one. */
static enum err check_keyspaces(struct str keyspace, struct str text, struct arena *arena,
                                struct cql_error *error)
{
    bool inside = false; /* of a quoted name, where a dot is a letter */
    for (size_t at = 0; at < text.bytes; at++) {
        inside ^= text.ptr[at] == '"';
        if (inside || text.ptr[at] != '.')
            continue;
        size_t from = at, to = at;
        bool quoted = at && text.ptr[at - 1] == '"';
        if (text.bytes && text.ptr[0] == '\'')
            return OK;
        for (to -= quoted, from = to; from > 0; from--) {
            char c = text.ptr[from - 1];
            if (quoted ? c == '"' : c == '<' || c == ' ' || c == ',')
                break;
        }
        struct str name = str_slice(text, from, to);
        if (!str_equal(name, keyspace))
            return cql_fail(error, arena, CQL_INVALID,
                            "Statement on keyspace %.*s cannot refer to a user type in keyspace "
                            "%.*s; user types can only be used in the keyspace they are defined in",
                            STR_ARG(keyspace), STR_ARG(name));
    }
    return OK;
}

static enum err unknown_class(struct arena *arena, struct str class, struct cql_error *error)
{
    size_t dot = str_find(class, STR("."), 0), inside = str_find(class, STR("("), 0);
    const char *room = dot == SIZE_MAX || dot > inside ? "org.apache.cassandra.db.marshal." : "";
    if (inside != SIZE_MAX)
        return cql_fail(error, arena, CQL_SYNTAX_ERROR,
                        "Error setting type %.*s: Invalid definition for comparator %s%.*s.",
                        STR_ARG(class), room, STR_ARG(str_slice(class, 0, inside)));
    return cql_fail(error, arena, CQL_SYNTAX_ERROR,
                    "Error setting type %.*s: Unable to find abstract-type class '%s%.*s'",
                    STR_ARG(class), room, STR_ARG(class));
}

/* The store reads what is inside of a type from its text, which a class would tear apart; fields of
 * user types have texts of their own. */
static bool has_class_inside(const struct cql_type *type)
{
    if (type->kind == CQL_CUSTOM)
        return false;
    for (uint32_t i = 0; i < type->count; i++)
        if ((type->items[i]->kind == CQL_CUSTOM && type->kind != CQL_UDT) ||
            has_class_inside(type->items[i]))
            return true;
    return false;
}

enum err catalog_type_locked(const struct cql_catalog *catalog, struct str keyspace,
                             struct str text, struct arena *arena, struct cql_error *error,
                             const struct cql_type **ret_type)
{
    struct lookup lookup = {catalog, keyspace};
    TRY(check_keyspaces(keyspace, text, arena, error));
    struct diag diag = {.err = OK};
    const struct cql_type *type = NULL;
    enum err err = cql_type_parse(arena, text, find_type, &lookup, &diag, &type);
    struct str message = str_of(diag.message), unknown = STR("Unknown type ");
    if (err == ERR_NOT_FOUND)
        return cql_fail(error, arena, CQL_INVALID, "Unknown type %.*s.%.*s", STR_ARG(keyspace),
                        STR_ARG(str_slice(message, unknown.bytes, message.bytes)));
    if (err == OK && has_class_inside(type))
        return cql_fail(
            error, arena, CQL_INVALID,
            "Types that have no CQL name are offered as columns and fields, not inside %.*s",
            STR_ARG(catalog_type_text(arena, type)));
    struct str tuples = STR("Counters are not allowed inside tuples");
    if (str_starts(message, tuples))
        message = tuples;
    if (err != OK) {
        return text.bytes && text.ptr[0] == '\''
                   ? unknown_class(arena, str_slice(text, 1, text.bytes - 1), error)
                   : cql_fail(error, arena, CQL_INVALID, "%.*s", STR_ARG(message));
    }
    *ret_type = type;
    return OK;
}

enum err cql_catalog_type(const struct cql_catalog *catalog, struct str keyspace, struct str text,
                          struct arena *arena, struct cql_error *error,
                          const struct cql_type **ret_type)
{
    CATALOG_GUARD(catalog);
    return catalog_type_locked(catalog, keyspace, text, arena, error, ret_type);
}

struct str catalog_type_text(struct arena *arena, const struct cql_type *type)
{
    CLEAN(buf_deinit) struct buf out = {.bytes_max = 1 << 20};
    cql_type_print(type, &out);
    return arena_str(arena, buf_str(&out));
}

bool catalog_type_has(const struct cql_type *type, enum cql_kind kind)
{
    if (type->kind == kind)
        return true;
    for (uint32_t i = 0; i < type->count; i++)
        if (catalog_type_has(type->items[i], kind))
            return true;
    return false;
}

static const struct type *storage_of_fields(struct arena *arena, const struct cql_type *type)
{
    struct field *fields = arena_array(arena, type->count + 1, sizeof(*fields));
    bool tuple = type->kind == CQL_TUPLE;
    for (uint32_t i = 0; i < type->count; i++) {
        struct str name = tuple ? str_of(arena_printf(arena, "_%u", i + 1)) : type->names[i];
        fields[i] = (struct field){
            .name = name,
            .type = catalog_storage_type(arena, type->items[i]),
            .comment = tuple ? STR_NONE : catalog_type_text(arena, type->items[i]),
        };
    }
    return type_struct(arena, fields, type->count);
}

const struct type *catalog_storage_type(struct arena *arena, const struct cql_type *type)
{
    switch (type->kind) {
    case CQL_ASCII:
    case CQL_TEXT:
    case CQL_UUID:
    case CQL_TIMEUUID:
    case CQL_INET:
        return type_simple(TYPE_STRING);
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_TIME:
        return type_simple(TYPE_BIGINT);
    case CQL_BOOLEAN:
        return type_simple(TYPE_BOOLEAN);
    case CQL_DECIMAL:
        return type_decimal(arena, 38, 18);
    case CQL_VARINT:
        return type_decimal(arena, 38, 0);
    case CQL_DOUBLE:
        return type_simple(TYPE_DOUBLE);
    case CQL_FLOAT:
        return type_simple(TYPE_FLOAT);
    case CQL_INT:
        return type_simple(TYPE_INT);
    case CQL_SMALLINT:
        return type_simple(TYPE_SMALLINT);
    case CQL_TINYINT:
        return type_simple(TYPE_TINYINT);
    case CQL_TIMESTAMP:
        return type_simple(TYPE_TIMESTAMP);
    case CQL_DATE:
        return type_simple(TYPE_DATE);
    case CQL_DURATION:
        return type_simple(TYPE_INTERVAL);
    case CQL_LIST:
    case CQL_SET:
    case CQL_VECTOR:
        return type_array(arena, catalog_storage_type(arena, type->items[0]), true);
    case CQL_MAP:
        return type_map(arena, catalog_storage_type(arena, type->items[0]),
                        catalog_storage_type(arena, type->items[1]), true);
    case CQL_TUPLE:
    case CQL_UDT:
        return storage_of_fields(arena, type);
    default:
        return type_simple(TYPE_BINARY); /* blob */
    }
}
