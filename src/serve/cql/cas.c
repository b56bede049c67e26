/* SPDX-License-Identifier: MIT */
/*
 * Conditional requests on the commit thread: which row each statement is about, and what it has
 * now. The answer is cas_answer.c's.
 */
#include "base/hash.h"
#include "serve/cql/compact.h"
#include "serve/cql/modify.h"
#include "serve/cql/select.h"

#include <stdlib.h>

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
    if (many && count && item->request->is_batch)
        return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                        "Batch with conditions cannot span multiple partitions (you cannot use IN "
                        "on the partition key)");
    if (count == 0 || many || p->where.clustering_in)
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

/* ---- which conditions may stand beside each other ---- */

enum condition_kind { KIND_EXISTS = 1, KIND_NOT_EXISTS, KIND_COLUMNS };

/* The row that a condition is about: its clustering, or the static one. */
static struct str target_of(const struct modify_item *item, bool statics)
{
    CLEAN(buf_deinit) struct buf out = {0};
    uint32_t count = item->clustering && !statics ? item->plan->table->clustering_count : 0;
    buf_u8(&out, statics);
    for (uint32_t i = 0; i < count; i++) {
        buf_be32(&out, item->clustering[i].ptr ? (uint32_t)item->clustering[i].bytes : UINT32_MAX);
        buf_str_append(&out, item->clustering[i]);
    }
    return arena_str(item->eval.arena, buf_str(&out));
}

/* Conditions on one row are of one kind. */
static enum err add_target(struct map *targets, const struct modify_item *item, bool statics,
                           enum condition_kind kind)
{
    struct str target = target_of(item, statics);
    uintptr_t before = (uintptr_t)map_get(targets, target);
    if (!before)
        map_set(targets, target, (void *)(uintptr_t)kind);
    if (!before || before == kind)
        return OK;
    if (before != KIND_COLUMNS && kind != KIND_COLUMNS)
        return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                        "Cannot mix IF EXISTS and IF NOT EXISTS conditions for the same row");
    return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                    "Cannot mix IF conditions and IF %sEXISTS for the same row",
                    kind == KIND_EXISTS ? "" : "NOT ");
}

static enum err add_targets(struct map *targets, const struct modify_item *item)
{
    const struct modify_plan *p = item->plan;
    bool statics = false, row = false;
    if (p->if_exists || p->if_not_exists)
        return add_target(targets, item, !p->regular, p->if_exists ? KIND_EXISTS : KIND_NOT_EXISTS);
    for (size_t i = 0; i < p->condition_count; i++) {
        bool is_static = p->table->columns[p->conditions[i].column].kind == CQL_STATIC;
        statics = statics || is_static;
        row = row || !is_static;
    }
    if (row)
        TRY(add_target(targets, item, false, KIND_COLUMNS));
    return statics ? add_target(targets, item, true, KIND_COLUMNS) : OK;
}

/* ---- the judgement ---- */

struct clause {
    struct modify_item *item;
    const struct condition *condition; /* NULL: IF [NOT] EXISTS */
    bool statics;
    unsigned bucket;
    size_t at;
};

static uint32_t bytes_hash(struct str bytes)
{
    uint32_t hash = 1;
    for (size_t i = bytes.bytes; i-- > 0;)
        hash = 31 * hash + (uint32_t)(int32_t)(signed char)bytes.ptr[i];
    return hash;
}

/* Conditions on one row are judged in the order of Cassandra's table of them, which has sixteen
 * buckets: it decides whether what is wrong with one is told, or that another does not hold. */
static enum err bucket_of(struct modify_item *item, const struct condition *condition,
                          unsigned *ret_bucket)
{
    struct str key;
    uint32_t hash = 31 * (31 + bytes_hash(item->plan->table->columns[condition->column].name));
    if (condition->key) {
        TRY(expr_eval(&item->eval, condition->key, &key));
        hash += bytes_hash(key);
    }
    *ret_bucket = (hash ^ hash >> 16) & 15;
    return OK;
}

static int compare_clauses(const void *a, const void *b)
{
    const struct clause *one = a, *other = b;
    const struct cql_table *table = one->item->plan->table;
    if (one->statics != other->statics)
        return one->statics ? -1 : 1;
    if (!one->statics && one->item->clustering && other->item->clustering)
        for (uint32_t i = 0; i < table->clustering_count; i++) {
            const struct cql_table_column *column = &table->columns[table->partition_count + i];
            int order = cql_value_compare(column->type, one->item->clustering[i],
                                          other->item->clustering[i]);
            if (order)
                return column->descending ? -order : order;
        }
    if (one->bucket != other->bucket)
        return one->bucket < other->bucket ? -1 : 1;
    return (one->at > other->at) - (one->at < other->at);
}

static enum err gather_clauses(struct modify_request *request, struct clause **ret_clauses,
                               size_t *ret_count)
{
    size_t count = 0, room = request->count;
    for (size_t i = 0; i < request->count; i++)
        room += request->items[i].plan->condition_count;
    struct clause *clauses = arena_array(request->run->arena, room + 1, sizeof *clauses);
    for (size_t i = 0; i < request->count; i++) {
        struct modify_item *item = &request->items[i];
        const struct modify_plan *p = item->plan;
        if (p->if_exists || p->if_not_exists) {
            clauses[count] = (struct clause){.item = item, .statics = !p->regular, .at = count};
            count++;
        }
        for (size_t j = 0; j < p->condition_count; j++) {
            const struct condition *condition = &p->conditions[j];
            bool statics = p->table->columns[condition->column].kind == CQL_STATIC;
            struct clause clause = {item, condition, statics, 0, count};
            TRY(bucket_of(item, condition, &clause.bucket));
            clauses[count++] = clause;
        }
    }
    *ret_clauses = clauses;
    *ret_count = count;
    return OK;
}

/* What is static is judged first, then row by row in their order. */
static enum err judge(struct modify_request *request, bool *ret_hold)
{
    struct clause *clauses;
    size_t count;
    TRY(gather_clauses(request, &clauses, &count));
    qsort(clauses, count, sizeof *clauses, compare_clauses);
    *ret_hold = true;
    for (size_t i = 0; i < count && *ret_hold; i++) {
        struct modify_item *item = clauses[i].item;
        if (clauses[i].condition)
            TRY(condition_holds(item, clauses[i].condition, ret_hold));
        else
            *ret_hold = (clauses[i].statics ? item->static_exists : item->row_exists) ==
                        item->plan->if_exists;
    }
    return OK;
}

static enum err find_rows(struct modify_request *request, struct table_reader *reader)
{
    struct cql_run *run = request->run;
    CLEAN(map_deinit) struct map targets = {0};
    for (size_t i = 0; i < request->count; i++) {
        struct modify_item *item = &request->items[i];
        TRY(find_row(item));
        if (!same_key(item->partition, request->items[0].partition,
                      item->plan->table->partition_count))
            return cql_fail(&run->error, run->arena, CQL_INVALID,
                            "Batch with conditions cannot span multiple partitions");
        if (!item->plan->conditional)
            continue;
        TRY(conditions_bind(item));
        TRY(add_targets(&targets, item));
        TRY(read_current(item, reader));
    }
    return OK;
}

enum err modify_cas(struct modify_request *request, struct table_batch *batch,
                    struct table_reader *reader)
{
    struct cql_run *run = request->run;
    bool hold = true;
    TRY(find_rows(request, reader));
    TRY(judge(request, &hold));
    if (hold)
        TRY(modify_apply_all(request, batch, reader));
    TRY(modify_cas_answer(request, hold));
    return buf_error(&run->out);
}
