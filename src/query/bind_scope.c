/* SPDX-License-Identifier: MIT */
/*
 * Names to columns. A chain a.b.c is tried from its longest qualifier on, as Spark does: relation
 * and column first (a = table, b = column, c = field), then a as a column and b, c as fields. Names
 * compare without case unless the session says otherwise.
 *
 * A name that is no column may be a variable of the lambda around it (looked at first) or an alias
 * of an earlier item in the same select list (looked at last).
 */
#include "query/bind.h"

enum { NAME_PARTS_MAX = 64, SUGGESTIONS_MAX = 5 };

void scope_add(struct arena *arena, struct scope *scope, struct scope_column column)
{
    if (scope->count == scope->room) {
        uint32_t room = scope->room ? scope->room * 2 : 16;
        struct scope_column *items = arena_array(arena, room, sizeof(*items));
        if (scope->count)
            memcpy(items, scope->items, scope->count * sizeof(*items));
        scope->items = items;
        scope->room = room;
    }
    scope->items[scope->count++] = column;
}

static bool same_name(const struct binder *b, struct str a, struct str c)
{
    return b->session->case_sensitive ? str_equal(a, c) : str_equal_nocase(a, c);
}

/* ---- fields ---- */

static enum err field_of_struct(struct binder *b, const struct type *type, struct str name,
                                const struct ast_node *node, uint32_t *ret_index)
{
    uint32_t found = UINT32_MAX, count = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (same_name(b, type->fields[i].name, name)) {
            found = count++ ? found : i;
        }
    }
    if (count > 1)
        return bind_error(b, node, "AMBIGUOUS_REFERENCE_TO_FIELDS", "42000",
                          "the field %.*s stands %u times in its struct", STR_ARG(name), count);
    if (count == 0) {
        const char **names = arena_array(b->arena, type->field_count + 1u, sizeof(*names));
        for (uint32_t i = 0; i < type->field_count; i++)
            names[i] = arena_text(b->arena, type->fields[i].name);
        struct str near = str_nearest(name, names, type->field_count);
        enum err err = bind_error(b, node, "FIELD_NOT_FOUND", "42704",
                                  "no field %.*s in the struct", STR_ARG(name));
        if (near.ptr)
            diag_hint(b->diag, "did you mean %.*s?", STR_ARG(near));
        return err;
    }
    *ret_index = found;
    return OK;
}

enum err bind_field(struct binder *b, struct expr *base, struct str name,
                    const struct ast_node *node, struct expr **ret_expr)
{
    const struct type *type = base->type;
    bool array = type->kind == TYPE_ARRAY && type->fields[0].type->kind == TYPE_STRUCT;
    uint32_t index;
    if (type->kind == TYPE_STRUCT || array) {
        const struct type *record = array ? type->fields[0].type : type;
        TRY(field_of_struct(b, record, name, node, &index));
        const struct type *result = record->fields[index].type;
        if (array)
            result = type_array(b->arena, result, true);
        struct expr *expr = expr_new(b->arena, EXPR_FIELD, result, node->line, node->column);
        expr->index = index;
        expr->field = record->fields[index].name;
        expr_set_kids(b->arena, expr, &base, 1);
        *ret_expr = expr;
        return OK;
    }
    if (type->kind == TYPE_MAP) {
        struct expr *args[2] = {base, expr_string(b->arena, name, node->line, node->column)};
        return bind_function(b, STR("[]"), args, 2, node, ret_expr);
    }
    struct buf text = {0};
    type_print_sql(type, &text);
    bind_error(b, node, "INVALID_EXTRACT_BASE_FIELD_TYPE", "42000",
               "cannot take the field %.*s of a value of type %.*s", STR_ARG(name),
               STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    return ERR_INVALID;
}

/* ---- columns ---- */

struct match {
    const struct scope_column *column;
    uint32_t count;
};

/* The relation's written name ends with these parts? Compared part by part at its dots. */
static bool relation_matches(const struct binder *b, const struct scope_column *column,
                             const struct str *parts, size_t count)
{
    if (count == 1)
        return column->qualifier.bytes && same_name(b, column->qualifier, parts[0]);
    struct str rest = column->relation, part;
    struct str written[3];
    size_t n = 0;
    while (n < 3 && str_cut(&rest, '.', &part))
        written[n++] = part;
    if (n < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!same_name(b, written[n - count + i], parts[i]))
            return false;
    }
    return true;
}

