/* SPDX-License-Identifier: MIT */
/*
 * Which type two values meet in, and which parameter an argument fits: Spark's ANSI coercion
 * (AnsiTypeCoercion), and the older one for sessions with spark.sql.ansi.enabled = false.
 *
 *  ANSI precedence: TINYINT SMALLINT INT BIGINT DECIMAL FLOAT DOUBLE; FLOAT meeting an integer or
 *  a decimal gives DOUBLE. Text meeting an integer gives BIGINT, a fraction DOUBLE, any other
 *  simple type that type. DATE meets timestamps as the timestamp.
 */
#include "query/func/kernel.h"

const char *type_text(struct arena *arena, const struct type *type)
{
    struct buf buf;
    buf_init(&buf, 4096);
    type_print_sql(type, &buf);
    char *text = arena_text(arena, buf_str(&buf));
    buf_deinit(&buf);
    return text;
}

const struct type *type_decimal_of(struct arena *arena, const struct type *type)
{
    switch (type->kind) {
    case TYPE_TINYINT:
        return type_decimal(arena, 3, 0);
    case TYPE_SMALLINT:
        return type_decimal(arena, 5, 0);
    case TYPE_INT:
        return type_decimal(arena, 10, 0);
    case TYPE_BIGINT:
        return type_decimal(arena, 20, 0);
    case TYPE_FLOAT:
        return type_decimal(arena, 14, 7);
    case TYPE_DOUBLE:
        return type_decimal(arena, 30, 15);
    default:
        return type;
    }
}

const struct type *type_decimal_fit(struct arena *arena, int precision, int scale)
{
    if (precision > 38) {
        int whole = precision - scale;
        int kept = scale < 6 ? scale : 6;
        scale = 38 - whole > kept ? 38 - whole : kept;
        precision = 38;
    }
    return type_decimal(arena, (unsigned)precision, (unsigned)scale);
}

/* Both kept whole when 38 digits suffice; else the whole digits win (Spark's boundedPreferIntegral
 * rule for the wider decimal). */
static const struct type *decimal_common(struct arena *arena, const struct type *a,
                                         const struct type *b)
{
    int scale = a->scale > b->scale ? a->scale : b->scale;
    int whole_a = a->precision - a->scale, whole_b = b->precision - b->scale;
    int whole = whole_a > whole_b ? whole_a : whole_b;
    if (whole + scale > 38) {
        scale = whole >= 38 ? 0 : 38 - whole;
        whole = whole > 38 ? 38 : whole;
    }
    return type_decimal(arena, (unsigned)(whole + scale), (unsigned)scale);
}

static const struct type *numeric_common(struct arena *arena, const struct type *a,
                                         const struct type *b, bool ansi)
{
    if (a->kind == TYPE_DECIMAL || b->kind == TYPE_DECIMAL) {
        if (kind_is_float(a->kind) || kind_is_float(b->kind))
            return type_simple(TYPE_DOUBLE);
        return decimal_common(arena, type_decimal_of(arena, a), type_decimal_of(arena, b));
    }
    enum type_kind wide = a->kind > b->kind ? a->kind : b->kind;
    if (wide == TYPE_FLOAT && a->kind != b->kind && ansi)
        wide = TYPE_DOUBLE;
    return type_simple(wide);
}

static const struct type *text_common(const struct type *other, bool ansi)
{
    if (!ansi)
        return other->kind == TYPE_BINARY || other->kind == TYPE_BOOLEAN || type_is_nested(other)
                   ? NULL
                   : type_simple(TYPE_STRING);
    if (kind_is_integral(other->kind))
        return type_simple(TYPE_BIGINT);
    if (kind_is_numeric(other->kind))
        return type_simple(TYPE_DOUBLE);
    if (other->kind == TYPE_INTERVAL_DT || other->kind == TYPE_INTERVAL_YM ||
        other->kind == TYPE_INTERVAL || type_is_nested(other))
        return NULL;
    return other;
}

/* A text that is cast may become NULL, which no key of a map may be. */
static bool keeps_keys(const struct type *map, const struct field *common)
{
    return map->fields[0].type->kind != TYPE_STRING || common->type->kind == TYPE_STRING ||
           common->type->kind == TYPE_BINARY;
}

