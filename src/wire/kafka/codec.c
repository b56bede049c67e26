/* SPDX-License-Identifier: MIT */
/*
 * Decoder and encoder of all messages: both walk the tables that tools/kafka/messages.py made, so
 * that a message is a few lines of messages.txt and no code.
 *
 * Source: Kafka's protocol guide, KIP-482. Numbers are big endian. In versions from flexible_from
 * on, lengths and counts are unsigned varints of the value plus one (0 = null) and each struct ends
 * with its tagged fields: a count, then tag, size and content of those that differ from their
 * default. Older versions have 16-bit lengths for strings, 32-bit ones for the rest, -1 = null. A
 * struct that may be null begins with a byte: -1 = null, 1 = there.
 *
 * Invariants:
 * 1. A struct is its defaults first; then what the bytes say. So fields that a version has not are
 *    never undefined.
 * 2. An array takes memory only after its count was found possible for the bytes that are left:
 *    memory is at most a fixed multiple of the bytes, and the arena has a maximum besides.
 * 3. Depth is that of the tables: nothing in the bytes makes the walk go deeper.
 */
#include "wire/kafka/kafka.h"

#include "base/check.h"

#include <assert.h>

enum { STRING_BYTES_MAX = 32767 };

static const uint8_t WIDTH[] = {
    [KAFKA_BOOL] = 1,
    [KAFKA_INT8] = 1,
    [KAFKA_INT16] = 2,
    [KAFKA_UINT16] = 2,
    [KAFKA_INT32] = 4,
    [KAFKA_INT64] = 8,
    [KAFKA_UUID] = 16,
    [KAFKA_FLOAT64] = 8,
    [KAFKA_STRING] = sizeof(struct str),
    [KAFKA_STRUCT] = 0,
    [KAFKA_BYTES] = sizeof(struct str),
    [KAFKA_RECORDS] = sizeof(struct str),
};
static_assert(sizeof(bool) == 1, "a bool is a byte");