static struct match find_column(const struct binder *b, const struct str *parts, size_t qualifiers)
{
    struct match match = {0};
    for (uint32_t i = 0; b->scope && i < b->scope->count; i++) {
        const struct scope_column *column = &b->scope->items[i];
        if (!same_name(b, column->name, parts[qualifiers]))
            continue;
        if (qualifiers && !relation_matches(b, column, parts, qualifiers))
            continue;
        if (match.count++ == 0)
            match.column = column;
    }
    return match;
}

static enum err unresolved(struct binder *b, const struct str *parts, size_t count,
                           const struct ast_node *node)
{
    if (str_equal_nocase(parts[0], STR("window")) ||
        str_equal_nocase(parts[0], STR("session_window")))
        return bind_refuse(b, node, "grouping by window() or session_window()");
    if (count == 1 && str_equal_nocase(parts[0], STR("grouping__id")))
        return bind_refuse(b, node, "grouping__id");
    struct buf name = {0};
    for (size_t i = 0; i < count; i++)
        buf_printf(&name, "%s%.*s", i ? "." : "", STR_ARG(parts[i]));
    uint32_t columns = b->scope ? b->scope->count : 0;
    const char **names = arena_array(b->arena, columns + 1u, sizeof(*names));
    for (uint32_t i = 0; i < columns; i++)
        names[i] = arena_text(b->arena, b->scope->items[i].name);
    bind_error(b, node,
               columns ? "UNRESOLVED_COLUMN.WITH_SUGGESTION"
                       : "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
               "42703", "no column, field or parameter is named %.*s", STR_ARG(buf_str(&name)));
    buf_deinit(&name);
    struct str near = str_nearest(parts[count - 1], names, columns);
    if (!near.ptr)
        near = str_nearest(parts[0], names, columns);
    if (near.ptr) {
        diag_hint(b->diag, "did you mean %.*s?", STR_ARG(near));
    } else if (columns) {
        struct buf hint = {0};
        buf_text(&hint, "there are");
        for (uint32_t i = 0; i < columns && i < SUGGESTIONS_MAX; i++)
            buf_printf(&hint, "%s %s", i ? "," : "", names[i]);
        diag_hint(b->diag, "%.*s", STR_ARG(buf_str(&hint)));
        buf_deinit(&hint);
    }
    return ERR_INVALID;
}

static struct expr *column_expr(struct binder *b, const struct scope_column *column,
                                const struct ast_node *node)
{
    struct expr *expr = expr_new(b->arena, EXPR_COLUMN, column->type, node->line, node->column);
    expr->index = column->index;
    return expr;
}

static struct expr *find_variable(struct binder *b, struct str name, const struct ast_node *node)
{
    for (struct lambda_frame *frame = b->lambda; frame; frame = frame->outer) {
        for (uint32_t i = 0; i + 1 < frame->lambda->count; i++) {
            if (!same_name(b, frame->lambda->kids[i]->text, name))
                continue;
            struct expr *expr =
                expr_new(b->arena, EXPR_VARIABLE, frame->types[i], node->line, node->column);
            expr->index = frame->first + i;
            expr->has_variable = true;
            return expr;
        }
    }
    return NULL;
}

static const struct bound_alias *find_alias(const struct binder *b, struct str name)
{
    for (size_t i = 0; i < b->alias_count; i++) {
        if (same_name(b, b->aliases[i].name, name))
            return &b->aliases[i];
    }
    return NULL;
}

