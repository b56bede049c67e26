/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_FILE_SOURCE_H
#define CONNECT_FILE_SOURCE_H

/* Shared by file_source.c (the machine) and file_list.c (which files there are). */
#include "base/mem.h"
#include "connect/connect_private.h"

enum { FILES_MAX = 500 }; /* each is kept open */

/* One file, known by its inode: a name may come to mean another file. */
struct file_entry {
    char *path; /* as opened; for messages */
    uint64_t inode;
    struct io_file *file; /* NULL = not open */
    uint64_t offset;      /* durable in the topic up to here */
    bool named;           /* a name of the pattern leads to it */
    bool finished;        /* not followed, and read to its end */
};
struct file_list {
    struct io *io;
    char *directory; /* of the pattern */
    char *pattern;   /* last part, with * and ? */
    struct file_entry *entries;
    size_t count;
};

/* path is relative to base unless it begins with a slash. */
void file_list_init(struct file_list *list, struct io *io, const char *base, struct str path);
void file_list_deinit(struct file_list *list);
/* Looks at the directory: new files are added, in order of their names. Files of known inode whose
 * name no longer fits are looked for under any name when they are not open. ERR_LIMIT: too many. */
enum err file_list_scan(struct file_list *list, bool follow) MUST_USE;
/* Drops an entry. */
void file_list_remove(struct file_list *list, size_t index);
/* "files INODE:OFFSET ..." */
void file_list_print(const struct file_list *list, struct buf *out);
enum err file_list_parse(struct file_list *list, struct str position) MUST_USE;
/* * any run, ? one byte. */
bool file_pattern_fits(const char *pattern, const char *name);

#endif
