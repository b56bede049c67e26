/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_MESSAGE_H
#define RANDOM_MESSAGE_H

/* Random values of any message and version, made from the tables, and their comparison. */
#include "base/prng.h"
#include "wire/kafka/kafka.h"

enum { RANDOM_ELEMENTS_MAX = 3, RANDOM_TEXT_MAX = 20 };

/* With words, half of the strings are one of them and half of the numbers are small: requests that
 * mean something. Ended by NULL. */
static const char *const *random_words;

static inline size_t random_width(const struct kafka_field *field)
{
    switch (field->type) {
    case KAFKA_BOOL:
    case KAFKA_INT8:
        return 1;
    case KAFKA_INT16:
    case KAFKA_UINT16:
        return 2;
    case KAFKA_INT32:
        return 4;
    case KAFKA_INT64:
    case KAFKA_FLOAT64:
        return 8;
    case KAFKA_UUID:
        return 16;
    case KAFKA_STRUCT:
        return field->of->bytes;
    default:
        return sizeof(struct str);
    }
}

static inline bool random_has(const struct kafka_field *field, int16_t version)
{
    return version >= field->version_min && version <= field->version_max;
}

static inline bool random_pointer(const struct kafka_field *field)
{
    return field->type == KAFKA_STRUCT && !field->array && field->nullable_from != INT16_MAX;
}

static inline void random_struct(const struct kafka_message *message, int16_t version,
                                 struct prng *prng, struct arena *arena, char *value);

static inline void random_value(const struct kafka_field *field, int16_t version, struct prng *prng,
                                struct arena *arena, char *to)
{
    bool plain = random_words && prng_below(prng, 2);
    bool null = !field->array && version >= field->nullable_from && prng_below(prng, 4) == 0;
    uint64_t bits = prng_next(prng);
    struct str s = STR_NONE;
    switch (field->type) {
    case KAFKA_STRUCT:
        random_struct(field->of, version, prng, arena, to);
        return;
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        if (!null && plain && field->type == KAFKA_STRING) {
            size_t count = 0;
            while (random_words[count])
                count++;
            s = str_of(random_words[prng_below(prng, count)]);
        } else if (!null) {
            /* Now and then so long that its size takes two bytes. */
            s.bytes = prng_below(prng, prng_below(prng, 8) == 0 ? 300 : RANDOM_TEXT_MAX);
            char *text = arena_alloc(arena, s.bytes + 1);
            for (size_t i = 0; i < s.bytes; i++)
                text[i] = (char)('a' + prng_below(prng, 26));
            s.ptr = text;
        }
        memcpy(to, &s, sizeof s);
        return;
    case KAFKA_BOOL:
        *to = bits & 1;
        return;
    case KAFKA_FLOAT64: {
        double real = (double)(int64_t)bits / 1024;
        memcpy(to, &real, sizeof real);
        return;
    }
    default:
        for (size_t i = 0; i < random_width(field); i++)
            to[i] = (char)prng_next(prng);
        if (plain && field->type != KAFKA_UUID) {
            int64_t small = (int64_t)prng_below(prng, 8) - 2;
            memcpy(to, &small, random_width(field));
        }
    }
}

static inline void random_field(const struct kafka_field *field, int16_t version, struct prng *prng,
                                struct arena *arena, char *value)
{
    char *at = value + field->offset;
    if (field->array) {
        int32_t count = (int32_t)prng_below(prng, RANDOM_ELEMENTS_MAX + 1);
        if (version >= field->nullable_from && prng_below(prng, 4) == 0)
            count = -1;
        size_t bytes = random_width(field);
        char *elements = arena_alloc(arena, count > 0 ? (size_t)count * bytes : 1);
        for (int32_t i = 0; i < count; i++)
            random_value(field, version, prng, arena, elements + (size_t)i * bytes);
        memcpy(at, &elements, sizeof elements);
        memcpy(value + field->count_offset, &count, sizeof count);
    } else if (random_pointer(field)) {
        char *of = prng_below(prng, 2) ? arena_alloc(arena, field->of->bytes) : NULL;
        if (of)
            random_struct(field->of, version, prng, arena, of);
        memcpy(at, &of, sizeof of);
    } else {
        random_value(field, version, prng, arena, at);
    }
}

/* All fields that the version has; tagged ones half of the time. */
static inline void random_struct(const struct kafka_message *message, int16_t version,
                                 struct prng *prng, struct arena *arena, char *value)
{
    kafka_defaults(message, value);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        if (random_has(field, version) && (field->tag < 0 || prng_below(prng, 2)))
            random_field(field, version, prng, arena, value);
    }
}

static inline bool random_equal(const struct kafka_message *message, const char *a, const char *b);

static inline bool random_value_equal(const struct kafka_field *field, const char *a, const char *b)
{
    struct str s, t;
    switch (field->type) {
    case KAFKA_STRUCT:
        return random_equal(field->of, a, b);
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        memcpy(&s, a, sizeof s);
        memcpy(&t, b, sizeof t);
        return !s.ptr == !t.ptr && str_equal(s, t);
    default:
        return memcmp(a, b, random_width(field)) == 0;
    }
}

/* Every field, also those that the version has not: they have to be the defaults. */
static inline bool random_equal(const struct kafka_message *message, const char *a, const char *b)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        const char *x = a + field->offset, *y = b + field->offset;
        int32_t count = 1;
        if (field->array || random_pointer(field)) {
            memcpy(&x, a + field->offset, sizeof x);
            memcpy(&y, b + field->offset, sizeof y);
        }
        if (field->array) {
            if (memcmp(a + field->count_offset, b + field->count_offset, sizeof count) != 0)
                return false;
            memcpy(&count, a + field->count_offset, sizeof count);
        } else if (random_pointer(field) && (!x || !y)) {
            if (x != y)
                return false;
            continue;
        }
        for (int32_t j = 0; j < count; j++)
            if (!random_value_equal(field, x + (size_t)j * random_width(field),
                                    y + (size_t)j * random_width(field)))
                return false;
    }
    return true;
}

#endif
