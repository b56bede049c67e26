/* SPDX-License-Identifier: MIT */
/*
 * WHERE while running: values are bound, and become partition keys, slices, a range of tokens and
 * filters.
 *
 * Slices are made column by column. EQ and IN give a sorted list of prefixes (each value of an IN
 * behind each prefix so far), a range at the end gives every prefix its two bounds. Bounds stand in
 * the table's order: over a descending column "greater than" is where a slice ends.
 *
 * Invariants: 1. keys and slices are sorted and none is there twice. 2. a slice that can hold
 * nothing is left out.
 */
#include "serve/cql/exec_private.h"

enum { VALUES_MAX = 1 << 20 };

static const struct cql_table_column *column_of(const struct expr_run *run,
                                                const struct where_relation *r, size_t index)
{
    return &run->table->columns[r->columns[index]];
}

static enum err bad_value(struct expr_run *run, const struct where_relation *r, struct str value)
{
    struct buf names = {0};
    for (size_t i = 0; i < r->column_count; i++) {
        if (i)
            buf_text(&names, ",");
        buf_str_append(&names, column_of(run, r, i)->name);
    }
    enum err err;
    if (r->token && !expr_is_unset(value))
        err = cql_fail(run->error, run->arena, CQL_INVALID, "Invalid null token value");
    else if (expr_is_unset(value) && r->key)
        err = cql_fail(run->error, run->arena, CQL_INVALID,
                       "Unsupported unset map value for column %.*s", STR_ARG(buf_str(&names)));
    else if (expr_is_unset(value))
        err = cql_fail(run->error, run->arena, CQL_INVALID, "Invalid unset value for %s %s%.*s%s",
                       r->multi ? "tuple" : "column", r->multi ? "(" : "", STR_ARG(buf_str(&names)),
                       r->multi ? ")" : "");
    else
        err =
            cql_fail(run->error, run->arena, CQL_INVALID,
                     "Invalid null value in condition for column%s %s%.*s%s", r->multi ? "s:" : "",
                     r->multi ? "[" : "", STR_ARG(buf_str(&names)), r->multi ? "]" : "");
    buf_deinit(&names);
    return err;
}

/* All values of a relation; those of an IN as they were given. */
static enum err relation_values(struct expr_run *run, const struct where_relation *r,
                                struct str **ret_values, size_t *ret_count)
{
    if (r->in_marker) {
        struct str list, item;
        TRY(expr_eval(run, r->values[0], &list));
        if (expr_is_unset(list) || !list.ptr)
            return bad_value(run, r, list);
        struct cql_elements it;
        TRY(cql_elements_init(&it, r->values[0]->type, list));
        if (it.count > VALUES_MAX)
            return ERR_LIMIT;
        struct str *values = arena_array(run->arena, it.count + 1, sizeof *values);
        size_t count = 0;
        while (cql_elements_next(&it, &item)) {
            if (!item.ptr)
                return bad_value(run, r, item);
            values[count++] = item;
        }
        *ret_values = values;
        *ret_count = count;
        return OK;
    }
    struct str *values = arena_array(run->arena, r->value_count + 1, sizeof *values);
    for (size_t i = 0; i < r->value_count; i++) {
        TRY(expr_eval(run, r->values[i], &values[i]));
        if (!values[i].ptr || expr_is_unset(values[i]))
            return bad_value(run, r, values[i]);
    }
    *ret_values = values;
    *ret_count = r->value_count;
    return OK;
}

/* Splits the value of a multi-column relation; a single one stands for itself. */
static enum err split_value(struct expr_run *run, const struct where_relation *r, struct str value,
                            struct str *ret_parts)
{
    if (!r->multi) {
        ret_parts[0] = value;
        return OK;
    }
    struct cql_elements it;
    TRY(cql_elements_init(&it, r->type, value));
    for (size_t i = 0; i < r->column_count; i++) {
        if (!cql_elements_next(&it, &ret_parts[i]) || !ret_parts[i].ptr)
            return cql_fail(run->error, run->arena, CQL_INVALID,
                            "Invalid null value in condition for column %.*s",
                            STR_ARG(column_of(run, r, i)->name));
    }
    return OK;
}

