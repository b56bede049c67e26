/* SPDX-License-Identifier: MIT */
/*
 * Expressions over column batches. The trees become one array of steps in post-order; each step
 * reads slots and fills one. Slots 0 .. width-1 are the columns of the chunk itself (never copied),
 * then come the lambda variables, then the results of steps.
 *
 * Branches. A CASE computes all its branches for all rows, but rows that do not take a branch must
 * not fail in it. A stack of masks (one bit a row) says which rows count:
 *
 *   MASK_COPY             push a copy of the top
 *   MASK_TRUE slot        push top & (slot is true)
 *   MASK_NOT_TRUE slot    top &= slot is not true
 *   MASK_NOT_FALSE slot   top &= slot is not false
 *   MASK_NULL slot        top &= slot is null
 *   MASK_POP
 *
 * A mask without any bit jumps to its MASK_POP: the branch is not computed and its slot stays NULL,
 * which the step that joins the branches reads as "no row".
 *
 * Equal expressions are computed once, but never is a result of a branch used outside of it: the
 * list of known results is cut back when the branch ends.
 *
 * Lambdas run their body as a program of its own over the flattened elements (lambda.c).
 */
#include "query/exec/program.h"

#include "base/check.h"

enum { KNOWN_MAX = 256, NO_SLOT = UINT32_MAX };

/* ---- compiling ---- */

static struct step *add_step(struct program *program, enum step_kind kind, const struct expr *expr)
{
    if (program->step_count == program->step_room) {
        program->step_room = program->step_room ? program->step_room * 2 : 32;
        program->steps =
            mem_realloc_array(program->steps, program->step_room, sizeof(*program->steps));
    }
    struct step *step = &program->steps[program->step_count++];
    *step = (struct step){.kind = kind, .expr = expr, .out = NO_SLOT};
    return step;
}

static void remember(struct program *program, const struct expr *expr, uint32_t slot)
{
    if (expr->is_volatile || program->known_count == KNOWN_MAX)
        return;
    program->known[program->known_count++] = (struct known){expr, slot};
}

static uint32_t find_known(const struct program *program, const struct expr *expr)
{
    for (size_t i = program->known_count; i-- > 0;) {
        const struct expr *other = program->known[i].expr;
        if (other == expr || (!expr->has_variable && expr_equal(other, expr)))
            return program->known[i].slot;
    }
    return NO_SLOT;
}

static void add_input(struct program *program, uint32_t slot)
{
    if (program->input_count == program->input_room) {
        program->input_room = program->input_room ? program->input_room * 2 : 64;
        program->inputs =
            mem_realloc_array(program->inputs, program->input_room, sizeof(*program->inputs));
    }
    program->inputs[program->input_count++] = slot;
}

/* A step over these slots; gives its slot. */
static uint32_t finish_step(struct program *program, enum step_kind kind, const struct expr *expr,
                            const uint32_t *slots, uint32_t count)
{
    struct step *step = add_step(program, kind, expr);
    step->first = (uint32_t)program->input_count;
    step->count = count;
    step->out = program->slot_count++;
    for (uint32_t i = 0; i < count; i++)
        add_input(program, slots[i]);
    return step->out;
}

static size_t mask_step(struct program *program, enum step_kind kind, uint32_t slot)
{
    struct step *step = add_step(program, kind, NULL);
    step->count = slot;
    return program->step_count - 1;
}

static void land(struct program *program, size_t step)
{
    program->steps[step].jump = (uint32_t)program->step_count;
}

static uint32_t compile(struct program *program, const struct expr *expr);

