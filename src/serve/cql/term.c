/* SPDX-License-Identifier: MIT */
/*
 * Terms as values: a literal becomes bytes of the type of its receiver, a marker gets its
 * specification, a collection is built out of terms for its elements.
 *
 * Whether a literal may stand for a type is told in two degrees as Cassandra does: exact (an
 * integer that fits int stands exactly for int) and weak (it may stand for double, too). Functions
 * with several signatures are chosen by that.
 *
 * Invariants: 1. what is constant is evaluated while compiling: a mistake in a literal is told when
 * the statement is prepared. 2. A constant's bytes live in the plan's arena.
 *
 * Not here: columns and what a SELECT may have (selector.c), calls (function.c).
 */
#include "serve/cql/exec_private.h"
#include "serve/cql/expr.h"
#include "serve/cql/function.h"

const char expr_unset_place[1];

struct expr *term_constant(struct arena *arena, const struct cql_type *type, struct str value)
{
    struct expr *x = arena_zero(arena, sizeof *x);
    x->kind = EXPR_CONSTANT;
    x->type = type;
    x->value = value;
    return x;
}

const char *term_type_text(struct arena *arena, const struct cql_type *type)
{
    struct buf out = {0};
    cql_type_print(type, &out);
    char *text = arena_text(arena, buf_str(&out));
    buf_deinit(&out);
    return text;
}

struct cql_column compile_spec(const struct compile *c, struct str name,
                               const struct cql_type *type)
{
    struct cql_column spec = {.name = name, .type = type};
    if (c->table) {
        spec.keyspace = c->table->keyspace;
        spec.table = c->table->name;
    }
    return spec;
}

void compile_bind(struct compile *c, uint32_t marker, const struct cql_column *receiver)
{
    if (marker < c->bind_count)
        c->binds[marker] = *receiver;
}

/* ---- texts of terms ---- */

static void text_of(struct buf *out, const struct cql_term *t);

static void texts_of(struct buf *out, const struct cql_term *t, const char *begin, const char *end)
{
    buf_text(out, begin);
    for (size_t i = 0; i < t->count; i++) {
        if (i)
            buf_text(out, t->kind == TERM_MAP && i % 2 ? ": " : ", ");
        if (t->kind == TERM_UDT) {
            cql_name_print(t->names[i], out);
            buf_text(out, ": ");
        }
        text_of(out, t->items[i]);
    }
    buf_text(out, end);
}

static void text_of_column(struct buf *out, const struct cql_term *t)
{
    switch (t->kind) {
    case TERM_FIELD:
        text_of(out, t->items[0]);
        buf_char(out, '.');
        buf_str_append(out, t->name);
        break;
    case TERM_ELEMENT:
        text_of(out, t->items[0]);
        buf_char(out, '[');
        text_of(out, t->items[1]);
        buf_char(out, ']');
        break;
    case TERM_SLICE:
        text_of(out, t->items[0]);
        buf_char(out, '[');
        if (t->items[1])
            text_of(out, t->items[1]);
        buf_text(out, "..");
        if (t->items[2])
            text_of(out, t->items[2]);
        buf_char(out, ']');
        break;
    default:
        cql_name_print(t->name, out);
        break;
    }
}

static void text_of(struct buf *out, const struct cql_term *t)
{
    switch (t->kind) {
    case TERM_NULL:
        buf_text(out, "NULL");
        break;
    case TERM_STRING:
        buf_printf(out, "'%.*s'", STR_ARG(t->text));
        break;
    case TERM_HEX:
        buf_printf(out, "0x%.*s", STR_ARG(t->text));
        break;
    case TERM_MARKER:
        buf_char(out, '?'); /* also what has a name */
        break;
    case TERM_LIST:
        texts_of(out, t, "[", "]");
        break;
    case TERM_SET:
    case TERM_MAP:
    case TERM_UDT:
        texts_of(out, t, "{", "}");
        break;
    case TERM_TUPLE:
        texts_of(out, t, "(", ")");
        break;
    case TERM_CALL:
        if (t->keyspace.ptr)
            buf_printf(out, "%.*s.", STR_ARG(t->keyspace));
        buf_str_append(out, t->name);
        texts_of(out, t, "(", ")");
        break;
    case TERM_STAR:
        buf_char(out, '*');
        break;
    case TERM_TYPED:
        buf_printf(out, "(%.*s)", STR_ARG(t->type));
        text_of(out, t->items[0]);
        break;
    case TERM_CAST:
        buf_text(out, "cast(");
        text_of(out, t->items[0]);
        buf_printf(out, " as %.*s)", STR_ARG(t->type));
        break;
    case TERM_BINARY:
        text_of(out, t->items[0]);
        buf_printf(out, " %c ", t->op);
        text_of(out, t->items[1]);
        break;
    case TERM_NEGATE:
        buf_char(out, '-');
        text_of(out, t->items[0]);
        break;
    case TERM_COLUMN:
    case TERM_FIELD:
    case TERM_ELEMENT:
    case TERM_SLICE:
        text_of_column(out, t);
        break;
    default:
        buf_str_append(out, t->text);
        break;
    }
}

