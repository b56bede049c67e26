/* SPDX-License-Identifier: MIT */
/*
 * Higher-order functions: their lambdas are bound with the types of the elements. Which values a
 * lambda gets, by function:
 *
 *   transform filter       element [, index]
 *   exists forall          element
 *   aggregate reduce       accumulator, element; then finish: accumulator
 *   map_filter transform_keys transform_values   key, value
 */
#include "query/bind.h"

static const struct {
    const char *name;
    uint8_t min, max; /* arguments */
    bool map;
} functions[] = {
    {"transform", 2, 2, false}, {"filter", 2, 2, false},        {"exists", 2, 2, false},
    {"forall", 2, 2, false},    {"aggregate", 3, 4, false},     {"reduce", 3, 4, false},
    {"map_filter", 2, 2, true}, {"transform_keys", 2, 2, true}, {"transform_values", 2, 2, true},
};

static const char *const missing[] = {"zip_with", "map_zip_with"};

/* A value where a lambda may stand gives the same for all elements. */
static enum err bind_constant_lambda(struct binder *b, const struct ast_node *node,
                                     struct expr **ret_lambda)
{
    struct expr *body;
    TRY(bind_expr(b, node, &body));
    struct expr *lambda = expr_new(b->arena, EXPR_LAMBDA, body->type, node->line, node->column);
    lambda->index = b->variables;
    expr_set_kids(b->arena, lambda, &body, 1);
    *ret_lambda = lambda;
    return OK;
}

/* A lambda over variables of these types; its body's type is that of its kid. */
static enum err bind_lambda(struct binder *b, const struct ast_node *node,
                            const struct type *const *types, uint32_t min, uint32_t max,
                            struct expr **ret_lambda)
{
    if (node->kind != AST_LAMBDA)
        return bind_constant_lambda(b, node, ret_lambda);
    uint32_t params = node->count - 1;
    if (params < min || params > max)
        return bind_error(b, node, "INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH", "42K0D",
                          "Invalid lambda function call. A higher order function expects %u "
                          "arguments, but got %u.",
                          max, params);
    for (uint32_t i = 1; i < params; i++) {
        for (uint32_t k = 0; k < i; k++)
            if (str_equal_nocase(node->kids[i]->text, node->kids[k]->text))
                return bind_error(b, node, "INVALID_LAMBDA_FUNCTION_CALL.DUPLICATE_ARG_NAMES",
                                  "42K0D", "the lambda has two arguments named %.*s",
                                  STR_ARG(node->kids[k]->text));
    }
    struct lambda_frame frame = {
        .outer = b->lambda, .lambda = node, .types = types, .first = b->variables};
    struct expr *body;
    b->variables += params;
    b->lambda = &frame;
    enum err err = bind_expr(b, node->kids[params], &body);
    b->lambda = frame.outer;
    TRY(err);
    struct expr *lambda = expr_new(b->arena, EXPR_LAMBDA, body->type, node->line, node->column);
    lambda->index = frame.first;
    lambda->params = params;
    expr_set_kids(b->arena, lambda, &body, 1);
    *ret_lambda = lambda;
    return OK;
}

static enum err condition_of(struct binder *b, const struct ast_node *node, struct expr *lambda)
{
    if (lambda->type->kind != TYPE_BOOLEAN && lambda->type->kind != TYPE_NULL)
        return bind_error(b, node, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                          "this lambda must give a BOOLEAN");
    lambda->type = type_simple(TYPE_BOOLEAN);
    lambda->kids[0] = expr_cast(b->arena, b->session, lambda->kids[0], lambda->type);
    return OK;
}

static enum err wrong_collection(struct binder *b, const struct ast_node *node,
                                 const struct type *type, const char *wanted)
{
    struct buf text = {0};
    type_print_sql(type, &text);
    bind_error(b, node, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
               "%.*s takes %s, not %.*s", STR_ARG(node->text), wanted, STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    return ERR_INVALID;
}

static struct expr *lambda_call(struct binder *b, const struct ast_node *node, const char *name,
                                const struct type *type, struct expr *const *kids, size_t count)
{
    struct expr *expr = expr_new(b->arena, EXPR_LAMBDA_CALL, type, node->line, node->column);
    expr->name = name;
    expr_set_kids(b->arena, expr, kids, count);
    return expr;
}

/* Equal but for the names of fields. */
static bool same_shape(const struct type *a, const struct type *c)
{
    if (!type_is_nested(a) || a->kind != c->kind || a->field_count != c->field_count)
        return type_equal(a, c);
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (!same_shape(a->fields[i].type, c->fields[i].type))
            return false;
    }
    return true;
}

