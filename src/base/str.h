/* SPDX-License-Identifier: MIT */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A borrowed run of bytes: text is UTF-8, not ended by NUL. {NULL, 0} is "absent" where a header
 * says so, and an empty text elsewhere.
 */
struct str {
    const char *ptr;
    size_t bytes;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE ((struct str){NULL, 0})

/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).bytes, (s).ptr ? (s).ptr : ""

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str str_from(const void *ptr, size_t bytes)
{
    return (struct str){ptr, bytes};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.ptr, b.ptr, a.bytes) == 0);
}

/* Order of the bytes, shorter first among equals. <0, 0, >0. */
int str_compare(struct str a, struct str b);
/* Equal when ASCII letters are folded to lower case. */
bool str_equal_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* The part from..to, cut to the size of s. */
struct str str_slice(struct str s, size_t from, size_t to);
/* Without ASCII blanks at both ends. */
struct str str_trim(struct str s);
/* Index of the first needle at or after from, or SIZE_MAX. */
size_t str_find(struct str s, struct str needle, size_t from);
/* Cuts the text up to the next separator off the front of *rest. False when nothing is left. */
bool str_cut(struct str *rest, char separator, struct str *ret_part);

/* Whole text as a decimal number: ERR_SYNTAX, ERR_OUT_OF_RANGE. */
enum err str_to_i64(struct str s, int64_t *ret_value) MUST_USE;
enum err str_to_u64(struct str s, uint64_t *ret_value) MUST_USE;
enum err str_to_f64(struct str s, double *ret_value) MUST_USE;

/* A NUL-ended copy for C interfaces; the caller frees it with mem_free. */
char *str_dup(struct str s);

/* The candidate nearest to name by edit distance, for "did you mean"; STR_NONE when none is near
 * (distance over a third of the length). */
struct str str_nearest(struct str name, const char *const *candidates, size_t count);

/* True when all bytes are valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool str_is_utf8(struct str s);

#endif
