/* SPDX-License-Identifier: MIT */
/*
 * Tokens of CQL. The whole text is cut up at once: the parser looks back for the words of its
 * errors, and statements are short. White space and comments are tokens of their own, hidden from
 * the grammar, because Cassandra counts them when it cuts the piece of the statement that an error
 * shows.
 *
 * Where a text could be several tokens the longest of what Cassandra's lexer knows is taken: a
 * uuid before a number, a duration before an integer, 1..2 is a range of integers. A minus in front
 * of a digit belongs to the number, so that x-1 is x and -1; that is CQL's own rule.
 *
 * Invariants: 1. tokens follow each other without gaps; 2. the last is CQL_T_END and a CQL_T_ERROR
 * is only before it.
 *
 * One difference: a comment at the very end needs no line feed.
 */
#include "serve/cql/lex.h"

#include "base/check.h"
#include "wire/cql/type.h"

struct lexer {
    struct arena *arena;
    struct str text;
    size_t at;
    uint32_t line, column;
    struct cql_token *items;
    size_t count, room;
};

static const struct {
    const char *text;
    const char *name;
    enum cql_word_class class;
} words[] = {
#define WORD_ROW(name, class) {#name, "K_" #name, WORD_##class},
    CQL_KEYWORDS(WORD_ROW)
#undef WORD_ROW
};
enum { WORD_COUNT = sizeof(words) / sizeof(words[0]) };

static const struct {
    const char *text;
    const char *name;
} marks[] = {
#define MARK_ROW(name, text) {text, "'" text "'"},
    CQL_MARKS(MARK_ROW)
#undef MARK_ROW
};
enum { MARK_COUNT = sizeof(marks) / sizeof(marks[0]) };

const char *cql_token_name(enum cql_token_kind kind)
{
    static const char *const plain[] = {"EOF",
                                        "<invalid>",
                                        "WS",
                                        "IDENT",
                                        "QUOTED_NAME",
                                        "STRING_LITERAL",
                                        "INTEGER",
                                        "FLOAT",
                                        "BOOLEAN",
                                        "DURATION",
                                        "UUID",
                                        "HEXNUMBER",
                                        "K_NEGATIVE_NAN",
                                        "K_NEGATIVE_INFINITY"};
    if (cql_is_word(kind))
        return words[kind - CQL_K_ACCESS].name;
    if (kind >= CQL_M_EXPR)
        return kind == CQL_M_QUESTION ? "QMARK" : marks[kind - CQL_M_EXPR].name;
    return plain[kind];
}

enum cql_word_class cql_word_class(enum cql_token_kind kind)
{
    check(cql_is_word(kind));
    return words[kind - CQL_K_ACCESS].class;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}
