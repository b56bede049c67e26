/* SPDX-License-Identifier: MIT */
/*
 * Types as CQL text, in both directions.
 *
 *     type  := name | frozen '<' type '>' | list '<' type '>' | set '<' type '>'
 *            | map '<' type ',' type '>' | tuple '<' type {',' type} '>'
 *            | vector '<' type ',' number '>' | 'class name' | [name '.'] name
 *
 * Names fold to lower case unless quoted; an unquoted native name is the native type, everything
 * else is a user type, so that a user type of such a name is printed in quotes. Printing gives the
 * form of system_schema.columns: frozen<> around every frozen collection, also inside of others,
 * and around tuples. What CQL forbids inside collections (unfrozen collections, counters, durations
 * as keys) is refused here with Cassandra's words. Nesting is bounded, as the recursion is.
 */
#include "wire/cql/private.h"

struct type_parser {
    struct arena *arena;
    struct str text;
    size_t at;
    const struct cql_type *(*udt)(void *owner, struct str name);
    void *owner;
    struct diag *diag;
    unsigned depth;
};

/* ---- print ---- */

void cql_name_quote(struct str name, struct buf *out)
{
    buf_char(out, '"');
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.ptr[i] == '"')
            buf_char(out, '"');
        buf_char(out, name.ptr[i]);
    }
    buf_char(out, '"');
}

void cql_name_print(struct str name, struct buf *out)
{
    bool plain = name.bytes > 0 && name.ptr[0] >= 'a' && name.ptr[0] <= 'z';
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.ptr[i];
        plain &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    if (plain)
        buf_str_append(out, name);
    else
        cql_name_quote(name, out);
}

static const struct cql_type *native_type(struct str name)
{
    if (str_equal(name, STR("varchar")))
        return cql_simple(CQL_TEXT);
    for (size_t i = 0; i < cql_simple_name_count; i++)
        if (str_equal(name, str_of(cql_simple_names[i].name)))
            return cql_simple(cql_simple_names[i].kind);
    return NULL;
}

static void user_print(struct str name, struct buf *out)
{
    static const char *const outer[] = {"frozen", "list", "set", "map", "tuple", "vector"};
    bool taken = native_type(name) != NULL;
    for (size_t i = 0; i < sizeof outer / sizeof outer[0]; i++)
        taken |= str_equal(name, str_of(outer[i]));
    if (taken)
        cql_name_quote(name, out);
    else
        cql_name_print(name, out);
}

static const char *outer_name(enum cql_kind kind)
{
    switch (kind) {
    case CQL_LIST:
        return "list<";
    case CQL_SET:
        return "set<";
    case CQL_MAP:
        return "map<";
    case CQL_VECTOR:
        return "vector<";
    default:
        return "tuple<";
    }
}

void cql_type_print(const struct cql_type *type, struct buf *out)
{
    for (size_t i = 0; i < cql_simple_name_count; i++)
        if (cql_simple_names[i].kind == type->kind) {
            buf_text(out, cql_simple_names[i].name);
            return;
        }
    if (type->kind == CQL_CUSTOM) {
        buf_char(out, '\'');
        buf_str_append(out, type->name);
        buf_char(out, '\'');
        return;
    }
    bool frozen = type->frozen && type->kind != CQL_VECTOR;
    if (frozen)
        buf_text(out, "frozen<");
    if (type->kind == CQL_UDT) {
        user_print(type->name, out);
    } else {
        buf_text(out, outer_name(type->kind));
        for (uint32_t i = 0; i < type->count; i++) {
            if (i)
                buf_text(out, ", ");
            cql_type_print(type->items[i], out);
        }
        if (type->kind == CQL_VECTOR)
            buf_printf(out, ", %u", type->dimension);
        buf_char(out, '>');
    }
    if (frozen)
        buf_char(out, '>');
}

/* ---- parse ---- */

static enum err wrong(struct type_parser *p)
{
    return diag_set(p->diag, ERR_SYNTAX, 1, (uint32_t)p->at + 1, "Unable to parse the type '%.*s'",
                    STR_ARG(p->text));
}

static void blanks(struct type_parser *p)
{
    while (p->at < p->text.bytes && strchr(" \t\r\n", p->text.ptr[p->at]) && p->text.ptr[p->at])
        p->at++;
}

