/* SPDX-License-Identifier: MIT */
/*
 * SELECT, and WHERE as all statements have it.
 *
 * JSON and DISTINCT are also names of columns: they are taken for the key word when a selector can
 * be read behind them, which is how Cassandra decides.
 */
#include "serve/cql/parse.h"

/* ---- WHERE ---- */

bool cql_relation_operator(enum cql_token_kind kind, enum cql_operator *ret_op)
{
    static const struct {
        enum cql_token_kind kind;
        enum cql_operator op;
    } operators[] = {{CQL_M_EQ, CQL_EQ}, {CQL_M_LT, CQL_LT}, {CQL_M_LE, CQL_LE},
                     {CQL_M_GT, CQL_GT}, {CQL_M_GE, CQL_GE}, {CQL_M_NE, CQL_NE}};
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        if (operators[i].kind == kind) {
            *ret_op = operators[i].op;
            return true;
        }
    return false;
}

enum err cql_in_values(struct cql_parser *p, struct cql_term ***ret_values, size_t *ret_count,
                       bool *ret_marker)
{
    struct cql_term **values = NULL;
    size_t count = 0;
    *ret_marker = cql_is_marker(cql_kind(p, 0));
    if (*ret_marker) {
        TRY(cql_marker(p, PUSH(p, values, count)));
    } else {
        TRY(cql_expect(p, CQL_M_OPEN));
        if (!cql_take(p, CQL_M_CLOSE)) {
            do
                TRY(cql_term_parse(p, PUSH(p, values, count)));
            while (cql_take(p, CQL_M_COMMA));
            TRY(cql_expect(p, CQL_M_CLOSE));
        }
    }
    *ret_values = values;
    *ret_count = count;
    return OK;
}

static enum err one_value(struct cql_parser *p, struct cql_relation *relation)
{
    return cql_term_parse(p, PUSH(p, relation->values, relation->value_count));
}

static enum err two_values(struct cql_parser *p, struct cql_relation *relation)
{
    relation->op = CQL_BETWEEN;
    TRY(one_value(p, relation));
    TRY(cql_expect(p, CQL_K_AND));
    return one_value(p, relation);
}

/* (a, b, ..) */
static enum err column_list(struct cql_parser *p, struct cql_relation *relation)
{
    TRY(cql_expect(p, CQL_M_OPEN));
    do
        TRY(cql_column_take(p, PUSH(p, relation->columns, relation->column_count)));
    while (cql_take(p, CQL_M_COMMA));
    return cql_expect(p, CQL_M_CLOSE);
}

static enum err token_relation(struct cql_parser *p, struct cql_relation *relation)
{
    relation->token = true;
    p->at++;
    TRY(column_list(p, relation));
    if (cql_take(p, CQL_K_BETWEEN))
        return two_values(p, relation);
    if (!cql_relation_operator(cql_kind(p, 0), &relation->op))
        return cql_no_way(p, 0);
    p->at++;
    return one_value(p, relation);
}

static enum err tuple_value(struct cql_parser *p, struct cql_relation *relation)
{
    if (cql_kind(p, 0) != CQL_M_OPEN && !cql_is_marker(cql_kind(p, 0)))
        return cql_no_way(p, 0);
    return one_value(p, relation);
}

/* What stands behind IN of several columns: () ? ((1, 2), ..) (?, ?) */
static enum err tuple_values(struct cql_parser *p, struct cql_relation *relation)
{
    relation->in_marker = cql_is_marker(cql_kind(p, 0));
    if (relation->in_marker)
        return cql_marker(p, PUSH(p, relation->values, relation->value_count));
    if (cql_kind(p, 0) != CQL_M_OPEN)
        return cql_no_way(p, 0);
    enum cql_token_kind first = cql_kind(p, 1);
    if (first != CQL_M_OPEN && !cql_is_marker(first) && first != CQL_M_CLOSE)
        return cql_no_way(p, 1);
    p->at++;
    if (cql_take(p, CQL_M_CLOSE))
        return OK;
    do
        TRY(tuple_value(p, relation));
    while (cql_take(p, CQL_M_COMMA));
    return cql_expect(p, CQL_M_CLOSE);
}

