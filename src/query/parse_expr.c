/* SPDX-License-Identifier: MIT */
/*
 * Expressions by binding power. Spark's grammar from loose to tight:
 *
 *   OR   AND   NOT   predicate (IN LIKE BETWEEN IS, one behind a value)
 *   = == <=> <> != < <= > >=   |   ^   &   << >> >>>   + - ||   * / % DIV   - + ~   primary
 *
 * AND and OR become one node with all their operands, however many: generated filters have
 * thousands of them and the tree must stay low.
 */
#include "query/parse.h"

struct operator
{
    const char *symbol;
    const char *name; /* of the function */
    int binding;
};

static const struct operator operators[] = {
    {"=", "=", 1},   {"==", "=", 1},    {"<=>", "<=>", 1}, {"<>", "!=", 1},   {"!=", "!=", 1},
    {"<", "<", 1},   {"<=", "<=", 1},   {">", ">", 1},     {">=", ">=", 1},   {"!<", ">=", 1},
    {"!>", "<=", 1}, {"|", "|", 2},     {"^", "^", 3},     {"&", "&", 4},     {"<<", "<<", 5},
    {">>", ">>", 5}, {">>>", ">>>", 5}, {"+", "+", 6},     {"-", "-", 6},     {"||", "||", 6},
    {"*", "*", 7},   {"/", "/", 7},     {"%", "%", 7},     {"DIV", "div", 7},
};

static const struct operator* find_operator(const struct parser *p)
{
    const struct token *token = parse_peek(p, 0);
    if (token->kind == TOKEN_WORD) {
        /* a name in operator position is an alias unless an operand follows */
        return parse_is(p, 0, "DIV") ? &operators[sizeof(operators) / sizeof(operators[0]) - 1]
                                     : NULL;
    }
    if (token->kind != TOKEN_SYMBOL)
        return NULL;
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (parse_is_symbol(p, 0, operators[i].symbol))
            return &operators[i];
    }
    return NULL;
}

static struct ast_node *parse_unary(struct parser *p)
{
    const struct token *token = parse_peek(p, 0);
    const char *name = parse_is_symbol(p, 0, "-")   ? "-"
                       : parse_is_symbol(p, 0, "+") ? "+"
                       : parse_is_symbol(p, 0, "~") ? "~"
                                                    : NULL;
    /* the sign of a number is a part of it: -1::STRING casts -1 */
    if (!name || (*name == '-' && parse_peek(p, 1)->kind == TOKEN_NUMBER))
        return parse_primary(p);
    if (!parse_enter(p))
        return p->nothing;
    parse_next(p);
    struct ast_node *node;
    node = parse_node_at(p, AST_UNARY, str_of(name), token);
    parse_add(p, node, parse_unary(p));
    parse_leave(p);
    return node;
}

struct ast_node *parse_value(struct parser *p, int binding)
{
    if (!parse_enter(p))
        return p->nothing;
    struct ast_node *left = parse_unary(p);
    const struct operator* op;
    while ((op = find_operator(p)) && op->binding >= binding) {
        const struct token *token = parse_next(p);
        struct ast_node *node = parse_node_at(p, AST_BINARY, str_of(op->name), token);
        parse_add(p, node, left);
        parse_add(p, node, parse_value(p, op->binding + 1));
        left = node;
    }
    parse_leave(p);
    return left;
}

/* ---- predicates ---- */

static struct ast_node *parse_in(struct parser *p, struct ast_node *value,
                                 const struct token *token)
{
    parse_expect_symbol(p, "(");
    struct ast_node *node = parse_node_at(p, AST_IN, STR_NONE, token);
    parse_add(p, node, value);
    if (parse_at_query(p, 0)) {
        node->kind = AST_IN_QUERY;
        parse_add(p, node, parse_query(p));
    } else {
        do
            parse_add(p, node, parse_expr(p));
        while (parse_symbol(p, ","));
    }
    parse_expect_symbol(p, ")");
    return node;
}

