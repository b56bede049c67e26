/* SPDX-License-Identifier: MIT */
/*
 * What Spark's parser refuses in ALTER, ANALYZE, CACHE, DELETE, UPDATE, INSERT, MERGE and CREATE
 * VIEW. Each check reads its statement as far as it must and passes over the rest.
 */
#include "query/parse_ddl.h"

/* ---- ALTER ---- */

static void not_offered(struct parser *p, const char *what)
{
    ddl_fail(p, "INVALID_STATEMENT_OR_CLAUSE", "42601", what);
}

/* One action on a column, behind its name; hive's CHANGE a b TYPE renames where a is not b. */
static void column_action(struct parser *p, struct str name)
{
    struct str text;
    if (parse_word(p, "TYPE")) {
        (void)parse_type(p, &text);
    } else if (parse_word(p, "COMMENT")) {
        (void)parse_string(p);
    } else if (parse_words(p, "SET DEFAULT")) {
        (void)parse_expr(p);
    } else if (parse_word(p, "AFTER")) {
        (void)ddl_name(p);
    } else if (!parse_word(p, "FIRST") && !parse_words(p, "SET NOT NULL") &&
               !parse_words(p, "DROP NOT NULL") && !parse_words(p, "DROP DEFAULT")) {
        struct str renamed = parse_name(p, "an action");
        (void)parse_type(p, &text);
        if (!p->failed && !str_equal_nocase(renamed, name))
            not_offered(p, "CHANGE does not rename a column");
        if (parse_word(p, "COMMENT"))
            (void)parse_string(p);
        if (parse_word(p, "AFTER"))
            (void)ddl_name(p);
        else
            (void)parse_word(p, "FIRST");
    }
}

static void alter_columns(struct parser *p)
{
    if (!parse_word(p, "COLUMN"))
        (void)parse_word(p, "COLUMNS");
    do {
        (void)ddl_name(p);
        struct str name = p->at > 0 ? p->tokens[p->at - 1].text : STR("");
        column_action(p, name);
    } while (parse_symbol(p, ","));
    if (p->at < p->end)
        parse_fail(p, "the end of the statement");
}

static void replace_columns(struct parser *p)
{
    static const char twice[] = "ALTER_TABLE_COLUMN_DESCRIPTOR_DUPLICATE";
    bool brackets = parse_symbol(p, "(");
    struct str text;
    do {
        if (ddl_name(p) > 1)
            not_offered(p, "REPLACE COLUMNS takes columns of the table, not fields");
        (void)parse_type(p, &text);
        if (ddl_column_options(p, twice) & (DDL_NOT_NULL | DDL_PLACE))
            not_offered(p, "REPLACE COLUMNS takes neither NOT NULL nor a place");
    } while (parse_symbol(p, ","));
    if (brackets)
        parse_expect_symbol(p, ")");
}

static void alter_table(struct parser *p)
{
    (void)ddl_name(p);
    bool partition = parse_is(p, 0, "PARTITION") && parse_is_symbol(p, 1, "(");
    if (partition) {
        parse_next(p);
        parse_skip_brackets(p);
    }
    bool change = parse_is(p, 0, "CHANGE") || parse_is(p, 0, "ALTER");
    bool replace = parse_is(p, 0, "REPLACE") && parse_is(p, 1, "COLUMNS");
    if (partition && (change || replace)) {
        not_offered(p, "columns of a partition cannot be changed");
    } else if (change) {
        parse_next(p);
        alter_columns(p);
    } else if (replace) {
        p->at += 2;
        replace_columns(p);
    } else if (parse_words(p, "ADD COLUMN") || parse_words(p, "ADD COLUMNS")) {
        bool brackets = parse_symbol(p, "(");
        ddl_columns(p, "ALTER_TABLE_COLUMN_DESCRIPTOR_DUPLICATE");
        if (brackets)
            parse_expect_symbol(p, ")");
    } else if (parse_words(p, "DEFAULT COLLATION")) {
        ddl_collation(p);
    }
}

