/* SPDX-License-Identifier: MIT */
/*
 * Operands: literals, names, calls, CASE, CAST, brackets, and what stands behind an operand
 * (.field, [index], ::type).
 *
 * Nearly every word may be a name, so key words count only where what follows makes them one: CASE
 * needs more than ")", DATE needs a string behind it, a call needs its bracket.
 */
#include "query/parse.h"

/* Words that are never a column name at the start of an operand: taking them as one would only move
 * the error to a place where nobody understands it. */
static const char *const not_names[] = {"FROM", "WHERE",  "HAVING", "UNION", "WHEN",
                                        "THEN", "SELECT", "JOIN",   "ON",    NULL};

struct ast_node *parse_case(struct parser *p, const struct token *token)
{
    struct ast_node *node = parse_node_at(p, AST_CASE, STR_NONE, token);
    parse_add(p, node, parse_is(p, 0, "WHEN") ? NULL : parse_expr(p));
    if (!parse_is(p, 0, "WHEN"))
        parse_fail(p, "WHEN");
    while (parse_word(p, "WHEN")) {
        parse_add(p, node, parse_expr(p));
        parse_expect(p, "THEN");
        parse_add(p, node, parse_expr(p));
    }
    if (parse_word(p, "ELSE")) {
        node->flags |= AST_HAS_ELSE;
        parse_add(p, node, parse_expr(p));
    }
    parse_expect(p, "END");
    return node;
}

static struct ast_node *parse_cast(struct parser *p, const struct token *token, bool try_cast)
{
    struct ast_node *node = parse_node_at(p, AST_CAST, STR_NONE, token);
    node->flags = try_cast ? AST_TRY : 0;
    parse_expect_symbol(p, "(");
    parse_add(p, node, parse_expr(p));
    parse_expect(p, "AS");
    node->type = parse_type(p, &node->text);
    parse_expect_symbol(p, ")");
    return node;
}

static struct ast_node *parse_lambda(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_LAMBDA, STR_NONE);
    bool brackets = parse_symbol(p, "(");
    do {
        struct ast_node *name = parse_node(p, AST_NAME, STR_NONE);
        name->text = parse_name(p, "a parameter");
        parse_add(p, node, name);
    } while (brackets && parse_symbol(p, ","));
    if (brackets)
        parse_expect_symbol(p, ")");
    parse_expect_symbol(p, "->");
    parse_add(p, node, parse_expr(p));
    return node;
}

/* "(a, b) ->" at the cursor? */
static bool at_lambda(const struct parser *p)
{
    if (parse_at_name(p, 0))
        return parse_is_symbol(p, 1, "->");
    if (!parse_is_symbol(p, 0, "("))
        return false;
    size_t i = 1;
    while (parse_at_name(p, i) && parse_is_symbol(p, i + 1, ","))
        i += 2;
    return parse_at_name(p, i) && parse_is_symbol(p, i + 1, ")") && parse_is_symbol(p, i + 2, "->");
}

static struct ast_node *parse_brackets(struct parser *p, const struct token *token)
{
    parse_next(p);
    if (parse_at_query(p, 0)) {
        struct ast_node *node = parse_node_at(p, AST_SUBQUERY, STR_NONE, token);
        parse_add(p, node, parse_query(p));
        parse_expect_symbol(p, ")");
        return node;
    }
    struct ast_node *first = parse_named_expr(p);
    if (!parse_is_symbol(p, 0, ",")) {
        parse_expect_symbol(p, ")");
        if (!p->failed && first->kind == AST_ALIAS) {
            struct ast_node *row = parse_node_at(p, AST_ROW, STR_NONE, token);
            parse_add(p, row, first);
            return row;
        }
        return first;
    }
    struct ast_node *row = parse_node_at(p, AST_ROW, STR_NONE, token);
    parse_add(p, row, first);
    while (parse_symbol(p, ","))
        parse_add(p, row, parse_named_expr(p));
    parse_expect_symbol(p, ")");
    return row;
}

static struct ast_node *parse_star(struct parser *p, struct ast_node *base)
{
    struct ast_node *node = parse_node(p, AST_STAR, STR_NONE);
    parse_expect_symbol(p, "*");
    parse_add(p, node, base);
    if (parse_is(p, 0, "EXCEPT") && parse_is_symbol(p, 1, "(") && !parse_at_query(p, 2)) {
        parse_next(p);
        parse_next(p);
        struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
        do
            parse_add(p, list, parse_primary(p));
        while (parse_symbol(p, ","));
        parse_expect_symbol(p, ")");
        parse_add(p, node, list);
    }
    return node;
}

/* ---- calls ---- */

