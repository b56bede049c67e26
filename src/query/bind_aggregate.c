/* SPDX-License-Identifier: MIT */
/*
 * Aggregate functions while binding: names, argument and result types.
 *
 *   count              BIGINT
 *   sum                integers BIGINT, DECIMAL(p,s) -> (p+10,s), the rest DOUBLE, intervals kept
 *   avg, stddev, ..    DOUBLE; avg of DECIMAL(p,s) -> (p+4,s+4)
 *   min max first ..   as the argument
 *   collect_list       ARRAY of it
 *
 * DISTINCT is kept for count and sum and avg; for min, max and the like it changes nothing.
 */
#include "query/aggregate.h"
#include "query/bind.h"

enum { DECIMAL_MAX = 38 };

static const struct aggregate_info aggregates[] = {
    {"any", AGG_BOOL_OR, 1, 1},
    {"any_value", AGG_FIRST, 1, 2},
    {"array_agg", AGG_COLLECT_LIST, 1, 1},
    {"avg", AGG_AVG, 1, 1},
    {"bool_and", AGG_BOOL_AND, 1, 1},
    {"bool_or", AGG_BOOL_OR, 1, 1},
    {"collect_list", AGG_COLLECT_LIST, 1, 1},
    {"collect_set", AGG_COLLECT_LIST, 1, 1},
    {"count", AGG_COUNT, 1, 255},
    {"count_if", AGG_COUNT_IF, 1, 1},
    {"every", AGG_BOOL_AND, 1, 1},
    {"first", AGG_FIRST, 1, 2},
    {"first_value", AGG_FIRST, 1, 2},
    {"last", AGG_LAST, 1, 2},
    {"last_value", AGG_LAST, 1, 2},
    {"max", AGG_MAX, 1, 1},
    {"max_by", AGG_MAX_BY, 2, 2},
    {"mean", AGG_AVG, 1, 1},
    {"min", AGG_MIN, 1, 1},
    {"min_by", AGG_MIN_BY, 2, 2},
    {"some", AGG_BOOL_OR, 1, 1},
    {"std", AGG_STDDEV_SAMP, 1, 1},
    {"stddev", AGG_STDDEV_SAMP, 1, 1},
    {"stddev_pop", AGG_STDDEV_POP, 1, 1},
    {"stddev_samp", AGG_STDDEV_SAMP, 1, 1},
    {"sum", AGG_SUM, 1, 1},
    {"var_pop", AGG_VAR_POP, 1, 1},
    {"var_samp", AGG_VAR_SAMP, 1, 1},
    {"variance", AGG_VAR_SAMP, 1, 1},
};

/* Aggregates that Spark has and this engine not: said by name instead of "no function". */
static const char *const missing[] = {
    "approx_count_distinct",
    "approx_percentile",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bitmap_construct_agg",

    "corr",
    "count_min_sketch",
    "covar_pop",
    "covar_samp",
    "grouping",
    "grouping_id",
    "histogram_numeric",
    "kurtosis",
    "listagg",
    "median",
    "mode",
    "percentile",
    "percentile_approx",
    "percentile_cont",
    "percentile_disc",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "skewness",
    "string_agg",
    "try_avg",
    "try_sum",
    "hll_sketch_agg",
    "hll_union_agg",
    "session_window",
    "window",
    "window_time",
};

const struct aggregate_info *aggregate_find(struct str name)
{
    for (size_t i = 0; i < sizeof(aggregates) / sizeof(aggregates[0]); i++) {
        if (str_equal_nocase(name, str_of(aggregates[i].name)))
            return &aggregates[i];
    }
    return NULL;
}

size_t aggregate_list(const struct aggregate_info **ret_infos)
{
    *ret_infos = aggregates;
    return sizeof(aggregates) / sizeof(aggregates[0]);
}

static bool is_missing(struct str name)
{
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        if (str_equal_nocase(name, str_of(missing[i])))
            return true;
    }
    return false;
}

