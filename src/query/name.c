/* SPDX-License-Identifier: MIT */
/*
 * Names of columns without an alias, as Spark's analyzer makes them: the pretty SQL of the
 * expression. A column or field is its last name alone; inside an expression the table in front of
 * a column goes away and fields stay ("upper(name.first)"). Strings lose their quotes, operators
 * get brackets, != is NOT =.
 */
#include "query/bind.h"

struct lambda_names {
    const struct lambda_names *outer;
    const struct ast_node *lambda;
};

struct namer {
    struct binder *b;
    struct buf *out;
    const struct lambda_names *lambdas; /* whose variables are in sight */
};

/* Functions whose printed name differs from the written one in more than case, and the default
 * arguments that Spark's analyzer adds when only count are written. */
static const struct {
    const char *name, *printed;
    uint32_t count;
    const char *more;
} printed_names[] = {
    {"acos", "ACOS", 0, NULL},
    {"acosh", "ACOSH", 0, NULL},
    {"asin", "ASIN", 0, NULL},
    {"asinh", "ASINH", 0, NULL},
    {"atan", "ATAN", 0, NULL},
    {"atan2", "ATAN2", 0, NULL},
    {"atanh", "ATANH", 0, NULL},
    {"cbrt", "CBRT", 0, NULL},
    {"ceil", "CEIL", 1, ""},
    {"cos", "COS", 0, NULL},
    {"cosh", "COSH", 0, NULL},
    {"cot", "COT", 0, NULL},
    {"csc", "CSC", 0, NULL},
    {"degrees", "DEGREES", 0, NULL},
    {"e", "E", 0, NULL},
    {"exp", "EXP", 0, NULL},
    {"expm1", "EXPM1", 0, NULL},
    {"floor", "FLOOR", 1, ""},
    {"hypot", "HYPOT", 0, NULL},
    {"log", "LOG", 2, ""},
    {"log10", "LOG10", 0, NULL},
    {"log1p", "LOG1P", 0, NULL},
    {"log2", "LOG2", 0, NULL},
    {"pi", "PI", 0, NULL},
    {"power", "POWER", 0, NULL},
    {"radians", "RADIANS", 0, NULL},
    {"sec", "SEC", 0, NULL},
    {"signum", "SIGNUM", 0, NULL},
    {"sin", "SIN", 0, NULL},
    {"sinh", "SINH", 0, NULL},
    {"sqrt", "SQRT", 0, NULL},
    {"tan", "TAN", 0, NULL},
    {"tanh", "TANH", 0, NULL},
    {"rlike", "RLIKE", 0, NULL},
    {"regexp", "REGEXP", 0, NULL},
    {"regexp_like", "REGEXP_LIKE", 0, NULL},
    {"dateadd", "date_add", 0, NULL},
    {"substring", "substring", 2, ", 2147483647"},
    {"substr", "substr", 2, ", 2147483647"},
    {"split", "split", 2, ", -1"},
    {"regexp_replace", "regexp_replace", 3, ", 1"},
    {"regexp_instr", "regexp_instr", 2, ", 0"},
    {"locate", "locate", 2, ", 1"},
    {"position", "position", 2, ", 1"},
    {"lpad", "lpad", 2, ",  "},
    {"rpad", "rpad", 2, ",  "},
    {"months_between", "months_between", 2, ", true"},
    {"from_unixtime", "from_unixtime", 1, ", yyyy-MM-dd HH:mm:ss"},
};

static void put(struct namer *n, const struct ast_node *node);

static void put_list(struct namer *n, const struct ast_node *node, size_t from, const char *between)
{
    for (size_t i = from; i < node->count; i++) {
        if (i > from)
            buf_text(n->out, between);
        put(n, node->kids[i]);
    }
}

static bool is_variable(const struct namer *n, struct str name)
{
    for (const struct lambda_names *frame = n->lambdas; frame; frame = frame->outer) {
        for (uint32_t i = 0; i + 1 < frame->lambda->count; i++) {
            if (str_equal_nocase(frame->lambda->kids[i]->text, name))
                return true;
        }
    }
    return false;
}

