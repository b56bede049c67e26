/* SPDX-License-Identifier: MIT */
/*
 * WHERE while planning: each relation is resolved and typed, then the whole is judged by
 * Cassandra's rules, and it is decided how rows are found.
 *
 *   partition key all by EQ and IN      partitions are looked up
 *   token() relations, or no key        a range of tokens is read
 *   clustering by EQ and IN, then one   slices inside a partition
 *     range over the next columns
 *   an index on a column of the rest    its entries are read (index.h)
 *   whatever is left                    rows are looked at one by one: ALLOW FILTERING
 *
 * Invariants: 1. a relation that is not marked as filtering holds for every row that the lookup
 * gives. 2. where->clustering is in the order of the columns, without a gap, and a range is last.
 */
#include "serve/cql/compact.h"
#include "serve/cql/exec_private.h"
#include "serve/cql/index.h"

static const char *operator_text(enum cql_operator op)
{
    static const char *const texts[] = {"=",      "!=",   "<",       "<=",       ">",
                                        ">=",     "IN",   "NOT IN",  "CONTAINS", "CONTAINS KEY",
                                        "IS NOT", "LIKE", "BETWEEN", "ANN"};
    return texts[op];
}

static bool is_slice(enum cql_operator op)
{
    return op == CQL_LT || op == CQL_LE || op == CQL_GT || op == CQL_GE;
}

static struct str names_of(struct compile *c, const struct where_relation *r, const char *separator)
{
    struct buf out = {0};
    for (size_t i = 0; i < r->column_count; i++) {
        if (i)
            buf_text(&out, separator);
        buf_str_append(&out, c->table->columns[r->columns[i]].name);
    }
    struct str names = value_of_buf(c->arena, &out);
    buf_deinit(&out);
    return names;
}

static const struct cql_table_column *first_column(const struct compile *c,
                                                   const struct where_relation *r)
{
    return &c->table->columns[r->columns[0]];
}

static struct str relation_text(struct compile *c, const struct cql_relation *r,
                                const struct where_relation *w)
{
    struct buf out = {0};
    bool many = r->token || r->multi;
    buf_printf(&out, "%s%s%.*s%s", r->token ? "token" : "", many ? "(" : "",
               STR_ARG(names_of(c, w, ", ")), many ? ")" : "");
    buf_printf(&out, " %s ", operator_text(r->op));
    if (r->value_count)
        buf_str_append(&out, term_text(c->arena, r->values[0]));
    else
        buf_text(&out, "NULL");
    struct str text = value_of_buf(c->arena, &out);
    buf_deinit(&out);
    return text;
}

/* ---- typing one relation ---- */

static bool uses_duration(const struct cql_type *type)
{
    if (type->kind == CQL_DURATION)
        return true;
    for (uint32_t i = 0; i < type->count; i++)
        if (uses_duration(type->items[i]))
            return true;
    return false;
}

static enum err check_duration(struct compile *c, const struct cql_type *type)
{
    if (!uses_duration(type))
        return OK;
    const char *on = cql_type_is_collection(type) ? "collections containing durations"
                     : type->kind == CQL_TUPLE    ? "tuples containing durations"
                     : type->kind == CQL_UDT      ? "UDTs containing durations"
                                                  : "duration columns";
    return cql_fail(c->error, c->arena, CQL_INVALID, "Slice restrictions are not supported on %s",
                    on);
}

/* (1, 2): each part is of its column. */
static enum err compile_row(struct compile *c, const struct cql_term *t,
                            const struct where_relation *w, struct expr **ret)
{
    struct expr *x = arena_zero(c->arena, sizeof *x);
    x->kind = EXPR_BUILD;
    x->type = w->type;
    x->count = t->count;
    x->items = arena_array(c->arena, t->count + 1, sizeof(struct expr *));
    for (size_t i = 0; i < t->count; i++) {
        const struct cql_table_column *column = &c->table->columns[w->columns[i]];
        struct cql_column spec = compile_spec(c, column->name, column->type);
        TRY(compile_term(c, t->items[i], &spec, &x->items[i]));
    }
    *ret = x;
    return OK;
}

