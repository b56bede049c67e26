/* SPDX-License-Identifier: MIT */
/*
 * Text to tokens, by Spark's lexer rules.
 *
 * Names may begin with a digit (1k is a name, 1e3 and 1L are numbers): both rules are tried and the
 * longer match wins, the number when they are equal. A decimal point makes a number only when no
 * letter or digit of a name follows, so db.1k.2m is three names. Key words are not marked here:
 * Spark reserves none, the parser asks for words where the grammar has them.
 *
 * Comments: "--" to the end of the line, a backslash before the line feed continues it; bracketed
 * comments nest; hints are comments to us.
 *
 * A quote inside a string needs a backslash: 'it''s' is two strings side by side, which the parser
 * joins.
 *
 * The whole script becomes one array, so that the parser may look ahead as far as it likes. After
 * something that is no token (an open string, a stray character) the array ends: what is behind
 * cannot be told apart from its inside.
 */
#include "query/lex.h"

enum { LEX_TEXT_MAX = 4 << 20 };

struct lexer {
    struct arena *arena;
    struct str text;
    size_t at;
    uint32_t line, column;
    struct token_list out;
    size_t room;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char at(const struct lexer *lexer, size_t i)
{
    return i < lexer->text.bytes ? lexer->text.ptr[i] : '\0';
}

static void advance(struct lexer *lexer, size_t to)
{
    for (; lexer->at < to; lexer->at++) {
        unsigned char c = (unsigned char)lexer->text.ptr[lexer->at];
        if (c == '\n') {
            lexer->line++;
            lexer->column = 1;
        } else if ((c & 0xC0) != 0x80) {
            lexer->column++;
        }
    }
}

static struct token *emit(struct lexer *lexer, enum token_kind kind, size_t end)
{
    struct token_list *out = &lexer->out;
    if (out->count == lexer->room) {
        lexer->room = lexer->room ? lexer->room * 2 : 64;
        out->items = mem_realloc_array(out->items, lexer->room, sizeof(*out->items));
    }
    struct token *token = &out->items[out->count++];
    *token = (struct token){.kind = kind,
                            .line = lexer->line,
                            .column = lexer->column,
                            .start = (uint32_t)lexer->at,
                            .end = (uint32_t)end,
                            .text = str_slice(lexer->text, lexer->at, end)};
    advance(lexer, end);
    return token;
}

static void fail(struct lexer *lexer, const char *message)
{
    emit(lexer, TOKEN_ERROR, lexer->at)->text = str_of(message);
    lexer->at = lexer->text.bytes;
}

/* The end of a bracketed comment that starts at i, SIZE_MAX when it has none. */
static size_t comment_end(const struct lexer *lexer, size_t i)
{
    size_t depth = 0;
    for (; i + 1 < lexer->text.bytes; i++) {
        if (at(lexer, i) == '/' && at(lexer, i + 1) == '*') {
            depth++;
            i++;
        } else if (at(lexer, i) == '*' && at(lexer, i + 1) == '/') {
            depth--;
            i++;
            if (depth == 0)
                return i + 1;
        }
    }
    return SIZE_MAX;
}

static size_t line_comment_end(const struct lexer *lexer, size_t i)
{
    for (; i < lexer->text.bytes; i++) {
        if (at(lexer, i) == '\\' && at(lexer, i + 1) == '\n')
            i++;
        else if (at(lexer, i) == '\n')
            break;
    }
    return i;
}

static const char open_comment[] = "a bracketed comment is not closed";

bool lex_is_open_comment(const struct token *token)
{
    return token->kind == TOKEN_ERROR && str_equal(token->text, str_of(open_comment));
}

/* True when something was skipped. */
static bool skip_blank(struct lexer *lexer)
{
    char c = at(lexer, lexer->at);
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v') {
        advance(lexer, lexer->at + 1);
        return true;
    }
    if (c == '-' && at(lexer, lexer->at + 1) == '-') {
        advance(lexer, line_comment_end(lexer, lexer->at));
        return true;
    }
    if (c == '/' && at(lexer, lexer->at + 1) == '*') {
        size_t end = comment_end(lexer, lexer->at);
        if (end == SIZE_MAX)
            fail(lexer, open_comment);
        else
            advance(lexer, end);
        return true;
    }
    /* a no-break space, as pasted from web pages */
    if (c == '\xC2' && at(lexer, lexer->at + 1) == '\xA0') {
        advance(lexer, lexer->at + 2);
        return true;
    }
    return false;
}