struct str term_text(struct arena *arena, const struct cql_term *term)
{
    struct buf out = {0};
    text_of(&out, term);
    struct str text = arena_str(arena, buf_str(&out));
    buf_deinit(&out);
    return text;
}

/* ---- how well it fits ---- */

enum fit type_fit(const struct cql_type *have, const struct cql_type *want)
{
    if (cql_type_equal(have, want))
        return FIT_EXACT;
    if (have->kind == want->kind && have->count == want->count && have->count > 0 &&
        have->kind != CQL_UDT && have->dimension == want->dimension) {
        enum fit worst = FIT_EXACT;
        for (uint32_t i = 0; i < have->count; i++) {
            enum fit fit = type_fit(have->items[i], want->items[i]);
            if (fit < worst)
                worst = fit;
        }
        return worst;
    }
    if (have->kind == CQL_UDT && want->kind == CQL_UDT)
        return str_equal(have->keyspace, want->keyspace) && str_equal(have->name, want->name)
                   ? FIT_EXACT
                   : FIT_NONE;
    enum cql_kind from = have->kind;
    bool weak = false;
    switch (want->kind) {
    case CQL_BLOB:
        weak = true;
        break;
    case CQL_TEXT:
        weak = from == CQL_ASCII;
        break;
    case CQL_BIGINT:
        weak = from == CQL_TIMESTAMP;
        break;
    case CQL_TIMESTAMP:
    case CQL_TIME:
        weak = from == CQL_BIGINT;
        break;
    case CQL_DATE:
        weak = from == CQL_INT;
        break;
    case CQL_VARINT:
        weak = from == CQL_INT || from == CQL_BIGINT || from == CQL_TIMESTAMP;
        break;
    case CQL_UUID:
        weak = from == CQL_TIMEUUID;
        break;
    default:
        break;
    }
    return weak ? FIT_WEAK : FIT_NONE;
}

static bool integer_within(struct str text, int64_t low, int64_t high)
{
    int64_t value;
    return str_to_i64(text, &value) == OK && value >= low && value <= high;
}

const struct cql_type *term_type_usual(struct compile *c, const struct cql_term *t)
{
    struct buf out = {0};
    const struct cql_type *type = NULL;
    switch (t->kind) {
    case TERM_INTEGER:
        if (integer_within(t->text, INT32_MIN, INT32_MAX))
            return cql_simple(CQL_INT);
        return cql_simple(integer_within(t->text, INT64_MIN, INT64_MAX) ? CQL_BIGINT : CQL_VARINT);
    case TERM_FLOAT: {
        if (t->text.bytes && strchr("NI", t->text.ptr[t->text.ptr[0] == '-' && t->text.bytes > 1]))
            return cql_simple(CQL_DOUBLE);
        /* A double when that is enough: up to 15 digits always are. */
        size_t digits = 0;
        for (size_t i = 0; i < t->text.bytes && (t->text.ptr[i] | 32) != 'e'; i++)
            digits += t->text.ptr[i] >= '0' && t->text.ptr[i] <= '9';
        return cql_simple(digits <= 15 ? CQL_DOUBLE : CQL_DECIMAL);
    }
    case TERM_BOOLEAN:
        return cql_simple(CQL_BOOLEAN);
    case TERM_UUID:
        if (cql_value_from_text(cql_simple(CQL_UUID), t->text, &out, NULL) == OK && out.bytes == 16)
            type = cql_simple(out.ptr[6] >> 4 == 1 ? CQL_TIMEUUID : CQL_UUID);
        buf_deinit(&out);
        return type;
    case TERM_DURATION:
        return cql_simple(CQL_DURATION);
    default:
        return term_type(c, t);
    }
}

