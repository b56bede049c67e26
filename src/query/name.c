/* SPDX-License-Identifier: MIT */
/*
 * Names of columns without an alias, as Spark's analyzer makes them: the pretty SQL of the
 * expression. A column or field is its last name alone; inside an expression the table in front of
 * a column goes away and fields stay ("upper(name.first)"). Strings lose their quotes, operators
 * get brackets, != is NOT =.
 */
#include "query/bind.h"

#include <inttypes.h>

struct lambda_names {
    const struct lambda_names *outer;
    const struct ast_node *lambda;
};

struct namer {
    struct binder *b;
    struct buf *out;
    const struct lambda_names *lambdas; /* whose variables are in sight */
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

/* A name inside an expression: of a column, a lambda's variable or an alias to its left. */
static void put_name(struct namer *n, struct str name)
{
    const struct scope *scope = n->b->scope;
    bool column = false, alias = false;
    for (uint32_t i = 0; scope && i < scope->count; i++)
        column |= str_equal_nocase(scope->items[i].name, name);
    for (size_t i = 0; i < n->b->alias_count; i++)
        alias |= str_equal_nocase(n->b->aliases[i].name, name);
    if (is_variable(n, name))
        buf_text(n->out, "namedlambdavariable()");
    else if (alias && !column)
        buf_printf(n->out, "lateralAliasReference(%.*s)", STR_ARG(name));
    else
        buf_str_append(n->out, name);
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

/* user, current_date, where a column has that name: the column, not the function. */
static bool is_bare_column(const struct binder *b, const struct ast_node *node)
{
    for (uint32_t i = 0; (node->flags & AST_BARE) && b->scope && i < b->scope->count; i++) {
        if (str_equal_nocase(b->scope->items[i].name, node->text))
            return true;
    }
    return false;
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

/* The type of a part of what was bound already, NULL when it cannot be told (inside a lambda). */
static const struct type *type_of(const struct namer *n, const struct ast_node *node)
{
    enum { HEIGHT_MAX = 48 }; /* parts are bound again at each level */
    struct binder quiet = *n->b;
    struct diag diag = {0};
    struct expr *expr;
    quiet.diag = &diag;
    if (n->lambdas || node->height > HEIGHT_MAX || bind_expr(&quiet, node, &expr) != OK)
        return NULL;
    return expr->type;
}

static bool is_time(const struct type *type)
{
    return type && (type->kind == TYPE_DATE || type->kind == TYPE_TIMESTAMP ||
                    type->kind == TYPE_TIMESTAMP_NTZ);
}

/* The types of moments say whether they have a zone; the words of a session may not. */
static void put_typed(struct namer *n, const struct ast_node *node)
{
    struct expr *expr;
    const struct type *type = type_of(n, node);
    struct str word = !type                              ? node->text
                      : type->kind == TYPE_TIMESTAMP     ? STR("TIMESTAMP")
                      : type->kind == TYPE_TIMESTAMP_NTZ ? STR("TIMESTAMP_NTZ")
                                                         : node->text;
    buf_printf(n->out, "%.*s '", STR_ARG(word));
    if (bind_literal(n->b, node, &expr) == OK)
        text_of_value(expr->constant, 0, n->b->session->zone ? n->b->session->zone : zone_utc(),
                      n->out);
    buf_char(n->out, '\'');
}

/* Decimals below a millionth show as Java's BigDecimal does: 1.230E-26. */
static bool put_small_decimal(struct buf *out, const struct expr *expr)
{
    char digits[64];
    size_t count = 0;
    __int128 value = expr->constant->i128[0];
    bool negative = value < 0;
    for (value = negative ? -value : value; value > 0; value /= 10)
        digits[count++] = (char)('0' + (int)(value % 10));
    if (count == 0)
        digits[count++] = '0';
    int exponent = (int)count - 1 - expr->type->scale;
    if (exponent >= -6)
        return false;
    buf_printf(out, "%s%c%s", negative ? "-" : "", digits[count - 1], count > 1 ? "." : "");
    for (size_t i = count - 1; i-- > 0;)
        buf_char(out, digits[i]);
    buf_printf(out, "E%d", exponent);
    return true;
}

static void put_number(struct namer *n, const struct ast_node *node)
{
    struct expr *expr;
    if (bind_literal(n->b, node, &expr) != OK)
        return;
    if (expr->type->kind == TYPE_DECIMAL && put_small_decimal(n->out, expr))
        return;
    text_of_value(expr->constant, 0, zone_utc(), n->out);
}

static void put_pair(struct namer *n, const char *head, const struct ast_node *first,
                     const char *between, const struct ast_node *second, const char *tail)
{
    buf_text(n->out, head);
    put(n, first);
    buf_text(n->out, between);
    put(n, second);
    buf_text(n->out, tail);
}

/* Calls that are shown as the syntax they stand for. */
static bool put_worded_call(struct namer *n, const struct ast_node *node)
{
    static const char *const trims[][2] = {
        {"trim", "TRIM(BOTH "}, {"ltrim", "TRIM(LEADING "}, {"rtrim", "TRIM(TRAILING "}};
    struct ast_node *const *kids = node->kids;
    for (size_t i = 0; i < 3 && node->count == 2; i++) {
        if (!str_equal_nocase(node->text, str_of(trims[i][0])))
            continue;
        put_pair(n, trims[i][1], kids[0], " FROM ", kids[1], ")");
        return true;
    }
    if (node->count == 2 && (str_equal_nocase(node->text, STR("extract")) ||
                             str_equal_nocase(node->text, STR("datepart")))) {
        bool extract = str_equal_nocase(node->text, STR("extract"));
        put_pair(n, extract ? "extract(" : "datepart(", kids[0], " FROM ", kids[1], ")");
        return true;
    }
    if (node->count == 2 && str_equal_nocase(node->text, STR("like"))) {
        put_pair(n, "", kids[0], " LIKE ", kids[1], "");
        return true;
    }
    bool null = str_equal_nocase(node->text, STR("isnull"));
    if (node->count == 1 && (null || str_equal_nocase(node->text, STR("isnotnull")))) {
        buf_char(n->out, '(');
        put(n, kids[0]);
        buf_text(n->out, null ? " IS NULL)" : " IS NOT NULL)");
        return true;
    }
    if (node->count == 2 && str_equal_nocase(node->text, STR("div"))) {
        put_pair(n, "(", kids[0], " div ", kids[1], ")");
        return true;
    }
    if (node->count == 1 && str_equal_nocase(node->text, STR("positive"))) {
        buf_text(n->out, "(+ ");
        put(n, kids[0]);
        buf_char(n->out, ')');
        return true;
    }
    /* a cast that is written as a call goes unsaid */
    if (node->count == 1 && is_cast_name(n->b, node->text)) {
        put(n, kids[0]);
        return true;
    }
    return false;
}

/* COUNT(DISTINCT *) shows the columns. */
static void put_all_columns(struct namer *n, const struct ast_node *star)
{
    struct expr **exprs;
    struct str *names;
    size_t count;
    struct binder quiet = *n->b;
    quiet.diag = NULL;
    if (bind_star(&quiet, star, &exprs, &names, &count) != OK)
        return;
    for (size_t i = 0; i < count; i++) {
        buf_text(n->out, i ? ", " : "");
        buf_str_append(n->out, names[i]);
    }
}

/* CAST(NULL AS ..) first: what is replaced by another call shows the bare NULL. */
static bool is_null_cast(const struct ast_node *node)
{
    return node->count > 1 && node->kids[0]->kind == AST_CAST &&
           node->kids[0]->kids[0]->kind == AST_NULL;
}

static void put_arguments(struct namer *n, const struct ast_node *node, struct str name)
{
    bool star =
        node->count == 1 && node->kids[0]->kind == AST_STAR && str_equal_nocase(name, STR("count"));
    if (star && (node->flags & AST_DISTINCT)) {
        put_all_columns(n, node->kids[0]);
        return;
    }
    if (star) {
        buf_char(n->out, '1');
        return;
    }
    if (node->count == 2 && str_equal_nocase(name, STR("convert_timezone")))
        buf_text(n->out, "current_timezone(), ");
    if (is_null_cast(node) && (str_equal_nocase(name, STR("array_append")) ||
                               str_equal_nocase(name, STR("array_prepend")))) {
        buf_text(n->out, "NULL, ");
        put_list(n, node, 1, ", ");
        return;
    }
    struct ast_node shown = *node;
    shown.count = (uint32_t)func_shown_count(name, node->count);
    put_list(n, &shown, 0, ", ");
    const char *more;
    for (size_t i = node->count; (more = func_shown_argument(name, i)); i++)
        buf_printf(n->out, "%s%s", i ? ", " : "", more);
    if (node->count == 3 &&
        (str_equal_nocase(name, STR("aggregate")) || str_equal_nocase(name, STR("reduce"))))
        buf_text(n->out, ", lambdafunction(namedlambdavariable(), namedlambdavariable())");
}

/* The name of from_json to a MAP is that of its only field. */
static bool is_json_map(const struct ast_node *node)
{
    return str_equal_nocase(node->text, STR("from_json")) && node->count > 1 &&
           node->kids[1]->kind == AST_STRING &&
           str_equal_nocase(str_slice(str_trim(node->kids[1]->text), 0, 4), STR("MAP<"));
}

/* to_char() of a moment. */
static bool is_date_format(const struct namer *n, const struct ast_node *node)
{
    bool to_char = str_equal_nocase(node->text, STR("to_char")) ||
                   str_equal_nocase(node->text, STR("to_varchar"));
    return to_char && node->count == 2 && is_time(type_of(n, node->kids[0]));
}

static void put_call(struct namer *n, const struct ast_node *node)
{
    struct str name = node->text;
    if (put_worded_call(n, node))
        return;
    if (is_json_map(node)) {
        buf_text(n->out, "entries");
        return;
    }
    bool condition = str_equal_nocase(name, STR("if"));
    if (condition)
        buf_text(n->out, "(IF");
    else if (is_date_format(n, node))
        buf_text(n->out, "date_format");
    else
        func_show_name(name, node->count, n->out);
    buf_char(n->out, '(');
    if (node->flags & AST_DISTINCT)
        buf_text(n->out, "DISTINCT ");
    put_arguments(n, node, name);
    buf_text(n->out, condition ? "))" : ")");
}

/* An integer compared with a decimal literal is compared with the literal rounded to an integer:
 * a > 1.1 is a > 1. False when these are not such a pair. */
static bool put_rounded(struct namer *n, const struct ast_node *node, size_t literal)
{
    static const char *const up[] = {"<", ">="}; /* of the literal on the right */
    const struct ast_node *number = node->kids[literal], *other = node->kids[1 - literal];
    struct binder quiet = *n->b;
    struct expr *value, *bound;
    quiet.diag = NULL;
    bool order = str_equal(node->text, STR("<")) || str_equal(node->text, STR(">")) ||
                 str_equal(node->text, STR("<=")) || str_equal(node->text, STR(">="));
    if (!order || number->kind != AST_NUMBER || n->lambdas ||
        bind_literal(&quiet, number, &value) != OK || value->type->kind != TYPE_DECIMAL ||
        bind_expr(&quiet, other, &bound) != OK || bound->type->kind < TYPE_TINYINT ||
        bound->type->kind > TYPE_BIGINT)
        return false;
    bool ceil = str_equal(node->text, str_of(up[0])) || str_equal(node->text, str_of(up[1]));
    __int128 unit = 1, whole = value->constant->i128[0];
    for (int i = 0; i < value->type->scale; i++)
        unit *= 10;
    whole = whole / unit + (whole % unit != 0 && ceil == (literal == 1));
    if (whole > INT64_MAX)
        return false;
    buf_printf(n->out, "%" PRId64, (int64_t)whole);
    return true;
}

/* How time, in front, and step show: date_add(d, 1), d + INTERVAL '1' HOUR. */
static void put_step(struct namer *n, const struct type *time, const struct ast_node *first,
                     const struct type *step, const struct ast_node *second, bool minus)
{
    bool days = step->kind == TYPE_INTERVAL_DT && step->scale == 0 && time->kind == TYPE_DATE;
    if (step->kind <= TYPE_INT && step->kind >= TYPE_TINYINT)
        put_pair(n, minus ? "date_sub(" : "date_add(", first, ", ", second, ")");
    else if (days && minus)
        put_pair(n, "date_add(", first, ", (- extractansiintervaldays(", second, ")))");
    else if (days)
        put_pair(n, "date_add(", first, ", extractansiintervaldays(", second, "))");
    else
        put_pair(n, "", first, minus ? " - " : " + ", second, "");
}

/* Sums with moments and intervals times numbers; false for all others. */
static bool put_moments(struct namer *n, const struct ast_node *node)
{
    bool plus = str_equal(node->text, STR("+")), minus = str_equal(node->text, STR("-"));
    bool times = str_equal(node->text, STR("*"));
    if (!plus && !minus && !times)
        return false;
    const struct ast_node *left = node->kids[0], *right = node->kids[1];
    const struct type *a = type_of(n, left), *b = type_of(n, right);
    if (!a || !b ||
        (minus && (!is_time(a) || is_time(b) || b->kind == TYPE_NULL || b->kind == TYPE_STRING)))
        return false;
    bool span = b->kind == TYPE_INTERVAL_YM || b->kind == TYPE_INTERVAL_DT;
    if (times && span)
        put_pair(n, "(", right, " * ", left, ")");
    else if (times || (!is_time(a) && !is_time(b)))
        return false;
    else if (is_time(a))
        put_step(n, a, left, b, right, minus);
    else
        put_step(n, b, right, a, left, minus);
    return true;
}

static void put_binary(struct namer *n, const struct ast_node *node)
{
    if (put_moments(n, node))
        return;
    bool differs = str_equal(node->text, STR("!="));
    if (str_equal(node->text, STR("||"))) {
        buf_text(n->out, "concat(");
        put_list(n, node, 0, ", ");
        buf_char(n->out, ')');
        return;
    }
    struct str op = differs ? STR("=") : str_equal(node->text, STR("==")) ? STR("=") : node->text;
    buf_text(n->out, differs ? "(NOT (" : "(");
    if (!put_rounded(n, node, 0))
        put(n, node->kids[0]);
    buf_printf(n->out, " %.*s ", STR_ARG(op));
    if (!put_rounded(n, node, 1))
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
            if (node->count > 2 && node->kids[2] && !str_equal(node->kids[2]->text, STR("\\")))
                buf_printf(n->out, " ESCAPE '%.*s'", STR_ARG(node->kids[2]->text));
            return;
        }
        buf_text(n->out, str_equal(node->text, STR("ilike")) ? "ilike(" : "RLIKE(");
        put(n, node->kids[0]);
        buf_text(n->out, ", ");
        put(n, node->kids[1]);
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
    if (type_is_nested(node->type)) {
        put(n, node->kids[0]);
        return;
    }
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
    case AST_ALIAS:
        put(n, node->kids[0]);
        buf_printf(n->out, " AS %.*s", STR_ARG(node->text));
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
        put_name(n, node->text);
        break;
    case AST_FIELD:
        if (!is_qualifier(n, node->kids[0])) {
            put(n, node->kids[0]);
            buf_char(n->out, '.');
        }
        buf_str_append(n->out, node->text);
        break;
    case AST_CALL:
        if (is_bare_column(n->b, node))
            put_name(n, node->text);
        else
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

/* a.b.c, not f(x).c or a[0].c */
static bool is_name_chain(const struct ast_node *node)
{
    while (node->kind == AST_FIELD)
        node = node->kids[0];
    return node->kind == AST_NAME;
}

struct str name_of(struct binder *b, const struct ast_node *node)
{
    enum { NAME_BYTES_MAX = 4096 };
    if (node->kind == AST_ALIAS || is_name_chain(node) || is_bare_column(b, node))
        return node->text;
    if (node->kind == AST_CAST && node->kids[0]->kind == AST_NAME)
        return node->kids[0]->text; /* a cast column keeps its name */
    struct buf out;
    buf_init(&out, NAME_BYTES_MAX);
    struct namer namer = {.b = b, .out = &out};
    put(&namer, node);
    struct str name = buf_error(&out) == OK ? arena_str(b->arena, buf_str(&out))
                                            : arena_str(b->arena, node->source);
    buf_deinit(&out);
    return name;
}
