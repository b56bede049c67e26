/* SPDX-License-Identifier: MIT */
/*
 * From one type to another: blobs, JSON, CAST.
 *
 * blob_as_int takes any bytes and refuses what is no int. CAST goes between numbers (a larger one
 * is cut as Java cuts it), from dates, times and uuids, and from everything simple to text. It is a
 * function with a signature for each type that it takes, and a value whose bytes another type
 * would take is taken as one of that: cast(int as timestamp) is that of the date with those bytes.
 */
#include "base/endian.h"
#include "serve/cql/function.h"

static enum err call_as_blob(struct expr_run *run, const struct expr *x, const struct str *args,
                             struct str *ret)
{
    (void)run;
    (void)x;
    *ret = args[0];
    return OK;
}

static enum err call_blob_as(struct expr_run *run, const struct expr *x, const struct str *args,
                             struct str *ret)
{
    if (cql_value_check(x->type, args[0], NULL) == OK) {
        *ret = args[0];
        return OK;
    }
    struct buf hex = {0};
    for (size_t i = 0; i < args[0].bytes && i < 256; i++)
        buf_printf(&hex, "%02x", (uint8_t)args[0].ptr[i]);
    const char *type = term_type_text(run->arena, x->type);
    size_t name = 0;
    while (name < x->name.bytes && x->name.ptr[name] != '(')
        name++;
    enum err err = cql_fail(run->error, run->arena, CQL_INVALID,
                            "In call to function %.*s, value 0x%.*s is not a valid "
                            "binary representation for type %s",
                            (int)name, x->name.ptr, STR_ARG(buf_str(&hex)), type);
    buf_deinit(&hex);
    return err;
}

static enum err call_to_json(struct expr_run *run, const struct expr *x, const struct str *args,
                             struct str *ret)
{
    struct buf out = {0};
    if (args[0].ptr)
        cql_value_print_json(x->items[0]->type, args[0], &out);
    else
        buf_text(&out, "null");
    *ret = value_of_buf(run->arena, &out);
    buf_deinit(&out);
    return OK;
}

static enum err call_from_json(struct expr_run *run, const struct expr *x, const struct str *args,
                               struct str *ret)
{
    struct cql_error inner = {0};
    enum err err = json_to_value(run->arena, x->type, args[0], &inner, ret);
    if (err == OK)
        return OK;
    return cql_fail(run->error, run->arena, CQL_FUNCTION_FAILURE,
                    "execution of 'system.fromjson[text]' failed: %.*s", STR_ARG(inner.message));
}

const struct cql_function functions_convert[] = {
    {"to_json", "tojson", 1, {PATTERN_ANY}, CQL_TEXT, true, false, call_to_json},
    {"from_json", "fromjson", 1, {CQL_TEXT}, RESULT_RECEIVER, false, false, call_from_json},
    {"type_as_blob", NULL, 1, {PATTERN_BINARY}, CQL_BLOB, false, false, call_as_blob},
    {"blob_as_type", NULL, 1, {CQL_BLOB}, RESULT_NAMED, false, false, call_blob_as},
    {0},
};

/* ---- CAST ---- */

static bool is_text(const struct cql_type *type)
{
    return type->kind == CQL_TEXT || type->kind == CQL_ASCII;
}

static bool castable(const struct cql_type *from, const struct cql_type *to)
{
    if (is_number(from) && from->kind != CQL_COUNTER && is_number(to) && to->kind != CQL_COUNTER)
        return true;
    if (from->kind == CQL_COUNTER && is_number(to))
        return true;
    switch (from->kind) {
    case CQL_ASCII:
        return to->kind == CQL_TEXT;
    case CQL_TIMEUUID:
        return to->kind == CQL_TIMESTAMP || to->kind == CQL_DATE || is_text(to);
    case CQL_TIMESTAMP:
        return to->kind == CQL_DATE || is_text(to);
    case CQL_DATE:
        return to->kind == CQL_TIMESTAMP || is_text(to);
    case CQL_BOOLEAN:
    case CQL_TIME:
    case CQL_INET:
    case CQL_UUID:
        return is_text(to);
    default:
        return is_number(from) && is_text(to);
    }
}

/* A literal without the quotes it would have in a statement. */
static struct str plain_text(struct arena *arena, const struct cql_type *type, struct str value)
{
    struct buf out = {0};
    cql_value_print(type, value, &out);
    struct str text = buf_str(&out);
    if (text.bytes >= 2 && text.ptr[0] == '\'')
        text = str_slice(text, 1, text.bytes - 1);
    text = text.bytes ? arena_str(arena, text) : STR("");
    buf_deinit(&out);
    return text;
}

