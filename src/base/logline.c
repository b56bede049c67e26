/* SPDX-License-Identifier: MIT */
/* One line a fact. The line is built on the stack, so that a full heap can still be reported. */
#include "base/logline.h"

#include <stdarg.h>
#include <stdio.h>

static enum log_level level_min = LOG_INFO;
static void (*hook)(void *owner, enum log_level level, struct str line);
static void *hook_owner;

void log_level_set(enum log_level level)
{
    level_min = level;
}

void log_hook_set(void (*new_hook)(void *owner, enum log_level level, struct str line), void *owner)
{
    hook = new_hook;
    hook_owner = owner;
}

void log_line(enum log_level level, const char *area, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char line[1024];
    if (level < level_min || level >= LOG_OFF)
        return;
    int at = snprintf(line, sizeof line, "%s %s: ", names[level], area);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + at, sizeof line - (size_t)at, format, args);
    va_end(args);
    size_t bytes = (size_t)at + (size_t)(more < 0 ? 0 : more);
    if (bytes >= sizeof line)
        bytes = sizeof line - 1;
    /* Texts of others may be in it: a line stays one line. */
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7F)
            line[i] = ' ';
    if (hook)
        hook(hook_owner, level, str_from(line, bytes));
    else
        fprintf(stderr, "%.*s\n", (int)bytes, line);
}