/* Whether two items have the name; a column that is selected twice is one. */
static bool is_ambiguous(const struct binder *b, const struct bound_alias *first)
{
    for (size_t i = (size_t)(first - b->aliases) + 1; i < b->alias_count; i++) {
        const struct bound_alias *other = &b->aliases[i];
        if (same_name(b, other->name, first->name) &&
            (first->is_new || other->is_new || !expr_equal(first->expr, other->expr)))
            return true;
    }
    return false;
}

/* *ret_expr is NULL when no item has the name. */
static enum err bind_alias(struct binder *b, struct str name, const struct ast_node *node,
                           struct expr **ret_expr)
{
    const struct bound_alias *alias = find_alias(b, name);
    *ret_expr = NULL;
    if (!alias)
        return OK;
    if (b->in_group_by && alias->lateral)
        return bind_lateral_key(b, node);
    if (!b->in_group_by && is_ambiguous(b, alias))
        return bind_error(
            b, node, b->in_items ? "AMBIGUOUS_LATERAL_COLUMN_ALIAS" : "AMBIGUOUS_REFERENCE",
            b->in_items ? "42702" : "42704",
            "%.*s is the name of more than one item of the select list", STR_ARG(name));
    b->used_lateral |= b->in_items;
    *ret_expr = alias->expr;
    return OK;
}

enum err bind_lateral_key(struct binder *b, const struct ast_node *node)
{
    bind_refuse(b, node, "grouping by an item that names an earlier one");
    diag_class(b->diag, "UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_GROUP_BY", "0A000");
    return ERR_UNSUPPORTED;
}

/* What the chain starts with, and how many parts that takes. */
static enum err find_start(struct binder *b, const struct str *parts, size_t count,
                           const struct ast_node *node, struct expr **ret_expr, size_t *ret_used)
{
    *ret_used = 1;
    if ((*ret_expr = find_variable(b, parts[0], node)))
        return OK;
    if (b->aliases_first) {
        TRY(bind_alias(b, parts[0], node, ret_expr));
        if (*ret_expr)
            return OK;
    }
    size_t most = count - 1 < 3 ? count - 1 : 3;
    for (size_t qualifiers = most + 1; qualifiers-- > 0;) {
        struct match match = find_column(b, parts, qualifiers);
        if (match.count > 1)
            return bind_error(b, node, "AMBIGUOUS_REFERENCE", "42704",
                              "%.*s is the name of %u columns: write the table before it",
                              STR_ARG(parts[qualifiers]), match.count);
        if (match.count == 1) {
            *ret_expr = column_expr(b, match.column, node);
            *ret_used = qualifiers + 1;
            return OK;
        }
    }
    TRY(bind_alias(b, parts[0], node, ret_expr));
    return *ret_expr ? OK : unresolved(b, parts, count, node);
}

enum err bind_bare(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    size_t used;
    *ret_expr = NULL;
    if (find_variable(b, node->text, node) || find_column(b, &node->text, 0).count ||
        find_alias(b, node->text))
        return find_start(b, &node->text, 1, node, ret_expr, &used);
    return OK;
}

/* The parts of a NAME / FIELD chain; the rest of the chain when it starts with something else. */
static size_t chain_parts(const struct ast_node *node, struct str *parts)
{
    size_t count = 0;
    for (const struct ast_node *at = node; count < NAME_PARTS_MAX; at = at->kids[0]) {
        parts[count++] = at->text;
        if (at->kind == AST_NAME)
            break;
        if (at->kind != AST_FIELD ||
            (at->kids[0]->kind != AST_FIELD && at->kids[0]->kind != AST_NAME))
            return 0;
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct str swap = parts[i];
        parts[i] = parts[count - 1 - i];
        parts[count - 1 - i] = swap;
    }
    return count;
}

