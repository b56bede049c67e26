/* SPDX-License-Identifier: MIT */
/*
 * Values: are these bytes one, and which of two comes first.
 *
 * cql_value_check() says no in the words of Cassandra's serializers, since clients' tests look for
 * them. Empty bytes are a value of most simple types (not of the later ones: smallint, tinyint,
 * date, time). Composite values are walked to the end of every element; nesting is that of the type
 * and so bounded.
 *
 * The order is Cassandra's, not the one of the bytes: floats as Java (-0.0 < 0.0, NaN last), uuids
 * by version and then time, timeuuids by time and then by signed bytes, decimals and varints as
 * numbers, booleans, blobs, dates and addresses by bytes, lists element by element.
 */
#include "base/check.h"
#include "wire/cql/private.h"

/* ---- check ---- */

static enum err refuse_bytes(struct diag *diag, const char *format, size_t bytes)
    __attribute__((format(printf, 2, 0)));
static enum err refuse_bytes(struct diag *diag, const char *format, size_t bytes)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return diag_set(diag, ERR_INVALID, 0, 0, format, bytes);
#pragma GCC diagnostic pop
}

static enum err check_ascii(struct str value, struct diag *diag)
{
    for (size_t i = 0; i < value.bytes; i++)
        if ((signed char)value.ptr[i] < 0)
            return diag_set(diag, ERR_INVALID, 0, 0, "Invalid byte for ascii: %d",
                            (int)(signed char)value.ptr[i]);
    return OK;
}

static enum err check_uuid(const struct cql_type *type, struct str value, struct diag *diag)
{
    if (value.bytes != 16 && value.bytes)
        return refuse_bytes(diag, "UUID should be 16 or 0 bytes (%zu)", value.bytes);
    if (type->kind == CQL_TIMEUUID && value.bytes && ((uint8_t)value.ptr[6] & 0xF0) != 0x10)
        return diag_set(diag, ERR_INVALID, 0, 0, "Invalid version for TimeUUID type.");
    return OK;
}

static enum err check_duration(struct str value, struct diag *diag)
{
    if (value.bytes < 3)
        return refuse_bytes(diag, "Expected at least 3 bytes for a duration (%zu)", value.bytes);
    int64_t parts[3];
    if (!cql_duration_read(value, parts))
        return diag_set(diag, ERR_INVALID, 0, 0, "Not enough bytes to read a duration");
    static const char *const names[] = {"months", "days"};
    for (int i = 0; i < 2; i++)
        if (parts[i] < INT32_MIN || parts[i] > INT32_MAX)
            return diag_set(diag, ERR_INVALID, 0, 0,
                            "The duration %s must be a 32 bits integer but was: %lld", names[i],
                            (long long)parts[i]);
    bool below = parts[0] < 0 || parts[1] < 0 || parts[2] < 0;
    bool above = parts[0] > 0 || parts[1] > 0 || parts[2] > 0;
    if (below && above)
        return diag_set(diag, ERR_INVALID, 0, 0,
                        "The duration months, days and nanoseconds must be all of the same sign "
                        "(%lld, %lld, %lld)",
                        (long long)parts[0], (long long)parts[1], (long long)parts[2]);
    return OK;
}

static enum err check_elements(const struct cql_type *type, struct str value, struct diag *diag)
{
    const char *what = type->kind == CQL_LIST     ? "list"
                       : type->kind == CQL_SET    ? "set"
                       : type->kind == CQL_MAP    ? "map"
                       : type->kind == CQL_UDT    ? "UDT"
                       : type->kind == CQL_VECTOR ? "vector"
                                                  : "tuple";
    bool fields = type->kind == CQL_TUPLE || type->kind == CQL_UDT;
    struct cql_elements it;
    if (cql_elements_init(&it, type, value) != OK)
        return diag_set(diag, ERR_INVALID, 0, 0, "Not enough bytes to read a %s", what);
    struct str element;
    while (cql_elements_next(&it, &element)) {
        if (!element.ptr && fields)
            continue;
        if (!element.ptr && type->kind != CQL_VECTOR)
            return diag_set(diag, ERR_INVALID, 0, 0, "Null value read when not allowed");
        uint32_t at = fields ? it.index - 1 : type->count == 2 ? (it.index - 1) % 2 : 0;
        TRY(cql_value_check(type->items[at], element, diag));
    }
    if (it.reader.err != OK && fields)
        return diag_set(diag, ERR_INVALID, 0, 0, "Not enough bytes to read %uth component",
                        it.index);
    if (it.reader.err != OK)
        return diag_set(diag, ERR_INVALID, 0, 0, "Not enough bytes to read a %s", what);
    if (it.reader.left && fields)
        return diag_set(diag, ERR_INVALID, 0, 0, "Invalid remaining data after end of %s value",
                        what);
    if (it.reader.left)
        return diag_set(diag, ERR_INVALID, 0, 0, "Unexpected extraneous bytes after %s value",
                        what);
    return OK;
}

