/* SPDX-License-Identifier: MIT */
/*
 * Operators: + - * / % over numbers, + over texts, + and - of a duration on dates and timestamps,
 * and the sign.
 *
 * Two numbers give the wider of both: whole ones tinyint .. bigint then varint; with float and
 * whole ones double from int on; with decimal decimal. Whole numbers wrap around as Java's do.
 */
#include "base/civil.h"
#include "base/endian.h"
#include "serve/cql/function.h"

#include <math.h>

struct operands {
    const struct cql_type *a, *b, *result;
};

/* ---- numbers and doubles ---- */

bool is_whole_number(const struct cql_type *type)
{
    switch (type->kind) {
    case CQL_TINYINT:
    case CQL_SMALLINT:
    case CQL_INT:
    case CQL_BIGINT:
    case CQL_COUNTER:
        return true;
    default:
        return false;
    }
}

int64_t number_as_i64(const struct cql_type *type, struct str value)
{
    if (type->kind == CQL_FLOAT || type->kind == CQL_DOUBLE || type->kind == CQL_DECIMAL) {
        double number = number_as_double(type, value);
        if (isnan(number))
            return 0;
        return number >= 0x1p63 ? INT64_MAX : number <= -0x1p63 ? INT64_MIN : (int64_t)number;
    }
    uint64_t number = value.bytes && (value.ptr[0] & 0x80) ? UINT64_MAX : 0;
    for (size_t i = 0; i < value.bytes; i++)
        number = number << 8 | (uint8_t)value.ptr[i];
    return (int64_t)number;
}

struct str number_of_i64(struct arena *arena, const struct cql_type *type, int64_t value)
{
    char *bytes;
    switch (type->kind) {
    case CQL_TINYINT:
        bytes = arena_alloc(arena, 1);
        bytes[0] = (char)value;
        return str_from(bytes, 1);
    case CQL_SMALLINT:
        bytes = arena_alloc(arena, 2);
        put_be16(bytes, (uint16_t)value);
        return str_from(bytes, 2);
    case CQL_INT:
        return value_of_i32(arena, (int32_t)value);
    case CQL_FLOAT:
    case CQL_DOUBLE:
        return number_of_double(arena, type, (double)value);
    case CQL_VARINT:
    case CQL_DECIMAL: {
        size_t head = type->kind == CQL_DECIMAL ? 4 : 0, skip = 0;
        bytes = arena_zero(arena, head + 8);
        put_be64(bytes + head, (uint64_t)value);
        while (skip < 7 && ((bytes[head + skip] == 0 && !(bytes[head + skip + 1] & 0x80)) ||
                            (bytes[head + skip] == (char)0xFF && (bytes[head + skip + 1] & 0x80))))
            skip++;
        memmove(bytes + head, bytes + head + skip, 8 - skip);
        return str_from(bytes, head + 8 - skip);
    }
    default:
        return value_of_i64(arena, value);
    }
}

double number_as_double(const struct cql_type *type, struct str value)
{
    uint32_t word;
    uint64_t bits;
    float narrow;
    double wide;
    switch (type->kind) {
    case CQL_FLOAT:
        word = value.bytes == 4 ? get_be32(value.ptr) : 0;
        memcpy(&narrow, &word, 4);
        return narrow;
    case CQL_DOUBLE:
        bits = value.bytes == 8 ? get_be64(value.ptr) : 0;
        memcpy(&wide, &bits, 8);
        return wide;
    case CQL_VARINT:
    case CQL_DECIMAL: {
        struct buf text = {0};
        cql_value_print(type, value, &text);
        double number = 0;
        if (str_to_f64(buf_str(&text), &number) != OK)
            number = NAN;
        buf_deinit(&text);
        return number;
    }
    default:
        return (double)number_as_i64(type, value);
    }
}

