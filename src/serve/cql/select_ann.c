/* SPDX-License-Identifier: MIT */
/*
 * ORDER BY v ANN OF [..]: the rows whose vectors are nearest to another, nearest first.
 *
 * Cassandra asks a graph that its index keeps, which finds near ones and now and then misses one.
 * Here every row that the rest of the statement leaves is looked at, so that the answer is exact;
 * it takes as long as reading them does. What may be asked, and the words of what may not, are
 * Cassandra's: a vector of floats with a storage-attached index, whose similarity counts, every
 * other restricted column with an index too, and a limit of at most a thousand.
 *
 * The best rows are kept while reading: twice the limit at most, the worst cut off again and again.
 */
#include "serve/cql/select_run.h"

#include "serve/cql/function.h"
#include "serve/cql/index.h"

#include <math.h>

enum { LIMIT_MAX = 1000 };

/* ---- planning ---- */

static const struct cql_index *find_index(const struct cql_table *table, struct str column,
                                          bool of_vectors)
{
    const struct cql_table_column *at = cql_column_find(table, column);
    for (size_t i = 0; at && i < table->index_count; i++)
        if (str_equal(table->indexes[i].column, column) &&
            (!of_vectors || index_is_of_vectors(at, &table->indexes[i])))
            return &table->indexes[i];
    return NULL;
}

static const struct cql_function *similarity_of(const struct cql_index *index)
{
    const char *name = "similarity_cosine";
    const struct cql_term *map = index->option_count ? index->options[0].value : NULL;
    for (size_t i = 0; map && i + 1 < map->count; i += 2) {
        if (!str_equal(map->items[i]->text, STR("similarity_function")))
            continue;
        if (str_equal_nocase(map->items[i + 1]->text, STR("euclidean")))
            name = "similarity_euclidean";
        else if (str_equal_nocase(map->items[i + 1]->text, STR("dot_product")))
            name = "similarity_dot_product";
    }
    const struct cql_function *f = functions_collection;
    while (strcmp(f->name, name) != 0)
        f++;
    return f;
}

static enum err check_restricted(struct compile *c, const struct where *where, bool filtering)
{
    for (size_t i = 0; i < where->count; i++) {
        const struct where_relation *r = &where->relations[i];
        const struct cql_table_column *column = &c->table->columns[r->columns[0]];
        if (!r->token && column->kind > CQL_CLUSTERING &&
            !find_index(c->table, column->name, false))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "ANN ordering by vector requires all restricted column(s) to be "
                            "indexed");
        if (!r->token && find_index(c->table, column->name, true))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Vector indexes only support ANN queries");
        if (!r->token && column->kind > CQL_CLUSTERING && r->op == CQL_IN && !filtering)
            return where_refuse_filtering(c);
    }
    return where->key_in ? cql_fail(c->error, c->arena, CQL_INVALID,
                                    "Select on indexed columns and with IN clause for the PRIMARY "
                                    "KEY are not supported")
                         : OK;
}

static struct expr *score_expr(struct compile *c, uint32_t column, struct expr *vector,
                               const struct cql_function *similarity)
{
    struct expr *of = arena_zero(c->arena, sizeof *of), *x = arena_zero(c->arena, sizeof *x);
    of->kind = EXPR_COLUMN;
    of->type = c->table->columns[column].type;
    of->index = column;
    x->kind = EXPR_CALL;
    x->type = cql_simple(CQL_FLOAT);
    x->function = similarity;
    x->items = arena_array(c->arena, 2, sizeof *x->items);
    x->count = 2;
    x->items[0] = of;
    x->items[1] = vector;
    return x;
}

enum err ann_plan(struct compile *c, const struct cql_select *s, struct select_plan *p)
{
    uint32_t at;
    struct expr *vector;
    TRY(compile_column(c, s->order_by[0].column, &at));
    const struct cql_table_column *column = &c->table->columns[at];
    struct cql_column spec = compile_spec(c, column->name, column->type);
    TRY(compile_term(c, s->order_by[0].ann, &spec, &vector));
    if (column->type->kind != CQL_VECTOR || column->type->items[0]->kind != CQL_FLOAT)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "ANN ordering is only supported on float vector indexes");
    const struct cql_index *index = find_index(c->table, column->name, true);
    if (!index || !index->built)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "ANN ordering by vector requires the column to be indexed");
    TRY(check_restricted(c, &p->where, s->allow_filtering));
    if (s->distinct)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "SELECT DISTINCT with WHERE clause only supports restriction by partition "
                        "key and/or static columns.");
    if (p->grouped || p->aggregate_count)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Top-K queries can not be run with aggregation");
    if (s->per_partition_limit)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Top-K queries do not support per-partition limits");
    p->ann = score_expr(c, at, vector, similarity_of(index));
    p->order_count = 1;
    p->order = arena_array(c->arena, 1, sizeof *p->order);
    p->order[0] = (struct select_order){at, true};
    return OK;
}

