/* SPDX-License-Identifier: MIT */
/*
 * The parser of CQL: recursive descent, one function a rule, two tokens of look-ahead. This file
 * has what all rules stand on: tokens, errors, names, and the first word of a statement.
 *
 * People compare error texts with those of Cassandra, which come from a generated parser: its two
 * forms are "mismatched input X expecting Y" where one token must follow, and "no viable
 * alternative at input X" where several could. Which of the two a place gives follows from that
 * parser's tables; here it is told by calling cql_expect() or cql_no_way(). Behind either stands a
 * piece of the statement: from ten tokens (white space counted) before the place where the choice
 * began to two behind it as far as the parser had looked, with the token in brackets. cql_peek()
 * keeps the furthest look for that. Where Cassandra's piece ends one token later we do not follow.
 *
 * Invariants: 1. an error of the lexer is told as soon as its token is looked at, like there;
 * 2. all memory is the arena's, arrays double; 3. the depth of nesting is bounded, recursion passes
 * through cql_enter().
 */
#include "serve/cql/parse.h"

#include "base/check.h"

void *cql_grow(struct cql_parser *p, void *items, size_t count, size_t bytes)
{
    if (count && (count < 4 || (count & (count - 1)) != 0))
        return items;
    void *more = arena_array(p->arena, count ? count * 2 : 4, bytes);
    if (count)
        memcpy(more, items, count * bytes);
    return more;
}

static enum err told(struct cql_parser *p, enum err err)
{
    return p->arena->over ? ERR_LIMIT : err;
}

const struct cql_token *cql_peek(struct cql_parser *p, uint32_t ahead)
{
    uint32_t at = p->at + ahead;
    if (at >= p->visible_count)
        at = p->visible_count - 1;
    const struct cql_token *token = &p->tokens.items[p->visible[at]];
    if (at > p->seen)
        p->seen = at;
    if (token->kind == CQL_T_ERROR)
        diag_set(p->diag, ERR_SYNTAX, 0, 0, "%.*s", STR_ARG(token->text));
    return token;
}

bool cql_take(struct cql_parser *p, enum cql_token_kind kind)
{
    if (cql_peek(p, 0)->kind != kind)
        return false;
    if (kind != CQL_T_END)
        p->at++;
    return true;
}

struct str cql_source(const struct cql_parser *p, uint32_t from)
{
    check(p->at > from);
    uint32_t start = p->tokens.items[p->visible[from]].start;
    uint32_t end = p->tokens.items[p->visible[p->at - 1]].end;
    return str_slice(p->text, start, end);
}

/* ---- errors ---- */

static bool is_last_line(struct str text, size_t at)
{
    /* Line feeds at the very end make no line. */
    for (; at < text.bytes; at++)
        if (text.ptr[at] == '\n') {
            for (size_t i = at; i < text.bytes; i++)
                if (text.ptr[i] != '\n')
                    return false;
            return true;
        }
    return true;
}

static size_t line_end(struct str text, size_t at)
{
    while (at < text.bytes && text.ptr[at] != '\n')
        at++;
    return at;
}

static bool begins_character(char c)
{
    return ((uint8_t)c & 0xC0) != 0x80;
}

/* Where as many characters of the statement as the token's text has end. */
static size_t token_end(struct str text, const struct cql_token *token)
{
    size_t at = token->start, characters = 0;
    for (size_t i = 0; i < token->text.bytes; i++)
        characters += begins_character(token->text.ptr[i]);
    while (at < text.bytes && (characters > 0 || !begins_character(text.ptr[at])))
        characters -= begins_character(text.ptr[at++]);
    return at;
}

/* The piece of the statement around a token. Cassandra takes a token's length from its text, so
 * that of 'abc' it marks three characters: [']abc' and the like come from there. */
