/* SPDX-License-Identifier: MIT */
/*
 * Keys of groups: the values of a row as bytes, numbered in the order of their arrival by an open
 * hash table. Bytes make one comparison for any number and type of columns.
 *
 *   null 0 | 1 value; numbers at their width; text and arrays with their length before; fields of
 *   a struct one after the other. -0.0 counts as 0.0, every NaN as one.
 */
#include "query/exec/aggregate.h"

#include "base/hash.h"
#include "base/mem.h"

enum { KEYS_ROOM_MIN = 64 };

void keyset_deinit(struct keyset *set)
{
    mem_free(set->slots);
    mem_free(set->hashes);
    mem_free(set->starts);
    buf_deinit(&set->bytes);
    *set = (struct keyset){0};
}

static void rehash(struct keyset *set)
{
    set->room = set->room ? set->room * 2 : KEYS_ROOM_MIN;
    mem_free(set->slots);
    set->slots = mem_zero(set->room * sizeof(*set->slots));
    for (uint32_t i = 0; i < set->count; i++) {
        size_t at = set->hashes[i] & (set->room - 1);
        while (set->slots[at])
            at = (at + 1) & (set->room - 1);
        set->slots[at] = i + 1;
    }
}

static bool key_is(const struct keyset *set, uint32_t number, uint64_t hash, struct str key)
{
    if (set->hashes[number] != hash)
        return false;
    uint32_t start = set->starts[number], end = set->starts[number + 1];
    return end - start == key.bytes && memcmp(set->bytes.ptr + start, key.ptr, key.bytes) == 0;
}

enum err keyset_add(struct keyset *set, struct str key, uint32_t *ret_number, bool *ret_is_new)
{
    if ((set->count + 1) * 2 > set->room)
        rehash(set);
    if (set->count + 2 > set->key_room) {
        set->key_room = set->key_room ? set->key_room * 2 : KEYS_ROOM_MIN;
        set->hashes = mem_realloc_array(set->hashes, set->key_room, sizeof(*set->hashes));
        set->starts = mem_realloc_array(set->starts, set->key_room, sizeof(*set->starts));
        set->starts[0] = 0;
    }
    uint64_t hash = hash_bytes(key.ptr, key.bytes, 0);
    size_t at = hash & (set->room - 1);
    for (; set->slots[at]; at = (at + 1) & (set->room - 1)) {
        if (key_is(set, set->slots[at] - 1, hash, key)) {
            *ret_number = set->slots[at] - 1;
            *ret_is_new = false;
            return OK;
        }
    }
    buf_str_append(&set->bytes, key);
    if (buf_error(&set->bytes) != OK || set->count == UINT32_MAX - 2)
        return ERR_LIMIT;
    set->hashes[set->count] = hash;
    set->slots[at] = set->count + 1;
    *ret_number = set->count++;
    *ret_is_new = true;
    set->starts[set->count] = (uint32_t)set->bytes.bytes;
    return OK;
}

static void encode_double(double value, struct buf *out)
{
    uint64_t bits;
    if (value == 0)
        value = 0; /* drops the sign */
    memcpy(&bits, &value, sizeof(bits));
    if (value != value)
        bits = 0x7FF8000000000000ull;
    buf_le64(out, bits);
}

void keyset_encode(const struct column *column, size_t row, struct buf *out)
{
    if (column_is_null(column, row)) {
        buf_u8(out, 0);
        return;
    }
    buf_u8(out, 1);
    size_t width = type_width(column->type);
    switch (column->type->kind) {
    case TYPE_BOOLEAN:
        buf_u8(out, bit_get(column->bits, row));
        return;
    case TYPE_FLOAT:
        encode_double((double)column->f32[row], out);
        return;
    case TYPE_DOUBLE:
        encode_double(column->f64[row], out);
        return;
    case TYPE_STRING:
    case TYPE_BINARY: {
        struct str s = column_str(column, row);
        buf_le32(out, (uint32_t)s.bytes);
        buf_str_append(out, s);
        return;
    }
    case TYPE_ARRAY:
    case TYPE_MAP:
        buf_le32(out, (uint32_t)(column->offsets[row + 1] - column->offsets[row]));
        for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
            for (uint32_t c = 0; c < column->child_count; c++)
                keyset_encode(column->children[c], (size_t)i, out);
        }
        return;
    case TYPE_STRUCT:
        for (uint32_t c = 0; c < column->child_count; c++)
            keyset_encode(column->children[c], row, out);
        return;
    default:
        buf_append(out, (const char *)column->values + row * width, width);
    }
}