static void view_query(struct parser *p)
{
    (void)parse_query(p);
    if (p->at < p->end)
        parse_fail(p, "the end of the statement");
}

static void alter_view(struct parser *p)
{
    (void)ddl_name(p);
    if (parse_is(p, 0, "ADD") || parse_is(p, 0, "PARTITION"))
        not_offered(p, "a view has no partitions");
    else if (parse_word(p, "AS"))
        view_query(p);
}

static void create_view(struct parser *p)
{
    (void)parse_words(p, "IF NOT EXISTS");
    (void)ddl_name(p);
    if (parse_word(p, "AS"))
        view_query(p);
}

/* ---- others ---- */

static bool skip_to(struct parser *p, const char *words)
{
    while (!p->failed && p->at < p->end) {
        if (parse_words(p, words))
            return true;
        parse_next(p);
    }
    return false;
}

static void analyze(struct parser *p)
{
    if (!skip_to(p, "COMPUTE STATISTICS") || p->at >= p->end)
        return;
    if (parse_words(p, "FOR COLUMNS"))
        (void)ddl_name(p);
    else if (!parse_words(p, "FOR ALL COLUMNS") && !parse_word(p, "NOSCAN"))
        ddl_fail(p, "INVALID_SQL_SYNTAX.ANALYZE_TABLE_UNEXPECTED_NOSCAN", "42000",
                 "only NOSCAN may stand here");
}

static void cache(struct parser *p)
{
    (void)parse_word(p, "LAZY");
    parse_expect(p, "TABLE");
    uint32_t parts = ddl_name(p);
    if (parts > 1 && (parse_is(p, 0, "AS") || parse_at_query(p, 0)))
        not_offered(p, "a cached query has a name without a database");
}

/* DELETE FROM t AS a (b, c) */
static void changed_table(struct parser *p)
{
    static const char *const clauses[] = {"SET", "WHERE", NULL};
    (void)ddl_name(p);
    bool as = parse_word(p, "AS");
    if (as || (parse_at_name(p, 0) && !parse_is_any(p, 0, clauses)))
        (void)parse_name(p, "an alias");
    if (parse_is_symbol(p, 0, "("))
        ddl_fail(p, "COLUMN_ALIASES_NOT_ALLOWED", "42601", "columns may not be renamed here");
}

/* PARTITION (a = 1, b): true when one has no value. */
static bool partition_is_open(struct parser *p)
{
    bool open = false, value = false;
    parse_expect_symbol(p, "(");
    while (!p->failed && p->at < p->end && !parse_is_symbol(p, 0, ")")) {
        value |= parse_is_symbol(p, 0, "=");
        if (parse_is_symbol(p, 0, ",")) {
            open |= !value;
            value = false;
        }
        parse_next(p);
    }
    parse_expect_symbol(p, ")");
    return open || !value;
}

static void insert(struct parser *p)
{
    (void)parse_words(p, "WITH SCHEMA EVOLUTION");
    bool overwrite = parse_word(p, "OVERWRITE");
    if (!overwrite)
        (void)parse_word(p, "INTO");
    bool local = parse_words(p, "LOCAL DIRECTORY");
    if (local && parse_is(p, 0, "USING"))
        ddl_fail(p, "INTERNAL_ERROR", "XX000", "LOCAL does not go with USING");
    if (local || parse_is(p, 0, "DIRECTORY"))
        return;
    (void)parse_word(p, "TABLE");
    (void)ddl_name(p);
    bool alias = parse_word(p, "AS");
    if (alias)
        (void)parse_name(p, "an alias");
    (void)parse_words(p, "BY NAME");
    if (parse_word(p, "PARTITION")) {
        bool open = partition_is_open(p);
        if (parse_words(p, "IF NOT EXISTS") && (open || !overwrite))
            not_offered(p, overwrite ? "IF NOT EXISTS needs a value for each partition column"
                                     : "IF NOT EXISTS goes with INSERT OVERWRITE");
    }
    if (alias && parse_is(p, 0, "REPLACE") && parse_is(p, 1, "WHERE"))
        ddl_fail(p, "INSERT_REPLACE_WHERE_TABLE_ALIAS_NOT_ALLOWED", "42000",
                 "REPLACE WHERE goes with no alias");
}

