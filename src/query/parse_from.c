/* SPDX-License-Identifier: MIT */
/*
 * FROM: tables, streams with a watermark, derived tables, functions, joins, lateral views.
 *
 * An alias may stand without AS, so the words that go on with the clause must not be taken for one.
 */
#include "query/parse.h"

static const char *const not_aliases[] = {
    "WHERE",   "GROUP",      "HAVING",   "ORDER",     "LIMIT",  "OFFSET",  "UNION",
    "EXCEPT",  "MINUS",      "SETMINUS", "INTERSECT", "WINDOW", "LATERAL", "SORT",
    "CLUSTER", "DISTRIBUTE", "ON",       "USING",     "JOIN",   "INNER",   "LEFT",
    "RIGHT",   "FULL",       "CROSS",    "NATURAL",   "SEMI",   "ANTI",    "TABLESAMPLE",
    "PIVOT",   "UNPIVOT",    "SELECT",   "INSERT",    "FOR",    "CHANGES", "WITH",
    "FROM",    "SET",        "VALUES",   NULL};

static bool at_alias(const struct parser *p)
{
    bool nearest =
        (parse_is(p, 0, "APPROX") || parse_is(p, 0, "EXACT")) && parse_is(p, 1, "NEAREST");
    return parse_at_name(p, 0) && !parse_is_any(p, 0, not_aliases) && !nearest;
}

static struct ast_node *parse_alias(struct parser *p, struct ast_node *relation)
{
    bool as = parse_word(p, "AS");
    if (!as && !at_alias(p))
        return relation;
    struct ast_node *node = parse_node(p, AST_ALIASED, STR_NONE);
    parse_add(p, node, relation);
    if (as && parse_is_symbol(p, 0, "(")) {
        node->text = STR("");
        parse_add(p, node, parse_name_list(p));
        return node;
    }
    node->text = parse_name(p, "an alias");
    if (parse_is_symbol(p, 0, "("))
        parse_add(p, node, parse_name_list(p));
    return node;
}

/* ---- what may stand between a table and its alias ---- */

static struct ast_node *wrap(struct parser *p, enum ast_kind kind, struct ast_node *relation)
{
    struct ast_node *node = parse_node(p, kind, STR_NONE);
    parse_add(p, node, relation);
    return node;
}

static struct ast_node *parse_watermark(struct parser *p, struct ast_node *relation)
{
    bool here =
        parse_is(p, 0, "WATERMARK") &&
        ((parse_at_name(p, 1) && !parse_is_any(p, 1, not_aliases)) || parse_is_symbol(p, 1, "("));
    if (!here)
        return relation;
    struct ast_node *node = wrap(p, AST_WATERMARK, relation);
    parse_next(p);
    parse_add(p, node, parse_named_expr(p));
    parse_expect(p, "DELAY");
    parse_expect(p, "OF");
    struct ast_node *delay = parse_is(p, 0, "INTERVAL") ? parse_interval(p) : NULL;
    if (!delay)
        parse_fail(p, "INTERVAL");
    else
        parse_add(p, node, delay);
    return node;
}

static struct ast_node *parse_pivots(struct parser *p, struct ast_node *relation)
{
    while (parse_at_pivot(p))
        relation = parse_alias(p, parse_pivot(p, relation));
    return relation;
}

/* ---- relations ---- */

static bool at_stream(const struct parser *p)
{
    if (!parse_is(p, 0, "STREAM"))
        return false;
    if (parse_is_symbol(p, 1, "("))
        return parse_at_name(p, 2) && (parse_is_symbol(p, 3, ")") || parse_is_symbol(p, 3, "."));
    if (parse_is(p, 1, "CHANGES")) /* of a table named stream, or a stream of that name */
        return !parse_is(p, 2, "FROM");
    return parse_at_name(p, 1) && !parse_is_any(p, 1, not_aliases) && !parse_is(p, 1, "AS") &&
           !parse_is(p, 1, "WATERMARK");
}

static struct ast_node *parse_named_relation(struct parser *p)
{
    bool stream = at_stream(p), brackets = false;
    if (stream) {
        parse_next(p);
        brackets = parse_symbol(p, "(");
    }
    struct ast_node *node = parse_relation_name(p);
    if (stream && !p->failed)
        node->flags |= AST_STREAM;
    if (brackets)
        parse_expect_symbol(p, ")");
    if (parse_is(p, 0, "WITH") && parse_is_symbol(p, 1, "(")) {
        parse_next(p);
        parse_skip_brackets(p);
    }
    if (!stream)
        node = parse_travel(p, node);
    return parse_alias(p, parse_watermark(p, parse_sample(p, node)));
}

static struct ast_node *parse_relation(struct parser *p);

static struct ast_node *parse_bracketed_relation(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_DERIVED, STR_NONE);
    bool query = parse_at_query(p, 1);
    parse_next(p);
    parse_add(p, node, query ? parse_query(p) : parse_relation(p));
    parse_expect_symbol(p, ")");
    return parse_alias(p, parse_watermark(p, parse_sample(p, node)));
}