bool is_aggregate_name(struct str name)
{
    return aggregate_find(name) || is_missing(name);
}

/* ---- types ---- */

static bool is_integer(enum type_kind kind)
{
    return kind >= TYPE_TINYINT && kind <= TYPE_BIGINT;
}

static enum err numeric_argument(struct binder *b, const struct ast_node *node, struct expr *arg,
                                 const char *name, struct expr **ret_arg)
{
    enum type_kind kind = arg->type->kind;
    if (kind >= TYPE_TINYINT && kind <= TYPE_DECIMAL) {
        *ret_arg = arg;
        return OK;
    }
    if (kind == TYPE_STRING || kind == TYPE_NULL) {
        *ret_arg = expr_cast(b->arena, b->session, arg, type_simple(TYPE_DOUBLE));
        return OK;
    }
    struct buf type = {0};
    type_print_sql(arg->type, &type);
    bind_error(b, node, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
               "%s takes numbers, not %.*s", name, STR_ARG(buf_str(&type)));
    buf_deinit(&type);
    return ERR_INVALID;
}

static const struct type *wider_decimal(struct binder *b, const struct type *type, unsigned whole,
                                        unsigned scale)
{
    unsigned p = type->precision + whole, s = type->scale + scale;
    if (p > DECIMAL_MAX) {
        /* what does not fit is taken from the scale, of which at least 6 stay */
        unsigned cut = p - DECIMAL_MAX, keep = s < 6 ? s : 6;
        s = scale && s > keep + cut ? s - cut : scale && s > keep ? keep : s;
        p = DECIMAL_MAX;
    }
    return type_decimal(b->arena, p, s);
}

static enum err sum_type(struct binder *b, const struct ast_node *node, bool average,
                         struct expr **arg, const struct type **ret_type)
{
    enum type_kind kind = (*arg)->type->kind;
    if (kind == TYPE_INTERVAL_DT || kind == TYPE_INTERVAL_YM) {
        if (average)
            return bind_refuse(b, node, "the average of intervals");
        *ret_type = (*arg)->type;
        return OK;
    }
    TRY(numeric_argument(b, node, *arg, average ? "avg" : "sum", arg));
    kind = (*arg)->type->kind;
    if (kind == TYPE_DECIMAL) {
        *ret_type =
            average ? wider_decimal(b, (*arg)->type, 4, 4) : wider_decimal(b, (*arg)->type, 10, 0);
        return OK;
    }
    if (average || !is_integer(kind)) {
        *arg = expr_cast(b->arena, b->session, *arg, type_simple(TYPE_DOUBLE));
        *ret_type = type_simple(TYPE_DOUBLE);
        return OK;
    }
    *arg = expr_cast(b->arena, b->session, *arg, type_simple(TYPE_BIGINT));
    *ret_type = type_simple(TYPE_BIGINT);
    return OK;
}

static enum err boolean_argument(struct binder *b, const struct ast_node *node, struct expr **arg)
{
    if ((*arg)->type->kind != TYPE_BOOLEAN && (*arg)->type->kind != TYPE_NULL)
        return bind_error(b, node, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                          "%.*s takes a BOOLEAN", STR_ARG(node->text));
    *arg = expr_cast(b->arena, b->session, *arg, type_simple(TYPE_BOOLEAN));
    return OK;
}

static bool has_order(const struct type *type)
{
    if (type->kind == TYPE_MAP || type->kind == TYPE_INTERVAL)
        return false;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (!has_order(type->fields[i].type))
            return false;
    }
    return true;
}

static bool has_map(const struct type *type)
{
    bool map = type->kind == TYPE_MAP;
    for (uint32_t i = 0; !map && i < type->field_count; i++)
        map = has_map(type->fields[i].type);
    return map;
}