/* ---- MERGE ---- */

enum merge_kind { MERGE_MATCHED, MERGE_BY_TARGET, MERGE_BY_SOURCE };

/* To the next word at this depth of brackets and CASE; false at the end. */
static bool skip_outside(struct parser *p, const char *word)
{
    int depth = 0;
    for (; !p->failed && p->at < p->end; p->at++) {
        if (depth == 0 && parse_is(p, 0, word))
            return true;
        if (parse_is_symbol(p, 0, "(") || parse_is(p, 0, "CASE"))
            depth++;
        else if (parse_is_symbol(p, 0, ")") || (depth > 0 && parse_is(p, 0, "END")))
            depth--;
    }
    return false;
}

static uint32_t count_values(struct parser *p)
{
    uint32_t count = 0;
    parse_expect_symbol(p, "(");
    do {
        (void)parse_expr(p);
        count++;
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
    return count;
}

static void merge_action(struct parser *p)
{
    parse_expect(p, "THEN");
    if (!parse_word(p, "INSERT") || !parse_is_symbol(p, 0, "("))
        return;
    uint32_t columns = count_values(p);
    parse_expect(p, "VALUES");
    if (count_values(p) != columns)
        ddl_fail(p, "MERGE_INSERT_VALUE_COUNT_MISMATCH", "21S01",
                 "INSERT has not as many values as columns");
}

static void merge(struct parser *p)
{
    static const char *const omitted[] = {"NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION",
                                          "NON_LAST_NOT_MATCHED_BY_TARGET_CLAUSE_OMIT_CONDITION",
                                          "NON_LAST_NOT_MATCHED_BY_SOURCE_CLAUSE_OMIT_CONDITION"};
    bool open[3] = {false, false, false};
    uint32_t clauses = 0;
    for (; skip_outside(p, "WHEN"); clauses++) {
        parse_next(p);
        bool negated = parse_word(p, "NOT");
        parse_expect(p, "MATCHED");
        enum merge_kind kind = negated ? MERGE_BY_TARGET : MERGE_MATCHED;
        if (parse_words(p, "BY SOURCE"))
            kind = MERGE_BY_SOURCE;
        else
            (void)parse_words(p, "BY TARGET");
        if (open[kind])
            ddl_fail(p, omitted[kind], "42613",
                     "only the last WHEN of its kind may stand without a condition");
        open[kind] = !parse_is(p, 0, "AND");
        if (skip_outside(p, "THEN"))
            merge_action(p);
    }
    if (!p->failed && clauses == 0)
        ddl_fail(p, "MERGE_WITHOUT_WHEN", "42601", "MERGE has at least one WHEN");
}

/* ---- all ---- */

static void check_other(struct parser *p)
{
    static const struct {
        const char *words;
        void (*check)(struct parser *p);
    } statements[] = {
        {"CREATE TABLE", ddl_table},
        {"CREATE OR REPLACE TABLE", ddl_table},
        {"REPLACE TABLE", ddl_table},
        {"CREATE VIEW", create_view},
        {"CREATE OR REPLACE VIEW", create_view},
        {"ALTER TABLE", alter_table},
        {"ALTER VIEW", alter_view},
        {"ANALYZE TABLE", analyze},
        {"ANALYZE TABLES", analyze},
        {"CACHE", cache},
        {"DELETE FROM", changed_table},
        {"UPDATE", changed_table},
        {"INSERT", insert},
        {"MERGE", merge},
    };
    static const char *const named[] = {"CREATE",   "ALTER", "DROP", "DESC",
                                        "DESCRIBE", "SHOW",  "USE",  NULL};
    if (parse_is_any(p, 0, named))
        ddl_check_names(p);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        if (parse_words(p, statements[i].words)) {
            statements[i].check(p);
            return;
        }
    }
}

void parse_other_check(struct parser *p)
{
    size_t start = p->at;
    check_other(p);
    if (!p->failed)
        p->at = start;
}
