/* SPDX-License-Identifier: MIT */
/*
 * Higher-order functions. The body of a lambda is a program of its own that runs once over all
 * elements of all rows: an element is a row there, the columns and outer variables that the body
 * names are repeated for each element. What comes out is a child column again.
 *
 * aggregate() goes on step by step: round i computes the i-th element of all rows that have one.
 * Rows that are through leave with their accumulator, so the work is that of the elements.
 *
 * A failing element reports its row.
 */
#include "query/exec/program.h"

#include "base/check.h"

struct lambda {
    const struct expr *call;
    struct program *bodies[2]; /* of its lambdas */
    uint64_t *late;            /* elements that failed are noted here instead of reported */
    const uint64_t *only;      /* elements that count, when not all do */
    bool *used;                /* slots of the outer program that a body reads */
    uint32_t outer_slots;
};

static void find_used(const struct expr *expr, uint32_t width, bool *used)
{
    if (expr->kind == EXPR_COLUMN)
        used[expr->index] = true;
    if (expr->kind == EXPR_VARIABLE)
        used[width + expr->index] = true;
    for (uint32_t i = 0; i < expr->count; i++)
        find_used(expr->kids[i], width, used);
}

struct lambda *lambda_new(const struct program *outer, const struct expr *expr)
{
    struct lambda *lambda = mem_zero(sizeof(*lambda));
    lambda->call = expr;
    lambda->outer_slots = outer->width + outer->variables;
    lambda->used = mem_zero(lambda->outer_slots + 1u);
    size_t count = 0;
    for (uint32_t i = 0; i < expr->count; i++) {
        if (expr->kids[i]->kind != EXPR_LAMBDA)
            continue;
        find_used(expr->kids[i], outer->width, lambda->used);
        lambda->bodies[count++] =
            program_new(outer->session, &expr->kids[i]->kids[0], 1, outer->width, outer->variables);
    }
    return lambda;
}

void lambda_free(struct lambda *lambda)
{
    if (!lambda)
        return;
    program_free(lambda->bodies[0]);
    program_free(lambda->bodies[1]);
    mem_free(lambda->used);
    mem_free(lambda);
}

/* ---- one run of a body ---- */

struct element_eval {
    struct eval *outer;
    uint64_t *late;
    const uint32_t *rows; /* of each element */
};

static void element_failed(struct eval *eval, uint32_t element, const struct diag *diag)
{
    const struct element_eval *owner = eval->owner;
    if (owner->late)
        bit_set(owner->late, element);
    else
        owner->outer->failed(owner->outer, owner->rows[element], diag);
}

/* Borrowed values of the lambda's own variables, by their place. */
struct variables {
    const struct column *columns[2];
    uint32_t count;
};

static uint64_t *element_mask(struct eval *eval, const uint32_t *rows, uint32_t count)
{
    if (!eval->active)
        return NULL;
    uint64_t *mask = arena_zero(eval->scratch, (bit_words(count) + 1) * sizeof(*mask));
    for (uint32_t i = 0; i < count; i++) {
        if (bit_get(eval->active, rows[i]))
            bit_set(mask, i);
    }
    return mask;
}

/* rows[i]: the row that element i belongs to. */
static enum err run_body(struct lambda *lambda, size_t body, const struct program *outer,
                         struct eval *eval, const struct variables *variables, const uint32_t *rows,
                         uint32_t count, struct column **ret_column)
{
    struct program *program = lambda->bodies[body];
    const struct expr *expr = NULL;
    for (uint32_t i = 0, n = 0; i < lambda->call->count; i++) {
        if (lambda->call->kids[i]->kind == EXPR_LAMBDA && n++ == body)
            expr = lambda->call->kids[i];
    }
    uint32_t first = outer->width + expr->index;
    struct chunk chunk;
    struct column **taken = mem_zero((lambda->outer_slots + 1u) * sizeof(*taken));
    chunk_init(&chunk, outer->width, count);
    enum err err = OK;
    for (uint32_t i = 0; i < lambda->outer_slots && err == OK; i++) {
        bool own = i >= first && i < first + expr->params;
        if (!own && lambda->used[i] && outer->slots[i])
            err = column_take(outer->slots[i], rows, count, &taken[i]);
    }
    for (uint32_t i = 0; i < lambda->outer_slots; i++) {
        if (i < outer->width)
            chunk.columns[i] = taken[i];
        else
            program->slots[i] = taken[i];
    }
    for (uint32_t i = 0; i < expr->params && i < variables->count; i++)
        program->slots[first + i] = (struct column *)variables->columns[i];
    struct element_eval owner = {eval, lambda->late, rows};
    struct eval inner = *eval;
    inner.failed = element_failed;
    inner.owner = &owner;
    inner.active = lambda->only ? lambda->only : element_mask(eval, rows, count);
    if (err == OK)
        err = program_run(program, &inner, &chunk, ret_column);
    for (uint32_t i = outer->width; i < lambda->outer_slots; i++) {
        column_unref(taken[i]);
        program->slots[i] = NULL;
    }
    mem_free(taken);
    chunk_deinit(&chunk);
    return err;
}

