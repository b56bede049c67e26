/* SPDX-License-Identifier: MIT */
/*
 * Spark's DDL text of types, read by recursive descent over one token of look-ahead:
 *
 *  schema  := column (',' column)* | STRUCT '<' .. '>'
 *  column  := name [':'] type [NOT NULL] [COMMENT 'text']
 *  type    := ARRAY '<' type '>' | MAP '<' type ',' type '>' | STRUCT '<' [column (',' column)*]
 * '>' | DECIMAL ['(' precision [',' scale] ')'] | INTERVAL [unit [TO unit]] | word [..]
 *
 * No word is reserved; a name is letters, digits and underscores with at least one that is no
 * digit, or anything between back-ticks. `>>` and `<>` are single characters here, so nested types
 * close without blanks. Comments of SQL are blanks. Columns of errors count code points from 1.
 *
 * Types that Spark has and this program does not (TIME, VARIANT, collations) say so; nesting is
 * limited because it is recursion, here and in everything that walks a type.
 */
#include "data/type.h"

#include "base/check.h"

enum { DEPTH_MAX = 100, TEXT_BYTES_MAX = 1 << 20, FIELDS_MAX = 10000 };

enum token_kind {
    TOKEN_WORD,
    TOKEN_QUOTED, /* `name` */
    TOKEN_NUMBER, /* digits only */
    TOKEN_TEXT,   /* 'text' or "text" */
    TOKEN_SIGN,   /* one character */
    TOKEN_END,
};

struct ddl {
    struct arena *arena;
    struct diag *diag;
    struct str text;
    size_t at;  /* behind the token */
    size_t end; /* of the token before */
    enum token_kind kind;
    struct str token; /* as written */
    size_t depth;
};

struct place {
    uint32_t line, column;
};

static struct place place_of(const struct ddl *d, size_t at)
{
    struct place place = {1, 1};
    for (size_t i = 0; i < at; i++) {
        if (d->text.ptr[i] == '\n')
            place = (struct place){place.line + 1, 1};
        else
            place.column += ((unsigned char)d->text.ptr[i] & 0xC0) != 0x80;
    }
    return place;
}

static size_t token_at(const struct ddl *d)
{
    return (size_t)(d->token.ptr - d->text.ptr);
}

static enum err fail_at(struct ddl *d, size_t at, enum err err, const char *error_class,
                        const char *sqlstate, const char *message, struct str detail)
{
    struct place place = place_of(d, at);
    if (d->diag && d->diag->err == OK) {
        diag_set(d->diag, err, place.line, place.column, "%s%.*s", message,
                 (int)(detail.bytes < 100 ? detail.bytes : 100), detail.ptr ? detail.ptr : "");
        diag_class(d->diag, error_class, sqlstate);
    }
    return err;
}

static enum err fail_syntax(struct ddl *d, const char *wanted)
{
    char message[160];
    const char *found = d->kind == TOKEN_END ? ", but the text ends" : ", found ";
    size_t used = 0;
    for (const char *parts[] = {wanted, found}, **p = parts; p < parts + 2; p++)
        for (const char *c = *p; *c && used < sizeof message - 1; c++)
            message[used++] = *c;
    message[used] = 0;
    /* The end of the text has its place behind the last character, blanks included. */
    size_t at = d->kind == TOKEN_END ? d->text.bytes : token_at(d);
    return fail_at(d, at, ERR_SYNTAX, "PARSE_SYNTAX_ERROR", "42601", message,
                   d->kind == TOKEN_END ? STR_NONE : d->token);
}

