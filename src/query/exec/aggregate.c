/* SPDX-License-Identifier: MIT */
/*
 * GROUP BY: rows find their group by the bytes of their keys (keyset.c), each aggregate keeps a
 * cell a group (state.c); at the end all groups come out in the order in which they were first
 * seen. Without keys there is one group even when there are no rows.
 *
 * Row after row is updated column by column, so that a state's cells and one argument's values stay
 * in the cache.
 */
#include "query/exec/aggregate.h"

#include "base/mem.h"

struct aggregate {
    struct operator op;
    struct program *program; /* keys, then each state's arguments and filter */
    uint32_t out_count;
    struct keyset keys;
    struct builder **key_values;
    struct state *states;
    uint32_t state_count, group_count;
};

static void aggregate_free(struct operator* op)
{
    struct aggregate *a = (struct aggregate *)op;
    for (uint32_t i = 0; i < op->node->key_count; i++)
        builder_free(a->key_values[i]);
    for (uint32_t i = 0; i < a->state_count; i++)
        state_deinit(&a->states[i]);
    keyset_deinit(&a->keys);
    mem_free(a->key_values);
    mem_free(a->states);
    program_free(a->program);
}

/* -0.0 and 0.0 are one group, shown as 0.0. */
static void put_key(struct builder *out, const struct column *column, uint32_t row)
{
    bool zero = !column_is_null(column, row) &&
                ((out->type->kind == TYPE_DOUBLE && column->f64[row] == 0) ||
                 (out->type->kind == TYPE_FLOAT && column->f32[row] == 0));
    if (zero)
        builder_f64(out, 0);
    else
        builder_copy(out, column, row);
}

static enum err new_group(struct aggregate *a, struct column *const *columns, uint32_t row)
{
    enum { GROUP_BYTES = 64 };
    for (uint32_t i = 0; i < a->op.node->key_count; i++) {
        put_key(a->key_values[i], columns[i], row);
        TRY(a->key_values[i]->err);
    }
    a->group_count++;
    size_t key_bytes = a->keys.starts[a->group_count] - a->keys.starts[a->group_count - 1];
    return run_hold(a->op.run, GROUP_BYTES + a->state_count * sizeof(struct cell) + 2 * key_bytes);
}

/* The group of each row. */
static enum err find_groups(struct aggregate *a, struct column *const *columns, uint32_t rows,
                            uint32_t *groups)
{
    uint32_t key_count = a->op.node->key_count;
    if (key_count == 0) {
        memset(groups, 0, rows * sizeof(*groups));
        return OK;
    }
    struct buf key = {0};
    enum err err = OK;
    for (uint32_t r = 0; r < rows && err == OK; r++) {
        bool is_new = false;
        buf_reset(&key);
        for (uint32_t i = 0; i < key_count; i++)
            keyset_encode(columns[i], r, &key);
        err = keyset_add(&a->keys, buf_str(&key), &groups[r], &is_new);
        if (err == OK && is_new)
            err = new_group(a, columns, r);
    }
    buf_deinit(&key);
    return err;
}

static bool passes(const struct column *filter, uint32_t row)
{
    return !filter || (!column_is_null(filter, row) && bit_get(filter->bits, row));
}

static enum err update_states(struct aggregate *a, struct eval *eval, struct column *const *columns,
                              uint32_t rows, const uint32_t *groups)
{
    uint32_t at = a->op.node->key_count;
    for (uint32_t s = 0; s < a->state_count; s++) {
        struct state *state = &a->states[s];
        const struct column *const *args = (const struct column *const *)columns + at;
        at += state->expr->count;
        const struct column *filter = state->expr->filter ? columns[at++] : NULL;
        size_t before = state->values ? state->values->bytes_count : 0;
        state_grow(state, a->group_count);
        for (uint32_t r = 0; r < rows; r++) {
            if (passes(filter, r))
                TRY(state_update(state, eval, groups[r], args, r));
        }
        if (state->values)
            TRY(run_hold(a->op.run, rows * 16u + state->values->bytes_count - before));
    }
    return OK;
}

