/* SPDX-License-Identifier: MIT */
/*
 * WHERE while running: values are bound, and become partition keys, slices, a range of tokens and
 * filters.
 *
 * Slices are made column by column. EQ and IN give a sorted list of prefixes (each value of an IN
 * behind each prefix so far), a range at the end gives every prefix its two bounds. Bounds stand in
 * the table's order: over a descending column "greater than" is where a slice ends. A range over
 * columns of both directions is several slices: (a, b) > (1, 2) is a > 1, and a = 1 AND b > 2.
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

static bool is_range(const struct where_relation *r)
{
    return r->op == CQL_LT || r->op == CQL_LE || r->op == CQL_GT || r->op == CQL_GE;
}

/* A column that only a filter can be about. */
static bool filters_only(const struct expr_run *run, const struct where_relation *r)
{
    enum cql_column_kind kind = column_of(run, r, 0)->kind;
    return !r->multi && (kind > CQL_CLUSTERING || r->behind ||
                         (kind == CQL_PARTITION_KEY && (is_range(r) || r->filters)));
}

/* A null beside a clustering column's range: before all values in the table's order. */
static const char before_all[1];

static bool is_behind_null(const struct expr_run *run, const struct where_relation *r)
{
    return (r->op == CQL_GT || r->op == CQL_GE) != column_of(run, r, 0)->descending;
}

static bool null_is_empty(const struct expr_run *run, const struct where_relation *r)
{
    return is_range(r) && !r->multi && !r->token && !r->behind &&
           column_of(run, r, 0)->kind == CQL_CLUSTERING;
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
    else if (expr_is_unset(value) && filters_only(run, r))
        err = cql_fail(run->error, run->arena, CQL_INVALID,
                       "Unsupported unset value for column %.*s", STR_ARG(buf_str(&names)));
    else if (expr_is_unset(value))
        err = cql_fail(run->error, run->arena, CQL_INVALID, "Invalid unset value for %s %s%.*s%s",
                       r->multi ? "tuple" : "column", r->multi ? "(" : "", STR_ARG(buf_str(&names)),
                       r->multi ? ")" : "");
    else if (filters_only(run, r))
        err = cql_fail(run->error, run->arena, CQL_INVALID,
                       "Unsupported null %svalue for column %.*s", r->key ? "map " : "",
                       STR_ARG(buf_str(&names)));
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
            if (!item.ptr && !(filters_only(run, r) && it.count > 1))
                return bad_value(run, r, item);
            if (item.ptr)
                values[count++] = item;
        }
        *ret_values = values;
        *ret_count = r->behind && count < it.count ? 0 : count;
        return OK;
    }
    struct str *values = arena_array(run->arena, r->value_count + 1, sizeof *values);
    size_t count = 0;
    for (size_t i = 0; i < r->value_count; i++) {
        struct str value;
        TRY(expr_eval(run, r->values[i], &value));
        if (!value.ptr && null_is_empty(run, r))
            value = str_from(before_all, 0);
        bool alone = r->value_count == 1 || !filters_only(run, r);
        if (expr_is_unset(value) || (!value.ptr && alone))
            return bad_value(run, r, value);
        if (value.ptr)
            values[count++] = value;
    }
    *ret_values = values;
    /* Among those of an IN that filters clustering columns a null hides all others. */
    *ret_count = r->behind && count < r->value_count ? 0 : count;
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
                            r->op == CQL_EQ || r->op == CQL_IN
                                ? "Invalid null value for column %.*s"
                                : "Invalid null value in condition for column %.*s",
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
        if (token == INT64_MIN &&
            (r->op == CQL_LT || r->op == CQL_LE || (r->op == CQL_EQ && !where->key_tokens)))
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

