/* SPDX-License-Identifier: MIT */
/*
 * IF: conditions on what a row is now, and the answer "[applied]".
 *
 * All of it runs on the commit thread: rows are read, all conditions judged, and only then anything
 * is written, so that nothing comes between. What stands against it is answered with the row as it
 * is: all columns for IF [NOT] EXISTS, the columns of the conditions else; a batch adds the key.
 *
 * Invariants: 1. conditions see the table before anything of their own batch. 2. no row and no
 * static row: the answer is "[applied]" alone.
 */
#include "serve/cql/modify.h"
#include "serve/cql/select.h"

#include "base/endian.h"

/* ---- planning ---- */

static bool uses_duration(const struct cql_type *type)
{
    if (type->kind == CQL_DURATION)
        return true;
    for (uint32_t i = 0; i < type->count; i++)
        if (uses_duration(type->items[i]))
            return true;
    return false;
}

static const char *operator_text(enum cql_operator op)
{
    static const char *const texts[] = {"=",      "!=",   "<",       "<=",       ">",
                                        ">=",     "IN",   "NOT IN",  "CONTAINS", "CONTAINS KEY",
                                        "IS NOT", "LIKE", "BETWEEN", "ANN"};
    return texts[op];
}

static enum err check_duration(struct compile *c, const struct condition *condition,
                               const struct cql_type *type)
{
    bool slice = condition->op == CQL_LT || condition->op == CQL_LE || condition->op == CQL_GT ||
                 condition->op == CQL_GE;
    if (!slice || !uses_duration(type))
        return OK;
    const char *on = cql_type_is_collection(type) ? "collections containing durations"
                     : type->kind == CQL_TUPLE    ? "tuples containing durations"
                     : type->kind == CQL_UDT      ? "UDTs containing durations"
                                                  : NULL;
    if (on)
        return cql_fail(c->error, c->arena, CQL_INVALID, "Slice conditions are not supported on %s",
                        on);
    return cql_fail(c->error, c->arena, CQL_INVALID,
                    "Slice conditions ( %s ) are not supported on durations",
                    operator_text(condition->op));
}

/* What the condition looks at: the column, an element, a field. */
static enum err compile_target(struct compile *c, const struct cql_condition *from,
                               const struct cql_table_column *column, struct condition *condition,
                               struct cql_column *receiver)
{
    const struct cql_type *type = column->type;
    *receiver = compile_spec(c, column->name, type);
    if (from->key) {
        if (!cql_type_is_collection(type))
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid element access syntax for non-collection column %.*s",
                            STR_ARG(column->name));
        if (type->kind == CQL_SET)
            return cql_fail(c->error, c->arena, CQL_INVALID,
                            "Invalid element access syntax for set column %.*s",
                            STR_ARG(column->name));
        bool list = type->kind == CQL_LIST;
        struct cql_column key = compile_spec(
            c,
            str_of(arena_printf(c->arena, "%s(%.*s)", list ? "idx" : "key", STR_ARG(column->name))),
            list ? cql_simple(CQL_INT) : type->items[0]);
        TRY(compile_term(c, from->key, &key, &condition->key));
        receiver->name = str_of(arena_printf(c->arena, "value(%.*s)", STR_ARG(column->name)));
        receiver->type = type->items[!list];
    } else if (from->field.ptr) {
        uint32_t i = 0;
        while (type->kind == CQL_UDT && i < type->count && !str_equal(type->names[i], from->field))
            i++;
        if (type->kind != CQL_UDT || i == type->count)
            return cql_fail(c->error, c->arena, CQL_INVALID, "Unknown field %.*s for column %.*s",
                            STR_ARG(from->field), STR_ARG(column->name));
        condition->has_field = true;
        condition->field = i;
        receiver->name = str_of(
            arena_printf(c->arena, "%.*s.%.*s", STR_ARG(column->name), STR_ARG(from->field)));
        receiver->type = type->items[i];
    }
    condition->type = receiver->type;
    return check_duration(c, condition, receiver->type);
}