/* An order of vectors is the only one. */
static enum err check_orders(struct compile *c, const struct cql_select *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->order_count; i++) {
        if (s->order_by[i].ann && s->order_by[i].descending)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Descending ANN ordering is not supported");
        count += s->order_by[i].ann != NULL;
    }
    if (count > 1)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot specify more than one ANN ordering");
    return count && s->order_count > 1
               ? cql_fail(c->error, c->arena, CQL_INVALID,
                          "ANN ordering does not support any other ordering")
               : OK;
}

enum err ann_check_where(struct compile *c, const struct cql_select *s)
{
    TRY(check_orders(c, s));
    bool ann = s->order_count && s->order_by[0].ann;
    for (size_t i = 0; i < s->where_count; i++) {
        const struct cql_relation *r = &s->where[i];
        if (r->token || !r->column_count)
            continue;
        if (ann && str_equal(r->columns[0], s->order_by[0].column))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "%.*s cannot be restricted by more than one relation %s",
                            STR_ARG(r->columns[0]),
                            r->op == CQL_EQ ? "if it includes an Equal" : "in an ANN ordering");
        if (!ann && find_index(c->table, r->columns[0], true))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Vector indexes only support ANN queries");
    }
    return OK;
}

/* ---- running ---- */

static bool of_directions(const struct cql_function *similarity)
{
    return strcmp(similarity->name, "similarity_cosine") == 0;
}

enum err ann_begin(struct select_run *s)
{
    struct str vector;
    struct expr_run *eval = &s->eval;
    TRY(expr_eval(eval, s->plan->ann->items[1], &vector));
    const struct cql_table_column *column = &s->plan->table->columns[s->plan->order[0].column];
    if (!vector.ptr || expr_is_unset(vector))
        return cql_fail(eval->error, eval->arena, CQL_INVALID,
                        "Unsupported %s value for column %.*s", vector.ptr ? "unset" : "null",
                        STR_ARG(column->name));
    if (of_directions(s->plan->ann->function) && vector_is_zero(vector))
        return cql_fail(eval->error, eval->arena, CQL_INVALID,
                        "Zero vectors cannot be queried with cosine similarity");
    int32_t page = s->run->parameters->page_size;
    if (s->limit_left < 0 || (page > 0 && s->limit_left > page && s->limit_left <= LIMIT_MAX))
        return cql_fail(eval->error, eval->arena, CQL_INVALID,
                        "Top-K queries must have a limit specified and the limit must be less than "
                        "the query page size");
    return s->limit_left <= LIMIT_MAX
               ? OK
               : cql_fail(eval->error, eval->arena, CQL_INVALID,
                          "Use of ANN OF in an ORDER BY clause requires a LIMIT that is not "
                          "greater than %d. LIMIT was %lld",
                          LIMIT_MAX, (long long)s->limit_left);
}

enum err ann_score(struct select_run *s, bool *ret_wanted, struct str *ret_score)
{
    *ret_wanted = false;
    if (of_directions(s->plan->ann->function) &&
        vector_is_zero(s->eval.values[s->plan->order[0].column]))
        return OK;
    TRY(expr_eval(&s->eval, s->plan->ann, ret_score));
    if (!ret_score->ptr)
        return OK; /* a row without a vector is near to nothing */
    double score = number_as_double(s->plan->ann->type, *ret_score);
    *ret_wanted = !isnan(score) && !(s->ann_full && score <= s->ann_worst);
    return OK;
}

void ann_prune(struct select_run *s)
{
    size_t limit = (size_t)s->limit_left;
    if (s->held_count < 2 * limit)
        return;
    select_sort_held(s);
    s->held_count = limit;
    s->ann_full = true;
    s->ann_worst = number_as_double(s->plan->ann->type, s->held[limit - 1].keys[0]);
}

int ann_compare(const struct select_run *s, struct str a, struct str b)
{
    double x = number_as_double(s->plan->ann->type, a), y = number_as_double(s->plan->ann->type, b);
    return x > y ? -1 : x < y;
}