static size_t digits_end(const struct lexer *lexer, size_t i)
{
    while (is_digit(at(lexer, i)))
        i++;
    return i;
}

/* The end of a suffix L S Y F D BD at i; i when there is none. */
static size_t suffix_end(const struct lexer *lexer, size_t i)
{
    char c = (char)(at(lexer, i) | 0x20), next = (char)(at(lexer, i + 1) | 0x20);
    if (c == 'b' && next == 'd')
        return i + 2;
    return c == 'l' || c == 's' || c == 'y' || c == 'f' || c == 'd' ? i + 1 : i;
}

/* The end of a number at i; i when there is none. */
static size_t number_end(const struct lexer *lexer, size_t i)
{
    size_t whole = digits_end(lexer, i), end = whole;
    bool point = false;
    if (at(lexer, whole) == '.') {
        size_t fraction = digits_end(lexer, whole + 1);
        if (whole > i || fraction > whole + 1) {
            end = fraction;
            point = true;
        }
    }
    if (end == i)
        return i;
    if ((at(lexer, end) | 0x20) == 'e') {
        size_t e = end + 1;
        if (at(lexer, e) == '+' || at(lexer, e) == '-')
            e++;
        size_t exponent = digits_end(lexer, e);
        if (exponent > e) {
            end = exponent;
            point = true;
        }
    }
    end = suffix_end(lexer, end);
    if (point && is_name(at(lexer, end)))
        return whole; /* 1.5x: no number; "1" alone is one when digits stand there */
    return end;
}

static void lex_word(struct lexer *lexer)
{
    size_t start = lexer->at, word = start;
    while (is_name(at(lexer, word)))
        word++;
    size_t number = number_end(lexer, start);
    if (number > start && number >= word)
        emit(lexer, TOKEN_NUMBER, number);
    else
        emit(lexer, TOKEN_WORD, word);
}

static void lex_quoted_name(struct lexer *lexer)
{
    size_t i = lexer->at + 1;
    bool doubled = false;
    for (;; i++) {
        if (i >= lexer->text.bytes) {
            fail(lexer, "a name in back-ticks is not closed");
            return;
        }
        if (at(lexer, i) != '`')
            continue;
        if (at(lexer, i + 1) != '`')
            break;
        doubled = true;
        i++;
    }
    struct token *token = emit(lexer, TOKEN_QUOTED, i + 1);
    struct str inside = str_slice(token->text, 1, token->text.bytes - 1);
    if (doubled) {
        char *copy = arena_array(lexer->arena, inside.bytes, 1);
        size_t n = 0;
        for (size_t k = 0; k < inside.bytes; k++) {
            copy[n++] = inside.ptr[k];
            if (inside.ptr[k] == '`')
                k++;
        }
        inside = str_from(copy, n);
    }
    token->text = inside;
}

/* A string whose quote stands at i; a doubled quote inside stands for one, but not in a raw one. */
static void lex_quoted_string(struct lexer *lexer, size_t i, bool raw)
{
    char quote = at(lexer, i);
    for (i++;; i++) {
        if (i >= lexer->text.bytes) {
            fail(lexer, "a string is not closed");
            return;
        }
        if (at(lexer, i) == '\\' && !raw)
            i++;
        else if (at(lexer, i) == quote && at(lexer, i + 1) == quote && !raw)
            i++;
        else if (at(lexer, i) == quote)
            break;
    }
    emit(lexer, TOKEN_STRING, i + 1);
}

static const char *const symbols[] = {
    "<=>", ">>>", "->>", "<=", ">=", "<>", "!=", "==", "||", "::", "=>", "->", "<<", ">>", "!<",
    "!>",  "|>",  ":=",  "(",  ")",  "[",  "]",  ",",  ";",  ".",  "+",  "-",  "*",  "/",  "%",
    "=",   "<",   ">",   "!",  "~",  "&",  "|",  "^",  ":",  "?",  "@",  "{",  "}",
};

static void lex_symbol(struct lexer *lexer)
{
    struct str rest = str_slice(lexer->text, lexer->at, lexer->text.bytes);
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        if (str_starts(rest, str_of(symbols[i]))) {
            emit(lexer, TOKEN_SYMBOL, lexer->at + strlen(symbols[i]));
            return;
        }
    }
    fail(lexer, (unsigned char)rest.ptr[0] >= 0x80
                    ? "a name with letters outside A-Z must stand in back-ticks"
                    : "a character that SQL does not know");
}

