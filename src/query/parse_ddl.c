/* SPDX-License-Identifier: MIT */
/*
 * Statements that this engine does not run are known by name; what Spark's parser refuses in them
 * is refused here as well, so that a mistake is told as a mistake and not as "not offered". The
 * rest of their text is passed over.
 *
 * CREATE and REPLACE TABLE stand here: columns with their options, then clauses in any order, each
 * at most once. The other statements are in parse_dml.c.
 */
#include "query/parse_ddl.h"

void ddl_fail(struct parser *p, const char *error_class, const char *sqlstate, const char *message)
{
    const struct token *token = parse_peek(p, 0);
    parse_fail_at(p, ERR_SYNTAX, token->line, token->column, error_class, sqlstate, "%s", message);
}

/* ---- names ---- */

static bool touches(const struct token *a, const struct token *b)
{
    return a->end == b->start;
}

static bool is_name_token(const struct token *token)
{
    return token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED;
}

static bool is_mark(const struct token *token, const char *symbol)
{
    return token->kind == TOKEN_SYMBOL && str_equal(token->text, str_of(symbol));
}

static bool is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && str_equal_nocase(token->text, str_of(word));
}

static void bad_name(struct parser *p, const struct token *token)
{
    parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "INVALID_IDENTIFIER", "42602",
                  "the name that begins with %.*s must stand in back-ticks", STR_ARG(token->text));
}

/* a-b and a://b where names stand: up to the first word that begins expressions. */
void ddl_check_names(struct parser *p)
{
    static const char *const expressions[] = {"SELECT",    "VALUES", "DEFAULT", "WHERE",
                                              "GENERATED", "SET",    NULL};
    for (size_t i = p->at; i <= p->end && !p->failed; i++) {
        const struct token *t = &p->tokens[i];
        if (t->kind == TOKEN_ERROR && t->start < p->text.bytes &&
            (p->text.ptr[t->start] & 0x80) != 0)
            parse_fail_at(p, ERR_SYNTAX, t->line, t->column, "INVALID_IDENTIFIER", "42602",
                          "a name with other letters than a to z must stand in back-ticks");
    }
    for (size_t i = p->at; i + 2 < p->end && !p->failed; i++) {
        const struct token *t = &p->tokens[i];
        for (size_t k = 0; expressions[k]; k++)
            if (is_word(t, expressions[k]))
                return;
        bool hyphen = is_name_token(t) && is_mark(&t[1], "-") && is_name_token(&t[2]) &&
                      touches(t, &t[1]) && touches(&t[1], &t[2]);
        bool address =
            is_name_token(t) && str_starts(str_slice(p->text, t->end, p->text.bytes), STR("://"));
        if (hyphen || address)
            bad_name(p, t);
        if (is_mark(t, "!") && (is_word(&t[1], "EXISTS") || is_word(&t[1], "NULL")))
            parse_fail_at(p, ERR_SYNTAX, t->line, t->column, "SYNTAX_DISCONTINUED.BANG_EQUALS_NOT",
                          "42601", "! is no NOT here");
    }
}

/* a.b.c; its parts. */
uint32_t ddl_name(struct parser *p)
{
    uint32_t parts = 0;
    do {
        (void)parse_name(p, "a name");
        parts++;
    } while (parse_symbol(p, "."));
    return parts;
}

static void skip_type(struct parser *p)
{
    int depth = 0;
    if (!parse_at_name(p, 0))
        parse_fail(p, "a type");
    bool interval = parse_is(p, 0, "INTERVAL");
    parse_next(p);
    while (interval && parse_at_name(p, 0) && (parse_is(p, 1, "TO") || parse_is(p, 0, "TO")))
        p->at += 2;
    if (parse_is_symbol(p, 0, "<>"))
        parse_next(p);
    while (!p->failed && p->at < p->end && (depth > 0 || parse_is_symbol(p, 0, "<"))) {
        depth += parse_is_symbol(p, 0, "<")     ? 1
                 : parse_is_symbol(p, 0, ">")   ? -1
                 : parse_is_symbol(p, 0, ">>")  ? -2
                 : parse_is_symbol(p, 0, ">>>") ? -3
                                                : 0;
        parse_next(p);
    }
    if (parse_is_symbol(p, 0, "("))
        parse_skip_brackets(p);
    if (parse_word(p, "COLLATE"))
        (void)parse_name(p, "a collation");
}

