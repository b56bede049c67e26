/* SPDX-License-Identifier: MIT */
/*
 * GENERATE: a row for each element of an array or entry of a map (explode, posexplode, inline). The
 * kid's columns are repeated, the new ones are the collection's own child columns, taken at the
 * elements' places: no value is copied one by one.
 *
 * A chunk with very many elements goes on in pieces of GENERATE_ROWS, so that what is above keeps
 * to batch size.
 */
#include "query/exec/exec.h"

#include "base/mem.h"

enum { GENERATE_ROWS = 8192 };

struct generate {
    struct operator op;
    struct program *program;
};

/* One piece: for each new row, the old one and the element (UINT32_MAX: none, outer). */
struct piece {
    uint32_t *rows, *elements;
    int32_t *positions;
    uint32_t count;
};

static void generate_free(struct operator* op)
{
    program_free(((struct generate *)op)->program);
}

static enum err make_positions(const struct piece *piece, struct column **ret_column)
{
    struct builder *builder = builder_new(type_simple(TYPE_INT), piece->count, 0);
    for (uint32_t i = 0; i < piece->count; i++) {
        if (piece->elements[i] == UINT32_MAX)
            builder_null(builder);
        else
            builder_i64(builder, piece->positions[i]);
    }
    enum err err = builder_finish(builder, ret_column);
    builder_free(builder);
    return err;
}

static enum err make_columns(struct generate *generate, const struct chunk *chunk,
                             const struct column *collection, const struct piece *piece,
                             struct chunk *out)
{
    const struct plan_node *node = generate->op.node;
    uint32_t at = chunk->width, next = 0;
    for (uint32_t i = 0; i < chunk->width; i++) {
        if (chunk->columns[i] && node->live[i])
            TRY(column_take(chunk->columns[i], piece->rows, piece->count, &out->columns[i]));
    }
    if (node->with_position) {
        if (node->live[at])
            TRY(make_positions(piece, &out->columns[at]));
        at++;
    }
    const struct column *source = node->inlined ? collection->children[0] : collection;
    bool narrowed = source->child_count != node->width - at;
    for (uint32_t i = at; i < node->width; i++) {
        if (narrowed && !node->live[i])
            continue;
        uint32_t child = next++;
        if (node->live[i])
            TRY(column_take(source->children[child], piece->elements, piece->count,
                            &out->columns[i]));
    }
    out->origins = mem_array(piece->count + 1u, sizeof(*out->origins));
    for (uint32_t i = 0; i < piece->count; i++)
        out->origins[i] = chunk->origins ? chunk->origins[piece->rows[i]] : piece->rows[i];
    return OK;
}

static enum err emit_piece(struct generate *generate, const struct chunk *chunk,
                           const struct column *collection, struct piece *piece)
{
    struct chunk out;
    if (piece->count == 0)
        return OK;
    chunk_init(&out, generate->op.node->width, piece->count);
    enum err err = make_columns(generate, chunk, collection, piece, &out);
    piece->count = 0;
    if (err == OK)
        return operator_emit(&generate->op, &out);
    chunk_deinit(&out);
    return err;
}

static enum err add_row(struct generate *generate, const struct chunk *chunk,
                        const struct column *collection, struct piece *piece, uint32_t row,
                        uint32_t element, int32_t position)
{
    piece->rows[piece->count] = row;
    piece->elements[piece->count] = element;
    piece->positions[piece->count++] = position;
    return piece->count == GENERATE_ROWS ? emit_piece(generate, chunk, collection, piece) : OK;
}

static enum err generate_rows(struct generate *generate, const struct chunk *chunk,
                              const struct column *collection, struct piece *piece)
{
    for (uint32_t r = 0; r < chunk->rows; r++) {
        bool null = column_is_null(collection, r);
        int32_t from = null ? 0 : collection->offsets[r];
        int32_t to = null ? 0 : collection->offsets[r + 1];
        for (int32_t i = from; i < to; i++)
            TRY(add_row(generate, chunk, collection, piece, r, (uint32_t)i, i - from));
        if (from == to && generate->op.node->outer)
            TRY(add_row(generate, chunk, collection, piece, r, UINT32_MAX, 0));
    }
    return emit_piece(generate, chunk, collection, piece);
}

static enum err generate_push(struct operator* op, struct chunk *chunk)
{
    struct generate *generate = (struct generate *)op;
    struct eval eval = run_eval(op->run, chunk);
    struct column *collection = NULL;
    struct piece piece = {
        .rows = mem_array(GENERATE_ROWS, sizeof(uint32_t)),
        .elements = mem_array(GENERATE_ROWS, sizeof(uint32_t)),
        .positions = mem_array(GENERATE_ROWS, sizeof(int32_t)),
    };
    enum err err = program_run(generate->program, &eval, chunk, &collection);
    if (err == OK)
        err = run_check(op->run);
    if (err == OK)
        err = generate_rows(generate, chunk, collection, &piece);
    column_unref(collection);
    mem_free(piece.rows);
    mem_free(piece.elements);
    mem_free(piece.positions);
    chunk_deinit(chunk);
    return err;
}

struct operator* generate_new(struct query_run *run, const struct plan_node *node)
{
    static const struct operator_class class = {generate_free, generate_push, operator_finish};
    struct generate *generate = mem_zero(sizeof(*generate));
    generate->op.class = &class;
    generate->program =
        program_new(&run->session, node->exprs, 1, node->kids[0]->width, run->plan->variables);
    return &generate->op;
}
