/* SPDX-License-Identifier: MIT */
/*
 * What all parts of the parser share: looking at tokens, names, errors.
 *
 * Invariants:
 *  1. After the first error failed is set and parse_peek() answers TOKEN_END for ever: every loop
 *     over tokens ends, nothing is reported twice.
 *  2. No tree is higher than AST_HEIGHT_MAX and no recursion deeper than PARSE_DEPTH_MAX.
 */
#include "query/parse.h"

#include <stdio.h>

enum { PARSE_DEPTH_MAX = 400 };

const struct token *parse_peek(const struct parser *p, size_t ahead)
{
    size_t i = p->at + ahead;
    return &p->tokens[p->failed || i > p->end ? p->end : i];
}

const struct token *parse_next(struct parser *p)
{
    const struct token *token = parse_peek(p, 0);
    if (!p->failed && p->at < p->end)
        p->at++;
    return token;
}

static bool at_end(const struct parser *p, size_t ahead)
{
    return p->failed || p->at + ahead >= p->end;
}

bool parse_is(const struct parser *p, size_t ahead, const char *word)
{
    const struct token *token = parse_peek(p, ahead);
    return !at_end(p, ahead) && token->kind == TOKEN_WORD &&
           str_equal_nocase(token->text, str_of(word));
}

bool parse_is_symbol(const struct parser *p, size_t ahead, const char *symbol)
{
    const struct token *token = parse_peek(p, ahead);
    return !at_end(p, ahead) && token->kind == TOKEN_SYMBOL &&
           str_equal(token->text, str_of(symbol));
}

bool parse_word(struct parser *p, const char *word)
{
    if (!parse_is(p, 0, word))
        return false;
    p->at++;
    return true;
}

bool parse_symbol(struct parser *p, const char *symbol)
{
    if (!parse_is_symbol(p, 0, symbol))
        return false;
    p->at++;
    return true;
}

bool parse_words(struct parser *p, const char *words)
{
    size_t count = 0;
    struct str rest = str_of(words), word;
    for (; str_cut(&rest, ' ', &word); count++) {
        const struct token *token = parse_peek(p, count);
        if (at_end(p, count) || token->kind != TOKEN_WORD || !str_equal_nocase(token->text, word))
            return false;
    }
    p->at += count;
    return true;
}

bool parse_is_any(const struct parser *p, size_t ahead, const char *const *words)
{
    for (; *words; words++) {
        if (parse_is(p, ahead, *words))
            return true;
    }
    return false;
}

void parse_fail_at(struct parser *p, enum err err, uint32_t line, uint32_t column,
                   const char *error_class, const char *sqlstate, const char *format, ...)
{
    if (p->failed)
        return;
    char message[sizeof(p->diag.message)];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    diag_set(&p->diag, err, line, column, "%s", message);
    diag_class(&p->diag, error_class, sqlstate);
    p->failed = true;
}

void parse_fail(struct parser *p, const char *expected)
{
    const struct token *token = parse_peek(p, 0);
    if (p->failed)
        return;
    if (token->kind == TOKEN_ERROR)
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column,
                      lex_is_open_comment(token) ? "UNCLOSED_BRACKETED_COMMENT"
                                                 : "PARSE_SYNTAX_ERROR",
                      "42601", "%.*s", STR_ARG(token->text));
    else if (p->at >= p->end)
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "PARSE_SYNTAX_ERROR", "42601",
                      "the statement ends where %s should be", expected);
    else
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "PARSE_SYNTAX_ERROR", "42601",
                      "syntax error at or near '%.*s', expected %s",
                      (int)(token->text.bytes > 60 ? 60 : token->text.bytes), token->text.ptr,
                      expected);
}

void parse_expect(struct parser *p, const char *word)
{
    if (!parse_word(p, word))
        parse_fail(p, word);
}

void parse_expect_symbol(struct parser *p, const char *symbol)
{
    if (parse_symbol(p, symbol))
        return;
    char expected[16];
    snprintf(expected, sizeof(expected), "'%s'", symbol);
    parse_fail(p, expected);
}

bool parse_at_name(const struct parser *p, size_t ahead)
{
    const struct token *token = parse_peek(p, ahead);
    return !at_end(p, ahead) && (token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED);
}

