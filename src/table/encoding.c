/* SPDX-License-Identifier: MIT */
/*
 * Which encoding a column has. Simple types use the encodings of CQL's native protocol (section 6
 * of its v4 specification), so that a server of that protocol can hand stored bytes on as they are,
 * and so that tokens of partition keys are Cassandra's. ARRAY, MAP and STRUCT are written as CQL's
 * list, map and user type: counts and lengths of 4 bytes, length -1 for null.
 *
 * Where CQL has no equal the encoding is ours: TIMESTAMP without a declared name keeps its
 * microseconds as 8 bytes (declared "timestamp" cuts them to milliseconds, as Cassandra does), an
 * interval is months, days (4 bytes each) and us (8).
 *
 * A declared name is a CQL type as text. It is looked into as far as it goes: "frozen" means
 * nothing here, the elements of list, set, map, tuple and vector are declared by it too. Every
 * other name is taken for that of a user type when the type is a STRUCT, and refused else.
 *
 * Invariant: fixed_bytes is 0 or the length of every value that is not empty.
 */
#include "table/encoding.h"

#include "table/uuid.h"

enum { ENCODING_DEPTH_MAX = 512, VECTOR_MAX = INT32_MAX };

/* What a type becomes without a declared name. */
static const enum encoding_form forms_of_kind[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = FORM_NONE,         [TYPE_BOOLEAN] = FORM_BOOLEAN,
    [TYPE_TINYINT] = FORM_I8,        [TYPE_SMALLINT] = FORM_I16,
    [TYPE_INT] = FORM_I32,           [TYPE_BIGINT] = FORM_I64,
    [TYPE_FLOAT] = FORM_F32,         [TYPE_DOUBLE] = FORM_F64,
    [TYPE_DECIMAL] = FORM_DECIMAL,   [TYPE_STRING] = FORM_TEXT,
    [TYPE_BINARY] = FORM_BYTES,      [TYPE_DATE] = FORM_DATE,
    [TYPE_TIMESTAMP] = FORM_MICROS,  [TYPE_TIMESTAMP_NTZ] = FORM_MICROS,
    [TYPE_INTERVAL_YM] = FORM_I32,   [TYPE_INTERVAL_DT] = FORM_I64,
    [TYPE_INTERVAL] = FORM_INTERVAL, [TYPE_ARRAY] = FORM_LIST,
    [TYPE_MAP] = FORM_MAP,           [TYPE_STRUCT] = FORM_ROW,
};

static const uint8_t fixed_bytes_of_form[FORM_COUNT] = {
    [FORM_BOOLEAN] = 1,       [FORM_I8] = 1,     [FORM_I16] = 2,       [FORM_I32] = 4,
    [FORM_I64] = 8,           [FORM_MICROS] = 8, [FORM_F32] = 4,       [FORM_F64] = 8,
    [FORM_UUID] = UUID_BYTES, [FORM_DATE] = 4,   [FORM_TIMEUUID] = 16, [FORM_MILLIS] = 8,
    [FORM_INTERVAL] = 16,
};

#define KIND(kind) (1u << TYPE_##kind)
enum { KINDS_I8 = KIND(TINYINT), KINDS_I16 = KINDS_I8 | KIND(SMALLINT) };
enum { KINDS_I32 = KINDS_I16 | KIND(INT), KINDS_I64 = KINDS_I32 | KIND(BIGINT) };

/* The names that say more than the type, and the kinds each can hold without loss. */
static const struct declared_name {
    const char *name;
    enum encoding_form form;
    unsigned kinds;
} declared_names[] = {
    {"text", FORM_TEXT, KIND(STRING)},
    {"varchar", FORM_TEXT, KIND(STRING)},
    {"string", FORM_TEXT, KIND(STRING)},
    {"ascii", FORM_ASCII, KIND(STRING)},
    {"uuid", FORM_UUID, KIND(STRING)},
    {"timeuuid", FORM_TIMEUUID, KIND(STRING)},
    {"inet", FORM_INET, KIND(STRING)},
    {"blob", FORM_BYTES, KIND(BINARY)},
    {"boolean", FORM_BOOLEAN, KIND(BOOLEAN)},
    {"tinyint", FORM_I8, KINDS_I8},
    {"smallint", FORM_I16, KINDS_I16},
    {"int", FORM_I32, KINDS_I32},
    {"bigint", FORM_I64, KINDS_I64},
    {"varint", FORM_VARINT, KINDS_I64 | KIND(DECIMAL)},
    {"float", FORM_F32, KIND(FLOAT)},
    {"double", FORM_F64, KIND(FLOAT) | KIND(DOUBLE)},
    {"decimal", FORM_DECIMAL, KIND(DECIMAL)},
    {"date", FORM_DATE, KIND(DATE)},
    {"timestamp", FORM_MILLIS, KIND(TIMESTAMP) | KIND(TIMESTAMP_NTZ)},
    {"time", FORM_I64, KIND(BIGINT)},
    {"duration", FORM_DURATION, KIND(INTERVAL)},
    {"counter", FORM_I64, KIND(BIGINT)},
};

