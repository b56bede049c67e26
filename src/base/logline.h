/* SPDX-License-Identifier: MIT */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

#include "base/str.h"

/* Log lines: one line a fact, to standard error (or the hook), "LEVEL area: text". Written by the
 * owner of a request, task or connection, never by a library underneath. Any thread. */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

void log_line(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_level_set(enum log_level level); /* default LOG_INFO */
/* The hook replaces standard error; it gets the finished line without a line feed. Set before
 * threads start. NULL = standard error. */
void log_hook_set(void (*hook)(void *owner, enum log_level level, struct str line), void *owner);

#endif