/* ---- columns ---- */

static void identity_options(struct parser *p)
{
    bool start = false, step = false, twice = false;
    if (!parse_symbol(p, "("))
        return;
    while (!p->failed && !parse_is_symbol(p, 0, ")")) {
        bool *seen = parse_words(p, "START WITH")     ? &start
                     : parse_words(p, "INCREMENT BY") ? &step
                                                      : NULL;
        if (!seen) {
            parse_fail(p, "START WITH or INCREMENT BY");
            return;
        }
        twice |= *seen;
        *seen = true;
        (void)parse_symbol(p, "-");
        if (parse_peek(p, 0)->kind != TOKEN_NUMBER)
            parse_fail(p, "a number");
        parse_next(p);
    }
    parse_expect_symbol(p, ")");
    if (twice)
        ddl_fail(p, "IDENTITY_COLUMNS_DUPLICATED_SEQUENCE_GENERATOR_OPTION", "42601",
                 "an option of IDENTITY stands twice");
}

static void generated(struct parser *p)
{
    if (!parse_word(p, "ALWAYS") && !parse_words(p, "BY DEFAULT"))
        parse_fail(p, "ALWAYS or BY DEFAULT");
    parse_expect(p, "AS");
    if (parse_word(p, "IDENTITY")) {
        identity_options(p);
        return;
    }
    parse_expect_symbol(p, "(");
    (void)parse_expr(p);
    parse_expect_symbol(p, ")");
}

/* DEFAULT takes no NOT NULL behind it into its expression. */
static void default_value(struct parser *p)
{
    if (parse_peek(p, 0)->kind == TOKEN_STRING || parse_peek(p, 0)->kind == TOKEN_NUMBER)
        (void)parse_primary(p);
    else
        (void)parse_expr(p);
}

/* Options of a column, each once. Gives those that were there. */
unsigned ddl_column_options(struct parser *p, const char *twice_class)
{
    unsigned seen = 0, option;
    for (; !p->failed; seen |= option) {
        const struct token *token = parse_peek(p, 0);
        if (parse_words(p, "NOT NULL")) {
            option = DDL_NOT_NULL;
        } else if (parse_word(p, "DEFAULT")) {
            option = DDL_DEFAULT;
            default_value(p);
        } else if (parse_word(p, "COMMENT")) {
            option = DDL_COMMENT;
            (void)parse_string(p);
        } else if (parse_word(p, "GENERATED")) {
            option = DDL_GENERATED;
            generated(p);
        } else if (parse_word(p, "FIRST")) {
            option = DDL_PLACE;
        } else if (parse_word(p, "AFTER")) {
            option = DDL_PLACE;
            (void)ddl_name(p);
        } else {
            break;
        }
        if (seen & option)
            parse_fail_at(p, ERR_SYNTAX, token->line, token->column, twice_class, "42710",
                          "an option of the column stands twice");
    }
    return seen;
}

void ddl_columns(struct parser *p, const char *twice_class)
{
    do {
        (void)ddl_name(p);
        skip_type(p);
        (void)ddl_column_options(p, twice_class);
    } while (parse_symbol(p, ","));
}

/* ---- clauses of a table ---- */

enum clause {
    CLAUSE_USING = 1 << 0,
    CLAUSE_OPTIONS = 1 << 1,
    CLAUSE_PARTITIONED = 1 << 2,
    CLAUSE_CLUSTERED = 1 << 3,
    CLAUSE_CLUSTER = 1 << 4,
    CLAUSE_ROW_FORMAT = 1 << 5,
    CLAUSE_STORED = 1 << 6,
    CLAUSE_LOCATION = 1 << 7,
    CLAUSE_COMMENT = 1 << 8,
    CLAUSE_PROPERTIES = 1 << 9,
    CLAUSE_COLLATION = 1 << 10,
};

