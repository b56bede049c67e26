/* SPDX-License-Identifier: MIT */
#ifndef QUERY_LEX_H
#define QUERY_LEX_H

#include "base/diag.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* a name or key word; text as written */
    TOKEN_QUOTED, /* a name in back-ticks; text without them, `` halved */
    TOKEN_STRING, /* text with its quotes and, for a raw one, its r */
    TOKEN_NUMBER, /* text with its suffix */
    TOKEN_SYMBOL, /* an operator or mark */
    TOKEN_ERROR,  /* text is the message for the one who reads it; the last token but END */
};

struct token {
    enum token_kind kind;
    uint32_t line, column; /* of its first character, from 1, in code points */
    uint32_t start, end;   /* bytes in the source */
    struct str text;
};

struct token_list {
    struct token *items; /* ends with TOKEN_END; mem_free */
    size_t count;
};

/* All tokens of a text; decoded names live in the arena. ERR_LIMIT for a text over 4 MiB. */
enum err lex(struct arena *arena, struct str text, struct token_list *ret_tokens) MUST_USE;

/* Is that TOKEN_ERROR a bracketed comment without an end? */
bool lex_is_open_comment(const struct token *token);

/* What a TOKEN_STRING stands for: escapes are resolved, a raw one is taken as it is. */
struct str lex_string(struct arena *arena, struct str quoted);

#endif