static bool take(struct type_parser *p, char c)
{
    blanks(p);
    if (p->at >= p->text.bytes || p->text.ptr[p->at] != c)
        return false;
    p->at++;
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A name, folded unless quoted, or what stands between ' '. */
static enum err take_name(struct type_parser *p, char *ret_quote, struct str *ret_name)
{
    blanks(p);
    struct str rest = str_slice(p->text, p->at, p->text.bytes);
    if (!rest.bytes)
        return wrong(p);
    size_t n = 0, i = 0, word = 0;
    char quote = rest.ptr[0] == '"' || rest.ptr[0] == '\'' ? rest.ptr[0] : 0;
    while (!quote && word < rest.bytes && is_word(rest.ptr[word]))
        word++;
    char *copy = arena_try(p->arena, quote ? rest.bytes : word + 1);
    if (!copy)
        return ERR_LIMIT;
    if (!quote) {
        for (; i < rest.bytes && is_word(rest.ptr[i]); i++)
            copy[n++] =
                (char)(rest.ptr[i] >= 'A' && rest.ptr[i] <= 'Z' ? rest.ptr[i] | 0x20 : rest.ptr[i]);
    } else {
        for (i = 1;; i++) {
            if (i >= rest.bytes)
                return wrong(p);
            if (rest.ptr[i] == quote && !(i + 1 < rest.bytes && rest.ptr[i + 1] == quote))
                break;
            if (rest.ptr[i] == quote)
                i++;
            copy[n++] = rest.ptr[i];
        }
        i++;
    }
    if (!n)
        return wrong(p);
    p->at += i;
    *ret_quote = quote;
    *ret_name = str_from(copy, n);
    return OK;
}

static enum err parse_one(struct type_parser *p, bool frozen, const struct cql_type **ret_type);

static enum err refuse(struct type_parser *p, const char *what, size_t from)
{
    size_t to = p->at;
    struct str around = STR("frozen<");
    /* It is named with the frozen<> that is around it. */
    if (from >= around.bytes && str_equal(str_slice(p->text, from - around.bytes, from), around) &&
        take(p, '>')) {
        from -= around.bytes;
        to = p->at;
    }
    return diag_set(p->diag, ERR_INVALID, 1, (uint32_t)from + 1, "%s: %.*s", what,
                    STR_ARG(str_trim(str_slice(p->text, from, to))));
}

/* The rules for what a collection holds. */
static enum err check_inside(struct type_parser *p, enum cql_kind outer, bool frozen, bool key,
                             const struct cql_type *item, size_t from)
{
    if (item->kind == CQL_COUNTER)
        return refuse(p, "Counters are not allowed inside collections", from);
    if (item->kind == CQL_DURATION && outer == CQL_SET)
        return refuse(p, "Durations are not allowed inside sets", from);
    if (item->kind == CQL_DURATION && key)
        return refuse(p, "Durations are not allowed as map keys", from);
    if (!frozen && cql_type_is_multicell(item))
        return refuse(p,
                      item->kind == CQL_UDT
                          ? "Non-frozen UDTs are not allowed inside collections"
                          : "Non-frozen collections are not allowed inside collections",
                      from);
    return OK;
}

static enum err parse_items(struct type_parser *p, enum cql_kind kind, bool frozen, size_t from,
                            const struct cql_type **ret_type)
{
    const struct cql_type *items[2];
    size_t count = kind == CQL_MAP ? 2 : 1;
    for (size_t i = 0; i < count; i++) {
        if (!take(p, i ? ',' : '<'))
            return wrong(p);
        TRY(parse_one(p, frozen, &items[i]));
    }
    if (!take(p, '>'))
        return wrong(p);
    for (size_t i = 0; i < count; i++)
        TRY(check_inside(p, kind, frozen, kind == CQL_MAP && i == 0, items[i], from));
    *ret_type = kind == CQL_LIST  ? cql_list(p->arena, items[0], frozen)
                : kind == CQL_SET ? cql_set(p->arena, items[0], frozen)
                                  : cql_map(p->arena, items[0], items[1], frozen);
    return OK;
}

static enum err parse_tuple(struct type_parser *p, size_t from, const struct cql_type **ret_type)
{
    struct cql_type_list list = {0};
    if (!take(p, '<'))
        return wrong(p);
    do {
        const struct cql_type *item;
        TRY(parse_one(p, true, &item));
        if (item->kind == CQL_COUNTER)
            return refuse(p, "Counters are not allowed inside tuples", from);
        if (cql_type_list_add(&list, p->arena, STR_NONE, item) != OK)
            return diag_set(p->diag, ERR_LIMIT, 1, 1, "a tuple of over %d types",
                            CQL_TYPE_ITEMS_MAX);
    } while (take(p, ','));
    if (!take(p, '>'))
        return wrong(p);
    *ret_type = cql_tuple(p->arena, list.items, list.count);
    return OK;
}

static enum err parse_vector(struct type_parser *p, size_t from, const struct cql_type **ret_type)
{
    const struct cql_type *item;
    if (!take(p, '<'))
        return wrong(p);
    TRY(parse_one(p, true, &item));
    if (!take(p, ','))
        return wrong(p);
    blanks(p);
    size_t start = p->at;
    p->at += p->at < p->text.bytes && p->text.ptr[p->at] == '-';
    while (p->at < p->text.bytes && p->text.ptr[p->at] >= '0' && p->text.ptr[p->at] <= '9')
        p->at++;
    int64_t dimension = 0;
    if (p->at == start || str_to_i64(str_slice(p->text, start, p->at), &dimension) != OK ||
        dimension > INT32_MAX || !take(p, '>'))
        return wrong(p);
    if (item->kind == CQL_COUNTER)
        return refuse(p, "Counters are not allowed inside vectors", from);
    if (dimension < 1)
        return diag_set(p->diag, ERR_INVALID, 1, (uint32_t)start + 1,
                        "vectors may only have positive dimensions; given %lld",
                        (long long)dimension);
    *ret_type = cql_vector(p->arena, item, (uint32_t)dimension);
    return OK;
}

static enum err parse_frozen(struct type_parser *p, const struct cql_type **ret_type)
{
    if (!take(p, '<'))
        return wrong(p);
    const struct cql_type *type;
    TRY(parse_one(p, true, &type));
    if (!take(p, '>'))
        return wrong(p);
    if (!type->items) {
        struct buf name = {0};
        cql_type_print(type, &name);
        enum err err = diag_set(p->diag, ERR_INVALID, 1, (uint32_t)p->at,
                                "frozen<> is only allowed on collections, tuples, and user-defined "
                                "types (got %.*s)",
                                STR_ARG(buf_str(&name)));
        buf_deinit(&name);
        return err;
    }
    *ret_type = cql_type_frozen(p->arena, type, true);
    return OK;
}

static enum err parse_user(struct type_parser *p, struct str name, bool frozen,
                           const struct cql_type **ret_type)
{
    struct str keyspace = STR_NONE;
    char quote;
    if (take(p, '.')) {
        keyspace = name;
        TRY(take_name(p, &quote, &name));
    }
    const struct cql_type *type = p->udt ? p->udt(p->owner, name) : NULL;
    if (!type)
        return diag_set(p->diag, ERR_NOT_FOUND, 1, (uint32_t)p->at, "Unknown type %.*s",
                        STR_ARG(name));
    if (keyspace.ptr && !str_equal(keyspace, type->keyspace))
        return diag_set(p->diag, ERR_INVALID, 1, (uint32_t)p->at,
                        "Statement on keyspace %.*s cannot refer to a user type in keyspace %.*s; "
                        "user types can only be used in the keyspace they are defined in",
                        STR_ARG(type->keyspace), STR_ARG(keyspace));
    *ret_type = frozen ? cql_type_frozen(p->arena, type, true) : type;
    return OK;
}

static enum err parse_named(struct type_parser *p, bool frozen, const struct cql_type **ret_type)
{
    struct str name;
    char quote;
    blanks(p);
    size_t from = p->at;
    TRY(take_name(p, &quote, &name));
    if (quote == '\'') {
        *ret_type = NULL;
        if (cql_type_parse_class(p->arena, name, ret_type) == OK && cql_type_is_offered(*ret_type))
            return OK;
        return diag_set(p->diag, ERR_INVALID, 1, (uint32_t)from + 1,
                        "Unable to find abstract-type class '%.*s'", STR_ARG(name));
    }
    if (!quote) {
        if (str_equal(name, STR("frozen")))
            return parse_frozen(p, ret_type);
        if (str_equal(name, STR("list")))
            return parse_items(p, CQL_LIST, frozen, from, ret_type);
        if (str_equal(name, STR("set")))
            return parse_items(p, CQL_SET, frozen, from, ret_type);
        if (str_equal(name, STR("map")))
            return parse_items(p, CQL_MAP, frozen, from, ret_type);
        if (str_equal(name, STR("tuple")))
            return parse_tuple(p, from, ret_type);
        if (str_equal(name, STR("vector")))
            return parse_vector(p, from, ret_type);
        *ret_type = native_type(name);
        if (*ret_type)
            return OK;
    }
    return parse_user(p, name, frozen, ret_type);
}

static enum err parse_one(struct type_parser *p, bool frozen, const struct cql_type **ret_type)
{
    if (++p->depth > CQL_TYPE_DEPTH_MAX)
        return diag_set(p->diag, ERR_LIMIT, 1, (uint32_t)p->at + 1, "types are nested too deep");
    TRY(parse_named(p, frozen, ret_type));
    p->depth--;
    return OK;
}

enum err cql_type_parse(struct arena *arena, struct str text,
                        const struct cql_type *(*udt)(void *owner, struct str name), void *owner,
                        struct diag *diag, const struct cql_type **ret_type)
{
    struct type_parser p = {arena, text, 0, udt, owner, diag, 0};
    const struct cql_type *type;
    TRY(parse_one(&p, false, &type));
    blanks(&p);
    if (p.at != text.bytes)
        return wrong(&p);
    *ret_type = type;
    return OK;
}