struct size_rule {
    size_t bytes;
    bool or_empty;
    const char *words;
};
static const struct size_rule size_rules[] = {
    [CQL_BIGINT] = {8, true, "Expected 8 or 0 byte long (%zu)"},
    [CQL_COUNTER] = {8, true, "Expected 8 or 0 byte long (%zu)"},
    [CQL_INT] = {4, true, "Expected 4 or 0 byte int (%zu)"},
    [CQL_SMALLINT] = {2, false, "Expected 2 bytes for a smallint (%zu)"},
    [CQL_TINYINT] = {1, false, "Expected 1 byte for a tinyint (%zu)"},
    [CQL_BOOLEAN] = {1, true, "Expected 1 or 0 byte value (%zu)"},
    [CQL_FLOAT] = {4, true, "Expected 4 or 0 byte value for a float (%zu)"},
    [CQL_DOUBLE] = {8, true, "Expected 8 or 0 byte value for a double (%zu)"},
    [CQL_TIMESTAMP] = {8, true, "Expected 8 or 0 byte long for date (%zu)"},
    [CQL_DATE] = {4, false, "Expected 4 byte long for date (%zu)"},
    [CQL_TIME] = {8, false, "Expected 8 byte long for time (%zu)"},
};

enum err cql_value_check(const struct cql_type *type, struct str value, struct diag *diag)
{
    if (!value.ptr)
        return OK;
    if ((size_t)type->kind < sizeof size_rules / sizeof size_rules[0] &&
        size_rules[type->kind].words) {
        const struct size_rule *rule = &size_rules[type->kind];
        if (value.bytes == rule->bytes || (!value.bytes && rule->or_empty))
            return OK;
        return refuse_bytes(diag, rule->words, value.bytes);
    }
    switch (type->kind) {
    case CQL_ASCII:
        return check_ascii(value, diag);
    case CQL_TEXT:
        return str_is_utf8(value) ? OK
                                  : diag_set(diag, ERR_INVALID, 0, 0, "String didn't validate.");
    case CQL_UUID:
    case CQL_TIMEUUID:
        return check_uuid(type, value, diag);
    case CQL_INET: {
        if (!value.bytes || value.bytes == 4 || value.bytes == 16)
            return OK;
        struct buf hex = {0};
        cql_hex_print(str_slice(value, 0, 64), &hex);
        enum err err =
            diag_set(diag, ERR_INVALID, 0, 0, "Expected 4 or 16 byte inetaddress; got %.*s",
                     STR_ARG(buf_str(&hex)));
        buf_deinit(&hex);
        return err;
    }
    case CQL_DECIMAL:
        if (value.bytes && value.bytes < 4)
            return refuse_bytes(diag, "Expected 0 or at least 4 bytes (%zu)", value.bytes);
        return OK;
    case CQL_DURATION:
        return check_duration(value, diag);
    case CQL_EMPTY:
        return value.bytes ? diag_set(diag, ERR_INVALID, 0, 0, "EmptyType only accept empty values")
                           : OK;
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP:
    case CQL_TUPLE:
    case CQL_UDT:
    case CQL_VECTOR:
        return check_elements(type, value, diag);
    case CQL_CUSTOM:
        if (cql_type_is_lexical_uuid(type))
            return check_uuid(type, value, diag);
        return cql_type_is_composite(type) ? cql_composite_check(type, value, diag) : OK;
    default: /* blob, varint */
        return OK;
    }
}

/* ---- order ---- */

static int order_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int order_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int64_t signed_at(struct str value)
{
    switch (value.bytes) {
    case 1:
        return (int8_t)value.ptr[0];
    case 2:
        return (int16_t)get_be16(value.ptr);
    case 4:
        return (int32_t)get_be32(value.ptr);
    default:
        return (int64_t)get_be64(value.ptr);
    }
}

/* Bits of a float such that their order as signed numbers is Java's. */
static int64_t float_order(struct str value)
{
    if (value.bytes == 4) {
        uint32_t bits = get_be32(value.ptr);
        if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
            bits = 0x7FC00000u;
        return bits >> 31 ? (int32_t)(bits ^ 0x7FFFFFFFu) : (int32_t)bits;
    }
    uint64_t bits = get_be64(value.ptr);
    if ((bits & INT64_MAX) > 0x7FF0000000000000u)
        bits = 0x7FF8000000000000u;
    return bits >> 63 ? (int64_t)(bits ^ INT64_MAX) : (int64_t)bits;
}

