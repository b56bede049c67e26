/* SPDX-License-Identifier: MIT */
/*
 * INSERT, UPDATE, DELETE and BATCH.
 *
 * "x = x - 3" without blanks, x=x-3, reaches the grammar as x and the integer -3: there is a form
 * for it, and it adds.
 */
#include "serve/cql/parse.h"

/* USING TIMESTAMP t AND TTL t, in any order; the last one counts. */
static enum err parse_using(struct cql_parser *p, struct cql_term **timestamp,
                            struct cql_term **ttl)
{
    if (!cql_take(p, CQL_K_USING))
        return OK;
    do {
        if (cql_take(p, CQL_K_TIMESTAMP))
            TRY(cql_int_value(p, timestamp));
        else if (cql_take(p, CQL_K_TTL))
            TRY(cql_int_value(p, ttl));
        else
            return cql_no_way(p, 0);
    } while (cql_take(p, CQL_K_AND));
    return OK;
}

/* ---- INSERT ---- */

static enum err parse_values(struct cql_parser *p, struct cql_modify *modify)
{
    struct str *names = NULL;
    size_t names_count = 0, count = 0;
    struct cql_term **values = NULL;
    TRY(cql_expect(p, CQL_M_OPEN));
    do
        TRY(cql_column_take(p, PUSH(p, names, names_count)));
    while (cql_take(p, CQL_M_COMMA));
    TRY(cql_expect(p, CQL_M_CLOSE));
    TRY(cql_expect(p, CQL_K_VALUES));
    TRY(cql_expect(p, CQL_M_OPEN));
    do
        TRY(cql_term_parse(p, PUSH(p, values, count)));
    while (cql_take(p, CQL_M_COMMA));
    TRY(cql_expect(p, CQL_M_CLOSE));
    size_t rows = names_count > count ? names_count : count;
    for (size_t i = 0; i < rows; i++) {
        struct cql_assignment *a = PUSH(p, modify->assignments, modify->assignment_count);
        *a = (struct cql_assignment){.kind = ASSIGN_SET};
        a->column = i < names_count ? names[i] : STR_NONE;
        a->value = i < count ? values[i] : NULL;
    }
    return OK;
}

static enum err parse_json(struct cql_parser *p, struct cql_modify *modify)
{
    modify->kind = MODIFY_INSERT_JSON;
    if (cql_kind(p, 0) == CQL_T_STRING)
        TRY(cql_constant(p, &modify->json));
    else if (cql_is_marker(cql_kind(p, 0)))
        TRY(cql_marker(p, &modify->json));
    else
        return cql_no_way(p, 0);
    if (!cql_take(p, CQL_K_DEFAULT))
        return OK;
    modify->default_unset = cql_take(p, CQL_K_UNSET);
    if (!modify->default_unset && !cql_take(p, CQL_K_NULL))
        return cql_no_way(p, 0);
    return OK;
}

enum err cql_parse_insert(struct cql_parser *p, struct cql_modify *modify)
{
    *modify = (struct cql_modify){.kind = MODIFY_INSERT};
    p->at++;
    TRY(cql_expect(p, CQL_K_INTO));
    TRY(cql_table_name(p, "table", &modify->table));
    if (cql_take(p, CQL_K_JSON))
        TRY(parse_json(p, modify));
    else if (cql_kind(p, 0) == CQL_M_OPEN)
        TRY(parse_values(p, modify));
    else
        return cql_no_way(p, 0);
    TRY(cql_if_not_exists(p, &modify->if_not_exists));
    return parse_using(p, &modify->timestamp, &modify->ttl);
}

/* ---- UPDATE ---- */

/* c = c + value, c = value + c, c = value */
static enum err parse_assigned(struct cql_parser *p, struct cql_assignment *a)
{
    enum cql_token_kind second = cql_kind(p, 1);
    bool sign = second == CQL_M_PLUS || second == CQL_M_MINUS;
    if (cql_is_name(cql_kind(p, 0)) && (sign || second == CQL_T_INTEGER)) {
        struct str column;
        TRY(cql_column_take(p, &column));
        const struct cql_token *token = cql_peek(p, 0);
        bool minus = sign ? second == CQL_M_MINUS : token->text.ptr[0] == '-';
        if (!str_equal(column, a->column))
            return sign ? cql_refuse(p,
                                     "Only expressions of the form X = X %c<value> are supported.",
                                     minus ? '-' : '+')
                        : cql_refuse(p,
                                     "Only expressions of the form X = X %c <value> are supported.",
                                     minus ? '-' : '+');
        p->at += sign;
        a->kind = sign && minus ? ASSIGN_SUBTRACT : ASSIGN_ADD;
        return cql_term_parse(p, &a->value);
    }
    TRY(cql_term_parse(p, &a->value));
    if (!cql_take(p, CQL_M_PLUS))
        return OK;
    struct str column;
    TRY(cql_column_take(p, &column));
    if (!str_equal(column, a->column))
        return cql_refuse(p, "Only expressions of the form X = <value> + X are supported.");
    a->kind = ASSIGN_PREPEND;
    return OK;
}

