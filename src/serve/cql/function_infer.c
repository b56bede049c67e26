/* SPDX-License-Identifier: MIT */
/*
 * Arguments of functions whose signature is a pattern ("any map"): their types come from the terms.
 *
 * A literal that has no type by itself is taken for the first of Cassandra's types that it could
 * be: a text for an ascii, a hexadecimal constant for a tinyint, a list in a SELECT for a list of
 * what its elements are. Two vectors are special: a list in a SELECT is a vector of floats, and an
 * argument that tells nothing is what the other one is. Outside of a SELECT Cassandra believes the
 * receiver of the result instead, which is never a vector, so that a list must be cast there.
 */
#include "serve/cql/function.h"

#include "base/check.h"

static const struct cql_type *built_of(struct compile *c, const struct cql_term *t)
{
    const struct cql_type *known[2] = {NULL, NULL};
    size_t step = t->kind == TERM_MAP ? 2 : 1;
    for (size_t i = 0; i < t->count; i++) {
        const struct cql_type *type = compatible_type(c, t->items[i]);
        const struct cql_type **first = &known[i % step];
        if (type && *first && !cql_type_equal(type, *first))
            return NULL;
        if (!*first)
            *first = type;
    }
    if (!known[0] || (step == 2 && !known[1]))
        return NULL;
    if (t->kind == TERM_LIST)
        return cql_list(c->arena, known[0], true);
    return step == 2 ? cql_map(c->arena, known[0], known[1], true)
                     : cql_set(c->arena, known[0], true);
}

static const struct cql_type *tuple_of(struct compile *c, const struct cql_term *t)
{
    if (!c->selecting)
        return NULL;
    if (t->count == 1)
        return t->items[0]->kind == TERM_TUPLE ? NULL : compatible_type(c, t->items[0]);
    const struct cql_type **types = arena_array(c->arena, t->count + 1, sizeof *types);
    for (size_t i = 0; i < t->count; i++)
        if (!(types[i] = compatible_type(c, t->items[i])))
            return NULL;
    return cql_tuple(c->arena, types, t->count);
}

/* A type in parentheses before a term is always frozen. */
static const struct cql_type *hinted(struct compile *c, const struct cql_type *type)
{
    if (!type || !cql_type_is_collection(type))
        return type;
    return type->kind == CQL_LIST  ? cql_list(c->arena, type->items[0], true)
           : type->kind == CQL_SET ? cql_set(c->arena, type->items[0], true)
                                   : cql_map(c->arena, type->items[0], type->items[1], true);
}

const struct cql_type *compatible_type(struct compile *c, const struct cql_term *t)
{
    switch (t->kind) {
    case TERM_STRING:
        return cql_simple(CQL_ASCII);
    case TERM_HEX:
        return cql_simple(CQL_TINYINT);
    case TERM_LIST:
    case TERM_SET:
        return built_of(c, t);
    case TERM_MAP:
        return c->selecting ? NULL : built_of(c, t);
    case TERM_TUPLE:
        return tuple_of(c, t);
    case TERM_TYPED:
        return hinted(c, term_type(c, t));
    default:
        return term_type_usual(c, t);
    }
}

enum err check_names(struct compile *c, const struct cql_term *t)
{
    uint32_t column;
    if (t->kind == TERM_COLUMN && c->table)
        return compile_column(c, t->name, &column);
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i])
            TRY(check_names(c, t->items[i]));
    return OK;
}

/* ---- words ---- */

/* As signatures have them, and as the argument that is missed. */
static const struct {
    const char *signature, *required;
} patterns[] = {{"any", "any"},
                {"numeric", "numeric"},
                {"map", "map"},
                {"collection", "collection"},
                {"numeric_set_or_list", "set or list"},
                {"numeric_set_or_list", "numeric set/list"},
                {"vector<float, n>", "float vector"}};

static const char *signature_text(struct compile *c, const struct cql_function *f)
{
    const char *text = "";
    for (unsigned i = 0; i < f->arg_count; i++) {
        uint16_t pattern = f->args[i];
        const char *arg = pattern < PATTERN_ANY
                              ? term_type_text(c->arena, cql_simple((enum cql_kind)pattern))
                              : patterns[pattern - PATTERN_ANY].signature;
        text = i ? arena_printf(c->arena, "%s, %s", text, arg) : arg;
    }
    return text;
}

