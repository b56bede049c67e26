/* SPDX-License-Identifier: MIT */
/*
 * What a group keeps for an aggregate, and what comes of it.
 *
 *   count           rows without a null argument
 *   sum, avg        count and the sum: 128 bits for integers, decimals and intervals, else double
 *   stddev, var     count, mean and the sum of squared distances, updated row by row (Welford), of
 *                  the distances from the first value: large values lose no digits
 *   min, max ..     the value: fixed-width ones in the cell, others as a column of one row
 *   collect_list    a chain through the values of all groups, which lie in one builder
 *
 * Sums that leave their type are an error under ANSI and NULL (decimals) or wrap (BIGINT) else.
 */
#include "query/exec/aggregate.h"

#include "base/check.h"
#include "base/mem.h"

#include <math.h>

void state_init(struct state *state, const struct expr *expr)
{
    *state = (struct state){.expr = expr};
    if (expr->aggregate->kind == AGG_COLLECT_LIST)
        state->values = builder_new(expr->kids[0]->type, 64, 0);
}

static bool holds_column(const struct type *type)
{
    return type->kind != TYPE_BOOLEAN && type_width(type) == 0;
}

static void held_deinit(struct held *held, const struct type *type)
{
    if (held->set && !held->null && holds_column(type))
        column_unref(held->column);
    *held = (struct held){0};
}

void state_deinit(struct state *state)
{
    const struct expr *expr = state->expr;
    for (uint32_t i = 0; i < state->count; i++) {
        if (expr->count > 0)
            held_deinit(&state->cells[i].value, expr->kids[0]->type);
        if (expr->count > 1 &&
            (expr->aggregate->kind == AGG_MIN_BY || expr->aggregate->kind == AGG_MAX_BY))
            held_deinit(&state->cells[i].order, expr->kids[1]->type);
    }
    mem_free(state->cells);
    mem_free(state->next);
    builder_free(state->values);
    keyset_deinit(&state->seen);
}

void state_grow(struct state *state, uint32_t groups)
{
    if (groups > state->room) {
        state->room = groups > state->room * 2 ? groups : state->room * 2;
        state->cells = mem_realloc_array(state->cells, state->room, sizeof(*state->cells));
    }
    if (groups > state->count) {
        memset(state->cells + state->count, 0, (groups - state->count) * sizeof(*state->cells));
        state->count = groups;
    }
}

/* ---- kept values ---- */

static enum err held_put(struct held *held, const struct column *column, uint32_t row)
{
    const struct type *type = column->type;
    struct held made = {.set = true, .null = column_is_null(column, row)};
    if (made.null) {
        /* nothing to keep */
    } else if (type->kind == TYPE_BOOLEAN) {
        made.i64 = bit_get(column->bits, row);
    } else if (!holds_column(type)) {
        memcpy(&made.i128, (const char *)column->values + row * type_width(type), type_width(type));
    } else {
        TRY(column_take(column, &row, 1, &made.column));
    }
    held_deinit(held, type);
    *held = made;
    return OK;
}

/* The kept value against one of a column; neither is null. */
static int held_compare(const struct held *held, const struct column *column, uint32_t row)
{
    const struct type *type = column->type;
    if (holds_column(type))
        return column_value_compare(held->column, 0, column, row);
    _Alignas(16) char room[64] = {0};
    memcpy(room, &held->i128, sizeof(held->i128));
    struct column one = {.type = type, .rows = 1, .values = room, .refs = 1};
    return column_value_compare(&one, 0, column, row);
}

static enum err held_get(const struct held *held, struct builder *out)
{
    const struct type *type = out->type;
    if (!held->set || held->null) {
        builder_null(out);
    } else if (holds_column(type)) {
        builder_copy(out, held->column, 0);
    } else {
        _Alignas(16) char room[64] = {0};
        memcpy(room, &held->i128, sizeof(held->i128));
        struct column one = {.type = type, .rows = 1, .values = room, .refs = 1};
        builder_copy(out, &one, 0);
    }
    return out->err;
}

/* ---- updates ---- */

static __int128 integer_at(const struct column *column, uint32_t row)
{
    switch (type_width(column->type)) {
    case 16:
        return column->i128[row];
    case 8:
        return column->i64[row];
    case 4:
        return column->i32[row];
    default:
        check_never("a sum of this width");
        return 0;
    }
}

static void update_sum(struct cell *cell, const struct column *column, uint32_t row)
{
    cell->count++;
    if (column->type->kind == TYPE_DOUBLE)
        cell->moment[0] += column->f64[row];
    else if (__builtin_add_overflow(cell->sum, integer_at(column, row), &cell->sum))
        cell->value.null = true; /* beyond any type */
}

