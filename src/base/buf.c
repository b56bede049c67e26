/* SPDX-License-Identifier: MIT */
/* Growing bytes: doubles, never past its maximum; the first error stays. */
#include "base/buf.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/mem.h"

#include <stdio.h>

void buf_init(struct buf *buf, size_t bytes_max)
{
    *buf = (struct buf){.bytes_max = bytes_max};
}

void buf_deinit(struct buf *buf)
{
    mem_free(buf->ptr);
    *buf = (struct buf){.bytes_max = buf->bytes_max};
}

void buf_reset(struct buf *buf)
{
    buf->bytes = 0;
    buf->err = OK;
}

static bool grow(struct buf *buf, size_t bytes)
{
    size_t max = buf->bytes_max ? buf->bytes_max : BUF_MAX_DEFAULT;
    if (buf->err != OK)
        return false;
    if (bytes > max || buf->bytes > max - bytes) {
        buf->err = ERR_LIMIT;
        return false;
    }
    size_t room = buf->room * 2 < 256 ? 256 : buf->room * 2;
    if (room < buf->bytes + bytes)
        room = buf->bytes + bytes;
    if (room > max)
        room = max;
    buf->ptr = mem_realloc(buf->ptr, room);
    buf->room = room;
    return true;
}

uint8_t *buf_reserve(struct buf *buf, size_t bytes)
{
    if (buf->err != OK || (buf->room - buf->bytes < bytes && !grow(buf, bytes)))
        return NULL;
    if (!buf->ptr && !grow(buf, 1))
        return NULL;
    return buf->ptr + buf->bytes;
}

void buf_advance(struct buf *buf, size_t bytes)
{
    check(buf->room - buf->bytes >= bytes);
    buf->bytes += bytes;
}

void buf_append(struct buf *buf, const void *data, size_t bytes)
{
    if (bytes == 0)
        return;
    uint8_t *to = buf_reserve(buf, bytes);
    if (!to)
        return;
    memcpy(to, data, bytes);
    buf->bytes += bytes;
}

void buf_str_append(struct buf *buf, struct str s)
{
    buf_append(buf, s.ptr, s.bytes);
}

void buf_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_char(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int count = vsnprintf(NULL, 0, format, args);
    check(count >= 0);
    size_t bytes = (size_t)count;
    size_t max = buf->bytes_max ? buf->bytes_max : BUF_MAX_DEFAULT;
    /* vsnprintf() wants room for a NUL, which a text that just fits does not leave. */
    bool fits = bytes + 1 <= max - buf->bytes;
    uint8_t *to = buf_reserve(buf, fits ? bytes + 1 : bytes);
    if (to && fits) {
        vsnprintf((char *)to, bytes + 1, format, again);
        buf->bytes += bytes;
    } else if (to) {
        char *text = mem_alloc(bytes + 1);
        vsnprintf(text, bytes + 1, format, again);
        memcpy(to, text, bytes);
        buf->bytes += bytes;
        mem_free(text);
    }
    va_end(again);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

void buf_consume(struct buf *buf, size_t bytes)
{
    check(bytes <= buf->bytes);
    buf->bytes -= bytes;
    if (buf->bytes)
        memmove(buf->ptr, buf->ptr + bytes, buf->bytes);
}

void buf_truncate(struct buf *buf, size_t bytes)
{
    check(bytes <= buf->bytes);
    buf->bytes = bytes;
}

const char *buf_c_str(struct buf *buf)
{
    uint8_t *end = buf_reserve(buf, 1);
    if (!end)
        return NULL;
    *end = 0;
    return (const char *)buf->ptr;
}

void buf_u8(struct buf *buf, uint8_t value)
{
    buf_append(buf, &value, 1);
}

void buf_be16(struct buf *buf, uint16_t value)
{
    uint8_t bytes[2];
    put_be16(bytes, value);
    buf_append(buf, bytes, 2);
}

void buf_be32(struct buf *buf, uint32_t value)
{
    uint8_t bytes[4];
    put_be32(bytes, value);
    buf_append(buf, bytes, 4);
}

void buf_be64(struct buf *buf, uint64_t value)
{
    uint8_t bytes[8];
    put_be64(bytes, value);
    buf_append(buf, bytes, 8);
}

void buf_le16(struct buf *buf, uint16_t value)
{
    buf_append(buf, &value, 2);
}

void buf_le32(struct buf *buf, uint32_t value)
{
    buf_append(buf, &value, 4);
}

void buf_le64(struct buf *buf, uint64_t value)
{
    buf_append(buf, &value, 8);
}

void buf_uvarint(struct buf *buf, uint64_t value)
{
    uint8_t bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (uint8_t)(value | 0x80);
    bytes[count++] = (uint8_t)value;
    buf_append(buf, bytes, count);
}

void buf_varint(struct buf *buf, int64_t value)
{
    buf_uvarint(buf, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void buf_patch_be32(struct buf *buf, size_t at, uint32_t value)
{
    if (buf->err != OK)
        return;
    check(at + 4 <= buf->bytes);
    put_be32(buf->ptr + at, value);
}