bool has_pattern(const struct cql_function *f)
{
    uint16_t first = f->args[0];
    return f->arg_count && first >= PATTERN_ANY && first <= PATTERN_FLOATS &&
           first != PATTERN_NUMBER;
}

/* ---- vectors ---- */

static enum err vector_of_list(struct compile *c, const struct cql_term *list,
                               const struct cql_type **ret)
{
    if (list->count == 0)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "vectors may only have positive dimensions; given 0");
    *ret = cql_vector(c->arena, cql_simple(CQL_FLOAT), (uint32_t)list->count);
    return OK;
}

static enum err vector_of(struct compile *c, const struct cql_term *t,
                          const struct cql_type *wanted, const struct cql_type **ret)
{
    const struct cql_term *inner = t;
    while (c->selecting && inner->kind == TERM_TUPLE && inner->count == 1)
        inner = inner->items[0];
    if (c->selecting && inner->kind == TERM_LIST)
        return vector_of_list(c, inner, ret);
    /* Of a number in parentheses alone nothing is known. */
    bool bare = inner == t || term_type(c, inner);
    *ret = bare && inner->kind != TERM_LIST ? compatible_type(c, inner) : NULL;
    if (!*ret && !c->selecting)
        *ret = wanted;
    return OK;
}

static enum err vector_args(struct compile *c, const struct cql_term *t,
                            const struct cql_type *wanted, const struct cql_type **args)
{
    TRY(vector_of(c, t->items[0], wanted, &args[0]));
    TRY(vector_of(c, t->items[1], wanted, &args[1]));
    if (!args[0])
        args[0] = args[1];
    else if (!args[1])
        args[1] = args[0];
    return OK;
}

static bool of_floats(const struct cql_type *type)
{
    return type->kind == CQL_VECTOR && type->items[0]->kind == CQL_FLOAT;
}

/* ---- the arguments of one call ---- */

static bool fits_pattern(uint16_t pattern, const struct cql_type *type)
{
    bool list_or_set = type->kind == CQL_LIST || type->kind == CQL_SET;
    switch (pattern) {
    case PATTERN_ANY:
        return true;
    case PATTERN_NUMBER:
        return is_number(type);
    case PATTERN_MAP:
        return type->kind == CQL_MAP;
    case PATTERN_COLLECTION:
        return cql_type_is_collection(type);
    case PATTERN_LIST_OR_SET:
        return list_or_set;
    case PATTERN_NUMBERS:
        return list_or_set && is_number(type->items[0]);
    case PATTERN_FLOATS:
        return of_floats(type);
    default:
        return false;
    }
}

const struct cql_type *pattern_type(uint16_t pattern, const struct cql_type *have)
{
    if (pattern < PATTERN_ANY)
        return cql_simple((enum cql_kind)pattern);
    return have && fits_pattern(pattern, have) ? have : NULL;
}

static enum err check_arg(struct compile *c, const struct cql_function *f, struct str name,
                          const struct cql_term *t, uint16_t pattern, const struct cql_type *type)
{
    if (!type)
        TRY(check_names(c, t));
    if (!type)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot infer type of argument %.*s in call to function system.%.*s(%s): "
                        "use type casts to disambiguate",
                        STR_ARG(term_text(c->arena, t)), STR_ARG(name), signature_text(c, f));
    if (!fits_pattern(pattern, type))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Function system.%.*s requires a %s argument, but found argument %.*s "
                        "of type %s",
                        STR_ARG(name), patterns[pattern - PATTERN_ANY].required,
                        STR_ARG(term_text(c->arena, t)), term_type_text(c->arena, type));
    return OK;
}

enum err infer_args(struct compile *c, const struct cql_function *f, const struct cql_term *call,
                    struct str name, const struct cql_type *wanted, const struct cql_type **args)
{
    check(has_pattern(f));
    if (call->count != f->arg_count)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid number of arguments for function system.%.*s(%s)", STR_ARG(name),
                        signature_text(c, f));
    if (f->args[0] == PATTERN_FLOATS)
        TRY(vector_args(c, call, wanted, args));
    else
        args[0] = compatible_type(c, call->items[0]);
    for (size_t i = 0; i < call->count; i++)
        if (f->args[i] >= PATTERN_ANY)
            TRY(check_arg(c, f, name, call->items[i], f->args[i], args[i]));
    if (f->args[0] == PATTERN_FLOATS && args[0]->dimension != args[1]->dimension)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "All arguments must have the same vector dimensions");
    return OK;
}