static enum err compile_values(struct compile *c, const struct cql_relation *r,
                               const struct cql_column *receiver, struct where_relation *w)
{
    w->type = receiver->type;
    w->values = arena_array(c->arena, r->value_count + 1, sizeof(struct expr *));
    w->value_count = r->value_count;
    if (r->in_marker) {
        struct cql_column spec = *receiver;
        spec.name = str_of(arena_printf(c->arena, "in%s%.*s%s", w->multi ? "" : "(",
                                        STR_ARG(receiver->name), w->multi ? "" : ")"));
        spec.type = cql_list(c->arena, receiver->type, true);
        w->in_marker = true;
        return compile_term(c, r->values[0], &spec, &w->values[0]);
    }
    for (size_t i = 0; i < r->value_count; i++) {
        const struct cql_term *t = r->values[i];
        if (w->multi && t->kind == TERM_TUPLE && t->count != w->column_count)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Expected %zu elements in value tuple, but got %zu: %.*s",
                            w->column_count, t->count, STR_ARG(term_text(c->arena, t)));
        struct cql_column spec = *receiver;
        if (w->multi && t->kind == TERM_TUPLE)
            TRY(compile_row(c, t, w, &w->values[i]));
        else
            TRY(compile_term(c, t, &spec, &w->values[i]));
    }
    if (w->op == CQL_IN && w->value_count == 1)
        w->op = CQL_EQ;
    return OK;
}

static enum err compile_token(struct compile *c, const struct cql_relation *r,
                              struct where_relation *w)
{
    const struct cql_table *table = c->table;
    bool same = w->column_count == table->partition_count;
    uint64_t seen = 0;
    for (size_t i = 0; i < w->column_count; i++) {
        same = same && w->columns[i] == i;
        if (w->columns[i] < table->partition_count && w->columns[i] < 64) {
            if (seen & 1ull << w->columns[i])
                return cql_fail(c->error, c->arena, CQL_INVALID,
                                "The token() function contains duplicate partition key components");
            seen |= 1ull << w->columns[i];
        }
    }
    if (!same) {
        if ((uint32_t)__builtin_popcountll(seen) < table->partition_count)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "The token() function must be applied to all partition key components "
                            "or none of them");
        if (w->column_count > table->partition_count)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "The token() function must contains only partition key components");
        struct where_relation all = *w;
        all.columns = arena_array(c->arena, table->partition_count, sizeof(uint32_t));
        for (uint32_t i = 0; i < table->partition_count; i++)
            all.columns[i] = i;
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "The token function arguments must be in the partition key order: %.*s",
                        STR_ARG(names_of(c, &all, ", ")));
    }
    if (r->op != CQL_EQ && !is_slice(r->op))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "%s cannot be used with the token function", operator_text(r->op));
    struct cql_column spec = compile_spec(c, STR("partition key token"), cql_simple(CQL_BIGINT));
    return compile_values(c, r, &spec, w);
}

