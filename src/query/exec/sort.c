/* SPDX-License-Identifier: MIT */
/*
 * ORDER BY: all rows are held, then put in order and given in pieces. A merge sort over row numbers
 * keeps equal rows in the order of their arrival.
 */
#include "query/exec/exec.h"

#include "base/mem.h"

enum { SORT_PIECE_ROWS = 8192 };

struct sort {
    struct operator op;
    struct program *program;
    struct chunk *chunks;
    size_t count, room;
    struct chunk all;
    struct column **keys; /* of all */
};

static void sort_free(struct operator* op)
{
    struct sort *sort = (struct sort *)op;
    for (size_t i = 0; i < sort->count; i++)
        chunk_deinit(&sort->chunks[i]);
    mem_free(sort->chunks);
    chunk_deinit(&sort->all);
    for (size_t i = 0; sort->keys && i < op->node->sort_key_count; i++)
        column_unref(sort->keys[i]);
    mem_free(sort->keys);
    program_free(sort->program);
}

static enum err sort_push(struct operator* op, struct chunk *chunk)
{
    struct sort *sort = (struct sort *)op;
    size_t bytes = 0;
    for (uint32_t i = 0; i < chunk->width; i++)
        bytes += chunk->columns[i] ? column_memory(chunk->columns[i]) : 0;
    if (sort->count == sort->room) {
        sort->room = sort->room ? sort->room * 2 : 16;
        sort->chunks = mem_realloc_array(sort->chunks, sort->room, sizeof(*sort->chunks));
    }
    sort->chunks[sort->count++] = *chunk;
    *chunk = (struct chunk){0};
    return run_hold(op->run, bytes);
}

static int compare_rows(const struct sort *sort, uint32_t a, uint32_t b)
{
    const struct plan_node *node = sort->op.node;
    for (size_t i = 0; i < node->sort_key_count; i++) {
        const struct column *key = sort->keys[i];
        bool a_null = column_is_null(key, a), b_null = column_is_null(key, b);
        if (a_null || b_null) {
            if (a_null && b_null)
                continue;
            return a_null == node->keys[i].nulls_last ? 1 : -1;
        }
        int order = column_value_compare(key, a, key, b);
        if (order)
            return node->keys[i].descending ? -order : order;
    }
    return 0;
}

/* Bottom-up merges: width 1, 2, 4 .. */
static void merge_sort(const struct sort *sort, uint32_t *rows, uint32_t *spare, size_t count)
{
    uint32_t *from = rows, *to = spare;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = start + width < count ? start + width : count;
            size_t end = start + 2 * width < count ? start + 2 * width : count;
            size_t a = start, b = middle;
            for (size_t at = start; at < end; at++) {
                bool left = b == end || (a < middle && compare_rows(sort, from[a], from[b]) <= 0);
                to[at] = left ? from[a++] : from[b++];
            }
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != rows)
        memcpy(rows, from, count * sizeof(*rows));
}

static enum err join_chunks(struct sort *sort)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < sort->count; i++)
        rows += sort->chunks[i].rows;
    if (rows >= UINT32_MAX)
        return ERR_LIMIT;
    chunk_init(&sort->all, sort->op.node->width, (uint32_t)rows);
    struct column **parts = mem_array(sort->count, sizeof(*parts));
    enum err err = OK;
    for (uint32_t c = 0; c < sort->all.width && err == OK; c++) {
        for (size_t i = 0; i < sort->count; i++)
            parts[i] = sort->chunks[i].columns[c];
        if (parts[0])
            err = column_concat(parts, sort->count, &sort->all.columns[c]);
    }
    mem_free(parts);
    return err;
}

static enum err emit_sorted(struct sort *sort, const uint32_t *rows)
{
    for (uint32_t at = 0; at < sort->all.rows; at += SORT_PIECE_ROWS) {
        uint32_t left = sort->all.rows - at;
        uint32_t count = left < SORT_PIECE_ROWS ? left : SORT_PIECE_ROWS;
        struct chunk piece;
        chunk_init(&piece, sort->all.width, sort->all.rows);
        for (uint32_t i = 0; i < piece.width; i++)
            piece.columns[i] = sort->all.columns[i] ? column_ref(sort->all.columns[i]) : NULL;
        enum err err = chunk_take(&piece, rows + at, count, sort->op.node->live);
        if (err != OK) {
            chunk_deinit(&piece);
            return err;
        }
        TRY(operator_emit(&sort->op, &piece));
    }
    return OK;
}

static enum err sort_all(struct sort *sort)
{
    if (sort->count == 0)
        return OK;
    TRY(join_chunks(sort));
    struct eval eval = run_eval(sort->op.run, &sort->all);
    sort->keys = mem_zero(sort->op.node->sort_key_count * sizeof(*sort->keys));
    TRY(program_run(sort->program, &eval, &sort->all, sort->keys));
    TRY(run_check(sort->op.run));
    uint32_t count = sort->all.rows;
    uint32_t *rows = mem_array(count + 1u, sizeof(*rows));
    uint32_t *spare = mem_array(count + 1u, sizeof(*spare));
    for (uint32_t i = 0; i < count; i++)
        rows[i] = i;
    merge_sort(sort, rows, spare, count);
    enum err err = emit_sorted(sort, rows);
    mem_free(rows);
    mem_free(spare);
    return err;
}

static enum err sort_finish(struct operator* op)
{
    TRY(sort_all((struct sort *)op));
    return operator_finish(op);
}

struct operator* sort_new(struct query_run *run, const struct plan_node *node)
{
    static const struct operator_class class = {sort_free, sort_push, sort_finish};
    struct sort *sort = mem_zero(sizeof(*sort));
    sort->op.class = &class;
    struct expr **keys = mem_array(node->sort_key_count, sizeof(*keys));
    for (size_t i = 0; i < node->sort_key_count; i++)
        keys[i] = node->keys[i].expr;
    sort->program = program_new(&run->session, keys, (uint32_t)node->sort_key_count,
                                node->kids[0]->width, run->plan->variables);
    mem_free(keys);
    return &sort->op;
}
