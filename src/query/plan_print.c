/* SPDX-License-Identifier: MIT */
/*
 * EXPLAIN: the tree of operators, the last one first, kids indented below. #n is column n of the
 * kid's output; "-" a column that nobody needs.
 */
#include "query/plan.h"

static void print_exprs(const struct plan_node *node, uint32_t from, uint32_t to, struct buf *out)
{
    for (uint32_t i = from; i < to; i++) {
        buf_text(out, i > from ? ", " : "");
        if (node->exprs[i])
            expr_print(node->exprs[i], out);
        else
            buf_char(out, '-');
    }
}

static void print_scan(const struct query_plan *plan, const struct plan_node *node, struct buf *out)
{
    const struct query_input *input = &plan->inputs[node->input];
    buf_printf(out, "%s %.*s ", input->streaming ? "stream" : "scan", STR_ARG(input->name));
    type_print(input->wanted, out);
}

static void print_keys(const struct plan_node *node, struct buf *out)
{
    for (size_t i = 0; i < node->sort_key_count; i++) {
        buf_text(out, i ? ", " : "");
        expr_print(node->keys[i].expr, out);
        buf_text(out, node->keys[i].descending ? " desc" : "");
        if (node->keys[i].nulls_last != node->keys[i].descending)
            buf_text(out, node->keys[i].nulls_last ? " nulls last" : " nulls first");
    }
}

static void print_node(const struct query_plan *plan, const struct plan_node *node, uint32_t depth,
                       struct buf *out)
{
    for (uint32_t i = 0; i < depth; i++)
        buf_text(out, "  ");
    switch (node->kind) {
    case PLAN_SCAN:
        print_scan(plan, node, out);
        break;
    case PLAN_VALUES:
        buf_printf(out, "values %u columns %llu rows ", node->width,
                   (unsigned long long)node->limit);
        print_exprs(node, 0, node->expr_count, out);
        break;
    case PLAN_FILTER:
        buf_text(out, "filter ");
        print_exprs(node, 0, 1, out);
        break;
    case PLAN_PROJECT:
        buf_text(out, "project ");
        print_exprs(node, 0, node->expr_count, out);
        break;
    case PLAN_GENERATE:
        buf_printf(out, "%s%s%s ", node->with_position ? "pos" : "",
                   node->inlined ? "inline" : "explode", node->outer ? " outer" : "");
        print_exprs(node, 0, 1, out);
        break;
    case PLAN_LIMIT:
        buf_text(out, "limit");
        if (node->limit != UINT64_MAX)
            buf_printf(out, " %llu", (unsigned long long)node->limit);
        if (node->offset)
            buf_printf(out, " offset %llu", (unsigned long long)node->offset);
        break;
    case PLAN_UNION:
        buf_text(out, "union all");
        break;
    case PLAN_SORT:
        buf_text(out, "sort ");
        print_keys(node, out);
        break;
    case PLAN_AGGREGATE:
        buf_text(out, "aggregate by (");
        print_exprs(node, 0, node->key_count, out);
        buf_text(out, ") ");
        print_exprs(node, node->key_count, node->expr_count, out);
        break;
    }
    buf_char(out, '\n');
    for (uint32_t i = 0; i < node->kid_count; i++)
        print_node(plan, node->kids[i], depth + 1, out);
}

void query_plan_print(const struct query_plan *plan, struct buf *out)
{
    print_node(plan, plan->root, 0, out);
}
