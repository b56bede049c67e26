/* SPDX-License-Identifier: MIT */
/*
 * The only callers of malloc. Arenas are lists of blocks, the newest first; a block doubles up to
 * one MiB, a bigger request gets a block of its own.
 */
#include "base/mem.h"

#include "base/check.h"

#include <assert.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_FIRST = 4096, BLOCK_MAX = 1 << 20, ALIGN = 16 };

struct arena_block {
    struct arena_block *older;
    size_t bytes;
};

static void *must(void *ptr)
{
    check(ptr != NULL);
    return ptr;
}

void *mem_alloc(size_t bytes)
{
    return must(malloc(bytes ? bytes : 1));
}

void *mem_zero(size_t bytes)
{
    return must(calloc(1, bytes ? bytes : 1));
}

void *mem_realloc(void *ptr, size_t bytes)
{
    return must(realloc(ptr, bytes ? bytes : 1));
}

void *mem_array(size_t count, size_t element_bytes)
{
    return mem_realloc_array(NULL, count, element_bytes);
}

void *mem_realloc_array(void *ptr, size_t count, size_t element_bytes)
{
    size_t bytes;
    check(!__builtin_mul_overflow(count, element_bytes, &bytes));
    return mem_realloc(ptr, bytes);
}

void *mem_try(size_t bytes)
{
    return malloc(bytes ? bytes : 1);
}

void *mem_aligned(size_t alignment, size_t bytes)
{
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return must(aligned_alloc(alignment, rounded ? rounded : alignment));
}

void mem_free(void *ptr)
{
    free(ptr);
}

void mem_free_at(void *address_of_pointer)
{
    void *ptr;
    memcpy(&ptr, address_of_pointer, sizeof ptr);
    free(ptr);
}

void arena_init(struct arena *arena, size_t bytes_max)
{
    *arena = (struct arena){.bytes_max = bytes_max};
}

void arena_deinit(struct arena *arena)
{
    for (struct arena_block *b = arena->blocks, *older; b; b = older) {
        older = b->older;
        free(b);
    }
    *arena = (struct arena){.bytes_max = arena->bytes_max};
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->blocks;
    while (first && first->older) {
        struct arena_block *older = first->older;
        free(first);
        first = older;
    }
    arena->blocks = first;
    arena->next = first ? (char *)first + ALIGN : NULL;
    arena->left = first ? first->bytes : 0;
    arena->bytes_used = first ? first->bytes : 0;
    arena->over = false;
}

static void arena_grow(struct arena *arena, size_t bytes)
{
    size_t size = arena->blocks ? arena->blocks->bytes * 2 : BLOCK_FIRST;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    if (size < bytes)
        size = bytes;
    static_assert(sizeof(struct arena_block) <= ALIGN, "the head fits in front of aligned memory");
    struct arena_block *block = must(malloc(ALIGN + size));
    *block = (struct arena_block){.older = arena->blocks, .bytes = size};
    arena->blocks = block;
    arena->next = (char *)block + ALIGN;
    arena->left = size;
    arena->bytes_used += size;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t rounded = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    check(rounded >= bytes);
    if (rounded == 0)
        rounded = ALIGN;
    if (rounded > arena->left) {
        if (arena->bytes_used + rounded > arena->bytes_max)
            arena->over = true;
        arena_grow(arena, rounded);
    }
    char *ptr = arena->next;
    arena->next += rounded;
    arena->left -= rounded;
    return ptr;
}

void *arena_try(struct arena *arena, size_t bytes)
{
    if (bytes > arena->left &&
        bytes > arena->bytes_max -
                    (arena->bytes_used < arena->bytes_max ? arena->bytes_used : arena->bytes_max)) {
        arena->over = true;
        return NULL;
    }
    return arena_alloc(arena, bytes);
}

void *arena_zero(struct arena *arena, size_t bytes)
{
    return memset(arena_alloc(arena, bytes), 0, bytes);
}

void *arena_array(struct arena *arena, size_t count, size_t element_bytes)
{
    size_t bytes;
    check(!__builtin_mul_overflow(count, element_bytes, &bytes));
    return arena_zero(arena, bytes);
}

char *arena_text(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.bytes + 1);
    if (s.bytes)
        memcpy(copy, s.ptr, s.bytes);
    copy[s.bytes] = 0;
    return copy;
}

struct str arena_str(struct arena *arena, struct str s)
{
    return (struct str){arena_text(arena, s), s.bytes};
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    check(bytes >= 0);
    char *text = arena_alloc(arena, (size_t)bytes + 1);
    vsnprintf(text, (size_t)bytes + 1, format, again);
    va_end(again);
    return text;
}
