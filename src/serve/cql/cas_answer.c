/* SPDX-License-Identifier: MIT */
/*
 * The answer to conditional requests: "[applied]", and what stood against it.
 *
 * Which rows are told, and which of their values, follows from what Cassandra reads to judge the
 * conditions. It reads the rows that have conditions of their own. Where only what is static has,
 * it reads the first row of the partition, to tell a partition without static values from none. Of
 * regular columns it reads all when some statement names a row, else none but those of conditions;
 * of static ones all when some conditional statement changes any, else those of conditions. A row
 * of which nothing is read is there when it was inserted: UPDATE leaves no marker. At most
 * ROWS_LOOKED_AT rows are looked at for one that was: all commits wait meanwhile.
 *
 * Invariants: 1. rows come in the order of the table, each once. 2. without rows the static values
 * that are read stand for one, if there are any.
 */
#include "serve/cql/modify.h"
#include "serve/cql/select.h"

enum { ROWS_LOOKED_AT = 10000 };

/* What is read. */
struct reads {
    bool regulars; /* all of them */
    bool statics;
    bool exists;   /* IF [NOT] EXISTS: the answer has all columns */
    bool *columns; /* by column of the table; keys too */
};

static void find_reads(const struct modify_request *request, struct reads *reads)
{
    const struct cql_table *table = request->items[0].plan->table;
    bool *conditions = arena_zero(request->run->arena, table->column_count + 1);
    *reads = (struct reads){.columns = arena_zero(request->run->arena, table->column_count + 1)};
    for (size_t i = 0; i < request->count; i++) {
        const struct modify_plan *p = request->items[i].plan;
        reads->regulars = reads->regulars || p->regular;
        if (!p->conditional)
            continue;
        reads->statics = reads->statics || p->statics;
        reads->exists = reads->exists || p->if_exists || p->if_not_exists;
        for (size_t j = 0; j < p->condition_count; j++)
            conditions[p->conditions[j].column] = true;
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        enum cql_column_kind kind = table->columns[i].kind;
        reads->columns[i] = conditions[i] || (kind == CQL_REGULAR  ? reads->regulars
                                              : kind == CQL_STATIC ? reads->statics
                                                                   : true);
    }
}

/* ---- columns ---- */

/* The columns of the answer in order; the count. */
static size_t answer_columns(const struct modify_request *request, const struct reads *reads,
                             uint32_t *columns)
{
    const struct cql_table *table = request->items[0].plan->table;
    size_t count = 0;
    bool *taken = arena_zero(request->run->arena, table->column_count + 1);
    uint32_t first = reads->exists       ? table->column_count
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

/* ---- rows ---- */

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

/* The static values that are read, in the place of a row. False: there are none. */
static bool statics_of(const struct modify_request *request, const struct reads *reads,
                       const struct str *values, struct str **ret_row)
{
    const struct cql_table *table = request->items[0].plan->table;
    struct str *row = arena_zero(request->run->arena, (table->column_count + 1) * sizeof *row);
    bool any = false;
    for (uint32_t i = 0; i < table->column_count; i++) {
        enum cql_column_kind kind = table->columns[i].kind;
        if (kind == CQL_PARTITION_KEY || (kind == CQL_STATIC && reads->columns[i]))
            row[i] = values[i];
        any = any || (kind == CQL_STATIC && row[i].ptr);
    }
    *ret_row = row;
    return any;
}

static struct str *kept_values(const struct modify_item *item, const struct table_row *row)
{
    const struct cql_table *table = item->plan->table;
    struct arena *arena = item->eval.arena;
    struct str *values = arena_zero(arena, (table->column_count + 1) * sizeof *values);
    row_values(arena, table, item->plan->by_storage, row, values);
    for (uint32_t i = 0; i < table->column_count; i++)
        if (values[i].bytes)
            values[i] = arena_str(arena, values[i]);
        else if (values[i].ptr)
            values[i] = STR("");
    return values;
}

/* Only what is static has conditions: the first row of the partition. */
static enum err first_row(struct modify_request *request, const struct reads *reads,
                          const struct str **rows, size_t *ret_count)
{
    struct modify_item *item = request->items;
    struct table_read_options options = {.partition = item->partition,
                                         .from = {.inclusive = true},
                                         .to = {.inclusive = true},
                                         .statics_alone = true,
                                         .now_s = item->eval.now_us / 1000000};
    struct table_read *read;
    const struct table_row *row = NULL;
    bool shows_keys = reads->exists || request->is_batch;
    enum err err;
    TRY(table_read_open(item->plan->table->table, &options, &read));
    for (size_t i = 0; (err = table_read_next(read, &row)) == OK && row && i < ROWS_LOOKED_AT;
         i++) {
        if (row->clustering && (row->marker || reads->regulars)) {
            rows[0] = kept_values(item, row);
            *ret_count = 1;
            break;
        }
        struct str *statics;
        if (i == 0 && statics_of(request, reads, kept_values(item, row), &statics)) {
            rows[0] = statics;
            *ret_count = 1;
            if (!shows_keys)
                break;
        }
    }
    table_read_close(read);
    return err;
}

/* The rows of the answer. */
static enum err answer_rows(struct modify_request *request, const struct reads *reads,
                            const struct str **rows, size_t *ret_count)
{
    const struct cql_table *table = request->items[0].plan->table;
    struct str *statics = NULL;
    size_t count = 0;
    bool any = false, there = false;
    *ret_count = 0;
    for (size_t i = 0; i < request->count; i++) {
        struct modify_item *item = &request->items[i];
        if (item->plan->conditional && item->static_exists && !there)
            there = statics_of(request, reads, item->current, &statics);
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
        return first_row(request, reads, rows, ret_count);
    if (!count && there)
        rows[count++] = statics;
    *ret_count = count;
    return OK;
}

enum err modify_cas_answer(struct modify_request *request, bool applied)
{
    struct cql_run *run = request->run;
    const struct cql_table *table = request->items[0].plan->table;
    uint32_t *columns = arena_array(run->arena, table->column_count + 1, sizeof *columns);
    const struct str **rows = arena_array(run->arena, request->count + 1, sizeof *rows);
    size_t row_count = 0, column_count = 0;
    struct reads reads;
    find_reads(request, &reads);
    if (!applied)
        TRY(answer_rows(request, &reads, rows, &row_count));
    if (row_count)
        column_count = answer_columns(request, &reads, columns);
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
        for (size_t j = 0; j < column_count; j++)
            cql_bytes_append(&run->out, reads.columns[columns[j]] ? rows[i][columns[j]] : STR_NONE);
    }
    return OK;
}