struct str number_of_double(struct arena *arena, const struct cql_type *type, double value)
{
    if (type->kind == CQL_FLOAT) {
        float narrow = (float)value;
        int32_t word;
        memcpy(&word, &narrow, 4);
        return value_of_i32(arena, word);
    }
    if (type->kind == CQL_DOUBLE) {
        int64_t bits;
        memcpy(&bits, &value, 8);
        return value_of_i64(arena, bits);
    }
    if (type->kind == CQL_DECIMAL || (type->kind == CQL_VARINT && fabs(value) >= 0x1p63)) {
        struct buf out = {0};
        const char *text = arena_printf(arena, type->kind == CQL_VARINT ? "%.0f" : "%.17g", value);
        if (cql_value_from_text(type, str_of(text), &out, NULL) != OK)
            buf_reset(&out);
        struct str result = value_of_buf(arena, &out);
        buf_deinit(&out);
        return result;
    }
    return number_of_i64(arena, type,
                         number_as_i64(cql_simple(CQL_DOUBLE),
                                       number_of_double(arena, cql_simple(CQL_DOUBLE), value)));
}

enum err number_convert(struct arena *arena, const struct cql_type *from, struct str value,
                        const struct cql_type *to, struct str *ret_value)
{
    if (from->kind == to->kind) {
        *ret_value = value;
        return OK;
    }
    bool from_float = from->kind == CQL_FLOAT || from->kind == CQL_DOUBLE;
    if (from->kind == CQL_VARINT && to->kind == CQL_DECIMAL) {
        char *bytes = arena_zero(arena, value.bytes + 4);
        memcpy(bytes + 4, value.ptr, value.bytes);
        *ret_value = str_from(bytes, value.bytes + 4);
        return OK;
    }
    if (from->kind == CQL_DECIMAL && to->kind == CQL_VARINT) {
        /* Towards zero: a division by ten to the scale, as whole numbers. */
        struct str one = number_of_i64(arena, from, 1), quotient, rest;
        TRY(number_apply(arena, NUMBER_REMAINDER, true, value, one, &rest));
        TRY(number_apply(arena, NUMBER_SUBTRACT, true, value, rest, &quotient));
        int32_t scale = (int32_t)get_be32(quotient.ptr);
        struct str number = str_slice(quotient, 4, quotient.bytes);
        struct str ten = number_of_i64(arena, to, 10);
        for (; scale > 0; scale--)
            TRY(number_apply(arena, NUMBER_DIVIDE, false, number, ten, &number));
        for (; scale < 0; scale++)
            TRY(number_apply(arena, NUMBER_MULTIPLY, false, number, ten, &number));
        *ret_value = number;
        return OK;
    }
    /* Java narrows a real number to int first, and that saturates. */
    if (from_float &&
        (to->kind == CQL_INT || to->kind == CQL_SMALLINT || to->kind == CQL_TINYINT)) {
        int64_t wide = number_as_i64(from, value);
        int64_t narrow = wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : wide;
        *ret_value = number_of_i64(arena, to, narrow);
        return OK;
    }
    if (from_float || from->kind == CQL_DECIMAL || to->kind == CQL_FLOAT || to->kind == CQL_DOUBLE)
        *ret_value = number_of_double(arena, to, number_as_double(from, value));
    else
        *ret_value = number_of_i64(arena, to, number_as_i64(from, value));
    return OK;
}

/* ---- applying ---- */

/* "the operation 'int / tinyint' failed: WHY". */
static enum err failed(struct expr_run *run, const struct operands *of, char op, const char *why)
{
    enum err err = cql_fail(
        run->error, run->arena, CQL_FUNCTION_FAILURE, "the operation '%s %c %s' failed: %s",
        term_type_text(run->arena, of->a), op, term_type_text(run->arena, of->b), why);
    return err == OK ? ERR_INVALID : err;
}

