/* SPDX-License-Identifier: MIT */
/*
 * What a SELECT may have: columns, fields, elements and slices, times of cells, calls, casts and
 * operators over them; and the types that terms have by themselves.
 *
 * A literal alone has no type: "SELECT 1" is refused, "SELECT (int) 1" is not, and inside a call
 * the signature gives the type. Names of result columns are Cassandra's.
 */
#include "serve/cql/exec_private.h"

enum err compile_column(struct compile *c, struct str name, uint32_t *ret_column)
{
    const struct cql_table_column *column = cql_column_find(c->table, name);
    if (!column) {
        struct cql_term term = {.kind = TERM_COLUMN, .name = name};
        struct cql_term keyspace = {.kind = TERM_COLUMN, .name = c->table->keyspace};
        struct cql_term table = {.kind = TERM_COLUMN, .name = c->table->name};
        return cql_fail(
            c->error, c->arena, CQL_INVALID, "Undefined column name %.*s in table %.*s.%.*s",
            STR_ARG(term_text(c->arena, &term)), STR_ARG(term_text(c->arena, &keyspace)),
            STR_ARG(term_text(c->arena, &table)));
    }
    *ret_column = (uint32_t)(column - c->table->columns);
    return OK;
}

/* ---- types of terms by themselves ---- */

static const struct cql_type *built_type(struct compile *c, const struct cql_term *t,
                                         const struct cql_type *(*of)(struct compile *,
                                                                      const struct cql_term *))
{
    if (t->count == 0)
        return NULL;
    if (t->kind == TERM_TUPLE) {
        if (t->count == 1)
            return NULL;
        const struct cql_type **types = arena_array(c->arena, t->count, sizeof *types);
        for (size_t i = 0; i < t->count; i++)
            if (!(types[i] = of(c, t->items[i])))
                return NULL;
        return cql_tuple(c->arena, types, t->count);
    }
    const struct cql_type *known[2] = {NULL, NULL};
    size_t step = t->kind == TERM_MAP ? 2 : 1;
    for (size_t i = 0; i < t->count; i++)
        if (!known[i % step])
            known[i % step] = of(c, t->items[i]);
    if (!known[0] || (step == 2 && !known[1]))
        return NULL;
    if (t->kind == TERM_LIST)
        return cql_list(c->arena, known[0], true);
    return t->kind == TERM_SET ? cql_set(c->arena, known[0], true)
                               : cql_map(c->arena, known[0], known[1], true);
}

static const struct cql_type *field_type(const struct cql_type *type, struct str name,
                                         uint32_t *ret_index)
{
    if (!type || type->kind != CQL_UDT)
        return NULL;
    for (uint32_t i = 0; i < type->count; i++) {
        if (str_equal(type->names[i], name)) {
            *ret_index = i;
            return type->items[i];
        }
    }
    return NULL;
}

static const struct cql_type *selected_type(struct compile *c, const struct cql_term *t)
{
    uint32_t index;
    const struct cql_type *type = term_type(c, t->items[0]);
    if (!type)
        return NULL;
    switch (t->kind) {
    case TERM_FIELD:
        return field_type(type, t->name, &index);
    case TERM_ELEMENT:
        return type->kind == CQL_MAP   ? type->items[1]
               : type->kind == CQL_SET ? type->items[0]
                                       : NULL;
    default:
        return type;
    }
}

const struct cql_type *term_type(struct compile *c, const struct cql_term *t)
{
    const struct cql_table_column *column;
    switch (t->kind) {
    case TERM_COLUMN:
        column = c->table ? cql_column_find(c->table, t->name) : NULL;
        return column ? column->type : NULL;
    case TERM_CALL:
        return call_type(c, t);
    case TERM_TYPED:
    case TERM_CAST:
        return compile_type(c, t->type);
    case TERM_FIELD:
    case TERM_ELEMENT:
    case TERM_SLICE:
        return selected_type(c, t);
    case TERM_BINARY:
    case TERM_NEGATE:
        return operation_type(c, t);
    case TERM_LIST:
    case TERM_SET:
    case TERM_MAP:
    case TERM_TUPLE:
        return built_type(c, t, term_type);
    default:
        return NULL;
    }
}

/* ---- making expressions ---- */

static struct expr *new_expr(struct compile *c, enum expr_kind kind, const struct cql_type *type,
                             size_t count)
{
    struct expr *x = arena_zero(c->arena, sizeof *x);
    x->kind = kind;
    x->type = type;
    x->count = count;
    x->items = arena_zero(c->arena, (count + 1) * sizeof(struct expr *));
    return x;
}

static enum err select_column(struct compile *c, const struct cql_term *t, struct expr **ret)
{
    uint32_t column;
    TRY(compile_column(c, t->name, &column));
    struct expr *x = new_expr(c, EXPR_COLUMN, c->table->columns[column].type, 0);
    x->index = column;
    x->name = t->name;
    *ret = x;
    return OK;
}

