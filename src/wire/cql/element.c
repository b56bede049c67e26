/* SPDX-License-Identifier: MIT */
/*
 * The elements of composite values: list, set, map, tuple, user type, vector.
 *
 *     list, set   i32 count, count x [bytes]
 *     map         i32 count, count x ([bytes] key, [bytes] value)
 *     tuple, UDT  [bytes] a field; fields may be missing at the end and are null then
 *     vector      dimension x element; an element of fixed size stands alone, any other behind its
 *                 length as an unsigned vint
 *
 * A count is checked against the bytes that are there before anybody sizes something by it: each
 * element costs four bytes at least. Whether the elements are values of their types is not asked
 * here (cql_value_check).
 */
#include "wire/cql/private.h"

enum err cql_elements_init(struct cql_elements *it, const struct cql_type *type, struct str value)
{
    struct cql_elements made = {reader_of(value.ptr, value.bytes), type, 0, 0};
    switch (type->kind) {
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP: {
        uint32_t count = reader_be32(&made.reader);
        TRY(made.reader.err);
        if (count > made.reader.left / (type->kind == CQL_MAP ? 8 : 4))
            return ERR_TRUNCATED;
        made.count = type->kind == CQL_MAP ? count * 2 : count;
        break;
    }
    case CQL_TUPLE:
    case CQL_UDT:
        made.count = type->count;
        break;
    case CQL_VECTOR:
        made.count = type->dimension;
        break;
    default:
        return ERR_INVALID;
    }
    *it = made;
    return OK;
}

bool cql_elements_next(struct cql_elements *it, struct str *ret_element)
{
    struct reader *r = &it->reader;
    if (it->index == it->count || r->err != OK)
        return false;
    enum cql_kind kind = it->type->kind;
    struct str element = STR_NONE;
    if (kind == CQL_VECTOR) {
        uint64_t bytes = cql_type_fixed_bytes(it->type->items[0]);
        if (!bytes)
            bytes = cql_vint_read(r);
        element = reader_str(r, bytes);
    } else if (r->left || (kind != CQL_TUPLE && kind != CQL_UDT)) {
        int32_t bytes = (int32_t)reader_be32(r);
        if (bytes >= 0)
            element = reader_str(r, (size_t)bytes);
    }
    if (r->err != OK)
        return false;
    it->index++;
    *ret_element = element;
    return true;
}

void cql_collection_begin(struct buf *out, const struct cql_type *type, uint32_t count)
{
    if (cql_type_is_collection(type))
        buf_be32(out, count);
}

void cql_element_append(struct buf *out, const struct cql_type *type, struct str element)
{
    if (type->kind == CQL_VECTOR) {
        if (!cql_type_fixed_bytes(type->items[0]))
            cql_vint_append(out, element.bytes);
    } else {
        buf_be32(out, element.ptr ? (uint32_t)element.bytes : UINT32_MAX);
    }
    if (element.bytes)
        buf_append(out, element.ptr, element.bytes);
}
