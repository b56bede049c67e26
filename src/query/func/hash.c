/* SPDX-License-Identifier: MIT */
/*
 * Hashes and encodings of bytes: md5, sha1, sha2, crc32, hash, xxhash64, base64, hex.
 *
 * hash() is Spark's Murmur3_x86_32 with seed 42: arguments one after the other, each hash the next
 * seed, NULL leaves it as it is. Texts are mixed four bytes at a time, then each byte left over as
 * a number of its own (not as Murmur3 has its tail). xxhash64() is XXH64, folded the same way.
 */
#include "base/hash.h"
#include "base/endian.h"
#include "query/func/kernel.h"

/* The library has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE
#include <zlib.h>

/* ---- digests ---- */

static void put_hex(struct buf *out, const uint8_t *bytes, size_t count, const char *digits)
{
    char *to = (char *)buf_reserve(out, count * 2);
    if (!to)
        return;
    for (size_t i = 0; i < count; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    buf_advance(out, count * 2);
}

static const char lower_digits[] = "0123456789abcdef", upper_digits[] = "0123456789ABCDEF";

static void put_digest(struct func_call *call, const EVP_MD *kind)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    struct str text = call_str(call, 0);
    if (!kind ||
        EVP_Digest(text.ptr ? text.ptr : "", text.bytes, digest, &bytes, kind, NULL) != 1) {
        builder_null(call->out);
        return;
    }
    put_hex(&call->buf, digest, bytes, lower_digits);
    builder_str(call->out, buf_str(&call->buf));
}

static void md5_row(struct func_call *call)
{
    put_digest(call, EVP_md5());
}

static void sha1_row(struct func_call *call)
{
    put_digest(call, EVP_sha1());
}

static void sha2_row(struct func_call *call)
{
    switch (call_int(call, 1)) {
    case 224:
        put_digest(call, EVP_sha224());
        break;
    case 0:
    case 256:
        put_digest(call, EVP_sha256());
        break;
    case 384:
        put_digest(call, EVP_sha384());
        break;
    case 512:
        put_digest(call, EVP_sha512());
        break;
    default:
        builder_null(call->out);
        break;
    }
}

static void crc32_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    builder_i64(call->out, (int64_t)crc32_z(0, (const Bytef *)text.ptr, text.bytes));
}

/* ---- hash(), xxhash64() ---- */

