/* SPDX-License-Identifier: MIT */
/*
 * Mathematics: functions of doubles, rounding, signs, bits.
 *
 * round and bround work on decimal digits: a double is rounded through its shortest text as a
 * decimal, HALF_UP or HALF_EVEN, as Spark's BigDecimal does. Logarithms of what has none and roots
 * of negative numbers follow Java and Spark: log(0) and log(-1) are NULL, sqrt(-1) is NaN.
 */
#include "query/func/kernel.h"
#include "query/func/wide.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- one double to one ---- */

struct double_function {
    double (*call)(double x);
    double above; /* NULL at or below it */
};

/* The C library's cbrt(27) is not 3. */
static double cube_root(double x)
{
    return (double)cbrtl((long double)x);
}
static double cot(double x)
{
    return 1 / tan(x);
}
static double csc(double x)
{
    return 1 / sin(x);
}
static double sec(double x)
{
    return 1 / cos(x);
}
static double degrees(double x)
{
    return x * (180.0 / M_PI);
}
static double radians(double x)
{
    return x / 180.0 * M_PI;
}
static double sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}
static double asinh_java(double x)
{
    if (x == -INFINITY)
        return x;
    return log(x + sqrt(x * x + 1.0));
}
static double acosh_java(double x)
{
    return log(x + sqrt(x * x - 1.0));
}
static double atanh_java(double x)
{
    return 0.5 * (log1p(x) - log1p(-x));
}

enum double_index {
    D_SQRT,
    D_CBRT,
    D_EXP,
    D_EXPM1,
    D_LN,
    D_LOG10,
    D_LOG2,
    D_LOG1P,
    D_SIN,
    D_COS,
    D_TAN,
    D_COT,
    D_CSC,
    D_SEC,
    D_ASIN,
    D_ACOS,
    D_ATAN,
    D_SINH,
    D_COSH,
    D_TANH,
    D_ASINH,
    D_ACOSH,
    D_ATANH,
    D_DEGREES,
    D_RADIANS,
    D_RINT,
    D_SIGN,
};
static const struct double_function doubles[] = {
    {sqrt, -INFINITY},
    {cube_root, -INFINITY},
    {exp, -INFINITY},
    {expm1, -INFINITY},
    {log, 0},
    {log10, 0},
    {log2, 0},
    {log1p, -1},
    {sin, -INFINITY},
    {cos, -INFINITY},
    {tan, -INFINITY},
    {cot, -INFINITY},
    {csc, -INFINITY},
    {sec, -INFINITY},
    {asin, -INFINITY},
    {acos, -INFINITY},
    {atan, -INFINITY},
    {sinh, -INFINITY},
    {cosh, -INFINITY},
    {tanh, -INFINITY},
    {asinh_java, -INFINITY},
    {acosh_java, -INFINITY},
    {atanh_java, -INFINITY},
    {degrees, -INFINITY},
    {radians, -INFINITY},
    {rint, -INFINITY},
    {sign, -INFINITY},
};

static enum err double_eval(struct eval *eval, const struct func_binding *binding,
                            const struct column *const *args, uint32_t rows,
                            struct column **ret_column)
{
    const struct double_function *f = &doubles[binding->info->variant];
    struct builder *out = kernel_fixed(binding->result, args, 1, rows);
    for (uint32_t i = 0; i < rows && args[0]->type->kind == TYPE_DOUBLE; i++) {
        if (!kernel_is_valid(out, i))
            continue;
        double x = args[0]->f64[i];
        if (f->above > -INFINITY && x <= f->above)
            kernel_put_null(out, i);
        else
            out->f64[i] = f->call(x);
    }
    return kernel_finish(out, ret_column);
}

/* Intervals have a sign too. */
static enum err signum_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    if (kind != TYPE_INTERVAL_YM && kind != TYPE_INTERVAL_DT)
        return bind_signature(bind);
    bind->out.result = type_simple(TYPE_DOUBLE);
    return OK;
}

