/* SPDX-License-Identifier: MIT */
/*
 * Text of a simple type to the bytes of its value, as literals and fromJson() give it.
 *
 * Refusals are in the words of Cassandra's types. A blob is hex digits, with or without 0x in
 * front. An internet address is four decimal numbers or RFC 4291's forms; names are not resolved.
 * An address of the form ::ffff:a.b.c.d becomes four bytes, as in Java.
 */
#include "base/endian.h"
#include "wire/cql/private.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.bytes; i++)
        if ((signed char)text.ptr[i] < 0)
            return false;
    return true;
}

/* Days as a number, not a date. */
static bool is_whole(struct str text)
{
    size_t i = text.bytes && text.ptr[0] == '-';
    size_t from = i;
    while (i < text.bytes && text.ptr[i] >= '0' && text.ptr[i] <= '9')
        i++;
    return i == text.bytes && i > from;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cql_uuid_parse(struct str text, uint8_t ret_bytes[16])
{
    if (text.bytes != 36)
        return false;
    uint8_t bytes[16];
    size_t n = 0;
    for (size_t i = 0; i < 36;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.ptr[i++] != '-')
                return false;
            continue;
        }
        int high = hex_digit(text.ptr[i]), low = hex_digit(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[n++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    memcpy(ret_bytes, bytes, 16);
    return true;
}

static enum err no_value(struct diag *diag, const char *what, struct str text)
{
    return diag_set(diag, ERR_INVALID, 0, 0, "%s '%.*s'", what,
                    (int)(text.bytes < 300 ? text.bytes : 300), text.bytes ? text.ptr : "");
}

static enum err integer_from_text(struct str text, unsigned bytes, const char *name,
                                  struct buf *out, struct diag *diag)
{
    int64_t value;
    int64_t max = bytes == 8 ? INT64_MAX : ((int64_t)1 << (8 * bytes - 1)) - 1;
    if (str_to_i64(text, &value) != OK || value > max || value < -max - 1) {
        char what[40];
        snprintf(what, sizeof what, "Unable to make %s from", name);
        return no_value(diag, what, text);
    }
    uint8_t big[8];
    put_be64(big, (uint64_t)value);
    buf_append(out, big + 8 - bytes, bytes);
    return buf_error(out);
}

static enum err float_from_text(struct str text, bool single, struct buf *out, struct diag *diag)
{
    double value = 0;
    float narrow = 0;
    struct str bare = text.bytes && text.ptr[0] == '-' ? str_slice(text, 1, text.bytes) : text;
    if (str_equal_nocase(bare, STR("NaN")) || str_equal_nocase(bare, STR("Infinity"))) {
        value = (bare.ptr[0] | 0x20) == 'n' ? NAN : INFINITY;
        if (bare.bytes != text.bytes)
            value = -value;
        /* Java knows one NaN. */
        narrow = isnan(value) ? NAN : (float)value;
        value = isnan(value) ? NAN : value;
    } else if (str_to_f64(text, &value) != OK) {
        return no_value(diag, single ? "Unable to make float from" : "Unable to make double from",
                        text);
    } else if (single) {
        /* Not by way of the double, which would round twice. */
        char copy[512];
        memcpy(copy, text.ptr, text.bytes);
        copy[text.bytes] = 0;
        narrow = strtof(copy, NULL);
    }
    if (single) {
        uint32_t bits;
        memcpy(&bits, &narrow, 4);
        buf_be32(out, bits);
    } else {
        uint64_t bits;
        memcpy(&bits, &value, 8);
        buf_be64(out, bits);
    }
    return buf_error(out);
}

static enum err blob_from_text(struct str text, struct buf *out, struct diag *diag)
{
    struct str hex = text;
    if (hex.bytes >= 2 && hex.ptr[0] == '0' && (hex.ptr[1] | 0x20) == 'x')
        hex = str_slice(hex, 2, hex.bytes);
    uint8_t *to = buf_reserve(out, hex.bytes / 2 + 1);
    if (!to)
        return buf_error(out);
    for (size_t i = 0; i + 1 < hex.bytes || i < hex.bytes; i += 2) {
        int high = hex_digit(hex.ptr[i]), low = i + 1 < hex.bytes ? hex_digit(hex.ptr[i + 1]) : -1;
        if (high < 0 || low < 0)
            return diag_set(diag, ERR_INVALID, 0, 0, "cannot parse '%.*s' as hex bytes",
                            (int)(text.bytes < 300 ? text.bytes : 300), text.ptr);
        to[i / 2] = (uint8_t)(high << 4 | low);
    }
    buf_advance(out, hex.bytes / 2);
    return OK;
}

static enum err uuid_from_text(const struct cql_type *type, struct str text, struct buf *out,
                               struct diag *diag)
{
    uint8_t bytes[16];
    if (!cql_uuid_parse(text, bytes))
        return type->kind == CQL_UUID
                   ? no_value(diag, "Unable to make UUID from", text)
                   : diag_set(diag, ERR_INVALID, 0, 0, "Unknown timeuuid representation: %.*s",
                              (int)(text.bytes < 300 ? text.bytes : 300), text.ptr);
    if (type->kind == CQL_TIMEUUID && bytes[6] >> 4 != 1)
        return diag_set(diag, ERR_INVALID, 0, 0, "TimeUUID supports only version 1 UUIDs");
    buf_append(out, bytes, 16);
    return buf_error(out);
}

static enum err inet_from_text(struct str text, struct buf *out, struct diag *diag)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    char copy[INET6_ADDRSTRLEN + 1];
    uint8_t bytes[16];
    if (text.bytes && text.bytes < sizeof copy && !memchr(text.ptr, 0, text.bytes)) {
        memcpy(copy, text.ptr, text.bytes);
        copy[text.bytes] = 0;
        if (inet_pton(AF_INET, copy, bytes) == 1) {
            buf_append(out, bytes, 4);
            return buf_error(out);
        }
        if (inet_pton(AF_INET6, copy, bytes) == 1) {
            bool four = memcmp(bytes, mapped, sizeof mapped) == 0;
            buf_append(out, four ? bytes + 12 : bytes, four ? 4 : 16);
            return buf_error(out);
        }
    }
    return no_value(diag, "Unable to make inet address from", text);
}

static enum err boolean_from_text(struct str text, struct buf *out, struct diag *diag)
{
    bool yes = str_equal_nocase(text, STR("true"));
    if (!yes && text.bytes && !str_equal_nocase(text, STR("false")))
        return no_value(diag, "Unable to make boolean from", text);
    buf_u8(out, yes);
    return buf_error(out);
}

static enum err times_from_text(const struct cql_type *type, struct str text, struct buf *out,
                                struct diag *diag)
{
    int64_t wide;
    uint32_t days;
    enum err err;
    switch (type->kind) {
    case CQL_TIMESTAMP:
        if (cql_timestamp_parse(text, &wide) != OK)
            return no_value(diag, "Unable to parse a date/time from", text);
        buf_be64(out, (uint64_t)wide);
        return buf_error(out);
    case CQL_DATE:
        err = cql_date_parse(text, &days);
        if (err == ERR_OUT_OF_RANGE)
            return is_whole(text) ? diag_set(diag, ERR_INVALID, 0, 0,
                                             "Unable to make unsigned int (for date) from: '%.*s'",
                                             STR_ARG(text))
                                  : diag_set(diag, ERR_INVALID, 0, 0, "Input out of bounds: %.*s",
                                             STR_ARG(text));
        if (err != OK)
            return diag_set(diag, ERR_INVALID, 0, 0,
                            "Unable to coerce '%.*s' to a formatted date (long)", STR_ARG(text));
        buf_be32(out, days);
        return buf_error(out);
    case CQL_TIME:
        err = cql_time_parse(text, &wide);
        if (err == ERR_OUT_OF_RANGE && str_to_i64(text, &wide) != OK)
            return diag_set(diag, ERR_INVALID, 0, 0, "Unable to make long (for time) from: '%.*s'",
                            STR_ARG(text));
        if (err == ERR_OUT_OF_RANGE)
            return diag_set(diag, ERR_INVALID, 0, 0, "Input long out of bounds: %.*s",
                            STR_ARG(text));
        if (err != OK)
            return diag_set(diag, ERR_INVALID, 0, 0,
                            "(TimeType) Unable to coerce '%.*s' to a formatted time (long)",
                            STR_ARG(text));
        buf_be64(out, (uint64_t)wide);
        return buf_error(out);
    default: {
        struct cql_duration duration;
        TRY(cql_duration_parse(text, &duration, diag));
        cql_duration_append(&duration, out);
        return buf_error(out);
    }
    }
}

/* "1:a\:b": fields between colons, @ for null, a backslash before what is meant as it stands. */
static enum err tuple_from_text(const struct cql_type *type, struct str text, struct buf *out,
                                struct diag *diag)
{
    CLEAN(buf_deinit) struct buf field = {0};
    size_t at = 0, count = 1, fields = 0;
    for (size_t i = 0; i < text.bytes; i++)
        count += text.ptr[i] == ':' && (i == 0 || text.ptr[i - 1] != '\\');
    if (count > type->count) {
        struct buf name = {0};
        cql_type_print(type, &name);
        enum err err = diag_set(diag, ERR_INVALID, 0, 0,
                                "Invalid tuple literal: too many elements. Type %.*s expects %u "
                                "but got %zu",
                                STR_ARG(buf_str(&name)), type->count, count);
        buf_deinit(&name);
        return err;
    }
    for (; fields < count; fields++) {
        buf_reset(&field);
        size_t from = at;
        for (; at < text.bytes && text.ptr[at] != ':'; at++) {
            bool escape = text.ptr[at] == '\\' && at + 1 < text.bytes &&
                          (text.ptr[at + 1] == ':' || text.ptr[at + 1] == '@');
            at += escape;
            buf_char(&field, text.ptr[at]);
        }
        bool null = str_equal(str_slice(text, from, at), STR("@"));
        at++;
        size_t place = out->bytes;
        buf_be32(out, UINT32_MAX);
        if (null)
            continue;
        TRY(cql_value_from_text(type->items[fields], buf_str(&field), out, diag));
        TRY(buf_error(out));
        put_be32(out->ptr + place, (uint32_t)(out->bytes - place - 4));
    }
    return buf_error(out);
}

enum err cql_value_from_text(const struct cql_type *type, struct str text, struct buf *out,
                             struct diag *diag)
{
    size_t before = out->bytes;
    enum err err = OK;
    if (cql_type_is_composite(type))
        return cql_composite_from_text(type, text, out, diag);
    if (cql_type_is_lexical_uuid(type))
        return cql_uuid_parse(text, (uint8_t[16]){0})
                   ? uuid_from_text(type, text, out, diag)
                   : no_value(diag, "unable to make UUID from", text);
    switch (type->kind) {
    case CQL_ASCII:
    case CQL_TEXT:
        if (type->kind == CQL_ASCII && !is_ascii(text))
            return diag_set(diag, ERR_INVALID, 0, 0, "Invalid ASCII character in string literal");
        TRY(cql_value_check(type, str_from(text.ptr ? text.ptr : "", text.bytes), diag));
        buf_str_append(out, text);
        return buf_error(out);
    case CQL_BIGINT:
    case CQL_COUNTER:
        return integer_from_text(text, 8, "long", out, diag);
    case CQL_INT:
        return integer_from_text(text, 4, "int", out, diag);
    case CQL_SMALLINT:
        return integer_from_text(text, 2, "short", out, diag);
    case CQL_TINYINT:
        return integer_from_text(text, 1, "byte", out, diag);
    case CQL_BLOB:
        return blob_from_text(text, out, diag);
    case CQL_TUPLE:
        return tuple_from_text(type, text, out, diag);
    case CQL_BOOLEAN:
        return boolean_from_text(text, out, diag);
    case CQL_DECIMAL:
        err = cql_decimal_from_text(text, out);
        if (err != OK)
            buf_truncate(out, before);
        return err == OK || err == ERR_LIMIT
                   ? err
                   : no_value(diag, "unable to make BigDecimal from", text);
    case CQL_VARINT:
        err = cql_varint_from_text(text, out);
        return err == OK || err == ERR_LIMIT ? err
                                             : no_value(diag, "unable to make int from", text);
    case CQL_DOUBLE:
    case CQL_FLOAT:
        return float_from_text(text, type->kind == CQL_FLOAT, out, diag);
    case CQL_UUID:
    case CQL_TIMEUUID:
        return uuid_from_text(type, text, out, diag);
    case CQL_INET:
        return inet_from_text(text, out, diag);
    case CQL_TIMESTAMP:
    case CQL_DATE:
    case CQL_TIME:
    case CQL_DURATION:
        return times_from_text(type, text, out, diag);
    default: {
        struct buf name = {0};
        cql_type_print(type, &name);
        err = diag_set(diag, ERR_INVALID, 0, 0, "A text cannot be a value of type %.*s",
                       STR_ARG(buf_str(&name)));
        buf_deinit(&name);
        return err;
    }
    }
}
