/* SPDX-License-Identifier: MIT */
/*
 * Casts of arrays, maps and structs: the children are cast as columns, then the rows are put
 * together again.
 *
 * Errors of a child belong to the row that holds it. They are gathered in an eval of their own that
 * finds the row by the offsets, so that a branch that is not taken stays silent there too.
 */
#include "query/cast.h"

struct nested {
    struct eval eval; /* first: what the kernels of the children see */
    struct eval *outer;
    const struct column *parent;
};

static uint32_t parent_row(const struct column *parent, uint32_t child_row)
{
    if (parent->type->kind == TYPE_STRUCT)
        return child_row;
    uint32_t low = 0, high = parent->rows;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if ((uint32_t)parent->offsets[middle] <= child_row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void child_failed(struct eval *eval, uint32_t row, const struct diag *diag)
{
    struct nested *nested = (struct nested *)eval;
    uint32_t outer = parent_row(nested->parent, row);
    if (eval_active(nested->outer, outer) && nested->outer->failed)
        nested->outer->failed(nested->outer, outer, diag);
}

static void copy_elements(struct builder *out, const struct column *from,
                          struct column *const *children, uint32_t row)
{
    uint32_t begin = row, end = row + 1;
    if (from->type->kind != TYPE_STRUCT) {
        begin = (uint32_t)from->offsets[row];
        end = (uint32_t)from->offsets[row + 1];
    }
    for (uint32_t c = 0; c < out->child_count; c++) {
        for (uint32_t i = begin; i < end; i++) {
            if (column_is_null(children[c], i))
                builder_null(out->children[c]);
            else
                builder_copy(out->children[c], children[c], i);
        }
    }
    builder_valid(out);
}

enum err cast_nested(const struct cast *cast, struct column **ret_column)
{
    const struct column *from = cast->from;
    struct nested nested = {.eval = *cast->eval, .outer = cast->eval, .parent = from};
    nested.eval.active = NULL;
    nested.eval.failed = child_failed;
    CLEAN(mem_free_at)
    struct column **children = mem_zero((from->child_count + 1) * sizeof *children);
    enum err err = OK;
    for (uint32_t c = 0; c < from->child_count && err == OK; c++)
        err = cast_eval(&nested.eval, from->children[c], cast->to->fields[c].type, cast->try_cast,
                        &children[c]);
    if (err == OK) {
        struct builder *out = builder_new(cast->to, from->rows, 0);
        for (uint32_t i = 0; i < from->rows; i++) {
            if (column_is_null(from, i))
                builder_null(out);
            else
                copy_elements(out, from, children, i);
        }
        err = kernel_built(out, ret_column);
    }
    for (uint32_t c = 0; c < from->child_count; c++)
        column_unref(children[c]);
    return err;
}