static enum err signum_eval(struct eval *eval, const struct func_binding *binding,
                            const struct column *const *args, uint32_t rows,
                            struct column **ret_column)
{
    enum type_kind kind = args[0]->type->kind;
    if (kind != TYPE_INTERVAL_YM && kind != TYPE_INTERVAL_DT)
        return double_eval(eval, binding, args, rows, ret_column);
    struct builder *out = kernel_fixed(binding->result, args, 1, rows);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t x = kernel_is_valid(out, i) ? column_i64(args[0], i) : 0;
        out->f64[i] = (double)((x > 0) - (x < 0));
    }
    return kernel_finish(out, ret_column);
}

/* ---- two doubles ---- */

static double pow_java(double a, double b)
{
    if ((a == 1 || a == -1) && isinf(b)) /* C says 1 */
        return NAN;
    return a == 1 && isnan(b) ? NAN : pow(a, b);
}

enum { B_POWER, B_ATAN2, B_HYPOT, B_LOG };

static void binary_row(struct func_call *call)
{
    double a = call_double(call, 0), b = call->count > 1 ? call_double(call, 1) : 0;
    switch (call->binding->info->variant) {
    case B_POWER:
        builder_f64(call->out, pow_java(a, b));
        break;
    case B_ATAN2:
        builder_f64(call->out, atan2(a + 0.0, b + 0.0));
        break;
    case B_HYPOT:
        builder_f64(call->out, hypot(a, b));
        break;
    default: /* log(x) or log(base, x) */
        if (call->count == 1 ? a <= 0 : a <= 0 || b <= 0)
            builder_null(call->out);
        else
            builder_f64(call->out, call->count == 1 ? log(a) : log(b) / log(a));
        break;
    }
}

static void constant_row(struct func_call *call)
{
    builder_f64(call->out, call->binding->info->variant ? M_PI : M_E);
}

/* ---- sign of any number ---- */

/* always: of an interval, which never wraps round. */
static void negate_overflow(struct func_call *call, bool always)
{
    const char *name = call->binding->info->name;
    bool span = always && strcmp(name, "abs") != 0; /* abs() has no class of its own */
    if (call->eval->session->ansi || always)
        call_fail(call,
                  span ? "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION" : "ARITHMETIC_OVERFLOW",
                  span ? "22015" : STATE_NUMERIC, "%s: the result does not fit", name);
    else
        builder_copy(call->out, call->args[0], call->row);
}

static int64_t lowest_of(enum type_kind kind)
{
    return kind == TYPE_TINYINT    ? INT8_MIN
           : kind == TYPE_SMALLINT ? INT16_MIN
           : kind == TYPE_INT      ? INT32_MIN
                                   : INT64_MIN;
}

enum { S_NEGATIVE, S_POSITIVE, S_ABS };

/* The other sign, which Spark gives at most 34 digits: what is behind them is rounded. */
static void negate_decimal(struct func_call *call, __int128 value)
{
    __int128 whole = value < 0 ? -value : value, unit = 1;
    while (whole / unit >= decimal_power10(34))
        unit *= 10;
    __int128 rest = whole % unit;
    whole /= unit;
    whole += rest * 2 > unit || (rest * 2 == unit && whole % 2);
    __int128 result = whole * unit;
    if (unit > 1 && result >= decimal_power10(call->binding->result->precision))
        call_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION", STATE_NUMERIC,
                  "%s: the result is out of range", call->binding->info->name);
    else
        builder_i128(call->out, value < 0 ? result : -result);
}

