/* SPDX-License-Identifier: MIT */
/*
 * Scripts and statements. A script is cut at its semicolons first, so that a mistake in one
 * statement leaves the others alone; each is then parsed by itself.
 *
 * Statements that this engine does not run (DDL, INSERT, ..) are known by their first word and
 * given by name only: whoever runs the script says what it thinks of them.
 */
#include "query/parse_ddl.h"

static const char *const other_words[] = {
    "ADD",     "ALTER",  "ANALYZE", "CACHE",    "CALL", "CLEAR",   "COMMENT", "COMMIT",   "CREATE",
    "DECLARE", "DELETE", "DESC",    "DESCRIBE", "DROP", "EXECUTE", "EXPLAIN", "EXPORT",   "GRANT",
    "IMPORT",  "INSERT", "LIST",    "LOAD",     "LOCK", "MERGE",   "MSCK",    "REFRESH",  "REPAIR",
    "REPLACE", "RESET",  "REVOKE",  "ROLLBACK", "SET",  "SHOW",    "START",   "TRUNCATE", "UNCACHE",
    "UNLOCK",  "UPDATE", "USE",     "ABORT",    NULL};

/* ---- properties ---- */

static struct str parse_property_text(struct parser *p)
{
    if (parse_peek(p, 0)->kind == TOKEN_STRING)
        return parse_string(p);
    size_t start = p->at;
    (void)parse_symbol(p, "-");
    if (parse_peek(p, 0)->kind == TOKEN_NUMBER) {
        parse_next(p);
        return parse_source(p, start);
    }
    do
        (void)parse_name(p, "a property");
    while (parse_symbol(p, "."));
    return parse_source(p, start);
}

