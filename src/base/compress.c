/* SPDX-License-Identifier: MIT */
/*
 * The codecs of Kafka batches over their libraries: gzip (zlib), snappy, lz4 frames, zstd.
 *
 * Everything inflates through a sink that hands out room in steps and never more than the limit:
 * when it is reached one spare byte is offered, and a codec that fills it has more than is
 * allowed. So a bomb of a few KB costs the limit at most, and an input of exactly the limit passes.
 * Several gzip members or zstd or lz4 frames one behind the other are one stream, as in the tools.
 * Snappy knows its length beforehand. Java's snappy stream (xerial) is a header of 16 bytes, then
 * blocks of a big-endian length and raw snappy; it is read, and never written.
 * After an error out is as it was before the call.
 */
#include "base/compress.h"

#include "base/endian.h"
#include "base/mem.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

static const char *const codec_names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
enum { CODEC_COUNT = 5, STEP_MIN = 4096, STEP_MAX = 1 << 20 };

const char *codec_name(enum codec codec)
{
    return (unsigned)codec < CODEC_COUNT ? codec_names[codec] : NULL;
}

enum err codec_parse(struct str name, enum codec *ret_codec)
{
    for (unsigned i = 0; i < CODEC_COUNT; i++)
        if (str_equal(name, str_of(codec_names[i]))) {
            *ret_codec = (enum codec)i;
            return OK;
        }
    return ERR_INVALID;
}

/* ---- compress ----------------------------------------------------------------------------- */

static enum err gzip_compress(const void *data, size_t bytes, struct buf *out)
{
    if (bytes > UINT32_MAX)
        return ERR_LIMIT;
    z_stream z = {0};
    /* 16 over the largest window asks for the gzip form. */
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_LIMIT;
    uLong bound = deflateBound(&z, (uLong)bytes);
    uint8_t *to = buf_reserve(out, bound);
    if (!to || bound > UINT32_MAX) {
        deflateEnd(&z);
        return ERR_LIMIT;
    }
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)bytes;
    z.next_out = to;
    z.avail_out = (uInt)bound;
    int result = deflate(&z, Z_FINISH);
    size_t made = bound - z.avail_out;
    deflateEnd(&z);
    if (result != Z_STREAM_END)
        return ERR_LIMIT;
    buf_advance(out, made);
    return OK;
}

static enum err snappy_compress_raw(const void *data, size_t bytes, struct buf *out)
{
    if (bytes > UINT32_MAX)
        return ERR_LIMIT;
    size_t made = snappy_max_compressed_length(bytes);
    uint8_t *to = buf_reserve(out, made);
    if (!to || snappy_compress(data, bytes, (char *)to, &made) != SNAPPY_OK)
        return ERR_LIMIT;
    buf_advance(out, made);
    return OK;
}

static enum err lz4_compress(const void *data, size_t bytes, struct buf *out)
{
    /* Independent blocks of 64 KiB: what Kafka's clients write and all of them read. */
    LZ4F_preferences_t how = {.frameInfo = {.blockSizeID = LZ4F_max64KB,
                                            .blockMode = LZ4F_blockIndependent,
                                            .contentSize = bytes}};
    size_t bound = LZ4F_compressFrameBound(bytes, &how);
    uint8_t *to = LZ4F_isError(bound) ? NULL : buf_reserve(out, bound);
    if (!to)
        return ERR_LIMIT;
    size_t made = LZ4F_compressFrame(to, bound, data, bytes, &how);
    if (LZ4F_isError(made))
        return ERR_LIMIT;
    buf_advance(out, made);
    return OK;
}

static enum err zstd_compress(const void *data, size_t bytes, struct buf *out)
{
    size_t bound = ZSTD_compressBound(bytes);
    uint8_t *to = ZSTD_isError(bound) ? NULL : buf_reserve(out, bound);
    if (!to)
        return ERR_LIMIT;
    size_t made = ZSTD_compress(to, bound, data, bytes, ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(made))
        return ERR_LIMIT;
    buf_advance(out, made);
    return OK;
}