static enum err apply_big(struct expr_run *run, char op, const struct operands *of, struct str a,
                          struct str b, struct str *ret)
{
    enum number_op number = op == '+'   ? NUMBER_ADD
                            : op == '-' ? NUMBER_SUBTRACT
                            : op == '*' ? NUMBER_MULTIPLY
                            : op == '/' ? NUMBER_DIVIDE
                                        : NUMBER_REMAINDER;
    bool decimal = of->result->kind == CQL_DECIMAL;
    enum err err = number_apply(run->arena, number, decimal, a, b, ret);
    if (err != ERR_OUT_OF_RANGE)
        return err;
    return failed(run, of, op,
                  decimal && op == '%' ? "Division by zero" : "BigInteger divide by zero");
}

static enum err apply_double(struct expr_run *run, char op, const struct cql_type *type,
                             struct str a, struct str b, struct str *ret)
{
    double x = number_as_double(type, a), y = number_as_double(type, b);
    double result = op == '+'   ? x + y
                    : op == '-' ? x - y
                    : op == '*' ? x * y
                    : op == '/' ? x / y
                                : fmod(x, y);
    *ret = number_of_double(run->arena, type, result);
    return OK;
}

/* Both are of the result's type by now. */
static enum err apply(struct expr_run *run, char op, const struct operands *of, struct str a,
                      struct str b, struct str *ret)
{
    const struct cql_type *type = of->result;
    if (type->kind == CQL_VARINT || type->kind == CQL_DECIMAL)
        return apply_big(run, op, of, a, b, ret);
    if (type->kind == CQL_FLOAT || type->kind == CQL_DOUBLE)
        return apply_double(run, op, type, a, b, ret);
    uint64_t x = (uint64_t)number_as_i64(type, a), y = (uint64_t)number_as_i64(type, b);
    if ((op == '/' || op == '%') && y == 0)
        return failed(run, of, op, "/ by zero");
    uint64_t result;
    if (op == '/' || op == '%') {
        /* The one quotient that does not fit wraps around. */
        bool wraps = y == UINT64_MAX;
        int64_t quotient = wraps ? (int64_t)(0 - x) : (int64_t)x / (int64_t)y;
        int64_t rest = wraps ? 0 : (int64_t)x % (int64_t)y;
        result = (uint64_t)(op == '/' ? quotient : rest);
    } else {
        result = op == '+' ? x + y : op == '-' ? x - y : x * y;
    }
    *ret = number_of_i64(run->arena, type, (int64_t)result);
    return OK;
}

enum err operation_apply(struct expr_run *run, char op, const struct cql_type *type, struct str a,
                         struct str b, struct str *ret)
{
    return apply(run, op, &(struct operands){type, type, type}, a, b, ret);
}

/* An operand as the result's type. */
static enum err widen(struct expr_run *run, char op, const struct operands *of,
                      const struct cql_type *from, struct str value, struct str *ret)
{
    bool real = from->kind == CQL_FLOAT || from->kind == CQL_DOUBLE;
    if (real && of->result->kind == CQL_DECIMAL) {
        double number = number_as_double(from, value);
        if (isnan(number))
            return failed(run, of, op, "A NaN cannot be converted into a decimal");
        if (isinf(number))
            return failed(run, of, op, "An infinite number cannot be converted into a decimal");
    }
    return number_convert(run->arena, from, value, of->result, ret);
}

static enum err call_operation(struct expr_run *run, const struct expr *x, const struct str *args,
                               struct str *ret)
{
    struct operands of = {x->items[0]->type, x->items[1]->type, x->type};
    struct str a, b;
    if (!args[0].bytes || !args[1].bytes) {
        *ret = STR_NONE;
        return OK;
    }
    TRY(widen(run, (char)x->index, &of, of.a, args[0], &a));
    TRY(widen(run, (char)x->index, &of, of.b, args[1], &b));
    return apply(run, (char)x->index, &of, a, b, ret);
}

