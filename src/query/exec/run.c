/* SPDX-License-Identifier: MIT */
/*
 * A run of a plan: operators in a chain, rows pushed in at the scans, output gathered at the end.
 *
 * Errors of rows come through eval->failed. When they are collected, the first of each input row is
 * kept and at the end of the push all output rows that come from such an input row are taken out:
 * one bad element of an exploded array spoils the whole record, as it must when the record goes to
 * the dead letters. When they are not collected, the first one ends the run.
 *
 * What operators hold (sort, aggregate) is counted against memory_max.
 */
#include "query/exec/exec.h"

#include "base/check.h"
#include "base/mem.h"

enum { SCRATCH_MAX = 1 << 30, OUTPUT_ROWS = 65536 };

/* ---- errors of rows ---- */

static void note_row(struct eval *eval, uint32_t row, const struct diag *diag)
{
    struct query_run *run = eval->owner;
    if (!run->collect_errors) {
        if (run->failure.err == OK) {
            run->failure = *diag;
            run->failure.err = diag->err ? diag->err : ERR_INVALID;
        }
        return;
    }
    const uint32_t *origins = run->current->origins;
    uint32_t input = origins ? origins[row] : row;
    if (input >= run->input_rows)
        return;
    if (!run->errored)
        run->errored = mem_zero(bit_words(run->input_rows) * sizeof(uint64_t) + 8);
    if (bit_get(run->errored, input))
        return;
    bit_set(run->errored, input);
    if (run->error_count == run->error_room) {
        run->error_room = run->error_room ? run->error_room * 2 : 8;
        run->errors = mem_realloc_array(run->errors, run->error_room, sizeof(*run->errors));
    }
    struct query_row_error *error = &run->errors[run->error_count++];
    *error = (struct query_row_error){.input_row = input, .diag = *diag};
    if (error->diag.err == OK)
        error->diag.err = ERR_INVALID;
}

struct eval run_eval(struct query_run *run, const struct chunk *chunk)
{
    run->current = chunk;
    return (struct eval){.session = &run->session,
                         .scratch = &run->scratch,
                         .failed = note_row,
                         .owner = run,
                         .memos = &run->memos};
}

enum err run_check(const struct query_run *run)
{
    return run->failure.err;
}

bool run_row_failed(const struct query_run *run, const struct chunk *chunk, uint32_t row)
{
    uint32_t input = chunk->origins ? chunk->origins[row] : row;
    return run->errored && input < run->input_rows && bit_get(run->errored, input);
}

enum err run_hold(struct query_run *run, size_t bytes)
{
    run->memory_used += bytes;
    if (!run->memory_max || run->memory_used <= run->memory_max)
        return OK;
    diag_set(&run->failure, ERR_LIMIT, 0, 0,
             "the query holds more rows in memory than its limit of %zu MB allows",
             run->memory_max >> 20);
    return ERR_LIMIT;
}

/* ---- building the chain ---- */

static struct operator* new_operator(struct query_run *run, const struct plan_node *node)
{
    switch (node->kind) {
    case PLAN_FILTER:
        return filter_new(run, node);
    case PLAN_PROJECT:
        return project_new(run, node);
    case PLAN_GENERATE:
        return generate_new(run, node);
    case PLAN_LIMIT:
        return limit_new(run, node);
    case PLAN_SCAN:
    case PLAN_UNION:
        return union_new(run, node);
    case PLAN_SORT:
        return sort_new(run, node);
    case PLAN_AGGREGATE:
        return aggregate_new(run, node);
    case PLAN_VALUES:
        return values_new(run, node);
    }
    check_never("an operator");
    return NULL;
}

static size_t count_nodes(const struct plan_node *node)
{
    size_t count = 1;
    for (uint32_t i = 0; i < node->kid_count; i++)
        count += count_nodes(node->kids[i]);
    return count;
}

static void build(struct query_run *run, const struct plan_node *node, struct operator* above)
{
    struct operator* op = new_operator(run, node);
    op->node = node;
    op->run = run;
    op->above = above;
    op->kids_open = node->kid_count;
    if (node->kind == PLAN_SCAN)
        run->scans[node->input] = op;
    for (uint32_t i = 0; i < node->kid_count; i++)
        build(run, node->kids[i], op);
    run->operators[run->operator_count++] = op;
}

enum err query_run_new(const struct query_plan *plan, bool collect_errors, size_t memory_max,
                       struct query_run **ret_run)
{
    struct query_run *run = mem_zero(sizeof(*run));
    run->plan = plan;
    run->session = plan->session;
    run->collect_errors = collect_errors && plan->stateless;
    run->memory_max = memory_max;
    arena_init(&run->scratch, SCRATCH_MAX);
    run->operators = mem_array(count_nodes(plan->root), sizeof(*run->operators));
    run->scans = mem_zero((plan->input_count + 1) * sizeof(*run->scans));
    build(run, plan->root, NULL);
    *ret_run = run;
    return OK;
}

static void reset_push(struct query_run *run)
{
    for (size_t i = 0; i < run->output_count; i++)
        chunk_deinit(&run->output[i]);
    run->output_count = 0;
    mem_free(run->errors);
    mem_free(run->errored);
    run->errors = NULL;
    run->errored = NULL;
    run->error_count = run->error_room = 0;
    arena_reset(&run->scratch);
}

void query_run_free(struct query_run *run)
{
    if (!run)
        return;
    reset_push(run);
    for (size_t i = 0; i < run->operator_count; i++) {
        run->operators[i]->class->free(run->operators[i]);
        mem_free(run->operators[i]);
    }
    mem_free(run->operators);
    mem_free(run->scans);
    mem_free(run->output);
    arena_deinit(&run->scratch);
    func_memos_deinit(&run->memos);
    mem_free(run);
}