/* The qualifier in front of a.b is a relation, not a column: it is left out. */
static bool is_qualifier(const struct namer *n, const struct ast_node *node)
{
    const struct scope *scope = n->b->scope;
    bool column = false, relation = false;
    for (uint32_t i = 0; node->kind == AST_NAME && scope && i < scope->count; i++) {
        column |= str_equal_nocase(scope->items[i].name, node->text);
        relation |= str_equal_nocase(scope->items[i].qualifier, node->text);
    }
    return relation && !column;
}

static void put_interval(struct namer *n, const struct ast_node *node)
{
    struct builder *builder = builder_new(node->type, 1, 0);
    struct column *column;
    builder_i64(builder, node->value);
    if (builder_finish(builder, &column) == OK) {
        text_of_value(column, 0, zone_utc(), n->out);
        column_unref(column);
    }
    builder_free(builder);
}

static void put_typed(struct namer *n, const struct ast_node *node)
{
    struct expr *expr;
    buf_printf(n->out, "%.*s '", STR_ARG(node->text));
    if (bind_literal(n->b, node, &expr) == OK)
        text_of_value(expr->constant, 0, n->b->session->zone ? n->b->session->zone : zone_utc(),
                      n->out);
    buf_char(n->out, '\'');
}

static void put_number(struct namer *n, const struct ast_node *node)
{
    struct expr *expr;
    if (bind_literal(n->b, node, &expr) == OK)
        text_of_value(expr->constant, 0, zone_utc(), n->out);
}

static void put_call(struct namer *n, const struct ast_node *node)
{
    struct str name = node->text;
    if (str_equal_nocase(name, STR("extract")) && node->count == 2) {
        buf_text(n->out, "extract(");
        put(n, node->kids[0]);
        buf_text(n->out, " FROM ");
        put(n, node->kids[1]);
        buf_char(n->out, ')');
        return;
    }
    const char *printed = NULL, *more = "";
    for (size_t i = 0; i < sizeof(printed_names) / sizeof(printed_names[0]); i++) {
        if (!str_equal_nocase(name, str_of(printed_names[i].name)))
            continue;
        bool fits = !printed_names[i].more || printed_names[i].count == node->count;
        printed = fits ? printed_names[i].printed : NULL;
        more = fits && printed_names[i].more ? printed_names[i].more : "";
    }
    if (str_equal_nocase(name, STR("if")))
        buf_text(n->out, "(IF");
    else if (printed)
        buf_text(n->out, printed);
    else
        func_show_name(name, node->count, n->out);
    buf_char(n->out, '(');
    if (node->flags & AST_DISTINCT)
        buf_text(n->out, "DISTINCT ");
    bool count_star =
        node->count == 1 && node->kids[0]->kind == AST_STAR && str_equal_nocase(name, STR("count"));
    if (count_star)
        buf_char(n->out, '1');
    else
        put_list(n, node, 0, ", ");
    buf_text(n->out, more);
    buf_text(n->out, str_equal_nocase(name, STR("if")) ? "))" : ")");
}

static void put_binary(struct namer *n, const struct ast_node *node)
{
    bool differs = str_equal(node->text, STR("!="));
    if (str_equal(node->text, STR("||"))) {
        buf_text(n->out, "concat(");
        put_list(n, node, 0, ", ");
        buf_char(n->out, ')');
        return;
    }
    struct str op = differs ? STR("=") : str_equal(node->text, STR("==")) ? STR("=") : node->text;
    buf_text(n->out, differs ? "(NOT (" : "(");
    put(n, node->kids[0]);
    buf_printf(n->out, " %.*s ", STR_ARG(op));
    put(n, node->kids[1]);
    buf_text(n->out, differs ? "))" : ")");
}