static enum err result_type(struct binder *b, const struct ast_node *node,
                            const struct aggregate_info *info, struct expr **args, size_t count,
                            const struct type **ret_type)
{
    switch (info->kind) {
    case AGG_COUNT:
        *ret_type = type_simple(TYPE_BIGINT);
        return OK;
    case AGG_COUNT_IF:
        TRY(boolean_argument(b, node, &args[0]));
        *ret_type = type_simple(TYPE_BIGINT);
        return OK;
    case AGG_BOOL_AND:
    case AGG_BOOL_OR:
        TRY(boolean_argument(b, node, &args[0]));
        *ret_type = type_simple(TYPE_BOOLEAN);
        return OK;
    case AGG_SUM:
    case AGG_AVG:
        return sum_type(b, node, info->kind == AGG_AVG, &args[0], ret_type);
    case AGG_STDDEV_SAMP:
    case AGG_STDDEV_POP:
    case AGG_VAR_SAMP:
    case AGG_VAR_POP:
        TRY(numeric_argument(b, node, args[0], info->name, &args[0]));
        args[0] = expr_cast(b->arena, b->session, args[0], type_simple(TYPE_DOUBLE));
        *ret_type = type_simple(TYPE_DOUBLE);
        return OK;
    case AGG_COLLECT_LIST:
        if (strcmp(info->name, "collect_set") == 0 && has_map(args[0]->type))
            return bind_error(b, node, "DATATYPE_MISMATCH.UNSUPPORTED_INPUT_TYPE", "42K09",
                              "collect_set takes no MAP");
        *ret_type = type_array(b->arena, args[0]->type, false);
        return OK;
    case AGG_MIN:
    case AGG_MAX:
    case AGG_MIN_BY:
    case AGG_MAX_BY:
        if (!has_order(args[count - 1]->type))
            return bind_error(b, node, "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
                              "%s needs values that have an order", info->name);
        __attribute__((fallthrough));
    case AGG_FIRST:
    case AGG_LAST:
        *ret_type = args[0]->type;
        return OK;
    }
    return ERR_INVALID;
}

/* count(*), count(): no argument counts every row. */
static bool counts_rows(const struct aggregate_info *info, const struct ast_node *call)
{
    return info->kind == AGG_COUNT && call->count == 1 && call->kids[0]->kind == AST_STAR &&
           !ast_kid(call->kids[0], 0) && !(call->flags & AST_DISTINCT);
}

