/* SPDX-License-Identifier: MIT */
#ifndef QUERY_FUNC_LIKE_H
#define QUERY_FUNC_LIKE_H

#include "base/buf.h"

/* A LIKE pattern cut at its % signs. */
struct like;

/* ERR_SYNTAX when the escape character stands before something else than % _ or itself, or last. */
enum err like_new(struct str pattern, struct str escape, struct like **ret_like) MUST_USE;
void like_free(struct like *like); /* NULL is fine */
bool like_matches(const struct like *like, struct str text);

#endif