static void sign_row(struct func_call *call)
{
    const struct column *c = call->args[0];
    int what = call->binding->info->variant;
    uint32_t row = call->row;
    if (what == S_POSITIVE || c->type->kind == TYPE_NULL) {
        builder_copy(call->out, c, row);
    } else if (c->type->kind == TYPE_DECIMAL) {
        __int128 v = c->i128[row];
        if (what == S_NEGATIVE || v < 0)
            negate_decimal(call, v);
        else
            builder_i128(call->out, v);
    } else if (c->type->kind == TYPE_DOUBLE) {
        builder_f64(call->out, what == S_NEGATIVE ? -c->f64[row] : fabs(c->f64[row]));
    } else if (c->type->kind == TYPE_FLOAT) {
        builder_f64(call->out,
                    what == S_NEGATIVE ? -(double)c->f32[row] : (double)fabsf(c->f32[row]));
    } else if (c->type->kind == TYPE_INTERVAL) {
        struct interval v = c->intervals[row];
        builder_interval(call->out, (struct interval){-v.months, -v.days, -v.us});
    } else {
        int64_t v = column_i64(c, row);
        enum type_kind kind = c->type->kind == TYPE_INTERVAL_YM ? TYPE_INT : c->type->kind;
        if (v == lowest_of(kind))
            negate_overflow(call, !kind_is_integral(c->type->kind));
        else
            builder_i64(call->out, what == S_NEGATIVE || v < 0 ? -v : v);
    }
}

static enum err sign_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    bind->out.result = bind->args[0].type;
    bool span = kind == TYPE_INTERVAL_YM || kind == TYPE_INTERVAL_DT ||
                (kind == TYPE_INTERVAL && bind->info->variant != S_ABS);
    if (kind_is_numeric(kind) || span)
        return OK;
    if (kind == TYPE_NULL ||
        (kind == TYPE_STRING && (bind->args[0].constant || !bind->session->ansi))) {
        bind->out.args[0] = bind->out.result = type_simple(TYPE_DOUBLE);
        return OK;
    }
    return bind_bad_input(bind, 0, "NUMERIC or an ANSI INTERVAL");
}

/* ---- round, bround, ceil, floor ---- */

enum rounding { ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_UP, ROUND_DOWN };

/* value / 10^digits. */
static __int128 drop_digits(__int128 value, unsigned digits, enum rounding how)
{
    if (digits > 38)
        return how == ROUND_UP ? value > 0 : how == ROUND_DOWN ? -(value < 0) : 0;
    __int128 power = decimal_power10(digits), quotient = value / power, rest = value % power;
    int sign = value < 0 ? -1 : 1;
    rest = rest < 0 ? -rest : rest;
    switch (how) {
    case ROUND_UP:
        return quotient + (rest && sign > 0);
    case ROUND_DOWN:
        return quotient - (rest && sign < 0);
    default: {
        bool half = rest == power - rest;
        bool more = rest > power - rest || (half && (how == ROUND_HALF_UP || quotient % 2));
        return quotient + (more ? sign : 0);
    }
    }
}

static int32_t scale_of(const struct func_binding *binding)
{
    return binding->state ? *(int32_t *)binding->state : 0;
}

/* The shortest text's digits, as a decimal at scale ret_scale; false beyond 38 digits. */
static double round_double(double value, int32_t scale, enum rounding how, bool is_float)
{
    if (!isfinite(value) || value == 0)
        return value;
    char digits[32];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision - 1, value);
        if (is_float ? strtof(digits, NULL) == (float)value : strtod(digits, NULL) == value)
            break;
    }
    int exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    __int128 mantissa = 0;
    int behind = 0;
    bool point = false;
    for (const char *c = digits; *c != 'e'; c++) {
        if (*c >= '0' && *c <= '9') {
            mantissa = mantissa * 10 + (*c - '0');
            behind += point;
        }
        point |= *c == '.';
    }
    mantissa = *digits == '-' ? -mantissa : mantissa;
    int have = behind - exponent; /* value = mantissa / 10^have */
    if (scale >= have)
        return value;
    mantissa = drop_digits(mantissa, (unsigned)(have - scale), how);
    char text[96];
    bool negative = mantissa < 0;
    uint64_t size = (uint64_t)(negative ? -mantissa : mantissa);
    snprintf(text, sizeof text, "%s%llue%d", negative ? "-" : "", (unsigned long long)size, -scale);
    return is_float ? (double)strtof(text, NULL) : strtod(text, NULL);
}