/* first(x, true): the second argument says to skip nulls. */
static enum err take_ignore_nulls(struct binder *b, const struct ast_node *call,
                                  const struct aggregate_info *info, struct expr **args,
                                  size_t *count, bool *ret_ignore)
{
    *ret_ignore = call->flags & AST_IGNORE_NULLS;
    if ((info->kind != AGG_FIRST && info->kind != AGG_LAST) || *count != 2)
        return OK;
    if (args[1]->kind != EXPR_CONSTANT || args[1]->type->kind != TYPE_BOOLEAN)
        return bind_error(b, call, "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                          "the second argument of %s must be TRUE or FALSE", info->name);
    *ret_ignore = bit_get(args[1]->constant->bits, 0);
    *count = 1;
    return OK;
}

static enum err bind_filter(struct binder *b, const struct ast_node *filter,
                            struct expr **ret_filter)
{
    enum err err = bind_condition(b, filter, "FILTER", ret_filter);
    const char *class = b->diag ? b->diag->error_class : "";
    if (err == ERR_INVALID && strcmp(class, "NESTED_AGGREGATE_FUNCTION") == 0)
        diag_class(b->diag, "INVALID_AGGREGATE_FILTER.CONTAINS_AGGREGATE", "42903");
    else if (err == ERR_INVALID && strcmp(class, "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN") == 0)
        diag_class(b->diag, "INVALID_AGGREGATE_FILTER.NOT_BOOLEAN", "42903");
    return err;
}

static enum err bind_arguments(struct binder *b, const struct ast_node *call,
                               const struct ast_node *filter, struct expr ***ret_args,
                               size_t *ret_count, struct expr **ret_filter)
{
    b->aggregate_depth++;
    struct expr **args = arena_array(b->arena, call->count + 1u, sizeof(*args));
    struct str *names;
    *ret_count = call->count;
    if (call->count == 1 && call->kids[0]->kind == AST_STAR)
        TRY(bind_star(b, call->kids[0], &args, &names, ret_count));
    for (uint32_t i = 0; i < call->count && call->kids[0]->kind != AST_STAR; i++)
        TRY(bind_expr(b, call->kids[i], &args[i]));
    *ret_args = args;
    *ret_filter = NULL;
    if (filter)
        TRY(bind_filter(b, filter, ret_filter));
    b->aggregate_depth--;
    return OK;
}

/* What the filter leaves out is not computed: it could fail. */
static void guard(struct binder *b, struct expr *condition, struct expr **arg)
{
    if (!expr_can_fail(*arg))
        return;
    struct expr *kids[2] = {condition, *arg};
    struct expr *guarded =
        expr_new(b->arena, EXPR_CASE, (*arg)->type, (*arg)->line, (*arg)->column);
    expr_set_kids(b->arena, guarded, kids, 2);
    *arg = guarded;
}

static enum err bind_misplaced(struct binder *b, const struct ast_node *call)
{
    bool values = strcmp(b->clause, "VALUES") == 0;
    return bind_error(b, call,
                      values ? "INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE"
                             : "INVALID_WHERE_CONDITION",
                      values ? "42000" : "42903", "an aggregate may not stand in %s", b->clause);
}

enum err bind_aggregate(struct binder *b, const struct ast_node *call,
                        const struct ast_node *filter, struct expr **ret_expr)
{
    const struct aggregate_info *info = aggregate_find(call->text);
    if (!info)
        return bind_refuse(b, call, arena_text(b->arena, call->text));
    if (b->aggregate_depth)
        return bind_error(b, call, "NESTED_AGGREGATE_FUNCTION", "42607",
                          "an aggregate may not stand inside another one");
    if (b->clause)
        return bind_misplaced(b, call);
    if (b->lambda)
        return bind_refuse(b, call, "an aggregate in a lambda");
    if ((info->kind == AGG_MIN_BY || info->kind == AGG_MAX_BY) && call->count == 3)
        return bind_refuse(b, call, "the three arguments of max_by and min_by");
    if (call->count < info->args_min || call->count > info->args_max)
        return bind_error(b, call, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                          "%s does not take %u arguments", info->name, call->count);
    size_t count = counts_rows(info, call) ? 0 : call->count;
    struct ast_node plain = *call;
    plain.count = (uint32_t)count;
    struct expr **args, *condition;
    bool ignore_nulls;
    TRY(bind_arguments(b, &plain, filter, &args, &count, &condition));
    if (count > info->args_max)
        return bind_error(b, call, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                          "%s does not take %zu arguments", info->name, count);
    TRY(take_ignore_nulls(b, call, info, args, &count, &ignore_nulls));
    const struct type *type;
    TRY(result_type(b, call, info, args, count, &type));
    for (size_t i = 0; condition && i < count; i++)
        guard(b, condition, &args[i]);
    struct expr *expr = expr_new(b->arena, EXPR_AGGREGATE, type, call->line, call->column);
    expr->aggregate = info;
    expr->name = info->name;
    expr->filter = condition;
    expr->try_cast = ignore_nulls;
    bool set = strcmp(info->name, "collect_set") == 0;
    expr->distinct = (set || (call->flags & AST_DISTINCT)) &&
                     (info->kind == AGG_COUNT || info->kind == AGG_SUM || info->kind == AGG_AVG ||
                      info->kind == AGG_COLLECT_LIST || info->kind >= AGG_STDDEV_SAMP);
    expr_set_kids(b->arena, expr, args, count);
    expr->has_aggregate = true;
    *ret_expr = expr;
    return OK;
}