/* The CQL types of kinds without a declared name, NULL for nested ones. */
static const char *const cql_of_kind[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = "text",
    [TYPE_BOOLEAN] = "boolean",
    [TYPE_TINYINT] = "tinyint",
    [TYPE_SMALLINT] = "smallint",
    [TYPE_INT] = "int",
    [TYPE_BIGINT] = "bigint",
    [TYPE_FLOAT] = "float",
    [TYPE_DOUBLE] = "double",
    [TYPE_DECIMAL] = "decimal",
    [TYPE_STRING] = "text",
    [TYPE_BINARY] = "blob",
    [TYPE_DATE] = "date",
    [TYPE_TIMESTAMP] = "timestamp",
    [TYPE_INTERVAL_YM] = "int",
    [TYPE_INTERVAL_DT] = "bigint",
    [TYPE_INTERVAL] = "duration",
    [TYPE_TIMESTAMP_NTZ] = "timestamp",
};

void encoding_cql(const struct type *type, bool frozen, struct buf *out)
{
    static const char *const names[] = {"list<", "map<", "tuple<"};
    if (cql_of_kind[type->kind]) {
        buf_text(out, cql_of_kind[type->kind]);
        return;
    }
    buf_text(out, frozen ? "frozen<" : "");
    buf_text(out, names[type->kind - TYPE_ARRAY]);
    for (uint32_t i = 0; i < type->field_count; i++) {
        buf_text(out, i ? ", " : "");
        encoding_cql(type->fields[i].type, frozen, out);
    }
    buf_text(out, frozen ? ">>" : ">");
}

/* ---- the declared text ---- */

/* Cuts the next of the parts between commas that are in no brackets or quotes. */
static bool cut_part(struct str *rest, struct str *ret_part)
{
    if (!rest->ptr)
        return false;
    int depth = 0;
    char quote = 0;
    size_t at = 0;
    for (; at < rest->bytes; at++) {
        char c = rest->ptr[at];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == ',' && !depth)
            break;
        else
            depth += (c == '<') - (c == '>');
    }
    *ret_part = str_trim(str_slice(*rest, 0, at));
    *rest = at < rest->bytes ? str_slice(*rest, at + 1, rest->bytes) : STR_NONE;
    return true;
}

/* "name<inside>": false without brackets. */
static bool open_brackets(struct str text, struct str *ret_name, struct str *ret_inside)
{
    size_t at = str_find(text, STR("<"), 0);
    if (at == SIZE_MAX || text.ptr[0] == '"' || text.ptr[0] == '\'' ||
        text.ptr[text.bytes - 1] != '>')
        return false;
    *ret_name = str_trim(str_slice(text, 0, at));
    *ret_inside = str_slice(text, at + 1, text.bytes - 1);
    return true;
}

static struct str without_frozen(struct str text)
{
    struct str name, inside;
    text = str_trim(text);
    while (text.bytes && open_brackets(text, &name, &inside) &&
           str_equal_nocase(name, STR("frozen")))
        text = str_trim(inside);
    return text;
}

static const struct declared_name *find_declared(struct str declared)
{
    for (size_t i = 0; i < sizeof declared_names / sizeof *declared_names; i++)
        if (str_equal_nocase(declared, str_of(declared_names[i].name)))
            return &declared_names[i];
    return NULL;
}

static enum err misfit(const struct type *type, struct str declared, struct diag *diag)
{
    struct buf name = {0};
    type_print_sql(type, &name);
    diag_set(diag, ERR_INVALID, 0, 0, "a column of type %.*s cannot be declared \"%.*s\"",
             STR_ARG(buf_str(&name)), STR_ARG(declared));
    buf_deinit(&name);
    return ERR_INVALID;
}

static enum err unknown(struct str declared, struct diag *diag)
{
    return diag_set(diag, ERR_INVALID, 0, 0, "the type \"%.*s\" is not offered by tables",
                    STR_ARG(declared));
}

struct maker {
    struct arena *arena;
    struct diag *diag;
    unsigned depth;
};

static enum err make(struct maker *maker, const struct type *type, struct str declared,
                     struct encoding *ret_encoding);

/* inside: what is between the brackets of a declared type; its parts belong to the fields. */
static enum err make_children(struct maker *maker, struct str inside, bool declared,
                              struct encoding *encoding)
{
    const struct type *type = encoding->type;
    struct encoding *children =
        arena_array(maker->arena, (size_t)type->field_count + 1, sizeof *children);
    struct str part = STR_NONE;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (declared && !cut_part(&inside, &part))
            return ERR_NOT_FOUND;
        TRY(make(maker, type->fields[i].type, part, &children[i]));
        encoding->foreign |= children[i].foreign;
    }
    encoding->children = children;
    return declared && encoding->form != FORM_VECTOR && inside.ptr ? ERR_NOT_FOUND : OK;
}

