/* SPDX-License-Identifier: MIT */
/*
 * Conditional requests on the commit thread: which row each statement is about, what it has now,
 * and the rows of the answer.
 */
#include "serve/cql/compact.h"
#include "serve/cql/modify.h"
#include "serve/cql/select.h"

/* ---- the rows ---- */

static enum err find_row(struct modify_item *item)
{
    const struct modify_plan *p = item->plan;
    const struct str **keys;
    size_t count;
    TRY(where_partitions(&item->eval, &p->where, &keys, &count));
    TRY(where_check_keys(&item->eval, keys, count));
    bool many = count != 1;
    for (uint32_t i = 0; i < p->table->partition_count; i++)
        many = many || (p->where.partition[i]->op == CQL_IN && !p->where.partition[i]->in_marker);
    if (count == 0 || (p->conditional && (many || p->where.clustering_in)))
        return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                        "IN on the %s is not supported with conditional %s",
                        many ? "partition key" : "clustering key columns",
                        p->statement == WHERE_DELETE ? "deletions" : "updates");
    item->partition = keys[0];
    bool enough = p->where.clustering_prefix == p->table->clustering_count ||
                  (compact_may_end(p->table) && p->where.clustering_prefix);
    bool whole = enough && !p->where.clustering_slice && p->table->clustering_count;
    if (!whole)
        return OK;
    struct slice *slices;
    TRY(where_slices(&item->eval, &p->where, &slices, &count));
    if (count == 1)
        item->clustering = modify_clustering(item, &slices[0]);
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
    for (size_t i = 0; i < request->count; i++) {
        const struct modify_plan *p = request->items[i].plan;
        for (size_t j = 0; j < 2 * p->condition_count; j++) {
            bool statics = j >= p->condition_count;
            uint32_t column = p->conditions[j % p->condition_count].column;
            if (taken[column] || (table->columns[column].kind == CQL_STATIC) != statics)
                continue;
            taken[column] = true;
            columns[count++] = column;
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

/* Conditions on a row, and not on what is static alone. */
static bool asks_row(const struct modify_item *item)
{
    const struct modify_plan *p = item->plan;
    bool key = item->clustering || p->table->clustering_count == 0;
    bool asks = key && (p->if_exists || p->if_not_exists);
    for (size_t i = 0; i < p->condition_count; i++)
        asks = asks || p->table->columns[p->conditions[i].column].kind != CQL_STATIC;
    return p->conditional && asks;
}

static int order_rows(const struct cql_table *table, const struct str *a, const struct str *b)
{
    for (uint32_t i = table->partition_count; i < table->partition_count + table->clustering_count;
         i++) {
        int order = cql_value_compare(table->columns[i].type, a[i], b[i]);
        if (order)
            return table->columns[i].descending ? -order : order;
    }
    return 0;
}

/* Static conditions alone are answered with the first row of the partition. */
static enum err first_row(struct modify_request *request, const struct str **rows,
                          size_t *ret_count)
{
    struct modify_item *item = request->items;
    while (!item->plan->conditional)
        item++;
    const struct cql_table *table = item->plan->table;
    struct table_read_options options = {.partition = item->partition,
                                         .from = {.inclusive = true},
                                         .to = {.inclusive = true},
                                         .statics_alone = true,
                                         .now_s = item->eval.now_us / 1000000};
    struct arena *arena = item->eval.arena;
    struct str *values = arena_zero(arena, (table->column_count + 1) * sizeof *values);
    struct table_read *read;
    const struct table_row *row = NULL;
    TRY(table_read_open(table->table, &options, &read));
    enum err err = table_read_next(read, &row);
    if (err == OK && row) {
        row_values(arena, table, item->plan->by_storage, row, values);
        for (uint32_t i = 0; i < table->column_count; i++)
            if (values[i].bytes)
                values[i] = arena_str(arena, values[i]);
            else if (values[i].ptr)
                values[i] = STR("");
        rows[0] = values;
        *ret_count = 1;
    }
    table_read_close(read);
    return err;
}

/* The rows of the answer, in the order of the table; statics stand for rows that are not there. */
static enum err answer_rows(struct modify_request *request, const struct str **rows,
                            size_t *ret_count)
{
    const struct cql_table *table = request->items[0].plan->table;
    const struct str *statics = NULL;
    size_t count = 0;
    bool any = false;
    *ret_count = 0;
    for (size_t i = 0; i < request->count; i++) {
        struct modify_item *item = &request->items[i];
        if (item->plan->conditional && item->static_exists && asks_statics(item))
            statics = item->current;
        if (!asks_row(item))
            continue;
        any = true;
        size_t at = count;
        while (at && order_rows(table, rows[at - 1], item->current) > 0)
            at--;
        if (!item->row_exists || (at && order_rows(table, rows[at - 1], item->current) == 0))
            continue;
        memmove(rows + at + 1, rows + at, (count - at) * sizeof *rows);
        rows[at] = item->current;
        count++;
    }
    if (!any)
        return first_row(request, rows, ret_count);
    if (!count && statics)
        rows[count++] = statics;
    *ret_count = count;
    return OK;
}

static enum err answer(struct modify_request *request, bool applied)
{
    struct cql_run *run = request->run;
    const struct cql_table *table = request->items[0].plan->table;
    uint32_t *columns = arena_array(run->arena, table->column_count + 1, sizeof *columns);
    const struct str **rows = arena_array(run->arena, request->count + 1, sizeof *rows);
    size_t row_count = 0, column_count = 0;
    bool statics = false, regulars = false;
    if (!applied)
        TRY(answer_rows(request, rows, &row_count));
    if (row_count)
        column_count = answer_columns(request, columns);
    for (size_t i = 0; i < request->count; i++) {
        statics = statics || asks_statics(&request->items[i]);
        regulars = regulars || asks_row(&request->items[i]);
    }
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
    buf_be32(&run->out, row_count ? (uint32_t)row_count : 1);
    for (size_t i = 0; i < row_count || i == 0; i++) {
        cql_bytes_append(&run->out, value_of_bool(applied));
        for (size_t j = 0; j < column_count; j++) {
            enum cql_column_kind kind = table->columns[columns[j]].kind;
            bool unread = (kind == CQL_STATIC && !statics) || (kind == CQL_REGULAR && !regulars);
            cql_bytes_append(&run->out, unread ? STR_NONE : rows[i][columns[j]]);
        }
    }
    return OK;
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
    TRY(answer(request, hold));
    return buf_error(&run->out);
}