static enum err call_concat(struct expr_run *run, const struct expr *x, const struct str *args,
                            struct str *ret)
{
    (void)x;
    char *both = arena_try(run->arena, args[0].bytes + args[1].bytes + 1);
    if (!both)
        return ERR_LIMIT;
    memcpy(both, args[0].ptr, args[0].bytes);
    memcpy(both + args[0].bytes, args[1].ptr, args[1].bytes);
    *ret = str_from(both, args[0].bytes + args[1].bytes);
    return OK;
}

static enum err call_negate(struct expr_run *run, const struct expr *x, const struct str *args,
                            struct str *ret)
{
    if (x->type->kind == CQL_FLOAT || x->type->kind == CQL_DOUBLE) {
        *ret = number_of_double(run->arena, x->type, -number_as_double(x->type, args[0]));
        return OK;
    }
    return operation_apply(run, '-', x->type, number_of_i64(run->arena, x->type, 0), args[0], ret);
}

/* A date or timestamp and a duration. */
static enum err call_shift(struct expr_run *run, const struct expr *x, const struct str *args,
                           struct str *ret)
{
    struct reader r = reader_of(args[1].ptr, args[1].bytes);
    int64_t sign = x->index == '-' ? -1 : 1;
    int64_t months = sign * cql_unzigzag(cql_vint_read(&r));
    int64_t days = sign * cql_unzigzag(cql_vint_read(&r));
    int64_t ns = sign * cql_unzigzag(cql_vint_read(&r));
    bool date = x->type->kind == CQL_DATE;
    if (r.err != OK || args[0].bytes != (date ? 4 : 8))
        return ERR_INVALID;
    if (date ? ns != 0 : ns % 1000000 != 0) {
        struct operands of = {x->type, cql_simple(CQL_DURATION), x->type};
        struct buf why = {0};
        buf_printf(&why,
                   "The duration must have a %s precision. Was: ", date ? "day" : "millisecond");
        cql_value_print(of.b, args[1], &why);
        const char *text = arena_text(run->arena, buf_str(&why));
        buf_deinit(&why);
        return failed(run, &of, (char)x->index, text);
    }
    int64_t ms = date ? ((int64_t)get_be32(args[0].ptr) - 0x80000000LL) * 86400000
                      : (int64_t)get_be64(args[0].ptr);
    int64_t day = ms / 86400000 - (ms % 86400000 < 0), rest = ms - day * 86400000;
    struct civil civil;
    civil_from_days(day, &civil);
    int64_t month = civil.year * 12 + civil.month - 1 + months;
    int64_t year = month / 12 - (month % 12 < 0);
    int of_year = (int)(month - year * 12) + 1, last = civil_days_in_month(year, of_year);
    day = civil_days(year, of_year, civil.day < last ? civil.day : last) + days;
    if (date)
        *ret = value_of_i32(run->arena, (int32_t)(uint32_t)(day + 0x80000000LL));
    else
        *ret = value_of_i64(run->arena, day * 86400000 + rest + ns / 1000000);
    return OK;
}

static const struct cql_function operation = {.name = "_operation", .call = call_operation};
static const struct cql_function concat = {.name = "_add", .call = call_concat};
static const struct cql_function negate = {.name = "_negate", .call = call_negate};
static const struct cql_function shift = {.name = "_add", .call = call_shift};

/* ---- types ---- */

