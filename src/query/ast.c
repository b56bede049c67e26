/* SPDX-License-Identifier: MIT */
/*
 * Nodes of the syntax tree, and their printed form for tests: an S-expression of one line, in which
 * an absent child is "_".
 */
#include "query/ast.h"

static const char *const kind_names[] = {
#define X(kind, name) name,
    AST_KINDS(X)
#undef X
};

static const char *const flag_names[] = {
    "not",    "distinct", "all",   "try",     "ignore-nulls", "desc", "nulls-first", "nulls-last",
    "stream", "lateral",  "outer", "natural", "recursive",    "bare", "else",        "by-name",
};

struct ast_node *ast_new(struct arena *arena, enum ast_kind kind, struct str text, uint32_t line,
                         uint32_t column)
{
    struct ast_node *node = arena_zero(arena, sizeof(*node));
    node->kind = kind;
    node->text = text;
    node->line = line;
    node->column = column;
    node->height = 1;
    return node;
}

void ast_add(struct arena *arena, struct ast_node *node, struct ast_node *kid)
{
    /* room is always the next power of two, so it need not be kept */
    if ((node->count & (node->count - 1)) == 0) {
        size_t room = node->count ? node->count * 2u : 1;
        struct ast_node **kids = arena_array(arena, room, sizeof(*kids));
        if (node->count)
            memcpy(kids, node->kids, node->count * sizeof(*kids));
        node->kids = kids;
    }
    node->kids[node->count++] = kid;
    if (kid && kid->height >= node->height)
        node->height = kid->height + 1;
}

void ast_print(const struct ast_node *node, struct buf *out)
{
    if (!node) {
        buf_text(out, "_");
        return;
    }
    buf_printf(out, "(%s", kind_names[node->kind]);
    if (node->text.ptr)
        buf_printf(out, " %.*s", STR_ARG(node->text));
    for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
        if (node->flags & 1u << i)
            buf_printf(out, " :%s", flag_names[i]);
    }
    for (size_t i = 0; i < node->count; i++) {
        buf_char(out, ' ');
        ast_print(node->kids[i], out);
    }
    buf_char(out, ')');
}