static uint32_t rotate(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static uint32_t mix(uint32_t hash, uint32_t block)
{
    block = rotate(block * 0xCC9E2D51u, 15) * 0x1B873593u;
    return rotate(hash ^ block, 13) * 5 + 0xE6546B64u;
}

static uint32_t finish(uint32_t hash, uint32_t bytes)
{
    hash ^= bytes;
    hash = (hash ^ hash >> 16) * 0x85EBCA6Bu;
    hash = (hash ^ hash >> 13) * 0xC2B2AE35u;
    return hash ^ hash >> 16;
}

static uint32_t murmur_bytes(struct str text, uint32_t seed)
{
    size_t at = 0;
    for (; at + 4 <= text.bytes; at += 4)
        seed = mix(seed, get_le32((const uint8_t *)text.ptr + at));
    for (; at < text.bytes; at++)
        seed = mix(seed, (uint32_t)(int32_t)(int8_t)text.ptr[at]);
    return finish(seed, (uint32_t)text.bytes);
}

struct hasher {
    bool wide; /* xxhash64 */
    uint64_t hash;
};

static void hash_i32(struct hasher *h, int32_t value)
{
    uint8_t bytes[4];
    put_le32(bytes, (uint32_t)value);
    h->hash = h->wide ? hash_xxh64(bytes, 4, h->hash)
                      : finish(mix((uint32_t)h->hash, (uint32_t)value), 4);
}

static void hash_i64(struct hasher *h, int64_t value)
{
    uint8_t bytes[8];
    put_le64(bytes, (uint64_t)value);
    uint32_t seed = (uint32_t)h->hash;
    h->hash = h->wide
                  ? hash_xxh64(bytes, 8, h->hash)
                  : finish(mix(mix(seed, (uint32_t)value), (uint32_t)((uint64_t)value >> 32)), 8);
}

static void hash_text(struct hasher *h, struct str text)
{
    const char *ptr = text.ptr ? text.ptr : "";
    h->hash = h->wide ? hash_xxh64(ptr, text.bytes, h->hash)
                      : murmur_bytes(str_from(ptr, text.bytes), (uint32_t)h->hash);
}

/* Shortest big-endian two's complement bytes, as Java's BigInteger has them. */
static void hash_i128(struct hasher *h, __int128 value)
{
    uint8_t bytes[16];
    size_t from = 0;
    for (int i = 15; i >= 0; i--, value >>= 8)
        bytes[i] = (uint8_t)value;
    while (from < 15 && ((bytes[from] == 0 && !(bytes[from + 1] & 0x80)) ||
                         (bytes[from] == 0xFF && bytes[from + 1] & 0x80)))
        from++;
    hash_text(h, str_from(bytes + from, 16 - from));
}

static void hash_value(struct hasher *h, const struct column *c, size_t row);

static void hash_nested(struct hasher *h, const struct column *c, size_t row)
{
    size_t from = row, to = row + 1;
    if (c->type->kind != TYPE_STRUCT) {
        from = (size_t)c->offsets[row];
        to = (size_t)c->offsets[row + 1];
    }
    for (size_t i = from; i < to; i++)
        for (uint32_t k = 0; k < c->child_count; k++)
            hash_value(h, c->children[k], i);
}

static void hash_value(struct hasher *h, const struct column *c, size_t row)
{
    if (column_is_null(c, row))
        return;
    switch (c->type->kind) {
    case TYPE_BOOLEAN:
        hash_i32(h, bit_get(c->bits, row));
        break;
    case TYPE_FLOAT: {
        float f = c->f32[row] == 0 ? 0 : c->f32[row];
        int32_t bits;
        memcpy(&bits, &f, 4);
        hash_i32(h, f != f ? 0x7FC00000 : bits);
        break;
    }
    case TYPE_DOUBLE: {
        double d = c->f64[row] == 0 ? 0 : c->f64[row];
        int64_t bits;
        memcpy(&bits, &d, 8);
        hash_i64(h, d != d ? 0x7FF8000000000000LL : bits);
        break;
    }
    case TYPE_DECIMAL:
        if (c->type->precision <= 18)
            hash_i64(h, (int64_t)c->i128[row]);
        else
            hash_i128(h, c->i128[row]);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        hash_text(h, column_str(c, row));
        break;
    case TYPE_INTERVAL:
        hash_i64(h, c->intervals[row].us);
        hash_i32(h, c->intervals[row].days);
        hash_i32(h, c->intervals[row].months);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT:
        hash_nested(h, c, row);
        break;
    default:
        if (type_width(c->type) == 8)
            hash_i64(h, c->i64[row]);
        else
            hash_i32(h, (int32_t)column_i64(c, row));
        break;
    }
}

static bool has_map(const struct type *type)
{
    bool found = type->kind == TYPE_MAP;
    for (uint32_t i = 0; type_is_nested(type) && i < type->field_count; i++)
        found |= has_map(type->fields[i].type);
    return found;
}

static enum err hash_bind(struct func_bind *bind)
{
    bind->out.result = type_simple(bind->info->variant ? TYPE_BIGINT : TYPE_INT);
    for (size_t i = 0; i < bind->count; i++)
        if (has_map(bind->args[i].type))
            return bind_fail(bind, "DATATYPE_MISMATCH.HASH_MAP_TYPE", "42K09",
                             "%s: maps have no hash", bind->info->name);
    return OK;
}

static void hash_row(struct func_call *call)
{
    struct hasher h = {.wide = call->binding->info->variant, .hash = 42};
    for (size_t i = 0; i < call->count; i++)
        hash_value(&h, call->args[i], call->row);
    builder_i64(call->out, h.wide ? (int64_t)h.hash : (int32_t)(uint32_t)h.hash);
}

/* ---- base64, hex ---- */

static void base64_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    size_t room = (text.bytes + 2) / 3 * 4 + 1;
    uint8_t *to = text.bytes < INT32_MAX ? buf_reserve(&call->buf, room) : NULL;
    if (to)
        buf_advance(&call->buf,
                    (size_t)EVP_EncodeBlock(to, (const uint8_t *)text.ptr, (int)text.bytes));
    builder_str(call->out, buf_str(&call->buf));
}

/* Java's MIME decoder: what is no letter of the alphabet is skipped. */
static void unbase64_row(struct func_call *call)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct str text = call_str(call, 0);
    uint32_t bits = 0;
    int have = 0, padding = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        const char *at = text.ptr[i] ? strchr(letters, text.ptr[i]) : NULL;
        padding += text.ptr[i] == '=';
        if (!at || padding)
            continue;
        bits = bits << 6 | (uint32_t)(at - letters);
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_u8(&call->buf, (uint8_t)(bits >> have));
        }
    }
    if (have == 6)
        call_fail(call, "CONVERSION_INVALID_INPUT", "22018", "unbase64: the text ends too early");
    else
        builder_str(call->out, buf_str(&call->buf));
}

static enum err hex_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    bind->out.result = type_simple(TYPE_STRING);
    if (kind_is_numeric(kind))
        bind->out.args[0] = type_simple(TYPE_BIGINT);
    else if (kind != TYPE_BINARY && kind != TYPE_NULL)
        bind->out.args[0] = type_implicit(bind, 0, type_simple(TYPE_STRING));
    return bind->out.args[0] ? OK : bind_bad_input(bind, 0, "BIGINT, STRING or BINARY");
}