static void append_piece(struct cql_parser *p, uint32_t index, struct buf *out)
{
    uint32_t last = p->visible[p->seen];
    if (index > last)
        last = index;
    const struct cql_token *from = &p->tokens.items[index > 10 ? index - 10 : 0];
    const struct cql_token *to = &p->tokens.items[index + 2 < last ? index + 2 : last];
    const struct cql_token *it = &p->tokens.items[index];
    if (to->kind <= CQL_T_ERROR || it->kind <= CQL_T_ERROR)
        return;
    size_t it_end = it->text.bytes ? token_end(p->text, it) : it->end;
    size_t to_end = token_end(p->text, to);
    size_t end = line_end(p->text, to->start);
    bool query_end = is_last_line(p->text, to->start) && to_end == end;
    if (to == it && to_end < it_end)
        to_end = it_end;
    buf_text(out, from->line == 1 && from->column == 0 ? " (" : " (...");
    for (size_t i = from->start; i < to_end && i < p->text.bytes; i++) {
        if (i == it->start)
            buf_char(out, '[');
        if (i == it_end)
            buf_char(out, ']');
        if (p->text.ptr[i] != '\n')
            buf_char(out, p->text.ptr[i]);
    }
    if (it_end >= to_end)
        buf_char(out, ']');
    buf_text(out, query_end ? ")" : "...)");
}

/* what: of the token at `wrong`; the piece stands around the token where the choice began. */
static enum err fail(struct cql_parser *p, uint32_t wrong, const char *form, const char *expected)
{
    if (p->quiet)
        return told(p, ERR_SYNTAX);
    if (wrong >= p->visible_count)
        wrong = p->visible_count - 1;
    const struct cql_token *token = &p->tokens.items[p->visible[wrong]];
    CLEAN(buf_deinit) struct buf out = {.bytes_max = 1 << 16};
    if (token->kind == CQL_T_END)
        buf_text(&out, "line 0:-1 ");
    else
        buf_printf(&out, "line %u:%u ", token->line, token->column);
    struct str word = token->text;
    if (token->kind == CQL_T_QUOTED && word.bytes == 0)
        word = STR("\"\"");
    buf_printf(&out, "%s input '%.*s'", form, STR_ARG(word));
    if (expected)
        buf_printf(&out, " expecting %s", expected);
    if (p->tokens.items[p->visible[p->at]].kind != CQL_T_END)
        append_piece(p, p->visible[p->at], &out);
    diag_set(p->diag, ERR_SYNTAX, 0, 0, "%.*s", STR_ARG(buf_str(&out)));
    return told(p, ERR_SYNTAX);
}

enum err cql_no_way(struct cql_parser *p, uint32_t ahead)
{
    cql_peek(p, ahead);
    return fail(p, p->at + ahead, "no viable alternative at", NULL);
}

enum err cql_mismatch(struct cql_parser *p, const char *expected)
{
    cql_peek(p, 0);
    return fail(p, p->at, "mismatched", expected);
}

enum err cql_expect(struct cql_parser *p, enum cql_token_kind kind)
{
    return cql_take(p, kind) ? OK : cql_mismatch(p, cql_token_name(kind));
}

enum err cql_refuse(struct cql_parser *p, const char *format, ...)
{
    if (p->quiet)
        return told(p, ERR_SYNTAX);
    CLEAN(buf_deinit) struct buf out = {.bytes_max = 1 << 16};
    va_list args;
    va_start(args, format);
    buf_vprintf(&out, format, args);
    va_end(args);
    diag_set(p->diag, ERR_SYNTAX, 0, 0, "%.*s", STR_ARG(buf_str(&out)));
    return told(p, ERR_SYNTAX);
}

enum err cql_enter(struct cql_parser *p)
{
    if (++p->depth > CQL_DEPTH_MAX || p->arena->over) {
        diag_set(p->diag, ERR_LIMIT, 0, 0,
                 p->arena->over ? "The statement takes too much memory"
                                : "The statement is nested too deep");
        return ERR_LIMIT;
    }
    return OK;
}

/* ---- names ---- */

bool cql_is_name(enum cql_token_kind kind)
{
    return kind == CQL_T_IDENT || kind == CQL_T_QUOTED ||
           (cql_is_word(kind) && cql_word_class(kind) != WORD_RESERVED);
}

static bool is_name(const struct cql_token *token)
{
    return cql_is_name(token->kind) && !(token->kind == CQL_T_QUOTED && token->text.bytes == 0);
}