/* a-b directly behind a name, without blanks: a name that should stand in back-ticks. */
static bool has_hyphen(const struct parser *p)
{
    const struct token *minus = parse_peek(p, 0), *rest = parse_peek(p, 1);
    return p->at > 0 && parse_is_symbol(p, 0, "-") && parse_at_name(p, 1) &&
           minus->start == p->tokens[p->at - 1].end && rest->start == minus->end;
}

struct str parse_name(struct parser *p, const char *what)
{
    if (!parse_at_name(p, 0)) {
        parse_fail(p, what);
        return STR("");
    }
    const struct token *token = parse_next(p);
    if (has_hyphen(p))
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "INVALID_IDENTIFIER", "42602",
                      "the name %.*s-%.*s must stand in back-ticks", STR_ARG(token->text),
                      STR_ARG(parse_peek(p, 1)->text));
    return token->text;
}

struct ast_node *parse_node_at(struct parser *p, enum ast_kind kind, struct str text,
                               const struct token *token)
{
    return ast_new(p->arena, kind, text, token->line, token->column);
}

struct ast_node *parse_node(struct parser *p, enum ast_kind kind, struct str text)
{
    return parse_node_at(p, kind, text, parse_peek(p, 0));
}

void parse_add(struct parser *p, struct ast_node *node, struct ast_node *kid)
{
    if (node == p->nothing || (kid && kid == p->nothing))
        return;
    ast_add(p->arena, node, kid);
    if (node->height > AST_HEIGHT_MAX || p->arena->over)
        parse_fail_at(p, ERR_LIMIT, node->line, node->column, "", "54001",
                      "the statement is nested too deeply or too long");
}

struct ast_node *parse_relation_name(struct parser *p)
{
    struct ast_node *node = parse_node(p, AST_RELATION, STR_NONE);
    size_t start = p->at;
    do {
        struct ast_node *part = parse_node(p, AST_NAME, STR_NONE);
        part->text = parse_name(p, "a name");
        parse_add(p, node, part);
    } while (parse_symbol(p, "."));
    node->text = parse_source(p, start);
    return node;
}

struct ast_node *parse_name_list(struct parser *p)
{
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    parse_expect_symbol(p, "(");
    do {
        struct ast_node *part = parse_node(p, AST_NAME, STR_NONE);
        part->text = parse_name(p, "a name");
        parse_add(p, list, part);
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
    return list;
}

struct str parse_string(struct parser *p)
{
    if (parse_peek(p, 0)->kind != TOKEN_STRING) {
        parse_fail(p, "a string");
        return STR("");
    }
    struct str value = lex_string(p->arena, parse_next(p)->text);
    while (parse_peek(p, 0)->kind == TOKEN_STRING && !at_end(p, 0)) {
        struct str more = lex_string(p->arena, parse_next(p)->text);
        char *both = arena_array(p->arena, value.bytes + more.bytes + 1, 1);
        if (value.bytes)
            memcpy(both, value.ptr, value.bytes);
        if (more.bytes)
            memcpy(both + value.bytes, more.ptr, more.bytes);
        value = str_from(both, value.bytes + more.bytes);
    }
    return value;
}

bool parse_enter(struct parser *p)
{
    if (++p->depth > PARSE_DEPTH_MAX) {
        const struct token *token = parse_peek(p, 0);
        parse_fail_at(p, ERR_LIMIT, token->line, token->column, "", "54001",
                      "the statement is nested too deeply");
    }
    return !p->failed;
}

void parse_leave(struct parser *p)
{
    p->depth--;
}

struct str parse_source(const struct parser *p, size_t start)
{
    if (p->at <= start)
        return STR("");
    return str_slice(p->text, p->tokens[start].start, p->tokens[p->at - 1].end);
}

struct str parse_skip_brackets(struct parser *p)
{
    size_t start = p->at, depth = 0;
    parse_expect_symbol(p, "(");
    for (depth = 1; depth > 0 && !at_end(p, 0);) {
        const struct token *token = parse_next(p);
        if (token->kind != TOKEN_SYMBOL)
            continue;
        if (str_equal(token->text, STR("(")))
            depth++;
        else if (str_equal(token->text, STR(")")))
            depth--;
    }
    if (depth > 0)
        parse_fail(p, "')'");
    return parse_source(p, start);
}