static void update_moments(struct cell *cell, double value)
{
    cell->count++;
    if (cell->count == 1)
        cell->moment[2] = value;
    value -= cell->moment[2];
    double delta = value - cell->moment[0], part = delta / (double)cell->count;
    cell->moment[0] += part;
    cell->moment[1] += delta * (delta - part);
}

static enum err update_list(struct state *state, struct cell *cell, const struct column *column,
                            uint32_t row)
{
    uint32_t at = state->values->rows;
    builder_copy(state->values, column, row);
    if (at >= state->next_room) {
        state->next_room = state->next_room ? state->next_room * 2 : 64;
        state->next = mem_realloc_array(state->next, state->next_room, sizeof(*state->next));
    }
    state->next[at] = 0;
    if (cell->last)
        state->next[cell->last - 1] = at + 1;
    else
        cell->first = at + 1;
    cell->last = at + 1;
    return state->values->err;
}

static enum err update_best(const struct state *state, struct cell *cell,
                            const struct column *const *args, uint32_t row)
{
    enum aggregate_kind kind = state->expr->aggregate->kind;
    bool by = kind == AGG_MIN_BY || kind == AGG_MAX_BY;
    const struct column *order = args[by ? 1 : 0];
    struct held *held = by ? &cell->order : &cell->value;
    if (column_is_null(order, row))
        return OK;
    if (held->set) {
        int compared = held_compare(held, order, row);
        /* of equals min_by and max_by take the later one, as Spark does */
        bool smaller = kind == AGG_MIN || kind == AGG_MIN_BY;
        if (smaller ? compared < 0 || (compared == 0 && !by)
                    : compared > 0 || (compared == 0 && !by))
            return OK;
    }
    TRY(held_put(held, order, row));
    return by ? held_put(&cell->value, args[0], row) : OK;
}

static bool any_null(const struct column *const *args, uint32_t count, uint32_t row)
{
    for (uint32_t i = 0; i < count; i++) {
        if (column_is_null(args[i], row))
            return true;
    }
    return false;
}

/* Has the group these arguments already? */
static enum err seen_before(struct state *state, uint32_t group, const struct column *const *args,
                            uint32_t row, bool *ret_seen)
{
    struct buf key = {0};
    uint32_t number;
    bool is_new = false;
    buf_le32(&key, group);
    for (uint32_t i = 0; i < state->expr->count; i++)
        keyset_encode(args[i], row, &key);
    enum err err = keyset_add(&state->seen, buf_str(&key), &number, &is_new);
    buf_deinit(&key);
    *ret_seen = !is_new;
    return err;
}

enum err state_update(struct state *state, struct eval *eval, uint32_t group,
                      const struct column *const *args, uint32_t row)
{
    struct cell *cell = &state->cells[group];
    const struct expr *expr = state->expr;
    enum aggregate_kind kind = expr->aggregate->kind;
    bool null = any_null(args, expr->count, row), seen = false;
    if (expr->distinct && !null)
        TRY(seen_before(state, group, args, row, &seen));
    if (seen)
        return OK;
    switch (kind) {
    case AGG_FIRST:
        if (cell->value.set || (null && expr->try_cast))
            return OK;
        return held_put(&cell->value, args[0], row);
    case AGG_LAST:
        return null && expr->try_cast ? OK : held_put(&cell->value, args[0], row);
    case AGG_MIN:
    case AGG_MAX:
    case AGG_MIN_BY:
    case AGG_MAX_BY:
        return update_best(state, cell, args, row);
    default:
        break;
    }
    if (null)
        return OK;
    switch (kind) {
    case AGG_COUNT:
        cell->count++;
        return OK;
    case AGG_COUNT_IF:
        cell->count += bit_get(args[0]->bits, row);
        return OK;
    case AGG_BOOL_AND:
    case AGG_BOOL_OR:
        cell->count++;
        cell->sum += bit_get(args[0]->bits, row) == (kind == AGG_BOOL_OR);
        return OK;
    case AGG_COLLECT_LIST:
        return update_list(state, cell, args[0], row);
    case AGG_SUM:
    case AGG_AVG:
        update_sum(cell, args[0], row);
        return OK;
    default:
        update_moments(cell, args[0]->f64[row]);
        return OK;
    }
}

/* ---- results ---- */

static void overflow(const struct state *state, struct eval *eval, uint32_t group,
                     struct builder *out)
{
    builder_null(out);
    if (eval->session->ansi)
        eval_fail(eval, group, "ARITHMETIC_OVERFLOW", "22003",
                  "the sum does not fit its type; use try_sum or a wider type");
}

