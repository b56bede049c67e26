/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_OPTIONS_H
#define SERVE_CQL_OPTIONS_H

#include "serve/cql/catalog.h"

/* What an option of a table is, given or not: as DESCRIBE and system_schema.tables show it. */
struct str option_text(const struct cql_table *table, const char *name, struct arena *arena);
/* A map as names and values in turn, sorted by name; classes with their packages. */
size_t option_map(const struct cql_table *table, const char *name, struct arena *arena,
                  struct str **ret_pairs);
/* A double as Java prints it: 1.0, 0.01. */
struct str option_real(struct arena *arena, struct str text);

#endif
