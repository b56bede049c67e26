/* SPDX-License-Identifier: MIT */
/*
 * Values of CQL. The grammar has two kinds of expression that look alike: a term stands where a
 * value is given and has no columns; a selectable stands in SELECT and GROUP BY and may have them,
 * with fields, elements and slices behind. One set of functions reads both, told by the flag
 * `select`.
 *
 * A parenthesis opens a type hint, a tuple, or a nested selector: it is a hint when a type and a
 * closing one stand there and a value comes next. What stands behind a column, .field or [element],
 * is tried; when it does not parse the column stands alone, as in Cassandra, whose error then says
 * that it wanted FROM there.
 */
#include "serve/cql/parse.h"

struct mark {
    uint32_t at, markers;
    unsigned depth;
};
static struct mark mark(const struct cql_parser *p)
{
    return (struct mark){p->at, p->marker_count, p->depth};
}
static void rewind_to(struct cql_parser *p, struct mark m)
{
    p->at = m.at;
    p->marker_count = m.markers;
    p->depth = m.depth;
}

static enum err parse_sum(struct cql_parser *p, bool select, struct cql_term **ret_term) MUST_USE;
static enum err parse_simple(struct cql_parser *p, bool select,
                             struct cql_term **ret_term) MUST_USE;

struct cql_term *cql_term_new(struct cql_parser *p, enum cql_term_kind kind)
{
    const struct cql_token *token = cql_peek(p, 0);
    struct cql_term *term = arena_zero(p->arena, sizeof(*term));
    term->kind = kind;
    term->line = token->line;
    term->column = token->column;
    return term;
}

static void add_item(struct cql_parser *p, struct cql_term *term, struct cql_term *item)
{
    *PUSH(p, term->items, term->count) = item;
}

/* A term of items on the place of the first. */
static struct cql_term *wrap(struct cql_parser *p, enum cql_term_kind kind, uint32_t from,
                             struct cql_term *first)
{
    struct cql_term *term = cql_term_new(p, kind);
    term->line = first->line;
    term->column = first->column;
    add_item(p, term, first);
    term->source = cql_source(p, from);
    return term;
}

/* ---- literals and markers ---- */

static enum cql_term_kind constant_kind(enum cql_token_kind kind)
{
    switch ((int)kind) {
    case CQL_T_STRING:
        return TERM_STRING;
    case CQL_T_INTEGER:
        return TERM_INTEGER;
    case CQL_T_FLOAT:
    case CQL_K_NAN:
    case CQL_K_INFINITY:
    case CQL_T_MINUS_NAN:
    case CQL_T_MINUS_INFINITY:
        return TERM_FLOAT;
    case CQL_T_BOOLEAN:
        return TERM_BOOLEAN;
    case CQL_T_DURATION:
        return TERM_DURATION;
    case CQL_T_UUID:
        return TERM_UUID;
    case CQL_T_HEX:
        return TERM_HEX;
    default:
        return TERM_NULL;
    }
}

bool cql_is_constant(enum cql_token_kind kind)
{
    return constant_kind(kind) != TERM_NULL;
}

enum err cql_constant(struct cql_parser *p, struct cql_term **ret_term)
{
    const struct cql_token *token = cql_peek(p, 0);
    if (!cql_is_constant(token->kind))
        return cql_no_way(p, 0);
    struct cql_term *term = cql_term_new(p, constant_kind(token->kind));
    term->text = token->text;
    if (token->kind == CQL_K_NAN || token->kind == CQL_T_MINUS_NAN)
        term->text = STR("NaN");
    if (token->kind == CQL_K_INFINITY)
        term->text = STR("Infinity");
    if (token->kind == CQL_T_MINUS_INFINITY)
        term->text = STR("-Infinity");
    p->at++;
    term->source = cql_source(p, p->at - 1);
    *ret_term = term;
    return OK;
}

bool cql_is_marker(enum cql_token_kind kind)
{
    return kind == CQL_M_QUESTION || kind == CQL_M_COLON;
}

