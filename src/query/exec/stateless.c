/* SPDX-License-Identifier: MIT */
/*
 * Operators that keep no rows: filter, project, limit, union, values.
 */
#include "query/exec/exec.h"

#include "base/mem.h"

enum err operator_emit(struct operator* op, struct chunk *chunk)
{
    if (op->above)
        return op->above->class->push(op->above, chunk);
    struct query_run *run = op->run;
    if (chunk->rows == 0) {
        chunk_deinit(chunk);
        return OK;
    }
    if (run->output_count == run->output_room) {
        run->output_room = run->output_room ? run->output_room * 2 : 4;
        run->output = mem_realloc_array(run->output, run->output_room, sizeof(*run->output));
    }
    run->output[run->output_count++] = *chunk;
    *chunk = (struct chunk){0};
    return OK;
}

enum err operator_finish(struct operator* op)
{
    if (op->kids_open && --op->kids_open)
        return OK;
    return op->above ? op->above->class->finish(op->above) : OK;
}

void operator_enough(struct operator* op)
{
    for (struct operator* above = op->above; above; above = above->above) {
        if (above->node->kind == PLAN_UNION)
            return;
    }
    op->run->done = true;
}

/* ---- filter ---- */

struct filter {
    struct operator op;
    struct program *program;
};

static void filter_free(struct operator* op)
{
    program_free(((struct filter *)op)->program);
}

/* Rows for which the condition is true, in rows; gives how many. */
static uint32_t true_rows(const struct column *condition, uint32_t *rows)
{
    uint32_t count = 0;
    for (size_t w = 0; w < bit_words(condition->rows); w++) {
        uint64_t word = condition->bits[w];
        if (condition->validity)
            word &= condition->validity[w];
        if (w + 1 == bit_words(condition->rows) && condition->rows % 64)
            word &= (1ull << condition->rows % 64) - 1;
        for (; word; word &= word - 1)
            rows[count++] = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(word);
    }
    return count;
}

static enum err filter_chunk(struct filter *filter, struct chunk *chunk, uint32_t *rows)
{
    struct query_run *run = filter->op.run;
    struct eval eval = run_eval(run, chunk);
    struct column *condition;
    TRY(program_run(filter->program, &eval, chunk, &condition));
    uint32_t count = true_rows(condition, rows);
    column_unref(condition);
    TRY(run_check(run));
    if (count == 0 || count < chunk->rows)
        TRY(chunk_take(chunk, rows, count, filter->op.node->live));
    return OK;
}

static enum err filter_push(struct operator* op, struct chunk *chunk)
{
    uint32_t *rows = mem_array(chunk->rows + 1u, sizeof(*rows));
    enum err err = filter_chunk((struct filter *)op, chunk, rows);
    mem_free(rows);
    if (err == OK && chunk->rows)
        return operator_emit(op, chunk);
    chunk_deinit(chunk);
    return err;
}

struct operator* filter_new(struct query_run *run, const struct plan_node *node)
{
    static const struct operator_class class = {filter_free, filter_push, operator_finish};
    struct filter *filter = mem_zero(sizeof(*filter));
    filter->op.class = &class;
    filter->program =
        program_new(&run->session, node->exprs, 1, node->kids[0]->width, run->plan->variables);
    return &filter->op;
}

/* ---- project ---- */

struct project {
    struct operator op;
    struct program *program;
};

static void project_free(struct operator* op)
{
    program_free(((struct project *)op)->program);
}

static enum err project_push(struct operator* op, struct chunk *chunk)
{
    struct query_run *run = op->run;
    struct chunk out;
    struct eval eval = run_eval(run, chunk);
    chunk_init(&out, op->node->width, chunk->rows);
    enum err err = program_run(((struct project *)op)->program, &eval, chunk, out.columns);
    if (err == OK)
        err = run_check(run);
    out.origins = chunk->origins;
    chunk->origins = NULL;
    chunk_deinit(chunk);
    if (err == OK)
        return operator_emit(op, &out);
    chunk_deinit(&out);
    return err;
}

struct operator* project_new(struct query_run *run, const struct plan_node *node)
{
    static const struct operator_class class = {project_free, project_push, operator_finish};
    struct project *project = mem_zero(sizeof(*project));
    project->op.class = &class;
    project->program = program_new(&run->session, node->exprs, node->expr_count,
                                   node->kids[0]->width, run->plan->variables);
    return &project->op;
}

/* ---- limit ---- */

struct limit {
    struct operator op;
    uint64_t skip, left;
};