static enum err compile_multi(struct compile *c, const struct cql_relation *r,
                              struct where_relation *w)
{
    const struct cql_type **types = arena_array(c->arena, w->column_count, sizeof *types);
    for (size_t i = 0; i < w->column_count; i++) {
        const struct cql_table_column *column = &c->table->columns[w->columns[i]];
        if (column->kind != CQL_CLUSTERING)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Multi-column relations can only be applied to clustering columns but "
                            "was applied to: %.*s",
                            STR_ARG(column->name));
        for (size_t j = 0; j < i; j++)
            if (w->columns[j] == w->columns[i])
                return cql_fail(c->error, c->arena, CQL_INVALID,
                                "Column \"%.*s\" appeared twice in a relation: (%.*s) %s %.*s",
                                STR_ARG(column->name), STR_ARG(names_of(c, w, ", ")),
                                operator_text(r->op), STR_ARG(term_text(c->arena, r->values[0])));
        if (i && column->position != c->table->columns[w->columns[i - 1]].position + 1)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Clustering columns must appear in the PRIMARY KEY order in "
                            "multi-column relations: (%.*s) %s %.*s",
                            STR_ARG(names_of(c, w, ", ")), operator_text(r->op),
                            STR_ARG(term_text(c->arena, r->values[0])));
        types[i] = column->type;
    }
    if (r->op != CQL_EQ && r->op != CQL_IN && !is_slice(r->op))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "%s cannot be used for multi-column relations", operator_text(r->op));
    struct str names = names_of(c, w, ",");
    struct cql_column spec =
        compile_spec(c, str_of(arena_printf(c->arena, "(%.*s)", STR_ARG(names))),
                     cql_tuple(c->arena, types, w->column_count));
    return compile_values(c, r, &spec, w);
}

static enum err check_element(struct compile *c, const struct cql_relation *r,
                              const struct cql_table_column *column)
{
    if (column->type->kind == CQL_LIST)
        return cql_fail(
            c->error, c->arena, CQL_INVALID,
            "Indexes on list entries (%.*s[index] = value) are not currently supported.",
            STR_ARG(column->name));
    if (column->type->kind != CQL_MAP)
        return cql_fail(c->error, c->arena, CQL_INVALID, "Column %.*s cannot be used as a map",
                        STR_ARG(column->name));
    if (!cql_type_is_multicell(column->type))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Map-entry equality predicates on frozen map column %.*s are not supported",
                        STR_ARG(column->name));
    if (r->op != CQL_EQ)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Only EQ relations are supported on map entries");
    return OK;
}

static enum err check_column(struct compile *c, const struct cql_relation *r,
                             const struct cql_table_column *column)
{
    const struct cql_type *type = column->type;
    bool contains = r->op == CQL_CONTAINS || r->op == CQL_CONTAINS_KEY;
    if (r->op == CQL_CONTAINS_KEY && type->kind != CQL_MAP)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot use CONTAINS KEY on non-map column %.*s", STR_ARG(column->name));
    if (r->op == CQL_CONTAINS && !cql_type_is_collection(type))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot use CONTAINS on non-collection column %.*s", STR_ARG(column->name));
    if (r->element)
        return check_element(c, r, column);
    if (type->kind == CQL_UDT && is_slice(r->op))
        TRY(check_duration(c, type));
    if (type->kind == CQL_UDT && cql_type_is_multicell(type))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Non-frozen UDT column '%.*s' (%s) cannot be restricted by any relation",
                        STR_ARG(column->name), term_type_text(c->arena, type));
    if (cql_type_is_collection(type) && cql_type_is_multicell(type) && !contains)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Collection column '%.*s' (%s) cannot be restricted by a '%s' relation",
                        STR_ARG(column->name), term_type_text(c->arena, type),
                        operator_text(r->op));
    if (is_slice(r->op))
        return check_duration(c, type);
    return OK;
}