/* ---- elements of all rows ---- */

struct elements {
    uint32_t *rows, *at; /* of each element: its row, its place in the child column */
    int32_t *places;     /* in its array */
    uint32_t count;
};

/* Elements of rows that are there; rows that nobody looks at are left out too. */
static void list_elements(const struct column *collection, struct eval *eval, uint32_t rows,
                          struct elements *e)
{
    size_t total = 0;
    for (uint32_t r = 0; r < rows; r++)
        total += (size_t)(collection->offsets[r + 1] - collection->offsets[r]);
    e->rows = mem_array(total + 1, sizeof(*e->rows));
    e->at = mem_array(total + 1, sizeof(*e->at));
    e->places = mem_array(total + 1, sizeof(*e->places));
    e->count = 0;
    for (uint32_t r = 0; r < rows; r++) {
        if (column_is_null(collection, r))
            continue;
        for (int32_t i = collection->offsets[r]; i < collection->offsets[r + 1]; i++) {
            e->rows[e->count] = r;
            e->at[e->count] = (uint32_t)i;
            e->places[e->count++] = i - collection->offsets[r];
        }
    }
}

static void free_elements(struct elements *e)
{
    mem_free(e->rows);
    mem_free(e->at);
    mem_free(e->places);
}

static enum err place_column(const struct elements *e, struct column **ret_column)
{
    struct builder *builder = builder_new(type_simple(TYPE_INT), e->count, 0);
    for (uint32_t i = 0; i < e->count; i++)
        builder_i64(builder, e->places[i]);
    enum err err = builder_finish(builder, ret_column);
    builder_free(builder);
    return err;
}

static bool is_true(const struct column *column, uint32_t row)
{
    return !column_is_null(column, row) && bit_get(column->bits, row);
}

/* Rows of the result, from the lambda's value for each element. */
static void put_row(struct builder *out, const char *name, const struct column *collection,
                    const struct column *made, const struct elements *e, uint32_t from, uint32_t to)
{
    bool map = out->type->kind == TYPE_MAP;
    if (strcmp(name, "exists") == 0 || strcmp(name, "forall") == 0) {
        bool wanted = *name == 'e', found = false, null = false;
        for (uint32_t i = from; i < to; i++) {
            null |= column_is_null(made, i);
            found |= !column_is_null(made, i) && is_true(made, i) == wanted;
        }
        if (!found && null)
            builder_null(out);
        else
            builder_bool(out, found == wanted);
        return;
    }
    bool filter = strstr(name, "filter") != NULL;
    for (uint32_t i = from; i < to; i++) {
        if (filter && !is_true(made, i))
            continue;
        bool new_first = !filter && strcmp(name, "transform_values") != 0;
        if (new_first)
            builder_copy(out->children[0], made, i);
        else
            builder_copy(out->children[0], collection->children[0], e->at[i]);
        if (map && strcmp(name, "transform_values") == 0)
            builder_copy(out->children[1], made, i);
        else if (map)
            builder_copy(out->children[1], collection->children[1], e->at[i]);
    }
    builder_valid(out);
}

static enum err put_rows(const struct lambda *lambda, const struct column *collection,
                         const struct column *made, const struct elements *e, uint32_t rows,
                         struct column **ret_column)
{
    struct builder *out = builder_new(lambda->call->type, rows, 0);
    uint32_t at = 0;
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t from = at;
        while (at < e->count && e->rows[at] == r)
            at++;
        if (column_is_null(collection, r))
            builder_null(out);
        else
            put_row(out, lambda->call->name, collection, made, e, from, at);
    }
    enum err err = builder_finish(out, ret_column);
    builder_free(out);
    return err;
}