/* The time of a uuid of version 1, with the version in the highest bits. */
static uint64_t uuid_time(uint64_t msb)
{
    return msb << 48 | (msb << 16 & 0xFFFF00000000u) | msb >> 32;
}

static int order_uuid(struct str a, struct str b, bool timeuuid)
{
    uint64_t x = get_be64(a.ptr), y = get_be64(b.ptr);
    uint64_t low_x = get_be64(a.ptr + 8), low_y = get_be64(b.ptr + 8);
    uint64_t version_x = x >> 12 & 15, version_y = y >> 12 & 15;
    int order;
    if (timeuuid) {
        order = order_i64((int64_t)uuid_time(x), (int64_t)uuid_time(y));
        /* The rest byte by byte, as signed numbers. */
        uint64_t flip = 0x0080808080808080u;
        return order ? order : order_i64((int64_t)(low_x ^ flip), (int64_t)(low_y ^ flip));
    }
    if (version_x != version_y)
        return version_x < version_y ? -1 : 1;
    order = version_x == 1 ? order_u64(uuid_time(x), uuid_time(y)) : order_u64(x, y);
    return order ? order : order_u64(low_x, low_y);
}

static int order_elements(const struct cql_type *type, struct str a, struct str b)
{
    struct cql_elements left, right;
    bool is_a = cql_elements_init(&left, type, a) == OK;
    bool is_b = cql_elements_init(&right, type, b) == OK;
    if (!is_a || !is_b)
        return is_a != is_b ? (int)is_a - (int)is_b : str_compare(a, b);
    bool fields = type->kind == CQL_TUPLE || type->kind == CQL_UDT;
    struct str x, y;
    for (uint32_t i = 0;; i++) {
        bool more_a = cql_elements_next(&left, &x), more_b = cql_elements_next(&right, &y);
        if (!more_a || !more_b)
            return (int)more_a - (int)more_b;
        uint32_t at = fields ? i : type->count == 2 ? i % 2 : 0;
        int order = cql_value_compare(type->items[at], x, y);
        if (order)
            return order;
    }
}

int cql_value_compare(const struct cql_type *type, struct str a, struct str b)
{
    if (!a.ptr || !b.ptr)
        return (a.ptr != NULL) - (b.ptr != NULL);
    if (!a.bytes || !b.bytes)
        return (a.bytes != 0) - (b.bytes != 0);
    if ((size_t)type->kind < sizeof size_rules / sizeof size_rules[0] &&
        size_rules[type->kind].words) {
        /* Bytes that are no value at all have some order. */
        if (a.bytes != size_rules[type->kind].bytes || b.bytes != size_rules[type->kind].bytes)
            return str_compare(a, b);
        if (type->kind == CQL_BOOLEAN)
            return (a.ptr[0] != 0) - (b.ptr[0] != 0);
        if (type->kind == CQL_DATE)
            return order_u64(get_be32(a.ptr), get_be32(b.ptr));
        if (type->kind == CQL_FLOAT || type->kind == CQL_DOUBLE)
            return order_i64(float_order(a), float_order(b));
        return order_i64(signed_at(a), signed_at(b));
    }
    switch (type->kind) {
    case CQL_UUID:
    case CQL_TIMEUUID:
        if (a.bytes != 16 || b.bytes != 16)
            return (a.bytes == 16) - (b.bytes == 16);
        return order_uuid(a, b, type->kind == CQL_TIMEUUID);
    case CQL_VARINT:
        return cql_varint_compare(a, b);
    case CQL_DECIMAL:
        return cql_decimal_compare(a, b);
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP:
    case CQL_TUPLE:
    case CQL_UDT:
    case CQL_VECTOR:
        return order_elements(type, a, b);
    case CQL_CUSTOM:
        if (cql_type_is_lexical_uuid(type) && a.bytes == 16 && b.bytes == 16)
            return cql_lexical_uuid_compare(a, b);
        return str_compare(a, b);
    default: /* by bytes: text, blob, inet, duration */
        return str_compare(a, b);
    }
}

/* ---- timeuuids ---- */

int64_t cql_timeuuid_ticks(const uint8_t uuid[16])
{
    return (int64_t)(uuid_time(get_be64(uuid)) & 0x0FFFFFFFFFFFFFFFu);
}

int64_t cql_timeuuid_unix_ms(const uint8_t uuid[16])
{
    /* 1582-10-15 is so many 100 ns before 1970. */
    int64_t ticks = cql_timeuuid_ticks(uuid) - 0x01B21DD213814000;
    return ticks >= 0 ? ticks / 10000 : -((-ticks + 9999) / 10000);
}
