/* SPDX-License-Identifier: MIT */
/*
 * Calls with a syntax of their own, turned into ordinary calls:
 *
 *   EXTRACT(unit FROM x)                      -> extract('unit', x)
 *   TRIM([BOTH|LEADING|TRAILING] [c] FROM x)  -> trim/ltrim/rtrim([c,] x)
 *   SUBSTRING(x FROM a [FOR n])               -> substring(x, a [, n])
 *   POSITION(a IN x)                          -> locate(a, x)
 *   OVERLAY(x PLACING y FROM a [FOR n])       -> overlay(x, y, a [, n])
 *   TIMESTAMPADD/TIMESTAMPDIFF/DATEADD/DATEDIFF(unit, ..) -> the same with 'unit'
 *
 * and the window specification of OVER.
 */
#include "query/parse.h"

static struct ast_node *open_call(struct parser *p, const char *name, const struct token *token)
{
    struct ast_node *call = parse_node_at(p, AST_CALL, str_of(name), token);
    parse_expect_symbol(p, "(");
    return call;
}

static struct ast_node *close_call(struct parser *p, struct ast_node *call)
{
    parse_expect_symbol(p, ")");
    return call;
}

static struct ast_node *parse_extract(struct parser *p, const struct token *token)
{
    struct ast_node *call = open_call(p, "extract", token);
    const struct token *unit = parse_next(p);
    bool quoted = unit->kind == TOKEN_STRING;
    struct str text = quoted ? lex_string(p->arena, unit->text) : unit->text;
    parse_add(p, call, parse_node_at(p, AST_STRING, text, unit));
    parse_expect(p, "FROM");
    parse_add(p, call, parse_value(p, 1));
    return close_call(p, call);
}

/* TRIM( with a direction or FROM; NULL when it is an ordinary call. */
static struct ast_node *parse_trim(struct parser *p, const struct token *token)
{
    size_t start = p->at;
    struct ast_node *call = open_call(p, "trim", token);
    bool directed =
        !parse_is_symbol(p, 1, ",") && !parse_is_symbol(p, 1, ")") && !parse_is_symbol(p, 1, ".");
    if (directed && parse_word(p, "LEADING"))
        call->text = STR("ltrim");
    else if (directed && parse_word(p, "TRAILING"))
        call->text = STR("rtrim");
    else
        directed = directed && parse_word(p, "BOTH");
    struct ast_node *what = NULL;
    if (!directed || !parse_is(p, 0, "FROM"))
        what = parse_expr(p);
    if (!directed && !parse_is(p, 0, "FROM")) {
        if (!p->failed)
            p->at = start;
        return NULL;
    }
    parse_expect(p, "FROM");
    if (what)
        parse_add(p, call, what);
    parse_add(p, call, parse_value(p, 1));
    return close_call(p, call);
}

/* SUBSTRING(x FROM a FOR n), OVERLAY(x PLACING y FROM a FOR n), POSITION(a IN x). */
static struct ast_node *parse_worded(struct parser *p, const char *name, const char *first,
                                     const struct token *token)
{
    size_t start = p->at;
    struct ast_node *call = open_call(p, name, token);
    parse_add(p, call, parse_value(p, 1));
    if (!parse_word(p, first)) {
        if (!p->failed)
            p->at = start;
        return NULL;
    }
    parse_add(p, call, parse_value(p, 1));
    if (strcmp(first, "PLACING") == 0) {
        parse_expect(p, "FROM");
        parse_add(p, call, parse_value(p, 1));
    }
    if (strcmp(first, "IN") != 0 && parse_word(p, "FOR"))
        parse_add(p, call, parse_value(p, 1));
    return close_call(p, call);
}

/* Of the call whose bracket stands at the cursor. */
static size_t count_arguments(const struct parser *p)
{
    size_t count = 1, depth = 0;
    for (size_t i = 0; p->at + i < p->end; i++) {
        if (parse_is_symbol(p, i, "(") || parse_is_symbol(p, i, "["))
            depth++;
        else if ((parse_is_symbol(p, i, ")") || parse_is_symbol(p, i, "]")) && --depth == 0)
            break;
        count += depth == 1 && parse_is_symbol(p, i, ",");
    }
    return count;
}