static enum err aggregate_chunk(struct aggregate *a, const struct chunk *chunk,
                                struct column **columns, uint32_t *groups)
{
    struct eval eval = run_eval(a->op.run, chunk);
    TRY(program_run(a->program, &eval, chunk, columns));
    TRY(run_check(a->op.run));
    TRY(find_groups(a, columns, chunk->rows, groups));
    TRY(update_states(a, &eval, columns, chunk->rows, groups));
    return run_check(a->op.run);
}

static enum err aggregate_push(struct operator* op, struct chunk *chunk)
{
    struct aggregate *a = (struct aggregate *)op;
    struct column **columns = mem_zero((a->out_count + 1u) * sizeof(*columns));
    uint32_t *groups = mem_array(chunk->rows + 1u, sizeof(*groups));
    enum err err = aggregate_chunk(a, chunk, columns, groups);
    for (uint32_t i = 0; i < a->out_count; i++)
        column_unref(columns[i]);
    mem_free(columns);
    mem_free(groups);
    chunk_deinit(chunk);
    return err;
}

static enum err make_groups(struct aggregate *a, struct chunk *out)
{
    const struct plan_node *node = a->op.node;
    struct eval eval = run_eval(a->op.run, out);
    for (uint32_t i = 0; i < node->key_count; i++)
        TRY(builder_finish(a->key_values[i], &out->columns[i]));
    for (uint32_t s = 0; s < a->state_count; s++) {
        state_grow(&a->states[s], a->group_count);
        TRY(state_result(&a->states[s], &eval, &out->columns[node->key_count + s]));
    }
    return run_check(a->op.run);
}

static enum err aggregate_finish(struct operator* op)
{
    struct aggregate *a = (struct aggregate *)op;
    if (a->group_count) {
        struct chunk out;
        chunk_init(&out, op->node->width, a->group_count);
        enum err err = make_groups(a, &out);
        if (err != OK) {
            chunk_deinit(&out);
            return err;
        }
        TRY(operator_emit(op, &out));
    }
    return operator_finish(op);
}

static void add_exprs(const struct plan_node *node, struct expr **exprs, uint32_t *ret_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->expr_count; i++) {
        const struct expr *expr = node->exprs[i];
        if (i < node->key_count) {
            exprs[count++] = node->exprs[i];
            continue;
        }
        for (uint32_t k = 0; k < expr->count; k++)
            exprs[count++] = expr->kids[k];
        if (expr->filter)
            exprs[count++] = expr->filter;
    }
    *ret_count = count;
}

struct operator* aggregate_new(struct query_run *run, const struct plan_node *node)
{
    static const struct operator_class class = {aggregate_free, aggregate_push, aggregate_finish};
    struct aggregate *a = mem_zero(sizeof(*a));
    size_t room = node->expr_count + 1u;
    for (uint32_t i = 0; i < node->expr_count; i++)
        room += node->exprs[i]->count + 1u;
    struct expr **exprs = mem_array(room, sizeof(*exprs));
    add_exprs(node, exprs, &a->out_count);
    a->op.class = &class;
    a->program =
        program_new(&run->session, exprs, a->out_count, node->kids[0]->width, run->plan->variables);
    mem_free(exprs);
    a->group_count = node->key_count ? 0 : 1;
    a->key_values = mem_zero((node->key_count + 1u) * sizeof(*a->key_values));
    for (uint32_t i = 0; i < node->key_count; i++)
        a->key_values[i] = builder_new(node->types[i], 64, 0);
    a->state_count = node->expr_count - node->key_count;
    a->states = mem_zero((a->state_count + 1u) * sizeof(*a->states));
    for (uint32_t i = 0; i < a->state_count; i++)
        state_init(&a->states[i], node->exprs[node->key_count + i]);
    return &a->op;
}
