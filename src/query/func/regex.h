/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_REGEX_H
#define QUERY_FUNC_REGEX_H

#include "base/buf.h"

/* Java's regular expressions on PCRE2. A regex belongs to one thread. */
struct regex;

/* ERR_SYNTAX: no regular expression; ERR_UNSUPPORTED: Java has it, PCRE2 not. */
enum err regex_new(struct str pattern, struct regex **ret_regex) MUST_USE;
void regex_free(struct regex *regex); /* NULL is fine */
size_t regex_groups(const struct regex *regex);
/* Number of the named group, 0 when there is none. */
size_t regex_group_number(const struct regex *regex, struct str name);

/* The next match at or after byte from: OK, ERR_NOT_FOUND, or ERR_LIMIT when it needs too much. */
enum err regex_find(struct regex *regex, struct str text, size_t from) MUST_USE;
/* Bounds of the last match's group; false when it took no part. */
bool regex_group(const struct regex *regex, size_t group, size_t *ret_from, size_t *ret_to);
/* Where Matcher.find() goes on: behind the match, a code point further when it was empty. */
size_t regex_next(const struct regex *regex, struct str text);
/* Java's pattern in PCRE2's spelling. */
enum err regex_translate(struct str pattern, struct buf *out) MUST_USE;

#endif