void query_run_set_now(struct query_run *run, int64_t now_us)
{
    run->session.now_us = now_us;
}

/* ---- output ---- */

static enum err drop_failed_rows(struct query_run *run, struct chunk *chunk)
{
    if (!run->errored)
        return OK;
    uint32_t *rows = mem_array(chunk->rows + 1u, sizeof(*rows)), count = 0;
    for (uint32_t r = 0; r < chunk->rows; r++) {
        if (!run_row_failed(run, chunk, r))
            rows[count++] = r;
    }
    enum err err = count < chunk->rows ? chunk_take(chunk, rows, count, NULL) : OK;
    mem_free(rows);
    return err;
}

/* All chunks of the output as one. */
static enum err join_output(struct query_run *run, struct chunk *ret_chunk)
{
    uint32_t width = run->plan->root->width, rows = 0;
    struct column **parts = mem_array(run->output_count, sizeof(*parts));
    for (size_t i = 0; i < run->output_count; i++)
        rows += run->output[i].rows;
    chunk_init(ret_chunk, width, rows);
    enum err err = OK;
    for (uint32_t c = 0; c < width && err == OK; c++) {
        for (size_t i = 0; i < run->output_count; i++)
            parts[i] = run->output[i].columns[c];
        err = column_concat(parts, run->output_count, &ret_chunk->columns[c]);
    }
    ret_chunk->origins = mem_array(rows + 1u, sizeof(uint32_t));
    uint32_t at = 0;
    for (size_t i = 0; i < run->output_count; i++) {
        const struct chunk *part = &run->output[i];
        for (uint32_t r = 0; r < part->rows; r++)
            ret_chunk->origins[at++] = part->origins ? part->origins[r] : r;
    }
    mem_free(parts);
    return err;
}

static enum err take_output(struct query_run *run, struct chunk *ret_chunk)
{
    if (run->output_count == 0) {
        chunk_init(ret_chunk, 0, 0);
        return OK;
    }
    if (run->output_count == 1) {
        *ret_chunk = run->output[0];
        run->output_count = 0;
    } else {
        enum err err = join_output(run, ret_chunk);
        if (err != OK) {
            chunk_deinit(ret_chunk);
            return err;
        }
    }
    enum err err = drop_failed_rows(run, ret_chunk);
    if (err != OK)
        chunk_deinit(ret_chunk);
    return err;
}

static enum err give_output(struct query_run *run, struct query_output *ret_output)
{
    struct chunk chunk;
    TRY(take_output(run, &chunk));
    *ret_output = (struct query_output){
        .errors = run->errors, .error_count = run->error_count, .done = run->done};
    run->errors = NULL;
    run->error_count = run->error_room = 0;
    if (chunk.rows) {
        ret_output->batch = batch_new(run->plan->schema, chunk.rows, chunk.columns);
        if (run->plan->stateless && !chunk.origins) {
            chunk.origins = mem_array(chunk.rows, sizeof(uint32_t));
            for (uint32_t r = 0; r < chunk.rows; r++)
                chunk.origins[r] = r;
        }
        if (run->plan->stateless) {
            ret_output->origins = chunk.origins;
            chunk.origins = NULL;
        }
        /* the batch has its own references of the columns now */
        memset(chunk.columns, 0, chunk.width * sizeof(*chunk.columns));
    }
    chunk_deinit(&chunk);
    return OK;
}

void query_output_deinit(struct query_output *output)
{
    batch_unref(output->batch);
    mem_free(output->origins);
    mem_free(output->errors);
    *output = (struct query_output){0};
}

static enum err end_push(struct query_run *run, enum err err, struct diag *diag,
                         struct query_output *ret_output)
{
    if (err == OK && run->scratch.over) {
        diag_set(&run->failure, ERR_LIMIT, 0, 0, "a batch needs too much memory");
        err = ERR_LIMIT;
    }
    if (err == OK)
        err = give_output(run, ret_output);
    if (err != OK && diag && diag->err == OK) {
        if (run->failure.err)
            *diag = run->failure;
        else
            diag_set(diag, err, 0, 0, "%s", err_text(err));
    }
    reset_push(run);
    return err;
}

/* ---- pushing ---- */

static void chunk_of_batch(const struct plan_node *scan, const struct batch *batch,
                           struct chunk *ret_chunk)
{
    chunk_init(ret_chunk, scan->width, batch->rows);
    for (uint32_t i = 0; i < scan->width; i++) {
        if (scan->positions[i] == UINT32_MAX)
            continue;
        check(scan->positions[i] < batch->column_count);
        ret_chunk->columns[i] = column_ref(batch->columns[scan->positions[i]]);
    }
}

enum err query_run_push(struct query_run *run, size_t input_index, const struct batch *batch,
                        struct diag *diag, struct query_output *ret_output)
{
    check(input_index < run->plan->input_count);
    struct operator* scan = run->scans[input_index];
    struct chunk chunk;
    run->input_rows = batch->rows;
    enum err err = run->failure.err;
    if (err == OK && batch->rows && !run->done) {
        chunk_of_batch(scan->node, batch, &chunk);
        err = operator_emit(scan, &chunk);
    }
    return end_push(run, err, diag, ret_output);
}

enum err query_run_finish(struct query_run *run, struct diag *diag, struct query_output *ret_output)
{
    enum err err = run->failure.err;
    run->input_rows = 0;
    if (!run->finished) {
        run->finished = true;
        for (size_t i = 0; i < run->operator_count && err == OK; i++) {
            if (run->operators[i]->node->kid_count == 0)
                err = run->operators[i]->class->finish(run->operators[i]);
        }
    }
    return end_push(run, err, diag, ret_output);
}