static void lex_one(struct lexer *lexer)
{
    char c = at(lexer, lexer->at), next = at(lexer, lexer->at + 1);
    if (c == '\'' || c == '"')
        lex_quoted_string(lexer, lexer->at, false);
    else if ((c == 'r' || c == 'R') && (next == '\'' || next == '"'))
        lex_quoted_string(lexer, lexer->at + 1, true);
    else if (is_name(c) || (c == '.' && number_end(lexer, lexer->at) > lexer->at))
        lex_word(lexer);
    else if (c == '`')
        lex_quoted_name(lexer);
    else
        lex_symbol(lexer);
}

enum err lex(struct arena *arena, struct str text, struct token_list *ret_tokens)
{
    if (text.bytes > LEX_TEXT_MAX)
        return ERR_LIMIT;
    struct lexer lexer = {.arena = arena, .text = text, .line = 1, .column = 1};
    if (str_starts(text, STR("\xEF\xBB\xBF")))
        lexer.at = 3;
    while (lexer.at < text.bytes) {
        if (!skip_blank(&lexer))
            lex_one(&lexer);
    }
    emit(&lexer, TOKEN_END, lexer.at);
    *ret_tokens = lexer.out;
    return OK;
}

/* ---- strings ---- */

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        if (c >= 0xD800 && c < 0xE000)
            c = '?';
        if (c == '?')
            return put_utf8(out, c);
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    if (c > 0x10FFFF)
        return put_utf8(out, '?');
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* A number of exactly digits digits in a base; false when they are not there. */
static bool read_code(struct str s, size_t i, size_t digits, unsigned base, uint32_t *ret_code)
{
    uint32_t code = 0;
    if (i + digits > s.bytes)
        return false;
    for (size_t k = 0; k < digits; k++) {
        char c = s.ptr[i + k];
        uint32_t digit = is_digit(c) ? (uint32_t)(c - '0')
                         : ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                             ? (uint32_t)((c | 0x20) - 'a' + 10)
                             : 99;
        if (digit >= base)
            return false;
        code = code * base + digit;
    }
    *ret_code = code;
    return true;
}

/* The escape whose backslash stands at i: writes what it means, gives the index behind it. */
static size_t unescape(struct str s, size_t i, char *out, size_t *n)
{
    uint32_t code, low;
    char c = i + 1 < s.bytes ? s.ptr[i + 1] : '\\';
    if (c == 'u' && read_code(s, i + 2, 4, 16, &code)) {
        size_t end = i + 6;
        if (code >= 0xD800 && code < 0xDC00 && end + 1 < s.bytes && s.ptr[end] == '\\' &&
            s.ptr[end + 1] == 'u' && read_code(s, end + 2, 4, 16, &low) && low >= 0xDC00 &&
            low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            end += 6;
        }
        *n += put_utf8(out + *n, code);
        return end;
    }
    if (c == 'U' && read_code(s, i + 2, 8, 16, &code)) {
        *n += put_utf8(out + *n, code);
        return i + 10;
    }
    if ((c == '0' || c == '1') && read_code(s, i + 1, 3, 8, &code)) {
        *n += put_utf8(out + *n, code);
        return i + 4;
    }
    static const char from[] = "0bnrtZ", to[] = "\0\b\n\r\t\x1A";
    const char *known = c ? strchr(from, c) : NULL;
    if (c == '%' || c == '_')
        out[(*n)++] = '\\'; /* kept for LIKE */
    out[(*n)++] = known ? to[known - from] : c;
    return i + 2;
}

struct str lex_string(struct arena *arena, struct str quoted)
{
    bool raw = quoted.ptr[0] == 'r' || quoted.ptr[0] == 'R';
    if (raw)
        return str_slice(quoted, 2, quoted.bytes - 1);
    struct str s = str_slice(quoted, 1, quoted.bytes - 1);
    char quote = quoted.ptr[0];
    if (!memchr(s.ptr, '\\', s.bytes) && !memchr(s.ptr, quote, s.bytes))
        return s;
    char *out = arena_array(arena, s.bytes + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < s.bytes;) {
        if (s.ptr[i] == '\\') {
            i = unescape(s, i, out, &n);
        } else {
            out[n++] = s.ptr[i];
            i += s.ptr[i] == quote ? 2 : 1;
        }
    }
    return str_from(out, n);
}