static enum err select_field(struct compile *c, const struct cql_term *t, struct expr **ret)
{
    struct expr *of;
    uint32_t index;
    TRY(compile_selector(c, t->items[0], NULL, &of));
    if (of->type->kind != CQL_UDT)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid field selection: %.*s of type %s is not a user type",
                        STR_ARG(term_text(c->arena, t->items[0])),
                        term_type_text(c->arena, of->type));
    const struct cql_type *type = field_type(of->type, t->name, &index);
    if (!type)
        return cql_fail(c->error, c->arena, CQL_INVALID, "%s of type %s has no field %.*s",
                        arena_text(c->arena, term_text(c->arena, t->items[0])),
                        term_type_text(c->arena, of->type), STR_ARG(t->name));
    struct expr *x = new_expr(c, EXPR_FIELD, type, 1);
    x->index = index;
    x->items[0] = of;
    *ret = x;
    return OK;
}

static enum err select_element(struct compile *c, const struct cql_term *t, struct expr **ret)
{
    struct expr *of;
    TRY(compile_selector(c, t->items[0], NULL, &of));
    const char *what = t->kind == TERM_ELEMENT ? "Element" : "Slice";
    const char *name = arena_text(c->arena, term_text(c->arena, t->items[0]));
    enum cql_kind kind = of->type->kind;
    if (kind == CQL_LIST)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "%s selection is only allowed on sets and maps, but %s is a list", what,
                        name);
    if (kind != CQL_SET && kind != CQL_MAP)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid %s selection: %s is of type %s is not a collection",
                        t->kind == TERM_ELEMENT ? "element" : "slice", name,
                        term_type_text(c->arena, of->type));
    struct cql_column spec = compile_spec(
        c, str_of(arena_printf(c->arena, "%s(%s)", kind == CQL_SET ? "value" : "key", name)),
        of->type->items[0]);
    struct expr *x;
    if (t->kind == TERM_ELEMENT)
        x = new_expr(c, EXPR_ELEMENT, of->type->items[kind == CQL_MAP], 2);
    else
        x = new_expr(c, EXPR_SLICE, of->type, 3);
    x->items[0] = of;
    for (size_t i = 1; i < x->count; i++)
        if (t->items[i])
            TRY(compile_term(c, t->items[i], &spec, &x->items[i]));
    *ret = x;
    return OK;
}

static enum err select_typed(struct compile *c, const struct cql_term *t, struct expr **ret)
{
    const struct cql_type *type = compile_type(c, t->type);
    if (!type)
        return ERR_INVALID;
    if (term_fit(c, t->items[0], type) == FIT_NONE)
        return cql_fail(
            c->error, c->arena, CQL_INVALID, "Cannot assign value %.*s to %s of type %s",
            STR_ARG(term_text(c->arena, t->items[0])), arena_text(c->arena, term_text(c->arena, t)),
            term_type_text(c->arena, type));
    struct expr *inner;
    TRY(compile_selector(c, t->items[0], type, &inner));
    struct expr *x = arena_alloc(c->arena, sizeof *x);
    *x = *inner;
    x->type = type;
    x->name = str_of(
        arena_printf(c->arena, "(%s)%.*s", term_type_text(c->arena, type), STR_ARG(inner->name)));
    *ret = x;
    return OK;
}

static enum err select_value(struct compile *c, const struct cql_term *t,
                             const struct cql_type *expected, struct expr **ret)
{
    const struct cql_type *type = term_type(c, t);
    bool parenthesis = !type && t->kind == TERM_TUPLE && t->count == 1 &&
                       !(expected && expected->kind == CQL_TUPLE);
    if (expected && (!type || t->kind == TERM_LIST || t->kind == TERM_SET))
        type = expected;
    if (parenthesis) {
        TRY(compile_selector(c, t->items[0], expected, ret));
        struct expr *x = arena_alloc(c->arena, sizeof *x);
        *x = **ret;
        x->name = str_of(arena_printf(c->arena, "(%.*s)", STR_ARG(x->name)));
        *ret = x;
        return OK;
    }
    if (!type)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot infer type for term %.*s in selection clause (try using a cast to "
                        "force a type)",
                        STR_ARG(term_text(c->arena, t)));
    struct cql_column spec = compile_spec(c, STR("[selection]"), type);
    return compile_term(c, t, &spec, ret);
}

static enum err select_any(struct compile *c, const struct cql_term *t,
                           const struct cql_type *expected, struct expr **ret)
{
    switch (t->kind) {
    case TERM_COLUMN:
        return select_column(c, t, ret);
    case TERM_FIELD:
        return select_field(c, t, ret);
    case TERM_ELEMENT:
    case TERM_SLICE:
        return select_element(c, t, ret);
    case TERM_TYPED:
        return select_typed(c, t, ret);
    case TERM_CAST:
        return compile_cast(c, t, ret);
    case TERM_CALL:
        return compile_call(c, t, NULL, ret);
    case TERM_BINARY:
    case TERM_NEGATE:
        return compile_operation(c, t, NULL, ret);
    default:
        return select_value(c, t, expected, ret);
    }
}

enum err compile_selector(struct compile *c, const struct cql_term *t,
                          const struct cql_type *expected, struct expr **ret)
{
    struct expr *x;
    TRY(select_any(c, t, expected, &x));
    if (!x->name.ptr)
        x->name = term_text(c->arena, t);
    *ret = x;
    return OK;
}