struct ast_node *parse_inline_table(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_INLINE, STR_NONE);
    struct ast_node *values = parse_node(p, AST_VALUES, STR_NONE);
    parse_expect(p, "VALUES");
    do
        parse_add(p, values, parse_expr(p));
    while (parse_symbol(p, ","));
    parse_add(p, node, values);
    return parse_alias(p, node);
}

static struct ast_node *parse_relation_primary(struct parser *p)
{
    bool lateral = parse_is(p, 0, "LATERAL") && !parse_is(p, 1, "VIEW");
    if (lateral)
        parse_next(p);
    struct ast_node *node;
    if (parse_is_symbol(p, 0, "(")) {
        node = parse_bracketed_relation(p);
    } else if (parse_is(p, 0, "VALUES") && !parse_is_symbol(p, 1, ")") && p->at + 1 < p->end) {
        node = parse_inline_table(p);
    } else if (parse_at_name(p, 0) && parse_is_symbol(p, 1, "(") && !at_stream(p)) {
        const struct token *token = parse_next(p);
        node = parse_node_at(p, AST_FUNCTION, token->text, token);
        parse_add(p, node, parse_call(p, token->text, token));
        node = parse_alias(p, node);
    } else {
        node = parse_named_relation(p);
    }
    if (lateral && !p->failed)
        node->flags |= AST_LATERAL;
    return node;
}

/* The words of a join up to JOIN; NULL when none stands here. Takes them. */
static const char *take_join(struct parser *p, bool *ret_natural)
{
    static const struct {
        const char *words, *name;
    } joins[] = {
        {"JOIN", "inner"},
        {"INNER JOIN", "inner"},
        {"CROSS JOIN", "cross"},
        {"LEFT JOIN", "left"},
        {"LEFT OUTER JOIN", "left"},
        {"RIGHT JOIN", "right"},
        {"RIGHT OUTER JOIN", "right"},
        {"FULL JOIN", "full"},
        {"FULL OUTER JOIN", "full"},
        {"SEMI JOIN", "semi"},
        {"LEFT SEMI JOIN", "semi"},
        {"ANTI JOIN", "anti"},
        {"LEFT ANTI JOIN", "anti"},
    };
    size_t start = p->at;
    *ret_natural = parse_word(p, "NATURAL");
    for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
        if (parse_words(p, joins[i].words))
            return joins[i].name;
    }
    if (!p->failed)
        p->at = start;
    return NULL;
}

static struct ast_node *parse_join(struct parser *p, struct ast_node *left)
{
    bool natural;
    const struct token *token = parse_peek(p, 0);
    const char *name = take_join(p, &natural);
    if (!name)
        return NULL;
    struct ast_node *node = parse_node_at(p, AST_JOIN, str_of(name), token);
    node->flags = natural ? AST_NATURAL : 0;
    if (natural && strcmp(name, "cross") == 0)
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "INCOMPATIBLE_JOIN_TYPES", "42613",
                      "NATURAL and CROSS do not go together");
    parse_add(p, node, left);
    parse_add(p, node, parse_relation_primary(p));
    parse_nearest(p, node);
    struct ast_node *on = NULL, *using = NULL;
    if (!natural && parse_word(p, "ON"))
        on = parse_expr(p);
    else if (!natural && parse_is(p, 0, "USING") && parse_is_symbol(p, 1, "(")) {
        parse_next(p);
        using = parse_name_list(p);
    }
    parse_add(p, node, on);
    parse_add(p, node, using);
    return node;
}

static struct ast_node *parse_relation(struct parser *p)
{
    if (!parse_enter(p))
        return p->nothing;
    struct ast_node *node = parse_pivots(p, parse_relation_primary(p)), *join;
    while ((join = parse_join(p, node)))
        node = parse_pivots(p, join);
    parse_leave(p);
    return node;
}

static struct ast_node *parse_lateral_view(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_LATERAL_VIEW, STR_NONE), *names = NULL;
    parse_expect(p, "LATERAL");
    parse_expect(p, "VIEW");
    if (parse_is(p, 0, "OUTER") && !parse_is_symbol(p, 1, "("))
        node->flags |= parse_word(p, "OUTER") ? AST_OUTER : 0;
    const struct token *token = parse_peek(p, 0);
    struct str name = parse_name(p, "a function");
    parse_add(p, node, parse_call(p, name, token));
    node->text = parse_name(p, "an alias");
    bool as = parse_word(p, "AS");
    if (as || at_alias(p)) {
        names = parse_node(p, AST_LIST, STR_NONE);
        do {
            struct ast_node *part = parse_node(p, AST_NAME, STR_NONE);
            part->text = parse_name(p, "a column name");
            parse_add(p, names, part);
        } while (parse_symbol(p, ","));
    }
    parse_add(p, node, names);
    return node;
}

struct ast_node *parse_from(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_FROM, STR_NONE);
    parse_expect(p, "FROM");
    do
        parse_add(p, node, parse_relation(p));
    while (parse_symbol(p, ","));
    while (parse_is(p, 0, "LATERAL") && parse_is(p, 1, "VIEW"))
        parse_add(p, node, parse_lateral_view(p));
    parse_pivot_behind(p);
    return node;
}
