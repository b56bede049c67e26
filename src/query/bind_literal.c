/* SPDX-License-Identifier: MIT */
/*
 * Literals, by Spark's rules: 1 is INT, or BIGINT when it does not fit, or DECIMAL; 1.5 is
 * DECIMAL(2,1); 1e3 is DOUBLE; suffixes Y S L F D BD decide otherwise.
 */
#include "query/bind.h"

#include <float.h>

#include "base/zone.h"

enum { DECIMAL_DIGITS_MAX = 38 };

static enum err finish(struct binder *b, const struct ast_node *node, struct builder *builder,
                       struct expr **ret_expr)
{
    struct column *column;
    enum err err = builder_finish(builder, &column);
    builder_free(builder);
    TRY(err);
    *ret_expr = expr_constant_take(b->arena, column, node->line, node->column);
    (*ret_expr)->is_literal = true;
    return OK;
}

static enum err integer(struct binder *b, const struct ast_node *node, enum type_kind kind,
                        int64_t value, struct expr **ret_expr)
{
    struct builder *builder = builder_new(type_simple(kind), 1, 0);
    builder_i64(builder, value);
    return finish(b, node, builder, ret_expr);
}

static enum err out_of_range(struct binder *b, const struct ast_node *node, const char *type)
{
    return bind_error(b, node, "INVALID_NUMERIC_LITERAL_RANGE", "22003",
                      "the number %.*s does not fit %s", STR_ARG(node->text), type);
}

/* "12.50" -> 1250 with precision 4, scale 2. Exponents move the scale. */
static enum err decimal(struct binder *b, const struct ast_node *node, struct str text,
                        struct expr **ret_expr)
{
    size_t digits = 0, scale = 0, e = 0;
    bool point = false, lead = true;
    while (e < text.bytes && (text.ptr[e] | 0x20) != 'e') {
        char c = text.ptr[e++];
        if (c == '.') {
            point = true;
        } else if (c >= '0' && c <= '9') {
            lead = lead && c == '0';
            digits += !lead;
            scale += point;
        }
    }
    int64_t exponent = 0;
    if (e < text.bytes) {
        struct str power = str_slice(text, e + 1, text.bytes);
        if (power.bytes && power.ptr[0] == '+')
            power = str_slice(power, 1, power.bytes);
        if (str_to_i64(power, &exponent) != OK || exponent > 100 || exponent < -100)
            return out_of_range(b, node, "DECIMAL");
    }
    int64_t real_scale = (int64_t)scale - exponent, precision = (int64_t)digits;
    if (real_scale < 0) {
        precision -= real_scale;
        real_scale = 0;
    }
    precision = precision < real_scale ? real_scale : precision;
    precision = precision < 1 ? 1 : precision;
    __int128 value;
    if (precision > DECIMAL_DIGITS_MAX ||
        decimal_parse(text, (unsigned)precision, (unsigned)real_scale, &value) != OK)
        return bind_error(b, node, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "22003",
                          "the number %.*s has more than 38 digits", STR_ARG(node->text));
    struct builder *builder =
        builder_new(type_decimal(b->arena, (unsigned)precision, (unsigned)real_scale), 1, 0);
    builder_i128(builder, value);
    return finish(b, node, builder, ret_expr);
}

static enum err floating(struct binder *b, const struct ast_node *node, struct str text,
                         enum type_kind kind, struct expr **ret_expr)
{
    double value;
    if (str_to_f64(text, &value) != OK || value - value != 0 ||
        (kind == TYPE_FLOAT && (value > FLT_MAX || value < -FLT_MAX)))
        return out_of_range(b, node, kind == TYPE_FLOAT ? "FLOAT" : "DOUBLE");
    struct builder *builder = builder_new(type_simple(kind), 1, 0);
    builder_f64(builder, value);
    return finish(b, node, builder, ret_expr);
}

static enum err suffixed(struct binder *b, const struct ast_node *node, struct str text,
                         char suffix, struct expr **ret_expr)
{
    static const struct {
        char suffix;
        enum type_kind kind;
        const char *name;
        int64_t max;
    } kinds[] = {{'y', TYPE_TINYINT, "TINYINT", INT8_MAX},
                 {'s', TYPE_SMALLINT, "SMALLINT", INT16_MAX},
                 {'l', TYPE_BIGINT, "BIGINT", INT64_MAX}};
    if (suffix == 'f' || suffix == 'd')
        return floating(b, node, text, suffix == 'f' ? TYPE_FLOAT : TYPE_DOUBLE, ret_expr);
    for (size_t i = 0; i < 3; i++) {
        int64_t value;
        if (kinds[i].suffix != suffix)
            continue;
        if (str_to_i64(text, &value) != OK || value > kinds[i].max || value < -kinds[i].max - 1)
            return out_of_range(b, node, kinds[i].name);
        return integer(b, node, kinds[i].kind, value, ret_expr);
    }
    return bind_error(b, node, "INVALID_NUMERIC_LITERAL_RANGE", "22003", "%.*s is no number",
                      STR_ARG(node->text));
}

