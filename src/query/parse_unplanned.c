/* SPDX-License-Identifier: MIT */
/*
 * Syntax of relations that is read and checked as Spark's parser does and that no plan is made of
 * yet: time travel and changes of a table, TABLESAMPLE, PIVOT, UNPIVOT, nearest joins, hints.
 */
#include "query/parse.h"

static void fail_here(struct parser *p, const char *error_class, const char *sqlstate,
                      const char *message)
{
    const struct token *token = parse_peek(p, 0);
    parse_fail_at(p, ERR_SYNTAX, token->line, token->column, error_class, sqlstate, "%s", message);
}

static struct ast_node *wrap(struct parser *p, enum ast_kind kind, struct ast_node *relation)
{
    struct ast_node *node = parse_node(p, kind, STR_NONE);
    parse_add(p, node, relation);
    return node;
}

bool parse_names_columns(const struct ast_node *node)
{
    bool found = node->kind == AST_NAME;
    for (uint32_t i = 0; !found && i < node->count && node->kind != AST_SUBQUERY; i++)
        found = node->kids[i] && parse_names_columns(node->kids[i]);
    return found;
}

/* ---- time travel ---- */

static struct ast_node *moment(struct parser *p)
{
    struct ast_node *at = parse_value(p, 1);
    if (!p->failed && parse_names_columns(at))
        fail_here(p, "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.INPUT", "42K0E",
                  "the moment may not depend on columns");
    return at;
}

