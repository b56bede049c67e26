/* SPDX-License-Identifier: MIT */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

#include <stdarg.h>

/*
 * A growing run of bytes with a maximum, and the writer of every wire and disk format: appends are
 * big endian unless the name says le. The error is sticky: append twenty fields, ask buf_error()
 * once. After an error appends do nothing and bytes stays as it was. One owner, one thread.
 */
struct buf {
    uint8_t *ptr;
    size_t bytes;
    size_t room;
    size_t bytes_max;
    enum err err;
};

/* A zeroed struct buf is valid with bytes_max 0 = BUF_MAX_DEFAULT (1 GiB). */
enum { BUF_MAX_DEFAULT = 1 << 30 };

void buf_init(struct buf *buf, size_t bytes_max);
void buf_deinit(struct buf *buf);
/* Forgets the content and the error, keeps the memory. */
void buf_reset(struct buf *buf);
static inline enum err buf_error(const struct buf *buf)
{
    return buf->err;
}
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){(const char *)buf->ptr, buf->bytes};
}
/* Makes room for bytes more; the place to write to, or NULL after an error. Follow with
 * buf_advance(). */
uint8_t *buf_reserve(struct buf *buf, size_t bytes);
void buf_advance(struct buf *buf, size_t bytes);
void buf_append(struct buf *buf, const void *data, size_t bytes);
void buf_str_append(struct buf *buf, struct str s);
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Drops the first bytes; what is behind moves to the front. */
void buf_consume(struct buf *buf, size_t bytes);
/* Cuts to bytes. */
void buf_truncate(struct buf *buf, size_t bytes);
/* A NUL behind the content that does not count as content; NULL after an error. */
const char *buf_c_str(struct buf *buf);

void buf_u8(struct buf *buf, uint8_t value);
void buf_be16(struct buf *buf, uint16_t value);
void buf_be32(struct buf *buf, uint32_t value);
void buf_be64(struct buf *buf, uint64_t value);
void buf_le16(struct buf *buf, uint16_t value);
void buf_le32(struct buf *buf, uint32_t value);
void buf_le64(struct buf *buf, uint64_t value);
/* LEB128, low groups first (Kafka's UNSIGNED_VARINT). */
void buf_uvarint(struct buf *buf, uint64_t value);
/* Zigzag (Kafka's VARINT and VARLONG). */
void buf_varint(struct buf *buf, int64_t value);
/* Overwrites bytes that are there already: lengths and checksums known late. */
void buf_patch_be32(struct buf *buf, size_t at, uint32_t value);

#endif
