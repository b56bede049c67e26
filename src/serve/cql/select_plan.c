/* SPDX-License-Identifier: MIT */
/*
 * SELECT while planning: selectors, GROUP BY, ORDER BY, limits, and which columns must be read.
 *
 * Rules and their words are Cassandra's, and their order, since the first mistake is told: static
 * columns, ORDER BY's names, WHERE, selectors. Where a rule needs to know how rows are found (ORDER
 * BY wants a partition key, DISTINCT wants no clustering column) it is judged behind WHERE.
 *
 * Invariants: 1. wanted marks every column that any expression or filter looks at. 2. with
 * aggregates or GROUP BY a selector without an aggregate stands for the first row of its group.
 */
#include "serve/cql/select.h"

void expr_columns(const struct expr *x, bool *columns)
{
    if (!x)
        return;
    if (x->kind == EXPR_COLUMN)
        columns[x->index] = true;
    for (size_t i = 0; i < x->count; i++)
        expr_columns(x->items[i], columns);
}

void column_map(struct arena *arena, const struct cql_table *table, uint32_t **ret_by_storage,
                uint32_t *ret_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->column_count; i++)
        if (table->columns[i].index >= count)
            count = table->columns[i].index + 1;
    uint32_t *map = arena_array(arena, count + 1, sizeof *map);
    memset(map, 0xFF, (count + 1) * sizeof *map);
    for (uint32_t i = 0; i < table->column_count; i++)
        map[table->columns[i].index] = i;
    *ret_by_storage = map;
    *ret_count = count;
}

static bool has_aggregate(const struct expr *x)
{
    if (!x)
        return false;
    if (x->kind == EXPR_AGGREGATE)
        return true;
    for (size_t i = 0; i < x->count; i++)
        if (has_aggregate(x->items[i]))
            return true;
    return false;
}

/* ---- selectors ---- */

static enum err plan_items(struct compile *c, const struct cql_select *s, struct select_plan *p,
                           struct cql_column **ret_results)
{
    const struct cql_table *table = c->table;
    p->item_count = s->all_columns ? table->column_count : s->selector_count;
    p->items = arena_zero(c->arena, (p->item_count + 1) * sizeof(struct expr *));
    p->item_aggregates = arena_zero(c->arena, p->item_count + 1);
    struct cql_column *results = arena_array(c->arena, p->item_count + 1, sizeof *results);
    c->selecting = true;
    for (size_t i = 0; i < p->item_count; i++) {
        struct cql_term column = {.kind = TERM_COLUMN,
                                  .name = table->columns[i % table->column_count].name};
        const struct cql_term *term = s->all_columns ? &column : s->selectors[i].term;
        TRY(compile_selector(c, term, NULL, &p->items[i]));
        p->item_aggregates[i] = has_aggregate(p->items[i]);
        struct str name = p->items[i]->name;
        if (!s->all_columns && s->selectors[i].alias.ptr)
            name = s->selectors[i].alias;
        results[i] = compile_spec(c, name, p->items[i]->type);
    }
    c->selecting = false;
    p->aggregates = c->aggregates;
    p->aggregate_count = c->aggregate_count;
    *ret_results = results;
    return OK;
}

/* Of which columns an item makes something; its names and functions are right then. */
static enum err prepare_item(struct compile *c, const struct cql_select *s, size_t item,
                             bool *selected)
{
    struct expr *x;
    memset(selected, 0, c->table->column_count * sizeof *selected);
    c->selecting = c->preparing = true;
    enum err err = compile_selector(c, s->selectors[item].term, NULL, &x);
    c->selecting = c->preparing = false;
    c->aggregate_count = 0;
    if (err == OK)
        expr_columns(x, selected);
    return err;
}

/* Only static columns (and keys) are asked for, and one at least. Like Cassandra it looks at items
 * before WHERE only where a table has static columns, and at no more of them than it must: which of
 * several mistakes is told follows from that. */
static enum err only_static(struct compile *c, const struct cql_select *s, bool *ret)
{
    const struct cql_table *table = c->table;
    bool *selected = arena_zero(c->arena, table->column_count + 1);
    bool any = false;
    *ret = false;
    if (s->all_columns || !table->has_static)
        return OK;
    for (size_t item = 0; item < s->selector_count && !any; item++) {
        TRY(prepare_item(c, s, item, selected));
        for (uint32_t i = 0; i < table->column_count; i++)
            any = any || (selected[i] && table->columns[i].kind == CQL_STATIC);
    }
    *ret = any;
    for (size_t item = 0; item < s->selector_count && *ret; item++) {
        TRY(prepare_item(c, s, item, selected));
        for (uint32_t i = 0; i < table->column_count; i++)
            if (selected[i] && table->columns[i].kind != CQL_STATIC &&
                table->columns[i].kind != CQL_PARTITION_KEY)
                *ret = false;
    }
    return OK;
}

/* ---- DISTINCT ---- */

