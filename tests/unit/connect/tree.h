/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TREE_H
#define TESTS_TREE_H

/* Settings made by hand: tree_set(&t, "auth.basic.user", "me"). Line n is the nth setting. */
#include "base/mem.h"
#include "connect/connect.h"

struct tree {
    struct arena arena;
    struct setting root;
    uint32_t line;
};

static inline void tree_init(struct tree *t)
{
    memset(t, 0, sizeof *t);
    arena_init(&t->arena, 1 << 20);
    t->root.kind = SETTING_MAP;
    t->root.line = t->root.column = 1;
}
static inline void tree_free(struct tree *t)
{
    arena_deinit(&t->arena);
}
static inline struct setting *tree_member(struct tree *t, struct setting *map, struct str key)
{
    for (size_t i = 0; i < map->count; i++) {
        if (str_equal(map->items[i].key, key))
            return &map->items[i];
    }
    struct setting *items = arena_zero(&t->arena, (map->count + 1) * sizeof *items);
    if (map->count)
        memcpy(items, map->items, map->count * sizeof *items);
    map->items = items;
    map->kind = SETTING_MAP;
    struct setting *item = &items[map->count++];
    item->key = arena_str(&t->arena, key);
    item->key_line = item->line = ++t->line;
    item->key_column = 3;
    item->column = 10;
    return item;
}
static inline struct setting *tree_set(struct tree *t, const char *path, const char *text)
{
    struct str rest = str_of(path), part;
    struct setting *at = &t->root;
    while (str_cut(&rest, '.', &part))
        at = tree_member(t, at, part);
    if (text) {
        at->kind = SETTING_TEXT;
        at->text = arena_str(&t->arena, str_of(text));
    }
    return at;
}

#endif