static enum err compile_single(struct compile *c, const struct cql_relation *r,
                               struct where_relation *w)
{
    const struct cql_table_column *column = first_column(c, w);
    switch (r->op) {
    case CQL_IS_NOT_NULL:
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Unsupported restriction: %.*s IS NOT NULL", STR_ARG(column->name));
    case CQL_LIKE: {
        struct cql_column like = compile_spec(c, column->name, column->type);
        TRY(check_column(c, r, column));
        TRY(compile_values(c, r, &like, w));
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "LIKE restriction is only supported on properly indexed columns. %.*s is "
                        "not valid.",
                        STR_ARG(relation_text(c, r, w)));
    }
    case CQL_ANN:
        return cql_fail(c->error, c->arena, CQL_INVALID, "ANN is only supported in ORDER BY");
    default:
        break;
    }
    TRY(check_column(c, r, column));
    struct cql_column spec = compile_spec(c, column->name, column->type);
    bool map = column->type->kind == CQL_MAP;
    if (r->op == CQL_CONTAINS || r->op == CQL_CONTAINS_KEY || r->element) {
        bool key = r->op == CQL_CONTAINS_KEY;
        spec.name = str_of(
            arena_printf(c->arena, "%s(%.*s)", key ? "key" : "value", STR_ARG(column->name)));
        spec.type = column->type->items[map && !key];
    }
    if (r->element) {
        struct cql_column key =
            compile_spec(c, str_of(arena_printf(c->arena, "key(%.*s)", STR_ARG(column->name))),
                         column->type->items[0]);
        TRY(compile_term(c, r->element, &key, &w->key));
    }
    return compile_values(c, r, &spec, w);
}

static enum err compile_relation(struct compile *c, const struct cql_relation *r,
                                 struct where_relation *w)
{
    w->op = r->op;
    w->token = r->token;
    w->multi = r->multi;
    w->column_count = r->column_count;
    w->columns = arena_array(c->arena, r->column_count + 1, sizeof(uint32_t));
    for (size_t i = 0; i < r->column_count; i++)
        TRY(compile_column(c, r->columns[i], &w->columns[i]));
    if (r->op == CQL_NE || r->op == CQL_NOT_IN)
        return cql_fail(c->error, c->arena, CQL_INVALID, "Unsupported \"!=\" relation: %.*s",
                        STR_ARG(relation_text(c, r, w)));
    if (r->token)
        return compile_token(c, r, w);
    return r->multi ? compile_multi(c, r, w) : compile_single(c, r, w);
}

/* ---- relations of the same columns ---- */

static bool overlap(const struct where_relation *a, const struct where_relation *b)
{
    for (size_t i = 0; i < a->column_count; i++)
        for (size_t j = 0; j < b->column_count; j++)
            if (a->columns[i] == b->columns[j])
                return true;
    return false;
}

static bool is_contains(const struct where_relation *r)
{
    return r->op == CQL_CONTAINS || r->op == CQL_CONTAINS_KEY || r->key;
}

/* The columns of both, as Cassandra lists them. */
static struct str common_names(struct compile *c, const struct where_relation *a,
                               const struct where_relation *b)
{
    struct buf out = {0};
    for (size_t i = 0; i < a->column_count; i++)
        for (size_t j = 0; j < b->column_count; j++)
            if (a->columns[i] == b->columns[j])
                buf_printf(&out, "%s%.*s",
                           !out.bytes ? ""
                           : a->token ? ", "
                                      : " ,",
                           STR_ARG(c->table->columns[a->columns[i]].name));
    struct str names = value_of_buf(c->arena, &out);
    buf_deinit(&out);
    return names;
}

static enum err check_pair(struct compile *c, const struct where_relation *a,
                           const struct where_relation *b)
{
    if (a->token != b->token || !overlap(a, b) || (is_contains(a) && is_contains(b)))
        return OK;
    struct str names = common_names(c, a, b);
    if (is_contains(a) || is_contains(b))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Collection column %.*s can only be restricted by CONTAINS, CONTAINS KEY, "
                        "or map-entry equality",
                        STR_ARG(names));
    if (a->op == CQL_EQ || a->op == CQL_IN)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "%.*s cannot be restricted by more than one relation if it includes %s",
                        STR_ARG(names), a->op == CQL_EQ ? "an Equal" : "a IN");
    if (!is_slice(b->op))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Column%s \"%.*s\" cannot be restricted by both an equality and an "
                        "inequality relation",
                        a->token ? "s" : "", STR_ARG(names));
    if (a->columns[0] != b->columns[0])
        return cql_fail(
            c->error, c->arena, CQL_INVALID,
            "Column \"%.*s\" cannot be restricted by two inequalities not starting with "
            "the same column",
            STR_ARG(first_column(c, a->columns[0] > b->columns[0] ? a : b)->name));
    bool start_a = a->op == CQL_GT || a->op == CQL_GE;
    bool start_b = b->op == CQL_GT || b->op == CQL_GE;
    if (start_a == start_b)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "More than one restriction was found for the %s bound on %.*s",
                        start_a ? "start" : "end", STR_ARG(names));
    return OK;
}