static enum err multi_relation(struct cql_parser *p, struct cql_relation *relation)
{
    relation->multi = true;
    TRY(column_list(p, relation));
    bool not_in = cql_kind(p, 0) == CQL_K_NOT && cql_kind(p, 1) == CQL_K_IN;
    if (not_in || cql_kind(p, 0) == CQL_K_IN) {
        relation->op = not_in ? CQL_NOT_IN : CQL_IN;
        p->at += not_in ? 2 : 1;
        return tuple_values(p, relation);
    }
    if (cql_take(p, CQL_K_BETWEEN)) {
        relation->op = CQL_BETWEEN;
        TRY(tuple_value(p, relation));
        TRY(cql_expect(p, CQL_K_AND));
        return tuple_value(p, relation);
    }
    if (!cql_relation_operator(cql_kind(p, 0), &relation->op))
        return cql_no_way(p, 0);
    if (cql_kind(p, 1) != CQL_M_OPEN && !cql_is_marker(cql_kind(p, 1)))
        return cql_no_way(p, 1);
    p->at++;
    return tuple_value(p, relation);
}

/* Which kind of relation stands behind the column is told by up to three tokens from it on. */
static enum err check_relation(struct cql_parser *p)
{
    enum cql_operator op;
    enum cql_token_kind second = cql_kind(p, 1);
    bool not_in = second == CQL_K_NOT && cql_kind(p, 2) == CQL_K_IN;
    if (second == CQL_K_IN || not_in) {
        uint32_t at = not_in ? 3 : 2;
        enum cql_token_kind third = cql_kind(p, at);
        return third == CQL_M_OPEN || cql_is_marker(third) ? OK : cql_no_way(p, at);
    }
    bool known = cql_relation_operator(second, &op) || second == CQL_M_SQUARE_OPEN ||
                 second == CQL_K_CONTAINS || second == CQL_K_IS || second == CQL_K_LIKE ||
                 second == CQL_K_BETWEEN;
    return known ? OK : cql_no_way(p, 1);
}

static enum err column_relation(struct cql_parser *p, struct cql_relation *relation)
{
    TRY(check_relation(p));
    TRY(cql_column_take(p, PUSH(p, relation->columns, relation->column_count)));
    if (cql_take(p, CQL_K_IN)) {
        relation->op = CQL_IN;
        return cql_in_values(p, &relation->values, &relation->value_count, &relation->in_marker);
    }
    if (cql_take(p, CQL_K_NOT)) {
        relation->op = CQL_NOT_IN;
        TRY(cql_expect(p, CQL_K_IN));
        return cql_in_values(p, &relation->values, &relation->value_count, &relation->in_marker);
    }
    if (cql_take(p, CQL_K_IS)) {
        relation->op = CQL_IS_NOT_NULL;
        TRY(cql_expect(p, CQL_K_NOT));
        return cql_expect(p, CQL_K_NULL);
    }
    if (cql_take(p, CQL_K_BETWEEN))
        return two_values(p, relation);
    if (cql_take(p, CQL_K_CONTAINS)) {
        relation->op = cql_take(p, CQL_K_KEY) ? CQL_CONTAINS_KEY : CQL_CONTAINS;
        return one_value(p, relation);
    }
    if (cql_take(p, CQL_K_LIKE)) {
        relation->op = CQL_LIKE;
        return one_value(p, relation);
    }
    if (cql_take(p, CQL_M_SQUARE_OPEN)) {
        TRY(cql_term_parse(p, &relation->element));
        TRY(cql_expect(p, CQL_M_SQUARE_CLOSE));
    }
    if (!cql_relation_operator(cql_kind(p, 0), &relation->op))
        return cql_no_way(p, 0);
    p->at++;
    return one_value(p, relation);
}

static enum err index_expression(struct cql_parser *p, struct cql_relation *relation)
{
    relation->op = CQL_EXPR;
    p->at++;
    TRY(cql_name_take(p, PUSH(p, relation->columns, relation->column_count)));
    TRY(cql_expect(p, CQL_M_COMMA));
    TRY(one_value(p, relation));
    return cql_expect(p, CQL_M_CLOSE);
}

static enum err parse_relation(struct cql_parser *p, struct cql_relation *relation)
{
    const struct cql_token *token = cql_peek(p, 0);
    *relation = (struct cql_relation){.line = token->line, .column = token->column};
    if (token->kind == CQL_K_TOKEN)
        return token_relation(p, relation);
    if (token->kind == CQL_M_EXPR)
        return index_expression(p, relation);
    if (token->kind == CQL_M_OPEN) {
        enum cql_token_kind third = cql_kind(p, 2);
        if (cql_is_name(cql_kind(p, 1)) && (third == CQL_M_COMMA || third == CQL_M_CLOSE))
            return multi_relation(p, relation);
        TRY(cql_enter(p));
        p->at++;
        TRY(parse_relation(p, relation));
        cql_leave(p);
        return cql_expect(p, CQL_M_CLOSE);
    }
    return cql_is_name(token->kind) ? column_relation(p, relation) : cql_no_way(p, 0);
}