static enum err compile_condition(struct compile *c, const struct cql_condition *from,
                                  struct condition *condition)
{
    TRY(compile_column(c, from->column, &condition->column));
    const struct cql_table_column *column = &c->table->columns[condition->column];
    condition->op = from->op;
    if (column->type->kind == CQL_COUNTER)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Conditions on counters are not supported");
    struct cql_column receiver;
    TRY(compile_target(c, from, column, condition, &receiver));
    const struct cql_type *type = receiver.type;
    if (from->op == CQL_CONTAINS_KEY && type->kind != CQL_MAP)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot use CONTAINS KEY on non-map column %.*s", STR_ARG(receiver.name));
    if (from->op == CQL_CONTAINS && !cql_type_is_collection(type))
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "Cannot use CONTAINS on non-collection column %.*s",
                        STR_ARG(receiver.name));
    if (from->op == CQL_CONTAINS || from->op == CQL_CONTAINS_KEY) {
        bool key = from->op == CQL_CONTAINS_KEY;
        receiver.name = str_of(
            arena_printf(c->arena, "%s(%.*s)", key ? "key" : "value", STR_ARG(column->name)));
        receiver.type = type->items[type->kind == CQL_MAP && !key];
    }
    if (from->in_marker) {
        receiver.name = str_of(arena_printf(c->arena, "in(%.*s)", STR_ARG(receiver.name)));
        receiver.type = cql_list(c->arena, receiver.type, true);
    }
    condition->in_marker = from->in_marker;
    condition->value_count = from->value_count;
    condition->values = arena_array(c->arena, from->value_count + 1, sizeof(struct expr *));
    for (size_t i = 0; i < from->value_count; i++)
        TRY(compile_term(c, from->values[i], &receiver, &condition->values[i]));
    if (column->kind == CQL_PARTITION_KEY || column->kind == CQL_CLUSTERING)
        return cql_fail(c->error, c->arena, CQL_INVALID,
                        "PRIMARY KEY column '%.*s' cannot have IF conditions",
                        STR_ARG(column->name));
    return OK;
}

enum err condition_compile(struct compile *c, const struct cql_modify *m, struct modify_plan *p)
{
    p->conditions = arena_zero(c->arena, (m->condition_count + 1) * sizeof *p->conditions);
    p->condition_count = m->condition_count;
    for (size_t i = 0; i < m->condition_count; i++)
        TRY(compile_condition(c, &m->conditions[i], &p->conditions[i]));
    return OK;
}

/* ---- judging ---- */

static enum err list_element(struct expr_run *eval, const struct cql_type *type, struct str value,
                             struct str key, struct str *ret)
{
    int32_t index = (int32_t)get_be32(key.ptr);
    struct str item;
    if (index < 0)
        return cql_fail(eval->error, eval->arena, CQL_INVALID, "Invalid negative list index %d",
                        index);
    if (!value.ptr)
        return OK;
    struct cql_elements it;
    TRY(cql_elements_init(&it, type, value));
    for (int32_t i = 0; cql_elements_next(&it, &item); i++)
        if (i == index)
            *ret = item;
    return OK;
}

/* What stands there now. */
static enum err current_value(struct modify_item *item, const struct condition *condition,
                              struct str *ret)
{
    struct expr_run *eval = &item->eval;
    const struct cql_type *type = item->plan->table->columns[condition->column].type;
    struct str value = item->current[condition->column], key, part;
    *ret = value;
    if (!condition->key && !condition->has_field)
        return OK;
    *ret = STR_NONE;
    if (condition->key) {
        TRY(expr_eval(eval, condition->key, &key));
        if (!key.ptr || expr_is_unset(key))
            return cql_fail(eval->error, eval->arena, CQL_INVALID,
                            "Invalid null value for %s element access",
                            type->kind == CQL_MAP ? "map" : "list");
        if (type->kind == CQL_LIST)
            return list_element(eval, type, value, key, ret);
    }
    if (!value.ptr)
        return OK;
    struct cql_elements it;
    TRY(cql_elements_init(&it, type, value));
    for (uint32_t i = 0; cql_elements_next(&it, &part); i++) {
        if (condition->has_field) {
            if (i == condition->field)
                *ret = part;
            continue;
        }
        struct str entry;
        if (!cql_elements_next(&it, &entry))
            break;
        if (cql_value_compare(type->items[0], part, key) == 0)
            *ret = entry;
    }
    return OK;
}

static bool empty_collection(const struct cql_type *type, struct str value)
{
    return cql_type_is_collection(type) && value.bytes >= 4 && get_be32(value.ptr) == 0;
}