static void parse_properties(struct parser *p, struct query_statement *s)
{
    struct query_property *items = NULL;
    size_t count = 0, room = 0;
    parse_expect_symbol(p, "(");
    do {
        if (count == room) {
            room = room ? room * 2 : 4;
            struct query_property *more = arena_array(p->arena, room, sizeof(*more));
            if (count)
                memcpy(more, items, count * sizeof(*more));
            items = more;
        }
        struct query_property *item = &items[count++];
        item->key = parse_property_text(p);
        (void)parse_symbol(p, "=");
        item->value = parse_property_text(p);
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
    s->properties = items;
    s->property_count = count;
}

/* ---- CREATE .. AS query ---- */

enum { CLAUSE_COMMENT = 1, CLAUSE_PROPERTIES = 2, CLAUSE_PARTITIONED = 4, CLAUSE_USING = 8 };

static void once(struct parser *p, unsigned *seen, unsigned clause, const char *name)
{
    if (*seen & clause)
        parse_fail_at(p, ERR_SYNTAX, parse_peek(p, 0)->line, parse_peek(p, 0)->column,
                      "DUPLICATE_CLAUSES", "42614", "%s stands twice", name);
    *seen |= clause;
}

static void parse_create_clauses(struct parser *p, struct query_statement *s)
{
    unsigned seen = 0;
    for (;;) {
        if (parse_word(p, "COMMENT")) {
            once(p, &seen, CLAUSE_COMMENT, "COMMENT");
            s->comment = parse_string(p);
        } else if (parse_word(p, "TBLPROPERTIES")) {
            once(p, &seen, CLAUSE_PROPERTIES, "TBLPROPERTIES");
            parse_properties(p, s);
        } else if (parse_words(p, "PARTITIONED BY") || parse_words(p, "CLUSTER BY")) {
            once(p, &seen, CLAUSE_PARTITIONED, "PARTITIONED BY");
            parse_skip_brackets(p);
        } else if (parse_word(p, "USING")) {
            once(p, &seen, CLAUSE_USING, "USING");
            (void)parse_name(p, "a format");
        } else {
            return;
        }
    }
}

static void refuse(struct parser *p, const char *what)
{
    const struct token *token = parse_peek(p, 0);
    parse_fail_at(p, ERR_UNSUPPORTED, token->line, token->column, "UNSUPPORTED_FEATURE", "0A000",
                  "%s is not supported yet", what);
}

/* (a, b COMMENT 'text', ..), NULL when they are declared with types (a data source follows). */
static struct ast_node *parse_view_columns(struct parser *p)
{
    struct ast_node *names = parse_node(p, AST_LIST, STR_NONE);
    parse_expect_symbol(p, "(");
    do {
        struct ast_node *name = parse_node(p, AST_NAME, STR_NONE);
        name->text = parse_name(p, "a column name");
        if (parse_at_name(p, 0) && !parse_is(p, 0, "COMMENT"))
            refuse(p, "a temporary view with a schema");
        if (parse_word(p, "COMMENT"))
            (void)parse_string(p);
        parse_add(p, names, name);
    } while (parse_symbol(p, ","));
    parse_expect_symbol(p, ")");
    return names;
}

/* SELECT * FROM (query) AS view(names) */
static struct ast_node *rename_query(struct parser *p, struct ast_node *query,
                                     struct ast_node *names)
{
    struct ast_node *node = parse_node(p, AST_QUERY, STR_NONE);
    struct ast_node *select = parse_node(p, AST_SELECT, STR_NONE);
    struct ast_node *list = parse_node(p, AST_LIST, STR_NONE);
    struct ast_node *star = parse_node(p, AST_STAR, STR_NONE);
    struct ast_node *from = parse_node(p, AST_FROM, STR_NONE);
    struct ast_node *alias = parse_node(p, AST_ALIASED, STR(""));
    struct ast_node *derived = parse_node(p, AST_DERIVED, STR_NONE);
    parse_add(p, derived, query);
    parse_add(p, alias, derived);
    parse_add(p, alias, names);
    parse_add(p, from, alias);
    parse_add(p, star, NULL);
    parse_add(p, list, star);
    parse_add(p, select, list);
    parse_add(p, select, from);
    parse_add(p, node, select);
    for (size_t i = 0; i < 4; i++)
        parse_add(p, select, NULL);
    for (size_t i = 0; i < 6; i++)
        parse_add(p, node, NULL);
    node->source = query->source;
    return node;
}

/* Behind CREATE .. TABLE or VIEW. */
static void parse_create(struct parser *p, struct query_statement *s,
                         enum query_statement_kind kind)
{
    s->kind = kind;
    (void)parse_words(p, "IF NOT EXISTS");
    struct ast_node *name = parse_relation_name(p);
    s->name = name->text;
    bool temporary = kind == QUERY_CREATE_TEMPORARY_VIEW;
    struct ast_node *names = NULL;
    if (temporary && parse_is_symbol(p, 0, "("))
        names = parse_view_columns(p);
    else if (parse_is_symbol(p, 0, "("))
        parse_skip_brackets(p);
    if (temporary && parse_is(p, 0, "USING"))
        refuse(p, "a temporary view of a data source (USING)");
    if (parse_words(p, "DEFAULT COLLATION"))
        refuse(p, "DEFAULT COLLATION");
    parse_create_clauses(p, s);
    if (parse_word(p, "AS"))
        s->query = names ? rename_query(p, parse_query(p), names) : parse_query(p);
    else if (kind != QUERY_CREATE_STREAMING_TABLE)
        parse_fail(p, "AS");
}

/* The kind of CREATE at the cursor; takes its words. */
static bool take_create(struct parser *p, enum query_statement_kind *ret_kind)
{
    static const struct {
        const char *words;
        enum query_statement_kind kind;
    } creates[] = {
        {"CREATE STREAMING TABLE", QUERY_CREATE_STREAMING_TABLE},
        {"CREATE OR REFRESH STREAMING TABLE", QUERY_CREATE_STREAMING_TABLE},
        {"CREATE MATERIALIZED VIEW", QUERY_CREATE_MATERIALIZED_VIEW},
        {"CREATE OR REFRESH MATERIALIZED VIEW", QUERY_CREATE_MATERIALIZED_VIEW},
        {"CREATE TEMPORARY VIEW", QUERY_CREATE_TEMPORARY_VIEW},
        {"CREATE TEMP VIEW", QUERY_CREATE_TEMPORARY_VIEW},
        {"CREATE OR REPLACE TEMPORARY VIEW", QUERY_CREATE_TEMPORARY_VIEW},
        {"CREATE OR REPLACE TEMP VIEW", QUERY_CREATE_TEMPORARY_VIEW},
    };
    for (size_t i = 0; i < sizeof(creates) / sizeof(creates[0]); i++) {
        if (parse_words(p, creates[i].words)) {
            *ret_kind = creates[i].kind;
            return true;
        }
    }
    return false;
}

/* ---- the others ---- */

static void parse_other(struct parser *p, struct query_statement *s)
{
    s->kind = QUERY_OTHER;
    struct str words = STR("");
    size_t start = p->at;
    parse_other_check(p);
    if (p->failed)
        return;
    while (p->at < start + 2 && parse_peek(p, 0)->kind == TOKEN_WORD && p->at < p->end) {
        parse_next(p);
        words = parse_source(p, start);
    }
    if (p->at < p->end && p->tokens[p->end].kind == TOKEN_ERROR)
        parse_fail(p, "a statement");
    char *text = arena_text(p->arena, words);
    for (char *c = text; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c == '\n' || *c == '\t' ? ' ' : *c);
    s->word = text;
    for (; p->at < p->end; p->at++) {
        if (p->tokens[p->at].kind == TOKEN_ERROR) {
            parse_fail(p, "a statement");
            return;
        }
    }
}

/* SET key = value: the value is the text up to the semicolon. */
static bool parse_set(struct parser *p, struct query_statement *s)
{
    size_t start = p->at + 1, i = start;
    struct query_property *pair = arena_zero(p->arena, sizeof(*pair));
    if (parse_is(p, 1, "TIME") && parse_is(p, 2, "ZONE") &&
        parse_peek(p, 3)->kind == TOKEN_STRING) {
        pair->key = STR("spark.sql.session.timeZone");
        p->at += 3;
        pair->value = parse_string(p);
    } else {
        while (i < p->end &&
               !(p->tokens[i].kind == TOKEN_SYMBOL && str_equal(p->tokens[i].text, STR("="))))
            i++;
        if (i >= p->end || i == start)
            return false;
        pair->key = str_slice(p->text, p->tokens[start].start, p->tokens[i - 1].end);
        size_t end = i + 1 < p->end ? p->tokens[p->end - 1].end : p->tokens[i].end;
        pair->value = str_trim(str_slice(p->text, p->tokens[i].end, end));
        p->at = p->end;
    }
    s->kind = QUERY_SET;
    s->properties = pair;
    s->property_count = 1;
    return true;
}

static bool has_word(const struct parser *p, const char *word)
{
    for (size_t i = p->at; i < p->end; i++) {
        if (p->tokens[i].kind == TOKEN_WORD && str_equal_nocase(p->tokens[i].text, str_of(word)))
            return true;
    }
    return false;
}

/* BEGIN .., name: BEGIN .. */
static bool at_script(const struct parser *p)
{
    size_t label = parse_at_name(p, 0) && parse_is_symbol(p, 1, ":") ? 2 : 0;
    return parse_is(p, label, "BEGIN");
}

static bool at_transform(const struct parser *p)
{
    return (parse_is(p, 0, "MAP") || parse_is(p, 0, "REDUCE")) && has_word(p, "USING");
}

static void parse_statement(struct parser *p, struct query_statement *s)
{
    enum query_statement_kind kind;
    bool insert = has_word(p, "INSERT") && (parse_is(p, 0, "FROM") || parse_is(p, 0, "WITH"));
    if (insert) {
        parse_other(p, s);
    } else if (parse_at_query(p, 0)) {
        s->kind = QUERY_SELECT;
        s->query = parse_query(p);
    } else if (at_script(p)) {
        refuse(p, "a script of statements (BEGIN .. END)");
    } else if (at_transform(p)) {
        refuse(p, "a script in a query (MAP, REDUCE)");
    } else if (take_create(p, &kind)) {
        parse_create(p, s, kind);
    } else if (parse_is(p, 0, "SET") && parse_set(p, s)) {
        return;
    } else if (parse_is_any(p, 0, other_words)) {
        parse_other(p, s);
    } else {
        parse_fail(p, "a statement");
    }
    if (p->at < p->end)
        parse_fail(p, "the end of the statement");
}

static void parse_one(struct parser *p, size_t start, size_t end, struct query_statement *s)
{
    p->at = start;
    p->end = end;
    p->failed = false;
    p->depth = 0;
    p->diag = (struct diag){0};
    *s = (struct query_statement){
        .text = str_slice(p->text, p->tokens[start].start, p->tokens[end - 1].end),
        .line = p->tokens[start].line,
    };
    parse_statement(p, s);
    if (!p->failed && p->arena->over)
        parse_fail_at(p, ERR_LIMIT, s->line, 1, "", "54001", "the statement is too long");
}

static bool is_semicolon(const struct token *token)
{
    return token->kind == TOKEN_SYMBOL && str_equal(token->text, STR(";"));
}

static enum err parse_all(struct parser *p, struct diag_list *diags, struct query_script *script)
{
    enum err first = OK;
    for (size_t i = 0; p->tokens[i].kind != TOKEN_END; i++) {
        if (is_semicolon(&p->tokens[i]))
            continue;
        size_t end = i;
        while (p->tokens[end].kind != TOKEN_END && !is_semicolon(&p->tokens[end]))
            end++;
        parse_one(p, i, end, &script->statements[script->count]);
        if (!p->failed) {
            script->count++;
        } else {
            if (diags)
                diag_list_add(diags, &p->diag);
            first = first ? first : p->diag.err;
        }
        i = end - 1;
    }
    return first;
}

enum err query_parse(struct arena *arena, struct str text, struct diag_list *diags,
                     struct query_script *ret_script)
{
    struct token_list tokens;
    enum err err = lex(arena, text, &tokens);
    if (err != OK) {
        struct diag diag = {0};
        diag_set(&diag, err, 0, 0, "the script is too long");
        if (diags)
            diag_list_add(diags, &diag);
        return err;
    }
    size_t statements = 1;
    for (size_t i = 0; i < tokens.count; i++)
        statements += is_semicolon(&tokens.items[i]);
    struct query_script script = {0};
    script.statements = arena_array(arena, statements, sizeof(*script.statements));
    struct parser p = {.arena = arena, .text = text, .tokens = tokens.items};
    struct ast_node *nothing = ast_new(arena, AST_NULL, STR_NONE, 0, 0);
    p.nothing = nothing;
    err = parse_all(&p, diags, &script);
    mem_free(tokens.items);
    *ret_script = script;
    return err;
}