static struct ast_node *parse_like(struct parser *p, struct ast_node *value, const char *name,
                                   const struct token *token)
{
    struct ast_node *node = parse_node_at(p, AST_LIKE, str_of(name), token);
    parse_add(p, node, value);
    bool all = parse_is(p, 0, "ALL");
    if (*name != 'r' && (all || parse_is(p, 0, "ANY") || parse_is(p, 0, "SOME")) &&
        parse_is_symbol(p, 1, "(")) {
        parse_next(p);
        parse_next(p);
        node->kind = AST_LIKE_MANY;
        node->flags |= all ? AST_ALL : 0;
        if (parse_is_symbol(p, 0, ")"))
            parse_fail(p, "a pattern");
        do
            parse_add(p, node, parse_expr(p));
        while (parse_symbol(p, ","));
        parse_expect_symbol(p, ")");
        return node;
    }
    parse_add(p, node, parse_value(p, 1));
    if (*name != 'r' && parse_word(p, "ESCAPE")) {
        const struct token *at = parse_peek(p, 0);
        struct ast_node *escape = parse_node_at(p, AST_STRING, parse_string(p), at);
        if (!p->failed && escape->text.bytes != 1)
            parse_fail_at(p, ERR_SYNTAX, at->line, at->column, "INVALID_ESC", "42604",
                          "an ESCAPE is one character");
        parse_add(p, node, escape);
    }
    return node;
}

static struct ast_node *parse_is_what(struct parser *p, struct ast_node *value,
                                      const struct token *token)
{
    static const char *const what[] = {"null", "true", "false", "unknown"};
    struct ast_node *node = parse_node_at(p, AST_IS, STR_NONE, token);
    if (parse_is_symbol(p, 0, "!"))
        parse_fail_at(p, ERR_SYNTAX, parse_peek(p, 0)->line, parse_peek(p, 0)->column,
                      "SYNTAX_DISCONTINUED.BANG_EQUALS_NOT", "42601", "write NOT, not '!', here");
    if (parse_word(p, "NOT"))
        node->flags |= AST_NEGATED;
    parse_add(p, node, value);
    for (size_t i = 0; i < 4; i++) {
        if (parse_word(p, what[i])) {
            node->text = str_of(what[i]);
            return node;
        }
    }
    if (parse_word(p, "DISTINCT")) {
        parse_expect(p, "FROM");
        node->text = STR("distinct");
        parse_add(p, node, parse_value(p, 1));
        return node;
    }
    parse_fail(p, "NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM");
    return node;
}

static struct ast_node *parse_between(struct parser *p, struct ast_node *value,
                                      const struct token *token)
{
    struct ast_node *node = parse_node_at(p, AST_BETWEEN, STR_NONE, token);
    parse_add(p, node, value);
    parse_add(p, node, parse_value(p, 1));
    parse_expect(p, "AND");
    parse_add(p, node, parse_value(p, 1));
    return node;
}

/* A predicate behind a value, or the value itself. */
static struct ast_node *parse_predicate(struct parser *p)
{
    static const char *const after_not[] = {"IN",     "LIKE",    "ILIKE", "RLIKE",
                                            "REGEXP", "BETWEEN", NULL};
    struct ast_node *value = parse_value(p, 1), *node;
    const struct token *token = parse_peek(p, 0);
    bool negated = parse_is(p, 0, "NOT") && parse_is_any(p, 1, after_not);
    if (parse_is_symbol(p, 0, "!") && parse_is_any(p, 1, after_not))
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column,
                      "SYNTAX_DISCONTINUED.BANG_EQUALS_NOT", "42601", "write NOT, not '!', here");
    if (negated)
        parse_next(p);
    if (parse_is(p, 0, "IN") && parse_is_symbol(p, 1, "(")) {
        parse_next(p);
        node = parse_in(p, value, token);
    } else if (parse_word(p, "LIKE")) {
        node = parse_like(p, value, "like", token);
    } else if (parse_word(p, "ILIKE")) {
        node = parse_like(p, value, "ilike", token);
    } else if (parse_word(p, "RLIKE") || parse_word(p, "REGEXP")) {
        node = parse_like(p, value, "rlike", token);
    } else if (parse_word(p, "BETWEEN")) {
        node = parse_between(p, value, token);
    } else if (!negated && parse_word(p, "IS")) {
        node = parse_is_what(p, value, token);
    } else {
        return value;
    }
    if (negated)
        node->flags |= AST_NEGATED;
    return node;
}

/* NOT binds looser than a predicate and tighter than AND. */
static struct ast_node *parse_not(struct parser *p)
{
    const struct token *token = parse_peek(p, 0);
    bool is_not = parse_is(p, 0, "NOT") || parse_is_symbol(p, 0, "!");
    if (!is_not)
        return parse_predicate(p);
    if (!parse_enter(p))
        return p->nothing;
    parse_next(p);
    struct ast_node *node = parse_node_at(p, AST_NOT, STR_NONE, token);
    parse_add(p, node, parse_not(p));
    parse_leave(p);
    return node;
}