static void nothing_to_free(struct operator* op)
{
}

/* Rows of failed input rows will be left out: they must not count. */
static enum err drop_failed(struct query_run *run, struct chunk *chunk, uint32_t *rows)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < chunk->rows; r++) {
        if (!run_row_failed(run, chunk, r))
            rows[count++] = r;
    }
    return count < chunk->rows ? chunk_take(chunk, rows, count, NULL) : OK;
}

static enum err limit_chunk(struct limit *limit, struct chunk *chunk, uint32_t *rows)
{
    TRY(drop_failed(limit->op.run, chunk, rows));
    uint32_t skip = limit->skip < chunk->rows ? (uint32_t)limit->skip : chunk->rows;
    uint32_t count = chunk->rows - skip;
    if (limit->left < count)
        count = (uint32_t)limit->left;
    limit->skip -= skip;
    if (limit->left != UINT64_MAX)
        limit->left -= count;
    for (uint32_t i = 0; i < count; i++)
        rows[i] = skip + i;
    if (limit->left == 0)
        operator_enough(&limit->op);
    return count < chunk->rows ? chunk_take(chunk, rows, count, NULL) : OK;
}

static enum err limit_push(struct operator* op, struct chunk *chunk)
{
    struct limit *limit = (struct limit *)op;
    if (limit->left == 0) {
        operator_enough(op);
        chunk_deinit(chunk);
        return OK;
    }
    uint32_t *rows = mem_array(chunk->rows + 1u, sizeof(*rows));
    enum err err = limit_chunk(limit, chunk, rows);
    mem_free(rows);
    if (err == OK && chunk->rows)
        return operator_emit(op, chunk);
    chunk_deinit(chunk);
    return err;
}

struct operator* limit_new(struct query_run *run, const struct plan_node *node)
{
    static const struct operator_class class = {nothing_to_free, limit_push, operator_finish};
    struct limit *limit = mem_zero(sizeof(*limit));
    limit->op.class = &class;
    limit->skip = node->offset;
    limit->left = node->limit;
    return &limit->op;
}

/* ---- union ---- */

struct operator* union_new(struct query_run *run, const struct plan_node *node)
{
    static const struct operator_class class = {nothing_to_free, operator_emit, operator_finish};
    struct operator* op = mem_zero(sizeof(*op));
    op->class = &class;
    return op;
}

/* ---- values ---- */

struct values {
    struct operator op;
    struct program *program;
};

static void values_free(struct operator* op)
{
    program_free(((struct values *)op)->program);
}

static enum err values_push(struct operator* op, struct chunk *chunk)
{
    chunk_deinit(chunk); /* has no kid */
    return OK;
}

/* All cells are computed over one row without columns and put one below the other. */
static enum err values_rows(struct values *values, struct chunk *out)
{
    const struct plan_node *node = values->op.node;
    struct query_run *run = values->op.run;
    uint32_t cells = node->expr_count, rows = (uint32_t)node->limit;
    struct chunk row;
    chunk_init(&row, 0, 1);
    struct eval eval = run_eval(run, &row);
    struct column **made = mem_zero((cells + 1u) * sizeof(*made));
    struct column **parts = mem_array(rows + 1u, sizeof(*parts));
    enum err err = program_run(values->program, &eval, &row, made);
    if (err == OK)
        err = run_check(run);
    for (uint32_t c = 0; c < node->width && err == OK; c++) {
        for (uint32_t r = 0; r < rows; r++)
            parts[r] = made[r * node->width + c];
        err = column_concat(parts, rows, &out->columns[c]);
    }
    for (uint32_t i = 0; i < cells; i++)
        column_unref(made[i]);
    mem_free(made);
    mem_free(parts);
    chunk_deinit(&row);
    return err;
}

static enum err values_finish(struct operator* op)
{
    struct chunk out;
    chunk_init(&out, op->node->width, (uint32_t)op->node->limit);
    enum err err = values_rows((struct values *)op, &out);
    if (err == OK)
        err = operator_emit(op, &out);
    else
        chunk_deinit(&out);
    return err == OK ? operator_finish(op) : err;
}

struct operator* values_new(struct query_run *run, const struct plan_node *node)
{
    static const struct operator_class class = {values_free, values_push, values_finish};
    struct values *values = mem_zero(sizeof(*values));
    values->op.class = &class;
    values->program =
        program_new(&run->session, node->exprs, node->expr_count, 0, run->plan->variables);
    return &values->op;
}