static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_hex(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
static int upper(int c)
{
    return c >= 'a' && c <= 'z' ? c - 32 : c;
}
/* The byte at an offset from here, -1 behind the end. */
static int peek(const struct lexer *lx, size_t ahead)
{
    return lx->at + ahead < lx->text.bytes ? (unsigned char)lx->text.ptr[lx->at + ahead] : -1;
}

static int word_compare(struct str text, const char *word)
{
    for (size_t i = 0; i < text.bytes; i++) {
        int c = upper((unsigned char)text.ptr[i]), w = (unsigned char)word[i];
        if (c != w)
            return c - w;
    }
    return word[text.bytes] ? -1 : 0;
}

enum cql_token_kind cql_word_find(struct str text)
{
    if (text.bytes > 16)
        return CQL_T_IDENT;
    if (word_compare(text, "TABLE") == 0)
        return CQL_K_COLUMNFAMILY;
    if (word_compare(text, "COLUMNFAMILIES") == 0)
        return CQL_K_TABLES;
    size_t from = 0, to = WORD_COUNT;
    while (from < to) {
        size_t middle = (from + to) / 2;
        int order = word_compare(text, words[middle].text);
        if (order == 0)
            return (enum cql_token_kind)(CQL_K_ACCESS + (int)middle);
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return CQL_T_IDENT;
}

bool cql_name_needs_quotes(struct str name)
{
    if (name.bytes == 0 || !(name.ptr[0] >= 'a' && name.ptr[0] <= 'z'))
        return true;
    for (size_t i = 1; i < name.bytes; i++) {
        int c = (unsigned char)name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !is_digit(c) && c != '_')
            return true;
    }
    if (str_equal(name, STR("true")) || str_equal(name, STR("false")))
        return false; /* so does Cassandra */
    enum cql_token_kind kind = cql_word_find(name);
    return kind != CQL_T_IDENT && words[kind - CQL_K_ACCESS].class == WORD_RESERVED;
}

void cql_identifier_print(struct str name, struct buf *out)
{
    if (cql_name_needs_quotes(name))
        cql_name_quote(name, out);
    else
        buf_str_append(out, name);
}

/* Goes over bytes; columns are UTF-16 units from the start of the line, as Java counts. */
static void advance(struct lexer *lx, size_t to)
{
    for (; lx->at < to; lx->at++) {
        unsigned char c = (unsigned char)lx->text.ptr[lx->at];
        if (c == '\n') {
            lx->line++;
            lx->column = 0;
        } else {
            lx->column += ((c & 0xC0) != 0x80) + (c >= 0xF0);
        }
    }
}

static struct cql_token *push(struct lexer *lx, enum cql_token_kind kind, size_t bytes)
{
    if (lx->count == lx->room) {
        size_t room = lx->room ? lx->room * 2 : 64;
        struct cql_token *items = arena_array(lx->arena, room, sizeof(*items));
        if (lx->count)
            memcpy(items, lx->items, lx->count * sizeof(*items));
        lx->items = items;
        lx->room = room;
    }
    struct cql_token *token = &lx->items[lx->count++];
    *token = (struct cql_token){
        .kind = kind,
        .line = lx->line,
        .column = lx->column,
        .start = (uint32_t)lx->at,
        .end = (uint32_t)(lx->at + bytes),
        .text = str_slice(lx->text, lx->at, lx->at + bytes),
    };
    advance(lx, lx->at + bytes);
    return token;
}

/* Says what Cassandra's lexer says of the place: line and column, then the words. */
static void fail(struct lexer *lx, size_t at, const char *words_of_it, struct str what)
{
    advance(lx, at);
    char *message = arena_printf(lx->arena, "line %u:%u %s%.*s", lx->line, lx->column, words_of_it,
                                 STR_ARG(what));
    lx->at = lx->text.bytes;
    struct cql_token *token = push(lx, CQL_T_ERROR, 0);
    token->text = str_of(message);
}

/* 'text' and "name": a doubled quote stands for one. */
static void lex_quoted(struct lexer *lx, char quote, enum cql_token_kind kind)
{
    size_t from = lx->at + 1, i = from, doubled = 0;
    for (;; i++) {
        if (i >= lx->text.bytes) {
            fail(lx, lx->text.bytes, "mismatched character '<EOF>' expecting '",
                 quote == '"' ? STR("\"'") : STR("''"));
            return;
        }
        if (lx->text.ptr[i] != quote)
            continue;
        if (i + 1 >= lx->text.bytes || lx->text.ptr[i + 1] != quote)
            break;
        doubled++;
        i++;
    }
    struct str inside = str_slice(lx->text, from, i);
    /* "" alone is the empty name. */
    if (doubled) {
        char *out = arena_alloc(lx->arena, inside.bytes);
        size_t n = 0;
        for (size_t k = 0; k < inside.bytes; k++) {
            out[n++] = inside.ptr[k];
            k += inside.ptr[k] == quote;
        }
        inside = str_from(out, n);
    }
    struct cql_token *token = push(lx, kind, i + 1 - lx->at);
    token->text = inside;
}

static void lex_dollars(struct lexer *lx)
{
    size_t end = str_find(lx->text, STR("$$"), lx->at + 2);
    if (end == SIZE_MAX) {
        fail(lx, lx->text.bytes, "mismatched character '<EOF>' expecting '$'", STR(""));
        return;
    }
    struct str inside = str_slice(lx->text, lx->at + 2, end);
    push(lx, CQL_T_STRING, end + 2 - lx->at)->text = inside;
}

/* Bytes of a comment or white space here, 0 = none, SIZE_MAX = a comment without its end. */
static size_t hidden_bytes(const struct lexer *lx)
{
    size_t n = 0;
    int c = peek(lx, 0), d = peek(lx, 1);
    if ((c == '-' && d == '-') || (c == '/' && d == '/')) {
        while (peek(lx, n) >= 0 && peek(lx, n) != '\n' && peek(lx, n) != '\r')
            n++;
        return n + (peek(lx, n) >= 0);
    }
    if (c == '/' && d == '*') {
        size_t end = str_find(lx->text, STR("*/"), lx->at + 2);
        return end == SIZE_MAX ? SIZE_MAX : end + 2 - lx->at;
    }
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        c = peek(lx, ++n);
    return n;
}

static size_t digits(const struct lexer *lx, size_t from)
{
    size_t n = 0;
    while (is_digit(peek(lx, from + n)))
        n++;
    return n;
}

static size_t uuid_bytes(const struct lexer *lx)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? peek(lx, i) != '-' : !is_hex(peek(lx, i)))
            return 0;
    }
    return 36;
}

