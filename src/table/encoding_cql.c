/* SPDX-License-Identifier: MIT */
/*
 * Between our bytes and CQL's, for the few encodings where they are not the same: times that are
 * kept to the microsecond without a declared name, and intervals, at any depth. Everything else is
 * copied.
 */
#include "base/endian.h"
#include "base/reader.h"
#include "table/encoding.h"
#include "table/vint.h"

enum direction { TO_CQL, FROM_CQL };

static enum err convert(const struct encoding *encoding, enum direction direction, struct str value,
                        struct buf *out);

static enum err convert_micros(enum direction direction, struct str value, struct buf *out)
{
    if (value.bytes != 8)
        return ERR_INVALID;
    int64_t time = (int64_t)get_be64(value.ptr);
    if (direction == TO_CQL)
        time = time / 1000 - (time % 1000 < 0);
    else if (__builtin_mul_overflow(time, (int64_t)1000, &time))
        return ERR_INVALID;
    buf_be64(out, (uint64_t)time);
    return OK;
}

static enum err convert_interval(enum direction direction, struct str value, struct buf *out)
{
    struct interval interval;
    if (direction == FROM_CQL) {
        if (interval_parse(value, &interval))
            return ERR_INVALID;
        buf_be32(out, (uint32_t)interval.months);
        buf_be32(out, (uint32_t)interval.days);
        buf_be64(out, (uint64_t)interval.us);
        return OK;
    }
    if (value.bytes != 16)
        return ERR_INVALID;
    interval = (struct interval){(int32_t)get_be32(value.ptr), (int32_t)get_be32(value.ptr + 4),
                                 (int64_t)get_be64(value.ptr + 8)};
    interval_append(interval, out);
    return OK;
}

static enum err convert_element(const struct encoding *child, enum direction direction,
                                struct reader *r, struct buf *out)
{
    uint32_t bytes = reader_be32(r);
    if (r->err || bytes > INT32_MAX) {
        buf_be32(out, UINT32_MAX);
        return r->err ? ERR_INVALID : OK;
    }
    struct str value = reader_str(r, bytes);
    size_t at = out->bytes;
    buf_be32(out, 0);
    if (r->err)
        return ERR_INVALID;
    TRY(convert(child, direction, value, out));
    if (!buf_error(out))
        buf_patch_be32(out, at, (uint32_t)(out->bytes - at - 4));
    return buf_error(out);
}

static enum err convert_nested(const struct encoding *encoding, enum direction direction,
                               struct str value, struct buf *out)
{
    struct reader r = reader_of(value.ptr, value.bytes);
    uint32_t fields = encoding->type->field_count;
    if (encoding->form == FORM_ROW) {
        for (uint32_t i = 0; i < fields && r.left; i++)
            TRY(convert_element(&encoding->children[i], direction, &r, out));
        return r.left ? ERR_INVALID : OK;
    }
    uint32_t count = reader_be32(&r);
    if (r.err || count > r.left / 4)
        return ERR_INVALID;
    buf_be32(out, count);
    for (uint32_t at = 0; at < count; at++)
        for (uint32_t i = 0; i < fields; i++)
            TRY(convert_element(&encoding->children[i], direction, &r, out));
    return r.left ? ERR_INVALID : OK;
}

static enum err convert(const struct encoding *encoding, enum direction direction, struct str value,
                        struct buf *out)
{
    if (!encoding->foreign || !value.bytes) {
        buf_str_append(out, value);
        return buf_error(out);
    }
    switch (encoding->form) {
    case FORM_MICROS:
        TRY(convert_micros(direction, value, out));
        break;
    case FORM_INTERVAL:
        TRY(convert_interval(direction, value, out));
        break;
    default:
        TRY(convert_nested(encoding, direction, value, out));
    }
    return buf_error(out);
}

enum err encoding_to_cql(const struct encoding *encoding, struct str value, struct buf *out)
{
    return convert(encoding, TO_CQL, value, out);
}

enum err encoding_from_cql(const struct encoding *encoding, struct str value, struct buf *out)
{
    return convert(encoding, FROM_CQL, value, out);
}