static struct ast_node *parse_argument(struct parser *p, bool may_alias)
{
    if (at_lambda(p))
        return parse_lambda(p);
    if (parse_is_symbol(p, 0, "*"))
        return parse_star(p, NULL);
    if (parse_at_name(p, 0) && parse_is_symbol(p, 1, "=>")) {
        struct ast_node *node = parse_node(p, AST_NAMED_ARG, STR_NONE);
        node->text = parse_name(p, "a name");
        parse_next(p);
        parse_add(p, node, parse_argument(p, false));
        return node;
    }
    if (parse_is(p, 0, "TABLE") && parse_is_symbol(p, 1, "(")) {
        const struct token *token = parse_next(p);
        struct ast_node *node = parse_node_at(p, AST_TABLE, STR_NONE, token);
        node->source = parse_skip_brackets(p);
        while (!p->failed && !parse_is_symbol(p, 0, ",") && !parse_is_symbol(p, 0, ")") &&
               parse_at_name(p, 0)) {
            parse_next(p);
            if (parse_is_symbol(p, 0, "("))
                parse_skip_brackets(p);
        }
        return node;
    }
    if (parse_is(p, 0, "TABLE") && parse_at_name(p, 1) &&
        (parse_is_symbol(p, 2, ")") || parse_is_symbol(p, 2, ",")))
        parse_fail_at(p, ERR_SYNTAX, parse_peek(p, 0)->line, parse_peek(p, 0)->column,
                      "INVALID_SQL_SYNTAX.INVALID_TABLE_FUNCTION_IDENTIFIER_ARGUMENT_MISSING_"
                      "PARENTHESES",
                      "42000", "the name of the table stands in brackets: TABLE(t)");
    return may_alias ? parse_named_expr(p) : parse_expr(p);
}

static struct ast_node *wrap(struct parser *p, enum ast_kind kind, struct ast_node *call)
{
    struct ast_node *node = parse_node(p, kind, STR_NONE);
    parse_add(p, node, call);
    return node;
}

/* WITHIN GROUP, FILTER, IGNORE NULLS, OVER behind a call. */
static struct ast_node *parse_call_tail(struct parser *p, struct ast_node *call)
{
    if (parse_words(p, "WITHIN GROUP")) {
        call = wrap(p, AST_WITHIN, call);
        parse_expect_symbol(p, "(");
        parse_expect(p, "ORDER");
        parse_expect(p, "BY");
        parse_add(p, call, parse_sort_keys(p));
        parse_expect_symbol(p, ")");
    }
    if (parse_is(p, 0, "FILTER") && parse_is_symbol(p, 1, "(")) {
        parse_next(p);
        call = wrap(p, AST_FILTERED, call);
        parse_expect_symbol(p, "(");
        parse_expect(p, "WHERE");
        parse_add(p, call, parse_expr(p));
        parse_expect_symbol(p, ")");
    }
    if (parse_words(p, "IGNORE NULLS"))
        call->flags |= AST_IGNORE_NULLS;
    else
        (void)parse_words(p, "RESPECT NULLS");
    if (parse_is(p, 0, "OVER") && (parse_is_symbol(p, 1, "(") || parse_at_name(p, 1))) {
        parse_next(p);
        call = wrap(p, AST_OVER, call);
        if (parse_is_symbol(p, 0, "("))
            parse_add(p, call, parse_window(p));
        else
            call->text = parse_name(p, "a window");
    }
    return call;
}

struct ast_node *parse_call(struct parser *p, struct str name, const struct token *token)
{
    struct ast_node *special = parse_special_call(p, name, token);
    if (special)
        return parse_call_tail(p, special);
    struct ast_node *call = parse_node_at(p, AST_CALL, name, token);
    bool may_alias = str_equal_nocase(name, STR("struct"));
    parse_expect_symbol(p, "(");
    if (!parse_symbol(p, ")")) {
        if (!parse_is_symbol(p, 1, ")") && !parse_is_symbol(p, 1, ",")) {
            if (parse_word(p, "DISTINCT"))
                call->flags |= AST_DISTINCT;
            else if (!parse_is_symbol(p, 1, "(") && !parse_is_symbol(p, 1, "."))
                (void)parse_word(p, "ALL");
        }
        do
            parse_add(p, call, parse_argument(p, may_alias));
        while (parse_symbol(p, ","));
        if (parse_words(p, "IGNORE NULLS"))
            call->flags |= AST_IGNORE_NULLS;
        else
            (void)parse_words(p, "RESPECT NULLS");
        parse_expect_symbol(p, ")");
    }
    return parse_call_tail(p, call);
}

/* ---- operands ---- */

static bool is_bare_function(const struct parser *p)
{
    static const char *const names[] = {
        "CURRENT_DATE",   "CURRENT_TIMESTAMP", "CURRENT_USER", "CURRENT_TIME",
        "LOCALTIMESTAMP", "SESSION_USER",      "USER",         NULL};
    return parse_is_any(p, 0, names) && !parse_is_symbol(p, 1, "(") && !parse_is_symbol(p, 1, ".");
}

