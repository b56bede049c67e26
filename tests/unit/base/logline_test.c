/* SPDX-License-Identifier: MIT */
/* Log lines: levels, the hook, and that a line stays one line of bounded length. */
#include "test.h"

#include "base/logline.h"

static char last[2000];
static size_t count;

static void hook(void *owner, enum log_level level, struct str line)
{
    assert_ptr_equal(&count, owner);
    assert_true(line.bytes < sizeof last);
    memcpy(last, line.ptr, line.bytes);
    last[line.bytes] = 0;
    count++;
}

static void test_lines(void **state)
{
    log_hook_set(hook, &count);
    log_line(LOG_INFO, "test", "number %d", 7);
    assert_string_equal("info test: number 7", last);
    log_line(LOG_DEBUG, "test", "not shown");
    assert_int_equal(1, count);
    log_level_set(LOG_DEBUG);
    log_line(LOG_DEBUG, "test", "shown");
    assert_string_equal("debug test: shown", last);
    log_level_set(LOG_ERROR);
    log_line(LOG_WARN, "test", "not shown");
    assert_int_equal(2, count);
    log_line(LOG_ERROR, "test", "forged\r\ninfo test: \x1B[2Jall is well");
    assert_string_equal("error test: forged  info test:  [2Jall is well", last);
    log_level_set(LOG_OFF);
    log_line(LOG_ERROR, "test", "not shown");
    assert_int_equal(3, count);
    log_level_set(LOG_INFO);
    log_line(LOG_INFO, "test", "%01500d", 1);
    assert_true(strlen(last) > 900 && strlen(last) < 1100);
    log_hook_set(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return RUN_TESTS(tests);
}