/* ---- partition keys ---- */

enum err key_check(struct cql_error *error, struct arena *arena, const struct cql_table *table,
                   const struct str *partition)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < table->partition_count; i++)
        bytes += partition[i].bytes + (table->partition_count > 1 ? 3 : 0);
    if (bytes == 0)
        return cql_fail(error, arena, CQL_INVALID, "Key may not be empty");
    if (bytes > 65535)
        return cql_fail(error, arena, CQL_INVALID,
                        "Key length of %zu is longer than maximum of 65535", bytes);
    return OK;
}

static int compare_keys(const struct cql_table *table, const struct str *a, const struct str *b)
{
    for (uint32_t i = 0; i < table->partition_count; i++) {
        int order = cql_value_compare(table->columns[i].type, a[i], b[i]);
        if (order)
            return order;
    }
    return 0;
}

static size_t sort_keys(const struct cql_table *table, const struct str **keys, size_t count)
{
    /* Shell sort: lists of an IN are short, and there is no second array. */
    for (size_t gap = count / 2; gap; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (size_t i = gap; i < count; i++) {
            const struct str *item = keys[i];
            size_t at = i;
            for (; at >= gap && compare_keys(table, keys[at - gap], item) > 0; at -= gap)
                keys[at] = keys[at - gap];
            keys[at] = item;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!kept || compare_keys(table, keys[kept - 1], keys[i]) != 0)
            keys[kept++] = keys[i];
    return kept;
}

static enum err one_partition(struct expr_run *run, const struct where *where,
                              const struct str ***ret_keys, size_t *ret_count)
{
    uint32_t parts = run->table->partition_count;
    struct str *key = arena_array(run->arena, parts, sizeof *key);
    for (uint32_t i = 0; i < parts; i++) {
        const struct where_relation *r = where->partition[i];
        TRY(expr_eval(run, r->values[0], &key[i]));
        if (!key[i].ptr || expr_is_unset(key[i]))
            return bad_value(run, r, key[i]);
    }
    TRY(key_check(run->error, run->arena, run->table, key));
    const struct str **keys = arena_alloc(run->arena, sizeof *keys);
    keys[0] = key;
    *ret_keys = keys;
    *ret_count = 1;
    return OK;
}

static enum err many_partitions(struct expr_run *run, const struct where *where,
                                const struct str ***ret_keys, size_t *ret_count)
{
    uint32_t parts = run->table->partition_count;
    struct str **values = arena_array(run->arena, parts, sizeof *values);
    size_t *counts = arena_array(run->arena, parts, sizeof *counts);
    size_t total = 1;
    for (uint32_t i = 0; i < parts; i++) {
        TRY(relation_values(run, where->partition[i], &values[i], &counts[i]));
        total *= counts[i];
        if (total > VALUES_MAX)
            return ERR_LIMIT;
    }
    const struct str **keys = arena_array(run->arena, total + 1, sizeof *keys);
    for (size_t n = 0; n < total; n++) {
        struct str *key = arena_array(run->arena, parts, sizeof *key);
        size_t rest = n;
        for (uint32_t i = parts; i-- > 0;) {
            key[i] = values[i][rest % counts[i]];
            rest /= counts[i];
        }
        TRY(key_check(run->error, run->arena, run->table, key));
        keys[n] = key;
    }
    total = sort_keys(run->table, keys, total);
    *ret_keys = keys;
    *ret_count = total;
    return OK;
}

/* ---- tokens ---- */

static int64_t as_i64(struct str value)
{
    uint64_t number = 0;
    for (size_t i = 0; i < value.bytes && i < 8; i++)
        number = number << 8 | (uint8_t)value.ptr[i];
    return (int64_t)number;
}

enum err where_tokens(struct expr_run *run, const struct where *where, int64_t *ret_from,
                      int64_t *ret_to, bool *ret_empty)
{
    *ret_from = INT64_MIN;
    *ret_to = INT64_MAX;
    *ret_empty = false;
    for (size_t i = 0; i < where->count; i++) {
        const struct where_relation *r = &where->relations[i];
        if (!r->token)
            continue;
        struct str *values;
        size_t count;
        TRY(relation_values(run, r, &values, &count));
        int64_t token = as_i64(values[0]);
        /* The smallest token is the ring's edge: as an end it means the whole ring. */
        if (token == INT64_MIN && (r->op == CQL_LT || r->op == CQL_LE))
            continue;
        if ((r->op == CQL_GT && token == INT64_MAX)) {
            *ret_empty = true;
            continue;
        }
        int64_t from = r->op == CQL_GT                      ? token + 1
                       : r->op == CQL_GE || r->op == CQL_EQ ? token
                                                            : INT64_MIN;
        int64_t to = r->op == CQL_LT                      ? token - 1
                     : r->op == CQL_LE || r->op == CQL_EQ ? token
                                                          : INT64_MAX;
        if (from > *ret_from)
            *ret_from = from;
        if (to < *ret_to)
            *ret_to = to;
    }
    *ret_empty = *ret_empty || *ret_from > *ret_to;
    return OK;
}

enum err where_partitions(struct expr_run *run, const struct where *where,
                          const struct str ***ret_keys, size_t *ret_count)
{
    TRY(where->key_in ? many_partitions(run, where, ret_keys, ret_count)
                      : one_partition(run, where, ret_keys, ret_count));
    if (!where->key_tokens || !run->table->table)
        return OK;
    int64_t from, to;
    bool empty;
    TRY(where_tokens(run, where, &from, &to, &empty));
    size_t kept = 0;
    for (size_t i = 0; i < *ret_count && !empty; i++) {
        int64_t token = table_token(run->table->table, (*ret_keys)[i]);
        if (token >= from && token <= to)
            (*ret_keys)[kept++] = (*ret_keys)[i];
    }
    *ret_count = kept;
    return OK;
}

/* ---- slices ---- */

struct prefix {
    const struct str *values;
};

static int compare_clustering(const struct expr_run *run, uint32_t position, struct str a,
                              struct str b)
{
    const struct cql_table_column *column =
        &run->table->columns[run->table->partition_count + position];
    int order = cql_value_compare(column->type, a, b);
    return column->descending ? -order : order;
}

/* The values of an EQ or IN, split, sorted in the table's order, unique. */
static enum err sorted_values(struct expr_run *run, const struct where_relation *r,
                              struct str **ret_parts, size_t *ret_count)
{
    struct str *values;
    size_t count, width = r->column_count, kept = 0;
    uint32_t position = column_of(run, r, 0)->position;
    TRY(relation_values(run, r, &values, &count));
    struct str *parts = arena_array(run->arena, (count + 1) * width, sizeof *parts);
    struct str *item = arena_array(run->arena, width, sizeof *item);
    for (size_t i = 0; i < count; i++) {
        TRY(split_value(run, r, values[i], item));
        size_t at = kept;
        int order = 1;
        while (at > 0) {
            order = 0;
            for (size_t j = 0; j < width && order == 0; j++)
                order = compare_clustering(run, position + (uint32_t)j, parts[(at - 1) * width + j],
                                           item[j]);
            if (order <= 0)
                break;
            at--;
        }
        if (at > 0 && order == 0)
            continue;
        memmove(&parts[(at + 1) * width], &parts[at * width], (kept - at) * width * sizeof *parts);
        memcpy(&parts[at * width], item, width * sizeof *item);
        kept++;
    }
    *ret_parts = parts;
    *ret_count = kept;
    return OK;
}

static enum err make_prefixes(struct expr_run *run, const struct where *where,
                              struct prefix **ret_prefixes, size_t *ret_count)
{
    uint32_t columns = run->table->clustering_count;
    struct prefix *prefixes = arena_alloc(run->arena, sizeof *prefixes);
    prefixes[0].values = arena_array(run->arena, columns + 1, sizeof(struct str));
    size_t count = 1;
    for (size_t i = 0; i < where->clustering_count; i++) {
        const struct where_relation *r = where->clustering[i];
        if (r->op != CQL_EQ && r->op != CQL_IN)
            break;
        uint32_t position = column_of(run, r, 0)->position;
        struct str *parts;
        size_t width = r->column_count, part_count;
        TRY(sorted_values(run, r, &parts, &part_count));
        if (count * part_count > VALUES_MAX)
            return ERR_LIMIT;
        struct prefix *next = arena_array(run->arena, count * part_count + 1, sizeof *next);
        for (size_t p = 0; p < count; p++) {
            for (size_t n = 0; n < part_count; n++) {
                struct str *values = arena_array(run->arena, columns + 1, sizeof *values);
                memcpy(values, prefixes[p].values, position * sizeof *values);
                memcpy(values + position, parts + n * width, width * sizeof *values);
                next[p * part_count + n].values = values;
            }
        }
        prefixes = next;
        count *= part_count;
    }
    *ret_prefixes = prefixes;
    *ret_count = count;
    return OK;
}

static bool same_direction(const struct expr_run *run, const struct where_relation *r)
{
    for (size_t i = 1; i < r->column_count; i++)
        if (column_of(run, r, i)->descending != column_of(run, r, 0)->descending)
            return false;
    return true;
}

/* Puts the range relations behind the prefix of a slice. */
static enum err add_range(struct expr_run *run, const struct where *where, struct slice *slice,
                          const struct prefix *prefix)
{
    uint32_t count = (uint32_t)where->clustering_prefix;
    slice->from = slice->to = (struct table_bound){prefix->values, count, true};
    for (size_t i = 0; i < where->clustering_count; i++) {
        const struct where_relation *r = where->clustering[i];
        if (r->op == CQL_EQ || r->op == CQL_IN)
            continue;
        struct str *values;
        size_t value_count;
        TRY(relation_values(run, r, &values, &value_count));
        struct str *bound =
            arena_array(run->arena, run->table->clustering_count + 1, sizeof *bound);
        memcpy(bound, prefix->values, count * sizeof *bound);
        struct str *parts = arena_array(run->arena, r->column_count, sizeof *parts);
        TRY(split_value(run, r, values[0], parts));
        bool greater = r->op == CQL_GT || r->op == CQL_GE;
        bool inclusive = r->op == CQL_GE || r->op == CQL_LE;
        size_t width = r->column_count;
        /* Over columns of both directions a slice can only be told by the first; the relation
         * filters then. */
        if (!same_direction(run, r)) {
            width = 1;
            inclusive = true;
        }
        memcpy(bound + count, parts, width * sizeof *bound);
        struct table_bound *end =
            greater != column_of(run, r, 0)->descending ? &slice->from : &slice->to;
        *end = (struct table_bound){bound, count + (uint32_t)width, inclusive};
    }
    return OK;
}

static bool slice_is_empty(const struct expr_run *run, const struct slice *slice)
{
    uint32_t common = slice->from.count < slice->to.count ? slice->from.count : slice->to.count;
    for (uint32_t i = 0; i < common; i++) {
        int order = compare_clustering(run, i, slice->from.values[i], slice->to.values[i]);
        if (order)
            return order > 0;
    }
    if (common == 0)
        return false;
    if (slice->from.count == slice->to.count)
        return !slice->from.inclusive || !slice->to.inclusive;
    return slice->from.count > slice->to.count ? !slice->to.inclusive : !slice->from.inclusive;
}

enum err where_slices(struct expr_run *run, const struct where *where, struct slice **ret_slices,
                      size_t *ret_count)
{
    struct prefix *prefixes;
    size_t count, kept = 0;
    TRY(make_prefixes(run, where, &prefixes, &count));
    struct slice *slices = arena_array(run->arena, count + 1, sizeof *slices);
    for (size_t i = 0; i < count; i++) {
        TRY(add_range(run, where, &slices[kept], &prefixes[i]));
        if (!slice_is_empty(run, &slices[kept]))
            kept++;
    }
    *ret_slices = slices;
    *ret_count = kept;
    return OK;
}

/* ---- filters ---- */

enum err where_filters(struct expr_run *run, const struct where *where, bool all,
                       struct where_filter **ret_filters, size_t *ret_count)
{
    struct where_filter *filters = arena_array(run->arena, where->count + 1, sizeof *filters);
    size_t count = 0;
    for (size_t i = 0; i < where->count; i++) {
        const struct where_relation *r = &where->relations[i];
        if (r->token || !(r->filters || all))
            continue;
        struct where_filter *f = &filters[count++];
        *f = (struct where_filter){.relation = r};
        if (r->key) {
            TRY(expr_eval(run, r->key, &f->key));
            if (!f->key.ptr || expr_is_unset(f->key))
                return cql_fail(run->error, run->arena, CQL_INVALID, "%s map key for column %.*s",
                                f->key.ptr ? "Unsupported unset" : "Unsupported null",
                                STR_ARG(column_of(run, r, 0)->name));
        }
        TRY(relation_values(run, r, &f->values, &f->count));
    }
    *ret_filters = filters;
    *ret_count = count;
    return OK;
}

bool where_compare(enum cql_operator op, const struct cql_type *type, struct str value,
                   struct str other)
{
    int order = cql_value_compare(type, value, other);
    switch (op) {
    case CQL_EQ:
    case CQL_IN:
        return order == 0;
    case CQL_NE:
        return order != 0;
    case CQL_LT:
        return order < 0;
    case CQL_LE:
        return order <= 0;
    case CQL_GT:
        return order > 0;
    case CQL_GE:
        return order >= 0;
    default:
        return false;
    }
}

static enum err contains(const struct where_filter *f, const struct cql_type *type,
                         struct str value, bool *ret)
{
    struct str key, item;
    struct cql_elements it;
    *ret = false;
    TRY(cql_elements_init(&it, type, value));
    while (cql_elements_next(&it, &key)) {
        item = key;
        if (type->kind == CQL_MAP && !cql_elements_next(&it, &item))
            break;
        const struct cql_type *items = type->items[type->kind == CQL_MAP];
        if (f->relation->key)
            *ret = cql_value_compare(type->items[0], key, f->key) == 0 &&
                   cql_value_compare(items, item, f->values[0]) == 0;
        else if (f->relation->op == CQL_CONTAINS_KEY)
            *ret = cql_value_compare(type->items[0], key, f->values[0]) == 0;
        else
            *ret = cql_value_compare(items, item, f->values[0]) == 0;
        if (*ret)
            return OK;
    }
    return OK;
}

static enum err multi_matches(struct expr_run *run, const struct where_filter *f, struct str value,
                              bool *ret)
{
    const struct where_relation *r = f->relation;
    struct str *parts = arena_array(run->arena, r->column_count, sizeof *parts);
    TRY(split_value(run, r, value, parts));
    int order = 0;
    for (size_t i = 0; i < r->column_count && order == 0; i++) {
        struct str have = run->values[r->columns[i]];
        if (!have.ptr) {
            *ret = false;
            return OK;
        }
        order = cql_value_compare(column_of(run, r, i)->type, have, parts[i]);
    }
    *ret = r->op == CQL_LT   ? order < 0
           : r->op == CQL_LE ? order <= 0
           : r->op == CQL_GT ? order > 0
           : r->op == CQL_GE ? order >= 0
                             : order == 0;
    return OK;
}

static enum err filter_matches(struct expr_run *run, const struct where_filter *f, bool *ret)
{
    const struct where_relation *r = f->relation;
    struct str have = run->values[r->columns[0]];
    const struct cql_type *type = column_of(run, r, 0)->type;
    *ret = false;
    if (!have.ptr)
        return OK;
    if (r->key || r->op == CQL_CONTAINS || r->op == CQL_CONTAINS_KEY)
        return contains(f, type, have, ret);
    for (size_t i = 0; i < f->count && !*ret; i++) {
        if (r->multi)
            TRY(multi_matches(run, f, f->values[i], ret));
        else
            *ret = where_compare(r->op, type, have, f->values[i]);
    }
    return OK;
}

enum err where_matches(struct expr_run *run, const struct where_filter *filters, size_t count,
                       bool *ret_matches)
{
    *ret_matches = true;
    for (size_t i = 0; i < count && *ret_matches; i++)
        TRY(filter_matches(run, &filters[i], ret_matches));
    return OK;
}