enum err cql_marker(struct cql_parser *p, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    struct cql_term *term = cql_term_new(p, TERM_MARKER);
    if (!cql_take(p, CQL_M_QUESTION)) {
        TRY(cql_expect(p, CQL_M_COLON));
        TRY(cql_name_take(p, &term->name));
    }
    if (p->marker_count >= UINT16_MAX)
        return cql_refuse(p, "Too many markers(?). %u markers exceed the allowed maximum of %u",
                          p->marker_count + 1, UINT16_MAX);
    term->marker = p->marker_count;
    *PUSH(p, p->markers, p->marker_count) = term->name;
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

enum err cql_int_value(struct cql_parser *p, struct cql_term **ret_term)
{
    if (cql_is_marker(cql_kind(p, 0)))
        return cql_marker(p, ret_term);
    return cql_kind(p, 0) == CQL_T_INTEGER ? cql_constant(p, ret_term) : cql_no_way(p, 0);
}

/* ---- collections ---- */

/* item, item .. up to the closing mark, which is taken. */
static enum err parse_items(struct cql_parser *p, bool select, enum cql_token_kind close,
                            struct cql_term *term)
{
    do {
        struct cql_term *item = NULL;
        TRY(parse_sum(p, select, &item));
        add_item(p, term, item);
    } while (cql_take(p, CQL_M_COMMA));
    return cql_expect(p, close);
}

static enum err parse_list(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    struct cql_term *term = cql_term_new(p, TERM_LIST);
    p->at++;
    if (!cql_take(p, CQL_M_SQUARE_CLOSE))
        TRY(parse_items(p, select, CQL_M_SQUARE_CLOSE, term));
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

/* {field: value, ..}: a key that is a name makes it a user type's value. */
static enum err parse_fields(struct cql_parser *p, bool select, struct cql_term *term)
{
    size_t names = 0;
    do {
        struct cql_term *item = NULL;
        TRY(cql_name_take(p, PUSH(p, term->names, names)));
        TRY(cql_expect(p, CQL_M_COLON));
        TRY(parse_sum(p, select, &item));
        add_item(p, term, item);
    } while (cql_take(p, CQL_M_COMMA));
    return cql_expect(p, CQL_M_CURLY_CLOSE);
}

static enum err parse_entries(struct cql_parser *p, bool select, struct cql_term *term)
{
    struct cql_term *item = NULL;
    TRY(parse_sum(p, select, &item));
    add_item(p, term, item);
    if (cql_kind(p, 0) != CQL_M_COLON) {
        bool more = cql_take(p, CQL_M_COMMA);
        if (!more && cql_kind(p, 0) != CQL_M_CURLY_CLOSE && select)
            return cql_no_way(p, 0);
        return more ? parse_items(p, select, CQL_M_CURLY_CLOSE, term)
                    : cql_expect(p, CQL_M_CURLY_CLOSE);
    }
    term->kind = TERM_MAP;
    for (;;) {
        TRY(cql_expect(p, CQL_M_COLON));
        TRY(parse_sum(p, select, &item));
        add_item(p, term, item);
        if (!cql_take(p, CQL_M_COMMA))
            return cql_expect(p, CQL_M_CURLY_CLOSE);
        TRY(parse_sum(p, select, &item));
        add_item(p, term, item);
    }
}

static enum err parse_braces(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    struct cql_term *term = cql_term_new(p, TERM_SET);
    p->at++;
    if (cql_is_name(cql_kind(p, 0)) && cql_kind(p, 1) == CQL_M_COLON) {
        term->kind = TERM_UDT;
        TRY(parse_fields(p, select, term));
    } else if (!cql_take(p, CQL_M_CURLY_CLOSE)) {
        TRY(parse_entries(p, select, term));
    }
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

enum err cql_map_literal(struct cql_parser *p, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    struct cql_term *term = cql_term_new(p, TERM_MAP);
    TRY(cql_expect(p, CQL_M_CURLY_OPEN));
    while (cql_kind(p, 0) != CQL_M_CURLY_CLOSE || term->count) {
        struct cql_term *item = NULL;
        TRY(parse_sum(p, false, &item));
        add_item(p, term, item);
        TRY(cql_expect(p, CQL_M_COLON));
        TRY(parse_sum(p, false, &item));
        add_item(p, term, item);
        if (!cql_take(p, CQL_M_COMMA))
            break;
    }
    TRY(cql_expect(p, CQL_M_CURLY_CLOSE));
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

/* ---- parentheses ---- */

static bool starts_value(struct cql_parser *p, bool select)
{
    enum cql_token_kind kind = cql_kind(p, 0), next = cql_kind(p, 1);
    /* Outside of SELECT a name is the beginning of a call, or of what follows: = ('a') GROUP BY. */
    bool named = select ? kind != CQL_K_AS : next == CQL_M_OPEN || next == CQL_M_DOT;
    return cql_is_constant(kind) || cql_is_marker(kind) || kind == CQL_K_NULL ||
           kind == CQL_M_OPEN || kind == CQL_M_SQUARE_OPEN || kind == CQL_M_CURLY_OPEN ||
           kind == CQL_K_TOKEN || (cql_is_name(kind) && named);
}

/* (type) value. *ret_term stays NULL when it is something else. */
static enum err try_typed(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    struct mark start = mark(p);
    struct cql_term *term = cql_term_new(p, TERM_TYPED);
    p->at++;
    p->quiet++;
    enum err err = cql_type_text(p, &term->type);
    p->quiet--;
    if (err == ERR_LIMIT)
        return err;
    if (err != OK || !cql_take(p, CQL_M_CLOSE) || !starts_value(p, select)) {
        rewind_to(p, start);
        return OK;
    }
    struct cql_term *value = NULL;
    TRY(parse_simple(p, select, &value));
    add_item(p, term, value);
    term->source = cql_source(p, start.at);
    *ret_term = term;
    return OK;
}

static enum err parse_parentheses(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    struct cql_term *typed = NULL;
    TRY(try_typed(p, select, &typed));
    if (typed) {
        *ret_term = typed;
        return OK;
    }
    struct cql_term *term = cql_term_new(p, TERM_TUPLE);
    p->at++;
    TRY(parse_items(p, select, CQL_M_CLOSE, term));
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

/* ---- functions ---- */

enum err cql_native_type(struct cql_parser *p, struct str *ret_text)
{
    enum cql_token_kind kind = cql_kind(p, 0);
    if (!cql_is_word(kind) || cql_word_class(kind) != WORD_TYPE)
        return cql_no_way(p, 0);
    return cql_name_take(p, ret_text);
}

static enum err parse_cast(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    struct cql_term *term = cql_term_new(p, TERM_CAST), *value = NULL;
    p->at++;
    TRY(cql_expect(p, CQL_M_OPEN));
    TRY(select ? parse_sum(p, true, &value) : parse_simple(p, false, &value));
    add_item(p, term, value);
    TRY(cql_expect(p, CQL_K_AS));
    TRY(cql_native_type(p, &term->type));
    TRY(cql_expect(p, CQL_M_CLOSE));
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

static enum err parse_modifiers(struct cql_parser *p, uint32_t from,
                                struct cql_term **term) MUST_USE;

/* writetime(column), ttl(column.field), count(*) have a grammar of their own in SELECT. */
static enum err parse_call(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    enum cql_token_kind kind = cql_kind(p, 0);
    struct cql_term *term = cql_term_new(p, TERM_CALL);
    bool column =
        select && (kind == CQL_K_WRITETIME || kind == CQL_K_MAXWRITETIME || kind == CQL_K_TTL);
    if (column) {
        TRY(cql_name_take(p, &term->name));
        p->at++;
        struct cql_term *item = cql_term_new(p, TERM_COLUMN);
        uint32_t at = p->at;
        TRY(cql_name_take(p, &item->name));
        item->source = cql_source(p, at);
        TRY(parse_modifiers(p, at, &item));
        add_item(p, term, item);
        TRY(cql_expect(p, CQL_M_CLOSE));
    } else {
        struct cql_name name;
        TRY(cql_function_name(p, &name));
        term->keyspace = name.keyspace;
        term->name = name.name;
        TRY(cql_expect(p, CQL_M_OPEN));
        if (select && kind == CQL_K_COUNT && cql_kind(p, 0) == CQL_M_STAR &&
            cql_kind(p, 1) == CQL_M_CLOSE) {
            add_item(p, term, cql_term_new(p, TERM_STAR));
            p->at += 2;
        } else if (!cql_take(p, CQL_M_CLOSE)) {
            TRY(parse_items(p, select, CQL_M_CLOSE, term));
        }
    }
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

static bool is_call(struct cql_parser *p)
{
    enum cql_token_kind kind = cql_kind(p, 0);
    if (kind != CQL_K_TOKEN && !cql_is_name(kind))
        return false;
    if (cql_kind(p, 1) == CQL_M_OPEN)
        return true;
    return cql_kind(p, 1) == CQL_M_DOT && cql_kind(p, 3) == CQL_M_OPEN &&
           (cql_is_name(cql_kind(p, 2)) || cql_kind(p, 2) == CQL_K_TOKEN);
}

/* ---- columns ---- */

static bool follows_column(enum cql_token_kind kind)
{
    switch ((int)kind) {
    case CQL_T_END:
    case CQL_M_SEMICOLON:
    case CQL_M_DOT:
    case CQL_M_SQUARE_OPEN:
    case CQL_M_SQUARE_CLOSE:
    case CQL_M_CLOSE:
    case CQL_M_CURLY_CLOSE:
    case CQL_M_COMMA:
    case CQL_M_COLON:
    case CQL_M_PLUS:
    case CQL_M_MINUS:
    case CQL_M_STAR:
    case CQL_M_SLASH:
    case CQL_M_PERCENT:
    case CQL_K_AS:
    case CQL_K_FROM:
    case CQL_K_ORDER:
    case CQL_K_PER:
    case CQL_K_LIMIT:
    case CQL_K_ALLOW:
        return true;
    default:
        return false;
    }
}

static enum err parse_column(struct cql_parser *p, struct cql_term **ret_term)
{
    if (!follows_column(cql_kind(p, 1)))
        return cql_no_way(p, 1);
    struct cql_term *term = cql_term_new(p, TERM_COLUMN);
    uint32_t from = p->at;
    TRY(cql_name_take(p, &term->name));
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

static enum err parse_field(struct cql_parser *p, uint32_t from, struct cql_term **term)
{
    p->at++;
    struct str name;
    TRY(cql_name_take(p, &name));
    *term = wrap(p, TERM_FIELD, from, *term);
    (*term)->name = name;
    return OK;
}

static enum err parse_element(struct cql_parser *p, uint32_t from, struct cql_term **term)
{
    struct cql_term *low = NULL, *high = NULL;
    p->at++;
    if (cql_kind(p, 0) != CQL_M_RANGE)
        TRY(parse_sum(p, false, &low));
    bool slice = cql_take(p, CQL_M_RANGE);
    if (slice && (!low || cql_kind(p, 0) != CQL_M_SQUARE_CLOSE))
        TRY(parse_sum(p, false, &high));
    TRY(cql_expect(p, CQL_M_SQUARE_CLOSE));
    *term = wrap(p, slice ? TERM_SLICE : TERM_ELEMENT, from, *term);
    add_item(p, *term, low);
    if (slice)
        add_item(p, *term, high);
    return OK;
}

/* All of .field and [element] behind a selectable. */
static enum err parse_modifiers(struct cql_parser *p, uint32_t from, struct cql_term **term)
{
    struct mark start = mark(p);
    struct cql_term *whole = *term;
    p->quiet++;
    enum err err = OK;
    unsigned levels = 0;
    for (; err == OK; levels++) {
        enum cql_token_kind kind = cql_kind(p, 0);
        if (kind != CQL_M_DOT && kind != CQL_M_SQUARE_OPEN)
            break;
        if (levels >= CQL_DEPTH_MAX)
            err = ERR_LIMIT;
        else
            err = kind == CQL_M_DOT ? parse_field(p, from, &whole) : parse_element(p, from, &whole);
    }
    p->quiet--;
    if (err == ERR_LIMIT)
        return diag_set(p->diag, ERR_LIMIT, 0, 0, "The statement is nested too deep");
    if (err != OK)
        rewind_to(p, start);
    else
        *term = whole;
    return OK;
}

/* ---- from a value to a sum ---- */

static enum err parse_unnested(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    enum cql_token_kind kind = cql_kind(p, 0);
    if (cql_is_constant(kind))
        return cql_constant(p, ret_term);
    if (cql_is_marker(kind))
        return cql_marker(p, ret_term);
    if (kind == CQL_M_SQUARE_OPEN)
        return parse_list(p, select, ret_term);
    if (kind == CQL_M_CURLY_OPEN)
        return parse_braces(p, select, ret_term);
    if (kind == CQL_M_OPEN)
        return parse_parentheses(p, select, ret_term);
    if (kind == CQL_K_CAST && cql_kind(p, 1) == CQL_M_OPEN)
        return parse_cast(p, select, ret_term);
    if (is_call(p))
        return parse_call(p, select, ret_term);
    if (kind == CQL_K_NULL) {
        struct cql_term *term = cql_term_new(p, TERM_NULL);
        p->at++;
        term->source = cql_source(p, p->at - 1);
        *ret_term = term;
        return OK;
    }
    if (cql_is_name(kind) && select)
        return parse_column(p, ret_term);
    return cql_no_way(p, cql_is_name(kind) || kind == CQL_K_TOKEN ? 1 : 0);
}

static enum err parse_simple(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    TRY(cql_enter(p));
    TRY(parse_unnested(p, select, ret_term));
    cql_leave(p);
    return OK;
}

static enum err parse_group(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    if (cql_kind(p, 0) != CQL_M_MINUS) {
        TRY(parse_simple(p, select, ret_term));
        return select ? parse_modifiers(p, from, ret_term) : OK;
    }
    struct cql_term *term = cql_term_new(p, TERM_NEGATE), *value = NULL;
    TRY(cql_enter(p));
    p->at++;
    TRY(select ? parse_group(p, true, &value) : parse_simple(p, false, &value));
    cql_leave(p);
    add_item(p, term, value);
    term->source = cql_source(p, from);
    *ret_term = term;
    return OK;
}

/* items[0] op items[1], from the left. A long sum nests to the left without recursion here, but
 * those who walk it recurse: it is bounded too. */
static enum err join(struct cql_parser *p, uint32_t from, char op, struct cql_term **term,
                     struct cql_term *right)
{
    *term = wrap(p, TERM_BINARY, from, *term);
    (*term)->op = op;
    add_item(p, *term, right);
    return OK;
}

static char product_operator(enum cql_token_kind kind)
{
    if (kind == CQL_M_STAR)
        return '*';
    return kind == CQL_M_SLASH ? '/' : kind == CQL_M_PERCENT ? '%' : 0;
}

static enum err parse_product(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    TRY(parse_group(p, select, ret_term));
    unsigned depth = p->depth;
    for (char op; (op = product_operator(cql_kind(p, 0)));) {
        struct cql_term *right = NULL;
        TRY(cql_enter(p));
        p->at++;
        TRY(parse_group(p, select, &right));
        TRY(join(p, from, op, ret_term, right));
    }
    p->depth = depth;
    return OK;
}

static char sum_operator(enum cql_token_kind kind)
{
    return kind == CQL_M_PLUS ? '+' : kind == CQL_M_MINUS ? '-' : 0;
}

/* "l = [1] + l" of UPDATE: what stands behind the plus is a column, no term. */
static bool plus_column(struct cql_parser *p)
{
    return cql_is_name(cql_kind(p, 1)) && cql_kind(p, 2) != CQL_M_OPEN &&
           cql_kind(p, 2) != CQL_M_DOT;
}

static bool follows_term(enum cql_token_kind kind)
{
    switch ((int)kind) {
    case CQL_T_END:
    case CQL_M_SEMICOLON:
    case CQL_M_COMMA:
    case CQL_M_COLON:
    case CQL_M_CLOSE:
    case CQL_M_SQUARE_CLOSE:
    case CQL_M_CURLY_CLOSE:
    case CQL_M_RANGE:
    case CQL_M_PLUS:
    case CQL_K_AND:
    case CQL_K_AS:
    case CQL_K_ASC:
    case CQL_K_DESC:
    case CQL_K_GROUP:
    case CQL_K_ORDER:
    case CQL_K_PER:
    case CQL_K_LIMIT:
    case CQL_K_ALLOW:
    case CQL_K_IF:
    case CQL_K_WHERE:
    case CQL_K_APPLY:
    case CQL_K_INSERT:
    case CQL_K_UPDATE:
    case CQL_K_DELETE:
    case CQL_K_PRIMARY:
        return true;
    default:
        return false;
    }
}

static enum err parse_sum(struct cql_parser *p, bool select, struct cql_term **ret_term)
{
    uint32_t from = p->at;
    TRY(parse_product(p, select, ret_term));
    unsigned depth = p->depth;
    for (char op; (op = sum_operator(cql_kind(p, 0)));) {
        struct cql_term *right = NULL;
        if (!select && op == '+' && plus_column(p))
            break;
        TRY(cql_enter(p));
        p->at++;
        TRY(parse_product(p, select, &right));
        TRY(join(p, from, op, ret_term, right));
    }
    p->depth = depth;
    return select || follows_term(cql_kind(p, 0)) ? OK : cql_no_way(p, 0);
}

enum err cql_term_parse(struct cql_parser *p, struct cql_term **ret_term)
{
    return parse_sum(p, false, ret_term);
}

enum err cql_selectable(struct cql_parser *p, struct cql_term **ret_term)
{
    return parse_sum(p, true, ret_term);
}