static enum err parse_assignment(struct cql_parser *p, struct cql_assignment *a)
{
    *a = (struct cql_assignment){.kind = ASSIGN_SET};
    TRY(cql_column_take(p, &a->column));
    if (cql_take(p, CQL_M_EQ))
        return parse_assigned(p, a);
    enum cql_token_kind kind = cql_kind(p, 0);
    if (kind == CQL_M_PLUS_SET || kind == CQL_M_MINUS_SET) {
        a->kind = kind == CQL_M_PLUS_SET ? ASSIGN_ADD : ASSIGN_SUBTRACT;
        p->at++;
        return cql_term_parse(p, &a->value);
    }
    if (cql_take(p, CQL_M_SQUARE_OPEN)) {
        a->kind = ASSIGN_ELEMENT;
        TRY(cql_term_parse(p, &a->key));
        TRY(cql_expect(p, CQL_M_SQUARE_CLOSE));
    } else if (cql_take(p, CQL_M_DOT)) {
        a->kind = ASSIGN_FIELD;
        TRY(cql_name_take(p, &a->field));
    } else {
        return cql_no_way(p, 0);
    }
    TRY(cql_expect(p, CQL_M_EQ));
    return cql_term_parse(p, &a->value);
}

/* A column may be written twice in one statement only where neither sets the whole of it, nor both
 * the same field. */
static enum err check_twice(struct cql_parser *p, const struct cql_modify *modify)
{
    const struct cql_assignment *last = &modify->assignments[modify->assignment_count - 1];
    if (modify->assignment_count > 512)
        return OK; /* the plan looks at all columns again */
    for (const struct cql_assignment *a = modify->assignments; a < last; a++) {
        if (!str_equal(a->column, last->column))
            continue;
        bool same_field = a->kind == ASSIGN_FIELD && last->kind == ASSIGN_FIELD &&
                          str_equal(a->field, last->field);
        bool fits = a->kind != ASSIGN_SET && last->kind != ASSIGN_SET && !same_field;
        if (!fits)
            return cql_refuse(p, "Multiple incompatible setting of column %.*s",
                              STR_ARG(last->column));
    }
    return OK;
}

/* ---- IF of UPDATE and DELETE ---- */

static enum err parse_condition(struct cql_parser *p, struct cql_condition *c)
{
    *c = (struct cql_condition){.op = CQL_EQ};
    TRY(cql_column_take(p, &c->column));
    bool whole = false;
    if (cql_take(p, CQL_M_SQUARE_OPEN)) {
        TRY(cql_term_parse(p, &c->key));
        TRY(cql_expect(p, CQL_M_SQUARE_CLOSE));
    } else if (cql_take(p, CQL_M_DOT)) {
        TRY(cql_name_take(p, &c->field));
    } else {
        whole = true;
    }
    if (cql_take(p, CQL_K_IN)) {
        c->op = CQL_IN;
        return cql_in_values(p, &c->values, &c->value_count, &c->in_marker);
    }
    if (whole && cql_take(p, CQL_K_CONTAINS))
        c->op = cql_take(p, CQL_K_KEY) ? CQL_CONTAINS_KEY : CQL_CONTAINS;
    else if (cql_relation_operator(cql_kind(p, 0), &c->op))
        p->at++;
    else
        return cql_no_way(p, 0);
    return cql_term_parse(p, PUSH(p, c->values, c->value_count));
}

