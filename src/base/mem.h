/* SPDX-License-Identifier: MIT */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/str.h"

/*
 * Memory. mem_alloc() and friends never return NULL: a small fixed request that fails ends the
 * program. Whatever is sized by input goes through an arena with a limit, or a struct buf with a
 * maximum, and can say ERR_LIMIT.
 */
void *mem_alloc(size_t bytes) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *mem_zero(size_t bytes) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *mem_realloc(void *ptr, size_t bytes) __attribute__((returns_nonnull, alloc_size(2)));
/* The same for count elements; a product over SIZE_MAX ends the program. */
void *mem_array(size_t count, size_t element_bytes) __attribute__((malloc, returns_nonnull));
void *mem_realloc_array(void *ptr, size_t count, size_t element_bytes)
    __attribute__((returns_nonnull));
/* NULL when there is not that much: for big requests whose failure the caller can report. */
void *mem_try(size_t bytes);
/* Aligned to a cache line or a page; freed by mem_free. */
void *mem_aligned(size_t alignment, size_t bytes) __attribute__((malloc, returns_nonnull));
void mem_free(void *ptr);

/* For __attribute__((cleanup)): CLEAN(mem_free_at) char *text = ...; */
void mem_free_at(void *address_of_pointer);
#define CLEAN(function) __attribute__((cleanup(function)))

/*
 * An arena hands out memory that is freed all at once. One owner, one thread at a time.
 * bytes_max bounds what it takes from the system; once it is passed, arena_try() answers NULL and
 * arena_alloc() still answers memory but sets over, so that a parser can ask once at the end.
 */
struct arena {
    struct arena_block *blocks;
    char *next;
    size_t left;
    size_t bytes_used;
    size_t bytes_max;
    bool over;
};

void arena_init(struct arena *arena, size_t bytes_max);
void arena_deinit(struct arena *arena);
/* Forgets all, keeps the first block. */
void arena_reset(struct arena *arena);
/* Aligned to 16, not cleared. For small requests of fixed size. */
void *arena_alloc(struct arena *arena, size_t bytes) __attribute__((returns_nonnull));
void *arena_zero(struct arena *arena, size_t bytes) __attribute__((returns_nonnull));
void *arena_array(struct arena *arena, size_t count, size_t element_bytes)
    __attribute__((returns_nonnull));
/* NULL when the limit would be passed. For requests sized by input. */
void *arena_try(struct arena *arena, size_t bytes);
struct str arena_str(struct arena *arena, struct str s);
/* NUL-ended copy. */
char *arena_text(struct arena *arena, struct str s);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