/* ---- the partition key ---- */

static enum err missing_columns(struct compile *c, const char *words, uint32_t from, uint32_t count,
                                const struct where *where)
{
    struct buf out = {0};
    for (uint32_t i = from; i < from + count; i++) {
        bool there = false;
        for (size_t r = 0; r < where->count; r++)
            for (size_t j = 0; j < where->relations[r].column_count; j++)
                there = there || where->relations[r].columns[j] == i;
        if (there)
            continue;
        if (out.bytes)
            buf_text(&out, ", ");
        buf_str_append(&out, c->table->columns[i].name);
    }
    enum err err =
        cql_fail(c->error, c->arena, CQL_INVALID, "%s: %.*s", words, STR_ARG(buf_str(&out)));
    buf_deinit(&out);
    return err;
}

static const char *statement_text(enum where_statement statement)
{
    static const char *const texts[] = {"SELECT", "INSERT", "UPDATE", "DELETE"};
    return texts[statement];
}

enum err where_refuse_filtering(struct compile *c)
{
    return cql_fail(c->error, c->arena, CQL_INVALID,
                    "Cannot execute this query as it might involve data filtering and thus may "
                    "have unpredictable performance. If you want to execute this query despite "
                    "the performance unpredictability, use ALLOW FILTERING");
}

static enum err judge_partition(struct compile *c, const struct where_options *options,
                                struct where *where)
{
    uint32_t count = c->table->partition_count, given = 0;
    bool token = false, hard = false, any = false;
    where->partition = arena_zero(c->arena, (count + 1) * sizeof(struct where_relation *));
    for (size_t i = 0; i < where->count; i++) {
        struct where_relation *r = &where->relations[i];
        if (r->token) {
            token = true;
        } else if (first_column(c, r)->kind == CQL_PARTITION_KEY) {
            any = true;
            hard = hard || is_slice(r->op) || is_contains(r);
            given += !where->partition[r->columns[0]];
            where->partition[r->columns[0]] = r;
            where->key_in = where->key_in || r->op == CQL_IN;
        }
    }
    if (options->statement != WHERE_SELECT) {
        const char *what = statement_text(options->statement);
        if (token)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "The token function cannot be used in WHERE clauses for %s statements",
                            what);
        if (given < count)
            return missing_columns(c, "Some partition key parts are missing", 0, count, where);
        if (hard)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Only EQ and IN relation are supported on the partition key (unless "
                            "you use the token() function) for %s statements",
                            what);
    }
    /* Keys that are all given are read by themselves; a token relation then sifts them. */
    where->key_range = given < count || hard;
    where->key_tokens = token && !where->key_range;
    if (where->key_range && any)
        for (uint32_t i = 0; i < count; i++)
            if (where->partition[i])
                where->partition[i]->filters = true;
    for (size_t i = 0; i < where->count; i++) {
        struct where_relation *r = &where->relations[i];
        if (!r->token && first_column(c, r)->kind == CQL_PARTITION_KEY && where->key_range)
            r->filters = true;
    }
    return OK;
}

/* ---- the clustering key ---- */