/* Folds what was not quoted. */
static struct str folded(struct cql_parser *p, const struct cql_token *token)
{
    bool upper = false;
    for (size_t i = 0; i < token->text.bytes; i++)
        upper |= token->text.ptr[i] >= 'A' && token->text.ptr[i] <= 'Z';
    if (token->kind == CQL_T_QUOTED || token->kind == CQL_T_STRING || !upper)
        return token->text;
    char *copy = arena_text(p->arena, token->text);
    for (char *c = copy; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    return str_from(copy, token->text.bytes);
}

enum err cql_name_take(struct cql_parser *p, struct str *ret_name)
{
    const struct cql_token *token = cql_peek(p, 0);
    if (!is_name(token))
        return cql_no_way(p, 0);
    *ret_name = folded(p, token);
    p->at++;
    return OK;
}

enum err cql_column_take(struct cql_parser *p, struct str *ret_name)
{
    const struct cql_token *token = cql_peek(p, 0);
    if (token->kind == CQL_T_QUOTED && token->text.bytes == 0) {
        *ret_name = STR("");
        p->at++;
        return OK;
    }
    return cql_name_take(p, ret_name);
}

enum err cql_keyspace_name(struct cql_parser *p, struct str *ret_name)
{
    if (cql_kind(p, 0) == CQL_M_QUESTION)
        return cql_refuse(p, "Bind variables cannot be used for keyspace names");
    return cql_name_take(p, ret_name);
}

/* What may stand behind the name of a table somewhere in the grammar. */
static bool follows_table(enum cql_token_kind kind)
{
    switch ((int)kind) {
    case CQL_T_END:
    case CQL_M_DOT:
    case CQL_M_SEMICOLON:
    case CQL_M_OPEN:
    case CQL_M_CLOSE:
    case CQL_K_WHERE:
    case CQL_K_GROUP:
    case CQL_K_ORDER:
    case CQL_K_PER:
    case CQL_K_LIMIT:
    case CQL_K_ALLOW:
    case CQL_K_JSON:
    case CQL_K_USING:
    case CQL_K_SET:
    case CQL_K_AS:
    case CQL_K_PRIMARY:
    case CQL_K_TO:
    case CQL_K_FROM:
    case CQL_K_OF:
    case CQL_K_NORECURSIVE:
    case CQL_K_ADD:
    case CQL_K_ALTER:
    case CQL_K_DROP:
    case CQL_K_RENAME:
    case CQL_K_WITH:
        return true;
    default:
        return false;
    }
}

enum err cql_table_name(struct cql_parser *p, const char *what, struct cql_name *ret_name)
{
    if (cql_kind(p, 0) == CQL_M_QUESTION)
        return cql_refuse(p, "Bind variables cannot be used for %s names", what);
    if (!is_name(cql_peek(p, 0)))
        return cql_no_way(p, 0);
    if (!follows_table(cql_kind(p, 1)))
        return cql_no_way(p, 1);
    struct cql_name name = {STR_NONE, STR_NONE};
    TRY(cql_name_take(p, &name.name));
    if (cql_take(p, CQL_M_DOT)) {
        name.keyspace = name.name;
        if (cql_kind(p, 0) == CQL_M_QUESTION)
            return cql_refuse(p, "Bind variables cannot be used for %s names", what);
        TRY(cql_name_take(p, &name.name));
    }
    *ret_name = name;
    return OK;
}

/* Names of native types are not names of user types; so are some words kept for later. */
enum err cql_type_name(struct cql_parser *p, struct cql_name *ret_name)
{
    static const char *const kept[] = {"byte",     "complex", "enum",      "date",
                                       "interval", "macaddr", "bitstring", NULL};
    struct cql_name name = {STR_NONE, STR_NONE};
    if (is_name(cql_peek(p, 0)) && cql_kind(p, 1) == CQL_M_DOT) {
        TRY(cql_name_take(p, &name.keyspace));
        p->at++;
    }
    const struct cql_token *token = cql_peek(p, 0);
    bool word = cql_is_word(token->kind);
    if (word && cql_word_class(token->kind) == WORD_TYPE && !name.keyspace.ptr) {
        p->at++;
        return cql_mismatch(p, "'.'");
    }
    if (!is_name(token) ||
        (word && cql_word_class(token->kind) != WORD_BASIC && token->kind != CQL_K_KEY))
        return cql_no_way(p, 0);
    TRY(cql_name_take(p, &name.name));
    for (size_t i = 0; kept[i] && token->kind == CQL_T_IDENT; i++)
        if (str_equal(name.name, str_of(kept[i])))
            return cql_refuse(p, "Invalid (reserved) user type name %.*s", STR_ARG(name.name));
    *ret_name = name;
    return OK;
}

enum err cql_function_name(struct cql_parser *p, struct cql_name *ret_name)
{
    struct cql_name name = {STR_NONE, STR_NONE};
    if (cql_kind(p, 1) == CQL_M_DOT) {
        TRY(cql_keyspace_name(p, &name.keyspace));
        p->at++;
    }
    const struct cql_token *token = cql_peek(p, 0);
    bool special = token->kind == CQL_K_TOKEN || token->kind == CQL_K_COUNT;
    bool word = cql_is_word(token->kind);
    enum cql_word_class class = word ? cql_word_class(token->kind) : WORD_BASIC;
    if (!special && (!is_name(token) || class == WORD_COLUMN))
        return cql_no_way(p, 0);
    name.name = folded(p, token);
    p->at++;
    *ret_name = name;
    return OK;
}

enum err cql_if_not_exists(struct cql_parser *p, bool *ret_said)
{
    *ret_said = cql_take(p, CQL_K_IF);
    if (!*ret_said)
        return OK;
    TRY(cql_expect(p, CQL_K_NOT));
    return cql_expect(p, CQL_K_EXISTS);
}

enum err cql_if_exists(struct cql_parser *p, bool *ret_said)
{
    *ret_said = cql_take(p, CQL_K_IF);
    return *ret_said ? cql_expect(p, CQL_K_EXISTS) : OK;
}

/* ---- statements ---- */

static enum err parse_use(struct cql_parser *p, struct cql_statement *st)
{
    st->kind = CQL_USE;
    p->at++;
    return cql_keyspace_name(p, &st->name.name);
}

static enum err parse_truncate(struct cql_parser *p, struct cql_statement *st)
{
    st->kind = CQL_TRUNCATE;
    p->at++;
    cql_take(p, CQL_K_COLUMNFAMILY);
    return cql_table_name(p, "table", &st->name);
}

static enum err parse_modify(struct cql_parser *p, struct cql_statement *st)
{
    st->kind = CQL_MODIFY;
    if (cql_kind(p, 0) == CQL_K_INSERT)
        return cql_parse_insert(p, &st->modify);
    return cql_kind(p, 0) == CQL_K_UPDATE ? cql_parse_update(p, &st->modify)
                                          : cql_parse_delete(p, &st->modify);
}

static enum err parse_statement(struct cql_parser *p, struct cql_statement *st)
{
    static const struct {
        enum cql_token_kind first;
        enum err (*parse)(struct cql_parser *p, struct cql_statement *st);
    } forms[] = {
        {CQL_K_SELECT, cql_parse_select},     {CQL_K_INSERT, parse_modify},
        {CQL_K_UPDATE, parse_modify},         {CQL_K_DELETE, parse_modify},
        {CQL_K_BEGIN, cql_parse_batch},       {CQL_K_USE, parse_use},
        {CQL_K_TRUNCATE, parse_truncate},     {CQL_K_CREATE, cql_parse_create},
        {CQL_K_ALTER, cql_parse_alter},       {CQL_K_DROP, cql_parse_drop},
        {CQL_K_DESCRIBE, cql_parse_describe}, {CQL_K_DESC, cql_parse_describe},
        {CQL_K_LIST, cql_parse_list},         {CQL_K_GRANT, cql_parse_grant},
        {CQL_K_REVOKE, cql_parse_grant},      {CQL_K_ADD, cql_parse_identity},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (cql_kind(p, 0) == forms[i].first)
            return forms[i].parse(p, st);
    return cql_no_way(p, 0);
}

enum err cql_parse(struct arena *arena, struct str text, struct diag *diag,
                   struct cql_statement **ret_statement)
{
    struct cql_parser p = {.arena = arena, .diag = diag, .text = text};
    struct diag unused = {.err = OK};
    if (!diag)
        p.diag = &unused;
    TRY(cql_lex(arena, text, &p.tokens));
    p.visible = arena_array(arena, p.tokens.count, sizeof(*p.visible));
    if (arena->over)
        return ERR_LIMIT;
    for (size_t i = 0; i < p.tokens.count; i++)
        if (p.tokens.items[i].kind != CQL_T_HIDDEN)
            p.visible[p.visible_count++] = (uint32_t)i;
    struct cql_statement *st = arena_zero(arena, sizeof(*st));
    enum err err = parse_statement(&p, st);
    while (err == OK && cql_take(&p, CQL_M_SEMICOLON))
        continue;
    if (err == OK)
        err = cql_expect(&p, CQL_T_END);
    if (arena->over)
        return ERR_LIMIT;
    if (err != OK)
        return err;
    st->marker_count = p.marker_count;
    st->marker_names = p.markers;
    *ret_statement = st;
    return OK;
}
