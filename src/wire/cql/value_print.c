/* SPDX-License-Identifier: MIT */
/*
 * Values as text: as CQL literals and as Cassandra's JSON.
 *
 *                 literal                          JSON
 *     text        'it''s'                          "it's"
 *     blob, uuid  0xcafe, 550e8400-..              "0xcafe", "550e8400-.."
 *     timestamp   '2011-02-03T04:05:00.000Z'       "2011-02-03 04:05:00.000Z"
 *     date, time, inet, duration in ' or "; duration and numbers bare in CQL; NaN is null in JSON
 *     list, set   [1, 2], {1, 2}                   [1, 2]
 *     map         {'a': 1}                         {"a": 1}; keys that are no text get quotes
 *     tuple, UDT  (1, 'a'), {name: 1}              [1, "a"], {"name": 1}
 *
 * Bytes that are no value of their type print as hex: printing never fails. A float prints as in
 * Java, an IPv6 address in all of its eight groups.
 */
#include "wire/cql/private.h"

#include <arpa/inet.h>

void cql_hex_print(struct str bytes, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = buf_reserve(out, bytes.bytes * 2 + 1);
    if (!to)
        return;
    for (size_t i = 0; i < bytes.bytes; i++) {
        to[2 * i] = (uint8_t)digits[(uint8_t)bytes.ptr[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[bytes.ptr[i] & 15];
    }
    buf_advance(out, bytes.bytes * 2);
}

void cql_uuid_print(const uint8_t *bytes, struct buf *out)
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    for (size_t i = 0; i < sizeof groups; i++) {
        if (i)
            buf_char(out, '-');
        cql_hex_print(str_from(bytes, groups[i]), out);
        bytes += groups[i];
    }
}

void cql_inet_print(struct str value, struct buf *out)
{
    if (value.bytes == 4) {
        buf_printf(out, "%u.%u.%u.%u", (uint8_t)value.ptr[0], (uint8_t)value.ptr[1],
                   (uint8_t)value.ptr[2], (uint8_t)value.ptr[3]);
        return;
    }
    for (size_t i = 0; i < 8; i++)
        buf_printf(out, "%s%x", i ? ":" : "", get_be16(value.ptr + 2 * i));
}

static void hex_literal(struct str value, struct buf *out)
{
    buf_text(out, "0x");
    cql_hex_print(value, out);
}

/* The text of a simple value that has one, without quotes. */
static void simple_print(const struct cql_type *type, struct str value, bool json, struct buf *out)
{
    int64_t parts[3];
    const char *at = value.ptr;
    switch (type->kind) {
    case CQL_BIGINT:
    case CQL_COUNTER:
        buf_printf(out, "%lld", (long long)get_be64(at));
        return;
    case CQL_INT:
        buf_printf(out, "%d", (int32_t)get_be32(at));
        return;
    case CQL_SMALLINT:
        buf_printf(out, "%d", (int16_t)get_be16(at));
        return;
    case CQL_TINYINT:
        buf_printf(out, "%d", (int8_t)at[0]);
        return;
    case CQL_BOOLEAN:
        buf_text(out, at[0] ? "true" : "false");
        return;
    case CQL_DECIMAL:
        cql_decimal_print(value, !json, out);
        return;
    case CQL_VARINT:
        cql_varint_print(value, out);
        return;
    case CQL_FLOAT: {
        uint32_t bits = get_be32(at);
        float number;
        memcpy(&number, &bits, 4);
        cql_double_print((double)number, true, out);
        return;
    }
    case CQL_DOUBLE: {
        uint64_t bits = get_be64(at);
        double number;
        memcpy(&number, &bits, 8);
        cql_double_print(number, false, out);
        return;
    }
    case CQL_TIMESTAMP:
        cql_timestamp_print((int64_t)get_be64(at), json ? ' ' : 'T', out);
        return;
    case CQL_DATE:
        cql_date_print(get_be32(at), out);
        return;
    case CQL_TIME:
        cql_time_print((int64_t)get_be64(at), out);
        return;
    case CQL_DURATION:
        if (cql_duration_read(value, parts))
            cql_duration_print(parts, out);
        return;
    case CQL_UUID:
    case CQL_TIMEUUID:
        cql_uuid_print((const uint8_t *)at, out);
        return;
    case CQL_INET:
        cql_inet_print(value, out);
        return;
    default:
        hex_literal(value, out);
        return;
    }
}

static bool is_text(const struct cql_type *type)
{
    return type->kind == CQL_TEXT || type->kind == CQL_ASCII;
}

/* ---- literals ---- */

static void text_literal(struct str value, struct buf *out)
{
    buf_char(out, '\'');
    for (size_t i = 0; i < value.bytes; i++) {
        if (value.ptr[i] == '\'')
            buf_char(out, '\'');
        buf_char(out, value.ptr[i]);
    }
    buf_char(out, '\'');
}

static void elements_print(const struct cql_type *type, struct str value, struct buf *out)
{
    struct cql_elements it;
    struct str element;
    bool map = type->kind == CQL_MAP, tuple = type->kind == CQL_TUPLE;
    bool square = type->kind == CQL_LIST || type->kind == CQL_VECTOR;
    if (cql_elements_init(&it, type, value) != OK)
        return;
    buf_char(out, square ? '[' : tuple ? '(' : '{');
    for (uint32_t i = 0; cql_elements_next(&it, &element); i++) {
        bool behind_key = map && i % 2;
        if (i)
            buf_text(out, behind_key ? ": " : ", ");
        if (type->kind == CQL_UDT) {
            cql_name_print(type->names[i], out);
            buf_text(out, ": ");
        }
        uint32_t at = tuple || type->kind == CQL_UDT ? i : behind_key ? 1 : 0;
        cql_value_print(type->items[at], element, out);
    }
    buf_char(out, square ? ']' : tuple ? ')' : '}');
}

void cql_value_print(const struct cql_type *type, struct str value, struct buf *out)
{
    if (!value.ptr) {
        buf_text(out, "null");
        return;
    }
    if (cql_type_is_lexical_uuid(type))
        type = cql_simple(CQL_UUID);
    if (cql_value_check(type, value, NULL) != OK || type->kind == CQL_CUSTOM) {
        hex_literal(value, out);
        return;
    }
    if (is_text(type)) {
        text_literal(value, out);
        return;
    }
    if (type->items) {
        elements_print(type, value, out);
        return;
    }
    if (!value.bytes && type->kind != CQL_BLOB) {
        /* No literal stands for the empty value of, say, an int. */
        buf_text(out, "''");
        return;
    }
    bool quoted = type->kind == CQL_TIMESTAMP || type->kind == CQL_DATE || type->kind == CQL_TIME ||
                  type->kind == CQL_INET;
    if (quoted)
        buf_char(out, '\'');
    size_t before = out->bytes;
    simple_print(type, value, false, out);
    if (type->kind == CQL_DURATION && out->bytes == before)
        buf_text(out, "0s");
    if (quoted)
        buf_char(out, '\'');
}

/* ---- JSON ---- */

/* What stands between the quotes. */
static void json_escape(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        static const char shorts[] = "b\bf\fn\nr\rt\t";
        const char *found = c < 0x20 && c ? strchr(shorts, c) : NULL;
        if (c == '"' || c == '\\') {
            buf_char(out, '\\');
            buf_char(out, (char)c);
        } else if (found) {
            buf_char(out, '\\');
            buf_char(out, found[-1]);
        } else if (c < 0x20) {
            buf_printf(out, "\\u%04X", c);
        } else {
            buf_char(out, (char)c);
        }
    }
}