/* AND, OR, COALESCE: each kid is computed for the rows that the ones before left open. */
static uint32_t compile_chain(struct program *program, const struct expr *expr, enum step_kind kind,
                              enum step_kind mask)
{
    uint32_t *slots = mem_array(expr->count, sizeof(*slots));
    size_t *jumps = mem_array(expr->count, sizeof(*jumps)), jump_count = 0;
    bool fails = false;
    for (uint32_t i = 1; i < expr->count; i++)
        fails |= expr_can_fail(expr->kids[i]);
    slots[0] = compile(program, expr->kids[0]);
    size_t known = program->known_count;
    if (fails)
        mask_step(program, STEP_MASK_COPY, 0);
    for (uint32_t i = 1; i < expr->count; i++) {
        if (fails)
            jumps[jump_count++] = mask_step(program, mask, slots[i - 1]);
        slots[i] = compile(program, expr->kids[i]);
    }
    for (size_t i = 0; i < jump_count; i++)
        land(program, jumps[i]);
    if (fails) {
        mask_step(program, STEP_MASK_POP, 0);
        program->known_count = known;
    }
    uint32_t out = finish_step(program, kind, expr, slots, expr->count);
    mem_free(slots);
    mem_free(jumps);
    return out;
}

static uint32_t compile_case(struct program *program, const struct expr *expr)
{
    uint32_t *slots = mem_array(expr->count, sizeof(*slots));
    size_t *jumps = mem_array(expr->count, sizeof(*jumps)), jump_count = 0;
    uint32_t pairs = expr->count / 2;
    size_t known = program->known_count;
    for (uint32_t i = 0; i < pairs; i++) {
        slots[2 * i] = compile(program, expr->kids[2 * i]);
        if (i == 0) {
            known = program->known_count;
            mask_step(program, STEP_MASK_COPY, 0);
        }
        size_t inner = program->known_count;
        size_t taken = mask_step(program, STEP_MASK_TRUE, slots[2 * i]);
        slots[2 * i + 1] = compile(program, expr->kids[2 * i + 1]);
        land(program, taken);
        mask_step(program, STEP_MASK_POP, 0);
        program->known_count = inner;
        jumps[jump_count++] = mask_step(program, STEP_MASK_NOT_TRUE, slots[2 * i]);
    }
    if (expr->count % 2)
        slots[expr->count - 1] = compile(program, expr->kids[expr->count - 1]);
    for (size_t i = 0; i < jump_count; i++)
        land(program, jumps[i]);
    mask_step(program, STEP_MASK_POP, 0);
    program->known_count = known;
    uint32_t out = finish_step(program, STEP_CASE, expr, slots, expr->count);
    mem_free(slots);
    mem_free(jumps);
    return out;
}

static uint32_t compile_kids(struct program *program, const struct expr *expr, enum step_kind kind)
{
    uint32_t *slots = mem_array(expr->count + 1u, sizeof(*slots)), count = 0;
    for (uint32_t i = 0; i < expr->count; i++) {
        if (expr->kids[i]->kind != EXPR_LAMBDA)
            slots[count++] = compile(program, expr->kids[i]);
    }
    uint32_t out = finish_step(program, kind, expr, slots, count);
    mem_free(slots);
    return out;
}

static uint32_t compile_lambda_call(struct program *program, const struct expr *expr)
{
    uint32_t out = compile_kids(program, expr, STEP_LAMBDA);
    struct step *step = &program->steps[program->step_count - 1];
    step->lambda = lambda_new(program, expr);
    return out;
}

static uint32_t compile_new(struct program *program, const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_CONSTANT:
        return compile_kids(program, expr, STEP_CONSTANT);
    case EXPR_FIELD:
        return compile_kids(program, expr, STEP_FIELD);
    case EXPR_CALL:
        return compile_kids(program, expr, STEP_CALL);
    case EXPR_CAST:
        return compile_kids(program, expr, STEP_CAST);
    case EXPR_NOT:
        return compile_kids(program, expr, STEP_NOT);
    case EXPR_AND:
        return compile_chain(program, expr, STEP_AND, STEP_MASK_NOT_FALSE);
    case EXPR_OR:
        return compile_chain(program, expr, STEP_OR, STEP_MASK_NOT_TRUE);
    case EXPR_COALESCE:
        return compile_chain(program, expr, STEP_COALESCE, STEP_MASK_NULL);
    case EXPR_CASE:
        return compile_case(program, expr);
    case EXPR_LAMBDA_CALL:
        return compile_lambda_call(program, expr);
    case EXPR_COLUMN:
    case EXPR_VARIABLE:
    case EXPR_LAMBDA:
    case EXPR_AGGREGATE:
        break;
    }
    check_never("an expression that is not computed");
    return 0;
}