static const struct type *struct_common(struct arena *arena, const struct type *a,
                                        const struct type *b, const struct query_session *session)
{
    if (a->field_count != b->field_count)
        return NULL;
    struct field *fields = arena_array(arena, a->field_count, sizeof *fields);
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (a->kind == TYPE_STRUCT && !str_equal_nocase(a->fields[i].name, b->fields[i].name))
            return NULL;
        fields[i] = a->fields[i];
        fields[i].not_null = a->fields[i].not_null && b->fields[i].not_null;
        fields[i].type = type_common(arena, a->fields[i].type, b->fields[i].type, session);
        if (!fields[i].type)
            return NULL;
        if (a->kind == TYPE_MAP && i == 0 && !(keeps_keys(a, fields) && keeps_keys(b, fields)))
            return NULL;
    }
    if (a->kind == TYPE_ARRAY)
        return type_array(arena, fields[0].type, !fields[0].not_null);
    if (a->kind == TYPE_MAP)
        return type_map(arena, fields[0].type, fields[1].type, !fields[1].not_null);
    return type_struct(arena, fields, a->field_count);
}

static const struct type *interval_common(struct arena *arena, const struct type *a,
                                          const struct type *b)
{
    struct type *type = arena_zero(arena, sizeof *type);
    type->kind = a->kind;
    type->precision = a->precision < b->precision ? a->precision : b->precision;
    type->scale = a->scale > b->scale ? a->scale : b->scale;
    return type;
}

const struct type *type_common(struct arena *arena, const struct type *a, const struct type *b,
                               const struct query_session *session)
{
    if (a->kind == TYPE_NULL)
        return b;
    if (b->kind == TYPE_NULL)
        return a;
    if (kind_is_numeric(a->kind) && kind_is_numeric(b->kind))
        return numeric_common(arena, a, b, session->ansi);
    if (type_equal(a, b) && !type_is_nested(a))
        return a;
    if (a->kind == b->kind && type_is_nested(a))
        return struct_common(arena, a, b, session);
    if (a->kind == b->kind && (a->kind == TYPE_INTERVAL_DT || a->kind == TYPE_INTERVAL_YM))
        return interval_common(arena, a, b);
    if (a->kind == TYPE_DATE && kind_is_instant(b->kind))
        return b;
    if (b->kind == TYPE_DATE && kind_is_instant(a->kind))
        return a;
    if (kind_is_instant(a->kind) && kind_is_instant(b->kind))
        return type_simple(TYPE_TIMESTAMP);
    if (a->kind == TYPE_STRING)
        return text_common(b, session->ansi);
    if (b->kind == TYPE_STRING)
        return text_common(a, session->ansi);
    return NULL;
}

/* What ANSI lets a value be stored as without being asked (Cast.canANSIStoreAssign). */
static bool can_store(const struct type *from, const struct type *to)
{
    if (type_equal(from, to) || from->kind == TYPE_NULL)
        return true;
    if (kind_is_numeric(from->kind) && kind_is_numeric(to->kind))
        return true;
    if (to->kind == TYPE_STRING)
        return !type_is_nested(from);
    bool from_time = from->kind == TYPE_DATE || kind_is_instant(from->kind);
    bool to_time = to->kind == TYPE_DATE || kind_is_instant(to->kind);
    if (from_time && to_time)
        return true;
    if (from->kind == to->kind &&
        (from->kind == TYPE_INTERVAL_DT || from->kind == TYPE_INTERVAL_YM))
        return true;
    if (from->kind != to->kind || !type_is_nested(from) || from->field_count != to->field_count)
        return false;
    for (uint32_t i = 0; i < from->field_count; i++)
        if (!can_store(from->fields[i].type, to->fields[i].type))
            return false;
    return true;
}

const struct type *type_implicit(struct func_bind *bind, size_t i, const struct type *to)
{
    const struct type *from = bind->args[i].type;
    if (type_equal(from, to))
        return from;
    if (from->kind == TYPE_STRING && !type_is_nested(to))
        return to;
    return can_store(from, to) ? to : NULL;
}

const struct type *type_tightest(struct func_bind *bind, const struct type *a, const struct type *b)
{
    bool texts = (a->kind == TYPE_STRING) != (b->kind == TYPE_STRING);
    if (texts && a->kind != TYPE_NULL && b->kind != TYPE_NULL)
        return NULL;
    return type_common(bind->arena, a, b, bind->session);
}