static const struct cql_type *wider(const struct cql_type *a, const struct cql_type *b)
{
    static const enum cql_kind order[] = {CQL_TINYINT, CQL_SMALLINT, CQL_INT,
                                          CQL_COUNTER, CQL_BIGINT,   CQL_VARINT};
    if (a->kind == CQL_DECIMAL || b->kind == CQL_DECIMAL)
        return cql_simple(CQL_DECIMAL);
    bool float_a = a->kind == CQL_FLOAT || a->kind == CQL_DOUBLE;
    bool float_b = b->kind == CQL_FLOAT || b->kind == CQL_DOUBLE;
    if (float_a || float_b) {
        const struct cql_type *other = float_a ? b : a;
        if (a->kind == CQL_DOUBLE || b->kind == CQL_DOUBLE)
            return cql_simple(other->kind == CQL_VARINT ? CQL_DECIMAL : CQL_DOUBLE);
        if (other->kind == CQL_VARINT)
            return cql_simple(CQL_DECIMAL);
        bool small = other->kind == CQL_TINYINT || other->kind == CQL_SMALLINT ||
                     other->kind == CQL_INT || other->kind == CQL_FLOAT;
        return cql_simple(small ? CQL_FLOAT : CQL_DOUBLE);
    }
    size_t at_a = 0, at_b = 0;
    while (order[at_a] != a->kind)
        at_a++;
    while (order[at_b] != b->kind)
        at_b++;
    enum cql_kind kind = order[at_a > at_b ? at_a : at_b];
    return cql_simple(kind == CQL_COUNTER ? CQL_BIGINT : kind);
}

/* ---- which operator ---- */

/* The types that operators take; the numbers are first, in the order in which they are tried. */
static const enum cql_kind kinds[] = {
    CQL_TINYINT, CQL_SMALLINT, CQL_INT,   CQL_BIGINT, CQL_FLOAT, CQL_DOUBLE,    CQL_DECIMAL,
    CQL_VARINT,  CQL_COUNTER,  CQL_ASCII, CQL_TEXT,   CQL_DATE,  CQL_TIMESTAMP, CQL_DURATION};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0], NUMBER_COUNT = 9 };

/* How well a term fits each of them. */
struct fits {
    const struct cql_term *term;
    bool selecting;
    enum fit of[KIND_COUNT];
};

/* What was found for operators inside others, so that each is looked at once: by the address of
 * the term, a power of two of places, at most half of them taken. */
struct operation_memo {
    struct fits *places;
    size_t capacity, count;
};

static struct fits *memo_place(const struct operation_memo *memo, const struct cql_term *t,
                               bool selecting)
{
    size_t at = (size_t)((uintptr_t)t >> 4) * 0x9E3779B1U;
    for (;; at++) {
        struct fits *place = &memo->places[at & (memo->capacity - 1)];
        if (!place->term || (place->term == t && place->selecting == selecting))
            return place;
    }
}

static void memo_add(struct compile *c, const struct fits *fits)
{
    if (!c->operations)
        c->operations = arena_zero(c->arena, sizeof *c->operations);
    struct operation_memo *memo = c->operations, old = *memo;
    if (memo->count * 2 >= memo->capacity) {
        memo->capacity = old.capacity ? old.capacity * 2 : 16;
        memo->places = arena_zero(c->arena, memo->capacity * sizeof *memo->places);
        for (size_t i = 0; i < old.capacity; i++)
            if (old.places[i].term)
                *memo_place(memo, old.places[i].term, old.places[i].selecting) = old.places[i];
    }
    *memo_place(memo, fits->term, fits->selecting) = *fits;
    memo->count++;
}

/* What an operator makes of two types, NULL = it does not take them. */
static const struct cql_type *result_of(char op, enum cql_kind a, enum cql_kind b)
{
    const struct cql_type *left = cql_simple(a), *right = cql_simple(b);
    if (is_number(left) && is_number(right))
        return wider(left, right);
    bool texts = (a == CQL_TEXT || a == CQL_ASCII) && (b == CQL_TEXT || b == CQL_ASCII);
    if (texts && op == '+')
        return a == CQL_TEXT ? left : right;
    bool shifts = (a == CQL_DATE || a == CQL_TIMESTAMP) && b == CQL_DURATION;
    return shifts && (op == '+' || op == '-') ? left : NULL;
}

/* Of all operators of that sign the one that fits exactly, else the only one that fits; of many
 * the one over the wanted type itself, but not where a marker is. */
