/* SPDX-License-Identifier: MIT */
/*
 * JSON as INSERT JSON and fromJson() read it: a value of a CQL type out of a text.
 *
 * The forms are Cassandra's: whatever has a text form may also stand in quotes ("12" is an int),
 * keys of maps always do, and one that is no text holds JSON itself; lists, sets, tuples and
 * vectors are arrays, maps and user types objects. Names of columns and fields are folded to lower
 * case unless they are in quotes of their own: "\"Name\"".
 *
 * Invariants: 1. nothing behind the value but blanks. 2. depth is bounded.
 */
#include "serve/cql/exec_private.h"

enum { DEPTH_MAX = 64 };

struct json {
    struct arena *arena;
    struct cql_error *error;
    const char *at, *end;
    struct str whole;
    unsigned depth;
};

static enum err fail(struct json *j, const char *what)
{
    return cql_fail(j->error, j->arena, CQL_INVALID, "Could not decode JSON string '%.*s': %s",
                    STR_ARG(j->whole), what);
}

static void blanks(struct json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
        j->at++;
}

static bool take(struct json *j, char ch)
{
    blanks(j);
    if (j->at == j->end || *j->at != ch)
        return false;
    j->at++;
    return true;
}

static int hex4(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char ch = at[i];
        int digit = ch >= '0' && ch <= '9'   ? ch - '0'
                    : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                    : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                             : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void utf8_append(struct buf *out, uint32_t code)
{
    if (code < 0x80) {
        buf_u8(out, (uint8_t)code);
    } else if (code < 0x800) {
        buf_u8(out, (uint8_t)(0xC0 | code >> 6));
        buf_u8(out, (uint8_t)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        buf_u8(out, (uint8_t)(0xE0 | code >> 12));
        buf_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
        buf_u8(out, (uint8_t)(0x80 | (code & 0x3F)));
    } else {
        buf_u8(out, (uint8_t)(0xF0 | code >> 18));
        buf_u8(out, (uint8_t)(0x80 | (code >> 12 & 0x3F)));
        buf_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
        buf_u8(out, (uint8_t)(0x80 | (code & 0x3F)));
    }
}

static bool escape(struct json *j, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->at == j->end)
        return false;
    char ch = *j->at++;
    const char *found = ch ? strchr(from, ch) : NULL;
    if (found) {
        buf_char(out, to[found - from]);
        return true;
    }
    if (ch != 'u' || j->end - j->at < 4)
        return false;
    int code = hex4(j->at);
    j->at += 4;
    if (code < 0)
        return false;
    uint32_t point = (uint32_t)code;
    if (point >= 0xD800 && point < 0xDC00 && j->end - j->at >= 6 && j->at[0] == '\\' &&
        j->at[1] == 'u') {
        int low = hex4(j->at + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            point = 0x10000 + ((point - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
            j->at += 6;
        }
    }
    utf8_append(out, point >= 0xD800 && point < 0xE000 ? 0xFFFD : point);
    return true;
}

static enum err read_string(struct json *j, struct str *ret)
{
    if (!take(j, '"'))
        return fail(j, "a string is wanted");
    struct buf out = {0};
    bool good = false;
    while (j->at < j->end) {
        char ch = *j->at++;
        if (ch == '"') {
            good = true;
            break;
        }
        if (ch != '\\')
            buf_char(&out, ch);
        else if (!escape(j, &out))
            break;
    }
    *ret = value_of_buf(j->arena, &out);
    buf_deinit(&out);
    return good ? OK : fail(j, "a string does not end");
}

/* A number or a word: everything up to what ends it. */
static struct str read_word(struct json *j)
{
    blanks(j);
    const char *from = j->at;
    while (j->at < j->end && !strchr(",]}: \t\r\n\"[{", *j->at))
        j->at++;
    return str_from(from, (size_t)(j->at - from));
}

static enum err read_value(struct json *j, const struct cql_type *type, struct str *ret);

struct items {
    struct str *list;
    size_t count, room;
};

static void push(struct json *j, struct items *items, struct str value)
{
    if (items->count == items->room) {
        items->room = items->room ? items->room * 2 : 8;
        struct str *more = arena_array(j->arena, items->room, sizeof *more);
        if (items->count)
            memcpy(more, items->list, items->count * sizeof *more);
        items->list = more;
    }
    items->list[items->count++] = value;
}

static enum err wrong(struct json *j, const struct cql_type *type, const char *wanted)
{
    (void)type;
    blanks(j);
    const char *from = j->at;
    size_t bytes = (size_t)(j->end - from);
    return cql_fail(j->error, j->arena, CQL_INVALID, "Expected %s, but got: %.*s", wanted,
                    (int)(bytes < 100 ? bytes : 100), from);
}

static enum err read_array(struct json *j, const struct cql_type *type, struct str *ret)
{
    struct items items = {0};
    bool tuple = type->kind == CQL_TUPLE;
    if (!take(j, '['))
        return wrong(j, type, tuple ? "a list representation of a tuple" : "a list");
    while (!take(j, ']')) {
        struct str value;
        if (items.count && !take(j, ','))
            return fail(j, "an array does not end");
        if (tuple && items.count >= type->count)
            return cql_fail(j->error, j->arena, CQL_INVALID,
                            "Tuple contains extra items (expected %u)", type->count);
        TRY(read_value(j, type->items[tuple ? items.count : 0], &value));
        if (!value.ptr && !tuple)
            return cql_fail(j->error, j->arena, CQL_INVALID, "Invalid null element in %s",
                            type->kind == CQL_SET ? "set" : "list");
        push(j, &items, value);
    }
    if (tuple && items.count < type->count)
        return cql_fail(j->error, j->arena, CQL_INVALID,
                        "Tuple is missing items (expected %u, got %zu)", type->count, items.count);
    if (type->kind == CQL_VECTOR && items.count != type->dimension)
        return cql_fail(j->error, j->arena, CQL_INVALID,
                        "List had incorrect size: expected %u but given %zu.", type->dimension,
                        items.count);
    return value_build(j->arena, type, items.list, items.count, ret);
}

/* Keys stand in quotes; one that is no text is JSON inside. */
static enum err read_key(struct json *j, const struct cql_type *type, struct str *ret)
{
    struct str text;
    TRY(read_string(j, &text));
    if (type->kind == CQL_TEXT || type->kind == CQL_ASCII) {
        *ret = text;
        return OK;
    }
    bool nested = cql_type_is_collection(type) || type->kind == CQL_TUPLE ||
                  type->kind == CQL_UDT || type->kind == CQL_VECTOR;
    if (nested)
        return json_to_value(j->arena, type, text, j->error, ret);
    struct buf out = {0};
    struct diag diag = {0};
    enum err err = cql_value_from_text(type, text, &out, &diag);
    *ret = value_of_buf(j->arena, &out);
    buf_deinit(&out);
    return err == OK ? OK : cql_fail(j->error, j->arena, CQL_INVALID, "%s", diag.message);
}

static enum err read_map(struct json *j, const struct cql_type *type, struct str *ret)
{
    struct items items = {0};
    if (!take(j, '{'))
        return wrong(j, type, "a map");
    while (!take(j, '}')) {
        struct str key, value;
        if (items.count && !take(j, ','))
            return fail(j, "an object does not end");
        TRY(read_key(j, type->items[0], &key));
        if (!take(j, ':'))
            return fail(j, "a colon is wanted");
        TRY(read_value(j, type->items[1], &value));
        if (!value.ptr)
            return cql_fail(j->error, j->arena, CQL_INVALID, "Invalid null value in map");
        push(j, &items, key);
        push(j, &items, value);
    }
    return value_build(j->arena, type, items.list, items.count, ret);
}

static struct str fold(struct arena *arena, struct str name)
{
    if (name.bytes >= 2 && name.ptr[0] == '"' && name.ptr[name.bytes - 1] == '"')
        return str_slice(name, 1, name.bytes - 1);
    char *text = arena_text(arena, name);
    for (size_t i = 0; i < name.bytes; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] | 32);
    return str_from(text, name.bytes);
}

static enum err read_udt(struct json *j, const struct cql_type *type, struct str *ret)
{
    struct str *fields = arena_zero(j->arena, (type->count + 1) * sizeof *fields);
    if (!take(j, '{'))
        return wrong(j, type, "a map");
    for (bool first = true; !take(j, '}'); first = false) {
        struct str name;
        if (!first && !take(j, ','))
            return fail(j, "an object does not end");
        TRY(read_string(j, &name));
        if (!take(j, ':'))
            return fail(j, "a colon is wanted");
        name = fold(j->arena, name);
        uint32_t i = 0;
        while (i < type->count && !str_equal(type->names[i], name))
            i++;
        if (i == type->count)
            return cql_fail(j->error, j->arena, CQL_INVALID,
                            "Unknown fields [%.*s] in value of user defined type %.*s",
                            STR_ARG(name), STR_ARG(type->name));
        TRY(read_value(j, type->items[i], &fields[i]));
    }
    return value_build(j->arena, type, fields, type->count, ret);
}

static enum err read_simple(struct json *j, const struct cql_type *type, struct str *ret)
{
    struct str text;
    bool quoted = j->at < j->end && *j->at == '"';
    bool wants_text = type->kind == CQL_TEXT || type->kind == CQL_ASCII;
    if (quoted)
        TRY(read_string(j, &text));
    else
        text = read_word(j);
    if (!quoted && (wants_text || text.bytes == 0)) {
        bool number = text.bytes && (strchr("-0123456789", text.ptr[0]) != NULL);
        return cql_fail(j->error, j->arena, CQL_INVALID, "Expected %s, but got a %s: %.*s",
                        wants_text ? type->kind == CQL_TEXT ? "a UTF-8 string" : "an ascii string"
                                   : "a value",
                        number ? "Integer" : "Boolean", STR_ARG(text));
    }
    struct buf out = {0};
    struct diag diag = {0};
    enum err err = cql_value_from_text(type, text, &out, &diag);
    *ret = value_of_buf(j->arena, &out);
    buf_deinit(&out);
    return err == OK ? OK : cql_fail(j->error, j->arena, CQL_INVALID, "%s", diag.message);
}

static enum err read_value(struct json *j, const struct cql_type *type, struct str *ret)
{
    enum err err;
    blanks(j);
    if (j->end - j->at >= 4 && memcmp(j->at, "null", 4) == 0) {
        j->at += 4;
        *ret = STR_NONE;
        return OK;
    }
    if (++j->depth > DEPTH_MAX)
        return ERR_LIMIT;
    switch (type->kind) {
    case CQL_LIST:
    case CQL_SET:
    case CQL_TUPLE:
    case CQL_VECTOR:
        err = read_array(j, type, ret);
        break;
    case CQL_MAP:
        err = read_map(j, type, ret);
        break;
    case CQL_UDT:
        err = read_udt(j, type, ret);
        break;
    default:
        err = read_simple(j, type, ret);
        break;
    }
    j->depth--;
    return err;
}

enum err json_to_value(struct arena *arena, const struct cql_type *type, struct str text,
                       struct cql_error *error, struct str *ret_value)
{
    struct json j = {.arena = arena,
                     .error = error,
                     .at = text.ptr,
                     .end = text.ptr + text.bytes,
                     .whole = text};
    TRY(read_value(&j, type, ret_value));
    blanks(&j);
    return j.at == j.end ? OK : fail(&j, "something stands behind the value");
}

/* ---- the object of INSERT JSON ---- */

/* Passes over a value of any form. */
static enum err skip_value(struct json *j)
{
    unsigned open = 0;
    do {
        blanks(j);
        struct str ignored;
        if (j->at == j->end)
            return fail(j, "it does not end");
        if (*j->at == '"') {
            TRY(read_string(j, &ignored));
        } else if (strchr("[{", *j->at)) {
            open++;
            j->at++;
        } else if (strchr("]}", *j->at)) {
            if (open == 0)
                return fail(j, "a value is missing");
            open--;
            j->at++;
        } else if (strchr(",:", *j->at)) {
            if (open == 0)
                return fail(j, "a value is missing");
            j->at++;
        } else if (read_word(j).bytes == 0) {
            return fail(j, "a value is missing");
        }
    } while (open);
    return OK;
}

enum err json_members(struct arena *arena, struct str text, struct cql_error *error,
                      struct json_member **ret_members, size_t *ret_count)
{
    struct json j = {.arena = arena,
                     .error = error,
                     .at = text.ptr,
                     .end = text.ptr + text.bytes,
                     .whole = text};
    size_t count = 0, room = 8;
    struct json_member *members = arena_array(arena, room, sizeof *members);
    if (str_equal(str_trim(text), STR("null")))
        return cql_fail(error, arena, CQL_INVALID, "Got null for INSERT JSON values");
    if (!take(&j, '{'))
        return cql_fail(error, arena, CQL_INVALID,
                        "Could not decode JSON string as a map: (String was: %.*s)", STR_ARG(text));
    while (!take(&j, '}')) {
        struct str name;
        if (count && !take(&j, ','))
            return fail(&j, "an object does not end");
        TRY(read_string(&j, &name));
        if (!take(&j, ':'))
            return fail(&j, "a colon is wanted");
        if (count == room) {
            struct json_member *more = arena_array(arena, room * 2, sizeof *more);
            memcpy(more, members, room * sizeof *more);
            members = more;
            room *= 2;
        }
        blanks(&j);
        const char *from = j.at;
        TRY(skip_value(&j));
        members[count++] =
            (struct json_member){fold(arena, name), str_from(from, (size_t)(j.at - from))};
    }
    blanks(&j);
    if (j.at != j.end)
        return fail(&j, "something stands behind the object");
    *ret_members = members;
    *ret_count = count;
    return OK;
}