enum err cql_where(struct cql_parser *p, struct cql_relation **ret_items, size_t *ret_count)
{
    struct cql_relation *items = NULL;
    size_t count = 0;
    do
        TRY(parse_relation(p, PUSH(p, items, count)));
    while (cql_take(p, CQL_K_AND));
    *ret_items = items;
    *ret_count = count;
    return OK;
}

/* ---- SELECT ---- */

static enum err parse_selector(struct cql_parser *p, struct cql_selector *selector)
{
    *selector = (struct cql_selector){NULL, STR_NONE};
    TRY(cql_selectable(p, &selector->term));
    return cql_take(p, CQL_K_AS) ? cql_name_take(p, &selector->alias) : OK;
}

/* Can a selector be read behind the word that stands here? Then the word is taken. */
static bool try_word(struct cql_parser *p, enum cql_token_kind word)
{
    if (cql_kind(p, 0) != word)
        return false;
    uint32_t at = p->at, markers = p->marker_count;
    unsigned depth = p->depth;
    struct cql_selector selector;
    p->at++;
    p->quiet++;
    bool distinct = word == CQL_K_JSON && try_word(p, CQL_K_DISTINCT);
    bool ok = distinct || cql_kind(p, 0) == CQL_M_STAR || parse_selector(p, &selector) == OK;
    p->quiet--;
    p->depth = depth;
    p->marker_count = markers;
    p->at = ok ? at + 1 : at;
    return ok;
}

static enum err parse_selectors(struct cql_parser *p, struct cql_select *select)
{
    select->json = try_word(p, CQL_K_JSON);
    select->distinct = try_word(p, CQL_K_DISTINCT);
    select->all_columns = cql_take(p, CQL_M_STAR);
    if (select->all_columns)
        return OK;
    do
        TRY(parse_selector(p, PUSH(p, select->selectors, select->selector_count)));
    while (cql_take(p, CQL_M_COMMA));
    return OK;
}

static enum err parse_order(struct cql_parser *p, struct cql_select *select)
{
    TRY(cql_expect(p, CQL_K_BY));
    do {
        struct cql_ordering *ordering = PUSH(p, select->order_by, select->order_count);
        *ordering = (struct cql_ordering){.ann = NULL};
        TRY(cql_column_take(p, &ordering->column));
        if (cql_take(p, CQL_K_ANN)) {
            TRY(cql_expect(p, CQL_K_OF));
            TRY(cql_term_parse(p, &ordering->ann));
        }
        if (!cql_take(p, CQL_K_ASC))
            ordering->descending = cql_take(p, CQL_K_DESC);
    } while (cql_take(p, CQL_M_COMMA));
    return OK;
}

static enum err parse_group_by(struct cql_parser *p, struct cql_select *select)
{
    TRY(cql_expect(p, CQL_K_BY));
    do
        TRY(cql_selectable(p, PUSH(p, select->group_by, select->group_count)));
    while (cql_take(p, CQL_M_COMMA));
    return OK;
}

enum err cql_parse_select(struct cql_parser *p, struct cql_statement *st)
{
    struct cql_select *select = &st->select;
    st->kind = CQL_SELECT;
    p->at++;
    TRY(parse_selectors(p, select));
    TRY(cql_expect(p, CQL_K_FROM));
    TRY(cql_table_name(p, "table", &select->table));
    if (cql_take(p, CQL_K_WHERE))
        TRY(cql_where(p, &select->where, &select->where_count));
    if (cql_take(p, CQL_K_GROUP))
        TRY(parse_group_by(p, select));
    if (cql_take(p, CQL_K_ORDER))
        TRY(parse_order(p, select));
    if (cql_take(p, CQL_K_PER)) {
        TRY(cql_expect(p, CQL_K_PARTITION));
        TRY(cql_expect(p, CQL_K_LIMIT));
        TRY(cql_int_value(p, &select->per_partition_limit));
    }
    if (cql_take(p, CQL_K_LIMIT))
        TRY(cql_int_value(p, &select->limit));
    select->allow_filtering = cql_take(p, CQL_K_ALLOW);
    return select->allow_filtering ? cql_expect(p, CQL_K_FILTERING) : OK;
}