/* Bytes of a unit of duration, 0 = none. */
static size_t unit_bytes(const struct lexer *lx, size_t from)
{
    int c = upper(peek(lx, from)), d = upper(peek(lx, from + 1));
    if ((c == 'M' && (d == 'O' || d == 'S')) || ((c == 'U' || c == 'N') && d == 'S'))
        return 2;
    if (c == 0xC2 && d == 0xB5 && upper(peek(lx, from + 2)) == 'S')
        return 3;
    return c == 'Y' || c == 'W' || c == 'D' || c == 'H' || c == 'M' || c == 'S' ? 1 : 0;
}

/* 1y2mo, from the first digit on. */
static size_t duration_bytes(const struct lexer *lx, size_t from)
{
    size_t n = 0;
    for (;;) {
        size_t number = digits(lx, from + n);
        size_t unit = number ? unit_bytes(lx, from + n + number) : 0;
        if (!unit)
            return n;
        n += number + unit;
    }
}

/* Digits and one of the letters, in the order of the letters: 1Y2M3D. */
static size_t iso_parts(const struct lexer *lx, size_t from, const char *letters)
{
    size_t n = 0;
    for (const char *letter = letters; *letter; letter++) {
        size_t number = digits(lx, from + n);
        if (number && peek(lx, from + n + number) == *letter)
            n += number + 1;
    }
    return n;
}

/* From the P on. */
static size_t iso_bytes(const struct lexer *lx, size_t from)
{
    static const char form[] = "Pdddd-dd-ddTdd:dd:dd";
    size_t i = 0;
    while (form[i] &&
           (form[i] == 'd' ? is_digit(peek(lx, from + i)) : peek(lx, from + i) == form[i]))
        i++;
    if (!form[i])
        return i;
    if (peek(lx, from) != 'P')
        return 0;
    size_t week = iso_parts(lx, from + 1, "W");
    if (week)
        return 1 + week;
    size_t n = 1 + iso_parts(lx, from + 1, "YMD");
    if (peek(lx, from + n) == 'T') {
        size_t time = iso_parts(lx, from + n + 1, "HMS");
        n += time ? 1 + time : 0;
    }
    return n > 1 ? n : 0;
}

static void lex_number(struct lexer *lx)
{
    size_t sign = peek(lx, 0) == '-', whole = sign + digits(lx, sign), n = whole;
    if (!sign && peek(lx, 0) == '0' && upper(peek(lx, 1)) == 'X') {
        n = 2;
        while (is_hex(peek(lx, n)))
            n++;
        struct str digits_only = str_slice(lx->text, lx->at + 2, lx->at + n);
        push(lx, CQL_T_HEX, n)->text = digits_only;
        return;
    }
    size_t duration = duration_bytes(lx, sign);
    if (duration) {
        push(lx, CQL_T_DURATION, sign + duration);
        return;
    }
    bool range = peek(lx, n) == '.' && peek(lx, n + 1) == '.';
    if (peek(lx, n) == '.' && (!range || peek(lx, n + 2) == '.')) {
        n++;
        n += digits(lx, n);
    }
    if (upper(peek(lx, n)) == 'E') {
        size_t exponent = n + 1;
        exponent += peek(lx, exponent) == '+' || peek(lx, exponent) == '-';
        size_t number = digits(lx, exponent);
        n = number ? exponent + number : n;
    }
    push(lx, n == whole ? CQL_T_INTEGER : CQL_T_FLOAT, n);
}