/* AND and OR of many, as the pairs that Spark sees. */
static void put_logical(struct namer *n, const struct ast_node *node)
{
    const char *word = node->kind == AST_AND ? " AND " : " OR ";
    for (uint32_t i = 1; i < node->count; i++)
        buf_char(n->out, '(');
    put(n, node->kids[0]);
    for (uint32_t i = 1; i < node->count; i++) {
        buf_text(n->out, word);
        put(n, node->kids[i]);
        buf_char(n->out, ')');
    }
}

static void put_case(struct namer *n, const struct ast_node *node)
{
    buf_text(n->out, "CASE");
    bool has_else = node->flags & AST_HAS_ELSE;
    uint32_t whens = node->count - has_else;
    for (uint32_t i = 1; i + 1 < whens + 1 && i + 1 <= whens; i += 2) {
        buf_text(n->out, " WHEN ");
        if (node->kids[0]) {
            buf_char(n->out, '(');
            put(n, node->kids[0]);
            buf_text(n->out, " = ");
        }
        put(n, node->kids[i]);
        buf_text(n->out, node->kids[0] ? ") THEN " : " THEN ");
        put(n, node->kids[i + 1]);
    }
    if (has_else) {
        buf_text(n->out, " ELSE ");
        put(n, node->kids[node->count - 1]);
    }
    buf_text(n->out, " END");
}

static void put_predicate(struct namer *n, const struct ast_node *node)
{
    switch (node->kind) {
    case AST_IN:
        buf_char(n->out, '(');
        put(n, node->kids[0]);
        buf_text(n->out, " IN (");
        put_list(n, node, 1, ", ");
        buf_text(n->out, "))");
        return;
    case AST_BETWEEN:
        buf_text(n->out, "between(");
        put_list(n, node, 0, ", ");
        buf_char(n->out, ')');
        return;
    case AST_LIKE:
        if (str_equal(node->text, STR("like"))) {
            put(n, node->kids[0]);
            buf_text(n->out, " LIKE ");
            put(n, node->kids[1]);
            return;
        }
        buf_text(n->out, str_equal(node->text, STR("ilike")) ? "ilike(" : "RLIKE(");
        put_list(n, node, 0, ", ");
        buf_char(n->out, ')');
        return;
    default:
        buf_printf(n->out, "%.*s", STR_ARG(node->source));
    }
}

static void put_is(struct namer *n, const struct ast_node *node)
{
    bool negated = node->flags & AST_NEGATED;
    if (str_equal(node->text, STR("distinct"))) {
        buf_text(n->out, negated ? "(" : "(NOT (");
        put(n, node->kids[0]);
        buf_text(n->out, " <=> ");
        put(n, node->kids[1]);
        buf_text(n->out, negated ? ")" : "))");
        return;
    }
    bool null = str_equal(node->text, STR("null")) || str_equal(node->text, STR("unknown"));
    buf_text(n->out, null || !negated ? "(" : "(NOT (");
    put(n, node->kids[0]);
    if (null) {
        buf_text(n->out, negated ? " IS NOT NULL)" : " IS NULL)");
        return;
    }
    buf_text(n->out, " <=> ");
    buf_printf(n->out, "%.*s%s", STR_ARG(node->text), negated ? "))" : ")");
}

static void put_literal(struct namer *n, const struct ast_node *node)
{
    switch (node->kind) {
    case AST_NUMBER:
        put_number(n, node);
        return;
    case AST_TYPED:
        put_typed(n, node);
        return;
    case AST_INTERVAL:
        put_interval(n, node);
        return;
    case AST_TRUE:
        buf_text(n->out, "true");
        return;
    case AST_FALSE:
        buf_text(n->out, "false");
        return;
    case AST_NULL:
        buf_text(n->out, "NULL");
        return;
    case AST_BINARY_LITERAL:
        buf_text(n->out, "X'");
        for (size_t i = 0; i < node->text.bytes; i++)
            buf_printf(n->out, "%02X", (unsigned char)node->text.ptr[i]);
        buf_char(n->out, '\'');
        return;
    default:
        buf_str_append(n->out, node->text);
    }
}

