/* SPDX-License-Identifier: MIT */
/*
 * Tables WITH COMPACT STORAGE: what clients of the days before CQL could write. Two kinds.
 *
 *   static   no clustering columns. Cassandra keeps them as static columns beside a clustering
 *            column and a value that nobody sees; here they are a row like others, and only lists
 *            of columns know of the hidden ones.
 *   dense    clustering columns and at most one more, the value. What is clustered on is the name
 *            of a cell: with one column it must not be empty, with several those behind the first
 *            may be missing at the end (table/key.c).
 *
 * An INSERT leaves no marker: a row is there as long as it has a value. A dense table that has none
 * has a hidden empty one, for which the marker stands.
 */
#include "serve/cql/compact.h"

/* "column1", or with the first number that no column has; a value has none at first. */
static struct str free_name(const struct cql_table *table, struct arena *arena, const char *base,
                            int number)
{
    struct str name = number ? str_of(arena_printf(arena, "%s%d", base, number)) : str_of(base);
    while (cql_column_find(table, name))
        name = str_of(arena_printf(arena, "%s%d", base, ++number));
    return name;
}

size_t compact_columns(const struct cql_table *table, struct arena *arena,
                       struct compact_column ret_columns[COMPACT_COLUMNS_MAX])
{
    size_t count = 0;
    bool dense = compact_is_dense(table);
    if (!table->compact || (dense && compact_needs_value(table)))
        return 0;
    if (!dense)
        ret_columns[count++] = (struct compact_column){free_name(table, arena, "column", 1),
                                                       "clustering", "asc", 0, STR("text")};
    struct str type = dense ? STR("empty") : table->is_counter ? STR("counter") : STR("blob");
    ret_columns[count++] =
        (struct compact_column){free_name(table, arena, "value", 0), "regular", "none", -1, type};
    return count;
}
