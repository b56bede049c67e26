/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SERVE_CQL_SCRIPT_H
#define TESTS_SERVE_CQL_SCRIPT_H

#include "serve/cql/catalog.h"

/*
 * Scripts of statements with the answers that a Cassandra 5.0 gave to them: a line with a
 * statement (\n in it stands for a line feed), a line "   => ANSWER". Answers: "OK", "SYNTAX ..",
 * "INVALID ..", "CONFIG ..", "EXISTS ..", "UNAUTHORIZED .."; of DESCRIBE its rows, values between
 * bars. Lines that start with # say where and why ours differ.
 */

/* Appends the answer to one statement. */
void script_answer(struct cql_catalog *catalog, struct str statement, struct buf *out);
/* Runs a file against the catalogue: the number of answers that differ, each printed. */
size_t script_run(struct cql_catalog *catalog, const char *path, size_t *ret_count);

#endif