enum err compress_bytes(enum codec codec, const void *data, size_t bytes, struct buf *out)
{
    switch (codec) {
    case CODEC_NONE:
        buf_append(out, data, bytes);
        return buf_error(out);
    case CODEC_GZIP:
        return gzip_compress(data, bytes, out);
    case CODEC_SNAPPY:
        return snappy_compress_raw(data, bytes, out);
    case CODEC_LZ4:
        return lz4_compress(data, bytes, out);
    case CODEC_ZSTD:
        return zstd_compress(data, bytes, out);
    }
    return ERR_UNSUPPORTED;
}

/* ---- decompress --------------------------------------------------------------------------- */

struct sink {
    struct buf *out;
    size_t left; /* of the limit */
    size_t step;
    uint8_t spare;
};

static uint8_t *sink_room(struct sink *sink, size_t *ret_bytes)
{
    size_t bytes = sink->left < sink->step ? sink->left : sink->step;
    if (bytes == 0) {
        *ret_bytes = 1;
        return &sink->spare;
    }
    uint8_t *to = buf_reserve(sink->out, bytes);
    if (to)
        *ret_bytes = bytes;
    if (sink->step < STEP_MAX)
        sink->step *= 2;
    return to;
}

static enum err sink_take(struct sink *sink, size_t bytes)
{
    if (bytes == 0)
        return OK;
    if (sink->left == 0)
        return ERR_LIMIT;
    buf_advance(sink->out, bytes);
    sink->left -= bytes;
    return OK;
}

static enum err gzip_inflate(z_stream *z, struct sink *sink)
{
    for (;;) {
        size_t room, before;
        uint8_t *to = sink_room(sink, &room);
        if (!to)
            return ERR_LIMIT;
        z->next_out = to;
        z->avail_out = (uInt)room;
        before = z->avail_in;
        int result = inflate(z, Z_NO_FLUSH);
        TRY(sink_take(sink, room - z->avail_out));
        if (result == Z_STREAM_END) {
            if (z->avail_in == 0)
                return OK;
            if (inflateReset(z) != Z_OK)
                return ERR_CORRUPT;
            continue;
        }
        if (result != Z_OK || (z->avail_in == before && z->avail_out == room))
            return ERR_CORRUPT;
    }
}

static enum err gzip_decompress(const void *data, size_t bytes, struct sink *sink)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)bytes};
    if (bytes > UINT32_MAX || inflateInit2(&z, 15 + 16) != Z_OK)
        return ERR_LIMIT;
    enum err err = gzip_inflate(&z, sink);
    inflateEnd(&z);
    return err;
}

static enum err snappy_block(const void *data, size_t bytes, struct sink *sink)
{
    size_t made;
    if (snappy_uncompressed_length(data, bytes, &made) != SNAPPY_OK)
        return ERR_CORRUPT;
    /* A snappy copy element makes at most 64 bytes from 3, so a greater promise is a lie; this
     * keeps a short input from taking the whole limit. */
    if (made > sink->left)
        return ERR_LIMIT;
    if (made / 32 > bytes)
        return ERR_CORRUPT;
    uint8_t *to = buf_reserve(sink->out, made);
    if (!to)
        return ERR_LIMIT;
    if (snappy_uncompress(data, bytes, (char *)to, &made) != SNAPPY_OK)
        return ERR_CORRUPT;
    return sink_take(sink, made);
}

static enum err snappy_decompress(const uint8_t *data, size_t bytes, struct sink *sink)
{
    enum { XERIAL_HEADER = 16 };
    if (bytes < XERIAL_HEADER || memcmp(data, "\x82SNAPPY", 8) != 0)
        return snappy_block(data, bytes, sink);
    for (size_t at = XERIAL_HEADER; at < bytes;) {
        if (bytes - at < 4)
            return ERR_CORRUPT;
        size_t block = get_be32(data + at);
        at += 4;
        if (block > bytes - at)
            return ERR_CORRUPT;
        TRY(snappy_block(data + at, block, sink));
        at += block;
    }
    return OK;
}