const struct kafka_api *kafka_api_find(int16_t key)
{
    size_t low = 0, high = KAFKA_APIS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (kafka_apis[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < KAFKA_APIS && kafka_apis[low].key == key ? &kafka_apis[low] : NULL;
}

void kafka_defaults(const struct kafka_message *message, void *value)
{
    memcpy(value, message->defaults, message->bytes);
}

void *kafka_structs(const struct kafka_message *message, struct arena *arena, size_t count)
{
    if (count == 0)
        return NULL;
    char *structs = arena_array(arena, count, message->bytes);
    for (size_t i = 0; i < count; i++)
        memcpy(structs + i * message->bytes, message->defaults, message->bytes);
    return structs;
}

static bool has_field(const struct kafka_field *field, int16_t version)
{
    return version >= field->version_min && version <= field->version_max;
}

/* A struct that may be null is a pointer. */
static bool is_pointer(const struct kafka_field *field)
{
    return field->type == KAFKA_STRUCT && !field->array && field->nullable_from != INT16_MAX;
}

static size_t element_bytes(const struct kafka_field *field)
{
    return field->type == KAFKA_STRUCT ? field->of->bytes : WIDTH[field->type];
}

static int32_t count_of(const struct kafka_field *field, const char *value)
{
    int32_t count;
    memcpy(&count, value + field->count_offset, sizeof count);
    return count;
}

static void *pointer_at(const char *at)
{
    void *pointer;
    memcpy(&pointer, at, sizeof pointer);
    return pointer;
}

/* ---- decoding ---- */

struct decoder {
    struct reader r;
    struct arena *arena;
    int16_t version;
    bool flexible;
};

static void decode_struct(struct decoder *d, const struct kafka_message *message, char *value);

/* A length or a count; -1 = null. */
static int64_t decode_length(struct decoder *d, bool short_)
{
    if (d->flexible)
        return (int64_t)reader_uvarint(&d->r, 32) - 1;
    return short_ ? (int16_t)reader_be16(&d->r) : (int32_t)reader_be32(&d->r);
}

static bool may_be_null(struct decoder *d, const struct kafka_field *field, int64_t length)
{
    if (length >= 0)
        return false;
    if (length != -1 || d->version < field->nullable_from)
        reader_fail(&d->r, ERR_CORRUPT);
    return true;
}

static struct str decode_str(struct decoder *d, const struct kafka_field *field)
{
    bool string = field->type == KAFKA_STRING;
    int64_t length = decode_length(d, string);
    /* The elements of an array of strings are never null. */
    if (field->array && length < 0)
        reader_fail(&d->r, ERR_CORRUPT);
    if (may_be_null(d, field, length))
        return STR_NONE;
    if (string && length > STRING_BYTES_MAX)
        reader_fail(&d->r, ERR_CORRUPT);
    return reader_str(&d->r, (size_t)length);
}

/* One value: a field, or an element of an array. */
static void decode_value(struct decoder *d, const struct kafka_field *field, char *to)
{
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    struct str s;
    const uint8_t *from;
    switch (field->type) {
    case KAFKA_BOOL:
        *to = reader_u8(&d->r) != 0;
        return;
    case KAFKA_INT8:
        *to = (char)reader_u8(&d->r);
        return;
    case KAFKA_INT16:
    case KAFKA_UINT16:
        u16 = reader_be16(&d->r);
        memcpy(to, &u16, sizeof u16);
        return;
    case KAFKA_INT32:
        u32 = reader_be32(&d->r);
        memcpy(to, &u32, sizeof u32);
        return;
    case KAFKA_INT64:
    case KAFKA_FLOAT64:
        u64 = reader_be64(&d->r);
        memcpy(to, &u64, sizeof u64);
        return;
    case KAFKA_UUID:
        from = reader_take(&d->r, 16);
        if (from)
            memcpy(to, from, 16);
        return;
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        s = decode_str(d, field);
        memcpy(to, &s, sizeof s);
        return;
    case KAFKA_STRUCT:
        decode_struct(d, field->of, to);
        return;
    }
    check(false);
}

/* The fewest bytes that an element can have on the wire. */
static size_t element_least(const struct decoder *d, const struct kafka_field *field)
{
    switch (field->type) {
    case KAFKA_STRUCT:
        return field->of->bytes_min ? field->of->bytes_min : 1;
    case KAFKA_STRING:
        return d->flexible ? 1 : 2;
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        return d->flexible ? 1 : 4;
    default:
        return WIDTH[field->type];
    }
}

static void decode_array(struct decoder *d, const struct kafka_field *field, char *value)
{
    int64_t length = decode_length(d, false);
    int32_t count = -1;
    char *elements = NULL;
    if (!may_be_null(d, field, length)) {
        if ((uint64_t)length > d->r.left / element_least(d, field)) {
            reader_fail(&d->r, d->r.err == OK ? ERR_LIMIT : d->r.err);
            return;
        }
        size_t bytes = element_bytes(field);
        count = (int32_t)length;
        if (count > 0 && !(elements = arena_try(d->arena, (size_t)count * bytes))) {
            reader_fail(&d->r, ERR_LIMIT);
            return;
        }
        for (int32_t i = 0; i < count && d->r.err == OK; i++)
            decode_value(d, field, elements + (size_t)i * bytes);
    }
    memcpy(value + field->offset, &elements, sizeof elements);
    memcpy(value + field->count_offset, &count, sizeof count);
}

static void decode_pointer(struct decoder *d, const struct kafka_field *field, char *to)
{
    char *of = NULL;
    int8_t there = (int8_t)reader_u8(&d->r);
    if (there >= 0 && d->r.err == OK) {
        of = arena_try(d->arena, field->of->bytes);
        if (of)
            decode_struct(d, field->of, of);
        else
            reader_fail(&d->r, ERR_LIMIT);
    }
    memcpy(to, &of, sizeof of);
}

static void decode_field(struct decoder *d, const struct kafka_field *field, char *value)
{
    if (field->array)
        decode_array(d, field, value);
    else if (is_pointer(field))
        decode_pointer(d, field, value + field->offset);
    else
        decode_value(d, field, value + field->offset);
}

static const struct kafka_field *tagged_field(const struct kafka_message *message, int16_t version,
                                              uint64_t tag)
{
    for (size_t i = 0; message->tagged && i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        if (field->tag >= 0 && (uint64_t)field->tag == tag && has_field(field, version))
            return field;
    }
    return NULL;
}

static void decode_tagged(struct decoder *d, const struct kafka_message *message, char *value)
{
    uint64_t count = reader_uvarint(&d->r, 32);
    for (uint64_t i = 0; i < count && d->r.err == OK; i++) {
        uint64_t tag = reader_uvarint(&d->r, 32);
        size_t bytes = (size_t)reader_uvarint(&d->r, 32);
        const struct kafka_field *field = tagged_field(message, d->version, tag);
        const uint8_t *content = reader_take(&d->r, bytes);
        if (!content || !field)
            continue;
        struct reader outer = d->r;
        d->r = reader_of(content, bytes);
        decode_field(d, field, value);
        enum err err = d->r.err == OK && d->r.left > 0 ? ERR_CORRUPT : d->r.err;
        d->r = outer;
        if (err != OK)
            reader_fail(&d->r, err);
    }
}

static void decode_struct(struct decoder *d, const struct kafka_message *message, char *value)
{
    memcpy(value, message->defaults, message->bytes);
    for (size_t i = 0; i < message->field_count && d->r.err == OK; i++) {
        const struct kafka_field *field = &message->fields[i];
        if (field->tag < 0 && has_field(field, d->version))
            decode_field(d, field, value);
    }
    if (d->flexible)
        decode_tagged(d, message, value);
}

enum err kafka_decode(const struct kafka_message *message, int16_t version, struct str bytes,
                      struct arena *arena, void *ret_value)
{
    check(version >= message->version_min && version <= message->version_max);
    struct decoder d = {reader_of(bytes.ptr, bytes.bytes), arena, version,
                        version >= message->flexible_from};
    decode_struct(&d, message, ret_value);
    return d.r.err;
}

/* ---- encoding ---- */

struct encoder {
    struct buf *out;
    int16_t version;
    bool flexible;
    enum err err;
    size_t *places; /* of records that the caller puts in; NULL = they are copied */
    size_t place_count, place_max;
};

static void encode_struct(struct encoder *e, const struct kafka_message *message,
                          const char *value);

static bool is_default(const struct kafka_field *field, const char *value, const char *defaults)
{
    const char *at = value + field->offset, *other = defaults + field->offset;
    if (field->array)
        return count_of(field, value) == count_of(field, defaults);
    if (is_pointer(field))
        return pointer_at(at) == NULL;
    if (field->type == KAFKA_STRUCT) {
        for (size_t i = 0; i < field->of->field_count; i++)
            if (!is_default(&field->of->fields[i], at, field->of->defaults))
                return false;
        return true;
    }
    if (field->type >= KAFKA_STRING) {
        struct str a, b;
        memcpy(&a, at, sizeof a);
        memcpy(&b, other, sizeof b);
        return !a.ptr == !b.ptr && a.bytes == b.bytes;
    }
    return memcmp(at, other, WIDTH[field->type]) == 0;
}

/* -1 = null. */
static void encode_length(struct encoder *e, int64_t length, bool short_)
{
    if (e->flexible)
        buf_uvarint(e->out, (uint64_t)(length + 1));
    else if (short_)
        buf_be16(e->out, (uint16_t)length);
    else
        buf_be32(e->out, (uint32_t)length);
}

static void encode_null(struct encoder *e, const struct kafka_field *field, bool short_)
{
    if (e->version < field->nullable_from)
        e->err = ERR_INVALID;
    encode_length(e, -1, short_);
}

static void encode_str(struct encoder *e, const struct kafka_field *field, struct str s)
{
    bool string = field->type == KAFKA_STRING;
    if (s.bytes > (string ? STRING_BYTES_MAX : INT32_MAX) || (field->array && !s.ptr)) {
        e->err = ERR_INVALID;
        return;
    }
    if (!s.ptr) {
        encode_null(e, field, string);
        return;
    }
    encode_length(e, (int64_t)s.bytes, string);
    if (field->type == KAFKA_RECORDS && e->places) {
        check(e->place_count < e->place_max);
        e->places[e->place_count++] = e->out->bytes;
        return;
    }
    buf_append(e->out, s.ptr, s.bytes);
}

static void encode_value(struct encoder *e, const struct kafka_field *field, const char *from)
{
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    struct str s;
    switch (field->type) {
    case KAFKA_BOOL:
    case KAFKA_INT8:
        buf_u8(e->out, (uint8_t)*from);
        return;
    case KAFKA_INT16:
    case KAFKA_UINT16:
        memcpy(&u16, from, sizeof u16);
        buf_be16(e->out, u16);
        return;
    case KAFKA_INT32:
        memcpy(&u32, from, sizeof u32);
        buf_be32(e->out, u32);
        return;
    case KAFKA_INT64:
    case KAFKA_FLOAT64:
        memcpy(&u64, from, sizeof u64);
        buf_be64(e->out, u64);
        return;
    case KAFKA_UUID:
        buf_append(e->out, from, 16);
        return;
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        memcpy(&s, from, sizeof s);
        encode_str(e, field, s);
        return;
    case KAFKA_STRUCT:
        encode_struct(e, field->of, from);
        return;
    }
    check(false);
}

static void encode_field(struct encoder *e, const struct kafka_field *field, const char *value)
{
    const char *at = value + field->offset;
    if (field->array) {
        int32_t count = count_of(field, value);
        const char *elements = pointer_at(at);
        size_t bytes = element_bytes(field);
        if (count < 0)
            encode_null(e, field, false);
        else
            encode_length(e, count, false);
        for (int32_t i = 0; i < count; i++)
            encode_value(e, field, elements + (size_t)i * bytes);
    } else if (is_pointer(field)) {
        const char *of = pointer_at(at);
        buf_u8(e->out, of ? 1 : 0xFF);
        if (of)
            encode_struct(e, field->of, of);
    } else {
        encode_value(e, field, at);
    }
}

/* The size stands before the content and its own length depends on it: the content is written
 * first and moved. Tagged fields are rare and small. */
static void encode_tagged_field(struct encoder *e, const struct kafka_field *field,
                                const char *value)
{
    buf_uvarint(e->out, (uint64_t)field->tag);
    size_t at = e->out->bytes;
    encode_field(e, field, value);
    size_t bytes = e->out->bytes - at;
    buf_uvarint(e->out, bytes);
    if (buf_error(e->out) != OK)
        return;
    uint8_t size[10];
    size_t size_bytes = e->out->bytes - at - bytes;
    check(size_bytes <= sizeof size);
    uint8_t *start = e->out->ptr + at;
    memcpy(size, start + bytes, size_bytes);
    memmove(start + size_bytes, start, bytes);
    memcpy(start, size, size_bytes);
}

static bool tag_is_sent(const struct encoder *e, const struct kafka_message *message,
                        const struct kafka_field *field, const char *value)
{
    return field->tag >= 0 && has_field(field, e->version) &&
           !is_default(field, value, message->defaults);
}

static void encode_tagged(struct encoder *e, const struct kafka_message *message, const char *value)
{
    uint64_t count = 0;
    for (size_t i = 0; message->tagged && i < message->field_count; i++)
        count += tag_is_sent(e, message, &message->fields[i], value);
    buf_uvarint(e->out, count);
    /* In the order of their tags, which need not be that of the table. */
    for (int32_t tag = 0; count > 0; tag++)
        for (size_t i = 0; i < message->field_count; i++) {
            const struct kafka_field *field = &message->fields[i];
            if (field->tag != tag || !tag_is_sent(e, message, field, value))
                continue;
            encode_tagged_field(e, field, value);
            count--;
        }
}

static void encode_struct(struct encoder *e, const struct kafka_message *message, const char *value)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        if (!has_field(field, e->version)) {
            if (!field->ignorable && !is_default(field, value, message->defaults))
                e->err = ERR_INVALID;
        } else if (field->tag < 0) {
            encode_field(e, field, value);
        }
    }
    if (e->flexible)
        encode_tagged(e, message, value);
}

enum err kafka_encode(const struct kafka_message *message, int16_t version, const void *value,
                      struct buf *out)
{
    check(version >= message->version_min && version <= message->version_max);
    struct encoder e = {out, version, version >= message->flexible_from, OK, NULL, 0, 0};
    encode_struct(&e, message, value);
    TRY(e.err);
    return buf_error(out);
}

enum err kafka_encode_apart(const struct kafka_message *message, int16_t version, const void *value,
                            struct buf *out, size_t *places, size_t place_max,
                            size_t *ret_place_count)
{
    check(version >= message->version_min && version <= message->version_max);
    struct encoder e = {out, version, version >= message->flexible_from, OK, places, 0, place_max};
    encode_struct(&e, message, value);
    TRY(e.err);
    *ret_place_count = e.place_count;
    return buf_error(out);
}