static void put_cast(struct namer *n, const struct ast_node *node)
{
    buf_text(n->out, node->flags & AST_TRY ? "TRY_CAST(" : "CAST(");
    put(n, node->kids[0]);
    buf_text(n->out, " AS ");
    type_print_sql(node->type, n->out);
    buf_char(n->out, ')');
}

static void put_other(struct namer *n, const struct ast_node *node)
{
    switch (node->kind) {
    case AST_UNARY:
        buf_printf(n->out, str_equal(node->text, STR("~")) ? "%.*s" : "(%.*s ",
                   STR_ARG(node->text));
        put(n, node->kids[0]);
        buf_text(n->out, str_equal(node->text, STR("~")) ? "" : ")");
        return;
    case AST_NOT:
        buf_text(n->out, "(NOT ");
        put(n, node->kids[0]);
        buf_char(n->out, ')');
        return;
    case AST_INDEX:
        put(n, node->kids[0]);
        buf_char(n->out, '[');
        put(n, node->kids[1]);
        buf_char(n->out, ']');
        return;
    case AST_ROW:
        buf_text(n->out, "struct(");
        put_list(n, node, 0, ", ");
        buf_char(n->out, ')');
        return;
    case AST_FILTERED:
        put(n, node->kids[0]);
        buf_text(n->out, " FILTER (WHERE ");
        put(n, node->kids[1]);
        buf_char(n->out, ')');
        return;
    case AST_LAMBDA: {
        buf_text(n->out, "lambdafunction(");
        struct lambda_names frame = {n->lambdas, node};
        n->lambdas = &frame;
        put(n, node->kids[node->count - 1]);
        n->lambdas = frame.outer;
        for (uint32_t i = 0; i + 1 < node->count; i++)
            buf_text(n->out, ", namedlambdavariable()");
        buf_char(n->out, ')');
        return;
    }
    default:
        buf_printf(n->out, "%.*s", STR_ARG(node->source));
    }
}

static void put(struct namer *n, const struct ast_node *node)
{
    bool negated = (node->flags & AST_NEGATED) && node->kind != AST_IS;
    buf_text(n->out, negated ? "(NOT " : "");
    switch (node->kind) {
    case AST_NAME:
        buf_str_append(n->out,
                       is_variable(n, node->text) ? STR("namedlambdavariable()") : node->text);
        break;
    case AST_FIELD:
        if (!is_qualifier(n, node->kids[0])) {
            put(n, node->kids[0]);
            buf_char(n->out, '.');
        }
        buf_str_append(n->out, node->text);
        break;
    case AST_CALL:
        put_call(n, node);
        break;
    case AST_BINARY:
        put_binary(n, node);
        break;
    case AST_AND:
    case AST_OR:
        put_logical(n, node);
        break;
    case AST_CASE:
        put_case(n, node);
        break;
    case AST_CAST:
        put_cast(n, node);
        break;
    case AST_IS:
        put_is(n, node);
        break;
    case AST_IN:
    case AST_BETWEEN:
    case AST_LIKE:
        put_predicate(n, node);
        break;
    case AST_NUMBER:
    case AST_STRING:
    case AST_BINARY_LITERAL:
    case AST_TYPED:
    case AST_TRUE:
    case AST_FALSE:
    case AST_NULL:
    case AST_INTERVAL:
        put_literal(n, node);
        break;
    default:
        put_other(n, node);
    }
    buf_text(n->out, negated ? ")" : "");
}

struct str name_of(struct binder *b, const struct ast_node *node)
{
    enum { NAME_BYTES_MAX = 4096 };
    if (node->kind == AST_ALIAS || node->kind == AST_NAME || node->kind == AST_FIELD)
        return node->text;
    struct buf out;
    buf_init(&out, NAME_BYTES_MAX);
    struct namer namer = {.b = b, .out = &out};
    put(&namer, node);
    struct str name = buf_error(&out) == OK ? arena_str(b->arena, buf_str(&out))
                                            : arena_str(b->arena, node->source);
    buf_deinit(&out);
    return name;
}
