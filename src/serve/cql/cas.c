/* SPDX-License-Identifier: MIT */
/*
 * Conditional requests on the commit thread: which row each statement is about, what it has now,
 * and the rows of the answer.
 */
#include "serve/cql/modify.h"
#include "serve/cql/select.h"

/* ---- the rows ---- */

static enum err find_row(struct modify_item *item)
{
    const struct modify_plan *p = item->plan;
    const struct str **keys;
    size_t count;
    TRY(where_partitions(&item->eval, &p->where, &keys, &count));
    item->partition = keys[0];
    bool whole = p->where.clustering_prefix == p->table->clustering_count &&
                 !p->where.clustering_slice && p->table->clustering_count;
    if (!whole)
        return OK;
    struct slice *slices;
    TRY(where_slices(&item->eval, &p->where, &slices, &count));
    if (count == 1)
        item->clustering = slices[0].from.values;
    return OK;
}

static enum err read_current(struct modify_item *item, struct table_reader *reader)
{
    const struct cql_table *table = item->plan->table;
    struct arena *arena = item->eval.arena;
    struct table_key key = {.partition = item->partition,
                            .clustering = item->clustering,
                            .clustering_count = item->clustering ? table->clustering_count : 0};
    const struct table_row *row = NULL;
    enum err err = ERR_NOT_FOUND;
    item->current = arena_zero(arena, (table->column_count + 1) * sizeof *item->current);
    if (item->clustering || table->clustering_count == 0) {
        err = table_read_row(reader, table->table, &key, NULL, item->eval.now_us / 1000000, &row);
        item->row_exists = err == OK;
        item->static_exists = err == OK && row->static_count > 0;
    }
    if (err == ERR_NOT_FOUND && table->has_static) {
        key.clustering = NULL;
        key.clustering_count = 0;
        err = table_read_row(reader, table->table, &key, NULL, item->eval.now_us / 1000000, &row);
        item->static_exists = err == OK;
    }
    if (err == ERR_NOT_FOUND)
        return OK;
    TRY(err);
    row_values(arena, table, item->plan->by_storage, row, item->current);
    if (!item->row_exists)
        for (uint32_t i = 0; i < table->clustering_count; i++)
            item->current[table->partition_count + i] = STR_NONE;
    /* The reader's memory is used again for the next row. */
    for (uint32_t i = 0; i < table->column_count; i++)
        if (item->current[i].ptr)
            item->current[i] =
                item->current[i].bytes ? arena_str(arena, item->current[i]) : STR("");
    return OK;
}

static bool same_key(const struct str *a, const struct str *b, uint32_t count)
{
    if (!a || !b)
        return a == b;
    for (uint32_t i = 0; i < count; i++)
        if (!str_equal(a[i], b[i]))
            return false;
    return true;
}

/* ---- the answer ---- */

/* Marks the columns of the answer in order; the count. */
static size_t answer_columns(const struct modify_request *request, uint32_t *columns)
{
    const struct cql_table *table = request->items[0].plan->table;
    size_t count = 0;
    bool all = false, *taken = arena_zero(request->run->arena, table->column_count + 1);
    for (size_t i = 0; i < request->count; i++)
        all = all || request->items[i].plan->if_exists || request->items[i].plan->if_not_exists;
    uint32_t first = all                 ? table->column_count
                     : request->is_batch ? table->partition_count + table->clustering_count
                                         : 0;
    for (uint32_t i = 0; i < first; i++) {
        columns[count++] = i;
        taken[i] = true;
    }
    for (unsigned statics = 0; statics < 2; statics++) {
        for (size_t i = 0; i < request->count; i++) {
            const struct modify_plan *p = request->items[i].plan;
            for (size_t j = 0; j < p->condition_count; j++) {
                uint32_t column = p->conditions[j].column;
                if (taken[column] || (table->columns[column].kind == CQL_STATIC) != (statics == 1))
                    continue;
                taken[column] = true;
                columns[count++] = column;
            }
        }
    }
    return count;
}

/* Static columns are looked at for who changes them or has conditions on them. */
static bool asks_statics(const struct modify_item *item)
{
    const struct modify_plan *p = item->plan;
    bool asks = p->statics;
    for (size_t i = 0; i < p->condition_count; i++)
        asks = asks || p->table->columns[p->conditions[i].column].kind == CQL_STATIC;
    return asks;
}

/* Does the answer have a row for it? */
static bool has_answer(const struct modify_item *item)
{
    return item->plan->conditional &&
           (item->row_exists || (item->static_exists && asks_statics(item)));
}

static bool shown_before(const struct modify_request *request, size_t index)
{
    const struct modify_item *item = &request->items[index];
    for (size_t i = 0; i < index; i++)
        if (request->items[i].plan->conditional &&
            same_key(request->items[i].clustering, item->clustering,
                     item->plan->table->clustering_count))
            return true;
    return false;
}

static void answer(struct modify_request *request, bool applied)
{
    struct cql_run *run = request->run;
    const struct cql_table *table = request->items[0].plan->table;
    uint32_t *columns = arena_array(run->arena, table->column_count + 1, sizeof *columns);
    size_t shown = 0, rows = 0, column_count = 0;
    for (size_t i = 0; !applied && i < request->count; i++)
        shown += has_answer(&request->items[i]) && !shown_before(request, i);
    if (shown)
        column_count = answer_columns(request, columns);
    struct cql_column *specs = arena_array(run->arena, column_count + 1, sizeof *specs);
    specs[0] = (struct cql_column){table->keyspace, table->name, STR("[applied]"),
                                   cql_simple(CQL_BOOLEAN)};
    for (size_t i = 0; i < column_count; i++)
        specs[i + 1] =
            (struct cql_column){table->keyspace, table->name, table->columns[columns[i]].name,
                                table->columns[columns[i]].type};
    struct cql_rows_metadata metadata = {.columns = specs, .column_count = column_count + 1};
    buf_be32(&run->out, CQL_RESULT_ROWS);
    cql_rows_metadata_append(&run->out, run->version, &metadata);
    buf_be32(&run->out, shown ? (uint32_t)shown : 1);
    for (size_t i = 0; i < request->count && rows < (shown ? shown : 1); i++) {
        struct modify_item *item = &request->items[i];
        if (shown && (!has_answer(item) || shown_before(request, i)))
            continue;
        rows++;
        cql_bytes_append(&run->out, value_of_bool(applied));
        for (size_t j = 0; j < column_count; j++)
            cql_bytes_append(&run->out,
                             table->columns[columns[j]].kind == CQL_STATIC && !asks_statics(item)
                                 ? STR_NONE
                                 : item->current[columns[j]]);
    }
}

enum err modify_cas(struct modify_request *request, struct table_batch *batch,
                    struct table_reader *reader)
{
    struct cql_run *run = request->run;
    bool hold = true;
    for (size_t i = 0; i < request->count; i++) {
        struct modify_item *item = &request->items[i];
        TRY(find_row(item));
        if (!same_key(item->partition, request->items[0].partition,
                      item->plan->table->partition_count))
            return cql_fail(&run->error, run->arena, CQL_INVALID,
                            "Batch with conditions cannot span multiple partitions");
        if (item->plan->conditional)
            TRY(read_current(item, reader));
    }
    for (size_t i = 0; i < request->count && hold; i++)
        if (request->items[i].plan->conditional)
            TRY(conditions_hold(&request->items[i], &hold));
    if (hold)
        TRY(modify_apply_all(request, batch, reader));
    answer(request, hold);
    return buf_error(&run->out);
}