static struct ast_node *parse_simple_literal(struct parser *p)
{
    static const struct {
        const char *word;
        enum ast_kind kind;
    } words[] = {{"NULL", AST_NULL}, {"TRUE", AST_TRUE}, {"FALSE", AST_FALSE}};
    for (size_t i = 0; i < 3; i++) {
        const struct token *token = parse_peek(p, 0);
        if (!parse_is_symbol(p, 1, "(") && !parse_is_symbol(p, 1, ".") &&
            parse_word(p, words[i].word))
            return parse_node_at(p, words[i].kind, STR_NONE, token);
    }
    return NULL;
}

/* A word or quoted name at the cursor. */
static struct ast_node *parse_name_operand(struct parser *p)
{
    const struct token *token = parse_peek(p, 0);
    struct ast_node *node = parse_simple_literal(p);
    if (!node)
        node = parse_typed_literal(p);
    if (node)
        return node;
    bool call = parse_is_symbol(p, 1, "(");
    if (parse_is(p, 0, "CASE") && !parse_is_symbol(p, 1, ")") && !parse_is_symbol(p, 1, ",") &&
        !parse_is_symbol(p, 1, ".") && parse_peek(p, 1)->kind != TOKEN_END) {
        parse_next(p);
        return parse_case(p, token);
    }
    if (call && (parse_is(p, 0, "CAST") || parse_is(p, 0, "TRY_CAST"))) {
        bool try_cast = parse_is(p, 0, "TRY_CAST");
        parse_next(p);
        return parse_cast(p, token, try_cast);
    }
    if (call && parse_is(p, 0, "EXISTS") && parse_at_query(p, 2)) {
        p->at += 2;
        node = parse_node_at(p, AST_EXISTS, STR_NONE, token);
        parse_add(p, node, parse_query(p));
        parse_expect_symbol(p, ")");
        return node;
    }
    if (is_bare_function(p)) {
        node = parse_node_at(p, AST_CALL, parse_next(p)->text, token);
        node->flags |= AST_BARE;
        return node;
    }
    if (!call && parse_is_any(p, 0, not_names)) {
        parse_fail(p, "an expression");
        return p->nothing;
    }
    static const char *const directions[] = {"BOTH", "LEADING", "TRAILING", NULL};
    if (token->kind == TOKEN_WORD && parse_peek(p, 1)->kind == TOKEN_STRING && p->at + 1 < p->end &&
        !parse_is_any(p, 0, directions))
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "UNSUPPORTED_TYPED_LITERAL",
                      "0A000", "there are no literals of the type %.*s", STR_ARG(token->text));
    struct str name = parse_next(p)->text;
    if (call)
        return parse_call(p, name, token);
    return parse_node_at(p, AST_NAME, name, token);
}

static struct ast_node *parse_operand(struct parser *p)
{
    const struct token *token = parse_peek(p, 0);
    if (at_lambda(p))
        return parse_lambda(p);
    if (parse_at_name(p, 0))
        return parse_name_operand(p);
    if (parse_is_symbol(p, 0, "("))
        return parse_brackets(p, token);
    if (parse_is_symbol(p, 0, "*"))
        return parse_star(p, NULL);
    if (parse_is_symbol(p, 0, "-") && parse_peek(p, 1)->kind == TOKEN_NUMBER) {
        parse_next(p);
        const struct token *number = parse_next(p);
        struct str text = str_of(arena_printf(p->arena, "-%.*s", STR_ARG(number->text)));
        return parse_node_at(p, AST_NUMBER, text, token);
    }
    if (token->kind == TOKEN_NUMBER) {
        parse_next(p);
        parse_check_number(p, token);
        return parse_node_at(p, AST_NUMBER, token->text, token);
    }
    if (token->kind == TOKEN_STRING)
        return parse_node_at(p, AST_STRING, parse_string(p), token);
    if (parse_symbol(p, "?"))
        return parse_node_at(p, AST_PARAMETER, STR("?"), token);
    if (parse_is_symbol(p, 0, ":") && parse_at_name(p, 1)) {
        parse_next(p);
        return parse_node_at(p, AST_PARAMETER, parse_next(p)->text, token);
    }
    parse_fail(p, "an expression");
    return p->nothing;
}

/* a.b.f( : the name of a function with its schema. */
static bool is_name_chain(const struct ast_node *node)
{
    while (node->kind == AST_FIELD)
        node = node->kids[0];
    return node->kind == AST_NAME;
}

