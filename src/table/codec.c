/* SPDX-License-Identifier: MIT */
/*
 * The encodings of encoding.h for a list of columns. Stored bytes are CQL's but for a few types
 * (times in microseconds, intervals), which take a way over a scratch.
 */
#include "table/codec.h"

#include "base/mem.h"
#include "table/encoding.h"

struct table_codec {
    struct arena arena;
    struct encoding *encodings;
    struct buf scratch;
};

enum err table_codec_new(const struct table_column *columns, size_t count, struct diag *diag,
                         struct table_codec **ret_codec)
{
    enum { ARENA_BYTES_MAX = 64 << 20 };
    struct table_codec *codec = mem_zero(sizeof *codec);
    arena_init(&codec->arena, ARENA_BYTES_MAX);
    codec->encodings = arena_array(&codec->arena, count + 1, sizeof *codec->encodings);
    for (size_t i = 0; i < count; i++) {
        enum err err = encoding_make(&codec->arena, columns[i].type, columns[i].declared, diag,
                                     &codec->encodings[i]);
        if (err != OK) {
            table_codec_free(codec);
            return err;
        }
    }
    *ret_codec = codec;
    return OK;
}

void table_codec_free(struct table_codec *codec)
{
    if (!codec)
        return;
    buf_deinit(&codec->scratch);
    arena_deinit(&codec->arena);
    mem_free(codec);
}

enum err table_codec_append(struct table_codec *codec, size_t column, const struct column *values,
                            size_t row, struct buf *out)
{
    const struct encoding *encoding = &codec->encodings[column];
    if (!encoding->foreign)
        return encoding_append(encoding, values, row, out);
    buf_reset(&codec->scratch);
    TRY(encoding_append(encoding, values, row, &codec->scratch));
    return encoding_to_cql(encoding, buf_str(&codec->scratch), out);
}

enum err table_codec_read(struct table_codec *codec, size_t column, struct str value,
                          struct builder *builder)
{
    const struct encoding *encoding = &codec->encodings[column];
    if (!value.ptr) {
        builder_null(builder);
        return builder->err;
    }
    if (encoding->foreign) {
        buf_reset(&codec->scratch);
        if (encoding_from_cql(encoding, value, &codec->scratch) != OK) {
            builder_null(builder);
            return builder->err;
        }
        value = buf_str(&codec->scratch);
        if (!value.ptr)
            value = STR("");
    }
    return encoding_read(encoding, value, builder);
}