static void lex_word(struct lexer *lx)
{
    size_t n = 1;
    while (is_letter(peek(lx, n)) || is_digit(peek(lx, n)) || peek(lx, n) == '_')
        n++;
    struct str text = str_slice(lx->text, lx->at, lx->at + n);
    if (str_equal(text, STR("expr")) && peek(lx, n) == '(') {
        push(lx, CQL_M_EXPR, n + 1);
        return;
    }
    bool boolean = word_compare(text, "TRUE") == 0 || word_compare(text, "FALSE") == 0;
    push(lx, boolean ? CQL_T_BOOLEAN : cql_word_find(text), n);
}

/* -nan, -infinity and -P1D. False: another thing begins with this minus. */
static bool lex_minus(struct lexer *lx)
{
    struct str rest = str_slice(lx->text, lx->at + 1, lx->at + 9);
    if (word_compare(str_slice(rest, 0, 3), "NAN") == 0) {
        push(lx, CQL_T_MINUS_NAN, 4);
        return true;
    }
    if (word_compare(rest, "INFINITY") == 0) {
        push(lx, CQL_T_MINUS_INFINITY, 9);
        return true;
    }
    size_t iso = iso_bytes(lx, 1);
    if (iso)
        push(lx, CQL_T_DURATION, 1 + iso);
    return iso != 0;
}

static void lex_mark(struct lexer *lx)
{
    for (int i = 1; i < MARK_COUNT; i++)
        if (str_starts(str_slice(lx->text, lx->at, lx->text.bytes), str_of(marks[i].text))) {
            push(lx, (enum cql_token_kind)(CQL_M_EXPR + i), strlen(marks[i].text));
            return;
        }
    if (peek(lx, 0) == '!') {
        fail(lx, lx->at + 1, "no viable alternative at character '!'", STR(""));
        return;
    }
    size_t n = 1;
    while ((peek(lx, n) & 0xC0) == 0x80 && peek(lx, n) >= 0)
        n++;
    struct str character = str_slice(lx->text, lx->at, lx->at + n);
    struct str what = str_of(arena_printf(lx->arena, "%.*s'", STR_ARG(character)));
    fail(lx, lx->at, "no viable alternative at character '", what);
}

static void lex_one(struct lexer *lx)
{
    size_t hidden = hidden_bytes(lx);
    int c = peek(lx, 0), d = peek(lx, 1);
    if (hidden == SIZE_MAX) {
        fail(lx, lx->text.bytes, "mismatched character '<EOF>' expecting '*'", STR(""));
    } else if (hidden) {
        push(lx, CQL_T_HIDDEN, hidden);
    } else if (c == '\'') {
        lex_quoted(lx, '\'', CQL_T_STRING);
    } else if (c == '"') {
        lex_quoted(lx, '"', CQL_T_QUOTED);
    } else if (c == '$' && d == '$') {
        lex_dollars(lx);
    } else if (is_hex(c) && uuid_bytes(lx)) {
        push(lx, CQL_T_UUID, 36);
    } else if (is_digit(c) || (c == '-' && is_digit(d))) {
        lex_number(lx);
    } else if (c == '-' && lex_minus(lx)) {
        return;
    } else if (c == 'P' && iso_bytes(lx, 0)) {
        push(lx, CQL_T_DURATION, iso_bytes(lx, 0));
    } else if (is_letter(c)) {
        lex_word(lx);
    } else {
        lex_mark(lx);
    }
}

enum err cql_lex(struct arena *arena, struct str text, struct cql_tokens *ret_tokens)
{
    if (text.bytes > CQL_TEXT_BYTES_MAX)
        return ERR_LIMIT;
    struct lexer lx = {.arena = arena, .text = text, .line = 1};
    while (lx.at < text.bytes) {
        lex_one(&lx);
        if (arena->over)
            return ERR_LIMIT;
    }
    struct cql_token *end = push(&lx, CQL_T_END, 0);
    end->text = STR("<EOF>");
    *ret_tokens = (struct cql_tokens){lx.items, lx.count};
    return OK;
}
