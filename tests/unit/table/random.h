/* SPDX-License-Identifier: MIT */
#ifndef TABLE_TEST_RANDOM_H
#define TABLE_TEST_RANDOM_H

/* Random values of every type, small ones often, so that values meet. */
#include "base/prng.h"
#include "rows.h"

static inline int64_t random_number(struct prng *prng)
{
    static const int64_t edges[] = {0, 1, -1, 255, 256, -256, INT64_MAX, INT64_MIN, INT32_MAX};
    if (prng_below(prng, 3) == 0)
        return edges[prng_below(prng, 9)];
    return (int64_t)prng_next(prng) >> prng_below(prng, 64);
}

static inline double random_real(struct prng *prng)
{
    static const double edges[] = {0.0, -0.0, 1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0, 1e-310, 1.5, -2.25};
    if (prng_below(prng, 2) == 0)
        return edges[prng_below(prng, 8)];
    return (prng_real(prng) - 0.5) * 1e6;
}

static inline void random_text(struct builder *builder, struct prng *prng)
{
    char text[8];
    size_t bytes = (size_t)prng_below(prng, 6);
    for (size_t i = 0; i < bytes; i++)
        text[i] = "\0\1ab~\x7F"[prng_below(prng, 6)];
    if (builder->type->kind == TYPE_BINARY && bytes && prng_below(prng, 2))
        text[bytes - 1] = (char)0xFF;
    builder_str(builder, str_from(text, bytes));
}

static inline void random_value(struct builder *builder, struct prng *prng);

static inline void random_nested(struct builder *builder, struct prng *prng)
{
    bool list = builder->type->kind != TYPE_STRUCT;
    uint64_t count = list ? prng_below(prng, 4) : 1;
    for (uint64_t at = 0; at < count; at++)
        for (uint32_t i = 0; i < builder->child_count; i++) {
            bool map_key = builder->type->kind == TYPE_MAP && i == 0;
            if (!map_key && prng_below(prng, 4) == 0)
                builder_null(builder->children[i]);
            else
                random_value(builder->children[i], prng);
        }
    builder_valid(builder);
}

static inline void random_value(struct builder *builder, struct prng *prng)
{
    switch (builder->type->kind) {
    case TYPE_NULL:
        builder_null(builder);
        break;
    case TYPE_BOOLEAN:
        builder_bool(builder, prng_below(prng, 2));
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        builder_f64(builder, random_real(prng));
        break;
    case TYPE_DECIMAL:
        builder_i128(builder, random_number(prng) % decimal_power10(builder->type->precision < 6
                                                                        ? builder->type->precision
                                                                        : 6u));
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        random_text(builder, prng);
        break;
    case TYPE_INTERVAL:
        builder_interval(builder,
                         (struct interval){(int32_t)random_number(prng),
                                           (int32_t)random_number(prng), random_number(prng)});
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT:
        random_nested(builder, prng);
        break;
    default:
        builder_i64(builder, random_number(prng));
    }
}

static inline struct column *random_column(const struct type *type, uint32_t rows,
                                           struct prng *prng)
{
    struct column *column;
    struct builder *builder = builder_new(type, rows, 0);
    for (uint32_t row = 0; row < rows; row++)
        random_value(builder, prng);
    assert_ok(builder_finish(builder, &column));
    builder_free(builder);
    return column;
}

#endif