/* The fields of a user type tell their own CQL types; one that tells something else is taken as
 * what it is. */
static enum err make_user_type(struct maker *maker, struct encoding *encoding)
{
    const struct type *type = encoding->type;
    struct encoding *children =
        arena_array(maker->arena, (size_t)type->field_count + 1, sizeof *children);
    struct diag *diag = maker->diag;
    maker->diag = NULL;
    enum err err = OK;
    for (uint32_t i = 0; i < type->field_count && !err; i++) {
        const struct field *field = &type->fields[i];
        err = make(maker, field->type, field->comment, &children[i]);
        if (err && field->comment.bytes)
            err = make(maker, field->type, STR_NONE, &children[i]);
        children[i].doubtful |= children[i].form == FORM_TEXT && !field->comment.bytes;
        encoding->foreign |= children[i].foreign;
    }
    maker->diag = diag;
    encoding->children = children;
    return err;
}

static enum err make_vector(struct maker *maker, struct str declared, struct str inside,
                            struct encoding *encoding)
{
    struct str rest = inside, part, number;
    uint64_t dimension;
    if (!cut_part(&rest, &part) || !cut_part(&rest, &number) || rest.ptr ||
        str_to_u64(number, &dimension) || !dimension || dimension > VECTOR_MAX)
        return unknown(declared, maker->diag);
    encoding->form = FORM_VECTOR;
    encoding->dimension = (uint32_t)dimension;
    TRY(make_children(maker, inside, true, encoding));
    /* Vectors of vectors could pass what a size_t holds; no value is that long. */
    size_t bytes = encoding->children[0].fixed_bytes;
    encoding->fixed_bytes = bytes > UINT32_MAX ? bytes : bytes * dimension;
    return OK;
}

static enum err make_nested(struct maker *maker, struct str declared, struct str name,
                            struct str inside, struct encoding *encoding)
{
    enum type_kind kind = encoding->type->kind;
    enum type_kind want = TYPE_NULL;
    encoding->is_set = str_equal_nocase(name, STR("set"));
    bool vector = str_equal_nocase(name, STR("vector"));
    if (encoding->is_set || vector || str_equal_nocase(name, STR("list")))
        want = TYPE_ARRAY;
    else if (str_equal_nocase(name, STR("map")))
        want = TYPE_MAP;
    else if (str_equal_nocase(name, STR("tuple")))
        want = TYPE_STRUCT;
    if (want == TYPE_NULL)
        return unknown(declared, maker->diag);
    if (want != kind)
        return misfit(encoding->type, declared, maker->diag);
    if (vector)
        return make_vector(maker, declared, inside, encoding);
    enum err err = make_children(maker, inside, true, encoding);
    return err == ERR_NOT_FOUND ? misfit(encoding->type, declared, maker->diag) : err;
}

static enum err make_declared(struct maker *maker, struct str declared, struct encoding *encoding)
{
    enum type_kind kind = encoding->type->kind;
    struct str name, inside;
    if (open_brackets(declared, &name, &inside))
        return make_nested(maker, declared, name, inside, encoding);
    const struct declared_name *found = find_declared(declared);
    if (!found && kind == TYPE_STRUCT)
        return make_user_type(maker, encoding);
    if (!found && kind == TYPE_BINARY && declared.ptr[0] == '\'') {
        /* A class of somebody's: bytes. */
        encoding->lexical =
            str_equal(declared, STR("'org.apache.cassandra.db.marshal.LexicalUUIDType'"));
        return OK;
    }
    if (!found)
        return unknown(declared, maker->diag);
    if (!(found->kinds >> kind & 1))
        return misfit(encoding->type, str_of(found->name), maker->diag);
    encoding->form = found->form;
    encoding->fixed_bytes = fixed_bytes_of_form[found->form];
    encoding->foreign = false;
    encoding->wide = kind == TYPE_DECIMAL;
    return OK;
}

static enum err make(struct maker *maker, const struct type *type, struct str declared,
                     struct encoding *ret_encoding)
{
    enum encoding_form form = forms_of_kind[type->kind];
    struct encoding encoding = {.form = form, .type = type};
    encoding.fixed_bytes = fixed_bytes_of_form[form];
    encoding.foreign = form == FORM_MICROS || form == FORM_INTERVAL;
    if (maker->depth >= ENCODING_DEPTH_MAX)
        return diag_set(maker->diag, ERR_INVALID, 0, 0, "the type is nested too deeply");
    maker->depth++;
    declared = without_frozen(declared);
    enum err err = OK;
    if (declared.bytes)
        err = make_declared(maker, declared, &encoding);
    else if (type->field_count)
        err = make_children(maker, STR_NONE, false, &encoding);
    maker->depth--;
    if (!err)
        *ret_encoding = encoding;
    return err;
}

enum err encoding_make(struct arena *arena, const struct type *type, struct str declared,
                       struct diag *diag, struct encoding *ret_encoding)
{
    struct maker maker = {arena, diag, 0};
    return make(&maker, type, declared, ret_encoding);
}