static struct ast_node *parse_field(struct parser *p, struct ast_node *base, size_t start)
{
    parse_next(p);
    if (parse_is_symbol(p, 0, "*"))
        return parse_star(p, base);
    const struct token *token = parse_peek(p, 0);
    struct str name;
    if (token->kind == TOKEN_NUMBER && base->kind != AST_NAME) {
        parse_fail(p, "a field name");
        return p->nothing;
    }
    name = parse_at_name(p, 0) ? parse_next(p)->text : parse_name(p, "a field name");
    if (parse_is_symbol(p, 0, "(") && is_name_chain(base))
        return parse_call(p, parse_source(p, start), &p->tokens[start]);
    struct ast_node *node = parse_node_at(p, AST_FIELD, name, token);
    parse_add(p, node, base);
    return node;
}

struct ast_node *parse_primary(struct parser *p)
{
    if (!parse_enter(p))
        return p->nothing;
    size_t start = p->at;
    struct ast_node *node = parse_operand(p);
    for (;;) {
        const struct token *token = parse_peek(p, 0);
        if (parse_is_symbol(p, 0, ".")) {
            node = parse_field(p, node, start);
        } else if (parse_symbol(p, "[")) {
            struct ast_node *index = parse_node_at(p, AST_INDEX, STR_NONE, token);
            parse_add(p, index, node);
            parse_add(p, index, parse_value(p, 1));
            parse_expect_symbol(p, "]");
            node = index;
        } else if (parse_symbol(p, "::")) {
            struct ast_node *cast = parse_node_at(p, AST_CAST, STR_NONE, token);
            parse_add(p, cast, node);
            cast->type = parse_type(p, &cast->text);
            node = cast;
        } else if ((parse_is(p, 0, "COLLATE") || parse_is_symbol(p, 0, ":")) &&
                   parse_at_name(p, 1)) {
            parse_fail_at(p, ERR_UNSUPPORTED, token->line, token->column, "UNSUPPORTED_FEATURE",
                          "0A000", "%s is not supported yet",
                          parse_is(p, 0, "COLLATE") ? "COLLATE" : "a path into a VARIANT (a:b)");
        } else {
            break;
        }
    }
    parse_leave(p);
    return node;
}

/* ---- types ---- */

/* Index behind the type that starts at the cursor, counted from it. */
static size_t type_extent(const struct parser *p)
{
    size_t i = 1;
    if (parse_is(p, 0, "INTERVAL")) {
        static const char *const units[] = {"YEAR",   "MONTH",  "DAY", "HOUR",
                                            "MINUTE", "SECOND", NULL};
        if (parse_is_any(p, 1, units))
            i = parse_is(p, 2, "TO") && parse_is_any(p, 3, units) ? 4 : 2;
        return i;
    }
    if (parse_is(p, 0, "TIMESTAMP") && (parse_is(p, 1, "WITHOUT") || parse_is(p, 1, "WITH"))) {
        for (size_t k = 1; k <= 4; k++)
            i = parse_at_name(p, k) ? k + 1 : i;
        return parse_is(p, i - 1, "ZONE") ? i : parse_is(p, i - 2, "ZONE") ? i - 1 : i;
    }
    if (parse_is_symbol(p, 1, "<>"))
        return 2;
    int depth = 0;
    if (parse_is_symbol(p, 1, "<")) {
        do {
            depth += parse_is_symbol(p, i, "<")     ? 1
                     : parse_is_symbol(p, i, ">")   ? -1
                     : parse_is_symbol(p, i, ">>")  ? -2
                     : parse_is_symbol(p, i, ">>>") ? -3
                                                    : 0;
            i++;
        } while (depth > 0 && parse_peek(p, i)->kind != TOKEN_END && p->at + i < p->end);
        return i;
    }
    if (parse_is_symbol(p, i, "(")) {
        while (p->at + i < p->end && !parse_is_symbol(p, i, ")"))
            i++;
        i++;
    }
    if (parse_is(p, i, "COLLATE") && parse_at_name(p, i + 1))
        i += 2;
    return i;
}

const struct type *parse_type(struct parser *p, struct str *ret_text)
{
    const struct token *token = parse_peek(p, 0);
    size_t start = p->at;
    const struct type *type = type_simple(TYPE_NULL);
    *ret_text = STR("");
    if (!parse_at_name(p, 0)) {
        parse_fail(p, "a type");
        return type;
    }
    size_t extent = type_extent(p);
    p->at = start + extent > p->end ? p->end : start + extent;
    *ret_text = parse_source(p, start);
    struct diag diag = {0};
    enum err err = type_parse(p->arena, *ret_text, &diag, &type);
    if (err != OK)
        parse_fail_at(p, err, token->line + (diag.line > 1 ? diag.line - 1 : 0),
                      diag.line > 1 ? diag.column : token->column + diag.column - !!diag.column,
                      diag.error_class[0] ? diag.error_class : "PARSE_SYNTAX_ERROR",
                      diag.sqlstate[0] ? diag.sqlstate : "42601", "%s",
                      diag.message[0] ? diag.message : err_text(err));
    return type;
}
