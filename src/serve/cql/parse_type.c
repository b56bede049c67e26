/* SPDX-License-Identifier: MIT */
/*
 * Types and options as definitions have them. A type is kept as text, put in one form: lower case
 * where it was not quoted, one blank behind a comma, "map<text, frozen<list<int>>>"; the catalogue
 * looks its names up.
 */
#include "serve/cql/parse.h"

static enum err parse_type(struct cql_parser *p, struct buf *out) MUST_USE;

static bool follows_native(enum cql_token_kind kind)
{
    switch ((int)kind) {
    case CQL_T_END:
    case CQL_M_SEMICOLON:
    case CQL_M_COMMA:
    case CQL_M_CLOSE:
    case CQL_M_GT:
    case CQL_M_DOT:
    case CQL_K_STATIC:
    case CQL_K_PRIMARY:
    case CQL_K_MASKED:
    case CQL_K_SFUNC:
    case CQL_K_STYPE:
    case CQL_K_FINALFUNC:
    case CQL_K_INITCOND:
    case CQL_K_LANGUAGE:
        return true;
    default:
        return false;
    }
}

/* word<type, type>; all: as many as there are. */
static enum err parse_of(struct cql_parser *p, const char *word, size_t count, bool all,
                         struct buf *out)
{
    p->at += 2;
    buf_text(out, word);
    buf_char(out, '<');
    for (size_t i = 0; i < count || (all && cql_kind(p, 0) == CQL_M_COMMA); i++) {
        if (i > 0) {
            TRY(cql_expect(p, CQL_M_COMMA));
            buf_text(out, ", ");
        }
        TRY(parse_type(p, out));
    }
    buf_char(out, '>');
    return cql_expect(p, CQL_M_GT);
}

static enum err parse_vector(struct cql_parser *p, struct buf *out)
{
    p->at += 2;
    buf_text(out, "vector<");
    TRY(parse_type(p, out));
    TRY(cql_expect(p, CQL_M_COMMA));
    struct str dimension = cql_peek(p, 0)->text;
    TRY(cql_expect(p, CQL_T_INTEGER));
    int64_t number;
    if (str_to_i64(dimension, &number) != OK || number > INT32_MAX || number < INT32_MIN)
        return cql_refuse(p,
                          "Failed parsing statement: [%.*s] reason: NumberFormatException For "
                          "input string: \"%.*s\"",
                          STR_ARG(p->text), STR_ARG(dimension));
    buf_printf(out, ", %.*s>", STR_ARG(dimension));
    return cql_expect(p, CQL_M_GT);
}

static enum err parse_frozen(struct cql_parser *p, struct buf *out)
{
    p->at += 2;
    buf_text(out, "frozen<");
    enum cql_token_kind kind = cql_kind(p, 0);
    struct str text = cql_peek(p, 0)->text;
    TRY(parse_type(p, out));
    TRY(cql_expect(p, CQL_M_GT));
    buf_char(out, '>');
    if (cql_is_word(kind) && cql_word_class(kind) == WORD_TYPE)
        return cql_refuse(p,
                          "frozen<> is only allowed on collections, tuples, and user-defined types "
                          "(got %.*s)",
                          STR_ARG(text));
    return OK;
}

static enum err parse_named(struct cql_parser *p, struct buf *out)
{
    enum cql_token_kind kind = cql_kind(p, 0);
    bool native = cql_is_word(kind) && cql_word_class(kind) == WORD_TYPE;
    if (!native && !cql_is_name(kind))
        return cql_no_way(p, 0);
    if (native && cql_kind(p, 1) != CQL_M_DOT) {
        struct str name;
        if (!follows_native(cql_kind(p, 1)))
            return cql_no_way(p, 1);
        TRY(cql_native_type(p, &name));
        buf_str_append(out, name);
        return OK;
    }
    struct cql_name name;
    TRY(cql_type_name(p, &name));
    if (name.keyspace.ptr) {
        cql_identifier_print(name.keyspace, out);
        buf_char(out, '.');
    }
    cql_identifier_print(name.name, out);
    return OK;
}