/* exists() and forall() stop at the element that decides: what fails behind it does not count. The
 * body runs again for the failures that do, to report them. */
static enum err report_late(struct lambda *lambda, const struct program *outer, struct eval *eval,
                            const struct variables *variables, const struct elements *e,
                            const struct column *made)
{
    bool wanted = *lambda->call->name == 'e', any = false, through = false;
    const uint64_t *late = lambda->late;
    uint64_t *only = arena_zero(eval->scratch, (bit_words(e->count) + 1) * sizeof(*only));
    for (uint32_t i = 0; i < e->count; i++) {
        through = through && i > 0 && e->rows[i] == e->rows[i - 1];
        if (through)
            continue;
        bool failed = bit_get(late, i);
        if (failed)
            bit_set(only, i);
        any |= failed;
        through = failed || (!column_is_null(made, i) && is_true(made, i) == wanted);
    }
    lambda->late = NULL;
    if (!any)
        return OK;
    struct column *again;
    lambda->only = only;
    enum err err = run_body(lambda, 0, outer, eval, variables, e->rows, e->count, &again);
    lambda->only = NULL;
    if (err == OK)
        column_unref(again);
    return err;
}

static enum err run_elements(struct lambda *lambda, const struct program *outer, struct eval *eval,
                             const struct variables *variables, const struct elements *e,
                             struct column **ret_made)
{
    const char *name = lambda->call->name;
    bool stops = strcmp(name, "exists") == 0 || strcmp(name, "forall") == 0;
    if (stops)
        lambda->late = arena_zero(eval->scratch, (bit_words(e->count) + 1) * 8);
    enum err err = run_body(lambda, 0, outer, eval, variables, e->rows, e->count, ret_made);
    if (err == OK && stops)
        err = report_late(lambda, outer, eval, variables, e, *ret_made);
    lambda->late = NULL;
    return err;
}

static enum err run_each(struct lambda *lambda, const struct program *outer, struct eval *eval,
                         const struct column *collection, uint32_t rows, struct column **ret_column)
{
    struct elements e;
    struct column *first = NULL, *second = NULL, *made = NULL;
    bool map = collection->type->kind == TYPE_MAP;
    list_elements(collection, eval, rows, &e);
    enum err err = column_take(collection->children[0], e.at, e.count, &first);
    if (err == OK)
        err = map ? column_take(collection->children[1], e.at, e.count, &second)
                  : place_column(&e, &second);
    struct variables variables = {{first, second}, 2};
    if (err == OK)
        err = run_elements(lambda, outer, eval, &variables, &e, &made);
    if (err == OK)
        err = put_rows(lambda, collection, made, &e, rows, ret_column);
    column_unref(first);
    column_unref(second);
    column_unref(made);
    free_elements(&e);
    return err;
}

/* ---- aggregate ---- */

struct fold {
    struct column *state; /* of the rows still going on */
    uint32_t *rows;       /* which these are */
    uint32_t count;
    struct column **done; /* states of rows that are through */
    size_t done_count, done_room;
    uint32_t *done_at; /* for each row its place among them, one behind the other */
    uint32_t done_rows;
};

static void fold_deinit(struct fold *fold)
{
    column_unref(fold->state);
    for (size_t i = 0; i < fold->done_count; i++)
        column_unref(fold->done[i]);
    mem_free(fold->done);
    mem_free(fold->rows);
    mem_free(fold->done_at);
}

/* Rows without an element number round leave. */
static enum err fold_leave(struct fold *fold, const struct column *array, int32_t round)
{
    uint32_t *leave = mem_array(fold->count + 1u, sizeof(*leave)), leaving = 0;
    uint32_t *stay = mem_array(fold->count + 1u, sizeof(*stay)), staying = 0;
    for (uint32_t i = 0; i < fold->count; i++) {
        uint32_t r = fold->rows[i];
        if (array->offsets[r + 1] - array->offsets[r] > round) {
            stay[staying++] = i;
        } else {
            fold->done_at[r] = fold->done_rows++;
            leave[leaving++] = i;
        }
    }
    struct column *left = NULL, *state = NULL;
    enum err err = OK;
    if (leaving) {
        err = column_take(fold->state, leave, leaving, &left);
        if (err == OK)
            err = column_take(fold->state, stay, staying, &state);
    }
    if (err == OK && leaving) {
        if (fold->done_count == fold->done_room) {
            fold->done_room = fold->done_room ? fold->done_room * 2 : 8;
            fold->done = mem_realloc_array(fold->done, fold->done_room, sizeof(*fold->done));
        }
        fold->done[fold->done_count++] = left;
        column_unref(fold->state);
        fold->state = state;
        for (uint32_t i = 0; i < staying; i++)
            fold->rows[i] = fold->rows[stay[i]];
        fold->count = staying;
    }
    mem_free(leave);
    mem_free(stay);
    return err;
}

