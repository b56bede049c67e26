/* SPDX-License-Identifier: MIT */
#ifndef BASE_COMPRESS_H
#define BASE_COMPRESS_H

#include "base/buf.h"

/* Codecs of Kafka record batches; the numbers are those of the batch attributes. snappy is read
 * with and without Java's xerial framing and written raw; lz4 is the frame format. */
enum codec { CODEC_NONE = 0, CODEC_GZIP = 1, CODEC_SNAPPY = 2, CODEC_LZ4 = 3, CODEC_ZSTD = 4 };

/* "none", "gzip", .. ; NULL for a number outside the list. */
const char *codec_name(enum codec codec);
enum err codec_parse(struct str name, enum codec *ret_codec) MUST_USE;

/* Appends the compressed form of data to out. */
enum err compress_bytes(enum codec codec, const void *data, size_t bytes, struct buf *out) MUST_USE;
/* Appends the original to out. ERR_CORRUPT; ERR_LIMIT when it would be over bytes_max, before that
 * much memory is taken. */
enum err decompress_bytes(enum codec codec, const void *data, size_t bytes, size_t bytes_max,
                          struct buf *out) MUST_USE;

#endif
