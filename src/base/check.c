/* SPDX-License-Identifier: MIT */
/* The end of a program that found itself in a state that its own rules exclude. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *function, const char *condition)
{
    fprintf(stderr, "millrace: internal error: %s:%d %s: check(%s) failed; please report this\n",
            file, line, function, condition);
    abort();
}