static void sort_clustering(struct compile *c, struct where *where)
{
    where->clustering = arena_array(c->arena, where->count + 1, sizeof(struct where_relation *));
    for (size_t i = 0; i < where->count; i++) {
        struct where_relation *r = &where->relations[i];
        if (r->token || first_column(c, r)->kind != CQL_CLUSTERING)
            continue;
        where->restricts_clustering = true;
        where->clustering_slice = where->clustering_slice || is_slice(r->op);
        where->clustering_in = where->clustering_in || r->op == CQL_IN;
        size_t at = where->clustering_count++;
        while (at && where->clustering[at - 1]->columns[0] > r->columns[0]) {
            where->clustering[at] = where->clustering[at - 1];
            at--;
        }
        where->clustering[at] = r;
    }
}

/* A range over one column, and then another column: Cassandra tells it apart. */
static enum err check_behind_slice(struct compile *c, const struct where *where)
{
    const struct where_relation *slice = NULL;
    for (size_t i = 0; i < where->clustering_count; i++) {
        const struct where_relation *r = where->clustering[i];
        if (slice && r->columns[0] > slice->columns[0])
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "%s column \"%.*s\" cannot be restricted (preceding column "
                            "\"%.*s\" is restricted by a non-EQ relation)",
                            r < slice ? "PRIMARY KEY" : "Clustering", /* which was written first */
                            STR_ARG(first_column(c, r)->name),
                            STR_ARG(first_column(c, slice)->name));
        if (is_slice(r->op))
            slice = r;
    }
    return OK;
}

/* Relations that cannot be a slice filter; those before them stay. */
static bool split_clustering(struct compile *c, struct where *where,
                             const struct cql_table_column **ret_wanted,
                             const struct cql_table_column **ret_have)
{
    uint32_t next = 0;
    size_t kept = 0;
    const struct where_relation *slice = NULL;
    bool filters = false;
    for (size_t i = 0; i < where->clustering_count; i++) {
        struct where_relation *r = where->clustering[i];
        uint32_t position = first_column(c, r)->position;
        bool same_slice = slice && is_slice(r->op) && r->columns[0] == slice->columns[0];
        if (is_contains(r) || (slice ? !same_slice : position != next)) {
            if (!filters && !is_contains(r)) {
                *ret_have = first_column(c, r);
                *ret_wanted = &c->table->columns[c->table->partition_count + next];
            }
            r->filters = r->behind = filters = true;
            continue;
        }
        where->clustering[kept++] = r;
        if (is_slice(r->op))
            slice = r;
        else
            next = position + (uint32_t)r->column_count;
    }
    where->clustering_count = kept;
    where->clustering_prefix = next;
    return filters;
}

/* An index on one of the columns of a multi-column relation: it is not used, but counts. */
static bool half_indexed(const struct compile *c, const struct where *where)
{
    for (size_t r = 0; r < where->count; r++) {
        const struct where_relation *relation = &where->relations[r];
        for (size_t i = 0; relation->multi && i < relation->column_count; i++)
            for (size_t k = 0; k < c->table->index_count; k++)
                if (str_equal(c->table->indexes[k].column,
                              c->table->columns[relation->columns[i]].name))
                    return true;
    }
    return false;
}

static enum err judge_clustering(struct compile *c, const struct where_options *options,
                                 struct where *where, bool indexed)
{
    const char *what = statement_text(options->statement);
    bool changes = options->statement == WHERE_UPDATE || options->statement == WHERE_INSERT;
    if (options->only_static && where->restricts_clustering) {
        if (options->statement == WHERE_SELECT)
            return cql_fail(
                c->error, c->arena, CQL_INVALID,
                "Cannot restrict clustering columns when selecting only static columns");
        if (options->statement != WHERE_INSERT)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid restrictions on clustering columns since the %s statement "
                            "modifies only static columns",
                            what);
    }
    if (changes && where->clustering_slice)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Slice restrictions are not supported on the clustering columns in %s "
                        "statements",
                        what);
    bool contains = false;
    for (size_t i = 0; i < where->clustering_count; i++)
        contains = contains || is_contains(where->clustering[i]);
    if (contains && !indexed && !options->allow_filtering)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Clustering columns can only be restricted with CONTAINS with a secondary "
                        "index or filtering");
    const struct cql_table_column *wanted = NULL, *have = NULL;
    bool filters = split_clustering(c, where, &wanted, &have);
    bool may_end = compact_may_end(c->table) && where->restricts_clustering;
    if (changes && !options->only_static && !may_end &&
        where->clustering_prefix < c->table->clustering_count)
        return missing_columns(c, "Some clustering keys are missing", c->table->partition_count,
                               c->table->clustering_count, where);
    if (filters && !options->allow_filtering && !changes && half_indexed(c, where))
        return where_refuse_filtering(c);
    if (filters && (!options->allow_filtering || changes) && !indexed && have)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "PRIMARY KEY column \"%.*s\" cannot be restricted as preceding column "
                        "\"%.*s\" is not restricted",
                        STR_ARG(have->name), STR_ARG(wanted->name));
    if (where->key_range) {
        for (size_t i = 0; i < where->clustering_count; i++)
            where->clustering[i]->filters = true;
        where->clustering_count = where->clustering_prefix = 0;
    }
    return OK;
}

