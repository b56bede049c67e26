/* SPDX-License-Identifier: MIT */
/*
 * A decoded message as text for people: the fields that its version has, one a line, with the
 * specification's names.
 *
 *   MaxWaitMs: 500
 *   Topics: 1
 *     - Topic: "orders"
 *       Partitions: 0
 *
 * An array of structs says its count and its elements begin with a dash; one of plain values is on
 * one line. Bytes are shown as their size and the first of them; ids as hexadecimal digits.
 */
#include "wire/kafka/kafka.h"

#include <inttypes.h>

enum { BYTES_SHOWN = 16, INDENT = 4 };

static void print_struct(const struct kafka_message *message, int16_t version, const char *value,
                         int indent, bool dash, struct buf *out);

static void print_text(struct str s, struct buf *out)
{
    buf_char(out, '"');
    for (size_t i = 0; i < s.bytes; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7F)
            buf_printf(out, "\\u%04x", c);
        else
            buf_char(out, (char)c);
    }
    buf_char(out, '"');
}

static void print_bytes(struct str s, struct buf *out)
{
    buf_printf(out, "%zu bytes", s.bytes);
    for (size_t i = 0; i < s.bytes && i < BYTES_SHOWN; i++)
        buf_printf(out, "%s%02x", i == 0 ? " " : "", (uint8_t)s.ptr[i]);
    if (s.bytes > BYTES_SHOWN)
        buf_text(out, "...");
}

/* A number at any address. */
#define PRINT_NUMBER(type, format, at, out)                                                        \
    do {                                                                                           \
        type number_;                                                                              \
        memcpy(&number_, at, sizeof number_);                                                      \
        buf_printf(out, format, number_);                                                          \
    } while (0)

static void print_scalar(enum kafka_type type, const char *at, struct buf *out)
{
    struct str s;
    switch (type) {
    case KAFKA_BOOL:
        buf_text(out, *at ? "true" : "false");
        return;
    case KAFKA_INT8:
        PRINT_NUMBER(int8_t, "%d", at, out);
        return;
    case KAFKA_INT16:
        PRINT_NUMBER(int16_t, "%d", at, out);
        return;
    case KAFKA_UINT16:
        PRINT_NUMBER(uint16_t, "%u", at, out);
        return;
    case KAFKA_INT32:
        PRINT_NUMBER(int32_t, "%" PRId32, at, out);
        return;
    case KAFKA_INT64:
        PRINT_NUMBER(int64_t, "%" PRId64, at, out);
        return;
    case KAFKA_FLOAT64:
        PRINT_NUMBER(double, "%.17g", at, out);
        return;
    case KAFKA_UUID:
        for (int i = 0; i < 16; i++)
            buf_printf(out, "%02x", (uint8_t)at[i]);
        return;
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        memcpy(&s, at, sizeof s);
        if (!s.ptr)
            buf_text(out, "null");
        else if (type == KAFKA_STRING)
            print_text(s, out);
        else
            print_bytes(s, out);
        return;
    case KAFKA_STRUCT:
        return;
    }
}

static size_t scalar_bytes(enum kafka_type type)
{
    switch (type) {
    case KAFKA_BOOL:
    case KAFKA_INT8:
        return 1;
    case KAFKA_INT16:
    case KAFKA_UINT16:
        return 2;
    case KAFKA_INT32:
        return 4;
    case KAFKA_UUID:
        return 16;
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        return sizeof(struct str);
    default:
        return 8;
    }
}

static void print_array(const struct kafka_field *field, int16_t version, const char *value,
                        int indent, struct buf *out)
{
    int32_t count;
    const char *elements;
    memcpy(&count, value + field->count_offset, sizeof count);
    memcpy(&elements, value + field->offset, sizeof elements);
    if (count < 0) {
        buf_text(out, " null\n");
        return;
    }
    if (field->type == KAFKA_STRUCT) {
        buf_printf(out, " %" PRId32 "\n", count);
        for (int32_t i = 0; i < count; i++)
            print_struct(field->of, version, elements + (size_t)i * field->of->bytes,
                         indent + INDENT, true, out);
        return;
    }
    buf_text(out, " [");
    for (int32_t i = 0; i < count; i++) {
        buf_text(out, i == 0 ? "" : ", ");
        print_scalar(field->type, elements + (size_t)i * scalar_bytes(field->type), out);
    }
    buf_text(out, "]\n");
}

static void print_field(const struct kafka_field *field, int16_t version, const char *value,
                        int indent, struct buf *out)
{
    const char *at = value + field->offset;
    buf_printf(out, "%s:", field->name);
    if (field->array) {
        print_array(field, version, value, indent, out);
        return;
    }
    if (field->type != KAFKA_STRUCT) {
        buf_char(out, ' ');
        print_scalar(field->type, at, out);
        buf_char(out, '\n');
        return;
    }
    if (field->nullable_from != INT16_MAX)
        memcpy(&at, value + field->offset, sizeof at);
    buf_text(out, at ? "\n" : " null\n");
    if (at)
        print_struct(field->of, version, at, indent + INDENT, false, out);
}

static void print_struct(const struct kafka_message *message, int16_t version, const char *value,
                         int indent, bool dash, struct buf *out)
{
    bool first = dash;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        if (version < field->version_min || version > field->version_max)
            continue;
        buf_printf(out, "%*s%s", first ? indent - 2 : indent, "", first ? "- " : "");
        first = false;
        print_field(field, version, value, indent, out);
    }
}

void kafka_print(const struct kafka_message *message, int16_t version, const void *value,
                 struct buf *out)
{
    print_struct(message, version, value, 0, false, out);
}
