/* SPDX-License-Identifier: MIT */
/*
 * Writing and reading the list of operations of a batch; the format is in ops.h. It is that of
 * rocksdb::WriteBatch::Data() since the first RocksDB, which also is the content of its log
 * files, so it is as stable as they are.
 *
 * Sorted by key, each row is looked for in the memtable from the place of the one before, which
 * costs less than from the top. Operations on one key keep their order; all others may change
 * places, since a list is visible as a whole or not at all.
 *
 * Invariant: the count in the head is that of the operations behind it.
 */
#include "table/ops.h"

#include "base/endian.h"
#include "base/mem.h"
#include "base/reader.h"

#include <stdlib.h>

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

/* ---- sorting ---- */

struct placed {
    uint64_t first, second; /* the key's first 16 bytes */
    struct str key;
    struct str whole;
};

static uint64_t eight_bytes(struct str key, size_t from)
{
    uint8_t bytes[8] = {0};
    if (key.bytes > from)
        memcpy(bytes, key.ptr + from, key.bytes - from < 8 ? key.bytes - from : 8);
    return get_be64(bytes);
}

static int compare_placed(const void *a, const void *b)
{
    const struct placed *one = a, *two = b;
    if (one->first != two->first)
        return one->first < two->first ? -1 : 1;
    if (one->second != two->second)
        return one->second < two->second ? -1 : 1;
    int order = str_compare(one->key, two->key);
    return order ? order : one->whole.ptr < two->whole.ptr ? -1 : 1;
}

/* *ret_sorted: they stand in order already, or some is on more than one key. */
static enum err place_all(struct str ops, struct placed *list, bool *ret_sorted)
{
    struct str rest = str_slice(ops, OPS_HEAD_BYTES, ops.bytes);
    *ret_sorted = true;
    for (uint32_t i = 0, count = ops_count(ops); i < count; i++) {
        const char *begin = rest.ptr;
        struct op op;
        TRY(ops_next(&rest, &op));
        if (op.tag == OP_DELETE_RANGE) {
            *ret_sorted = true;
            return OK;
        }
        list[i] = (struct placed){eight_bytes(op.key, 0), eight_bytes(op.key, 8), op.key,
                                  str_from(begin, (size_t)(rest.ptr - begin))};
        *ret_sorted = *ret_sorted && (!i || compare_placed(&list[i - 1], &list[i]) < 0);
    }
    return OK;
}

void ops_sort(struct buf *ops, struct buf *scratch)
{
    uint32_t count = ops_count(buf_str(ops));
    if (buf_error(ops) || count < 2)
        return;
    struct placed *list = mem_array(count, sizeof *list);
    bool sorted;
    if (!place_all(buf_str(ops), list, &sorted) && !sorted) {
        qsort(list, count, sizeof *list, compare_placed);
        buf_reset(scratch);
        buf_append(scratch, ops->ptr, OPS_HEAD_BYTES);
        for (uint32_t i = 0; i < count; i++)
            buf_str_append(scratch, list[i].whole);
        if (!buf_error(scratch)) {
            struct buf swap = *ops;
            *ops = *scratch;
            *scratch = swap;
        }
    }
    mem_free(list);
}