/* ---- indexes ---- */

static bool index_serves(const struct cql_table *table, const struct cql_index *index,
                         const struct where_relation *r)
{
    if (r->token || r->multi || !index->built || !index->entries || r->column_count != 1 ||
        !str_equal(table->columns[r->columns[0]].name, index->column) ||
        index_is_of_vectors(&table->columns[r->columns[0]], index))
        return false;
    bool map = table->columns[r->columns[0]].type->kind == CQL_MAP;
    struct str target = index->target;
    if (r->key)
        return str_equal(target, STR("entries"));
    switch (r->op) {
    case CQL_CONTAINS:
        return str_equal(target, STR("values"));
    case CQL_CONTAINS_KEY:
        return map && str_equal(target, STR("keys"));
    case CQL_EQ:
        return str_equal(target, STR("full")) || str_equal(target, STR("values"));
    default:
        return false;
    }
}

/* Of several an index on what the key cannot find: the others need no filter then. */
static void find_index(const struct compile *c, struct where *where)
{
    enum cql_column_kind best = CQL_PARTITION_KEY;
    for (size_t r = 0; r < where->count; r++) {
        struct where_relation *relation = &where->relations[r];
        enum cql_column_kind kind = first_column(c, relation)->kind;
        if (kind == CQL_STATIC)
            kind = CQL_REGULAR;
        for (size_t i = 0; i < c->table->index_count; i++) {
            if (!index_serves(c->table, &c->table->indexes[i], relation) ||
                (where->index && kind <= best))
                continue;
            where->index = &c->table->indexes[i];
            where->indexed = relation;
            best = kind;
        }
    }
}

/* ---- all together ---- */

static enum err judge_rest(struct compile *c, const struct where_options *options,
                           struct where *where)
{
    struct buf names = {0};
    for (size_t i = 0; i < where->count; i++) {
        struct where_relation *r = &where->relations[i];
        enum cql_column_kind kind = first_column(c, r)->kind;
        if (r->token || (kind != CQL_STATIC && kind != CQL_REGULAR))
            continue;
        r->filters = true;
        where->restricts_regular = where->restricts_regular || kind == CQL_REGULAR;
        where->restricts_static = where->restricts_static || kind == CQL_STATIC;
        if (names.bytes)
            buf_text(&names, ", ");
        buf_str_append(&names, first_column(c, r)->name);
    }
    enum err err = OK;
    if (names.bytes && options->statement != WHERE_SELECT)
        err = cql_fail(c->error, c->arena, CQL_INVALID,
                       "Non PRIMARY KEY columns found in where clause: %.*s ",
                       STR_ARG(buf_str(&names)));
    else if (names.bytes && !options->allow_filtering && !where->index && c->table->table)
        err = where_refuse_filtering(c);
    buf_deinit(&names);
    return err;
}