static enum err constant_scale(struct func_bind *bind)
{
    int32_t *scale = arena_zero(bind->arena, sizeof *scale);
    bind->out.state = scale;
    if (bind->count < 2)
        return OK;
    const struct column *c = bind->args[1].constant;
    bool whole = kind_is_integral(bind_kind(bind, 1)) && c && !column_is_null(c, 0);
    if (!whole && (bind->info->variant == ROUND_UP || bind->info->variant == ROUND_DOWN))
        return bind_fail(bind, "NON_FOLDABLE_ARGUMENT", "42K08",
                         "%s: the number of digits must be a constant INT", bind->info->name);
    if (!kind_is_integral(bind_kind(bind, 1)) && bind_kind(bind, 1) != TYPE_NULL)
        return bind_bad_input(bind, 1, "INT");
    if (!c)
        return bind_fail(bind, "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                         "%s: the scale must be a constant", bind->info->name);
    if (!column_is_null(c, 0))
        *scale = (int32_t)column_i64(c, 0);
    return OK;
}

static enum err round_bind(struct func_bind *bind)
{
    TRY(constant_scale(bind));
    int32_t scale = scale_of(&bind->out);
    const struct type *from = bind->args[0].type;
    enum rounding how = (enum rounding)bind->info->variant;
    bool whole = how >= ROUND_UP && bind->count == 1;
    if (from->kind == TYPE_NULL || from->kind == TYPE_STRING) {
        if (from->kind == TYPE_STRING && !bind->args[0].constant && bind->session->ansi)
            return bind_bad_input(bind, 0, "NUMERIC");
        from = type_simple(TYPE_DOUBLE);
    }
    if (!kind_is_numeric(from->kind))
        return bind_bad_input(bind, 0, "NUMERIC");
    if (how >= ROUND_UP && !whole && from->kind != TYPE_DECIMAL)
        from = type_decimal_of(bind->arena, from);
    bind->out.args[0] = bind->out.result = from;
    if (whole && from->kind != TYPE_DECIMAL) {
        bind->out.result = type_simple(TYPE_BIGINT);
        if (kind_is_integral(from->kind))
            bind->out.args[0] = bind->out.result;
        else
            bind->out.args[0] = type_simple(TYPE_DOUBLE);
    } else if (from->kind == TYPE_DECIMAL) {
        int integral = from->precision - from->scale + 1;
        if (scale < -37 && how >= ROUND_UP)
            return bind_fail(bind, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "22003",
                             "%s: the result would have %d digits, DECIMAL has at most 38",
                             bind->info->name, 1 - scale);
        if (scale < 0) {
            int precision = -scale + 1 > integral ? -scale + 1 : integral;
            bind->out.result =
                type_decimal(bind->arena, (unsigned)(precision < 38 ? precision : 38), 0);
        } else {
            int new_scale = from->scale < scale ? from->scale : scale;
            int precision = integral + new_scale;
            bind->out.result = type_decimal(
                bind->arena, (unsigned)(precision < 38 ? precision : 38), (unsigned)new_scale);
        }
    }
    return OK;
}

static void round_decimal(struct func_call *call, int32_t scale, enum rounding how)
{
    const struct type *from = call->args[0]->type, *to = call->binding->result;
    __int128 value = call->args[0]->i128[call->row];
    if (scale < (int32_t)from->scale)
        value = drop_digits(value, (unsigned)(from->scale - scale), how);
    if (scale < 0) {
        __int128 limit = decimal_power10(38);
        for (int32_t i = scale; i < 0 && value < limit / 10 && value > -limit / 10; i++)
            value *= 10;
    }
    if (value >= decimal_power10(to->precision) || value <= -decimal_power10(to->precision))
        call_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", STATE_NUMERIC,
                  "%s: the result has too many digits", call->binding->info->name);
    else
        builder_i128(call->out, value);
}

