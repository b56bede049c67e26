/* SPDX-License-Identifier: MIT */
/*
 * What all kernels share.
 *
 * Two shapes of kernel exist. Whole-column kernels (arithmetic, comparison, casts of numbers) get
 * a builder with the merged validity and run plain loops over arrays. Row kernels (text, dates,
 * nested values) are a function called once a row, with a scratch buffer that keeps its memory.
 *
 * Invariants
 *  1 a kernel gives exactly rows rows, whatever fails; the first failure of the builder (2 GiB of
 *    bytes) is the only error it returns.
 *  2 an error of a row goes through eval_fail and leaves NULL in that row.
 *  3 bits of validity behind the last row are zero, so that counting needs no mask.
 */
#include "query/func/kernel.h"

#include <stdarg.h>
#include <stdio.h>

static void fail_row(struct eval *eval, uint32_t row, const char *error_class, const char *sqlstate,
                     const char *format, va_list args)
{
    if (!eval_active(eval, row) || !eval->failed)
        return;
    struct diag diag = {.err = ERR_INVALID, .line = eval->line, .column = eval->column};
    vsnprintf(diag.message, sizeof diag.message, format, args);
    diag_class(&diag, error_class, sqlstate);
    eval->failed(eval, row, &diag);
}

void eval_fail(struct eval *eval, uint32_t row, const char *error_class, const char *sqlstate,
               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_row(eval, row, error_class, sqlstate, format, args);
    va_end(args);
}

void call_fail(struct func_call *call, const char *error_class, const char *sqlstate,
               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_row(call->eval, call->row, error_class, sqlstate, format, args);
    va_end(args);
    builder_null(call->out);
}

static void validity_all(uint64_t *validity, uint32_t rows)
{
    memset(validity, 0xFF, rows / 64 * 8);
    if (rows % 64)
        validity[rows / 64] = (1ull << (rows % 64)) - 1;
}

struct builder *kernel_fixed(const struct type *type, const struct column *const *args,
                             size_t count, uint32_t rows)
{
    struct builder *out = builder_new(type, rows, 0);
    builder_reserve(out, rows);
    size_t words = bit_words(rows);
    validity_all(out->validity, rows);
    for (size_t i = 0; i < count; i++) {
        if (args[i]->type->kind == TYPE_NULL) {
            memset(out->validity, 0, words * 8);
        } else if (args[i]->validity) {
            const uint64_t *from = args[i]->validity;
            for (size_t w = 0; w < words; w++)
                out->validity[w] &= from[w];
        }
    }
    size_t width = type_width(type);
    if (rows > 0 && type->kind != TYPE_NULL)
        memset(out->values, 0, width ? width * rows : words * 8);
    out->rows = rows;
    return out;
}

enum err kernel_finish(struct builder *out, struct column **ret_column)
{
    uint32_t valid = 0;
    for (size_t w = 0; w < bit_words(out->rows); w++)
        valid += (uint32_t)__builtin_popcountll(out->validity[w]);
    out->nulls = out->rows - valid;
    return kernel_built(out, ret_column);
}

enum err kernel_built(struct builder *out, struct column **ret_column)
{
    enum err err = builder_finish(out, ret_column);
    builder_free(out);
    return err;
}

static bool any_null(const struct func_call *call)
{
    for (size_t i = 0; i < call->count; i++)
        if (call_null(call, i))
            return true;
    return false;
}

/* ---- memos ---- */

static void memo_drop(void *memo, void (*memo_free)(void *memo))
{
    if (memo && memo_free)
        memo_free(memo);
    mem_free(memo);
}

void func_memos_deinit(struct func_memos *memos)
{
    for (size_t i = 0; i < memos->count; i++)
        memo_drop(memos->items[i].memo, memos->items[i].memo_free);
    mem_free(memos->items);
    *memos = (struct func_memos){0};
}

/* The memo of the last batch, out of its place while it is in use. */
static void memo_take(struct func_call *call)
{
    struct func_memos *memos = call->eval->memos;
    for (size_t i = 0; memos && i < memos->count; i++) {
        if (memos->items[i].binding != call->binding)
            continue;
        call->memo = memos->items[i].memo;
        call->memo_free = memos->items[i].memo_free;
        memos->items[i].memo = NULL;
        return;
    }
}

static void memo_keep(struct func_call *call)
{
    struct func_memos *memos = call->eval->memos;
    size_t at = 0;
    if (!call->memo)
        return;
    while (memos && at < memos->count && memos->items[at].binding != call->binding)
        at++;
    if (!memos || (at < memos->count && memos->items[at].memo)) {
        memo_drop(call->memo, call->memo_free);
        return;
    }
    if (at == memos->count && memos->count == memos->room) {
        memos->room = memos->room ? memos->room * 2 : 8;
        memos->items = mem_realloc_array(memos->items, memos->room, sizeof(*memos->items));
    }
    memos->count += at == memos->count;
    memos->items[at] = (struct func_memo){call->binding, call->memo, call->memo_free};
}

enum err kernel_rows(struct eval *eval, const struct func_binding *binding,
                     const struct column *const *args, uint32_t rows, struct column **ret_column)
{
    struct func_call call = {.eval = eval,
                             .binding = binding,
                             .args = args,
                             .count = binding->count,
                             .out = builder_new(binding->result, rows, 0)};
    memo_take(&call);
    for (call.row = 0; call.row < rows; call.row++) {
        if (!eval_active(eval, call.row) || (binding->info->nulls_propagate && any_null(&call))) {
            builder_null(call.out);
        } else {
            buf_reset(&call.buf);
            binding->info->row(&call);
        }
    }
    buf_deinit(&call.buf);
    memo_keep(&call);
    return kernel_built(call.out, ret_column);
}