static enum err fold_round(struct lambda *lambda, const struct program *outer, struct eval *eval,
                           const struct column *array, struct fold *fold, int32_t round)
{
    uint32_t *at = mem_array(fold->count + 1u, sizeof(*at));
    for (uint32_t i = 0; i < fold->count; i++)
        at[i] = (uint32_t)(array->offsets[fold->rows[i]] + round);
    struct column *element = NULL, *next = NULL;
    enum err err = column_take(array->children[0], at, fold->count, &element);
    struct variables variables = {{fold->state, element}, 2};
    if (err == OK)
        err = run_body(lambda, 0, outer, eval, &variables, fold->rows, fold->count, &next);
    if (err == OK) {
        column_unref(fold->state);
        fold->state = next;
    }
    column_unref(element);
    mem_free(at);
    return err;
}

static enum err fold_result(struct lambda *lambda, const struct program *outer, struct eval *eval,
                            const struct column *array, struct fold *fold, uint32_t rows,
                            struct column **ret_column)
{
    struct column *all, *states = NULL, *made = NULL;
    uint32_t *take = mem_array(rows + 1u, sizeof(*take));
    for (uint32_t r = 0; r < rows; r++)
        take[r] = fold->done_at[r];
    enum err err = fold->done_count ? column_concat(fold->done, fold->done_count, &all) : OK;
    if (err == OK && fold->done_count) {
        err = column_take(all, take, rows, &states);
        column_unref(all);
    } else if (err == OK) {
        states = column_nulls(lambda->call->kids[1]->type, rows);
    }
    if (err == OK && lambda->bodies[1]) {
        for (uint32_t r = 0; r < rows; r++)
            take[r] = r;
        struct variables variables = {{states}, 1};
        err = run_body(lambda, 1, outer, eval, &variables, take, rows, &made);
        column_unref(states);
        states = made;
    }
    if (err == OK) {
        for (uint32_t r = 0; r < rows; r++)
            take[r] = column_is_null(array, r) ? UINT32_MAX : r;
        err = column_take(states, take, rows, ret_column);
    }
    column_unref(states);
    mem_free(take);
    return err;
}

static enum err run_fold(struct lambda *lambda, const struct program *outer, struct eval *eval,
                         const struct column *array, const struct column *start, uint32_t rows,
                         struct column **ret_column)
{
    struct fold fold = {.rows = mem_array(rows + 1u, sizeof(uint32_t)),
                        .done_at = mem_array(rows + 1u, sizeof(uint32_t))};
    for (uint32_t r = 0; r < rows; r++) {
        fold.done_at[r] = UINT32_MAX;
        if (!column_is_null(array, r))
            fold.rows[fold.count++] = r;
    }
    enum err err = column_take(start, fold.rows, fold.count, &fold.state);
    for (int32_t round = 0; err == OK && fold.count; round++) {
        err = fold_leave(&fold, array, round);
        if (err == OK && fold.count)
            err = fold_round(lambda, outer, eval, array, &fold, round);
    }
    if (err == OK)
        err = fold_result(lambda, outer, eval, array, &fold, rows, ret_column);
    fold_deinit(&fold);
    return err;
}

enum err lambda_run(struct lambda *lambda, const struct program *outer, struct eval *eval,
                    const struct column *const *args, uint32_t rows, struct column **ret_column)
{
    if (args[0]->type->kind == TYPE_NULL) {
        *ret_column = column_nulls(lambda->call->type, rows);
        return OK;
    }
    if (strcmp(lambda->call->name, "aggregate") == 0)
        return run_fold(lambda, outer, eval, args[0], args[1], rows, ret_column);
    return run_each(lambda, outer, eval, args[0], rows, ret_column);
}
