/* SPDX-License-Identifier: MIT */
/*
 * Writing and reading the list of operations of a batch; the format is in ops.h. It is that of
 * rocksdb::WriteBatch::Data() since the first RocksDB, which also is the content of its log
 * files, so it is as stable as they are.
 *
 * Invariant: the count in the head is that of the operations behind it.
 */
#include "table/ops.h"

#include "base/endian.h"
#include "base/reader.h"

enum { COUNT_AT = 8 };

void ops_reset(struct buf *ops)
{
    buf_reset(ops);
    buf_append(ops, "\0\0\0\0\0\0\0\0\0\0\0\0", OPS_HEAD_BYTES);
}

uint32_t ops_count(struct str ops)
{
    return ops.bytes < OPS_HEAD_BYTES ? 0 : get_le32(ops.ptr + COUNT_AT);
}

void ops_add(struct buf *ops, enum op_tag tag, struct str key, struct str value)
{
    struct ops_mark mark = ops_mark(ops);
    buf_u8(ops, (uint8_t)tag);
    buf_uvarint(ops, key.bytes);
    buf_str_append(ops, key);
    if (tag != OP_DELETE) {
        buf_uvarint(ops, value.bytes);
        buf_str_append(ops, value);
    }
    if (!buf_error(ops))
        put_le32(ops->ptr + COUNT_AT, mark.count + 1);
}

void ops_append(struct buf *ops, struct str more)
{
    struct ops_mark mark = ops_mark(ops);
    if (more.bytes <= OPS_HEAD_BYTES)
        return;
    buf_append(ops, more.ptr + OPS_HEAD_BYTES, more.bytes - OPS_HEAD_BYTES);
    if (!buf_error(ops))
        put_le32(ops->ptr + COUNT_AT, mark.count + ops_count(more));
}

struct ops_mark ops_mark(const struct buf *ops)
{
    return (struct ops_mark){ops->bytes, ops_count(buf_str(ops))};
}

void ops_back(struct buf *ops, struct ops_mark mark)
{
    ops->err = OK;
    buf_truncate(ops, mark.bytes);
    put_le32(ops->ptr + COUNT_AT, mark.count);
}

enum err ops_next(struct str *rest, struct op *ret_op)
{
    if (!rest->bytes)
        return ERR_NOT_FOUND;
    struct reader r = reader_of(rest->ptr, rest->bytes);
    uint8_t tag = reader_u8(&r);
    if (tag != OP_DELETE && tag != OP_PUT && tag != OP_MERGE && tag != OP_DELETE_RANGE)
        return ERR_CORRUPT;
    struct op op = {.tag = (enum op_tag)tag};
    op.key = reader_str(&r, reader_uvarint(&r, 32));
    if (tag != OP_DELETE)
        op.value = reader_str(&r, reader_uvarint(&r, 32));
    if (r.err)
        return ERR_CORRUPT;
    *rest = str_from(r.ptr, r.left);
    *ret_op = op;
    return OK;
}