static enum err check_distinct(struct compile *c, const struct cql_select *s,
                               const struct select_plan *p, const bool *selected)
{
    if (s->per_partition_limit)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "PER PARTITION LIMIT is not allowed with SELECT DISTINCT queries");
    if (p->where.restricts_clustering || p->where.restricts_regular)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "SELECT DISTINCT with WHERE clause only supports restriction by partition "
                        "key and/or static columns.");
    for (uint32_t i = 0; i < c->table->column_count; i++) {
        enum cql_column_kind kind = c->table->columns[i].kind;
        if (selected[i] && kind != CQL_PARTITION_KEY && kind != CQL_STATIC)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "SELECT DISTINCT queries must only request partition key columns "
                            "and/or static columns (not %.*s)",
                            STR_ARG(c->table->columns[i].name));
    }
    for (uint32_t i = 0; p->where.key_range && i < c->table->partition_count; i++)
        if (!selected[i])
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "SELECT DISTINCT queries must request all the partition key columns "
                            "(missing %.*s)",
                            STR_ARG(c->table->columns[i].name));
    return OK;
}

/* ---- GROUP BY ---- */

static enum err group_function(struct compile *c, const struct cql_term *term,
                               struct select_plan *p, uint32_t *ret_column)
{
    bool *columns = arena_zero(c->arena, c->table->column_count);
    struct expr *x;
    c->selecting = true;
    enum err err = compile_selector(c, term, NULL, &x);
    c->selecting = false;
    TRY(err);
    if (has_aggregate(x))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Aggregate functions are not supported within the GROUP BY clause, got: "
                        "system.%s",
                        x->function ? x->function->name : "count");
    expr_columns(x, columns);
    uint32_t found = UINT32_MAX, count = 0;
    for (uint32_t i = 0; i < c->table->column_count; i++) {
        if (columns[i]) {
            found = i;
            count++;
        }
    }
    if (count == 0)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "GROUP BY functions must have one clustering column name as parameter");
    if (count > 1)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "GROUP BY functions accept only one clustering column as parameter, got: "
                        "%.*s",
                        STR_ARG(term_text(c->arena, term)));
    if (c->table->columns[found].kind != CQL_CLUSTERING)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Group by functions are only supported on clustering columns, got %.*s",
                        STR_ARG(c->table->columns[found].name));
    p->group_function = x;
    *ret_column = found;
    return OK;
}

static enum err plan_group(struct compile *c, const struct cql_select *s, struct select_plan *p)
{
    const struct cql_table *table = c->table;
    uint32_t next = 0, keys = table->partition_count + table->clustering_count;
    for (size_t i = 0; i < s->group_count; i++) {
        const struct cql_term *term = s->group_by[i];
        uint32_t column;
        if (term->kind == TERM_COLUMN) {
            TRY(compile_column(c, term->name, &column));
            if (column >= keys)
                return cql_fail(c->error, c->arena, CQL_INVALID,
                                "Group by is currently only supported on the columns of the "
                                "PRIMARY KEY, got %.*s",
                                STR_ARG(table->columns[column].name));
            if (p->group_function)
                return cql_fail(c->error, c->arena, CQL_INVALID,
                                "Functions are only supported on the last element of the GROUP BY "
                                "clause");
        } else {
            TRY(group_function(c, term, p, &column));
        }
        for (;; next++) {
            if (next >= keys || next > column ||
                (next < column && !where_is_equal(&p->where, next)))
                return cql_fail(c->error, c->arena, CQL_INVALID,
                                "Group by currently only support groups of columns following their "
                                "declared order in the PRIMARY KEY");
            if (next == column)
                break;
        }
        next++;
    }
    if (s->group_count == 0)
        return OK;
    if (next < table->partition_count)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Group by is not supported on only a part of the partition key");
    p->grouped = true;
    p->group_clustering = next - table->partition_count;
    if (p->group_clustering && s->distinct)
        return cql_fail(
            c->error, c->arena, CQL_INVALID,
            "Grouping on clustering columns is not allowed for SELECT DISTINCT queries");
    return OK;
}

/* ---- ORDER BY ---- */

static enum err plan_order(struct compile *c, const struct cql_select *s, struct select_plan *p)
{
    const struct cql_table *table = c->table;
    if (s->order_count == 0)
        return OK;
    if (s->order_by[0].ann)
        return ann_plan(c, s, p);
    /* A column that is named twice stands where it was first, in the order that was last. */
    struct select_order *order = arena_array(c->arena, s->order_count, sizeof *order);
    size_t count = 0;
    for (size_t i = 0; i < s->order_count; i++) {
        uint32_t column;
        size_t at = 0;
        TRY(compile_column(c, s->order_by[i].column, &column));
        while (at < count && order[at].column != column)
            at++;
        count += at == count;
        order[at] = (struct select_order){column, s->order_by[i].descending};
    }
    if (p->where.index && p->where.key_range)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "ORDER BY with 2ndary indexes is not supported, except for ANN queries.");
    if (p->where.key_range)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "ORDER BY is only supported when the partition key is restricted by an EQ "
                        "or an IN.");
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cql_table_column *column = &table->columns[order[i].column];
        if (column->kind != CQL_CLUSTERING)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Order by is currently only supported on the clustered columns of the "
                            "PRIMARY KEY, got %.*s",
                            STR_ARG(column->name));
        while (next != column->position) {
            if (next >= table->clustering_count ||
                !where_is_equal(&p->where, table->partition_count + next))
                return cql_fail(c->error, c->arena, CQL_INVALID,
                                "Order by currently only supports the ordering of columns "
                                "following their declared order in the PRIMARY KEY");
            next++;
        }
        next++;
        bool reversed = order[i].descending != column->descending;
        if (i && reversed != p->reversed)
            return cql_fail(c->error, c->arena, CQL_INVALID, "Unsupported order by relation");
        p->reversed = reversed;
    }
    if (!p->where.key_in)
        return OK;
    p->order_count = count;
    p->order = order;
    return OK;
}