static void round_integer(struct func_call *call, int32_t scale, enum rounding how)
{
    int64_t value = column_i64(call->args[0], call->row);
    __int128 rounded = value;
    if (scale < 0 && scale > -38)
        rounded = drop_digits(value, (unsigned)-scale, how) * decimal_power10((unsigned)-scale);
    else if (scale < 0)
        rounded = 0;
    enum type_kind kind = call->binding->result->kind;
    int64_t low = lowest_of(kind), high = -(low + 1);
    if (call->eval->session->ansi && (rounded < low || rounded > high))
        call_fail(call, "ARITHMETIC_OVERFLOW", STATE_NUMERIC, "%s: the result does not fit",
                  call->binding->info->name);
    else
        builder_i64(call->out, (int64_t)rounded);
}

static void round_row(struct func_call *call)
{
    enum rounding how = (enum rounding)call->binding->info->variant;
    int32_t scale = scale_of(call->binding);
    const struct column *c = call->args[0];
    if (call->count == 2 && call_null(call, 1)) {
        builder_null(call->out);
    } else if (c->type->kind == TYPE_DECIMAL) {
        round_decimal(call, scale, how);
    } else if (kind_is_integral(c->type->kind)) {
        round_integer(call, scale, how);
    } else if (call->binding->result->kind == TYPE_BIGINT) {
        double v = how == ROUND_UP ? ceil(c->f64[call->row]) : floor(c->f64[call->row]);
        builder_i64(call->out, v >= 0x1p63   ? INT64_MAX
                               : v < -0x1p63 ? INT64_MIN
                               : v != v      ? 0
                                             : (int64_t)v);
    } else if (c->type->kind == TYPE_FLOAT) {
        builder_f64(call->out, round_double((double)c->f32[call->row], scale, how, true));
    } else {
        builder_f64(call->out, round_double(c->f64[call->row], scale, how, false));
    }
}

/* ---- integers and bits ---- */

static void factorial_row(struct func_call *call)
{
    int32_t n = call_int(call, 0);
    int64_t product = 1;
    if (n < 0 || n > 20) {
        builder_null(call->out);
        return;
    }
    for (int32_t i = 2; i <= n; i++)
        product *= i;
    builder_i64(call->out, product);
}

enum { BIT_AND, BIT_OR, BIT_XOR, BIT_NOT };

static enum err bits_bind(struct func_bind *bind)
{
    for (size_t i = 0; i < bind->count; i++)
        if (!kind_is_integral(bind_kind(bind, i)) && bind_kind(bind, i) != TYPE_NULL &&
            !(bind_kind(bind, i) == TYPE_STRING && bind->count == 2))
            return bind_fail(bind,
                             bind->count == 1 ? "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"
                                              : "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE",
                             "42K09", "%s takes integers", bind->info->name);
    TRY(bind_common(bind, 0, NULL));
    if (!kind_is_integral(bind->out.result->kind))
        bind->out.args[0] = bind->out.args[bind->count - 1] = bind->out.result =
            type_simple(TYPE_BIGINT);
    return OK;
}

static void bits_row(struct func_call *call)
{
    int64_t a = column_i64(call->args[0], call->row);
    int64_t b = call->count > 1 ? column_i64(call->args[1], call->row) : 0;
    switch (call->binding->info->variant) {
    case BIT_AND:
        builder_i64(call->out, a & b);
        break;
    case BIT_OR:
        builder_i64(call->out, a | b);
        break;
    case BIT_XOR:
        builder_i64(call->out, a ^ b);
        break;
    default:
        builder_i64(call->out, ~a);
        break;
    }
}

static enum err shift_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    bool wide = bind_kind(bind, 0) == TYPE_BIGINT;
    bind->out.args[0] = type_implicit(bind, 0, type_simple(wide ? TYPE_BIGINT : TYPE_INT));
    bind->out.result = bind->out.args[0];
    return bind->out.result ? OK : bind_bad_input(bind, 0, "INT or BIGINT");
}