static enum err call_cast(struct expr_run *run, const struct expr *x, const struct str *args,
                          struct str *ret)
{
    const struct cql_type *from = cql_simple((enum cql_kind)x->index), *to = x->type;
    *ret = STR_NONE;
    if (args[0].bytes == 0 && !is_text(from))
        return OK;
    if (is_text(to)) {
        *ret = is_text(from) ? args[0] : plain_text(run->arena, from, args[0]);
        return OK;
    }
    struct str value = args[0];
    if ((from->kind == CQL_FLOAT || from->kind == CQL_DOUBLE) && to->kind == CQL_VARINT) {
        /* By way of a bigint, as Cassandra does: 1e100 is the greatest of those. */
        TRY(number_convert(run->arena, from, value, cql_simple(CQL_BIGINT), &value));
        from = cql_simple(CQL_BIGINT);
    }
    if (is_number(from))
        return number_convert(run->arena, from, value, to, ret);
    int64_t ms = from->kind == CQL_TIMEUUID ? cql_timeuuid_unix_ms((const uint8_t *)args[0].ptr)
                 : from->kind == CQL_DATE
                     ? ((int64_t)get_be32(args[0].ptr) - 0x80000000LL) * 86400000
                     : (int64_t)get_be64(args[0].ptr);
    if (to->kind == CQL_DATE)
        *ret = value_of_i32(
            run->arena, (int32_t)(uint32_t)(ms / 86400000 - (ms % 86400000 < 0) + 0x80000000LL));
    else
        *ret = value_of_i64(run->arena, ms);
    return OK;
}

static const struct cql_function cast = {.name = "cast", .call = call_cast};

static const enum cql_kind cast_kinds[] = {
    CQL_DECIMAL, CQL_FLOAT,   CQL_COUNTER,  CQL_BIGINT,    CQL_SMALLINT, CQL_VARINT,
    CQL_DOUBLE,  CQL_TINYINT, CQL_INT,      CQL_ASCII,     CQL_BOOLEAN,  CQL_INET,
    CQL_DATE,    CQL_TIME,    CQL_TIMEUUID, CQL_TIMESTAMP, CQL_UUID};

/* What the value is taken as: its own type, or the only one that its bytes fit. */
static enum err cast_from(struct compile *c, const struct expr *of, const struct cql_type *to,
                          const char *text, enum cql_kind *ret_kind)
{
    struct buf known = {0}, fitting = {0};
    size_t count = 0;
    if (castable(of->type, to)) {
        *ret_kind = of->type->kind;
        return OK;
    }
    for (size_t i = 0; i < sizeof cast_kinds / sizeof cast_kinds[0]; i++) {
        const struct cql_type *from = cql_simple(cast_kinds[i]);
        if (from->kind == to->kind || !castable(from, to))
            continue;
        bool fits = type_fit(of->type, from) != FIT_NONE;
        struct buf *list = fits ? &fitting : &known;
        buf_printf(list, "%ssystem.cast_as_%s : (%s) -> %s", list->bytes ? ", " : "", text,
                   term_type_text(c->arena, from), text);
        if (fits && ++count)
            *ret_kind = from->kind;
    }
    enum err err = OK;
    if (count > 1)
        err = cql_fail(c->error, c->arena, CQL_INVALID,
                       "Ambiguous call to function system.cast_as_%s (can be matched by following "
                       "signatures: %.*s): use type casts to disambiguate",
                       text, STR_ARG(buf_str(&fitting)));
    else if (count == 0 && known.bytes)
        err = cql_fail(c->error, c->arena, CQL_INVALID,
                       "Invalid call to function system.cast_as_%s, none of its type signatures "
                       "match (known type signatures: %.*s)",
                       text, STR_ARG(buf_str(&known)));
    else if (count == 0)
        err = cql_fail(c->error, c->arena, CQL_INVALID, "%.*s cannot be cast to %s",
                       STR_ARG(of->name), text);
    buf_deinit(&known);
    buf_deinit(&fitting);
    return err;
}

enum err compile_cast(struct compile *c, const struct cql_term *t, struct expr **ret)
{
    const struct cql_type *to = compile_type(c, t->type);
    if (!to)
        return ERR_INVALID;
    struct expr *of;
    const struct cql_type *usual = term_type_usual(c, t->items[0]);
    TRY(compile_selector(c, t->items[0], usual ? usual : to, &of));
    const char *text = term_type_text(c->arena, to);
    if (cql_type_equal(of->type, to)) {
        *ret = of;
        return OK;
    }
    enum cql_kind from = CQL_CUSTOM;
    if (!c->preparing)
        TRY(cast_from(c, of, to, text, &from));
    struct expr *x = arena_zero(c->arena, sizeof *x);
    x->kind = EXPR_CALL;
    x->type = to;
    x->function = &cast;
    x->index = from;
    x->count = 1;
    x->items = arena_alloc(c->arena, sizeof *x->items);
    x->items[0] = of;
    x->name = str_of(arena_printf(c->arena, "cast(%.*s as %s)", STR_ARG(of->name), text));
    *ret = x;
    return OK;
}