/* (c) = ('x') is c = 'x'. */
static void unwrap(struct compile *c, const struct cql_relation *from, struct cql_relation *to)
{
    *to = *from;
    if (!from->multi || from->column_count != 1 || from->in_marker || from->op == CQL_NE ||
        from->op > CQL_IN)
        return;
    const struct cql_table_column *column = cql_column_find(c->table, from->columns[0]);
    if (!column || column->kind != CQL_CLUSTERING)
        return;
    for (size_t i = 0; i < from->value_count; i++)
        if (from->values[i]->kind != TERM_TUPLE || from->values[i]->count != 1)
            return;
    to->multi = false;
    to->values = arena_array(c->arena, from->value_count + 1, sizeof *to->values);
    for (size_t i = 0; i < from->value_count; i++)
        to->values[i] = from->values[i]->items[0];
}

enum err where_compile(struct compile *c, const struct cql_relation *relations, size_t count,
                       const struct where_options *options, struct where *where)
{
    *where = (struct where){.count = count};
    where->relations = arena_zero(c->arena, (count + 1) * sizeof *where->relations);
    for (size_t i = 0; i < count; i++) {
        struct cql_relation unwrapped;
        const struct cql_relation *r = &relations[i];
        if (options->statement == WHERE_SELECT) {
            unwrap(c, r, &unwrapped);
            r = &unwrapped;
        }
        if ((r->op == CQL_CONTAINS || r->op == CQL_CONTAINS_KEY) &&
            (options->statement == WHERE_UPDATE || options->statement == WHERE_DELETE))
            return cql_fail(c->error, c->arena, CQL_INVALID, "Cannot use %s with %s",
                            statement_text(options->statement), operator_text(r->op));
        TRY(compile_relation(c, r, &where->relations[i]));
        for (size_t j = 0; j < i; j++)
            TRY(check_pair(c, &where->relations[j], &where->relations[i]));
    }
    if (options->statement == WHERE_SELECT)
        find_index(c, where);
    bool indexed = where->index != NULL;
    sort_clustering(c, where);
    if (!options->allow_filtering && !indexed)
        TRY(check_behind_slice(c, where));
    TRY(judge_partition(c, options, where));
    bool key_filters = where->key_range && (where->partition[0] || c->table->partition_count > 1);
    bool partly = false;
    for (uint32_t i = 0; i < c->table->partition_count; i++)
        partly = partly || where->partition[i];
    if (key_filters && partly && !options->allow_filtering && !indexed && c->table->table)
        return where_refuse_filtering(c);
    TRY(judge_clustering(c, options, where, indexed));
    TRY(judge_rest(c, options, where));
    for (size_t i = 0; i < count; i++)
        where->filtering = where->filtering || where->relations[i].filters;
    /* An index on a column of the key helps only where that column leaves the key's order. */
    bool by_key = indexed && (first_column(c, where->indexed)->kind == CQL_PARTITION_KEY ||
                              first_column(c, where->indexed)->kind == CQL_CLUSTERING);
    bool needs_index = indexed && (!by_key || where->key_range || where->indexed->filters);
    if (needs_index && where->key_in)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Select on indexed columns and with IN clause for the PRIMARY KEY are not "
                        "supported");
    return OK;
}

enum err where_check_filtering(struct compile *c, const struct where *where, bool allow_filtering)
{
    if (allow_filtering || (!where->key_range && !where->index) || !c->table->table)
        return OK;
    for (size_t i = 0; i < where->count; i++)
        if (where->relations[i].filters && &where->relations[i] != where->indexed)
            return where_refuse_filtering(c);
    return OK;
}

bool where_is_equal(const struct where *where, uint32_t column)
{
    for (size_t i = 0; i < where->count; i++) {
        const struct where_relation *r = &where->relations[i];
        if (r->token || r->op != CQL_EQ || r->key)
            continue;
        for (size_t j = 0; j < r->column_count; j++)
            if (r->columns[j] == column)
                return true;
    }
    return false;
}
