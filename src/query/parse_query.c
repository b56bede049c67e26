/* SPDX-License-Identifier: MIT */
/*
 * Queries: WITH, SELECT, VALUES, set operations, and what orders and limits their rows.
 *
 * INTERSECT binds tighter than UNION, EXCEPT and MINUS, which go from left to right. A query that
 * starts with FROM (FROM t SELECT a) gives the same tree as the usual order.
 */
#include "query/parse.h"

enum { BRACKETS_MAX = 200 };

/* A word that starts a query, followed by something that goes on as one. */
static bool at_query_word(const struct parser *p, size_t i)
{
    if (parse_is_symbol(p, i + 1, ")") || parse_is_symbol(p, i + 1, ",") ||
        parse_is_symbol(p, i + 1, ".") || parse_peek(p, i + 1)->kind == TOKEN_END)
        return false;
    if (parse_is(p, i, "SELECT") || parse_is(p, i, "VALUES"))
        return true;
    bool name = parse_at_name(p, i + 1);
    if (parse_is(p, i, "FROM"))
        return name || parse_is_symbol(p, i + 1, "(");
    return name && (parse_is(p, i, "WITH") || parse_is(p, i, "TABLE"));
}

/* "((SELECT 1) + 1)" is an expression, "((SELECT 1) UNION ..)" a query: what follows the inner
 * bracket tells. */
bool parse_at_query(const struct parser *p, size_t ahead)
{
    static const char *const more[] = {"UNION",     "EXCEPT",     "MINUS",   "SETMINUS",
                                       "INTERSECT", "ORDER",      "LIMIT",   "OFFSET",
                                       "SORT",      "DISTRIBUTE", "CLUSTER", NULL};
    size_t open = 0, i = ahead;
    while (parse_is_symbol(p, i, "(") && open < BRACKETS_MAX) {
        open++;
        i++;
    }
    if (!at_query_word(p, i))
        return false;
    for (size_t depth = open; open > 0; i++) {
        const struct token *token = parse_peek(p, i);
        if (token->kind == TOKEN_END || token->kind == TOKEN_ERROR || p->at + i >= p->end)
            return true;
        if (parse_is_symbol(p, i, "("))
            depth++;
        if (!parse_is_symbol(p, i, ")"))
            continue;
        depth--;
        if (depth < open) {
            open--;
            if (!parse_is_symbol(p, i + 1, ")") && !parse_is_symbol(p, i + 1, "|>") &&
                !parse_is_any(p, i + 1, more) && p->at + i + 1 < p->end)
                return false;
        }
    }
    return true;
}

/* ---- SELECT ---- */