static struct ast_node *parse_and(struct parser *p)
{
    struct ast_node *first = parse_not(p);
    if (!parse_is(p, 0, "AND"))
        return first;
    struct ast_node *node = parse_node(p, AST_AND, STR_NONE);
    parse_add(p, node, first);
    while (parse_word(p, "AND"))
        parse_add(p, node, parse_not(p));
    return node;
}

struct ast_node *parse_expr(struct parser *p)
{
    if (!parse_enter(p))
        return p->nothing;
    struct ast_node *node = parse_and(p);
    if (parse_is(p, 0, "OR")) {
        struct ast_node *first = node;
        node = parse_node(p, AST_OR, STR_NONE);
        parse_add(p, node, first);
        while (parse_word(p, "OR"))
            parse_add(p, node, parse_and(p));
    }
    parse_leave(p);
    return node;
}

struct ast_node *parse_exprs(struct parser *p)
{
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    do
        parse_add(p, list, parse_expr(p));
    while (parse_symbol(p, ","));
    return list;
}

/* ---- names given to expressions ---- */

/* "FROM from t": the name is FROM; but "FROM from" and "FROM from WHERE" read a table from. */
static bool is_named_from(const struct parser *p)
{
    static const char *const clauses[] = {
        "WHERE", "GROUP",   "HAVING",    "ORDER", "LIMIT",  "OFFSET",  "UNION", "EXCEPT",
        "MINUS", "LATERAL", "INTERSECT", "SORT",  "AS",     "CLUSTER", "JOIN",  "LEFT",
        "RIGHT", "FULL",    "INNER",     "CROSS", "WINDOW", NULL,
    };
    return parse_is(p, 0, "FROM") && parse_is(p, 1, "FROM") &&
           parse_peek(p, 1)->kind == TOKEN_WORD && parse_at_name(p, 2) &&
           !parse_is_any(p, 2, clauses);
}

static bool at_alias(const struct parser *p)
{
    static const char *const stops[] = {
        "FROM",       "WHERE", "GROUP",    "HAVING",    "ORDER",  "LIMIT",   "OFFSET", "UNION",
        "EXCEPT",     "MINUS", "SETMINUS", "INTERSECT", "WINDOW", "LATERAL", "SORT",   "CLUSTER",
        "DISTRIBUTE", "AND",   "OR",       "INSERT",    "SELECT", "QUALIFY", NULL,
    };
    bool delay = parse_is(p, 0, "DELAY") && parse_is(p, 1, "OF"); /* of WATERMARK */
    return parse_at_name(p, 0) && (!parse_is_any(p, 0, stops) || is_named_from(p)) && !delay;
}

struct ast_node *parse_named_expr(struct parser *p)
{
    size_t start = p->at;
    struct ast_node *expr = parse_expr(p);
    if (!p->failed)
        expr->source = parse_source(p, start);
    bool as = parse_word(p, "AS");
    bool call = !p->failed && expr->kind == AST_CALL && parse_at_name(p, 1);
    if ((as || call) && parse_is_symbol(p, 0, "(")) {
        struct ast_node *node = parse_node(p, AST_ALIAS, STR_NONE);
        parse_add(p, node, expr);
        parse_add(p, node, parse_name_list(p));
        return node;
    }
    if (!as && !at_alias(p))
        return expr;
    struct ast_node *node = parse_node(p, AST_ALIAS, STR_NONE);
    node->text = parse_name(p, "a name");
    parse_add(p, node, expr);
    return node;
}

struct ast_node *parse_sort_keys(struct parser *p)
{
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    do {
        struct ast_node *key = parse_node(p, AST_SORT_KEY, STR_NONE);
        parse_add(p, key, parse_expr(p));
        if (parse_word(p, "DESC"))
            key->flags |= AST_DESC;
        else
            (void)parse_word(p, "ASC");
        if (parse_words(p, "NULLS FIRST"))
            key->flags |= AST_NULLS_FIRST;
        else if (parse_words(p, "NULLS LAST"))
            key->flags |= AST_NULLS_LAST;
        parse_add(p, list, key);
    } while (parse_symbol(p, ","));
    return list;
}
