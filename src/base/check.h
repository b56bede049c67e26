/* SPDX-License-Identifier: MIT */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/* Programmer errors end the program, in production too: check(a); check(b); one fact a call. */
#define check(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(__FILE__, __LINE__, __func__, #condition);                                \
    } while (0)

/* The place that is never reached: check_never("an operator that is not in the table"). */
#define check_never(why) check_failed(__FILE__, __LINE__, __func__, why)

/* check_slow() walks whole structures; compiled in for debug builds and the simulator only. */
#ifdef MILLRACE_CHECK_SLOW
#define check_slow(condition) check(condition)
#else
#define check_slow(condition) ((void)0)
#endif

/* Prints one line to standard error and aborts. */
void check_failed(const char *file, int line, const char *function, const char *condition)
    __attribute__((noreturn, cold));

#endif
