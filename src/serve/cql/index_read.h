/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_INDEX_READ_H
#define SERVE_CQL_INDEX_READ_H

#include "serve/cql/select_run.h"

/* Rows of a table found through the entries of an index; entries whose row has another value by now
 * are passed over. */
struct index_read;
enum err index_read_open(struct select_run *s, struct index_read **ret_read) MUST_USE;
/* NULL at the end; the row lives until the next call. */
enum err index_read_next(struct index_read *read, const struct table_row **ret_row) MUST_USE;
void index_read_position(const struct index_read *read, struct buf *out);
void index_read_close(struct index_read *read);

#endif