static enum err parse_one(struct cql_parser *p, struct buf *out)
{
    enum cql_token_kind kind = cql_kind(p, 0);
    if (kind == CQL_T_STRING) {
        buf_printf(out, "'%.*s'", STR_ARG(cql_peek(p, 0)->text));
        p->at++;
        return OK;
    }
    bool of = kind == CQL_K_MAP || kind == CQL_K_LIST || kind == CQL_K_SET || kind == CQL_K_TUPLE ||
              kind == CQL_K_VECTOR || kind == CQL_K_FROZEN;
    if (!of || cql_kind(p, 1) != CQL_M_LT)
        return parse_named(p, out);
    switch ((int)kind) {
    case CQL_K_MAP:
        return parse_of(p, "map", 2, false, out);
    case CQL_K_LIST:
        return parse_of(p, "list", 1, false, out);
    case CQL_K_SET:
        return parse_of(p, "set", 1, false, out);
    case CQL_K_TUPLE:
        return parse_of(p, "tuple", 1, true, out);
    case CQL_K_VECTOR:
        return parse_vector(p, out);
    case CQL_K_FROZEN:
        return parse_frozen(p, out);
    default:
        return parse_named(p, out);
    }
}

static enum err parse_type(struct cql_parser *p, struct buf *out)
{
    TRY(cql_enter(p));
    TRY(parse_one(p, out));
    cql_leave(p);
    return OK;
}

enum err cql_type_text(struct cql_parser *p, struct str *ret_text)
{
    CLEAN(buf_deinit) struct buf out = {.bytes_max = 1 << 20};
    TRY(parse_type(p, &out));
    TRY(buf_error(&out));
    *ret_text = arena_str(p->arena, buf_str(&out));
    return OK;
}

/* ---- options: name = constant, word or {..} ---- */

static void print_map_term(const struct cql_term *term, struct buf *out)
{
    if (term->kind == TERM_STRING)
        buf_printf(out, "'%.*s'", STR_ARG(term->text));
    else
        buf_str_append(out, term->source);
}

static bool is_literal(const struct cql_term *term)
{
    return term->kind <= TERM_DURATION && term->kind != TERM_NULL;
}

static enum err check_map(struct cql_parser *p, const struct cql_term *map)
{
    for (size_t i = 0; i < map->count; i++) {
        if (is_literal(map->items[i]))
            continue;
        const struct cql_term *name = map->items[i & ~(size_t)1];
        CLEAN(buf_deinit) struct buf out = {.bytes_max = 1 << 16};
        buf_text(&out, i & 1 ? "Invalid property value: " : "Invalid property name: ");
        print_map_term(map->items[i], &out);
        if (i & 1) {
            buf_text(&out, " for property: ");
            print_map_term(name, &out);
        }
        if (map->items[i]->kind == TERM_MARKER)
            buf_text(&out, " (bind variables are not supported in DDL queries)");
        return cql_refuse(p, "%.*s", STR_ARG(buf_str(&out)));
    }
    for (size_t i = 0; i < map->count && map->count <= 512; i += 2)
        for (size_t k = 0; k < i; k += 2)
            if (str_equal(map->items[i]->text, map->items[k]->text))
                return cql_refuse(p, "Multiple definition for property %.*s",
                                  STR_ARG(map->items[i]->text));
    return OK;
}

enum err cql_option_one(struct cql_parser *p, struct cql_option **items, size_t *count)
{
    if (cql_is_name(cql_kind(p, 0)) && cql_kind(p, 1) != CQL_M_EQ)
        return cql_no_way(p, 1);
    if (cql_is_name(cql_kind(p, 0)) && !cql_is_constant(cql_kind(p, 2)) &&
        cql_kind(p, 2) != CQL_M_CURLY_OPEN &&
        (!cql_is_name(cql_kind(p, 2)) || cql_kind(p, 2) <= CQL_T_QUOTED))
        return cql_no_way(p, 2);
    struct cql_option *option = PUSH(p, *items, *count);
    *option = (struct cql_option){.value = NULL};
    TRY(cql_name_take(p, &option->name));
    TRY(cql_expect(p, CQL_M_EQ));
    if (cql_kind(p, 0) == CQL_M_CURLY_OPEN) {
        TRY(cql_map_literal(p, &option->value));
        TRY(check_map(p, option->value));
    } else if (cql_is_constant(cql_kind(p, 0))) {
        TRY(cql_constant(p, &option->value));
    } else {
        option->value = cql_term_new(p, TERM_STRING);
        option->value->text = cql_peek(p, 0)->text;
        p->at++;
        option->value->source = option->value->text;
    }
    for (size_t i = 0; i + 1 < *count && i < 512; i++)
        if (str_equal((*items)[i].name, option->name))
            return cql_refuse(p, "Multiple definitions for property '%.*s'", STR_ARG(option->name));
    return OK;
}

enum err cql_options(struct cql_parser *p, struct cql_option **ret_items, size_t *ret_count)
{
    do
        TRY(cql_option_one(p, ret_items, ret_count));
    while (cql_take(p, CQL_K_AND));
    return OK;
}
