/* SPDX-License-Identifier: MIT */
/*
 * The notations of the native protocol that every message is made of: [string], [long string],
 * [bytes], [short bytes]. What is too long for its length field sets the buffer's error, so that no
 * message with a wrong length leaves. A null [bytes] is read as a str without a pointer, an empty
 * one as a pointer and no bytes.
 */
#include "wire/cql/cql.h"

static void short_append(struct buf *out, struct str s)
{
    if (s.bytes > UINT16_MAX) {
        if (out->err == OK)
            out->err = ERR_LIMIT;
        return;
    }
    buf_be16(out, (uint16_t)s.bytes);
    buf_str_append(out, s);
}

void cql_string_append(struct buf *out, struct str s)
{
    short_append(out, s);
}

void cql_short_bytes_append(struct buf *out, struct str s)
{
    short_append(out, s);
}

static void long_append(struct buf *out, struct str s)
{
    if (s.bytes > INT32_MAX) {
        if (out->err == OK)
            out->err = ERR_LIMIT;
        return;
    }
    buf_be32(out, (uint32_t)s.bytes);
    buf_str_append(out, s);
}

void cql_long_string_append(struct buf *out, struct str s)
{
    long_append(out, s);
}

void cql_bytes_append(struct buf *out, struct str s)
{
    if (s.ptr)
        long_append(out, s);
    else
        buf_be32(out, UINT32_MAX);
}

struct str cql_string_read(struct reader *r)
{
    return reader_str(r, reader_be16(r));
}

struct str cql_short_bytes_read(struct reader *r)
{
    return reader_str(r, reader_be16(r));
}

struct str cql_long_string_read(struct reader *r)
{
    int32_t bytes = (int32_t)reader_be32(r);
    if (bytes < 0) {
        reader_fail(r, ERR_CORRUPT);
        return STR_NONE;
    }
    return reader_str(r, (size_t)bytes);
}

struct str cql_bytes_read(struct reader *r)
{
    int32_t bytes = (int32_t)reader_be32(r);
    return bytes < 0 ? STR_NONE : reader_str(r, (size_t)bytes);
}