static enum fit fit_into(const enum cql_kind *kinds, enum cql_kind kind)
{
    for (; *kinds; kinds++)
        if (*kinds == kind)
            return FIT_WEAK;
    return FIT_NONE;
}

static enum fit literal_fit(struct compile *c, const struct cql_term *t,
                            const struct cql_type *type)
{
    static const enum cql_kind string[] = {CQL_ASCII, CQL_TEXT,      CQL_INET, CQL_DATE,
                                           CQL_TIME,  CQL_TIMESTAMP, 0};
    static const enum cql_kind integer[] = {
        CQL_BIGINT, CQL_COUNTER, CQL_DATE,     CQL_DECIMAL, CQL_DOUBLE,    CQL_DURATION, CQL_FLOAT,
        CQL_INT,    CQL_TIME,    CQL_SMALLINT, CQL_TINYINT, CQL_TIMESTAMP, CQL_VARINT,   0};
    static const enum cql_kind real[] = {CQL_DECIMAL, CQL_DOUBLE, CQL_FLOAT, 0};
    static const enum cql_kind uuid[] = {CQL_UUID, CQL_TIMEUUID, 0};
    if (cql_type_is_collection(type) || type->kind == CQL_UDT || type->kind == CQL_VECTOR)
        return FIT_NONE;
    /* Its text is read, as that of what has a class of its own. */
    if (type->kind == CQL_TUPLE)
        return t->kind == TERM_HEX ? FIT_NONE : FIT_WEAK;
    if (type->kind == CQL_CUSTOM)
        return FIT_WEAK;
    const struct cql_type *usual = t->kind == TERM_STRING ? NULL : term_type_usual(c, t);
    if (usual && usual->kind == type->kind)
        return FIT_EXACT;
    switch (t->kind) {
    case TERM_STRING:
        return fit_into(string, type->kind);
    case TERM_INTEGER:
        return fit_into(integer, type->kind);
    case TERM_FLOAT:
        return fit_into(real, type->kind);
    case TERM_UUID:
        return fit_into(uuid, type->kind);
    case TERM_HEX:
        return type->kind == CQL_BLOB || (type->kind == CQL_TINYINT && t->text.bytes <= 2)
                   ? FIT_WEAK
                   : FIT_NONE;
    default:
        return FIT_NONE;
    }
}

static enum fit items_fit(struct compile *c, const struct cql_term *t,
                          const struct cql_type *const *types, size_t type_count)
{
    enum fit worst = t->count ? FIT_EXACT : FIT_WEAK;
    for (size_t i = 0; i < t->count; i++) {
        enum fit fit = term_fit(c, t->items[i], types[i % type_count]);
        if (fit < worst)
            worst = fit;
    }
    return worst;
}

static enum fit udt_fit(struct compile *c, const struct cql_term *t, const struct cql_type *type)
{
    for (size_t i = 0; i < t->count; i++) {
        uint32_t at = 0;
        while (at < type->count && !str_equal(type->names[at], t->names[i]))
            at++;
        if (at == type->count || term_fit(c, t->items[i], type->items[at]) == FIT_NONE)
            return FIT_NONE;
    }
    return FIT_WEAK;
}

/* Outside of a selection arithmetic is of the type that is wanted, when its operands can be. */
static bool operands_fit(struct compile *c, const struct cql_term *t, const struct cql_type *type)
{
    if (c->selecting || !is_number(type))
        return false;
    for (size_t i = 0; i < t->count; i++)
        if (term_fit(c, t->items[i], type) == FIT_NONE)
            return false;
    return true;
}

