/* SPDX-License-Identifier: MIT */
/* Batches: columns of the same rows under one schema, counted as a whole. */
#include "data/column.h"

#include "base/check.h"

struct batch *batch_new(const struct type *schema, uint32_t rows, struct column *const *columns)
{
    check(schema->kind == TYPE_STRUCT);
    struct batch *batch = mem_zero(sizeof *batch + schema->field_count * sizeof(struct column *));
    batch->schema = schema;
    batch->rows = rows;
    batch->column_count = schema->field_count;
    batch->refs = 1;
    for (uint32_t i = 0; i < batch->column_count; i++) {
        check(columns[i]->rows == rows);
        batch->columns[i] = columns[i];
    }
    return batch;
}

struct batch *batch_ref(struct batch *batch)
{
    __atomic_add_fetch(&batch->refs, 1, __ATOMIC_RELAXED);
    return batch;
}

void batch_unref(struct batch *batch)
{
    if (!batch || __atomic_sub_fetch(&batch->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (uint32_t i = 0; i < batch->column_count; i++)
        column_unref(batch->columns[i]);
    mem_free(batch);
}

enum err batch_take(const struct batch *batch, const uint32_t *indices, size_t count,
                    struct batch **ret_batch)
{
    if (count > INT32_MAX)
        return ERR_LIMIT;
    struct column **columns = mem_array(batch->column_count, sizeof *columns);
    enum err err = OK;
    uint32_t made = 0;
    while (err == OK && made < batch->column_count) {
        err = column_take(batch->columns[made], indices, count, &columns[made]);
        made += err == OK;
    }
    if (err == OK)
        *ret_batch = batch_new(batch->schema, (uint32_t)count, columns);
    else
        while (made)
            column_unref(columns[--made]);
    mem_free(columns);
    return err;
}