struct table {
    unsigned seen;
    bool delimited;
    struct str stored_as;
};

static void not_offered(struct parser *p, const char *what)
{
    ddl_fail(p, "INVALID_STATEMENT_OR_CLAUSE", "42601", what);
}

/* (key value, ..): a key without a value has none. */
static void options(struct parser *p)
{
    parse_expect_symbol(p, "(");
    do {
        if (parse_peek(p, 0)->kind == TOKEN_STRING)
            (void)parse_string(p);
        else
            (void)ddl_name(p);
        (void)parse_symbol(p, "=");
        if (parse_is_symbol(p, 0, ",") || parse_is_symbol(p, 0, ")"))
            parse_fail(p, "a value");
        while (!p->failed && p->at < p->end && !parse_is_symbol(p, 0, ",") &&
               !parse_is_symbol(p, 0, ")"))
            parse_next(p);
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
}

/* Either columns with types or names and transforms of columns. */
static void partitioned(struct parser *p)
{
    bool columns = false, transforms = false;
    parse_expect_symbol(p, "(");
    do {
        (void)ddl_name(p);
        if (parse_is_symbol(p, 0, "(")) {
            parse_skip_brackets(p);
            transforms = true;
        } else if (parse_is_symbol(p, 0, ",") || parse_is_symbol(p, 0, ")")) {
            transforms = true;
        } else {
            columns = true;
            skip_type(p);
            (void)ddl_column_options(p, "CREATE_TABLE_COLUMN_DESCRIPTOR_DUPLICATE");
        }
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
    if (columns && transforms)
        not_offered(p, "PARTITIONED BY takes columns or transforms, not both");
}

static void row_format(struct parser *p, struct table *t)
{
    static const char *const parts[] = {"FIELDS", "ESCAPED", "COLLECTION", "ITEMS",
                                        "MAP",    "KEYS",    "LINES",      "TERMINATED",
                                        "BY",     "NULL",    "DEFINED",    NULL};
    if (parse_word(p, "SERDE")) {
        (void)parse_string(p);
        if (parse_words(p, "WITH SERDEPROPERTIES"))
            parse_skip_brackets(p);
        return;
    }
    parse_expect(p, "DELIMITED");
    t->delimited = true;
    while (parse_is_any(p, 0, parts) ||
           (parse_is(p, 0, "AS") && parse_peek(p, 1)->kind == TOKEN_STRING) ||
           (!p->failed && p->at < p->end && parse_peek(p, 0)->kind == TOKEN_STRING))
        parse_next(p);
}

static void stored(struct parser *p, struct table *t)
{
    if (parse_word(p, "BY")) {
        not_offered(p, "STORED BY is not offered");
        return;
    }
    parse_expect(p, "AS");
    if (parse_word(p, "INPUTFORMAT")) {
        (void)parse_string(p);
        parse_expect(p, "OUTPUTFORMAT");
        (void)parse_string(p);
        return;
    }
    t->stored_as = parse_name(p, "a format");
}

/* UTF8_BINARY, UTF8_LCASE, UNICODE, or a locale, with modifiers behind. */
void ddl_collation(struct parser *p)
{
    static const char known[] =
        "utf8 unicode af am ar as az be bg bn bs ca cs cy da de dsb ee el en eo es et fa fi fil fo "
        "fr ga gl gu ha haw he hi hr hsb hu hy id ig is it ja ka kk kl km kn ko kok ku ky lb lkt "
        "ln lo lt lv mi mk ml mn mr ms mt my nb ne nl nn no om or pa pl ps pt ro ru sa se si sk "
        "sl smn sq sr sv sw ta te th tk to tr ug uk ur uz vi wae wo xh yi yo zh zu";
    struct str name = parse_name(p, "a collation"), base, rest = name, list = str_of(known), word;
    if (!str_cut(&rest, '_', &base))
        base = name;
    while (str_cut(&list, ' ', &word))
        if (str_equal_nocase(base, word))
            return;
    ddl_fail(p, "COLLATION_INVALID_NAME", "42704", "there is no such collation");
}

static unsigned take_clause(struct parser *p, struct table *t)
{
    if (parse_word(p, "USING"))
        return (void)ddl_name(p), CLAUSE_USING;
    if (parse_word(p, "OPTIONS"))
        return options(p), CLAUSE_OPTIONS;
    if (parse_words(p, "PARTITIONED BY"))
        return partitioned(p), CLAUSE_PARTITIONED;
    if (parse_words(p, "SKEWED BY"))
        return not_offered(p, "SKEWED BY is not offered"), 0;
    if (parse_words(p, "CLUSTER BY"))
        return (void)parse_skip_brackets(p), CLAUSE_CLUSTER;
    if (parse_words(p, "CLUSTERED BY")) {
        parse_skip_brackets(p);
        if (parse_words(p, "SORTED BY"))
            parse_skip_brackets(p);
        parse_expect(p, "INTO");
        parse_next(p);
        parse_expect(p, "BUCKETS");
        return CLAUSE_CLUSTERED;
    }
    if (parse_words(p, "ROW FORMAT"))
        return row_format(p, t), CLAUSE_ROW_FORMAT;
    if (parse_word(p, "STORED"))
        return stored(p, t), CLAUSE_STORED;
    if (parse_word(p, "LOCATION"))
        return (void)parse_string(p), CLAUSE_LOCATION;
    if (parse_word(p, "COMMENT"))
        return (void)parse_string(p), CLAUSE_COMMENT;
    if (parse_word(p, "TBLPROPERTIES"))
        return (void)parse_skip_brackets(p), CLAUSE_PROPERTIES;
    if (parse_words(p, "DEFAULT COLLATION"))
        return ddl_collation(p), CLAUSE_COLLATION;
    return 0;
}

static void check_table(struct parser *p, const struct table *t)
{
    static const char *const with_serde[] = {"textfile", "sequencefile", "rcfile"};
    if (t->seen & CLAUSE_USING && t->seen & (CLAUSE_ROW_FORMAT | CLAUSE_STORED))
        not_offered(p, "USING goes with neither ROW FORMAT nor STORED AS");
    if (t->seen & CLAUSE_CLUSTER && t->seen & CLAUSE_PARTITIONED)
        ddl_fail(p, "SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED", "42908",
                 "CLUSTER BY and PARTITIONED BY do not go together");
    if (t->seen & CLAUSE_CLUSTER && t->seen & CLAUSE_CLUSTERED)
        ddl_fail(p, "SPECIFY_CLUSTER_BY_WITH_BUCKETING_IS_NOT_ALLOWED", "42908",
                 "CLUSTER BY and CLUSTERED BY do not go together");
    bool fits = !t->stored_as.bytes || !(t->seen & CLAUSE_ROW_FORMAT);
    for (size_t i = 0; i < (t->delimited ? 1 : 3); i++)
        fits |= str_equal_nocase(t->stored_as, str_of(with_serde[i]));
    if (!fits)
        not_offered(p, "this ROW FORMAT does not go with this STORED AS");
}

/* Behind CREATE .. TABLE or REPLACE TABLE. */
void ddl_table(struct parser *p)
{
    struct table t = {0};
    unsigned clause;
    (void)parse_words(p, "IF NOT EXISTS");
    (void)ddl_name(p);
    if (parse_is_symbol(p, 0, "(") && !parse_is_symbol(p, 1, ")") && !parse_at_query(p, 1)) {
        parse_next(p);
        ddl_columns(p, "CREATE_TABLE_COLUMN_DESCRIPTOR_DUPLICATE");
        parse_expect_symbol(p, ")");
    }
    while (!p->failed && (clause = take_clause(p, &t))) {
        if (t.seen & clause)
            ddl_fail(p, "DUPLICATE_CLAUSES", "42614", "a clause stands twice");
        t.seen |= clause;
    }
    check_table(p, &t);
}