enum err where_check_keys(struct expr_run *run, const struct str *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        TRY(key_check(run->error, run->arena, run->table, keys[i]));
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

/* Where a bound stands: before (-1) or behind (1) all that begins with its values. */
static int compare_bounds(const struct expr_run *run, const struct table_bound *a, int side_a,
                          const struct table_bound *b, int side_b)
{
    uint32_t common = a->count < b->count ? a->count : b->count;
    for (uint32_t i = 0; i < common; i++) {
        int order = compare_clustering(run, i, a->values[i], b->values[i]);
        if (order)
            return order;
    }
    if (a->count == b->count)
        return side_a - side_b;
    return a->count < b->count ? side_a : -side_b;
}

static int from_side(const struct table_bound *from)
{
    return from->inclusive ? -1 : 1;
}

static int to_side(const struct table_bound *to)
{
    return to->inclusive ? 1 : -1;
}

static bool slice_is_empty(const struct expr_run *run, const struct slice *slice)
{
    return compare_bounds(run, &slice->from, from_side(&slice->from), &slice->to,
                          to_side(&slice->to)) >= 0;
}

static bool begins_before(const struct expr_run *run, const struct slice *a, const struct slice *b)
{
    return compare_bounds(run, &a->from, from_side(&a->from), &b->from, from_side(&b->from)) < 0;
}

/* What both have. */
static struct slice slice_common(const struct expr_run *run, const struct slice *a,
                                 const struct slice *b)
{
    bool ends_first = compare_bounds(run, &a->to, to_side(&a->to), &b->to, to_side(&b->to)) < 0;
    return (struct slice){begins_before(run, a, b) ? b->from : a->from, ends_first ? a->to : b->to};
}

/* From column `at` of the relation on, those of one direction: rows with the values before it, and
 * greater or less ones from there to column `end`. */
static struct slice range_slice(struct expr_run *run, const struct where_relation *r,
                                const struct str *bound, uint32_t prefix, size_t at, size_t end)
{
    bool greater = r->op == CQL_GT || r->op == CQL_GE;
    bool inclusive = end == r->column_count && (r->op == CQL_GE || r->op == CQL_LE);
    struct slice slice;
    /* Values of their own: a slice whose bounds are one array is a row. */
    struct str *open = arena_array(run->arena, prefix + at + 1, sizeof *open);
    memcpy(open, bound, (prefix + at) * sizeof *open);
    slice.from = slice.to = (struct table_bound){open, prefix + (uint32_t)at, true};
    struct table_bound *limit =
        greater != column_of(run, r, at)->descending ? &slice.from : &slice.to;
    *limit = (struct table_bound){bound, prefix + (uint32_t)end, inclusive};
    return slice;
}

/* The slices of one range relation behind a prefix, in the table's order. */
static enum err range_slices(struct expr_run *run, const struct where_relation *r,
                             const struct prefix *prefix, uint32_t count, struct slice **ret_slices,
                             size_t *ret_count)
{
    struct str *values;
    size_t value_count, kept = 0;
    TRY(relation_values(run, r, &values, &value_count));
    if (values[0].ptr == before_all) {
        *ret_slices = arena_alloc(run->arena, sizeof **ret_slices);
        **ret_slices = (struct slice){{prefix->values, count, true}, {prefix->values, count, true}};
        *ret_count = is_behind_null(run, r);
        return OK;
    }
    struct str *bound = arena_array(run->arena, run->table->clustering_count + 1, sizeof *bound);
    memcpy(bound, prefix->values, count * sizeof *bound);
    TRY(split_value(run, r, values[0], bound + count));
    struct slice *slices = arena_array(run->arena, r->column_count, sizeof *slices);
    for (size_t at = 0, end; at < r->column_count; at = end) {
        for (end = at + 1; end < r->column_count; end++)
            if (column_of(run, r, end)->descending != column_of(run, r, at)->descending)
                break;
        struct slice slice = range_slice(run, r, bound, count, at, end);
        size_t to = kept++;
        for (; to && begins_before(run, &slice, &slices[to - 1]); to--)
            slices[to] = slices[to - 1];
        slices[to] = slice;
    }
    *ret_slices = slices;
    *ret_count = kept;
    return OK;
}

/* What the range relations leave of a prefix: each narrows the slices so far. */
static enum err prefix_slices(struct expr_run *run, const struct where *where,
                              const struct prefix *prefix, struct slice **ret_slices,
                              size_t *ret_count)
{
    uint32_t length = (uint32_t)where->clustering_prefix;
    struct slice *slices = arena_alloc(run->arena, sizeof *slices);
    size_t count = 1;
    slices->from = slices->to = (struct table_bound){prefix->values, length, true};
    for (size_t i = 0; i < where->clustering_count; i++) {
        const struct where_relation *r = where->clustering[i];
        struct slice *parts;
        size_t part_count, kept = 0;
        if (r->op == CQL_EQ || r->op == CQL_IN)
            continue;
        TRY(range_slices(run, r, prefix, length, &parts, &part_count));
        struct slice *common = arena_array(run->arena, count * part_count + 1, sizeof *common);
        for (size_t n = 0; n < count * part_count; n++) {
            common[kept] = slice_common(run, &slices[n / part_count], &parts[n % part_count]);
            kept += !slice_is_empty(run, &common[kept]);
        }
        slices = common;
        count = kept;
    }
    *ret_slices = slices;
    *ret_count = count;
    return OK;
}

enum err where_slices(struct expr_run *run, const struct where *where, struct slice **ret_slices,
                      size_t *ret_count)
{
    struct prefix *prefixes;
    struct slice *slices = NULL;
    size_t count, kept = 0, room = 0;
    TRY(make_prefixes(run, where, &prefixes, &count));
    for (size_t i = 0; i < count; i++) {
        struct slice *more;
        size_t more_count;
        TRY(prefix_slices(run, where, &prefixes[i], &more, &more_count));
        if (kept + more_count > room) {
            struct slice *old = slices;
            room = 2 * room + more_count + count;
            slices = arena_array(run->arena, room, sizeof *slices);
            if (kept)
                memcpy(slices, old, kept * sizeof *slices);
        }
        if (more_count)
            memcpy(slices + kept, more, more_count * sizeof *slices);
        kept += more_count;
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
        if (r->behind && r->column_count > 1 && r->op != CQL_EQ)
            return cql_fail(run->error, run->arena, CQL_INVALID,
                            r->op == CQL_IN
                                ? "Multicolumn IN filters are not supported"
                                : "Multi-column slice restrictions cannot be used for filtering.");
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
        if (f->values[i].ptr == before_all)
            *ret = is_behind_null(run, r);
        else if (r->multi)
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