static struct ast_node *parse_grouping(struct parser *p, const char *name)
{
    struct ast_node *node = parse_node(p, AST_GROUPING, str_of(name));
    parse_expect_symbol(p, "(");
    do {
        if (parse_is_symbol(p, 0, "(") && parse_is_symbol(p, 1, ")")) {
            parse_add(p, node, parse_node(p, AST_LIST, STR_NONE));
            parse_next(p);
            parse_next(p);
        } else if (*name == 's' && parse_words(p, "GROUPING SETS")) {
            parse_add(p, node, parse_grouping(p, "sets"));
        } else if (*name == 's' && parse_is(p, 0, "ROLLUP")) {
            parse_next(p);
            parse_add(p, node, parse_grouping(p, "rollup"));
        } else if (*name == 's' && parse_is(p, 0, "CUBE")) {
            parse_next(p);
            parse_add(p, node, parse_grouping(p, "cube"));
        } else {
            parse_add(p, node, parse_expr(p));
        }
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
    return node;
}

static struct ast_node *parse_group_by(struct parser *p)
{
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    do {
        struct ast_node *item;
        if (parse_words(p, "GROUPING SETS"))
            item = parse_grouping(p, "sets");
        else if (parse_is(p, 0, "ROLLUP") && parse_is_symbol(p, 1, "(")) {
            parse_next(p);
            item = parse_grouping(p, "rollup");
        } else if (parse_is(p, 0, "CUBE") && parse_is_symbol(p, 1, "(")) {
            parse_next(p);
            item = parse_grouping(p, "cube");
        } else {
            item = parse_expr(p);
        }
        parse_add(p, list, item);
    } while (parse_symbol(p, ","));
    bool rollup = parse_words(p, "WITH ROLLUP");
    if (rollup || parse_words(p, "WITH CUBE")) {
        list->kind = AST_GROUPING;
        list->text = rollup ? STR("rollup") : STR("cube");
        struct ast_node *outer = parse_node(p, AST_LIST, STR_NONE);
        parse_add(p, outer, list);
        return outer;
    }
    if (parse_words(p, "GROUPING SETS")) {
        /* the form GROUP BY a, b GROUPING SETS (..): the list before says nothing more */
        struct ast_node *outer = parse_node(p, AST_LIST, STR_NONE);
        parse_add(p, outer, parse_grouping(p, "sets"));
        return outer;
    }
    return list;
}

static struct ast_node *parse_windows(struct parser *p)
{
    bool hyphen = parse_is_symbol(p, 2, "-") && parse_is(p, 4, "AS");
    if (!parse_is(p, 0, "WINDOW") || !(hyphen || parse_is(p, 2, "AS")))
        return NULL;
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    parse_next(p);
    do {
        struct ast_node *def = parse_node(p, AST_WINDOW_DEF, STR_NONE);
        def->text = parse_name(p, "a window's name");
        parse_expect(p, "AS");
        parse_add(p, def, parse_window(p));
        parse_add(p, list, def);
    } while (parse_symbol(p, ","));
    return list;
}

static struct ast_node *parse_select_list(struct parser *p)
{
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    do
        parse_add(p, list, parse_named_expr(p));
    while (parse_symbol(p, ","));
    return list;
}

/* SELECT TRANSFORM(..) USING 'script', not the function transform(). */
static bool at_script(const struct parser *p)
{
    static const char *const words[] = {"USING", "ROW", "RECORDWRITER", NULL};
    size_t depth = 0, i = 1;
    if (!parse_is(p, 0, "TRANSFORM") || !parse_is_symbol(p, 1, "("))
        return false;
    for (; p->at + i < p->end; i++) {
        if (parse_is_symbol(p, i, "("))
            depth++;
        else if (parse_is_symbol(p, i, ")") && --depth == 0)
            break;
    }
    return parse_is_any(p, i + 1, words);
}

/* Hive's MAP .. USING 'script' and REDUCE .. USING 'script'. */
static bool at_old_script(const struct parser *p)
{
    if ((!parse_is(p, 0, "MAP") && !parse_is(p, 0, "REDUCE")) || parse_is_symbol(p, 1, "("))
        return false;
    for (size_t i = 1; p->at + i < p->end; i++) {
        if (parse_is(p, i, "USING"))
            return parse_peek(p, i + 1)->kind == TOKEN_STRING;
    }
    return false;
}

static void refuse_script(struct parser *p)
{
    parse_fail_at(p, ERR_UNSUPPORTED, parse_peek(p, 0)->line, parse_peek(p, 0)->column,
                  "UNSUPPORTED_FEATURE.TRANSFORM", "0A000",
                  "a script in a query (TRANSFORM, MAP, REDUCE) is not supported");
}

/* At SELECT; from is a FROM that stood before it, or NULL. */
static struct ast_node *parse_select(struct parser *p, struct ast_node *from)
{
    struct ast_node *node = parse_node(p, AST_SELECT, STR_NONE);
    parse_expect(p, "SELECT");
    parse_hints(p);
    if (at_script(p))
        refuse_script(p);
    if (parse_word(p, "DISTINCT"))
        node->flags |= AST_DISTINCT;
    else if (!parse_is_symbol(p, 1, ",") && !parse_is_symbol(p, 1, ")") && !parse_is(p, 1, "FROM"))
        (void)parse_word(p, "ALL");
    parse_add(p, node, parse_select_list(p));
    if (!from && parse_is(p, 0, "FROM"))
        from = parse_from(p);
    parse_add(p, node, from);
    parse_add(p, node, parse_word(p, "WHERE") ? parse_expr(p) : NULL);
    parse_add(p, node, parse_words(p, "GROUP BY") ? parse_group_by(p) : NULL);
    parse_add(p, node, parse_word(p, "HAVING") ? parse_expr(p) : NULL);
    parse_add(p, node, parse_windows(p));
    return node;
}

static struct ast_node *parse_star_select(struct parser *p, struct ast_node *from)
{
    struct ast_node *node = parse_node(p, AST_SELECT, STR_NONE);
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    struct ast_node *star = parse_node(p, AST_STAR, STR_NONE);
    parse_add(p, star, NULL);
    parse_add(p, list, star);
    parse_add(p, node, list);
    parse_add(p, node, from);
    for (size_t i = 0; i < 4; i++)
        parse_add(p, node, NULL);
    return node;
}

/* VALUES .. AS t(a, b) is SELECT * FROM it: the alias gives the columns their names. */
static struct ast_node *parse_values(struct parser *p)
{
    struct ast_node *node = parse_inline_table(p);
    if (p->failed || node->kind == AST_INLINE)
        return p->failed ? p->nothing : node->kids[0];
    struct ast_node *from = parse_node(p, AST_FROM, STR_NONE);
    parse_add(p, from, node);
    return parse_star_select(p, from);
}

static struct ast_node *parse_query_primary(struct parser *p)
{
    if (parse_is(p, 0, "SELECT"))
        return parse_select(p, NULL);
    if (parse_is(p, 0, "FROM")) {
        struct ast_node *from = parse_from(p);
        if (at_old_script(p))
            refuse_script(p);
        if (!parse_is(p, 0, "SELECT"))
            return parse_star_select(p, from);
        struct ast_node *select = parse_select(p, from);
        if (parse_is(p, 0, "SELECT"))
            parse_fail_at(p, ERR_UNSUPPORTED, parse_peek(p, 0)->line, parse_peek(p, 0)->column,
                          "UNSUPPORTED_FEATURE", "0A000",
                          "several SELECT behind one FROM are not supported");
        return select;
    }
    if (parse_is(p, 0, "VALUES"))
        return parse_values(p);
    if (parse_is(p, 0, "TABLE")) {
        parse_next(p);
        struct ast_node *node = parse_node(p, AST_TABLE, STR_NONE);
        parse_add(p, node, parse_relation_name(p));
        return node;
    }
    if (parse_symbol(p, "(")) {
        struct ast_node *node = parse_query(p);
        parse_expect_symbol(p, ")");
        return node;
    }
    parse_fail(p, "a query");
    return p->nothing;
}

/* ---- set operations ---- */

/* A set operation of that level at the cursor: 1 INTERSECT, 0 the others. Takes it. */
static const char *take_setop(struct parser *p, int level)
{
    if (level == 1)
        return parse_word(p, "INTERSECT") ? "intersect" : NULL;
    if (parse_word(p, "UNION"))
        return "union";
    if (parse_word(p, "EXCEPT") || parse_word(p, "MINUS") || parse_word(p, "SETMINUS"))
        return "except";
    return NULL;
}

static struct ast_node *parse_query_term(struct parser *p, int level)
{
    if (level == 2)
        return parse_query_primary(p);
    struct ast_node *left = parse_query_term(p, level + 1);
    const struct token *token = parse_peek(p, 0);
    const char *name;
    while ((name = take_setop(p, level))) {
        struct ast_node *node = parse_node_at(p, AST_SETOP, str_of(name), token);
        if (parse_word(p, "ALL"))
            node->flags |= AST_ALL;
        else
            (void)parse_word(p, "DISTINCT");
        if (parse_words(p, "BY NAME"))
            node->flags |= AST_BY_NAME;
        parse_add(p, node, left);
        parse_add(p, node, parse_query_term(p, level + 1));
        left = node;
        token = parse_peek(p, 0);
    }
    return left;
}

/* ---- WITH, ORDER BY, LIMIT ---- */

static void check_cte_names(struct parser *p, const struct ast_node *list)
{
    for (size_t i = 0; i < list->count && !p->failed; i++) {
        for (size_t k = 0; k < i; k++) {
            if (str_equal_nocase(list->kids[i]->text, list->kids[k]->text))
                parse_fail_at(p, ERR_SYNTAX, list->kids[i]->line, list->kids[i]->column,
                              "DUPLICATED_CTE_NAMES", "42602",
                              "two common table expressions are named %.*s",
                              STR_ARG(list->kids[i]->text));
        }
    }
}

static struct ast_node *parse_with(struct parser *p)
{
    if (!parse_word(p, "WITH"))
        return NULL;
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    bool recursive = parse_word(p, "RECURSIVE");
    do {
        struct ast_node *cte = parse_node(p, AST_CTE, STR_NONE), *names = NULL;
        cte->flags = recursive ? AST_RECURSIVE : 0;
        cte->text = parse_name(p, "a name");
        if (parse_is_symbol(p, 0, "(") && !parse_at_query(p, 1))
            names = parse_name_list(p);
        (void)parse_word(p, "AS");
        parse_expect_symbol(p, "(");
        parse_add(p, cte, parse_query(p));
        parse_add(p, cte, names);
        parse_expect_symbol(p, ")");
        parse_add(p, list, cte);
    } while (parse_symbol(p, ","));
    check_cte_names(p, list);
    return list;
}

struct clauses {
    struct ast_node *order, *sort, *windows, *limit, *offset;
};

static void parse_clauses(struct parser *p, struct clauses *c)
{
    if (parse_words(p, "ORDER BY"))
        c->order = parse_sort_keys(p);
    for (;;) {
        bool sort = parse_words(p, "SORT BY");
        const struct token *token = parse_peek(p, 0);
        if (!sort && !parse_words(p, "CLUSTER BY") && !parse_words(p, "DISTRIBUTE BY"))
            break;
        if (c->order || (c->sort && !sort))
            parse_fail_at(p, ERR_SYNTAX, token->line, token->column,
                          "UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES", "0A000",
                          "ORDER BY, SORT BY, CLUSTER BY and DISTRIBUTE BY do not go together");
        struct ast_node *keys = parse_sort_keys(p);
        if (!sort)
            keys = parse_node(p, AST_LIST, STR_NONE); /* where rows lie is no order */
        c->sort = keys;
    }
    c->windows = parse_windows(p);
    if (parse_word(p, "LIMIT"))
        c->limit = parse_expr(p);
    if (parse_word(p, "OFFSET"))
        c->offset = parse_expr(p);
}

struct ast_node *parse_query(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_QUERY, STR_NONE);
    size_t start = p->at;
    struct clauses clauses = {0};
    if (!parse_enter(p))
        return p->nothing;
    struct ast_node *with = parse_with(p);
    parse_add(p, node, parse_query_term(p, 0));
    parse_clauses(p, &clauses);
    if (parse_is_symbol(p, 0, "|>"))
        parse_fail_at(p, ERR_UNSUPPORTED, parse_peek(p, 0)->line, parse_peek(p, 0)->column,
                      "UNSUPPORTED_FEATURE.PIPE_OPERATOR", "0A000",
                      "the pipe syntax |> is not supported");
    parse_add(p, node, with);
    parse_add(p, node, clauses.order);
    parse_add(p, node, clauses.limit);
    parse_add(p, node, clauses.offset);
    parse_add(p, node, clauses.sort);
    parse_add(p, node, clauses.windows);
    node->source = parse_source(p, start);
    parse_leave(p);
    return node;
}