/* The unit as a word: DATEDIFF(DAY, a, b). */
static struct ast_node *parse_unit_call(struct parser *p, struct str name,
                                        const struct token *token)
{
    static const char *const units[] = {"YEAR",   "QUARTER",     "MONTH",       "WEEK",
                                        "DAY",    "DAYOFYEAR",   "HOUR",        "MINUTE",
                                        "SECOND", "MILLISECOND", "MICROSECOND", NULL};
    if (parse_peek(p, 1)->kind == TOKEN_STRING && count_arguments(p) == 3) {
        const struct token *unit = parse_peek(p, 1);
        parse_fail_at(p, ERR_SYNTAX, unit->line, unit->column,
                      "INVALID_PARAMETER_VALUE.DATETIME_UNIT", "22023",
                      "the unit of %.*s is a word without quotes, such as DAY", STR_ARG(name));
        return p->nothing;
    }
    if (!parse_is_any(p, 1, units) || !parse_is_symbol(p, 2, ","))
        return NULL;
    struct ast_node *call = parse_node_at(p, AST_CALL, name, token);
    parse_next(p);
    const struct token *unit = parse_next(p);
    parse_add(p, call, parse_node_at(p, AST_STRING, unit->text, unit));
    while (parse_symbol(p, ","))
        parse_add(p, call, parse_expr(p));
    /* DATEADD(unit, n, x) is another function than date_add(x, n) */
    if (str_equal_nocase(name, STR("date_add")) || str_equal_nocase(name, STR("dateadd")))
        call->text = STR("timestampadd");
    else if (str_equal_nocase(name, STR("date_diff")) || str_equal_nocase(name, STR("datediff")) ||
             str_equal_nocase(name, STR("timediff")))
        call->text = STR("timestampdiff");
    return close_call(p, call);
}

struct ast_node *parse_special_call(struct parser *p, struct str name, const struct token *token)
{
    if (str_equal_nocase(name, STR("extract")) && parse_is(p, 2, "FROM"))
        return parse_extract(p, token);
    if (str_equal_nocase(name, STR("extract")) && parse_peek(p, 1)->kind == TOKEN_STRING)
        return parse_extract(p, token);
    if (str_equal_nocase(name, STR("trim")))
        return parse_trim(p, token);
    if (str_equal_nocase(name, STR("substring")) || str_equal_nocase(name, STR("substr")))
        return parse_worded(p, "substring", "FROM", token);
    if (str_equal_nocase(name, STR("overlay")))
        return parse_worded(p, "overlay", "PLACING", token);
    if (str_equal_nocase(name, STR("position")))
        return parse_worded(p, "locate", "IN", token);
    static const char *const unit_calls[] = {"timestampadd", "timestampdiff", "dateadd", "date_add",
                                             "datediff",     "date_diff",     "timediff"};
    for (size_t i = 0; i < 7; i++) {
        if (str_equal_nocase(name, str_of(unit_calls[i])))
            return parse_unit_call(p, name, token);
    }
    return NULL;
}

/* ---- windows ---- */

static struct ast_node *parse_bound(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_BOUND, STR_NONE);
    if (parse_words(p, "CURRENT ROW")) {
        node->text = STR("current row");
    } else if (parse_word(p, "UNBOUNDED")) {
        bool before = parse_word(p, "PRECEDING");
        if (!before)
            parse_expect(p, "FOLLOWING");
        node->text = before ? STR("unbounded preceding") : STR("unbounded following");
    } else {
        struct ast_node *distance = parse_value(p, 1);
        if (!p->failed && parse_names_columns(distance))
            parse_fail(p, "a constant as the bound of a frame");
        parse_add(p, node, distance);
        bool before = parse_word(p, "PRECEDING");
        if (!before)
            parse_expect(p, "FOLLOWING");
        node->text = before ? STR("preceding") : STR("following");
    }
    return node;
}

static struct ast_node *parse_frame(struct parser *p)
{
    if (!parse_is(p, 0, "ROWS") && !parse_is(p, 0, "RANGE"))
        return NULL;
    struct ast_node *frame =
        parse_node(p, AST_FRAME, parse_is(p, 0, "ROWS") ? STR("rows") : STR("range"));
    parse_next(p);
    bool between = parse_word(p, "BETWEEN");
    parse_add(p, frame, parse_bound(p));
    if (between) {
        parse_expect(p, "AND");
        parse_add(p, frame, parse_bound(p));
    }
    return frame;
}

struct ast_node *parse_window(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_WINDOW, STR_NONE);
    static const char *const clauses[] = {"PARTITION", "ORDER", "SORT",  "DISTRIBUTE",
                                          "CLUSTER",   "ROWS",  "RANGE", NULL};
    if (parse_at_name(p, 0) && !parse_is_symbol(p, 0, "(")) {
        node->text = parse_name(p, "a window");
        return node;
    }
    parse_expect_symbol(p, "(");
    if (parse_at_name(p, 0) && !parse_is_any(p, 0, clauses))
        node->text = parse_name(p, "a window");
    struct ast_node *partition = NULL, *order = NULL;
    if (parse_words(p, "PARTITION BY") || parse_words(p, "DISTRIBUTE BY") ||
        parse_words(p, "CLUSTER BY"))
        partition = parse_exprs(p);
    if (parse_words(p, "ORDER BY") || parse_words(p, "SORT BY"))
        order = parse_sort_keys(p);
    parse_add(p, node, partition);
    parse_add(p, node, order);
    parse_add(p, node, parse_frame(p));
    parse_expect_symbol(p, ")");
    return node;
}
