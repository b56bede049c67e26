/* SPDX-License-Identifier: MIT */
#ifndef TABLE_OPS_H
#define TABLE_OPS_H

#include "base/buf.h"

/*
 * A list of operations as RocksDB keeps a WriteBatch (and its log on disk): 8 bytes of zero, u32 le
 * count, then each operation as a tag and its texts with their length as uvarint. Written straight
 * into one buf, it is handed over with one copy and can be cut back when a row turns out bad.
 */
enum op_tag {
    OP_DELETE = 0x0,       /* key */
    OP_PUT = 0x1,          /* key, value */
    OP_MERGE = 0x2,        /* key, value: a row */
    OP_DELETE_RANGE = 0xF, /* from, to */
};
enum { OPS_HEAD_BYTES = 12 };

void ops_reset(struct buf *ops);
void ops_add(struct buf *ops, enum op_tag tag, struct str key, struct str value);
uint32_t ops_count(struct str ops);
/* Copies all operations of another list behind these. */
void ops_append(struct buf *ops, struct str more);

/* A place to go back to. */
struct ops_mark {
    size_t bytes;
    uint32_t count;
};
struct ops_mark ops_mark(const struct buf *ops);
void ops_back(struct buf *ops, struct ops_mark mark);

struct op {
    enum op_tag tag;
    struct str key;
    struct str value;
};
/* Cuts the next operation off the front of *rest (first: behind the head). ERR_NOT_FOUND at the
 * end, ERR_CORRUPT. */
enum err ops_next(struct str *rest, struct op *ret_op) MUST_USE;

#endif