static enum err lz4_inflate(LZ4F_dctx *context, const uint8_t *data, size_t bytes,
                            struct sink *sink)
{
    size_t at = 0;
    for (;;) {
        size_t room, taken = bytes - at;
        uint8_t *to = sink_room(sink, &room);
        if (!to)
            return ERR_LIMIT;
        size_t made = room;
        size_t hint = LZ4F_decompress(context, to, &made, data + at, &taken, NULL);
        if (LZ4F_isError(hint))
            return ERR_CORRUPT;
        TRY(sink_take(sink, made));
        at += taken;
        if (hint == 0 && at == bytes)
            return OK;
        if (taken == 0 && made == 0)
            return ERR_CORRUPT;
    }
}

static enum err lz4_decompress(const void *data, size_t bytes, struct sink *sink)
{
    LZ4F_dctx *context = NULL;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return ERR_LIMIT;
    enum err err = lz4_inflate(context, data, bytes, sink);
    LZ4F_freeDecompressionContext(context);
    return err;
}

static enum err zstd_inflate(ZSTD_DCtx *context, const void *data, size_t bytes, struct sink *sink)
{
    ZSTD_inBuffer in = {data, bytes, 0};
    for (;;) {
        size_t room, before = in.pos;
        uint8_t *to = sink_room(sink, &room);
        if (!to)
            return ERR_LIMIT;
        ZSTD_outBuffer made = {to, room, 0};
        size_t hint = ZSTD_decompressStream(context, &made, &in);
        if (ZSTD_isError(hint))
            return ERR_CORRUPT;
        TRY(sink_take(sink, made.pos));
        if (hint == 0 && in.pos == in.size)
            return OK;
        if (in.pos == before && made.pos == 0)
            return ERR_CORRUPT;
    }
}

static enum err zstd_decompress(const void *data, size_t bytes, size_t bytes_max, struct sink *sink)
{
    /* The window is memory too: no more than the limit needs, but 8 MiB always, since encoders
     * that stream name their default window whatever they are given. */
    enum { WINDOW_LOG_MIN = 23, WINDOW_LOG_MAX = 27 };
    int window_log = WINDOW_LOG_MIN;
    while (window_log < WINDOW_LOG_MAX && ((size_t)1 << window_log) < bytes_max)
        window_log++;
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context)
        return ERR_LIMIT;
    enum err err = ERR_LIMIT;
    if (!ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, window_log)))
        err = zstd_inflate(context, data, bytes, sink);
    ZSTD_freeDCtx(context);
    return err;
}

enum err decompress_bytes(enum codec codec, const void *data, size_t bytes, size_t bytes_max,
                          struct buf *out)
{
    size_t start = out->bytes;
    struct sink sink = {out, bytes_max, bytes < STEP_MIN / 2 ? STEP_MIN : 2 * bytes, 0};
    if (sink.step > STEP_MAX)
        sink.step = STEP_MAX;
    enum err err = ERR_UNSUPPORTED;
    if (codec == CODEC_NONE) {
        if (bytes > bytes_max)
            return ERR_LIMIT;
        buf_append(out, data, bytes);
        return buf_error(out);
    }
    if (codec == CODEC_GZIP)
        err = gzip_decompress(data, bytes, &sink);
    else if (codec == CODEC_SNAPPY)
        err = snappy_decompress(data, bytes, &sink);
    else if (codec == CODEC_LZ4)
        err = lz4_decompress(data, bytes, &sink);
    else if (codec == CODEC_ZSTD)
        err = zstd_decompress(data, bytes, bytes_max, &sink);
    if (err == OK)
        err = buf_error(out);
    if (err != OK)
        buf_truncate(out, start);
    return err;
}