static enum err parse_if(struct cql_parser *p, struct cql_modify *modify)
{
    if (!cql_take(p, CQL_K_IF))
        return OK;
    /* EXISTS is also a name: it is the word when nothing compares it. */
    enum cql_operator op;
    enum cql_token_kind second = cql_kind(p, 1);
    bool compared = cql_relation_operator(second, &op) || second == CQL_K_IN ||
                    second == CQL_M_SQUARE_OPEN || second == CQL_M_DOT || second == CQL_K_CONTAINS;
    if (cql_kind(p, 0) == CQL_K_EXISTS && !compared) {
        p->at++;
        modify->if_exists = true;
        return OK;
    }
    do
        TRY(parse_condition(p, PUSH(p, modify->conditions, modify->condition_count)));
    while (cql_take(p, CQL_K_AND));
    return OK;
}

enum err cql_parse_update(struct cql_parser *p, struct cql_modify *modify)
{
    *modify = (struct cql_modify){.kind = MODIFY_UPDATE};
    p->at++;
    TRY(cql_table_name(p, "table", &modify->table));
    TRY(parse_using(p, &modify->timestamp, &modify->ttl));
    TRY(cql_expect(p, CQL_K_SET));
    do {
        TRY(parse_assignment(p, PUSH(p, modify->assignments, modify->assignment_count)));
        TRY(check_twice(p, modify));
    } while (cql_take(p, CQL_M_COMMA));
    TRY(cql_expect(p, CQL_K_WHERE));
    TRY(cql_where(p, &modify->where, &modify->where_count));
    return parse_if(p, modify);
}

/* ---- DELETE ---- */

static enum err parse_deletion(struct cql_parser *p, struct cql_deletion *d)
{
    *d = (struct cql_deletion){.key = NULL};
    enum cql_token_kind second = cql_kind(p, 1);
    bool known = second == CQL_M_COMMA || second == CQL_K_FROM || second == CQL_M_SQUARE_OPEN ||
                 second == CQL_M_DOT || second == CQL_T_END;
    if (cql_is_name(cql_kind(p, 0)) && !known)
        return cql_no_way(p, 1);
    TRY(cql_column_take(p, &d->column));
    if (cql_take(p, CQL_M_DOT))
        return cql_name_take(p, &d->field);
    if (!cql_take(p, CQL_M_SQUARE_OPEN))
        return OK;
    TRY(cql_term_parse(p, &d->key));
    return cql_expect(p, CQL_M_SQUARE_CLOSE);
}

enum err cql_parse_delete(struct cql_parser *p, struct cql_modify *modify)
{
    *modify = (struct cql_modify){.kind = MODIFY_DELETE};
    p->at++;
    if (cql_kind(p, 0) != CQL_K_FROM) {
        do
            TRY(parse_deletion(p, PUSH(p, modify->deletions, modify->deletion_count)));
        while (cql_take(p, CQL_M_COMMA));
    }
    TRY(cql_expect(p, CQL_K_FROM));
    TRY(cql_table_name(p, "table", &modify->table));
    if (cql_take(p, CQL_K_USING)) {
        TRY(cql_expect(p, CQL_K_TIMESTAMP));
        TRY(cql_int_value(p, &modify->timestamp));
    }
    TRY(cql_expect(p, CQL_K_WHERE));
    TRY(cql_where(p, &modify->where, &modify->where_count));
    return parse_if(p, modify);
}

/* ---- BATCH ---- */

enum err cql_parse_batch(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_batch *batch = &st->batch;
    st->kind = CQL_BATCH_STATEMENT;
    p->at++;
    if (cql_take(p, CQL_K_UNLOGGED))
        batch->kind = BATCH_IS_UNLOGGED;
    else if (cql_take(p, CQL_K_COUNTER))
        batch->kind = BATCH_IS_COUNTER;
    TRY(cql_expect(p, CQL_K_BATCH));
    TRY(parse_using(p, &batch->timestamp, &batch->ttl));
    for (;;) {
        enum cql_token_kind kind = cql_kind(p, 0);
        if (kind != CQL_K_INSERT && kind != CQL_K_UPDATE && kind != CQL_K_DELETE)
            break;
        struct cql_modify *item = PUSH(p, batch->items, batch->count);
        if (kind == CQL_K_INSERT)
            TRY(cql_parse_insert(p, item));
        else if (kind == CQL_K_UPDATE)
            TRY(cql_parse_update(p, item));
        else
            TRY(cql_parse_delete(p, item));
        cql_take(p, CQL_M_SEMICOLON);
    }
    TRY(cql_expect(p, CQL_K_APPLY));
    return cql_expect(p, CQL_K_BATCH);
}