enum err bind_name(struct binder *b, const struct ast_node *node, struct expr **ret_expr)
{
    struct str parts[NAME_PARTS_MAX];
    size_t count = chain_parts(node, parts), used;
    struct expr *expr;
    if (count == 0) { /* (something).field */
        TRY(bind_expr(b, node->kids[0], &expr));
        return bind_field(b, expr, node->text, node, ret_expr);
    }
    const struct ast_node *first = node;
    while (first->kind == AST_FIELD)
        first = first->kids[0];
    TRY(find_start(b, parts, count, first, &expr, &used));
    for (; used < count; used++) {
        const struct ast_node *field = node;
        for (size_t i = used + 1; i < count; i++)
            field = field->kids[0];
        TRY(bind_field(b, expr, parts[used], field, &expr));
    }
    *ret_expr = expr;
    return OK;
}

/* ---- star ---- */

struct star_list {
    struct expr **exprs;
    struct str *names;
    size_t count, room;
};

static bool is_excepted(struct binder *b, const struct ast_node *except, struct str name)
{
    for (uint32_t i = 0; except && i < except->count; i++) {
        if (same_name(b, except->kids[i]->text, name))
            return true;
    }
    return false;
}

static void star_add(struct binder *b, struct star_list *list, struct expr *expr, struct str name)
{
    list->exprs[list->count] = expr;
    list->names[list->count++] = name;
}

static void star_room(struct binder *b, struct star_list *list, size_t room)
{
    list->exprs = arena_array(b->arena, room + 1, sizeof(struct expr *));
    list->names = arena_array(b->arena, room + 1, sizeof(struct str));
}

/* s.*: the fields of a struct. */
static enum err star_of_struct(struct binder *b, const struct ast_node *star,
                               struct star_list *list)
{
    struct expr *base, *field;
    TRY(bind_expr(b, star->kids[0], &base));
    if (base->type->kind != TYPE_STRUCT)
        return bind_error(b, star, "INVALID_USAGE_OF_STAR_OR_REGEX", "42000",
                          "only a table or a struct has a *");
    star_room(b, list, base->type->field_count);
    for (uint32_t i = 0; i < base->type->field_count; i++) {
        struct str name = base->type->fields[i].name;
        if (is_excepted(b, ast_kid(star, 1), name))
            continue;
        field =
            expr_new(b->arena, EXPR_FIELD, base->type->fields[i].type, star->line, star->column);
        field->index = i;
        field->field = name;
        expr_set_kids(b->arena, field, &base, 1);
        star_add(b, list, field, name);
    }
    return OK;
}

enum err bind_star(struct binder *b, const struct ast_node *star, struct expr ***ret_exprs,
                   struct str **ret_names, size_t *ret_count)
{
    struct star_list list = {0};
    struct str parts[NAME_PARTS_MAX];
    const struct ast_node *base = ast_kid(star, 0);
    size_t count = base ? chain_parts(base, parts) : 0;
    uint32_t columns = b->scope ? b->scope->count : 0;
    star_room(b, &list, columns);
    for (uint32_t i = 0; i < columns; i++) {
        const struct scope_column *column = &b->scope->items[i];
        bool wanted = base ? count && relation_matches(b, column, parts, count) : !column->hidden;
        if (wanted && !is_excepted(b, ast_kid(star, 1), column->name))
            star_add(b, &list, column_expr(b, column, star), column->name);
    }
    if (list.count == 0 && base) {
        enum err err = star_of_struct(b, star, &list);
        if (err == ERR_INVALID && b->diag &&
            str_starts(str_of(b->diag->error_class), STR("UNRESOLVED_COLUMN")))
            diag_class(b->diag, "CANNOT_RESOLVE_STAR_EXPAND", "42704");
        TRY(err);
    }
    *ret_exprs = list.exprs;
    *ret_names = list.names;
    *ret_count = list.count;
    return OK;
}
