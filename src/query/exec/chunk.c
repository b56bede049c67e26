/* SPDX-License-Identifier: MIT */
/*
 * Chunks: rows between operators. Columns are shared by reference; only chunk_take() copies, and
 * only columns that are still needed.
 */
#include "query/exec/exec.h"

#include "base/mem.h"

void chunk_init(struct chunk *chunk, uint32_t width, uint32_t rows)
{
    *chunk = (struct chunk){.rows = rows, .width = width};
    chunk->columns = mem_zero((width + 1u) * sizeof(*chunk->columns));
}

void chunk_deinit(struct chunk *chunk)
{
    for (uint32_t i = 0; chunk->columns && i < chunk->width; i++)
        column_unref(chunk->columns[i]);
    mem_free(chunk->columns);
    mem_free(chunk->origins);
    *chunk = (struct chunk){0};
}

enum err chunk_take(struct chunk *chunk, const uint32_t *rows, uint32_t count, const bool *keep)
{
    for (uint32_t i = 0; i < chunk->width; i++) {
        struct column *taken = NULL;
        if (chunk->columns[i] && (!keep || keep[i]))
            TRY(column_take(chunk->columns[i], rows, count, &taken));
        column_unref(chunk->columns[i]);
        chunk->columns[i] = taken;
    }
    uint32_t *origins = mem_array(count + 1u, sizeof(*origins));
    for (uint32_t i = 0; i < count; i++)
        origins[i] = chunk->origins ? chunk->origins[rows[i]] : rows[i];
    mem_free(chunk->origins);
    chunk->origins = origins;
    chunk->rows = count;
    return OK;
}
