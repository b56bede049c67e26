/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_COMPACT_H
#define SERVE_CQL_COMPACT_H

#include "serve/cql/catalog.h"

/* Tables WITH COMPACT STORAGE; what they are is told in compact.c. */

/* Dense: with clustering columns. */
static inline bool compact_is_dense(const struct cql_table *table)
{
    return table->compact && table->clustering_count;
}

/* Does a row live by its one value (or values) alone? */
static inline bool compact_needs_value(const struct cql_table *table)
{
    return table->compact && table->column_count > table->partition_count + table->clustering_count;
}

/* May clustering columns behind the first be left out of a row's key? */
static inline bool compact_may_end(const struct cql_table *table)
{
    return table->compact && table->clustering_count > 1;
}

/* The columns that Cassandra lists beside those that were declared. */
struct compact_column {
    struct str name;
    const char *kind, *order;
    int position;
    struct str type;
};
enum { COMPACT_COLUMNS_MAX = 2 };
size_t compact_columns(const struct cql_table *table, struct arena *arena,
                       struct compact_column ret_columns[COMPACT_COLUMNS_MAX]);

#endif