static enum err pick(const struct cql_term *t, const struct fits *left, const struct fits *right,
                     const struct cql_type *wanted, struct operands *ret)
{
    struct operands found = {0}, same = {0};
    size_t count = 0;
    bool marker = t->items[0]->kind == TERM_MARKER || t->items[1]->kind == TERM_MARKER;
    for (size_t i = 0; i < (size_t)KIND_COUNT * KIND_COUNT; i++) {
        size_t a = i / KIND_COUNT, b = i % KIND_COUNT;
        enum fit fit = left->of[a] < right->of[b] ? left->of[a] : right->of[b];
        if (fit == FIT_NONE)
            continue;
        const struct cql_type *result = result_of(t->op, kinds[a], kinds[b]);
        if (!result || (wanted && type_fit(result, wanted) == FIT_NONE))
            continue;
        found = (struct operands){cql_simple(kinds[a]), cql_simple(kinds[b]), result};
        if (fit == FIT_EXACT) {
            *ret = found;
            return OK;
        }
        count++;
        if (wanted && !marker && a == b && wanted->kind == kinds[a])
            same = found;
    }
    *ret = count > 1 ? same : found;
    return count == 0 ? ERR_NOT_FOUND : ret->result ? OK : ERR_CONFLICT;
}

static void find_fits(struct compile *c, const struct cql_term *t, struct fits *ret);

/* Where columns may stand the type of each part is known before what is around it. */
static enum err find_operands(struct compile *c, const struct cql_term *t,
                              const struct cql_type *wanted, struct operands *ret)
{
    struct fits left, right;
    find_fits(c, t->items[0], &left);
    find_fits(c, t->items[1], &right);
    return pick(t, &left, &right, wanted, ret);
}

static void fits_of_operation(struct compile *c, const struct cql_term *t, struct fits *ret)
{
    struct fits left, right;
    struct operands operands;
    find_fits(c, t->items[0], &left);
    find_fits(c, t->items[1], &right);
    enum err err = c->selecting ? pick(t, &left, &right, NULL, &operands) : OK;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct cql_type *type = cql_simple(kinds[i]);
        if (!c->selecting)
            err = pick(t, &left, &right, type, &operands);
        /* What cannot be told yet is told when it is made. */
        ret->of[i] = err == OK ? type_fit(operands.result, type) : FIT_WEAK;
    }
}

static enum fit string_fit(const struct cql_term *t, enum cql_kind kind)
{
    bool ascii = true;
    for (size_t i = 0; i < t->text.bytes; i++)
        ascii &= !(t->text.ptr[i] & 0x80);
    return kind == (ascii ? CQL_ASCII : CQL_TEXT) ? FIT_EXACT : FIT_WEAK;
}

/* What the parentheses are around. */
static const struct cql_term *inside(const struct cql_term *t)
{
    while (t->kind == TERM_TUPLE && t->count == 1)
        t = t->items[0];
    return t;
}

static void find_fits(struct compile *c, const struct cql_term *t, struct fits *ret)
{
    t = inside(t);
    if (t->kind == TERM_BINARY) {
        struct fits *known = c->operations ? memo_place(c->operations, t, c->selecting) : NULL;
        if (known && known->term) {
            *ret = *known;
            return;
        }
        fits_of_operation(c, t, ret);
        ret->term = t;
        ret->selecting = c->selecting;
        memo_add(c, ret);
        return;
    }
    if (t->kind == TERM_NEGATE) {
        find_fits(c, t->items[0], ret);
        for (size_t i = NUMBER_COUNT; i < KIND_COUNT; i++)
            ret->of[i] = FIT_NONE;
        return;
    }
    const struct cql_type *have = t->kind == TERM_CALL ? term_type(c, t) : NULL;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct cql_type *type = cql_simple(kinds[i]);
        ret->of[i] = have ? type_fit(have, type) : term_fit(c, t, type);
        if (t->kind == TERM_STRING && ret->of[i] != FIT_NONE)
            ret->of[i] = string_fit(t, kinds[i]);
    }
}

