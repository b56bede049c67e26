/* SPDX-License-Identifier: MIT */
#ifndef FUNC_CASES_H
#define FUNC_CASES_H

#include "query/func.h"

/* A call by texts: an argument is "TYPE=text" (a constant), "TYPE#text" (a column), "TYPE!" (NULL);
 * nested types are read as JSON. want: the value as CAST(.. AS STRING) shows it, "NULL", or
 * "!ERROR_CLASS". A type in front, "INT:7", checks the type too. */
struct func_case {
    const char *name;
    const char *args[8];
    const char *want;
};

void func_cases_run(const struct func_case *cases, size_t count, bool ansi, const char *zone);

#endif
