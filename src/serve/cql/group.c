/* SPDX-License-Identifier: MIT */
/*
 * GROUP BY and aggregates: one group is open at a time, because rows come in the order of the keys
 * that may be grouped by.
 *
 * A selector without an aggregate is evaluated for the first row of a group and kept; one with an
 * aggregate inside ("max(v) + k") is evaluated at the end, over the values of the first row.
 */
#include "serve/cql/select_run.h"

enum err select_group_init(struct select_run *s)
{
    const struct select_plan *p = s->plan;
    if (!p->grouped && p->aggregate_count == 0)
        return OK;
    s->aggregates = arena_zero(s->run->arena, (p->aggregate_count + 1) * sizeof(void *));
    for (size_t i = 0; i < p->aggregate_count; i++)
        s->aggregates[i] = fold_new(p->aggregates[i]);
    s->results = arena_zero(s->run->arena, (p->aggregate_count + 1) * sizeof(struct str));
    s->first_values = arena_zero(s->run->arena, (p->table->column_count + 1) * sizeof(struct str));
    s->first_items = arena_zero(s->run->arena, (p->item_count + 1) * sizeof(struct str));
    s->eval.aggregates = s->results;
    return OK;
}

void select_group_deinit(struct select_run *s)
{
    for (size_t i = 0; s->aggregates && i < s->plan->aggregate_count; i++)
        fold_free(s->aggregates[i]);
    s->aggregates = NULL;
}

/* What tells groups apart, but for the partition. */
static enum err group_key(struct select_run *s, struct buf *out)
{
    const struct select_plan *p = s->plan;
    uint32_t plain = p->group_clustering - (p->group_function ? 1 : 0);
    s->eval.values = s->values;
    for (uint32_t i = 0; i < plain; i++) {
        struct str value = s->values[p->table->partition_count + i];
        buf_be32(out, value.ptr ? (uint32_t)value.bytes : UINT32_MAX);
        buf_str_append(out, value);
    }
    if (p->group_function) {
        struct str value;
        TRY(expr_eval(&s->eval, p->group_function, &value));
        buf_str_append(out, value);
    }
    return buf_error(out);
}

enum err select_group_changes(struct select_run *s, bool begins, bool *ret_changes)
{
    *ret_changes = false;
    if (!s->in_group || !s->plan->grouped)
        return OK;
    if (begins) {
        *ret_changes = true;
        return OK;
    }
    struct buf key = {0};
    enum err err = group_key(s, &key);
    *ret_changes = !str_equal(buf_str(&key), buf_str(&s->group));
    buf_deinit(&key);
    return err;
}

static enum err group_open(struct select_run *s)
{
    const struct select_plan *p = s->plan;
    struct str *items = s->first_items;
    arena_reset(&s->group_arena);
    buf_reset(&s->group);
    if (p->grouped)
        TRY(group_key(s, &s->group));
    for (uint32_t i = 0; i < p->table->column_count; i++)
        s->first_values[i] = s->values[i].ptr ? arena_str(&s->group_arena, s->values[i]) : STR_NONE;
    for (size_t i = 0; i < p->item_count; i++) {
        if (p->item_aggregates[i])
            continue;
        TRY(expr_eval(&s->eval, p->items[i], &items[i]));
        if (items[i].ptr)
            items[i] = arena_str(&s->group_arena, items[i]);
    }
    for (size_t i = 0; i < p->aggregate_count; i++)
        fold_reset(s->aggregates[i]);
    s->in_group = true;
    return s->group_arena.over ? ERR_LIMIT : OK;
}

enum err select_group_add(struct select_run *s, bool begins, bool *ret_finished)
{
    (void)begins;
    *ret_finished = false;
    s->eval.values = s->values;
    if (!s->in_group)
        TRY(group_open(s));
    for (size_t i = 0; i < s->plan->aggregate_count; i++)
        TRY(fold_add(s->aggregates[i], &s->eval));
    return OK;
}

enum err select_group_finish(struct select_run *s)
{
    const struct select_plan *p = s->plan;
    if (!s->in_group) {
        for (size_t i = 0; i < p->aggregate_count; i++)
            fold_reset(s->aggregates[i]);
        memset(s->first_values, 0, p->table->column_count * sizeof *s->first_values);
        memset(s->first_items, 0, p->item_count * sizeof *s->first_items);
    }
    const struct str *values = s->eval.values;
    const struct table_row *row = s->eval.row;
    s->eval.values = s->first_values;
    s->eval.row = NULL;
    for (size_t i = 0; i < p->aggregate_count; i++)
        TRY(fold_result(s->aggregates[i], &s->eval, &s->results[i]));
    for (size_t i = 0; i < p->item_count; i++) {
        if (p->item_aggregates[i] || (!s->in_group && p->items[i]->kind == EXPR_CALL))
            TRY(expr_eval(&s->eval, p->items[i], &s->first_items[i]));
    }
    s->in_group = false;
    enum err err = select_give(s, s->first_items);
    s->eval.values = values;
    s->eval.row = row;
    return err;
}