static void json_text(struct str text, struct buf *out)
{
    buf_char(out, '"');
    json_escape(text, out);
    buf_char(out, '"');
}

/* A map's key: what is no string yet is put between quotes. */
static void json_key(const struct cql_type *type, struct str key, struct buf *out)
{
    struct buf text = {0};
    cql_value_print_json(type, key, &text);
    if (text.bytes && text.ptr[0] == '"')
        buf_str_append(out, buf_str(&text));
    else
        json_text(buf_str(&text), out);
    buf_deinit(&text);
}

static void json_field(struct str name, struct buf *out)
{
    bool upper = false;
    for (size_t i = 0; i < name.bytes; i++)
        upper |= name.ptr[i] >= 'A' && name.ptr[i] <= 'Z';
    buf_text(out, upper ? "\"\\\"" : "\"");
    json_escape(name, out);
    buf_text(out, upper ? "\\\"\"" : "\"");
}

static void json_elements(const struct cql_type *type, struct str value, struct buf *out)
{
    struct cql_elements it;
    struct str element;
    bool map = type->kind == CQL_MAP, fields = type->kind == CQL_TUPLE || type->kind == CQL_UDT;
    bool object = map || type->kind == CQL_UDT;
    if (cql_elements_init(&it, type, value) != OK)
        return;
    buf_char(out, object ? '{' : '[');
    for (uint32_t i = 0; cql_elements_next(&it, &element); i++) {
        bool behind_key = map && i % 2;
        if (i)
            buf_text(out, behind_key ? ": " : ", ");
        if (type->kind == CQL_UDT) {
            json_field(type->names[i], out);
            buf_text(out, ": ");
        }
        if (map && !behind_key)
            json_key(type->items[0], element, out);
        else
            cql_value_print_json(type->items[fields ? i : behind_key ? 1 : 0], element, out);
    }
    buf_char(out, object ? '}' : ']');
}

void cql_value_print_json(const struct cql_type *type, struct str value, struct buf *out)
{
    if (!value.ptr) {
        buf_text(out, "null");
        return;
    }
    if (cql_type_is_lexical_uuid(type))
        type = cql_simple(CQL_UUID);
    if (cql_value_check(type, value, NULL) != OK || type->kind == CQL_CUSTOM) {
        buf_char(out, '"');
        hex_literal(value, out);
        buf_char(out, '"');
        return;
    }
    if (is_text(type)) {
        json_text(value, out);
        return;
    }
    if (type->items) {
        json_elements(type, value, out);
        return;
    }
    if (!value.bytes && type->kind != CQL_BLOB) {
        buf_text(out, "\"\"");
        return;
    }
    size_t before = out->bytes;
    switch (type->kind) {
    case CQL_FLOAT:
    case CQL_DOUBLE:
        simple_print(type, value, true, out);
        /* NaN, Infinity: JSON has no such numbers. */
        if (buf_error(out) == OK &&
            (out->ptr[out->bytes - 1] == 'N' || out->ptr[out->bytes - 1] == 'y')) {
            buf_truncate(out, before);
            buf_text(out, "null");
        }
        return;
    case CQL_BLOB:
    case CQL_UUID:
    case CQL_TIMEUUID:
    case CQL_INET:
    case CQL_TIMESTAMP:
    case CQL_DATE:
    case CQL_TIME:
    case CQL_DURATION:
        buf_char(out, '"');
        simple_print(type, value, true, out);
        buf_char(out, '"');
        return;
    default:
        simple_print(type, value, true, out);
        return;
    }
}