/* The accumulator must keep its type: the start value is widened once when the merge gives more. */
static enum err bind_fold(struct binder *b, const struct ast_node *node, struct expr *array,
                          struct expr **ret_expr)
{
    struct expr *kids[4] = {array};
    TRY(bind_expr(b, node->kids[1], &kids[1]));
    for (int attempt = 0;; attempt++) {
        const struct type *types[2] = {kids[1]->type, array->type->fields[0].type};
        TRY(bind_lambda(b, node->kids[2], types, 2, 2, &kids[2]));
        if (type_equal(kids[2]->type, kids[1]->type))
            break;
        if (same_shape(kids[1]->type, kids[2]->type)) { /* fields may have other names */
            kids[2]->kids[0] = expr_cast(b->arena, b->session, kids[2]->kids[0], kids[1]->type);
            kids[2]->type = kids[1]->type;
            break;
        }
        const struct type *wider = type_common(b->arena, kids[1]->type, kids[2]->type, b->session);
        if (!wider || type_is_nested(wider) || attempt == 2)
            return bind_error(b, node, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                              "the lambda of %.*s does not give the type of its start value",
                              STR_ARG(node->text));
        if (type_equal(wider, kids[1]->type)) {
            kids[2]->kids[0] = expr_cast(b->arena, b->session, kids[2]->kids[0], wider);
            kids[2]->type = wider;
            break;
        }
        kids[1] = expr_cast(b->arena, b->session, kids[1], wider);
    }
    const struct type *type = kids[1]->type;
    if (node->count == 4) {
        TRY(bind_lambda(b, node->kids[3], &type, 1, 1, &kids[3]));
        type = kids[3]->type;
    }
    *ret_expr = lambda_call(b, node, "aggregate", type, kids, node->count);
    return OK;
}

static enum err bind_over_map(struct binder *b, const struct ast_node *node, const char *name,
                              struct expr *map, struct expr **ret_expr)
{
    const struct type *key = map->type->fields[0].type, *value = map->type->fields[1].type;
    const struct type *types[2] = {key, value}, *result = map->type;
    struct expr *kids[2] = {map};
    TRY(bind_lambda(b, node->kids[1], types, 2, 2, &kids[1]));
    if (strcmp(name, "map_filter") == 0)
        TRY(condition_of(b, node->kids[1], kids[1]));
    else if (strcmp(name, "transform_keys") == 0)
        result = type_map(b->arena, kids[1]->type, value, true);
    else
        result = type_map(b->arena, key, kids[1]->type, true);
    struct expr *made = lambda_call(b, node, name, result, kids, 2);
    *ret_expr = made;
    if (strcmp(name, "transform_keys") != 0)
        return OK;
    /* the new keys may be NULL or equal: a map made from them and the values finds that out */
    struct expr *parts[2];
    if (result->fields[0].type->kind == TYPE_MAP)
        return bind_error(b, node, "DATATYPE_MISMATCH.INVALID_MAP_KEY_TYPE", "42K09",
                          "a MAP cannot be the key of a map");
    TRY(bind_function(b, STR("map_keys"), &made, 1, node, &parts[0]));
    TRY(bind_function(b, STR("map_values"), &made, 1, node, &parts[1]));
    return bind_function(b, STR("map_from_arrays"), parts, 2, node, ret_expr);
}

static enum err bind_over_array(struct binder *b, const struct ast_node *node, const char *name,
                                struct expr *array, struct expr **ret_expr)
{
    const struct type *types[2] = {array->type->fields[0].type, type_simple(TYPE_INT)};
    const struct type *result = array->type;
    struct expr *kids[2] = {array};
    bool transform = strcmp(name, "transform") == 0, filter = strcmp(name, "filter") == 0;
    TRY(bind_lambda(b, node->kids[1], types, 1, transform || filter ? 2 : 1, &kids[1]));
    if (transform) {
        result = type_array(b->arena, kids[1]->type, true);
    } else {
        TRY(condition_of(b, node->kids[1], kids[1]));
        result = filter ? result : type_simple(TYPE_BOOLEAN);
    }
    *ret_expr = lambda_call(b, node, name, result, kids, 2);
    return OK;
}

enum err bind_lambda_call(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    *ret_expr = NULL;
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        if (str_equal_nocase(node->text, str_of(missing[i])))
            return bind_refuse(b, node, missing[i]);
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (!str_equal_nocase(node->text, str_of(functions[i].name)))
            continue;
        if (node->count < functions[i].min || node->count > functions[i].max)
            return bind_error(b, node, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                              "%s does not take %u arguments", functions[i].name, node->count);
        struct expr *collection;
        TRY(bind_expr(b, node->kids[0], &collection));
        if (collection->type->kind != (functions[i].map ? TYPE_MAP : TYPE_ARRAY))
            return wrong_collection(b, node, collection->type,
                                    functions[i].map ? "a MAP" : "an ARRAY");
        if (functions[i].map)
            return bind_over_map(b, node, functions[i].name, collection, ret_expr);
        if (functions[i].min == 3)
            return bind_fold(b, node, collection, ret_expr);
        return bind_over_array(b, node, functions[i].name, collection, ret_expr);
    }
    return OK;
}