static void hex_row(struct func_call *call)
{
    if (call->args[0]->type->kind == TYPE_BIGINT) {
        buf_printf(&call->buf, "%llX", (unsigned long long)call_long(call, 0));
    } else {
        struct str text = call_str(call, 0);
        put_hex(&call->buf, (const uint8_t *)text.ptr, text.bytes, upper_digits);
    }
    builder_str(call->out, buf_str(&call->buf));
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static void unhex_row(struct func_call *call)
{
    struct str text = call_str(call, 0);
    size_t i = 0;
    if (text.bytes % 2) {
        int digit = hex_value(*text.ptr);
        if (digit >= 0)
            buf_u8(&call->buf, (uint8_t)digit);
        i = digit >= 0 ? 1 : text.bytes + 1;
    }
    for (; i + 1 < text.bytes; i += 2) {
        int high = hex_value(text.ptr[i]), low = hex_value(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            break;
        buf_u8(&call->buf, (uint8_t)(high << 4 | low));
    }
    if (i < text.bytes || i > text.bytes)
        builder_null(call->out);
    else
        builder_str(call->out, buf_str(&call->buf));
}

static void bin_row(struct func_call *call)
{
    uint64_t value = (uint64_t)call_long(call, 0);
    int top = value ? 63 - __builtin_clzll(value) : 0;
    for (; top >= 0; top--)
        buf_char(&call->buf, (char)('0' + (value >> top & 1)));
    builder_str(call->out, buf_str(&call->buf));
}

/* conv(number, from, to): a negative to makes it signed. Beyond 64 bits: overflow. */
static void conv_row(struct func_call *call)
{
    struct str text = str_trim(call_str(call, 0));
    int from = call_int(call, 1), to = call_int(call, 2), base = to < 0 ? -to : to;
    if (from < 2 || from > 36 || base < 2 || base > 36 || text.bytes == 0) {
        builder_null(call->out);
        return;
    }
    bool negative = *text.ptr == '-', over = false;
    uint64_t value = 0;
    for (size_t i = negative; i < text.bytes; i++) {
        char c = text.ptr[i];
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10
                                                         : 99;
        if (digit >= from)
            break;
        over |= __builtin_mul_overflow(value, (uint64_t)from, &value) ||
                __builtin_add_overflow(value, (uint64_t)digit, &value);
    }
    if (over && call->eval->session->ansi) {
        call_fail(call, "ARITHMETIC_OVERFLOW", STATE_NUMERIC, "conv: the number passes 64 bits");
        return;
    }
    if (over)
        value = UINT64_MAX;
    else if (negative && to > 0)
        value = (int64_t)value < 0 ? UINT64_MAX : 0 - value;
    bool minus = negative && to < 0;
    if (to < 0 && !negative && (int64_t)value < 0) {
        minus = true;
        value = 0 - value;
    }
    char digits[65];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value % (uint64_t)base];
        value /= (uint64_t)base;
    } while (value);
    if (minus)
        buf_char(&call->buf, '-');
    buf_append(&call->buf, digits + at, sizeof digits - at);
    builder_str(call->out, buf_str(&call->buf));
}

const struct func_info func_hash[] = {
    {"md5", 1, 1, true, false, bind_signature, kernel_rows, "md5(bytes)", "s(y)", .row = md5_row},
    {"sha1", 1, 1, true, false, bind_signature, kernel_rows, "sha1(bytes)", "s(y)",
     .row = sha1_row},
    {"sha", 1, 1, true, false, bind_signature, kernel_rows, "sha(bytes)", "s(y)", .row = sha1_row},
    {"sha2", 2, 2, true, false, bind_signature, kernel_rows, "sha2(bytes, bits)", "s(y,i)",
     .row = sha2_row},
    {"crc32", 1, 1, true, false, bind_signature, kernel_rows, "crc32(bytes)", "l(y)",
     .row = crc32_row},
    {"hash", 1, 255, false, false, hash_bind, kernel_rows, "hash(expr, ..)", NULL, hash_row, 0},
    {"xxhash64", 1, 255, false, false, hash_bind, kernel_rows, "xxhash64(expr, ..)", NULL, hash_row,
     1},
    {"base64", 1, 1, true, false, bind_signature, kernel_rows, "base64(bytes)", "s(y)",
     .row = base64_row},
    {"unbase64", 1, 1, true, false, bind_signature, kernel_rows, "unbase64(str)", "y(s)",
     .row = unbase64_row},
    {"hex", 1, 1, true, false, hex_bind, kernel_rows, "hex(expr)", .row = hex_row},
    {"unhex", 1, 1, true, false, bind_signature, kernel_rows, "unhex(str)", "y(s)",
     .row = unhex_row},
    {"bin", 1, 1, true, false, bind_signature, kernel_rows, "bin(number)", "s(l)", .row = bin_row},
    {"conv", 3, 3, true, false, bind_signature, kernel_rows, "conv(number, from base, to base)",
     "s(s,i,i)", .row = conv_row},
    {.name = NULL},
};