static enum err number(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct str text = node->text;
    int64_t value;
    char last = (char)(text.ptr[text.bytes - 1] | 0x20);
    if (str_ends(text, STR("BD")) || str_ends(text, STR("bd")) || str_ends(text, STR("Bd")) ||
        str_ends(text, STR("bD")))
        return decimal(b, node, str_slice(text, 0, text.bytes - 2), ret_expr);
    if (last >= 'a' && last <= 'z')
        return suffixed(b, node, str_slice(text, 0, text.bytes - 1), last, ret_expr);
    if (memchr(text.ptr, 'e', text.bytes) || memchr(text.ptr, 'E', text.bytes))
        return floating(b, node, text, TYPE_DOUBLE, ret_expr);
    if (memchr(text.ptr, '.', text.bytes) || str_to_i64(text, &value) != OK)
        return decimal(b, node, text, ret_expr);
    bool fits = value >= INT32_MIN && value <= INT32_MAX;
    return integer(b, node, fits ? TYPE_INT : TYPE_BIGINT, value, ret_expr);
}

/* ---- moments ---- */

/* 'now', 'today' ..: the start of the run, in the session's zone. */
static bool special_moment(const struct query_session *session, struct str text, int64_t *ret_us,
                           int32_t *ret_days)
{
    static const char *const words[] = {"yesterday", "today", "tomorrow", "now", "epoch"};
    struct str word = str_trim(text);
    const struct zone *zone = session->zone ? session->zone : zone_utc();
    for (int i = 0; i < 5; i++) {
        if (!str_equal_nocase(word, str_of(words[i])))
            continue;
        int64_t now = session->now_us;
        int64_t local = now + zone_offset_at(zone, now) * US_PER_SECOND;
        int64_t day = local / US_PER_DAY - (local % US_PER_DAY < 0) + (i < 3 ? i - 1 : 0);
        *ret_days = i == 4 ? 0 : (int32_t)day;
        *ret_us = i == 4 ? 0 : i == 3 ? now : zone_local_to_us(zone, day * US_PER_DAY);
        return true;
    }
    return false;
}

bool expr_special_moment(const struct query_session *session, struct str text, enum type_kind kind,
                         int64_t *ret_value)
{
    int64_t us;
    int32_t days;
    if ((kind != TYPE_DATE && kind != TYPE_TIMESTAMP && kind != TYPE_TIMESTAMP_NTZ) ||
        !special_moment(session, text, &us, &days))
        return false;
    if (kind == TYPE_TIMESTAMP_NTZ && us != 0)
        us += zone_offset_at(session->zone ? session->zone : zone_utc(), us) * US_PER_SECOND;
    *ret_value = kind == TYPE_DATE ? days : us;
    return true;
}

/* "2024-01-01 10:00:00Z", "..+02:00": the same moment whatever the zone around it. */
static bool names_zone(struct str text)
{
    const struct zone *other;
    int64_t here, there;
    return zone_find(STR("+01:00"), &other) == OK &&
           timestamp_parse(text, zone_utc(), &here) == OK &&
           timestamp_parse(text, other, &there) == OK && here == there;
}

static enum err moment(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct str text = node->kids[0]->text, type = node->text;
    const struct zone *zone = b->session->zone ? b->session->zone : zone_utc();
    int64_t us = 0;
    int32_t days = 0;
    bool special = special_moment(b->session, text, &us, &days);
    enum err err = OK;
    enum type_kind kind = TYPE_TIMESTAMP;
    if (str_equal(type, STR("DATE"))) {
        kind = TYPE_DATE;
        err = special ? OK : date_parse(text, &days);
        us = days;
    } else if (str_equal(type, STR("TIMESTAMP_NTZ")) ||
               (b->session->timestamp_ntz && str_equal(type, STR("TIMESTAMP")) &&
                !names_zone(text))) {
        kind = TYPE_TIMESTAMP_NTZ;
        if (special)
            us += zone_offset_at(zone, us) * US_PER_SECOND;
        else
            err = timestamp_ntz_parse(text, &us);
    } else if (!special) {
        err = timestamp_parse(text, zone, &us);
    }
    if (err != OK)
        return bind_error(b, node, "INVALID_TYPED_LITERAL", "42604", "no %.*s: '%.*s'",
                          STR_ARG(type), STR_ARG(text));
    return integer(b, node, kind, us, ret_expr);
}

enum err bind_literal(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct builder *builder;
    switch (node->kind) {
    case AST_NUMBER:
        return number(b, node, ret_expr);
    case AST_TYPED:
        return moment(b, node, ret_expr);
    case AST_STRING:
    case AST_BINARY_LITERAL:
        builder =
            builder_new(type_simple(node->kind == AST_STRING ? TYPE_STRING : TYPE_BINARY), 1, 0);
        builder_str(builder, node->text);
        return finish(b, node, builder, ret_expr);
    case AST_INTERVAL:
        if (b->session->legacy_interval)
            return bind_refuse(b, node, "a calendar interval (spark.sql.legacy.interval.enabled)");
        builder = builder_new(node->type, 1, 0);
        builder_i64(builder, node->value);
        return finish(b, node, builder, ret_expr);
    case AST_NULL:
        *ret_expr = expr_null(b->arena, type_simple(TYPE_NULL), node->line, node->column);
        (*ret_expr)->is_literal = true;
        return OK;
    default:
        *ret_expr = expr_bool(b->arena, node->kind == AST_TRUE, node->line, node->column);
        (*ret_expr)->is_literal = true;
        return OK;
    }
}
