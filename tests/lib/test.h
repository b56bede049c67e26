/* SPDX-License-Identifier: MIT */
#ifndef TEST_H
#define TEST_H

/* What every unit test starts from: cmocka, and the path of this tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

#define assert_ok(expression)                                                                      \
    do {                                                                                           \
        enum err assert_err_ = (expression);                                                       \
        if (assert_err_ != OK)                                                                     \
            fail_msg("%s: %s", #expression, err_text(assert_err_));                                \
    } while (0)

#define assert_err(expected, expression) assert_int_equal((expected), (expression))

#define assert_str(expected, actual)                                                               \
    do {                                                                                           \
        struct str want_ = str_of(expected), have_ = (actual);                                     \
        if (!str_equal(want_, have_))                                                              \
            fail_msg("want '%s', have '%.*s'", expected, STR_ARG(have_));                          \
    } while (0)

/* The recorded data beside the tree (../shared), or NULL: the test then calls skip(). */
static inline const char *shared_dir(void)
{
    const char *dir = getenv("MILLRACE_SHARED");
    return dir && *dir ? dir : NULL;
}

/* TAP on standard output for tests/run.py. */
#define RUN_TESTS(tests)                                                                           \
    (cmocka_set_message_output(CM_OUTPUT_TAP), cmocka_run_group_tests(tests, NULL, NULL))

#endif