static uint32_t compile(struct program *program, const struct expr *expr)
{
    if (expr->kind == EXPR_COLUMN) {
        check(expr->index < program->width);
        return expr->index;
    }
    if (expr->kind == EXPR_VARIABLE)
        return program->width + expr->index;
    uint32_t slot = find_known(program, expr);
    if (slot != NO_SLOT)
        return slot;
    slot = compile_new(program, expr);
    remember(program, expr, slot);
    return slot;
}

struct program *program_new(const struct query_session *session, struct expr *const *exprs,
                            uint32_t count, uint32_t width, uint32_t variables)
{
    struct program *program = mem_zero(sizeof(*program));
    program->session = session;
    program->width = width;
    program->variables = variables;
    program->slot_count = width + variables;
    program->out_count = count;
    program->out = mem_array(count + 1u, sizeof(*program->out));
    program->known = mem_array(KNOWN_MAX, sizeof(*program->known));
    for (uint32_t i = 0; i < count; i++)
        program->out[i] = exprs[i] ? compile(program, exprs[i]) : NO_SLOT;
    mem_free(program->known);
    program->known = NULL;
    program->slots = mem_zero((program->slot_count + 1u) * sizeof(*program->slots));
    program->repeated = mem_zero((program->step_count + 1u) * sizeof(*program->repeated));
    return program;
}

void program_free(struct program *program)
{
    if (!program)
        return;
    for (size_t i = 0; i < program->step_count; i++) {
        column_unref(program->repeated[i]);
        lambda_free(program->steps[i].lambda);
    }
    mem_free(program->repeated);
    mem_free(program->slots);
    mem_free(program->steps);
    mem_free(program->inputs);
    mem_free(program->out);
    mem_free(program);
}

/* ---- running ---- */

/* The arguments of a step. */
static const struct column *const *step_inputs(struct program *program, const struct step *step,
                                               struct arena *scratch)
{
    const struct column **args = arena_array(scratch, step->count + 1u, sizeof(*args));
    for (uint32_t i = 0; i < step->count; i++)
        args[i] = program->slots[program->inputs[step->first + i]];
    return args;
}

/* A constant for so many rows; kept for the next chunk, which mostly has as many. */
static enum err run_constant(struct program *program, size_t index, uint32_t rows,
                             struct column **ret_column)
{
    const struct expr *expr = program->steps[index].expr;
    struct column **kept = &program->repeated[index];
    if (!*kept || (*kept)->rows != rows) {
        struct column *column;
        TRY(column_repeat(expr->constant, 0, rows, &column));
        column_unref(*kept);
        *kept = column;
    }
    *ret_column = column_ref(*kept);
    return OK;
}

static enum err run_value(struct program *program, size_t index, struct eval *eval, uint32_t rows,
                          struct column **ret_column)
{
    const struct step *step = &program->steps[index];
    const struct column *const *args = step_inputs(program, step, eval->scratch);
    eval->line = step->expr->line;
    eval->column = step->expr->column;
    switch (step->kind) {
    case STEP_CONSTANT:
        return run_constant(program, index, rows, ret_column);
    case STEP_FIELD:
        return step_field(args[0], step->expr, ret_column);
    case STEP_CALL:
        return func_call_eval(eval, &step->expr->binding, args, rows, ret_column);
    case STEP_CAST:
        return cast_eval(eval, args[0], step->expr->type, step->expr->try_cast, ret_column);
    case STEP_NOT:
        *ret_column = step_not(args[0], rows);
        return OK;
    case STEP_AND:
    case STEP_OR:
        *ret_column = step_logical(args, step->count, rows, step->kind == STEP_AND);
        return OK;
    case STEP_CASE:
        return step_case(eval, step->expr, args, step->count, rows, ret_column);
    case STEP_COALESCE:
        return step_coalesce(eval, step->expr, args, step->count, rows, ret_column);
    case STEP_LAMBDA:
        return lambda_run(step->lambda, program, eval, args, rows, ret_column);
    default:
        check_never("not a step with a value");
        return ERR_INVALID;
    }
}

