/* SPDX-License-Identifier: MIT */
/*
 * Functions that make rows: explode, posexplode, inline and their _outer forms, over arrays and
 * maps. GENERATE keeps the columns of its kid and adds [pos,] col | key, value | the fields.
 */
#include "query/plan.h"

static const struct generator {
    const char *name;
    bool with_position, outer, inlined;
} generators[] = {
    {"explode", false, false, false},   {"explode_outer", false, true, false},
    {"posexplode", true, false, false}, {"posexplode_outer", true, true, false},
    {"inline", false, false, true},     {"inline_outer", false, true, true},
    {"stack", false, false, true},
};

static const struct generator *find_generator(const struct ast_node *node)
{
    for (size_t i = 0; node->kind == AST_CALL && i < sizeof(generators) / sizeof(generators[0]);
         i++) {
        if (str_equal_nocase(node->text, str_of(generators[i].name)))
            return &generators[i];
    }
    return NULL;
}

bool is_generator_call(const struct ast_node *node)
{
    return find_generator(node) != NULL;
}

static enum err wrong_type(struct planner *p, const struct ast_node *call, const struct type *type)
{
    struct buf text = {0};
    type_print_sql(type, &text);
    bind_error(&p->binder, call, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
               "%.*s takes an ARRAY or a MAP, not %.*s", STR_ARG(call->text),
               STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    return ERR_INVALID;
}

/* Types and names of the columns made from one element. */
static uint32_t element_columns(const struct generator *generator, const struct type *type,
                                const struct type **types, struct str *names)
{
    uint32_t n = 0;
    if (generator->with_position) {
        names[n] = STR("pos");
        types[n++] = type_simple(TYPE_INT);
    }
    if (generator->inlined) {
        const struct type *record = type->fields[0].type;
        for (uint32_t i = 0; i < record->field_count; i++) {
            names[n] = record->fields[i].name;
            types[n++] = record->fields[i].type;
        }
    } else if (type->kind == TYPE_ARRAY) {
        names[n] = STR("col");
        types[n++] = type->fields[0].type;
    } else {
        names[n] = STR("key");
        types[n++] = type->fields[0].type;
        names[n] = STR("value");
        types[n++] = type->fields[1].type;
    }
    return n;
}

/* stack(n, a, b, ..) is inline(array(struct(a, ..), ..)) of n structs. */
static enum err bind_stack(struct planner *p, const struct ast_node *call, struct expr **ret_expr)
{
    enum { ROWS_MAX = 1 << 16 };
    struct binder *b = &p->binder;
    uint32_t values = call->count > 0 ? call->count - 1 : 0;
    struct expr *rows;
    if (call->count < 2)
        return bind_error(b, call, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                          "stack takes a number of rows and values");
    TRY(plan_bind(p, call->kids[0], "this function", &rows));
    if (rows->kind != EXPR_CONSTANT || rows->type->kind != TYPE_INT ||
        column_is_null(rows->constant, 0) || rows->constant->i32[0] < 1 ||
        rows->constant->i32[0] > ROWS_MAX)
        return bind_error(b, call, "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
                          "the rows of stack must be a constant INT from 1 to %d", ROWS_MAX);
    uint32_t count = (uint32_t)rows->constant->i32[0], width = (values + count - 1) / count;
    struct expr **cells = arena_array(b->arena, (size_t)count * width + 1, sizeof(*cells));
    for (uint32_t i = 0; i < count * width; i++) {
        cells[i] = expr_null(b->arena, type_simple(TYPE_NULL), call->line, call->column);
        if (i < values)
            TRY(plan_bind(p, call->kids[i + 1], "this function", &cells[i]));
    }
    struct expr **structs = arena_array(b->arena, count, sizeof(*structs));
    struct expr **fields = arena_array(b->arena, 2u * width, sizeof(*fields));
    for (uint32_t c = 0; c < width; c++) {
        const struct type *type = NULL;
        for (uint32_t i = c; i < count * width; i += width) {
            bool null = cells[i]->type->kind == TYPE_NULL;
            if (!null && type && !type_equal(type, cells[i]->type))
                return bind_error(b, call, "DATATYPE_MISMATCH.STACK_COLUMN_DIFF_TYPES", "42K09",
                                  "the values of column %u of stack differ in type", c);
            type = null ? type : cells[i]->type;
        }
        TRY(bind_to_common(b, cells + c, (size_t)count * width - c, width, call, "stack", &type));
    }
    for (uint32_t r = 0; r < count; r++) {
        for (uint32_t c = 0; c < width; c++) {
            struct str name = str_of(arena_printf(b->arena, "col%u", c));
            fields[2 * c] = expr_string(b->arena, name, call->line, call->column);
            fields[2 * c + 1] = cells[r * width + c];
        }
        TRY(bind_function(b, STR("named_struct"), fields, 2u * width, call, &structs[r]));
    }
    return bind_function(b, STR("array"), structs, count, call, ret_expr);
}

enum err plan_generate(struct planner *p, struct relation *relation, const struct ast_node *call,
                       bool outer, const struct ast_node *names, struct str qualifier, bool hidden)
{
    struct binder *b = &p->binder;
    const struct generator *generator = find_generator(call);
    const struct scope *scope = b->scope;
    struct expr *expr;
    bool stack = str_equal_nocase(call->text, STR("stack"));
    if (call->count != 1 && !stack)
        return bind_error(b, call, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                          "%.*s takes one argument", STR_ARG(call->text));
    b->scope = &relation->scope;
    TRY(stack ? bind_stack(p, call, &expr) : plan_bind(p, call->kids[0], "this function", &expr));
    b->scope = scope;
    const struct type *type = expr->type;
    bool array = type->kind == TYPE_ARRAY;
    if (stack && array && type->fields[0].type->kind != TYPE_STRUCT)
        return bind_refuse(b, call, "this stack");
    if (generator->inlined ? !array || type->fields[0].type->kind != TYPE_STRUCT
                           : !array && type->kind != TYPE_MAP)
        return wrong_type(p, call, type);
    if (expr->has_aggregate)
        return bind_refuse(b, call, "an aggregate inside explode");
    uint32_t room = generator->inlined ? type->fields[0].type->field_count : 3;
    const struct type **types = arena_array(b->arena, room + 1u, sizeof(*types));
    struct str *made = arena_array(b->arena, room + 1u, sizeof(*made));
    uint32_t count = element_columns(generator, type, types, made);
    if (names && names->count != count)
        return bind_error(b, call, "UDTF_ALIAS_NUMBER_MISMATCH", "42802",
                          "%u names for the %u columns of %.*s", names->count, count,
                          STR_ARG(call->text));
    uint32_t width = relation->node->width;
    struct plan_node *node = plan_node_new(p, PLAN_GENERATE, relation->node, width + count);
    node->exprs = arena_array(b->arena, 1, sizeof(*node->exprs));
    node->exprs[0] = expr;
    node->expr_count = 1;
    node->outer = outer || generator->outer;
    node->with_position = generator->with_position;
    node->inlined = generator->inlined;
    for (uint32_t i = 0; i < count; i++) {
        node->types[width + i] = types[i];
        if (!hidden)
            scope_add(b->arena, &relation->scope,
                      (struct scope_column){.qualifier = qualifier,
                                            .name = names ? names->kids[i]->text : made[i],
                                            .type = types[i],
                                            .index = width + i});
    }
    relation->scope.width = width + count;
    relation->node = node;
    return OK;
}