enum { SHIFT_LEFT, SHIFT_RIGHT, SHIFT_RIGHT_UNSIGNED };

static void shift_row(struct func_call *call)
{
    bool wide = call->binding->result->kind == TYPE_BIGINT;
    int by = call_int(call, 1) & (wide ? 63 : 31);
    int64_t value = column_i64(call->args[0], call->row);
    switch (call->binding->info->variant) {
    case SHIFT_LEFT:
        value = (int64_t)((uint64_t)value << by);
        break;
    case SHIFT_RIGHT:
        value >>= by;
        break;
    default:
        value = wide ? (int64_t)((uint64_t)value >> by) : (int64_t)((uint32_t)value >> by);
        break;
    }
    builder_i64(call->out, wide ? value : (int32_t)value);
}

static void bit_count_row(struct func_call *call)
{
    const struct column *c = call->args[0];
    int64_t value = c->type->kind == TYPE_BOOLEAN ? (int64_t)bit_get(c->bits, call->row)
                                                  : column_i64(c, call->row);
    builder_i64(call->out, __builtin_popcountll((uint64_t)value));
}

static enum err bit_count_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    bind->out.result = type_simple(TYPE_INT);
    bool good = kind_is_integral(kind) || kind == TYPE_BOOLEAN || kind == TYPE_NULL;
    return good ? OK : bind_bad_input(bind, 0, "INTEGRAL or BOOLEAN");
}

static void bit_get_row(struct func_call *call)
{
    int bits = (int)type_width(call->args[0]->type) * 8, at = call_int(call, 1);
    if (at < 0 || at >= bits)
        call_fail(call, "INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE", "22023",
                  "%s: there are bits 0 to %d", call->binding->info->name, bits - 1);
    else
        builder_i64(call->out, column_i64(call->args[0], call->row) >> at & 1);
}

static enum err bit_get_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    bind->out.result = type_simple(TYPE_TINYINT);
    return kind_is_integral(bind_kind(bind, 0)) ? OK : bind_bad_input(bind, 0, "INTEGRAL");
}

static enum err width_bucket_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    if ((kind != TYPE_INTERVAL_YM && kind != TYPE_INTERVAL_DT) || bind_kind(bind, 1) != kind ||
        bind_kind(bind, 2) != kind)
        return bind_signature(bind);
    bind->out.args[3] = type_implicit(bind, 3, type_simple(TYPE_BIGINT));
    bind->out.result = type_simple(TYPE_BIGINT);
    return bind->out.args[3] ? OK : bind_bad_input(bind, 3, "BIGINT");
}

static double bucket_value(const struct func_call *call, size_t i)
{
    bool number = call->args[i]->type->kind == TYPE_DOUBLE;
    return number ? call_double(call, i) : (double)column_i64(call->args[i], call->row);
}

static void width_bucket_row(struct func_call *call)
{
    double v = bucket_value(call, 0), low = bucket_value(call, 1), high = bucket_value(call, 2);
    int64_t n = call_long(call, 3);
    if (n <= 0 || n == INT64_MAX || v != v || low == high || !isfinite(low) || !isfinite(high)) {
        builder_null(call->out);
        return;
    }
    double a = low < high ? low : high, b = low < high ? high : low;
    if (low < high ? v < low : v > low)
        builder_i64(call->out, 0);
    else if (low < high ? v >= high : v <= high)
        builder_i64(call->out, n + 1);
    else
        builder_i64(call->out, (int64_t)((double)n * (low < high ? v - a : b - v) / (b - a)) + 1);
}