enum fit term_fit(struct compile *c, const struct cql_term *t, const struct cql_type *type)
{
    switch (t->kind) {
    case TERM_NULL:
        return type->kind == CQL_COUNTER ? FIT_NONE : FIT_WEAK;
    case TERM_MARKER:
        return FIT_WEAK;
    case TERM_STRING:
    case TERM_INTEGER:
    case TERM_FLOAT:
    case TERM_BOOLEAN:
    case TERM_UUID:
    case TERM_HEX:
    case TERM_DURATION:
        return literal_fit(c, t, type);
    case TERM_LIST:
        if (type->kind == CQL_VECTOR)
            return t->count == type->dimension ? items_fit(c, t, type->items, 1) : FIT_NONE;
        return type->kind == CQL_LIST ? items_fit(c, t, type->items, 1) : FIT_NONE;
    case TERM_SET:
        if (type->kind == CQL_MAP && t->count == 0)
            return FIT_WEAK;
        return type->kind == CQL_SET ? items_fit(c, t, type->items, 1) : FIT_NONE;
    case TERM_MAP:
        return type->kind == CQL_MAP ? items_fit(c, t, type->items, 2) : FIT_NONE;
    case TERM_TUPLE:
        if (t->count == 1 && type->kind != CQL_TUPLE)
            return term_fit(c, t->items[0], type);
        if (type->kind != CQL_TUPLE || t->count > type->count)
            return FIT_NONE;
        return items_fit(c, t, type->items, type->count);
    case TERM_UDT:
        return type->kind == CQL_UDT ? udt_fit(c, t, type) : FIT_NONE;
    case TERM_BINARY:
    case TERM_NEGATE:
        if (operands_fit(c, t, type))
            return FIT_WEAK;
        __attribute__((fallthrough));
    default: {
        const struct cql_type *have = term_type(c, t);
        return have ? type_fit(have, type) : FIT_WEAK;
    }
    }
}

/* ---- making expressions ---- */

static const char *literal_kind(enum cql_term_kind kind)
{
    switch (kind) {
    case TERM_STRING:
        return "STRING";
    case TERM_INTEGER:
        return "INTEGER";
    case TERM_FLOAT:
        return "FLOAT";
    case TERM_BOOLEAN:
        return "BOOLEAN";
    case TERM_UUID:
        return "UUID";
    case TERM_HEX:
        return "HEX";
    default:
        return "DURATION";
    }
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch = (char)(ch | 32);
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static enum err hex_value(struct compile *c, struct str text, struct str *ret)
{
    if (text.bytes % 2)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "An hex string representing bytes must have an even length");
    char *bytes = arena_try(c->arena, text.bytes / 2 + 1);
    if (!bytes)
        return ERR_LIMIT;
    for (size_t i = 0; i + 1 < text.bytes; i += 2)
        bytes[i / 2] = (char)(hex_digit(text.ptr[i]) << 4 | hex_digit(text.ptr[i + 1]));
    *ret = str_from(bytes, text.bytes / 2);
    return OK;
}

static enum err compile_literal(struct compile *c, const struct cql_term *t,
                                const struct cql_column *receiver, struct expr **ret)
{
    if (literal_fit(c, t, receiver->type) == FIT_NONE)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid %s constant (%s%.*s) for \"%.*s\" of type %s",
                        literal_kind(t->kind), t->kind == TERM_HEX ? "0x" : "", STR_ARG(t->text),
                        STR_ARG(receiver->name), term_type_text(c->arena, receiver->type));
    struct str value;
    if (t->kind == TERM_HEX) {
        TRY(hex_value(c, t->text, &value));
    } else {
        struct buf out = {0};
        struct diag diag = {0};
        const struct cql_type *type =
            receiver->type->kind == CQL_COUNTER ? cql_simple(CQL_BIGINT) : receiver->type;
        enum err err = cql_value_from_text(type, t->text, &out, &diag);
        value = value_of_buf(c->arena, &out);
        buf_deinit(&out);
        if (err != OK)
            return cql_fail(c->error, c->arena, CQL_INVALID, "%s",
                            diag.message[0] ? diag.message : err_text(err));
    }
    *ret = term_constant(c->arena, receiver->type, value);
    return OK;
}

/* An element of something that is built. */
static enum err compile_item(struct compile *c, const struct cql_term *t,
                             const struct cql_column *receiver, struct expr **ret)
{
    return c->selecting ? compile_selector(c, t, receiver->type, ret)
                        : compile_term(c, t, receiver, ret);
}

static struct str spec_name(struct compile *c, const char *what, const struct cql_column *receiver)
{
    return str_of(arena_printf(c->arena, "%s(%.*s)", what, STR_ARG(receiver->name)));
}

/* A build whose items are all constant becomes a constant. */
static enum err finish_build(struct compile *c, struct expr *x, struct expr **ret)
{
    *ret = x;
    struct str *values = arena_array(c->arena, x->count + 1, sizeof *values);
    for (size_t i = 0; i < x->count; i++) {
        if (x->items[i]->kind != EXPR_CONSTANT)
            return OK;
        values[i] = x->items[i]->value;
        if (!values[i].ptr && cql_type_is_collection(x->type))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "null is not supported inside collections");
        if (!values[i].ptr && x->type->kind == CQL_VECTOR)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "null is not supported inside vectors");
    }
    struct str value;
    TRY(value_build(c->arena, x->type, values, x->count, &value));
    *ret = term_constant(c->arena, x->type, value);
    return OK;
}

