/* SPDX-License-Identifier: MIT */
/*
 * Classes of Cassandra that are types of columns and have no CQL name; columns of them are declared
 * in quotes, and clients are told the class.
 *
 *   LexicalUUIDType                 a uuid, in the order of its two halves as signed numbers
 *   CompositeType(a,b,..)           a row of values: each u16 length, bytes, 0; some may be missing
 *                                   at the end. As a text they stand between colons, \: is a colon
 *   DynamicCompositeType(x=>a,..)   the same with a type of its own before each; it is not looked
 *                                   into: bytes, and no text
 *
 * The name that a type keeps is the class in full. Other classes are known to nobody here.
 */
#include "base/endian.h"
#include "wire/cql/private.h"

#define LEXICAL CQL_CLASS_PREFIX "LexicalUUIDType"
#define COMPOSITE CQL_CLASS_PREFIX "CompositeType("

bool cql_type_is_lexical_uuid(const struct cql_type *type)
{
    return type->kind == CQL_CUSTOM && str_equal(type->name, STR(LEXICAL));
}

bool cql_type_is_composite(const struct cql_type *type)
{
    return type->kind == CQL_CUSTOM && type->count && str_starts(type->name, STR(COMPOSITE));
}

bool cql_type_is_offered(const struct cql_type *type)
{
    return type->kind != CQL_CUSTOM || cql_type_is_lexical_uuid(type) ||
           type->count; /* composites whose components are known */
}

/* ---- values ---- */

enum err cql_composite_check(const struct cql_type *type, struct str value, struct diag *diag)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    for (uint32_t i = 0; r.left; i++) {
        struct str part = reader_str(&r, reader_be16(&r));
        reader_u8(&r);
        if (r.err != OK)
            return diag_set(diag, ERR_INVALID, 0, 0,
                            "Not enough bytes to read value of component %u", i);
        if (i >= type->count)
            return diag_set(diag, ERR_INVALID, 0, 0, "Too many bytes for %.*s",
                            STR_ARG(type->name));
        TRY(cql_value_check(type->items[i], part, diag));
    }
    return OK;
}

/* The text up to the next colon that is no letter. */
static bool next_part(struct str *rest, struct buf *part)
{
    buf_reset(part);
    if (!rest->ptr)
        return false;
    for (size_t i = 0; i < rest->bytes; i++) {
        if (rest->ptr[i] == '\\' && i + 1 < rest->bytes && rest->ptr[i + 1] == ':') {
            buf_char(part, ':');
            i++;
        } else if (rest->ptr[i] == ':') {
            *rest = str_slice(*rest, i + 1, rest->bytes);
            return true;
        } else {
            buf_char(part, rest->ptr[i]);
        }
    }
    *rest = STR_NONE;
    return true;
}

enum err cql_composite_from_text(const struct cql_type *type, struct str text, struct buf *out,
                                 struct diag *diag)
{
    CLEAN(buf_deinit) struct buf part = {0};
    struct str rest = text.ptr ? text : STR("");
    for (uint32_t i = 0; rest.bytes && next_part(&rest, &part); i++) {
        if (i >= type->count)
            return diag_set(diag, ERR_INVALID, 0, 0,
                            "Invalid composite literal, the type has %u components", type->count);
        size_t at = out->bytes;
        buf_be16(out, 0);
        TRY(cql_value_from_text(type->items[i], buf_str(&part), out, diag));
        size_t bytes = out->bytes - at - 2;
        TRY(buf_error(out));
        if (bytes > UINT16_MAX)
            return ERR_LIMIT;
        put_be16(out->ptr + at, (uint16_t)bytes);
        buf_u8(out, 0);
    }
    return buf_error(out);
}

int cql_lexical_uuid_compare(struct str a, struct str b)
{
    for (size_t at = 0; at < 16; at += 8) {
        int64_t x = (int64_t)get_be64(a.ptr + at), y = (int64_t)get_be64(b.ptr + at);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}