const struct func_info func_math[] = {
    {"sqrt", 1, 1, true, false, bind_signature, double_eval, "sqrt(x)", "d(d)", NULL, D_SQRT},
    {"cbrt", 1, 1, true, false, bind_signature, double_eval, "cbrt(x)", "d(d)", NULL, D_CBRT},
    {"exp", 1, 1, true, false, bind_signature, double_eval, "exp(x)", "d(d)", NULL, D_EXP},
    {"expm1", 1, 1, true, false, bind_signature, double_eval, "expm1(x)", "d(d)", NULL, D_EXPM1},
    {"ln", 1, 1, true, false, bind_signature, double_eval, "ln(x)", "d(d)", NULL, D_LN},
    {"log10", 1, 1, true, false, bind_signature, double_eval, "log10(x)", "d(d)", NULL, D_LOG10},
    {"log2", 1, 1, true, false, bind_signature, double_eval, "log2(x)", "d(d)", NULL, D_LOG2},
    {"log1p", 1, 1, true, false, bind_signature, double_eval, "log1p(x)", "d(d)", NULL, D_LOG1P},
    {"sin", 1, 1, true, false, bind_signature, double_eval, "sin(x)", "d(d)", NULL, D_SIN},
    {"cos", 1, 1, true, false, bind_signature, double_eval, "cos(x)", "d(d)", NULL, D_COS},
    {"tan", 1, 1, true, false, bind_signature, double_eval, "tan(x)", "d(d)", NULL, D_TAN},
    {"cot", 1, 1, true, false, bind_signature, double_eval, "cot(x)", "d(d)", NULL, D_COT},
    {"csc", 1, 1, true, false, bind_signature, double_eval, "csc(x)", "d(d)", NULL, D_CSC},
    {"sec", 1, 1, true, false, bind_signature, double_eval, "sec(x)", "d(d)", NULL, D_SEC},
    {"asin", 1, 1, true, false, bind_signature, double_eval, "asin(x)", "d(d)", NULL, D_ASIN},
    {"acos", 1, 1, true, false, bind_signature, double_eval, "acos(x)", "d(d)", NULL, D_ACOS},
    {"atan", 1, 1, true, false, bind_signature, double_eval, "atan(x)", "d(d)", NULL, D_ATAN},
    {"sinh", 1, 1, true, false, bind_signature, double_eval, "sinh(x)", "d(d)", NULL, D_SINH},
    {"cosh", 1, 1, true, false, bind_signature, double_eval, "cosh(x)", "d(d)", NULL, D_COSH},
    {"tanh", 1, 1, true, false, bind_signature, double_eval, "tanh(x)", "d(d)", NULL, D_TANH},
    {"asinh", 1, 1, true, false, bind_signature, double_eval, "asinh(x)", "d(d)", NULL, D_ASINH},
    {"acosh", 1, 1, true, false, bind_signature, double_eval, "acosh(x)", "d(d)", NULL, D_ACOSH},
    {"atanh", 1, 1, true, false, bind_signature, double_eval, "atanh(x)", "d(d)", NULL, D_ATANH},
    {"degrees", 1, 1, true, false, bind_signature, double_eval, "degrees(x)", "d(d)", NULL,
     D_DEGREES},
    {"radians", 1, 1, true, false, bind_signature, double_eval, "radians(x)", "d(d)", NULL,
     D_RADIANS},
    {"rint", 1, 1, true, false, bind_signature, double_eval, "rint(x)", "d(d)", NULL, D_RINT},
    {"sign", 1, 1, true, false, signum_bind, signum_eval, "sign(x)", "d(d)", NULL, D_SIGN},
    {"signum", 1, 1, true, false, signum_bind, signum_eval, "signum(x)", "d(d)", NULL, D_SIGN},
    {"power", 2, 2, true, false, bind_signature, kernel_rows, "power(x, y)", "d(d,d)", binary_row,
     B_POWER},
    {"pow", 2, 2, true, false, bind_signature, kernel_rows, "pow(x, y)", "d(d,d)", binary_row,
     B_POWER},
    {"atan2", 2, 2, true, false, bind_signature, kernel_rows, "atan2(y, x)", "d(d,d)", binary_row,
     B_ATAN2},
    {"hypot", 2, 2, true, false, bind_signature, kernel_rows, "hypot(x, y)", "d(d,d)", binary_row,
     B_HYPOT},
    {"log", 1, 2, true, false, bind_signature, kernel_rows, "log([base,] x)", "d(d,d)", binary_row,
     B_LOG},
    {"pi", 0, 0, false, false, bind_signature, kernel_rows, "pi()", "d()", constant_row, 1},
    {"e", 0, 0, false, false, bind_signature, kernel_rows, "e()", "d()", constant_row, 0},
    {"negative", 1, 1, true, false, sign_bind, kernel_rows, "- x", NULL, sign_row, S_NEGATIVE},
    {"positive", 1, 1, true, false, sign_bind, kernel_rows, "+ x", NULL, sign_row, S_POSITIVE},
    {"abs", 1, 1, true, false, sign_bind, kernel_rows, "abs(x)", NULL, sign_row, S_ABS},
    {"round", 1, 2, true, false, round_bind, kernel_rows, "round(x[, digits])", NULL, round_row,
     ROUND_HALF_UP},
    {"bround", 1, 2, true, false, round_bind, kernel_rows, "bround(x[, digits])", NULL, round_row,
     ROUND_HALF_EVEN},
    {"ceil", 1, 2, true, false, round_bind, kernel_rows, "ceil(x[, digits])", NULL, round_row,
     ROUND_UP},
    {"ceiling", 1, 2, true, false, round_bind, kernel_rows, "ceiling(x[, digits])", NULL, round_row,
     ROUND_UP},
    {"floor", 1, 2, true, false, round_bind, kernel_rows, "floor(x[, digits])", NULL, round_row,
     ROUND_DOWN},
    {"factorial", 1, 1, true, false, bind_signature, kernel_rows, "factorial(n)", "l(i)",
     .row = factorial_row},
    {"&", 2, 2, true, false, bits_bind, kernel_rows, "a & b", NULL, bits_row, BIT_AND},
    {"|", 2, 2, true, false, bits_bind, kernel_rows, "a | b", NULL, bits_row, BIT_OR},
    {"^", 2, 2, true, false, bits_bind, kernel_rows, "a ^ b", NULL, bits_row, BIT_XOR},
    {"~", 1, 1, true, false, bits_bind, kernel_rows, "~ a", NULL, bits_row, BIT_NOT},
    {"shiftleft", 2, 2, true, false, shift_bind, kernel_rows, "shiftleft(a, n)", "0(.,i)",
     shift_row, SHIFT_LEFT},
    {"<<", 2, 2, true, false, shift_bind, kernel_rows, "a << n", "0(.,i)", shift_row, SHIFT_LEFT},
    {"shiftright", 2, 2, true, false, shift_bind, kernel_rows, "shiftright(a, n)", "0(.,i)",
     shift_row, SHIFT_RIGHT},
    {">>", 2, 2, true, false, shift_bind, kernel_rows, "a >> n", "0(.,i)", shift_row, SHIFT_RIGHT},
    {"shiftrightunsigned", 2, 2, true, false, shift_bind, kernel_rows, "shiftrightunsigned(a, n)",
     "0(.,i)", shift_row, SHIFT_RIGHT_UNSIGNED},
    {">>>", 2, 2, true, false, shift_bind, kernel_rows, "a >>> n", "0(.,i)", shift_row,
     SHIFT_RIGHT_UNSIGNED},
    {"bit_count", 1, 1, true, false, bit_count_bind, kernel_rows, "bit_count(a)",
     .row = bit_count_row},
    {"getbit", 2, 2, true, false, bit_get_bind, kernel_rows, "getbit(a, pos)", "i(.,i)",
     .row = bit_get_row},
    {"bit_get", 2, 2, true, false, bit_get_bind, kernel_rows, "bit_get(a, pos)", "i(.,i)",
     .row = bit_get_row},
    {"width_bucket", 4, 4, true, false, width_bucket_bind, kernel_rows,
     "width_bucket(value, min, max, buckets)", "l(d,d,d,l)", .row = width_bucket_row},
    {.name = NULL},
};