/* ---- all together ---- */

static void mark_wanted(struct compile *c, struct select_plan *p, bool *selected)
{
    const struct cql_table *table = c->table;
    for (size_t i = 0; i < p->where.count; i++)
        for (size_t j = 0; j < p->where.relations[i].column_count; j++)
            selected[p->where.relations[i].columns[j]] = true;
    expr_columns(p->group_function, selected);
    for (size_t i = 0; i < p->order_count; i++)
        selected[p->order[i].column] = true;
    column_map(c->arena, table, &p->by_storage, &p->storage_count);
    p->wanted = arena_zero(c->arena, p->storage_count + 1);
    for (uint32_t i = 0; i < table->column_count; i++)
        p->wanted[table->columns[i].index] = selected[i];
}

static bool is_single_row(const struct cql_table *table, const struct where *where)
{
    if (where->key_range || where->key_in || where->clustering_in || where->filtering ||
        where->clustering_slice || where->clustering_prefix != table->clustering_count)
        return false;
    for (size_t i = 0; i < where->count; i++)
        if (where->relations[i].multi)
            return false;
    return table->table != NULL;
}

static enum err plan_limit(struct compile *c, const struct cql_term *term, const char *name,
                           struct expr **ret)
{
    if (!term)
        return OK;
    struct cql_column spec = compile_spec(c, str_of(name), cql_simple(CQL_INT));
    return compile_term(c, term, &spec, ret);
}

static void plan_results(struct compile *c, const struct cql_select *s, struct select_plan *p,
                         struct cql_plan *plan, struct cql_column *results)
{
    plan->results = results;
    plan->result_count = p->item_count;
    if (!s->json)
        return;
    struct cql_column *json = arena_alloc(c->arena, sizeof *json);
    *json = compile_spec(c, STR("[json]"), cql_simple(CQL_TEXT));
    /* The names of the members stay with the items. */
    for (size_t i = 0; i < p->item_count; i++) {
        struct expr *named = arena_alloc(c->arena, sizeof *named);
        *named = *p->items[i];
        named->name = results[i].name;
        p->items[i] = named;
    }
    p->json = true;
    plan->results = json;
    plan->result_count = 1;
}

enum err select_plan(struct compile *c, struct cql_plan *plan)
{
    const struct cql_select *s = &plan->statement->select;
    struct select_plan *p = arena_zero(c->arena, sizeof *p);
    struct cql_column *results;
    p->table = c->table;
    p->distinct = s->distinct;
    struct where_options options = {.statement = WHERE_SELECT,
                                    .allow_filtering = s->allow_filtering};
    TRY(only_static(c, s, &options.only_static));
    uint32_t *ordered = arena_array(c->arena, s->order_count + 1, sizeof *ordered);
    for (size_t i = 0; i < s->order_count; i++)
        TRY(compile_column(c, s->order_by[i].column, &ordered[i]));
    bool ann = s->order_count && s->order_by[0].ann;
    options.allow_filtering = options.allow_filtering || ann;
    TRY(ann_check_where(c, s));
    TRY(where_compile(c, s->where, s->where_count, &options, &p->where));
    TRY(plan_items(c, s, p, &results));
    bool *selected = arena_zero(c->arena, c->table->column_count + 1);
    for (size_t i = 0; i < p->item_count; i++)
        expr_columns(p->items[i], selected);
    for (size_t i = 0; i < s->order_count && p->where.key_in; i++)
        selected[ordered[i]] = true; /* rows are sorted behind the read */
    if (s->distinct)
        TRY(check_distinct(c, s, p, selected));
    TRY(plan_group(c, s, p));
    if (!p->grouped && p->aggregate_count && s->per_partition_limit)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "PER PARTITION LIMIT is not allowed with aggregate queries.");
    TRY(plan_order(c, s, p));
    TRY(where_check_filtering(c, &p->where, options.allow_filtering));
    TRY(plan_limit(c, s->per_partition_limit, "[per_partition_limit]", &p->per_partition_limit));
    TRY(plan_limit(c, s->limit, "[limit]", &p->limit));
    mark_wanted(c, p, selected);
    p->statics_alone = !p->where.restricts_clustering && !p->where.restricts_regular;
    p->single_row = is_single_row(c->table, &p->where) && !p->grouped && !p->aggregate_count &&
                    !p->order_count && !s->distinct;
    plan_results(c, s, p, plan, results);
    plan->private = p;
    return OK;
}