static struct expr *new_build(struct compile *c, const struct cql_type *type, size_t count)
{
    struct expr *x = arena_zero(c->arena, sizeof *x);
    x->kind = EXPR_BUILD;
    x->type = type;
    x->count = count;
    x->items = arena_array(c->arena, count + 1, sizeof(struct expr *));
    return x;
}

static enum err compile_collection(struct compile *c, const struct cql_term *t,
                                   const struct cql_column *receiver, struct expr **ret)
{
    const struct cql_type *type = receiver->type;
    const char *what = t->kind == TERM_LIST ? "list" : t->kind == TERM_SET ? "set" : "map";
    bool fits = t->kind == TERM_LIST ? type->kind == CQL_LIST || type->kind == CQL_VECTOR
                : t->kind == TERM_SET
                    ? type->kind == CQL_SET || (!t->count && type->kind == CQL_MAP)
                    : type->kind == CQL_MAP;
    if (!fits && t->kind == TERM_LIST)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Unexpected receiver type '%s'; only list and vector are expected",
                        term_type_text(c->arena, type));
    if (!fits)
        return cql_fail(c->error, c->arena, CQL_INVALID, "Invalid %s literal for %.*s of type %s",
                        what, STR_ARG(receiver->name), term_type_text(c->arena, type));
    if (type->kind == CQL_VECTOR) {
        what = "vector";
        if (t->count != type->dimension)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid vector literal for %.*s of type %s; expected %u elements, but "
                            "given %zu",
                            STR_ARG(receiver->name), term_type_text(c->arena, type),
                            type->dimension, t->count);
    }
    bool map = type->kind == CQL_MAP;
    struct cql_column specs[2] = {*receiver, *receiver};
    specs[0].name = spec_name(c, map ? "key" : "value", receiver);
    specs[0].type = type->items[0];
    if (map) {
        specs[1].name = spec_name(c, "value", receiver);
        specs[1].type = type->items[1];
    }
    struct expr *x = new_build(c, type, t->count);
    for (size_t i = 0; i < t->count; i++)
        if (term_fit(c, t->items[i], specs[map ? i % 2 : 0].type) == FIT_NONE)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid %s literal for %.*s: %s %.*s is not of type %s", what,
                            STR_ARG(receiver->name), map && i % 2 == 0 ? "key" : "value",
                            STR_ARG(term_text(c->arena, t->items[i])),
                            term_type_text(c->arena, specs[map ? i % 2 : 0].type));
    for (size_t i = 0; i < t->count; i++)
        TRY(compile_item(c, t->items[i], &specs[map ? i % 2 : 0], &x->items[i]));
    return finish_build(c, x, ret);
}

static enum err compile_tuple(struct compile *c, const struct cql_term *t,
                              const struct cql_column *receiver, struct expr **ret)
{
    const struct cql_type *type = receiver->type;
    if (type->kind != CQL_TUPLE) {
        if (t->count == 1) {
            TRY(compile_item(c, t->items[0], receiver, ret));
            return OK;
        }
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid tuple type literal for %.*s of type %s", STR_ARG(receiver->name),
                        term_type_text(c->arena, type));
    }
    struct expr *x = new_build(c, type, t->count);
    for (size_t i = 0; i < t->count; i++) {
        if (i >= type->count)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid tuple literal for %.*s: too many elements. Type %s expects %u "
                            "but got %zu",
                            STR_ARG(receiver->name), term_type_text(c->arena, type), type->count,
                            t->count);
        struct cql_column spec = *receiver;
        spec.name = str_of(arena_printf(c->arena, "%.*s[%zu]", STR_ARG(receiver->name), i));
        spec.type = type->items[i];
        if (term_fit(c, t->items[i], spec.type) == FIT_NONE)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid tuple literal for %.*s: component %zu is not of type %s",
                            STR_ARG(receiver->name), i, term_type_text(c->arena, spec.type));
        TRY(compile_item(c, t->items[i], &spec, &x->items[i]));
    }
    return finish_build(c, x, ret);
}

