/* SPDX-License-Identifier: MIT */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/buf.h"
#include "base/mem.h"

/*
 * What went wrong in something that a person wrote: which file, where, what, and what to do.
 * line and column count from 1; 0 = the whole file or no place. column counts code points.
 */
struct diag {
    enum err err;
    char file[256]; /* relative to the project, or empty */
    uint32_t line;
    uint32_t column;
    char error_class[96]; /* Spark's error class where there is one, else empty */
    char sqlstate[6];     /* five characters, or empty */
    char message[512];
    char hint[256];
};

/* Fills a diag (which may be NULL) and returns err, so that callers can say return diag_set(..).
 * A diag that holds an error already keeps it. */
enum err diag_set(struct diag *diag, enum err err, uint32_t line, uint32_t column,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));
void diag_hint(struct diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diag_class(struct diag *diag, const char *error_class, const char *sqlstate);

/* Many mistakes at once: `check` shows all of them. Keeps the first count_max, counts the rest. */
struct diag_list {
    struct diag *items;
    size_t count;
    size_t count_max; /* 0 = 200 */
    size_t dropped;
};

void diag_list_add(struct diag_list *list, const struct diag *diag);
void diag_list_deinit(struct diag_list *list);

/* "file:line:column: message" and, when source is there, the line, its secrets hidden, with a caret
 * below, then the hint. Ends with a line feed. */
void diag_print(const struct diag *diag, struct str source, struct buf *out);
/* Whether a setting of this name has a value that no message shows. */
bool diag_is_secret(struct str name);

#endif
