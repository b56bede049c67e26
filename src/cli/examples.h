/* SPDX-License-Identifier: MIT */
#ifndef CLI_EXAMPLES_H
#define CLI_EXAMPLES_H

#include <stddef.h>

/* The projects under examples/, built into the program for `millrace init`. Ended by folder NULL.
 */
struct example_file {
    const char *folder; /* "random-users" */
    const char *path;   /* "transformations/created_users.sql" */
    const char *content;
    size_t bytes;
};
extern const struct example_file example_files[];

#endif
