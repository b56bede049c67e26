/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_POINTS_H
#define SERVE_CQL_POINTS_H

#include "serve/cql/exec.h"

/*
 * Reads of one row by its whole key, gathered over a turn of the loop and done at its end: a few by
 * the loop, many by the loop and a thread beside it. Loop's thread.
 */
struct points;
/* Reads the row and fills run->out, on either thread with that thread's reader: touches nothing but
 * the run and what may be read at any time. */
typedef enum err points_read(struct cql_run *run, struct table_reader *reader);

struct points *points_new(struct cql_executor *executor, points_read *read);
void points_free(struct points *points);
/* The run is done at the end of this turn, or before. */
void points_add(struct points *points, struct cql_run *run);

#endif