static bool is_word(char c)
{
    unsigned char u = (unsigned char)c;
    return u == '_' || u >= 0x80 || (u >= '0' && u <= '9') || ((u | 32) >= 'a' && (u | 32) <= 'z');
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Blanks and comments. */
static enum err skip_blanks(struct ddl *d)
{
    for (;;) {
        struct str rest = str_slice(d->text, d->at, d->text.bytes);
        if (rest.bytes && is_blank(rest.ptr[0])) {
            d->at++;
        } else if (str_starts(rest, STR("--"))) {
            size_t end = str_find(d->text, STR("\n"), d->at);
            d->at = end == SIZE_MAX ? d->text.bytes : end;
        } else if (str_starts(rest, STR("/*"))) {
            size_t end = str_find(d->text, STR("*/"), d->at + 2);
            if (end == SIZE_MAX)
                return fail_at(d, d->at, ERR_SYNTAX, "UNCLOSED_BRACKETED_COMMENT", "42601",
                               "this comment is not closed", STR_NONE);
            d->at = end + 2;
        } else {
            return OK;
        }
    }
}

/* Index behind the closing quote, or SIZE_MAX. A back-tick is doubled, others are escaped by \. */
static size_t quoted_end(struct str text, size_t at)
{
    char quote = text.ptr[at];
    for (size_t i = at + 1; i < text.bytes; i++) {
        if (text.ptr[i] == '\\' && quote != '`')
            i++;
        else if (text.ptr[i] == quote && quote == '`' && i + 1 < text.bytes &&
                 text.ptr[i + 1] == quote)
            i++;
        else if (text.ptr[i] == quote)
            return i + 1;
    }
    return SIZE_MAX;
}

static enum err next(struct ddl *d)
{
    d->end = d->at;
    TRY(skip_blanks(d));
    size_t from = d->at, to = from;
    bool digits = true;
    while (to < d->text.bytes && is_word(d->text.ptr[to])) {
        digits = digits && d->text.ptr[to] >= '0' && d->text.ptr[to] <= '9';
        to++;
    }
    char c = from < d->text.bytes ? d->text.ptr[from] : 0;
    if (from == d->text.bytes) {
        d->kind = TOKEN_END;
    } else if (to > from) {
        d->kind = digits ? TOKEN_NUMBER : TOKEN_WORD;
    } else if (c == '`' || c == '\'' || c == '"') {
        d->kind = c == '`' ? TOKEN_QUOTED : TOKEN_TEXT;
        to = quoted_end(d->text, from);
        if (to == SIZE_MAX)
            return fail_at(d, from, ERR_SYNTAX, "PARSE_SYNTAX_ERROR", "42601",
                           c == '`' ? "this back-tick is not closed" : "this quote is not closed",
                           STR_NONE);
    } else {
        d->kind = TOKEN_SIGN;
        to = from + 1;
    }
    d->token = str_slice(d->text, from, to);
    d->at = to;
    return OK;
}

static bool at_sign(const struct ddl *d, char sign)
{
    return d->kind == TOKEN_SIGN && d->token.ptr[0] == sign;
}

static bool at_word(const struct ddl *d, const char *word)
{
    return d->kind == TOKEN_WORD && str_equal_nocase(d->token, str_of(word));
}

static enum err expect_sign(struct ddl *d, char sign, const char *wanted)
{
    if (!at_sign(d, sign))
        return fail_syntax(d, wanted);
    return next(d);
}

static enum err expect_word(struct ddl *d, const char *word, const char *wanted)
{
    if (!at_word(d, word))
        return fail_syntax(d, wanted);
    return next(d);
}

/* The characters that a quoted token stands for. */
static struct str unquote(struct ddl *d)
{
    struct str raw = d->token;
    char quote = raw.ptr[0];
    char *text = arena_alloc(d->arena, raw.bytes);
    size_t bytes = 0;
    for (size_t i = 1; i + 1 < raw.bytes; i++) {
        char c = raw.ptr[i];
        if (c == '`' && quote == '`') {
            i++;
        } else if (c == '\\' && quote != '`' && i + 2 < raw.bytes) {
            static const char from[] = "0btnrZ", to[] = "\0\b\t\n\r\x1A";
            c = raw.ptr[++i];
            const char *hit = memchr(from, c, sizeof from - 1);
            c = hit ? to[hit - from] : c;
        }
        text[bytes++] = c;
    }
    return str_from(text, bytes);
}

static enum err name(struct ddl *d, struct str *ret_name)
{
    if (d->kind == TOKEN_QUOTED)
        *ret_name = unquote(d);
    else if (d->kind == TOKEN_WORD)
        *ret_name = d->token;
    else
        return fail_syntax(d, "a column name is expected here");
    if (ret_name->bytes == 0)
        return fail_syntax(d, "a name may not be empty");
    TRY(next(d));
    if (!at_sign(d, '-') && !at_sign(d, '.') && !at_sign(d, '+'))
        return OK;
    enum err err = fail_syntax(d, "a type is expected here");
    diag_hint(d->diag, "put names with other characters than letters, digits and _ in back-ticks");
    return err;
}

static enum err parse_type(struct ddl *d, const struct type **ret_type) MUST_USE;

static enum err parse_column(struct ddl *d, struct field *ret_field)
{
    struct field field = {.comment = STR_NONE};
    TRY(name(d, &field.name));
    if (at_sign(d, ':'))
        TRY(next(d));
    TRY(parse_type(d, &field.type));
    if (at_word(d, "NOT")) {
        TRY(next(d));
        TRY(expect_word(d, "NULL", "NULL is expected after NOT"));
        field.not_null = true;
    }
    if (at_word(d, "COMMENT")) {
        TRY(next(d));
        if (d->kind != TOKEN_TEXT)
            return fail_syntax(d, "a text in quotes is expected after COMMENT");
        field.comment = unquote(d);
        TRY(next(d));
    }
    *ret_field = field;
    return OK;
}

/* Columns up to something that is no comma. */
static enum err parse_columns(struct ddl *d, const struct type **ret_type)
{
    CLEAN(mem_free_at) struct field *fields = NULL;
    size_t count = 0, room = 0;
    for (bool more = true; more;) {
        if (count == FIELDS_MAX)
            return fail_at(d, token_at(d), ERR_LIMIT, "", "54000", "too many columns", STR_NONE);
        if (count == room) {
            room = room ? room * 2 : 16;
            fields = mem_realloc_array(fields, room, sizeof *fields);
        }
        TRY(parse_column(d, &fields[count]));
        count++;
        more = at_sign(d, ',');
        if (more)
            TRY(next(d));
    }
    *ret_type = type_struct(d->arena, fields, count);
    return OK;
}

/* What closes a nested type; a missing comma is the likely reason when it is not there. */
static enum err close_angle(struct ddl *d)
{
    return expect_sign(d, '>', "',' or '>' is expected here");
}

static enum err parse_array(struct ddl *d, const struct type **ret_type)
{
    const struct type *element;
    TRY(expect_sign(d, '<', "'<' and the type of the elements is expected after ARRAY"));
    TRY(parse_type(d, &element));
    TRY(expect_sign(d, '>', "'>' is expected here"));
    *ret_type = type_array(d->arena, element, true);
    return OK;
}

static enum err parse_map(struct ddl *d, const struct type **ret_type)
{
    const struct type *key, *value;
    TRY(expect_sign(d, '<', "'<' and the types of keys and values are expected after MAP"));
    TRY(parse_type(d, &key));
    TRY(expect_sign(d, ',', "',' and the type of the values is expected here"));
    TRY(parse_type(d, &value));
    TRY(expect_sign(d, '>', "'>' is expected here"));
    *ret_type = type_map(d->arena, key, value, true);
    return OK;
}

static enum err parse_struct(struct ddl *d, const struct type **ret_type)
{
    TRY(expect_sign(d, '<', "'<' and the fields are expected after STRUCT"));
    if (at_sign(d, '>')) {
        *ret_type = type_struct(d->arena, NULL, 0);
        return next(d);
    }
    TRY(parse_columns(d, ret_type));
    return close_angle(d);
}

static enum err number(struct ddl *d, unsigned *ret_number)
{
    uint64_t value;
    if (d->kind != TOKEN_NUMBER || str_to_u64(d->token, &value) != OK || value > INT32_MAX)
        return fail_syntax(d, "a number is expected here");
    *ret_number = (unsigned)value;
    return next(d);
}

static enum err parse_decimal(struct ddl *d, const struct type **ret_type)
{
    unsigned precision = 10, scale = 0;
    size_t at = d->end;
    if (at_sign(d, '(')) {
        TRY(next(d));
        at = token_at(d);
        TRY(number(d, &precision));
        if (at_sign(d, ',')) {
            TRY(next(d));
            TRY(number(d, &scale));
        }
        TRY(expect_sign(d, ')', "')' is expected here"));
    }
    if (precision > 38 || precision < 1)
        return fail_at(d, at, ERR_SYNTAX, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "22003",
                       "the precision of a DECIMAL is 1 to 38", STR_NONE);
    if (scale > precision)
        return fail_at(d, at, ERR_SYNTAX, "PARSE_SYNTAX_ERROR", "42601",
                       "the scale of a DECIMAL is at most its precision", STR_NONE);
    *ret_type = type_decimal(d->arena, precision, scale);
    return OK;
}

/* A unit of intervals: 0 year 1 month, or 2 day .. 5 second; SIZE_MAX when the word is none. */
static size_t unit_of(const struct ddl *d)
{
    static const char *const units[] = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (at_word(d, units[i]))
            return i;
    return SIZE_MAX;
}

static enum err parse_interval(struct ddl *d, const struct type **ret_type)
{
    size_t first = unit_of(d), last = first;
    if (first == SIZE_MAX) {
        *ret_type = type_simple(TYPE_INTERVAL);
        return OK;
    }
    TRY(next(d));
    if (at_word(d, "TO")) {
        TRY(next(d));
        last = unit_of(d);
        if (last == SIZE_MAX || last <= first || (first < 2) != (last < 2))
            return fail_syntax(d, "a smaller unit is expected after TO");
        TRY(next(d));
    }
    bool months = first < 2;
    struct type *type = arena_zero(d->arena, sizeof *type);
    type->kind = months ? TYPE_INTERVAL_YM : TYPE_INTERVAL_DT;
    type->precision = (uint8_t)(months ? first : first - 2);
    type->scale = (uint8_t)(months ? last : last - 2);
    *ret_type = type;
    return OK;
}

/* CHAR(n) and VARCHAR(n) are texts; their length is not enforced here. */
static enum err parse_char(struct ddl *d, const struct type **ret_type)
{
    unsigned length;
    if (!at_sign(d, '(')) {
        enum err err = fail_at(d, d->end, ERR_SYNTAX, "DATATYPE_MISSING_SIZE", "42K01",
                               "this type needs a length, as in VARCHAR(10)", STR_NONE);
        diag_hint(d->diag, "STRING has no maximum length");
        return err;
    }
    TRY(next(d));
    TRY(number(d, &length));
    TRY(expect_sign(d, ')', "')' is expected here"));
    *ret_type = type_simple(TYPE_STRING);
    return OK;
}

/* TIMESTAMP [WITH LOCAL | WITHOUT] TIME ZONE */
static enum err parse_timestamp(struct ddl *d, const struct type **ret_type)
{
    bool without = at_word(d, "WITHOUT");
    if (without || at_word(d, "WITH")) {
        TRY(next(d));
        if (!without)
            TRY(expect_word(d, "LOCAL", "LOCAL TIME ZONE is expected after WITH"));
        TRY(expect_word(d, "TIME", "TIME ZONE is expected here"));
        TRY(expect_word(d, "ZONE", "ZONE is expected here"));
    }
    *ret_type = type_simple(without ? TYPE_TIMESTAMP_NTZ : TYPE_TIMESTAMP);
    return OK;
}

struct type_name {
    const char *name;
    enum type_kind kind;
    enum err (*parse)(struct ddl *d, const struct type **ret_type); /* NULL: the simple kind */
};

static const struct type_name type_names[] = {
    {"BOOLEAN", TYPE_BOOLEAN, NULL},
    {"TINYINT", TYPE_TINYINT, NULL},
    {"BYTE", TYPE_TINYINT, NULL},
    {"SMALLINT", TYPE_SMALLINT, NULL},
    {"SHORT", TYPE_SMALLINT, NULL},
    {"INT", TYPE_INT, NULL},
    {"INTEGER", TYPE_INT, NULL},
    {"BIGINT", TYPE_BIGINT, NULL},
    {"LONG", TYPE_BIGINT, NULL},
    {"FLOAT", TYPE_FLOAT, NULL},
    {"REAL", TYPE_FLOAT, NULL},
    {"DOUBLE", TYPE_DOUBLE, NULL},
    {"DATE", TYPE_DATE, NULL},
    {"TIMESTAMP", TYPE_TIMESTAMP, parse_timestamp},
    {"TIMESTAMP_LTZ", TYPE_TIMESTAMP, NULL},
    {"TIMESTAMP_NTZ", TYPE_TIMESTAMP_NTZ, NULL},
    {"STRING", TYPE_STRING, NULL},
    {"CHAR", TYPE_STRING, parse_char},
    {"CHARACTER", TYPE_STRING, parse_char},
    {"VARCHAR", TYPE_STRING, parse_char},
    {"BINARY", TYPE_BINARY, NULL},
    {"DECIMAL", TYPE_DECIMAL, parse_decimal},
    {"DEC", TYPE_DECIMAL, parse_decimal},
    {"NUMERIC", TYPE_DECIMAL, parse_decimal},
    {"INTERVAL", TYPE_INTERVAL, parse_interval},
    {"VOID", TYPE_NULL, NULL},
    {"ARRAY", TYPE_ARRAY, parse_array},
    {"MAP", TYPE_MAP, parse_map},
    {"STRUCT", TYPE_STRUCT, parse_struct},
};
enum { NAME_COUNT = sizeof type_names / sizeof *type_names };

static enum err unknown_type(struct ddl *d)
{
    static const char *const elsewhere[] = {"TIME", "VARIANT", "GEOGRAPHY", "GEOMETRY", "OBJECT"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (at_word(d, elsewhere[i]))
            return fail_at(d, token_at(d), ERR_UNSUPPORTED, "UNSUPPORTED_DATATYPE", "0A000",
                           "this type is not supported here: ", d->token);
    enum err err = fail_at(d, token_at(d), ERR_SYNTAX, "UNSUPPORTED_DATATYPE", "0A000",
                           "there is no type ", d->token);
    const char *names[NAME_COUNT];
    for (size_t i = 0; i < NAME_COUNT; i++)
        names[i] = type_names[i].name;
    struct str nearest = str_nearest(d->token, names, NAME_COUNT);
    if (nearest.ptr)
        diag_hint(d->diag, "did you mean %.*s?", STR_ARG(nearest));
    return err;
}

static enum err named_type(struct ddl *d, const struct type **ret_type)
{
    if (d->kind != TOKEN_WORD)
        return fail_syntax(d, "a type is expected here");
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (!at_word(d, type_names[i].name))
            continue;
        TRY(next(d));
        if (type_names[i].parse)
            return type_names[i].parse(d, ret_type);
        *ret_type = type_simple(type_names[i].kind);
        return OK;
    }
    return unknown_type(d);
}

static enum err parse_type(struct ddl *d, const struct type **ret_type)
{
    if (d->depth == DEPTH_MAX)
        return fail_at(d, token_at(d), ERR_LIMIT, "", "54000",
                       "types are nested over 100 levels deep", STR_NONE);
    d->depth++;
    enum err err = named_type(d, ret_type);
    d->depth--;
    return err;
}

static enum err start(struct ddl *d)
{
    if (d->text.bytes > TEXT_BYTES_MAX)
        return diag_set(d->diag, ERR_LIMIT, 1, 1, "a schema of over 1 MiB of text");
    TRY(next(d));
    if (d->kind != TOKEN_END)
        return OK;
    return fail_at(d, 0, ERR_SYNTAX, "PARSE_EMPTY_STATEMENT", "42617", "there is no type here",
                   STR_NONE);
}

static enum err finish(struct ddl *d)
{
    if (d->kind != TOKEN_END)
        return fail_syntax(d, "',' or the end is expected here");
    if (d->arena->over)
        return diag_set(d->diag, ERR_LIMIT, 1, 1, "the schema needs too much memory");
    return OK;
}

enum err type_parse(struct arena *arena, struct str text, struct diag *diag,
                    const struct type **ret_type)
{
    struct ddl d = {.arena = arena, .diag = diag, .text = text};
    const struct type *type;
    TRY(start(&d));
    TRY(parse_type(&d, &type));
    TRY(finish(&d));
    *ret_type = type;
    return OK;
}

enum err type_parse_ddl(struct arena *arena, struct str text, struct diag *diag,
                        const struct type **ret_type)
{
    struct ddl d = {.arena = arena, .diag = diag, .text = text};
    const struct type *type;
    TRY(start(&d));
    /* "struct<a: int>" is a type, "struct int" a column of that name. */
    struct ddl first = d;
    bool whole = at_word(&d, "STRUCT");
    if (whole) {
        TRY(next(&d));
        whole = at_sign(&d, '<');
    }
    d = first;
    if (whole)
        TRY(parse_type(&d, &type));
    else
        TRY(parse_columns(&d, &type));
    TRY(finish(&d));
    *ret_type = type;
    return OK;
}