static enum err contains(const struct condition *condition, struct str have, struct str want,
                         bool *ret)
{
    struct cql_elements it;
    struct str key, item;
    *ret = false;
    if (!have.ptr)
        return OK;
    const struct cql_type *type = condition->type;
    TRY(cql_elements_init(&it, type, have));
    while (cql_elements_next(&it, &key)) {
        item = key;
        if (type->kind == CQL_MAP && !cql_elements_next(&it, &item))
            break;
        bool of_key = condition->op == CQL_CONTAINS_KEY || type->kind != CQL_MAP;
        if (cql_value_compare(type->items[!of_key], of_key ? key : item, want) == 0)
            *ret = true;
    }
    return OK;
}

static enum err compare(struct expr_run *eval, const struct condition *condition, struct str have,
                        struct str want, bool *ret)
{
    if (expr_is_unset(want))
        return cql_fail(eval->error, eval->arena, CQL_INVALID,
                        "Invalid 'unset' value in condition");
    enum cql_operator op = condition->op == CQL_IN ? CQL_EQ : condition->op;
    if (op == CQL_CONTAINS || op == CQL_CONTAINS_KEY)
        return want.ptr ? contains(condition, have, want, ret)
                        : cql_fail(eval->error, eval->arena, CQL_INVALID,
                                   "Invalid comparison with null for operator \"%s\"",
                                   operator_text(op));
    /* Of a collection of cells empty is null. */
    if (cql_type_is_multicell(condition->type) && want.ptr &&
        empty_collection(condition->type, want)) {
        if (op != CQL_EQ && op != CQL_NE)
            return cql_fail(eval->error, eval->arena, CQL_INVALID,
                            "Invalid comparison with an empty %s for operator \"%s\"",
                            condition->type->kind == CQL_LIST  ? "list"
                            : condition->type->kind == CQL_SET ? "set"
                                                               : "map",
                            operator_text(op));
        want = STR_NONE;
    }
    if (!want.ptr) {
        if (op != CQL_EQ && op != CQL_NE)
            return cql_fail(eval->error, eval->arena, CQL_INVALID,
                            "Invalid comparison with null for operator \"%s\"", operator_text(op));
        *ret = (op == CQL_EQ) == !have.ptr;
        return OK;
    }
    *ret = have.ptr ? where_compare(op, condition->type, have, want) : op == CQL_NE;
    return OK;
}

/* What is wrong whatever the row has: told before any condition is judged. */
enum err conditions_bind(struct modify_item *item)
{
    const struct modify_plan *p = item->plan;
    for (size_t i = 0; i < p->condition_count; i++) {
        const struct condition *condition = &p->conditions[i];
        struct str value;
        for (size_t j = 0; j < condition->value_count; j++)
            TRY(expr_eval(&item->eval, condition->values[j], &value));
        if (!condition->key)
            continue;
        TRY(expr_eval(&item->eval, condition->key, &value));
        if (!value.ptr || expr_is_unset(value))
            return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                            "Invalid null value for %s element access",
                            p->table->columns[condition->column].type->kind == CQL_MAP ? "map"
                                                                                       : "list");
    }
    return OK;
}

enum err condition_holds(struct modify_item *item, const struct condition *condition, bool *ret)
{
    struct str have, want;
    *ret = false;
    TRY(current_value(item, condition, &have));
    for (size_t i = 0; i < condition->value_count && !*ret; i++) {
        TRY(expr_eval(&item->eval, condition->values[i], &want));
        /* An unset among those of an IN stands for nothing. */
        if (expr_is_unset(want) && condition->op == CQL_IN && !condition->in_marker)
            continue;
        if (!condition->in_marker) {
            TRY(compare(&item->eval, condition, have, want, ret));
            continue;
        }
        if (!want.ptr || expr_is_unset(want))
            return cql_fail(item->eval.error, item->eval.arena, CQL_INVALID,
                            "Invalid %s in condition",
                            want.ptr ? "'unset' value" : "null list in IN");
        struct cql_elements it;
        struct str one;
        TRY(cql_elements_init(&it, condition->values[i]->type, want));
        while (!*ret && cql_elements_next(&it, &one))
            TRY(compare(&item->eval, condition, have, one, ret));
    }
    return OK;
}