struct mask_stack {
    uint64_t *masks[MASK_DEPTH_MAX];
    size_t depth;
    const uint64_t *outer; /* NULL = all rows */
};

static uint64_t *mask_copy(const struct mask_stack *stack, struct arena *scratch, size_t words)
{
    uint64_t *mask = arena_array(scratch, words + 1, sizeof(*mask));
    const uint64_t *top = stack->depth ? stack->masks[stack->depth - 1] : stack->outer;
    for (size_t i = 0; i < words; i++)
        mask[i] = top ? top[i] : UINT64_MAX;
    return mask;
}

/* True when no row is left. */
static bool mask_narrow(uint64_t *mask, enum step_kind kind, const struct column *column,
                        uint32_t rows)
{
    size_t words = bit_words(rows);
    uint64_t any = 0;
    for (size_t i = 0; i < words; i++) {
        bool null_column = !column || column->type->kind == TYPE_NULL;
        uint64_t valid = null_column ? 0 : column->validity ? column->validity[i] : UINT64_MAX;
        uint64_t bits = null_column || column->type->kind != TYPE_BOOLEAN ? 0 : column->bits[i];
        mask[i] &= kind == STEP_MASK_TRUE        ? valid & bits
                   : kind == STEP_MASK_NOT_TRUE  ? ~(valid & bits)
                   : kind == STEP_MASK_NOT_FALSE ? ~(valid & ~bits)
                                                 : ~valid;
        uint64_t last = i + 1 == words && rows % 64 ? (1ull << rows % 64) - 1 : UINT64_MAX;
        any |= mask[i] & last;
    }
    return any == 0;
}

/* Gives the next step. */
static size_t run_mask(struct program *program, size_t index, struct mask_stack *stack,
                       struct arena *scratch, uint32_t rows)
{
    const struct step *step = &program->steps[index];
    if (step->kind == STEP_MASK_POP) {
        stack->depth--;
        return index + 1;
    }
    if (step->kind == STEP_MASK_COPY || step->kind == STEP_MASK_TRUE) {
        check(stack->depth < MASK_DEPTH_MAX);
        uint64_t *mask = mask_copy(stack, scratch, bit_words(rows));
        stack->masks[stack->depth++] = mask;
        if (step->kind == STEP_MASK_COPY)
            return index + 1;
    }
    bool empty =
        mask_narrow(stack->masks[stack->depth - 1], step->kind, program->slots[step->count], rows);
    return empty ? step->jump : index + 1;
}

static void clear_slots(struct program *program)
{
    for (uint32_t i = program->width + program->variables; i < program->slot_count; i++) {
        column_unref(program->slots[i]);
        program->slots[i] = NULL;
    }
}

static enum err run_steps(struct program *program, struct eval *eval, uint32_t rows)
{
    struct mask_stack *stack = arena_alloc(eval->scratch, sizeof(*stack));
    stack->depth = 0;
    stack->outer = eval->active;
    enum err err = OK;
    for (size_t i = 0; i < program->step_count && err == OK;) {
        const struct step *step = &program->steps[i];
        if (step->kind >= STEP_MASK_COPY) {
            i = run_mask(program, i, stack, eval->scratch, rows);
            continue;
        }
        eval->active = stack->depth ? stack->masks[stack->depth - 1] : stack->outer;
        err = run_value(program, i, eval, rows, &program->slots[step->out]);
        i++;
    }
    eval->active = stack->outer;
    return err;
}

enum err program_run(struct program *program, struct eval *eval, const struct chunk *chunk,
                     struct column **ret_columns)
{
    for (uint32_t i = 0; i < program->width; i++)
        program->slots[i] = chunk->columns[i];
    enum err err = run_steps(program, eval, chunk->rows);
    for (uint32_t i = 0; i < program->out_count && err == OK; i++) {
        uint32_t slot = program->out[i];
        ret_columns[i] = slot == NO_SLOT ? NULL : column_ref(program->slots[slot]);
    }
    clear_slots(program);
    return err;
}
