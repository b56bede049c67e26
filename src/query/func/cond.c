/* SPDX-License-Identifier: MIT */
/*
 * Functions that choose one of their arguments: coalesce, nvl, nvl2, if, nullif, greatest, least.
 * The binder may turn those that skip arguments (coalesce, if, ..) into CASE so that what is not
 * chosen is not computed; the kernels here choose among computed columns.
 */
#include "query/func/kernel.h"

static enum err common_bind(struct func_bind *bind)
{
    return bind_common(bind, 0, NULL);
}

static void coalesce_row(struct func_call *call)
{
    for (size_t i = 0; i < call->count; i++) {
        if (!call_null(call, i)) {
            builder_copy(call->out, call->args[i], call->row);
            return;
        }
    }
    builder_null(call->out);
}

static void copy_row(struct func_call *call, size_t i)
{
    if (call_null(call, i))
        builder_null(call->out);
    else
        builder_copy(call->out, call->args[i], call->row);
}

/* The common type of arguments 1 and 2, the first one BOOLEAN (if) or anything (nvl2). */
static enum err choice_bind(struct func_bind *bind)
{
    TRY(bind_common(bind, 1, NULL));
    if (bind->info->variant == 0)
        bind->out.args[0] = type_implicit(bind, 0, type_simple(TYPE_BOOLEAN));
    return bind->out.args[0] ? OK : bind_bad_input(bind, 0, "BOOLEAN");
}

static void if_row(struct func_call *call)
{
    copy_row(call, !call_null(call, 0) && call_bool(call, 0) ? 1 : 2);
}

static void nvl2_row(struct func_call *call)
{
    copy_row(call, call_null(call, 0) ? 2 : 1);
}

static enum err nullif_bind(struct func_bind *bind)
{
    TRY(bind_common(bind, 0, NULL));
    const struct type *first = bind->args[0].type;
    bind->out.result = first->kind == TYPE_NULL ? bind->out.args[0] : first;
    if (!type_equal(bind->out.result, bind->out.args[0]))
        bind->out.result = bind->out.args[0];
    return OK;
}

static void nullif_row(struct func_call *call)
{
    bool equal = !call_null(call, 0) && !call_null(call, 1) &&
                 column_value_compare(call->args[0], call->row, call->args[1], call->row) == 0;
    if (equal)
        builder_null(call->out);
    else
        copy_row(call, 0);
}

static void extreme_row(struct func_call *call)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < call->count; i++) {
        if (call_null(call, i))
            continue;
        if (best == SIZE_MAX ||
            column_value_compare(call->args[i], call->row, call->args[best], call->row) *
                    call->binding->info->variant >
                0)
            best = i;
    }
    if (best == SIZE_MAX)
        builder_null(call->out);
    else
        builder_copy(call->out, call->args[best], call->row);
}

static bool is_zero(const struct func_call *call)
{
    const struct column *c = call->args[0];
    switch (c->type->kind) {
    case TYPE_DECIMAL:
        return c->i128[call->row] == 0;
    case TYPE_FLOAT:
        return c->f32[call->row] == 0;
    case TYPE_DOUBLE:
        return c->f64[call->row] == 0;
    default:
        return column_i64(c, call->row) == 0;
    }
}

static void nullifzero_row(struct func_call *call)
{
    if (call_null(call, 0) || is_zero(call))
        builder_null(call->out);
    else
        copy_row(call, 0);
}

static void zeroifnull_row(struct func_call *call)
{
    if (!call_null(call, 0))
        copy_row(call, 0);
    else if (call->binding->result->kind == TYPE_DECIMAL)
        builder_i128(call->out, 0);
    else if (kind_is_float(call->binding->result->kind))
        builder_f64(call->out, 0);
    else
        builder_i64(call->out, 0);
}

static void nanvl_row(struct func_call *call)
{
    bool nan = !call_null(call, 0) && call_double(call, 0) != call_double(call, 0);
    copy_row(call, nan ? 1 : 0);
}

const struct func_info func_cond[] = {
    {"coalesce", 1, 255, false, false, common_bind, kernel_rows, "coalesce(expr, ..)", NULL,
     .row = coalesce_row},
    {"nvl", 2, 2, false, false, common_bind, kernel_rows, "nvl(a, b)", .row = coalesce_row},
    {"ifnull", 2, 2, false, false, common_bind, kernel_rows, "ifnull(a, b)", .row = coalesce_row},
    {"nvl2", 3, 3, false, false, choice_bind, kernel_rows, "nvl2(a, b, c)", NULL, nvl2_row, 1},
    {"if", 3, 3, false, false, choice_bind, kernel_rows, "if(cond, a, b)", .row = if_row},
    {"iff", 3, 3, false, false, choice_bind, kernel_rows, "iff(cond, a, b)", .row = if_row},
    {"nullif", 2, 2, false, false, nullif_bind, kernel_rows, "nullif(a, b)", .row = nullif_row},
    {"nullifzero", 1, 1, false, false, bind_signature, kernel_rows, "nullifzero(expr)", "0(n)",
     .row = nullifzero_row},
    {"zeroifnull", 1, 1, false, false, bind_signature, kernel_rows, "zeroifnull(expr)", "0(n)",
     .row = zeroifnull_row},
    {"nanvl", 2, 2, false, false, bind_signature, kernel_rows, "nanvl(a, b)", "d(d,d)",
     .row = nanvl_row},
    {"greatest", 2, 255, false, false, common_bind, kernel_rows, "greatest(expr, ..)", NULL,
     extreme_row, 1},
    {"least", 2, 255, false, false, common_bind, kernel_rows, "least(expr, ..)", NULL, extreme_row,
     -1},
    {.name = NULL},
};