static void change_options(struct parser *p)
{
    static const char *const modes[] = {"none", "dropCarryovers", "netChanges"};
    parse_expect_symbol(p, "(");
    do {
        struct str key = parse_name(p, "an option");
        parse_expect_symbol(p, "=");
        struct str value = parse_string(p);
        bool known = !str_equal_nocase(key, STR("deduplicationMode"));
        for (size_t i = 0; i < 3; i++)
            known |= str_equal_nocase(value, str_of(modes[i]));
        if (!known)
            fail_here(p, "INVALID_CDC_OPTION.INVALID_DEDUPLICATION_MODE", "42K03",
                      "deduplicationMode is none, dropCarryovers or netChanges");
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
}

static void changes(struct parser *p, const char *const *words)
{
    while (parse_word(p, "FROM") || parse_word(p, "TO")) {
        bool time = parse_is(p, 0, "TIMESTAMP") || parse_is(p, 0, "SYSTEM_TIME");
        if (!parse_is_any(p, 0, words))
            parse_fail(p, "VERSION or TIMESTAMP");
        parse_next(p);
        if (time && moment(p)->kind == AST_SUBQUERY)
            fail_here(p, "INVALID_CDC_OPTION.INVALID_TIMESTAMP_EXPR", "42K03",
                      "a query may not stand here");
        else if (!time)
            (void)parse_value(p, 1);
        if (!parse_word(p, "INCLUSIVE"))
            (void)parse_word(p, "EXCLUSIVE");
    }
    if (parse_is(p, 0, "WITH") && parse_is_symbol(p, 1, "(")) {
        parse_next(p);
        change_options(p);
    }
}

struct ast_node *parse_travel(struct parser *p, struct ast_node *relation)
{
    static const char *const words[] = {"SYSTEM_VERSION", "VERSION", "SYSTEM_TIME", "TIMESTAMP",
                                        NULL};
    size_t skip = parse_is(p, 0, "FOR") ? 1 : 0;
    if (parse_is_any(p, skip, words) && parse_is(p, skip + 1, "AS") &&
        parse_is(p, skip + 2, "OF")) {
        relation = wrap(p, AST_TRAVEL, relation);
        p->at += skip + 3;
        (void)moment(p);
        return relation;
    }
    if (!parse_is(p, 0, "CHANGES") || !parse_is(p, 1, "FROM"))
        return relation;
    relation = wrap(p, AST_TRAVEL, relation);
    parse_next(p);
    changes(p, words);
    return relation;
}

/* ---- samples ---- */

static void sample_size(struct parser *p, bool system)
{
    bool bucket = parse_is(p, 0, "BUCKET") && parse_peek(p, 1)->kind == TOKEN_NUMBER;
    if (bucket) {
        p->at += 2;
        parse_expect(p, "OUT");
        parse_expect(p, "OF");
        parse_next(p);
    } else {
        (void)parse_value(p, 1);
    }
    bool percent = !bucket && parse_word(p, "PERCENT");
    if (system && !percent)
        fail_here(p, "UNSUPPORTED_FEATURE.TABLESAMPLE_SYSTEM_SAMPLE_METHOD", "0A000",
                  "TABLESAMPLE SYSTEM takes a percentage");
    if (bucket && parse_is(p, 0, "ON"))
        fail_here(p, "INVALID_STATEMENT_OR_CLAUSE", "42601", "buckets ON a column are not offered");
    if (!bucket && !percent)
        parse_expect(p, "ROWS");
}

struct ast_node *parse_sample(struct parser *p, struct ast_node *relation)
{
    if (!parse_is(p, 0, "TABLESAMPLE"))
        return relation;
    relation = wrap(p, AST_SAMPLE, relation);
    parse_next(p);
    bool system = parse_word(p, "SYSTEM");
    if (!system)
        (void)parse_word(p, "BERNOULLI");
    parse_expect_symbol(p, "(");
    sample_size(p, system);
    parse_expect_symbol(p, ")");
    if (parse_word(p, "REPEATABLE")) {
        parse_skip_brackets(p);
        if (system)
            fail_here(p, "UNSUPPORTED_FEATURE.TABLESAMPLE_SYSTEM_REPEATABLE", "0A000",
                      "TABLESAMPLE SYSTEM cannot be REPEATABLE");
    }
    return relation;
}

/* ---- PIVOT, UNPIVOT ---- */

bool parse_at_pivot(const struct parser *p)
{
    bool pivot = parse_is(p, 0, "PIVOT") && parse_is_symbol(p, 1, "(");
    return pivot ||
           (parse_is(p, 0, "UNPIVOT") &&
            (parse_is_symbol(p, 1, "(") || parse_is(p, 1, "INCLUDE") || parse_is(p, 1, "EXCLUDE")));
}

static void unpivot_alias(struct parser *p)
{
    if (parse_word(p, "AS") || parse_at_name(p, 0))
        (void)parse_name(p, "an alias");
}

static void unpivot_column(struct parser *p)
{
    do
        (void)parse_name(p, "a column");
    while (parse_symbol(p, "."));
}

/* (v FOR n IN (a [AS x], ..)) or ((v, w) FOR n IN ((a, b) [AS x], ..)) */
static void unpivot(struct parser *p)
{
    parse_expect_symbol(p, "(");
    bool many = parse_is_symbol(p, 0, "(");
    if (many)
        (void)parse_name_list(p);
    else
        (void)parse_name(p, "a name");
    parse_expect(p, "FOR");
    (void)parse_name(p, "a name");
    parse_expect(p, "IN");
    parse_expect_symbol(p, "(");
    do {
        if (many)
            parse_expect_symbol(p, "(");
        do
            unpivot_column(p);
        while (many && parse_symbol(p, ","));
        if (many)
            parse_expect_symbol(p, ")");
        unpivot_alias(p);
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
    parse_expect_symbol(p, ")");
}

struct ast_node *parse_pivot(struct parser *p, struct ast_node *relation)
{
    bool pivot = parse_word(p, "PIVOT");
    relation = wrap(p, pivot ? AST_PIVOT : AST_UNPIVOT, relation);
    if (pivot) {
        parse_skip_brackets(p);
        return relation;
    }
    parse_expect(p, "UNPIVOT");
    if (!parse_words(p, "INCLUDE NULLS"))
        (void)parse_words(p, "EXCLUDE NULLS");
    unpivot(p);
    return relation;
}

/* Behind LATERAL VIEW neither may stand, and both together nowhere. */
void parse_pivot_behind(struct parser *p)
{
    if (!parse_at_pivot(p))
        return;
    bool pivot = parse_is(p, 0, "PIVOT");
    (void)parse_pivot(p, parse_node(p, AST_RELATION, STR_NONE));
    if (pivot && parse_at_pivot(p))
        fail_here(p, "NOT_ALLOWED_IN_FROM.UNPIVOT_WITH_PIVOT", "42601",
                  "PIVOT and UNPIVOT do not go together");
    else
        fail_here(p,
                  pivot ? "NOT_ALLOWED_IN_FROM.LATERAL_WITH_PIVOT"
                        : "NOT_ALLOWED_IN_FROM.LATERAL_WITH_UNPIVOT",
                  "42601", "PIVOT and UNPIVOT do not go with LATERAL VIEW");
}

/* ---- nearest joins ---- */

/* Behind the right side of a join. */
void parse_nearest(struct parser *p, struct ast_node *join)
{
    enum { RESULTS_MAX = 100000 };
    int64_t results = 1;
    if ((!parse_is(p, 0, "APPROX") && !parse_is(p, 0, "EXACT")) || !parse_is(p, 1, "NEAREST"))
        return;
    if (!str_equal(join->text, STR("inner")) && !str_equal(join->text, STR("left")))
        fail_here(p, "NEAREST_BY_JOIN.UNSUPPORTED_JOIN_TYPE", "42604",
                  "a nearest join is INNER or LEFT");
    if (!p->failed && join->kids[1]->flags & AST_LATERAL)
        fail_here(p, "UNSUPPORTED_FEATURE.LATERAL_JOIN_NEAREST_BY", "0A000",
                  "a nearest join has no LATERAL side");
    if (p->failed)
        return;
    p->at += 2;
    if (parse_peek(p, 0)->kind == TOKEN_NUMBER &&
        (str_to_i64(parse_next(p)->text, &results) != OK || results < 1 || results > RESULTS_MAX))
        fail_here(p, "NEAREST_BY_JOIN.NUM_RESULTS_OUT_OF_RANGE", "42604",
                  "a nearest join finds 1 to 100000 rows");
    parse_expect(p, "BY");
    if (!parse_word(p, "SIMILARITY"))
        parse_expect(p, "DISTANCE");
    (void)parse_expr(p);
    join->text = STR("nearest");
}

/* ---- hints ---- */

static void hint(struct parser *p)
{
    (void)parse_name(p, "a hint");
    if (!parse_symbol(p, "("))
        return;
    do
        (void)parse_primary(p);
    while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
}

static void check_hints(struct parser *p, struct str text)
{
    struct token_list tokens;
    if (lex(p->arena, text, &tokens) != OK)
        return;
    struct parser inner = {.arena = p->arena,
                           .text = text,
                           .tokens = tokens.items,
                           .end = tokens.count - 1,
                           .nothing = p->nothing};
    while (!inner.failed && inner.at < inner.end) {
        hint(&inner);
        (void)parse_symbol(&inner, ",");
    }
    if (inner.failed)
        fail_here(p, "PARSE_SYNTAX_ERROR", "42601", "the hint does not parse");
    mem_free(tokens.items);
}

/* Behind SELECT: comments that begin with a plus are hints, which are checked and left out. */
void parse_hints(struct parser *p)
{
    if (p->failed || p->at == 0 || p->at >= p->end)
        return;
    size_t from = p->tokens[p->at - 1].end, to = p->tokens[p->at].start, open, close;
    struct str gap = str_slice(p->text, from, to);
    while ((open = str_find(gap, STR("/*+"), 0)) != SIZE_MAX &&
           (close = str_find(gap, STR("*/"), open)) != SIZE_MAX) {
        check_hints(p, str_slice(gap, open + 3, close));
        gap = str_slice(gap, close + 2, gap.bytes);
    }
}

/* ---- numbers ---- */

/* What Spark's parser knows of a number: the range of its suffix. The sign stands outside, so the
 * lowest value passes; the binder looks again. */
void parse_check_number(struct parser *p, const struct token *token)
{
    struct str text = token->text;
    char last = (char)(text.ptr[text.bytes - 1] | 0x20);
    bool big = text.bytes > 2 && last == 'd' && (text.ptr[text.bytes - 2] | 0x20) == 'b';
    int64_t value, most = last == 'y' ? 128 : last == 's' ? 32768 : INT64_MAX;
    if ((last == 'y' || last == 's') &&
        (str_to_i64(str_slice(text, 0, text.bytes - 1), &value) != OK || value > most))
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column, "INVALID_NUMERIC_LITERAL_RANGE",
                      "22003", "%.*s is out of range", STR_ARG(text));
    if (!big)
        return;
    int64_t digits = 0, fraction = 0, exponent = 0;
    bool point = false;
    for (size_t i = 0; i + 2 < text.bytes; i++) {
        char c = text.ptr[i];
        point |= c == '.';
        if (c >= '0' && c <= '9') {
            digits += digits > 0 || c != '0';
            fraction += point;
        } else if ((c | 0x20) == 'e') {
            struct str power = str_slice(text, i + 1, text.bytes - 2);
            if (str_starts(power, STR("+")))
                power = str_slice(power, 1, power.bytes);
            if (str_to_i64(power, &exponent) != OK)
                exponent = 100;
            break;
        }
    }
    int64_t scale = fraction - exponent;
    if (scale > 38 || (scale < 0 ? digits - scale : digits) > 38)
        parse_fail_at(p, ERR_SYNTAX, token->line, token->column,
                      "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "22003",
                      "%.*s has more than 38 digits", STR_ARG(text));
}