static void put_decimal(const struct state *state, struct eval *eval, uint32_t group,
                        __int128 value, struct builder *out)
{
    __int128 limit = decimal_power10(out->type->precision);
    if (value >= limit || value <= -limit)
        overflow(state, eval, group, out);
    else
        builder_i128(out, value);
}

static void put_sum(const struct state *state, struct eval *eval, uint32_t group,
                    const struct cell *cell, struct builder *out)
{
    enum type_kind kind = out->type->kind;
    int64_t max = kind == TYPE_INTERVAL_YM ? INT32_MAX : INT64_MAX;
    if (kind == TYPE_DOUBLE)
        builder_f64(out, cell->moment[0]);
    else if (cell->value.null)
        overflow(state, eval, group, out);
    else if (kind == TYPE_DECIMAL)
        put_decimal(state, eval, group, cell->sum, out);
    else if ((cell->sum > max || cell->sum < -(__int128)max - 1) &&
             (eval->session->ansi || kind != TYPE_BIGINT))
        overflow(state, eval, group, out);
    else
        builder_i64(out, (int64_t)cell->sum);
}

/* sum / count at the result's scale, halves away from zero. */
static void put_average(const struct state *state, struct eval *eval, uint32_t group,
                        const struct cell *cell, struct builder *out)
{
    if (out->type->kind == TYPE_DOUBLE) {
        builder_f64(out, cell->moment[0] / (double)cell->count);
        return;
    }
    unsigned more = out->type->scale - state->expr->kids[0]->type->scale;
    __int128 power = decimal_power10(more), whole = cell->sum / cell->count;
    __int128 rest = (cell->sum % cell->count) * power, result;
    __int128 fraction = rest / cell->count, left = rest % cell->count;
    if (left * 2 >= cell->count)
        fraction++;
    else if (-left * 2 >= cell->count)
        fraction--;
    if (cell->value.null || __builtin_mul_overflow(whole, power, &result))
        overflow(state, eval, group, out);
    else
        put_decimal(state, eval, group, result + fraction, out);
}

static void put_moment(enum aggregate_kind kind, const struct cell *cell, struct builder *out)
{
    bool sample = kind == AGG_STDDEV_SAMP || kind == AGG_VAR_SAMP;
    if (cell->count == 0 || (sample && cell->count == 1)) {
        builder_null(out);
        return;
    }
    double variance = cell->moment[1] / (double)(cell->count - sample);
    bool root = kind == AGG_STDDEV_SAMP || kind == AGG_STDDEV_POP;
    builder_f64(out, root ? sqrt(variance) : variance);
}

static void put_list(const struct state *state, const struct cell *cell,
                     const struct column *values, struct builder *out)
{
    for (uint32_t at = cell->first; at; at = state->next[at - 1])
        builder_copy(out->children[0], values, at - 1);
    builder_valid(out);
}

static enum err put_result(const struct state *state, struct eval *eval, uint32_t group,
                           const struct column *values, struct builder *out)
{
    const struct cell *cell = &state->cells[group];
    enum aggregate_kind kind = state->expr->aggregate->kind;
    switch (kind) {
    case AGG_COUNT:
    case AGG_COUNT_IF:
        builder_i64(out, cell->count);
        break;
    case AGG_COLLECT_LIST:
        put_list(state, cell, values, out);
        break;
    case AGG_FIRST:
    case AGG_LAST:
    case AGG_MIN:
    case AGG_MAX:
    case AGG_MIN_BY:
    case AGG_MAX_BY:
        return held_get(&cell->value, out);
    case AGG_STDDEV_SAMP:
    case AGG_STDDEV_POP:
    case AGG_VAR_SAMP:
    case AGG_VAR_POP:
        put_moment(kind, cell, out);
        break;
    case AGG_SUM:
    case AGG_AVG:
    case AGG_BOOL_AND:
    case AGG_BOOL_OR:
        if (cell->count == 0)
            builder_null(out);
        else if (kind == AGG_SUM)
            put_sum(state, eval, group, cell, out);
        else if (kind == AGG_AVG)
            put_average(state, eval, group, cell, out);
        else
            builder_bool(out, (cell->sum != 0) == (kind == AGG_BOOL_OR));
        break;
    }
    return out->err;
}

enum err state_result(struct state *state, struct eval *eval, struct column **ret_column)
{
    struct column *values = NULL;
    struct builder *out = builder_new(state->expr->type, state->count, 0);
    enum err err = state->values ? builder_finish(state->values, &values) : OK;
    eval->line = state->expr->line;
    eval->column = state->expr->column;
    for (uint32_t g = 0; g < state->count && err == OK; g++)
        err = put_result(state, eval, g, values, out);
    if (err == OK)
        err = builder_finish(out, ret_column);
    column_unref(values);
    builder_free(out);
    return err;
}