static enum err compile_udt(struct compile *c, const struct cql_term *t,
                            const struct cql_column *receiver, struct expr **ret)
{
    const struct cql_type *type = receiver->type;
    if (type->kind != CQL_UDT)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Invalid user type literal for %.*s of type %s", STR_ARG(receiver->name),
                        term_type_text(c->arena, type));
    struct expr *x = new_build(c, type, type->count);
    for (uint32_t i = 0; i < type->count; i++)
        x->items[i] = term_constant(c->arena, type->items[i], STR_NONE);
    for (size_t i = 0; i < t->count; i++) {
        uint32_t at = 0;
        while (at < type->count && !str_equal(type->names[at], t->names[i]))
            at++;
        if (at == type->count)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Unknown field '%.*s' in value of user defined type %.*s",
                            STR_ARG(t->names[i]), STR_ARG(type->name));
        struct cql_column spec = *receiver;
        spec.name = str_of(
            arena_printf(c->arena, "%.*s.%.*s", STR_ARG(receiver->name), STR_ARG(type->names[at])));
        spec.type = type->items[at];
        if (term_fit(c, t->items[i], spec.type) == FIT_NONE)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid user type literal for %.*s: field %.*s is not of type %s",
                            STR_ARG(receiver->name), STR_ARG(type->names[at]),
                            term_type_text(c->arena, spec.type));
        TRY(compile_item(c, t->items[i], &spec, &x->items[at]));
    }
    return finish_build(c, x, ret);
}

const struct cql_type *compile_type(struct compile *c, struct str text)
{
    const struct cql_type *type;
    struct str keyspace = c->table ? c->table->keyspace : STR("");
    if (cql_catalog_type(c->executor->catalog, keyspace, text, c->arena, c->error, &type) != OK)
        return NULL;
    return type;
}

static enum err compile_typed(struct compile *c, const struct cql_term *t,
                              const struct cql_column *receiver, struct expr **ret)
{
    const struct cql_type *type = compile_type(c, t->type);
    if (!type)
        return ERR_INVALID;
    struct cql_column spec = *receiver;
    spec.type = type;
    if (term_fit(c, t->items[0], type) == FIT_NONE)
        return cql_fail(c->error, c->arena, CQL_INVALID, "Cannot cast value %.*s to type %s",
                        STR_ARG(term_text(c->arena, t->items[0])), term_type_text(c->arena, type));
    if (type_fit(type, receiver->type) == FIT_NONE)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot assign value %.*s to %.*s of type %s",
                        STR_ARG(term_text(c->arena, t)), STR_ARG(receiver->name),
                        term_type_text(c->arena, receiver->type));
    return compile_item(c, t->items[0], &spec, ret);
}

static enum err compile_marker(struct compile *c, const struct cql_term *t,
                               const struct cql_column *receiver, struct expr **ret)
{
    struct expr *x = arena_zero(c->arena, sizeof *x);
    x->kind = EXPR_BIND;
    x->type = receiver->type;
    x->index = t->marker;
    compile_bind(c, t->marker, receiver);
    *ret = x;
    return OK;
}

enum err compile_term(struct compile *c, const struct cql_term *t,
                      const struct cql_column *receiver, struct expr **ret)
{
    switch (t->kind) {
    case TERM_NULL:
        if (receiver->type->kind == CQL_COUNTER)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid null value for counter increment/decrement");
        *ret = term_constant(c->arena, receiver->type, STR_NONE);
        return OK;
    case TERM_MARKER:
        return compile_marker(c, t, receiver, ret);
    case TERM_STRING:
    case TERM_INTEGER:
    case TERM_FLOAT:
    case TERM_BOOLEAN:
    case TERM_UUID:
    case TERM_HEX:
    case TERM_DURATION:
        return compile_literal(c, t, receiver, ret);
    case TERM_LIST:
    case TERM_SET:
    case TERM_MAP:
        return compile_collection(c, t, receiver, ret);
    case TERM_TUPLE:
        return compile_tuple(c, t, receiver, ret);
    case TERM_UDT:
        return compile_udt(c, t, receiver, ret);
    case TERM_CALL:
        return compile_call(c, t, receiver, ret);
    case TERM_TYPED:
        return compile_typed(c, t, receiver, ret);
    case TERM_BINARY:
    case TERM_NEGATE:
        return compile_operation(c, t, receiver, ret);
    default:
        return cql_fail(c->error, c->arena, CQL_SYNTAX_ERROR,
                        "line %u:%u no viable alternative at input '%.*s'", t->line, t->column,
                        STR_ARG(term_text(c->arena, t)));
    }
}