const struct cql_type *operation_type(struct compile *c, const struct cql_term *t)
{
    struct operands operands;
    if (t->kind == TERM_NEGATE) {
        const struct cql_type *type = term_type(c, inside(t->items[0]));
        return type && is_number(type) ? type : NULL;
    }
    return find_operands(c, t, NULL, &operands) == OK ? operands.result : NULL;
}

static enum err compile_operand(struct compile *c, const struct cql_term *t,
                                const struct cql_type *type, const char *name, struct expr **ret)
{
    struct cql_column spec = compile_spec(c, str_of(name), type);
    if (c->selecting)
        return compile_selector(c, t, type, ret);
    return compile_term(c, t, &spec, ret);
}

static struct expr *new_operation(struct compile *c, const struct cql_function *function,
                                  const struct cql_type *type, size_t count)
{
    struct expr *x = arena_zero(c->arena, sizeof *x);
    x->kind = EXPR_CALL;
    x->type = type;
    x->function = function;
    x->count = count;
    x->items = arena_zero(c->arena, 3 * sizeof(struct expr *));
    return x;
}

static enum err check_result(struct compile *c, const struct cql_term *t, const struct expr *x,
                             const struct cql_column *receiver)
{
    if (!receiver || type_fit(x->type, receiver->type) != FIT_NONE)
        return OK;
    if (is_number(x->type) && receiver->type->kind == CQL_COUNTER)
        return OK;
    return cql_fail(c->error, c->arena, CQL_INVALID,
                    "Type error: cannot assign result of operation %c (type %s) to %.*s (type %s)",
                    t->kind == TERM_NEGATE ? '-' : t->op, term_type_text(c->arena, x->type),
                    STR_ARG(receiver->name), term_type_text(c->arena, receiver->type));
}

enum err compile_operation(struct compile *c, const struct cql_term *t,
                           const struct cql_column *receiver, struct expr **ret)
{
    struct expr *x;
    if (t->kind == TERM_NEGATE) {
        const struct cql_type *type = term_type(c, inside(t->items[0]));
        if (!type && receiver && is_number(receiver->type))
            type = receiver->type;
        if (!type)
            type = term_type_usual(c, inside(t->items[0]));
        if (!type || !is_number(type))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Ambiguous negation: use type casts to disambiguate");
        x = new_operation(c, &negate, type, 1);
        TRY(compile_operand(c, t->items[0], type, "arg0(system._negate)", &x->items[0]));
        x->name = str_of(arena_printf(c->arena, "-%.*s", STR_ARG(x->items[0]->name)));
        *ret = x;
        return check_result(c, t, x, receiver);
    }
    const struct cql_type *wanted = receiver ? receiver->type : NULL;
    if (wanted && wanted->kind == CQL_COUNTER)
        wanted = cql_simple(CQL_BIGINT);
    struct operands operands;
    enum err found = find_operands(c, t, wanted, &operands);
    if (found != OK)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        found == ERR_CONFLICT
                            ? "Ambiguous '%c' operation with args %s and %s: use type hint to "
                              "disambiguate, example '(int) ?'"
                            : "the '%c' operation is not supported between %s and %s",
                        t->op, arena_text(c->arena, term_text(c->arena, t->items[0])),
                        arena_text(c->arena, term_text(c->arena, t->items[1])));
    bool number = is_number(operands.result);
    bool text = operands.result->kind == CQL_TEXT || operands.result->kind == CQL_ASCII;
    x = new_operation(c, number ? &operation : text ? &concat : &shift, operands.result, 2);
    x->index = (uint32_t)t->op;
    TRY(compile_operand(c, t->items[0], operands.a, "arg0(system._add)", &x->items[0]));
    TRY(compile_operand(c, t->items[1], operands.b, "arg1(system._add)", &x->items[1]));
    x->name = str_of(arena_printf(c->arena, "%.*s %c %.*s", STR_ARG(x->items[0]->name), t->op,
                                  STR_ARG(x->items[1]->name)));
    *ret = x;
    return check_result(c, t, x, receiver);
}
